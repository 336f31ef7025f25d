//! Codecs that remember, in lanes with those of other channels.

use dsp::g722::{Decoder, Encoder, Scratch};

use super::*;

/// One G.722 channel by itself, frame by frame.
#[derive(Default)]
struct Alone {
    decoder: Decoder,
    encoder: Encoder,
}

impl Alone {
    fn decode(&mut self, octets: &[u8]) -> Vec<i16> {
        let mut batch = dsp::Batch::new(1, 2 * octets.len());
        let ticket = batch.push(&self.decoder, octets).unwrap();
        Kernels::best().g722.decode(&mut batch, &mut Scratch::new());
        self.decoder = *batch.state(ticket).unwrap();
        batch.output(ticket).to_vec()
    }

    fn encode(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut batch = dsp::Batch::new(1, samples.len());
        let ticket = batch.push(&self.encoder, samples).unwrap();
        Kernels::best().g722.encode(&mut batch, &mut Scratch::new());
        self.encoder = *batch.state(ticket).unwrap();
        batch.output(ticket).to_vec()
    }
}

fn linear(samples: &[i16]) -> Vec<u8> {
    let mut octets = vec![0; 2 * samples.len()];
    dsp::l16::encode(samples, &mut octets);
    octets
}

fn noise(seed: u64, samples: usize) -> Vec<i16> {
    let mut rng = sim::SimRng::new(seed);
    (0..samples).map(|_| rng.below(8000) as i16 - 4000).collect()
}

const WIDE: &str = "L16";

#[test]
fn frames_of_one_channel_in_one_slot_go_one_after_the_other() {
    let mut bed = Bed::new();
    let [(ka, _), (kb, _)] = bed.bridge((A, &[named(96, WIDE, 16000)]), (B, &[plain(9)]));
    let (mut phone, mut back) = (Phone::new(A, 96), Phone::new(B, 9));
    let (mut out, mut into) = (Alone::default(), Alone::default());
    // One, three or no packets a slot, of unlike lengths.
    for (slot, lens) in [vec![320], vec![320, 160, 320], vec![], vec![640, 320], vec![320]].into_iter().cycle().take(50).enumerate() {
        let frames: Vec<_> = lens.iter().enumerate().map(|(n, len)| noise((slot * 10 + n) as u64, *len)).collect();
        let codes: Vec<_> = frames.iter().map(|frame| out.encode(frame)).collect();
        let mut packets: Vec<_> = frames.iter().map(|frame| (ka, addr(A), phone.packet(&linear(frame)))).collect();
        packets.extend(codes.iter().map(|octets| (kb, addr(B), back.packet(octets))));
        let sent = bed.slot(&packets);
        let to = |who: &str| -> Vec<Vec<u8>> {
            sent.iter().filter(|s| s.to == addr(who) && s.port == Port::Rtp).map(|s| s.payload().to_vec()).collect()
        };
        assert_eq!(to(B), codes, "encoded in slot {slot}");
        let heard: Vec<_> = codes.iter().map(|octets| linear(&into.decode(octets))).collect();
        assert_eq!(to(A), heard, "decoded in slot {slot}");
    }
    assert_eq!(bed.media.transcodes(), 2);
}

#[test]
fn many_channels_share_the_lanes_and_keep_apart() {
    const CALLS: usize = 700;
    let mut bed = Bed::with(Config { channels_max: 2 * CALLS, ..Config::default() });
    let who = |n: usize| format!("127.1.{}.{}:4000", n / 200, n % 200 + 1);
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let [(key, _), _] = bed.bridge((&who(2 * n), &[named(96, WIDE, 16000)]), (&who(2 * n + 1), &[plain(9)]));
            (key, Phone::new(&who(2 * n), 96), Alone::default())
        })
        .collect();
    let mut calls = calls;
    for slot in 0..3 {
        // Each slot leaves out other channels: who says nothing keeps his state.
        let mut packets = Vec::new();
        let mut expected = Vec::new();
        for (n, (key, phone, alone)) in calls.iter_mut().enumerate().filter(|(n, _)| (n + slot) % 3 != 0) {
            let frame = noise((1000 * slot + n) as u64, 320);
            packets.push((*key, phone.from, phone.packet(&linear(&frame))));
            expected.push((addr(&who(2 * n + 1)), alone.encode(&frame)));
        }
        let sent = bed.slot(&packets);
        let heard: Vec<_> = sent.iter().filter(|s| s.port == Port::Rtp).map(|s| (s.to, s.payload().to_vec())).collect();
        assert_eq!(heard, expected);
    }
}

#[test]
fn narrow_and_wide_meet_and_the_clock_stays_that_of_the_payload() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(9), plain(0)]));
    bed.target(b, B, &[plain(9)]);
    let (mut pa, mut pb) = (Phone::new(A, 0), Phone::new(B, 9));
    let first = bed.say(ka, &mut pa, &[0x55; 160]).unwrap();
    assert_eq!((first.header().payload_type.number(), first.payload().len()), (9, 160));
    let second = bed.say(ka, &mut pa, &[0x55; 160]).unwrap();
    assert_eq!(second.header().timestamp, first.header().timestamp.offset(160), "RFC 3551 §4.5.2");
    assert_eq!(bed.say(kb, &mut pb, &[0x55; 160]).unwrap().payload().len(), 160);
    assert_eq!((bed.stats(a).codec_in, bed.stats(b).codec_in), (Some("PCMU"), Some("G722")));
    bed.target(b, B, &[plain(0)]);
    assert_eq!(bed.say(ka, &mut pa, &[0x55; 160]).unwrap().payload(), &[0x55; 160], "relayed from now on");
}

#[test]
fn a_new_source_starts_the_decoder_anew() {
    let mut bed = Bed::new();
    let [(ka, _), _] = bed.bridge((A, &[plain(9)]), (B, &[named(96, WIDE, 16000)]));
    let mut phone = Phone::new(A, 9);
    bed.say(ka, &mut phone, &Alone::default().encode(&noise(1, 320)));
    phone.ssrc = 77;
    let codes = Alone::default().encode(&noise(2, 320));
    assert_eq!(bed.say(ka, &mut phone, &codes).unwrap().payload(), linear(&Alone::default().decode(&codes)));
}

#[test]
fn ilbc_is_transcoded_frame_by_frame_with_the_states_of_its_channel() {
    use dsp::ilbc;
    for (fmtp, mode) in [("mode=20", ilbc::Mode::Ms20), ("mode=30", ilbc::Mode::Ms30)] {
        let mut bed = Bed::new();
        let far = Payload { fmtp: Some(fmtp.into()), ..named(97, "iLBC", 8000) };
        let [(ka, _), (kb, _)] = bed.bridge((A, &[named(96, WIDE, 8000)]), (B, &[far]));
        let (mut phone, mut back) = (Phone::new(A, 96), Phone::new(B, 97));
        let (mut encoder, mut decoder) = (ilbc::Encoder::new(mode), ilbc::Decoder::new(mode));
        for n in 0..20 {
            // Every third packet has two frames.
            let frames = if n % 3 == 0 { 2 } else { 1 };
            let sound = noise(n, frames * mode.samples());
            let (mut codes, mut heard) = (Vec::new(), Vec::new());
            for frame in sound.chunks(mode.samples()) {
                let mut batch = dsp::Batch::new(1, 240);
                let ticket = batch.push(&encoder, frame).unwrap();
                Kernels::best().ilbc.encode(&mut batch);
                encoder = *batch.state(ticket).unwrap();
                codes.extend_from_slice(batch.output(ticket));
            }
            for frame in codes.chunks(mode.octets()) {
                let mut batch = dsp::Batch::new(1, 240);
                let ticket = batch.push(&decoder, frame).unwrap();
                Kernels::best().ilbc.decode(&mut batch);
                decoder = *batch.state(ticket).unwrap();
                heard.extend_from_slice(batch.output(ticket));
            }
            assert_eq!(bed.say(ka, &mut phone, &linear(&sound)).unwrap().payload(), codes);
            assert_eq!(bed.say(kb, &mut back, &codes).unwrap().payload(), linear(&heard));
        }
        assert_eq!(bed.say(kb, &mut back, &[1; 37]), None, "less than a frame");
        assert!(bed.say(kb, &mut back, &[1; 60]).is_some(), "a frame and something");
    }
}

#[test]
fn frames_of_both_sizes_of_ilbc_in_one_slot_are_decoded_each_by_a_decoder_of_its_size() {
    use dsp::ilbc::{self, Mode::Ms20, Mode::Ms30};
    let mut bed = Bed::new();
    let far = Payload { fmtp: Some("mode=20".into()), ..named(97, "iLBC", 8000) };
    let [_, (key, id)] = bed.bridge((A, &[named(96, WIDE, 8000)]), (B, &[far]));
    let mut phone = Phone::new(B, 97);
    let (mut encoders, mut decoder) = ([Ms20, Ms30].map(ilbc::Encoder::new), ilbc::Decoder::new(Ms20));
    let mut frame = |mode: ilbc::Mode, seed: u64| {
        let mut batch = dsp::Batch::new(1, 240);
        let encoder = &mut encoders[usize::from(mode == Ms30)];
        let ticket = batch.push(encoder, &noise(seed, mode.samples())).unwrap();
        Kernels::best().ilbc.encode(&mut batch);
        *encoder = *batch.state(ticket).unwrap();
        batch.output(ticket).to_vec()
    };
    // Each in a slot of its own and several in one, with every change between them.
    for (n, modes) in [&[Ms20][..], &[Ms20, Ms30, Ms30, Ms20], &[Ms30, Ms20], &[Ms20], &[Ms30, Ms30]].into_iter().enumerate() {
        let (mut packets, mut heard) = (Vec::new(), Vec::new());
        for (k, mode) in modes.iter().enumerate() {
            let octets = frame(*mode, (10 * n + k) as u64);
            if decoder.mode() != *mode {
                decoder = ilbc::Decoder::new(*mode);
            }
            let mut batch = dsp::Batch::new(1, 240);
            let ticket = batch.push(&decoder, &octets).unwrap();
            Kernels::best().ilbc.decode(&mut batch);
            decoder = *batch.state(ticket).unwrap();
            heard.push(linear(batch.output(ticket)));
            packets.push((key, addr(B), phone.packet(&octets)));
        }
        let sent = bed.slot(&packets);
        assert_eq!(sent.iter().filter(|sent| sent.port == Port::Rtp).map(Sent::payload).collect::<Vec<_>>(), heard, "slot {n}");
    }
    assert_eq!(bed.stats(id).input.lost, 0);
}

/// A bridge of G.722 to L16 in which the third packet has overtaken the second, and the channel of G.722; packets of it were seen to
/// overtake each other before, when nobody heard them.
fn overtaken() -> (Bed, (ChannelKey, ChannelId), Phone, Vec<Vec<u8>>) {
    let mut bed = Bed::new();
    let (one, other) = (bed.call(A, &[plain(9)]), bed.call(B, &[named(96, WIDE, 16000)]));
    let (mut phone, mut encoder) = (Phone::new(A, 9), Alone::default());
    let before = [0; 3].map(|_| phone.packet(&[0x55; 160]));
    assert_eq!(bed.slot(&[0, 2, 1].map(|n: usize| (one.0, addr(A), before[n].clone()))), []);
    assert_eq!(bed.command(Command::Mix { a: one.1, b: other.1 }), Ok(Reply::Done));
    bed.outputs();
    let mut packets: Vec<_> = (0..5).map(|n| phone.packet(&encoder.encode(&noise(n, 320)))).collect();
    let second = packets.remove(1);
    assert_eq!(bed.slot(&[(one.0, addr(A), packets.remove(0))]).len(), 1);
    assert_eq!(bed.slot(&[(one.0, addr(A), packets.remove(0))]), [], "it waits");
    packets.insert(0, second);
    (bed, one, phone, packets)
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn who_overtook_goes_when_the_other_comes_or_its_time_is_over() {
    let (mut bed, (key, _), _, packets) = overtaken();
    let sent = bed.slot_after(9 * MS, &[(key, addr(A), packets[0].clone())]);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].header().sequence.0, sent[0].header().sequence.0.wrapping_add(1));
    let (mut bed, (key, id), _, packets) = overtaken();
    assert_eq!((bed.slot_after(9 * MS, &[]).len(), bed.slot_after(MS, &[]).len()), (0, 1));
    // What comes then would spoil the decoder, and those after it pass at once.
    assert_eq!(bed.slot_after(MS, &[(key, addr(A), packets[0].clone())]), []);
    assert_eq!(bed.slot_after(MS, &[(key, addr(A), packets[1].clone())]).len(), 1);
    assert_eq!((bed.stats(id).input.late, bed.stats(id).input.lost), (1, 0));
}

#[test]
fn who_was_never_overtaken_waits_for_nothing_and_the_first_who_is_is_lost() {
    let mut bed = Bed::new();
    let [(key, id), _] = bed.bridge((A, &[plain(9)]), (B, &[named(96, WIDE, 16000)]));
    let (mut phone, mut encoder) = (Phone::new(A, 9), Alone::default());
    let packets: Vec<_> = (0..8).map(|n| phone.packet(&encoder.encode(&noise(n, 320)))).collect();
    let mut sent = |pause: Duration, n: usize| {
        let sent = bed.slot_after(pause, &[(key, addr(A), packets[n].clone())]);
        sent.iter().filter(|sent| sent.port == Port::Rtp).count()
    };
    assert_eq!([sent(20 * MS, 0), sent(20 * MS, 2), sent(MS, 1)], [1, 1, 0]);
    // Now it is known.
    assert_eq!([sent(20 * MS, 4), sent(MS, 3)], [0, 2]);
    assert_eq!([sent(20 * MS, 6), sent(MS, 5)], [0, 2]);
    // For a while.
    assert_eq!(sent(30_000 * MS, 7), 1);
    phone.packet(&[0x55; 160]);
    let after_a_loss = phone.packet(&[0x55; 160]);
    assert_eq!(bed.slot_after(MS, &[(key, addr(A), after_a_loss)]).len(), 1, "nothing waits any more");
    assert_eq!((bed.stats(id).input.late, bed.stats(id).input.lost), (1, 1));
}

#[test]
fn what_waits_goes_with_its_stream_and_its_channel() {
    // Another source: what waited was the last of the old one.
    let (mut bed, (key, _), mut phone, _) = overtaken();
    phone.ssrc = 99;
    let codes = Alone::default().encode(&noise(9, 320));
    let sent = bed.slot_after(MS, &[(key, addr(A), phone.packet(&codes))]);
    assert_eq!(sent.iter().map(Sent::payload).collect::<Vec<_>>(), [linear(&Alone::default().decode(&codes))]);
    assert_eq!(bed.slot_after(10 * MS, &[]), []);
    // Nobody is there to hear it.
    let (mut bed, (_, id), ..) = overtaken();
    bed.command(Command::Unmix { channel: id }).unwrap();
    assert_eq!(bed.slot_after(10 * MS, &[]), []);
    // The channel is gone, and another is in its place.
    let (mut bed, (_, id), _, packets) = overtaken();
    bed.command(Command::Close { channel: id }).unwrap();
    bed.slot_after(MS, &[]);
    let (key, _) = bed.call(A, &[plain(9)]);
    assert!(bed.slot_after(9 * MS, &[(key, addr(A), packets[0].clone())]).iter().all(|sent| sent.port == Port::Rtcp));
}

#[test]
fn what_waits_is_in_the_jitter_buffer_when_a_clock_begins() {
    let (mut bed, (key, a), _, packets) = overtaken();
    let (_, third) = bed.call("127.0.0.4:6000", &[plain(0)]);
    bed.command(Command::Mix { a: third, b: a }).unwrap();
    assert_eq!(bed.media.table.get(key.slot).map(|channel| channel.held), Some(0), "nothing waits outside it any more");
    for packet in packets {
        bed.slot(&[(key, addr(A), packet)]);
    }
    let stats = bed.stats(a).input;
    assert_eq!((stats.count, stats.lost, stats.late), (3 + 5, 0, 0));
}
