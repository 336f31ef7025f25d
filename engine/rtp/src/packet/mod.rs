//! RTP and RTCP on the wire, checked while they are read.
//!
//! ```text
//!   datagram ──demux──► Kind::{Stun, Dtls, Rtp, Rtcp, Other}
//!   RtpHeader::parse ──► fields and the range of the payload ──► RtpHeader::write in front of it
//!   rtcp::Reports::parse ──► what the far end says;  rtcp::write_report ──► what we say
//! ```
//! Shape:  views by offset, so that a packet can be rewritten where it lies.
//! Units:  timestamps in ticks of the payload's clock.
//! Errors: [`PacketError`] says which check failed; the callers count it.
//! Source: RFC 3550 §5, §6; RFC 7983 §7; RFC 5761 §4.

mod demux;
pub mod rtcp;
mod rtp;

pub use demux::{Kind, demux};
pub use rtp::{HEADER_LEN, PacketError, RtpHeader, RtpView};
