//! Losses on the clocked path, held sample by sample against the codecs themselves: iLBC's decoder conceals by itself, that of
//! G.722 follows what was made up, and a packet that was only late leaves no trace.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::{Arc, Mutex};

use common::voice::{Voice, amplitude, tone};
use common::{SLOT, call, media, packet, payload, phone, slot};
use dsp::{Batch, Kernels, g722, ilbc, plc};
use rtp::api::{EventAction, Payload, RecordEnd};
use rtp::clock::{Next, Rate, Record, Tick};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testfiles/vectors/");

/// Keeps all that was heard.
#[derive(Debug)]
struct Tape(Arc<Mutex<Vec<i16>>>, Rate, Arc<str>);

impl Record for Tape {
    fn rate(&self) -> Rate {
        self.1
    }

    fn tick(&mut self, tick: &Tick<'_>) -> Next {
        self.0.lock().unwrap().extend_from_slice(tick.heard);
        Next::Goes
    }

    fn file(&self) -> &Arc<str> {
        &self.2
    }

    fn pause(&mut self, _: bool) {}

    fn end(&mut self, _: RecordEnd) {}

    fn event(&mut self) -> Option<EventAction> {
        None
    }
}

/// What a recorded channel hears of packets with the given delays, `None` for one that is lost; without what is before the first.
fn heard(target: Payload, rate: Rate, ptime_ms: u32, packets: &[(&[u8], Option<u32>)]) -> Vec<i16> {
    let mut clock = sim::Clock::new();
    let mut media = media(1, clock.now());
    let number = target.number;
    let (key, id) = call(&mut media, 0, &[target], clock.now());
    let tape = Arc::new(Mutex::new(Vec::new()));
    media.record(id, Box::new(Tape(Arc::clone(&tape), rate, "tape".into())), clock.now()).unwrap();
    let mut flights: Vec<_> = packets
        .iter()
        .enumerate()
        .filter_map(|(n, (octets, delay))| Some((3 + n as u32 * ptime_ms + (*delay)?, n as u32, *octets)))
        .collect();
    flights.sort_by_key(|(at, ..)| *at);
    let mut flights = flights.into_iter().peekable();
    for ms in 0..packets.len() as u32 * ptime_ms + 60 {
        let now = clock.advance(SLOT);
        let mut arrived = Vec::new();
        while let Some((_, n, octets)) = flights.next_if(|(at, ..)| *at <= ms) {
            let mut bytes = packet(number, 7, n, 8000, octets);
            bytes[4..8].copy_from_slice(&(n * 8 * ptime_ms).to_be_bytes());
            arrived.push((key, phone(0), bytes));
        }
        slot(&mut media, now, arrived, |_, _, _| {});
    }
    tape.lock().unwrap().clone()
}

/// Where `wanted` begins in `all`: the place at which the first second of it fits.
fn place(all: &[i16], wanted: &[i16]) -> usize {
    let probe = &wanted[..8000.min(wanted.len())];
    all.windows(probe.len()).position(|w| w == probe).expect("the beginning is heard as it is")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{VECTORS}{name}")).unwrap()
}

#[test]
fn lost_frames_of_ilbc_are_made_up_by_its_decoder_to_the_sample() {
    for (mode, name, fmtp) in [(ilbc::Mode::Ms20, "20", "mode=20"), (ilbc::Mode::Ms30, "30", "mode=30")] {
        let octets = read(&format!("ilbc/speech.{name}.rfc.ilbc"));
        // The first second whole, so that the places can be found; then every seventh lost.
        let lost = |n: usize| n > 60 && n % 7 == 3;
        let frames: Vec<_> = octets.chunks_exact(mode.octets()).take(300).collect();
        let packets: Vec<_> = frames.iter().enumerate().map(|(n, frame)| (*frame, (!lost(n)).then_some(0))).collect();
        let target = Payload { fmtp: Some(fmtp.into()), ..payload(98, Some(("iLBC", 8000))) };
        let all = heard(target, Rate::Narrow, mode.samples() as u32 / 8, &packets);
        let (mut decoder, mut wanted) = (ilbc::Decoder::new(mode), Vec::new());
        for (n, frame) in frames.iter().enumerate() {
            let mut batch = Batch::new(1, 50);
            let ticket = batch.push(&decoder, if lost(n) { &[] } else { frame }).unwrap();
            Kernels::best().ilbc.decode(&mut batch);
            decoder = *batch.state(ticket).unwrap();
            wanted.extend_from_slice(batch.output(ticket));
        }
        let at = place(&all, &wanted);
        let differ = all[at..].iter().zip(&wanted).position(|(a, b)| a != b);
        assert_eq!(differ, None, "mode {name}: from sample {differ:?} on");
    }
}

#[test]
fn a_long_loss_of_ilbc_fades_out_and_comes_back_without_a_click() {
    let octets = read("ilbc/speech.20.rfc.ilbc");
    let frames: Vec<_> = octets.chunks_exact(38).take(200).collect();
    let packets: Vec<_> = frames.iter().enumerate().map(|(n, frame)| (*frame, (!(100..115).contains(&n)).then_some(0))).collect();
    let target = Payload { fmtp: Some("mode=20".into()), ..payload(98, Some(("iLBC", 8000))) };
    let all = heard(target, Rate::Narrow, 20, &packets);
    let level = |from: usize| all[from * 160..][..160].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    assert!((107..112).all(|n| level(n) < 1.0), "silent in the end");
    let steps =
        |from: usize, to: usize| all[from * 160..to * 160].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
    let (before, about) = (steps(20, 100), steps(100, 120));
    assert!(about <= before, "{about} where speech has at most {before}");
}

/// A decoder of G.722 with its concealer, as the clocked path is to have it.
struct Follower {
    decoder: g722::Decoder,
    concealer: plc::Wide,
    scratch: Box<g722::Scratch>,
}

impl Follower {
    fn new() -> Self {
        Self { decoder: g722::Decoder::default(), concealer: plc::Wide::new(), scratch: g722::Scratch::new() }
    }

    fn decode(&mut self, octets: &[u8]) -> Vec<i16> {
        let mut batch = Batch::new(1, octets.len());
        let ticket = batch.push(&self.decoder, octets).unwrap();
        Kernels::best().g722.decode(&mut batch, &mut self.scratch);
        self.decoder = *batch.state(ticket).unwrap();
        batch.output(ticket).to_vec()
    }

    fn receive(&mut self, octets: &[u8]) -> Vec<i16> {
        let mut samples = self.decode(octets);
        self.concealer.received(&mut samples);
        samples
    }

    fn lose(&mut self) -> Vec<i16> {
        let shadow = self.decoder.shadow(self.concealer.heard());
        let mut made = [0; 320];
        self.concealer.lost(&mut made);
        let mut batch = Batch::new(1, 320);
        let ticket = batch.push(&shadow, &made).unwrap();
        Kernels::best().g722.encode(&mut batch, &mut self.scratch);
        let octets = batch.output(ticket).to_vec();
        self.decode(&octets);
        made.to_vec()
    }
}

#[test]
fn the_decoder_of_g722_follows_what_is_made_up_for_a_loss_to_the_sample() {
    let octets = read("g722/wb_speech.g722");
    let lost = |n: usize| n > 60 && (n % 11 == 3 || n % 23 == 4 || n % 23 == 5);
    let frames: Vec<_> = octets.chunks_exact(160).take(400).collect();
    let packets: Vec<_> = frames.iter().enumerate().map(|(n, frame)| (*frame, (!lost(n)).then_some(0))).collect();
    let all = heard(payload(9, None), Rate::Wide, 20, &packets);
    let mut follower = Follower::new();
    let wanted: Vec<_> = frames.iter().enumerate().flat_map(|(n, f)| if lost(n) { follower.lose() } else { follower.receive(f) }).collect();
    let at = place(&all, &wanted);
    let differ = all[at..].iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!(differ, None, "from sample {differ:?} on");
}

#[test]
fn a_loss_that_ends_within_a_tick_is_followed_to_its_end() {
    let octets = read("g722/wb_speech.g722");
    let lost = |n: usize| n > 60 && (n % 11 == 3 || n % 23 == 4 || n % 23 == 5);
    let frames: Vec<_> = octets.chunks_exact(160).take(150).collect();
    let mut follower = Follower::new();
    let wanted: Vec<_> = frames.iter().enumerate().flat_map(|(n, f)| if lost(n) { follower.lose() } else { follower.receive(f) }).collect();
    let mut beginnings = Vec::new();
    for phase_ms in (0..20).step_by(3) {
        let packets: Vec<_> = frames.iter().enumerate().map(|(n, frame)| (*frame, (!lost(n)).then_some(phase_ms))).collect();
        let all = heard(payload(9, None), Rate::Wide, 20, &packets);
        // After the first second the delay has settled.
        let at = all.windows(1000).position(|w| w == &wanted[16_000..17_000]).expect("heard as it is");
        let differ = all[at..].iter().zip(&wanted[16_000..]).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{phase_ms} ms: from sample {differ:?} of it on");
        beginnings.push(at % 320);
    }
    assert!(beginnings.iter().filter(|at| **at != 0).count() > 1, "packets begin within ticks: {beginnings:?}");
}

#[test]
fn a_packet_of_g722_that_was_only_late_leaves_the_decoder_as_it_was() {
    let octets = read("g722/wb_speech.g722");
    let frames: Vec<_> = octets.chunks_exact(160).take(300).collect();
    // One is 35 ms late, and so are all after it: the delay grows, and nothing is lost.
    let packets: Vec<_> = frames.iter().enumerate().map(|(n, frame)| (*frame, Some(if n < 100 { 0 } else { 35 }))).collect();
    let all = heard(payload(9, None), Rate::Wide, 20, &packets);
    let mut follower = Follower::new();
    let clean: Vec<_> = frames.iter().flat_map(|frame| follower.decode(frame)).collect();
    let at = place(&all, &clean);
    // From 200 ms after it on all is as if nothing had been: later by whole ticks, and the same to the sample.
    let part = &clean[112 * 320..150 * 320];
    let shift = (0..6).find(|ticks| all[at + (112 + ticks) * 320..].starts_with(part));
    assert!(shift.is_some_and(|ticks| ticks > 0), "{shift:?}");
}

/// Signal to noise of the 200 ms about single lost packets of a tone.
///
/// All packets come `phase_ms` later, so that ticks fall elsewhere in them.
fn tone_about_a_loss(voice: Voice, phase_ms: u32) -> Vec<f64> {
    let (hz, rate) = (400.0, voice.rate());
    let frame = rate / 50;
    let mut encoder = g722::Encoder::default();
    let octets: Vec<_> = (0..180).map(|n| voice.encode(&mut encoder, &tone(hz, rate, n * frame, frame))).collect();
    let lost = (100..140).step_by(7);
    lost.map(|lost| {
        let packets: Vec<_> = octets.iter().enumerate().map(|(n, o)| (&o[..], (n != lost).then_some(phase_ms))).collect();
        let heard = heard(voice.payload(), Rate::Narrow, 20, &packets);
        let windows = (lost * 160 - 400..lost * 160 + 1200).step_by(80);
        let snr = windows.map(|at| {
            let (level, rest) = amplitude(&heard[at..at + 1600], hz, 8000);
            20.0 * (level / std::f64::consts::SQRT_2 / rest.max(1e-3)).log10()
        });
        snr.fold(f64::INFINITY, f64::min)
    })
    .collect()
}

#[test]
fn a_lost_packet_leaves_most_of_a_tone() {
    // On which the limits of the simulation rest.
    for (voice, least) in [(Voice::Ulaw, 27.0), (Voice::G722, 21.0)] {
        for phase_ms in [0, 2, 5, 9, 13, 18] {
            let worst = tone_about_a_loss(voice, phase_ms).into_iter().fold(f64::INFINITY, f64::min);
            assert!(worst > least, "{voice:?}, {phase_ms} ms: {worst:.1} dB");
        }
    }
}

#[test]
fn what_is_left_out_to_catch_up_is_heard_by_the_decoder() {
    // Some packets come late, and the delay grows; then none does, and it shrinks in steps of 10 ms: four periods of the tone.
    for voice in [Voice::Ulaw, Voice::G722] {
        let (hz, rate) = (400.0, voice.rate());
        let frame = rate / 50;
        let mut encoder = g722::Encoder::default();
        let octets: Vec<_> = (0..1000).map(|n| voice.encode(&mut encoder, &tone(hz, rate, n * frame, frame))).collect();
        let late = |n: usize| n < 100 && n % 5 == 4;
        let packets: Vec<_> = octets.iter().enumerate().map(|(n, o)| (&o[..], Some(if late(n) { 60 } else { 0 }))).collect();
        let heard = heard(voice.payload(), Rate::Narrow, 20, &packets);
        let left_out = packets.len() * 160 + 20 * 160 - heard.iter().rposition(|sample| sample.abs() > 4000).unwrap();
        assert!(left_out > 0, "{voice:?}");
        let peak = heard[40_000..].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(peak < 8200, "{voice:?}: a tone of 8000 is heard at {peak}");
    }
}
