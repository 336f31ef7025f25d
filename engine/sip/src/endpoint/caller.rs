//! Who calls, and on behalf of which domain: what an INVITE from outside has to prove.
//!
//! ```text
//!   trusted address ─► domain of From or Request-URI        ours in From ─► digest, user = From        else ─► 403
//! ```
//! Shape:  a [`Caller`] for those who may call; all others are answered without state.
//! Errors: none; 401, 403 and 404 are sent here.
//! Source: RFC 3261 §22.1; RFC 3325 §5 (identities are believed of trusted peers only).

use std::time::Instant;

use super::Endpoint;
use super::event::user_of;
use super::identify::Sender;
use super::source::Source;
use crate::api::{CallerId, ControlUrl};
use crate::directory::domain_name;
use crate::message::{HeaderName, NameAddr, Request, StatusCode, Uri};

/// Somebody who may call.
pub(super) struct Caller {
    /// Domain whose control decides about the call.
    pub domain: String,
    /// Proved a password.
    pub authenticated: bool,
    /// Identity shown.
    pub id: CallerId,
    /// Control of the trunk that the call came by; that of the domain if none.
    pub control: Option<ControlUrl>,
}

impl Endpoint {
    /// Finds out who calls. `None`: it was answered.
    pub(super) fn admit(&mut self, request: &Request<'_>, source: &Source, now: Instant) -> Option<Caller> {
        let from = request.from();
        let from_domain = domain_of(&from.uri).filter(|domain| self.directory.domain(domain).is_some());
        let to_domain = domain_of(request.uri()).filter(|domain| self.directory.domain(domain).is_some());
        let trusts = |domain: &String| self.directory.domain(domain).is_some_and(|domain| domain.policy().trusts(source.from.ip()));
        let by_name = to_domain.as_ref().filter(|domain| trusts(domain)).or(from_domain.as_ref().filter(|domain| trusts(domain)));
        if self.is_trusted(source.from.ip()) || by_name.is_some() {
            // A domain that trusts the sender decides; where all do, the one that is called.
            let Some(domain) = by_name.cloned().or(to_domain).or(from_domain) else {
                self.answer_stateless(request, source, StatusCode::NOT_FOUND, &[]);
                return None;
            };
            return Some(Caller { domain, authenticated: false, id: caller_id(request, true), control: None });
        }
        let Some(domain) = from_domain else {
            // A provider speaks for callers of everywhere: it is known by where it sends from.
            if let Some(trunk) = self.trunks.caller(request, source.from) {
                let (domain, control) = (trunk.domain.clone(), trunk.control.clone());
                return Some(Caller { domain, authenticated: false, id: caller_id(request, true), control });
            }
            self.answer_stateless(request, source, StatusCode::FORBIDDEN, &[]);
            return None;
        };
        let sender = self.identify(request, source, &domain, now)?;
        // A right password does not let one speak for another user.
        if !sender.is(&user_of(&from.uri)) {
            self.answer_stateless(request, source, StatusCode::FORBIDDEN, &[]);
            return None;
        }
        Some(Caller { domain, authenticated: sender != Sender::Trusted, id: caller_id(request, false), control: None })
    }
}

pub(super) fn domain_of(uri: &Uri<'_>) -> Option<String> {
    Some(domain_name(&uri.host()?.to_string()).into_owned())
}

/// Name and number to show: of a trusted peer what it asserts, else what From says.
fn caller_id(request: &Request<'_>, trusted: bool) -> CallerId {
    let headers = request.headers();
    let asserted = |name| headers.addresses(name).find_map(Result::ok);
    let asserted = trusted.then(|| asserted(HeaderName::PAssertedIdentity).or_else(|| asserted(HeaderName::RemotePartyId))).flatten();
    let address: &NameAddr<'_> = asserted.as_ref().unwrap_or(request.from());
    let withheld = |value: &str| ["id", "user", "header"].iter().any(|word| word.eq_ignore_ascii_case(value.trim()));
    // RFC 3323 §4.2: priv-values are separated by semicolons.
    // The drafts of Remote-Party-ID had it as a parameter.
    let hidden = asserted.as_ref().and_then(|party| party.params.get("privacy")).is_some_and(|value| value.text().starts_with("full"));
    let anonymous = request.from().uri.host().is_some_and(|host| host.to_string().eq_ignore_ascii_case("anonymous.invalid"));
    let private = headers.headers(HeaderName::Privacy).flat_map(|value| value.split(';')).any(withheld) || hidden || anonymous;
    CallerId { number: user_of(&address.uri), name: address.display.text().into_owned(), private }
}
