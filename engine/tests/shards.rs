//! Two signalling shards: phones register, call and hang up, whichever shard the kernel gives their datagrams to.
//!
//! ```text
//!   phones, each with a port of its own ─▶ SO_REUSEPORT ─▶ sip-00 ◀─ mesh ─▶ sip-01      HTTP, script ─▶ sip-00
//! ```
//! The suites of calls, flows, TCP, packages and trunks run on two shards too: see `MEDIASWITCH_TEST_CORES` in `support`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use engine::shard::allowed_cpus;
use perf::phone::{Account, Phone, Talk};
use perf::process::{free_port_range, http_get};
use perf::rtp_peer::Codec;
use serde_json::Value;
use support::{PATIENCE, Ports, Switch, program, start_sip};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DOMAIN: &str = "shards.test";
const PHONES: usize = 12;

/// `sip=0,1`; on a host with one CPU both shards run there.
fn cores() -> String {
    let cpus = allowed_cpus();
    format!("sip={},{}", cpus[0], cpus[(cpus.len() - 1).min(1)])
}

/// A switch with two shards, and registered phones 1000, 1001 and so on.
fn switch() -> (Switch, Vec<Phone>) {
    let users: Vec<String> = (0..PHONES).map(|n| format!("{}:secret{n}", 1000 + n)).collect();
    // Ports rest for two seconds after a call; two rounds of calls do not wait for that.
    let ports = Ports { rtp: free_port_range(4 * PHONES as u16 + 4).unwrap(), ..Ports::free() };
    let switch = Switch::start(&ports, &["--cores", &cores(), "--domain", DOMAIN, "--users", &users.join(",")]);
    let last = format!("/dir/{DOMAIN}/{}", 1000 + PHONES - 1);
    let end = Instant::now() + PATIENCE;
    while !http_get(switch.sip_http, &last).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        assert!(Instant::now() < end, "the script did not tell its users");
        std::thread::sleep(Duration::from_millis(10));
    }
    let server = SocketAddr::new(HERE, switch.sip);
    let mut phones = Vec::new();
    for n in 0..PHONES {
        let account = Account { user: (1000 + n).to_string(), domain: DOMAIN.into(), secret: format!("secret{n}"), server };
        let mut phone = Phone::new(account, HERE, Codec::Pcmu, 440.0).unwrap();
        assert_eq!(phone.register(600, PATIENCE).unwrap(), 600);
        phones.push(phone);
    }
    (switch, phones)
}

fn status(port: u16) -> Value {
    let answer = http_get(port, "/status").unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn of_shards(status: &Value, key: &str) -> Vec<u64> {
    status["shards"].as_array().unwrap().iter().map(|shard| shard[key].as_u64().unwrap()).collect()
}

/// Every other phone calls its neighbour; all of them talk when this returns.
fn call_all(phones: Vec<Phone>) -> Vec<(Phone, Phone)> {
    let mut pairs = Vec::new();
    let mut phones = phones.into_iter();
    while let (Some(mut caller), Some(mut callee)) = (phones.next(), phones.next()) {
        let number = (1001 + 2 * pairs.len()).to_string();
        let answering = std::thread::spawn(move || {
            callee.answer(PATIENCE, Duration::from_millis(20)).unwrap();
            callee
        });
        caller.call(&number, PATIENCE, |_| {}).unwrap();
        pairs.push((caller, answering.join().unwrap()));
    }
    pairs
}

#[test]
fn calls_between_the_phones_of_two_shards_are_made_and_ended_and_nothing_is_lost() {
    let (switch, mut phones) = switch();
    for round in 0..2 {
        let mut pairs = call_all(phones);
        for (caller, callee) in &mut pairs {
            // The switch tells the other end of it.
            let (first, second) = if round == 0 { (caller, callee) } else { (callee, caller) };
            first.hang_up(PATIENCE).unwrap();
            assert_eq!(second.talk(PATIENCE).unwrap(), Talk::HungUp);
        }
        phones = pairs.into_iter().flat_map(|(caller, callee)| [caller, callee]).collect();
    }
    assert!(http_get(switch.sip_http, "/reg").unwrap().ends_with(&format!("{{\"count\":{PHONES}}}")));
    let end = Instant::now() + PATIENCE;
    while !http_get(switch.sip_http, "/dialog").unwrap().contains("\"count\":0") {
        assert!(Instant::now() < end, "a call is left");
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = status(switch.sip_http);
    // 24 legs: that one shard has them all would be a chance of one in millions.
    for key in ["callstotal", "handedover_total", "handedin_total"] {
        let shares = of_shards(&status, key);
        assert!(shares.len() == 2 && shares.iter().all(|share| *share > 0), "{key}: {shares:?}");
    }
    assert_eq!(of_shards(&status, "callstotal").iter().sum::<u64>(), 2 * PHONES as u64);
    assert_eq!(of_shards(&status, "registrations").iter().sum::<u64>(), PHONES as u64);
    assert_eq!(status["sip"]["handedover_total"], status["sip"]["handedin_total"]);
    for key in ["words_dropped_total", "words_lost_total"] {
        assert_eq!(of_shards(&status, key), [0, 0], "{key}");
    }
    assert_eq!((&status["sip"]["strays"], &status["events"]["failed_calls_total"]), (&Value::from(0), &Value::from(0)));
    for phone in &mut phones {
        assert_eq!(phone.register(0, PATIENCE).unwrap(), 0);
    }
    assert!(http_get(switch.sip_http, "/reg").unwrap().ends_with("{\"count\":0}"));
}

#[test]
fn live_calls_of_both_shards_end_when_the_switch_stops() {
    let (mut switch, phones) = switch();
    let pairs = call_all(phones);
    let live = of_shards(&status(switch.sip_http), "calls");
    assert_eq!(live.iter().sum::<u64>(), PHONES as u64, "{live:?}");
    let listening: Vec<_> = pairs
        .into_iter()
        .flat_map(|(caller, callee)| [caller, callee])
        .map(|mut phone| std::thread::spawn(move || phone.talk(PATIENCE).unwrap()))
        .collect();
    assert!(switch.process.stop(Duration::from_secs(5)).unwrap().success());
    for phone in listening {
        assert_eq!(phone.join().unwrap(), Talk::HungUp);
    }
}

#[test]
fn a_second_engine_does_not_share_the_ports() {
    let ports = Ports::free();
    let cores = cores();
    let _first = start_sip(&ports, &["--cores", &cores]);
    let other = Ports::free();
    let mut second = program("project-sip");
    second.args(["--sip-address", "127.0.0.1", "--cores", &cores, "--sp", &ports.sip.to_string(), "--cp", &other.sip_http.to_string()]);
    let output = second.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(71), "{said}");
    assert!(said.contains("choose another port"), "{said}");
}
