//! Voice activity by energy over a noise floor that follows the line.
//! Shape:  one decision per frame, from its energy (`Kernels::meter`), so a frame that was measured anyway costs nothing more.
//! Rules:  the floor falls with the quietest frame at once and rises by 3 dB a second; speech is 6 dB above it and above -60 dBov, and
//!         goes on for 200 ms after the last frame that was.
//! Errors: none.

use crate::meter::Energy;

/// How far above the floor speech is: 6 dB.
const MARGIN: f32 = 4.0;
/// What is quieter than this is never speech: -60 dBov.
const LEAST: f32 = 32768.0 * 32768.0 * 1e-6;
/// The floor is never lower than this: -75 dBov, about the idle noise of G.711.
const FLOOR_LEAST: f32 = 32768.0 * 32768.0 * 3.2e-8;
/// Rise of the floor: 3 dB a second, as a natural exponent.
const RISE_PER_SECOND: f32 = 0.69;
/// How long speech is held: 200 ms.
const HOLD_SECONDS: f32 = 0.2;

/// Voice activity of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vad {
    rate_hz: f32,
    /// Mean square of the background.
    floor: f32,
    /// Samples for which speech is still held.
    hold: f32,
}

impl Vad {
    /// For a stream at this sample rate; begins with the floor at -50 dBov.
    pub const fn new(rate_hz: u32) -> Self {
        Self { rate_hz: rate_hz as f32, floor: 32768.0 * 32768.0 * 1e-5, hold: 0.0 }
    }

    /// Whether a frame is speech.
    pub fn is_speech(&mut self, frame: Energy) -> bool {
        if frame.samples == 0 {
            return self.hold > 0.0;
        }
        let power = frame.squares as f32 / frame.samples as f32;
        let rise = (RISE_PER_SECOND * frame.samples as f32 / self.rate_hz).exp();
        self.floor = (self.floor * rise).min(power).max(FLOOR_LEAST);
        if power > LEAST && power > self.floor * MARGIN {
            self.hold = HOLD_SECONDS * self.rate_hz;
            true
        } else {
            let held = self.hold > 0.0;
            self.hold = (self.hold - frame.samples as f32).max(0.0);
            held
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;
    use crate::testing::{Random, samples};

    fn decisions(signal: &[i16], rate_hz: u32) -> Vec<bool> {
        let (kernels, mut vad) = (Kernels::best(), Vad::new(rate_hz));
        signal.chunks(rate_hz as usize / 50).map(|frame| vad.is_speech(kernels.meter.energy(frame))).collect()
    }

    #[test]
    fn speech_is_found_and_its_pauses_too() {
        let speech = samples("g722/wb_speech.s16");
        let found = decisions(&speech, 16000);
        let kernels = Kernels::best();
        let loud: Vec<_> = speech.chunks(320).map(|frame| kernels.meter.energy(frame).dbov() > -35.0).collect();
        let missed = loud.iter().zip(&found).filter(|(loud, found)| **loud && !**found).count();
        assert_eq!(missed, 0);
        assert!(found.iter().filter(|found| !**found).count() > found.len() / 20, "no pause found");
    }

    #[test]
    fn steady_noise_is_not_speech_for_long_at_any_level() {
        let mut random = Random(61);
        for shift in 2..15 {
            let noise: Vec<_> = (0..8000 * 20).map(|_| random.sample() >> shift).collect();
            let found = decisions(&noise, 8000);
            assert!(found.iter().skip(900).all(|found| !found), "{shift}");
        }
        assert!(decisions(&[0; 16000], 8000).iter().all(|found| !found));
    }

    #[test]
    fn speech_is_held_for_200_ms_and_a_missing_frame_decides_nothing() {
        let mut vad = Vad::new(8000);
        let energy = |squares| Energy { squares, samples: 160 };
        assert!(!vad.is_speech(energy(160)));
        assert!(vad.is_speech(energy(160 * 4_000_000)));
        let held = (0..20).take_while(|_| vad.is_speech(energy(160))).count();
        assert_eq!(held, 10);
        assert!(!vad.is_speech(Energy::default()));
    }
}
