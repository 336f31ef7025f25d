//! What the four binaries do: read settings, open the log, run, and say how it ended.
//!
//! ```text
//!   main(Program) ─▶ Settings ─▶ [--help | --version | --daemon] ─▶ log ─▶ run ─▶ exit code
//! ```
//! Exit codes: 0 ended as asked; 1 a demo, self-test or bench failed, or the doctor warns; 2 the settings are wrong; 70 a bug of ours;
//!             71 the system refused something; 78 this host cannot run us (sysexits.h names, see docs/runtime.md).
//! Not here: shards, sockets, protocols.

mod bench;
mod daemon;
mod demo;
mod doctor;
mod selftest;
mod sounds;
pub mod switch;
mod welcome;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::logs;
use crate::settings::{Program, Settings, SettingsError};
use crate::shard;

/// Exit code of wrong settings.
pub const EXIT_USAGE: u8 = 2;

/// The whole of a binary's `main`.
pub fn main(program: Program) -> ExitCode {
    shard::begin();
    shard::exit_on_panic();
    match start(program) {
        Ok(code) => code,
        Err(failure) => {
            // The log may not be open, and who starts a program by hand looks here.
            let _ = writeln!(std::io::stderr(), "{}: {}", program.name(), failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Why a program ends at once: for people, and for the shell.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// One message with the cause and the remedy.
    pub message: String,
}

impl Failure {
    /// The settings are wrong.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self { code: EXIT_USAGE, message: error.to_string() }
    }
}

fn start(program: Program) -> Result<ExitCode, Failure> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let (Program::Mediaswitch, Some((first, rest))) = (program, words.split_first())
        && first == "bench"
    {
        return bench::run(rest);
    }
    let settings = Settings::read(program, words, |name| std::env::var(name).ok()).map_err(Failure::usage)?;
    if settings.is_set("help") {
        return say(&Settings::help(program));
    }
    if settings.is_set("version") {
        return say(&format!("{} {}\n", program.name(), env!("CARGO_PKG_VERSION")));
    }
    if settings.is_set("test") {
        return Ok(selftest::run());
    }
    if let Some(done) = sounds::run(&settings)? {
        return say(&done);
    }
    if settings.is_set("daemon") {
        return daemon::detach(&settings);
    }
    let filter = settings.text("log").unwrap_or_default();
    logs::open(&filter, settings.is_set("log-json"), settings.text("log-file").as_deref()).map_err(Failure::usage)?;
    run(&settings)
}

fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    match (settings.program, settings.words.as_slice()) {
        (Program::Mediaswitch, [word]) if word == "demo" => demo::run(settings),
        (Program::Mediaswitch, [word]) if word == "doctor" => doctor::run(settings),
        (_, []) | (Program::Control, [_]) => {
            let mut config = switch::Config::read(settings)?;
            welcome::fill_in(&mut config)?;
            let switch::Running { shards, files } = switch::start(settings.program, &config)?;
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                cores = shards.started().len(),
                backend = "io_uring",
                "{} serves",
                settings.program.name()
            );
            welcome::greet(&config)?;
            let status = shards.run_until_signal(config.drain);
            files.finish(switch::LAST_WRITES);
            match status {
                0 => Ok(ExitCode::SUCCESS),
                status => Ok(ExitCode::from(u8::try_from(status).unwrap_or(70))),
            }
        }
        (_, words) => Err(Failure::usage(SettingsError::UnknownWord(words.join(" "), settings.program.name()))),
    }
}

fn say(text: &str) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    // A closed pipe (`--help | head`) is no failure.
    let _ = out.write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
