//! 8 kHz to 16 kHz and back, 10, 20 and 40 ms at every SIMD level, and of speexdsp with `--features peers`; files at 48 and 44.1 kHz.

#![allow(missing_docs)]

use std::hint::black_box;

use benches::{peers, signals};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsp::Kernels;
use dsp::resample::{Downsampler, Rational, Upsampler};

fn half_band(c: &mut Criterion) {
    let (narrow, wide) = (signals::speech_8k(), signals::speech_16k());
    for len in [80, 160, 320] {
        let (narrow, wide) = (&narrow[40_000..][..len], &wide[80_000..][..2 * len]);
        let (mut up, mut down) = (vec![0; 2 * len], vec![0; len]);
        let mut group = c.benchmark_group(format!("resample 8 to 16 kHz {len}"));
        group.throughput(Throughput::Elements(len as u64));
        for k in Kernels::available() {
            let mut channel = Upsampler::default();
            group.bench_function(k.level().name(), |b| b.iter(|| k.resample.up(&mut channel, black_box(narrow), &mut up)));
        }
        if let Some(mut peer) = peers::resampler(8000, 16_000, 3) {
            group.bench_function("speexdsp 3", |b| b.iter(|| peer.process(black_box(narrow), &mut up)));
        }
        group.finish();
        let mut group = c.benchmark_group(format!("resample 16 to 8 kHz {len}"));
        group.throughput(Throughput::Elements(len as u64));
        for k in Kernels::available() {
            let mut channel = Downsampler::default();
            group.bench_function(k.level().name(), |b| b.iter(|| k.resample.down(&mut channel, black_box(wide), &mut down)));
        }
        if let Some(mut peer) = peers::resampler(16_000, 8000, 3) {
            group.bench_function("speexdsp 3", |b| b.iter(|| peer.process(black_box(wide), &mut down)));
        }
        group.finish();
    }
}

fn rational(c: &mut Criterion) {
    let input = signals::speech_16k();
    for (from, to) in [(48_000, 8000), (44_100, 16_000)] {
        let frame = &input[..from as usize / 50];
        let mut rational = Rational::new(from, to).expect("rates of files");
        c.bench_function(&format!("resample {from} to {to}, 20 ms"), |b| {
            b.iter(|| {
                rational.feed(black_box(frame), |x| {
                    black_box(x);
                });
            });
        });
    }
}

criterion_group!(benches, half_band, rational);
criterion_main!(benches);
