//! Who is listened to: the budget of a request's source, scanners, and what is shed when we are late.
//!
//! ```text
//!   request outside a dialog ─► scanner? in debt and without credentials? ─► no answer      late? ─► 503 with Retry-After
//!   its answer: 401 or another refusal ─► charge        accepted with credentials ─► credit
//! ```
//! Shape:  no state of its own but the last refusal; the rules are those of [`defence`](crate::defence).
//! Errors: none; what is dropped is counted, and told by [`Endpoint::poll_offence`].
//! Trusted: addresses of the settings and of trunks.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Endpoint;
use super::source::Source;
use crate::defence::{Fault, Offence, Work};
use crate::message::{HeaderName, Method, Request, StatusCode};

impl Endpoint {
    /// The next source that gets no answers any more, for the log.
    pub fn poll_offence(&mut self) -> Option<Offence> {
        self.guard.poll_offence()
    }

    /// How late the driver does what was due.
    pub fn handle_lag(&mut self, lag: Duration, now: Instant) {
        self.guard.handle_lag(lag, now);
    }

    /// Whether a new request is dealt with at all; if not, what is to be answered was.
    pub(super) fn takes(&mut self, request: &Request<'_>, source: &Source, now: Instant) -> bool {
        // What belongs to a call is never shed: ending it relieves us, losing it does not.
        if request.to().tag.is_some() || request.method() == Method::Cancel {
            return true;
        }
        let (ip, trusted) = (source.from.ip(), self.is_peer(source.from.ip()));
        let headers = request.headers();
        if headers.header(HeaderName::UserAgent).is_some_and(|agent| self.guard.is_scanner(agent, ip, trusted, now)) {
            return false;
        }
        if !is_proof(request) && !self.guard.admits(ip, trusted, now) {
            return false;
        }
        let work = match request.method() {
            Method::Register => Work::Register,
            Method::Invite => Work::Invite,
            _ => return true,
        };
        if self.guard.sheds(work, now) {
            self.shed(request, source);
            return false;
        }
        true
    }

    /// What the answer to a request says of its source.
    pub(super) fn settle_budget(&mut self, request: &Request<'_>, ip: IpAddr, now: Instant) {
        let trusted = self.is_peer(ip);
        match self.refusal.take() {
            Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => {
                self.guard.charge(ip, trusted, Fault::Refused, now);
            }
            Some(_) => self.guard.charge(ip, trusted, Fault::Challenged, now),
            None if is_proof(request) => self.guard.credit(ip, trusted, now),
            None => {}
        }
    }

    /// Bytes that are no SIP.
    pub(super) fn charge_garbage(&mut self, ip: IpAddr, now: Instant) {
        let trusted = self.is_peer(ip);
        self.guard.charge(ip, trusted, Fault::Garbage, now);
    }

    pub(super) fn is_peer(&self, ip: IpAddr) -> bool {
        self.config.trusted.contains(&ip.to_canonical()) || self.trunks.knows(ip)
    }
}

fn is_proof(request: &Request<'_>) -> bool {
    let headers = request.headers();
    headers.header(HeaderName::Authorization).or_else(|| headers.header(HeaderName::ProxyAuthorization)).is_some()
}
