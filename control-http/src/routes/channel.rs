//! `/channel`: the channels of project-rtp.
//!
//! ```text
//!   POST /, /channel                                                  open
//!   PUT /channel/{uuid}, /channel/target/{uuid}, /channel/{uuid}/target   far end
//!   PUT /channel/{a}/mix/{b}, /channel/{uuid}/unmix|echo|direction|play|record|dtmf
//!   PUT /channel/{uuid}/gain|mute|speakers
//!   DELETE /channel/{uuid}/mute, /channel/{uuid}/speakers, /channel/{uuid}/play, /channel/{uuid}/record[/{file}]
//!   GET, DELETE /channel/{uuid}       GET /channel?id=…
//! ```
//! Shape:  three generations of paths for the far end, all the same.
//! Errors: [`Refusal`]: 400 names the field, 404 an unknown channel, 409, 422 understood but impossible, 503.
//! Source: `docs/openapi.yaml`, `/channel`.

use rtp::api::{ChannelId, Command, Reply};
use serde_json::json as value;

use super::{Refusal, RtpBackend, done, json};
use crate::json::{
    Object, channel, channels, closed, direction, dtmf, gain, mute, open, opened, parse, record, soup, speakers, target, unmute,
};
use crate::resolve::Resolver;
use crate::wire::{Method, Response};

/// Routes what follows `/channel`; `named` is the `id` of the query: which channels `GET /channel` is to list.
pub(super) async fn route<B: RtpBackend>(
    backend: &B,
    resolver: &Resolver,
    method: Method,
    path: &[&str],
    named: Option<&str>,
    body: &[u8],
) -> Result<Response, Refusal> {
    match (path, method) {
        ([], Method::Get) => look(backend, Command::List, named).await,
        ([], Method::Post) => {
            let parsed = parse(body)?;
            match backend.call(Command::Open(open(&Object::root(&parsed)?)?)).await? {
                Reply::Opened(channel) => Ok(text(opened(&channel))),
                _ => Err(Refusal::Mismatch),
            }
        }
        ([], _) => Err(Refusal::NotAllowed("GET, POST")),
        ([uuid] | ["target", uuid] | [uuid, "target"], Method::Put) => set_target(backend, resolver, id(uuid)?, body).await,
        ([_, "target"] | ["target", _], _) => Err(Refusal::NotAllowed("PUT")),
        ([uuid], Method::Get) => look(backend, Command::Get { channel: id(uuid)? }, None).await,
        ([uuid], Method::Delete) => {
            let channel = id(uuid)?;
            match backend.call(Command::Close { channel }).await? {
                Reply::Closed { stats, channels } => Ok(text(closed(channel, &stats, channels))),
                _ => Err(Refusal::Mismatch),
            }
        }
        ([_], _) => Err(Refusal::NotAllowed("GET, PUT, DELETE")),
        ([a, "mix", b], Method::Put) => run(backend, Command::Mix { a: id(a)?, b: id(b)? }).await,
        ([uuid, "unmix"], Method::Put) => run(backend, Command::Unmix { channel: id(uuid)? }).await,
        ([uuid, "echo"], Method::Put) => run(backend, Command::Echo { channel: id(uuid)? }).await,
        ([uuid, "direction"], Method::Put) => {
            let parsed = parse(body)?;
            let direction = direction(&Object::root(&parsed)?)?;
            run(backend, Command::Direction { channel: id(uuid)?, direction }).await
        }
        ([uuid, "gain"], Method::Put) => {
            let parsed = parse(body)?;
            let change = gain(&Object::root(&parsed)?)?;
            run(backend, Command::Level { channel: id(uuid)?, change }).await
        }
        ([uuid, "mute"], Method::Put) => {
            let parsed = parse(body)?;
            let change = mute(&Object::root(&parsed)?)?;
            run(backend, Command::Level { channel: id(uuid)?, change }).await
        }
        ([uuid, "mute"], Method::Delete) => run(backend, Command::Level { channel: id(uuid)?, change: unmute() }).await,
        ([uuid, "speakers"], Method::Put) => {
            let parsed = parse(body)?;
            let interval_ms = Some(speakers(&Object::root(&parsed)?)?);
            run(backend, Command::Speakers { channel: id(uuid)?, interval_ms }).await
        }
        ([uuid, "speakers"], Method::Delete) => run(backend, Command::Speakers { channel: id(uuid)?, interval_ms: None }).await,
        ([uuid, "play"], Method::Put) => {
            let (channel, parsed) = (id(uuid)?, parse(body)?);
            match backend.call(Command::Play { channel, soup: soup(&Object::root(&parsed)?)? }).await? {
                Reply::Playing { play } => Ok(json(200, &value!({"play": play}))),
                _ => Err(Refusal::Mismatch),
            }
        }
        ([uuid, "play"], Method::Delete) => run(backend, Command::StopPlay { channel: id(uuid)? }).await,
        ([uuid, "record"], Method::Put) => {
            let (channel, parsed) = (id(uuid)?, parse(body)?);
            let record = Box::new(record(&Object::root(&parsed)?)?);
            run(backend, Command::Record { channel, record }).await
        }
        ([uuid, "record", file @ ..], Method::Delete) => {
            // A file in a folder is named by as many segments.
            let file = (!file.is_empty()).then(|| file.join("/").into());
            run(backend, Command::StopRecord { channel: id(uuid)?, file }).await
        }
        ([uuid, "dtmf"], Method::Put) => {
            let (channel, parsed) = (id(uuid)?, parse(body)?);
            let dtmf = dtmf(&Object::root(&parsed)?)?;
            run(backend, Command::Dtmf { channel, dtmf }).await
        }
        ([_, "play" | "record" | "mute" | "speakers"], _) => Err(Refusal::NotAllowed("PUT, DELETE")),
        ([_, "record", ..], _) => Err(Refusal::NotAllowed("DELETE")),
        ([_, "mix", _] | [_, "unmix" | "echo" | "direction" | "dtmf" | "gain"], _) => Err(Refusal::NotAllowed("PUT")),
        _ => Err(Refusal::NoRoute),
    }
}

async fn set_target<B: RtpBackend>(backend: &B, resolver: &Resolver, channel: ChannelId, body: &[u8]) -> Result<Response, Refusal> {
    let parsed = parse(body)?;
    let mut read = target(&Object::root(&parsed)?)?;
    if read.secure {
        // Plain media in place of encrypted ones would be worse than none.
        return Err(Refusal::Impossible("encrypted media (dtls, crypto) are not spoken here"));
    }
    let found = resolver.lookup(&read.host, read.target.port).await;
    let address = found.ok().and_then(|addresses| addresses.first().copied());
    let Some(address) = address else {
        return Err(Refusal::Unresolved(format!("{} names a host that cannot be resolved: {}", read.host_path, read.host)));
    };
    read.target.ip = address.ip();
    run(backend, Command::Target { channel, target: read.target }).await
}

async fn look<B: RtpBackend>(backend: &B, command: Command, named: Option<&str>) -> Result<Response, Refusal> {
    match backend.call(command).await? {
        Reply::Channels(views) => {
            let views = views.iter().filter(|view| named.is_none() || view.id.as_deref() == named);
            Ok(text(channels(views)))
        }
        Reply::Channel(view) => {
            let mut body = Vec::new();
            channel(&mut body, &view);
            Ok(text(body))
        }
        _ => Err(Refusal::Mismatch),
    }
}

async fn run<B: RtpBackend>(backend: &B, command: Command) -> Result<Response, Refusal> {
    match backend.call(command).await? {
        Reply::Done => Ok(done(200)),
        _ => Err(Refusal::Mismatch),
    }
}

fn text(body: Vec<u8>) -> Response {
    Response::with_body(200, "application/json", body)
}

/// What is not a uuid names no channel of ours.
fn id(uuid: &str) -> Result<ChannelId, Refusal> {
    uuid.parse().map_err(|_| Refusal::NotFound(format!("{uuid} is not a channel")))
}
