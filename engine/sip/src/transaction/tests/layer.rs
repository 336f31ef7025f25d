//! The table of transactions: matching, repeats, limits, CANCEL.

use super::*;
use crate::flow::{Flow, ListenerId, Transport};
use crate::message::{Host, Method};
use crate::token::Branch;
use crate::transaction::slot::Slot;
use crate::transaction::{
    AcceptError, Cancels, Incoming, Layer, LayerOutput, Limits, Matched, NewRequest, RequestHead, ResponseHead, StartError, Timing,
    TransactionId, Work,
};

fn flow() -> Flow {
    Flow { listener: ListenerId(0), peer: "192.0.2.9:5060".parse().unwrap(), transport: Transport::Udp }
}

fn layer(clock: &sim::Clock, limits: Limits) -> Layer<u32> {
    Layer::new(limits, Timing::default(), [3; 32], clock.now())
}

fn head<'a>(method: &'a str, branch: &'a str) -> RequestHead<'a> {
    RequestHead {
        method: Method::parse(method).unwrap(),
        uri: "sip:b@example.com",
        host: Host::Name("phone.example.com"),
        port: None,
        branch: Some(branch),
        from_tag: Some("1"),
        to_tag: None,
        call_id: "c",
        cseq: 1,
    }
}

fn answer<'a>(status: u16, method: &'a str, branch: &'a Branch) -> ResponseHead<'a> {
    ResponseHead { status: code(status), branch: Some(branch.as_str()), method: Method::parse(method).unwrap(), to: "<sip:b>;tag=2" }
}

fn new_request(incoming: Incoming<u32>) -> NewRequest {
    match incoming {
        Incoming::New { request, .. } => request,
        Incoming::Ack { .. } | Incoming::Repeat => panic!("{incoming:?} is not new"),
    }
}

/// First words of all messages, and events.
fn outputs(layer: &mut Layer<u32>) -> Vec<String> {
    let mut said = vec![];
    loop {
        match layer.poll_output() {
            LayerOutput::Transmit { bytes, .. } => {
                said.push(String::from_utf8_lossy(bytes).split(' ').next().unwrap_or_default().to_string());
            }
            LayerOutput::Event { user, event, .. } => said.push(format!("{user} {event:?}")),
            LayerOutput::Wait(_) => return said,
        }
    }
}

fn wait(layer: &mut Layer<u32>) -> Option<Instant> {
    match layer.poll_output() {
        LayerOutput::Wait(at) => at,
        other => panic!("not drained: {other:?}"),
    }
}

/// Runs the layer's timers until nothing is left, and says what came out.
fn run_out(layer: &mut Layer<u32>, clock: &mut sim::Clock) -> Vec<String> {
    let mut said = outputs(layer);
    while let Some(at) = wait(layer) {
        layer.handle_timeout(clock.advance_to(at));
        said.extend(outputs(layer));
    }
    said
}

fn invite(layer: &mut Layer<u32>, clock: &sim::Clock, user: u32) -> (Branch, TransactionId) {
    let branch = layer.branch();
    let id = layer.request(Method::Invite, &branch, INVITE.to_vec(), flow(), user, clock.now()).unwrap();
    assert_eq!(outputs(layer), ["INVITE"]);
    (branch, id)
}

#[test]
fn a_repeated_request_gets_the_last_response_and_is_not_news() {
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let request = new_request(layer.handle_request(&head("REGISTER", "z9hG4bKa"), clock.now()));
    let id = layer.accept(request, flow(), 7).unwrap();
    assert_eq!(layer.handle_request(&head("REGISTER", "z9hG4bKa"), clock.now()), Incoming::Repeat);
    assert!(outputs(&mut layer).is_empty());
    assert!(layer.respond(id, code(200), b"200 OK".to_vec(), clock.now()));
    assert_eq!(layer.handle_request(&head("REGISTER", "z9hG4bKa"), clock.now()), Incoming::Repeat);
    assert_eq!(outputs(&mut layer), ["200"]);
    assert_eq!(layer.handle_request(&head("REGISTER", "z9hG4bKa"), clock.now()), Incoming::Repeat);
    assert_eq!(outputs(&mut layer), ["200"]);
    assert_eq!((layer.len(), layer.bytes(), layer.user(id)), (1, 6, None), "its answer is all that is kept");
    assert!(!layer.respond(id, code(500), b"500".to_vec(), clock.now()), "it has had its final response");
    assert_eq!(run_out(&mut layer, &mut clock), [""; 0], "nobody waits for its end");
    assert_eq!(clock.elapsed(), 32 * SECOND);
    assert!(layer.is_empty() && layer.bytes() == 0);
    assert!(matches!(layer.handle_request(&head("REGISTER", "z9hG4bKa"), clock.now()), Incoming::New { .. }));
}

#[test]
fn a_request_accepted_twice_keeps_its_first_transaction() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let request = new_request(layer.handle_request(&head("INVITE", "z9hG4bKa"), clock.now()));
    let id = layer.accept(request, flow(), 1).unwrap();
    assert_eq!(layer.accept(request, flow(), 2), Err(AcceptError::Exists));
    assert_eq!(layer.user(id), Some(1));
}

#[test]
fn the_ack_of_a_failure_is_absorbed_and_that_of_a_2xx_handed_up() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let failed = new_request(layer.handle_request(&head("INVITE", "z9hG4bKa"), clock.now()));
    let failed = layer.accept(failed, flow(), 1).unwrap();
    assert!(layer.respond(failed, code(486), b"486 Busy Here".to_vec(), clock.now()));
    assert_eq!(layer.handle_request(&head("ACK", "z9hG4bKa"), clock.now()), Incoming::Repeat);
    let answered = new_request(layer.handle_request(&head("INVITE", "z9hG4bKb"), clock.now()));
    let answered = layer.accept(answered, flow(), 2).unwrap();
    assert!(layer.respond(answered, code(200), b"200 OK".to_vec(), clock.now()));
    // With the branch of its INVITE (old peers), and with its own.
    assert_eq!(layer.handle_request(&head("ACK", "z9hG4bKb"), clock.now()), Incoming::Ack { invite: Some((answered, 2)) });
    assert_eq!(layer.handle_request(&head("ACK", "z9hG4bKc"), clock.now()), Incoming::Ack { invite: None });
}

#[test]
fn a_cancel_finds_its_invite_whatever_its_state() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let request = new_request(layer.handle_request(&head("INVITE", "z9hG4bKa"), clock.now()));
    let id = layer.accept(request, flow(), 5).unwrap();
    let cancel = layer.handle_request(&head("CANCEL", "z9hG4bKa"), clock.now());
    assert!(matches!(cancel, Incoming::New { cancels: Cancels::Invite(found, 5), .. } if found == id), "{cancel:?}");
    let nothing = layer.handle_request(&head("CANCEL", "z9hG4bKz"), clock.now());
    assert!(matches!(nothing, Incoming::New { cancels: Cancels::Nothing, .. }));
    // The CANCEL is a transaction of its own: its repeats are absorbed.
    layer.accept(new_request(cancel), flow(), 5).unwrap();
    assert_eq!(layer.handle_request(&head("CANCEL", "z9hG4bKa"), clock.now()), Incoming::Repeat);
}

#[test]
fn responses_go_to_their_request_and_to_no_other() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let (branch, id) = invite(&mut layer, &clock, 4);
    let other = layer.branch();
    assert_eq!(layer.handle_response(&answer(180, "INVITE", &other), clock.now()), Matched::Unmatched);
    assert_eq!(layer.handle_response(&answer(200, "BYE", &branch), clock.now()), Matched::Unmatched);
    assert_eq!(layer.handle_response(&ResponseHead { branch: None, ..answer(200, "INVITE", &branch) }, clock.now()), Matched::Unmatched);
    assert_eq!(layer.handle_response(&answer(180, "INVITE", &branch), clock.now()), Matched::Deliver(id, 4));
    assert_eq!(layer.handle_response(&answer(200, "INVITE", &branch), clock.now()), Matched::Deliver(id, 4));
    assert_eq!(layer.handle_response(&answer(200, "INVITE", &branch), clock.now()), Matched::Deliver(id, 4));
    assert_eq!(layer.handle_response(&answer(486, "INVITE", &branch), clock.now()), Matched::Absorbed);
}

#[test]
fn a_cancel_waits_for_a_provisional_response_and_its_answer_stays_inside() {
    // RFC 3261 §9.1
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let (branch, id) = invite(&mut layer, &clock, 4);
    assert!(layer.cancel(id, clock.now()));
    assert!(outputs(&mut layer).is_empty());
    assert_eq!(layer.handle_response(&answer(100, "INVITE", &branch), clock.now()), Matched::Deliver(id, 4));
    assert_eq!(outputs(&mut layer), ["CANCEL"]);
    assert_eq!(layer.handle_response(&answer(200, "CANCEL", &branch), clock.now()), Matched::Absorbed);
    assert_eq!(layer.handle_response(&answer(487, "INVITE", &branch), clock.now()), Matched::Deliver(id, 4));
    assert_eq!(outputs(&mut layer), ["ACK"]);
    assert!(!layer.cancel(id, clock.now()));
    assert_eq!(run_out(&mut layer, &mut clock), ["4 Terminated"]);
    assert!(layer.is_empty());
}

#[test]
fn a_cancelled_invite_without_final_response_ends_after_64_t1() {
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let (branch, id) = invite(&mut layer, &clock, 4);
    assert_eq!(layer.handle_response(&answer(180, "INVITE", &branch), clock.now()), Matched::Deliver(id, 4));
    assert!(layer.cancel(id, clock.now()));
    let said = run_out(&mut layer, &mut clock);
    assert_eq!(said.iter().filter(|word| *word == "CANCEL").count(), 11);
    assert_eq!(said[11..], ["4 TimedOut", "4 Terminated"]);
    assert_eq!(clock.elapsed(), 32 * SECOND);
}

#[test]
fn a_full_table_refuses_and_recovers() {
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits { transactions: 2, bytes: 1 << 20 });
    let first = new_request(layer.handle_request(&head("OPTIONS", "z9hG4bKa"), clock.now()));
    layer.accept(first, flow(), 1).unwrap();
    invite(&mut layer, &clock, 2);
    let third = new_request(layer.handle_request(&head("OPTIONS", "z9hG4bKc"), clock.now()));
    assert_eq!(layer.accept(third, flow(), 3), Err(AcceptError::Full { max: 2 }));
    let branch = layer.branch();
    let full = layer.request(Method::Bye, &branch, b"BYE".to_vec(), flow(), 3, clock.now());
    assert!(matches!(full, Err(StartError::Full { live: 2, max: 2, .. })));
    clock.advance(32 * SECOND);
    layer.handle_timeout(clock.now());
    assert_eq!(outputs(&mut layer), ["2 TimedOut", "2 Terminated"]);
    assert!(layer.accept(third, flow(), 3).is_ok());
}

/// Accepts and answers.
fn register(layer: &mut Layer<u32>, branch: &str, now: Instant) {
    let request = new_request(layer.handle_request(&head("REGISTER", branch), now));
    let id = layer.accept(request, flow(), 0).unwrap();
    assert!(layer.respond(id, code(200), b"200 OK".to_vec(), now));
    assert_eq!(outputs(layer), ["200"]);
}

#[test]
fn a_table_filled_with_answers_lets_no_more_begin_and_takes_whatever_belongs_to_a_call() {
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits { transactions: 80, bytes: 1 << 20 });
    let branch = |n: usize| format!("z9hG4bKr{n}");
    let room = |layer: &Layer<u32>| (layer.has_room(Work::Light), layer.has_room(Work::Call));
    for n in 0..80 {
        assert_eq!(room(&layer), (n < 60, n < 70), "{n}");
        register(&mut layer, &branch(n), clock.advance(Duration::from_millis(1)));
    }
    // In place of the oldest answers: a BYE of theirs and one of ours, and a re-INVITE.
    for (n, method) in ["BYE", "INVITE"].into_iter().enumerate() {
        let request = new_request(layer.handle_request(&head(method, &format!("z9hG4bKw{n}")), clock.now()));
        layer.accept(request, flow(), 1).unwrap();
    }
    let ours = layer.branch();
    layer.request(Method::Bye, &ours, b"BYE".to_vec(), flow(), 3, clock.now()).unwrap();
    assert_eq!(layer.len(), 80);
    assert_eq!(outputs(&mut layer), ["BYE"]);
    for (n, kept) in [(0, false), (2, false), (3, true), (79, true)] {
        let repeat = matches!(layer.handle_request(&head("REGISTER", &branch(n)), clock.now()), Incoming::Repeat);
        assert_eq!((repeat, outputs(&mut layer).len()), (kept, usize::from(kept)), "{n}");
    }
    layer.handle_timeout(clock.advance(32 * SECOND));
    assert_eq!(layer.len(), 3, "what lives");
    assert_eq!(room(&layer), (true, true));
}

#[test]
fn the_memory_of_answers_gives_way_as_their_number_does() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits { transactions: 1000, bytes: 80 });
    let branch = |n: usize| format!("z9hG4bKr{n}");
    let room = |layer: &Layer<u32>| (layer.has_room(Work::Light), layer.has_room(Work::Call));
    for n in 0..14 {
        assert_eq!(room(&layer), (n < 10, n < 12), "{n}");
        register(&mut layer, &branch(n), clock.now());
    }
    register(&mut layer, &branch(14), clock.now());
    assert_eq!((layer.len(), layer.bytes()), (14, 84));
}

#[test]
fn over_a_connection_no_answer_is_kept() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let request = new_request(layer.handle_request(&head("REGISTER", "z9hG4bKa"), clock.now()));
    let id = layer.accept(request, Flow { transport: Transport::Tcp, ..flow() }, 0).unwrap();
    assert!(layer.respond(id, code(200), b"200 OK".to_vec(), clock.now()));
    assert_eq!(outputs(&mut layer), ["200"]);
    assert!(layer.is_empty() && layer.bytes() == 0 && wait(&mut layer).is_none());
}

#[test]
fn the_memory_limit_refuses_what_is_new_and_still_answers_what_lives() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits { transactions: 100, bytes: 1000 });
    let a = new_request(layer.handle_request(&head("INVITE", "z9hG4bKa"), clock.now()));
    let a = layer.accept(a, flow(), 1).unwrap();
    let b = new_request(layer.handle_request(&head("INVITE", "z9hG4bKb"), clock.now()));
    let b = layer.accept(b, flow(), 2).unwrap();
    assert!(layer.respond(a, code(200), vec![b' '; 1000], clock.now()));
    outputs(&mut layer);
    assert_eq!(layer.bytes(), 1000);
    let c = new_request(layer.handle_request(&head("OPTIONS", "z9hG4bKc"), clock.now()));
    assert!(matches!(layer.accept(c, flow(), 3), Err(AcceptError::Full { .. })));
    assert!(layer.respond(b, code(200), vec![b' '; 10], clock.now()));
}

#[test]
fn a_lost_connection_ends_its_client_transactions_and_only_them() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    invite(&mut layer, &clock, 1);
    let other = Flow { peer: "192.0.2.10:5060".parse().unwrap(), ..flow() };
    let branch = layer.branch();
    layer.request(Method::Bye, &branch, b"BYE".to_vec(), other, 2, clock.now()).unwrap();
    outputs(&mut layer);
    layer.handle_transport_failed(flow(), clock.now());
    assert_eq!(outputs(&mut layer), ["1 TransportFailed", "1 Terminated"]);
    assert_eq!(layer.len(), 1);
}

#[test]
fn a_request_whose_connection_is_refused_goes_on_over_its_other_flow() {
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let tcp = Flow { transport: Transport::Tcp, ..flow() };
    let start = |layer: &mut Layer<u32>| {
        let branch = layer.branch();
        let id = layer.request(Method::Info, &branch, b"INFO tcp".to_vec(), tcp, 7, clock.now()).unwrap();
        layer.otherwise(id, flow(), b"INFO udp".to_vec());
        assert_eq!(outputs(layer), ["INFO"]);
        branch
    };
    let branch = start(&mut layer);
    layer.handle_transport_failed(tcp, clock.now());
    assert!(matches!(layer.poll_output(), LayerOutput::Transmit { flow: over, bytes: b"INFO udp" } if over == flow()));
    outputs(&mut layer);
    assert_eq!(layer.bytes(), 8);
    layer.handle_response(&answer(200, "INFO", &branch), clock.now());
    // A connection that is lost after a word came over it is a failure of the request.
    let branch = start(&mut layer);
    layer.handle_response(&answer(100, "INFO", &branch), clock.now());
    layer.handle_transport_failed(tcp, clock.now());
    assert_eq!(outputs(&mut layer), ["7 TransportFailed", "7 Terminated"]);
    run_out(&mut layer, &mut clock);
    assert_eq!((layer.len(), layer.bytes()), (0, 0));
}

#[test]
fn an_old_name_never_reaches_a_new_transaction() {
    let clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let (_, old) = invite(&mut layer, &clock, 1);
    layer.handle_transport_failed(flow(), clock.now());
    outputs(&mut layer);
    let (_, new) = invite(&mut layer, &clock, 2);
    assert_eq!(old.index, new.index);
    assert_eq!(layer.user(old), None);
    assert!(!layer.cancel(old, clock.now()) && !layer.respond(old, code(200), vec![], clock.now()) && !layer.repeat_2xx(old));
    layer.set_user(old, 9);
    assert_eq!(layer.user(new), Some(2));
}

#[test]
fn a_branch_used_twice_leaves_nothing_behind() {
    let mut clock = sim::Clock::new();
    let mut layer = layer(&clock, Limits::default());
    let branch = layer.branch();
    layer.request(Method::Bye, &branch, b"BYE".to_vec(), flow(), 1, clock.now()).unwrap();
    clock.advance(SECOND);
    let second = layer.request(Method::Bye, &branch, b"BYE".to_vec(), flow(), 2, clock.now()).unwrap();
    clock.advance(31 * SECOND);
    layer.handle_timeout(clock.now());
    outputs(&mut layer);
    assert_eq!(layer.handle_response(&answer(200, "BYE", &branch), clock.now()), Matched::Deliver(second, 2));
    run_out(&mut layer, &mut clock);
    assert!(layer.is_empty());
}

#[test]
fn a_slot_stays_within_its_share_of_the_budget() {
    // `Limits` counts 272 bytes for it.
    assert!(size_of::<Slot<u64>>() <= 272, "{}", size_of::<Slot<u64>>());
}

#[test]
fn any_order_of_events_leaves_nothing_behind() {
    sim::seeds("any_order_of_events_leaves_nothing_behind", 200, |seed| {
        let mut rng = sim::SimRng::new(seed);
        let mut clock = sim::Clock::new();
        let mut layer = layer(&clock, Limits { transactions: 20, bytes: 1 << 20 });
        let mut branches = vec![layer.branch()];
        let mut ids: Vec<TransactionId> = vec![];
        let mut over = 0;
        let mut started = 0;
        for _ in 0..300 {
            let pick = rng.below(branches.len() as u64) as usize;
            let branch = branches[pick];
            let method = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"][rng.below(5) as usize];
            let status = [100, 180, 200, 302, 486][rng.below(5) as usize];
            match rng.below(6) {
                0 => {
                    let branch = layer.branch();
                    branches.push(branch);
                    let method = if method == "ACK" { "BYE" } else { method };
                    if let Ok(id) = layer.request(Method::parse(method).unwrap(), &branch, INVITE.to_vec(), flow(), 1, clock.now()) {
                        ids.push(id);
                        started += 1;
                    }
                }
                1 => drop(layer.handle_response(&answer(status, method, &branch), clock.now())),
                2 => {
                    if let Incoming::New { request, .. } = layer.handle_request(&head(method, branch.as_str()), clock.now())
                        && let Ok(id) = layer.accept(request, flow(), 2)
                    {
                        ids.push(id);
                        // Of what is no INVITE nothing is told.
                        started += usize::from(method == "INVITE");
                    }
                }
                3 if !ids.is_empty() => {
                    let id = ids[rng.below(ids.len() as u64) as usize];
                    layer.respond(id, code(status), vec![b'x'; rng.below(500) as usize + 1], clock.now());
                }
                4 if !ids.is_empty() => drop(layer.cancel(ids[rng.below(ids.len() as u64) as usize], clock.now())),
                _ => {
                    let now = clock.advance(rng.duration(10 * SECOND));
                    layer.handle_timeout(now);
                }
            }
            over += outputs(&mut layer).iter().filter(|word| word.ends_with("Terminated")).count();
            assert!(layer.len() <= 20);
        }
        // Unanswered server transactions wait for their core: answer them all.
        for id in ids {
            layer.respond(id, code(500), b"500".to_vec(), clock.now());
            layer.cancel(id, clock.now());
        }
        // Client INVITEs in Proceeding end by the CANCEL just sent.
        over += run_out(&mut layer, &mut clock).iter().filter(|word| word.ends_with("Terminated")).count();
        assert_eq!((over, layer.len(), layer.bytes()), (started, 0, 0));
        assert_eq!(wait(&mut layer), None);
    });
}
