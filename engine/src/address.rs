//! Which address of this host others reach it at.
//!
//! The kernel is asked which source address it would use towards a documentation address (RFC 5737, RFC 3849):
//! connecting a UDP socket picks the route and sends nothing.
//!
//! Errors: none; a host without a route is its own only peer, and gets the loopback address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Public address of one listener among several: `--public-address 10.0.0.1=203.0.113.7` or `5070=203.0.113.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerAddress {
    ip: Option<IpAddr>,
    port: Option<u16>,
    public: IpAddr,
}

impl ListenerAddress {
    /// Those that `text` names, beside what [`PublicAddress::read`] takes of it.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn read_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(listener, public)| Self::read(listener.trim(), public.trim()))
            .collect()
    }

    fn read(listener: &str, public: &str) -> Result<Self, String> {
        let public: IpAddr = public.parse().map_err(|_| format!("{public} is neither an IPv4 nor an IPv6 address"))?;
        if public.is_unspecified() {
            return Err(format!("{public} is no address that a peer could send to"));
        }
        let whole = listener.parse::<SocketAddr>().map(|address| (Some(address.ip()), Some(address.port())));
        let ip = || listener.trim_matches(['[', ']']).parse().map(|ip| (Some(ip), None));
        let port = || listener.parse().map(|port| (None, Some(port)));
        let Ok((ip, port)) = whole.or_else(|_| ip()).or_else(|_| port()) else {
            return Err(format!("{listener} is no listener: name its address, its port, or both, as in 10.0.0.1=203.0.113.7"));
        };
        if ip.is_some_and(|ip: IpAddr| ip.is_ipv4() != public.is_ipv4()) {
            return Err(format!("{listener} and {public} are not of one family"));
        }
        Ok(Self { ip, port, public })
    }

    /// The public address of a listener, the one that names it best.
    pub fn find(all: &[Self], listener: SocketAddr) -> Option<IpAddr> {
        let fits = |one: &&Self| {
            one.public.is_ipv4() == listener.is_ipv4()
                && one.ip.is_none_or(|ip| ip == listener.ip())
                && one.port.is_none_or(|port| port == listener.port())
        };
        all.iter().filter(fits).max_by_key(|one| (one.ip.is_some(), one.port.is_some())).map(|one| one.public)
    }
}

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
        // Those with a listener before them are that listener's: see `ListenerAddress`.
        for part in text.into_iter().flat_map(|text| text.split(',')).filter(|part| !part.contains('=')) {
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
    fn each_listener_has_the_public_address_that_names_it_best() {
        let all =
            ListenerAddress::read_all("203.0.113.1, 10.0.0.1=203.0.113.2,5070=203.0.113.3, 10.0.0.1:5080=203.0.113.4,[::1]=2001:db8::7")
                .unwrap();
        let find = |listener: &str| ListenerAddress::find(&all, listener.parse().unwrap()).map(|ip| ip.to_string());
        for (listener, public) in [
            ("10.0.0.1:5060", Some("203.0.113.2")),
            ("10.0.0.1:5080", Some("203.0.113.4")),
            ("10.0.0.2:5070", Some("203.0.113.3")),
            ("10.0.0.2:5060", None),
            ("[::1]:5070", Some("2001:db8::7")),
        ] {
            assert_eq!(find(listener).as_deref(), public, "{listener}");
        }
        assert_eq!(PublicAddress::read(Some("203.0.113.1,10.0.0.1=203.0.113.2")).unwrap().v4.to_string(), "203.0.113.1");
        for (text, wrong) in [("x=1.2.3.4", "no listener"), ("5060=here", "neither"), ("::1=1.2.3.4", "family"), ("5060=::", "no address")]
        {
            assert!(ListenerAddress::read_all(text).unwrap_err().contains(wrong), "{text}");
        }
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
