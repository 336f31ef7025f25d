//! Which targets did not answer lately: they are tried last, not never.
//! Shape:  at most `KNOWN_MAX` targets, 64 bytes each: 256 KiB.
//! Units:  a first failure counts 5 s, each further one twice as long, 5 minutes at most; a minute halves what is remembered.
//! Errors: none.
//! Source: RFC 3263 §4.3 leaves to us how long a failure is remembered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Target;

/// Targets remembered.
pub const KNOWN_MAX: usize = 4096;
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
const HALVED_EVERY_S: u64 = 60;
const FAILURES_MAX: u32 = 10;

#[derive(Debug, Clone, Copy)]
struct Ill {
    failures: u32,
    at: Instant,
    until: Instant,
}

/// What is known of targets, shared by all calls.
#[derive(Debug, Default)]
pub struct Health {
    ill: HashMap<Target, Ill>,
}

impl Health {
    /// A target did not answer, or answered 503.
    pub fn failed(&mut self, target: Target, now: Instant) {
        if self.ill.len() >= KNOWN_MAX && !self.ill.contains_key(&target) {
            self.ill.retain(|_, ill| ill.until > now);
            if self.ill.len() >= KNOWN_MAX {
                return;
            }
        }
        let before = self.ill.get(&target).map_or(0, |ill| {
            let halvings = now.saturating_duration_since(ill.at).as_secs() / HALVED_EVERY_S;
            ill.failures.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0)
        });
        let failures = (before + 1).min(FAILURES_MAX);
        let penalty = FIRST.saturating_mul(1 << (failures - 1)).min(LONGEST);
        self.ill.insert(target, Ill { failures, at: now, until: now + penalty });
    }

    /// A target answered.
    pub fn answered(&mut self, target: Target) {
        if !self.ill.is_empty() {
            self.ill.remove(&target);
        }
    }

    /// Whether a target is to be tried last.
    #[must_use]
    pub fn is_ill(&self, target: Target, now: Instant) -> bool {
        self.ill.get(&target).is_some_and(|ill| ill.until > now)
    }

    /// The ill ones behind the others, both in the order that DNS gave them.
    pub fn order(&self, targets: &mut [Target], now: Instant) {
        targets.sort_by_key(|target| self.is_ill(*target, now));
    }

    /// Targets remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ill.len()
    }

    /// Whether all are well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ill.is_empty()
    }
}
