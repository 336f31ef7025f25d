//! The machine of a shard, driven as the engine does it: one `begin`, packets, one `run`, all transmits.

mod bridge;
mod codecs;
mod digits;
mod levels;
mod life;
mod peers;
mod reports;
mod sounds;
mod times;

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
        let open = Open { control: Some(ControlUrl("http://c".into())), id: Some("mine".into()), near: None, ..Open::default() };
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
