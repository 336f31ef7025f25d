//! Bodies of `/dir`: domains and users in, their views out.
//!
//! ```text
//!   {"control":…,"users":[{"username":"1003","secret":"…"}]} ──► DomainBody ──► Command::DirReplace | DirUpdate
//! ```
//! Shape:  `secret` in clear or `ha1`, one of them; a view never shows either.
//! Errors: [`JsonError::BadField`].
//! Source: `docs/openapi.yaml`, `/dir`; RFC 7616 §3.4.2 (ha1).

use serde_json::{Map, Value, json};
use sip::api::{ControlUrl, DomainView, Secret, UserEntry};

use super::{JsonError, Object, control_url};

/// Body of `PUT` and `PATCH /dir/{domain}`; a part not given is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainBody {
    /// Control server.
    pub control: Option<ControlUrl>,
    /// Users.
    pub users: Option<Vec<UserEntry>>,
}

/// Reads a [`DomainBody`].
///
/// # Errors
/// [`JsonError::BadField`].
pub fn domain_body(body: &Object<'_>) -> Result<DomainBody, JsonError> {
    let control = body.get("control").map(|value| control_url(value, &body.path("control")).map(ControlUrl)).transpose()?;
    let users = body.array("users")?.map(|items| items.map(|(path, item)| user(&Object::at(item, path)?)).collect()).transpose()?;
    Ok(DomainBody { control, users })
}

/// Reads `secret` or `ha1` of one user.
///
/// # Errors
/// [`JsonError::BadField`] when there is none, both, or `ha1` is not 32 hex digits.
pub fn secret(body: &Object<'_>) -> Result<Secret, JsonError> {
    match (body.string("secret")?, body.string("ha1")?) {
        (Some(_), Some(_)) => Err(body.error("ha1", "and secret exclude each other")),
        (Some(clear), None) => Ok(Secret::Clear(clear.to_owned())),
        (None, Some(ha1)) if ha1.len() == 32 && ha1.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Secret::Ha1(ha1.to_ascii_lowercase()))
        }
        (None, Some(_)) => Err(body.error("ha1", "must be 32 hex digits")),
        (None, None) => Err(body.error("secret", "is missing")),
    }
}

/// Answer to `GET /dir/{domain}`: all four keys, empty or not.
pub fn domain_view(view: &DomainView) -> Value {
    let mut out = Map::new();
    out.insert("domain".into(), view.domain.clone().into());
    if let Some(control) = &view.control {
        out.insert("control".into(), control.0.as_ref().into());
    }
    out.insert("users".into(), view.users.clone().into());
    out.insert("domains".into(), view.domains.clone().into());
    Value::Object(out)
}

/// Answer to `GET /dir/{domain}/{user}`.
pub fn user_view(domain: &str, username: &str) -> Value {
    json!({"domain": domain, "username": username})
}

fn user(item: &Object<'_>) -> Result<UserEntry, JsonError> {
    let username = item.required_string("username")?;
    if !is_username(username) {
        return Err(item.error("username", USERNAME_RULE));
    }
    Ok(UserEntry { username: username.to_owned(), secret: secret(item)? })
}

/// Can this be a user of a domain?
pub(crate) fn is_username(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(|c| c.is_control() || c.is_whitespace() || c == '@')
}

/// What [`is_username`] asks.
pub(crate) const USERNAME_RULE: &str = "must be 1 to 255 bytes without white space or @";

/// Longest user name; a SIP request line must hold it.
const NAME_BYTES_MAX: usize = 255;
