//! Any sample rate to any other: for sound files at 11.025, 22.05, 24, 32, 44.1 or 48 kHz.
//!   input sample ─► history ─► for each output due before the next one: its phase of the filter over the history
//! Shape:  a stream, cut anywhere; the number of outputs after n inputs is the ratio times n, rounded up, exactly and for ever.
//! Units:  16-bit samples, f32 sums. The delay is `delay_samples` of the output.
//! Filter: Kaiser-windowed sinc, flat to 85 % of half the lower rate and 70 dB down from that half on, so nothing folds back.
//! Memory: taps for every phase, made at `new`: 27 KiB from 48 to 8 kHz, 300 KiB from 11.025 to 16.
//! Errors: `RateError` for rates outside of 4 to 192 kHz, or a ratio that needs more than 1024 phases.
//! Why ours: the kept crates (rubato 5) resample by a ratio that may drift, or in blocks by FFT, and bring ten crates with them.

use std::fmt;

/// Lowest and highest rate.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4000..=192_000;
/// Most phases: 11 025 to 16 000 needs 640.
const PHASES_MAX: u32 = 1024;
/// Kaiser's shape for 70 dB.
const BETA: f64 = 6.76;
/// Taps by transition width as a part of the sample rate: (70 - 7.95) / 14.36.
const TAPS_PER_WIDTH: f64 = 4.32;
/// Values summed side by side.
const LANES: usize = 8;

/// A conversion from one rate to another that goes on from call to call.
#[derive(Debug, Clone)]
pub struct Rational {
    /// `phases` rows of `taps`, oldest sample first.
    filter: Vec<f32>,
    taps: usize,
    /// Outputs per `step` inputs.
    phases: u32,
    step: u32,
    /// Where the next output falls behind the latest input, in parts of an input sample.
    due: u32,
    /// The latest `taps` inputs end at `end`; twice as long, so that they stand in one piece.
    history: Vec<f32>,
    end: usize,
}

/// Why a conversion is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateError {
    /// A rate outside of 4 to 192 kHz.
    OutOfRange(u32),
    /// Two rates without a common measure that is large enough.
    TooOdd {
        /// From this.
        from_hz: u32,
        /// To this.
        to_hz: u32,
    },
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(hz) => write!(f, "{hz} Hz is outside of 4000 to 192000"),
            Self::TooOdd { from_hz, to_hz } => write!(f, "{from_hz} to {to_hz} Hz needs more than {PHASES_MAX} phases"),
        }
    }
}

impl std::error::Error for RateError {}

impl Rational {
    /// Prepares a conversion.
    ///
    /// # Errors
    /// `OutOfRange`, `TooOdd`.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        if let Some(hz) = [from_hz, to_hz].into_iter().find(|hz| !RATES_HZ.contains(hz)) {
            return Err(RateError::OutOfRange(hz));
        }
        let measure = common_measure(from_hz, to_hz);
        let (phases, step) = (to_hz / measure, from_hz / measure);
        if phases > PHASES_MAX {
            return Err(RateError::TooOdd { from_hz, to_hz });
        }
        // In parts of the input rate: half the lower rate, and the band below it in which the filter falls.
        let half = f64::from(from_hz.min(to_hz)) / 2.0 / f64::from(from_hz);
        let width = 0.15 * half;
        let taps = ((TAPS_PER_WIDTH / width).ceil() as usize).next_multiple_of(LANES);
        let cutoff = half - width / 2.0;
        let mut filter = Vec::with_capacity(taps * phases as usize);
        for phase in 0..phases {
            let row = (0..taps).map(|i| {
                // Distance of input i from the middle of the window, in input samples.
                let x = (i as f64 - (taps / 2) as f64) + (1.0 - f64::from(phase) / f64::from(phases));
                2.0 * cutoff * sinc(2.0 * cutoff * x) * kaiser(2.0 * x / taps as f64)
            });
            let row: Vec<f64> = row.collect();
            let sum: f64 = row.iter().sum();
            filter.extend(row.iter().map(|tap| (tap / sum) as f32));
        }
        Ok(Self { filter, taps, phases, step, due: 0, history: vec![0.0; 2 * taps], end: taps })
    }

    /// Takes samples and gives every one that is due to `out`.
    pub fn feed(&mut self, input: &[i16], mut out: impl FnMut(i16)) {
        for sample in input {
            self.push(f32::from(*sample));
            while self.due < self.phases {
                out(self.output());
                self.due += self.step;
            }
            self.due -= self.phases;
        }
    }

    /// Delay of the output, in its own samples.
    pub fn delay_samples(&self) -> usize {
        (self.taps / 2 - 1) * self.phases as usize / self.step as usize
    }

    fn push(&mut self, sample: f32) {
        if self.end == self.history.len() {
            self.history.copy_within(self.taps + 1.., 0);
            self.end = self.taps - 1;
        }
        self.history[self.end] = sample;
        self.end += 1;
    }

    fn output(&self) -> i16 {
        let taps = &self.filter[self.due as usize * self.taps..][..self.taps];
        let past = &self.history[self.end - self.taps..self.end];
        let mut sums = [0.0; LANES];
        for (taps, past) in taps.as_chunks::<LANES>().0.iter().zip(past.as_chunks::<LANES>().0) {
            for i in 0..LANES {
                sums[i] += taps[i] * past[i];
            }
        }
        sums.iter().sum::<f32>().round_ties_even() as i16 // saturates
    }
}

const fn common_measure(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_measure(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Kaiser's window at -1 to 1.
fn kaiser(x: f64) -> f64 {
    let bessel = |x: f64| {
        (1..30)
            .fold((1.0, 1.0), |(sum, term), k| {
                let term = term * (x / 2.0 / f64::from(k)).powi(2);
                (sum + term, term)
            })
            .0
    };
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES_HZ: [u32; 8] = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

    fn convert(from_hz: u32, to_hz: u32, hz: f64) -> Vec<i16> {
        let sine = |n: u32| (16_384.0 * (std::f64::consts::TAU * hz * f64::from(n) / f64::from(from_hz)).sin()).round() as i16;
        let mut out = vec![];
        Rational::new(from_hz, to_hz).unwrap().feed(&(0..from_hz / 2).map(sine).collect::<Vec<_>>(), |x| out.push(x));
        out
    }

    /// Amplitude at `hz` and the rms of the rest, of the settled part.
    fn measure(signal: &[i16], rate_hz: u32, hz: f64) -> (f64, f64) {
        super::super::tests::fit(&signal[signal.len() / 4..signal.len() * 3 / 4], f64::from(rate_hz), hz)
    }

    #[test]
    fn telephone_band_passes_and_nothing_folds_back_at_any_rate_of_a_file() {
        let db = |ratio: f64| 20.0 * ratio.max(1e-9).log10();
        for from in FILES_HZ {
            for to in [8000, 16_000] {
                for hz in [200.0, 1000.0, 3300.0] {
                    let (amplitude, rest) = measure(&convert(from, to, hz), to, hz);
                    assert!(db(amplitude / 16_384.0).abs() < 0.1, "{from} to {to}: {hz} Hz {} dB", db(amplitude / 16_384.0));
                    assert!(db(rest / 11_585.0) < -65.0, "{from} to {to}: {hz} Hz residue {} dB", db(rest / 11_585.0));
                }
                for hz in [4100.0, 5000.0, 7000.0, 9000.0, 12_000.0, 20_000.0] {
                    if 2.0 * hz < f64::from(from) && 2.0 * hz > f64::from(to) {
                        let out = convert(from, to, hz);
                        let (_, rest) = measure(&out, to, 1000.0);
                        assert!(db(rest / 11_585.0) < -65.0, "{from} to {to}: {hz} Hz comes through at {} dB", db(rest / 11_585.0));
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_are_exact_for_any_cut() {
        for from in FILES_HZ {
            let mut whole = vec![];
            let input: Vec<i16> = (0..5000_i32).map(|n| ((n * n) % 20_011 - 10_000) as i16).collect();
            Rational::new(from, 8000).unwrap().feed(&input, |x| whole.push(x));
            assert_eq!(whole.len(), (5000 * 8000_u64).div_ceil(u64::from(from)) as usize);
            let (mut cut, mut out) = (Rational::new(from, 8000).unwrap(), vec![]);
            input.chunks(37).for_each(|part| cut.feed(part, |x| out.push(x)));
            assert_eq!(out, whole);
        }
    }

    #[test]
    fn an_impulse_comes_out_after_the_delay() {
        let mut rational = Rational::new(48_000, 8000).unwrap();
        let (mut out, mut input) = (vec![], vec![0; 4800]);
        input[0] = i16::MAX;
        rational.feed(&input, |x| out.push(x));
        let peak = out.iter().enumerate().max_by_key(|(_, x)| **x).unwrap().0;
        assert!(peak.abs_diff(rational.delay_samples()) <= 1, "{peak} for {}", rational.delay_samples());
    }

    #[test]
    fn odd_rates_are_refused() {
        assert_eq!(Rational::new(3999, 8000).unwrap_err(), RateError::OutOfRange(3999));
        assert_eq!(Rational::new(44_101, 8000).unwrap_err(), RateError::TooOdd { from_hz: 44_101, to_hz: 8000 });
    }
}
