//! When the endpoint wants to be told the time, and how late it is told.
//!
//! ```text
//!   asked for ── at ──► due ── lateness ──► told
//!        at is past already: due from the moment it is asked for
//! ```
//! Shape:  one time and since when it is owed, told the time.
//! Units:  lateness as `Duration`.
//! Errors: none.
//! Why so: a timer wheel may ask for a time that has passed, to sort its slots (`sip::timer`). Who has been idle for minutes is
//!         not late by minutes.

use std::time::{Duration, Instant};

/// What the clock of a shard waits for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Due {
    at: Option<Instant>,
    since: Option<Instant>,
}

impl Due {
    /// The endpoint asks to be told the time at `at`. True if the clock has to wait for less than it does.
    pub fn ask(&mut self, at: Option<Instant>, now: Instant) -> bool {
        let sooner = at.is_some_and(|at| self.at.is_none_or(|before| at < before));
        // What is owed already stays so until it is told, whatever else comes due.
        let owed = self.since.filter(|since| *since <= now);
        self.since = at.map(|at| if at <= now { owed.unwrap_or(now) } else { at });
        self.at = at;
        sooner
    }

    /// The time that was asked for.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// The time is told: how late, and nothing is owed any more.
    pub fn tell(&mut self, now: Instant) -> Duration {
        let since = std::mem::take(self).since;
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn lateness_is_counted_from_the_time_that_was_asked_for() {
        let (start, mut due) = (Instant::now(), Due::default());
        assert!(due.ask(Some(start + 20 * MS), start));
        assert_eq!(due.at(), Some(start + 20 * MS));
        assert_eq!(due.tell(start + 50 * MS), 30 * MS);
        assert_eq!(due.at(), None);
        assert_eq!(due.tell(start + 60 * MS), Duration::ZERO, "told once");
    }

    #[test]
    fn a_time_that_had_passed_when_it_was_asked_for_is_due_from_then() {
        let (start, mut due) = (Instant::now(), Due::default());
        let now = start + 600 * MS;
        assert!(due.ask(Some(start), now));
        assert_eq!(due.tell(now + 3 * MS), 3 * MS);
    }

    #[test]
    fn what_is_owed_stays_owed_whatever_is_asked_meanwhile() {
        let (start, mut due) = (Instant::now(), Due::default());
        due.ask(Some(start + 10 * MS), start);
        for ms in (10..500).step_by(10) {
            assert!(!due.ask(Some(start + (ms + 5) * MS), start + (ms + 7) * MS));
        }
        assert_eq!(due.tell(start + 500 * MS), 490 * MS);
    }

    #[test]
    fn a_time_that_is_taken_back_is_not_owed() {
        let (start, mut due) = (Instant::now(), Due::default());
        due.ask(Some(start + 10 * MS), start);
        assert!(!due.ask(Some(start + 900 * MS), start + 20 * MS), "later: the clock finds it by itself");
        assert_eq!(due.tell(start + 905 * MS), 5 * MS);
        due.ask(None, start);
        assert_eq!(due.tell(start + 950 * MS), Duration::ZERO);
    }
}
