//! Small words of the grammar, and the cursor that all typed readers use.
//!
//! ```text
//!   "text of a value" ─► Cursor: skip_lws, eat, token, quoted, until ─► &str slices of the same text
//! ```
//! Shape:  every slice borrows from the message; a reader moves forward only, so it costs one pass at most.
//! Units:  positions in bytes.
//! Errors: `None` where the grammar does not match. Reading past the end gives `None`, never a panic.
//! White space is SP, HT, CR and LF: the line scanner leaves CR and LF inside a value only as part of a fold.
//! Source: RFC 3261 §25.1.

use std::borrow::Cow;

use super::class::Class;
use super::words::find;

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
pub(super) fn number(text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let mut sum = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum * 10 + u64::from(digit);
        if sum > u64::from(u32::MAX) {
            return None;
        }
    }
    u32::try_from(sum).ok()
}

/// Text with every fold (CRLF and the white space after it) read as one space (RFC 3261 §7.3.1).
pub(super) fn unfold(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none() {
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
    if memchr::memchr3(b'\\', b'\r', b'\n', inside.as_bytes()).is_none() {
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

/// A position in a text that only moves forward.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// All that is left.
    #[inline]
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Moves over `byte` if it is next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }

    /// Moves over `text` if it is next.
    #[inline]
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let hit = self.rest().as_bytes().starts_with(text.as_bytes());
        self.at += if hit { text.len() } else { 0 };
        hit
    }

    /// Moves over `byte` with white space allowed on both sides (`EQUAL`, `SEMI`, `SLASH` … of RFC 3261 §25.1).
    #[inline]
    pub(super) fn eat_spaced(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.skip_lws();
        if self.eat(byte) {
            self.skip_lws();
            true
        } else {
            self.at = before;
            false
        }
    }

    #[inline]
    pub(super) fn skip_lws(&mut self) {
        while self.peek().is_some_and(is_lws) {
            self.at += 1;
        }
    }

    /// The longest run, perhaps empty, of bytes for which `wanted` holds.
    ///
    /// `wanted` has to accept no byte or all bytes above 127, so that the run ends between characters.
    #[inline]
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(&byte) = bytes.get(at)
            && wanted(byte)
        {
            at += 1;
        }
        self.at = at;
        self.text.get(from..at).unwrap_or_default()
    }

    /// The longest run, perhaps empty, of one class.
    #[inline]
    pub(super) fn take(&mut self, class: Class) -> &'a str {
        let from = self.at;
        self.at = class.run(self.text.as_bytes(), from);
        self.since(from)
    }

    /// Where the cursor stands, for [`Cursor::since`].
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Text from a position on that was moved over.
    #[inline]
    pub(super) fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// The longest run, perhaps empty, of one class and of whole escapes: `%` and two hex digits (RFC 3261 §25.1).
    #[inline]
    pub(super) fn take_escaped(&mut self, class: Class) -> &'a str {
        let from = self.at;
        let bytes = self.text.as_bytes();
        loop {
            self.at = class.run(bytes, self.at);
            match bytes.get(self.at..) {
                Some([b'%', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => self.at += 3,
                _ => return self.since(from),
            }
        }
    }

    /// A token of at least one character.
    #[inline]
    pub(super) fn token(&mut self) -> Option<&'a str> {
        let token = self.take(Class::TOKEN);
        (!token.is_empty()).then_some(token)
    }

    /// Text before the next `byte`, which is eaten; `None`, and no move, if there is none.
    #[inline]
    pub(super) fn until(&mut self, byte: u8) -> Option<&'a str> {
        let length = find(self.rest().as_bytes(), byte)?;
        let found = self.rest().get(..length)?;
        self.at += length + 1;
        Some(found)
    }

    /// A quoted string; gives what is between the quotes, escapes untouched. `None` if it does not end.
    #[inline]
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        if !self.eat(b'"') {
            return None;
        }
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut at = from;
        loop {
            match bytes.get(at)? {
                b'"' => break,
                // A backslash takes the character after it along. Of several bytes the first will do: none of the others is
                // a quote or a backslash.
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.text.get(from..at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_string_ends_at_the_first_bare_quote() {
        let mut cursor = Cursor::new("\"a \\\"b\\\\\" <sip:x>");
        assert_eq!(cursor.quoted(), Some("a \\\"b\\\\"));
        assert_eq!(cursor.rest(), " <sip:x>");
    }

    #[test]
    fn quoted_string_without_end_is_refused() {
        for text in ["\"", "\"abc", "\"abc\\\"", "\"abc\\", "\"abc\\é"] {
            assert_eq!(Cursor::new(text).quoted(), None, "{text}");
        }
    }

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
    fn escapes_need_two_hex_digits() {
        let taken = |text| Cursor::new(text).take_escaped(Class::USER);
        assert_eq!(taken("a%20b%Ff@"), "a%20b%Ff");
        for (text, whole) in [("%", ""), ("a%2", "a"), ("%zz", ""), ("%2%20", ""), ("%20%", "%20")] {
            assert_eq!(taken(text), whole, "{text}");
        }
    }

    #[test]
    fn trim_takes_white_space_and_folds() {
        for (text, inside) in [("", ""), (" \r\n\t", ""), (" a b\r\n ", "a b"), ("é", "é")] {
            assert_eq!(trim(text), inside, "{text:?}");
        }
    }
}
