//! Sound files: read, decoded, kept and shared; recordings written. None of it on a media shard's time.
//!
//! ```text
//!   front shard:  Files::sound ──► Sounds (kept, one load per file) ──► worker thread: open, decode ──► Arc<Sound>
//!                 Files::record ─────────────────────────────────────► worker thread: create ──► Arc<Recording>
//!   media shard:  Recording::write, finish (a queue, no system call) ──► writer thread: write, rename ──► News
//! ```
//! Shape:  [`Files`] on the front shard, two threads beside it. Without `--media` there are none, and every name is refused.
//! Names:  below the media directory, whatever links say ([`root`]).
//! Memory: decoded sounds up to [`Limits::sounds_bytes`]; blocks that wait for the disk up to `writer::WAITING_MAX`.
//! Errors: [`FileError`], with the HTTP status of each.

mod cache;
mod error;
pub mod root;
#[cfg(test)]
mod tests;
mod worker;
mod writer;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rt::{Latch, Wake};
use rtp::api::{FileKey, Ticket};
use rtp::sound::Sound;
use rtp::wav::Header;

pub use self::error::FileError;
use self::root::Root;
use self::worker::{Done, Job};
pub use self::writer::{Outcome, Recording};
use self::writer::{Writer, WriterEnd};
use crate::mesh::{AskError, Caller, CallerEnd};

/// How much is kept.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of decoded sounds.
    pub sounds_bytes: usize,
    /// Recordings at a time.
    pub recordings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // 256 MiB: 4.6 hours at 8 kHz. Recordings: each has a descriptor.
        Self { sounds_bytes: 256 << 20, recordings: 4096 }
    }
}

/// What [`start`] gives for the front shard's thread.
pub struct FilesEnd {
    worker: Option<(CallerEnd<Job, Done, ()>, WriterEnd, Wake)>,
    limits: Limits,
}

/// The threads, for the end of the program.
#[derive(Debug, Default)]
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until recordings are whole, once the front and media shards have ended; no longer than so.
    pub fn finish(&self, most: Duration) {
        let give_up = Instant::now() + most;
        while Instant::now() < give_up && self.0.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The sound files of the front shard.
pub struct Files {
    worker: Option<Caller<Job, Done, ()>>,
    /// Dropped before `_stop`: it says that the threads may end.
    writer: Option<Writer>,
    _stop: Option<Stop>,
    sounds: cache::Sounds,
    limits: Limits,
    next_ticket: Cell<u64>,
}

/// Lets the worker look whether it may end.
struct Stop(Wake);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.fire();
    }
}

/// Starts the threads for the files below `media`; without a directory there is nothing to start.
///
/// # Errors
/// The directory cannot be opened, or a thread not started.
pub fn start(media: Option<&Path>, limits: Limits) -> std::io::Result<(FilesEnd, Threads)> {
    let Some(media) = media else { return Ok((FilesEnd { worker: None, limits }, Threads::default())) };
    let root = Arc::new(Root::open(media)?);
    let (wake, commands) = rt::signal();
    let (end, server) = crate::mesh::pair(wake);
    let (writer, new, recordings) = writer::start()?;
    let stop = commands.wake_handle();
    let files = worker::start(root, server, commands, new, &limits)?;
    Ok((FilesEnd { worker: Some((end, writer, stop)), limits }, Threads(vec![recordings, files])))
}

impl Files {
    /// Settles on the calling thread. [`Files::run`] must be running for anything to be read.
    pub fn new(end: FilesEnd) -> Rc<Self> {
        let sounds = cache::Sounds::new(end.limits.sounds_bytes);
        let next_ticket = Cell::new(1);
        let (worker, writer, stop) = match end.worker {
            Some((end, writer, stop)) => (Some(Caller::new(end)), Some(writer.settle()), Some(Stop(stop))),
            None => (None, None, None),
        };
        Rc::new(Self { worker, writer, _stop: stop, sounds, limits: end.limits, next_ticket })
    }

    /// Carries answers, and tells `ended` of each recording whose file is there or failed, until `stop` opens.
    pub async fn run(self: Rc<Self>, mut ended: impl FnMut(Ticket, Outcome), stop: &Latch) {
        let Some((worker, writer)) = self.worker.as_ref().zip(self.writer.as_ref()) else { return stop.wait().await };
        let answers = rt::spawn_local({
            let (worker, stop) = (worker.clone(), stop.clone());
            async move { worker.run(&stop, |()| {}).await }
        });
        writer.run(&mut ended, stop).await;
        answers.await;
    }

    /// A decoded sound at 8 or 16 kHz.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn sound(&self, key: FileKey, name: &Arc<str>, rate_hz: u32) -> Result<Arc<Sound>, FileError> {
        let Some(worker) = &self.worker else { return Err(FileError::NoDirectory) };
        let wanted = cache::Key { key, name: Arc::clone(name), rate_hz };
        let worker = worker.clone();
        self.sounds.get(wanted, |wanted, known| async move { ask(&worker, Job::Load { wanted, known }).await }).await
    }

    /// A new file for a recording.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn record(&self, name: &Arc<str>, header: Header) -> Result<Arc<Recording>, FileError> {
        let Some((worker, writer)) = self.worker.as_ref().zip(self.writer.as_ref()) else { return Err(FileError::NoDirectory) };
        if writer.open() >= self.limits.recordings {
            return Err(FileError::TooManyRecordings(self.limits.recordings));
        }
        let ticket = Ticket(self.next_ticket.replace(self.next_ticket.get() + 1));
        match ask(worker, Job::Create { name: Arc::clone(name), header, ticket }).await? {
            Done::Created(recording) => Ok(recording),
            Done::Same | Done::Loaded(..) | Done::Failed(_) => Err(FileError::Gone),
        }
    }

    /// Named figures for `/status`.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        let mut figures = self.sounds.figures().to_vec();
        figures.extend(self.writer.iter().flat_map(Writer::figures));
        figures
    }
}

async fn ask(worker: &Caller<Job, Done, ()>, job: Job) -> Result<Done, FileError> {
    match worker.ask(job).await {
        Ok(Done::Failed(error)) => Err(error),
        Ok(done) => Ok(done),
        Err(AskError::Full(_)) => Err(FileError::Busy),
        Err(AskError::Gone) => Err(FileError::Gone),
    }
}
