//! The quadrature mirror filter in lanes: 24 taps as two phases of twelve, two taps per product.
//! Shape:  a phase keeps eleven samples before the segment; every sample and the one before it stand as a pair.
//! Units:  sums of 16-bit samples and 13-bit taps fit 32 bits: 12 964 / 2 x 32 768 x 2 phases < 2^30.
//! Errors: none.
//! Source: ITU-T G.722 §3.1 and §4.4; limits as `super::super::scalar`.

use super::Block;
use crate::g722::column::TAPS;
use crate::g722::rows::{Phase, Rows, SEGMENT, Scratch};
use crate::g722::tables::QMF;
use crate::lanes::Lanes;

/// Puts what the filter remembers before the segment.
#[inline(always)]
pub(super) fn enter<L: Lanes>(l: L, block: &Block<L>, rows: &Rows, from: usize, phase: &mut Phase) {
    for (i, to) in l.rows_mut(phase.samples.flat()).0.iter_mut().enumerate().take(TAPS) {
        l.store(block.load(l, rows, from + i), to);
    }
}

/// Keeps the last samples of the segment.
#[inline(always)]
pub(super) fn leave<L: Lanes>(l: L, block: &Block<L>, phase: &mut Phase, count: usize, rows: &mut Rows, to: usize) {
    for (i, sample) in l.rows(phase.samples.flat()).0[count..].iter().enumerate().take(TAPS) {
        block.store(l, rows, to + i, l.load(sample));
    }
}

/// Both phases to both bands.
#[inline(always)]
pub(super) fn analyse<L: Lanes>(l: L, scratch: &mut Scratch, count: usize) {
    pair_up(l, &mut scratch.even, count);
    pair_up(l, &mut scratch.odd, count);
    let (even, odd) = (l.rows(scratch.even.pairs.flat()).0, l.rows(scratch.odd.pairs.flat()).0);
    let (low, high) = (l.rows_mut(scratch.low.flat()).0, l.rows_mut(scratch.high.flat()).0);
    let limit = |value| l.max(l.min(value, l.splat(16383)), l.splat(-16384));
    for (i, (low, high)) in low.iter_mut().zip(high).enumerate().take(count) {
        let even = filter::<L, true>(l, &even[2 * i..]);
        let odd = filter::<L, false>(l, &odd[2 * i..]);
        let half = |a, b| (l.shr_wide::<14>(a), l.shr_wide::<14>(b));
        let (a, b) = half(l.add_wide(odd.0, even.0), l.add_wide(odd.1, even.1));
        l.store(limit(l.narrow(a, b)), low);
        let (a, b) = half(l.sub_wide(odd.0, even.0), l.sub_wide(odd.1, even.1));
        l.store(limit(l.narrow(a, b)), high);
    }
}

/// Both bands, which stand in `low` and `high`, to both phases, which take their place.
#[inline(always)]
pub(super) fn synthesise<L: Lanes>(l: L, scratch: &mut Scratch, count: usize) {
    let (low, high) = (l.rows_mut(scratch.low.flat()).0, l.rows_mut(scratch.high.flat()).0);
    let even = &mut l.rows_mut(scratch.even.samples.flat()).0[TAPS..];
    let odd = &mut l.rows_mut(scratch.odd.samples.flat()).0[TAPS..];
    for (((low, high), even), odd) in low.iter().zip(&*high).zip(even).zip(odd).take(count) {
        let (yl, yh) = (l.load(low), l.load(high));
        l.store(l.add(yl, yh), even);
        l.store(l.sub(yl, yh), odd);
    }
    pair_up(l, &mut scratch.even, count);
    pair_up(l, &mut scratch.odd, count);
    let (even, odd) = (l.rows(scratch.even.pairs.flat()).0, l.rows(scratch.odd.pairs.flat()).0);
    for (i, (low, high)) in low.iter_mut().zip(high).enumerate().take(count) {
        let (a, b) = filter::<L, false>(l, &odd[2 * i..]);
        l.store(l.narrow(l.shr_wide::<11>(a), l.shr_wide::<11>(b)), low);
        let (a, b) = filter::<L, true>(l, &even[2 * i..]);
        l.store(l.narrow(l.shr_wide::<11>(a), l.shr_wide::<11>(b)), high);
    }
}

/// Every sample from the second on, with the one before it.
#[inline(always)]
fn pair_up<L: Lanes>(l: L, phase: &mut Phase, count: usize) {
    let (samples, _) = l.rows(phase.samples.flat());
    let (pairs, _) = l.rows_mut(phase.pairs.flat());
    let needed = TAPS - 1 + count.min(SEGMENT);
    for (samples, pair) in samples.windows(2).zip(pairs.as_chunks_mut::<2>().0).take(needed) {
        let (low, high) = l.interleave(l.load(&samples[1]), l.load(&samples[0]));
        l.store_wide(low, &mut pair[0]);
        l.store_wide(high, &mut pair[1]);
    }
}

/// Twelve taps over the pairs that start with the oldest. `EVEN` is the phase whose newest sample meets the last tap.
#[inline(always)]
fn filter<L: Lanes, const EVEN: bool>(l: L, pairs: &[L::Row]) -> (L::I32, L::I32) {
    let (mut low, mut high) = (l.splat_wide(0), l.splat_wide(0));
    let Some((pairs, _)) = pairs.split_first_chunk::<{ 2 * TAPS }>() else { return (low, high) };
    for k in 0..6 {
        // The pair 2k from the start holds the samples 2k + 1 (first half) and 2k (second half), counted from the oldest.
        let (newer, older) = if EVEN { (QMF[2 * k + 1], QMF[2 * k]) } else { (QMF[10 - 2 * k], QMF[11 - 2 * k]) };
        let taps = l.splat_wide(i32::from(newer as u16) | i32::from(older) << 16);
        low = l.dot(low, l.load_wide(&pairs[4 * k]), taps);
        high = l.dot(high, l.load_wide(&pairs[4 * k + 1]), taps);
    }
    (low, high)
}
