//! `bench codecs`: every codec at every SIMD level of this CPU, frames of 32 channels at a time, as a media shard runs them.
//!
//! ```text
//!   speech ─▶ 32 frames of 20 ms in a batch ─▶ kernel, over and over ─▶ ns per frame and channel ─▶ channels per core
//! ```
//! Shape:  one row per level, codec and direction; the median, least and most of nine turns, states carried on as in a call.
//! Units:  nanoseconds per frame of one channel; channels per core are those that encode and decode once each 20 ms, and nothing else.
//! Errors: none.
//! Not here: packets; what they cost is `relay`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use dsp::resample::{Downsampler, Upsampler};
use dsp::{Batch, Kernels, g722, ilbc, l16};
use serde_json::{Value, json};

use super::media::{round, spread};
use super::options::Options;
use super::peers::{Rounds, missing, spandsp};
use super::{pinned, progress};
use crate::load::{Codec, What};

/// Channels at a time: the lanes of the widest level.
const LANES: usize = 32;
const TURNS: usize = 9;
const FRAMES: usize = 100;

/// All rows.
pub fn measure(options: &Options) -> Value {
    let turn = Duration::from_millis(if options.quick { 2 } else { 60 });
    let rows = pinned(options.media_cpu, || rows(turn));
    let peers = if options.peers { beside_spandsp(turn, options) } else { Vec::new() };
    json!({ "what": "codecs", "channels_at_a_time": LANES, "frame_ms": 20, "rows": rows, "peers": peers })
}

/// spandsp beside our best level, by turns of the whole: theirs, then ours, for each codec and direction.
fn beside_spandsp(turn: Duration, options: &Options) -> Vec<Value> {
    let (kernels, speech) = (Kernels::best(), samples());
    let wide = upsampled(&kernels, &speech);
    let theirs = match spandsp::measure(&speech, &wide, options.media_cpu, turn) {
        Ok(theirs) => theirs,
        Err(why) => return vec![missing("spandsp", &why)],
    };
    let mut peers = Vec::new();
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        let ours = pinned(options.media_cpu, || both(&kernels, codec, &speech, turn));
        for (direction, ours) in ["encode", "decode"].into_iter().zip(ours) {
            let Some(theirs) = theirs.get(&(codec.name().to_owned(), direction.to_owned())) else { continue };
            let mut rounds = Rounds::default();
            // Its turns beside our median.
            theirs.iter().for_each(|ns| rounds.push(ours["median"].as_f64().unwrap_or(0.0) / 1e3, ns / 1e3));
            peers.push(rounds.json(&format!("spandsp, {} {direction}, a frame", codec.name()), ""));
        }
    }
    peers
}

/// Bare codec work of one packet of a bridge, mean of both directions, at the best level: decoded, brought to the other rate, encoded, 32
/// channels at a time. Microseconds.
pub fn per_packet(from: Codec, to: Codec, options: &Options) -> f64 {
    let turn = Duration::from_millis(if options.quick { 2 } else { 60 });
    pinned(options.media_cpu, || {
        let (kernels, speech) = (Kernels::best(), samples());
        let median = |spread: &Value| spread["median"].as_f64().unwrap_or(0.0);
        let codec = |codec| both(&kernels, codec, &speech, turn).iter().map(median).sum::<f64>();
        let rate = if (from == Codec::G722) == (to == Codec::G722) { 0.0 } else { median(&rates(&kernels, &speech, turn)) };
        // Each direction decodes one and encodes the other: over both, each codec does both once.
        (codec(from) + codec(to) + rate) / 2.0 / 1e3 * f64::from(options.ptime_ms) / 20.0
    })
}

/// Nanoseconds to bring a frame from 8 to 16 kHz and another back.
fn rates(kernels: &Kernels, speech: &[i16], turn: Duration) -> Value {
    let (mut up, mut down) = ([Upsampler::default(); LANES], [Downsampler::default(); LANES]);
    let (mut wide, mut back) = (vec![0; 320], vec![0; 160]);
    time(turn, |n| {
        for (lane, (up, down)) in up.iter_mut().zip(&mut down).enumerate() {
            kernels.resample.up(up, speech.get((n + lane) * 160..(n + lane + 1) * 160).unwrap_or_default(), &mut wide);
            kernels.resample.down(down, &wide, &mut back);
            black_box(&back);
        }
    })
}

fn rows(turn: Duration) -> Vec<Value> {
    let speech = samples();
    let mut rows = Vec::new();
    for kernels in Kernels::available() {
        progress(&format!("codecs: {}", kernels.level().name()));
        for codec in Codec::ALL {
            let [encode, decode] = both(&kernels, codec, &speech, turn);
            let least = |spread: &Value| spread["median"].as_f64().unwrap_or(f64::MAX);
            rows.push(json!({
                "level": kernels.level().name(),
                "codec": codec.name(),
                "encode_ns": encode,
                "decode_ns": decode,
                "channels_per_core": round(20e6 / (least(&encode) + least(&decode)), 0),
            }));
        }
    }
    rows
}

/// Speech at 8 kHz, whole frames, enough for [`FRAMES`] and for each channel to begin elsewhere.
fn samples() -> Vec<i16> {
    let sound = Codec::L16.sound(What::Speech, 20);
    let mut samples = vec![0; (FRAMES + LANES) * 160];
    for (n, frame) in samples.chunks_exact_mut(160).enumerate() {
        l16::decode(sound.packet(0, n as u64), frame);
    }
    samples
}

/// Nanoseconds to encode and to decode a frame.
fn both(kernels: &Kernels, codec: Codec, speech: &[i16], turn: Duration) -> [Value; 2] {
    let wide = upsampled(kernels, speech);
    let samples: &[i16] = if codec == Codec::G722 { &wide } else { speech };
    let frame = samples.len() / (speech.len() / 160);
    let octets = codec.encode(speech);
    let size = codec.octets(20);
    let heard = |n: usize, lane: usize| octets.get((n + lane) * size..(n + lane + 1) * size).unwrap_or_default();
    let said = |n: usize, lane: usize| samples.get((n + lane) * frame..(n + lane + 1) * frame).unwrap_or_default();
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::L16 => {
            let (mut out, mut back) = (vec![0_u8; size], vec![0_i16; 160]);
            let g711 = kernels.g711;
            let encode = time(turn, |n| {
                for lane in 0..LANES {
                    match codec {
                        Codec::Pcmu => g711.ulaw_encode(said(n, lane), &mut out),
                        Codec::Pcma => g711.alaw_encode(said(n, lane), &mut out),
                        _ => _ = l16::encode(said(n, lane), &mut out),
                    }
                    black_box(&out);
                }
            });
            let decode = time(turn, |n| {
                for lane in 0..LANES {
                    match codec {
                        Codec::Pcmu => g711.ulaw_decode(heard(n, lane), &mut back),
                        Codec::Pcma => g711.alaw_decode(heard(n, lane), &mut back),
                        _ => _ = l16::decode(heard(n, lane), &mut back),
                    }
                    black_box(&back);
                }
            });
            [encode, decode]
        }
        Codec::G722 => {
            let mut scratch = g722::Scratch::new();
            let encode = batched(turn, g722::Encoder::new(), 320, said, |batch| kernels.g722.encode(batch, &mut scratch));
            let decode = batched(turn, g722::Decoder::default(), 160, heard, |batch| kernels.g722.decode(batch, &mut scratch));
            [encode, decode]
        }
        Codec::Ilbc => {
            let encode = batched(turn, ilbc::Encoder::new(ilbc::Mode::Ms20), 160, said, |batch| kernels.ilbc.encode(batch));
            let decode = batched(turn, ilbc::Decoder::new(ilbc::Mode::Ms20), 38, heard, |batch| kernels.ilbc.decode(batch));
            [encode, decode]
        }
    }
}

/// A batch per step, states in and out of it as a media shard does.
fn batched<'a, S: Copy, I: Copy + 'a, O: Copy + Default>(
    turn: Duration,
    start: S,
    frame: usize,
    input: impl Fn(usize, usize) -> &'a [I],
    mut run: impl FnMut(&mut Batch<S, I, O>),
) -> Value {
    let mut states = [start; LANES];
    let mut batch = Batch::new(LANES, LANES * frame);
    time(turn, |n| {
        batch.clear();
        let mut tickets = [None; LANES];
        for (lane, (state, ticket)) in states.iter().zip(&mut tickets).enumerate() {
            *ticket = batch.push(state, input(n, lane)).ok();
        }
        run(&mut batch);
        for (state, ticket) in states.iter_mut().zip(tickets) {
            if let Some(after) = ticket.and_then(|ticket| batch.state(ticket)) {
                *state = *after;
            }
        }
        black_box(tickets.first().copied().flatten().map(|ticket| batch.output(ticket).len()));
    })
}

/// Nanoseconds per frame of one channel, over the turns.
fn time(turn: Duration, mut step: impl FnMut(usize)) -> Value {
    step(0);
    spread((0..TURNS).map(|_| {
        let (start, mut steps) = (Instant::now(), 0);
        while start.elapsed() < turn {
            // A step takes microseconds: looking at the clock each eighth one is free.
            for _ in 0..8 {
                step(steps % FRAMES);
                steps += 1;
            }
        }
        start.elapsed().as_secs_f64() * 1e9 / (steps * LANES) as f64
    }))
}

fn upsampled(kernels: &Kernels, speech: &[i16]) -> Vec<i16> {
    let (mut wide, mut upsampler) = (vec![0; speech.len() * 2], Upsampler::default());
    for (from, to) in speech.chunks(160).zip(wide.chunks_mut(320)) {
        kernels.resample.up(&mut upsampler, from, to);
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_codec_loop_of_a_dearer_pair_costs_more() {
        let mut options = crate::bench::options::read(["transcode".into(), "--quick".into()], &[0]).unwrap().unwrap();
        let [cheap, dear] = [Codec::Pcma, Codec::Ilbc].map(|to| per_packet(Codec::Pcmu, to, &options));
        assert!(cheap > 0.0 && dear > cheap, "{cheap} {dear}");
        options.ptime_ms = 40;
        assert!(per_packet(Codec::Pcmu, Codec::Ilbc, &options) > dear);
    }

    #[test]
    fn every_codec_has_a_row_at_every_level() {
        let rows = rows(Duration::from_micros(100));
        assert_eq!(rows.len(), Kernels::available().count() * Codec::ALL.len());
        for row in rows {
            let ns = |key: &str| row[key]["median"].as_f64().unwrap();
            assert!(ns("encode_ns") > 0.0 && ns("decode_ns") > 0.0 && row["channels_per_core"].as_f64().unwrap() > 1.0, "{row}");
        }
    }
}
