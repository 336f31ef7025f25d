//! The session timer of a call: what we ask for, what was agreed, and the refresh.
//!
//! ```text
//!   INVITE of ours ─► Session-Expires ─► 2xx: who refreshes      422 ─► again with its Min-SE
//!   half of the interval ─► UPDATE, or re-INVITE where they do not take it      no refresh of either side ─► BYE, `hangup` with 408
//! ```
//! Shape:  a far end that knows no timers is asked all the same (RFC 4028 §7.2 lets us): one that has gone does not answer.
//! Units:  seconds on the wire.
//! Errors: none.
//! Source: RFC 4028 §7.1 to §7.4, §10.

use std::time::Instant;

use super::Endpoint;
use super::call::{Call, Described, Phase};
use super::calls::CallKey;
use crate::dialog::{Agreed, MIN_SE_S, SessionDue, SessionTimer, Side, expires_value};
use crate::message::{HeaderName, Headers, Response, StatusCode};

/// A day.
const SESSION_S_MAX: u32 = 86_400;
/// How often one call asks for a longer interval: proxies on the way may each want another.
const LONGER_MAX: u8 = 3;

impl Endpoint {
    /// What we ask for, seconds.
    pub(super) fn session_s(&self) -> u32 {
        let seconds = u32::try_from(self.config.session_expires.as_secs()).unwrap_or(SESSION_S_MAX);
        seconds.clamp(MIN_SE_S, SESSION_S_MAX)
    }

    /// Session-Expires of a re-INVITE or UPDATE of ours: who refreshed goes on doing so (RFC 4028 §7.4).
    pub(super) fn session_header(&self, key: CallKey) -> Option<String> {
        let Phase::Talking(talking) = &self.calls.get(key)?.phase else { return None };
        let session = talking.session.as_ref().filter(|session| session.is_mutual())?;
        let interval = u32::try_from(session.interval_s()).unwrap_or(SESSION_S_MAX);
        Some(expires_value(interval, if session.is_ours() { Side::Uac } else { Side::Uas }))
    }

    /// A 2xx to a request of ours that makes or refreshes the session.
    pub(super) fn heard_session(&mut self, key: CallKey, headers: &Headers<'_>, now: Instant) {
        let wanted = self.session_s();
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        let before = talking.session.map(|session| u32::try_from(session.interval_s()).unwrap_or(SESSION_S_MAX));
        talking.session = Some(SessionTimer::new(Agreed::heard(headers, before.unwrap_or(wanted)), Side::Uac, now));
    }

    /// What the time asks of the session of an answered call.
    pub(super) fn session_due(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let busy = call.open.theirs.is_some() || call.open.ours.is_some() || call.open.retry.is_some();
        let update = call.peer.update == Some(true) || call.us.text().is_none();
        let us = call.us.clone();
        let Phase::Talking(talking) = &mut call.phase else { return };
        let Some(session) = &mut talking.session else { return };
        match session.handle_timeout(now) {
            SessionDue::Quiet => {}
            SessionDue::Expired => {
                self.end(key, Some((StatusCode::REQUEST_TIMEOUT, "Session Timer Expired".to_owned())), &[], now);
            }
            // The offer that is under way refreshes it.
            SessionDue::Refresh if busy => session.failed(false, now),
            SessionDue::Refresh => {
                let sdp = if update { Described::default() } else { us };
                if self.offer(key, !update, sdp, true, 0, now).is_err()
                    && let Some(session) = self.calls.get_mut(key).and_then(Call::talking_mut).and_then(|talking| talking.session.as_mut())
                {
                    session.failed(false, now);
                }
            }
        }
    }

    /// Our refresh was refused, but not for want of a dialog.
    pub(super) fn refresh_refused(&mut self, key: CallKey, response: &Response<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let status = response.status();
        if matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            call.peer.update = Some(false);
        }
        let Some(session) = call.talking_mut().and_then(|talking| talking.session.as_mut()) else { return };
        match least(response).filter(|_| status == StatusCode::SESSION_INTERVAL_TOO_SMALL) {
            Some(interval_s) => {
                let agreed = Agreed { interval_s, refresher: Side::Uac, mutual: true };
                *session = SessionTimer::new(agreed, Side::Uac, now);
                session.failed(false, now);
            }
            None => session.failed(true, now),
        }
    }

    /// A 422 to our INVITE: true if a longer interval can be asked for.
    pub(super) fn ask_longer(&mut self, key: CallKey, response: &Response<'_>) -> bool {
        let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return false };
        let Some(least) = least(response).filter(|least| *least > outgoing.session.0) else { return false };
        if outgoing.longer >= LONGER_MAX {
            return false;
        }
        outgoing.longer += 1;
        outgoing.session = (least, Some(least));
        true
    }
}

/// Min-SE of a 422, if anybody can live with it.
fn least(response: &Response<'_>) -> Option<u32> {
    response.headers().number(HeaderName::MinSe).ok().flatten().filter(|least| (MIN_SE_S..=SESSION_S_MAX).contains(least))
}
