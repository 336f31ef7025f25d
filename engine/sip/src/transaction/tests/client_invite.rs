//! RFC 3261 figure 5 with RFC 6026 figure 1 (INVITE client), and CANCEL.

use ClientInviteState::{Accepted, Calling, Completed, Proceeding, Terminated};
use Input::*;

use super::*;
use crate::transaction::{ClientInvite, ClientInviteState, Timing};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    Provisional,
    Success,
    Failure,
    TransportFailed,
    /// 500 ms later: timer A.
    HalfSecond,
    /// 32 s later: timers B, D, M.
    HalfMinute,
    Cancel,
    /// Asked for the CANCEL, then the provisional response that lets it go.
    CancelThenProvisional,
    /// 32 s after a CANCEL without final response.
    CancelThenHalfMinute,
}

const STATES: [ClientInviteState; 5] = [Calling, Proceeding, Completed, Accepted, Terminated];
const INPUTS: [Input; 9] =
    [Provisional, Success, Failure, TransportFailed, HalfSecond, HalfMinute, Cancel, CancelThenProvisional, CancelThenHalfMinute];

#[rustfmt::skip]
const UNRELIABLE: &[Row<ClientInviteState, Input>] = &[
    (Calling,    Provisional,           Proceeding, "deliver"),
    (Calling,    Success,               Accepted,   "deliver wait 32000"),
    (Calling,    Failure,               Completed,  "deliver send ACK wait 32000"),
    (Calling,    TransportFailed,       Terminated, "transport-failed over"),
    (Calling,    HalfSecond,            Calling,    "send INVITE wait 1000"),
    (Calling,    HalfMinute,            Terminated, "timed-out over"),
    (Calling,    Cancel,                Calling,    "wait 500"),
    (Calling,    CancelThenProvisional, Proceeding, "deliver send CANCEL wait 32000"),
    (Calling,    CancelThenHalfMinute,  Terminated, "timed-out over"),

    (Proceeding, Provisional,           Proceeding, "deliver"),
    (Proceeding, Success,               Accepted,   "deliver wait 32000"),
    (Proceeding, Failure,               Completed,  "deliver send ACK wait 32000"),
    (Proceeding, TransportFailed,       Terminated, "transport-failed over"),
    (Proceeding, HalfSecond,            Proceeding, ""),
    (Proceeding, HalfMinute,            Proceeding, ""),
    (Proceeding, Cancel,                Proceeding, "send CANCEL wait 32000"),
    (Proceeding, CancelThenProvisional, Proceeding, "deliver send CANCEL wait 32000"),
    (Proceeding, CancelThenHalfMinute,  Terminated, "send CANCEL timed-out over"),

    (Completed,  Provisional,           Completed,  "absorb wait 32000"),
    (Completed,  Success,               Completed,  "absorb wait 32000"),
    (Completed,  Failure,               Completed,  "absorb send ACK wait 32000"),
    (Completed,  TransportFailed,       Terminated, "transport-failed over"),
    (Completed,  HalfSecond,            Completed,  "wait 31500"),
    (Completed,  HalfMinute,            Terminated, "over"),
    (Completed,  Cancel,                Completed,  "refused wait 32000"),
    (Completed,  CancelThenProvisional, Completed,  "refused absorb wait 32000"),
    (Completed,  CancelThenHalfMinute,  Terminated, "refused over"),

    (Accepted,   Provisional,           Accepted,   "absorb wait 32000"),
    (Accepted,   Success,               Accepted,   "deliver wait 32000"),
    (Accepted,   Failure,               Accepted,   "absorb wait 32000"),
    (Accepted,   TransportFailed,       Accepted,   "wait 32000"),
    (Accepted,   HalfSecond,            Accepted,   "wait 31500"),
    (Accepted,   HalfMinute,            Terminated, "over"),
    (Accepted,   Cancel,                Accepted,   "refused wait 32000"),
    (Accepted,   CancelThenProvisional, Accepted,   "refused absorb wait 32000"),
    (Accepted,   CancelThenHalfMinute,  Terminated, "refused over"),

    (Terminated, Provisional,           Terminated, "absorb"),
    (Terminated, Success,               Terminated, "absorb"),
    (Terminated, Failure,               Terminated, "absorb"),
    (Terminated, TransportFailed,       Terminated, ""),
    (Terminated, HalfSecond,            Terminated, ""),
    (Terminated, HalfMinute,            Terminated, ""),
    (Terminated, Cancel,                Terminated, "refused"),
    (Terminated, CancelThenProvisional, Terminated, "refused absorb"),
    (Terminated, CancelThenHalfMinute,  Terminated, "refused"),
];

/// Over a reliable transport: no timer A, and D is 0.
#[rustfmt::skip]
const RELIABLE: &[Row<ClientInviteState, Input>] = &[
    (Calling,    Provisional,           Proceeding, "deliver"),
    (Calling,    Success,               Accepted,   "deliver wait 32000"),
    (Calling,    Failure,               Completed,  "deliver send ACK wait 0"),
    (Calling,    TransportFailed,       Terminated, "transport-failed over"),
    (Calling,    HalfSecond,            Calling,    "wait 31500"),
    (Calling,    HalfMinute,            Terminated, "timed-out over"),
    (Calling,    Cancel,                Calling,    "wait 32000"),
    (Calling,    CancelThenProvisional, Proceeding, "deliver send CANCEL wait 32000"),
    (Calling,    CancelThenHalfMinute,  Terminated, "timed-out over"),

    (Proceeding, Provisional,           Proceeding, "deliver"),
    (Proceeding, Success,               Accepted,   "deliver wait 32000"),
    (Proceeding, Failure,               Completed,  "deliver send ACK wait 0"),
    (Proceeding, TransportFailed,       Terminated, "transport-failed over"),
    (Proceeding, HalfSecond,            Proceeding, ""),
    (Proceeding, HalfMinute,            Proceeding, ""),
    (Proceeding, Cancel,                Proceeding, "send CANCEL wait 32000"),
    (Proceeding, CancelThenProvisional, Proceeding, "deliver send CANCEL wait 32000"),
    (Proceeding, CancelThenHalfMinute,  Terminated, "send CANCEL timed-out over"),

    (Completed,  Provisional,           Completed,  "absorb wait 0"),
    (Completed,  Success,               Completed,  "absorb wait 0"),
    (Completed,  Failure,               Completed,  "absorb send ACK wait 0"),
    (Completed,  TransportFailed,       Terminated, "transport-failed over"),
    (Completed,  HalfSecond,            Terminated, "over"),
    (Completed,  HalfMinute,            Terminated, "over"),
    (Completed,  Cancel,                Completed,  "refused wait 0"),
    (Completed,  CancelThenProvisional, Completed,  "refused absorb wait 0"),
    (Completed,  CancelThenHalfMinute,  Terminated, "refused over"),

    (Accepted,   Provisional,           Accepted,   "absorb wait 32000"),
    (Accepted,   Success,               Accepted,   "deliver wait 32000"),
    (Accepted,   Failure,               Accepted,   "absorb wait 32000"),
    (Accepted,   TransportFailed,       Accepted,   "wait 32000"),
    (Accepted,   HalfSecond,            Accepted,   "wait 31500"),
    (Accepted,   HalfMinute,            Terminated, "over"),
    (Accepted,   Cancel,                Accepted,   "refused wait 32000"),
    (Accepted,   CancelThenProvisional, Accepted,   "refused absorb wait 32000"),
    (Accepted,   CancelThenHalfMinute,  Terminated, "refused over"),

    (Terminated, Provisional,           Terminated, "absorb"),
    (Terminated, Success,               Terminated, "absorb"),
    (Terminated, Failure,               Terminated, "absorb"),
    (Terminated, TransportFailed,       Terminated, ""),
    (Terminated, HalfSecond,            Terminated, ""),
    (Terminated, HalfMinute,            Terminated, ""),
    (Terminated, Cancel,                Terminated, "refused"),
    (Terminated, CancelThenProvisional, Terminated, "refused absorb"),
    (Terminated, CancelThenHalfMinute,  Terminated, "refused"),
];

const TO: &str = "<sip:b@example.com>;tag=2";

fn reach(state: ClientInviteState, reliability: Reliability, now: Instant) -> ClientInvite {
    let mut machine = ClientInvite::new(INVITE.to_vec(), reliability, Timing::default(), now).unwrap();
    match state {
        Calling => {}
        Proceeding => drop(machine.handle_response(code(180), TO, now)),
        Completed => drop(machine.handle_response(code(486), TO, now)),
        Accepted => drop(machine.handle_response(code(200), TO, now)),
        Terminated => machine.handle_transport_failed(),
    }
    assert_eq!(machine.state(), state);
    drain(String::new(), now, || machine.poll_output().into());
    machine
}

fn apply(state: ClientInviteState, input: Input, reliability: Reliability) -> (ClientInviteState, String) {
    let mut clock = sim::Clock::new();
    let mut machine = reach(state, reliability, clock.now());
    let mut said = vec![];
    if matches!(input, Cancel | CancelThenProvisional | CancelThenHalfMinute) {
        said.push(sent(machine.cancel()));
    }
    // The driver takes the CANCEL after each call; in Calling there is none to take yet.
    let mut cancel = machine.take_cancel(clock.now());
    match input {
        Provisional | CancelThenProvisional => said.push(word(machine.handle_response(code(183), TO, clock.now()))),
        Success => said.push(word(machine.handle_response(code(200), TO, clock.now()))),
        Failure => said.push(word(machine.handle_response(code(603), TO, clock.now()))),
        TransportFailed => machine.handle_transport_failed(),
        HalfSecond => machine.handle_timeout(clock.advance(SECOND / 2)),
        HalfMinute | CancelThenHalfMinute => machine.handle_timeout(clock.advance(32 * SECOND)),
        Cancel => {}
    }
    cancel = cancel.or_else(|| machine.take_cancel(clock.now()));
    if cancel.is_some_and(|bytes| bytes.starts_with(b"CANCEL sip:b@example.com SIP/2.0\r\n")) {
        said.push("send CANCEL");
    }
    assert_eq!(machine.take_cancel(clock.now()), None, "a CANCEL is given once");
    said.retain(|word| !word.is_empty());
    let said = drain(said.join(" "), clock.now(), || machine.poll_output().into());
    (machine.state(), said)
}

#[test]
fn every_state_takes_every_input_as_the_table_says() {
    check(UNRELIABLE, &STATES, &INPUTS, Unreliable, apply);
    check(RELIABLE, &STATES, &INPUTS, Reliable, apply);
}

#[test]
fn an_unanswered_invite_is_sent_seven_times() {
    // RFC 3261 §17.1.1.2: at 0, T1, 3 T1, 7 T1, 15 T1, 31 T1, 63 T1, and the end at 64 T1.
    let mut clock = sim::Clock::new();
    let mut machine = ClientInvite::new(INVITE.to_vec(), Unreliable, Timing::default(), clock.now()).unwrap();
    let mut times = vec![];
    loop {
        match machine.poll_output() {
            Output::Transmit(bytes) => {
                assert_eq!(bytes, INVITE);
                times.push(clock.elapsed().as_millis());
            }
            Output::Event(Event::TimedOut) => assert_eq!(clock.elapsed(), 32 * SECOND),
            Output::Event(Event::TransportFailed) => panic!("nothing failed"),
            Output::Event(Event::Terminated) => break,
            Output::Wait(at) => {
                clock.advance_to(at.unwrap());
                machine.handle_timeout(clock.now());
            }
        }
    }
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn the_request_is_let_go_at_the_final_response() {
    let clock = sim::Clock::new();
    let machine = reach(Accepted, Unreliable, clock.now());
    assert!(machine.message().is_empty());
    let machine = reach(Completed, Unreliable, clock.now());
    assert!(machine.message().starts_with(b"ACK sip:b@example.com SIP/2.0\r\n"));
}

#[test]
fn a_late_driver_causes_no_burst() {
    let mut clock = sim::Clock::new();
    let mut machine = reach(Calling, Unreliable, clock.now());
    machine.handle_timeout(clock.advance(10 * SECOND));
    assert_eq!(drain(String::new(), clock.now(), || machine.poll_output().into()), "send INVITE wait 1000");
}
