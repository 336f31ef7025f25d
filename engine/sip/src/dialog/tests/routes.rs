//! Route set: order, loose and strict, what a request line may hold.

use super::*;
use crate::message::Method;

const CONTACT: &str = "Contact: <sip:dave@192.0.2.70>\n";

fn bye(dialog: &mut Dialog) -> String {
    let branch = branch();
    written(|out| dialog.request(out, Method::Bye, &hop(&branch)).end())
}

fn called_by(record_route: &str) -> Dialog {
    uas(&incoming(record_route))
}

fn answered_with(record_route: &str) -> Dialog {
    let mut invitation = invitation();
    let branch = branch();
    written(|out| invitation.request(out, &hop(&branch)).end());
    let answer = reply(200, 1, "d1", &format!("{record_route}{CONTACT}"));
    assert!(matches!(invitation.handle_response(&response(&answer)), Ok(Heard::Answered(_))));
    invitation.into_dialog().unwrap()
}

#[test]
fn the_called_side_takes_record_route_in_order() {
    // RFC 3261 §12.1.1
    let mut dialog = called_by("Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\nRecord-Route: <sip:p3.example.com;lr>\n");
    assert_eq!(dialog.next_hop(), "sip:p1.example.com;lr");
    let bye = bye(&mut dialog);
    assert!(bye.starts_with("BYE sip:alice@192.0.2.50:5062 SIP/2.0\r\n"));
    assert_eq!(value(&bye, "Route"), Some("<sip:p1.example.com;lr>, <sip:p2.example.com;lr>, <sip:p3.example.com;lr>"));
}

#[test]
fn the_calling_side_takes_record_route_in_reverse() {
    // RFC 3261 §12.1.2
    let mut dialog =
        answered_with("Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\nRecord-Route: <sip:p3.example.com;lr>\n");
    assert_eq!(dialog.next_hop(), "sip:p3.example.com;lr");
    let bye = bye(&mut dialog);
    assert!(bye.starts_with("BYE sip:dave@192.0.2.70 SIP/2.0\r\n"));
    assert_eq!(value(&bye, "Route"), Some("<sip:p3.example.com;lr>, <sip:p2.example.com;lr>, <sip:p1.example.com;lr>"));
}

#[test]
fn a_strict_router_takes_the_request_line_and_the_target_goes_last() {
    // The example of RFC 3261 §12.2.1.1.
    let mut dialog = called_by("Record-Route: <sip:proxy1>, <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>\n");
    let bye = bye(&mut dialog);
    assert!(bye.starts_with("BYE sip:proxy1 SIP/2.0\r\n"), "{bye}");
    assert_eq!(value(&bye, "Route"), Some("<sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>, <sip:alice@192.0.2.50:5062>"));
    assert_eq!(dialog.next_hop(), "sip:proxy1");
}

#[test]
fn a_lone_strict_router_leaves_only_the_target_in_route() {
    let mut dialog = called_by("Record-Route: <sip:proxy1>\n");
    let bye = bye(&mut dialog);
    assert!(bye.starts_with("BYE sip:proxy1 SIP/2.0\r\n"));
    assert_eq!(value(&bye, "Route"), Some("<sip:alice@192.0.2.50:5062>"));
}

#[test]
fn without_proxies_there_is_no_route() {
    let mut dialog = called_by("");
    assert!(dialog.routes().is_empty());
    assert_eq!(dialog.next_hop(), "sip:alice@192.0.2.50:5062");
    assert_eq!(value(&bye(&mut dialog), "Route"), None);
}

#[test]
fn the_request_line_holds_no_headers_and_no_method() {
    // RFC 3261 §19.1.1, table 1.
    let mut dialog = called_by("");
    let update = String::from_utf8(incoming(""))
        .unwrap()
        .replace("<sip:alice@192.0.2.50:5062>", "<sip:al@192.0.2.9:5070;transport=udp;method=BYE;x?Subject=a>");
    dialog.refresh_target(request(update.as_bytes()).headers());
    assert_eq!(dialog.target(), "sip:al@192.0.2.9:5070;transport=udp;x");
}

#[test]
fn the_answer_replaces_the_route_of_the_early_dialog() {
    // RFC 3261 §13.2.2.4
    let mut invitation = invitation();
    let branch = branch();
    written(|out| invitation.request(out, &hop(&branch)).end());
    let ringing = reply(180, 1, "d1", &format!("Record-Route: <sip:old;lr>\n{CONTACT}"));
    assert!(matches!(invitation.handle_response(&response(&ringing)), Ok(Heard::Early(dialog)) if dialog.next_hop() == "sip:old;lr"));
    let answer = reply(200, 1, "d1", "Record-Route: <sip:new;lr>\nContact: <sip:dave@192.0.2.71>\n");
    let Ok(Heard::Answered(dialog)) = invitation.handle_response(&response(&answer)) else { panic!("not answered") };
    assert_eq!((dialog.next_hop(), dialog.target(), dialog.state()), ("sip:new;lr", "sip:dave@192.0.2.71", DialogState::Confirmed));
}

#[test]
fn a_route_that_cannot_be_read_makes_no_dialog() {
    let invite = incoming("Record-Route: nonsense\n");
    let refused = Dialog::uas(&request(&invite), "b1", "<sip:192.0.2.1>").unwrap_err();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn a_route_of_any_length_is_bounded() {
    let long_names = format!("Record-Route: <sip:{}.example.com;lr>\n", "a".repeat(100)).repeat(69);
    let many = format!("Record-Route: {}<sip:p;lr>\n", "<sip:p;lr>,".repeat(5000));
    for (route, expected) in [(long_names, "TooLarge"), (many, "RouteTooLong")] {
        let invite = incoming(&route);
        let refused = Dialog::uas(&request(&invite), "b1", "<sip:192.0.2.1>").unwrap_err();
        assert!(format!("{refused:?}").starts_with(expected), "{refused:?}");
        assert_eq!(refused.status(), StatusCode::MESSAGE_TOO_LARGE);
        let mut invitation = invitation();
        let branch = branch();
        written(|out| invitation.request(out, &hop(&branch)).end());
        let answer = reply(200, 1, "d1", &format!("{route}{CONTACT}"));
        let refused = invitation.handle_response(&response(&answer)).unwrap_err();
        assert!(format!("{refused:?}").starts_with(expected), "{refused:?}");
    }
}
