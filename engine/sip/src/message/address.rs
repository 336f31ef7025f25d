//! Addresses: From, To, Contact, Route, Refer-To and their like.
//!
//! ```text
//!   "J. \"Joe\" Doe" <sip:joe@example.com;lr> ;tag=1     sip:joe@example.com;tag=1     *
//!    └──display───┘   └────────uri─────────┘ └params┘    └──────uri───────┘└params┘    Contact only
//! ```
//! Shape:  [`NameAddr`] is one value; [`Contact`] adds `*`, `q` and `expires`.
//! Units:  `q` in thousandths, 0 to 1000; `expires` in seconds.
//! Errors: [`Problem`]; of the URI, [`UriError`] inside it.
//! Without `<>` all behind a semicolon belongs to the header, and the URI may hold no `?` (RFC 3261 §20).
//! Source: RFC 3261 §20.10, §20.20, §20.30, §20.34, §20.39, §25.1.

use std::borrow::Cow;
use std::fmt;

use super::cursor::Cursor;
use super::error::Problem;
use super::lex::{is_lws, number, trim, unfold, unquote};
use super::params::{Param, Params, Usual};
use super::uri::{Uri, UriError};

/// Expiry that stands for one that cannot be read (RFC 3261 §20.10, §20.19).
pub const EXPIRES_IF_MALFORMED_S: u32 = 3600;

/// A display name, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DisplayName<'a> {
    /// Not there.
    #[default]
    None,
    /// Words without quotes. More than tokens are taken (RFC 4475 §3.1.2.15): names with dots, commas, umlauts are common.
    Plain(&'a str),
    /// The inside of a quoted string, its escapes untouched.
    Quoted(&'a str),
}

impl<'a> DisplayName<'a> {
    /// The name for people; empty if there is none.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::Plain(text) => unfold(text),
            Self::Quoted(inside) => unquote(inside),
        }
    }
}

/// An address with display name and parameters.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NameAddr<'a> {
    /// Display name.
    pub display: DisplayName<'a>,
    /// URI.
    pub uri: Uri<'a>,
    /// Parameters of the header, not of the URI.
    pub params: Params<'a>,
    /// `tag`.
    pub tag: Option<&'a str>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let mut address = Self::EMPTY;
        address.read(text, |_| true)?;
        Ok(address)
    }

    /// What stands where an address has yet to be read.
    pub(super) const EMPTY: Self = Self { display: DisplayName::None, uri: Uri::EMPTY, params: Params::EMPTY, tag: None };

    /// Reads one value in the place of [`NameAddr::EMPTY`] and shows its parameters to `each`, which may refuse one. In its
    /// place, and not inlined: it is 176 bytes of fields that would each be moved two or three times.
    #[inline(never)]
    pub(super) fn read(&mut self, text: &'a str, mut each: impl FnMut(Param<'a>) -> bool) -> Result<(), Problem> {
        let mut cursor = Cursor::new(text);
        cursor.skip_lws();
        let start = cursor;
        self.display = if cursor.peek() == Some(b'"') {
            let inside = cursor.quoted().ok_or(Problem::Quote)?;
            cursor.skip_lws();
            DisplayName::Quoted(inside)
        } else if cursor.peek() == Some(b'<') {
            DisplayName::None
        } else {
            match trim(cursor.take_while(|byte| !matches!(byte, b'<' | b':' | b';' | b'"'))) {
                "" => DisplayName::None,
                name => DisplayName::Plain(name),
            }
        };
        if cursor.eat(b'<') {
            self.uri.read_bracketed(&mut cursor).ok_or(Problem::Syntax)??;
        } else if let DisplayName::Quoted(_) = self.display {
            return Err(Problem::Syntax);
        } else {
            cursor = start;
            (self.display, self.uri) = (DisplayName::None, bare(&mut cursor)?);
        }
        let params = Params::read_all(&mut cursor, Usual::TAG, |param| {
            if param.is("tag") {
                self.tag = param.value.plain();
            }
            each(param)
        });
        self.params = params.ok_or(Problem::Syntax)?;
        Ok(())
    }
}

/// The URI without brackets.
#[inline(never)]
fn bare<'a>(cursor: &mut Cursor<'a>) -> Result<Uri<'a>, Problem> {
    let text = cursor.take_while(|byte| byte != b';' && !is_lws(byte));
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if text.contains(['?', ',']) {
        return Err(UriError::Header.into());
    }
    Ok(Uri::parse(text)?)
}

impl fmt::Display for NameAddr<'_> {
    /// Display name quoted anew, URI in brackets, parameters as they were.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.display != DisplayName::None {
            write!(f, "{} ", super::write::Quoted(&self.display.text()))?;
        }
        write!(f, "<{}>{}", self.uri, unfold(trim(self.params.as_str())))
    }
}

/// One value of Contact.
#[derive(Debug, Clone, Copy)]
pub enum Contact<'a> {
    /// `*`: all bindings, in REGISTER (RFC 3261 §10.2.2).
    Star,
    /// An address.
    Address(ContactAddress<'a>),
}

/// A Contact that is an address.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ContactAddress<'a> {
    /// The address and all its parameters.
    pub address: NameAddr<'a>,
    /// `q` in thousandths, at most 1000.
    pub q: Option<u16>,
    /// `expires` in seconds; one that cannot be read is [`EXPIRES_IF_MALFORMED_S`].
    pub expires: Option<u32>,
}

impl<'a> Contact<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// [`Problem`]; `Range` for a `q` that is none.
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        if trim(text) == "*" {
            return Ok(Self::Star);
        }
        let (mut address, mut q, mut expires) = (NameAddr::EMPTY, None, None);
        let mut problem = Problem::Syntax;
        let read = address.read(text, |param| {
            if param.is("q") {
                q = param.value.plain().and_then(thousandths);
                if q.is_none() {
                    problem = Problem::Range;
                    return false;
                }
            } else if param.is("expires") {
                expires = Some(param.value.plain().and_then(number).unwrap_or(EXPIRES_IF_MALFORMED_S));
            }
            true
        });
        read.map_err(|found| if found == Problem::Syntax { problem } else { found })?;
        Ok(Self::Address(ContactAddress { address, q, expires }))
    }

    /// The address, unless it is `*`.
    pub const fn address(&self) -> Option<&ContactAddress<'a>> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// A qvalue: 0 to 1 with at most three decimals (RFC 3261 §25.1).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1" | "") || text.is_empty() || decimals.len() > 3 {
        return None;
    }
    let mut digits = decimals.bytes().chain(std::iter::repeat(b'0')).take(3);
    let value = digits.try_fold(u16::from(whole == "1"), |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u16::from(byte - b'0')))?;
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::ParamValue;
    use super::*;

    #[test]
    fn name_addr_and_addr_spec_are_read() {
        let a = NameAddr::parse("\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com;lr>\r\n  ;\r\n  tag = 98asjd8").unwrap();
        assert_eq!(a.display.text(), "J Rosenberg \\\"");
        assert_eq!((a.uri.as_str(), a.tag), ("sip:jdrosen@example.com;lr", Some("98asjd8")));
        let b = NameAddr::parse("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n").unwrap();
        assert_eq!((b.uri.as_str(), b.tag), ("sip:vivekg@chair-dnrc.example.com", Some("1918181833n")));
        let c = NameAddr::parse("caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!((c.display, c.tag), (DisplayName::Plain("caller"), Some("323")));
        assert_eq!(NameAddr::parse("<tel:+12015550123>").map(|a| a.display), Ok(DisplayName::None));
    }

    #[test]
    fn comma_in_quotes_belongs_to_the_name() {
        let a = NameAddr::parse("\"Bell, Alexander <x>\" <sip:a.g.bell@bell-tel.com>").unwrap();
        assert_eq!(a.display.text(), "Bell, Alexander <x>");
    }

    #[test]
    fn wrong_values_are_refused() {
        for text in [
            "",
            "\"Mr. J. User <sip:j.user@example.com>",
            "\"a\" sip:b@c",
            "<sip:a@b",
            "<sip:a@b>;",
            "<sip:a@b>;tag=1, <sip:c@d>",
            "<sip:a@b> x",
            "<>",
            "a",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "sip:a@b c",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
        }
        assert_eq!(NameAddr::parse("\"a <sip:b@c>").err(), Some(Problem::Quote));
    }

    #[test]
    fn contact_gives_star_q_and_expires() {
        assert!(matches!(Contact::parse(" * "), Ok(Contact::Star)));
        let contact = Contact::parse("<sip:a@b>;q=0.7;expires=60;+sip.instance=\"<urn:uuid:0>\"").unwrap();
        let address = contact.address().unwrap();
        assert_eq!((address.q, address.expires), (Some(700), Some(60)));
        assert_eq!(address.address.params.get("+SIP.instance").map(ParamValue::text).as_deref(), Some("<urn:uuid:0>"));
    }

    #[test]
    fn expiry_that_cannot_be_read_is_an_hour() {
        for text in ["<sip:a@b>;expires=99999999999999", "<sip:a@b>;expires=-1", "<sip:a@b>;expires"] {
            assert_eq!(Contact::parse(text).ok().and_then(|c| c.address().and_then(|a| a.expires)), Some(3600), "{text}");
        }
    }

    #[test]
    fn q_is_between_0_and_1_in_thousandths() {
        for (text, q) in
            [("1", Some(1000)), ("0", Some(0)), ("0.5", Some(500)), ("0.123", Some(123)), ("1.000", Some(1000)), (".5", Some(500))]
        {
            assert_eq!(thousandths(text), q, "{text}");
        }
        for text in ["", "2", "1.001", "0.1234", "0.x", "-0"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
        assert_eq!(Contact::parse("<sip:a@b>;q=2").err(), Some(Problem::Range));
    }
}
