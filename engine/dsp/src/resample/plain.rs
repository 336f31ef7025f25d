//! The half-band filter at the portable level: eight outputs side by side, one tap after the other.
//! Shape:  as `super::Resample`, any length.
//! Speed:  short loops over arrays, which the compiler turns into vectors of any CPU. Pairs as in `super::lanes` would depend on how well it
//!         sees through them.
//! Errors: none.
//! Source: the arithmetic of `super::scalar`; sums are exact, so their order does not matter.

use super::{BLOCK, DELAYED, Downsampler, FILTERED, TAPS, Upsampler};

/// Outputs side by side.
const WIDTH: usize = 8;
/// Samples of one phase after their history.
type Samples = [i16; FILTERED + BLOCK + WIDTH];

pub(super) fn up(channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(BLOCK).zip(output.chunks_mut(2 * BLOCK)) {
        let mut samples: Samples = [0; FILTERED + BLOCK + WIDTH];
        samples[..FILTERED].copy_from_slice(&channel.past);
        samples[FILTERED..][..input.len()].copy_from_slice(input);
        let mut filtered = [0; BLOCK];
        for (n, filtered) in filtered.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate().take(input.len().div_ceil(WIDTH)) {
            *filtered = fir(&samples, n * WIDTH, [1 << 13; WIDTH], 14);
        }
        let delayed = &samples[FILTERED - DELAYED..];
        for ((pair, filtered), delayed) in output.as_chunks_mut::<2>().0.iter_mut().zip(&filtered).zip(delayed) {
            *pair = [*filtered, *delayed];
        }
        channel.past.copy_from_slice(&samples[input.len()..][..FILTERED]);
    }
}

pub(super) fn down(channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    for (input, output) in input.chunks(2 * BLOCK).zip(output.chunks_mut(BLOCK)) {
        let mut odd: Samples = [0; FILTERED + BLOCK + WIDTH];
        odd[..FILTERED].copy_from_slice(&channel.odd);
        let mut even = [0; DELAYED + BLOCK + WIDTH];
        even[..DELAYED].copy_from_slice(&channel.even);
        for ((pair, even), odd) in input.as_chunks::<2>().0.iter().zip(&mut even[DELAYED..]).zip(&mut odd[FILTERED..]) {
            (*even, *odd) = (pair[0], pair[1]);
        }
        let count = output.len();
        for (n, output) in output.chunks_mut(WIDTH).enumerate() {
            let mut bias = [1 << 14; WIDTH];
            for (bias, delayed) in bias.iter_mut().zip(&even[n * WIDTH..]) {
                *bias += i32::from(*delayed) << 14;
            }
            let filtered = fir(&odd, n * WIDTH, bias, 15);
            output.copy_from_slice(&filtered[..output.len()]);
        }
        channel.odd.copy_from_slice(&odd[count..][..FILTERED]);
        channel.even.copy_from_slice(&even[count..][..DELAYED]);
    }
}

/// The outputs from `at`.
#[inline(always)]
fn fir(samples: &Samples, at: usize, bias: [i32; WIDTH], shift: u32) -> [i16; WIDTH] {
    let mut sums = bias;
    let window = &samples[at + 1..][..FILTERED + WIDTH - 1];
    for (k, tap) in TAPS.iter().enumerate() {
        let samples: &[i16; WIDTH] = window[k..k + WIDTH].first_chunk().unwrap_or(&[0; WIDTH]);
        for (sum, x) in sums.iter_mut().zip(samples) {
            *sum += i32::from(*x) * i32::from(*tap);
        }
    }
    sums.map(|sum| (sum >> shift).clamp(i16::MIN.into(), i16::MAX.into()) as i16)
}
