//! Scheduling of the calling thread, and the memory barrier that executors need.
//!
//! Units:  FIFO priority 1 to 99, nice −20 to 19; CPU time as `Duration`.
//! Errors: `io::Error`, most often `EPERM` without CAP_SYS_NICE.

use std::{io, time::Duration};

/// Registers the process for expedited barriers. First line of `main`, before any thread: later it takes 6 to 12 ms per executor.
pub fn register_membarrier() {
    // SAFETY: this command takes no pointer. A kernel without it answers an error, and the executors do it slowly themselves.
    unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) };
}

/// Puts the calling thread into `SCHED_FIFO`; threads it starts later are ordinary.
///
/// # Errors
/// `EPERM` without CAP_SYS_NICE or a sufficient `RLIMIT_RTPRIO`.
pub fn set_fifo(priority: i32) -> io::Result<()> {
    // SAFETY: all zero is a valid sched_param.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: `param` lives on this stack; pid 0 is the calling thread.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param) })
}

/// Sets the nice level of the calling thread.
///
/// # Errors
/// `EACCES` or `EPERM` when it may not go that low.
pub fn set_nice(level: i32) -> io::Result<()> {
    // SAFETY: no pointers. On Linux PRIO_PROCESS with 0 means the calling thread.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, level) })
}

/// CPU time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives on this stack and may be overwritten; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn check(answer: i32) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_cpu_time_grows_with_work() {
        let before = thread_cpu_time();
        let mut sum = 0u64;
        while thread_cpu_time() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(thread_cpu_time() > before);
    }
}
