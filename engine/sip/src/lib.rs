//! SIP as state machines: messages, transactions, dialogs, registrar, digest, SDP. No I/O, no clock.
#![forbid(unsafe_code)]

pub mod api;
pub mod auth;
pub mod directory;
pub mod sdp;
