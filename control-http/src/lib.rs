//! The HTTP/JSON plane: how users and the three programs speak to the SIP and RTP cores.
//!
//! ```text
//!   socket ──► server ──► wire ──► routes ──► json ──► Command ──► SipBackend | RtpBackend (the engine)
//!   Event ──► events (order, retry) ──► json ──► client ──► wire ──► socket ──► control server
//! ```
//! Shape:  one instance of each per executor; nothing here is `Send`. Between a client and a server of one executor the sockets
//!         are left out (`local`).
//! Errors: HTTP status and `{"error","detail"}` outwards, one enum per operation inwards.
//! Not here: any rule of SIP or RTP; only their command and snapshot types are used.
//! Source: `docs/openapi.yaml`.
#![forbid(unsafe_code)]

pub mod client;
pub mod events;
pub mod json;
mod local;
pub mod resolve;
pub mod routes;
pub mod server;
mod watch;
pub mod wire;
