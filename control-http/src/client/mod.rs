//! The HTTP client: requests to control servers and media nodes over kept connections.
//!
//! ```text
//!   request ──► Url ─┬─ a server of this executor ─► `local` ─► Answer
//!                    └─ pool ─┬─ kept connection ─► write ─► ResponseReader ─► Answer ─► back to the pool
//!                             └─ resolve ─► connect
//! ```
//! Shape:  at most `in_flight_max` requests, `idle_max` kept connections in all and `idle_per_origin_max` to one origin.
//!         An answer is bounded by `limits`.
//! Units:  the time-out of a request covers all of it, and is met up to 250 ms late.
//! Errors: [`ClientError`]; a status is no error.
//! Again:  a kept connection that the server closed meanwhile is no failure: when nothing at all was answered on it, the
//!         request is sent once more on a new one.
//! Source: RFC 9112 §9.3 to §9.5 (persistence, retry, time-outs).

mod pool;
#[cfg(test)]
mod tests;
mod url;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rt::{AsyncRead, AsyncWriteExt, TcpStream, oneshot};

pub use url::{BadUrl, Url};

use crate::local::{self, Local, Then};
use crate::resolve::{ResolveError, Resolver};
use crate::routes::wire_refusal;
use crate::server::Token;
use crate::watch::Watch;
use crate::wire::{Answer, Headers, Limits, Method, Request, Response, ResponseReader, WireError, write_request};
use pool::Pool;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// What one answer may take.
    pub limits: Limits,
    /// To open a connection to one address.
    pub connect: Duration,
    /// For a whole request, unless it brings its own.
    pub request: Duration,
    /// How long a connection is kept unused; less than servers keep theirs (ours 75 s).
    pub idle: Duration,
    /// Kept connections, in all.
    pub idle_max: usize,
    /// Kept connections to one origin.
    pub idle_per_origin_max: usize,
    /// Requests at once. Memory: 512 × (1 MiB answer at worst) for peers that are all hostile; a usual answer is 1 KiB.
    pub in_flight_max: usize,
    /// The token presented with each request.
    pub token: Option<Token>,
}

impl Default for ClientConfig {
    /// 2 s to connect, 10 s in all, 256 connections kept for 50 s, 32 an origin, 512 requests at once, no token.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connect: Duration::from_secs(2),
            request: Duration::from_secs(10),
            idle: Duration::from_secs(50),
            idle_max: 256,
            idle_per_origin_max: 32,
            in_flight_max: 512,
            token: None,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The URL is not one of ours.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// The host has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// No address of the host took the connection.
    #[error("cannot connect: {0}")]
    Connect(io::ErrorKind),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(io::ErrorKind),
    /// What came is not HTTP, or too large.
    #[error("bad answer: {0}")]
    Answer(#[from] WireError),
    /// The time is over.
    #[error("no answer in time")]
    Timeout,
    /// Too many requests are under way.
    #[error("{0} requests are under way, as many as may be")]
    Busy(usize),
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// Method.
    pub method: Method,
    /// Where to.
    pub url: &'a Url,
    /// Headers besides Host, Content-Length and Authorization.
    pub headers: &'a [(&'a str, &'a str)],
    /// Body.
    pub body: &'a [u8],
    /// For the whole request; `None` takes the configured time.
    pub timeout: Option<Duration>,
}

impl<'a> Outgoing<'a> {
    /// A request with a JSON body.
    pub fn json(method: Method, url: &'a Url, body: &'a [u8]) -> Self {
        Self { method, url, headers: JSON, body, timeout: None }
    }
}

/// A client with its pool; one per executor.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    resolver: Rc<Resolver>,
    pool: Pool,
    watch: Rc<Watch>,
    connects: Cell<u64>,
    requests: Cell<u64>,
    authorization: Option<String>,
}

impl Client {
    /// A client. Must be made inside an executor: it starts the task that watches its deadlines.
    pub fn new(config: ClientConfig, resolver: Rc<Resolver>) -> Self {
        let watch = Rc::new(Watch::default());
        drop(rt::spawn_local(Rc::clone(&watch).tick()));
        let pool = Pool::new(config.idle, config.idle_max, config.idle_per_origin_max);
        let authorization = config.token.as_ref().map(Token::authorization);
        Self { config, resolver, pool, watch, connects: Cell::new(0), requests: Cell::new(0), authorization }
    }

    /// Sends `request` and waits for the answer, whatever its status.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn request(&self, request: &Outgoing<'_>) -> Result<Answer, ClientError> {
        if self.watch.count() >= self.config.in_flight_max {
            return Err(ClientError::Busy(self.config.in_flight_max));
        }
        self.requests.set(self.requests.get().wrapping_add(1));
        let watched = self.watch.enter();
        let limit = request.timeout.unwrap_or(self.config.request);
        if let Some(server) = local::find(request.url) {
            return self.ask_within(server, request, limit).await;
        }
        watched.set(Instant::now() + limit);
        watched.race(false, self.exchange(request)).await.unwrap_or(Err(ClientError::Timeout))
    }

    /// Has a server of this executor answer, at once if it can: without a task, and with a body that moves. `then` is told once, maybe
    /// from within. Of another server both come back, for [`Self::request`]; `body` stands in place of that of `request`.
    ///
    /// # Errors
    /// `body` and `then`.
    pub fn ask_here<T>(&self, request: &Outgoing<'_>, body: Vec<u8>, then: T) -> Result<(), (Vec<u8>, T)>
    where
        T: FnOnce(Result<Answer, ClientError>) + 'static,
    {
        let Some(server) = local::find(request.url) else { return Err((body, then)) };
        if self.watch.count() >= self.config.in_flight_max {
            then(Err(ClientError::Busy(self.config.in_flight_max)));
            return Ok(());
        }
        self.requests.set(self.requests.get().wrapping_add(1));
        let (watched, method, max) = (self.watch.enter(), request.method, self.config.limits.body_bytes_max);
        match self.incoming(method, request.url, request.headers, body) {
            Ok(incoming) => {
                let then = move |response| {
                    drop(watched);
                    then(answer_of(response, method, max));
                };
                server.ask(incoming, request.timeout.unwrap_or(self.config.request), Box::new(then));
            }
            Err(error) => {
                drop(watched);
                then(Ok(wire_refusal(error).into_answer(method)));
            }
        }
        Ok(())
    }

    /// Asks a server of this executor.
    async fn ask_within(&self, server: Rc<dyn Local>, request: &Outgoing<'_>, limit: Duration) -> Result<Answer, ClientError> {
        let (sender, answered) = oneshot();
        let then: Then = Box::new(move |response| {
            // Whoever asked may have gone meanwhile.
            let _ = sender.send(response);
        });
        match self.incoming(request.method, request.url, request.headers, request.body.to_vec()) {
            Ok(incoming) => server.ask(incoming, limit, then),
            Err(error) => return Ok(wire_refusal(error).into_answer(request.method)),
        }
        answer_of(answered.await.ok().flatten(), request.method, self.config.limits.body_bytes_max)
    }

    /// A request as a server of this executor takes it, with our token.
    pub(crate) fn incoming(&self, method: Method, url: &Url, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Request, WireError> {
        let headers = Headers::of(headers.iter().copied().chain(self.token()));
        Ok(Request { headers, ..Request::new(method, url.target(), body)? })
    }

    fn token(&self) -> Option<(&str, &str)> {
        self.authorization.as_deref().map(|value| ("Authorization", value))
    }

    /// Requests sent, and connections opened for them.
    pub fn counts(&self) -> (u64, u64) {
        (self.requests.get(), self.connects.get())
    }

    async fn exchange(&self, request: &Outgoing<'_>) -> Result<Answer, ClientError> {
        let mut bytes = Vec::with_capacity(256 + request.body.len());
        self.write(request, &mut bytes);
        if let Some(mut stream) = self.pool.take(request.url, Instant::now()) {
            match self.converse(&mut stream, request.method, &bytes).await {
                Ok(answer) => {
                    self.keep(request.url, stream, &answer);
                    return Ok(answer);
                }
                Err(Failure { error, untouched: false }) => return Err(error),
                // The server closed it while it lay in the pool (RFC 9112 §9.3.1).
                Err(Failure { untouched: true, .. }) => {}
            }
        }
        let mut stream = self.connect(request.url).await?;
        let answer = self.converse(&mut stream, request.method, &bytes).await.map_err(|failure| failure.error)?;
        self.keep(request.url, stream, &answer);
        Ok(answer)
    }

    /// What one answer may take.
    pub(crate) fn limits(&self) -> Limits {
        self.config.limits
    }

    /// Appends the bytes of a request, with our token.
    pub(crate) fn write(&self, request: &Outgoing<'_>, out: &mut Vec<u8>) {
        let headers = request.headers.iter().copied().chain(self.token());
        write_request(out, request.method, request.url.authority(), request.url.target(), headers, request.body);
    }

    fn keep(&self, url: &Url, stream: TcpStream, answer: &Answer) {
        if answer.keep_alive {
            self.pool.put(url, stream, Instant::now());
        }
    }

    /// A new connection to the origin of `url`.
    pub(crate) async fn connect(&self, url: &Url) -> Result<TcpStream, ClientError> {
        let addresses: Vec<SocketAddr> = self.resolver.lookup(url.host(), url.port()).await?;
        let mut last = ClientError::Connect(io::ErrorKind::AddrNotAvailable);
        for address in addresses.into_iter().take(ADDRESSES_TRIED) {
            self.connects.set(self.connects.get().wrapping_add(1));
            match rt::connect(address, self.config.connect).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = ClientError::Connect(error.kind()),
            }
        }
        Err(last)
    }

    async fn converse(&self, stream: &mut TcpStream, method: Method, bytes: &[u8]) -> Result<Answer, Failure> {
        let mut reader = ResponseReader::new(method, self.config.limits);
        let broken = |error: &io::Error, untouched| Failure { error: ClientError::Broken(error.kind()), untouched };
        // A server may answer before it has read all, and close: a failed write does not mean that nothing came.
        let written = stream.write_all(bytes).await;
        // On the heap: within, it would be moved with the task of each request.
        let mut input = vec![0; READ_BYTES];
        loop {
            let count = match std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut input)).await {
                Ok(count) => count,
                Err(error) => return Err(broken(written.as_ref().err().unwrap_or(&error), reader.untouched())),
            };
            reader.handle_bytes(input.get(..count).unwrap_or_default());
            let untouched = reader.untouched();
            let refused = |error: WireError| Failure { error: error.into(), untouched };
            if count == 0 {
                reader.handle_eof().map_err(refused)?;
            }
            if let Some(mut answer) = reader.poll_answer().map_err(refused)? {
                // Bytes past the end belong to no request of ours: the connection is not to be trusted further.
                answer.keep_alive &= written.is_ok() && count > 0 && !reader.has_rest();
                return Ok(answer);
            }
        }
    }
}

/// What a server of this executor said, as an answer over a socket would be taken.
fn answer_of(response: Option<Response>, method: Method, max: usize) -> Result<Answer, ClientError> {
    let response = response.ok_or(ClientError::Timeout)?;
    if response.body.len() > max {
        return Err(WireError::BodyTooLarge { max }.into());
    }
    Ok(response.into_answer(method))
}

impl Drop for Client {
    fn drop(&mut self) {
        self.watch.kill();
    }
}

/// A conversation that failed. `untouched`: not one byte was answered.
struct Failure {
    error: ClientError,
    untouched: bool,
}

/// Headers of a request with a JSON body.
pub(crate) const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
/// Addresses of one name that are tried; the time-out of the request bounds the whole.
const ADDRESSES_TRIED: usize = 3;
const READ_BYTES: usize = 4 << 10;
