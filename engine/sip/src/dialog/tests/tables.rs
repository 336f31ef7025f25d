//! Offer/answer and INVITE usage: every state × every input, with what comes of it, written out.

use std::time::Duration;

use super::*;
use crate::transaction::{T1, Timing};

/// Offer/answer states: nothing open; ours out; ours out and answered in an 18x; theirs in; theirs in and answered in an 18x.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Offers {
    Stable,
    Sent,
    SentHeard,
    Received,
    ReceivedTold,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    SendOffer,
    ReceiveOffer,
    AskOffer,
    DescriptionIn18x,
    DescriptionIn2xx,
    NothingIn2xx,
    ShowAnswer,
    SendAnswer,
    Reject,
}

use Input::*;
use Offers::{Received, ReceivedTold, Sent, SentHeard, Stable};

#[rustfmt::skip]
const NEGOTIATION: &[(Offers, Input, Offers, &str)] = &[
    (Stable,       SendOffer,        Sent,         "ok"),
    (Stable,       ReceiveOffer,     Received,     "ok"),
    (Stable,       AskOffer,         Stable,       "ok"),
    (Stable,       DescriptionIn18x, Stable,       "not an answer"),
    (Stable,       DescriptionIn2xx, Stable,       "not an answer"),
    (Stable,       NothingIn2xx,     Stable,       "session stands"),
    (Stable,       ShowAnswer,       Stable,       ""),
    (Stable,       SendAnswer,       Stable,       ""),
    (Stable,       Reject,           Stable,       ""),

    (Sent,         SendOffer,        Sent,         "491"),
    (Sent,         ReceiveOffer,     Sent,         "491"),
    (Sent,         AskOffer,         Sent,         "491"),
    (Sent,         DescriptionIn18x, SentHeard,    "answer"),
    (Sent,         DescriptionIn2xx, Stable,       "answer"),
    (Sent,         NothingIn2xx,     Stable,       "no answer"),
    (Sent,         ShowAnswer,       Sent,         ""),
    (Sent,         SendAnswer,       Sent,         ""),
    (Sent,         Reject,           Stable,       ""),

    (SentHeard,    SendOffer,        SentHeard,    "491"),
    (SentHeard,    ReceiveOffer,     SentHeard,    "491"),
    (SentHeard,    AskOffer,         SentHeard,    "491"),
    (SentHeard,    DescriptionIn18x, SentHeard,    "answer again"),
    (SentHeard,    DescriptionIn2xx, Stable,       "answer again"),
    (SentHeard,    NothingIn2xx,     Stable,       "session stands"),
    (SentHeard,    ShowAnswer,       SentHeard,    ""),
    (SentHeard,    SendAnswer,       SentHeard,    ""),
    (SentHeard,    Reject,           Stable,       ""),

    (Received,     SendOffer,        Received,     "500"),
    (Received,     ReceiveOffer,     Received,     "500"),
    (Received,     AskOffer,         Received,     "500"),
    (Received,     DescriptionIn18x, Received,     "not an answer"),
    (Received,     DescriptionIn2xx, Received,     "not an answer"),
    (Received,     NothingIn2xx,     Stable,       "no answer"),
    (Received,     ShowAnswer,       ReceivedTold, ""),
    (Received,     SendAnswer,       Stable,       ""),
    (Received,     Reject,           Stable,       ""),

    (ReceivedTold, SendOffer,        ReceivedTold, "500"),
    (ReceivedTold, ReceiveOffer,     ReceivedTold, "500"),
    (ReceivedTold, AskOffer,         ReceivedTold, "500"),
    (ReceivedTold, DescriptionIn18x, ReceivedTold, "not an answer"),
    (ReceivedTold, DescriptionIn2xx, ReceivedTold, "not an answer"),
    (ReceivedTold, NothingIn2xx,     Stable,       "no answer"),
    (ReceivedTold, ShowAnswer,       ReceivedTold, ""),
    (ReceivedTold, SendAnswer,       Stable,       ""),
    (ReceivedTold, Reject,           Stable,       ""),
];

fn negotiation(state: Offers) -> Negotiation {
    let mut negotiation = Negotiation::new();
    match state {
        Stable => {}
        Sent => negotiation.offer_sent().unwrap(),
        SentHeard => {
            negotiation.offer_sent().unwrap();
            negotiation.description_received(false);
        }
        Received => negotiation.offer_received().unwrap(),
        ReceivedTold => {
            negotiation.offer_received().unwrap();
            negotiation.answer_sent(false);
        }
    }
    negotiation
}

#[test]
fn offers_and_answers_take_turns_as_the_table_says() {
    let word = |result: Result<(), Refusal>| result.map_or_else(|refusal| refusal.status().to_string(), |()| "ok".into());
    for &(state, input, next, expected) in NEGOTIATION {
        let mut negotiated = negotiation(state);
        let said = match input {
            SendOffer => word(negotiated.offer_sent()),
            ReceiveOffer => word(negotiated.offer_received()),
            AskOffer => word(negotiated.offer_asked()),
            DescriptionIn18x | DescriptionIn2xx => match negotiated.description_received(input == DescriptionIn2xx) {
                Answer::New => "answer".into(),
                Answer::Repeated => "answer again".into(),
                Answer::NotAnAnswer => "not an answer".into(),
            },
            NothingIn2xx => if negotiated.answer_missing() { "session stands" } else { "no answer" }.into(),
            ShowAnswer => {
                negotiated.answer_sent(false);
                String::new()
            }
            SendAnswer => {
                negotiated.answer_sent(true);
                String::new()
            }
            Reject => {
                negotiated.rejected();
                String::new()
            }
        };
        // Whether a session was ever agreed on is not part of the table.
        let state_of = |negotiation: Negotiation| format!("{negotiation:?}").split(", agreed").next().map(str::to_owned);
        assert_eq!((state_of(negotiated), said.as_str()), (state_of(negotiation(next)), expected), "{state:?} × {input:?}");
    }
    assert_eq!(NEGOTIATION.len(), 5 * 9);
}

#[test]
fn each_state_says_what_the_next_message_carries() {
    let rows = [
        (Stable, true, Must::Offer, Must::Nothing, false),
        (Sent, false, Must::Nothing, Must::Nothing, false),
        (SentHeard, false, Must::Nothing, Must::Nothing, false),
        (Received, false, Must::Answer, Must::Answer, false),
        (ReceivedTold, false, Must::Answer, Must::Answer, true),
    ];
    for (state, may_offer, in_2xx, in_ack, shown) in rows {
        let negotiated = negotiation(state);
        assert_eq!(
            (negotiated.may_offer(), negotiated.must_2xx_carry(), negotiated.must_ack_carry(), negotiated.answer_was_shown()),
            (may_offer, in_2xx, in_ack, shown),
            "{state:?}"
        );
        assert_eq!(negotiated.owes_answer(), in_ack == Must::Answer);
        assert_eq!(negotiated.awaits_answer(), matches!(state, Sent | SentHeard));
    }
}

/// INVITE usage: may theirs come, may ours go.
#[test]
fn invites_of_both_sides_keep_out_of_each_others_way() {
    let now = sim::Clock::new().now();
    let timing = Timing::default();
    let idle = InviteUsage::default();
    let ours = InviteUsage::sent_first(1);
    let mut ours_answered = ours.clone();
    ours_answered.handle_final(1, code(200));
    let mut ours_acknowledged = ours_answered.clone();
    ours_acknowledged.acknowledged(b"ACK");
    let mut ours_failed = ours.clone();
    ours_failed.handle_final(1, code(488));
    let theirs = InviteUsage::received_first(7);
    let mut theirs_answered = theirs.clone();
    theirs_answered.answered(code(200), &timing, now);
    let mut theirs_acknowledged = theirs_answered.clone();
    assert!(theirs_acknowledged.handle_ack(7));
    let mut theirs_failed = theirs.clone();
    theirs_failed.answered(code(486), &timing, now);
    // RFC 3261 §14.1 and §14.2.
    let rows = [
        ("idle", idle, Ok(()), Ok(())),
        ("ours open", ours, Err(Refusal::Glare), Err(Refusal::Unanswered)),
        ("ours answered", ours_answered, Ok(()), Err(Refusal::Unanswered)),
        ("ours acknowledged", ours_acknowledged, Ok(()), Ok(())),
        ("ours failed", ours_failed, Ok(()), Ok(())),
        ("theirs open", theirs, Err(Refusal::Unanswered), Err(Refusal::Glare)),
        ("theirs answered", theirs_answered, Ok(()), Err(Refusal::Glare)),
        ("theirs acknowledged", theirs_acknowledged, Ok(()), Ok(())),
        ("theirs failed", theirs_failed, Ok(()), Ok(())),
    ];
    for (name, usage, theirs_may_come, ours_may_go) in rows {
        assert_eq!(usage.clone().handle_invite(8), theirs_may_come, "{name}");
        assert_eq!(usage.may_invite(), ours_may_go, "{name}");
        assert_eq!(usage.clone().sent(2), ours_may_go, "{name}");
    }
}

#[test]
fn a_2xx_is_repeated_until_its_ack() {
    // RFC 3261 §13.3.1.4: after T1, doubling to T2, for 64 × T1.
    let mut clock = sim::Clock::new();
    let mut usage = InviteUsage::received_first(1);
    usage.answered(code(200), &Timing::default(), clock.now());
    assert!(usage.awaits_ack());
    let mut times = vec![];
    loop {
        clock.advance_to(usage.deadline().unwrap());
        match usage.handle_timeout(clock.now()) {
            AckWait::Quiet => panic!("asked for nothing"),
            AckWait::Repeat => times.push(clock.elapsed().as_millis()),
            AckWait::GaveUp => break,
        }
    }
    assert_eq!(times, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(clock.elapsed(), 64 * T1);
    assert_eq!((usage.deadline(), usage.awaits_ack()), (None, false));

    let mut usage = InviteUsage::received_first(1);
    usage.answered(code(200), &Timing::default(), clock.now());
    assert_eq!(usage.handle_timeout(clock.advance(T1 / 2)), AckWait::Quiet);
    assert!(!usage.handle_ack(2), "the ACK of another INVITE");
    assert!(usage.handle_ack(1));
    assert!(!usage.handle_ack(1), "an ACK comes with each 2xx, and counts once");
    assert_eq!(usage.deadline(), None);
}

#[test]
fn an_invite_that_overtakes_an_ack_leaves_its_wait() {
    // RFC 5407 §3.1.5
    let clock = sim::Clock::new();
    let timing = Timing::default();
    let mut usage = InviteUsage::received_first(1);
    usage.answered(code(200), &timing, clock.now());
    assert_eq!(usage.handle_invite(2), Ok(()));
    // Refused, e.g. because the ACK owes an answer: the wait goes on.
    usage.answered(code(491), &timing, clock.now());
    assert!(usage.awaits_ack() && usage.handle_ack(1));
    // Accepted: the newer 2xx waits instead.
    let mut usage = InviteUsage::received_first(1);
    usage.answered(code(200), &timing, clock.now());
    assert_eq!(usage.handle_invite(2), Ok(()));
    usage.answered(code(200), &timing, clock.now());
    assert!(!usage.handle_ack(1) && usage.handle_ack(2));
}

#[test]
fn the_wait_after_a_glare_depends_on_who_made_the_call() {
    // RFC 3261 §14.1
    let (mut owner, mut other) = ((Duration::MAX, Duration::ZERO), (Duration::MAX, Duration::ZERO));
    for random in 0..10_000 {
        for (range, is_owner) in [(&mut owner, true), (&mut other, false)] {
            let wait = InviteUsage::glare_wait(is_owner, random);
            *range = (range.0.min(wait), range.1.max(wait));
            assert_eq!(wait.as_millis() % 10, 0);
        }
    }
    assert_eq!(owner, (Duration::from_millis(2100), Duration::from_millis(4000)));
    assert_eq!(other, (Duration::ZERO, Duration::from_millis(2000)));
}
