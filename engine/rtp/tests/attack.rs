//! Strangers who speak into a call before, at and after its start, from another port, another host, and thousands of addresses;
//! and datagrams that are no RTP at all. What the phones hear is right, and every refusal is counted.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::net::SocketAddr;

use common::voice::{LEVEL, Voice, amplitude, tone};
use common::{SLOT, call, media, mix, packet, phone, slot};
use dsp::g722::{Decoder, Encoder};
use rtp::api::{ChannelId, Command, Reply};
use rtp::media::{ChannelKey, Media, Port};
use rtp::packet::RtpView;
use sim::{Clock, SimRng};

/// Packets of strangers in each slot of a millisecond, for each channel.
const FLOOD: usize = 5;
const HZ: [f64; 3] = [440.0, 1000.0, 1300.0];

struct Bed {
    media: Media,
    clock: Clock,
    rng: SimRng,
    ends: Vec<(ChannelKey, ChannelId)>,
    voices: Vec<Voice>,
    encoders: Vec<Encoder>,
    heard: Vec<Vec<u8>>,
    said: u32,
    ms: u32,
    /// What strangers sent, by what it is: to be refused, STUN, DTLS, neither.
    thrown: [u64; 4],
    received: u64,
}

impl Bed {
    fn new(voices: &[Voice], seed: u64) -> Self {
        let clock = Clock::new();
        let mut media = media(voices.len(), clock.now());
        let ends: Vec<_> = voices.iter().enumerate().map(|(n, v)| call(&mut media, n, &[v.payload()], clock.now())).collect();
        for other in &ends[1..] {
            mix(&mut media, other.1, ends[0].1, clock.now());
        }
        Self {
            media,
            clock,
            rng: SimRng::new(seed),
            voices: voices.to_vec(),
            encoders: vec![Encoder::default(); voices.len()],
            heard: vec![Vec::new(); voices.len()],
            said: 0,
            ms: 0,
            thrown: [0; 4],
            received: 0,
            ends,
        }
    }

    /// What a stranger may send, and from where: never the address that was signalled.
    fn stranger(&mut self, n: usize) -> (ChannelKey, SocketAddr, Vec<u8>) {
        let (key, honest) = (self.ends[n].0, phone(n));
        let from = match self.rng.below(3) {
            0 => SocketAddr::new(honest.ip(), 1024 + self.rng.below(2000) as u16),
            1 => SocketAddr::new([10, self.rng.below(256) as u8, self.rng.below(256) as u8, 1].into(), honest.port()),
            _ => "10.6.6.6:666".parse().unwrap(),
        };
        let (kind, bytes) = match self.rng.below(8) {
            0 => (1, vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0]),
            1 => (2, vec![22, 254, 253, 0, 0, 0, 0]),
            2 => (3, Vec::new()),
            3 => (3, vec![0x80; 1 + self.rng.below(11) as usize]),
            _ => {
                let voice = self.voices[n];
                let len = if self.rng.chance(10) { 65_495 } else { 160 };
                let (ssrc, n) = (self.rng.below(4) as u32, self.rng.below(1 << 16) as u32);
                (0, packet(voice.payload().number, ssrc, n, voice.clock(), &vec![0x15; len]))
            }
        };
        self.thrown[kind] += 1;
        (key, from, bytes)
    }

    fn run(&mut self, ms: u32, phones: bool, strangers: bool) {
        for _ in 0..ms {
            let now = self.clock.advance(SLOT);
            self.ms += 1;
            let mut arrived = Vec::new();
            for (n, hz) in HZ.into_iter().enumerate().take(self.ends.len()) {
                let before = if strangers { self.rng.below(FLOOD as u64 + 1) as usize } else { FLOOD };
                arrived.extend((0..before).filter(|_| strangers).map(|_| self.stranger(n)).collect::<Vec<_>>());
                if phones && self.ms.is_multiple_of(20) {
                    let voice = self.voices[n];
                    let samples = tone(hz, voice.rate(), self.said * voice.rate() / 50, voice.rate() / 50);
                    let octets = voice.encode(&mut self.encoders[n], &samples);
                    arrived.push((self.ends[n].0, phone(n), packet(voice.payload().number, n as u32, self.said, voice.clock(), &octets)));
                }
                arrived.extend((before..FLOOD).filter(|_| strangers).map(|_| self.stranger(n)).collect::<Vec<_>>());
            }
            self.said += u32::from(phones && self.ms.is_multiple_of(20));
            self.received += arrived.len() as u64;
            let (heard, said) = (&mut self.heard, self.said);
            slot(&mut self.media, now, arrived, |port, to, bytes| {
                if port == Port::Rtp {
                    match (0..heard.len()).find(|n| phone(*n) == to) {
                        Some(n) => heard[n].extend(&bytes[RtpView::parse(bytes).unwrap().payload]),
                        // Another port of the signalled host may be the phone behind its NAT, until the phone itself speaks.
                        None => assert!(said < 2, "sound goes to {to}"),
                    }
                }
            });
        }
    }

    fn status(&mut self, name: &str) -> u64 {
        let Ok(Reply::Status(list)) = self.media.command(Command::Status, self.clock.now()) else { panic!() };
        list.into_iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// The levels of all tones that phone `n` hears in its last half second, of 1 as they were said, and the rest.
    fn hears(&self, n: usize) -> (Vec<f64>, f64) {
        let voice = self.voices[n];
        let samples = voice.decode(&mut Decoder::default(), &self.heard[n]);
        let samples = &samples[samples.len() - voice.rate() as usize / 2..];
        let levels: Vec<_> = HZ.iter().map(|hz| amplitude(samples, *hz, voice.rate()).0 / LEVEL).collect();
        let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
        let rest = power - levels.iter().map(|l| (l * LEVEL).powi(2) / 2.0).sum::<f64>();
        (levels, rest.max(0.0).sqrt() / LEVEL)
    }

    /// Everybody hears the others alone, and the counters know of every stranger.
    fn judge(&mut self, who: &str) {
        let count = self.ends.len();
        for n in 0..count {
            let (levels, rest) = self.hears(n);
            for (m, level) in levels.iter().enumerate() {
                let wanted = if m < count && m != n { 0.9..1.1 } else { 0.0..0.02 };
                assert!(wanted.contains(level), "{who}: {n} hears {m} at {level}");
            }
            assert!(rest < 0.05, "{who}: {n} hears something else at {rest}");
        }
        let names = ["packets_received", "packets_stun", "packets_dtls", "packets_malformed", "packets_flood"];
        let wanted = [self.received, self.thrown[1], self.thrown[2], self.thrown[3], 0];
        assert_eq!(names.map(|name| self.status(name)), wanted, "{who}: {names:?}");
        let refused = self.status("packets_badsource");
        let channels: Vec<_> = self.ends.iter().map(|end| end.1).collect();
        let mut by_channel = 0;
        for channel in channels {
            let Ok(Reply::Channel(view)) = self.media.command(Command::Get { channel }, self.clock.now()) else { panic!() };
            assert!(view.stats.remote.latched && view.stats.input.count >= u64::from(self.said), "{:?}", view.stats);
            by_channel += view.stats.input.badsource;
        }
        assert_eq!(by_channel, refused);
        // Before the phone spoke one of them is listened to, and its first packets are what is not refused.
        assert!(refused <= self.thrown[0] && refused * 10 >= self.thrown[0] * 9, "{who}: {refused} of {}", self.thrown[0]);
    }
}

fn attack(voices: &[Voice], who: &str) {
    // Before the start, while the far end is not known to speak; at the start; and in the midst of the call.
    for (before, at) in [(0, false), (0, true), (3000, true)] {
        let mut bed = Bed::new(voices, 7 + u64::from(before));
        bed.run(before, false, true);
        bed.run(1000, true, at);
        bed.run(2000, true, true);
        bed.judge(&format!("{who}, {before} ms before, at the start: {at}"));
    }
}

#[test]
fn strangers_do_not_get_into_a_bridge() {
    attack(&[Voice::Ulaw, Voice::Alaw], "relay");
    attack(&[Voice::Ulaw, Voice::G722], "transcoded");
}

#[test]
fn strangers_do_not_get_into_a_conference() {
    attack(&[Voice::Ulaw, Voice::G722, Voice::Linear16k], "conference");
}
