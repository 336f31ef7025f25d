//! Timer values of the four transactions, by their letter.
//! Shape:  [`Timing`] holds T1, T2 and T4; every lettered timer is a sum of these and the transport's reliability.
//! Units:  `Duration`.
//! Errors: none.
//! Source: RFC 3261 §17.1.1.1 and table 4 (A to K), RFC 6026 §8.11 (L, M).

use std::time::{Duration, Instant};

use crate::flow::Reliability;

/// Round-trip estimate (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest gap between repeats of a non-INVITE request or an INVITE response.
pub const T2: Duration = Duration::from_secs(4);
/// Longest time a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// Least timer D over an unreliable transport (RFC 3261 §17.1.1.2).
const D_MIN: Duration = Duration::from_secs(32);

/// The three base values; the default is that of the RFC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Round-trip estimate.
    pub t1: Duration,
    /// Longest retransmission gap.
    pub t2: Duration,
    /// Longest life of a message in the network.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: T1, t2: T2, t4: T4 }
    }
}

impl Timing {
    /// 64 × T1: the life of timers B, F, H, L and M, and of J over an unreliable transport.
    #[must_use]
    pub const fn t1x64(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D: how long a client INVITE answers repeats of a failure with its ACK.
    #[must_use]
    pub fn timer_d(&self, reliability: Reliability) -> Duration {
        match reliability {
            Reliability::Unreliable => self.t1x64().max(D_MIN),
            Reliability::Reliable => Duration::ZERO,
        }
    }

    /// Timer I: how long a server INVITE absorbs repeats of the ACK.
    #[must_use]
    pub const fn timer_i(&self, reliability: Reliability) -> Duration {
        self.t4_or_zero(reliability)
    }

    /// Timer J: how long a server non-INVITE answers repeats of its request.
    #[must_use]
    pub const fn timer_j(&self, reliability: Reliability) -> Duration {
        match reliability {
            Reliability::Unreliable => self.t1x64(),
            Reliability::Reliable => Duration::ZERO,
        }
    }

    /// Timer K: how long a client non-INVITE absorbs repeats of the response.
    #[must_use]
    pub const fn timer_k(&self, reliability: Reliability) -> Duration {
        self.t4_or_zero(reliability)
    }

    const fn t4_or_zero(&self, reliability: Reliability) -> Duration {
        match reliability {
            Reliability::Unreliable => self.t4,
            Reliability::Reliable => Duration::ZERO,
        }
    }
}

/// A retransmission timer with its growing gap: A, E, G, and the UAS core's for a 2xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    at: Instant,
    gap: Duration,
    gap_max: Duration,
}

impl Backoff {
    /// First repeat after `first`, every gap twice the one before, up to `gap_max`.
    #[must_use]
    pub fn new(now: Instant, first: Duration, gap_max: Duration) -> Self {
        Self { at: now + first, gap: first, gap_max }
    }

    /// When the next repeat is due.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// True if a repeat is due; then the next one is set, counted from `now` so that a late driver causes no burst.
    pub fn fire(&mut self, now: Instant) -> bool {
        let due = self.at <= now;
        if due {
            self.gap = self.gap.saturating_mul(2).min(self.gap_max);
            self.at = now + self.gap;
        }
        due
    }

    /// From now on repeats come at the longest gap only (timer E in Proceeding).
    pub fn slow_down(&mut self) {
        self.gap = self.gap_max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lettered_timers_have_the_values_of_table_4() {
        let timing = Timing::default();
        assert_eq!(timing.t1x64(), Duration::from_secs(32));
        assert_eq!(timing.timer_d(Reliability::Unreliable), Duration::from_secs(32));
        assert_eq!(timing.timer_i(Reliability::Unreliable), Duration::from_secs(5));
        assert_eq!(timing.timer_j(Reliability::Unreliable), Duration::from_secs(32));
        assert_eq!(timing.timer_k(Reliability::Unreliable), Duration::from_secs(5));
        for zero in [Timing::timer_d, |t: &Timing, r| t.timer_i(r), |t: &Timing, r| t.timer_j(r), |t: &Timing, r| t.timer_k(r)] {
            assert_eq!(zero(&timing, Reliability::Reliable), Duration::ZERO);
        }
        // A short T1 must not shorten D: it is at least 32 s.
        assert_eq!(Timing { t1: Duration::from_millis(10), ..timing }.timer_d(Reliability::Unreliable), Duration::from_secs(32));
    }

    #[test]
    fn repeats_double_their_gap_up_to_the_longest() {
        let clock = sim::Clock::new();
        let mut timer = Backoff::new(clock.now(), T1, T2);
        let mut gaps = vec![];
        let mut last = clock.now();
        for _ in 0..6 {
            let at = timer.at();
            assert!(timer.fire(at));
            gaps.push((at - last).as_millis());
            last = at;
        }
        assert_eq!(gaps, [500, 1000, 2000, 4000, 4000, 4000]);
        assert!(!timer.fire(last));
    }
}
