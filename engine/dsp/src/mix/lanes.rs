//! The mixing loops, to be compiled for each level.
//! Shape:  slices of one length.
//! Why:    no shuffle, no look-up, one type in and one out: the compiler vectorises these to what a hand would write; a version on
//!         `crate::lanes` was not faster.
//! Errors: none.

/// Where the soft limiter begins to bend.
const KNEE: f32 = 24576.0;
/// What is left above it.
const ROOM: f32 = 32767.0 - KNEE;

#[inline(always)]
pub(super) fn add(sum: &mut [i32], frame: &[i16]) {
    for (sum, x) in sum.iter_mut().zip(frame) {
        *sum += i32::from(*x);
    }
}

#[inline(always)]
pub(super) fn without(sum: &[i32], own: &[i16], out: &mut [i16]) {
    for ((sum, own), out) in sum.iter().zip(own).zip(out) {
        *out = (sum - i32::from(*own)).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

#[inline(always)]
pub(super) fn without_soft(sum: &[i32], own: &[i16], out: &mut [i16]) {
    for ((sum, own), out) in sum.iter().zip(own).zip(out) {
        let x = (sum - i32::from(*own)) as f32;
        let over = (x.abs() - KNEE).max(0.0);
        let bent = x.abs().min(KNEE) + ROOM * over / (over + ROOM);
        *out = bent.copysign(x) as i32 as i16;
    }
}
