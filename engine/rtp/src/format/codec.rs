//! Codecs, and what else a payload may be.
//!
//! Shape:  [`Codec::Opaque`] is any encoding that we do not decode: two of them are equal when name, clock, channels and
//!         the parameter that changes the bits agree, and then they are relayed.
//! Units:  Hz.
//! Source: RFC 3551 §4.5 and §6; RFC 3952 §5; RFC 4867 §8.1 (octet-align).

use std::hash::{DefaultHasher, Hash, Hasher};

use dsp::ilbc::Mode;

use crate::api::{Encoding, Payload};
use crate::stream::PayloadType;

/// Longest packet of L16 at 16 kHz, ms: 1280 octets; of 50 ms it would be 1600, more than a frame of Ethernet holds.
const L16_WIDE_MS_MAX: u16 = 40;

/// An audio encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Linear, 16 bits, 8 kHz.
    L16At8k,
    /// Linear, 16 bits, 16 kHz.
    L16At16k,
    /// G.722: 16 kHz under an RTP clock of 8000 (RFC 3551 §4.5.2).
    G722,
    /// iLBC in frames of 20 or 30 ms.
    Ilbc(Mode),
    /// Relayed only; the number tells encodings apart.
    Opaque {
        /// Of name, clock, channels and framing parameter.
        identity: u64,
        /// Name for the statistics.
        name: &'static str,
    },
}

impl Codec {
    /// Whether we can decode and encode it.
    pub const fn is_ours(self) -> bool {
        !matches!(self, Self::Opaque { .. })
    }

    /// Its sample rate; `None` if we do not decode it.
    pub const fn rate_hz(self) -> Option<u32> {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16At8k | Self::Ilbc(_) => Some(8000),
            Self::L16At16k | Self::G722 => Some(16_000),
            Self::Opaque { .. } => None,
        }
    }

    /// Samples and octets of a frame, of a codec that has frames.
    pub const fn frame(self) -> Option<(usize, usize)> {
        match self {
            Self::Ilbc(mode) => Some((mode.samples(), mode.octets())),
            Self::Pcmu | Self::Pcma | Self::L16At8k | Self::L16At16k | Self::G722 | Self::Opaque { .. } => None,
        }
    }

    /// Samples that a payload of so many octets stands for; `None` if we do not decode it.
    pub const fn samples(self, octets: usize) -> Option<usize> {
        match self {
            Self::Pcmu | Self::Pcma => Some(octets),
            Self::L16At8k | Self::L16At16k => Some(octets / 2),
            Self::G722 => Some(2 * octets),
            Self::Ilbc(mode) => Some(octets / mode.octets() * mode.samples()),
            Self::Opaque { .. } => None,
        }
    }

    /// Samples of a packet of this packet time: whole frames of codecs that have them, and no more than an Ethernet frame holds.
    pub const fn packet_samples(self, ptime_ms: u16) -> usize {
        let rate_hz = match self.rate_hz() {
            Some(hz) => hz as usize,
            None => 8000,
        };
        let wanted = match self {
            Self::L16At16k if ptime_ms > L16_WIDE_MS_MAX => L16_WIDE_MS_MAX,
            _ => ptime_ms,
        } as usize
            * rate_hz
            / 1000;
        match self.frame() {
            Some((samples, _)) if wanted < samples => samples,
            Some((samples, _)) => wanted / samples * samples,
            None => wanted,
        }
    }

    /// Name for the statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16At8k => "L16/8000",
            Self::L16At16k => "L16/16000",
            Self::G722 => "G722",
            Self::Ilbc(_) => "iLBC",
            Self::Opaque { name, .. } => name,
        }
    }
}

/// Kinds of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatKind {
    /// Sound.
    Audio(Codec),
    /// Telephone events (RFC 4733).
    Event,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
}

/// One payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Number on the wire.
    pub number: PayloadType,
    /// What it carries.
    pub kind: FormatKind,
    /// Its RTP clock.
    pub clock_rate_hz: u32,
}

impl Format {
    /// What a payload of so many octets carries: frames of iLBC are told apart by their length, since a far end may send those of
    /// the other size than it was told, and does for a while when that is changed (RFC 3952 §5: one size in a packet, and in a
    /// stream). What could be both is of the size that was told.
    #[must_use]
    pub const fn of_length(self, octets: usize) -> Self {
        let FormatKind::Audio(Codec::Ilbc(told)) = self.kind else { return self };
        let other = match told {
            Mode::Ms20 => Mode::Ms30,
            Mode::Ms30 => Mode::Ms20,
        };
        if octets.is_multiple_of(told.octets()) || !octets.is_multiple_of(other.octets()) {
            return self;
        }
        Self { kind: FormatKind::Audio(Codec::Ilbc(other)), ..self }
    }

    /// What a payload of the API stands for; `None` if the number is dynamic and nothing says it.
    pub(super) fn of(payload: &Payload) -> Option<Self> {
        let number = PayloadType::new(payload.number)?;
        let Some(encoding) = &payload.encoding else {
            let (name, clock_rate_hz) = assigned(payload.number)?;
            return Some(Self::named(number, name, clock_rate_hz, 1, payload.fmtp.as_deref()));
        };
        let Encoding { name, clock_rate_hz, channels } = encoding;
        Some(Self::named(number, name, *clock_rate_hz, (*channels).max(1), payload.fmtp.as_deref()))
    }

    /// A number that was not signalled but is assigned.
    pub(super) fn assigned(number: PayloadType) -> Option<Self> {
        let (name, clock_rate_hz) = assigned(number.number())?;
        Some(Self::named(number, name, clock_rate_hz, 1, None))
    }

    fn named(number: PayloadType, name: &str, clock_rate_hz: u32, channels: u8, fmtp: Option<&str>) -> Self {
        let is = |word: &str| name.eq_ignore_ascii_case(word) && channels == 1;
        let kind = match clock_rate_hz {
            8000 if is("PCMU") => FormatKind::Audio(Codec::Pcmu),
            8000 if is("PCMA") => FormatKind::Audio(Codec::Pcma),
            8000 if is("L16") => FormatKind::Audio(Codec::L16At8k),
            8000 if is("G722") => FormatKind::Audio(Codec::G722),
            16000 if is("L16") => FormatKind::Audio(Codec::L16At16k),
            8000 if is("iLBC") => FormatKind::Audio(Codec::Ilbc(ilbc_mode(fmtp))),
            _ if is("telephone-event") => FormatKind::Event,
            _ if is("CN") => FormatKind::ComfortNoise,
            _ => FormatKind::Audio(opaque(name, clock_rate_hz, channels, fmtp)),
        };
        Self { number, kind, clock_rate_hz }
    }
}

/// Names of encodings that are often relayed, so that statistics can name them without memory of their own.
const KNOWN: [&str; 10] = ["G729", "GSM", "opus", "AMR", "AMR-WB", "EVS", "G726-32", "speex", "SILK", "G723"];

fn opaque(name: &str, clock_rate_hz: u32, channels: u8, fmtp: Option<&str>) -> Codec {
    // The parameter that decides what the bits mean, with its default where there is one.
    let framing = match name {
        _ if name.eq_ignore_ascii_case("AMR") || name.eq_ignore_ascii_case("AMR-WB") => parameter(fmtp, "octet-align").unwrap_or("0"),
        _ => "",
    };
    // Fixed keys: equal on every shard. Whoever makes two names collide has noise on a call of his own.
    let mut hasher = DefaultHasher::new();
    name.to_ascii_lowercase().hash(&mut hasher);
    (clock_rate_hz, channels, framing).hash(&mut hasher);
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    Codec::Opaque { identity: hasher.finish(), name: known.unwrap_or("other") }
}

/// RFC 3952 §5: 30 ms unless both sides say 20.
fn ilbc_mode(fmtp: Option<&str>) -> Mode {
    if parameter(fmtp, "mode") == Some("20") { Mode::Ms20 } else { Mode::Ms30 }
}

/// Value of `name=` in `a=1;b=2` format parameters.
fn parameter<'a>(fmtp: Option<&'a str>, name: &str) -> Option<&'a str> {
    fmtp?.split(';').filter_map(|p| p.split_once('=')).find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// RFC 3551 §6, tables 4 and 5, audio; 97 and 101 as the predecessor's control library uses them without `rtpmap`.
fn assigned(number: u8) -> Option<(&'static str, u32)> {
    Some(match number {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        8 => ("PCMA", 8000),
        // Samples at 16 kHz under a clock of 8000 (RFC 3551 §4.5.2).
        9 => ("G722", 8000),
        // 44.1 kHz: relayed, not decoded.
        11 => ("L16", 44100),
        13 => ("CN", 8000),
        15 => ("G728", 8000),
        18 => ("G729", 8000),
        97 => ("iLBC", 8000),
        101 => ("telephone-event", 8000),
        _ => return None,
    })
}
