//! The half-band filter one sample at a time: the reference.
//! Shape:  as `super::Resample`.
//! Units:  products in 2^-14 of a sample; the sum of magnitudes of the taps, 41 234, times 32 768 and half a range for the
//!         middle tap stay below 2^31.
//! Errors: none.
//! Source: `super::TAPS`.

use super::{DELAYED, Downsampler, FILTERED, TAPS, Upsampler};

pub(super) fn up(channel: &mut Upsampler, input: &[i16], output: &mut [i16]) {
    for (sample, pair) in input.iter().zip(output.as_chunks_mut::<2>().0) {
        push(&mut channel.past, *sample);
        let sum = (1 << 13) + fir(&channel.past);
        *pair = [saturate(sum >> 14), channel.past[FILTERED - 1 - DELAYED]];
    }
}

pub(super) fn down(channel: &mut Downsampler, input: &[i16], output: &mut [i16]) {
    for ([even, odd], sample) in input.as_chunks().0.iter().zip(output) {
        push(&mut channel.odd, *odd);
        let sum = (1 << 14) + fir(&channel.odd) + (i32::from(channel.even[0]) << 14);
        push(&mut channel.even, *even);
        *sample = saturate(sum >> 15);
    }
}

fn fir(past: &[i16; FILTERED]) -> i32 {
    TAPS.iter().zip(past).map(|(tap, sample)| i32::from(*tap) * i32::from(*sample)).sum()
}

fn push<const N: usize>(past: &mut [i16; N], sample: i16) {
    past.copy_within(1.., 0);
    past[N - 1] = sample;
}

fn saturate(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
