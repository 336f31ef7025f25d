//! The path of a request as decoded segments.
//!
//! ```text
//!   "/dialog/3c26%2F%40host/ring/" ──► ["dialog", "3c26/@host", "ring"]
//! ```
//! Shape:  at most [`SEGMENTS_MAX`] segments; one trailing slash is dropped, an empty segment inside stays empty. A
//!         decoded slash stays inside its segment, so a Call-ID may hold anything.
//! Errors: [`WireError::BadTarget`]: a bad escape, not UTF-8, a control character, too many segments.
//! Not here: dot segments have no meaning, no file is served by path.
//! Source: RFC 3986 §2.1, §3.3.

use super::WireError;

/// Decoded segments of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    text: String,
    ends: Vec<usize>,
}

impl Path {
    /// Decodes `raw`, the part of the target before `?`.
    ///
    /// # Errors
    /// [`WireError::BadTarget`] when it does not start with a slash or a segment cannot be decoded.
    pub fn decode(raw: &str) -> Result<Self, WireError> {
        let rest = raw.strip_prefix('/').ok_or(WireError::BadTarget("a path starts with a slash"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut path = Self { text: String::with_capacity(rest.len()), ends: Vec::new() };
        if rest.is_empty() {
            return Ok(path);
        }
        for segment in rest.split('/') {
            if path.ends.len() == SEGMENTS_MAX {
                return Err(WireError::BadTarget("too many path segments"));
            }
            decode_into(segment, &mut path.text)?;
            path.ends.push(path.text.len());
        }
        Ok(path)
    }

    /// The segments, first to last.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let segment = self.text.get(start..end).unwrap_or_default();
            start = end;
            segment
        })
    }

    /// Writes `segment` to `out` so that [`Path::decode`] gives it back: everything but unreserved characters escaped.
    pub fn encode_segment(segment: &str, out: &mut String) {
        // Nearly none has anything to escape.
        if segment.bytes().all(is_plain) {
            return out.push_str(segment);
        }
        for byte in segment.bytes() {
            if is_plain(byte) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
}

/// Appends the decoded form of one segment (or query value).
pub(super) fn decode_into(segment: &str, out: &mut String) -> Result<(), WireError> {
    // Told by many bytes at once, without a way out of the loop.
    if segment.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic() & (byte != b'%')) {
        out.push_str(segment);
        return Ok(());
    }
    let clean = |text: &str| !text.chars().any(char::is_control);
    if !segment.contains('%') {
        if !clean(segment) {
            return Err(CONTROL);
        }
        out.push_str(segment);
        return Ok(());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        match (rest.next().and_then(nibble), rest.next().and_then(nibble)) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err(WireError::BadTarget("a % without two hex digits")),
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| WireError::BadTarget("an escaped segment is not UTF-8"))?;
    if !clean(text) {
        return Err(CONTROL);
    }
    out.push_str(text);
    Ok(())
}

/// RFC 3986 §2.3, and the sub-delims and `@:` that a segment may hold (§3.3) as Call-IDs often do.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b';' | b'=' | b'@' | b':')
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

const CONTROL: WireError = WireError::BadTarget("a control character in a segment");

/// Segments of a path, at most; the longest route has four.
const SEGMENTS_MAX: usize = 16;
