//! The start state: 57 or 58 samples of the residual, quantised one by one; the rest of the frame is predicted from them.
//!   search: residual ─► all-pass, round and round ─► scaled ─► weighted ─► three bits a sample
//!   construct: three bits a sample ─► all-pass backwards ─► residual
//! Shape:  one stretch of `mode.state_scalars()` samples; predictors of the two sub-frames that it touches.
//! Errors: none.
//! Source: RFC 3951 §3.5, §4.2; appendices A.44, A.46.

use super::filter::{ORDER, Predictor, all_pole, all_zero, prediction};
use super::shape::{STATE_SCALARS_MAX, SUBFRAME};
use super::tables::{STATE_AMPLITUDES, STATE_LEVELS, STATE_SCALES};
use crate::lanes::Floats;

/// Samples are quantised so that the largest becomes this.
const SCALED: f32 = 4.5;

/// Index of the scale, and of every sample.
#[inline(always)]
pub(super) fn search<F: Floats>(
    f: F,
    residual: &[f32],
    synthesis: &Predictor,
    weighting: [&Predictor; 2],
    first: bool,
) -> (usize, [usize; STATE_SCALARS_MAX]) {
    let len = residual.len().min(STATE_SCALARS_MAX);
    let mut folded = all_pass(f, residual, synthesis);
    let largest = folded[..len].iter().fold(0.0, |largest: f32, x| largest.max(x.abs())).max(10.0);
    let scale = nearest(&STATE_SCALES, largest.log10());
    let factor = SCALED / STATE_AMPLITUDES[scale];
    for x in &mut folded[..len] {
        *x *= factor;
    }
    // The weighting changes where a sub-frame ends.
    let change = if first { SUBFRAME } else { len - SUBFRAME };
    let (mut target_past, mut past) = ([0.0; ORDER], [0.0; ORDER]);
    let (early, late) = folded[..len].split_at_mut(change);
    all_pole(f, weighting[0], &mut target_past, early);
    all_pole(f, weighting[1], &mut target_past, late);
    let mut scalars = [0; STATE_SCALARS_MAX];
    for (n, (scalar, target)) in scalars.iter_mut().zip(&folded[..len]).enumerate() {
        let predicted = prediction(f, weighting[usize::from(n >= change)], &past);
        *scalar = nearest(&STATE_LEVELS, target - predicted);
        let [y1, y2, y3, y4, y5, y6, y7, y8, y9, _] = past;
        past = [STATE_LEVELS[*scalar & 7] + predicted, y1, y2, y3, y4, y5, y6, y7, y8, y9];
    }
    (scale, scalars)
}

/// The samples of a start state.
#[inline(always)]
pub(super) fn construct<F: Floats>(f: F, scale: usize, scalars: &[usize], synthesis: &Predictor, out: &mut [f32]) {
    let level = STATE_AMPLITUDES[scale % STATE_AMPLITUDES.len()] / SCALED;
    let len = out.len().min(scalars.len()).min(STATE_SCALARS_MAX);
    let mut backwards = [0.0; STATE_SCALARS_MAX];
    for (to, scalar) in backwards.iter_mut().zip(scalars[..len].iter().rev()) {
        *to = level * STATE_LEVELS[scalar % STATE_LEVELS.len()];
    }
    let folded = all_pass(f, &backwards[..len], synthesis);
    for (out, x) in out.iter_mut().zip(folded[..len].iter().rev()) {
        *out = *x;
    }
}

/// The all-pass that takes the phase out of a stretch, as if the stretch were a circle: its answer beyond the end is added to the start.
#[inline(always)]
fn all_pass<F: Floats>(f: F, stretch: &[f32], synthesis: &Predictor) -> [f32; 2 * STATE_SCALARS_MAX] {
    let len = stretch.len().min(STATE_SCALARS_MAX);
    let mut mirrored = *synthesis;
    mirrored.reverse();
    let mut input = [0.0; ORDER + 2 * STATE_SCALARS_MAX];
    input[ORDER..ORDER + len].copy_from_slice(&stretch[..len]);
    let mut out = [0.0; 2 * STATE_SCALARS_MAX];
    all_zero(f, &mirrored, &input[..ORDER + 2 * len], &mut out[..2 * len]);
    all_pole(f, synthesis, &mut [0.0; ORDER], &mut out[..2 * len]);
    let (start, end) = out.split_at_mut(len);
    for (x, beyond) in start.iter_mut().zip(end) {
        *x += *beyond;
    }
    out
}

/// The level nearest to a value; levels rise.
fn nearest<const N: usize>(levels: &[f32; N], value: f32) -> usize {
    levels.windows(2).map(|pair| usize::from(value > (pair[1] + pair[0]) / 2.0)).sum()
}
