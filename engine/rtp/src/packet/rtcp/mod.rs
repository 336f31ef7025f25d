//! RTCP: what the far end reports of us, and what we report of it.
//!
//! ```text
//!   compound ─▶ SR │ RR │ SDES │ BYE │ XR │ … ─▶ Reports { sender, about_us, voip, bye, is_theirs }
//!   Report ─▶ SR or RR, one block, SDES with our CNAME, BYE at the end of a channel
//! ```
//! Shape:  reading keeps nothing but the numbers asked for; writing fills a given slice of at most [`REPORT_MAX`] bytes.
//! Lenient: reduced-size packets (RFC 5506) and unknown types are read over.
//! Units:  NTP time in 2^-32 s since 1900, its middle 32 bits in 2^-16 s; jitter in ticks; delays in 2^-16 s.
//! Trust:  whoever knows the random SSRC of either stream is taken for the far end; see [`Reports::is_theirs`].
//! Errors: [`PacketError`] for lengths that do not fit; then nothing of the datagram is used.
//! Source: RFC 3550 §6.4 (SR, RR), §6.5 (SDES), §6.6 (BYE); RFC 3611 (`xr`).

mod xr;

use self::xr::EXTENDED_REPORT;
pub use self::xr::VoipMetrics;
use super::PacketError;
use crate::stream::{RtpTimestamp, Ssrc};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Item type of a CNAME (RFC 3550 §6.5.1).
const CNAME: u8 = 1;
/// Longest CNAME, its length being one byte.
pub const CNAME_MAX: usize = 255;
/// SR 28, block 24, SDES 4 + 4 + 2 + 255, up to 4 to end and fill the word.
pub const REPORT_MAX: usize = 28 + 24 + 4 + 4 + 2 + CNAME_MAX + 4;
/// The same with a BYE behind it.
pub const GOODBYE_MAX: usize = REPORT_MAX + 8;
/// Seconds from 1900 to 1970 (RFC 3550 §4).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// What of a compound packet concerns a channel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reports {
    /// Middle 32 bits of the NTP time of a sender report.
    pub sender_ntp: Option<u32>,
    /// Its report block about our stream.
    pub about_us: Option<Block>,
    /// What it says of the quality of our stream.
    pub voip: Option<VoipMetrics>,
    /// The far end says goodbye for its stream.
    pub bye: bool,
    /// It names its stream as we hear it, or ours: nobody off the path knows these numbers. True as well while we hear none.
    pub is_theirs: bool,
}

/// A report block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Whose packets.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits, signed.
    pub cumulative_lost: i32,
    /// Highest sequence number and its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter.
    pub jitter_ticks: u32,
    /// Middle of the NTP time of the last sender report, 0 if none came.
    pub last_sr: u32,
    /// Time since then.
    pub delay_since_last_sr: u32,
}

/// A report to write: with `sender` it is an SR, else an RR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Our stream.
    pub ssrc: Ssrc,
    /// What we sent, if anything since the last report.
    pub sender: Option<SenderInfo>,
    /// What we received, if anything.
    pub block: Option<Block>,
}

/// Middle part of an SR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock.
    pub ntp: u64,
    /// Our stream's clock at the same moment.
    pub timestamp: RtpTimestamp,
    /// Packets sent.
    pub packets: u32,
    /// Octets of payload sent.
    pub octets: u32,
}

/// NTP time of a moment in milliseconds since 1970.
pub const fn ntp_of_unix_ms(unix_ms: u64) -> u64 {
    let seconds = unix_ms / 1000 + NTP_TO_UNIX_S;
    (seconds << 32) | (((unix_ms % 1000) << 32) / 1000)
}

/// The middle 32 bits, as LSR carries them.
pub const fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

impl Reports {
    /// Reads a compound packet for what concerns the streams `ours`, and `theirs` as far as it is known.
    ///
    /// # Errors
    /// [`PacketError`] if a length inside does not fit.
    pub fn parse(datagram: &[u8], ours: Ssrc, theirs: Option<Ssrc>) -> Result<Self, PacketError> {
        let mut reports = Self { is_theirs: theirs.is_none(), ..Self::default() };
        let mut rest = datagram;
        while !rest.is_empty() {
            let &[first, kind, l0, l1] = rest.first_chunk::<4>().ok_or(PacketError::Truncated)?;
            if first >> 6 != 2 {
                return Err(PacketError::Version);
            }
            let len = 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
            let (packet, next) = rest.split_at_checked(len).ok_or(PacketError::Truncated)?;
            let body = packet.get(4..).unwrap_or_default();
            let count = usize::from(first & 0x1f);
            match kind {
                SENDER_REPORT => {
                    let info = body.get(4..24).ok_or(PacketError::Malformed)?;
                    // A mixer before the far end reports for others too.
                    if theirs.is_none_or(|theirs| word(body, 0) == Ok(theirs.0)) {
                        reports.sender_ntp = Some(word(info, 2)?);
                        reports.is_theirs = true;
                    }
                    reports.blocks(body.get(24..).unwrap_or_default(), count, ours)?;
                }
                RECEIVER_REPORT => {
                    reports.is_theirs |= theirs.is_some_and(|theirs| word(body, 0) == Ok(theirs.0));
                    reports.blocks(body.get(4..).ok_or(PacketError::Malformed)?, count, ours)?;
                }
                GOODBYE => {
                    let sources = body.get(..4 * count).ok_or(PacketError::Malformed)?;
                    let named = sources.as_chunks::<4>().0.iter().any(|ssrc| Some(Ssrc(u32::from_be_bytes(*ssrc))) == theirs);
                    reports.bye |= named;
                    reports.is_theirs |= named;
                }
                EXTENDED_REPORT => {
                    let voip = VoipMetrics::find(body, ours)?;
                    reports.is_theirs |= voip.is_some() || theirs.is_some_and(|theirs| word(body, 0) == Ok(theirs.0));
                    reports.voip = voip.or(reports.voip);
                }
                _ => {}
            }
            rest = next;
        }
        reports.is_theirs |= reports.about_us.is_some();
        Ok(reports)
    }

    fn blocks(&mut self, bytes: &[u8], count: usize, ours: Ssrc) -> Result<(), PacketError> {
        let bytes = bytes.get(..24 * count).ok_or(PacketError::Malformed)?;
        for block in bytes.chunks_exact(24) {
            let block = Block::parse(block)?;
            if block.ssrc == ours {
                self.about_us = Some(block);
            }
        }
        Ok(())
    }
}

impl Block {
    fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let lost = word(bytes, 4)?;
        Ok(Self {
            ssrc: Ssrc(word(bytes, 0)?),
            fraction_lost: (lost >> 24) as u8,
            // Sign of 24 bits moved up, and down again.
            cumulative_lost: ((lost << 8) as i32) >> 8,
            highest_sequence: word(bytes, 8)?,
            jitter_ticks: word(bytes, 12)?,
            last_sr: word(bytes, 16)?,
            delay_since_last_sr: word(bytes, 20)?,
        })
    }

    fn words(&self) -> [u32; 6] {
        let lost = u32::from(self.fraction_lost) << 24 | self.cumulative_lost as u32 & 0x00ff_ffff;
        [self.ssrc.0, lost, self.highest_sequence, self.jitter_ticks, self.last_sr, self.delay_since_last_sr]
    }
}

impl Report {
    /// Writes the report and our CNAME, cut to [`CNAME_MAX`]; returns its length, or `None` if `out` is too short.
    pub fn write(&self, cname: &str, out: &mut [u8]) -> Option<usize> {
        let mut out = Out { bytes: out, len: 0 };
        let blocks = u8::from(self.block.is_some());
        let block_words = 6 * u16::from(blocks);
        if let Some(sender) = &self.sender {
            out.head(blocks, SENDER_REPORT, 6 + block_words)?;
            out.words(&[self.ssrc.0, (sender.ntp >> 32) as u32, sender.ntp as u32])?;
            out.words(&[sender.timestamp.0, sender.packets, sender.octets])?;
        } else {
            out.head(blocks, RECEIVER_REPORT, 1 + block_words)?;
            out.words(&[self.ssrc.0])?;
        }
        if let Some(block) = &self.block {
            out.words(&block.words())?;
        }
        let cname = cname.as_bytes().get(..CNAME_MAX).unwrap_or(cname.as_bytes());
        // RFC 3550 §6.5: at least one zero ends the items, and the chunk fills whole words.
        let chunk_words = (4 + 2 + cname.len()) / 4 + 1;
        let sdes = out.len;
        out.head(1, SOURCE_DESCRIPTION, u16::try_from(chunk_words).ok()?)?;
        out.words(&[self.ssrc.0])?;
        out.put(&[CNAME, u8::try_from(cname.len()).ok()?])?;
        out.put(cname)?;
        while out.len < sdes + 4 + 4 * chunk_words {
            out.put(&[0])?;
        }
        Some(out.len)
    }

    /// Writes the report as the last one of the stream: with a BYE behind it.
    pub fn write_goodbye(&self, cname: &str, out: &mut [u8]) -> Option<usize> {
        let len = self.write(cname, out)?;
        let mut out = Out { bytes: out, len };
        // RFC 3550 §6.6: one source, no reason.
        out.head(1, GOODBYE, 1)?;
        out.words(&[self.ssrc.0])?;
        Some(out.len)
    }
}

/// A slice being filled.
struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }

    fn words(&mut self, words: &[u32]) -> Option<()> {
        words.iter().try_for_each(|w| self.put(&w.to_be_bytes()))
    }

    /// `length` counts words after the first.
    fn head(&mut self, count: u8, kind: u8, length: u16) -> Option<()> {
        let [l0, l1] = length.to_be_bytes();
        self.put(&[0x80 | count, kind, l0, l1])
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, PacketError> {
    let chunk = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).ok_or(PacketError::Malformed)?;
    Ok(u32::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: Block = Block {
        ssrc: Ssrc(9),
        fraction_lost: 12,
        cumulative_lost: -3,
        highest_sequence: 0x0001_0002,
        jitter_ticks: 17,
        last_sr: 0xaabb_ccdd,
        delay_since_last_sr: 65536,
    };

    fn full() -> Report {
        let sender = SenderInfo { ntp: 0x0123_4567_89ab_cdef, timestamp: RtpTimestamp(5), packets: 6, octets: 7 };
        Report { ssrc: Ssrc(8), sender: Some(sender), block: Some(BLOCK) }
    }

    #[test]
    fn a_written_report_is_read() {
        for cname in ["", "a", "ab", "abc", "abcd", &"x".repeat(300)] {
            let mut bytes = [0xff; REPORT_MAX];
            let len = full().write(cname, &mut bytes).unwrap();
            assert_eq!(len % 4, 0, "{cname}");
            let read = Reports::parse(&bytes[..len], Ssrc(9), Some(Ssrc(8))).unwrap();
            let all = Reports { sender_ntp: Some(0x4567_89ab), about_us: Some(BLOCK), is_theirs: true, ..Reports::default() };
            assert_eq!(read, all);
            assert_eq!(Reports::parse(&bytes[..len], Ssrc(9), Some(Ssrc(7))), Ok(Reports { sender_ntp: None, ..all }), "it knows ours");
            assert_eq!(Reports::parse(&bytes[..len], Ssrc(1), Some(Ssrc(7))), Ok(Reports::default()), "it knows neither");
            assert_eq!(full().write(cname, &mut bytes[..len - 1]), None);
        }
    }

    #[test]
    fn a_receiver_report_without_block_has_its_rfc_size() {
        let mut bytes = [0; REPORT_MAX];
        let len = Report { ssrc: Ssrc(1), sender: None, block: None }.write("ab", &mut bytes).unwrap();
        assert_eq!(bytes[..len], [0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 202, 0, 3, 0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0]);
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        let mut bytes = [0; REPORT_MAX];
        let len = full().write("cname", &mut bytes).unwrap();
        for end in 1..len {
            let whole = end == 52;
            assert_eq!(Reports::parse(&bytes[..end], Ssrc(9), None).is_ok(), whole, "{end}");
        }
        assert_eq!(Reports::parse(&[0x82, 201, 0, 1, 0, 0, 0, 1], Ssrc(9), None), Err(PacketError::Malformed));
        assert_eq!(Reports::parse(&[0x80, 200, 0, 1, 0, 0, 0, 1], Ssrc(9), None), Err(PacketError::Malformed));
        assert_eq!(Reports::parse(&[0x80, 201, 0, 0], Ssrc(9), None), Err(PacketError::Malformed));
        assert_eq!(Reports::parse(&[0x40, 201, 0, 1, 0, 0, 0, 1], Ssrc(9), None), Err(PacketError::Version));
    }

    #[test]
    fn goodbye_and_unknown_types_are_read_over() {
        // RFC 5506: no report before it.
        let bytes = [0x80, 209, 0, 0, 0x81, 203, 0, 1, 0, 0, 0, 5];
        let bye = Reports { bye: true, is_theirs: true, ..Reports::default() };
        assert_eq!(Reports::parse(&bytes, Ssrc(9), Some(Ssrc(5))), Ok(bye));
        assert_eq!(Reports::parse(&bytes, Ssrc(9), Some(Ssrc(6))), Ok(Reports::default()), "somebody else leaves");
        assert_eq!(Reports::parse(&[0x82, 203, 0, 1, 0, 0, 0, 5], Ssrc(9), None), Err(PacketError::Malformed));
        let mut bytes = [0; GOODBYE_MAX];
        let len = full().write_goodbye("cname", &mut bytes).unwrap();
        assert!(Reports::parse(&bytes[..len], Ssrc(9), Some(Ssrc(8))).unwrap().bye);
    }

    #[test]
    fn ntp_time_counts_from_1900() {
        // RFC 3550 has no example; 1970 began 25567 days after 1900.
        assert_eq!(ntp_of_unix_ms(500), (25567 * 86400) << 32 | 1 << 31);
        assert_eq!(middle(0x0123_4567_89ab_cdef), 0x4567_89ab);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reports::parse(&bytes, Ssrc(0), Some(Ssrc(0)));
        }
    }
}
