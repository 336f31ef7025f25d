//! `/reg`: who is registered. Read only.
//!
//! Shape:  a count of all, or the users of one domain.
//! Errors: [`Refusal`]: 404 an unknown domain, 405.
//! Source: `docs/openapi.yaml`, `/reg`.

use serde_json::json as value;
use sip::api::{Command, Reply};

use super::dir::lower;
use super::{Refusal, SipBackend, json};
use crate::json::registrations;
use crate::wire::{Method, Response};

/// Routes what follows `/reg`.
pub(super) async fn route<B: SipBackend>(backend: &B, method: Method, path: &[&str]) -> Result<Response, Refusal> {
    let (domain, user) = match path {
        [] => (None, None),
        [domain] => (Some(lower(domain)), None),
        [domain, user] => (Some(lower(domain)), Some((*user).to_owned())),
        _ => return Err(Refusal::NoRoute),
    };
    if method != Method::Get {
        return Err(Refusal::NotAllowed("GET"));
    }
    match backend.call(Command::RegGet { domain, user }).await? {
        Reply::RegCount(count) => Ok(json(200, &value!({"count": count}))),
        Reply::Registrations(view) => Ok(json(200, &registrations(&view))),
        _ => Err(Refusal::Mismatch),
    }
}
