//! Two far ends that want packets of unlike length hear each other in the packets that they want, each sample once.
//!
//! Heard:  what codecs keep exactly is compared sample by sample; the numbers and times of packets have no hole.
//! Sent:   each speaks in packets of a length of its own, which need not be the one that it asked for, and may change.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod common;

use common::voice::{LEVEL, Voice, amplitude, tone};
use common::{SLOT, call, media, mix, phone, slot};
use dsp::Kernels;
use dsp::g722::{Decoder, Encoder};
use rtp::api::{ChannelId, Command, Payload, Reply, Target};
use rtp::media::{ChannelKey, Media, Port};
use rtp::packet::{RtpHeader, RtpView};
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use sim::Clock;

const HZ: f64 = 440.0;

struct Party {
    key: ChannelKey,
    id: ChannelId,
    voice: Voice,
    encoder: Encoder,
    decoder: Decoder,
    packets: u16,
    /// What it said, and what it heard.
    mouth: Vec<i16>,
    ear: Vec<i16>,
    last: Option<(u16, u32)>,
    /// Lengths of the packets that came, ms, each once in its order.
    lengths: Vec<usize>,
}

struct Call {
    media: Media,
    clock: Clock,
    ms: u64,
    parties: [Party; 2],
}

impl Call {
    fn new(voices: [Voice; 2], wants: [u16; 2]) -> Self {
        let clock = Clock::new();
        let mut media = media(2, clock.now());
        let parties = [0, 1].map(|n| {
            let voice = voices[n];
            let (key, id) = call(&mut media, n, &[voice.payload()], clock.now());
            Party {
                key,
                id,
                voice,
                encoder: Encoder::default(),
                decoder: Decoder::default(),
                packets: 0,
                mouth: Vec::new(),
                ear: Vec::new(),
                last: None,
                lengths: Vec::new(),
            }
        });
        let mut call = Self { media, clock, ms: 0, parties };
        call.wants(0, wants[0]);
        call.wants(1, wants[1]);
        mix(&mut call.media, call.parties[0].id, call.parties[1].id, call.clock.now());
        call
    }

    fn wants(&mut self, n: usize, ptime_ms: u16) {
        let payloads = vec![self.parties[n].voice.payload()];
        target(&mut self.media, self.parties[n].id, n, payloads, ptime_ms, self.clock.now());
    }

    /// Both speak, each in packets of the length that it says for the time of the packet.
    fn run(&mut self, ms: u64, says: [fn(u64) -> u64; 2]) {
        let end = self.ms + ms;
        while self.ms < end {
            let now = self.clock.advance(SLOT);
            self.ms += 1;
            let mut arrived = Vec::new();
            for (n, party) in self.parties.iter_mut().enumerate() {
                let rate = u64::from(party.voice.rate());
                let said_ms = party.mouth.len() as u64 * 1000 / rate;
                let lasts_ms = says[n](said_ms);
                // It is sent when it is over.
                if said_ms + lasts_ms + n as u64 * 7 <= self.ms {
                    arrived.push((party.key, phone(n), party.say(lasts_ms)));
                }
            }
            let (parties, ms) = (&mut self.parties, self.ms);
            slot(&mut self.media, now, arrived, |port, to, bytes| {
                if port == Port::Rtp {
                    parties.iter_mut().find(|p| phone(p.key.slot as usize) == to).unwrap().hear(bytes, ms);
                }
            });
        }
    }

    fn lengths(&mut self) -> [Vec<usize>; 2] {
        let [one, other] = &mut self.parties;
        [one, other].map(|party| std::mem::take(&mut party.lengths))
    }

    /// What came of what the other said after so many ms: every sample once.
    fn is_whole(&self, from_ms: usize, what: &str) {
        for [listener, speaker] in [[0, 1], [1, 0]] {
            let (ear, mouth) = (&self.parties[listener], &self.parties[speaker]);
            let mut said = mouth.mouth.clone();
            let kernels = Kernels::best();
            let mut octets = vec![0; said.len()];
            for party in [mouth, ear] {
                let input = said.clone();
                match party.voice {
                    Voice::Ulaw => {
                        kernels.g711.ulaw_encode(&input, &mut octets);
                        kernels.g711.ulaw_decode(&octets, &mut said);
                    }
                    Voice::Alaw => {
                        kernels.g711.alaw_encode(&input, &mut octets);
                        kernels.g711.alaw_decode(&octets, &mut said);
                    }
                    Voice::Linear8k | Voice::Linear16k | Voice::G722 => {}
                }
            }
            let rate = ear.voice.rate() as usize;
            let from = rate * from_ms / 1000;
            let heard = &ear.ear[from..];
            let place = (0..rate / 5).find(|delay| heard.iter().zip(said.iter().skip(from.wrapping_sub(*delay))).all(|(a, b)| a == b));
            assert!(place.is_some(), "{what}: {listener} does not hear what was said, {} samples", heard.len());
            assert!(ear.ear.len() + rate * 16 / 100 >= said.len(), "{what}: {} of {} samples", ear.ear.len(), said.len());
        }
    }
}

impl Party {
    fn say(&mut self, ms: u64) -> Vec<u8> {
        let (first, samples) = (self.mouth.len() as u32, self.voice.rate() * ms as u32 / 1000);
        let sound = tone(HZ, self.voice.rate(), first, samples);
        let octets = self.voice.encode(&mut self.encoder, &sound);
        self.mouth.extend(sound);
        let header = RtpHeader {
            marker: self.packets == 0,
            payload_type: PayloadType::new(self.voice.payload().number).unwrap(),
            sequence: SequenceNumber(self.packets.wrapping_add(65_500)),
            timestamp: RtpTimestamp((u64::from(first) * u64::from(self.voice.clock()) / u64::from(self.voice.rate())) as u32),
            ssrc: Ssrc(self.key.slot + 1),
        };
        self.packets += 1;
        [&header.to_bytes()[..], &octets].concat()
    }

    fn hear(&mut self, bytes: &[u8], ms: u64) {
        let view = RtpView::parse(bytes).unwrap();
        let h = view.header;
        let samples = self.voice.decode(&mut self.decoder, &bytes[view.payload]);
        if let Some((sequence, end)) = self.last {
            assert_eq!((h.sequence.0, h.timestamp.0), (sequence.wrapping_add(1), end), "{ms} ms: the next number, the next time");
            assert!(!h.marker, "{ms} ms: one talkspurt");
        }
        let ticks = samples.len() as u32 * self.voice.clock() / self.voice.rate();
        self.last = Some((h.sequence.0, h.timestamp.0.wrapping_add(ticks)));
        let length = samples.len() * 1000 / self.voice.rate() as usize;
        if self.lengths.last() != Some(&length) {
            self.lengths.push(length);
        }
        self.ear.extend(samples);
    }
}

fn target(media: &mut Media, channel: ChannelId, n: usize, payloads: Vec<Payload>, ptime_ms: u16, now: std::time::Instant) {
    let to = phone(n);
    let target = Target { ip: to.ip(), port: to.port(), payloads, ptime_ms: Some(ptime_ms), direction: None, rtcp_mux: false };
    assert_eq!(media.command(Command::Target { channel, target }, now), Ok(Reply::Done));
}

#[test]
fn each_far_end_hears_packets_of_the_length_that_it_wants() {
    let pairs =
        [[Voice::Ulaw, Voice::Alaw], [Voice::Ulaw, Voice::Ulaw], [Voice::Alaw, Voice::Linear8k], [Voice::Linear16k, Voice::Linear16k]];
    let twenty: fn(u64) -> u64 = |_| 20;
    let says: [fn(u64) -> u64; 4] = [|_| 60, |_| 30, |_| 10, |_| 40];
    for voices in pairs {
        for (ptime, says) in [60, 30, 10, 40].into_iter().zip(says).filter(|(ptime, _)| voices[0] != Voice::Linear16k || *ptime <= 40) {
            let mut call = Call::new(voices, [20, ptime]);
            call.run(3000, [twenty, says]);
            assert_eq!(call.lengths(), [vec![20], vec![usize::from(ptime)]], "{voices:?}");
            call.is_whole(200, &format!("{voices:?} {ptime}"));
        }
    }
}

#[test]
fn what_remembers_is_cut_anew_too() {
    for [one, other] in [[Voice::G722, Voice::G722], [Voice::G722, Voice::Ulaw], [Voice::Alaw, Voice::G722]] {
        let mut call = Call::new([one, other], [20, 60]);
        call.run(3000, [|_| 20, |_| 60]);
        assert_eq!(call.lengths(), [vec![20], vec![60]], "{one:?} {other:?}");
        for party in &call.parties {
            let rate = party.voice.rate() as usize;
            let (level, rest) = amplitude(&party.ear[rate / 2..rate * 5 / 2], HZ, party.voice.rate());
            assert!((level / LEVEL - 1.0).abs() < 0.1 && rest < LEVEL / 30.0, "{one:?} {other:?}: {level} and {rest}");
        }
    }
}

#[test]
fn a_new_length_in_mid_call_makes_no_seam_either_way() {
    for voices in [[Voice::Ulaw, Voice::Linear8k], [Voice::Alaw, Voice::Alaw]] {
        let mut call = Call::new(voices, [20, 20]);
        let twenty: fn(u64) -> u64 = |_| 20;
        call.run(1000, [twenty, twenty]);
        let by_packets = call.media.transcodes();
        assert_eq!((call.lengths(), by_packets), ([vec![20], vec![20]], if voices[0] == voices[1] { 0 } else { 2 }));
        call.wants(1, 60);
        call.run(1500, [twenty, twenty]);
        assert_eq!((call.lengths(), call.media.transcodes()), ([vec![20], vec![60]], 2));
        call.wants(1, 20);
        call.run(1500, [twenty, twenty]);
        let [one, other] = call.lengths();
        // What waited goes at once, in a last packet as long as it is.
        assert!(one.len() <= 3 && one.last() == Some(&20) && other.last() == Some(&20), "{one:?} {other:?}");
        assert_eq!(call.media.transcodes(), by_packets, "packets go as they come again");
        call.is_whole(200, &format!("{voices:?}"));
    }
}

#[test]
fn what_a_far_end_sends_is_no_reason_to_change() {
    // It asked for 60 ms, and sends what it likes.
    let mut call = Call::new([Voice::Ulaw, Voice::Alaw], [20, 60]);
    call.run(3000, [|_| 20, |said| if said % 500 < 250 { 10 } else { 30 }]);
    assert_eq!((call.lengths(), call.media.transcodes()), ([vec![20], vec![60]], 2));
    // The buffer learns within the first 30 ms packets how late they are.
    call.is_whole(600, "packets of 10 and 30 ms");
    // Both asked for 20 ms: what comes passes as it comes.
    let mut call = Call::new([Voice::Alaw, Voice::Alaw], [20, 20]);
    call.run(1200, [|_| 20, |_| 40]);
    assert_eq!((call.lengths(), call.media.transcodes()), ([vec![40], vec![20]], 0));
}

#[test]
fn what_only_passes_is_left_in_its_packets() {
    let opus = common::payload(111, Some(("opus", 48_000)));
    let mut media = media(2, Clock::new().now());
    let now = Clock::new().now();
    let [(a, one), (_, other)] = [0, 1].map(|n| call(&mut media, n, &[opus.clone(), common::payload(0, None)], now));
    target(&mut media, one, 0, vec![opus.clone(), common::payload(0, None)], 60, now);
    mix(&mut media, one, other, now);
    let mut heard = 0;
    for n in 0..10 {
        let packet = common::packet(111, 1, n, 48_000, &[n as u8; 90]);
        slot(&mut media, now + SLOT * n, [(a, phone(0), packet)], |_, _, bytes| heard += usize::from(bytes[12..] == [n as u8; 90]));
    }
    assert_eq!((heard, media.transcodes()), (10, 0));
}
