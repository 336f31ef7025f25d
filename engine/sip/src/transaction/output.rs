//! What the four machines give back, and the small store of what they have not given yet.
//! Shape:  at most one message to send, one failure and one end are pending at a time; the message stays in the machine.
//! Units:  none.
//! Errors: none.
//! Order:  the message first, then the failure, then the end. [`Event::Terminated`] comes last and once.

use std::time::Instant;

/// Next output of a machine. After every `handle_*` and every command drain it until `Wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send these bytes; they stay in the machine for its retransmissions.
    Transmit(&'a [u8]),
    /// Tell the transaction user.
    Event(Event),
    /// Nothing more now. Call `handle_timeout` at this time, or never.
    Wait(Option<Instant>),
}

/// What a transaction tells its user beside the messages it hands up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The far end did not answer in time: timer B or F, timer H (no ACK), or no final response 64 × T1 after CANCEL.
    TimedOut,
    /// The transport could not send (RFC 3261 §17.1.4, §17.2.4).
    TransportFailed,
    /// The transaction is over and forgets its messages. Always the last event.
    Terminated,
}

/// What to do with the message just handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is news: hand it to the transaction user.
    Deliver,
    /// It is a repeat or means nothing here: the machine has dealt with it.
    Absorb,
}

/// Output that waits to be polled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    transmit: bool,
    failure: Option<Event>,
    terminated: bool,
}

/// One step of draining, without the borrow of the message: the machine adds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Transmit,
    Event(Event),
    Wait,
}

impl Pending {
    pub(super) fn transmit(&mut self) {
        self.transmit = true;
    }

    pub(super) fn fail(&mut self, event: Event) {
        self.failure = Some(event);
    }

    /// The machine is over. A message not yet sent goes with it.
    pub(super) fn terminate(&mut self) {
        self.transmit = false;
        self.terminated = true;
    }

    pub(super) fn next(&mut self) -> Step {
        if std::mem::take(&mut self.transmit) {
            Step::Transmit
        } else if let Some(event) = self.failure.take() {
            Step::Event(event)
        } else if std::mem::take(&mut self.terminated) {
            Step::Event(Event::Terminated)
        } else {
            Step::Wait
        }
    }
}
