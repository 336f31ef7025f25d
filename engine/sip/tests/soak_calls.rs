//! Calls without end, in virtual time: the resident memory of this process goes back to where it was, and stays there.
//!
//! ```text
//!   gateway ── INVITE, ACK, BYE or CANCEL ──▶ endpoint ── the other leg ──▶ callee      each call is two legs
//! ```
//! Of four calls one is hung up by its caller, one by its callee, one by control, and one is given up while it rings.
//! The long one: `cargo test --release -p sip --test soak_calls -- --ignored --nocapture`, 200 000 calls, which are 400 000 legs;
//! it prints the curve. Each of the two has the process to itself, so that nothing else allocates meanwhile. Linux only.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and tell; clippy only exempts functions marked #[test]")]

mod resident;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::api::{Action, Authentication, Command, ControlUrl, Originate, Party, Policy, Reply};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::message::{Message, parse};
use sip::sdp::Sdp;

const CALLER: &str = "192.0.2.20:5060";
const CALLEE: &str = "192.0.2.30:5060";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";

struct Soak {
    endpoint: Endpoint,
    now: Instant,
    sdp: Sdp,
    events: u64,
}

/// A header of a message as it stands, with its name and line end.
fn line<'a>(message: &'a str, name: &str) -> &'a str {
    let start = message.find(&format!("\r\n{name}: ")).unwrap() + 2;
    let end = start + message[start..].find("\r\n").unwrap() + 2;
    &message[start..end]
}

/// The answer of the callee to a request of ours.
fn answer(request: &str, status: &str, body: &str) -> String {
    let to = line(request, "To").trim_end();
    let tag = if to.contains(";tag=") { "" } else { ";tag=callee" };
    format!(
        "SIP/2.0 {status}\r\n{}{}{to}{tag}\r\n{}{}Contact: <sip:2@{CALLEE}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        line(request, "Via"),
        line(request, "From"),
        line(request, "Call-ID"),
        line(request, "CSeq"),
        body.len()
    )
}

impl Soak {
    fn new() -> Self {
        let now = sim::Clock::new().now();
        let config = EndpointConfig {
            listeners: vec![Listener { advertised: "192.0.2.1:5060".parse().unwrap(), transport: Transport::Udp }],
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, [5; 32], now, 1_700_000_000_000);
        let control = Some(ControlUrl("http://c".into()));
        let policy = Some(Policy { authentication: Authentication::None, ..Policy::default() });
        endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users: Vec::new(), policy }, now).unwrap();
        Self { endpoint, now, sdp: Sdp::parse(SDP).unwrap(), events: 0 }
    }

    /// Lets a peer speak, and gives what we say to that.
    fn hear(&mut self, from: &str, text: &str) -> Vec<String> {
        let from: SocketAddr = from.parse().unwrap();
        self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from, bytes: text.as_bytes() }, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { bytes, .. } => said.push(String::from_utf8(bytes).unwrap()),
                Output::Event(_) => self.events += 1,
                Output::Resolve { .. } => {}
                Output::Wait(_) => return said,
            }
        }
    }

    fn act(&mut self, callid: &str, action: Action) -> Vec<String> {
        self.endpoint.command(Command::Act { callid: callid.into(), action: Box::new(action) }, self.now).unwrap();
        self.drain()
    }

    /// The other leg: its Call-ID, and our INVITE.
    fn originate(&mut self) -> (String, String) {
        let party = |user: &str, domain: &str| Party { user: user.into(), domain: Some(domain.into()), ..Party::default() };
        let originate = Originate {
            from: party("1", "example.com"),
            to: party("2", CALLEE),
            domain: Some("example.com".into()),
            callerid: None,
            maxforwards: 70,
            control: None,
            sdp: Some(self.sdp.clone()),
            headers: Vec::new(),
            autoanswer: false,
            idempotency: None,
            trunks: Vec::new(),
            follow: false,
        };
        let Ok(Reply::Originated(callid)) = self.endpoint.command(Command::Originate(Box::new(originate)), self.now) else { panic!() };
        let said = self.drain();
        (callid, said.into_iter().find(|text| text.starts_with("INVITE")).unwrap())
    }

    fn call(&mut self, number: u32) {
        let id = format!("call-{number}");
        let write = |method: &str, cseq: u32, tag: &str, body: &str| {
            let branch = if matches!(method, "ACK") {
                "k"
            } else if matches!(method, "BYE") {
                "b"
            } else {
                "i"
            };
            format!(
                "{method} sip:2@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{branch}{number};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:1@example.com>;tag=f\r\nTo: <sip:2@example.com>{tag}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
                 Contact: <sip:1@{CALLER}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        assert!(self.hear(CALLER, &write("INVITE", 1, "", SDP))[0].starts_with("SIP/2.0 100"));
        let (other, invite) = self.originate();
        self.hear(CALLEE, &answer(&invite, "180 Ringing", ""));
        self.act(&id, Action::Ring { alertinfo: None, sdp: None });
        let end = number % 4;
        if end == 3 {
            // Given up: 200 to the CANCEL, 487 to the INVITE; the other leg is cancelled by control.
            let said = self.hear(CALLER, &write("CANCEL", 1, "", ""));
            let refused = said.iter().find(|text| text.starts_with("SIP/2.0 487")).unwrap();
            let tag = line(refused, "To").trim_end().split_once(";tag=").unwrap().1.to_owned();
            self.hear(CALLER, &write("ACK", 1, &format!(";tag={tag}"), "").replace("bKk", "bKi"));
            let said = self.act(&other, Action::Hangup { reason: None, code: None, headers: Vec::new() });
            let cancel = said.iter().find(|text| text.starts_with("CANCEL")).unwrap();
            self.hear(CALLEE, &answer(cancel, "200 OK", ""));
            self.hear(CALLEE, &answer(&invite, "487 Request Terminated", ""));
            return;
        }
        self.hear(CALLEE, &answer(&invite, "200 OK", SDP));
        let sdp = Some(self.sdp.clone());
        let said = self.act(&id, Action::Answer { sdp });
        let ok = said.iter().find(|text| text.starts_with("SIP/2.0 200")).unwrap();
        let Ok(Message::Response(response)) = parse(ok.as_bytes()) else { panic!("{ok}") };
        let tag = format!(";tag={}", response.to().tag.unwrap());
        self.hear(CALLER, &write("ACK", 1, &tag, ""));
        self.pass(Duration::from_millis(500));
        let hangup = || Action::Hangup { reason: None, code: None, headers: Vec::new() };
        if end == 0 {
            assert!(self.hear(CALLER, &write("BYE", 2, &tag, ""))[0].starts_with("SIP/2.0 200"));
        } else {
            let said = self.act(&id, hangup());
            let bye = said.iter().find(|text| text.starts_with("BYE")).unwrap();
            self.hear(CALLER, &answer(bye, "200 OK", ""));
        }
        if end == 1 {
            let uri = line(&invite, "Contact").split(['<', '>']).nth(1).unwrap();
            let ours = line(&invite, "From").trim_end().split_once(": ").unwrap().1;
            let bye = format!(
                "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bKc{number};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:2@example.com>;tag=callee\r\nTo: {ours}\r\n{}CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
                line(&invite, "Call-ID")
            );
            let said = self.hear(CALLEE, &bye);
            assert!(said[0].starts_with("SIP/2.0 200"), "{}", said[0]);
        } else {
            let said = self.act(&other, hangup());
            let bye = said.iter().find(|text| text.starts_with("BYE")).unwrap();
            self.hear(CALLEE, &answer(bye, "200 OK", ""));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    fn status(&mut self, name: &str) -> u64 {
        let Ok(Reply::Status(status)) = self.endpoint.command(Command::Status, self.now) else { panic!() };
        status.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn soak(calls: u32) {
    let mut soak = Soak::new();
    let step = calls / 10;
    let mut before = 0;
    for number in 0..calls {
        soak.call(number);
        // What is over is kept for 32 s by its transactions, and by its call for a little longer.
        if number % 100 == 99 {
            soak.pass(Duration::from_secs(10));
        }
        if (number + 1) % step == 0 {
            let resident = resident::bytes();
            println!("{:>7} calls: {} KiB", number + 1, resident >> 10);
            // Tables grow to their size in the first tenths.
            if number + 1 == 2 * step {
                before = resident;
            }
        }
    }
    let after = resident::bytes();
    assert!(after <= before + before / 20 + (1 << 20), "{before} bytes before, {after} after");
    assert!(soak.events >= u64::from(calls) * 4, "{} events", soak.events);
    for _ in 0..20 {
        soak.pass(Duration::from_secs(10));
    }
    for name in ["calls", "transactions", "transactionbytes"] {
        assert_eq!(soak.status(name), 0, "{name}");
    }
    let Ok(Reply::DialogCount { count, counter }) = soak.endpoint.command(Command::DialogGet { callid: None }, soak.now) else { panic!() };
    assert_eq!((count, counter), (0, u64::from(calls) * 2));
}

#[test]
fn calls_leave_nothing_behind() {
    soak(400);
}

#[test]
#[ignore = "half a minute in release; see the head of the file"]
fn two_hundred_thousand_calls_leave_nothing_behind() {
    soak(200_000);
}
