//! Calls by SIPp through the real programs: what each side hears, and how each call ends.
//!
//! ```text
//!   SIPp caller (1000, PCMU) ─▶ mediaswitch with its built-in script ─▶ SIPp callee (1003, PCMA)
//!        RtpPeer 440 Hz    ◀──────────── media ────────────▶   RtpPeer 1000 Hz
//! ```
//! Every test has a switch and ports of its own. Where SIPp is not installed they say so and prove nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use perf::phone::{Account, Phone};
use perf::process::{Process, free_port, http_get};
use perf::rtp_peer::{Codec, RtpPeer};
use support::{PATIENCE, Ports, Switch, sipp, start_sip, testfile};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DOMAIN: [&str; 4] = ["--domain", "bling.babblevoice.com", "--users", "1000:1123654789,1003:1123654789"];

/// A switch whose user 1003 is registered at `callee`.
fn switch_with_callee(callee: u16) -> Option<(Switch, String)> {
    let switch = Switch::start(&Ports::free(), &DOMAIN);
    wait_for_users(switch.sip_http);
    let server = format!("127.0.0.1:{}", switch.sip);
    register(&server, callee)?;
    Some((switch, server))
}

fn register(server: &str, callee: u16) -> Option<()> {
    let csv = testfile("registerclient.csv");
    let mut phone = sipp("registerclient.xml", &["-inf", csv.to_str().unwrap(), "-p", &callee.to_string(), server])?;
    succeeds(&mut phone);
    Some(())
}

fn wait_for_users(sip_http: u16) {
    let end = Instant::now() + PATIENCE;
    while !http_get(sip_http, "/dir/bling.babblevoice.com/1003").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        assert!(Instant::now() < end, "the script did not tell its users");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn succeeds(process: &mut Process) {
    let status = process.wait(Duration::from_secs(40)).unwrap();
    assert!(status.success(), "{status}\n{}", process.output());
}

fn caller(scenario: &str, csv: &str, server: &str, rtp: u16) -> Process {
    caller_over("u1", scenario, csv, server, rtp)
}

/// `transport` as SIPp names it: `u1`, or `t1` for one connection.
fn caller_over(transport: &str, scenario: &str, csv: &str, server: &str, rtp: u16) -> Process {
    let csv = testfile(csv);
    let port = free_port().unwrap().to_string();
    let args = [
        "-t",
        transport,
        "-max_socket",
        "100",
        "-inf",
        csv.to_str().unwrap(),
        "-p",
        &port,
        "-key",
        "rtpport",
        &rtp.to_string(),
        "-key",
        "pt",
        "0",
        "-key",
        "encoding",
        "PCMU",
        server,
    ];
    sipp(scenario, &args).expect("it was there a moment ago")
}

fn callee(scenario: &str, port: u16, rtp: u16) -> Process {
    let args = ["-p", &port.to_string(), "-key", "rtpport", &rtp.to_string(), "-key", "pt", "8", "-key", "encoding", "PCMA"];
    sipp(scenario, &args).expect("it was there a moment ago")
}

/// Port of our channel whose far end is `peer`, once there is one.
fn channel_facing(rtp_http: u16, peer: SocketAddr) -> Option<SocketAddr> {
    let answer = http_get(rtp_http, "/channel").ok()?;
    let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    body["channels"].as_array()?.iter().find_map(|channel| {
        let port = u16::try_from(channel["port"].as_u64()?).ok()?;
        let facing = channel["remote"]["port"].as_u64() == Some(u64::from(peer.port()));
        facing.then_some(SocketAddr::new(HERE, port))
    })
}

/// Both ends talk and listen until `done`.
fn talk(rtp_http: u16, peers: &mut [&mut RtpPeer; 2], mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    let mut connected = [false; 2];
    while !done() {
        assert!(Instant::now() < end, "the call does not end");
        for (peer, connected) in peers.iter_mut().zip(&mut connected) {
            if !*connected && let Some(channel) = channel_facing(rtp_http, peer.local_addr().unwrap()) {
                peer.set_remote(Some(channel));
                *connected = true;
            }
            peer.step(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn assert_heard(peer: &RtpPeer, hz: f64) {
    let heard = peer.ear.tone().unwrap_or_else(|| panic!("nothing heard: {:?}", peer.counts));
    assert!((heard.tone_hz - hz).abs() < 1.0, "{heard:?} and not {hz} Hz");
    assert!((heard.level_dbov + 15.05).abs() < 0.5 && heard.snr_db > 20.0, "{heard:?}");
    assert_eq!((peer.counts.ssrc_changes, peer.counts.timestamp_jumps, peer.counts.foreign), (0, 0, 0), "{:?}", peer.counts);
}

/// A call of the two scenarios, in which both ends must hear each other.
fn call_is_heard(caller_scenario: &str, callee_scenario: &str) {
    let port = free_port().unwrap();
    let Some((switch, server)) = switch_with_callee(port) else { return };
    let mut at_caller = RtpPeer::bind(HERE, Codec::Pcmu, 440.0).unwrap();
    let mut at_callee = RtpPeer::bind(HERE, Codec::Pcma, 1000.0).unwrap();
    let mut called = callee(callee_scenario, port, at_callee.local_addr().unwrap().port());
    let mut calling = caller(caller_scenario, "uac.csv", &server, at_caller.local_addr().unwrap().port());
    talk(switch.rtp_http, &mut [&mut at_caller, &mut at_callee], || calling.wait(Duration::ZERO).is_ok());
    succeeds(&mut calling);
    succeeds(&mut called);
    assert_heard(&at_caller, 1000.0);
    assert_heard(&at_callee, 440.0);
    nothing_is_left(&switch);
}

fn nothing_is_left(switch: &Switch) {
    let end = Instant::now() + PATIENCE;
    loop {
        let dialogs = http_get(switch.sip_http, "/dialog").unwrap();
        let channels = http_get(switch.rtp_http, "/channel").unwrap();
        if dialogs.contains("\"count\":0") && channels.contains("\"count\":0") {
            return;
        }
        assert!(Instant::now() < end, "left over:\n{dialogs}\n{channels}\n{}", switch.process.output());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_echo_of_the_built_in_script_plays_back() {
    let switch = Switch::start(&Ports::free(), &DOMAIN);
    wait_for_users(switch.sip_http);
    let server = SocketAddr::new(HERE, switch.sip);
    let account = Account { user: "1000".into(), domain: "bling.babblevoice.com".into(), secret: "1123654789".into(), server };
    let mut phone = Phone::new(account, HERE, Codec::Pcma, 440.0).unwrap();
    phone.register(600, PATIENCE).unwrap();
    phone.call("*43", PATIENCE, |_| {}).unwrap();
    phone.talk(Duration::from_millis(1500)).unwrap();
    phone.hang_up(PATIENCE).unwrap();
    assert_heard(&phone.rtp, 440.0);
    nothing_is_left(&switch);
}

#[test]
fn a_call_is_heard_both_ways_and_the_caller_hangs_up() {
    call_is_heard("uac-call.xml", "uas-answer.xml");
}

#[test]
fn a_call_is_heard_both_ways_and_the_callee_hangs_up() {
    call_is_heard("uac-call-hungup.xml", "uas-answer-hangup.xml");
}

#[test]
fn a_late_offer_is_answered_in_the_ack_and_heard() {
    call_is_heard("uaclateoffer.xml", "uas-answer.xml");
}

#[test]
fn a_caller_who_gives_up_gets_487_and_the_callee_is_cancelled() {
    let port = free_port().unwrap();
    let Some((switch, server)) = switch_with_callee(port) else { return };
    let mut called = callee("uas-cancelled.xml", port, 7000);
    let mut calling = caller("uac-cancel.xml", "uac.csv", &server, 7002);
    succeeds(&mut calling);
    succeeds(&mut called);
    nothing_is_left(&switch);
}

#[test]
fn a_callee_who_is_busy_or_away_is_so_to_the_caller() {
    let port = free_port().unwrap();
    let Some((switch, server)) = switch_with_callee(port) else { return };
    for (callee_scenario, caller_scenario) in [("uas-busy.xml", "uac-busy.xml"), ("uas-unavailable.xml", "uac-away.xml")] {
        let mut called = callee(callee_scenario, port, 7000);
        let mut calling = caller(caller_scenario, "uac.csv", &server, 7002);
        succeeds(&mut calling);
        succeeds(&mut called);
    }
    nothing_is_left(&switch);
}

#[test]
fn registrations_are_refused_made_updated_listed_and_cancelled() {
    let ports = Ports::free();
    let _sip = start_sip(&ports, &[]);
    let nobody = free_port().unwrap();
    let body = format!(r#"{{"control":"http://127.0.0.1:{nobody}","users":[{{"username":"1003","secret":"1123654789"}}]}}"#);
    let answer = perf::process::http(ports.sip_http, "PUT", "/dir/bling.babblevoice.com", &body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    for transport in ["u1", "t1"] {
        let port = free_port().unwrap().to_string();
        let args = ["-t", transport, "-max_socket", "100", "-p", &port, &format!("127.0.0.1:{}", ports.sip)];
        let Some(mut phone) = sipp("uac-registrations.xml", &args) else { return };
        succeeds(&mut phone);
        assert!(http_get(ports.sip_http, "/reg").unwrap().contains("\"count\":0"));
    }
}

#[test]
fn an_unknown_number_is_404_and_a_bad_password_is_challenged_again() {
    let port = free_port().unwrap();
    let Some((switch, server)) = switch_with_callee(port) else { return };
    for transport in ["u1", "t1"] {
        succeeds(&mut caller_over(transport, "uac-notfound.xml", "uac-notfound.csv", &server, 7002));
        succeeds(&mut caller_over(transport, "uac-badpassword.xml", "uac-badpassword.csv", &server, 7002));
    }
    nothing_is_left(&switch);
}

#[test]
fn a_call_whose_control_is_gone_gets_503() {
    let ports = Ports::free();
    let _sip = start_sip(&ports, &[]);
    let nobody = free_port().unwrap();
    let body = format!(r#"{{"control":"http://127.0.0.1:{nobody}","users":[{{"username":"1000","secret":"1123654789"}}]}}"#);
    let answer = perf::process::http(ports.sip_http, "PUT", "/dir/bling.babblevoice.com", &body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let csv = testfile("uac.csv");
    let args = ["-inf", csv.to_str().unwrap(), "-key", "rtpport", "7002", "-key", "pt", "0", "-key", "encoding", "PCMU"];
    let server = format!("127.0.0.1:{}", ports.sip);
    for transport in ["u1", "t1"] {
        let args = [&args[..], &["-t", transport, "-max_socket", "100", &server]].concat();
        let Some(mut calling) = sipp("uac-unavailable.xml", &args) else { return };
        succeeds(&mut calling);
    }
}

#[test]
fn a_call_over_ipv6_is_heard_both_ways() {
    let here = IpAddr::V6(Ipv6Addr::LOCALHOST);
    if UdpSocket::bind((here, 0)).is_err() {
        println!("skipped: this host has no IPv6");
        return;
    }
    let switch = Switch::start(&Ports::free(), &[&DOMAIN[..], &["--sip-address", "::1", "--pa", "::1", "--rtp-address", "::1"]].concat());
    wait_for_users(switch.sip_http);
    let phone = |user: &str, codec, hz| {
        let server = SocketAddr::new(here, switch.sip);
        let account = Account { user: user.into(), domain: "bling.babblevoice.com".into(), secret: "1123654789".into(), server };
        let mut phone = Phone::new(account, here, codec, hz).unwrap();
        phone.register(600, PATIENCE).unwrap();
        phone
    };
    let (mut calling, mut called) = (phone("1000", Codec::Pcmu, 440.0), phone("1003", Codec::Pcma, 1000.0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            called.answer(PATIENCE, Duration::from_millis(100)).unwrap();
            called.talk(PATIENCE).unwrap();
        });
        calling.call("1003", PATIENCE, |_| {}).unwrap();
        calling.talk(Duration::from_millis(1500)).unwrap();
        calling.hang_up(PATIENCE).unwrap();
    });
    assert_heard(&calling.rtp, 1000.0);
    assert_heard(&called.rtp, 440.0);
    nothing_is_left(&switch);
}

#[test]
fn a_script_that_throws_costs_only_its_call() {
    let script = script(
        "throws",
        "projectcontrol.onnewcall = (call) => { if (call.destination === '4444') throw new Error('on purpose'); call.busy(); };",
    );
    let Some((switch, server)) = switch_with_script(&script) else { return };
    succeeds(&mut caller("uac-scripterror.xml", "uac-notfound.csv", &server, 7002));
    succeeds(&mut caller("uac-busy.xml", "uac.csv", &server, 7002));
    let log = switch.process.output();
    assert!(log.contains("on purpose") && log.contains("throws"), "{log}");
    nothing_is_left(&switch);
}

/// A script in a file of its own: `body` and the users of the domain.
fn script(name: &str, body: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mediaswitch-{name}-{}.js", std::process::id()));
    let text = format!(
        "const projectcontrol = require('projectcontrol');\n{body}\nprojectcontrol.directory('bling.babblevoice.com', [\
         {{ username: '1000', secret: '1123654789' }}, {{ username: '1003', secret: '1123654789' }}]);\nprojectcontrol.run();\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn switch_with_script(script: &std::path::Path) -> Option<(Switch, String)> {
    let switch = Switch::start(&Ports::free(), &["--script", script.to_str().unwrap()]);
    wait_for_users(switch.sip_http);
    let server = format!("127.0.0.1:{}", switch.sip);
    register(&server, free_port().unwrap())?;
    Some((switch, server))
}
