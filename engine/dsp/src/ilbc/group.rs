//! A lane group: channels of one direction and frame size that stay in their lanes from tick to tick.
//!   join ─► lane ─► a tick with some or all lanes ─► ... ─► leave
//! Shape:  16 lanes at every level; a lane is a number below 16. What runs across lanes (synthesis and high-pass of the decoder) stands
//!         in rows while a tick is worked on; what is vectorised inside a channel stays with the channel, one after the other.
//! Rule:   joining, leaving and reading a lane touches no other; a tick leaves the lanes alone that have no frame in it.
//! Use:    where the same channels tick together for long: it saves the copies of `Batch`, 1.4 KiB per encoder and 3 per decoder.
//! Errors: `None` where a group is full, or of another frame size, or a lane is empty.

use super::{Decoder, Encoder, LANES, Mode};

/// `Encoder` or `Decoder`.
pub trait Channel: Copy + sealed::State {}
impl Channel for Encoder {}
impl Channel for Decoder {}

mod sealed {
    use super::{Decoder, Encoder, Mode};

    /// A state of one frame size.
    pub trait State {
        #[doc(hidden)]
        fn start(mode: Mode) -> Self;
        #[doc(hidden)]
        fn size(&self) -> Mode;
    }
    impl State for Encoder {
        fn start(mode: Mode) -> Self {
            Self::new(mode)
        }
        fn size(&self) -> Mode {
            self.mode()
        }
    }
    impl State for Decoder {
        fn start(mode: Mode) -> Self {
            Self::new(mode)
        }
        fn size(&self) -> Mode {
            self.mode()
        }
    }
}

/// Up to 16 encoders or decoders of one frame size, in lanes.
#[derive(Debug, Clone)]
pub struct Group<C> {
    /// `LANES` of them; those that have not joined are not looked at.
    channels: Box<[C]>,
    joined: u16,
    mode: Mode,
}

impl<C: Channel> Group<C> {
    /// An empty group of this frame size. Its memory, 22 KiB for encoders and 48 for decoders, is taken here and not again.
    pub fn new(mode: Mode) -> Self {
        Self { channels: vec![C::start(mode); LANES].into_boxed_slice(), joined: 0, mode }
    }

    /// Takes a channel into the first free lane. `None` if there is none, or the channel has another frame size than the group.
    pub fn join(&mut self, channel: &C) -> Option<usize> {
        let lane = (!self.joined).trailing_zeros() as usize;
        let to = self.channels.get_mut(lane).filter(|_| channel.size() == self.mode)?;
        *to = *channel;
        self.joined |= 1 << lane;
        Some(lane)
    }

    /// The channel of a lane as it is now.
    pub fn extract(&self, lane: usize) -> Option<C> {
        self.channels.get(lane).filter(|_| self.joined >> lane & 1 != 0).copied()
    }

    /// Frees a lane and returns its channel.
    pub fn leave(&mut self, lane: usize) -> Option<C> {
        let channel = self.extract(lane)?;
        self.joined &= !(1 << lane);
        Some(channel)
    }

    /// The channels that have joined and tick, each with its lane.
    pub(super) fn ticking(&mut self, ticking: u16) -> impl Iterator<Item = (usize, &mut C)> {
        let live = self.joined & ticking;
        self.channels.iter_mut().enumerate().filter(move |(lane, _)| live >> lane & 1 != 0)
    }
}

impl<C> Group<C> {
    /// Bit i: lane i holds a channel.
    pub const fn joined(&self) -> u16 {
        self.joined
    }

    /// The frame size of its channels.
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}
