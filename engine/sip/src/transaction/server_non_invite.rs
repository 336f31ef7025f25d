//! UAS side of any request but INVITE and ACK: keeps the last response for repeats of the request.
//!
//! ```text
//!   Trying ──1xx──► Proceeding ──2xx-6xx──► Completed ──J──► Terminated
//!      └──2xx-6xx─────────────────────────►┘
//! ```
//! Shape:  holds the last response; repeats of the request are answered with it, silently absorbed before there is one.
//! Units:  `Instant`; timer J.
//! Errors: [`ServerNonInvite::respond`] says when a response comes too late and is not sent.
//! Driving: drain [`ServerNonInvite::poll_output`] until `Wait` after every call.
//! Source: RFC 3261 §17.2.2 (with erratum 1470: a final response may come in Trying), RFC 6026 §8.8.

use std::time::Instant;

use super::output::{Disposition, Event, Output, Pending, Step};
use super::timing::Timing;
use crate::flow::Reliability;
use crate::message::StatusCode;

/// Non-INVITE server transaction.
#[derive(Debug)]
pub struct ServerNonInvite {
    state: State,
    pending: Pending,
    timing: Timing,
    reliability: Reliability,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding { provisional: Box<[u8]> },
    Completed { response: Box<[u8]>, timer_j: Instant },
    Terminated,
}

/// Name of a state, for tables and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNonInviteState {
    /// Nothing sent.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// A final response was sent.
    Completed,
    /// Over.
    Terminated,
}

impl ServerNonInvite {
    /// A transaction for a request just received.
    #[must_use]
    pub fn new(reliability: Reliability, timing: Timing) -> Self {
        Self { state: State::Trying, pending: Pending::default(), timing, reliability }
    }

    /// The request came again.
    pub fn handle_repeat(&mut self) -> Disposition {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } => self.pending.transmit(),
            State::Trying | State::Terminated => {}
        }
        Disposition::Absorb
    }

    /// The transport could not send a response. RFC 6026 §8.8: the core is told, the state stays.
    pub fn handle_transport_failed(&mut self) {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } => self.pending.fail(Event::TransportFailed),
            State::Trying | State::Terminated => {}
        }
    }

    /// Takes the time that was asked for; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Completed { timer_j, .. } if timer_j <= now => {
                self.state = State::Terminated;
                self.pending.terminate();
            }
            State::Trying | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// Sends a response of the core. False if a final response went before: this one is not sent.
    pub fn respond(&mut self, status: StatusCode, response: Vec<u8>, now: Instant) -> bool {
        match self.state {
            State::Trying | State::Proceeding { .. } => {
                let response = response.into_boxed_slice();
                self.state = match status.code() {
                    ..200 => State::Proceeding { provisional: response },
                    _ => State::Completed { response, timer_j: now + self.timing.timer_j(self.reliability) },
                };
                self.pending.transmit();
                true
            }
            State::Completed { .. } | State::Terminated => false,
        }
    }

    /// Next output.
    pub fn poll_output(&mut self) -> Output<'_> {
        match self.step() {
            Step::Transmit => Output::Transmit(self.message()),
            Step::Event(event) => Output::Event(event),
            Step::Wait => Output::Wait(self.deadline()),
        }
    }

    /// When [`ServerNonInvite::handle_timeout`] is wanted.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Completed { timer_j, .. } => Some(timer_j),
            State::Trying | State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// The state by name.
    #[must_use]
    pub const fn state(&self) -> ServerNonInviteState {
        match self.state {
            State::Trying => ServerNonInviteState::Trying,
            State::Proceeding { .. } => ServerNonInviteState::Proceeding,
            State::Completed { .. } => ServerNonInviteState::Completed,
            State::Terminated => ServerNonInviteState::Terminated,
        }
    }

    pub(super) fn step(&mut self) -> Step {
        self.pending.next()
    }

    /// The final response and its timer J, out of a machine that is over with it.
    pub(super) fn take_finished(&mut self) -> Option<(Box<[u8]>, Instant)> {
        match std::mem::replace(&mut self.state, State::Terminated) {
            State::Completed { response, timer_j } => Some((response, timer_j)),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The message held for retransmission; empty if there is none.
    pub(super) fn message(&self) -> &[u8] {
        match &self.state {
            State::Proceeding { provisional: bytes } | State::Completed { response: bytes, .. } => bytes,
            State::Trying | State::Terminated => &[],
        }
    }
}
