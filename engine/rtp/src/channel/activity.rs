//! Whether somebody speaks, as people mean it: not for a click, and still through the pauses between words.
//!
//! ```text
//!   silent ──3 loud frames in a row──► speaking          speaking ──25 quiet frames in a row──► silent
//! ```
//! Shape:  a few bytes per clocked channel, moved on once a tick.
//! Units:  frames of 20 ms; levels as mean squares of samples.
//! Errors: none.

/// Mean square from which a frame is loud: -50 dBov.
const LOUD: u64 = 104 * 104;
/// 60 ms: longer than a click, shorter than a syllable.
const FRAMES_TO_SPEAK: u8 = 3;
/// 500 ms: longer than the pause between words.
const FRAMES_TO_FALL_SILENT: u8 = 25;

/// The state of one voice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Activity {
    speaking: bool,
    /// Frames in a row that say otherwise.
    against: u8,
    level: u64,
}

impl Activity {
    /// Takes the next frame.
    pub const fn take(&mut self, mean_square: u64) {
        self.level = (7 * self.level + mean_square) / 8;
        let loud = mean_square >= LOUD;
        self.against = if loud == self.speaking { 0 } else { self.against + 1 };
        if self.against >= if self.speaking { FRAMES_TO_FALL_SILENT } else { FRAMES_TO_SPEAK } {
            (self.speaking, self.against) = (loud, 0);
        }
    }

    /// How loud it was lately, if it speaks.
    pub const fn speaks(&self) -> Option<u64> {
        if self.speaking { Some(self.level) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_is_no_speech_and_a_pause_no_silence() {
        let mut activity = Activity::default();
        let mut take = |frames: usize, level: u64| {
            (0..frames).for_each(|_| activity.take(level));
            activity.speaks().is_some()
        };
        assert!(!take(2, 1 << 20) && !take(5, 0) && !take(2, 1 << 20));
        assert!(take(1, 1 << 20));
        assert!(take(20, 0) && take(1, 1 << 20) && take(24, 0));
        assert!(!take(1, 0));
        assert!(!take(1000, LOUD - 1) && take(3, LOUD));
    }
}
