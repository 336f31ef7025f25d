//! The half-band filter over rows of one channel's frame, generic over the lane type. No feedback, so no channels in lanes.
//!   samples ─► pairs (x(n), x(n+1)) ─► eleven pair products per output ─► round, saturate
//! Shape:  blocks of up to 160 samples of the lower rate; scratch on the stack, about 1.1 KiB.
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
/// Every sample with its successor.
type Pairs = [[i16; 2]; LENGTH];

#[inline(always)]
fn pairs(samples: &Samples) -> Pairs {
    std::array::from_fn(|i| [samples[i], samples[i + 1]])
}

/// Sums of products for the outputs `at ..`, a row of them, on top of `bias`.
#[inline(always)]
fn fir<L: Lanes>(l: L, pairs: &Pairs, at: usize, bias: (L::I32, L::I32)) -> (L::I32, L::I32) {
    let (mut first, mut second) = bias;
    // The pair at `at + 1` holds the oldest two samples of output `at`.
    let window = &pairs.as_flattened()[2 * (at + 1)..][..2 * (FILTERED - 2) + 2 * L::LANES];
    for k in 0..FILTERED / 2 {
        let taps = l.splat_wide(i32::from(TAPS[2 * k] as u16) | (i32::from(TAPS[2 * k + 1]) << 16));
        let (rows, _) = l.rows(&window[4 * k..4 * k + 2 * L::LANES]);
        first = l.dot(first, l.load_wide(&rows[0]), taps);
        second = l.dot(second, l.load_wide(&rows[1]), taps);
    }
    (first, second)
}

#[inline(always)]
pub(super) fn up<L: Lanes>(l: L, channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(BLOCK).zip(output.chunks_mut(2 * BLOCK)) {
        let mut samples: Samples = [0; LENGTH + 1];
        samples[..FILTERED].copy_from_slice(&channel.past);
        samples[FILTERED..][..input.len()].copy_from_slice(input);
        let pairs = pairs(&samples);
        let delayed = &samples[FILTERED - DELAYED..];
        let whole = input.len() - input.len() % L::LANES;
        for (i, rows) in l.rows_mut(output).0.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            up_row(l, &pairs, delayed, i * L::LANES, rows);
        }
        if whole < input.len() {
            let mut rest = [0; 2 * ROW];
            let (rows, _) = l.rows_mut(&mut rest);
            up_row(l, &pairs, delayed, whole, &mut rows.as_chunks_mut::<2>().0[0]);
            let output = &mut output[2 * whole..];
            output.copy_from_slice(&rest[..output.len()]);
        }
        channel.past.copy_from_slice(&samples[input.len()..][..FILTERED]);
    }
}

/// A row of inputs from `at`, as two rows of outputs: the filtered phase and the delayed one in turn.
#[inline(always)]
fn up_row<L: Lanes>(l: L, pairs: &Pairs, delayed: &[i16], at: usize, rows: &mut [L::Row; 2]) {
    let half = l.splat_wide(1 << 13);
    let (first, second) = fir(l, pairs, at, (half, half));
    let filtered = l.pack(l.shr_wide::<14>(first), l.shr_wide::<14>(second));
    let (first, second) = l.pairs(filtered, l.load(&l.rows(&delayed[at..]).0[0]));
    l.store_wide(first, &mut rows[0]);
    l.store_wide(second, &mut rows[1]);
}

#[inline(always)]
pub(super) fn down<L: Lanes>(l: L, channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(2 * BLOCK).zip(output.chunks_mut(BLOCK)) {
        let count = output.len();
        let mut odd: Samples = [0; LENGTH + 1];
        odd[..FILTERED].copy_from_slice(&channel.odd);
        let mut even = [0; DELAYED + BLOCK];
        even[..DELAYED].copy_from_slice(&channel.even);
        split(l, input, &mut even[DELAYED..], &mut odd[FILTERED..]);
        let pairs = pairs(&odd);
        let (rows, rest) = l.rows_mut(output);
        for (i, row) in rows.iter_mut().enumerate() {
            down_row(l, &pairs, &even, i * L::LANES, row);
        }
        if !rest.is_empty() {
            let mut all = [0; ROW];
            down_row(l, &pairs, &even, count - rest.len(), &mut l.rows_mut(&mut all).0[0]);
            rest.copy_from_slice(&all[..rest.len()]);
        }
        channel.odd.copy_from_slice(&odd[count..][..FILTERED]);
        channel.even.copy_from_slice(&even[count..][..DELAYED]);
    }
}

/// A row of outputs from `at`.
#[inline(always)]
fn down_row<L: Lanes>(l: L, pairs: &Pairs, delayed: &[i16], at: usize, row: &mut L::Row) {
    let half = l.splat_wide(1 << 14);
    let middle = l.splat_wide(1 << 14); // the pair (2^14, 0)
    let (first, second) = l.pairs(l.load(&l.rows(&delayed[at..]).0[0]), l.splat(0));
    let bias = (l.dot(half, first, middle), l.dot(half, second, middle));
    let (first, second) = fir(l, pairs, at, bias);
    l.store(l.pack(l.shr_wide::<15>(first), l.shr_wide::<15>(second)), row);
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
