//! One connection of a server, from accept to close.
//!
//! ```text
//!   read ─► RequestReader ─► handle … handle ─► write once ─► read …      an error: answer, stop writing, drain, close
//! ```
//! Shape:  one read buffer, one reader, one buffer of responses, flushed at [`FLUSH_BYTES`].
//! Units:  deadlines by `Watch`, one at a time: head, body, idle, handler, write.
//! Errors: none outwards. Time-outs answer 408 when a request was begun, and close in silence between two.
//! Fair:   gives way after [`TURN_REQUESTS`] requests, so that a client which always has one more cannot hold the executor.
//! Source: RFC 9112 §9.6 (closing without losing the last answer), §9.3 (persistence).

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rt::{AsyncRead, AsyncWriteExt, TcpStream};

use super::stats::count;
use super::{Handler, Shared, too_slow};
use crate::routes::{refuse, wire_refusal};
use crate::watch::{End, Watched};
use crate::wire::{CONTINUE, HttpDate, Input, Method, Request, RequestReader, Response, Version, Waiting, Written};

/// Serves the connection to its end.
pub(super) async fn run<H: Handler>(shared: &Shared<H>, stream: TcpStream, watched: Watched) {
    shared.stats.connections.set(shared.stats.connections.get() + 1);
    let reader = RequestReader::new(shared.config.limits);
    let mut connection =
        Connection { shared, stream, watched, reader, out: Vec::new(), date: HttpDate::default(), charged: 0, requests: 0 };
    // What ended it is counted where it happened.
    let _ = connection.serve().await;
    connection.charge(0);
    shared.stats.connections.set(shared.stats.connections.get().saturating_sub(1));
}

struct Connection<'a, H> {
    shared: &'a Shared<H>,
    stream: TcpStream,
    watched: Watched,
    reader: RequestReader,
    out: Vec<u8>,
    date: HttpDate,
    /// Bytes of the server's budget that this connection holds.
    charged: u64,
    requests: u32,
}

/// The connection is over.
struct Over;

impl From<End> for Over {
    fn from(_: End) -> Self {
        Self
    }
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl<H: Handler> Connection<'_, H> {
    async fn serve(&mut self) -> Result<(), Over> {
        let mut input = vec![0; READ_BYTES];
        // Nobody opens a connection to say nothing: the first head has its time from the accept.
        let mut phase = Waiting::Head;
        self.watched.set(Instant::now() + self.shared.config.timeouts.head);
        loop {
            let count = match self.read(&mut input, phase == Waiting::Idle).await {
                Ok(Ok(0) | Err(_)) | Err(End::Killed | End::Stopping) => return Ok(()),
                Ok(Ok(count)) => count,
                Err(End::Deadline) if phase == Waiting::Idle => return Ok(()),
                Err(End::Deadline) => {
                    count(&self.shared.stats.timeouts_total);
                    return self.end_with(refuse(408, "timeout", "the request did not arrive in time")).await;
                }
            };
            self.reader.handle_bytes(input.get(..count).unwrap_or_default());
            let before = self.requests;
            self.drain().await?;
            self.flush().await?;
            if !self.charge(self.reader.memory_bytes() as u64) {
                return self.end_with(refuse(503, "busy", "too many requests are arriving at once")).await;
            }
            let next = self.reader.waiting_for();
            if next != phase || self.requests != before {
                phase = next;
                let timeouts = &self.shared.config.timeouts;
                let time = match phase {
                    Waiting::Idle => timeouts.idle,
                    Waiting::Head => timeouts.head,
                    Waiting::Body => timeouts.body,
                };
                self.watched.set(Instant::now() + time);
            }
        }
    }

    async fn read(&mut self, input: &mut [u8], heed_stop: bool) -> Result<io::Result<usize>, End> {
        let (stream, watched) = (&mut self.stream, &self.watched);
        std::future::poll_fn(|cx| match Pin::new(&mut *stream).poll_read(cx, input) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending => watched.poll_end(cx, heed_stop).map(Err),
        })
        .await
    }

    /// Answers all that is whole.
    async fn drain(&mut self) -> Result<(), Over> {
        loop {
            match self.reader.poll_input() {
                Ok(Input::Request(request)) => self.answer(*request).await?,
                Ok(Input::Continue) => self.out.extend_from_slice(CONTINUE),
                Ok(Input::More) => return Ok(()),
                Err(error) => {
                    count(&self.shared.stats.bad_total);
                    self.end_with(wire_refusal(error)).await?;
                    return Err(Over);
                }
            }
        }
    }

    async fn answer(&mut self, request: Request) -> Result<(), Over> {
        self.requests = self.requests.wrapping_add(1);
        let (version, head_only, keep_alive) = (request.version, request.method == Method::Head, request.keep_alive);
        let response = match self.shared.refusal(&request) {
            Some(refused) => refused,
            None => {
                self.watched.set(Instant::now() + self.shared.config.timeouts.handler);
                match self.watched.race(false, self.shared.handler.handle(request)).await {
                    Ok(response) => response,
                    Err(End::Deadline) => too_slow(),
                    Err(End::Stopping | End::Killed) => return Err(Over),
                }
            }
        };
        let keep_alive = keep_alive && !response.close && !self.shared.watch.stopping();
        self.write(&response, head_only, version, keep_alive);
        if !keep_alive {
            self.finish().await?;
            return Err(Over);
        }
        if self.out.len() >= FLUSH_BYTES {
            self.flush().await?;
        }
        if self.requests.is_multiple_of(TURN_REQUESTS) {
            rt::yield_now().await;
        }
        Ok(())
    }

    fn write(&mut self, response: &Response, head_only: bool, version: Version, keep_alive: bool) {
        self.shared.note(response);
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        response.write(&mut self.out, Written { head_only, version, keep_alive, date: self.date.at(unix_s) });
    }

    async fn flush(&mut self) -> Result<(), Over> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.watched.set(Instant::now() + self.shared.config.timeouts.write);
        self.watched.race(false, self.stream.write_all(&self.out)).await??;
        self.out.clear();
        // A long answer must not pin its memory for the life of the connection.
        self.out.shrink_to(FLUSH_BYTES);
        Ok(())
    }

    /// Says `response` as the last word.
    async fn end_with(&mut self, response: Response) -> Result<(), Over> {
        self.write(&response, false, Version::Http11, false);
        self.finish().await
    }

    /// Writes what is left and closes so that the client can read it: closing at once with bytes unread would send a
    /// reset, which may overtake the answer (RFC 9112 §9.6).
    async fn finish(&mut self) -> Result<(), Over> {
        // No request will come of what was read; others may need its memory while this one lingers.
        self.reader = RequestReader::new(self.shared.config.limits);
        self.charge(0);
        self.flush().await?;
        self.watched.race(false, self.stream.shutdown(Shutdown::Write)).await??;
        self.watched.set(Instant::now() + LINGER);
        let mut rest = [0; 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match self.read(&mut rest, true).await {
                Ok(Ok(count @ 1..)) => left = left.saturating_sub(count),
                Ok(Ok(0) | Err(_)) | Err(_) => break,
            }
        }
        Ok(())
    }

    /// Holds `bytes` of the server's budget; false if that is more than there is.
    fn charge(&mut self, bytes: u64) -> bool {
        let held = &self.shared.stats.buffered_bytes;
        let total = held.get().saturating_sub(self.charged).saturating_add(bytes);
        held.set(total);
        self.charged = bytes;
        // Small requests pass even then: one connection's first 64 KiB are in the sum of `connections_max`.
        bytes <= FREE_BYTES || total <= self.shared.config.buffered_bytes_max as u64
    }
}

/// One read. Most requests are below 1 KiB; a pipelining client fills it.
const READ_BYTES: usize = 8 << 10;
/// Responses are written together up to here.
const FLUSH_BYTES: usize = 64 << 10;
/// About 64 × 10 µs = 0.6 ms between two turns of the other tasks.
const TURN_REQUESTS: u32 = 64;
/// Never refused for the sake of the budget: a head (16 KiB) and the usual body. 1024 connections × 64 KiB = 64 MiB.
const FREE_BYTES: u64 = 64 << 10;
/// How long, and how much, a refused client may go on sending before its connection closes.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;
