//! The log: `tracing` to standard error or a file, as lines for people or JSON for machines.
//!
//! Errors: [`LogError`] names the setting to mend.
//! Not here: what is logged; nobody logs per packet.

use std::fs::OpenOptions;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `--log` is not a filter.
    #[error("log = `{filter}`: {detail}; try info, or info,sip=debug")]
    Filter {
        /// What was given.
        filter: String,
        /// Why not.
        detail: String,
    },
    /// `--log-file` cannot be appended to.
    #[error("cannot append to the log file {path}: {source}")]
    File {
        /// Its name.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Opens the log of this process. A second call changes nothing.
///
/// # Errors
/// `Filter` or `File`.
pub fn open(filter: &str, json: bool, file: Option<&str>) -> Result<(), LogError> {
    let env = EnvFilter::try_new(filter).map_err(|error| LogError::Filter { filter: filter.to_owned(), detail: error.to_string() })?;
    let (writer, ansi) = match file {
        Some(path) => {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|source| LogError::File { path: path.to_owned(), source })?;
            (BoxMakeWriter::new(std::sync::Mutex::new(file)), false)
        }
        None => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(env).with_writer(writer).with_ansi(ansi).with_target(true);
    // Only a second subscriber in one process is refused, and then the first one goes on.
    let _ = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    Ok(())
}
