//! Calls of ours: the INVITE, its answers, challenges on the way.
//!
//! ```text
//!   Calling ──1xx─► `ringing`, `progress`      ──2xx─► ACK, Talking, `answered`     (late offer: ACK waits for control)
//!           ──401, 407─► again with credentials     ──503, silence─► next address     ──3xx–6xx─► `hangup`
//! ```
//! Shape:  what is needed to send the INVITE again is kept until it is answered.
//! Units:  `Instant`.
//! Errors: none to the far end; control hears the status in the snapshot.
//! Source: RFC 3261 §13.2.2, §22.2; RFC 3263 §4.3 (next address); RFC 3264; RFC 6026 §8.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::call::{Auths, Described, Ending, OwedAck, Phase, Talking};
use super::calls::CallKey;
use super::reply::SDP_TYPE;
use super::{Endpoint, Owner, Purpose, event, screen};
use crate::api::EventKind;
use crate::auth::{AnswerError, ClientAuth, Identity};
use crate::dialog::{Answer, Heard, Hop, Invitation};
use crate::flow::Flow;
use crate::message::{HeaderName, Method, Response, StatusCode};
use crate::transaction::TransactionId;

/// How long control may take to answer the offer of a 200. The far end repeats it for 32 s (RFC 3261 §13.3.1.4).
pub(super) const ACK_WITHIN: Duration = Duration::from_secs(20);

/// An INVITE of ours that is not answered.
pub(super) struct Outgoing {
    /// Its identity, and the dialogs that it makes.
    pub invitation: Invitation,
    /// Its transaction, once it is sent.
    pub transaction: Option<TransactionId>,
    /// Our offer; `None` is a late offer.
    pub sdp: Described,
    /// Headers of the INVITE beside those of every request, in order.
    pub headers: Vec<(String, String)>,
    /// Password for challenges.
    pub identity: Option<Identity>,
    /// Challenges so far.
    pub auths: Auths,
    /// Authorization headers of the last INVITE: the ACK repeats them (RFC 3261 §13.2.2.4).
    pub proofs: Vec<(&'static str, String)>,
    /// Further addresses of the far end.
    pub others: Vec<SocketAddr>,
}

impl Auths {
    /// Authorization headers for one request.
    pub fn prove(&mut self, method: Method<'_>, uri: &str, rng: &mut impl rand_core::Rng) -> Vec<(&'static str, String)> {
        let known = [self.server.as_deref_mut(), self.proxy.as_deref_mut()].into_iter().flatten();
        known.map(|auth| (auth.header(), auth.answer(method.as_str(), uri, rng))).collect()
    }

    /// Takes the challenges of a 401 or 407.
    fn challenged(&mut self, identity: &Identity, response: &Response<'_>) -> Result<(), AnswerError> {
        let proxy = response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let name = if proxy { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let values = response.headers().headers(name);
        let place = if proxy { &mut self.proxy } else { &mut self.server };
        match place {
            Some(auth) => auth.challenged_again(proxy, values),
            None => {
                *place = Some(Box::new(ClientAuth::new(identity.clone(), proxy, values)?));
                Ok(())
            }
        }
    }
}

impl Endpoint {
    /// Sends the INVITE of a call in `Calling`, the first time or again. False: it could not be sent.
    pub(super) fn send_invite(&mut self, key: CallKey, now: Instant) -> bool {
        let branch = self.layer.branch();
        let Some(call) = self.calls.get_mut(key) else { return false };
        let Phase::Calling(outgoing) = &mut call.phase else { return false };
        let Some(listener) = self.config.listeners.get(usize::from(call.flow.listener.0)) else { return false };
        let hop = Hop { transport: call.flow.transport, sent_by: listener.advertised, branch: &branch };
        outgoing.proofs = outgoing.auths.prove(Method::Invite, outgoing.invitation.target(), &mut self.rng);
        let mut out = Vec::with_capacity(2048);
        let mut writer = outgoing.invitation.request(&mut out, &hop);
        for (name, value) in &outgoing.proofs {
            writer = writer.extension(name, value);
        }
        writer = writer.header(HeaderName::Allow, screen::ALLOW).header(HeaderName::UserAgent, &self.config.agent);
        for (name, value) in &outgoing.headers {
            writer = writer.extension(name, value);
        }
        let written = match outgoing.sdp.text() {
            Some(sdp) => writer.body(SDP_TYPE, sdp.as_bytes()),
            None => writer.end(),
        };
        if written.is_err() {
            self.stats.unwritable += 1;
            return false;
        }
        if outgoing.sdp.text().is_some() {
            outgoing.invitation.offered();
        }
        match self.layer.request(Method::Invite, &branch, out, call.flow, Owner::Call(key, Purpose::OurInvite), now) {
            Ok(transaction) => {
                outgoing.transaction = Some(transaction);
                true
            }
            Err(_) => {
                self.stats.shed += 1;
                false
            }
        }
    }

    /// A response to the INVITE that made, or is to make, this call.
    pub(super) fn invite_response(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        match &mut call.phase {
            Phase::Calling(_) => {
                event::note_response(&mut call.view, response);
                match response.status().class() {
                    1 => self.provisional_heard(key, response, now),
                    2 => self.answered_by(key, response, now),
                    _ => self.invite_failed(key, response, now),
                }
            }
            Phase::Talking(talking) | Phase::Ending(Ending::Bye(talking)) if response.status().is_success() => {
                let Some(invitation) = &mut talking.invitation else { return };
                let heard = invitation.handle_response(response);
                match heard {
                    Ok(Heard::Surplus(dialog)) => self.end_fork(key, *dialog, response.cseq().number, now),
                    // RFC 3261 §13.2.2.4: the ACK goes again with each 2xx.
                    Ok(Heard::Repeated(_)) => {
                        let again = talking.dialog.invite.ack_again(response.cseq().number).map(<[u8]>::to_vec);
                        let flow = self.calls.get(key).and_then(|call| Some(self.flow_of(call, call.dialog()?)));
                        if let (Some(bytes), Some(flow)) = (again, flow) {
                            self.transmit(flow, Some(bytes));
                        }
                    }
                    Ok(Heard::NoDialog | Heard::Early(_) | Heard::Answered(_)) | Err(_) => {}
                }
            }
            Phase::Ending(Ending::Cancelling(_)) if response.status().is_success() => self.answered_too_late(key, response, now),
            Phase::Ending(Ending::Cancelling(_)) if response.status().is_final() => self.forget(key, now),
            Phase::Talking(_) | Phase::Offered(_) | Phase::Resolving(..) | Phase::Ending(_) => {}
        }
    }

    /// Our INVITE got no answer at all: silence, or the transport failed.
    pub(super) fn invite_lost(&mut self, key: CallKey, status: StatusCode, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        match &mut call.phase {
            Phase::Calling(_) => {
                if !self.try_next(key, now) {
                    self.finish(key, Some((status.code(), status.phrase().to_owned())), now);
                    self.forget(key, now);
                }
            }
            Phase::Ending(Ending::Cancelling(_)) => {
                self.forget(key, now);
            }
            Phase::Offered(_) | Phase::Resolving(..) | Phase::Talking(_) | Phase::Ending(_) => {}
        }
    }

    fn provisional_heard(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        let status = response.status();
        if status == StatusCode::TRYING {
            return;
        }
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        if let (Ok(Some(sdp)), Ok(Heard::Early(dialog))) = (event::session(response.body()), outgoing.invitation.handle_response(response))
            && dialog.negotiation.description_received(false) != Answer::NotAnAnswer
        {
            call.them = Described::from(&sdp);
        }
        if status == StatusCode::RINGING {
            self.note_ringing(key, now);
            self.tell(key, EventKind::Ringing);
        } else {
            self.tell(key, EventKind::Progress);
        }
    }

    fn answered_by(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        let ends_at = now + self.config.call_duration_max;
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        let number = response.cseq().number;
        let Ok(Heard::Answered(dialog)) = outgoing.invitation.handle_response(response) else {
            // A 2xx that makes no dialog cannot be acknowledged: the far end gives up by itself after 32 s.
            let status = StatusCode::BAD_GATEWAY;
            self.finish(key, Some((status.code(), status.phrase().to_owned())), now);
            self.forget(key, now);
            return;
        };
        let mut dialog = dialog.clone();
        let session = event::session(response.body());
        // With our offer out, their description is its answer; without one, it is theirs to offer.
        let (usable, late) = match (&session, outgoing.sdp.text().is_some()) {
            (Ok(Some(_)), true) => {
                // Departs from RFC 3261 §13.2.1, which has it ignored after an 18x showed one: gateways change their mind
                // between early media and answer, and what they say last is where they listen.
                let _new = dialog.negotiation.description_received(true);
                call.them = Described::from(session.ok().flatten().as_ref());
                (true, false)
            }
            (Ok(None), true) => (dialog.negotiation.answer_missing(), false),
            (Ok(Some(_)), false) => {
                call.them = Described::from(session.ok().flatten().as_ref());
                (dialog.negotiation.offer_received().is_ok(), true)
            }
            // No description on either side: a call without media, which is the script's to judge.
            (Ok(None), false) => (true, false),
            (Err(()), _) => (false, false),
        };
        call.view.authenticated = true;
        let Phase::Calling(outgoing) = std::mem::replace(&mut call.phase, Phase::Talking(Box::new(Talking::new(dialog)))) else { return };
        let Outgoing { invitation, auths, proofs, .. } = *outgoing;
        call.ends_at = ends_at;
        if let Some(talking) = call.talking_mut() {
            talking.invitation = Some(Box::new(invitation));
            talking.auths = auths;
            talking.proofs = proofs;
            talking.owed = (usable && late).then(|| OwedAck { by: now + ACK_WITHIN, first: true });
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

    /// A 2xx crossed our CANCEL: there is a call now, and it has to end as one (RFC 3261 §9.1).
    fn answered_too_late(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Ending(Ending::Cancelling(outgoing)) = &mut call.phase else { return };
        let Ok(Heard::Answered(dialog)) = outgoing.invitation.handle_response(response) else {
            self.forget(key, now);
            return;
        };
        let mut talking = Talking::new(dialog.clone());
        if let Phase::Ending(Ending::Cancelling(outgoing)) = std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone)) {
            let Outgoing { invitation, auths, proofs, .. } = *outgoing;
            (talking.invitation, talking.auths, talking.proofs) = (Some(Box::new(invitation)), auths, proofs);
        }
        call.phase = Phase::Talking(Box::new(talking));
        self.acknowledge(key, response.cseq().number, None);
        self.send_bye(key, &[], now);
    }

    fn invite_failed(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        let status = response.status();
        let Some(call) = self.calls.get_mut(key) else { return };
        let Phase::Calling(outgoing) = &mut call.phase else { return };
        let _over = outgoing.invitation.handle_response(response);
        let challenged = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let answerable =
            challenged && outgoing.identity.as_ref().is_some_and(|identity| outgoing.auths.challenged(identity, response).is_ok());
        if answerable && self.send_invite(key, now) {
            return;
        }
        // RFC 3263 §4.3: only a 503 sends us to the next address.
        if status == StatusCode::SERVICE_UNAVAILABLE && self.try_next(key, now) {
            return;
        }
        let phrase = if response.reason().is_empty() { status.phrase() } else { response.reason() };
        self.finish(key, Some((status.code(), phrase.to_owned())), now);
        self.forget(key, now);
    }

    /// Sends the INVITE to the next address of the far end, if there is one.
    fn try_next(&mut self, key: CallKey, now: Instant) -> bool {
        while let Some(call) = self.calls.get_mut(key)
            && let Phase::Calling(outgoing) = &mut call.phase
            && !outgoing.others.is_empty()
        {
            let peer = outgoing.others.remove(0);
            let Some(flow) = self.flow_to(peer) else { continue };
            self.aim(key, flow);
            return self.send_invite(key, now);
        }
        false
    }

    /// Points a call of ours at an address: the hop, and the Contact of the listener that reaches it.
    pub(super) fn aim(&mut self, key: CallKey, flow: Flow) {
        let user = self.calls.get(key).and_then(|call| call.view.from.clone()).unwrap_or_default();
        let contact = self.contact(flow, &user);
        let Some(call) = self.calls.get_mut(key) else { return };
        call.flow = flow;
        call.view.remote = Some(flow.peer);
        call.view.transport = flow.transport.word();
        if let Phase::Calling(outgoing) = &mut call.phase {
            outgoing.invitation.set_contact(&contact);
        }
    }
}
