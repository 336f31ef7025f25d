//! Servers that die in mid-call: an RTP server, a SIP server, control itself, on Node and inside project-control.
//!
//! ```text
//!   phone A ─▶ project-sip × 1, 2 ─▶ control (script) ─▶ project-rtp × 3 ◀─ RTP ─▶ phones
//!                                 └── killed with SIGKILL while the phones talk; what they hear afterwards is what counts
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

#[path = "support/handset.rs"]
mod handset;
#[path = "support/stage.rs"]
mod stage;
mod support;

use handset::Handset;
use perf::process::http;
use stage::{Host, MUSIC_HZ, Stage};

/// Two phones hear each other and no music.
fn talk(a: &Handset, b: &Handset) {
    a.hears(&[b.tone_hz], &[MUSIC_HZ]);
    b.hears(&[a.tone_hz], &[MUSIC_HZ]);
}

/// Of three RTP servers the one that has the calls is killed, another drained.
fn three_rtp_servers(host: Host) {
    let Some(mut stage) = Stage::with_servers(host, "office.js", &[], 1, 3) else { return };
    let (a, b) = (stage.answers("1000"), stage.answers("1001"));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    let held: Vec<u64> = (0..3).map(|at| stage.channels(at)).collect();
    let dead = held.iter().position(|&count| count == 2).unwrap_or_else(|| panic!("both legs on one server: {held:?}"));

    stage.kill_rtp(dead);
    for phone in [&a, &b] {
        phone.moved(2);
    }
    talk(&a, &b);
    stage.rtp_is(dead, "down", |one| one["state"] == "down" && one["channels"] == 0);
    assert_eq!(stage.status()["rescued"], 2);

    // Of the two that are left, the one without the call is drained: it gets nothing new.
    let (here, other) =
        if stage.channels((dead + 1) % 3) == 2 { ((dead + 1) % 3, (dead + 2) % 3) } else { ((dead + 2) % 3, (dead + 1) % 3) };
    assert_eq!((stage.channels(here), stage.channels(other)), (2, 0));
    http(stage.rtp_ports[other].rtp_http, "POST", "/drain", "").unwrap();
    stage.rtp_is(other, "draining", |one| one["state"] == "draining");
    let (c, d) = (stage.answers("1002"), stage.answers("1003"));
    for _ in 0..2 {
        c.invite("1003");
        c.up();
        talk(&c, &d);
        assert_eq!((stage.channels(here), stage.channels(other)), (4, 0));
        c.hang_up();
        d.over();
    }
    // The dead one comes back and is used again once the last other one is drained too.
    stage.start_rtp_again(dead);
    stage.rtp_is(dead, "up", |one| one["state"] == "up");
    http(stage.rtp_ports[here].rtp_http, "POST", "/drain", "").unwrap();
    stage.rtp_is(here, "draining", |one| one["state"] == "draining");
    c.invite("1003");
    c.up();
    talk(&c, &d);
    assert_eq!(stage.channels(dead), 2);
    c.hang_up();
    a.hang_up();
    b.over();
    stage.is_empty(&[0, 1, 2]);
}

/// Two calls go on without control, and are its calls again when it is back: holds and hang-ups work.
fn control_restarts(host: Host) {
    let Some(mut stage) = Stage::new(host, "office.js", &[]) else { return };
    let (a, b) = (stage.answers("1000"), stage.answers("1001"));
    let (c, d) = (stage.answers("1002"), stage.answers("1003"));
    for (from, to) in [(&a, &b), (&c, &d)] {
        from.invite(&to.user);
        from.up();
        talk(from, to);
    }
    stage.restart_control();
    stage.says("4 calls taken over");
    talk(&a, &b);
    a.hang_up();
    b.over_with(0);
    d.hold(0, true);
    c.hears(&[MUSIC_HZ], &[d.tone_hz]);
    d.hold(0, false);
    talk(&c, &d);
    c.invite("1000");
    c.up();
    c.hears(&[a.tone_hz], &[]);
    c.hang_up();
    d.hang_up();
    c.over();
    stage.nothing_is_left();
}

/// Of two SIP servers one is killed: calls of the other go on, and its own end when it is back without them.
fn two_sip_servers(host: Host) {
    let Some(mut stage) = Stage::with_servers(host, "office.js", &[], 2, 1) else { return };
    let (a, b) = (stage.answers_at(0, "1000"), stage.answers_at(0, "1001"));
    let (c, d) = (stage.answers_at(1, "1002"), stage.answers_at(1, "1003"));
    for (from, to) in [(&a, &b), (&c, &d)] {
        from.invite(&to.user);
        from.up();
        talk(from, to);
    }
    assert_eq!(stage.channels(0), 4);
    stage.kill_sip(0);
    talk(&c, &d);
    c.hang_up();
    d.over();
    d.invite("1002");
    d.up();
    talk(&c, &d);
    stage.start_sip_again(0);
    // It is told its users again, and the two calls that it has lost are given up with their channels.
    let (a, b) = (stage.answers_at(0, "1000"), stage.answers_at(0, "1001"));
    stage.rtp_is(0, "two channels of the lost calls back", |one| one["channels"] == 2);
    a.invite("1001");
    a.up();
    talk(&a, &b);
    a.hang_up();
    d.hang_up();
    b.over();
    c.over();
    stage.nothing_is_left();
}

/// Each on both hosts.
macro_rules! on_both_hosts {
    ($($name:ident: $run:path;)*) => {
        mod on_node { $(#[test] fn $name() { $run(super::Host::Node); })* }
        mod inside_project_control { $(#[test] fn $name() { $run(super::Host::Embedded); })* }
    };
}

on_both_hosts! {
    calls_of_an_rtp_server_that_dies_are_moved_and_heard_again: super::three_rtp_servers;
    control_that_restarts_knows_its_calls_again: super::control_restarts;
    a_sip_server_that_dies_costs_its_own_calls_only: super::two_sip_servers;
}
