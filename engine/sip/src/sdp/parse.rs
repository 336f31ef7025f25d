//! Reads a description from text, line by line, within limits.
//!
//! ```text
//!   text ──lines──► (kind, value) ──► the session, or the last `m=` section
//! ```
//! Shape:  one pass; a field that may stand once and stands twice is an error, except `c=`.
//! Lenient: LF or CRLF, empty lines, any order of fields, unknown types (kept as [`UnknownLine`]).
//! Errors: [`ParseError`] with the line's number, counted from 1. Empty values are allowed where text is free.
//! Source: RFC 4566 §5 and §9.

use super::{AddrType, Attribute, Attributes, Bandwidth, Connection, Key, Media, Origin, Repeat, Sdp, Timing, UnknownLine, ZoneAdjustment};

/// Longest text read: 64 media sections of the largest WebRTC kind seen (about 1 KiB each) fill it.
pub const LIMIT_BYTES: usize = 64 << 10;
/// Most lines read: `LIMIT_BYTES` / 64, an average candidate line.
pub const LIMIT_LINES: usize = 1024;
/// Most `m=` sections read: each may cost a socket pair, a call has one to three.
pub const LIMIT_MEDIA: usize = 64;
/// Most formats of one `m=`: all payload types there are.
pub const LIMIT_FORMATS: usize = 128;

/// Why a text is not a description we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than [`LIMIT_BYTES`].
    #[error("SDP of {0} bytes, at most {LIMIT_BYTES} are read")]
    TooLong(usize),
    /// More lines than [`LIMIT_LINES`].
    #[error("SDP of more than {LIMIT_LINES} lines")]
    TooManyLines,
    /// More sections than [`LIMIT_MEDIA`].
    #[error("SDP of more than {LIMIT_MEDIA} media sections")]
    TooManyMedia,
    /// More formats in one section than [`LIMIT_FORMATS`].
    #[error("SDP line {0}: more than {LIMIT_FORMATS} formats")]
    TooManyFormats(usize),
    /// Not UTF-8 (RFC 4566 §5).
    #[error("SDP is not UTF-8")]
    NotUtf8,
    /// The text does not begin with `v=` and a number.
    #[error("SDP does not begin with v=")]
    NoVersion,
    /// There is no `o=`.
    #[error("SDP has no o=")]
    NoOrigin,
    /// A line that is not `letter=value`.
    #[error("SDP line {0}: not a letter and an equals sign")]
    NotALine(usize),
    /// A NUL or a bare CR (RFC 4566 §9, byte-string).
    #[error("SDP line {0}: control character")]
    ControlCharacter(usize),
    /// A second line of a type that stands once.
    #[error("SDP line {line}: a second {kind}=")]
    Twice {
        /// Its number.
        line: usize,
        /// Its letter.
        kind: char,
    },
    /// The value of a known line cannot be read.
    #[error("SDP line {line}: bad {kind}=")]
    Bad {
        /// Its number.
        line: usize,
        /// Its letter.
        kind: char,
    },
}

impl Sdp {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// [`ParseError`]: not UTF-8, too large, or a line that cannot be read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > LIMIT_BYTES {
            return Err(ParseError::TooLong(bytes.len()));
        }
        Self::parse(std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?)
    }

    /// Reads a description.
    ///
    /// # Errors
    /// [`ParseError`]: too large, or a line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > LIMIT_BYTES {
            return Err(ParseError::TooLong(text.len()));
        }
        // Without texts: those of the default cost five allocations, to be overwritten by `o=`.
        let origin = Origin {
            username: String::new(),
            sessionid: String::new(),
            sessionversion: String::new(),
            nettype: String::new(),
            addrtype: AddrType::Ip4,
            address: String::new(),
        };
        let sdp = Self {
            version: 0,
            origin,
            name: String::new(),
            info: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connections: Vec::new(),
            bandwidths: Vec::new(),
            times: Vec::new(),
            zones: Vec::new(),
            key: None,
            attributes: Attributes::default(),
            unknown: Vec::new(),
            media: Vec::new(),
        };
        let mut reader = Reader { sdp, seen: 0 };
        let mut lines_filled = 0;
        let mut rest = Some(text);
        let mut line = 0;
        while let Some(here) = rest {
            let raw;
            (raw, rest) = cut(here, b'\n').map_or((here, None), |(raw, rest)| (raw, Some(rest)));
            line += 1;
            let content = raw.strip_suffix('\r').unwrap_or(raw);
            if content.is_empty() {
                continue;
            }
            lines_filled += 1;
            if lines_filled > LIMIT_LINES {
                return Err(ParseError::TooManyLines);
            }
            if memchr::memchr2(b'\r', b'\0', content.as_bytes()).is_some() {
                return Err(ParseError::ControlCharacter(line));
            }
            let (kind, value) = split_line(content).ok_or(ParseError::NotALine(line))?;
            if reader.seen == 0 && kind != 'v' {
                return Err(ParseError::NoVersion);
            }
            if reader.sdp.media.is_empty() || kind == 'm' {
                reader.session_line(line, kind, value)?;
            } else {
                reader.media_line(line, kind, value)?;
            }
        }
        match reader.seen {
            0 => return Err(ParseError::NoVersion),
            _ if !reader.saw('o') => return Err(ParseError::NoOrigin),
            _ if reader.saw('s') => {}
            _ if lines_filled == LIMIT_LINES => return Err(ParseError::TooManyLines),
            // RFC 4566 §5.3 wants a name, and one space where there is none.
            _ => reader.sdp.name = " ".into(),
        }
        // CRLF for LF and seconds for days make a text longer, the latter most: `1d` is `86400`. What is read must fit
        // the limit when written, or it could not be read again.
        if text.len() > LIMIT_BYTES / 4 {
            let written = reader.sdp.to_string().len();
            if written > LIMIT_BYTES {
                return Err(ParseError::TooLong(written));
            }
        }
        Ok(reader.sdp)
    }
}

/// `x=value` with a single ASCII letter.
fn split_line(content: &str) -> Option<(char, &str)> {
    let [letter, b'=', ..] = content.as_bytes() else { return None };
    letter.is_ascii_alphabetic().then_some((char::from(*letter), content.get(2..)?))
}

/// What stands before and after the first `at`, which is ASCII.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = memchr::memchr(at, text.as_bytes())?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

struct Reader {
    sdp: Sdp,
    /// Bit per lower-case letter of the session's fields seen.
    seen: u32,
}

impl Reader {
    fn saw(&self, kind: char) -> bool {
        self.seen & bit(kind) != 0
    }

    /// Notes a field that may stand once.
    fn once(&mut self, line: usize, kind: char) -> Result<(), ParseError> {
        if self.saw(kind) {
            return Err(ParseError::Twice { line, kind });
        }
        self.seen |= bit(kind);
        Ok(())
    }

    fn session_line(&mut self, line: usize, kind: char, value: &str) -> Result<(), ParseError> {
        let bad = ParseError::Bad { line, kind };
        if matches!(kind, 'v' | 'o' | 's' | 'i' | 'u' | 'z' | 'k') {
            self.once(line, kind)?;
        }
        let sdp = &mut self.sdp;
        match kind {
            'v' => sdp.version = value.trim().parse().map_err(|_| ParseError::NoVersion)?,
            'o' => sdp.origin = origin(value).ok_or(bad)?,
            's' => sdp.name = value.to_owned(),
            // The grammar has no empty text (RFC 4566 §9); these lines say nothing.
            'i' | 'u' | 'e' | 'p' if value.is_empty() => {}
            'i' => sdp.info = Some(value.to_owned()),
            'u' => sdp.uri = Some(value.to_owned()),
            'e' => sdp.emails.push(value.to_owned()),
            'p' => sdp.phones.push(value.to_owned()),
            'c' => sdp.connections.push(connection(value).ok_or(bad)?),
            'b' => sdp.bandwidths.push(bandwidth(value).ok_or(bad)?),
            't' => sdp.times.push(timing(value).ok_or(bad)?),
            'r' => sdp.times.last_mut().ok_or(bad)?.repeats.push(repeat(value).ok_or(bad)?),
            'z' => sdp.zones = zones(value).ok_or(bad)?,
            'k' => sdp.key = Some(key(value)),
            'a' => sdp.attributes.0.push(attribute(value)),
            'm' => {
                if sdp.media.len() == LIMIT_MEDIA {
                    return Err(ParseError::TooManyMedia);
                }
                sdp.media.push(media(line, value)?);
            }
            _ => sdp.unknown.push(UnknownLine { kind, value: value.to_owned() }),
        }
        Ok(())
    }

    fn media_line(&mut self, line: usize, kind: char, value: &str) -> Result<(), ParseError> {
        let bad = ParseError::Bad { line, kind };
        let Some(media) = self.sdp.media.last_mut() else { return Err(bad) };
        match kind {
            'i' if media.info.is_some() => return Err(ParseError::Twice { line, kind }),
            'k' if media.key.is_some() => return Err(ParseError::Twice { line, kind }),
            'i' if value.is_empty() => {}
            'i' => media.info = Some(value.to_owned()),
            'k' => media.key = Some(key(value)),
            'c' => media.connections.push(connection(value).ok_or(bad)?),
            'b' => media.bandwidths.push(bandwidth(value).ok_or(bad)?),
            'a' => media.attributes.0.push(attribute(value)),
            _ => media.unknown.push(UnknownLine { kind, value: value.to_owned() }),
        }
        Ok(())
    }
}

const fn bit(kind: char) -> u32 {
    1 << (kind as u32 % 32)
}

fn origin(value: &str) -> Option<Origin> {
    let mut words = value.split_ascii_whitespace();
    let origin = Origin {
        username: words.next()?.to_owned(),
        sessionid: words.next()?.to_owned(),
        sessionversion: words.next()?.to_owned(),
        nettype: words.next()?.to_owned(),
        addrtype: AddrType::from_word(words.next()?),
        address: words.next()?.to_owned(),
    };
    words.next().is_none().then_some(origin)
}

fn connection(value: &str) -> Option<Connection> {
    let mut words = value.split_ascii_whitespace();
    let connection =
        Connection { nettype: words.next()?.to_owned(), addrtype: AddrType::from_word(words.next()?), address: words.next()?.to_owned() };
    words.next().is_none().then_some(connection)
}

impl AddrType {
    /// `IP4`, `IP6` in any case, or another word.
    pub fn from_word(word: &str) -> Self {
        match word {
            _ if word.eq_ignore_ascii_case("IP4") => Self::Ip4,
            _ if word.eq_ignore_ascii_case("IP6") => Self::Ip6,
            _ => Self::Other(word.to_owned()),
        }
    }
}

fn bandwidth(value: &str) -> Option<Bandwidth> {
    let (bwtype, bandwidth) = value.trim().split_once(':')?;
    if bwtype.is_empty() || bwtype.contains(|c: char| c.is_ascii_whitespace()) {
        return None;
    }
    Some(Bandwidth { bwtype: bwtype.to_owned(), bandwidth: bandwidth.trim().parse().ok()? })
}

fn key(value: &str) -> Key {
    match cut(value, b':') {
        Some((method, key)) => Key { method: method.to_owned(), key: Some(key.to_owned()) },
        None => Key { method: value.to_owned(), key: None },
    }
}

fn attribute(value: &str) -> Attribute {
    match cut(value, b':') {
        Some((name, value)) => Attribute { name: name.to_owned(), value: Some(value.to_owned()) },
        None => Attribute { name: value.to_owned(), value: None },
    }
}

fn timing(value: &str) -> Option<Timing> {
    let mut words = value.split_ascii_whitespace();
    let timing = Timing { start: words.next()?.parse().ok()?, stop: words.next()?.parse().ok()?, repeats: Vec::new() };
    words.next().is_none().then_some(timing)
}

fn repeat(value: &str) -> Option<Repeat> {
    let mut words = value.split_ascii_whitespace().map(seconds);
    let (interval, duration) = (words.next()??, words.next()??);
    Some(Repeat { interval, duration, offsets: words.collect::<Option<_>>()? })
}

fn zones(value: &str) -> Option<Vec<ZoneAdjustment>> {
    let mut words = value.split_ascii_whitespace();
    let mut zones = Vec::new();
    while let Some(adjustment) = words.next() {
        let offset = words.next()?;
        let (negative, magnitude) = offset.strip_prefix('-').map_or((false, offset), |rest| (true, rest));
        let offset = i64::try_from(seconds(magnitude)?).ok()?;
        zones.push(ZoneAdjustment { adjustment: adjustment.parse().ok()?, offset: if negative { -offset } else { offset } });
    }
    (!zones.is_empty()).then_some(zones)
}

/// A time with an optional unit `d`, `h`, `m` or `s` (RFC 4566 §5.10).
fn seconds(word: &str) -> Option<u64> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
    let unit = UNITS.into_iter().find_map(|(letter, unit)| Some((word.strip_suffix(letter)?, unit)));
    let (digits, unit) = unit.unwrap_or((word, 1));
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn media(line: usize, value: &str) -> Result<Media, ParseError> {
    let bad = ParseError::Bad { line, kind: 'm' };
    let mut words = value.split_ascii_whitespace();
    let name = words.next().ok_or(bad)?;
    let ports = words.next().ok_or(bad)?;
    let (port, numports) = match ports.split_once('/') {
        Some((port, n)) => (port, Some(n.parse().map_err(|_| bad)?)),
        None => (ports, None),
    };
    let port = port.parse().map_err(|_| bad)?;
    let proto = words.next().ok_or(bad)?.to_owned();
    let formats: Vec<String> = words.map(str::to_owned).collect();
    if formats.len() > LIMIT_FORMATS {
        return Err(ParseError::TooManyFormats(line));
    }
    Ok(Media { media: name.to_owned(), port, numports, proto, formats, ..Media::default() })
}
