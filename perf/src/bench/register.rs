//! `bench register`: phones that register with digest at a set rate, and the highest rate at which all are served in time.
//!
//! ```text
//!   slot of 1 ms: REGISTER of the users that are due ─▶ 401 ─▶ digest at once ─▶ 200: time since the first was due
//!   level(rate):  fresh switch ─▶ rate × seconds users in its directory ─▶ each registers once ─▶ Level
//! ```
//! Shape:  an open loop: a user is due by the clock, whatever became of those before. Nothing is sent again: who got no answer within
//!         500 ms (timer E of RFC 3261) would have been a second request, so that is the limit.
//! Units:  registrations a second; microseconds of the switch's CPU for one, both requests and the kernel included.
//! Errors: text; a switch that does not start ends the measurement.
//! Source: RFC 3261 §10.2, §17.1.2.2; RFC 8760 by `sip::auth`.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use sip::auth::{ClientAuth, Identity};
use socket2::SockRef;

use super::media::round;
use super::options::Options;
use super::search::{self, End, Range, Verdict};
use super::server::{Switch, own_loopback};
use super::usage::{Usage, resident};
use super::{pinned, progress};
use crate::api::Api;
use crate::load::{Histogram, kernel};

const DOMAIN: &str = "bench.invalid";
const SLOT: Duration = Duration::from_millis(1);
/// RFC 3261 §17.1.2.2: timer E, T1.
const T1: Duration = Duration::from_millis(500);
/// First rate, highest, and what all are multiples of.
const RATES: Range = Range { start: 400, most: 40_000, step: 50 };
const QUICK_RATE: usize = 100;
/// More than this of its core, and the load was the limit.
const LOAD_CORE_MOST: f64 = 0.9;
const LOAD_LAG_P99_US: u64 = 3000;

/// One rate and what became of it.
struct Level {
    rate: usize,
    asked: usize,
    registered: usize,
    /// Any answer but 401 and 200: how many, and the first of them.
    refused: (usize, String),
    delay: Histogram,
    lag: Histogram,
    load_core: f64,
    seconds: f64,
    usage: Usage,
    bytes_each: f64,
}

impl Level {
    fn verdict(&self) -> Verdict {
        let lag = self.lag.quantile(0.99);
        if self.load_core > LOAD_CORE_MOST {
            return Verdict::Limited(format!("it used {:.0} % of its core", self.load_core * 100.0));
        }
        if lag > LOAD_LAG_P99_US {
            return Verdict::Limited(format!("its slots began {:.1} ms late for 1 in 100", lag as f64 / 1e3));
        }
        if self.refused.0 > 0 {
            return Verdict::Failed(format!("{} refused, the first with {}", self.refused.0, self.refused.1));
        }
        if self.registered < self.asked {
            return Verdict::Failed(format!("{} of {} got no answer", self.asked - self.registered, self.asked));
        }
        if self.delay.max() > micros(T1) {
            return Verdict::Failed(format!("the slowest took {:.0} ms: its phone would have asked again", self.delay.max() as f64 / 1e3));
        }
        Verdict::Held
    }

    fn cpu_us(&self) -> f64 {
        self.usage.run.as_secs_f64() * 1e6 / self.registered.max(1) as f64
    }

    fn json(&self) -> Value {
        let (verdict, why) = match self.verdict() {
            Verdict::Held => ("held", None),
            Verdict::Failed(why) => ("failed", Some(why)),
            Verdict::Limited(why) => ("generator", Some(why)),
        };
        json!({
            "per_second": self.rate,
            "verdict": verdict,
            "why": why,
            "asked": self.asked,
            "registered": self.registered,
            "cpu_us_each": round(self.cpu_us(), 2),
            "kernel_part": self.usage.kernel_part().map(|part| round(part, 3)),
            "core": round(self.usage.run.as_secs_f64() / self.seconds.max(1e-9), 4),
            "bytes_each": round(self.bytes_each, 0),
            "delay_us": { "p50": self.delay.quantile(0.5), "p99": self.delay.quantile(0.99), "max": self.delay.max() },
            "generator": { "core": round(self.load_core, 3), "lag_p99_us": self.lag.quantile(0.99) },
        })
    }
}

/// The whole measurement.
///
/// # Errors
/// The switch does not start, or refuses the users.
pub fn measure(options: &Options) -> Result<Value, String> {
    let mut levels = Vec::new();
    let play = |rate: usize| {
        let level = level(rate, options)?;
        let verdict = level.verdict();
        progress(&format!(
            "register: {rate} a second, {:.1} us of CPU each, slowest {:.1} ms, load {:.1} %: {verdict:?}",
            level.cpu_us(),
            level.delay.max() as f64 / 1e3,
            level.load_core * 100.0
        ));
        levels.push(level.json());
        Ok::<_, String>(verdict)
    };
    let range = if options.quick { Range { start: QUICK_RATE, most: QUICK_RATE, step: RATES.step } } else { RATES };
    let found = search::highest(range, play)?;
    let why = match &found.end {
        End::Failed(at, why) => format!("{at} a second: {why}"),
        End::Limited(at, why) => format!("{at} a second: the load generator was the limit: {why}"),
        End::Most => "the highest rate of this program held".to_owned(),
    };
    Ok(json!({
        "what": "register with digest",
        "cores": options.cores,
        "capacity_per_second": found.capacity().filter(|held| *held > 0),
        "held_per_second": found.held,
        "ended": why,
        "levels": levels,
    }))
}

fn level(rate: usize, options: &Options) -> Result<Level, String> {
    let users = ((rate as f64 * options.time.as_secs_f64()) as usize).max(1);
    let switch = Switch::start(&options.cores, 2)?;
    let mut api = Api::connect(switch.sip_http)?;
    api.tell("PUT", &format!("/dir/{DOMAIN}"), r#"{"control":"http://127.0.0.1:9","users":[]}"#)?;
    for first in (0..users).step_by(1000) {
        let some = (first..users.min(first + 1000)).map(|user| json!({ "username": user.to_string(), "secret": secret(user) }));
        let body = json!({ "users": some.collect::<Vec<_>>() });
        api.tell("PATCH", &format!("/dir/{DOMAIN}"), &body.to_string())?;
    }
    let before = resident(switch.id()).unwrap_or(0);
    let mut level = pinned(options.front_load_cpu(), || {
        let mut phones = Phones::new(&switch, rate, users).map_err(|error| error.to_string())?;
        phones.run();
        Ok::<_, String>(phones.level)
    })?;
    level.bytes_each = resident(switch.id()).unwrap_or(0).saturating_sub(before) as f64 / level.registered.max(1) as f64;
    Ok(level)
}

fn secret(user: usize) -> String {
    format!("secret-{user}")
}

struct Phones {
    socket: UdpSocket,
    local: SocketAddr,
    server: SocketAddr,
    switch: u32,
    rng: ChaCha12Rng,
    base: Instant,
    /// When each user was due, microseconds; none is heard twice.
    due_us: Vec<Option<u64>>,
    level: Level,
}

impl Phones {
    fn new(switch: &Switch, rate: usize, users: usize) -> io::Result<Self> {
        let socket = UdpSocket::bind((own_loopback(), 0))?;
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(8 << 20)?;
        Ok(Self {
            local: socket.local_addr()?,
            socket,
            server: switch.sip,
            switch: switch.id(),
            rng: ChaCha12Rng::seed_from_u64(1),
            base: Instant::now(),
            due_us: vec![None; users],
            level: Level {
                rate,
                asked: users,
                registered: 0,
                refused: (0, String::new()),
                delay: Histogram::default(),
                lag: Histogram::default(),
                load_core: 0.0,
                seconds: 0.0,
                usage: Usage::default(),
                bytes_each: 0.0,
            },
        })
    }

    fn run(&mut self) {
        let task = kernel::this_thread();
        let (cpu, before) = (kernel::cpu_time(&task), Usage::of_process(self.switch).unwrap_or_default());
        self.base = Instant::now();
        let (mut next, mut slot, mut told) = (0, 0, None);
        loop {
            let due = self.base + SLOT * slot;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if told.is_none() {
                self.level.lag.record(micros(due.elapsed()));
            }
            slot += 1;
            // As many as are due by the end of this slot.
            let target = (self.level.rate * slot as usize / 1000).min(self.level.asked);
            while next < target {
                if let Some(due_us) = self.due_us.get_mut(next) {
                    *due_us = Some(micros(due - self.base));
                }
                self.send(next, 1, "");
                next += 1;
            }
            self.hear();
            if next == self.level.asked {
                let told = *told.get_or_insert(due);
                if self.level.registered == self.level.asked || due > told + 2 * T1 {
                    break;
                }
            }
        }
        self.level.seconds = self.base.elapsed().as_secs_f64();
        self.level.load_core = (kernel::cpu_time(&task).saturating_sub(cpu)).as_secs_f64() / self.level.seconds;
        self.level.usage = Usage::of_process(self.switch).unwrap_or_default().since(before);
    }

    fn hear(&mut self) {
        let mut octets = [0; 4096];
        while let Ok((length, _)) = self.socket.recv_from(&mut octets) {
            let Some(Ok(text)) = octets.get(..length).map(str::from_utf8) else { continue };
            // An OPTIONS ping: not answered, a few do not end a binding.
            let Some(status) = text.strip_prefix("SIP/2.0 ") else { continue };
            let Some(user) = between(text, "\r\nCall-ID: ", "@").and_then(|user| user.parse::<usize>().ok()) else { continue };
            if status.starts_with("401 ") {
                self.answer(user, text);
            } else if status.starts_with("200 ") {
                if let Some(due_us) = self.due_us.get_mut(user).and_then(Option::take) {
                    self.level.registered += 1;
                    self.level.delay.record(micros(self.base.elapsed()).saturating_sub(due_us));
                }
            } else {
                self.level.refused.0 += 1;
                if self.level.refused.0 == 1 {
                    self.level.refused.1 = status.lines().next().unwrap_or_default().to_owned();
                }
            }
        }
    }

    fn answer(&mut self, user: usize, text: &str) {
        let challenge = between(text, "\r\nWWW-Authenticate: ", "\r\n").unwrap_or_default();
        let identity = Identity { username: user.to_string(), secret: secret(user) };
        // A challenge that cannot be answered is a user without an answer.
        let Ok(mut auth) = ClientAuth::new(identity, false, std::iter::once(challenge)) else { return };
        let answer = auth.answer("REGISTER", &format!("sip:{DOMAIN}"), &mut self.rng);
        let header = format!("{}: {answer}\r\n", auth.header());
        self.send(user, 2, &header);
    }

    fn send(&mut self, user: usize, cseq: u32, more: &str) {
        let local = self.local;
        let text = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{user}-{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag={user}\r\nTo: <sip:{user}@{DOMAIN}>\r\nCall-ID: {user}@{local}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{local}>\r\nExpires: 3600\r\nUser-Agent: bench\r\n{more}Content-Length: 0\r\n\r\n"
        );
        // A request that is refused by our own kernel is one without an answer.
        let _ = self.socket.send_to(text.as_bytes(), self.server);
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Level {
        let mut level = Level {
            rate: 100,
            asked: 50,
            registered: 50,
            refused: (0, String::new()),
            delay: Histogram::default(),
            lag: Histogram::default(),
            load_core: 0.5,
            seconds: 0.5,
            usage: Usage::default(),
            bytes_each: 0.0,
        };
        level.delay.record(900);
        level
    }

    #[test]
    fn a_rate_holds_only_if_all_are_served_before_they_would_ask_again() {
        assert_eq!(good().verdict(), Verdict::Held);
        assert!(matches!(Level { registered: 49, ..good() }.verdict(), Verdict::Failed(why) if why.contains("1 of 50")));
        assert!(matches!(Level { refused: (1, "503".into()), ..good() }.verdict(), Verdict::Failed(why) if why.contains("503")));
        assert!(matches!(Level { load_core: 0.95, registered: 49, ..good() }.verdict(), Verdict::Limited(_)));
        let mut slow = good();
        slow.delay.record(600_000);
        assert!(matches!(slow.verdict(), Verdict::Failed(why) if why.contains("600 ms")));
    }
}
