//! RFC 3261 figure 7 with RFC 6026 figure 2 (INVITE server).

use Input::*;
use ServerInviteState::{Accepted, Completed, Confirmed, Proceeding, Terminated};

use super::*;
use crate::transaction::{ServerInvite, ServerInviteState, Timing};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    Repeat,
    Ack,
    Respond100,
    Respond200,
    Respond500,
    Repeat2xx,
    TransportFailed,
    /// 500 ms later: timer G.
    HalfSecond,
    /// 5 s later: timer I, or G again.
    FiveSeconds,
    /// 32 s later: timers H, L.
    HalfMinute,
}

const STATES: [ServerInviteState; 5] = [Proceeding, Completed, Confirmed, Accepted, Terminated];
const INPUTS: [Input; 10] =
    [Repeat, Ack, Respond100, Respond200, Respond500, Repeat2xx, TransportFailed, HalfSecond, FiveSeconds, HalfMinute];

#[rustfmt::skip]
const UNRELIABLE: &[Row<ServerInviteState, Input>] = &[
    (Proceeding, Repeat,          Proceeding, "absorb send 180"),
    (Proceeding, Ack,             Proceeding, "absorb"),
    (Proceeding, Respond100,      Proceeding, "send 183"),
    (Proceeding, Respond200,      Accepted,   "send 200 wait 32000"),
    (Proceeding, Respond500,      Completed,  "send 500 wait 500"),
    (Proceeding, Repeat2xx,       Proceeding, "refused"),
    (Proceeding, TransportFailed, Proceeding, "transport-failed"),
    (Proceeding, HalfSecond,      Proceeding, ""),
    (Proceeding, FiveSeconds,     Proceeding, ""),
    (Proceeding, HalfMinute,      Proceeding, ""),

    (Completed,  Repeat,          Completed,  "absorb send 486 wait 500"),
    (Completed,  Ack,             Confirmed,  "absorb wait 5000"),
    (Completed,  Respond100,      Completed,  "refused wait 500"),
    (Completed,  Respond200,      Completed,  "refused wait 500"),
    (Completed,  Respond500,      Completed,  "refused wait 500"),
    (Completed,  Repeat2xx,       Completed,  "refused wait 500"),
    (Completed,  TransportFailed, Completed,  "transport-failed wait 500"),
    (Completed,  HalfSecond,      Completed,  "send 486 wait 1000"),
    (Completed,  FiveSeconds,     Completed,  "send 486 wait 1000"),
    (Completed,  HalfMinute,      Terminated, "timed-out over"),

    (Confirmed,  Repeat,          Confirmed,  "absorb wait 5000"),
    (Confirmed,  Ack,             Confirmed,  "absorb wait 5000"),
    (Confirmed,  Respond100,      Confirmed,  "refused wait 5000"),
    (Confirmed,  Respond200,      Confirmed,  "refused wait 5000"),
    (Confirmed,  Respond500,      Confirmed,  "refused wait 5000"),
    (Confirmed,  Repeat2xx,       Confirmed,  "refused wait 5000"),
    (Confirmed,  TransportFailed, Confirmed,  "wait 5000"),
    (Confirmed,  HalfSecond,      Confirmed,  "wait 4500"),
    (Confirmed,  FiveSeconds,     Terminated, "over"),
    (Confirmed,  HalfMinute,      Terminated, "over"),

    (Accepted,   Repeat,          Accepted,   "absorb wait 32000"),
    (Accepted,   Ack,             Accepted,   "deliver wait 32000"),
    (Accepted,   Respond100,      Accepted,   "refused wait 32000"),
    (Accepted,   Respond200,      Accepted,   "send 200 wait 32000"),
    (Accepted,   Respond500,      Accepted,   "refused wait 32000"),
    (Accepted,   Repeat2xx,       Accepted,   "send 202 wait 32000"),
    (Accepted,   TransportFailed, Accepted,   "transport-failed wait 32000"),
    (Accepted,   HalfSecond,      Accepted,   "wait 31500"),
    (Accepted,   FiveSeconds,     Accepted,   "wait 27000"),
    (Accepted,   HalfMinute,      Terminated, "over"),

    (Terminated, Repeat,          Terminated, "absorb"),
    (Terminated, Ack,             Terminated, "absorb"),
    (Terminated, Respond100,      Terminated, "refused"),
    (Terminated, Respond200,      Terminated, "refused"),
    (Terminated, Respond500,      Terminated, "refused"),
    (Terminated, Repeat2xx,       Terminated, "refused"),
    (Terminated, TransportFailed, Terminated, ""),
    (Terminated, HalfSecond,      Terminated, ""),
    (Terminated, FiveSeconds,     Terminated, ""),
    (Terminated, HalfMinute,      Terminated, ""),
];

/// Over a reliable transport: no timer G, and I is 0; H and L stay.
#[rustfmt::skip]
const RELIABLE: &[Row<ServerInviteState, Input>] = &[
    (Proceeding, Repeat,          Proceeding, "absorb send 180"),
    (Proceeding, Ack,             Proceeding, "absorb"),
    (Proceeding, Respond100,      Proceeding, "send 183"),
    (Proceeding, Respond200,      Accepted,   "send 200 wait 32000"),
    (Proceeding, Respond500,      Completed,  "send 500 wait 32000"),
    (Proceeding, Repeat2xx,       Proceeding, "refused"),
    (Proceeding, TransportFailed, Proceeding, "transport-failed"),
    (Proceeding, HalfSecond,      Proceeding, ""),
    (Proceeding, FiveSeconds,     Proceeding, ""),
    (Proceeding, HalfMinute,      Proceeding, ""),

    (Completed,  Repeat,          Completed,  "absorb send 486 wait 32000"),
    (Completed,  Ack,             Confirmed,  "absorb wait 0"),
    (Completed,  Respond100,      Completed,  "refused wait 32000"),
    (Completed,  Respond200,      Completed,  "refused wait 32000"),
    (Completed,  Respond500,      Completed,  "refused wait 32000"),
    (Completed,  Repeat2xx,       Completed,  "refused wait 32000"),
    (Completed,  TransportFailed, Completed,  "transport-failed wait 32000"),
    (Completed,  HalfSecond,      Completed,  "wait 31500"),
    (Completed,  FiveSeconds,     Completed,  "wait 27000"),
    (Completed,  HalfMinute,      Terminated, "timed-out over"),

    (Confirmed,  Repeat,          Confirmed,  "absorb wait 0"),
    (Confirmed,  Ack,             Confirmed,  "absorb wait 0"),
    (Confirmed,  Respond100,      Confirmed,  "refused wait 0"),
    (Confirmed,  Respond200,      Confirmed,  "refused wait 0"),
    (Confirmed,  Respond500,      Confirmed,  "refused wait 0"),
    (Confirmed,  Repeat2xx,       Confirmed,  "refused wait 0"),
    (Confirmed,  TransportFailed, Confirmed,  "wait 0"),
    (Confirmed,  HalfSecond,      Terminated, "over"),
    (Confirmed,  FiveSeconds,     Terminated, "over"),
    (Confirmed,  HalfMinute,      Terminated, "over"),

    (Accepted,   Repeat,          Accepted,   "absorb wait 32000"),
    (Accepted,   Ack,             Accepted,   "deliver wait 32000"),
    (Accepted,   Respond100,      Accepted,   "refused wait 32000"),
    (Accepted,   Respond200,      Accepted,   "send 200 wait 32000"),
    (Accepted,   Respond500,      Accepted,   "refused wait 32000"),
    (Accepted,   Repeat2xx,       Accepted,   "send 202 wait 32000"),
    (Accepted,   TransportFailed, Accepted,   "transport-failed wait 32000"),
    (Accepted,   HalfSecond,      Accepted,   "wait 31500"),
    (Accepted,   FiveSeconds,     Accepted,   "wait 27000"),
    (Accepted,   HalfMinute,      Terminated, "over"),

    (Terminated, Repeat,          Terminated, "absorb"),
    (Terminated, Ack,             Terminated, "absorb"),
    (Terminated, Respond100,      Terminated, "refused"),
    (Terminated, Respond200,      Terminated, "refused"),
    (Terminated, Respond500,      Terminated, "refused"),
    (Terminated, Repeat2xx,       Terminated, "refused"),
    (Terminated, TransportFailed, Terminated, ""),
    (Terminated, HalfSecond,      Terminated, ""),
    (Terminated, FiveSeconds,     Terminated, ""),
    (Terminated, HalfMinute,      Terminated, ""),
];

fn respond(machine: &mut ServerInvite, status: u16, now: Instant) -> bool {
    machine.respond(code(status), format!("{status} X").into_bytes(), now)
}

fn reach(state: ServerInviteState, reliability: Reliability, now: Instant) -> ServerInvite {
    let mut machine = ServerInvite::new(reliability, Timing::default());
    assert!(respond(&mut machine, 180, now));
    let done = match state {
        Proceeding => true,
        Completed => respond(&mut machine, 486, now),
        Confirmed => respond(&mut machine, 486, now) && machine.handle_ack(now) == Disposition::Absorb,
        Accepted => respond(&mut machine, 202, now),
        Terminated => {
            let done = respond(&mut machine, 202, now);
            machine.handle_timeout(now + 32 * SECOND);
            done
        }
    };
    assert!(done);
    assert_eq!(machine.state(), state);
    drain(String::new(), now, || machine.poll_output().into());
    machine
}

fn apply(state: ServerInviteState, input: Input, reliability: Reliability) -> (ServerInviteState, String) {
    let mut clock = sim::Clock::new();
    let mut machine = reach(state, reliability, clock.now());
    let mut said = "";
    match input {
        Repeat => said = word(machine.handle_repeat()),
        Ack => said = word(machine.handle_ack(clock.now())),
        Respond100 => said = sent(respond(&mut machine, 183, clock.now())),
        Respond200 => said = sent(respond(&mut machine, 200, clock.now())),
        Respond500 => said = sent(respond(&mut machine, 500, clock.now())),
        Repeat2xx => said = sent(machine.repeat_2xx()),
        TransportFailed => machine.handle_transport_failed(),
        HalfSecond => machine.handle_timeout(clock.advance(SECOND / 2)),
        FiveSeconds => machine.handle_timeout(clock.advance(5 * SECOND)),
        HalfMinute => machine.handle_timeout(clock.advance(32 * SECOND)),
    }
    let said = drain(said.into(), clock.now(), || machine.poll_output().into());
    (machine.state(), said)
}

#[test]
fn every_state_takes_every_input_as_the_table_says() {
    check(UNRELIABLE, &STATES, &INPUTS, Unreliable, apply);
    check(RELIABLE, &STATES, &INPUTS, Reliable, apply);
}

#[test]
fn a_repeat_before_any_response_is_absorbed_in_silence() {
    let clock = sim::Clock::new();
    let mut machine = ServerInvite::new(Unreliable, Timing::default());
    let said = word(machine.handle_repeat());
    assert_eq!(drain(said.into(), clock.now(), || machine.poll_output().into()), "absorb");
}

#[test]
fn an_unacknowledged_failure_is_sent_eleven_times() {
    // RFC 3261 §17.2.1: G doubles from T1 to T2, H ends it at 64 T1.
    let mut clock = sim::Clock::new();
    let mut machine = ServerInvite::new(Unreliable, Timing::default());
    assert!(respond(&mut machine, 486, clock.now()));
    let mut times = vec![];
    loop {
        match machine.poll_output() {
            Output::Transmit(_) => times.push(clock.elapsed().as_millis()),
            Output::Event(Event::Terminated) => break,
            Output::Event(event) => assert_eq!((event, clock.elapsed()), (Event::TimedOut, 32 * SECOND)),
            Output::Wait(at) => {
                clock.advance_to(at.unwrap());
                machine.handle_timeout(clock.now());
            }
        }
    }
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}
