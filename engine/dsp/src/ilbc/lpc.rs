//! The short-term predictor of a frame: analysed, quantised as frequencies, interpolated to every sub-frame.
//!   samples ─► window ─► autocorrelation ─► predictor ─► frequencies ─► indices
//!   indices ─► frequencies ─► checked ─► interpolated with the last frame's ─► predictor of each sub-frame
//! Shape:  one set of frequencies per 20 ms frame, two per 30 ms frame; four or six predictors.
//! Units:  samples in units of 16-bit samples, frequencies in radians per sample.
//! Errors: none.
//! Source: RFC 3951 §3.2, §4.1; appendices A.34, A.36, A.38, A.40.

use super::filter::{COUNT, LANES, ORDER, Predictor};
use super::lsf::{self, Lsf};
use super::lsf_codebook::{FIRST, SECOND, THIRD};
use super::shape::{Mode, SAMPLES_MAX, SUBFRAMES_MAX};
use super::sums::correlate;
use super::tables::{LAG_WINDOW, LSF_MEAN, LSF_WEIGHTS_20, LSF_WEIGHTS_30, WINDOW, WINDOW_LAST};
use crate::lanes::Floats;

/// Samples before the frame that the analysis sees.
const BACK: usize = 60;
/// Widening of the predictor's resonances before it becomes frequencies.
const CHIRP_SYNTHESIS: f32 = 0.9025;
/// The same for the weighting of the search.
const CHIRP_WEIGHTING: f32 = 0.4222;

/// The predictors of a frame.
pub(super) type Predictors = [Predictor; SUBFRAMES_MAX];

/// A predictor that predicts nothing.
pub(super) const FLAT: Predictor = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

/// What the analysis keeps from frame to frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Analysis {
    /// The samples that the windows see.
    samples: [f32; BACK + SAMPLES_MAX],
    /// Frequencies of the last frame, as measured and as decoded.
    measured: Lsf,
    decoded: Lsf,
}

impl Analysis {
    pub(super) const NEW: Self = Self { samples: [0.0; BACK + SAMPLES_MAX], measured: LSF_MEAN, decoded: LSF_MEAN };

    /// Indices of a frame, its synthesis predictors as a decoder has them, and predictors for the weighting of the search.
    #[inline(always)]
    pub(super) fn analyse<F: Floats>(&mut self, f: F, mode: Mode, frame: &[f32]) -> ([[usize; 3]; 2], Predictors, Predictors) {
        let kept = self.samples.len() - frame.len();
        self.samples.copy_within(frame.len().., 0);
        self.samples[kept..].copy_from_slice(frame);
        let (mut measured, mut decoded, mut indices) = ([LSF_MEAN; 2], [LSF_MEAN; 2], [[0; 3]; 2]);
        for set in 0..mode.sets() {
            // The last window of a frame ends with the frame.
            let (window, from) = if set + 1 < mode.sets() { (&WINDOW, 0) } else { (&WINDOW_LAST, BACK) };
            let predictor = predictor(f, window, &self.samples[from..from + SAMPLES_MAX]);
            measured[set] = lsf::from_predictor(f, &chirped(&predictor, CHIRP_SYNTHESIS));
            (indices[set], decoded[set]) = quantise(f, &measured[set]);
        }
        for set in &mut decoded[..mode.sets()] {
            lsf::check(set);
        }
        let synthesis = interpolate(f, mode, &self.decoded, &decoded);
        let weighting = interpolate(f, mode, &self.measured, &measured).map(|predictor| chirped(&predictor, CHIRP_WEIGHTING));
        (self.measured, self.decoded) = (measured[mode.sets() - 1], decoded[mode.sets() - 1]);
        (indices, synthesis, weighting)
    }
}

/// The predictors of a frame by its indices; `old` are the frequencies of the last frame and become those of this one.
#[inline(always)]
pub(super) fn decode<F: Floats>(f: F, mode: Mode, indices: &[[usize; 3]; 2], old: &mut Lsf) -> Predictors {
    let mut sets = indices.map(|[first, second, third]| {
        let mut set = [0.0; ORDER];
        set[..3].copy_from_slice(&FIRST[first % FIRST.len()]);
        set[3..6].copy_from_slice(&SECOND[second % SECOND.len()]);
        set[6..].copy_from_slice(&THIRD[third % THIRD.len()]);
        set
    });
    for set in &mut sets[..mode.sets()] {
        lsf::check(set);
    }
    let predictors = interpolate(f, mode, old, &sets);
    *old = sets[mode.sets() - 1];
    predictors
}

/// The predictors of all sub-frames. In a 30 ms frame the first lies between the old set and the first new one, the others between the two new.
#[inline(always)]
fn interpolate<F: Floats>(f: F, mode: Mode, old: &Lsf, new: &[Lsf; 2]) -> Predictors {
    let mut sets = [*old; SUBFRAMES_MAX];
    for (n, set) in sets.iter_mut().enumerate().take(mode.subframes()) {
        *set = match (mode, n) {
            (Mode::Ms20, _) => lsf::between(old, &new[0], LSF_WEIGHTS_20[n]),
            (Mode::Ms30, 0) => lsf::between(old, &new[0], LSF_WEIGHTS_30[0]),
            (Mode::Ms30, _) => lsf::between(&new[0], &new[1], LSF_WEIGHTS_30[n]),
        };
    }
    let mut predictors = [FLAT; SUBFRAMES_MAX];
    lsf::to_predictors(f, &sets[..mode.subframes()], &mut predictors);
    predictors
}

/// Autocorrelation and Levinson's recursion.
#[inline(always)]
fn predictor<F: Floats>(f: F, window: &[f32; SAMPLES_MAX], samples: &[f32]) -> Predictor {
    let mut windowed = [0.0; SAMPLES_MAX + 16];
    for ((to, x), weight) in windowed.iter_mut().zip(samples).zip(window) {
        *to = x * weight;
    }
    // In two halves, so that the chains of sums are half as long.
    let (mut first, mut second) = ([0.0; 16], [0.0; 16]);
    let half = SAMPLES_MAX / 2;
    correlate(f, &windowed[..half], &windowed[..half + 15], &mut first);
    correlate(f, &windowed[half..SAMPLES_MAX], &windowed[half..SAMPLES_MAX + 15], &mut second);
    let mut r = [0.0; ORDER + 1];
    for (lag, r) in r.iter_mut().enumerate() {
        *r = (first[lag] + second[lag]) * LAG_WINDOW[lag];
    }
    let mut a = FLAT;
    if r[0] < 2.220_446e-16 {
        return a;
    }
    let mut error = r[0];
    for m in 0..ORDER {
        let sum = (0..m).fold(r[m + 1], |sum, i| sum + a[i + 1] * r[m - i]);
        let k = -sum / error;
        error += k * sum;
        let before = a;
        for i in 0..m {
            a[i + 1] = before[i + 1] + k * before[m - i];
        }
        a[m + 1] = k;
    }
    a
}

/// Resonances widened: coefficient i times `chirp` to the power of i.
fn chirped(predictor: &Predictor, chirp: f32) -> Predictor {
    let mut power = 1.0;
    predictor.map(|a| {
        let a = a * power;
        power *= chirp;
        a
    })
}

/// Indices of a set and what they stand for: each part by itself.
#[inline(always)]
fn quantise<F: Floats>(f: F, set: &Lsf) -> ([usize; 3], Lsf) {
    let first = nearest(f, &FIRST_COLUMNS, [set[0], set[1], set[2]]);
    let second = nearest(f, &SECOND_COLUMNS, [set[3], set[4], set[5]]);
    let third = nearest(f, &THIRD_COLUMNS, [set[6], set[7], set[8], set[9]]);
    let mut decoded = [0.0; ORDER];
    decoded[..3].copy_from_slice(&FIRST[first]);
    decoded[3..6].copy_from_slice(&SECOND[second]);
    decoded[6..].copy_from_slice(&THIRD[third]);
    ([first, second, third], decoded)
}

/// Codebooks with one frequency of all vectors side by side, for lanes.
static FIRST_COLUMNS: [[f32; 64]; 3] = columns(&FIRST);
static SECOND_COLUMNS: [[f32; 128]; 3] = columns(&SECOND);
static THIRD_COLUMNS: [[f32; 128]; 4] = columns(&THIRD);

const fn columns<const N: usize, const D: usize>(rows: &[[f32; D]; N]) -> [[f32; N]; D] {
    let mut columns = [[0.0; N]; D];
    let mut i = 0;
    while i < N * D {
        columns[i % D][i / D] = rows[i / D][i % D];
        i += 1;
    }
    columns
}

/// The vector nearest to `x`, the first of equals.
#[inline(always)]
fn nearest<F: Floats, const N: usize, const D: usize>(f: F, columns: &[[f32; N]; D], x: [f32; D]) -> usize {
    let (mut least, mut place) = (f.splat(f32::INFINITY), f.splat(0.0));
    let (mut here, step) = (f.load(&COUNT), f.splat(F::WIDTH as f32));
    for at in (0..N).step_by(F::WIDTH) {
        let mut distance = f.splat(0.0);
        for (column, x) in columns.iter().zip(x) {
            let difference = f.sub(f.splat(x), f.load(&column[at..]));
            distance = f.mul_add(difference, difference, distance);
        }
        place = f.if_greater(least, distance, here, place);
        least = f.if_greater(least, distance, distance, least);
        here = f.add(here, step);
    }
    let (mut distances, mut places) = ([0.0; LANES], [0.0; LANES]);
    f.store(least, &mut distances);
    f.store(place, &mut places);
    let (distances, places) = (&distances[..F::WIDTH], &places[..F::WIDTH]);
    let least = distances.iter().fold(f32::INFINITY, |least, distance| least.min(*distance));
    let first =
        distances.iter().zip(places).filter(|(distance, _)| **distance <= least).fold(N as f32, |first, (_, place)| first.min(*place));
    (first as usize).min(N - 1)
}
