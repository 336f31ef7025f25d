//! Load generators, test phones and measuring programs.
//!
//! ```text
//!   Phone ── sip ──► the switch ◄── sip ── Phone          demo, end-to-end tests
//!     └─ RtpPeer: a tone out, an Ear in
//!   load ── RTP of thousands of phones ──► project-rtp or a bare forwarder ──► load          bench: figures
//! ```
//! These are peers of the switch, not parts of it: blocking sockets, own RTP header code, so that a mistake of the
//! switch is not repeated by what checks it.

pub mod api;
pub mod bench;
pub mod ear;
pub mod load;
pub mod phone;
pub mod process;
pub mod rtp_peer;
pub mod rtp_socket;
