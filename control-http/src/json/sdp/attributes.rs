//! `a=` lines as keys of an object, and back.
//!
//! ```text
//!   a=rtpmap:101 telephone-event/8000   "rtpmap": { "101": { "encoding": "telephone-event", "clock": 8000 } }
//!   a=fmtp:101 0-16                     "fmtp": { "101": "0-16" }
//!   a=sendonly                          "direction": "sendonly"
//!   a=rtcp-mux                          "rtcp-mux": true
//!   a=ptime:20                          "ptime": 20
//!   a=rtpmap:101  spaced oddly          "verbatim": ["a=rtpmap:101  spaced oddly"]
//! ```
//! Shape:  each attribute has one key; the order within a key is kept by arrays and by the order of object keys, the
//!         order between keys by `attributeorder` where it is not simply key after key.
//! Errors: `BadSdp` on the way in.

use serde_json::map::Entry;
use serde_json::{Map, Value, json};
use sip::sdp::{Attribute, Attributes, Direction, RtpMap, UnknownLine};

use super::read::{BadSdp, Path, text, whole};
use super::write::{line, number_or_text};
use super::{REPEATING, RESERVED};
use crate::json::{Map as Members, Value as Read};

/// Writes all attributes, and the unknown lines of the same section, into the section's object.
pub(super) fn write(to: &mut Map<String, Value>, attributes: &Attributes, unknown: &[UnknownLine]) {
    let keys: Vec<&str> = attributes.0.iter().map(|a| write_one(to, a)).collect();
    if !is_grouped(&keys) {
        to.insert("attributeorder".into(), keys.into());
    }
    for l in unknown {
        push(to, "verbatim", line(l));
    }
}

/// Writes one attribute and tells under which key.
fn write_one<'a>(to: &mut Map<String, Value>, attribute: &'a Attribute) -> &'a str {
    let name = attribute.name.as_str();
    let typed = match (name, &attribute.value) {
        ("rtpmap", Some(value)) => rtpmap(value).and_then(|(number, map)| insert_payload(to, "rtpmap", number, map)),
        ("fmtp", Some(value)) => payload(value).and_then(|(number, parameters)| insert_payload(to, "fmtp", number, parameters.into())),
        (_, None) if Direction::from_word(name).is_some() => match to.entry("direction") {
            Entry::Vacant(free) => {
                free.insert(name.into());
                Some("direction")
            }
            Entry::Occupied(_) => None,
        },
        _ if name.is_empty() || RESERVED.contains(&name) => None,
        (_, value) => {
            push_generic(to, name, element(name, value.as_deref()));
            Some(name)
        }
    };
    typed.unwrap_or_else(|| {
        push(to, "verbatim", format!("a={attribute}").into());
        "verbatim"
    })
}

/// Whether each key's attributes stand together, so that reading key after key restores the order.
fn is_grouped(keys: &[&str]) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    for &key in keys {
        if seen.last() == Some(&key) {
            continue;
        }
        if seen.contains(&key) {
            return false;
        }
        seen.push(key);
    }
    true
}

/// A value as JSON: `true` for a flag, a number where the name has numbers and the text is exactly one.
fn element(name: &str, value: Option<&str>) -> Value {
    match (name, value) {
        (_, None) => true.into(),
        ("ptime" | "maxptime" | "quality", Some(value)) => number_or_text(value),
        ("framerate", Some(value)) => match value.parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate.to_string() == value => rate.into(),
            _ => value.into(),
        },
        (_, Some(value)) => value.into(),
    }
}

fn push_generic(to: &mut Map<String, Value>, name: &str, value: Value) {
    match to.entry(name) {
        Entry::Vacant(free) if REPEATING.contains(&name) => {
            free.insert(Value::Array(vec![value]));
        }
        Entry::Vacant(free) => {
            free.insert(value);
        }
        Entry::Occupied(mut taken) => match taken.get_mut() {
            Value::Array(values) => values.push(value),
            single => *single = Value::Array(vec![single.take(), value]),
        },
    }
}

fn push(to: &mut Map<String, Value>, key: &str, value: Value) {
    if let Value::Array(values) = to.entry(key).or_insert_with(|| json!([])) {
        values.push(value);
    }
}

/// `None` if the payload type has one already.
fn insert_payload(to: &mut Map<String, Value>, key: &'static str, number: u8, value: Value) -> Option<&'static str> {
    let Value::Object(payloads) = to.entry(key).or_insert_with(|| json!({})) else { return None };
    match payloads.entry(number.to_string()) {
        Entry::Vacant(free) => {
            free.insert(value);
            Some(key)
        }
        Entry::Occupied(_) => None,
    }
}

/// `number rest`, the number written as we would.
fn payload(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.split_once(' ')?;
    let parsed: u8 = number.parse().ok()?;
    (parsed.to_string() == number).then_some((parsed, rest))
}

/// The parts of an `rtpmap`, if they say all of it.
fn rtpmap(value: &str) -> Option<(u8, Value)> {
    let (number, rest) = payload(value)?;
    let map = RtpMap::parse(rest)?;
    if rtpmap_text(map.encoding, map.clock_rate_hz, map.params) != rest {
        return None;
    }
    let mut to = Map::new();
    to.insert("encoding".into(), map.encoding.into());
    to.insert("clock".into(), map.clock_rate_hz.into());
    if let Some(params) = map.params {
        to.insert("params".into(), params.into());
    }
    Some((number, to.into()))
}

fn rtpmap_text(encoding: &str, clock_rate_hz: u32, params: Option<&str>) -> String {
    params.map_or_else(|| format!("{encoding}/{clock_rate_hz}"), |p| format!("{encoding}/{clock_rate_hz}/{p}"))
}

/// Reads the attributes of a section's object, and from `verbatim` its unknown lines.
///
/// # Errors
/// [`BadSdp`] for a value that is no attribute.
pub(super) fn read(from: &Members<'_>, path: &Path<'_>, is_unknown: fn(char) -> bool) -> Result<(Attributes, Vec<UnknownLine>), BadSdp> {
    let mut keyed: Vec<(&str, Attribute)> = Vec::new();
    let mut unknown = Vec::new();
    for (key, value) in from.iter() {
        let at = path.key(key);
        match key {
            "rtpmap" => {
                for (number, value) in at.object(value)?.iter() {
                    keyed.push((key, read_rtpmap(number, value, &at.key(number))?));
                }
            }
            "fmtp" => {
                for (number, value) in at.object(value)?.iter() {
                    let at = at.key(number);
                    let text = format!("{} {}", payload_number(number, &at)?, text(value, &at)?);
                    keyed.push((key, Attribute { name: "fmtp".into(), value: Some(text) }));
                }
            }
            "direction" => {
                let word = Direction::from_word(text(value, &at)?);
                let word = word.ok_or_else(|| at.bad("sendrecv, sendonly, recvonly or inactive expected"))?;
                keyed.push((key, Attribute { name: word.word().into(), value: None }));
            }
            "verbatim" => {
                for (index, value) in at.array(value)?.iter().enumerate() {
                    let at = at.index(index);
                    match verbatim(value, &at)? {
                        ('a', value) => keyed.push((key, attribute(value))),
                        (kind, value) if is_unknown(kind) => unknown.push(UnknownLine { kind, value: value.into() }),
                        _ => return Err(at.bad("an a= line, or one of a type that SDP does not know, expected")),
                    }
                }
            }
            _ if RESERVED.contains(&key) => {}
            name => {
                if name.is_empty() || name.contains([':', '\r', '\n', '\0']) {
                    return Err(at.bad("not a name of an attribute"));
                }
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                for value in values {
                    if let Some(value) = generic(value, &at)? {
                        keyed.push((key, Attribute { name: name.into(), value }));
                    }
                }
            }
        }
    }
    if let Some(order) = from.get("attributeorder") {
        keyed = reordered(keyed, path.key("attributeorder").array(order)?);
    }
    Ok((Attributes(keyed.into_iter().map(|(_, attribute)| attribute).collect()), unknown))
}

/// Attributes in the order of their keys in `order`; those it does not list follow. Names in it that have no more
/// attributes are passed over, so a script may take some away.
fn reordered<'a>(keyed: Vec<(&'a str, Attribute)>, order: &[Read<'_>]) -> Vec<(&'a str, Attribute)> {
    let mut queues: Vec<(&str, std::collections::VecDeque<Attribute>)> = Vec::new();
    for (key, attribute) in keyed {
        match queues.iter_mut().find(|(k, _)| *k == key) {
            Some((_, queue)) => queue.push_back(attribute),
            None => queues.push((key, [attribute].into())),
        }
    }
    let mut sorted = Vec::new();
    for key in order.iter().filter_map(Read::as_str) {
        if let Some((key, queue)) = queues.iter_mut().find(|(k, _)| *k == key) {
            sorted.extend(queue.pop_front().map(|attribute| (*key, attribute)));
        }
    }
    for (key, queue) in queues {
        sorted.extend(queue.into_iter().map(|attribute| (key, attribute)));
    }
    sorted
}

/// `Some(None)` is a flag, `None` no attribute at all (`false`, `null`).
fn generic(value: &Read<'_>, at: &Path<'_>) -> Result<Option<Option<String>>, BadSdp> {
    match value {
        Read::Null | Read::Bool(false) => Ok(None),
        Read::Bool(true) => Ok(Some(None)),
        Read::Number(n) => Ok(Some(Some(n.as_f64().filter(|_| n.is_f64()).map_or_else(|| n.to_string(), |f| f.to_string())))),
        Read::String(_) => Ok(Some(Some(text(value, at)?.to_owned()))),
        Read::Array(_) | Read::Object(_) => Err(at.bad("string, number or true expected")),
    }
}

fn read_rtpmap(number: &str, value: &Read<'_>, at: &Path<'_>) -> Result<Attribute, BadSdp> {
    let map = at.object(value)?;
    let encoding_at = at.key("encoding");
    let encoding = text(map.get("encoding").unwrap_or(&Read::Null), &encoding_at)?;
    if encoding.is_empty() || encoding.contains('/') {
        return Err(encoding_at.bad("not an encoding name"));
    }
    let clock_at = at.key("clock");
    let clock = whole(map.get("clock").unwrap_or(&Read::Null), &clock_at)?;
    let clock = u32::try_from(clock).map_err(|_| clock_at.bad("not a clock rate"))?;
    let params = match map.get("params") {
        None | Some(Read::Null) => None,
        Some(Read::Number(n)) => Some(n.to_string()),
        Some(params) => Some(text(params, &at.key("params"))?.to_owned()),
    };
    let text = format!("{} {}", payload_number(number, at)?, rtpmap_text(encoding, clock, params.as_deref()));
    Ok(Attribute { name: "rtpmap".into(), value: Some(text) })
}

fn payload_number(number: &str, at: &Path<'_>) -> Result<u8, BadSdp> {
    number.parse().map_err(|_| at.bad("not a payload type"))
}

/// `letter=value` of a `verbatim` element.
pub(super) fn verbatim<'a>(value: &'a Read<'a>, at: &Path<'_>) -> Result<(char, &'a str), BadSdp> {
    let line = text(value, at)?;
    let mut letters = line.chars();
    match (letters.next(), letters.next()) {
        (Some(kind), Some('=')) if kind.is_ascii_alphabetic() => Ok((kind, letters.as_str())),
        _ => Err(at.bad("a line of SDP expected")),
    }
}

fn attribute(value: &str) -> Attribute {
    match value.split_once(':') {
        Some((name, value)) => Attribute { name: name.into(), value: Some(value.into()) },
        None => Attribute { name: value.into(), value: None },
    }
}
