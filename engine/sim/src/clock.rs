//! Virtual clock: one real `Instant` as origin, and an offset that only the test moves.
//! Shape:  `now = origin + offset`; never goes back.
//! Units:  `Instant`, `Duration`.
//! Errors: none. A target in the past leaves the clock where it is.
//! Why a real origin: `Instant` has no other constructor. Machines see differences only, so runs stay repeatable.

use std::time::{Duration, Instant};

/// Time as a test tells it.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
    offset: Duration,
}

impl Clock {
    /// A clock at offset zero.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now(), offset: Duration::ZERO }
    }

    /// The current virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.origin + self.offset
    }

    /// Virtual time since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.offset
    }

    /// The instant `offset` after the origin, past or future.
    #[must_use]
    pub fn at(&self, offset: Duration) -> Instant {
        self.origin + offset
    }

    /// Moves on by `step` and gives the new time.
    pub fn advance(&mut self, step: Duration) -> Instant {
        self.offset += step;
        self.now()
    }

    /// Moves on to `target`, or stays if that is past.
    pub fn advance_to(&mut self, target: Instant) -> Instant {
        self.offset = self.offset.max(target.saturating_duration_since(self.origin));
        self.now()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_only_when_told_and_never_back() {
        let mut clock = Clock::new();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_millis(500));
        assert_eq!(clock.now() - start, Duration::from_millis(500));
        clock.advance_to(start);
        assert_eq!(clock.elapsed(), Duration::from_millis(500));
        assert_eq!(clock.at(Duration::from_millis(500)), clock.now());
    }
}
