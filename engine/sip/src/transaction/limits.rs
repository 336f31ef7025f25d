//! How much a transaction layer may hold, and how it says that it is full.
//! Shape:  two numbers, and the share of them that each kind of beginning may fill; the sum of it stands at [`Limits`].
//! Units:  transactions, bytes.
//! Errors: [`StartError`] and [`AcceptError`], before anything was changed.
//! Source: docs/architecture.md (budgets).

use super::derive::NotAnInvite;

/// How much a layer may hold.
///
/// A live transaction is a slot (272 B with an owner's word of 8), an entry of the map (21 B), of the wheel (40 B) and of the
/// ready list (4 B), and one message. One that is finished, as a REGISTER is as soon as it is answered, is 96 B, an entry of
/// the map, and its response, about 400 B. Tables double as they grow, so at worst they have twice the room in use.
/// `tests/memory.rs` counts both.
///
/// The default is for a whole server ([`Limits::for_server`] has it for less): 12 500 REGISTERs a second stay 32 s each, which
/// is 400 000 of them in three quarters of 533 000. Full of those, it holds 533 000 × (2 × 117 + 400) B = 322 MiB; there are
/// no more than 40 000 slots beside them until calls are refused, another 40 MiB.
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
        Self::for_server(usize::MAX, 20_000)
    }
}

impl Limits {
    /// What so many phones and so many calls need.
    #[must_use]
    pub const fn for_server(registrations: usize, calls: usize) -> Self {
        let registering = if registrations < REGISTERING_MAX { registrations } else { REGISTERING_MAX };
        let (for_phones, for_calls) = (registering / 3 * 4, calls.saturating_mul(OF_A_CALL * 4));
        let most = if for_phones > for_calls { for_phones } else { for_calls };
        let transactions = if most > LEAST { most } else { LEAST };
        Self { transactions, bytes: transactions.saturating_mul(MESSAGE) }
    }

    /// The part of one shard of several.
    #[must_use]
    pub const fn shared(self, shards: usize) -> Self {
        Self { transactions: self.transactions.div_ceil(shards), bytes: self.bytes.div_ceil(shards) }
    }

    /// Whether work of this kind may begin beside so many transactions and bytes.
    pub(super) const fn leave_room(&self, work: Work, transactions: usize, bytes: usize) -> bool {
        let eighths = work.eighths();
        transactions < self.transactions / 8 * eighths && bytes < self.bytes / 8 * eighths
    }
}

/// What may have to wait for room. The rest, which is what belongs to a call or subscription or is asked by us, may fill the
/// table, and then takes the place of the oldest answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Begins nothing that lasts: REGISTER, OPTIONS, MESSAGE, and SUBSCRIBE and PUBLISH outside a dialog.
    Light,
    /// A new call.
    Call,
}

impl Work {
    /// Of the table. What is light comes back in half a minute, so a storm of it stops first; a quarter is left to calls, half
    /// of that to those which are there.
    const fn eighths(self) -> usize {
        match self {
            Self::Light => 6,
            Self::Call => 7,
        }
    }
}

/// 12 500 a second, for the 32 s of timer J. A phone has one REGISTER in that time.
const REGISTERING_MAX: usize = 12_500 * 32;
/// Of a call within 32 s: an INVITE on each leg, a re-INVITE, a BYE on each, and one to spare. The quarter above `Light` holds them.
const OF_A_CALL: usize = 6;
/// For servers of a few phones: 2000 requests a second of anybody, as OPTIONS or from scripts, in 12 MiB.
const LEAST: usize = 16_384;
/// Bytes of a message, on average: a 200 to REGISTER is about 400, an INVITE with a description 900, and most are the former.
const MESSAGE: usize = 512;

/// Why a client transaction did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The table or its memory is full of what still lives.
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
    /// The table or its memory is full of what still lives: answer 503 without state.
    #[error("no free transaction: all {max} are in use or their memory is")]
    Full {
        /// Most allowed.
        max: usize,
    },
    /// The same request was accepted before.
    #[error("this request has a transaction already")]
    Exists,
}
