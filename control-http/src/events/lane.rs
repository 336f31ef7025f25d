//! The events of one call, registration or channel.
//!
//! ```text
//!   push ──► [ oldest … newest ] ──► in flight (one) ──► delivered, or back to the front, or replaced
//! ```
//! Shape:  at most [`ITEMS_MAX`] waiting: a channel tells about ten things in its life, a call with digits more.
//! Errors: none; what is replaced or dropped is counted by the caller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::EventConfig;
use super::item::{Event, Item};

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    /// Told apart from an earlier lane of the same index.
    pub(super) id: u64,
    /// Place of its control server.
    pub(super) control: usize,
    /// Path of its requests.
    pub(super) path: String,
    /// Waiting, oldest first.
    pub(super) waiting: VecDeque<Item>,
    /// Being sent.
    pub(super) in_flight: Option<Item>,
    /// What it does now.
    pub(super) state: State,
    /// Since when it waits for its turn, where it does.
    pub(super) ready_since: Instant,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// A new call of which control knows nothing yet, and when that is given up.
    pub(super) fresh: Option<(String, Instant)>,
    /// When the queue must look at it again.
    pub(super) timer: Option<Instant>,
    /// Sends after calls.
    pub(super) registration: bool,
}

/// What a lane does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for its turn.
    Ready,
    /// An event is on its way.
    InFlight,
    /// It pauses after a failure.
    Paused,
}

/// What became of older events when a newer came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// Said again by a newer one.
    pub(super) replaced: usize,
    /// Lost because the lane was full.
    pub(super) dropped: usize,
}

impl Lane {
    /// Takes an event, and drops what it makes needless.
    pub(super) fn push(&mut self, event: Event, now: Instant, config: &EventConfig) -> Pushed {
        let mut pushed = Pushed::default();
        if let Some(callid) = event.new_call() {
            self.fresh = Some((callid.to_owned(), now + config.new_call));
        }
        if event.ends_all() {
            // Nobody is waiting for control's decision on a call that is over.
            self.fresh = None;
            let before = self.waiting.len();
            self.waiting.retain(|item| item.event.is_end());
            pushed.replaced = before - self.waiting.len();
        } else if !self.grows() {
            self.waiting.pop_back();
            pushed.replaced = 1;
        }
        if self.waiting.len() >= ITEMS_MAX {
            self.waiting.pop_front();
            pushed.dropped = 1;
        }
        let time = if event.is_end() { config.end } else { config.other };
        self.waiting.push_back(Item { event, deadline: now + time, refusals: 0 });
        pushed
    }

    /// Would one more event make it longer? Not where it replaces the last one.
    pub(super) fn grows(&self) -> bool {
        !self.waiting.back().is_some_and(|last| last.event.replaceable())
    }

    /// Puts back what could not be delivered, unless a newer event says it all. True if it is back.
    pub(super) fn put_back(&mut self, item: Item) -> bool {
        if item.event.replaceable() && !self.waiting.is_empty() {
            return false;
        }
        self.waiting.push_front(item);
        true
    }

    /// The next time at which something in it is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let fresh = self.fresh.as_ref().map(|(_, deadline)| *deadline);
        self.waiting.iter().map(|item| item.deadline).chain(fresh).min()
    }

    /// Drops what is past its deadline; says how many, and the new call that fails with it.
    pub(super) fn expire(&mut self, now: Instant) -> (usize, Option<String>) {
        let before = self.waiting.len();
        self.waiting.retain(|item| item.deadline > now);
        let mut dropped = before - self.waiting.len();
        let failed = self.fresh.take_if(|(_, deadline)| *deadline <= now).map(|(callid, _)| callid);
        if failed.is_some() {
            // Control never heard of the call; only its end is worth telling from now on.
            let before = self.waiting.len();
            self.waiting.retain(|item| item.event.is_end());
            dropped += before - self.waiting.len();
        }
        (dropped, failed)
    }

    /// How long to pause after the failures so far. A few milliseconds by lane keep lanes from coming back all at once.
    pub(super) fn pause(&self, config: &EventConfig) -> Duration {
        let doubled = config.pause_min.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(config.pause_max) + Duration::from_millis(self.id % 64)
    }
}

/// Events waiting in one lane, at most.
const ITEMS_MAX: usize = 32;
