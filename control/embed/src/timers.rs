//! Timers of the script: which are due, and when the next one is.
//!
//! Shape:  a heap of deadlines; a cancelled timer stays in it until its time and is skipped then. The prelude allows 100 000.
//! Units:  `Instant`; the driver waits with one runtime timer for the first of them.
//! Errors: none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::{Duration, Instant};

/// Number of a timer, as the prelude counts them.
pub type TimerId = u64;

/// The timers of one script.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, TimerId)>>,
    live: HashSet<TimerId>,
    order: u64,
}

impl Timers {
    /// Starts `id`, due in `wait`.
    pub fn start(&mut self, id: TimerId, wait: Duration, now: Instant) {
        self.order += 1;
        self.live.insert(id);
        // No deadline past the end of `Instant`: such a timer is as good as none.
        if let Some(due) = now.checked_add(wait) {
            self.heap.push(Reverse((due, self.order, id)));
        }
    }

    /// Forgets `id`.
    pub fn cancel(&mut self, id: TimerId) {
        self.live.remove(&id);
        // A script that only ever cancels must not fill the heap.
        if self.heap.len() > 2 * self.live.len() + SLACK {
            self.heap.retain(|Reverse((_, _, id))| self.live.contains(id));
        }
    }

    /// The first timer that is due, in the order of deadlines, then of starts.
    pub fn poll_due(&mut self, now: Instant) -> Option<TimerId> {
        while let Some(Reverse((due, _, id))) = self.heap.peek().copied() {
            if !self.live.contains(&id) {
                self.heap.pop();
            } else if due <= now {
                self.heap.pop();
                self.live.remove(&id);
                return Some(id);
            } else {
                return None;
            }
        }
        None
    }

    /// When to look again.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _, _))| *due)
    }
}

const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::Timers;
    use std::time::{Duration, Instant};

    #[test]
    fn timers_come_by_deadline_then_by_start_and_cancelled_ones_never() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        for (id, ms) in [(1, 5), (2, 1), (3, 5), (4, 2)] {
            timers.start(id, Duration::from_millis(ms), start);
        }
        timers.cancel(4);
        assert_eq!(timers.poll_due(start), None);
        let later = start + Duration::from_millis(5);
        assert_eq!(std::iter::from_fn(|| timers.poll_due(later)).collect::<Vec<_>>(), [2, 1, 3]);
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn cancelled_timers_do_not_pile_up() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        for id in 0..10_000 {
            timers.start(id, Duration::from_secs(3600), start);
            timers.cancel(id);
        }
        assert!(timers.heap.len() <= super::SLACK + 1);
    }
}
