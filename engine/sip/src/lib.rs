//! SIP as state machines: messages, transactions, dialogs, registrar, digest, SDP. No I/O, no clock.
#![forbid(unsafe_code)]

pub mod api;
pub mod auth;
pub mod defence;
pub mod dialog;
pub mod directory;
pub mod endpoint;
pub mod flow;
pub mod locate;
pub mod message;
pub mod package;
pub mod registrar;
pub mod sdp;
pub mod selftest;
pub mod shard;
pub mod timer;
pub mod token;
pub mod transaction;
pub mod transport;
pub mod trunk;
