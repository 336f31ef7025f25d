//! One control server: who waits to tell it something, and how much it is asked at once.
//!
//! ```text
//!   calls, channels ─► ready ───────────────┐ three, then one
//!   registrations ───► ready_registrations ─┴─► next
//! ```
//! Shape:  rings of lanes by index and id; a lane that went meanwhile is skipped.
//! Behind: every event of a period waited for its turn; the least of these waits is a queue that stands (RFC 8289 §3).
//! Errors: none.
//! Not here: the lanes themselves (`queue`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::EventConfig;
use super::lane::{Lane, State};

/// One control server.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Its URL.
    pub(super) name: Arc<str>,
    pub(super) lanes: usize,
    pub(super) in_flight: usize,
    pub(super) registrations_in_flight: usize,
    /// Lanes by index and id, calls and channels; then registrations. Lanes that went meanwhile are skipped.
    pub(super) ready: VecDeque<(usize, u64)>,
    pub(super) ready_registrations: VecDeque<(usize, u64)>,
    /// Calls taken since the last registration.
    streak: u8,
    pub(super) failures: u32,
    pub(super) in_turn: bool,
    /// When the period began, and the shortest wait for a turn since then.
    period: Option<(Instant, Duration)>,
    pub(super) is_behind: bool,
}

impl Control {
    /// One that nothing was told yet.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, ..Self::default() }
    }

    /// Has it something to send, and room for it?
    pub(super) fn may_send(&self, config: &EventConfig) -> bool {
        let limit = self.limit(config);
        let registrations = !self.ready_registrations.is_empty() && self.registrations_in_flight < (limit / 2).max(1);
        self.in_flight < limit && (!self.ready.is_empty() || registrations)
    }

    /// The turn of a call or channel has come, after it `waited`. What there is to tell at the end of a period: how long every event of
    /// it waited, if that is too long; zero when it no longer is.
    pub(super) fn served(&mut self, waited: Duration, now: Instant, config: &EventConfig) -> Option<Duration> {
        let was = self.is_behind;
        if self.failures > 0 {
            (self.period, self.is_behind) = (None, false);
            return was.then_some(Duration::ZERO);
        }
        let (since, least) = self.period.map_or((now, waited), |(since, least)| (since, least.min(waited)));
        if now.saturating_duration_since(since) < config.behind_for {
            self.period = Some((since, least));
            return None;
        }
        (self.period, self.is_behind) = (None, least >= config.behind_wait);
        if self.is_behind { Some(least) } else { was.then_some(Duration::ZERO) }
    }

    fn limit(&self, config: &EventConfig) -> usize {
        if self.failures >= DOWN_FAILURES { 1 } else { config.in_flight_per_control.max(1) }
    }

    /// The lane whose turn it is: calls first, a registration after each [`CALLS_IN_A_ROW`].
    pub(super) fn next(&mut self, lanes: &Slab<Lane>, config: &EventConfig) -> Option<usize> {
        let registrations_allowed = self.registrations_in_flight < (self.limit(config) / 2).max(1);
        let is_ready = |(index, id): &(usize, u64)| lanes.get(*index).is_some_and(|lane| lane.id == *id && lane.state == State::Ready);
        while !self.ready.front().is_none_or(is_ready) {
            self.ready.pop_front();
        }
        while !self.ready_registrations.front().is_none_or(is_ready) {
            self.ready_registrations.pop_front();
        }
        let registration = registrations_allowed && !self.ready_registrations.is_empty();
        if registration && (self.ready.is_empty() || self.streak >= CALLS_IN_A_ROW) {
            self.streak = 0;
            return self.ready_registrations.pop_front().map(|(index, _)| index);
        }
        self.streak = self.streak.saturating_add(1);
        self.ready.pop_front().map(|(index, _)| index)
    }
}

/// A control server that fails so often on end is down: asking it by one request at a time spares both sides.
const DOWN_FAILURES: u32 = 8;
/// Of four requests to one control server under full load, one is a registration.
const CALLS_IN_A_ROW: u8 = 3;
