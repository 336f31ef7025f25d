//! Event packages through the whole endpoint: SUBSCRIBE, NOTIFY, PUBLISH, mailboxes, busy lamps.

use super::*;
use crate::api::{Counts, Mailbox, Originate, Party};
use crate::auth::{Authentication, Policy};
use crate::message::{Method, Request, Writer};

const AT_PHONE: &str = "Contact: <sip:1000@192.0.2.7:5060>\r\n";
const PIDF: &str = "<?xml version=\"1.0\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1000@example.com\">\r\n\
                    <tuple id=\"a\"><status><basic>open</basic></status><note>away</note></tuple></presence>\r\n";

fn as_request(text: &str) -> Request<'_> {
    match parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

fn with_body(request: &str, kind: &str, body: &str) -> String {
    let head = request.strip_suffix("Content-Length: 0\r\n\r\n").unwrap();
    format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

impl Bench {
    /// Sends a request of 1000 with the proof it is asked for; gives all that came back.
    fn proven(&mut self, method: &str, uri: &str, lines: &str, body: Option<(&str, &str)>) -> Vec<String> {
        let cseq = u32::try_from(self.rng.next_u64() % 1000).unwrap() + 1;
        let make = |branch: &str, cseq: u32, lines: &str| {
            let call_id = format!("call-{branch}");
            let text = request(method, uri, branch, cseq, lines)
                .replace("call-1@phone", &call_id)
                .replace("To: <sip:1000@example.com>", &format!("To: <{uri}>"));
            body.map_or(text.clone(), |(kind, body)| with_body(&text, kind, body))
        };
        let branch = self.rng.next_u64().to_string();
        let challenge = self.ask(PHONE, &make(&branch, cseq, lines));
        assert_eq!(status(&challenge), 401, "{challenge}");
        let proof = self.authorization(&challenge, "1000", "1234", method);
        let branch = self.rng.next_u64().to_string();
        self.sent.clear();
        self.receive(PHONE, &make(&branch, cseq + 1, &format!("{lines}{proof}")));
        std::mem::take(&mut self.sent).into_iter().map(|(_, text)| text).collect()
    }

    /// Subscribes 1000 to this; gives the 200 and the first NOTIFY, which is answered.
    fn watch(&mut self, event: &str, user: &str, expires: u32) -> (String, String) {
        let lines = format!("{AT_PHONE}Event: {event}\r\nExpires: {expires}\r\n");
        let mut sent = self.proven("SUBSCRIBE", &format!("sip:{user}@example.com"), &lines, None);
        assert_eq!((sent.len(), status(&sent[0])), (2, 200), "{sent:#?}");
        self.take(&sent[1]);
        (sent.remove(0), sent.remove(0))
    }

    /// The phone answers a NOTIFY.
    fn take(&mut self, notify: &str) {
        self.answer_notify(notify, StatusCode::OK);
    }

    fn answer_notify(&mut self, notify: &str, status: StatusCode) {
        let notify = as_request(notify);
        assert_eq!(notify.method(), Method::Notify);
        let mut out = Vec::new();
        Writer::response(&mut out, status, status.phrase()).answer(notify.headers(), None, None).end().unwrap();
        self.receive(PHONE, std::str::from_utf8(&out).unwrap());
    }

    /// The NOTIFYs sent since, each answered.
    fn notified(&mut self) -> Vec<String> {
        self.drain();
        let mut all = Vec::new();
        loop {
            let sent: Vec<String> =
                std::mem::take(&mut self.sent).into_iter().map(|(_, text)| text).filter(|text| text.starts_with("NOTIFY ")).collect();
            if sent.is_empty() {
                return all;
            }
            for notify in &sent {
                self.take(notify);
            }
            all.extend(sent);
        }
    }

    fn set_mailbox(&mut self, new: u32) {
        let voice = Counts { new, old: 8, urgent_new: 0, urgent_old: 2 };
        let mailbox = Mailbox { waiting: new > 0, voice };
        let command = Command::MailboxSet { domain: "example.com".into(), user: "1000".into(), mailbox };
        self.endpoint.command(command, self.now).unwrap();
    }

    fn publish(&mut self, lines: &str, body: Option<&str>) -> String {
        let sent = self.proven(
            "PUBLISH",
            "sip:1000@example.com",
            &format!("Event: presence\r\n{lines}"),
            body.map(|body| ("application/pidf+xml", body)),
        );
        let mut answers: Vec<String> = sent.iter().filter(|text| text.starts_with("SIP/2.0")).cloned().collect();
        self.sent.extend(sent.into_iter().filter(|text| text.starts_with("NOTIFY")).map(|text| (PHONE.parse().unwrap(), text)));
        answers.remove(0)
    }
}

/// The second SUBSCRIBE of a dialog.
fn within(ok: &str, cseq: u32, lines: &str) -> String {
    let ok = response(ok);
    format!(
        "SUBSCRIBE sip:1001@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKw{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} SUBSCRIBE\r\n{AT_PHONE}{lines}Content-Length: 0\r\n\r\n",
        ok.from(),
        ok.to(),
        ok.call_id()
    )
}

fn state_of(notify: &str) -> String {
    header_values(notify, HeaderName::SubscriptionState).remove(0)
}

#[test]
fn a_mailbox_lights_the_lamp() {
    let mut bench = Bench::new();
    let (ok, first) = bench.watch("message-summary", "1000", 600);
    assert_eq!(header_values(&ok, HeaderName::Expires), ["600"]);
    assert!(first.ends_with("Messages-Waiting: no\r\n") && state_of(&first) == "active;expires=600", "{first}");
    assert!(
        first.starts_with("NOTIFY sip:1000@192.0.2.7:5060 SIP/2.0\r\n")
            && first.contains("Content-Type: application/simple-message-summary")
    );
    bench.set_mailbox(2);
    let told = bench.notified();
    assert!(
        told[0].ends_with("Messages-Waiting: yes\r\nMessage-Account: sip:1000@example.com\r\nVoice-Message: 2/8 (0/2)\r\n"),
        "{told:#?}"
    );
    bench.set_mailbox(2);
    assert!(bench.notified().is_empty(), "nothing has changed");
    let get = Command::MailboxGet { domain: "example.com".into(), user: "1000".into() };
    assert!(matches!(bench.endpoint.command(get, bench.now), Ok(Reply::Mailbox(Mailbox { waiting: true, .. }))));
}

#[test]
fn what_changes_while_a_notify_is_under_way_is_told_once_after_it() {
    let mut bench = Bench::new();
    bench.watch("message-summary", "1000", 600);
    bench.set_mailbox(1);
    bench.drain();
    let (_, first) = bench.sent.remove(0);
    for new in 2..6 {
        bench.set_mailbox(new);
    }
    bench.drain();
    assert!(bench.sent.is_empty());
    bench.take(&first);
    let told = bench.notified();
    assert!(told.len() == 1 && told[0].contains("Voice-Message: 5/8"), "{told:#?}");
}

#[test]
fn a_subscription_is_refreshed_ends_by_itself_and_on_request() {
    let mut bench = Bench::new();
    let (ok, _) = bench.watch("dialog;id=7", "1001", 600);
    bench.now += Duration::from_secs(300);
    bench.receive(PHONE, &within(&ok, 2000, "Event: dialog;id=7\r\nExpires: 900\r\n"));
    let answer = bench.sent.remove(0).1;
    assert_eq!((status(&answer), header_values(&answer, HeaderName::Expires)), (200, vec!["900".to_owned()]));
    let told = bench.notified();
    assert!(state_of(&told[0]) == "active;expires=900" && header_values(&told[0], HeaderName::Event) == ["dialog;id=7"], "{told:#?}");
    bench.run(Duration::from_secs(901));
    let told = bench.notified();
    assert_eq!(state_of(&told[0]), "terminated;reason=timeout");
    assert!(bench.endpoint.watchers.is_empty());
    let answer = bench.ask(PHONE, &within(&ok, 2001, "Event: dialog;id=7\r\n"));
    assert_eq!(status(&answer), 481);

    let (ok, _) = bench.watch("dialog", "1001", 600);
    bench.receive(PHONE, &within(&ok, 2002, "Event: dialog\r\nExpires: 0\r\n"));
    assert_eq!(status(&bench.sent.remove(0).1), 200);
    assert_eq!(state_of(&bench.notified()[0]), "terminated;reason=timeout");
    let (_, fetched) = bench.watch("dialog", "1001", 0);
    assert_eq!(state_of(&fetched), "terminated;reason=timeout", "RFC 6665 §4.4.3: one look and no more");
    assert!(bench.endpoint.watchers.is_empty());
}

#[test]
fn a_watcher_that_is_gone_is_forgotten() {
    let mut bench = Bench::new();
    bench.watch("message-summary", "1000", 600);
    bench.set_mailbox(1);
    bench.drain();
    let notify = bench.sent.remove(0).1;
    bench.answer_notify(&notify, StatusCode::CALL_DOES_NOT_EXIST);
    assert!(bench.endpoint.watchers.is_empty(), "481");
    bench.watch("message-summary", "1000", 600);
    bench.set_mailbox(2);
    bench.run(Duration::from_secs(33));
    assert!(bench.endpoint.watchers.is_empty(), "silence for 64 × T1");
    bench.watch("message-summary", "1000", 600);
    bench.watch("message-summary", "1000", 600);
    assert_eq!(bench.endpoint.watchers.stats().subscriptions, 1, "a phone that was restarted replaces its own");
}

#[test]
fn refusals_of_subscribe_are_those_of_the_rfc() {
    let mut bench = Bench::new();
    for (uri, lines, expected) in [
        ("sip:1001@example.com", "Event: dialog\r\nExpires: 10\r\n", 423),
        ("sip:1009@example.com", "Event: dialog\r\n", 404),
        ("sip:1001@example.com", "Event: message-summary\r\n", 403),
        ("sip:1001@example.com", "Event: reg\r\n", 403),
    ] {
        let sent = bench.proven("SUBSCRIBE", uri, &format!("{AT_PHONE}{lines}"), None);
        assert_eq!((sent.len(), status(&sent[0])), (1, expected), "{uri} {lines}");
        assert_eq!(header_values(&sent[0], HeaderName::MinExpires).len(), usize::from(expected == 423));
    }
    for (lines, expected, name) in [
        ("Event: conference\r\n", 489, HeaderName::AllowEvents),
        ("Event: Dialog\r\n", 489, HeaderName::AllowEvents),
        ("Event: dialog\r\nAccept: text/plain\r\n", 406, HeaderName::Accept),
    ] {
        let answer = bench.ask(PHONE, &request("SUBSCRIBE", "sip:1001@example.com", &format!("r{expected}{}", lines.len()), 1, lines));
        assert_eq!((status(&answer), header_values(&answer, name).len()), (expected, 1), "{lines}");
    }
    assert!(bench.endpoint.watchers.is_empty());
}

#[test]
fn presence_is_published_replaced_refreshed_and_removed() {
    let mut bench = Bench::new();
    let (_, first) = bench.watch("presence", "1000", 600);
    assert!(first.contains("<basic>closed</basic>"), "not registered: {first}");
    let ok = bench.publish("Expires: 300\r\n", Some(PIDF));
    assert_eq!((status(&ok), header_values(&ok, HeaderName::Expires)), (200, vec!["300".to_owned()]));
    let tag = header_values(&ok, HeaderName::SipEtag).remove(0);
    assert!(bench.notified()[0].ends_with(PIDF));
    let refreshed = bench.publish(&format!("SIP-If-Match: {tag}\r\n"), None);
    let second = header_values(&refreshed, HeaderName::SipEtag).remove(0);
    assert!(second != tag && bench.notified().is_empty());
    assert_eq!(status(&bench.publish(&format!("SIP-If-Match: {tag}\r\n"), None)), 412);
    let busy = PIDF.replace("away", "busy");
    let replaced = bench.publish(&format!("SIP-If-Match: {second}\r\n"), Some(&busy));
    assert!(bench.notified()[0].contains("busy"));
    let third = header_values(&replaced, HeaderName::SipEtag).remove(0);
    assert_eq!(status(&bench.publish(&format!("SIP-If-Match: {third}\r\nExpires: 0\r\n"), None)), 200);
    assert!(bench.notified()[0].contains("<basic>closed</basic>"));
    assert!(bench.endpoint.publications.is_empty());
    bench.publish("Expires: 100\r\n", Some(PIDF));
    bench.notified();
    bench.run(Duration::from_secs(101));
    assert!(bench.notified()[0].contains("<basic>closed</basic>"), "it expired");
    for (lines, body, expected) in
        [("", None, 400), ("Expires: 5\r\n", Some(PIDF), 423), ("SIP-If-Match: x\r\n", Some(PIDF), 412), ("", Some("no document"), 415)]
    {
        assert_eq!(status(&bench.publish(lines, body)), expected, "{lines}");
    }
    let long = PIDF.replace("away", &"x".repeat(5000));
    assert_eq!(status(&bench.publish("", Some(&long))), 413);
    let other = bench.proven("PUBLISH", "sip:1001@example.com", "Event: presence\r\n", Some(("application/pidf+xml", PIDF)));
    assert_eq!(status(&other[0]), 403, "nobody speaks for another");
    let calls = bench.ask(PHONE, &request("PUBLISH", "sip:1000@example.com", "d", 1, "Event: dialog\r\n"));
    assert_eq!(status(&calls), 489);
}

#[test]
fn a_busy_lamp_follows_a_call() {
    let mut bench = Bench::new();
    let all = format!("{AT_PHONE}Expires: 600\r\n");
    let challenge = bench.ask(PHONE, &request("REGISTER", "sip:example.com", "ra", 1, &all));
    let proof = bench.authorization(&challenge, "1000", "1234", "REGISTER");
    assert_eq!(status(&bench.ask(PHONE, &request("REGISTER", "sip:example.com", "rb", 2, &format!("{all}{proof}")))), 200);
    let (_, idle) = bench.watch("dialog", "1000", 600);
    assert!(idle.contains("version=\"0\" state=\"full\" entity=\"sip:1000@example.com\"") && !idle.contains("<dialog id"), "{idle}");
    bench.sent.clear();
    let originate = Originate {
        from: Party { user: "1001".into(), ..Party::default() },
        to: Party { user: "1000".into(), ..Party::default() },
        domain: Some("example.com".into()),
        callerid: None,
        maxforwards: 70,
        control: None,
        sdp: None,
        headers: vec![],
        autoanswer: false,
        follow: false,
        trunks: Vec::new(),
        idempotency: None,
    };
    bench.endpoint.command(Command::Originate(Box::new(originate)), bench.now).unwrap();
    bench.drain();
    let invite = bench.sent.iter().find(|(_, text)| text.starts_with("INVITE ")).unwrap().1.clone();
    let mut told = bench.notified();
    for status in [StatusCode::RINGING, StatusCode::BUSY_HERE] {
        let request = as_request(&invite);
        let mut out = Vec::new();
        Writer::response(&mut out, status, status.phrase()).answer(request.headers(), None, Some("t")).end().unwrap();
        bench.receive(PHONE, std::str::from_utf8(&out).unwrap());
        told.extend(bench.notified());
    }
    let states: Vec<&str> = told.iter().map(|text| text.split("<state>").nth(1).unwrap().split('<').next().unwrap()).collect();
    assert_eq!(states, ["proceeding", "early", "terminated"]);
    for (version, text) in told.iter().enumerate() {
        assert!(text.contains(&format!("version=\"{}\"", version + 1)) && text.contains("direction=\"recipient\""), "{text}");
        assert!(text.contains("<remote><identity>sip:1001@example.com</identity>"), "{text}");
    }
}

#[test]
fn contacts_are_shown_to_their_own_user() {
    let mut bench = Bench::new();
    let (_, none) = bench.watch("reg", "1000", 600);
    assert!(none.contains("<registration aor=\"sip:1000@example.com\" id=\"r\" state=\"terminated\">"), "{none}");
    for (expires, shown) in [(600, true), (600, true), (0, false)] {
        let lines = format!("Contact: <sip:1000@10.0.0.7:5060;x=\"a\">;q=0.5\r\nExpires: {expires}\r\n").replace("x=\"a\"", "x=a");
        let sent = bench.proven("REGISTER", "sip:1000@example.com", &lines, None);
        assert_eq!(status(&sent[0]), 200, "{sent:#?}");
        bench.sent = sent.into_iter().skip(1).map(|text| (PHONE.parse().unwrap(), text)).collect();
        let told = bench.notified();
        if let Some(told) = told.first() {
            assert_eq!(told.contains("q=\"0.500\"><uri>sip:1000@10.0.0.7:5060;x=a</uri>"), shown, "{told}");
        }
        bench.now += Duration::from_secs(1);
    }
    assert_eq!(bench.endpoint.watchers.stats().notified, 3, "a refresh is no news");
}

#[test]
fn a_user_that_is_removed_has_no_watchers_left() {
    let mut bench = Bench::new();
    bench.watch("dialog", "1001", 600);
    let delete = Command::DirDelete { domain: "example.com".into(), user: Some("1001".into()) };
    bench.endpoint.command(delete, bench.now).unwrap();
    assert_eq!(state_of(&bench.notified()[0]), "terminated;reason=noresource");
    assert!(bench.endpoint.watchers.is_empty());
    bench.watch("presence", "1000", 600);
    bench.endpoint.shutdown(bench.now);
    assert_eq!(state_of(&bench.notified()[0]), "terminated;reason=deactivated");
}

#[test]
fn a_notify_above_1300_bytes_goes_over_tcp_but_to_a_phone() {
    let far = "192.0.2.50:5060";
    let tcp = ListenerId(2);
    for refused in [false, true] {
        let mut bench = Bench::new();
        bench.set_policy(Policy { authentication: Authentication::Trusted(vec!["192.0.2.50".parse().unwrap()]), ..Policy::default() });
        let long = PIDF.replace("away", &"x".repeat(1500));
        assert_eq!(status(&bench.publish("", Some(&long))), 200);
        let (_, notify) = bench.watch("presence", "1000", 600);
        assert!(notify.len() > 1300 && notify.contains("SIP/2.0/UDP") && bench.over == ListenerId(0), "{notify}");
        let lines = "Contact: <sip:1001@192.0.2.50>\r\nEvent: presence\r\nExpires: 600\r\n";
        let subscribe = request("SUBSCRIBE", "sip:1000@example.com", "far", 1, lines)
            .replace("call-1@phone", "far@gateway")
            .replace("From: <sip:1000@example.com>", "From: <sip:1001@example.com>")
            .replace("SIP/2.0/UDP 192.0.2.7:5060", "SIP/2.0/UDP 192.0.2.50:5060");
        bench.sent.clear();
        bench.receive(far, &subscribe);
        let (to, notify) = bench.sent.pop().unwrap();
        assert!(notify.starts_with("NOTIFY ") && notify.contains("Via: SIP/2.0/TCP ") && bench.over == tcp, "{notify}");
        assert_eq!(to, far.parse().unwrap());
        if refused {
            bench.endpoint.handle_transport_failed(tcp, far.parse().unwrap(), bench.now);
            bench.drain();
            let (to, again) = bench.sent.pop().unwrap();
            assert_eq!((again.replace("SIP/2.0/UDP", "SIP/2.0/TCP"), to, bench.over), (notify, far.parse().unwrap(), ListenerId(0)));
            bench.take(&again);
        } else {
            bench.take(&notify);
        }
        assert_eq!(bench.endpoint.watchers.stats().subscriptions, 2, "both live on");
        bench.run(Duration::from_secs(40));
        assert_eq!(bench.endpoint.watchers.stats().subscriptions, 2);
    }
}

#[test]
fn transactions_that_end_unanswered_are_counted() {
    let mut bench = Bench::new();
    bench.watch("presence", "1000", 600);
    assert_eq!(bench.endpoint.stats.timeouts, 0);
    assert_eq!(status(&bench.publish("", Some(PIDF))), 200);
    // Nobody answers the NOTIFY of it.
    bench.run(Duration::from_secs(40));
    assert_eq!((bench.endpoint.stats.timeouts, bench.endpoint.stats.transport_failures), (1, 0));
}
