//! Calls without end over real UDP: SIPp on both sides, project-sip between them, a control server of a few lines.
//!
//! ```text
//!   SIPp caller ── INVITE … BYE ──▶ project-sip ── INVITE … BYE ──▶ SIPp callee        control here: new ─▶ originate, answered ─▶ answer
//! ```
//! The long one: `cargo test --release -p engine --test soak -- --ignored --nocapture`, 100 000 calls, or `SOAK_CALLS=10000` of
//! them at `SOAK_RATE=100` a second; it prints the memory of project-sip as it goes.
//! Where SIPp is not installed the tests say so and prove nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perf::process::{Process, free_port, http, http_get};
use serde_json::{Value, json};
use support::{PATIENCE, Ports, start_sip, testfile};

/// Each leg's other one.
type Pairs = Arc<Mutex<HashMap<String, String>>>;

/// A control server that connects every call to `callee`.
fn control(sip_http: u16, callee: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pairs = Pairs::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let pairs = Arc::clone(&pairs);
            std::thread::spawn(move || serve(&stream, Connection::to(sip_http), callee, &pairs));
        }
    });
    url
}

/// A connection to project-sip that is kept.
struct Connection {
    port: u16,
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn to(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { port, reader: BufReader::new(stream) }
    }

    /// The body of the answer; `null` if there is none.
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let text = format!("{method} {path} HTTP/1.1\r\nHost: sip\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        loop {
            let sent = self.reader.get_mut().write_all(text.as_bytes());
            if let Some(body) = sent.ok().and_then(|()| message(&mut self.reader)) {
                return serde_json::from_slice(&body).unwrap_or_default();
            }
            // It was idle for long, so it was closed before we asked.
            *self = Self::to(self.port);
        }
    }
}

/// The body of the next message; `None` where the connection ends before it.
fn message(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            read => drop(read.unwrap()),
        }
        match line.trim().split_once(':') {
            None if line.trim().is_empty() => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().unwrap(),
            None | Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some(body)
}

/// The events of one connection, each answered before it is acted on.
fn serve(stream: &TcpStream, mut server: Connection, callee: u16, pairs: &Pairs) {
    let mut reader = BufReader::new(stream);
    while let Some(body) = message(&mut reader) {
        let mut writer = stream;
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        connect(&serde_json::from_slice(&body).unwrap_or_default(), &mut server, callee, pairs);
    }
}

fn connect(shot: &Value, server: &mut Connection, callee: u16, pairs: &Pairs) {
    let callid = shot["callid"].as_str().unwrap_or_default();
    let mut act = |action: &str, body: Value| server.ask("PUT", &format!("/dialog/{action}"), &body);
    match (shot["event"].as_str().unwrap_or_default(), shot["originator"] == true) {
        ("new", false) => {
            let body =
                json!({"from": "1000", "to": format!("callee@127.0.0.1:{callee}"), "domain": "flows.test", "sdp": shot["sdp"]["them"]});
            let answer = server.ask("POST", "/dialog/invite", &body);
            let other = answer["callid"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
            let mut pairs = pairs.lock().unwrap();
            pairs.insert(callid.to_owned(), other.clone());
            pairs.insert(other, callid.to_owned());
        }
        ("answered", true) => {
            // Told on another connection, perhaps before the answer to the originate is read.
            let other = || pairs.lock().unwrap().get(callid).cloned();
            let end = Instant::now() + PATIENCE;
            while other().is_none() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            act("answer", json!({"callid": other().unwrap(), "sdp": shot["sdp"]["them"]}));
        }
        ("hangup", _) => {
            let other = pairs.lock().unwrap().remove(callid);
            if let Some(other) = other {
                pairs.lock().unwrap().remove(&other);
                act("hangup", json!({"callid": other}));
            }
        }
        _ => {}
    }
}

fn load(scenario: &str, calls: u32, more: &[&str]) -> Option<Process> {
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(testfile(scenario)).args(["-i", "127.0.0.1", "-nostdin", "-m", &calls.to_string()]).args(more);
    match Process::start(command) {
        Ok(process) => Some(process),
        Err(error) => {
            println!("skipped: sipp cannot be started ({error}); `./check tools` installs it");
            None
        }
    }
}

/// Resident memory of a process, KiB.
fn memory_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// So many calls at this rate, each of half a second; none may fail, and nothing may be left.
fn calls(count: u32, per_second: u32) {
    let ports = Ports::free();
    let server = start_sip(&ports, &["--pa", "127.0.0.1"]);
    let callee = free_port().unwrap();
    let body =
        json!({"control": control(ports.sip_http, callee), "authentication": "none", "users": [{"username": "1000", "secret": "1"}]});
    assert!(http(ports.sip_http, "PUT", "/dir/flows.test", &body.to_string()).unwrap().starts_with("HTTP/1.1 201"));
    let Some(mut called) = load("uas-plain.xml", count, &["-p", &callee.to_string()]) else { return };
    let (port, rate) = (free_port().unwrap().to_string(), per_second.to_string());
    let to = format!("127.0.0.1:{}", ports.sip);
    let mut calling = load("uac-plain.xml", count, &["-p", &port, "-s", "any", "-d", "500", "-r", &rate, "-l", "400", &to]).unwrap();

    let made = || {
        let answer = http_get(ports.sip_http, "/dialog").ok()?;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        body["count"].as_u64().zip(body["counter"].as_u64())
    };
    // Ten times as long as it should take: a busy machine is slow, not wrong.
    let end = Instant::now() + PATIENCE + Duration::from_secs(u64::from(count / per_second) * 10);
    let (mut step, mut curve) = (1, Vec::new());
    let status = loop {
        if let Ok(status) = calling.wait(Duration::from_millis(100)) {
            break status;
        }
        assert!(Instant::now() < end, "the calls do not end\n{}", calling.output());
        let Some((_, legs)) = made() else { continue };
        if legs * 10 >= u64::from(count) * 2 * step {
            let memory = memory_kib(server.id());
            println!("{legs:>8} legs: {memory} KiB");
            curve.push(memory);
            step = legs * 10 / (u64::from(count) * 2) + 1;
        }
    };
    assert!(status.success(), "{status}\n{}", calling.output());
    let status = called.wait(PATIENCE).unwrap();
    assert!(status.success(), "{status}\n{}", called.output());
    while made().is_none_or(|(live, _)| live > 0) {
        assert!(Instant::now() < end, "calls are left");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(made(), Some((0, u64::from(count) * 2)));
    let last = memory_kib(server.id());
    println!("in the end {last} KiB");
    // The allocator keeps what it had at the peak, and a busy machine makes peaks: some tenths of the way may grow. What is lost
    // with each call shows in every one: 1 MiB is 52 bytes a leg of the long one.
    curve.push(last);
    let growth = curve.windows(2).skip(1).filter_map(|pair| pair.get(1)?.checked_sub(*pair.first()?).or(Some(0))).min();
    assert!(growth.is_some_and(|kib| kib < 1024), "memory grew all the way: {curve:?} KiB");
}

#[test]
fn calls_by_the_hundred_over_udp_leave_nothing_behind() {
    calls(100, 50);
}

#[test]
#[ignore = "ten minutes; see the head of the file"]
fn calls_by_the_hundred_thousand_over_udp_leave_nothing_behind() {
    let number = |name: &str, default: u32| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    calls(number("SOAK_CALLS", 100_000), number("SOAK_RATE", 200));
}
