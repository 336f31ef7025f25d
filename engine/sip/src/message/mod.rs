//! SIP messages: parsed in place, written into the caller's buffer.
//!
//! ```text
//!   bytes ─► scan (line ends, header table) ─► start line ─► validate ─► Message { essential, headers, body }   borrowed
//!                                                              └► ParseError::{Garbage, Rejected}
//!   Writer ─► bytes              Framer: where a message ends in a stream
//! ```
//! Shape:  nothing is copied; typed values are read when asked for, the five headers of every message once, by `parse`.
//! Units:  bytes for sizes, seconds for expiries.
//! Errors: [`ParseError`] for messages, [`HeaderError`] for one value, [`WriteError`] for output.
//! Bounds: [`MESSAGE_BYTES_MAX`], [`HEADERS_MAX`], [`URI_BYTES_MAX`]; a parsed message allocates nothing.
//! Not here: transactions, dialogs, what a request means; SDP is `sdp`.
//! Source: RFC 3261 §7, §8.1.1, §18.3, §19, §20, §25; RFC 4475 as the test of it.

mod address;
mod auth;
mod class;
mod controls;
mod cseq;
mod cursor;
mod error;
mod framing;
mod headers;
mod host;
mod lex;
mod media_type;
mod method;
mod name;
mod params;
mod replaces;
mod scan;
mod start_line;
mod status;
mod uri;
mod validate;
mod values;
mod via;
mod words;
mod write;

use std::borrow::Cow;

pub use address::{Contact, ContactAddress, DisplayName, EXPIRES_IF_MALFORMED_S, NameAddr};
pub use auth::{AuthParams, Challenge, Credentials, DigestCredentials};
pub use cseq::CSeq;
pub use error::{Fault, HeaderError, ParseError, Problem, Rejected};
pub use framing::{Frame, FrameError, Framer};
pub use headers::{Header, Headers};
pub use host::Host;
pub use media_type::MediaType;
pub use method::Method;
pub use name::HeaderName;
pub use params::{Param, ParamValue, Params};
pub use replaces::Replaces;
pub use status::StatusCode;
pub use uri::{
    Escaped, OtherUri, SipUri, TelUri, Uri, UriError, UriHeaders, UriParams, escape_header, escape_param, escape_password, escape_user,
    unescape,
};
pub use validate::Essential;
pub use values::Values;
pub use via::{MAGIC_COOKIE, Rport, Transport, Via};
pub use write::{Quoted, WriteError, Writer, write};

use headers::Table;
use scan::scan;
use start_line::StartLine;

/// Most bytes of a message: what 16-bit offsets reach, and above the 65 507 a UDP datagram can hold.
pub const MESSAGE_BYTES_MAX: usize = u16::MAX as usize;

/// Most header lines of a message: 70 Via (Max-Forwards starts at 70, RFC 3261 §8.1.1.6), as many other lines as the
/// longest usual INVITE has (40), and some.
pub const HEADERS_MAX: usize = 128;

/// Most bytes of a URI that is looked into; a longer Request-URI is answered 414.
pub const URI_BYTES_MAX: usize = 2048;

/// A message of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Message<'a> {
    /// A request.
    Request(Request<'a>),
    /// A response.
    Response(Response<'a>),
}

/// A request with all that RFC 3261 §8.1.1 demands, but Max-Forwards, which RFC 2543 did not.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    method: Method<'a>,
    uri: Uri<'a>,
    essential: Essential<'a>,
    headers: Headers<'a>,
    body: &'a [u8],
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    status: StatusCode,
    reason: &'a str,
    essential: Essential<'a>,
    headers: Headers<'a>,
    body: &'a [u8],
}

/// Where a message is read: 1.8 KiB of the caller's stack, 1.1 of them the table of its headers.
///
/// What [`parse`] gives is moved once, and a second time out of its `Result`; that much, moved soon after it was written in
/// pieces, waits for those writes. Here nothing is moved.
#[derive(Debug, Default)]
pub struct Place<'a>(Option<Message<'a>>);

impl<'a> Place<'a> {
    /// An empty place.
    #[inline(always)]
    pub const fn new() -> Self {
        Self(None)
    }

    /// As [`parse`]; the message stays here.
    ///
    /// # Errors
    /// As [`parse`].
    #[inline(always)]
    pub fn parse(&mut self, bytes: &'a [u8]) -> Result<&Message<'a>, ParseError<'a>> {
        let message = self.0.insert(Message::Request(Request::empty()));
        message.read(bytes)?;
        Ok(message)
    }
}

/// Reads one datagram, or one message that a [`Framer`] cut.
///
/// # Errors
/// [`ParseError::Rejected`] for a request that is wrong and can be answered, [`ParseError::Garbage`] for the rest.
pub fn parse(bytes: &[u8]) -> Result<Message<'_>, ParseError<'_>> {
    let mut message = Message::Request(Request::empty());
    message.read(bytes)?;
    Ok(message)
}

/// A request that can be answered, or garbage.
fn refuse<'a>(fault: Fault, head: Cow<'a, str>, start: usize, method: Method<'_>, table: Table) -> ParseError<'a> {
    // ACK is never answered (RFC 3261 §17.1.1.3), and without a Via there is no way back.
    if method == Method::Ack || error::top_via(&head, &table).is_none() {
        return ParseError::Garbage(fault);
    }
    let method = start..start + method.as_str().len();
    ParseError::Rejected(Box::new(Rejected { fault, method, head, table }))
}

/// The same for a head that is not UTF-8: its bad bytes are read as `?`.
fn refuse_not_utf8(head: &[u8], scan: scan::Scan, table: Table) -> ParseError<'_> {
    let text = utf8(head);
    let start = scan.start_line.start;
    let method = match StartLine::parse(text.get(scan.start_line).unwrap_or_default()) {
        Ok(StartLine::Request { method, .. }) => method.as_str().len(),
        Ok(StartLine::Response { .. }) | Err(_) => return ParseError::Garbage(Fault::NotUtf8),
    };
    let name = text.get(start..start + method).unwrap_or_default().to_owned();
    refuse(Fault::NotUtf8, text, start, Method::Other(&name), table)
}

/// Text of the same length, with `?` for each byte that is not UTF-8, so that offsets stay right.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

impl<'a> Message<'a> {
    /// Reads a message in the place of an empty request.
    #[inline(never)]
    fn read(&mut self, bytes: &'a [u8]) -> Result<(), ParseError<'a>> {
        if bytes.starts_with(b"SIP/") {
            *self = Self::Response(Response::empty());
        }
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(ParseError::Garbage(Fault::MessageTooLarge));
        }
        let scan = scan(bytes, self.headers_mut().table_mut());
        let (head, rest) = bytes.split_at_checked(scan.body_start).unwrap_or((bytes, &[]));
        let Ok(text) = simdutf8::basic::from_utf8(head) else { return Err(refuse_not_utf8(head, scan, self.headers_mut().table())) };
        self.headers_mut().set_head(text);
        let line = text.get(scan.start_line.clone()).unwrap_or_default();
        let start = match StartLine::parse(line) {
            Ok(start) => start,
            // Phones keep their way through NAT open by line ends (RFC 5626 §4.4.1), some by zeros. Bytes without a line
            // end are no line.
            Err(_) if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0)) => {
                return Err(ParseError::Garbage(Fault::Empty));
            }
            Err(fault) => return Err(ParseError::Garbage(fault)),
        };
        match (start, self) {
            (StartLine::Request { method, uri }, Self::Request(request)) => {
                request.method = method;
                let checked = uri.and_then(|uri| start_line::read_uri(&mut request.uri, uri));
                checked
                    .and_then(|()| request.read_headers(Some(method), scan.fault, rest))
                    .map_err(|fault| refuse(fault, Cow::Borrowed(text), scan.start_line.start, method, request.headers.table()))
            }
            (StartLine::Response { status, reason }, message) => {
                // With line ends before it, or its version in lower case.
                if let Self::Request(request) = message {
                    *message = Self::Response(Response { headers: request.headers.clone(), ..Response::empty() });
                }
                let Self::Response(response) = message else { return Err(ParseError::Garbage(Fault::StartLine)) };
                (response.status, response.reason) = (status, reason);
                response.read_headers(None, scan.fault, rest).map_err(ParseError::Garbage)
            }
            // A line that begins with `SIP/` is no request line.
            (StartLine::Request { .. }, Self::Response(_)) => Err(ParseError::Garbage(Fault::StartLine)),
        }
    }

    const fn headers_mut(&mut self) -> &mut Headers<'a> {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The five headers of every message.
    pub const fn essential(&self) -> &Essential<'a> {
        match self {
            Self::Request(request) => &request.essential,
            Self::Response(response) => &response.essential,
        }
    }

    /// All headers.
    pub const fn headers(&self) -> &Headers<'a> {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body.
    pub const fn body(&self) -> &'a [u8] {
        match self {
            Self::Request(request) => request.body,
            Self::Response(response) => response.body,
        }
    }

    /// The request, if it is one.
    pub const fn as_request(&self) -> Option<&Request<'a>> {
        match self {
            Self::Request(request) => Some(request),
            Self::Response(_) => None,
        }
    }

    /// The response, if it is one.
    pub const fn as_response(&self) -> Option<&Response<'a>> {
        match self {
            Self::Response(response) => Some(response),
            Self::Request(_) => None,
        }
    }
}

impl<'a> Request<'a> {
    /// What stands where a request has yet to be read.
    #[inline(always)]
    fn empty() -> Self {
        let headers = Headers::new("", Table::new());
        Self { method: Method::Invite, uri: Uri::EMPTY, essential: Essential::EMPTY, headers, body: &[] }
    }

    /// Method of the request line.
    pub const fn method(&self) -> Method<'a> {
        self.method
    }

    /// Request-URI; of any scheme, without headers.
    pub const fn uri(&self) -> &Uri<'a> {
        &self.uri
    }
}

impl<'a> Response<'a> {
    /// What stands where a response has yet to be read.
    #[inline(always)]
    fn empty() -> Self {
        let headers = Headers::new("", Table::new());
        Self { status: StatusCode::OK, reason: "", essential: Essential::EMPTY, headers, body: &[] }
    }

    /// Status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Reason phrase as sent; may be empty.
    pub const fn reason(&self) -> &'a str {
        self.reason
    }
}

/// Getters that both kinds have.
macro_rules! getters {
    ($($kind:ident)*) => {$(
        impl<'a> $kind<'a> {
            /// Reads all that comes after the first line.
            #[inline(always)]
            fn read_headers(&mut self, method: Option<Method<'a>>, fault: Option<Fault>, rest: &'a [u8]) -> Result<(), Fault> {
                fault.map_or(Ok(()), Err)?;
                validate::unambiguous(&self.headers)?;
                self.essential.read(&self.headers, method)?;
                self.body = validate::body(&self.headers, rest)?;
                Ok(())
            }

            /// Topmost Via.
            pub const fn via(&self) -> &Via<'a> {
                &self.essential.via
            }

            /// From.
            pub const fn from(&self) -> &NameAddr<'a> {
                &self.essential.from
            }

            /// To.
            pub const fn to(&self) -> &NameAddr<'a> {
                &self.essential.to
            }

            /// Call-ID.
            pub const fn call_id(&self) -> &'a str {
                self.essential.call_id
            }

            /// CSeq.
            pub const fn cseq(&self) -> &CSeq<'a> {
                &self.essential.cseq
            }

            /// The five headers of every message.
            pub const fn essential(&self) -> &Essential<'a> {
                &self.essential
            }

            /// All headers.
            pub const fn headers(&self) -> &Headers<'a> {
                &self.headers
            }

            /// The body.
            pub const fn body(&self) -> &'a [u8] {
                self.body
            }
        }
    )*};
}
getters!(Request Response);

impl PartialEq for Request<'_> {
    /// Same first line, headers and body; the way they were folded does not count.
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method && self.uri.as_str() == other.uri.as_str() && self.headers == other.headers && self.body == other.body
    }
}

impl PartialEq for Response<'_> {
    /// Same first line, headers and body; the way they were folded does not count.
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.reason == other.reason && self.headers == other.headers && self.body == other.body
    }
}
