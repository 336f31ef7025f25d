//! Sources that only fail, scanners, and a server that is late.

use super::*;

fn options(n: u32) -> String {
    request("REGISTER", "sip:nowhere.example", &n.to_string(), 1, "")
        .replace("@example.com", "@nowhere.example")
        .replace("call-1@", &format!("call-{n}@"))
}

#[test]
fn a_source_that_looks_for_domains_is_not_answered_any_more_and_others_are() {
    let mut bench = Bench::new();
    for n in 0..2000 {
        bench.receive("198.51.100.66:5060", &options(n));
    }
    assert_eq!(bench.sent.len(), 1000, "then silence");
    let offence = bench.endpoint.poll_offence().unwrap();
    assert_eq!((offence.source, offence.fault.word()), ("198.51.100.66".parse().unwrap(), "refused"));
    assert_eq!(bench.endpoint.poll_offence(), None);
    assert_eq!(status(&bench.ask(PHONE, &options(1))), 404);
    let proof = "Authorization: Digest username=\"1000\", realm=\"example.com\", nonce=\"n\", uri=\"sip:example.com\", response=\"0\"\r\n";
    let proving = request("REGISTER", "sip:example.com", "p", 1, proof);
    assert_eq!(status(&bench.ask("198.51.100.66:5060", &proving)), 401, "who has credentials is heard");
}

#[test]
fn a_scanner_gets_nothing_at_all() {
    let mut bench = Bench::new();
    bench.sent.clear();
    bench.receive("198.51.100.66:5060", &request("OPTIONS", "sip:example.com", "o", 1, "User-Agent: friendly-scanner\r\n"));
    assert!(bench.sent.is_empty());
    assert_eq!(bench.endpoint.poll_offence().map(|offence| offence.fault.word()), Some("scanner"));
}

#[test]
fn a_late_server_answers_503_to_register_first_and_never_in_a_dialog() {
    let mut bench = Bench::new();
    let late = |bench: &mut Bench, ms| (0..2).for_each(|_| bench.endpoint.handle_lag(Duration::from_millis(ms), bench.now));
    late(&mut bench, 300);
    let refused = bench.ask(PHONE, &request("REGISTER", "sip:example.com", "r", 1, ""));
    assert!(status(&refused) == 503 && refused.contains("Retry-After: "), "{refused}");
    let invite = |branch: &str| request("INVITE", "sip:1001@example.com", branch, 1, "Contact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(status(&bench.ask(PHONE, &invite("i"))), 401);
    late(&mut bench, 1000);
    assert_eq!(status(&bench.ask(PHONE, &invite("j"))), 503);
    let bye = request("BYE", "sip:1001@example.com", "b", 1, "").replace("To: <sip:1000@example.com>", "To: <sip:1000@example.com>;tag=x");
    assert_eq!(status(&bench.ask(PHONE, &bye)), 481, "what ends a call is heard");
    bench.now += Duration::from_secs(3);
    assert_eq!(status(&bench.ask(PHONE, &request("REGISTER", "sip:example.com", "s", 2, ""))), 401);
}
