//! Calls that control asks for: where they go, and what their INVITE says.
//!
//! ```text
//!   to ─► domain of ours: user? 404, binding? 480 ─► source of the binding, Request-URI = its contact
//!      └► else: address ─► at once      name ─► Resolving ─► handle_resolved ─► the addresses, one after the other
//! ```
//! Shape:  one call per command; the newest binding of a user is rung. Forking to all of them starts here, when it comes.
//! Units:  `Instant`.
//! Errors: [`CommandError`]; what fails after the INVITE is out is an event.
//! Source: RFC 3261 §8.1.1, §13.2.1; RFC 3263; RFC 5373 (Answer-Mode).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::call::{Auths, Call, Described, Phase};
use super::calls::{CallKey, CallsError};
use super::extra::ExtraHeaders;
use super::hop::SIP_PORT;
use super::idempotency::KEY_LEN_MAX;
use super::outgoing::Outgoing;
use super::{Endpoint, Output, ResolveError, ResolveId, identity};
use crate::api::{CommandError, Epochs, EventKind, Originate, Party, Reply, Snapshot};
use crate::auth::Identity;
use crate::dialog::Invitation;
use crate::directory::domain_name;
use crate::flow::Flow;
use crate::message::{SipUri, StatusCode};

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Where a call goes.
enum Route {
    /// A registered phone.
    Phone { flow: Flow, target: String },
    /// An address.
    Host { flow: Flow, target: String },
    /// A name.
    Name { host: String, port: Option<u16>, target: String },
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
        let Party { domain: from, .. } = &wish.from;
        let Party { domain: to, .. } = &wish.to;
        let nowhere = || CommandError::Bad("neither party has a domain".into());
        let from_domain = first([from.as_ref(), wish.domain.as_ref(), to.as_ref()]).ok_or_else(nowhere)?;
        let to_domain = first([to.as_ref(), wish.domain.as_ref(), from.as_ref()]).ok_or_else(nowhere)?;
        let route = self.route(&wish.to.user, &to_domain)?;
        let callid = format!("{}@{}", self.tokens.text(24), domain_name(&from_domain));
        let key = self.place(&wish, &from_domain, &to_domain, route, &extra, &callid, now)?;
        if let Some(idempotency) = wish.idempotency {
            self.keys.insert(idempotency, callid.clone(), now + self.config.idempotency_kept);
        }
        self.stats.calls += 1;
        self.tell(key, EventKind::New);
        self.calls.settle(key);
        Ok(Reply::Originated(callid))
    }

    /// The address of a name is known, or is not.
    pub(super) fn resolved(&mut self, id: ResolveId, addresses: Result<Vec<SocketAddr>, ResolveError>, now: Instant) {
        let key = CallKey::from_word(id.0);
        let waiting = |call: &Call| matches!(&call.phase, Phase::Resolving(_, waiting) if *waiting == id);
        if !self.calls.get(key).is_some_and(waiting) {
            return;
        }
        let found = addresses.unwrap_or_default();
        let mut usable: Vec<SocketAddr> = found.into_iter().filter(|peer| self.flow_to(*peer).is_some()).take(ADDRESSES_MAX).collect();
        let flow = if usable.is_empty() { None } else { self.flow_to(usable.remove(0)) };
        let Some(flow) = flow else {
            // RFC 3263 leaves the status open; 480 is what a caller can make sense of.
            let status = StatusCode::TEMPORARILY_UNAVAILABLE;
            self.finish(key, Some((status.code(), "Name Not Resolved".to_owned())), now);
            self.forget(key, now);
            return;
        };
        let Some(call) = self.calls.get_mut(key) else { return };
        if let Phase::Resolving(mut outgoing, _) = std::mem::replace(&mut call.phase, Phase::Ending(super::call::Ending::Gone)) {
            outgoing.others = usable;
            call.phase = Phase::Calling(outgoing);
        }
        self.aim(key, flow);
        if !self.send_invite(key, now) {
            self.invite_lost(key, StatusCode::SERVICE_UNAVAILABLE, now);
        }
        self.calls.settle(key);
    }

    fn route(&self, user: &str, domain: &str) -> Result<Route, CommandError> {
        let (host, port) = host_and_port(domain).ok_or_else(|| CommandError::Bad(format!("{domain:?} is not a domain")))?;
        let ours = port.is_none_or(|port| self.config.listeners.iter().any(|listener| listener.advertised.port() == port));
        if ours && let Some(known) = self.directory.domain(domain) {
            // The codes of the predecessor: no such user, and nobody there.
            known.secret(user).ok_or(CommandError::Unroutable(404))?;
            let name = domain_name(domain);
            let binding = self.registrar.bindings(user, &name).next().ok_or(CommandError::Unroutable(480))?;
            return Ok(Route::Phone { flow: binding.flow(), target: without_headers(binding.contact()).to_owned() });
        }
        let target = identity::uri(user, domain);
        SipUri::parse(&target).map_err(|error| CommandError::Bad(format!("to: {error}")))?;
        match host.parse::<IpAddr>() {
            Ok(ip) => {
                let peer = SocketAddr::new(ip, port.unwrap_or(SIP_PORT));
                let none = || CommandError::Impossible(format!("no listener can send to {peer}"));
                Ok(Route::Host { flow: self.flow_to(peer).ok_or_else(none)?, target })
            }
            Err(_) => Ok(Route::Name { host: host.to_owned(), port, target }),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one call, each made by another step of `originate`")]
    fn place(
        &mut self,
        wish: &Originate,
        from_domain: &str,
        to_domain: &str,
        route: Route,
        extra: &ExtraHeaders,
        callid: &str,
        now: Instant,
    ) -> Result<CallKey, CommandError> {
        let phone = matches!(route, Route::Phone { .. });
        let (flow, target, lookup) = match route {
            Route::Phone { flow, target } | Route::Host { flow, target } => (Some(flow), target, None),
            Route::Name { host, port, target } => (None, target, Some((host, port))),
        };
        let shown = identity::shown(&wish.from.user, from_domain, wish.callerid.as_ref(), phone);
        let mut headers = shown.headers;
        if wish.autoanswer {
            // RFC 5373 §4.1, and the form that most phones read.
            headers.push(("Answer-Mode".into(), "Auto".into()));
            headers.push(("Call-Info".into(), format!("<sip:{}>;answer-after=0", domain_name(from_domain))));
        }
        headers.extend(extra.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        // Until the name is known any listener's flow stands in; `resolved` sets both.
        let nowhere = Flow {
            listener: crate::flow::ListenerId(0),
            peer: SocketAddr::from(([0, 0, 0, 0], 0)),
            transport: crate::flow::Transport::Udp,
        };
        let flow = flow.unwrap_or(nowhere);
        let contact = self.contact(flow, &wish.from.user);
        let remote = format!("<{}>", identity::uri(&wish.to.user, to_domain));
        let invitation = Invitation::new(callid.to_owned(), self.tokens.tag(), &shown.from, &remote, &target, &contact)
            .with_max_forwards(wish.maxforwards);
        let outgoing = Box::new(Outgoing {
            invitation,
            transaction: None,
            sdp: Described::from(wish.sdp.as_ref()),
            headers,
            identity: credentials(wish),
            auths: Auths::default(),
            proofs: Vec::new(),
            others: Vec::new(),
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
            us: Described::from(wish.sdp.as_ref()),
            told_end: false,
            acknowledged: false,
            flow,
            follows_source: phone,
            ends_at: now + self.config.setup_timeout,
            phase: Phase::Calling(outgoing),
        };
        let key = self.calls.insert(callid, call).map_err(|error| match error {
            CallsError::Full | CallsError::Exists => CommandError::Full { what: "calls", max: self.config.calls_max },
        })?;
        match lookup {
            Some((host, port)) => {
                let id = ResolveId(key.word());
                if let Some(call) = self.calls.get_mut(key)
                    && let Phase::Calling(outgoing) = std::mem::replace(&mut call.phase, Phase::Ending(super::call::Ending::Gone))
                {
                    call.phase = Phase::Resolving(outgoing, id);
                }
                self.outputs.push_back(Output::Resolve { id, host, port });
            }
            None => {
                if !self.send_invite(key, now) {
                    self.forget(key, now);
                    return Err(CommandError::Full { what: "transactions", max: self.config.limits.transactions });
                }
            }
        }
        Ok(key)
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
