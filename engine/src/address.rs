//! Which address of this host others reach it at.
//!
//! The kernel is asked which source address it would use towards a documentation address (RFC 5737, RFC 3849):
//! connecting a UDP socket picks the route and sends nothing.
//!
//! Errors: none; a host without a route is its own only peer, and gets the loopback address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses put into Via, Contact and SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicAddress {
    /// For IPv4 peers.
    pub v4: Ipv4Addr,
    /// For IPv6 peers.
    pub v6: Ipv6Addr,
}

impl PublicAddress {
    /// Takes what `text` says (`--public-address`: one address, or one of each family with a comma), and finds the rest.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn read(text: Option<&str>) -> Result<Self, String> {
        let mut public = Self { v4: detect_v4(), v6: detect_v6() };
        for part in text.into_iter().flat_map(|text| text.split(',')) {
            match part.trim().parse() {
                Ok(IpAddr::V4(v4)) if !v4.is_unspecified() => public.v4 = v4,
                Ok(IpAddr::V6(v6)) if !v6.is_unspecified() => public.v6 = v6,
                Ok(_) => return Err(format!("{part} is no address that a peer could send to")),
                Err(_) => return Err(format!("{part} is neither an IPv4 nor an IPv6 address")),
            }
        }
        Ok(public)
    }

    /// The one of the family of `peer`.
    pub const fn facing(self, peer: IpAddr) -> IpAddr {
        match peer {
            IpAddr::V4(_) => IpAddr::V4(self.v4),
            IpAddr::V6(_) => IpAddr::V6(self.v6),
        }
    }
}

/// Can a socket be bound to it here? A public address behind NAT cannot.
pub fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

fn detect_v4() -> Ipv4Addr {
    match source_towards(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))) {
        Some(IpAddr::V4(v4)) => v4,
        _ => Ipv4Addr::LOCALHOST,
    }
}

fn detect_v6() -> Ipv6Addr {
    match source_towards(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))) {
        Some(IpAddr::V6(v6)) => v6,
        _ => Ipv6Addr::LOCALHOST,
    }
}

fn source_towards(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(peer, 9)).ok()?;
    let source = socket.local_addr().ok()?.ip();
    (!source.is_unspecified()).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_wins_per_family() {
        let public = PublicAddress::read(Some("203.0.113.7, 2001:db8::7")).unwrap();
        assert_eq!(public.facing(IpAddr::V4(Ipv4Addr::LOCALHOST)), "203.0.113.7".parse::<IpAddr>().unwrap());
        assert_eq!(public.facing(IpAddr::V6(Ipv6Addr::LOCALHOST)), "2001:db8::7".parse::<IpAddr>().unwrap());
        assert!(!is_local(public.v4.into()));
    }

    #[test]
    fn what_is_found_can_be_bound() {
        let public = PublicAddress::read(None).unwrap();
        assert!(is_local(public.v4.into()));
    }

    #[test]
    fn the_unspecified_address_and_words_are_refused() {
        assert!(PublicAddress::read(Some("0.0.0.0")).unwrap_err().contains("no address"));
        assert!(PublicAddress::read(Some("example.org")).unwrap_err().contains("neither"));
    }
}
