//! The table of all kernels of `dsp`: ns per 20 ms channel frame and ratio to the first line of each part, which is the best library of
//! the field with `--features peers`, else our own scalar code.
//! ```text
//!   cargo bench -p benches --bench dsp_table [--features peers | --features peers-ilbc] [-- NAME …]
//! ```
//! Method: all lines of a part take turns, many times over, and each keeps its best turn. So a noisy machine slows the measurement, not
//!         the result, and ratios are of the same minute.

#![allow(missing_docs, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use benches::{naive, peers, signals};
use dsp::dtmf::Detector;
use dsp::g722::{Decoder, Encoder, Group, LANES, Mode, Scratch};
use dsp::ilbc;
use dsp::mix::Limit;
use dsp::resample::{Downsampler, Upsampler};
use dsp::{Batch, Kernels};

/// Turns of every line.
const TURNS: usize = 200;

/// One part of the table.
struct Part<'a> {
    name: &'static str,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    name: String,
    frames: usize,
    run: Box<dyn FnMut() + 'a>,
    best_ns: f64,
}

impl<'a> Part<'a> {
    const fn new(name: &'static str) -> Self {
        Self { name, lines: vec![] }
    }

    /// `run` does `frames` channel frames.
    fn line(&mut self, name: impl Into<String>, frames: usize, run: impl FnMut() + 'a) {
        self.lines.push(Line { name: name.into(), frames, run: Box::new(run), best_ns: f64::MAX });
    }

    fn print(self) {
        self.measured();
    }

    /// The same, and how many calls a core can do of which each line does one in `best_ns` every 20 ms.
    fn print_calls(self) {
        for (name, best_ns) in self.measured() {
            println!("{:24} {name:16} {:9.0} calls per core", "", 20e6 / best_ns);
        }
    }

    fn measured(mut self) -> Vec<(String, f64)> {
        for _ in 0..TURNS {
            for line in &mut self.lines {
                let start = Instant::now();
                (line.run)();
                line.best_ns = line.best_ns.min(start.elapsed().as_nanos() as f64 / line.frames as f64);
            }
        }
        let first = self.lines.first().map_or(1.0, |line| line.best_ns);
        for line in &self.lines {
            println!("{:24} {:16} {:9.1} ns {:7.2} x", self.name, line.name, line.best_ns, first / line.best_ns);
        }
        self.lines.into_iter().map(|line| (line.name, line.best_ns)).collect()
    }
}

/// Levels in the order of the table: with no peer, scalar is first, as what the others are compared with.
fn levels() -> Vec<Kernels> {
    let mut levels: Vec<_> = Kernels::available().collect();
    if !cfg!(feature = "peers") {
        levels.reverse();
    }
    levels
}

/// Channels of a part.
const HOT: usize = LANES;
const COLD: usize = 4096;

fn g722_encode(name: &'static str, channels: usize) {
    let speech = signals::speech_16k();
    let frame = |channel: usize| &speech[(channel * 613) % (speech.len() - 320)..][..320];
    let rounds = (64 / channels).max(1);
    let mut part = Part::new(name);
    if let Some(first) = peers::g722() {
        let mut all: Vec<_> = std::iter::once(first).chain((1..channels).filter_map(|_| peers::g722())).collect();
        part.line("spandsp", rounds * channels, move || {
            let mut out = [0; 160];
            for _ in 0..rounds {
                all.iter_mut().enumerate().for_each(|(channel, peer)| peer.encode(frame(channel), &mut out));
            }
        });
    }
    for k in levels() {
        let (mut batch, mut scratch, mut tickets) = (Batch::new(LANES, LANES * 320), Scratch::new(), vec![]);
        let mut states = vec![Encoder::new(); channels];
        part.line(format!("batch {}", k.level().name()), rounds * channels, move || {
            for _ in 0..rounds {
                for (lot, states) in states.chunks_mut(LANES).enumerate() {
                    batch.clear();
                    tickets.clear();
                    for (lane, state) in states.iter().enumerate() {
                        tickets.push(batch.push(state, frame(lot * LANES + lane)).expect("room"));
                    }
                    k.g722.encode(&mut batch, &mut scratch);
                    for (state, ticket) in states.iter_mut().zip(&tickets) {
                        *state = *batch.state(*ticket).expect("pushed");
                        black_box(batch.output(*ticket));
                    }
                }
            }
        });
        let mut scratch = Scratch::new();
        let mut groups = vec![Group::<Encoder>::new(); channels / LANES];
        groups.iter_mut().for_each(|group| while group.join(&Encoder::new()).is_some() {});
        let mut out = vec![0; LANES * 160];
        part.line(format!("group {}", k.level().name()), rounds * channels, move || {
            for _ in 0..rounds {
                for (lot, group) in groups.iter_mut().enumerate() {
                    let frames = std::array::from_fn(|lane| frame(lot * LANES + lane));
                    k.g722.encode_group(group, !0, 160, &frames, &mut out, &mut scratch);
                }
            }
        });
    }
    part.print();
}

fn g722_decode(name: &'static str, channels: usize) {
    let codes = signals::speech_g722();
    let frame = |channel: usize| &codes[(channel * 613) % (codes.len() - 160)..][..160];
    let rounds = (64 / channels).max(1);
    let mut part = Part::new(name);
    if let Some(first) = peers::g722() {
        let mut all: Vec<_> = std::iter::once(first).chain((1..channels).filter_map(|_| peers::g722())).collect();
        part.line("spandsp", rounds * channels, move || {
            let mut out = [0; 320];
            for _ in 0..rounds {
                all.iter_mut().enumerate().for_each(|(channel, peer)| peer.decode(frame(channel), &mut out));
            }
        });
    }
    for k in levels() {
        let (mut batch, mut scratch, mut tickets) = (Batch::new(LANES, LANES * 160), Scratch::new(), vec![]);
        let mut states = vec![Decoder::default(); channels];
        part.line(format!("batch {}", k.level().name()), rounds * channels, move || {
            for _ in 0..rounds {
                for (lot, states) in states.chunks_mut(LANES).enumerate() {
                    batch.clear();
                    tickets.clear();
                    for (lane, state) in states.iter().enumerate() {
                        tickets.push(batch.push(state, frame(lot * LANES + lane)).expect("room"));
                    }
                    k.g722.decode(&mut batch, &mut scratch);
                    for (state, ticket) in states.iter_mut().zip(&tickets) {
                        *state = *batch.state(*ticket).expect("pushed");
                        black_box(batch.output(*ticket));
                    }
                }
            }
        });
        let mut scratch = Scratch::new();
        let mut groups = vec![Group::with_mode(Mode::Kbit64); channels / LANES];
        groups.iter_mut().for_each(|group| while group.join(&Decoder::default()).is_some() {});
        let mut out = vec![0; LANES * 320];
        part.line(format!("group {}", k.level().name()), rounds * channels, move || {
            for _ in 0..rounds {
                for (lot, group) in groups.iter_mut().enumerate() {
                    let frames = std::array::from_fn(|lane| frame(lot * LANES + lane));
                    k.g722.decode_group(group, !0, 160, &frames, &mut out, &mut scratch);
                }
            }
        });
    }
    part.print();
}

fn g711() {
    const FRAMES: usize = 500;
    let speech = signals::speech_8k();
    let samples = &speech[40_000..40_160];
    let mut codes = [0; 160];
    Kernels::best().g711.ulaw_encode(samples, &mut codes);
    let codes = &codes;
    let (mut encode, mut decode, mut recode) = (Part::new("mu-law encode"), Part::new("mu-law decode"), Part::new("mu-law to A-law"));
    if let (Some(mut a), Some(mut b), Some(mut c)) = (peers::g711(false), peers::g711(false), peers::g711(false)) {
        let (mut out, mut samples_out, mut other) = ([0; 160], [0; 160], [0; 160]);
        encode.line("spandsp", FRAMES, move || (0..FRAMES).for_each(|_| a.encode(black_box(samples), &mut out)));
        decode.line("spandsp", FRAMES, move || (0..FRAMES).for_each(|_| b.decode(black_box(codes), &mut samples_out)));
        recode.line("spandsp", FRAMES, move || (0..FRAMES).for_each(|_| c.transcode(black_box(codes), &mut other)));
    }
    for k in levels() {
        let (mut out, mut samples_out, mut other) = ([0; 160], [0; 160], [0; 160]);
        let name = k.level().name();
        encode.line(name, FRAMES, move || (0..FRAMES).for_each(|_| k.g711.ulaw_encode(black_box(samples), black_box(&mut out))));
        decode.line(name, FRAMES, move || (0..FRAMES).for_each(|_| k.g711.ulaw_decode(black_box(codes), black_box(&mut samples_out))));
        recode.line(name, FRAMES, move || (0..FRAMES).for_each(|_| k.g711.ulaw_to_alaw(black_box(codes), black_box(&mut other))));
    }
    encode.print();
    decode.print();
    recode.print();
}

fn resample() {
    const FRAMES: usize = 200;
    let (narrow, wide) = (signals::speech_8k(), signals::speech_16k());
    let (narrow, wide) = (&narrow[40_000..40_160], &wide[80_000..80_320]);
    let (mut up, mut down) = (Part::new("8 to 16 kHz"), Part::new("16 to 8 kHz"));
    if let (Some(mut a), Some(mut b)) = (peers::resampler(8000, 16_000, 3), peers::resampler(16_000, 8000, 3)) {
        let (mut out, mut less) = ([0; 320], [0; 160]);
        up.line("speexdsp 3", FRAMES, move || (0..FRAMES).for_each(|_| a.process(black_box(narrow), &mut out)));
        down.line("speexdsp 3", FRAMES, move || (0..FRAMES).for_each(|_| b.process(black_box(wide), &mut less)));
    }
    for k in levels() {
        let (mut out, mut less, mut a, mut b) = ([0; 320], [0; 160], Upsampler::default(), Downsampler::default());
        up.line(k.level().name(), FRAMES, move || (0..FRAMES).for_each(|_| k.resample.up(&mut a, black_box(narrow), black_box(&mut out))));
        down.line(k.level().name(), FRAMES, move || {
            (0..FRAMES).for_each(|_| k.resample.down(&mut b, black_box(wide), black_box(&mut less)));
        });
    }
    up.print();
    down.print();
}

fn mix() {
    const PARTIES: usize = 32;
    let speech = signals::speech_8k();
    let frames: Vec<&[i16]> = (0..PARTIES).map(|party| &speech[1600 * party..][..160]).collect();
    let frames = &frames;
    let mut part = Part::new("mix, per party");
    let mut out = vec![[0; 160]; PARTIES];
    part.line("sample by sample", PARTIES, move || naive::mix(black_box(frames), black_box(&mut out)));
    for k in levels() {
        for (limit, name) in [(Limit::Saturate, ""), (Limit::Soft, " soft")] {
            let mut out = vec![[0; 160]; PARTIES];
            part.line(format!("{}{name}", k.level().name()), PARTIES, move || {
                let mut sum = [0; 160];
                k.mix.add_all(&mut sum, black_box(frames).iter().copied());
                frames.iter().zip(&mut out).for_each(|(own, out)| k.mix.without(limit, &sum, own, black_box(out)));
            });
        }
    }
    part.print();
    let mut part = Part::new("energy");
    for k in levels() {
        part.line(k.level().name(), 500, move || {
            (0..500).for_each(|_| {
                black_box(k.meter.energy(black_box(frames[7])));
            });
        });
    }
    part.print();
}

fn dtmf() {
    let speech = signals::speech_8k();
    let frames: Vec<&[i16]> = speech.chunks_exact(160).skip(100).take(300).collect();
    let frames = &frames;
    let mut part = Part::new("dtmf detector");
    if let Some(mut peer) = peers::dtmf() {
        part.line("spandsp", frames.len(), move || {
            frames.iter().for_each(|frame| {
                black_box(peer.listen(frame));
            });
        });
    }
    for k in levels() {
        let mut detector = Detector::new();
        part.line(k.level().name(), frames.len(), move || {
            let mut events = 0;
            frames.iter().for_each(|frame| k.dtmf.listen(&mut detector, frame, |_| events += 1));
            black_box(events);
        });
    }
    part.print();
}

/// Encoders or decoders of as many channels, each with another stretch of the speech.
fn ilbc() {
    const CHANNELS: usize = 16;
    const ROUNDS: usize = 8;
    for (mode, name, back) in
        [(ilbc::Mode::Ms20, "iLBC 20 encode", "iLBC 20 decode"), (ilbc::Mode::Ms30, "iLBC 30 encode", "iLBC 30 decode")]
    {
        let (speech, codes) = (signals::speech_8k(), signals::speech_ilbc(mode));
        let (speech, codes) = (&speech, &codes);
        let (mut encode, mut decode) = (Part::new(name), Part::new(back));
        let length = i16::try_from(mode.samples()).expect("a frame");
        if let Some(mut peers) = (0..CHANNELS).map(|_| peers::ilbc(length)).collect::<Option<Vec<_>>>() {
            encode.line("WebRTC", CHANNELS * ROUNDS, move || {
                for round in 0..ROUNDS {
                    for (channel, peer) in peers.iter_mut().enumerate() {
                        let (at, mut octets) = (8000 + channel * 6007 + round * mode.samples(), [0; 50]);
                        peer.encode(&speech[at..at + mode.samples()], &mut octets);
                        black_box(octets);
                    }
                }
            });
        }
        if let Some(mut peers) = (0..CHANNELS).map(|_| peers::ilbc(length)).collect::<Option<Vec<_>>>() {
            decode.line("WebRTC", CHANNELS * ROUNDS, move || {
                for round in 0..ROUNDS {
                    for (channel, peer) in peers.iter_mut().enumerate() {
                        let (at, mut samples) = ((50 + channel * 20 + round) * mode.octets(), [0; 240]);
                        peer.decode(&codes[at..at + mode.octets()], &mut samples);
                        black_box(samples);
                    }
                }
            });
        }
        for k in levels() {
            let mut states = vec![ilbc::Encoder::new(mode); CHANNELS];
            let (mut batch, mut tickets) = (Batch::new(CHANNELS, CHANNELS * mode.samples()), vec![]);
            encode.line(k.level().name(), CHANNELS * ROUNDS, move || {
                for round in 0..ROUNDS {
                    batch.clear();
                    tickets.clear();
                    for (channel, state) in states.iter().enumerate() {
                        let at = 8000 + channel * 6007 + round * mode.samples();
                        tickets.push(batch.push(state, &speech[at..at + mode.samples()]).expect("room"));
                    }
                    k.ilbc.encode(&mut batch);
                    for (state, ticket) in states.iter_mut().zip(&tickets) {
                        *state = *batch.state(*ticket).expect("pushed");
                        black_box(batch.output(*ticket));
                    }
                }
            });
            let mut states = vec![ilbc::Decoder::new(mode); CHANNELS];
            let (mut batch, mut tickets) = (Batch::new(CHANNELS, CHANNELS * mode.samples()), vec![]);
            decode.line(k.level().name(), CHANNELS * ROUNDS, move || {
                for round in 0..ROUNDS {
                    batch.clear();
                    tickets.clear();
                    for (channel, state) in states.iter().enumerate() {
                        let at = (50 + channel * 20 + round) * mode.octets();
                        tickets.push(batch.push(state, &codes[at..at + mode.octets()]).expect("room"));
                    }
                    k.ilbc.decode(&mut batch);
                    for (state, ticket) in states.iter_mut().zip(&tickets) {
                        *state = *batch.state(*ticket).expect("pushed");
                        black_box(batch.output(*ticket));
                    }
                }
            });
        }
        encode.print();
        decode.print();
    }
}

/// A call PCMU to G.722 and back, 20 ms: decode mu-law, to 16 kHz, encode G.722; decode G.722, to 8 kHz, encode mu-law.
fn calls() {
    const CALLS: usize = 256;
    let (narrow, wide) = (signals::octets("plc/speech.ulaw"), signals::speech_g722());
    let (narrow, wide) = (&narrow, &wide);
    let mut part = Part::new("call PCMU <> G.722");
    for k in levels() {
        let mut calls = vec![(Encoder::new(), Decoder::default(), Upsampler::default(), Downsampler::default()); CALLS];
        let (mut encode, mut decode) = (Batch::new(CALLS, CALLS * 320), Batch::new(CALLS, CALLS * 160));
        let (mut scratch, mut tickets) = (Scratch::new(), Vec::with_capacity(CALLS));
        let mut tick = 0;
        part.line(k.level().name(), CALLS, move || {
            encode.clear();
            decode.clear();
            tickets.clear();
            for (n, (encoder, decoder, up, _)) in calls.iter_mut().enumerate() {
                let at = (n * 613 + tick * 160) % (narrow.len() - 160);
                let (mut samples, mut more) = ([0; 160], [0; 320]);
                k.g711.ulaw_decode(&narrow[at..at + 160], &mut samples);
                k.resample.up(up, &samples, &mut more);
                let to_wide = encode.push(encoder, &more).expect("room");
                tickets.push((to_wide, decode.push(decoder, &wide[at..at + 160]).expect("room")));
            }
            k.g722.encode(&mut encode, &mut scratch);
            k.g722.decode(&mut decode, &mut scratch);
            for ((encoder, decoder, _, down), (to_wide, to_narrow)) in calls.iter_mut().zip(&tickets) {
                *encoder = *encode.state(*to_wide).expect("pushed");
                *decoder = *decode.state(*to_narrow).expect("pushed");
                let (mut samples, mut codes) = ([0; 160], [0; 160]);
                k.resample.down(down, decode.output(*to_narrow), &mut samples);
                k.g711.ulaw_encode(&samples, &mut codes);
                black_box((encode.output(*to_wide), &codes));
            }
            tick += 1;
        });
    }
    part.print_calls();
}

/// A call PCMU to iLBC and back, 20 ms: decode mu-law, encode iLBC; decode iLBC, encode mu-law. Both ends are at 8 kHz.
fn ilbc_calls() {
    const CALLS: usize = 64;
    let mode = ilbc::Mode::Ms20;
    let (narrow, coded) = (signals::octets("plc/speech.ulaw"), signals::speech_ilbc(mode));
    let (narrow, coded) = (&narrow, &coded);
    let mut part = Part::new("call PCMU <> iLBC 20");
    for k in levels() {
        let mut calls = vec![(ilbc::Encoder::new(mode), ilbc::Decoder::new(mode)); CALLS];
        let (mut encode, mut decode) = (Batch::new(CALLS, CALLS * 160), Batch::new(CALLS, CALLS * 38));
        let (mut tickets, mut tick) = (Vec::with_capacity(CALLS), 0);
        part.line(k.level().name(), CALLS, move || {
            encode.clear();
            decode.clear();
            tickets.clear();
            for (n, (encoder, decoder)) in calls.iter().enumerate() {
                let (at, frame) = ((n * 6007 + tick * 160) % (narrow.len() - 160), (n * 31 + tick) % (coded.len() / 38));
                let mut samples = [0; 160];
                k.g711.ulaw_decode(&narrow[at..at + 160], &mut samples);
                let to_ilbc = encode.push(encoder, &samples).expect("room");
                tickets.push((to_ilbc, decode.push(decoder, &coded[38 * frame..38 * frame + 38]).expect("room")));
            }
            k.ilbc.encode(&mut encode);
            k.ilbc.decode(&mut decode);
            for ((encoder, decoder), (to_ilbc, to_narrow)) in calls.iter_mut().zip(&tickets) {
                *encoder = *encode.state(*to_ilbc).expect("pushed");
                *decoder = *decode.state(*to_narrow).expect("pushed");
                let mut codes = [0; 160];
                k.g711.ulaw_encode(decode.output(*to_narrow), &mut codes);
                black_box((encode.output(*to_ilbc), &codes));
            }
            tick += 1;
        });
    }
    part.print_calls();
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let parts: [(&str, fn()); 9] = [
        ("g722-encode", || g722_encode("G.722 encode", HOT)),
        ("g722-decode", || g722_decode("G.722 decode", HOT)),
        ("g722-cold", || {
            g722_encode("G.722 encode, 4096 cold", COLD);
            g722_decode("G.722 decode, 4096 cold", COLD);
        }),
        ("g711", g711),
        ("resample", resample),
        ("mix", mix),
        ("dtmf", dtmf),
        ("ilbc", ilbc),
        ("calls", || {
            calls();
            ilbc_calls();
        }),
    ];
    // `cargo bench` says so; `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part();
        }
    }
}
