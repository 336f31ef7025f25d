//! Responses: those we write as a server, and those we read as a client.
//!
//! ```text
//!   server: Response::write ──► bytes       client: request_bytes ──► bytes, handle_bytes ──► poll_answer ──► Answer
//! ```
//! Shape:  a written response always tells its length. A read one is bounded by [`Limits`]; 1xx are skipped, a few.
//! Units:  bytes.
//! Errors: [`WireError`] while reading; writing cannot fail.
//! Source: RFC 9112 §4 (status line), §6.3 (length of a response), §9.3 (persistence); RFC 9110 §6.4.1 (no content),
//!         §8.6 (Content-Length), §9.3.2 (HEAD), §15.2 (1xx).

use std::mem::MaybeUninit;

use super::body::BodyReader;
use super::buffer::Buffer;
use super::head::{Framing, HeadScan, head_error};
use super::{HEADERS_MAX, Headers, Limits, Method, Version, WireError};

/// A response to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status, 200 to 599.
    pub status: u16,
    /// Content-Type; `None` with an empty body.
    pub content_type: Option<&'static str>,
    /// Further headers. Control characters in a value are left out when written.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// End the connection after it.
    pub close: bool,
}

/// How a response is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// The request's method was HEAD: length, but no body.
    pub head_only: bool,
    /// Version of the client.
    pub version: Version,
    /// The connection goes on.
    pub keep_alive: bool,
    /// Value of `Date`, see [`super::HttpDate`].
    pub date: &'a str,
}

impl Response {
    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: None, headers: Vec::new(), body: Vec::new(), close: false }
    }

    /// A response with a body.
    pub fn with_body(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: Some(content_type), headers: Vec::new(), body: body.into(), close: false }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What a client reads of it that asked by `method`.
    pub(crate) fn into_answer(self, method: Method) -> Answer {
        let content_type = self.content_type.map(|value| ("Content-Type", value));
        let others = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = Headers::of(content_type.into_iter().chain(others));
        let body = if method == Method::Head || !has_content(self.status) { Vec::new() } else { self.body };
        Answer { status: self.status, headers, body, keep_alive: !self.close }
    }

    /// Appends the bytes to `out`.
    pub fn write(&self, out: &mut Vec<u8>, how: Written<'_>) {
        // RFC 9112 §2.3: we answer with our own version, whatever the client's.
        out.extend_from_slice(b"HTTP/1.1 ");
        push_number(out, u64::from(self.status));
        out.push(b' ');
        out.extend_from_slice(phrase(self.status).as_bytes());
        push_header(out, "Date", how.date);
        if let Some(content_type) = self.content_type {
            push_header(out, "Content-Type", content_type);
        }
        for (name, value) in &self.headers {
            push_header(out, name, value);
        }
        // RFC 9110 §8.6: no Content-Length in 1xx and 204.
        if self.status >= 200 && self.status != 204 {
            out.extend_from_slice(b"\r\nContent-Length: ");
            push_number(out, self.body.len() as u64);
        }
        if !how.keep_alive {
            push_header(out, "Connection", "close");
        } else if how.version == Version::Http10 {
            push_header(out, "Connection", "keep-alive");
        }
        out.extend_from_slice(b"\r\n\r\n");
        if !how.head_only && has_content(self.status) {
            out.extend_from_slice(&self.body);
        }
    }
}

/// RFC 9110 §9.3.2, §15.2, §15.3.5, §15.4.5: 1xx, 204 and 304 have no content, nor has any answer to HEAD.
const fn has_content(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

/// The interim response that a client with `Expect: 100-continue` waits for.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Bytes of a request. `target` starts with a slash and is escaped (see [`super::Path::encode_segment`]); a control
/// character in `host`, `target` or a header is left out.
pub fn request_bytes(method: Method, host: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + target.len() + body.len());
    write_request(&mut out, method, host, target, headers.iter().copied(), body);
    out
}

/// Appends the bytes of a request.
pub(crate) fn write_request<'a>(
    out: &mut Vec<u8>,
    method: Method,
    host: &str,
    target: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) {
    out.extend_from_slice(method.word().as_bytes());
    out.push(b' ');
    push_clean(out, target, u8::is_ascii_graphic);
    out.extend_from_slice(b" HTTP/1.1");
    push_header(out, "Host", host);
    for (name, value) in headers {
        push_header(out, name, value);
    }
    // RFC 9110 §8.6: methods that mean to carry content say its length, even when it is 0.
    if !body.is_empty() || matches!(method, Method::Post | Method::Put | Method::Patch) {
        out.extend_from_slice(b"\r\nContent-Length: ");
        push_number(out, body.len() as u64);
    }
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

/// A response that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status, 200 to 999 (101 too: it ends the HTTP on this connection).
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Decoded body.
    pub body: Vec<u8>,
    /// May the connection carry another request?
    pub keep_alive: bool,
}

/// Reader of the response to one request, or of those to several that were sent ahead.
#[derive(Debug)]
pub struct ResponseReader {
    limits: Limits,
    head_only: bool,
    buffer: Buffer,
    state: State,
    interim_left: u8,
}

#[derive(Debug)]
enum State {
    Head(HeadScan),
    Body { answer: Box<Answer>, body: BodyReader },
    Done,
    Failed(WireError),
}

impl ResponseReader {
    /// A reader for the response to a request with `method`.
    pub fn new(method: Method, limits: Limits) -> Self {
        let state = State::Head(HeadScan::default());
        Self { limits, head_only: method == Method::Head, buffer: Buffer::default(), state, interim_left: INTERIM_MAX }
    }

    /// After an answer: the next one is to a request with `method`.
    pub fn next(&mut self, method: Method) {
        if matches!(self.state, State::Done) {
            self.state = State::Head(HeadScan::default());
            self.head_only = method == Method::Head;
            self.interim_left = INTERIM_MAX;
        }
    }

    /// Has more come than the answers so far?
    pub fn has_rest(&self) -> bool {
        !self.buffer.unread().is_empty()
    }

    /// Bytes came from the server. Call [`Self::poll_answer`] after it.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed(_)) {
            self.buffer.extend(bytes);
        }
    }

    /// The server closed. A body without a length is whole now.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when the response is not whole.
    pub fn handle_eof(&mut self) -> Result<(), WireError> {
        match &mut self.state {
            State::Body { body, .. } => body.handle_eof(),
            State::Done => Ok(()),
            State::Head(_) => Err(WireError::Truncated),
            State::Failed(error) => Err(*error),
        }
    }

    /// Has nothing at all arrived?
    pub fn untouched(&self) -> bool {
        matches!(&self.state, State::Head(scan) if !scan.started()) && self.buffer.unread().is_empty() && self.interim_left == INTERIM_MAX
    }

    /// The response, once whole.
    ///
    /// # Errors
    /// [`WireError`], the same one at every later call.
    pub fn poll_answer(&mut self) -> Result<Option<Answer>, WireError> {
        let result = self.advance();
        if let Err(error) = result {
            self.state = State::Failed(error);
            self.buffer = Buffer::default();
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Answer>, WireError> {
        // One turn per interim response, which are counted, then head and body.
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(*error),
                State::Done => return Ok(None),
                State::Head(scan) => {
                    let unread = self.buffer.unread();
                    let Some(length) = scan.find(unread, self.limits.head_bytes_max)? else { return Ok(None) };
                    let (answer, framing) = head(unread.get(..length).unwrap_or_default(), self.head_only)?;
                    self.buffer.consume(length);
                    // RFC 9110 §15.2: interim responses may come even unasked. 101 would end HTTP here; it is final.
                    if (100..200).contains(&answer.status) && answer.status != 101 {
                        self.interim_left = self.interim_left.checked_sub(1).ok_or(WireError::BadHead("too many interim responses"))?;
                        self.state = State::Head(HeadScan::default());
                        continue;
                    }
                    let body = BodyReader::new(framing, &self.limits)?;
                    self.state = State::Body { answer: Box::new(answer), body };
                }
                State::Body { body, .. } => {
                    let taken = body.handle_bytes(self.buffer.unread())?;
                    self.buffer.consume(taken);
                    if !body.done() {
                        return Ok(None);
                    }
                    let State::Body { mut answer, body } = std::mem::replace(&mut self.state, State::Done) else {
                        return Ok(None);
                    };
                    answer.body = body.into_bytes();
                    return Ok(Some(*answer));
                }
            }
        }
    }
}

/// Reads a whole head, and says how the body is framed (RFC 9112 §6.3).
fn head(bytes: &[u8], head_only: bool) -> Result<(Answer, Framing), WireError> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut slots) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(WireError::BadHead("it ends too early")),
        Err(error) => return Err(head_error(error)),
    }
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else { return Err(WireError::BadHead("the status line")) };
    if status < 100 {
        return Err(WireError::BadHead("the status"));
    }
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let headers = Headers::copy(bytes, parsed.headers);
    let told = headers.framing(version)?;
    let bodiless = head_only || status < 200 || status == 204 || status == 304;
    let framing = if bodiless { Framing::Length(0) } else { told.unwrap_or(Framing::UntilClose) };
    let keep_alive = headers.keep_alive(version) && framing != Framing::UntilClose && status != 101;
    Ok((Answer { status, headers, body: Vec::new(), keep_alive }, framing))
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    // RFC 9110 §5.5: a line end in a value would let it write headers of its own.
    push_clean(out, value, |byte| !byte.is_ascii_control());
}

/// Appends the bytes that `may` stand there: nearly always all of them, and then at once.
fn push_clean(out: &mut Vec<u8>, text: &str, may: impl Fn(&u8) -> bool) {
    // Without a way out of the loop it is done by many bytes at once.
    if text.bytes().fold(true, |all, byte| all & may(&byte)) {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(text.bytes().filter(may));
    }
}

/// Appends the digits of a number.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    // The largest has twenty.
    let (mut digits, mut at) = ([b'0'; 20], 20);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        (number, at) = (number / 10, at - 1);
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        480 => "Temporarily Unavailable",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "See Status",
    }
}

/// Interim responses skipped before a final one; a server sends one or two.
const INTERIM_MAX: u8 = 8;
