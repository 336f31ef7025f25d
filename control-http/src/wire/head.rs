//! The head of a message: where it ends, its headers, how long its body is.
//!
//! ```text
//!   bytes ──► HeadScan::find (each byte looked at once) ──► httparse ──► Headers ──► framing: None | Length | Chunked
//! ```
//! Shape:  at most `HEADERS_MAX` headers in `Limits::head_bytes_max` bytes; names and values are spans of one copy.
//! Units:  bytes.
//! Errors: [`WireError`]. A line that does not end in CRLF, a fold, white space before a colon, both lengths, differing
//!         lengths, a coding other than chunked: all refused, because another parser might read them otherwise.
//! Source: RFC 9112 §2.2 (line ends), §5.1 (white space), §5.2 (folds), §6.1 to §6.3 (framing), RFC 9110 §8.6.

use memchr::memchr;

use super::WireError;

/// Version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: one request a connection unless asked otherwise.
    Http10,
    /// HTTP/1.1: keep-alive unless asked otherwise.
    Http11,
}

/// Headers of one message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    name: (usize, usize),
    value: (usize, usize),
}

impl Headers {
    /// Copies `headers`, which httparse found in `head`.
    pub(super) fn copy(head: &[u8], headers: &[httparse::Header<'_>]) -> Self {
        // Start line and all: one copy, one allocation; the spans are offsets from the start of `head`.
        let offset = |part: &[u8]| {
            let start = (part.as_ptr() as usize).saturating_sub(head.as_ptr() as usize);
            (start, start + part.len())
        };
        let spans = headers.iter().map(|header| Span { name: offset(header.name.as_bytes()), value: offset(header.value) }).collect();
        Self { bytes: head.to_vec(), spans }
    }

    /// Headers that were not read from bytes.
    pub(crate) fn of<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        // One or two, of which a token is the longest: each list is allocated once.
        let mut all = Self { bytes: Vec::with_capacity(OF_BYTES), spans: Vec::with_capacity(2) };
        for (name, value) in headers {
            let mut span = |text: &str| {
                let start = all.bytes.len();
                all.bytes.extend_from_slice(text.as_bytes());
                (start, all.bytes.len())
            };
            let span = Span { name: span(name), value: span(value) };
            all.spans.push(span);
        }
        all
    }

    /// Names and values, in the order received. Names keep their case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.spans.iter().map(|span| {
            let name = self.bytes.get(span.name.0..span.name.1).unwrap_or_default();
            let value = self.bytes.get(span.value.0..span.value.1).unwrap_or_default();
            (std::str::from_utf8(name).unwrap_or_default(), value)
        })
    }

    /// All values of `name`, any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// First value of `name` (any case) that is UTF-8.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name)).find_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Does a comma list of `name` hold `token`, any case (RFC 9110 §5.6.1)?
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|value| tokens(value).any(|have| have.eq_ignore_ascii_case(token.as_bytes())))
    }

    /// May the connection carry another message after this one (RFC 9112 §9.3)?
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.has_token("connection", "close"),
            Version::Http10 => self.has_token("connection", "keep-alive") && !self.has_token("connection", "close"),
        }
    }

    /// What the headers say of the length of the body. `None`: they say nothing.
    pub(super) fn framing(&self, version: Version) -> Result<Option<Framing>, WireError> {
        let mut length: Option<u64> = None;
        for value in self.all("content-length") {
            for item in value.split(|&byte| byte == b',') {
                let item = content_length(item.trim_ascii())?;
                // RFC 9110 §8.6: equal repeats may be taken as one, differing ones must be refused.
                if length.is_some_and(|before| before != item) {
                    return Err(WireError::BadFraming("several lengths that differ"));
                }
                length = Some(item);
            }
        }
        let mut codings = self.all("transfer-encoding").flat_map(tokens).peekable();
        if codings.peek().is_none() {
            if self.all("transfer-encoding").next().is_some() {
                return Err(WireError::BadFraming("an empty Transfer-Encoding"));
            }
            return Ok(length.map(Framing::Length));
        }
        if length.is_some() {
            return Err(WireError::BadFraming("both Content-Length and Transfer-Encoding"));
        }
        if version == Version::Http10 {
            return Err(WireError::BadFraming("Transfer-Encoding in HTTP/1.0"));
        }
        let (mut chunked, mut other) = (false, false);
        for coding in codings {
            if chunked {
                return Err(WireError::BadFraming("a coding after chunked"));
            }
            chunked = coding.eq_ignore_ascii_case(b"chunked");
            other |= !chunked;
        }
        match (chunked, other) {
            (true, false) => Ok(Some(Framing::Chunked)),
            (true, true) => Err(WireError::Coding),
            // RFC 9112 §6.3: without chunked last, the end of a request is not known.
            (false, _) => Err(WireError::BadFraming("chunked is not the last coding")),
        }
    }
}

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, an empty one last.
    Chunked,
    /// All until the connection ends; responses only.
    UntilClose,
}

/// Search for the end of a head that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    scanned: usize,
    line: usize,
}

impl HeadScan {
    /// Length of the head at the start of `bytes`, once it is whole. `bytes` must only have grown since the last call.
    pub(super) fn find(&mut self, bytes: &[u8], max: usize) -> Result<Option<usize>, WireError> {
        while let Some(step) = memchr(b'\n', bytes.get(self.scanned..).unwrap_or_default()) {
            let feed = self.scanned + step;
            if feed >= max {
                return Err(WireError::HeadTooLarge { max });
            }
            // Departs from RFC 9112 §2.2, which permits a bare LF: where others read a line end, we must not differ.
            if feed == self.line || bytes.get(feed - 1) != Some(&b'\r') {
                return Err(WireError::BadHead("a line does not end in CRLF"));
            }
            let blank = feed - 1 == self.line;
            self.scanned = feed + 1;
            self.line = feed + 1;
            if blank {
                return Ok(Some(feed + 1));
            }
        }
        self.scanned = bytes.len();
        if bytes.len() >= max { Err(WireError::HeadTooLarge { max }) } else { Ok(None) }
    }

    /// Has a byte of the head been seen?
    pub(super) fn started(&self) -> bool {
        self.scanned > 0
    }
}

/// What httparse did not like, in our words.
pub(super) fn head_error(error: httparse::Error) -> WireError {
    match error {
        httparse::Error::TooManyHeaders => WireError::TooManyHeaders { max: super::HEADERS_MAX },
        httparse::Error::Version => WireError::Version,
        httparse::Error::HeaderName => WireError::BadHead("a header name"),
        httparse::Error::HeaderValue => WireError::BadHead("a header value"),
        httparse::Error::NewLine => WireError::BadHead("a line end"),
        httparse::Error::Status => WireError::BadHead("the status"),
        httparse::Error::Token => WireError::BadHead("the start line"),
    }
}

fn content_length(item: &[u8]) -> Result<u64, WireError> {
    if item.is_empty() || !item.iter().all(u8::is_ascii_digit) {
        return Err(WireError::BadFraming("Content-Length is not a number"));
    }
    // More than 2^64 bytes is above every limit; saturate and let the limit refuse it.
    Ok(item.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// `Content-Type: application/json`, and as much again.
const OF_BYTES: usize = 64;

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
