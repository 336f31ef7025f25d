//! Digits through a shard: told once, made anew, sent.

use super::*;
use crate::api::{DigitSource, Dtmf};
use crate::telephone_event::EventPayload;

const C: &str = "127.0.0.4:6000";
const EVENTS_A: u8 = 101;

fn with_events(number: u8) -> [Payload; 2] {
    [plain(0), named(number, "telephone-event", 8000)]
}

/// Presses a digit at a phone for 100 ms, in slots of a millisecond, and gives what leaves in half a second.
fn press(bed: &mut Bed, key: ChannelKey, phone: &mut Phone, event: u8, lost: &[usize]) -> Vec<Sent> {
    let timestamp = phone.timestamp + 160;
    let mut sent = Vec::new();
    for ms in 0..500usize {
        let mut packets = Vec::new();
        if ms.is_multiple_of(20) && ms / 20 < 7 {
            let n = ms / 20;
            let payload = EventPayload { event, end: n >= 4, volume: 10, duration: 160 * (n as u16 + 1).min(5) };
            let packet = phone.packet(&payload.to_bytes());
            let packet = [&packet[..4], &timestamp.to_be_bytes(), &packet[8..]].concat();
            if !lost.contains(&n) {
                packets.push((key, phone.from, packet));
            }
        }
        sent.extend(bed.slot_after(Duration::from_millis(1), &packets));
    }
    sent.retain(|s| s.port == Port::Rtp);
    sent
}

fn digits(bed: &mut Bed) -> Vec<(ChannelId, char, u32)> {
    let events = bed.events().into_iter().filter_map(|e| match e.action {
        EventAction::Digit { digit, duration_ms, source } => {
            assert_eq!(source, DigitSource::Rfc4733);
            Some((e.channel, digit, duration_ms))
        }
        _ => None,
    });
    events.collect()
}

fn events_of(sent: &[Sent], number: u8) -> Vec<(RtpHeader, EventPayload)> {
    let of_number = sent.iter().filter(|s| s.header().payload_type.number() == number);
    of_number.map(|s| (s.header(), EventPayload::parse(s.payload()).unwrap())).collect()
}

#[test]
fn a_digit_is_told_once_and_made_anew_for_the_peer_whatever_is_lost() {
    for lost in [&[][..], &[0], &[6], &[4, 5, 6], &[0, 1, 2, 3, 4, 5]] {
        let mut bed = Bed::new();
        let [(ka, a), _] = bed.bridge((A, &with_events(EVENTS_A)), (B, &with_events(110)));
        let mut phone = Phone::new(A, 0);
        let before = bed.say(ka, &mut phone, &[1; 160]).unwrap().header();
        phone.payload_type = EVENTS_A;
        let sent = press(&mut bed, ka, &mut phone, 5, lost);
        let told = digits(&mut bed);
        assert_eq!(told.len(), 1, "{lost:?}: {told:?}");
        assert_eq!((told[0].0, told[0].1), (a, '5'));
        assert!((80..=100).contains(&told[0].2), "{told:?}");
        let events = events_of(&sent, 110);
        assert_eq!(sent.len(), events.len(), "nothing passes raw");
        let (first, last) = (events[0].0, events[events.len() - 1].1);
        assert!(first.marker && first.ssrc == before.ssrc);
        for (n, (header, payload)) in events.iter().enumerate() {
            assert_eq!(header.sequence.0, before.sequence.0.wrapping_add(1 + n as u16));
            assert_eq!((header.timestamp, payload.event), (first.timestamp, 5));
        }
        assert_eq!(events.iter().filter(|(_, p)| p.end).count(), 3);
        assert!(last.duration.abs_diff(800) <= 160, "{lost:?}: {last:?}");
        phone.payload_type = 0;
        let after = bed.say(ka, &mut phone, &[1; 160]).unwrap().header();
        assert!(after.marker);
        let passed = after.timestamp.since(before.timestamp);
        assert!((4100..4400).contains(&passed), "sound goes on in time: {passed}");
    }
}

#[test]
fn in_a_mix_all_others_get_it_and_sound_waits_for_it() {
    let mut bed = Bed::new();
    let [(ka, a), (_, b)] = bed.bridge((A, &with_events(EVENTS_A)), (B, &with_events(110)));
    let (_, c) = bed.call(C, &with_events(120));
    bed.command(Command::Mix { a: c, b: a }).unwrap();
    bed.outputs();
    let mut phone = Phone::new(A, EVENTS_A);
    let mut sent: Vec<_> = (0..100).flat_map(|_| bed.slot_after(Duration::from_millis(1), &[])).collect();
    sent.extend(press(&mut bed, ka, &mut phone, 11, &[]));
    assert_eq!(digits(&mut bed).iter().map(|d| (d.0, d.1)).collect::<Vec<_>>(), [(a, '#')]);
    for (who, number) in [(B, 110), (C, 120)] {
        let to: Vec<_> = sent.iter().filter(|s| s.to == addr(who)).cloned().collect();
        assert!(events_of(&to, number).len() >= 6);
        for pair in to.windows(2) {
            assert_eq!(pair[1].header().sequence.0, pair[0].header().sequence.0.wrapping_add(1));
        }
        let kinds: Vec<_> = to.iter().map(|s| s.header().payload_type.number()).collect();
        let changes = kinds.windows(2).filter(|w| w[0] != w[1]).count();
        assert_eq!(changes, 2, "sound, digit, sound: {kinds:?}");
        let times: Vec<_> = to.windows(2).map(|w| w[1].header().timestamp.since(w[0].header().timestamp)).collect();
        assert!(times.iter().all(|t| *t >= 0), "{times:?}");
        let whole = to[to.len() - 1].header().timestamp.since(to[0].header().timestamp);
        assert!((4300..4800).contains(&whole), "{whole}");
    }
    assert!(events_of(&sent.iter().filter(|s| s.to == addr(A)).cloned().collect::<Vec<_>>(), EVENTS_A).is_empty());
    let _ = b;
}

#[test]
fn digits_are_sent_by_command_to_who_takes_them() {
    let mut bed = Bed::new();
    let (_, a) = bed.call(A, &[plain(0), named(96, "telephone-event", 16000), named(97, "telephone-event", 8000)]);
    // Neither events nor sound that we could put tones into.
    let (_, b) = bed.call(B, &[named(111, "opus", 48000)]);
    let dtmf = |channel| Command::Dtmf { channel, dtmf: Dtmf { digits: vec![1, 2, 16], duration_ms: 100, gap_ms: 100, inband: None } };
    assert_eq!(bed.command(dtmf(b)).unwrap_err().status(), 422);
    assert_eq!(bed.command(dtmf(a)), Ok(Reply::Done));
    let mut sent = Vec::new();
    for _ in 0..1000 {
        sent.extend(bed.slot_after(Duration::from_millis(1), &[]));
    }
    let events = events_of(&sent, 97);
    assert_eq!(events.len(), sent.iter().filter(|s| s.port == Port::Rtp).count(), "on the clock of the sound");
    let ends: Vec<_> = events.iter().filter(|(_, p)| p.end).map(|(h, p)| (h.timestamp, p.event, p.duration)).collect();
    assert_eq!(ends.iter().map(|e| (e.1, e.2)).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 16, 16, 16].map(|e| (e, 800)));
    assert_eq!(ends[3].0.since(ends[0].0), 1600);
    assert_eq!(bed.stats(a).output.count, events.len() as u64);
}

#[test]
fn tones_in_the_sound_are_digits_while_somebody_listens_for_them() {
    for (codec, rate) in [(0u8, 8000u32), (9, 16_000)] {
        let mut bed = Bed::new();
        let [(ka, a), _] = bed.bridge((A, &[plain(codec)]), (B, &[plain(codec)]));
        let mut told = Vec::new();
        for (round, inband) in [None, Some(true), Some(false)].into_iter().enumerate() {
            if inband.is_some() {
                let dtmf = Dtmf { digits: vec![], duration_ms: 100, gap_ms: 100, inband };
                assert_eq!(bed.command(Command::Dtmf { channel: a, dtmf }), Ok(Reply::Done));
            }
            let mut phone = Phone::new(A, codec);
            (phone.ssrc, phone.sequence) = (round as u32, 100);
            let mut encoder = dsp::g722::Encoder::default();
            for n in 0..50u32 {
                // A 5 of 200 ms: 770 and 1336 Hz.
                let level = if (20..30).contains(&n) { 6000.0 } else { 0.0 };
                let wave = |k: u32, hz: f64| (std::f64::consts::TAU * hz * f64::from(n * rate / 50 + k) / f64::from(rate)).sin();
                let samples: Vec<i16> = (0..rate / 50).map(|k| (level * (wave(k, 770.0) + wave(k, 1336.0))) as i16).collect();
                let mut octets = vec![0; 160];
                if codec == 0 {
                    Kernels::best().g711.ulaw_encode(&samples, &mut octets);
                } else {
                    let mut batch = dsp::Batch::new(1, 320);
                    let ticket = batch.push(&encoder, &samples).unwrap();
                    Kernels::best().g722.encode(&mut batch, &mut dsp::g722::Scratch::new());
                    octets.copy_from_slice(batch.output(ticket));
                    encoder = *batch.state(ticket).unwrap();
                }
                bed.say(ka, &mut phone, &octets);
            }
            for event in bed.events() {
                if let EventAction::Digit { digit, duration_ms, source } = event.action {
                    told.push((round, event.channel, digit, source));
                    assert!((150..250).contains(&duration_ms), "{duration_ms}");
                }
            }
        }
        assert_eq!(told, [(1, a, '5', DigitSource::Inband)], "payload type {codec}");
    }
}

#[test]
fn a_digit_goes_on_as_a_tone_or_as_an_event_where_the_far_end_changes_its_mind() {
    let (events, none) = (with_events(101), [plain(0)]);
    for (before, after) in [(&events[..], &none[..]), (&none[..], &events[..])] {
        let mut bed = Bed::new();
        let (_, a) = bed.call(A, before);
        let dtmf = Dtmf { digits: vec![5], duration_ms: 400, gap_ms: 50, inband: None };
        bed.command(Command::Dtmf { channel: a, dtmf }).unwrap();
        let mut sent: Vec<_> = (0..200).flat_map(|_| bed.slot_after(Duration::from_millis(1), &[])).collect();
        bed.target(a, A, after);
        sent.extend((0..500).flat_map(|_| bed.slot_after(Duration::from_millis(1), &[])));
        sent.retain(|s| s.port == Port::Rtp);
        let kinds: std::collections::BTreeSet<_> = sent.iter().map(|s| s.header().payload_type.number()).collect();
        assert_eq!(kinds.len(), 2, "{kinds:?}");
        for w in sent.windows(2).map(|w| [w[0].header(), w[1].header()]) {
            assert_eq!(w[1].sequence.0, w[0].sequence.0.wrapping_add(1));
            assert!(w[1].timestamp.since(w[0].timestamp) >= 0, "{:?} after {:?}", w[1].timestamp, w[0].timestamp);
        }
    }
}
