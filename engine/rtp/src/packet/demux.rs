//! What a datagram on an RTP port is, by its first two bytes.
//!
//! ```text
//!   first byte   0…3 STUN   20…63 DTLS   128…191 RTP or RTCP, by the second byte: 192…223 is RTCP
//! ```
//! Shape:  one look, no state.
//! Errors: none; what fits nowhere is [`Kind::Other`].
//! Source: RFC 7983 §7 (first byte), RFC 5761 §4 (payload types 64–95 stay unused, so that RTCP can be told from RTP).

/// Protocols that share an RTP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 5764).
    Dtls,
    /// RTP, not yet checked.
    Rtp,
    /// RTCP, not yet checked.
    Rtcp,
    /// Anything else, and what is too short to tell.
    Other,
}

/// Tells the protocols apart.
pub fn demux(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        // All of 192–223 rather than the types assigned so far: RFC 5761 §4 reserves the range.
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_bytes_decide() {
        assert_eq!(demux(&[0, 1, 0, 0]), Kind::Stun);
        assert_eq!(demux(&[22, 254, 253]), Kind::Dtls);
        assert_eq!(demux(&[0x80, 0]), Kind::Rtp);
        assert_eq!(demux(&[0x80, 0x80 | 8]), Kind::Rtp, "marker and PCMA");
        assert_eq!(demux(&[0x80, 0x80 | 63]), Kind::Rtp);
        assert_eq!(demux(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(demux(&[0x81, 207]), Kind::Rtcp);
        assert_eq!(demux(&[0x80, 0x80 | 96]), Kind::Rtp, "224 is marker and a dynamic type");
        for other in [&[][..], &[0x80], &[64, 0], &[192, 0], &[255, 255]] {
            assert_eq!(demux(other), Kind::Other);
        }
    }
}
