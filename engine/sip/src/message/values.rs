//! Comma lists.
//!
//! ```text
//!   "A, B" <sip:a@b,c>;q="1,2" , <sip:d@e> ─► ["\"A, B\" <sip:a@b,c>;q=\"1,2\"", "<sip:d@e>"]
//! ```
//! Shape:  [`Values`] yields slices without white space at their ends; an element that is empty is yielded as "".
//! Units:  none.
//! Errors: none. A quote or bracket without end takes the rest along, and the typed reader refuses it.
//! Source: RFC 3261 §7.3.1; a backslash escapes inside quotes only (§25.1).

use super::lex::trim;
use super::words::find;

/// The values of one header line.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    rest: Option<&'a str>,
}

impl<'a> Values<'a> {
    /// Splits the raw value of one line. A line without value has no elements.
    pub fn new(raw: &'a str) -> Self {
        Self { rest: (!trim(raw).is_empty()).then_some(raw) }
    }

    /// What is behind the last value that was yielded and its comma.
    pub(super) const fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let end = comma(text.as_bytes());
        self.rest = end.and_then(|at| text.get(at + 1..));
        Some(trim(end.map_or(text, |at| text.get(..at).unwrap_or_default())))
    }
}

/// Position of the first comma outside quotes and angle brackets.
fn comma(bytes: &[u8]) -> Option<usize> {
    // Most lists have one element: without a comma there is nothing to look at.
    find(bytes, b',')?;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b',' => return Some(at),
            b'"' => at += quoted(bytes.get(at..)?)?,
            b'<' => at += find(bytes.get(at..)?, b'>')?,
            _ => {}
        }
        at += 1;
    }
}

/// Distance from an opening quote to its end.
fn quoted(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

/// Elements of a list of tokens, empty ones left out: `Supported: timer,, 100rel` is read by everybody.
pub(super) fn tokens(raw: &str) -> impl Iterator<Item = &str> {
    raw.split(',').map(trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(raw: &str) -> Vec<&str> {
        Values::new(raw).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        assert_eq!(
            split("\"A, \\\"B\" <sip:a@b,c>;q=\"1,2\" ,\r\n\t<sip:d@e>,f"),
            ["\"A, \\\"B\" <sip:a@b,c>;q=\"1,2\"", "<sip:d@e>", "f"]
        );
    }

    #[test]
    fn empty_elements_are_shown_and_an_empty_line_has_none() {
        assert_eq!(split("a,,b,"), ["a", "", "b", ""]);
        assert_eq!(split(" \t"), [""; 0]);
        assert_eq!(tokens(" timer,, 100rel,").collect::<Vec<_>>(), ["timer", "100rel"]);
    }

    #[test]
    fn an_unterminated_quote_takes_the_rest() {
        assert_eq!(split("\"a, b"), ["\"a, b"]);
        assert_eq!(split("<a, b"), ["<a, b"]);
        assert_eq!(split("\"a, b\\"), ["\"a, b\\"]);
    }
}
