//! How late the slots of a media shard began, all of them since its start: counts by size.
//!
//! ```text
//!   at most 20 µs │ 50 │ 100 │ … │ 1 ms │ … │ 100 ms │ later
//! ```
//! Shape:  a fixed table of 21 counts and a sum, 176 bytes; it only grows, so two looks at it have a difference.
//! Units:  microseconds, rounded up: a slot stands at or below its bound exactly.
//! Errors: none.
//! Not here: what a slot may not be later than (`engine`, `tick`).

use std::time::Duration;

/// Counts of slots by how late they began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lateness {
    counts: [u64; BOUNDS + 1],
    sum_us: u64,
}

const BOUNDS: usize = 20;

impl Lateness {
    /// Largest value of each place but the last, which has none.
    pub const BOUNDS_US: [u64; BOUNDS] =
        [20, 50, 100, 150, 200, 300, 400, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10_000, 15_000, 20_000, 50_000, 100_000];

    /// Counts one slot.
    pub fn record(&mut self, lateness: Duration) {
        let us = u64::try_from(lateness.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let place = Self::BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// One for each of [`Lateness::BOUNDS_US`], and of what was later than the last of them.
    pub const fn counts(&self) -> &[u64; BOUNDS + 1] {
        &self.counts
    }

    /// Of all slots together.
    pub const fn sum_us(&self) -> u64 {
        self.sum_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_stands_at_or_below_its_bound() {
        let mut lateness = Lateness::default();
        for ns in [0, 20_000, 20_001, 1_000_000, 1_000_001, 100_000_000, 100_000_001, u64::MAX] {
            lateness.record(Duration::from_nanos(ns));
        }
        let counted: Vec<(usize, u64)> = lateness.counts().iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0, 2), (1, 1), (9, 1), (10, 1), (19, 1), (20, 2)]);
        assert_eq!(lateness.counts().iter().sum::<u64>(), 8);
    }

    #[test]
    fn bounds_rise_and_one_of_them_is_a_slot() {
        assert!(Lateness::BOUNDS_US.is_sorted_by(|a, b| a < b) && Lateness::BOUNDS_US.contains(&1000));
    }
}
