//! A far end whose decoder followed our encoder is left to another's encoder in a pause, not in the middle of a sound.
//!
//! ```text
//!   clock ends ─▶ alone, or a pair whose packets are made anew ─▶ QUIET_MS of a pause ─▶ relayed
//! ```
//! Life:   of the stream that goes out, not of a link: who was played a prompt and is then paired has followed our encoder as well.
//! Why:    G.722 and iLBC decode a frame by those before it. Where one encoder takes over from another in a loud sound, the decoder
//!         goes astray for some ms, to several times the level of what is said; in a pause the states of both are near their rest.
//!         The time by which what is made anew is later (1.4 ms of G.722, 5 or 10 of iLBC) is taken out where nothing is heard.
//! Pause:  what is quiet by itself, or beside what was said in the last seconds: behind a loud speaker the noise of a room is a pause.
//! Bounds: without a pause it goes on as long as the pair does: noise that is less than 22 dB below the voice has no place where another
//!         encoder would not be heard to take over. It costs two directions made anew, which `--max-transcodes` counts; where these
//!         have no room, the pair is relayed at once.
//! Not so: a source that comes to the codec of the far end in mid-call, from another one, is relayed at once.
//! Units:  samples of the codec's rate; ms.
//! Errors: none.

/// Samples up to this are a pause: -42 dBov, the room of most phones; its mean is some 10 dB less.
const QUIET: u16 = 256;
/// And up to so much below the loudest of late, 22 dB: what the decoder makes of it meanwhile, some 10 dB more, stays below the voice.
const BELOW: u16 = 12;
/// By so much the loudest is forgotten with each packet: by half in 178 of them, which are 3.5 s.
const FORGETS: u16 = 256;
/// How long a pause is, which the states have time to follow: step sizes fall by half in 5 ms (ITU-T G.722 §3.5).
const QUIET_MS: u8 = 60;

/// Whether what could be relayed is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Renewal {
    /// It is relayed.
    #[default]
    Off,
    /// It is made anew; as much of a pause was heard, ms.
    On {
        /// Up to [`u8::MAX`].
        quiet_ms: u8,
        /// The loudest of late.
        loudest: u16,
    },
}

impl Renewal {
    /// The far end has followed our encoder until now.
    pub const fn begin(&mut self) {
        *self = Self::On { quiet_ms: 0, loudest: 0 };
    }

    /// Samples were decoded that are said to the far end.
    pub fn hear(&mut self, samples: &[i16], rate_hz: u32) {
        let Self::On { quiet_ms, loudest } = self else { return };
        let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        *loudest = peak.max(*loudest - *loudest / FORGETS);
        let is_quiet = peak <= QUIET.max(*loudest / BELOW);
        let ms = (samples.len() as u64 * 1000).checked_div(u64::from(rate_hz)).unwrap_or(0);
        *quiet_ms = if is_quiet { quiet_ms.saturating_add(u8::try_from(ms).unwrap_or(u8::MAX)) } else { 0 };
    }

    /// Whether the next packet is made anew.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On { .. })
    }

    /// The pause is long enough: from the next packet on it may be relayed.
    pub const fn may_end(self) -> bool {
        matches!(self, Self::On { quiet_ms: QUIET_MS.., .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_sixty_ms_of_quiet_samples_in_a_row() {
        let mut renewal = Renewal::default();
        renewal.hear(&[0; 1600], 16_000);
        assert!(!renewal.is_on() && !renewal.may_end(), "it was never begun");
        renewal.begin();
        let mut hear = |level: i16, frames: usize| {
            (0..frames).for_each(|_| renewal.hear(&[level; 320], 16_000));
            (renewal.is_on(), renewal.may_end())
        };
        assert_eq!(hear(-256, 2), (true, false));
        assert_eq!(hear(-257, 1), (true, false));
        assert_eq!(hear(256, 2), (true, false));
        assert_eq!(hear(0, 1), (true, true));
        assert_eq!(hear(0, 1000), (true, true));
        assert_eq!(hear(i16::MIN, 1), (true, false));
        assert_eq!(hear(1900, 3), (true, true), "22 dB below what was said just now");
        assert_eq!(hear(1900, 120), (true, false), "it was too long ago");
        renewal.hear(&[0; 240], 8000);
        renewal.hear(&[0; 240], 8000);
        assert!(renewal.may_end());
    }
}
