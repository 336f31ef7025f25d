//! Channels in batches: every fill, coming, going and moving between ticks, losses, both frame sizes; and levels against each other.

use super::*;

/// What one channel sends, and what it should decode to when it is alone.
struct Channel {
    mode: Mode,
    frames: Vec<Vec<u8>>,
    samples: Vec<Vec<i16>>,
}

impl Channel {
    /// Frames of speech from `from` on; some of them lost, some with random octets.
    fn new(ilbc: &Ilbc, mode: Mode, from: usize, count: usize, random: &mut Random) -> Self {
        let stream = octets(if mode == Mode::Ms20 { "ilbc/speech.20.rfc.ilbc" } else { "ilbc/speech.30.rfc.ilbc" });
        let (mut decoder, mut samples) = (Decoder::new(mode), vec![]);
        let frames: Vec<Vec<u8>> = (from..from + count)
            .map(|n| match random.next() % 8 {
                0 => vec![],
                1 => (0..mode.octets()).map(|_| random.next() as u8).collect(),
                _ => stream[n * mode.octets()..][..mode.octets()].to_vec(),
            })
            .collect();
        for frame in &frames {
            let mut pcm = vec![0; mode.samples()];
            decode_one(ilbc, &mut decoder, frame, &mut pcm);
            samples.push(pcm);
        }
        Self { mode, frames, samples }
    }
}

/// Encodes the samples of one frame alone.
fn encode_one(ilbc: &Ilbc, encoder: &mut Encoder, pcm: &[i16]) -> Vec<u8> {
    let (mut octets, mut scratch) = (vec![0; encoder.mode().octets()], Scratch::NEW);
    // SAFETY: the level is available.
    unsafe { (ilbc.encode)(encoder, pcm, &mut octets, &mut scratch) };
    octets
}

#[test]
fn every_fill_of_a_lot_gives_every_channel_its_own() {
    let mut random = Random(91);
    for (name, ilbc) in levels() {
        let channels: Vec<_> = (0..2 * LANES + 1).map(|n| Channel::new(&ilbc, Mode::Ms20, 30 + 11 * n, 3, &mut random)).collect();
        for fill in 0..=channels.len() {
            let mut batch = Batch::new(64, 64 * 38);
            let mut decoders = vec![Decoder::new(Mode::Ms20); fill];
            for tick in 0..3 {
                batch.clear();
                let pushed: Vec<_> = decoders.iter().zip(&channels).map(|(d, c)| batch.push(d, &c.frames[tick]).unwrap()).collect();
                ilbc.decode(&mut batch);
                for ((decoder, channel), ticket) in decoders.iter_mut().zip(&channels).zip(pushed) {
                    assert_eq!(batch.output(ticket), channel.samples[tick], "{name}, {fill} channels, tick {tick}");
                    *decoder = *batch.state(ticket).unwrap();
                }
            }
        }
    }
}

#[test]
fn channels_that_come_go_and_move_at_random_sound_as_if_they_were_alone() {
    const TICKS: usize = 24;
    let mut random = Random(92);
    for (name, ilbc) in levels() {
        // Each with its place in its stream, its decoder, and an encoder of what was decoded, which should send the same as one alone.
        let mut channels: Vec<_> = (0..23)
            .map(|n| {
                let mode = if n % 3 == 0 { Mode::Ms30 } else { Mode::Ms20 };
                let channel = Channel::new(&ilbc, mode, 20 + 13 * n, TICKS, &mut random);
                (channel, 0, Decoder::new(mode), Encoder::new(mode), Encoder::new(mode))
            })
            .collect();
        let (mut decode, mut encode) = (Batch::new(32, 32 * 50), Batch::new(32, 32 * 240));
        for _ in 0..TICKS {
            for _ in 0..4 {
                let (a, b) = (random.next() as usize % channels.len(), random.next() as usize % channels.len());
                channels.swap(a, b);
            }
            decode.clear();
            encode.clear();
            let mut ticking = vec![];
            for (n, (channel, at, decoder, encoder, _)) in channels.iter().enumerate() {
                if !random.next().is_multiple_of(4) {
                    let decoding = decode.push(decoder, &channel.frames[*at]).unwrap();
                    ticking.push((n, decoding, encode.push(encoder, &channel.samples[*at]).unwrap()));
                }
            }
            ilbc.decode(&mut decode);
            ilbc.encode(&mut encode);
            for (n, decoding, encoding) in ticking {
                let (channel, at, decoder, encoder, alone) = &mut channels[n];
                assert_eq!(decode.output(decoding), channel.samples[*at], "{name} {:?}", channel.mode);
                assert_eq!(encode.output(encoding), encode_one(&ilbc, alone, &channel.samples[*at]), "{name} {:?}", channel.mode);
                *decoder = *decode.state(decoding).unwrap();
                *encoder = *encode.state(encoding).unwrap();
                assert!(encoder == alone, "{name}");
                *at += 1;
            }
        }
    }
}

#[test]
fn members_of_a_group_join_tick_move_and_leave_without_touching_each_other() {
    let mut random = Random(95);
    let mode = Mode::Ms20;
    for (name, ilbc) in levels() {
        let channels: Vec<_> = (0..LANES).map(|n| Channel::new(&ilbc, mode, 20 + 13 * n, 8, &mut random)).collect();
        let (mut decoders, mut encoders) = (Group::<Decoder>::new(mode), Group::<Encoder>::new(mode));
        assert_eq!(decoders.join(&Decoder::new(Mode::Ms30)), None);
        // Lanes by channel, and what each has had so far.
        let mut lanes: Vec<_> = (0..LANES).map(|n| (decoders.join(&Decoder::new(mode)), encoders.join(&Encoder::new(mode)), n)).collect();
        assert_eq!((decoders.join(&Decoder::new(mode)), decoders.joined()), (None, u16::MAX));
        let mut at = [0; LANES];
        let mut alone = [Encoder::new(mode); LANES];
        for _ in 0..10 {
            let out = random.next() as usize % LANES;
            let (decoder, encoder) = (decoders.leave(lanes[out].0.unwrap()).unwrap(), encoders.leave(lanes[out].1.unwrap()).unwrap());
            let other = random.next() as usize % LANES;
            if other != out {
                let moved = (decoders.leave(lanes[other].0.unwrap()).unwrap(), encoders.leave(lanes[other].1.unwrap()).unwrap());
                (lanes[other].0, lanes[other].1) = (decoders.join(&moved.0), encoders.join(&moved.1));
            }
            let ticking = random.next() as u16;
            let (mut frames, mut pcm): ([&[u8]; LANES], [&[i16]; LANES]) = ([&[]; LANES], [&[]; LANES]);
            let ticks = |lane: Option<usize>, n: usize| lane.filter(|lane| n != out && ticking >> lane & 1 != 0 && at[n] < 8);
            let mut live = 0;
            for (lane, _, n) in &lanes {
                if let Some(lane) = ticks(*lane, *n) {
                    (frames[lane], pcm[lane]) = (&channels[*n].frames[at[*n]], &channels[*n].samples[at[*n]]);
                    live |= 1 << lane;
                }
            }
            let (mut samples, mut octets) = (vec![77; LANES * mode.samples()], vec![77; LANES * mode.octets()]);
            ilbc.decode_group(&mut decoders, live, &frames, &mut samples);
            ilbc.encode_group(&mut encoders, live, &pcm, &mut octets);
            for (lane, (samples, octets)) in samples.chunks(mode.samples()).zip(octets.chunks(mode.octets())).enumerate() {
                match lanes.iter().find(|(of, _, n)| *of == Some(lane) && *n != out).filter(|_| live >> lane & 1 != 0) {
                    Some((.., n)) => {
                        assert_eq!(samples, channels[*n].samples[at[*n]], "{name}");
                        assert_eq!(octets, encode_one(&ilbc, &mut alone[*n], &channels[*n].samples[at[*n]]), "{name}");
                        at[*n] += 1;
                    }
                    None => assert!(samples.iter().all(|x| *x == 77) && octets.iter().all(|x| *x == 77), "{name}: lane {lane} was silent"),
                }
            }
            (lanes[out].0, lanes[out].1) = (decoders.join(&decoder), encoders.join(&encoder));
        }
        assert!(at.iter().all(|at| *at > 0), "{name}: {at:?}");
    }
}

/// Float sums differ in the last bits, so a level may differ from scalar by what that does; a wrong lane would be far off.
#[test]
fn every_level_decodes_random_frames_as_scalar_does() {
    let mut random = Random(93);
    let scalar = Ilbc::new(Level::named("scalar").unwrap());
    for (mode, ms) in MODES {
        let mut stream = vec![];
        for _ in 0..300 {
            let mut frame: Vec<u8> = (0..mode.octets()).map(|_| random.next() as u8).collect();
            frame[mode.octets() - 1] &= 0xFE;
            stream.extend(frame);
        }
        let expected = float(&decode(&scalar, mode, &stream, &[]));
        for (name, ilbc) in levels() {
            let (over_all, segments) = snr(&expected, &float(&decode(&ilbc, mode, &stream, &[])), 90.0);
            println!("{name} {ms}: {segments:.1} dB in segments, {over_all:.1} dB over all");
            assert!(segments > 40.0 && over_all > 20.0, "{name} {ms}: {segments:.1} dB in segments, {over_all:.1} dB over all");
        }
    }
}

/// Noise, full scale, steps, silence: the quality of what a level sends is that of what scalar sends.
#[test]
fn every_level_encodes_adversarial_input_as_well_as_scalar_does() {
    let mut random = Random(94);
    let scalar = Ilbc::new(Level::named("scalar").unwrap());
    let noise: Vec<i16> = (0..9600).map(|_| random.sample()).collect();
    let levels_of_noise: Vec<i16> = (0..9600).map(|n| random.sample() >> (n / 640)).collect();
    let square: Vec<i16> = (0..9600).map(|n: usize| if (n / 37).is_multiple_of(2) { i16::MAX } else { i16::MIN }).collect();
    let impulses: Vec<i16> = (0..9600).map(|n: usize| if n.is_multiple_of(331) { i16::MIN } else { 0 }).collect();
    for (mode, ms) in MODES {
        for (what, pcm) in [("noise", &noise), ("fading noise", &levels_of_noise), ("square", &square), ("impulses", &impulses)] {
            let expected = quality(&scalar, mode, pcm, &encode(&scalar, mode, pcm));
            for (name, ilbc) in levels() {
                let got = quality(&ilbc, mode, pcm, &encode(&ilbc, mode, pcm));
                println!("{name} {ms} {what}: {:.2} / {:.2} dB, scalar {:.2} / {:.2}", got.0, got.1, expected.0, expected.1);
                assert!(got.0 > expected.0 - 0.3 && got.1 > expected.1 - 0.3, "{name} {ms} {what}");
            }
        }
    }
}
