//! What must hold for any octets in any decoder, and for any samples in any encoder.
//!
//! ```text
//!   bytes ──► codec │ frame: length, octets │ frame … ──► decoders of every SIMD level, side by side
//! ```
//! Shape:  the first byte chooses codec and mode; then frames, each a byte of length and that many octets, 0 for a lost one.
//! Holds:  no panic; every frame decodes to its length; levels agree to the bit, for iLBC in that a state is a number; what was decoded can be
//!         encoded again.
//! Units:  none.
//! Errors: none; a panic is the finding.
//! Used by: the fuzz target `codecs`, and a test of `dsp` on random bytes and on the corpus.

use dsp::g722::Scratch;
use dsp::silence::Sid;
use dsp::{Batch, Kernels, g722, ilbc};

/// Frames of one input.
const FRAMES_MAX: usize = 40;

/// Any bytes.
pub fn codecs(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let frames = frames(bytes);
    match kind % 6 {
        0 => g711(&frames),
        1 => g722(g722::Mode::Kbit64, &frames),
        2 => g722(g722::Mode::Kbit56, &frames),
        3 => g722(g722::Mode::Kbit48, &frames),
        4 => ilbc(ilbc::Mode::Ms20, &frames),
        _ => ilbc(ilbc::Mode::Ms30, &frames),
    }
}

fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = vec![];
    while let Some((length, rest)) = bytes.split_first()
        && frames.len() < FRAMES_MAX
    {
        let (frame, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        frames.push(frame);
        bytes = rest;
    }
    frames
}

fn g711(frames: &[&[u8]]) {
    for frame in frames {
        let _ = Sid::parse(frame);
        let mut first: Option<(Vec<i16>, Vec<u8>)> = None;
        for kernels in Kernels::available() {
            let (mut samples, mut codes) = (vec![0; frame.len()], vec![0; frame.len()]);
            kernels.g711.alaw_decode(frame, &mut samples);
            kernels.g711.alaw_encode(&samples, &mut codes);
            assert_eq!(&codes, frame, "A-law goes both ways");
            kernels.g711.ulaw_decode(frame, &mut samples);
            kernels.g711.ulaw_to_alaw(frame, &mut codes);
            let (expected, direct) = first.get_or_insert((samples.clone(), codes.clone()));
            assert!(samples == *expected && codes == *direct, "{} differs", kernels.level().name());
        }
    }
}

fn g722(mode: g722::Mode, frames: &[&[u8]]) {
    let mut first = None;
    for kernels in Kernels::available() {
        let mut scratch = Scratch::new();
        let (mut decode, mut encode) = (Batch::new(1, 255), Batch::new(1, 510));
        let (mut decoder, mut encoder, mut all) = (g722::Decoder::new(mode), g722::Encoder::new(), (vec![], vec![]));
        for frame in frames {
            decode.clear();
            encode.clear();
            let ticket = decode.push(&decoder, frame).expect("a byte of length");
            kernels.g722.decode(&mut decode, &mut scratch);
            decoder = *decode.state(ticket).expect("pushed");
            let samples = decode.output(ticket);
            assert_eq!(samples.len(), 2 * frame.len());
            let ticket = encode.push(&encoder, samples).expect("twice a byte of length");
            kernels.g722.encode(&mut encode, &mut scratch);
            encoder = *encode.state(ticket).expect("pushed");
            all.0.extend_from_slice(samples);
            all.1.extend_from_slice(encode.output(ticket));
        }
        assert_eq!(&all, first.get_or_insert_with(|| all.clone()), "{} differs", kernels.level().name());
    }
}

fn ilbc(mode: ilbc::Mode, frames: &[&[u8]]) {
    for kernels in Kernels::available() {
        let (mut decode, mut encode) = (Batch::new(1, 255), Batch::new(1, 240));
        let (mut decoder, mut encoder) = (ilbc::Decoder::new(mode), ilbc::Encoder::new(mode));
        for frame in frames {
            decode.clear();
            encode.clear();
            let ticket = decode.push(&decoder, frame).expect("a byte of length");
            kernels.ilbc.decode(&mut decode);
            decoder = *decode.state(ticket).expect("pushed");
            let samples = decode.output(ticket);
            assert_eq!(samples.len(), mode.samples());
            let ticket = encode.push(&encoder, samples).expect("a frame");
            kernels.ilbc.encode(&mut encode);
            encoder = *encode.state(ticket).expect("pushed");
            assert_eq!(encode.output(ticket).len(), mode.octets());
            assert_eq!(encode.output(ticket).last().map(|last| last & 1), Some(0), "a frame that is sent is not empty");
        }
        let (same_decoder, same_encoder) = (decoder, encoder);
        assert!(decoder == same_decoder && encoder == same_encoder, "{}: not a number", kernels.level().name());
    }
}
