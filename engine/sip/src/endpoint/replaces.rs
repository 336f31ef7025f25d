//! An INVITE that takes over a call of ours (RFC 3891).
//!
//! ```text
//!   Replaces ─► Call-ID and tags ─► answered call, or one of ours that rings ─► event `new` with `replaces`
//!            └► no such call 481 · theirs that rings 481 · over 603 · early-only and answered 486 · two of them 400
//!   200 to the new call ─► BYE or CANCEL to the old one            any failure of the new one ─► the old one stands
//! ```
//! Shape:  the new call keeps the Call-ID of the old one until it is answered.
//! Errors: a status for the INVITE.
//! Departs from RFC 3891 §3: inside a Refer-To both orders of the tags are taken, for phones mix them up, and both together
//!         still name one dialog only.
//! Source: RFC 3891 §3 and §4.

use std::fmt::Display;
use std::time::Instant;

use super::Endpoint;
use super::call::{Call, Ending, Phase};
use super::calls::CallKey;
use crate::dialog::Dialog;
use crate::message::{HeaderName, Replaces, Request, StatusCode};
use crate::shard::Replaceable;

impl Endpoint {
    /// Call-ID of the call that an INVITE of a user of `domain` takes over.
    pub(super) fn taken_over(&self, request: &Request<'_>, domain: &str) -> Result<Option<String>, StatusCode> {
        let mut lines = request.headers().headers(HeaderName::Replaces);
        let Some(value) = lines.next() else { return Ok(None) };
        let replaces = Replaces::parse(value).map_err(|_| StatusCode::BAD_REQUEST)?;
        // RFC 3891 §3: more than one is an error, and so is Join beside it.
        if lines.next().is_some() || request.headers().contains(HeaderName::Join) {
            return Err(StatusCode::BAD_REQUEST);
        }
        // What belongs to others is no more than unknown. The shard of the call may have been asked before.
        match self.found.clone().unwrap_or_else(|| self.replaceable(&replaces)) {
            Some((of, verdict)) if of == domain => verdict.map(|()| Some(replaces.call_id.to_owned())),
            Some(_) | None => Err(StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    /// The call of this shard that an INVITE names: its domain, and whether it may be taken over.
    pub(super) fn replaceable(&self, replaces: &Replaces<'_>) -> Replaceable {
        let call = self.calls.find(replaces.call_id).and_then(|key| self.calls.get(key))?;
        let named = |dialog: &Dialog| dialog.is_named(replaces.call_id, replaces.to_tag, replaces.from_tag);
        let verdict = match &call.phase {
            Phase::Talking(talking) if named(&talking.dialog) => {
                if replaces.early_only {
                    Err(StatusCode::BUSY_HERE)
                } else {
                    Ok(())
                }
            }
            // RFC 3891 §3: an early dialog can be taken over only if its INVITE was ours.
            Phase::Calling(outgoing) if outgoing.legs.iter().any(|leg| leg.invitation.named(replaces.from_tag).is_some_and(named)) => {
                Ok(())
            }
            Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) if named(&talking.dialog) => Err(StatusCode::DECLINE),
            Phase::Offered(_) | Phase::Resolving(..) | Phase::Calling(_) | Phase::Talking(_) | Phase::Ending(_) => {
                Err(StatusCode::CALL_DOES_NOT_EXIST)
            }
        };
        Some((call.view.domain.clone(), verdict))
    }

    /// Whether what a Refer-To wants replaced is here and alive, or not for us to know.
    pub(super) fn may_replace(&self, value: &str) -> bool {
        let Ok(replaces) = Replaces::parse(value) else { return false };
        let Some(call) = self.calls.find(replaces.call_id).and_then(|key| self.calls.get(key)) else { return true };
        let named = |dialog: &Dialog| {
            dialog.is_named(replaces.call_id, replaces.to_tag, replaces.from_tag)
                || dialog.is_named(replaces.call_id, replaces.from_tag, replaces.to_tag)
        };
        match &call.phase {
            Phase::Calling(outgoing) => outgoing
                .legs
                .iter()
                .any(|leg| [replaces.to_tag, replaces.from_tag].into_iter().filter_map(|tag| leg.invitation.named(tag)).any(named)),
            Phase::Offered(_) | Phase::Talking(_) => call.dialog().is_some_and(named),
            Phase::Resolving(..) | Phase::Ending(_) => false,
        }
    }

    /// A call was answered: the one that it takes over ends.
    pub(super) fn take_over(&mut self, key: CallKey, now: Instant) {
        let Some(replaced) = self.calls.get(key).and_then(|call: &Call| call.view.replaces.clone()) else { return };
        match self.calls.find(&replaced) {
            Some(old) if old != key => self.end_replaced(old, now),
            Some(_) => {}
            None => self.replaced_elsewhere(&replaced),
        }
    }

    /// Ends a call that was taken over.
    pub(super) fn end_replaced(&mut self, old: CallKey, now: Instant) {
        let reason = "SIP;cause=200;text=\"Replaced\"";
        let headers: [(&str, &dyn Display); 1] = [(HeaderName::Reason.as_str(), &reason)];
        self.end(old, None, &headers, now);
        self.calls.settle(old);
    }
}
