//! Session descriptions: text in, plain data, text out, and nothing of the text lost.
//!
//! ```text
//!   text ──parse──► Sdp { session fields, attributes, media: [Media] } ──Display──► text
//! ```
//! Shape:  owned data in the order of the text. Attributes stay as they were written (name and value);
//!         typed views (`rtpmap`, `fmtp`, `direction`, …) are read from them on demand.
//! Lenient: LF without CR, lines of unknown type (kept), fields out of order, no `t=` or `s=`.
//! Strict: [`LIMIT_BYTES`], [`LIMIT_LINES`], [`LIMIT_MEDIA`], numbers, control characters.
//! Units:  times in seconds (those of `t=` since 1900, as in the text), clock rates in Hz, ptime in ms.
//! Errors: [`ParseError`], with the number of the line.
//! Law:    `parse(write(x)) == x` for every value that [`Sdp::parse`] or `control_http` can make.
//! Not here: offer and answer; the JSON form (`control_http::json::sdp`).
//! Source: RFC 4566 (grammar in §9), RFC 3264 (port 0, direction), RFC 3266 (IPv6).

mod attributes;
mod parse;
mod query;
#[cfg(test)]
mod tests;
mod write;

pub use attributes::{Attribute, Attributes};
pub use parse::{LIMIT_BYTES, LIMIT_FORMATS, LIMIT_LINES, LIMIT_MEDIA, ParseError};
pub use query::{Direction, RtpMap};

/// A session description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sdp {
    /// `v=`, always 0 so far.
    pub version: u8,
    /// `o=`
    pub origin: Origin,
    /// `s=`; one space where there is no name.
    pub name: String,
    /// `i=`
    pub info: Option<String>,
    /// `u=`
    pub uri: Option<String>,
    /// `e=`, any number.
    pub emails: Vec<String>,
    /// `p=`, any number.
    pub phones: Vec<String>,
    /// `c=` of the session: none or one in a well-formed description, more are kept.
    pub connections: Vec<Connection>,
    /// `b=`, any number.
    pub bandwidths: Vec<Bandwidth>,
    /// `t=` with the `r=` lines that follow it.
    pub times: Vec<Timing>,
    /// `z=`
    pub zones: Vec<ZoneAdjustment>,
    /// `k=`
    pub key: Option<Key>,
    /// `a=` before the first `m=`.
    pub attributes: Attributes,
    /// Lines of a type that RFC 4566 does not know, before the first `m=`.
    pub unknown: Vec<UnknownLine>,
    /// `m=` sections.
    pub media: Vec<Media>,
}

/// `o=`: who made the description, and which version of it this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` if none.
    pub username: String,
    /// Session id. Digits by the grammar; kept as text since phones exceed any integer.
    pub sessionid: String,
    /// Version of this session's description. Text for the same reason.
    pub sessionversion: String,
    /// `IN`.
    pub nettype: String,
    /// `IP4`, `IP6`.
    pub addrtype: AddrType,
    /// Address or host name of the maker.
    pub address: String,
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            username: "-".into(),
            sessionid: "0".into(),
            sessionversion: "0".into(),
            nettype: "IN".into(),
            addrtype: AddrType::Ip4,
            address: "0.0.0.0".into(),
        }
    }
}

/// Kind of address in `o=` and `c=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddrType {
    /// `IP4`
    Ip4,
    /// `IP6`
    Ip6,
    /// Another word, kept.
    Other(String),
}

/// `c=`: where media go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `IN`.
    pub nettype: String,
    /// `IP4`, `IP6`.
    pub addrtype: AddrType,
    /// Address or host name; a multicast address keeps its `/ttl/count`.
    pub address: String,
}

/// `b=`: a bandwidth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bandwidth {
    /// `CT`, `AS`, `TIAS`, …
    pub bwtype: String,
    /// kbit/s for `CT` and `AS`, bit/s for `TIAS` (RFC 3890).
    pub bandwidth: u64,
}

/// `k=`: a key, obsolete but kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `clear`, `base64`, `uri`, `prompt`.
    pub method: String,
    /// What follows the colon.
    pub key: Option<String>,
}

/// `t=` and its `r=` lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timing {
    /// Start, seconds since 1900; 0 is unbounded.
    pub start: u64,
    /// Stop, seconds since 1900; 0 is unbounded.
    pub stop: u64,
    /// `r=` lines.
    pub repeats: Vec<Repeat>,
}

/// `r=`: repetition of a session, all in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeat {
    /// From one start to the next.
    pub interval: u64,
    /// Length of one.
    pub duration: u64,
    /// Offsets from the start of `t=`.
    pub offsets: Vec<u64>,
}

/// One pair of `z=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneAdjustment {
    /// When, seconds since 1900.
    pub adjustment: u64,
    /// By how much, seconds.
    pub offset: i64,
}

/// A line `kind=value` of a type that is not of its section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLine {
    /// The letter.
    pub kind: char,
    /// What follows `=`.
    pub value: String,
}

/// An `m=` line and the lines that belong to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, …
    pub media: String,
    /// Transport port; 0 refuses the stream (RFC 3264 §6).
    pub port: u16,
    /// Number of ports where `port/n` was written.
    pub numports: Option<u16>,
    /// `RTP/AVP`, …
    pub proto: String,
    /// Formats, for RTP the payload types, best first.
    pub formats: Vec<String>,
    /// `i=`
    pub info: Option<String>,
    /// `c=`, any number.
    pub connections: Vec<Connection>,
    /// `b=`, any number.
    pub bandwidths: Vec<Bandwidth>,
    /// `k=`
    pub key: Option<Key>,
    /// `a=`
    pub attributes: Attributes,
    /// Lines of other types.
    pub unknown: Vec<UnknownLine>,
}
