//! Why an engine does not start.

use std::io;
use std::path::PathBuf;

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The script cannot be read.
    #[error("cannot read the script {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The script is not JavaScript, or failed before it came to its end. The text names file and line.
    #[error("the script failed: {0}")]
    Script(String),
    /// The address that the script wants to listen on cannot be had.
    #[error("{0}")]
    Listen(String),
    /// QuickJS could not be set up within the memory limit.
    #[error("the script engine cannot start: {0}")]
    Engine(String),
}
