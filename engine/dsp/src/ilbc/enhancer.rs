//! The enhancer: makes the residual more periodic, where it nearly is, by mixing each block with its neighbours a pitch period away.
//!   residual ─► buffer of 640 samples ─► pitch of each block ─► for each block: three segments before, three after ─► smoothed block
//! Shape:  blocks of 80 samples; a 20 ms frame gives two blocks 40 samples late, a 30 ms frame three blocks 80 samples late.
//! Units:  lags and places in samples; segments are found to a quarter of a sample.
//! Errors: none.
//! Source: RFC 3951 §4.6, appendix A.16.

use super::shape::{Mode, SAMPLES_MAX};
use super::sums::{BEHIND, correlate, dot, energies, greatest};
use super::tables::{BLOCK_CENTRES, HALF_BAND, POLYPHASE};
use crate::lanes::Floats;

/// Samples of a block.
const BLOCK: usize = 80;
/// Blocks of the buffer.
const BLOCKS: usize = 8;
/// Samples of the buffer.
const BUFFER: usize = BLOCKS * BLOCK;
/// Zeros before and after it: what the interpolation reads past its ends.
const BEFORE: usize = 8;
const AFTER: usize = 32;
/// Segments on each side.
const SIDE: usize = 3;
/// Places tried around the expected one, on each side.
const SLOP: usize = 2;
/// Steps per sample.
const STEPS: usize = 4;
/// Half the length of the interpolation.
const REACH: usize = 3;
/// Largest part of a block's energy that smoothing may change.
const CHANGE: f32 = 0.05;

/// What the enhancer keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Enhancer {
    /// The residuals of the last frames, between zeros.
    padded: Padded,
    /// Pitch of each block.
    periods: [f32; BLOCKS],
    /// Whether the frame before was concealed.
    concealed: bool,
}

/// The buffer between zeros.
type Padded = [f32; BEFORE + BUFFER + AFTER];

impl Enhancer {
    pub(super) const NEW: Self = Self { padded: [0.0; BEFORE + BUFFER + AFTER], periods: [40.0; BLOCKS], concealed: false };

    /// The residual of the last frame.
    pub(super) fn last(&self, mode: Mode) -> &[f32] {
        &self.padded[BEFORE + BUFFER - mode.samples()..BEFORE + BUFFER]
    }

    /// Takes the residual of a frame, gives the enhanced one, and the lag for the concealment of a next frame that does not come.
    #[inline(always)]
    pub(super) fn enhance<F: Floats>(&mut self, f: F, mode: Mode, residual: &[f32; SAMPLES_MAX], lost: bool, out: &mut [f32]) -> usize {
        let len = mode.samples();
        self.padded.copy_within(BEFORE + len..BEFORE + BUFFER, BEFORE);
        self.padded[BEFORE + BUFFER - len..BEFORE + BUFFER].copy_from_slice(&residual[..len]);
        // A 20 ms frame brings two blocks, a 30 ms frame three.
        let new = match mode {
            Mode::Ms20 => 2,
            Mode::Ms30 => 3,
        };
        let first = BLOCKS - new;
        self.periods.copy_within(new.., 0);
        let mut lag = self.pitches(f, first);
        if std::mem::replace(&mut self.concealed, lost) {
            lag = self.mend(f, mode, residual, first);
        }
        let start = BUFFER - len - mode.delay_samples();
        for (n, out) in out[..len].as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            enhanced(f, &self.padded, start + n * BLOCK, &self.periods, out);
        }
        2 * lag
    }

    /// The pitch of every new block, at half the sample rate; returns the last, in samples of that rate.
    #[inline(always)]
    fn pitches<F: Floats>(&mut self, f: F, first: usize) -> usize {
        const LONGEST: usize = 59;
        const SHORTEST: usize = 10;
        const LAGS: usize = LONGEST + 1 - SHORTEST;
        const ROOM: usize = LAGS.next_multiple_of(16);
        const HALF_BLOCK: usize = BLOCK / 2;
        const HISTORY: usize = 120;
        // Low-passed; the sample k of half the rate is 3 + 2 k of what the filter gives from here on.
        let from = first * BLOCK - HISTORY;
        let count = BUFFER - from;
        let mut padded = [0.0; 6 + HISTORY + 3 * BLOCK + 3];
        padded[..count + 6].copy_from_slice(&self.padded[BEFORE + from - 6..BEFORE + BUFFER]);
        let mut low = [0.0; HISTORY + 3 * BLOCK + 3];
        correlate(f, &HALF_BAND, &padded[..count + 9], &mut low[..count + 3]);
        let mut half = [0.0; (HISTORY + 3 * BLOCK) / 2 + BEHIND];
        for (to, pair) in half[..count / 2].iter_mut().zip(low[3..].chunks(2)) {
            *to = pair[0];
        }
        let mut lag = SHORTEST;
        for block in 0..BLOCKS - first {
            let at = HISTORY / 2 + block * HALF_BLOCK;
            let (now, before) = (&half[at..at + HALF_BLOCK], &half[at - LONGEST..at + HALF_BLOCK - SHORTEST]);
            let (mut products, mut powers) = ([0.0; ROOM], [0.0; ROOM]);
            correlate(f, now, before, &mut products[..LAGS]);
            energies(f, &half[at - LONGEST..], HALF_BLOCK, &mut powers[..LAGS]);
            let mut likenesses = [f32::NEG_INFINITY; ROOM];
            let nothing = f.splat(0.0);
            for at in (0..LAGS).step_by(F::WIDTH) {
                let product = f.load(&products[at..]);
                let likeness = f.div(f.mul(product, product), f.load(&powers[at..]));
                f.store(f.if_greater(product, nothing, likeness, nothing), &mut likenesses[at..]);
            }
            // The longest lag comes first; of equals the shortest wins.
            let likenesses = &likenesses[..LAGS];
            let best = greatest(f, likenesses);
            lag = LONGEST - likenesses.iter().rposition(|likeness| *likeness >= best).unwrap_or(0);
            self.periods[first + block] = 2.0 * lag as f32;
        }
        lag
    }

    /// After a concealed frame: the end of it, which is still to be heard, is blended with the new frame continued backwards.
    #[inline(always)]
    fn mend<F: Floats>(&mut self, f: F, mode: Mode, residual: &[f32; SAMPLES_MAX], first: usize) -> usize {
        let len = match mode {
            Mode::Ms20 => 40,
            Mode::Ms30 => BLOCK,
        };
        let expected = self.periods[first] as usize;
        let mut found = (expected - 1, f32::NEG_INFINITY);
        for lag in expected - 1..=expected + 1 {
            let (now, later) = (&residual[..len], &residual[lag..lag + len]);
            let product = dot(f, now, later);
            let likeness = if product > 0.0 { product * product / dot(f, later, later) } else { 0.0 };
            if likeness > found.1 {
                found = (lag, likeness);
            }
        }
        let lag = found.0;
        self.periods[first - 1] = lag as f32;
        // The first period of the new frame, and before it, if it is short, what was concealed, both ending where the new frame begins.
        let end = BUFFER - mode.samples();
        let mut backwards = [0.0; BLOCK];
        let backwards = &mut backwards[..len];
        for (i, x) in backwards.iter_mut().rev().enumerate() {
            *x = if i < lag { residual[lag - 1 - i] } else { self.padded[BEFORE + end - 1 - (i - lag)] };
        }
        let concealed = &mut self.padded[BEFORE + end - len..BEFORE + end];
        let rms = |samples: &[f32]| (dot(f, samples, samples) / len as f32).sqrt();
        let (before, after) = (rms(concealed), rms(backwards));
        if after > 2.0 * before && after > 0.0 {
            let level = 2.0 * before / after;
            for (i, x) in backwards.iter_mut().enumerate() {
                // The level returns over the last ten samples.
                let returned = i.saturating_sub(len - 10) as f32 / 10.0;
                *x *= returned * (1.0 - level) + level;
            }
        }
        for (i, (x, y)) in concealed.iter_mut().zip(backwards).rev().enumerate() {
            let weight = (i + 1) as f32 / (len + 1) as f32;
            *x = *x * weight + (1.0 - weight) * *y;
        }
        lag
    }
}

/// The block from `centre` on, smoothed.
#[inline(always)]
fn enhanced<F: Floats>(f: F, buffer: &Padded, centre: usize, periods: &[f32; BLOCKS], out: &mut [f32; BLOCK]) {
    let block = |at: f32| nearest(&BLOCK_CENTRES, at);
    let mut segments = [[0.0; BLOCK]; 2 * SIDE + 1];
    segments[SIDE].copy_from_slice(&buffer[BEFORE + centre..BEFORE + centre + BLOCK]);
    // Back, period by period.
    let mut at = centre as f32;
    let mut lag = block(0.5 * (2 * centre + BLOCK - 1) as f32);
    for q in (0..SIDE).rev() {
        at -= periods[lag];
        lag = block(at + (BLOCK / 2) as f32 - periods[lag]);
        if at - 2.0 >= 0.0 {
            at = segment(f, buffer, centre, at, &mut segments[q]);
        }
    }
    // And forth.
    let mut ahead = BLOCK_CENTRES;
    for (ahead, period) in ahead.iter_mut().zip(periods) {
        *ahead -= period;
    }
    at = centre as f32;
    for segments in &mut segments[SIDE + 1..] {
        at += periods[nearest(&ahead, at + (BLOCK / 2) as f32)];
        if at + ((BLOCK + 2) as f32) < BUFFER as f32 {
            at = segment(f, buffer, centre, at, segments);
        }
    }
    smoothed(f, &segments, out);
}

/// The place nearest to a value, the first of equals.
fn nearest(places: &[f32; BLOCKS], value: f32) -> usize {
    let mut found = (0, f32::INFINITY);
    for (i, place) in places.iter().enumerate() {
        let distance = (place - value) * (place - value);
        if distance < found.1 {
            found = (i, distance);
        }
    }
    found.0
}

/// Places tried for a segment.
const TRIED: usize = 2 * SLOP + 1;
/// Steps between them, up to a whole number of vectors.
const FINE: usize = (STEPS * TRIED).next_multiple_of(16);

/// The stretch near `expected` that resembles the block at `centre` most, to a quarter of a sample. Returns its place.
#[inline(always)]
fn segment<F: Floats>(f: F, buffer: &Padded, centre: usize, expected: f32, out: &mut [f32; BLOCK]) -> f32 {
    let rounded = (expected - 0.5) as usize;
    let first = rounded.saturating_sub(SLOP);
    let last = (rounded + SLOP).min(BUFFER - BLOCK - 1);
    let tried = (last + 1 - first).min(TRIED);
    let own = &buffer[BEFORE + centre..BEFORE + centre + BLOCK];
    let mut products = [0.0; TRIED];
    for (i, product) in products[..tried].iter_mut().enumerate() {
        *product = dot(f, own, &buffer[BEFORE + first + i..BEFORE + first + i + BLOCK]);
    }
    let mut fine = upsampled(f, &products);
    fine[STEPS * tried..].fill(f32::NEG_INFINITY);
    let most = greatest(f, &fine);
    let best = fine[..STEPS * tried].iter().position(|product| *product >= most).unwrap_or(0);
    // Seven samples about each one of the segment; outside of the buffer there are zeros.
    let whole = best.div_ceil(STEPS);
    let around = &buffer[BEFORE + first + whole - REACH..BEFORE + first + whole + BLOCK + REACH];
    correlate(f, &POLYPHASE[whole * STEPS - best], around, out);
    first as f32 + best as f32 / STEPS as f32 + 1.0
}

/// What a product of a place adds to each of the steps between places: tap k of a step's phase meets the product i + 2 - k.
static UPSAMPLING: [[f32; FINE]; TRIED] = {
    const HALF: usize = 2;
    let mut rows = [[0.0; FINE]; TRIED];
    let mut n = 0;
    while n < STEPS * TRIED * TRIED {
        let (step, k) = (n / TRIED, n % TRIED);
        let i = step / STEPS + HALF;
        if i >= k && i - k < TRIED {
            rows[i - k][step] = POLYPHASE[step % STEPS][REACH - HALF + k];
        }
        n += 1;
    }
    rows
};

/// Five products at four times the resolution.
#[inline(always)]
fn upsampled<F: Floats>(f: F, products: &[f32; TRIED]) -> [f32; FINE] {
    let mut fine = [0.0; FINE];
    for at in (0..STEPS * TRIED).step_by(F::WIDTH) {
        let mut sum = f.splat(0.0);
        for (product, row) in products.iter().zip(&UPSAMPLING).rev() {
            sum = f.mul_add(f.splat(*product), f.load(&row[at..]), sum);
        }
        f.store(sum, &mut fine[at..]);
    }
    fine
}

/// A block mixed with the ones around it, as far as its energy allows.
#[inline(always)]
fn smoothed<F: Floats>(f: F, segments: &[[f32; BLOCK]; 2 * SIDE + 1], out: &mut [f32; BLOCK]) {
    // Half a period of a raised cosine, without its middle.
    const WEIGHTS: [f32; 2 * SIDE + 1] = [0.146_446_61, 0.5, 0.853_553_4, 0.0, 0.853_553_4, 0.5, 0.146_446_61];
    let own = &segments[SIDE];
    let mut around = [0.0; BLOCK];
    for at in (0..BLOCK).step_by(F::WIDTH) {
        let mut sum = f.splat(0.0);
        for (segment, weight) in segments.iter().zip(WEIGHTS) {
            sum = f.mul_add(f.load(&segment[at..]), f.splat(weight), sum);
        }
        f.store(sum, &mut around[at..]);
    }
    let (w00, w10) = (dot(f, own, own), dot(f, &around, own));
    let w11 = dot(f, &around, &around);
    let w11 = if w11.abs() < 1.0 { 1.0 } else { w11 };
    let level = (w00 / w11).sqrt();
    let mut errors = f.splat(0.0);
    for at in (0..BLOCK).step_by(F::WIDTH) {
        let smooth = f.mul(f.splat(level), f.load(&around[at..]));
        let error = f.sub(f.load(&own[at..]), smooth);
        errors = f.mul_add(error, error, errors);
        f.store(smooth, &mut out[at..]);
    }
    if f.sum(errors) > CHANGE * w00 {
        let w00 = w00.max(1.0);
        let unlike = (w11 * w00 - w10 * w10) / (w00 * w00);
        let (a, b) = if unlike > 0.0001 {
            let a = ((CHANGE - CHANGE * CHANGE / 4.0) / unlike).sqrt();
            (a, 1.0 - CHANGE / 2.0 - a * w10 / w00)
        } else {
            (0.0, 1.0)
        };
        for ((out, around), own) in out.iter_mut().zip(&around).zip(own) {
            *out = a * around + b * own;
        }
    }
}
