//! Replaces: the dialog that a new INVITE takes over.
//!
//! Shape:  [`Replaces`] borrows the three parts of a dialog's name.
//! Units:  none.
//! Errors: [`Problem::Syntax`]; both tags have to be there.
//! The tags are as the recipient sees them: `to_tag` is its own (RFC 3891 §3).
//! Source: RFC 3891 §6.1.

use std::fmt;

use super::class::Class;
use super::cursor::Cursor;
use super::error::Problem;
use super::params::{Params, Usual};

/// Which dialog to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// Call-ID.
    pub call_id: &'a str,
    /// Tag of the recipient of the INVITE.
    pub to_tag: &'a str,
    /// Tag of the other end.
    pub from_tag: &'a str,
    /// Only if it is not confirmed yet.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads a value, already without URI escapes.
    ///
    /// # Errors
    /// `Syntax`.
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let mut cursor = Cursor::new(text);
        cursor.skip_lws();
        let call_id = cursor.take(Class::WORD);
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        Params::read_all(&mut cursor, Usual::TAG, |param| {
            if param.name.eq_ignore_ascii_case("to-tag") {
                to_tag = param.value.plain();
            } else if param.name.eq_ignore_ascii_case("from-tag") {
                from_tag = param.value.plain();
            } else if param.name.eq_ignore_ascii_case("early-only") {
                early_only = true;
            }
            true
        })
        .ok_or(Problem::Syntax)?;
        match (call_id, to_tag, from_tag) {
            ("", _, _) | (_, None, _) | (_, _, None) => Err(Problem::Syntax),
            (call_id, Some(to_tag), Some(from_tag)) => Ok(Self { call_id, to_tag, from_tag, early_only }),
        }
    }
}

impl fmt::Display for Replaces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.early_only { ";early-only" } else { "" };
        write!(f, "{};to-tag={};from-tag={}{early}", self.call_id, self.to_tag, self.from_tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_rfc_3891_are_read() {
        let replaces = Replaces::parse("98732@sip.example.com\r\n ;from-tag=r33th4x0r\r\n ;to-tag=ff87ff").unwrap();
        assert_eq!((replaces.call_id, replaces.to_tag, replaces.from_tag), ("98732@sip.example.com", "ff87ff", "r33th4x0r"));
        let early = Replaces::parse("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only").unwrap();
        assert!(early.early_only);
        assert_eq!(early.to_string(), "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only");
    }

    #[test]
    fn both_tags_have_to_be_there() {
        for text in ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2"] {
            assert_eq!(Replaces::parse(text), Err(Problem::Syntax), "{text}");
        }
    }
}
