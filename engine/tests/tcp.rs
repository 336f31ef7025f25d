//! SIP over TCP through the real program: SIPp registers and calls both ways, and clients that do what clients should not.
//!
//! ```text
//!   SIPp caller ═tcp═▶ mediaswitch with its built-in script ═tcp═▶ SIPp callee, where its Contact says
//! ```
//! Every test has a switch and ports of its own. Where SIPp is not installed they say so and prove nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use perf::process::{Process, free_port, http_get};
use support::{PATIENCE, Ports, Switch, is_listening, sipp, start_sip, testfile};

const DOMAIN: [&str; 4] = ["--domain", "bling.babblevoice.com", "--users", "1000:1123654789,1003:1123654789"];

/// Held while a SIPp chooses a port.
static CHOOSING: Mutex<()> = Mutex::new(());

fn switch() -> Switch {
    let switch = Switch::start(&Ports::free(), &DOMAIN);
    until("the script told its users", || {
        http_get(switch.sip_http, "/dir/bling.babblevoice.com/1003").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    switch
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn succeeds(process: &mut Process) {
    let status = process.wait(Duration::from_secs(40)).unwrap();
    let errors = || {
        let files = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path());
        let ours = files.filter(|path| path.to_string_lossy().contains(&format!("-{}.log", std::process::id())));
        ours.filter_map(|path| std::fs::read_to_string(path).ok()).collect::<String>()
    };
    assert!(status.success(), "{status}\n{}\n{}", process.output(), errors());
}

/// A number of the `tcp` part of `/status`.
fn tcp(sip_http: u16, name: &str) -> u64 {
    let answer = http_get(sip_http, "/status").unwrap();
    let status: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    status["tcp"][name].as_u64().unwrap_or_else(|| panic!("no {name}"))
}

/// project-sip alone: its process and ports.
fn sip_alone() -> (Process, Ports) {
    let ports = Ports::free();
    (start_sip(&ports, &[]), ports)
}

fn connect(ports: &Ports) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", ports.sip)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn options(n: usize) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: c{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Reads until so many answers came, the last one to its end: none has a body.
fn answers(stream: &mut TcpStream, count: usize) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while text.matches("\r\n\r\n").count() < count {
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "closed after {text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    assert_eq!(text.matches("SIP/2.0 200 OK").count(), count, "{text}");
    text
}

fn is_closed(mut stream: TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// A call from SIPp to SIPp, both over TCP: the caller has one connection for all (`t1`) or one for each call (`tn`).
fn call_over_tcp(mode: &str, caller_scenario: &str, callee_scenario: &str) {
    let switch = switch();
    let server = format!("127.0.0.1:{}", switch.sip);
    let (registering, port) = (testfile("registerclient.csv"), free_port().unwrap().to_string());
    let Some(mut phone) =
        sipp("registerclient.xml", &["-t", "t1", "-max_socket", "100", "-inf", registering.to_str().unwrap(), "-p", &port, &server])
    else {
        return;
    };
    succeeds(&mut phone);
    let registered = http_get(switch.sip_http, "/reg/bling.babblevoice.com/1003").unwrap();
    assert!(registered.contains("\"transport\":\"tcp\""), "{registered}");
    let media = ["-key", "rtpport", "7000", "-key", "pt", "8", "-key", "encoding", "PCMA"];
    let mut called = sipp(callee_scenario, &[&["-t", "t1", "-max_socket", "100", "-p", &port][..], &media].concat()).unwrap();
    until("the callee listens", || is_listening(port.parse().unwrap()));
    // Its port is its own choice: one of ours might be that of somebody else's connection by now. Two that choose at once choose the same.
    let (csv, accepted) = (testfile("uac.csv"), tcp(switch.sip_http, "accepted_total"));
    let choosing = CHOOSING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut calling =
        sipp(caller_scenario, &[&["-t", mode, "-max_socket", "100", "-inf", csv.to_str().unwrap()][..], &media, &[&server]].concat())
            .unwrap();
    until("the caller has a connection", || tcp(switch.sip_http, "accepted_total") > accepted);
    drop(choosing);
    succeeds(&mut calling);
    succeeds(&mut called);
    until("nothing is left", || http_get(switch.sip_http, "/dialog").unwrap().contains("\"count\":0"));
    assert_eq!(tcp(switch.sip_http, "garbage_total"), 0);
    assert!(tcp(switch.sip_http, "dialled_total") >= 1 && tcp(switch.sip_http, "accepted_total") >= 2);
}

#[test]
fn a_call_over_tcp_is_made_and_ended_by_the_caller() {
    call_over_tcp("t1", "uac-call.xml", "uas-answer.xml");
}

#[test]
fn a_call_over_a_connection_of_its_own_is_ended_by_the_callee() {
    call_over_tcp("tn", "uac-call-hungup.xml", "uas-answer-hangup.xml");
}

#[test]
fn a_late_offer_over_tcp_is_answered_in_the_ack() {
    call_over_tcp("t1", "uaclateoffer.xml", "uas-answer.xml");
}

#[test]
fn calls_over_tcp_that_come_to_nothing_say_why() {
    let pairs = [("uac-cancel.xml", "uas-cancelled.xml"), ("uac-busy.xml", "uas-busy.xml"), ("uac-away.xml", "uas-unavailable.xml")];
    let calls = pairs.map(|(caller, callee)| std::thread::spawn(move || call_over_tcp("t1", caller, callee)));
    for call in calls {
        call.join().unwrap();
    }
}

#[test]
fn requests_in_pieces_and_many_at_once_are_answered_and_pings_too() {
    let (_sip, ports) = sip_alone();
    let mut stream = connect(&ports);
    for piece in options(0).as_bytes().chunks(50) {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(answers(&mut stream, 1).contains("Call-ID: c0"));
    let many: String = (1..=200).map(options).collect();
    stream.write_all(many.as_bytes()).unwrap();
    assert!(answers(&mut stream, 200).contains("Call-ID: c200"));
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    assert_eq!((tcp(ports.sip_http, "live"), tcp(ports.sip_http, "pongs_total")), (1, 1));
    drop(stream);
    until("the connection is forgotten", || tcp(ports.sip_http, "live") == 0);
}

#[test]
fn garbage_closes_its_connection_and_no_other() {
    let (_sip, ports) = sip_alone();
    let mut good = connect(&ports);
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[b'x'; 70_000]] {
        let mut bad = connect(&ports);
        let _ = bad.write_all(garbage);
        assert!(is_closed(bad));
    }
    good.write_all(options(1).as_bytes()).unwrap();
    answers(&mut good, 1);
    assert_eq!((tcp(ports.sip_http, "garbage_total"), tcp(ports.sip_http, "live")), (3, 1));
}

#[test]
fn half_open_half_said_and_unread_connections_are_ended_and_hold_nobody_up() {
    let (_sip, ports) = sip_alone();
    let silent = connect(&ports);
    let mut slow = connect(&ports);
    slow.write_all(&options(1).as_bytes()[..100]).unwrap();
    // It asks, and never reads: the kernel's buffers fill up, then ours, then it is over.
    let deaf = connect(&ports);
    let mut writer = deaf.try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let flood = std::thread::spawn(move || {
        let many: String = (0..500).map(options).collect();
        while writer.write_all(many.as_bytes()).is_ok() {}
    });
    let mut good = connect(&ports);
    for n in 0..50 {
        let start = Instant::now();
        good.write_all(options(n).as_bytes()).unwrap();
        answers(&mut good, 1);
        assert!(start.elapsed() < Duration::from_secs(2), "others wait for the one that does not read");
    }
    until("the connection that is not read is ended", || tcp(ports.sip_http, "stuck_total") == 1);
    flood.join().unwrap();
    until("the silent one and the slow one are ended", || tcp(ports.sip_http, "slow_total") == 2);
    assert!(is_closed(silent) && is_closed(slow));
    assert_eq!(tcp(ports.sip_http, "live"), 1);
    drop(deaf);
    good.shutdown(Shutdown::Write).unwrap();
    until("a half-closed connection is over", || tcp(ports.sip_http, "live") == 0);
    assert_eq!(tcp(ports.sip_http, "bytes"), 0);
}
