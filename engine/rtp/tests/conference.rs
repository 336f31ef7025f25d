//! Conferences in virtual time: everybody hears all others at their level, and never himself.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::voice::{Voice, amplitude, tone};
use common::{SLOT, call, media, mix, packet, phone, slot};
use dsp::g722::{Decoder, Encoder};
use rtp::api::{ChannelId, Command};
use rtp::media::{ChannelKey, Media, Port};
use rtp::packet::RtpView;
use sim::{Clock, Link, LinkProfile, SimRng, seeds};

/// A phone that speaks a tone of its own and remembers what it hears.
struct Party {
    key: ChannelKey,
    id: ChannelId,
    voice: Voice,
    hz: f64,
    encoder: Encoder,
    decoder: Decoder,
    /// Packets said.
    said: u32,
    /// Sender's clock against ours, in ppm.
    drift_ppm: i64,
    link: Link<Vec<u8>>,
    speaks: bool,
    last: Option<(u16, u32, u32)>,
    heard: Vec<i16>,
    markers: u32,
}

struct Room {
    media: Media,
    clock: Clock,
    parties: Vec<Party>,
    ms: u64,
    level: f64,
}

impl Room {
    fn new(voices: &[Voice], profile: &LinkProfile, seed: u64, level: f64) -> Self {
        let clock = Clock::new();
        let mut media = media(voices.len(), clock.now());
        let parties: Vec<_> = voices
            .iter()
            .enumerate()
            .map(|(n, &voice)| {
                let (key, id) = call(&mut media, n, &[voice.payload()], clock.now());
                let link = Link::new(profile.clone(), seed * 1000 + n as u64);
                // Multiples of 10 Hz: over whole tenths of a second they do not see each other.
                let hz = 300.0 + 30.0 * n as f64;
                Party {
                    key,
                    id,
                    voice,
                    hz,
                    encoder: Encoder::default(),
                    decoder: Decoder::default(),
                    said: 0,
                    drift_ppm: 0,
                    link,
                    speaks: true,
                    last: None,
                    heard: Vec::new(),
                    markers: 0,
                }
            })
            .collect();
        Self { media, clock, parties, ms: 0, level }
    }

    fn join_all(&mut self) {
        for n in 1..self.parties.len() {
            mix(&mut self.media, self.parties[n].id, self.parties[0].id, self.clock.now());
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            let now = self.clock.advance(SLOT);
            self.ms += 1;
            let mut arrived = Vec::new();
            for (n, party) in self.parties.iter_mut().enumerate() {
                // The next packet is due on the phone's own clock, and phones are not in step.
                let own = self.ms as i64 + self.ms as i64 * party.drift_ppm / 1_000_000;
                if own >= i64::from(party.said) * 20 + 7 * n as i64 % 20 {
                    let (voice, k) = (party.voice, party.said);
                    party.said += 1;
                    let mut samples = tone(party.hz, voice.rate(), k * voice.rate() / 50, voice.rate() / 50);
                    for s in &mut samples {
                        *s = (f64::from(*s) * self.level) as i16;
                    }
                    if party.speaks {
                        let octets = voice.encode(&mut party.encoder, &samples);
                        party.link.send(packet(voice.payload().number, n as u32, k, voice.clock(), &octets), now);
                    }
                }
                while let Some(bytes) = party.link.receive(now) {
                    arrived.push((party.key, phone(n), bytes));
                }
            }
            let parties = &mut self.parties;
            slot(&mut self.media, now, arrived, |port, to, bytes| {
                if port == Port::Rtp {
                    let n = parties.iter().position(|p| phone(p.key.slot as usize) == to).unwrap();
                    parties[n].hear(bytes);
                }
            });
        }
    }

    /// Levels at which a party hears every tone, of 1 as it was said, and what else there is, over the last `ms`.
    fn hears(&self, listener: usize, ms: usize) -> (Vec<f64>, f64) {
        let party = &self.parties[listener];
        let rate = party.voice.rate();
        let samples = &party.heard[party.heard.len() - ms * rate as usize / 1000..];
        let full = common::voice::LEVEL * self.level;
        let levels: Vec<_> = self.parties.iter().map(|p| amplitude(samples, p.hz, rate).0 / full).collect();
        let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
        let rest = power - levels.iter().map(|l| (l * full).powi(2) / 2.0).sum::<f64>();
        (levels, rest.max(0.0).sqrt() / full)
    }
}

impl Party {
    fn hear(&mut self, bytes: &[u8]) {
        let view = RtpView::parse(bytes).unwrap();
        let h = view.header;
        self.markers += u32::from(h.marker);
        if let Some((sequence, timestamp, ssrc)) = self.last {
            assert_eq!((h.sequence.0, h.ssrc.0), (sequence.wrapping_add(1), ssrc), "one stream for life");
            let step = h.timestamp.0.wrapping_sub(timestamp);
            assert!(h.marker || step == self.voice.clock() / 50, "{step}");
        }
        self.last = Some((h.sequence.0, h.timestamp.0, h.ssrc.0));
        self.heard.extend(self.voice.decode(&mut self.decoder, &bytes[view.payload]));
    }
}

#[test]
fn three_of_any_codec_hear_the_others_and_not_themselves() {
    for voices in [[Voice::Ulaw; 3], [Voice::Ulaw, Voice::Alaw, Voice::G722], [Voice::G722, Voice::Linear16k, Voice::Linear8k]] {
        let mut room = Room::new(&voices, &LinkProfile::default(), 1, 0.5);
        room.join_all();
        room.run(3000);
        for n in 0..3 {
            let (levels, rest) = room.hears(n, 1000);
            for (m, level) in levels.iter().enumerate() {
                if m == n {
                    assert!(*level < 0.01, "{voices:?}: {n} hears himself at {level}");
                } else {
                    assert!((0.93..1.05).contains(level), "{voices:?}: {n} hears {m} at {level}");
                }
            }
            assert!(rest < 0.05, "{voices:?}: {n} hears noise of {rest}");
            assert_eq!(room.parties[n].markers, 1);
        }
    }
}

#[test]
fn a_hundred_hear_each_other() {
    let voices: Vec<_> = (0..100).map(|n| if n % 10 == 0 { Voice::G722 } else { Voice::Ulaw }).collect();
    let mut room = Room::new(&voices, &LinkProfile::default(), 1, 0.02);
    room.join_all();
    room.run(800);
    for n in [0, 1, 37, 99] {
        let (levels, _) = room.hears(n, 200);
        let own = levels[n];
        assert!(own < 0.35, "{n} hears himself at {own}");
        let heard = levels.iter().enumerate().filter(|(m, level)| *m != n && (0.6..1.4).contains(*level)).count();
        assert!(heard >= 95, "{n} hears {heard}");
    }
}

/// What a speaker says: noise of its own, so small that a hundred of them are not limited.
fn noise(n: usize, k: usize) -> i16 {
    let mut x = (n as u64 + 1) << 32 | k as u64;
    for _ in 0..3 {
        x = (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 40) as i16 % 150
}

#[test]
fn each_of_a_hundred_hears_all_others_and_nothing_of_itself_to_the_sample() {
    const SPEAKERS: usize = 100;
    // The last two say nothing and hear all, one at each rate.
    let voice = |n: usize| if n.is_multiple_of(2) { Voice::Linear8k } else { Voice::Linear16k };
    let mut clock = Clock::new();
    let mut media = media(SPEAKERS + 2, clock.now());
    let parties: Vec<_> = (0..SPEAKERS + 2).map(|n| call(&mut media, n, &[voice(n).payload()], clock.now())).collect();
    for party in &parties[1..] {
        mix(&mut media, party.1, parties[0].1, clock.now());
    }
    let mut heard = vec![Vec::new(); parties.len()];
    for ms in 0..600usize {
        let now = clock.advance(SLOT);
        let due = parties.iter().enumerate().take(SPEAKERS).filter(|(n, _)| (ms + 7 * n).is_multiple_of(20));
        let packets = due.map(|(n, (key, _))| {
            let (voice, k) = (voice(n), ms / 20);
            let samples: Vec<_> = (k * voice.rate() as usize / 50..(k + 1) * voice.rate() as usize / 50).map(|k| noise(n, k)).collect();
            let octets = voice.encode(&mut Encoder::default(), &samples);
            (*key, phone(n), packet(voice.payload().number, n as u32, k as u32, voice.clock(), &octets))
        });
        slot(&mut media, now, packets.collect::<Vec<_>>(), |port, to, bytes| {
            if port == Port::Rtp {
                let n = parties.iter().position(|(key, _)| phone(key.slot as usize) == to).unwrap();
                let view = RtpView::parse(bytes).unwrap();
                heard[n].push(voice(n).decode(&mut Decoder::default(), &bytes[view.payload]));
            }
        });
    }
    // Half a second, when all are there; the packets of a tick go out together.
    let last = |n: usize| heard[n][heard[n].len() - 20..].concat();
    for n in 0..SPEAKERS {
        let own: Vec<_> = last(SPEAKERS + n % 2).iter().zip(last(n)).map(|(all, others)| all - others).collect();
        let at = (0..12_000).find(|at| (0..40).all(|k| own[k] == noise(n, at + k)));
        let at = at.unwrap_or_else(|| panic!("{n}: what all hear and {n} does not is not what {n} says: {:?}", &own[..40]));
        assert_eq!((0..own.len()).find(|k| own[*k] != noise(n, at + k)), None, "{n}");
    }
}

#[test]
fn whoever_is_silent_hears_the_same_as_all_who_are_and_leaving_makes_no_click() {
    let mut room = Room::new(&[Voice::Ulaw; 5], &LinkProfile::default(), 1, 0.5);
    for n in 2..5 {
        room.parties[n].speaks = false;
    }
    room.join_all();
    room.run(1500);
    let tail = |n: usize| room.parties[n].heard[room.parties[n].heard.len() - 3200..].to_vec();
    assert_eq!(tail(2), tail(3));
    assert_eq!(tail(3), tail(4));
    assert!((0.95..1.05).contains(&room.hears(4, 500).0[0]));
    let leaver = room.parties[1].id;
    assert!(room.media.command(Command::Unmix { channel: leaver }, room.clock.now()).is_ok());
    room.run(100);
    // A step of a tone of 330 Hz at this level is under 1040 from sample to sample; two of them together 2000.
    let heard = &room.parties[4].heard;
    let jump = heard[heard.len() - 1600..].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
    assert!(jump < 2200, "{jump}");
    room.run(1000);
    let (levels, rest) = room.hears(4, 500);
    assert!(levels[1] < 0.01 && (0.95..1.05).contains(&levels[0]) && rest < 0.03, "{levels:?} {rest}");
}

#[test]
fn two_become_three_and_two_again_without_a_break_in_the_stream() {
    let mut room = Room::new(&[Voice::Ulaw, Voice::G722, Voice::Alaw], &LinkProfile::default(), 1, 0.5);
    let ids: Vec<_> = room.parties.iter().map(|p| p.id).collect();
    mix(&mut room.media, ids[0], ids[1], room.clock.now());
    room.run(1000);
    mix(&mut room.media, ids[2], ids[0], room.clock.now());
    room.run(1500);
    assert!((0.9..1.1).contains(&room.hears(0, 500).0[2]));
    room.media.command(Command::Unmix { channel: ids[2] }, room.clock.now()).unwrap();
    room.run(1500);
    let (levels, rest) = room.hears(0, 500);
    assert!(levels[2] < 0.01 && (0.9..1.1).contains(&levels[1]) && rest < 0.05, "{levels:?} {rest}");
    assert_eq!(room.media.transcodes(), 2, "packet-driven again, from and to G.722");
    room.media.command(Command::Unmix { channel: ids[0] }, room.clock.now()).unwrap();
    assert_eq!(room.media.transcodes(), 0);
}

#[test]
fn bad_networks_and_clocks_that_run_apart_leave_the_tones() {
    seeds("bad_networks_and_clocks_that_run_apart_leave_the_tones", 6, |seed| {
        let mut rng = SimRng::new(seed);
        let profile = LinkProfile {
            loss_permille: rng.below(30) as u16,
            duplicate_permille: rng.below(50) as u16,
            reorder_permille: rng.below(30) as u16,
            delay: rng.duration(Duration::from_millis(50)),
            jitter: rng.duration(Duration::from_millis(25)),
            hold_back: Duration::from_millis(40),
        };
        let voices: Vec<_> = (0..3).map(|_| Voice::ALL[rng.below(5) as usize]).collect();
        let mut room = Room::new(&voices, &profile, seed, 0.5);
        for party in &mut room.parties {
            party.drift_ppm = rng.below(401) as i64 - 200;
        }
        room.join_all();
        room.run(20_000);
        for n in 0..3 {
            // In tenths of a second most are right, whatever was lost in between.
            let party = &room.parties[n];
            let rate = party.voice.rate() as usize;
            let (mut good, mut all) = (0, 0);
            for part in party.heard[rate * 2..].chunks_exact(rate / 10) {
                for (m, other) in room.parties.iter().enumerate() {
                    let level = amplitude(part, other.hz, rate as u32).0 / (common::voice::LEVEL * 0.5);
                    all += 1;
                    good += u32::from(if m == n { level < 0.15 } else { (0.8..1.2).contains(&level) });
                }
            }
            assert!(f64::from(good) > 0.85 * f64::from(all), "{voices:?} {profile:?}: {n} hears {good} of {all}");
        }
    });
}
