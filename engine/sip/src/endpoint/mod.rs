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

mod ack;
mod action;
mod admin;
mod answered;
mod auths;
mod call;
mod caller;
mod calls;
mod clock;
mod config;
mod dispatch;
mod ending;
mod event;
mod extra;
mod guard;
mod handover;
mod hop;
mod idempotency;
mod identify;
mod identity;
mod incoming;
mod leg;
mod message;
mod offering;
mod offers;
mod originate;
mod outgoing;
mod output;
mod overload;
mod ping;
mod prack;
mod publish;
mod reach;
mod reason;
mod redirect;
mod register;
mod replaces;
mod reply;
mod screen;
mod session;
mod source;
mod stats;
#[cfg(test)]
mod tests;
mod transfer;
mod trunks;
mod watch;
mod within;

pub use config::{EndpointConfig, Listener};
pub use output::{Datagram, Output, ResolveId};

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::api::{Command, CommandError, ControlUrl, Reply};
use crate::auth::Authenticator;
use crate::defence::Guard;
use crate::directory::Directory;
use crate::flow::ListenerId;
use crate::locate::{Health, LocateError, Target};
use crate::message::StatusCode;
use crate::package::{Mailbox, NotedCalls, Package, Publications, WatcherId, Watchers};
use crate::registrar::Registrar;
use crate::shard::{PeerMessage, Replaceable, ShardId};
use crate::token::Tokens;
use crate::transaction::{Event as TransactionEvent, Layer, LayerOutput, TransactionId};
use call::Phase;
use calls::{CallKey, Calls};
use clock::WallClock;
use idempotency::Keys;
use stats::Stats;

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
    calls: Calls,
    keys: Keys,
    watchers: Watchers,
    publications: Publications,
    noted_calls: NotedCalls,
    /// By `user@domain`; of users of the directory only, so it has its limit.
    mailboxes: HashMap<Box<str>, Mailbox>,
    /// Live connections.
    streams: HashSet<(ListenerId, SocketAddr)>,
    health: Health,
    trunks: trunks::Trunks,
    guard: Guard,
    /// How the request at hand fared, until its source is charged.
    fared: guard::Fared,
    outputs: VecDeque<Output>,
    peers: VecDeque<(ShardId, PeerMessage)>,
    /// What the shard of a call said that the INVITE at hand takes over.
    found: Option<Replaceable>,
    /// Connections of users, those of other shards included.
    moved: HashMap<Box<str>, crate::flow::Flow>,
    stats: Stats,
    lag: overload::Lag,
    /// Control servers that could not keep up in the last ten seconds: no more than had events waiting, which their queue bounds.
    behind: HashMap<ControlUrl, overload::Share>,
    draining: bool,
}

/// Whose a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Nobody waits for anything.
    Nobody,
    /// This call.
    Call(CallKey, Purpose),
    /// A NOTIFY of this subscription.
    Watcher(WatcherId),
    /// This trunk.
    Trunk(u32, trunks::Errand),
}

/// What a transaction is to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Their INVITE that made the call.
    TheirInvite,
    /// A re-INVITE or UPDATE of theirs.
    TheirOffer,
    /// Our INVITE that made the call.
    OurInvite,
    /// A re-INVITE or UPDATE of ours.
    OurOffer,
    /// Our BYE.
    Bye,
    /// INFO of ours.
    Other,
    /// REFER of ours.
    Transfer,
    /// PRACK of ours: whatever becomes of it, the INVITE goes on.
    Prack,
    /// NOTIFY of ours about a transfer: the subscription ends with it, not the call (RFC 5057 §5.1).
    Report,
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
        let rng_word = rng.next_u64();
        Self {
            clock: WallClock::new(now, epoch_ms),
            tokens: Tokens::new(token_seed).marked(config.shard.mark()),
            tag_secret: rng.next_u64(),
            auth: Authenticator::new(config.auth.clone(), &mut rng, now),
            rng,
            directory: Directory::new(config.directory.clone()),
            registrar: Registrar::new(config.registrar.clone(), now),
            layer: Layer::new(config.limits, config.timing, layer_seed, now).marked(config.shard.mark()),
            calls: Calls::new(config.calls_max, now),
            keys: Keys::default(),
            watchers: Watchers::new(config.watchers.clone(), now),
            publications: Publications::new(config.publications.clone(), now),
            noted_calls: NotedCalls::default(),
            mailboxes: HashMap::new(),
            streams: HashSet::new(),
            health: Health::default(),
            trunks: trunks::Trunks::default(),
            guard: Guard::new(rng_word),
            fared: guard::Fared::default(),
            config,
            outputs: VecDeque::new(),
            peers: VecDeque::new(),
            found: None,
            moved: HashMap::new(),
            stats: Stats::default(),
            lag: overload::Lag::default(),
            behind: HashMap::new(),
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
        self.watchers.handle_timeout(now);
        for resource in self.publications.handle_timeout(now) {
            self.watchers.changed(Package::Presence, &resource);
        }
        if self.trunks.due().is_some_and(|due| due <= now) {
            self.trunk_due(now);
        }
        while let Some(key) = self.calls.pop_due(now) {
            self.call_due(key, now);
            self.calls.settle(key);
        }
        self.settle(now);
    }

    /// The event of a new call could not be delivered: the call is answered 503.
    pub fn handle_control_failed(&mut self, callid: &str, now: Instant) {
        if let Some(key) = self.calls.find(callid)
            && self.calls.get(key).is_some_and(|call| !call.view.answered)
        {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.end(key, Some((status, "Control Unreachable".to_owned())), &[], now);
        }
        self.settle(now);
    }

    /// Takes the answer to a [`Output::Resolve`], best address first.
    pub fn handle_resolved(&mut self, id: ResolveId, targets: Result<Vec<Target>, LocateError>, now: Instant) {
        if let Err(targets) = self.trunk_resolved(id, targets, now) {
            self.resolved(id, targets, now);
        }
        self.settle(now);
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
            Command::MailboxSet { domain, user, mailbox } => self.set_mailbox(&domain, &user, mailbox),
            Command::MailboxGet { domain, user } => self.mailbox(&domain, &user),
            Command::Originate(wish) => self.originate(*wish, now),
            Command::Act { callid, action } => self.act(&callid, *action, now),
            Command::DialogList { control } => Ok(Reply::Dialogs {
                count: self.calls.len() as u64,
                counter: self.stats.calls,
                callids: self.calls.controlled_by(&control),
            }),
            Command::DialogGet { callid: None } => Ok(Reply::DialogCount { count: self.calls.len() as u64, counter: self.stats.calls }),
            Command::DialogGet { callid: Some(callid) } => {
                let call = self.calls.find(&callid).and_then(|key| self.calls.get(key));
                call.map(|call| Reply::Dialog(Box::new(call.snapshot()))).ok_or(CommandError::NotFound(callid))
            }
            Command::TrunkPut(config) => self.trunk_put(*config, now),
            Command::TrunkGet { name } => self.trunk_get(name.as_deref(), now),
            Command::TrunkDelete { name } => self.trunk_delete(&name, now),
            Command::Status => Ok(Reply::Status(self.status(now))),
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
        let status = StatusCode::SERVICE_UNAVAILABLE;
        for key in self.calls.keys() {
            let offered = self.calls.get(key).is_some_and(|call| matches!(call.phase, Phase::Offered(_)));
            self.end(key, offered.then(|| (status, status.phrase().to_owned())), &[], now);
            self.calls.settle(key);
        }
        self.watchers.end_all();
        self.trunks_end(now);
        self.settle(now);
    }

    /// Neither calls nor unsent output are left: the driver may stop.
    pub fn is_idle(&self) -> bool {
        self.outputs.is_empty() && self.peers.is_empty() && self.calls.is_empty()
    }

    /// The next thing to do; drain until `Wait`.
    pub fn poll_output(&mut self) -> Output {
        match self.outputs.pop_front() {
            Some(output) => output,
            None => {
                let deadlines = [
                    self.layer_deadline(),
                    self.registrar.next_deadline(),
                    self.calls.next_deadline(),
                    self.watchers.next_deadline(),
                    self.publications.next_deadline(),
                    self.trunks.due(),
                ];
                Output::Wait(deadlines.into_iter().flatten().min())
            }
        }
    }

    /// Collects what the machines inside have to say.
    fn settle(&mut self, now: Instant) {
        loop {
            self.settle_transactions(now);
            while let Some(ping) = self.registrar.poll_ping() {
                self.send_ping(&ping);
            }
            while let Some(event) = self.registrar.poll_event() {
                self.tell_registration(event, now);
            }
            // Each NOTIFY is a transaction, and has something to transmit.
            if !self.send_notices(now) {
                break;
            }
        }
        self.tell_trunks();
    }

    fn settle_transactions(&mut self, now: Instant) {
        loop {
            let output = self.layer.poll_output();
            if let LayerOutput::Event { event, .. } = &output {
                self.stats.timeouts += u64::from(*event == TransactionEvent::TimedOut);
                self.stats.transport_failures += u64::from(*event == TransactionEvent::TransportFailed);
            }
            match output {
                LayerOutput::Transmit { flow, bytes } => {
                    let bytes = bytes.to_vec();
                    self.transmit(flow, Some(bytes));
                }
                LayerOutput::Event { id, user: Owner::Call(key, purpose), event } => {
                    self.transaction_event(key, purpose, id, event, now);
                    self.calls.settle(key);
                }
                LayerOutput::Event {
                    user: Owner::Watcher(id),
                    event: TransactionEvent::TimedOut | TransactionEvent::TransportFailed,
                    ..
                } => {
                    self.watchers.answered(id, None);
                }
                LayerOutput::Event { user: Owner::Trunk(id, errand), event, .. } => match event {
                    TransactionEvent::TimedOut => self.trunk_lost(id, errand, StatusCode::REQUEST_TIMEOUT, now),
                    TransactionEvent::TransportFailed => self.trunk_lost(id, errand, StatusCode::SERVICE_UNAVAILABLE, now),
                    TransactionEvent::Terminated => {}
                },
                LayerOutput::Event { user: Owner::Nobody | Owner::Watcher(_), .. } => {}
                LayerOutput::Wait(_) => break,
            }
        }
    }

    fn layer_deadline(&mut self) -> Option<Instant> {
        match self.layer.poll_output() {
            LayerOutput::Wait(deadline) => deadline,
            LayerOutput::Transmit { .. } | LayerOutput::Event { .. } => None,
        }
    }

    /// A transaction of a call failed or is over.
    fn transaction_event(&mut self, key: CallKey, purpose: Purpose, id: TransactionId, event: TransactionEvent, now: Instant) {
        let status = match event {
            TransactionEvent::TimedOut => StatusCode::REQUEST_TIMEOUT,
            TransactionEvent::TransportFailed => StatusCode::SERVICE_UNAVAILABLE,
            TransactionEvent::Terminated => {
                if purpose == Purpose::OurInvite {
                    self.invite_over(key, id);
                }
                return;
            }
        };
        match purpose {
            Purpose::OurInvite => self.invite_lost(key, id, status, now),
            Purpose::OurOffer => self.offer_lost(key, id, status, now),
            Purpose::Bye => self.bye_done(key, now),
            Purpose::Other | Purpose::Transfer => self.lost_within(key, status, now),
            Purpose::Report => self.report_done(key, id, true),
            // No ACK for a failure of ours: there is nothing more to do. The ACK of a 2xx has a timer of its own.
            Purpose::TheirInvite | Purpose::TheirOffer | Purpose::Prack => {}
        }
    }
}
