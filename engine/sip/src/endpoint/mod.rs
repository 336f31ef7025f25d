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
mod config;
mod output;

pub use config::{EndpointConfig, Listener};
pub use output::{Datagram, Output, ResolveError, ResolveId};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::api::{Command, CommandError, Reply};
use crate::directory::Directory;

/// The SIP server.
pub struct Endpoint {
    config: EndpointConfig,
    directory: Directory,
    outputs: VecDeque<Output>,
    garbage: u64,
}

impl Endpoint {
    /// A server with an empty directory. `epoch_ms` is the wall clock at `now`, in milliseconds since 1970.
    pub fn new(config: EndpointConfig, seed: [u8; 32], now: Instant, epoch_ms: u64) -> Self {
        let _ = (seed, now, epoch_ms);
        let directory = Directory::new(config.directory.clone());
        Self { config, directory, outputs: VecDeque::new(), garbage: 0 }
    }

    /// Takes a datagram of the network.
    pub fn handle_datagram(&mut self, datagram: Datagram<'_>, now: Instant) {
        let _ = (datagram.listener, datagram.from, datagram.bytes, now);
        self.garbage += 1;
    }

    /// Takes the time that was asked for.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
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
        let _ = now;
        match command {
            Command::DirReplace { .. }
            | Command::DirUpdate { .. }
            | Command::DirUser { .. }
            | Command::DirGet { .. }
            | Command::DirDelete { .. } => self.directory_command(command),
            Command::RegGet { .. } | Command::Originate(_) | Command::Act { .. } | Command::DialogGet { .. } => {
                Err(CommandError::Impossible("not served by this build".into()))
            }
            Command::Status => Ok(Reply::Status(vec![("listeners", self.config.listeners.len() as u64), ("garbage", self.garbage)])),
        }
    }

    /// No new calls from now on: theirs are answered 503, ours refused. Live calls go on.
    pub fn drain(&mut self) {}

    /// As `drain`, and ends every live call: BYE, CANCEL or 503.
    pub fn shutdown(&mut self, now: Instant) {
        let _ = now;
    }

    /// Neither calls nor transactions are left: the driver may stop.
    pub fn is_idle(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The next thing to do; drain until `Wait`.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
    }
}
