//! UAC side of an INVITE: repeats it until somebody answers, acknowledges failures, lets every 2xx through.
//!
//! ```text
//!   Calling ──1xx──► Proceeding ──3xx-6xx──► Completed ──D──► Terminated
//!      │  └─────────3xx-6xx───────┼────────────►┘ (ACK, and again for each repeat)
//!      ├──2xx──► Accepted ◄──2xx──┘     Accepted ──M──► Terminated
//!      └──B, transport──► Terminated
//! ```
//! Shape:  holds the INVITE until a final response, then the ACK of a failure or nothing.
//! Units:  `Instant`; timers A and B, D, M, and 64 × T1 after a CANCEL (RFC 3261 §9.1).
//! Errors: a request that is no INVITE with the six lines an ACK needs is refused by the constructor.
//! Driving: drain [`ClientInvite::poll_output`] until `Wait` after every call; then take [`ClientInvite::take_cancel`].
//! Not here: the ACK of a 2xx and forked 2xx, which belong to the dialog.
//! Source: RFC 3261 §17.1.1 and §9.1, RFC 6026 §7.2 (Accepted, timer M).

use std::time::Instant;

use super::derive::{self, NotAnInvite};
use super::output::{Disposition, Event, Output, Pending, Step};
use super::timing::{Backoff, Timing};
use crate::flow::Reliability;
use crate::message::StatusCode;

/// INVITE client transaction.
#[derive(Debug)]
pub struct ClientInvite {
    state: State,
    pending: Pending,
    timing: Timing,
    reliability: Reliability,
    /// A CANCEL says that the call was answered elsewhere.
    elsewhere: bool,
}

#[derive(Debug)]
enum State {
    Calling { invite: Box<[u8]>, timer_a: Option<Backoff>, timer_b: Instant, cancel: Cancel },
    Proceeding { invite: Box<[u8]>, cancel: Cancel },
    Completed { ack: Box<[u8]>, timer_d: Instant },
    Accepted { timer_m: Instant },
    Terminated,
}

/// How far a CANCEL has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    /// Asked for; RFC 3261 §9.1 lets it go out only after a provisional response.
    Wanted,
    /// To be taken by the driver.
    Ready,
    /// Given out; without a final response by then the transaction gives up.
    Sent {
        give_up: Instant,
    },
}

/// Name of a state, for tables and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientInviteState {
    /// Sent, nothing heard.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A failure came and was acknowledged.
    Completed,
    /// A 2xx came; more may.
    Accepted,
    /// Over.
    Terminated,
}

impl ClientInvite {
    /// Starts the transaction: the INVITE is the first output.
    ///
    /// # Errors
    /// [`NotAnInvite`] if `invite` lacks a line that the ACK must repeat.
    pub fn new(invite: Vec<u8>, reliability: Reliability, timing: Timing, now: Instant) -> Result<Self, NotAnInvite> {
        derive::check(&invite)?;
        let mut pending = Pending::default();
        pending.transmit();
        let timer_a = match reliability {
            // Timer A has no upper bound of its own: timer B ends the doubling (RFC 3261 §17.1.1.2).
            Reliability::Unreliable => Some(Backoff::new(now, timing.t1, timing.t1x64())),
            Reliability::Reliable => None,
        };
        let state = State::Calling { invite: invite.into_boxed_slice(), timer_a, timer_b: now + timing.t1x64(), cancel: Cancel::No };
        Ok(Self { state, pending, timing, reliability, elsewhere: false })
    }

    /// Takes a response of this transaction: its status, and the value of its To header for the ACK.
    pub fn handle_response(&mut self, status: StatusCode, to: &str, now: Instant) -> Disposition {
        match (&mut self.state, status.code()) {
            (State::Calling { invite, cancel, .. }, ..200) => {
                let cancel = if *cancel == Cancel::Wanted { Cancel::Ready } else { *cancel };
                self.state = State::Proceeding { invite: std::mem::take(invite), cancel };
                Disposition::Deliver
            }
            (State::Proceeding { .. }, ..200) => Disposition::Deliver,
            (State::Calling { .. } | State::Proceeding { .. }, 200..300) => {
                // RFC 6026 §7.2: stay for more 2xx of other branches; repeats are for the dialog to acknowledge.
                self.state = State::Accepted { timer_m: now + self.timing.t1x64() };
                self.pending = Pending::default();
                Disposition::Deliver
            }
            (State::Calling { invite, .. } | State::Proceeding { invite, .. }, _) => {
                let ack = derive::ack(invite, to);
                self.state = State::Completed { ack, timer_d: now + self.timing.timer_d(self.reliability) };
                self.pending.transmit();
                Disposition::Deliver
            }
            (State::Completed { .. }, 300..) => {
                self.pending.transmit();
                Disposition::Absorb
            }
            (State::Accepted { .. }, 200..300) => Disposition::Deliver,
            (State::Completed { .. } | State::Accepted { .. } | State::Terminated, _) => Disposition::Absorb,
        }
    }

    /// The transport could not send the INVITE or the ACK.
    pub fn handle_transport_failed(&mut self) {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } | State::Completed { .. } => {
                self.pending.fail(Event::TransportFailed);
                self.terminate();
            }
            State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// Takes the time that was asked for; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Calling { timer_b: end, .. } | State::Proceeding { cancel: Cancel::Sent { give_up: end }, .. } if *end <= now => {
                self.pending.fail(Event::TimedOut);
                self.terminate();
            }
            State::Calling { timer_a: Some(timer_a), .. } => {
                if timer_a.fire(now) {
                    self.pending.transmit();
                }
            }
            State::Completed { timer_d: end, .. } | State::Accepted { timer_m: end } if *end <= now => self.terminate(),
            State::Calling { timer_a: None, .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// Asks for a CANCEL. It goes out now, or after the first provisional response. False if a final response came first.
    pub fn cancel(&mut self) -> bool {
        match &mut self.state {
            State::Calling { cancel, .. } => {
                *cancel = Cancel::Wanted;
                true
            }
            State::Proceeding { cancel, .. } => {
                if *cancel == Cancel::No {
                    *cancel = Cancel::Ready;
                }
                true
            }
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => false,
        }
    }

    /// As [`ClientInvite::cancel`]; the CANCEL says that the call was answered elsewhere (RFC 3326).
    pub fn cancel_elsewhere(&mut self) -> bool {
        self.elsewhere = true;
        self.cancel()
    }

    /// The CANCEL to send now, once: the driver starts a [`super::ClientNonInvite`] with it.
    pub fn take_cancel(&mut self, now: Instant) -> Option<Box<[u8]>> {
        match &mut self.state {
            State::Proceeding { invite, cancel } if *cancel == Cancel::Ready => {
                *cancel = Cancel::Sent { give_up: now + self.timing.t1x64() };
                Some(derive::cancel(invite, self.elsewhere))
            }
            _ => None,
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

    /// When [`ClientInvite::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { timer_a, timer_b, .. } => Some(timer_a.map_or(*timer_b, |timer_a| timer_a.at().min(*timer_b))),
            State::Proceeding { cancel: Cancel::Sent { give_up }, .. } => Some(*give_up),
            State::Completed { timer_d: end, .. } | State::Accepted { timer_m: end } => Some(*end),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// The state by name.
    #[must_use]
    pub const fn state(&self) -> ClientInviteState {
        match self.state {
            State::Calling { .. } => ClientInviteState::Calling,
            State::Proceeding { .. } => ClientInviteState::Proceeding,
            State::Completed { .. } => ClientInviteState::Completed,
            State::Accepted { .. } => ClientInviteState::Accepted,
            State::Terminated => ClientInviteState::Terminated,
        }
    }

    /// Whether its end was asked for before anything was heard.
    pub(super) const fn is_cancelled(&self) -> bool {
        matches!(self.state, State::Calling { cancel: Cancel::Wanted, .. })
    }

    pub(super) fn step(&mut self) -> Step {
        self.pending.next()
    }

    /// The message held for retransmission; empty once there is none.
    pub(super) fn message(&self) -> &[u8] {
        match &self.state {
            State::Calling { invite: bytes, .. } | State::Proceeding { invite: bytes, .. } | State::Completed { ack: bytes, .. } => bytes,
            State::Accepted { .. } | State::Terminated => &[],
        }
    }

    fn terminate(&mut self) {
        self.state = State::Terminated;
        self.pending.terminate();
    }
}
