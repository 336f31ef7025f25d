//! PUBLISH: what a user says of its own presence.
//!
//! ```text
//!   Event presence? 489 ─► sender proven 401 407 ─► its own? 403 ─► type? 415 ─► Publications ─► 200 SIP-ETag │ 400 412 413 423 503
//! ```
//! Shape:  up to the proof nothing is kept.
//! Errors: each a final response.
//! Source: RFC 3903 §6.

use std::fmt::Display;
use std::time::Instant;

use super::identify::Sender;
use super::source::Source;
use super::{Endpoint, Owner};
use crate::message::{HeaderName, Request, StatusCode};
use crate::package::{ALLOW_EVENTS, Package, Publish, PublishError};
use crate::transaction::NewRequest;

impl Endpoint {
    pub(super) fn publish(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        let Some(package) = self.package_of(request, source) else { return };
        // Calls, mailboxes and registrations are known here better than to any phone.
        if package != Package::Presence {
            let header: (&str, &dyn Display) = (HeaderName::AllowEvents.as_str(), &ALLOW_EVENTS);
            return self.answer_stateless(request, source, StatusCode::BAD_EVENT, &[header]);
        }
        let Some((publisher, sender)) = self.participant(request, source, now) else { return };
        let Some(resource) = self.resource_of(request) else {
            return self.answer_stateless(request, source, StatusCode::NOT_FOUND, &[]);
        };
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else { return self.shed(request, source) };
        if sender != Sender::Trusted && publisher != resource {
            return self.answer_once(request, source, transaction, StatusCode::FORBIDDEN, &[], now);
        }
        let headers = request.headers();
        let typed = headers.content_type().is_ok_and(|kind| kind.is_some_and(|kind| kind.is("application", "pidf+xml")));
        let text = std::str::from_utf8(request.body()).ok();
        let body = text.filter(|body| !body.is_empty());
        if !request.body().is_empty() && (!typed || !text.is_some_and(is_presence)) {
            let accept = package.content_type();
            let header: (&str, &dyn Display) = (HeaderName::Accept.as_str(), &accept);
            return self.answer_once(request, source, transaction, StatusCode::UNSUPPORTED_MEDIA_TYPE, &[header], now);
        }
        let new_tag = self.tokens.text(16);
        let tag = headers.header(HeaderName::SipIfMatch);
        let publish = Publish { resource: &resource, tag, expires_s: headers.expires(), body, new_tag: &new_tag };
        match self.publications.publish(&publish, now) {
            Ok(published) => {
                if published.changed {
                    self.watchers.changed(Package::Presence, &resource);
                }
                let answer: [(&str, &dyn Display); 2] =
                    [(HeaderName::SipEtag.as_str(), &new_tag), (HeaderName::Expires.as_str(), &published.expires_s)];
                self.answer_once(request, source, transaction, StatusCode::OK, &answer, now);
            }
            Err(error) => {
                let wait = self.wait_s();
                let explain: Option<(&str, &dyn Display)> = match &error {
                    PublishError::TooBrief { min_s } => Some((HeaderName::MinExpires.as_str(), min_s)),
                    PublishError::Full { .. } => Some((HeaderName::RetryAfter.as_str(), &wait)),
                    PublishError::NoBody | PublishError::TooLarge { .. } | PublishError::Unmatched => None,
                };
                self.answer_once(request, source, transaction, error.status(), explain.as_slice(), now);
            }
        }
    }
}

/// Looks like a presence document: watchers get it as it is, and their reader is their own.
fn is_presence(body: &str) -> bool {
    let start = body.trim_start();
    start.starts_with('<') && body.contains("presence") && body.trim_end().ends_with('>')
}
