//! The cursor that all typed readers use.
//!
//! ```text
//!   "text of a value" ─► skip_lws, eat, token, digits, quoted, until ─► &str slices of the same text
//! ```
//! Shape:  [`Cursor`] is the text that is left. Every slice borrows from the message; a reader moves forward only, so it
//!         costs one pass at most.
//! Units:  none.
//! Errors: `None` where the grammar does not match. Reading past the end gives `None`, never a panic.
//! The steps are inlined into their readers, a dozen instructions each: what is left stays in two registers.
//! Source: RFC 3261 §25.1.

use super::class::Class;
use super::lex::is_lws;
use super::words::{find, find_either};

/// What is left of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    #[inline(always)]
    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    #[inline(always)]
    pub(super) const fn rest(&self) -> &'a str {
        self.rest
    }

    /// What was read since `self` was copied to become `later`.
    #[inline(always)]
    pub(super) fn until_cursor(self, later: Self) -> &'a str {
        self.rest.get(..self.rest.len().wrapping_sub(later.rest.len())).unwrap_or_default()
    }

    /// Moves over `length` bytes and gives them; over nothing, if that is not between characters.
    #[inline(always)]
    pub(super) fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or(("", self.rest));
        self.rest = rest;
        taken
    }

    /// Moves over `byte`, which is ASCII, if it is next.
    #[inline(always)]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(char::from(byte));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Moves over `text` if it is next.
    #[inline(always)]
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Moves over `byte` with white space allowed on both sides (`EQUAL`, `SEMI`, `SLASH` … of RFC 3261 §25.1).
    #[inline(always)]
    pub(super) fn eat_spaced(&mut self, byte: u8) -> bool {
        let mut ahead = *self;
        ahead.skip_lws();
        let hit = ahead.eat(byte);
        if hit {
            ahead.skip_lws();
            *self = ahead;
        }
        hit
    }

    #[inline(always)]
    pub(super) fn skip_lws(&mut self) {
        while self.peek().is_some_and(is_lws) {
            self.advance(1);
        }
    }

    /// The longest run, perhaps empty, of bytes for which `wanted` holds.
    ///
    /// `wanted` has to accept no byte or all bytes above 127, so that the run ends between characters.
    #[inline(always)]
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let bytes = self.rest.as_bytes();
        let length = bytes.iter().position(|&byte| !wanted(byte)).unwrap_or(bytes.len());
        self.advance(length)
    }

    /// The longest run, perhaps empty, of one class.
    #[inline(always)]
    pub(super) fn take(&mut self, class: Class) -> &'a str {
        self.advance(class.run(self.rest.as_bytes()))
    }

    /// The longest run, perhaps empty, of one class and of whole escapes: `%` and two hex digits (RFC 3261 §25.1).
    #[inline(always)]
    pub(super) fn take_escaped(&mut self, class: Class) -> &'a str {
        let bytes = self.rest.as_bytes();
        let length = class.run(bytes);
        let length = if bytes.get(length) == Some(&b'%') { escaped_run(class, bytes, length) } else { length };
        self.advance(length)
    }

    /// A token of at least one character.
    #[inline(always)]
    pub(super) fn token(&mut self) -> Option<&'a str> {
        let token = self.take(Class::TOKEN);
        (!token.is_empty()).then_some(token)
    }

    /// The number that decimal digits make; `None`, and no move, without a digit. Above `u32::MAX` only that is true of it.
    #[inline(always)]
    pub(super) fn digits(&mut self) -> Option<u64> {
        let (mut sum, mut length) = (0, 0);
        for byte in self.rest.bytes() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            // It stays too large once it is.
            sum = if sum > u64::from(u32::MAX) { sum } else { sum * 10 + u64::from(digit) };
            length += 1;
        }
        self.advance(length);
        (length > 0).then_some(sum)
    }

    /// Text before the next `byte`, which is ASCII and eaten; `None`, and no move, if there is none.
    #[inline(always)]
    pub(super) fn until(&mut self, byte: u8) -> Option<&'a str> {
        let (found, rest) = self.rest.split_at_checked(find(self.rest.as_bytes(), byte)?)?;
        self.rest = rest;
        self.eat(byte);
        Some(found)
    }

    /// A quoted string; gives what is between the quotes, escapes untouched. `None` if it does not end.
    #[inline]
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let mut inside = *self;
        if !inside.eat(b'"') {
            return None;
        }
        let bytes = inside.rest.as_bytes();
        let mut at = find_either(bytes, b'"', b'\\')?;
        if bytes.get(at) == Some(&b'\\') {
            at = quote_end(bytes, at)?;
        }
        let found = inside.advance(at);
        inside.eat(b'"');
        *self = inside;
        Some(found)
    }
}

/// [`Class::run`] over whole escapes too, the first of them at `at`.
#[cold]
fn escaped_run(class: Class, bytes: &[u8], mut at: usize) -> usize {
    while let Some([b'%', high, low, after @ ..]) = bytes.get(at..)
        && high.is_ascii_hexdigit()
        && low.is_ascii_hexdigit()
    {
        at += 3 + class.run(after);
    }
    at
}

/// Position of the first quote from `at` on that is not escaped.
#[cold]
fn quote_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            // A backslash takes the character after it along. Of several bytes the first will do: none of the others is
            // a quote or a backslash.
            b'\\' => at += 2,
            _ => at += 1,
        }
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
    fn escapes_need_two_hex_digits() {
        let taken = |text| Cursor::new(text).take_escaped(Class::USER);
        assert_eq!(taken("a%20b%Ff@"), "a%20b%Ff");
        for (text, whole) in [("%", ""), ("a%2", "a"), ("%zz", ""), ("%2%20", ""), ("%20%", "%20")] {
            assert_eq!(taken(text), whole, "{text}");
        }
    }

    #[test]
    fn digits_too_many_for_32_bits_are_read_over() {
        for (text, sum, rest) in [("0042x", Some(42), "x"), ("x", None, "x"), ("", None, ""), ("4294967295", Some(u64::from(u32::MAX)), "")]
        {
            let mut cursor = Cursor::new(text);
            assert_eq!((cursor.digits(), cursor.rest()), (sum, rest));
        }
        for text in ["4294967296", "36893488147419103232", "99999999999999999999999999999999999999999"] {
            let mut cursor = Cursor::new(text);
            assert!(cursor.digits().is_some_and(|sum| sum > u64::from(u32::MAX)) && cursor.is_at_end(), "{text}");
        }
    }
}
