//! Sound files: WAV read and written, raw files of one codec read. Bytes in, samples out; no I/O.
//!
//! ```text
//!   file bytes ─▶ read::Layout (chunks, format) ─▶ decode ─▶ mono ─▶ rate 8 or 16 kHz ─▶ Sound
//!   Header::new(format, rate, channels) ─▶ 44 or 58 bytes, sizes patched in at the end
//! ```
//! Shape:  RIFF chunks in any order but `fmt ` before `data`; what is not known is passed over. Several channels are averaged.
//! Formats: PCM of 8, 16 and 24 bits, A-law, mu-law, G.722 (tags 0xA112, 0x028F, 0x0065), iLBC (0xA116), and what the
//!         extensible format names of these.
//! Units:  bytes, samples, Hz.
//! Errors: [`WavError`], which says what is wrong with the file.
//! Source: Microsoft's multimedia data standards update 3.0 (RIFF, `WAVEFORMATEX`); the tags of project-rtp.

mod decode;
mod read;
mod write;

pub use decode::{decode_file, raw, sound};
pub use read::{Encoding, Layout};
pub use write::{HEADER_MAX, Header, WriteFormat};

/// Why a file is no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// It does not begin as a RIFF file of WAVE form does.
    #[error("not a WAV file")]
    NotWav,
    /// It ends before the chunk that is missing.
    #[error("the file has no `{0}` chunk")]
    Missing(&'static str),
    /// The format chunk is too short or contradicts itself.
    #[error("the format chunk is broken: {0}")]
    BadFormat(&'static str),
    /// An encoding that we have no decoder for.
    #[error("format tag {tag:#06x} with {bits} bits is not one that is played here")]
    Unsupported {
        /// Format tag.
        tag: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// A rate that cannot be converted.
    #[error("{0}")]
    Rate(dsp::resample::RateError),
    /// It would take more memory than one sound may.
    #[error("longer than one sound may be: {samples} samples, {max} are allowed")]
    TooLong {
        /// Samples it would have.
        samples: u64,
        /// How many it may.
        max: u64,
    },
}
