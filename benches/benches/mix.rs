//! A conference of 8 and 64, 20 ms, per party; the level of a frame. At every SIMD level, beside a mixer that goes sample by sample.

#![allow(missing_docs)]

use std::hint::black_box;

use benches::signals;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsp::Kernels;
use dsp::mix::Limit;

fn mix(c: &mut Criterion) {
    let speech = signals::speech_8k();
    for parties in [8, 64] {
        let frames: Vec<&[i16]> = (0..parties).map(|party| &speech[1600 * party..][..160]).collect();
        let mut out = vec![[0; 160]; parties];
        let mut group = c.benchmark_group(format!("mix {parties}"));
        group.throughput(Throughput::Elements(parties as u64));
        for k in Kernels::available() {
            for (limit, name) in [(Limit::Saturate, ""), (Limit::Soft, " soft")] {
                group.bench_function(format!("{}{name}", k.level().name()), |b| {
                    b.iter(|| {
                        let mut sum = [0; 160];
                        frames.iter().for_each(|frame| k.mix.add(&mut sum, black_box(frame)));
                        frames.iter().zip(&mut out).for_each(|(own, out)| k.mix.without(limit, &sum, own, out));
                    });
                });
            }
        }
        group.bench_function("sample by sample", |b| b.iter(|| benches::naive::mix(black_box(&frames), &mut out)));
        group.finish();
    }
    let mut group = c.benchmark_group("energy 160");
    for k in Kernels::available() {
        group.bench_function(k.level().name(), |b| b.iter(|| k.meter.energy(black_box(&speech[40_000..40_160]))));
    }
    group.finish();
}

criterion_group!(benches, mix);
criterion_main!(benches);
