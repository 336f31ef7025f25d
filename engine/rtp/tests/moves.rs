//! Channels that go from shard to shard in mid-stream, in virtual time: nobody hears it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::voice::{LEVEL, Voice, amplitude, tone};
use common::{SLOT, call, media, mix, packet, payload, phone};
use dsp::g722::{Decoder, Encoder};
use rtp::api::{
    ChannelId, Command, ControlUrl, Dtmf, Event, EventAction, MediaEvent, Open, Payload, RecordEnd, Reply, Target, event_of_digit,
};
use rtp::clock::{Next, Rate, Record, Tick};
use rtp::media::{ChannelKey, Config, Forward, Local, Media, Output, Port, Start, Verdict};
use rtp::packet::RtpView;
use sim::{Clock, Link, LinkProfile, SimRng, seeds};

/// A recorder that remembers what it was given.
#[derive(Debug)]
struct Tape {
    file: Arc<str>,
    heard: Arc<Mutex<Vec<i16>>>,
}

impl Record for Tape {
    fn rate(&self) -> Rate {
        Rate::Narrow
    }

    fn tick(&mut self, tick: &Tick<'_>) -> Next {
        assert_eq!(tick.missed, 0, "no tick is left out");
        self.heard.lock().unwrap().extend(tick.heard);
        Next::Goes
    }

    fn file(&self) -> &Arc<str> {
        &self.file
    }

    fn pause(&mut self, _: bool) {}

    fn end(&mut self, _: RecordEnd) {}

    fn event(&mut self) -> Option<EventAction> {
        None
    }
}

/// Two shards of one program, and what left them.
struct Shards {
    media: [Media; 2],
    clock: Clock,
    ms: u64,
    events: Vec<Event>,
}

impl Shards {
    fn new() -> Self {
        let clock = Clock::new();
        // Names and streams of the two differ.
        let media = [3, 4].map(|seed| {
            let start = Start { now: clock.now(), unix_epoch_ms: 1_700_000_000_000 };
            Media::new(Config { channels_max: 16, ..Config::default() }, start, [seed; 32])
        });
        Self { media, clock, ms: 0, events: Vec::new() }
    }

    fn command(&mut self, shard: usize, command: Command) {
        self.media[shard].command(command, self.clock.now()).unwrap();
    }

    /// A slot of both. `out` is told the shard's number, to whom, and what.
    fn slot(&mut self, mut packets: [Vec<(ChannelKey, usize, Vec<u8>)>; 2], mut out: impl FnMut(u64, std::net::SocketAddr, &[u8])) {
        let now = self.clock.advance(SLOT);
        self.ms += 1;
        for (media, packets) in self.media.iter_mut().zip(&mut packets) {
            media.begin(now);
            for (key, from, packet) in packets {
                if let Verdict::Forward(Forward { to, bytes, .. }) = media.receive(*key, Port::Rtp, phone(*from), packet) {
                    out(self.ms, to, &packet[bytes]);
                }
            }
            media.run();
            media.transmits().filter(|t| t.port == Port::Rtp).for_each(|t| out(self.ms, t.to, t.bytes));
            self.events.extend(std::iter::from_fn(|| media.poll_output()).filter_map(|output| match output {
                Output::Event(event) => Some(event),
                Output::Closed(_) => None,
            }));
        }
    }

    /// Takes a channel to the other shard within a slot.
    fn move_over(&mut self, from: usize, key: ChannelKey) -> ChannelKey {
        let moved = self.media[from].release(key).unwrap();
        assert_eq!(self.media[from].release(key).map(|moved| moved.id()), None, "its key is stale");
        self.media[1 - from].adopt(moved, self.clock.now()).unwrap()
    }
}

/// What a traveller sent and heard.
#[derive(Default, PartialEq)]
struct Journal {
    sent: Vec<(u64, Vec<u8>)>,
    heard: Vec<i16>,
    concealed: Option<u64>,
}

/// A channel that echoes and is recorded for 6 s, and at each of `moves` leaves its shard for so many ms.
fn journey(voice: Voice, profile: &LinkProfile, seed: u64, moves: &[(u64, u64)]) -> Journal {
    let mut shards = Shards::new();
    let (mut key, id) = call(&mut shards.media[0], 0, &[voice.payload()], shards.clock.now());
    let heard = Arc::default();
    shards.command(0, Command::Echo { channel: id });
    shards.media[0].record(id, Box::new(Tape { file: "tape".into(), heard: Arc::clone(&heard) }), shards.clock.now()).unwrap();
    let (mut home, mut link, mut encoder) = (0, Link::new(profile.clone(), seed), Encoder::default());
    let (mut journal, mut moves) = (Journal::default(), moves.iter().peekable());
    let mut away = None;
    for ms in 0..6000u32 {
        let now = shards.clock.now();
        if ms % 20 == 5 {
            let (rate, k) = (voice.rate(), ms / 20);
            let octets = voice.encode(&mut encoder, &tone(440.0, rate, k * rate / 50, rate / 50));
            link.send(packet(voice.payload().number, 9, k, voice.clock(), &octets), now);
        }
        if moves.next_if(|(at, _)| *at == u64::from(ms)).is_some_and(|(_, away_ms)| {
            away = Some((shards.media[home].release(key).unwrap(), shards.ms + away_ms));
            true
        }) {
            home = 1 - home;
        }
        if let Some((moved, _)) = away.take_if(|(_, until)| *until <= shards.ms) {
            key = shards.media[home].adopt(moved, now).unwrap();
        }
        // On the way, packets wait in the socket.
        let mut packets = [Vec::new(), Vec::new()];
        if away.is_none() {
            packets[home].extend(std::iter::from_fn(|| link.receive(now)).map(|bytes| (key, 0, bytes)));
        }
        shards.slot(packets, |ms, _, bytes| journal.sent.push((ms, bytes.to_vec())));
    }
    let Ok(Reply::Channel(view)) = shards.media[home].command(Command::Get { channel: id }, shards.clock.now()) else { panic!() };
    journal.concealed = view.stats.input.concealed;
    journal.heard = heard.lock().unwrap().clone();
    assert_eq!((shards.media[home].transcodes(), shards.media[1 - home].transcodes()), (1, 0));
    assert_eq!((shards.media[home].counts().active, shards.media[1 - home].counts().active), (1, 0));
    journal
}

#[test]
fn a_channel_that_moves_sends_and_hears_bit_for_bit_what_it_would_have_if_it_had_stayed() {
    seeds("a_channel_that_moves_sends_and_hears_bit_for_bit_what_it_would_have_if_it_had_stayed", 6, |seed| {
        let mut rng = SimRng::new(seed);
        let profile = LinkProfile::random(&mut rng, 30);
        let voice = Voice::ALL[seed as usize % 5];
        let moves: Vec<_> = (1..40).map(|n| (n * 150 + rng.below(140), 0)).collect();
        let (stayed, moved) = (journey(voice, &profile, seed, &[]), journey(voice, &profile, seed, &moves));
        assert!(stayed.sent.len() > 250 && stayed.heard.len() > 250 * 160);
        assert!(stayed == moved, "{voice:?} {profile:?} {moves:?}");
    });
}

#[test]
fn a_move_that_takes_some_slots_costs_neither_a_packet_nor_a_sample() {
    for voice in [Voice::Ulaw, Voice::G722] {
        let moves: Vec<_> = (1..19).map(|n| (n * 300 + n, 1 + n % 5)).collect();
        let journal = journey(voice, &LinkProfile::default(), 1, &moves);
        assert_eq!(journal.concealed, Some(0));
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for pair in journal.sent.windows(2) {
            let [old, new] = [&pair[0].1, &pair[1].1].map(|bytes| RtpView::parse(bytes).unwrap().header);
            assert_eq!((new.ssrc, new.marker), (old.ssrc, false));
            assert_eq!(new.sequence.0, old.sequence.0.wrapping_add(1));
            assert_eq!(new.timestamp, old.timestamp.offset(160));
            // A tick that came due on the way is late by no more than the way.
            assert!((14..=26).contains(&(pair[1].0 - pair[0].0)), "{} ms", pair[1].0 - pair[0].0);
        }
        for (_, bytes) in &journal.sent {
            out.extend(voice.decode(&mut decoder, &bytes[RtpView::parse(bytes).unwrap().payload]));
        }
        // The tone is whole over all moves: a sample too few or too many would turn its phase.
        let rate = voice.rate();
        for (samples, rate) in [(&out, rate), (&journal.heard, 8000)] {
            let (level, rest) = amplitude(&samples[rate as usize..rate as usize * 5], 440.0, rate);
            assert!((0.95..1.05).contains(&(level / LEVEL)) && rest < level / 30.0, "{voice:?}: {level} {rest}");
        }
    }
}

/// A phone of the conversations below.
struct Party {
    shard: usize,
    key: ChannelKey,
    id: ChannelId,
    voice: Voice,
    encoder: Encoder,
    decoder: Decoder,
    heard: Vec<i16>,
    last: Option<(u16, u32)>,
}

struct Talk {
    shards: Shards,
    parties: Vec<Party>,
}

impl Talk {
    fn new(parties: &[(usize, Voice)]) -> Self {
        let mut shards = Shards::new();
        let parties = parties.iter().enumerate().map(|(n, &(shard, voice))| {
            let (key, id) = call(&mut shards.media[shard], n, &[voice.payload(), payload(101, None)], shards.clock.now());
            Party { shard, key, id, voice, encoder: Encoder::default(), decoder: Decoder::default(), heard: Vec::new(), last: None }
        });
        let parties = parties.collect();
        Self { shards, parties }
    }

    fn hz(n: usize) -> f64 {
        300.0 + 130.0 * n as f64
    }

    fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            let mut packets = [Vec::new(), Vec::new()];
            for (n, party) in self.parties.iter_mut().enumerate() {
                let (ms, rate) = (self.shards.ms as u32, party.voice.rate());
                if ms % 20 == 7 * n as u32 % 20 {
                    let k = ms / 20;
                    let samples: Vec<i16> = tone(Self::hz(n), rate, k * rate / 50, rate / 50).iter().map(|s| s / 3).collect();
                    let octets = party.voice.encode(&mut party.encoder, &samples);
                    packets[party.shard].push((
                        party.key,
                        n,
                        packet(party.voice.payload().number, n as u32, k, party.voice.clock(), &octets),
                    ));
                }
            }
            let parties = &mut self.parties;
            self.shards.slot(packets, |_, to, bytes| {
                let n = (0..parties.len()).find(|n| phone(*n) == to).unwrap();
                parties[n].hear(bytes);
            });
        }
    }

    fn go(&mut self, n: usize) {
        let Party { shard, key, .. } = self.parties[n];
        self.parties[n].key = self.shards.move_over(shard, key);
        self.parties[n].shard = 1 - shard;
    }

    fn mix(&mut self, a: usize, b: usize) {
        assert_eq!(self.parties[a].shard, self.parties[b].shard);
        let (a, b) = (&self.parties[a], &self.parties[b]);
        mix(&mut self.shards.media[a.shard], a.id, b.id, self.shards.clock.now());
    }

    /// Whom a party heard in the last 500 ms.
    fn hears(&self, listener: usize) -> Vec<usize> {
        let party = &self.parties[listener];
        let rate = party.voice.rate();
        let Some(samples) = party.heard.len().checked_sub(rate as usize / 2).map(|from| &party.heard[from..]) else { return Vec::new() };
        let level = |n: usize| amplitude(samples, Self::hz(n), rate).0 * 3.0 / LEVEL;
        (0..self.parties.len()).filter(|n| (0.9..1.1).contains(&level(*n))).collect()
    }
}

impl Party {
    fn hear(&mut self, bytes: &[u8]) {
        let view = RtpView::parse(bytes).unwrap();
        if let Some((sequence, ssrc)) = self.last {
            assert_eq!((view.header.sequence.0, view.header.ssrc.0), (sequence.wrapping_add(1), ssrc), "one stream for life");
        }
        self.last = Some((view.header.sequence.0, view.header.ssrc.0));
        if view.header.payload_type.number() != 101 {
            self.heard.extend(self.voice.decode(&mut self.decoder, &bytes[view.payload]));
        }
    }
}

#[test]
fn two_of_different_shards_speak_once_one_has_moved() {
    for voices in [[Voice::Ulaw, Voice::Ulaw], [Voice::G722, Voice::Alaw], [Voice::Linear16k, Voice::G722]] {
        let mut talk = Talk::new(&[(0, voices[0]), (1, voices[1])]);
        for party in 0..2 {
            let Party { shard, id, .. } = talk.parties[party];
            talk.shards.command(shard, Command::Echo { channel: id });
        }
        talk.run(1000);
        assert_eq!((talk.hears(0), talk.hears(1)), (vec![0], vec![1]));
        talk.go(0);
        talk.mix(0, 1);
        talk.run(1000);
        assert_eq!((talk.hears(0), talk.hears(1)), (vec![1], vec![0]), "{voices:?}");
    }
}

#[test]
fn a_member_of_one_conference_moves_into_another_and_everybody_hears_who_is_there() {
    let voices = [Voice::Ulaw, Voice::G722, Voice::Alaw, Voice::Ulaw, Voice::G722, Voice::Linear8k];
    let mut talk = Talk::new(&[0, 0, 0, 1, 1, 1].into_iter().zip(voices).collect::<Vec<_>>());
    for (a, b) in [(1, 0), (2, 0), (4, 3), (5, 3)] {
        talk.mix(a, b);
    }
    talk.run(1200);
    assert_eq!((talk.hears(2), talk.hears(5)), (vec![0, 1], vec![3, 4]));
    talk.go(2);
    talk.mix(2, 4);
    talk.run(1200);
    assert_eq!((talk.hears(2), talk.hears(5), talk.hears(3)), (vec![3, 4, 5], vec![2, 3, 4], vec![2, 4, 5]));
    assert_eq!((talk.hears(0), talk.hears(1)), (vec![1], vec![0]));
    assert_eq!((talk.shards.media[0].counts().active, talk.shards.media[1].counts().active), (2, 4));
}

/// Opens a channel with a control server, to the phone 0.
fn told(media: &mut Media, payloads: &[Payload], clock: &Clock) -> (ChannelKey, ChannelId) {
    let local = Local { rtp: ([127, 0, 0, 1], 10_000).into(), advertised: [127, 0, 0, 1].into() };
    let open = Open { control: Some(ControlUrl("http://c".into())), ..Open::default() };
    let key = media.open(open, local, clock.now()).unwrap();
    let channel = media.id(key).unwrap();
    let to = phone(0);
    let target = Target { ip: to.ip(), port: to.port(), payloads: payloads.to_vec(), ptime_ms: None, direction: None, rtcp_mux: false };
    media.command(Command::Target { channel, target }, clock.now()).unwrap();
    (key, channel)
}

#[test]
fn digits_that_are_under_way_and_the_numbers_of_events_go_along() {
    let mut shards = Shards::new();
    let (mut key, channel) = told(&mut shards.media[0], &[payload(0, None), payload(101, None)], &shards.clock.clone());
    let digits = [1, 2, 3].map(|digit| event_of_digit(char::from(b'0' + digit)).unwrap()).to_vec();
    shards.command(0, Command::Dtmf { channel, dtmf: Dtmf { digits, duration_ms: 100, gap_ms: 100, inband: None } });
    let (mut home, mut seen) = (0, Vec::new());
    for ms in 0..1000u32 {
        let mut packets = [Vec::new(), Vec::new()];
        // The far end presses 5 for 400 ms meanwhile (RFC 4733 §2.5.1.2).
        if ms % 20 == 0 && (200..=600).contains(&ms) {
            let pressed = ((ms - 200) * 8).max(160) as u16;
            let event = [&[5, if ms == 600 { 0x80 } else { 0 } | 10][..], &pressed.to_be_bytes()].concat();
            let mut bytes = packet(101, 7, ms / 20, 8000, &event);
            bytes[4..8].copy_from_slice(&77u32.to_be_bytes());
            packets[home].push((key, 0, bytes));
        }
        if ms % 90 == 45 {
            key = shards.move_over(home, key);
            home = 1 - home;
        }
        shards.slot(packets, |_, _, bytes| {
            let view = RtpView::parse(bytes).unwrap();
            seen.push((view.header.sequence.0, bytes[view.payload][0], bytes[12 + 1] & 0x80 != 0));
        });
    }
    assert!(seen.windows(2).all(|w| w[1].0 == w[0].0.wrapping_add(1)), "{seen:?}");
    let mut sent: Vec<_> = seen.iter().filter(|(.., end)| *end).map(|(_, digit, _)| *digit).collect();
    sent.dedup();
    assert_eq!(sent, [1, 2, 3]);
    let told: Vec<_> = shards.events.iter().map(|event| (event.seq, event.action.clone())).collect();
    assert!(matches!(told[0], (1, EventAction::Media { event: MediaEvent::Started, .. })), "{told:?}");
    assert!(matches!(told[1], (2, EventAction::Digit { digit: '5', duration_ms: 400, .. })), "{told:?}");
    assert_eq!(told.len(), 2);
}

/// What a phone hears of events: each by its timestamp, with its duration in ms, and how often its end came.
#[derive(Default)]
struct Keys(Vec<(u32, u8, u32, usize)>);

impl Keys {
    fn hear(&mut self, bytes: &[u8]) {
        let view = RtpView::parse(bytes).unwrap();
        if view.header.payload_type.number() != 101 {
            return;
        }
        let [event, flags, high, low] = bytes[view.payload].try_into().unwrap();
        let (at, lasts) = (view.header.timestamp.0, u32::from(u16::from_be_bytes([high, low])) / 8);
        if self.0.last().is_none_or(|(last, ..)| *last != at) {
            self.0.push((at, event, 0, 0));
        }
        let last = self.0.last_mut().unwrap();
        (last.1, last.2, last.3) = (event, lasts, last.3 + usize::from(flags >> 7));
    }

    /// Digits and how long each was pressed; all of them ended.
    fn whole(&self) -> Vec<(u8, u32)> {
        assert!(self.0.iter().all(|(.., ends)| *ends == 3), "{:?}", self.0);
        self.0.iter().map(|(_, event, lasts, _)| (*event, *lasts)).collect()
    }
}

/// Three phones: 0 presses 5 for 400 ms from 200 ms on, `at` is done at each ms, and the others hear what they hear.
fn press(shards: [usize; 3], mut at: impl FnMut(u32, &mut Talk)) -> [Keys; 3] {
    let mut talk = Talk::new(&shards.map(|shard| (shard, Voice::Ulaw)));
    let mut keys = [Keys::default(), Keys::default(), Keys::default()];
    for ms in 0..1500u32 {
        let mut packets = [Vec::new(), Vec::new()];
        if ms % 20 == 0 && (200..=640).contains(&ms) {
            // The end three times (RFC 4733 §2.5.1.4).
            let pressed = ((ms - 200) * 8).clamp(160, 3200) as u16;
            let event = [&[5, if ms >= 600 { 0x80 } else { 0 } | 10][..], &pressed.to_be_bytes()].concat();
            let mut bytes = packet(101, 7, ms / 20, 8000, &event);
            bytes[4..8].copy_from_slice(&77u32.to_be_bytes());
            let Party { shard, key, .. } = talk.parties[0];
            packets[shard].push((key, 0, bytes));
        }
        at(ms, &mut talk);
        talk.shards.slot(packets, |_, to, bytes| keys[(0..3).find(|n| phone(*n) == to).unwrap()].hear(bytes));
    }
    keys
}

#[test]
fn a_digit_is_heard_once_and_whole_by_a_peer_that_moves_in_the_middle_of_the_press() {
    // It comes from the other shard.
    let keys = press([0, 1, 0], |ms, talk| {
        if ms == 400 {
            talk.go(1);
            talk.mix(1, 0);
        }
    });
    assert_eq!(keys.map(|keys| keys.whole()), [vec![], vec![(5, 400)], vec![]]);
    // Whoever comes, one who was there hears it as it is pressed.
    let keys = press([0, 0, 1], |ms, talk| match ms {
        100 => talk.mix(1, 0),
        400 => {
            talk.go(2);
            talk.mix(2, 0);
        }
        _ => {}
    });
    assert_eq!(keys.map(|keys| keys.whole()), [vec![], vec![(5, 400)], vec![(5, 400)]]);
}

#[test]
fn a_digit_ends_for_who_parts_in_the_middle_of_it_and_comes_no_second_time() {
    // The peer leaves for the other shard; then who presses comes after it, and a third is there. Both to where they meet again.
    for goes in [0, 1] {
        for meets_ms in [310, 550, 2000] {
            let keys = press([0, 0, 1], |ms, talk| {
                if ms == 100 {
                    talk.mix(1, 0);
                }
                if ms == 300 {
                    talk.go(goes);
                    talk.mix(goes, 2);
                }
                if ms == meets_ms {
                    talk.go(1 - goes);
                    talk.mix(1 - goes, 2);
                }
            });
            let meets = meets_ms < 600;
            let [_, peer, third] = keys.map(|keys| keys.whole());
            assert!(matches!(peer[..], [(5, 90..=110)]), "{goes} goes, they meet at {meets_ms}: {peer:?}");
            assert_eq!(third, if goes == 0 || meets { vec![(5, 400)] } else { vec![] }, "{goes} goes, they meet at {meets_ms}");
        }
    }
}

#[test]
fn a_shard_that_is_full_or_counts_other_time_gives_the_channel_back() {
    let clock = Clock::new();
    let mut from = media(4, clock.now());
    let (key, id) = call(&mut from, 0, &[payload(0, None)], clock.now());
    let mut full = media(1, clock.now());
    call(&mut full, 1, &[payload(0, None)], clock.now());
    let mut later = media(4, clock.now() + Duration::from_millis(1));
    let moved = from.release(key).unwrap();
    let moved = full.adopt(moved, clock.now()).unwrap_err();
    let moved = later.adopt(*moved, clock.now()).unwrap_err();
    assert_eq!(from.counts().active, 0);
    let key = from.adopt(*moved, clock.now()).unwrap();
    assert_eq!((from.key(id), from.counts().active), (Some(key), 1));
}
