//! How far the JavaScript heap may grow before QuickJS looks for cycles in it.
//!
//! ```text
//!   limit / 8 ─► collection ─► most of the growth was alive ─► twice as far, up to limit / 4
//!                          └─► most of it was garbage ───────► limit / 32: a small pause often, not a long one now and then
//! ```
//! Shape:  a collection walks the whole heap at once, so its pause grows with the heap. Calls of the library free themselves
//!         (`control/test/scenarios/several.js`): with scripts that make no cycles of their own a collection is what a growing
//!         number of calls costs, once for each doubling, and none while their number stays.
//! Units:  bytes.
//! Errors: none.

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Slack {
    limit: usize,
    /// In use after the last collection.
    left: usize,
    /// What may be added to that, at least.
    room: usize,
}

impl Slack {
    /// Of a heap that may hold `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, left: 0, room: limit / ROOM_SHARE }
    }

    /// A collection has left `used` bytes.
    pub fn collected(&mut self, used: usize) {
        let grown = self.threshold().saturating_sub(self.left);
        let freed = self.threshold().saturating_sub(used);
        let most_was_garbage = freed > grown / 2;
        self.room = if most_was_garbage { self.limit / ROOM_SHARE_MIN } else { (self.room * 2).min(self.limit / ROOM_SHARE_MAX) };
        self.left = used;
    }

    /// In use at the next collection.
    pub fn threshold(&self) -> usize {
        let roomy = self.left.saturating_add(self.left.max(self.room));
        // Near the limit garbage must not be what breaks it.
        roomy.min((self.limit / 4 * 3).max(self.left.saturating_add(self.left / 4)))
    }
}

/// 32 of 256 MiB: what 1400 standing calls take.
const ROOM_SHARE: usize = 8;
/// 8 of 256 MiB.
const ROOM_SHARE_MIN: usize = 32;
/// 64 of 256 MiB.
const ROOM_SHARE_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::Slack;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_heap_of_garbage_is_collected_often_and_one_of_calls_seldom() {
        let mut slack = Slack::new(256 * MIB);
        assert_eq!(slack.threshold(), 32 * MIB);
        slack.collected(3 * MIB);
        assert_eq!(slack.threshold(), 11 * MIB);
        slack.collected(10 * MIB);
        assert_eq!(slack.threshold(), 26 * MIB);
        slack.collected(25 * MIB);
        assert_eq!(slack.threshold(), 57 * MIB);
        slack.collected(57 * MIB);
        assert_eq!(slack.threshold(), 121 * MIB);
        slack.collected(4 * MIB);
        assert_eq!(slack.threshold(), 12 * MIB);
    }

    #[test]
    fn near_the_limit_a_quarter_more_is_the_most_that_may_be_garbage() {
        let mut slack = Slack::new(256 * MIB);
        slack.collected(180 * MIB);
        assert_eq!(slack.threshold(), 225 * MIB);
        slack.collected(usize::MAX);
        assert_eq!(slack.threshold(), usize::MAX);
    }
}
