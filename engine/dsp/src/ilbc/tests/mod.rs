//! iLBC against the float reference: decoders by their output, encoders by the quality of what they send.

mod life;

use proptest::prelude::*;

use super::filter::high_pass;
use super::tables::{HIGH_PASS_IN_POLES, HIGH_PASS_IN_ZEROS, HIGH_PASS_OUT_POLES, HIGH_PASS_OUT_ZEROS};
use super::*;
use crate::lanes::One;
use crate::testing::{Random, octets, samples};

fn levels() -> impl Iterator<Item = (&'static str, Ilbc)> {
    Level::available().map(|level| (level.name(), Ilbc::new(level)))
}

const MODES: [(Mode, &str); 2] = [(Mode::Ms20, "20"), (Mode::Ms30, "30")];
const SIGNALS: [&str; 6] = ["speech", "noisy_speech", "white", "silence", "tones", "clipped_speech"];

fn encode(ilbc: &Ilbc, mode: Mode, pcm: &[i16]) -> Vec<u8> {
    let (mut encoder, mut scratch, mut out) = (Encoder::new(mode), Scratch::NEW, vec![]);
    for frame in pcm.chunks_exact(mode.samples()) {
        let mut octets = vec![0; mode.octets()];
        // SAFETY: the level is available.
        unsafe { (ilbc.encode)(&mut encoder, frame, &mut octets, &mut scratch) };
        out.extend(octets);
    }
    out
}

fn decode_one(ilbc: &Ilbc, decoder: &mut Decoder, octets: &[u8], pcm: &mut [i16]) {
    let mut batch = Batch::new(1, 64);
    let ticket = batch.push(decoder, octets).unwrap();
    ilbc.decode(&mut batch);
    *decoder = *batch.state(ticket).unwrap();
    pcm.copy_from_slice(batch.output(ticket));
}

/// Decodes a stream; frames with a `0` in the mask are lost.
fn decode(ilbc: &Ilbc, mode: Mode, stream: &[u8], mask: &[u8]) -> Vec<i16> {
    let (mut decoder, mut out) = (Decoder::new(mode), vec![]);
    for (n, frame) in stream.chunks_exact(mode.octets()).enumerate() {
        let mut pcm = vec![0; mode.samples()];
        let frame = if mask.get(n) == Some(&b'0') { &[] } else { frame };
        decode_one(ilbc, &mut decoder, frame, &mut pcm);
        out.extend(pcm);
    }
    out
}

/// SNR over all, and the mean over frames of 160 samples that are not silent, each between -10 and `most`.
fn snr(reference: &[f64], other: &[f64], most: f64) -> (f64, f64) {
    let ratio = |a: &[f64], b: &[f64]| {
        let signal: f64 = a.iter().map(|a| a * a).sum();
        let noise: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
        10.0 * (signal / noise.max(1e-9)).log10()
    };
    let frames = reference.chunks_exact(160).zip(other.chunks_exact(160));
    let loud = frames.filter(|(a, _)| (a.iter().map(|a| a * a).sum::<f64>() / 160.0).sqrt() >= 32.0);
    let each: Vec<f64> = loud.map(|(a, b)| ratio(a, b).clamp(-10.0, most)).collect();
    (ratio(reference, other), each.iter().sum::<f64>() / each.len().max(1) as f64)
}

fn float(pcm: &[i16]) -> Vec<f64> {
    pcm.iter().map(|x| f64::from(*x)).collect()
}

/// The limits for a decoder: 55 dB in segments, 40 dB over all; silence to two steps.
fn assert_decodes(what: &str, reference: &[i16], out: &[i16]) {
    assert_eq!(reference.len(), out.len(), "{what}");
    if what.contains("silence") {
        let most = reference.iter().zip(out).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(2), "{what}: {most:?}");
    } else {
        let (over_all, segments) = snr(&float(reference), &float(out), 90.0);
        println!("{what}: {segments:.1} dB in segments, {over_all:.1} dB over all");
        assert!(segments >= 55.0 && over_all >= 40.0, "{what}: {segments:.1} dB in segments, {over_all:.1} dB over all");
    }
}

#[test]
fn every_level_decodes_as_the_float_reference() {
    for (mode, ms) in MODES {
        for signal in SIGNALS {
            for (encoder, expected) in [("rfc", "rfc-rfc"), ("fix", "fix-rfc")] {
                let path = format!("ilbc/{signal}.{ms}.{expected}.s16");
                if encoder == "fix" && !["speech", "noisy_speech"].contains(&signal) {
                    continue;
                }
                let (stream, reference) = (octets(&format!("ilbc/{signal}.{ms}.{encoder}.ilbc")), samples(&path));
                for (name, ilbc) in levels() {
                    assert_decodes(&format!("{name} {path}"), &reference, &decode(&ilbc, mode, &stream, &[]));
                }
            }
        }
    }
}

#[test]
fn lost_frames_are_concealed_as_the_reference_does() {
    for (mode, ms) in MODES {
        for loss in ["rand05", "burst10"] {
            let (stream, mask) = (octets(&format!("ilbc/speech.{ms}.rfc.ilbc")), octets(&format!("ilbc/{loss}.{ms}.mask")));
            let reference = samples(&format!("ilbc/speech.{ms}.rfc-rfc.{loss}.s16"));
            for (name, ilbc) in levels() {
                assert_decodes(&format!("{name} {ms} {loss}"), &reference, &decode(&ilbc, mode, &stream, &mask));
                // A frame that says it is empty is as good as lost.
                let mut marked = stream.clone();
                for (frame, got) in marked.chunks_exact_mut(mode.octets()).zip(&mask) {
                    *frame.last_mut().unwrap() |= u8::from(*got == b'0');
                }
                assert_eq!(decode(&ilbc, mode, &marked, &[]), decode(&ilbc, mode, &stream, &mask), "{name}");
            }
        }
    }
}

/// Quality of a stream: what it decodes to, without its delay, against the input through both high-passes.
fn quality(ilbc: &Ilbc, mode: Mode, input: &[i16], stream: &[u8]) -> (f64, f64) {
    let mut reference: Vec<f32> = input.iter().map(|x| f32::from(*x)).collect();
    high_pass(One, &HIGH_PASS_IN_ZEROS, &HIGH_PASS_IN_POLES, &mut [0.0; 4], &mut reference);
    high_pass(One, &HIGH_PASS_OUT_ZEROS, &HIGH_PASS_OUT_POLES, &mut [0.0; 4], &mut reference);
    let reference: Vec<f64> = reference.into_iter().map(f64::from).collect();
    let out = float(&decode(ilbc, mode, stream, &[]));
    snr(&reference[..reference.len() - mode.delay_samples()], &out[mode.delay_samples()..], 35.0)
}

#[test]
fn encoders_are_as_good_as_the_float_reference() {
    for (mode, ms) in MODES {
        for signal in SIGNALS.into_iter().filter(|signal| *signal != "silence") {
            let (input, theirs) = (samples(&format!("ilbc/{signal}.s16")), octets(&format!("ilbc/{signal}.{ms}.rfc.ilbc")));
            for (name, ilbc) in levels() {
                let ours = encode(&ilbc, mode, &input);
                assert_eq!(ours.len(), theirs.len());
                assert!(ours.chunks_exact(mode.octets()).all(|frame| frame[mode.octets() - 1] & 1 == 0));
                let same = ours.chunks_exact(mode.octets()).zip(theirs.chunks_exact(mode.octets())).filter(|(a, b)| a == b).count();
                let (a, b) = (quality(&ilbc, mode, &input, &ours), quality(&ilbc, mode, &input, &theirs));
                let share = 100.0 * (same * mode.octets()) as f64 / theirs.len() as f64;
                println!(
                    "{name} {signal} {ms}: {:.2} / {:.2} dB, reference {:.2} / {:.2}, {share:.0} % of frames equal",
                    a.0, a.1, b.0, b.1
                );
                let slack = if signal == "tones" { 0.2 } else { 0.1 };
                assert!(a.0 >= b.0 - slack && a.1 >= b.1 - slack, "{name} {signal} {ms}");
                assert!(signal != "speech" || share > 80.0, "{name}: {share:.0} % of frames equal");
            }
        }
    }
}

#[test]
fn silence_encodes_to_silence() {
    for (mode, _) in MODES {
        for (name, ilbc) in levels() {
            let input = samples("ilbc/silence.s16");
            let out = decode(&ilbc, mode, &encode(&ilbc, mode, &input), &[]);
            assert!(out.iter().all(|x| x.abs() < 12), "{name}");
        }
    }
}

#[test]
fn a_batch_gives_every_channel_its_own() {
    let pcm = samples("ilbc/speech.s16");
    for (name, ilbc) in levels() {
        let (mut batch, mut back) = (Batch::new(40, 40 * 240), Batch::new(40, 40 * 50));
        let modes: Vec<_> = (0..40).map(|n| if n % 3 == 0 { Mode::Ms30 } else { Mode::Ms20 }).collect();
        let frame = |n: usize| &pcm[20_000 + 700 * n..][..modes[n].samples()];
        let tickets: Vec<_> = modes.iter().enumerate().map(|(n, mode)| batch.push(&Encoder::new(*mode), frame(n)).unwrap()).collect();
        ilbc.encode(&mut batch);
        for (n, (mode, ticket)) in modes.iter().zip(tickets).enumerate() {
            assert_eq!(batch.output(ticket), encode(&ilbc, *mode, frame(n)), "{name} {n}");
            let ticket = back.push(&Decoder::new(*mode), batch.output(ticket)).unwrap();
            if n == 39 {
                ilbc.decode(&mut back);
                assert_eq!(back.output(ticket), decode(&ilbc, *mode, batch.output(ticket), &[]), "{name} {n}");
            }
        }
    }
}

#[test]
fn full_scale_and_noise_stay_finite() {
    let mut random = Random(81);
    for (mode, _) in MODES {
        let square: Vec<i16> = (0..24_000).map(|n: usize| if (n / 37).is_multiple_of(2) { i16::MAX } else { i16::MIN }).collect();
        let noise: Vec<i16> = (0..24_000).map(|_| random.sample()).collect();
        for pcm in [square, noise] {
            for (name, ilbc) in levels() {
                let (mut encoder, mut scratch, mut decoder) = (Encoder::new(mode), Scratch::NEW, Decoder::new(mode));
                for frame in pcm.chunks_exact(mode.samples()) {
                    let (mut octets, mut out) = (vec![0; mode.octets()], vec![0; mode.samples()]);
                    // SAFETY: the level is available.
                    unsafe { (ilbc.encode)(&mut encoder, frame, &mut octets, &mut scratch) };
                    decode_one(&ilbc, &mut decoder, &octets, &mut out);
                }
                assert!(encoder == encoder && decoder == decoder, "{name}: a state that does not equal itself is not a number");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    /// Any octets of any length, mixed with losses.
    #[test]
    fn any_payload_decodes_to_a_frame(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..30), long: bool) {
        let mode = if long { Mode::Ms30 } else { Mode::Ms20 };
        for (name, ilbc) in levels() {
            let mut decoder = Decoder::new(mode);
            for payload in &payloads {
                let mut out = vec![0; mode.samples()];
                decode_one(&ilbc, &mut decoder, payload, &mut out);
            }
            prop_assert!(decoder == decoder, "{name}");
        }
    }
}
