//! Numbers of an RTP packet, each its own type, so that none is taken for another.
//!
//! Shape:  `Copy`; arithmetic wraps where the wire wraps.
//! Units:  timestamps in ticks of the payload's clock.
//! Source: RFC 3550 §5.1 and A.1 (extended sequence numbers).

/// Source of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

/// Sequence number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceNumber(pub u16);

/// Sequence number that does not wrap: cycles above the 16 bits of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtendedSequence(pub u64);

impl ExtendedSequence {
    /// What goes on the wire.
    pub const fn wire(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }

    /// Distance from `earlier`, negative if this is before it.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.wrapping_sub(earlier.0) as i64
    }

    /// `by` packets later, or earlier if negative.
    pub const fn offset(self, by: i64) -> Self {
        Self(self.0.wrapping_add_signed(by))
    }
}

/// Timestamp on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// Ticks from `earlier`, negative if this is before it; right within half a cycle.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// `ticks` later.
    pub const fn offset(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }
}

/// Payload type, 0–127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The second byte of a packet without its marker.
    pub const fn from_wire(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// 0–127.
    pub const fn number(self) -> u8 {
        self.0
    }
}
