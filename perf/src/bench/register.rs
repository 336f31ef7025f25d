//! `bench register`: phones that register with digest at a set rate, and the highest rate at which all are served in time.
//!
//! ```text
//!   level(rate):  fresh switch ─▶ rate × seconds users in its directory, control that takes their events ─▶ each registers once ─▶ Level
//!   --refresh:    each registers twice, and the second time is measured: its binding is there
//!   --peers:      ours and Kamailio on the same CPU with the same load, by turns ─▶ ratio
//! ```
//! Shape:  REGISTER, 401, REGISTER with digest, 200; and an event of the switch to control, which takes it.
//! Units:  registrations a second; microseconds of the switch's CPU for one, both requests, its event and the kernel included.
//! Errors: text; a switch that does not start ends the measurement.
//! Not here: the phones (`load::registrations`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serde_json::{Value, json};

use super::calls::{threads, threads_since, times};
use super::media::{attempts, one_line, round, unmeasured_json};
use super::noise::Stolen;
use super::options::Options;
use super::peers::kamailio::Kamailio;
use super::peers::{Missing, Rounds, missing};
use super::search::{self, Found, Range};
use super::server::{Switch, own_loopback};
use super::usage::{self, Usage, resident};
use super::verdict::{Signs, Verdict};
use super::{pinned, progress};
use crate::api::Api;
use crate::load::calls::answerer::Answerer;
use crate::load::registrations::{Outcome, Plan, Registrations, T1_US, secret, user};

const DOMAIN: &str = "bench.invalid";
/// First rate, highest, and what all are multiples of.
const RATES: Range = Range { start: 400, most: 100_000, step: 50 };
const QUICK_RATE: usize = 100;
/// More than this of its core, and the load was the limit.
const LOAD_CORE_MOST: f64 = 0.9;
const LOAD_LAG_P99_US: u64 = 3000;
const LOAD_LAG_FAR_US: u64 = 20_000;
/// Rate at which we are compared where none held.
const COMPARED_LEAST: usize = 200;

/// One rate and what became of it.
struct Level {
    rate: usize,
    outcome: Outcome,
    threads: BTreeMap<String, Usage>,
    bytes_each: f64,
    stolen: Stolen,
}

impl Level {
    fn verdict(&self) -> Verdict {
        let Outcome { asked, registered, refused, delay, lag, core, lost_here, seconds, .. } = &self.outcome;
        let lag = lag.quantile(0.99);
        let busy = if *core > LOAD_CORE_MOST {
            Some(format!("it used {:.0} % of its core", core * 100.0))
        } else {
            (*lost_here > 0).then(|| format!("{lost_here} messages were refused or dropped at its own socket"))
        };
        let is_slow = delay.max() > T1_US;
        let fault = if refused.0 > 0 {
            Some(format!("{} refused, the first with {}", refused.0, refused.1))
        } else if registered < asked {
            Some(format!("{} of {asked} got no answer", asked - registered))
        } else {
            is_slow.then(|| format!("the slowest took {:.0} ms: its phone would have asked again", delay.max() as f64 / 1e3))
        };
        let signs = Signs {
            busy,
            far_too_late: lag > LOAD_LAG_FAR_US,
            late: (lag > LOAD_LAG_P99_US).then(|| format!("slots began {:.1} ms late for 1 in 100", lag as f64 / 1e3)),
            load_core: *core,
            load_stolen: self.stolen.load,
            fault,
            is_of_time: refused.0 == 0 && registered >= asked,
            switch_core: self.usage().run.as_secs_f64() / seconds.max(1e-9),
            switch_stolen: self.stolen.switch,
        };
        signs.verdict()
    }

    fn usage(&self) -> Usage {
        self.threads.values().fold(Usage::default(), |sum, usage| sum.and(*usage))
    }

    fn each(&self, usage: Usage) -> f64 {
        usage.run.as_secs_f64() * 1e6 / self.outcome.registered.max(1) as f64
    }

    fn cpu_us(&self) -> f64 {
        self.each(self.usage())
    }

    fn json(&self) -> Value {
        let Outcome { asked, registered, delay, lag, core, seconds, events, .. } = &self.outcome;
        let verdict = self.verdict();
        json!({
            "per_second": self.rate,
            "verdict": verdict.word(),
            "why": verdict.why(),
            "asked": asked,
            "registered": registered,
            "events": events,
            "cpu_us_each": round(self.cpu_us(), 2),
            "kernel_part": self.usage().kernel_part().map(|part| round(part, 3)),
            "core": round(self.usage().run.as_secs_f64() / seconds.max(1e-9), 4),
            "threads": threads(&self.threads, |usage| self.each(usage)),
            "bytes_each": round(self.bytes_each, 0),
            "stolen": self.stolen.json(),
            "delay_us": times(delay),
            "generator": { "core": round(*core, 3), "lag_p99_us": lag.quantile(0.99) },
        })
    }

    fn tell(&self, who: &str) {
        progress(&format!(
            "register{who}: {} a second, {:.1} us of CPU each, slowest {:.1} ms, load {:.1} %: {}",
            self.rate,
            self.cpu_us(),
            self.outcome.delay.max() as f64 / 1e3,
            self.outcome.core * 100.0,
            self.verdict()
        ));
    }
}

/// The whole measurement.
///
/// # Errors
/// The switch does not start, or refuses the users.
pub fn measure(options: &Options) -> Result<Value, String> {
    let (mut levels, mut verdicts, mut unmeasured) = (Vec::new(), Vec::new(), Vec::new());
    let mut play = |rate: usize| {
        let level = ours(rate, options).map_err(|why| one_line(&why)).inspect_err(|why| {
            progress(&format!("register: {rate} a second could not be measured: {why}"));
            unmeasured.push((rate, why.clone()));
        })?;
        level.tell("");
        levels.push(level.json());
        verdicts.push(level.verdict());
        Ok(level.verdict())
    };
    let fixed = options.rate.or(options.quick.then_some(QUICK_RATE));
    let found = match fixed {
        Some(rate) => Found::of_given(std::iter::once((rate, play(rate)))),
        None => search::highest(RATES, play),
    };
    if let (true, Some((_, why))) = (levels.is_empty(), unmeasured.first()) {
        return Err(why.clone());
    }
    let compared = fixed.unwrap_or_else(|| (found.held / 2).max(COMPARED_LEAST));
    let peers = if options.peers {
        beside_kamailio(compared, options).map_or_else(|why| vec![missing("kamailio", &Missing::Broken(why))], |peer| vec![peer])
    } else {
        Vec::new()
    };
    Ok(json!({
        "what": if options.refresh { "re-register with digest" } else { "register with digest" },
        "cores": options.cores,
        "capacity_per_second": found.capacity().filter(|held| *held > 0 && fixed.is_none()),
        "held_per_second": found.held,
        "ended": found.end.text("a second", fixed.is_some()),
        "attempts": attempts(verdicts.iter()),
        "unmeasured": unmeasured_json(&unmeasured),
        "levels": levels,
        "compared_per_second": compared,
        "peers": peers,
    }))
}

fn plan(server: SocketAddrV4, rate: usize, options: &Options) -> Plan {
    let phones = ((rate as f64 * options.time.as_secs_f64()) as usize).max(1);
    Plan { server, ip: loopback(), domain: DOMAIN.to_owned(), rate, phones }
}

fn loopback() -> Ipv4Addr {
    match own_loopback() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST,
    }
}

fn ours(rate: usize, options: &Options) -> Result<Level, String> {
    let switch = Switch::start(&options.cores, 2)?;
    let SocketAddr::V4(server) = switch.sip else { return Err("no SIP address of IPv4".to_owned()) };
    let plan = plan(server, rate, options);
    let mut api = Api::connect(switch.sip_http)?;
    let answerer = Answerer::listen().map_err(|error| error.to_string())?;
    let control = answerer.url().map_err(|error| error.to_string())?;
    api.tell("PUT", &format!("/dir/{DOMAIN}"), &json!({ "control": control, "users": [] }).to_string())?;
    for first in (0..plan.phones).step_by(1000) {
        let some = (first..plan.phones.min(first + 1000)).map(|n| json!({ "username": user(n), "secret": secret(n) }));
        let body = json!({ "users": some.collect::<Vec<_>>() });
        api.tell("PATCH", &format!("/dir/{DOMAIN}"), &body.to_string())?;
    }
    let mut level = level(plan, Some(answerer), &[switch.id()], options)?;
    let events = level.outcome.registered;
    level.bytes_each /= events.max(1) as f64;
    Ok(level)
}

fn level(plan: Plan, answerer: Option<Answerer>, pids: &[u32], options: &Options) -> Result<Level, String> {
    let rate = plan.rate;
    let memory = || pids.iter().filter_map(|pid| resident(*pid)).sum::<u64>();
    let stolen = || Stolen::now(options.front_cpu, options.front_load_cpu());
    let (outcome, memory_before, before, stolen_before) = pinned(options.front_load_cpu(), || {
        let mut phones = Registrations::bind(plan, answerer).map_err(|error| error.to_string())?;
        if options.refresh {
            let first = phones.run();
            if first.registered < first.asked {
                return Err(format!("{} of {} phones registered: too few to register again", first.registered, first.asked));
            }
        }
        let before = (memory(), usage::by_thread(pids), stolen());
        let outcome = if options.refresh { phones.run_again() } else { phones.run() };
        Ok::<_, String>((outcome, before.0, before.1, before.2))
    })?;
    let threads = threads_since(usage::by_thread(pids), &before);
    Ok(Level { rate, outcome, threads, bytes_each: memory().saturating_sub(memory_before) as f64, stolen: stolen().since(stolen_before) })
}

/// Ours and Kamailio by turns.
fn beside_kamailio(rate: usize, options: &Options) -> Result<Value, String> {
    let mut rounds = Rounds::default();
    let mut note = String::new();
    for _ in 0..options.rounds {
        let kamailio = match Kamailio::start(loopback(), options.front_cpu) {
            Ok(kamailio) => kamailio,
            Err(why @ (Missing::Absent(_) | Missing::Broken(_))) => return Ok(missing("kamailio", &why)),
        };
        let theirs = level(plan(kamailio.sip, rate, options), None, &kamailio.pids(), options)?;
        drop(kamailio);
        theirs.tell(" at kamailio");
        let ours = ours(rate, options)?;
        ours.tell("");
        if theirs.verdict() != Verdict::Held {
            note = format!("kamailio at this rate: {}.", theirs.verdict());
        }
        rounds.push(ours.cpu_us(), theirs.cpu_us());
    }
    Ok(rounds.json("kamailio", &note))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Level {
        let mut outcome = Outcome { asked: 50, registered: 50, core: 0.5, seconds: 0.5, ..Outcome::default() };
        outcome.delay.record(900);
        Level { rate: 100, outcome, threads: BTreeMap::new(), bytes_each: 0.0, stolen: Stolen::default() }
    }

    fn verdict(change: impl FnOnce(&mut Outcome)) -> Verdict {
        let mut level = good();
        change(&mut level.outcome);
        level.verdict()
    }

    #[test]
    fn a_rate_holds_only_if_all_are_served_before_they_would_ask_again() {
        assert_eq!(verdict(|_| {}), Verdict::Held);
        assert!(matches!(verdict(|outcome| outcome.registered = 49), Verdict::Failed(why) if why.contains("1 of 50")));
        assert!(matches!(verdict(|outcome| outcome.refused = (1, "503".into())), Verdict::Failed(why) if why.contains("503")));
        assert!(matches!(verdict(|outcome| (outcome.core, outcome.registered) = (0.95, 49)), Verdict::Limited(_)));
        assert!(matches!(verdict(|outcome| outcome.lost_here = 1), Verdict::Limited(_)));
        let late = |core: f64, us: u64| {
            verdict(|outcome| {
                (0..10).for_each(|_| outcome.lag.record(us));
                outcome.core = core;
            })
        };
        assert!(matches!(
            (late(0.6, 9000), late(0.1, 9000), late(0.1, 29_000)),
            (Verdict::Limited(_), Verdict::Held, Verdict::Disturbed(_))
        ));
        assert!(matches!(verdict(|outcome| outcome.delay.record(600_000)), Verdict::Failed(why) if why.contains("600 ms")));
    }
}
