//! Requests inside a dialog, theirs and ours.
//!
//! ```text
//!   theirs:  tags match? 481 ─► CSeq in order? 500 ─► ACK, BYE, INVITE, UPDATE, INFO, REFER, NOTIFY, OPTIONS
//!   ours:    request_within ─► transaction ─► bye_response, offer_response, other_response
//! ```
//! Shape:  answered at once, but an offer of theirs, which waits for `ok` (`offers`).
//! Errors: to the far end a final response.
//! Source: RFC 3261 §12.2, §15.1.2; RFC 6086 (INFO), RFC 3515 (REFER: `transfer`).

use std::time::Instant;

use super::call::{Call, Described, Ending, Phase};
use super::calls::CallKey;
use super::reply::{Extra, Pending, with};
use super::source::Source;
use super::{Endpoint, Owner, Purpose, event, screen};
use crate::api::EventKind;
use crate::dialog::{Answer, Hop};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transaction::{NewRequest, TransactionId};

impl Endpoint {
    /// A new request with a To tag, and the call that it is part of.
    pub(super) fn within(&mut self, call: Option<CallKey>, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        let Some(key) = call else {
            return self.answer_stateless(request, source, StatusCode::CALL_DOES_NOT_EXIST, &[]);
        };
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else { return self.shed(request, source) };
        let Some(call) = self.calls.get_mut(key) else { return };
        let order = call.dialog_mut().map_or(Ok(()), |dialog| dialog.handle_request(request));
        if let Err(refusal) = order {
            return self.answer_later(request, source, transaction, refusal, now);
        }
        call.view.remote = Some(source.from);
        if call.follows_source {
            call.flow = source.flow;
        }
        event::note_request(&mut call.view, request);
        match request.method() {
            Method::Bye => self.bye_received(key, request, source, transaction, now),
            Method::Prack => self.prack_received(key, request, source, transaction, now),
            Method::Invite | Method::Update => self.offer_received(key, request, source, transaction, now),
            Method::Info => self.info_received(key, request, source, transaction, now),
            Method::Refer => self.refer_received(key, request, source, transaction, now),
            Method::Notify => self.notify_received(key, request, source, transaction, now),
            method => {
                let status = if method == Method::Options { StatusCode::OK } else { StatusCode::METHOD_NOT_ALLOWED };
                let capabilities = screen::capabilities(self.directory.takes_messages(&call.view.domain));
                self.answer_once(request, source, transaction, status, &capabilities, now);
            }
        }
    }

    /// An ACK for a dialog: that of a 2xx of ours.
    pub(super) fn ack_received(&mut self, request: &Request<'_>, source: &Source, now: Instant) {
        let Some(key) = self.dialog_of(request) else {
            self.stats.acks_lost += 1;
            return;
        };
        let Some(call) = self.calls.get_mut(key) else { return };
        call.view.remote = Some(source.from);
        if call.follows_source {
            call.flow = source.flow;
        }
        let first = call.view.epochs.answer != 0 && !call.acknowledged;
        let (Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking))) = &mut call.phase else { return };
        if !talking.dialog.invite.handle_ack(request.cseq().number) {
            return;
        }
        // The answer to a late offer of ours; anything else in an ACK is not asked for and ignored (RFC 3261 §13.2.1).
        let (mut answered, held) = (false, call.view.hold);
        if talking.dialog.negotiation.awaits_answer() {
            match event::session(request.body()) {
                Ok(Some(sdp)) => {
                    answered = talking.dialog.negotiation.description_received(true) == Answer::New;
                    call.them = Described::from(&sdp);
                    // What we did not offer to do they cannot refuse: only then is it a hold.
                    let offered_both_ways = !call.us.sdp().is_some_and(|us| us.is_hold());
                    call.view.hold = if offered_both_ways { sdp.is_hold() } else { held };
                }
                Ok(None) | Err(()) => {
                    let _stands = talking.dialog.negotiation.answer_missing();
                }
            }
        }
        if matches!(call.phase, Phase::Ending(_)) {
            return self.send_bye(key, &[], now);
        }
        call.acknowledged = true;
        // Not `hold` or `unhold`: those ask control for an `ok`, and here all is said.
        if first || answered {
            self.tell(key, EventKind::Answered);
        }
    }

    /// A CANCEL whose INVITE is here (RFC 3261 §9.2).
    pub(super) fn cancel_received(&mut self, request: &Request<'_>, source: &Source, invite: TransactionId, owner: Owner, now: Instant) {
        let call = match owner {
            Owner::Call(key, _) => self.calls.get(key).map(|call| (key, call)),
            Owner::Nobody | Owner::Watcher(_) | Owner::Trunk(..) => None,
        };
        // The tag of the 200 is that of the INVITE's answers (RFC 3261 §9.2).
        let tag = call.and_then(|(_, call)| call.dialog()).map(|dialog| dialog.local_tag().to_owned());
        let tag = tag.unwrap_or_else(|| self.stateless_tag(request));
        let (is_offered, is_offer) = call.map_or((false, false), |(_, call)| match &call.phase {
            Phase::Offered(offered) => (offered.pending.transaction == invite, false),
            Phase::Talking(_) => (false, call.open.theirs.as_ref().is_some_and(|theirs| theirs.pending.transaction == invite)),
            Phase::Resolving(..) | Phase::Calling(_) | Phase::Ending(_) => (false, false),
        });
        let key = call.map(|(key, _)| key);
        self.answer_tagged(request, source, StatusCode::OK, &tag);
        let Some(key) = key else { return };
        let status = StatusCode::REQUEST_TERMINATED;
        if is_offered {
            self.refuse(key, status, status.phrase(), &[], now);
        } else if is_offer {
            self.refuse_offer(key, status, now);
        }
    }

    fn bye_received(&mut self, key: CallKey, request: &Request<'_>, source: &Source, transaction: TransactionId, now: Instant) {
        self.answer_once(request, source, transaction, StatusCode::OK, &[], now);
        self.end_reports(key);
        let Some(call) = self.calls.get_mut(key) else { return };
        match &call.phase {
            // RFC 3261 §15.1.2: what is still open is answered 487.
            Phase::Offered(_) => {
                let status = StatusCode::REQUEST_TERMINATED;
                return self.refuse(key, status, status.phrase(), &[], now);
            }
            Phase::Talking(_) if call.open.theirs.is_some() => self.refuse_offer(key, StatusCode::REQUEST_TERMINATED, now),
            Phase::Talking(_) | Phase::Resolving(..) | Phase::Calling(_) | Phase::Ending(_) => {}
        }
        self.finish(key, None, now);
        self.forget(key, now);
    }

    fn info_received(&mut self, key: CallKey, request: &Request<'_>, source: &Source, transaction: TransactionId, now: Instant) {
        let digits = match request.headers().content_type() {
            Ok(Some(kind)) if kind.is("application", "dtmf-relay") => relayed_digit(request.body()),
            Ok(Some(kind)) if kind.is("application", "dtmf") => plain_digits(request.body()),
            // RFC 6086 §4.2.2: an INFO without a body asks nothing and is answered 200.
            _ if request.body().is_empty() => return self.answer_once(request, source, transaction, StatusCode::OK, &[], now),
            _ => None,
        };
        let Some(digits) = digits else {
            let accept: (&str, &dyn std::fmt::Display) = (HeaderName::Accept.as_str(), &"application/dtmf-relay, application/dtmf");
            return self.answer_once(request, source, transaction, StatusCode::UNSUPPORTED_MEDIA_TYPE, &[accept], now);
        };
        self.answer_once(request, source, transaction, StatusCode::OK, &[], now);
        if let Some(call) = self.calls.get_mut(key) {
            call.view.digits = Some(digits);
        }
        self.tell(key, EventKind::Dtmf);
    }

    /// Sends a request inside the dialog of a call. `None`: there is no dialog for it, no room, or it cannot be written.
    pub(super) fn request_within(
        &mut self,
        key: CallKey,
        method: Method<'_>,
        headers: Extra<'_>,
        body: Option<(&str, &str)>,
        purpose: Purpose,
        now: Instant,
    ) -> Option<TransactionId> {
        let branch = self.layer.branch();
        let call = self.calls.get(key)?;
        let flow = self.flow_of(call, call.dialog()?);
        let sent_by = self.advertised(flow)?;
        let call = self.calls.get_mut(key)?;
        let mut out = Vec::with_capacity(1024);
        let hop = Hop { transport: flow.transport, sent_by, branch: &branch };
        let (dialog, proofs) = match &mut call.phase {
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) => {
                let proofs = talking.auths.prove(method, talking.dialog.target(), body.map(|(_, body)| body), &mut self.rng);
                (&mut talking.dialog, proofs)
            }
            Phase::Offered(offered) => (&mut offered.dialog, Vec::new()),
            Phase::Calling(outgoing) => {
                let (dialog, auths) = outgoing.early_mut()?;
                let proofs = auths.prove(method, dialog.target(), body.map(|(_, body)| body), &mut self.rng);
                (dialog, proofs)
            }
            Phase::Resolving(..) | Phase::Ending(_) => return None,
        };
        let mut writer = dialog.request(&mut out, method, &hop);
        for (name, value) in &proofs {
            writer = writer.extension(name, value);
        }
        let writer = with(writer.header(HeaderName::UserAgent, &self.config.agent), headers);
        let written = match body {
            Some((kind, body)) => writer.body(kind, body.as_bytes()),
            None => writer.end(),
        };
        if written.is_err() {
            self.stats.unwritable += 1;
            return None;
        }
        if method == Method::Invite
            && let Phase::Talking(talking) = &mut call.phase
        {
            talking.proofs = proofs;
        }
        let owner = Owner::Call(key, purpose);
        let call = self.calls.get(key).filter(|call| !call.follows_source);
        match call.and_then(Call::dialog).and_then(|dialog| self.grown(dialog, flow, &out, &hop, now)) {
            Some((over, bytes)) => {
                let id = self.layer.request(method, &branch, bytes, over, owner, now).ok()?;
                self.layer.otherwise(id, flow, out);
                Some(id)
            }
            None => self.layer.request(method, &branch, out, flow, owner, now).ok(),
        }
    }

    /// A final response to a request of ours that is neither INVITE nor BYE.
    pub(super) fn other_response(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        if !response.status().is_final() {
            return;
        }
        let Some(dialog) = self.calls.get_mut(key).and_then(Call::dialog_mut) else { return };
        // RFC 3261 §12.2.1.2: the far end does not know the dialog, or does not answer any more.
        if dialog.handle_final(response) {
            self.lost_within(key, response.status(), now);
        }
    }

    /// The dialog is gone at the far end.
    pub(super) fn lost_within(&mut self, key: CallKey, status: StatusCode, now: Instant) {
        self.finish(key, Some((status.code(), status.phrase().to_owned())), now);
        self.refuse_offer(key, StatusCode::CALL_DOES_NOT_EXIST, now);
        if status == StatusCode::REQUEST_TIMEOUT { self.send_bye(key, &[], now) } else { self.forget(key, now) }
    }

    /// The BYE was answered; a challenge is answered once more.
    pub(super) fn bye_answered(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        if let Some(Phase::Ending(Ending::Bye(talking))) = self.calls.get_mut(key).map(|call| &mut call.phase)
            && response.status().class() == 4
            && !std::mem::replace(&mut talking.bye_again, true)
            && talking.auths.challenged_within(response)
            && self.request_within(key, Method::Bye, &[], None, Purpose::Bye, now).is_some()
        {
            return;
        }
        self.bye_done(key, now);
    }

    /// The BYE was answered, or never will be.
    pub(super) fn bye_done(&mut self, key: CallKey, now: Instant) {
        if self.calls.get(key).is_some_and(|call| matches!(call.phase, Phase::Ending(Ending::Bye(_)))) {
            self.forget(key, now);
        }
    }

    /// The call whose dialog a request belongs to.
    pub(super) fn dialog_of(&mut self, request: &Request<'_>) -> Option<CallKey> {
        let key = self.calls.find(request.call_id())?;
        match &mut self.calls.get_mut(key)?.phase {
            Phase::Calling(outgoing) => outgoing.turn_to(request).then_some(key),
            Phase::Offered(_) | Phase::Resolving(..) | Phase::Talking(_) | Phase::Ending(_) => {
                self.calls.get(key)?.dialog()?.owns_request(request).then_some(key)
            }
        }
    }

    /// Keeps a request of theirs for an answer later.
    pub(super) fn keep(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        purpose: Purpose,
    ) -> Option<Pending> {
        let tag = self.calls.get(key)?.dialog()?.local_tag().to_owned();
        let pending = Pending::new(request, source, transaction, &tag).ok()?;
        self.layer.set_user(transaction, Owner::Call(key, purpose));
        Some(pending)
    }
}

/// `Signal=5` of application/dtmf-relay.
fn relayed_digit(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
    })?;
    digits(signal)
}

/// Bare digits of application/dtmf.
fn plain_digits(body: &[u8]) -> Option<String> {
    digits(std::str::from_utf8(body).ok()?.trim())
}

fn digits(text: &str) -> Option<String> {
    // Some phones send 10 and 11 for star and hash.
    let text = match text {
        "10" => "*",
        "11" => "#",
        other => other,
    };
    let known = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D' | 'a'..='d');
    (!text.is_empty() && text.len() <= 32 && text.chars().all(known)).then(|| text.to_ascii_uppercase())
}
