//! More than can be served in time or kept: what is put off first, and what never.
//!
//! ```text
//!   late:  50 ms ─► REGISTER, SUBSCRIBE, PUBLISH, OPTIONS, MESSAGE wait      400 ms ─► new calls too      never ─► what belongs to a call
//!   full:  6/8 of the transactions or their memory ─► the same wait          7/8 ─► new calls too         never ─► what belongs to a call
//!   control is behind:  a share of the new calls that it would decide about
//!
//!   share of new calls let in:  1 ──told of a wait──► × 100 ms / wait, half to nine tenths ──time──► + a tenth a second ──► 1
//! ```
//! Shape:  [`Lag`], told by the driver, and how full the transactions are; an answer 503 with Retry-After, without state and before
//!         digest. Whose control a call has is known behind the digest only, so there the dice are thrown.
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
use crate::flow::ListenerId;
use crate::message::{HeaderName, Method, Request, StatusCode};
use crate::transaction::Work;

/// Above this lag, what can wait waits: a socket with its 4 MiB full of REGISTERs is about as late.
const LAG_LIGHT: Duration = Duration::from_millis(50);
/// Above this lag, new calls are refused as well: their 100 would come after the first repeat.
const LAG_CALLS: Duration = Duration::from_millis(400);
/// What the clock is late without work of ours: on a shared core others run meanwhile, for some slices of the scheduler.
const CLOCK_STOLEN: Duration = Duration::from_millis(150);
/// A lag of the clock that nobody confirms is forgotten.
const CLOCK_KEPT: Duration = Duration::from_secs(2);
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

/// How late we are.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// Of each socket, by the number of its listener: how long what it receives now has waited.
    sockets: Vec<Duration>,
    /// Of the clock: what was told last, the lesser of the last two, and when.
    clock: Option<(Duration, Duration, Instant)>,
}

impl Lag {
    /// The worst of all: whoever sends to the slow one waits, however fast the others are.
    pub fn worst(&self, now: Instant) -> Duration {
        let told = self.clock.filter(|(.., at)| now.saturating_duration_since(*at) < CLOCK_KEPT);
        let clock = told.map_or(Duration::ZERO, |(_, lag, _)| lag.saturating_sub(CLOCK_STOLEN));
        self.sockets.iter().copied().fold(clock, Duration::max)
    }
}

impl Endpoint {
    /// Tells how long what is received now has waited to be received. The driver says it whenever it knows, zero included.
    pub fn set_lag(&mut self, listener: ListenerId, lag: Duration) {
        let at = usize::from(listener.0);
        if at >= self.lag.sockets.len() {
            self.lag.sockets.resize(at + 1, Duration::ZERO);
        }
        if let Some(known) = self.lag.sockets.get_mut(at) {
            *known = lag;
        }
    }

    /// How late the driver does what was due: there is other work than what the sockets bring. It counts once it is said twice: a
    /// machine that stood still for a moment is late once, and serves whoever waited.
    pub fn handle_lag(&mut self, lag: Duration, now: Instant) {
        let before = self.lag.clock.map_or(Duration::ZERO, |(last, ..)| last);
        self.lag.clock = Some((lag, lag.min(before), now));
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

    /// Whether a request that belongs to nothing here has to come again later.
    pub(super) fn is_put_off(&self, method: Method<'_>, now: Instant) -> bool {
        let (work, patience) = match method {
            Method::Register | Method::Subscribe | Method::Publish | Method::Options | Method::Message => (Work::Light, LAG_LIGHT),
            Method::Invite => (Work::Call, LAG_CALLS),
            // Answered without state, which costs as little as to put it off.
            _ => return false,
        };
        self.lag.worst(now) > patience || !self.layer.has_room(work)
    }

    /// Answers such a request.
    pub(super) fn put_off(&mut self, request: &Request<'_>, source: &Source) {
        if request.method() == Method::Invite {
            self.stats.calls_put_off += 1;
        } else {
            self.stats.put_off += 1;
        }
        self.come_later(request, source);
    }

    /// 503 without state, when a table is full or the server is about to stop.
    pub(super) fn shed(&mut self, request: &Request<'_>, source: &Source) {
        self.stats.shed += 1;
        self.come_later(request, source);
    }

    /// What to tell those whom we cannot serve now.
    pub(super) fn wait_s(&mut self) -> u32 {
        let (least, most) = WAIT_S;
        least + self.tokens.below(most - least + 1)
    }

    fn come_later(&mut self, request: &Request<'_>, source: &Source) {
        let wait = self.wait_s();
        let later: (&str, &dyn Display) = (HeaderName::RetryAfter.as_str(), &wait);
        self.answer_stateless(request, source, StatusCode::SERVICE_UNAVAILABLE, &[later]);
    }
}
