//! Calls to us: the INVITE, and what control may answer to it.
//!
//! ```text
//!   INVITE ─► caller proven ─► 100, dialog, event `new` ─► ring 180 │ progress 183 │ answer 200 ─► ACK ─► event `answered`
//!                                                          hang-up, redirect, CANCEL, 180 s ─► final failure ─► `hangup`
//! ```
//! Shape:  one call per INVITE; up to its proof nothing is kept.
//! Errors: to the caller a final response; to control [`CommandError`].
//! Source: RFC 3261 §13.3, §8.2.2.2 (482), §9.2, RFC 3264, RFC 6337 §2.

use std::fmt::Display;
use std::time::Instant;

use super::call::{Call, Described, Offered, Phase, Talking};
use super::calls::CallKey;
use super::reply::{Extra, Pending};
use super::source::Source;
use super::{Endpoint, Owner, Purpose, event, extra, screen};
use crate::api::{CommandError, Epochs, EventKind, Snapshot};
use crate::dialog::{Dialog, Must};
use crate::message::{HeaderName, Request, StatusCode};
use crate::sdp::Sdp;
use crate::transaction::NewRequest;

impl Endpoint {
    /// An INVITE outside a dialog.
    pub(super) fn incoming(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        if self.draining || self.calls.is_full() {
            return self.shed(request, source);
        }
        // The same request by another way, or one of ours come back (RFC 3261 §8.2.2.2, §16.3): control knows calls by Call-ID.
        if self.calls.find(request.call_id()).is_some() {
            return self.answer_stateless(request, source, StatusCode::LOOP_DETECTED, &[]);
        }
        let Some(caller) = self.admit(request, source, now) else { return };
        let Some(control) = self.directory.domain(&caller.domain).and_then(|domain| domain.control().cloned()) else {
            return self.answer_stateless(request, source, StatusCode::TEMPORARILY_UNAVAILABLE, &[]);
        };
        let Ok(offer) = event::session(request.body()) else {
            return self.answer_stateless(request, source, StatusCode::BAD_REQUEST, &[]);
        };
        let called = called_user(request);
        let tag = self.tokens.tag();
        let contact = self.contact(source.flow, &called);
        let mut dialog = match Dialog::uas(request, &tag, &contact) {
            Ok(dialog) => dialog,
            Err(error) => return self.answer_stateless(request, source, error.status(), &[]),
        };
        if offer.is_some() {
            // A new dialog has no offer open, so this one is taken.
            let _taken = dialog.negotiation.offer_received();
        }
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else { return self.shed(request, source) };
        let Ok(pending) = Pending::new(request, source, transaction, &tag) else {
            return self.answer_once(request, source, transaction, StatusCode::SERVER_INTERNAL_ERROR, &[], now);
        };
        let headers = request.headers();
        let mut view = Snapshot {
            seq: 0,
            event: EventKind::New,
            callid: request.call_id().to_owned(),
            uuid: self.uuid(),
            domain: caller.domain,
            to: Some(called),
            from: Some(event::user_of(&request.from().uri)),
            contact: None,
            maxforwards: headers.max_forwards().ok().flatten().or(Some(crate::dialog::MAX_FORWARDS)),
            authenticated: caller.authenticated,
            ring: false,
            answered: false,
            hold: offer.as_ref().is_some_and(Sdp::is_hold),
            originator: false,
            hangup: false,
            error: (0, String::new()),
            remote: Some(source.from),
            sdp_them: None,
            sdp_us: None,
            epochs: Epochs { start: self.clock.epoch_ms(now), ..Epochs::default() },
            refer: None,
            transfer: None,
            replaces: None,
            contacts: Vec::new(),
            digits: None,
            agent: None,
            callerid: caller.id,
            headers: event::shown_headers(headers),
            transport: source.flow.transport.word(),
        };
        event::note_request(&mut view, request);
        let trying = pending.write(StatusCode::TRYING, StatusCode::TRYING.phrase(), &self.config.agent, &[]);
        let call = Call {
            control: Some(control),
            view,
            them: Described::from(offer.as_ref()),
            us: Described::default(),
            told_end: false,
            acknowledged: false,
            flow: source.flow,
            follows_source: caller.authenticated,
            ends_at: now + self.config.setup_timeout,
            phase: Phase::Offered(Box::new(Offered { pending, dialog })),
        };
        let Ok(key) = self.calls.insert(request.call_id(), call) else {
            return self.answer_once(request, source, transaction, StatusCode::SERVICE_UNAVAILABLE, &[], now);
        };
        self.layer.set_user(transaction, Owner::Call(key, Purpose::TheirInvite));
        if let Ok(trying) = trying {
            self.layer.respond(transaction, StatusCode::TRYING, trying, now);
        }
        self.stats.calls += 1;
        self.tell(key, EventKind::New);
    }

    /// 180 or 183.
    pub(super) fn provisional(
        &mut self,
        key: CallKey,
        status: StatusCode,
        alertinfo: Option<&str>,
        sdp: Option<&Sdp>,
        now: Instant,
    ) -> Result<(), CommandError> {
        if alertinfo.is_some_and(|value| !extra::is_line(value)) {
            return Err(CommandError::Bad("alertinfo does not fit on a line".into()));
        }
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Offered(offered) = &mut call.phase else {
            return Err(CommandError::WrongState("only a call to us that is not answered can ring"));
        };
        let negotiation = &mut offered.dialog.negotiation;
        if sdp.is_some() && negotiation.must_2xx_carry() != Must::Answer {
            // RFC 3261 §13.2.1: an offer of ours needs a reliable response, and an 18x is none.
            return Err(CommandError::Impossible("their INVITE has no offer, so the description goes into the answer".into()));
        }
        let alert = alertinfo.map(|value| (HeaderName::AlertInfo.as_str(), value));
        let headers: Vec<(&str, &dyn Display)> = alert.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
        let body = sdp.map(Sdp::to_string);
        let written = offered.pending.write_in(&offered.dialog, status, &self.config.agent, &headers, body.as_deref());
        let bytes = written.map_err(|_| CommandError::Bad("the response cannot be written".into()))?;
        if sdp.is_some() {
            offered.dialog.negotiation.answer_sent(false);
            call.us = Described::from(sdp);
        }
        self.layer.respond(offered.pending.transaction, status, bytes, now);
        if status == StatusCode::RINGING {
            self.note_ringing(key, now);
        }
        Ok(())
    }

    /// 200 to their INVITE.
    pub(super) fn answer(&mut self, key: CallKey, sdp: Option<&Sdp>, now: Instant) -> Result<(), CommandError> {
        let ends_at = now + self.config.call_duration_max;
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Offered(offered) = &mut call.phase else {
            return Err(CommandError::WrongState("only a call to us that is not answered can be answered"));
        };
        // What an 18x showed is repeated unchanged (RFC 3261 §13.3.1.1). Without any description the 200 goes out bare:
        // scripts of the predecessor answer so, and the caller's end decides what it makes of it.
        let sdp = if offered.dialog.negotiation.answer_was_shown() { call.us.clone() } else { Described::from(sdp) };
        let allow: (&str, &dyn Display) = (HeaderName::Allow.as_str(), &screen::ALLOW);
        let written = offered.pending.write_in(&offered.dialog, StatusCode::OK, &self.config.agent, &[allow], sdp.text());
        let bytes = written.map_err(|_| CommandError::Bad("the response cannot be written".into()))?;
        if !self.layer.respond(offered.pending.transaction, StatusCode::OK, bytes, now) {
            return Err(CommandError::WrongState("the call is over"));
        }
        let mut dialog = offered.dialog.clone();
        match dialog.negotiation.must_2xx_carry() {
            Must::Answer => dialog.negotiation.answer_sent(true),
            Must::Offer if sdp.text().is_some() => {
                let _sent = dialog.negotiation.offer_sent();
            }
            Must::Offer | Must::Nothing => {}
        }
        dialog.answered(StatusCode::OK, &self.config.timing, now);
        let mut talking = Talking::new(dialog);
        talking.accepted = Some(offered.pending.transaction);
        if sdp.text().is_some() {
            call.us = sdp;
        }
        call.phase = Phase::Talking(Box::new(talking));
        call.ends_at = ends_at;
        self.note_answered(key, now);
        Ok(())
    }

    /// A final failure to their INVITE; the call is gone afterwards.
    pub(super) fn refuse(&mut self, key: CallKey, status: StatusCode, phrase: &str, headers: Extra<'_>, now: Instant) {
        let Some(Phase::Offered(offered)) = self.calls.get(key).map(|call| &call.phase) else { return };
        let pending = offered.pending.clone();
        self.fail_pending(&pending, status, phrase, headers, now);
        self.finish(key, Some((status.code(), phrase.to_owned())), now);
        self.forget(key, now);
    }
}

/// Whom they called: user of the Request-URI, else of To.
fn called_user(request: &Request<'_>) -> String {
    let user = event::user_of(request.uri());
    if user.is_empty() { event::user_of(&request.to().uri) } else { user }
}
