//! Calls to us, datagram by datagram, and the far end of all tests.

use super::*;
use crate::api::{Action, EventKind, Originate, Party, Snapshot};
use crate::message::{Request, StatusCode, Writer};
use crate::sdp::Sdp;

pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub(super) fn sdp() -> Sdp {
    Sdp::parse(SDP).unwrap()
}

/// The phone's side of one dialog that it called with.
pub(in crate::endpoint) struct Caller {
    call_id: String,
    pub to: String,
    pub cseq: u32,
    pub branch: u32,
}

impl Caller {
    pub fn new(call_id: &str) -> Self {
        Self { call_id: call_id.into(), to: "<sip:1001@example.com>".into(), cseq: 0, branch: 0 }
    }

    pub fn write(&self, method: &str, uri: &str, cseq: u32, branch: &str, lines: &str, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK{}{branch};rport\r\nMax-Forwards: 70\r\n\
             From: \"Bob\" <sip:1000@example.com>;tag=f1\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:1000@10.0.0.7:5060>\r\nUser-Agent: Z 5.2\r\n{lines}{kind}Content-Length: {}\r\n\r\n{body}",
            self.call_id,
            self.to,
            self.call_id,
            body.len()
        )
    }

    pub fn next(&mut self, method: &str, uri: &str, lines: &str, body: &str) -> String {
        self.cseq += 1;
        self.branch += 1;
        self.write(method, uri, self.cseq, &self.branch.to_string(), lines, body)
    }
}

/// The answer of a phone to one of our requests.
pub(super) fn answer(request: &str, status: StatusCode, lines: &[(&str, &str)], body: &str) -> String {
    let Ok(Message::Request(request)) = parse(request.as_bytes()) else { panic!("{request}") };
    let mut out = Vec::new();
    let mut writer = Writer::response(&mut out, status, status.phrase()).answer(request.headers(), None, Some("phone"));
    for (name, value) in lines {
        writer = writer.extension(name, value);
    }
    if body.is_empty() { writer.end() } else { writer.body("application/sdp", body.as_bytes()) }.unwrap();
    String::from_utf8(out).unwrap()
}

pub(super) const AT_PHONE: (&str, &str) = ("Contact", "<sip:1001@10.0.0.8:5060>");

pub(super) fn as_request(text: &str) -> Request<'_> {
    match parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

impl Bench {
    pub fn act(&mut self, callid: &str, action: Action) -> Result<Reply, CommandError> {
        let result = self.endpoint.command(Command::Act { callid: callid.into(), action: Box::new(action) }, self.now);
        self.drain();
        result
    }

    pub fn hangup(&mut self, callid: &str) {
        self.act(callid, Action::Hangup { reason: None, code: None, headers: vec![] }).unwrap();
    }

    /// Snapshots of calls since the last look.
    pub fn snapshots(&mut self) -> Vec<Snapshot> {
        let is_call = |event: &Event| matches!(event, Event::Dialog { .. });
        self.events
            .extract_if(.., |event| is_call(event))
            .map(|event| match event {
                Event::Dialog { snapshot, .. } => *snapshot,
                Event::Registration { .. } | Event::Message { .. } => unreachable!(),
            })
            .collect()
    }

    pub fn kinds(&mut self) -> Vec<EventKind> {
        self.snapshots().into_iter().map(|snapshot| snapshot.event).collect()
    }

    pub fn texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, text)| text).collect()
    }

    /// What was sent since the last look, each message once and without pings.
    pub fn fresh(&mut self) -> Vec<String> {
        let mut texts = self.texts();
        texts.retain(|text| !text.starts_with("OPTIONS "));
        texts.dedup();
        texts
    }

    /// The only one of these.
    pub fn only_fresh(&mut self) -> String {
        let mut texts = self.fresh();
        assert_eq!(texts.len(), 1, "{texts:#?}");
        texts.remove(0)
    }

    /// The only thing sent since the last look.
    pub fn only(&mut self) -> String {
        let mut texts = self.texts();
        assert_eq!(texts.len(), 1, "{texts:#?}");
        texts.remove(0)
    }

    /// A call of 1000 to 1001 up to its `new` event.
    pub fn call_in(&mut self, call_id: &str, body: &str) -> Caller {
        self.call_in_with(call_id, "", body)
    }

    /// The same with further header lines.
    pub fn call_in_with(&mut self, call_id: &str, lines: &str, body: &str) -> Caller {
        let mut caller = Caller::new(call_id);
        let challenge = self.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", lines, body));
        assert_eq!(status(&challenge), 401);
        let proof = self.authorization(&challenge, "1000", "1234", "INVITE");
        let trying = self.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", &format!("{lines}{proof}"), body));
        assert_eq!(status(&trying), 100);
        caller
    }

    /// The same call answered and acknowledged.
    pub fn talk_in(&mut self, call_id: &str) -> Caller {
        self.talk_in_with(call_id, "").0
    }

    /// The same with further header lines; gives the 200 too.
    pub fn talk_in_with(&mut self, call_id: &str, lines: &str) -> (Caller, String) {
        let mut caller = self.call_in_with(call_id, lines, SDP);
        self.act(call_id, Action::Answer { sdp: Some(sdp()) }).unwrap();
        let ok = self.only();
        caller.to = response(&ok).to().to_string();
        caller.branch += 1;
        let ack = caller.write("ACK", "sip:1001@192.0.2.100:5060", caller.cseq, "ack", "", "");
        self.receive(PHONE, &ack);
        assert_eq!(self.kinds(), [EventKind::New, EventKind::Answered]);
        (caller, ok)
    }

    /// Registers 1001 so that it can be called.
    pub fn enrol_1001(&mut self) {
        self.enrol_1001_at(PHONE, "sip:1001@10.0.0.8:5060?Route=%3Csip:evil%3E");
    }

    /// Registers a contact of 1001.
    pub fn enrol_1001_at(&mut self, from: &str, contact: &str) {
        let lines = format!("Contact: <{contact}>\r\n");
        let id = format!("reg-{}", from.replace(['.', ':'], "-"));
        let text = |branch: &str, cseq, lines: &str| {
            request("REGISTER", "sip:example.com", &format!("{id}{branch}"), cseq, lines)
                .replace("To: <sip:1000@", "To: <sip:1001@")
                .replace("call-1", &id)
        };
        let challenge = self.ask(from, &text("r1", 1, &lines));
        let proof = self.authorization(&challenge, "1001", "1234", "REGISTER");
        assert_eq!(status(&self.ask(from, &text("r2", 2, &format!("{lines}{proof}")))), 200);
        self.events.clear();
    }

    /// A call of ours to 1001; gives its Call-ID and its INVITE.
    pub fn call_out(&mut self, wish: Originate) -> (String, String) {
        let Ok(Reply::Originated(callid)) = self.endpoint.command(Command::Originate(Box::new(wish)), self.now) else { panic!() };
        self.drain();
        (callid, self.only())
    }
}

pub(super) fn wish() -> Originate {
    Originate {
        from: Party { user: "1000".into(), ..Party::default() },
        to: Party { user: "1001".into(), ..Party::default() },
        domain: Some("example.com".into()),
        callerid: None,
        maxforwards: 69,
        control: None,
        sdp: Some(sdp()),
        headers: vec![],
        autoanswer: false,
        idempotency: None,
        follow: false,
        trunks: Vec::new(),
    }
}

#[test]
fn a_call_comes_in_rings_is_answered_and_hung_up() {
    let mut bench = Bench::new();
    let mut caller = bench.call_in("c1", SDP);
    let new = bench.snapshots().remove(0);
    assert_eq!((new.seq, new.event, new.authenticated, new.originator), (1, EventKind::New, true, false));
    assert_eq!((new.to.as_deref(), new.from.as_deref(), new.domain.as_str()), (Some("1001"), Some("1000"), "example.com"));
    assert_eq!((new.contact.as_deref(), new.callerid.name.as_str()), (Some("<sip:1000@10.0.0.7:5060>"), "Bob"));
    assert_eq!((new.sdp_them, new.epochs.start, new.uuid.len()), (Some(sdp().into()), 1_700_000_000_000, 36));

    bench.act("c1", Action::Ring { alertinfo: Some("<http://x/bell>".into()), sdp: None }).unwrap();
    let ringing = bench.only();
    assert_eq!(status(&ringing), 180);
    assert!(ringing.contains("Alert-Info: <http://x/bell>") && ringing.contains("Contact: <sip:1001@192.0.2.100:5060>"), "{ringing}");
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    let ok = bench.only();
    assert_eq!((status(&ok), response(&ok).to().tag), (200, response(&ringing).to().tag));
    assert!(ok.ends_with(SDP.trim_end_matches("\r\n").rsplit("\r\n").next().unwrap()) || ok.contains("m=audio 4000"));

    // Nobody acknowledges for a second: the 200 goes again (RFC 3261 §13.3.1.4).
    bench.run(Duration::from_millis(600));
    assert_eq!(bench.only(), ok);
    caller.to = response(&ok).to().to_string();
    let ack = caller.write("ACK", "sip:1001@192.0.2.100:5060", 2, "ack", "", "");
    bench.receive(PHONE, &ack);
    bench.receive(PHONE, &ack);
    let answered = bench.snapshots();
    assert_eq!(answered.len(), 1, "an ACK that comes twice is told once");
    assert!(answered[0].answered && answered[0].seq == 2 && answered[0].ring);

    let bye = caller.next("BYE", "sip:1001@192.0.2.100:5060", "", "");
    assert_eq!(status(&bench.ask(PHONE, &bye)), 200);
    let end = bench.snapshots().remove(0);
    assert_eq!((end.seq, end.event, end.hangup, end.error.0), (3, EventKind::Hangup, true, 0));
    assert_eq!(status(&bench.ask(PHONE, &bye)), 200, "a copy gets the same answer");
    assert!(bench.endpoint.is_idle());
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.layer.is_empty() && bench.deadline.is_none());
}

#[test]
fn control_hangs_up_with_bye_and_with_the_words_of_the_contract() {
    let mut bench = Bench::new();
    bench.talk_in("c1");
    bench.hangup("c1");
    let bye = bench.only();
    assert!(bye.starts_with("BYE sip:1000@10.0.0.7:5060 SIP/2.0\r\n"), "{bye}");
    assert_eq!(bench.kinds(), [EventKind::Hangup], "at once, not when the BYE is answered");
    bench.receive(PHONE, &answer(&bye, StatusCode::OK, &[], ""));
    assert!(bench.endpoint.is_idle() && bench.kinds().is_empty());
    for (reason, code, expected) in [
        (Some("busy"), None, 486),
        (Some("notfound"), None, 404),
        (None, None, 480),
        (Some("x"), Some(488), 488),
        (Some("Gone home"), None, 480),
    ] {
        let id = format!("c-{expected}-{reason:?}").replace(['"', '(', ')', ' '], "");
        let caller = bench.call_in(&id, SDP);
        bench.act(&id, Action::Hangup { reason: reason.map(str::to_owned), code, headers: vec![] }).unwrap();
        let failure = bench.only();
        assert_eq!(status(&failure), expected);
        assert_eq!(bench.kinds(), [EventKind::New, EventKind::Hangup]);
        let ack = caller.write("ACK", "sip:1001@example.com", caller.cseq, &caller.branch.to_string(), "", "");
        bench.receive(PHONE, &ack);
        bench.run(Duration::from_secs(6));
        assert!(bench.texts().is_empty());
    }
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_caller_who_cancels_gets_487() {
    let mut bench = Bench::new();
    let caller = bench.call_in("c1", SDP);
    let cancel = caller.write("CANCEL", "sip:1001@example.com", caller.cseq, &caller.branch.to_string(), "", "");
    bench.receive(PHONE, &cancel);
    let answers: Vec<u16> = bench.texts().iter().map(|text| status(text)).collect();
    assert_eq!(answers, [200, 487]);
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 487));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_call_that_nobody_decides_about_ends_with_480() {
    let mut bench = Bench::new();
    bench.call_in("c1", SDP);
    bench.run(Duration::from_secs(179));
    assert_eq!(bench.kinds(), [EventKind::New]);
    bench.run(Duration::from_secs(2));
    assert_eq!(status(&bench.texts()[0]), 480);
    assert_eq!(bench.snapshots()[0].error.0, 480);
    bench.call_in("c2", SDP);
    bench.endpoint.handle_control_failed("c2", bench.now);
    bench.drain();
    assert_eq!(status(&bench.only()), 503);
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_control_server_that_is_behind_gets_few_new_calls_and_keeps_those_it_has() {
    const CONTROL: &str = "http://127.0.0.1:9001";
    let mut bench = Bench::new();
    bench.call_in("c1", SDP);
    let is_news = |bench: &mut Bench, control| bench.endpoint.handle_control_behind(control, Duration::from_secs(4), bench.now);
    for n in 0..20 {
        assert_eq!(is_news(&mut bench, "http://127.0.0.1:1"), n == 0);
    }
    bench.call_in("c2", SDP);
    assert_eq!(bench.kinds(), [EventKind::New, EventKind::New], "another control server is behind");
    for n in 0..20 {
        assert_eq!(is_news(&mut bench, CONTROL), n == 0);
    }
    let ask = |bench: &mut Bench, callid: String| {
        let mut caller = Caller::new(&callid);
        let challenge = bench.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", "", SDP));
        let proof = bench.authorization(&challenge, "1000", "1234", "INVITE");
        let answer = bench.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", &proof, SDP));
        assert!(status(&answer) == 100 || answer.contains("Retry-After: "), "{answer}");
        status(&answer) == 503
    };
    let refused = (0..100).filter(|n| ask(&mut bench, format!("full-{n}"))).count();
    assert!((95..=100).contains(&refused), "all but one of a hundred: {refused}");
    assert_eq!(bench.kinds().len(), 100 - refused, "nothing more to tell it");
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    assert_eq!(status(&bench.texts().pop().unwrap()), 200);
    bench.now += Duration::from_secs(5);
    let refused = (0..100).filter(|n| ask(&mut bench, format!("half-{n}"))).count();
    assert!((30..70).contains(&refused), "half of them after five seconds: {refused}");
    bench.now += Duration::from_secs(5);
    let refused = (0..20).filter(|n| ask(&mut bench, format!("well-{n}"))).count();
    assert_eq!(refused, 0, "after ten seconds all is well");
}

#[test]
fn a_200_without_ack_ends_in_bye() {
    let mut bench = Bench::new();
    bench.call_in("c1", SDP);
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    bench.sent.clear();
    bench.run(Duration::from_secs(33));
    let texts = bench.texts();
    assert_eq!(texts.iter().filter(|text| text.starts_with("SIP/2.0 200")).count(), 10, "T1 doubling to T2 for 64 × T1");
    assert!(texts.iter().any(|text| text.starts_with("BYE ")));
    assert_eq!(bench.snapshots().pop().unwrap().error.0, 408);
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn a_late_offer_comes_in_with_the_ack() {
    let mut bench = Bench::new();
    let mut caller = bench.call_in("c1", "");
    assert!(matches!(bench.act("c1", Action::Progress { sdp: sdp() }), Err(CommandError::Impossible(_))));
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    let ok = bench.only();
    caller.to = response(&ok).to().to_string();
    bench.snapshots();
    bench.receive(PHONE, &caller.write("ACK", "sip:1001@192.0.2.100:5060", 2, "ack", "", SDP));
    let answered = bench.snapshots().remove(0);
    assert_eq!((answered.event, answered.sdp_them), (EventKind::Answered, Some(sdp().into())));
}

#[test]
fn merged_and_looped_requests_get_482() {
    let mut bench = Bench::new();
    let mut caller = bench.call_in("c1", SDP);
    caller.branch += 10;
    let other = caller.write("INVITE", "sip:1001@example.com", 2, "other", "", SDP);
    assert_eq!(status(&bench.ask(PHONE, &other)), 482);
}
