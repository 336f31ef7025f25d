//! Offers that meet, and session timers: both in both roles.

use super::calls::{AT_PHONE, SDP, answer, sdp, wish};
use super::*;
use crate::api::{Action, EventKind};
use crate::message::StatusCode;

const AT_US: &str = "sip:1001@192.0.2.100:5060";

/// A call of ours that 1001 answered with these header lines; gives its Call-ID and the tag that is ours.
fn talk_out(lines: &[(&str, &str)]) -> (Bench, String, String) {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(wish());
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[&[AT_PHONE], lines].concat(), SDP));
    assert!(bench.only_fresh().starts_with("ACK "));
    bench.snapshots();
    (bench, callid, invite)
}

/// A request of the phone that we called.
fn from_called(invite: &str, method: &str, cseq: u32, lines: &str, body: &str) -> String {
    let request = super::calls::as_request(invite);
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {AT_US} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKcalled{method}{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: {};tag=phone\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:1001@10.0.0.8:5060>\r\n\
         {lines}{kind}Content-Length: {}\r\n\r\n{body}",
        request.to(),
        request.from(),
        request.call_id(),
        body.len()
    )
}

#[test]
fn an_offer_that_meets_ours_gets_491_and_one_too_many_500_with_a_random_time() {
    let (mut bench, callid, invite) = talk_out(&[]);
    bench.act(&callid, Action::Invite { sdp: Some(sdp()) }).unwrap();
    bench.sent.clear();
    for method in ["INVITE", "UPDATE"] {
        let answered = bench.ask(PHONE, &from_called(&invite, method, if method == "INVITE" { 1 } else { 2 }, "", SDP));
        assert_eq!(status(&answered), 491, "{method}");
    }
    assert!(bench.kinds().is_empty(), "control has nothing to do with it");
    // Their second offer before we answered their first.
    let (mut bench, _, invite) = talk_out(&[]);
    bench.receive(PHONE, &from_called(&invite, "UPDATE", 1, "", SDP));
    assert_eq!(bench.kinds(), [EventKind::Reinvite]);
    let mut waits = vec![];
    for cseq in 2..40 {
        let refused = bench.ask(PHONE, &from_called(&invite, "UPDATE", cseq, "", SDP));
        assert_eq!(status(&refused), 500);
        waits.push(header_values(&refused, HeaderName::RetryAfter)[0].parse::<u32>().unwrap());
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 4 && *waits.last().unwrap() <= 10, "RFC 3261 §14.2: 0 to 10 s: {waits:?}");
}

#[test]
fn ours_go_again_after_491_and_after_500_with_a_short_retry_after_but_not_for_ever() {
    let (mut bench, callid, _) = talk_out(&[]);
    for action in [Action::Invite { sdp: Some(sdp()) }, Action::Update { sdp: Some(sdp()) }] {
        bench.act(&callid, action.clone()).unwrap();
        let mut sent = bench.only_fresh();
        for (try_, code) in [491, 500, 491, 500].into_iter().enumerate() {
            bench.receive(PHONE, &answer(&sent, StatusCode::new(code).unwrap(), &[("Retry-After", "3")], ""));
            bench.sent.clear();
            assert!(bench.kinds().is_empty());
            let start = bench.now;
            bench.run(Duration::from_millis(if code == 491 { 2090 } else { 2990 }));
            assert!(bench.fresh().is_empty(), "the owner of the Call-ID waits at least 2.1 s, try {try_}");
            bench.run(Duration::from_millis(2000));
            sent = bench.fresh().pop().unwrap();
            assert!(bench.now - start < Duration::from_millis(5100));
        }
        bench.receive(PHONE, &answer(&sent, StatusCode::REQUEST_PENDING, &[], ""));
        let told = bench.snapshots().pop().unwrap();
        assert_eq!((told.event, told.error.0, told.hangup), (EventKind::Answered, 491, false), "{action:?}");
        bench.sent.clear();
    }
}

#[test]
fn our_invite_asks_for_a_session_timer_and_answers_422() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (_, invite) = bench.call_out(wish());
    assert!(invite.contains("Session-Expires: 1800\r\n") && invite.contains("Supported: 100rel, timer, replaces\r\n"), "{invite}");
    bench.receive(PHONE, &answer(&invite, StatusCode::SESSION_INTERVAL_TOO_SMALL, &[("Min-SE", "3600")], ""));
    let again = bench.fresh().pop().unwrap();
    assert!(again.contains("Session-Expires: 3600\r\nMin-SE: 3600\r\n") && again.contains("CSeq: 2 INVITE"), "{again}");
    bench.receive(PHONE, &answer(&again, StatusCode::SESSION_INTERVAL_TOO_SMALL, &[("Min-SE", "3600")], ""));
    assert_eq!(bench.snapshots().pop().unwrap().error.0, 422, "the same again is no help");
}

#[test]
fn we_refresh_by_update_where_they_take_it_and_a_silent_far_end_ends_the_call() {
    let (mut bench, _, _) = talk_out(&[("Session-Expires", "200;refresher=uac"), ("Require", "timer"), ("Allow", "INVITE, UPDATE")]);
    bench.run(Duration::from_secs(99));
    assert!(bench.fresh().is_empty());
    bench.run(Duration::from_secs(2));
    let update = bench.only_fresh();
    assert!(update.starts_with("UPDATE ") && update.contains("Session-Expires: 200;refresher=uac"), "{update}");
    bench.receive(PHONE, &answer(&update, StatusCode::OK, &[AT_PHONE, ("Session-Expires", "200;refresher=uac")], ""));
    bench.run(Duration::from_secs(98));
    assert!(bench.fresh().is_empty() && bench.kinds().is_empty(), "control hears nothing of it");
    bench.run(Duration::from_secs(40));
    assert!(bench.fresh().iter().any(|text| text.starts_with("UPDATE ")));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 408), "nobody answered the UPDATE");
    bench.run(Duration::from_secs(80));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn a_far_end_without_timers_is_asked_by_re_invite_with_what_was_agreed() {
    let (mut bench, _, _) = talk_out(&[("Allow", "INVITE, ACK, BYE")]);
    bench.run(Duration::from_secs(901));
    let reinvite = bench.only_fresh();
    assert!(reinvite.starts_with("INVITE ") && reinvite.contains("m=audio 4000") && !reinvite.contains("Session-Expires"), "{reinvite}");
    bench.receive(PHONE, &answer(&reinvite, StatusCode::OK, &[AT_PHONE], SDP));
    assert!(bench.only_fresh().starts_with("ACK ") && bench.kinds().is_empty(), "nothing has changed");
    bench.run(Duration::from_secs(901));
    let reinvite = bench.only_fresh();
    bench.receive(PHONE, &answer(&reinvite, StatusCode::NOT_ACCEPTABLE_HERE, &[], ""));
    bench.sent.clear();
    bench.run(Duration::from_secs(890));
    assert!(bench.fresh().is_empty() && bench.kinds().is_empty(), "who answers is there");
    bench.run(Duration::from_secs(20));
    let reinvite = bench.only_fresh();
    bench.receive(PHONE, &answer(&reinvite, StatusCode::CALL_DOES_NOT_EXIST, &[], ""));
    assert_eq!(bench.kinds(), [EventKind::Hangup]);
}

#[test]
fn they_refresh_and_the_call_ends_when_they_do_not() {
    let mut bench = Bench::new();
    let (mut caller, ok) = bench.talk_in_with("c1", "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n");
    assert!(ok.contains("Session-Expires: 300;refresher=uac\r\nRequire: timer\r\n"), "{ok}");
    bench.run(Duration::from_secs(150));
    let update = caller.next("UPDATE", AT_US, "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n", "");
    let refreshed = bench.ask(PHONE, &update);
    assert!(status(&refreshed) == 200 && refreshed.contains("Session-Expires: 300;refresher=uac"), "{refreshed}");
    bench.run(Duration::from_secs(267));
    assert!(bench.kinds().is_empty());
    bench.run(Duration::from_secs(2));
    let bye = bench.only_fresh();
    assert!(bye.starts_with("BYE "), "32 s before the end: {bye}");
    assert_eq!(bench.snapshots().pop().unwrap().error, (408, "Session Timer Expired".to_owned()));
}

#[test]
fn a_session_that_is_too_short_is_refused_with_422() {
    let mut bench = Bench::new();
    let mut caller = super::calls::Caller::new("c1");
    let lines = "Supported: timer\r\nSession-Expires: 60\r\n";
    let challenge = bench.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", lines, SDP));
    let proof = bench.authorization(&challenge, "1000", "1234", "INVITE");
    let refused = bench.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", &format!("{lines}{proof}"), SDP));
    assert!(status(&refused) == 422 && refused.contains("Min-SE: 90"), "{refused}");
    assert!(bench.endpoint.is_idle());
    let mut talking = bench.talk_in("c2");
    let refused = bench.ask(PHONE, &talking.next("INVITE", AT_US, lines, SDP));
    assert!(status(&refused) == 422 && bench.kinds().is_empty());
    let taken = talking.next("INVITE", AT_US, "", SDP);
    bench.receive(PHONE, &taken);
    assert_eq!(bench.kinds(), [EventKind::Reinvite], "the refused one is closed");
}

#[test]
fn a_trunk_whose_nonce_has_aged_gets_our_offer_and_our_bye_again() {
    let mut bench = Bench::new();
    let trunk = "192.0.2.50:5060";
    let party = |user: &str| crate::api::Party {
        user: user.into(),
        domain: Some("192.0.2.50".into()),
        authsecret: Some("pw".into()),
        authuser: None,
    };
    let (callid, invite) = bench.call_out(crate::api::Originate {
        from: party("1000"),
        to: party("+44"),
        control: Some(ControlUrl("http://c".into())),
        ..wish()
    });
    let first = ("WWW-Authenticate", "Digest realm=\"t\", nonce=\"n1\", qop=\"auth\"");
    let stale = ["n2", "n3", "n4", "n5"].map(|nonce| format!("Digest realm=\"t\", nonce=\"{nonce}\", stale=true, qop=\"auth\""));
    bench.receive(trunk, &answer(&invite, StatusCode::UNAUTHORIZED, &[first], ""));
    let again = bench.fresh().pop().unwrap();
    bench.receive(trunk, &answer(&again, StatusCode::OK, &[("Contact", "<sip:gw@192.0.2.50>")], SDP));
    bench.sent.clear();
    bench.snapshots();
    let actions = [Action::Invite { sdp: Some(sdp()) }, Action::Update { sdp: Some(sdp()) }];
    for (action, (stale, nonce)) in actions.into_iter().zip(stale.iter().zip(["n2", "n3"])) {
        bench.act(&callid, action).unwrap();
        let offer = bench.only_fresh();
        bench.receive(trunk, &answer(&offer, StatusCode::UNAUTHORIZED, &[("WWW-Authenticate", stale)], ""));
        let again = bench.fresh().pop().unwrap();
        assert!(again.contains(&format!("nonce=\"{nonce}\"")) && again.contains("m=audio"), "{again}");
        bench.receive(trunk, &answer(&again, StatusCode::OK, &[("Contact", "<sip:gw@192.0.2.50>")], SDP));
        assert_eq!(bench.kinds(), [EventKind::Answered]);
        bench.sent.clear();
    }
    bench.hangup(&callid);
    let bye = bench.only_fresh();
    bench.receive(trunk, &answer(&bye, StatusCode::UNAUTHORIZED, &[("WWW-Authenticate", &stale[2])], ""));
    let again = bench.only_fresh();
    assert!(again.starts_with("BYE ") && again.contains("CSeq: "), "{again}");
    bench.receive(trunk, &answer(&again, StatusCode::UNAUTHORIZED, &[("WWW-Authenticate", &stale[3])], ""));
    assert!(bench.endpoint.is_idle(), "once is enough");
}
