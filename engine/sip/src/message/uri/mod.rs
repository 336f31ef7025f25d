//! URIs: `sip:` and `sips:` in full, `tel:` as a number, any other as opaque text.
//!
//! ```text
//!   sip:user:password@host:port;transport=udp;lr?Subject=x
//!       └─────┬─────┘ └───┬───┘└───────┬──────┘└───┬────┘
//!          userinfo    hostport    UriParams    UriHeaders
//! ```
//! Shape:  borrowed from the message and checked when read; escapes stay until a `Cow` getter is asked.
//! Units:  ports are bare numbers; `ttl` is hops.
//! Errors: [`UriError`] names the part that is wrong.
//! Not here: which URI is ours, resolving (RFC 3263).
//! Source: RFC 3261 §19.1 and §25.1, RFC 3966 (tel), RFC 5118 (IPv6).

mod compare;
mod escape;
mod params;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use escape::{Escaped, escape_header, escape_param, escape_password, escape_user, unescape};
pub use params::{UriHeaders, UriParams};

use super::class::Class;
use super::cursor::Cursor;
use super::host::Host;
use super::lex::trim;

/// A URI of any scheme.
#[derive(Debug, Clone, Copy)]
pub enum Uri<'a> {
    /// `sip:` or `sips:`.
    Sip(SipUri<'a>),
    /// `tel:` (RFC 3966).
    Tel(TelUri<'a>),
    /// Any other scheme.
    Other(OtherUri<'a>),
}

/// A `sip:` or `sips:` URI.
#[derive(Debug, Clone, Copy)]
pub struct SipUri<'a> {
    text: &'a str,
    secure: bool,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Host<'a>,
    port: Option<u16>,
    params: UriParams<'a>,
    headers: UriHeaders<'a>,
}

/// A `tel:` URI.
#[derive(Debug, Clone, Copy)]
pub struct TelUri<'a> {
    text: &'a str,
    number: &'a str,
    params: UriParams<'a>,
}

/// A URI whose scheme we do not know.
#[derive(Debug, Clone, Copy)]
pub struct OtherUri<'a> {
    text: &'a str,
    scheme: &'a str,
}

/// Which part of a URI is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No `scheme:` in front.
    #[error("no scheme in URI")]
    Scheme,
    /// User or password with a character that has to be escaped, or a broken escape.
    #[error("bad user in URI")]
    User,
    /// Host missing or wrong.
    #[error("bad host in URI")]
    Host,
    /// Port empty, not a number or above 65535.
    #[error("bad port in URI")]
    Port,
    /// A parameter is wrong.
    #[error("bad parameter in URI")]
    Param,
    /// The headers behind `?` are wrong.
    #[error("bad headers in URI")]
    Header,
    /// A telephone number with other characters, or without digits.
    #[error("bad telephone number in URI")]
    Number,
    /// White space, a control character or `<`, `>`, `"` inside an opaque URI.
    #[error("bad character in URI")]
    Character,
}

impl<'a> Uri<'a> {
    /// Reads a whole text as a URI.
    ///
    /// # Errors
    /// [`UriError`], one variant per part.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let mut uri = Self::EMPTY;
        uri.read(text)?;
        Ok(uri)
    }

    /// What stands where a URI has yet to be read.
    pub(super) const EMPTY: Self = Self::Sip(SipUri::EMPTY);

    /// Reads a whole text in the place of [`Uri::EMPTY`].
    #[inline(always)]
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), UriError> {
        let mut cursor = Cursor::new(text);
        if let Self::Sip(sip) = self
            && sip.read_at(&mut cursor).is_some()
            && cursor.is_at_end()
        {
            return Ok(());
        }
        *self = Self::parse_any(text)?;
        Ok(())
    }

    /// Reads a URI that `>` ends, and the `>`, in the place of [`Uri::EMPTY`]. White space just inside the brackets is
    /// taken (RFC 4475 §3.1.2.14). `None` if there is no `>`.
    #[inline(always)]
    pub(super) fn read_bracketed(&mut self, cursor: &mut Cursor<'a>) -> Option<Result<(), UriError>> {
        let mut ahead = *cursor;
        // No part of a SIP URI holds `>`, so what is read up to one is the same as what is cut out first.
        if let Self::Sip(sip) = self
            && sip.read_at(&mut ahead).is_some()
            && ahead.eat(b'>')
        {
            *cursor = ahead;
            return Some(Ok(()));
        }
        let any = Self::parse_any(trim(cursor.until(b'>')?));
        Some(any.map(|uri| *self = uri))
    }

    /// Any scheme in any case; says what is wrong.
    #[inline(never)]
    fn parse_any(text: &'a str) -> Result<Self, UriError> {
        let mut cursor = Cursor::new(text);
        let scheme = cursor.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !cursor.eat(b':') {
            return Err(UriError::Scheme);
        }
        if scheme.eq_ignore_ascii_case("sip") {
            SipUri::read(text, false, cursor).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            SipUri::read(text, true, cursor).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("tel") {
            TelUri::read(text, cursor).map(Self::Tel)
        } else if cursor.rest().bytes().all(|byte| byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"')) {
            Ok(Self::Other(OtherUri { text, scheme }))
        } else {
            Err(UriError::Character)
        }
    }

    /// The URI as it was written.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Sip(uri) => uri.text,
            Self::Tel(uri) => uri.text,
            Self::Other(uri) => uri.text,
        }
    }

    /// The scheme as it was written.
    pub fn scheme(&self) -> &'a str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// The SIP or SIPS URI; `None` for other schemes, which is 416 in a request line (RFC 3261 §8.2.2.1).
    pub const fn as_sip(&self) -> Option<&SipUri<'a>> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }

    /// What a dial plan looks at: user part without escapes of SIP, number of tel.
    pub fn user(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Sip(uri) => uri.user(),
            Self::Tel(uri) => Some(Cow::Borrowed(uri.number)),
            Self::Other(_) => None,
        }
    }

    /// Host of a SIP URI.
    pub const fn host(&self) -> Option<Host<'a>> {
        match self {
            Self::Sip(uri) => Some(uri.host),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }
}

impl<'a> SipUri<'a> {
    /// Reads a whole text as a SIP or SIPS URI.
    ///
    /// # Errors
    /// [`UriError`]; `Scheme` for another scheme.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        match Uri::parse(text)? {
            Uri::Sip(uri) => Ok(uri),
            Uri::Tel(_) | Uri::Other(_) => Err(UriError::Scheme),
        }
    }

    const EMPTY: Self = Self {
        text: "",
        secure: false,
        user: None,
        password: None,
        host: Host::EMPTY,
        port: None,
        params: UriParams::EMPTY,
        headers: UriHeaders::EMPTY,
    };

    /// Reads a URI at the cursor that begins with `sip:`, as nearly all do, up to the first byte that is no part of it; in
    /// the place of [`SipUri::EMPTY`]. `None` if some part is wrong.
    #[inline(always)]
    fn read_at(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let start = *cursor;
        if !cursor.eat_text("sip:") {
            return None;
        }
        (self.user, self.password) = read_userinfo(cursor);
        self.host.read(cursor)?;
        self.port = Host::read_port(cursor)?;
        self.params = UriParams::read(cursor)?;
        self.headers = UriHeaders::read(cursor)?;
        self.text = start.until_cursor(*cursor);
        Some(())
    }

    /// Reads what stands behind the colon of the scheme; says what is wrong.
    fn read(text: &'a str, secure: bool, mut cursor: Cursor<'a>) -> Result<Self, UriError> {
        let (user, password) = read_userinfo(&mut cursor);
        // What did not pass as a user was then read as a host.
        let wrong = |part| if user.is_none() && text.contains('@') { UriError::User } else { part };
        let mut host = Host::EMPTY;
        host.read(&mut cursor).ok_or_else(|| wrong(UriError::Host))?;
        let port = Host::read_port(&mut cursor).ok_or_else(|| wrong(UriError::Port))?;
        let params = UriParams::read(&mut cursor).ok_or_else(|| wrong(UriError::Param))?;
        let headers = UriHeaders::read(&mut cursor).ok_or_else(|| wrong(UriError::Header))?;
        if cursor.is_at_end() {
            Ok(Self { text, secure, user, password, host, port, params, headers })
        } else if headers.is_empty() && params.is_empty() {
            Err(wrong(UriError::Host))
        } else if headers.is_empty() {
            Err(wrong(UriError::Param))
        } else {
            Err(wrong(UriError::Header))
        }
    }

    /// The URI as it was written.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the scheme is `sips`.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// User part without escapes.
    pub fn user(&self) -> Option<Cow<'a, str>> {
        self.user.map(unescape)
    }

    /// User part as it was written.
    pub const fn user_raw(&self) -> Option<&'a str> {
        self.user
    }

    /// Password without escapes.
    pub fn password(&self) -> Option<Cow<'a, str>> {
        self.password.map(unescape)
    }

    /// Host.
    pub const fn host(&self) -> Host<'a> {
        self.host
    }

    /// Port, if written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Parameters behind the host.
    pub const fn params(&self) -> UriParams<'a> {
        self.params
    }

    /// Headers behind `?`.
    pub const fn headers(&self) -> UriHeaders<'a> {
        self.headers
    }
}

impl<'a> TelUri<'a> {
    fn read(text: &'a str, mut cursor: Cursor<'a>) -> Result<Self, UriError> {
        let number = cursor.take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')'));
        if !number.bytes().any(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#')) {
            return Err(UriError::Number);
        }
        let params = UriParams::read(&mut cursor).ok_or(UriError::Param)?;
        if cursor.is_at_end() { Ok(Self { text, number, params }) } else { Err(UriError::Number) }
    }

    /// The number as it was written, with its visual separators.
    pub const fn number(&self) -> &'a str {
        self.number
    }

    /// Digits, `+`, `*`, `#` and letters only (RFC 3966 §5: separators do not count).
    pub fn dialled(&self) -> String {
        self.number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect()
    }

    /// Parameters such as `phone-context`.
    pub const fn params(&self) -> UriParams<'a> {
        self.params
    }
}

impl<'a> OtherUri<'a> {
    /// The scheme as it was written.
    pub const fn scheme(&self) -> &'a str {
        self.scheme
    }
}

/// Reads `user@` or `user:password@`; moves nowhere if there is neither.
///
/// `@` is in no alphabet of a user, password, host or parameter, so the first one ends the userinfo; `;` and `?` before it
/// belong to the user (RFC 3261 §19.1.1, RFC 4475 §3.1.1.9).
#[inline(always)]
fn read_userinfo<'a>(cursor: &mut Cursor<'a>) -> (Option<&'a str>, Option<&'a str>) {
    let mut ahead = *cursor;
    let user = ahead.take_escaped(Class::USER);
    let password = ahead.eat(b':').then(|| ahead.take_escaped(Class::PASSWORD));
    if user.is_empty() || !ahead.eat(b'@') {
        return (None, None);
    }
    *cursor = ahead;
    (Some(user), password)
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}
