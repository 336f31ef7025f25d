//! REFER both ways: they transfer us, we transfer them.
//!
//! ```text
//!   theirs ─► 202, NOTIFY 100, event `refer` ─► notify {status} ─► NOTIFY with sipfrag, the last one final, or 180 s
//!   ours   ─► REFER with Refer-To ─► their NOTIFYs, answered 200 ─► event `refer` with `transfer`, the last one `over`
//! ```
//! Shape:  one REFER of each side at a time; the subscription that it makes ends with the first final status, with its time,
//!         or with the call: no NOTIFY goes after a BYE, though RFC 5057 §4.2 would allow it, for phones answer it 481.
//! Errors: to the far end a final response, to control [`CommandError`].
//! Not here: what is done about a transfer, which the script decides (`control`); an INVITE with Replaces (`replaces`).
//! Source: RFC 3515 §2.4, RFC 3892 (Referred-By), RFC 3891 §3 (Replaces inside Refer-To), RFC 4488 (Refer-Sub),
//!         RFC 6665 §4.1.3 (Subscription-State), RFC 3420 (message/sipfrag).

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::call::{Call, Phase};
use super::calls::CallKey;
use super::source::Source;
use super::{Endpoint, Purpose, event};
use crate::api::{CommandError, EventKind, ReferView, TransferView};
use crate::message::{HeaderName, Method, Replaces, Request, Response, StatusCode, Uri, escape_header, escape_user};
use crate::transaction::TransactionId;

/// What we promise for the progress of a transfer: as long as a call may take to be set up.
const SUBSCRIPTION: Duration = Duration::from_secs(180);
/// NOTIFYs on the way at once: 100, 180, 183, 200.
const REPORTS_MAX: usize = 4;
/// Body of a NOTIFY about a REFER.
const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// A REFER of theirs that waits for its last NOTIFY.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referred {
    /// Its CSeq, which names the subscription (RFC 3515 §2.4.6).
    id: u32,
    /// The subscription ends then.
    pub until: Instant,
    /// They want no NOTIFY (RFC 4488).
    quiet: bool,
}

/// A REFER of ours, until its last NOTIFY.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    transaction: TransactionId,
    /// Nothing more is expected then.
    pub until: Instant,
}

impl Endpoint {
    pub(super) fn refer_received(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        now: Instant,
    ) {
        // RFC 3515 §2.4.1: exactly one Refer-To.
        let mut targets = request.headers().addresses(HeaderName::ReferTo);
        let refer = match (targets.next(), targets.next()) {
            (Some(Ok(to)), None) => Some(refer_view(&to.uri, request)),
            _ => None,
        };
        let Some((refer, named)) = refer.filter(|(refer, _)| !refer.to.is_empty()) else {
            return self.answer_once(request, source, transaction, StatusCode::BAD_REQUEST, &[], now);
        };
        let lost = named.is_some_and(|named| !self.may_replace(&named));
        let quiet = request.headers().header(HeaderName::ReferSub).is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else {
            return self.answer_once(request, source, transaction, StatusCode::CALL_DOES_NOT_EXIST, &[], now);
        };
        if talking.refer.is_some() {
            return self.answer_once(request, source, transaction, StatusCode::REQUEST_PENDING, &[], now);
        }
        let contact = talking.dialog.contact().to_owned();
        talking.refer = Some(Referred { id: request.cseq().number, until: now + SUBSCRIPTION, quiet });
        let mut headers: Vec<(&str, &dyn Display)> = vec![(HeaderName::Contact.as_str(), &contact)];
        headers.extend(quiet.then_some((HeaderName::ReferSub.as_str(), &"false" as &dyn Display)));
        self.answer_once(request, source, transaction, StatusCode::ACCEPTED, &headers, now);
        if lost {
            // The call that it names is none of ours, or was: nobody need be asked.
            return self.notify(key, StatusCode::CALL_DOES_NOT_EXIST, "noresource", now);
        }
        self.notify(key, StatusCode::TRYING, "", now);
        if let Some(call) = self.calls.get_mut(key) {
            call.view.refer = Some(refer);
        }
        self.tell(key, EventKind::Refer);
    }

    /// Progress of the transfer that they asked for.
    pub(super) fn notify_progress(&mut self, key: CallKey, status: u16, now: Instant) -> Result<(), CommandError> {
        let status = StatusCode::new(status).ok_or_else(|| CommandError::Bad(format!("{status} is no SIP status")))?;
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else {
            return Err(CommandError::WrongState("the call is not answered"));
        };
        if talking.refer.is_none() {
            return Err(CommandError::WrongState("nobody asked for a transfer"));
        }
        self.notify(key, status, "noresource", now);
        Ok(())
    }

    /// What the time asks of the subscriptions of a call.
    pub(super) fn transfer_due(&mut self, key: CallKey, now: Instant) {
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        if talking.refer.is_some_and(|refer| refer.until <= now) {
            self.notify(key, StatusCode::REQUEST_TIMEOUT, "timeout", now);
        }
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        if talking.transfer.take_if(|transfer| transfer.until <= now).is_some() {
            let status = StatusCode::REQUEST_TIMEOUT;
            self.tell_transfer(key, status.code(), status.phrase(), true);
        }
    }

    /// `reason`: why the subscription ends, if the status is final.
    fn notify(&mut self, key: CallKey, status: StatusCode, reason: &str, now: Instant) {
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        let Some(refer) = talking.refer else { return };
        if status.is_final() {
            talking.refer = None;
        }
        if refer.quiet {
            return;
        }
        // RFC 3515 §2.4.6: the id tells two transfers of one dialog apart.
        let package = format!("refer;id={}", refer.id);
        let left = refer.until.saturating_duration_since(now).as_secs();
        let state = if status.is_final() { format!("terminated;reason={reason}") } else { format!("active;expires={left}") };
        let headers: [(&str, &dyn Display); 2] = [(HeaderName::Event.as_str(), &package), (HeaderName::SubscriptionState.as_str(), &state)];
        let body = format!("SIP/2.0 {status} {}\r\n", status.phrase());
        // Without room for it the far end misses one report; the call is not the worse for it.
        let sent = self.request_within(key, Method::Notify, &headers, Some((SIPFRAG, &body)), Purpose::Report, now);
        if let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) {
            if talking.reports.len() >= REPORTS_MAX {
                talking.reports.remove(0);
            }
            talking.reports.extend(sent);
        }
    }

    /// A NOTIFY of ours was answered, or will never be. `lost`: nobody listens any more.
    pub(super) fn report_done(&mut self, key: CallKey, id: TransactionId, lost: bool) {
        if let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) {
            talking.reports.retain(|report| *report != id);
            if lost {
                talking.refer = None;
            }
        }
    }

    /// The call ends: what was not reported yet is not repeated either.
    pub(super) fn end_reports(&mut self, key: CallKey) {
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        talking.refer = None;
        for report in std::mem::take(&mut talking.reports) {
            self.layer.give_up(report);
        }
    }

    /// We transfer them.
    pub(super) fn refer(&mut self, key: CallKey, to: &str, replaces: Option<&str>, now: Instant) -> Result<(), CommandError> {
        let Some(call) = self.calls.get(key) else { return Err(CommandError::WrongState("the call is over")) };
        let Phase::Talking(talking) = &call.phase else {
            return Err(CommandError::WrongState("only an answered call can be transferred"));
        };
        if talking.transfer.is_some() {
            return Err(CommandError::WrongState("another transfer is under way"));
        }
        let mut target = target_uri(to, &call.view.domain);
        Uri::parse(&target).map_err(|error| CommandError::Bad(format!("to {to:?}: {error}")))?;
        if let Some(callid) = replaces {
            // Of a call of another shard the whole value was asked for before.
            let told = || Replaces::parse(callid).is_ok().then(|| callid.to_owned());
            let value = self.replaces_value(callid).or_else(told).ok_or_else(|| CommandError::NotFound(callid.to_owned()))?;
            let mark = if target.contains('?') { '&' } else { '?' };
            target = format!("{target}{mark}Replaces={}", escape_header(&value));
        }
        let refer_to = format!("<{target}>");
        let referred_by = format!("<{}>", talking.dialog.local_uri());
        let headers: [(&str, &dyn Display); 2] =
            [(HeaderName::ReferTo.as_str(), &refer_to), (HeaderName::ReferredBy.as_str(), &referred_by)];
        let sent = self.request_within(key, Method::Refer, &headers, None, Purpose::Transfer, now);
        let transaction = sent.ok_or(CommandError::Full { what: "transactions", max: self.config.limits.transactions })?;
        if let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) {
            talking.transfer = Some(Transfer { transaction, until: now + SUBSCRIPTION });
        }
        Ok(())
    }

    /// Value of a Replaces that names a call of this shard.
    pub fn replaces_value(&self, callid: &str) -> Option<String> {
        let dialog = self.calls.find(callid).and_then(|key| self.calls.get(key)?.dialog())?;
        // RFC 3891 §3: tags as the replaced far end sees them, ours being its remote one.
        Some(format!("{callid};to-tag={};from-tag={}", dialog.remote_tag().unwrap_or("0"), dialog.local_tag()))
    }

    /// A response to our REFER: 202 is followed by NOTIFYs, a failure is the end of it.
    pub(super) fn refer_response(&mut self, key: CallKey, id: TransactionId, response: &Response<'_>, now: Instant) {
        let status = response.status();
        if status.class() <= 2 {
            return;
        }
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        let ours = talking.transfer.take_if(|transfer| transfer.transaction == id).is_some();
        if talking.dialog.handle_final(response) {
            return self.lost_within(key, status, now);
        }
        if ours {
            let phrase = if response.reason().is_empty() { status.phrase() } else { response.reason() };
            self.tell_transfer(key, status.code(), phrase, true);
        }
    }

    /// A NOTIFY of theirs in a dialog: progress of our REFER.
    pub(super) fn notify_received(
        &mut self,
        key: CallKey,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        now: Instant,
    ) {
        let headers = request.headers();
        let package = headers.header(HeaderName::Event).and_then(|event| event.split(';').next()).unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case("refer") {
            let events: (&str, &dyn Display) = (HeaderName::AllowEvents.as_str(), &"refer");
            return self.answer_once(request, source, transaction, StatusCode::BAD_EVENT, &[events], now);
        }
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut).filter(|talking| talking.transfer.is_some()) else {
            // RFC 6665 §4.1.3: of a subscription that is over.
            return self.answer_once(request, source, transaction, StatusCode::CALL_DOES_NOT_EXIST, &[], now);
        };
        let ended = headers
            .header(HeaderName::SubscriptionState)
            .is_some_and(|state| state.split(';').next().is_some_and(|word| word.trim().eq_ignore_ascii_case("terminated")));
        let progress = sipfrag(request.body());
        let over = ended || progress.as_ref().is_some_and(|(status, _)| *status >= 200);
        if over {
            talking.transfer = None;
        } else if let Some(transfer) = &mut talking.transfer {
            transfer.until = now + SUBSCRIPTION;
        }
        self.answer_once(request, source, transaction, StatusCode::OK, &[], now);
        match progress {
            Some((status, reason)) => self.tell_transfer(key, status, &reason, over),
            // They will not say how it went (RFC 3515 §2.4.5 wants a status; RFC 4488 has none).
            None if over => self.tell_transfer(key, 0, "", true),
            None => {}
        }
    }

    fn tell_transfer(&mut self, key: CallKey, status: u16, reason: &str, over: bool) {
        if let Some(call) = self.calls.get_mut(key) {
            call.view.transfer = Some(TransferView { status, reason: reason.to_owned(), over });
        }
        self.tell(key, EventKind::Refer);
    }
}

/// Status and phrase of the status line that a message/sipfrag begins with.
fn sipfrag(body: &[u8]) -> Option<(u16, String)> {
    let line = std::str::from_utf8(body).ok()?.lines().next()?;
    let (version, rest) = line.trim().split_once(' ')?;
    let (code, reason) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
    let code: u16 = code.trim().parse().ok().filter(|code| (100..700).contains(code))?;
    version.eq_ignore_ascii_case("SIP/2.0").then(|| (code, event::cut(reason.trim())))
}

/// A user, `user@domain`, or a whole URI.
pub(super) fn target_uri(to: &str, domain: &str) -> String {
    let to = to.trim();
    if Uri::parse(to).is_ok_and(|uri| !matches!(uri, Uri::Other(_))) {
        return to.to_owned();
    }
    match to.rsplit_once('@') {
        Some((user, host)) => format!("sip:{}@{host}", escape_user(user)),
        None => format!("sip:{}@{domain}", escape_user(to)),
    }
}

/// What control is shown of a Refer-To, and its Replaces.
fn refer_view(uri: &Uri<'_>, request: &Request<'_>) -> (ReferView, Option<String>) {
    let replaces = uri.as_sip().and_then(|uri| uri.headers().get("Replaces")).map(|value| value.to_string());
    let callid = replaces.as_deref().and_then(|value| Replaces::parse(value).ok().map(|replaces| replaces.call_id.to_owned()));
    let referredby = request.headers().header(HeaderName::ReferredBy).map(event::cut);
    (ReferView { to: event::user_of(uri), replaces: callid, uri: event::cut(uri.as_str()), referredby }, replaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sipfrag_begins_with_a_status_line() {
        assert_eq!(sipfrag(b"SIP/2.0 180 Ringing\r\nTo: x\r\n"), Some((180, "Ringing".to_owned())));
        assert_eq!(sipfrag(b"SIP/2.0 200"), Some((200, String::new())));
        for bad in ["", "INVITE sip:a SIP/2.0", "SIP/2.0 99 x", "SIP/2.0 abc", "HTTP/1.1 200 OK"] {
            assert_eq!(sipfrag(bad.as_bytes()), None, "{bad}");
        }
    }
}
