//! The four transactions of SIP and the table that holds a shard's.
//!
//! ```text
//!   message ──► Layer (key ──► slot) ──► ClientInvite | ClientNonInvite | ServerInvite | ServerNonInvite
//!                  │ new request, response to deliver, ACK of a 2xx        │ bytes again, time-out, end
//!                  ▼ returned by handle_*                                  ▼ poll_output
//! ```
//! Shape:  [`Layer`] is what the endpoint uses; the machines work alone as well, and tests drive them so.
//! Units:  `Instant`; timers by their RFC letter in [`Timing`].
//! Errors: [`Full`](StartError::Full) when a limit is reached; time-out and transport failure are [`Event`]s.
//! Not here: reading messages (`message`), 2xx and its ACK (`dialog`), what to answer (`endpoint`).
//! Source: RFC 3261 §17, RFC 6026, RFC 4320.

mod client_invite;
mod client_non_invite;
mod derive;
mod finished;
mod found;
mod key;
mod layer;
mod limits;
mod output;
mod server_invite;
mod server_non_invite;
mod siphash;
mod slot;
mod timing;

pub use client_invite::{ClientInvite, ClientInviteState};
pub use client_non_invite::{ClientNonInvite, ClientNonInviteState};
pub use derive::NotAnInvite;
pub use found::{Cancels, Incoming, LayerOutput, Matched, NewRequest};
pub use key::{Key, KeyMaker, RequestHead, ResponseHead};
pub use layer::Layer;
pub use limits::{AcceptError, Limits, StartError, Work};
pub use output::{Disposition, Event, Output};
pub use server_invite::{ServerInvite, ServerInviteState};
pub use server_non_invite::{ServerNonInvite, ServerNonInviteState};
pub(crate) use siphash::SipHash;
pub use slot::TransactionId;
pub use timing::{Backoff, T1, T2, T4, Timing};

#[cfg(test)]
mod tests;
