//! G.711 compiled for the AVX levels: one shell per operation and level around the bodies of `super::lanes`.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::G711` holds them behind that check.

#![allow(unsafe_code)]

use super::lanes;
use crate::lanes::{Avx2, Avx512};

macro_rules! shells {
    ($level:ident, $token:ident, $features:literal, $($name:ident: $from:ty => $to:ty),* $(,)?) => {
        pub(super) mod $level {
            use super::{lanes, $token};
            $(
                #[target_feature(enable = $features)]
                pub(in crate::g711) fn $name(from: &[$from], to: &mut [$to]) {
                    // SAFETY: this function runs only where the CPU has the features of the level.
                    lanes::$name(unsafe { $token::new() }, from, to);
                }
            )*
        }
    };
}

shells!(avx2, Avx2, "avx2,fma", alaw_decode: u8 => i16, ulaw_decode: u8 => i16, alaw_encode: i16 => u8, ulaw_encode: i16 => u8,
    alaw_to_ulaw: u8 => u8, ulaw_to_alaw: u8 => u8);
shells!(avx512, Avx512, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni",
    alaw_decode: u8 => i16, ulaw_decode: u8 => i16, alaw_encode: i16 => u8, ulaw_encode: i16 => u8,
    alaw_to_ulaw: u8 => u8, ulaw_to_alaw: u8 => u8);
