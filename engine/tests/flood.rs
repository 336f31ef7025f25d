//! What a server on the internet gets all day: a scanner, somebody who tries passwords, bytes that are no SIP. A phone still
//! registers, and the log and the counters say who it was.
//!
//! ```text
//!   127.0.0.9 scanner ─▶ silence     127.0.0.8 passwords ─▶ 401 … 403     127.0.0.7 garbage ─▶ silence     127.0.0.1 phone ─▶ 200
//! ```
//! Where SIPp is not installed the test says so and proves nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::UdpSocket;
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
    for (source, fault) in [("127.0.0.9", "scanner"), ("127.0.0.8", "guessing"), ("127.0.0.7", "garbage")] {
        let lines = log.lines().filter(|line| line.contains("sip offence") && line.contains(source) && line.contains(fault)).count();
        assert_eq!(lines, 1, "{fault}: one line for {source}\n{log}");
    }
    let reg = http_get(ports.sip_http, "/reg/bling.babblevoice.com/1003").unwrap();
    assert!(reg.contains("\"registered\":true"), "{reg}");
}
