//! What users published about themselves: event state by entity tag.
//!
//! ```text
//!   no tag, body ─► made      tag, body ─► replaced      tag, no body ─► refreshed      tag, Expires 0 ─► gone      other tag ─► 412
//! ```
//! Shape:  at most `publications_max` of `body_len_max` bytes: 20 000 × 4 KiB = 80 MiB at worst; of one user `per_user_max`, the
//!         one longest not touched gives way. Every answer has a new entity tag.
//! Units:  lifetimes in seconds.
//! Errors: [`PublishError`], each one final response; a refused PUBLISH changes nothing.
//! Several devices: the one that published last speaks for the user (RFC 3903 §4.1 leaves the composition to us).
//! Source: RFC 3903 §4 and §6.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::message::StatusCode;
use crate::timer::{TimerId, Wheel};

/// Rules and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationConfig {
    /// Lifetime where the publisher asks for none (RFC 3903 §4.2).
    pub expires_s_default: u32,
    /// Shorter wishes get 423.
    pub expires_s_min: u32,
    /// Longer wishes are cut down to this.
    pub expires_s_max: u32,
    /// Publications of all users.
    pub publications_max: usize,
    /// Publications of one user.
    pub per_user_max: usize,
    /// Longest body.
    pub body_len_max: usize,
}

impl Default for PublicationConfig {
    fn default() -> Self {
        Self {
            expires_s_default: 3600,
            expires_s_min: 60,
            expires_s_max: 7200,
            publications_max: 20_000,
            per_user_max: 8,
            body_len_max: 4096,
        }
    }
}

/// A PUBLISH whose sender may speak for the user.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// `user@domain`.
    pub resource: &'a str,
    /// SIP-If-Match.
    pub tag: Option<&'a str>,
    /// Expires.
    pub expires_s: Option<u32>,
    /// The document; `None` if there is none.
    pub body: Option<&'a str>,
    /// Entity tag for the answer.
    pub new_tag: &'a str,
}

/// Answer to a PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Seconds granted.
    pub expires_s: u32,
    /// Watchers have to be told.
    pub changed: bool,
}

/// Why a PUBLISH is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Neither a tag nor a body: 400.
    #[error("nothing is published")]
    NoBody,
    /// 413.
    #[error("a body longer than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The tag is not, or no longer, known: 412.
    #[error("no such entity tag")]
    Unmatched,
    /// 423 with Min-Expires.
    #[error("a lifetime is shorter than {min_s} s")]
    TooBrief {
        /// Shortest lifetime, seconds.
        min_s: u32,
    },
    /// No more room: 503.
    #[error("all {max} publications are in use")]
    Full {
        /// The limit.
        max: usize,
    },
}

impl PublishError {
    /// The final response it becomes.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoBody => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            Self::Unmatched => StatusCode::CONDITIONAL_REQUEST_FAILED,
            Self::TooBrief { .. } => StatusCode::INTERVAL_TOO_BRIEF,
            Self::Full { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

struct Entry {
    resource: Box<str>,
    tag: Box<str>,
    body: Box<str>,
    timer: TimerId,
}

/// The table.
pub struct Publications {
    config: PublicationConfig,
    entries: Slab<Entry>,
    /// Slots of each user, the one touched last at the end.
    by_resource: HashMap<Box<str>, Vec<u32>>,
    wheel: Wheel<u32>,
}

impl Publications {
    /// An empty table.
    pub fn new(config: PublicationConfig, now: Instant) -> Self {
        Self { config, entries: Slab::new(), by_resource: HashMap::new(), wheel: Wheel::new(now) }
    }

    /// Applies a PUBLISH.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish(&mut self, request: &Publish<'_>, now: Instant) -> Result<Published, PublishError> {
        let wished = request.expires_s.unwrap_or(self.config.expires_s_default);
        let known = match request.tag {
            None => None,
            Some(tag) => Some(self.slot_of(request.resource, tag).ok_or(PublishError::Unmatched)?),
        };
        if wished == 0
            && let Some(slot) = known
        {
            self.remove(slot);
            return Ok(Published { expires_s: 0, changed: true });
        }
        if wished < self.config.expires_s_min {
            return Err(PublishError::TooBrief { min_s: self.config.expires_s_min });
        }
        if request.body.is_some_and(|body| body.len() > self.config.body_len_max) {
            return Err(PublishError::TooLarge { max: self.config.body_len_max });
        }
        let expires_s = wished.min(self.config.expires_s_max);
        let due = now + Duration::from_secs(u64::from(expires_s));
        let slot = match (known, request.body) {
            (None, None) => return Err(PublishError::NoBody),
            (None, Some(body)) => self.insert(request, body, due)?,
            (Some(slot), body) => {
                let timer = self.wheel.set(due, slot);
                let Some(entry) = self.entries.get_mut(slot as usize) else { return Err(PublishError::Unmatched) };
                self.wheel.cancel(std::mem::replace(&mut entry.timer, timer));
                entry.tag = request.new_tag.into();
                if let Some(body) = body {
                    entry.body = body.into();
                }
                slot
            }
        };
        if request.body.is_some()
            && let Some(slots) = self.by_resource.get_mut(request.resource)
        {
            slots.retain(|other| *other != slot);
            slots.push(slot);
        }
        Ok(Published { expires_s, changed: request.body.is_some() })
    }

    /// What speaks for a user now.
    pub fn body(&self, resource: &str) -> Option<&str> {
        let slot = self.by_resource.get(resource)?.last()?;
        self.entries.get(*slot as usize).map(|entry| &*entry.body)
    }

    /// Ends what has expired; gives the users whose state changed by it.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Box<str>> {
        let mut changed = Vec::new();
        while let Some(slot) = self.wheel.pop(now) {
            changed.extend(self.remove(slot));
        }
        changed
    }

    /// The user is no more.
    pub fn end_resource(&mut self, resource: &str) {
        for slot in self.by_resource.get(resource).cloned().unwrap_or_default() {
            self.remove(slot);
        }
    }

    /// When to call `handle_timeout`.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Live publications.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nobody published anything.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn insert(&mut self, request: &Publish<'_>, body: &str, due: Instant) -> Result<u32, PublishError> {
        let slots = self.by_resource.get(request.resource).map(Vec::as_slice).unwrap_or_default();
        if let Some(oldest) = slots.first().copied().filter(|_| slots.len() >= self.config.per_user_max) {
            self.remove(oldest);
        }
        if self.entries.len() >= self.config.publications_max {
            return Err(PublishError::Full { max: self.config.publications_max });
        }
        let vacant = self.entries.vacant_entry();
        // At most `publications_max` entries: the index fits.
        let slot = u32::try_from(vacant.key()).unwrap_or(u32::MAX);
        let timer = self.wheel.set(due, slot);
        vacant.insert(Entry { resource: request.resource.into(), tag: request.new_tag.into(), body: body.into(), timer });
        self.by_resource.entry(request.resource.into()).or_default().push(slot);
        Ok(slot)
    }

    fn slot_of(&self, resource: &str, tag: &str) -> Option<u32> {
        let is_it = |slot: &&u32| self.entries.get(**slot as usize).is_some_and(|entry| *entry.tag == *tag);
        self.by_resource.get(resource)?.iter().find(is_it).copied()
    }

    fn remove(&mut self, slot: u32) -> Option<Box<str>> {
        let entry = self.entries.try_remove(slot as usize)?;
        self.wheel.cancel(entry.timer);
        if let Some(slots) = self.by_resource.get_mut(&entry.resource) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_resource.remove(&entry.resource);
            }
        }
        Some(entry.resource)
    }
}
