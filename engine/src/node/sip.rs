//! project-sip on the front shard: the endpoint with its sockets, its clock and its events.
//!
//! ```text
//!   Listener ─▶ Endpoint::handle_datagram ─┐
//!   clock    ─▶ Endpoint::handle_timeout  ─┼─▶ drain: Transmit ─▶ Listener, Event ─▶ control, Resolve ─▶ dns
//!   HTTP     ─▶ Endpoint::command         ─┘
//! ```
//! Shape:  one endpoint, borrowed for the length of one call into it, never across an `await`.
//! Units:  timers are run at most every 10 ms: the finest of RFC 3261 is 500 ms.
//! Errors: binding only; what peers do wrong is the endpoint's to answer.
//! Not here: where a name is served (`sip::locate`), and who is asked for it (`dns`).

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rt::{Latch, Notify, TcpListener};
use sip::api::{Command, CommandError, Event, Reply};
use sip::auth::AuthConfig;
use sip::directory::DirectoryConfig;
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Output, ResolveId};
use sip::flow::{ListenerId, Transport};
use sip::locate::Wish;
use sip::registrar::RegistrarConfig;
use sip::transport::{CloseReason, StreamLimits};

use super::NodeError;
use crate::dns::{Dns, Reach};
use crate::net::{Handler, Listener, StreamSet};
use crate::settings::config::SipConfig;

/// Where events of calls and registrations go.
pub type EventSink = Box<dyn Fn(Event)>;

/// How often timers are looked at while some are due.
const CLOCK: Duration = Duration::from_millis(10);
/// How long live calls may take to say good-bye: under the 5 s that a shard has.
const FAREWELL: Duration = Duration::from_secs(3);

/// The SIP server of this process.
pub struct SipNode {
    endpoint: RefCell<Endpoint>,
    listeners: Vec<Rc<Listener>>,
    /// Taken when it begins to serve.
    tcp: RefCell<Vec<TcpListener>>,
    streams: Rc<StreamSet>,
    events: EventSink,
    due: Cell<Option<Instant>>,
    due_changed: Notify,
    dns: Dns,
    /// For lookups, which outlive the call that asked for them.
    this: std::rc::Weak<Self>,
}

impl SipNode {
    /// Binds the sockets.
    ///
    /// # Errors
    /// The port is in use, or the address is not ours.
    pub async fn bind(config: &SipConfig, events: EventSink) -> Result<Rc<Self>, NodeError> {
        let mut listeners = Vec::with_capacity(config.listeners.len());
        for (id, (bind, _)) in config.listeners.iter().enumerate() {
            listeners.push(Rc::new(Listener::bind(id, *bind).await?));
        }
        let mut tcp = Vec::with_capacity(listeners.len());
        let mut known = Vec::with_capacity(2 * listeners.len());
        for (listener, (_, ip)) in listeners.iter().zip(&config.listeners) {
            // Port 0 of a test: the connection-oriented twin takes the port that the kernel chose.
            tcp.push(TcpListener::bind(listener.local_addr()).await?);
            known.push(SocketAddr::new(*ip, listener.local_addr().port()));
        }
        // First all of UDP, then all of TCP: `tcp_id` counts on it.
        let with = |transport| known.iter().map(move |advertised| sip::endpoint::Listener { advertised: *advertised, transport });
        let endpoint = EndpointConfig {
            listeners: with(Transport::Udp).chain(with(Transport::Tcp)).collect(),
            calls_max: config.calls_max,
            session_expires: config.session_expires,
            registrar: registrar(config),
            ..EndpointConfig::default()
        };
        // Whoever may register has to be known, and proves itself with a nonce that is remembered.
        let (users, nonces) = (endpoint.directory.users_max, endpoint.auth.nonces_max);
        let endpoint = EndpointConfig {
            directory: DirectoryConfig { users_max: users.max(config.registrations_max), ..endpoint.directory },
            auth: AuthConfig { nonces_max: nonces.max(config.registrations_max), ..endpoint.auth },
            ..endpoint
        };
        let has = |v4: bool| known.iter().any(|address| address.is_ipv4() == v4);
        let reach = Reach { ipv4: has(true), ipv6: has(false), tcp: true };
        let endpoint = RefCell::new(Endpoint::new(endpoint, super::seed()?, Instant::now(), super::epoch_ms()));
        let dns = Dns::new(&config.dns, reach, super::seed()?);
        Ok(Rc::new_cyclic(|this| Self {
            endpoint,
            listeners,
            tcp: RefCell::new(tcp),
            streams: StreamSet::new(StreamLimits::default()),
            events,
            due: Cell::new(None),
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

    /// Serves until `stop` opens, then ends the live calls and returns.
    pub async fn run(self: Rc<Self>, stop: &Latch) {
        let closed = Latch::new();
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
        stop.wait().await;
        self.endpoint.borrow_mut().shutdown(Instant::now());
        self.drain();
        let deadline = Instant::now() + FAREWELL;
        while !self.endpoint.borrow().is_idle() && Instant::now() < deadline {
            rt::sleep(CLOCK).await;
        }
        closed.open();
        self.due_changed.notify();
        watch.await;
        clock.await;
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

    /// The event of a new call reached nobody: the call ends with 503.
    pub fn control_failed(&self, callid: &str) {
        self.endpoint.borrow_mut().handle_control_failed(callid, Instant::now());
        self.drain();
    }

    /// No new calls from now on.
    pub fn start_draining(&self) {
        self.endpoint.borrow_mut().drain();
    }

    /// TCP listeners come behind those of UDP.
    fn tcp_id(&self, index: usize) -> ListenerId {
        ListenerId(u16::try_from(self.listeners.len() + index).unwrap_or(u16::MAX))
    }

    async fn clock(&self, closed: &Latch) {
        while !closed.is_open() {
            match self.due.get() {
                None => self.due_changed.notified().await,
                Some(due) if due <= Instant::now() => {
                    self.tick(due);
                    rt::sleep(CLOCK).await;
                }
                Some(due) => {
                    rt::select(rt::sleep_until(due), self.due_changed.notified()).await;
                }
            }
        }
    }

    /// Timers that are due since `due`, and how late that is.
    fn tick(&self, due: Instant) {
        let now = Instant::now();
        {
            let mut endpoint = self.endpoint.borrow_mut();
            // `CLOCK` of it is our own pause.
            endpoint.handle_lag(now.saturating_duration_since(due).saturating_sub(CLOCK), now);
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
                    } else if let Some(node) = self.this.upgrade() {
                        self.streams.send(ListenerId(id), to, bytes, &node);
                    }
                }
                Output::Event(event) => (self.events)(event),
                Output::Resolve { id, wish } => self.resolve(id, wish),
                Output::Wait(due) => {
                    let before = self.due.replace(due);
                    if due.is_some_and(|due| before.is_none_or(|before| due < before)) {
                        self.due_changed.notify();
                    }
                    break;
                }
            }
        }
        for listener in &self.listeners {
            listener.flush();
        }
        self.tell_offences();
    }

    /// One line for each source that gets no answers any more, for people and for programs that watch the log.
    fn tell_offences(&self) {
        while let Some(offence) = self.endpoint.borrow_mut().poll_offence() {
            tracing::warn!(source = %offence.source, fault = offence.fault.word(), "sip offence: no more answers for a while");
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

fn registrar(config: &SipConfig) -> RegistrarConfig {
    let (least, most) = (*config.expires.start(), *config.expires.end());
    let default = RegistrarConfig::default();
    RegistrarConfig {
        expires_s_default: default.expires_s_default.clamp(least, most),
        expires_s_min: least,
        expires_s_max: most,
        bindings_max: config.registrations_max,
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

    fn lag(&self, lag: Duration) {
        self.endpoint.borrow_mut().set_lag(lag);
    }

    fn stream_opened(&self, listener: ListenerId, peer: SocketAddr) {
        self.endpoint.borrow_mut().handle_stream_opened(listener, peer);
    }

    fn stream_closed(&self, listener: ListenerId, peer: SocketAddr, reason: CloseReason) {
        tracing::debug!(%peer, %reason, "connection closed");
        self.endpoint.borrow_mut().handle_transport_failed(listener, peer, Instant::now());
    }
}
