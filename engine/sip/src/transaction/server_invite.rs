//! UAS side of an INVITE: answers repeats, repeats failures until their ACK, leaves the 2xx to the core.
//!
//! ```text
//!   Proceeding ──3xx-6xx──► Completed ──ACK──► Confirmed ──I──► Terminated
//!       │                       └──H──► Terminated
//!       └──2xx──► Accepted ──L──► Terminated
//! ```
//! Shape:  holds the last response until the ACK; in Accepted the last 2xx, which the core sends again by `respond`.
//! Units:  `Instant`; timers G and H, I, L.
//! Errors: [`ServerInvite::respond`] says when a response comes too late and is not sent.
//! Driving: drain [`ServerInvite::poll_output`] until `Wait` after every call.
//! Not here: the 100 within 200 ms, which the core gives at once, and repeats of a 2xx (RFC 3261 §13.3.1.4, dialog).
//! Source: RFC 3261 §17.2.1, RFC 6026 §7.1 (Accepted, timer L) and §8.8 (transport errors keep the state).

use std::time::Instant;

use super::output::{Disposition, Event, Output, Pending, Step};
use super::timing::{Backoff, Timing};
use crate::flow::Reliability;
use crate::message::StatusCode;

/// INVITE server transaction.
#[derive(Debug)]
pub struct ServerInvite {
    state: State,
    pending: Pending,
    timing: Timing,
    reliability: Reliability,
}

#[derive(Debug)]
enum State {
    Proceeding { provisional: Option<Box<[u8]>> },
    Completed { response: Box<[u8]>, timer_g: Option<Backoff>, timer_h: Instant },
    Confirmed { timer_i: Instant },
    Accepted { response: Box<[u8]>, timer_l: Instant },
    Terminated,
}

/// Name of a state, for tables and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerInviteState {
    /// No final response yet.
    Proceeding,
    /// A failure was sent, its ACK is awaited.
    Completed,
    /// The ACK came.
    Confirmed,
    /// A 2xx was sent.
    Accepted,
    /// Over.
    Terminated,
}

impl ServerInvite {
    /// A transaction for an INVITE just received.
    #[must_use]
    pub fn new(reliability: Reliability, timing: Timing) -> Self {
        Self { state: State::Proceeding { provisional: None }, pending: Pending::default(), timing, reliability }
    }

    /// The INVITE came again.
    pub fn handle_repeat(&mut self) -> Disposition {
        match self.state {
            State::Proceeding { provisional: Some(_) } | State::Completed { .. } => self.pending.transmit(),
            // RFC 6026 §7.1: absorbed without an answer; the core repeats its 2xx.
            State::Proceeding { provisional: None } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
        Disposition::Absorb
    }

    /// An ACK with this transaction's identity came.
    pub fn handle_ack(&mut self, now: Instant) -> Disposition {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed { timer_i: now + self.timing.timer_i(self.reliability) };
                self.pending = Pending::default();
                Disposition::Absorb
            }
            // RFC 6026 §7.1: the ACK of a 2xx is for the core.
            State::Accepted { .. } => Disposition::Deliver,
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => Disposition::Absorb,
        }
    }

    /// The transport could not send a response. RFC 6026 §8.8: the core is told, the state stays.
    pub fn handle_transport_failed(&mut self) {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } | State::Accepted { .. } => self.pending.fail(Event::TransportFailed),
            State::Confirmed { .. } | State::Terminated => {}
        }
    }

    /// Takes the time that was asked for; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Completed { timer_h, .. } if *timer_h <= now => {
                self.pending.fail(Event::TimedOut);
                self.terminate();
            }
            State::Completed { timer_g: Some(timer_g), .. } => {
                if timer_g.fire(now) {
                    self.pending.transmit();
                }
            }
            State::Confirmed { timer_i: end } | State::Accepted { timer_l: end, .. } if *end <= now => self.terminate(),
            State::Proceeding { .. }
            | State::Completed { timer_g: None, .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// Sends a response of the core. False if it is too late for this one: another final response went before.
    pub fn respond(&mut self, status: StatusCode, response: Vec<u8>, now: Instant) -> bool {
        let response = response.into_boxed_slice();
        match (&mut self.state, status.code()) {
            (State::Proceeding { provisional }, ..200) => *provisional = Some(response),
            (State::Proceeding { .. }, 200..300) => {
                // RFC 6026 §8.11: L is 64 × T1 over every transport.
                self.state = State::Accepted { response, timer_l: now + self.timing.t1x64() };
            }
            (State::Proceeding { .. }, _) => {
                let timer_g = match self.reliability {
                    Reliability::Unreliable => Some(Backoff::new(now, self.timing.t1, self.timing.t2)),
                    Reliability::Reliable => None,
                };
                self.state = State::Completed { response, timer_g, timer_h: now + self.timing.t1x64() };
            }
            (State::Accepted { response: last, .. }, 200..300) => *last = response,
            (State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated, _) => return false,
        }
        self.pending.transmit();
        true
    }

    /// Sends the last 2xx again, without giving it anew (RFC 3261 §13.3.1.4). False if there is none.
    pub fn repeat_2xx(&mut self) -> bool {
        let accepted = matches!(self.state, State::Accepted { .. });
        if accepted {
            self.pending.transmit();
        }
        accepted
    }

    /// Next output.
    pub fn poll_output(&mut self) -> Output<'_> {
        match self.step() {
            Step::Transmit => Output::Transmit(self.message()),
            Step::Event(event) => Output::Event(event),
            Step::Wait => Output::Wait(self.deadline()),
        }
    }

    /// When [`ServerInvite::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Completed { timer_g, timer_h, .. } => Some(timer_g.map_or(*timer_h, |timer_g| timer_g.at().min(*timer_h))),
            State::Confirmed { timer_i: end } | State::Accepted { timer_l: end, .. } => Some(*end),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// The state by name.
    #[must_use]
    pub const fn state(&self) -> ServerInviteState {
        match self.state {
            State::Proceeding { .. } => ServerInviteState::Proceeding,
            State::Completed { .. } => ServerInviteState::Completed,
            State::Confirmed { .. } => ServerInviteState::Confirmed,
            State::Accepted { .. } => ServerInviteState::Accepted,
            State::Terminated => ServerInviteState::Terminated,
        }
    }

    pub(super) fn step(&mut self) -> Step {
        self.pending.next()
    }

    /// The message held for retransmission; empty if there is none.
    pub(super) fn message(&self) -> &[u8] {
        match &self.state {
            State::Proceeding { provisional: Some(bytes) }
            | State::Completed { response: bytes, .. }
            | State::Accepted { response: bytes, .. } => bytes,
            State::Proceeding { provisional: None } | State::Confirmed { .. } | State::Terminated => &[],
        }
    }

    fn terminate(&mut self) {
        self.state = State::Terminated;
        self.pending.terminate();
    }
}
