//! The called end of each call: rings, picks up, is hung up on. And its registration.
//!
//! ```text
//!   INVITE ─▶ 180 ─ ring ─▶ 200 ─ ACK ─▶ talking ─ BYE ─▶ 200, over
//! ```
//! Shape:  one entry per INVITE that came, found by its Call-ID. The switch makes that one, so the call that it belongs to is the
//!         oldest that is under way to this callee.
//! Errors: a repeated INVITE gets its last answer again and is counted.
//! Source: RFC 3261 §10.2, §13.3, §15.1.2, §9.2.

use std::net::SocketAddrV4;

use sip::auth::{ClientAuth, Identity};

use super::text::{audio_port, response, session};
use super::{Load, Plan, Task};
use crate::load::sip::{Message, number_after};

/// A call as its callee sees it.
#[derive(Debug)]
pub(super) struct Leg {
    /// Headers of its responses.
    headers: String,
    from: SocketAddrV4,
    call: usize,
    /// Where the switch wants media.
    port: Option<u16>,
    user: usize,
    has_answered: bool,
    pub counts: bool,
    pub is_over: bool,
}

impl Load {
    pub(super) fn send_register(&mut self, n: usize, cseq: u32, more: &str) {
        let (user, at, domain, run) = (self.plan.callee(n), self.callees.at, &self.plan.domain, self.run);
        let now = self.clock.now_us();
        let text = format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-r{run}-{n}-{cseq}-{now};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag=r{n}\r\nTo: <sip:{user}@{domain}>\r\nCall-ID: r{n}-{run}@{at}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{at}>\r\nExpires: 3600\r\nUser-Agent: bench\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.callees.send(self.plan.server, &text);
    }

    /// What came for callees.
    pub(super) fn at_callee(&mut self, message: &Message<'_>, from: SocketAddrV4, at_us: u64) {
        match (message.status, message.method) {
            (Some(status), "REGISTER") => self.at_registration(status, message),
            (Some(_), _) => {}
            (None, "ACK") => self.acknowledged(message),
            (None, "INVITE") if !message.to.contains(";tag=") => self.rung(message, from, at_us),
            (None, method) => {
                let known = self.legs.get(message.call_id).copied();
                let body = if matches!(method, "INVITE" | "UPDATE") {
                    session(self.media(2 * known.and_then(|leg| self.leg.get(leg)).map_or(0, |leg| leg.call) + 1))
                } else {
                    String::new()
                };
                let contact = format!("sip:b@{}", self.callees.at);
                let text = response("200 OK", &message.response_headers("b"), &contact, &body);
                self.callees.send(from, &text);
                if let Some(leg) = known.filter(|_| matches!(method, "BYE" | "CANCEL")) {
                    self.left(leg, method == "CANCEL");
                    self.legs.remove(message.call_id);
                }
            }
        }
    }

    fn at_registration(&mut self, status: u16, message: &Message<'_>) {
        let Some(n) = number_after(message.call_id, "r") else { return };
        if status == 200 {
            if let Some(is) = self.registered.get_mut(n) {
                *is = true;
            }
        } else if let (401 | 407, Some((proxy, challenge))) = (status, message.challenge) {
            let user = self.plan.callee(n);
            let identity = Identity { secret: Plan::secret(&user), username: user };
            // One that cannot be answered is a callee that is not registered.
            let Ok(mut auth) = ClientAuth::new(identity, proxy, std::iter::once(challenge)) else { return };
            let value = auth.answer("REGISTER", &format!("sip:{}", self.plan.domain), &mut self.rng);
            let header = format!("{}: {value}\r\n", auth.header());
            self.send_register(n, 2, &header);
        } else {
            self.refusal = status;
        }
    }

    fn rung(&mut self, message: &Message<'_>, from: SocketAddrV4, at_us: u64) {
        if let Some(leg) = self.legs.get(message.call_id).copied() {
            self.outcome.repeats += 1;
            return if self.leg.get(leg).is_some_and(|leg| leg.has_answered) { self.pick_up(leg) } else { self.ring(leg) };
        }
        let user = message.uri().split_once(':').and_then(|(_, rest)| number_after(rest, "b")).unwrap_or(0);
        let Some(call) = self.waiting.get_mut(user).and_then(std::collections::VecDeque::pop_front) else { return };
        let counts = call >= self.first;
        if let Some(due_us) = self.calls.get(call).map(|call| call.due_us).filter(|_| counts) {
            self.outcome.times.reached.record(at_us.saturating_sub(due_us));
        }
        let leg = self.leg.len();
        let headers = message.response_headers(&format!("b{leg}"));
        let port = audio_port(message.body);
        self.leg.push(Leg { headers, from, call, port, user, has_answered: false, counts, is_over: false });
        self.legs.insert(message.call_id.to_owned(), leg);
        self.ring(leg);
        self.later(self.plan.ring, Task::Answer(leg));
    }

    fn ring(&mut self, leg: usize) {
        let Some(Leg { headers, from, user, .. }) = self.leg.get(leg) else { return };
        let text = response("180 Ringing", headers, &format!("sip:b{user}@{}", self.callees.at), "");
        let from = *from;
        self.callees.send(from, &text);
    }

    /// 200, if it still rings; again, if it came again.
    pub(super) fn pick_up(&mut self, leg: usize) {
        let Some(Leg { headers, from, user, call, .. }) = self.leg.get(leg).filter(|leg| !leg.is_over) else { return };
        let text = response("200 OK", headers, &format!("sip:b{user}@{}", self.callees.at), &session(self.media(2 * call + 1)));
        let from = *from;
        self.callees.send(from, &text);
        if let Some(leg) = self.leg.get_mut(leg) {
            leg.has_answered = true;
        }
    }

    fn acknowledged(&mut self, message: &Message<'_>) {
        let Some(leg) = self.legs.get(message.call_id).and_then(|leg| self.leg.get(*leg)) else { return };
        if let (Some(voices), Some(port)) = (&mut self.voices, leg.port) {
            // An ACK may bring the session that a late offer left open.
            let port = audio_port(message.body).unwrap_or(port);
            voices.start(2 * leg.call + 1, SocketAddrV4::new(*self.plan.server.ip(), port), leg.counts);
        }
    }

    fn left(&mut self, leg: usize, cancelled: bool) {
        let Some(leg) = self.leg.get_mut(leg) else { return };
        leg.is_over = true;
        let headers = std::mem::take(&mut leg.headers);
        if cancelled && !leg.has_answered {
            let (text, from) = (response("487 Request Terminated", &headers, "", ""), leg.from);
            self.callees.send(from, &text);
        }
    }
}
