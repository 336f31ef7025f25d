//! Hears a tone: which frequency, how loud, how clean.
//!
//! Shape:  samples of one stream at 8 kHz in, [`Heard`] out; the newest second is kept (8000 samples).
//! Units:  Hz; level in dBov, where 0 dBov is the power of a full-scale square wave (RFC 6464 §3), so a
//!         full-scale sine is −3.01 dBov.
//! Errors: none; too little sound is `None`.
//! Method: scan of the spectrum by Goertzel, refined to 0.1 Hz, then a least-squares sine; what the sine does not
//!         explain is noise.

use std::collections::VecDeque;
use std::f64::consts::TAU;

/// Samples a second.
pub const SAMPLE_RATE_HZ: f64 = 8000.0;
/// One second.
const KEPT_SAMPLES: usize = 8000;
/// A tenth of a second: under it a frequency means nothing.
const LEAST_SAMPLES: usize = 800;

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// Frequency of the strongest tone.
    pub tone_hz: f64,
    /// Its level.
    pub level_dbov: f64,
    /// Tone over everything else.
    pub snr_db: f64,
}

/// The newest second of a stream.
#[derive(Debug, Default)]
pub struct Ear {
    samples: VecDeque<i16>,
}

impl Ear {
    /// Adds samples of the stream, in order.
    pub fn hear(&mut self, samples: &[i16]) {
        self.samples.extend(samples);
        let excess = self.samples.len().saturating_sub(KEPT_SAMPLES);
        self.samples.drain(..excess);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.samples.clear();
    }

    /// The tone in what was heard, `None` under a tenth of a second of sound or in digital silence.
    pub fn tone(&self) -> Option<Heard> {
        if self.samples.len() < LEAST_SAMPLES {
            return None;
        }
        let samples: Vec<f64> = self.samples.iter().map(|&sample| f64::from(sample) / 32768.0).collect();
        let power: f64 = samples.iter().map(|x| x * x).sum::<f64>() / samples.len() as f64;
        if power < 1e-10 {
            return None;
        }
        // A tenth of a second has lobes of 10 Hz: a scan in steps of 5 Hz cannot fall between them.
        let newest = samples.get(samples.len() - LEAST_SAMPLES..).unwrap_or(&samples);
        let coarse = strongest(newest, (10..=780).map(|step| f64::from(step) * 5.0));
        let fine = strongest(&samples, (-100..=100).map(|step| coarse + f64::from(step) * 0.1));
        let tone = fit(&samples, fine);
        let noise = (power - tone).max(1e-12);
        Some(Heard { tone_hz: fine, level_dbov: 10.0 * tone.log10(), snr_db: 10.0 * (tone / noise).log10() })
    }

    /// Level in dBov of the sine of this frequency in the newest `samples`, however much else is heard; −99 for none.
    pub fn level_dbov(&self, hz: f64, samples: usize) -> f64 {
        let from = self.samples.len().saturating_sub(samples);
        let newest: Vec<f64> = self.samples.iter().skip(from).map(|&sample| f64::from(sample) / 32768.0).collect();
        if newest.len() < LEAST_SAMPLES { SILENCE_DBOV } else { (10.0 * fit(&newest, hz).max(1e-12).log10()).max(SILENCE_DBOV) }
    }
}

/// What [`Ear::level_dbov`] calls nothing: under the smallest step of G.711.
const SILENCE_DBOV: f64 = -99.0;

fn strongest(samples: &[f64], frequencies: impl Iterator<Item = f64>) -> f64 {
    let mut best = (0.0, 0.0);
    for hz in frequencies {
        let power = fit(samples, hz);
        if power > best.1 {
            best = (hz, power);
        }
    }
    best.0
}

/// Power of the least-squares sine of this frequency.
fn fit(samples: &[f64], hz: f64) -> f64 {
    let (mut cc, mut ss, mut cs, mut xc, mut xs) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let step = TAU * hz / SAMPLE_RATE_HZ;
    let (rotate_sin, rotate_cos) = step.sin_cos();
    let (mut c, mut s) = (1.0_f64, 0.0_f64);
    for &x in samples {
        cc += c * c;
        ss += s * s;
        cs += c * s;
        xc += x * c;
        xs += x * s;
        (c, s) = (c * rotate_cos - s * rotate_sin, s * rotate_cos + c * rotate_sin);
    }
    let determinant = cc * ss - cs * cs;
    if determinant.abs() < 1e-9 {
        return 0.0;
    }
    let a = (xc * ss - xs * cs) / determinant;
    let b = (xs * cc - xc * cs) / determinant;
    (a * xc + b * xs).max(0.0) / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((TAU * hz * n as f64 / SAMPLE_RATE_HZ).sin() * amplitude) as i16).collect()
    }

    #[test]
    fn a_sine_is_heard_at_its_frequency_and_level() {
        for hz in [100.0, 440.0, 1004.0, 3400.0] {
            let mut ear = Ear::default();
            ear.hear(&sine(hz, 8192.0, 4000));
            let heard = ear.tone().unwrap();
            assert!((heard.tone_hz - hz).abs() < 0.5, "{heard:?} for {hz}");
            // A quarter of full scale: −12.04 − 3.01.
            assert!((heard.level_dbov + 15.05).abs() < 0.05, "{heard:?}");
            assert!(heard.snr_db > 60.0, "{heard:?}");
        }
    }

    #[test]
    fn two_tones_at_once_have_a_level_each() {
        let mut ear = Ear::default();
        let sum: Vec<i16> = sine(440.0, 8192.0, 4000).iter().zip(sine(1000.0, 4096.0, 4000)).map(|(a, b)| a + b).collect();
        ear.hear(&sum);
        assert!((ear.level_dbov(440.0, 2000) + 15.05).abs() < 0.1, "{}", ear.level_dbov(440.0, 2000));
        assert!((ear.level_dbov(1000.0, 2000) + 21.07).abs() < 0.1, "{}", ear.level_dbov(1000.0, 2000));
        assert!(ear.level_dbov(700.0, 2000) < -60.0);
    }

    #[test]
    fn a_gap_costs_snr() {
        let mut samples = sine(440.0, 8192.0, 8000);
        samples[4000..4160].fill(0);
        let mut ear = Ear::default();
        ear.hear(&samples);
        let heard = ear.tone().unwrap();
        assert!(heard.snr_db < 20.0, "{heard:?}");
    }

    #[test]
    fn silence_and_too_little_sound_are_no_tone() {
        let mut ear = Ear::default();
        ear.hear(&sine(440.0, 8192.0, 100));
        assert_eq!(ear.tone(), None);
        ear.hear(&[0; 8000]);
        assert_eq!(ear.tone(), None);
    }
}
