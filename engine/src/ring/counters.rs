//! What a ring has seen and lost since it was made.

/// One number per reason; none is ever reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets handed to the shard.
    pub received: u64,
    /// Packets queued for sending, including those that failed later.
    pub sent: u64,
    /// Packets not sent because the socket's send buffer was full, or the ring could not take them.
    pub tx_dropped: u64,
    /// Packets that the kernel refused for another reason: no route, not permitted, too long.
    pub tx_refused: u64,
    /// Packets longer than a buffer of their socket's group; dropped.
    pub truncated: u64,
    /// Packets that the kernel dropped because a socket's receive buffer was full.
    pub overflowed: u64,
    /// Packets of a channel that was closed meanwhile, or from an address of no known family; dropped.
    pub stale: u64,
    /// Receives that ended because all buffers were in use. Nothing is lost by it: packets wait in the socket.
    pub no_buffers: u64,
    /// Receives that ended with another error.
    pub receive_errors: u64,
    /// Receives armed again after they ended.
    pub rearmed: u64,
    /// Submissions that the kernel put off or refused.
    pub submit_errors: u64,
}
