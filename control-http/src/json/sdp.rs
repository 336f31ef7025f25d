//! Session descriptions as JSON, the form that control sees and sends.
//!
//! ```text
//!   Sdp ──to_json──► { v, o, s, c: […], t, a: {…}, m: [ { media, port, payloads, rtpmap, fmtp, … } ] } ──from_json──► Sdp
//! ```
//! Shape:  attributes are keys of `a` (session) or of their `m` object: a flag is `true`, a value a string, `ptime`,
//!         `maxptime`, `quality` and `framerate` numbers, `rtpmap` and `fmtp` objects by payload type, a direction the key
//!         `direction`. Names that repeat by nature are arrays always, others when they do.
//! Exact:  what these keys cannot say to the letter is in `verbatim`, an array of whole lines; where grouping by name
//!         changes the order, `attributeorder` lists the names as they stood. So `from_json(to_json(x)) == x`.
//! Units:  those of the text. Integers above 2^53 are strings, since JavaScript has none; both are read.
//! Errors: [`BadSdp`], which names the key: `m[0].rtpmap.101.clock`.
//! Source: docs/openapi.yaml, schema `Sdp`; RFC 4566.

mod attributes;
mod read;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use read::{BadSdp, from_json};
pub(super) use text::write_text;
pub use write::to_json;

/// Names whose value is an array even when there is one.
const REPEATING: [&str; 5] = ["candidate", "crypto", "ssrc", "rtcp-fb", "extmap"];

/// Keys of an `m` object or of `a` that are no attribute names; an attribute of such a name goes to `verbatim`.
const RESERVED: [&str; 14] =
    ["media", "port", "numports", "proto", "payloads", "i", "c", "b", "k", "rtpmap", "fmtp", "direction", "verbatim", "attributeorder"];

/// Largest integer that every JavaScript number holds exactly.
const SAFE_INTEGER: u64 = (1 << 53) - 1;
