//! The load against forwarders, good and bad: what is put in must be found, to the packet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::forwarder::{Forwarder, Spoil};
use super::*;
use crate::bench::server::own_loopback;

/// An address that no other process sends to, by mistake or for a port of before.
fn here() -> std::net::IpAddr {
    own_loopback()
}

const WARM_UP: Duration = Duration::from_millis(100);

/// They keep time, so one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Streams through a forwarder, the first two telling tones.
fn set_up(streams: usize, codec: Codec, spoil: Spoil) -> (Generator, Forwarder) {
    let mut generator = Generator::bind(here(), 20).unwrap();
    let phones = (0..streams).map(|n| generator.address(n).unwrap()).collect();
    let forwarder = Forwarder::start(here(), phones, None, 1, spoil).unwrap();
    for (n, to) in forwarder.addresses().iter().enumerate() {
        let tone = |n: usize| 500.0 + 300.0 * (n % 2) as f64;
        generator.add(Leg {
            to: *to,
            sends: codec,
            hears: codec,
            says: if n < 2 { What::Tone(tone(n)) } else { What::Speech },
            partner: Some(n ^ 1),
            listens: (n < 2).then(|| (tone(n ^ 1), codec.snr_least_db())),
        });
    }
    (generator, forwarder)
}

fn run(generator: &mut Generator, ms: u64) -> Outcome {
    generator.run(WARM_UP, Duration::from_millis(ms), || (), || ())
}

/// A run with nothing wrong in it; again, up to five times, where a busy host kept the load or the forwarder from its CPU.
fn calm(play: impl Fn() -> Outcome) -> Outcome {
    let mut outcome = play();
    for _ in 0..4 {
        if outcome.generator_late().is_none() && outcome.counts.heard > 0 {
            break;
        }
        outcome = play();
    }
    outcome
}

#[test]
fn through_a_good_forwarder_all_is_well_in_every_codec() {
    let _alone = alone();
    for codec in Codec::ALL {
        let outcome = calm(|| {
            let (mut generator, _forwarder) = set_up(40, codec, Spoil::default());
            run(&mut generator, 300)
        });
        assert_eq!(outcome.fault(), None, "{codec:?}: {:?}", outcome.counts);
        assert_eq!((outcome.counts.told, outcome.counts.heard), (600, 600));
        assert_eq!((outcome.delay_us.count(), outcome.audio.len()), (600, 2));
    }
}

#[test]
fn faults_put_into_the_load_are_found_to_the_packet() {
    let _alone = alone();
    let (mut generator, _forwarder) = set_up(100, Codec::Pcmu, Spoil::default());
    let faults = Faults { loss_ppm: 20_000, duplicate_ppm: 20_000, corrupt_ppm: 10_000, ..Faults::default() };
    generator.set_faults(faults, 1);
    let outcome = run(&mut generator, 600);
    let (counts, put_in) = (outcome.counts, outcome.put_in);
    assert_eq!(counts.told, 3000);
    assert_eq!((counts.lost, counts.duplicates, counts.corrupt), (put_in.lost, put_in.twice, put_in.corrupt));
    assert!(put_in.lost > 10 && put_in.twice > 10 && put_in.corrupt > 5, "{put_in:?}");
    assert_eq!(outcome.fault(), None);
    assert_eq!((counts.reordered, counts.foreign, counts.mute), (0, 0, 0));
}

#[test]
fn overtaken_packets_are_told_from_lost_ones() {
    let _alone = alone();
    let (mut generator, _forwarder) = set_up(40, Codec::Pcma, Spoil::default());
    generator.set_faults(Faults { reorder_ppm: 50_000, jitter_slots: 30, ..Faults::default() }, 2);
    let outcome = run(&mut generator, 600);
    let (counts, put_in) = (outcome.counts, outcome.put_in);
    assert_eq!((counts.lost, counts.heard), (0, counts.told));
    assert!(put_in.overtaken > 20 && put_in.held > 500, "{put_in:?}");
    assert_eq!((counts.reordered, outcome.fault()), (put_in.overtaken, None), "by jitter of more than a ptime too");
    // From when it was sent, and not from when it was due.
    assert!(outcome.generator_late().is_some() || outcome.delay_us.quantile(0.5) < 15_000, "{}", outcome.delay_us.quantile(0.5));
    assert!(outcome.jitter_us.0 > 500.0, "{:?}", outcome.jitter_us);
}

#[test]
fn a_forwarder_that_drops_one_in_a_thousand_is_caught() {
    let _alone = alone();
    let (mut generator, forwarder) = set_up(100, Codec::Pcmu, Spoil { drop_one_in: 1000, ..Spoil::default() });
    let mut before = 0;
    let outcome = generator.run(WARM_UP, Duration::from_millis(900), || before = forwarder.spoiled(), || ());
    assert_eq!(outcome.counts.told, 4500);
    assert_eq!(outcome.counts.lost, forwarder.spoiled() - before);
    assert!(outcome.counts.lost >= 4 && outcome.fault().is_some_and(|why| why.contains("packets lost")), "{:?}", outcome.counts);
}

#[test]
fn copies_changes_and_delay_of_a_forwarder_are_caught() {
    let _alone = alone();
    let spoil = Spoil { copy_one_in: 97, change_one_in: 89, delay: Duration::from_millis(30), ..Spoil::default() };
    let (mut generator, _forwarder) = set_up(40, Codec::L16, spoil);
    let outcome = run(&mut generator, 500);
    let counts = outcome.counts;
    assert!(counts.duplicates.abs_diff(1000 / 97) <= 1 && counts.corrupt.abs_diff(1000 / 89) <= 1, "{counts:?}");
    // More than a ptime, and told as what it is.
    assert!(outcome.delay_us.quantile(0.5) >= 30_000, "{}", outcome.delay_us.quantile(0.5));
}

#[test]
fn a_stalled_generator_says_that_it_was_the_limit() {
    let _alone = alone();
    let (mut generator, _forwarder) = set_up(20, Codec::Pcmu, Spoil::default());
    generator.stall_once(Duration::from_millis(80));
    let outcome = run(&mut generator, 400);
    assert!(outcome.generator_limit().is_some_and(|why| why.contains("ms late")), "{:?}", outcome.lag_us.max());
    assert_eq!(outcome.counts.lost, 0);
}

#[test]
fn a_phone_that_hears_nothing_is_mute() {
    let _alone = alone();
    let mut generator = Generator::bind(here(), 20).unwrap();
    let nobody = std::net::UdpSocket::bind((here(), 0)).unwrap();
    generator.add(Leg {
        to: nobody.local_addr().unwrap(),
        sends: Codec::Pcmu,
        hears: Codec::Pcmu,
        says: What::Silence,
        partner: Some(0),
        listens: None,
    });
    let outcome = run(&mut generator, 100);
    assert_eq!((outcome.counts.mute, outcome.counts.lost), (1, 5));
    assert!(outcome.fault().is_some_and(|why| why.contains("heard nothing")));
}
