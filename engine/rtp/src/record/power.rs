//! Power of a channel, averaged over the last frames.
//!
//! Shape:  a ring of mean squares; the average counts frames that were not there yet as silence.
//! Units:  16-bit samples; marks are roots of mean squares.
//! Errors: none.

use dsp::meter::Energy;

/// The average.
#[derive(Debug)]
pub(super) struct Power {
    frames: Box<[u64]>,
    next: usize,
    sum: u64,
    filled: usize,
}

impl Power {
    /// Over so many frames.
    pub fn new(frames: u16) -> Self {
        Self { frames: vec![0; usize::from(frames.max(1))].into(), next: 0, sum: 0, filled: 0 }
    }

    /// A frame.
    pub fn add(&mut self, energy: Energy) {
        let square = energy.squares / energy.samples.max(1);
        if let Some(oldest) = self.frames.get_mut(self.next) {
            self.sum = self.sum - *oldest + square;
            *oldest = square;
        }
        self.next = (self.next + 1) % self.frames.len();
        self.filled = (self.filled + 1).min(self.frames.len());
    }

    /// As if there had been none.
    pub fn forget(&mut self) {
        self.frames.fill(0);
        (self.next, self.sum, self.filled) = (0, 0, 0);
    }

    /// The average is above a mark.
    pub fn is_above(&self, mark: u16) -> bool {
        self.mean() > u64::from(mark).pow(2)
    }

    /// The average is below a mark, and of as many frames as it should be.
    pub fn is_below(&self, mark: u16) -> bool {
        self.filled == self.frames.len() && self.mean() < u64::from(mark).pow(2)
    }

    fn mean(&self) -> u64 {
        self.sum / self.frames.len() as u64
    }
}
