//! Event loop of a test: nodes, a link between each ordered pair of addresses, one virtual clock.
//!   drain all nodes ──► earliest of (arrival, deadline) ──► move the clock ──► deliver, or tell the time ──► again
//! Shape:  nodes by address; a datagram to an unknown address is counted and dropped.
//! Units:  virtual time of [`Clock`].
//! Errors: panics if the nodes keep asking for a time that they were told (they would spin), or if one never stops
//!         transmitting.
//! Order:  ties go to arrivals first, then to nodes in the order of the slice, so a seed decides everything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::{Clock, Datagram, Link, LinkProfile, SimRng};

/// One state machine with its driver, as the loop sees it.
pub trait Node {
    /// The address that datagrams for this node carry.
    fn address(&self) -> SocketAddr;
    /// Takes one datagram.
    fn handle_datagram(&mut self, datagram: Datagram, now: Instant);
    /// The time the node asked for has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to send, until `None`; the node takes its events here as well.
    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram>;
    /// When the node wants [`Node::handle_timeout`]; asked after `poll_transmit` gave `None`.
    fn deadline(&self) -> Option<Instant>;
}

/// Most datagrams that one node may send without the clock moving: 1000 transactions × 10 messages.
const BURST_MAX: u32 = 10_000;

/// Most rounds without the clock moving: timers of zero are legal, but each must lead to one that is not.
const STILL_MAX: u32 = 1000;

/// Links and clock of one run.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    rng: SimRng,
    profile: LinkProfile,
    links: BTreeMap<(SocketAddr, SocketAddr), Link>,
    unroutable: u64,
    still: u32,
}

impl World {
    /// A world where every link starts with `profile`; each gets a seed of its own drawn from `seed`.
    #[must_use]
    pub fn new(profile: LinkProfile, seed: u64) -> Self {
        Self { clock: Clock::new(), rng: SimRng::new(seed), profile, links: BTreeMap::new(), unroutable: 0, still: 0 }
    }

    /// The clock, for reading.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The current virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The link from one address to another.
    pub fn link(&mut self, from: SocketAddr, to: SocketAddr) -> &mut Link {
        let (profile, rng) = (&self.profile, &mut self.rng);
        self.links.entry((from, to)).or_insert_with(|| Link::new(profile.clone(), rng.below(u64::MAX)))
    }

    /// Changes every link, present and future.
    pub fn set_profile(&mut self, profile: &LinkProfile) {
        self.profile = profile.clone();
        for link in self.links.values_mut() {
            link.set_profile(profile.clone());
        }
    }

    /// Datagrams to addresses that no node has.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.unroutable
    }

    /// Puts a datagram on its link now, as if its sender's node had sent it.
    pub fn inject(&mut self, datagram: Datagram) {
        let now = self.clock.now();
        self.link(datagram.from, datagram.to).send(datagram, now);
    }

    /// Runs until nothing is in flight and no node has a deadline. False if `limit` of virtual time was not enough.
    ///
    /// # Panics
    /// If the nodes ask without end for a time that has come, or send without end.
    pub fn run_until_idle(&mut self, nodes: &mut [&mut dyn Node], limit: Duration) -> bool {
        let end = self.clock.now() + limit;
        loop {
            self.drain(nodes);
            match self.next_event(nodes) {
                None => return true,
                Some(at) if at > end => {
                    self.clock.advance_to(end);
                    return false;
                }
                Some(at) => self.step(nodes, at),
            }
        }
    }

    /// Runs for `span` of virtual time, then drains the nodes once more.
    ///
    /// # Panics
    /// As [`World::run_until_idle`].
    pub fn run_for(&mut self, nodes: &mut [&mut dyn Node], span: Duration) {
        let end = self.clock.now() + span;
        self.drain(nodes);
        while let Some(at) = self.next_event(nodes).filter(|&at| at <= end) {
            self.step(nodes, at);
            self.drain(nodes);
        }
        self.clock.advance_to(end);
    }

    fn drain(&mut self, nodes: &mut [&mut dyn Node]) {
        let now = self.clock.now();
        for node in nodes.iter_mut() {
            let mut burst = 0;
            while let Some(datagram) = node.poll_transmit(now) {
                burst += 1;
                assert!(burst < BURST_MAX, "node {} sends without end", node.address());
                self.inject(datagram);
            }
        }
    }

    fn next_event(&self, nodes: &[&mut dyn Node]) -> Option<Instant> {
        let arrivals = self.links.values().filter_map(Link::next_arrival);
        let deadlines = nodes.iter().filter_map(|node| node.deadline());
        arrivals.chain(deadlines).min()
    }

    fn step(&mut self, nodes: &mut [&mut dyn Node], at: Instant) {
        self.still = if at > self.clock.now() { 0 } else { self.still + 1 };
        assert!(self.still < STILL_MAX, "the nodes keep asking for a time that has come");
        let now = self.clock.advance_to(at);
        for (&(_, to), link) in &mut self.links {
            while let Some(datagram) = link.receive(now) {
                match nodes.iter_mut().find(|node| node.address() == to) {
                    Some(node) => node.handle_datagram(datagram, now),
                    None => self.unroutable += 1,
                }
            }
        }
        // Deliveries may have moved deadlines: let them settle before anybody is told the time.
        self.drain(nodes);
        for node in nodes.iter_mut() {
            if node.deadline().is_some_and(|deadline| deadline <= now) {
                node.handle_timeout(now);
            }
        }
        self.drain(nodes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `left` numbered packets, one each 20 ms, and keeps what it gets.
    struct Counter {
        address: SocketAddr,
        peer: SocketAddr,
        left: u8,
        next: Option<Instant>,
        ready: bool,
        seen: Vec<u8>,
    }

    impl Counter {
        fn new(address: &str, peer: &str, left: u8, now: Instant) -> Self {
            Self {
                address: address.parse().unwrap(),
                peer: peer.parse().unwrap(),
                left,
                next: (left > 0).then_some(now),
                ready: false,
                seen: vec![],
            }
        }
    }

    impl Node for Counter {
        fn address(&self) -> SocketAddr {
            self.address
        }
        fn handle_datagram(&mut self, datagram: Datagram, _now: Instant) {
            self.seen.extend(datagram.bytes);
        }
        fn handle_timeout(&mut self, now: Instant) {
            self.ready = true;
            self.left -= 1;
            self.next = (self.left > 0).then(|| now + Duration::from_millis(20));
        }
        fn poll_transmit(&mut self, _now: Instant) -> Option<Datagram> {
            std::mem::take(&mut self.ready).then(|| Datagram { from: self.address, to: self.peer, bytes: vec![self.left] })
        }
        fn deadline(&self) -> Option<Instant> {
            self.next
        }
    }

    #[test]
    fn a_run_ends_when_nothing_is_left_to_do() {
        let mut world = World::new(LinkProfile { delay: Duration::from_millis(5), ..LinkProfile::default() }, 1);
        let mut a = Counter::new("127.0.0.1:1", "127.0.0.1:2", 10, world.now());
        let mut b = Counter::new("127.0.0.1:2", "127.0.0.1:1", 0, world.now());
        assert!(world.run_until_idle(&mut [&mut a, &mut b], Duration::from_secs(60)));
        assert_eq!(b.seen, (0..10).rev().collect::<Vec<_>>());
        assert_eq!(world.clock().elapsed(), Duration::from_millis(9 * 20 + 5));
    }

    #[test]
    fn a_run_that_does_not_end_stops_at_its_limit() {
        let mut world = World::new(LinkProfile::default(), 1);
        let mut a = Counter::new("127.0.0.1:1", "127.0.0.1:2", 200, world.now());
        assert!(!world.run_until_idle(&mut [&mut a], Duration::from_secs(1)));
        assert_eq!(world.clock().elapsed(), Duration::from_secs(1));
        assert!(world.unroutable() > 0);
    }

    #[test]
    fn run_for_stops_on_time() {
        let mut world = World::new(LinkProfile::default(), 1);
        let mut a = Counter::new("127.0.0.1:1", "127.0.0.1:2", 200, world.now());
        let mut b = Counter::new("127.0.0.1:2", "127.0.0.1:1", 0, world.now());
        world.run_for(&mut [&mut a, &mut b], Duration::from_millis(100));
        assert_eq!(b.seen.len(), 6);
        assert_eq!(world.clock().elapsed(), Duration::from_millis(100));
    }
}
