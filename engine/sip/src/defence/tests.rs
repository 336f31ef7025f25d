//! Scanners, phones that come back together, invented sources, and wrong passwords.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::*;

fn ip(n: u32) -> IpAddr {
    IpAddr::from(n.to_be_bytes())
}

fn start() -> (Guard, Instant) {
    (Guard::new(7), sim::Clock::new().now())
}

#[test]
fn a_source_that_only_fails_gets_no_answers_and_earns_them_back_in_time() {
    let (mut guard, now) = start();
    let tries = (0..5000).take_while(|_| {
        guard.charge(ip(1), false, Fault::Refused, now);
        guard.admits(ip(1), false, now)
    });
    assert_eq!(tries.count(), 999);
    assert!(guard.admits(ip(2), false, now), "others are not meant");
    assert_eq!(guard.poll_offence(), Some(Offence { source: ip(1), fault: Fault::Refused }));
    guard.charge(ip(1), false, Fault::Refused, now + Duration::from_secs(1));
    assert_eq!(guard.poll_offence(), None, "one line a minute");
    assert!(guard.admits(ip(1), false, now + Duration::from_secs(10)));
    assert_eq!(guard.stats().offences, 1);
}

#[test]
fn phones_behind_one_address_that_prove_themselves_never_run_dry() {
    let (mut guard, mut now) = start();
    for round in 0..20 {
        for _ in 0..5000 {
            guard.charge(ip(1), false, Fault::Challenged, now);
        }
        assert!(guard.admits(ip(1), false, now), "round {round}");
        for _ in 0..5000 {
            guard.credit(ip(1), false, now);
        }
        now += Duration::from_millis(100);
    }
    assert_eq!(guard.poll_offence(), None);
}

#[test]
fn a_trusted_peer_has_a_budget_of_its_own() {
    let (mut guard, now) = start();
    for _ in 0..9000 {
        guard.charge(ip(1), true, Fault::Refused, now);
    }
    assert!(guard.admits(ip(1), true, now));
    for _ in 0..1000 {
        guard.charge(ip(1), true, Fault::Refused, now);
    }
    assert!(!guard.admits(ip(1), true, now));
    assert!(!guard.is_scanner("friendly-scanner", ip(3), true, now));
}

#[test]
fn scanners_are_known_anywhere_in_a_name_and_in_any_case() {
    for name in SCANNERS {
        for agent in [(*name).to_owned(), format!("x {}", name.to_uppercase()), format!("s{name}/1.0")] {
            assert!(names_scanner(&agent), "{agent}");
        }
        assert!(!names_scanner(&name[..name.len() - 1]) && !names_scanner(&name[1..]), "{name}");
    }
}

#[test]
fn known_scanners_are_out_at_once() {
    let (mut guard, now) = start();
    assert!(guard.is_scanner("Friendly-Scanner v1", ip(1), false, now) && !guard.admits(ip(1), false, now));
    assert!(!guard.is_scanner("Yealink SIP-T46S 66.85.0.5", ip(2), false, now) && guard.admits(ip(2), false, now));
    assert_eq!(guard.poll_offence().map(|offence| offence.fault.word()), Some("scanner"));
}

#[test]
fn invented_sources_do_not_wash_out_one_in_debt_and_cost_no_memory() {
    let (mut guard, now) = start();
    guard.is_scanner("sipvicious", ip(1), false, now);
    for n in 1000..200_000 {
        guard.charge(ip(n), false, Fault::Challenged, now);
    }
    assert!(!guard.admits(ip(1), false, now));
    assert!(guard.offences.len() <= OFFENCES_MAX && guard.sets.len() == SETS);
    let net = |low: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, low]);
    guard.is_scanner("sipvicious", net(1), false, now);
    assert!(!guard.admits(net(2), false, now), "a /64 is one source");
}

#[test]
fn each_wrong_password_has_a_line_and_a_flood_of_them_does_not_fill_the_log() {
    let (mut guard, now) = start();
    let lines = |guard: &mut Guard| std::iter::from_fn(|| guard.poll_offence()).collect::<Vec<_>>();
    let line = |n| Offence { source: ip(n), fault: Fault::Password };
    for n in [1, 1, 2] {
        guard.wrong_password(ip(n), now);
    }
    assert_eq!(lines(&mut guard), [line(1), line(1), line(2)]);
    let mut told = 3;
    for n in 0..1000 {
        guard.wrong_password(ip(n), now + Duration::from_millis(500));
        told += lines(&mut guard).len();
    }
    assert_eq!(told, PASSWORD_LINES as usize);
    guard.wrong_password(ip(7), now + Duration::from_secs(1));
    assert_eq!(lines(&mut guard), [line(7)]);
    assert!(guard.admits(ip(1), false, now));
    assert_eq!(guard.stats().offences, 0);
}
