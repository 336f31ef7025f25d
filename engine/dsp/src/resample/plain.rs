//! The half-band filter at the portable level.
//! Shape:  as `super::Resample`.
//! Errors: none.
//! Source: `super::lanes` with arrays for vectors.

use super::{Downsampler, Upsampler, lanes};
use crate::lanes::Array;

pub(super) fn up(channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    lanes::up(Array, channel, input, output);
}

pub(super) fn down(channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    lanes::down(Array, channel, input, output);
}
