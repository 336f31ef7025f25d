//! The joints between packets that go on as they come and packets that wait here.
//!
//! ```text
//!   as they come ──► await_joint ──► first packet at the beginning of a tick: Met(place) ──► ticks …
//!   … ticks ──► hurry: what waits, now ──► following: the place of what comes next ──► as they come
//! ```
//! Shape:  a place is that of a packet in its stream; the streams that go out are handed over by it (`stream::send`).
//! Units:  ticks of the RTP clock.
//! Errors: none; `None` where nobody speaks.

use super::store::Entry;
use super::{JUMP_MS, JitterBuffer};
use crate::stream::ExtendedSequence;

/// Where something stands in the stream that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The stream.
    pub epoch: u32,
    /// Its clock.
    pub clock_hz: u32,
    /// Number of the packet.
    pub sequence: ExtendedSequence,
    /// Its time.
    pub timestamp: u32,
}

/// Whether the sound goes on from what was sent before the buffer was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// Nothing is to go on.
    None,
    /// The first packet is awaited.
    Awaited,
    /// It was the first of the tick in which it was played.
    Met(Place),
}

impl JitterBuffer {
    /// The first packet goes on from one that did not wait here: it is played from the beginning of a tick.
    pub const fn await_joint(&mut self) {
        self.joint = Joint::Awaited;
    }

    /// The joint.
    pub const fn joint(&self) -> Joint {
        self.joint
    }

    /// A talkspurt begins with this packet.
    pub(super) fn begin_at(&mut self, first: &Entry) {
        self.cursor = Some(first.timestamp);
        if self.joint == Joint::Awaited {
            self.joint =
                Joint::Met(Place { epoch: self.epoch, clock_hz: self.clock_hz, sequence: first.sequence, timestamp: first.timestamp });
        }
    }

    /// What waits is wanted now, as much as there is: how many ticks.
    pub fn hurry(&mut self) -> u32 {
        (self.stretch, self.shrink) = (0, 0);
        if self.cursor.is_none() {
            let Some(first) = self.store.first().copied() else { return 0 };
            self.begin_at(&first);
        }
        match (self.cursor, self.store.end()) {
            // What was made up for it counts as its time.
            (Some(cursor), Some(end)) => (end.wrapping_sub(cursor) as i32).clamp(0, self.ticks(JUMP_MS) as i32).unsigned_abs(),
            _ => 0,
        }
    }

    /// The place after what was played last, unless nobody speaks.
    pub fn following(&self) -> Option<Place> {
        let sequence = self.played?.offset(1);
        Some(Place { epoch: self.epoch, clock_hz: self.clock_hz, sequence, timestamp: self.cursor? })
    }
}
