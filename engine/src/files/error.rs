//! Why a sound file cannot be used.
//!
//! Shape:  every variant that is about a file names it as the request did, never where it lies.
//! Status: 400 for a name or a file that is wrong, 409 for one in use, 503 for what may pass.

use std::sync::Arc;

use rtp::api::CommandError;
use rtp::wav::WavError;

/// Why a file cannot be played or recorded to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no `--media`.
    #[error("no directory for sound files is set (--media DIR)")]
    NoDirectory,
    /// The name is absolute, has `..`, or leads out of the directory.
    #[error("{0}: a name must lie below the media directory")]
    Outside(Arc<str>),
    /// It cannot be opened, read or created.
    #[error("{name}: {detail}")]
    System {
        /// The file.
        name: Arc<str>,
        /// What the system says.
        detail: String,
        /// It may pass: no descriptors, disk full.
        passing: bool,
    },
    /// It is no sound.
    #[error("{name}: {error}")]
    Sound {
        /// The file.
        name: Arc<str>,
        /// What is wrong with it.
        error: WavError,
    },
    /// It is being recorded to.
    #[error("{0}: is being recorded to already")]
    InUse(Arc<str>),
    /// All memory for sounds is taken by sounds that play.
    #[error("{name}: sounds that play now take all of the {max} bytes for sounds")]
    Memory {
        /// The file.
        name: Arc<str>,
        /// All memory there is for sounds.
        max: usize,
    },
    /// As many recordings as there may be.
    #[error("recordings: all {0} are in use")]
    TooManyRecordings(usize),
    /// Too many files are asked for at once.
    #[error("too many files are being opened; try again")]
    Busy,
    /// The program stops.
    #[error("the program is stopping")]
    Gone,
}

impl FileError {
    /// What the request is answered.
    pub fn refusal(&self) -> CommandError {
        match self {
            Self::NoDirectory | Self::Outside(_) | Self::Sound { .. } | Self::System { passing: false, .. } => {
                CommandError::Bad(self.to_string())
            }
            Self::InUse(_) => CommandError::WrongState("the file is being recorded to already"),
            Self::TooManyRecordings(max) => CommandError::Full { what: "recordings", max: *max },
            Self::Memory { .. } => CommandError::Unavailable("sounds that play now take all memory for sounds"),
            Self::System { passing: true, .. } => CommandError::Unavailable("the system cannot open one more file now; see the log"),
            Self::Busy => CommandError::Unavailable("too many files are being opened; try again"),
            Self::Gone => CommandError::Unavailable("the program is stopping"),
        }
    }

    pub(super) fn system(name: &Arc<str>, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EXDEV | libc::ELOOP) => Self::Outside(Arc::clone(name)),
            number => {
                let passing = matches!(number, Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN));
                let detail = match number {
                    Some(libc::ENOENT) => "there is no such file".to_owned(),
                    Some(libc::EACCES | libc::EPERM) => "may not be opened".to_owned(),
                    Some(libc::ENOSPC | libc::EDQUOT) => "the disk is full".to_owned(),
                    _ => error.to_string(),
                };
                Self::System { name: Arc::clone(name), detail, passing }
            }
        }
    }
}
