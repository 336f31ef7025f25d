//! The codecs of a slot: every payload to decode, then every frame to encode, each codec in one call of its kernel.
//!
//! ```text
//!   Decoders::push ─▶ run ─▶ samples            Encoders::reserve ─▶ frame (filled by the caller) ─▶ run ─▶ transmits
//!     G.711, L16: rows end to end, one long slice whatever the number of calls
//!     G.722: frames of many channels in lanes; their states are the channels' own (`rounds`)
//! ```
//! Shape:  a slot fills it, runs it and clears it; a ticket is good for that slot.
//! Memory: rows of [`ROW_SAMPLES`] per codec at construction, touched only as far as they are filled.
//! Errors: what does not fit is refused with `None`; the caller counts it.
//! Not here: rate changes and mixing, which lie between the two (`batch`, `tick`).

mod decode;
mod encode;
mod rounds;

pub(super) use decode::{Decoded, Decoders};
pub(super) use encode::{Encoders, Leaves, Made};

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
}

/// Number of [`Rows`].
const ROWS: usize = 4;

impl Rows {
    const ALL: [Self; ROWS] = [Self::Ulaw, Self::Alaw, Self::L16, Self::G722];

    /// Rows of a codec that we have.
    const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Self::Ulaw),
            Codec::Pcma => Some(Self::Alaw),
            Codec::L16At8k | Codec::L16At16k => Some(Self::L16),
            Codec::G722 => Some(Self::G722),
            Codec::Opaque { .. } => None,
        }
    }

    /// Samples that these octets stand for.
    const fn samples(self, octets: usize) -> usize {
        match self {
            Self::Ulaw | Self::Alaw => octets,
            Self::L16 => octets / 2,
            Self::G722 => 2 * octets,
        }
    }

    /// Octets that so many samples become. What makes no whole octet is left out.
    const fn octets(self, samples: usize) -> usize {
        match self {
            Self::Ulaw | Self::Alaw => samples,
            Self::L16 => 2 * samples,
            Self::G722 => samples / 2,
        }
    }

    /// Least number of samples that become whole octets.
    const fn unit(self) -> usize {
        match self {
            Self::Ulaw | Self::Alaw | Self::L16 => 1,
            Self::G722 => 2,
        }
    }
}
