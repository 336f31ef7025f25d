//! Calls of ours: the INVITE, its answers, challenges on the way.
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

use super::call::{Auths, Call, Ending, OwedAck, Phase, Talking, Won};
use super::calls::CallKey;
use super::leg::{Leg, Outgoing, OwedPrack};
use super::reply::SDP_TYPE;
use super::{Endpoint, Owner, Purpose, event, screen};
use crate::api::EventKind;
use crate::auth::{AnswerError, ClientAuth, Identity};
use crate::dialog::{Agreed, Answer, Heard, Hop, ReliableHeard, ReliableIn, SessionTimer, Side};
use crate::flow::{Flow, Transport};
use crate::locate::Target;
use crate::message::{HeaderName, Method, Response, StatusCode};
use crate::transaction::TransactionId;

/// How long control may take to answer the offer of a 200. The far end repeats it for 32 s (RFC 3261 §13.3.1.4).
pub(super) const ACK_WITHIN: Duration = Duration::from_secs(20);

impl Auths {
    /// Authorization headers for one request.
    pub fn prove(
        &mut self,
        method: Method<'_>,
        uri: &str,
        body: Option<&str>,
        rng: &mut impl rand_core::Rng,
    ) -> Vec<(&'static str, String)> {
        let body = body.unwrap_or_default().as_bytes();
        let known = [self.server.as_deref_mut(), self.proxy.as_deref_mut()].into_iter().flatten();
        known.map(|auth| (auth.header(), auth.answer_for(method.as_str(), uri, body, rng))).collect()
    }

    /// Takes the challenge of a 401 or 407 inside the dialog: true if the request is worth sending again, which it is where
    /// the far end had our password before and its nonce has aged, or now asks by the other of the two.
    pub fn challenged_within(&mut self, response: &Response<'_>) -> bool {
        [&mut self.server, &mut self.proxy].into_iter().flatten().for_each(|auth| auth.begin());
        let known = [&self.server, &self.proxy].into_iter().flatten().next().map(|auth| auth.identity().clone());
        let challenge = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        challenge && known.is_some_and(|identity| self.challenged(&identity, response).is_ok())
    }

    /// Takes the challenges of a 401 or 407.
    pub(super) fn challenged(&mut self, identity: &Identity, response: &Response<'_>) -> Result<(), AnswerError> {
        let proxy = response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let name = if proxy { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let values = response.headers().headers(name);
        let place = if proxy { &mut self.proxy } else { &mut self.server };
        match place {
            Some(auth) => auth.challenged_again(proxy, values),
            None => {
                *place = Some(Box::new(ClientAuth::new(identity.clone(), proxy, values)?));
                Ok(())
            }
        }
    }
}

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
        writer = writer.header(HeaderName::Allow, screen::ALLOW).header(HeaderName::Supported, screen::SUPPORTED);
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
                    _ => self.invite_failed(key, at, response, now),
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

    fn answered_by(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
        let ends_at = now + self.config.call_duration_max;
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        let number = response.cseq().number;
        let Some(leg) = outgoing.legs.get_mut(at) else { return };
        let Ok(Heard::Answered(dialog)) = leg.invitation.handle_response(response) else {
            // A 2xx that makes no dialog cannot be acknowledged: the far end gives up by itself after 32 s.
            let status = StatusCode::BAD_GATEWAY;
            return self.leg_failed(key, at, status, status.phrase(), now);
        };
        let mut dialog = dialog.clone();
        let session = event::session(response.body());
        // With our offer out, their description is its answer; without one, it is theirs to offer.
        let agreed = dialog.negotiation.is_agreed();
        let (usable, late) = match (&session, outgoing.sdp.text().is_some()) {
            // A reliable 18x and its PRACK agreed on one (RFC 3262 §5), and an UPDATE may have changed it since.
            (Ok(_), _) if agreed => (true, false),
            (Ok(Some(_)), true) => {
                // Departs from RFC 3261 §13.2.1, which has it ignored after an 18x showed one: gateways change their mind
                // between early media and answer, and what they say last is where they listen.
                let _new = dialog.negotiation.description_received(true);
                call.them = session.ok().flatten().as_ref().into();
                (true, false)
            }
            (Ok(None), true) => (dialog.negotiation.answer_missing(), false),
            (Ok(Some(_)), false) => {
                call.them = session.ok().flatten().as_ref().into();
                (dialog.negotiation.offer_received().is_ok(), true)
            }
            // No description on either side: a call without media, which is the script's to judge.
            (Ok(None), false) => (true, false),
            (Err(()), _) => (false, false),
        };
        call.view.authenticated = true;
        call.peer.note(response.headers());
        let asked = outgoing.session.0;
        let mut talking = Talking::new(dialog);
        talking.session = Some(SessionTimer::new(Agreed::heard(response.headers(), asked), Side::Uac, now));
        talking.owed = (usable && late).then(|| OwedAck { by: now + ACK_WITHIN, first: true });
        self.win(key, at, talking, now);
        if let Some(call) = self.calls.get_mut(key) {
            call.ends_at = ends_at;
        }
        if !usable {
            // RFC 3261 §13.2.2.4: acknowledge, then end what cannot be a session.
            self.acknowledge(key, number, None);
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            self.finish(key, Some((status.code(), status.phrase().to_owned())), now);
            self.send_bye(key, &[], now);
            return;
        }
        if !late {
            self.acknowledge(key, number, None);
        }
        self.note_answered(key, now);
        self.tell(key, EventKind::Answered);
    }

    /// A leg becomes the call; the others are cancelled.
    fn win(&mut self, key: CallKey, at: usize, mut talking: Talking, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        // The phase is put back at once; nothing can look at it in between.
        let taken = std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone));
        let (Phase::Calling(mut outgoing) | Phase::Ending(Ending::Cancelling(mut outgoing))) = taken else { return };
        if at < outgoing.legs.len() {
            let Leg { invitation, transaction, flow, auths, proofs, .. } = outgoing.legs.remove(at);
            call.flow = flow;
            call.view.transport = flow.transport.word();
            (talking.auths, talking.proofs) = (auths, proofs);
            talking.won = transaction.map(|transaction| Box::new(Won { transaction, invitation }));
        }
        talking.losers = outgoing.legs;
        talking.losers.retain(|leg| leg.transaction.is_some_and(|transaction| self.layer.cancel_elsewhere(transaction, now)));
        let tag: Box<str> = talking.dialog.remote_tag().unwrap_or_default().into();
        call.phase = Phase::Talking(Box::new(talking));
        // What was open in the early dialogs of others goes with them.
        call.open.ours.take_if(|ours| ours.tag != tag);
        call.open.retry.take_if(|retry| retry.invite);
        if let Some(theirs) = call.open.theirs.take_if(|theirs| theirs.tag != tag) {
            let status = StatusCode::CALL_DOES_NOT_EXIST;
            self.fail_pending(&theirs.pending, status, status.phrase(), &[], now);
        }
    }

    /// A 2xx crossed our CANCEL: there is a call now, and it has to end as one (RFC 3261 §9.1).
    fn answered_too_late(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Ending(Ending::Cancelling(outgoing)) = &mut call.phase else { return };
        let Some(leg) = outgoing.legs.get_mut(at) else { return };
        let Ok(Heard::Answered(dialog)) = leg.invitation.handle_response(response) else {
            return self.cancelled(key, at, now);
        };
        let talking = Talking::new(dialog.clone());
        self.win(key, at, talking, now);
        self.acknowledge(key, response.cseq().number, None);
        self.send_bye(key, &[], now);
    }

    /// A cancelled leg is over; with the last one goes the call.
    fn cancelled(&mut self, key: CallKey, at: usize, now: Instant) {
        let Some(Phase::Ending(Ending::Cancelling(outgoing))) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return };
        if at < outgoing.legs.len() {
            outgoing.legs.remove(at);
        }
        if outgoing.legs.is_empty() {
            self.forget(key, now);
        }
    }

    fn invite_failed(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
        let status = response.status();
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        let Outgoing { legs, identity, .. } = &mut **outgoing;
        let Some(leg) = legs.get_mut(at) else { return };
        let _over = leg.invitation.handle_response(response);
        let challenged = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let answerable = challenged && identity.as_ref().is_some_and(|identity| leg.auths.challenged(identity, response).is_ok());
        if answerable && self.send_invite(key, at, now) {
            return;
        }
        // RFC 4028 §7.3.
        if status == StatusCode::SESSION_INTERVAL_TOO_SMALL && self.ask_longer(key, response) && self.send_invite(key, at, now) {
            return;
        }
        // RFC 3263 §4.3: only a 503 sends us to the next address.
        if status == StatusCode::SERVICE_UNAVAILABLE && self.try_next(key, at, now) {
            return;
        }
        if status.class() == 3
            && let Some(call) = self.calls.get_mut(key)
            && let Phase::Calling(outgoing) = &mut call.phase
        {
            let named = outgoing.note_moved(response);
            outgoing.spent = outgoing.legs.get(at).map(|leg| leg.invitation.clone());
            call.view.contacts = named;
        }
        let phrase = if response.reason().is_empty() { status.phrase() } else { response.reason() };
        self.leg_failed(key, at, status, phrase, now);
    }

    /// A leg is over without an answer; with the last one the call is, unless there are contacts to follow.
    pub(super) fn leg_failed(&mut self, key: CallKey, at: usize, status: StatusCode, phrase: &str, now: Instant) {
        let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return };
        if at < outgoing.legs.len() {
            let over = outgoing.legs.remove(at);
            if !outgoing.trunks.is_empty() {
                outgoing.spent = Some(over.invitation);
            }
        }
        outgoing.note_failure(status, phrase);
        // RFC 3261 §16.7 step 5: a 6xx speaks for the user, so the other phones stop ringing.
        let everywhere = status.class() == 6;
        if !outgoing.legs.is_empty() && !everywhere {
            return;
        }
        let (status, phrase) = outgoing.failed.clone().unwrap_or((status, phrase.to_owned()));
        // Another trunk is for what this one could not do, not for what the called party said.
        let elsewhere = outgoing.legs.is_empty() && (status == StatusCode::REQUEST_TIMEOUT || status.class() == 5);
        if elsewhere && self.next_trunk(key, now) {
            return;
        }
        let Some(Phase::Calling(outgoing)) = self.calls.get(key).map(|call| &call.phase) else { return };
        if outgoing.legs.is_empty() && !everywhere && self.follow(key, now) {
            return;
        }
        self.finish(key, Some((status.code(), phrase)), now);
        self.cancel(key, now);
    }

    /// Sends the INVITE of a leg to the next address of the far end, if there is one.
    fn try_next(&mut self, key: CallKey, at: usize, now: Instant) -> bool {
        let phone = self.calls.get(key).is_some_and(|call| call.follows_source);
        let Some(leg) = self.leg_mut(key, at) else { return false };
        let tried = Target { peer: leg.flow.peer, transport: leg.flow.transport };
        if leg.grown && tried.transport == Transport::Tcp {
            // RFC 3261 §18.1.1: no TCP there, so UDP after all.
            leg.others.insert(0, Target::udp(tried.peer));
        }
        // What a lost connection has counted already is not counted twice.
        if !phone && !self.health.is_ill(tried, now) {
            self.health.failed(tried, now);
        }
        while let Some(leg) = self.leg_mut(key, at)
            && !leg.others.is_empty()
        {
            let target = leg.others.remove(0);
            let Some(flow) = self.flow_over(target) else { continue };
            self.aim(key, at, flow);
            return self.send_invite(key, at, now);
        }
        false
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

    fn leg_mut(&mut self, key: CallKey, at: usize) -> Option<&mut Leg> {
        match self.calls.get_mut(key).map(|call: &mut Call| &mut call.phase) {
            Some(Phase::Calling(outgoing)) => outgoing.legs.get_mut(at),
            Some(Phase::Offered(_) | Phase::Resolving(..) | Phase::Talking(_) | Phase::Ending(_)) | None => None,
        }
    }
}
