//! `bench calls`, `bench direct-calls` and `bench sip-calls`: calls at a set rate, and the highest rate at which all go their whole way in time.
//!
//! ```text
//!   calls:      caller ─▶ switch ─▶ its own call script ─▶ switch ─▶ callee            two legs, two channels, the product as it comes
//!   direct-calls: the same with direct media                                        two legs, no channel: what signalling and script cost
//!   sip-calls:  caller ─▶ switch ─▶ an answerer in the load                            one leg, SIP and its events alone
//!   level(rate): fresh switch ─▶ callees register ─▶ warm-up until as many calls end as begin ─▶ measured ─▶ all end ─▶ Level
//! ```
//! Shape:  an open loop; each call is INVITE, 407, INVITE with digest, 100, 180, 200, ACK, hold, BYE, 200, at both ends.
//! Units:  calls a second; microseconds of CPU of the whole switch for one call, kernel included, and by thread.
//! Errors: text; a switch that does not start ends the measurement.
//! Limits: see [`crate::load::calls::Outcome::fault`].
//! Not here: the phones (`load::calls`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use serde_json::{Value, json};

use super::media::{attempts, one_line, round, unmeasured_json};
use super::noise::Stolen;
use super::options::Options;
use super::search::{self, Found, Range};
use super::server::{Switch, channels_max, own_loopback};
use super::usage::{self, Usage, resident};
use super::verdict::{Signs, Verdict};
use super::{pinned, progress};
use crate::api::Api;
use crate::load::calls::answerer::Answerer;
use crate::load::calls::{Load, Outcome, Plan};
use crate::load::histogram::Histogram;

const DOMAIN: &str = "bench.invalid";
/// Callers, and as many callees.
const USERS: usize = 200;
/// First rate, highest, and what all are multiples of.
const RATES: Range = Range { start: 50, most: 20_000, step: 10 };
const QUICK_RATE: usize = 20;
/// Registering, and a call set up and ended, at both ends.
const WARM_UP_MORE: Duration = Duration::from_millis(500);
/// Channels that a call keeps for so long after its end.
const CLOSING: Duration = Duration::from_secs(2);

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Through the call script, to a callee.
    Whole,
    /// The same, with direct media.
    Direct,
    /// Ended by an answerer in the load.
    SipAlone,
}

struct Level {
    rate: usize,
    outcome: Outcome,
    usage: Usage,
    threads: BTreeMap<String, Usage>,
    resident: u64,
    stolen: Stolen,
    verdict: Verdict,
}

impl Level {
    fn each(&self, usage: Usage) -> f64 {
        usage.run.as_secs_f64() * 1e6 / self.outcome.asked.max(1) as f64
    }

    fn json(&self) -> Value {
        let Self { outcome, .. } = self;
        let seconds = outcome.seconds.max(1e-9);
        json!({
            "per_second": self.rate,
            "verdict": self.verdict.word(),
            "why": self.verdict.why(),
            "seconds": round(outcome.seconds, 3),
            "calls": { "asked": outcome.asked, "answered": outcome.answered, "completed": outcome.completed, "repeats": outcome.repeats },
            "failures": outcome.failures,
            "cpu_us_per_call": round(self.each(self.usage), 2),
            "kernel_part": self.usage.kernel_part().map(|part| round(part, 3)),
            "core": round(self.usage.run.as_secs_f64() / seconds, 4),
            "waited_for_cpu": round(self.usage.wait.as_secs_f64() / seconds, 5),
            "threads": threads(&self.threads, |usage| self.each(usage)),
            "to_100_us": times(&outcome.times.to_100),
            "reached_us": times(&outcome.times.reached),
            "answered_us": times(&outcome.times.answered),
            "events": outcome.events,
            "packets": outcome.packets.map(|packets| json!({ "told": packets.told, "heard": packets.heard, "foreign": packets.foreign,
                "ends": packets.ends, "mute_ends": packets.mute })),
            "audio": outcome.audio.iter().map(|audio| json!({ "stream": audio.stream, "told_hz": audio.told_hz,
                "heard_hz": audio.heard.map(|heard| round(heard.tone_hz, 1)), "level_dbov": audio.heard.map(|heard| round(heard.level_dbov, 2)),
                "snr_db": audio.heard.map(|heard| round(heard.snr_db, 1)) })).collect::<Vec<_>>(),
            "resident_bytes": self.resident,
            "stolen": self.stolen.json(),
            "generator": { "core": round(outcome.core(), 3), "lag_p99_us": outcome.lag.quantile(0.99), "lag_max_us": outcome.lag.max() },
        })
    }
}

/// CPU by thread, for the report.
pub fn threads(threads: &BTreeMap<String, Usage>, each: impl Fn(Usage) -> f64) -> Value {
    let used = threads.iter().filter(|(_, usage)| !usage.run.is_zero());
    used.map(|(name, usage)| {
        json!({ "name": name, "cpu_us_each": round(each(*usage), 2), "kernel_part": usage.kernel_part().map(|part| round(part, 3)) })
    })
    .collect()
}

/// What each thread used after `before`.
pub fn threads_since(after: BTreeMap<String, Usage>, before: &BTreeMap<String, Usage>) -> BTreeMap<String, Usage> {
    after.into_iter().map(|(name, usage)| (name.clone(), usage.since(before.get(&name).copied().unwrap_or_default()))).collect()
}

/// Quantiles for the report; `null` where nothing was measured.
pub fn times(histogram: &Histogram) -> Value {
    if histogram.count() == 0 {
        return Value::Null;
    }
    json!({ "p50": histogram.quantile(0.5), "p99": histogram.quantile(0.99), "max": histogram.max() })
}

/// The whole measurement.
///
/// # Errors
/// The switch does not start, or refuses the users.
pub fn measure(kind: Kind, options: &Options) -> Result<Value, String> {
    let (mut levels, mut verdicts, mut unmeasured) = (Vec::new(), Vec::new(), Vec::new());
    let what = match kind {
        Kind::Whole if options.rtp => "calls with media",
        Kind::Whole => "calls",
        Kind::Direct => "calls, direct media",
        Kind::SipAlone => "calls, SIP alone",
    };
    let mut play = |rate: usize| {
        let level = level(kind, rate, options).map_err(|why| one_line(&why)).inspect_err(|why| {
            progress(&format!("{what}: {rate} a second could not be measured: {why}"));
            unmeasured.push((rate, why.clone()));
        })?;
        progress(&format!(
            "{what}: {rate} a second, {:.0} us of CPU each, reached in {:.1} ms (p99), load {:.1} %: {}",
            level.each(level.usage),
            level.outcome.times.reached.quantile(0.99) as f64 / 1e3,
            level.outcome.core() * 100.0,
            level.verdict
        ));
        levels.push(level.json());
        verdicts.push(level.verdict.clone());
        Ok(level.verdict)
    };
    let fixed = options.rate.or(options.quick.then_some(QUICK_RATE));
    let found = match fixed {
        Some(rate) => Found::of_given(std::iter::once((rate, play(rate)))),
        None => search::highest(RATES, play),
    };
    if let (true, Some((_, why))) = (levels.is_empty(), unmeasured.first()) {
        return Err(why.clone());
    }
    let capacity = if fixed.is_some() { None } else { found.capacity().filter(|held| *held > 0) };
    Ok(json!({
        "what": what,
        "cores": options.cores,
        "hold_ms": options.hold.as_millis() as u64,
        "ring_ms": options.ring.as_millis() as u64,
        "rtp": options.rtp && kind == Kind::Whole,
        "calls_per_second": capacity,
        "held_per_second": found.held,
        "ended": found.end.text("a second", fixed.is_some()),
        "attempts": attempts(verdicts.iter()),
        "unmeasured": unmeasured_json(&unmeasured),
        "levels": levels,
    }))
}

fn level(kind: Kind, rate: usize, options: &Options) -> Result<Level, String> {
    let IpAddr::V4(ip) = own_loopback() else { return Err("no loopback address of IPv4".to_owned()) };
    let channels = match kind {
        Kind::Whole => (rate as f64 * (options.hold + options.ring + CLOSING).as_secs_f64() * 2.0) as usize + 16,
        Kind::Direct | Kind::SipAlone => 2,
    };
    let mut more = vec![
        "--max-calls".to_owned(),
        (rate * 2 * (options.hold + options.ring + 34 * Duration::from_secs(1)).as_secs() as usize).max(20_000).to_string(),
    ];
    if kind != Kind::SipAlone {
        let users = (0..USERS).flat_map(|n| [format!("a{n}"), format!("b{n}")]);
        let users = users.map(|user| format!("{user}:{}", Plan::secret(&user))).collect::<Vec<_>>().join(",");
        more.extend(["--domain".to_owned(), DOMAIN.to_owned(), "--users".to_owned(), users]);
        more.extend((kind == Kind::Direct).then(|| "--direct".to_owned()));
    }
    let switch = Switch::start_with(&options.cores, channels.min(channels_max()), &more)?;
    let SocketAddr::V4(server) = switch.sip else { return Err("no SIP address of IPv4".to_owned()) };
    let answerer = match kind {
        Kind::Whole | Kind::Direct => {
            wait_for_users(&switch)?;
            None
        }
        Kind::SipAlone => Some(answerer(&switch, ip)?),
    };
    let plan = Plan {
        server,
        ip,
        domain: DOMAIN.to_owned(),
        users: USERS,
        rate,
        warm_up: options.hold + options.ring + WARM_UP_MORE,
        time: options.time,
        ring: options.ring,
        hold: options.hold,
        rtp: options.rtp && kind == Kind::Whole,
    };
    let pids = [switch.id()];
    let look = || (usage::by_thread(&pids), Stolen::now(options.front_cpu, options.front_load_cpu()));
    let (mut before, mut after) = ((BTreeMap::new(), Stolen::default()), (BTreeMap::new(), Stolen::default()));
    let outcome = pinned(options.front_load_cpu(), || {
        let mut load = Load::bind(plan, answerer).map_err(|error| error.to_string())?;
        if kind != Kind::SipAlone {
            load.register()?;
        }
        Ok::<_, String>(load.run(|| before = look(), || after = look()))
    })?;
    let (threads, stolen) = (threads_since(after.0, &before.0), after.1.since(before.1));
    let usage = threads.values().fold(Usage::default(), |sum, usage| sum.and(*usage));
    let signs = Signs {
        busy: outcome.generator_busy(),
        late: outcome.generator_late(),
        far_too_late: outcome.generator_far_too_late(),
        load_core: outcome.core(),
        load_stolen: stolen.load,
        fault: outcome.fault(),
        is_of_time: outcome.is_fault_of_time(),
        switch_core: usage.run.as_secs_f64() / outcome.seconds.max(1e-9),
        switch_stolen: stolen.switch,
    };
    Ok(Level { rate, outcome, usage, threads, resident: resident(switch.id()).unwrap_or(0), stolen, verdict: signs.verdict() })
}

/// The script tells the switch of its users a moment after the switch serves.
fn wait_for_users(switch: &Switch) -> Result<(), String> {
    let mut api = Api::connect(switch.sip_http)?;
    let path = format!("/dir/{DOMAIN}/b{}", USERS - 1);
    for _ in 0..500 {
        if api.tell("GET", &path, "").is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("the call script did not tell the switch of its users within 5 s".to_owned())
}

/// Control of a domain with all callers.
fn answerer(switch: &Switch, ip: Ipv4Addr) -> Result<Answerer, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut answerer = Answerer::listen().map_err(text)?;
    let users = (0..USERS).map(|n| format!("a{n}")).map(|user| json!({ "username": user, "secret": Plan::secret(&user) }));
    let body = json!({ "control": answerer.url().map_err(text)?, "users": users.collect::<Vec<_>>() });
    Api::connect(switch.sip_http)?.tell("PUT", &format!("/dir/{DOMAIN}"), &body.to_string())?;
    answerer.answer_with(switch.sip_http, &session(SocketAddrV4::new(ip, 9))).map_err(text)?;
    Ok(answerer)
}

/// A session of PCMU, as the API has it.
fn session(at: SocketAddrV4) -> Value {
    let address = at.ip().to_string();
    json!({
        "v": 0,
        "o": { "username": "-", "sessionid": 1, "sessionversion": 1, "nettype": "IN", "ipver": 4, "address": address },
        "s": "-",
        "c": [{ "nettype": "IN", "ipver": 4, "address": address }],
        "t": { "start": 0, "stop": 0 },
        "m": [{ "media": "audio", "port": at.port(), "proto": "RTP/AVP", "payloads": [0], "direction": "sendrecv", "ptime": 20 }],
    })
}
