//! Provisional responses that are acknowledged: ours until their PRACK, theirs in order.
//!
//! ```text
//!   ours:    send ─► unacknowledged ──PRACK with its RAck──► acknowledged ─► the next may go
//!                        └─ again at T1, doubling ── 64 × T1 ──► given up: the INVITE is refused
//!   theirs:  RSeq n ─► PRACK      n again ─► repeat      n + 2 before n + 1 ─► dropped, it comes again
//! ```
//! Shape:  one response of ours on its way at a time; a number of theirs.
//! Units:  RSeq and CSeq as `u32`; `Instant`.
//! Errors: none; what does not match is `false`, and its PRACK answered 481.
//! Driving: [`ReliableOut::deadline`] says when to call `handle_timeout`.
//! Source: RFC 3262 §3 (UAS), §4 (UAC), §7.1 and §7.2 (RSeq, RAck).

use std::time::Instant;

use crate::message::{HeaderName, Headers};
use crate::transaction::{Backoff, Timing};

/// Reliable provisional responses to one INVITE of theirs.
#[derive(Debug, Clone, Copy)]
pub struct ReliableOut {
    /// Of the INVITE.
    cseq: u32,
    /// RSeq of the last one; 0 if there was none.
    last: u32,
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    described: bool,
    repeat: Backoff,
    give_up: Instant,
}

/// What the time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReliableDue {
    /// Nothing yet.
    Quiet,
    /// Send the response again.
    Repeat,
    /// Nobody acknowledges: refuse the INVITE with a 5xx.
    GaveUp,
}

impl ReliableOut {
    /// For an INVITE with this CSeq number.
    #[must_use]
    pub const fn new(cseq: u32) -> Self {
        Self { cseq, last: 0, waiting: None }
    }

    /// One goes out: gives its RSeq. `random` starts the count (RFC 3262 §3: 1 to 2³¹ − 1).
    pub fn send(&mut self, described: bool, random: u32, timing: &Timing, now: Instant) -> u32 {
        self.last = if self.last == 0 { random % 0x3fff_ffff + 1 } else { self.last.saturating_add(1) };
        // No upper bound of the gap but the end of it all.
        let repeat = Backoff::new(now, timing.t1, timing.t1x64());
        self.waiting = Some(Waiting { described, repeat, give_up: now + timing.t1x64() });
        self.last
    }

    /// Takes the RAck of a PRACK. False: it names none of ours that waits.
    pub fn handle_rack(&mut self, rack: RAck<'_>) -> bool {
        let ours = rack.rseq == self.last && rack.cseq == self.cseq && rack.method.eq_ignore_ascii_case("INVITE");
        ours && self.waiting.take().is_some()
    }

    /// Takes the time that was asked for.
    pub fn handle_timeout(&mut self, now: Instant) -> ReliableDue {
        if self.waiting.take_if(|waiting| waiting.give_up <= now).is_some() {
            ReliableDue::GaveUp
        } else if self.waiting.as_mut().is_some_and(|waiting| waiting.repeat.fire(now)) {
            ReliableDue::Repeat
        } else {
            ReliableDue::Quiet
        }
    }

    /// One waits for its PRACK: no other provisional response may go (RFC 3262 §3).
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// It has a session description: no 2xx may go either.
    #[must_use]
    pub const fn holds_2xx(&self) -> bool {
        matches!(self.waiting, Some(Waiting { described: true, .. }))
    }

    /// When [`ReliableOut::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.map(|waiting| waiting.repeat.at().min(waiting.give_up))
    }
}

/// Value of RAck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RAck<'a> {
    /// Of the response.
    pub rseq: u32,
    /// Of the response.
    pub cseq: u32,
    /// Of the response.
    pub method: &'a str,
}

impl<'a> RAck<'a> {
    /// Reads the RAck of a PRACK.
    #[must_use]
    pub fn read(headers: &Headers<'a>) -> Option<Self> {
        let mut parts = headers.header(HeaderName::RAck)?.split_ascii_whitespace();
        let rack = Self { rseq: parts.next()?.parse().ok()?, cseq: parts.next()?.parse().ok()?, method: parts.next()? };
        parts.next().is_none().then_some(rack)
    }
}

/// What a reliable response of theirs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReliableHeard {
    /// The next one: PRACK it.
    New,
    /// That one again: its PRACK is on the way.
    Repeated,
    /// One before it is missing: dropped, both come again (RFC 3262 §4).
    Early,
}

/// RSeq of the last reliable response of a dialog of ours.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReliableIn(Option<u32>);

impl ReliableIn {
    /// RSeq of a response that has to be acknowledged; `None` for all others.
    #[must_use]
    pub fn rseq(headers: &Headers<'_>) -> Option<u32> {
        let required = headers.has_token(HeaderName::Require, "100rel");
        required.then(|| headers.header(HeaderName::RSeq)?.trim().parse().ok()).flatten()
    }

    /// Takes the RSeq of a response.
    pub fn handle(&mut self, rseq: u32) -> ReliableHeard {
        match self.0 {
            Some(last) if rseq <= last => ReliableHeard::Repeated,
            Some(last) if rseq != last.saturating_add(1) => ReliableHeard::Early,
            Some(_) | None => {
                self.0 = Some(rseq);
                ReliableHeard::New
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ours_go_again_until_their_prack_or_the_end() {
        let clock = sim::Clock::new();
        let timing = Timing::default();
        let mut out = ReliableOut::new(7);
        let rseq = out.send(true, 41, &timing, clock.now());
        assert_eq!((rseq, out.is_waiting(), out.holds_2xx()), (42, true, true));
        for (wrong, cseq, method) in [(41, 7, "INVITE"), (42, 8, "INVITE"), (42, 7, "UPDATE")] {
            assert!(!out.handle_rack(RAck { rseq: wrong, cseq, method }));
        }
        assert!(out.handle_rack(RAck { rseq: 42, cseq: 7, method: "INVITE" }));
        assert!(!out.is_waiting() && !out.handle_rack(RAck { rseq: 42, cseq: 7, method: "INVITE" }));
        assert_eq!(out.send(false, 9, &timing, clock.now()), 43);
        assert!(!out.holds_2xx());
        let (mut repeats, start) = (0, clock.now());
        loop {
            let at = out.deadline().unwrap();
            match out.handle_timeout(at) {
                ReliableDue::Repeat => repeats += 1,
                ReliableDue::GaveUp => {
                    assert_eq!(at - start, Duration::from_secs(32));
                    break;
                }
                ReliableDue::Quiet => panic!("asked for a time and did nothing"),
            }
        }
        assert_eq!(repeats, 6, "0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s");
    }

    #[test]
    fn theirs_are_taken_in_order() {
        let mut heard = ReliableIn::default();
        let course: Vec<_> = [5, 5, 7, 6, 7, 6].into_iter().map(|rseq| heard.handle(rseq)).collect();
        use ReliableHeard::{Early, New, Repeated};
        assert_eq!(course, [New, Repeated, Early, New, New, Repeated]);
    }
}
