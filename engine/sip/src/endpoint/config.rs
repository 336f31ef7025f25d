//! What an endpoint is told once: its sockets, its rules, its limits.
//!
//! Shape:  plain data with sensible defaults for everything but the listeners.
//! Units:  `Duration`; table sizes in entries.
//! Errors: none; an endpoint without listeners answers nothing and calls nobody.

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::{AuthConfig, Network};
use crate::directory::DirectoryConfig;
use crate::flow::Transport;
use crate::package::{PublicationConfig, WatcherConfig};
use crate::registrar::RegistrarConfig;
use crate::shard::Sharding;
use crate::transaction::{Limits, Timing};

/// A socket of the driver. Its place in [`EndpointConfig::listeners`] is its [`ListenerId`](crate::flow::ListenerId).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Address that the far end can reach: it stands in Via and Contact. Its family is that of the socket.
    pub advertised: SocketAddr,
    /// Protocol of the socket.
    pub transport: Transport,
}

/// Settings of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Sockets, in the order of their ids. Those of connections are there once for each shard, all of one before those of the next:
    /// a connection has one owner.
    pub listeners: Vec<Listener>,
    /// Which of several endpoints this is.
    pub shard: Sharding,
    /// Value of User-Agent and Server.
    pub agent: String,
    /// Peers whose calls are not challenged, and whose budget is ten times that of others: gateways that are known by address.
    pub trusted: Vec<Network>,
    /// Live calls; one more is answered 503. Each is at most 8 KiB when answered: 20 000 × 8 KiB = 160 MiB.
    pub calls_max: usize,
    /// A call that is not answered by then ends: 480 to theirs, CANCEL of ours.
    pub setup_timeout: Duration,
    /// The same for a call with early media (183): announcements and queues may be longer than anybody lets a phone ring.
    pub early_timeout: Duration,
    /// Session interval that we ask for (RFC 4028): a call whose far end has gone ends within it. At least 90 s.
    pub session_expires: Duration,
    /// A call ends after this time whatever happens, so that none stays for ever.
    pub call_duration_max: Duration,
    /// A re-INVITE or UPDATE that control does not answer by then is answered with our last description.
    pub offer_timeout: Duration,
    /// Idempotency keys of originated calls are remembered this long.
    pub idempotency_kept: Duration,
    /// Digest.
    pub auth: AuthConfig,
    /// Directory.
    pub directory: DirectoryConfig,
    /// Registrar.
    pub registrar: RegistrarConfig,
    /// Subscriptions.
    pub watchers: WatcherConfig,
    /// Published state.
    pub publications: PublicationConfig,
    /// Transactions.
    pub limits: Limits,
    /// Timers of RFC 3261.
    pub timing: Timing,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            shard: Sharding::single(),
            agent: concat!("mediaswitch/", env!("CARGO_PKG_VERSION")).to_owned(),
            trusted: Vec::new(),
            calls_max: 20_000,
            setup_timeout: Duration::from_secs(180),
            early_timeout: Duration::from_secs(3600),
            session_expires: Duration::from_secs(1800),
            call_duration_max: Duration::from_secs(24 * 3600),
            offer_timeout: Duration::from_secs(5),
            idempotency_kept: Duration::from_secs(300),
            auth: AuthConfig::default(),
            directory: DirectoryConfig::default(),
            registrar: RegistrarConfig::default(),
            watchers: WatcherConfig::default(),
            publications: PublicationConfig::default(),
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}
