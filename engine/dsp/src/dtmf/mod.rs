//! DTMF in the audio: which digit is pressed, when it starts and when it ends.
//!   frames ─► blocks of 102 samples ─► spectrum at eight frequencies ─► two blocks agree ─► event
//! Shape:  frames of any length at 8 kHz; at most two events per block of 12.75 ms.
//! Rules:  both tones above -42 dBm0, together at least 82 % of the block's energy (speech is not); the high one at most 4 dB above the
//!         low one or 8 dB below it; every other tone of the group 8 dB down. A digit starts or ends when two blocks say so: 40 ms on and
//!         40 ms off are found, 20 ms are not. A digit that is held needs less purity to go on, so a drop-out of 8 ms does not double it.
//! Units:  samples at 8 kHz; powers as the square of the amplitude of a sine.
//! Speed:  a block is sixteen dot products of 16-bit values, or eight where the high group alone rules a digit out, as in most speech: no
//!         recursion as in Goertzel's, so it is vectorised inside the block.
//! Errors: none.
//! Source: ITU-T Q.23 (frequencies), Q.24 (what to accept and reject).

#![allow(unsafe_code)]

mod block;
mod digit;
#[cfg(test)]
mod tests;
mod tone;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::kernels::{Isa, Level};
use block::{Block, Spectrum};
pub use digit::{Digit, HIGH_HZ, LOW_HZ};
pub use tone::tones;

/// Samples of a block: 12.75 ms. The main lobe of its spectrum is as wide as Q.24 lets a frequency be off.
const BLOCK: usize = 102;

/// What happened in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A digit has been pressed.
    Start(Digit),
    /// It has been let go.
    End {
        /// Which.
        digit: Digit,
        /// How long it was heard, in samples, to a block.
        samples: u32,
    },
}

/// Detector state of one channel, 320 octets.
#[derive(Debug, Clone)]
pub struct Detector {
    block: Block,
    filled: usize,
    pressed: Option<Digit>,
    last: Option<Digit>,
    held_samples: u32,
}

impl Detector {
    /// A detector that has heard nothing.
    pub const fn new() -> Self {
        Self { block: Block::SILENCE, filled: 0, pressed: None, last: None, held_samples: 0 }
    }

    /// The digit that is held at this moment.
    pub const fn pressed(&self) -> Option<Digit> {
        self.pressed
    }

    /// Takes a block's verdict.
    fn decide(&mut self, heard: Option<Digit>, report: &mut impl FnMut(Event)) {
        let changed = heard != self.pressed && self.last != self.pressed;
        // A start needs two blocks of one digit, an end two blocks of anything else.
        let now = heard.filter(|_| heard == self.last);
        self.last = heard;
        self.held_samples = self.held_samples.saturating_add(BLOCK as u32);
        if !changed {
            return;
        }
        if let Some(digit) = self.pressed {
            report(Event::End { digit, samples: self.held_samples.saturating_sub(2 * BLOCK as u32) });
        }
        if let Some(digit) = now {
            report(Event::Start(digit));
        }
        self.pressed = now;
        self.held_samples = 2 * BLOCK as u32;
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

/// The DTMF kernel of one level.
#[derive(Debug, Clone, Copy)]
pub struct Dtmf {
    spectrum: unsafe fn(&Block, bool) -> Spectrum,
}

impl Dtmf {
    /// The kernel of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        let spectrum: unsafe fn(&Block, bool) -> Spectrum = match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::avx512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::avx2,
            // The compiler makes sums of pair products of the plain loop; arrays as rows were three times slower.
            Isa::Portable | Isa::Scalar => block::scalar,
        };
        Self { spectrum }
    }

    /// Listens to a frame and gives every event in it to `report`.
    pub fn listen(&self, detector: &mut Detector, frame: &[i16], mut report: impl FnMut(Event)) {
        let mut rest = frame;
        while !rest.is_empty() {
            let room = BLOCK - detector.filled;
            let (now, later) = rest.split_at(room.min(rest.len()));
            detector.block.put(detector.filled, now);
            detector.filled += now.len();
            rest = later;
            if detector.filled == BLOCK {
                detector.filled = 0;
                // SAFETY: `new` took a level that the CPU has.
                let spectrum = unsafe { (self.spectrum)(&detector.block, detector.pressed.is_some()) };
                let heard = spectrum.digit(detector.pressed);
                detector.decide(heard, &mut report);
            }
        }
    }
}
