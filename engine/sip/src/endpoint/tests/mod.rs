//! The endpoint as its driver sees it: datagrams in, datagrams and events out, time told.
//!
//! Shape:  [`Bench`] is one endpoint with the domain `example.com`, users 1000 and 1001 (secret `1234`), and a clock.

mod calls;
mod forks;
mod glare;
mod guard;
mod messages;
mod outgoing;
mod policy;
mod prack;
mod random;
mod register;
mod shards;
mod streams;
mod table;
mod transfer;
mod trunks;
mod watch;
mod within;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::api::{ControlUrl, Event, Secret, UserEntry};
use crate::auth::{ClientAuth, Identity};
use crate::flow::{ListenerId, Transport};
use crate::message::{HeaderName, Message, Response, parse};

pub(super) const OURS: &str = "192.0.2.100:5060";
pub(super) const PHONE: &str = "192.0.2.7:5060";

pub(super) struct Bench {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub rng: ChaCha12Rng,
    pub sent: Vec<(SocketAddr, String)>,
    /// Listener of the last one.
    pub over: ListenerId,
    pub events: Vec<Event>,
    pub resolves: Vec<(ResolveId, crate::locate::Wish)>,
    pub deadline: Option<Instant>,
}

pub(super) fn config() -> EndpointConfig {
    let listeners = vec![
        Listener { advertised: OURS.parse().unwrap(), transport: Transport::Udp },
        Listener { advertised: "[2001:db8::100]:5060".parse().unwrap(), transport: Transport::Udp },
        Listener { advertised: OURS.parse().unwrap(), transport: Transport::Tcp },
    ];
    EndpointConfig { listeners, ..EndpointConfig::default() }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: EndpointConfig) -> Self {
        Self::seeded(config, [7; 32])
    }

    pub fn seeded(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let now = sim::Clock::new().now();
        let mut endpoint = Endpoint::new(config, seed, now, 1_700_000_000_000);
        let user = |name: &str| UserEntry { username: name.into(), secret: Secret::Clear("1234".into()) };
        let control = Some(ControlUrl("http://127.0.0.1:9001".into()));
        let users = vec![user("1000"), user("1001")];
        endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now).unwrap();
        let mut rng = ChaCha12Rng::from_seed([9; 32]);
        rng.next_u64();
        Self { endpoint, now, rng, sent: vec![], over: ListenerId(0), events: vec![], resolves: vec![], deadline: None }
    }

    /// Everything that the endpoint wants done, sorted by kind.
    pub fn drain(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { listener, to, bytes } => {
                    self.over = listener;
                    self.sent.push((to, String::from_utf8(bytes).unwrap()));
                }
                Output::Event(event) => self.events.push(event),
                Output::Resolve { id, wish } => self.resolves.push((id, wish)),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    pub fn receive(&mut self, from: &str, text: &str) {
        self.receive_on(0, from, text);
    }

    pub fn receive_on(&mut self, listener: u16, from: &str, text: &str) {
        let datagram = Datagram { listener: ListenerId(listener), from: from.parse().unwrap(), bytes: text.as_bytes() };
        self.endpoint.handle_datagram(datagram, self.now);
        self.drain();
    }

    /// Sends a request and gives the only answer.
    pub fn ask(&mut self, from: &str, text: &str) -> String {
        self.sent.clear();
        self.receive(from, text);
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent.remove(0).1
    }

    /// Runs the timers for this long.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.drain();
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            // The wheel may ask for a time that has passed: its slots are told of later than they are set.
            self.now = self.now.max(deadline);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            assert!(self.deadline.is_none_or(|next| next > self.now), "told the time and still waiting for it");
        }
        self.now = end;
    }

    /// The Authorization line for a 401.
    pub fn authorization(&mut self, unauthorized: &str, user: &str, secret: &str, method: &str) -> String {
        let identity = Identity { username: user.into(), secret: secret.into() };
        let values: Vec<String> = header_values(unauthorized, HeaderName::WwwAuthenticate);
        let mut client = ClientAuth::new(identity, false, values.iter().map(String::as_str)).unwrap();
        format!("Authorization: {}\r\n", client.answer(method, "sip:example.com", &mut self.rng))
    }
}

pub(super) fn response(text: &str) -> Response<'_> {
    match parse(text.as_bytes()) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    }
}

pub(super) fn status(text: &str) -> u16 {
    response(text).status().code()
}

pub(super) fn header_values(text: &str, name: HeaderName) -> Vec<String> {
    let message = parse(text.as_bytes()).unwrap();
    message.headers().headers(name).map(str::to_owned).collect()
}

/// A request without body; `lines` are whole header lines.
pub(super) fn request(method: &str, uri: &str, branch: &str, cseq: u32, lines: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:1000@example.com>;tag=f1\r\nTo: <sip:1000@example.com>\r\nCall-ID: call-1@phone\r\nCSeq: {cseq} {method}\r\n\
         {lines}Content-Length: 0\r\n\r\n"
    )
}
