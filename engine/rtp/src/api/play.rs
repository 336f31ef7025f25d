//! Playing to a channel and sending digits, as they are asked for and reported.
//!
//! Shape:  plain data; a [`Soup`](crate::soup::Soup) says what is played.
//! Units:  milliseconds.
//! Errors: none.
//! Source: `docs/openapi.yaml`, `Soup`, `Dtmf`, `ChannelEvent`.

/// What happened to what a channel plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayEvent {
    /// It begins.
    Start {
        /// Which play of the channel.
        play: u64,
        /// Why: `new`, or `replaced` where it goes on in place of another.
        reason: PlayReason,
    },
    /// It is over.
    End {
        /// Which play of the channel.
        play: u64,
        /// Why.
        reason: PlayReason,
    },
    /// It was refused: a file cannot be played.
    Error {
        /// Which file and why.
        detail: String,
    },
}

/// Why playing began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayReason {
    /// It is new.
    New,
    /// Another soup took its place.
    Replaced,
    /// All of it was played.
    Completed,
    /// A control request.
    Interrupted,
    /// A digit of the far end.
    TelephoneEvent,
    /// The channel joined a mix.
    ChannelMixing,
    /// The channel was told to echo.
    DoEcho,
    /// The channel is gone.
    ChannelClosed,
}

impl PlayReason {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "replaced",
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::TelephoneEvent => "telephone-event",
            Self::ChannelMixing => "channelmixing",
            Self::DoEcho => "doecho",
            Self::ChannelClosed => "channelclosed",
        }
    }
}

/// `PUT /channel/{uuid}/dtmf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dtmf {
    /// Events of RFC 4733 §3.2: 0–9, 10 is `*`, 11 `#`, 12–15 `A`–`D`, 16 flash. At most [`DIGITS_MAX`].
    pub digits: Vec<u8>,
    /// How long each lasts.
    pub duration_ms: u16,
    /// Silence after each.
    pub gap_ms: u16,
    /// Listen for digits in the sound of the far end from now on, or no longer; `None` leaves it as it is.
    pub inband: Option<bool>,
}

/// Digits in one request; a telephone number has at most 15 (ITU-T E.164 §6.1).
pub const DIGITS_MAX: usize = 64;

/// Event number of a digit as people write it.
pub const fn event_of_digit(digit: char) -> Option<u8> {
    Some(match digit {
        '0'..='9' => digit as u8 - b'0',
        '*' => 10,
        '#' => 11,
        'A'..='D' => digit as u8 - b'A' + 12,
        'a'..='d' => digit as u8 - b'a' + 12,
        // Hook flash, as modems write it.
        '!' | 'F' | 'f' => 16,
        _ => return None,
    })
}

/// Digit of an event number as it is told: the inverse of [`event_of_digit`]; `None` for other events.
pub const fn digit_of_event(event: u8) -> Option<char> {
    Some(match event {
        0..=9 => (b'0' + event) as char,
        10 => '*',
        11 => '#',
        12..=15 => (b'A' + event - 12) as char,
        16 => '!',
        _ => return None,
    })
}

/// How a digit came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigitSource {
    /// As an event in RTP (RFC 4733).
    Rfc4733,
    /// As tones in the sound.
    Inband,
}

impl DigitSource {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rfc4733 => "rfc4733",
            Self::Inband => "inband",
        }
    }
}
