//! The residual of a frame from the numbers of the frame, which encoder and decoder rebuild alike.
//!   start state (scalars) ─► its rest ─► sub-frames after it ─► sub-frames before it, backwards in time
//! Shape:  each step predicts a stretch from a memory of what is there already; towards the past the memory is turned round.
//! Why:    the encoder decides a step and takes it, the decoder is told and takes it: both walk the same path (`Walk`).
//! Errors: none. `start` is 1 to the number of sub-frames less one (`Frame::is_whole`).
//! Source: RFC 3951 §3.4, §3.6, §4.4; appendices A.6 and A.14.

use super::codebook::{self, MEMORY_REST, Memory};
use super::filter::Predictor;
use super::lpc::Predictors;
use super::shape::{Choice, Frame, Mode, SAMPLES_MAX, STATE, SUBFRAME};
use super::start_state;
use crate::lanes::Floats;

/// Says how the stretch after `memory` is made. `block` is 0 for the rest of the start state, else 1 to 4; `subframe` tells which weighting belongs
/// to it, and `stretch` where its samples are: from the first to the last of them in the direction of the step.
pub(super) trait Decide {
    fn decide(&mut self, block: usize, subframe: usize, memory: &[f32], stretch: Stretch) -> Choice;
}

/// Samples of the residual from `from` on, or, backwards, from the one before `from` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) from: usize,
    pub(super) len: usize,
    pub(super) backwards: bool,
}

impl Stretch {
    /// Reads the stretch in its direction.
    pub(super) fn read<'a>(self, residual: &[f32; SAMPLES_MAX], to: &'a mut [f32; SUBFRAME]) -> &'a [f32] {
        let to = &mut to[..self.len];
        if self.backwards {
            for (to, x) in to.iter_mut().zip(residual[self.from - self.len..self.from].iter().rev()) {
                *to = *x;
            }
        } else {
            to.copy_from_slice(&residual[self.from..self.from + self.len]);
        }
        to
    }

    fn write(self, residual: &mut [f32; SAMPLES_MAX], from: &[f32]) {
        if self.backwards {
            for (x, from) in residual[self.from - self.len..self.from].iter_mut().rev().zip(from) {
                *x = *from;
            }
        } else {
            residual[self.from..self.from + self.len].copy_from_slice(from);
        }
    }
}

/// Rebuilds the residual of a frame. `decide` fills in, or repeats, the choices of the blocks.
#[inline(always)]
pub(super) fn walk<F: Floats>(f: F, mode: Mode, frame: &mut Frame, synthesis: &Predictors, decide: &mut impl Decide) -> [f32; SAMPLES_MAX] {
    let mut residual = [0.0; SAMPLES_MAX];
    let first = frame.start - 1;
    let state_at = first * SUBFRAME;
    let (scalars, rest) = (mode.state_scalars(), mode.state_rest());
    let scalars_at = if frame.scalars_first { state_at } else { state_at + rest };
    let predictor: &Predictor = &synthesis[first];
    start_state::construct(f, frame.scale, &frame.scalars[..scalars], predictor, &mut residual[scalars_at..scalars_at + scalars]);

    // The rest of the start state, after or before the scalars.
    let made = &residual[scalars_at..scalars_at + scalars];
    let (memory, stretch, subframe) = if frame.scalars_first {
        (Memory::of(made), Stretch { from: scalars_at + scalars, len: rest, backwards: false }, first + 1)
    } else {
        (Memory::of_reversed(made), Stretch { from: scalars_at, len: rest, backwards: true }, first)
    };
    frame.rest = decide.decide(0, subframe, memory.last(MEMORY_REST), stretch);
    let mut out = [0.0; SUBFRAME];
    codebook::construct(f, &frame.rest, memory.last(MEMORY_REST), &mut out[..rest]);
    stretch.write(&mut residual, &out[..rest]);

    // Then every sub-frame after the start state, and every one before it.
    let mut block = 0;
    let after = first + 2..mode.subframes();
    let mut memory = Memory::of(&residual[state_at..state_at + STATE]);
    for subframe in after {
        let stretch = Stretch { from: subframe * SUBFRAME, len: SUBFRAME, backwards: false };
        step(f, frame, decide, &mut block, subframe, &mut memory, stretch, &mut residual);
    }
    let mut memory = Memory::of_reversed(&residual[state_at..mode.samples()]);
    for subframe in (0..first).rev() {
        let stretch = Stretch { from: (subframe + 1) * SUBFRAME, len: SUBFRAME, backwards: true };
        step(f, frame, decide, &mut block, subframe, &mut memory, stretch, &mut residual);
    }
    residual
}

/// One sub-frame.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn step<F: Floats>(
    f: F,
    frame: &mut Frame,
    decide: &mut impl Decide,
    block: &mut usize,
    subframe: usize,
    memory: &mut Memory,
    stretch: Stretch,
    residual: &mut [f32; SAMPLES_MAX],
) {
    let Some(choice) = frame.blocks.get_mut(*block) else { return };
    *block += 1;
    *choice = decide.decide(*block, subframe, memory.last(codebook::MEMORY), stretch);
    let mut out = [0.0; SUBFRAME];
    codebook::construct(f, choice, memory.last(codebook::MEMORY), &mut out);
    stretch.write(residual, &out);
    memory.push(&out);
}
