//! Calls of ours: the INVITE and its provisional answers. How it ends: `answered`.
//!
//! ```text
//!   Calling ──1xx─► `ringing`, `progress`      ──2xx─► ACK, Talking, `answered`     (late offer: ACK waits for control)
//!           ──401, 407─► again with credentials     ──503, silence─► next address     ──3xx–6xx─► the other legs, then `hangup`
//! ```
//! Shape:  what is needed to send an INVITE again is kept in its [`Leg`] until it is answered.
//! Units:  `Instant`.
//! Errors: none to the far end; control hears the status in the snapshot.
//! Source: RFC 3261 §13.2.2, §22.2; RFC 3263 §4.3 (next address); RFC 3264; RFC 6026 §8.

use std::time::{Duration, Instant};

use super::call::{Call, Ending, Phase};
use super::calls::CallKey;
use super::leg::{Leg, Outgoing, OwedPrack};
use super::reply::SDP_TYPE;
use super::{Endpoint, Owner, Purpose, event, screen};
use crate::api::EventKind;
use crate::dialog::{Answer, Heard, Hop, ReliableHeard, ReliableIn};
use crate::flow::Flow;
use crate::locate::Target;
use crate::message::{HeaderName, Method, Response, StatusCode};
use crate::transaction::TransactionId;

/// How long control may take to answer the offer of a 200. The far end repeats it for 32 s (RFC 3261 §13.3.1.4).
pub(super) const ACK_WITHIN: Duration = Duration::from_secs(20);

impl Endpoint {
    /// Sends the INVITE of a leg in `Calling`, the first time or again. False: it could not be sent.
    pub(super) fn send_invite(&mut self, key: CallKey, at: usize, now: Instant) -> bool {
        let branch = self.layer.branch();
        let Some(call) = self.calls.get_mut(key) else { return false };
        let Phase::Calling(outgoing) = &mut call.phase else { return false };
        let Outgoing { legs, sdp, headers, session, .. } = &mut **outgoing;
        let Some(leg) = legs.get_mut(at) else { return false };
        let Some(listener) = self.config.listeners.get(usize::from(leg.flow.listener.0)) else { return false };
        let hop = Hop { transport: leg.flow.transport, sent_by: listener.advertised, branch: &branch };
        leg.proofs = leg.auths.prove(Method::Invite, leg.invitation.target(), sdp.text(), &mut self.rng);
        let mut out = Vec::with_capacity(2048);
        let mut writer = leg.invitation.request(&mut out, &hop);
        for (name, value) in &leg.proofs {
            writer = writer.extension(name, value);
        }
        writer = writer
            .header(HeaderName::Allow, screen::allow(self.directory.takes_messages(&call.view.domain)))
            .header(HeaderName::Supported, screen::SUPPORTED);
        // RFC 4028 §7.1: without `refresher`, so that the far end may choose.
        writer = writer.header(HeaderName::SessionExpires, session.0).optional(HeaderName::MinSe, session.1);
        writer = writer.header(HeaderName::UserAgent, &self.config.agent);
        for (name, value) in headers {
            writer = writer.extension(name, value);
        }
        let written = match sdp.text() {
            Some(sdp) => writer.body(SDP_TYPE, sdp.as_bytes()),
            None => writer.end(),
        };
        if written.is_err() {
            self.stats.unwritable += 1;
            return false;
        }
        if !call.follows_source && !leg.grown {
            let (flow, target, size) = (leg.flow, leg.invitation.target().to_owned(), out.len());
            if let Some(flow) = self.flow_for_size(flow, &target, size, now) {
                if let Some(leg) = self.leg_mut(key, at) {
                    leg.grown = true;
                }
                self.aim(key, at, flow);
                return self.send_invite(key, at, now);
            }
        }
        let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return false };
        let with_offer = outgoing.sdp.text().is_some();
        let Some(leg) = outgoing.legs.get_mut(at) else { return false };
        if with_offer {
            leg.invitation.offered();
        }
        match self.layer.request(Method::Invite, &branch, out, leg.flow, Owner::Call(key, Purpose::OurInvite), now) {
            Ok(transaction) => {
                leg.transaction = Some(transaction);
                true
            }
            Err(_) => {
                self.stats.shed += 1;
                false
            }
        }
    }

    /// A response to an INVITE that made, or is to make, this call.
    pub(super) fn invite_response(&mut self, key: CallKey, id: TransactionId, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let status = response.status();
        match &mut call.phase {
            Phase::Calling(outgoing) => {
                let Some(at) = outgoing.leg_of(id) else { return };
                if let Some(Flow { peer, transport, .. }) = outgoing.legs.get(at).map(|leg| leg.flow) {
                    self.health.answered(Target { peer, transport });
                }
                event::note_response(&mut call.view, response);
                match status.class() {
                    1 => self.provisional_heard(key, at, response, now),
                    2 => self.answered_by(key, at, response, now),
                    _ => {
                        self.invite_failed(key, at, response, now);
                        self.answer_for_gone_dialogs(key, now);
                    }
                }
            }
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) => {
                let won = talking.won.as_mut().filter(|won| won.transaction == id);
                let lost = talking.losers.iter().position(|leg| leg.transaction == Some(id));
                if !status.is_success() {
                    if let Some(at) = lost.filter(|_| status.is_final()) {
                        talking.losers.remove(at);
                    }
                    return;
                }
                let invitation = match (won, lost) {
                    (Some(won), _) => &mut won.invitation,
                    (None, Some(at)) => match talking.losers.get_mut(at) {
                        Some(leg) => &mut leg.invitation,
                        None => return,
                    },
                    (None, None) => return,
                };
                match invitation.handle_response(response) {
                    Ok(Heard::Surplus(dialog)) => self.end_fork(key, *dialog, response.cseq().number, now),
                    // Another contact answered although it was cancelled: RFC 3261 §9.1, it ends as a call.
                    Ok(Heard::Answered(dialog) | Heard::Repeated(dialog)) if lost.is_some() => {
                        let dialog = dialog.clone();
                        self.end_fork(key, dialog, response.cseq().number, now);
                    }
                    // RFC 3261 §13.2.2.4: the ACK goes again with each 2xx.
                    Ok(Heard::Repeated(_)) => {
                        let again = talking.dialog.invite.ack_again(response.cseq().number).map(<[u8]>::to_vec);
                        let flow = self.calls.get(key).and_then(|call| Some(self.flow_of(call, call.dialog()?)));
                        if let (Some(bytes), Some(flow)) = (again, flow) {
                            self.transmit(flow, Some(bytes));
                        }
                    }
                    Ok(Heard::NoDialog | Heard::Early(_) | Heard::Answered(_)) | Err(_) => {}
                }
            }
            Phase::Ending(Ending::Cancelling(outgoing)) => {
                let Some(at) = outgoing.leg_of(id) else { return };
                if status.is_success() {
                    self.answered_too_late(key, at, response, now);
                } else if status.is_final() {
                    self.cancelled(key, at, now);
                }
            }
            Phase::Offered(_) | Phase::Resolving(..) | Phase::Ending(Ending::Gone) => {}
        }
    }

    /// An INVITE of ours got no answer at all: silence, or the transport failed.
    pub(super) fn invite_lost(&mut self, key: CallKey, id: TransactionId, status: StatusCode, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        match &mut call.phase {
            Phase::Calling(outgoing) => {
                if let Some(at) = outgoing.leg_of(id)
                    && !self.try_next(key, at, now)
                {
                    self.leg_failed(key, at, status, status.phrase(), now);
                }
            }
            Phase::Ending(Ending::Cancelling(outgoing)) => {
                if let Some(at) = outgoing.leg_of(id) {
                    self.cancelled(key, at, now);
                }
            }
            Phase::Talking(_) | Phase::Ending(_) => self.invite_over(key, id),
            Phase::Offered(_) | Phase::Resolving(..) => {}
        }
    }

    /// The transaction of an INVITE of ours is over: no more forks of it can answer (RFC 6026 §7.2).
    pub(super) fn invite_over(&mut self, key: CallKey, id: TransactionId) {
        let Some(Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking))) =
            self.calls.get_mut(key).map(|call| &mut call.phase)
        else {
            return;
        };
        talking.won.take_if(|won| won.transaction == id);
        talking.losers.retain(|leg| leg.transaction != Some(id));
    }

    fn provisional_heard(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
        let status = response.status();
        if status == StatusCode::TRYING {
            return;
        }
        let early_until = now + self.config.early_timeout;
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        let Outgoing { legs, sdp: offered, early, owed, .. } = &mut **outgoing;
        let Some(leg) = legs.get_mut(at) else { return };
        let sdp = event::session(response.body()).ok().flatten();
        let mut prack = None;
        if let Ok(Heard::Early(dialog)) = leg.invitation.handle_response(response) {
            let rseq = ReliableIn::rseq(response.headers());
            if let Some(rseq) = rseq {
                match dialog.reliable.handle(rseq) {
                    ReliableHeard::New => {}
                    // Its PRACK is on the way, or it came before its turn and comes again.
                    ReliableHeard::Repeated | ReliableHeard::Early => return,
                }
            }
            *early = leg.transaction.zip(dialog.remote_tag().map(Into::into));
            let number = response.cseq().number;
            // Without an offer of ours theirs comes in the first reliable response (RFC 3262 §5).
            let theirs = rseq.is_some() && offered.text().is_none() && sdp.is_some() && dialog.negotiation.offer_received().is_ok();
            if theirs {
                let by = now + ACK_WITHIN;
                *owed = rseq.map(|rseq| OwedPrack { rseq, cseq: number, by });
            } else {
                prack = rseq.map(|rseq| (rseq, number));
            }
            if let Some(sdp) = &sdp
                && (theirs || dialog.negotiation.description_received(rseq.is_some()) != Answer::NotAnAnswer)
            {
                call.them = sdp.into();
            }
            call.flow = leg.flow;
            call.peer.note(response.headers());
        }
        if status == StatusCode::SESSION_PROGRESS {
            // Announcements and queues: the time that a phone may ring does not count any more.
            call.ends_at = call.ends_at.max(early_until);
        }
        if let Some((rseq, number)) = prack {
            self.send_prack(key, rseq, number, None, now);
        }
        if status == StatusCode::RINGING {
            self.note_ringing(key, now);
            self.tell(key, EventKind::Ringing);
        } else {
            self.tell(key, EventKind::Progress);
        }
    }

    /// Points a leg at an address: the hop, and the Contact of the listener that reaches it.
    pub(super) fn aim(&mut self, key: CallKey, at: usize, flow: Flow) {
        let user = self.calls.get(key).and_then(|call| call.view.from.clone()).unwrap_or_default();
        let contact = self.contact(flow, &user);
        let Some(leg) = self.leg_mut(key, at) else { return };
        leg.flow = flow;
        leg.invitation.set_contact(&contact);
        let Some(call) = self.calls.get_mut(key) else { return };
        call.flow = flow;
        call.view.remote = Some(flow.peer);
        call.view.transport = flow.transport.word();
    }

    pub(super) fn leg_mut(&mut self, key: CallKey, at: usize) -> Option<&mut Leg> {
        match self.calls.get_mut(key).map(|call: &mut Call| &mut call.phase) {
            Some(Phase::Calling(outgoing)) => outgoing.legs.get_mut(at),
            Some(Phase::Offered(_) | Phase::Resolving(..) | Phase::Talking(_) | Phase::Ending(_)) | None => None,
        }
    }
}
