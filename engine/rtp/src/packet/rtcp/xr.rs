//! Extended reports: the VoIP metrics that a phone makes of what it hears of us.
//!
//! ```text
//!   XR: SSRC of the phone │ block: type, length │ …          of all blocks only type 7 is read, about our stream
//! ```
//! Shape:  36 octets become a few figures; a value that cannot be, or says "not known", is `None`.
//! Units:  percent, ms, marks of 1 to 5.
//! Errors: [`PacketError`] for lengths that do not fit.
//! Source: RFC 3611 §2 and §3 (packet, block), §4.7 (VoIP metrics).

use super::{Out, PacketError, word};
use crate::stream::Ssrc;

/// Packet type of extended reports.
pub(super) const EXTENDED_REPORT: u8 = 207;
/// Block type of VoIP metrics, and its length in words after the first.
const VOIP_METRICS: u8 = 7;
const VOIP_WORDS: usize = 8;
/// An octet of R factors and marks that says "not known" (RFC 3611 §4.7.5).
const UNKNOWN: u8 = 127;
/// The longest round trip and burst that are believed.
const LONGEST_MS: u16 = 30_000;

/// What a phone says of the quality of our stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VoipMetrics {
    /// Packets lost on the way.
    pub loss_percent: f64,
    /// Packets that came too late to be played.
    pub discard_percent: f64,
    /// Packets lost or discarded within bursts.
    pub burst_percent: f64,
    /// Mean length of bursts; 0 without any.
    pub burst_ms: u16,
    /// Round trip that the phone measured.
    pub rtt_ms: Option<u16>,
    /// R factor of the call, 0 to 100.
    pub r_factor: Option<u8>,
    /// Mark of listening quality.
    pub mos_lq: Option<f64>,
    /// Mark of the conversation, delay included.
    pub mos_cq: Option<f64>,
}

impl VoipMetrics {
    /// The metrics about `ours` in the body of an XR packet, if it has such a block.
    pub(super) fn find(body: &[u8], ours: Ssrc) -> Result<Option<Self>, PacketError> {
        // The first word is the SSRC of the reporter.
        let mut rest = body.get(4..).ok_or(PacketError::Malformed)?;
        let mut found = None;
        while let Some(&[kind, _, l0, l1]) = rest.first_chunk::<4>() {
            let words = usize::from(u16::from_be_bytes([l0, l1]));
            let (block, next) = rest.split_at_checked(4 + 4 * words).ok_or(PacketError::Malformed)?;
            if kind == VOIP_METRICS && words == VOIP_WORDS && word(block, 4)? == ours.0 {
                found = Self::read(block).or(found);
            }
            rest = next;
        }
        if rest.is_empty() { Ok(found) } else { Err(PacketError::Malformed) }
    }

    /// A block of 36 octets; `None` if its parts contradict each other.
    fn read(block: &[u8]) -> Option<Self> {
        let octet = |at: usize| block.get(at).copied();
        let short = |at: usize| Some(u16::from_be_bytes([octet(at)?, octet(at + 1)?]));
        let percent = |part: u8| f64::from(part) * 100.0 / 256.0;
        let mark = |octet: u8| (10..=50).contains(&octet).then(|| f64::from(octet) / 10.0);
        let (loss, discard) = (octet(8)?, octet(9)?);
        if u16::from(loss) + u16::from(discard) > 256 {
            // RFC 3611 §4.7.1: no packet is both.
            return None;
        }
        Some(Self {
            loss_percent: percent(loss),
            discard_percent: percent(discard),
            burst_percent: percent(octet(10)?),
            burst_ms: short(12)?.min(LONGEST_MS),
            rtt_ms: short(16).filter(|ms| (1..=LONGEST_MS).contains(ms)),
            r_factor: octet(24).filter(|r| *r <= 100),
            mos_lq: octet(26).and_then(mark),
            mos_cq: octet(27).and_then(mark),
        })
    }

    /// Writes an XR packet with these metrics about `about`, as a phone does; for tests and load generators.
    pub fn write(&self, from: Ssrc, about: Ssrc, out: &mut [u8]) -> Option<usize> {
        let mut out = Out { bytes: out, len: 0 };
        let part = |percent: f64| (percent * 2.56).round().clamp(0.0, 255.0) as u8;
        let mark = |mark: Option<f64>| mark.map_or(UNKNOWN, |mark| (mark * 10.0).round() as u8);
        out.head(0, EXTENDED_REPORT, 2 + VOIP_WORDS as u16)?;
        out.words(&[from.0])?;
        out.put(&[VOIP_METRICS, 0, 0, VOIP_WORDS as u8])?;
        out.words(&[about.0])?;
        out.put(&[part(self.loss_percent), part(self.discard_percent), part(self.burst_percent), 0])?;
        out.put(&self.burst_ms.to_be_bytes())?;
        out.put(&[0, 0])?;
        out.put(&self.rtt_ms.unwrap_or(0).to_be_bytes())?;
        // End system delay; levels, echo and the gap's least length as "not known" and the default of 16.
        out.put(&[0, 0, UNKNOWN, UNKNOWN, UNKNOWN, 16])?;
        out.put(&[self.r_factor.unwrap_or(UNKNOWN), UNKNOWN, mark(self.mos_lq), mark(self.mos_cq)])?;
        // Receiver configuration and the three sizes of its jitter buffer.
        out.put(&[0; 8])?;
        Some(out.len)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reports;
    use super::*;

    const GOOD: VoipMetrics = VoipMetrics {
        loss_percent: 6.25,
        discard_percent: 3.125,
        burst_percent: 25.0,
        burst_ms: 240,
        rtt_ms: Some(85),
        r_factor: Some(78),
        mos_lq: Some(3.9),
        mos_cq: Some(3.7),
    };

    fn written(metrics: &VoipMetrics) -> Vec<u8> {
        let mut bytes = [0; 44];
        assert_eq!(metrics.write(Ssrc(5), Ssrc(9), &mut bytes), Some(44));
        bytes.to_vec()
    }

    fn read(bytes: &[u8], ours: u32) -> Result<Option<VoipMetrics>, PacketError> {
        Reports::parse(bytes, Ssrc(ours), Some(Ssrc(5))).map(|reports| reports.voip)
    }

    #[test]
    fn metrics_about_our_stream_are_read_and_those_of_others_are_not() {
        assert_eq!(read(&written(&GOOD), 9), Ok(Some(GOOD)));
        assert_eq!(read(&written(&GOOD), 10), Ok(None));
        let unknown = VoipMetrics { rtt_ms: None, r_factor: None, mos_lq: None, mos_cq: None, ..GOOD };
        assert_eq!(read(&written(&unknown), 9), Ok(Some(unknown)));
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let mut bytes = written(&GOOD);
        (bytes[16], bytes[17]) = (200, 100);
        assert_eq!(read(&bytes, 9), Ok(None), "more lost and discarded than sent");
        let mut bytes = written(&GOOD);
        bytes[24..26].copy_from_slice(&[255, 255]);
        (bytes[32], bytes[34], bytes[35]) = (126, 255, 3);
        let metrics = read(&bytes, 9).unwrap().unwrap();
        assert_eq!((metrics.rtt_ms, metrics.r_factor, metrics.mos_lq, metrics.mos_cq), (None, None, None, None));
    }

    #[test]
    fn lies_about_lengths_are_refused_and_other_blocks_read_over() {
        let bytes = written(&GOOD);
        for end in 1..bytes.len() {
            assert!(read(&bytes[..end], 9).is_err(), "{end}");
        }
        let mut longer = bytes.clone();
        longer[11] = 9;
        assert_eq!(read(&longer, 9), Err(PacketError::Malformed), "a block that ends behind its packet");
        // A receiver reference time before it (RFC 3611 §4.4).
        let mut two = bytes;
        two.splice(8..8, [4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        two[3] += 3;
        assert_eq!(read(&two, 9), Ok(Some(GOOD)));
    }
}
