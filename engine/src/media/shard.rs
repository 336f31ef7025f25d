//! The task of a media shard.
//!
//! Shape:  [`MediaShard::new`] on the shard's thread, then [`MediaShard::run`] until the stop latch opens.
//! Limits: as many channels as the pools of all addresses have port pairs, and the machine places.
//! Errors: `SetupError` at the start, `CommandError` in answers.

use super::admission::admits;
use super::machine::Machine;
use super::moves::Departure;
use super::request::{Answer, Request, Served};
use crate::{
    mesh::{CallId, EVENTS_MAX, Server},
    node::rtp::News,
    os::sched,
    ring::{Counters, MediaRing, OpenError, PacketSize, Pair, Pools, PortPool, RingConfig, SetupError, Slot, SocketId},
    tick::Ticker,
};
use rt::{Latch, Signal};
use rtp::{
    api::{AddressWish, ChannelCounts, ChannelId, Command, CommandError, Load, Open, Opened, Reply, Target, TickStats},
    media::{ChannelKey, Forward, Local, Output, Port, Transmit, Verdict},
};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// The media shard's end of the mesh.
pub type MediaServer = Server<Request, Answer, News>;

/// Where and how large.
#[derive(Debug, Clone)]
pub struct Setup {
    /// CPU it runs on, for `load`.
    pub cpu: usize,
    /// The CPU is its own, and so is the executor, whose other tasks then run each 32 ms. Else signalling runs there too, and
    /// channels are refused earlier.
    pub alone: bool,
    /// Where RTP sockets are bound; a channel has the first unless it asks for another.
    pub interfaces: Vec<Interface>,
    /// Sizes of the ring.
    pub ring: RingConfig,
    /// Directions transcoded at most, here.
    pub transcodes_max: Option<u64>,
}

/// An address of RTP sockets, with all of the shard's pairs of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// Where they are bound.
    pub bind: IpAddr,
    /// What others are told.
    pub advertised: IpAddr,
}

impl Interface {
    fn suits(&self, wish: Option<AddressWish>) -> bool {
        match wish {
            None => true,
            Some(AddressWish::V4) => self.bind.is_ipv4(),
            Some(AddressWish::V6) => self.bind.is_ipv6(),
            Some(AddressWish::Is(ip)) => self.bind == ip || self.advertised == ip,
        }
    }
}

/// A media shard before or while it runs.
pub struct MediaShard<M> {
    pub(super) machine: M,
    pub(super) ring: MediaRing,
    ticker: Ticker,
    pub(super) server: MediaServer,
    commands: Signal,
    setup: Setup,
    /// Sockets by the slot of the channel's key.
    pub(super) channels: Vec<Option<Owned>>,
    /// Channels by socket place.
    owners: Vec<Option<(SocketId, ChannelKey, Port)>>,
    /// Channels that are about to leave for another shard.
    pub(super) departures: Vec<Departure>,
    /// All channels are to be closed, as fast as their ends can be told.
    ends: bool,
}

/// An open channel as the driver knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    pub key: ChannelKey,
    pub id: ChannelId,
    pub pair: Pair,
}

impl<M: Machine> MediaShard<M> {
    /// Makes the ring on the calling thread, with `ports` on each address. `commands` is the signal that the front shard fires for `server`.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(setup: Setup, ports: &PortPool, machine: M, server: MediaServer, commands: Signal) -> Result<Self, SetupError> {
        let ring = MediaRing::new(setup.ring.clone(), Pools::new(setup.interfaces.iter().map(|interface| interface.bind), ports))?;
        let limit = if setup.alone { LIMIT_ALONE } else { LIMIT_SHARED };
        let ticker = Ticker::new(limit, Instant::now());
        Ok(Self {
            machine,
            ring,
            ticker,
            server,
            commands,
            setup,
            channels: Vec::new(),
            owners: Vec::new(),
            departures: Vec::new(),
            ends: false,
        })
    }

    /// Serves until `stop` opens, then frees every port.
    pub async fn run(mut self, stop: &Latch) {
        self.report();
        self.server.flush();
        while !stop.is_open() {
            if self.is_idle() {
                if !self.server.has_command() {
                    rt::select(self.commands.wait(), stop.wait()).await;
                }
                self.ticker.restart(Instant::now(), sched::thread_cpu_time());
                if stop.is_open() {
                    break;
                }
            } else if let Some(left) = self.ticker.due().checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                self.rest(left).await;
            } else {
                // Late: catch up, but let the rest of the executor breathe.
                rt::yield_now().await;
            }
            self.slot();
            if self.is_idle() || self.ticker.slots().is_multiple_of(REPORT_SLOTS) {
                self.report();
                self.server.flush();
            }
        }
        self.machine.shutdown(usize::MAX);
        // The last reports go out before their sockets close.
        self.packets(Instant::now());
        self.outputs();
        self.server.flush();
        if !self.ring.shutdown() {
            tracing::warn!("{} RTP sockets did not close in time", self.ring.sockets());
        }
    }

    /// Until the next slot. A shard with a CPU of its own sleeps in its ring, and lets the executor look around now and then.
    async fn rest(&mut self, left: Duration) {
        if !self.setup.alone {
            return rt::sleep(left).await;
        }
        if self.ticker.slots().is_multiple_of(EXECUTOR_SLOTS) {
            rt::yield_now().await;
        }
        self.ring.wait(self.ticker.due().saturating_duration_since(Instant::now()));
    }

    /// Packets and losses of the ring so far.
    pub fn counters(&self) -> Counters {
        self.ring.counters()
    }

    /// The clock, for reports.
    pub fn ticker(&self) -> &Ticker {
        &self.ticker
    }

    #[cfg(test)]
    pub(super) fn be_alone(&mut self) {
        self.setup.alone = true;
    }

    /// Some seconds pass in which it works for this part of the time.
    #[cfg(test)]
    pub(super) fn be_busy(&mut self, load: f64) {
        let now = Instant::now();
        self.ticker.restart(now, sched::thread_cpu_time());
        for _ in 0..5000 {
            self.ticker.begin(now);
            self.ticker.end(now + crate::tick::SLOT.mul_f64(load));
        }
    }

    fn is_idle(&self) -> bool {
        self.machine.channels() == 0 && self.ring.sockets() == 0 && self.server.backlog() == 0
    }

    /// Tells the front how the shard is doing.
    pub(super) fn report(&mut self) {
        let news = News::Load { load: self.load(), channels: self.counts() };
        self.server.event(news);
    }

    /// One slot, whatever the time.
    pub(super) fn slot(&mut self) {
        let now = Instant::now();
        self.ticker.begin(now);
        self.commands(now);
        if self.ends {
            self.machine.shutdown(EVENTS_MAX.saturating_sub(self.server.backlog()) / EVENTS_OF_END);
        }
        self.packets(now);
        self.outputs();
        if !self.departures.is_empty() {
            self.depart();
        }
        self.server.flush();
        let end = Instant::now();
        if self.ticker.end(end) {
            self.ticker.heed_cpu(end, sched::thread_cpu_time());
        }
    }

    fn commands(&mut self, now: Instant) {
        let give_up = now + COMMANDS_TIME;
        while let Some((call, request)) = self.server.next_command() {
            match request {
                Request::Command(command) => self.command(call, command, now),
                Request::Release(channel) => self.release(call, channel, now),
                Request::Adopt(parcel) => {
                    let served = self.adopt(*parcel, now);
                    self.server.answer(call, Ok(served));
                }
                Request::Farewell => {
                    self.ends = true;
                    self.server.answer(call, Ok(Served::Reply(Reply::Done)));
                }
            }
            self.outputs();
            if Instant::now() >= give_up {
                break;
            }
        }
    }

    fn command(&mut self, call: CallId, command: Command, now: Instant) {
        let answer = match command {
            Command::Open(open) => self.open(open, now),
            command => {
                self.size_packets(&command);
                self.machine.command(command, now).map(|reply| self.complete(reply))
            }
        };
        self.outputs();
        if matches!(answer, Ok(Reply::Status(_))) {
            // What is told then is of now, the load too. Before the answer, which might else be seen first.
            self.report();
            self.server.flush();
        }
        self.server.answer(call, answer.map(Served::Reply));
    }

    fn open(&mut self, open: Open, now: Instant) -> Result<Reply, CommandError> {
        if !admits(&self.ticker, open.near.is_some_and(|near| self.machine.is_targeted(near))) {
            return Err(CommandError::Unavailable("this core carries as many channels as it can in time"));
        }
        let Some(&Interface { bind, advertised }) = self.setup.interfaces.iter().find(|interface| interface.suits(open.address)) else {
            return Err(CommandError::Impossible("no RTP socket is bound to such an address here; see --rtp-address".into()));
        };
        let pair = self.ring.open(bind, PacketSize::Small, now).map_err(|error| self.refused(&error))?;
        let local = Local { rtp: SocketAddr::new(bind, pair.port), advertised };
        match self.machine.open(open, local, now) {
            Ok((key, channel)) => {
                self.own(Owned { key, id: channel, pair });
                Ok(Reply::Opened(Box::new(Opened { channel, ip: advertised, port: pair.port, channels: self.counts(), load: self.load() })))
            }
            Err(error) => {
                self.ring.close(pair);
                Err(error)
            }
        }
    }

    pub(super) fn refused(&self, error: &OpenError) -> CommandError {
        match error {
            OpenError::Ports { ip, pairs, .. } => CommandError::NoPorts { address: *ip, pairs: *pairs },
            OpenError::NoPlace => CommandError::Full { what: "channels", max: self.setup.ring.files as usize / 2 },
            OpenError::PortsTaken { .. } | OpenError::NoPool(_) | OpenError::Wildcard(_) | OpenError::Socket { .. } => {
                tracing::warn!("a channel cannot be opened: {error}");
                CommandError::Unavailable("no RTP socket can be opened; see the log")
            }
        }
    }

    /// Fills in what only the driver knows.
    fn complete(&self, reply: Reply) -> Reply {
        let tick = Some(TickStats { mean_us: self.ticker.work().mean(), max_us: self.ticker.work().max(), count: self.ticker.slots() });
        match reply {
            Reply::Closed { mut stats, .. } => {
                stats.tick = tick;
                Reply::Closed { stats, channels: self.counts() }
            }
            Reply::Channel(mut view) => {
                view.stats.tick = tick;
                Reply::Channel(view)
            }
            Reply::Channels(mut views) => {
                views.iter_mut().for_each(|view| view.stats.tick = tick);
                Reply::Channels(views)
            }
            Reply::Status(mut figures) => {
                figures.extend(self.figures());
                Reply::Status(figures)
            }
            reply @ (Reply::Done | Reply::Playing { .. } | Reply::Opened(_)) => reply,
        }
    }

    fn figures(&self) -> [(&'static str, u64); 15] {
        let counters = self.ring.counters();
        let core = self.ticker.core_load(0, 0);
        [
            ("ring_received", counters.received),
            ("ring_sent", counters.sent),
            ("ring_tx_dropped", counters.tx_dropped),
            ("ring_tx_refused", counters.tx_refused),
            ("ring_truncated", counters.truncated),
            ("ring_overflowed", counters.overflowed),
            ("ring_stale", counters.stale),
            ("ring_no_buffers", counters.no_buffers),
            ("ring_receive_errors", counters.receive_errors),
            ("ring_rearmed", counters.rearmed),
            ("ring_submit_errors", counters.submit_errors),
            ("slots", self.ticker.slots()),
            ("slots_late", core.late),
            ("slots_skipped", core.missed),
            ("events_lost", self.server.lost_events()),
        ]
    }

    fn counts(&self) -> ChannelCounts {
        ChannelCounts { active: self.machine.channels() as u64, available: self.ring.ports().0 as u64 }
    }

    fn load(&self) -> Load {
        let core = u32::try_from(self.setup.cpu).unwrap_or(u32::MAX);
        let headroom = self.ticker.headroom();
        Load {
            cores: vec![self.ticker.core_load(core, self.machine.channels() as u64)],
            headroom,
            transcodes: self.machine.transcodes(),
            transcodes_max: self.setup.transcodes_max,
            accepting: self.ticker.is_accepting(),
        }
    }

    /// A target that will send long packets gets large buffers before they come.
    fn size_packets(&mut self, command: &Command) {
        let Command::Target { channel, target } = command else { return };
        if !sends_long_packets(target) {
            return;
        }
        let key = self.machine.key_of(*channel);
        if let Some(owned) = key.and_then(|key| owned(&self.channels, key)) {
            self.ring.set_packet_size(owned.pair.rtp, PacketSize::Large);
        }
    }

    fn packets(&mut self, now: Instant) {
        let Self { machine, ring, channels, owners, .. } = self;
        machine.begin(now);
        let mut slot = ring.slot(now);
        while let Some(mut packet) = slot.next_packet() {
            let socket = packet.socket();
            let Some((key, port)) = owner_of(owners, socket) else { continue };
            let from = packet.from();
            if let Verdict::Forward(Forward { via, to, bytes }) = machine.receive(key, port, from, packet.bytes())
                && let Some(owned) = owned(channels, via)
            {
                packet.forward(owned.pair.rtp, to, bytes);
            }
        }
        machine.run();
        machine.transmits(&mut |transmit| send(&mut slot, channels, transmit));
        slot.finish();
    }

    fn outputs(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Event(event) => self.server.event(News::Event(event)),
                Output::Closed(key) => self.disown(key),
            }
        }
    }

    pub(super) fn own(&mut self, owned: Owned) {
        let Owned { key, pair, .. } = owned;
        put(&mut self.channels, key.slot as usize, owned);
        put(&mut self.owners, pair.rtp.place(), (pair.rtp, key, Port::Rtp));
        put(&mut self.owners, pair.rtcp.place(), (pair.rtcp, key, Port::Rtcp));
    }

    fn disown(&mut self, key: ChannelKey) {
        let Some(Owned { id, pair, .. }) = owned(&self.channels, key) else { return };
        self.server.event(News::Closed(id));
        self.ring.close(pair);
        self.forget(key);
    }

    /// Ends what is known of a channel here.
    pub(super) fn forget(&mut self, key: ChannelKey) {
        let Some(Owned { pair, .. }) = owned(&self.channels, key) else { return };
        for place in [pair.rtp.place(), pair.rtcp.place()] {
            if let Some(owner) = self.owners.get_mut(place) {
                *owner = None;
            }
        }
        if let Some(entry) = self.channels.get_mut(key.slot as usize) {
            *entry = None;
        }
    }
}

fn send(slot: &mut Slot<'_>, channels: &[Option<Owned>], transmit: Transmit<'_>) {
    if let Some(Owned { pair, .. }) = owned(channels, transmit.via) {
        let socket = match transmit.port {
            Port::Rtp => pair.rtp,
            Port::Rtcp => pair.rtcp,
        };
        slot.send(socket, transmit.to, transmit.bytes);
    }
}

pub(super) fn owned(channels: &[Option<Owned>], key: ChannelKey) -> Option<Owned> {
    channels.get(key.slot as usize)?.filter(|owned| owned.key == key)
}

fn owner_of(owners: &[Option<(SocketId, ChannelKey, Port)>], socket: SocketId) -> Option<(ChannelKey, Port)> {
    owners.get(socket.place())?.as_ref().filter(|(owner, ..)| *owner == socket).map(|(_, key, port)| (*key, *port))
}

/// Puts `value` at `index`, which is below the number of channels or sockets, so the table stays that small.
fn put<T>(table: &mut Vec<Option<T>>, index: usize, value: T) {
    if index >= table.len() {
        table.resize_with(index + 1, || None);
    }
    if let Some(entry) = table.get_mut(index) {
        *entry = Some(value);
    }
}

/// L16 (RFC 3551 §4.5.11; 10 and 11 are its static numbers) and anything above 50 ms of G.711.
fn sends_long_packets(target: &Target) -> bool {
    target.ptime_ms.is_some_and(|ptime| ptime > 50)
        || target.payloads.iter().any(|payload| match &payload.encoding {
            Some(encoding) => encoding.name.eq_ignore_ascii_case("L16"),
            None => matches!(payload.number, 10 | 11),
        })
}

const LIMIT_ALONE: f64 = 0.8;
const LIMIT_SHARED: f64 = 0.7;
/// Each 32 ms the executor of a shard that is alone runs, 50 µs: its only other task waits for the stop.
const EXECUTOR_SLOTS: u64 = 32;
/// Once a second.
const REPORT_SLOTS: u64 = 1000;
/// What the end of a channel tells at most: its player, four recordings, its mix on both sides, its end, its place.
const EVENTS_OF_END: usize = 9;
/// Commands of one slot: a third of it. What is left waits in the queue.
const COMMANDS_TIME: Duration = Duration::from_micros(300);
