//! Recordings on their way to the disk.
//!
//! ```text
//!   media shard: Recording::write ─▶ queue of the recording ─▶ writer thread, each 50 ms ─▶ .name.PID-N.part
//!                Recording::finish ─▶ a word in memory ───────▶ header, rename ─▶ name ─▶ Outcome ─▶ front shard
//! ```
//! Shape:  the thread looks at all recordings 20 times a second, so that a media shard never makes a system call for one;
//!         with none it sleeps. What was not written is silence, for every block has its place.
//! Memory: [`BLOCKS_MAX`] blocks a recording (64 × 0.5 s = 32 s), and [`WAITING_MAX`] bytes in all; past that blocks are refused.
//!         Blocks go round: [`SPARES`] are made with the file, and come back once written. A media shard asks the allocator
//!         for one only where the disk is behind by more than those.
//! Safe:   a file has its own name only when it is whole; a process that dies leaves a `.part`. Not synced: after a power
//!         failure the newest may be missing.
//! Errors: the first one of a file is kept for its [`Outcome`]; what was written until then becomes the file all the same.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam::queue::{ArrayQueue, SegQueue};
use rt::{Latch, Signal, Wake};
use rtp::api::Ticket;
use rtp::record::{RecordFile, block_bytes};
use rtp::wav::{Header, WriteFormat};

use super::FileError;
use super::root::Place;
use crate::os::beneath;

/// Blocks of one recording that wait.
const BLOCKS_MAX: usize = 64;
/// Bytes of all blocks that wait.
pub const WAITING_MAX: usize = 64 << 20;
/// Empty blocks of a recording: one is taken each 0.5 s, and comes back within a [`LOOK`] of a disk that is not behind.
const SPARES: usize = 2;
/// Between two looks at the recordings.
const LOOK: Duration = Duration::from_millis(50);
/// Not finished yet.
const RUNNING: u64 = u64::MAX;

/// What became of a recording's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes of the file; 0 if there is none.
    pub bytes: u64,
    /// What went wrong.
    pub error: Option<String>,
}

/// A file that is being recorded to.
#[derive(Debug)]
pub struct Recording {
    ticket: Ticket,
    header: Header,
    file: File,
    place: Place,
    temporary: String,
    blocks: ArrayQueue<(u64, Vec<u8>)>,
    empty: ArrayQueue<Vec<u8>>,
    finish: AtomicU64,
    abandoned: AtomicBool,
    broken: AtomicBool,
    shared: Arc<Shared>,
}

struct Shared {
    new: SegQueue<Arc<Recording>>,
    waiting: AtomicUsize,
    refused: AtomicU64,
    open: AtomicUsize,
    /// Directory (device, inode) and name of each.
    names: Mutex<HashSet<(u64, u64, String)>>,
    ended: SegQueue<(Ticket, Outcome)>,
    news: Wake,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// The front shard's end before it is on its thread.
pub struct WriterEnd(Arc<Shared>, Signal);

/// The front shard's end.
pub struct Writer {
    shared: Arc<Shared>,
    news: Signal,
}

/// The worker's end: it makes files.
pub struct NewRecordings(Arc<Shared>);

/// Starts the thread.
pub fn start() -> io::Result<(WriterEnd, NewRecordings, JoinHandle<()>)> {
    let (wake, news) = rt::signal();
    let shared = Arc::new(Shared {
        new: SegQueue::new(),
        waiting: AtomicUsize::new(0),
        refused: AtomicU64::new(0),
        open: AtomicUsize::new(0),
        names: Mutex::default(),
        ended: SegQueue::new(),
        news: wake,
        stop: AtomicBool::new(false),
        thread: OnceLock::new(),
    });
    let of_thread = Arc::clone(&shared);
    let handle = std::thread::Builder::new().name("recordings".into()).spawn(move || run(&of_thread))?;
    shared.thread.get_or_init(|| handle.thread().clone());
    Ok((WriterEnd(Arc::clone(&shared), news), NewRecordings(shared), handle))
}

impl WriterEnd {
    /// Settles on the calling thread.
    pub fn settle(self) -> Writer {
        Writer { shared: self.0, news: self.1 }
    }
}

impl Writer {
    /// Recordings that are not finished.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Tells of each file that is finished, until `stop` opens.
    pub async fn run(&self, ended: &mut impl FnMut(Ticket, Outcome), stop: &Latch) {
        loop {
            while let Some((ticket, outcome)) = self.shared.ended.pop() {
                ended(ticket, outcome);
            }
            if stop.is_open() {
                return;
            }
            rt::select(self.news.wait(), stop.wait()).await;
        }
    }

    /// Named figures for `/status`.
    pub fn figures(&self) -> [(&'static str, u64); 3] {
        [
            ("recordings", self.open() as u64),
            ("recordings_waiting_bytes", self.shared.waiting.load(Ordering::Relaxed) as u64),
            ("recordings_refused_blocks", self.shared.refused.load(Ordering::Relaxed)),
        ]
    }
}

impl Drop for Writer {
    /// The thread ends once every recording has.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl NewRecordings {
    /// Creates a file under a name of its own.
    pub fn create(&self, name: Arc<str>, place: Place, header: Header, ticket: Ticket) -> Result<Arc<Recording>, FileError> {
        let shared = &self.0;
        let system = |error: io::Error| FileError::system(&name, &error);
        let entry = place.entry().map_err(system)?;
        if !shared.names().insert(entry.clone()) {
            return Err(FileError::InUse(name));
        }
        let temporary = format!(".{}.{}-{}.part", place.file, std::process::id(), ticket.0);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let made = beneath::open(&place.directory, &temporary, flags, MODE).and_then(|file| {
            // A disk that is full says so here, before anybody speaks.
            let first = file.write_all_at(&header.bytes(0), 0);
            first.map(|()| file).inspect_err(|_| drop(beneath::remove(&place.directory, &temporary)))
        });
        let file = made.map_err(|error| {
            shared.names().remove(&entry);
            system(error)
        })?;
        let empty = ArrayQueue::new(SPARES);
        while empty.push(Vec::with_capacity(block_bytes(&header))).is_ok() {}
        let recording = Arc::new(Recording {
            ticket,
            header,
            file,
            place,
            temporary,
            blocks: ArrayQueue::new(BLOCKS_MAX),
            empty,
            finish: AtomicU64::new(RUNNING),
            abandoned: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            shared: Arc::clone(shared),
        });
        shared.open.fetch_add(1, Ordering::Relaxed);
        shared.new.push(Arc::clone(&recording));
        shared.wake();
        Ok(recording)
    }

    /// The front shard is gone.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }
}

impl RecordFile for Recording {
    fn ticket(&self) -> Ticket {
        self.ticket
    }

    fn write(&self, place: u64, block: &mut Vec<u8>) -> bool {
        let len = block.len();
        let full = self.blocks.is_full() || self.shared.waiting.load(Ordering::Relaxed) + len > WAITING_MAX;
        if full || self.is_broken() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.shared.waiting.fetch_add(len, Ordering::Relaxed);
        let next = self.empty.pop().unwrap_or_default();
        // Room for it was seen, and nobody else adds.
        let _ = self.blocks.push((place, std::mem::replace(block, next)));
        true
    }

    fn finish(&self, data: u64) {
        self.finish.store(data, Ordering::Release);
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Recording {
    /// It will not be used: the file goes away.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashSet<(u64, u64, String)>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The same for every way to write the name.
    fn entry(&self) -> io::Result<(u64, u64, String)> {
        let directory = self.directory.metadata()?;
        Ok((directory.dev(), directory.ino(), self.file.clone()))
    }
}

fn run(shared: &Shared) {
    let mut active: Vec<Active> = Vec::new();
    loop {
        while let Some(recording) = shared.new.pop() {
            active.push(Active { recording, end: 0, error: None });
        }
        active.retain_mut(|recording| !recording.step(shared));
        if !active.is_empty() {
            std::thread::park_timeout(LOOK);
        } else if shared.stop.load(Ordering::Acquire) {
            return;
        } else if shared.new.is_empty() {
            std::thread::park();
        }
    }
}

/// A recording as the thread has it.
struct Active {
    recording: Arc<Recording>,
    /// Bytes of samples in the file.
    end: u64,
    error: Option<String>,
}

impl Active {
    /// Writes what waits. True when the recording is over and its file has its name.
    fn step(&mut self, shared: &Shared) -> bool {
        let recording = Arc::clone(&self.recording);
        // Read before the blocks: what was handed over before the end is there.
        let finish = recording.finish.load(Ordering::Acquire);
        // This thread's two: nobody else will ever finish it.
        let orphan = Arc::strong_count(&recording) <= 2;
        while let Some((place, mut bytes)) = recording.blocks.pop() {
            shared.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            if self.error.is_none() && !recording.abandoned.load(Ordering::Relaxed) {
                let written = self.write(place, &bytes);
                self.note(written);
            }
            bytes.clear();
            // One that was made since the disk was behind goes.
            let _ = recording.empty.push(bytes);
        }
        if recording.abandoned.load(Ordering::Acquire) {
            // Nobody misses it if it cannot be removed.
            let _ = beneath::remove(&recording.place.directory, &recording.temporary);
            self.close(shared);
            return true;
        }
        if finish == RUNNING && !orphan {
            return false;
        }
        let bytes = self.complete(if finish == RUNNING { self.end } else { finish });
        self.close(shared);
        shared.ended.push((recording.ticket, Outcome { bytes, error: self.error.take() }));
        shared.news.fire();
        true
    }

    fn close(&self, shared: &Shared) {
        if let Ok(entry) = self.recording.place.entry() {
            shared.names().remove(&entry);
        }
        shared.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && self.error.is_none()
        {
            self.recording.broken.store(true, Ordering::Relaxed);
            tracing::warn!(file = self.recording.place.file, "a recording cannot be written: {error}");
            let full = matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT));
            self.error = Some(if full { "the disk is full".into() } else { error.to_string() });
        }
    }

    fn write(&mut self, place: u64, bytes: &[u8]) -> io::Result<()> {
        self.fill(place)?;
        self.recording.file.write_all_at(bytes, self.recording.header.len() as u64 + place)?;
        self.end = self.end.max(place + bytes.len() as u64);
        Ok(())
    }

    /// Silence up to a place. A hole of a file reads as zeros, which is silence of linear samples only.
    fn fill(&mut self, to: u64) -> io::Result<()> {
        let (header, file) = (self.recording.header, &self.recording.file);
        if header.format == WriteFormat::Pcm16 {
            if to > self.end {
                file.set_len(header.len() as u64 + to)?;
                self.end = to;
            }
            return Ok(());
        }
        let silence = [header.format.silence(); 8192];
        while self.end < to {
            let part = silence.get(..(to - self.end).min(8192) as usize).unwrap_or(&silence);
            file.write_all_at(part, header.len() as u64 + self.end)?;
            self.end += part.len() as u64;
        }
        Ok(())
    }

    /// Makes the file whole and gives it its name; its bytes, or 0 if that failed.
    fn complete(&mut self, data: u64) -> u64 {
        if self.error.is_none() {
            let filled = self.fill(data);
            self.note(filled);
        }
        let data = data.min(self.end);
        let Recording { header, file, place, temporary, .. } = &*self.recording;
        let length = header.len() as u64 + data;
        let done = file.set_len(length + data % 2).and_then(|()| file.write_all_at(&header.bytes(data), 0));
        let done = done.and_then(|()| beneath::rename(&place.directory, temporary, &place.file));
        let named = done.is_ok();
        self.note(done);
        if named { length + data % 2 } else { 0 }
    }
}

/// For the owner and the group: recordings are private.
const MODE: u32 = 0o640;
