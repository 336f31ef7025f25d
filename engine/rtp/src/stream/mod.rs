//! One RTP stream: its numbers, what is known of one we receive, and the one we send.
//!
//! ```text
//!   packet ──► ReceiveStream ──► Arrival (in order, reordered, duplicate, late, restarted) + loss, jitter
//!   packet of any source ──► SendStream + Anchor ──► our SSRC, our sequence, our timestamp
//! ```
//! Shape:  plain values without allocation.
//! Units:  as the newtypes say.
//! Errors: none; what is odd is counted.
//! Source: RFC 3550 §5.1, §6.4.1, A.1, A.3, A.8.

mod numbers;
mod overtaking;
mod receive;
mod send;

pub use numbers::{ExtendedSequence, PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
pub use overtaking::Overtaking;
pub use receive::{Arrival, Loss, ReceiveStream};
pub use send::{Anchor, SendStream, SourcePacket};
