//! Subscriptions: who watches what, and the order of the NOTIFYs of each.
//!
//! ```text
//!   subscribe ─► active ──changed──► due ──poll_notice, begin──► under way ──answered──► active │ due again │ gone
//!                  │ refresh: new expiry, due        │ expiry, unsubscribe, ended: last NOTIFY, `terminated`
//! ```
//! Shape:  at most `subscriptions_max`, each a dialog (up to 6 KiB, usually 1) and 300 bytes: 20 000 × 1.5 KiB = 30 MiB; of one
//!         resource at most `watchers_max`. A phone that subscribes again after a restart replaces what it had.
//! Units:  lifetimes in seconds.
//! Errors: [`SubscribeError`], each one final response; a refused SUBSCRIBE changes nothing.
//! Driving: after every call that changes something drain [`Watchers::poll_notice`]; `next_deadline` says when to tell the time.
//! Source: RFC 6665 §4.2 (notifier), §4.1.3 (reasons), §4.4 (dialogs).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use slab::Slab;

use super::Package;
use crate::dialog::{Dialog, DialogError, Hop, Refusal};
use crate::flow::Flow;
use crate::message::{HeaderName, Method, Request, StatusCode, Writer};
use crate::timer::{TimerId, Wheel};

/// Longest value of Event that is given back.
const EVENT_LEN_MAX: usize = 128;

/// Rules and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherConfig {
    /// Lifetime where the watcher asks for none (RFC 3856 §6.4, 4235 §3.4).
    pub expires_s_default: u32,
    /// Shorter wishes get 423.
    pub expires_s_min: u32,
    /// Longer wishes are cut down to this.
    pub expires_s_max: u32,
    /// Subscriptions of all resources.
    pub subscriptions_max: usize,
    /// Subscriptions of one resource and package.
    pub watchers_max: usize,
}

impl Default for WatcherConfig {
    fn default() -> Self {
        Self { expires_s_default: 3600, expires_s_min: 60, expires_s_max: 7200, subscriptions_max: 20_000, watchers_max: 500 }
    }
}

/// Names a subscription; of one that is gone it finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatcherId {
    slot: u32,
    stamp: u32,
}

/// Why a subscription ended (RFC 6665 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its time was up, or it wanted one answer only.
    Timeout,
    /// What it watched is no more.
    NoResource,
    /// This server stops; another may do it.
    Deactivated,
}

impl Ended {
    /// The word in Subscription-State.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoResource => "noresource",
            Self::Deactivated => "deactivated",
        }
    }
}

/// Why a SUBSCRIBE is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// 423 with Min-Expires.
    #[error("a lifetime is shorter than {min_s} s")]
    TooBrief {
        /// Shortest lifetime, seconds.
        min_s: u32,
    },
    /// No more room: 503.
    #[error("all {max} subscriptions are in use")]
    Full {
        /// The limit.
        max: usize,
    },
    /// No dialog can be made of it.
    #[error(transparent)]
    Dialog(#[from] DialogError),
    /// It may not come now.
    #[error(transparent)]
    Order(#[from] Refusal),
    /// No such subscription: 481.
    #[error("no such subscription")]
    Unknown,
}

impl SubscribeError {
    /// The final response it becomes.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooBrief { .. } => StatusCode::INTERVAL_TOO_BRIEF,
            Self::Full { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Dialog(error) => error.status(),
            Self::Order(refusal) => refusal.status(),
            Self::Unknown => StatusCode::CALL_DOES_NOT_EXIST,
        }
    }
}

/// A SUBSCRIBE outside a dialog whose sender may watch what it names.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// What is watched.
    pub package: Package,
    /// `user@domain` that is watched.
    pub resource: &'a str,
    /// `user@domain` that watches.
    pub watcher: &'a str,
    /// Where it came from, and where its NOTIFYs go.
    pub flow: Flow,
    /// It proved a password, so it is one of our users: large NOTIFYs stay on the flow.
    pub phone: bool,
    /// Our tag of the dialog.
    pub tag: &'a str,
    /// Our Contact.
    pub contact: &'a str,
}

/// A NOTIFY to send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub id: WatcherId,
    /// What is watched.
    pub package: Package,
    /// `user@domain` that is watched.
    pub resource: Box<str>,
    /// Number of the document: 0, 1, 2 … per subscription.
    pub version: u32,
    /// Value of Subscription-State.
    pub state: String,
    /// Value of Event.
    pub event: Box<str>,
    /// Hop.
    pub flow: Flow,
    /// See [`Watch::phone`].
    pub phone: bool,
    /// Nothing comes after it.
    pub last: bool,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatcherStats {
    /// Live subscriptions.
    pub subscriptions: u64,
    /// Made.
    pub made: u64,
    /// NOTIFYs sent.
    pub notified: u64,
    /// Ended because a NOTIFY was not taken.
    pub lost: u64,
}

struct Entry {
    stamp: u32,
    dialog: Dialog,
    package: Package,
    resource: Box<str>,
    watcher: Box<str>,
    event: Box<str>,
    flow: Flow,
    phone: bool,
    expires_at: Instant,
    timer: Option<TimerId>,
    version: u32,
    /// A NOTIFY has no final response yet.
    under_way: bool,
    /// There is something to tell.
    dirty: bool,
    queued: bool,
    ended: Option<Ended>,
}

/// The table.
pub struct Watchers {
    config: WatcherConfig,
    entries: Slab<Entry>,
    by_tag: HashMap<Box<str>, u32>,
    by_resource: [HashMap<Box<str>, Vec<u32>>; Package::ALL.len()],
    wheel: Wheel<u32>,
    due: VecDeque<u32>,
    stamp: u32,
    stats: WatcherStats,
}

impl Watchers {
    /// An empty table.
    pub fn new(config: WatcherConfig, now: Instant) -> Self {
        Self {
            config,
            entries: Slab::new(),
            by_tag: HashMap::new(),
            by_resource: Default::default(),
            wheel: Wheel::new(now),
            due: VecDeque::new(),
            stamp: 0,
            stats: WatcherStats::default(),
        }
    }

    /// Makes a subscription; gives it and the seconds granted. Zero is one NOTIFY and no more (RFC 6665 §4.4.3).
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn subscribe(&mut self, watch: &Watch<'_>, now: Instant) -> Result<(WatcherId, u32), SubscribeError> {
        let granted = self.granted(watch.request)?;
        let mut dialog = Dialog::uas(watch.request, watch.tag, watch.contact)?;
        dialog.confirm();
        let watched = self.by_resource.get(watch.package.index()).and_then(|table| table.get(watch.resource));
        let same = |slot: &&u32| {
            let entry = self.entries.get(**slot as usize);
            entry.is_some_and(|entry| *entry.watcher == *watch.watcher && entry.dialog.target() == dialog.target())
        };
        // The phone was restarted and knows nothing of the old one, which nobody would ever end.
        if let Some(old) = watched.and_then(|slots| slots.iter().find(same).copied()) {
            self.remove(old);
        } else if watched.is_some_and(|slots| slots.len() >= self.config.watchers_max) {
            return Err(SubscribeError::Full { max: self.config.watchers_max });
        }
        if self.entries.len() >= self.config.subscriptions_max {
            return Err(SubscribeError::Full { max: self.config.subscriptions_max });
        }
        self.stamp = self.stamp.wrapping_add(1);
        let event = watch.request.headers().header(HeaderName::Event).unwrap_or_default();
        let entry = Entry {
            stamp: self.stamp,
            dialog,
            package: watch.package,
            resource: watch.resource.into(),
            watcher: watch.watcher.into(),
            event: if event.len() <= EVENT_LEN_MAX { event.into() } else { watch.package.token().into() },
            flow: watch.flow,
            phone: watch.phone,
            expires_at: now,
            timer: None,
            version: 0,
            under_way: false,
            dirty: false,
            queued: false,
            ended: None,
        };
        // At most `subscriptions_max` entries: the index fits.
        let slot = u32::try_from(self.entries.insert(entry)).unwrap_or(u32::MAX);
        self.by_tag.insert(watch.tag.into(), slot);
        if let Some(table) = self.by_resource.get_mut(watch.package.index()) {
            table.entry(watch.resource.into()).or_default().push(slot);
        }
        self.stats.made += 1;
        self.grant(slot, granted, now);
        Ok((WatcherId { slot, stamp: self.stamp }, granted))
    }

    /// Whether a request is a SUBSCRIBE inside a dialog of ours.
    pub fn owns(&self, request: &Request<'_>) -> bool {
        request.method() == Method::Subscribe && self.owned(request).is_some()
    }

    fn owned(&self, request: &Request<'_>) -> Option<u32> {
        let slot = self.by_tag.get(request.to().tag?).copied()?;
        let entry = self.entries.get(slot as usize)?;
        (entry.dialog.owns_request(request) && entry.ended.is_none()).then_some(slot)
    }

    /// Takes a SUBSCRIBE inside a dialog: refresh, or the end with Expires 0.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn refresh(&mut self, request: &Request<'_>, flow: Flow, now: Instant) -> Result<(WatcherId, u32), SubscribeError> {
        let slot = self.owned(request).ok_or(SubscribeError::Unknown)?;
        let granted = self.granted(request)?;
        let entry = self.entries.get_mut(slot as usize).ok_or(SubscribeError::Unknown)?;
        entry.dialog.handle_request(request)?;
        entry.dialog.refresh_target(request.headers());
        entry.flow = flow;
        let id = WatcherId { slot, stamp: entry.stamp };
        self.grant(slot, granted, now);
        Ok((id, granted))
    }

    /// What is watched has changed.
    pub fn changed(&mut self, package: Package, resource: &str) {
        let slots = self.by_resource.get(package.index()).and_then(|table| table.get(resource)).cloned().unwrap_or_default();
        for slot in slots {
            self.mark(slot);
        }
    }

    /// Whether anybody watches this.
    pub fn is_watched(&self, package: Package, resource: &str) -> bool {
        self.by_resource.get(package.index()).is_some_and(|table| table.contains_key(resource))
    }

    /// What is watched is no more: every package of this `user@domain`.
    pub fn end_resource(&mut self, resource: &str) {
        let tables = self.by_resource.iter();
        let slots: Vec<u32> = tables.filter_map(|table| table.get(resource)).flatten().copied().collect();
        for slot in slots {
            self.end(slot, Ended::NoResource);
        }
    }

    /// The server stops: all are told.
    pub fn end_all(&mut self) {
        let slots: Vec<u32> = self.entries.iter().filter_map(|(slot, _)| u32::try_from(slot).ok()).collect();
        for slot in slots {
            self.end(slot, Ended::Deactivated);
        }
    }

    /// A NOTIFY has its final response, or none came (`None`).
    pub fn answered(&mut self, id: WatcherId, status: Option<StatusCode>) {
        let Some(entry) = self.entries.get_mut(id.slot as usize).filter(|entry| entry.stamp == id.stamp) else { return };
        entry.under_way = false;
        // RFC 6665 §4.2.2: silence and these responses (RFC 5057 §5.1) end it without a word.
        let gone = status.is_none_or(|status| matches!(status.code(), 401 | 403..=405 | 407 | 410 | 416 | 480..=485 | 489 | 501 | 604));
        if gone {
            self.stats.lost += 1;
            self.remove(id.slot);
        } else if entry.dirty {
            self.mark(id.slot);
        }
    }

    /// Takes the time that `next_deadline` asked for.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(slot) = self.wheel.pop(now) {
            let Some(entry) = self.entries.get_mut(slot as usize) else { continue };
            entry.timer = None;
            self.end(slot, Ended::Timeout);
        }
    }

    /// The next NOTIFY to send. Send it with [`Watchers::begin`]; after the last one of a subscription that finds nothing.
    pub fn poll_notice(&mut self, now: Instant) -> Option<Notice> {
        while let Some(slot) = self.due.pop_front() {
            let Some(entry) = self.entries.get_mut(slot as usize) else { continue };
            entry.queued = false;
            if entry.under_way || !entry.dirty {
                continue;
            }
            let left = entry.expires_at.saturating_duration_since(now).as_millis().div_ceil(1000);
            let state = match entry.ended {
                None => format!("active;expires={left}"),
                Some(ended) => format!("terminated;reason={}", ended.word()),
            };
            return Some(Notice {
                id: WatcherId { slot, stamp: entry.stamp },
                package: entry.package,
                resource: entry.resource.clone(),
                version: entry.version,
                state,
                event: entry.event.clone(),
                flow: entry.flow,
                phone: entry.phone,
                last: entry.ended.is_some(),
            });
        }
        None
    }

    /// Begins the NOTIFY of a notice; the caller adds what the notice says and ends the message.
    pub fn begin<'o>(&mut self, id: WatcherId, out: &'o mut Vec<u8>, hop: &Hop<'_>) -> Option<Writer<'o>> {
        let entry = self.entries.get_mut(id.slot as usize).filter(|entry| entry.stamp == id.stamp)?;
        Some(entry.dialog.request(out, Method::Notify, hop))
    }

    /// The NOTIFY of a notice is on its way; `answered` follows, but for the last one.
    pub fn sent(&mut self, notice: &Notice) {
        self.stats.notified += 1;
        if notice.last {
            return self.remove(notice.id.slot);
        }
        if let Some(entry) = self.entries.get_mut(notice.id.slot as usize).filter(|entry| entry.stamp == notice.id.stamp) {
            entry.version += 1;
            entry.under_way = true;
            entry.dirty = false;
        }
    }

    /// The NOTIFY of a notice cannot be sent: without it the watcher would believe old news for ever.
    pub fn unsent(&mut self, notice: &Notice) {
        self.stats.lost += 1;
        if self.entries.get(notice.id.slot as usize).is_some_and(|entry| entry.stamp == notice.id.stamp) {
            self.remove(notice.id.slot);
        }
    }

    /// The dialog of a subscription, to answer its SUBSCRIBE with.
    pub fn dialog(&self, id: WatcherId) -> Option<&Dialog> {
        self.entries.get(id.slot as usize).filter(|entry| entry.stamp == id.stamp).map(|entry| &entry.dialog)
    }

    /// When to call `handle_timeout`.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Counters and gauges.
    pub fn stats(&self) -> WatcherStats {
        WatcherStats { subscriptions: self.entries.len() as u64, ..self.stats }
    }

    /// Nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn granted(&self, request: &Request<'_>) -> Result<u32, SubscribeError> {
        let wished = request.headers().expires().unwrap_or(self.config.expires_s_default);
        // RFC 6665 §4.2.1.1: zero is the end, and never too brief.
        if wished != 0 && wished < self.config.expires_s_min {
            return Err(SubscribeError::TooBrief { min_s: self.config.expires_s_min });
        }
        Ok(wished.min(self.config.expires_s_max))
    }

    fn grant(&mut self, slot: u32, granted: u32, now: Instant) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        if let Some(timer) = entry.timer.take() {
            self.wheel.cancel(timer);
        }
        entry.expires_at = now + Duration::from_secs(u64::from(granted));
        if granted == 0 {
            return self.end(slot, Ended::Timeout);
        }
        entry.timer = Some(self.wheel.set(entry.expires_at, slot));
        // RFC 6665 §4.2.1.2: every SUBSCRIBE is followed by a NOTIFY, whether anything changed or not.
        self.mark(slot);
    }

    fn end(&mut self, slot: u32, ended: Ended) {
        let Some(entry) = self.entries.get_mut(slot as usize).filter(|entry| entry.ended.is_none()) else { return };
        entry.ended = Some(ended);
        if let Some(timer) = entry.timer.take() {
            self.wheel.cancel(timer);
        }
        self.mark(slot);
    }

    fn mark(&mut self, slot: u32) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        entry.dirty = true;
        if !entry.under_way && !std::mem::replace(&mut entry.queued, true) {
            self.due.push_back(slot);
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some(entry) = self.entries.try_remove(slot as usize) else { return };
        if let Some(timer) = entry.timer {
            self.wheel.cancel(timer);
        }
        self.by_tag.remove(entry.dialog.local_tag());
        if let Some(table) = self.by_resource.get_mut(entry.package.index())
            && let Some(slots) = table.get_mut(&entry.resource)
        {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                table.remove(&entry.resource);
            }
        }
    }
}
