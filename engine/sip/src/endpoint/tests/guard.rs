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
    // Neither a header that nobody reads, nor a realm that is none of ours, nor a nonce that we never gave.
    for proof in
        ["Basic x", "Digest", &digest("elsewhere", &"0".repeat(64)), &digest("example.com", "n"), &digest("example.com", &"0".repeat(64))]
    {
        let proving = request("REGISTER", "sip:example.com", "p", 1, &format!("Authorization: {proof}\r\n"));
        assert_eq!(bench.answers("198.51.100.66:5060", &proving), [0; 0], "{proof}");
    }
    let challenge = bench.ask(PHONE, &request("REGISTER", "sip:example.com", "n", 1, ""));
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let proving = request("REGISTER", "sip:example.com", "q", 1, &format!("Authorization: {}\r\n", digest("Example.com", nonce)));
    assert_eq!(bench.answers("198.51.100.66:5060", &proving), [401], "who answers a challenge of ours is heard");
}

fn digest(realm: &str, nonce: &str) -> String {
    format!("Digest username=\"1000\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:example.com\", response=\"0\"")
}

/// Brings a source into debt, in which it gets no answers.
fn exhaust(bench: &mut Bench, source: &str) {
    for n in 0..1000 {
        bench.receive(source, &options(n));
    }
    assert_eq!(bench.answers(source, &options(1)), [0; 0]);
}

const STRANGER: &str = "198.51.100.66:5060";

impl Bench {
    /// Statuses of what is answered.
    fn answers(&mut self, from: &str, text: &str) -> Vec<u16> {
        self.sent.clear();
        self.receive(from, text);
        self.texts().iter().map(|text| status(text)).collect()
    }
}

#[test]
fn a_tag_that_is_none_of_ours_does_not_get_round_the_budget_and_a_call_of_ours_does() {
    let mut bench = Bench::new();
    let mut caller = bench.talk_in("c1");
    exhaust(&mut bench, STRANGER);
    exhaust(&mut bench, PHONE);
    for method in ["BYE", "INVITE", "INFO", "SUBSCRIBE", "CANCEL", "OPTIONS"] {
        let tagged =
            request(method, "sip:1001@example.com", method, 9, "").replace("1000@example.com>\r\nCall", "1000@example.com>;tag=x\r\nCall");
        assert!(tagged.contains(";tag=x"));
        assert_eq!(bench.answers(STRANGER, &tagged), [0; 0], "{method}");
        let named = tagged.replace("Call-ID: call-1@phone", "Call-ID: c1");
        assert_eq!(bench.answers(STRANGER, &named), [0; 0], "{method}: the Call-ID alone is not the call");
        let scan = named.replace("Max-Forwards", "User-Agent: sipvicious\r\nMax-Forwards").replace("z9hG4bK", "z9hG4bKs");
        assert_eq!(bench.answers("198.51.100.67:5060", &scan), [0; 0], "{method}");
    }
    assert_eq!(bench.answers(PHONE, &caller.next("INFO", "sip:1001@192.0.2.100:5060", "", "")), [200]);
    assert_eq!(bench.answers(PHONE, &caller.next("BYE", "sip:1001@192.0.2.100:5060", "", "")), [200]);
}

#[test]
fn what_cannot_be_read_is_charged_and_in_debt_not_answered() {
    let mut bench = Bench::new();
    let broken = |n: u32| options(n).replace("CSeq: 1 REGISTER", "CSeq: x");
    let answered = |bench: &mut Bench, from, n| {
        bench.sent.clear();
        bench.receive(from, &broken(n));
        bench.texts().iter().filter(|text| text.starts_with("SIP/2.0 400")).count()
    };
    assert_eq!((0..1200).map(|n| answered(&mut bench, STRANGER, n)).sum::<usize>(), 1000, "then silence");
    assert_eq!(bench.endpoint.poll_offence().map(|offence| offence.fault.word()), Some("refused"));
    assert_eq!(answered(&mut bench, PHONE, 1), 1);
}

#[test]
fn a_guesser_in_debt_is_not_even_told_that_it_is_slowed() {
    let mut bench = Bench::new();
    let guess = |bench: &mut Bench, n: u32| {
        let challenge = bench.ask(PHONE, &request("REGISTER", "sip:example.com", &format!("n{n}"), 1, ""));
        let proof = bench.authorization(&challenge, "1000", "wrong", "REGISTER");
        bench.answers(STRANGER, &request("REGISTER", "sip:example.com", &format!("g{n}"), 1, &proof))
    };
    let answers: Vec<_> = (0..8).flat_map(|n| guess(&mut bench, n)).collect();
    assert_eq!(answers, [401, 401, 401, 401, 401, 401, 403, 403]);
    let faults: Vec<_> = std::iter::from_fn(|| bench.endpoint.poll_offence()).map(|offence| offence.fault.word()).collect();
    assert_eq!(
        faults,
        ["password", "password", "password", "password", "password", "password", "guessing"],
        "one line each, then one a minute"
    );
    exhaust(&mut bench, STRANGER);
    assert_eq!(guess(&mut bench, 9), [0; 0]);
}

#[test]
fn a_connection_that_brings_no_sip_is_charged() {
    let mut bench = Bench::new();
    for _ in 0..500 {
        bench.endpoint.handle_garbage("198.51.100.66".parse().unwrap(), bench.now);
    }
    assert_eq!(bench.answers(STRANGER, &options(1)), [0; 0]);
    assert_eq!(bench.endpoint.poll_offence().map(|offence| offence.fault.word()), Some("garbage"));
}

#[test]
fn trusted_networks_have_ten_times_the_budget_and_are_not_asked_for_a_password() {
    let mut bench = Bench::with(EndpointConfig { trusted: vec!["198.51.100.64/29".parse().unwrap()], ..config() });
    for n in 0..9000 {
        bench.receive(STRANGER, &options(n));
    }
    assert_eq!(bench.sent.len(), 9000);
    let invite = |branch: &str| request("INVITE", "sip:1001@example.com", branch, 1, "Contact: <sip:a@192.0.2.7>\r\n");
    assert_eq!(bench.answers(STRANGER, &invite("t")), [100]);
    assert_eq!(bench.answers("198.51.100.72:5060", &invite("u")), [482], "the same Call-ID; but it is heard");
    assert_eq!(bench.answers("198.51.100.72:5060", &invite("v").replace("call-1@", "call-2@")), [401], "the next network");
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
    let mut caller = bench.talk_in("c1");
    let register = |bench: &mut Bench, branch: &str| status(&bench.ask(PHONE, &request("REGISTER", "sip:example.com", branch, 1, "")));
    let invite = |bench: &mut Bench, branch: &str| {
        let text = request("INVITE", "sip:1001@example.com", branch, 1, "Contact: <sip:a@192.0.2.7>\r\n");
        status(&bench.ask(PHONE, &text))
    };
    let clock = |bench: &mut Bench, ms| bench.endpoint.handle_lag(Duration::from_millis(ms), bench.now);
    clock(&mut bench, 1000);
    assert_eq!(register(&mut bench, "a"), 401, "late once: the machine stood still");
    clock(&mut bench, 300);
    assert_eq!((register(&mut bench, "b"), invite(&mut bench, "c")), (503, 401));
    clock(&mut bench, 1000);
    clock(&mut bench, 1000);
    assert_eq!(invite(&mut bench, "d"), 503);
    assert_eq!(bench.answers(PHONE, &caller.next("INFO", "sip:1001@192.0.2.100:5060", "", "")), [200]);
    bench.now += Duration::from_secs(3);
    assert_eq!(register(&mut bench, "e"), 401, "nobody says so any more");

    // The worst socket counts, whichever was the last to tell.
    bench.endpoint.set_lag(ListenerId(1), Duration::from_millis(60));
    bench.endpoint.set_lag(ListenerId(0), Duration::ZERO);
    assert_eq!((register(&mut bench, "f"), invite(&mut bench, "g")), (503, 401));
    bench.endpoint.set_lag(ListenerId(1), Duration::from_millis(500));
    assert_eq!(invite(&mut bench, "h"), 503);
    bench.endpoint.set_lag(ListenerId(1), Duration::ZERO);
    assert_eq!((register(&mut bench, "i"), invite(&mut bench, "j")), (401, 401));
}

#[test]
fn who_has_to_come_later_is_spread_over_half_a_minute() {
    let mut bench = Bench::new();
    bench.endpoint.drain();
    let invite = |n: u32| request("INVITE", "sip:1001@example.com", &n.to_string(), 1, "Contact: <sip:a@192.0.2.7>\r\n");
    let mut waits: Vec<u32> = (0..400)
        .map(|n| {
            let refused = bench.ask(PHONE, &invite(n));
            assert_eq!(status(&refused), 503);
            header_values(&refused, HeaderName::RetryAfter)[0].parse().unwrap()
        })
        .collect();
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 20 && waits[0] >= 5 && *waits.last().unwrap() <= 30, "{waits:?}");
}

#[test]
fn a_table_full_of_answers_puts_off_what_begins_and_serves_calls() {
    let limits = crate::transaction::Limits { transactions: 80, bytes: 1 << 20 };
    let mut bench = Bench::with(EndpointConfig { limits, ..config() });
    let mut caller = bench.talk_in("c1");
    let call = bench.endpoint.layer.len();
    let at_us = "sip:1001@192.0.2.100:5060";
    for n in call..80 {
        assert_eq!(bench.answers(PHONE, &caller.next("INFO", at_us, "", "")), [200], "{n}");
    }
    let asked = |bench: &mut Bench, method| bench.answers(PHONE, &request(method, "sip:1001@example.com", &format!("x{method}"), 1, ""));
    for method in ["REGISTER", "OPTIONS", "INVITE"] {
        assert_eq!(asked(&mut bench, method), [503], "{method}");
    }
    assert_eq!(bench.answers(PHONE, &caller.next("INFO", at_us, "", "")), [200]);
    bench.hangup("c1");
    assert!(bench.only().starts_with("BYE "), "ours finds room too");
    assert_eq!(bench.endpoint.layer.len(), 80);
    bench.run(Duration::from_secs(40));
    assert_eq!((bench.endpoint.layer.len(), bench.endpoint.calls.len()), (0, 0));
    assert_eq!(asked(&mut bench, "OPTIONS"), [200]);
}
