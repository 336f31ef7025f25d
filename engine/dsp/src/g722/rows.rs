//! Memory of the lanes: the state of 32 channels in rows, and what a frame needs while it is worked on.
//! Shape:  a row is one variable of 32 channels; narrower levels work on 16 or 8 lanes of it at a time.
//! Units:  frames are cut into segments of 40 octets (5 ms at 64 kbit/s), so that the scratch stays in the first-level cache.
//! Sizes:  rows 72 x 64 octets = 4.5 KiB; scratch 42 KiB at 32 lanes, of which 16 lanes touch half.
//! Errors: none.

use super::column::{Column, TAPS, WORDS};

/// Lanes of a group, at every level.
pub const LANES: usize = 32;
/// Octets worked on at a time.
pub(super) const SEGMENT: usize = 40;
/// Differences that the zero predictor remembers.
pub(super) const ZEROS: usize = 6;

/// State of 32 channels, one variable per row.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Rows(pub(super) [[i16; LANES]; WORDS]);

impl Rows {
    pub(super) const fn new() -> Self {
        Self([[0; LANES]; WORDS])
    }

    /// Copies a channel in. `lane` is below `LANES`.
    pub(super) fn insert(&mut self, lane: usize, column: &Column) {
        for (row, word) in self.0.iter_mut().zip(column.0) {
            row[lane] = word;
        }
    }

    /// Copies a channel out. `lane` is below `LANES`.
    pub(super) fn extract(&self, lane: usize) -> Column {
        Column(std::array::from_fn(|row| self.0[row][lane]))
    }
}

/// Rows of a segment, `N` of them.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Stretch<const N: usize>(pub(super) [[i16; LANES]; N]);

impl<const N: usize> Stretch<N> {
    const fn new() -> Self {
        Self([[0; LANES]; N])
    }

    /// All of it as one slice, to be cut into rows of the level's own width.
    pub(super) const fn flat(&mut self) -> &mut [i16] {
        self.0.as_flattened_mut()
    }
}

/// One phase of the filter bank: its samples, and each with the one before it as pairs.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    pub(super) samples: Stretch<{ TAPS + SEGMENT }>,
    pub(super) pairs: Stretch<{ 2 * (TAPS - 1 + SEGMENT) }>,
}

/// Differences of one band, oldest first: as they are, times four, and their signs.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) d: Stretch<{ ZEROS + SEGMENT }>,
    pub(super) d4: Stretch<{ ZEROS + SEGMENT }>,
    pub(super) sign: Stretch<{ ZEROS + SEGMENT }>,
}

/// Working memory of one core; any frame of any channel uses it in turn.
#[derive(Debug, Clone)]
pub struct Scratch {
    pub(super) even: Phase,
    pub(super) odd: Phase,
    pub(super) low: Stretch<SEGMENT>,
    pub(super) high: Stretch<SEGMENT>,
    pub(super) codes: Stretch<SEGMENT>,
    pub(super) low_past: Past,
    pub(super) high_past: Past,
}

impl Scratch {
    /// Allocates it, once per core.
    pub fn new() -> Box<Self> {
        const PHASE: Phase = Phase { samples: Stretch::new(), pairs: Stretch::new() };
        const PAST: Past = Past { d: Stretch::new(), d4: Stretch::new(), sign: Stretch::new() };
        Box::new(Self {
            even: PHASE,
            odd: PHASE,
            low: Stretch::new(),
            high: Stretch::new(),
            codes: Stretch::new(),
            low_past: PAST,
            high_past: PAST,
        })
    }
}
