//! The sum of squares compiled for the AVX levels.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::Meter` holds them behind that check.

use super::lanes;
use crate::lanes::{Avx2, Avx512};

#[target_feature(enable = "avx2,fma")]
pub(super) fn avx2(frame: &[i16]) -> u64 {
    // SAFETY: this function runs only where the CPU has the features of the level.
    lanes::squares(unsafe { Avx2::new() }, frame)
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
pub(super) fn avx512(frame: &[i16]) -> u64 {
    // SAFETY: this function runs only where the CPU has the features of the level.
    lanes::squares(unsafe { Avx512::new() }, frame)
}
