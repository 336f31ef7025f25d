//! How loud a frame is: its energy, and that as a level.
//!   frame ─► Energy (sum of squares, samples) ─► + … ─► dBov, RFC 6464 octet
//! Shape:  any length; energies of consecutive frames add up.
//! Units:  0 dBov is a full-scale square wave (ITU-T G.100.1), so a full-scale sine has -3.01 dBov; dBm0 of a telephone channel is
//!         6.18 dB above dBov.
//! Errors: none. Silence is -infinity as a number and 127 as an octet. -32768 counts as -32767.
//! Source: RFC 6464 §3, RFC 6465 appendix A.1.

#![allow(unsafe_code)]

pub(crate) mod lanes;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::AddAssign;

use crate::kernels::{Isa, Level};
use crate::lanes::PORTABLE;

/// Sum of the squares of some samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Energy {
    /// Sum of squares.
    pub squares: u64,
    /// Of how many samples.
    pub samples: u64,
}

impl Energy {
    /// Root mean square, in units of a sample.
    pub fn rms(self) -> f32 {
        if self.samples == 0 { 0.0 } else { (self.squares as f32 / self.samples as f32).sqrt() }
    }

    /// Level in dBov, at most 0; minus infinity for silence.
    pub fn dbov(self) -> f32 {
        20.0 * (self.rms() / 32768.0).log10()
    }

    /// Level in dBm0: 0 dBm0 is a sine 3.17 dB below a full-scale one.
    pub fn dbm0(self) -> f32 {
        self.dbov() + 6.18
    }

    /// Level in -dBov as RTP carries it: 0 loudest, 127 silent (RFC 6464 §3, RFC 3389 §3.1).
    pub fn minus_dbov(self) -> u8 {
        (-self.dbov()).round().clamp(0.0, 127.0) as u8
    }
}

impl AddAssign for Energy {
    fn add_assign(&mut self, other: Self) {
        self.squares = self.squares.saturating_add(other.squares);
        self.samples = self.samples.saturating_add(other.samples);
    }
}

/// The metering kernel of one level.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    squares: unsafe fn(&[i16]) -> u64,
}

impl Meter {
    /// The kernel of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        let squares: unsafe fn(&[i16]) -> u64 = match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::avx512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::avx2,
            Isa::Portable => portable,
            Isa::Scalar => scalar,
        };
        Self { squares }
    }

    /// The energy of a frame.
    pub fn energy(&self, frame: &[i16]) -> Energy {
        // SAFETY: `new` took a level that the CPU has.
        let squares = unsafe { (self.squares)(frame) };
        Energy { squares, samples: frame.len() as u64 }
    }
}

fn portable(frame: &[i16]) -> u64 {
    lanes::squares(PORTABLE, frame)
}

fn scalar(frame: &[i16]) -> u64 {
    frame.iter().map(|x| lanes::square(*x)).sum()
}
