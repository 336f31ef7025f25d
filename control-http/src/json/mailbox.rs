//! Body of `/mwi`: messages of a user.
//!
//! ```text
//!   {"new":2,"old":8,"urgentnew":0,"urgentold":2,"waiting":true} ◄─► Mailbox
//! ```
//! Shape:  all keys optional; without `waiting` the lamp is on where there is something new.
//! Errors: [`JsonError::BadField`].
//! Source: `docs/openapi.yaml`, `Mailbox`; RFC 3842 §5.2.

use serde_json::{Value, json};
use sip::api::{Counts, Mailbox};

use super::{JsonError, Object};

/// Reads a mailbox.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn mailbox(body: &Object<'_>) -> Result<Mailbox, JsonError> {
    let count = |key| body.number(key, 0, u32::MAX).map(Option::unwrap_or_default);
    let voice = Counts { new: count("new")?, old: count("old")?, urgent_new: count("urgentnew")?, urgent_old: count("urgentold")? };
    Ok(Mailbox { waiting: body.boolean("waiting")?.unwrap_or(voice.new > 0 || voice.urgent_new > 0), voice })
}

/// Answer to `GET /mwi/{domain}/{user}`.
pub fn mailbox_view(mailbox: &Mailbox) -> Value {
    let Counts { new, old, urgent_new, urgent_old } = mailbox.voice;
    json!({"new": new, "old": old, "urgentnew": urgent_new, "urgentold": urgent_old, "waiting": mailbox.waiting})
}
