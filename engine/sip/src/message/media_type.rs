//! Content-Type and the entries of Accept.
//!
//! Shape:  [`MediaType`] borrows type, subtype and parameters.
//! Units:  none. Types compare without regard to case.
//! Errors: [`Problem::Syntax`].
//! Source: RFC 3261 §20.15 and §20.1.

use super::cursor::Cursor;
use super::error::Problem;
use super::params::{Params, Usual};

/// `type/subtype;params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaType<'a> {
    /// `application`, `multipart`, or `*`.
    pub kind: &'a str,
    /// `sdp`, `mixed`, or `*`.
    pub subtype: &'a str,
    /// `boundary` and others.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Reads a value.
    ///
    /// # Errors
    /// `Syntax`.
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let mut cursor = Cursor::new(text);
        cursor.skip_lws();
        let kind = cursor.token().ok_or(Problem::Syntax)?;
        if !cursor.eat_spaced(b'/') {
            return Err(Problem::Syntax);
        }
        let subtype = cursor.token().ok_or(Problem::Syntax)?;
        let params = Params::read_all(&mut cursor, Usual::TAG, |_| true).ok_or(Problem::Syntax)?;
        Ok(Self { kind, subtype, params })
    }

    /// Whether it is `kind/subtype`, without regard to case and parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ParamValue;
    use super::*;

    #[test]
    fn type_and_parameters_are_read() {
        let media = MediaType::parse("Multipart / mixed ; boundary=\"7a9cbec02\"").unwrap();
        assert!(media.is("multipart", "MIXED"));
        assert_eq!(media.params.get("boundary").map(ParamValue::text).as_deref(), Some("7a9cbec02"));
        for text in ["", "application", "application/", "/sdp", "a/b c"] {
            assert_eq!(MediaType::parse(text), Err(Problem::Syntax), "{text}");
        }
    }
}
