//! What the front shard asks of a media shard, and the answers.
//!
//! ```text
//!   Command ─▶ Reply           Release ─▶ Parcel ─▶ Adopt, of another shard ─▶ Done           Farewell ─▶ Done, and the ends as events
//! ```
//! Shape:  owned values that cross threads; a [`Parcel`] has the channel's state and its sockets in it.
//! Errors: `CommandError`; a parcel that cannot be taken in comes back ([`Served::Refused`]), for the channel still lives.

use rtp::api::{ChannelId, Command, CommandError, Reply};
use rtp::media::Moved;

use crate::ring::Loose;

/// What is asked.
#[derive(Debug)]
pub enum Request {
    /// What the API asks.
    Command(Command),
    /// Gives a channel out, to another shard. It is taken out of its mix at once, and out of the shard a slot or two later.
    Release(ChannelId),
    /// Takes a channel in.
    Adopt(Box<Parcel>),
    /// Closes every channel, some in each slot: the process ends.
    Farewell,
}

/// A channel between two shards: in a queue, or in the hands of the front.
#[derive(Debug)]
pub struct Parcel {
    /// Its state.
    pub moved: Box<Moved>,
    /// Its sockets. Packets meanwhile wait in them.
    pub loose: Box<Loose>,
}

/// What was done.
#[derive(Debug)]
pub enum Served {
    /// A command, or an adoption (`Done`).
    Reply(Reply),
    /// A release.
    Parcel(Box<Parcel>),
    /// An adoption was not possible.
    Refused(Box<Parcel>, CommandError),
}

/// Answer to a [`Request`].
pub type Answer = Result<Served, CommandError>;
