//! Any sequence of what peers, control and time do to calls: every call ends, told in order, and nothing is left.
//!
//! ```text
//!   bytes, two an operation ─► INVITE  within a dialog  response  command  originate  time  repeat  damage
//! ```
//! Shape:  a plain function of bytes; `engine/sip/tests` includes this file, so that tests and fuzzer ask the same.
//! Units:  none; time is that of `sim`.
//! Errors: none; a panic is the finding.
//! Run:    `RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir engine/fuzz calls`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use sip::api::{Action, Authentication, Command, ControlUrl, Event, Originate, Party, Policy, Reply};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::sdp::Sdp;

/// All of an hour of calls at an operation a second.
const OPERATIONS_MAX: usize = 3600;
/// The longest call, so that those which nobody ends do.
const DURATION_MAX: Duration = Duration::from_secs(600);
const PEER: &str = "192.0.2.9:5060";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// A call as the peer and control know it.
#[derive(Default)]
struct Known {
    /// Our tag, from our last response.
    tag: String,
    cseq: u32,
    seq: u64,
    over: bool,
}

struct World {
    endpoint: Endpoint,
    clock: sim::Clock,
    calls: BTreeMap<String, Known>,
    /// Requests of ours, newest last, at most 16.
    requests: Vec<String>,
    last: Vec<u8>,
    made: u32,
}

/// Runs them all, then ends every call and lets the rest of time pass.
pub fn calls(bytes: &[u8]) {
    let mut world = World::new();
    for step in bytes.chunks_exact(2).take(OPERATIONS_MAX) {
        let &[operation, what] = step else { continue };
        world.operate(operation, what);
        world.drain();
    }
    world.end();
}

impl World {
    fn new() -> Self {
        let clock = sim::Clock::new();
        let config = EndpointConfig {
            listeners: vec![Listener { advertised: "192.0.2.1:5060".parse().expect("an address"), transport: Transport::Udp }],
            call_duration_max: DURATION_MAX,
            early_timeout: DURATION_MAX,
            calls_max: 64,
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, [5; 32], clock.now(), 1_700_000_000_000);
        let policy = Some(Policy { authentication: Authentication::None, ..Policy::default() });
        let control = Some(ControlUrl("http://c".into()));
        let directory = Command::DirReplace { domain: "example.com".into(), control, users: Vec::new(), policy };
        endpoint.command(directory, clock.now()).expect("a small directory");
        Self { endpoint, clock, calls: BTreeMap::new(), requests: Vec::new(), last: Vec::new(), made: 0 }
    }

    fn operate(&mut self, operation: u8, what: u8) {
        let pick = usize::from(what);
        let callid = self.calls.keys().nth(pick % self.calls.len().max(1)).cloned();
        match operation % 9 {
            0 => self.invite(what),
            1 => drop(callid.map(|callid| self.within(&callid, operation / 9, what))),
            2 | 3 => self.respond(operation / 9, what),
            4 => drop(callid.map(|callid| self.act(&callid, operation / 9, what))),
            5 => self.originate(what),
            6 => {
                let step = if what & 1 == 1 { Duration::from_millis(u64::from(what) * 10) } else { Duration::from_secs(u64::from(what)) };
                self.pass(step);
            }
            7 => self.hear(),
            _ => {
                let at = pick * self.last.len() / 256;
                if let Some(byte) = self.last.get_mut(at) {
                    *byte = byte.wrapping_add(operation / 9 + 1);
                }
                self.hear();
            }
        }
    }

    /// The peer says what it last said.
    fn hear(&mut self) {
        let from = PEER.parse().expect("an address");
        self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from, bytes: &self.last }, self.clock.now());
    }

    fn send(&mut self, text: String) {
        self.last = text.into_bytes();
        self.hear();
    }

    fn invite(&mut self, what: u8) {
        self.made += 1;
        let number = self.made;
        let mut lines = String::new();
        for (bit, line) in [
            (1, "Supported: 100rel, timer, replaces\r\n"),
            (2, "Session-Expires: 90;refresher=uac\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, REFER, NOTIFY\r\n"),
            (4, "Require: 100rel\r\n"),
            (8, "Session-Expires: 20\r\n"),
            (16, "Require: unheard-of\r\n"),
        ] {
            if what & bit != 0 && (bit < 4 || what & 64 != 0) {
                lines.push_str(line);
            }
        }
        if what & 32 != 0
            && let Some((callid, known)) = self.calls.iter().next()
        {
            let _ = write!(lines, "Replaces: {callid};to-tag={};from-tag=peer\r\n", known.tag);
        }
        let body = if what & 128 == 0 { SDP } else { "" };
        let text = request("INVITE", &format!("in-{number}"), 1, "", &format!("{lines}Contact: <sip:1@{PEER}>\r\n"), body);
        self.send(text);
    }

    fn within(&mut self, callid: &str, method: u8, what: u8) {
        let methods = ["ACK", "BYE", "CANCEL", "INVITE", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "OPTIONS"];
        let method = methods[usize::from(method) % methods.len()];
        let Some(known) = self.calls.get_mut(callid) else { return };
        if !matches!(method, "ACK" | "CANCEL") && what & 128 == 0 {
            known.cseq += 1;
        }
        let lines = match method {
            "PRACK" => format!("RAck: {} 1 INVITE\r\n", u32::from(what % 4) + 1),
            "REFER" => format!("Refer-To: <sip:2@example.com>\r\nContact: <sip:1@{PEER}>\r\n"),
            "NOTIFY" => "Event: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n".to_owned(),
            "INFO" => "Content-Type: application/dtmf-relay\r\n".to_owned(),
            "INVITE" | "UPDATE" => format!("Contact: <sip:1@{PEER}>\r\nSession-Expires: 90\r\n"),
            _ => String::new(),
        };
        let body = match method {
            "INVITE" | "UPDATE" | "ACK" | "PRACK" if what & 64 != 0 => SDP,
            "INFO" => "Signal=5\r\nDuration=100\r\n",
            "NOTIFY" => "SIP/2.0 200 OK\r\n",
            _ => "",
        };
        let cseq = if method == "ACK" { known.cseq } else { known.cseq.max(1) };
        let tag = if known.tag.is_empty() || method == "CANCEL" { String::new() } else { format!(";tag={}", known.tag) };
        let text = request(method, callid, cseq.max(1), &tag, &lines, body);
        self.send(text);
    }

    /// The answer to a request of ours.
    fn respond(&mut self, status: u8, what: u8) {
        const STATUSES: [&str; 12] = [
            "100 Trying",
            "180 Ringing",
            "183 Session Progress",
            "200 OK",
            "200 OK",
            "202 Accepted",
            "302 Moved Temporarily",
            "401 Unauthorized",
            "422 Session Interval Too Small",
            "481 Call/Transaction Does Not Exist",
            "486 Busy Here",
            "491 Request Pending",
        ];
        let status = STATUSES[usize::from(status) % STATUSES.len()];
        let Some(request) = self.requests.get(usize::from(what & 15) % self.requests.len().max(1)) else { return };
        let line = |name: &str| request.split("\r\n").find(|line| line.starts_with(name)).unwrap_or_default();
        let tag = if line("To: ").contains(";tag=") { String::new() } else { format!(";tag=peer{}", what >> 7) };
        let reliable = if what & 16 != 0 { format!("Require: 100rel\r\nRSeq: {}\r\n", (what >> 5) + 1) } else { String::new() };
        let extra = match status.get(..3) {
            Some("401") => "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
            Some("422") => "Min-SE: 120\r\n",
            Some("200") if what & 32 != 0 => "Session-Expires: 90;refresher=uas\r\nRequire: timer\r\n",
            _ => "",
        };
        let body = if what & 64 != 0 { SDP } else { "" };
        let text = format!(
            "SIP/2.0 {status}\r\n{}\r\n{}\r\n{}{tag}\r\n{}\r\n{}\r\nContact: <sip:2@{PEER}>\r\n{reliable}{extra}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            line("Via: "),
            line("From: "),
            line("To: "),
            line("Call-ID: "),
            line("CSeq: "),
            body.len()
        );
        self.send(text);
    }

    fn act(&mut self, callid: &str, action: u8, what: u8) {
        let sdp = || Sdp::parse(SDP).expect("a description");
        let some = (what & 64 != 0).then(sdp);
        let action = match action % 12 {
            0 => Action::Ring { alertinfo: None, sdp: some },
            1 => Action::Progress { sdp: sdp() },
            2 => Action::Answer { sdp: some },
            3 => Action::Answer { sdp: Some(sdp()) },
            4 => Action::Ok { sdp: some },
            5 => Action::Ack { sdp: sdp() },
            6 => Action::Invite { sdp: some },
            7 => Action::Update { sdp: some },
            8 => Action::Refer { to: "3".into(), replaces: None },
            9 => Action::Notify { status: if what & 64 == 0 { 180 } else { 200 } },
            10 => Action::Redirect { contacts: vec!["sip:4@example.org".into()] },
            _ => Action::Hangup { reason: None, code: (what & 64 != 0).then_some(486), headers: Vec::new() },
        };
        // Refused where it does not fit.
        drop(self.endpoint.command(Command::Act { callid: callid.into(), action: Box::new(action) }, self.clock.now()));
    }

    fn originate(&mut self, what: u8) {
        let party = |user: &str, domain: &str| Party { user: user.into(), domain: Some(domain.into()), ..Party::default() };
        let originate = Originate {
            from: Party { authsecret: (what & 2 != 0).then(|| "pw".into()), ..party("1", "example.com") },
            to: party("2", PEER),
            domain: Some("example.com".into()),
            callerid: None,
            maxforwards: 70,
            control: None,
            sdp: (what & 64 != 0).then(|| Sdp::parse(SDP).expect("a description")),
            headers: Vec::new(),
            autoanswer: what & 4 != 0,
            idempotency: (what & 8 != 0).then(|| "once".into()),
            trunks: Vec::new(),
            follow: what & 16 != 0,
        };
        drop(self.endpoint.command(Command::Originate(Box::new(originate)), self.clock.now()));
    }

    fn pass(&mut self, time: Duration) {
        let now = self.clock.advance(time);
        self.endpoint.handle_timeout(now);
    }

    /// Takes what the endpoint says, and checks the order in which it tells.
    fn drain(&mut self) -> Option<std::time::Instant> {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { bytes, .. } => self.take(&bytes),
                Output::Event(Event::Dialog { snapshot, .. }) => {
                    let known = self.calls.entry(snapshot.callid.clone()).or_default();
                    // The same INVITE after its transaction is forgotten is a new call.
                    if known.over && snapshot.seq == 1 {
                        *known = Known::default();
                    }
                    assert!(!known.over, "an event after the end: {snapshot:?}");
                    assert_eq!(snapshot.seq, known.seq + 1, "a gap before {snapshot:?}");
                    (known.seq, known.over) = (snapshot.seq, snapshot.hangup);
                    known.cseq = known.cseq.max(1);
                }
                Output::Event(_) | Output::Resolve { .. } => {}
                Output::Wait(at) => return at,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        // A refusal gives back what it refuses.
        let refusal = text.starts_with("SIP/2.0 4") || text.starts_with("SIP/2.0 5");
        assert!(refusal || sip::message::parse(bytes).is_ok(), "unreadable: {text}");
        let line = |name: &str| text.split("\r\n").find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let response = text.starts_with("SIP/2.0");
        let tag = line(if response { "To: " } else { "From: " }).split(";tag=").nth(1).unwrap_or_default();
        if let Some(known) = self.calls.get_mut(line("Call-ID: "))
            && !tag.is_empty()
        {
            tag.clone_into(&mut known.tag);
        }
        if !response && !text.starts_with("ACK") {
            if self.requests.len() == 16 {
                self.requests.remove(0);
            }
            self.requests.push(text.into_owned());
        }
    }

    /// Nobody says anything more.
    fn end(&mut self) {
        let mut wakes = 0;
        while let Some(at) = self.drain() {
            wakes += 1;
            assert!(wakes < 100_000, "timers without end");
            let now = self.clock.advance_to(at);
            self.endpoint.handle_timeout(now);
            if self.endpoint.is_idle() && self.gauge("transactions") == 0 {
                break;
            }
        }
        for name in ["calls", "transactions", "transactionbytes"] {
            assert_eq!(self.gauge(name), 0, "{name}");
        }
        assert!(self.calls.values().all(|known| known.over), "a call of whose end nobody was told");
    }

    fn gauge(&mut self, name: &str) -> u64 {
        let Ok(Reply::Status(status)) = self.endpoint.command(Command::Status, self.clock.now()) else { panic!("no status") };
        status.into_iter().find(|(known, _)| *known == name).expect("a gauge").1
    }
}

fn request(method: &str, callid: &str, cseq: u32, tag: &str, lines: &str, body: &str) -> String {
    // ACK to a refusal and CANCEL have the branch of their INVITE (RFC 3261 §9.1, §17.1.1.3).
    let branch = if matches!(method, "ACK" | "CANCEL") { "INVITE" } else { method };
    format!(
        "{method} sip:2@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bK{branch}{callid}{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:1@example.com>;tag=peer\r\nTo: <sip:2@example.com>{tag}\r\nCall-ID: {callid}\r\nCSeq: {cseq} {method}\r\n\
         {lines}{}Content-Length: {}\r\n\r\n{body}",
        if body == SDP { "Content-Type: application/sdp\r\n" } else { "" },
        body.len()
    )
}
