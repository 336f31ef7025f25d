//! Load generators, test phones and measuring programs.
//!
//! ```text
//!   Phone ── sip ──► the switch ◄── sip ── Phone          demo, end-to-end tests
//!     └─ RtpPeer: a tone out, an Ear in
//! ```
//! These are peers of the switch, not parts of it: blocking sockets, own RTP header code, so that a mistake of the
//! switch is not repeated by what checks it.

pub mod ear;
pub mod phone;
pub mod process;
pub mod rtp_peer;
