//! All phones register again at once, on a server that can serve so many datagrams a second and no more, and with the limits that
//! a server of that size has: every phone is served in the end, calls are made meanwhile, every request inside a call is answered
//! 200, and the count of registrations is answered. Once it is late, once its transactions are full.
//!
//! The big storm, of 100 000 phones: `cargo test --release -p sip --test storm -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and tell; clippy only exempts functions marked #[test]")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use sip::api::{Action, Authentication, Command, ControlUrl, Policy, Reply, Secret, UserEntry};
use sip::auth::{ClientAuth, Identity};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::message::{HeaderName, Message, Response, parse};
use sip::registrar::RegistrarConfig;
use sip::transaction::Limits;

/// A gateway that needs no password.
const GATEWAY: &str = "192.0.2.200:5060";
const WAY: Duration = Duration::from_millis(10);

#[derive(Clone, Copy)]
struct Storm {
    phones: u32,
    /// How often each of them registers, one time right after the other.
    rounds: u32,
    /// Calls that the server is made for.
    calls_max: usize,
    /// What a request costs that is served; one that is put off costs a fifth.
    cost: Duration,
    /// Datagrams that the socket holds; one more is lost.
    queue: usize,
}

/// What happens to whom; the number is the phone, or the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Start(u32),
    Repeat(u32, u32, u32),
    Call(u32),
    /// The repeat of a request inside a call, by the number of the request.
    Within(u32, u32),
}

struct Phone {
    auth: Option<ClientAuth>,
    cseq: u32,
    registered: bool,
    rounds: u32,
}

struct World {
    endpoint: Endpoint,
    rng: ChaCha12Rng,
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, Happening)>>,
    replies: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    queue: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    phones: Vec<Phone>,
    storm: Storm,
    free_at: Instant,
    lost: u64,
    put_off: u64,
    registered: u32,
    /// When each call began, and how long its 100 took.
    calls: Vec<(Instant, Option<Duration>)>,
    refused_calls: u32,
    within_sent: u32,
    within_answered: u32,
    /// Of each call that lives through the storm the number of the request that waits for its answer.
    open: Vec<Option<u32>>,
    /// Our tags of the calls that live through the storm.
    tags: Vec<String>,
    limits: Limits,
    latest: Duration,
    fullest: u64,
}

fn address(phone: u32) -> SocketAddr {
    let [_, a, b, c] = phone.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 5060))
}

impl World {
    fn new(storm: Storm) -> Self {
        let now = sim::Clock::new().now();
        let limits = Limits::for_server(storm.phones as usize, storm.calls_max);
        let config = EndpointConfig {
            listeners: vec![Listener { advertised: "192.0.2.1:5060".parse().unwrap(), transport: Transport::Udp }],
            registrar: RegistrarConfig { ping_every: None, ..RegistrarConfig::default() },
            limits,
            calls_max: storm.calls_max,
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, [5; 32], now, 1_700_000_000_000);
        let user = |number: u32| UserEntry { username: number.to_string(), secret: Secret::Clear("pw".into()) };
        let gateway: SocketAddr = GATEWAY.parse().unwrap();
        let trusted = vec![gateway.ip().to_string().parse().unwrap()];
        let policy = Policy { authentication: Authentication::Trusted(trusted), ..Policy::default() };
        let directory = Command::DirReplace {
            domain: "example.com".into(),
            control: Some(ControlUrl("http://c".into())),
            users: (0..storm.phones).map(user).collect(),
            policy: Some(policy),
        };
        endpoint.command(directory, now).unwrap();
        let phones = (0..storm.phones).map(|_| Phone { auth: None, cseq: 0, registered: false, rounds: 0 }).collect();
        Self {
            endpoint,
            rng: ChaCha12Rng::from_seed([6; 32]),
            now,
            events: BinaryHeap::new(),
            replies: VecDeque::new(),
            queue: VecDeque::new(),
            phones,
            storm,
            free_at: now,
            lost: 0,
            put_off: 0,
            registered: 0,
            calls: Vec::new(),
            refused_calls: 0,
            within_sent: 0,
            within_answered: 0,
            open: Vec::new(),
            tags: Vec::new(),
            limits,
            latest: Duration::ZERO,
            fullest: 0,
        }
    }

    fn after(&mut self, wait: Duration, what: Happening) {
        self.events.push(Reverse((self.now + wait, what)));
    }

    fn send(&mut self, from: SocketAddr, text: String) {
        if self.queue.len() < self.storm.queue {
            self.queue.push_back((self.now, from, text.into_bytes()));
        } else {
            self.lost += 1;
        }
    }

    fn register(&mut self, phone: u32, attempt: u32, again: bool) {
        let from = address(phone);
        let state = &mut self.phones[phone as usize];
        if !again {
            state.cseq += 1;
        }
        let cseq = state.cseq;
        // A repeat is the same request: the count of the nonce is used once.
        let proof = state.auth.as_mut().filter(|_| !again).map(|auth| auth.answer("REGISTER", "sip:example.com", &mut self.rng));
        let proof = proof.map(|proof| format!("Authorization: {proof}\r\n")).unwrap_or_default();
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{phone}x{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{phone}@example.com>;tag=f\r\nTo: <sip:{phone}@example.com>\r\nCall-ID: reg-{phone}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{phone}@{from}>;expires=3600\r\n{proof}Content-Length: 0\r\n\r\n"
        );
        self.send(from, text);
        // RFC 3261 §17.1.2.2: 0.5, 1, 2, 4, 4 … s; after 32 s the phone gives up and tries again later.
        let wait = Duration::from_millis(500 << attempt.min(3));
        self.after(wait, Happening::Repeat(phone, cseq, attempt + 1));
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Start(phone) => self.register(phone, 0, false),
            Happening::Repeat(phone, cseq, attempt) => {
                let state = &self.phones[phone as usize];
                if state.registered || state.cseq != cseq {
                    return;
                }
                // A lost answer to a proof is asked for with a new count, as many phones do.
                self.register(phone, attempt, state.auth.is_none());
            }
            Happening::Call(call) => {
                if self.calls[call as usize].1.is_none() {
                    self.invite(call);
                    self.after(Duration::from_millis(500), Happening::Call(call));
                }
            }
            Happening::Within(call, cseq) => {
                if self.open[call as usize] == Some(cseq) {
                    self.send(GATEWAY.parse().unwrap(), self.text_within(call, cseq));
                    self.after(Duration::from_millis(500), Happening::Within(call, cseq));
                }
            }
        }
    }

    fn invite(&mut self, call: u32) {
        let text = Self::invitation(call as usize);
        self.send(GATEWAY.parse().unwrap(), text);
    }

    fn invitation(call: usize) -> String {
        format!(
            "INVITE sip:1@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {GATEWAY};branch=z9hG4bKi{call};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:a@example.org>;tag=f\r\nTo: <sip:1@example.com>\r\nCall-ID: call-{call}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:a@{GATEWAY}>\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn text_within(&self, call: u32, cseq: u32) -> String {
        let tag = &self.tags[call as usize];
        format!(
            "INFO sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {GATEWAY};branch=z9hG4bKw{call}x{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:a@example.org>;tag=f\r\nTo: <sip:1@example.com>;tag={tag}\r\nCall-ID: call-{call}\r\nCSeq: {cseq} INFO\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// Calls that are answered before the storm.
    fn talk(&mut self, count: u32) {
        for call in 0..count {
            self.calls.push((self.now, None));
            self.invite(call);
            self.serve();
            let answer = Command::Act { callid: format!("call-{call}"), action: Box::new(Action::Answer { sdp: None }) };
            self.endpoint.command(answer, self.now).unwrap();
            let ok = self.drain().into_iter().find(|(_, bytes)| bytes.starts_with(b"SIP/2.0 200")).unwrap().1;
            let Ok(Message::Response(response)) = parse(&ok) else { panic!() };
            self.open.push(None);
            self.tags.push(response.to().tag.unwrap().to_owned());
            let ack = self.text_within(call, 1).replace("INFO", "ACK");
            self.send(GATEWAY.parse().unwrap(), ack);
            self.serve();
        }
        self.replies.clear();
        assert_eq!(self.tags.len(), count as usize);
    }

    /// Serves the datagram that has waited longest.
    fn serve(&mut self) {
        let Some((arrived, from, bytes)) = self.queue.pop_front() else { return };
        let lag = self.now.saturating_duration_since(arrived);
        self.latest = self.latest.max(lag);
        self.endpoint.set_lag(ListenerId(0), lag);
        self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from, bytes: &bytes }, self.now);
        let sent = self.drain();
        let cheap = sent.iter().all(|(_, bytes)| bytes.starts_with(b"SIP/2.0 503"));
        self.free_at = self.now + if cheap { self.storm.cost / 5 } else { self.storm.cost };
        for (to, bytes) in sent {
            self.replies.push_back((self.free_at + WAY, to, bytes));
        }
    }

    fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { to, bytes, .. } => sent.push((to, bytes)),
                Output::Wait(_) => return sent,
                _ => {}
            }
        }
    }

    fn reply(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Ok(Message::Response(response)) = parse(bytes) else { return };
        let status = response.status().code();
        if to == GATEWAY.parse().unwrap() {
            return self.reply_to_gateway(&response);
        }
        let phone: u32 = response.call_id().strip_prefix("reg-").unwrap().parse().unwrap();
        let state = &mut self.phones[phone as usize];
        if state.registered || response.cseq().number != state.cseq {
            return;
        }
        match status {
            200 => {
                state.rounds += 1;
                state.registered = state.rounds == self.storm.rounds;
                if state.registered {
                    self.registered += 1;
                } else {
                    self.register(phone, 0, false);
                }
            }
            401 => {
                let identity = Identity { username: phone.to_string(), secret: "pw".into() };
                state.auth = ClientAuth::new(identity, false, response.headers().headers(HeaderName::WwwAuthenticate)).ok();
                self.register(phone, 0, false);
            }
            503 => {
                self.put_off += 1;
                let wait = response.headers().header(HeaderName::RetryAfter).unwrap().parse().unwrap();
                assert!((5..=30).contains(&wait));
                // The number moves on, so that the repeats of this request end.
                state.cseq += 1;
                self.after(Duration::from_secs(wait), Happening::Start(phone));
            }
            other => panic!("phone {phone}: {other}"),
        }
    }

    fn reply_to_gateway(&mut self, response: &Response<'_>) {
        let call: usize = response.call_id().strip_prefix("call-").unwrap().parse().unwrap();
        match (response.cseq().method.as_str(), response.status().code()) {
            ("INFO", status) => {
                assert_eq!(status, 200, "a request inside a call is never refused");
                let answered = self.open[call].take_if(|cseq| *cseq == response.cseq().number);
                self.within_answered += u32::from(answered.is_some());
            }
            ("INVITE", 100) => {
                let (began, took) = &mut self.calls[call];
                took.get_or_insert(self.now.saturating_duration_since(*began));
                // Control wants none of them: the answer comes later, and this call has shown what it had to.
                let hangup = Command::Act {
                    callid: response.call_id().to_owned(),
                    action: Box::new(Action::Hangup { reason: None, code: Some(480), headers: Vec::new() }),
                };
                let _over = self.endpoint.command(hangup, self.now);
                let sent = self.drain();
                self.replies.extend(sent.into_iter().map(|(to, bytes)| (self.now + WAY, to, bytes)));
            }
            ("INVITE", 480) => {
                let ack = Self::invitation(call).replace("INVITE sip", "ACK sip").replace("1 INVITE", "1 ACK");
                self.send(GATEWAY.parse().unwrap(), ack);
            }
            ("INVITE", 503) => self.refused_calls += 1,
            other => panic!("{other:?}"),
        }
    }

    /// Runs until every phone is registered; gives the time it took.
    fn run(&mut self) -> Duration {
        let start = self.now;
        let mut clock = start;
        while (self.registered as usize) < self.phones.len() || self.within_answered < self.within_sent {
            let next = [
                self.events.peek().map(|Reverse((at, _))| *at),
                self.replies.front().map(|(at, ..)| *at),
                (!self.queue.is_empty()).then_some(self.free_at),
                Some(clock),
            ];
            self.now = self.now.max(next.into_iter().flatten().min().unwrap());
            assert!(self.now - start < Duration::from_secs(600), "{} of {} are registered", self.registered, self.phones.len());
            while let Some(Reverse((_, what))) = self.events.peek().copied().filter(|Reverse((at, _))| *at <= self.now) {
                self.events.pop();
                self.happen(what);
            }
            while let Some((_, to, bytes)) = self.replies.pop_front_if(|(at, ..)| *at <= self.now) {
                self.reply(to, &bytes);
            }
            if self.free_at <= self.now {
                self.serve();
            }
            if clock <= self.now {
                clock = self.now + Duration::from_millis(100);
                self.endpoint.handle_timeout(self.now);
                let sent = self.drain();
                self.replies.extend(sent.into_iter().map(|(to, bytes)| (self.now + WAY, to, bytes)));
                self.every_tenth();
            }
        }
        self.now - start
    }

    /// A request inside a call, a new call, and the question how many are registered.
    fn every_tenth(&mut self) {
        let live = u32::try_from(self.tags.len()).unwrap();
        let call = self.rng.next_u32() % live;
        // One at a time in each call, as CSeq has it.
        if self.open[call as usize].is_none() && (self.registered as usize) < self.phones.len() {
            self.within_sent += 1;
            let cseq = self.within_sent + 10;
            self.open[call as usize] = Some(cseq);
            self.happen(Happening::Within(call, cseq));
        }
        let call = u32::try_from(self.calls.len()).unwrap();
        self.calls.push((self.now, None));
        self.happen(Happening::Call(call));
        let Ok(Reply::RegCount(count)) = self.endpoint.command(Command::RegGet { domain: None, user: None }, self.now) else { panic!() };
        assert!(count >= u64::from(self.registered), "GET /reg answers, and truly");
        self.fullest = self.fullest.max(self.status("transactions"));
    }

    fn status(&mut self, name: &str) -> u64 {
        let Ok(Reply::Status(status)) = self.endpoint.command(Command::Status, self.now) else { panic!() };
        status.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn weather(storm: Storm) -> World {
    let mut world = World::new(storm);
    world.talk(20);
    for phone in 0..storm.phones {
        world.after(Duration::ZERO, Happening::Start(phone));
    }
    let took = world.run();
    let mut slowest: Vec<Duration> = world.calls.iter().skip(20).filter_map(|(_, took)| *took).collect();
    slowest.sort_unstable();
    println!(
        "{} phones: all registered after {took:?}; put off {}, lost by the socket {}; at most {:?} late, {} of {} transactions; \
         {} requests in calls; {} new calls, slowest 100 after {:?}",
        storm.phones,
        world.put_off,
        world.lost,
        world.latest,
        world.fullest,
        world.limits.transactions,
        world.within_sent,
        slowest.len(),
        slowest.last()
    );
    assert!(took < Duration::from_secs(180), "{took:?}");
    assert_eq!(world.refused_calls, 0, "calls come before registrations");
    // A call whose INVITE found the socket full comes with its first or second repeat.
    assert!(slowest.last().unwrap() <= &Duration::from_millis(1600), "{:?}", slowest.last());
    assert!(world.within_sent > 20 && world.within_answered == world.within_sent, "{} of {}", world.within_answered, world.within_sent);
    assert!(world.put_off > 0, "a storm that is none proves nothing");
    assert_eq!((world.status("callsputoff"), world.status("shed")), (0, 0));
    world
}

const SMALL: Storm = Storm { phones: 2000, rounds: 1, calls_max: 600, cost: Duration::from_micros(500), queue: 500 };

#[test]
fn a_storm_of_registrations_is_served_in_order_and_calls_go_on() {
    let world = weather(SMALL);
    assert!(world.latest > Duration::from_millis(50), "it is late: {:?}", world.latest);
}

#[test]
fn a_storm_that_fills_the_table_leaves_room_for_calls() {
    // 12 300 answers are kept for 32 s, and twice as many registrations come in less.
    let world = weather(Storm { phones: 12_300, rounds: 2, cost: Duration::from_micros(40), queue: 1100, ..SMALL });
    assert!(world.latest < Duration::from_millis(50), "it is in time: {:?}", world.latest);
    assert!(world.fullest >= world.limits.transactions as u64 / 8 * 6, "{} of {}", world.fullest, world.limits.transactions);
}

#[test]
#[ignore = "a minute in release; see the head of the file"]
fn a_hundred_thousand_phones_register_at_once() {
    weather(Storm { phones: 100_000, cost: Duration::from_micros(20), queue: 6500, ..SMALL });
}
