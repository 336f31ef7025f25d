//! Transfers: the traces that users of such systems report, and Replaces by the tags.

use super::calls::{AT_PHONE, Caller, SDP, answer, as_request, sdp, wish};
use super::*;
use crate::api::{Action, EventKind};
use crate::message::StatusCode;

const AT_US: &str = "sip:1001@192.0.2.100:5060";

fn refer(caller: &mut Caller, to: &str, lines: &str) -> String {
    caller.next("REFER", AT_US, &format!("Refer-To: <{to}>\r\nReferred-By: <sip:1000@example.com>\r\n{lines}"), "")
}

/// Tag of ours in an answered call of `caller`.
fn our_tag(caller: &Caller) -> String {
    caller.to.rsplit_once("tag=").unwrap().1.to_owned()
}

#[test]
fn the_bye_of_who_refers_ends_his_call_and_no_other() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (other, invite) = bench.call_out(wish());
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
    bench.sent.clear();
    bench.snapshots();
    let mut caller = bench.talk_in("c1");
    bench.receive(PHONE, &refer(&mut caller, "sip:1002@example.com", ""));
    assert_eq!(status(&bench.texts()[0]), 202);
    assert_eq!(status(&bench.ask(PHONE, &caller.next("BYE", AT_US, "", ""))), 200);
    let told = bench.snapshots();
    assert_eq!(told.iter().map(|shot| shot.event).collect::<Vec<_>>(), [EventKind::Refer, EventKind::Hangup]);
    assert_eq!(told[0].refer.as_ref().unwrap().referredby.as_deref(), Some("<sip:1000@example.com>"));
    assert!(told.iter().all(|shot| shot.callid == "c1"));
    assert_eq!(bench.endpoint.command(Command::DialogGet { callid: None }, bench.now), Ok(Reply::DialogCount { count: 1, counter: 2 }));
    bench.act(&other, Action::Info { contenttype: "application/dtmf".into(), body: "1".into() }).unwrap();
}

#[test]
fn no_notify_goes_after_a_bye_of_either_side() {
    for theirs in [true, false] {
        let mut bench = Bench::new();
        let mut caller = bench.talk_in("c1");
        bench.receive(PHONE, &refer(&mut caller, "sip:1002@example.com", ""));
        bench.act("c1", Action::Notify { status: 180 }).unwrap();
        bench.act("c1", Action::Notify { status: 200 }).unwrap();
        assert_eq!(bench.fresh().iter().filter(|text| text.starts_with("NOTIFY ")).count(), 3, "none is answered");
        if theirs {
            bench.receive(PHONE, &caller.next("BYE", AT_US, "", ""));
        } else {
            bench.hangup("c1");
        }
        assert!(bench.act("c1", Action::Notify { status: 200 }).is_err());
        bench.run(Duration::from_secs(70));
        let late = bench.fresh();
        assert!(!late.iter().any(|text| text.starts_with("NOTIFY ")), "{late:#?}");
        assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
    }
}

#[test]
fn supported_says_replaces_wherever_a_transferrer_looks() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (_, invite) = bench.call_out(wish());
    let mut caller = bench.call_in("c1", SDP);
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    let ok = bench.fresh().pop().unwrap();
    caller.to = response(&ok).to().to_string();
    let options = bench.ask(PHONE, &caller.next("OPTIONS", AT_US, "", ""));
    for text in [&invite, &ok, &options] {
        assert!(header_values(text, HeaderName::Supported).iter().any(|value| value.contains("replaces")), "{text}");
        assert!(header_values(text, HeaderName::Allow)[0].contains("REFER"), "{text}");
    }
}

#[test]
fn a_refer_is_taken_from_who_does_not_say_notify_and_from_who_wants_none() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    bench.receive(PHONE, &refer(&mut caller, "sip:1002@example.com", "Allow: INVITE, ACK, BYE\r\n"));
    let texts = bench.texts();
    assert_eq!((status(&texts[0]), texts[1].starts_with("NOTIFY ")), (202, true));
    // The answer 481 to a NOTIFY ends the subscription and not the call.
    bench.receive(PHONE, &answer(&texts[1], StatusCode::CALL_DOES_NOT_EXIST, &[], ""));
    assert_eq!(bench.kinds(), [EventKind::Refer]);
    bench.receive(PHONE, &refer(&mut caller, "sip:1003@example.com", "Refer-Sub: false\r\n"));
    let accepted = bench.only();
    assert!(status(&accepted) == 202 && accepted.contains("Refer-Sub: false"), "{accepted}");
    bench.act("c1", Action::Notify { status: 200 }).unwrap();
    assert!(bench.texts().is_empty());
}

#[test]
fn contact_is_an_address_that_the_far_end_can_reach() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    bench.receive(PHONE, &refer(&mut caller, "sip:1002@example.com", ""));
    bench.act("c1", Action::Refer { to: "1003".into(), replaces: None }).unwrap();
    for text in bench.texts() {
        assert_eq!(header_values(&text, HeaderName::Contact), ["<sip:1001@192.0.2.100:5060>"], "{text}");
    }
}

#[test]
fn a_transfer_that_nobody_reports_on_ends_with_its_subscription() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    bench.receive(PHONE, &refer(&mut caller, "sip:1002@example.com", ""));
    let trying = bench.texts().pop().unwrap();
    assert!(trying.contains("Subscription-State: active;expires=180") && trying.contains("Event: refer;id=3"), "{trying}");
    bench.receive(PHONE, &answer(&trying, StatusCode::OK, &[], ""));
    bench.receive(PHONE, &refer(&mut caller, "sip:1003@example.com", ""));
    assert_eq!(status(&bench.only()), 491, "one at a time");
    bench.run(Duration::from_secs(181));
    let last = bench.fresh().remove(0);
    assert!(last.contains("Subscription-State: terminated;reason=timeout") && last.contains("SIP/2.0 408"), "{last}");
    assert!(matches!(bench.act("c1", Action::Notify { status: 200 }), Err(CommandError::WrongState(_))));
}

#[test]
fn two_refer_to_or_none_are_a_bad_request() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    assert_eq!(status(&bench.ask(PHONE, &refer(&mut caller, "sip:1@example.com", "Refer-To: <sip:2@example.com>\r\n"))), 400);
    assert_eq!(status(&bench.ask(PHONE, &caller.next("REFER", AT_US, "", ""))), 400);
}

#[test]
fn an_attended_transfer_names_its_second_call_by_tags_and_not_by_call_id_alone() {
    let mut bench = Bench::new();
    let mut first = bench.talk_in("c1");
    let second = bench.talk_in("c2");
    let named = |to: &str, from: &str| format!("sip:1001@example.com?Replaces=c2%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}");
    let tag = our_tag(&second);
    bench.receive(PHONE, &refer(&mut first, &named("wrong", "f1"), ""));
    let texts = bench.texts();
    assert!(status(&texts[0]) == 202 && texts[1].contains("SIP/2.0 481") && texts[1].contains("terminated"), "{texts:#?}");
    assert!(bench.kinds().is_empty(), "control is not asked to join what is not there");
    for (to, from) in [(tag.as_str(), "f1"), ("f1", tag.as_str())] {
        bench.receive(PHONE, &refer(&mut first, &named(to, from), ""));
        assert_eq!(bench.snapshots().pop().unwrap().refer.unwrap().replaces.as_deref(), Some("c2"));
        bench.act("c1", Action::Notify { status: 200 }).unwrap();
        bench.sent.clear();
    }
}

/// INVITE of a new call with this Replaces, proven.
fn replacing(bench: &mut Bench, call_id: &str, replaces: &str) -> (Caller, String) {
    let mut caller = Caller::new(call_id);
    let lines = format!("Replaces: {replaces}\r\n");
    let challenge = bench.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", &lines, SDP));
    let proof = bench.authorization(&challenge, "1000", "1234", "INVITE");
    let answer = bench.ask(PHONE, &caller.next("INVITE", "sip:1001@example.com", &format!("{lines}{proof}"), SDP));
    (caller, answer)
}

#[test]
fn an_invite_with_replaces_takes_over_the_answered_call_that_its_tags_name() {
    let mut bench = Bench::new();
    let old = bench.talk_in("c1");
    let tag = our_tag(&old);
    for (call_id, replaces, expected) in [
        ("n1", format!("c1;to-tag={tag};from-tag=x"), 481),
        ("n2", format!("c1;to-tag=f1;from-tag={tag}"), 481),
        ("n3", format!("nobody;to-tag={tag};from-tag=f1"), 481),
        ("n4", format!("c1;to-tag={tag};from-tag=f1;early-only"), 486),
        ("n5", "c1;to-tag=1".to_owned(), 400),
    ] {
        assert_eq!(status(&replacing(&mut bench, call_id, &replaces).1), expected, "{replaces}");
    }
    let (_, trying) = replacing(&mut bench, "n6", &format!("c1;to-tag={tag};from-tag=f1"));
    assert_eq!(status(&trying), 100);
    let new = bench.snapshots().pop().unwrap();
    assert_eq!((new.event, new.callid.as_str(), new.replaces.as_deref()), (EventKind::New, "n6", Some("c1")));
    bench.act("n6", Action::Answer { sdp: Some(sdp()) }).unwrap();
    let texts = bench.texts();
    let bye = texts.iter().find(|text| text.starts_with("BYE ")).unwrap();
    assert!(bye.contains("Call-ID: c1\r\n") && bye.contains("Reason: SIP;cause=200"), "{bye}");
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.callid.as_str(), end.error.0), (EventKind::Hangup, "c1", 0));
    assert_eq!(status(&replacing(&mut bench, "n7", &format!("c1;to-tag={tag};from-tag=f1")).1), 603, "it is over");
}

#[test]
fn a_refused_replacement_leaves_the_old_call_alone() {
    let mut bench = Bench::new();
    let old = bench.talk_in("c1");
    let (_, trying) = replacing(&mut bench, "n1", &format!("c1;to-tag={};from-tag=f1", our_tag(&old)));
    assert_eq!(status(&trying), 100);
    bench.hangup("n1");
    assert_eq!(status(&bench.only()), 480);
    assert_eq!(bench.endpoint.calls.len(), 1);
}

#[test]
fn only_a_ringing_call_of_ours_can_be_picked_up() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(wish());
    bench.receive(PHONE, &answer(&invite, StatusCode::RINGING, &[AT_PHONE], ""));
    bench.snapshots();
    let ours = as_request(&invite).from().tag.unwrap().to_owned();
    let (_, trying) = replacing(&mut bench, "pickup", &format!("{callid};to-tag={ours};from-tag=phone;early-only"));
    assert_eq!(status(&trying), 100);
    bench.act("pickup", Action::Answer { sdp: Some(sdp()) }).unwrap();
    assert!(bench.fresh().iter().any(|text| text.starts_with("CANCEL ")), "the phone stops ringing");
    // Theirs that rings is not for anybody to take.
    let mut bench = Bench::new();
    let _ringing = bench.call_in("c1", SDP);
    bench.act("c1", Action::Ring { alertinfo: None, sdp: None }).unwrap();
    let tag = response(&bench.only()).to().tag.unwrap().to_owned();
    assert_eq!(status(&replacing(&mut bench, "n1", &format!("c1;to-tag={tag};from-tag=f1")).1), 481);
}

fn notify(caller: &mut Caller, state: &str, line: &str) -> String {
    let lines = format!("Event: refer\r\nSubscription-State: {state}\r\n");
    caller.next("NOTIFY", AT_US, &lines, &format!("{line}\r\n")).replace("application/sdp", "message/sipfrag")
}

#[test]
fn the_progress_of_our_transfer_is_told_to_its_end() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    assert_eq!(status(&bench.ask(PHONE, &notify(&mut caller, "active", "SIP/2.0 200 OK"))), 481, "nobody asked");
    bench.act("c1", Action::Refer { to: "1003".into(), replaces: None }).unwrap();
    let refer = bench.only();
    assert!(refer.contains("Refer-To: <sip:1003@example.com>\r\nReferred-By: <sip:1001@example.com>\r\n"), "{refer}");
    assert!(matches!(bench.act("c1", Action::Refer { to: "1".into(), replaces: None }), Err(CommandError::WrongState(_))));
    bench.receive(PHONE, &answer(&refer, StatusCode::ACCEPTED, &[], "").replace("tag=phone", "tag=f1"));
    assert!(bench.kinds().is_empty());
    for (state, line, expected) in [
        ("active;expires=60", "SIP/2.0 100 Trying", (100, "Trying", false)),
        ("active;expires=60", "SIP/2.0 180 Ringing", (180, "Ringing", false)),
        ("terminated;reason=noresource", "SIP/2.0 200 OK", (200, "OK", true)),
    ] {
        assert_eq!(status(&bench.ask(PHONE, &notify(&mut caller, state, line))), 200);
        let told = bench.snapshots().remove(0);
        let transfer = told.transfer.unwrap();
        assert_eq!(
            (told.event, transfer.status, transfer.reason.as_str(), transfer.over),
            (EventKind::Refer, expected.0, expected.1, expected.2)
        );
    }
    let other = caller.next("NOTIFY", AT_US, "Event: presence\r\nSubscription-State: active\r\n", "");
    assert_eq!(status(&bench.ask(PHONE, &other)), 489);
    // A second one: refused, then one that nobody reports on.
    bench.act("c1", Action::Refer { to: "1003".into(), replaces: None }).unwrap();
    let refer = bench.only();
    bench.receive(PHONE, &answer(&refer, StatusCode::DECLINE, &[], ""));
    let transfer = bench.snapshots().remove(0).transfer.unwrap();
    assert_eq!((transfer.status, transfer.over), (603, true));
    bench.act("c1", Action::Refer { to: "1003".into(), replaces: None }).unwrap();
    let refer = bench.only();
    bench.receive(PHONE, &answer(&refer, StatusCode::ACCEPTED, &[], ""));
    bench.run(Duration::from_secs(181));
    assert_eq!(bench.snapshots().remove(0).transfer.unwrap().status, 408);
}

#[test]
fn every_form_of_hold_is_told_and_so_is_its_end() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    let forms = [
        format!("{SDP}a=sendonly\r\n"),
        format!("{SDP}a=recvonly\r\n"),
        format!("{SDP}a=inactive\r\n"),
        SDP.replace("c=IN IP4 192.0.2.7", "c=IN IP4 0.0.0.0"),
        SDP.replace("c=IN IP4 192.0.2.7\r\n", "c=IN IP4 192.0.2.7\r\na=sendonly\r\n"),
        format!("{SDP}c=IN IP6 ::\r\n"),
    ];
    for (at, form) in forms.iter().enumerate() {
        let method = if at % 2 == 0 { "INVITE" } else { "UPDATE" };
        for (offer, kind) in [(form.as_str(), EventKind::Hold), (SDP, EventKind::Unhold)] {
            bench.receive(PHONE, &caller.next(method, AT_US, "", offer));
            let told = bench.snapshots();
            assert_eq!(told.iter().map(|shot| shot.event).collect::<Vec<_>>(), [kind], "{offer}");
            assert_eq!(told[0].hold, kind == EventKind::Hold);
            bench.act("c1", Action::Ok { sdp: None }).unwrap();
            let answered = bench.only();
            assert_eq!(status(&answered), 200);
            if form.contains("a=sendonly") && kind == EventKind::Hold {
                assert!(answered.contains("a=recvonly"), "{answered}");
            }
            if method == "INVITE" {
                bench.receive(PHONE, &caller.write("ACK", AT_US, caller.cseq, &format!("ack{}", caller.cseq), "", ""));
            }
        }
    }
    // Off hold by a late offer: the answer in the ACK says so.
    bench.receive(PHONE, &caller.next("INVITE", AT_US, "", &forms[0]));
    bench.act("c1", Action::Ok { sdp: None }).unwrap();
    bench.receive(PHONE, &caller.write("ACK", AT_US, caller.cseq, "ack-h", "", ""));
    bench.kinds();
    bench.receive(PHONE, &caller.next("INVITE", AT_US, "", ""));
    bench.act("c1", Action::Ok { sdp: Some(sdp()) }).unwrap();
    bench.receive(PHONE, &caller.write("ACK", AT_US, caller.cseq, "ack-u", "", SDP));
    let told: Vec<_> = bench.snapshots().iter().map(|shot| (shot.event, shot.hold)).collect();
    assert_eq!(told, [(EventKind::Reinvite, true), (EventKind::Answered, false)], "nothing is left to accept");
}
