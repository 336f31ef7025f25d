//! Who sends a request: digest against the directory.
//!
//! ```text
//!   Authorization of our realm ─► Authenticator ─► Proven | challenge (401, stale or not)        none ─► challenge
//! ```
//! Shape:  a challenge leaves no state; the first credentials of the realm count, others are for other servers.
//! Errors: none; whoever is not proven is challenged.
//! Source: RFC 3261 §22.1 to §22.4, RFC 7616.

use std::fmt::Display;
use std::time::Instant;

use super::Endpoint;
use super::source::Source;
use crate::auth::{Credentials, Verdict};
use crate::message::{HeaderName, Request, StatusCode};

/// What the credentials of a request are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// This user of the domain.
    Proven(String),
    /// Nobody yet. `stale`: the password was right, the nonce was not.
    Unknown {
        /// Value of `stale`.
        stale: bool,
    },
}

impl Endpoint {
    /// Checks the credentials of a request for `realm`, a domain of the directory in its stored form.
    pub(super) fn identify(&mut self, request: &Request<'_>, realm: &str, now: Instant) -> Identity {
        let ours =
            |value: &&str| Credentials::parse(value).ok().filter(|credentials| credentials.realm.eq_ignore_ascii_case(realm)).is_some();
        let Some(value) = request.headers().headers(HeaderName::Authorization).find(ours) else {
            return Identity::Unknown { stale: false };
        };
        let Ok(credentials) = Credentials::parse(value) else { return Identity::Unknown { stale: false } };
        let secret = self.directory.domain(realm).and_then(|domain| domain.secret(&credentials.username));
        match self.auth.check(&credentials, realm, request.method().as_str(), secret, now) {
            Verdict::Accepted => Identity::Proven(credentials.username.into_owned()),
            Verdict::Stale => Identity::Unknown { stale: true },
            Verdict::Refused(_) => Identity::Unknown { stale: false },
        }
    }

    /// 401 without state.
    pub(super) fn challenge(&mut self, request: &Request<'_>, source: &Source, realm: &str, stale: bool, now: Instant) {
        let values = self.auth.challenge(realm, stale, &mut self.rng, now);
        let headers: Vec<(&str, &dyn Display)> =
            values.iter().map(|value| (HeaderName::WwwAuthenticate.as_str(), value as &dyn Display)).collect();
        self.answer_stateless(request, source, StatusCode::UNAUTHORIZED, &headers);
    }
}
