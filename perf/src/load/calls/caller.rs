//! The calling end of each call.
//!
//! ```text
//!   Asked ─ 401, 407 ─▶ Proven ─ 200 ─▶ Talking ─ hold ─▶ Ending ─ 200 to BYE ─▶ Over          any other end ─▶ Over, counted
//! ```
//! Shape:  one entry per call of the run, found by the number in its Call-ID.
//! Errors: reasons are texts, counted.
//! Source: RFC 3261 §13.2, §17.1.1.3, §22.2.

use std::net::SocketAddrV4;

use sip::auth::{ClientAuth, Identity};

use super::text::{Words, audio_port, response, session};
use super::{Load, Plan, Task};
use crate::load::sip::{Message, number_after};

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Proven,
    Talking,
    Ending,
    Over,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub due_us: u64,
    invite_us: u64,
    state: State,
    has_100: bool,
    cseq: u32,
    to: String,
    target: String,
    route: String,
}

impl Load {
    fn words(&self, n: usize) -> Words<'_> {
        Words { plan: &self.plan, at: self.callers.at, run: self.run, n }
    }

    /// Where a caller, or with an odd number a callee, wants its media.
    pub(super) fn media(&self, side: usize) -> SocketAddrV4 {
        // Without media nobody looks: a port that is ours and stays silent.
        self.voices.as_ref().map_or(self.callees.at, |voices| voices.address(side))
    }

    /// A call that is due.
    pub(super) fn call(&mut self, due_us: u64) {
        let n = self.calls.len();
        self.calls.push(Call {
            due_us,
            invite_us: due_us,
            state: State::Asked,
            has_100: false,
            cseq: 1,
            to: String::new(),
            target: String::new(),
            route: String::new(),
        });
        if self.answerer.is_none()
            && let Some(waiting) = self.waiting.get_mut(n % self.plan.users.max(1))
        {
            waiting.push_back(n);
        }
        let text = self.words(n).invite(1, "", &session(self.media(2 * n)));
        self.callers.send(self.plan.server, &text);
    }

    /// What came for callers.
    pub(super) fn at_caller(&mut self, message: &Message<'_>, from: SocketAddrV4, at_us: u64) {
        let Some(n) = number_after(message.call_id, "c") else { return };
        match message.status {
            Some(status) if message.method == "INVITE" => self.invited(n, status, message, at_us),
            Some(status) if message.method == "BYE" => self.said_goodbye(n, status),
            Some(_) => {}
            None => {
                if message.method == "ACK" {
                    return;
                }
                let body = if matches!(message.method, "INVITE" | "UPDATE") { session(self.media(2 * n)) } else { String::new() };
                let contact = format!("sip:{}@{}", self.plan.caller(n), self.callers.at);
                let text = response("200 OK", &message.response_headers("c"), &contact, &body);
                self.callers.send(from, &text);
                if message.method == "BYE" {
                    self.over(n, Some("the switch hung up"));
                }
            }
        }
    }

    fn invited(&mut self, n: usize, status: u16, message: &Message<'_>, at_us: u64) {
        let counts = n >= self.first;
        let Some(call) = self.calls.get_mut(n) else { return };
        // An answer to the INVITE before the one under way.
        if message.cseq < call.cseq && call.state != State::Over {
            return;
        }
        if status < 200 {
            if !std::mem::replace(&mut call.has_100, true) && counts {
                self.outcome.times.to_100.record(at_us.saturating_sub(call.invite_us));
            }
            return;
        }
        match (status, call.state) {
            (401 | 407, State::Asked) => {
                let (cseq, to) = (call.cseq, message.to.to_owned());
                let text = self.words(n).ack_failure(cseq, &to);
                self.callers.send(self.plan.server, &text);
                self.prove(n, message);
            }
            (200..300, State::Asked | State::Proven) => {
                call.state = State::Talking;
                message.to.clone_into(&mut call.to);
                message.contact.clone_into(&mut call.target);
                message.record_route.clone_into(&mut call.route);
                if counts {
                    self.outcome.answered += 1;
                    self.outcome.times.answered.record(at_us.saturating_sub(call.due_us));
                }
                self.acknowledge(n);
                if let (Some(voices), Some(port)) = (&mut self.voices, audio_port(message.body)) {
                    voices.start(2 * n, SocketAddrV4::new(*self.plan.server.ip(), port), counts);
                }
                self.later(self.plan.hold, Task::HangUp(n));
            }
            (200..300, _) => {
                self.outcome.repeats += 1;
                self.acknowledge(n);
            }
            _ => {
                let text = self.words(n).ack_failure(message.cseq, message.to);
                self.callers.send(self.plan.server, &text);
                self.over(n, Some(&format!("INVITE answered {status}")));
            }
        }
    }

    /// The INVITE again, with digest.
    fn prove(&mut self, n: usize, message: &Message<'_>) {
        let user = self.plan.caller(n);
        let identity = Identity { secret: Plan::secret(&user), username: user };
        let (proxy, challenge) = message.challenge.unwrap_or_default();
        let Ok(mut auth) = ClientAuth::new(identity, proxy, std::iter::once(challenge)) else {
            return self.over(n, Some("a challenge that cannot be answered"));
        };
        let uri = self.words(n).uri();
        let value = auth.answer("INVITE", &uri, &mut self.rng);
        let header = format!("{}: {value}\r\n", auth.header());
        let text = self.words(n).invite(2, &header, &session(self.media(2 * n)));
        if let Some(call) = self.calls.get_mut(n) {
            call.state = State::Proven;
            call.cseq = 2;
            call.has_100 = false;
            call.invite_us = self.clock.now_us();
        }
        self.callers.send(self.plan.server, &text);
    }

    fn acknowledge(&mut self, n: usize) {
        let Some(call) = self.calls.get(n) else { return };
        let text = self.words(n).within("ACK", call.cseq, &call.target, &call.to, &call.route);
        self.callers.send(self.plan.server, &text);
    }

    pub(super) fn hang_up(&mut self, n: usize) {
        let Some(call) = self.calls.get_mut(n).filter(|call| call.state == State::Talking) else { return };
        call.state = State::Ending;
        if let Some(voices) = &mut self.voices {
            voices.stop(2 * n);
            voices.stop(2 * n + 1);
        }
        let Some(call) = self.calls.get(n) else { return };
        let text = self.words(n).within("BYE", call.cseq + 1, &call.target, &call.to, &call.route);
        self.callers.send(self.plan.server, &text);
    }

    fn said_goodbye(&mut self, n: usize, status: u16) {
        if self.calls.get(n).is_some_and(|call| call.state == State::Ending) {
            let why = (status >= 300).then(|| format!("BYE answered {status}"));
            self.over(n, why.as_deref());
        }
    }

    /// The call has ended.
    fn over(&mut self, n: usize, why: Option<&str>) {
        let Some(call) = self.calls.get_mut(n).filter(|call| call.state != State::Over) else { return };
        call.state = State::Over;
        (call.to, call.target, call.route) = (String::new(), String::new(), String::new());
        if let Some(waiting) = self.waiting.get_mut(n % self.plan.users.max(1)) {
            waiting.retain(|waiting| *waiting != n);
        }
        if n >= self.first {
            self.outcome.ended += 1;
            match why {
                None => self.outcome.completed += 1,
                Some(why) => self.outcome.count(why),
            }
        }
    }

    /// Calls that count and have not ended: how far they came.
    pub(super) fn leftovers(&mut self) {
        for call in self.calls.iter().skip(self.first) {
            let why = match call.state {
                State::Over => continue,
                State::Asked | State::Proven if !call.has_100 => "no answer to INVITE",
                State::Asked | State::Proven => "not answered in time",
                State::Talking => "not hung up",
                State::Ending => "no answer to BYE",
            };
            self.outcome.count(why);
        }
        let unheard = self.leg.iter().filter(|leg| leg.counts && !leg.is_over).count();
        if unheard > 0 {
            *self.outcome.failures.entry("the callee was not told of the end".to_owned()).or_default() += unheard;
        }
    }
}

impl super::Outcome {
    fn count(&mut self, why: &str) {
        *self.failures.entry(why.to_owned()).or_default() += 1;
    }
}
