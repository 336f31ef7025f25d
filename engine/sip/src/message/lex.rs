//! Character classes and the cursor that all typed readers use.
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

/// `token` of RFC 3261 §25.1.
pub(super) const TOKEN: u8 = 1;
/// `user`, with `#`, which the grammar wants escaped and phones do not (dial codes such as `*43#`).
pub(super) const USER: u8 = 1 << 1;
/// `password`.
pub(super) const PASSWORD: u8 = 1 << 2;
/// `paramchar` of a URI parameter.
pub(super) const URI_PARAM: u8 = 1 << 3;
/// `hnv-unreserved` and `unreserved` of a URI header, with `=` and `@`, which are seen there unescaped.
pub(super) const URI_HEADER: u8 = 1 << 4;
/// Host names, with `_`, which the grammar forbids and name servers answer.
pub(super) const HOST: u8 = 1 << 5;
/// `word` of RFC 3261 §25.1, the alphabet of a Call-ID, with `@`.
pub(super) const WORD: u8 = 1 << 6;
/// A value of a header parameter that is not quoted: `token` or `host`, with `[`, `]`, `:` of IPv6, and what
/// implementations put there bare (`/`, `=`, `@`, `?`, `&`, `+`, `$`, `<`, `>` excepted).
pub(super) const PARAM_VALUE: u8 = 1 << 7;

const fn table() -> [u8; 256] {
    let sets: [(u8, &[u8]); 8] = [
        (TOKEN, b"-.!%*_+`'~"),
        (USER, b"-_.!~*'()&=+$,;?/%#"),
        (PASSWORD, b"-_.!~*'()&=+$,%"),
        (URI_PARAM, b"-_.!~*'()[]/:&+$%"),
        (URI_HEADER, b"-_.!~*'()[]/?:+$%=@&"),
        (HOST, b"-._"),
        (WORD, b"-.!%*_+`'~()<>:\\\"/[]?{}@"),
        (PARAM_VALUE, b"-.!%*_+`'~[]:/=@?&$()#|{}^"),
    ];
    let mut table = [0_u8; 256];
    let mut class = 0;
    while class < sets.len() {
        let (bit, extra) = sets[class];
        let mut at = 0;
        while at < extra.len() {
            table[extra[at] as usize] |= bit;
            at += 1;
        }
        let mut byte = 0;
        while byte < 128 {
            if (byte as u8).is_ascii_alphanumeric() {
                table[byte] |= bit;
            }
            byte += 1;
        }
        class += 1;
    }
    table
}

static CLASSES: [u8; 256] = table();

/// Whether `byte` belongs to one of the classes in `mask`.
#[inline(always)]
pub(super) fn is(byte: u8, mask: u8) -> bool {
    CLASSES[usize::from(byte)] & mask != 0
}

/// Whether `text` is a token: not empty, token characters only.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| is(byte, TOKEN))
}

/// SP, HT, and CR or LF of a fold.
#[inline(always)]
pub(super) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without white space at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Whether every `%` of `text` starts an escape of two hex digits (RFC 3261 §25.1).
pub(super) fn escapes_are_whole(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return false,
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    true
}

/// A number of decimal digits only. `None` if empty, another character, or above `u32::MAX`.
pub(super) fn number(text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u32, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(u32::from(digit)) }
    })
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
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// The longest run, perhaps empty, of one class.
    #[inline]
    pub(super) fn take(&mut self, mask: u8) -> &'a str {
        self.take_while(|byte| is(byte, mask))
    }

    /// A token of at least one character.
    #[inline]
    pub(super) fn token(&mut self) -> Option<&'a str> {
        let token = self.take(TOKEN);
        (!token.is_empty()).then_some(token)
    }

    /// Text before the next `byte`, which is eaten; `None`, and no move, if there is none.
    #[inline]
    pub(super) fn until(&mut self, byte: u8) -> Option<&'a str> {
        let length = memchr::memchr(byte, self.rest().as_bytes())?;
        let found = self.rest().get(..length)?;
        self.at += length + 1;
        Some(found)
    }

    /// A quoted string; gives what is between the quotes, escapes untouched. `None` if it does not end.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        if !self.eat(b'"') {
            return None;
        }
        let from = self.at;
        loop {
            self.at += memchr::memchr2(b'"', b'\\', self.rest().as_bytes())?;
            if self.peek() == Some(b'"') {
                let inside = self.text.get(from..self.at);
                self.at += 1;
                return inside;
            }
            // A backslash takes the character after it along. That may be several bytes: none of them is a quote.
            self.at += 2;
            while !self.text.is_char_boundary(self.at) && !self.is_at_end() {
                self.at += 1;
            }
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
        assert!(escapes_are_whole("a%20b%Ff"));
        for text in ["%", "a%2", "%zz", "%2%20"] {
            assert!(!escapes_are_whole(text), "{text}");
        }
    }
}
