//! The event queue as a machine: events in, deliveries out, told the time.
//!
//! ```text
//!   handle_event ─► lane ─► ready ring of its control ─► turn of the controls ─► Output::Send
//!   handle_outcome ─► next of the lane | pause, then ready again | given up
//! ```
//! Shape:  after each `handle_*` drain `poll_output` until `Wait`. Bounds are those of [`EventConfig`].
//! Units:  `Instant`s given by the driver.
//! Errors: none; [`EventStats`] counts what was given up.
//! Rules:  2xx is success. 4xx is tried three times (it will hardly change), all else until the deadline of the event.
//!         A control server before which events stand in a queue is behind; that is told each 200 ms, and its end once.
//!         A control server that failed `DOWN_FAILURES` times on end is asked by one request at a time until it answers.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::EventConfig;
use super::control::Control;
use super::item::Event;
use super::lane::{Lane, State};
use crate::wire::Method;

/// A request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Given back with the outcome.
    pub id: (usize, u64),
    /// Method.
    pub method: Method,
    /// Control server and path.
    pub url: String,
    /// Body.
    pub body: Vec<u8>,
    /// For the whole request.
    pub timeout: Duration,
}

/// What became of a [`Delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The control server answered with this status.
    Answered(u16),
    /// It did not answer.
    Unreachable,
}

/// What the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this, then call `handle_outcome`.
    Send(Delivery),
    /// Control never learnt of this new call: `sip::Endpoint::handle_control_failed`.
    Failed(String),
    /// Every event for this control server has waited so long, or, at zero, no longer does: `sip::Endpoint::handle_control_behind`.
    Behind(Arc<str>, Duration),
    /// Nothing until an input, or until this time.
    Wait(Option<Instant>),
}

/// Counters of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventStats {
    /// Answered with 2xx.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Not sent because a newer one said all of it.
    pub replaced: u64,
    /// Given up: too late, refused, or no room.
    pub dropped: u64,
    /// New calls of which control could not be told.
    pub failed_calls: u64,
}

/// The queue.
#[derive(Debug)]
pub struct EventQueue {
    config: EventConfig,
    lanes: Slab<Lane>,
    by_address: HashMap<(Arc<str>, String), usize>,
    controls: Slab<Control>,
    /// Places of the controls, looked up when a lane opens; the lane keeps it.
    by_name: HashMap<Arc<str>, usize>,
    /// Controls with something ready and room to send it.
    turn: VecDeque<usize>,
    timers: BTreeSet<(Instant, usize)>,
    failed: VecDeque<String>,
    /// Control servers that are behind, and how far; zero for one that no longer is.
    behind: VecDeque<(Arc<str>, Duration)>,
    /// Of the last input.
    now: Instant,
    in_flight: usize,
    items: usize,
    next_id: u64,
    stats: EventStats,
}

impl EventQueue {
    /// An empty queue.
    pub fn new(config: EventConfig, now: Instant) -> Self {
        Self {
            config,
            now,
            behind: VecDeque::new(),
            lanes: Slab::new(),
            by_address: HashMap::new(),
            controls: Slab::new(),
            by_name: HashMap::new(),
            turn: VecDeque::new(),
            timers: BTreeSet::new(),
            failed: VecDeque::new(),
            in_flight: 0,
            items: 0,
            next_id: 0,
            stats: EventStats::default(),
        }
    }

    /// Something happened.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        self.now = now;
        let address = event.address();
        let (known, end) = (self.by_address.get(&address).copied(), event.is_end());
        let room = if end { self.config.lanes_max } else { self.config.lanes_max - self.config.lanes_max / 8 };
        let grows = known.and_then(|index| self.lanes.get(index)).is_none_or(Lane::grows);
        if (known.is_none() && self.lanes.len() >= room) || (self.items >= self.config.items_max && grows && !end) {
            self.stats.dropped += 1;
            if let Some(callid) = event.new_call() {
                self.stats.failed_calls += 1;
                self.failed.push_back(callid.to_owned());
            }
            return;
        }
        let index = known.unwrap_or_else(|| self.open(address, event.is_registration()));
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let pushed = lane.push(event, now, &self.config);
        let state = lane.state;
        self.items = (self.items + 1).saturating_sub(pushed.replaced + pushed.dropped);
        self.stats.replaced += pushed.replaced as u64;
        self.stats.dropped += pushed.dropped as u64;
        if known.is_none() {
            self.make_ready(index);
        } else if state == State::Ready {
            self.arm_deadline(index);
        }
    }

    /// A delivery came to its end.
    pub fn handle_outcome(&mut self, id: (usize, u64), outcome: Outcome, now: Instant) {
        self.now = now;
        let (index, id) = id;
        let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.id == id) else { return };
        let Some(mut item) = lane.in_flight.take() else { return };
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(control) = self.controls.get_mut(lane.control) {
            control.in_flight = control.in_flight.saturating_sub(1);
            control.registrations_in_flight = control.registrations_in_flight.saturating_sub(usize::from(lane.registration));
            control.failures = if outcome == Outcome::Unreachable { control.failures.saturating_add(1) } else { 0 };
        }
        self.items = self.items.saturating_sub(1);
        if matches!(outcome, Outcome::Answered(200..=299)) {
            self.stats.delivered += 1;
            lane.failures = 0;
            lane.fresh = None;
            self.go_on(index);
            return;
        }
        self.stats.failed_attempts += 1;
        lane.failures = lane.failures.saturating_add(1);
        let again = now + lane.pause(&self.config);
        // 408, 425 and 429 say "later" (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4).
        if matches!(outcome, Outcome::Answered(400..=499)) && !matches!(outcome, Outcome::Answered(408 | 425 | 429)) {
            item.refusals += 1;
        }
        let refused = item.refusals >= REFUSALS_MAX;
        if refused || again >= item.deadline {
            self.stats.dropped += 1;
        } else if lane.put_back(item) {
            self.items += 1;
        } else {
            self.stats.replaced += 1;
        }
        if refused || lane.fresh.as_ref().is_some_and(|(_, deadline)| again >= *deadline) {
            // The new call fails now: a pause that outlasts its time would only make the caller wait.
            if let Some((_, deadline)) = &mut lane.fresh {
                *deadline = now;
            }
            self.expire(index, now);
        }
        let Some(lane) = self.lanes.get_mut(index) else { return };
        if lane.waiting.is_empty() {
            self.go_on(index);
        } else {
            lane.state = State::Paused;
            let control = lane.control;
            self.arm(index, Some(again));
            self.take_turn(control);
        }
    }

    /// The time that `Wait` named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        // Each turn takes one timer; a lane that is armed again is armed for later, or for its deadline, which ends it.
        while let Some(&(due, index)) = self.timers.first().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, index));
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            lane.timer = None;
            match lane.state {
                State::Paused => self.make_ready(index),
                State::Ready => {
                    self.expire(index, now);
                    if self.lanes.get(index).is_some_and(|lane| lane.waiting.is_empty()) {
                        self.close(index);
                    } else {
                        self.arm_deadline(index);
                    }
                }
                State::InFlight => {}
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Output {
        if let Some(callid) = self.failed.pop_front() {
            return Output::Failed(callid);
        }
        if let Some((control, waited)) = self.behind.pop_front() {
            return Output::Behind(control, waited);
        }
        while self.in_flight < self.config.in_flight_max {
            let Some(place) = self.turn.pop_front() else { break };
            let Some(control) = self.controls.get_mut(place) else { continue };
            control.in_turn = false;
            let next = control.next(&self.lanes, &self.config);
            let delivery = next.and_then(|index| self.send(index));
            if delivery.is_some() {
                self.take_turn(place);
            }
            if let Some(delivery) = delivery {
                return Output::Send(delivery);
            }
        }
        Output::Wait(self.timers.first().map(|(due, _)| *due))
    }

    /// Counters since the start.
    pub fn stats(&self) -> EventStats {
        self.stats
    }

    /// Events not yet delivered.
    pub fn pending(&self) -> usize {
        self.items
    }

    /// Lanes with something to tell.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Control servers that cannot keep up.
    pub fn behind(&self) -> usize {
        self.controls.iter().filter(|(_, control)| control.is_behind).count()
    }

    fn open(&mut self, address: (Arc<str>, String), registration: bool) -> usize {
        self.next_id += 1;
        let name = &address.0;
        let known = self.by_name.get(name).copied();
        let place = known.unwrap_or_else(|| {
            let place = self.controls.insert(Control::new(Arc::clone(name)));
            self.by_name.insert(Arc::clone(name), place);
            place
        });
        if let Some(control) = self.controls.get_mut(place) {
            control.lanes += 1;
        }
        let index = self.lanes.insert(Lane {
            id: self.next_id,
            control: place,
            path: address.1.clone(),
            waiting: VecDeque::new(),
            in_flight: None,
            state: State::Paused,
            ready_since: self.now,
            failures: 0,
            fresh: None,
            timer: None,
            registration,
        });
        self.by_address.insert(address, index);
        index
    }

    fn close(&mut self, index: usize) {
        self.arm(index, None);
        let Some(lane) = self.lanes.try_remove(index) else { return };
        let Some(control) = self.controls.get_mut(lane.control) else { return };
        let name = Arc::clone(&control.name);
        control.lanes = control.lanes.saturating_sub(1);
        if control.lanes == 0 {
            if control.is_behind {
                self.behind.push_back((Arc::clone(&name), Duration::ZERO));
            }
            if control.in_turn {
                // The next one in this place takes its own turn.
                self.turn.retain(|place| *place != lane.control);
            }
            self.controls.remove(lane.control);
            self.by_name.remove(&name);
        }
        self.by_address.remove(&(name, lane.path));
    }

    /// The lane has nothing in flight any more: next event, or the end of it.
    fn go_on(&mut self, index: usize) {
        let Some(lane) = self.lanes.get(index) else { return };
        let control = lane.control;
        if lane.waiting.is_empty() {
            self.close(index);
        } else {
            self.make_ready(index);
        }
        self.take_turn(control);
    }

    fn make_ready(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.state = State::Ready;
        lane.ready_since = self.now;
        let (place, entry, registration) = (lane.control, (index, lane.id), lane.registration);
        if let Some(control) = self.controls.get_mut(place) {
            if registration { control.ready_registrations.push_back(entry) } else { control.ready.push_back(entry) }
        }
        self.arm_deadline(index);
        self.take_turn(place);
    }

    /// Gives the control its place in the turn, if it has something to send and room for it.
    fn take_turn(&mut self, place: usize) {
        let Some(control) = self.controls.get_mut(place) else { return };
        if !control.in_turn && control.may_send(&self.config) {
            control.in_turn = true;
            self.turn.push_back(place);
        }
    }

    fn send(&mut self, index: usize) -> Option<Delivery> {
        self.arm(index, None);
        let lane = self.lanes.get_mut(index)?;
        let control = self.controls.get_mut(lane.control)?;
        let item = lane.waiting.pop_front()?;
        let mut url = String::with_capacity(control.name.len() + lane.path.len());
        url.push_str(&control.name);
        url.push_str(&lane.path);
        let delivery =
            Delivery { id: (index, lane.id), method: item.event.method(), url, body: item.event.body(), timeout: self.config.attempt };
        lane.in_flight = Some(item);
        lane.state = State::InFlight;
        control.in_flight += 1;
        control.registrations_in_flight += usize::from(lane.registration);
        let waited = self.now.saturating_duration_since(lane.ready_since);
        // Registrations wait behind calls; what failed waits for other reasons.
        if !lane.registration
            && lane.failures == 0
            && let Some(waited) = control.served(waited, self.now, &self.config)
        {
            self.behind.push_back((Arc::clone(&control.name), waited));
        }
        self.in_flight += 1;
        Some(delivery)
    }

    fn expire(&mut self, index: usize, now: Instant) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let (dropped, failed) = lane.expire(now);
        self.items = self.items.saturating_sub(dropped);
        self.stats.dropped += dropped as u64;
        if let Some(callid) = failed {
            self.stats.failed_calls += 1;
            self.failed.push_back(callid);
        }
    }

    fn arm_deadline(&mut self, index: usize) {
        let deadline = self.lanes.get(index).and_then(Lane::deadline);
        self.arm(index, deadline);
    }

    fn arm(&mut self, index: usize, timer: Option<Instant>) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        if let Some(old) = lane.timer.take() {
            self.timers.remove(&(old, index));
        }
        lane.timer = timer;
        if let Some(due) = timer {
            self.timers.insert((due, index));
        }
    }
}

/// 4xx is not the network's fault; the third of the same event is believed.
const REFUSALS_MAX: u8 = 3;
