//! The media ring: every RTP and RTCP socket of a shard on one io_uring, drained once per 1 ms slot.
//!
//! ```text
//!              1 take completions   2 packets, one by one     3, 4 sends      5 buffers back   6 re-arm
//! MediaRing::slot() ──► Slot::next_packet() ──► Packet::forward ──► Slot::finish ─────────────────────►
//!                                          └──► Slot::send (copied)
//! ```
//! Shape:  one socket per port, bound to a concrete address, and a second one where the first is connected (`line`); multishot receive into provided buffers; sends in place from
//!         the receive buffer. Nothing is allocated between a packet's receive and its send.
//! Units:  slots of 1 ms; sizes in bytes; sums beside each constant.
//! Errors: [`SetupError`] when made, [`OpenError`] per channel; packets fail by [`Counters`], one per reason.
//! Owns:   buffers are the kernel's from step 5 until a completion names them, and ours from there to step 5 of that slot.
//!         Sends name memory of the ring itself, and with `MSG_DONTWAIT` they are over when step 4 returns, so nobody
//!         outlives it. A socket is closed only after its receive has ended.
//! Thread: the ring belongs to the thread that made it (`SINGLE_ISSUER`); raw pointers keep the type `!Send`.
//! Source: `docs/runtime.md`, "The media ring"; io_uring_enter(2) of Linux 6.18.

#![allow(unsafe_code)]

mod buffers;
mod counters;
mod handover;
mod line;
mod media;
mod memory;
mod open;
mod overflow;
mod pools;
mod ports;
mod probe;
mod setup;
mod slot;
mod sockets;
#[cfg(test)]
mod tests;
mod token;

pub use counters::Counters;
pub use handover::Loose;
pub use media::{MediaRing, RELEASES_MAX};
pub use open::{OpenError, Pair};
pub use pools::Pools;
pub use ports::{PortError, PortPool};
pub use probe::{Needs, ProbeError, probe};
pub use setup::{RingConfig, SetupError};
pub use slot::{Packet, Slot};
pub use sockets::{PacketSize, SocketId};
