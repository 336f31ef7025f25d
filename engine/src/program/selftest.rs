//! `project-sip --test`: prints every case of the self-test and how it went.
//!
//! Shape:  one line per case, `ok` or `FAILED` first; the sum last.
//! Errors: exit code 1 when a case fails. Needs no settings, no port and no file.
//! Not here: the cases (`sip::selftest`).

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

/// Runs it.
pub fn run() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed) = (0, 0);
    for case in sip::selftest::run(Instant::now()) {
        let (word, text) = match &case.outcome {
            Ok(seen) => ("ok    ", seen),
            Err(wrong) => ("FAILED", wrong),
        };
        let count = if case.outcome.is_ok() { &mut passed } else { &mut failed };
        *count += 1;
        // A closed pipe (`--test | head`) is no failure of the test.
        let _ = writeln!(out, "{word} {:28} {}: {text}", case.name, case.title);
    }
    let _ = writeln!(out, "{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
