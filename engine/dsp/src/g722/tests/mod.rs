//! G.722: scalar against the vectors, every level against scalar, and the life of channels in lanes.

use super::*;
use crate::testing::{Random, octets, samples};

mod life;
mod loss;

mod quantiser;

const SIGNALS: [&str; 6] = ["wb_speech", "wb_white", "wb_pink", "wb_silence", "wb_sweep_fs", "wb_clip"];
const MODES: [(Mode, &str, &str); 3] =
    [(Mode::Kbit64, "dec64", "outsp1"), (Mode::Kbit56, "dec56", "outsp2"), (Mode::Kbit48, "dec48", "outsp3")];

fn levels() -> impl Iterator<Item = (&'static str, G722)> {
    let levels = Level::available().map(|level| (level.name(), G722::new(level)));
    #[cfg(target_arch = "x86_64")]
    let levels = {
        use plain::arrays;
        let arrays = G722 { encode: arrays::encode, decode: arrays::decode, insert: arrays::insert, extract: arrays::extract };
        // Half registers take more than a half of the lanes too, one half after the other.
        let halves = Level::available().find(|level| level.name() == "avx512").map(|_| {
            use x86::half512;
            let half = G722 { encode: half512::encode, decode: half512::decode, insert: half512::insert, extract: half512::extract };
            ("half of avx512", half)
        });
        levels.chain(crate::testing::wants("arrays").then_some(("arrays", arrays))).chain(halves)
    };
    levels
}

/// Encodes one stream in frames of `frame` octets.
fn encode(g722: &G722, pcm: &[i16], frame: usize) -> Vec<u8> {
    let (mut batch, mut scratch) = (Batch::new(1, 2 * frame), Scratch::new());
    let (mut state, mut out) = (Encoder::new(), vec![]);
    for pcm in pcm.chunks(2 * frame) {
        batch.clear();
        let ticket = batch.push(&state, pcm).unwrap();
        g722.encode(&mut batch, &mut scratch);
        out.extend_from_slice(batch.output(ticket));
        state = *batch.state(ticket).unwrap();
    }
    out
}

/// Decodes one stream in frames of `frame` octets.
fn decode(g722: &G722, mode: Mode, codes: &[u8], frame: usize) -> Vec<i16> {
    let (mut batch, mut scratch) = (Batch::new(1, frame), Scratch::new());
    let (mut state, mut out) = (Decoder::new(mode), vec![]);
    for codes in codes.chunks(frame) {
        batch.clear();
        let ticket = batch.push(&state, codes).unwrap();
        g722.decode(&mut batch, &mut scratch);
        out.extend_from_slice(batch.output(ticket));
        state = *batch.state(ticket).unwrap();
    }
    out
}

/// (input, codes) of every encoder vector.
fn encoder_vectors() -> Vec<(&'static str, Vec<i16>, Vec<u8>)> {
    let own = SIGNALS.map(|signal| (signal, samples(&format!("g722/{signal}.s16")), octets(&format!("g722/{signal}.g722"))));
    own.into_iter().chain([("itu", samples("g722/itu/inpsp.bin"), octets("g722/itu/codspw.g722"))]).collect()
}

/// (codes, output) of every decoder vector of a mode.
fn decoder_vectors((_, own, itu): (Mode, &str, &str)) -> Vec<(&'static str, Vec<u8>, Vec<i16>)> {
    let own = SIGNALS.into_iter().chain(["random"]).map(|signal| {
        let pcm = samples(&format!("g722/{signal}.{own}.s16"));
        let mut codes = octets(&format!("g722/{signal}.g722"));
        codes.truncate(pcm.len() / 2);
        (signal, codes, pcm)
    });
    own.chain([("itu", octets("g722/itu/codspw.g722"), samples(&format!("g722/itu/{itu}.bin")))]).collect()
}

#[test]
fn every_level_encodes_every_vector() {
    for (signal, pcm, codes) in encoder_vectors() {
        for (name, g722) in levels() {
            assert!(encode(&g722, &pcm, 160) == codes, "{name} {signal}");
        }
    }
}

#[test]
fn every_level_decodes_every_vector_at_every_bit_rate() {
    for mode in MODES {
        for (signal, codes, pcm) in decoder_vectors(mode) {
            for (name, g722) in levels() {
                assert!(decode(&g722, mode.0, &codes, 160) == pcm, "{name} {signal} {}", mode.1);
            }
        }
    }
}

#[test]
fn the_length_of_frames_does_not_matter() {
    let pcm = samples("g722/wb_clip.s16");
    let codes = octets("g722/wb_clip.g722");
    let decoded = samples("g722/wb_clip.dec64.s16");
    for (name, g722) in levels() {
        for frame in [1, 2, 3, 7, 8, 9, 39, 40, 41, 80, 83, 240, 1000] {
            assert!(encode(&g722, &pcm, frame) == codes, "{name} {frame}");
            assert!(decode(&g722, Mode::Kbit64, &codes, frame) == decoded, "{name} {frame}");
        }
    }
}
