//! WAV files: PCM16 of any rate read, any of our formats written.
//! Shape:  RIFF chunks; several channels are averaged into one.
//! Errors: what is wrong with the file, in words.

/// A mono signal.
pub(crate) struct Sound {
    pub(crate) rate_hz: u32,
    pub(crate) samples: Vec<i16>,
}

/// Encodings by their tag in a file; G.722 and iLBC as the predecessor wrote them.
pub(crate) const PCM: u16 = 1;
pub(crate) const ALAW: u16 = 6;
pub(crate) const ULAW: u16 = 7;
pub(crate) const G722: u16 = 0xA112;
pub(crate) const ILBC: u16 = 0xA116;

/// Reads a PCM16 file.
pub(crate) fn read(file: &[u8]) -> Result<Sound, String> {
    let (Some(b"RIFF"), Some(b"WAVE")) = (file.get(..4), file.get(8..12)) else { return Err("not a WAV file".to_owned()) };
    let (mut format, mut at) = (None, 12);
    while let Some((name, rest)) = file.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) {
        let Some((length, body)) = rest.split_first_chunk::<4>() else { break };
        let length = u32::from_le_bytes(*length) as usize;
        let body = &body[..length.min(body.len())];
        match name {
            b"fmt " => format = Some(Format::read(body)?),
            b"data" => {
                let format = format.ok_or("no format before the data")?;
                let samples = body.as_chunks::<2>().0.chunks_exact(format.channels.into()).map(|frame| {
                    let sum: i32 = frame.iter().map(|pair| i32::from(i16::from_le_bytes(*pair))).sum();
                    (sum / i32::from(format.channels)) as i16
                });
                return Ok(Sound { rate_hz: format.rate_hz, samples: samples.collect() });
            }
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    Err("no data".to_owned())
}

struct Format {
    channels: u16,
    rate_hz: u32,
}

impl Format {
    fn read(body: &[u8]) -> Result<Self, String> {
        let word = |at: usize| body.get(at..at + 2).and_then(|pair| pair.try_into().ok()).map(u16::from_le_bytes);
        let long = |at: usize| body.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
        match (word(0), word(2), long(4), word(14)) {
            (Some(PCM), Some(channels @ 1..), Some(rate_hz), Some(16)) => Ok(Self { channels, rate_hz }),
            _ => Err("only PCM with 16 bits is read".to_owned()),
        }
    }
}

/// Writes a mono file: `bits` per sample (0 where only frames have a size: iLBC's of 38 octets), `rate_hz` samples a second, `octets_per_second` of data.
pub(crate) fn write(tag: u16, rate_hz: u32, octets_per_second: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend(octets_per_second.to_le_bytes());
    let align: u16 = if tag == ILBC { 38 } else { bits.div_ceil(8) };
    file.extend(align.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
