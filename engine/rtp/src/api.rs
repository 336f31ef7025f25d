//! What crosses between the media core and its driver: commands in, replies and events out.
//!
//! ```text
//!   Command ──► Media::command ──► Reply | CommandError       (docs/openapi.yaml, project-rtp)
//!   Media::poll_output ──► Event ──► PUT {control}/channel/{uuid}
//! ```
//! Shape:  plain owned data; `control_http::json` turns it into JSON and back.
//! Units:  in the names: `_ms`, `_us`, `_hz`; counts are packets unless they say bytes.
//! Errors: [`CommandError`], one per HTTP status of the contract.
//! Null:   what was not measured is `None`, never 0.
//! Not here: sockets, ports and files (`engine`).

mod id;
mod lateness;
mod levels;
mod play;
mod record;
mod stats;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use id::{BadChannelId, ChannelId};
pub use lateness::Lateness;
pub use levels::{
    GAIN_DB_MAX, GAIN_DB_MIN, GroupView, LevelChange, Levels, SPEAKERS_INTERVAL_MS, SPEAKERS_INTERVAL_MS_MAX, SPEAKERS_INTERVAL_MS_MIN,
    SPEAKERS_MAX,
};
pub use play::{DIGITS_MAX, DigitSource, Dtmf, PlayEvent, PlayReason, digit_of_event, event_of_digit};
pub use record::{AVERAGE_FRAMES, Record, RecordChannels, RecordEnd, RecordEvent, RecordEventKind, RecordFormat, Ticket};
pub use stats::{ChannelCounts, CoreLoad, InStats, Load, OutStats, RemoteStats, RtcpStats, Stats, TickStats};

pub use crate::soup::{Entry, FileKey, Names, Repeat, Soup};

/// Where a control server listens: `http://host:port` with an optional path prefix, no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControlUrl(pub Arc<str>);

/// What the HTTP API asks of the media core.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `POST /channel`.
    Open(Open),
    /// `PUT /channel/{uuid}`: the far end.
    Target {
        /// Which channel.
        channel: ChannelId,
        /// Where its media go, and as what.
        target: Target,
    },
    /// `PUT /channel/{a}/mix/{b}`.
    Mix {
        /// One.
        a: ChannelId,
        /// The other.
        b: ChannelId,
    },
    /// `PUT /channel/{uuid}/unmix`.
    Unmix {
        /// Who leaves.
        channel: ChannelId,
    },
    /// `PUT /channel/{uuid}/echo`: what comes in goes out again, until mixed or unmixed.
    Echo {
        /// Which channel.
        channel: ChannelId,
    },
    /// `PUT /channel/{uuid}/direction`.
    Direction {
        /// Which channel.
        channel: ChannelId,
        /// Which way its media may flow.
        direction: Direction,
    },
    /// `PUT /channel/{uuid}/gain`, `PUT` and `DELETE /channel/{uuid}/mute`.
    Level {
        /// Which channel.
        channel: ChannelId,
        /// What changes.
        change: LevelChange,
    },
    /// `PUT` and `DELETE /channel/{uuid}/speakers`.
    Speakers {
        /// Whose mix, and whose events.
        channel: ChannelId,
        /// Least time between two events, ms; `None` ends them.
        interval_ms: Option<u32>,
    },
    /// `PUT /channel/{uuid}/play`. The driver puts the sounds into the soup before the machine has it.
    Play {
        /// Which channel.
        channel: ChannelId,
        /// What.
        soup: Soup,
    },
    /// `DELETE /channel/{uuid}/play`.
    StopPlay {
        /// Which channel.
        channel: ChannelId,
    },
    /// `PUT /channel/{uuid}/record`. The driver opens the file before the machine has it.
    Record {
        /// Which channel.
        channel: ChannelId,
        /// What, where to, and until when.
        record: Box<Record>,
    },
    /// `DELETE /channel/{uuid}/record[/{file}]`.
    StopRecord {
        /// Which channel.
        channel: ChannelId,
        /// Which recording; all if not said.
        file: Option<Arc<str>>,
    },
    /// `PUT /channel/{uuid}/dtmf`.
    Dtmf {
        /// Which channel.
        channel: ChannelId,
        /// What to send.
        dtmf: Dtmf,
    },
    /// `DELETE /channel/{uuid}`.
    Close {
        /// Which channel.
        channel: ChannelId,
    },
    /// `GET /channel`.
    List,
    /// `GET /channel/{uuid}`.
    Get {
        /// Which channel.
        channel: ChannelId,
    },
    /// `GET /status`: the media part.
    Status,
}

impl Command {
    /// The channel whose shard must run the command; `None` where any or every shard may.
    pub const fn channel(&self) -> Option<ChannelId> {
        match self {
            Self::Target { channel, .. }
            | Self::Unmix { channel }
            | Self::Echo { channel }
            | Self::Direction { channel, .. }
            | Self::Level { channel, .. }
            | Self::Speakers { channel, .. }
            | Self::Play { channel, .. }
            | Self::StopPlay { channel }
            | Self::Record { channel, .. }
            | Self::StopRecord { channel, .. }
            | Self::Dtmf { channel, .. }
            | Self::Close { channel }
            | Self::Get { channel }
            | Self::Mix { a: channel, .. } => Some(*channel),
            Self::Open(open) => open.near,
            Self::List | Self::Status => None,
        }
    }
}

/// `POST /channel`: a channel to open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Where its events go; `None` sends none.
    pub control: Option<ControlUrl>,
    /// The caller's own name for it, given back with every event.
    pub id: Option<String>,
    /// A channel it will be mixed with, so that both live on one core.
    pub near: Option<ChannelId>,
    /// Which of our addresses it is to have; the first one if not said.
    pub address: Option<AddressWish>,
    /// Least delay of its jitter buffer, ms; that of the settings if not said.
    pub jitter_min_ms: Option<u32>,
    /// Most.
    pub jitter_max_ms: Option<u32>,
}

/// What address a channel is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressWish {
    /// One of IPv4.
    V4,
    /// One of IPv6.
    V6,
    /// This one, as it is bound or as others are told.
    Is(IpAddr),
}

/// The far end of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Signalled address; a name is resolved before it comes here. Unspecified (`0.0.0.0`) means: send nothing.
    pub ip: IpAddr,
    /// Signalled RTP port; RTCP goes to the next one unless `rtcp_mux`.
    pub port: u16,
    /// What the far end takes, best first. The first that we can encode is what we send.
    pub payloads: Vec<Payload>,
    /// Length of the packets that it wants, ms; `None` means 20. Two that want unlike lengths are mixed by the clock.
    pub ptime_ms: Option<u16>,
    /// Which way media may flow; `None` leaves it as it is.
    pub direction: Option<Direction>,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
}

/// One payload type of a far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Number on the wire, 0–127.
    pub number: u8,
    /// What it stands for; `None` takes the static assignment (RFC 3551 §6), or 97 iLBC and 101 telephone-event
    /// as the predecessor's numbers were.
    pub encoding: Option<Encoding>,
    /// Format parameters.
    pub fmtp: Option<String>,
}

/// Value of an `rtpmap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Name, any case.
    pub name: String,
    /// RTP clock rate.
    pub clock_rate_hz: u32,
    /// Audio channels; 1 unless said.
    pub channels: u8,
}

/// Which way media may flow, from the channel's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// The channel sends.
    pub send: bool,
    /// The channel takes what comes.
    pub recv: bool,
}

impl Default for Direction {
    fn default() -> Self {
        Self { send: true, recv: true }
    }
}

/// Answer to a [`Command`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// A channel is open.
    Opened(Box<Opened>),
    /// A channel is closed.
    Closed {
        /// Final figures.
        stats: Box<Stats>,
        /// The pool after it.
        channels: ChannelCounts,
    },
    /// It plays; its number among the plays of the channel.
    Playing {
        /// From 1.
        play: u64,
    },
    /// All channels, oldest first.
    Channels(Vec<ChannelView>),
    /// One channel.
    Channel(Box<ChannelView>),
    /// Named gauges and counters, in the order they are shown.
    Status(Vec<(&'static str, u64)>),
}

/// An open channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Its name.
    pub channel: ChannelId,
    /// Address to put into SDP (`--pa`).
    pub ip: IpAddr,
    /// RTP port to put into SDP.
    pub port: u16,
    /// The pool after it.
    pub channels: ChannelCounts,
    /// Load of the process, for placing the next one.
    pub load: Load,
}

/// One channel as `GET /channel` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelView {
    /// Its name.
    pub channel: ChannelId,
    /// The caller's own name for it.
    pub id: Option<String>,
    /// Our RTP address.
    pub local: SocketAddr,
    /// Who it is mixed with.
    pub mix: Option<ChannelId>,
    /// It echoes.
    pub echo: bool,
    /// Which way media may flow.
    pub direction: Direction,
    /// How it takes part in a mix.
    pub levels: Levels,
    /// Its mix, if that runs by the clock; not told in lists.
    pub group: Option<GroupView>,
    /// Name of the codec that it sends where it makes the sound itself.
    pub codec: Option<&'static str>,
    /// Number of what it plays.
    pub play: Option<u64>,
    /// Files it is recorded to.
    pub records: Vec<Arc<str>>,
    /// Figures so far.
    pub stats: Stats,
}

/// Something a control server is told of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Where to.
    pub control: ControlUrl,
    /// Which channel.
    pub channel: ChannelId,
    /// The caller's own name for it.
    pub id: Option<String>,
    /// 1, 2, 3 … per channel.
    pub seq: u64,
    /// What happened.
    pub action: EventAction,
}

/// What happened to a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum EventAction {
    /// `{action:"mix", event}`.
    Mix(MixEvent),
    /// `{action:"mix", event:"speakers", speakers}`: others than before speak in its mix; loudest first, at most [`SPEAKERS_MAX`].
    Speakers(Vec<ChannelId>),
    /// `{action:"media", event, expected, seen}`.
    Media {
        /// What.
        event: MediaEvent,
        /// Where signalling said that media come from; for a refused source, whose are taken, if there are any.
        expected: Option<SocketAddr>,
        /// Whose packets were taken last; for a refused source, where that is.
        seen: Option<SocketAddr>,
    },
    /// `{action:"telephone-event", event, durationms, source}`: a digit was pressed and let go.
    Digit {
        /// Which.
        digit: char,
        /// How long it was pressed.
        duration_ms: u32,
        /// How it came.
        source: DigitSource,
    },
    /// `{action:"play", event, reason}`.
    Play(PlayEvent),
    /// `{action:"record", event, file, filesize}`.
    Record(Box<RecordEvent>),
    /// `{action:"close", reason, stats}`, the last of a channel.
    Close {
        /// Why.
        reason: CloseReason,
        /// Final figures.
        stats: Box<Stats>,
    },
}

/// A channel joined or left a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MixEvent {
    /// Joined.
    Start,
    /// Left.
    Finished,
}

impl MixEvent {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Finished => "finished",
        }
    }
}

/// What became of the media that a channel expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaEvent {
    /// The first packet of an accepted source.
    Started,
    /// None for as long as the configuration allows.
    Timeout,
    /// They came back after a time-out.
    Resumed,
    /// A source was refused; told once for all that it and others send in some seconds.
    Refused,
}

impl MediaEvent {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Timeout => "timeout",
            Self::Resumed => "resumed",
            Self::Refused => "refused",
        }
    }
}

/// Why a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// A control request.
    Requested,
    /// No media and no command for as long as the configuration allows.
    Idle,
    /// The program stops.
    Shutdown,
}

impl CloseReason {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why a [`Command`] was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such channel: 404.
    #[error("channel {0} is not open here")]
    NotFound(ChannelId),
    /// The channel is in the wrong state for this: 409.
    #[error("{0}")]
    WrongState(&'static str),
    /// Understood but impossible: 422.
    #[error("{0}")]
    Impossible(String),
    /// A field has a value that cannot be: 400.
    #[error("{0}")]
    Bad(String),
    /// A pool is empty: 503.
    #[error("{what}: all {max} are in use")]
    Full {
        /// Which pool.
        what: &'static str,
        /// Its size.
        max: usize,
    },
    /// All RTP ports of an address are in use: 503.
    #[error("RTP port pairs of {address}: all {pairs} are in use or rest")]
    NoPorts {
        /// Which of our addresses.
        address: IpAddr,
        /// How many it has where the channel was to live.
        pairs: usize,
    },
    /// Not now: draining, or too busy for one more: 503.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl CommandError {
    /// HTTP status of the contract.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) => 404,
            Self::WrongState(_) => 409,
            Self::Impossible(_) => 422,
            Self::Bad(_) => 400,
            Self::Full { .. } | Self::NoPorts { .. } | Self::Unavailable(_) => 503,
        }
    }

    /// Stable word of the `error` key.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "channel_not_open",
            Self::WrongState(_) => "wrong_state",
            Self::Impossible(_) => "impossible",
            Self::Bad(_) => "bad_value",
            Self::Full { .. } | Self::NoPorts { .. } => "pool_empty",
            Self::Unavailable(_) => "unavailable",
        }
    }
}
