//! Digits for far ends without telephone-event: tones in the sound of every codec, found again by our own detector.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
#[path = "mixed/sound.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod sound;

use common::{SLOT, call, media, mix, packet, payload, phone, slot};
use dsp::Kernels;
use dsp::dtmf::{Detector, Event};
use dsp::resample::Downsampler;
use rtp::api::{Command, Dtmf, event_of_digit};
use rtp::media::{Media, Port};
use rtp::packet::RtpView;
use rtp::telephone_event::EventPayload;
use sound::Voice;

/// Digits in some samples, with their durations in ms.
fn digits(samples: &[i16], rate: u32) -> (String, Vec<u32>) {
    let kernels = Kernels::best();
    let mut narrow = vec![0; samples.len() * 8000 / rate as usize];
    if rate == 8000 {
        narrow.copy_from_slice(samples);
    } else {
        kernels.resample.down(&mut Downsampler::default(), samples, &mut narrow);
    }
    let (mut detector, mut found, mut durations) = (Detector::new(), String::new(), Vec::new());
    kernels.dtmf.listen(&mut detector, &narrow, |event| {
        if let Event::End { digit, samples } = event {
            found.push(digit.char());
            durations.push(samples / 8);
        }
    });
    (found, durations)
}

/// What a phone hears, with the stream checked: numbers one by one, no time gone back.
struct Ear {
    voice: Voice,
    last: Option<(u16, u32)>,
    payloads: Vec<Vec<u8>>,
}

impl Ear {
    fn hear(&mut self, bytes: &[u8]) {
        let view = RtpView::parse(bytes).unwrap();
        let (sequence, timestamp) = (view.header.sequence.0, view.header.timestamp.0);
        assert_eq!(view.header.payload_type.number(), self.voice.payload().number);
        if let Some((last, before)) = self.last {
            let passed = timestamp.wrapping_sub(before);
            // The first packet whose samples do not fill frames of 30 ms is lost for that, and shows as such.
            let holes = u16::from(self.voice == Voice::Ilbc30);
            let step = sequence.wrapping_sub(last);
            assert!(
                (1..=1 + holes).contains(&step) && (1..self.voice.clock()).contains(&passed),
                "{sequence} after {last}, {passed} ticks"
            );
        }
        self.last = Some((sequence, timestamp));
        self.payloads.push(bytes[view.payload].to_vec());
    }

    fn digits(&self) -> (String, Vec<u32>) {
        let mut samples = self.voice.decode(self.payloads.iter().map(Vec::as_slice));
        // Quiet after the last of them.
        samples.resize(samples.len() + 1600, 0);
        digits(&samples, self.voice.rate())
    }
}

fn run(
    media: &mut Media,
    clock: &mut sim::Clock,
    ms: u32,
    ear: &mut Ear,
    mut say: impl FnMut(u32) -> Vec<(rtp::media::ChannelKey, Vec<u8>)>,
) {
    for at in 0..ms {
        let now = clock.advance(SLOT);
        let arrived: Vec<_> = say(at).into_iter().map(|(key, bytes)| (key, phone(key.slot as usize), bytes)).collect();
        slot(media, now, arrived, |port, to, bytes| {
            if port == Port::Rtp && to == phone(1) {
                ear.hear(bytes);
            }
        });
    }
}

#[test]
fn digits_pressed_as_events_are_heard_as_tones_by_a_phone_that_takes_no_events() {
    for voice in Voice::ALL {
        let mut clock = sim::Clock::new();
        let mut media = media(2, clock.now());
        let one = call(&mut media, 0, &[payload(0, None), payload(101, None)], clock.now());
        let other = call(&mut media, 1, &[voice.payload()], clock.now());
        mix(&mut media, one.1, other.1, clock.now());
        let mut ear = Ear { voice, last: None, payloads: Vec::new() };
        let pressed = "159D*0#";
        let mut n = 0;
        run(&mut media, &mut clock, 300 * 7 + 500, &mut ear, |at| {
            if !at.is_multiple_of(20) {
                return Vec::new();
            }
            // Each digit is held for 100 ms, three ends included in 140, and silence up to 300.
            let (digit, within) = (at as usize / 300, at % 300 / 20);
            n += 1;
            let mut bytes = packet(0, 7, n, 8000, &[0xff; 160]);
            if let Some(digit) = pressed.chars().nth(digit)
                && within < 7
            {
                let event = event_of_digit(digit).unwrap();
                let payload = EventPayload { event, end: within >= 4, volume: 10, duration: 160 * (within as u16 + 1).min(5) };
                bytes = packet(101, 7, n, 8000, &payload.to_bytes());
                bytes[4..8].copy_from_slice(&((n - within) * 160).to_be_bytes());
            }
            vec![(one.0, bytes)]
        });
        let (found, durations) = ear.digits();
        assert_eq!(found, pressed, "{voice:?}");
        assert!(durations.iter().all(|ms| (75..=140).contains(ms)), "{voice:?}: {durations:?}");
    }
}

#[test]
fn digits_of_a_command_are_tones_where_no_events_are_taken() {
    for voice in Voice::ALL {
        let mut clock = sim::Clock::new();
        let mut media = media(2, clock.now());
        call(&mut media, 0, &[payload(0, None)], clock.now());
        let (_, id) = call(&mut media, 1, &[voice.payload()], clock.now());
        let mut ear = Ear { voice, last: None, payloads: Vec::new() };
        let events = "0123456789*#ABCD".chars().map(|digit| event_of_digit(digit).unwrap()).collect();
        let dtmf = Dtmf { digits: events, duration_ms: 90, gap_ms: 90, inband: None };
        media.command(Command::Dtmf { channel: id, dtmf }, clock.now()).unwrap();
        run(&mut media, &mut clock, 180 * 16 + 300, &mut ear, |_| Vec::new());
        // Nothing goes out in the gaps, so what is decoded has the tones closer together than they were sent.
        assert_eq!(ear.digits().0, "0123456789*#ABCD", "{voice:?}");
    }
}
