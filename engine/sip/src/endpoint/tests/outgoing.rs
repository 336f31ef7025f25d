//! Calls of ours, datagram by datagram: routing, challenges, late offer, CANCEL.

use super::calls::{AT_PHONE, SDP, answer, as_request, sdp, wish};
use super::*;
use crate::api::{Action, CallerId, EventKind, Originate, Party};
use crate::locate::Wish;
use crate::message::{Method, StatusCode};

#[test]
fn a_call_goes_out_to_a_registered_phone() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let caller = CallerId { number: "+44".into(), name: "Ann".into(), private: false };
    let headers = vec![("X-Job".into(), "7".into())];
    let (callid, invite) = bench.call_out(Originate { callerid: Some(caller), headers, autoanswer: true, ..wish() });
    assert!(invite.starts_with("INVITE sip:1001@10.0.0.8:5060 SIP/2.0\r\n"), "{invite}");
    for line in ["Max-Forwards: 69", "X-Job: 7", "P-Asserted-Identity: \"Ann\" <sip:+44@example.com>", "Answer-Mode: Auto", "m=audio 4000"]
    {
        assert!(invite.contains(line), "{line}: {invite}");
    }
    bench.receive(PHONE, &answer(&invite, StatusCode::TRYING, &[], ""));
    bench.receive(PHONE, &answer(&invite, StatusCode::RINGING, &[AT_PHONE], ""));
    bench.receive(PHONE, &answer(&invite, StatusCode::SESSION_PROGRESS, &[AT_PHONE], SDP));
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    let ack = bench.only();
    assert!(ack.starts_with("ACK sip:1001@10.0.0.8:5060 SIP/2.0"), "{ack}");
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    assert_eq!(bench.only(), ack, "each 200 gets the same ACK");
    let shots = bench.snapshots();
    let kinds: Vec<EventKind> = shots.iter().map(|shot| shot.event).collect();
    assert_eq!(kinds, [EventKind::New, EventKind::Ringing, EventKind::Progress, EventKind::Answered]);
    assert!(shots.iter().zip(1..).all(|(shot, seq)| shot.seq == seq && shot.originator && shot.callid == callid));
    let last = shots.last().unwrap();
    assert!(
        last.ring && last.answered && last.sdp_them == Some(sdp().into()) && last.contact.as_deref() == Some("<sip:1001@10.0.0.8:5060>")
    );

    bench.hangup(&callid);
    let bye = bench.only();
    assert_eq!(as_request(&bye).method(), Method::Bye);
    bench.receive(PHONE, &answer(&bye, StatusCode::OK, &[], ""));
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn routing_fails_with_the_codes_of_the_predecessor() {
    let mut bench = Bench::new();
    let to = |user: &str, domain: &str| Party { user: user.into(), domain: Some(domain.into()), ..Party::default() };
    for (party, expected) in [
        (to("1001", "example.com"), CommandError::Unroutable(480)),
        (to("9", "example.com:5060"), CommandError::Unroutable(404)),
        (to("9", "exa mple"), CommandError::Bad(String::new())),
    ] {
        let result = bench.endpoint.command(Command::Originate(Box::new(Originate { to: party, ..wish() })), bench.now);
        let error = result.unwrap_err();
        assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&expected), "{error}");
        if let (CommandError::Unroutable(got), CommandError::Unroutable(wanted)) = (&error, &expected) {
            assert_eq!(got, wanted);
        }
    }
    bench.drain();
    assert!(bench.sent.is_empty() && bench.events.is_empty() && bench.endpoint.is_idle());
}

#[test]
fn names_are_looked_up_and_the_next_address_is_tried() {
    let mut bench = Bench::new();
    let to = Party { user: "+44".into(), domain: Some("trunk.example:5070".into()), ..Party::default() };
    bench.endpoint.command(Command::Originate(Box::new(Originate { to, ..wish() })), bench.now).unwrap();
    bench.drain();
    assert!(bench.sent.is_empty());
    let (id, wish) = bench.resolves.remove(0);
    assert_eq!(wish, Wish { host: "trunk.example".into(), port: Some(5070), transport: None });
    let targets = ["192.0.2.50:5070", "[2001:db8::50]:5070"].map(|peer| Target::udp(peer.parse().unwrap()));
    bench.endpoint.handle_resolved(id, Ok(targets.to_vec()), bench.now);
    bench.drain();
    let (peer, invite) = bench.sent.remove(0);
    assert_eq!(peer, "192.0.2.50:5070".parse().unwrap());
    assert!(invite.starts_with("INVITE sip:+44@trunk.example:5070 SIP/2.0"), "{invite}");
    bench.receive("192.0.2.50:5070", &answer(&invite, StatusCode::SERVICE_UNAVAILABLE, &[], ""));
    let (peer, again) = bench.sent.pop().unwrap();
    assert_eq!(peer, "[2001:db8::50]:5070".parse().unwrap());
    assert!(again.contains("CSeq: 2 INVITE") && again.contains("SIP/2.0/UDP [2001:db8::100]:5060"), "{again}");
    bench.receive("192.0.2.50:5070", &answer(&again, StatusCode::BUSY_HERE, &[], ""));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error), (EventKind::Hangup, (486, "Busy Here".to_owned())));
    assert!(bench.endpoint.is_idle());
    bench.endpoint.handle_resolved(id, Err(LocateError::Failed), bench.now);
}

#[test]
fn a_challenge_is_answered_and_the_ack_repeats_the_proof() {
    let mut bench = Bench::new();
    let to = Party { user: "+44".into(), domain: Some("192.0.2.50".into()), ..Party::default() };
    let from = Party { user: "1000".into(), authuser: Some("acc".into()), authsecret: Some("pw".into()), ..Party::default() };
    let (_, invite) = bench.call_out(Originate { from, to, ..wish() });
    let challenge = ("Proxy-Authenticate", "Digest realm=\"trunk\", nonce=\"n\", qop=\"auth\"");
    bench.receive("192.0.2.50:5060", &answer(&invite, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[challenge], ""));
    let texts = bench.texts();
    assert!(texts[0].starts_with("ACK ") || texts[1].starts_with("ACK "));
    let again = texts.iter().find(|text| text.starts_with("INVITE ")).unwrap().clone();
    let proof = header_values(&again, HeaderName::ProxyAuthorization).remove(0);
    assert!(proof.contains("username=\"acc\"") && again.contains("CSeq: 2 INVITE"), "{again}");
    bench.receive("192.0.2.50:5060", &answer(&again, StatusCode::OK, &[("Contact", "<sip:gw@192.0.2.51:5070>")], SDP));
    let (peer, ack) = bench.sent.remove(0);
    assert_eq!(peer, "192.0.2.51:5070".parse().unwrap(), "a trunk's Contact is followed");
    assert_eq!(header_values(&ack, HeaderName::ProxyAuthorization), [proof]);
    // A wrong password: the second challenge ends it.
    let to = Party { user: "+44".into(), domain: Some("192.0.2.50".into()), ..Party::default() };
    let from = Party { user: "1000".into(), authsecret: Some("bad".into()), ..Party::default() };
    let (_, invite) = bench.call_out(Originate { from, to, ..wish() });
    bench.receive("192.0.2.50:5060", &answer(&invite, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[challenge], ""));
    let again = bench.texts().into_iter().find(|text| text.starts_with("INVITE ")).unwrap();
    bench.receive("192.0.2.50:5060", &answer(&again, StatusCode::PROXY_AUTHENTICATION_REQUIRED, &[challenge], ""));
    assert_eq!(bench.snapshots().pop().unwrap().error.0, 407);
}

#[test]
fn a_late_offer_goes_out_and_control_completes_it() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(Originate { sdp: None, ..wish() });
    assert!(invite.contains("Content-Length: 0"));
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    assert!(bench.texts().is_empty(), "the ACK waits for control");
    let answered = bench.snapshots().pop().unwrap();
    assert_eq!((answered.event, answered.sdp_them), (EventKind::Answered, Some(sdp().into())));
    bench.act(&callid, Action::Ack { sdp: sdp() }).unwrap();
    let ack = bench.only();
    assert!(ack.starts_with("ACK ") && ack.contains("m=audio 4000"));
    assert!(matches!(bench.act(&callid, Action::Ack { sdp: sdp() }), Err(CommandError::WrongState(_))));
    // Another one that control forgets is acknowledged and ended.
    let (_, invite) = bench.call_out(Originate { sdp: None, ..wish() });
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    bench.run(Duration::from_secs(21));
    let mut texts = bench.texts();
    texts.retain(|text| !text.starts_with("OPTIONS "));
    assert!(texts[0].starts_with("ACK ") && texts[1].starts_with("BYE "), "{texts:#?}");
}

#[test]
fn our_call_is_cancelled_only_after_a_provisional_answer() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(wish());
    bench.hangup(&callid);
    assert!(bench.texts().is_empty());
    assert_eq!(bench.kinds(), [EventKind::New, EventKind::Hangup]);
    bench.receive(PHONE, &answer(&invite, StatusCode::RINGING, &[AT_PHONE], ""));
    let cancel = bench.only();
    assert!(cancel.starts_with("CANCEL sip:1001@10.0.0.8:5060 SIP/2.0"), "{cancel}");
    bench.receive(PHONE, &answer(&cancel, StatusCode::OK, &[], ""));
    bench.receive(PHONE, &answer(&invite, StatusCode::REQUEST_TERMINATED, &[], ""));
    assert!(bench.only().starts_with("ACK "));
    assert!(bench.endpoint.is_idle() && bench.kinds().is_empty());
}

#[test]
fn a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(wish());
    bench.receive(PHONE, &answer(&invite, StatusCode::RINGING, &[AT_PHONE], ""));
    bench.hangup(&callid);
    assert!(bench.only().starts_with("CANCEL "));
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    let texts = bench.texts();
    assert!(texts[0].starts_with("ACK ") && texts[1].starts_with("BYE "), "{texts:#?}");
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    assert_eq!(bench.only(), texts[0]);
    bench.receive(PHONE, &answer(&texts[1], StatusCode::OK, &[], ""));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn silence_ends_a_call_of_ours() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, _) = bench.call_out(wish());
    bench.run(Duration::from_secs(33));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0, end.callid), (EventKind::Hangup, 408, callid));
    bench.run(Duration::from_secs(1));
    assert!(bench.endpoint.calls.is_empty());
}

#[test]
fn the_same_idempotency_key_is_the_same_call() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let keyed = || Originate { idempotency: Some("k".into()), ..wish() };
    let (callid, _) = bench.call_out(keyed());
    let again = bench.endpoint.command(Command::Originate(Box::new(keyed())), bench.now);
    assert_eq!(again, Ok(Reply::Originated(callid.clone())));
    bench.run(Duration::from_secs(301));
    bench.enrol_1001();
    bench.sent.clear();
    let (other, _) = bench.call_out(keyed());
    assert_ne!(other, callid);
}

#[test]
fn a_second_fork_that_answers_is_ended() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (_, invite) = bench.call_out(wish());
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    bench.sent.clear();
    let other = answer(&invite, StatusCode::OK, &[AT_PHONE], SDP).replace("tag=phone", "tag=other");
    bench.receive(PHONE, &other);
    let texts = bench.texts();
    assert!(texts[0].starts_with("ACK ") && texts[1].starts_with("BYE ") && texts[1].contains("tag=other"), "{texts:#?}");
    assert_eq!(bench.endpoint.calls.len(), 1);
}
