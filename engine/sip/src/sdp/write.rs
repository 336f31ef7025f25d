//! Writes a description as text, each field where RFC 4566 §5 puts it, lines ended by CRLF.
//!
//! Shape:  `Display` for [`Sdp`]; unknown lines stand at the end of their section.
//! Times:  `r=` and `z=` in plain seconds, whatever units they were read in.
//! Errors: none. Text that [`Sdp::parse`] or `control_http` let in has no line ends in it; whoever builds
//!         a description by hand keeps control characters out.
//! Source: RFC 4566 §5 and §9.

use std::fmt::{Display, Formatter, Result, Write as _};

use super::{AddrType, Attribute, Attributes, Bandwidth, Connection, Key, Media, Sdp, Timing, UnknownLine};

impl Sdp {
    /// The text, as `Display` has it, in one allocation for the descriptions that phones send.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(TEXT_BYTES);
        // Into a string nothing fails.
        let _written = write!(text, "{self}");
        text
    }
}

/// A description of one section with a dozen attributes.
const TEXT_BYTES: usize = 512;

/// Texts one after the other: most of a description, and a formatting argument each would cost ten times the copy.
fn all<const N: usize>(f: &mut Formatter<'_>, texts: [&str; N]) -> Result {
    texts.iter().try_for_each(|text| f.write_str(text))
}

impl Display for Sdp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let o = &self.origin;
        write!(f, "v={}", self.version)?;
        all(
            f,
            ["\r\no=", &o.username, " ", &o.sessionid, " ", &o.sessionversion, " ", &o.nettype, " ", o.addrtype.word(), " ", &o.address],
        )?;
        all(f, ["\r\ns=", &self.name, "\r\n"])?;
        text_line(f, 'i', self.info.as_deref())?;
        text_line(f, 'u', self.uri.as_deref())?;
        self.emails.iter().try_for_each(|e| all(f, ["e=", e, "\r\n"]))?;
        self.phones.iter().try_for_each(|p| all(f, ["p=", p, "\r\n"]))?;
        self.connections.iter().try_for_each(|c| c.fmt(f))?;
        self.bandwidths.iter().try_for_each(|b| b.fmt(f))?;
        self.times.iter().try_for_each(|t| t.fmt(f))?;
        if !self.zones.is_empty() {
            f.write_str("z=")?;
            for (i, z) in self.zones.iter().enumerate() {
                write!(f, "{}{} {}", if i == 0 { "" } else { " " }, z.adjustment, z.offset)?;
            }
            f.write_str("\r\n")?;
        }
        tail(f, self.key.as_ref(), &self.attributes, &self.unknown)?;
        self.media.iter().try_for_each(|m| m.fmt(f))
    }
}

impl Display for Media {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        all(f, ["m=", &self.media])?;
        write!(f, " {}", self.port)?;
        if let Some(n) = self.numports {
            write!(f, "/{n}")?;
        }
        all(f, [" ", &self.proto])?;
        self.formats.iter().try_for_each(|p| all(f, [" ", p]))?;
        f.write_str("\r\n")?;
        text_line(f, 'i', self.info.as_deref())?;
        self.connections.iter().try_for_each(|c| c.fmt(f))?;
        self.bandwidths.iter().try_for_each(|b| b.fmt(f))?;
        tail(f, self.key.as_ref(), &self.attributes, &self.unknown)
    }
}

/// The lines that end a section.
fn tail(f: &mut Formatter<'_>, key: Option<&Key>, attributes: &Attributes, unknown: &[UnknownLine]) -> Result {
    if let Some(Key { method, key }) = key {
        match key {
            Some(key) => all(f, ["k=", method, ":", key, "\r\n"])?,
            None => all(f, ["k=", method, "\r\n"])?,
        }
    }
    attributes.0.iter().try_for_each(|a| match &a.value {
        Some(value) => all(f, ["a=", &a.name, ":", value, "\r\n"]),
        None => all(f, ["a=", &a.name, "\r\n"]),
    })?;
    unknown.iter().try_for_each(|l| write!(f, "{}={}\r\n", l.kind, l.value))
}

fn text_line(f: &mut Formatter<'_>, kind: char, value: Option<&str>) -> Result {
    value.map_or(Ok(()), |v| write!(f, "{kind}={v}\r\n"))
}

impl Display for Attribute {
    /// `name` or `name:value`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            Some(value) => write!(f, "{}:{value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl AddrType {
    fn word(&self) -> &str {
        match self {
            Self::Ip4 => "IP4",
            Self::Ip6 => "IP6",
            Self::Other(word) => word,
        }
    }
}

impl Display for AddrType {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.word())
    }
}

impl Display for Connection {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        all(f, ["c=", &self.nettype, " ", self.addrtype.word(), " ", &self.address, "\r\n"])
    }
}

impl Display for Bandwidth {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "b={}:{}\r\n", self.bwtype, self.bandwidth)
    }
}

impl Display for Timing {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "t={} {}\r\n", self.start, self.stop)?;
        for r in &self.repeats {
            write!(f, "r={} {}", r.interval, r.duration)?;
            r.offsets.iter().try_for_each(|o| write!(f, " {o}"))?;
            f.write_str("\r\n")?;
        }
        Ok(())
    }
}
