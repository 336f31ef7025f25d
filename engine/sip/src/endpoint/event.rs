//! What control hears of a call: full snapshots, numbered, in order.
//!
//! ```text
//!   something happened ─► view changed ─► tell(kind) ─► seq + 1 ─► Event::Dialog(copy)        finish ─► hangup, once, last
//! ```
//! Shape:  the call keeps its snapshot; an event is a copy of it. `refer`, `transfer` and `digits` are in one event only.
//! Units:  epochs in milliseconds since 1970.
//! Errors: none. After `hangup` nothing is told of a call any more.
//! Not here: delivery, retries and what happens when control is gone (`control-http`, `handle_control_failed`).

use std::time::Instant;

use super::calls::CallKey;
use super::watch::call_note;
use super::{Endpoint, Output};
use crate::api::{Event, EventKind, Snapshot};
use crate::message::{HeaderName, Headers, Request, Response, Uri};
use crate::sdp::Sdp;

/// Headers shown to control besides `X-*`.
const SHOWN: [HeaderName; 3] = [HeaderName::Diversion, HeaderName::AlertInfo, HeaderName::UserToUser];
/// Headers shown at most: 32 × 256 bytes = 8 KiB a call.
const SHOWN_MAX: usize = 32;
/// Longest value that is shown whole.
const SHOWN_LEN_MAX: usize = 256;

impl Endpoint {
    /// Sends the snapshot of a call to its control server.
    pub(super) fn tell(&mut self, key: CallKey, kind: EventKind) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if call.told_end {
            return;
        }
        call.told_end = kind == EventKind::Hangup;
        call.view.seq += 1;
        call.view.event = kind;
        let tags = call.dialog().map(|dialog| (dialog.remote_tag().map(Box::from), Box::from(dialog.local_tag())));
        let event = call.control.clone().map(|control| Event::Dialog { control, snapshot: Box::new(call.snapshot()) });
        call.view.refer = None;
        call.view.transfer = None;
        call.view.digits = None;
        let note = call_note(&self.directory, &call.view, tags, kind);
        self.outputs.extend(event.map(Output::Event));
        if let Some((resource, note)) = note {
            self.tell_watchers(&resource, note);
        }
    }

    /// Marks a call as over and says so, once. The wire may still have to be told: that is the caller's.
    pub(super) fn finish(&mut self, key: CallKey, error: Option<(u16, String)>, now: Instant) {
        let end = self.clock.epoch_ms(now);
        let Some(call) = self.calls.get_mut(key) else { return };
        if call.told_end {
            return;
        }
        call.view.hangup = true;
        call.view.epochs.end = end;
        if let Some(error) = error {
            call.view.error = error;
        }
        self.tell(key, EventKind::Hangup);
    }

    /// Notes that the far end rings.
    pub(super) fn note_ringing(&mut self, key: CallKey, now: Instant) {
        let at = self.clock.epoch_ms(now);
        let Some(call) = self.calls.get_mut(key) else { return };
        call.view.ring = true;
        if call.view.epochs.ring == 0 {
            call.view.epochs.ring = at;
        }
    }

    /// Notes the answer.
    pub(super) fn note_answered(&mut self, key: CallKey, now: Instant) {
        let at = self.clock.epoch_ms(now);
        let Some(call) = self.calls.get_mut(key) else { return };
        if !call.view.answered {
            call.view.answered = true;
            call.view.epochs.answer = at;
            self.stats.answered += 1;
        }
    }
}

/// Takes over what every message of the far end tells of it.
pub(super) fn note_request(view: &mut Snapshot, request: &Request<'_>) {
    note_peer(view, request.headers(), HeaderName::UserAgent);
}

/// As [`note_request`].
pub(super) fn note_response(view: &mut Snapshot, response: &Response<'_>) {
    note_peer(view, response.headers(), HeaderName::Server);
}

fn note_peer(view: &mut Snapshot, headers: &Headers<'_>, agent: HeaderName) {
    // Phones write User-Agent into responses as well.
    if let Some(agent) = headers.header(agent).or_else(|| headers.header(HeaderName::UserAgent)) {
        view.agent = Some(cut(agent));
    }
    if let Ok(Some(contact)) = headers.contact() {
        view.contact = Some(format!("<{}>", contact.uri));
    }
}

/// The headers that control is shown: `X-*`, Diversion, Alert-Info, User-to-User.
pub(super) fn shown_headers(headers: &Headers<'_>) -> Vec<(String, String)> {
    let wanted =
        |name: HeaderName, written: &str| SHOWN.contains(&name) || written.get(..2).is_some_and(|head| head.eq_ignore_ascii_case("x-"));
    let kept = headers.iter().filter(|header| wanted(header.name, header.written));
    kept.take(SHOWN_MAX).map(|header| (header.long_name().to_owned(), cut(&header.text()))).collect()
}

/// User part of a URI, or the number of a tel URI; empty if there is none.
pub(super) fn user_of(uri: &Uri<'_>) -> String {
    uri.user().map(std::borrow::Cow::into_owned).unwrap_or_default()
}

/// A session description of theirs, if there is one that can be read. `Err`: there is one that cannot.
pub(super) fn session(body: &[u8]) -> Result<Option<Sdp>, ()> {
    if body.is_empty() { Ok(None) } else { Sdp::from_bytes(body).map(Some).map_err(|_| ()) }
}

pub(super) fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(SHOWN_LEN_MAX)).unwrap_or_default().to_owned()
}
