//! The body of a message, decoded as it arrives.
//!
//! ```text
//!   size line ─► data ─► CRLF ─► size line … ─► 0 ─► trailers ─► empty line ─► done
//! ```
//! Shape:  decoded bytes at most `Limits::body_bytes_max`; a size line at most [`SIZE_LINE_MAX`]; extensions of all
//!         chunks and the trailers each at most `Limits::trailer_bytes_max`. Memory grows with what arrived, never with
//!         what was announced.
//! Units:  bytes.
//! Errors: [`WireError::BadChunk`], [`WireError::BodyTooLarge`].
//! Not here: trailers are checked and dropped; nothing of ours reads one.
//! Source: RFC 9112 §6.2 (length), §7.1 (chunks), §7.1.1 (extensions), §7.1.2 (trailers).

use memchr::memchr;

use super::head::Framing;
use super::{Limits, WireError};

/// One body in the making.
#[derive(Debug)]
pub(super) struct BodyReader {
    state: State,
    bytes: Vec<u8>,
    /// Left of the allowance for chunk extensions, and for trailers.
    extension_left: usize,
    trailer_left: usize,
    body_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    UntilClose,
    Done,
}

impl BodyReader {
    /// A body told by `framing`.
    pub(super) fn new(framing: Framing, limits: &Limits) -> Result<Self, WireError> {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) if length > limits.body_bytes_max as u64 => {
                return Err(WireError::BodyTooLarge { max: limits.body_bytes_max });
            }
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::UntilClose => State::UntilClose,
        };
        Ok(Self {
            state,
            bytes: Vec::new(),
            extension_left: limits.trailer_bytes_max,
            trailer_left: limits.trailer_bytes_max,
            body_max: limits.body_bytes_max,
        })
    }

    /// Takes what it can of `input`; says how many bytes that was.
    pub(super) fn handle_bytes(&mut self, input: &[u8]) -> Result<usize, WireError> {
        let mut taken = 0;
        // Every turn takes at least one byte, leaves the loop, or moves to a state that does: bounded by the input.
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let step = match self.state {
                State::Length(left) | State::Data(left) => self.take_data(left, rest),
                State::Size => self.take_size(rest)?,
                State::DataEnd => self.take_data_end(rest)?,
                State::Trailers => self.take_trailer(rest)?,
                State::UntilClose => {
                    if rest.len() > self.body_max - self.bytes.len() {
                        return Err(WireError::BodyTooLarge { max: self.body_max });
                    }
                    self.bytes.extend_from_slice(rest);
                    rest.len()
                }
                State::Done => 0,
            };
            taken += step;
            if step == 0 {
                return Ok(taken);
            }
        }
    }

    /// The connection ended. Is the body whole?
    pub(super) fn handle_eof(&mut self) -> Result<(), WireError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            State::Length(_) | State::Size | State::Data(_) | State::DataEnd | State::Trailers => Err(WireError::Truncated),
        }
    }

    /// Is the body whole?
    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Decoded bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The decoded body.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn take_data(&mut self, left: u64, rest: &[u8]) -> usize {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        self.bytes.extend_from_slice(rest.get(..count).unwrap_or_default());
        let left = left - count as u64;
        self.state = match self.state {
            State::Length(_) if left == 0 => State::Done,
            State::Length(_) => State::Length(left),
            _ if left == 0 => State::DataEnd,
            _ => State::Data(left),
        };
        count
    }

    fn take_size(&mut self, rest: &[u8]) -> Result<usize, WireError> {
        let Some(line) = line(rest, SIZE_LINE_MAX, "a size line too long")? else { return Ok(0) };
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at_checked(digits).unwrap_or_default();
        // RFC 9112 §7.1: a recipient must expect large numbers; 15 digits are above every limit and cannot overflow.
        if size.is_empty() || size.len() > 15 {
            return Err(WireError::BadChunk("a chunk size"));
        }
        if !extension.is_empty() && !extension.trim_ascii_start().starts_with(b";") {
            return Err(WireError::BadChunk("junk after a chunk size"));
        }
        if extension.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err(WireError::BadChunk("a control character in an extension"));
        }
        self.extension_left = self.extension_left.checked_sub(extension.len()).ok_or(WireError::BadChunk("too many chunk extensions"))?;
        let size = size.iter().fold(0, |sum, &digit| sum << 4 | u64::from(char::from(digit).to_digit(16).unwrap_or(0)));
        if size > (self.body_max - self.bytes.len()) as u64 {
            return Err(WireError::BodyTooLarge { max: self.body_max });
        }
        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
        Ok(line.len() + 2)
    }

    fn take_data_end(&mut self, rest: &[u8]) -> Result<usize, WireError> {
        match rest {
            [b'\r', b'\n', ..] => {
                self.state = State::Size;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(WireError::BadChunk("no CRLF after the data")),
        }
    }

    fn take_trailer(&mut self, rest: &[u8]) -> Result<usize, WireError> {
        let Some(line) = line(rest, self.trailer_left, "trailers too long")? else { return Ok(0) };
        self.trailer_left -= line.len() + 2;
        if line.is_empty() {
            self.state = State::Done;
        } else if !is_field(line) {
            return Err(WireError::BadChunk("a trailer"));
        }
        Ok(line.len() + 2)
    }
}

/// The line at the start of `rest` without its CRLF, at most `max` bytes with it; `None` while it is not whole.
fn line<'a>(rest: &'a [u8], max: usize, too_long: &'static str) -> Result<Option<&'a [u8]>, WireError> {
    let window = rest.get(..max.min(rest.len())).unwrap_or_default();
    let Some(feed) = memchr(b'\n', window) else {
        return if rest.len() >= max { Err(WireError::BadChunk(too_long)) } else { Ok(None) };
    };
    match window.get(..feed) {
        Some([line @ .., b'\r']) => Ok(Some(line)),
        _ => Err(WireError::BadChunk("a line does not end in CRLF")),
    }
}

/// `name: value` with a token for a name and no control character (RFC 9112 §5).
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(token) && !value.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control())
}

/// A size line with its extensions and CRLF, at most.
const SIZE_LINE_MAX: usize = 256;
