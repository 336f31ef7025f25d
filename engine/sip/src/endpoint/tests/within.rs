//! Requests inside a call, theirs and ours, and how all calls end together.

use super::calls::{AT_PHONE, Caller, SDP, answer, sdp, wish};
use super::*;
use crate::api::{Action, EventKind};
use crate::message::StatusCode;

#[test]
fn a_re_invite_is_told_and_answered_by_control() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    let at_us = "sip:1001@192.0.2.100:5060";
    for (direction, kind) in
        [("sendonly", EventKind::Hold), ("sendrecv", EventKind::Unhold), ("inactive", EventKind::Hold), ("recvonly", EventKind::Reinvite)]
    {
        let offer = format!("{SDP}a={direction}\r\n");
        bench.receive(PHONE, &caller.next("INVITE", at_us, "", &offer));
        assert!(bench.texts().is_empty());
        assert_eq!(bench.kinds(), [kind], "{direction}");
        bench.act("c1", Action::Ok { sdp: Some(sdp()) }).unwrap();
        assert_eq!(status(&bench.only()), 200);
        bench.receive(PHONE, &caller.write("ACK", at_us, caller.cseq, &format!("ack{}", caller.cseq), "", ""));
        assert!(bench.kinds().is_empty());
    }
    // Control says nothing: we answer with what we said last, the other way round.
    bench.receive(PHONE, &caller.next("INVITE", at_us, "", &format!("{SDP}a=sendonly\r\n")));
    bench.run(Duration::from_secs(6));
    let ok = bench.texts().remove(0);
    assert!(status(&ok) == 200 && ok.contains("a=recvonly"), "{ok}");
}

#[test]
fn our_re_invite_is_answered_acknowledged_and_told() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(wish());
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    bench.sent.clear();
    bench.snapshots();
    bench.act(&callid, Action::Invite { sdp: Some(sdp()) }).unwrap();
    let reinvite = bench.only();
    assert!(reinvite.starts_with("INVITE sip:1001@10.0.0.8:5060") && reinvite.contains("tag=phone"), "{reinvite}");
    assert!(matches!(bench.act(&callid, Action::Invite { sdp: None }), Err(CommandError::WrongState(_))));
    bench.receive(PHONE, &answer(&reinvite, StatusCode::REQUEST_PENDING, &[], ""));
    assert!(bench.only().starts_with("ACK "));
    bench.run(Duration::from_secs(5));
    let again = bench.texts().remove(0);
    assert!(again.starts_with("INVITE "), "tried again after a glare: {again}");
    bench.receive(PHONE, &answer(&again, StatusCode::OK, &[AT_PHONE], SDP));
    assert!(bench.only().starts_with("ACK "));
    assert_eq!(bench.kinds(), [EventKind::Answered]);
    bench.act(&callid, Action::Invite { sdp: Some(sdp()) }).unwrap();
    let gone = bench.only();
    bench.receive(PHONE, &answer(&gone, StatusCode::CALL_DOES_NOT_EXIST, &[], ""));
    assert_eq!(bench.kinds(), [EventKind::Hangup]);
    assert!(bench.endpoint.is_idle());
}

#[test]
fn digits_by_info_are_told() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    let info = caller
        .next("INFO", "sip:1001@192.0.2.100:5060", "", "Signal=5\r\nDuration=160\r\n")
        .replace("application/sdp", "application/dtmf-relay");
    assert_eq!(status(&bench.ask(PHONE, &info)), 200);
    let event = bench.snapshots().remove(0);
    assert_eq!((event.event, event.digits.as_deref()), (EventKind::Dtmf, Some("5")));
    let odd = caller.next("INFO", "sip:1001@192.0.2.100:5060", "", "x").replace("application/sdp", "text/plain");
    assert_eq!(status(&bench.ask(PHONE, &odd)), 415);
}

#[test]
fn requests_of_no_dialog_and_out_of_order_are_refused() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    let at_us = "sip:1001@192.0.2.100:5060";
    let stranger = caller.next("BYE", at_us, "", "").replace("tag=f1", "tag=f2");
    assert_eq!(status(&bench.ask(PHONE, &stranger)), 481);
    let late = caller.write("OPTIONS", at_us, 1, "late", "", "");
    assert_eq!(status(&bench.ask(PHONE, &late)), 500);
    assert_eq!(status(&bench.ask(PHONE, &caller.next("OPTIONS", at_us, "", ""))), 200);
    assert_eq!(bench.endpoint.calls.len(), 1);
}

#[test]
fn a_transfer_is_told_and_reported_on() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    let refer = "Refer-To: <sip:1002@example.com?Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n";
    bench.receive(PHONE, &caller.next("REFER", "sip:1001@192.0.2.100:5060", refer, ""));
    let texts = bench.texts();
    assert_eq!(status(&texts[0]), 202);
    assert!(texts[1].starts_with("NOTIFY ") && texts[1].contains("SIP/2.0 100 Trying"), "{}", texts[1]);
    let event = bench.snapshots().remove(0);
    let view = event.refer.unwrap();
    assert_eq!((event.event, view.to.as_str(), view.replaces.as_deref()), (EventKind::Refer, "1002", Some("abc@x")));
    bench.receive(PHONE, &answer(&texts[1], StatusCode::OK, &[], ""));
    bench.act("c1", Action::Notify { status: 200 }).unwrap();
    let notify = bench.only();
    assert!(notify.contains("Subscription-State: terminated") && notify.contains("SIP/2.0 200 OK"), "{notify}");
    assert!(matches!(bench.act("c1", Action::Notify { status: 200 }), Err(CommandError::WrongState(_))));
    bench.act("c1", Action::Refer { to: "1003".into(), replaces: None }).unwrap();
    assert!(bench.only().contains("Refer-To: <sip:1003@example.com>"));
}

#[test]
fn shutting_down_ends_every_call() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    bench.call_in("offered", SDP);
    bench.snapshots();
    bench.talk_in("talking").cseq += 1;
    let (_, _invite) = bench.call_out(wish());
    bench.snapshots();
    bench.sent.clear();
    bench.endpoint.shutdown(bench.now);
    bench.drain();
    let texts = bench.texts();
    assert!(texts.iter().any(|text| text.starts_with("SIP/2.0 503")) && texts.iter().any(|text| text.starts_with("BYE ")), "{texts:#?}");
    assert_eq!(bench.kinds(), [EventKind::Hangup; 3]);
    let mut late = Caller::new("late");
    assert_eq!(status(&bench.ask(PHONE, &late.next("INVITE", "sip:1001@example.com", "", SDP))), 503);
    let refused = bench.endpoint.command(Command::Originate(Box::new(wish())), bench.now);
    assert_eq!(refused, Err(CommandError::Draining));
    bench.run(Duration::from_secs(120));
    assert!(bench.endpoint.is_idle());
}
