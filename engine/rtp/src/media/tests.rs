use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::api::{
    ChannelId, CloseReason, Command, CommandError, ControlUrl, Direction, Encoding, Event, MixEvent, Open, Payload, Reply, Stats, Target,
};
use crate::packet::{RtpHeader, RtpView};
use crate::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// A shard and its clock, driven as the engine does it.
struct Bed {
    media: Media,
    now: Instant,
    ports: u16,
}

/// A far end: where it sends from, as whom, and how far it is.
#[derive(Clone)]
struct Phone {
    from: SocketAddr,
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

/// A packet that went out.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    via: ChannelKey,
    port: Port,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sent {
    fn view(&self) -> RtpView {
        RtpView::parse(&self.bytes).unwrap()
    }

    fn header(&self) -> RtpHeader {
        self.view().header
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[self.view().payload]
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn plain(number: u8) -> Payload {
    Payload { number, encoding: None, fmtp: None }
}

fn named(number: u8, name: &str, clock_rate_hz: u32) -> Payload {
    Payload { number, encoding: Some(Encoding { name: name.into(), clock_rate_hz, channels: 1 }), fmtp: None }
}

impl Phone {
    fn new(from: &str, payload_type: u8) -> Self {
        Self { from: addr(from), payload_type, ssrc: 0x1111, sequence: 100, timestamp: 5000 }
    }

    /// The next packet of 20 ms.
    fn packet(&mut self, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::new(self.payload_type).unwrap(),
            sequence: SequenceNumber(self.sequence),
            timestamp: RtpTimestamp(self.timestamp),
            ssrc: Ssrc(self.ssrc),
        };
        [&header.to_bytes()[..], payload].concat()
    }
}

impl Bed {
    fn new() -> Self {
        Self::with(Config { channels_max: 8, ..Config::default() })
    }

    fn with(config: Config) -> Self {
        let now = sim::Clock::new().now();
        let start = Start { now, unix_epoch_ms: 1_700_000_000_000 };
        Self { media: Media::new(config, start, [7; 32]), now, ports: 0 }
    }

    fn try_open(&mut self) -> Result<(ChannelKey, ChannelId), CommandError> {
        self.ports += 2;
        let local = Local { rtp: SocketAddr::new([127, 0, 0, 1].into(), 10_000 + self.ports), advertised: [127, 0, 0, 1].into() };
        let open = Open { control: Some(ControlUrl("http://c".into())), id: Some("mine".into()), near: None };
        let key = self.media.open(open, local, self.now)?;
        Ok((key, self.media.id(key).unwrap()))
    }

    fn open(&mut self) -> (ChannelKey, ChannelId) {
        self.try_open().unwrap()
    }

    fn command(&mut self, command: Command) -> Result<Reply, CommandError> {
        self.media.command(command, self.now)
    }

    fn target(&mut self, channel: ChannelId, to: &str, payloads: &[Payload]) {
        let to = addr(to);
        let target = Target { ip: to.ip(), port: to.port(), payloads: payloads.to_vec(), ptime_ms: None, direction: None, rtcp_mux: false };
        assert_eq!(self.command(Command::Target { channel, target }), Ok(Reply::Done));
    }

    /// Opens a channel to a phone.
    fn call(&mut self, phone: &str, payloads: &[Payload]) -> (ChannelKey, ChannelId) {
        let (key, id) = self.open();
        self.target(id, phone, payloads);
        (key, id)
    }

    /// Two calls, mixed, and the events of that fetched.
    fn bridge(&mut self, a: (&str, &[Payload]), b: (&str, &[Payload])) -> [(ChannelKey, ChannelId); 2] {
        let (a, b) = (self.call(a.0, a.1), self.call(b.0, b.1));
        assert_eq!(self.command(Command::Mix { a: a.1, b: b.1 }), Ok(Reply::Done));
        self.outputs();
        [a, b]
    }

    /// One slot with these packets, 20 ms after the last.
    fn slot(&mut self, packets: &[(ChannelKey, SocketAddr, Vec<u8>)]) -> Vec<Sent> {
        self.slot_after(Duration::from_millis(20), packets)
    }

    fn slot_after(&mut self, pause: Duration, packets: &[(ChannelKey, SocketAddr, Vec<u8>)]) -> Vec<Sent> {
        self.now += pause;
        self.media.begin(self.now);
        let mut sent = Vec::new();
        for (key, from, packet) in packets {
            let mut packet = packet.clone();
            if let Verdict::Forward(Forward { via, to, bytes }) = self.media.receive(*key, Port::Rtp, *from, &mut packet) {
                sent.push(Sent { via, port: Port::Rtp, to, bytes: packet[bytes].to_vec() });
            }
        }
        self.media.run();
        sent.extend(self.media.transmits().map(|t| Sent { via: t.via, port: t.port, to: t.to, bytes: t.bytes.to_vec() }));
        sent
    }

    /// Sends one packet of a phone to its channel.
    fn say(&mut self, key: ChannelKey, phone: &mut Phone, payload: &[u8]) -> Option<Sent> {
        let packet = phone.packet(payload);
        self.slot(&[(key, phone.from, packet)]).into_iter().find(|s| s.port == Port::Rtp)
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.media.poll_output()).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        let events = self.outputs().into_iter().filter_map(|o| match o {
            Output::Event(event) => Some(event),
            Output::Closed(_) => None,
        });
        events.collect()
    }

    fn stats(&mut self, channel: ChannelId) -> Stats {
        match self.command(Command::Get { channel }) {
            Ok(Reply::Channel(view)) => view.stats,
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self, name: &str) -> u64 {
        let Ok(Reply::Status(list)) = self.command(Command::Status) else { panic!() };
        list.into_iter().find(|(n, _)| *n == name).unwrap().1
    }
}

const A: &str = "127.0.0.2:4000";
const B: &str = "127.0.0.3:5000";

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
fn events_and_noise_go_under_the_other_side_s_number_or_leave_no_hole() {
    let mut bed = Bed::new();
    let a = [plain(0), named(97, "telephone-event", 8000), plain(13)];
    let b = [plain(0), named(110, "telephone-event", 8000)];
    let [(ka, _), (_, b)] = bed.bridge((A, &a), (B, &b));
    let mut phone = Phone::new(A, 0);
    let first = bed.say(ka, &mut phone, &[1; 160]).unwrap().header();
    phone.payload_type = 97;
    let event = bed.say(ka, &mut phone, &[5, 10, 0, 160]).unwrap();
    assert_eq!((event.header().payload_type.number(), event.payload()), (110, &[5, 10, 0, 160][..]));
    phone.payload_type = 13;
    assert_eq!(bed.say(ka, &mut phone, &[30]), None, "b does not know comfort noise");
    phone.payload_type = 0;
    let after = bed.say(ka, &mut phone, &[1; 160]).unwrap().header();
    assert_eq!(after.sequence.0, first.sequence.0.wrapping_add(2));
    assert_eq!(after.timestamp, first.timestamp.offset(480));
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
fn a_third_member_is_refused_in_words() {
    let mut bed = Bed::new();
    let [(_, a), (_, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let (_, c) = bed.open();
    assert_eq!(bed.command(Command::Mix { a: b, b: a }), Ok(Reply::Done), "once is enough");
    assert!(bed.events().is_empty());
    let refused = bed.command(Command::Mix { a: c, b }).unwrap_err();
    assert_eq!((refused.status(), refused.code()), (422, "impossible"));
    assert_eq!(bed.command(Command::Mix { a: c, b: c }).unwrap_err().status(), 422);
}

#[test]
fn an_injector_never_gets_into_the_call_nor_its_sound() {
    for injector_first in [false, true] {
        let mut bed = Bed::new();
        let [(ka, a), (kb, _)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
        let (mut phone, mut evil) = (Phone::new(A, 0), Phone::new("127.6.6.6:666", 0));
        evil.ssrc = phone.ssrc;
        if injector_first {
            for _ in 0..50 {
                let packet = evil.packet(&[0xee; 160]);
                bed.slot(&[(ka, evil.from, packet)]);
            }
        }
        for n in 0..100u8 {
            let packets: Vec<_> = (0..20).map(|_| (ka, evil.from, evil.packet(&[0xee; 160]))).collect();
            let mut slot = packets.clone();
            slot.push((ka, phone.from, phone.packet(&[n; 160])));
            slot.extend(packets);
            slot.push((kb, addr(B), Phone::new(B, 0).packet(&[3; 160])));
            let sent = bed.slot(&slot);
            let heard: Vec<_> = sent.iter().filter(|s| s.to == addr(B) && s.port == Port::Rtp).map(|s| s.payload()[0]).collect();
            // Until the phone's first packet the injector may be the only one there is.
            let honest: Vec<_> = heard.into_iter().filter(|&p| n > 0 || p != 0xee).collect();
            assert_eq!(honest, [n]);
            if n > 0 {
                assert!(sent.iter().all(|s| s.to != evil.from), "sound goes to nobody who asks for it");
            }
        }
        assert!(bed.stats(a).input.badsource > 3900);
        assert_eq!(bed.stats(a).remote.address, Some(addr(A)));
    }
}

#[test]
fn nat_is_followed_after_probation_and_reopened_by_signalling() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, _)] = bed.bridge(("192.168.7.7:4000", &[plain(0)]), (B, &[plain(0)]));
    let mut phone = Phone::new("127.0.0.9:33333", 0);
    for _ in 0..12 {
        assert!(bed.say(ka, &mut phone, &[1; 160]).is_some(), "heard from the first packet");
    }
    assert!(bed.stats(a).remote.latched);
    assert_eq!(bed.say(kb, &mut Phone::new(B, 0), &[2; 160]).unwrap().to, phone.from);
    bed.target(a, "127.0.0.9:44444", &[plain(0)]);
    assert!(!bed.stats(a).remote.latched);
    phone.from = addr("127.0.0.9:44444");
    assert!(bed.say(ka, &mut phone, &[1; 160]).is_some());
    assert!(bed.stats(a).remote.latched);
}

#[test]
fn direction_stops_either_way() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, _)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let (mut pa, mut pb) = (Phone::new(A, 0), Phone::new(B, 0));
    bed.command(Command::Direction { channel: a, direction: Direction { send: true, recv: false } }).unwrap();
    assert_eq!(bed.say(ka, &mut pa, &[1; 160]), None);
    assert!(bed.say(kb, &mut pb, &[1; 160]).is_some());
    bed.command(Command::Direction { channel: a, direction: Direction { send: false, recv: true } }).unwrap();
    assert_eq!(bed.say(kb, &mut pb, &[1; 160]), None);
    assert_eq!(bed.stats(a).output.skipped, 1);
    // c=0.0.0.0 is hold as well.
    bed.command(Command::Direction { channel: a, direction: Direction::default() }).unwrap();
    bed.target(a, "0.0.0.0:4000", &[plain(0)]);
    assert_eq!(bed.say(kb, &mut pb, &[1; 160]), None);
}

#[test]
fn media_events_come_once_and_hold_suspends_the_time_out() {
    let mut bed = Bed::new();
    let (ka, a) = bed.call(A, &[plain(0)]);
    let mut phone = Phone::new(A, 0);
    let media = |bed: &mut Bed| -> Vec<(u64, MediaEvent)> {
        let events = bed.events().into_iter().filter_map(|e| match e.action {
            EventAction::Media(m) => Some((e.seq, m)),
            EventAction::Mix(_) | EventAction::Close { .. } => None,
        });
        events.collect()
    };
    let pause = |bed: &mut Bed, seconds: u32| {
        for _ in 0..seconds * 10 {
            bed.slot_after(Duration::from_millis(100), &[]);
        }
    };
    bed.say(ka, &mut phone, &[1; 160]);
    bed.say(ka, &mut phone, &[1; 160]);
    assert_eq!(media(&mut bed), [(1, MediaEvent::Started)]);
    pause(&mut bed, 18);
    assert_eq!(media(&mut bed), []);
    pause(&mut bed, 4);
    assert_eq!(media(&mut bed), [(2, MediaEvent::Timeout)]);
    bed.say(ka, &mut phone, &[1; 160]);
    assert_eq!(media(&mut bed), [(3, MediaEvent::Resumed)]);
    bed.command(Command::Direction { channel: a, direction: Direction { send: true, recv: false } }).unwrap();
    pause(&mut bed, 60);
    bed.command(Command::Direction { channel: a, direction: Direction::default() }).unwrap();
    pause(&mut bed, 15);
    assert_eq!(media(&mut bed), []);
}

#[test]
fn a_forgotten_channel_closes_by_itself() {
    let mut bed = Bed::with(Config { channels_max: 2, idle_timeout: Duration::from_secs(60), ..Config::default() });
    let (key, _) = bed.call(A, &[plain(0)]);
    for _ in 0..61 {
        bed.slot_after(Duration::from_secs(1), &[]);
    }
    let outputs = bed.outputs();
    let reason = outputs.iter().find_map(|o| match o {
        Output::Event(Event { action: EventAction::Close { reason, .. }, .. }) => Some(*reason),
        Output::Event(_) | Output::Closed(_) => None,
    });
    assert_eq!((reason, outputs.last()), (Some(CloseReason::Idle), Some(&Output::Closed(key))));
    assert_eq!(bed.media.counts().active, 0);
}

#[test]
fn close_ends_the_mix_and_makes_the_key_stale() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let Ok(Reply::Closed { channels, .. }) = bed.command(Command::Close { channel: a }) else { panic!() };
    assert_eq!((channels.active, channels.available), (1, 7));
    let outputs = bed.outputs();
    let words: Vec<_> = outputs
        .iter()
        .map(|o| match o {
            Output::Event(e) => match &e.action {
                EventAction::Mix(m) => (e.channel, m.word()),
                EventAction::Close { reason, .. } => (e.channel, reason.word()),
                EventAction::Media(m) => (e.channel, m.word()),
            },
            Output::Closed(key) => {
                assert_eq!(*key, ka);
                (a, "gone")
            }
        })
        .collect();
    let finished = MixEvent::Finished.word();
    assert_eq!(words, [(a, finished), (b, finished), (a, "requested"), (a, "gone")]);
    assert_eq!(bed.say(ka, &mut Phone::new(A, 0), &[1; 160]), None);
    assert_eq!(bed.status("packets_stale"), 1);
    assert_eq!(bed.say(kb, &mut Phone::new(B, 0), &[1; 160]), None, "nobody to speak to");
    assert_eq!(bed.command(Command::Close { channel: a }).unwrap_err(), CommandError::NotFound(a));
    let (kc, _) = bed.open();
    assert_eq!((kc.slot, kc.generation), (ka.slot, ka.generation + 1));
    bed.media.shutdown();
    assert_eq!(bed.media.counts().active, 0);
}

#[test]
fn a_full_table_says_so_and_a_close_makes_room() {
    let mut bed = Bed::with(Config { channels_max: 2, ..Config::default() });
    let (_, a) = bed.open();
    bed.open();
    assert_eq!(bed.try_open().unwrap_err(), CommandError::Full { what: "channels", max: 2 });
    bed.command(Command::Close { channel: a }).unwrap();
    assert!(bed.try_open().is_ok());
}

#[test]
fn impossible_targets_are_refused_and_change_nothing() {
    let mut bed = Bed::new();
    let (ka, a) = bed.call(A, &[plain(0)]);
    let target = |ip: &str, port, payloads: &[Payload]| Command::Target {
        channel: a,
        target: Target {
            ip: ip.parse().unwrap(),
            port,
            payloads: payloads.to_vec(),
            ptime_ms: None,
            direction: Some(Direction { send: false, recv: false }),
            rtcp_mux: false,
        },
    };
    let status = |bed: &mut Bed, command| bed.command(command).unwrap_err().status();
    assert_eq!(status(&mut bed, target("127.0.0.2", 4000, &[plain(101)])), 422);
    assert_eq!(status(&mut bed, target("127.0.0.2", 4000, &[plain(200)])), 400);
    assert_eq!(status(&mut bed, target("2001:db8::1", 4000, &[plain(0)])), 422);
    assert_eq!(status(&mut bed, target("127.0.0.1", 10_002, &[plain(0)])), 422, "itself");
    bed.command(Command::Echo { channel: a }).unwrap();
    assert!(bed.say(ka, &mut Phone::new(A, 0), &[1; 160]).is_some());
}

#[test]
fn reports_go_out_and_what_comes_in_gives_the_round_trip() {
    use crate::packet::rtcp::{Block, REPORT_MAX, Report, Reports, SenderInfo};
    let mut bed = Bed::new();
    let [(ka, a), _] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let mut phone = Phone::new(A, 0);
    let mut reports = Vec::new();
    for _ in 0..600 {
        let packet = phone.packet(&[1; 160]);
        let sent = bed.slot(&[(ka, addr(A), packet)]);
        reports.extend(sent.into_iter().filter(|s| s.port == Port::Rtcp).map(|s| (bed.now, s)));
    }
    let to_b: Vec<_> = reports.iter().filter(|(_, s)| s.to == addr("127.0.0.3:5001")).collect();
    let to_a: Vec<_> = reports.iter().filter(|(_, s)| s.to == addr("127.0.0.2:4001")).collect();
    assert!((1..=4).contains(&to_a.len()) && (1..=4).contains(&to_b.len()), "12 s, one in 2.5 to 7.5 s");
    let heard = Reports::parse(&to_a[0].1.bytes, Ssrc(phone.ssrc)).unwrap();
    let block = heard.about_us.unwrap();
    assert_eq!((block.cumulative_lost, block.jitter_ticks, heard.sender_ntp), (0, 0, None), "we sent a nothing");
    let (at, sr) = to_b[0];
    let ours = u32::from_be_bytes(sr.bytes[4..8].try_into().unwrap());
    let ntp = Reports::parse(&sr.bytes, Ssrc(0)).unwrap().sender_ntp.unwrap();
    // B answers 30 ms after it got the report, and the way takes the rest.
    let passed = bed.now - *at;
    let delay = passed - Duration::from_millis(50);
    let answer = Report {
        ssrc: Ssrc(5),
        sender: Some(SenderInfo { ntp: 1 << 40, timestamp: RtpTimestamp(0), packets: 1, octets: 1 }),
        block: Some(Block {
            ssrc: Ssrc(ours),
            fraction_lost: 0,
            cumulative_lost: 4,
            highest_sequence: 9,
            jitter_ticks: 80,
            last_sr: ntp,
            delay_since_last_sr: ((delay.as_micros() << 16) / 1_000_000) as u32,
        }),
    };
    let mut bytes = [0; REPORT_MAX];
    let len = answer.write("b", &mut bytes).unwrap();
    bed.media.begin(bed.now);
    let kb = to_b[0].1.via;
    assert_eq!(bed.media.receive(kb, Port::Rtcp, addr("127.9.9.9:5001"), &mut bytes[..len].to_vec()), Verdict::Done);
    let b = bed.media.id(kb).unwrap();
    assert_eq!((bed.stats(b).rtcp.rtt_ms, bed.stats(b).input.badsource), (None, 1), "from elsewhere it says nothing");
    bed.media.receive(kb, Port::Rtcp, addr("127.0.0.3:5001"), &mut bytes[..len].to_vec());
    let rtcp = bed.stats(b).rtcp;
    assert!((49.0..51.0).contains(&rtcp.rtt_ms.unwrap()), "{rtcp:?}");
    assert_eq!((rtcp.remote_lost, rtcp.remote_jitter_ms), (Some(4), Some(10.0)));
    assert_eq!(bed.stats(a).rtcp.rtt_ms, None);
}

#[test]
fn everything_else_on_the_port_is_counted() {
    let mut bed = Bed::new();
    let (key, _) = bed.call(A, &[plain(0)]);
    bed.slot(&[
        (key, addr(A), vec![0, 1, 0, 0]),
        (key, addr(A), vec![22, 254, 253]),
        (key, addr(A), vec![]),
        (key, addr(A), vec![0x80; 11]),
        (key, addr(A), vec![0x80, 200, 0, 9]),
    ]);
    let names = ["packets_received", "packets_stun", "packets_dtls", "packets_malformed", "packets_rtcp"];
    assert_eq!(names.map(|n| bed.status(n)), [5, 1, 1, 3, 0]);
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
