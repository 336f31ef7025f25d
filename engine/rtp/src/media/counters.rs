//! Why packets were not used, and what a shard did, in all.
//!
//! Shape:  one counter per reason; shown by `GET /status` and `/metrics` under the names here.
//! Units:  packets since start.

/// Counters of a shard.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    /// Received on any port of a channel.
    pub received: u64,
    /// Sent from the buffer they came in.
    pub forwarded: u64,
    /// Sent after transcoding in a batch.
    pub transcoded: u64,
    /// For a channel that is closed.
    pub stale: u64,
    /// Neither RTP nor RTCP, or malformed.
    pub malformed: u64,
    /// STUN, which nobody here answers yet.
    pub stun: u64,
    /// DTLS, likewise.
    pub dtls: u64,
    /// From a source that the check refused.
    pub badsource: u64,
    /// More of one source in a slot than a channel takes.
    pub flood: u64,
    /// RTCP packets taken.
    pub rtcp: u64,
    /// Transcoding that did not fit the slot or the network.
    pub overrun: u64,
    /// Channels opened.
    pub opened: u64,
}

impl Counters {
    /// Names and values, in the order they are shown.
    pub const fn list(&self) -> [(&'static str, u64); 12] {
        [
            ("packets_received", self.received),
            ("packets_forwarded", self.forwarded),
            ("packets_transcoded", self.transcoded),
            ("packets_stale", self.stale),
            ("packets_malformed", self.malformed),
            ("packets_stun", self.stun),
            ("packets_dtls", self.dtls),
            ("packets_badsource", self.badsource),
            ("packets_flood", self.flood),
            ("packets_rtcp", self.rtcp),
            ("packets_overrun", self.overrun),
            ("channels_opened", self.opened),
        ]
    }
}
