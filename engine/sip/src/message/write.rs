//! Writing messages.
//!
//! ```text
//!   Writer::request(&mut out, …) | Writer::response(&mut out, …)
//!       .answer(headers, source, tag)  .header(name, value)  .copy(headers, name)   … in any order
//!       .body(type, bytes) | .end()  ─► Ok(bytes written)
//! ```
//! Shape:  appends to the caller's `Vec`, which keeps its capacity from message to message, so that a warm buffer
//!         means no allocation. At most [`MESSAGE_BYTES_MAX`] bytes.
//! Units:  bytes.
//! Errors: [`WriteError`], the first one kept until the end; then nothing is left in the buffer.
//! CR, LF and NUL are refused in every value, so no text of a peer, user or script can become a header of its own. A NUL behind a
//! backslash is allowed, as it is on reading: it may stand in a quoted string (RFC 4475 §3.1.1.2).
//! Source: RFC 3261 §7, §8.2.6.2, §18.2.1, §20.14; RFC 3581 §4.

#[cfg(test)]
mod tests;

use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;

use super::headers::Headers;
use super::lex::{is_token, unfold};
use super::params::{Param, ParamValue};
use super::values::Values;
use super::{HeaderName, MESSAGE_BYTES_MAX, Message, Method, Rport, StatusCode, Via};

/// Why a message could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// CR, LF or an unescaped NUL inside a value.
    #[error("line break or NUL in a value")]
    LineBreak,
    /// A method or a header name that is not a token.
    #[error("method or header name is not a token")]
    Name,
    /// A Request-URI that is empty or holds white space.
    #[error("white space in Request-URI")]
    Uri,
    /// More than [`MESSAGE_BYTES_MAX`].
    #[error("message above {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// A value whose `Display` failed.
    #[error("value could not be formatted")]
    Format,
}

/// A message being written.
#[derive(Debug)]
#[must_use = "a message is whole after `end` or `body`"]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    status: Option<StatusCode>,
    error: Option<WriteError>,
}

impl<'o> Writer<'o> {
    /// Starts a request at the end of `out`.
    pub fn request(out: &'o mut Vec<u8>, method: Method<'_>, uri: impl Display) -> Self {
        let mut writer = Self::new(out, None);
        if !is_token(method.as_str()) {
            writer.fail(WriteError::Name);
        }
        writer.put(method.as_str());
        writer.put(" ");
        let from = writer.out.len();
        writer.value(uri);
        let written = writer.out.get(from..).unwrap_or_default();
        if written.is_empty() || written.iter().any(u8::is_ascii_whitespace) {
            writer.fail(WriteError::Uri);
        }
        writer.put(" SIP/2.0\r\n");
        writer
    }

    /// Starts a response at the end of `out`; the usual phrase is `status.phrase()`.
    pub fn response(out: &'o mut Vec<u8>, status: StatusCode, reason: impl Display) -> Self {
        let mut writer = Self::new(out, Some(status));
        writer.put("SIP/2.0 ");
        writer.value(status);
        writer.put(" ");
        writer.value(reason);
        writer.put("\r\n");
        writer
    }

    const fn new(out: &'o mut Vec<u8>, status: Option<StatusCode>) -> Self {
        let start = out.len();
        Self { out, start, status, error: None }
    }

    /// Appends a header. `Other` has no text: see [`Writer::extension`].
    pub fn header(self, name: HeaderName, value: impl Display) -> Self {
        self.extension(name.as_str(), value)
    }

    /// Appends a header by its text.
    pub fn extension(mut self, name: &str, value: impl Display) -> Self {
        self.name(name);
        self.value(value);
        self.put("\r\n");
        self
    }

    /// Appends a header if there is a value.
    pub fn optional(self, name: HeaderName, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Copies all lines of a name, in order, unfolded.
    pub fn copy(mut self, headers: &Headers<'_>, name: HeaderName) -> Self {
        for raw in headers.headers(name) {
            self.line(name.as_str(), raw);
        }
        self
    }

    /// Copies what a response takes from its request: all Via, From, To, Call-ID, CSeq (RFC 3261 §8.2.6.2), and into a 100
    /// Timestamp (§8.2.6.1).
    ///
    /// With `source`, the address the request came from, the top Via gets `received` and `rport` (RFC 3261 §18.2.1,
    /// RFC 3581 §4). `to_tag` is added to a To that has none; 100 needs none.
    pub fn answer(mut self, headers: &Headers<'_>, source: Option<SocketAddr>, to_tag: Option<&str>) -> Self {
        for (at, raw) in headers.headers(HeaderName::Via).enumerate() {
            match source {
                Some(source) if at == 0 => self.top_via(raw, source),
                _ => self.line(HeaderName::Via.as_str(), raw),
            }
        }
        self = self.copy_first(headers, HeaderName::From);
        self = self.to(headers, to_tag).copy_first(headers, HeaderName::CallId).copy_first(headers, HeaderName::CSeq);
        if self.status == Some(StatusCode::TRYING) { self.copy_first(headers, HeaderName::Timestamp) } else { self }
    }

    /// Ends the message without a body.
    ///
    /// # Errors
    /// The first [`WriteError`] of any step; `out` is then as it was before.
    pub fn end(mut self) -> Result<usize, WriteError> {
        self.put("Content-Length: 0\r\n\r\n");
        self.finish()
    }

    /// Ends the message with a body and its Content-Type and Content-Length.
    ///
    /// # Errors
    /// The first [`WriteError`] of any step; `out` is then as it was before.
    pub fn body(self, content_type: impl Display, body: &[u8]) -> Result<usize, WriteError> {
        let mut writer = self.header(HeaderName::ContentType, content_type).header(HeaderName::ContentLength, body.len());
        writer.put("\r\n");
        writer.put_bytes(body);
        writer.finish()
    }

    fn finish(self) -> Result<usize, WriteError> {
        match self.error {
            None => Ok(self.out.len() - self.start),
            Some(error) => {
                self.out.truncate(self.start);
                Err(error)
            }
        }
    }

    fn copy_first(mut self, headers: &Headers<'_>, name: HeaderName) -> Self {
        if let Some(raw) = headers.header(name) {
            self.line(name.as_str(), raw);
        }
        self
    }

    /// To, with our tag if it has none.
    fn to(mut self, headers: &Headers<'_>, tag: Option<&str>) -> Self {
        let Some(raw) = headers.header(HeaderName::To) else { return self };
        match tag {
            // A To that cannot be read is sent back as it came: a tag behind an open quote would be part of the name.
            Some(tag) if super::NameAddr::parse(raw).is_ok_and(|to| to.tag.is_none()) => {
                // Given back as it came, as all the rest: what it has of control characters was theirs, and no line ends in it.
                self.name(HeaderName::To.as_str());
                self.put(&unfold(raw));
                self.value(format_args!(";tag={tag}"));
                self.put("\r\n");
                self
            }
            _ => {
                self.line(HeaderName::To.as_str(), raw);
                self
            }
        }
    }

    /// The first Via line with `received` and `rport` in its first value.
    fn top_via(&mut self, raw: &str, source: SocketAddr) {
        let mut values = Values::new(raw);
        let top = values.next().unwrap_or_default();
        self.name(HeaderName::Via.as_str());
        // Of a Via that is wrong only what can be read goes back.
        if let Some((route, via)) = Via::parse_for_answer(top) {
            self.value(unfold(route));
            let kept = |name: &str| !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("rport");
            for Param { name, value } in via.params.iter().filter(|param| kept(param.name)) {
                self.param(name, value);
            }
            if via.params.is_empty()
                && let Some(branch) = via.branch
            {
                self.value(format_args!(";branch={branch}"));
            }
            let asked = via.rport != Rport::Absent;
            // `received` whenever sent-by is not the source, and always beside rport (RFC 3581 §4).
            if asked || via.host.ip() != Some(source.ip().to_canonical()) {
                self.value(format_args!(";received={}", source.ip().to_canonical()));
            }
            if asked {
                self.value(format_args!(";rport={}", source.port()));
            }
        }
        if let Some(others) = values.rest() {
            self.value(format_args!(",{}", unfold(others)));
        }
        self.put("\r\n");
    }

    fn param(&mut self, name: &str, value: ParamValue<'_>) {
        match value {
            ParamValue::None => self.value(format_args!(";{name}")),
            ParamValue::Plain(text) => self.value(format_args!(";{name}={text}")),
            ParamValue::Quoted(inside) => self.value(format_args!(";{name}=\"{}\"", unfold(inside))),
        }
    }

    /// A whole header line with a value of a parsed message: one line once unfolded.
    fn line(&mut self, name: &str, raw: &str) {
        self.name(name);
        self.put(&unfold(raw));
        self.put("\r\n");
    }

    fn name(&mut self, name: &str) {
        if !is_token(name) {
            self.fail(WriteError::Name);
        }
        self.put(name);
        self.put(": ");
    }

    fn value(&mut self, value: impl Display) {
        if write!(Checked(self), "{value}").is_err() {
            self.fail(WriteError::Format);
        }
    }

    fn put_value(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut breaks = memchr::memchr3_iter(b'\r', b'\n', 0, bytes);
        let is_escaped_nul =
            |at: usize| bytes.get(at) == Some(&0) && at.checked_sub(1).map_or(self.out.last(), |at| bytes.get(at)) == Some(&b'\\');
        if !breaks.all(is_escaped_nul) {
            self.fail(WriteError::LineBreak);
        }
        self.put(text);
    }

    fn put(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        if self.out.len() - self.start + bytes.len() > MESSAGE_BYTES_MAX {
            self.fail(WriteError::TooLarge);
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn fail(&mut self, error: WriteError) {
        self.error.get_or_insert(error);
    }
}

/// Formats into a writer, refusing line breaks.
struct Checked<'w, 'o>(&'w mut Writer<'o>);

impl fmt::Write for Checked<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put_value(text);
        Ok(())
    }
}

/// Writes a parsed message: long names, no folds, body as it is.
///
/// # Errors
/// [`WriteError::TooLarge`], when compact names and folds were what made it fit.
pub fn write(message: &Message<'_>, out: &mut Vec<u8>) -> Result<usize, WriteError> {
    let mut writer = match message {
        Message::Request(request) => Writer::request(out, request.method(), request.uri()),
        Message::Response(response) => Writer::response(out, response.status(), response.reason()),
    };
    for header in message.headers().iter() {
        writer.line(header.long_name(), header.raw);
    }
    writer.put("\r\n");
    writer.put_bytes(message.body());
    writer.finish()
}

/// Text as a quoted string, with its escapes (RFC 3261 §25.1), NUL among them. Line breaks are for the writer to refuse.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        const ESCAPED: [char; 3] = ['"', '\\', '\0'];
        for piece in self.0.split_inclusive(ESCAPED) {
            match piece.strip_suffix(ESCAPED) {
                Some(before) => write!(f, "{before}\\{}", piece.get(before.len()..).unwrap_or_default())?,
                None => f.write_str(piece)?,
            }
        }
        f.write_char('"')
    }
}
