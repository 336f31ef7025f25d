//! The absence of speech: telling it, describing it, filling it, and taking out what is not sound at all.
//!   frame ─► Vad ─► speech or not          Background ─► Sid ─► RFC 3389 payload ─► Sid ─► Comfort ─► frame
//!   frame ─► DcFilter ─► the same without its mean
//! Shape:  frames of any length; each of these is the state of one channel.
//! Units:  levels in -dBov as RTP carries them; sample rates in Hz.
//! Errors: a payload without a level is none (`None`).
//! Source: RFC 3389.

mod comfort;
mod dc;
mod sid;
mod vad;

pub use comfort::Comfort;
pub use dc::DcFilter;
pub use sid::{Background, ORDER_MAX, Sid};
pub use vad::Vad;
