//! Bounded queues between shards: commands to a media or signalling shard, answers and events back; messages between signalling shards.
//!
//! ```text
//! front shard: Caller::ask ──► [256] ──► Server::next_command  media shard, read at each slot
//!              Caller::run ◄── [256 answers] [1024 events] ◄── Server::answer, Server::event, then one Server::flush
//! signalling shard: Peers::send, flush ──► [8192] ──► Peers::pop of each other one
//! ```
//! Shape:  nothing else is shared between shards. One queue per ordered pair and kind, single producer, single consumer, fixed size.
//! Units:  items. 256 commands is 256 API calls in one millisecond; 1024 events is every channel of a shard reporting within a slot or two.
//! Errors: a full queue returns the item ([`AskError::Full`]): the caller answers 503 and nothing is lost in silence.
//! Wakes:  a push wakes a sleeping shard only; towards a ticking one it costs no system call.
//! Relies on: `rt::signal`, whose waiter registers, looks again, then sleeps. No wake can be lost.

mod calls;
mod peers;
mod queue;

pub use calls::{AskError, CallId, Caller, CallerEnd, Server, pair};
pub use peers::{PEER_BACKLOG_MAX, PEER_DATAGRAMS_MAX, PEER_ITEMS_MAX, PeerCounters, PeerEnds, Peers, peers};
pub use queue::{Full, Receiver, Sender, link};

/// Commands in flight from one shard to another, and answers back: one millisecond's worth at 256 000 a second.
pub const CALLS_MAX: usize = 256;
/// Events on their way back.
pub const EVENTS_MAX: usize = 1024;
