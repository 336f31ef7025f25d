//! G.722 with one channel per lane, generic over the lane type: frames in segments of 40 octets, each in passes.
//!   encode: samples ─► phase rows ─► filter bank ─► both bands ─► code rows ─► octets
//!   decode: octets ─► code rows ─► lower band ─► higher band ─► phase rows ─► filter bank ─► samples
//! Shape:  a block is as many lanes as the level is wide; a group of 32 is one, two or four blocks, and those without a live lane are
//!         skipped. A lane that is not live computes on zeros and its state is left as it was.
//! Rule:   lanes do not influence each other; the one question asked of all lanes chooses between two ways to the same sum.
//! Errors: none. A frame shorter than the others counts as zeros from its end.
//! Source: `super::scalar`, bit for bit.

pub(super) mod band;
mod bank;

use super::Mode;
use super::column::{BANK, Column, TAPS, WORDS};
use super::rows::{LANES, Rows, SEGMENT, Scratch};
use crate::lanes::Lanes;

/// A group as the kernels see it: its state, which lanes have a frame, and the length of that frame.
pub(super) struct Tick<'a> {
    pub(super) rows: &'a mut Rows,
    /// Bit i: lane i has a frame.
    pub(super) live: u32,
    /// Octets per frame.
    pub(super) octets: usize,
    pub(super) scratch: &'a mut Scratch,
}

/// As many lanes of a group as the level is wide.
struct Block<L: Lanes> {
    first: usize,
    live: u32,
    /// -1 in live lanes.
    mask: L::I16,
}

impl<L: Lanes> Block<L> {
    /// The blocks of a group that have a live lane.
    #[inline(always)]
    fn of(l: L, live: u32) -> impl Iterator<Item = Self> {
        (0..LANES).step_by(L::LANES).filter_map(move |first| {
            let live = (live >> first) & (u32::MAX >> (32 - L::LANES));
            let mut words = [0; LANES];
            for (lane, word) in words.iter_mut().enumerate().take(L::LANES) {
                *word = -((live >> lane & 1) as i16);
            }
            let mask = l.load(&l.rows(&words).0[0]);
            (live != 0).then_some(Self { first, live, mask })
        })
    }

    #[inline(always)]
    fn load(&self, l: L, rows: &Rows, row: usize) -> L::I16 {
        l.load(&l.rows(&rows.0[row][self.first..]).0[0])
    }

    /// Writes the live lanes of a row.
    #[inline(always)]
    fn store(&self, l: L, rows: &mut Rows, row: usize, value: L::I16) {
        let to = &mut l.rows_mut(&mut rows.0[row][self.first..]).0[0];
        l.store(l.select(self.mask, value, l.load(to)), to);
    }

    /// Lanes of the block that are live, each with its place in the group.
    #[inline(always)]
    fn group_lane(&self, lane: usize) -> Option<usize> {
        (self.live >> lane & 1 != 0).then_some(self.first + lane)
    }
}

/// `samples[lane]` holds two samples per octet; `octets` takes the frames of all lanes end to end.
#[inline(always)]
pub(super) fn encode<L: Lanes>(l: L, tick: &mut Tick<'_>, samples: &[&[i16]], octets: &mut [u8]) {
    for block in Block::of(l, tick.live) {
        for at in (0..tick.octets).step_by(SEGMENT) {
            let count = SEGMENT.min(tick.octets - at);
            let scratch = &mut *tick.scratch;
            bank::enter(l, &block, tick.rows, BANK, &mut scratch.even);
            bank::enter(l, &block, tick.rows, BANK + TAPS, &mut scratch.odd);
            let (even, _) = l.rows_mut(&mut scratch.even.samples.flat()[TAPS * L::LANES..]);
            let (odd, _) = l.rows_mut(&mut scratch.odd.samples.flat()[TAPS * L::LANES..]);
            for (part, (even, odd)) in
                even.as_chunks_mut::<4>().0.iter_mut().zip(odd.as_chunks_mut::<4>().0).take(count.div_ceil(4)).enumerate()
            {
                let from = 2 * at + 8 * part;
                let rows = l.gather(|lane| match block.group_lane(lane).and_then(|lane| samples.get(lane)) {
                    Some(frame) => eight(frame, from, 0),
                    None => [0; 8],
                });
                for i in 0..4 {
                    l.store(rows[2 * i], &mut even[i]);
                    l.store(rows[2 * i + 1], &mut odd[i]);
                }
            }
            bank::analyse(l, scratch, count);
            band::encode(l, &block, tick.rows, scratch, count);
            let (codes, _) = l.rows(scratch.codes.flat());
            for (part, rows) in codes.as_chunks::<8>().0.iter().take(count.div_ceil(8)).enumerate() {
                l.scatter(std::array::from_fn(|i| l.load(&rows[i])), |lane, values| {
                    if let Some(lane) = block.group_lane(lane) {
                        let end = (lane * tick.octets + at + count).min(octets.len());
                        put(&mut octets[..end], lane * tick.octets + at + 8 * part, values.map(|code| code as u8));
                    }
                });
            }
            bank::leave(l, &block, &mut scratch.even, count, tick.rows, BANK);
            bank::leave(l, &block, &mut scratch.odd, count, tick.rows, BANK + TAPS);
        }
    }
}

/// `octets[lane]` is a frame; `samples` takes two samples per octet of all lanes end to end.
#[inline(always)]
pub(super) fn decode<L: Lanes>(l: L, mode: Mode, tick: &mut Tick<'_>, octets: &[&[u8]], samples: &mut [i16]) {
    for block in Block::of(l, tick.live) {
        for at in (0..tick.octets).step_by(SEGMENT) {
            let count = SEGMENT.min(tick.octets - at);
            let scratch = &mut *tick.scratch;
            let (codes, _) = l.rows_mut(scratch.codes.flat());
            for (part, to) in codes.as_chunks_mut::<8>().0.iter_mut().enumerate().take(count.div_ceil(8)) {
                let rows = l.gather(|lane| match block.group_lane(lane).and_then(|lane| octets.get(lane)) {
                    Some(frame) => eight(frame, at + 8 * part, 0).map(i16::from),
                    None => [0; 8],
                });
                for (row, to) in rows.into_iter().zip(to) {
                    l.store(row, to);
                }
            }
            band::decode(l, mode, &block, tick.rows, scratch, count);
            bank::enter(l, &block, tick.rows, BANK, &mut scratch.even);
            bank::enter(l, &block, tick.rows, BANK + TAPS, &mut scratch.odd);
            bank::synthesise(l, scratch, count);
            let (low, high) = (l.rows(scratch.low.flat()).0, l.rows(scratch.high.flat()).0);
            for (part, (first, second)) in low.as_chunks::<4>().0.iter().zip(high.as_chunks::<4>().0).enumerate().take(count.div_ceil(4)) {
                let rows = std::array::from_fn(|i| l.load(if i % 2 == 0 { &first[i / 2] } else { &second[i / 2] }));
                l.scatter(rows, |lane, values| {
                    if let Some(lane) = block.group_lane(lane) {
                        let end = (2 * (lane * tick.octets + at + count)).min(samples.len());
                        put(&mut samples[..end], 2 * (lane * tick.octets + at) + 8 * part, values);
                    }
                });
            }
            bank::leave(l, &block, &mut scratch.even, count, tick.rows, BANK);
            bank::leave(l, &block, &mut scratch.odd, count, tick.rows, BANK + TAPS);
        }
    }
}

/// Puts channels into the first lanes.
#[inline(always)]
pub(super) fn insert<L: Lanes>(l: L, columns: &[Column], rows: &mut Rows) {
    for first in (0..columns.len().min(LANES)).step_by(L::LANES) {
        for (part, rows) in rows.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let values = l.gather(|lane| match columns.get(first + lane) {
                Some(column) => column.0.as_chunks().0[part],
                None => [0; 8],
            });
            for (value, row) in values.into_iter().zip(rows) {
                l.store(value, &mut l.rows_mut(&mut row[first..]).0[0]);
            }
        }
    }
}

/// Takes channels from the first lanes.
#[inline(always)]
pub(super) fn extract<L: Lanes>(l: L, rows: &Rows, columns: &mut [Column]) {
    for first in (0..columns.len().min(LANES)).step_by(L::LANES) {
        for part in 0..WORDS / 8 {
            let values = std::array::from_fn(|i| l.load(&l.rows(&rows.0[8 * part + i][first..]).0[0]));
            l.scatter(values, |lane, values| {
                if let Some(column) = columns.get_mut(first + lane) {
                    column.0.as_chunks_mut().0[part] = values;
                }
            });
        }
    }
}

/// Eight values of a frame from `at`, filled up with `none` past its end.
#[inline(always)]
fn eight<T: Copy>(frame: &[T], at: usize, none: T) -> [T; 8] {
    match frame.get(at..).and_then(<[T]>::first_chunk) {
        Some(values) => *values,
        None => std::array::from_fn(|i| frame.get(at + i).copied().unwrap_or(none)),
    }
}

/// Writes eight values from `at`, as far as `frames` goes.
#[inline(always)]
fn put<T: Copy>(frames: &mut [T], at: usize, values: [T; 8]) {
    match frames.get_mut(at..).and_then(<[T]>::first_chunk_mut) {
        Some(to) => *to = values,
        None => frames.iter_mut().skip(at).zip(values).for_each(|(to, value)| *to = value),
    }
}
