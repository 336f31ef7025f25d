use super::*;

#[test]
fn equal_codecs_are_relayed_with_our_numbers_and_their_payload() {
    let mut bed = Bed::new();
    let [(ka, _), (kb, _)] = bed.bridge((A, &[plain(8)]), (B, &[plain(8)]));
    let mut phone = Phone::new(A, 8);
    let first = bed.say(ka, &mut phone, &[0x55; 160]).unwrap();
    assert_eq!((first.via, first.to, first.payload()), (kb, addr(B), &[0x55; 160][..]));
    let h = first.header();
    assert_eq!((h.payload_type.number(), h.marker), (8, true));
    assert_ne!(h.ssrc, Ssrc(phone.ssrc));
    for n in 1..100u32 {
        let next = bed.say(ka, &mut phone, &[n as u8; 160]).unwrap().header();
        assert_eq!(next.sequence.0, h.sequence.0.wrapping_add(n as u16));
        assert_eq!(next.timestamp, h.timestamp.offset(160 * n));
        assert_eq!((next.ssrc, next.marker), (h.ssrc, false));
    }
}

#[test]
fn csrc_and_padding_do_not_pass() {
    let mut bed = Bed::new();
    let [(ka, _), _] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let mut packet = Phone::new(A, 0).packet(&[]);
    packet[0] = 0xa1;
    packet.extend([1, 2, 3, 4]);
    packet.extend([9; 160]);
    packet.extend([0, 0, 3]);
    let sent = bed.slot(&[(ka, addr(A), packet)]);
    assert_eq!((sent[0].bytes.len(), sent[0].payload()), (172, &[9; 160][..]));
}

#[test]
fn mu_law_becomes_a_law_and_back_by_the_direct_table() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(8)]));
    let codes: Vec<u8> = (0..=255).collect();
    let mut expected = vec![0; 256];
    Kernels::best().g711.ulaw_to_alaw(&codes, &mut expected);
    let sent = bed.say(ka, &mut Phone::new(A, 0), &codes).unwrap();
    assert_eq!((sent.header().payload_type.number(), sent.payload()), (8, &expected[..]));
    Kernels::best().g711.alaw_to_ulaw(&codes, &mut expected);
    let sent = bed.say(kb, &mut Phone::new(B, 8), &codes).unwrap();
    assert_eq!((sent.to, sent.header().payload_type.number(), sent.payload()), (addr(A), 0, &expected[..]));
    assert_eq!((bed.stats(a).codec_in, bed.stats(a).codec_out), (Some("PCMU"), Some("PCMU")));
    assert_eq!((bed.stats(b).codec_in, bed.stats(b).codec_out), (Some("PCMA"), Some("PCMA")));
    assert_eq!(bed.media.transcodes(), 2);
    bed.command(Command::Close { channel: a }).unwrap();
    assert_eq!(bed.media.transcodes(), 0);
}

#[test]
fn linear_and_g711_meet_in_one_batch() {
    let mut bed = Bed::new();
    let [(ka, _), (kb, _)] = bed.bridge((A, &[named(96, "L16", 8000)]), (B, &[plain(0)]));
    let samples: Vec<i16> = (0..160).map(|n| (n - 80) * 300).collect();
    let mut linear = vec![0; 320];
    dsp::l16::encode(&samples, &mut linear);
    let mut codes = vec![0; 160];
    Kernels::best().g711.ulaw_encode(&samples, &mut codes);
    let sent = bed.say(ka, &mut Phone::new(A, 96), &linear).unwrap();
    assert_eq!((sent.via, sent.header().payload_type.number(), sent.payload()), (kb, 0, &codes[..]));
    let mut decoded = vec![0; 160];
    Kernels::best().g711.ulaw_decode(&codes, &mut decoded);
    dsp::l16::encode(&decoded, &mut linear);
    let sent = bed.say(kb, &mut Phone::new(B, 0), &codes).unwrap();
    assert_eq!((sent.header().payload_type.number(), sent.payload()), (96, &linear[..]));
    assert_eq!(bed.status("packets_transcoded"), 2);
}

#[test]
fn the_timestamp_runs_on_the_clock_of_the_payload() {
    let mut bed = Bed::new();
    let [(ka, _), _] = bed.bridge((A, &[plain(8)]), (B, &[named(100, "L16", 16000)]));
    let mut phone = Phone::new(A, 8);
    let first = bed.say(ka, &mut phone, &[0xd5; 160]).unwrap();
    assert_eq!(first.payload().len(), 640);
    let second = bed.say(ka, &mut phone, &[0xd5; 160]).unwrap();
    assert_eq!(second.header().timestamp, first.header().timestamp.offset(320));
}

#[test]
fn noise_that_the_other_side_does_not_know_leaves_no_hole() {
    let mut bed = Bed::new();
    let [(ka, _), (_, b)] = bed.bridge((A, &[plain(0), plain(13)]), (B, &[plain(0)]));
    let mut phone = Phone::new(A, 0);
    let first = bed.say(ka, &mut phone, &[1; 160]).unwrap().header();
    phone.payload_type = 13;
    assert_eq!(bed.say(ka, &mut phone, &[30]), None, "b does not know comfort noise");
    phone.payload_type = 0;
    let after = bed.say(ka, &mut phone, &[1; 160]).unwrap().header();
    assert_eq!(after.sequence.0, first.sequence.0.wrapping_add(1));
    assert_eq!(after.timestamp, first.timestamp.offset(320));
    assert_eq!(bed.stats(b).output.skipped, 1);
}

#[test]
fn loss_reorder_and_duplicates_pass_as_they_are_but_duplicates_do_not() {
    let mut bed = Bed::new();
    let [(ka, a), _] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let mut phone = Phone::new(A, 0);
    let packets: Vec<_> = (0..6u8).map(|n| phone.packet(&[n; 160])).collect();
    let order = [0, 1, 3, 2, 2, 5];
    let slot: Vec<_> = order.map(|n: usize| (ka, addr(A), packets[n].clone())).into();
    let sent = bed.slot(&slot);
    let base = sent[0].header().sequence.0;
    let numbers: Vec<_> = sent.iter().map(|s| (s.header().sequence.0.wrapping_sub(base), s.payload()[0])).collect();
    assert_eq!(numbers, [(0, 0), (1, 1), (3, 3), (2, 2), (5, 5)]);
    let input = bed.stats(a).input;
    assert_eq!((input.count, input.lost, input.reordered, input.duplicate), (5, 1, 1, 1));
}

#[test]
fn the_outgoing_stream_is_one_through_every_change() {
    let mut bed = Bed::new();
    let (ka, a) = bed.call(A, &[plain(0)]);
    let (kb, b) = bed.call(B, &[plain(8)]);
    let (kc, c) = bed.call("127.0.0.4:6000", &[plain(0)]);
    let (mut pb, mut pc) = (Phone::new(B, 8), Phone::new("127.0.0.4:6000", 0));
    (pc.ssrc, pc.sequence, pc.timestamp) = (3, 60_000, u32::MAX - 100);
    let mut heard = Vec::new();
    let note = |bed: &mut Bed, key, phone: &mut Phone, heard: &mut Vec<RtpHeader>| {
        for _ in 0..5 {
            heard.extend(bed.say(key, phone, &[1; 160]).map(|s| s.header()));
        }
    };
    bed.command(Command::Mix { a, b }).unwrap();
    note(&mut bed, kb, &mut pb, &mut heard);
    // Another source of the same far end, then hold, then another party, then echo of its own.
    pb.ssrc = 99;
    note(&mut bed, kb, &mut pb, &mut heard);
    bed.command(Command::Direction { channel: a, direction: Direction { send: false, recv: true } }).unwrap();
    note(&mut bed, kb, &mut pb, &mut heard);
    bed.command(Command::Direction { channel: a, direction: Direction::default() }).unwrap();
    note(&mut bed, kb, &mut pb, &mut heard);
    bed.command(Command::Unmix { channel: a }).unwrap();
    bed.command(Command::Mix { a: c, b: a }).unwrap();
    note(&mut bed, kc, &mut pc, &mut heard);
    bed.target(a, "127.0.0.2:4444", &[plain(8)]);
    note(&mut bed, kc, &mut pc, &mut heard);
    bed.command(Command::Echo { channel: a }).unwrap();
    note(&mut bed, ka, &mut Phone::new("127.0.0.2:4444", 8), &mut heard);
    assert_eq!(heard.len(), 6 * 5);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence.0, pair[0].sequence.0.wrapping_add(1));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
    let steps: Vec<_> = heard.windows(2).map(|pair| pair[1].timestamp.since(pair[0].timestamp)).collect();
    let after_hold = |n: usize| if n == 9 { 6 * 160 } else { 160 };
    assert_eq!(steps, (0..29).map(after_hold).collect::<Vec<_>>(), "time goes on at its own pace");
    let markers: Vec<_> = heard.iter().enumerate().filter(|(_, h)| h.marker).map(|(n, _)| n).collect();
    assert_eq!(markers, [0, 5, 10, 15, 25], "a talkspurt begins with each source");
    assert_eq!(bed.stats(b).input.lost, 0);
}

#[test]
fn what_is_too_long_to_transcode_is_counted_and_the_slot_goes_on() {
    let mut bed = Bed::new();
    let [(ka, _), (_, b)] = bed.bridge((A, &[plain(0)]), (B, &[named(96, "L16", 16000)]));
    let mut phone = Phone::new(A, 0);
    assert_eq!(bed.say(ka, &mut phone, &[1; 400]), None);
    assert_eq!(bed.say(ka, &mut phone, &[]), None);
    assert_eq!((bed.status("packets_overrun"), bed.stats(b).output.skipped), (2, 2));
    assert!(bed.say(ka, &mut phone, &[1; 160]).is_some());
}
