//! What control may do to a dialog: the word of the path and the body.
//!
//! ```text
//!   "hangup" + {"reason":"busy"} ──► Action::Hangup
//! ```
//! Shape:  one [`Action`] per word of [`ACTIONS`].
//! Errors: [`JsonError::BadField`]; an unknown word is `None`, which the route answers with 404.
//! Not here: what state the call must be in, and what `busy` means (`sip`).
//! Source: `docs/openapi.yaml`, `/dialog/{action}`.

use sip::api::Action;
use sip::sdp::Sdp;

use super::originate::headers;
use super::sdp::{BadSdp, from_json};
use super::{JsonError, Map, Object, Value};

/// The words that act on a dialog.
pub const ACTIONS: [&str; 12] =
    ["ring", "progress", "answer", "ok", "ack", "invite", "update", "refer", "notify", "info", "redirect", "hangup"];

/// Reads the action called `word`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn action(word: &str, body: &Object<'_>) -> Result<Option<Action>, JsonError> {
    let action = match word {
        "ring" => Action::Ring { alertinfo: text(body, "alertinfo")?, sdp: sdp(body)? },
        "progress" => Action::Progress { sdp: required_sdp(body)? },
        "answer" => Action::Answer { sdp: sdp(body)? },
        "ok" => Action::Ok { sdp: sdp(body)? },
        "ack" => Action::Ack { sdp: required_sdp(body)? },
        "invite" => Action::Invite { sdp: sdp(body)? },
        "update" => Action::Update { sdp: sdp(body)? },
        "refer" => Action::Refer { to: required_text(body, "to")?, replaces: text(body, "replaces")? },
        "notify" => Action::Notify { status: body.number("status", 100, 699)?.unwrap_or(200) },
        "info" => Action::Info {
            contenttype: required_text(body, "contenttype")?,
            body: body.required("body").and_then(|_| body.string("body"))?.unwrap_or_default().to_owned(),
        },
        "redirect" => Action::Redirect { contacts: contacts(body)? },
        "hangup" => Action::Hangup { reason: text(body, "reason")?, code: body.number("code", 300, 699)?, headers: headers(body)? },
        _ => return Ok(None),
    };
    Ok(Some(action))
}

/// The session description under `sdp`, if there. `{}` is none, as in a snapshot.
pub(super) fn sdp(body: &Object<'_>) -> Result<Option<Sdp>, JsonError> {
    let empty = |value: &Value<'_>| value.as_object().is_some_and(Map::is_empty);
    let Some(value) = body.get("sdp").filter(|value| !empty(value)) else { return Ok(None) };
    let place = |error: BadSdp| {
        let dot = if error.key.is_empty() || error.key.starts_with('[') { "" } else { "." };
        JsonError::BadField(format!("{}{dot}{}: {}", body.path("sdp"), error.key, error.problem))
    };
    from_json(value).map(Some).map_err(place)
}

fn required_sdp(body: &Object<'_>) -> Result<Sdp, JsonError> {
    sdp(body)?.ok_or_else(|| body.error("sdp", "is missing"))
}

/// One line of text, if there and not empty.
fn text(body: &Object<'_>, key: &str) -> Result<Option<String>, JsonError> {
    let text = body.string(key)?.filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().any(char::is_control)) {
        return Err(body.error(key, "must not hold control characters"));
    }
    Ok(text.map(str::to_owned))
}

fn required_text(body: &Object<'_>, key: &str) -> Result<String, JsonError> {
    body.required_string(key)?;
    text(body, key)?.ok_or_else(|| body.error(key, "is missing"))
}

/// Where to: one URI or an array of them.
fn contacts(body: &Object<'_>) -> Result<Vec<String>, JsonError> {
    if body.required("contacts")?.is_string() {
        return Ok(vec![required_text(body, "contacts")?]);
    }
    let items = body.array("contacts")?.into_iter().flatten();
    let contacts = items
        .map(|(path, item)| match item.as_str() {
            Some(uri) if !uri.is_empty() && !uri.chars().any(char::is_control) => Ok(uri.to_owned()),
            _ => Err(JsonError::field(path, "must be a URI")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if contacts.is_empty() || contacts.len() > CONTACTS_MAX {
        return Err(body.error("contacts", format_args!("must be 1 to {CONTACTS_MAX}")));
    }
    Ok(contacts)
}

/// Contacts of one redirect, at most.
const CONTACTS_MAX: usize = 16;
