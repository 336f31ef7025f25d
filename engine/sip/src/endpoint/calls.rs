//! Every call of the shard, by Call-ID, with one timer each.
//!
//! ```text
//!   Call-ID ──► key (slot, stamp) ──► Call          wheel: the next deadline of each call
//! ```
//! Shape:  at most `calls_max` calls; a key of a call that is gone finds nothing, never another call.
//! Errors: [`CallsError`]. One Call-ID is one call: control names calls by it.
//! Limits: a call is its record and its texts, usually 4 KiB when answered: record 2.2, dialog 1, two descriptions of 0.5 each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use super::call::Call;
use crate::api::ControlUrl;
use crate::timer::{TimerId, Wheel};

/// Names a live call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    slot: u32,
    stamp: u32,
}

impl CallKey {
    /// The key as one number, for a driver to give back.
    pub fn word(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.stamp)
    }

    /// The key of a number; of a wrong one it finds nothing.
    pub fn from_word(word: u64) -> Self {
        let half = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { slot: half(word >> 32), stamp: half(word) }
    }
}

/// Why a call cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallsError {
    /// The table is full.
    Full,
    /// A live call has this Call-ID.
    Exists,
}

struct Entry {
    stamp: u32,
    callid: Arc<str>,
    timer: Option<(TimerId, Instant)>,
    /// On the heap, so that the table may grow without holding twice what it has.
    call: Box<Call>,
}

/// The table.
pub(super) struct Calls {
    entries: Slab<Entry>,
    by_callid: HashMap<Arc<str>, u32>,
    wheel: Wheel<CallKey>,
    max: usize,
    stamp: u32,
}

impl Calls {
    pub fn new(max: usize, now: Instant) -> Self {
        Self { entries: Slab::new(), by_callid: HashMap::new(), wheel: Wheel::new(now), max, stamp: 0 }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    pub fn insert(&mut self, callid: &str, call: Call) -> Result<CallKey, CallsError> {
        if self.by_callid.contains_key(callid) {
            return Err(CallsError::Exists);
        }
        if self.is_full() {
            return Err(CallsError::Full);
        }
        self.stamp = self.stamp.wrapping_add(1);
        let callid: Arc<str> = callid.into();
        let entry = Entry { stamp: self.stamp, callid: callid.clone(), timer: None, call: Box::new(call) };
        // At most `calls_max` entries: the index fits.
        let slot = u32::try_from(self.entries.insert(entry)).unwrap_or(u32::MAX);
        self.by_callid.insert(callid, slot);
        let key = CallKey { slot, stamp: self.stamp };
        self.settle(key);
        Ok(key)
    }

    pub fn remove(&mut self, key: CallKey) -> Option<Call> {
        self.entries.get(key.slot as usize).filter(|entry| entry.stamp == key.stamp)?;
        let entry = self.entries.try_remove(key.slot as usize)?;
        self.by_callid.remove(&entry.callid);
        if let Some((timer, _)) = entry.timer {
            self.wheel.cancel(timer);
        }
        Some(*entry.call)
    }

    pub fn find(&self, callid: &str) -> Option<CallKey> {
        let slot = *self.by_callid.get(callid)?;
        self.entries.get(slot as usize).map(|entry| CallKey { slot, stamp: entry.stamp })
    }

    pub fn get(&self, key: CallKey) -> Option<&Call> {
        self.entries.get(key.slot as usize).filter(|entry| entry.stamp == key.stamp).map(|entry| &*entry.call)
    }

    pub fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        self.entries.get_mut(key.slot as usize).filter(|entry| entry.stamp == key.stamp).map(|entry| &mut *entry.call)
    }

    /// Call-IDs of the calls that are not over and whose events go to `control`.
    pub fn controlled_by(&self, control: &ControlUrl) -> Vec<String> {
        let theirs = |call: &Call| call.control.as_ref() == Some(control) && !call.view.hangup;
        self.entries.iter().filter(|(_, entry)| theirs(&entry.call)).map(|(_, entry)| entry.callid.to_string()).collect()
    }

    /// All keys, for shutting down.
    pub fn keys(&self) -> Vec<CallKey> {
        self.entries.iter().map(|(slot, entry)| CallKey { slot: u32::try_from(slot).unwrap_or(u32::MAX), stamp: entry.stamp }).collect()
    }

    /// Brings the timer of a call up to what its state says; to be called whenever the call was touched.
    pub fn settle(&mut self, key: CallKey) {
        let Some(entry) = self.entries.get_mut(key.slot as usize).filter(|entry| entry.stamp == key.stamp) else { return };
        entry.call.fold();
        let deadline = entry.call.deadline();
        if entry.timer.is_some_and(|(_, at)| at == deadline) {
            return;
        }
        if let Some((timer, _)) = entry.timer.take() {
            self.wheel.cancel(timer);
        }
        // Every call has a deadline, always: none stays for ever.
        entry.timer = Some((self.wheel.set(deadline, key), deadline));
    }

    /// A call whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<CallKey> {
        loop {
            let key = self.wheel.pop(now)?;
            if let Some(entry) = self.entries.get_mut(key.slot as usize).filter(|entry| entry.stamp == key.stamp) {
                entry.timer = None;
                return Some(key);
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }
}
