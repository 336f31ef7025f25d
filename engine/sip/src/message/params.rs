//! Parameters behind a semicolon: `;name`, `;name=value`, `;name="quoted"`.
//!
//! Shape:  [`Params`] holds the text from the first `;` on, checked when it was made, and reads it again on each look.
//! Units:  none.
//! Errors: an empty parameter (`;;`), a value without name, an unterminated quote are refused when the list is made.
//! Names compare without regard to case (RFC 3261 §7.3.1). A name that stands twice: the first counts.
//! Not here: parameters of URIs, whose alphabet differs (`uri`).
//! Source: RFC 3261 §7.3.1 and §25.1 (`generic-param`).

use std::borrow::Cow;

use super::class::Class;
use super::cursor::Cursor;
use super::lex::unquote;

/// Checked parameters of a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a> {
    text: &'a str,
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Name as it was written.
    pub name: &'a str,
    /// What is behind `=`.
    pub value: ParamValue<'a>,
}

/// The name that a parameter of some header has most often, alone and as it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual(&'static str, &'static str);

impl Usual {
    pub(super) const TAG: Self = Self("tag", "tag=");
    pub(super) const BRANCH: Self = Self("branch", "branch=");
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamValue<'a> {
    /// No `=`.
    None,
    /// A token or host.
    Plain(&'a str),
    /// The inside of a quoted string, its escapes untouched.
    Quoted(&'a str),
}

impl Param<'_> {
    /// Whether its name is `name`, without regard to case; most are written as the RFCs do.
    #[inline(always)]
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.len() == name.len() && (self.name == name || self.name.eq_ignore_ascii_case(name))
    }
}

impl<'a> ParamValue<'a> {
    /// The value without quotes and escapes; empty if there is none.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Quoted(inside) => unquote(inside),
        }
    }

    /// A plain value; `None` if quoted or missing.
    pub const fn plain(self) -> Option<&'a str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::None | Self::Quoted(_) => None,
        }
    }
}

impl<'a> Params<'a> {
    /// No parameters.
    pub const EMPTY: Self = Self { text: "" };

    /// Reads a whole text such as `;a=b;c`; `None` if it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        Self::read_all(&mut Cursor::new(text), Usual::TAG, |_| true)
    }

    /// Reads parameters up to the end of the text, showing each one to `each`, which may refuse it.
    #[inline(always)]
    pub(super) fn read_all(cursor: &mut Cursor<'a>, usual: Usual, each: impl FnMut(Param<'a>) -> bool) -> Option<Self> {
        let params = Self::read(cursor, usual, each)?;
        cursor.is_at_end().then_some(params)
    }

    /// Reads as many parameters as there are, and the white space around them.
    #[inline(always)]
    pub(super) fn read(cursor: &mut Cursor<'a>, usual: Usual, mut each: impl FnMut(Param<'a>) -> bool) -> Option<Self> {
        cursor.skip_lws();
        let start = *cursor;
        while cursor.eat(b';') {
            let param = if cursor.eat_text(usual.1) { read_usual(cursor, usual)? } else { read_param(cursor)? };
            if !each(param) {
                return None;
            }
        }
        Some(Self { text: start.until_cursor(*cursor) })
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.text);
        std::iter::from_fn(move || if cursor.eat(b';') { read_param(&mut cursor) } else { None })
    }

    /// Value of the first parameter of that name.
    pub fn get(&self, name: &str) -> Option<ParamValue<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// Whether there is a parameter of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The text as it stood, from the first `;`; empty without parameters.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Reads what is behind the `=` of the usual parameter.
#[inline(always)]
fn read_usual<'a>(cursor: &mut Cursor<'a>, Usual(name, _): Usual) -> Option<Param<'a>> {
    cursor.skip_lws();
    let value = read_value(cursor)?;
    cursor.skip_lws();
    Some(Param { name, value })
}

/// Reads `name[=value]` and the white space around it; `None` if it is no parameter.
#[inline(always)]
fn read_param<'a>(cursor: &mut Cursor<'a>) -> Option<Param<'a>> {
    cursor.skip_lws();
    let name = cursor.token()?;
    let value = if cursor.eat_spaced(b'=') { read_value(cursor)? } else { ParamValue::None };
    cursor.skip_lws();
    Some(Param { name, value })
}

/// Reads a token, host or quoted string. An empty value (`;received=`) is read as no value: seen in the field, harmless.
#[inline(always)]
pub(super) fn read_value<'a>(cursor: &mut Cursor<'a>) -> Option<ParamValue<'a>> {
    if cursor.peek() == Some(b'"') {
        return cursor.quoted().map(ParamValue::Quoted);
    }
    let plain = cursor.take(Class::PARAM_VALUE);
    Some(if plain.is_empty() { ParamValue::None } else { ParamValue::Plain(plain) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_allowed_around_every_part() {
        let params = Params::parse("  ; tag\t=\r\n abc ;lr; note = \"a;b \\\" c\"  ").unwrap();
        assert_eq!(params.get("TAG"), Some(ParamValue::Plain("abc")));
        assert_eq!(params.get("lr"), Some(ParamValue::None));
        assert_eq!(params.get("note").map(ParamValue::text).as_deref(), Some("a;b \" c"));
        assert_eq!(params.iter().count(), 3);
        assert!(!params.contains("maddr"));
    }

    #[test]
    fn separators_without_a_parameter_are_refused() {
        for text in [";", ";;", ";a;", ";a;;b", ";=b", ";a=\"b", ";a b", "a", ";a=b,c"] {
            assert_eq!(Params::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_of_two_equal_names_counts() {
        assert_eq!(Params::parse(";a=1;A=2").and_then(|params| params.get("a")), Some(ParamValue::Plain("1")));
    }
}
