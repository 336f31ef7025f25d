//! G.711: A-law and mu-law to and from 16-bit linear, and into each other.
//!   octets ◄─ alaw, ulaw ─► samples          A-law octets ◄─► mu-law octets
//! Shape:  slices of equal length, any length: one frame, or many frames end to end. No state.
//! Units:  8 kHz samples, signed 16-bit full scale; octets as on RTP (payload types 0 and 8).
//! Errors: none; every octet and every sample is legal.
//! Speed:  one multiplication and a table of powers per row; no 64 KiB table, so no cache is spent.
//! Source: ITU-T G.711 (1988); equal to ITU-T G.191 on every input.

#![allow(unsafe_code)]

mod lanes;
mod plain;
mod scalar;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::kernels::{Isa, Level};

/// The six G.711 operations at one level.
#[derive(Debug, Clone, Copy)]
pub struct G711 {
    alaw_decode: unsafe fn(&[u8], &mut [i16]),
    ulaw_decode: unsafe fn(&[u8], &mut [i16]),
    alaw_encode: unsafe fn(&[i16], &mut [u8]),
    ulaw_encode: unsafe fn(&[i16], &mut [u8]),
    alaw_to_ulaw: unsafe fn(&[u8], &mut [u8]),
    ulaw_to_alaw: unsafe fn(&[u8], &mut [u8]),
}

/// Octet of A-law silence (+0).
pub const ALAW_SILENCE: u8 = 0xD5;
/// Octet of mu-law silence (+0).
pub const ULAW_SILENCE: u8 = 0xFF;

impl G711 {
    /// The kernels of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        macro_rules! of {
            ($path:path) => {{
                use $path as level;
                Self {
                    alaw_decode: level::alaw_decode,
                    ulaw_decode: level::ulaw_decode,
                    alaw_encode: level::alaw_encode,
                    ulaw_encode: level::ulaw_encode,
                    alaw_to_ulaw: level::alaw_to_ulaw,
                    ulaw_to_alaw: level::ulaw_to_alaw,
                }
            }};
        }
        match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => of!(x86::avx512),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => of!(x86::avx2),
            Isa::Portable => of!(plain::portable),
            Isa::Scalar => of!(plain::one_by_one),
        }
    }

    /// A-law octets to samples.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn alaw_decode(&self, codes: &[u8], samples: &mut [i16]) {
        assert_eq!(codes.len(), samples.len());
        // SAFETY: `new` took a level that the CPU has.
        unsafe { (self.alaw_decode)(codes, samples) }
    }

    /// Mu-law octets to samples.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn ulaw_decode(&self, codes: &[u8], samples: &mut [i16]) {
        assert_eq!(codes.len(), samples.len());
        // SAFETY: as above.
        unsafe { (self.ulaw_decode)(codes, samples) }
    }

    /// Samples to A-law octets.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn alaw_encode(&self, samples: &[i16], codes: &mut [u8]) {
        assert_eq!(samples.len(), codes.len());
        // SAFETY: as above.
        unsafe { (self.alaw_encode)(samples, codes) }
    }

    /// Samples to mu-law octets.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn ulaw_encode(&self, samples: &[i16], codes: &mut [u8]) {
        assert_eq!(samples.len(), codes.len());
        // SAFETY: as above.
        unsafe { (self.ulaw_encode)(samples, codes) }
    }

    /// A-law octets to mu-law octets by table 4/G.711, without a linear value between.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn alaw_to_ulaw(&self, from: &[u8], to: &mut [u8]) {
        assert_eq!(from.len(), to.len());
        // SAFETY: as above.
        unsafe { (self.alaw_to_ulaw)(from, to) }
    }

    /// Mu-law octets to A-law octets by table 3/G.711, without a linear value between.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn ulaw_to_alaw(&self, from: &[u8], to: &mut [u8]) {
        assert_eq!(from.len(), to.len());
        // SAFETY: as above.
        unsafe { (self.ulaw_to_alaw)(from, to) }
    }
}
