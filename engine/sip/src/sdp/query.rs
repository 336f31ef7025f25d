//! What signalling and control ask of a description: where media go, which way, and as what.
//!
//! Shape:  borrowed views; nothing is stored beside the text's own fields.
//! Units:  clock rates in Hz, ptime in ms.
//! Errors: none. What cannot be read as what is asked is `None`.
//! Rules:  a media line's own `c=` and direction win over the session's; no direction means `sendrecv`.
//! Source: RFC 4566 §5.7 and §6, RFC 3264 §5.1 and §8.4 (hold), RFC 3551 §6 (static payload types).

use std::net::IpAddr;

use super::{AddrType, Attributes, Connection, Media, Sdp};

/// Which way media flow, as seen by the maker of the description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways, the default (RFC 4566 §6).
    #[default]
    SendRecv,
    /// The maker only sends.
    SendOnly,
    /// The maker only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// All four.
    pub const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    /// Name of the attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that this attribute name means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.word() == word)
    }
}

/// Value of `a=rtpmap:`, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// Encoding name; case does not matter (RFC 4855 §3).
    pub encoding: &'a str,
    /// Clock rate.
    pub clock_rate_hz: u32,
    /// Encoding parameters, for audio the number of channels.
    pub params: Option<&'a str>,
}

impl<'a> RtpMap<'a> {
    /// Reads `encoding/clock[/params]`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '/');
        let encoding = parts.next().filter(|e| !e.is_empty())?;
        let clock_rate_hz = parts.next()?.parse().ok()?;
        Some(Self { encoding, clock_rate_hz, params: parts.next() })
    }
}

impl Attributes {
    /// The direction attribute, if there is one.
    pub fn direction(&self) -> Option<Direction> {
        self.0.iter().filter(|a| a.value.is_none()).find_map(|a| Direction::from_word(&a.name))
    }

    /// Puts this direction in place of whichever is there.
    pub fn set_direction(&mut self, direction: Direction) {
        self.0.retain(|a| a.value.is_some() || Direction::from_word(&a.name).is_none());
        self.push_flag(direction.word());
    }

    /// What follows `number ` in the attribute of this name, for `rtpmap` and `fmtp`.
    fn of_payload(&self, name: &str, payload: u8) -> Option<&str> {
        self.values(name).find_map(|value| {
            let (number, rest) = value.trim_start().split_once(' ')?;
            (number.parse() == Ok(payload)).then_some(rest)
        })
    }
}

impl Connection {
    /// The address without `/ttl`, if it is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        let address = self.address.split('/').next()?;
        match &self.addrtype {
            AddrType::Ip4 | AddrType::Ip6 => address.parse().ok(),
            AddrType::Other(_) => None,
        }
    }
}

impl Media {
    /// Payload types that are numbers, in order of preference.
    pub fn payloads(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|f| f.parse().ok())
    }

    /// What this payload type stands for: its `rtpmap`, else the static assignment of RFC 3551 §6.
    pub fn rtpmap(&self, payload: u8) -> Option<RtpMap<'_>> {
        self.attributes.of_payload("rtpmap", payload).and_then(RtpMap::parse).or_else(|| static_payload(payload))
    }

    /// Format parameters of this payload type.
    pub fn fmtp(&self, payload: u8) -> Option<&str> {
        self.attributes.of_payload("fmtp", payload)
    }

    /// Packet time asked for, ms.
    pub fn ptime(&self) -> Option<u16> {
        self.attributes.value("ptime")?.trim().parse().ok()
    }

    /// Offered or accepted, not refused by port 0 (RFC 3264 §6).
    pub fn is_active(&self) -> bool {
        self.port != 0
    }
}

impl Sdp {
    /// The first audio section that is not refused.
    pub fn first_audio(&self) -> Option<&Media> {
        self.media.iter().find(|m| m.media == "audio" && m.is_active())
    }

    /// Direction of a section of this description.
    pub fn direction(&self, media: &Media) -> Direction {
        media.attributes.direction().or_else(|| self.attributes.direction()).unwrap_or_default()
    }

    /// The `c=` that holds for a section of this description.
    pub fn connection<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections.first().or_else(|| self.connections.first())
    }

    /// Where the maker wants the section's media, if said as an address.
    pub fn media_ip(&self, media: &Media) -> Option<IpAddr> {
        self.connection(media)?.ip()
    }

    /// The maker holds the call: its first active audio section does not flow both ways, or goes to the
    /// unspecified address, as phones wrote it before RFC 3264 (§8.4). No active audio is no hold.
    pub fn is_hold(&self) -> bool {
        self.first_audio()
            .is_some_and(|m| self.direction(m) != Direction::SendRecv || self.media_ip(m).is_some_and(|ip| ip.is_unspecified()))
    }
}

/// Audio payload types of RFC 3551 §6, table 4, that need no `rtpmap`.
fn static_payload(payload: u8) -> Option<RtpMap<'static>> {
    let (encoding, clock_rate_hz, params) = match payload {
        0 => ("PCMU", 8000, None),
        3 => ("GSM", 8000, None),
        4 => ("G723", 8000, None),
        5 => ("DVI4", 8000, None),
        6 => ("DVI4", 16000, None),
        7 => ("LPC", 8000, None),
        8 => ("PCMA", 8000, None),
        // G.722 samples at 16 kHz and keeps the clock of 8000 for old error's sake (RFC 3551 §4.5.2).
        9 => ("G722", 8000, None),
        10 => ("L16", 44100, Some("2")),
        11 => ("L16", 44100, None),
        12 => ("QCELP", 8000, None),
        13 => ("CN", 8000, None),
        15 => ("G728", 8000, None),
        18 => ("G729", 8000, None),
        _ => return None,
    };
    Some(RtpMap { encoding, clock_rate_hz, params })
}
