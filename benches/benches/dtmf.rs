//! The whole DTMF detector on speech and on digits, 20 ms at every SIMD level, and of spandsp with `--features peers`.

#![allow(missing_docs)]

use std::hint::black_box;

use benches::{peers, signals};
use criterion::{Criterion, criterion_group, criterion_main};
use dsp::Kernels;
use dsp::dtmf::Detector;

fn dtmf(c: &mut Criterion) {
    let speech = signals::speech_8k();
    let digits: Vec<i16> =
        signals::octets("dtmf/dtmf_nominal.wav")[44..].as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    for (name, signal) in [("speech", &speech), ("digits", &digits)] {
        let mut group = c.benchmark_group(format!("dtmf {name}"));
        for k in Kernels::available() {
            let (mut detector, mut frames) = (Detector::new(), signal.chunks_exact(160).cycle());
            group.bench_function(k.level().name(), |b| {
                b.iter(|| {
                    let mut found = 0;
                    k.dtmf.listen(&mut detector, black_box(frames.next().unwrap_or_default()), |_| found += 1);
                    found
                });
            });
        }
        if let Some(mut peer) = peers::dtmf() {
            let mut frames = signal.chunks_exact(160).cycle();
            group.bench_function("spandsp", |b| b.iter(|| peer.listen(black_box(frames.next().unwrap_or_default()))));
        }
        group.finish();
    }
}

criterion_group!(benches, dtmf);
criterion_main!(benches);
