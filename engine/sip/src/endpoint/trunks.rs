//! Trunks: what their machines want done, what providers answer, and calls through them.
//!
//! ```text
//!   PUT /trunk ─► Trunk ─► Locate │ REGISTER │ OPTIONS ─► transaction ─► 200, 401, 423, silence ─► Trunk
//!   originate ─► trunks named, or those of the domain: those that are up first, by priority ─► leg_failed ─► the next
//! ```
//! Shape:  at most 256; those that send from an address are found by one search of a sorted list.
//! Callers: of several trunks at one address the account of the Request-URI decides (our Contact there), then that of To, the
//!         domain of To or From, the port; where all are alike, the priority and then the name.
//! Errors: to control [`CommandError`]; what a provider answers is in the view.
//! Source: RFC 3261 §10.2, §22.2; RFC 3263 §4.3.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::auths::Auths;
use super::call::Phase;
use super::caller::domain_of;
use super::calls::CallKey;
use super::event::user_of;
use super::hop::SIP_PORT;
use super::leg::Leg;
use super::originate::Route;
use super::{Endpoint, Output, Owner, ResolveId, identity};
use crate::api::{CommandError, Originate, Reply, TrunkConfig};
use crate::auth::Identity;
use crate::dialog::Hop;
use crate::flow::{Flow, Transport};
use crate::locate::{LocateError, TARGETS_MAX, Target, Wish};
use crate::message::{HeaderName, Method, Request, Response, StatusCode, Writer};
use crate::shard::TrunkSources as Sources;
use crate::trunk::{Step, TRUNKS_MAX, Trunk, wish};

/// Marks the lookups of trunks; those of calls have a slot there, which never gets so high.
const RESOLVE_MARK: u64 = 1 << 63;

/// What a transaction is to its trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// REGISTER.
    Register,
    /// OPTIONS.
    Probe,
}

/// The table.
#[derive(Default)]
pub(super) struct Trunks {
    names: BTreeMap<String, u32>,
    entries: HashMap<u32, Entry>,
    /// What they send from, by address, priority and name; those of another shard where that one keeps them.
    sources: Sources,
    /// The sources are others than those that were told.
    changed: bool,
    last: u32,
    due: Option<Instant>,
}

struct Entry {
    trunk: Trunk,
    call_id: String,
    tag: String,
    cseq: u32,
    auths: Auths,
}

impl Trunks {
    /// When the first of them wants the time.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// How many there are, and how many of them are up.
    pub fn count(&self, now: Instant) -> (usize, usize) {
        (self.entries.len(), self.entries.values().filter(|entry| entry.trunk.is_up(now)).count())
    }

    /// Whether a trunk sends from an address.
    pub fn knows(&self, ip: IpAddr) -> bool {
        self.of_address(ip).next().is_some()
    }

    /// The trunk that a request from outside came by.
    pub fn caller(&self, request: &Request<'_>, from: SocketAddr) -> Option<&TrunkConfig> {
        let (called, to) = (user_of(request.uri()), user_of(&request.to().uri));
        let domains = [domain_of(&request.to().uri), domain_of(&request.from().uri)];
        let likeness = |(peer, config): &&(SocketAddr, Arc<TrunkConfig>)| {
            let is_domain = |domain: &Option<String>| domain.as_ref().is_some_and(|domain| domain.eq_ignore_ascii_case(&config.domain));
            (called == config.user, to == config.user, domains.iter().any(is_domain), peer.port() == from.port())
        };
        // The last of equals wins a maximum, and the first is wanted.
        self.of_address(from.ip()).rev().max_by_key(likeness).map(|(_, config)| &**config)
    }

    fn of_address(&self, ip: IpAddr) -> impl DoubleEndedIterator<Item = &(SocketAddr, Arc<TrunkConfig>)> {
        let ip = ip.to_canonical();
        let first = self.sources.partition_point(|(peer, _)| peer.ip() < ip);
        let end = self.sources.partition_point(|(peer, _)| peer.ip() <= ip);
        self.sources.get(first..end).unwrap_or_default().iter()
    }

    /// What the other shards have to know, if it has changed.
    pub fn news(&mut self) -> Option<Sources> {
        std::mem::take(&mut self.changed).then(|| self.sources.clone())
    }

    /// What the shard of the trunks said.
    pub fn told(&mut self, sources: Sources) {
        self.sources = sources;
    }

    /// Brings what is derived up to date.
    fn index(&mut self) {
        self.due = self.entries.values().map(|entry| entry.trunk.due()).min();
        let mut sources = Sources::new();
        for entry in self.entries.values() {
            let peers = entry.trunk.targets().map(|target| SocketAddr::new(target.peer.ip().to_canonical(), target.peer.port()));
            sources.extend(peers.map(|peer| (peer, Arc::clone(entry.trunk.config()))));
        }
        sources.sort_by(|(a, of_a), (b, of_b)| {
            let (a, b) = ((a.ip(), of_a.priority, &of_a.name, a.port()), (b.ip(), of_b.priority, &of_b.name, b.port()));
            a.cmp(&b)
        });
        self.changed |= sources != self.sources;
        self.sources = sources;
    }
}

impl Endpoint {
    /// `PUT /trunk/{name}`.
    pub(super) fn trunk_put(&mut self, config: TrunkConfig, now: Instant) -> Result<Reply, CommandError> {
        let known = self.trunks.names.contains_key(&config.name);
        if !known && self.trunks.entries.len() >= TRUNKS_MAX {
            return Err(CommandError::Full { what: "trunks", max: TRUNKS_MAX });
        }
        self.trunk_remove(&config.name, now);
        self.trunks.last = self.trunks.last.wrapping_add(1);
        let id = self.trunks.last;
        self.trunks.names.insert(config.name.clone(), id);
        let call_id = format!("{}@{}", self.tokens.text(24), config.domain);
        let entry = Entry { trunk: Trunk::new(config, now), call_id, tag: self.tokens.tag(), cseq: 0, auths: Auths::default() };
        self.trunks.entries.insert(id, entry);
        self.trunk_due(now);
        Ok(if known { Reply::Done } else { Reply::Created })
    }

    /// `GET /trunk[/{name}]`.
    pub(super) fn trunk_get(&self, name: Option<&str>, now: Instant) -> Result<Reply, CommandError> {
        let view = |id: &u32| self.trunks.entries.get(id).map(|entry| entry.trunk.view(now));
        match name {
            None => Ok(Reply::Trunks(self.trunks.names.values().filter_map(view).collect())),
            Some(name) => {
                let found = self.trunks.names.get(name).and_then(view);
                found.map(|view| Reply::Trunks(vec![view])).ok_or_else(|| CommandError::NotFound(name.to_owned()))
            }
        }
    }

    /// `DELETE /trunk/{name}`.
    pub(super) fn trunk_delete(&mut self, name: &str, now: Instant) -> Result<Reply, CommandError> {
        if !self.trunks.names.contains_key(name) {
            return Err(CommandError::NotFound(name.to_owned()));
        }
        self.trunk_remove(name, now);
        self.trunks.index();
        Ok(Reply::Done)
    }

    /// Takes all registrations back, when we stop.
    pub(super) fn trunks_end(&mut self, now: Instant) {
        let names: Vec<String> = self.trunks.names.keys().cloned().collect();
        for name in names {
            self.trunk_remove(&name, now);
        }
        self.trunks.index();
    }

    /// Does what is due.
    pub(super) fn trunk_due(&mut self, now: Instant) {
        let due: Vec<u32> = self.trunks.entries.iter().filter(|(_, entry)| entry.trunk.due() <= now).map(|(id, _)| *id).collect();
        for id in due {
            let step = self.trunks.entries.get_mut(&id).and_then(|entry| entry.trunk.handle_timeout(now));
            self.trunk_step(id, step, now);
        }
        self.trunks.index();
    }

    /// Whether a lookup is that of a trunk; then it is dealt with.
    pub(super) fn trunk_resolved(
        &mut self,
        id: ResolveId,
        found: Result<Vec<Target>, LocateError>,
        now: Instant,
    ) -> Result<(), Result<Vec<Target>, LocateError>> {
        if id.0 & RESOLVE_MARK == 0 {
            return Err(found);
        }
        let id = u32::try_from(id.0 & u64::from(u32::MAX)).unwrap_or_default();
        self.trunk_located(id, found, now);
        self.trunks.index();
        Ok(())
    }

    /// A final response to a request for a trunk.
    pub(super) fn trunk_response(&mut self, id: u32, errand: Errand, response: &Response<'_>, now: Instant) {
        let status = response.status();
        if !status.is_final() {
            return;
        }
        let Some(entry) = self.trunks.entries.get_mut(&id) else { return };
        if let Some(target) = entry.trunk.targets().next() {
            self.health.answered(target);
        }
        let config = entry.trunk.config();
        let identity = Identity { username: config.user.clone(), secret: config.secret.clone() };
        let step = match (errand, status) {
            // Whatever it says, somebody is there.
            (Errand::Probe, StatusCode::SERVICE_UNAVAILABLE) => entry.trunk.handle_probed(false, now),
            (Errand::Probe, _) => entry.trunk.handle_probed(true, now),
            (Errand::Register, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                if entry.auths.challenged(&identity, response).is_ok() {
                    entry.trunk.handle_challenged(now)
                } else {
                    entry.auths = Auths::default();
                    entry.trunk.handle_failure(status, "Credentials Refused", now)
                }
            }
            (Errand::Register, StatusCode::INTERVAL_TOO_BRIEF) => {
                entry.trunk.handle_too_brief(response.headers().min_expires().ok().flatten(), now)
            }
            (Errand::Register, _) if status.is_success() => {
                entry.trunk.handle_registered(granted(response, &identity.username), now);
                None
            }
            (Errand::Register, _) => entry.trunk.handle_failure(status, response.reason(), now),
        };
        self.trunk_step(id, step, now);
        self.trunks.index();
    }

    /// A request for a trunk got no answer.
    pub(super) fn trunk_lost(&mut self, id: u32, errand: Errand, status: StatusCode, now: Instant) {
        let Some(entry) = self.trunks.entries.get_mut(&id) else { return };
        if let Some(target) = entry.trunk.targets().next() {
            self.health.failed(target, now);
        }
        let step = match errand {
            Errand::Register => entry.trunk.handle_failure(status, status.phrase(), now),
            Errand::Probe => entry.trunk.handle_probed(false, now),
        };
        self.trunk_step(id, step, now);
        self.trunks.index();
    }

    /// A connection is gone.
    pub(super) fn trunk_flow_lost(&mut self, flow: Flow, now: Instant) {
        // Where another shard keeps them, that one has their connections too.
        if !self.trunks.entries.is_empty() && self.trunks.knows(flow.peer.ip()) {
            let target = Target { peer: flow.peer, transport: flow.transport };
            for entry in self.trunks.entries.values_mut() {
                entry.trunk.handle_flow_lost(target, now);
            }
            self.trunks.index();
        }
    }

    /// Trunks that a call goes through, first choice first; empty: through none.
    pub(super) fn trunks_of(&self, call: &Originate, domain: &str, now: Instant) -> Result<Vec<u32>, CommandError> {
        let entry = |id: &u32| self.trunks.entries.get(id).map(|entry| &entry.trunk);
        let down = |id: &u32| entry(id).is_none_or(|trunk| !trunk.is_up(now));
        if !call.trunks.is_empty() {
            let known = |name: &String| self.trunks.names.get(name).copied().ok_or_else(|| CommandError::NotFound(format!("trunk {name}")));
            let mut named = call.trunks.iter().map(known).collect::<Result<Vec<u32>, _>>()?;
            named.sort_by_key(down);
            return Ok(named);
        }
        if call.to.authsecret.is_some() || call.from.authsecret.is_some() || self.directory.domain(domain).is_some() {
            return Ok(Vec::new());
        }
        let serves = |id: &&u32| entry(id).is_some_and(|trunk| trunk.config().domain.eq_ignore_ascii_case(domain));
        let mut all: Vec<u32> = self.trunks.names.values().filter(serves).copied().collect();
        all.sort_by_key(|id| (down(id), entry(id).map_or(0, |trunk| trunk.config().priority)));
        Ok(all)
    }

    /// Whether a call would go through a trunk.
    pub fn goes_by_trunk(&self, call: &Originate, now: Instant) -> bool {
        let trunks = self.trunks_of(call, crate::shard::called_domain(call), now);
        !call.trunks.is_empty() || trunks.is_ok_and(|trunks| !trunks.is_empty())
    }

    /// Domain of a trunk.
    pub(super) fn trunk_domain(&self, id: u32) -> Option<String> {
        self.trunks.entries.get(&id).map(|entry| entry.trunk.config().domain.clone())
    }

    /// How a call gets to a trunk: the first hop, further targets, and the account.
    pub(super) fn trunk_route(&self, id: u32, user: &str, now: Instant) -> Option<(Route, Vec<Target>, Identity)> {
        let trunk = &self.trunks.entries.get(&id)?.trunk;
        let config = trunk.config();
        let target = identity::uri(user, &config.domain);
        let account = Identity { username: config.user.clone(), secret: config.secret.clone() };
        let mut targets: Vec<Target> = trunk.targets().filter(|target| self.flow_over(*target).is_some()).collect();
        self.health.order(&mut targets, now);
        let place = wish(config.proxy.as_deref().unwrap_or(&config.domain));
        if targets.is_empty() {
            targets.extend(literal(&place));
        }
        let route = match targets.first().and_then(|first| self.flow_over(*first)) {
            Some(flow) => Route::Host { flow, target },
            None => Route::Name { wish: place, target },
        };
        Some((route, targets.split_off(targets.len().min(1)), account))
    }

    /// Calls through the next trunk after one that failed. False: there is none.
    pub(super) fn next_trunk(&mut self, key: CallKey, now: Instant) -> bool {
        loop {
            let Some(call) = self.calls.get_mut(key) else { return false };
            let user = call.view.to.clone().unwrap_or_default();
            let Phase::Calling(outgoing) = &mut call.phase else { return false };
            let Some(spent) = outgoing.spent.clone().filter(|_| !outgoing.trunks.is_empty()) else { return false };
            let id = outgoing.trunks.remove(0);
            // Where nothing is known of a trunk, a call does not wait for its name.
            let Some((Route::Host { flow, target }, others, account)) = self.trunk_route(id, &user, now) else { continue };
            let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) else { return false };
            outgoing.identity = Some(account);
            let mut leg = Leg::new(spent.retargeted(&target), flow);
            leg.others = others;
            outgoing.legs.push(leg);
            let at = outgoing.legs.len() - 1;
            self.aim(key, at, flow);
            if self.send_invite(key, at, now) {
                return true;
            }
            if let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) {
                outgoing.legs.truncate(at);
            }
        }
    }

    fn trunk_remove(&mut self, name: &str, now: Instant) {
        let Some(id) = self.trunks.names.remove(name) else { return };
        let Some(mut entry) = self.trunks.entries.remove(&id) else { return };
        let target = entry.trunk.targets().next().filter(|_| entry.trunk.config().expires_s > 0 && entry.trunk.is_up(now));
        if let Some(target) = target {
            // Taken back once; a provider that does not hear it forgets by itself.
            self.send_register(&mut entry, target, 0, Owner::Nobody, now);
        }
    }

    fn trunk_step(&mut self, id: u32, step: Option<Step>, now: Instant) {
        let mut next = step;
        while let Some(step) = next.take() {
            match step {
                Step::Locate(wish) => match literal(&wish) {
                    Some(target) => {
                        let found = self.flow_over(target).map(|_| vec![target]).ok_or(LocateError::NotFound);
                        next = self.trunks.entries.get_mut(&id).and_then(|entry| entry.trunk.handle_targets(found, now));
                    }
                    None => self.outputs.push_back(Output::Resolve { id: ResolveId(RESOLVE_MARK | u64::from(id)), wish }),
                },
                Step::Register { target, expires_s } => {
                    let Some(mut entry) = self.trunks.entries.remove(&id) else { return };
                    if !self.send_register(&mut entry, target, expires_s, Owner::Trunk(id, Errand::Register), now) {
                        next = entry.trunk.handle_failure(StatusCode::SERVICE_UNAVAILABLE, "Cannot Be Sent", now);
                    }
                    self.trunks.entries.insert(id, entry);
                }
                Step::Probe(target) => {
                    if !self.send_probe(id, target, now) {
                        next = self.trunks.entries.get_mut(&id).and_then(|entry| entry.trunk.handle_probed(false, now));
                    }
                }
            }
        }
    }

    fn trunk_located(&mut self, id: u32, found: Result<Vec<Target>, LocateError>, now: Instant) {
        let usable = found.map(|found| {
            let mut usable: Vec<Target> = found.into_iter().filter(|target| self.flow_over(*target).is_some()).take(TARGETS_MAX).collect();
            self.health.order(&mut usable, now);
            usable
        });
        let step = self.trunks.entries.get_mut(&id).and_then(|entry| entry.trunk.handle_targets(usable, now));
        self.trunk_step(id, step, now);
    }

    fn send_register(&mut self, entry: &mut Entry, target: Target, expires_s: u32, owner: Owner, now: Instant) -> bool {
        let Some(flow) = self.flow_over(target) else { return false };
        let Some(sent_by) = self.advertised(flow) else { return false };
        let config = entry.trunk.config();
        let contact = self.contact(flow, &config.user);
        let (uri, aor) = (identity::uri("", &config.domain), identity::uri(&config.user, &config.domain));
        let branch = self.layer.branch();
        let proofs = entry.auths.prove(Method::Register, &uri, None, &mut self.rng);
        entry.cseq = entry.cseq.wrapping_add(1) & 0x7fff_ffff;
        let mut out = Vec::with_capacity(768);
        let mut writer = Writer::request(&mut out, Method::Register, &uri)
            .header(HeaderName::Via, Hop { transport: flow.transport, sent_by, branch: &branch })
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<{aor}>;tag={}", entry.tag))
            .header(HeaderName::To, format_args!("<{aor}>"))
            .header(HeaderName::CallId, &entry.call_id)
            .header(HeaderName::CSeq, format_args!("{} REGISTER", entry.cseq))
            .header(HeaderName::Contact, contact)
            .header(HeaderName::Expires, expires_s);
        for (name, value) in &proofs {
            writer = writer.extension(name, value);
        }
        if writer.header(HeaderName::UserAgent, &self.config.agent).end().is_err() {
            self.stats.unwritable += 1;
            return false;
        }
        self.layer.request(Method::Register, &branch, out, flow, owner, now).is_ok()
    }

    fn send_probe(&mut self, id: u32, target: Target, now: Instant) -> bool {
        let Some(domain) = self.trunk_domain(id) else { return false };
        let Some(flow) = self.flow_over(target) else { return false };
        let Some(sent_by) = self.advertised(flow) else { return false };
        let (uri, branch) = (identity::uri("", &domain), self.layer.branch());
        let (tag, call_id) = (self.tokens.tag(), self.tokens.text(20));
        let mut out = Vec::with_capacity(512);
        let written = Writer::request(&mut out, Method::Options, &uri)
            .header(HeaderName::Via, Hop { transport: flow.transport, sent_by, branch: &branch })
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<sip:ping@{sent_by}>;tag={tag}"))
            .header(HeaderName::To, format_args!("<{uri}>"))
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 OPTIONS")
            .header(HeaderName::Contact, self.contact(flow, ""))
            .header(HeaderName::UserAgent, &self.config.agent)
            .end();
        written.is_ok() && self.layer.request(Method::Options, &branch, out, flow, Owner::Trunk(id, Errand::Probe), now).is_ok()
    }
}

/// The target of a place that is an address.
fn literal(wish: &Wish) -> Option<Target> {
    let ip: IpAddr = wish.host.parse().ok()?;
    let peer = SocketAddr::new(ip, wish.port.unwrap_or(SIP_PORT));
    Some(Target { peer, transport: wish.transport.unwrap_or(Transport::Udp) })
}

/// Lifetime of our binding: its `expires`, else that of the whole answer (RFC 3261 §10.2.4). Others of the account may be listed.
fn granted(response: &Response<'_>, user: &str) -> Option<u32> {
    let ours = response.headers().contacts().filter_map(Result::ok).filter_map(|contact| contact.address().cloned());
    let own = ours.filter(|contact| contact.address.uri.user().as_deref() == Some(user)).find_map(|contact| contact.expires);
    own.or_else(|| response.headers().expires())
}
