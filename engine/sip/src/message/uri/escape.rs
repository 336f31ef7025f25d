//! `%` escapes of URIs.
//!
//! Shape:  unescaping borrows when there is nothing to do; escaping is a `Display` value and allocates nothing.
//! Units:  one escape is `%` and two hex digits and stands for one byte.
//! Errors: none. What is no escape stays as it is; bytes that make no UTF-8 become U+FFFD.
//! Each part of a URI has an alphabet of its own, so there is one function per part.
//! Source: RFC 3261 §19.1.2 and §25.1 (`escaped`).

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::message::class::Class;

/// `text` with its escapes replaced by what they stand for. `%00` gives a NUL: a name may hold one (RFC 4475 §3.1.1.4).
pub fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = Unescaped::new(text);
    out.extend(&mut bytes);
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The bytes of a text, escapes resolved one by one.
pub(super) struct Unescaped<'a> {
    rest: &'a [u8],
}

impl<'a> Unescaped<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes() }
    }
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, rest @ ..] = self.rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.rest = rest;
            return Some(high << 4 | low);
        }
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Text written with escapes where the part of the URI demands them.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    text: &'a str,
    bare: fn(u8) -> bool,
}

/// A user part: `1003`, `*43%23`. A `#` is escaped on writing although it is taken bare on reading.
pub const fn escape_user(text: &str) -> Escaped<'_> {
    Escaped { text, bare: |byte| Class::USER.holds(byte) && byte != b'#' }
}

/// A password.
pub const fn escape_password(text: &str) -> Escaped<'_> {
    Escaped { text, bare: |byte| Class::PASSWORD.holds(byte) }
}

/// Name or value of a URI parameter.
pub const fn escape_param(text: &str) -> Escaped<'_> {
    Escaped { text, bare: |byte| Class::URI_PARAM.holds(byte) }
}

/// Name or value of a URI header, as in `?Replaces=…` (RFC 3515 §2.1).
pub const fn escape_header(text: &str) -> Escaped<'_> {
    Escaped { text, bare: |byte| Class::URI_HEADER.holds(byte) && !matches!(byte, b'=' | b'@' | b'&') }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.text.bytes() {
            if (self.bare)(byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_escaped_at_sign_and_nul_are_unescaped() {
        assert_eq!(unescape("sips%3Auser%40example.com"), "sips:user@example.com");
        assert_eq!(unescape("null-%00-null"), "null-\0-null");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%4"), "%zz%4");
    }

    #[test]
    fn each_part_has_its_own_alphabet() {
        assert_eq!(escape_user("*43#a@b;c").to_string(), "*43%23a%40b;c");
        assert_eq!(escape_header("a@b;to-tag=1").to_string(), "a%40b%3Bto-tag%3D1");
        assert_eq!(escape_param("a;b").to_string(), "a%3Bb");
        assert_eq!(escape_password("a:b").to_string(), "a%3Ab");
    }

    proptest! {
        #[test]
        fn unescaping_gives_back_what_was_escaped(text in any::<String>()) {
            for escape in [escape_user, escape_password, escape_param, escape_header] {
                let escaped = escape(&text).to_string();
                prop_assert_eq!(unescape(&escaped), text.as_str());
            }
        }
    }
}
