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

use std::net::{IpAddr, SocketAddr};

use rtp::api::{
    AddressWish, ChannelCounts, ChannelId, ChannelView, ControlUrl, Direction, Encoding, Event, EventAction, Lateness, Load, Open, Opened,
    Payload, PlayEvent, RecordEvent, Stats, Target,
};
use serde_json::json;

use super::text::Fields;
use super::{JsonError, Object, Value, control_url, levels};

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
pub fn opened(opened: &Opened) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    let mut out = Fields::open(&mut text);
    out.plain("uuid", opened.channel);
    out.plain("channel", opened.channel);
    out.address("ip", opened.ip);
    out.number("port", opened.port);
    counts(out.object("channels"), opened.channels);
    brief(out.object("load"), &opened.load);
    out.close();
    text
}

/// One channel with its live statistics.
pub fn channel(text: &mut Vec<u8>, view: &ChannelView) {
    let mut out = Fields::open(text);
    out.plain("uuid", view.channel);
    out.plain("channel", view.channel);
    out.text_if("id", view.id.as_deref());
    out.address("ip", view.local.ip());
    out.number("port", view.local.port());
    match view.mix {
        Some(mix) => out.plain("mix", mix),
        None => out.null("mix"),
    }
    out.boolean("echo", view.echo);
    let mut direction = out.object("direction");
    direction.boolean("send", view.direction.send);
    direction.boolean("recv", view.direction.recv);
    direction.close();
    levels::append(&mut out, &view.levels, view.group.as_ref());
    out.value("play", &view.play.into());
    out.array("record", view.records.iter(), |out, file| Fields::string(out, file));
    append_stats(&mut out, &view.stats);
    out.close();
}

/// Several channels, and how many.
pub fn channels<'v>(views: impl Iterator<Item = &'v ChannelView> + Clone) -> Vec<u8> {
    let mut text = Vec::new();
    let mut out = Fields::open(&mut text);
    out.number("count", views.clone().count() as u64);
    out.array("channels", views, channel);
    out.close();
    text
}

/// Answer to `DELETE /channel/{uuid}`: final statistics and the pool after it.
pub fn closed(channel: ChannelId, stats: &Stats, channels: ChannelCounts) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    let mut out = Fields::open(&mut text);
    out.plain("uuid", channel);
    counts(out.object("channels"), channels);
    append_stats(&mut out, stats);
    out.close();
    text
}

/// Load of the process, with all that is known of its slots.
pub fn load(load: &Load) -> serde_json::Value {
    let mut text = Vec::new();
    brief(Fields::open(&mut text), load);
    // What we wrote can be read.
    let mut out = serde_json::from_slice::<serde_json::Value>(&text).unwrap_or_default();
    let cores = out["cores"].as_array_mut().into_iter().flatten();
    for (core, out) in load.cores.iter().zip(cores) {
        out["tick"]["lateness"] = json!({"leus": Lateness::BOUNDS_US, "counts": core.lateness.counts(), "sumus": core.lateness.sum_us()});
    }
    out
}

/// Load of the process, as it goes with each channel that is opened.
fn brief(mut out: Fields<'_>, load: &Load) {
    out.array("cores", load.cores.iter(), |out, core| {
        let mut out = Fields::open(out);
        out.value("core", &core.core.into());
        out.value("channels", &core.channels.into());
        let mut tick = out.object("tick");
        tick.value("budgetus", &core.budget_us.into());
        tick.value("meanus", &core.mean_us.into());
        tick.value("p99us", &core.p99_us.into());
        tick.value("maxus", &core.max_us.into());
        tick.value("latep99us", &core.late_p99_us.into());
        tick.value("late", &core.late.into());
        tick.value("missed", &core.missed.into());
        tick.close();
        out.value("headroom", &core.headroom.into());
        out.close();
    });
    out.value("headroom", &load.headroom.into());
    out.value("transcodes", &load.transcodes.into());
    out.value("maxtranscodes", &load.transcodes_max.into());
    out.boolean("accepting", load.accepting);
    out.close();
}

/// Body of `PUT {control}/channel/{uuid}`.
pub fn channel_event(event: &Event) -> Vec<u8> {
    let mut text = Vec::with_capacity(EVENT_BYTES);
    let mut out = Fields::open(&mut text);
    match &event.action {
        EventAction::Mix(mix) => {
            out.text("action", "mix");
            out.text("event", mix.word());
        }
        EventAction::Speakers(speakers) => {
            out.text("action", "mix");
            out.text("event", "speakers");
            out.array("speakers", speakers.iter(), Fields::quoted);
        }
        EventAction::Media { event, expected, seen } => {
            out.text("action", "media");
            out.text("event", event.word());
            append_address(&mut out, "expected", *expected);
            append_address(&mut out, "seen", *seen);
        }
        EventAction::Digit { digit, duration_ms, source } => {
            out.text("action", "telephone-event");
            out.plain("event", digit);
            out.number("durationms", *duration_ms);
            out.text("source", source.word());
        }
        EventAction::Play(play) => append_play(&mut out, play),
        EventAction::Record(record) => append_record(&mut out, record),
        EventAction::Close { reason, stats } => {
            out.text("action", "close");
            out.text("reason", reason.word());
            let mut figures = out.object("stats");
            append_stats(&mut figures, stats);
            figures.close();
        }
    }
    out.plain("uuid", event.channel);
    out.text_if("id", event.id.as_deref());
    out.number("seq", event.seq);
    out.close();
    text
}

fn append_address(out: &mut Fields<'_>, key: &'static str, address: Option<SocketAddr>) {
    let Some(address) = address else { return out.null(key) };
    let mut view = out.object(key);
    view.address("ip", address.ip().to_canonical());
    view.number("port", address.port());
    view.close();
}

fn append_play(out: &mut Fields<'_>, event: &PlayEvent) {
    let (word, play, reason) = match event {
        PlayEvent::Start { play, reason } => ("start", Some(play), Some(reason.word())),
        PlayEvent::End { play, reason } => ("end", Some(play), Some(reason.word())),
        PlayEvent::Error { .. } => ("error", None, None),
    };
    out.text("action", "play");
    out.text("event", word);
    out.text_if("reason", reason);
    if let Some(play) = play {
        out.number("play", *play);
    }
    if let PlayEvent::Error { detail } = event {
        out.text("detail", detail);
    }
}

fn append_record(out: &mut Fields<'_>, event: &RecordEvent) {
    out.text("action", "record");
    out.text("event", event.kind.word());
    out.text("file", &event.file);
    if let Some(filesize) = event.filesize {
        out.number("filesize", filesize);
    }
    if event.lost_ms > 0 {
        out.number("lostms", event.lost_ms);
    }
    out.text_if("detail", event.detail.as_deref());
}

fn counts(mut out: Fields<'_>, counts: ChannelCounts) {
    out.number("active", counts.active);
    out.number("available", counts.available);
    out.close();
}

fn append_stats(out: &mut Fields<'_>, stats: &Stats) {
    let (input, output, rtcp) = (&stats.input, &stats.output, &stats.rtcp);
    let mut view = out.object("in");
    view.number("count", input.count);
    view.number("bytes", input.bytes);
    view.number("lost", input.lost);
    view.number("late", input.late);
    view.number("duplicate", input.duplicate);
    view.number("reordered", input.reordered);
    view.number("badsource", input.badsource);
    view.value("jitterms", &input.jitter_ms.into());
    view.value("bufferms", &input.buffer_ms.into());
    view.value("concealed", &input.concealed.into());
    view.value("mos", &input.mos.into());
    view.close();
    let mut view = out.object("out");
    view.number("count", output.count);
    view.number("bytes", output.bytes);
    view.number("skipped", output.skipped);
    view.close();
    let mut view = out.object("rtcp");
    view.value("rttms", &rtcp.rtt_ms.into());
    view.value("remotelost", &rtcp.remote_lost.into());
    view.value("remotejitterms", &rtcp.remote_jitter_ms.into());
    view.value("remotelosspercent", &rtcp.remote_loss_percent.into());
    view.value("remotediscardpercent", &rtcp.remote_discard_percent.into());
    view.value("remoteburstms", &rtcp.remote_burst_ms.into());
    view.value("remotemos", &rtcp.remote_mos.into());
    view.boolean("goodbye", rtcp.goodbye);
    view.close();
    let mut view = out.object("codec");
    view.text_or_null("in", stats.codec_in);
    view.text_or_null("out", stats.codec_out);
    view.close();
    match stats.tick {
        Some(tick) => {
            let mut view = out.object("tick");
            view.value("meanus", &tick.mean_us.into());
            view.value("maxus", &tick.max_us.into());
            view.value("count", &tick.count.into());
            view.close();
        }
        None => out.null("tick"),
    }
    let mut view = out.object("remote");
    match stats.remote.address {
        Some(address) => {
            view.address("ip", address.ip().to_canonical());
            view.number("port", address.port());
        }
        None => {
            view.null("ip");
            view.null("port");
        }
    }
    view.boolean("latched", stats.remote.latched);
    view.close();
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
fn encoding_of(value: &Value<'_>, path: &str) -> Result<Encoding, JsonError> {
    let bad = |rule: &str| JsonError::field(path, rule);
    let (name, clock, channels) = if let Some(text) = value.as_str() {
        let mut parts = text.splitn(3, '/');
        (parts.next().unwrap_or_default(), parts.next().map(str::to_owned), parts.next().map(str::to_owned))
    } else {
        let object = Object::at(value, path.to_owned())?;
        let text = |key: &str| match object.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.to_string())),
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
fn direction_of(value: &Value<'_>, body: &Object<'_>) -> Result<Direction, JsonError> {
    match value {
        Value::String(word) => match &**word {
            "sendrecv" => Ok(Direction { send: true, recv: true }),
            "sendonly" => Ok(Direction { send: true, recv: false }),
            "recvonly" => Ok(Direction { send: false, recv: true }),
            "inactive" => Ok(Direction { send: false, recv: false }),
            _ => Err(body.error("direction", "must be sendrecv, sendonly, recvonly or inactive")),
        },
        _ => direction(&Object::at(value, body.path("direction"))?),
    }
}

/// An opened or a closed channel, and most events.
const USUAL_BYTES: usize = 1024;
const EVENT_BYTES: usize = 256;
/// The buffer holds no more.
const JITTER_MS_MAX: u32 = 500;
/// Payload types of one far end, at most: all that seven bits can name.
const PAYLOADS_MAX: usize = 128;
