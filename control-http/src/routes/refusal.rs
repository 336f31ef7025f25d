//! Requests that are refused, and the response for each.
//!
//! ```text
//!   JsonError | CommandError | no route | … ──► status, headers, {"error":"stable_code","detail":"for people"}
//! ```
//! Shape:  no `_` arm over our own errors: a new one must choose its status.
//! Errors: this is them. `error` is stable and tested, `detail` may change.
//! Source: `docs/openapi.yaml`, `Error`; RFC 9110 §15.5.6 (405 names what is allowed), §10.2.3 (Retry-After).

use serde_json::json;

use crate::json::JsonError;
use crate::wire::{Response, WireError};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The body.
    Json(JsonError),
    /// The SIP core.
    Sip(sip::api::CommandError),
    /// The media core.
    Rtp(rtp::api::CommandError),
    /// A name that cannot be resolved: 422.
    Unresolved(String),
    /// What the path names is not here: 404.
    NotFound(String),
    /// No such path: 404.
    NoRoute,
    /// The path is here, but not for this method; the methods it takes: 405.
    NotAllowed(&'static str),
    /// Not now: 503.
    NotReady(String),
    /// The process is broken: 503 without a promise.
    Unhealthy(String),
    /// Understood, but not possible here: 422.
    Impossible(&'static str),
    /// A core answered something that does not belong to the command: our bug, 500.
    Mismatch,
}

impl Refusal {
    /// The response.
    pub fn response(&self) -> Response {
        match self {
            Self::Json(error) => refuse(400, error.code(), &error.to_string()),
            Self::Sip(error) => sip_response(error),
            Self::Rtp(error) => {
                let response = refuse(error.status(), error.code(), &error.to_string());
                if error.status() == 503 { response.header("Retry-After", RETRY_AFTER_S) } else { response }
            }
            Self::Unresolved(detail) => refuse(422, "unresolved", detail),
            Self::NotFound(detail) => refuse(404, "not_found", detail),
            Self::NoRoute => refuse(404, "no_route", "there is nothing at this path"),
            Self::NotAllowed(allow) => refuse(405, "method_not_allowed", &format!("this path takes {allow}")).header("Allow", *allow),
            Self::NotReady(detail) => refuse(503, "not_ready", detail).header("Retry-After", RETRY_AFTER_S),
            Self::Unhealthy(detail) => refuse(503, "unhealthy", detail),
            Self::Impossible(detail) => refuse(422, "impossible", detail),
            Self::Mismatch => refuse(500, "internal", "the core gave an answer that does not fit the command"),
        }
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<sip::api::CommandError> for Refusal {
    fn from(error: sip::api::CommandError) -> Self {
        Self::Sip(error)
    }
}

impl From<rtp::api::CommandError> for Refusal {
    fn from(error: rtp::api::CommandError) -> Self {
        Self::Rtp(error)
    }
}

/// The response for bytes that are not a request; the connection closes after it.
pub(crate) fn wire_refusal(error: WireError) -> Response {
    let mut response = refuse(error.status(), error.code(), &error.to_string());
    response.close = true;
    response
}

/// A response with `error` and `detail`.
pub(crate) fn refuse(status: u16, error: &str, detail: &str) -> Response {
    super::json(status, &json!({"error": error, "detail": detail}))
}

/// Status and stable code of what the SIP core refused.
pub(crate) fn sip_status(error: &sip::api::CommandError) -> (u16, &'static str) {
    use sip::api::CommandError;
    match error {
        CommandError::NotFound(_) => (404, "not_found"),
        CommandError::WrongState(_) => (409, "wrong_state"),
        CommandError::Impossible(_) => (422, "impossible"),
        CommandError::Bad(_) => (400, "bad_field"),
        // The SIP status is the HTTP status where HTTP has that class; 6xx has none.
        CommandError::Unroutable(code @ 400..=599) => (*code, "unroutable"),
        CommandError::Unroutable(_) => (480, "unroutable"),
        CommandError::Full { .. } => (503, "full"),
        CommandError::Draining => (503, "draining"),
    }
}

fn sip_response(error: &sip::api::CommandError) -> Response {
    let (status, code) = sip_status(error);
    let response = refuse(status, code, &error.to_string());
    if status == 503 { response.header("Retry-After", RETRY_AFTER_S) } else { response }
}

/// Pools and queues empty within seconds; longer would leave them idle.
const RETRY_AFTER_S: &str = "1";
