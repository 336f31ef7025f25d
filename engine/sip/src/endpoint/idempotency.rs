//! The same key within five minutes is the same call: control may ask twice when an answer was lost.
//!
//! ```text
//!   key ──► Call-ID, until its time is over or 4096 newer keys came
//! ```
//! Shape:  a map and the order of arrival; both have the same entries.
//! Units:  `Instant` for the end of a key.
//! Errors: none. A key pushed out makes a new call.
//! Source: docs/openapi.yaml (`idempotency`).

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Keys remembered: 4096 × 200 bytes = 0.8 MiB, which is 13 calls a second for 5 minutes.
pub(super) const KEYS_MAX: usize = 4096;
/// Longest idempotency key.
pub(super) const KEY_LEN_MAX: usize = 128;
/// Keys of calls already made.
#[derive(Debug, Default)]
pub(super) struct Keys {
    callids: HashMap<String, String>,
    order: VecDeque<(Instant, String)>,
}

impl Keys {
    pub fn find(&mut self, key: &str, now: Instant) -> Option<&String> {
        while self.order.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, old)) = self.order.pop_front()
        {
            self.callids.remove(&old);
        }
        self.callids.get(key)
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn insert(&mut self, key: String, callid: String, until: Instant) {
        while self.order.len() >= KEYS_MAX
            && let Some((_, old)) = self.order.pop_front()
        {
            self.callids.remove(&old);
        }
        self.order.push_back((until, key.clone()));
        self.callids.insert(key, callid);
    }
}
