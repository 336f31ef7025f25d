//! A media shard: the ring, the tick and the media machine, and the commands that come over the mesh.
//!
//! ```text
//! each slot: commands ──► ring: packets ──► Machine::receive ──► forwarded in place
//!                         Machine::run ──► transmits, copied ──► ring: sends      outputs ──► events, sockets closed
//! ```
//! Shape:  one task of the shard's executor. No channel, no tick: it sleeps until a command comes.
//! Units:  slots of 1 ms. Commands get a third of a slot at most, so that none delays packets for long.
//! Errors: as answers to commands; a ring that cannot be made is told before the shard is ready.
//! Not here: what is done to media (`rtp`), which shard a channel goes to (`node`).

mod admission;
mod machine;
mod moves;
mod request;
mod shard;
#[cfg(test)]
mod tests;

pub use machine::Machine;
pub use request::{Answer, Parcel, Request, Served};
pub use shard::{Interface, MediaServer, MediaShard, Setup};
