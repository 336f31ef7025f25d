//! Calls over bad networks in virtual time: what is heard is the tone that was sent, and the stream out is sound whatever
//! the stream in.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use common::voice::{LEVEL, Voice, amplitude, tone};
use common::{SLOT, call, media, mix, packet, phone, slot};
use dsp::g722::{Decoder, Encoder};
use rtp::media::{ChannelKey, Port};
use rtp::packet::RtpView;
use sim::{Link, LinkProfile, SimRng, seeds};

/// What a phone heard, by its place in the stream.
#[derive(Default)]
struct Ear {
    ssrcs: Vec<u32>,
    first: Option<(u16, u32)>,
    /// Payload by sequence number from the first on.
    packets: BTreeMap<i32, (u32, Vec<u8>)>,
}

impl Ear {
    fn hear(&mut self, bytes: &[u8]) {
        let view = RtpView::parse(bytes).unwrap();
        let h = view.header;
        if !self.ssrcs.contains(&h.ssrc.0) {
            self.ssrcs.push(h.ssrc.0);
        }
        let (sequence, timestamp) = *self.first.get_or_insert((h.sequence.0, h.timestamp.0));
        let place = i32::from(h.sequence.0.wrapping_sub(sequence) as i16);
        let old = self.packets.insert(place, (h.timestamp.0.wrapping_sub(timestamp), bytes[view.payload].to_vec()));
        assert!(old.is_none(), "sequence number {place} twice");
    }
}

/// One call of 10 s over two bad links; checks each ear.
fn talk(a: Voice, b: Voice, profile: &LinkProfile, seed: u64) {
    let mut clock = sim::Clock::new();
    let mut media = media(2, clock.now());
    let voices = [a, b];
    let hz = [440.0, 1000.0];
    let keys: [(ChannelKey, _); 2] = [0, 1].map(|n| call(&mut media, n, &[voices[n].payload()], clock.now()));
    mix(&mut media, keys[0].1, keys[1].1, clock.now());
    let mut links: [Link<(SocketAddr, Vec<u8>)>; 2] = [0, 1].map(|n| Link::new(profile.clone(), seed * 2 + n));
    let mut ears = [Ear::default(), Ear::default()];
    let mut encoders = [Encoder::default(); 2];
    for ms in 0..10_000u32 {
        let now = clock.advance(SLOT);
        for n in 0..2 {
            // The two phones are not in step.
            if (ms + 7 * n as u32).is_multiple_of(20) {
                let (voice, k) = (voices[n], ms / 20);
                let samples = tone(hz[n], voice.rate(), k * voice.rate() / 50, voice.rate() / 50);
                let number = voice.payload().number;
                links[n].send((phone(n), packet(number, 5 + n as u32, k, voice.clock(), &voice.encode(&mut encoders[n], &samples))), now);
            }
        }
        let mut arrived = Vec::new();
        for n in 0..2 {
            while let Some((from, bytes)) = links[n].receive(now) {
                arrived.push((keys[n].0, from, bytes));
            }
        }
        slot(&mut media, now, arrived, |port, to, bytes| {
            if port == Port::Rtp {
                ears[usize::from(to == phone(1))].hear(bytes);
            }
        });
    }
    for n in 0..2 {
        let (ear, voice, from) = (&ears[n], voices[n], 1 - n);
        assert_eq!(ear.ssrcs.len(), 1, "one stream for life");
        let delivered = links[from].sent() - links[from].lost();
        assert!(ear.packets.len() as u64 + 60 >= delivered, "{} of {delivered}", ear.packets.len());
        // Distances in time follow those in number, so a player puts each packet where it belongs.
        for (&place, &(timestamp, _)) in &ear.packets {
            assert_eq!(timestamp as i32, place * (voice.clock() / 50) as i32);
        }
        // Long runs without loss, away from the start and the end, hold the tone and nothing else.
        let (mut run, mut decoder) = (Vec::new(), Decoder::default());
        let mut checked = 0;
        let mut last = i32::MIN;
        for (&place, (_, octets)) in &ear.packets {
            if place != last + 1 {
                run.clear();
            }
            last = place;
            run.extend(voice.decode(&mut decoder, octets));
            let frame = voice.rate() as usize / 50;
            if run.len() == 13 * frame {
                // What remembers needs a while after a loss.
                let (level, rest) = amplitude(&run[3 * frame..], hz[from], voice.rate());
                checked += 1;
                // G.711 alone leaves 38 dB, and G.722 about 34. A rate converter sees packets as they come, so where one comes late, or after
                // a loss, each edge is wrong for the length of its filter, and the packet's phase by its delay; G.722's
                // predictors take a frame or two to follow the jump.
                let clean = profile.reorder_permille == 0 && profile.loss_permille == 0
                    || a.rate() == b.rate() && a != Voice::G722 && b != Voice::G722;
                let (least, noise) = if clean && place > 30 { (0.95, LEVEL / 60.0) } else { (0.8, LEVEL / 2.0) };
                assert!((least * LEVEL..1.05 * LEVEL).contains(&level), "{a:?} to {b:?}: level {level} at {place}");
                assert!(rest < noise, "{a:?} to {b:?}: {rest} beside the tone at {place}");
                run.clear();
            }
        }
        assert!(checked > 5, "{checked}");
    }
}

#[test]
fn a_tone_keeps_its_level_and_frequency_between_all_codecs() {
    for a in Voice::ALL {
        for b in Voice::ALL {
            talk(a, b, &LinkProfile { delay: Duration::from_millis(10), ..LinkProfile::default() }, 1);
        }
    }
}

#[test]
fn calls_survive_loss_reorder_and_duplicates() {
    seeds("calls_survive_loss_reorder_and_duplicates", 12, |seed| {
        let mut rng = SimRng::new(seed);
        let profile = LinkProfile {
            loss_permille: rng.below(60) as u16,
            duplicate_permille: rng.below(100) as u16,
            reorder_permille: rng.below(60) as u16,
            delay: rng.duration(Duration::from_millis(50)),
            jitter: rng.duration(Duration::from_millis(15)),
            hold_back: Duration::from_millis(60),
        };
        let voice = |rng: &mut SimRng| Voice::ALL[rng.below(5) as usize];
        let (a, b) = (voice(&mut rng), voice(&mut rng));
        talk(a, b, &profile, seed);
    });
}
