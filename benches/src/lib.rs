//! Criterion benches, one file per subject.

pub mod naive;
pub mod peers;
pub mod signals;

use std::time::Duration;

/// CPU time that some work took on this thread, whatever else the machine does. Good to a scheduler tick, so for samples of
/// many milliseconds. Zero where Linux keeps no such account.
pub fn cpu_of(work: impl FnOnce()) -> Duration {
    let spent = || -> Option<u64> { std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok() };
    let before = spent();
    work();
    let (before, after) = (before.unwrap_or(0), spent().unwrap_or(0));
    Duration::from_nanos(after.saturating_sub(before).max(1))
}
