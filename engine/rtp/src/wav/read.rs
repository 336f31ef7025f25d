//! The chunks of a WAV file.
//!
//! Shape:  [`Layout`] says what is in the file and where; nothing is copied.
//! Limits: a chunk that claims more than the file holds ends where the file ends, as players everywhere accept: recorders that
//!         died leave such files, with a size of 0 or of all ones.
//! Errors: [`WavError`].
//! Source: RIFF and `WAVEFORMATEX`; the sub-format of the extensible format begins with the tag.

use std::ops::Range;

use dsp::ilbc::Mode;

use super::WavError;

/// How samples are kept in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Linear, 8 bits without a sign.
    Pcm8,
    /// Linear, 16 bits, little endian.
    Pcm16,
    /// Linear, 24 bits, little endian.
    Pcm24,
    /// G.711 A-law.
    Alaw,
    /// G.711 mu-law.
    Ulaw,
    /// G.722 at 64 kbit/s.
    G722,
    /// iLBC, frames of 20 or 30 ms.
    Ilbc(Mode),
}

impl Encoding {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcm8 => "PCM, 8 bits",
            Self::Pcm16 => "PCM, 16 bits",
            Self::Pcm24 => "PCM, 24 bits",
            Self::Alaw => "A-law",
            Self::Ulaw => "mu-law",
            Self::G722 => "G.722",
            Self::Ilbc(Mode::Ms20) => "iLBC, 20 ms",
            Self::Ilbc(Mode::Ms30) => "iLBC, 30 ms",
        }
    }

    /// Bytes of so few samples of one channel as can stand alone, and how many these are.
    pub const fn unit(self) -> (usize, usize) {
        match self {
            Self::Pcm8 | Self::Alaw | Self::Ulaw => (1, 1),
            Self::Pcm16 => (2, 1),
            Self::Pcm24 => (3, 1),
            Self::G722 => (1, 2),
            Self::Ilbc(mode) => (mode.octets(), mode.samples()),
        }
    }

    /// Samples of each channel in so many bytes.
    pub const fn samples(self, bytes: usize, channels: u16) -> u64 {
        let (octets, samples) = self.unit();
        let channels = if channels == 0 { 1 } else { channels as usize };
        (bytes / (octets * channels) * samples) as u64
    }
}

/// What a WAV file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How samples are kept.
    pub encoding: Encoding,
    /// Its tag in the file.
    pub tag: u16,
    /// Channels, at least 1.
    pub channels: u16,
    /// Samples a second of each.
    pub rate_hz: u32,
    /// Where the samples are.
    pub data: Range<usize>,
}

impl Layout {
    /// Reads the chunks up to the samples.
    ///
    /// # Errors
    /// [`WavError`].
    pub fn read(file: &[u8]) -> Result<Self, WavError> {
        let (Some(b"RIFF"), Some(b"WAVE")) = (file.get(..4), file.get(8..12)) else { return Err(WavError::NotWav) };
        let (mut format, mut at) = (None, 12);
        while let Some(head) = file.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let [a, b, c, d, size @ ..] = *head;
            let (start, claimed) = (at + 8, u32::from_le_bytes(size) as usize);
            let end = start.saturating_add(claimed).min(file.len());
            match &[a, b, c, d] {
                b"fmt " => format = Some(Format::read(file.get(start..end).unwrap_or_default())?),
                b"data" => {
                    let format = format.ok_or(WavError::Missing("fmt "))?;
                    // A recorder that was not closed left no size: all that follows is sound.
                    let data = if claimed == 0 { start..file.len() } else { start..end };
                    return Ok(Self {
                        encoding: format.encoding()?,
                        tag: format.tag,
                        channels: format.channels,
                        rate_hz: format.rate_hz,
                        data,
                    });
                }
                _ => {}
            }
            // Chunks begin at even places.
            at = start.saturating_add(claimed).saturating_add(claimed % 2);
        }
        Err(WavError::Missing(if format.is_some() { "data" } else { "fmt " }))
    }

    /// Samples of one channel.
    pub fn samples(&self) -> u64 {
        self.encoding.samples(self.data.len(), self.channels)
    }

    /// How long it lasts.
    pub fn duration_ms(&self) -> u64 {
        self.samples() * 1000 / u64::from(self.rate_hz.max(1))
    }
}

/// The format chunk.
struct Format {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    block: u16,
    bits: u16,
}

const PCM: u16 = 1;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
/// As project-rtp wrote it, and the tags that others use for the same octets.
const G722: [u16; 3] = [0xA112, 0x028F, 0x0065];
/// As project-rtp wrote it.
const ILBC: u16 = 0xA116;
const EXTENSIBLE: u16 = 0xFFFE;

impl Format {
    fn read(body: &[u8]) -> Result<Self, WavError> {
        let word = |at: usize| body.get(at..)?.first_chunk::<2>().copied().map(u16::from_le_bytes);
        let long = |at: usize| body.get(at..)?.first_chunk::<4>().copied().map(u32::from_le_bytes);
        let (Some(tag), Some(channels), Some(rate_hz), Some(block), Some(bits)) = (word(0), word(2), long(4), word(12), word(14)) else {
            return Err(WavError::BadFormat("shorter than 16 bytes"));
        };
        let tag = if tag == EXTENSIBLE { word(24).ok_or(WavError::BadFormat("no sub-format"))? } else { tag };
        if channels == 0 || channels > CHANNELS_MAX {
            return Err(WavError::BadFormat("the number of channels"));
        }
        if rate_hz == 0 {
            return Err(WavError::BadFormat("a sample rate of 0"));
        }
        Ok(Self { tag, channels, rate_hz, block, bits })
    }

    fn encoding(&self) -> Result<Encoding, WavError> {
        Ok(match (self.tag, self.bits) {
            (PCM, 8) => Encoding::Pcm8,
            (PCM, 16) => Encoding::Pcm16,
            (PCM, 24) => Encoding::Pcm24,
            (ALAW, _) => Encoding::Alaw,
            (ULAW, _) => Encoding::Ulaw,
            // Two channels of it cannot be told apart: nobody says how they are put beside each other.
            (tag, _) if G722.contains(&tag) && self.channels == 1 => Encoding::G722,
            (ILBC, _) if self.channels == 1 => {
                Encoding::Ilbc(if usize::from(self.block) == Mode::Ms30.octets() { Mode::Ms30 } else { Mode::Ms20 })
            }
            (tag, bits) => return Err(WavError::Unsupported { tag, bits }),
        })
    }
}

/// Channels of a file; more are a mistake in it.
const CHANNELS_MAX: u16 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = name.to_vec();
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
        out.resize(out.len().next_multiple_of(2), 0);
        out
    }

    fn format(tag: u16, channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
        let mut out = vec![];
        for (value, len) in [(u32::from(tag), 2), (u32::from(channels), 2), (rate_hz, 4), (0, 4), (0, 2), (u32::from(bits), 2)] {
            out.extend(&value.to_le_bytes()[..len]);
        }
        out
    }

    fn wav(chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVE".to_vec();
        chunks.iter().for_each(|chunk| out.extend(chunk));
        out
    }

    #[test]
    fn chunks_that_are_not_known_are_passed_over_at_even_places() {
        let file =
            wav(&[chunk(b"LIST", b"odd"), chunk(b"fmt ", &format(1, 2, 44_100, 16)), chunk(b"fact", &[0; 4]), chunk(b"data", &[0; 8])]);
        let layout = Layout::read(&file).unwrap();
        assert_eq!((layout.encoding, layout.channels, layout.rate_hz), (Encoding::Pcm16, 2, 44_100));
        assert_eq!((layout.data.len(), layout.samples()), (8, 2));
    }

    #[test]
    fn every_format_has_its_encoding() {
        let of = |tag, channels, bits| {
            Layout::read(&wav(&[chunk(b"fmt ", &format(tag, channels, 8000, bits)), chunk(b"data", &[0; 4])])).map(|layout| layout.encoding)
        };
        assert_eq!(of(1, 1, 8), Ok(Encoding::Pcm8));
        assert_eq!(of(1, 1, 24), Ok(Encoding::Pcm24));
        assert_eq!((of(6, 1, 8), of(7, 2, 8)), (Ok(Encoding::Alaw), Ok(Encoding::Ulaw)));
        assert_eq!(of(0xA112, 1, 8), Ok(Encoding::G722));
        assert_eq!(of(0xA116, 1, 0), Ok(Encoding::Ilbc(Mode::Ms20)));
        assert_eq!(of(0xA112, 2, 8), Err(WavError::Unsupported { tag: 0xA112, bits: 8 }));
        assert_eq!(of(3, 1, 32), Err(WavError::Unsupported { tag: 3, bits: 32 }));
        assert_eq!(of(1, 0, 16), Err(WavError::BadFormat("the number of channels")));
        let mut extensible = format(0xFFFE, 1, 16_000, 16);
        extensible.extend([22, 0, 16, 0, 0, 0, 0, 0, 1, 0]);
        let layout = Layout::read(&wav(&[chunk(b"fmt ", &extensible), chunk(b"data", &[0; 4])])).unwrap();
        assert_eq!((layout.encoding, layout.tag), (Encoding::Pcm16, 1));
    }

    #[test]
    fn a_file_that_was_not_closed_is_read_to_its_end() {
        let format = chunk(b"fmt ", &format(1, 1, 8000, 16));
        for size in [0, u32::MAX] {
            let mut data = b"data".to_vec();
            data.extend(size.to_le_bytes());
            data.extend([1, 0, 2, 0]);
            assert_eq!(Layout::read(&wav(&[format.clone(), data])).unwrap().samples(), 2);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Layout::read(b"RIFX"), Err(WavError::NotWav));
        assert_eq!(Layout::read(&wav(&[])), Err(WavError::Missing("fmt ")));
        assert_eq!(Layout::read(&wav(&[chunk(b"data", &[0; 4])])), Err(WavError::Missing("fmt ")));
        assert_eq!(Layout::read(&wav(&[chunk(b"fmt ", &format(1, 1, 8000, 16))])), Err(WavError::Missing("data")));
        assert_eq!(Layout::read(&wav(&[chunk(b"fmt ", &[1, 0])])), Err(WavError::BadFormat("shorter than 16 bytes")));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(tail in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..120) {
            let mut file = wav(&[chunk(b"fmt ", &format(1, 1, 8000, 16)), chunk(b"data", &[7; 40])]);
            file.truncate(cut);
            file.extend(tail);
            let _ = Layout::read(&file).map(|layout| (file.get(layout.data.clone()).unwrap().len(), layout.duration_ms()));
        }
    }
}
