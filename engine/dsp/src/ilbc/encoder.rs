//! The encoder: a frame of samples to octets.
//!   high-pass ─► predictors ─► residual ─► where the start state is ─► its scalars ─► blocks of the codebook ─► bits
//! Shape:  160 samples to 38 octets, or 240 to 50.
//! Errors: none; a frame that is too short counts as zeros from its end.
//! Source: RFC 3951 §3, appendix A.5.

use super::filter::{ORDER, all_zero, high_pass};
use super::lpc::{Analysis, Predictors};
use super::residual::{Decide, Stretch, walk};
use super::search::{Scratch, search};
use super::shape::{Choice, Frame, Mode, SAMPLES_MAX, SUBFRAME, SUBFRAMES_MAX};
use super::start_state;
use super::sums::dot;
use super::tables::{HIGH_PASS_IN_POLES, HIGH_PASS_IN_ZEROS};
use crate::lanes::Floats;

/// State of an encoder, 1.4 KiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoder {
    mode: Mode,
    high_pass: [f32; 4],
    /// The last filtered samples, oldest first.
    past: [f32; ORDER],
    analysis: Analysis,
}

impl Encoder {
    /// State at the start of a stream.
    pub const fn new(mode: Mode) -> Self {
        Self { mode, high_pass: [0.0; 4], past: [0.0; ORDER], analysis: Analysis::NEW }
    }

    /// Its frame size.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Encodes a frame.
    #[inline(always)]
    pub(super) fn encode<F: Floats>(&mut self, f: F, samples: &[i16], octets: &mut [u8], scratch: &mut Scratch) {
        let mode = self.mode;
        let mut signal = [0.0; ORDER + SAMPLES_MAX];
        let signal = &mut signal[..ORDER + mode.samples()];
        signal[..ORDER].copy_from_slice(&self.past);
        for (to, from) in signal[ORDER..].iter_mut().zip(samples) {
            *to = f32::from(*from);
        }
        high_pass(f, &HIGH_PASS_IN_ZEROS, &HIGH_PASS_IN_POLES, &mut self.high_pass, &mut signal[ORDER..]);
        let (lsf, synthesis, weighting) = self.analysis.analyse(f, mode, &signal[ORDER..]);
        let mut residual = [0.0; SAMPLES_MAX];
        for (n, predictor) in synthesis.iter().enumerate().take(mode.subframes()) {
            let at = n * SUBFRAME;
            all_zero(f, predictor, &signal[at..at + ORDER + SUBFRAME], &mut residual[at..at + SUBFRAME]);
        }
        self.past.copy_from_slice(&signal[mode.samples()..]);

        let start = start(f, mode, &residual);
        let (scalars, rest) = (mode.state_scalars(), mode.state_rest());
        let state_at = (start - 1) * SUBFRAME;
        let (early, late) = (&residual[state_at..state_at + scalars], &residual[state_at + rest..state_at + rest + scalars]);
        let scalars_first = dot(f, early, early) > dot(f, late, late);
        let (scale, chosen) = start_state::search(
            f,
            if scalars_first { early } else { late },
            &synthesis[start - 1],
            [&weighting[start - 1], &weighting[start]],
            scalars_first,
        );
        let mut frame = Frame { lsf, start, scalars_first, scale, scalars: chosen, ..Frame::EMPTY };
        walk(f, mode, &mut frame, &synthesis, &mut Searching { f, residual: &residual, weighting: &weighting, scratch });
        frame.write(mode, octets);
    }
}

/// Chooses what comes nearest to the residual.
struct Searching<'a, F> {
    f: F,
    residual: &'a [f32; SAMPLES_MAX],
    weighting: &'a Predictors,
    scratch: &'a mut Scratch,
}

impl<F: Floats> Decide for Searching<'_, F> {
    #[inline(always)]
    fn decide(&mut self, block: usize, subframe: usize, memory: &[f32], stretch: Stretch) -> Choice {
        let mut target = [0.0; SUBFRAME];
        search(self.f, block, memory, stretch.read(self.residual, &mut target), &self.weighting[subframe], self.scratch)
    }
}

/// Weights of a sub-frame's energy where the pair begins with it: its first samples are faded in.
static FADE_IN: [f32; SUBFRAME] = {
    const FADE: usize = 5;
    let mut weights = [1.0; SUBFRAME];
    let mut i = 0;
    while i < FADE {
        weights[i] = (i + 1) as f32 / (FADE + 1) as f32;
        i += 1;
    }
    weights
};
/// The same where the pair ends with it.
static FADE_OUT: [f32; SUBFRAME] = {
    let mut weights = FADE_IN;
    let mut i = 0;
    while i < SUBFRAME {
        weights[i] = FADE_IN[SUBFRAME - 1 - i];
        i += 1;
    }
    weights
};

/// Where the start state is: the pair of sub-frames with most energy, its ends faded, pairs in the middle preferred. From 1.
#[inline(always)]
fn start<F: Floats>(f: F, mode: Mode, residual: &[f32; SAMPLES_MAX]) -> usize {
    const PREFERENCE: [f32; SUBFRAMES_MAX - 1] = [0.8, 0.9, 1.0, 0.9, 0.8];
    let mut squares = [0.0; SAMPLES_MAX];
    for (square, x) in squares.iter_mut().zip(residual) {
        *square = x * x;
    }
    // The three pairs of a short frame are preferred as the middle ones of a long one.
    let preference = &PREFERENCE[usize::from(mode == Mode::Ms20)..];
    let mut found = (1, f32::NEG_INFINITY);
    for n in 1..mode.subframes() {
        let (front, back) = squares[(n - 1) * SUBFRAME..(n + 1) * SUBFRAME].split_at(SUBFRAME);
        let energy = (dot(f, front, &FADE_IN) + dot(f, back, &FADE_OUT)) * preference[n - 1];
        if energy > found.1 {
            found = (n, energy);
        }
    }
    found.0
}
