//! Figures of a channel and of the process, as the API shows them.
//!
//! Shape:  plain data; `None` is "not known", and `null` in JSON.
//! Units:  in the names; counts are packets, `bytes` are those of RTP packets without UDP and IP.
//! Who:    `rtp` fills all of [`Stats`] but `tick`; the driver measures time, so it fills that and [`Load`].
//! Source: RFC 3550 §6.4.1 (loss, jitter), §6.4.1 and A.3; ITU-T G.107 for `mos`.

use std::net::SocketAddr;

/// Figures of a channel, `GET /channel/{uuid}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Received.
    pub input: InStats,
    /// Sent.
    pub output: OutStats,
    /// What the far end reports.
    pub rtcp: RtcpStats,
    /// Encoding last received, `PCMU` and so on.
    pub codec_in: Option<&'static str>,
    /// Encoding we send.
    pub codec_out: Option<&'static str>,
    /// Time its work took.
    pub tick: Option<TickStats>,
    /// The far end.
    pub remote: RemoteStats,
}

/// What came in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InStats {
    /// Packets taken from the accepted source.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Expected and never seen.
    pub lost: u64,
    /// Too late to be used.
    pub late: u64,
    /// Seen twice.
    pub duplicate: u64,
    /// Seen after one with a higher number.
    pub reordered: u64,
    /// From a source that the source check refused.
    pub badsource: u64,
    /// Interarrival jitter, ms; `None` before two packets.
    pub jitter_ms: Option<f64>,
    /// Depth of the jitter buffer, ms; `None` where there is none in the path.
    pub buffer_ms: Option<f64>,
    /// Frames made up for lost ones; `None` where nothing is decoded.
    pub concealed: Option<u64>,
    /// Estimated listening quality, 1 to 4.5; `None` before enough was heard.
    pub mos: Option<f64>,
}

/// What went out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutStats {
    /// Packets handed to the driver.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that had nowhere to go: no target, sending off, no common codec.
    pub skipped: u64,
}

/// What the far end says of our stream.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RtcpStats {
    /// Round trip, ms.
    pub rtt_ms: Option<f64>,
    /// Our packets that it lost.
    pub remote_lost: Option<i64>,
    /// Jitter it sees, ms.
    pub remote_jitter_ms: Option<f64>,
    /// Share of our packets that it lost lately, or over the call where it sends VoIP metrics (RFC 3611).
    pub remote_loss_percent: Option<f64>,
    /// Share that came too late for it; of VoIP metrics, as is all below.
    pub remote_discard_percent: Option<f64>,
    /// Mean length of its bursts of loss, ms.
    pub remote_burst_ms: Option<u16>,
    /// Listening quality that it estimates, 1 to 5.
    pub remote_mos: Option<f64>,
    /// It said goodbye and has sent nothing since.
    pub goodbye: bool,
}

/// Time spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickStats {
    /// Mean, µs.
    pub mean_us: u64,
    /// Longest, µs.
    pub max_us: u64,
    /// How often measured.
    pub count: u64,
}

/// The far end as the source check sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoteStats {
    /// Where we send.
    pub address: Option<SocketAddr>,
    /// The source is decided and locked.
    pub latched: bool,
}

/// The pool of channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelCounts {
    /// Open.
    pub active: u64,
    /// Left.
    pub available: u64,
}

/// Load of the process, by which control places channels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    /// Media shards.
    pub cores: Vec<CoreLoad>,
    /// 0 full … 1 idle, of the best core.
    pub headroom: f64,
    /// Directions being transcoded.
    pub transcodes: u64,
    /// Most of them; `None` is no limit.
    pub transcodes_max: Option<u64>,
    /// New channels are taken.
    pub accepting: bool,
}

/// One media shard.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CoreLoad {
    /// CPU number.
    pub core: u32,
    /// Channels on it.
    pub channels: u64,
    /// Time of one slot, µs.
    pub budget_us: u64,
    /// Mean work of a slot, µs.
    pub mean_us: u64,
    /// 99th percentile, µs.
    pub p99_us: u64,
    /// Longest, µs.
    pub max_us: u64,
    /// 99th percentile of how late slots began, µs.
    pub late_p99_us: u64,
    /// Slots that began late.
    pub late: u64,
    /// How late all slots began, since the start.
    pub lateness: super::Lateness,
    /// Slots that were left out.
    pub missed: u64,
    /// 0 full … 1 idle.
    pub headroom: f64,
}
