//! The call flows of the RFCs between project-sip and SIPp, with a control server that is part of the test.
//!
//! ```text
//!   SIPp caller or callee ◀── SIP ──▶ project-sip ── PUT /dialog/{callid} ──▶ this test ── PUT /dialog/{action} ──▶ project-sip
//! ```
//! One server for all: the scenarios run beside each other, each with a port and a called user of its own. Where SIPp is not
//! installed they say so and prove nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perf::process::{Process, free_port, http, http_get};
use serde_json::{Value, json};
use support::{PATIENCE, Ports, sipp, start_sip};

/// A control server: keeps what it hears, and does what the called user's name asks for.
struct Control {
    heard: Arc<Mutex<Vec<Value>>>,
    sip_http: u16,
    /// URI parameter of the callees: `;transport=tcp`, or nothing.
    over: &'static str,
}

impl Control {
    fn start(listener: TcpListener, sip_http: u16, over: &'static str) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, sip_http, &kept));
            }
        });
        Self { heard, sip_http, over }
    }

    /// Waits for an event of a call.
    fn wait(&self, callid: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.heard.lock().unwrap().iter().find(|shot| shot["callid"] == callid && wanted(shot)).cloned();
            if let Some(shot) = found {
                return shot;
            }
            if Instant::now() >= end {
                let ask = |path: &str| http_get(self.sip_http, path).unwrap_or_default();
                panic!(
                    "not heard of {callid}: {}\n{}\n{:#?}",
                    ask(&format!("/dialog/{callid}")),
                    ask("/status"),
                    self.heard.lock().unwrap()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Events of the calls to a user, but those that a newer one may have replaced before they were sent.
    fn events(&self, to: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let mut events: Vec<_> =
            heard.iter().filter(|shot| shot["to"] == to).map(|shot| shot["event"].as_str().unwrap().to_owned()).collect();
        events.retain(|event| event != "answered" && event != "progress");
        events
    }

    fn originate(&self, port: u16, more: &Value) -> String {
        let to = format!("sip:callee@127.0.0.1:{port}{}", self.over);
        let mut body = json!({"from": "1000", "to": to, "domain": "flows.test", "sdp": sdp()});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = http(self.sip_http, "POST", "/dialog/invite", &body.to_string()).unwrap();
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["callid"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    fn act(&self, callid: &str, action: &str, body: Value) {
        act(self.sip_http, callid, action, body);
    }
}

fn act(sip_http: u16, callid: &str, action: &str, mut body: Value) {
    body["callid"] = callid.into();
    let answer = http(sip_http, "PUT", &format!("/dialog/{action}"), &body.to_string()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{action}: {answer}");
}

fn sdp() -> Value {
    json!({
        "v": 0, "s": " ", "t": {"start": 0, "stop": 0},
        "o": {"username": "-", "sessionid": 1, "sessionversion": 1, "nettype": "IN", "ipver": 4, "address": "127.0.0.1"},
        "c": [{"nettype": "IN", "ipver": 4, "address": "127.0.0.1"}],
        "m": [{"media": "audio", "port": 10000, "proto": "RTP/AVP", "payloads": [0], "direction": "sendrecv"}]
    })
}

/// Requests of one connection: what they say is kept and answered first, then acted on.
fn serve(stream: &TcpStream, sip_http: u16, kept: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            match header.trim().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().unwrap(),
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut writer = stream;
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        let shot: Value = serde_json::from_slice(&body).unwrap_or_default();
        kept.lock().unwrap().push(shot.clone());
        decide(sip_http, &shot);
    }
}

/// The script: what is done depends on the called user.
fn decide(sip_http: u16, shot: &Value) {
    let callid = shot["callid"].as_str().unwrap_or_default();
    let event = shot["event"].as_str().unwrap_or_default();
    if shot["originator"] == true {
        if event == "reinvite" || event == "hold" {
            act(sip_http, callid, "ok", json!({}));
        }
        return;
    }
    match (event, shot["to"].as_str().unwrap_or_default()) {
        ("new", "prack") => {
            act(sip_http, callid, "progress", json!({"sdp": sdp()}));
            act(sip_http, callid, "answer", json!({"sdp": sdp()}));
        }
        ("new", "moved") => act(sip_http, callid, "redirect", json!({"contacts": ["sip:elsewhere@192.0.2.1"]})),
        ("new", _) => act(sip_http, callid, "answer", json!({"sdp": sdp()})),
        ("dtmf", "info") if shot["digits"] == "#" => act(sip_http, callid, "hangup", json!({})),
        ("hold" | "unhold" | "reinvite", _) => act(sip_http, callid, "ok", json!({})),
        ("refer", _) => {
            act(sip_http, callid, "notify", json!({"status": 180}));
            // The far end takes them in the order of their CSeq, so the second one waits for the first.
            std::thread::sleep(Duration::from_millis(100));
            act(sip_http, callid, "notify", json!({"status": 200}));
        }
        _ => {}
    }
}

fn succeeds(process: &mut Process, what: &str) {
    let status = process.wait(Duration::from_secs(40)).unwrap();
    assert!(status.success(), "{what}: {status}\n{}", process.output());
}

fn callee(scenario: &str, port: u16, more: &[&str]) -> Option<Process> {
    let port = port.to_string();
    sipp(scenario, &[&["-p", &port], more].concat())
}

#[test]
fn the_flows_of_the_rfcs_pass_between_sipp_and_the_server() {
    flows_pass(&[], "");
}

#[test]
fn the_flows_of_the_rfcs_pass_over_tcp_too() {
    flows_pass(&["-t", "t1", "-max_socket", "100"], ";transport=tcp");
}

fn flows_pass(transport: &[&str], over: &'static str) {
    let ports = Ports::free();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = start_sip(&ports, &["--pa", "127.0.0.1"]);
    let control = Control::start(listener, ports.sip_http, over);
    let body = json!({"control": url, "authentication": {"policy": "none", "messages": true},
        "users": [{"username": "1000", "secret": "1"}, {"username": "1003", "secret": "1"}]});
    let answer = http(ports.sip_http, "PUT", "/dir/flows.test", &body.to_string()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");

    let to = format!("127.0.0.1:{}", ports.sip);
    let mut running = Vec::new();
    for (scenario, user) in [
        ("uac-prack.xml", "prack"),
        ("uac-session-timer.xml", "timer"),
        ("uac-hold.xml", "hold"),
        ("uac-refer.xml", "refer"),
        ("uac-moved.xml", "moved"),
        ("uac-info.xml", "info"),
        ("uac-readdress.xml", "readdress"),
        ("uac-message.xml", "text"),
        ("uac-presence.xml", "1000"),
    ] {
        let port = free_port().unwrap().to_string();
        let Some(process) = sipp(scenario, &[transport, &["-p", &port, "-s", user, &to]].concat()) else { return };
        running.push((scenario, process));
    }
    let port = || free_port().unwrap();
    let (reliable, moved, target, transferred, plain) = (port(), port(), port(), port(), port());
    let (challenged, glare) = (port(), port());
    let callees = [
        ("uas-prack.xml", callee("uas-prack.xml", reliable, transport)),
        ("uas-moved.xml", callee("uas-moved.xml", moved, &[transport, &["-key", "target", &target.to_string()]].concat())),
        ("uas-plain.xml", callee("uas-plain.xml", target, transport)),
        ("uas-transferred.xml", callee("uas-transferred.xml", transferred, transport)),
        ("uas-plain.xml", callee("uas-plain.xml", plain, transport)),
        ("uas-challenged.xml", callee("uas-challenged.xml", challenged, transport)),
        ("uas-glare.xml", callee("uas-glare.xml", glare, transport)),
    ];
    running.extend(callees.into_iter().map(|(name, process)| (name, process.unwrap())));

    let end = Instant::now() + PATIENCE;
    while !over.is_empty() && ![reliable, moved, target, transferred, plain, challenged, glare].into_iter().all(support::is_listening) {
        assert!(Instant::now() < end, "SIPp does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    let answered = |shot: &Value| shot["event"] == "answered";
    let early = control.originate(reliable, &json!({}));
    let followed = control.originate(moved, &json!({"follow": true}));
    let (first, second) = (control.originate(transferred, &json!({})), control.originate(plain, &json!({})));
    let account = json!({"user": "1000", "authuser": "acc", "authsecret": "pw"});
    let proven = control.originate(challenged, &json!({"from": account}));
    let crossed = control.originate(glare, &json!({}));
    control.wait(&crossed, answered);
    control.act(&crossed, "invite", json!({"sdp": sdp()}));
    control.wait(&early, |shot| shot["event"] == "hold");
    control.wait(&early, answered);
    control.act(&early, "hangup", json!({}));
    let shot = control.wait(&followed, answered);
    assert_eq!(shot["remote"]["port"].as_u64(), Some(target.into()));
    assert!(shot["contacts"][0].as_str().unwrap().starts_with(&format!("sip:callee@127.0.0.1:{target};")), "{shot}");
    control.act(&followed, "hangup", json!({}));
    control.wait(&first, answered);
    control.wait(&second, answered);
    control.act(&first, "refer", json!({"to": "1003", "replaces": second}));
    let last = control.wait(&first, |shot| shot["transfer"]["over"] == true);
    assert_eq!((&last["event"], &last["transfer"]["code"]), (&json!("refer"), &json!(200)));
    control.act(&first, "hangup", json!({}));
    control.act(&second, "hangup", json!({}));
    control.wait(&proven, answered);
    control.act(&proven, "hangup", json!({}));
    // The INVITE that met a 491 comes again within 4 s, and what it agreed is told.
    control.wait(&crossed, |shot| shot["sdp"]["them"]["o"]["sessionversion"] == 2);
    control.act(&crossed, "hangup", json!({}));

    for (name, process) in &mut running {
        succeeds(process, name);
    }
    let expected: [(&str, &[&str]); 7] = [
        ("prack", &["new", "hangup"]),
        ("timer", &["new", "hold", "hangup"]),
        ("hold", &["new", "hold", "unhold", "hangup"]),
        ("refer", &["new", "refer", "hangup"]),
        ("moved", &["new", "hangup"]),
        ("info", &["new", "dtmf", "dtmf", "hangup"]),
        ("readdress", &["new", "reinvite", "hangup"]),
    ];
    for (user, events) in expected {
        // The last one may come after the phone has its answer.
        let end = Instant::now() + PATIENCE;
        while control.events(user) != events {
            assert!(Instant::now() < end, "{user}: {:?}", control.events(user));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    {
        let heard = control.heard.lock().unwrap();
        let readdressed = heard.iter().find(|shot| shot["to"] == "readdress" && shot["event"] == "reinvite").unwrap();
        assert_eq!(readdressed["sdp"]["them"]["c"][0]["address"], "127.0.0.2", "{readdressed}");
        assert!(
            heard.iter().any(|shot| shot["to"] == "text" && shot["body"].as_str().is_some_and(|body| body.contains("see you at five")))
        );
    }
    let end = Instant::now() + PATIENCE;
    while !http_get(ports.sip_http, "/dialog").unwrap().contains("\"count\":0") {
        assert!(Instant::now() < end, "a call is left: {}", server.output());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn all_phones_of_a_user_ring_and_only_the_one_that_answers_talks() {
    let ports = Ports::free();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let _server = start_sip(&ports, &["--pa", "127.0.0.1"]);
    let control = Control::start(listener, ports.sip_http, "");
    let users = json!([{"username": "1000", "secret": "1123654789"}, {"username": "1003", "secret": "1123654789"}]);
    let body = json!({"control": url, "users": users});
    assert!(http(ports.sip_http, "PUT", "/dir/bling.babblevoice.com", &body.to_string()).unwrap().starts_with("HTTP/1.1 201"));
    let (desk, cell) = (free_port().unwrap(), free_port().unwrap());
    let csv = support::testfile("registerclient.csv");
    for port in [desk, cell] {
        let args = ["-inf", csv.to_str().unwrap(), "-p", &port.to_string(), &format!("127.0.0.1:{}", ports.sip)];
        let Some(mut phone) = sipp("registerclient.xml", &args) else { return };
        succeeds(&mut phone, "registerclient.xml");
    }
    let mut rings = callee("uas-cancelled.xml", desk, &[]).unwrap();
    let mut answers = callee("uas-answer.xml", cell, &["-key", "rtpport", "7000", "-key", "pt", "8", "-key", "encoding", "PCMA"]).unwrap();
    let callid = control.originate(0, &json!({"to": "1003", "domain": "bling.babblevoice.com"}));
    let shot = control.wait(&callid, |shot| shot["event"] == "answered");
    assert_eq!(shot["remote"]["port"].as_u64(), Some(cell.into()));
    succeeds(&mut rings, "the phone that rang in vain");
    control.act(&callid, "hangup", json!({}));
    succeeds(&mut answers, "the phone that answered");
}
