//! Parameters and headers of a URI.
//!
//! Shape:  both hold checked text and read it again on each look; neither allows white space.
//! Units:  `ttl` in hops, 0 to 255.
//! Errors: refused when the URI is read; a getter whose value makes no sense (`ttl=999`) gives `None`.
//! Names and, unless said otherwise, values compare without regard to case (RFC 3261 §19.1.4).
//! Source: RFC 3261 §19.1.1 and §25.1 (`uri-parameters`, `headers`).

use std::borrow::Cow;

use super::escape::unescape;
use crate::message::class::Class;
use crate::message::cursor::Cursor;
use crate::message::host::{Host, ip_with_or_without_brackets};
use crate::message::lex::number;

/// Most parameters, and most headers, of one URI. Eight parameters are known (RFC 3261 §19.1.1, 3486, 5626, 6140); comparing
/// two URIs takes time with the product of their counts, and so does not more than 64 x 64 looks.
const PAIRS_MAX: usize = 64;

/// Parameters of a URI, from the first `;` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UriParams<'a> {
    text: &'a str,
}

/// Headers of a URI, from the `?` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UriHeaders<'a> {
    text: &'a str,
}

impl<'a> UriParams<'a> {
    pub(super) const EMPTY: Self = Self { text: "" };

    /// Reads as many parameters as there are. `None` if one is wrong.
    #[inline(always)]
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        if cursor.peek() != Some(b';') {
            return Some(Self::EMPTY);
        }
        let start = *cursor;
        let mut count = 0;
        while cursor.eat(b';') {
            read_pair(cursor)?;
            count += 1;
        }
        (count <= PAIRS_MAX).then_some(Self { text: start.until_cursor(*cursor) })
    }

    /// Names and values as written, in order; the value is `None` without `=`.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let mut cursor = Cursor::new(self.text);
        std::iter::from_fn(move || if cursor.eat(b';') { read_pair(&mut cursor) } else { None })
    }

    /// Value of the first parameter of that name, as written; empty without `=`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
    }

    /// Whether there is a parameter of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// `lr`: the next hop routes loosely (RFC 3261 §16.12).
    pub fn is_loose_router(&self) -> bool {
        self.contains("lr")
    }

    /// `transport`.
    pub fn transport(&self) -> Option<&'a str> {
        self.get("transport")
    }

    /// `maddr`: where to send instead of the host.
    pub fn maddr(&self) -> Option<Host<'a>> {
        let text = self.get("maddr")?;
        ip_with_or_without_brackets(text).map(Host::Ip).or_else(|| Host::parse(text))
    }

    /// `ttl` of a multicast.
    pub fn ttl(&self) -> Option<u8> {
        self.get("ttl").and_then(number).and_then(|ttl| u8::try_from(ttl).ok())
    }

    /// `user`: `phone` or `ip`.
    pub fn user(&self) -> Option<&'a str> {
        self.get("user")
    }

    /// `method` of the request that the URI stands for.
    pub fn method(&self) -> Option<&'a str> {
        self.get("method")
    }

    /// The text from the first `;`.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<'a> UriHeaders<'a> {
    pub(super) const EMPTY: Self = Self { text: "" };

    /// Reads `?name=value&…`, if there is one. `None` if it is wrong.
    #[inline(always)]
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        if cursor.peek() != Some(b'?') {
            return Some(Self::EMPTY);
        }
        let start = *cursor;
        cursor.eat(b'?');
        let pairs = cursor.take_escaped(Class::URI_HEADER);
        let sound = !pairs.is_empty() && pairs.split('&').count() <= PAIRS_MAX;
        sound.then_some(Self { text: start.until_cursor(*cursor) })
    }

    /// Names and values without escapes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        let text = self.text.strip_prefix('?').unwrap_or_default();
        text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
    }

    /// Value of the first header of that name, without escapes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The text from the `?`.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Reads `name[=value]`.
#[inline]
fn read_pair<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a str, Option<&'a str>)> {
    let name = cursor.take_escaped(Class::URI_PARAM);
    if name.is_empty() {
        return None;
    }
    let value = cursor.eat(b'=').then(|| cursor.take_escaped(Class::URI_PARAM));
    Some((name, value))
}
