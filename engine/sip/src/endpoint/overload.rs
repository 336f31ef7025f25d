//! More than can be served in time: what is put off first, and what never.
//!
//! ```text
//!   lag of the driver:  50 ms ─► REGISTER, SUBSCRIBE, PUBLISH, OPTIONS wait      400 ms ─► new calls too      never ─► in a dialog
//!   control is behind:  a share of the new calls that it would decide about
//!
//!   share of new calls let in:  1 ──told of a wait──► × 100 ms / wait, half to nine tenths ──time──► + a tenth a second ──► 1
//! ```
//! Shape:  one measured time, told by the driver; an answer 503 with Retry-After, without state and before digest. Whose control a
//!         call has is known behind the digest only, so there the dice are thrown.
//! Units:  lag as `Duration`: how long what is received now has waited; Retry-After in seconds; shares in thousandths.
//! Errors: none.
//! Why so: phones repeat after T1 = 500 ms, so a queue that is longer doubles its own load. A registration that comes half a
//!         minute later is missed by nobody, a call is, and a BYE that is refused leaves a call behind. The wait is spread, or
//!         all would come back at once. To refuse all until control has caught up would leave it idle at each turn: the share falls
//!         by a factor and rises by steps, as the window of TCP does, and settles at what control can take.
//! Source: RFC 3261 §21.5.4, RFC 6357 §4, RFC 5681 §3.1.

use std::fmt::Display;
use std::time::{Duration, Instant};

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
/// Events may wait so long for their turn.
const EVENT_WAIT: Duration = Duration::from_millis(100);
/// All new calls.
const ALL: u32 = 1000;
/// What is kept of the share each time that a wait is told.
const KEPT: (u32, u32) = (500, 900);
/// The least share: some must try, or nobody sees that control is better.
const LEAST: u32 = 10;
/// What comes back a second.
const RISE: u32 = 100;

/// What a control server that was behind is given of its new calls.
#[derive(Debug)]
pub(super) struct Share {
    permille: u32,
    at: Instant,
}

impl Share {
    fn now(&self, now: Instant) -> u32 {
        let elapsed = u32::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u32::MAX);
        ALL.min(self.permille + elapsed / (1000 / RISE))
    }
}

impl Endpoint {
    /// Tells how long what is received now has waited to be received. The driver says it whenever it knows, zero included.
    pub fn set_lag(&mut self, lag: Duration) {
        self.lag = lag;
    }

    /// Every event for this control server has `waited` so long lately: fewer new calls, or all of them wait. True if it was let have
    /// all of them until now.
    pub fn handle_control_behind(&mut self, control: &str, waited: Duration, now: Instant) -> bool {
        self.behind.retain(|_, share| share.now(now) < ALL);
        let control = ControlUrl(control.into());
        let share = self.behind.get(&control).map_or(ALL, |share| share.now(now));
        let kept = EVENT_WAIT.as_millis() * u128::from(ALL) / waited.as_millis().max(1);
        let kept = u32::try_from(kept).unwrap_or(ALL).clamp(KEPT.0, KEPT.1);
        let share_of = Share { permille: (share * kept / ALL).max(LEAST), at: now };
        self.behind.insert(control, share_of);
        share == ALL
    }

    /// Whether a new call for this control server has to come again later.
    pub(super) fn is_too_many(&mut self, control: &ControlUrl, now: Instant) -> bool {
        let share = self.behind.get(control).map_or(ALL, |share| share.now(now));
        self.tokens.below(ALL) >= share
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
