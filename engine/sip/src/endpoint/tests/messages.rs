//! MESSAGE by the domain's policy, and requests that belong to no dialog.

use super::*;
use crate::api::{Originate, Party, Policy, TextMessage};

fn message(branch: &str, cseq: u32, lines: &str, body: &str) -> String {
    request("MESSAGE", "sip:1001@example.com", branch, cseq, lines).replace("Content-Length: 0\r\n\r\n", "").to_owned()
        + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

fn told(bench: &mut Bench) -> Vec<TextMessage> {
    let events = std::mem::take(&mut bench.events);
    events.into_iter().filter_map(|event| if let Event::Message { message, .. } = event { Some(*message) } else { None }).collect()
}

fn take_messages(bench: &mut Bench) {
    let policy = Some(Policy { messages: true, ..Policy::default() });
    let update = Command::DirUpdate { domain: "example.com".into(), control: None, users: vec![], policy };
    bench.endpoint.command(update, bench.now).unwrap();
    bench.drain();
}

#[test]
fn a_message_is_refused_where_the_domain_does_not_want_it() {
    let mut bench = Bench::new();
    let answer = bench.ask(PHONE, &message("m1", 1, "", "hello"));
    assert_eq!(status(&answer), 405);
    assert!(!header_values(&answer, HeaderName::Allow).join(",").contains("MESSAGE"), "{answer}");
    assert!(told(&mut bench).is_empty());
}

#[test]
fn a_message_of_a_proven_user_is_told_once_and_answered_202() {
    let mut bench = Bench::new();
    take_messages(&mut bench);
    let challenge = bench.ask(PHONE, &message("m1", 1, "", "hello"));
    assert_eq!(status(&challenge), 401);
    let proof = bench.authorization(&challenge, "1000", "1234", "MESSAGE") + "Content-Type: text/plain;charset=utf-8\r\n";
    let text = message("m2", 2, &proof, "grüße");
    for _ in 0..2 {
        assert_eq!(status(&bench.ask(PHONE, &text)), 202, "a repeat gets the same answer");
    }
    let [message] = &told(&mut bench)[..] else { panic!("not told once") };
    assert_eq!((message.from.as_str(), message.to.as_str(), message.body.as_str()), ("1000", "1001", "grüße"));
    assert_eq!((message.contenttype.as_str(), message.authenticated), ("text/plain;charset=utf-8", true));
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.layer.is_empty());
}

#[test]
fn a_message_too_long_is_refused() {
    let mut bench = Bench::new();
    take_messages(&mut bench);
    let challenge = bench.ask(PHONE, &message("m1", 1, "", "hello"));
    let proof = bench.authorization(&challenge, "1000", "1234", "MESSAGE");
    assert_eq!(status(&bench.ask(PHONE, &message("m2", 2, &proof, &"x".repeat(8193)))), 413);
    assert!(told(&mut bench).is_empty());
}

#[test]
fn requests_of_dialogs_that_are_not_here_are_told_so() {
    let mut bench = Bench::new();
    let at_us = "sip:1001@example.com";
    for (method, lines, expected) in [
        ("INFO", "", 481),
        ("BYE", "", 481),
        ("UPDATE", "", 481),
        ("PRACK", "RAck: 1 1 INVITE\r\n", 481),
        ("NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", 481),
        ("REFER", "Refer-To: <sip:1000@example.com>\r\n", 403),
    ] {
        assert_eq!(status(&bench.ask(PHONE, &request(method, at_us, method, 1, lines))), expected, "{method}");
        let within = request(method, at_us, &format!("{method}t"), 2, lines)
            .replace("To: <sip:1000@example.com>", "To: <sip:1000@example.com>;tag=x");
        assert_eq!(status(&bench.ask(PHONE, &within)), 481, "{method} in a dialog that is not here");
    }
}

#[test]
fn allow_names_message_where_it_is_taken() {
    let options = |branch: &str, uri: &str| {
        request("OPTIONS", uri, branch, 1, "").replace("From: <sip:1000@example.com>", "From: <sip:x@elsewhere.example>")
    };
    for takes in [false, true] {
        let mut bench = Bench::new();
        if takes {
            take_messages(&mut bench);
        }
        let names = |text: &str| header_values(text, HeaderName::Allow).join(",").contains("MESSAGE");
        let answer = bench.ask(PHONE, &options("o1", "sip:1001@example.com"));
        assert_eq!((status(&answer), names(&answer)), (200, takes), "{answer}");
        let answer = bench.ask(PHONE, &options("o2", "sip:192.0.2.100"));
        assert_eq!((status(&answer), names(&answer)), (200, false), "{answer}");
        let unknown = bench.ask(PHONE, &request("FETCH", "sip:1001@example.com", "f", 1, ""));
        assert_eq!((status(&unknown), names(&unknown)), (501, takes), "{unknown}");
        let to = Party { user: "+44".into(), domain: Some("192.0.2.50".into()), ..Party::default() };
        let (_, invite) = bench.call_out(Originate { to, ..super::calls::wish() });
        assert_eq!(names(&invite), takes, "{invite}");
    }
}
