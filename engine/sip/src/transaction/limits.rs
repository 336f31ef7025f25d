//! How much a transaction layer may hold, and how it says that it is full.
//! Shape:  two numbers; the sum of what they allow stands at [`Limits`].
//! Units:  transactions, bytes.
//! Errors: [`StartError`] and [`AcceptError`], before anything was changed.
//! Source: docs/architecture.md (budgets).

use super::derive::NotAnInvite;
use super::slot::TransactionId;

/// How much a layer may hold.
///
/// A transaction is a slot (272 B with an owner's word of 8), an entry of the map (33 B), of the wheel (40 B) and of the
/// ready list (4 B), and one message. Tables double as they grow, so at worst they have twice the room in use. With the
/// defaults that is 65 536 × 2 × 349 B + 64 MiB = 108 MiB at most, 1.7 KiB each: enough for 2000 transactions a second
/// that all stay their 32 s. `tests/memory.rs` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Live transactions.
    pub transactions: usize,
    /// Bytes of messages held for retransmission. Reached: nothing new starts; responses to what lives still go out, each
    /// replacing one before it, so the sum stays within one message more per transaction.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { transactions: 65_536, bytes: 64 << 20 }
    }
}

/// Why a client transaction did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The table or its memory is full.
    #[error("no free transaction: {live} of {max}, {bytes} bytes held")]
    Full {
        /// Live now.
        live: usize,
        /// Most allowed.
        max: usize,
        /// Bytes held.
        bytes: usize,
    },
    /// The INVITE cannot be acknowledged.
    #[error(transparent)]
    NotAnInvite(#[from] NotAnInvite),
}

/// Why a server transaction did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The table or its memory is full: answer 503 without state.
    #[error("no free transaction: all {max} are in use or their memory is")]
    Full {
        /// Most allowed.
        max: usize,
    },
    /// The same request was accepted before.
    #[error("this request has a transaction already")]
    Exists(TransactionId),
}
