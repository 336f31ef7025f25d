//! iLBC at every SIMD level: 16 channels at once, and a call between PCMU and iLBC.
//! Throughput: frames of 20 or 30 ms. `dsp_table` has the same beside everything else.

#![allow(missing_docs)]

use std::hint::black_box;

use benches::signals;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsp::ilbc::{Decoder, Encoder, Mode};
use dsp::{Batch, Kernels};

const CHANNELS: usize = 16;

fn codec(c: &mut Criterion) {
    for (mode, ms) in [(Mode::Ms20, 20), (Mode::Ms30, 30)] {
        let (speech, codes) = (signals::speech_8k(), signals::speech_ilbc(mode));
        let mut group = c.benchmark_group(format!("ilbc {ms}"));
        group.throughput(Throughput::Elements(CHANNELS as u64));
        for k in Kernels::available() {
            let encoders = vec![Encoder::new(mode); CHANNELS];
            let mut batch = Batch::new(CHANNELS, CHANNELS * mode.samples());
            group.bench_function(format!("encode {}", k.level().name()), |b| {
                b.iter(|| {
                    batch.clear();
                    for (n, encoder) in encoders.iter().enumerate() {
                        batch.push(encoder, &speech[8000 + 6007 * n..][..mode.samples()]).expect("room");
                    }
                    k.ilbc.encode(black_box(&mut batch));
                });
            });
            let decoders = vec![Decoder::new(mode); CHANNELS];
            let mut batch = Batch::new(CHANNELS, CHANNELS * mode.octets());
            group.bench_function(format!("decode {}", k.level().name()), |b| {
                b.iter(|| {
                    batch.clear();
                    for (n, decoder) in decoders.iter().enumerate() {
                        batch.push(decoder, &codes[(50 + 20 * n) * mode.octets()..][..mode.octets()]).expect("room");
                    }
                    k.ilbc.decode(black_box(&mut batch));
                });
            });
        }
        group.finish();
    }
}

/// Both directions of a call: mu-law to iLBC, iLBC to mu-law.
fn call(c: &mut Criterion) {
    let mode = Mode::Ms20;
    let (narrow, coded) = (signals::octets("plc/speech.ulaw"), signals::speech_ilbc(mode));
    let mut group = c.benchmark_group("call PCMU to iLBC 20");
    group.throughput(Throughput::Elements(CHANNELS as u64));
    for k in Kernels::available() {
        let (mut encode, mut decode) = (Batch::new(CHANNELS, CHANNELS * 160), Batch::new(CHANNELS, CHANNELS * 38));
        let (encoder, decoder) = (Encoder::new(mode), Decoder::new(mode));
        group.bench_function(k.level().name(), |b| {
            b.iter(|| {
                encode.clear();
                decode.clear();
                let tickets: [_; CHANNELS] = std::array::from_fn(|n| {
                    let mut samples = [0; 160];
                    k.g711.ulaw_decode(&narrow[8000 + 6000 * n..][..160], &mut samples);
                    encode.push(&encoder, &samples).expect("room");
                    decode.push(&decoder, &coded[38 * (50 + 20 * n)..][..38]).expect("room")
                });
                k.ilbc.encode(&mut encode);
                k.ilbc.decode(&mut decode);
                for ticket in tickets {
                    let mut codes = [0; 160];
                    k.g711.ulaw_encode(decode.output(ticket), &mut codes);
                    black_box(&codes);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, codec, call);
criterion_main!(benches);
