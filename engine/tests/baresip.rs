//! baresip, a softphone that people use, against the whole switch: registers, calls, holds, is held, transfers.
//!
//! ```text
//!   baresip 1000 (440 Hz, PCMU) ─▶ mediaswitch with its built-in script ─▶ baresip 1001 (1000 Hz, PCMA)
//!        └─ transfers 1001 to baresip 1002 (700 Hz)
//! ```
//! What each hears is what its decoder wrote to a file. Where baresip is not installed the tests say so and prove nothing;
//! `./check` installs it. An attended transfer is not among its commands in the version of Debian 12, but it refers to whatever
//! URI it is told, so the test tells it one with Replaces. Transfers by phones of our own: `scripts.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::time::{Duration, Instant};

use perf::process::http_get;
use serde_json::Value;
use support::baresip::{Account, Baresip};
use support::capture::Capture;
use support::{PATIENCE, Ports, Switch};

const DOMAIN: &str = "bare.test";

fn switch() -> Switch {
    switch_with(&[])
}

fn switch_with(more: &[&str]) -> Switch {
    let switch = Switch::start(&Ports::free(), &[&["--domain", DOMAIN, "--users", "1000:a0,1001:a1,1002:a2"], more].concat());
    until("the script told its users", || body(switch.sip_http, "/dir/bare.test/1002")["username"] == "1002");
    switch
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn body(port: u16, path: &str) -> Value {
    let answer = http_get(port, path).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
}

fn phone(switch: &Switch, transport: &str, user: &str, codecs: &str, tone_hz: u16) -> Option<Baresip> {
    let secret = user.replace("100", "a");
    Baresip::start(&Account { user, secret: &secret, domain: DOMAIN, sip: switch.sip, transport, codecs, tone_hz })
}

/// A call that is answered: the Call-IDs of its two legs.
fn call(caller: &mut Baresip, callee: &mut Baresip, to: &str) -> (String, String) {
    caller.command("dial", to);
    let incoming = callee.event("CALL_INCOMING");
    callee.command("accept", "");
    let established = caller.event("CALL_ESTABLISHED");
    callee.event("CALL_ESTABLISHED");
    let id = |told: &Value| told["id"].as_str().unwrap().to_owned();
    (id(&established), id(&incoming))
}

/// Puts the far end on hold and takes it back. Its own ear is of no use from then on: baresip writes nothing more to the file.
fn hold_and_resume(switch: &Switch, phone: &mut Baresip, leg: &str) {
    hold(switch, phone, leg, true);
    hold(switch, phone, leg, false);
}

fn hold(switch: &Switch, phone: &mut Baresip, leg: &str, held: bool) {
    phone.forget();
    phone.command(if held { "hold" } else { "resume" }, "");
    assert_eq!(phone.event("CALL_REMOTE_SDP")["param"], "answer");
    until("told of hold", || body(switch.sip_http, &format!("/dialog/{leg}"))["hold"] == held);
}

fn nothing_is_left(switch: &Switch) {
    until("calls and channels are over", || {
        body(switch.sip_http, "/dialog")["count"] == 0 && body(switch.rtp_http, "/channel")["count"] == 0
    });
}

#[test]
fn softphones_register_call_hold_and_transfer() {
    let switch = switch();
    let Some(mut anna) = phone(&switch, "udp", "1000", "PCMU/8000/1", 440) else { return };
    let mut bert = phone(&switch, "udp", "1001", "PCMA/8000/1", 1000).unwrap();
    let mut carl = phone(&switch, "udp", "1002", "PCMA/8000/1", 700).unwrap();
    let capture = Capture::start(&switch);
    assert_eq!(body(switch.sip_http, "/reg")["count"], 3);

    let (of_anna, _) = call(&mut anna, &mut bert, "1001");
    anna.hears(1000.0);
    bert.hears(440.0);
    // The caller holds the callee.
    hold_and_resume(&switch, &mut anna, &of_anna);
    bert.hears(440.0);

    anna.command("transfer", &format!("sip:1002@{DOMAIN}"));
    let of_carl = carl.event("CALL_INCOMING")["id"].as_str().unwrap().to_owned();
    carl.command("accept", "");
    carl.event("CALL_ESTABLISHED");
    assert_eq!(anna.event("CALL_CLOSED")["param"], "Call transfered");
    assert!(!anna.has_told("TRANSFER_FAILED"));
    bert.hears(700.0);
    carl.hears(1000.0);
    // And who was called holds who was transferred.
    hold_and_resume(&switch, &mut carl, &of_carl);
    bert.hears(700.0);
    bert.command("hangup", "");
    carl.event("CALL_CLOSED");
    nothing_is_left(&switch);
    for phone in [anna, bert, carl] {
        phone.quit();
    }
    until("all took their registration back", || body(switch.sip_http, "/reg")["count"] == 0);
    if let Some(capture) = capture {
        capture.check(&["sip.Method == \"INVITE\"", "sip.Method == \"REFER\"", "sip.Method == \"NOTIFY\"", "sdp", "rtp", "rtcp"]);
    }
}

#[test]
fn a_softphone_connects_the_far_ends_of_its_two_calls() {
    let switch = switch();
    let Some(mut anna) = phone(&switch, "udp", "1000", "PCMU/8000/1", 440) else { return };
    let mut bert = phone(&switch, "udp", "1001", "PCMA/8000/1", 1000).unwrap();
    let mut carl = phone(&switch, "udp", "1002", "PCMU/8000/1", 700).unwrap();
    let (first, _) = call(&mut anna, &mut bert, "1001");
    bert.hears(440.0);
    // Four legs: she asks the third before she connects him.
    hold(&switch, &mut anna, &first, true);
    let (second, _) = call(&mut anna, &mut carl, "1002");
    carl.hears(440.0);
    let replaces = anna.replaces(&second);
    anna.command("callfind", &first);
    anna.command("transfer", &format!("<sip:1002@{DOMAIN}?Replaces={replaces}>"));
    anna.event("CALL_CLOSED");
    bert.hears(700.0);
    carl.hears(1000.0);
    assert!(!anna.has_told("TRANSFER_FAILED"));
    // It ends only the call that it referred; the other one is hers to end.
    anna.command("hangup", "");
    until("two legs are left", || body(switch.sip_http, "/dialog")["count"] == 2);
    carl.command("hangup", "");
    bert.event("CALL_CLOSED");
    nothing_is_left(&switch);
}

#[test]
fn softphones_send_to_each_other_until_one_is_transferred() {
    let switch = switch_with(&["--direct"]);
    let Some(mut anna) = phone(&switch, "udp", "1000", "PCMU/8000/1", 440) else { return };
    let mut bert = phone(&switch, "udp", "1001", "PCMU/8000/1", 1000).unwrap();
    let mut carl = phone(&switch, "udp", "1002", "PCMA/8000/1", 700).unwrap();
    let channels = || body(switch.rtp_http, "/channel")["count"].as_u64().unwrap();

    let (of_anna, of_bert) = call(&mut anna, &mut bert, "1001");
    anna.hears(1000.0);
    bert.hears(440.0);
    // Each hold goes to the other phone and back: neither's ear is of use from then on.
    hold_and_resume(&switch, &mut anna, &of_anna);
    hold_and_resume(&switch, &mut bert, &of_bert);
    assert_eq!(channels(), 0);

    // Bert comes to us, Carl is called through us.
    anna.command("transfer", &format!("sip:1002@{DOMAIN}"));
    carl.event("CALL_INCOMING");
    carl.command("accept", "");
    carl.event("CALL_ESTABLISHED");
    assert_eq!(anna.event("CALL_CLOSED")["param"], "Call transfered");
    carl.hears(1000.0);
    assert_eq!(channels(), 2);
    bert.command("hangup", "");
    carl.event("CALL_CLOSED");
    nothing_is_left(&switch);

    // No codec in common: through us from the start.
    call(&mut anna, &mut carl, "1002");
    carl.hears(440.0);
    anna.hears(700.0);
    assert_eq!(channels(), 2);
    carl.command("hangup", "");
    anna.event("CALL_CLOSED");
    nothing_is_left(&switch);
}

#[test]
fn softphones_on_tcp_call_each_other_and_give_up() {
    let switch = switch();
    let Some(mut anna) = phone(&switch, "tcp", "1000", "PCMU/8000/1", 440) else { return };
    let mut bert = phone(&switch, "tcp", "1001", "PCMU/8000/1", 1000).unwrap();
    assert_eq!(body(switch.sip_http, "/reg/bare.test/1001")["users"]["1001"]["transport"], "tcp");
    call(&mut anna, &mut bert, "1001");
    anna.hears(1000.0);
    bert.hears(440.0);
    bert.command("hangup", "");
    anna.event("CALL_CLOSED");
    nothing_is_left(&switch);

    anna.event("CALL_RTPESTAB");
    bert.event("CALL_CLOSED");
    anna.command("dial", "1001");
    bert.event("CALL_INCOMING");
    anna.command("hangup", "");
    bert.event("CALL_CLOSED");
    nothing_is_left(&switch);

    anna.forget();
    anna.command("dial", "1001");
    bert.event("CALL_INCOMING");
    bert.command("hangup", "");
    let refused = anna.event("CALL_CLOSED");
    assert!(refused["param"].as_str().unwrap().starts_with("486"), "{refused}");
    nothing_is_left(&switch);
}
