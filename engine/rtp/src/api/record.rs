//! Recording of a channel, as it is asked for and reported.
//!
//! Shape:  plain data. A file that is being recorded is named by its [`Ticket`] between the machine and the driver's files.
//! Units:  milliseconds; power is the root of the mean square of 16-bit samples, 0 to 32767.
//! Errors: none.
//! Source: `docs/openapi.yaml`, `Record`.

use std::sync::Arc;

use crate::record::Sink;

/// What is written to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordFormat {
    /// Linear, 16 bits.
    #[default]
    Pcm16,
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// The one of these that the channel sends; linear where it sends none of them.
    Wire,
}

/// How the two directions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordChannels {
    /// Both added up.
    #[default]
    Mono,
    /// What the channel hears from its far end on the left, what it sends there on the right.
    Stereo,
}

impl RecordChannels {
    /// Channels of the file.
    pub const fn count(self) -> u16 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// Names a file that is being written, between the machine and the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// `PUT /channel/{uuid}/record`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// File below the media directory.
    pub file: Arc<str>,
    /// What is written.
    pub format: RecordFormat,
    /// Mono or stereo.
    pub channels: RecordChannels,
    /// Nothing is kept before this power.
    pub start_above_power: Option<u16>,
    /// Power that ends it.
    pub finish_below_power: Option<u16>,
    /// Frames of 20 ms that powers are averaged over.
    pub average_frames: u16,
    /// Length before which power does not end it.
    pub min_ms: u32,
    /// Length that ends it.
    pub max_ms: Option<u32>,
    /// Pauses, or goes on with, a recording that runs; a new one may begin paused. `None` leaves it as it is.
    pub pause: Option<bool>,
    /// Ends a recording that runs, as `DELETE` does.
    pub finish: bool,
    /// The file, once the driver has opened it. A recording that runs needs none.
    pub sink: Option<Sink>,
}

impl Record {
    /// All of a channel into a file, until somebody ends it.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            format: RecordFormat::default(),
            channels: RecordChannels::default(),
            start_above_power: None,
            finish_below_power: None,
            average_frames: AVERAGE_FRAMES,
            min_ms: 0,
            max_ms: None,
            pause: None,
            finish: false,
            sink: None,
        }
    }
}

/// Frames that power is averaged over unless said: one second.
pub const AVERAGE_FRAMES: u16 = 50;

/// What happened to a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEvent {
    /// Its file.
    pub file: Arc<str>,
    /// What.
    pub kind: RecordEventKind,
    /// Bytes of the finished file.
    pub filesize: Option<u64>,
    /// Sound that the disk was too slow for; silence stands in its place.
    pub lost_ms: u64,
    /// Which file of the driver it is about.
    pub ticket: Ticket,
    /// What went wrong, for people.
    pub detail: Option<String>,
}

/// What happened to a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordEventKind {
    /// It keeps what it hears, from now on.
    Recording,
    /// The same, because the power rose above the mark.
    AbovePower,
    /// It is over and its file is there, or not, if there is a detail.
    Finished(RecordEnd),
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordEnd {
    /// A control request.
    Requested,
    /// The power fell below the mark.
    BelowPower,
    /// It was as long as it may be.
    Timeout,
    /// The channel is gone.
    ChannelClosed,
    /// The disk.
    Error,
}

impl RecordEventKind {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::AbovePower => "recording.abovepower",
            Self::Finished(RecordEnd::Requested) => "finished.requested",
            Self::Finished(RecordEnd::BelowPower) => "finished.belowpower",
            Self::Finished(RecordEnd::Timeout) => "finished.timeout",
            Self::Finished(RecordEnd::ChannelClosed) => "finished.channelclosed",
            Self::Finished(RecordEnd::Error) => "finished.error",
        }
    }
}
