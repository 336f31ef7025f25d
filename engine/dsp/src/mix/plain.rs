//! The mixing loops for any CPU; the scalar level is the same code.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Source: `super::lanes`.

use super::lanes;

pub(super) fn add(sum: &mut [i32], frame: &[i16]) {
    lanes::add(sum, frame);
}

pub(super) fn without(sum: &[i32], own: &[i16], out: &mut [i16]) {
    lanes::without(sum, own, out);
}

pub(super) fn without_soft(sum: &[i32], own: &[i16], out: &mut [i16]) {
    lanes::without_soft(sum, own, out);
}
