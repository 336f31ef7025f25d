//! Offers beside that of the first INVITE: re-INVITE, UPDATE and PRACK of theirs.
//!
//! ```text
//!   theirs ─► in turn? 491, 500 + Retry-After ─► event `hold`, `unhold` or `reinvite` ─► ok ─► 200
//!                                                silence of control ─► 200 with what we said last
//! ```
//! Shape:  one offer of each side at a time, in the early dialogs of a call too.
//! Errors: to the far end a final response, to control [`CommandError`].
//! Not here: ours (`offering`), the session timer (`session`).
//! Source: RFC 3261 §14.2, RFC 3262 §5, RFC 3264 §8.4 (hold), RFC 3311 §5.2, RFC 6141.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use super::call::{Call, Described, Ending, Phase, TheirOffer};
use super::calls::CallKey;
use super::source::Source;
use super::{Endpoint, Purpose, event, screen};
use crate::api::{CommandError, EventKind};
use crate::dialog::{MIN_SE_S, Must, Refusal, SessionOffer, SessionTimer, Side};
use crate::message::{HeaderName, Method, Request, StatusCode};
use crate::sdp::{Direction, Sdp};
use crate::transaction::TransactionId;

impl Endpoint {
    /// A re-INVITE or UPDATE of theirs, or a PRACK with an offer, its CSeq in order.
    pub(super) fn offer_received(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        now: Instant,
    ) {
        let method = request.method();
        let invite = method == Method::Invite;
        let Ok(offer) = event::session(request.body()) else {
            return self.refuse_request(key, request, source, transaction, StatusCode::BAD_REQUEST, now);
        };
        let session = (method != Method::Prack).then(|| SessionOffer::read(request.headers()));
        if session.is_some_and(|session| session.is_too_small()) {
            let status = StatusCode::SESSION_INTERVAL_TOO_SMALL;
            self.note_refused(key, request, status, now);
            let least: (&str, &dyn Display) = (HeaderName::MinSe.as_str(), &MIN_SE_S);
            return self.answer_once(request, source, transaction, status, &[least], now);
        }
        let Some(call) = self.calls.get_mut(key) else { return };
        match &call.phase {
            Phase::Talking(_) => {}
            Phase::Offered(_) | Phase::Calling(_) if !invite => {}
            Phase::Offered(_) | Phase::Calling(_) => {
                return self.refuse_out_of_turn(key, request, source, transaction, Refusal::Unanswered, now);
            }
            Phase::Resolving(..) | Phase::Ending(_) => {
                return self.refuse_request(key, request, source, transaction, StatusCode::CALL_DOES_NOT_EXIST, now);
            }
        }
        call.peer.note(request.headers());
        if !invite && offer.is_none() {
            return self.refreshed_by_them(key, request, source, transaction, session, now);
        }
        let under_way = call.open.theirs.is_some();
        let Some(dialog) = call.dialog_mut() else { return };
        let in_turn = if under_way {
            Err(Refusal::Unanswered)
        } else if offer.is_some() {
            dialog.negotiation.offer_received()
        } else {
            dialog.negotiation.offer_asked()
        };
        let tag = dialog.remote_tag().unwrap_or_default().into();
        if let Err(refusal) = in_turn {
            return self.refuse_out_of_turn(key, request, source, transaction, refusal, now);
        }
        let until = now + self.config.offer_timeout;
        let Some(pending) = self.keep(key, request, source, transaction, Purpose::TheirOffer) else {
            return self.refuse_request(key, request, source, transaction, StatusCode::SERVER_INTERNAL_ERROR, now);
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
        if let Some(dialog) = call.dialog_mut() {
            dialog.refresh_target(request.headers());
        }
        call.open.theirs = Some(Box::new(TheirOffer { pending, tag, invite, session, has_offer, until }));
        self.tell(key, kind);
    }

    /// An UPDATE without an offer refreshes target and session, and nothing else (RFC 3311 §5.2, RFC 4028 §7.4).
    fn refreshed_by_them(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        session: Option<SessionOffer>,
        now: Instant,
    ) {
        if let Some(dialog) = self.calls.get_mut(key).and_then(Call::dialog_mut) {
            dialog.refresh_target(request.headers());
        }
        let said = session.and_then(|session| self.agree(key, session, now));
        let contact = self.calls.get(key).and_then(Call::dialog).map(|dialog| dialog.contact().to_owned());
        let messages = self.calls.get(key).is_some_and(|call| self.directory.takes_messages(&call.view.domain));
        let mut headers: Vec<(&str, &dyn Display)> = screen::capabilities(messages).to_vec();
        if let Some(contact) = &contact {
            headers.push((HeaderName::Contact.as_str(), contact));
        }
        if let Some((value, required)) = &said {
            headers.push((HeaderName::SessionExpires.as_str(), value));
            headers.extend(required.then_some((HeaderName::Require.as_str(), &"timer" as &dyn Display)));
        }
        self.answer_once(request, source, transaction, StatusCode::OK, &headers, now);
    }

    /// Starts the session timer that a request of theirs asks for. Gives Session-Expires for its 2xx, and whether the sender
    /// has to know of it.
    pub(super) fn agree(&mut self, key: CallKey, session: SessionOffer, now: Instant) -> Option<(String, bool)> {
        let agreed = session.answer(self.session_s());
        let talking = self.calls.get_mut(key).and_then(Call::talking_mut)?;
        talking.session = Some(SessionTimer::new(agreed, Side::Uas, now));
        agreed.header().map(|value| (value, agreed.is_required()))
    }

    /// 491, or 500 with a random Retry-After (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(super) fn refuse_out_of_turn(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        refusal: Refusal,
        now: Instant,
    ) {
        let status = refusal.status();
        // An INVITE that the dialog itself refused was never open.
        if refusal != Refusal::Unanswered && refusal != Refusal::Glare {
            return self.answer_once(request, source, transaction, status, &[], now);
        }
        self.note_refused(key, request, status, now);
        self.answer_later(request, source, transaction, refusal, now);
    }

    /// As `refuse_out_of_turn`, for a request that the dialog did not take.
    pub(super) fn answer_later(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        refusal: Refusal,
        now: Instant,
    ) {
        let seconds = refusal.retry_after_s_max().map(|max| self.tokens.below(max + 1));
        let header = seconds.as_ref().map(|s| (HeaderName::RetryAfter.as_str(), s as &dyn Display));
        self.answer_once(request, source, transaction, refusal.status(), header.as_slice(), now);
    }

    fn refuse_request(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        status: StatusCode,
        now: Instant,
    ) {
        self.note_refused(key, request, status, now);
        self.answer_once(request, source, transaction, status, &[], now);
    }

    /// The dialog took an INVITE that is refused now.
    fn note_refused(&mut self, key: CallKey, request: &Request<'_>, status: StatusCode, now: Instant) {
        let timing = self.config.timing;
        let Some(call) = self.calls.get_mut(key) else { return };
        let first = matches!(call.phase, Phase::Offered(_) | Phase::Calling(_));
        if request.method() == Method::Invite
            && !first
            && let Some(dialog) = call.dialog_mut()
        {
            dialog.invite.answered(status, &timing, now);
        }
    }

    /// Control answers an offer of theirs.
    pub(super) fn accept_offer(&mut self, key: CallKey, sdp: Option<Sdp>, now: Instant) -> Result<(), CommandError> {
        let over = || CommandError::WrongState("the call is over");
        let Some(call) = self.calls.get_mut(key) else { return Err(over()) };
        if matches!(call.phase, Phase::Resolving(..) | Phase::Ending(_)) {
            return Err(over());
        }
        self.answer_for_gone_dialogs(key, now);
        let Some(call) = self.calls.get_mut(key) else { return Err(over()) };
        let Some(theirs) = call.open.theirs.take() else { return Err(CommandError::WrongState("no offer waits for an answer")) };
        let session = theirs.session.and_then(|session| self.agree(key, session, now));
        let Some(call) = self.calls.get_mut(key) else { return Err(over()) };
        // Without a description of its own control means "as before".
        let sdp = sdp.or_else(|| fallback(&call.us, theirs.has_offer.then_some(&call.them)));
        let sdp = Described::from(sdp);
        let mut headers: Vec<(&str, &dyn Display)> = vec![
            (HeaderName::Allow.as_str(), screen::allow(self.directory.takes_messages(&call.view.domain))),
            (HeaderName::Supported.as_str(), &screen::SUPPORTED),
        ];
        if let Some((value, required)) = &session {
            headers.push((HeaderName::SessionExpires.as_str(), value));
            headers.extend(required.then_some((HeaderName::Require.as_str(), &"timer" as &dyn Display)));
        }
        let Some(dialog) = call.dialog_of(&theirs.tag) else { return Err(over()) };
        let written = theirs.pending.write_in(dialog, StatusCode::OK, &self.config.agent, &headers, sdp.text());
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(_) => {
                call.open.theirs = Some(theirs);
                return Err(CommandError::Bad("the response cannot be written".into()));
            }
        };
        match dialog.negotiation.must_2xx_carry() {
            Must::Answer => dialog.negotiation.answer_sent(true),
            Must::Offer if sdp.text().is_some() && theirs.invite => {
                let _sent = dialog.negotiation.offer_sent();
            }
            Must::Offer | Must::Nothing => {}
        }
        if theirs.invite {
            dialog.answered(StatusCode::OK, &self.config.timing, now);
            if let Phase::Talking(talking) = &mut call.phase {
                talking.accepted = Some(theirs.pending.transaction);
            }
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

    /// An early dialog ends with the final response to its INVITE (RFC 3261 §13.2.2.3), also where the INVITE goes again: what was
    /// asked within it is answered.
    pub(super) fn answer_for_gone_dialogs(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(theirs) = call.open.theirs.take() else { return };
        if call.dialog_of(&theirs.tag).is_some() {
            call.open.theirs = Some(theirs);
            return;
        }
        let status = StatusCode::CALL_DOES_NOT_EXIST;
        self.fail_pending(&theirs.pending, status, status.phrase(), &[], now);
    }

    /// Refuses an offer of theirs; the session before it stands.
    pub(super) fn refuse_offer(&mut self, key: CallKey, status: StatusCode, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(theirs) = call.open.theirs.take() else { return };
        if let Some(dialog) = call.dialog_of(&theirs.tag) {
            dialog.negotiation.rejected();
            if theirs.invite {
                dialog.invite.answered(status, &self.config.timing, now);
            }
        }
        self.fail_pending(&theirs.pending, status, status.phrase(), &[], now);
    }
}

impl Call {
    /// The dialog with this tag of the far end: of a call that rings, one of several.
    pub(super) fn dialog_of(&mut self, tag: &str) -> Option<&mut crate::dialog::Dialog> {
        match &mut self.phase {
            Phase::Offered(offered) => Some(&mut offered.dialog),
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) => Some(&mut talking.dialog),
            Phase::Calling(outgoing) => outgoing.legs.iter_mut().find_map(|leg| leg.invitation.named_mut(tag)),
            Phase::Resolving(..) | Phase::Ending(_) => None,
        }
        .filter(|dialog| dialog.remote_tag().unwrap_or_default() == tag)
    }
}

/// What we said last, turned to the direction that fits their offer (RFC 3264 §6.1).
pub(super) fn fallback(us: &Described, them: Option<&Described>) -> Option<Sdp> {
    let mut sdp = Arc::unwrap_or_clone(us.sdp()?);
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
