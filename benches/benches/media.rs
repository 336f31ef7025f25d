//! One slot of a media shard in which each of 1000 channels has a packet of 20 ms, bridged two by two: what our code adds
//! to the kernel's work. Throughput is in packets, so the inverse is the time of one.
//!   relay          equal codecs, rewritten in place
//!   pcmu_to_pcma   the direct table, in place
//!   pcma_to_l16    decode, encode, in batches
//!   pcmu_to_l16_16k  decode, 8 to 16 kHz, encode, in batches
//!   pcmu_to_g722   decode, 8 to 16 kHz, G.722 in lanes, and back
//!   pcmu_to_ilbc   decode, iLBC of 20 ms, and back
//!   refused        packets of strangers, for the price of a flood
//! Times are CPU time of the thread, as the kernel accounts it, so that other programs on the core count less.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtp::api::{Command, Encoding, Open, Payload, Target};
use rtp::media::{ChannelKey, Config, Local, Media, Port, Start, Verdict};
use rtp::packet::RtpHeader;
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

const CHANNELS: usize = 1000;

struct Bed {
    media: Media,
    now: Instant,
    /// Channel, its phone, its payload type, and the buffer its packets come in.
    phones: Vec<(ChannelKey, SocketAddr, u8, Vec<u8>)>,
    n: u32,
    stranger: bool,
}

fn payload(number: u8) -> Payload {
    let linear = |clock_rate_hz| Some(Encoding { name: "L16".into(), clock_rate_hz, channels: 1 });
    let encoding = match number {
        96 => linear(8000),
        97 => linear(16000),
        98 => Some(Encoding { name: "iLBC".into(), clock_rate_hz: 8000, channels: 1 }),
        _ => None,
    };
    Payload { number, encoding, fmtp: (number == 98).then(|| "mode=20".into()) }
}

impl Bed {
    fn new(a: u8, b: u8) -> Self {
        let now = Instant::now();
        let start = Start { now, unix_epoch_ms: 0 };
        let mut media = Media::new(Config { channels_max: CHANNELS, ..Config::default() }, start, [1; 32]);
        let mut phones = Vec::new();
        let mut ids = Vec::new();
        for n in 0..CHANNELS {
            let number = if n % 2 == 0 { a } else { b };
            let local = Local { rtp: SocketAddr::new([127, 0, 0, 1].into(), 10_000 + 2 * n as u16), advertised: [127, 0, 0, 1].into() };
            let key = media.open(Open::default(), local, now).unwrap();
            let channel = media.id(key).unwrap();
            let from = SocketAddr::new([127, 1, (n >> 8) as u8, n as u8].into(), 4000);
            let target =
                Target { ip: from.ip(), port: 4000, payloads: vec![payload(number)], ptime_ms: None, direction: None, rtcp_mux: false };
            media.command(Command::Target { channel, target }, now).unwrap();
            let len = 12
                + match number {
                    96 => 320,
                    97 => 640,
                    98 => 38,
                    _ => 160,
                };
            phones.push((key, from, number, vec![0x55; len]));
            ids.push(channel);
        }
        for pair in ids.chunks_exact(2) {
            media.command(Command::Mix { a: pair[0], b: pair[1] }, now).unwrap();
        }
        Self { media, now, phones, n: 0, stranger: false }
    }

    /// One slot; returns the packets sent.
    fn slot(&mut self) -> usize {
        self.n += 1;
        self.now += Duration::from_millis(20);
        let mut sent = 0;
        self.media.begin(self.now);
        for (key, from, number, buffer) in &mut self.phones {
            let header = RtpHeader {
                marker: false,
                payload_type: PayloadType::from_wire(*number),
                sequence: SequenceNumber(self.n as u16),
                timestamp: RtpTimestamp(self.n.wrapping_mul(if *number == 97 { 320 } else { 160 })),
                ssrc: Ssrc(key.slot),
            };
            buffer[..12].copy_from_slice(&header.to_bytes());
            let from = if self.stranger { SocketAddr::new(from.ip(), 5) } else { *from };
            sent += usize::from(matches!(black_box(self.media.receive(*key, Port::Rtp, from, buffer)), Verdict::Forward(_)));
        }
        self.media.run();
        sent += self.media.transmits().filter(|t| t.port == Port::Rtp).map(black_box).count();
        while self.media.poll_output().is_some() {}
        sent
    }
}

/// CPU time of some slots; good to a scheduler tick, so for samples of many milliseconds.
fn cpu_of(bed: &mut Bed, slots: u64) -> Duration {
    let spent = || {
        let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(line.split_whitespace().next().unwrap().parse().unwrap())
    };
    let before = spent();
    for _ in 0..slots {
        black_box(bed.slot());
    }
    spent().saturating_sub(before).max(Duration::from_nanos(1))
}

fn slots(c: &mut Criterion) {
    let mut group = c.benchmark_group("slot_of_1000_packets");
    group.throughput(Throughput::Elements(CHANNELS as u64));
    for (name, a, b) in [
        ("relay", 8, 8),
        ("pcmu_to_pcma", 0, 8),
        ("pcma_to_l16", 8, 96),
        ("pcmu_to_l16_16k", 0, 97),
        ("pcmu_to_g722", 0, 9),
        ("pcmu_to_ilbc", 0, 98),
    ] {
        let mut bed = Bed::new(a, b);
        assert_eq!(bed.slot(), CHANNELS);
        group.bench_function(name, |bench| bench.iter_custom(|n| cpu_of(&mut bed, n)));
    }
    let mut bed = Bed::new(8, 8);
    bed.slot();
    bed.stranger = true;
    assert_eq!(bed.slot(), 0);
    group.bench_function("refused", |bench| bench.iter_custom(|n| cpu_of(&mut bed, n)));
    group.finish();
}

criterion_group!(benches, slots);
criterion_main!(benches);
