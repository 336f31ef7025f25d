//! What the layer says of a message that came in, and what it wants done.
//! Shape:  small `Copy` values; `U` is the word of the transaction's owner.
//! Units:  none.
//! Errors: none: a message that fits nothing is an answer too.
//! Source: RFC 3261 §17.1.3, §17.2.3, §9.2; RFC 6026 §8.9.

use std::time::Instant;

use super::key::Key;
#[cfg(doc)]
use super::layer::Layer;
use super::output::Event;
use super::slot::TransactionId;
use crate::flow::Flow;

/// What a request turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<U> {
    /// Belongs to nothing: [`Layer::accept`] it, or answer it without state.
    New {
        /// For [`Layer::accept`].
        request: NewRequest,
        /// What a CANCEL wants to end.
        cancels: Cancels<U>,
    },
    /// An ACK for the dialog: of a 2xx, or of a failure that was answered without state. Never answered.
    Ack {
        /// The INVITE it names; usually none, as the ACK of a 2xx has a branch of its own.
        invite: Option<(TransactionId, U)>,
    },
    /// A repeat. It was absorbed, or the last response goes out again.
    Repeat,
}

/// The target of a CANCEL (RFC 3261 §9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancels<U> {
    /// The request is no CANCEL.
    NotACancel,
    /// It names no INVITE here: answer 481.
    Nothing,
    /// It names this INVITE: answer 200, then the INVITE with 487 if it has no final response yet.
    Invite(TransactionId, U),
}

/// A request not yet accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRequest {
    pub(super) key: Key,
    pub(super) invite: bool,
}

/// What a response turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched<U> {
    /// News for the owner of this transaction.
    Deliver(TransactionId, U),
    /// A repeat, or the answer to a CANCEL of the layer's own.
    Absorbed,
    /// Nobody asked: drop it.
    Unmatched,
}

/// Next output of the layer.
#[derive(Debug, PartialEq, Eq)]
pub enum LayerOutput<'a, U> {
    /// Send these bytes there.
    Transmit {
        /// Where to.
        flow: Flow,
        /// The message; it stays in the table.
        bytes: &'a [u8],
    },
    /// Something happened beside the messages handed up. After `Terminated` the id is void.
    Event {
        /// Which transaction.
        id: TransactionId,
        /// Its owner's word.
        user: U,
        /// What happened.
        event: Event,
    },
    /// Nothing more now: call [`Layer::handle_timeout`] then.
    Wait(Option<Instant>),
}
