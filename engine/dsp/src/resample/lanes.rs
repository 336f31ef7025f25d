//! The half-band filter over rows of one channel's frame, generic over the lane type. No feedback, so no channels in lanes.
//!   samples ─► read as pairs from even and from odd places ─► eleven pair products per output ─► round, saturate
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

/// Sums of products for the outputs `at ..`, a row of them, on top of `bias`: those of even and those of odd place.
#[inline(always)]
fn fir<L: Lanes>(l: L, samples: &Samples, at: usize, bias: (L::I32, L::I32)) -> (L::I32, L::I32) {
    let (mut even, mut odd) = bias;
    // The sample at `at + 1` is the oldest of output `at`. A row read from there is the pairs of all even outputs, one sample on of all odd ones.
    let window = &samples[at + 1..][..FILTERED - 1 + L::LANES];
    for k in 0..FILTERED / 2 {
        let taps = l.splat_wide(i32::from(TAPS[2 * k] as u16) | (i32::from(TAPS[2 * k + 1]) << 16));
        let (now, next) = (l.rows(&window[2 * k..2 * k + L::LANES]).0, l.rows(&window[2 * k + 1..2 * k + 1 + L::LANES]).0);
        even = l.dot(even, l.load_wide(&now[0]), taps);
        odd = l.dot(odd, l.load_wide(&next[0]), taps);
    }
    (even, odd)
}

/// `fir` of two rows that follow each other.
#[inline(always)]
fn fir_two<L: Lanes>(l: L, samples: &Samples, at: usize, bias: [(L::I32, L::I32); 2]) -> [(L::I32, L::I32); 2] {
    let [(mut e0, mut o0), (mut e1, mut o1)] = bias;
    let window = &samples[at + 1..][..FILTERED - 1 + 2 * L::LANES];
    for k in 0..FILTERED / 2 {
        let taps = l.splat_wide(i32::from(TAPS[2 * k] as u16) | (i32::from(TAPS[2 * k + 1]) << 16));
        let (now, next) = (l.rows(&window[2 * k..2 * k + 2 * L::LANES]).0, l.rows(&window[2 * k + 1..2 * k + 1 + 2 * L::LANES]).0);
        e0 = l.dot(e0, l.load_wide(&now[0]), taps);
        o0 = l.dot(o0, l.load_wide(&next[0]), taps);
        e1 = l.dot(e1, l.load_wide(&now[1]), taps);
        o1 = l.dot(o1, l.load_wide(&next[1]), taps);
    }
    [(e0, o0), (e1, o1)]
}

#[inline(always)]
pub(super) fn up<L: Lanes>(l: L, channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(BLOCK).zip(output.chunks_mut(2 * BLOCK)) {
        let mut samples: Samples = [0; LENGTH + 1];
        samples[..FILTERED].copy_from_slice(&channel.past);
        samples[FILTERED..][..input.len()].copy_from_slice(input);
        let delayed = &samples[FILTERED - DELAYED..];
        let whole = input.len() - input.len() % L::LANES;
        let (fours, twos) = l.rows_mut(output).0.as_chunks_mut::<4>();
        for (i, rows) in fours.iter_mut().enumerate() {
            up_rows(l, &samples, delayed, 2 * i * L::LANES, rows);
        }
        if let Some((rows, _)) = twos.split_first_chunk_mut() {
            up_row(l, &samples, delayed, 2 * fours.len() * L::LANES, rows);
        }
        if whole < input.len() {
            let mut rest = [0; 2 * ROW];
            let (rows, _) = l.rows_mut(&mut rest);
            up_row(l, &samples, delayed, whole, &mut rows.as_chunks_mut::<2>().0[0]);
            let output = &mut output[2 * whole..];
            output.copy_from_slice(&rest[..output.len()]);
        }
        channel.past.copy_from_slice(&samples[input.len()..][..FILTERED]);
    }
}

/// A row of inputs from `at`, as two rows of outputs: the filtered phase and the delayed one in turn.
#[inline(always)]
fn up_row<L: Lanes>(l: L, samples: &Samples, delayed: &[i16], at: usize, rows: &mut [L::Row; 2]) {
    let half = l.splat_wide(1 << 13);
    let (even, odd) = fir(l, samples, at, (half, half));
    let filtered = l.braid(l.shr_wide::<14>(even), l.shr_wide::<14>(odd));
    let (first, second) = l.pairs(filtered, l.load(&l.rows(&delayed[at..]).0[0]));
    l.store_wide(first, &mut rows[0]);
    l.store_wide(second, &mut rows[1]);
}

/// Two rows of inputs from `at`: the taps are read once for both.
#[inline(always)]
fn up_rows<L: Lanes>(l: L, samples: &Samples, delayed: &[i16], at: usize, rows: &mut [L::Row; 4]) {
    let half = l.splat_wide(1 << 13);
    let [a, b] = fir_two(l, samples, at, [(half, half); 2]);
    let first = l.braid(l.shr_wide::<14>(a.0), l.shr_wide::<14>(a.1));
    let second = l.braid(l.shr_wide::<14>(b.0), l.shr_wide::<14>(b.1));
    let (delayed, _) = l.rows(&delayed[at..]);
    let (first, second) = (l.pairs(first, l.load(&delayed[0])), l.pairs(second, l.load(&delayed[1])));
    l.store_wide(first.0, &mut rows[0]);
    l.store_wide(first.1, &mut rows[1]);
    l.store_wide(second.0, &mut rows[2]);
    l.store_wide(second.1, &mut rows[3]);
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
        let (rows, rest) = l.rows_mut(output);
        let (twos, one) = rows.as_chunks_mut::<2>();
        for (i, rows) in twos.iter_mut().enumerate() {
            down_rows(l, &odd, &even, 2 * i * L::LANES, rows);
        }
        if let [row] = one {
            down_row(l, &odd, &even, 2 * twos.len() * L::LANES, row);
        }
        if !rest.is_empty() {
            let mut all = [0; ROW];
            down_row(l, &odd, &even, count - rest.len(), &mut l.rows_mut(&mut all).0[0]);
            rest.copy_from_slice(&all[..rest.len()]);
        }
        channel.odd.copy_from_slice(&odd[count..][..FILTERED]);
        channel.even.copy_from_slice(&even[count..][..DELAYED]);
    }
}

/// What the middle tap adds to a row of outputs from `at`, and half a step for rounding.
#[inline(always)]
fn middle<L: Lanes>(l: L, delayed: &[i16], at: usize) -> (L::I32, L::I32) {
    let half = l.splat_wide(1 << 14);
    let delayed = l.load_wide(&l.rows(&delayed[at..]).0[0]);
    // The pairs (2^14, 0) and (0, 2^14): the tap meets the delayed sample of even and of odd place.
    (l.dot(half, delayed, l.splat_wide(1 << 14)), l.dot(half, delayed, l.splat_wide(1 << 30)))
}

/// A row of outputs from `at`.
#[inline(always)]
fn down_row<L: Lanes>(l: L, samples: &Samples, delayed: &[i16], at: usize, row: &mut L::Row) {
    let (even, odd) = fir(l, samples, at, middle(l, delayed, at));
    l.store(l.braid(l.shr_wide::<15>(even), l.shr_wide::<15>(odd)), row);
}

/// Two rows of outputs from `at`: the taps are read once for both.
#[inline(always)]
fn down_rows<L: Lanes>(l: L, samples: &Samples, delayed: &[i16], at: usize, rows: &mut [L::Row; 2]) {
    let [a, b] = fir_two(l, samples, at, [middle(l, delayed, at), middle(l, delayed, at + L::LANES)]);
    l.store(l.braid(l.shr_wide::<15>(a.0), l.shr_wide::<15>(a.1)), &mut rows[0]);
    l.store(l.braid(l.shr_wide::<15>(b.0), l.shr_wide::<15>(b.1)), &mut rows[1]);
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
