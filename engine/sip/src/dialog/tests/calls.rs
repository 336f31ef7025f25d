//! A dialog from its INVITE to its BYE, in both roles.

use super::*;
use crate::message::Method;
use crate::transaction::Timing;

fn confirmed() -> Dialog {
    let mut dialog = uas(&incoming(""));
    let now = sim::Clock::new().now();
    dialog.answered(code(200), &Timing::default(), now);
    assert!(dialog.invite.handle_ack(10));
    dialog
}

#[test]
fn the_example_of_a_call_reaches_the_contact_of_the_answer() {
    // RFC 3261 §24.2, F1, F11 and F12: Alice's ACK goes to Bob's Contact with her tag and his, CSeq as the INVITE.
    let mut invitation = Invitation::new(
        "a84b4c76e66710@pc33.atlanta.com".into(),
        "1928301774".into(),
        "Alice <sip:alice@atlanta.com>",
        "Bob <sip:bob@biloxi.com>",
        "sip:bob@biloxi.com",
        "<sip:alice@pc33.atlanta.com>",
    );
    let branch = branch();
    let invite = written(|out| invitation.request(out, &hop(&branch)).end());
    let ok = String::from_utf8(reply_to(&invite, 200)).unwrap().replace(";tag=t", ";tag=a6c85cf");
    let ok = ok.replace("Content-Length", "Contact: <sip:bob@192.0.2.4>\r\nContent-Length");
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(ok.as_bytes())) else { panic!("not answered") };
    let ack = written(|out| dialog.ack(out, 1, &hop(&branch)).end());
    assert!(ack.starts_with("ACK sip:bob@192.0.2.4 SIP/2.0\r\n"), "{ack}");
    assert_eq!(value(&ack, "To"), Some("\"Bob\" <sip:bob@biloxi.com>;tag=a6c85cf"));
    assert_eq!(value(&ack, "From"), Some("Alice <sip:alice@atlanta.com>;tag=1928301774"));
    assert_eq!(value(&ack, "CSeq"), Some("1 ACK"));
    assert_eq!(value(&ack, "Call-ID"), Some("a84b4c76e66710@pc33.atlanta.com"));
}

#[test]
fn our_requests_swap_from_and_to_and_count_up() {
    let mut dialog = confirmed();
    let branch = branch();
    for number in 1..4 {
        let info = written(|out| dialog.request(out, Method::Info, &hop(&branch)).end());
        assert_eq!(value(&info, "From"), Some("<sip:bob@example.com>;tag=b1"));
        assert_eq!(value(&info, "To"), Some("\"Alice\" <sip:alice@example.com>;tag=a1"));
        assert_eq!(value(&info, "CSeq"), Some(format!("{number} INFO").as_str()));
        assert_eq!(value(&info, "Max-Forwards"), Some("70"));
        assert_eq!(value(&info, "Contact"), None);
        assert!(dialog.owns_response(&response(&reply_to(&info, 200))));
    }
    let update = written(|out| dialog.request(out, Method::Update, &hop(&branch)).end());
    assert_eq!(value(&update, "Contact"), Some("<sip:192.0.2.1:5060>"));
}

#[test]
fn a_request_is_ours_by_call_id_and_both_tags() {
    let dialog = confirmed();
    let bye = inside("BYE", 11);
    assert!(dialog.owns_request(&request(&bye)));
    for (from, to) in [("call-1", "call-9"), ("tag=a1", "tag=a9"), ("tag=b1", "tag=b9"), (";tag=b1", "")] {
        let other = String::from_utf8(bye.clone()).unwrap().replace(from, to);
        assert!(!dialog.owns_request(&request(other.as_bytes())), "{from} as {to}");
    }
    assert!(dialog.is_named("call-1", "B1", "a1"));
    assert!(!dialog.is_named("call-1", "a1", "b1"));
}

#[test]
fn a_peer_without_tag_is_matched_without_tag() {
    // RFC 3261 §12.1.1, §12.2.2: old peers.
    let invite = String::from_utf8(incoming("")).unwrap().replace(";tag=a1", "");
    let mut dialog = uas(invite.as_bytes());
    let bye = String::from_utf8(inside("BYE", 11)).unwrap();
    assert!(!dialog.owns_request(&request(bye.as_bytes())));
    assert!(dialog.owns_request(&request(bye.replace(";tag=a1", "").as_bytes())));
    let branch = branch();
    let bye = written(|out| dialog.request(out, Method::Bye, &hop(&branch)).end());
    assert_eq!(value(&bye, "To"), Some("\"Alice\" <sip:alice@example.com>"));
}

#[test]
fn requests_are_taken_in_order_only() {
    // RFC 3261 §12.2.2
    let mut dialog = confirmed();
    assert_eq!(dialog.handle_request(&request(&inside("INFO", 15))), Ok(()));
    for cseq in [15, 14, 10, 0] {
        let refused = dialog.handle_request(&request(&inside("INFO", cseq))).unwrap_err();
        assert_eq!((refused, refused.status(), refused.retry_after_s_max()), (Refusal::OutOfOrder, code(500), None));
    }
    assert_eq!(dialog.handle_request(&request(&inside("INFO", 1000))), Ok(()), "gaps are allowed");
    assert_eq!(dialog.handle_request(&request(&inside("ACK", 10))), Ok(()), "an ACK has the number of its INVITE");
    assert_eq!(dialog.handle_request(&request(&inside("CANCEL", 10))), Ok(()));
}

#[test]
fn the_first_request_to_a_caller_may_have_any_number() {
    let mut invitation = invitation();
    let branch = branch();
    written(|out| invitation.request(out, &hop(&branch)).end());
    let answer = reply(200, 1, "d1", "Contact: <sip:dave@192.0.2.70>\n");
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not answered") };
    let bye = String::from_utf8(inside("BYE", 0)).unwrap();
    assert_eq!(dialog.handle_request(&request(bye.as_bytes())), Ok(()));
    assert_eq!(dialog.handle_request(&request(bye.as_bytes())), Err(Refusal::OutOfOrder));
}

#[test]
fn a_second_invite_before_the_first_is_answered_waits_its_turn() {
    // RFC 3261 §14.2: 500 with a random Retry-After.
    let mut dialog = uas(&incoming(""));
    let refused = dialog.handle_request(&request(&inside("INVITE", 11))).unwrap_err();
    assert_eq!((refused.status(), refused.retry_after_s_max()), (code(500), Some(10)));
    // Its number is used up all the same.
    assert_eq!(dialog.handle_request(&request(&inside("INVITE", 11))), Err(Refusal::OutOfOrder));
}

#[test]
fn two_reinvites_that_meet_are_both_refused() {
    // RFC 3261 §14.1, §14.2
    let mut dialog = confirmed();
    let branch = branch();
    let reinvite = written(|out| dialog.reinvite(out, &hop(&branch)).unwrap().end());
    assert_eq!(value(&reinvite, "CSeq"), Some("1 INVITE"));
    assert_eq!(value(&reinvite, "Contact"), Some("<sip:192.0.2.1:5060>"));
    let refused = dialog.handle_request(&request(&inside("INVITE", 11))).unwrap_err();
    assert_eq!((refused, refused.status()), (Refusal::Glare, code(491)));
    assert!(!dialog.handle_final(&response(&reply_to(&reinvite, 491))));
    assert_eq!(dialog.invite.may_invite(), Ok(()));
    assert_eq!(dialog.handle_request(&request(&inside("INVITE", 12))), Ok(()));
    let mut out = vec![];
    assert!(matches!(dialog.reinvite(&mut out, &hop(&branch)), Err(Refusal::Glare)));
    assert_eq!((dialog.local_cseq(), out.len()), (1, 0), "a refused request uses no number");
}

#[test]
fn the_target_moves_when_the_request_is_accepted() {
    // RFC 3261 §12.2.2, RFC 6141 §4
    let mut dialog = confirmed();
    let reinvite = inside("INVITE", 11);
    assert_eq!(dialog.handle_request(&request(&reinvite)), Ok(()));
    assert_eq!(dialog.target(), "sip:alice@192.0.2.50:5062");
    dialog.refresh_target(request(&reinvite).headers());
    assert_eq!(dialog.target(), "sip:alice@192.0.2.60:5062");
    let broken = String::from_utf8(reinvite).unwrap().replace("<sip:alice@192.0.2.60:5062>", "nonsense");
    dialog.refresh_target(request(broken.as_bytes()).headers());
    assert_eq!(dialog.target(), "sip:alice@192.0.2.60:5062");
}

#[test]
fn responses_carry_tag_contact_and_record_route_where_they_make_the_dialog() {
    // RFC 3261 §12.1.1
    let invite = incoming("Record-Route: <sip:p1;lr>\nRecord-Route: <sip:p2;lr>\n");
    let dialog = uas(&invite);
    let respond = |status: u16| written(|out| dialog.respond(out, &request(&invite), code(status), source()).end());
    let trying = respond(100);
    assert_eq!((value(&trying, "To"), value(&trying, "Contact")), (Some("<sip:bob@example.com>"), None));
    for status in [180, 200] {
        let said = respond(status);
        assert_eq!(value(&said, "To"), Some("<sip:bob@example.com>;tag=b1"));
        assert_eq!(value(&said, "Contact"), Some("<sip:192.0.2.1:5060>"));
        assert!(said.contains("Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n"));
    }
    let busy = respond(486);
    assert_eq!((value(&busy, "To"), value(&busy, "Contact")), (Some("<sip:bob@example.com>;tag=b1"), None));
    assert!(!busy.contains("Record-Route"));
}

#[test]
fn a_call_is_ended_as_its_state_demands() {
    // RFC 3261 §9.1, §15
    let now = sim::Clock::new().now();
    let mut called = uas(&incoming(""));
    assert_eq!(called.hangup(), Hangup::Respond);
    called.answered(code(200), &Timing::default(), now);
    assert_eq!(called.hangup(), Hangup::ByeAfterAck);
    assert!(called.invite.handle_ack(10));
    assert_eq!(called.hangup(), Hangup::Bye);
    called.end();
    assert_eq!(called.hangup(), Hangup::Nothing);

    let mut refused = uas(&incoming(""));
    refused.answered(code(487), &Timing::default(), now);
    assert_eq!((refused.state(), refused.hangup()), (DialogState::Terminated, Hangup::Nothing));

    let mut reinvited = confirmed();
    assert_eq!(reinvited.handle_request(&request(&inside("INVITE", 11))), Ok(()));
    reinvited.answered(code(488), &Timing::default(), now);
    assert_eq!(reinvited.state(), DialogState::Confirmed, "a refused re-INVITE ends no call");
}

#[test]
fn an_ended_dialog_answers_481() {
    let mut dialog = confirmed();
    dialog.end();
    let refused = dialog.handle_request(&request(&inside("INFO", 11))).unwrap_err();
    assert_eq!(refused.status(), code(481));
    let branch = branch();
    assert!(matches!(dialog.reinvite(&mut vec![], &hop(&branch)), Err(Refusal::NoDialog)));
}

#[test]
fn a_peer_that_forgot_the_dialog_ends_it() {
    // RFC 3261 §12.2.1.2
    for (status, over) in [(200, false), (405, false), (481, true), (408, true), (500, false)] {
        let mut dialog = confirmed();
        let branch = branch();
        let info = written(|out| dialog.request(out, Method::Info, &hop(&branch)).end());
        assert_eq!(dialog.handle_final(&response(&reply_to(&info, status))), over, "{status}");
    }
    for status in [200, 401, 500] {
        let mut dialog = confirmed();
        let branch = branch();
        let bye = written(|out| dialog.request(out, Method::Bye, &hop(&branch)).end());
        assert!(dialog.handle_final(&response(&reply_to(&bye, status))), "{status}");
    }
}

#[test]
fn an_invite_without_contact_makes_no_dialog() {
    let invite = String::from_utf8(incoming("")).unwrap().replace("Contact: <sip:alice@192.0.2.50:5062>\r\n", "");
    let refused = Dialog::uas(&request(invite.as_bytes()), "b1", "<sip:192.0.2.1>").unwrap_err();
    assert_eq!((refused, refused.status()), (DialogError::NoContact, code(400)));
}

#[test]
fn a_dialog_is_within_its_budget() {
    // DESIGN: an answered dialog has 8 KiB.
    assert!(size_of::<Dialog>() + DIALOG_BYTES_MAX <= 8 * 1024, "{}", size_of::<Dialog>());
    assert!(size_of::<Dialog>() <= 512, "{}", size_of::<Dialog>());
}
