//! Decoded sounds, kept for those who play them next.
//!
//! ```text
//!   get ─▶ kept and looked at within the last second ─▶ the sound
//!       ─▶ being loaded ─▶ wait with the others               one load per file, whoever asks meanwhile
//!       ─▶ else: worker thread: unchanged? read again? ─▶ keep, make room
//! ```
//! Shape:  by key of encoding, name and sample rate. What plays cannot be dropped, so it counts as taken.
//! Memory: at most as many bytes as said at construction. What has not been used for longest goes first; where nothing can go,
//!         the new sound is refused.
//! Errors: [`FileError`]; a file that cannot be read now is not kept, whatever it was before.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rt::OneshotSender;
use rtp::api::FileKey;
use rtp::sound::Sound;

use super::FileError;
use super::worker::Done;

/// How long a file is taken to be as it was.
const FRESH: Duration = Duration::from_secs(1);

/// A decoding of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// How it was named.
    pub key: FileKey,
    /// Its name.
    pub name: Arc<str>,
    /// Rate of the samples.
    pub rate_hz: u32,
}

/// What tells a file from what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Last change.
    pub modified: Option<SystemTime>,
    /// Bytes.
    pub size: u64,
    /// Which file it is.
    pub inode: u64,
}

type Answer = Result<Arc<Sound>, FileError>;

#[derive(Clone)]
struct Kept {
    sound: Arc<Sound>,
    stamp: Stamp,
    checked: Instant,
    used: u64,
}

#[derive(Default)]
struct Entry {
    kept: Option<Kept>,
    /// A load is under way if there are any.
    waiters: Vec<OneshotSender<Answer>>,
}

struct State {
    entries: HashMap<Key, Entry>,
    bytes: usize,
    bytes_max: usize,
    clock: u64,
    loads: u64,
    hits: u64,
}

/// The sounds.
#[derive(Clone)]
pub struct Sounds(Rc<RefCell<State>>);

impl Sounds {
    /// None yet, and room for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self(Rc::new(RefCell::new(State { entries: HashMap::new(), bytes: 0, bytes_max, clock: 0, loads: 0, hits: 0 })))
    }

    /// The sound, from here or by `load`, which is told what is known of the file.
    pub async fn get<L, F>(&self, key: Key, load: L) -> Answer
    where
        L: FnOnce(Key, Option<Stamp>) -> F,
        F: Future<Output = Result<Done, FileError>> + 'static,
    {
        let (sender, receiver) = rt::oneshot();
        let first = {
            let mut state = self.0.borrow_mut();
            if let Some(sound) = state.fresh(&key) {
                return Ok(sound);
            }
            let entry = state.entries.entry(key.clone()).or_default();
            entry.waiters.push(sender);
            (entry.waiters.len() == 1).then(|| entry.kept.as_ref().map(|kept| kept.stamp))
        };
        if let Some(known) = first {
            let loading = load(key.clone(), known);
            let sounds = self.clone();
            // A task of its own: whoever asked first may go away, the others still wait.
            drop(rt::spawn_local(async move { sounds.loaded(&key, loading.await) }));
        }
        receiver.await.unwrap_or(Err(FileError::Gone))
    }

    /// Figures for `/status`.
    pub fn figures(&self) -> [(&'static str, u64); 4] {
        let state = self.0.borrow();
        [
            ("sounds", state.entries.len() as u64),
            ("sounds_bytes", state.bytes as u64),
            ("sounds_read", state.loads),
            ("sounds_shared", state.hits),
        ]
    }

    fn loaded(&self, key: &Key, done: Result<Done, FileError>) {
        let (answer, waiters) = {
            let mut state = self.0.borrow_mut();
            let answer = state.learn(key, done);
            let waiters = match state.entries.get_mut(key) {
                Some(entry) => std::mem::take(&mut entry.waiters),
                None => Vec::new(),
            };
            if answer.is_err() {
                state.forget(key);
            }
            state.hits += (waiters.len() as u64).saturating_sub(1);
            (answer, waiters)
        };
        for waiter in waiters {
            // Whoever asked may have gone away.
            let _ = waiter.send(answer.clone());
        }
    }
}

impl State {
    fn fresh(&mut self, key: &Key) -> Option<Arc<Sound>> {
        let clock = self.tick();
        let kept = self.entries.get_mut(key)?.kept.as_mut().filter(|kept| kept.checked.elapsed() < FRESH)?;
        kept.used = clock;
        self.hits += 1;
        Some(Arc::clone(&kept.sound))
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn learn(&mut self, key: &Key, done: Result<Done, FileError>) -> Answer {
        let clock = self.tick();
        match done? {
            Done::Same => {
                let kept = self.entries.get_mut(key).and_then(|entry| entry.kept.as_mut()).ok_or(FileError::Gone)?;
                (kept.checked, kept.used) = (Instant::now(), clock);
                Ok(Arc::clone(&kept.sound))
            }
            Done::Loaded(sound, stamp) => {
                self.loads += 1;
                self.drop_kept(key);
                self.make_room(sound.bytes()).ok_or_else(|| FileError::Memory { name: Arc::clone(&key.name), max: self.bytes_max })?;
                self.bytes += sound.bytes();
                let kept = Kept { sound: Arc::clone(&sound), stamp, checked: Instant::now(), used: clock };
                self.entries.entry(key.clone()).or_default().kept = Some(kept);
                Ok(sound)
            }
            Done::Created(_) => Err(FileError::Gone),
            Done::Failed(error) => Err(error),
        }
    }

    /// Drops what nobody plays, oldest use first, until there is room. `None` if there is none even so.
    fn make_room(&mut self, bytes: usize) -> Option<()> {
        while self.bytes + bytes > self.bytes_max {
            let idle = self.entries.iter().filter(|(_, entry)| entry.waiters.is_empty());
            let idle = idle.filter_map(|(key, entry)| Some((key, entry.kept.as_ref().filter(|kept| Arc::strong_count(&kept.sound) == 1)?)));
            let oldest = idle.min_by_key(|(_, kept)| kept.used)?.0.clone();
            self.forget(&oldest);
        }
        Some(())
    }

    fn forget(&mut self, key: &Key) {
        self.drop_kept(key);
        self.entries.remove(key);
    }

    fn drop_kept(&mut self, key: &Key) {
        if let Some(kept) = self.entries.get_mut(key).and_then(|entry| entry.kept.take()) {
            self.bytes -= kept.sound.bytes();
        }
    }
}
