//! Who is listened to: the budget of a request's source, and scanners.
//!
//! ```text
//!   part of what is here ─► heard      else: scanner? source in debt, and no nonce of ours? ─► no answer      else ─► what can wait (`overload`)
//!   its answer: 401 or another refusal ─► charge        proven ─► credit
//! ```
//! Shape:  no state of its own but how the last request fared; the rules are those of [`defence`](crate::defence).
//! Errors: none; what is dropped is counted, and told by [`Endpoint::poll_offence`].
//! Trusted: networks of the settings and addresses of trunks.

use std::net::IpAddr;
use std::time::Instant;

use super::Endpoint;
use super::source::Source;
use crate::auth::Credentials;
use crate::defence::{Fault, Offence};
use crate::directory::domain_name;
use crate::message::{HeaderName, Request, StatusCode};

/// Credentials of one request that are looked at: a phone brings one set for each proxy on its way.
const PROOFS_MAX: usize = 4;

/// How a request fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fared {
    /// Nothing that is to be charged.
    #[default]
    Well,
    /// It was refused without state.
    Refused(StatusCode),
    /// Its sender proved a password.
    Proven,
}

impl Endpoint {
    /// The next source that gets no answers any more, or tried a wrong password, for the log.
    pub fn poll_offence(&mut self) -> Option<Offence> {
        self.guard.poll_offence()
    }

    /// A connection of this peer ended because it brought what is no SIP.
    pub fn handle_garbage(&mut self, peer: IpAddr, now: Instant) {
        self.stats.garbage += 1;
        self.charge(peer, Fault::Garbage, now);
    }

    /// Whether a new request that belongs to nothing here is heard at all.
    pub(super) fn hears(&mut self, request: &Request<'_>, source: &Source, now: Instant) -> bool {
        let (ip, trusted) = (source.from.ip(), self.is_peer(source.from.ip()));
        let agent = request.headers().header(HeaderName::UserAgent);
        if agent.is_some_and(|agent| self.guard.is_scanner(agent, ip, trusted, now)) {
            return false;
        }
        let heard = self.guard.admits(ip, trusted, now) || self.was_challenged(request);
        self.stats.dropped += u64::from(!heard);
        heard
    }

    /// Whether somebody may have an answer who sends what cannot be read; it is charged for it.
    pub(super) fn hears_broken(&mut self, ip: IpAddr, now: Instant) -> bool {
        let trusted = self.is_peer(ip);
        let heard = self.guard.admits(ip, trusted, now);
        self.stats.dropped += u64::from(!heard);
        self.guard.charge(ip, trusted, Fault::Refused, now);
        heard
    }

    /// What the answer to a request says of its source.
    pub(super) fn settle_budget(&mut self, ip: IpAddr, now: Instant) {
        match std::mem::take(&mut self.fared) {
            Fared::Refused(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => self.charge(ip, Fault::Refused, now),
            Fared::Refused(_) => self.charge(ip, Fault::Challenged, now),
            Fared::Proven => {
                let trusted = self.is_peer(ip);
                self.guard.credit(ip, trusted, now);
            }
            Fared::Well => {}
        }
    }

    pub(super) fn charge(&mut self, ip: IpAddr, fault: Fault, now: Instant) {
        let trusted = self.is_peer(ip);
        self.guard.charge(ip, trusted, fault, now);
    }

    pub(super) fn is_peer(&self, ip: IpAddr) -> bool {
        self.is_trusted(ip) || self.trunks.knows(ip)
    }

    /// Whether the settings trust an address.
    pub(super) fn is_trusted(&self, ip: IpAddr) -> bool {
        self.config.trusted.iter().any(|network| network.contains(ip))
    }

    /// Whether it answers a challenge of ours: its nonce carries our signature. Only asked of a source in debt.
    fn was_challenged(&self, request: &Request<'_>) -> bool {
        let headers = request.headers();
        let mut values = headers.headers(HeaderName::Authorization).chain(headers.headers(HeaderName::ProxyAuthorization)).take(PROOFS_MAX);
        let issued = |credentials: Credentials<'_>| self.auth.issued(&credentials.nonce, &domain_name(&credentials.realm));
        values.any(|value| Credentials::parse(value).is_ok_and(issued))
    }
}
