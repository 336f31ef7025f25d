//! Where a request of ours goes: listener and address.
//!
//! ```text
//!   in a dialog: our user ─► where it sends from        others ─► first proxy or Contact if that is an address, else as before
//!   a new call:  literal address ─► at once             name ─► Output::Resolve ─► handle_resolved
//! ```
//! Shape:  a [`Flow`]; the listener is the first of the address's family.
//! Errors: `None` where no listener can send to that family.
//! Departs from RFC 3261 §12.2.1.1 and §8.1.2: a Contact with a private address behind a public source is not believed,
//!         and a name in Contact or Route is not looked up in mid-call; both go where the far end sends from.
//! Source: RFC 3261 §18.1.1, RFC 3263 §4.2 (default ports), RFC 1918, RFC 6598, RFC 4193.

use std::net::{IpAddr, SocketAddr};

use super::Endpoint;
use super::call::Call;
use super::identity;
use crate::dialog::Dialog;
use crate::flow::{Flow, ListenerId, Transport};
use crate::message::SipUri;

/// RFC 3261 §19.1.2.
pub(super) const SIP_PORT: u16 = 5060;

impl Endpoint {
    /// Our Contact on this hop.
    pub(super) fn contact(&self, flow: Flow, user: &str) -> String {
        let host = self.advertised(flow).map(|address| address.to_string()).unwrap_or_default();
        let transport = match flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("<{}{transport}>", identity::uri(user, &host))
    }

    /// A random UUID (RFC 9562 §5.4).
    pub(super) fn uuid(&mut self) -> String {
        let random = u128::from(self.tokens.word()) << 64 | u128::from(self.tokens.word());
        let id = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{id:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    /// What stands in Via and Contact of messages on this hop.
    pub(super) fn advertised(&self, flow: Flow) -> Option<SocketAddr> {
        self.config.listeners.get(usize::from(flow.listener.0)).map(|listener| listener.advertised)
    }

    /// The hop to an address over UDP.
    pub(super) fn flow_to(&self, peer: SocketAddr) -> Option<Flow> {
        let fits = |listener: &super::Listener| listener.advertised.is_ipv4() == peer.is_ipv4() && listener.transport == Transport::Udp;
        let index = self.config.listeners.iter().position(fits)?;
        Some(Flow { listener: ListenerId(u16::try_from(index).ok()?), peer, transport: Transport::Udp })
    }

    /// The hop of a request inside a dialog.
    pub(super) fn flow_of(&self, call: &Call, dialog: &Dialog) -> Flow {
        if call.follows_source { call.flow } else { self.flow_along(call.flow, dialog.next_hop()) }
    }

    /// The hop to a URI; `known` where it is no address, or not to be believed.
    pub(super) fn flow_along(&self, known: Flow, uri: &str) -> Flow {
        let Ok(uri) = SipUri::parse(uri) else { return known };
        let Some(ip) = uri.host().ip() else { return known };
        let nowhere = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
        if nowhere || (is_private(ip) && ip != known.peer.ip() && !is_private(known.peer.ip())) {
            return known;
        }
        let peer = SocketAddr::new(ip, uri.port().unwrap_or(SIP_PORT));
        // The listener stays where it can, so that the far end sees one address of ours.
        if peer.is_ipv4() == known.peer.is_ipv4() { Flow { peer, ..known } } else { self.flow_to(peer).unwrap_or(known) }
    }
}

/// An address that means nothing outside its own network.
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // RFC 6598: 100.64.0.0/10 of carrier NAT.
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
