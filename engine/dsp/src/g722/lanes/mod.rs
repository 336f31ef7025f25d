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
    /// The block that begins at lane `first`, if it has a live lane.
    #[inline(always)]
    fn at(l: L, first: usize, live: u32) -> Option<Self> {
        let live = (live >> first) & (u32::MAX >> (32 - L::LANES));
        let mut words = [0; LANES];
        for (lane, word) in words.iter_mut().enumerate() {
            *word = -((live >> lane & 1) as i16);
        }
        let mask = l.load(&l.rows(&words).0[0]);
        if live == 0 { None } else { Some(Self { first, live, mask }) }
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

    /// Reads eight values of each live lane's frame from `at`; the other lanes are silent.
    #[inline(always)]
    fn gather<T: Copy + Into<i16> + Default>(&self, l: L, frames: &[&[T]], at: usize) -> [L::I16; 8] {
        let mut columns = l.columns();
        for (lane, (column, frame)) in columns.as_mut().iter_mut().zip(frames.iter().skip(self.first)).enumerate() {
            if self.live >> lane & 1 != 0 {
                let values = eight(frame, at);
                for (to, from) in column.iter_mut().zip(values) {
                    *to = from.into();
                }
            }
        }
        l.gather(&columns)
    }

    /// Writes eight values of each live lane to its frame from `at`. Frames are `each` long and stand end to end.
    #[inline(always)]
    fn scatter<T: Copy>(&self, l: L, rows: [L::I16; 8], frames: &mut [T], each: usize, at: usize, value: fn(i16) -> T) {
        let columns = l.scatter(rows);
        for (lane, (column, frame)) in columns.as_ref().iter().zip(frames.chunks_mut(each).skip(self.first)).enumerate() {
            if self.live >> lane & 1 != 0 {
                put(frame, at, column.map(value));
            }
        }
    }
}

/// `samples[lane]` holds two samples per octet; `octets` takes the frames of all lanes end to end.
#[inline(always)]
pub(super) fn encode<L: Lanes>(l: L, tick: &mut Tick<'_>, samples: &[&[i16]], octets: &mut [u8]) {
    for first in (0..LANES).step_by(L::LANES) {
        let Some(block) = Block::at(l, first, tick.live) else { continue };
        for at in (0..tick.octets).step_by(SEGMENT) {
            let count = SEGMENT.min(tick.octets - at);
            let scratch = &mut *tick.scratch;
            bank::enter(l, &block, tick.rows, BANK, &mut scratch.even);
            bank::enter(l, &block, tick.rows, BANK + TAPS, &mut scratch.odd);
            let (even, _) = l.rows_mut(&mut scratch.even.samples.flat()[TAPS * L::LANES..]);
            let (odd, _) = l.rows_mut(&mut scratch.odd.samples.flat()[TAPS * L::LANES..]);
            let parts = even.as_chunks_mut::<4>().0.iter_mut().zip(odd.as_chunks_mut::<4>().0).take(count.div_ceil(4));
            for (part, (even, odd)) in parts.enumerate() {
                let rows = block.gather(l, samples, 2 * at + 8 * part);
                for i in 0..4 {
                    l.store(rows[2 * i], &mut even[i]);
                    l.store(rows[2 * i + 1], &mut odd[i]);
                }
            }
            bank::analyse(l, scratch, count);
            band::encode(l, &block, tick.rows, scratch, count);
            let (codes, _) = l.rows(scratch.codes.flat());
            for (part, from) in codes.as_chunks::<8>().0.iter().take(count.div_ceil(8)).enumerate() {
                let mut rows = [l.splat(0); 8];
                for (row, from) in rows.iter_mut().zip(from) {
                    *row = l.load(from);
                }
                block.scatter(l, rows, octets, tick.octets, at + 8 * part, |code| code as u8);
            }
            bank::leave(l, &block, &mut scratch.even, count, tick.rows, BANK);
            bank::leave(l, &block, &mut scratch.odd, count, tick.rows, BANK + TAPS);
        }
    }
}

/// `octets[lane]` is a frame; `samples` takes two samples per octet of all lanes end to end.
#[inline(always)]
pub(super) fn decode<L: Lanes>(l: L, mode: Mode, tick: &mut Tick<'_>, octets: &[&[u8]], samples: &mut [i16]) {
    for first in (0..LANES).step_by(L::LANES) {
        let Some(block) = Block::at(l, first, tick.live) else { continue };
        for at in (0..tick.octets).step_by(SEGMENT) {
            let count = SEGMENT.min(tick.octets - at);
            let scratch = &mut *tick.scratch;
            let (codes, _) = l.rows_mut(scratch.codes.flat());
            for (part, to) in codes.as_chunks_mut::<8>().0.iter_mut().enumerate().take(count.div_ceil(8)) {
                let rows = block.gather(l, octets, at + 8 * part);
                for (row, to) in rows.into_iter().zip(to) {
                    l.store(row, to);
                }
            }
            band::decode(l, mode, &block, tick.rows, scratch, count);
            bank::enter(l, &block, tick.rows, BANK, &mut scratch.even);
            bank::enter(l, &block, tick.rows, BANK + TAPS, &mut scratch.odd);
            bank::synthesise(l, scratch, count);
            let (low, high) = (l.rows(scratch.low.flat()).0, l.rows(scratch.high.flat()).0);
            let parts = low.as_chunks::<4>().0.iter().zip(high.as_chunks::<4>().0).take(count.div_ceil(4));
            for (part, (first, second)) in parts.enumerate() {
                let mut rows = [l.splat(0); 8];
                for i in 0..4 {
                    rows[2 * i] = l.load(&first[i]);
                    rows[2 * i + 1] = l.load(&second[i]);
                }
                block.scatter(l, rows, samples, 2 * tick.octets, 2 * at + 8 * part, |sample| sample);
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
            let mut values = l.columns();
            for (to, column) in values.as_mut().iter_mut().zip(&columns[first..]) {
                *to = column.0.as_chunks().0[part];
            }
            for (value, row) in l.gather(&values).into_iter().zip(rows) {
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
            let mut values = [l.splat(0); 8];
            for (value, row) in values.iter_mut().zip(&rows.0[8 * part..]) {
                *value = l.load(&l.rows(&row[first..]).0[0]);
            }
            for (column, values) in columns[first..].iter_mut().zip(l.scatter(values).as_ref()) {
                column.0.as_chunks_mut().0[part] = *values;
            }
        }
    }
}

/// Eight values of a frame from `at`, filled up with zeros past its end.
#[inline(always)]
fn eight<T: Copy + Default>(frame: &[T], at: usize) -> [T; 8] {
    match frame.get(at..).and_then(<[T]>::first_chunk) {
        Some(values) => *values,
        None => the_rest(frame, at),
    }
}

#[cold]
#[inline(never)]
fn the_rest<T: Copy + Default>(frame: &[T], at: usize) -> [T; 8] {
    std::array::from_fn(|i| frame.get(at + i).copied().unwrap_or_default())
}

/// Writes eight values to a frame from `at`, as far as it goes.
#[inline(always)]
fn put<T: Copy>(frame: &mut [T], at: usize, values: [T; 8]) {
    match frame.get_mut(at..).and_then(<[T]>::first_chunk_mut) {
        Some(to) => *to = values,
        None => put_the_rest(frame, at, values),
    }
}

#[cold]
#[inline(never)]
fn put_the_rest<T: Copy>(frame: &mut [T], at: usize, values: [T; 8]) {
    for (to, value) in frame.iter_mut().skip(at).zip(values) {
        *to = value;
    }
}
