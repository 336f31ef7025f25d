//! What a server on the internet gets all day: a scanner, somebody who tries passwords, bytes that are no SIP. A phone still
//! registers, and the log and the counters say who it was. And more calls than their control server can decide about.
//!
//! ```text
//!   127.0.0.9 scanner ─▶ silence     127.0.0.8 passwords ─▶ 401 … 403     127.0.0.7 garbage ─▶ silence     127.0.0.1 phone ─▶ 200
//! ```
//! Where SIPp is not installed the test says so and proves nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use perf::process::{Process, free_port, http, http_get};
use support::{PATIENCE, Ports, start_sip, testfile};

const SCANS: u32 = 200;
const GUESSES: u32 = 60;
const GARBAGE: &[u8] = b"\x16\x03\x01 what is this, it has no end of line";

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn counter(sip_http: u16, name: &str) -> u64 {
    let metrics = http_get(sip_http, "/metrics").unwrap();
    let value = metrics.lines().find_map(|line| line.strip_prefix(&format!("mediaswitch_sip_{name} ")));
    value.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// SIPp from an address of its own.
fn flood(scenario: &str, from: &str, count: u32, server: &str) -> Option<Process> {
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(testfile(scenario)).args(["-i", from, "-p", &free_port().unwrap().to_string(), "-nostdin"]);
    let count = count.to_string();
    match Process::start({
        command.args(["-m", &count, "-r", &count, "-l", &count, "-timeout", "30s", "-timeout_error", server]);
        command
    }) {
        Ok(process) => Some(process),
        Err(error) => {
            println!("skipped: sipp cannot be started ({error}); `./check tools` installs it");
            None
        }
    }
}

fn succeeds(mut process: Process, what: &str) {
    let status = process.wait(Duration::from_secs(40)).unwrap();
    assert!(status.success(), "{what}: {status}\n{}", process.output());
}

fn options(from: &UdpSocket) -> String {
    format!(
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: after\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        from.local_addr().unwrap()
    )
}

#[test]
fn scanners_guessers_and_garbage_are_not_heard_while_a_phone_is() {
    let ports = Ports::free();
    let sip = start_sip(&ports, &[]);
    let nobody = free_port().unwrap();
    let body = format!(r#"{{"control":"http://127.0.0.1:{nobody}","users":[{{"username":"1003","secret":"1123654789"}}]}}"#);
    assert!(http(ports.sip_http, "PUT", "/dir/bling.babblevoice.com", &body).unwrap().starts_with("HTTP/1.1 201"));
    let server = format!("127.0.0.1:{}", ports.sip);

    let Some(scanner) = flood("uac-scanner.xml", "127.0.0.9", SCANS, &server) else { return };
    let guesser = flood("uac-guess.xml", "127.0.0.8", GUESSES, &server).unwrap();
    let garbage = UdpSocket::bind("127.0.0.7:0").unwrap();
    for round in 1..=10 {
        for _ in 0..60 {
            garbage.send_to(GARBAGE, &server).unwrap();
        }
        // No faster than it is read, so that none of them is lost to a full buffer.
        until("garbage is read", || counter(ports.sip_http, "garbage") >= round * 60);
    }
    // A source in debt is forgiven 100 points a second, which is a request each 10 ms: what comes faster is dropped.
    until("its request is dropped", || {
        for _ in 0..20 {
            garbage.send_to(GARBAGE, &server).unwrap();
        }
        garbage.send_to(options(&garbage).as_bytes(), &server).unwrap();
        counter(ports.sip_http, "dropped_total") > 0
    });
    let csv = testfile("registerclient.csv");
    let phone = support::sipp("registerclient.xml", &["-inf", csv.to_str().unwrap(), "-p", &free_port().unwrap().to_string(), &server]);
    succeeds(phone.unwrap(), "the phone in the middle of it");
    succeeds(scanner, "the scanner, which must hear nothing");
    succeeds(guesser, "the guesser, which must hear 401 and 403");

    assert_eq!(counter(ports.sip_http, "scanners_total"), u64::from(SCANS));
    // Five at once, and one more each ten seconds.
    assert!(counter(ports.sip_http, "authslowed") >= u64::from(GUESSES) - 10);
    assert_eq!(counter(ports.sip_http, "offences_total"), 3);
    let log = sip.output();
    // As the filter of docs/architecture.md reads them.
    let wrong = log.lines().filter(|line| line.ends_with("sip offence: wrong password source=127.0.0.8 fault=\"password\"")).count();
    assert_eq!(wrong as u64, counter(ports.sip_http, "authrefused"), "each wrong password has a line\n{log}");
    assert!(wrong >= 5, "{log}");
    for (source, fault) in [("127.0.0.9", "scanner"), ("127.0.0.8", "guessing"), ("127.0.0.7", "garbage")] {
        let lines = log.lines().filter(|line| line.contains("sip offence") && line.contains(source) && line.contains(fault)).count();
        assert_eq!(lines, 1, "{fault}: one line for {source}\n{log}");
    }
    let reg = http_get(ports.sip_http, "/reg/bling.babblevoice.com/1003").unwrap();
    assert!(reg.contains("\"registered\":true"), "{reg}");
}

#[test]
fn bytes_over_a_connection_that_are_no_sip_are_charged_and_told() {
    let ports = Ports::free();
    let sip = start_sip(&ports, &[]);
    let garbage = UdpSocket::bind("127.0.0.1:0").unwrap();
    // All but one of what empties a bucket comes as datagrams, read at once: the connection makes it full.
    until("the line is there", || {
        for _ in 0..50 {
            garbage.send_to(GARBAGE, ("127.0.0.1", ports.sip)).unwrap();
        }
        let before = counter(ports.sip_http, "garbage");
        let mut stream = TcpStream::connect(("127.0.0.1", ports.sip)).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        until("the connection is ended", || matches!(stream.read(&mut [0; 100]), Ok(0) | Err(_)));
        until("it is counted", || counter(ports.sip_http, "garbage") > before);
        sip.output().contains("source=127.0.0.1 fault=\"garbage\"")
    });
}

#[test]
fn a_trusted_network_calls_without_a_password_and_another_does_not() {
    let ports = Ports::free();
    let _sip = start_sip(&ports, &["--trusted", "127.0.0.8/30,192.0.2.0/24"]);
    let nobody = free_port().unwrap();
    let body = format!(r#"{{"control":"http://127.0.0.1:{nobody}","users":[{{"username":"1003","secret":"x"}}]}}"#);
    assert!(http(ports.sip_http, "PUT", "/dir/bling.babblevoice.com", &body).unwrap().starts_with("HTTP/1.1 201"));
    for (n, from, expected) in [(1, "127.0.0.9:0", "100"), (2, "127.0.0.12:0", "401")] {
        let caller = UdpSocket::bind(from).unwrap();
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        caller.send_to(invite(&caller, n).as_bytes(), ("127.0.0.1", ports.sip)).unwrap();
        let mut heard = [0; 2048];
        let length = caller.recv(&mut heard).unwrap();
        let heard = String::from_utf8_lossy(&heard[..length]);
        assert!(heard.starts_with(&format!("SIP/2.0 {expected}")), "{from}: {heard}");
    }
}

/// A control server that takes so long for each event, on as many connections as are made.
fn control_taking(time: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut stream = BufReader::new(stream?);
                loop {
                    let mut length = 0;
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line)? == 0 {
                            return Ok(());
                        }
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                        if line == "\r\n" {
                            break;
                        }
                    }
                    stream.read_exact(&mut vec![0; length])?;
                    std::thread::sleep(time);
                    stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
                }
            });
        }
    });
    port
}

fn invite(from: &UdpSocket, n: u32) -> String {
    let at = from.local_addr().unwrap();
    format!(
        "INVITE sip:1003@bling.babblevoice.com SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:1000@bling.babblevoice.com>;tag={n}\r\nTo: <sip:1003@bling.babblevoice.com>\r\nCall-ID: many-{n}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:1000@{at}>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_control_server_that_cannot_keep_up_gets_fewer_calls_and_all_when_it_has_caught_up() {
    let ports = Ports::free();
    let _sip = start_sip(&ports, &[]);
    let control = control_taking(Duration::from_millis(250));
    let body = format!(r#"{{"control":"http://127.0.0.1:{control}","users":[],"authentication":{{"policy":"none"}}}}"#);
    assert!(http(ports.sip_http, "PUT", "/dir/bling.babblevoice.com", &body).unwrap().starts_with("HTTP/1.1 201"));
    let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
    caller.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut heard = vec![0; 4096];
    let mut answers = || -> Vec<String> {
        std::iter::from_fn(|| caller.recv(&mut heard).ok().map(|length| String::from_utf8_lossy(&heard[..length]).into_owned())).collect()
    };
    let mut calls = 0;
    let mut refused = String::new();
    until("calls are refused", || {
        // 200 a second, where it takes 128: 32 at once, each a quarter of a second.
        for _ in 0..2 {
            calls += 1;
            caller.send_to(invite(&caller, calls).as_bytes(), ("127.0.0.1", ports.sip)).unwrap();
        }
        refused = answers().into_iter().find(|answer| answer.starts_with("SIP/2.0 503")).unwrap_or_default();
        !refused.is_empty()
    });
    assert!(refused.contains("Retry-After: "), "{refused}");
    assert!(counter(ports.sip_http, "callsputoff") > 0 && calls > 32, "{calls}");

    until("it has caught up", || {
        let status = http_get(ports.sip_http, "/status").unwrap();
        let status: serde_json::Value = serde_json::from_str(status.split_once("\r\n\r\n").unwrap().1).unwrap();
        status["events"]["controls_behind"] == 0 && status["events"]["pending"] == 0
    });
    answers();
    let mut served = 0;
    until("twenty on end are served again", || {
        calls += 1;
        caller.send_to(invite(&caller, calls).as_bytes(), ("127.0.0.1", ports.sip)).unwrap();
        let mut answer = None;
        until("it is answered", || {
            answer = answers().into_iter().find(|answer| answer.contains(&format!("Call-ID: many-{calls}\r\n")));
            answer.is_some()
        });
        served = if answer.unwrap().starts_with("SIP/2.0 100") { served + 1 } else { 0 };
        served == 20
    });
}
