//! One connection: bytes in, messages out; messages in, bytes out.
//!
//! ```text
//!   handle_bytes ─► [ buffer ] ─► Framer ─► message | CRLF CRLF ─► pong into the queue | CRLF ─► pong heard
//!   queue ─► [ waiting messages ] ─► front ─► wrote
//! ```
//! Shape:  an idle connection holds no buffer at all.
//! Units:  bytes, `Instant`.
//! Errors: [`CloseReason`]; after one nothing more is read or written.
//! Source: RFC 3261 §18.3; RFC 5626 §3.5.1, §4.4.1.

use std::collections::VecDeque;
use std::time::Instant;

use super::limits::{CloseReason, StreamLimits};
use crate::message::{Frame, Framer};

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The far end.
    Accepted,
    /// We did; `front` gives nothing until [`Stream::connected`].
    Dialled,
}

/// One connection.
#[derive(Debug)]
pub struct Stream {
    origin: Origin,
    connected: bool,
    framer: Framer,
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that have been given out.
    consumed: usize,
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    /// Bytes of the first message in the queue that have been written.
    written: usize,
    opened_at: Instant,
    heard_at: Instant,
    /// When what waits in the buffer began to wait.
    partial_since: Option<Instant>,
    /// When the queue moved last, while there is something in it.
    moved_at: Option<Instant>,
    spoken: bool,
    ping_at: Option<Instant>,
    answers_pings: bool,
    pongs: u32,
}

/// Double line ends that are answered per look: more at once are not what a keep-alive is.
const PONGS_MAX: usize = 4;
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";
/// Every start line has it (RFC 3261 §7.1, §7.2).
const PROTOCOL: &[u8] = b"SIP/";

impl Stream {
    /// A connection that is open, or is being opened.
    pub(super) fn new(origin: Origin, now: Instant) -> Self {
        Self {
            origin,
            connected: origin == Origin::Accepted,
            framer: Framer::new(),
            buffer: Vec::new(),
            consumed: 0,
            queue: VecDeque::new(),
            queued: 0,
            written: 0,
            opened_at: now,
            heard_at: now,
            partial_since: None,
            moved_at: None,
            spoken: false,
            ping_at: None,
            answers_pings: false,
            pongs: 0,
        }
    }

    /// The connection that we wanted is there.
    pub fn connected(&mut self, now: Instant) {
        self.connected = true;
        (self.opened_at, self.heard_at) = (now, now);
        self.moved_at = (!self.queue.is_empty()).then_some(now);
    }

    /// Bytes of the network.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        self.heard_at = now;
        self.ping_at = None;
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        if self.buffer.is_empty() && !bytes.is_empty() {
            self.partial_since = Some(now);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; keep-alives are dealt with on the way.
    ///
    /// # Errors
    /// The connection has to end.
    pub fn poll_message(&mut self, limits: &StreamLimits, now: Instant) -> Result<Option<&[u8]>, CloseReason> {
        let mut pongs = 0;
        loop {
            let rest = self.buffer.get(self.consumed..).unwrap_or_default();
            match self.framer.next(rest)? {
                Frame::Incomplete => {
                    // Bytes that cannot begin a message are not waited for.
                    if rest.iter().find(|byte| !is_line_end(**byte)).is_some_and(|byte| !byte.is_ascii_graphic()) {
                        return Err(CloseReason::Garbage);
                    }
                    // A line end alone is a pong, or half of a ping; some phones send no more to keep the way open.
                    if rest.iter().all(|byte| is_line_end(*byte)) {
                        if rest == PONG && self.origin == Origin::Dialled {
                            self.answers_pings = true;
                            self.consumed += PONG.len();
                        }
                        self.partial_since = None;
                        self.spoken = true;
                    }
                    self.release();
                    return Ok(None);
                }
                Frame::KeepAlive { bytes, pings } => {
                    self.consumed += bytes;
                    self.partial_since = None;
                    self.spoken = true;
                    self.answers_pings |= self.origin == Origin::Dialled;
                    pongs += pings;
                    if pings > 0 && pongs <= PONGS_MAX {
                        self.pongs += 1;
                        self.queue(PONG.to_vec(), limits, now)?;
                    }
                }
                Frame::Message { bytes } => {
                    let from = self.consumed;
                    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                    if !line.windows(PROTOCOL.len()).any(|part| part.eq_ignore_ascii_case(PROTOCOL)) {
                        return Err(CloseReason::Garbage);
                    }
                    self.consumed += bytes;
                    self.partial_since = (self.consumed < self.buffer.len()).then_some(now);
                    self.spoken = true;
                    return Ok(self.buffer.get(from..from + bytes));
                }
            }
        }
    }

    /// The message of `len` bytes that was given out last.
    pub(super) fn given(&self, len: usize) -> Option<&[u8]> {
        self.buffer.get(self.consumed.checked_sub(len)?..self.consumed)
    }

    /// Puts bytes behind what waits. True: nothing waited, so the driver has to begin to write.
    ///
    /// # Errors
    /// [`CloseReason::QueueFull`].
    pub fn queue(&mut self, bytes: Vec<u8>, limits: &StreamLimits, now: Instant) -> Result<bool, CloseReason> {
        if self.queued + bytes.len() > limits.queue {
            return Err(CloseReason::QueueFull);
        }
        let first = self.queue.is_empty();
        if first {
            self.moved_at = Some(now);
        }
        self.queued += bytes.len();
        self.queue.push_back(bytes);
        Ok(first)
    }

    /// What to write next; `None` while there is nothing, or no connection yet.
    pub fn front(&self) -> Option<&[u8]> {
        if !self.connected {
            return None;
        }
        self.queue.front()?.get(self.written..)
    }

    /// So many bytes of `front` were written.
    pub fn wrote(&mut self, bytes: usize, now: Instant) {
        self.written += bytes;
        self.moved_at = Some(now);
        let Some(front) = self.queue.front() else { return };
        if self.written >= front.len() {
            self.queued = self.queued.saturating_sub(front.len());
            self.written = 0;
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
            self.moved_at = None;
        }
    }

    /// Looks at the clock: pings where it is time. True: there is something to write.
    ///
    /// # Errors
    /// The connection has to end.
    pub fn handle_timeout(&mut self, limits: &StreamLimits, now: Instant) -> Result<bool, CloseReason> {
        let past = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if self.moved_at.is_some_and(|at| past(at, limits.write_within)) {
            return Err(if self.connected { CloseReason::Stuck } else { CloseReason::Unreachable });
        }
        let silent = self.origin == Origin::Accepted && !self.spoken && past(self.opened_at, limits.message_within);
        if silent || self.partial_since.is_some_and(|at| past(at, limits.message_within)) {
            return Err(CloseReason::Slow);
        }
        if self.answers_pings && self.ping_at.is_some_and(|at| past(at, limits.pong_within)) {
            return Err(CloseReason::NoPong);
        }
        if past(self.heard_at, limits.idle) {
            return Err(CloseReason::Idle);
        }
        let quiet = self.connected && self.queue.is_empty() && past(self.heard_at, limits.ping_every);
        let due = self.ping_at.is_none_or(|at| past(at, limits.ping_every));
        if self.origin == Origin::Dialled && quiet && due {
            self.ping_at = Some(now);
            return self.queue(PING.to_vec(), limits, now);
        }
        Ok(false)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.buffer.capacity() + self.queued
    }

    /// Who opened it.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Pings answered since this was asked last.
    pub(super) fn take_pongs(&mut self) -> u32 {
        std::mem::take(&mut self.pongs)
    }

    /// Gives memory back once everything was taken.
    fn release(&mut self) {
        if self.consumed >= self.buffer.len() {
            self.consumed = 0;
            self.partial_since = None;
            self.buffer = Vec::new();
        }
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
