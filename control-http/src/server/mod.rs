//! The HTTP server: one listener, many connections, one handler.
//!
//! ```text
//!   accept ──► connection task: read ─► wire ─► token? ─► Handler::handle ─► write (all answers of one read at once)
//!   `local` ────────────────────────────────────► token? ─► Handler::handle ─► then
//! ```
//! Shape:  at most `connections_max` connections; beyond that 503 and close. Memory for messages in the making is at most
//!         `buffered_bytes_max` in all, whatever one connection may hold.
//! Units:  [`Timeouts`] are met up to 250 ms late.
//! Errors: none from the loop; a client's fault ends its connection, and is counted.
//! Stop:   on the latch no connection is taken, idle ones close, begun requests are answered, `grace` ends the rest.
//! Source: RFC 9112 §9 (connections), RFC 9110 §15.5.9 (408).

mod asked;
mod connection;
mod policy;
mod stats;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::poll_once;
use rt::{AsyncWriteExt, Latch, TcpListener, TcpStream};

pub use policy::{ListenPolicy, PolicyError, Token};
pub use stats::ServerStats;

use crate::local;
use crate::routes::refuse;
use crate::watch::Watch;
use crate::wire::{Limits, Request, Response};
use stats::count;

/// What answers requests.
pub trait Handler {
    /// The response to `request`. Requests of one connection come one after the other, those of several at once.
    fn handle(&self, request: Request) -> impl Future<Output = Response>;
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a whole head, from its first byte, or from the accept of the first one.
    pub head: Duration,
    /// For a whole body, from the end of its head.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// To take the responses of one read.
    pub write: Duration,
    /// For the handler; then 504.
    pub handler: Duration,
}

impl Default for Timeouts {
    /// 10 s head, 30 s body, 75 s idle, 30 s write, 30 s handler.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(10), body: seconds(30), idle: seconds(75), write: seconds(30), handler: seconds(30) }
    }
}

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// What one message may take.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// Connections at once. Each holds a read buffer of 8 KiB: 1024 × 8 KiB = 8 MiB, before any message.
    pub connections_max: usize,
    /// Bytes held at once for requests that are not whole, of all connections together. Without it 1024 connections could
    /// hold 1024 × (1 MiB + 16 KiB).
    pub buffered_bytes_max: usize,
    /// The token every request must present, but `/health` and `/ready`, which tell nothing.
    pub token: Option<Token>,
    /// How long begun requests may still take after a stop.
    pub grace: Duration,
}

impl Default for ServerConfig {
    /// 1024 connections, 64 MiB, no token, 2 s.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            connections_max: 1024,
            buffered_bytes_max: 64 << 20,
            token: None,
            grace: Duration::from_secs(2),
        }
    }
}

/// What the connections of one server share.
#[derive(Debug)]
pub(super) struct Shared<H> {
    config: ServerConfig,
    handler: Rc<H>,
    stats: Rc<ServerStats>,
    watch: Rc<Watch>,
}

impl<H> Shared<H> {
    /// Counts a request; says why it is not let in, if it is not.
    fn refusal(&self, request: &Request) -> Option<Response> {
        count(&self.stats.requests_total);
        let token = self.config.token.as_ref()?;
        let mut segments = request.path.segments();
        let is_open = matches!((segments.next(), segments.next()), (Some("health" | "ready"), None));
        if is_open || token.allows(&request.headers) {
            return None;
        }
        count(&self.stats.unauthorized_total);
        // RFC 9110 §11.6.1: a 401 names the scheme.
        Some(refuse(401, "unauthorized", "this API asks for its bearer token").header("WWW-Authenticate", "Bearer"))
    }

    /// Counts an answer.
    fn note(&self, response: &Response) {
        if response.status >= 400 {
            count(&self.stats.errors_total);
        }
    }
}

fn too_slow() -> Response {
    refuse(504, "too_slow", "the answer took too long")
}

/// Serves `listener` until `stop` opens. Returns when the last connection has ended, at the latest `config.grace` later.
pub async fn serve<H: Handler + 'static>(listener: TcpListener, handler: Rc<H>, config: ServerConfig, stats: Rc<ServerStats>, stop: Latch) {
    let watch = Rc::new(Watch::default());
    let ticker = rt::spawn_local(Rc::clone(&watch).tick());
    let shared = Rc::new(Shared { config, handler, stats, watch });
    let offer = local::offer(listener.local_addr(), Rc::<Shared<H>>::clone(&shared));
    let mut stopped = std::pin::pin!(stop.wait());
    loop {
        let mut accept = std::pin::pin!(listener.accept());
        let accepted = std::future::poll_fn(|cx| match stopped.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => accept.as_mut().poll(cx).map(Some),
        });
        let Some((stream, peer)) = accepted.await else { break };
        tracing::trace!(%peer, "connection");
        if let Err(stream) = take(&shared, stream) {
            count(&shared.stats.refused_total);
            refuse_connection(stream).await;
        }
    }
    drop(offer);
    drop(listener);
    shared.watch.stop();
    // The grace is no error when it runs out: whoever is left has had the time.
    let _ = rt::timeout(shared.config.grace, shared.watch.emptied()).await;
    shared.watch.kill();
    let _ = rt::timeout(KILL_PATIENCE, shared.watch.emptied()).await;
    ticker.await;
}

/// Serves a new connection; gives it back if there are too many.
fn take<H: Handler + 'static>(shared: &Rc<Shared<H>>, stream: TcpStream) -> Result<(), TcpStream> {
    count(&shared.stats.connections_total);
    if shared.watch.count() >= shared.config.connections_max {
        return Err(stream);
    }
    let watched = shared.watch.enter();
    let shared = Rc::clone(shared);
    // Detached: it ends by itself, at the latest when the watch is killed.
    drop(rt::spawn_local(async move { connection::run(&shared, stream, watched).await }));
    Ok(())
}

/// Says 503 if the socket takes it at once, as a new one does, and closes.
async fn refuse_connection(mut stream: TcpStream) {
    let _ = poll_once(stream.write_all(BUSY)).await;
}

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
Content-Length: 61\r\nConnection: close\r\n\r\n{\"error\":\"busy\",\"detail\":\"too many connections are open now\"}";

/// A killed connection only has to be polled once more.
const KILL_PATIENCE: Duration = Duration::from_millis(500);
