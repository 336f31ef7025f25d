//! Whether the packets of a stream overtake each other by a little, so that one that is missing is worth waiting for.
//!
//! ```text
//!   1 2 4 ─ 3 is missing ─▶ it comes within 10 ms ─▶ for 30 s from then on, who wants packets in their order waits for the missing
//!                        └▶ it comes later, or never ─▶ nothing
//! ```
//! Why:    where nothing is ever overtaken, all that is missing is lost, and each wait would be a delay for nothing. The price is
//!         the first packet that is overtaken in 30 s, which is then too late for who did not wait.
//! Shape:  12 octets per received stream; a later source of it goes on with what was seen, since its way is most often the same.
//!         Only what fills the newest gap is judged: of an older one it is no longer known when it opened.
//! Units:  ms since the stream was made; after 49 days nothing is waited for any more.
//! Errors: none.

use super::ExtendedSequence;

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Overtaking {
    /// The newest packet before the newest gap, without its higher cycles, and when that opened.
    before: u32,
    opened_ms: u32,
    /// Until when the missing are waited for.
    until_ms: u32,
}

impl Overtaking {
    /// Nothing.
    pub const NONE: Self = Self { before: 0, opened_ms: 0, until_ms: 0 };

    /// How long a missing packet is waited for: half a packet of 20 ms, so that what waits is gone when the next one comes.
    pub const WAIT_MS: u32 = 10;

    /// A packet came, and between it and the newest until then some are missing.
    pub const fn gap(&mut self, newest: ExtendedSequence, now_ms: u32) {
        (self.before, self.opened_ms) = (newest.0 as u32, now_ms);
    }

    /// A packet came after newer ones.
    pub const fn fill(&mut self, sequence: ExtendedSequence, now_ms: u32) {
        let is_newest = (sequence.0 as u32).wrapping_sub(self.before) as i32 > 0;
        if is_newest && now_ms.saturating_sub(self.opened_ms) <= Self::WAIT_MS {
            self.until_ms = now_ms.saturating_add(FOR_MS);
        }
    }

    /// Whether a missing packet is waited for.
    pub const fn is_seen(&self, now_ms: u32) -> bool {
        now_ms < self.until_ms
    }
}

/// How long it is taken to go on: at 50 packets/s and one overtaken of 1000, one is seen each 20 s.
const FOR_MS: u32 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> ExtendedSequence {
        ExtendedSequence(sequence)
    }

    #[test]
    fn only_what_was_overtaken_by_a_little_is_waited_for() {
        for (late, is_seen) in [(0, true), (10, true), (11, false), (1000, false)] {
            let (mut overtaking, now) = (Overtaking::NONE, 5);
            overtaking.gap(at(5), now);
            assert!(!overtaking.is_seen(now), "a loss, so far");
            overtaking.fill(at(6), now + late);
            assert_eq!(overtaking.is_seen(now + late), is_seen, "{late} ms");
        }
    }

    #[test]
    fn it_is_remembered_for_thirty_seconds_and_each_time_anew() {
        let mut overtaking = Overtaking::NONE;
        for now in [0, 29_999, 80_000] {
            overtaking.gap(at(5), now);
            overtaking.fill(at(6), now + 1);
            assert!(overtaking.is_seen(now + 30_000) && !overtaking.is_seen(now + 30_001));
        }
    }

    #[test]
    fn what_fills_an_older_gap_says_nothing() {
        let (mut overtaking, now) = (Overtaking::NONE, 5);
        overtaking.gap(at(5), now);
        overtaking.gap(at(7), now + 20);
        overtaking.fill(at(6), now + 21);
        assert!(!overtaking.is_seen(now + 21), "it is 21 ms late");
        overtaking.fill(at(8), now + 21);
        assert!(overtaking.is_seen(now + 21));
    }
}
