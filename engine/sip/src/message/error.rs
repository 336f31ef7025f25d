//! What can be wrong with a message, and what the caller may do about it.
//!
//! ```text
//!   parse ─► Err(ParseError::Garbage(fault))      drop it, count it: not SIP, a response, an ACK, or nobody to answer
//!         └► Err(ParseError::Rejected(request))   answer `request.status()` with `request.reason()`: its top Via is readable
//! ```
//! Shape:  [`Fault`] says what is wrong and is `Copy`; [`Rejected`] carries the readable part of the request.
//! Units:  none.
//! Errors: this is the page of errors; a typed look at one header fails with [`HeaderError`].
//! Source: RFC 3261 §8.2, §18.3, §21.4; RFC 4475.

use std::borrow::Cow;
use std::ops::Range;

use super::headers::{Headers, Table};
use super::name::HeaderName;
use super::uri::UriError;
use super::values::Values;
use super::{Method, StatusCode, Via};

/// What is wrong inside one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not what the grammar of this header allows.
    #[error("malformed")]
    Syntax,
    /// A quoted string without its end.
    #[error("unterminated quote")]
    Quote,
    /// A number above what the header can hold.
    #[error("number out of range")]
    Range,
    /// The URI inside is wrong.
    #[error("{0}")]
    Uri(#[from] UriError),
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// `*` beside other contacts.
    #[error("star is not alone")]
    Star,
}

/// A header whose value could not be read; 400 if a request needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("Bad {name}: {problem}")]
pub struct HeaderError {
    /// Which header.
    pub name: HeaderName,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Why a message was refused as a whole. `Display` makes a reason phrase of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing but line ends: a keep-alive (RFC 5626 §3.5.1), or no bytes at all.
    #[error("Empty Message")]
    Empty,
    /// More than [`MESSAGE_BYTES_MAX`](super::MESSAGE_BYTES_MAX) bytes.
    #[error("Message Too Large")]
    MessageTooLarge,
    /// The first line is neither a request line nor a status line.
    #[error("Bad Start Line")]
    StartLine,
    /// A status that is not 100 to 699.
    #[error("Bad Status Code")]
    Status,
    /// A SIP version that is not 2.0.
    #[error("Version Not Supported")]
    Version,
    /// A Request-URI above [`URI_BYTES_MAX`](super::URI_BYTES_MAX).
    #[error("Request-URI Too Long")]
    UriTooLong,
    /// The Request-URI is wrong.
    #[error("Bad Request-URI: {0}")]
    RequestUri(UriError),
    /// No empty line behind the headers.
    #[error("Headers Do Not End")]
    Unfinished,
    /// A line without a name and a colon, a name above 255 bytes, a fold before the first header, or a bare CR or NUL.
    #[error("Bad Header Line")]
    HeaderLine,
    /// More than [`HEADERS_MAX`](super::HEADERS_MAX) header lines.
    #[error("Too Many Headers")]
    TooManyHeaders,
    /// The head is not UTF-8 (RFC 3261 §7).
    #[error("Not UTF-8")]
    NotUtf8,
    /// A header that every message has is not there (RFC 3261 §8.1.1).
    #[error("Missing {0}")]
    Missing(HeaderName),
    /// A header that stands once was found twice with different values (RFC 4475 §3.3.8).
    #[error("More Than One {0}")]
    Repeated(HeaderName),
    /// A header that every message has cannot be read.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// CSeq names another method than the request line (RFC 3261 §8.1.1.5).
    #[error("CSeq Method Mismatch")]
    MethodMismatch,
    /// Content-Length promises more than there is (RFC 3261 §18.3).
    #[error("Body Shorter Than Content-Length")]
    BodyTooShort,
}

impl Fault {
    /// The status that answers a request with this fault.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Self::UriTooLong => StatusCode::REQUEST_URI_TOO_LONG,
            Self::MessageTooLarge | Self::TooManyHeaders => StatusCode::MESSAGE_TOO_LARGE,
            Self::Empty
            | Self::StartLine
            | Self::Status
            | Self::RequestUri(_)
            | Self::Unfinished
            | Self::HeaderLine
            | Self::NotUtf8
            | Self::Missing(_)
            | Self::Repeated(_)
            | Self::Header(_)
            | Self::MethodMismatch
            | Self::BodyTooShort => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why [`parse`](super::parse) gave no message.
#[derive(Debug, thiserror::Error)]
pub enum ParseError<'a> {
    /// Nothing to answer: drop it and count it.
    #[error("garbage: {0}")]
    Garbage(Fault),
    /// A request that is wrong and can be answered. On the heap, since it is rare and large.
    #[error("rejected: {}", .0.fault)]
    Rejected(Box<Rejected<'a>>),
}

impl ParseError<'_> {
    /// What is wrong.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Garbage(fault) => *fault,
            Self::Rejected(request) => request.fault,
        }
    }
}

/// The readable part of a request that has to be refused.
///
/// The top Via is there and says where to send the answer; From, To, Call-ID and CSeq are copied into it as far as they
/// are there. The method is never ACK, which is not answered (RFC 3261 §17.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected<'a> {
    pub(super) fault: Fault,
    /// Where the method stands in `head`.
    pub(super) method: Range<usize>,
    /// Borrowed, or a copy with `?` for each byte that was not UTF-8.
    pub(super) head: Cow<'a, str>,
    pub(super) table: Table,
}

impl Rejected<'_> {
    /// What is wrong; its `Display` is the reason phrase.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The status to answer with.
    pub const fn status(&self) -> StatusCode {
        self.fault.status()
    }

    /// The method; a token.
    pub fn method(&self) -> Method<'_> {
        let text = self.head.get(self.method.clone()).unwrap_or_default();
        Method::parse(text).unwrap_or(Method::Other(text))
    }

    /// The headers that could be told apart. Each may be missing or malformed.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.head, self.table.clone())
    }

    /// The top Via, its broken parameters left out. `None` never comes from [`parse`](super::parse).
    pub fn via(&self) -> Option<Via<'_>> {
        top_via(&self.head, &self.table)
    }
}

/// Transport and sent-by of the first Via, parameters as far as they can be read.
pub(super) fn top_via<'h>(head: &'h str, table: &Table) -> Option<Via<'h>> {
    let top = Values::new(table.first(head, HeaderName::Via)?).next()?;
    Via::parse_for_answer(top).map(|(_, via)| via)
}
