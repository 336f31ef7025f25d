//! `/dialog` and `/invite`: originate calls, act on them, look at them.
//!
//! ```text
//!   POST /dialog/invite, /invite          one call, or an array of calls
//!   GET /dialog?control=URL               the counts, and the calls of that control server
//!   PUT|POST /dialog/{action}             the call is `callid` of the body
//!   PUT|POST /dialog/{callid}/{action}    the call is in the path, which wins
//! ```
//! Shape:  `POST /dialog/invite` with a `callid` in the body is a re-INVITE, without one a new call.
//! Errors: [`Refusal`]: 400 names the field, 404 an unknown call or action, 409 the wrong state; a call that cannot be
//!         routed answers with its SIP status.
//! Source: `docs/openapi.yaml`, `/dialog`.

use serde_json::json as value;
use sip::api::{Action, Command, CommandError, ControlUrl, Reply};

use super::refusal::sip_status;
use super::{Refusal, SipBackend, done, json};
use crate::json::{ACTIONS, Object, Value, action, control_url, originate_all, parse, snapshot};
use crate::wire::{Method, Response};

/// Routes what follows `/dialog`.
///
/// `control` is that of the query: whose calls `GET /dialog` is to list.
pub(super) async fn route<B: SipBackend>(
    backend: &B,
    method: Method,
    path: &[&str],
    control: Option<String>,
    body: &[u8],
) -> Result<Response, Refusal> {
    match (path, method) {
        ([], Method::Get) => match control {
            Some(url) => list(backend, &url).await,
            None => look(backend, None).await,
        },
        ([], _) => Err(Refusal::NotAllowed("GET")),
        (["invite"], Method::Post) if callid(&parse(body)?).is_none() => invite(backend, method, body).await,
        ([word], Method::Put | Method::Post) if ACTIONS.contains(word) => {
            let value = parse(body)?;
            let callid = callid(&value).ok_or_else(|| Refusal::NotFound("callid is missing".into()))?;
            act(backend, callid, word, &value).await
        }
        ([_], Method::Put | Method::Post) => Err(no_action()),
        ([callid], Method::Get) => look(backend, Some((*callid).to_owned())).await,
        ([callid], Method::Delete) => act(backend, callid, "hangup", &parse(body)?).await,
        ([_], _) => Err(Refusal::NotAllowed("GET, PUT, POST, DELETE")),
        ([callid, word], Method::Put | Method::Post) => act(backend, callid, word, &parse(body)?).await,
        ([_, word], _) if ACTIONS.contains(word) => Err(Refusal::NotAllowed("PUT, POST")),
        ([_, _], _) => Err(no_action()),
        _ => Err(Refusal::NoRoute),
    }
}

/// Originates what the body says.
pub(super) async fn invite<B: SipBackend>(backend: &B, method: Method, body: &[u8]) -> Result<Response, Refusal> {
    if method != Method::Post {
        return Err(Refusal::NotAllowed("POST"));
    }
    let value = parse(body)?;
    let calls = originate_all(&value)?;
    if !value.is_array() {
        let Some(call) = calls.into_iter().next() else { return Err(Refusal::Mismatch) };
        return match backend.call(Command::Originate(Box::new(call))).await? {
            Reply::Originated(callid) => Ok(json(200, &value!({"callid": callid}))),
            _ => Err(Refusal::Mismatch),
        };
    }
    let mut items = Vec::with_capacity(calls.len());
    let mut first_error = None;
    let mut placed = false;
    for call in calls {
        items.push(match backend.call(Command::Originate(Box::new(call))).await {
            Ok(Reply::Originated(callid)) => {
                placed = true;
                value!({"callid": callid})
            }
            Ok(_) => return Err(Refusal::Mismatch),
            Err(error) => {
                let item = failed(&error);
                first_error.get_or_insert(error);
                item
            }
        });
    }
    // One call placed is a success, its siblings say what became of them. None placed: the first reason is the status.
    let status = first_error.filter(|_| !placed).map_or(200, |error| sip_status(&error).0);
    Ok(json(status, &items.into()))
}

async fn act<B: SipBackend>(backend: &B, callid: &str, word: &str, body: &Value<'_>) -> Result<Response, Refusal> {
    let action: Action = action(word, &Object::root(body)?)?.ok_or_else(no_action)?;
    backend.call(Command::Act { callid: callid.to_owned(), action: Box::new(action) }).await?;
    Ok(done(200))
}

async fn look<B: SipBackend>(backend: &B, callid: Option<String>) -> Result<Response, Refusal> {
    match backend.call(Command::DialogGet { callid }).await? {
        Reply::DialogCount { count, counter } => Ok(json(200, &value!({"count": count, "counter": counter}))),
        Reply::Dialog(call) => Ok(Response::with_body(200, "application/json", snapshot(&call))),
        _ => Err(Refusal::Mismatch),
    }
}

async fn list<B: SipBackend>(backend: &B, control: &str) -> Result<Response, Refusal> {
    let control = ControlUrl(control_url(&Value::String(control.into()), "control")?);
    match backend.call(Command::DialogList { control }).await? {
        Reply::Dialogs { count, counter, callids } => Ok(json(200, &value!({"count": count, "counter": counter, "calls": callids}))),
        _ => Err(Refusal::Mismatch),
    }
}

fn callid<'a>(body: &'a Value<'a>) -> Option<&'a str> {
    body.get("callid").and_then(Value::as_str).filter(|callid| !callid.is_empty())
}

fn failed(error: &CommandError) -> serde_json::Value {
    let (status, code) = sip_status(error);
    value!({"error": code, "detail": error.to_string(), "status": status})
}

fn no_action() -> Refusal {
    Refusal::NotFound(format!("an action is one of {}", ACTIONS.join(", ")))
}
