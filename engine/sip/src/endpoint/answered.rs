//! How INVITEs of ours end: the leg that is answered, those that fail, and what is left of the others.
//!
//! ```text
//!   2xx ─► Talking, the other legs cancelled      3xx–6xx, silence ─► next address │ credentials │ next leg ─► contacts │ `hangup`
//! ```
//! Shape:  a leg that is over is taken out; the last one decides about the call.
//! Errors: none to the far end; control hears the best failure in the snapshot.
//! Source: RFC 3261 §13.2.2.4, §16.7, §22.2; RFC 3263 §4.3; RFC 4028 §7.3; RFC 6026 §8.

use std::time::Instant;

use super::Endpoint;
use super::call::{Ending, OwedAck, Phase, Talking, Won};
use super::calls::CallKey;
use super::event;
use super::leg::{Leg, Outgoing};
use super::outgoing::ACK_WITHIN;
use crate::api::EventKind;
use crate::dialog::{Agreed, Heard, SessionTimer, Side};
use crate::flow::Transport;
use crate::locate::Target;
use crate::message::{Response, StatusCode};

impl Endpoint {
    pub(super) fn answered_by(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
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
                call.them = session.ok().flatten().into();
                (true, false)
            }
            (Ok(None), true) => (dialog.negotiation.answer_missing(), false),
            (Ok(Some(_)), false) => {
                call.them = session.ok().flatten().into();
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
    pub(super) fn answered_too_late(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
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
    pub(super) fn cancelled(&mut self, key: CallKey, at: usize, now: Instant) {
        let Some(Phase::Ending(Ending::Cancelling(outgoing))) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return };
        if at < outgoing.legs.len() {
            outgoing.legs.remove(at);
        }
        if outgoing.legs.is_empty() {
            self.forget(key, now);
        }
    }

    pub(super) fn invite_failed(&mut self, key: CallKey, at: usize, response: &Response<'_>, now: Instant) {
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
    pub(super) fn try_next(&mut self, key: CallKey, at: usize, now: Instant) -> bool {
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
}
