//! Bodies of `/dir`: domains and users in, their views out.
//!
//! ```text
//!   {"control":…,"users":[{"username":"1003","secret":"…"}],"authentication":…} ──► DomainBody ──► Command::DirReplace | DirUpdate
//! ```
//! Shape:  `secret` in clear or `ha1`, one of them; a view never shows either. `ha1` is the hash of MD5, or an object of hashes
//!         by algorithm.
//! Errors: [`JsonError::BadField`].
//! Source: `docs/openapi.yaml`, `/dir`; RFC 7616 §3.4.2 (ha1).

use serde_json::json;
use sip::api::{Algorithm, ControlUrl, DomainView, Policy, Secret, UserEntry};

use super::policy::{policy, policy_view};
use super::{JsonError, Object, Value, control_url};

/// Body of `PUT` and `PATCH /dir/{domain}`; a part not given is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainBody {
    /// Control server.
    pub control: Option<ControlUrl>,
    /// Users.
    pub users: Option<Vec<UserEntry>>,
    /// Whom it asks for passwords, and how.
    pub policy: Option<Policy>,
}

/// Reads a [`DomainBody`].
///
/// # Errors
/// [`JsonError::BadField`].
pub fn domain_body(body: &Object<'_>) -> Result<DomainBody, JsonError> {
    let control = body.get("control").map(|value| control_url(value, &body.path("control")).map(ControlUrl)).transpose()?;
    let users = body.array("users")?.map(|items| items.map(|(path, item)| user(&Object::at(item, path)?)).collect()).transpose()?;
    let policy = body.get("authentication").map(|value| policy(value, body.path("authentication"))).transpose()?;
    Ok(DomainBody { control, users, policy })
}

/// Reads `secret` or `ha1` of one user.
///
/// # Errors
/// [`JsonError::BadField`] when there is none, both, or a hash has the wrong length.
pub fn secret(body: &Object<'_>) -> Result<Secret, JsonError> {
    match (body.string("secret")?, body.get("ha1")) {
        (Some(_), Some(_)) => Err(body.error("ha1", "and secret exclude each other")),
        (Some(clear), None) => Ok(Secret::Clear(clear.to_owned())),
        (None, Some(Value::String(md5))) => Ok(Secret::Ha1(vec![hash(body, "ha1", Algorithm::Md5, md5)?])),
        (None, Some(Value::Object(_))) => {
            let object = Object::at(body.required("ha1")?, body.path("ha1"))?;
            let mut hashes = Vec::with_capacity(Algorithm::ALL.len());
            for (name, _) in object.iter() {
                let algorithm = Algorithm::from_token(name).ok_or_else(|| object.error(name, "is no algorithm that we know"))?;
                hashes.push(hash(&object, name, algorithm, object.required_string(name)?)?);
            }
            if hashes.is_empty() { Err(body.error("ha1", "must have a hash")) } else { Ok(Secret::Ha1(hashes)) }
        }
        (None, Some(_)) => Err(body.error("ha1", "must be a string or an object")),
        (None, None) => Err(body.error("secret", "is missing")),
    }
}

fn hash(body: &Object<'_>, key: &str, algorithm: Algorithm, text: &str) -> Result<(Algorithm, String), JsonError> {
    let digits = algorithm.hex_len();
    if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok((algorithm, text.to_ascii_lowercase()))
    } else {
        Err(body.error(key, format_args!("must be {digits} hex digits")))
    }
}

/// Answer to `GET /dir/{domain}`: all keys, empty or not.
pub fn domain_view(view: &DomainView) -> serde_json::Value {
    let mut out = serde_json::Map::new();
    out.insert("domain".into(), view.domain.clone().into());
    if let Some(control) = &view.control {
        out.insert("control".into(), control.0.as_ref().into());
    }
    out.insert("users".into(), view.users.clone().into());
    out.insert("domains".into(), view.domains.clone().into());
    out.insert("authentication".into(), policy_view(&view.policy));
    out.into()
}

/// Answer to `GET /dir/{domain}/{user}`.
pub fn user_view(domain: &str, username: &str) -> serde_json::Value {
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
