//! A lost frame: the residual goes on with its pitch, mixed with noise made of itself; the predictor stays.
//! Shape:  a residual of one frame.
//! Units:  lags in samples.
//! Errors: none.
//! Source: RFC 3951 §4.5, appendix A.14. Only the first step of the attenuation there can be reached (0.9 once more than 320 samples are
//!         lost in a row): the reference decoders do so too, and this one with them.

use super::filter::Predictor;
use super::lpc::FLAT;
use super::shape::{Mode, SAMPLES_MAX};
use super::sums::dot;
use crate::lanes::Floats;

/// Samples compared for the pitch.
const COMPARED: usize = 60;
/// Shorter lags are doubled, so that not one cycle alone is repeated.
const LAG_SHORT: usize = 80;
/// Quieter residuals become noise.
const RMS_LEAST: f32 = 30.0;

/// What concealment keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Concealment {
    predictor: Predictor,
    /// Frames lost in a row.
    lost: u32,
    lag: usize,
    periodicity: f32,
    seed: u32,
}

impl Concealment {
    pub(super) const NEW: Self = Self { predictor: FLAT, lost: 0, lag: 120, periodicity: 0.0, seed: 777 };

    /// Keeps the last predictor of a frame that came.
    pub(super) const fn received(&mut self, predictor: &Predictor) {
        (self.predictor, self.lost) = (*predictor, 0);
    }

    /// The residual and the predictor of a frame that did not; `last` is the residual of the frame before, `lag` the last pitch that the
    /// enhancer found.
    #[inline(always)]
    pub(super) fn lost<F: Floats>(&mut self, f: F, mode: Mode, last: &[f32], lag: usize) -> ([f32; SAMPLES_MAX], Predictor) {
        let len = mode.samples();
        if self.lost == 0 {
            (self.lag, self.periodicity) = pitch(f, &last[..len], lag);
        }
        self.lost = self.lost.saturating_add(1);
        let level = if self.lost as usize * len > 320 { 0.9 } else { 1.0 };
        let periodic = ((self.periodicity.sqrt() - 0.4) / (0.7 - 0.4)).clamp(0.0, 1.0);
        let repeat = if self.lag < LAG_SHORT { 2 * self.lag } else { self.lag };
        // The frame before and the one that is made, in one piece.
        let (mut cycles, mut noise) = ([0.0; 2 * SAMPLES_MAX], [0.0; 2 * SAMPLES_MAX]);
        cycles[..len].copy_from_slice(&last[..len]);
        noise[..len].copy_from_slice(&last[..len]);
        for i in 0..len {
            self.seed = (self.seed.wrapping_mul(69069).wrapping_add(1)) & 0x7FFF_FFFF;
            noise[len + i] = noise[len + i - (50 + self.seed as usize % 70)];
            let fading = match i {
                0..80 => 1.0,
                80..160 => 0.95,
                _ => 0.9,
            };
            cycles[len + i] = fading * level * (periodic * cycles[len + i - repeat] + (1.0 - periodic) * noise[len + i]);
        }
        let made = &cycles[len..2 * len];
        let loud = (dot(f, made, made) / len as f32).sqrt() >= RMS_LEAST;
        let mut residual = [0.0; SAMPLES_MAX];
        residual[..len].copy_from_slice(if loud { made } else { &noise[len..2 * len] });
        (residual, self.predictor)
    }
}

/// The best lag about the last one, and how periodic the residual is at it.
#[inline(always)]
fn pitch<F: Floats>(f: F, last: &[f32], lag: usize) -> (usize, f32) {
    let len = last.len();
    let mut found = (0, 0.0, f32::NEG_INFINITY);
    // The enhancer's lags are 20 to 242; what is made repeats at most a whole frame.
    for lag in lag.saturating_sub(3).max(1)..=lag + 3 {
        let lag = lag.min(len);
        let compared = COMPARED.min(len - lag);
        let now = &last[len - compared..len];
        let then = &last[len - compared - lag..len - lag];
        let (product, now, then) = (dot(f, now, then), dot(f, now, now), dot(f, then, then));
        let (likeness, periodicity) =
            if then > 0.0 { (product * product / then, product.abs() / (then.sqrt() * now.sqrt())) } else { (0.0, 0.0) };
        if likeness > found.2 {
            found = (lag, periodicity, likeness);
        }
    }
    // Nothing to compare with nothing: not periodic.
    (found.0, if found.1.is_finite() { found.1 } else { 0.0 })
}
