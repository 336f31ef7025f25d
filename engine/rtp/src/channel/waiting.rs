//! What a channel has to say that does not fill a packet yet.
//!
//! ```text
//!   a frame each tick ─▶ push ─▶ front: a packet's worth ─▶ encoded ─▶ remove
//! ```
//! Shape:  one buffer, first in, first out; packets of up to 60 ms and a frame at 16 kHz.
//! Units:  samples at the rate of the codec.
//! Errors: what finds no room takes the place of all that waits: the codec was changed, and nobody will ask for that any more.

use super::frame::FRAME_MAX;

/// Samples that wait to be sent: up to 60 ms and a frame at 16 kHz.
#[derive(Debug, Clone)]
pub struct Waiting {
    samples: [i16; 4 * FRAME_MAX],
    len: usize,
}

impl Waiting {
    /// Nothing waits.
    pub const fn new() -> Self {
        Self { samples: [0; 4 * FRAME_MAX], len: 0 }
    }

    /// Puts a frame behind what waits; when there is no room, what waits is forgotten.
    pub fn push(&mut self, frame: &[i16]) {
        if self.len + frame.len() > self.samples.len() {
            self.len = 0;
        }
        if let Some(room) = self.samples.get_mut(self.len..self.len + frame.len()) {
            room.copy_from_slice(frame);
            self.len += frame.len();
        }
    }

    /// So many samples, if they are there; to be removed with [`Waiting::remove`].
    pub fn front(&self, samples: usize) -> Option<&[i16]> {
        self.samples.get(..self.len)?.get(..samples)
    }

    /// Whether so many samples are there; the `last` of all that wait are filled up with silence.
    pub fn has(&mut self, samples: usize, last: bool) -> bool {
        if last && !self.is_empty() && self.len < samples {
            self.fill_up(samples);
        }
        self.front(samples).is_some()
    }

    /// Removes samples from the front.
    pub fn remove(&mut self, samples: usize) {
        let samples = samples.min(self.len);
        self.samples.copy_within(samples..self.len, 0);
        self.len -= samples;
    }

    /// All that waits.
    pub fn all(&self) -> &[i16] {
        self.samples.get(..self.len).unwrap_or_default()
    }

    /// Nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts silence behind what waits, up to so many samples.
    pub fn fill_up(&mut self, samples: usize) {
        if let Some(room) = self.samples.get_mut(self.len..samples) {
            room.fill(0);
            self.len = samples;
        }
    }

    /// Forgets what waits.
    pub const fn clear(&mut self) {
        self.len = 0;
    }
}
