//! Timer wheel of a shard: set, move and cancel a deadline in O(1), told the time.
//!   level 0: 64 slots of one tick ◄─ level 1: 64 slots of 64 ticks ◄─ … level 4      entries sink a level when their slot comes up
//! Shape:  entries are lists through a slab, 40 bytes plus the token each; 5 levels × 64 slots cover 2^30 ticks, and what
//!         lies beyond sinks again from the last slot.
//! Units:  ticks of [`TICK`] inside; `Instant` outside. A deadline is rounded up, so it fires at most one tick late, never early.
//! Errors: none. Cancelling what has fired or was cancelled does nothing: a [`TimerId`] is used once.
//! Driving: [`Wheel::next_deadline`] says when to call; [`Wheel::pop`] gives what is due until `None`. It may ask to be called
//!         when nothing fires yet: entries of an upper level sink then, at most four times in the life of an entry.
//! Limit:  the owner's: one entry per transaction, or a fixed number per call.
//! Source: Varghese and Lauck, hierarchical timing wheels, scheme 7.

use std::time::{Duration, Instant};

use slab::Slab;

/// One tick. Finer buys nothing: T1 is 500 ms, and the driver wakes at 1 ms at best.
pub const TICK: Duration = Duration::from_millis(10);

const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 5;
/// Slot of entries that have come due; behind the slots of all levels.
const DUE: usize = LEVELS * SLOTS;
const NIL: u32 = u32::MAX;

/// Names one pending deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerId {
    index: u32,
    stamp: u32,
}

/// Deadlines, each with a token of the caller.
#[derive(Debug)]
pub struct Wheel<T> {
    origin: Instant,
    /// Every tick up to and including this one has been taken out of the slots.
    elapsed: u64,
    entries: Slab<Entry<T>>,
    slots: Box<[List; DUE + 1]>,
    occupied: [u64; LEVELS],
    stamp: u32,
}

#[derive(Debug)]
struct Entry<T> {
    token: T,
    due: u64,
    stamp: u32,
    slot: u32,
    prev: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel that starts at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let slots = Box::new([List { head: NIL, tail: NIL }; DUE + 1]);
        Self { origin: now, elapsed: 0, entries: Slab::new(), slots, occupied: [0; LEVELS], stamp: 0 }
    }

    /// Sets a deadline. One that has passed is due at the next [`Wheel::pop`].
    pub fn set(&mut self, deadline: Instant, token: T) -> TimerId {
        self.stamp = self.stamp.wrapping_add(1);
        let stamp = self.stamp;
        let due = self.tick_after(deadline);
        let index = self.entries.insert(Entry { token, due, stamp, slot: 0, prev: NIL, next: NIL }) as u32;
        self.link(index, due);
        TimerId { index, stamp }
    }

    /// Takes a deadline back. False if it has fired or was cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let live = self.entries.get(id.index as usize).is_some_and(|entry| entry.stamp == id.stamp);
        if live {
            self.unlink(id.index);
            self.entries.remove(id.index as usize);
        }
        live
    }

    /// The token of a deadline that `now` has reached; equal ticks in the order they were set.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        self.advance(self.tick_before(now));
        let index = self.slots[DUE].head;
        if index == NIL {
            return None;
        }
        self.unlink(index);
        Some(self.entries.remove(index as usize).token)
    }

    /// When to call [`Wheel::pop`]; `None` if nothing is set.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let tick = if self.slots[DUE].head == NIL { self.next_slot()?.2 } else { self.elapsed };
        Some(self.instant(tick))
    }

    /// Deadlines set and not yet fired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn advance(&mut self, target: u64) {
        while let Some((level, slot, start)) = self.next_slot().filter(|&(_, _, start)| start <= target) {
            self.elapsed = start;
            let list = std::mem::replace(&mut self.slots[level * SLOTS + slot], List { head: NIL, tail: NIL });
            self.occupied[level] &= !(1 << slot);
            let mut index = list.head;
            while index != NIL {
                let entry = &self.entries[index as usize];
                let (due, next) = (entry.due, entry.next);
                self.link(index, due);
                index = next;
            }
        }
        self.elapsed = self.elapsed.max(target);
    }

    /// The slot that comes up next: level, index, and the tick at which it does. Lower levels come first.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        self.occupied.iter().enumerate().find(|&(_, &bits)| bits != 0).map(|(level, &bits)| {
            let shift = LEVEL_BITS * level as u32;
            let here = (self.elapsed >> shift) as u32 & (SLOTS as u32 - 1);
            let slot = (bits.rotate_right(here).trailing_zeros() + here) & (SLOTS as u32 - 1);
            let span = (SLOTS as u64) << shift;
            let start = (self.elapsed & !(span - 1)) + (u64::from(slot) << shift);
            // Only the top level wraps: an entry beyond its span stands in a slot that seems to have passed.
            (level, slot as usize, if start <= self.elapsed { start + span } else { start })
        })
    }

    fn link(&mut self, index: u32, due: u64) {
        let slot = if due <= self.elapsed {
            DUE
        } else {
            // The level is the highest 6-bit digit in which the deadline differs from now; entries too far go to the top.
            let differs = 63 - ((self.elapsed ^ due) | (SLOTS as u64 - 1)).leading_zeros();
            let level = ((differs / LEVEL_BITS) as usize).min(LEVELS - 1);
            let span = (SLOTS as u64) << (LEVEL_BITS * level as u32);
            let within = due.min(self.elapsed + span - (span >> LEVEL_BITS));
            let slot = (within >> (LEVEL_BITS * level as u32)) as usize & (SLOTS - 1);
            self.occupied[level] |= 1 << slot;
            level * SLOTS + slot
        };
        let tail = std::mem::replace(&mut self.slots[slot].tail, index);
        match self.entries.get_mut(tail as usize) {
            Some(last) => last.next = index,
            None => self.slots[slot].head = index,
        }
        let entry = &mut self.entries[index as usize];
        (entry.slot, entry.prev, entry.next) = (slot as u32, tail, NIL);
    }

    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (slot, prev, next) = (entry.slot as usize, entry.prev, entry.next);
        match self.entries.get_mut(prev as usize) {
            Some(entry) => entry.next = next,
            None => self.slots[slot].head = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(entry) => entry.prev = prev,
            None => self.slots[slot].tail = prev,
        }
        if slot != DUE && self.slots[slot].head == NIL {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }

    fn tick_before(&self, instant: Instant) -> u64 {
        (instant.saturating_duration_since(self.origin).as_nanos() / TICK.as_nanos()) as u64
    }

    fn tick_after(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.origin).as_nanos().div_ceil(TICK.as_nanos()) as u64
    }

    fn instant(&self, tick: u64) -> Instant {
        self.origin + Duration::from_nanos(tick.saturating_mul(TICK.as_nanos() as u64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wheel() -> (sim::Clock, Wheel<u32>) {
        let clock = sim::Clock::new();
        let wheel = Wheel::new(clock.now());
        (clock, wheel)
    }

    fn drain(wheel: &mut Wheel<u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop(now)).collect()
    }

    #[test]
    fn a_deadline_fires_at_its_time_and_once() {
        let (clock, mut wheel) = wheel();
        wheel.set(clock.at(Duration::from_millis(500)), 1);
        assert_eq!(drain(&mut wheel, clock.at(Duration::from_millis(499))), []);
        assert_eq!(drain(&mut wheel, clock.at(Duration::from_millis(500))), [1]);
        assert_eq!(drain(&mut wheel, clock.at(Duration::from_secs(1000))), []);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_between_ticks_is_rounded_up() {
        let (clock, mut wheel) = wheel();
        wheel.set(clock.at(Duration::from_millis(501)), 1);
        assert_eq!(drain(&mut wheel, clock.at(Duration::from_millis(509))), []);
        assert_eq!(drain(&mut wheel, clock.at(Duration::from_millis(510))), [1]);
    }

    #[test]
    fn a_past_deadline_is_due_at_once() {
        let (clock, mut wheel) = wheel();
        let now = clock.at(Duration::from_secs(90));
        assert_eq!(wheel.pop(now), None);
        wheel.set(clock.at(Duration::from_secs(1)), 1);
        assert!(wheel.next_deadline().unwrap() <= now);
        assert_eq!(drain(&mut wheel, now), [1]);
    }

    #[test]
    fn a_cancelled_deadline_does_not_fire() {
        let (clock, mut wheel) = wheel();
        let keep = wheel.set(clock.at(Duration::from_secs(1)), 1);
        let drop = wheel.set(clock.at(Duration::from_secs(1)), 2);
        assert!(wheel.cancel(drop));
        assert!(!wheel.cancel(drop));
        assert_eq!(drain(&mut wheel, clock.at(Duration::from_secs(2))), [1]);
        assert!(!wheel.cancel(keep));
        // The place is taken by another entry now: the old name must not reach it.
        wheel.set(clock.at(Duration::from_secs(3)), 3);
        assert!(!wheel.cancel(keep) && !wheel.cancel(drop));
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn a_deadline_beyond_the_top_level_waits_its_time() {
        let (clock, mut wheel) = wheel();
        let year = Duration::from_secs(365 * 86_400);
        wheel.set(clock.at(year), 1);
        let mut calls = 0;
        while let Some(at) = wheel.next_deadline() {
            calls += 1;
            assert!(calls < 20, "an entry sinks a few times only");
            if wheel.pop(at).is_some() {
                assert_eq!(at, clock.at(year));
            }
        }
    }

    proptest! {
        /// Against a sorted list: the same tokens in the same order, never early, never more than a tick late.
        #[test]
        fn agrees_with_a_sorted_list(ops in prop::collection::vec((0u64..40_000_000, 0u64..3_000, any::<bool>()), 1..200)) {
            let (mut clock, mut wheel) = wheel();
            let mut model: Vec<(u64, u32, TimerId)> = Vec::new();
            for (number, (delay_ms, step_ms, cancel)) in ops.into_iter().enumerate() {
                let due = clock.elapsed().as_millis() as u64 + delay_ms % (1 << (number % 26));
                let id = wheel.set(clock.at(Duration::from_millis(due)), number as u32);
                model.push((due.div_ceil(10) * 10, number as u32, id));
                if cancel {
                    let (_, _, id) = model.swap_remove(number % model.len());
                    prop_assert!(wheel.cancel(id));
                }
                let now = clock.advance(Duration::from_millis(step_ms));
                let mut fired = drain(&mut wheel, now);
                let reached = clock.elapsed().as_millis() as u64;
                let mut expected: Vec<u32> = model.iter().filter(|entry| entry.0 <= reached).map(|entry| entry.1).collect();
                model.retain(|entry| entry.0 > reached);
                fired.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(fired, expected);
                prop_assert_eq!(wheel.len(), model.len());
                if let Some(first) = model.iter().map(|entry| entry.0).min() {
                    let next = wheel.next_deadline().unwrap();
                    prop_assert!(next > now && next <= clock.at(Duration::from_millis(first)));
                }
            }
        }
    }
}
