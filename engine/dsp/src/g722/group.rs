//! A lane group: channels of one direction and bit rate that stay in their lanes from tick to tick.
//!   join ─► lane ─► a tick with some or all lanes ─► ... ─► leave
//! Shape:  32 lanes at every level; a lane is a number below 32. A channel's state is one column, copied in and out.
//! Rule:   joining, leaving and reading a lane touches no other; a tick leaves the lanes alone that have no frame in it.
//! Use:    where the same channels tick together for long. `Batch` is for frames as they come, and costs about a tenth more.
//! Errors: `None` where a group is full, or of another bit rate, or a lane is empty.

use std::marker::PhantomData;

use super::rows::{LANES, Rows};
use super::{Channel, Decoder, Encoder, Mode};

/// Up to 32 encoders, or decoders of one bit rate, in lanes.
#[derive(Debug, Clone)]
pub struct Group<C> {
    pub(super) rows: Rows,
    joined: u32,
    mode: Mode,
    kind: PhantomData<C>,
}

impl Group<Encoder> {
    /// An empty group.
    pub const fn new() -> Self {
        Self { rows: Rows::new(), joined: 0, mode: Mode::Kbit64, kind: PhantomData }
    }
}

impl Default for Group<Encoder> {
    fn default() -> Self {
        Self::new()
    }
}

impl Group<Decoder> {
    /// An empty group of this bit rate.
    pub const fn with_mode(mode: Mode) -> Self {
        Self { rows: Rows::new(), joined: 0, mode, kind: PhantomData }
    }
}

impl<C: Channel> Group<C> {
    /// Takes a channel into the first free lane. `None` if there is none, or the channel has another bit rate than the group.
    pub fn join(&mut self, channel: &C) -> Option<usize> {
        let lane = (!self.joined).trailing_zeros() as usize;
        if lane >= LANES || channel.mode() != self.mode {
            return None;
        }
        self.rows.insert(lane, channel.column());
        self.joined |= 1 << lane;
        Some(lane)
    }

    /// The channel of a lane as it is now.
    pub fn extract(&self, lane: usize) -> Option<C> {
        self.holds(lane).then(|| C::of(self.rows.extract(lane), self.mode))
    }

    /// Frees a lane and returns its channel.
    pub fn leave(&mut self, lane: usize) -> Option<C> {
        let channel = self.extract(lane)?;
        self.joined &= !(1 << lane);
        Some(channel)
    }
}

impl<C> Group<C> {
    /// Bit i: lane i holds a channel.
    pub const fn joined(&self) -> u32 {
        self.joined
    }

    /// The bit rate of its channels.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    const fn holds(&self, lane: usize) -> bool {
        lane < LANES && self.joined >> lane & 1 != 0
    }
}
