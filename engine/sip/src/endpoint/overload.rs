//! More than can be served in time: what is put off first, and what never.
//!
//! ```text
//!   lag of the driver:  50 ms ─► REGISTER, SUBSCRIBE, PUBLISH, OPTIONS wait      400 ms ─► new calls too      never ─► in a dialog
//!   control is behind:  new calls that it would decide about
//! ```
//! Shape:  one measured time, told by the driver; an answer 503 with Retry-After, without state and before digest. Whose control a
//!         call has is known behind the digest only, so there it is asked whether that one keeps up.
//! Units:  lag as `Duration`: how long what is received now has waited; Retry-After in seconds.
//! Errors: none.
//! Why so: phones repeat after T1 = 500 ms, so a queue that is longer doubles its own load. A registration that comes half a
//!         minute later is missed by nobody, a call is, and a BYE that is refused leaves a call behind. The wait is spread, or
//!         all would come back at once.
//! Source: RFC 3261 §21.5.4, RFC 6357 §4.

use std::fmt::Display;
use std::time::Duration;

use super::Endpoint;
use super::source::Source;
use crate::api::ControlUrl;
use crate::message::{HeaderName, Method, Request, StatusCode};

/// Above this lag, what can wait waits.
const LAG_PATIENT: Duration = Duration::from_millis(50);
/// Above this lag, new calls are refused as well: their 100 would come after the first repeat.
const LAG_CALLS: Duration = Duration::from_millis(400);
/// Shortest and longest wait, seconds.
const WAIT_S: (u32, u32) = (5, 30);

impl Endpoint {
    /// Tells how long what is received now has waited to be received. The driver says it whenever it knows, zero included.
    pub fn set_lag(&mut self, lag: Duration) {
        self.lag = lag;
    }

    /// This control server cannot keep up with its events, or can again: more calls would make all of them wait.
    pub fn handle_control_behind(&mut self, control: &str, is_behind: bool) {
        let control = ControlUrl(control.into());
        if is_behind {
            self.behind.insert(control);
        } else {
            self.behind.remove(&control);
        }
    }

    /// Whether a new request has to come again later.
    pub(super) fn is_put_off(&self, request: &Request<'_>) -> bool {
        let method = request.method();
        // RFC 3261 §12.2.2: what belongs to a call is always served. Some phones put a tag into REGISTER.
        if request.to().tag.is_some() && method != Method::Register {
            return false;
        }
        match method {
            Method::Register | Method::Subscribe | Method::Publish | Method::Options | Method::Message => self.lag > LAG_PATIENT,
            Method::Invite => self.lag > LAG_CALLS,
            _ => false,
        }
    }

    /// Answers such a request.
    pub(super) fn put_off(&mut self, request: &Request<'_>, source: &Source) {
        if request.method() == Method::Invite {
            self.stats.calls_put_off += 1;
        } else {
            self.stats.put_off += 1;
        }
        let (least, most) = WAIT_S;
        let wait = least + self.tokens.below(most - least + 1);
        let later: (&str, &dyn Display) = (HeaderName::RetryAfter.as_str(), &wait);
        self.answer_stateless(request, source, StatusCode::SERVICE_UNAVAILABLE, &[later]);
    }
}
