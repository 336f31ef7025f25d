//! Where a request of ours goes: listener, address, transport; and what is done when a connection dies.
//!
//! ```text
//!   in a dialog: our user ─► where it sends from        others ─► live connection to that address, else first proxy or Contact
//!   a new call:  literal address ─► at once             name ─► Output::Resolve ─► handle_resolved
//!   above 1300 bytes ─► TCP, and back to UDP where there is none
//! ```
//! Shape:  a [`Flow`]; the listener is the first of the transport and of the address's family.
//! Errors: `None` where no listener can send there.
//! Departs from RFC 3261 §12.2.1.1 and §8.1.2: a Contact with a private address behind a public source is not believed,
//!         and a name in Contact or Route is not looked up in mid-call; both go where the far end sends from.
//! Departs from RFC 3261 §18.1.1: phones stay on the flow that they registered over, and `transport=udp` is taken at its word.
//! Source: RFC 3261 §18.1.1, §18.2.2; RFC 3263 §4.1, §4.2; RFC 5626 §5.3 (a flow that failed).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use super::Endpoint;
use super::call::Call;
use super::hop::{SIP_PORT, is_private};
use crate::dialog::{Dialog, Hop};
use crate::flow::{Flow, ListenerId, Transport};
use crate::locate::Target;
use crate::message::{Message, SipUri, parse};

/// RFC 3261 §18.1.1: larger requests want a transport with congestion control.
const UDP_REQUEST_MAX: usize = 1300;

impl Endpoint {
    /// A connection is there: messages of it come, and messages may go.
    pub fn handle_stream_opened(&mut self, listener: ListenerId, peer: SocketAddr) {
        self.streams.insert((listener, peer));
    }

    /// A datagram could not be sent to this address, or its connection is gone or cannot be had.
    pub fn handle_transport_failed(&mut self, listener: ListenerId, peer: SocketAddr, now: Instant) {
        let Some(transport) = self.config.listeners.get(usize::from(listener.0)).map(|listener| listener.transport) else { return };
        let flow = Flow { listener, peer, transport };
        let was_live = self.streams.remove(&(listener, peer));
        if transport == Transport::Tcp {
            if !was_live {
                self.health.failed(Target { peer, transport }, now);
            }
            self.bindings_lost(flow, was_live);
            self.trunk_flow_lost(flow, now);
        }
        self.layer.handle_transport_failed(flow, now);
        self.settle(now);
    }

    /// Bindings of a connection that is gone: reached at their Contact if that can be, else over. A connection that never was
    /// there is not tried again.
    fn bindings_lost(&mut self, flow: Flow, was_live: bool) {
        for (id, contact) in self.registrar.over(flow) {
            let other = self.flow_named(flow, &contact).filter(|other| was_live || *other != flow);
            self.registrar.handle_flow_lost(id, other);
        }
    }

    /// Whether a flow is a connection that is gone.
    pub(super) fn is_dead(&self, flow: Flow) -> bool {
        flow.transport == Transport::Tcp && !self.streams.contains(&(flow.listener, flow.peer))
    }

    /// The hop to a target.
    pub(super) fn flow_over(&self, target: Target) -> Option<Flow> {
        let Target { peer, transport } = target;
        let fits = |listener: &super::Listener| listener.advertised.is_ipv4() == peer.is_ipv4() && listener.transport == transport;
        // Nothing gets out of the host from a socket of its loopback, nor into it by another.
        let beside = |listener: &super::Listener| fits(listener) && listener.advertised.ip().is_loopback() == peer.ip().is_loopback();
        let index = self.own_listener(transport, beside).or_else(|| self.own_listener(transport, fits))?;
        Some(Flow { listener: ListenerId(u16::try_from(index).ok()?), peer, transport })
    }

    fn own_listener(&self, transport: Transport, fits: impl Fn(&super::Listener) -> bool) -> Option<usize> {
        let mut fitting = self.config.listeners.iter().enumerate().filter(|(_, listener)| fits(listener)).map(|(index, _)| index);
        match transport {
            Transport::Udp => fitting.next(),
            // One for each shard, in their order: we dial from our own.
            Transport::Tcp => {
                let shard = &self.config.shard;
                let each = fitting.clone().count() / usize::from(shard.count());
                fitting.nth(each * usize::from(shard.me().0))
            }
        }
    }

    /// The hop of a request inside a dialog.
    pub(super) fn flow_of(&self, call: &Call, dialog: &Dialog) -> Flow {
        if !call.follows_source {
            return self.flow_along(call.flow, dialog.next_hop());
        }
        if !self.is_dead(call.flow) {
            return call.flow;
        }
        // The phone came back over another connection, or it did not.
        let user = if call.view.originator { &call.view.to } else { &call.view.from };
        let bindings = self.registrar.bindings(user.as_deref().unwrap_or_default(), &call.view.domain);
        let mut again = bindings.map(crate::registrar::Binding::flow);
        let elsewhere = || {
            let resource = format!("{}@{}", user.as_deref().unwrap_or_default(), call.view.domain);
            self.moved.get(resource.as_str()).copied().filter(|flow| !self.is_dead(*flow))
        };
        let live = again.find(|flow| !self.is_dead(*flow)).or_else(elsewhere);
        live.unwrap_or_else(|| self.flow_along(call.flow, dialog.next_hop()))
    }

    /// The hop to a URI; `known` where it is no address, or not to be believed.
    pub(super) fn flow_along(&self, known: Flow, uri: &str) -> Flow {
        self.flow_named(known, uri).unwrap_or(known)
    }

    /// The hop to a URI, if it is an address that can be believed and sent to.
    fn flow_named(&self, known: Flow, uri: &str) -> Option<Flow> {
        let uri = SipUri::parse(uri).ok()?;
        let ip = uri.host().ip()?;
        let nowhere = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if nowhere || (is_private(ip) && ip != known.peer.ip() && !is_private(known.peer.ip())) {
            return None;
        }
        let wish = transport_of(&uri);
        let same_host = ip == known.peer.ip();
        // The connection that the far end itself uses is the surest way to it, whatever port its Contact names.
        if known.transport == Transport::Tcp && same_host && wish != Some(Transport::Udp) && !self.is_dead(known) {
            return Some(known);
        }
        let transport = wish.unwrap_or(if same_host { known.transport } else { Transport::Udp });
        let peer = SocketAddr::new(ip, uri.port().unwrap_or(SIP_PORT));
        // The listener stays where it can, so that the far end sees one address of ours.
        if peer.is_ipv4() == known.peer.is_ipv4() && transport == known.transport {
            Some(Flow { peer, ..known })
        } else {
            self.flow_over(Target { peer, transport })
        }
    }

    /// The same hop over TCP, for a request of this size that may change to it.
    pub(super) fn flow_for_size(&self, flow: Flow, uri: &str, bytes: usize, now: Instant) -> Option<Flow> {
        if bytes <= UDP_REQUEST_MAX || flow.transport != Transport::Udp {
            return None;
        }
        let told = SipUri::parse(uri).is_ok_and(|uri| uri.params().transport().is_some());
        let target = Target { peer: flow.peer, transport: Transport::Tcp };
        if told || self.health.is_ill(target, now) { None } else { self.flow_over(target) }
    }

    /// A request within a dialog that is too large for a datagram, as it goes over TCP (RFC 3261 §18.1.1). Where that is refused it
    /// goes over UDP after all: the caller gives both to the transaction.
    pub(super) fn grown(&self, dialog: &Dialog, flow: Flow, request: &[u8], hop: &Hop<'_>, now: Instant) -> Option<(Flow, Vec<u8>)> {
        let over = self.flow_for_size(flow, dialog.next_hop(), request.len(), now)?;
        let via = Hop { transport: over.transport, sent_by: self.advertised(over)?, ..*hop };
        Some((over, via.instead_of(hop, request)?))
    }

    /// Where bytes on this flow go. A response whose connection is gone goes to the address that its Via names (RFC 3261 §18.2.2).
    pub(super) fn way_back(&self, flow: Flow, bytes: &[u8]) -> Flow {
        if !self.is_dead(flow) || !bytes.starts_with(b"SIP/2.0 ") {
            return flow;
        }
        match parse(bytes) {
            Ok(Message::Response(response)) => Flow { peer: SocketAddr::new(flow.peer.ip(), response.via().port_or_default()), ..flow },
            Ok(Message::Request(_)) | Err(_) => flow,
        }
    }
}

/// `transport` of a URI, of those that we speak.
pub(super) fn transport_of(uri: &SipUri<'_>) -> Option<Transport> {
    let word = uri.params().transport()?;
    [Transport::Udp, Transport::Tcp].into_iter().find(|transport| transport.word().eq_ignore_ascii_case(word))
}
