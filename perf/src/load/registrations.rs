//! Phones that register with digest at a set rate, each once, and once more if wanted.
//!
//! ```text
//!   slot of 1 ms: REGISTER of those that are due ─▶ 401 ─▶ digest at once ─▶ 200: time since the first was due, by the kernel's clock
//! ```
//! Shape:  one thread, one socket, templates and 64 datagrams a system call: 17 to 20 µs a registration, digest included. An open loop: a phone is
//!         due by the clock, whatever became of those before. Nothing is sent again: who got no answer within 500 ms (timer E of RFC
//!         3261) would have been a second request, so that is the limit.
//! Units:  microseconds.
//! Errors: `io::Error` of the bind; what is not 401 and 200 is counted.
//! Source: RFC 3261 §10.2, §17.1.2.2; RFC 8760 by `sip::auth`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sip::auth::{ClientAuth, Identity};

use super::calls::answerer::Answerer;
use super::datagrams::{Clock, Inbox, Outbox, prepare};
use super::histogram::Histogram;
use super::kernel;
use super::sip::{DIGIT, Message, NUMBER, Template, number_after};

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who registers them.
    pub server: SocketAddrV4,
    /// Our address.
    pub ip: Ipv4Addr,
    /// Domain of all.
    pub domain: String,
    /// Registrations a second.
    pub rate: usize,
    /// Phones, each of which registers once.
    pub phones: usize,
}

/// User name of a phone.
pub fn user(n: usize) -> String {
    format!("{n:08}")
}

/// Its password.
pub fn secret(n: usize) -> String {
    format!("secret-{n:08}")
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Phones that were due.
    pub asked: usize,
    /// Those that got their 200.
    pub registered: usize,
    /// Any answer but 401 and 200: how many, and the first of them.
    pub refused: (usize, String),
    /// Due to 200.
    pub delay: Histogram,
    /// How late the slots began.
    pub lag: Histogram,
    /// Part of its core that the load used.
    pub core: f64,
    /// Until the last answer.
    pub seconds: f64,
    /// Datagrams that our kernel did not send, or dropped at our socket.
    pub lost_here: u64,
    /// Events that control got.
    pub events: usize,
}

const SLOT_US: u64 = 1000;
/// RFC 3261 §17.1.2.2: timer E, T1.
pub const T1_US: u64 = 500_000;
const RECEIVE_BUFFER: usize = 16 << 20;

/// The phones.
pub struct Registrations {
    plan: Plan,
    socket: UdpSocket,
    at: SocketAddrV4,
    out: Outbox,
    inbox: Option<Inbox>,
    /// Two parts, between which the credentials go.
    words: [Template; 2],
    rng: ChaCha12Rng,
    clock: Clock,
    /// When each phone was due; none is heard twice.
    due_us: Vec<Option<u64>>,
    answerer: Option<Answerer>,
    /// How often they have registered before.
    before: u8,
    outcome: Outcome,
}

impl std::fmt::Debug for Registrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrations").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Registrations {
    /// Binds the phones' socket. An answerer takes the events of the server, if it has any.
    ///
    /// # Errors
    /// The bind's.
    pub fn bind(plan: Plan, answerer: Option<Answerer>) -> io::Result<Self> {
        let socket = UdpSocket::bind((plan.ip, 0))?;
        prepare(&socket, RECEIVE_BUFFER)?;
        let SocketAddr::V4(at) = socket.local_addr()? else { return Err(io::Error::other("no address of IPv4")) };
        let domain = &plan.domain;
        let head = format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{NUMBER}-{DIGIT};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{NUMBER}@{domain}>;tag={NUMBER}\r\nTo: <sip:{NUMBER}@{domain}>\r\nCall-ID: r{NUMBER}@{at}\r\nCSeq: {DIGIT} REGISTER\r\n\
             Contact: <sip:{NUMBER}@{at}>\r\nExpires: 3600\r\nUser-Agent: bench\r\n"
        );
        Ok(Self {
            socket,
            at,
            out: Outbox::default(),
            inbox: Some(Inbox::default()),
            words: [Template::new(&head), Template::new("Content-Length: 0\r\n\r\n")],
            rng: ChaCha12Rng::seed_from_u64(1),
            clock: Clock::start(),
            due_us: vec![None; plan.phones],
            answerer,
            before: 0,
            outcome: Outcome { asked: plan.phones, ..Outcome::default() },
            plan,
        })
    }

    /// All of them, on the calling thread.
    pub fn run(&mut self) -> Outcome {
        let task = kernel::this_thread();
        let at = self.at;
        let drops = || kernel::udp_drops(|socket| socket == at);
        let (cpu, drops_before) = (kernel::cpu_time(&task), drops());
        self.clock = Clock::start();
        let (mut next, mut slot, mut told) = (0, 0, None);
        loop {
            let due_us = slot as u64 * SLOT_US;
            thread::sleep(self.clock.at(due_us).saturating_duration_since(Instant::now()));
            if told.is_none() {
                self.outcome.lag.record(self.clock.now_us().saturating_sub(due_us));
            }
            slot += 1;
            // As many as are due by the end of this slot.
            let target = (self.plan.rate * slot / 1000).min(self.plan.phones);
            while next < target {
                if let Some(due) = self.due_us.get_mut(next) {
                    *due = Some(due_us);
                }
                self.send(next, 1, "");
                next += 1;
            }
            self.out.flush(&self.socket);
            self.hear();
            if let Some(answerer) = &mut self.answerer {
                answerer.step();
            }
            self.out.flush(&self.socket);
            if next == self.plan.phones {
                let told = *told.get_or_insert(due_us);
                if self.outcome.registered == self.plan.phones || due_us > told + 2 * T1_US {
                    break;
                }
            }
        }
        self.outcome.seconds = self.clock.now_us() as f64 / 1e6;
        self.outcome.core = kernel::cpu_time(&task).saturating_sub(cpu).as_secs_f64() / self.outcome.seconds;
        self.outcome.lost_here = self.out.refused + drops().saturating_sub(drops_before);
        self.outcome.events = self.answerer.as_ref().map_or(0, Answerer::events);
        std::mem::take(&mut self.outcome)
    }

    /// All of them once more: the same binding, Call-ID and CSeq going on (RFC 3261 §10.2.4). At most three times.
    pub fn run_again(&mut self) -> Outcome {
        self.before = (self.before + 1).min(3);
        self.due_us.fill(None);
        self.outcome = Outcome { asked: self.plan.phones, ..Outcome::default() };
        self.run()
    }

    fn hear(&mut self) {
        let Some(mut inbox) = self.inbox.take() else { return };
        while {
            let more = inbox.receive(&self.socket, &self.clock);
            for (octets, _, at_us) in inbox.iter() {
                // A request is an OPTIONS ping: not answered, a few do not end a binding.
                let Some(message) = Message::read(octets) else { continue };
                let (Some(status), Some(n)) = (message.status, number_after(message.call_id, "r")) else { continue };
                match status {
                    100..200 => {}
                    401 | 407 => self.answer(n, &message),
                    200 => {
                        if let Some(due_us) = self.due_us.get_mut(n).and_then(Option::take) {
                            self.outcome.registered += 1;
                            self.outcome.delay.record(at_us.saturating_sub(due_us));
                        }
                    }
                    _ => {
                        self.outcome.refused.0 += 1;
                        if self.outcome.refused.0 == 1 {
                            self.outcome.refused.1 = status.to_string();
                        }
                    }
                }
            }
            more
        } {}
        self.inbox = Some(inbox);
    }

    fn answer(&mut self, n: usize, message: &Message<'_>) {
        // A second challenge is a refusal.
        let Some((proxy, challenge)) = message.challenge.filter(|_| message.cseq == u32::from(1 + 2 * self.before)) else {
            self.outcome.refused.0 += 1;
            self.outcome.refused.1 = "a second challenge".to_owned();
            return;
        };
        let identity = Identity { username: user(n), secret: secret(n) };
        // A challenge that cannot be answered is a phone without an answer.
        let Ok(mut auth) = ClientAuth::new(identity, proxy, std::iter::once(challenge)) else { return };
        let value = auth.answer("REGISTER", &format!("sip:{}", self.plan.domain), &mut self.rng);
        self.send(n, 2, &format!("{}: {value}\r\n", auth.header()));
    }

    fn send(&mut self, n: usize, cseq: u8, more: &str) {
        let Self { out, socket, words: [head, tail], plan, before, .. } = self;
        let cseq = cseq + 2 * *before;
        out.push(socket, plan.server, |bytes| {
            head.write(n, cseq, bytes);
            bytes.extend_from_slice(more.as_bytes());
            tail.write(n, cseq, bytes);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// A registrar that challenges and then believes all, but for each `mute`-th phone; what it was proven with is told at its end.
    fn registrar(mute: usize) -> (SocketAddrV4, Arc<AtomicBool>, thread::JoinHandle<String>) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        prepare(&socket, 8 << 20).unwrap();
        let SocketAddr::V4(at) = socket.local_addr().unwrap() else { panic!() };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (clock, mut inbox, mut out, mut proof) = (Clock::start(), Inbox::default(), Outbox::default(), String::new());
            while !stopped.load(Ordering::Relaxed) {
                let more = inbox.receive(&socket, &clock);
                for (octets, from, _) in inbox.iter() {
                    let message = Message::read(octets).unwrap();
                    let n = number_after(message.call_id, "r").unwrap();
                    if mute > 0 && n.is_multiple_of(mute) {
                        continue;
                    }
                    let proves = std::str::from_utf8(octets).unwrap().split_once("\r\nAuthorization: ").map(|(_, rest)| rest);
                    let status = match proves {
                        None => "401 Prove it\r\nWWW-Authenticate: Digest realm=\"d.invalid\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"",
                        Some(_) => "200 OK",
                    };
                    if let Some(proves) = proves.filter(|_| proof.is_empty()) {
                        proof = proves.lines().next().unwrap_or_default().to_owned();
                    }
                    let text = format!("SIP/2.0 {status}\r\n{}Content-Length: 0\r\n\r\n", message.response_headers("r"));
                    out.push(&socket, from.unwrap(), |bytes| bytes.extend_from_slice(text.as_bytes()));
                }
                out.flush(&socket);
                if !more {
                    thread::sleep(Duration::from_micros(500));
                }
            }
            proof
        });
        (at, stop, thread)
    }

    fn played(rate: usize, phones: usize, mute: usize) -> (Outcome, String) {
        let (server, stop, thread) = registrar(mute);
        let plan = Plan { server, ip: Ipv4Addr::LOCALHOST, domain: "d.invalid".into(), rate, phones };
        let outcome = Registrations::bind(plan, None).unwrap().run();
        stop.store(true, Ordering::Relaxed);
        (outcome, thread.join().unwrap())
    }

    #[test]
    fn every_phone_registers_once_and_with_digest() {
        let (outcome, proof) = played(1000, 200, 0);
        assert_eq!((outcome.asked, outcome.registered, outcome.delay.count(), outcome.refused.0), (200, 200, 200, 0));
        assert!(proof.contains("realm=\"d.invalid\"") && proof.contains("username=\"000") && proof.contains("qop=auth"), "{proof}");
        assert!(outcome.seconds >= 0.19 && outcome.core > 0.0);
    }

    #[test]
    fn phones_register_once_more_with_what_follows() {
        let (server, stop, thread) = registrar(0);
        let plan = Plan { server, ip: Ipv4Addr::LOCALHOST, domain: "d.invalid".into(), rate: 1000, phones: 50 };
        let mut phones = Registrations::bind(plan, None).unwrap();
        let (first, second) = (phones.run(), phones.run_again());
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        assert_eq!((first.registered, second.registered, second.asked, second.refused.0), (50, 50, 50, 0));
    }

    #[test]
    fn phones_that_are_not_answered_are_found() {
        let (outcome, _) = played(1000, 200, 10);
        assert_eq!((outcome.registered, outcome.asked), (180, 200));
    }

    /// What a registration costs the load. Run it alone: `cargo test --release -p perf load_costs -- --ignored --nocapture`.
    #[test]
    #[ignore = "a figure, not a claim: the host decides"]
    fn the_load_costs_so_much_a_registration() {
        for rate in [5000, 10_000, 20_000, 40_000] {
            let (outcome, _) = played(rate, rate * 2, 0);
            println!(
                "{rate} registrations a second: {:.1} us of the load's CPU each, {:.0} % of its core, {} of {} registered, {} lost here",
                outcome.core * outcome.seconds * 1e6 / outcome.registered.max(1) as f64,
                outcome.core * 100.0,
                outcome.registered,
                outcome.asked,
                outcome.lost_here
            );
        }
    }
}
