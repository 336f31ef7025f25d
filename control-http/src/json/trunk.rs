//! Trunks: `PUT /trunk/{name}` read, `GET /trunk` shown.
//! Shape:  one object; the secret goes in and never out.
//! Units:  seconds.
//! Errors: [`JsonError::BadField`].
//! Source: `docs/openapi.yaml`, `Trunk`.

use serde_json::json;
use sip::api::{ControlUrl, TrunkConfig, TrunkView};

use super::{JsonError, Object, control_url};

/// Lifetime asked for where nobody says.
const EXPIRES_S: u32 = 600;
/// A day: longer is not worth a registration.
const EXPIRES_S_MAX: u32 = 86_400;

/// Reads the trunk `name`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn trunk(name: &str, body: &Object<'_>) -> Result<TrunkConfig, JsonError> {
    let text = |key: &str| {
        let text = body.required_string(key)?;
        // It goes into header lines: nothing that ends one, and nothing that would be another URI part.
        let good = !text.is_empty() && text.len() <= 253 && text.chars().all(|c| !c.is_control() && !"<>\"; ".contains(c));
        if good { Ok(text.to_owned()) } else { Err(body.error(key, "must be 1 to 253 characters of a URI")) }
    };
    let secret = body.string("secret")?.unwrap_or_default();
    let proxy = body.string("proxy")?.filter(|proxy| !proxy.is_empty());
    let is_place = |proxy: &&str| proxy.len() <= 253 && proxy.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[];=".contains(c));
    if proxy.as_ref().is_some_and(|proxy| !is_place(proxy)) {
        return Err(body.error("proxy", "must be host or host:port, with ;transport=tcp if it is that"));
    }
    Ok(TrunkConfig {
        name: name.to_owned(),
        domain: text("domain")?.to_ascii_lowercase(),
        user: text("user")?,
        secret: secret.to_owned(),
        proxy: proxy.map(str::to_owned),
        expires_s: body.number("expires", 0u32, EXPIRES_S_MAX)?.unwrap_or(EXPIRES_S),
        control: body.get("control").map(|value| control_url(value, &body.path("control")).map(ControlUrl)).transpose()?,
        priority: body.number("priority", 0u16, u16::MAX)?.unwrap_or(0),
    })
}

/// What `GET` shows of one.
#[must_use]
pub fn trunk_view(view: &TrunkView) -> serde_json::Value {
    json!({
        "name": view.name,
        "domain": view.domain,
        "user": view.user,
        "proxy": view.proxy,
        "control": view.control.as_ref().map(|url| url.0.to_string()),
        "priority": view.priority,
        "state": view.state,
        "up": view.up,
        "remote": view.remote.map(|remote| json!({"host": remote.ip().to_string(), "port": remote.port()})),
        "transport": view.transport,
        "expiresin": view.expires_in_s,
        "failures": view.failures,
        "status": view.status,
        "reason": view.reason,
    })
}
