//! The thread that opens, reads and decodes sound files, and creates those of recordings.
//!
//! Shape:  one thread, jobs in order of arrival, each answered. Jobs of a slow disk make later ones wait, and nobody else.
//! Memory: one file at a time, at most [`FILE_MAX`] bytes beside what it decodes to.
//! Errors: [`Done::Failed`].

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::thread::JoinHandle;

use dsp::Kernels;
use rt::Signal;
use rtp::api::Ticket;
use rtp::sound::Sound;
use rtp::wav::{Header, decode_file};

use super::cache::{Key, Stamp};
use super::root::Root;
use super::writer::{NewRecordings, Recording};
use super::{FileError, Limits};
use crate::mesh::Server;

/// Largest file that is read, 512 MiB: 50 minutes of stereo at 44.1 kHz and 16 bits, or nine hours of 8 kHz.
const FILE_MAX: u64 = 1 << 29;

/// What the thread is asked for.
pub enum Job {
    /// A decoded file, unless it is as it was.
    Load {
        /// Which.
        wanted: Key,
        /// As it was.
        known: Option<Stamp>,
    },
    /// A file for a recording.
    Create {
        /// Its name.
        name: Arc<str>,
        /// What is written to it.
        header: Header,
        /// Its name in the process.
        ticket: Ticket,
    },
}

/// What came of a job.
pub enum Done {
    /// The file is as it was.
    Same,
    /// It was read.
    Loaded(Arc<Sound>, Stamp),
    /// It can be written.
    Created(Arc<Recording>),
    /// It cannot.
    Failed(FileError),
}

/// Starts the thread. It ends with the process, or when `new` says that the writer stops.
pub fn start(
    root: Arc<Root>,
    server: Server<Job, Done, ()>,
    jobs: Signal,
    new: NewRecordings,
    limits: &Limits,
) -> io::Result<JoinHandle<()>> {
    let mut worker = Worker { root, new, kernels: Kernels::best(), samples_max: limits.sounds_bytes as u64 / 4 };
    std::thread::Builder::new().name("files".into()).spawn(move || worker.run(server, &jobs))
}

struct Worker {
    root: Arc<Root>,
    new: NewRecordings,
    kernels: Kernels,
    /// Of one sound: half of all memory for sounds.
    samples_max: u64,
}

impl Worker {
    fn run(&mut self, mut server: Server<Job, Done, ()>, jobs: &Signal) {
        while !self.new.is_stopped() {
            while let Some((call, job)) = server.next_command() {
                let done = match job {
                    Job::Load { wanted, known } => self.load(&wanted, known),
                    Job::Create { name, header, ticket } => {
                        self.root.place(&name).and_then(|place| self.new.create(name, place, header, ticket)).map(Done::Created)
                    }
                };
                server.answer(call, done.unwrap_or_else(Done::Failed));
                server.flush();
            }
            jobs.wait_blocking();
        }
    }

    fn load(&self, wanted: &Key, known: Option<Stamp>) -> Result<Done, FileError> {
        let name = &wanted.name;
        let system = |error: io::Error| FileError::system(name, &error);
        let file = self.root.read(name)?;
        let metadata = file.metadata().map_err(system)?;
        let stamp = Stamp { modified: metadata.modified().ok(), size: metadata.len(), inode: metadata.ino() };
        if known == Some(stamp) {
            return Ok(Done::Same);
        }
        if stamp.size > FILE_MAX {
            return Err(FileError::System { name: Arc::clone(name), detail: format!("is larger than {FILE_MAX} bytes"), passing: false });
        }
        let mut bytes = Vec::with_capacity(stamp.size as usize);
        // It may grow while it is read.
        file.take(FILE_MAX).read_to_end(&mut bytes).map_err(system)?;
        match decode_file(wanted.key, &bytes, wanted.rate_hz, self.samples_max, &self.kernels) {
            Ok(sound) => Ok(Done::Loaded(Arc::new(sound), stamp)),
            Err(error) => Err(FileError::Sound { name: Arc::clone(name), error }),
        }
    }
}
