//! `--daemon`: the program again, in a session of its own, without a terminal.
//!
//! A fresh process instead of `fork`: nothing of this one (threads, locks, descriptors) can leak into it.
//! The parent stays until the child has run for half a second, so that a wrong setting is still seen by who typed it.
//!
//! Errors: [`Failure`] with the child's own exit code when it ends at once.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::Failure;
use crate::settings::Settings;

/// Longer than reading settings and binding ports takes.
const WATCHED: Duration = Duration::from_millis(500);

pub(super) fn detach(settings: &Settings) -> Result<ExitCode, Failure> {
    if settings.text("log-file").is_none() {
        return Err(Failure::usage("--daemon needs --log-file FILE: without a terminal the log would go nowhere"));
    }
    let refused = |error: std::io::Error| Failure { code: 71, message: format!("cannot start in the background: {error}") };
    let program = std::env::current_exe().map_err(refused)?;
    let args = std::env::args_os().skip(1).filter(|arg| arg != "--daemon");
    let mut child = Command::new(program)
        .args(args)
        .env_remove("MEDIASWITCH_DAEMON")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()
        .map_err(refused)?;
    let end = Instant::now() + WATCHED;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().map_err(refused)? {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70);
            return Err(Failure {
                code,
                message: "the background process ended at once; its reason stands above or in the log file".to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(ExitCode::SUCCESS)
}
