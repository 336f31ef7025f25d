//! The decoder: octets of a frame, or the news that it is lost, to samples.
//!   bits ─► predictors, residual (or concealed ones) ─► enhancer ─► synthesis ─► high-pass ─► samples
//! Shape:  38 octets to 160 samples, or 50 to 240; the enhancer makes the output 40 or 80 samples late.
//! Rules:  a frame with the last bit set, with a start index out of range, or too short, is a lost frame.
//! Errors: none.
//! Source: RFC 3951 §4, appendix A.6.

use super::concealment::Concealment;
use super::enhancer::Enhancer;
use super::filter::{ORDER, Predictor, all_pole, high_pass};
use super::lpc::{self, FLAT, Predictors};
use super::lsf::Lsf;
use super::residual::{Decide, Stretch, walk};
use super::shape::{Choice, Frame, Mode, SAMPLES_MAX, SUBFRAME, SUBFRAMES_MAX};
use super::tables::{HIGH_PASS_OUT_POLES, HIGH_PASS_OUT_ZEROS, LSF_MEAN};
use crate::lanes::Floats;

/// State of a decoder, 4 KiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decoder {
    mode: Mode,
    lsf: Lsf,
    /// Predictors of the last frame's last two sub-frames, which the enhancer holds back.
    late: [Predictor; 2],
    synthesis: [f32; ORDER],
    high_pass: [f32; 4],
    lag: usize,
    concealment: Concealment,
    enhancer: Enhancer,
}

impl Decoder {
    /// State at the start of a stream.
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            lsf: LSF_MEAN,
            late: [FLAT; 2],
            synthesis: [0.0; ORDER],
            high_pass: [0.0; 4],
            lag: 20,
            concealment: Concealment::NEW,
            enhancer: Enhancer::NEW,
        }
    }

    /// Its frame size.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Decodes a frame; an empty one is a lost one.
    #[inline(always)]
    pub(super) fn decode<F: Floats>(&mut self, f: F, octets: &[u8], samples: &mut [i16]) {
        let mode = self.mode;
        let mut frame = Frame::read(mode, octets);
        let whole = octets.len() >= mode.octets() && frame.is_whole(mode);
        let (residual, predictors) = if whole {
            let predictors = lpc::decode(mode, &frame.lsf, &mut self.lsf);
            let mut told = Told { rest: frame.rest, blocks: frame.blocks };
            let residual = walk(f, mode, &mut frame, &predictors, &mut told);
            self.concealment.received(&residual, &predictors[mode.subframes() - 1]);
            (residual, predictors)
        } else {
            let (residual, predictor) = self.concealment.lost(f, mode, self.lag);
            (residual, [predictor; SUBFRAMES_MAX])
        };
        let (mut signal, lag) = self.enhancer.enhance(f, mode, &residual, !whole);
        self.lag = lag;
        self.synthesise(f, &predictors, &mut signal);
        let signal = &mut signal[..mode.samples()];
        high_pass(f, &HIGH_PASS_OUT_ZEROS, &HIGH_PASS_OUT_POLES, &mut self.high_pass, signal);
        for (sample, x) in samples.iter_mut().zip(signal) {
            *sample = *x as i16; // towards zero, saturating
        }
    }

    /// The predictors are as late as the enhancer: one sub-frame or two.
    #[inline(always)]
    fn synthesise<F: Floats>(&mut self, f: F, predictors: &Predictors, signal: &mut [f32; SAMPLES_MAX]) {
        let (subframes, late) = (self.mode.subframes(), self.mode.delay_samples() / SUBFRAME);
        let in_order = self.late[2 - late..].iter().chain(predictors);
        let (parts, _) = signal.as_chunks_mut::<SUBFRAME>();
        // In `synthesis` the newest output comes first.
        for (part, predictor) in parts.iter_mut().take(subframes).zip(in_order) {
            all_pole(f, predictor, &mut self.synthesis, part);
        }
        self.late.copy_from_slice(&predictors[subframes - 2..subframes]);
    }
}

/// Repeats what the frame says.
struct Told {
    rest: Choice,
    blocks: [Choice; 4],
}

impl Decide for Told {
    #[inline(always)]
    fn decide(&mut self, block: usize, _: usize, _: &[f32], _: Stretch) -> Choice {
        match block.checked_sub(1) {
            None => self.rest,
            Some(block) => self.blocks.get(block).copied().unwrap_or_default(),
        }
    }
}
