//! Source check: whose packets a channel takes, so that nobody else can speak into a call or draw its sound to himself.
//!
//! ```text
//!   Open ──packet──► Probation { best candidate } ──[`PROBATION`]──► Locked
//!     ▲                │ a better rank replaces it      │ only a better rank replaces it
//!     └── signalling ──┴────────────────────────────────┘
//!   rank: the signalled address and port  >  the signalled address, another port (NAT)  >  any other (NAT, no target yet)
//! ```
//! Shape:  one source at a time; packets of the best candidate are taken from the first on, those of others refused.
//! Rule:   what signalling named needs no probation, and a lock on something less never keeps it out: an injector
//!         that was first loses the channel with the first packet of the phone. Among equals the first stays.
//! Answer: we send to the signalled address until a source is locked, then to that (symmetric RTP, RFC 4961).
//! Units:  the driver's time.
//! Errors: none; refusals are counted by the caller.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a candidate that signalling did not name is watched: about ten packets, enough for a phone whose first
/// packet an injector raced to be heard as well.
pub const PROBATION: Duration = Duration::from_millis(200);

/// How well a source fits what signalling said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Another address, or nothing was signalled.
    Other,
    /// The signalled address, another port.
    SameIp,
    /// The signalled address and port.
    Exact,
}

/// What the check says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Of the source that we know.
    Known,
    /// Of a source that from now on is ours: what was learned of the last one is void.
    Changed,
    /// Refused.
    Refused,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Open,
    Probation {
        from: SocketAddr,
        rank: Rank,
        since: Instant,
    },
    Locked {
        from: SocketAddr,
        rank: Rank,
    },
}

/// The check of one channel; at first nothing is signalled and nothing was heard.
#[derive(Debug, Clone, Default)]
pub struct SourceCheck {
    signalled: Option<SocketAddr>,
    /// Signalling said that nothing is to be sent.
    held: bool,
    state: State,
}

impl SourceCheck {
    /// Judges a packet by where it comes from.
    pub fn judge(&mut self, from: SocketAddr, now: Instant) -> Decision {
        match self.state {
            State::Locked { from: known, .. } if known == from => Decision::Known,
            State::Probation { from: known, rank, since } if known == from => {
                if now.saturating_duration_since(since) >= PROBATION {
                    self.state = State::Locked { from, rank };
                }
                Decision::Known
            }
            State::Open => self.take(from, self.rank(from), now),
            State::Locked { rank, .. } | State::Probation { rank, .. } => {
                let candidate = self.rank(from);
                if candidate > rank { self.take(from, candidate, now) } else { Decision::Refused }
            }
        }
    }

    fn take(&mut self, from: SocketAddr, rank: Rank, now: Instant) -> Decision {
        self.state = match rank {
            Rank::Exact => State::Locked { from, rank },
            Rank::SameIp | Rank::Other => State::Probation { from, rank, since: now },
        };
        Decision::Changed
    }

    fn rank(&self, from: SocketAddr) -> Rank {
        match self.signalled {
            Some(signalled) if signalled == from => Rank::Exact,
            Some(signalled) if signalled.ip() == from.ip() => Rank::SameIp,
            _ => Rank::Other,
        }
    }

    /// Signalling names an address, or holds the channel with none. The same one again changes nothing, also after a
    /// hold, so that the source is kept; another one opens the check anew.
    pub fn signal(&mut self, target: Option<SocketAddr>) {
        self.held = target.is_none();
        if target.is_some() && self.signalled != target {
            (self.signalled, self.state) = (target, State::Open);
        }
    }

    /// Where to send.
    pub const fn destination(&self) -> Option<SocketAddr> {
        match self.state {
            _ if self.held => None,
            State::Locked { from, .. } => Some(from),
            State::Open | State::Probation { .. } => self.signalled,
        }
    }

    /// The source whose packets are taken now.
    pub const fn source(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked { from, .. } | State::Probation { from, .. } => Some(from),
            State::Open => None,
        }
    }

    /// What signalling named.
    pub const fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    /// Signalling named an address and does not hold the channel.
    pub const fn is_expected(&self) -> bool {
        self.signalled.is_some() && !self.held
    }

    /// Whether the source is decided.
    pub const fn is_locked(&self) -> bool {
        matches!(self.state, State::Locked { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    struct Bed {
        check: SourceCheck,
        now: Instant,
    }

    impl Bed {
        fn new(signalled: Option<&str>) -> Self {
            let mut check = SourceCheck::default();
            if signalled.is_some() {
                check.signal(signalled.map(addr));
            }
            Self { check, now: sim::Clock::new().now() }
        }

        fn judge(&mut self, from: &str) -> Decision {
            self.check.judge(addr(from), self.now)
        }

        fn pass(&mut self, duration: Duration) {
            self.now += duration;
        }
    }

    use Decision::{Changed, Known, Refused};

    #[test]
    fn the_signalled_source_is_locked_at_once() {
        let mut bed = Bed::new(Some("10.0.0.1:4000"));
        assert_eq!(bed.judge("10.0.0.1:4000"), Changed);
        assert!(bed.check.is_locked());
        assert_eq!(bed.judge("10.0.0.1:4000"), Known);
        assert_eq!(bed.judge("10.0.0.1:4002"), Refused);
        assert_eq!(bed.judge("10.9.9.9:4000"), Refused);
    }

    #[test]
    fn an_injector_that_was_first_loses_to_what_signalling_named() {
        for wait in [Duration::ZERO, PROBATION, Duration::from_secs(60)] {
            let mut bed = Bed::new(Some("10.0.0.1:4000"));
            assert_eq!(bed.judge("10.9.9.9:1"), Changed);
            bed.pass(wait);
            assert_eq!(bed.judge("10.9.9.9:1"), Known);
            assert_eq!(bed.judge("10.0.0.1:4002"), Changed, "the signalled host behind its NAT");
            assert_eq!(bed.judge("10.9.9.9:1"), Refused);
            assert_eq!(bed.judge("10.0.0.1:4000"), Changed);
            assert_eq!((bed.judge("10.0.0.1:4002"), bed.judge("10.9.9.9:1")), (Refused, Refused));
            assert_eq!(bed.check.destination(), Some(addr("10.0.0.1:4000")));
        }
    }

    #[test]
    fn a_phone_behind_nat_is_locked_after_probation() {
        let mut bed = Bed::new(Some("192.168.1.9:4000"));
        assert_eq!(bed.judge("203.0.113.7:61000"), Changed);
        assert_eq!(bed.check.destination(), Some(addr("192.168.1.9:4000")), "not yet where anybody calls us to");
        bed.pass(PROBATION);
        assert_eq!(bed.judge("203.0.113.8:1"), Refused, "among equals the first stays");
        assert_eq!(bed.judge("203.0.113.7:61000"), Known);
        assert_eq!((bed.check.is_locked(), bed.check.destination()), (true, Some(addr("203.0.113.7:61000"))));
    }

    #[test]
    fn only_a_new_address_from_signalling_opens_the_lock() {
        let mut bed = Bed::new(Some("10.0.0.1:4000"));
        bed.judge("10.0.0.1:4000");
        bed.check.signal(Some(addr("10.0.0.1:4000")));
        assert!(bed.check.is_locked());
        bed.check.signal(Some(addr("10.0.0.2:4000")));
        assert!(!bed.check.is_locked());
        assert_eq!(bed.check.destination(), Some(addr("10.0.0.2:4000")));
        assert_eq!(bed.judge("10.0.0.2:4000"), Changed);
    }

    #[test]
    fn hold_stops_sending_and_keeps_the_source() {
        let mut bed = Bed::new(Some("10.0.0.1:4000"));
        bed.judge("10.0.0.1:4000");
        bed.check.signal(None);
        bed.pass(PROBATION * 2);
        assert_eq!((bed.judge("10.0.0.1:4000"), bed.judge("10.9.9.9:1")), (Known, Refused));
        assert_eq!((bed.check.destination(), bed.check.is_expected()), (None, false));
        bed.check.signal(Some(addr("10.0.0.1:4000")));
        assert_eq!(bed.check.destination(), Some(addr("10.0.0.1:4000")));
        assert_eq!(bed.judge("10.0.0.1:4000"), Known);
    }
}
