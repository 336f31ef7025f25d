//! The turn of the control servers, in virtual time.

use sip::api::EventKind;

use super::tests::{A, B, Bench, OK, call, to};
use super::*;

#[test]
fn controls_take_turns_under_the_common_bound() {
    let config = EventConfig { in_flight_max: 4, in_flight_per_control: 3, ..EventConfig::default() };
    let mut bench = Bench::new(config);
    for n in 0..10 {
        bench.event(to(A, call(&format!("a{n}"), 1, EventKind::New)));
    }
    for n in 0..10 {
        bench.event(to(B, call(&format!("b{n}"), 1, EventKind::New)));
    }
    let mut order = String::new();
    while let Some(delivery) = bench.sent.first() {
        order.push(if delivery.url.starts_with(A) && !delivery.url.starts_with(B) { 'a' } else { 'b' });
        bench.end(OK);
    }
    assert_eq!(order.len(), 20);
    assert!(!order[3..16].contains("aaa") && !order[3..16].contains("bbb"), "{order}");
    bench.assert_empty();
}

#[test]
fn a_control_in_the_place_of_one_that_left_waiting_has_one_turn() {
    const C: &str = "http://127.0.0.1:9003";
    let mut bench = Bench::new(EventConfig { in_flight_max: 1, ..EventConfig::default() });
    bench.event(to(C, call("c", 1, EventKind::New)));
    bench.event(to(A, call("a", 1, EventKind::New)));
    assert!(bench.pass());
    assert_eq!((bench.failed.as_slice(), bench.queue.lanes()), (&["a".to_owned()][..], 1), "it never had its turn");
    for (control, callid) in [(B, "b1"), (B, "b2"), (A, "a")] {
        bench.event(to(control, call(callid, 1, EventKind::New)));
    }
    let mut order = Vec::new();
    while let Some(delivery) = bench.sent.first() {
        assert_eq!(bench.sent.len(), 1);
        order.push(delivery.url.clone());
        bench.end(OK);
    }
    let paths = [(C, "c"), (B, "b1"), (A, "a"), (B, "b2")].map(|(control, callid)| format!("{control}/dialog/{callid}"));
    assert_eq!(order, paths, "in turn");
    bench.assert_empty();
}

#[test]
fn a_dead_control_is_asked_by_one_request_at_a_time_until_it_answers() {
    let mut bench = Bench::new(EventConfig::default());
    for n in 0..100 {
        bench.event(to(A, call(&format!("c{n}"), 9, EventKind::Hangup)));
    }
    for _ in 0..32 {
        bench.end(Outcome::Unreachable);
    }
    assert_eq!(bench.sent.len(), 7, "one for each of the first failures, then none while others are under way");
    while bench.sent.len() > 1 {
        bench.end(Outcome::Unreachable);
    }
    bench.end(OK);
    assert_eq!(bench.sent.len(), 32);
}
