//! Requests: what arrives on a server's connection, one after the other.
//!
//! ```text
//!   handle_bytes ──► [ head ─► body ] ──► poll_input: Request … Request, Continue, More
//! ```
//! Shape:  after each `handle_bytes` drain `poll_input` until `More`; pipelined requests come out one by one.
//! Units:  bytes.
//! Errors: [`WireError`]; the reader then stays failed, and the connection must close after the answer.
//! Not here: time-outs; `waiting_for` tells the driver which one applies.
//! Source: RFC 9112 §2.2 (empty lines first), §3.2 (targets, Host), §6.3 (no length: no body), §9.3 (persistence);
//!         RFC 9110 §9.1 (methods), §10.1.1 (Expect).

use std::mem::MaybeUninit;

use super::body::BodyReader;
use super::buffer::Buffer;
use super::head::{HeadScan, head_error};
use super::path::decode_into;
use super::{HEADERS_MAX, Headers, Limits, Path, Version, WireError};

/// Method of a request. Methods are case-sensitive (RFC 9110 §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: GET without the body.
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Any other token; no route takes it.
    Other,
}

impl Method {
    /// The word on the wire; `Other` has none of its own.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "OTHER",
        }
    }

    /// The method called `word`, case and all.
    pub fn of(word: &str) -> Self {
        match word {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// One whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Decoded path.
    pub path: Path,
    /// What stood after `?`, still escaped; empty if nothing did.
    pub query: String,
    /// Version of the client.
    pub version: Version,
    /// Headers.
    pub headers: Headers,
    /// Decoded body; empty if there is none.
    pub body: Vec<u8>,
    /// May the connection carry another request?
    pub keep_alive: bool,
}

impl Request {
    /// A request as a test or a call inside the process makes one.
    ///
    /// # Errors
    /// [`WireError::BadTarget`] when `target` is not a path.
    pub fn new(method: Method, target: &str, body: impl Into<Vec<u8>>) -> Result<Self, WireError> {
        let (path, query) = split_target(method, target)?;
        Ok(Self { method, path, query, version: Version::Http11, headers: Headers::default(), body: body.into(), keep_alive: true })
    }

    /// Decoded value of `name` in the query, if it is there and can be decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let (_, raw) = self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        let mut value = String::new();
        decode_into(raw, &mut value).ok().map(|()| value)
    }
}

/// What a [`RequestReader`] has to give.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// A whole request.
    Request(Box<Request>),
    /// The client waits for `100 Continue` before it sends the body. Given once per request.
    Continue,
    /// Nothing until more bytes are pushed.
    More,
}

/// What the reader is waiting for: each has its own time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
}

/// Reader of the requests of one connection.
#[derive(Debug)]
pub struct RequestReader {
    limits: Limits,
    buffer: Buffer,
    state: State,
}

#[derive(Debug)]
enum State {
    Head { scan: HeadScan, blank_lines: u8 },
    Body { request: Box<Request>, body: BodyReader, must_continue: bool },
    Failed(WireError),
}

impl State {
    fn fresh() -> Self {
        Self::Head { scan: HeadScan::default(), blank_lines: 0 }
    }
}

impl RequestReader {
    /// A reader at the start of a connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: Buffer::default(), state: State::fresh() }
    }

    /// Bytes came from the client. Drain [`Self::poll_input`] after it.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed(_)) {
            self.buffer.extend(bytes);
        }
    }

    /// The next thing to do.
    ///
    /// # Errors
    /// [`WireError`], the same one at every later call.
    pub fn poll_input(&mut self) -> Result<Input, WireError> {
        match self.advance() {
            Ok(input) => Ok(input),
            Err(error) => {
                self.state = State::Failed(error);
                self.buffer = Buffer::default();
                Err(error)
            }
        }
    }

    /// What it waits for after `More`.
    pub fn waiting_for(&self) -> Waiting {
        match &self.state {
            State::Head { scan, .. } if scan.started() || !self.buffer.unread().is_empty() => Waiting::Head,
            State::Head { blank_lines: 1.., .. } => Waiting::Head,
            State::Head { .. } | State::Failed(_) => Waiting::Idle,
            State::Body { .. } => Waiting::Body,
        }
    }

    /// Bytes of memory held for this connection, for the server's budget.
    pub fn memory_bytes(&self) -> usize {
        let body = if let State::Body { body, .. } = &self.state { body.capacity() } else { 0 };
        self.buffer.capacity() + body
    }

    fn advance(&mut self) -> Result<Input, WireError> {
        // At most two turns: head, then body.
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(*error),
                State::Head { scan, blank_lines } => {
                    // RFC 9112 §2.2: empty lines before a request are skipped; a few, not an endless stream of them.
                    while !scan.started() && self.buffer.unread().starts_with(b"\r\n") {
                        self.buffer.consume(2);
                        *blank_lines += 1;
                        if *blank_lines > BLANK_LINES_MAX {
                            return Err(WireError::BadHead("empty lines before the request"));
                        }
                    }
                    let unread = self.buffer.unread();
                    if unread == b"\r" && !scan.started() {
                        return Ok(Input::More);
                    }
                    let Some(length) = scan.find(unread, self.limits.head_bytes_max)? else { return Ok(Input::More) };
                    let (request, body, must_continue) = head(unread.get(..length).unwrap_or_default(), &self.limits)?;
                    self.buffer.consume(length);
                    self.state = State::Body { request: Box::new(request), body, must_continue };
                }
                State::Body { body, must_continue, .. } => {
                    let taken = body.handle_bytes(self.buffer.unread())?;
                    self.buffer.consume(taken);
                    if !body.done() {
                        // RFC 9110 §10.1.1: no need of it once the content has begun to arrive.
                        let wants = std::mem::take(must_continue) && body.len() == 0 && self.buffer.unread().is_empty();
                        return Ok(if wants { Input::Continue } else { Input::More });
                    }
                    let State::Body { mut request, body, .. } = std::mem::replace(&mut self.state, State::fresh()) else {
                        return Ok(Input::More);
                    };
                    request.body = body.into_bytes();
                    return Ok(Input::Request(request));
                }
            }
        }
    }
}

/// Reads a whole head.
fn head(bytes: &[u8], limits: &Limits) -> Result<(Request, BodyReader, bool), WireError> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut slots) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(WireError::BadHead("it ends too early")),
        Err(error) => return Err(head_error(error)),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(WireError::BadHead("the start line"));
    };
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let headers = Headers::copy(bytes, parsed.headers);
    // RFC 9112 §3.2: exactly one Host in HTTP/1.1, at most one in any version.
    match (headers.all("host").count(), version) {
        (1, _) | (0, Version::Http10) => {}
        (0, Version::Http11) => return Err(WireError::BadHead("no Host")),
        _ => return Err(WireError::BadHead("more than one Host")),
    }
    let framing = headers.framing(version)?;
    let method = Method::of(method);
    let (path, query) = split_target(method, target)?;
    // RFC 9110 §10.1.1: an HTTP/1.0 client's expectation is ignored.
    let must_continue = version == Version::Http11 && headers.all("expect").next().is_some();
    if must_continue && headers.all("expect").any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(WireError::Expectation);
    }
    // RFC 9112 §6.3: a request that says nothing of its length has no body.
    let body = BodyReader::new(framing.unwrap_or(super::head::Framing::Length(0)), limits)?;
    let keep_alive = headers.keep_alive(version);
    Ok((Request { method, path, query, version, headers, body: Vec::new(), keep_alive }, body, must_continue))
}

/// Path and query of a target in origin, absolute or asterisk form (RFC 9112 §3.2).
fn split_target(method: Method, target: &str) -> Result<(Path, String), WireError> {
    if target == "*" && method == Method::Options {
        return Ok((Path::default(), String::new()));
    }
    let origin = if target.starts_with('/') {
        target
    } else {
        let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = scheme.and_then(|_| target.get(7..)).ok_or(WireError::BadTarget("neither a path nor an http URL"))?;
        rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
    };
    if memchr::memchr(b'#', origin.as_bytes()).is_some() {
        return Err(WireError::BadTarget("a fragment"));
    }
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    Ok((Path::decode(if path.is_empty() { "/" } else { path })?, query.to_owned()))
}

/// Empty lines skipped before a request; old clients send one.
const BLANK_LINES_MAX: u8 = 4;
