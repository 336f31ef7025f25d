//! One call to several phones, and calls that are sent elsewhere.

use super::calls::{SDP, answer, as_request, wish};
use super::*;
use crate::api::{EventKind, Originate, Party};
use crate::message::StatusCode;

const DESK: &str = "192.0.2.8:5060";
const CELL: &str = "192.0.2.9:5060";

fn two_phones() -> (Bench, String, Vec<(SocketAddr, String)>) {
    let mut bench = Bench::new();
    bench.enrol_1001_at(DESK, "sip:desk@10.0.0.8");
    bench.enrol_1001_at(CELL, "sip:cell@10.0.0.9");
    let Ok(Reply::Originated(callid)) = bench.endpoint.command(Command::Originate(Box::new(wish())), bench.now) else { panic!() };
    bench.drain();
    let mut invites = std::mem::take(&mut bench.sent);
    invites.sort();
    assert_eq!(invites.len(), 2, "{invites:#?}");
    (bench, callid, invites)
}

fn tagged(text: &str, tag: &str) -> String {
    text.replace("tag=phone", &format!("tag={tag}"))
}

#[test]
fn all_contacts_ring_the_first_to_answer_wins_and_the_others_are_cancelled() {
    let (mut bench, callid, invites) = two_phones();
    assert!(invites[0].1.starts_with("INVITE sip:desk@10.0.0.8 ") && invites[1].1.starts_with("INVITE sip:cell@10.0.0.9 "));
    let names: Vec<_> = invites.iter().map(|(_, text)| (as_request(text).call_id(), as_request(text).from().tag)).collect();
    assert!(names[0] == names[1] && names[0].0 == callid, "one call: {names:?}");
    bench.receive(DESK, &tagged(&answer(&invites[0].1, StatusCode::RINGING, &[], ""), "desk"));
    bench.receive(CELL, &tagged(&answer(&invites[1].1, StatusCode::RINGING, &[], ""), "cell"));
    bench.receive(CELL, &tagged(&answer(&invites[1].1, StatusCode::OK, &[("Contact", "<sip:cell@10.0.0.9>")], SDP), "cell"));
    let sent = std::mem::take(&mut bench.sent);
    let (cancel, ack) = (sent.iter().find(|s| s.1.starts_with("CANCEL ")).unwrap(), sent.iter().find(|s| s.1.starts_with("ACK ")).unwrap());
    assert_eq!((cancel.0, ack.0, sent.len()), (DESK.parse().unwrap(), CELL.parse().unwrap(), 2), "{sent:#?}");
    assert!(cancel.1.contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"), "no missed call there: {}", cancel.1);
    assert_eq!(bench.kinds(), [EventKind::New, EventKind::Ringing, EventKind::Ringing, EventKind::Answered]);
    bench.receive(DESK, &answer(&cancel.1, StatusCode::OK, &[], ""));
    bench.receive(DESK, &tagged(&answer(&invites[0].1, StatusCode::REQUEST_TERMINATED, &[], ""), "desk"));
    assert!(bench.only().starts_with("ACK ") && bench.kinds().is_empty(), "what the other phone says is not of this call any more");
    bench.hangup(&callid);
    let bye = bench.sent.remove(0);
    assert!(bye.0 == CELL.parse().unwrap() && bye.1.starts_with("BYE sip:cell@"), "{bye:?}");
    bench.receive(CELL, &answer(&bye.1, StatusCode::OK, &[], ""));
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn a_second_phone_that_answers_in_spite_of_the_cancel_gets_ack_and_bye() {
    let (mut bench, _, invites) = two_phones();
    let ok = |at: usize, tag: &str| tagged(&answer(&invites[at].1, StatusCode::OK, &[("Contact", "<sip:p@10.0.0.9>")], SDP), tag);
    bench.receive(CELL, &ok(1, "cell"));
    bench.sent.clear();
    bench.receive(DESK, &ok(0, "desk"));
    let texts = bench.texts();
    assert!(texts[0].starts_with("ACK ") && texts[1].starts_with("BYE ") && texts[1].contains("tag=desk"), "{texts:#?}");
    assert_eq!(bench.kinds(), [EventKind::New, EventKind::Answered]);
    assert_eq!(bench.endpoint.calls.len(), 1);
}

#[test]
fn the_best_failure_of_all_phones_ends_the_call() {
    let (mut bench, _, invites) = two_phones();
    bench.receive(DESK, &answer(&invites[0].1, StatusCode::BUSY_HERE, &[], ""));
    assert_eq!(bench.kinds(), [EventKind::New], "the other one still rings");
    bench.run(Duration::from_secs(33));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 486));
    let (mut bench, _, invites) = two_phones();
    bench.receive(DESK, &answer(&invites[0].1, StatusCode::RINGING, &[], ""));
    bench.receive(CELL, &answer(&invites[1].1, StatusCode::DECLINE, &[], ""));
    assert!(bench.texts().iter().any(|text| text.starts_with("CANCEL ")), "603 speaks for the user");
    assert_eq!(bench.snapshots().pop().unwrap().error.0, 603);
    bench.run(Duration::from_secs(80));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn a_hang_up_cancels_every_phone() {
    let (mut bench, callid, invites) = two_phones();
    for (at, from) in [(0, DESK), (1, CELL)] {
        bench.receive(from, &answer(&invites[at].1, StatusCode::RINGING, &[], ""));
    }
    bench.hangup(&callid);
    let cancels = bench.texts();
    assert!(cancels.len() == 2 && cancels.iter().all(|text| text.starts_with("CANCEL ")), "{cancels:#?}");
    bench.receive(DESK, &answer(&invites[0].1, StatusCode::REQUEST_TERMINATED, &[], ""));
    assert!(!bench.endpoint.is_idle());
    bench.receive(CELL, &answer(&invites[1].1, StatusCode::REQUEST_TERMINATED, &[], ""));
    assert!(bench.endpoint.is_idle());
}

fn moved() -> [(&'static str, &'static str); 2] {
    [("Contact", "<sip:a@192.0.2.60>;q=0.5"), ("Contact", "<sip:b@192.0.2.61:5070>")]
}

fn wish_to(host: &str) -> Originate {
    Originate { to: Party { user: "+44".into(), domain: Some(host.into()), ..Party::default() }, ..wish() }
}

#[test]
fn a_302_is_reported_with_its_contacts_best_first() {
    let mut bench = Bench::new();
    let (_, invite) = bench.call_out(wish_to("192.0.2.50"));
    bench.receive("192.0.2.50:5060", &answer(&invite, StatusCode::MOVED_TEMPORARILY, &moved(), ""));
    assert!(bench.only().starts_with("ACK "));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 302));
    assert_eq!(end.contacts, ["sip:b@192.0.2.61:5070", "sip:a@192.0.2.60"]);
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_302_is_followed_if_control_asked_for_it_and_rings_end() {
    let mut bench = Bench::new();
    let (_, invite) = bench.call_out(Originate { follow: true, ..wish_to("192.0.2.50") });
    bench.receive("192.0.2.50:5060", &answer(&invite, StatusCode::MOVED_TEMPORARILY, &moved(), ""));
    let first = bench.sent.pop().unwrap();
    assert_eq!(first.0, "192.0.2.61:5070".parse().unwrap());
    let (old, new) = (as_request(&invite), as_request(&first.1));
    assert!(first.1.starts_with("INVITE sip:b@192.0.2.61:5070 ") && new.cseq().number == 2, "{}", first.1);
    assert_eq!((old.call_id(), old.from().tag, old.to().uri.as_str()), (new.call_id(), new.from().tag, new.to().uri.as_str()));
    bench.sent.clear();
    bench.receive("192.0.2.61:5070", &answer(&first.1, StatusCode::BUSY_HERE, &[], ""));
    let second = bench.sent.pop().unwrap();
    assert_eq!(second.0, "192.0.2.60:5060".parse().unwrap(), "the next best one");
    // It sends us back to where we were: nothing new, so that is the end.
    bench.receive("192.0.2.60:5060", &answer(&second.1, StatusCode::MOVED_TEMPORARILY, &moved(), ""));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 302));
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}
