//! What each path adds between the arrival of a packet and the departure of its sound, in slots of a millisecond, without jitter:
//! a bridge nothing, a clocked path less than 60, whatever the phases of the phones.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use common::{SLOT, call, media, mix, packet, payload, phone, slot};
use rtp::api::{Command, EventAction, Payload, RecordEnd};
use rtp::clock::{Next, Rate, Record, Tick};
use rtp::media::Port;
use rtp::packet::RtpView;

#[derive(Debug)]
struct Nothing(Arc<str>);

impl Record for Nothing {
    fn rate(&self) -> Rate {
        Rate::Narrow
    }

    fn tick(&mut self, _: &Tick<'_>) -> Next {
        Next::Goes
    }

    fn file(&self) -> &Arc<str> {
        &self.0
    }

    fn pause(&mut self, _: bool) {}

    fn end(&mut self, _: RecordEnd) {}

    fn event(&mut self) -> Option<EventAction> {
        None
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Path {
    Echo,
    Bridge,
    Conference,
    Recorded,
}

/// Slots from the arrival of the first packet that is not silent to the departure of its first sample, in a packet's time.
fn delay(path: Path, from: &Payload, to: &Payload, phase: u32) -> u32 {
    let mut clock = sim::Clock::new();
    let mut media = media(3, clock.now());
    let (key, one) = call(&mut media, 0, std::slice::from_ref(from), clock.now());
    let others = [1, 2].map(|n| call(&mut media, n, std::slice::from_ref(to), clock.now()));
    match path {
        Path::Echo => assert!(media.command(Command::Echo { channel: one }, clock.now()).is_ok()),
        Path::Bridge | Path::Recorded => mix(&mut media, one, others[0].1, clock.now()),
        Path::Conference => {
            mix(&mut media, one, others[0].1, clock.now());
            mix(&mut media, others[1].1, one, clock.now());
        }
    }
    if path == Path::Recorded {
        media.record(one, Box::new(Nothing("x".into())), clock.now()).unwrap();
    }
    let listener = phone(usize::from(path != Path::Echo));
    let (mut began, mut came) = (None, None);
    for ms in 0..4000u32 {
        let now = clock.advance(SLOT);
        let mut arrived = Vec::new();
        if ms % 20 == phase {
            let n = ms / 20;
            // Mu-law and A-law have their zeros; L16 is a loud square.
            let loud = n >= 150;
            began = began.or(loud.then_some(ms));
            let octets = match from.number {
                0 => vec![if loud { 0x80 } else { 0xff }; 160],
                _ => vec![if loud { 0x40 } else { 0 }; 320],
            };
            arrived.push((key, phone(0), packet(from.number, 7, n, 8000, &octets)));
        }
        slot(&mut media, now, arrived, |port, to_whom, bytes| {
            if port == Port::Rtp && to_whom == listener && came.is_none() {
                let sound = &bytes[RtpView::parse(bytes).unwrap().payload];
                let first_loud = match to.number {
                    0 => sound.iter().position(|o| o & 0x7f < 0x30),
                    8 => sound.iter().position(|o| (o ^ 0x55) & 0x7f > 0x40),
                    _ => sound.as_chunks::<2>().0.iter().position(|s| i16::from_be_bytes(*s).unsigned_abs() > 4000),
                };
                // When it is played by a phone that plays the packet at once.
                came = first_loud.map(|sample| ms + sample as u32 / 8);
            }
        });
        if let (Some(began), Some(came)) = (began, came) {
            return came - began;
        }
    }
    panic!("{path:?}: nothing came");
}

#[test]
fn a_packet_leaves_a_bridge_in_the_slot_in_which_it_came() {
    let linear = payload(96, Some(("L16", 8000)));
    for (path, from, to) in [
        (Path::Echo, payload(0, None), payload(0, None)),
        (Path::Bridge, payload(0, None), payload(0, None)),
        (Path::Bridge, payload(0, None), payload(8, None)),
        (Path::Bridge, payload(0, None), linear.clone()),
        (Path::Bridge, linear, payload(8, None)),
    ] {
        for phase in [0, 7, 19] {
            assert_eq!(delay(path, &from, &to, phase), 0, "{path:?} {} to {}", from.number, to.number);
        }
    }
}

#[test]
fn a_clocked_path_adds_less_than_60_ms_without_jitter() {
    let linear = payload(96, Some(("L16", 8000)));
    for path in [Path::Conference, Path::Recorded] {
        let delays: Vec<_> = (0..20).map(|phase| delay(path, &linear, &linear, phase)).collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        println!("{path:?}: {least} to {most} ms");
        // The buffer keeps 10 ms at least, and a tick waits for a packet up to 20.
        assert!(*most < 40, "{path:?}: {delays:?}");
    }
}
