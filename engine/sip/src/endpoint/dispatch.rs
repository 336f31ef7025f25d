//! From datagram to whoever deals with it.
//!
//! ```text
//!   bytes ─► parse ─► another shard's? `handover`
//!                  └► response ─► ping | transaction
//!                  └► request  ─► transaction: repeat | ACK | new ─► screen ─► method
//!                  └► broken   ─► answer without state, or drop and count
//! ```
//! Shape:  one pass, no state of its own.
//! Errors: none; see [`Stats`](super::stats::Stats) for what is dropped.
//! Source: RFC 3261 §8.2, §18.1.2 (responses), §18.3 (broken messages).

use std::net::SocketAddr;
use std::time::Instant;

use super::calls::CallKey;
use super::source::Source;
use super::{Datagram, Endpoint, Owner, Purpose, ping, screen};
use crate::flow::Transport;
use crate::message::{Fault, HeaderName, Message, Method, ParseError, Place, Rejected, Request, Response, StatusCode, Writer};
use crate::transaction::{Cancels, Incoming, Matched, NewRequest, RequestHead, ResponseHead, TransactionId};

impl Endpoint {
    pub(super) fn dispatch(&mut self, datagram: Datagram<'_>, now: Instant) {
        self.stats.received += 1;
        let transport = self.config.listeners.get(usize::from(datagram.listener.0)).map_or(Transport::Udp, |listener| listener.transport);
        self.sort(datagram, transport, false, now);
    }

    /// As `dispatch`, for what another shard has handed over.
    pub(super) fn dispatch_here(&mut self, datagram: Datagram<'_>, transport: Transport, now: Instant) {
        self.sort(datagram, transport, true, now);
    }

    fn sort(&mut self, datagram: Datagram<'_>, transport: Transport, handed: bool, now: Instant) {
        let mut place = Place::new();
        match place.parse(datagram.bytes) {
            Ok(message) if self.hands_over(message, &datagram, transport, handed) => {}
            Ok(Message::Request(request)) => {
                let source = Source::new(datagram.listener, transport, datagram.from, request.via());
                self.handle_request(request, &source, now);
                self.settle_budget(datagram.from.ip(), now);
            }
            Ok(Message::Response(response)) => self.handle_response(response, datagram.from, now),
            Err(ParseError::Rejected(rejected)) => self.reject(&rejected, datagram, transport, now),
            Err(ParseError::Garbage(Fault::Empty)) => self.stats.keepalives += 1,
            Err(ParseError::Garbage(_)) => self.handle_garbage(datagram.from.ip(), now),
        }
    }

    /// Answers a request that cannot be read, as far as it can be told whom and what to answer, and as long as its source may ask.
    fn reject(&mut self, rejected: &Rejected<'_>, datagram: Datagram<'_>, transport: Transport, now: Instant) {
        self.stats.rejected += 1;
        if !self.hears_broken(datagram.from.ip(), now) {
            return;
        }
        let Some(via) = rejected.via() else { return };
        let source = Source::new(datagram.listener, transport, datagram.from, &via);
        let headers = rejected.headers();
        let mut out = Vec::with_capacity(512);
        // Without a To tag: no dialog comes of it, and the sender may not have sent a To that could carry one.
        let written = Writer::response(&mut out, rejected.status(), rejected.fault())
            .answer(&headers, Some(source.from), None)
            .header(HeaderName::Server, &self.config.agent)
            .end();
        self.stats.unwritable += u64::from(written.is_err());
        self.transmit(source.reply, written.is_ok().then_some(out));
    }

    fn handle_response(&mut self, response: &Response<'_>, from: SocketAddr, now: Instant) {
        let via = response.via();
        let mark = self.config.shard.mark();
        if let Some(id) = via.branch.and_then(|branch| ping::pinged(branch, mark)) {
            return self.registrar.handle_pong(id);
        }
        match self.layer.handle_response(&ResponseHead::from(response), now) {
            Matched::Deliver(id, Owner::Call(key, purpose)) => {
                self.deliver(key, purpose, id, response, from, now);
                self.calls.settle(key);
            }
            Matched::Deliver(_, Owner::Watcher(id)) if response.status().is_final() => self.watchers.answered(id, Some(response.status())),
            Matched::Deliver(_, Owner::Trunk(id, errand)) => self.trunk_response(id, errand, response, now),
            Matched::Deliver(_, Owner::Nobody | Owner::Watcher(_)) | Matched::Absorbed => {}
            Matched::Unmatched => self.stats.strays += 1,
        }
    }

    /// A response to a request of a call.
    fn deliver(&mut self, key: CallKey, purpose: Purpose, id: TransactionId, response: &Response<'_>, from: SocketAddr, now: Instant) {
        if let Some(call) = self.calls.get_mut(key) {
            call.view.remote = Some(from);
        }
        match purpose {
            Purpose::OurInvite => self.invite_response(key, id, response, now),
            Purpose::OurOffer => self.offer_response(key, id, response, now),
            Purpose::Bye if response.status().is_final() => self.bye_answered(key, response, now),
            Purpose::Other => self.other_response(key, response, now),
            Purpose::Transfer => self.refer_response(key, id, response, now),
            Purpose::Report if response.status().is_final() => self.report_done(key, id, response.status().class() > 2),
            // Nobody answers responses of ours.
            Purpose::Bye | Purpose::Report | Purpose::Prack | Purpose::TheirInvite | Purpose::TheirOffer => {}
        }
    }

    fn handle_request(&mut self, request: &Request<'_>, source: &Source, now: Instant) {
        match self.layer.handle_request(&RequestHead::from(request), now) {
            Incoming::Repeat => {}
            Incoming::Ack { .. } => self.ack_received(request, source, now),
            Incoming::New { request: new, cancels } => self.handle_new(request, source, new, cancels, now),
        }
        if let Some(key) = self.calls.find(request.call_id()) {
            self.calls.settle(key);
        }
    }

    fn handle_new(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, cancels: Cancels<Owner>, now: Instant) {
        // What belongs to something here is never shed: ending a call relieves us, losing it does not.
        let call = self.call_of(request);
        let belongs = call.is_some() || matches!(cancels, Cancels::Invite(..)) || self.watchers.owns(request);
        if !belongs && !self.hears(request, source, now) {
            return;
        }
        if !belongs && self.is_put_off(request.method(), now) {
            return self.put_off(request, source);
        }
        match cancels {
            Cancels::NotACancel => {}
            Cancels::Nothing => return self.answer_stateless(request, source, StatusCode::CALL_DOES_NOT_EXIST, &[]),
            Cancels::Invite(invite, owner) => return self.cancel_received(request, source, invite, owner, now),
        }
        let messages = matches!(request.method(), Method::Message | Method::Options | Method::Other(_)) && self.takes_messages(request);
        if let Err(refused) = screen::screen(request, messages) {
            return self.answer_stateless(request, source, refused.status(), &refused.explain(messages));
        }
        // A REGISTER is never part of a dialog, but some phones send the tag of the last answer along.
        // RFC 3428 §6: a MESSAGE is one of no dialog, whatever a phone makes of its tags.
        if request.method() == Method::Message {
            return self.message(request, source, new, now);
        }
        if request.to().tag.is_some() && request.method() == Method::Subscribe {
            return self.resubscribe(request, source, new, now);
        }
        if request.to().tag.is_some() && request.method() != Method::Register {
            return self.within(call, request, source, new, now);
        }
        match request.method() {
            Method::Invite => self.incoming(request, source, new, now),
            Method::Register => self.register(request, source, new, now),
            Method::Subscribe => self.subscribe(request, source, new, now),
            Method::Publish => self.publish(request, source, new, now),
            Method::Options => self.answer_stateless(request, source, StatusCode::OK, &screen::capabilities(messages)),
            // RFC 3515 §2.4.2: who may refer us is ours to decide; a call of ours is made by control alone.
            Method::Refer => self.answer_stateless(request, source, StatusCode::FORBIDDEN, &[]),
            _ => self.answer_stateless(request, source, StatusCode::CALL_DOES_NOT_EXIST, &[]),
        }
    }

    /// The call that a request is part of. A REGISTER or MESSAGE never is, but some phones send a tag along.
    fn call_of(&mut self, request: &Request<'_>) -> Option<CallKey> {
        let may_be = request.to().tag.is_some() && !matches!(request.method(), Method::Register | Method::Message | Method::Subscribe);
        if may_be { self.dialog_of(request) } else { None }
    }
}
