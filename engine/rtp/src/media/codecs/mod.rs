//! The codecs of a slot: every payload to decode, then every frame to encode, each codec in one call of its kernel.
//!
//! ```text
//!   Decoders::push ─▶ run ─▶ samples            Encoders::reserve ─▶ frame (filled by the caller) ─▶ run ─▶ transmits
//!     G.711, L16: rows end to end, one long slice whatever the number of calls
//!     G.722, iLBC: frames of many channels together; their states are the channels' own (`rounds`)
//! ```
//! Shape:  a slot fills it, runs it and clears it; a ticket is good for that slot.
//! Memory: rows of [`ROW_SAMPLES`] per codec at construction, touched only as far as they are filled.
//! Errors: what does not fit is refused with `None`; the caller counts it.
//! Not here: rate changes and mixing, which lie between the two (`batch`, `tick`).

mod decode;
mod encode;
mod follow;
mod rounds;

pub(crate) use decode::{Decoded, Decoders};
pub(super) use encode::{Encoders, Leaves, Made};
pub(crate) use follow::Follow;

use crate::format::Codec;

/// Samples per codec and slot: 1000 transcoded calls × 2 streams × 50 packets/s × 1 ms × 160 samples = 16 000; sixteen
/// times that, for the slot after a stall of 16 ms.
const ROW_SAMPLES: usize = 1 << 18;
/// Packets of a slot: as many as fill the rows with the least ptime in use, 10 ms of 8 kHz.
pub(super) const JOBS_MAX: usize = ROW_SAMPLES / 80;
/// Longest packet made: an Ethernet frame less IPv6 and UDP, rounded down.
const PACKET_MAX: usize = 1400;

/// Encodings with rows of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Ulaw,
    Alaw,
    L16,
    G722,
    Ilbc,
}

/// Number of [`Rows`].
const ROWS: usize = 5;

impl Rows {
    const ALL: [Self; ROWS] = [Self::Ulaw, Self::Alaw, Self::L16, Self::G722, Self::Ilbc];

    /// Rows of a codec that we have.
    const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Self::Ulaw),
            Codec::Pcma => Some(Self::Alaw),
            Codec::L16At8k | Codec::L16At16k => Some(Self::L16),
            Codec::G722 => Some(Self::G722),
            Codec::Ilbc(_) => Some(Self::Ilbc),
            Codec::Opaque { .. } => None,
        }
    }

    /// Octets of the most samples that a slot has; those of iLBC are fewer than its samples by more than this.
    const fn octets_max(self) -> usize {
        match self {
            Self::Ulaw | Self::Alaw => ROW_SAMPLES,
            Self::L16 => 2 * ROW_SAMPLES,
            Self::G722 => ROW_SAMPLES / 2,
            Self::Ilbc => ROW_SAMPLES / 4,
        }
    }

    /// The codec remembers from frame to frame, so its frames are not one slice.
    const fn remembers(self) -> bool {
        match self {
            Self::Ulaw | Self::Alaw | Self::L16 => false,
            Self::G722 | Self::Ilbc => true,
        }
    }
}

/// Octets that so many samples become, and how many of the samples that takes; `None` for a codec that we do not have.
const fn octets(codec: Codec, samples: usize) -> Option<(usize, usize)> {
    Some(match codec {
        Codec::Pcmu | Codec::Pcma => (samples, samples),
        Codec::L16At8k | Codec::L16At16k => (2 * samples, samples),
        Codec::G722 => (samples / 2, samples & !1),
        Codec::Ilbc(mode) => {
            let frames = samples / mode.samples();
            (frames * mode.octets(), frames * mode.samples())
        }
        Codec::Opaque { .. } => return None,
    })
}
