//! How urgently the kernel runs a media shard.
//!
//! Shape:  asked for by the shard's own thread, once, after its executor (and so the executor's helper thread) exists.
//! Units:  `SCHED_FIFO` 10, else nice −10. At normal priority p99.9 of the lateness is 2 to 5 ms instead of about 1.
//! Errors: none: what could not be had is told in the log once and in `/status`.
//! Relies on: admission at 80 %. A FIFO thread near 100 % is stopped by the kernel for 50 ms in every second.

use super::layout::ShardPlan;
use crate::os::sched;
use std::fmt;

/// What the thread got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// `SCHED_FIFO` with this priority.
    Fifo(i32),
    /// An ordinary thread with this nice level below 0.
    Nice(i32),
    /// An ordinary thread like any other, and a front shard asked for no more.
    Normal,
    /// An ordinary thread though it carries media: no right to more (CAP_SYS_NICE).
    Refused,
}

impl Priority {
    /// Asks for what `plan` needs on the calling thread.
    pub(super) fn take(plan: &ShardPlan) -> Self {
        if plan.media.is_none() {
            return Self::Normal;
        }
        if plan.media_only() && sched::set_fifo(FIFO).is_ok() {
            return Self::Fifo(FIFO);
        }
        if sched::set_nice(NICE).is_ok() { Self::Nice(NICE) } else { Self::Refused }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo(priority) => write!(f, "fifo {priority}"),
            Self::Nice(level) => write!(f, "nice {level}"),
            Self::Normal => f.write_str("normal"),
            Self::Refused => f.write_str("normal, refused more"),
        }
    }
}

const FIFO: i32 = 10;
const NICE: i32 = -10;
