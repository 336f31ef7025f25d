//! G.711: frames of 10, 20 and 40 ms at every SIMD level, and of spandsp with `--features peers`.

#![allow(missing_docs)]

use std::hint::black_box;

use benches::{peers, signals};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsp::Kernels;

fn g711(c: &mut Criterion) {
    let speech = signals::speech_8k();
    for len in [80, 160, 320] {
        let samples = &speech[40_000..][..len];
        let (mut codes, mut out) = (vec![0; len], vec![0; len]);
        for alaw in [true, false] {
            let law = if alaw { "alaw" } else { "ulaw" };
            let mut peer = peers::g711(alaw);
            let mut group = c.benchmark_group(format!("g711 {law} encode {len}"));
            group.throughput(Throughput::Elements(len as u64));
            for k in Kernels::available() {
                let encode = |codes: &mut [u8]| {
                    if alaw { k.g711.alaw_encode(black_box(samples), codes) } else { k.g711.ulaw_encode(black_box(samples), codes) }
                };
                group.bench_function(k.level().name(), |b| b.iter(|| encode(&mut codes)));
            }
            if let Some(peer) = &mut peer {
                group.bench_function("spandsp", |b| b.iter(|| peer.encode(black_box(samples), &mut codes)));
            }
            group.finish();

            let mut group = c.benchmark_group(format!("g711 {law} decode {len}"));
            group.throughput(Throughput::Elements(len as u64));
            for k in Kernels::available() {
                let decode = |out: &mut [i16]| {
                    if alaw { k.g711.alaw_decode(black_box(&codes), out) } else { k.g711.ulaw_decode(black_box(&codes), out) }
                };
                group.bench_function(k.level().name(), |b| b.iter(|| decode(&mut out)));
            }
            if let Some(peer) = &mut peer {
                group.bench_function("spandsp", |b| b.iter(|| peer.decode(black_box(&codes), &mut out)));
            }
            group.finish();

            let mut other = vec![0; len];
            let mut group = c.benchmark_group(format!("g711 {law} to the other {len}"));
            group.throughput(Throughput::Elements(len as u64));
            for k in Kernels::available() {
                let recode = |to: &mut [u8]| {
                    if alaw { k.g711.alaw_to_ulaw(black_box(&codes), to) } else { k.g711.ulaw_to_alaw(black_box(&codes), to) }
                };
                group.bench_function(k.level().name(), |b| b.iter(|| recode(&mut other)));
            }
            if let Some(peer) = &mut peer {
                group.bench_function("spandsp", |b| b.iter(|| peer.transcode(black_box(&codes), &mut other)));
            }
            group.finish();
        }
    }
}

criterion_group!(benches, g711);
criterion_main!(benches);
