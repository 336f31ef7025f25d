//! `mediaswitch bench`: what this host carries. Its own options, see `mediaswitch bench --help`.
//!
//! Shape:  the words after `bench` go to `perf::bench`, which starts this same program as the switch that it measures.
//! Errors: exit code 2 for wrong options, 1 for what could not be measured.
//! Not here: measuring, reports (`perf::bench`).

use std::ffi::OsString;
use std::process::ExitCode;

use perf::bench::BenchError;

use super::{Failure, say};

/// Runs it.
///
/// # Errors
/// Wrong options, or nothing to measure.
pub fn run(words: &[OsString]) -> Result<ExitCode, Failure> {
    match perf::bench::run(words) {
        Ok(said) => {
            let code = say(&said.text)?;
            if said.missing.is_empty() {
                Ok(code)
            } else {
                Err(Failure { code: 1, message: format!("not measured: {}", said.missing.join("; ")) })
            }
        }
        Err(BenchError::Usage(message)) => Err(Failure::usage(message)),
        Err(BenchError::Failed(message)) => Err(Failure { code: 1, message }),
    }
}
