//! Plays a spec at a sample rate.
//! Shape:  any number of samples per call; the sequence goes on from call to call. A section that does not end on a sample is rounded.
//! Units:  the phase of a tone is a 32-bit fraction of a turn, so it wraps by itself and never drifts.
//! Errors: none. A tone at or above half the sample rate is left out.
//! Source: the polynomial is the sine's series to the ninth power; over a quarter turn its error is below 2^-17.

use super::Spec;
use super::spec::{Section, TONES_MAX};

/// Whether a spec starts again at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It is played once.
    Once,
    /// It is played until dropped.
    Forever,
}

/// A spec being played.
#[derive(Debug, Clone)]
pub struct Generator {
    spec: Spec,
    rate_hz: u32,
    repeat: Repeat,
    section: usize,
    /// Samples of the section that are over.
    at: u64,
    phases: [u32; TONES_MAX],
}

/// Samples made at a time; a sweep is a chain of steady steps of this length.
const STEP: usize = 16;

impl Generator {
    /// Plays `spec` at `rate_hz` from its beginning.
    pub const fn new(spec: Spec, rate_hz: u32, repeat: Repeat) -> Self {
        Self { spec, rate_hz, repeat, section: 0, at: 0, phases: [0; TONES_MAX] }
    }

    /// Fills `out` and returns how many samples are of the spec; behind its end there is silence.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut done = 0;
        // A spec without length ends at once, else it would never fill anything.
        let endless = self.repeat == Repeat::Forever && self.spec.sections().iter().any(|section| self.samples(section) > 0);
        while done < out.len() {
            let Some(section) = self.spec.sections().get(self.section) else {
                if !endless {
                    break;
                }
                self.section = 0;
                continue;
            };
            let length = self.samples(section);
            let left = length.saturating_sub(self.at);
            if left == 0 {
                (self.section, self.at, self.phases) = (self.section + 1, 0, [0; TONES_MAX]);
                continue;
            }
            let count = usize::try_from(left).unwrap_or(STEP).min(STEP).min(out.len() - done);
            let part = &mut out[done..done + count];
            play(
                section,
                self.rate_hz,
                self.at as f32 / length as f32,
                (self.at + count as u64) as f32 / length as f32,
                &mut self.phases,
                part,
            );
            self.at += count as u64;
            done += count;
        }
        out[done..].fill(0);
        done
    }

    /// Whether the spec has been played.
    pub fn is_over(&self) -> bool {
        self.repeat == Repeat::Once && {
            let later = self.spec.sections().iter().enumerate().skip(self.section);
            later.map(|(i, section)| self.samples(section).saturating_sub(if i == self.section { self.at } else { 0 })).sum::<u64>() == 0
        }
    }

    fn samples(&self, section: &Section) -> u64 {
        u64::from(section.ms) * u64::from(self.rate_hz) / 1000
    }
}

/// Up to `STEP` samples of a section, from one part of it to another.
fn play(section: &Section, rate_hz: u32, from: f32, to: f32, phases: &mut [u32; TONES_MAX], out: &mut [i16]) {
    let mut sum = [0.0; STEP];
    let middle = (from + to) / 2.0;
    for (tone, phase) in section.tones_hz.iter().zip(phases) {
        let hz = tone.from + (tone.to - tone.from) * middle;
        let turns = f64::from(hz) / f64::from(rate_hz);
        if turns >= 0.5 {
            continue;
        }
        let step = (turns * 4_294_967_296.0).round() as u32;
        for (i, sum) in sum.iter_mut().enumerate() {
            *sum += sine(phase.wrapping_add(step.wrapping_mul(i as u32)));
        }
        *phase = phase.wrapping_add(step.wrapping_mul(out.len() as u32));
    }
    let scale = 32767.0 / section.tones_hz.len().max(1) as f32;
    let (a, b) = (section.amplitude.from, section.amplitude.to);
    let (first, slope) = (scale * (a + (b - a) * from), scale * (b - a) * (to - from) / out.len() as f32);
    for (i, (out, sum)) in out.iter_mut().zip(sum).enumerate() {
        *out = ((first + slope * i as f32) * sum).round_ties_even() as i16;
    }
}

/// Sine of a phase in 2^-32 turns.
#[inline(always)]
fn sine(phase: u32) -> f32 {
    // In half turns, -1 to 1; folded to a quarter turn either way.
    let x = phase.cast_signed() as f32 / 2_147_483_648.0;
    let x = if x.abs() > 0.5 { x.signum() - x } else { x };
    let y = x * x;
    x * (std::f32::consts::PI + y * (-5.167_712_7 + y * (2.550_163 + y * (-0.599_264_5 + y * 0.082_145_9))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::{Detector, Digit, Event};
    use crate::{Kernels, meter};

    fn play_all(text: &str, rate_hz: u32) -> Vec<i16> {
        let spec = Spec::parse(text).unwrap();
        let mut out = vec![0; (spec.ms() * u64::from(rate_hz) / 1000) as usize];
        let mut generator = Generator::new(spec, rate_hz, Repeat::Once);
        assert_eq!(generator.fill(&mut out), out.len());
        assert!(generator.is_over());
        out
    }

    #[test]
    fn the_polynomial_is_a_sine() {
        for i in 0..100_000_u32 {
            let phase = i.wrapping_mul(42_949_673);
            let exact = (f64::from(phase) / 4_294_967_296.0 * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(phase)) - exact).abs() < 4e-6, "{phase}");
        }
    }

    #[test]
    fn a_tone_has_the_frequency_and_level_asked_for() {
        let out = play_all("1000*0.5:1000", 8000);
        for (n, x) in out.iter().enumerate() {
            let exact = 16383.5 * (std::f64::consts::TAU * n as f64 / 8.0).sin();
            assert!((f64::from(*x) - exact).abs() < 1.0, "{n}");
        }
        let both = meter::Energy { squares: 0, samples: 0 };
        let mut both = both;
        both += Kernels::best().meter.energy(&play_all("350+440*1:1000", 8000));
        assert!((both.dbov() + 6.02).abs() < 0.1, "two sines at half scale: {}", both.dbov());
    }

    #[test]
    fn cadence_silence_and_cuts_are_as_written() {
        let out = play_all("440/0:375/375", 8000);
        assert!(out[..3000].iter().any(|x| *x != 0) && out[3000..].iter().all(|x| *x == 0));
        let mut generator = Generator::new(Spec::parse("440/0:375/375").unwrap(), 8000, Repeat::Once);
        let mut cut = vec![];
        for len in (1..).take(200) {
            let mut part = vec![7; len];
            let done = generator.fill(&mut part);
            assert!(part[done..].iter().all(|x| *x == 0));
            cut.extend_from_slice(&part[..done]);
        }
        // A cut changes where steps begin, not what they play.
        assert_eq!(cut.len(), out.len());
        assert!(cut.iter().zip(&out).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    #[test]
    fn forever_starts_again_and_nothing_at_all_ends() {
        let mut generator = Generator::new(Spec::parse("440:1").unwrap(), 8000, Repeat::Forever);
        let mut out = [0; 160];
        assert_eq!((generator.fill(&mut out), generator.is_over()), (160, false));
        assert_eq!(out[..8], out[8..16]);
        let mut generator = Generator::new(Spec::parse("440:0").unwrap(), 8000, Repeat::Forever);
        assert_eq!(generator.fill(&mut out), 0);
    }

    #[test]
    fn a_sweep_ends_where_it_should_and_tones_above_half_the_rate_are_silent() {
        let out = play_all("300~3400:2000", 8000);
        let crossings = |part: &[i16]| part.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!(crossings(&out[..800]).abs_diff(38) <= 2, "{}", crossings(&out[..800]));
        assert!(crossings(&out[out.len() - 800..]).abs_diff(332) <= 3, "{}", crossings(&out[out.len() - 800..]));
        assert!(play_all("5000:100", 8000).iter().all(|x| *x == 0));
    }

    #[test]
    fn the_detector_hears_every_digit_that_is_generated() {
        let kernels = Kernels::best();
        for event in 0..16 {
            let digit = Digit::from_event(event).unwrap();
            let mut out = [0; 800];
            Generator::new(Spec::digit(digit, 0.4, 60, 40), 8000, Repeat::Once).fill(&mut out);
            let mut heard = vec![];
            kernels.dtmf.listen(&mut Detector::new(), &out, |event| heard.push(event));
            assert_eq!(heard.first(), Some(&Event::Start(digit)));
        }
    }
}
