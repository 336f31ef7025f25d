//! The two signals that end a program, and SIGHUP, which has its call script read again; taken by one waiting thread instead of a handler.
//!
//! Shape:  blocked in `main` before the first thread, so that every thread inherits the mask; then waited for with `sigwait`.
//! Errors: none: the calls fail for bad signal numbers only, and these are constants.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM, as from a service manager.
    Terminate,
    /// SIGINT, as from Ctrl-C.
    Interrupt,
}

impl Ending {
    /// Exit status of a process that this signal ends at once: 128 and its number.
    pub const fn status(self) -> i32 {
        128 + match self {
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
        }
    }
}

/// Blocks SIGTERM, SIGINT and SIGHUP in the calling thread and in all it starts later.
pub fn block() {
    let set = endings();
    // SAFETY: `set` lives on this stack and is only read; no old mask is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// How often SIGHUP came: who has something to read again compares with what it saw before.
static HANGUPS: AtomicU64 = AtomicU64::new(0);

/// See `HANGUPS`.
pub fn hangups() -> u64 {
    HANGUPS.load(Ordering::Relaxed)
}

/// Waits for the next of the two that end. [`block`] must have been called in every thread.
pub fn wait() -> Ending {
    let set = endings();
    let mut number = 0;
    loop {
        // SAFETY: both live on this stack; `number` is written by the call.
        let answer = unsafe { libc::sigwait(&raw const set, &raw mut number) };
        match (answer, number) {
            (0, libc::SIGINT) => return Ending::Interrupt,
            (0, libc::SIGHUP) => {
                HANGUPS.fetch_add(1, Ordering::Relaxed);
            }
            (0, _) => return Ending::Terminate,
            _ => {}
        }
    }
}

/// Sends SIGTERM to this process, as a shard does that cannot go on.
pub fn terminate_self() {
    // A process number fits: Linux has at most 2^22 of them.
    let own = libc::pid_t::try_from(std::process::id()).unwrap_or_default();
    // SAFETY: no pointers; the number is valid and the process is ours.
    unsafe { libc::kill(own, libc::SIGTERM) };
}

fn endings() -> libc::sigset_t {
    // SAFETY: all zero is a valid set of signals on Linux, and the next call sets it in full.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` lives on this stack.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: as above; the number is valid.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGTERM) };
    // SAFETY: as above; the number is valid.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGINT) };
    // SAFETY: as above; the number is valid.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGHUP) };
    set
}
