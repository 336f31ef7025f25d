//! How a call ends from here: by control, by the clock, by shutting down; and what the clock asks of it before.
//!
//! ```text
//!   Offered ─► failure      Resolving ─► gone      Calling ─► CANCEL, once a 1xx allows it      Talking ─► BYE, after the ACK of our 2xx
//! ```
//! Shape:  control hears `hangup` at once; the call stays, silent, until the wire has settled, at most 64 × T1 and a little.
//! Units:  `Instant`.
//! Errors: none.
//! Source: RFC 3261 §9.1, §13.3.1.4, §15; RFC 3261 §14.1 (re-INVITE after 491).

use std::time::{Duration, Instant};

use super::call::{Call, Ending, Phase};
use super::calls::CallKey;
use super::reply::Extra;
use super::{Endpoint, Purpose};
use crate::dialog::{AckWait, Hangup};
use crate::message::{Method, StatusCode};

/// What the wire may need beyond 64 × T1 before a call is dropped without it.
const GRACE: Duration = Duration::from_secs(5);

impl Endpoint {
    /// Ends a call, whatever its phase. `error` is what control is shown; a call of theirs gets it as its answer.
    pub(super) fn end(&mut self, key: CallKey, error: Option<(StatusCode, String)>, headers: Extra<'_>, now: Instant) {
        let Some(call) = self.calls.get(key) else { return };
        let shown = error.as_ref().map(|(status, phrase)| (status.code(), phrase.clone()));
        match &call.phase {
            Phase::Offered(_) => {
                let (status, phrase) = error.unwrap_or_else(|| {
                    let status = StatusCode::TEMPORARILY_UNAVAILABLE;
                    (status, status.phrase().to_owned())
                });
                self.refuse(key, status, &phrase, headers, now);
            }
            Phase::Resolving(..) => {
                self.finish(key, shown.or_else(terminated), now);
                self.forget(key, now);
            }
            Phase::Calling(_) => {
                self.finish(key, shown.or_else(terminated), now);
                self.cancel(key, now);
            }
            Phase::Talking(_) => {
                self.finish(key, shown, now);
                self.leave(key, headers, now);
            }
            Phase::Ending(_) => {}
        }
    }

    /// What the time asks of a call.
    pub(super) fn call_due(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let over = call.ends_at <= now;
        let unavailable = |status: StatusCode| Some((status, status.phrase().to_owned()));
        if !over && !matches!(call.phase, Phase::Ending(_)) {
            self.open_due(key, now);
        }
        let Some(call) = self.calls.get_mut(key) else { return };
        match &mut call.phase {
            Phase::Offered(_) if over => self.end(key, unavailable(StatusCode::TEMPORARILY_UNAVAILABLE), &[], now),
            Phase::Resolving(..) | Phase::Calling(_) if over => self.end(key, unavailable(StatusCode::REQUEST_TIMEOUT), &[], now),
            Phase::Talking(_) if over => {
                self.end(key, Some((StatusCode::REQUEST_TIMEOUT, "Longest Call Duration Reached".to_owned())), &[], now);
            }
            Phase::Ending(_) if over => {
                self.forget(key, now);
            }
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking)) => match talking.dialog.handle_timeout(now) {
                AckWait::Repeat => {
                    if let Some(transaction) = talking.accepted {
                        self.layer.repeat_2xx(transaction);
                    }
                }
                AckWait::GaveUp => {
                    let status = StatusCode::REQUEST_TIMEOUT;
                    self.finish(key, Some((status.code(), "No ACK".to_owned())), now);
                    self.send_bye(key, &[], now);
                }
                AckWait::Quiet => self.talking_due(key, now),
            },
            Phase::Offered(_) => self.reliable_due(key, now),
            Phase::Calling(outgoing) => {
                if outgoing.owed.take_if(|owed| owed.by <= now).is_some() {
                    self.end(key, Some((StatusCode::REQUEST_TIMEOUT, "Offer Not Answered".to_owned())), &[], now);
                }
            }
            Phase::Resolving(..) | Phase::Ending(_) => {}
        }
    }

    /// What the time asks of offers under way.
    fn open_due(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if let Some(ours) = call.open.ours.as_mut().filter(|ours| ours.until.is_some_and(|until| until <= now)) {
            // A 1xx came and nothing more: the 487 that follows says that the session before it stands.
            ours.until = None;
            self.layer.cancel(ours.transaction, now);
        }
        if call.open.theirs.as_ref().is_some_and(|theirs| theirs.until <= now) {
            self.answer_by_ourselves(key, now);
        }
        self.retry_due(key, now);
    }

    fn talking_due(&mut self, key: CallKey, now: Instant) {
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        if let Some(owed) = talking.owed.take_if(|owed| owed.by <= now) {
            if owed.first {
                let status = StatusCode::REQUEST_TIMEOUT;
                return self.end(key, Some((status, "Offer Not Answered".to_owned())), &[], now);
            }
            self.acknowledge_by_ourselves(key);
        }
        self.transfer_due(key, now);
        self.session_due(key, now);
    }

    /// Cancels our INVITEs; the call stays until their final responses.
    pub(super) fn cancel(&mut self, key: CallKey, now: Instant) {
        let ends_at = now + self.config.timing.t1x64() * 2 + GRACE;
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        outgoing.legs.retain(|leg| leg.transaction.is_some_and(|transaction| self.layer.cancel(transaction, now)));
        if outgoing.legs.is_empty() {
            self.forget(key, now);
            return;
        }
        call.ends_at = ends_at;
        // The phase is put back at once; nothing can look at it in between.
        let taken = std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone));
        if let Phase::Calling(outgoing) = taken {
            call.phase = Phase::Ending(Ending::Cancelling(outgoing));
        }
    }

    /// Leaves an answered call: answers what is open, acknowledges what is owed, then BYE as soon as it may go.
    fn leave(&mut self, key: CallKey, headers: Extra<'_>, now: Instant) {
        self.refuse_offer(key, StatusCode::REQUEST_TERMINATED, now);
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        if let Some(number) = talking.dialog.invite.ack_owed() {
            self.acknowledge(key, number, None);
        }
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Talking(talking) = &call.phase else { return };
        match talking.dialog.hangup() {
            Hangup::ByeAfterAck => {
                call.ends_at = now + self.config.timing.t1x64() + GRACE;
                if let Phase::Talking(talking) = std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone)) {
                    call.phase = Phase::Ending(Ending::AwaitingAck(talking));
                }
            }
            Hangup::Bye | Hangup::Cancel | Hangup::Respond => self.send_bye(key, headers, now),
            Hangup::Nothing => {
                self.forget(key, now);
            }
        }
    }

    /// Takes a call out of the table, and sees to the transactions that would wait for ever for it: a server INVITE for its
    /// final response, a client INVITE that heard a 1xx for the other side's (RFC 3261 §17.1.1.2, §17.2.1 have no timer there).
    pub(super) fn forget(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.remove(key) else { return };
        let terminated = StatusCode::REQUEST_TERMINATED;
        if let Some(theirs) = call.open.theirs {
            self.fail_pending(&theirs.pending, terminated, terminated.phrase(), &[], now);
        }
        if let Some(ours) = call.open.ours {
            self.layer.cancel(ours.transaction, now);
        }
        match call.phase {
            Phase::Offered(offered) => self.fail_pending(&offered.pending, terminated, terminated.phrase(), &[], now),
            Phase::Calling(outgoing) => {
                for transaction in outgoing.legs.iter().filter_map(|leg| leg.transaction) {
                    self.layer.cancel(transaction, now);
                }
            }
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) => {
                // Cancelled before, but a CANCEL may still wait for its 1xx.
                for transaction in talking.losers.iter().filter_map(|leg| leg.transaction) {
                    self.layer.cancel(transaction, now);
                }
            }
            Phase::Resolving(..) | Phase::Ending(Ending::Cancelling(_) | Ending::Gone) => {}
        }
    }

    /// BYE; the call stays until it is answered.
    pub(super) fn send_bye(&mut self, key: CallKey, headers: Extra<'_>, now: Instant) {
        let ends_at = now + self.config.timing.t1x64() + GRACE;
        self.end_reports(key);
        // RFC 3261 §15.1.2 has the receiver of a BYE answer 487; what waits here is no better off.
        self.refuse_offer(key, StatusCode::REQUEST_TERMINATED, now);
        if let Some(ours) = self.calls.get_mut(key).and_then(|call| call.open.ours.take()) {
            self.layer.cancel(ours.transaction, now);
        }
        let sent = self.request_within(key, Method::Bye, headers, None, Purpose::Bye, now).is_some();
        let Some(call) = self.calls.get_mut(key) else { return };
        if !sent {
            // No room for its transaction: the far end learns of it by its own timers.
            self.forget(key, now);
            return;
        }
        call.ends_at = ends_at;
        match std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone)) {
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking)) => call.phase = Phase::Ending(Ending::Bye(talking)),
            Phase::Offered(_) | Phase::Resolving(..) | Phase::Calling(_) | Phase::Ending(_) => {
                self.forget(key, now);
            }
        }
    }
}

/// How a call of ours that was not answered ends when no other reason is given.
fn terminated() -> Option<(u16, String)> {
    let status = StatusCode::REQUEST_TERMINATED;
    Some((status.code(), status.phrase().to_owned()))
}
