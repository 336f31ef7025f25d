//! 8 kHz to 16 kHz and back by a 43-tap half-band filter; any other rate by `Rational`.
//!   n samples ─► Upsampler ─► 2n          2n samples ─► Downsampler ─► n
//! Shape:  any length per call (an even one going down); a channel's filter memory is a small value that it owns.
//! Units:  16-bit samples in and out; delay 21 samples at 16 kHz (1.3 ms) either way.
//! Errors: none; lengths that do not fit each other are the caller's bug and panic.
//! Filter: flat within 0.01 dB to 3.4 kHz, 57 dB down from 4.6 kHz. Every second tap of a half-band filter is zero but the middle one,
//!         so one phase of the output is a plain delay, and the other a symmetric FIR of 22 taps.
//! Source: taps by the Remez exchange, band edge 3420 Hz; limits of ITU-T G.712 are wider.

#![allow(unsafe_code)]

mod lanes;
mod plain;
mod rational;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::kernels::{Isa, Level};
pub use rational::{RateError, Rational};

/// Non-zero taps beside the middle one, newest sample first, doubled, in units of 2^-14. Sum of magnitudes: 41 234.
const TAPS: [i16; 22] =
    [50, -81, 143, -234, 363, -544, 805, -1199, 1869, -3343, 10385, 10385, -3343, 1869, -1199, 805, -544, 363, -234, 143, -81, 50];
/// Samples kept of the phase that is filtered: one per tap, for the pairing of taps.
const FILTERED: usize = TAPS.len();
/// Delay of the phase that passes through, in samples of the lower rate.
const DELAYED: usize = 10;
/// Samples of the lower rate worked on at a time: 20 ms.
const BLOCK: usize = 160;

/// Filter memory of one channel from 8 to 16 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upsampler {
    /// Latest samples, oldest first.
    past: [i16; FILTERED],
}

/// Filter memory of one channel from 16 to 8 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Downsampler {
    /// Latest odd samples, oldest first.
    odd: [i16; FILTERED],
    /// Latest even samples, oldest first.
    even: [i16; DELAYED],
}

/// Both conversions at one level.
#[derive(Debug, Clone, Copy)]
pub struct Resample {
    up: unsafe fn(&mut Upsampler, &[i16], &mut [i16]),
    down: unsafe fn(&mut Downsampler, &[i16], &mut [i16]),
}

impl Resample {
    /// The kernels of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Self { up: x86::avx512::up, down: x86::avx512::down },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Self { up: x86::avx2::up, down: x86::avx2::down },
            Isa::Portable => Self { up: plain::up, down: plain::down },
            Isa::Scalar => Self { up: scalar::up, down: scalar::down },
        }
    }

    /// 8 kHz to 16 kHz: `output` is twice as long as `input`.
    ///
    /// # Panics
    /// If it is not.
    pub fn up(&self, channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
        assert_eq!(2 * input.len(), output.len());
        // SAFETY: `new` took a level that the CPU has.
        unsafe { (self.up)(channel, input, output) }
    }

    /// 16 kHz to 8 kHz: `input` is twice as long as `output`.
    ///
    /// # Panics
    /// If it is not.
    pub fn down(&self, channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
        assert_eq!(input.len(), 2 * output.len());
        // SAFETY: as above.
        unsafe { (self.down)(channel, input, output) }
    }
}
