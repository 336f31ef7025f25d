//! The way out again, straight into bytes: what [`to_json`] says, for descriptions as phones send them.
//!
//! ```text
//!   Sdp ─► all of the usual kind? ─► Fields ─► bytes          else a section, or all of it, by `to_json`
//! ```
//! Shape:  each event of a call holds one or two descriptions; as values they were most of its cost: 40 keys, each with a
//!         copy, a hash and a place in a map.
//! Errors: none.
//! Not here: what the keys mean (`write`, `attributes`); the tests hold both ways to the same bytes.

use sip::sdp::{AddrType, Attribute, Attributes, Connection, Direction, Media, RtpMap, Sdp};

use super::write::{bandwidth, media as media_value, to_json};
use super::{REPEATING, RESERVED, SAFE_INTEGER};
use crate::json::text::Fields;

/// Appends the JSON of a description.
pub(in crate::json) fn write_text(out: &mut Vec<u8>, sdp: &Sdp) {
    let is_usual = sdp.info.is_none()
        && sdp.uri.is_none()
        && sdp.emails.is_empty()
        && sdp.phones.is_empty()
        && sdp.zones.is_empty()
        && sdp.key.is_none()
        && sdp.unknown.is_empty();
    match (sdp.times.as_slice(), usual(&sdp.attributes)) {
        ([time], Some(attributes)) if is_usual && time.repeats.is_empty() && time.start.max(time.stop) <= SAFE_INTEGER => {
            let mut to = Fields::open(out);
            to.number("v", sdp.version);
            let mut origin = to.object("o");
            origin.text("username", &sdp.origin.username);
            number_or_text(&mut origin, "sessionid", &sdp.origin.sessionid);
            number_or_text(&mut origin, "sessionversion", &sdp.origin.sessionversion);
            address(origin, &sdp.origin.nettype, &sdp.origin.addrtype, &sdp.origin.address);
            to.text("s", &sdp.name);
            connections(&mut to, &sdp.connections);
            match sdp.bandwidths.as_slice() {
                [] => {}
                [one] => to.value("b", &bandwidth(one)),
                several => to.value("b", &several.iter().map(bandwidth).collect()),
            }
            let mut t = to.object("t");
            t.number("start", time.start);
            t.number("stop", time.stop);
            t.close();
            if !attributes.is_empty() {
                let mut a = to.object("a");
                write_attributes(&mut a, &attributes);
                a.close();
            }
            to.array("m", sdp.media.iter(), media);
            to.close();
        }
        _ => {
            // Writing to memory cannot fail.
            let _ = serde_json::to_writer(out, &to_json(sdp));
        }
    }
}

fn media(out: &mut Vec<u8>, media: &Media) {
    let is_usual =
        media.numports.is_none() && media.info.is_none() && media.bandwidths.is_empty() && media.key.is_none() && media.unknown.is_empty();
    let Some(attributes) = usual(&media.attributes).filter(|_| is_usual) else {
        let _ = serde_json::to_writer(out, &media_value(media));
        return;
    };
    let mut to = Fields::open(out);
    to.text("media", &media.media);
    to.number("port", media.port);
    to.text("proto", &media.proto);
    to.array("payloads", media.formats.iter(), |out, format| {
        if is_number(format) { out.extend_from_slice(format.as_bytes()) } else { Fields::string(out, format) }
    });
    connections(&mut to, &media.connections);
    write_attributes(&mut to, &attributes);
    to.close();
}

fn connections(to: &mut Fields<'_>, connections: &[Connection]) {
    if !connections.is_empty() {
        to.array("c", connections.iter(), |out, c| address(Fields::open(out), &c.nettype, &c.addrtype, &c.address));
    }
}

/// The three members that end an address.
fn address(mut to: Fields<'_>, nettype: &str, addrtype: &AddrType, address: &str) {
    to.text("nettype", nettype);
    match addrtype {
        AddrType::Ip4 => to.number("ipver", 4_u8),
        AddrType::Ip6 => to.number("ipver", 6_u8),
        AddrType::Other(word) => to.text("ipver", word),
    }
    to.text("address", address);
    to.close();
}

/// An attribute that has a key of its own.
#[derive(Debug, Clone, Copy)]
enum Usual<'a> {
    Map { number: &'a str, map: RtpMap<'a> },
    Format { number: &'a str, text: &'a str },
    Direction(&'a str),
    Named { name: &'a str, value: Option<&'a str> },
}

impl<'a> Usual<'a> {
    fn of(attribute: &'a Attribute) -> Option<Self> {
        let name = attribute.name.as_str();
        match (name, attribute.value.as_deref()) {
            ("rtpmap", Some(value)) => {
                let (number, rest) = payload(value)?;
                let map = RtpMap::parse(rest).filter(|map| is_exact(map, rest))?;
                Some(Self::Map { number, map })
            }
            ("fmtp", Some(value)) => payload(value).map(|(number, text)| Self::Format { number, text }),
            (_, None) if Direction::from_word(name).is_some() => Some(Self::Direction(name)),
            _ if name.is_empty() || name == "framerate" || RESERVED.contains(&name) || REPEATING.contains(&name) => None,
            (_, value) => Some(Self::Named { name, value }),
        }
    }

    /// The key, and the payload type under it.
    fn key(&self) -> (&'a str, &'a str) {
        match *self {
            Self::Map { number, .. } => ("rtpmap", number),
            Self::Format { number, .. } => ("fmtp", number),
            Self::Direction(_) => ("direction", ""),
            Self::Named { name, .. } => (name, ""),
        }
    }
}

/// The attributes, if each has a key of its own and those of one key stand together.
fn usual(attributes: &Attributes) -> Option<Vec<Usual<'_>>> {
    if attributes.0.len() > USUAL_MAX {
        return None;
    }
    let mut all: Vec<Usual<'_>> = Vec::with_capacity(attributes.0.len());
    for attribute in &attributes.0 {
        let one = Usual::of(attribute)?;
        let goes_on = all.last().is_some_and(|last| last.key().0 == one.key().0);
        if all.iter().any(|other| other.key() == one.key() || (!goes_on && other.key().0 == one.key().0)) {
            return None;
        }
        all.push(one);
    }
    Some(all)
}

fn write_attributes(to: &mut Fields<'_>, attributes: &[Usual<'_>]) {
    for group in attributes.chunk_by(|one, other| one.key().0 == other.key().0) {
        match *group {
            [Usual::Map { .. }, ..] => {
                let mut maps = to.object("rtpmap");
                for one in group {
                    if let Usual::Map { number, map } = one {
                        let mut to = maps.object_named(number);
                        to.text("encoding", map.encoding);
                        to.number("clock", map.clock_rate_hz);
                        to.text_if("params", map.params);
                        to.close();
                    }
                }
                maps.close();
            }
            [Usual::Format { .. }, ..] => {
                let mut formats = to.object("fmtp");
                for one in group {
                    if let Usual::Format { number, text } = one {
                        formats.text_named(number, text);
                    }
                }
                formats.close();
            }
            [Usual::Direction(word), ..] => to.text("direction", word),
            [Usual::Named { name, value: None }, ..] => to.flag_named(name),
            [Usual::Named { name, value: Some(value) }, ..] => {
                if matches!(name, "ptime" | "maxptime" | "quality") && is_number(value) {
                    to.number_named(name, value);
                } else {
                    to.text_named(name, value);
                }
            }
            [] => {}
        }
    }
}

/// `number rest`, the number written as we would.
fn payload(value: &str) -> Option<(&str, &str)> {
    value.split_once(' ').filter(|(number, _)| is_number(number) && number.parse::<u8>().is_ok())
}

/// Whether the parts of an `rtpmap` say all of it.
fn is_exact(map: &RtpMap<'_>, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(map.encoding).and_then(|rest| rest.strip_prefix('/')) else { return false };
    let (clock, params) = rest.split_once('/').map_or((rest, None), |(clock, params)| (clock, Some(params)));
    is_number(clock) && clock.parse() == Ok(map.clock_rate_hz) && params == map.params
}

fn number_or_text(to: &mut Fields<'_>, key: &'static str, text: &str) {
    if is_number(text) { to.number_named(key, text) } else { to.text(key, text) }
}

/// Whether it is a number written as we would, which every JavaScript number holds exactly.
fn is_number(text: &str) -> bool {
    let is_decimal = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal && (text == "0" || !text.starts_with('0')) && text.parse::<u64>().is_ok_and(|number| number <= SAFE_INTEGER)
}

/// Attributes of one section that are looked at this way: each is compared with those before it. Phones send up to 20.
const USUAL_MAX: usize = 32;
