//! Who sends a request: digest against the directory, or an address that the domain trusts.
//!
//! ```text
//!   policy of the domain trusts the source ─► Trusted
//!   credentials of our realm ─► Authenticator ─► User │ 401, 407 (stale or not) │ 403 after too many wrong        none ─► 401, 407
//! ```
//! Shape:  a challenge leaves no state; the first credentials of the realm count, others are for other servers.
//! Errors: none; whoever is not proven has been answered.
//! Source: RFC 3261 §22.1 to §22.4, RFC 7616, RFC 8760 §2.4.

use std::fmt::Display;
use std::time::Instant;

use super::Endpoint;
use super::guard::Fared;
use super::source::Source;
use crate::auth::{Claim, Credentials, Verdict};
use crate::defence::Fault;
use crate::message::{HeaderName, Method, Request, StatusCode};

/// What we tell those who sent too many wrong passwords, seconds: about what one more guess costs.
const GUESS_AGAIN_S: u32 = 10;

/// A sender who may ask for what he asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sender {
    /// Proved the password of this user of the domain.
    User(String),
    /// Need not prove anything.
    Trusted,
}

impl Sender {
    /// Whether he may speak for this user.
    pub fn is(&self, user: &str) -> bool {
        match self {
            Self::User(proven) => proven == user,
            Self::Trusted => true,
        }
    }
}

impl Endpoint {
    /// Finds out who sends a request for `realm`, a domain of the directory in its stored form. `None`: it was answered.
    pub(super) fn identify(&mut self, request: &Request<'_>, source: &Source, realm: &str, now: Instant) -> Option<Sender> {
        let domain = self.directory.domain(realm)?;
        let from = source.from.ip();
        if domain.policy().trusts(from) {
            return Some(Sender::Trusted);
        }
        let headers = request.headers();
        // Phones that a 407 of another server taught answer with the header of proxies; both prove the same.
        let mut values = headers.headers(HeaderName::Authorization).chain(headers.headers(HeaderName::ProxyAuthorization));
        let ours = |credentials: &Credentials<'_>| credentials.realm.eq_ignore_ascii_case(realm);
        let Some(credentials) = values.find_map(|value| Credentials::parse(value).ok().filter(ours)) else {
            self.challenge(request, source, realm, false, now);
            return None;
        };
        let claim = Claim {
            credentials: &credentials,
            offer: domain.offer(realm),
            method: request.method().as_str(),
            body: request.body(),
            secret: domain.secret(&credentials.username),
            source: from,
        };
        match self.auth.check(&claim, now) {
            Verdict::Accepted => {
                self.fared = Fared::Proven;
                return Some(Sender::User(credentials.username.into_owned()));
            }
            Verdict::Stale => self.challenge(request, source, realm, true, now),
            Verdict::Refused(_) => {
                self.guard.wrong_password(from, now);
                self.challenge(request, source, realm, false, now);
            }
            Verdict::Slowed => {
                self.charge(from, Fault::Guessing, now);
                if !self.guard.admits(from, self.is_peer(from), now) {
                    self.stats.dropped += 1;
                    return None;
                }
                let later: (&str, &dyn Display) = (HeaderName::RetryAfter.as_str(), &GUESS_AGAIN_S);
                self.answer_stateless(request, source, StatusCode::FORBIDDEN, &[later]);
            }
        }
        None
    }

    /// 401 or 407 without state.
    fn challenge(&mut self, request: &Request<'_>, source: &Source, realm: &str, stale: bool, now: Instant) {
        let Some(domain) = self.directory.domain(realm) else { return };
        // A registrar is no proxy (RFC 3261 §22.3).
        let (status, name) = if domain.policy().proxy && request.method() != Method::Register {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, HeaderName::ProxyAuthenticate)
        } else {
            (StatusCode::UNAUTHORIZED, HeaderName::WwwAuthenticate)
        };
        let values = self.auth.challenge(&domain.offer(realm), stale, &mut self.rng, now);
        let headers: Vec<(&str, &dyn Display)> = values.iter().map(|value| (name.as_str(), value as &dyn Display)).collect();
        self.answer_stateless(request, source, status, &headers);
    }
}
