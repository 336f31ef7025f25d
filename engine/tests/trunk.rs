//! A trunk between two real instances of project-sip: one is the provider, the other its customer.
//!
//! ```text
//!   customer: PUT /trunk ═REGISTER with digest═▶ provider: GET /reg        customer: POST /dialog/invite ═INVITE with digest═▶ provider
//!   provider: POST /dialog/invite to the account ═INVITE═▶ customer ─▶ control of the trunk
//! ```
//! Shape:  no SIPp and no script: a control server of a few lines takes the events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use perf::process::{http, http_get};
use serde_json::Value;
use support::{PATIENCE, Ports, start_sip};

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or(Value::Null)
}

fn send(port: u16, method: &str, path: &str, json: &str) -> Value {
    let answer = http(port, method, path, json).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    body(&answer)
}

fn get(port: u16, path: &str) -> Value {
    body(&http_get(port, path).unwrap())
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A control server that says 200 to everything and hands on the bodies of calls.
fn control() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || -> Option<()> {
                let mut stream = stream.ok()?;
                let mut text = String::new();
                loop {
                    let mut bytes = [0; 8192];
                    let len = stream.read(&mut bytes).ok().filter(|len| *len > 0)?;
                    text.push_str(std::str::from_utf8(bytes.get(..len)?).ok()?);
                    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
                        let length = head
                            .to_ascii_lowercase()
                            .split("content-length:")
                            .nth(1)
                            .map_or(0, |rest| rest.lines().next().unwrap_or_default().trim().parse().unwrap_or(0));
                        if rest.len() < length {
                            break;
                        }
                        let (json, rest) = rest.split_at(length);
                        if head.contains(" /dialog/") {
                            sender.send(serde_json::from_str(json).ok()?).ok()?;
                        }
                        text = rest.to_owned();
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok()?;
                    }
                }
            });
        }
    });
    (url, receiver)
}

fn hears(events: &Receiver<Value>, event: &str) -> Value {
    loop {
        let snapshot = events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no event {event}"));
        if snapshot["event"] == event {
            return snapshot;
        }
    }
}

/// Registers over `transport`, calls both ways, takes the registration back.
fn trunk_over(transport: &str) {
    let (provider, customer) = (Ports::free(), Ports::free());
    let ((provider_url, provider_events), (customer_url, customer_events)) = (control(), control());
    let _provider = start_sip(&provider, &[]);
    let _customer = start_sip(&customer, &[]);
    let users = format!(r#"{{"control":"{provider_url}","users":[{{"username":"acc","secret":"pw"}}]}}"#);
    send(provider.sip_http, "PUT", "/dir/provider.example", &users);
    let trunk = |secret: &str| {
        format!(
            r#"{{"domain":"provider.example","user":"acc","secret":"{secret}","proxy":"127.0.0.1:{};transport={transport}","expires":120,"control":"{customer_url}"}}"#,
            provider.sip
        )
    };
    send(customer.sip_http, "PUT", "/trunk/prov", &trunk("wrong"));
    until("the wrong password is told", || get(customer.sip_http, "/trunk/prov")["status"] == 401);
    assert_eq!(get(customer.sip_http, "/trunk/prov")["up"], false);
    send(customer.sip_http, "PUT", "/trunk/prov", &trunk("pw"));
    until("the trunk is registered", || get(customer.sip_http, "/trunk/prov")["state"] == "registered");
    let registered = get(provider.sip_http, "/reg/provider.example/acc");
    assert_eq!((&registered["registered"], &registered["users"]["acc"]["transport"]), (&Value::from(1), &Value::from(transport)));
    // Out: the provider asks for the password of the account, and gets it.
    let call = send(customer.sip_http, "POST", "/dialog/invite", r#"{"from":"acc@provider.example","to":"+44@provider.example"}"#);
    let snapshot = hears(&provider_events, "new");
    assert_eq!(
        (&snapshot["callid"], &snapshot["authenticated"], &snapshot["to"]),
        (&call["callid"], &Value::from(true), &Value::from("+44"))
    );
    let hangup = format!(r#"{{"callid":"{}","reason":"busy"}}"#, call["callid"].as_str().unwrap());
    send(provider.sip_http, "PUT", "/dialog/hangup", &hangup);
    until("the call is over", || get(customer.sip_http, "/dialog")["count"] == 0);
    // In: known by where it comes from, told to the control of the trunk.
    send(provider.sip_http, "POST", "/dialog/invite", r#"{"from":"+4930@provider.example","to":"acc@provider.example"}"#);
    let snapshot = hears(&customer_events, "new");
    assert_eq!((&snapshot["domain"], &snapshot["from"]), (&Value::from("provider.example"), &Value::from("+4930")));
    let hangup = format!(r#"{{"callid":"{}","code":486}}"#, snapshot["callid"].as_str().unwrap());
    send(customer.sip_http, "PUT", "/dialog/hangup", &hangup);
    until("that call is over too", || get(provider.sip_http, "/dialog")["count"] == 0);
    send(customer.sip_http, "DELETE", "/trunk/prov", "");
    until("the registration is taken back", || get(provider.sip_http, "/reg")["count"] == 0);
    assert!(http_get(customer.sip_http, "/trunk/prov").unwrap().starts_with("HTTP/1.1 404"));
}

#[test]
fn a_trunk_over_udp_registers_and_carries_calls_both_ways() {
    trunk_over("udp");
}

#[test]
fn a_trunk_over_tcp_registers_and_carries_calls_both_ways() {
    trunk_over("tcp");
}
