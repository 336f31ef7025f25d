//! Dialogs: what two ends of a call remember of each other, and what either may do next.
//!
//! ```text
//!   INVITE received ──► Dialog::uas ─┐                       ┌─ InviteUsage   which INVITE is open, 2xx and its ACK
//!   Invitation (INVITE sent) ──1xx, 2xx──► Dialog (per fork) ┼─ Negotiation   who may offer, who must answer
//!                                        └► request, ack, respond: messages begun for the caller to finish
//! ```
//! Shape:  a [`Dialog`] is 0.5 KiB and its texts, at most [`DIALOG_BYTES_MAX`]; an [`Invitation`] has at most [`FORKS_MAX`].
//! Units:  `Instant`; CSeq numbers as `u32`.
//! Errors: [`DialogError`] for messages that make no dialog, [`Refusal`] for those that break its order.
//! Driving: told of every message of the dialog that was sent or received, in order; of the time for the 2xx alone.
//! Not here: transactions (`transaction`), session descriptions (`sdp`), what a call wants (`endpoint`).
//! Source: RFC 3261 §12 to §15, RFC 3262, RFC 3264, RFC 4028, RFC 6026, RFC 6141 §4, RFC 6337.

mod error;
mod hop;
mod invitation;
mod invite;
mod negotiation;
mod reliable;
mod route;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod write;

pub use error::{DialogError, Refusal};
pub use hop::{Hop, MAX_FORWARDS};
pub use invitation::{FORKS_MAX, Heard, Invitation};
pub use invite::{AckWait, Hangup, InviteUsage};
pub use negotiation::{Answer, Must, Negotiation};
pub use reliable::{RAck, ReliableDue, ReliableHeard, ReliableIn, ReliableOut};
pub use route::RouteSet;
pub use session::{Agreed, MIN_SE_S, SessionDue, SessionOffer, SessionTimer, Side, expires_value};
pub use state::{DIALOG_BYTES_MAX, Dialog, DialogState, Role};
