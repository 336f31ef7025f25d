//! REFER both ways: they transfer us, we transfer them.
//!
//! ```text
//!   theirs ─► 202, NOTIFY 100, event `refer` ─► notify {status} ─► NOTIFY with sipfrag, the last one final
//!   ours   ─► REFER with Refer-To ─► their NOTIFYs are answered 200
//! ```
//! Shape:  one REFER of theirs at a time; its subscription ends with the first final status.
//! Errors: to the far end a final response, to control [`CommandError`].
//! Not here: what is done about a transfer, which the script decides (`control`).
//! Source: RFC 3515 §2.4, RFC 3891 §3 (Replaces inside Refer-To), RFC 6665 §4.1.3 (Subscription-State).

use std::fmt::Display;
use std::time::Instant;

use super::call::Call;
use super::calls::CallKey;
use super::source::Source;
use super::{Endpoint, Purpose, event};
use crate::api::{CommandError, EventKind, ReferView};
use crate::message::{HeaderName, Method, Replaces, Request, StatusCode, Uri, escape_header, escape_user};
use crate::transaction::TransactionId;

/// What we promise for the progress of a transfer, seconds: as long as a call may take to be set up.
const SUBSCRIPTION_S: u32 = 180;

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
        let refer = request.headers().address(HeaderName::ReferTo).ok().flatten().map(|to| refer_view(&to.uri, request));
        let Some(refer) = refer.filter(|refer| !refer.to.is_empty()) else {
            return self.answer_once(request, source, transaction, StatusCode::BAD_REQUEST, &[], now);
        };
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else {
            return self.answer_once(request, source, transaction, StatusCode::CALL_DOES_NOT_EXIST, &[], now);
        };
        if talking.refer.is_some() {
            return self.answer_once(request, source, transaction, StatusCode::REQUEST_PENDING, &[], now);
        }
        talking.refer = Some(request.cseq().number);
        self.answer_once(request, source, transaction, StatusCode::ACCEPTED, &[], now);
        self.notify(key, StatusCode::TRYING, now);
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
        self.notify(key, status, now);
        Ok(())
    }

    fn notify(&mut self, key: CallKey, status: StatusCode, now: Instant) {
        let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) else { return };
        let Some(id) = talking.refer else { return };
        if status.is_final() {
            talking.refer = None;
        }
        // RFC 3515 §2.4.6: the id tells two transfers of one dialog apart.
        let package = format!("refer;id={id}");
        let state = if status.is_final() { "terminated;reason=noresource".to_owned() } else { format!("active;expires={SUBSCRIPTION_S}") };
        let headers: [(&str, &dyn Display); 2] = [(HeaderName::Event.as_str(), &package), (HeaderName::SubscriptionState.as_str(), &state)];
        let body = format!("SIP/2.0 {status} {}\r\n", status.phrase());
        // Without room for it the far end misses one report; the call is not the worse for it.
        let _sent = self.request_within(key, Method::Notify, &headers, Some(("message/sipfrag;version=2.0", &body)), Purpose::Report, now);
    }

    /// Nobody listens to our reports any more.
    pub(super) fn report_lost(&mut self, key: CallKey) {
        if let Some(talking) = self.calls.get_mut(key).and_then(Call::talking_mut) {
            talking.refer = None;
        }
    }

    /// We transfer them.
    pub(super) fn refer(&mut self, key: CallKey, to: &str, replaces: Option<&str>, now: Instant) -> Result<(), CommandError> {
        let Some(call) = self.calls.get(key) else { return Err(CommandError::WrongState("the call is over")) };
        if !matches!(call.phase, super::call::Phase::Talking(_)) {
            return Err(CommandError::WrongState("only an answered call can be transferred"));
        }
        let mut target = target_uri(to, &call.view.domain);
        Uri::parse(&target).map_err(|error| CommandError::Bad(format!("to {to:?}: {error}")))?;
        if let Some(callid) = replaces {
            let replaced = self.calls.find(callid).and_then(|key| self.calls.get(key)?.dialog());
            let replaced = replaced.ok_or_else(|| CommandError::NotFound(callid.to_owned()))?;
            // RFC 3891 §3: tags as the replaced far end sees them, ours being its remote one.
            let value = format!("{callid};to-tag={};from-tag={}", replaced.remote_tag().unwrap_or("0"), replaced.local_tag());
            target = format!("{target}?Replaces={}", escape_header(&value));
        }
        let refer_to = format!("<{target}>");
        let headers: [(&str, &dyn Display); 1] = [(HeaderName::ReferTo.as_str(), &refer_to)];
        let sent = self.request_within(key, Method::Refer, &headers, None, Purpose::Other, now);
        sent.map(drop).ok_or(CommandError::Full { what: "transactions", max: self.config.limits.transactions })
    }
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

/// What control is shown of a Refer-To.
fn refer_view(uri: &Uri<'_>, request: &Request<'_>) -> ReferView {
    let replaces = uri.as_sip().and_then(|uri| uri.headers().get("Replaces"));
    let callid = replaces.and_then(|value| Replaces::parse(&value).ok().map(|replaces| replaces.call_id.to_owned()));
    let referredby = request.headers().header(HeaderName::ReferredBy).map(event::cut);
    ReferView { to: event::user_of(uri), replaces: callid, uri: event::cut(uri.as_str()), referredby }
}
