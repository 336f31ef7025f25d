//! Any order of messages and actions: an authenticated caller and a called phone do what they like, control too. Nobody is
//! served worse for it, and in the end nothing is left.

use proptest::prelude::*;

use super::calls::{AT_PHONE, SDP, answer, sdp, wish};
use super::*;
use crate::api::Action;
use crate::message::{Method, StatusCode};

/// One step.
#[derive(Debug, Clone)]
enum Step {
    /// A request of the far end in the dialog: method, CSeq offset, with or without body, tags right or wrong.
    Request(&'static str, i8, bool, bool),
    /// The far end answers one of our requests, the n-th last, with this status.
    Answer(u8, u16, bool),
    /// Control acts.
    Act(Box<Action>),
    /// The last datagram to us comes again.
    Again,
    /// Time passes, milliseconds.
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let methods = prop::sample::select(
        &["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "PRACK", "INFO", "REFER", "NOTIFY", "OPTIONS", "MESSAGE"][..],
    );
    let statuses = prop::sample::select(&[100, 180, 183, 200, 200, 202, 302, 401, 407, 408, 422, 481, 486, 487, 491, 500, 503][..]);
    let described = prop_oneof![Just(None), Just(Some(sdp()))];
    let act = prop_oneof![
        described.clone().prop_map(|sdp| Action::Ring { alertinfo: None, sdp }),
        Just(Action::Progress { sdp: sdp() }),
        described.clone().prop_map(|sdp| Action::Answer { sdp }),
        described.clone().prop_map(|sdp| Action::Answer { sdp }),
        described.clone().prop_map(|sdp| Action::Ok { sdp }),
        Just(Action::Ack { sdp: sdp() }),
        described.clone().prop_map(|sdp| Action::Invite { sdp }),
        described.prop_map(|sdp| Action::Update { sdp }),
        Just(Action::Refer { to: "1002".into(), replaces: None }),
        (100..700_u16).prop_map(|status| Action::Notify { status }),
        Just(Action::Info { contenttype: "application/dtmf".into(), body: "5".into() }),
        Just(Action::Redirect { contacts: vec!["sip:a@b".into()] }),
        Just(Action::Hangup { reason: None, code: None, headers: vec![] }),
    ];
    let step = prop_oneof![
        4 => (methods, -1..3_i8, any::<bool>(), prop::bool::weighted(0.9)).prop_map(|(m, c, b, t)| Step::Request(m, c, b, t)),
        4 => (0..4_u8, statuses, any::<bool>()).prop_map(|(n, s, b)| Step::Answer(n, s, b)),
        4 => act.prop_map(|action| Step::Act(Box::new(action))),
        1 => Just(Step::Again),
        2 => (0..40_000_u32).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

struct Play {
    bench: Bench,
    callid: String,
    /// Tags of the far end and of us, and our side's From and To as the far end writes them.
    to: String,
    from: String,
    cseq: u32,
    branch: u32,
    last: String,
    /// RAck of the last reliable response of ours, RSeq of the last of theirs.
    rack: String,
    rseq: u32,
    /// Requests of ours.
    ours: Vec<String>,
}

impl Play {
    fn collect(&mut self) {
        for (_, text) in std::mem::take(&mut self.bench.sent) {
            match parse(text.as_bytes()) {
                Ok(Message::Request(_)) => self.ours.push(text),
                Ok(Message::Response(response)) => {
                    if let Some(rseq) = response.headers().header(HeaderName::RSeq) {
                        self.rack = format!("{rseq} {} INVITE", response.cseq().number);
                    }
                    // The dialog is named by the first answer with a tag.
                    if response.status().code() > 100 && response.call_id() == self.callid && !self.to.contains(";tag=") {
                        self.to = response.to().to_string();
                    }
                }
                // A 400 sends back what could not be read.
                Err(error) => assert!(text.starts_with("SIP/2.0 400"), "{error}: {text}"),
            }
        }
    }

    fn receive(&mut self, text: String) {
        self.bench.receive(PHONE, &text);
        self.last = text;
        self.collect();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Request(method, offset, body, tags) => {
                self.branch += 1;
                let cseq = if matches!(method, "ACK" | "CANCEL") { self.cseq } else { self.cseq.saturating_add_signed(offset.into()) };
                self.cseq = self.cseq.max(cseq);
                let body = if body { SDP } else { "" };
                let to = if tags { self.to.clone() } else { format!("{}x", self.to) };
                let (callid, from, branch) = (&self.callid, &self.from, self.branch);
                let text = format!(
                    "{method} sip:1001@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKp{branch};rport\r\n\
                     From: {from}\r\nTo: {to}\r\nCall-ID: {callid}\r\nCSeq: {cseq} {method}\r\nContact: <sip:1000@10.0.0.7:5060>\r\n\
                     RAck: {}\r\n\
                     Refer-To: <sip:1002@example.com>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                    self.rack,
                    body.len()
                );
                self.receive(text);
            }
            Step::Answer(back, status, body) => {
                let Some(request) = self.ours.iter().rev().nth(usize::from(back)).cloned() else { return };
                if super::calls::as_request(&request).method() == Method::Ack {
                    return;
                }
                let challenge = ("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
                self.rseq += u32::from(status < 200 && body);
                let rseq = self.rseq.to_string();
                let lines = [AT_PHONE, challenge, ("Min-SE", "100"), ("Require", "100rel"), ("RSeq", &rseq)];
                let lines = if status < 200 && body { &lines[..] } else { &lines[..3] };
                let text = answer(&request, StatusCode::new(status).unwrap(), lines, if body { SDP } else { "" });
                self.receive(text);
            }
            Step::Act(action) => {
                let command = Command::Act { callid: self.callid.clone(), action };
                match self.bench.endpoint.command(command, self.bench.now) {
                    Ok(_)
                    | Err(CommandError::WrongState(_) | CommandError::NotFound(_) | CommandError::Impossible(_) | CommandError::Bad(_)) => {
                    }
                    Err(other) => panic!("{other}"),
                }
                self.bench.drain();
                self.collect();
            }
            Step::Again => {
                let last = self.last.clone();
                self.receive(last);
            }
            Step::Wait(ms) => {
                self.bench.run(Duration::from_millis(ms.into()));
                self.collect();
            }
        }
    }

    /// The law of `call`: whatever happened, a time is set at which the call ends or goes on by itself.
    fn every_call_has_a_timer(&self) {
        let endpoint = &self.bench.endpoint;
        for call in endpoint.calls.keys().into_iter().filter_map(|key| endpoint.calls.get(key)) {
            assert!(call.deadline() <= call.ends_at && call.ends_at <= self.bench.now + Duration::from_secs(200));
        }
    }

    /// Everything has come to rest, and was told properly.
    fn end(mut self) {
        // Long enough for set-up, the longest call of this test, and the wire.
        self.bench.run(Duration::from_secs(600));
        self.collect();
        let shots = self.bench.snapshots();
        for (shot, seq) in shots.iter().zip(1..) {
            assert_eq!(shot.seq, seq);
            assert_eq!(shot.hangup, seq == shots.len() as u64, "the end is told once and last: {shots:#?}");
        }
        assert!(!shots.is_empty() && self.bench.endpoint.calls.is_empty());
        assert!(self.bench.endpoint.layer.is_empty(), "{} transactions are left", self.bench.endpoint.layer.len());
    }
}

fn bench() -> Bench {
    let mut bench = Bench::with(EndpointConfig {
        call_duration_max: Duration::from_secs(200),
        early_timeout: Duration::from_secs(190),
        session_expires: Duration::from_secs(90),
        ..config()
    });
    // Registrations would keep their own timers going.
    bench.events.clear();
    bench
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_a_call_to_us_ends_and_leaves_nothing(steps in steps(), late in any::<bool>(), rel in any::<bool>()) {
        let mut bench = bench();
        bench.call_in_with("c1", if rel { "Supported: 100rel, timer\r\n" } else { "" }, if late { "" } else { SDP });
        let (to, from) = ("<sip:1001@example.com>".to_owned(), "\"Bob\" <sip:1000@example.com>;tag=f1".to_owned());
        let mut play = Play { bench, callid: "c1".into(), to, from, cseq: 2, branch: 0, last: String::new(), rack: "1 1 INVITE".into(), rseq: 0, ours: vec![] };
        for step in steps {
            play.step(step);
            play.every_call_has_a_timer();
        }
        play.end();
    }

    #[test]
    fn any_course_of_a_call_of_ours_ends_and_leaves_nothing(steps in steps(), late in any::<bool>()) {
        let mut bench = bench();
        let party = |user: &str| crate::api::Party {
            user: user.into(),
            domain: Some("192.0.2.7".into()),
            authsecret: Some("pw".into()),
            authuser: None,
        };
        let control = Some(ControlUrl("http://c".into()));
        let sdp = (!late).then(sdp);
        let (callid, invite) = bench.call_out(crate::api::Originate { from: party("1000"), to: party("1001"), control, sdp, ..wish() });
        let our_tag = super::calls::as_request(&invite).from().to_string();
        let from = "<sip:1001@192.0.2.7>;tag=phone".to_owned();
        let mut play = Play { bench, callid, to: our_tag, from, cseq: 0, branch: 0, last: String::new(), rack: "1 1 INVITE".into(), rseq: 0, ours: vec![invite] };
        for step in steps {
            play.step(step);
            play.every_call_has_a_timer();
        }
        play.end();
    }
}
