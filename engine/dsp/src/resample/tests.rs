//! The half-band filter against the limits of the vector set, and every level against scalar.

use super::*;
use crate::testing::{Random, wav};

fn levels() -> impl Iterator<Item = (&'static str, Resample)> {
    Level::available().map(|level| (level.name(), Resample::new(level)))
}

/// Least-squares sine at `hz`: its amplitude, and the rms of what is left.
pub(super) fn fit(signal: &[i16], rate: f64, hz: f64) -> (f64, f64) {
    let turn = |n: usize| (std::f64::consts::TAU * hz / rate * n as f64).sin_cos();
    let (mut ss, mut cc, mut sc, mut sx, mut cx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, x) in signal.iter().enumerate() {
        let (s, c) = turn(n);
        let x = f64::from(*x);
        (ss, cc, sc, sx, cx) = (ss + s * s, cc + c * c, sc + s * c, sx + s * x, cx + c * x);
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((sx * cc - cx * sc) / det, (cx * ss - sx * sc) / det);
    let rest: f64 = signal.iter().enumerate().map(|(n, x)| (f64::from(*x) - a * turn(n).0 - b * turn(n).1).powi(2)).sum();
    (a.hypot(b), (rest / signal.len() as f64).sqrt())
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-9).log10()
}

const AMPLITUDE: f64 = 16384.0;
const RMS: f64 = AMPLITUDE * std::f64::consts::FRAC_1_SQRT_2;

/// The middle of each 0.25 s step at `rate`.
fn steps(signal: &[i16], rate: usize) -> impl Iterator<Item = &[i16]> {
    let edge = rate * 60 / 1000;
    signal.chunks(rate / 4).map(move |step| &step[edge..step.len() - edge])
}

#[test]
fn going_up_is_flat_to_3400_hz_and_leaves_no_image() {
    let input = wav("resampler/steps_8k.wav");
    for (name, resample) in levels() {
        let (mut channel, mut output) = (Upsampler::default(), vec![0; 2 * input.len()]);
        for (input, output) in input.chunks(160).zip(output.chunks_mut(320)) {
            resample.up(&mut channel, input, output);
        }
        for (step, hz) in steps(&output, 16000).zip([100.0, 300.0, 440.0, 1004.0, 2000.0, 3000.0, 3200.0, 3400.0]) {
            let (amplitude, rest) = fit(step, 16000.0, hz);
            assert!(db(amplitude / AMPLITUDE).abs() <= 0.5, "{name} {hz} Hz: gain {} dB", db(amplitude / AMPLITUDE));
            assert!(db(rest / RMS) <= -50.0, "{name} {hz} Hz: residue {} dB", db(rest / RMS));
        }
    }
}

#[test]
fn going_down_is_flat_to_3400_hz_and_silent_from_4600_hz() {
    let input = wav("resampler/steps_16k.wav");
    let tones = [100.0, 300.0, 440.0, 1004.0, 2000.0, 3000.0, 3400.0, 4600.0, 4800.0, 5200.0, 6000.0, 7000.0, 7800.0];
    for (name, resample) in levels() {
        let (mut channel, mut output) = (Downsampler::default(), vec![0; input.len() / 2]);
        for (input, output) in input.chunks(320).zip(output.chunks_mut(160)) {
            resample.down(&mut channel, input, output);
        }
        for (step, hz) in steps(&output, 8000).zip(tones) {
            let (amplitude, rest) = fit(step, 8000.0, hz);
            if hz <= 3400.0 {
                assert!(db(amplitude / AMPLITUDE).abs() <= 0.5, "{name} {hz} Hz: gain {} dB", db(amplitude / AMPLITUDE));
                assert!(db(rest / RMS) <= -50.0, "{name} {hz} Hz: residue {} dB", db(rest / RMS));
            } else {
                let rms = (step.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / step.len() as f64).sqrt();
                assert!(db(rms / RMS) <= -50.0, "{name} {hz} Hz: {} dB", db(rms / RMS));
            }
        }
    }
}

#[test]
fn every_level_equals_scalar_on_any_cut_of_the_stream() {
    let mut random = Random(7);
    let noise: Vec<i16> = (0..20_000).map(|_| random.sample()).collect();
    let square: Vec<i16> = (0..20_000).map(|n| if n / 9 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let scalar = Resample::new(Level::named("scalar").unwrap());
    for (name, resample) in levels() {
        for input in [&noise, &square] {
            let (mut expected_up, mut expected_down) = (vec![0; 40_000], vec![0; 10_000]);
            scalar.up(&mut Upsampler::default(), input, &mut expected_up);
            scalar.down(&mut Downsampler::default(), input, &mut expected_down);
            let (mut up, mut down) = (Upsampler::default(), Downsampler::default());
            let mut at = 0;
            while at < input.len() {
                let take = (2 * (random.next() as usize % 200)).min(input.len() - at);
                let mut output = vec![0; 2 * take];
                resample.up(&mut up, &input[at..at + take], &mut output);
                assert!(output == expected_up[2 * at..2 * (at + take)], "{name} up {take} at {at}");
                let mut output = vec![0; take / 2];
                resample.down(&mut down, &input[at..at + take], &mut output);
                assert!(output == expected_down[at / 2..(at + take) / 2], "{name} down {take} at {at}");
                at += take;
            }
        }
    }
}

#[test]
fn the_largest_sum_fits_32_bits() {
    let magnitudes: i64 = TAPS.iter().map(|tap| i64::from(*tap).abs()).sum();
    assert!(32_768 * (magnitudes + (1 << 14)) + (1 << 14) < 1 << 31);
}
