//! The routes of project-sip and project-rtp: a request in, a command to the core, a response out.
//!
//! ```text
//!   Request ─► SipApi ─► dir | reg | dialog | trunk | status ─► json ─► SipBackend::call ─► json ─► Response
//!   Request ─► RtpApi ─► channel | status            ─► json ─► RtpBackend::call ─► json ─► Response
//! ```
//! Shape:  generic over the backends; the engine implements them over its mesh, tests by a table.
//! Errors: [`Refusal`], one response per kind: `{"error":"stable_code","detail":"for people"}`.
//! Not here: sockets, tokens and time-outs (`server`), what a command does (`sip`, `rtp`).
//! Source: `docs/openapi.yaml`.

mod channel;
mod dialog;
mod dir;
mod mwi;
mod refusal;
mod reg;
mod status;
#[cfg(test)]
mod tests;
mod trunk;

use std::future::Future;
use std::rc::Rc;

use serde_json::{Map, Value};

pub use refusal::Refusal;
pub(crate) use refusal::{refuse, wire_refusal};

use crate::resolve::Resolver;
use crate::server::{Handler, ServerStats};
use crate::wire::{Method, Request, Response};

/// Where commands to the SIP core go.
pub trait SipBackend {
    /// Runs one command. A queue that is full answers at once with [`sip::api::CommandError::Full`].
    fn call(&self, command: sip::api::Command) -> impl Future<Output = Result<sip::api::Reply, sip::api::CommandError>>;
}

/// Where commands to the media core go.
pub trait RtpBackend {
    /// Runs one command. A queue that is full answers at once with [`rtp::api::CommandError::Unavailable`].
    fn call(&self, command: rtp::api::Command) -> impl Future<Output = Result<rtp::api::Reply, rtp::api::CommandError>>;
}

/// What every program says of itself.
pub trait Program {
    /// Its part of `GET /status`: version, uptime, cores, load, limits, backends. Numbers also become metrics.
    fn status(&self) -> Map<String, Value>;

    /// Does the process work? The text of the error is for people.
    ///
    /// # Errors
    /// What is broken.
    fn health(&self) -> Result<(), String>;

    /// Does it take new work?
    ///
    /// # Errors
    /// Why not: starting, draining, overloaded.
    fn ready(&self) -> Result<(), String>;

    /// Takes no new work from now on; what runs may end.
    fn drain(&self);
}

/// The API of project-sip.
#[derive(Debug)]
pub struct SipApi<B, P> {
    /// The SIP core.
    pub backend: B,
    /// The program around it.
    pub program: P,
    /// Figures of the server that calls us.
    pub server: Rc<ServerStats>,
}

impl<B: SipBackend, P: Program> Handler for SipApi<B, P> {
    async fn handle(&self, request: Request) -> Response {
        self.route(&request).await.unwrap_or_else(|refusal| refusal.response())
    }
}

impl<B: SipBackend, P: Program> SipApi<B, P> {
    async fn route(&self, request: &Request) -> Result<Response, Refusal> {
        let segments: Vec<&str> = request.path.segments().collect();
        let method = reading(request.method);
        match segments.as_slice() {
            ["dir", rest @ ..] => dir::route(&self.backend, method, rest, &request.body).await,
            ["mwi", rest @ ..] => mwi::route(&self.backend, method, rest, &request.body).await,
            ["reg", rest @ ..] => reg::route(&self.backend, method, rest).await,
            ["trunk", rest @ ..] => trunk::route(&self.backend, method, rest, &request.body).await,
            ["dialog", rest @ ..] => dialog::route(&self.backend, method, rest, request.query_value("control"), &request.body).await,
            ["invite"] => dialog::invite(&self.backend, method, &request.body).await,
            [word] => {
                let report = async || match self.backend.call(sip::api::Command::Status).await {
                    Ok(sip::api::Reply::Status(numbers)) => Some(("sip", numbers)),
                    Ok(_) | Err(_) => None,
                };
                status::route(&self.program, &self.server, method, word, report).await
            }
            _ => Err(Refusal::NoRoute),
        }
    }
}

/// The API of project-rtp.
#[derive(Debug)]
pub struct RtpApi<B, P> {
    /// The media core.
    pub backend: B,
    /// The program around it.
    pub program: P,
    /// Figures of the server that calls us.
    pub server: Rc<ServerStats>,
    /// Finds the address of a far end that is given by name.
    pub resolver: Rc<Resolver>,
}

impl<B: RtpBackend, P: Program> Handler for RtpApi<B, P> {
    async fn handle(&self, request: Request) -> Response {
        self.route(&request).await.unwrap_or_else(|refusal| refusal.response())
    }
}

impl<B: RtpBackend, P: Program> RtpApi<B, P> {
    async fn route(&self, request: &Request) -> Result<Response, Refusal> {
        let segments: Vec<&str> = request.path.segments().collect();
        let method = reading(request.method);
        match segments.as_slice() {
            ["channel", rest @ ..] => {
                let named = request.query_value("id");
                channel::route(&self.backend, &self.resolver, method, rest, named.as_deref(), &request.body).await
            }
            // The documentation opens a channel at the root.
            [] if method == Method::Post => channel::route(&self.backend, &self.resolver, method, &[], None, &request.body).await,
            [] => Err(Refusal::NotAllowed("POST")),
            [word] => {
                let report = async || match self.backend.call(rtp::api::Command::Status).await {
                    Ok(rtp::api::Reply::Status(numbers)) => Some(("rtp", numbers)),
                    Ok(_) | Err(_) => None,
                };
                status::route(&self.program, &self.server, method, word, report).await
            }
            _ => Err(Refusal::NoRoute),
        }
    }
}

/// HEAD asks what GET would answer; the writer leaves the body out (RFC 9110 §9.3.2).
const fn reading(method: Method) -> Method {
    match method {
        Method::Head => Method::Get,
        other => other,
    }
}

/// A JSON response.
pub(crate) fn json(status: u16, value: &Value) -> Response {
    // Writing a Value to memory cannot fail: its keys are strings and its numbers finite.
    Response::with_body(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// Done, with nothing to say: an empty object, so that clients which parse every body need no special case.
fn done(status: u16) -> Response {
    Response::with_body(status, "application/json", *b"{}")
}
