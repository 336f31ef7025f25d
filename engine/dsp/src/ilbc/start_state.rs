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
    // The targets after as many zeros as the weighting looks back.
    let mut line = [0.0; ORDER + STATE_SCALARS_MAX];
    let folded = &mut line[ORDER..ORDER + len];
    all_pass(f, residual, synthesis, folded);
    let largest = folded.iter().fold(0.0, |largest: f32, x| largest.max(x.abs())).max(10.0);
    let scale = nearest(&MIDDLE_SCALES, largest.log10());
    let factor = SCALED / STATE_AMPLITUDES[scale % STATE_AMPLITUDES.len()];
    for x in folded {
        *x *= factor;
    }
    // The weighting changes where a sub-frame ends.
    let change = if first { SUBFRAME } else { len - SUBFRAME };
    all_pole(f, weighting[0], &mut line[..ORDER + change]);
    all_pole(f, weighting[1], &mut line[change..ORDER + len]);
    let (mut scalars, mut past) = ([0; STATE_SCALARS_MAX], [0.0; ORDER]);
    for (n, (scalar, target)) in scalars.iter_mut().zip(&line[ORDER..ORDER + len]).enumerate() {
        let predicted = prediction(f, weighting[usize::from(n >= change)], &past);
        *scalar = nearest(&MIDDLE_LEVELS, target - predicted);
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
    let mut folded = [0.0; STATE_SCALARS_MAX];
    all_pass(f, &backwards[..len], synthesis, &mut folded[..len]);
    for (out, x) in out.iter_mut().zip(folded[..len].iter().rev()) {
        *out = *x;
    }
}

/// The all-pass that takes the phase out of a stretch, as if the stretch were a circle: its answer beyond the end is added to the start.
/// `folded` is as long as the stretch.
#[inline(always)]
fn all_pass<F: Floats>(f: F, stretch: &[f32], synthesis: &Predictor, folded: &mut [f32]) {
    let len = folded.len().min(STATE_SCALARS_MAX);
    let mut mirrored = *synthesis;
    mirrored.reverse();
    let mut input = [0.0; ORDER + 2 * STATE_SCALARS_MAX];
    input[ORDER..ORDER + len].copy_from_slice(&stretch[..len]);
    let mut line = [0.0; ORDER + 2 * STATE_SCALARS_MAX];
    let line = &mut line[..ORDER + 2 * len];
    all_zero(f, &mirrored, &input[..ORDER + 2 * len], &mut line[ORDER..]);
    all_pole(f, synthesis, line);
    let (start, end) = line[ORDER..].split_at(len);
    for ((folded, x), beyond) in folded.iter_mut().zip(start).zip(end) {
        *folded = x + beyond;
    }
}

/// Between two levels the middle: above it the greater one is nearer.
static MIDDLE_LEVELS: [f32; STATE_LEVELS.len() - 1] = middles(&STATE_LEVELS);
static MIDDLE_SCALES: [f32; STATE_SCALES.len() - 1] = middles(&STATE_SCALES);

const fn middles<const N: usize, const M: usize>(levels: &[f32; N]) -> [f32; M] {
    let mut middles = [0.0; M];
    let mut i = 0;
    while i < M {
        middles[i] = (levels[i + 1] + levels[i]) / 2.0;
        i += 1;
    }
    middles
}

/// The level nearest to a value; levels rise.
#[inline(always)]
fn nearest<const M: usize>(middles: &[f32; M], value: f32) -> usize {
    let above: u32 = middles.iter().map(|middle| u32::from(value > *middle)).sum();
    above as usize
}
