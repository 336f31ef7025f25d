//! State tables of the four machines: every state × every input, with next state and output, over both kinds of transport.
//!
//! A row reads: in this state, this happens, then the state is that and these are the outputs in their order. Words of
//! the output: `deliver`, `absorb` (what becomes of the message), `refused` (a command that came too late), `send` with the
//! first word of the message, `timed-out`, `transport-failed`, `over`, and `wait` with the milliseconds to the next timer.

mod client_invite;
mod client_non_invite;
mod layer;
mod server_invite;
mod server_non_invite;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{Disposition, Event, Output};
use crate::flow::Reliability::{self, Reliable, Unreliable};
use crate::message::StatusCode;

/// State before, input, state after, outputs.
type Row<S, I> = (S, I, S, &'static str);

/// Runs every row over `apply`, and checks that the table has each pair of `states` and `inputs` once.
fn check<S, I>(table: &[Row<S, I>], states: &[S], inputs: &[I], reliability: Reliability, apply: impl Fn(S, I, Reliability) -> (S, String))
where
    S: Copy + PartialEq + std::fmt::Debug,
    I: Copy + PartialEq + std::fmt::Debug,
{
    for &state in states {
        for &input in inputs {
            let rows = table.iter().filter(|row| row.0 == state && row.1 == input).count();
            assert_eq!(rows, 1, "rows for {state:?} × {input:?}, {reliability:?}");
        }
    }
    assert_eq!(table.len(), states.len() * inputs.len());
    for &(state, input, next, outputs) in table {
        let (reached, said) = apply(state, input, reliability);
        assert_eq!((reached, said.as_str()), (next, outputs), "{state:?} × {input:?}, {reliability:?}");
    }
}

fn word(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Deliver => "deliver",
        Disposition::Absorb => "absorb",
    }
}

fn sent(accepted: bool) -> &'static str {
    if accepted { "" } else { "refused" }
}

/// Drains a machine into words; `poll` gives one output as text, and whether that was the last.
fn drain(mut said: String, now: Instant, mut poll: impl FnMut() -> Drained) -> String {
    loop {
        let separator = if said.is_empty() { "" } else { " " };
        match poll() {
            Drained::Transmit(word) => write!(said, "{separator}send {word}").unwrap(),
            Drained::Event(Event::TimedOut) => write!(said, "{separator}timed-out").unwrap(),
            Drained::Event(Event::TransportFailed) => write!(said, "{separator}transport-failed").unwrap(),
            Drained::Event(Event::Terminated) => write!(said, "{separator}over").unwrap(),
            Drained::Wait(Some(at)) => {
                write!(said, "{separator}wait {}", at.saturating_duration_since(now).as_millis()).unwrap();
                return said;
            }
            Drained::Wait(None) => return said,
        }
    }
}

enum Drained {
    Transmit(String),
    Event(Event),
    Wait(Option<Instant>),
}

impl From<Output<'_>> for Drained {
    fn from(output: Output<'_>) -> Self {
        match output {
            Output::Transmit(bytes) => Self::Transmit(String::from_utf8_lossy(bytes).split(' ').next().unwrap_or_default().into()),
            Output::Event(event) => Self::Event(event),
            Output::Wait(at) => Self::Wait(at),
        }
    }
}

fn code(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);
const INVITE: &[u8] = b"INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
    From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
