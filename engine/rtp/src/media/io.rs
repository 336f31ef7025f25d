//! What passes between [`Media`](super) and the driver of its sockets.
//!
//! ```text
//!   pub fn new(config: Config, start: Start, seed: [u8; 32]) -> Media
//!   pub fn open(&mut self, open: Open, local: Local, now: Instant) -> Result<ChannelKey, CommandError>
//!   pub fn command(&mut self, command: Command, now: Instant) -> Result<Reply, CommandError>    all but Open
//!   pub fn begin(&mut self, now: Instant)
//!   pub fn receive(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &mut [u8]) -> Verdict
//!   pub fn run(&mut self)
//!   pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>>
//!   pub fn poll_output(&mut self) -> Option<Output>
//! ```
//! Shape:  plain values; [`Transmit`] borrows from the machine until the next `begin`.
//! Units:  in the names.
//! Errors: none.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::api::Event;

/// Limits and times of a shard.
#[derive(Debug, Clone)]
pub struct Config {
    /// Most channels of the shard; memory for their table is taken at start.
    pub channels_max: usize,
    /// Media that are expected and do not come for this long are reported.
    pub media_timeout: Duration,
    /// A channel without media, where they are expected, and without a command for this long is closed.
    pub idle_timeout: Duration,
    /// The same for one that was never told a far end, which nobody may know: whoever asked for it was gone before the answer came.
    pub aimless_timeout: Duration,
    /// Between two RTCP reports of a channel.
    pub rtcp_interval: Duration,
    /// Which SIMD kernels run.
    pub kernels: dsp::Kernels,
    /// Bounds of the jitter buffer of clocked channels.
    pub jitter: crate::jitter::Bounds,
    /// Most directions that are transcoded at a time; `None` is no limit.
    pub transcodes_max: Option<u64>,
    /// CNAME in our RTCP (RFC 3550 §6.5.1), at most 255 bytes.
    pub cname: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            channels_max: 5000,
            media_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(3600),
            // A call that rings has its channel before it knows the far end, for three minutes (RFC 3261 §16.6, timer C) or some more.
            aimless_timeout: Duration::from_secs(600),
            rtcp_interval: Duration::from_secs(5),
            kernels: dsp::Kernels::best(),
            jitter: crate::jitter::Bounds::default(),
            transcodes_max: None,
            cname: "mediaswitch".into(),
        }
    }
}

/// The clocks at construction; later times are told by `now` alone.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Monotonic.
    pub now: Instant,
    /// Wall clock of the same moment, milliseconds since 1970, for NTP time in RTCP.
    pub unix_epoch_ms: u64,
}

/// Sockets of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Where the RTP socket is bound.
    pub rtp: SocketAddr,
    /// Address that others are told.
    pub advertised: IpAddr,
}

/// A channel on the packet path. A key of a channel that is closed is harmless: its packets are dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// Place in the table, below `Config::channels_max`.
    pub slot: u32,
    /// How often the place was used before.
    pub generation: u32,
}

/// Which socket of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// The even one. RTCP may come here too (RFC 5761).
    Rtp,
    /// The odd one.
    Rtcp,
}

/// What the driver does with a received packet now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send this part of the very buffer, which was rewritten in place.
    Forward(Forward),
    /// Give the buffer back. What was needed of it is taken, the rest is counted.
    Done,
}

/// A packet that leaves from the buffer in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Whose RTP socket sends it.
    pub via: ChannelKey,
    /// To whom.
    pub to: SocketAddr,
    /// Which bytes of the buffer.
    pub bytes: Range<usize>,
}

/// A packet made by the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Whose socket sends it.
    pub via: ChannelKey,
    /// Which of them.
    pub port: Port,
    /// To whom.
    pub to: SocketAddr,
    /// The packet.
    pub bytes: &'a [u8],
}

/// What the driver fetches after commands and slots.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Tell control.
    Event(Event),
    /// The channel is gone, by command or by itself: close its sockets, free its port.
    Closed(ChannelKey),
}
