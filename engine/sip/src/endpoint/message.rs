//! MESSAGE: text for a user of ours, handed to control where the domain wants that.
//!
//! ```text
//!   domain takes none? 405 ─► sender proven 401 407 ─► length? 413 ─► text? 415 ─► 202, Event::Message
//! ```
//! Shape:  page mode only: each MESSAGE is a request of its own, and nothing is kept but its transaction.
//! Units:  bytes.
//! Errors: each a final response.
//! Why 202 and not 200: control has heard of it by then, the person has not (RFC 3428 §7).
//! Source: RFC 3428 §4, §6 to §8.

use std::fmt::Display;
use std::time::Instant;

use super::caller::domain_of;
use super::event::user_of;
use super::source::Source;
use super::{Endpoint, Output, Owner};
use crate::api::{Event, TextMessage};
use crate::message::{HeaderName, Request, StatusCode};
use crate::transaction::NewRequest;

/// Longest text. RFC 3428 §8 has a sender stop at 1300 bytes without knowing the way; ours may come over TCP.
const LEN_MAX: usize = 8 << 10;
/// Longest Content-Type that is shown.
const TYPE_LEN_MAX: usize = 256;

impl Endpoint {
    /// Whether a domain of its sender or its target has control hear of texts.
    pub(super) fn takes_messages(&self, request: &Request<'_>) -> bool {
        let uris = [request.uri(), &request.from().uri];
        uris.into_iter().any(|uri| domain_of(uri).is_some_and(|domain| self.directory.takes_messages(&domain)))
    }

    pub(super) fn message(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        let Some(caller) = self.admit(request, source, now) else { return };
        if !self.directory.takes_messages(&caller.domain) {
            let allow = (HeaderName::Allow.as_str(), super::screen::allow(false));
            return self.answer_stateless(request, source, StatusCode::METHOD_NOT_ALLOWED, &[allow]);
        }
        let of_domain = || self.directory.domain(&caller.domain).and_then(|domain| domain.control().cloned());
        let Some(control) = caller.control.clone().or_else(of_domain) else {
            return self.answer_stateless(request, source, StatusCode::TEMPORARILY_UNAVAILABLE, &[]);
        };
        if request.body().len() > LEN_MAX {
            return self.answer_stateless(request, source, StatusCode::REQUEST_ENTITY_TOO_LARGE, &[]);
        }
        let headers = request.headers();
        let kind = headers.header(HeaderName::ContentType).unwrap_or("text/plain");
        let Some(text) = std::str::from_utf8(request.body()).ok().filter(|_| kind.len() <= TYPE_LEN_MAX) else {
            let accept: (&str, &dyn Display) = (HeaderName::Accept.as_str(), &"text/plain");
            return self.answer_stateless(request, source, StatusCode::UNSUPPORTED_MEDIA_TYPE, &[accept]);
        };
        let message = TextMessage {
            callid: request.call_id().to_owned(),
            domain: caller.domain,
            to: user_of(request.uri()),
            from: user_of(&request.from().uri),
            authenticated: caller.authenticated,
            callerid: caller.id,
            contenttype: kind.to_owned(),
            body: text.to_owned(),
            remote: source.from,
            agent: headers.header(HeaderName::UserAgent).map(str::to_owned),
            transport: source.flow.transport.word(),
        };
        // Its transaction answers the repeats, so that control hears of it once.
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else { return self.shed(request, source) };
        self.answer_once(request, source, transaction, StatusCode::ACCEPTED, &[], now);
        self.outputs.push_back(Output::Event(Event::Message { control, message: Box::new(message) }));
    }
}
