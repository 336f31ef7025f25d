//! iLBC: speech at 8 kHz in 15.2 kbit/s (20 ms) or 13.33 kbit/s (30 ms), every frame for itself, so that a lost one does little harm.
//!   Batch<Encoder, i16, u8> ─► encode          Batch<Decoder, u8, i16> ─► decode; an empty payload is a lost frame
//!   Group (channels that stay in their lanes from tick to tick) ─► encode_group, decode_group
//! Shape:  160 samples to 38 octets, or 240 to 50; a payload with several frames is cut by the caller.
//! Units:  samples at 8 kHz. The decoder's enhancer makes its output 40 samples late (80 with 30 ms frames).
//! Rules:  a frame that marks itself empty, has a start index out of range, or is too short, is concealed as lost.
//! Speed:  mostly vectorised inside one channel: lags of the codebook search, the pitch and the filters' taps stand in lanes, so a lone channel
//!         loses little. See `sums`. What feeds back sample by sample in the decoder, synthesis and high-pass, runs one channel per lane.
//! Errors: none; any octets decode to something.
//! Source: RFC 3951; the payload of RFC 3952 §3.

#![allow(unsafe_code)]

mod codebook;
mod concealment;
mod decoder;
mod encoder;
mod enhancer;
mod filter;
mod group;
mod lpc;
mod lsf;
mod lsf_codebook;
mod plain;
mod residual;
mod search;
mod shape;
mod start_state;
mod sums;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::batch::Batch;
use crate::kernels::{Isa, Level};
pub use decoder::Decoder;
use decoder::Voices;
pub use encoder::Encoder;
pub use group::{Channel, Group};
use search::Scratch;
pub use shape::Mode;

/// Lanes of a group, and frames that a batch hands out at a time, at every level.
pub const LANES: usize = filter::LANES;

/// The iLBC kernels of one level.
#[derive(Debug, Clone, Copy)]
pub struct Ilbc {
    encode: unsafe fn(&mut Encoder, &[i16], &mut [u8], &mut Scratch),
    excite: unsafe fn(&mut Decoder, &[u8], usize, &mut Voices),
    speak: unsafe fn(&mut Voices, Mode, u16, &mut [i16]),
}

impl Ilbc {
    /// The kernels of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        macro_rules! of {
            ($path:path) => {{
                use $path as level;
                Self { encode: level::encode, excite: level::excite, speak: level::speak }
            }};
        }
        match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => of!(x86::avx512),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => of!(x86::avx2),
            Isa::Portable => of!(plain::portable),
            Isa::Scalar => of!(plain::scalar),
        }
    }

    /// Encodes all frames of a batch: `mode.samples()` in, `mode.octets()` out. Samples that are missing count as zeros, more are left out.
    pub fn encode(&self, batch: &mut Batch<Encoder, i16, u8>) {
        let mut scratch = Scratch::NEW;
        batch.run::<_, LANES>(
            |encoder, _| encoder.mode(),
            |mode, _| mode.octets(),
            |mode, lot, out| {
                let inputs = lot.inputs();
                let mut frames = out.chunks_exact_mut(mode.octets());
                lot.update(|lane, encoder| {
                    if let (Some(octets), Some(samples)) = (frames.next(), inputs.get(lane)) {
                        // SAFETY: `new` took a level that the CPU has.
                        unsafe { (self.encode)(encoder, samples, octets, &mut scratch) }
                    }
                });
            },
        );
    }

    /// Decodes all frames of a batch: `mode.octets()` in, or none for a lost frame, `mode.samples()` out.
    pub fn decode(&self, batch: &mut Batch<Decoder, u8, i16>) {
        let mut voices = Voices::SILENT;
        batch.run::<_, LANES>(
            |decoder, _| decoder.mode(),
            |mode, _| mode.samples(),
            |mode, lot, out| {
                let inputs = lot.inputs();
                lot.update(|lane, decoder| {
                    let octets = inputs.get(lane).copied().unwrap_or_default();
                    // SAFETY: `new` took a level that the CPU has.
                    unsafe { (self.excite)(decoder, octets, lane, &mut voices) }
                });
                let live = u16::MAX >> (LANES - lot.len());
                // SAFETY: as above.
                unsafe { (self.speak)(&mut voices, mode, live, out) }
                lot.update(|lane, decoder| voices.leave(lane, decoder));
            },
        );
    }

    /// Encodes the frames of the lanes whose bits are set in `ticking`; the others keep their state.
    /// `samples[lane]` is a frame as in `encode`; `out` takes `LANES` frames of `mode.octets()` end to end, written where a lane ticks.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    pub fn encode_group(&self, group: &mut Group<Encoder>, ticking: u16, samples: &[&[i16]; LANES], out: &mut [u8]) {
        let each = group.mode().octets();
        assert!(out.len() >= LANES * each);
        let mut scratch = Scratch::NEW;
        for (lane, encoder) in group.ticking(ticking) {
            // SAFETY: `new` took a level that the CPU has.
            unsafe { (self.encode)(encoder, samples[lane], &mut out[lane * each..][..each], &mut scratch) }
        }
    }

    /// Decodes the frames of the lanes whose bits are set in `ticking`; the others keep their state.
    /// `frames[lane]` is a frame as in `decode`, empty if it is lost; `out` takes `LANES` frames of `mode.samples()` end to end, written
    /// where a lane ticks.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    pub fn decode_group(&self, group: &mut Group<Decoder>, ticking: u16, frames: &[&[u8]; LANES], out: &mut [i16]) {
        let (mode, live) = (group.mode(), group.joined() & ticking);
        assert!(out.len() >= LANES * mode.samples());
        let mut voices = Voices::SILENT;
        for (lane, decoder) in group.ticking(ticking) {
            // SAFETY: as above.
            unsafe { (self.excite)(decoder, frames[lane], lane, &mut voices) }
        }
        // SAFETY: as above.
        unsafe { (self.speak)(&mut voices, mode, live, out) }
        for (lane, decoder) in group.ticking(ticking) {
            voices.leave(lane, decoder);
        }
    }
}
