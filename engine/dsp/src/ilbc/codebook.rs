//! The adaptive codebook: what was decoded of this frame so far, in stretches from every place, plain and filtered.
//!   indices and gains of three stages ─► sum of three vectors
//! Shape:  a memory of 147 samples, newest last, of which the start state's rest uses the last 85. A first section of vectors is taken from
//!         the memory, a second from the filtered memory. Vectors of 40 samples that would begin later than 40 before the end repeat
//!         themselves, with five samples of cross-fade: 20 more in each section.
//! Errors: none; an index beyond the sections takes the vector that the formulas give, inside of the memory.
//! Source: RFC 3951 §3.6.2, §4.3, §4.4; appendices A.12, A.18, A.20, A.22.

use super::shape::{Choice, STAGES, SUBFRAME};
use super::sums::correlate;
use super::tables::{CODEBOOK_FILTER, GAINS_3, GAINS_4, GAINS_5};
use crate::lanes::Floats;

/// Samples of the memory.
pub(super) const MEMORY: usize = 147;
/// Samples of it that the rest of the start state uses.
pub(super) const MEMORY_REST: usize = 85;
/// Zeros before and after it, for the filter.
const BEFORE: usize = 3;
const AFTER: usize = 5;
/// Samples of the cross-fade.
pub(super) const FADE: usize = 5;

/// What has been decoded, newest last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory([f32; BEFORE + MEMORY + AFTER]);

impl Memory {
    pub(super) const EMPTY: Self = Self([0.0; BEFORE + MEMORY + AFTER]);

    /// A memory of these samples, oldest first, as many as it holds from the end.
    pub(super) fn of(samples: &[f32]) -> Self {
        let mut memory = Self::EMPTY;
        let samples = &samples[samples.len().saturating_sub(MEMORY)..];
        memory.0[BEFORE + MEMORY - samples.len()..BEFORE + MEMORY].copy_from_slice(samples);
        memory
    }

    /// A memory of these samples, newest first, as many as it holds from the start.
    pub(super) fn of_reversed(samples: &[f32]) -> Self {
        let mut memory = Self::EMPTY;
        for (to, from) in memory.0[BEFORE..BEFORE + MEMORY].iter_mut().rev().zip(samples) {
            *to = *from;
        }
        memory
    }

    /// Adds a sub-frame.
    pub(super) fn push(&mut self, samples: &[f32; SUBFRAME]) {
        self.0.copy_within(BEFORE + SUBFRAME..BEFORE + MEMORY, BEFORE);
        self.0[BEFORE + MEMORY - SUBFRAME..BEFORE + MEMORY].copy_from_slice(samples);
    }

    /// The last `len` samples.
    pub(super) fn last(&self, len: usize) -> &[f32] {
        &self.0[BEFORE + MEMORY - len..BEFORE + MEMORY]
    }
}

/// The filtered memory: `out[k]` for the sample `k` of `memory`, which counts as zero outside.
#[inline(always)]
pub(super) fn filtered<F: Floats>(f: F, memory: &[f32], out: &mut [f32]) {
    let mut padded = [0.0; BEFORE + MEMORY + AFTER];
    padded[BEFORE..BEFORE + memory.len()].copy_from_slice(memory);
    let mut taps = CODEBOOK_FILTER;
    taps.reverse();
    let out = &mut out[..memory.len()];
    correlate(f, &taps, &padded[..out.len() + taps.len() - 1], out);
}

/// A vector of the repeating kind: half of the last `twice` samples of `section`, faded into the other half, which goes on after it.
pub(super) fn repeated(section: &[f32], twice: usize, out: &mut [f32]) {
    let (end, lag) = (section.len(), twice / 2);
    let fade = lag - FADE;
    for (j, out) in out.iter_mut().enumerate() {
        *out = match j {
            _ if j < fade => section[end - lag + j],
            _ if j < lag => {
                let weight = 0.2 * (j - fade) as f32;
                (1.0 - weight) * section[end - lag + j] + weight * section[end - twice + j]
            }
            _ => section[end - twice + j],
        };
    }
}

/// The vector of a place in a section.
pub(super) fn vector(section: &[f32], place: usize, out: &mut [f32]) {
    let plain = section.len() - out.len() + 1;
    if place < plain {
        let from = section.len() - out.len() - place;
        out.copy_from_slice(&section[from..from + out.len()]);
    } else {
        // No encoder sends an index beyond the section; it would ask for more than there is.
        repeated(section, (2 * (place - plain) + out.len()).min(section.len()), out);
    }
}

/// What three indices and gains stand for.
#[inline(always)]
pub(super) fn construct<F: Floats>(f: F, choice: &Choice, memory: &[f32], out: &mut [f32]) {
    let plain = memory.len() - out.len() + 1;
    let section = if out.len() == SUBFRAME { plain + SUBFRAME / 2 } else { plain };
    let mut second = [0.0; MEMORY];
    if choice.index.iter().any(|index| *index >= section) {
        filtered(f, memory, &mut second);
    }
    let gains = gains(&choice.gain);
    let mut one = [0.0; SUBFRAME];
    let one = &mut one[..out.len()];
    out.fill(0.0);
    for (index, gain) in choice.index.iter().zip(gains) {
        match index.checked_sub(section) {
            None => vector(memory, *index, one),
            Some(place) => vector(&second[..memory.len()], place, one),
        }
        for (out, x) in out.iter_mut().zip(&*one) {
            *out += gain * x;
        }
    }
}

/// Gains of the three stages by their indices.
fn gains(index: &[usize; STAGES]) -> [f32; STAGES] {
    let first = GAINS_5[index[0] % GAINS_5.len()];
    let second = scale(first) * GAINS_4[index[1] % GAINS_4.len()];
    [first, second, scale(second) * GAINS_3[index[2] % GAINS_3.len()]]
}

/// A gain is relative to the one before, which counts as 0.1 at least.
pub(super) fn scale(gain_before: f32) -> f32 {
    gain_before.abs().max(0.1)
}

/// Index and value of the gain nearest to one: of the first stage, or relative to the one before.
pub(super) fn quantise(stage: usize, gain: f32, gain_before: f32) -> (usize, f32) {
    let nearest = |levels: &[f32], scale: f32| {
        let mut found = (0, f32::INFINITY);
        for (i, level) in levels.iter().enumerate() {
            let distance = (gain - scale * level).abs();
            if distance < found.1 {
                found = (i, distance);
            }
        }
        (found.0, scale * levels[found.0])
    };
    match stage {
        0 => nearest(&GAINS_5, 1.0),
        1 => nearest(&GAINS_4, scale(gain_before)),
        _ => nearest(&GAINS_3, scale(gain_before)),
    }
}
