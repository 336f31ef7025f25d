//! UAC side of any request but INVITE and ACK: repeats it until a final response.
//!
//! ```text
//!   Trying ──1xx──► Proceeding ──2xx-6xx──► Completed ──K──► Terminated
//!      ├──2xx-6xx──────────┼───────────────►┘
//!      └──F, transport─────┴──► Terminated
//! ```
//! Shape:  holds the request until a final response, nothing after it.
//! Units:  `Instant`; timers E and F, K.
//! Errors: none; time-out and transport failure are events.
//! Driving: drain [`ClientNonInvite::poll_output`] until `Wait` after every call.
//! Source: RFC 3261 §17.1.2.

use std::time::Instant;

use super::output::{Disposition, Event, Output, Pending, Step};
use super::timing::{Backoff, Timing};
use crate::flow::Reliability;
use crate::message::StatusCode;

/// Non-INVITE client transaction.
#[derive(Debug)]
pub struct ClientNonInvite {
    state: State,
    pending: Pending,
    timing: Timing,
    reliability: Reliability,
}

#[derive(Debug)]
enum State {
    Trying(Repeating),
    Proceeding(Repeating),
    Completed { timer_k: Instant },
    Terminated,
}

#[derive(Debug)]
struct Repeating {
    request: Box<[u8]>,
    timer_e: Option<Backoff>,
    timer_f: Instant,
}

/// Name of a state, for tables and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientNonInviteState {
    /// Sent, nothing heard.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came.
    Completed,
    /// Over.
    Terminated,
}

impl ClientNonInvite {
    /// Starts the transaction: the request is the first output.
    #[must_use]
    pub fn new(request: Vec<u8>, reliability: Reliability, timing: Timing, now: Instant) -> Self {
        let mut pending = Pending::default();
        pending.transmit();
        let timer_e = match reliability {
            Reliability::Unreliable => Some(Backoff::new(now, timing.t1, timing.t2)),
            Reliability::Reliable => None,
        };
        let repeating = Repeating { request: request.into_boxed_slice(), timer_e, timer_f: now + timing.t1x64() };
        Self { state: State::Trying(repeating), pending, timing, reliability }
    }

    /// Takes a response of this transaction by its status.
    pub fn handle_response(&mut self, status: StatusCode, now: Instant) -> Disposition {
        match (std::mem::replace(&mut self.state, State::Terminated), status.code()) {
            (State::Trying(mut repeating) | State::Proceeding(mut repeating), ..200) => {
                // RFC 3261 §17.1.2.2: the next E runs as it was set, those after it at T2.
                if let Some(timer_e) = &mut repeating.timer_e {
                    timer_e.slow_down();
                }
                self.state = State::Proceeding(repeating);
                Disposition::Deliver
            }
            (State::Trying(_) | State::Proceeding(_), _) => {
                self.state = State::Completed { timer_k: now + self.timing.timer_k(self.reliability) };
                self.pending = Pending::default();
                Disposition::Deliver
            }
            (state @ (State::Completed { .. } | State::Terminated), _) => {
                self.state = state;
                Disposition::Absorb
            }
        }
    }

    /// The transport could not send the request.
    pub fn handle_transport_failed(&mut self) {
        match self.state {
            State::Trying(_) | State::Proceeding(_) => {
                self.pending.fail(Event::TransportFailed);
                self.terminate();
            }
            State::Completed { .. } | State::Terminated => {}
        }
    }

    /// Takes the time that was asked for; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Trying(repeating) | State::Proceeding(repeating) => {
                if repeating.timer_f <= now {
                    self.pending.fail(Event::TimedOut);
                    self.terminate();
                } else if repeating.timer_e.as_mut().is_some_and(|timer_e| timer_e.fire(now)) {
                    self.pending.transmit();
                }
            }
            State::Completed { timer_k } if *timer_k <= now => self.terminate(),
            State::Completed { .. } | State::Terminated => {}
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

    /// When [`ClientNonInvite::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying(repeating) | State::Proceeding(repeating) => {
                Some(repeating.timer_e.map_or(repeating.timer_f, |timer_e| timer_e.at().min(repeating.timer_f)))
            }
            State::Completed { timer_k } => Some(*timer_k),
            State::Terminated => None,
        }
    }

    /// The state by name.
    #[must_use]
    pub const fn state(&self) -> ClientNonInviteState {
        match self.state {
            State::Trying(_) => ClientNonInviteState::Trying,
            State::Proceeding(_) => ClientNonInviteState::Proceeding,
            State::Completed { .. } => ClientNonInviteState::Completed,
            State::Terminated => ClientNonInviteState::Terminated,
        }
    }

    pub(super) fn step(&mut self) -> Step {
        self.pending.next()
    }

    /// The message held for retransmission; empty once there is none.
    pub(super) fn message(&self) -> &[u8] {
        match &self.state {
            State::Trying(repeating) | State::Proceeding(repeating) => &repeating.request,
            State::Completed { .. } | State::Terminated => &[],
        }
    }

    fn terminate(&mut self) {
        self.state = State::Terminated;
        self.pending.terminate();
    }
}
