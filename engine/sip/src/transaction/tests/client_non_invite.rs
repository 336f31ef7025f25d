//! RFC 3261 figure 6 (non-INVITE client).

use ClientNonInviteState::{Completed, Proceeding, Terminated, Trying};
use Input::*;

use super::*;
use crate::transaction::{ClientNonInvite, ClientNonInviteState, Timing};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    Provisional,
    Final,
    TransportFailed,
    /// 500 ms later: timer E.
    HalfSecond,
    /// 5 s later: timer K, or E again.
    FiveSeconds,
    /// 32 s later: timer F.
    HalfMinute,
}

const STATES: [ClientNonInviteState; 4] = [Trying, Proceeding, Completed, Terminated];
const INPUTS: [Input; 6] = [Provisional, Final, TransportFailed, HalfSecond, FiveSeconds, HalfMinute];

#[rustfmt::skip]
const UNRELIABLE: &[Row<ClientNonInviteState, Input>] = &[
    (Trying,     Provisional,     Proceeding, "deliver wait 500"),
    (Trying,     Final,           Completed,  "deliver wait 5000"),
    (Trying,     TransportFailed, Terminated, "transport-failed over"),
    (Trying,     HalfSecond,      Trying,     "send BYE wait 1000"),
    (Trying,     FiveSeconds,     Trying,     "send BYE wait 1000"),
    (Trying,     HalfMinute,      Terminated, "timed-out over"),

    (Proceeding, Provisional,     Proceeding, "deliver wait 500"),
    (Proceeding, Final,           Completed,  "deliver wait 5000"),
    (Proceeding, TransportFailed, Terminated, "transport-failed over"),
    (Proceeding, HalfSecond,      Proceeding, "send BYE wait 4000"),
    (Proceeding, FiveSeconds,     Proceeding, "send BYE wait 4000"),
    (Proceeding, HalfMinute,      Terminated, "timed-out over"),

    (Completed,  Provisional,     Completed,  "absorb wait 5000"),
    (Completed,  Final,           Completed,  "absorb wait 5000"),
    (Completed,  TransportFailed, Completed,  "wait 5000"),
    (Completed,  HalfSecond,      Completed,  "wait 4500"),
    (Completed,  FiveSeconds,     Terminated, "over"),
    (Completed,  HalfMinute,      Terminated, "over"),

    (Terminated, Provisional,     Terminated, "absorb"),
    (Terminated, Final,           Terminated, "absorb"),
    (Terminated, TransportFailed, Terminated, ""),
    (Terminated, HalfSecond,      Terminated, ""),
    (Terminated, FiveSeconds,     Terminated, ""),
    (Terminated, HalfMinute,      Terminated, ""),
];

/// Over a reliable transport: no timer E, and K is 0.
#[rustfmt::skip]
const RELIABLE: &[Row<ClientNonInviteState, Input>] = &[
    (Trying,     Provisional,     Proceeding, "deliver wait 32000"),
    (Trying,     Final,           Completed,  "deliver wait 0"),
    (Trying,     TransportFailed, Terminated, "transport-failed over"),
    (Trying,     HalfSecond,      Trying,     "wait 31500"),
    (Trying,     FiveSeconds,     Trying,     "wait 27000"),
    (Trying,     HalfMinute,      Terminated, "timed-out over"),

    (Proceeding, Provisional,     Proceeding, "deliver wait 32000"),
    (Proceeding, Final,           Completed,  "deliver wait 0"),
    (Proceeding, TransportFailed, Terminated, "transport-failed over"),
    (Proceeding, HalfSecond,      Proceeding, "wait 31500"),
    (Proceeding, FiveSeconds,     Proceeding, "wait 27000"),
    (Proceeding, HalfMinute,      Terminated, "timed-out over"),

    (Completed,  Provisional,     Completed,  "absorb wait 0"),
    (Completed,  Final,           Completed,  "absorb wait 0"),
    (Completed,  TransportFailed, Completed,  "wait 0"),
    (Completed,  HalfSecond,      Terminated, "over"),
    (Completed,  FiveSeconds,     Terminated, "over"),
    (Completed,  HalfMinute,      Terminated, "over"),

    (Terminated, Provisional,     Terminated, "absorb"),
    (Terminated, Final,           Terminated, "absorb"),
    (Terminated, TransportFailed, Terminated, ""),
    (Terminated, HalfSecond,      Terminated, ""),
    (Terminated, FiveSeconds,     Terminated, ""),
    (Terminated, HalfMinute,      Terminated, ""),
];

const BYE: &[u8] = b"BYE sip:b@example.com SIP/2.0\r\n\r\n";

fn reach(state: ClientNonInviteState, reliability: Reliability, now: Instant) -> ClientNonInvite {
    let mut machine = ClientNonInvite::new(BYE.to_vec(), reliability, Timing::default(), now);
    match state {
        Trying => {}
        Proceeding => drop(machine.handle_response(code(100), now)),
        Completed => drop(machine.handle_response(code(200), now)),
        Terminated => machine.handle_transport_failed(),
    }
    assert_eq!(machine.state(), state);
    drain(String::new(), now, || machine.poll_output().into());
    machine
}

fn apply(state: ClientNonInviteState, input: Input, reliability: Reliability) -> (ClientNonInviteState, String) {
    let mut clock = sim::Clock::new();
    let mut machine = reach(state, reliability, clock.now());
    let mut said = "";
    match input {
        Provisional => said = word(machine.handle_response(code(100), clock.now())),
        Final => said = word(machine.handle_response(code(481), clock.now())),
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

/// Times at which an unanswered request goes out, with a 100 at `provisional_ms`.
fn times(provisional_ms: Option<u64>) -> Vec<u128> {
    let mut clock = sim::Clock::new();
    let mut machine = ClientNonInvite::new(BYE.to_vec(), Unreliable, Timing::default(), clock.now());
    let mut provisional = provisional_ms.map(|ms| clock.at(Duration::from_millis(ms)));
    let mut times = vec![];
    loop {
        match machine.poll_output() {
            Output::Transmit(_) => times.push(clock.elapsed().as_millis()),
            Output::Event(Event::Terminated) => return times,
            Output::Event(Event::TimedOut | Event::TransportFailed) => {}
            Output::Wait(at) => match provisional.take_if(|provisional| at.is_none_or(|at| *provisional < at)) {
                Some(arrival) => {
                    clock.advance_to(arrival);
                    machine.handle_response(code(100), clock.now());
                }
                None => {
                    clock.advance_to(at.unwrap());
                    machine.handle_timeout(clock.now());
                }
            },
        }
    }
}

#[test]
fn an_unanswered_request_is_sent_eleven_times() {
    // RFC 3261 §17.1.2.2: gaps of 500 ms, 1, 2, 4, 4, 4 … s until 64 T1.
    assert_eq!(times(None), [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

#[test]
fn after_a_provisional_response_repeats_come_every_t2() {
    // The timer E that runs is kept; those after it are T2.
    assert_eq!(times(Some(600)), [0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500]);
}
