//! `mediaswitch bench`: what this host carries, and beside it the least that it could cost.
//!
//! ```text
//!   options ─▶ media (relay, transcode, mix) · codecs · http · register · calls ─▶ report: JSON ─▶ Markdown, SVG
//!                 └ server: a second process of this program, pinned · load: the phones · search · usage: CPU and memory from /proc
//! ```
//! Shape:  one measurement after the other; nothing else of ours runs meanwhile.
//! Units:  the report's keys name theirs.
//! Errors: text for the user; 2 for wrong options, 1 for what could not be measured.
//! Rule:   no figure is told that the load generator, and not the switch, may have set.

pub mod beside;
pub mod calls;
pub mod channels;
pub mod codecs;
pub mod host;
pub mod http;
pub mod lateness;
pub mod media;
pub mod noise;
pub mod options;
pub mod peers;
pub mod plan;
pub mod register;
pub mod report;
pub mod scaling;
pub mod search;
pub mod server;
pub mod spoiled;
pub mod usage;
pub mod verdict;

use std::ffi::OsString;
use std::io::Write as _;
use std::thread;

use serde_json::{Value, json};

use crate::load::kernel;
use options::{HELP, Options, What};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The options are wrong.
    #[error("{0}")]
    Usage(String),
    /// Something could not be measured.
    #[error("{0}")]
    Failed(String),
}

/// What a run says.
#[derive(Debug)]
pub struct Said {
    /// For standard output.
    pub text: String,
    /// What of the measurements is missing, a line each: the text has the others.
    pub missing: Vec<String>,
}

/// The whole of `mediaswitch bench`, with the words after it.
///
/// # Errors
/// [`BenchError`], where nothing was measured.
pub fn run(words: &[OsString]) -> Result<Said, BenchError> {
    let cpus: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    let Some(options) = options::read(words.iter().cloned(), &cpus).map_err(BenchError::Usage)? else {
        return Ok(Said { text: HELP.to_owned(), missing: Vec::new() });
    };
    let unwritable = |directory: &std::path::Path, error: std::io::Error| format!("--report {}: {error}", directory.display());
    if let Some(directory) = &options.report {
        // Before it has taken a quarter of an hour.
        std::fs::create_dir_all(directory).map_err(|error| BenchError::Usage(unwritable(directory, error)))?;
    }
    let results = measure(&options, &cpus).map_err(BenchError::Failed)?;
    let command = words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let report = report::json(&command, &options, &results);
    if let Some(directory) = &options.report {
        report::write(directory, &report).map_err(|error| BenchError::Failed(unwritable(directory, error)))?;
        progress(&format!("the report and its plots: {}", directory.join("report.md").display()));
    }
    let nonsense = if options.quick { report::nonsense(&report) } else { Vec::new() };
    if !nonsense.is_empty() {
        return Err(BenchError::Failed(nonsense.join("; ")));
    }
    let text = if options.json { format!("{report:#}\n") } else { report::markdown::page(&report) };
    let missing = report::missing(&report).into_iter().chain(report::malformed(&report));
    Ok(Said { text, missing: missing.collect() })
}

fn measure(options: &Options, cpus: &[usize]) -> Result<Vec<Value>, String> {
    let to = |other| options.to.unwrap_or(other);
    let one = |what| match what {
        What::Relay => media::measure(media::Job::Bridge(options.from, to(options.from)), options),
        What::Transcode => media::measure(media::Job::Bridge(options.from, to(crate::load::Codec::G722)), options),
        What::Mix => media::measure(media::Job::Mix(options.parties, options.from), options),
        What::Codecs => Ok(codecs::measure(options)),
        What::Http => http::measure(options),
        What::Register => register::measure(options),
        What::Calls => calls::measure(calls::Kind::Whole, options),
        What::DirectCalls => calls::measure(calls::Kind::Direct, options),
        What::SipCalls => calls::measure(calls::Kind::SipAlone, options),
        What::Channels => channels::measure(options),
        What::Scaling => scaling::measure(options, cpus),
        What::Plan => plan::measure(options),
        What::All => Err("all is many".to_owned()),
    };
    if options.what != What::All {
        return one(options.what).map(|result| vec![result]);
    }
    let all = What::WORDS.into_iter().filter(|(_, what)| !matches!(what, What::All | What::Plan));
    // What fails is told in its place, and does not keep the others from being measured.
    Ok(all.map(|(name, what)| one(what).unwrap_or_else(|error| json!({ "what": name, "error": error }))).collect())
}

/// A line of progress on standard error.
fn progress(line: &str) {
    // Nobody reads a closed pipe.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs `work` on a thread of its own on one CPU, ahead of ordinary threads where that is allowed: the load must keep time too.
/// Not on ours: what we start inherits our CPUs.
fn pinned<T: Send>(cpu: usize, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            kernel::take_cpu(cpu);
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
