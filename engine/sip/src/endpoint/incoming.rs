//! Calls to us: the INVITE, and what control may answer to it.
//!
//! ```text
//!   INVITE ─► caller proven ─► 100, dialog, event `new` ─► ring 180 │ progress 183 │ answer 200 ─► ACK ─► event `answered`
//!                                                          hang-up, redirect, CANCEL, 180 s ─► final failure ─► `hangup`
//! ```
//! Shape:  one call per INVITE; up to its proof nothing is kept.
//! Errors: to the caller a final response; to control [`CommandError`].
//! Source: RFC 3261 §13.3, §8.2.2.2 (482), §9.2, RFC 3264, RFC 6337 §2.

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::{Duration, Instant};

use super::call::{Call, Described, Later, Offered, Open, Peer, Phase, Talking};
use super::calls::CallKey;
use super::reply::{Extra, Pending};
use super::source::Source;
use super::{Endpoint, Owner, Purpose, event, extra, screen};
use crate::api::{CommandError, Epochs, EventKind, Snapshot};
use crate::dialog::{Dialog, MIN_SE_S, Must, ReliableOut, SessionOffer, SessionTimer, Side};
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
        let of_domain = || self.directory.domain(&caller.domain).and_then(|domain| domain.control().cloned());
        let Some(control) = caller.control.clone().or_else(of_domain) else {
            return self.answer_stateless(request, source, StatusCode::TEMPORARILY_UNAVAILABLE, &[]);
        };
        if self.is_too_many(&control, now) {
            return self.put_off(request, source);
        }
        let Ok(offer) = event::session(request.body()) else {
            return self.answer_stateless(request, source, StatusCode::BAD_REQUEST, &[]);
        };
        let replaces = match self.taken_over(request, &caller.domain) {
            Ok(replaces) => replaces,
            Err(status) => return self.answer_stateless(request, source, status, &[]),
        };
        let session = SessionOffer::read(request.headers());
        if session.is_too_small() {
            let least: (&str, &dyn Display) = (HeaderName::MinSe.as_str(), &MIN_SE_S);
            return self.answer_stateless(request, source, StatusCode::SESSION_INTERVAL_TOO_SMALL, &[least]);
        }
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
            replaces,
            contacts: Vec::new(),
            digits: None,
            agent: None,
            callerid: caller.id,
            headers: event::shown_headers(headers),
            transport: source.flow.transport.word(),
        };
        event::note_request(&mut view, request);
        let trying = pending.write(StatusCode::TRYING, StatusCode::TRYING.phrase(), &self.config.agent, &[]);
        let mut peer = Peer::default();
        peer.note(headers);
        let call = Call {
            control: Some(control),
            view,
            them: Described::from(offer),
            us: Described::default(),
            told_end: false,
            acknowledged: false,
            flow: source.flow,
            follows_source: caller.authenticated,
            ends_at: now + self.config.setup_timeout,
            peer,
            open: Open::default(),
            phase: Phase::Offered(Box::new(Offered {
                pending,
                dialog,
                session,
                reliable: ReliableOut::new(request.cseq().number),
                remind_at: None,
                later: VecDeque::new(),
            })),
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
        let early_until = now + self.config.early_timeout;
        let random = self.tokens.below(u32::MAX);
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Offered(offered) = &mut call.phase else {
            return Err(CommandError::WrongState("only a call to us that is not answered can ring"));
        };
        if offered.reliable.is_waiting() {
            // RFC 3262 §3: one at a time.
            return self
                .send_later(key, Later::Provisional { status, alertinfo: alertinfo.map(str::to_owned), sdp: sdp.cloned().map(Box::new) });
        }
        let reliable = call.peer.reliable_only || (call.peer.reliable && sdp.is_some());
        let negotiation = &mut offered.dialog.negotiation;
        // What was agreed reliably is not said again; an UPDATE changes it.
        let sdp = sdp.filter(|_| !negotiation.is_agreed());
        if sdp.is_some() && negotiation.must_2xx_carry() != Must::Answer && !(reliable && negotiation.may_offer()) {
            // RFC 3261 §13.2.1: an offer of ours needs a reliable response, and this 18x is none.
            return Err(CommandError::Impossible("their INVITE has no offer, so the description goes into the answer".into()));
        }
        let rseq = if reliable { offered.reliable.send(sdp.is_some(), random, &self.config.timing, now) } else { 0 };
        let mut headers: Vec<(&str, &dyn Display)> = Vec::new();
        if let Some(alertinfo) = &alertinfo {
            headers.push((HeaderName::AlertInfo.as_str(), alertinfo));
        }
        if reliable {
            headers.push((HeaderName::Require.as_str(), &"100rel"));
            headers.push((HeaderName::RSeq.as_str(), &rseq));
            headers.push((HeaderName::Allow.as_str(), screen::allow(self.directory.takes_messages(&call.view.domain))));
        }
        let body = sdp.map(Sdp::to_string);
        let written = offered.pending.write_in(&offered.dialog, status, &self.config.agent, &headers, body.as_deref());
        let bytes = written.map_err(|_| CommandError::Bad("the response cannot be written".into()))?;
        if sdp.is_some() {
            match offered.dialog.negotiation.must_2xx_carry() {
                Must::Answer => offered.dialog.negotiation.answer_sent(reliable),
                Must::Offer | Must::Nothing => {
                    let _sent = offered.dialog.negotiation.offer_sent();
                }
            }
            call.us = Described::from(sdp);
        }
        self.layer.respond(offered.pending.transaction, status, bytes, now);
        offered.remind_at = Some(now + REMIND_EVERY);
        if status == StatusCode::SESSION_PROGRESS {
            // Announcements and queues: the time that a phone may ring does not count any more.
            call.ends_at = call.ends_at.max(early_until);
        }
        if status == StatusCode::RINGING {
            self.note_ringing(key, now);
        }
        Ok(())
    }

    /// 200 to their INVITE.
    pub(super) fn answer(&mut self, key: CallKey, sdp: Option<&Sdp>, now: Instant) -> Result<(), CommandError> {
        let ends_at = now + self.config.call_duration_max;
        let wanted = self.session_s();
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Offered(offered) = &mut call.phase else {
            return Err(CommandError::WrongState("only a call to us that is not answered can be answered"));
        };
        if offered.reliable.holds_2xx() || !offered.later.is_empty() {
            // RFC 3262 §3: no 2xx while a reliable response with a description is not acknowledged.
            return self.send_later(key, Later::Answer { sdp: sdp.cloned().map(Box::new) });
        }
        if call.open.theirs.is_some() {
            // RFC 6337 §3.2: their UPDATE is answered before the INVITE.
            self.answer_by_ourselves(key, now);
        }
        let Some(call) = self.calls.get_mut(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Offered(offered) = &mut call.phase else { return Err(CommandError::WrongState("the call is over")) };
        let agreed = offered.session.answer(wanted);
        let said = agreed.header();
        // What an 18x showed is repeated unchanged (RFC 3261 §13.3.1.1). Without any description the 200 goes out bare:
        // scripts of the predecessor answer so, and the caller's end decides what it makes of it.
        let complete = offered.dialog.negotiation.is_agreed();
        let sdp = match (complete, offered.dialog.negotiation.answer_was_shown()) {
            // What a reliable 18x and its PRACK agreed stands.
            (true, _) => Described::default(),
            (false, true) => call.us.clone(),
            (false, false) => Described::from(sdp),
        };
        let mut headers: Vec<(&str, &dyn Display)> = vec![
            (HeaderName::Allow.as_str(), screen::allow(self.directory.takes_messages(&call.view.domain))),
            (HeaderName::Supported.as_str(), &screen::SUPPORTED),
        ];
        if let Some(value) = &said {
            headers.push((HeaderName::SessionExpires.as_str(), value));
            headers.extend(agreed.is_required().then_some((HeaderName::Require.as_str(), &"timer" as &dyn Display)));
        }
        let written = offered.pending.write_in(&offered.dialog, StatusCode::OK, &self.config.agent, &headers, sdp.text());
        let bytes = written.map_err(|_| CommandError::Bad("the response cannot be written".into()))?;
        if !self.layer.respond(offered.pending.transaction, StatusCode::OK, bytes, now) {
            return Err(CommandError::WrongState("the call is over"));
        }
        let mut dialog = offered.dialog.clone();
        match dialog.negotiation.must_2xx_carry() {
            Must::Answer => dialog.negotiation.answer_sent(true),
            Must::Offer if sdp.text().is_some() && !complete => {
                let _sent = dialog.negotiation.offer_sent();
            }
            Must::Offer | Must::Nothing => {}
        }
        dialog.answered(StatusCode::OK, &self.config.timing, now);
        let reliable = offered.reliable;
        let mut talking = Talking::new(dialog);
        talking.session = Some(SessionTimer::new(agreed, Side::Uas, now));
        talking.reliable = reliable.is_waiting().then_some(reliable);
        talking.accepted = Some(offered.pending.transaction);
        if sdp.text().is_some() {
            call.us = sdp;
        }
        call.phase = Phase::Talking(Box::new(talking));
        call.ends_at = ends_at;
        self.note_answered(key, now);
        self.take_over(key, now);
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

/// RFC 3261 §13.3.1.1: a provisional response every minute keeps the proxies of a caller from giving up after three.
pub(super) const REMIND_EVERY: Duration = Duration::from_secs(60);

/// Whom they called: user of the Request-URI, else of To.
fn called_user(request: &Request<'_>) -> String {
    let user = event::user_of(request.uri());
    if user.is_empty() { event::user_of(&request.to().uri) } else { user }
}
