//! The half-band filter over rows of one channel's frame, generic over the lane type. No feedback, so no channels in lanes.
//!   samples ─► pairs (x(n), x(n+1)) ─► eleven pair products per output ─► round, saturate
//! Shape:  blocks of up to 160 samples of the lower rate; scratch on the stack, about 1.3 KiB.
//! Errors: none.
//! Source: the arithmetic of `super::scalar`; sums are exact, so their order does not matter.

use super::{BLOCK, DELAYED, Downsampler, FILTERED, TAPS, Upsampler};
use crate::lanes::Lanes;

/// Widest row of any level.
const ROW: usize = 32;
/// History, a block, and room for the last row to run over.
const LENGTH: usize = FILTERED + BLOCK + ROW;

/// Samples of one phase with their history, and the same as overlapping pairs.
struct Phase {
    samples: [i16; LENGTH + 1],
    pairs: [i16; 2 * LENGTH + ROW],
}

impl Phase {
    #[inline(always)]
    fn new(past: &[i16; FILTERED]) -> Self {
        let mut samples = [0; LENGTH + 1];
        samples[..FILTERED].copy_from_slice(past);
        Self { samples, pairs: [0; 2 * LENGTH + ROW] }
    }

    /// Pairs every sample with its successor, once `count` new ones are in place.
    #[inline(always)]
    fn pair_up<L: Lanes>(&mut self, l: L, count: usize) {
        let here = l.rows(&self.samples[..LENGTH]).0;
        let next = l.rows(&self.samples[1..]).0;
        let (pairs, _) = l.rows_mut(&mut self.pairs);
        let needed = (FILTERED + count).div_ceil(L::LANES);
        for (i, (here, next)) in here.iter().zip(next).enumerate().take(needed) {
            let (first, second) = l.pairs(l.load(here), l.load(next));
            if let Some([low, high]) = pairs.get_mut(2 * i..2 * i + 2) {
                l.store_wide(first, low);
                l.store_wide(second, high);
            }
        }
    }

    /// Sums of products for the outputs `at ..`, a row of them, on top of `bias`.
    #[inline(always)]
    fn fir<L: Lanes>(&self, l: L, at: usize, bias: (L::I32, L::I32)) -> (L::I32, L::I32) {
        let (mut first, mut second) = bias;
        // The pair at `at + 1` holds the oldest two samples of output `at`.
        let window = &self.pairs[2 * (at + 1)..][..2 * (FILTERED - 2) + 2 * L::LANES];
        for k in 0..FILTERED / 2 {
            let taps = l.splat_wide(i32::from(TAPS[2 * k] as u16) | (i32::from(TAPS[2 * k + 1]) << 16));
            let (rows, _) = l.rows(&window[4 * k..4 * k + 2 * L::LANES]);
            first = l.dot(first, l.load_wide(&rows[0]), taps);
            second = l.dot(second, l.load_wide(&rows[1]), taps);
        }
        (first, second)
    }

    #[inline(always)]
    fn keep(&self, count: usize, past: &mut [i16; FILTERED]) {
        past.copy_from_slice(&self.samples[count..][..FILTERED]);
    }
}

#[inline(always)]
pub(super) fn up<L: Lanes>(l: L, channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(BLOCK).zip(output.chunks_mut(2 * BLOCK)) {
        let mut phase = Phase::new(&channel.past);
        phase.samples[FILTERED..][..input.len()].copy_from_slice(input);
        phase.pair_up(l, input.len());
        let half = l.splat_wide(1 << 13);
        let mut block = [0; 2 * BLOCK + 2 * ROW];
        let (rows, _) = l.rows_mut(&mut block);
        let (delayed, _) = l.rows(&phase.samples[FILTERED - DELAYED..LENGTH]);
        for (i, (delayed, rows)) in delayed.iter().zip(rows.as_chunks_mut::<2>().0).enumerate().take(input.len().div_ceil(L::LANES)) {
            let (first, second) = phase.fir(l, i * L::LANES, (half, half));
            let filtered = l.pack(l.shr_wide::<14>(first), l.shr_wide::<14>(second));
            let (first, second) = l.pairs(filtered, l.load(delayed));
            l.store_wide(first, &mut rows[0]);
            l.store_wide(second, &mut rows[1]);
        }
        output.copy_from_slice(&block[..output.len()]);
        phase.keep(input.len(), &mut channel.past);
    }
}

#[inline(always)]
pub(super) fn down<L: Lanes>(l: L, channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(2 * BLOCK).zip(output.chunks_mut(BLOCK)) {
        let count = output.len();
        let mut odd = Phase::new(&channel.odd);
        let mut even = [0; DELAYED + BLOCK + ROW];
        even[..DELAYED].copy_from_slice(&channel.even);
        split(l, input, &mut even[DELAYED..], &mut odd.samples[FILTERED..]);
        odd.pair_up(l, count);
        let half = l.splat_wide(1 << 14);
        let middle = l.splat_wide(1 << 14); // the pair (2^14, 0)
        let mut block = [0; BLOCK + ROW];
        let (rows, _) = l.rows_mut(&mut block);
        let (delayed, _) = l.rows(&even);
        for (i, (delayed, row)) in delayed.iter().zip(rows).enumerate().take(count.div_ceil(L::LANES)) {
            let (first, second) = l.pairs(l.load(delayed), l.splat(0));
            let bias = (l.dot(half, first, middle), l.dot(half, second, middle));
            let (first, second) = odd.fir(l, i * L::LANES, bias);
            l.store(l.pack(l.shr_wide::<15>(first), l.shr_wide::<15>(second)), row);
        }
        output.copy_from_slice(&block[..count]);
        odd.keep(count, &mut channel.odd);
        channel.even.copy_from_slice(&even[count..][..DELAYED]);
    }
}

/// Even and odd samples apart.
#[inline(always)]
fn split<L: Lanes>(l: L, input: &[i16], even: &mut [i16], odd: &mut [i16]) {
    let (rows, _) = l.rows(input);
    let (pairs, _) = rows.as_chunks::<2>();
    let (evens, odds) = (l.rows_mut(even).0, l.rows_mut(odd).0);
    for ((pair, even), odd) in pairs.iter().zip(evens).zip(odds) {
        let (first, second) = (l.load_wide(&pair[0]), l.load_wide(&pair[1]));
        let low = l.splat_wide(1); // the pair (1, 0) picks the low half
        let zero = l.splat_wide(0);
        l.store(l.pack(l.dot(zero, first, low), l.dot(zero, second, low)), even);
        l.store(l.pack(l.shr_wide::<16>(first), l.shr_wide::<16>(second)), odd);
    }
    let done = pairs.len() * L::LANES;
    let rest = input[2 * done..].as_chunks::<2>().0;
    for ((pair, even), odd) in rest.iter().zip(&mut even[done..]).zip(&mut odd[done..]) {
        [*even, *odd] = *pair;
    }
}
