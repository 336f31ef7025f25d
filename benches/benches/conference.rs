//! What the clocked path costs beside packet I/O: a frame-tick, which is the `run` of 20 slots, with all packets received outside the
//! clock. The time is that of all channels for 20 ms of sound.
//!   conference of 100        budget 60 µs: PCMU; three speak as people do, or all at once; a tenth of them on G.722
//!   1000 conferences of 3    PCMU, and PCMU with G.722
//!   one file to 2000         a player each, one sound in memory
//! Memory per channel is counted by `cargo test -p rtp --test no_allocation -- --nocapture`; that a file is read and decoded once, by
//! the tests of `engine::files`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::signals;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dsp::{Batch, Kernels, g722};
use rtp::api::{ChannelId, Command, Entry, Open, Payload, Repeat, Soup, Target};
use rtp::media::{ChannelKey, Config, Local, Media, Port, Start};
use rtp::packet::RtpHeader;
use rtp::sound::Sound;
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// Slots of a tick.
const SLOTS: usize = 20;
/// Packets of speech, told in a circle.
const PACKETS: usize = 100;

struct Phone {
    key: ChannelKey,
    from: SocketAddr,
    number: u8,
    speaks: bool,
}

struct Bed {
    media: Media,
    now: Instant,
    n: u32,
    phones: Vec<Phone>,
    ids: Vec<ChannelId>,
    /// Speech in PCMU and G.722.
    speech: [Vec<Vec<u8>>; 2],
}

fn encoded() -> [Vec<Vec<u8>>; 2] {
    let kernels = Kernels::best();
    let narrow = signals::speech_8k();
    let narrow = &narrow[16_000..16_000 + 160 * PACKETS];
    let ulaw = narrow.chunks_exact(160).map(|frame| {
        let mut octets = vec![0; 160];
        kernels.g711.ulaw_encode(frame, &mut octets);
        octets
    });
    let mut wide = vec![0; 2 * narrow.len()];
    kernels.resample.up(&mut dsp::resample::Upsampler::default(), narrow, &mut wide);
    let mut batch = Batch::new(1, wide.len());
    let ticket = batch.push(&g722::Encoder::new(), &wide).unwrap();
    kernels.g722.encode(&mut batch, &mut g722::Scratch::new());
    [ulaw.collect(), batch.output(ticket).chunks_exact(160).map(<[u8]>::to_vec).collect()]
}

impl Bed {
    fn new(channels: usize, number: impl Fn(usize) -> u8, speaks: impl Fn(usize) -> bool) -> Self {
        let now = Instant::now();
        let start = Start { now, unix_epoch_ms: 0 };
        let mut media = Media::new(Config { channels_max: channels, ..Config::default() }, start, [1; 32]);
        let mut phones = Vec::new();
        let mut ids = Vec::new();
        for n in 0..channels {
            let local = Local { rtp: SocketAddr::new([127, 0, 0, 1].into(), 10_000 + 2 * n as u16), advertised: [127, 0, 0, 1].into() };
            let key = media.open(Open::default(), local, now).unwrap();
            let channel = media.id(key).unwrap();
            let from = SocketAddr::new([127, 1, (n >> 8) as u8, n as u8].into(), 4000);
            let payloads = vec![Payload { number: number(n), encoding: None, fmtp: None }];
            let target = Target { ip: from.ip(), port: 4000, payloads, ptime_ms: None, direction: None, rtcp_mux: false };
            media.command(Command::Target { channel, target }, now).unwrap();
            phones.push(Phone { key, from, number: number(n), speaks: speaks(n) });
            ids.push(channel);
        }
        Self { media, now, n: 0, phones, ids, speech: encoded() }
    }

    /// Conferences of so many each.
    fn mixed(mut self, each: usize) -> Self {
        for group in self.ids.chunks(each) {
            for other in &group[1..] {
                self.media.command(Command::Mix { a: *other, b: group[0] }, self.now).unwrap();
            }
        }
        while self.media.poll_output().is_some() {}
        self
    }

    /// 20 ms; the time that `run` took in them, and packets sent.
    fn tick(&mut self) -> (Duration, usize) {
        self.n += 1;
        let (mut spent, mut sent) = (Duration::ZERO, 0);
        for slot in 0..SLOTS {
            self.now += Duration::from_millis(1);
            self.media.begin(self.now);
            for (n, phone) in self.phones.iter().enumerate().skip(slot).step_by(SLOTS) {
                let header = RtpHeader {
                    marker: false,
                    payload_type: PayloadType::from_wire(phone.number),
                    sequence: SequenceNumber(self.n as u16),
                    timestamp: RtpTimestamp(self.n.wrapping_mul(160)),
                    ssrc: Ssrc(phone.key.slot),
                };
                let speech = &self.speech[usize::from(phone.number == 9)];
                let quiet = [0xff; 160];
                let payload: &[u8] = if phone.speaks { &speech[(self.n as usize + 7 * n) % PACKETS] } else { &quiet };
                let mut packet = [&header.to_bytes()[..], payload].concat();
                black_box(self.media.receive(phone.key, Port::Rtp, phone.from, &mut packet));
            }
            let begins = Instant::now();
            self.media.run();
            spent += begins.elapsed();
            sent += self.media.transmits().filter(|t| t.port == Port::Rtp).map(black_box).count();
            while self.media.poll_output().is_some() {}
        }
        (spent, sent)
    }

    fn warm(mut self) -> Self {
        for _ in 0..10 {
            self.tick();
        }
        assert_eq!(self.tick().1, self.phones.len(), "everybody hears something");
        self
    }
}

fn ticks(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame_tick");
    group.sample_size(30);
    let pcmu = |_: usize| 0;
    let beds: [(&str, Bed, usize); 5] = [
        ("conference of 100, three speak", Bed::new(100, pcmu, |n| n < 3), 100),
        ("conference of 100, all speak", Bed::new(100, pcmu, |_| true), 100),
        ("conference of 100, a tenth G.722, three speak", Bed::new(100, |n| if n % 10 == 9 { 9 } else { 0 }, |n| n < 3), 100),
        ("1000 conferences of 3", Bed::new(3000, pcmu, |_| true), 3),
        ("1000 conferences of 3, one of them G.722", Bed::new(3000, |n| if n % 3 == 2 { 9 } else { 0 }, |_| true), 3),
    ];
    for (name, bed, each) in beds {
        let mut bed = bed.mixed(each).warm();
        group.throughput(Throughput::Elements(bed.phones.len() as u64));
        group.bench_function(name, |bench| bench.iter_custom(|n| (0..n).map(|_| bed.tick().0).sum()));
    }
    let mut bed = Bed::new(2000, pcmu, |_| false);
    let sound = Arc::new(Sound::new(8000, signals::speech_8k()));
    for channel in bed.ids.clone() {
        let entry = Entry { sound: Some(Arc::clone(&sound)), ..Entry::wav("speech.wav") };
        let soup = Soup { repeat: Repeat::Forever, entries: vec![entry], ..Soup::default() };
        bed.media.command(Command::Play { channel, soup }, bed.now).unwrap();
    }
    let mut bed = bed.warm();
    group.throughput(Throughput::Elements(bed.phones.len() as u64));
    group.bench_function("one file to 2000", |bench| bench.iter_custom(|n| (0..n).map(|_| bed.tick().0).sum()));
    group.finish();
}

criterion_group!(benches, ticks);
criterion_main!(benches);
