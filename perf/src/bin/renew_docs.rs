//! Writes the figures of `perf/run.sh` into docs/performance.md, README.md and docs/figures.
//!
//! ```text
//!   perf/renew-docs DIR          DIR holds NAME/report.json …
//! ```
//! Shape:  `renew_docs DIR ROOT [--anyway]`: ROOT is the tree; `--anyway` takes reports of debug builds and of --quick too.
//! Errors: exit 1 with the reason, 2 for wrong words.
//! Not here: what is written (`perf::bench::report::docs`).

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use perf::bench::report::docs;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (anyway, paths): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| *word == "--anyway");
    let [reports, root] = paths.as_slice() else {
        eprintln!("usage: renew_docs DIR ROOT [--anyway]");
        return ExitCode::from(2);
    };
    match docs::renew(Path::new(reports), Path::new(root), !anyway.is_empty()) {
        Ok(written) => {
            // Nobody reads a closed pipe.
            let _ = writeln!(io::stdout(), "{}", written.join("\n"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
