//! The way out: [`to_json`].
//!
//! Shape:  keys in the order of RFC 4566 §5, left out where the description has no such line; `c` is an array,
//!         `b`, `e`, `p` and `t` are one value where there is one, else arrays.
//! Errors: none.

use serde_json::{Map, Value, json};
use sip::sdp::{AddrType, Bandwidth, Connection, Key, Media, Repeat, Sdp, UnknownLine};

use super::{SAFE_INTEGER, attributes};

/// The JSON form of a description.
pub fn to_json(sdp: &Sdp) -> Value {
    let mut to = Map::new();
    let o = &sdp.origin;
    to.insert("v".into(), sdp.version.into());
    let origin = json!({ "username": o.username, "sessionid": number_or_text(&o.sessionid),
        "sessionversion": number_or_text(&o.sessionversion), "nettype": o.nettype,
        "ipver": ipver(&o.addrtype), "address": o.address });
    to.insert("o".into(), origin);
    to.insert("s".into(), sdp.name.as_str().into());
    insert_text(&mut to, "i", sdp.info.as_deref());
    insert_text(&mut to, "u", sdp.uri.as_deref());
    insert_few(&mut to, "e", sdp.emails.iter().map(|e| e.as_str().into()).collect());
    insert_few(&mut to, "p", sdp.phones.iter().map(|p| p.as_str().into()).collect());
    insert_connections(&mut to, &sdp.connections);
    insert_few(&mut to, "b", sdp.bandwidths.iter().map(bandwidth).collect());
    insert_times(&mut to, sdp);
    if !sdp.zones.is_empty() {
        let zones = sdp.zones.iter().map(|z| json!({ "adjustment": integer(z.adjustment), "offset": z.offset }));
        to.insert("z".into(), zones.collect());
    }
    insert_key(&mut to, sdp.key.as_ref());
    let mut a = Map::new();
    attributes::write(&mut a, &sdp.attributes, &[]);
    if !a.is_empty() {
        to.insert("a".into(), a.into());
    }
    let lines: Vec<Value> = sdp.unknown.iter().map(line).collect();
    if !lines.is_empty() {
        to.insert("verbatim".into(), lines.into());
    }
    to.insert("m".into(), sdp.media.iter().map(media).collect());
    to.into()
}

pub(super) fn media(media: &Media) -> Value {
    let mut to = Map::new();
    to.insert("media".into(), media.media.as_str().into());
    to.insert("port".into(), media.port.into());
    if let Some(n) = media.numports {
        to.insert("numports".into(), n.into());
    }
    to.insert("proto".into(), media.proto.as_str().into());
    to.insert("payloads".into(), media.formats.iter().map(|f| number_or_text(f)).collect());
    insert_text(&mut to, "i", media.info.as_deref());
    insert_connections(&mut to, &media.connections);
    insert_few(&mut to, "b", media.bandwidths.iter().map(bandwidth).collect());
    insert_key(&mut to, media.key.as_ref());
    attributes::write(&mut to, &media.attributes, &media.unknown);
    to.into()
}

fn insert_times(to: &mut Map<String, Value>, sdp: &Sdp) {
    if let [t] = sdp.times.as_slice() {
        to.insert("t".into(), json!({ "start": integer(t.start), "stop": integer(t.stop) }));
        insert_few(to, "r", t.repeats.iter().map(repeat).collect());
        return;
    }
    let times = sdp.times.iter().map(|t| {
        let mut one = Map::new();
        one.insert("start".into(), integer(t.start));
        one.insert("stop".into(), integer(t.stop));
        insert_few(&mut one, "r", t.repeats.iter().map(repeat).collect());
        Value::from(one)
    });
    to.insert("t".into(), times.collect());
}

fn repeat(r: &Repeat) -> Value {
    let offsets: Vec<Value> = r.offsets.iter().copied().map(integer).collect();
    json!({ "interval": integer(r.interval), "duration": integer(r.duration), "offsets": offsets })
}

fn insert_text(to: &mut Map<String, Value>, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        to.insert(key.into(), text.into());
    }
}

/// Nothing, one value, or an array.
fn insert_few(to: &mut Map<String, Value>, key: &str, mut values: Vec<Value>) {
    let value = match values.len() {
        0 => return,
        1 => values.remove(0),
        _ => values.into(),
    };
    to.insert(key.into(), value);
}

fn insert_connections(to: &mut Map<String, Value>, connections: &[Connection]) {
    let one = |c: &Connection| json!({ "nettype": c.nettype, "ipver": ipver(&c.addrtype), "address": c.address });
    if !connections.is_empty() {
        to.insert("c".into(), connections.iter().map(one).collect());
    }
}

fn insert_key(to: &mut Map<String, Value>, key: Option<&Key>) {
    if let Some(Key { method, key }) = key {
        let value = key.as_ref().map_or_else(|| json!({ "method": method }), |key| json!({ "method": method, "key": key }));
        to.insert("k".into(), value);
    }
}

pub(super) fn bandwidth(b: &Bandwidth) -> Value {
    json!({ "bwtype": b.bwtype, "bandwidth": integer(b.bandwidth) })
}

fn ipver(addrtype: &AddrType) -> Value {
    match addrtype {
        AddrType::Ip4 => 4.into(),
        AddrType::Ip6 => 6.into(),
        AddrType::Other(word) => word.as_str().into(),
    }
}

/// A line of a type that its section does not know.
pub(super) fn line(line: &UnknownLine) -> Value {
    format!("{}={}", line.kind, line.value).into()
}

/// A number, or a string where JavaScript could not hold it.
pub(super) fn integer(n: u64) -> Value {
    if n <= SAFE_INTEGER { n.into() } else { n.to_string().into() }
}

/// A number where that is how it was written, else the text.
pub(super) fn number_or_text(text: &str) -> Value {
    match text.parse::<u64>() {
        Ok(n) if n <= SAFE_INTEGER && n.to_string() == text => n.into(),
        _ => text.into(),
    }
}
