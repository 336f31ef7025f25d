//! A panic is a bug of ours, and the end of the process.
//!
//! Shape:  one hook for all threads: log it with its place, leave with status 70 (`EX_SOFTWARE`). A supervisor restarts us;
//!         a process that lives on without one of its shards would accept calls that nobody serves.

use std::panic;

/// Installs the hook. For programs, not for tests.
pub fn exit_on_panic() {
    panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(thread = name, "panic: {info}\n{backtrace}");
        // The log may not be open yet, or go elsewhere.
        eprintln!("{name}: {info}");
        std::process::exit(STATUS);
    }));
}

const STATUS: i32 = 70;
