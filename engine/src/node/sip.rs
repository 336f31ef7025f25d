//! project-sip on one shard: the endpoint with its sockets, its clock and its events.
//!
//! ```text
//!   Listener ─▶ Endpoint::handle_datagram ─┐
//!   clock    ─▶ Endpoint::handle_timeout  ─┼─▶ drain: Transmit ─▶ Listener, Event ─▶ control, Resolve ─▶ dns
//!   HTTP     ─▶ Endpoint::command         ─┤                      └▶ Peers, where the connection is another shard's
//!   Peers    ─▶ Endpoint::handle_peer     ─┘
//! ```
//! Shape:  one endpoint, borrowed for the length of one call into it, never across an `await`. With several signalling shards
//!         each has a node; [`SipShards`] is all of them for HTTP, [`worker`] is one beside the front.
//! Units:  timers are run at most every 10 ms: the finest of RFC 3261 is 500 ms.
//! Errors: binding only; what peers do wrong is the endpoint's to answer.
//! Not here: where a name is served (`sip::locate`), and who is asked for it (`dns`).

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use control_http::events::Trouble;
use rt::{Latch, Notify, TcpListener, UdpSocket};
use sip::api::{Command, CommandError, Event, Originate, Reply};
use sip::auth::AuthConfig;
use sip::defence::Fault;
use sip::directory::DirectoryConfig;
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Output, ResolveId};
use sip::flow::ListenerId;
use sip::locate::Wish;
use sip::registrar::RegistrarConfig;
use sip::shard::{PeerMessage, ShardId, Sharding};
use sip::transaction::Limits;
use sip::transport::{CloseReason, StreamLimits};

use super::NodeError;
use crate::dns::{Dns, Reach};
use crate::mesh::{PeerEnds, Peers};
use crate::net::{Handler, Listener, StreamSet};
use crate::settings::config::SipConfig;
use due::Due;

mod due;
mod shards;
mod sockets;
mod word;
pub mod worker;

pub use shards::{ShardEnd, SipShards};
pub use sockets::SipSockets;
pub use word::Word;
pub use worker::{Answer, Ask, WorkerPlan};

/// Where events of calls and registrations go.
pub type EventSink = Box<dyn Fn(Event)>;

/// How often timers are looked at while some are due.
const CLOCK: Duration = Duration::from_millis(10);
/// How long live calls may take to say good-bye: under the 5 s that a shard has.
const FAREWELL: Duration = Duration::from_secs(3);

/// Words of other shards between two sends.
const WORDS: usize = 64;
/// Between two looks at what other shards say, while they talk.
const ROUND: Duration = Duration::from_millis(1);

/// Figures that are shown of each shard, and not only their sum.
const OF_A_SHARD: [&str; 6] = ["calls", "callstotal", "registrations", "handedover_total", "handedin_total", "lagms"];

/// Which part of the signalling a node is.
pub struct Part {
    /// Its number among the shards.
    pub sharding: Sharding,
    /// Its ends towards the others, if there are any.
    pub peers: Option<PeerEnds<Word>>,
}

/// The SIP server of a shard.
pub struct SipNode {
    endpoint: RefCell<Endpoint>,
    listeners: Vec<Rc<Listener>>,
    /// Taken when it begins to serve.
    tcp: RefCell<Vec<TcpListener>>,
    streams: Rc<StreamSet>,
    sharding: Sharding,
    peers: Option<Peers<Word>>,
    events: EventSink,
    due: Cell<Due>,
    due_changed: Notify,
    dns: Dns,
    /// For lookups, which outlive the call that asked for them.
    this: std::rc::Weak<Self>,
}

impl SipNode {
    /// Takes its sockets to the executor of the calling thread.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(config: &SipConfig, part: Part, sockets: SipSockets, events: EventSink) -> Result<Rc<Self>, NodeError> {
        let Part { sharding, peers } = part;
        let known = sockets.listeners(sharding.count());
        let listeners = sockets.udp.into_iter().enumerate().map(|(id, udp)| Rc::new(Listener::with(id, UdpSocket::from(udp)))).collect();
        let tcp = sockets.tcp.into_iter().map(TcpListener::from).collect();
        // Each shard has its share of what may be live.
        let shares = usize::from(sharding.count());
        let endpoint = EndpointConfig {
            listeners: known,
            shard: sharding,
            trusted: config.trusted.clone(),
            calls_max: config.calls_max.div_ceil(shares),
            limits: Limits::for_server(config.registrations_max, config.calls_max).shared(shares),
            session_expires: config.session_expires,
            registrar: registrar(config, shares),
            ..EndpointConfig::default()
        };
        // Whoever may register has to be known, and proves itself with a nonce that is remembered.
        let (users, nonces) = (endpoint.directory.users_max, endpoint.auth.nonces_max);
        let endpoint = EndpointConfig {
            directory: DirectoryConfig { users_max: users.max(config.registrations_max), ..endpoint.directory },
            auth: AuthConfig { nonces_max: nonces.max(config.registrations_max), ..endpoint.auth },
            ..endpoint
        };
        let has = |v4: bool| sockets.advertised.iter().any(|address| address.is_ipv4() == v4);
        let reach = Reach { ipv4: has(true), ipv6: has(false), tcp: true };
        let endpoint = RefCell::new(Endpoint::new(endpoint, super::seed()?, Instant::now(), super::epoch_ms()));
        let dns = Dns::new(&config.dns, reach, super::seed()?);
        Ok(Rc::new_cyclic(|this| Self {
            endpoint,
            listeners,
            tcp: RefCell::new(tcp),
            streams: StreamSet::new(StreamLimits::default()),
            sharding,
            peers: peers.map(Peers::new),
            events,
            due: Cell::default(),
            due_changed: Notify::new(),
            dns,
            this: this.clone(),
        }))
    }

    /// Addresses that it listens on.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|listener| listener.local_addr())
    }

    /// What `/status` shows of the connections.
    pub fn tcp_status(&self) -> serde_json::Value {
        let stats = self.streams.stats();
        serde_json::json!({
            "live": stats.live,
            "bytes": stats.bytes,
            "accepted_total": stats.accepted,
            "dialled_total": stats.dialled,
            "refused_total": stats.refused,
            "accept_errors_total": self.streams.accept_errors(),
            "closed_by_peer_total": stats.closed_by_peer,
            "unreachable_total": stats.unreachable,
            "garbage_total": stats.garbage,
            "slow_total": stats.slow,
            "stuck_total": stats.stuck,
            "idle_total": stats.idle,
            "pongs_total": stats.pongs,
        })
    }

    /// What `/status` shows of the names.
    pub fn dns_status(&self) -> serde_json::Value {
        let (cached, cached_max) = self.dns.cached();
        serde_json::json!({"cached": cached, "cachedmax": cached_max})
    }

    /// What `/status` shows of this shard among others.
    pub fn shard_status(&self) -> serde_json::Value {
        let carried = self.peers.as_ref().map(Peers::counters).unwrap_or_default();
        let received: u64 = self.listeners.iter().map(|listener| listener.counters().received).sum();
        let mut status = serde_json::json!({
            "shard": self.sharding.me().0,
            "datagrams_total": received,
            "words_total": carried.sent,
            "words_dropped_total": carried.dropped,
            "words_lost_total": carried.lost,
        });
        if let (Ok(Reply::Status(figures)), Some(status)) = (self.command(Command::Status), status.as_object_mut()) {
            let shown = figures.into_iter().filter(|(name, _)| OF_A_SHARD.contains(name));
            status.extend(shown.map(|(name, value)| (name.to_owned(), value.into())));
        }
        status
    }

    /// Serves until `closed` opens. The live calls should have been ended by then.
    pub async fn run(self: Rc<Self>, closed: &Latch) {
        for listener in &self.listeners {
            let (node, listener, closed) = (Rc::clone(&self), Rc::clone(listener), closed.clone());
            rt::spawn_local(async move { listener.run(&*node, &closed).await });
        }
        for (index, listener) in self.tcp.take().into_iter().enumerate() {
            let (node, set, closed) = (Rc::clone(&self), Rc::clone(&self.streams), closed.clone());
            let id = self.tcp_id(index);
            rt::spawn_local(async move { set.accept(id, listener, node, closed).await });
        }
        let watch = rt::spawn_local(Rc::clone(&self.streams).watch(Rc::clone(&self), closed.clone()));
        let clock = rt::spawn_local({
            let (node, closed) = (Rc::clone(&self), closed.clone());
            async move { node.clock(&closed).await }
        });
        let hear = rt::spawn_local({
            let (node, closed) = (Rc::clone(&self), closed.clone());
            async move { node.hear(&closed).await }
        });
        closed.wait().await;
        self.due_changed.notify();
        watch.await;
        clock.await;
        hear.await;
    }

    /// Ends the live calls, and returns when they are over or have had their time.
    pub async fn farewell(&self) {
        self.endpoint.borrow_mut().shutdown(Instant::now());
        self.drain();
        let deadline = Instant::now() + FAREWELL;
        while !self.endpoint.borrow().is_idle() && Instant::now() < deadline {
            rt::sleep(CLOCK).await;
        }
    }

    /// Does what the HTTP API asks.
    ///
    /// # Errors
    /// The endpoint's.
    pub fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let result = self.endpoint.borrow_mut().command(command, Instant::now());
        self.drain();
        result
    }

    /// A new call that reached no control server ends with 503; one that is behind gets fewer new calls.
    pub fn control_trouble(&self, trouble: Trouble<'_>) {
        let mut endpoint = self.endpoint.borrow_mut();
        match trouble {
            Trouble::Failed(callid) => endpoint.handle_control_failed(callid, Instant::now()),
            // It comes back by itself.
            Trouble::Behind(_, Duration::ZERO) => {}
            Trouble::Behind(control, waited) => {
                if endpoint.handle_control_behind(control, waited, Instant::now()) {
                    tracing::warn!(control, waited_ms = waited.as_millis(), "control server cannot keep up: some new calls are refused");
                }
            }
        }
        drop(endpoint);
        self.drain();
    }

    /// Value of a Replaces that names a call of this shard.
    pub fn replaces_value(&self, callid: &str) -> Option<String> {
        self.endpoint.borrow().replaces_value(callid)
    }

    /// Whether a call would go through a trunk.
    pub fn goes_by_trunk(&self, call: &Originate) -> bool {
        self.endpoint.borrow().goes_by_trunk(call, Instant::now())
    }

    /// No new calls from now on.
    pub fn start_draining(&self) {
        self.endpoint.borrow_mut().drain();
    }

    fn tcp_id(&self, index: usize) -> ListenerId {
        sockets::tcp_id(self.listeners.len(), self.sharding.me(), index)
    }

    /// Takes what other shards say.
    async fn hear(&self, closed: &Latch) {
        let Some(peers) = &self.peers else { return };
        while !closed.is_open() {
            let mut heard = 0;
            while heard < WORDS
                && let Some((from, word)) = peers.pop()
            {
                self.take(from, word);
                heard += 1;
            }
            if heard > 0 {
                self.drain();
            }
            let waits = peers.flush();
            if heard == WORDS {
                rt::yield_now().await;
            } else if heard > 0 || waits {
                // Who talks now talks on: nobody has to wake us for it.
                rt::sleep(ROUND).await;
            } else {
                rt::select(peers.wait(), closed.wait()).await;
            }
        }
    }

    fn take(&self, from: usize, word: Word) {
        let now = Instant::now();
        match word {
            Word::Peer(message) => {
                let from = ShardId(u8::try_from(from).unwrap_or(u8::MAX));
                self.endpoint.borrow_mut().handle_peer(from, message, now);
            }
            Word::Send { listener, to, bytes } => {
                if let Some(node) = self.this.upgrade() {
                    self.streams.send(listener, to, bytes, &node);
                }
            }
            Word::Opened { listener, peer } => self.endpoint.borrow_mut().handle_stream_opened(listener, peer),
            Word::Closed { listener, peer } => self.endpoint.borrow_mut().handle_transport_failed(listener, peer, now),
        }
    }

    fn say(&self, to: usize, word: Word) {
        if let Some(peers) = &self.peers {
            let may_be_lost = word.may_be_lost();
            peers.send(to, word, may_be_lost);
        }
    }

    fn say_to_all(&self, word: impl Fn() -> Word) {
        for shard in self.sharding.others() {
            self.say(shard.0.into(), word());
        }
    }

    /// Over a connection, whoever has it.
    fn send_over(&self, listener: ListenerId, to: SocketAddr, bytes: Vec<u8>) {
        match sockets::shard_of(self.listeners.len(), listener) {
            Some(shard) if shard != usize::from(self.sharding.me().0) => self.say(shard, Word::Send { listener, to, bytes }),
            Some(_) | None => {
                if let Some(node) = self.this.upgrade() {
                    self.streams.send(listener, to, bytes, &node);
                }
            }
        }
    }

    async fn clock(&self, closed: &Latch) {
        while !closed.is_open() {
            match self.due.get().at() {
                None => self.due_changed.notified().await,
                Some(due) if due <= Instant::now() => {
                    self.tick();
                    rt::sleep(CLOCK).await;
                }
                Some(due) => {
                    rt::select(rt::sleep_until(due), self.due_changed.notified()).await;
                }
            }
        }
    }

    /// Timers that are due, and how late they are.
    fn tick(&self) {
        let now = Instant::now();
        let mut due = self.due.get();
        let late = due.tell(now);
        self.due.set(due);
        {
            let mut endpoint = self.endpoint.borrow_mut();
            // `CLOCK` of it is our own pause.
            endpoint.handle_lag(late.saturating_sub(CLOCK), now);
            endpoint.handle_timeout(now);
        }
        self.drain();
    }

    fn drain(&self) {
        loop {
            // The borrow ends before the output is acted on: an event may come back as a command.
            let output = self.endpoint.borrow_mut().poll_output();
            match output {
                Output::Transmit { listener: ListenerId(id), to, bytes } => {
                    if let Some(listener) = self.listeners.get(usize::from(id)) {
                        listener.queue(to, &bytes);
                    } else {
                        self.send_over(ListenerId(id), to, bytes);
                    }
                }
                Output::Event(event) => (self.events)(event),
                Output::Resolve { id, wish } => self.resolve(id, wish),
                Output::Wait(at) => {
                    let mut due = self.due.get();
                    if due.at() != at {
                        if due.ask(at, Instant::now()) {
                            self.due_changed.notify();
                        }
                        self.due.set(due);
                    }
                    break;
                }
            }
        }
        for listener in &self.listeners {
            listener.flush();
        }
        if let Some(peers) = &self.peers {
            while let Some((to, message)) = self.next_peer() {
                self.say(to.0.into(), Word::Peer(message));
            }
            peers.flush();
        }
        self.tell_offences();
    }

    fn next_peer(&self) -> Option<(ShardId, PeerMessage)> {
        self.endpoint.borrow_mut().poll_peer()
    }

    /// One line for each source that gets no answers any more, and for each wrong password, for people and for programs that watch the log.
    fn tell_offences(&self) {
        while let Some(offence) = self.endpoint.borrow_mut().poll_offence() {
            let (source, fault) = (offence.source, offence.fault.word());
            match offence.fault {
                Fault::Password => tracing::warn!(%source, fault, "sip offence: wrong password"),
                _ => tracing::warn!(%source, fault, "sip offence: not heard for a while"),
            }
        }
    }

    fn resolve(&self, id: ResolveId, wish: Wish) {
        let Some(node) = self.this.upgrade() else { return };
        rt::spawn_local(async move {
            let found = node.dns.locate(wish).await;
            node.endpoint.borrow_mut().handle_resolved(id, found, Instant::now());
            node.drain();
        });
    }
}

fn registrar(config: &SipConfig, shares: usize) -> RegistrarConfig {
    let (least, most) = (*config.expires.start(), *config.expires.end());
    let default = RegistrarConfig::default();
    RegistrarConfig {
        expires_s_default: default.expires_s_default.clamp(least, most),
        expires_s_min: least,
        expires_s_max: most,
        ping_every: config.ping_every,
        bindings_max: config.registrations_max.div_ceil(shares),
        ..default
    }
}

impl Handler for SipNode {
    fn handle_datagram(&self, listener: usize, from: SocketAddr, bytes: &[u8]) {
        let Ok(id) = u16::try_from(listener) else { return };
        self.endpoint.borrow_mut().handle_datagram(Datagram { listener: ListenerId(id), from, bytes }, Instant::now());
    }

    fn flush(&self) {
        self.drain();
    }

    fn lag(&self, listener: usize, lag: Duration) {
        let Ok(id) = u16::try_from(listener) else { return };
        self.endpoint.borrow_mut().set_lag(ListenerId(id), lag);
    }

    fn stream_opened(&self, listener: ListenerId, peer: SocketAddr) {
        self.endpoint.borrow_mut().handle_stream_opened(listener, peer);
        self.say_to_all(|| Word::Opened { listener, peer });
    }

    fn stream_closed(&self, listener: ListenerId, peer: SocketAddr, reason: CloseReason) {
        tracing::debug!(%peer, %reason, "connection closed");
        let now = Instant::now();
        self.endpoint.borrow_mut().handle_transport_failed(listener, peer, now);
        if matches!(reason, CloseReason::Garbage | CloseReason::Frame(_)) {
            self.endpoint.borrow_mut().handle_garbage(peer.ip(), now);
        }
        self.say_to_all(|| Word::Closed { listener, peer });
    }
}
