//! Where a request came from, and where its responses go.
//!
//! ```text
//!   rport asked, or sent-by lies ─► source address and port        else ─► source address, port of sent-by
//! ```
//! Shape:  small `Copy` value beside each request.
//! Errors: none.
//! Departs from RFC 3261 §18.2.2: `maddr` is not followed (it would let a stranger aim our answers at any address), and a
//!         sender whose sent-by is another address than its source is taken to be behind NAT, rport or not.
//! Source: RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4.

use std::net::SocketAddr;

use crate::flow::{Flow, ListenerId, Transport};
use crate::message::{Rport, Via};

/// Origin of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    /// Address it came from.
    pub from: SocketAddr,
    /// Hop to that very address.
    pub flow: Flow,
    /// Hop for its responses.
    pub reply: Flow,
}

impl Source {
    pub fn new(listener: ListenerId, transport: Transport, from: SocketAddr, via: &Via<'_>) -> Self {
        let flow = Flow { listener, peer: from, transport };
        let honest = via.host.ip() == Some(from.ip().to_canonical());
        let peer = match (transport, via.rport) {
            (Transport::Udp, Rport::Absent) if honest => SocketAddr::new(from.ip(), via.port_or_default()),
            (Transport::Udp | Transport::Tcp, _) => from,
        };
        Self { from, flow, reply: Flow { peer, ..flow } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(via: &str, from: &str) -> SocketAddr {
        let via = Via::parse(via).unwrap();
        Source::new(ListenerId(0), Transport::Udp, from.parse().unwrap(), &via).reply.peer
    }

    #[test]
    fn answers_find_their_way_back() {
        for (via, from, expected) in [
            ("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1", "192.0.2.1:40000", "192.0.2.1:5070"),
            ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "192.0.2.1:40000", "192.0.2.1:5060"),
            ("SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK1", "192.0.2.1:40000", "192.0.2.1:40000"),
            ("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1", "192.0.2.1:40000", "192.0.2.1:40000"),
            ("SIP/2.0/UDP phone.example:5060;branch=z9hG4bK1", "192.0.2.1:40000", "192.0.2.1:40000"),
            ("SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bK1", "[2001:db8::1]:40000", "[2001:db8::1]:5070"),
        ] {
            assert_eq!(reply(via, from), expected.parse().unwrap(), "{via}");
        }
    }
}
