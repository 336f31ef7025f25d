//! HTTP/1.x on the wire as state machines: bytes in, messages out, no socket and no clock.
//!
//! ```text
//!   server: handle_bytes ──► RequestReader ──► Input::Request | Continue | More      Response::write ──► bytes
//!   client: request_bytes ──► (socket) ──► handle_bytes ──► ResponseReader ──► Answer
//! ```
//! Shape:  a reader holds one message in the making plus what was pushed and not yet read; [`Limits`] bound both.
//! Units:  bytes.
//! Errors: [`WireError`], each with its HTTP status. After one the reader stays failed and the connection must close:
//!         where the next message would begin is no longer certain (RFC 9112 §11.2).
//! Not here: what a message means (`routes`), time-outs (`server`, `client`).
//! Source: RFC 9110, RFC 9112. Stricter than they ask where leniency lets two parsers disagree (bare LF, both lengths).

mod body;
mod buffer;
mod date;
mod error;
mod head;
mod path;
mod request;
mod response;

pub use date::HttpDate;
pub use error::WireError;
pub use head::{Headers, Version};
pub use path::Path;
pub use request::{Input, Method, Request, RequestReader, Waiting};
pub use response::{Answer, CONTINUE, Response, ResponseReader, Written, request_bytes};
pub(crate) use response::{push_number, write_request};

/// What one message may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Start line and headers, bytes with the empty line. Beyond: 431.
    pub head_bytes_max: usize,
    /// Body, decoded bytes. Beyond: 413.
    pub body_bytes_max: usize,
    /// Trailer section of a chunked body, bytes; the same bound holds for all chunk extensions of one body together.
    pub trailer_bytes_max: usize,
}

impl Default for Limits {
    /// 16 KiB head, 1 MiB body, 4 KiB trailers.
    fn default() -> Self {
        Self { head_bytes_max: 16 << 10, body_bytes_max: 1 << 20, trailer_bytes_max: 4 << 10 }
    }
}

/// Headers in one message, at most; browsers and our own clients send about ten.
pub const HEADERS_MAX: usize = 100;

#[cfg(test)]
mod tests;
