//! Small words of the grammar: white space, numbers, folds, quotes.
//!
//! Shape:  functions of text; what is returned borrows from it where it can.
//! Units:  bytes.
//! Errors: `None` where the grammar does not match.
//! White space is SP, HT, CR and LF: the line scanner leaves CR and LF inside a value only as part of a fold.
//! Source: RFC 3261 §25.1.

use std::borrow::Cow;

use super::class::Class;
use super::cursor::Cursor;
use super::words::{find, find_control};

/// Whether `text` is a token: not empty, token characters only.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && Class::TOKEN.holds_all(text)
}

/// SP, HT, and CR or LF of a fold.
#[inline(always)]
pub(super) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without white space at both ends.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    let start = text.len() - bytes.len();
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    text.get(start..start + bytes.len()).unwrap_or_default()
}

/// A number of decimal digits only. `None` if empty, another character, or above `u32::MAX`.
#[inline]
pub(super) fn number(text: &str) -> Option<u32> {
    let mut cursor = Cursor::new(text);
    let sum = cursor.digits()?;
    if cursor.is_at_end() { u32::try_from(sum).ok() } else { None }
}

/// Text with every fold (CRLF and the white space after it) read as one space (RFC 3261 §7.3.1).
pub(super) fn unfold(text: &str) -> Cow<'_, str> {
    if find_control(text.as_bytes()).is_none() || memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut folds = text.split(['\r', '\n']).map(|piece| piece.trim_matches([' ', '\t'])).filter(|piece| !piece.is_empty());
    if let Some(first) = folds.next() {
        out.push_str(first);
    }
    for piece in folds {
        out.push(' ');
        out.push_str(piece);
    }
    Cow::Owned(out)
}

/// The inside of a quoted string without its backslashes, folds as one space (RFC 3261 §25.1).
pub(super) fn unquote(inside: &str) -> Cow<'_, str> {
    let bytes = inside.as_bytes();
    if (find(bytes, b'\\').is_none() && find_control(bytes).is_none()) || memchr::memchr3(b'\\', b'\r', b'\n', bytes).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars().peekable();
    while let Some(c) = chars.next() {
        let meant = if c == '\\' { chars.next() } else { Some(c) };
        match meant {
            // A fold, even behind a backslash: a line break cannot be escaped.
            Some('\r' | '\n') => {
                while chars.next_if(|next| matches!(next, ' ' | '\t' | '\r' | '\n')).is_some() {}
                out.push(' ');
            }
            meant => out.extend(meant),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquote_takes_the_backslash_away_and_unfolds() {
        assert_eq!(unquote("J Rosenberg \\\\\\\""), "J Rosenberg \\\"");
        assert_eq!(unquote("a\r\n \tb"), "a b");
        assert_eq!(unquote("a\\\r\n \tb"), "a b");
        assert!(matches!(unquote("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn unfold_joins_lines_with_one_space() {
        assert_eq!(unfold("newfangled value\r\n continued  newfangled value"), "newfangled value continued  newfangled value");
        assert_eq!(unfold("a \r\n\t \r\n b"), "a b");
        assert!(matches!(unfold("a b"), Cow::Borrowed("a b")));
    }

    #[test]
    fn number_refuses_signs_and_overflow() {
        assert_eq!(number("0004294967295"), Some(u32::MAX));
        for text in ["", "-1", "+1", "1 ", "4294967296", "36893488147419103232"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn trim_takes_white_space_and_folds() {
        for (text, inside) in [("", ""), (" \r\n\t", ""), (" a b\r\n ", "a b"), ("é", "é")] {
            assert_eq!(trim(text), inside, "{text:?}");
        }
    }
}
