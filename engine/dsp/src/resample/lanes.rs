//! The half-band filter over rows of one channel's frame, generic over the lane type. No feedback, so no channels in lanes.
//!   samples ─► read as pairs ─► eleven or twelve pair products per output of even or odd place ─► round, saturate
//! Shape:  blocks of up to 160 samples of the lower rate; scratch on the stack, under 1 KiB.
//! Speed:  whole rows go straight into the caller's frame; only the rest of a row goes by way of the stack.
//! Errors: none.
//! Source: the arithmetic of `super::scalar`; sums are exact, so their order does not matter.

use super::{BLOCK, DELAYED, Downsampler, FILTERED, TAPS, Upsampler};
use crate::lanes::Lanes;

/// Widest row of any level; a block is whole rows of every level.
const ROW: usize = 32;
const _: () = assert!(BLOCK.is_multiple_of(ROW));
/// History and a block.
const LENGTH: usize = FILTERED + BLOCK;

/// Samples of one phase after their history, and one more.
type Samples = [i16; LENGTH + 1];

/// Rows of outputs worked on at a time: a frame of 20 ms is five rows of 32 or ten of 16.
const ROWS: usize = 5;
/// Pairs of taps that meet the pairs of samples: those of outputs of even place, and of odd place, one sample later.
const PAIRS: [(i32, i32); FILTERED / 2 + 1] = pairs_of_taps();

/// Sums of products for `R` rows of outputs from `at`, on top of `bias`: those of even and those of odd place.
/// Every sample read serves both, and every pair of taps all rows.
#[inline(always)]
fn fir<L: Lanes, const R: usize>(l: L, samples: &Samples, at: usize, bias: [(L::I32, L::I32); R]) -> [(L::I32, L::I32); R] {
    let mut sums = bias;
    // The sample at `at + 1` is the oldest of output `at`.
    let window = &samples[at + 1..][..FILTERED + R * L::LANES];
    for (k, (even, odd)) in PAIRS.into_iter().enumerate() {
        let (rows, _) = l.rows(&window[2 * k..2 * k + R * L::LANES]);
        let (even, odd) = (l.splat_wide(even), l.splat_wide(odd));
        for (sums, row) in sums.iter_mut().zip(rows) {
            let pairs = l.load_wide(row);
            if 2 * k < FILTERED {
                sums.0 = l.dot(sums.0, pairs, even);
            }
            sums.1 = l.dot(sums.1, pairs, odd);
        }
    }
    sums
}

#[inline(always)]
pub(super) fn up<L: Lanes>(l: L, channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(BLOCK).zip(output.chunks_mut(2 * BLOCK)) {
        // With a length that the compiler knows, most of the copying goes away.
        match input.first_chunk::<BLOCK>() {
            Some(input) => up_block(l, channel, input, output),
            None => up_block(l, channel, input, output),
        }
    }
}

#[inline(always)]
fn up_block<L: Lanes>(l: L, channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    let mut samples: Samples = [0; LENGTH + 1];
    samples[..FILTERED].copy_from_slice(&channel.past);
    samples[FILTERED..][..input.len()].copy_from_slice(input);
    let delayed = &samples[FILTERED - DELAYED..];
    let (outputs, _) = l.rows_mut(output);
    let (many, single) = outputs.as_chunks_mut::<2>().0.as_chunks_mut::<ROWS>();
    for (i, rows) in many.iter_mut().enumerate() {
        up_rows(l, &samples, delayed, i * ROWS * L::LANES, rows);
    }
    let done = many.len() * ROWS;
    for (i, row) in single.iter_mut().enumerate() {
        up_rows(l, &samples, delayed, (done + i) * L::LANES, std::array::from_mut(row));
    }
    let whole = input.len() - input.len() % L::LANES;
    if whole < input.len() {
        let mut rest = [0; 2 * ROW];
        let (rows, _) = l.rows_mut(&mut rest);
        up_rows(l, &samples, delayed, whole, &mut rows.as_chunks_mut::<2>().0.as_chunks_mut::<1>().0[0]);
        let output = &mut output[2 * whole..];
        output.copy_from_slice(&rest[..output.len()]);
    }
    channel.past.copy_from_slice(&samples[input.len()..][..FILTERED]);
}

/// Rows of inputs from `at`, each as two rows of outputs: the filtered phase and the delayed one in turn.
#[inline(always)]
fn up_rows<L: Lanes, const R: usize>(l: L, samples: &Samples, delayed: &[i16], at: usize, rows: &mut [[L::Row; 2]; R]) {
    let half = l.splat_wide(1 << 13);
    let sums = fir(l, samples, at, [(half, half); R]);
    let (delayed, _) = l.rows(&delayed[at..][..R * L::LANES]);
    for ((rows, delayed), (even, odd)) in rows.iter_mut().zip(delayed).zip(sums) {
        let filtered = l.braid(l.shr_wide::<14>(even), l.shr_wide::<14>(odd));
        let (first, second) = l.pairs(filtered, l.load(delayed));
        l.store_wide(first, &mut rows[0]);
        l.store_wide(second, &mut rows[1]);
    }
}

#[inline(always)]
pub(super) fn down<L: Lanes>(l: L, channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(2 * BLOCK).zip(output.chunks_mut(BLOCK)) {
        match (input.first_chunk::<{ 2 * BLOCK }>(), output.first_chunk_mut::<BLOCK>()) {
            (Some(input), Some(output)) => down_block(l, channel, input, output),
            _ => down_block(l, channel, input, output),
        }
    }
}

#[inline(always)]
fn down_block<L: Lanes>(l: L, channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    let count = output.len();
    let mut odd: Samples = [0; LENGTH + 1];
    odd[..FILTERED].copy_from_slice(&channel.odd);
    let mut even = [0; DELAYED + BLOCK];
    even[..DELAYED].copy_from_slice(&channel.even);
    split(l, input, &mut even[DELAYED..], &mut odd[FILTERED..]);
    let (rows, rest) = l.rows_mut(output);
    let (many, single) = rows.as_chunks_mut::<ROWS>();
    for (i, rows) in many.iter_mut().enumerate() {
        down_rows(l, &odd, &even, i * ROWS * L::LANES, rows);
    }
    let done = many.len() * ROWS;
    for (i, row) in single.iter_mut().enumerate() {
        down_rows(l, &odd, &even, (done + i) * L::LANES, std::array::from_mut(row));
    }
    if !rest.is_empty() {
        let mut all = [0; ROW];
        down_rows(l, &odd, &even, count - rest.len(), &mut l.rows_mut(&mut all).0.as_chunks_mut::<1>().0[0]);
        rest.copy_from_slice(&all[..rest.len()]);
    }
    channel.odd.copy_from_slice(&odd[count..][..FILTERED]);
    channel.even.copy_from_slice(&even[count..][..DELAYED]);
}

/// Rows of outputs from `at`: what the middle tap adds and half a step for rounding, then the filtered phase.
#[inline(always)]
fn down_rows<L: Lanes, const R: usize>(l: L, samples: &Samples, delayed: &[i16], at: usize, rows: &mut [L::Row; R]) {
    let half = l.splat_wide(1 << 14);
    let mut bias = [(half, half); R];
    for (bias, delayed) in bias.iter_mut().zip(l.rows(&delayed[at..][..R * L::LANES]).0) {
        let delayed = l.load_wide(delayed);
        // The pairs (2^14, 0) and (0, 2^14): the tap meets the delayed sample of even and of odd place.
        *bias = (l.dot(half, delayed, l.splat_wide(1 << 14)), l.dot(half, delayed, l.splat_wide(1 << 30)));
    }
    for (row, (even, odd)) in rows.iter_mut().zip(fir(l, samples, at, bias)) {
        l.store(l.braid(l.shr_wide::<15>(even), l.shr_wide::<15>(odd)), row);
    }
}

/// Even and odd samples apart.
#[inline(always)]
fn split<L: Lanes>(l: L, input: &[i16], even: &mut [i16], odd: &mut [i16]) {
    let (rows, _) = l.rows(input);
    let (pairs, _) = rows.as_chunks::<2>();
    let (evens, odds) = (l.rows_mut(even).0, l.rows_mut(odd).0);
    let low = l.splat_wide(1); // the pair (1, 0) picks the low half
    let zero = l.splat_wide(0);
    for ((pair, even), odd) in pairs.iter().zip(evens).zip(odds) {
        let (first, second) = (l.load_wide(&pair[0]), l.load_wide(&pair[1]));
        l.store(l.pack(l.dot(zero, first, low), l.dot(zero, second, low)), even);
        l.store(l.pack(l.shr_wide::<16>(first), l.shr_wide::<16>(second)), odd);
    }
    let done = pairs.len() * L::LANES;
    let rest = input[2 * done..].as_chunks::<2>().0;
    for ((pair, even), odd) in rest.iter().zip(&mut even[done..]).zip(&mut odd[done..]) {
        [*even, *odd] = *pair;
    }
}

const fn pairs_of_taps() -> [(i32, i32); FILTERED / 2 + 1] {
    let mut pairs = [(0, 0); FILTERED / 2 + 1];
    let mut place = 0;
    while place < FILTERED {
        let (tap, next) = (TAPS[place], place + 1);
        // In the low half of a pair, or in the high one.
        let (low, high) = (tap as u16 as i32, (tap as i32) << 16);
        pairs[place / 2].0 |= if place % 2 == 0 { low } else { high };
        pairs[next / 2].1 |= if next % 2 == 0 { low } else { high };
        place = next;
    }
    pairs
}
