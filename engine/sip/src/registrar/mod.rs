//! Who can be reached where: bindings of addresses of record to contacts, kept alive by REGISTER and watched by OPTIONS.
//!
//! ```text
//!   Register ──► register ──► 200 with bindings()       handle_timeout ──► expiry, poll_ping ──► OPTIONS
//!                                                        handle_pong ◄── any answer            poll_event ──► PUT | DELETE /reg
//! ```
//! Shape:  at most `bindings_per_aor_max` bindings of one AOR (the one longest not refreshed gives way) and `bindings_max` in all.
//!         One binding costs about 0.6 KiB: record 230, timer 64, index 60, and its texts: AOR, contact, agent and, rarely, a path.
//! Units:  expiry in seconds, everything else `Instant` and `Duration`.
//! Errors: [`RegisterError`], each one final response. A refused REGISTER changes nothing (RFC 3261 §10.3 step 7).
//! Driving: after `register`, `handle_timeout` and `remove_*`, drain `poll_ping` and `poll_event`; `next_deadline` says when to call.
//! Not here: authentication (`auth`), messages (`endpoint`). The AOR is taken as proven.
//! Source: RFC 3261 §10.3.

mod binding;
mod config;
mod flows;
mod request;
#[cfg(test)]
mod tests;

pub use binding::{Binding, BindingId, Ping};
pub use config::{RegistrarConfig, RegistrarEvent, RegistrarStats};
pub use request::{ContactUpdate, Contacts, Register, RegisterError};

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::Rng;
use slab::Slab;

use crate::message::Uri;
use crate::timer::Wheel;
use binding::{CallIdHash, agent_text, instance_hash};

/// All bindings.
pub struct Registrar {
    config: RegistrarConfig,
    bindings: Slab<Binding>,
    /// Slots of each AOR, the one refreshed last at the end.
    aors: HashMap<Arc<str>, Vec<u32>>,
    wheel: Wheel<u32>,
    flows: flows::Flows,
    pings: VecDeque<Ping>,
    events: VecDeque<RegistrarEvent>,
    stats: RegistrarStats,
}

impl Registrar {
    /// An empty registrar.
    pub fn new(config: RegistrarConfig, now: Instant) -> Self {
        Self {
            config,
            bindings: Slab::new(),
            aors: HashMap::new(),
            wheel: Wheel::new(now),
            flows: flows::Flows::default(),
            pings: VecDeque::new(),
            events: VecDeque::new(),
            stats: RegistrarStats::default(),
        }
    }

    /// Applies a REGISTER, wholly or not at all.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub fn register(&mut self, request: &Register<'_>, rng: &mut impl Rng, now: Instant) -> Result<(), RegisterError> {
        let aor = aor_key(request.user, request.domain);
        let call_id = CallIdHash::of(request.call_id);
        match request.contacts {
            Contacts::Fetch => Ok(()),
            Contacts::Star => self.remove_all(&aor, request, call_id),
            Contacts::List(contacts) => {
                let granted = self.check(&aor, contacts, request, call_id)?;
                for (contact, expires_s) in contacts.iter().zip(granted) {
                    self.apply(&aor, contact, expires_s, request, call_id, rng, now);
                }
                self.shed(&aor);
                Ok(())
            }
        }
    }

    /// An answer to an OPTIONS arrived, whatever its status: somebody is there.
    pub fn handle_pong(&mut self, id: BindingId) {
        if let Some(binding) = self.bindings.get_mut(id.slot as usize).filter(|binding| binding.stamp == id.stamp) {
            binding.pings_outstanding = 0;
        }
    }

    /// Ends what has expired and queues the OPTIONS that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(slot) = self.wheel.pop(now) {
            let Some(binding) = self.bindings.get_mut(slot as usize) else { continue };
            binding.timer = None;
            if binding.expires_at <= now {
                self.stats.expired += 1;
                self.end(slot, true);
                continue;
            }
            if binding.ping_at.is_some_and(|at| at <= now) {
                if binding.pings_outstanding >= self.config.pings_lost_max {
                    self.stats.lost += 1;
                    self.end(slot, true);
                    continue;
                }
                binding.pings_outstanding += 1;
                // From now and not from the last date: after a stall the pings stay one period apart.
                binding.ping_at = self.config.ping_every.map(|every| now + every);
                self.stats.pings += 1;
                self.pings.push_back(Ping {
                    id: BindingId { slot, stamp: binding.stamp },
                    flow: binding.flow,
                    contact: binding.contact.clone(),
                    path: binding.path.clone(),
                });
            }
            self.arm(slot);
        }
    }

    /// Ends all bindings of a user who is no more, without an event: control removed the user itself.
    pub fn remove_user(&mut self, user: &str, domain: &str) {
        let aor = aor_key(user, domain);
        while let Some(&slot) = self.aors.get(aor.as_str()).and_then(|slots| slots.last()) {
            self.end(slot, false);
        }
    }

    /// The OPTIONS to send now.
    pub fn poll_ping(&mut self) -> Option<Ping> {
        self.pings.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Live bindings of an AOR, the one refreshed last first.
    pub fn newest(&self, user: &str, domain: &str) -> impl Iterator<Item = &Binding> {
        let slots = self.aors.get(aor_key(user, domain).as_str()).map(Vec::as_slice).unwrap_or_default();
        slots.iter().rev().filter_map(|slot| self.bindings.get(*slot as usize))
    }

    /// Live bindings of an AOR in the order in which to call them: by `q`, and among equals the one refreshed last first.
    pub fn bindings(&self, user: &str, domain: &str) -> impl Iterator<Item = &Binding> {
        let mut bindings: Vec<&Binding> = self.newest(user, domain).collect();
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        bindings.into_iter()
    }

    /// Live bindings of all AORs.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// Counters and gauges.
    pub fn stats(&self) -> RegistrarStats {
        RegistrarStats { bindings: self.bindings.len() as u64, aors: self.aors.len() as u64, ..self.stats }
    }

    /// RFC 3261 §10.3 step 6: `*` only with Expires 0, and every binding has to pass the order check.
    fn remove_all(&mut self, aor: &str, request: &Register<'_>, call_id: CallIdHash) -> Result<(), RegisterError> {
        if request.expires_s != Some(0) {
            return Err(RegisterError::StarNeedsZero);
        }
        let slots = self.aors.get(aor).cloned().unwrap_or_default();
        if slots.iter().any(|slot| self.bindings.get(*slot as usize).is_some_and(|binding| binding.is_newer(call_id, request.cseq))) {
            return Err(RegisterError::OutOfOrder);
        }
        for slot in slots {
            self.end(slot, true);
        }
        Ok(())
    }

    /// RFC 3261 §10.3 step 7, the half that only looks: lifetimes to grant, in the order of the contacts.
    fn check(
        &self,
        aor: &str,
        contacts: &[ContactUpdate<'_>],
        request: &Register<'_>,
        call_id: CallIdHash,
    ) -> Result<Vec<u32>, RegisterError> {
        if contacts.len() > self.config.bindings_per_aor_max {
            return Err(RegisterError::TooManyContacts { max: self.config.bindings_per_aor_max });
        }
        if request.path.is_some_and(|path| path.len() > request::PATH_LEN_MAX) {
            return Err(RegisterError::PathTooLong { max: request::PATH_LEN_MAX });
        }
        let slots = self.aors.get(aor).map(Vec::as_slice).unwrap_or_default();
        let mut granted = Vec::with_capacity(contacts.len());
        let mut added = 0;
        for contact in contacts {
            if contact.uri.len() > request::CONTACT_LEN_MAX {
                return Err(RegisterError::ContactTooLong { max: request::CONTACT_LEN_MAX });
            }
            let wished = contact.expires_s.or(request.expires_s).unwrap_or(self.config.expires_s_default);
            // Zero is de-registration and never too brief.
            if wished != 0 && wished < self.config.expires_s_min {
                return Err(RegisterError::TooBrief { min_s: self.config.expires_s_min });
            }
            granted.push(wished.min(self.config.expires_s_max));
            match self.matching(slots, contact.uri) {
                Some(binding) if binding.is_newer(call_id, request.cseq) => return Err(RegisterError::OutOfOrder),
                Some(_) => {}
                None => added += usize::from(wished != 0),
            }
        }
        // What the AOR will give way to frees room first.
        let shed = (slots.len() + added).saturating_sub(self.config.bindings_per_aor_max);
        if self.bindings.len() + added > self.config.bindings_max + shed {
            return Err(RegisterError::Full { max: self.config.bindings_max });
        }
        Ok(granted)
    }

    #[allow(clippy::too_many_arguments, reason = "one call, from `register`, which has all of them at hand")]
    fn apply(
        &mut self,
        aor: &str,
        contact: &ContactUpdate<'_>,
        expires_s: u32,
        request: &Register<'_>,
        call_id: CallIdHash,
        rng: &mut impl Rng,
        now: Instant,
    ) {
        let uri = contact.uri;
        let known = self.slot_of(aor, uri);
        let instance = instance_hash(contact.instance);
        // A phone that came back at another address leaves no ghost: its user is still registered, so nobody is told.
        if instance != 0
            && let Some(ghost) = self.slot_of_instance(aor, instance).filter(|ghost| Some(*ghost) != known)
        {
            self.end(ghost, false);
        }
        if expires_s == 0 {
            if let Some(slot) = known {
                self.end(slot, true);
            }
            return;
        }
        let expires_at = now + Duration::from_secs(u64::from(expires_s));
        let slot = match known {
            Some(slot) => {
                self.stats.refreshed += 1;
                if let Some(slots) = self.aors.get_mut(aor) {
                    slots.retain(|other| *other != slot);
                    slots.push(slot);
                }
                slot
            }
            None => {
                self.stats.made += 1;
                let key = self.aors.get_key_value(aor).map_or_else(|| Arc::from(aor), |(key, _)| key.clone());
                let binding = Binding {
                    aor: key.clone(),
                    contact: uri.into(),
                    agent: None,
                    path: None,
                    instance,
                    q: contact.q,
                    call_id,
                    cseq: request.cseq,
                    flow: request.flow,
                    expires_s,
                    expires_at,
                    registered_at: now,
                    // Anywhere in the period: a thousand phones that come back together are not pinged together.
                    ping_at: self.config.ping_every.map(|every| now + every.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))),
                    pings_outstanding: 0,
                    stamp: rng.next_u32(),
                    timer: None,
                };
                // A slab of at most `bindings_max` entries: the index fits.
                let slot = u32::try_from(self.bindings.insert(binding)).unwrap_or(u32::MAX);
                self.aors.entry(key).or_default().push(slot);
                slot
            }
        };
        let Some(binding) = self.bindings.get_mut(slot as usize) else { return };
        if binding.agent.as_deref() != request.agent {
            binding.agent = agent_text(request.agent);
        }
        if binding.path.as_deref() != request.path {
            binding.path = request.path.map(Box::from);
        }
        binding.instance = instance;
        binding.q = contact.q;
        binding.call_id = call_id;
        binding.cseq = request.cseq;
        let before = std::mem::replace(&mut binding.flow, request.flow);
        binding.expires_s = expires_s;
        binding.expires_at = expires_at;
        binding.pings_outstanding = 0;
        self.events.push_back(RegistrarEvent { registered: true, binding: binding.clone() });
        self.flows.remove(before, slot);
        self.flows.add(request.flow, slot);
        self.arm(slot);
    }

    /// Brings an AOR back under its limit.
    fn shed(&mut self, aor: &str) {
        while let Some(slots) = self.aors.get(aor)
            && slots.len() > self.config.bindings_per_aor_max
            && let Some(&oldest) = slots.first()
        {
            self.end(oldest, true);
        }
    }

    fn arm(&mut self, slot: u32) {
        let Some(binding) = self.bindings.get_mut(slot as usize) else { return };
        if let Some(timer) = binding.timer.take() {
            self.wheel.cancel(timer);
        }
        binding.timer = Some(self.wheel.set(binding.ping_at.map_or(binding.expires_at, |at| at.min(binding.expires_at)), slot));
    }

    fn end(&mut self, slot: u32, tell: bool) {
        let Some(mut binding) = self.bindings.try_remove(slot as usize) else { return };
        if let Some(timer) = binding.timer.take() {
            self.wheel.cancel(timer);
        }
        self.flows.remove(binding.flow, slot);
        if let Some(slots) = self.aors.get_mut(&binding.aor) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.aors.remove(&binding.aor);
            }
        }
        if tell {
            binding.expires_s = 0;
            self.events.push_back(RegistrarEvent { registered: false, binding });
        }
    }

    fn slot_of(&self, aor: &str, uri: &str) -> Option<u32> {
        let is_it = |slot: &&u32| self.bindings.get(**slot as usize).is_some_and(|binding| same_uri(&binding.contact, uri));
        self.aors.get(aor)?.iter().find(is_it).copied()
    }

    fn slot_of_instance(&self, aor: &str, instance: u64) -> Option<u32> {
        let is_it = |slot: &&u32| self.bindings.get(**slot as usize).is_some_and(|binding| binding.instance == instance);
        self.aors.get(aor)?.iter().find(is_it).copied()
    }

    fn matching(&self, slots: &[u32], uri: &str) -> Option<&Binding> {
        slots.iter().filter_map(|slot| self.bindings.get(*slot as usize)).find(|binding| same_uri(&binding.contact, uri))
    }
}

/// The index key. A user name may hold `@` (escaped in a URI), a domain may not.
fn aor_key(user: &str, domain: &str) -> String {
    let mut key = String::with_capacity(user.len() + 1 + domain.len());
    key.push_str(user);
    key.push('@');
    key.push_str(domain);
    key
}

/// RFC 3261 §19.1.4; what is no URI equals itself only.
fn same_uri(a: &str, b: &str) -> bool {
    a == b || Uri::parse(a).ok().zip(Uri::parse(b).ok()).is_some_and(|(a, b)| a.matches(&b))
}
