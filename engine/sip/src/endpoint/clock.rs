//! The wall clock as it was told once: epochs for snapshots and registrations.
//!
//! Shape:  two numbers; later wall-clock steps of the host are not seen, so epochs of one run never go backwards.
//! Units:  milliseconds since 1970.
//! Errors: none.

use std::time::Instant;

/// Turns instants into epochs.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    start: Instant,
    epoch_ms: u64,
}

impl WallClock {
    pub fn new(start: Instant, epoch_ms: u64) -> Self {
        Self { start, epoch_ms }
    }

    /// Milliseconds since 1970 at `at`.
    pub fn epoch_ms(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_millis();
        self.epoch_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }
}
