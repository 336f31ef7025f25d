//! Offers in the middle of a call: re-INVITE and UPDATE, theirs and ours.
//!
//! ```text
//!   theirs ─► event `hold`, `unhold` or `reinvite` ─► ok ─► 200      silence of control ─► 200 with what we said last
//!   ours   ─► 200 ─► ACK, event `answered`      491 ─► again after a random time      481, 408 ─► the call is over
//! ```
//! Shape:  one offer of each side at a time.
//! Errors: to the far end a final response, to control [`CommandError`].
//! Source: RFC 3261 §14, RFC 3264 §8.4 (hold), RFC 3311, RFC 6141.

use std::fmt::Display;
use std::time::Instant;

use super::call::{Call, Described, Ending, OurOffer, OwedAck, Phase, TheirOffer};
use super::calls::CallKey;
use super::outgoing::ACK_WITHIN;
use super::reply::SDP_TYPE;
use super::source::Source;
use super::{Endpoint, Purpose, event, screen};
use crate::api::{CommandError, EventKind};
use crate::dialog::{InviteUsage, Must};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::sdp::{Direction, Sdp};
use crate::transaction::TransactionId;

impl Endpoint {
    /// A re-INVITE or UPDATE of theirs, its CSeq in order.
    pub(super) fn offer_received(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        now: Instant,
    ) {
        let invite = request.method() == Method::Invite;
        let refuse = |endpoint: &mut Self, status: StatusCode| {
            if invite && let Some(dialog) = endpoint.calls.get_mut(key).and_then(Call::dialog_mut) {
                dialog.invite.answered(status, &endpoint.config.timing, now);
            }
            endpoint.answer_once(request, source, transaction, status, &[], now);
        };
        let Ok(offer) = event::session(request.body()) else { return refuse(self, StatusCode::BAD_REQUEST) };
        let Some(call) = self.calls.get_mut(key) else { return };
        let talking = match &mut call.phase {
            Phase::Talking(talking) => talking,
            // RFC 3311 §5.2: before the answer of the first offer there is no room for a second one.
            Phase::Offered(_) => return refuse(self, StatusCode::SERVER_INTERNAL_ERROR),
            Phase::Resolving(..) | Phase::Calling(_) | Phase::Ending(_) => return refuse(self, StatusCode::CALL_DOES_NOT_EXIST),
        };
        if !invite && offer.is_none() {
            // An UPDATE without an offer refreshes the target and nothing else (RFC 3311 §5.2).
            talking.dialog.refresh_target(request.headers());
            return self.answer_once(request, source, transaction, StatusCode::OK, super::dispatch::CAPABILITIES, now);
        }
        if talking.theirs.is_some() {
            return refuse(self, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let negotiation = &mut talking.dialog.negotiation;
        let in_turn = if offer.is_some() { negotiation.offer_received() } else { negotiation.offer_asked() };
        if let Err(refusal) = in_turn {
            return refuse(self, refusal.status());
        }
        let until = now + self.config.offer_timeout;
        let Some(pending) = self.keep(key, request, source, transaction, Purpose::TheirOffer) else {
            return refuse(self, StatusCode::SERVER_INTERNAL_ERROR);
        };
        let Some(call) = self.calls.get_mut(key) else { return };
        let has_offer = offer.is_some();
        let held = call.view.hold;
        if let Some(offer) = offer {
            call.view.hold = offer.is_hold();
            call.them = Described::from(&offer);
        }
        let kind = match (held, call.view.hold) {
            (false, true) => EventKind::Hold,
            (true, false) => EventKind::Unhold,
            (true, true) | (false, false) => EventKind::Reinvite,
        };
        if let Some(talking) = call.talking_mut() {
            talking.dialog.refresh_target(request.headers());
            talking.theirs = Some(TheirOffer { pending, invite, has_offer, until });
        }
        self.tell(key, kind);
    }

    /// Control answers an offer of theirs.
    pub(super) fn accept_offer(&mut self, key: CallKey, sdp: Option<Sdp>, now: Instant) -> Result<(), CommandError> {
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Talking(talking) = &mut call.phase else {
            return Err(CommandError::WrongState("only an answered call has offers to accept"));
        };
        let Some(theirs) = talking.theirs.take() else { return Err(CommandError::WrongState("no offer waits for an answer")) };
        // Without a description of its own control means "as before".
        let sdp = sdp.or_else(|| fallback(&call.us, theirs.has_offer.then_some(&call.them)));
        let sdp = Described::from(sdp.as_ref());
        let allow: (&str, &dyn Display) = (HeaderName::Allow.as_str(), &screen::ALLOW);
        let written = theirs.pending.write_in(&talking.dialog, StatusCode::OK, &self.config.agent, &[allow], sdp.text());
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(_) => {
                talking.theirs = Some(theirs);
                return Err(CommandError::Bad("the response cannot be written".into()));
            }
        };
        match talking.dialog.negotiation.must_2xx_carry() {
            Must::Answer => talking.dialog.negotiation.answer_sent(true),
            Must::Offer if sdp.text().is_some() && theirs.invite => {
                let _sent = talking.dialog.negotiation.offer_sent();
            }
            Must::Offer | Must::Nothing => {}
        }
        if theirs.invite {
            talking.dialog.answered(StatusCode::OK, &self.config.timing, now);
            talking.accepted = Some(theirs.pending.transaction);
        }
        self.layer.respond(theirs.pending.transaction, StatusCode::OK, bytes, now);
        if sdp.text().is_some() {
            call.us = sdp;
        }
        Ok(())
    }

    /// Control has not answered in time: the session goes on as it was, in the direction that they ask for.
    pub(super) fn answer_by_ourselves(&mut self, key: CallKey, now: Instant) {
        // It can only fail where nothing waits, and then there is nothing to answer.
        let _answered = self.accept_offer(key, None, now);
    }

    /// Refuses an offer of theirs; the session before it stands.
    pub(super) fn refuse_offer(&mut self, key: CallKey, status: StatusCode, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let (Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking))) = &mut call.phase else { return };
        let Some(theirs) = talking.theirs.take() else { return };
        talking.dialog.negotiation.rejected();
        if theirs.invite {
            talking.dialog.invite.answered(status, &self.config.timing, now);
        }
        self.fail_pending(&theirs.pending, status, status.phrase(), &[], now);
    }

    /// Sends a re-INVITE or UPDATE.
    pub(super) fn offer(&mut self, key: CallKey, method: Method<'_>, sdp: Described, now: Instant) -> Result<(), CommandError> {
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Talking(talking) = &mut call.phase else {
            return Err(CommandError::WrongState("only an answered call can be offered something else"));
        };
        if talking.ours.is_some() || talking.theirs.is_some() || talking.owed.is_some() || talking.dialog.invite.may_invite().is_err() {
            return Err(CommandError::WrongState("another offer is under way"));
        }
        if sdp.text().is_some() && talking.dialog.negotiation.offer_sent().is_err() {
            return Err(CommandError::WrongState("another offer is under way"));
        }
        let invite = method == Method::Invite;
        // An UPDATE has timer F; an INVITE that heard a 1xx has none of its own.
        let until = invite.then_some(now + self.config.setup_timeout);
        let allow: (&str, &dyn Display) = (HeaderName::Allow.as_str(), &screen::ALLOW);
        let body = sdp.text().map(|body| (SDP_TYPE, body));
        let sent = self.request_within(key, method, &[allow], body, Purpose::OurOffer, now);
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return Ok(()) };
        match sent {
            Some(transaction) => {
                talking.ours = Some(OurOffer { transaction, invite, sdp, until });
                Ok(())
            }
            None => {
                talking.dialog.negotiation.rejected();
                talking.dialog.invite.handle_final(talking.dialog.local_cseq(), StatusCode::SERVICE_UNAVAILABLE);
                Err(CommandError::Full { what: "transactions", max: self.config.limits.transactions })
            }
        }
    }

    /// A response to our re-INVITE or UPDATE.
    pub(super) fn offer_response(&mut self, key: CallKey, id: TransactionId, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Talking(talking) = &mut call.phase else { return };
        let status = response.status();
        let number = response.cseq().number;
        let Some(ours) = talking.ours.take_if(|ours| ours.transaction == id) else {
            // Its 2xx again: so goes the ACK.
            let again = talking.dialog.invite.ack_again(number).map(<[u8]>::to_vec);
            if status.is_success()
                && let Some(bytes) = again
                && let Some(flow) = self.calls.get(key).and_then(|call| Some(self.flow_of(call, call.dialog()?)))
            {
                self.transmit(flow, Some(bytes));
            }
            return;
        };
        if !status.is_final() {
            talking.ours = Some(ours);
            return;
        }
        let gone = talking.dialog.handle_final(response);
        if status.is_success() {
            talking.dialog.refresh_target(response.headers());
            self.offer_accepted(key, ours, response, now);
            return;
        }
        talking.dialog.negotiation.rejected();
        if status == StatusCode::REQUEST_PENDING && ours.invite {
            let owner = call.view.originator;
            let wait = InviteUsage::glare_wait(owner, self.tokens.below(u32::MAX));
            talking.retry = Some((now + wait, ours.sdp));
            return;
        }
        if gone {
            return self.lost_within(key, status, now);
        }
        self.tell_refused(key, status.code(), response.reason());
    }

    /// Our offer was refused and the session before it stands: control is told why, in this one event.
    pub(super) fn tell_refused(&mut self, key: CallKey, status: u16, reason: &str) {
        if let Some(call) = self.calls.get_mut(key) {
            call.view.error = (status, reason.to_owned());
        }
        self.tell(key, EventKind::Answered);
        if let Some(call) = self.calls.get_mut(key) {
            call.view.error = (0, String::new());
        }
    }

    fn offer_accepted(&mut self, key: CallKey, ours: OurOffer, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Talking(talking) = &mut call.phase else { return };
        let theirs = event::session(response.body()).ok().flatten();
        let late = ours.sdp.text().is_none();
        let mut owed = false;
        match &theirs {
            Some(_) if late => owed = talking.dialog.negotiation.offer_received().is_ok(),
            Some(_) => {
                let _new = talking.dialog.negotiation.description_received(true);
            }
            None => {
                let _stands = talking.dialog.negotiation.answer_missing();
            }
        }
        if let Some(theirs) = &theirs {
            call.them = Described::from(theirs);
        }
        if !late {
            call.us = ours.sdp;
        }
        if owed && let Phase::Talking(talking) = &mut call.phase {
            talking.owed = Some(OwedAck { by: now + ACK_WITHIN, first: false });
        } else if ours.invite {
            self.acknowledge(key, response.cseq().number, None);
        }
        self.tell(key, EventKind::Answered);
    }

    /// Control did not answer the offer that it asked for: what we said last does.
    pub(super) fn acknowledge_by_ourselves(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        let Some(number) = call.dialog().and_then(|dialog| dialog.invite.ack_owed()) else { return };
        let answer = fallback(&call.us, Some(&call.them));
        self.acknowledge(key, number, answer.as_ref());
    }

    /// Our re-INVITE or UPDATE got no answer at all.
    pub(super) fn offer_lost(&mut self, key: CallKey, id: TransactionId, status: StatusCode, now: Instant) {
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        if talking.ours.take_if(|ours| ours.transaction == id).is_some() {
            self.lost_within(key, status, now);
        }
    }
}

/// What we said last, turned to the direction that fits their offer (RFC 3264 §6.1).
fn fallback(us: &Described, them: Option<&Described>) -> Option<Sdp> {
    let mut sdp = us.sdp()?;
    let asked = them.and_then(Described::sdp).and_then(|them| Some(them.direction(them.first_audio()?)));
    let direction = match asked {
        None | Some(Direction::SendRecv) => Direction::SendRecv,
        Some(Direction::SendOnly) => Direction::RecvOnly,
        Some(Direction::RecvOnly) => Direction::SendOnly,
        Some(Direction::Inactive) => Direction::Inactive,
    };
    for media in &mut sdp.media {
        media.attributes.set_direction(direction);
    }
    Some(sdp)
}
