//! Phones that watch, on the real binary over UDP: a lamp for waiting messages, and presence that is published.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use perf::process::http;
use support::{Ports, start_sip};

/// One phone: sends requests, gives what comes, answers each NOTIFY.
struct Watcher {
    socket: UdpSocket,
    server: String,
    number: u32,
}

impl Watcher {
    fn new(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, server: format!("127.0.0.1:{port}"), number: 0 }
    }

    /// Sends a request of 1000 to its own address; gives the answer.
    fn ask(&mut self, method: &str, lines: &str, body: &str) -> String {
        self.number += 1;
        let (us, number) = (self.socket.local_addr().unwrap(), self.number);
        let request = format!(
            "{method} sip:1000@packages.test SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKp{number};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:1000@packages.test>;tag=f{number}\r\nTo: <sip:1000@packages.test>\r\nCall-ID: p{number}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:1000@{us}>\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.send_to(request.as_bytes(), &self.server).unwrap();
        self.receive()
    }

    fn receive(&mut self) -> String {
        let mut buffer = [0; 65_536];
        let (length, _) = self.socket.recv_from(&mut buffer).expect("something from the server");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next NOTIFY, answered.
    fn notified(&mut self) -> String {
        let notify = self.receive();
        assert!(notify.starts_with("NOTIFY "), "{notify}");
        let kept = |line: &&str| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
        let lines: Vec<&str> = notify.lines().filter(kept).collect();
        let answer = format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
        self.socket.send_to(answer.as_bytes(), &self.server).unwrap();
        notify
    }
}

#[test]
fn watchers_are_told_over_udp() {
    let ports = Ports::free();
    let _server = start_sip(&ports, &[]);
    let directory = r#"{"control":"http://127.0.0.1:9","users":[{"username":"1000","secret":"s"}],"authentication":"none"}"#;
    assert!(http(ports.sip_http, "PUT", "/dir/packages.test", directory).unwrap().starts_with("HTTP/1.1 201"));
    let mut phone = Watcher::new(ports.sip);

    let ok = phone.ask("SUBSCRIBE", "Event: message-summary\r\nExpires: 600\r\n", "");
    assert!(ok.starts_with("SIP/2.0 200") && ok.contains("Expires: 600"), "{ok}");
    assert!(phone.notified().ends_with("Messages-Waiting: no\r\n"));
    let put = http(ports.sip_http, "PUT", "/mwi/packages.test/1000", r#"{"new":3,"old":1}"#).unwrap();
    assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    assert!(phone.notified().contains("Voice-Message: 3/1 (0/0)"));
    assert!(http(ports.sip_http, "GET", "/mwi/packages.test/1000", "").unwrap().contains("\"new\":3"));

    let mut friend = Watcher::new(ports.sip);
    friend.number = 100;
    assert!(friend.ask("SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", "").starts_with("SIP/2.0 200"));
    assert!(friend.notified().contains("<basic>closed</basic>"));
    let pidf = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1000@packages.test\"><tuple id=\"a\"/></presence>";
    let published = phone.ask("PUBLISH", "Event: presence\r\nContent-Type: application/pidf+xml\r\n", pidf);
    assert!(published.starts_with("SIP/2.0 200") && published.contains("SIP-ETag: "), "{published}");
    assert!(friend.notified().ends_with(pidf));
}
