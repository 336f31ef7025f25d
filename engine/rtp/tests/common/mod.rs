//! A shard with phones around it, for tests from outside the crate.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod voice;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtp::api::{ChannelId, Command, Encoding, Open, Payload, Reply, Target};
use rtp::media::{ChannelKey, Config, Forward, Local, Media, Port, Start, Verdict};
use rtp::packet::RtpHeader;
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// One slot.
pub const SLOT: Duration = Duration::from_millis(1);

/// A payload type by number, or with its `rtpmap`.
pub fn payload(number: u8, rtpmap: Option<(&str, u32)>) -> Payload {
    let encoding = rtpmap.map(|(name, clock_rate_hz)| Encoding { name: name.into(), clock_rate_hz, channels: 1 });
    Payload { number, encoding, fmtp: None }
}

/// A shard of `channels_max` at `now`.
pub fn media(channels_max: usize, now: Instant) -> Media {
    let start = Start { now, unix_epoch_ms: 1_700_000_000_000 };
    Media::new(Config { channels_max, ..Config::default() }, start, [3; 32])
}

/// Address of phone `n`.
pub fn phone(n: usize) -> SocketAddr {
    SocketAddr::new([127, 1, (n >> 8) as u8, n as u8].into(), 4000)
}

/// Opens channel `n` to its phone.
pub fn call(media: &mut Media, n: usize, payloads: &[Payload], now: Instant) -> (ChannelKey, ChannelId) {
    let local = Local { rtp: SocketAddr::new([127, 0, 0, 1].into(), 10_000 + 2 * n as u16), advertised: [127, 0, 0, 1].into() };
    let key = media.open(Open::default(), local, now).unwrap();
    let channel = media.id(key).unwrap();
    let to = phone(n);
    let target = Target { ip: to.ip(), port: to.port(), payloads: payloads.to_vec(), ptime_ms: None, direction: None, rtcp_mux: false };
    assert_eq!(media.command(Command::Target { channel, target }, now), Ok(Reply::Done));
    (key, channel)
}

/// Mixes two calls.
pub fn mix(media: &mut Media, a: ChannelId, b: ChannelId, now: Instant) {
    assert_eq!(media.command(Command::Mix { a, b }, now), Ok(Reply::Done));
}

/// A packet of a phone, of 20 ms on a clock of `rate`.
pub fn packet(number: u8, ssrc: u32, n: u32, rate: u32, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader {
        marker: n == 0,
        payload_type: PayloadType::new(number).unwrap(),
        sequence: SequenceNumber((n as u16).wrapping_add(65_000)),
        timestamp: RtpTimestamp(n.wrapping_mul(rate / 50)),
        ssrc: Ssrc(ssrc),
    };
    [&header.to_bytes()[..], payload].concat()
}

/// Runs a slot and hands out every packet it makes.
pub fn slot(
    media: &mut Media,
    now: Instant,
    packets: impl IntoIterator<Item = (ChannelKey, SocketAddr, Vec<u8>)>,
    mut out: impl FnMut(Port, SocketAddr, &[u8]),
) {
    media.begin(now);
    for (key, from, mut packet) in packets {
        if let Verdict::Forward(Forward { to, bytes, .. }) = media.receive(key, Port::Rtp, from, &mut packet) {
            out(Port::Rtp, to, &packet[bytes]);
        }
    }
    media.run();
    for t in media.transmits() {
        out(t.port, t.to, t.bytes);
    }
    while media.poll_output().is_some() {}
}
