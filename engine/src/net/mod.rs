//! SIP sockets: UDP, one per address, IPv4 and IPv6, read in batches; TCP beside each.
//!
//! ```text
//! idle: await a datagram ──► recvmmsg, handle, sendmmsg ──► took two or more: 1 ms, again ──► else idle
//! ```
//! Shape:  [`Listener::bind`], then [`Listener::run`] as a task of the shard; answers go through [`Listener::queue`] and
//!         [`Listener::flush`], also from other tasks. An idle socket costs nothing, a busy one 5 µs a message.
//! Units:  receive buffer 4 MiB: 5000 messages of 800 bytes, a second of registrations after a restart.
//! Errors: [`rt::BindError`] names the address and the remedy. Later the kernel's refusals are counted in [`Counters`].
//! Not here: what the messages say (`sip`), TLS.
//! Source: `docs/runtime.md`, "SIP and HTTP".

mod listener;
mod streams;

pub use listener::{Counters, Handler, Listener, RECEIVE_BUFFER};
pub use streams::StreamSet;
