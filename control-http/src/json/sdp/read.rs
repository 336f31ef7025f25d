//! The way in: [`from_json`].
//!
//! Shape:  unknown keys of fixed objects are ignored, missing ones take the defaults of the contract: `v` 0, `s` one
//!         space, `t` 0 0, `username` `-`, `nettype` `IN`, `ipver` by the address; `c`, `b`, `t`, `r` may be one or an array.
//! Strict: no control characters anywhere, no spaces in words, so that a string cannot make another line; the limits
//!         of `sip::sdp`.
//! Errors: [`BadSdp`] with the path of the key.

use sip::sdp::{AddrType, Bandwidth, Connection, Key, Media, Origin, Repeat, Sdp, Timing, UnknownLine, ZoneAdjustment};

use super::attributes;
use crate::json::{Map, Value};

/// A key of the JSON form that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sdp{}{key}: {problem}", if .key.is_empty() || .key.starts_with('[') { "" } else { "." })]
pub struct BadSdp {
    /// Path of the key, `m[0].port`; empty for the whole.
    pub key: String,
    /// What was expected, or what is wrong.
    pub problem: String,
}

/// Reads the JSON form of a description.
///
/// # Errors
/// [`BadSdp`] names the first key of a wrong type or value.
pub fn from_json(value: &Value<'_>) -> Result<Sdp, BadSdp> {
    let root = Path::Root;
    let from = root.object(value)?;
    let at = |key| root.key(key);
    let (attributes, _) = match present(from, "a") {
        Some(a) => attributes::read(at("a").object(a)?, &at("a"), |_| false)?,
        None => Default::default(),
    };
    let sdp = Sdp {
        version: match present(from, "v") {
            Some(v) => bounded(v, &at("v"))?,
            None => 0,
        },
        origin: origin(present(from, "o").unwrap_or(&Value::Null), &at("o"))?,
        name: present(from, "s").map_or(Ok(" "), |s| text(s, &at("s")))?.to_owned(),
        info: optional_text(from, &root, "i")?,
        uri: optional_text(from, &root, "u")?,
        emails: each(from, &root, "e", |v, at| Ok(text(v, at)?.to_owned()))?.into_iter().filter(|e| !e.is_empty()).collect(),
        phones: each(from, &root, "p", |v, at| Ok(text(v, at)?.to_owned()))?.into_iter().filter(|p| !p.is_empty()).collect(),
        connections: each(from, &root, "c", connection)?,
        bandwidths: each(from, &root, "b", bandwidth)?,
        times: times(from, &root)?,
        zones: each(from, &root, "z", zone)?,
        key: present(from, "k").map(|k| key(k, &at("k"))).transpose()?,
        attributes,
        unknown: each(from, &root, "verbatim", |v, at| match attributes::verbatim(v, at)? {
            (kind, _) if "vosiuepcbtrzkam".contains(kind) => Err(at.bad("a line of a type that SDP does not know expected")),
            (kind, value) => Ok(UnknownLine { kind, value: value.to_owned() }),
        })?,
        media: each(from, &root, "m", media)?,
    };
    // The limits of the text are the limits of the form; what passes here is read back as it is.
    match Sdp::parse(&sdp.text()) {
        Ok(_) => Ok(sdp),
        Err(error) => Err(root.bad(error.to_string())),
    }
}

fn origin(value: &Value<'_>, path: &Path<'_>) -> Result<Origin, BadSdp> {
    let from = path.object(value)?;
    let word_or = |key, default: &str| match present(from, key) {
        Some(Value::Number(n)) if n.is_u64() => Ok(n.to_string()),
        Some(value) => word(value, &path.key(key)),
        None => Ok(default.to_owned()),
    };
    let Connection { nettype, addrtype, address } = connection(value, path)?;
    Ok(Origin {
        username: word_or("username", "-")?,
        sessionid: word_or("sessionid", "0")?,
        sessionversion: word_or("sessionversion", "0")?,
        nettype,
        addrtype,
        address,
    })
}

fn connection(value: &Value<'_>, path: &Path<'_>) -> Result<Connection, BadSdp> {
    let from = path.object(value)?;
    let address = word(present(from, "address").unwrap_or(&Value::Null), &path.key("address"))?;
    let addrtype = match present(from, "ipver") {
        None if address.contains(':') => AddrType::Ip6,
        None => AddrType::Ip4,
        Some(Value::Number(n)) if n.as_u64() == Some(4) => AddrType::Ip4,
        Some(Value::Number(n)) if n.as_u64() == Some(6) => AddrType::Ip6,
        Some(other) => AddrType::from_word(&word(other, &path.key("ipver"))?),
    };
    let nettype = present(from, "nettype").map_or_else(|| Ok("IN".to_owned()), |n| word(n, &path.key("nettype")))?;
    Ok(Connection { nettype, addrtype, address })
}

fn bandwidth(value: &Value<'_>, path: &Path<'_>) -> Result<Bandwidth, BadSdp> {
    let from = path.object(value)?;
    let at = path.key("bwtype");
    let bwtype = word(present(from, "bwtype").unwrap_or(&Value::Null), &at)?;
    if bwtype.contains(':') {
        return Err(at.bad("a word without a colon expected"));
    }
    Ok(Bandwidth { bwtype, bandwidth: required(from, path, "bandwidth")? })
}

fn key(value: &Value<'_>, path: &Path<'_>) -> Result<Key, BadSdp> {
    let from = path.object(value)?;
    let at = path.key("method");
    let method = text(present(from, "method").unwrap_or(&Value::Null), &at)?.to_owned();
    if method.contains(':') {
        return Err(at.bad("a word without a colon expected"));
    }
    let key = present(from, "key").map(|k| text(k, &path.key("key")).map(str::to_owned)).transpose()?;
    Ok(Key { method, key })
}

fn times(from: &Map<'_>, root: &Path<'_>) -> Result<Vec<Timing>, BadSdp> {
    let mut times = match present(from, "t") {
        None => vec![Timing::default()],
        Some(_) => each(from, root, "t", |value, at| {
            let from = at.object(value)?;
            let (start, stop) = (required(from, at, "start")?, required(from, at, "stop")?);
            Ok(Timing { start, stop, repeats: each(from, at, "r", repeat)? })
        })?,
    };
    let repeats = each(from, root, "r", repeat)?;
    match times.last_mut() {
        Some(last) => last.repeats.extend(repeats),
        None if repeats.is_empty() => {}
        None => return Err(root.key("r").bad("there is no t that it could repeat")),
    }
    Ok(times)
}

fn repeat(value: &Value<'_>, path: &Path<'_>) -> Result<Repeat, BadSdp> {
    let from = path.object(value)?;
    Ok(Repeat {
        interval: required(from, path, "interval")?,
        duration: required(from, path, "duration")?,
        offsets: each(from, path, "offsets", whole)?,
    })
}

fn zone(value: &Value<'_>, path: &Path<'_>) -> Result<ZoneAdjustment, BadSdp> {
    let from = path.object(value)?;
    let offset = present(from, "offset").and_then(Value::as_i64);
    Ok(ZoneAdjustment {
        adjustment: required(from, path, "adjustment")?,
        offset: offset.ok_or_else(|| path.key("offset").bad("integer expected"))?,
    })
}

fn media(value: &Value<'_>, path: &Path<'_>) -> Result<Media, BadSdp> {
    let from = path.object(value)?;
    let at = |key| path.key(key);
    let (attributes, unknown) = attributes::read(from, path, |kind| !"icbkam".contains(kind))?;
    Ok(Media {
        media: word(present(from, "media").unwrap_or(&Value::Null), &at("media"))?,
        port: bounded(present(from, "port").unwrap_or(&Value::Null), &at("port"))?,
        numports: present(from, "numports").map(|n| bounded(n, &at("numports"))).transpose()?,
        proto: word(present(from, "proto").unwrap_or(&Value::Null), &at("proto"))?,
        formats: each(from, path, "payloads", |value, at| match value {
            Value::Number(n) if n.is_u64() => Ok(n.to_string()),
            other => word(other, at),
        })?,
        info: optional_text(from, path, "i")?,
        connections: each(from, path, "c", connection)?,
        bandwidths: each(from, path, "b", bandwidth)?,
        key: present(from, "k").map(|k| key(k, &at("k"))).transpose()?,
        attributes,
        unknown,
    })
}

/// Where a value stands, for the message of an error. Made of borrowed parts, so that reading costs no strings.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// The whole description.
    Root,
    /// A key of an object.
    Key(&'a Path<'a>, &'a str),
    /// An element of an array.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub(super) const fn key(&'a self, key: &'a str) -> Self {
        Path::Key(self, key)
    }

    pub(super) const fn index(&'a self, index: usize) -> Self {
        Path::Index(self, index)
    }

    pub(super) fn bad(&self, problem: impl Into<String>) -> BadSdp {
        BadSdp { key: self.to_string(), problem: problem.into() }
    }

    pub(super) fn object<'v>(&self, value: &'v Value<'v>) -> Result<&'v Map<'v>, BadSdp> {
        value.as_object().ok_or_else(|| self.bad("object expected"))
    }

    pub(super) fn array<'v>(&self, value: &'v Value<'v>) -> Result<&'v Vec<Value<'v>>, BadSdp> {
        value.as_array().ok_or_else(|| self.bad("array expected"))
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A key that is there and not `null`.
fn present<'a>(from: &'a Map<'a>, key: &str) -> Option<&'a Value<'a>> {
    from.get(key).filter(|v| !v.is_null())
}

/// One value or an array of them; none if the key is missing.
fn each<T>(
    from: &Map<'_>,
    path: &Path<'_>,
    key: &str,
    read: impl Fn(&Value<'_>, &Path<'_>) -> Result<T, BadSdp>,
) -> Result<Vec<T>, BadSdp> {
    let at = path.key(key);
    match present(from, key) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => values.iter().enumerate().map(|(index, v)| read(v, &at.index(index))).collect(),
        Some(value) => Ok(vec![read(value, &at)?]),
    }
}

/// A string without control characters that end lines or texts.
pub(super) fn text<'a>(value: &'a Value<'a>, at: &Path<'_>) -> Result<&'a str, BadSdp> {
    let text = value.as_str().ok_or_else(|| at.bad("string expected"))?;
    if text.contains(['\r', '\n', '\0']) { Err(at.bad("control character in a string")) } else { Ok(text) }
}

/// Free text that is left out when empty, as the grammar has no empty text (RFC 4566 §9).
fn optional_text(from: &Map<'_>, path: &Path<'_>, key: &str) -> Result<Option<String>, BadSdp> {
    let value = present(from, key).map(|v| text(v, &path.key(key))).transpose()?;
    Ok(value.filter(|v| !v.is_empty()).map(str::to_owned))
}

/// A string without white space.
fn word(value: &Value<'_>, at: &Path<'_>) -> Result<String, BadSdp> {
    let word = text(value, at)?;
    if word.is_empty() || word.contains(|c: char| c.is_ascii_whitespace()) {
        return Err(at.bad("a word without spaces expected"));
    }
    Ok(word.to_owned())
}

/// A whole number, or a string of its digits.
pub(super) fn whole(value: &Value<'_>, at: &Path<'_>) -> Result<u64, BadSdp> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.ok_or_else(|| at.bad("whole number expected"))
}

fn bounded<T: TryFrom<u64>>(value: &Value<'_>, at: &Path<'_>) -> Result<T, BadSdp> {
    T::try_from(whole(value, at)?).map_err(|_| at.bad("number is too large"))
}

fn required(from: &Map<'_>, path: &Path<'_>, key: &str) -> Result<u64, BadSdp> {
    whole(present(from, key).unwrap_or(&Value::Null), &path.key(key))
}
