//! What a hang-up of control becomes: the words of the API, and the phrases of the statuses.
//!
//! ```text
//!   code 486 │ "busy" │ nothing  ──►  (486, "Busy Here") │ (486, "Busy Here") │ (480, "Temporarily Unavailable")
//! ```
//! Shape:  a code wins over a word; a word that is not in the table is the phrase of the answer.
//! Errors: a code that is no final failure is refused by [`final_response`].
//! Source: docs/openapi.yaml (hangup); RFC 3261 §21.

use crate::api::CommandError;
use crate::message::StatusCode;

/// The words of the API.
const WORDS: [(&str, u16); 7] = [
    ("busy", 486),
    ("notfound", 404),
    ("paymentrequired", 402),
    ("declined", 603),
    ("unavailable", 480),
    ("forbidden", 403),
    ("congestion", 503),
];

/// What a hang-up without reason means.
const DEFAULT: u16 = 480;

/// Status and phrase of the final response to a call that was not answered.
pub(super) fn final_response(code: Option<u16>, reason: Option<&str>) -> Result<(StatusCode, String), CommandError> {
    let word = reason.and_then(|reason| WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(reason)));
    let number = code.or(word.map(|(_, status)| *status)).unwrap_or(DEFAULT);
    let status = StatusCode::new(number).filter(|status| status.class() > 2);
    let status = status.ok_or_else(|| CommandError::Bad(format!("code {number} is not a final failure")))?;
    match reason {
        Some(text) if word.is_none() && !text.is_empty() => {
            if !super::extra::is_line(text) {
                return Err(CommandError::Bad("the reason does not fit on a line".into()));
            }
            Ok((status, text.to_owned()))
        }
        Some(_) | None => Ok((status, status.phrase().to_owned())),
    }
}
