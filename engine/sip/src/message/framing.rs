//! Where a message ends in a stream.
//!
//! ```text
//!   bytes of a connection ─► Framer::next ─► Incomplete | KeepAlive{bytes, ping} | Message{bytes} ─► parse(&bytes[..n])
//! ```
//! Shape:  [`Framer`] remembers how far it looked, so that a slow sender costs one pass, not one per read.
//! Units:  bytes from the start of the buffer; the caller removes them once it has dealt with them.
//! Errors: [`FrameError`]. Behind one the end of the message is unknown: answer if the head allows it, and close.
//! Bounded by [`MESSAGE_BYTES_MAX`]: the caller's buffer never has to hold more.
//! Source: RFC 3261 §18.3 and §20.14 (Content-Length is needed on streams), §7.5; RFC 5626 §3.5.1 (keep-alive).

use super::error::HeaderError;
use super::headers::{Headers, Table};
use super::scan::{leading_line_ends, scan};
use super::{HeaderName, MESSAGE_BYTES_MAX, validate};

/// What stands at the start of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Not a whole message yet.
    Incomplete,
    /// Line ends before a message.
    KeepAlive {
        /// How many bytes.
        bytes: usize,
        /// How many double line ends, each to be answered with one (RFC 5626 §3.5.1).
        pings: usize,
    },
    /// A whole message.
    Message {
        /// How many bytes.
        bytes: usize,
    },
}

/// Why the stream cannot be cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Head, or head and body, above [`MESSAGE_BYTES_MAX`].
    #[error("message above {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// A stream needs Content-Length.
    #[error("no Content-Length")]
    NoContentLength,
    /// Content-Length cannot be read.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// Two that differ.
    #[error("more than one Content-Length")]
    Ambiguous,
}

/// Cuts the bytes of one connection into messages.
#[derive(Debug, Clone, Default)]
pub struct Framer {
    /// No empty line ends before this offset.
    searched: usize,
    /// Size of the message whose head has been read.
    whole: Option<usize>,
}

impl Framer {
    /// For a fresh connection.
    pub const fn new() -> Self {
        Self { searched: 0, whole: None }
    }

    /// Looks at the start of `buffer`, which holds all bytes that came and were not consumed yet. After `Message` or
    /// `KeepAlive` the caller removes that many bytes before it asks again.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn next(&mut self, buffer: &[u8]) -> Result<Frame, FrameError> {
        let blank = leading_line_ends(buffer);
        if blank > 0 {
            self.searched = 0;
            // A line end alone may be half of a ping: it is kept until more comes, unless a message follows.
            let bytes = if blank == buffer.len() { blank - blank % 4 } else { blank };
            return Ok(if bytes == 0 { Frame::Incomplete } else { Frame::KeepAlive { bytes, pings: blank / 4 } });
        }
        let whole = match self.whole {
            Some(whole) => whole,
            None => match self.head(buffer)? {
                Some(whole) => whole,
                None => return Ok(Frame::Incomplete),
            },
        };
        if buffer.len() < whole {
            self.whole = Some(whole);
            return Ok(Frame::Incomplete);
        }
        *self = Self::new();
        Ok(Frame::Message { bytes: whole })
    }

    /// Size of the message once its head is whole.
    fn head(&mut self, buffer: &[u8]) -> Result<Option<usize>, FrameError> {
        let bounded = buffer.get(..MESSAGE_BYTES_MAX).unwrap_or(buffer);
        let Some(head_bytes) = head_end(bounded, self.searched) else {
            // The last three bytes may be the start of the empty line.
            self.searched = bounded.len().saturating_sub(3);
            return if buffer.len() >= MESSAGE_BYTES_MAX { Err(FrameError::TooLarge) } else { Ok(None) };
        };
        let head = bounded.get(..head_bytes).unwrap_or_default();
        let length = content_length(head)?;
        let whole = head_bytes.checked_add(length as usize).filter(|&whole| whole <= MESSAGE_BYTES_MAX);
        whole.map(Some).ok_or(FrameError::TooLarge)
    }
}

/// Offset behind the first empty line, looking from `from` on.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes.get(from..)?).find_map(|at| {
        let next = from + at + 1;
        match bytes.get(next..)? {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

/// Content-Length of a whole head.
fn content_length(head: &[u8]) -> Result<u32, FrameError> {
    let mut table = Table::new();
    scan(head, &mut table);
    let text = super::utf8(head);
    let headers = Headers::new(&text, table);
    if validate::is_ambiguous(&headers, HeaderName::ContentLength) {
        return Err(FrameError::Ambiguous);
    }
    headers.content_length()?.ok_or(FrameError::NoContentLength)
}
