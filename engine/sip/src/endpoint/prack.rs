//! Provisional responses that are acknowledged, both ways.
//!
//! ```text
//!   ours:    180, 183 ─► Require: 100rel, RSeq ─► PRACK ─► the next one, and the 200 that had to wait
//!   theirs:  18x with RSeq ─► PRACK at once; if it brings their offer, PRACK with control's `ack`
//! ```
//! Shape:  ours are reliable where the caller takes no others, and where they carry a description and it can take them.
//! Units:  `Instant`.
//! Errors: to the far end 481 for a RAck that names nothing of ours; to control [`CommandError`].
//! Source: RFC 3262 §3, §4, §5; RFC 6337 §2 (which of these messages may carry an offer).

use std::fmt::Display;
use std::time::Instant;

use super::call::{Call, Described, LATER_MAX, Later, Phase};
use super::calls::CallKey;
use super::incoming::REMIND_EVERY;
use super::reply::SDP_TYPE;
use super::source::Source;
use super::{Endpoint, Purpose, event};
use crate::api::{CommandError, EventKind};
use crate::dialog::{RAck, ReliableDue};
use crate::message::{HeaderName, Method, Request, StatusCode};
use crate::sdp::Sdp;
use crate::transaction::TransactionId;

impl Endpoint {
    /// Keeps a response until the PRACK of the one before it.
    pub(super) fn send_later(&mut self, key: CallKey, later: Later) -> Result<(), CommandError> {
        let Some(Phase::Offered(offered)) = self.calls.get_mut(key).map(|call| &mut call.phase) else {
            return Err(CommandError::WrongState("the call is over"));
        };
        if offered.later.len() >= LATER_MAX || matches!(offered.later.back(), Some(Later::Answer { .. })) {
            return Err(CommandError::WrongState("too many responses wait for the caller's PRACK"));
        }
        offered.later.push_back(later);
        Ok(())
    }

    /// A PRACK of theirs, its CSeq in order.
    pub(super) fn prack_received(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        now: Instant,
    ) {
        let rack = RAck::read(request.headers());
        let Some(call) = self.calls.get_mut(key) else { return };
        let (reliable, awaits_answer) = match &mut call.phase {
            Phase::Offered(offered) => (Some(&mut offered.reliable), offered.dialog.negotiation.awaits_answer()),
            Phase::Talking(talking) => (talking.reliable.as_mut(), false),
            Phase::Resolving(..) | Phase::Calling(_) | Phase::Ending(_) => (None, false),
        };
        // RFC 3262 §3: one that matches nothing of ours.
        if !rack.zip(reliable).is_some_and(|(rack, reliable)| reliable.handle_rack(rack)) {
            return self.answer_once(request, source, transaction, StatusCode::CALL_DOES_NOT_EXIST, &[], now);
        }
        let talking = matches!(call.phase, Phase::Talking(_));
        if awaits_answer {
            // Our reliable response had the offer; this is where its answer has to be (RFC 3262 §5).
            let answer = event::session(request.body()).ok().flatten();
            if let Some(dialog) = call.dialog_mut() {
                match &answer {
                    Some(_) => drop(dialog.negotiation.description_received(true)),
                    None => drop(dialog.negotiation.answer_missing()),
                }
            }
            if let Some(answer) = &answer {
                call.them = Described::from(answer);
            }
            self.answer_once(request, source, transaction, StatusCode::OK, &[], now);
            self.tell(key, EventKind::Progress);
        } else if request.body().is_empty() || talking {
            self.answer_once(request, source, transaction, StatusCode::OK, &[], now);
        } else {
            self.offer_received(key, request, source, transaction, now);
        }
        self.send_next(key, now);
    }

    /// Sends what waited for a PRACK, as far as it may go.
    fn send_next(&mut self, key: CallKey, now: Instant) {
        while let Some(Phase::Offered(offered)) = self.calls.get_mut(key).map(|call| &mut call.phase) {
            if offered.reliable.is_waiting() {
                return;
            }
            let Some(later) = offered.later.pop_front() else { return };
            // Control was told that it is done; what cannot be sent now ends with the call.
            let _sent = match later {
                Later::Provisional { status, alertinfo, sdp } => self.provisional(key, status, alertinfo.as_deref(), sdp.as_deref(), now),
                Later::Answer { sdp } => self.answer(key, sdp.as_deref(), now),
            };
        }
    }

    /// What the time asks of our provisional responses.
    pub(super) fn reliable_due(&mut self, key: CallKey, now: Instant) {
        let Some(Phase::Offered(offered)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return };
        let transaction = offered.pending.transaction;
        if offered.remind_at.is_some_and(|at| at <= now) {
            offered.remind_at = Some(now + REMIND_EVERY);
            self.layer.repeat_1xx(transaction);
        }
        let Some(Phase::Offered(offered)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return };
        match offered.reliable.handle_timeout(now) {
            ReliableDue::Quiet => {}
            ReliableDue::Repeat => {
                self.layer.repeat_1xx(transaction);
            }
            ReliableDue::GaveUp => {
                // RFC 3262 §3: a 5xx.
                let status = StatusCode::SERVER_TIMEOUT;
                self.refuse(key, status, "No PRACK", &[], now);
            }
        }
    }

    /// PRACK of a response of theirs in the early dialog that was heard of last.
    pub(super) fn send_prack(&mut self, key: CallKey, rseq: u32, cseq: u32, sdp: Option<&Sdp>, now: Instant) {
        let rack = format!("{rseq} {cseq} INVITE");
        let headers: [(&str, &dyn Display); 1] = [(HeaderName::RAck.as_str(), &rack)];
        let body = sdp.map(Sdp::to_string);
        let body = body.as_deref().map(|body| (SDP_TYPE, body));
        // Without room for it the far end repeats its response, and then refuses the call.
        let _sent = self.request_within(key, Method::Prack, &headers, body, Purpose::Prack, now);
    }

    /// Control answers the offer of a reliable response.
    pub(super) fn answer_in_prack(&mut self, key: CallKey, sdp: &Sdp, now: Instant) -> Result<(), CommandError> {
        let none = CommandError::WrongState("no offer waits for an answer");
        let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return Err(none) };
        let Some(owed) = outgoing.owed.take() else { return Err(none) };
        self.send_prack(key, owed.rseq, owed.cseq, Some(sdp), now);
        if let Some(dialog) = self.calls.get_mut(key).and_then(Call::dialog_mut) {
            dialog.negotiation.answer_sent(true);
        }
        if let Some(call) = self.calls.get_mut(key) {
            call.us = Described::from(sdp);
        }
        Ok(())
    }
}
