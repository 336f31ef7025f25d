//! JSON written straight into bytes, for bodies that are sent many times a second.
//!
//! ```text
//!   Fields::open(out) ─► text, number, boolean, object … ─► close        {"callid":"a84b4c","ring":true,…}
//! ```
//! Shape:  the same bytes that `serde_json` gives for the same keys in the same order, without a map, a copy of each key and
//!         text, and their hashes between.
//! Errors: none; writing to memory cannot fail.
//! Source: RFC 8259.

use std::fmt::Display;
use std::io::Write as _;
use std::net::IpAddr;

use serde_json::Value;

use crate::wire::push_number;

/// An object of which some members are written.
#[derive(Debug)]
pub(super) struct Fields<'o> {
    out: &'o mut Vec<u8>,
    some: bool,
}

impl<'o> Fields<'o> {
    /// Begins an object.
    pub(super) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, some: false }
    }

    /// Ends it.
    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// Writes a key; its value comes next. Keys of ours have nothing to escape.
    fn key(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn comma(&mut self) {
        if self.some {
            self.out.push(b',');
        }
        self.some = true;
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        string(self.key(key), text);
    }

    /// A text, if it is known.
    pub(super) fn text_if(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// A text, `null` if it is not known.
    pub(super) fn text_or_null(&mut self, key: &'static str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.null(key),
        }
    }

    /// `null`.
    pub(super) fn null(&mut self, key: &'static str) {
        self.key(key).extend_from_slice(b"null");
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &'static str, number: impl Into<u64>) {
        push_number(self.key(key), number.into());
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str, is: bool) {
        self.key(key).extend_from_slice(if is { b"true" } else { b"false" });
    }

    /// What is a value already.
    pub(super) fn value(&mut self, key: &'static str, value: &Value) {
        let _ = serde_json::to_writer(self.key(key), value);
    }

    /// A text under a key that is data too, or an array where there are several.
    pub(super) fn named<'t>(&mut self, key: &str, mut texts: impl Iterator<Item = &'t str> + Clone) {
        let (out, all) = (self.key_named(key), texts.clone());
        match (texts.next(), texts.next()) {
            (Some(only), None) => string(out, only),
            _ => array(out, all, string),
        }
    }

    /// A text of characters that need no escape: an address, say.
    pub(super) fn plain(&mut self, key: &'static str, text: impl Display) {
        Self::quoted(self.key(key), text);
    }

    /// An address; one of four numbers without the formatter, which costs ten times its digits.
    pub(super) fn address(&mut self, key: &'static str, ip: IpAddr) {
        let IpAddr::V4(ip) = ip else { return self.plain(key, ip) };
        let out = self.key(key);
        for (place, number) in ip.octets().into_iter().enumerate() {
            out.push(if place == 0 { b'"' } else { b'.' });
            push_number(out, number.into());
        }
        out.push(b'"');
    }

    /// A text of characters that need no escape as an item of an array.
    pub(super) fn quoted(out: &mut Vec<u8>, text: impl Display) {
        let _ = write!(out, "\"{text}\"");
    }

    /// A text under a key that is data too.
    pub(super) fn text_named(&mut self, key: &str, text: &str) {
        string(self.key_named(key), text);
    }

    /// A number, written as JSON does, under a key that is data too.
    pub(super) fn number_named(&mut self, key: &str, number: &str) {
        self.key_named(key).extend_from_slice(number.as_bytes());
    }

    /// `true` under a key that is data too.
    pub(super) fn flag_named(&mut self, key: &str) {
        self.key_named(key).extend_from_slice(b"true");
    }

    /// An object under a key that is data too.
    pub(super) fn object_named(&mut self, key: &str) -> Fields<'_> {
        Fields::open(self.key_named(key))
    }

    fn key_named(&mut self, key: &str) -> &mut Vec<u8> {
        self.comma();
        string(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// An array of what `one` writes.
    pub(super) fn array<T>(&mut self, key: &'static str, items: impl Iterator<Item = T>, one: impl Fn(&mut Vec<u8>, T)) {
        array(self.key(key), items, one);
    }

    /// What `one` writes.
    pub(super) fn raw(&mut self, key: &'static str, one: impl FnOnce(&mut Vec<u8>)) {
        one(self.key(key));
    }

    /// A text with its quotes; what has to be is escaped.
    pub(super) fn string(out: &mut Vec<u8>, text: &str) {
        string(out, text);
    }

    /// An object within.
    pub(super) fn object(&mut self, key: &'static str) -> Fields<'_> {
        Fields::open(self.key(key))
    }
}

/// A text with its quotes; what has to be is escaped.
fn string(out: &mut Vec<u8>, text: &str) {
    // Nearly none has something to escape; without a way out of the loop that is told by many bytes at once.
    if text.bytes().fold(true, |all, byte| all & (byte >= b' ') & (byte != b'"') & (byte != b'\\')) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        let _ = serde_json::to_writer(out, text);
    }
}

fn array<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, one: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        one(out, item);
    }
    out.push(b']');
}
