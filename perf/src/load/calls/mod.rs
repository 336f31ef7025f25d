//! Callers and callees: calls at a set rate, each looked at from its INVITE to the end of its BYE.
//!
//! ```text
//!   slot of 1 ms: calls that are due ─▶ INVITE ─▶ 407 ─▶ INVITE with digest ─▶ 100 … 180 … 200 ─▶ ACK ─▶ hold ─▶ BYE ─▶ 200
//!                                          the switch ─▶ INVITE to the callee ─▶ 180, ring, 200 ◀─ ACK … BYE
//!   alone:         the switch ─▶ event to the answerer (HTTP) ─▶ ring, answer            rtp: both ends talk and are listened to
//! ```
//! Shape:  one thread, two sockets of SIP; an open loop: a call is due by the clock, whatever became of those before. Nothing is sent
//!         again: who got no 100 within 500 ms (timer A of RFC 3261) would have asked twice, and that is a limit of `bench calls`.
//! Units:  microseconds since the call was due, arrival by the kernel's clock; slots of 1 ms.
//! Errors: `io::Error` of the binds; every call that does not go its whole way is counted under its reason.
//! Bound:  calls of one run: rate × seconds, 200 bytes each; a wheel of 65 536 slots.
//! Source: RFC 3261 §13, §14 and §15.

pub mod answerer;
mod callee;
mod caller;
mod outcome;
mod text;
mod voice;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::datagrams::{Clock, Inbox, Outbox, prepare};
use super::kernel;
use super::sip::Message;
use answerer::Answerer;
pub use outcome::{Outcome, Times};
use voice::Voices;

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the switch takes SIP.
    pub server: SocketAddrV4,
    /// Our address.
    pub ip: Ipv4Addr,
    /// Domain of all users.
    pub domain: String,
    /// Callers; as many callees, where there are any.
    pub users: usize,
    /// Calls a second.
    pub rate: usize,
    /// Calls of this time are not counted: until as many end as begin.
    pub warm_up: Duration,
    /// Calls of this time are.
    pub time: Duration,
    /// From 180 to 200.
    pub ring: Duration,
    /// From 200 to BYE.
    pub hold: Duration,
    /// Both ends talk.
    pub rtp: bool,
}

impl Plan {
    /// User name of a caller.
    pub fn caller(&self, n: usize) -> String {
        format!("a{}", n % self.users.max(1))
    }

    /// User name of a callee.
    pub fn callee(&self, n: usize) -> String {
        format!("b{}", n % self.users.max(1))
    }

    /// Password of a user.
    pub fn secret(user: &str) -> String {
        format!("secret-{user}")
    }
}

/// Longest ring and hold together: the wheel.
pub const WHEEL_SLOTS: usize = 65_536;
const SLOT_US: u64 = 1000;
const SLOT: Duration = Duration::from_millis(1);
/// RFC 3261 §17.1.1.2: timer A, T1.
pub const T1_US: u64 = 500_000;
/// After the last call was due, and it should have ended.
const PATIENCE: Duration = Duration::from_secs(4);
const REGISTER_PATIENCE: Duration = Duration::from_secs(10);
const RECEIVE_BUFFER: usize = 8 << 20;

/// Something to do in a later slot.
#[derive(Debug, Clone, Copy)]
enum Task {
    /// The callee picks up.
    Answer(usize),
    /// The caller hangs up.
    HangUp(usize),
}

/// A SIP socket with what waits to leave it.
struct Line {
    socket: UdpSocket,
    at: SocketAddrV4,
    out: Outbox,
}

impl Line {
    fn bind(ip: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        prepare(&socket, RECEIVE_BUFFER)?;
        let SocketAddr::V4(at) = socket.local_addr()? else { return Err(io::Error::other("no address of IPv4")) };
        Ok(Self { socket, at, out: Outbox::default() })
    }

    fn send(&mut self, to: SocketAddrV4, text: &str) {
        self.out.push(&self.socket, to, |bytes| bytes.extend_from_slice(text.as_bytes()));
    }
}

/// The load of a run.
pub struct Load {
    plan: Plan,
    /// Distinguishes the Call-IDs of this run.
    run: u32,
    callers: Line,
    callees: Line,
    answerer: Option<Answerer>,
    voices: Option<Voices>,
    clock: Clock,
    rng: ChaCha12Rng,
    slot: usize,
    wheel: Vec<Vec<Task>>,
    calls: Vec<caller::Call>,
    /// Calls under way to a callee, oldest first, by callee.
    waiting: Vec<VecDeque<usize>>,
    legs: HashMap<String, usize>,
    leg: Vec<callee::Leg>,
    registered: Vec<bool>,
    refusal: u16,
    /// First call that counts.
    first: usize,
    /// Lent to the loop that reads it.
    inbox: Option<Inbox>,
    outcome: Outcome,
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("plan", &self.plan).field("calls", &self.calls.len()).finish_non_exhaustive()
    }
}

impl Load {
    /// Binds its sockets. With an answerer there are no callees: the calls end in control.
    ///
    /// # Errors
    /// The bind's.
    pub fn bind(plan: Plan, answerer: Option<Answerer>) -> io::Result<Self> {
        let (callers, callees) = (Line::bind(plan.ip)?, Line::bind(plan.ip)?);
        let voices = if plan.rtp { Some(Voices::bind(IpAddr::V4(plan.ip))?) } else { None };
        let millis = |time: Duration| time.as_millis() as usize;
        let of = |time: Duration| plan.rate * millis(time) / 1000;
        let (first, all) = (of(plan.warm_up), of(plan.warm_up + plan.time).max(1));
        Ok(Self {
            run: u32::from(callers.at.port()),
            callers,
            callees,
            answerer,
            voices,
            clock: Clock::start(),
            rng: ChaCha12Rng::seed_from_u64(1),
            slot: 0,
            wheel: vec![Vec::new(); WHEEL_SLOTS],
            calls: Vec::with_capacity(all),
            waiting: vec![VecDeque::new(); plan.users.max(1)],
            legs: HashMap::new(),
            leg: Vec::new(),
            registered: Vec::new(),
            refusal: 0,
            first,
            inbox: Some(Inbox::default()),
            outcome: Outcome { asked: all - first, ..Outcome::default() },
            plan,
        })
    }

    /// Registers the callees.
    ///
    /// # Errors
    /// Not all are, after ten seconds: how many.
    pub fn register(&mut self) -> Result<(), String> {
        let end = Instant::now() + REGISTER_PATIENCE;
        self.registered = vec![false; self.plan.users];
        while let missing @ 1.. = self.registered.iter().filter(|is| !**is).count() {
            if Instant::now() > end {
                return Err(format!(
                    "{missing} of {} callees could not be registered; the last refusal: {}",
                    self.plan.users, self.refusal
                ));
            }
            // One that was put off (503) is asked for again, as a phone would.
            for n in 0..self.plan.users {
                if self.registered.get(n) == Some(&false) {
                    self.send_register(n, 1, "");
                    self.flush();
                    thread::sleep(SLOT);
                    self.receive();
                }
            }
            for _ in 0..100 {
                thread::sleep(SLOT);
                self.receive();
                self.flush();
            }
        }
        Ok(())
    }

    /// A whole run, on the calling thread; `began` is called when the calls that count begin, `ended` when they do.
    pub fn run(&mut self, began: impl FnOnce(), ended: impl FnOnce()) -> Outcome {
        let all = self.first + self.outcome.asked;
        let task = kernel::this_thread();
        let (mut began, mut ended, mut cpu) = (Some(began), Some(ended), Duration::ZERO);
        let (warm, told) = (self.plan.warm_up.as_millis() as usize, (self.plan.warm_up + self.plan.time).as_millis() as usize);
        let last = told + (self.plan.ring + self.plan.hold + PATIENCE).as_millis() as usize;
        self.clock = Clock::start();
        self.slot = 0;
        let ports = [self.callers.at, self.callees.at];
        let mut drops = 0;
        loop {
            if self.slot >= warm
                && let Some(began) = began.take()
            {
                began();
                drops = kernel::udp_drops(|at| ports.contains(&at));
                cpu = kernel::cpu_time(&task);
            }
            if self.slot >= told
                && let Some(ended) = ended.take()
            {
                self.outcome.cpu_seconds = kernel::cpu_time(&task).saturating_sub(cpu).as_secs_f64();
                self.outcome.seconds = self.plan.time.as_secs_f64();
                ended();
            }
            if self.slot >= last || (self.slot > told && self.has_ended()) {
                break;
            }
            self.step(all, warm..told);
        }
        self.outcome.overrun = kernel::udp_drops(|at| ports.contains(&at)).saturating_sub(drops);
        self.outcome.refused = self.callers.out.refused + self.callees.out.refused;
        if let Some(voices) = &mut self.voices {
            (self.outcome.packets, self.outcome.audio) = voices.finish();
        }
        if let Some(answerer) = &self.answerer {
            self.outcome.events = answerer.events();
            self.outcome.refusals += answerer.refusals();
        }
        self.leftovers();
        std::mem::take(&mut self.outcome)
    }

    /// All calls that count have ended at both ends.
    fn has_ended(&self) -> bool {
        self.outcome.ended >= self.outcome.asked && self.leg.iter().all(|leg| leg.is_over || !leg.counts)
    }

    fn step(&mut self, all: usize, counted: std::ops::Range<usize>) {
        let due_us = self.slot as u64 * SLOT_US;
        let due = self.clock.at(due_us);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if counted.contains(&self.slot) {
            self.outcome.lag.record(self.clock.now_us().saturating_sub(due_us));
        }
        // As many as are due by the end of this slot.
        let target = (self.plan.rate * (self.slot + 1) / 1000).min(all);
        while self.calls.len() < target {
            self.call(due_us);
        }
        let tasks = self.wheel.get_mut(self.slot % WHEEL_SLOTS).map(std::mem::take).unwrap_or_default();
        for task in tasks {
            match task {
                Task::Answer(leg) => self.pick_up(leg),
                Task::HangUp(call) => self.hang_up(call),
            }
        }
        self.flush();
        self.receive();
        if let Some(voices) = &mut self.voices {
            voices.step(self.slot);
        }
        self.control();
        self.flush();
        self.slot += 1;
    }

    fn flush(&mut self) {
        self.callers.out.flush(&self.callers.socket);
        self.callees.out.flush(&self.callees.socket);
    }

    fn receive(&mut self) {
        let Some(mut inbox) = self.inbox.take() else { return };
        while {
            let more = inbox.receive(&self.callers.socket, &self.clock);
            for (octets, from, at_us) in inbox.iter() {
                if let (Some(message), Some(from)) = (Message::read(octets), from) {
                    self.at_caller(&message, from, at_us);
                }
            }
            more
        } {}
        while {
            let more = inbox.receive(&self.callees.socket, &self.clock);
            for (octets, from, at_us) in inbox.iter() {
                if let (Some(message), Some(from)) = (Message::read(octets), from) {
                    self.at_callee(&message, from, at_us);
                }
            }
            more
        } {}
        self.inbox = Some(inbox);
    }

    /// Events that came to the answerer.
    fn control(&mut self) {
        let Some(mut answerer) = self.answerer.take() else { return };
        answerer.step();
        let now_us = self.clock.now_us();
        for call in answerer.heard() {
            let Some(call) = super::sip::number_after(&call, "c") else { continue };
            if let Some(due_us) = self.calls.get(call).map(|call| call.due_us).filter(|_| call >= self.first) {
                self.outcome.times.reached.record(now_us.saturating_sub(due_us));
            }
        }
        self.answerer = Some(answerer);
    }

    fn later(&mut self, time: Duration, task: Task) {
        let slots = (time.as_millis() as usize).clamp(1, WHEEL_SLOTS - 1);
        if let Some(tasks) = self.wheel.get_mut((self.slot + slots) % WHEEL_SLOTS) {
            tasks.push(task);
        }
    }
}
