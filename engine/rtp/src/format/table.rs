//! The payload types of one channel.
//!
//! ```text
//!   incoming(number)          what a received packet carries
//!   outgoing(incoming format) with which number it leaves, and whether it must be transcoded
//! ```
//! Shape:  a fixed array; look-ups are a scan of a few bytes.
//! Rule:   an equal encoding wins over the order of preference, since relaying costs nothing and loses nothing.
//! Errors: [`FormatError`] when a target's payloads leave nothing to send.
//! Source: RFC 3264 §6.1 (any listed format may be sent).

use dsp::ilbc::Mode;
use heapless::Vec;

use super::codec::{Codec, Format, FormatKind};
use crate::api::Payload;
use crate::stream::PayloadType;

/// Payload types kept per channel: the codecs of a softphone's offer (about ten), events at three rates, noise, spare.
pub const FORMATS_MAX: usize = 16;

/// Why payloads cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A payload type above 127.
    #[error("payload type {0} is above 127")]
    Number(u8),
    /// No audio among them that could be sent.
    #[error("none of the payloads is audio that is known; a dynamic number needs its rtpmap")]
    NoAudio,
}

/// Payload types of a far end, best first.
#[derive(Debug, Clone, Default)]
pub struct Formats(Vec<Format, FORMATS_MAX>);

impl Formats {
    /// Reads what a target lists. Numbers that say nothing are left out, as is what comes after [`FORMATS_MAX`].
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn new(payloads: &[Payload]) -> Result<Self, FormatError> {
        let mut formats = Vec::new();
        for payload in payloads {
            if payload.number > 127 {
                return Err(FormatError::Number(payload.number));
            }
            if let Some(format) = Format::of(payload)
                && formats.push(format).is_err()
            {
                break;
            }
        }
        if formats.iter().any(|f| matches!(f.kind, FormatKind::Audio(_))) { Ok(Self(formats)) } else { Err(FormatError::NoAudio) }
    }

    /// What a packet of this number carries.
    pub fn incoming(&self, number: PayloadType) -> Option<Format> {
        self.0.iter().find(|f| f.number == number).copied().or_else(|| Format::assigned(number))
    }

    /// As what a packet of this format leaves for this far end; `None` if it takes nothing of the kind.
    pub fn outgoing(&self, incoming: &Format) -> Option<Format> {
        let same = |f: &&Format| f.kind == incoming.kind && f.clock_rate_hz == incoming.clock_rate_hz;
        self.0.iter().find(same).copied().or_else(|| match incoming.kind {
            FormatKind::Audio(codec) if codec.is_ours() => self.preferred_of_ours(),
            // Events at another rate would need other durations inside; a bridge has nobody to say them anew.
            FormatKind::Audio(_) | FormatKind::Event | FormatKind::ComfortNoise => None,
        })
    }

    /// What we send when we make the sound ourselves: the first that we can encode.
    pub fn preferred_of_ours(&self) -> Option<Format> {
        self.0.iter().find(|f| matches!(f.kind, FormatKind::Audio(codec) if codec.is_ours())).copied()
    }

    /// The frame size of iLBC, if it is among them. Of two sizes the first counts: a channel has one.
    pub fn ilbc_mode(&self) -> Option<Mode> {
        self.0.iter().find_map(|f| if let FormatKind::Audio(Codec::Ilbc(mode)) = f.kind { Some(mode) } else { None })
    }

    /// G.722 is among them.
    pub fn has_g722(&self) -> bool {
        self.0.iter().any(|f| f.kind == FormatKind::Audio(Codec::G722))
    }

    /// As what events are sent: on the clock of the sound if there is such a one (RFC 4733 §2.1), else the first.
    pub fn event(&self) -> Option<Format> {
        let clock = self.preferred_of_ours().map(|f| f.clock_rate_hz);
        let events = || self.0.iter().filter(|f| f.kind == FormatKind::Event);
        events().find(|f| Some(f.clock_rate_hz) == clock).or(events().next()).copied()
    }

    /// Whether an encoding that we can only relay is among those of both.
    pub fn shares_opaque(&self, other: &Self) -> bool {
        let is_opaque = |f: &&Format| matches!(f.kind, FormatKind::Audio(codec) if !codec.is_ours());
        self.0.iter().filter(is_opaque).any(|f| other.0.iter().any(|o| o.kind == f.kind && o.clock_rate_hz == f.clock_rate_hz))
    }

    /// The sound that the far end likes best, ours or not.
    pub fn preferred(&self) -> Option<Format> {
        self.0.iter().find(|f| matches!(f.kind, FormatKind::Audio(_))).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Encoding;

    fn plain(number: u8) -> Payload {
        Payload { number, encoding: None, fmtp: None }
    }

    fn mapped(number: u8, name: &str, clock_rate_hz: u32, fmtp: Option<&str>) -> Payload {
        let encoding = Some(Encoding { name: name.into(), clock_rate_hz, channels: 1 });
        Payload { number, encoding, fmtp: fmtp.map(Into::into) }
    }

    fn formats(payloads: &[Payload]) -> Formats {
        Formats::new(payloads).unwrap()
    }

    fn number(n: u8) -> PayloadType {
        PayloadType::new(n).unwrap()
    }

    /// Number and codec with which a packet of `from` leaves for `to`.
    fn leaves(from: &Formats, n: u8, to: &Formats) -> Option<(u8, FormatKind)> {
        to.outgoing(&from.incoming(number(n))?).map(|f| (f.number.number(), f.kind))
    }

    #[test]
    fn an_equal_encoding_wins_over_preference() {
        let (a, b) = (formats(&[plain(0)]), formats(&[plain(8), plain(0)]));
        assert_eq!(leaves(&a, 0, &b), Some((0, FormatKind::Audio(Codec::Pcmu))));
        assert_eq!(leaves(&b, 8, &a), Some((0, FormatKind::Audio(Codec::Pcmu))), "transcoded");
    }

    #[test]
    fn dynamic_numbers_are_mapped_by_name() {
        let a = formats(&[mapped(96, "l16", 16000, None), mapped(110, "Telephone-Event", 8000, None)]);
        let b = formats(&[mapped(99, "L16", 16000, None), plain(101)]);
        assert_eq!(leaves(&a, 96, &b), Some((99, FormatKind::Audio(Codec::L16At16k))));
        assert_eq!(leaves(&a, 110, &b), Some((101, FormatKind::Event)));
        assert_eq!(leaves(&b, 101, &a), Some((110, FormatKind::Event)));
        assert_eq!(leaves(&a, 111, &b), None, "a dynamic number that nobody named");
    }

    #[test]
    fn events_and_noise_need_their_like_on_the_other_side() {
        let a = formats(&[plain(0), plain(13), mapped(100, "telephone-event", 16000, None)]);
        let b = formats(&[plain(0), plain(101)]);
        assert_eq!(leaves(&a, 13, &b), None);
        assert_eq!(leaves(&a, 100, &b), None, "another clock has other durations");
    }

    #[test]
    fn unknown_codecs_are_relayed_between_their_like_only() {
        let a = formats(&[mapped(102, "AMR", 8000, Some("octet-align=1")), mapped(111, "opus", 48000, None)]);
        let b = formats(&[mapped(97, "amr", 8000, Some("x=1; octet-align=1")), mapped(120, "OPUS", 48000, None), plain(0)]);
        let c = formats(&[mapped(97, "AMR", 8000, None), plain(0)]);
        assert_eq!(leaves(&a, 102, &b).map(|l| l.0), Some(97));
        assert_eq!(leaves(&a, 111, &b).map(|l| l.0), Some(120));
        assert_eq!(leaves(&a, 102, &c), None, "another framing, and we have no decoder");
        assert_eq!(a.preferred().map(|f| f.number.number()), Some(102));
        assert_eq!([&b, &c, &formats(&[plain(0)])].map(|other| a.shares_opaque(other)), [true, false, false]);
    }

    #[test]
    fn frames_of_ilbc_are_thirty_ms_unless_said() {
        let mode = |fmtp| formats(&[mapped(97, "ILBC", 8000, fmtp)]).ilbc_mode();
        assert_eq!(
            (mode(None), mode(Some("mode=30")), mode(Some("a=b; mode = 20"))),
            (Some(Mode::Ms30), Some(Mode::Ms30), Some(Mode::Ms20))
        );
        assert_eq!(formats(&[plain(0)]).ilbc_mode(), None);
        let (a, b) = (formats(&[mapped(97, "iLBC", 8000, Some("mode=20"))]), formats(&[mapped(98, "iLBC", 8000, None)]));
        assert_eq!(leaves(&a, 97, &b), Some((98, FormatKind::Audio(Codec::Ilbc(Mode::Ms30)))), "transcoded");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert_eq!(Formats::new(&[]).unwrap_err(), FormatError::NoAudio);
        assert_eq!(Formats::new(&[plain(101), plain(111)]).unwrap_err(), FormatError::NoAudio);
        assert_eq!(Formats::new(&[plain(0), plain(128)]).unwrap_err(), FormatError::Number(128));
        let many: std::vec::Vec<_> = (96..127).map(|n| mapped(n, "x", 8000, None)).collect();
        assert_eq!(formats(&many).0.len(), FORMATS_MAX);
    }
}
