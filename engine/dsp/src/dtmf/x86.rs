//! The spectrum of a block compiled for the AVX levels.
//! Shape:  as `super::block`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::Dtmf` holds them behind that check.

use super::block::{self, Block, Spectrum};
use crate::lanes::{Avx2, Avx512};

#[target_feature(enable = "avx2,fma")]
pub(super) fn avx2(block: &Block, held: bool) -> Spectrum {
    // SAFETY: this function runs only where the CPU has the features of the level.
    block::spectrum(unsafe { Avx2::new() }, block, held)
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
pub(super) fn avx512(block: &Block, held: bool) -> Spectrum {
    // SAFETY: this function runs only where the CPU has the features of the level.
    block::spectrum(unsafe { Avx512::new() }, block, held)
}
