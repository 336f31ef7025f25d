//! Reliable provisional responses, early media and UPDATE while a call rings: both roles.

use super::calls::{AT_PHONE, Caller, SDP, answer, as_request, sdp, wish};
use super::*;
use crate::api::{Action, EventKind, Originate};
use crate::message::StatusCode;
use crate::sdp::Sdp;

const RELIABLE: &str = "Supported: 100rel\r\n";
const AT_US: &str = "sip:1001@192.0.2.100:5060";

fn other() -> Sdp {
    Sdp::parse(&SDP.replace("4000", "4010")).unwrap()
}

/// A caller that can take reliable responses, and our first 183 to it.
fn progress(lines: &str, body: &str) -> (Bench, Caller, String) {
    let mut bench = Bench::new();
    let mut caller = bench.call_in_with("c1", lines, body);
    bench.act("c1", Action::Progress { sdp: sdp() }).unwrap();
    let progress = bench.only();
    caller.to = response(&progress).to().to_string();
    bench.snapshots();
    (bench, caller, progress)
}

fn rseq(text: &str) -> u32 {
    header_values(text, HeaderName::RSeq)[0].parse().unwrap()
}

fn prack(caller: &mut Caller, text: &str, body: &str) -> String {
    let cseq = response(text).cseq().number;
    let lines = format!("RAck: {} {cseq} INVITE\r\n", rseq(text));
    caller.cseq = caller.cseq.max(cseq);
    caller.next("PRACK", AT_US, &lines, body)
}

#[test]
fn a_183_with_a_description_is_reliable_and_the_200_waits_for_its_prack() {
    let (mut bench, mut caller, first) = progress(RELIABLE, SDP);
    assert!(first.contains("Require: 100rel\r\n") && (1..1 << 30).contains(&rseq(&first)), "{first}");
    bench.act("c1", Action::Ring { alertinfo: None, sdp: None }).unwrap();
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    assert!(bench.texts().is_empty(), "RFC 3262 §3: nothing before the PRACK");
    bench.run(Duration::from_millis(600));
    assert_eq!(bench.only(), first, "again after T1");
    let wrong = prack(&mut caller, &first, "").replace("RAck: ", "RAck: 1");
    assert_eq!(status(&bench.ask(PHONE, &wrong)), 481);
    let right = prack(&mut caller, &first, "");
    bench.receive(PHONE, &right);
    let answers = bench.texts();
    let codes: Vec<u16> = answers.iter().map(|text| status(text)).collect();
    assert_eq!(codes, [200, 200], "of the PRACK, and the answer, which makes the ringing idle: {answers:#?}");
    assert!(answers[1].ends_with("\r\n\r\n") && !answers[1].contains("m=audio"), "the answer is agreed already");
    bench.receive(PHONE, &caller.write("ACK", AT_US, 2, "ack", "", ""));
    let told = bench.snapshots().pop().unwrap();
    assert_eq!((told.event, told.sdp_us, told.sdp_them), (EventKind::Answered, Some(sdp().into()), Some(sdp().into())));
}

#[test]
fn who_requires_100rel_gets_every_ringing_reliably_one_after_the_other() {
    let mut bench = Bench::new();
    let mut caller = bench.call_in_with("c1", "Require: 100rel\r\n", SDP);
    bench.act("c1", Action::Ring { alertinfo: None, sdp: None }).unwrap();
    let ringing = bench.only();
    caller.to = response(&ringing).to().to_string();
    bench.act("c1", Action::Progress { sdp: sdp() }).unwrap();
    assert!(bench.texts().is_empty());
    bench.receive(PHONE, &prack(&mut caller, &ringing, ""));
    let texts = bench.texts();
    assert_eq!((status(&texts[0]), status(&texts[1]), rseq(&texts[1])), (200, 183, rseq(&ringing) + 1));
    // Nobody acknowledges that one.
    bench.run(Duration::from_secs(33));
    let texts = bench.texts();
    assert_eq!(texts.iter().filter(|text| text.starts_with("SIP/2.0 183")).count(), 6);
    assert!(texts.iter().any(|text| text.starts_with("SIP/2.0 504")));
    assert_eq!(bench.snapshots().pop().unwrap().error.0, 504);
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn a_2xx_may_overtake_a_reliable_ringing_whose_prack_is_still_answered() {
    let mut bench = Bench::new();
    let mut caller = bench.call_in_with("c1", "Require: 100rel\r\n", SDP);
    bench.act("c1", Action::Ring { alertinfo: None, sdp: None }).unwrap();
    let ringing = bench.only();
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    assert!(bench.only().contains("m=audio"), "no description waits, so the 200 goes");
    caller.to = response(&ringing).to().to_string();
    assert_eq!(status(&bench.ask(PHONE, &prack(&mut caller, &ringing, ""))), 200);
}

#[test]
fn a_late_offer_is_made_in_a_reliable_183_and_answered_in_the_prack() {
    let (mut bench, mut caller, first) = progress(RELIABLE, "");
    assert!(first.contains("m=audio 4000"));
    assert_eq!(status(&bench.ask(PHONE, &prack(&mut caller, &first, &other().to_string()))), 200);
    let told = bench.snapshots().pop().unwrap();
    assert_eq!((told.event, told.sdp_them), (EventKind::Progress, Some(other().into())));
    bench.act("c1", Action::Answer { sdp: Some(sdp()) }).unwrap();
    assert!(!bench.only().contains("m=audio"), "agreed");
}

#[test]
fn an_update_changes_early_media_both_ways() {
    let (mut bench, mut caller, first) = progress(RELIABLE, SDP);
    let busy = bench.act("c1", Action::Update { sdp: Some(sdp()) });
    assert_eq!(busy, Ok(Reply::Done), "the answer is out reliably");
    let ours = bench.only();
    bench.receive(PHONE, &prack(&mut caller, &first, ""));
    bench.receive(PHONE, &answer(&ours, StatusCode::OK, &[], &other().to_string()).replace("tag=phone", "tag=f1"));
    bench.sent.clear();
    let told = bench.snapshots().pop().unwrap();
    assert_eq!((told.event, told.sdp_them), (EventKind::Progress, Some(other().into())));
    bench.receive(PHONE, &caller.next("UPDATE", AT_US, "", &format!("{SDP}a=sendonly\r\n")));
    assert_eq!(bench.kinds(), [EventKind::Hold]);
    bench.act("c1", Action::Ok { sdp: Some(sdp()) }).unwrap();
    let ok = bench.only();
    assert!(status(&ok) == 200 && ok.contains("CSeq: ") && ok.contains(" UPDATE") && ok.contains("m=audio"), "{ok}");
    bench.act("c1", Action::Answer { sdp: None }).unwrap();
    assert_eq!(status(&bench.only()), 200);
}

#[test]
fn an_update_before_the_answer_is_refused() {
    let mut bench = Bench::new();
    let mut caller = bench.call_in("c1", SDP);
    bench.act("c1", Action::Ring { alertinfo: None, sdp: None }).unwrap();
    caller.to = response(&bench.only()).to().to_string();
    let refused = bench.ask(PHONE, &caller.next("UPDATE", AT_US, "", SDP));
    assert!(status(&refused) == 500 && refused.contains("Retry-After: "), "{refused}");
    assert!(matches!(bench.act("c1", Action::Update { sdp: Some(sdp()) }), Err(CommandError::WrongState(_))));
}

#[test]
fn early_media_stops_the_set_up_timer_but_not_for_ever() {
    let (mut bench, _, _) = progress("", SDP);
    bench.run(Duration::from_secs(600));
    assert!(bench.kinds().is_empty());
    bench.run(Duration::from_secs(3100));
    assert_eq!(bench.kinds(), [EventKind::Hangup]);
}

/// A call of ours and its reliable 183.
fn called(sdp_us: Option<Sdp>, body: &str) -> (Bench, String, String) {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(Originate { sdp: sdp_us, ..wish() });
    let reliable = [AT_PHONE, ("Require", "100rel"), ("RSeq", "7"), ("Allow", "UPDATE")];
    bench.receive(PHONE, &answer(&invite, StatusCode::SESSION_PROGRESS, &reliable, body));
    (bench, callid, invite)
}

#[test]
fn a_reliable_183_gets_its_prack_once_and_the_next_one_in_order() {
    let (mut bench, callid, invite) = called(Some(sdp()), &other().to_string());
    let prack = bench.only();
    assert!(prack.starts_with("PRACK sip:1001@10.0.0.8:5060 ") && prack.contains("RAck: 7 1 INVITE\r\n"), "{prack}");
    assert!(prack.contains("CSeq: 2 PRACK") && prack.contains("tag=phone"));
    let reliable = |rseq: &'static str| [AT_PHONE, ("Require", "100rel"), ("RSeq", rseq)];
    for old in ["7", "9"] {
        bench.receive(PHONE, &answer(&invite, StatusCode::RINGING, &reliable(old), ""));
        assert!(bench.texts().is_empty(), "{old}: a repeat, and one before its turn");
    }
    bench.receive(PHONE, &answer(&invite, StatusCode::RINGING, &reliable("8"), ""));
    assert!(bench.only().contains("RAck: 8 1 INVITE\r\n"));
    assert_eq!(bench.kinds(), [EventKind::New, EventKind::Progress, EventKind::Ringing], "180 after 183 is told");
    // What was agreed stands, whatever the 200 says again (RFC 3262 §5).
    bench.act(&callid, Action::Update { sdp: Some(sdp()) }).unwrap();
    let update = bench.only();
    assert!(update.starts_with("UPDATE "), "{update}");
    bench.receive(PHONE, &answer(&update, StatusCode::OK, &[AT_PHONE], SDP));
    bench.receive(PHONE, &answer(&prack, StatusCode::OK, &[], ""));
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], &other().to_string()));
    let told = bench.snapshots().pop().unwrap();
    assert_eq!((told.event, told.sdp_them), (EventKind::Answered, Some(sdp().into())));
    assert!(bench.only().starts_with("ACK "));
    bench.hangup(&callid);
    let bye = bench.only();
    assert_eq!(as_request(&bye).cseq().number, 5, "after two PRACKs and an UPDATE");
}

#[test]
fn the_offer_of_a_reliable_183_is_answered_by_control_in_the_prack() {
    let (mut bench, callid, invite) = called(None, SDP);
    assert!(bench.texts().is_empty());
    assert_eq!(bench.snapshots().pop().unwrap().sdp_them, Some(sdp().into()));
    bench.act(&callid, Action::Ack { sdp: other() }).unwrap();
    let prack = bench.only();
    assert!(prack.starts_with("PRACK ") && prack.contains("m=audio 4010"), "{prack}");
    assert!(matches!(bench.act(&callid, Action::Ack { sdp: other() }), Err(CommandError::WrongState(_))));
    bench.receive(PHONE, &answer(&prack, StatusCode::OK, &[], ""));
    bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], ""));
    assert!(bench.only().starts_with("ACK "), "no answer is owed any more");
    // Control that forgets it has no call.
    let (mut bench, _, _) = called(None, SDP);
    bench.run(Duration::from_secs(21));
    assert!(bench.only_fresh().starts_with("CANCEL "));
    assert_eq!(bench.snapshots().pop().unwrap().error.0, 408);
}

/// A call of ours whose reliable 183 was followed by an UPDATE of theirs, and its INVITE.
fn updated() -> (Bench, String) {
    let (mut bench, callid, invite) = called(Some(sdp()), SDP);
    bench.texts();
    bench.snapshots();
    let request = as_request(&invite);
    let update = format!(
        "UPDATE {AT_US} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKu1\r\nFrom: {};tag=phone\r\nTo: {}\r\nCall-ID: {callid}\r\n\
         CSeq: 1 UPDATE\r\nContact: <sip:1001@10.0.0.8:5060>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}",
        request.to(),
        request.from(),
        other().to_string().len(),
        other()
    );
    bench.receive(PHONE, &update);
    (bench, invite)
}

#[test]
fn an_update_of_a_phone_that_rings_is_told_and_answered() {
    let (mut bench, _) = updated();
    assert_eq!(bench.snapshots().pop().unwrap().sdp_them, Some(other().into()));
    bench.run(Duration::from_secs(6));
    let ok = bench.fresh().pop().unwrap();
    assert!(status(&ok) == 200 && ok.contains("m=audio 4000"), "control was silent, so what we said stands: {ok}");
}

#[test]
fn an_update_is_answered_481_when_its_early_dialog_ends_because_the_invite_goes_again() {
    let (mut bench, invite) = updated();
    bench.receive(PHONE, &answer(&invite, StatusCode::SESSION_INTERVAL_TOO_SMALL, &[AT_PHONE, ("Min-SE", "3000")], ""));
    let sent = bench.texts();
    assert!(sent.iter().any(|text| text.starts_with("INVITE ") && text.contains("Min-SE: 3000")), "{sent:?}");
    assert!(sent.iter().any(|text| text.starts_with("SIP/2.0 481 ") && text.contains("CSeq: 1 UPDATE")), "{sent:?}");
    let callid = as_request(&invite).call_id().to_owned();
    assert!(matches!(bench.act(&callid, Action::Ok { sdp: None }), Err(CommandError::WrongState(_))));
    bench.hangup(&callid);
    bench.run(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn a_provisional_response_goes_again_every_minute_while_nobody_answers() {
    let (mut bench, _, first) = progress("", SDP);
    bench.run(Duration::from_secs(185));
    assert_eq!(bench.texts(), [first.clone(), first.clone(), first], "RFC 3261 §13.3.1.1");
}
