//! Client transactions against server transactions over a bad network, for hundreds of seeds: both ends come to rest,
//! every end is told once, nothing is handed up twice, no timer and no byte is left.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy only exempts functions marked #[test]")]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sim::{Datagram, LinkProfile, Node, SimRng, World};
use sip::flow::{Flow, ListenerId, Transport};
use sip::message::{Message, Method, Request, Response, StatusCode, Writer, parse};
use sip::timer::Wheel;
use sip::transaction::{Backoff, Cancels, Event, Incoming, Layer, LayerOutput, Limits, Matched, T1, T2, Timing, TransactionId};

const EXCHANGES: u32 = 12;
/// Marks the user word of a server CANCEL.
const CANCEL: u32 = 1 << 31;
const LIMIT: Duration = Duration::from_secs(600);

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plan {
    Answer,
    Refuse,
    Ignore,
}

/// What one exchange has seen at one end.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    requests: u32,
    provisional: u32,
    success: u32,
    failure: u32,
    acks: u32,
    cancels: u32,
    timed_out: u32,
    transport_failed: u32,
    terminated: u32,
}

/// Tasks of the transaction user.
#[derive(Debug, Clone, Copy)]
enum Task {
    Start(u32),
    Ring(u32),
    Decide(u32),
    Repeat2xx(u32),
    Cancel(u32),
}

struct Server {
    id: TransactionId,
    request: Vec<u8>,
    plan: Plan,
    repeat: Option<(Backoff, Instant)>,
    done: bool,
}

/// One end: a layer, and a transaction user that follows a script drawn from the seed.
struct Party {
    address: SocketAddr,
    peer: SocketAddr,
    transport: Transport,
    layer: Layer<u32>,
    tasks: Wheel<Task>,
    rng: SimRng,
    outbox: Vec<Datagram>,
    deadline: Option<Instant>,
    clients: BTreeMap<u32, (TransactionId, Method<'static>)>,
    servers: BTreeMap<u32, Server>,
    seen: HashMap<(u32, Method<'static>), Seen>,
}

impl Party {
    fn new(address: &str, peer: &str, transport: Transport, seed: u64, now: Instant) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        Self {
            address: address.parse().unwrap(),
            peer: peer.parse().unwrap(),
            transport,
            layer: Layer::new(Limits::default(), Timing::default(), key, now),
            tasks: Wheel::new(now),
            rng: SimRng::new(seed),
            outbox: vec![],
            deadline: None,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            seen: HashMap::new(),
        }
    }

    fn flow(&self) -> Flow {
        Flow { listener: ListenerId(0), peer: self.peer, transport: self.transport }
    }

    fn seen(&mut self, exchange: u32, method: Method<'static>) -> &mut Seen {
        self.seen.entry((exchange, method)).or_default()
    }

    fn later(&mut self, most_ms: u64, task: Task, now: Instant) {
        let delay = self.rng.duration(Duration::from_millis(most_ms));
        self.tasks.set(now + delay, task);
    }

    fn start(&mut self, exchange: u32, now: Instant) {
        let (branch, method) = (self.layer.branch(), method_of(exchange));
        let request = format!(
            "{method} sip:b@{peer} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch={branch}\r\nMax-Forwards: 70\r\nFrom: <sip:a@{us}>;tag={exchange}\r\n\
             To: <sip:b@{peer}>\r\nCall-ID: {exchange}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n",
            peer = self.peer,
            us = self.address,
            branch = branch.as_str()
        );
        let id = self.layer.request(method, &branch, request.into_bytes(), self.flow(), exchange, now).unwrap();
        self.clients.insert(exchange, (id, method));
        if exchange % 4 == 1 {
            self.later(3000, Task::Cancel(exchange), now);
        }
    }

    fn respond(&mut self, exchange: u32, status: u16, now: Instant) {
        let server = &self.servers[&exchange];
        let (id, request) = (server.id, parse(&server.request).unwrap());
        self.layer.respond(id, code(status), response(request.as_request().unwrap(), status), now);
    }

    fn run(&mut self, task: Task, now: Instant) {
        match task {
            Task::Start(exchange) => self.start(exchange, now),
            Task::Cancel(exchange) => {
                let id = self.clients[&exchange].0;
                self.layer.cancel(id, now);
            }
            Task::Ring(exchange) if !self.servers[&exchange].done => self.respond(exchange, 180, now),
            Task::Ring(_) => {}
            Task::Decide(exchange) if !self.servers[&exchange].done => {
                let plan = self.servers[&exchange].plan;
                let invite = method_of(exchange) == Method::Invite;
                self.respond(exchange, if plan == Plan::Refuse { 486 } else { 200 }, now);
                let server = self.servers.get_mut(&exchange).unwrap();
                server.done = true;
                if invite && plan == Plan::Answer {
                    // RFC 3261 §13.3.1.4: the core repeats its 2xx over any transport until the ACK, for 64 T1 at most.
                    let backoff = Backoff::new(now, T1, T2);
                    server.repeat = Some((backoff, now + Timing::default().t1x64()));
                    self.tasks.set(backoff.at(), Task::Repeat2xx(exchange));
                }
            }
            Task::Decide(_) => {}
            Task::Repeat2xx(exchange) => {
                let server = self.servers.get_mut(&exchange).unwrap();
                if let Some((backoff, end)) = server.repeat.as_mut().filter(|(_, end)| *end > now) {
                    backoff.fire(now);
                    let at = backoff.at().min(*end);
                    self.layer.repeat_2xx(server.id);
                    self.tasks.set(at, Task::Repeat2xx(exchange));
                }
            }
        }
    }

    fn handle_request(&mut self, request: &Request<'_>, bytes: &[u8], now: Instant) {
        let exchange: u32 = request.call_id().parse().unwrap();
        let method = request.method().known().unwrap();
        match self.layer.handle_request(&request.into(), now) {
            Incoming::Repeat => {}
            Incoming::Ack { .. } => {
                self.seen(exchange, Method::Invite).acks += 1;
                if let Some(server) = self.servers.get_mut(&exchange) {
                    server.repeat = None;
                }
            }
            Incoming::New { request: new, cancels } => {
                self.seen(exchange, method).requests += 1;
                let user = if method == Method::Cancel { exchange | CANCEL } else { exchange };
                let id = self.layer.accept(new, self.flow(), user).unwrap();
                match cancels {
                    Cancels::NotACancel => self.serve(id, exchange, method, bytes, now),
                    Cancels::Nothing => drop(self.layer.respond(id, code(481), response(request, 481), now)),
                    Cancels::Invite(invite, user) => {
                        assert_eq!((invite, user), (self.servers[&exchange].id, exchange));
                        self.layer.respond(id, code(200), response(request, 200), now);
                        self.seen(exchange, Method::Invite).cancels += 1;
                        if !std::mem::replace(&mut self.servers.get_mut(&exchange).unwrap().done, true) {
                            self.respond(exchange, 487, now);
                        }
                    }
                }
            }
        }
    }

    fn serve(&mut self, id: TransactionId, exchange: u32, method: Method<'static>, request: &[u8], now: Instant) {
        // An INVITE in Proceeding has no timer of its own, so a core that ignores one would hold it for ever.
        let plans = if method == Method::Invite { 3 } else { 4 };
        let plan = [Plan::Answer, Plan::Refuse, Plan::Answer, Plan::Ignore][self.rng.below(plans) as usize];
        self.servers.insert(exchange, Server { id, request: request.to_vec(), plan, repeat: None, done: plan == Plan::Ignore });
        if method == Method::Invite {
            self.respond(exchange, 100, now);
            self.later(2000, Task::Ring(exchange), now);
        }
        self.later(6000, Task::Decide(exchange), now);
    }

    fn handle_response(&mut self, response: &Response<'_>, now: Instant) {
        let Matched::Deliver(id, exchange) = self.layer.handle_response(&response.into(), now) else { return };
        let (expected, method) = self.clients[&exchange];
        assert_eq!((id, method), (expected, response.cseq().method));
        let seen = self.seen(exchange, method);
        match response.status().class() {
            1 => seen.provisional += 1,
            2 => seen.success += 1,
            _ => seen.failure += 1,
        }
        if method == Method::Invite && response.status().is_success() {
            let ack = format!(
                "ACK sip:b@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {exchange}\r\nCSeq: 1 ACK\r\n\r\n",
                self.peer,
                self.address,
                self.layer.branch().as_str(),
                response.from(),
                response.to()
            );
            self.outbox.push(Datagram { from: self.address, to: self.peer, bytes: ack.into_bytes() });
        }
    }
}

fn method_of(exchange: u32) -> Method<'static> {
    if exchange.is_multiple_of(3) { Method::Options } else { Method::Invite }
}

fn code(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

fn response(request: &Request<'_>, status: u16) -> Vec<u8> {
    let mut bytes = vec![];
    Writer::response(&mut bytes, code(status), code(status).phrase()).answer(request.headers(), None, Some("s")).end().unwrap();
    bytes
}

impl Node for Party {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, datagram: Datagram, now: Instant) {
        match parse(&datagram.bytes).unwrap() {
            Message::Request(request) => self.handle_request(&request, &datagram.bytes, now),
            Message::Response(response) => self.handle_response(&response, now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        while let Some(task) = self.tasks.pop(now) {
            self.run(task, now);
        }
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Datagram> {
        if let Some(datagram) = self.outbox.pop() {
            return Some(datagram);
        }
        loop {
            match self.layer.poll_output() {
                LayerOutput::Transmit { flow, bytes } => {
                    return Some(Datagram { from: self.address, to: flow.peer, bytes: bytes.to_vec() });
                }
                LayerOutput::Event { user, event, .. } => {
                    let exchange = user & !CANCEL;
                    let method = if user == exchange { method_of(exchange) } else { Method::Cancel };
                    let seen = self.seen(exchange, method);
                    match event {
                        Event::TimedOut => seen.timed_out += 1,
                        Event::TransportFailed => seen.transport_failed += 1,
                        Event::Terminated => seen.terminated += 1,
                    }
                }
                LayerOutput::Wait(at) => {
                    self.deadline = [at, self.tasks.next_deadline()].into_iter().flatten().min();
                    return None;
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

fn run(seed: u64, transport: Transport, profile: LinkProfile) -> (Party, Party) {
    let mut world = World::new(profile, seed);
    let mut caller = Party::new("127.0.0.1:5060", "127.0.0.2:5060", transport, seed, world.now());
    let mut callee = Party::new("127.0.0.2:5060", "127.0.0.1:5060", transport, seed ^ 0xffff, world.now());
    for exchange in 0..EXCHANGES {
        caller.later(5000, Task::Start(exchange), world.now());
    }
    caller.deadline = caller.tasks.next_deadline();
    assert!(world.run_until_idle(&mut [&mut caller, &mut callee], LIMIT), "the run does not come to rest");
    (caller, callee)
}

/// What holds whatever the network does.
fn check(caller: &Party, callee: &Party) {
    for party in [caller, callee] {
        assert!(party.layer.is_empty(), "{} transactions left", party.layer.len());
        assert_eq!(party.layer.bytes(), 0);
        assert_eq!(party.deadline, None);
    }
    for exchange in 0..EXCHANGES {
        let method = method_of(exchange);
        let client = &caller.seen[&(exchange, method)];
        assert_eq!(client.terminated, 1, "client {exchange} {method}: {client:?}");
        assert_eq!(u32::from(client.success > 0) + client.failure + client.timed_out, 1, "client {exchange} {method}: {client:?}");
        assert!(client.failure <= 1 && client.transport_failed == 0);
        if method == Method::Options {
            assert!(client.success <= 1, "a final response is news once");
        }
        let Some(server) = callee.seen.get(&(exchange, method)) else { continue };
        // Nobody waits for the end of what is no INVITE.
        let told = u32::from(method == Method::Invite);
        assert_eq!((server.requests, server.terminated), (1, told), "server {exchange} {method}: {server:?}");
        assert!(server.timed_out <= 1 && server.cancels <= 1);
        if let Some(cancel) = callee.seen.get(&(exchange, Method::Cancel)) {
            assert_eq!((cancel.requests, cancel.terminated, cancel.timed_out), (1, 0, 0));
        }
    }
}

#[test]
fn both_ends_come_to_rest_over_loss_reordering_and_duplicates() {
    sim::seeds("both_ends_come_to_rest_over_loss_reordering_and_duplicates", 300, |seed| {
        let profile = LinkProfile::random(&mut SimRng::new(seed), 500);
        let (caller, mut callee) = run(seed, Transport::Udp, profile);
        callee.finish_ignored();
        check(&caller, &callee);
    });
}

#[test]
fn without_loss_nothing_times_out_that_was_answered() {
    sim::seeds("without_loss_nothing_times_out_that_was_answered", 100, |seed| {
        let profile = LinkProfile::random(&mut SimRng::new(seed), 0);
        let (caller, mut callee) = run(seed, Transport::Udp, profile);
        callee.finish_ignored();
        check(&caller, &callee);
        for (&(exchange, method), seen) in &caller.seen {
            let ignored = callee.servers[&exchange].plan == Plan::Ignore;
            assert_eq!(seen.timed_out, u32::from(ignored), "client {exchange} {method}: {seen:?}");
        }
        for (&(exchange, method), seen) in &callee.seen {
            assert_eq!(seen.timed_out, 0, "server {exchange} {method}: {seen:?}");
        }
    });
}

#[test]
fn over_a_reliable_transport_nothing_is_sent_twice_but_the_2xx() {
    sim::seeds("over_a_reliable_transport_nothing_is_sent_twice_but_the_2xx", 100, |seed| {
        // First in, first out, nothing lost: what TCP gives.
        let profile = LinkProfile { delay: SimRng::new(seed).duration(Duration::from_millis(80)), ..LinkProfile::default() };
        let (caller, mut callee) = run(seed, Transport::Tcp, profile);
        callee.finish_ignored();
        check(&caller, &callee);
        for seen in caller.seen.values() {
            assert!(seen.success <= 1 && seen.provisional <= 2);
        }
    });
}

impl Party {
    /// A server transaction waits for its core without end: the requests it ignored are answered now, to nobody.
    fn finish_ignored(&mut self) {
        let mut now = self.deadline.unwrap_or_else(|| sim::Clock::new().now());
        let ignored: Vec<u32> =
            self.servers.iter().filter(|(_, server)| server.plan == Plan::Ignore).map(|(&exchange, _)| exchange).collect();
        for exchange in ignored {
            self.respond(exchange, 408, now);
        }
        while self.poll_transmit(now).is_some() {}
        while let Some(at) = self.deadline {
            now = now.max(at);
            self.handle_timeout(now);
            while self.poll_transmit(now).is_some() {}
        }
    }
}
