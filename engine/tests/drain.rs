//! A server that is to go away: nothing new, what runs goes on, and the end comes by itself or in time.
//!
//! ```text
//!   POST /drain, or SIGTERM with --drain ─▶ /ready 503, INVITE 503, REGISTER 200, the live call as before ─▶ its BYE ─▶ the process ends
//! ```
//! Shape:  the phone is a UDP socket; the domain asks nobody for a password.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::UdpSocket;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use perf::process::{Process, http, http_get};
use serde_json::Value;
use support::hearing::{control, get, hears, send};
use support::{PATIENCE, Ports, start_sip};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// A server with one domain, a phone beside it.
struct Scene {
    server: Process,
    ports: Ports,
    events: Receiver<Value>,
    phone: UdpSocket,
    at: String,
}

impl Scene {
    fn new(args: &[&str]) -> Self {
        let ports = Ports::free();
        let (url, events) = control();
        let server = start_sip(&ports, args);
        let domain = format!(
            r#"{{"control":"{url}","authentication":"none","users":[{{"username":"1000","secret":"1"}},{{"username":"1001","secret":"1"}}]}}"#
        );
        send(ports.sip_http, "PUT", "/dir/drain.test", &domain);
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.connect(("127.0.0.1", ports.sip)).unwrap();
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        let at = phone.local_addr().unwrap().to_string();
        Self { server, ports, events, phone, at }
    }

    /// A request of the phone in the call `call`; `to_tag` with `;tag=` where it is within one.
    fn send(&self, method: &str, call: &str, cseq: u32, to_tag: &str, body: &str) {
        let at = &self.at;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:1001@drain.test SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{call}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:1000@drain.test>;tag=p{call}\r\nTo: <sip:{}@drain.test>{to_tag}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:1000@{at}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            if method == "REGISTER" { "1000" } else { "1001" },
            body.len()
        );
        self.phone.send(text.as_bytes()).unwrap();
    }

    /// The next message that starts so; others are dropped.
    fn receive(&self, start: &str) -> String {
        let mut bytes = [0; 4096];
        let mut before = String::new();
        loop {
            let len = self.phone.recv(&mut bytes).unwrap_or_else(|error| panic!("no {start}: {error}, but {before}"));
            let text = std::str::from_utf8(&bytes[..len]).unwrap();
            if text.starts_with(start) {
                return text.to_owned();
            }
            before.push_str(text);
        }
    }

    /// A call that is answered; gives the tag of the server.
    fn call(&self) -> String {
        self.send("INVITE", "live", 1, "", SDP);
        let snapshot = hears(&self.events, "new");
        let mut sdp = snapshot["sdp"]["them"].clone();
        sdp["m"][0]["port"] = 4002.into();
        send(self.ports.sip_http, "PUT", "/dialog/answer", &serde_json::json!({"callid": "live", "sdp": sdp}).to_string());
        let ok = self.receive("SIP/2.0 200");
        let to = ok.lines().find(|line| line.starts_with("To:")).unwrap();
        let tag = format!(";tag={}", to.split_once(";tag=").unwrap().1);
        self.send("ACK", "live", 1, &tag, "");
        tag
    }

    fn is_ready(&self) -> bool {
        let answer = http_get(self.ports.sip_http, "/ready").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"), "{answer}");
        answer.starts_with("HTTP/1.1 200")
    }

    /// A new call is refused both ways, a registration and the call `live` are served.
    fn serves_only_what_runs(&self, tag: &str) {
        assert!(!self.is_ready());
        assert_eq!(get(self.ports.sip_http, "/status")["draining"], true);
        self.send("INVITE", "new", 1, "", SDP);
        let refused = self.receive("SIP/2.0 503");
        assert!(refused.contains("\r\nRetry-After: "), "{refused}");
        self.send("ACK", "new", 1, &format!(";tag={}", refused.split_once(";tag=").unwrap().1.lines().next().unwrap()), "");
        let wish = r#"{"from":"1000","to":"1001","domain":"drain.test"}"#;
        let answer = http(self.ports.sip_http, "POST", "/dialog/invite", wish).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.to_ascii_lowercase().contains("\r\nretry-after:"), "{answer}");
        self.send("REGISTER", "reg", 1, "", "");
        assert!(self.receive("SIP/2.0 200").contains("REGISTER"));
        self.send("OPTIONS", "live", 2, tag, "");
        assert!(self.receive("SIP/2.0 200").contains("OPTIONS"));
        self.send("UPDATE", "live", 3, tag, &SDP.replace("o=- 1 1", "o=- 1 2").replace("AVP 0\r\n", "AVP 0\r\na=sendonly\r\n"));
        hears(&self.events, "hold");
        send(self.ports.sip_http, "PUT", "/dialog/ok", r#"{"callid":"live"}"#);
        assert!(self.receive("SIP/2.0 200").contains("UPDATE"));
    }
}

#[test]
fn a_server_that_drains_takes_nothing_new_and_serves_what_runs() {
    let mut scene = Scene::new(&[]);
    assert!(scene.is_ready());
    let tag = scene.call();
    let answer = http(scene.ports.sip_http, "POST", "/drain", "").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    scene.serves_only_what_runs(&tag);
    scene.send("BYE", "live", 4, &tag, "");
    assert!(scene.receive("SIP/2.0 200").contains("BYE"));
    assert_eq!(hears(&scene.events, "hangup")["callid"], "live");
    assert!(!scene.is_ready(), "it drains, and stays");
    scene.server.signal("TERM").unwrap();
    assert!(scene.server.wait(PATIENCE).unwrap().success());
}

#[test]
fn a_server_told_to_end_lets_its_calls_end_first_where_it_has_the_time() {
    let mut scene = Scene::new(&["--drain", "60"]);
    let tag = scene.call();
    scene.server.signal("TERM").unwrap();
    let end = Instant::now() + PATIENCE;
    while scene.is_ready() {
        assert!(Instant::now() < end, "SIGTERM was not heeded");
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.serves_only_what_runs(&tag);
    scene.send("BYE", "live", 4, &tag, "");
    assert!(scene.receive("SIP/2.0 200").contains("BYE"));
    assert_eq!(hears(&scene.events, "hangup")["callid"], "live");
    assert!(scene.server.wait(PATIENCE).unwrap().success());
}

#[test]
fn calls_that_are_left_when_the_time_is_over_are_ended() {
    for seconds in [0, 1] {
        let mut scene = Scene::new(&["--drain", &seconds.to_string()]);
        scene.call();
        let told = Instant::now();
        scene.server.signal("TERM").unwrap();
        let bye = scene.receive("BYE ");
        assert!(told.elapsed() >= Duration::from_secs(seconds), "ended before its time");
        let head = bye.split_once("\r\n\r\n").unwrap().0;
        let copied = head.lines().filter(|line| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)));
        let ok = copied.fold("SIP/2.0 200 OK\r\n".to_owned(), |text, line| text + line + "\r\n") + "Content-Length: 0\r\n\r\n";
        scene.phone.send(ok.as_bytes()).unwrap();
        assert_eq!(hears(&scene.events, "hangup")["callid"], "live");
        assert!(scene.server.wait(PATIENCE).unwrap().success());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut scene = Scene::new(&["--drain", "60"]);
    scene.call();
    scene.server.signal("TERM").unwrap();
    let end = Instant::now() + PATIENCE;
    while scene.is_ready() {
        assert!(Instant::now() < end, "SIGTERM was not heeded");
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.server.signal("TERM").unwrap();
    assert!(!scene.server.wait(PATIENCE).unwrap().success());
}
