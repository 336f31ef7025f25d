//! `/trunk`: providers that we register at and call through.
//!
//! Shape:  `PUT` makes or replaces one, and begins anew; `GET` shows where it stands.
//! Errors: [`Refusal`]: 400 names the field, 404 no such trunk, 405, 503 when there are too many.
//! Source: `docs/openapi.yaml`, `/trunk`.

use serde_json::json as value;
use sip::api::{Command, Reply};

use super::{Refusal, SipBackend, done, json};
use crate::json::{JsonError, Object, parse, trunk, trunk_view};
use crate::wire::{Method, Response};

/// Routes what follows `/trunk`.
pub(super) async fn route<B: SipBackend>(backend: &B, method: Method, path: &[&str], body: &[u8]) -> Result<Response, Refusal> {
    match (path, method) {
        ([], Method::Get) => match backend.call(Command::TrunkGet { name: None }).await? {
            Reply::Trunks(all) => Ok(json(200, &value!({"trunks": all.iter().map(trunk_view).collect::<Vec<_>>()}))),
            _ => Err(Refusal::Mismatch),
        },
        ([], _) => Err(Refusal::NotAllowed("GET")),
        ([name], Method::Get) => match backend.call(Command::TrunkGet { name: Some((*name).to_owned()) }).await? {
            Reply::Trunks(found) => found.first().map(|view| json(200, &trunk_view(view))).ok_or(Refusal::Mismatch),
            _ => Err(Refusal::Mismatch),
        },
        ([name], Method::Put) => put(backend, name, body).await,
        ([name], Method::Delete) => {
            backend.call(Command::TrunkDelete { name: (*name).to_owned() }).await?;
            Ok(done(200))
        }
        ([_], _) => Err(Refusal::NotAllowed("GET, PUT, DELETE")),
        _ => Err(Refusal::NoRoute),
    }
}

async fn put<B: SipBackend>(backend: &B, name: &str, body: &[u8]) -> Result<Response, Refusal> {
    if name.is_empty() || name.len() > 64 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(JsonError::field("the name in the path", "must be 1 to 64 letters, digits, dots, hyphens or underscores").into());
    }
    let body = parse(body)?;
    match backend.call(Command::TrunkPut(Box::new(trunk(name, &Object::root(&body)?)?))).await? {
        Reply::Created => Ok(done(201)),
        Reply::Done => Ok(done(200)),
        _ => Err(Refusal::Mismatch),
    }
}
