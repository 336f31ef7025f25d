//! The header of a WAV file that we write.
//!
//! Shape:  [`Header::bytes`] gives it whole, with the sizes of the samples so far: written first with none, and once more at the
//!         end. PCM has 44 bytes; A-law and mu-law have 58, for they owe an extension size and a `fact` chunk.
//! Units:  bytes.
//! Errors: none. Data past 4 GiB cannot be said in a RIFF file; recordings end long before (`MAX_DATA`).

use super::read::Encoding;

/// Longest header written.
pub const HEADER_MAX: usize = 58;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFormat {
    /// Linear, 16 bits.
    Pcm16,
    /// G.711 A-law.
    Alaw,
    /// G.711 mu-law.
    Ulaw,
}

impl WriteFormat {
    /// How it is read.
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::Pcm16 => Encoding::Pcm16,
            Self::Alaw => Encoding::Alaw,
            Self::Ulaw => Encoding::Ulaw,
        }
    }

    /// The byte that is silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcm16 => 0,
            Self::Alaw => 0xD5,
            Self::Ulaw => 0xFF,
        }
    }

    const fn tag(self) -> u16 {
        match self {
            Self::Pcm16 => 1,
            Self::Alaw => 6,
            Self::Ulaw => 7,
        }
    }
}

/// Header of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What is written.
    pub format: WriteFormat,
    /// Samples a second.
    pub rate_hz: u32,
    /// 1 or 2.
    pub channels: u16,
}

impl Header {
    /// Most bytes of samples that the sizes in a file can say, and that we write: 4 GiB less a header, in whole samples.
    pub const MAX_DATA: u64 = (u32::MAX as u64 - 64) & !3;

    /// Bytes of the header.
    pub const fn len(&self) -> usize {
        match self.format {
            WriteFormat::Pcm16 => 44,
            WriteFormat::Alaw | WriteFormat::Ulaw => HEADER_MAX,
        }
    }

    /// It is never empty.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of one sample of all channels.
    pub const fn frame_bytes(&self) -> usize {
        self.format.encoding().unit().0 * self.channels as usize
    }

    /// The header of a file with so many bytes of samples.
    pub fn bytes(&self, data: u64) -> Vec<u8> {
        let data = data.min(Self::MAX_DATA) as u32;
        let frame = self.frame_bytes() as u32;
        let linear = self.format == WriteFormat::Pcm16;
        let mut out = Vec::with_capacity(HEADER_MAX);
        out.extend(b"RIFF");
        out.extend((self.len() as u32 - 8 + data + data % 2).to_le_bytes());
        out.extend(b"WAVEfmt ");
        out.extend(if linear { 16_u32 } else { 18 }.to_le_bytes());
        out.extend(self.format.tag().to_le_bytes());
        out.extend(self.channels.to_le_bytes());
        out.extend(self.rate_hz.to_le_bytes());
        out.extend((self.rate_hz * frame).to_le_bytes());
        out.extend((frame as u16).to_le_bytes());
        out.extend((8 * self.format.encoding().unit().0 as u16).to_le_bytes());
        if !linear {
            out.extend(0_u16.to_le_bytes());
            out.extend(b"fact");
            out.extend(4_u32.to_le_bytes());
            out.extend((data / frame.max(1)).to_le_bytes());
        }
        out.extend(b"data");
        out.extend(data.to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for format in [WriteFormat::Pcm16, WriteFormat::Alaw, WriteFormat::Ulaw] {
            for (channels, rate_hz) in [(1, 8000), (2, 16_000)] {
                let header = Header { format, rate_hz, channels };
                let data = 100 * header.frame_bytes();
                let mut file = header.bytes(data as u64);
                assert_eq!(file.len(), header.len());
                file.resize(file.len() + data, 0);
                let layout = Layout::read(&file).unwrap();
                assert_eq!((layout.encoding, layout.channels, layout.rate_hz), (format.encoding(), channels, rate_hz));
                assert_eq!((layout.data.start, layout.samples()), (header.len(), 100));
            }
        }
    }

    #[test]
    fn the_header_of_linear_samples_is_the_classic_one() {
        let header = Header { format: WriteFormat::Pcm16, rate_hz: 8000, channels: 1 }.bytes(320);
        let expected = b"RIFF\x64\x01\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x40\x01\0\0";
        assert_eq!(header, expected);
    }
}
