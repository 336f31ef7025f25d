//! Connections that carry SIP: how bytes become messages, what may wait to be written, when a connection is dead.
//!
//! ```text
//!   accept, connect ─► Streams::open ─► handle_bytes ─► poll_message ─► endpoint        queue ─► front ─► wrote
//!                        │ 16 384 in all, 2048 of a source          └► pong, close        └► full, stuck: close
//! ```
//! Shape:  [`Streams`] is a shard's table; a [`Stream`] is one connection. No socket here: the engine reads and writes.
//! Units:  bytes, `Instant`; limits in [`StreamLimits`], each with its sum.
//! Errors: [`Refused`] for a new connection, [`CloseReason`] for one that has to end; each is counted.
//! Driving: after `handle_bytes` take messages until `None`, then look at `front`; call `handle_timeout` once a second.
//! Not here: TLS and WebSocket. They would sit between the socket and `handle_bytes`, and change nothing else.
//! Source: RFC 3261 §18, §7.5; RFC 5626 §3.5.1 (ping, pong), §4.4.1.

mod limits;
mod stream;
mod streams;
#[cfg(test)]
mod tests;

pub use limits::{CloseReason, Refused, StreamLimits, StreamStats};
pub use stream::{Origin, Stream};
pub use streams::{StreamId, Streams};
