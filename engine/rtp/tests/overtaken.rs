//! Bridges whose packets overtake each other: what codecs remember is as if nothing had been, as far as a short wait can help, and
//! nothing waits where nothing is missing, or nothing is ever overtaken.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]
#![allow(dead_code, reason = "the sounds are those of the mixed simulation")]

mod common;
#[path = "mixed/sound.rs"]
mod sound;

use common::{SLOT, call, media, mix, phone, slot};
use rtp::media::Port;
use rtp::packet::{RtpHeader, RtpView};
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use sim::{Clock, SimRng};
use sound::{Tone, Voice};

const TONE: Tone = Tone { hz: 440, level: 8000 };

/// What came out of a bridge.
struct Heard {
    /// Payloads by the order of their numbers; none where one is missing.
    packets: Vec<Option<Vec<u8>>>,
    /// Slots that each packet spent here, in the order of their numbers.
    spent: Vec<Option<u32>>,
}

/// Whether packets of the speaker overtook each other before the bridge, or what happens in it is the first that is seen of that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Overtaken,
    InOrder,
}

/// Ten seconds of a tone through a bridge; packet `n` is under way for so many ms, or lost.
fn bridge(from: Voice, into: Voice, before: Before, late: impl Fn(usize) -> Option<u32>) -> Heard {
    bridge_for(10, from, into, before, late)
}

/// As [`bridge`], for so many seconds.
fn bridge_for(seconds: u32, from: Voice, into: Voice, before: Before, late: impl Fn(usize) -> Option<u32>) -> Heard {
    let mut clock = Clock::new();
    let mut media = media(2, clock.now());
    let (key, one) = call(&mut media, 0, &[from.payload()], clock.now());
    let (_, other) = call(&mut media, 1, &[into.payload()], clock.now());
    let packets = from.encode(&TONE.samples(from.rate(), from.rate() * seconds));
    let ptime = from.ptime_ms();
    let packet = |n: i32, payload: &[u8]| {
        let header = RtpHeader {
            marker: n == 0,
            payload_type: PayloadType::new(from.payload().number).unwrap(),
            sequence: SequenceNumber((n as u16).wrapping_add(65_400)),
            timestamp: RtpTimestamp((n * ptime as i32 * from.clock() as i32 / 1000) as u32),
            ssrc: Ssrc(7),
        };
        (key, phone(0), [&header.to_bytes()[..], payload].concat())
    };
    // Before anybody hears it.
    let early = if before == Before::Overtaken { [-3, -1, -2] } else { [-3, -2, -1] };
    slot(&mut media, clock.now(), early.map(|n| packet(n, &packets[0])), |_, _, _| {});
    mix(&mut media, one, other, clock.now());
    let mut flights: Vec<_> = (0..packets.len()).filter_map(|n| Some((n as u32 * ptime + late(n)?, n))).collect();
    flights.sort_unstable();
    let mut heard = Heard { packets: vec![None; packets.len()], spent: vec![None; packets.len()] };
    let (mut flights, mut first) = (flights.into_iter().peekable(), None);
    for ms in 0..packets.len() as u32 * ptime + 500 {
        let now = clock.advance(SLOT);
        let mut arrived = Vec::new();
        while let Some((at, n)) = flights.next_if(|(at, _)| *at <= ms) {
            heard.spent[n] = Some(at);
            arrived.push(packet(n as i32, &packets[n]));
        }
        slot(&mut media, now, arrived, |port, to, bytes| {
            if port == Port::Rtp {
                assert_eq!(to, phone(1));
                let view = RtpView::parse(bytes).unwrap();
                let n = usize::from(view.header.sequence.0.wrapping_sub(*first.get_or_insert(view.header.sequence.0)));
                assert!(heard.packets[n].replace(bytes[view.payload].to_vec()).is_none(), "{n} once");
                heard.spent[n] = heard.spent[n].map(|came| ms - came);
            }
        });
    }
    heard
}

/// Signal to noise of what an ear hears that has all packets in their order, against one that heard them undisturbed; the
/// missing ones are silence to it. Of all, and of the worst 200 ms.
fn db_of(voice: Voice, heard: &Heard, clean: &Heard) -> (f64, f64) {
    let fill = |packet: &Option<Vec<u8>>, n: usize| packet.clone().unwrap_or_else(|| clean.packets[n].clone().unwrap());
    let all: Vec<_> = heard.packets.iter().enumerate().map(|(n, packet)| fill(packet, n)).collect();
    let sound = voice.decode(all.iter().map(Vec::as_slice));
    let wanted = voice.decode(clean.packets.iter().flatten().map(Vec::as_slice));
    let noise = |a: &[i16], b: &[i16]| -> f64 { a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum() };
    let level = |a: &[i16]| -> f64 { a.iter().map(|a| f64::from(*a).powi(2)).sum() };
    let db = |a: &[i16], b: &[i16]| 10.0 * (level(b) / noise(a, b).max(1e-3)).log10();
    let window = voice.rate() as usize / 5;
    let worst = sound.chunks(window).zip(wanted.chunks(window)).map(|(a, b)| db(a, b)).fold(f64::INFINITY, f64::min);
    (db(&sound, &wanted), worst)
}

/// Delays with which so many of 1000 packets are overtaken: by as many ms as `after` allows behind the next one.
fn reorder(seed: u64, permille: u16, ptime: u32, after: std::ops::Range<u32>) -> impl Fn(usize) -> Option<u32> {
    let mut rng = SimRng::new(seed);
    let late: Vec<_> = (0..600)
        .map(
            |n| if n > 20 && rng.chance(permille) { ptime + after.start + rng.below(u64::from(after.end - after.start)) as u32 } else { 0 },
        )
        .collect();
    move |n| Some(late[n])
}

const PAIRS: [(Voice, Voice); 6] = [
    (Voice::G722, Voice::Ulaw),
    (Voice::Ulaw, Voice::G722),
    (Voice::Ilbc20, Voice::Ulaw),
    (Voice::Ulaw, Voice::Ilbc20),
    (Voice::G722, Voice::Ilbc20),
    (Voice::Ilbc30, Voice::Linear16k),
];

#[test]
fn who_is_overtaken_by_less_than_ten_ms_is_heard_as_if_nothing_had_been() {
    for (n, (from, into)) in PAIRS.into_iter().enumerate() {
        let clean = bridge(from, into, Before::Overtaken, |_| Some(0));
        let heard = bridge(from, into, Before::Overtaken, reorder(n as u64, 50, from.ptime_ms(), 0..10));
        assert!(heard.packets == clean.packets, "{from:?} to {into:?}: {:.1} dB", db_of(into, &heard, &clean).0);
    }
}

#[test]
fn the_first_who_is_overtaken_is_lost_and_no_other() {
    for (n, (from, into)) in PAIRS.into_iter().enumerate() {
        let late = reorder(n as u64, 50, from.ptime_ms(), 0..10);
        let comes = |n: usize| n as u32 * from.ptime_ms() + late(n).unwrap();
        let first = (0..).find(|n| comes(n + 1) < comes(*n)).unwrap();
        let heard = bridge(from, into, Before::InOrder, &late);
        let missing: Vec<_> = heard.packets.iter().enumerate().filter(|(_, packet)| packet.is_none()).map(|(n, _)| n).collect();
        assert_eq!(missing, [first], "{from:?} to {into:?}");
    }
}

#[test]
fn a_burst_in_any_order_is_heard_in_its_order() {
    let shuffled = [3, 0, 4, 1, 2, 5];
    for (from, into) in [(Voice::G722, Voice::Ulaw), (Voice::Ulaw, Voice::Ilbc20)] {
        let clean = bridge(from, into, Before::Overtaken, |_| Some(0));
        // Six packets come within two milliseconds of each other, now and then.
        let late = |n: usize| if n >= 60 && n % 60 < 6 { (5 - n % 60) as u32 * 20 + shuffled[n % 60] / 2 } else { 0 };
        let heard = bridge(from, into, Before::Overtaken, |n| Some(late(n)));
        assert!(heard.packets == clean.packets, "{from:?} to {into:?}: {:.1} dB", db_of(into, &heard, &clean).0);
    }
}

#[test]
fn who_comes_later_is_lost_and_spoils_nothing_else() {
    for ((from, into), least) in PAIRS.into_iter().zip([20.0, 22.0, 18.0, 22.0, 23.0, 14.0]) {
        let clean = bridge(from, into, Before::Overtaken, |_| Some(0));
        let heard = bridge(from, into, Before::Overtaken, reorder(5, 50, from.ptime_ms(), 10..30));
        let missing = heard.packets.iter().filter(|packet| packet.is_none()).count();
        let (db, worst) = db_of(into, &heard, &clean);
        println!("{from:?} to {into:?}: {db:.1} dB, worst {worst:.1} dB, {missing} missing");
        assert!((5..=40).contains(&missing) && db > least, "{from:?} to {into:?}: {db:.1} dB, {missing} missing");
    }
}

#[test]
fn only_what_follows_a_missing_packet_waits_ten_ms_at_most_and_while_packets_overtake_each_other() {
    for (from, into) in PAIRS {
        let lost = |n: usize| n > 20 && (n % 17 == 3 || n % 41 < 3);
        let late = |n: usize| (!lost(n)).then_some(0);
        for before in [Before::InOrder, Before::Overtaken] {
            let heard = bridge_for(40, from, into, before, late);
            for (n, spent) in heard.spent.iter().enumerate() {
                let is_remembered = before == Before::Overtaken && n as u32 * from.ptime_ms() < 30_000;
                let most = if n > 0 && lost(n - 1) && is_remembered { 10 } else { 0 };
                assert_eq!(*spent, (!lost(n)).then_some(most), "{from:?} to {into:?}: packet {n}");
            }
        }
    }
    // What needs no memory passes as it comes.
    for (from, into) in [(Voice::Ulaw, Voice::Alaw), (Voice::Linear16k, Voice::Ulaw), (Voice::G722, Voice::G722)] {
        let heard = bridge(from, into, Before::Overtaken, reorder(3, 50, 20, 0..30));
        assert!(heard.spent.iter().all(|spent| *spent == Some(0)), "{from:?} to {into:?}");
    }
}
