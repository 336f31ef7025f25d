//! `/dir`: domains, their control servers and users.
//!
//! Shape:  `PUT` a domain replaces it, `PATCH` adds to it; a user's `PUT` and `PATCH` are the same.
//! Errors: [`Refusal`]: 400 names the field, 404 an unknown domain or user, 405.
//! Not here: what removal does to registrations (`sip::directory`).
//! Source: `docs/openapi.yaml`, `/dir`.

use sip::api::{Command, Reply, UserEntry};

use super::{Refusal, SipBackend, done, json};
use crate::json::{JsonError, Object, domain_body, domain_view, is_username, parse, secret, user_view};
use crate::wire::{Method, Response};

/// Routes what follows `/dir`.
pub(super) async fn route<B: SipBackend>(backend: &B, method: Method, path: &[&str], body: &[u8]) -> Result<Response, Refusal> {
    match (path, method) {
        ([], Method::Get) => view(backend, None, None).await,
        ([], _) => Err(Refusal::NotAllowed("GET")),
        ([domain], Method::Get) => view(backend, Some(lower(domain)), None).await,
        ([domain], Method::Put) => replace(backend, domain, body).await,
        ([domain], Method::Patch) => update(backend, domain, body).await,
        ([domain], Method::Delete) => delete(backend, domain, None).await,
        ([domain, user], Method::Get) => view(backend, Some(lower(domain)), Some((*user).to_owned())).await,
        ([domain, user], Method::Put | Method::Patch) => put_user(backend, domain, user, body).await,
        ([domain, user], Method::Delete) => delete(backend, domain, Some(user)).await,
        ([_] | [_, _], _) => Err(Refusal::NotAllowed("GET, PUT, PATCH, DELETE")),
        _ => Err(Refusal::NoRoute),
    }
}

async fn view<B: SipBackend>(backend: &B, domain: Option<String>, user: Option<String>) -> Result<Response, Refusal> {
    match backend.call(Command::DirGet { domain, user }).await? {
        Reply::Domains(domains) => Ok(json(200, &serde_json::json!({"domains": domains}))),
        Reply::Domain(domain) => Ok(json(200, &domain_view(&domain))),
        Reply::User { domain, username } => Ok(json(200, &user_view(&domain, &username))),
        _ => Err(Refusal::Mismatch),
    }
}

async fn replace<B: SipBackend>(backend: &B, domain: &str, body: &[u8]) -> Result<Response, Refusal> {
    let domain = new_domain(domain)?;
    let value = parse(body)?;
    let object = Object::root(&value)?;
    let read = domain_body(&object)?;
    // A replacement must say both: an empty body would otherwise wipe a domain in silence.
    let control = read.control.ok_or_else(|| object.error("control", "is missing"))?;
    let users = read.users.ok_or_else(|| object.error("users", "is missing"))?;
    backend.call(Command::DirReplace { domain, control: Some(control), users, policy: read.policy }).await?;
    Ok(done(201))
}

async fn update<B: SipBackend>(backend: &B, domain: &str, body: &[u8]) -> Result<Response, Refusal> {
    let value = parse(body)?;
    let read = domain_body(&Object::root(&value)?)?;
    let users = read.users.unwrap_or_default();
    backend.call(Command::DirUpdate { domain: lower(domain), control: read.control, users, policy: read.policy }).await?;
    Ok(done(200))
}

async fn put_user<B: SipBackend>(backend: &B, domain: &str, user: &str, body: &[u8]) -> Result<Response, Refusal> {
    if !is_username(user) {
        return Err(JsonError::field("the user in the path", crate::json::USERNAME_RULE).into());
    }
    let value = parse(body)?;
    let secret = secret(&Object::root(&value)?)?;
    let user = UserEntry { username: user.to_owned(), secret };
    match backend.call(Command::DirUser { domain: lower(domain), user }).await? {
        Reply::Created => Ok(done(201)),
        Reply::Done => Ok(done(200)),
        _ => Err(Refusal::Mismatch),
    }
}

async fn delete<B: SipBackend>(backend: &B, domain: &str, user: Option<&str>) -> Result<Response, Refusal> {
    backend.call(Command::DirDelete { domain: lower(domain), user: user.map(str::to_owned) }).await?;
    Ok(done(200))
}

/// Domains are compared without case (RFC 3261 §19.1.4).
pub(super) fn lower(domain: &str) -> String {
    domain.to_ascii_lowercase()
}

/// A name that a new domain may have: a host name or an address (RFC 3261 §25.1, `host`).
fn new_domain(domain: &str) -> Result<String, JsonError> {
    let bracketed = domain.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let good = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    if good && !domain.is_empty() && domain.len() <= 253 {
        Ok(lower(domain))
    } else {
        Err(JsonError::field("the domain in the path", "must be a host name or an address"))
    }
}
