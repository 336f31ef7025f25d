//! How many connections, how much waits on them, how long: the numbers of [`Streams`](super::Streams).
//! Shape:  plain data.
//! Units:  bytes, `Duration`.
//! Errors: [`Refused`], [`CloseReason`]: the words of counters.
//! Source: RFC 5626 §4.4.1 (a pong within 10 s, pings 95 to 120 s apart); RFC 3261 §18.3.

use std::time::Duration;

use crate::message::FrameError;

/// What a shard allows its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections in all. Each is 300 bytes idle: 16 384 × 300 B = 5 MiB, and what [`StreamLimits::bytes`] allows.
    pub connections: usize,
    /// Connections of one source address: an office of 2000 phones behind one NAT still fits.
    pub per_source: usize,
    /// Bytes received and not yet a message, and bytes waiting to be written, of all connections together.
    pub bytes: usize,
    /// Bytes that may wait to be written on one connection: 64 messages of 4 KiB.
    pub queue: usize,
    /// A new connection says something whole within this time, and a message that has begun is whole within it.
    pub message_within: Duration,
    /// What waits to be written moves within this time.
    pub write_within: Duration,
    /// Nothing received for so long: over. Phones that are registered are asked each 30 s, so theirs never are.
    pub idle: Duration,
    /// We ping a connection that we opened after so much silence.
    pub ping_every: Duration,
    /// A peer that has ever answered a ping answers this one in time.
    pub pong_within: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            per_source: 2048,
            bytes: 64 << 20,
            queue: 256 << 10,
            message_within: Duration::from_secs(10),
            write_within: Duration::from_secs(10),
            idle: Duration::from_secs(900),
            ping_every: Duration::from_secs(95),
            pong_within: Duration::from_secs(10),
        }
    }
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// All places are taken.
    #[error("too many connections")]
    Full,
    /// This source has its share.
    #[error("too many connections of one source")]
    Source,
    /// There is one between these two addresses.
    #[error("the connection exists")]
    Exists,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The far end, or the network, ended it.
    #[error("closed by the peer")]
    Peer,
    /// It could not be opened.
    #[error("no connection")]
    Unreachable,
    /// What came cannot be cut into messages.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// What came is no SIP.
    #[error("no SIP")]
    Garbage,
    /// No whole message in time.
    #[error("no message in time")]
    Slow,
    /// The peer does not read.
    #[error("the peer does not read")]
    Stuck,
    /// More waits to be written than allowed.
    #[error("write queue full")]
    QueueFull,
    /// All connections together hold too much.
    #[error("too many bytes held")]
    Memory,
    /// Silent for too long.
    #[error("idle")]
    Idle,
    /// A ping stayed without its pong.
    #[error("ping unanswered")]
    NoPong,
    /// We stop.
    #[error("shutdown")]
    Shutdown,
}

/// What happened to the connections of a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Live now.
    pub live: u64,
    /// Bytes held now.
    pub bytes: u64,
    /// Taken from others.
    pub accepted: u64,
    /// Opened by us.
    pub dialled: u64,
    /// Not taken, for want of room.
    pub refused: u64,
    /// Ended by the peer.
    pub closed_by_peer: u64,
    /// Could not be opened.
    pub unreachable: u64,
    /// Ended for what they sent.
    pub garbage: u64,
    /// Ended for sending too slowly, or nothing.
    pub slow: u64,
    /// Ended for not reading.
    pub stuck: u64,
    /// Ended for silence.
    pub idle: u64,
    /// Pings answered.
    pub pongs: u64,
}

impl StreamStats {
    pub(super) fn count(&mut self, reason: CloseReason) {
        let counter = match reason {
            CloseReason::Peer | CloseReason::Shutdown => &mut self.closed_by_peer,
            CloseReason::Unreachable => &mut self.unreachable,
            CloseReason::Frame(_) | CloseReason::Garbage => &mut self.garbage,
            CloseReason::Slow => &mut self.slow,
            CloseReason::Stuck | CloseReason::QueueFull | CloseReason::Memory => &mut self.stuck,
            CloseReason::Idle | CloseReason::NoPong => &mut self.idle,
        };
        *counter += 1;
    }
}
