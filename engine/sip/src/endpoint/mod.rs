//! The SIP server as one machine: datagrams, commands and time in; datagrams, events and lookups out.
//!
//! ```text
//!   handle_datagram ─► message ─► transaction ─► screen ─► registrar | call | stateless answer
//!   command (control-http) ─► directory | registrar | call          poll_output ─► Transmit | Event | Resolve | Wait
//! ```
//! Shape:  one endpoint per signalling shard; every table has a limit in [`EndpointConfig`].
//! Units:  `Instant` from the driver; epochs are computed from the wall clock told once.
//! Errors: what a peer does wrong is answered or dropped and counted; what control does wrong is a `CommandError`.
//! Driving: after every `handle_*` and every `command` drain [`Endpoint::poll_output`] until `Wait`.
//! Randomness: one seeded generator; the driver takes the seed from the system, tests give a fixed one.
//! Source: RFC 3261 §8.1, §8.2 (UAC and UAS core).

mod admin;
mod clock;
mod config;
mod dispatch;
#[allow(dead_code, reason = "the call core that uses it comes next")]
mod extra;
mod identify;
mod output;
mod ping;
#[allow(dead_code, reason = "the call core that uses it comes next")]
mod reason;
mod register;
#[allow(dead_code, reason = "the call core that uses it comes next")]
mod reply;
mod screen;
mod source;
mod stats;
#[cfg(test)]
mod tests;

pub use config::{EndpointConfig, Listener};
pub use output::{Datagram, Output, ResolveError, ResolveId};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::api::{Command, CommandError, Reply};
use crate::auth::Authenticator;
use crate::directory::Directory;
use crate::flow::Flow;
use crate::registrar::Registrar;
use crate::token::Tokens;
use crate::transaction::{Layer, LayerOutput};
use clock::WallClock;
use stats::Stats;

/// What we tell those whom we cannot serve now, seconds.
const RETRY_AFTER_S: u32 = 5;

/// The SIP server.
pub struct Endpoint {
    config: EndpointConfig,
    clock: WallClock,
    rng: ChaCha12Rng,
    tokens: Tokens,
    tag_secret: u64,
    auth: Authenticator,
    directory: Directory,
    registrar: Registrar,
    layer: Layer<Owner>,
    outputs: VecDeque<Output>,
    stats: Stats,
    draining: bool,
}

/// Whose a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Nobody waits for anything.
    Nobody,
}

impl Endpoint {
    /// A server with an empty directory. `epoch_ms` is the wall clock at `now`, in milliseconds since 1970.
    pub fn new(config: EndpointConfig, seed: [u8; 32], now: Instant, epoch_ms: u64) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut seed_of = || {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            seed
        };
        let (layer_seed, token_seed) = (seed_of(), seed_of());
        Self {
            clock: WallClock::new(now, epoch_ms),
            tokens: Tokens::new(token_seed),
            tag_secret: rng.next_u64(),
            auth: Authenticator::new(config.auth.clone(), &mut rng, now),
            rng,
            directory: Directory::new(config.directory.clone()),
            registrar: Registrar::new(config.registrar.clone(), now),
            layer: Layer::new(config.limits, config.timing, layer_seed, now),
            config,
            outputs: VecDeque::new(),
            stats: Stats::default(),
            draining: false,
        }
    }

    /// Takes a datagram of the network.
    pub fn handle_datagram(&mut self, datagram: Datagram<'_>, now: Instant) {
        self.dispatch(datagram, now);
        self.settle(now);
    }

    /// Takes the time that was asked for.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        self.registrar.handle_timeout(now);
        self.settle(now);
    }

    /// The event of a new call could not be delivered: the call is answered 503.
    pub fn handle_control_failed(&mut self, callid: &str, now: Instant) {
        let _ = (callid, now);
    }

    /// Takes the answer to a [`Output::Resolve`], best address first.
    pub fn handle_resolved(&mut self, id: ResolveId, addresses: Result<Vec<SocketAddr>, ResolveError>, now: Instant) {
        let _ = (id, addresses, now);
    }

    /// Does what the HTTP API asks.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn command(&mut self, command: Command, now: Instant) -> Result<Reply, CommandError> {
        let reply = match command {
            Command::DirReplace { .. }
            | Command::DirUpdate { .. }
            | Command::DirUser { .. }
            | Command::DirGet { .. }
            | Command::DirDelete { .. } => self.directory_command(command),
            Command::RegGet { domain: None, .. } => Ok(Reply::RegCount(self.registrar.len() as u64)),
            Command::RegGet { domain: Some(domain), user } => {
                self.registrations(&domain, user.as_deref(), now).map(Reply::Registrations).ok_or(CommandError::NotFound(domain))
            }
            Command::Originate(_) | Command::Act { .. } | Command::DialogGet { .. } => {
                Err(CommandError::Impossible("not served by this build".into()))
            }
            Command::Status => Ok(Reply::Status(self.status())),
        };
        self.settle(now);
        reply
    }

    /// No new calls from now on: theirs are answered 503, ours refused. Live calls go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// As `drain`, and ends every live call: BYE, CANCEL or 503.
    pub fn shutdown(&mut self, now: Instant) {
        self.drain();
        self.settle(now);
    }

    /// Neither calls nor unsent output are left: the driver may stop.
    pub fn is_idle(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The next thing to do; drain until `Wait`.
    pub fn poll_output(&mut self) -> Output {
        match self.outputs.pop_front() {
            Some(output) => output,
            None => Output::Wait([self.layer_deadline(), self.registrar.next_deadline()].into_iter().flatten().min()),
        }
    }

    /// Collects what the machines inside have to say.
    fn settle(&mut self, _now: Instant) {
        loop {
            match self.layer.poll_output() {
                LayerOutput::Transmit { flow, bytes } => {
                    let bytes = bytes.to_vec();
                    self.transmit(flow, Some(bytes));
                }
                LayerOutput::Event { .. } => {}
                LayerOutput::Wait(_) => break,
            }
        }
        while let Some(ping) = self.registrar.poll_ping() {
            self.send_ping(&ping);
        }
        while let Some(event) = self.registrar.poll_event() {
            self.tell_registration(event);
        }
    }

    fn layer_deadline(&mut self) -> Option<Instant> {
        match self.layer.poll_output() {
            LayerOutput::Wait(deadline) => deadline,
            LayerOutput::Transmit { .. } | LayerOutput::Event { .. } => None,
        }
    }

    /// What stands in Via and Contact of messages on this hop.
    fn advertised(&self, flow: Flow) -> Option<SocketAddr> {
        self.config.listeners.get(usize::from(flow.listener.0)).map(|listener| listener.advertised)
    }
}
