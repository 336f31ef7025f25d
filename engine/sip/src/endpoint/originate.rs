//! Calls that control asks for: where they go, and what their INVITE says.
//!
//! ```text
//!   to ─► domain of ours: user? 404, binding? 480 ─► sources of all its bindings, Request-URI = their contacts
//!      └► else: address ─► at once      name ─► Resolving ─► handle_resolved ─► the addresses, one after the other
//! ```
//! Shape:  one call per command; all contacts of a user ring, the newest [`LEGS_MAX`] at most.
//! Units:  `Instant`.
//! Errors: [`CommandError`]; what fails after the INVITE is out is an event.
//! Source: RFC 3261 §8.1.1, §13.2.1; RFC 3263; RFC 5373 (Answer-Mode).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::call::{Call, Described, Ending, Open, Peer, Phase};
use super::calls::{CallKey, CallsError};
use super::extra::ExtraHeaders;
use super::hop::SIP_PORT;
use super::idempotency::KEY_LEN_MAX;
use super::leg::{LEGS_MAX, Leg, Outgoing};
use super::reach::transport_of;
use super::redirect::FOLLOW_MAX;
use super::{Endpoint, Output, ResolveId, identity};
use crate::api::{CommandError, Epochs, EventKind, Originate, Party, Reply, Snapshot};
use crate::auth::Identity;
use crate::dialog::Invitation;
use crate::directory::domain_name;
use crate::flow::{Flow, Transport};
use crate::locate::{LocateError, TARGETS_MAX, Target, Wish};
use crate::message::{SipUri, StatusCode};
use crate::registrar::Binding;

/// A flow for what has no address yet; the address is set with the name's.
pub(super) const NOWHERE: Flow = Flow {
    listener: crate::flow::ListenerId(0),
    peer: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    transport: crate::flow::Transport::Udp,
};

/// Where a call goes.
pub(super) enum Route {
    /// A registered phone.
    Phone { flow: Flow, target: String, path: Option<String> },
    /// An address.
    Host { flow: Flow, target: String },
    /// A name.
    Name { wish: Wish, target: String },
    /// A user whose bindings are on another shard.
    Elsewhere { user: String, domain: String, target: String },
}

impl Route {
    /// Request-URI.
    pub fn target(&self) -> &str {
        match self {
            Self::Phone { target, .. } | Self::Host { target, .. } => target,
            Self::Name { target, .. } | Self::Elsewhere { target, .. } => target,
        }
    }

    /// The hop, if the address is known.
    pub const fn flow(&self) -> Option<Flow> {
        match self {
            Self::Phone { flow, .. } | Self::Host { flow, .. } => Some(*flow),
            Self::Name { .. } | Self::Elsewhere { .. } => None,
        }
    }
}

impl Endpoint {
    /// `POST /dialog/invite`.
    pub(super) fn originate(&mut self, wish: Originate, now: Instant) -> Result<Reply, CommandError> {
        if let Some(key) = &wish.idempotency {
            if key.len() > KEY_LEN_MAX {
                return Err(CommandError::Bad(format!("idempotency is longer than {KEY_LEN_MAX} bytes")));
            }
            if let Some(callid) = self.keys.find(key, now) {
                return Ok(Reply::Originated(callid.clone()));
            }
        }
        if self.draining {
            return Err(CommandError::Draining);
        }
        if self.calls.is_full() {
            return Err(CommandError::Full { what: "calls", max: self.config.calls_max });
        }
        if wish.maxforwards == 0 {
            return Err(CommandError::Unroutable(StatusCode::TOO_MANY_HOPS.code()));
        }
        let extra = ExtraHeaders::new(wish.headers.clone())?;
        let first = |parties: [Option<&String>; 3]| parties.into_iter().flatten().find(|name| !name.is_empty()).cloned();
        // A URI of ours may name a transport; the identities in From, To and Call-ID may not (RFC 3261 §19.1.1, table 1).
        let bare = |domain: &str| domain.split(';').next().unwrap_or_default().to_owned();
        let Party { domain: from, .. } = &wish.from;
        let Party { domain: to, .. } = &wish.to;
        let nowhere = || CommandError::Bad("neither party has a domain".into());
        let from_domain = bare(&first([from.as_ref(), wish.domain.as_ref(), to.as_ref()]).ok_or_else(nowhere)?);
        let to_domain = first([to.as_ref(), wish.domain.as_ref(), from.as_ref()]).ok_or_else(nowhere)?;
        let mut trunks = self.trunks_of(&wish, &bare(&to_domain), now)?;
        let through = if trunks.is_empty() { None } else { self.trunk_route(trunks.remove(0), &wish.to.user, now) };
        let (routes, others, account) = match through {
            Some((route, others, account)) => (vec![route], others, Some(account)),
            None => (self.routes(&wish.to.user, &to_domain)?, Vec::new(), None),
        };
        let callid = self.new_callid(&domain_name(&from_domain));
        let key = self.place(&wish, &from_domain, &bare(&to_domain), &routes, &extra, &callid, now)?;
        if let (Some(account), Some(call)) = (account, self.calls.get_mut(key))
            && let Phase::Calling(outgoing) | Phase::Resolving(outgoing, _) = &mut call.phase
        {
            (outgoing.identity, outgoing.trunks) = (Some(account), trunks);
            if let Some(leg) = outgoing.legs.first_mut() {
                leg.others = others;
            }
        }
        if let Some(idempotency) = wish.idempotency {
            self.keys.insert(idempotency, callid.clone(), now + self.config.idempotency_kept);
        }
        self.stats.calls += 1;
        self.tell(key, EventKind::New);
        self.calls.settle(key);
        Ok(Reply::Originated(callid))
    }

    /// A Call-ID of this shard, so that what is said of the call later comes here.
    fn new_callid(&mut self, domain: &str) -> String {
        let mut callid = format!("{}@{domain}", self.tokens.text(24));
        // One of `count` fits: not to find one has a chance of (31/32)^4096, 10^-56.
        for _ in 0..4096 {
            if self.config.shard.of_call(&callid) == self.config.shard.me() {
                break;
            }
            callid = format!("{}@{domain}", self.tokens.text(24));
        }
        callid
    }

    /// The address of a name is known, or is not.
    pub(super) fn resolved(&mut self, id: ResolveId, targets: Result<Vec<Target>, LocateError>, now: Instant) {
        let key = CallKey::from_word(id.0);
        let waiting = |call: &Call| matches!(&call.phase, Phase::Resolving(_, waiting) if *waiting == id);
        if !self.calls.get(key).is_some_and(waiting) {
            return;
        }
        let found = targets.unwrap_or_default();
        let mut usable: Vec<Target> = found.into_iter().filter(|target| self.flow_over(*target).is_some()).take(TARGETS_MAX).collect();
        self.health.order(&mut usable, now);
        let flow = if usable.is_empty() { None } else { self.flow_over(usable.remove(0)) };
        let Some(flow) = flow else {
            // RFC 3263 leaves the status open; 480 is what a caller can make sense of.
            let status = StatusCode::TEMPORARILY_UNAVAILABLE;
            self.finish(key, Some((status.code(), "Name Not Resolved".to_owned())), now);
            self.forget(key, now);
            return;
        };
        let Some(call) = self.calls.get_mut(key) else { return };
        if let Phase::Resolving(mut outgoing, _) = std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone)) {
            if let Some(leg) = outgoing.legs.last_mut() {
                leg.others = usable;
            }
            call.phase = Phase::Calling(outgoing);
        }
        self.aim(key, 0, flow);
        if !self.send_invite(key, 0, now) {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.leg_failed(key, 0, status, status.phrase(), now);
        }
        self.calls.settle(key);
    }

    /// Where a user of a domain is reached; never empty.
    pub(super) fn routes(&self, user: &str, domain: &str) -> Result<Vec<Route>, CommandError> {
        let (ours, params) = domain.split_at(domain.find(';').unwrap_or(domain.len()));
        let (host, port) = host_and_port(ours).ok_or_else(|| CommandError::Bad(format!("{domain:?} is not a domain")))?;
        let is_ours = port.is_none_or(|port| self.config.listeners.iter().any(|listener| listener.advertised.port() == port));
        if is_ours && let Some(known) = self.directory.domain(ours) {
            // The codes of the predecessor: no such user, and nobody there.
            known.secret(user).ok_or(CommandError::Unroutable(404))?;
            let name = domain_name(ours);
            if self.config.shard.of_user(user, &name) != self.config.shard.me() {
                let target = identity::uri(user, domain);
                return Ok(vec![Route::Elsewhere { user: user.to_owned(), domain: name.into_owned(), target }]);
            }
            let phone = |binding: &Binding| Route::Phone {
                flow: binding.flow(),
                target: without_headers(binding.contact()).to_owned(),
                path: binding.path().map(str::to_owned),
            };
            let bindings = self.registrar.bindings(user, &name).take(LEGS_MAX);
            let phones: Vec<Route> = bindings.map(phone).collect();
            return if phones.is_empty() { Err(CommandError::Unroutable(480)) } else { Ok(phones) };
        }
        let target = identity::uri(user, domain);
        let uri = SipUri::parse(&target).map_err(|error| CommandError::Bad(format!("to: {error}")))?;
        let transport = transport_of(&uri);
        if transport.is_none() && uri.params().transport().is_some() {
            return Err(CommandError::Impossible(format!("{params}: only udp and tcp are spoken here")));
        }
        match host.parse::<IpAddr>() {
            Ok(ip) => {
                let peer = SocketAddr::new(ip, port.unwrap_or(SIP_PORT));
                let none = || CommandError::Impossible(format!("no listener can send to {peer}"));
                let flow = self.flow_over(Target { peer, transport: transport.unwrap_or(Transport::Udp) }).ok_or_else(none)?;
                Ok(vec![Route::Host { flow, target }])
            }
            Err(_) => Ok(vec![Route::Name { wish: Wish { host: host.to_owned(), port, transport }, target }]),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one call, each made by another step of `originate`")]
    fn place(
        &mut self,
        wish: &Originate,
        from_domain: &str,
        to_domain: &str,
        routes: &[Route],
        extra: &ExtraHeaders,
        callid: &str,
        now: Instant,
    ) -> Result<CallKey, CommandError> {
        let phone = routes.iter().any(|route| matches!(route, Route::Phone { .. } | Route::Elsewhere { .. }));
        let flow = routes.first().and_then(Route::flow).unwrap_or(NOWHERE);
        let lookup = routes.iter().find(|route| route.flow().is_none());
        let shown = identity::shown(&wish.from.user, from_domain, wish.callerid.as_ref(), phone);
        let mut headers = shown.headers;
        if wish.autoanswer {
            // RFC 5373 §4.1, and the form that most phones read.
            headers.push(("Answer-Mode".into(), "Auto".into()));
            headers.push(("Call-Info".into(), format!("<sip:{}>;answer-after=0", domain_name(from_domain))));
        }
        headers.extend(extra.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let remote = format!("<{}>", identity::uri(&wish.to.user, to_domain));
        let tag = self.tokens.tag();
        let leg = |route: &Route| {
            // Until a name is known any listener's flow stands in; `resolved` sets hop and Contact.
            let flow = route.flow().unwrap_or(NOWHERE);
            let contact = self.contact(flow, &wish.from.user);
            let invitation = Invitation::new(callid.to_owned(), tag.clone(), &shown.from, &remote, route.target(), &contact);
            let invitation = invitation.with_max_forwards(wish.maxforwards);
            Leg::new(
                match route {
                    // RFC 3327 §5.3: the way that the phone registered by.
                    Route::Phone { path: Some(path), .. } => invitation.with_route(path.clone()),
                    Route::Phone { path: None, .. } | Route::Host { .. } | Route::Name { .. } | Route::Elsewhere { .. } => invitation,
                },
                flow,
            )
        };
        let offer = Described::from(wish.sdp.as_ref());
        let outgoing = Box::new(Outgoing {
            legs: routes.iter().map(leg).collect(),
            sdp: offer.clone(),
            headers,
            identity: credentials(wish),
            failed: None,
            moved: Vec::new(),
            follow: if wish.follow { FOLLOW_MAX } else { 0 },
            trunks: Vec::new(),
            spent: None,
            session: (self.session_s(), None),
            longer: 0,
            early: None,
            owed: None,
        });
        let control = wish.control.clone().or_else(|| self.directory.domain(from_domain)?.control().cloned());
        let view = Snapshot {
            seq: 0,
            event: EventKind::New,
            callid: callid.to_owned(),
            uuid: self.uuid(),
            domain: domain_name(from_domain).into_owned(),
            to: Some(wish.to.user.clone()),
            from: Some(wish.from.user.clone()),
            contact: None,
            maxforwards: Some(wish.maxforwards),
            authenticated: false,
            ring: false,
            answered: false,
            hold: false,
            originator: true,
            hangup: false,
            error: (0, String::new()),
            remote: lookup.is_none().then_some(flow.peer),
            sdp_them: None,
            sdp_us: None,
            epochs: Epochs { start: self.clock.epoch_ms(now), ..Epochs::default() },
            refer: None,
            transfer: None,
            replaces: None,
            contacts: Vec::new(),
            digits: None,
            agent: None,
            callerid: wish.callerid.clone().unwrap_or_default(),
            headers: Vec::new(),
            transport: flow.transport.word(),
        };
        let call = Call {
            control,
            view,
            them: Described::default(),
            us: offer,
            told_end: false,
            acknowledged: false,
            flow,
            follows_source: phone,
            ends_at: now + self.config.setup_timeout,
            peer: Peer::default(),
            open: Open::default(),
            phase: Phase::Calling(outgoing),
        };
        let key = self.calls.insert(callid, call).map_err(|error| match error {
            CallsError::Full | CallsError::Exists => CommandError::Full { what: "calls", max: self.config.calls_max },
        })?;
        match lookup {
            Some(route) => self.look_up(key, route),
            None => {
                // Backwards, so that a leg that cannot be sent takes no other's place; one that rings is enough.
                for at in (0..routes.len()).rev() {
                    if !self.send_invite(key, at, now)
                        && let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase)
                    {
                        outgoing.legs.remove(at);
                    }
                }
                let none = |call: &Call| matches!(&call.phase, Phase::Calling(outgoing) if outgoing.legs.is_empty());
                if self.calls.get(key).is_none_or(none) {
                    self.forget(key, now);
                    return Err(CommandError::Full { what: "transactions", max: self.config.limits.transactions });
                }
            }
        }
        Ok(key)
    }

    /// Asks for the address that a route without one leads to; the call waits for it.
    pub(super) fn look_up(&mut self, key: CallKey, route: &Route) {
        let id = match route {
            Route::Phone { .. } | Route::Host { .. } => return,
            Route::Name { wish, .. } => {
                let id = ResolveId(key.word());
                self.outputs.push_back(Output::Resolve { id, wish: wish.clone() });
                id
            }
            Route::Elsewhere { user, domain, .. } => self.locate_elsewhere(key, user, domain),
        };
        let Some(call) = self.calls.get_mut(key) else { return };
        match std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone)) {
            Phase::Calling(outgoing) => call.phase = Phase::Resolving(outgoing, id),
            other => call.phase = other,
        }
    }
}

/// Password for challenges: the calling party's, else the one that was given with the called party.
fn credentials(wish: &Originate) -> Option<Identity> {
    let of = |party: &Party| {
        let secret = party.authsecret.clone()?;
        Some(Identity { username: party.authuser.clone().unwrap_or_else(|| party.user.clone()), secret })
    };
    of(&wish.from).or_else(|| of(&wish.to))
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, bare v6.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => (!text.is_empty()).then_some((text, None)),
    }
}

/// A URI as a Request-URI may hold it (RFC 3261 §19.1.1: no headers). What a phone registered is stored, not obeyed.
pub(super) fn without_headers(uri: &str) -> &str {
    let Ok(parsed) = SipUri::parse(uri) else { return uri };
    let headers = parsed.headers().as_str();
    uri.strip_suffix(headers).unwrap_or(uri)
}
