//! Phones and a registrar over a bad network, for many seeds: phones register with digest, answer OPTIONS, refresh, then
//! leave properly or vanish. What control was told fits together, and in the end nobody is registered and nothing is left.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy only exempts functions marked #[test]")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use sim::{Datagram, LinkProfile, Node, SimRng, World};
use sip::api::{Command, ControlUrl, Event, Reply, Secret, UserEntry};
use sip::auth::{ClientAuth, Identity};
use sip::endpoint::{self, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{Flow, ListenerId, Transport};
use sip::message::{HeaderName, Message, Method, Request, Response, StatusCode, Writer, parse};
use sip::transaction::{self, Layer, LayerOutput, Limits, Matched, ResponseHead, Timing};

const SWITCH: &str = "10.0.0.1:5060";
const PHONES: u16 = 6;
/// How long phones stay; then they leave or vanish.
const STAY: Duration = Duration::from_secs(300);
/// The longest lifetime granted after that, and what the wire needs.
const LIMIT: Duration = Duration::from_secs(2000);

/// What a phone does at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leave {
    Deregister,
    Vanish,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Leaving,
    Gone,
}

struct Phone {
    address: SocketAddr,
    user: String,
    layer: Layer<()>,
    rng: ChaCha12Rng,
    auth: Option<ClientAuth>,
    cseq: u32,
    leave: Leave,
    leaves_at: Instant,
    next: Option<Instant>,
    state: State,
    registered: u32,
    deadline: Option<Instant>,
    out: VecDeque<Datagram>,
}

impl Phone {
    fn new(number: u16, seed: u64, now: Instant) -> Self {
        let mut dice = SimRng::new(seed * 31 + u64::from(number));
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(seed * 100 + u64::from(number)).to_be_bytes());
        Self {
            address: SocketAddr::from(([10, 0, 1, u8::try_from(number).unwrap()], 5060)),
            user: number.to_string(),
            layer: Layer::new(Limits::default(), Timing::default(), key, now),
            rng: ChaCha12Rng::from_seed(key),
            auth: None,
            cseq: 0,
            leave: if dice.chance(500) { Leave::Deregister } else { Leave::Vanish },
            leaves_at: now + STAY + dice.duration(Duration::from_secs(60)),
            next: Some(now + dice.duration(Duration::from_secs(5))),
            state: State::Waiting,
            registered: 0,
            deadline: None,
            out: VecDeque::new(),
        }
    }

    fn register(&mut self, now: Instant) {
        self.cseq += 1;
        let branch = self.layer.branch();
        let expires = if self.state == State::Leaving { 0 } else { 120 };
        let mut out = Vec::new();
        let mut writer = Writer::request(&mut out, Method::Register, "sip:example.com")
            .header(HeaderName::Via, format_args!("SIP/2.0/UDP {};branch={};rport", self.address, branch.as_str()))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<sip:{}@example.com>;tag={}", self.user, self.cseq))
            .header(HeaderName::To, format_args!("<sip:{}@example.com>", self.user))
            .header(HeaderName::CallId, format_args!("reg-{}", self.user))
            .header(HeaderName::CSeq, format_args!("{} REGISTER", self.cseq))
            .header(HeaderName::Contact, format_args!("<sip:{}@{}>;expires={expires}", self.user, self.address));
        if let Some(auth) = &mut self.auth {
            writer = writer.extension(auth.header(), auth.answer("REGISTER", "sip:example.com", &mut self.rng));
        }
        writer.end().unwrap();
        let flow = Flow { listener: ListenerId(0), peer: SWITCH.parse().unwrap(), transport: Transport::Udp };
        self.layer.request(Method::Register, &branch, out, flow, (), now).unwrap();
    }

    fn answered(&mut self, response: &Response<'_>, now: Instant) {
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                let values = response.headers().headers(HeaderName::WwwAuthenticate);
                let known = match &mut self.auth {
                    Some(auth) => auth.challenged_again(false, values).is_ok(),
                    None => false,
                };
                if !known {
                    let identity = Identity { username: self.user.clone(), secret: "pw".into() };
                    let values = response.headers().headers(HeaderName::WwwAuthenticate);
                    self.auth = Some(ClientAuth::new(identity, false, values).unwrap());
                }
                self.register(now);
            }
            StatusCode::OK => {
                self.registered += 1;
                if self.state == State::Leaving {
                    self.state = State::Gone;
                } else {
                    self.next = Some(now + Duration::from_secs(50));
                }
            }
            // A copy of an old request overtook a newer one: the next try has a higher number.
            StatusCode::SERVER_INTERNAL_ERROR => self.next = Some(now + Duration::from_secs(2)),
            other => panic!("{other}"),
        }
    }

    fn pinged(&mut self, request: &Request<'_>, from: SocketAddr) {
        assert_eq!(request.method(), Method::Options);
        let mut out = Vec::new();
        Writer::response(&mut out, StatusCode::OK, "OK").answer(request.headers(), Some(from), Some("t")).end().unwrap();
        self.out.push_back(Datagram { from: self.address, to: from, bytes: out });
    }
}

impl Node for Phone {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, datagram: Datagram, now: Instant) {
        if self.state == State::Gone {
            return;
        }
        match parse(&datagram.bytes).unwrap() {
            Message::Request(request) => self.pinged(&request, datagram.from),
            Message::Response(response) => {
                if let Matched::Deliver(..) = self.layer.handle_response(&ResponseHead::from(&response), now) {
                    self.answered(&response, now);
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        if self.state == State::Waiting && now >= self.leaves_at {
            self.state = if self.leave == Leave::Vanish { State::Gone } else { State::Leaving };
            self.next = (self.leave == Leave::Deregister).then_some(now);
        }
        if self.next.is_some_and(|next| next <= now) {
            self.next = None;
            if self.state != State::Gone {
                self.register(now);
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        loop {
            match self.layer.poll_output() {
                LayerOutput::Transmit { flow, bytes } => {
                    let bytes = bytes.to_vec();
                    self.out.push_back(Datagram { from: self.address, to: flow.peer, bytes });
                }
                LayerOutput::Event { event: transaction::Event::TimedOut, .. } => self.next = Some(now + Duration::from_secs(1)),
                LayerOutput::Event { .. } => {}
                LayerOutput::Wait(deadline) => {
                    self.deadline = deadline;
                    return self.out.pop_front();
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let leaves = (self.state == State::Waiting).then_some(self.leaves_at);
        let next = self.next.filter(|_| self.state != State::Gone);
        [self.deadline, leaves, next].into_iter().flatten().min()
    }
}

struct Switch {
    endpoint: Endpoint,
    out: VecDeque<Datagram>,
    deadline: Option<Instant>,
    /// Registered now, and how often told so, by user.
    told: BTreeMap<String, (bool, u32)>,
}

impl Node for Switch {
    fn address(&self) -> SocketAddr {
        SWITCH.parse().unwrap()
    }

    fn handle_datagram(&mut self, datagram: Datagram, now: Instant) {
        let datagram = endpoint::Datagram { listener: ListenerId(0), from: datagram.from, bytes: &datagram.bytes };
        self.endpoint.handle_datagram(datagram, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Datagram> {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { to, bytes, .. } => self.out.push_back(Datagram { from: SWITCH.parse().unwrap(), to, bytes }),
                Output::Event(Event::Registration { registered, user, expires, .. }) => {
                    let told = self.told.entry(user).or_default();
                    assert!(registered || told.0, "an end without a beginning");
                    assert_eq!(registered, expires > 0);
                    *told = (registered, told.1 + u32::from(registered));
                }
                Output::Event(Event::Dialog { .. } | Event::Message { .. }) | Output::Resolve { .. } => panic!("nobody calls"),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return self.out.pop_front();
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

fn play(seed: u64, profile: LinkProfile) -> (Switch, Vec<Phone>, Instant) {
    let mut world = World::new(profile, seed);
    let now = world.now();
    let config = EndpointConfig {
        listeners: vec![Listener { advertised: SWITCH.parse().unwrap(), transport: Transport::Udp }],
        ..EndpointConfig::default()
    };
    let mut endpoint = Endpoint::new(config, [3; 32], now, 1_700_000_000_000);
    let user = |number: u16| UserEntry { username: number.to_string(), secret: Secret::Clear("pw".into()) };
    let users = (1..=PHONES).map(user).collect();
    let control = Some(ControlUrl("http://c".into()));
    endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now).unwrap();
    let mut switch = Switch { endpoint, out: VecDeque::new(), deadline: None, told: BTreeMap::new() };
    let mut phones: Vec<Phone> = (1..=PHONES).map(|number| Phone::new(number, seed, now)).collect();
    let mut nodes: Vec<&mut dyn Node> = vec![&mut switch];
    nodes.extend(phones.iter_mut().map(|phone| phone as &mut dyn Node));
    assert!(world.run_until_idle(&mut nodes, LIMIT), "not at rest after {LIMIT:?}");
    drop(nodes);
    (switch, phones, world.now())
}

#[test]
fn phones_come_and_go_over_a_bad_network() {
    sim::seeds("registrations over loss", 60, |seed| {
        let (mut switch, phones, now) = play(seed, LinkProfile::random(&mut SimRng::new(seed), 200));
        let Ok(Reply::Status(status)) = switch.endpoint.command(Command::Status, now) else { panic!() };
        for (name, value) in status {
            let left = matches!(name, "registrations" | "registeredusers" | "transactions" | "transactionbytes" | "unwritable");
            assert!(!left || value == 0, "{name} is {value}");
        }
        assert!(switch.told.values().all(|(registered, _)| !registered), "{:?}", switch.told);
        assert!(phones.iter().any(|phone| phone.registered > 0));
    });
}

#[test]
fn without_loss_every_refresh_is_told_and_needs_no_new_challenge() {
    let (mut switch, phones, now) = play(1, LinkProfile { delay: Duration::from_millis(20), ..LinkProfile::default() });
    for phone in &phones {
        let refreshed = phone.registered - u32::from(phone.leave == Leave::Deregister);
        assert_eq!(switch.told[&phone.user], (false, refreshed));
        assert!(refreshed >= 6, "{refreshed}");
    }
    let Ok(Reply::Status(status)) = switch.endpoint.command(Command::Status, now) else { panic!() };
    let challenges = status.iter().find(|(name, _)| *name == "challenges").unwrap().1;
    assert_eq!(challenges, u64::from(PHONES), "one each: nonce and count serve for all refreshes");
}
