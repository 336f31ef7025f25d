//! A pair that becomes a conference, and a pair again, in the middle of a tone: each sample is heard once and in its place.
//!
//! Heard:  packets are put where their timestamps say. What codecs keep exactly is compared sample by sample; the rest is held
//!         against one sine of one phase over the whole call, so that a sample lost, doubled or moved shows.
//! Third:  joins silently, so that what is heard is the other of the pair alone.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod common;

use common::voice::{LEVEL, Voice, tone};
use common::{SLOT, call, media, mix, packet, phone, slot};
use dsp::g722::{Decoder, Encoder};
use rtp::api::{ChannelId, Command, EventAction, PlayReason};
use rtp::clock::{Next, Play, Rate};
use rtp::media::{ChannelKey, Media, Port};
use rtp::packet::RtpView;
use sim::{Clock, SimRng};

const HZ: f64 = 440.0;

struct Party {
    key: ChannelKey,
    id: ChannelId,
    voice: Voice,
    encoder: Encoder,
    decoder: Decoder,
    said: u32,
    /// Of 20 ms, when its packets are due.
    phase: u64,
    /// What it said, and what it heard.
    mouth: Vec<i16>,
    ear: Vec<i16>,
    last: Option<(u16, u32)>,
    shortest: usize,
    longest_ms: u64,
    heard_ms: u64,
}

struct Call {
    /// What they say, if it is no speech.
    hz: f64,
    /// Said from these places on, over and over.
    speech: Option<(Vec<i16>, [usize; 2])>,
    /// Behind it: samples of a room, up to this level.
    noise: Option<(SimRng, i16)>,
    media: Media,
    clock: Clock,
    ms: u64,
    parties: Vec<Party>,
}

impl Call {
    fn new(voices: &[(Voice, u64)], hz: f64) -> Self {
        let clock = Clock::new();
        let mut media = media(voices.len(), clock.now());
        let party = |(n, &(voice, phase)): (usize, &(Voice, u64))| {
            let (key, id) = call(&mut media, n, &[voice.payload()], clock.now());
            Party {
                key,
                id,
                voice,
                encoder: Encoder::default(),
                decoder: Decoder::default(),
                said: 0,
                phase,
                mouth: Vec::new(),
                ear: Vec::new(),
                last: None,
                shortest: usize::MAX,
                longest_ms: 0,
                heard_ms: 0,
            }
        };
        let parties = voices.iter().enumerate().map(party).collect();
        Self { hz, speech: None, noise: None, media, clock, ms: 0, parties }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            let now = self.clock.advance(SLOT);
            self.ms += 1;
            let mut arrived = Vec::new();
            // The third says nothing.
            for (n, party) in self.parties.iter_mut().enumerate().take(2) {
                if self.ms % 20 == party.phase {
                    let frame = party.voice.rate() / 50;
                    let mut samples: Vec<i16> = match &self.speech {
                        Some((speech, from)) => {
                            let at = from[n] + (party.said * frame) as usize;
                            (at..at + frame as usize).map(|at| speech[at % speech.len()]).collect()
                        }
                        None => tone(self.hz, party.voice.rate(), party.said * frame, frame),
                    };
                    if let Some((rng, level)) = &mut self.noise {
                        samples.iter_mut().for_each(|s| *s = s.saturating_add(rng.below(2 * *level as u64) as i16 - *level));
                    }
                    let octets = party.voice.encode(&mut party.encoder, &samples);
                    party.mouth.extend(samples);
                    arrived.push((
                        party.key,
                        phone(n),
                        packet(party.voice.payload().number, n as u32, party.said, party.voice.clock(), &octets),
                    ));
                    party.said += 1;
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

    fn transcodes(&self) -> u64 {
        self.media.transcodes()
    }
}

impl Party {
    fn hear(&mut self, bytes: &[u8], ms: u64) {
        let view = RtpView::parse(bytes).unwrap();
        let h = view.header;
        let samples = self.voice.decode(&mut self.decoder, &bytes[view.payload]);
        if let Some((sequence, end)) = self.last {
            assert_eq!((h.sequence.0, h.timestamp.0), (sequence.wrapping_add(1), end), "{ms} ms: the next number, the next time");
            assert!(!h.marker, "{ms} ms: one talkspurt");
            self.longest_ms = self.longest_ms.max(ms - self.heard_ms);
            self.shortest = self.shortest.min(samples.len());
        }
        self.heard_ms = ms;
        let ticks = samples.len() as u32 * self.voice.clock() / self.voice.rate();
        self.last = Some((h.sequence.0, h.timestamp.0.wrapping_add(ticks)));
        self.ear.extend(samples);
    }

    /// Signal to noise of the worst 10 ms, against one sine that fits the whole.
    fn worst_db(&self, hz: f64) -> (f64, usize) {
        let skip = self.voice.rate() as usize / 5;
        self.parts_db(hz, 10).into_iter().filter(|(_, at)| *at >= skip).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    }

    /// Signal to noise of parts of so many ms, and where they begin.
    fn parts_db(&self, hz: f64, ms: usize) -> Vec<(f64, usize)> {
        let rate = f64::from(self.voice.rate());
        let turn = |k: usize| std::f64::consts::TAU * hz * k as f64 / rate;
        let skip = self.voice.rate() as usize / 5;
        let (mut re, mut im) = (0.0, 0.0);
        let count = (self.ear.len() - skip) as f64;
        for (k, s) in self.ear.iter().enumerate().skip(skip) {
            re += 2.0 * f64::from(*s) * turn(k).cos() / count;
            im += 2.0 * f64::from(*s) * turn(k).sin() / count;
        }
        let part = self.voice.rate() as usize * ms / 1000;
        let noise = |at: usize| {
            let power = (at..at + part).map(|k| (f64::from(self.ear[k]) - re * turn(k).cos() - im * turn(k).sin()).powi(2)).sum::<f64>();
            (10.0 * (LEVEL * LEVEL / 2.0 / (power / part as f64 + 1e-9)).log10(), at)
        };
        (0..self.ear.len() - part).step_by(part).map(noise).collect()
    }
}

/// The pair talks, a third joins and leaves; the tone has gone on for both. Their packets come at these times of 20 ms.
fn through_a_conference(hz: f64, voices: [Voice; 3], phases: [u64; 2], joins_ms: u64) -> Call {
    let [a, b, c] = voices;
    conference(Call::new(&[(a, phases[0]), (b, phases[1]), (c, 0)], hz), joins_ms)
}

fn conference(mut call: Call, joins_ms: u64) -> Call {
    let ids: Vec<_> = call.parties.iter().map(|p| p.id).collect();
    mix(&mut call.media, ids[0], ids[1], call.clock.now());
    call.run(joins_ms);
    let before = call.transcodes();
    mix(&mut call.media, ids[2], ids[0], call.clock.now());
    // Longer than the buffer takes to see that nothing comes late.
    call.run(2600);
    assert_eq!(call.transcodes(), 3);
    call.media.command(Command::Unmix { channel: ids[2] }, call.clock.now()).unwrap();
    call.run(500);
    if call.speech.is_none() {
        // A tone has no pause in which G.722 could be left to the far ends again.
        let renewed = if call.parties[..2].iter().all(|party| party.voice == Voice::G722) { 2 } else { 0 };
        assert_eq!(call.transcodes(), before + renewed, "packets go as they come again");
    }
    call
}

#[test]
fn what_codecs_keep_is_heard_sample_by_sample_through_a_conference() {
    // The third may be of another rate: what the two hear of each other does not cross to it.
    let all = [
        [Voice::Ulaw; 3],
        [Voice::Ulaw, Voice::Linear8k, Voice::Alaw],
        [Voice::Linear16k; 3],
        [Voice::Ulaw, Voice::Linear8k, Voice::Linear16k],
        [Voice::Alaw, Voice::Alaw, Voice::G722],
        [Voice::Linear16k, Voice::Linear16k, Voice::Ulaw],
    ];
    for (n, voices) in all.into_iter().enumerate() {
        for k in 0..4u64 {
            let phases = [k * 7 % 20, (k * 11 + 3) % 20];
            let call = through_a_conference(HZ, voices, phases, 500 + 13 * k + n as u64);
            let kernels = dsp::Kernels::best();
            for [listener, speaker] in [[0, 1], [1, 0]] {
                let (ear, mouth) = (&call.parties[listener], &call.parties[speaker]);
                let mut said = mouth.mouth.clone();
                let mut octets = vec![0; said.len()];
                if voices[..2].contains(&Voice::Ulaw) {
                    kernels.g711.ulaw_encode(&said.clone(), &mut octets);
                    kernels.g711.ulaw_decode(&octets, &mut said);
                } else if voices[..2].contains(&Voice::Alaw) {
                    kernels.g711.alaw_encode(&said.clone(), &mut octets);
                    kernels.g711.alaw_decode(&octets, &mut said);
                }
                // What was said before both were there was heard by nobody.
                let from = said.len() - ear.ear.len();
                let first = ear.ear.iter().zip(&said[from..]).position(|(heard, said)| heard != said);
                assert_eq!(first, None, "{voices:?} {phases:?}: {listener} hears {} samples", ear.ear.len());
                assert!(from <= said.len() / 100 && ear.longest_ms <= 60, "{from}; {} ms without a packet", ear.longest_ms);
            }
        }
    }
}

#[test]
fn other_codecs_go_through_a_conference_with_the_phase_of_the_tone() {
    let all = [
        [Voice::Ulaw, Voice::G722, Voice::Ulaw],
        [Voice::G722, Voice::Linear8k, Voice::G722],
        [Voice::Linear16k, Voice::Alaw, Voice::Ulaw],
        [Voice::Linear16k, Voice::G722, Voice::Ulaw],
    ];
    for voices in all {
        for phases in [[3, 17], [12, 2], [19, 8]] {
            let call = through_a_conference(HZ, voices, phases, 500 + phases[0]);
            for party in &call.parties[..2] {
                let (db, at) = party.worst_db(HZ);
                assert!(db > 35.0, "{voices:?} {phases:?}: {:?} hears {db:.1} dB at sample {at} of {}", party.voice, party.ear.len());
            }
        }
    }
}

#[test]
fn a_relayed_pair_of_g722_becomes_a_conference_without_noise() {
    // A tone with a period of 22 samples, by which G.722 is later where it is encoded once more.
    let hz = 16_000.0 / 22.0;
    for third in [Voice::Ulaw, Voice::G722] {
        for phases in [[3, 17], [12, 2]] {
            let mut call = through_a_conference(hz, [Voice::G722, Voice::G722, third], phases, 500 + phases[0]);
            for party in &mut call.parties[..2] {
                // The way back is the far end's: its decoder follows the speaker's encoder again within some ms.
                party.ear.truncate(2800 * 16);
                let (db, at) = party.worst_db(hz);
                assert!(db > 15.0, "{third:?} {phases:?}: {db:.1} dB at sample {at} of {}", party.ear.len());
            }
        }
    }
}

#[test]
fn a_conference_of_g722_becomes_a_pair_that_is_relayed_after_a_pause_and_no_sooner() {
    // A relay in the middle of the tone would be heard as up to 22 ms of noise, two and a half times as loud as the tone.
    let hz = 16_000.0 / 22.0;
    for (n, phases) in [[3, 17], [12, 2], [19, 8]].into_iter().enumerate() {
        let mut call = through_a_conference(hz, [Voice::G722, Voice::G722, Voice::Ulaw], phases, 500 + 13 * n as u64);
        call.run(1000);
        assert_eq!(call.transcodes(), 2, "{phases:?}: the tone goes on");

        for party in &call.parties[..2] {
            let from = party.ear.len() - 1800 * 16;
            let worst = party.parts_db(hz, 2).into_iter().filter(|(_, at)| *at > from).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            let peak = peak(&party.ear[from..]);
            println!("{phases:?}: {worst:?} dB, peak {peak}");
            assert!(worst.0 > 15.0 && f64::from(peak) < LEVEL * 1.3, "{phases:?}: {worst:?} dB, peak {peak}");
        }
        call.hz = 0.0;
        call.run(200);
        assert_eq!(call.transcodes(), 0, "{phases:?}: packets go as they come again");
        call.hz = hz;
        call.run(500);
        assert_eq!(call.transcodes(), 0);
        for party in &call.parties[..2] {
            let peak = peak(&party.ear[party.ear.len() - 700 * 16..]);
            assert!(f64::from(peak) < LEVEL * 1.3, "{phases:?}: peak {peak}");
        }
    }
}

#[test]
fn speech_through_a_conference_of_g722_is_relayed_again_without_a_click() {
    let octets = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testfiles/vectors/g722/wb_speech.s16")).unwrap();
    let speech: Vec<i16> = octets.chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    // In a silent room and in a loud one, whose noise never is below -37 dBov for long.
    for (seed, phases, noise) in [[3, 17], [12, 2], [19, 8], [7, 6], [1, 15], [10, 11]]
        .into_iter()
        .enumerate()
        .flat_map(|(seed, phases)| [0, 450].map(|noise| (seed, phases, noise)))
    {
        let mut call = Call::new(&[(Voice::G722, phases[0]), (Voice::G722, phases[1]), (Voice::Ulaw, 0)], HZ);
        call.speech = Some((speech.clone(), [seed * 37_123, seed * 51_377 + 100_000]));
        call.noise = (noise > 0).then(|| (SimRng::new(seed as u64), noise));
        let mut call = conference(call, 300 + 7 * seed as u64);
        let mut after_ms = 500;
        while call.transcodes() > 0 && after_ms < 10_000 {
            call.run(20);
            after_ms += 20;
        }
        assert_eq!(call.transcodes(), 0, "{phases:?}: there are pauses");
        call.run(300);
        for party in 0..2 {
            let (ear, mouth) = (&call.parties[party].ear, &call.parties[1 - party].mouth);
            // What was said before both were there was heard by nobody; what is heard is late by the filters, once or twice.
            let first = mouth.len() - ear.len();
            let from = ear.len() - (after_ms + 300) * 16;
            let parts = (from..ear.len() - 32).step_by(32);
            let excess = parts.map(|at| {
                let said = f64::from(peak(&mouth[first + at - 100..first + at + 32]));
                (f64::from(peak(&ear[at..at + 32])) - 1.3 * said, at - from)
            });
            let worst = excess.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            println!("{phases:?}, noise {noise}: relayed {after_ms} ms after it, {worst:?} above");
            assert!(worst.0 < 200.0, "{phases:?}: {worst:?} above what was said, of {} samples", ear.len() - from);
        }
    }
}

/// A prompt: a tone.
#[derive(Debug)]
struct Prompt {
    hz: f64,
    said: u32,
}

impl Play for Prompt {
    fn rate(&self) -> Rate {
        Rate::Wide
    }

    fn fill(&mut self, frame: &mut [i16]) -> Next {
        frame.copy_from_slice(&tone(self.hz, 16_000, self.said, frame.len() as u32));
        self.said += frame.len() as u32;
        Next::Goes
    }

    fn digit(&mut self, _: dsp::dtmf::Digit) -> Next {
        Next::Goes
    }

    fn end(&mut self, _: PlayReason) {}

    fn number(&self) -> u64 {
        1
    }

    fn event(&mut self) -> Option<EventAction> {
        None
    }
}

#[test]
fn who_is_paired_in_the_middle_of_a_prompt_and_of_speech_hears_no_click() {
    for (n, after_ms) in [0, 0, 0, 40, 300].into_iter().enumerate() {
        let hz = 16_000.0 / 22.0;
        let mut call = Call::new(&[(Voice::G722, 3), (Voice::G722, 14)], hz);
        let prompt = Box::new(Prompt { hz: 1100.0, said: 0 });
        let [listener, speaker] = [call.parties[0].id, call.parties[1].id];
        call.media.play(listener, prompt, call.clock.now()).unwrap();
        call.run(600 + 17 * n as u64);
        call.media.stop_play(listener, call.clock.now()).unwrap();
        call.run(after_ms);
        // It is another talkspurt.
        call.parties[0].last = None;
        mix(&mut call.media, listener, speaker, call.clock.now());
        let before = call.parties[0].ear.len();
        call.run(500);
        // A relay at once would be heard as up to 1.7 times the tone; what comes begins a third too high, with any decoder.
        let heard = peak(&call.parties[0].ear[before..]);
        println!("{after_ms} ms after the prompt: peak {heard}");
        assert!(f64::from(heard) < LEVEL * 1.4, "{after_ms} ms after the prompt: peak {heard}");
        assert_eq!(call.transcodes(), 1, "the tone has no pause");
        call.hz = 0.0;
        call.run(200);
        assert_eq!(call.transcodes(), 0, "relayed since the pause");
    }
}

fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap()
}
