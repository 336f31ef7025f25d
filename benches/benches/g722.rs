//! G.722: 32 channels x 20 ms at every SIMD level, as a batch of frames and as a group that stays in its lanes, all of them or 12, and of
//! spandsp with `--features peers`. Throughput is in channel frames.

#![allow(missing_docs)]

use benches::{peers, signals};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsp::g722::{Decoder, Encoder, Group, LANES, Mode, Scratch};
use dsp::{Batch, Kernels};

fn encode(c: &mut Criterion) {
    let speech = signals::speech_16k();
    let frames: [&[i16]; LANES] = std::array::from_fn(|lane| &speech[20_000 + 3200 * lane..][..320]);
    let mut group = c.benchmark_group("g722 encode");
    group.throughput(Throughput::Elements(LANES as u64));
    let mut scratch = Scratch::new();
    for k in Kernels::available() {
        let (mut batch, mut states) = (Batch::new(LANES, LANES * 320), [Encoder::new(); LANES]);
        group.bench_function(format!("batch {}", k.level().name()), |b| {
            b.iter(|| {
                batch.clear();
                let tickets: [_; LANES] = std::array::from_fn(|lane| batch.push(&states[lane], frames[lane]).expect("room"));
                k.g722.encode(&mut batch, &mut scratch);
                for (state, ticket) in states.iter_mut().zip(tickets) {
                    *state = *batch.state(ticket).expect("pushed");
                }
                batch.output(tickets[0])[0]
            });
        });
        let (mut lanes, mut out) = (Group::<Encoder>::new(), vec![0; LANES * 160]);
        (0..LANES).for_each(|_| assert!(lanes.join(&Encoder::new()).is_some()));
        group.bench_function(format!("group {}", k.level().name()), |b| {
            b.iter(|| k.g722.encode_group(&mut lanes, !0, 160, &frames, &mut out, &mut scratch));
        });
        // As many as 500 transcoded channels have in a slot of 1 ms.
        group.bench_function(format!("12 of a group {}", k.level().name()), |b| {
            b.iter(|| k.g722.encode_group(&mut lanes, 0xFFF, 160, &frames, &mut out, &mut scratch));
        });
    }
    if let Some(mut peer) = peers::g722() {
        let mut out = [0; 160];
        group.bench_function("spandsp", |b| b.iter(|| frames.iter().for_each(|frame| peer.encode(frame, &mut out))));
    }
    group.finish();
}

fn decode(c: &mut Criterion) {
    let codes = signals::speech_g722();
    let frames: [&[u8]; LANES] = std::array::from_fn(|lane| &codes[10_000 + 1600 * lane..][..160]);
    let mut group = c.benchmark_group("g722 decode");
    group.throughput(Throughput::Elements(LANES as u64));
    let mut scratch = Scratch::new();
    for k in Kernels::available() {
        let (mut batch, mut states) = (Batch::new(LANES, LANES * 160), [Decoder::default(); LANES]);
        group.bench_function(format!("batch {}", k.level().name()), |b| {
            b.iter(|| {
                batch.clear();
                let tickets: [_; LANES] = std::array::from_fn(|lane| batch.push(&states[lane], frames[lane]).expect("room"));
                k.g722.decode(&mut batch, &mut scratch);
                for (state, ticket) in states.iter_mut().zip(tickets) {
                    *state = *batch.state(ticket).expect("pushed");
                }
                batch.output(tickets[0])[0]
            });
        });
        let (mut lanes, mut out) = (Group::with_mode(Mode::Kbit64), vec![0; LANES * 320]);
        (0..LANES).for_each(|_| assert!(lanes.join(&Decoder::default()).is_some()));
        group.bench_function(format!("group {}", k.level().name()), |b| {
            b.iter(|| k.g722.decode_group(&mut lanes, !0, 160, &frames, &mut out, &mut scratch));
        });
        group.bench_function(format!("12 of a group {}", k.level().name()), |b| {
            b.iter(|| k.g722.decode_group(&mut lanes, 0xFFF, 160, &frames, &mut out, &mut scratch));
        });
    }
    if let Some(mut peer) = peers::g722() {
        let mut out = [0; 320];
        group.bench_function("spandsp", |b| b.iter(|| frames.iter().for_each(|frame| peer.decode(frame, &mut out))));
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
