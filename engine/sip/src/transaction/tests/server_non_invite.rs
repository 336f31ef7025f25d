//! RFC 3261 figure 8 (non-INVITE server).

use Input::*;
use ServerNonInviteState::{Completed, Proceeding, Terminated, Trying};

use super::*;
use crate::transaction::{ServerNonInvite, ServerNonInviteState, Timing};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    Repeat,
    Respond100,
    Respond200,
    Respond500,
    TransportFailed,
    /// 32 s later: timer J.
    HalfMinute,
}

const STATES: [ServerNonInviteState; 4] = [Trying, Proceeding, Completed, Terminated];
const INPUTS: [Input; 6] = [Repeat, Respond100, Respond200, Respond500, TransportFailed, HalfMinute];

#[rustfmt::skip]
const UNRELIABLE: &[Row<ServerNonInviteState, Input>] = &[
    (Trying,     Repeat,          Trying,     "absorb"),
    (Trying,     Respond100,      Proceeding, "send 100"),
    (Trying,     Respond200,      Completed,  "send 200 wait 32000"),
    (Trying,     Respond500,      Completed,  "send 500 wait 32000"),
    (Trying,     TransportFailed, Trying,     ""),
    (Trying,     HalfMinute,      Trying,     ""),

    (Proceeding, Repeat,          Proceeding, "absorb send 182"),
    (Proceeding, Respond100,      Proceeding, "send 100"),
    (Proceeding, Respond200,      Completed,  "send 200 wait 32000"),
    (Proceeding, Respond500,      Completed,  "send 500 wait 32000"),
    (Proceeding, TransportFailed, Proceeding, "transport-failed"),
    (Proceeding, HalfMinute,      Proceeding, ""),

    (Completed,  Repeat,          Completed,  "absorb send 202 wait 32000"),
    (Completed,  Respond100,      Completed,  "refused wait 32000"),
    (Completed,  Respond200,      Completed,  "refused wait 32000"),
    (Completed,  Respond500,      Completed,  "refused wait 32000"),
    (Completed,  TransportFailed, Completed,  "transport-failed wait 32000"),
    (Completed,  HalfMinute,      Terminated, "over"),

    (Terminated, Repeat,          Terminated, "absorb"),
    (Terminated, Respond100,      Terminated, "refused"),
    (Terminated, Respond200,      Terminated, "refused"),
    (Terminated, Respond500,      Terminated, "refused"),
    (Terminated, TransportFailed, Terminated, ""),
    (Terminated, HalfMinute,      Terminated, ""),
];

/// Over a reliable transport: J is 0.
#[rustfmt::skip]
const RELIABLE: &[Row<ServerNonInviteState, Input>] = &[
    (Trying,     Repeat,          Trying,     "absorb"),
    (Trying,     Respond100,      Proceeding, "send 100"),
    (Trying,     Respond200,      Completed,  "send 200 wait 0"),
    (Trying,     Respond500,      Completed,  "send 500 wait 0"),
    (Trying,     TransportFailed, Trying,     ""),
    (Trying,     HalfMinute,      Trying,     ""),

    (Proceeding, Repeat,          Proceeding, "absorb send 182"),
    (Proceeding, Respond100,      Proceeding, "send 100"),
    (Proceeding, Respond200,      Completed,  "send 200 wait 0"),
    (Proceeding, Respond500,      Completed,  "send 500 wait 0"),
    (Proceeding, TransportFailed, Proceeding, "transport-failed"),
    (Proceeding, HalfMinute,      Proceeding, ""),

    (Completed,  Repeat,          Completed,  "absorb send 202 wait 0"),
    (Completed,  Respond100,      Completed,  "refused wait 0"),
    (Completed,  Respond200,      Completed,  "refused wait 0"),
    (Completed,  Respond500,      Completed,  "refused wait 0"),
    (Completed,  TransportFailed, Completed,  "transport-failed wait 0"),
    (Completed,  HalfMinute,      Terminated, "over"),

    (Terminated, Repeat,          Terminated, "absorb"),
    (Terminated, Respond100,      Terminated, "refused"),
    (Terminated, Respond200,      Terminated, "refused"),
    (Terminated, Respond500,      Terminated, "refused"),
    (Terminated, TransportFailed, Terminated, ""),
    (Terminated, HalfMinute,      Terminated, ""),
];

fn respond(machine: &mut ServerNonInvite, status: u16, now: Instant) -> bool {
    machine.respond(code(status), format!("{status} X").into_bytes(), now)
}

fn reach(state: ServerNonInviteState, reliability: Reliability, now: Instant) -> ServerNonInvite {
    let mut machine = ServerNonInvite::new(reliability, Timing::default());
    let done = match state {
        Trying => true,
        Proceeding => respond(&mut machine, 182, now),
        Completed => respond(&mut machine, 202, now),
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

fn apply(state: ServerNonInviteState, input: Input, reliability: Reliability) -> (ServerNonInviteState, String) {
    let mut clock = sim::Clock::new();
    let mut machine = reach(state, reliability, clock.now());
    let mut said = "";
    match input {
        Repeat => said = word(machine.handle_repeat()),
        Respond100 => said = sent(respond(&mut machine, 100, clock.now())),
        Respond200 => said = sent(respond(&mut machine, 200, clock.now())),
        Respond500 => said = sent(respond(&mut machine, 500, clock.now())),
        TransportFailed => machine.handle_transport_failed(),
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
