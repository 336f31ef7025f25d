//! Whole calls between two ends over a bad network, for hundreds of seeds: early and late offer, early answer, refusal,
//! CANCEL at any moment, re-INVITE from both sides, BYE from both sides. Both ends come to rest, no answer ever meets
//! another's offer, and without loss both ends agree on the last session.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy only exempts functions marked #[test]")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sim::{Datagram, LinkProfile, Node, SimRng, World};
use sip::dialog::{AckWait, Answer, Dialog, DialogState, Hangup, Heard, Hop, Invitation, InviteUsage, Must, Role};
use sip::flow::{Flow, ListenerId, Transport};
use sip::message::{Message, Method, Request, Response, StatusCode, Writer, parse};
use sip::timer::Wheel;
use sip::token::Tokens;
use sip::transaction::{Cancels, Event, Incoming, Layer, LayerOutput, Limits, Matched, StartError, Timing, TransactionId};

const LIMIT: Duration = Duration::from_secs(600);

/// What a client transaction is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Purpose {
    Invite,
    Reinvite,
    Bye,
    Serve,
}

#[derive(Debug, Clone, Copy)]
enum Task {
    Call,
    Ring,
    Answer,
    Reinvite,
    Hangup,
}

/// An INVITE of theirs without final response.
struct Pending {
    id: TransactionId,
    request: Vec<u8>,
}

/// One end: transactions, at most one call, and what it says in its bodies: `offer n` or `answer n`.
struct Phone {
    address: SocketAddr,
    peer: SocketAddr,
    layer: Layer<Purpose>,
    tokens: Tokens,
    tasks: Wheel<Task>,
    rng: SimRng,
    outbox: Vec<Datagram>,
    deadline: Option<Instant>,
    invitation: Option<Invitation>,
    invite: Option<TransactionId>,
    called: Option<Dialog>,
    pending: Option<Pending>,
    bye_wanted: bool,
    bye_sent: bool,
    late_offer: bool,
    refuses: bool,
    offers: u32,
    /// Number of the offer that is open, ours or theirs.
    open: Option<u32>,
    agreed: Vec<u32>,
    reinvites: u32,
}

impl Phone {
    fn new(address: &str, peer: &str, seed: u64, now: Instant) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        let address: SocketAddr = address.parse().unwrap();
        Self {
            address,
            peer: peer.parse().unwrap(),
            layer: Layer::new(Limits::default(), Timing::default(), key, now),
            tokens: Tokens::new(key),
            tasks: Wheel::new(now),
            rng: SimRng::new(seed),
            outbox: vec![],
            deadline: None,
            invitation: None,
            invite: None,
            called: None,
            pending: None,
            bye_wanted: false,
            bye_sent: false,
            late_offer: false,
            refuses: false,
            // Numbers of the two ends never meet.
            offers: u32::from(address.port()) * 1000,
            open: None,
            agreed: vec![],
            reinvites: 0,
        }
    }

    fn flow(&self) -> Flow {
        Flow { listener: ListenerId(0), peer: self.peer, transport: Transport::Udp }
    }

    fn later(&mut self, from: u64, to: u64, task: Task, now: Instant) {
        let delay = Duration::from_millis(from) + self.rng.duration(Duration::from_millis(to - from));
        self.tasks.set(now + delay, task);
    }

    fn dialog(&mut self) -> Option<&mut Dialog> {
        match &mut self.invitation {
            Some(invitation) => invitation.dialog_mut(),
            None => self.called.as_mut(),
        }
    }

    fn new_offer(&mut self) -> String {
        self.offers += 1;
        assert_eq!(self.open.replace(self.offers), None, "one offer at a time (RFC 3264 §4)");
        format!("offer {}", self.offers)
    }

    fn take_offer(&mut self, body: &str) {
        let number = body.strip_prefix("offer ").unwrap().parse().unwrap();
        assert_eq!(self.open.replace(number), None, "one offer at a time (RFC 3264 §4)");
    }

    fn take_answer(&mut self, body: &str) {
        assert_eq!(body, format!("answer {}", self.open.unwrap()), "an answer meets its own offer");
        self.agreed.extend(self.open.take());
    }

    /// The answer to their open offer; `agreed` once it goes reliably.
    fn answer(&mut self, reliable: bool) -> String {
        let number = self.open.unwrap();
        if reliable {
            self.agreed.extend(self.open.take());
        }
        format!("answer {number}")
    }

    fn call(&mut self, now: Instant) {
        let (tag, call_id) = (self.tokens.tag(), self.tokens.text(24));
        let mut invitation = Invitation::new(
            call_id,
            tag,
            &format!("<sip:a@{}>", self.address),
            &format!("<sip:b@{}>", self.peer),
            &format!("sip:b@{}", self.peer),
            &format!("<sip:{}>", self.address),
        );
        let offer = (!self.late_offer).then(|| self.new_offer());
        if offer.is_some() {
            invitation.offered();
        }
        let branch = self.layer.branch();
        let hop = Hop { transport: Transport::Udp, sent_by: self.address, branch: &branch };
        let mut bytes = vec![];
        finish(invitation.request(&mut bytes, &hop), offer);
        self.invitation = Some(invitation);
        self.invite = Some(self.layer.request(Method::Invite, &branch, bytes, self.flow(), Purpose::Invite, now).unwrap());
    }

    fn reinvite(&mut self, now: Instant) {
        let (flow, branch, us) = (self.flow(), self.layer.branch(), self.address);
        let Some(dialog) = self.dialog() else { return };
        if dialog.invite.may_invite().is_err() || !dialog.negotiation.may_offer() || dialog.state() != DialogState::Confirmed {
            return;
        }
        let offer = (self.rng.below(3) > 0).then(|| self.new_offer());
        let dialog = self.dialog().unwrap();
        if offer.is_some() {
            dialog.negotiation.offer_sent().unwrap();
        }
        let mut bytes = vec![];
        let hop = Hop { transport: Transport::Udp, sent_by: us, branch: &branch };
        finish(dialog.reinvite(&mut bytes, &hop).unwrap(), offer);
        self.layer.request(Method::Invite, &branch, bytes, flow, Purpose::Reinvite, now).unwrap();
        self.reinvites += 1;
    }

    fn hangup(&mut self, now: Instant) {
        let Some(dialog) = self.dialog() else {
            if let Some(id) = self.invite {
                // No answer yet; a 2xx that crosses the CANCEL finds this flag.
                self.bye_wanted = true;
                self.layer.cancel(id, now);
            }
            return;
        };
        match dialog.hangup() {
            Hangup::Cancel | Hangup::Nothing => {}
            Hangup::Respond => self.respond(StatusCode::TEMPORARILY_UNAVAILABLE, None, now),
            Hangup::Bye => self.bye(now),
            Hangup::ByeAfterAck => self.bye_wanted = true,
        }
    }

    fn bye(&mut self, now: Instant) {
        if std::mem::replace(&mut self.bye_sent, true) {
            return;
        }
        let (flow, branch, us) = (self.flow(), self.layer.branch(), self.address);
        let mut bytes = vec![];
        let hop = Hop { transport: Transport::Udp, sent_by: us, branch: &branch };
        finish(self.dialog().unwrap().request(&mut bytes, Method::Bye, &hop), None);
        let started: Result<_, StartError> = self.layer.request(Method::Bye, &branch, bytes, flow, Purpose::Bye, now);
        started.unwrap();
    }

    /// Responds to the open INVITE of theirs.
    fn respond(&mut self, status: StatusCode, body: Option<String>, now: Instant) {
        let Some(pending) = self.pending.take() else { return };
        let source = self.peer;
        let dialog = self.dialog().unwrap();
        let mut bytes = vec![];
        let message = parse(&pending.request).unwrap();
        let request = message.as_request().unwrap();
        finish(dialog.respond(&mut bytes, request, status, source), body);
        if status.is_final() {
            dialog.answered(status, &Timing::default(), now);
            if status.is_success() {
                dialog.refresh_target(request.headers());
            } else {
                dialog.negotiation.rejected();
                self.open = None;
            }
        }
        assert!(self.layer.respond(pending.id, status, bytes, now));
        if status.is_provisional() {
            self.pending = Some(pending);
        }
    }

    fn run(&mut self, task: Task, now: Instant) {
        match task {
            Task::Call => self.call(now),
            Task::Reinvite => self.reinvite(now),
            Task::Hangup => self.hangup(now),
            Task::Ring => {
                let Some(dialog) = self.called.as_mut().filter(|dialog| dialog.state() == DialogState::Early) else { return };
                if dialog.negotiation.owes_answer() {
                    dialog.negotiation.answer_sent(false);
                    let answer = self.answer(false);
                    self.respond(StatusCode::SESSION_PROGRESS, Some(answer), now);
                } else {
                    self.respond(StatusCode::RINGING, None, now);
                }
            }
            Task::Answer if self.pending.is_none() => {}
            Task::Answer if self.refuses => self.respond(StatusCode::BUSY_HERE, None, now),
            Task::Answer => {
                let dialog = self.dialog().unwrap();
                let body = match dialog.negotiation.must_2xx_carry() {
                    Must::Answer => {
                        dialog.negotiation.answer_sent(true);
                        Some(self.answer(true))
                    }
                    Must::Offer => {
                        dialog.negotiation.offer_sent().unwrap();
                        Some(self.new_offer())
                    }
                    Must::Nothing => None,
                };
                self.respond(StatusCode::OK, body, now);
            }
        }
    }

    fn handle_request(&mut self, request: &Request<'_>, bytes: &[u8], now: Instant) {
        match self.layer.handle_request(&request.into(), now) {
            Incoming::Repeat => {}
            Incoming::Ack { .. } => self.handle_ack(request, now),
            Incoming::New { request: new, cancels } => {
                let id = self.layer.accept(new, self.flow(), Purpose::Serve).unwrap();
                match (cancels, request.method()) {
                    (Cancels::Nothing, _) => self.plain(id, request, StatusCode::CALL_DOES_NOT_EXIST, now),
                    (Cancels::Invite(invite, _), _) => {
                        self.plain(id, request, StatusCode::OK, now);
                        if self.pending.as_ref().is_some_and(|pending| pending.id == invite) {
                            self.respond(StatusCode::REQUEST_TERMINATED, None, now);
                        }
                    }
                    (Cancels::NotACancel, Method::Invite) if request.to().tag.is_none() => self.handle_call(id, request, bytes, now),
                    (Cancels::NotACancel, method) => self.handle_inside(id, request, bytes, method, now),
                }
            }
        }
    }

    fn handle_call(&mut self, id: TransactionId, request: &Request<'_>, bytes: &[u8], now: Instant) {
        assert!(self.called.is_none(), "one INVITE is one call, however often it comes");
        let tag = self.tokens.tag();
        self.called = Some(Dialog::uas(request, &tag, &format!("<sip:{}>", self.address)).unwrap());
        self.pending = Some(Pending { id, request: bytes.to_vec() });
        if !request.body().is_empty() {
            self.take_offer(body(request.body()));
            self.called.as_mut().unwrap().negotiation.offer_received().unwrap();
        }
        self.respond(StatusCode::TRYING, None, now);
        self.later(10, 2000, Task::Ring, now);
        self.later(10, 8000, Task::Answer, now);
    }

    fn handle_inside(&mut self, id: TransactionId, request: &Request<'_>, bytes: &[u8], method: Method<'_>, now: Instant) {
        let Some(dialog) = self.dialog().filter(|dialog| dialog.owns_request(request)) else {
            return self.plain(id, request, StatusCode::CALL_DOES_NOT_EXIST, now);
        };
        if let Err(refusal) = dialog.handle_request(request) {
            return self.plain(id, request, refusal.status(), now);
        }
        if method == Method::Bye {
            dialog.end();
            self.plain(id, request, StatusCode::OK, now);
            // RFC 3261 §15.1.2: what is still open is answered 487.
            return self.respond(StatusCode::REQUEST_TERMINATED, None, now);
        }
        let negotiation = &mut dialog.negotiation;
        let in_turn = if request.body().is_empty() { negotiation.offer_asked() } else { negotiation.offer_received() };
        if let Err(refusal) = in_turn {
            dialog.answered(refusal.status(), &Timing::default(), now);
            return self.plain(id, request, refusal.status(), now);
        }
        if !request.body().is_empty() {
            self.take_offer(body(request.body()));
        }
        self.pending = Some(Pending { id, request: bytes.to_vec() });
        self.respond(StatusCode::TRYING, None, now);
        self.later(10, 1500, Task::Answer, now);
    }

    fn handle_ack(&mut self, request: &Request<'_>, now: Instant) {
        let Some(dialog) = self.dialog().filter(|dialog| dialog.owns_request(request)) else { return };
        if !dialog.invite.handle_ack(request.cseq().number) {
            return;
        }
        if dialog.negotiation.awaits_answer() {
            assert_eq!(dialog.negotiation.description_received(true), Answer::New);
            self.take_answer(body(request.body()));
        }
        if self.bye_wanted {
            self.bye(now);
        }
    }

    fn handle_response(&mut self, response: &Response<'_>, now: Instant) {
        match self.layer.handle_response(&response.into(), now) {
            Matched::Deliver(_, Purpose::Invite) => self.handle_invite_response(response, now),
            Matched::Deliver(_, Purpose::Reinvite) if response.status().is_final() => self.handle_reinvite_response(response, now),
            Matched::Deliver(_, Purpose::Bye) if response.status().is_final() => drop(self.dialog().unwrap().handle_final(response)),
            Matched::Deliver(..) | Matched::Absorbed | Matched::Unmatched => {}
        }
    }

    fn handle_invite_response(&mut self, response: &Response<'_>, now: Instant) {
        let invitation = self.invitation.as_mut().unwrap();
        match invitation.handle_response(response).unwrap() {
            Heard::NoDialog => {
                if response.status().is_final() {
                    self.open = None;
                }
            }
            Heard::Early(dialog) => {
                if !response.body().is_empty() {
                    let _shown = dialog.negotiation.description_received(false);
                    assert_eq!(body(response.body()), format!("answer {}", self.open.unwrap()));
                }
            }
            Heard::Answered(_) => {
                self.acknowledge(response);
                if self.bye_wanted {
                    self.bye(now);
                }
            }
            Heard::Repeated(dialog) => {
                let ack = dialog.invite.ack_again(response.cseq().number).map(<[u8]>::to_vec);
                self.send_ack(ack.expect("the ACK of the call is still known"));
            }
            Heard::Surplus(_) => panic!("nobody forks here"),
        }
    }

    fn handle_reinvite_response(&mut self, response: &Response<'_>, now: Instant) {
        let number = response.cseq().number;
        let dialog = self.dialog().unwrap();
        if let Some(ack) = dialog.invite.ack_again(number).map(<[u8]>::to_vec) {
            return self.send_ack(ack);
        }
        let over = dialog.handle_final(response);
        if response.status().is_success() {
            if dialog.invite.ack_owed() == Some(number) {
                dialog.refresh_target(response.headers());
                self.acknowledge(response);
            }
            return;
        }
        dialog.negotiation.rejected();
        let owner = dialog.role() == Role::Uac;
        self.open = None;
        if response.status() == StatusCode::REQUEST_PENDING {
            let wait = InviteUsage::glare_wait(owner, self.rng.below(1 << 20) as u32);
            self.tasks.set(now + wait, Task::Reinvite);
        } else if over {
            self.bye(now);
        }
    }

    /// Acknowledges a 2xx that is new, with what the negotiation asks for.
    fn acknowledge(&mut self, response: &Response<'_>) {
        let (branch, us) = (self.layer.branch(), self.address);
        let dialog = self.dialog().unwrap();
        let text = body(response.body());
        let mut answer = None;
        if dialog.negotiation.awaits_answer() {
            let _first = dialog.negotiation.description_received(true);
            self.take_answer(text);
        } else {
            dialog.negotiation.offer_received().unwrap();
            assert_eq!(dialog.negotiation.must_ack_carry(), Must::Answer);
            dialog.negotiation.answer_sent(true);
            self.take_offer(text);
            answer = Some(self.answer(true));
        }
        let dialog = self.dialog().unwrap();
        let mut bytes = vec![];
        finish(dialog.ack(&mut bytes, response.cseq().number, &Hop { transport: Transport::Udp, sent_by: us, branch: &branch }), answer);
        dialog.invite.acknowledged(&bytes);
        self.send_ack(bytes);
    }

    fn send_ack(&mut self, bytes: Vec<u8>) {
        self.outbox.push(Datagram { from: self.address, to: self.peer, bytes });
    }

    fn plain(&mut self, id: TransactionId, request: &Request<'_>, status: StatusCode, now: Instant) {
        let mut bytes = vec![];
        Writer::response(&mut bytes, status, status.phrase()).answer(request.headers(), Some(self.peer), Some("plain")).end().unwrap();
        self.layer.respond(id, status, bytes, now);
    }

    fn handle_event(&mut self, purpose: Purpose, event: Event, now: Instant) {
        match (purpose, event) {
            (Purpose::Bye, Event::TimedOut) => self.dialog().unwrap().end(),
            (Purpose::Reinvite, Event::TimedOut) => {
                self.dialog().unwrap().negotiation.rejected();
                self.open = None;
                self.bye(now);
            }
            (Purpose::Invite, Event::Terminated) => self.invite = None,
            (Purpose::Invite | Purpose::Serve, Event::TimedOut) | (_, Event::Terminated) => {}
            (_, Event::TransportFailed) => panic!("no transport fails here"),
        }
    }
}

impl Node for Phone {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn handle_datagram(&mut self, datagram: Datagram, now: Instant) {
        match parse(&datagram.bytes).unwrap() {
            Message::Request(request) => self.handle_request(&request, &datagram.bytes, now),
            Message::Response(response) => self.handle_response(&response, now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        while let Some(task) = self.tasks.pop(now) {
            self.run(task, now);
        }
        let Some(dialog) = self.dialog() else { return };
        match dialog.handle_timeout(now) {
            AckWait::Quiet => {}
            AckWait::Repeat => {
                // The transaction that sent it lives as long as its repeats (RFC 6026 §7.1), and its purpose finds it.
                let ids: Vec<TransactionId> =
                    self.layer.live().filter(|&(_, purpose)| purpose == Purpose::Serve).map(|(id, _)| id).collect();
                for id in ids {
                    self.layer.repeat_2xx(id);
                }
            }
            AckWait::GaveUp => {
                dialog.negotiation.rejected();
                self.open = None;
                self.bye(now);
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        if let Some(datagram) = self.outbox.pop() {
            return Some(datagram);
        }
        loop {
            match self.layer.poll_output() {
                LayerOutput::Transmit { flow, bytes } => {
                    return Some(Datagram { from: self.address, to: flow.peer, bytes: bytes.to_vec() });
                }
                LayerOutput::Event { user, event, .. } => self.handle_event(user, event, now),
                LayerOutput::Wait(at) => {
                    let dialog = self.dialog().and_then(|dialog| dialog.deadline());
                    self.deadline = [at, self.tasks.next_deadline(), dialog].into_iter().flatten().min();
                    return None;
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

fn finish(writer: Writer<'_>, body: Option<String>) {
    match body {
        Some(body) => writer.body("application/sdp", body.as_bytes()).unwrap(),
        None => writer.end().unwrap(),
    };
}

fn body(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One call; `patient` callers let it be answered.
fn run(seed: u64, profile: LinkProfile, patient: bool) -> (Phone, Phone) {
    let mut world = World::new(profile, seed);
    let now = world.now();
    let mut caller = Phone::new("127.0.0.1:5061", "127.0.0.2:5062", seed, now);
    let mut callee = Phone::new("127.0.0.2:5062", "127.0.0.1:5061", seed ^ 0xffff, now);
    caller.late_offer = seed.is_multiple_of(3);
    callee.refuses = !patient && seed.is_multiple_of(5);
    caller.later(0, 100, Task::Call, now);
    for phone in [&mut caller, &mut callee] {
        for _ in 0..3 {
            phone.later(9000, 25_000, Task::Reinvite, now);
        }
        let earliest = if patient { 40_000 } else { 500 };
        phone.later(earliest, 60_000, Task::Hangup, now);
        // Whoever lost the other's BYE ends the call by his own.
        phone.later(70_000, 80_000, Task::Hangup, now);
        phone.deadline = phone.tasks.next_deadline();
    }
    assert!(world.run_until_idle(&mut [&mut caller, &mut callee], LIMIT), "the run does not come to rest");
    for phone in [&mut caller, &mut callee] {
        assert!(phone.layer.is_empty() && phone.layer.bytes() == 0);
        assert_eq!(phone.deadline, None);
        assert!(phone.pending.is_none());
        if let Some(dialog) = phone.dialog() {
            assert_eq!((dialog.state(), dialog.hangup()), (DialogState::Terminated, Hangup::Nothing));
        }
    }
    (caller, callee)
}

#[test]
fn calls_come_to_rest_over_loss_reordering_and_duplicates() {
    sim::seeds("calls_come_to_rest_over_loss_reordering_and_duplicates", 400, |seed| {
        run(seed, LinkProfile::random(&mut SimRng::new(seed), 400), false);
    });
}

#[test]
fn without_loss_both_ends_agree_on_every_session() {
    let mut reinvites = 0;
    sim::seeds("without_loss_both_ends_agree_on_every_session", 200, |seed| {
        let profile = LinkProfile { reorder_permille: 0, ..LinkProfile::random(&mut SimRng::new(seed), 0) };
        let (caller, callee) = run(seed, profile, true);
        assert!(!caller.agreed.is_empty(), "the call was answered");
        assert_eq!(caller.agreed, callee.agreed);
        reinvites += caller.reinvites + callee.reinvites;
    });
    assert!(reinvites > 200 || std::env::var("SIM_SEED").is_ok(), "{reinvites} re-INVITEs are too few to mean anything");
}
