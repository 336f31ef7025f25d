//! Request line and status line.
//!
//! ```text
//!   INVITE sip:bob@biloxi.com SIP/2.0        SIP/2.0 200 OK
//!   method └──────uri───────┘ version        version status reason
//! ```
//! Shape:  [`StartLine`] borrows; method and version are told apart from the URI by the first and the last space.
//! Units:  none.
//! Errors: `Garbage` faults for lines that are not SIP at all, faults to be answered for request lines that are nearly right.
//! Source: RFC 3261 §7.1, §7.2, §25.1; RFC 4475 §3.1.2.7–3.1.2.10, §3.1.2.16, §3.1.2.19.

use super::error::Fault;
use super::lex::{is_lws, number};
use super::uri::{Uri, UriError};
use super::words::find;
use super::{Method, StatusCode, URI_BYTES_MAX};

/// The first line, as far as it could be told apart.
#[derive(Debug)]
pub(super) enum StartLine<'a> {
    Request {
        method: Method<'a>,
        /// Text of the Request-URI, or what is wrong behind the method.
        uri: Result<&'a str, Fault>,
    },
    Response {
        status: StatusCode,
        reason: &'a str,
    },
}

impl<'a> StartLine<'a> {
    /// Reads the first line.
    ///
    /// # Errors
    /// The line is not SIP, or a status line that is wrong.
    pub(super) fn parse(line: &'a str) -> Result<Self, Fault> {
        // Nearly all requests are written so.
        if let Some(before) = line.strip_suffix(" SIP/2.0")
            && let Some((first, uri)) = split_at_space(before, find(before.as_bytes(), b' '))
            && let Some(method) = Method::parse(first)
        {
            return Ok(Self::Request { method, uri: Ok(uri) });
        }
        Self::parse_any(line)
    }

    /// The same for other first lines.
    #[inline(never)]
    fn parse_any(line: &'a str) -> Result<Self, Fault> {
        // White space at the end is taken (RFC 4475 §3.1.2.10).
        let line = line.trim_end_matches([' ', '\t']);
        let (first, rest) = split_at_space(line, find(line.as_bytes(), b' ')).unwrap_or((line, ""));
        if is_sip(first) {
            return parse_status(first, rest);
        }
        let method = Method::parse(first).ok_or(Fault::StartLine)?;
        let (uri, version) = split_at_space(rest, memchr::memrchr(b' ', rest.as_bytes())).ok_or(Fault::StartLine)?;
        if !is_sip(version) {
            return Err(Fault::StartLine);
        }
        Ok(Self::Request { method, uri: if is_version_2(version) { Ok(uri) } else { Err(Fault::Version) } })
    }
}

/// Text before and behind a space at `at`.
fn split_at_space(text: &str, at: Option<usize>) -> Option<(&str, &str)> {
    let at = at?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Reads a Request-URI in the place of [`Uri::EMPTY`].
#[inline(never)]
pub(super) fn read_uri<'a>(uri: &mut Uri<'a>, text: &'a str) -> Result<(), Fault> {
    if text.len() > URI_BYTES_MAX {
        return Err(Fault::UriTooLong);
    }
    uri.read(text).map_err(|error| {
        let space = text.bytes().any(is_lws);
        Fault::RequestUri(if space { UriError::Character } else { error })
    })?;
    match uri {
        // A Request-URI has no headers (RFC 3261 §19.1.1); obeying them would let a link choose what we do.
        Uri::Sip(sip) if !sip.headers().is_empty() => Err(Fault::RequestUri(UriError::Header)),
        _ => Ok(()),
    }
}

fn parse_status<'a>(version: &str, rest: &'a str) -> Result<StartLine<'a>, Fault> {
    if !is_version_2(version) {
        return Err(Fault::Version);
    }
    // The space behind the status is left out by some when there is no reason.
    let (digits, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = if digits.len() == 3 { number(digits) } else { None };
    let status = code.and_then(|code| u16::try_from(code).ok()).and_then(StatusCode::new).ok_or(Fault::Status)?;
    Ok(StartLine::Response { status, reason })
}

/// Any version of SIP; the name is taken in any case (RFC 3261 §7.1).
fn is_sip(version: &str) -> bool {
    version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"))
}

fn is_version_2(version: &str) -> bool {
    version.get(4..) == Some("2.0")
}
