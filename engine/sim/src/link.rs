//! One direction of a bad network: packets go in, some come out, later, twice, or in another order.
//!   send ──► lost? ──► delay + jitter (+ hold back, to reorder) ──► [ heap by arrival ] ──► receive at its time
//!                 └──► a second copy with a delay of its own
//! Shape:  any payload; equal arrival times keep the order of sending, so a plain link is first in, first out.
//! Units:  chances in parts per thousand, times as `Duration`.
//! Errors: none; what happened is counted in the link.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::SimRng;

/// A payload between two addresses; what the usual [`Link`] carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Payload.
    pub bytes: Vec<u8>,
}

/// How bad a link is. The default is perfect: nothing lost, no delay.
#[derive(Debug, Clone, Default)]
pub struct LinkProfile {
    /// Chance that a packet vanishes, of 1000.
    pub loss_permille: u16,
    /// Chance that a packet arrives twice, of 1000.
    pub duplicate_permille: u16,
    /// Chance that a packet is held back by up to `hold_back`, so that later ones overtake it, of 1000.
    pub reorder_permille: u16,
    /// Least time in flight.
    pub delay: Duration,
    /// Uniform extra time in flight, `0..=jitter`. More than the gap between packets reorders as well.
    pub jitter: Duration,
    /// Most extra delay of a packet chosen for reordering.
    pub hold_back: Duration,
}

impl LinkProfile {
    /// A random profile: up to the given loss, duplicates and reordering up to 30 %, delay to 80 ms, jitter to 40 ms.
    pub fn random(rng: &mut SimRng, loss_permille_max: u16) -> Self {
        Self {
            loss_permille: rng.below(u64::from(loss_permille_max) + 1) as u16,
            duplicate_permille: rng.below(301) as u16,
            reorder_permille: rng.below(301) as u16,
            delay: rng.duration(Duration::from_millis(80)),
            jitter: rng.duration(Duration::from_millis(40)),
            hold_back: Duration::from_millis(700),
        }
    }
}

/// A one-way link with packets in flight.
#[derive(Debug)]
pub struct Link<P = Datagram> {
    profile: LinkProfile,
    rng: SimRng,
    in_flight: BinaryHeap<Reverse<Flight<P>>>,
    sent: u64,
    lost: u64,
}

impl<P: Clone> Link<P> {
    /// A link with its own generator.
    #[must_use]
    pub fn new(profile: LinkProfile, seed: u64) -> Self {
        Self { profile, rng: SimRng::new(seed), in_flight: BinaryHeap::new(), sent: 0, lost: 0 }
    }

    /// Changes how bad the link is from now on; packets in flight are not touched.
    pub fn set_profile(&mut self, profile: LinkProfile) {
        self.profile = profile;
    }

    /// Puts a packet on the link.
    pub fn send(&mut self, packet: P, now: Instant) {
        self.sent += 1;
        if self.rng.chance(self.profile.loss_permille) {
            self.lost += 1;
            return;
        }
        if self.rng.chance(self.profile.duplicate_permille) {
            self.launch(packet.clone(), now);
        }
        self.launch(packet, now);
    }

    /// The next packet that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<P> {
        if self.next_arrival()? > now {
            return None;
        }
        self.in_flight.pop().map(|Reverse(flight)| flight.packet)
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse(flight)| flight.arrival)
    }

    /// Packets put on the link so far, lost ones included.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Packets lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn launch(&mut self, packet: P, now: Instant) {
        let mut arrival = now + self.profile.delay + self.rng.duration(self.profile.jitter);
        if self.rng.chance(self.profile.reorder_permille) {
            arrival += self.rng.duration(self.profile.hold_back);
        }
        // `sent` counts one packet; its copies share the number, and being equal need no order of their own.
        self.in_flight.push(Reverse(Flight { arrival, number: self.sent, packet }));
    }
}

#[derive(Debug)]
struct Flight<P> {
    arrival: Instant,
    number: u64,
    packet: P,
}

impl<P> Ord for Flight<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival, self.number).cmp(&(other.arrival, other.number))
    }
}

impl<P> PartialOrd for Flight<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> PartialEq for Flight<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P> Eq for Flight<P> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    fn run(profile: LinkProfile, seed: u64) -> Vec<u32> {
        let mut clock = Clock::new();
        let mut link = Link::new(profile, seed);
        for number in 0..1000 {
            link.send(number, clock.now());
            clock.advance(Duration::from_millis(1));
        }
        clock.advance(Duration::from_secs(10));
        std::iter::from_fn(|| link.receive(clock.now())).collect()
    }

    #[test]
    fn a_plain_link_keeps_every_packet_in_order() {
        assert_eq!(run(LinkProfile::default(), 1), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_arrives_before_its_delay() {
        let clock = Clock::new();
        let mut link = Link::new(LinkProfile { delay: Duration::from_millis(20), ..LinkProfile::default() }, 1);
        link.send((), clock.now());
        assert_eq!(link.receive(clock.at(Duration::from_millis(19))), None);
        assert_eq!(link.next_arrival(), Some(clock.at(Duration::from_millis(20))));
        assert_eq!(link.receive(clock.at(Duration::from_millis(20))), Some(()));
    }

    #[test]
    fn loss_duplicates_and_reordering_come_in_the_share_asked_for() {
        let lossy = run(LinkProfile { loss_permille: 300, ..LinkProfile::default() }, 1);
        assert!((620..780).contains(&lossy.len()), "{}", lossy.len());
        let doubled = run(LinkProfile { duplicate_permille: 300, ..LinkProfile::default() }, 2);
        assert!((1220..1380).contains(&doubled.len()), "{}", doubled.len());
        let mixed = run(LinkProfile { reorder_permille: 100, hold_back: Duration::from_millis(50), ..LinkProfile::default() }, 3);
        assert_eq!(mixed.len(), 1000);
        assert!(mixed.windows(2).filter(|pair| pair[0] > pair[1]).count() > 50);
    }

    #[test]
    fn one_seed_gives_one_run() {
        let profile = LinkProfile::random(&mut SimRng::new(5), 500);
        assert_eq!(run(profile.clone(), 9), run(profile, 9));
    }
}
