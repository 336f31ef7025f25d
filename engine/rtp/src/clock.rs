//! The seam between a channel's clock and what plays into it or records it.
//!
//! ```text
//!   each 20 ms:  jitter buffer ─▶ heard ─┬─▶ mix, echo ─▶ said ─▶ encode ─▶ send
//!                                        │                 ▲│
//!                                        │        Play ────┘│ (in place of the rest, until it ends)
//!                                        └─────▶ Record ◀───┘
//! ```
//! Shape:  a channel with a [`Play`] or a [`Record`] is clocked; `Media::play` and `Media::record` put them there.
//! Units:  frames of 20 ms: 160 samples at 8 kHz, 320 at 16 kHz. A player and a recorder have one rate for life, and the
//!         channel converts; both run on the media shard between receive and send, so they neither block nor allocate.
//! Errors: none here; what ends by itself says so, and its event is fetched outside the packet path.

use std::fmt::Debug;
use std::sync::Arc;

use dsp::Kernels;
use dsp::dtmf::Digit;

use crate::api::{EventAction, PlayReason, RecordEnd};
use crate::soup::{Cursor, Soup};

/// Length of a tick.
pub const TICK_MS: u32 = 20;

/// Sample rate of a player or a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rate {
    /// 8 kHz: frames of 160 samples.
    #[default]
    Narrow,
    /// 16 kHz: frames of 320 samples.
    Wide,
}

impl Rate {
    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Narrow => 8000,
            Self::Wide => 16_000,
        }
    }

    /// Samples of a tick.
    pub const fn samples(self) -> usize {
        match self {
            Self::Narrow => 160,
            Self::Wide => 320,
        }
    }
}

/// Whether a player or a recorder goes on after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Goes,
    /// It goes on and has events to be fetched.
    GoesWithNews,
    /// This was its last tick: it is taken from the channel, outside the packet path, after its events were fetched.
    Ended,
}

/// What plays into a channel, in place of all that it would hear otherwise.
pub trait Play: Debug + Send {
    /// Its rate, the same for life.
    fn rate(&self) -> Rate;

    /// Fills the next 20 ms, [`Rate::samples`] long; what lies past its end is left as it comes: silence.
    fn fill(&mut self, frame: &mut [i16]) -> Next;

    /// The far end pressed a digit. [`Next::Ended`] if that interrupts it.
    fn digit(&mut self, digit: Digit) -> Next;

    /// It is taken from the channel for this reason, which its last event tells.
    fn end(&mut self, reason: PlayReason);

    /// Its soup and where it is in it, for a new soup that may go on there.
    fn place(&self) -> Option<(&Soup, Cursor)> {
        None
    }

    /// Its number among the plays of the channel.
    fn number(&self) -> u64;

    /// The next event to tell, until `None`. Outside the packet path: may allocate.
    fn event(&mut self) -> Option<EventAction>;
}

/// What a recorder is given each 20 ms.
#[derive(Debug, Clone, Copy)]
pub struct Tick<'a> {
    /// What came in, after jitter buffer and concealment: silence while nothing comes. [`Rate::samples`] long.
    pub heard: &'a [i16],
    /// What goes out. As long as `heard`.
    pub said: &'a [i16],
    /// Ticks that were left out before this one because the shard stalled; silence stands for them.
    pub missed: u32,
    /// For measuring loudness and the like.
    pub kernels: &'a Kernels,
}

/// What records a channel.
pub trait Record: Debug + Send {
    /// Its rate, the same for life.
    fn rate(&self) -> Rate;

    /// Takes 20 ms of both directions.
    fn tick(&mut self, tick: &Tick<'_>) -> Next;

    /// The file it was told to write, which names it.
    fn file(&self) -> &Arc<str>;

    /// Leaves out what comes from now on, or takes it again.
    fn pause(&mut self, pause: bool);

    /// It is taken from the channel for this reason, which its last event tells: all it has is handed to its file.
    fn end(&mut self, reason: RecordEnd);

    /// The next event to tell, until `None`. Outside the packet path: may allocate.
    fn event(&mut self) -> Option<EventAction>;
}
