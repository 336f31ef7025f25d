//! The RTP header.
//!
//! ```text
//!   V=2 P X CC │ M PT │ sequence │ timestamp │ SSRC │ CSRC × CC │ extension │ payload │ padding
//!   └ RtpView: the fields, and where the payload lies ───────────────────────┘
//!   rewritten in place:                       [ our 12 bytes ]│ payload │
//! ```
//! Shape:  12 bytes are written; CSRC, extension and padding are read over, since ours is another stream.
//! Units:  timestamp in ticks of the payload's clock.
//! Errors: [`PacketError`].
//! Source: RFC 3550 §5.1, §5.3.1; A.1 for the checks.

use std::ops::Range;

use crate::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// Length of the header that we write.
pub const HEADER_LEN: usize = 12;

/// Why a datagram is not RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than what it says it holds.
    #[error("packet is cut short")]
    Truncated,
    /// Not version 2.
    #[error("version is not 2")]
    Version,
    /// Padding of nothing, or more than there is.
    #[error("padding does not fit")]
    Padding,
    /// The lengths or types inside contradict each other.
    #[error("malformed packet")]
    Malformed,
}

/// The fields of a header that travel on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// First packet of a talkspurt (RFC 3551 §4.1).
    pub marker: bool,
    /// Payload type.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: SequenceNumber,
    /// Timestamp.
    pub timestamp: RtpTimestamp,
    /// Source.
    pub ssrc: Ssrc,
}

/// A checked packet: its header, and where its payload lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpView {
    /// Header.
    pub header: RtpHeader,
    /// Payload without padding; starts at [`HEADER_LEN`] or later.
    pub payload: Range<usize>,
}

impl RtpView {
    /// Checks a datagram.
    ///
    /// # Errors
    /// [`PacketError`]: not RTP, or not all of it.
    pub fn parse(datagram: &[u8]) -> Result<Self, PacketError> {
        let (fixed, rest) = datagram.split_first_chunk::<HEADER_LEN>().ok_or(PacketError::Truncated)?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return Err(PacketError::Version);
        }
        let mut start = HEADER_LEN + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            // RFC 3550 §5.3.1: 16 bits for the profile, then the length in words.
            let length = rest.get(start - HEADER_LEN..).and_then(|r| r.first_chunk::<4>()).ok_or(PacketError::Truncated)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([length[2], length[3]]));
        }
        let mut end = datagram.len();
        if start > end {
            return Err(PacketError::Truncated);
        }
        if first & 0x20 != 0 {
            let padding = usize::from(datagram.last().copied().unwrap_or(0));
            if padding == 0 || padding > end - start {
                return Err(PacketError::Padding);
            }
            end -= padding;
        }
        let header = RtpHeader {
            marker: second & 0x80 != 0,
            payload_type: PayloadType::from_wire(second),
            sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
        };
        Ok(Self { header, payload: start..end })
    }
}

impl RtpHeader {
    /// The header on the wire: no padding, extension or CSRC.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [s0, s1] = self.sequence.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.0.to_be_bytes();
        [0x80, u8::from(self.marker) << 7 | self.payload_type.number(), s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }

    /// Writes the header straight before `payload` and gives the range of the whole packet. `payload` is of a
    /// [`RtpView`] of the same bytes, or lies at least [`HEADER_LEN`] bytes from the front.
    pub fn write_before(self, payload: Range<usize>, packet: &mut [u8]) -> Option<Range<usize>> {
        let start = payload.start.checked_sub(HEADER_LEN)?;
        packet.get_mut(start..payload.start)?.copy_from_slice(&self.to_bytes());
        Some(start..payload.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x80 | 8, 0x12, 0x34, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef];
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_plain_packet_is_read() {
        let view = RtpView::parse(&packet(0x80, &[7; 160])).unwrap();
        assert_eq!(view.payload, 12..172);
        let h = view.header;
        assert_eq!((h.marker, h.payload_type.number(), h.sequence.0, h.timestamp.0, h.ssrc.0), (true, 8, 0x1234, 256, 0xdead_beef));
    }

    #[test]
    fn csrc_extension_and_padding_are_not_payload() {
        let mut rest = vec![0; 8];
        rest.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        rest.extend([9, 9, 9]);
        rest.extend([0, 0, 3]);
        assert_eq!(RtpView::parse(&packet(0xb2, &rest)).unwrap().payload, 28..31);
        assert_eq!(RtpView::parse(&packet(0x80, &[])).unwrap().payload, 12..12);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(RtpView::parse(&packet(0x80, &[])[..11]), Err(PacketError::Truncated));
        assert_eq!(RtpView::parse(&packet(0x40, &[])), Err(PacketError::Version));
        assert_eq!(RtpView::parse(&packet(0x81, &[0; 3])), Err(PacketError::Truncated));
        assert_eq!(RtpView::parse(&packet(0x90, &[0; 3])), Err(PacketError::Truncated));
        assert_eq!(RtpView::parse(&packet(0x90, &[0, 0, 0, 1])), Err(PacketError::Truncated));
        assert_eq!(RtpView::parse(&packet(0xa0, &[])), Err(PacketError::Padding));
        assert_eq!(RtpView::parse(&packet(0xa0, &[1, 0])), Err(PacketError::Padding));
        assert_eq!(RtpView::parse(&packet(0xa0, &[1, 3])), Err(PacketError::Padding));
        assert_eq!(RtpView::parse(&packet(0xa0, &[1, 2])).unwrap().payload, 12..12);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_payload_inside_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(view) = RtpView::parse(&bytes) {
                prop_assert!(view.payload.start >= HEADER_LEN && view.payload.start <= view.payload.end && view.payload.end <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(marker: bool, pt in 0u8..128, seq: u16, ts: u32, ssrc: u32) {
            let header = RtpHeader {
                marker,
                payload_type: PayloadType::new(pt).unwrap(),
                sequence: SequenceNumber(seq),
                timestamp: RtpTimestamp(ts),
                ssrc: Ssrc(ssrc),
            };
            let mut packet = [5; 40];
            prop_assert_eq!(header.write_before(20..30, &mut packet), Some(8..30));
            prop_assert_eq!(RtpView::parse(&packet[8..30]), Ok(RtpView { header, payload: 12..22 }));
            prop_assert_eq!(header.write_before(11..30, &mut packet), None);
        }
    }
}
