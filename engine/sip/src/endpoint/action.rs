//! `PUT /dialog/{action}`: what control does to a call.
//!
//! ```text
//!   callid ─► call ─► action in its phase ─► done (200) │ wrong state (409) │ impossible (422) │ not known (404)
//! ```
//! Shape:  each action is one line here; the rules are where the protocol part is.
//! Errors: [`CommandError`].
//! Source: docs/openapi.yaml.

use std::time::Instant;

use super::call::{Described, Phase};
use super::calls::CallKey;
use super::extra::ExtraHeaders;
use super::{Endpoint, Purpose, extra, reason};
use crate::api::{Action, CommandError, Reply};
use crate::message::{Method, StatusCode};

/// Longest body of an INFO: what still fits a datagram with the headers around it.
const INFO_LEN_MAX: usize = 8192;

impl Endpoint {
    /// Acts on a call.
    pub(super) fn act(&mut self, callid: &str, action: Action, now: Instant) -> Result<Reply, CommandError> {
        let key = self.calls.find(callid).ok_or_else(|| CommandError::NotFound(callid.to_owned()))?;
        self.act_on(key, action, now)?;
        self.calls.settle(key);
        Ok(Reply::Done)
    }

    fn act_on(&mut self, key: CallKey, action: Action, now: Instant) -> Result<(), CommandError> {
        match action {
            Action::Ring { alertinfo, sdp } => self.provisional(key, StatusCode::RINGING, alertinfo.as_deref(), sdp.as_ref(), now),
            Action::Progress { sdp } => self.provisional(key, StatusCode::SESSION_PROGRESS, None, Some(&sdp), now),
            Action::Answer { sdp } => self.answer(key, sdp.as_ref(), now),
            Action::Ok { sdp } => self.accept_offer(key, sdp, now),
            Action::Ack { sdp } => {
                if self.calls.get(key).is_some_and(|call| matches!(call.phase, Phase::Calling(_))) {
                    return self.answer_in_prack(key, &sdp, now);
                }
                let Some(talking) = self.calls.get_mut(key).and_then(super::call::Call::talking_mut) else {
                    return Err(CommandError::WrongState("no offer of a 200 waits for an answer"));
                };
                let owed = talking.dialog.invite.ack_owed();
                let number = owed.ok_or(CommandError::WrongState("no offer of a 200 waits for an answer"))?;
                talking.owed = None;
                self.acknowledge(key, number, Some(&sdp));
                if let Some(call) = self.calls.get_mut(key) {
                    call.us = Described::from(&sdp);
                }
                Ok(())
            }
            Action::Invite { sdp } => self.offer(key, true, Described::from(sdp.as_ref()), false, 0, now),
            Action::Update { sdp } => self.offer(key, false, Described::from(sdp.as_ref()), false, 0, now),
            Action::Refer { to, replaces } => self.refer(key, &to, replaces.as_deref(), now),
            Action::Notify { status } => self.notify_progress(key, status, now),
            Action::Info { contenttype, body } => self.info(key, &contenttype, &body, now),
            Action::Redirect { contacts } => self.redirect(key, &contacts, now),
            Action::Hangup { reason, code, headers } => self.hangup(key, reason.as_deref(), code, headers, now),
        }
    }

    fn info(&mut self, key: CallKey, contenttype: &str, body: &str, now: Instant) -> Result<(), CommandError> {
        if !extra::is_line(contenttype) || !contenttype.contains('/') {
            return Err(CommandError::Bad("contenttype is not a media type".into()));
        }
        if body.len() > INFO_LEN_MAX {
            return Err(CommandError::Bad(format!("body is longer than {INFO_LEN_MAX} bytes")));
        }
        if !self.calls.get(key).is_some_and(|call| matches!(call.phase, Phase::Talking(_))) {
            return Err(CommandError::WrongState("the call is not answered"));
        }
        let sent = self.request_within(key, Method::Info, &[], Some((contenttype, body)), Purpose::Other, now);
        sent.map(drop).ok_or(CommandError::Full { what: "transactions", max: self.config.limits.transactions })
    }

    fn hangup(
        &mut self,
        key: CallKey,
        reason: Option<&str>,
        code: Option<u16>,
        headers: Vec<(String, String)>,
        now: Instant,
    ) -> Result<(), CommandError> {
        let headers = ExtraHeaders::new(headers)?;
        let (status, phrase) = reason::final_response(code, reason)?;
        let given = code.is_some() || reason.is_some();
        let headers = headers.shown();
        let offered = self.calls.get(key).is_some_and(|call| matches!(call.phase, Phase::Offered(_)));
        self.end(key, (given || offered).then_some((status, phrase)), &headers, now);
        Ok(())
    }
}
