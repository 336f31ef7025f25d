//! CSeq: number and method of a request.
//!
//! Shape:  [`CSeq`] borrows the method.
//! Units:  a plain counter of 32 bits. We send below 2^31 (RFC 3261 §8.1.1.5) and take all of it.
//! Errors: [`Problem::Syntax`] and [`Problem::Range`].
//! Source: RFC 3261 §20.16, RFC 4475 §3.1.2.4.

use std::fmt;

use super::Method;
use super::cursor::Cursor;
use super::error::Problem;
use super::lex::{is_lws, number};

/// Number and method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Position of the request in its dialog.
    pub number: u32,
    /// Method of the request.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Reads a value.
    ///
    /// # Errors
    /// `Range` for a number above 32 bits, else `Syntax`.
    #[inline(never)]
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let mut cursor = Cursor::new(text);
        cursor.skip_lws();
        let number = cursor.digits().ok_or(Problem::Syntax)?;
        if !cursor.peek().is_some_and(is_lws) {
            return Err(Problem::Syntax);
        }
        let number = u32::try_from(number).map_err(|_| Problem::Range)?;
        cursor.skip_lws();
        let method = cursor.token().and_then(Method::parse).ok_or(Problem::Syntax)?;
        cursor.skip_lws();
        if cursor.is_at_end() { Ok(Self { number, method }) } else { Err(Problem::Syntax) }
    }
}

impl<'a> CSeq<'a> {
    /// Reads the value of a request of that method.
    #[inline(always)]
    pub(super) fn parse_for(text: &'a str, method: Method<'a>) -> Result<Self, Problem> {
        // As nearly all are written, without a look at what the method is.
        if let Some(before) = text.strip_suffix(method.as_str())
            && let Some(number) = before.strip_suffix(' ').and_then(number)
        {
            return Ok(Self { number, method });
        }
        Self::parse(text)
    }
}

impl fmt::Display for CSeq<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_folds_are_read_over() {
        assert_eq!(CSeq::parse("0009\r\n  INVITE"), Ok(CSeq { number: 9, method: Method::Invite }));
    }

    #[test]
    fn wrong_values_are_refused() {
        assert_eq!(CSeq::parse("36893488147419103232 REGISTER"), Err(Problem::Range));
        for text in ["", "1", "1INVITE", "INVITE", "-1 INVITE", "1 INVITE x", "1 IN/VITE"] {
            assert_eq!(CSeq::parse(text), Err(Problem::Syntax), "{text}");
        }
    }
}
