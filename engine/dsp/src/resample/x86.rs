//! The half-band filter compiled for the AVX levels.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::Resample` holds them behind that check.

#![allow(unsafe_code)]

use super::{Downsampler, Upsampler, lanes};
use crate::lanes::{Avx2, Avx512};

macro_rules! shells {
    ($level:ident, $token:ident, $features:literal) => {
        pub(super) mod $level {
            use super::{Downsampler, Upsampler, lanes, $token};
            #[target_feature(enable = $features)]
            pub(in crate::resample) fn up(channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                lanes::up(unsafe { $token::new() }, channel, input, output);
            }
            #[target_feature(enable = $features)]
            pub(in crate::resample) fn down(channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
                // SAFETY: as above.
                lanes::down(unsafe { $token::new() }, channel, input, output);
            }
        }
    };
}

shells!(avx2, Avx2, "avx2,fma");
shells!(avx512, Avx512, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni");
