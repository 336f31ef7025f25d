//! The mixing loops compiled for the AVX levels.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::Mix` holds them behind that check.

#![allow(unsafe_code)]

use super::lanes;
use crate::lanes::{Avx2, Avx512};

macro_rules! shells {
    ($level:ident, $token:ident, $features:literal) => {
        pub(super) mod $level {
            use super::{lanes, $token};
            #[target_feature(enable = $features)]
            pub(in crate::mix) fn add(sum: &mut [i32], frame: &[i16]) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                lanes::add(unsafe { $token::new() }, sum, frame);
            }
            #[target_feature(enable = $features)]
            pub(in crate::mix) fn add_four(sum: &mut [i32], frames: [&[i16]; 4]) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                lanes::add_four(unsafe { $token::new() }, sum, frames);
            }
            #[target_feature(enable = $features)]
            pub(in crate::mix) fn without(sum: &[i32], own: &[i16], out: &mut [i16]) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                lanes::without(unsafe { $token::new() }, sum, own, out);
            }
            #[target_feature(enable = $features)]
            pub(in crate::mix) fn without_soft(sum: &[i32], own: &[i16], out: &mut [i16]) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                lanes::without_soft(unsafe { $token::new() }, sum, own, out);
            }
        }
    };
}

shells!(avx2, Avx2, "avx2,fma");
shells!(avx512, Avx512, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni");
