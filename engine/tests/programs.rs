//! The binaries as a person or a service manager meets them: help, wrong settings, start, stop, restart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use perf::phone::{Account, Phone, PhoneError};
use perf::process::{Process, http, http_get};
use perf::rtp_peer::Codec;
use support::{PATIENCE, Ports, Switch, program, start_sip};

const PROGRAMS: [&str; 4] = ["mediaswitch", "project-sip", "project-rtp", "project-control"];

#[test]
fn help_and_version_are_said_and_nothing_starts() {
    for name in PROGRAMS {
        let help = program(name).arg("--help").output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains(&format!("Usage: {name}")), "{name}: {text}");
        let version = program(name).arg("--version").output().unwrap();
        assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn the_self_test_of_messages_passes_anywhere() {
    let folder = std::env::temp_dir();
    let output = program("project-sip").arg("--test").current_dir(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.ends_with(" passed, 0 failed\n"), "{text}");
    assert!(text.lines().filter(|line| line.starts_with("ok ")).count() >= 49, "the whole of RFC 4475: {text}");
}

#[test]
fn wrong_settings_end_with_code_2_and_the_remedy() {
    let cases: [(&str, &[&str], &str); 6] = [
        ("mediaswitch", &["--sipport", "1"], "unknown option --sipport; `mediaswitch --help` lists them all"),
        ("mediaswitch", &["dance"], "unknown word `dance`"),
        ("project-sip", &["--sp", "99999"], "sip-port = `99999` (from command line)"),
        ("project-rtp", &["--rtp-ports", "9-1"], "such as 10000-20000"),
        ("project-sip", &["--api-address", "0.0.0.0"], "--api-token-file"),
        ("project-control", &["--daemon"], "--log-file"),
    ];
    for (name, args, remedy) in cases {
        let output = program(name).args(args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {args:?}: {text}");
        assert!(text.contains(remedy), "{name} {args:?}: {text}");
    }
}

#[test]
fn every_metric_is_explained_and_every_explanation_is_of_a_metric() {
    let page = include_str!("../../docs/metrics.md");
    let is_type = |word: &str| ["gauge", "counter", "histogram"].contains(&word);
    let row = |line: &str| {
        line.strip_prefix("| ")?
            .split_once(" | ")
            .filter(|(_, rest)| rest.split(" | ").next().is_some_and(is_type))
            .map(|(name, _)| name.to_owned())
    };
    let mut explained: Vec<String> = page.lines().filter_map(row).collect();
    // Two shards of each kind, so that what only several have is there too.
    let switch = Switch::start(&Ports::free(), &["--cores", "sip=0,0 rtp=0", "--max-transcodes", "5"]);
    let mut told = Vec::new();
    for port in [switch.sip_http, switch.rtp_http] {
        let text = http_get(port, "/metrics").unwrap();
        for line in text.lines() {
            let family =
                |mark: &str| line.strip_prefix(mark)?.strip_prefix(" mediaswitch_")?.split_once(' ').map(|(name, _)| name.to_owned());
            told.extend(family("# TYPE"));
            assert_ne!(line.rsplit(' ').next(), Some("untyped"), "not in docs/metrics.md: {line}");
        }
    }
    told.sort();
    told.dedup();
    explained.sort();
    assert_eq!(explained, told);
}

#[test]
fn it_stops_within_5_s_and_starts_again_20_times_on_the_same_ports() {
    let ports = Ports::free();
    for round in 0..20 {
        let mut switch = Switch::start(&ports, &[]);
        let signal = if round % 2 == 0 { "TERM" } else { "INT" };
        switch.process.signal(signal).unwrap();
        let status = switch.process.wait(Duration::from_secs(5)).unwrap();
        assert!(status.success(), "round {round}: {status}\n{}", switch.process.output());
    }
}

#[test]
fn a_port_in_use_is_named_with_its_remedy() {
    let ports = Ports::free();
    let _first = Switch::start(&ports, &[]);
    let mut command = program("project-sip");
    command.args(["--sip-address", "127.0.0.1", "--sp", &ports.sip.to_string(), "--cp", &ports.sip_http.to_string()]);
    let mut second = Process::start(command).unwrap();
    let status = second.wait(PATIENCE).unwrap();
    let text = second.output();
    assert_eq!(status.code(), Some(71), "{text}");
    assert!(text.contains("in use"), "{text}");
}

#[test]
fn a_phone_registers_over_ipv6() {
    if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("skipped: this host has no IPv6");
        return;
    }
    let ports = Ports::free();
    let _sip = start_sip(&ports, &["--sip-address", "127.0.0.1,::1"]);
    let users = r#"{"control":"http://127.0.0.1:9","users":[{"username":"1","secret":"one"}]}"#;
    assert!(http(ports.sip_http, "PUT", "/dir/phones.example", users).unwrap().starts_with("HTTP/1.1 201"));
    let server = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), ports.sip);
    let account = Account { user: "1".into(), domain: "phones.example".into(), secret: "one".into(), server };
    let mut phone = Phone::new(account, Ipv6Addr::LOCALHOST.into(), Codec::Pcmu, 440.0).unwrap();
    assert_eq!(phone.register(600, PATIENCE).unwrap(), 600);
    assert!(http_get(ports.sip_http, "/reg/phones.example").unwrap().contains("\"host\":\"::1\""));
    assert_eq!(phone.register(0, PATIENCE).unwrap(), 0);
}

#[test]
fn registrations_keep_to_the_settings() {
    let ports = Ports::free();
    let _sip = start_sip(&ports, &["--register-expires", "120-300", "--max-registrations", "1"]);
    let users = r#"{"control":"http://127.0.0.1:9","users":[{"username":"1","secret":"one"},{"username":"2","secret":"two"}]}"#;
    assert!(http(ports.sip_http, "PUT", "/dir/phones.example", users).unwrap().starts_with("HTTP/1.1 201"));
    let phone = |user: &str, secret: &str| {
        let server = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports.sip);
        let account = Account { user: user.into(), domain: "phones.example".into(), secret: secret.into(), server };
        Phone::new(account, Ipv4Addr::LOCALHOST.into(), Codec::Pcmu, 440.0).unwrap()
    };
    let (mut one, mut two) = (phone("1", "one"), phone("2", "two"));
    assert!(matches!(one.register(60, PATIENCE), Err(PhoneError::Refused { status: 423, .. })));
    assert_eq!(one.register(600, PATIENCE).unwrap(), 300);
    assert!(matches!(two.register(600, PATIENCE), Err(PhoneError::Refused { status: 503, .. })));
    assert_eq!(one.register(0, PATIENCE).unwrap(), 0);
    assert_eq!(two.register(200, PATIENCE).unwrap(), 200);
}

#[test]
fn start_up_says_version_cores_addresses_and_backend() {
    let ports = Ports::free();
    let switch = Switch::start(&ports, &[]);
    // It serves before the last of its lines has come here.
    for word in
        [env!("CARGO_PKG_VERSION"), "cores", "io_uring", &ports.sip.to_string(), &ports.sip_http.to_string(), &ports.rtp_http.to_string()]
    {
        let end = Instant::now() + PATIENCE;
        while !switch.process.output().contains(word) {
            assert!(Instant::now() < end, "`{word}` is not in\n{}", switch.process.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    for port in [ports.sip_http, ports.rtp_http, ports.control_http] {
        let status = http_get(port, "/status").unwrap();
        assert!(status.starts_with("HTTP/1.1 200") && status.contains(env!("CARGO_PKG_VERSION")), "{status}");
        assert!(http_get(port, "/health").unwrap().starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn each_listener_tells_the_address_that_it_was_given() {
    let ports = Ports::free();
    let named = "127.0.0.1=203.0.113.7,127.0.0.2=203.0.113.8";
    let _sip = start_sip(&ports, &["--sip-address", "127.0.0.1,127.0.0.2", "--pa", named]);
    let users = r#"{"control":"http://127.0.0.1:9","authentication":"none","users":[{"username":"1","secret":"one"}]}"#;
    assert!(http(ports.sip_http, "PUT", "/dir/phones.example", users).unwrap().starts_with("HTTP/1.1 201"));
    for (listener, shown) in [("127.0.0.1", "203.0.113.7"), ("127.0.0.2", "203.0.113.8")] {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.connect((listener, ports.sip)).unwrap();
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        let at = phone.local_addr().unwrap();
        let subscribe = format!(
            "SUBSCRIBE sip:1@phones.example SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{shown}\r\nMax-Forwards: 70\r\n\
             From: <sip:1@phones.example>;tag=a\r\nTo: <sip:1@phones.example>\r\nCall-ID: {shown}\r\nCSeq: 1 SUBSCRIBE\r\n\
             Contact: <sip:1@{at}>\r\nEvent: presence\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
        );
        phone.send(subscribe.as_bytes()).unwrap();
        let mut bytes = [0; 4096];
        let mut receive = || {
            let len = phone.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..len].to_vec()).unwrap()
        };
        let (ok, notify) = (receive(), receive());
        let contact = format!("\r\nContact: <sip:1@{shown}:{}>", ports.sip);
        assert!(ok.starts_with("SIP/2.0 200") && ok.contains(&contact), "{ok}");
        assert!(notify.starts_with("NOTIFY ") && notify.contains(&contact), "{notify}");
        assert!(notify.contains(&format!("\r\nVia: SIP/2.0/UDP {shown}:{};", ports.sip)), "{notify}");
    }
}
