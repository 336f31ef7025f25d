//! The dialogs of one INVITE: early, answered, repeated, surplus.

use super::*;

const CONTACT: &str = "Contact: <sip:dave@192.0.2.70>\n";

fn sent() -> Invitation {
    let mut invitation = invitation();
    let branch = branch();
    let invite = written(|out| invitation.request(out, &hop(&branch)).end());
    assert!(invite.starts_with("INVITE sip:dave@192.0.2.50:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"));
    invitation
}

#[test]
fn the_invite_has_every_header_a_dialog_needs() {
    let mut invitation = invitation().with_route("<sip:proxy.example.com;lr>".into()).with_max_forwards(20);
    let branch = branch();
    let invite = written(|out| invitation.request(out, &hop(&branch)).end());
    let lines: Vec<&str> = invite.lines().collect();
    assert_eq!(
        lines[2..9],
        [
            "Max-Forwards: 20",
            "Route: <sip:proxy.example.com;lr>",
            "From: \"Carol\" <sip:carol@example.com>;tag=c1",
            "To: <sip:dave@example.com>",
            "Call-ID: call-2",
            "CSeq: 1 INVITE",
            "Contact: <sip:192.0.2.1:5060>",
        ]
    );
    assert!(lines[1].ends_with(";rport"));
    // With credentials it goes again as number 2 (RFC 3261 §22.2).
    let again = written(|out| invitation.request(out, &hop(&branch)).end());
    assert_eq!(value(&again, "CSeq"), Some("2 INVITE"));
}

#[test]
fn a_response_without_tag_makes_no_dialog() {
    let mut invitation = sent();
    for status in [100, 180] {
        assert!(matches!(invitation.handle_response(&response(&reply(status, 1, "", CONTACT))), Ok(Heard::NoDialog)));
    }
    assert!(matches!(invitation.handle_response(&response(&reply(200, 1, "", CONTACT))), Err(DialogError::NoTag)));
    assert_eq!(invitation.dialogs_mut().count(), 0);
}

#[test]
fn each_fork_has_its_early_dialog_and_the_first_2xx_is_the_call() {
    let mut invitation = sent();
    for tag in ["d1", "d2", "d1"] {
        let ringing = reply(180, 1, tag, CONTACT);
        let Ok(Heard::Early(dialog)) = invitation.handle_response(&response(&ringing)) else { panic!("not early") };
        assert_eq!((dialog.remote_tag(), dialog.state(), dialog.hangup()), (Some(tag), DialogState::Early, Hangup::Cancel));
    }
    assert_eq!(invitation.dialogs_mut().count(), 2);
    let answer = reply(200, 1, "d2", CONTACT);
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not answered") };
    assert_eq!((dialog.remote_tag(), dialog.state(), dialog.hangup()), (Some("d2"), DialogState::Confirmed, Hangup::Bye));
    assert_eq!(invitation.into_dialog().unwrap().remote_tag(), Some("d2"));
}

#[test]
fn a_repeated_2xx_gets_the_same_ack() {
    // RFC 3261 §13.2.2.4
    let mut invitation = sent();
    let answer = reply(200, 1, "d1", CONTACT);
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not answered") };
    assert_eq!(dialog.invite.ack_owed(), Some(1));
    assert_eq!(dialog.invite.ack_again(1), None);
    let branch = branch();
    let ack = written(|out| dialog.ack(out, 1, &hop(&branch)).end());
    assert!(ack.starts_with("ACK sip:dave@192.0.2.70 SIP/2.0\r\n"));
    assert_eq!(value(&ack, "CSeq"), Some("1 ACK"));
    dialog.invite.acknowledged(ack.as_bytes());
    let Ok(Heard::Repeated(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not repeated") };
    assert_eq!(dialog.invite.ack_again(1), Some(ack.as_bytes()));
    assert_eq!((dialog.invite.ack_again(2), dialog.invite.ack_owed()), (None, None));
    // A later INVITE does not take it away: the first 2xx may still come again.
    dialog.invite.sent(2).unwrap();
    dialog.invite.handle_final(2, code(200));
    dialog.invite.acknowledged(b"ACK 2");
    assert_eq!(dialog.invite.ack_again(1), Some(ack.as_bytes()));
    assert_eq!(dialog.invite.ack_again(2), Some(&b"ACK 2"[..]));
}

#[test]
fn a_second_2xx_of_another_fork_is_given_to_be_ended() {
    let mut invitation = sent();
    assert!(matches!(invitation.handle_response(&response(&reply(200, 1, "d1", CONTACT))), Ok(Heard::Answered(_))));
    let other = reply(200, 1, "d2", "Contact: <sip:dave@192.0.2.99>\n");
    for _ in 0..2 {
        let Ok(Heard::Surplus(mut dialog)) = invitation.handle_response(&response(&other)) else { panic!("not surplus") };
        let branch = branch();
        let ack = written(|out| dialog.ack(out, 1, &hop(&branch)).end());
        assert!(ack.starts_with("ACK sip:dave@192.0.2.99 SIP/2.0\r\n"));
        assert_eq!(value(&ack, "To"), Some("<sip:dave@example.com>;tag=d2"));
        let bye = written(|out| dialog.request(out, crate::message::Method::Bye, &hop(&branch)).end());
        assert_eq!(value(&bye, "CSeq"), Some("2 BYE"));
    }
    assert_eq!(invitation.dialog().unwrap().remote_tag(), Some("d1"));
}

#[test]
fn an_answer_without_ringing_makes_its_dialog() {
    let mut invitation = sent();
    invitation.offered();
    let answer = reply(200, 1, "d1", CONTACT);
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not answered") };
    assert_eq!(dialog.role(), Role::Uac);
    assert_eq!(dialog.local_cseq(), 1);
}

#[test]
fn a_180_without_contact_is_reached_where_the_invite_went() {
    let mut invitation = sent();
    let ringing = reply(180, 1, "d1", "");
    assert!(
        matches!(invitation.handle_response(&response(&ringing)), Ok(Heard::Early(dialog)) if dialog.target() == "sip:dave@192.0.2.50:5062")
    );
}

#[test]
fn a_failure_ends_all_early_dialogs() {
    // RFC 3261 §13.2.2.3
    let mut invitation = sent();
    assert!(matches!(invitation.handle_response(&response(&reply(180, 1, "d1", CONTACT))), Ok(Heard::Early(_))));
    assert!(matches!(invitation.handle_response(&response(&reply(486, 1, "d1", ""))), Ok(Heard::NoDialog)));
    assert!(invitation.dialogs_mut().all(|dialog| dialog.state() == DialogState::Terminated));
    assert!(invitation.into_dialog().is_none());
}

#[test]
fn forks_are_bounded_and_the_answer_of_one_too_many_still_counts() {
    let mut invitation = sent();
    for number in 0..100 {
        let ringing = reply(180, 1, &format!("d{number}"), CONTACT);
        let heard = invitation.handle_response(&response(&ringing)).unwrap();
        assert_eq!(matches!(heard, Heard::Early(_)), number < FORKS_MAX);
    }
    let answer = reply(200, 1, "d99", CONTACT);
    assert!(matches!(invitation.handle_response(&response(&answer)), Ok(Heard::Answered(_))));
    assert_eq!(invitation.dialogs_mut().count(), FORKS_MAX + 1);
    assert!(matches!(invitation.handle_response(&response(&answer)), Ok(Heard::Repeated(_))));
}

#[test]
fn the_offer_is_open_in_every_fork_by_itself() {
    let mut invitation = invitation();
    invitation.offered();
    let branch = branch();
    written(|out| invitation.request(out, &hop(&branch)).end());
    let progress = reply(183, 1, "d1", CONTACT);
    let Ok(Heard::Early(first)) = invitation.handle_response(&response(&progress)) else { panic!("not early") };
    assert_eq!(first.negotiation.description_received(false), Answer::New);
    let progress = reply(183, 1, "d2", CONTACT);
    let Ok(Heard::Early(second)) = invitation.handle_response(&response(&progress)) else { panic!("not early") };
    assert_eq!(second.negotiation.description_received(false), Answer::New);
    let answer = reply(200, 1, "d2", CONTACT);
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not answered") };
    assert_eq!(dialog.negotiation.description_received(true), Answer::Repeated);
    assert!(dialog.negotiation.may_offer());
}
