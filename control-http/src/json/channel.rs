//! Channels of project-rtp: what they are asked for, what they tell.
//!
//! ```text
//!   {"ip","port","audio":{"payloads",…}} ──► TargetBody ──► Command::Target
//!   Opened, ChannelView, Stats, Load, Event ──► JSON
//! ```
//! Shape:  payload maps as in SDP JSON: `rtpmap` and `fmtp` are objects by payload type.
//! Units:  in the key: `ms`, `us`; what was not measured is `null`.
//! Errors: [`JsonError::BadField`].
//! Not here: resolving a name in `ip` (`routes::channel`).
//! Source: `docs/openapi.yaml`, `/channel`.

use std::net::IpAddr;

use rtp::api::{
    AddressWish, ChannelCounts, ChannelView, ControlUrl, Direction, Encoding, Event, EventAction, Lateness, Load, Open, Opened, Payload,
    PlayEvent, RecordEvent, Stats, Target,
};
use serde_json::{Map, Value, json};

use super::{JsonError, Object, control_url, levels};

/// Reads `POST /channel`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn open(body: &Object<'_>) -> Result<Open, JsonError> {
    let control = body.get("control").map(|value| control_url(value, &body.path("control")).map(ControlUrl)).transpose()?;
    let near = body.string("near")?.map(|near| near.parse().map_err(|_| body.error("near", "must be the uuid of a channel")));
    let (jitter_min_ms, jitter_max_ms) = match body.object("jitter")? {
        Some(jitter) => (jitter.number("min", 0, JITTER_MS_MAX)?, jitter.number("max", 20, JITTER_MS_MAX)?),
        None => (None, None),
    };
    if jitter_min_ms.zip(jitter_max_ms).is_some_and(|(min, max)| min > max) {
        return Err(body.error("jitter.max", "must not be below min"));
    }
    let id = body.string("id")?.map(str::to_owned);
    Ok(Open { control, id, near: near.transpose()?, address: address_wish(body)?, jitter_min_ms, jitter_max_ms })
}

/// `"ip"`: one of our addresses, or a word for its family.
fn address_wish(body: &Object<'_>) -> Result<Option<AddressWish>, JsonError> {
    let wish = |text: &str| match text {
        "ipv4" => Some(AddressWish::V4),
        "ipv6" => Some(AddressWish::V6),
        _ => text.trim_matches(['[', ']']).parse().ok().map(AddressWish::Is),
    };
    body.string("ip")?.map(|text| wish(text).ok_or_else(|| body.error("ip", "must be ipv4, ipv6 or an address"))).transpose()
}

/// A far end whose address may still be a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetBody {
    /// Address or host name.
    pub host: String,
    /// Key that `host` came from, for errors.
    pub host_path: String,
    /// The rest; `ip` is unspecified until the name is resolved.
    pub target: Target,
    /// The body asks for encrypted media.
    pub secure: bool,
}

/// Reads `PUT /channel/{uuid}`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn target(body: &Object<'_>) -> Result<TargetBody, JsonError> {
    // The successor of the documented interface wraps the far end in `remote` and calls its address `address`.
    let remote = body.object("remote")?;
    let place = remote.as_ref().unwrap_or(body);
    let host_key = if place.get("ip").is_none() && place.get("address").is_some() { "address" } else { "ip" };
    let host = place.required_string(host_key)?;
    place.required("port")?;
    let port = place.number("port", 0, u16::MAX)?.unwrap_or(0);
    let audio = body.object("audio")?;
    let (payloads, ptime_ms) = match &audio {
        Some(audio) => (payloads(audio)?, audio.number("ptime", 1, 200)?),
        None => (remote.as_ref().map_or(Ok(Vec::new()), codecs)?, None),
    };
    if payloads.is_empty() {
        return Err(body.error("audio.payloads", "must name at least one payload type"));
    }
    let mux = body.boolean("rtcpmux")?.or(body.boolean("rtcp-mux")?).unwrap_or(false);
    let direction = body.get("direction").map(|value| direction_of(value, body)).transpose()?;
    Ok(TargetBody {
        host: host.to_owned(),
        host_path: place.path(host_key),
        target: Target { ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), port, payloads, ptime_ms, direction, rtcp_mux: mux },
        secure: ["dtls", "crypto"].iter().any(|key| place.get(key).is_some() || body.get(key).is_some()),
    })
}

/// Reads `PUT /channel/{uuid}/direction`: `{send, recv}`, each true unless said.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn direction(body: &Object<'_>) -> Result<Direction, JsonError> {
    Ok(Direction { send: body.boolean("send")?.unwrap_or(true), recv: body.boolean("recv")?.unwrap_or(true) })
}

/// Answer to `POST /channel`.
pub fn opened(opened: &Opened) -> Value {
    let uuid = opened.channel.to_string();
    json!({
        "uuid": uuid,
        "channel": uuid,
        "ip": opened.ip.to_string(),
        "port": opened.port,
        "channels": counts(opened.channels),
        "load": brief(&opened.load),
    })
}

/// One channel with its live statistics.
pub fn channel(view: &ChannelView) -> Value {
    let uuid = view.channel.to_string();
    let mut out = Map::new();
    out.insert("uuid".into(), uuid.as_str().into());
    out.insert("channel".into(), uuid.into());
    if let Some(id) = &view.id {
        out.insert("id".into(), id.as_str().into());
    }
    out.insert("ip".into(), view.local.ip().to_string().into());
    out.insert("port".into(), view.local.port().into());
    out.insert("mix".into(), view.mix.map(|mix| mix.to_string()).into());
    out.insert("echo".into(), view.echo.into());
    out.insert("direction".into(), json!({"send": view.direction.send, "recv": view.direction.recv}));
    levels::append(&mut out, &view.levels, view.group.as_ref());
    out.insert("play".into(), view.play.into());
    out.insert("record".into(), view.records.iter().map(|file| Value::from(&**file)).collect());
    append_stats(&mut out, &view.stats);
    Value::Object(out)
}

/// Answer to `DELETE /channel/{uuid}`: final statistics and the pool after it.
pub fn closed(uuid: &str, stats: &Stats, channels: ChannelCounts) -> Value {
    let mut out = Map::new();
    out.insert("uuid".into(), uuid.into());
    out.insert("channels".into(), counts(channels));
    append_stats(&mut out, stats);
    Value::Object(out)
}

/// Load of the process, with all that is known of its slots.
pub fn load(load: &Load) -> Value {
    let mut out = brief(load);
    let cores = out["cores"].as_array_mut().into_iter().flatten();
    for (core, out) in load.cores.iter().zip(cores) {
        out["tick"]["lateness"] = json!({"leus": Lateness::BOUNDS_US, "counts": core.lateness.counts(), "sumus": core.lateness.sum_us()});
    }
    out
}

/// Load of the process, as it goes with each channel that is opened.
fn brief(load: &Load) -> Value {
    let cores: Vec<Value> = load
        .cores
        .iter()
        .map(|core| {
            json!({
                "core": core.core,
                "channels": core.channels,
                "tick": {
                    "budgetus": core.budget_us,
                    "meanus": core.mean_us,
                    "p99us": core.p99_us,
                    "maxus": core.max_us,
                    "latep99us": core.late_p99_us,
                    "late": core.late,
                    "missed": core.missed,
                },
                "headroom": core.headroom,
            })
        })
        .collect();
    json!({"cores": cores, "headroom": load.headroom, "transcodes": load.transcodes, "maxtranscodes": load.transcodes_max, "accepting": load.accepting})
}

/// Body of `PUT {control}/channel/{uuid}`.
pub fn channel_event(event: &Event) -> Value {
    let mut out = Map::new();
    match &event.action {
        EventAction::Mix(mix) => {
            out.insert("action".into(), "mix".into());
            out.insert("event".into(), mix.word().into());
        }
        EventAction::Speakers(speakers) => {
            let speakers: Vec<Value> = speakers.iter().map(|uuid| uuid.to_string().into()).collect();
            out.insert("action".into(), "mix".into());
            out.insert("event".into(), "speakers".into());
            out.insert("speakers".into(), speakers.into());
        }
        EventAction::Media(media) => {
            out.insert("action".into(), "media".into());
            out.insert("event".into(), media.word().into());
        }
        EventAction::Digit { digit, duration_ms, source } => {
            out.insert("action".into(), "telephone-event".into());
            out.insert("event".into(), digit.to_string().into());
            out.insert("durationms".into(), (*duration_ms).into());
            out.insert("source".into(), source.word().into());
        }
        EventAction::Play(play) => append_play(&mut out, play),
        EventAction::Record(record) => append_record(&mut out, record),
        EventAction::Close { reason, stats } => {
            let mut figures = Map::new();
            append_stats(&mut figures, stats);
            out.insert("action".into(), "close".into());
            out.insert("reason".into(), reason.word().into());
            out.insert("stats".into(), figures.into());
        }
    }
    out.insert("uuid".into(), event.channel.to_string().into());
    if let Some(id) = &event.id {
        out.insert("id".into(), id.as_str().into());
    }
    out.insert("seq".into(), event.seq.into());
    Value::Object(out)
}

fn append_play(out: &mut Map<String, Value>, event: &PlayEvent) {
    let (word, play, reason) = match event {
        PlayEvent::Start { play, reason } => ("start", Some(play), Some(reason.word())),
        PlayEvent::End { play, reason } => ("end", Some(play), Some(reason.word())),
        PlayEvent::Error { .. } => ("error", None, None),
    };
    out.insert("action".into(), "play".into());
    out.insert("event".into(), word.into());
    if let Some(reason) = reason {
        out.insert("reason".into(), reason.into());
    }
    if let Some(play) = play {
        out.insert("play".into(), (*play).into());
    }
    if let PlayEvent::Error { detail } = event {
        out.insert("detail".into(), detail.as_str().into());
    }
}

fn append_record(out: &mut Map<String, Value>, event: &RecordEvent) {
    out.insert("action".into(), "record".into());
    out.insert("event".into(), event.kind.word().into());
    out.insert("file".into(), (*event.file).into());
    if let Some(filesize) = event.filesize {
        out.insert("filesize".into(), filesize.into());
    }
    if event.lost_ms > 0 {
        out.insert("lostms".into(), event.lost_ms.into());
    }
    if let Some(detail) = &event.detail {
        out.insert("detail".into(), detail.as_str().into());
    }
}

fn counts(counts: ChannelCounts) -> Value {
    json!({"active": counts.active, "available": counts.available})
}

fn append_stats(out: &mut Map<String, Value>, stats: &Stats) {
    let (input, output) = (&stats.input, &stats.output);
    let figures = [
        (
            "in",
            json!({
                "count": input.count,
                "bytes": input.bytes,
                "lost": input.lost,
                "late": input.late,
                "duplicate": input.duplicate,
                "reordered": input.reordered,
                "badsource": input.badsource,
                "jitterms": input.jitter_ms,
                "bufferms": input.buffer_ms,
                "concealed": input.concealed,
                "mos": input.mos,
            }),
        ),
        ("out", json!({"count": output.count, "bytes": output.bytes, "skipped": output.skipped})),
        (
            "rtcp",
            json!({
                "rttms": stats.rtcp.rtt_ms,
                "remotelost": stats.rtcp.remote_lost,
                "remotejitterms": stats.rtcp.remote_jitter_ms,
                "remotelosspercent": stats.rtcp.remote_loss_percent,
                "remotediscardpercent": stats.rtcp.remote_discard_percent,
                "remoteburstms": stats.rtcp.remote_burst_ms,
                "remotemos": stats.rtcp.remote_mos,
                "goodbye": stats.rtcp.goodbye,
            }),
        ),
        ("codec", json!({"in": stats.codec_in, "out": stats.codec_out})),
        ("tick", stats.tick.map_or(Value::Null, |tick| json!({"meanus": tick.mean_us, "maxus": tick.max_us, "count": tick.count}))),
        (
            "remote",
            json!({
                "ip": stats.remote.address.map(|address| address.ip().to_canonical().to_string()),
                "port": stats.remote.address.map(|address| address.port()),
                "latched": stats.remote.latched,
            }),
        ),
    ];
    out.extend(figures.map(|(key, value)| (key.to_owned(), value)));
}

/// `{"payloads":[0,101],"rtpmap":{"101":{"encoding","clock","params"}},"fmtp":{"101":"0-16"}}`
fn payloads(audio: &Object<'_>) -> Result<Vec<Payload>, JsonError> {
    let (rtpmap, fmtp) = (audio.object("rtpmap")?, audio.object("fmtp")?);
    let items = audio.array("payloads")?.ok_or_else(|| audio.error("payloads", "is missing"))?;
    if items.len() > PAYLOADS_MAX {
        return Err(audio.error("payloads", format_args!("must be at most {PAYLOADS_MAX}")));
    }
    items
        .map(|(path, item)| {
            // Names of formats are strings in SDP; both are the same number.
            let number = item.as_u64().or_else(|| item.as_str()?.parse().ok()).and_then(|number| u8::try_from(number).ok());
            let number = number.filter(|number| *number < 128).ok_or_else(|| JsonError::field(path, "must be 0 to 127"))?;
            let key = number.to_string();
            let encoding = rtpmap.as_ref().and_then(|map| map.get(&key).map(|value| (map, value)));
            Ok(Payload {
                number,
                encoding: encoding.map(|(map, value)| encoding_of(value, &map.path(&key))).transpose()?,
                fmtp: fmtp.as_ref().map_or(Ok(None), |fmtp| fmtp.string(&key))?.map(str::to_owned),
            })
        })
        .collect()
}

/// `{"codec":0}` or `{"codecs":[0,101]}` of the successor's `remote`.
fn codecs(remote: &Object<'_>) -> Result<Vec<Payload>, JsonError> {
    let plain = |number| Payload { number, encoding: None, fmtp: None };
    if let Some(items) = remote.array("codecs")? {
        let numbers = items.take(PAYLOADS_MAX).map(|(path, item)| {
            let number = item.as_u64().and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 128);
            number.map(plain).ok_or_else(|| JsonError::field(path, "must be 0 to 127"))
        });
        return numbers.collect();
    }
    Ok(remote.number("codec", 0, 127)?.map(plain).into_iter().collect())
}

/// `{"encoding":"opus","clock":48000,"params":"2"}` or `"opus/48000/2"`.
fn encoding_of(value: &Value, path: &str) -> Result<Encoding, JsonError> {
    let bad = |rule: &str| JsonError::field(path, rule);
    let (name, clock, channels) = if let Some(text) = value.as_str() {
        let mut parts = text.splitn(3, '/');
        (parts.next().unwrap_or_default(), parts.next().map(str::to_owned), parts.next().map(str::to_owned))
    } else {
        let object = Object::at(value, path.to_owned())?;
        let text = |key: &str| match object.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(object.error(key, "must be a string or a number")),
        };
        (object.required_string("encoding")?, text("clock")?, text("params")?)
    };
    let clock_rate_hz = match clock.as_deref() {
        None => 8000,
        Some(clock) => clock.parse().ok().filter(|hz| (1..=1_000_000).contains(hz)).ok_or_else(|| bad("has a bad clock"))?,
    };
    let channels = match channels.as_deref() {
        None | Some("") => 1,
        Some(channels) => channels.parse().ok().filter(|count| *count > 0).ok_or_else(|| bad("has a bad number of channels"))?,
    };
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("has a bad encoding name"));
    }
    Ok(Encoding { name: name.to_owned(), clock_rate_hz, channels })
}

/// `{send, recv}`, or the word of SDP from our side: `sendonly` means that the channel only sends.
fn direction_of(value: &Value, body: &Object<'_>) -> Result<Direction, JsonError> {
    match value {
        Value::String(word) => match word.as_str() {
            "sendrecv" => Ok(Direction { send: true, recv: true }),
            "sendonly" => Ok(Direction { send: true, recv: false }),
            "recvonly" => Ok(Direction { send: false, recv: true }),
            "inactive" => Ok(Direction { send: false, recv: false }),
            _ => Err(body.error("direction", "must be sendrecv, sendonly, recvonly or inactive")),
        },
        _ => direction(&Object::at(value, body.path("direction"))?),
    }
}

/// The buffer holds no more.
const JITTER_MS_MAX: u32 = 500;
/// Payload types of one far end, at most: all that seven bits can name.
const PAYLOADS_MAX: usize = 128;
