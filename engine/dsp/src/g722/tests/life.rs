//! Channels in lanes: every level against scalar on signals of all kinds, isolation, joining, leaving and moving.

use proptest::prelude::*;

use super::*;

/// Signal of a lane: each kind another way to stress the coder.
fn signal(lane: usize, random: &mut Random, samples: usize) -> Vec<i16> {
    let speech = crate::testing::samples("g722/wb_speech.s16");
    let square = |n: usize, half: usize| if (n / half).is_multiple_of(2) { i16::MAX } else { i16::MIN };
    (0..samples)
        .map(|n| match lane % 8 {
            0 => speech[(n + 7000 * lane) % speech.len()],
            1 => random.sample(),
            2 => 0,
            3 => square(n, 1 + lane),
            4 => random.sample() >> (lane / 4 + 1),
            5 => speech[(n + 7000 * lane) % speech.len()].saturating_mul(20),
            6 if (n / 800).is_multiple_of(2) => square(n, 3),
            6 => random.sample() >> 15,
            _ => (random.sample() >> 2).saturating_add(square(n, 80) >> 1),
        })
        .collect()
}

const FRAME: usize = 40;
const FRAMES: usize = 1000;

#[test]
fn every_level_encodes_what_scalar_does_with_other_content_in_every_lane() {
    let mut random = Random(1);
    let signals: Vec<_> = (0..LANES).map(|lane| signal(lane, &mut random, 2 * FRAME * FRAMES)).collect();
    let expected: Vec<_> = signals.iter().map(|pcm| scalar_encode(pcm)).collect();
    for (name, g722) in levels() {
        let (mut group, mut scratch, mut out) = (Group::<Encoder>::new(), Scratch::new(), vec![0; LANES * FRAME]);
        (0..LANES).for_each(|_| assert!(group.join(&Encoder::new()).is_some()));
        for frame in 0..FRAMES {
            let inputs = std::array::from_fn(|lane| &signals[lane][2 * FRAME * frame..][..2 * FRAME]);
            g722.encode_group(&mut group, !0, FRAME, &inputs, &mut out, &mut scratch);
            for (lane, out) in out.chunks(FRAME).enumerate() {
                assert!(out == &expected[lane][FRAME * frame..][..FRAME], "{name} lane {lane} frame {frame}");
            }
        }
    }
}

#[test]
fn every_level_decodes_what_scalar_does_from_random_octets_in_every_lane() {
    let mut random = Random(2);
    for (mode, ..) in MODES {
        let codes: Vec<Vec<u8>> = (0..LANES)
            .map(|lane| {
                let held = 1 + lane / 4; // repeated codes drive the step size to its ends
                let mut code = 0;
                (0..FRAME * FRAMES)
                    .map(|n| {
                        if n % held == 0 {
                            code = random.next() as u8;
                            code
                        } else {
                            code
                        }
                    })
                    .collect()
            })
            .collect();
        let expected: Vec<_> = codes.iter().map(|codes| scalar_decode(mode, codes)).collect();
        for (name, g722) in levels() {
            let (mut group, mut scratch, mut out) = (Group::with_mode(mode), Scratch::new(), vec![0; 2 * LANES * FRAME]);
            (0..LANES).for_each(|_| assert!(group.join(&Decoder::new(mode)).is_some()));
            for frame in 0..FRAMES {
                let inputs = std::array::from_fn(|lane| &codes[lane][FRAME * frame..][..FRAME]);
                g722.decode_group(&mut group, !0, FRAME, &inputs, &mut out, &mut scratch);
                for (lane, out) in out.chunks(2 * FRAME).enumerate() {
                    assert!(out == &expected[lane][2 * FRAME * frame..][..2 * FRAME], "{name} lane {lane} frame {frame}");
                }
            }
        }
    }
}

#[test]
fn the_vectors_come_out_of_every_lane_each_started_a_frame_later() {
    let (_, pcm, codes) = encoder_vectors().pop().unwrap();
    let (frame, frames) = (160, 120);
    for (name, g722) in levels() {
        let (mut encoders, mut scratch) = (Group::<Encoder>::new(), Scratch::new());
        let mut decoders = Group::with_mode(Mode::Kbit64);
        let (mut octets, mut samples) = (vec![0; LANES * frame], vec![0; 2 * LANES * frame]);
        let expected = super::samples("g722/itu/outsp1.bin");
        for tick in 0..frames {
            if tick < LANES {
                assert_eq!(encoders.join(&Encoder::new()), Some(tick));
                assert_eq!(decoders.join(&Decoder::default()), Some(tick));
            }
            let at = |lane: usize| frame * tick.saturating_sub(lane);
            g722.encode_group(
                &mut encoders,
                !0,
                frame,
                &std::array::from_fn(|lane| &pcm[2 * at(lane)..][..2 * frame]),
                &mut octets,
                &mut scratch,
            );
            g722.decode_group(
                &mut decoders,
                !0,
                frame,
                &std::array::from_fn(|lane| &codes[at(lane)..][..frame]),
                &mut samples,
                &mut scratch,
            );
            for lane in 0..LANES.min(tick + 1) {
                assert!(octets[lane * frame..][..frame] == codes[at(lane)..][..frame], "{name} lane {lane} tick {tick}");
                assert!(
                    samples[2 * lane * frame..][..2 * frame] == expected[2 * at(lane)..][..2 * frame],
                    "{name} lane {lane} tick {tick}"
                );
            }
        }
    }
}

#[test]
fn a_lane_does_not_hear_the_others_and_one_without_a_frame_keeps_its_state() {
    let mut random = Random(3);
    for (name, g722) in levels() {
        let mut scratch = Scratch::new();
        for lane in 0..LANES {
            let own: Vec<i16> = signal(7, &mut random, 4 * FRAME);
            let mut heard = vec![];
            for others in [0, 1, 3, 5] {
                let mut group = Group::<Encoder>::new();
                (0..LANES).for_each(|_| assert!(group.join(&Encoder::new()).is_some()));
                let noise = signal(others, &mut random, 4 * FRAME);
                let mut out = vec![0; LANES * FRAME];
                for part in 0..2 {
                    let inputs = std::array::from_fn(|i| {
                        if i == lane { &own[2 * FRAME * part..][..2 * FRAME] } else { &noise[2 * FRAME * part..][..2 * FRAME] }
                    });
                    g722.encode_group(&mut group, !0, FRAME, &inputs, &mut out, &mut scratch);
                }
                heard.push((out[lane * FRAME..][..FRAME].to_vec(), group.extract(lane)));
                // A tick without this lane.
                out.fill(0xA5);
                let inputs = std::array::from_fn(|_| &noise[..2 * FRAME]);
                g722.encode_group(&mut group, !(1 << lane), FRAME, &inputs, &mut out, &mut scratch);
                assert_eq!(group.extract(lane), heard.last().unwrap().1, "{name} lane {lane}");
                assert!(out[lane * FRAME..][..FRAME].iter().all(|octet| *octet == 0xA5), "{name} lane {lane}");
            }
            assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "{name} lane {lane}");
        }
    }
}

#[test]
fn every_fill_of_a_group_gives_every_member_its_own() {
    let mut random = Random(4);
    let signals: Vec<_> = (0..LANES).map(|lane| signal(lane, &mut random, 6 * FRAME)).collect();
    let expected: Vec<_> = signals.iter().map(|pcm| scalar_encode(pcm)).collect();
    for (name, g722) in levels() {
        let mut scratch = Scratch::new();
        for fill in 0..=LANES {
            let (mut group, mut out) = (Group::<Encoder>::new(), vec![0; LANES * 3 * FRAME]);
            (0..fill).for_each(|_| assert!(group.join(&Encoder::new()).is_some()));
            let inputs = std::array::from_fn(|lane| signals[lane].as_slice());
            g722.encode_group(&mut group, !0, 3 * FRAME, &inputs, &mut out, &mut scratch);
            for lane in 0..LANES {
                let frame = &out[lane * 3 * FRAME..][..3 * FRAME];
                assert!(
                    if lane < fill { frame == expected[lane] } else { frame.iter().all(|o| *o == 0) },
                    "{name} fill {fill} lane {lane}"
                );
            }
        }
    }
}

#[test]
fn channels_that_join_leave_and_move_at_random_sound_as_if_they_had_not() {
    let mut random = Random(5);
    let channels = 60;
    let codes: Vec<Vec<u8>> = (0..channels).map(|_| (0..FRAME * 200).map(|_| random.next() as u8).collect()).collect();
    let expected: Vec<_> = codes.iter().map(|codes| scalar_decode(Mode::Kbit64, codes)).collect();
    for (name, g722) in levels() {
        let mut scratch = Scratch::new();
        let mut groups = [Group::with_mode(Mode::Kbit64), Group::with_mode(Mode::Kbit64), Group::with_mode(Mode::Kbit64)];
        // Outside of a group a channel is its state; inside it is (group, lane).
        let mut outside: Vec<Option<Decoder>> = vec![Some(Decoder::default()); channels];
        let mut place = vec![(0, 0); channels];
        let mut done = vec![0; channels];
        let mut out = vec![0; 2 * LANES * FRAME];
        for _ in 0..300 {
            for channel in 0..channels {
                match (outside[channel], random.next() % 4) {
                    (Some(state), 0) => {
                        let group = random.next() as usize % groups.len();
                        if let Some(lane) = groups[group].join(&state) {
                            (outside[channel], place[channel]) = (None, (group, lane));
                        }
                    }
                    (None, 1) => {
                        let (group, lane) = place[channel];
                        outside[channel] = groups[group].leave(lane);
                        assert!(outside[channel].is_some());
                    }
                    _ => {}
                }
            }
            for (g, group) in groups.iter_mut().enumerate() {
                let member = |lane: usize| (0..channels).find(|c| outside[*c].is_none() && place[*c] == (g, lane) && done[*c] < 200);
                let members: [Option<usize>; LANES] = std::array::from_fn(member);
                let ticking =
                    random.next() as u32 & members.iter().enumerate().fold(0, |bits, (lane, m)| bits | (u32::from(m.is_some()) << lane));
                let inputs = members.map(|m| m.map_or(&[][..], |c| &codes[c][FRAME * done[c]..][..FRAME]));
                g722.decode_group(group, ticking, FRAME, &inputs, &mut out, &mut scratch);
                for lane in (0..LANES).filter(|lane| ticking >> lane & 1 != 0) {
                    let channel = members[lane].unwrap();
                    let frame = 2 * FRAME * done[channel];
                    assert!(out[2 * FRAME * lane..][..2 * FRAME] == expected[channel][frame..][..2 * FRAME], "{name} channel {channel}");
                    done[channel] += 1;
                }
            }
        }
        assert!(done.iter().sum::<usize>() > 1000);
    }
}

#[test]
fn a_group_refuses_what_it_cannot_hold() {
    let mut group = Group::with_mode(Mode::Kbit56);
    assert_eq!(group.join(&Decoder::default()), None);
    for lane in 0..LANES {
        assert_eq!(group.join(&Decoder::new(Mode::Kbit56)), Some(lane));
    }
    assert_eq!(group.join(&Decoder::new(Mode::Kbit56)), None);
    assert_eq!(group.leave(7), Some(Decoder::new(Mode::Kbit56)));
    assert_eq!((group.leave(7), group.extract(LANES), group.joined()), (None, None, !(1 << 7)));
    assert_eq!(group.join(&Decoder::new(Mode::Kbit56)), Some(7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Frames of any length, mode and content, in any order, in one batch or alone: the same bytes.
    #[test]
    fn any_order_of_frames_in_a_batch_gives_the_same_samples(frames in prop::collection::vec((0..3_usize, prop::collection::vec(any::<u8>(), 0..50)), 0..80)) {
        for (name, g722) in levels() {
            let (mut batch, mut scratch) = (Batch::new(80, 80 * 50), Scratch::new());
            let tickets: Vec<_> = frames.iter().map(|(mode, codes)| batch.push(&Decoder::new(MODES[*mode].0), codes).unwrap()).collect();
            g722.decode(&mut batch, &mut scratch);
            for ((mode, codes), ticket) in frames.iter().zip(tickets) {
                prop_assert_eq!(batch.output(ticket), scalar_decode(MODES[*mode].0, codes), "{}", name);
            }
        }
    }

    #[test]
    fn any_samples_encode_alike_at_every_level(frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..100), 0..40)) {
        for (name, g722) in levels() {
            let (mut batch, mut scratch) = (Batch::new(40, 40 * 100), Scratch::new());
            let tickets: Vec<_> = frames.iter().map(|pcm| batch.push(&Encoder::new(), pcm).unwrap()).collect();
            g722.encode(&mut batch, &mut scratch);
            for (pcm, ticket) in frames.iter().zip(tickets) {
                prop_assert_eq!(batch.output(ticket), scalar_encode(pcm), "{}", name);
            }
        }
    }
}

fn scalar_encode(pcm: &[i16]) -> Vec<u8> {
    let mut out = vec![0; pcm.len() / 2];
    scalar::encode(&mut Column::new(), pcm, &mut out);
    out
}

fn scalar_decode(mode: Mode, codes: &[u8]) -> Vec<i16> {
    let mut out = vec![0; 2 * codes.len()];
    scalar::decode(&mut Column::new(), mode, codes, &mut out);
    out
}
