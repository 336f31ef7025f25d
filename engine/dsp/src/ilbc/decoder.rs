//! The decoder: octets of a frame, or the news that it is lost, to samples.
//!   bits ─► predictors, residual (or concealed ones) ─► enhancer ─► one channel per lane: synthesis ─► high-pass ─► samples
//! Shape:  38 octets to 160 samples, or 50 to 240; the enhancer makes the output 40 or 80 samples late.
//! Rules:  a frame with the last bit set, with a start index out of range, or too short, is a lost frame.
//! Errors: none.
//! Source: RFC 3951 §4, appendix A.6.

use super::concealment::Concealment;
use super::enhancer::Enhancer;
use super::filter::{LANES, ORDER, Predictor, Row, all_pole_lanes, high_pass_lanes};
use super::lpc::{self, FLAT, Predictors};
use super::lsf::Lsf;
use super::residual::{Decide, Stretch, walk};
use super::shape::{Choice, Frame, Mode, SAMPLES_MAX, SUBFRAME, SUBFRAMES_MAX};
use super::tables::{HIGH_PASS_OUT_POLES, HIGH_PASS_OUT_ZEROS, LSF_MEAN};
use crate::lanes::Floats;

/// State of a decoder, 3 KiB.
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

    /// The first half of decoding, channel by channel: the excitation of a frame and its predictors. An empty frame is a lost one.
    #[inline(always)]
    pub(super) fn excite<F: Floats>(&mut self, f: F, octets: &[u8], lane: usize, voices: &mut Voices) {
        let mode = self.mode;
        let mut frame = Frame::read(mode, octets);
        let whole = octets.len() >= mode.octets() && frame.is_whole(mode);
        let (residual, predictors) = if whole {
            let predictors = lpc::decode(f, mode, &frame.lsf, &mut self.lsf);
            let mut told = Told { rest: frame.rest, blocks: frame.blocks };
            let residual = walk(f, mode, &mut frame, &predictors, &mut told);
            self.concealment.received(&predictors[mode.subframes() - 1]);
            (residual, predictors)
        } else {
            let (residual, predictor) = self.concealment.lost(f, mode, self.enhancer.last(mode), self.lag);
            (residual, [predictor; SUBFRAMES_MAX])
        };
        let mut signal = [0.0; SAMPLES_MAX];
        self.lag = self.enhancer.enhance(f, mode, &residual, !whole, &mut signal);
        voices.enter(self, lane, &signal, &predictors);
    }
}

/// Frames of up to `LANES` decoders of one frame size between the halves of decoding, one channel per lane.
#[repr(align(64))]
pub(super) struct Voices {
    /// The last outputs of the synthesis, then the frame.
    signal: [Row; ORDER + SAMPLES_MAX],
    /// Coefficients of the predictors times -1.
    predictors: [[Row; ORDER]; SUBFRAMES_MAX],
    high_pass: [Row; 4],
}

impl Voices {
    pub(super) const SILENT: Self = Self {
        signal: [[0.0; LANES]; ORDER + SAMPLES_MAX],
        predictors: [[[0.0; LANES]; ORDER]; SUBFRAMES_MAX],
        high_pass: [[0.0; LANES]; 4],
    };

    /// Puts a frame and the filters' memories into a lane. The predictors are as late as the enhancer: one sub-frame or two.
    #[inline(always)]
    fn enter(&mut self, decoder: &mut Decoder, lane: usize, signal: &[f32; SAMPLES_MAX], predictors: &Predictors) {
        assert!(lane < LANES);
        let mode = decoder.mode;
        for (row, x) in self.signal.iter_mut().zip(decoder.synthesis.iter().rev().chain(&signal[..mode.samples()])) {
            row[lane] = *x;
        }
        let (subframes, late) = (mode.subframes(), mode.delay_samples() / SUBFRAME);
        let in_order = decoder.late[2 - late..].iter().chain(predictors);
        for (rows, predictor) in self.predictors.iter_mut().take(subframes).zip(in_order) {
            for (row, a) in rows.iter_mut().zip(&predictor[1..]) {
                row[lane] = -a;
            }
        }
        decoder.late.copy_from_slice(&predictors[subframes - 2..subframes]);
        for (row, x) in self.high_pass.iter_mut().zip(decoder.high_pass) {
            row[lane] = x;
        }
    }

    /// The second half, all lanes at once: synthesis and high-pass of the lanes whose bits are set in `live`. `samples` has a frame for
    /// each lane, end to end; those of the others are left alone.
    #[inline(always)]
    pub(super) fn speak<F: Floats>(&mut self, f: F, mode: Mode, live: u16, samples: &mut [i16]) {
        let len = mode.samples();
        let blocks = || (0..LANES).step_by(F::WIDTH).filter(|lane| live >> lane & (u16::MAX >> (LANES - F::WIDTH)) != 0);
        for lane in blocks() {
            for (n, predictor) in self.predictors.iter().enumerate().take(mode.subframes()) {
                all_pole_lanes(f, predictor, &mut self.signal[n * SUBFRAME..][..ORDER + SUBFRAME], lane);
            }
        }
        // The next frame begins with the last outputs, before they go through the high-pass.
        let mut last = [[0.0; LANES]; ORDER];
        last.copy_from_slice(&self.signal[len..ORDER + len]);
        for lane in blocks() {
            let rows = &mut self.signal[ORDER..ORDER + len];
            high_pass_lanes(f, &HIGH_PASS_OUT_ZEROS, &HIGH_PASS_OUT_POLES, &mut self.high_pass, rows, lane);
        }
        for (lane, samples) in samples.chunks_exact_mut(len).enumerate().take(LANES).filter(|(lane, _)| live >> lane & 1 != 0) {
            let mut frame = [0.0; SAMPLES_MAX];
            for (x, row) in frame.iter_mut().zip(&self.signal[ORDER..ORDER + len]) {
                *x = row[lane];
            }
            for (sample, x) in samples.iter_mut().zip(frame) {
                *sample = x as i16; // towards zero, saturating
            }
        }
        self.signal[..ORDER].copy_from_slice(&last);
    }

    /// Takes the filters' memories out of a lane, after `speak`.
    pub(super) fn leave(&self, lane: usize, decoder: &mut Decoder) {
        for (x, row) in decoder.synthesis.iter_mut().rev().zip(&self.signal) {
            *x = row[lane % LANES];
        }
        for (x, row) in decoder.high_pass.iter_mut().zip(&self.high_pass) {
            *x = row[lane % LANES];
        }
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
