//! Offers of ours beside that of the first INVITE: re-INVITE and UPDATE.
//!
//! ```text
//!   invite, update ─► 200 ─► ACK, event `answered`      491 ─► again after a random time, at most 4 times      481, 408 ─► the call is over
//!   session timer  ─► the same, told only if the far end answers something new
//! ```
//! Shape:  one at a time; what was refused leaves the session before it, and control is told why in one event.
//! Units:  `Instant`.
//! Errors: to control [`CommandError`].
//! Source: RFC 3261 §14.1, RFC 3311 §5.1 and §5.3, RFC 4028 §7.4, RFC 6141 §3.

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::call::{Call, Described, OurOffer, OwedAck, Phase, Retry};
use super::calls::CallKey;
use super::offers::fallback;
use super::outgoing::ACK_WITHIN;
use super::reply::SDP_TYPE;
use super::{Endpoint, Purpose, event, screen};
use crate::api::{CommandError, EventKind};
use crate::dialog::InviteUsage;
use crate::message::{HeaderName, Method, Response, StatusCode};
use crate::transaction::TransactionId;

/// How often an offer that met one of theirs goes again: each time half of the pairs part, so one in 16 is left.
const TRIES_MAX: u8 = 4;
/// A 500 with a longer Retry-After is a refusal (RFC 3261 §14.2 has 0 to 10 s).
const RETRY_AFTER_S_MAX: u32 = 10;

impl Endpoint {
    /// Sends a re-INVITE or UPDATE. `tries` counts those that met one of theirs; `refresh`: for the session timer.
    pub(super) fn offer(
        &mut self,
        key: CallKey,
        invite: bool,
        sdp: Described,
        refresh: bool,
        tries: u8,
        now: Instant,
    ) -> Result<(), CommandError> {
        let busy = CommandError::WrongState("another offer is under way");
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let owed = match &call.phase {
            Phase::Talking(talking) => talking.owed.is_some() || talking.dialog.invite.may_invite().is_err(),
            // RFC 3311 §5.1: an UPDATE may go early, once the offer of the INVITE is answered reliably.
            Phase::Offered(_) | Phase::Calling(_) if !invite => {
                if !call.dialog().is_some_and(|dialog| dialog.negotiation.is_agreed()) {
                    return Err(CommandError::WrongState("nothing is agreed yet that an UPDATE could change"));
                }
                false
            }
            Phase::Offered(_) | Phase::Calling(_) | Phase::Resolving(..) | Phase::Ending(_) => {
                return Err(CommandError::WrongState("only an answered call can be offered something else"));
            }
        };
        if !invite && !refresh && call.peer.update == Some(false) {
            return Err(CommandError::Impossible("the far end does not take UPDATE".into()));
        }
        if owed || call.open.ours.is_some() || call.open.theirs.is_some() {
            return Err(busy);
        }
        let session = self.session_header(key);
        let Some(call) = self.calls.get_mut(key) else { return Err(busy) };
        let allow = screen::allow(self.directory.takes_messages(&call.view.domain));
        let Some(dialog) = call.dialog_mut() else { return Err(busy) };
        let tag = dialog.remote_tag().unwrap_or_default().into();
        if sdp.text().is_some() && dialog.negotiation.offer_sent().is_err() {
            return Err(busy);
        }
        // An UPDATE has timer F; an INVITE that heard a 1xx has none of its own.
        let until = invite.then_some(now + self.config.setup_timeout);
        let mut headers: Vec<(&str, &dyn Display)> =
            vec![(HeaderName::Allow.as_str(), allow), (HeaderName::Supported.as_str(), &screen::SUPPORTED)];
        if let Some(value) = &session {
            headers.push((HeaderName::SessionExpires.as_str(), value));
        }
        let body = sdp.text().map(|body| (SDP_TYPE, body));
        let method = if invite { Method::Invite } else { Method::Update };
        let sent = self.request_within(key, method, &headers, body, Purpose::OurOffer, now);
        let Some(call) = self.calls.get_mut(key) else { return Ok(()) };
        match sent {
            Some(transaction) => {
                call.open.ours = Some(Box::new(OurOffer { transaction, tag, invite, sdp, refresh, tries, until }));
                Ok(())
            }
            None => {
                if let Some(dialog) = call.dialog_mut() {
                    dialog.negotiation.rejected();
                    if invite {
                        dialog.invite.handle_final(dialog.local_cseq(), StatusCode::SERVICE_UNAVAILABLE);
                    }
                }
                Err(CommandError::Full { what: "transactions", max: self.config.limits.transactions })
            }
        }
    }

    /// A response to our re-INVITE or UPDATE.
    pub(super) fn offer_response(&mut self, key: CallKey, id: TransactionId, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let status = response.status();
        let number = response.cseq().number;
        let Some(mut ours) = call.open.ours.take_if(|ours| ours.transaction == id) else {
            // Its 2xx again: so goes the ACK.
            let again = call.talking_mut().and_then(|talking| talking.dialog.invite.ack_again(number).map(<[u8]>::to_vec));
            if status.is_success()
                && let Some(bytes) = again
                && let Some(flow) = self.calls.get(key).and_then(|call| Some(self.flow_of(call, call.dialog()?)))
            {
                self.transmit(flow, Some(bytes));
            }
            return;
        };
        if !status.is_final() {
            call.open.ours = Some(ours);
            return;
        }
        let early = !matches!(call.phase, Phase::Talking(_));
        // A 408 or 481 to an early UPDATE is of that fork alone; the INVITE goes on.
        let gone = call.dialog_of(&ours.tag).is_some_and(|dialog| !early && dialog.handle_final(response));
        if status.is_success() {
            if let Some(dialog) = call.dialog_of(&ours.tag) {
                dialog.refresh_target(response.headers());
            }
            call.peer.note(response.headers());
            self.heard_session(key, response.headers(), now);
            return self.offer_accepted(key, *ours, response, now);
        }
        if ours.sdp.text().is_some()
            && let Some(dialog) = call.dialog_of(&ours.tag)
        {
            dialog.negotiation.rejected();
        }
        if gone {
            return self.lost_within(key, status, now);
        }
        if let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut)
            && talking.auths.challenged_within(response)
        {
            ours.tries += 1;
            let (invite, sdp, refresh, tries) = (ours.invite, ours.sdp.clone(), ours.refresh, ours.tries);
            if tries <= TRIES_MAX && self.offer(key, invite, sdp, refresh, tries, now).is_ok() {
                return;
            }
        }
        if ours.refresh {
            return self.refresh_refused(key, response, now);
        }
        let seconds = response.headers().number(HeaderName::RetryAfter).ok().flatten();
        let wait = match status {
            // RFC 3261 §14.1: the owner of the Call-ID waits longer, so that the two part.
            StatusCode::REQUEST_PENDING => {
                Some(InviteUsage::glare_wait(self.calls.get(key).is_some_and(|call| call.view.originator), self.tokens.below(u32::MAX)))
            }
            StatusCode::SERVER_INTERNAL_ERROR => seconds.filter(|s| *s <= RETRY_AFTER_S_MAX).map(|s| Duration::from_secs(s.into())),
            _ => None,
        };
        ours.tries += 1;
        if let Some(wait) = wait.filter(|_| ours.tries <= TRIES_MAX)
            && let Some(call) = self.calls.get_mut(key)
        {
            call.open.retry = Some(Box::new(Retry { at: now + wait, invite: ours.invite, sdp: ours.sdp, tries: ours.tries }));
            return;
        }
        self.tell_refused(key, status.code(), response.reason());
    }

    /// Tries again what met an offer of theirs.
    pub(super) fn retry_due(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(retry) = call.open.retry.take_if(|retry| retry.at <= now) else { return };
        let Retry { invite, sdp, tries, .. } = *retry;
        if self.offer(key, invite, sdp, false, tries, now).is_err() {
            // Theirs is under way again: the session before it stands, and control is told.
            let status = StatusCode::REQUEST_PENDING;
            self.tell_refused(key, status.code(), status.phrase());
        }
    }

    /// Our offer was refused and the session before it stands: control is told why, in this one event.
    pub(super) fn tell_refused(&mut self, key: CallKey, status: u16, reason: &str) {
        let Some(call) = self.calls.get_mut(key) else { return };
        call.view.error = (status, reason.to_owned());
        let kind = if call.view.answered { EventKind::Answered } else { EventKind::Progress };
        self.tell(key, kind);
        if let Some(call) = self.calls.get_mut(key) {
            call.view.error = (0, String::new());
        }
    }

    fn offer_accepted(&mut self, key: CallKey, ours: OurOffer, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let theirs = event::session(response.body()).ok().flatten();
        let late = ours.sdp.text().is_none();
        let mut owed = false;
        if let Some(dialog) = call.dialog_of(&ours.tag) {
            match &theirs {
                Some(_) if late && ours.invite => owed = dialog.negotiation.offer_received().is_ok(),
                Some(_) if !late => {
                    let _new = dialog.negotiation.description_received(true);
                }
                // Nobody asked, and nothing was offered.
                Some(_) => {}
                None if late => {}
                None => {
                    let _stands = dialog.negotiation.answer_missing();
                }
            }
        }
        let before = call.them.clone();
        if let Some(theirs) = theirs.as_ref().filter(|_| ours.invite || !late) {
            call.them = Described::from(theirs);
            if late {
                call.view.hold = theirs.is_hold();
            }
        }
        let changed = before != call.them;
        if !late {
            call.us = ours.sdp;
        }
        if owed && let Phase::Talking(talking) = &mut call.phase {
            talking.owed = Some(OwedAck { by: now + ACK_WITHIN, first: false });
        } else if ours.invite {
            self.acknowledge(key, response.cseq().number, None);
        }
        let answered = self.calls.get(key).is_some_and(|call| call.view.answered);
        if changed || !ours.refresh {
            self.tell(key, if answered { EventKind::Answered } else { EventKind::Progress });
        }
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
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(ours) = call.open.ours.take_if(|ours| ours.transaction == id) else { return };
        if matches!(call.phase, Phase::Talking(_)) {
            return self.lost_within(key, status, now);
        }
        if let Some(dialog) = call.dialog_of(&ours.tag) {
            dialog.negotiation.rejected();
        }
        self.tell_refused(key, status.code(), status.phrase());
    }
}
