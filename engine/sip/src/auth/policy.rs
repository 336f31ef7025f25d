//! What a domain asks of those who register and call: digest by which hashes, or nothing of whom it trusts.
//!
//! ```text
//!   challenge ─► digest of everybody      trusted ─► digest, but for these addresses      none ─► nobody is asked
//! ```
//! Shape:  plain data, pushed with the domain; at most [`NETWORKS_MAX`] networks of 20 bytes each.
//! Units:  the prefix of a [`Network`] in bits.
//! Errors: [`Network::from_str`] says [`BadNetwork`].
//! Not here: the check itself (`server`), who is asked when (`endpoint`).
//! Source: RFC 8760 §2.3 (order of challenges), RFC 7616 §3.3 (`qop`), RFC 3261 §22.2 and §22.3 (401, 407).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::algorithm::Algorithm;

/// Networks of one policy.
pub const NETWORKS_MAX: usize = 256;

/// Whom a domain asks for a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Everybody.
    #[default]
    Challenge,
    /// Everybody but those who send from these networks.
    Trusted(Vec<Network>),
    /// Nobody. Only for a network that nobody else can reach.
    None,
}

/// What a challenge offers to protect (RFC 7616 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// `auth`: method and URI.
    Auth,
    /// `auth-int`: the body too. Gateways in between that rewrite session descriptions break it.
    AuthInt,
}

impl Quality {
    /// The token in the header.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// Reads the token, in any case.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|quality| quality.token().eq_ignore_ascii_case(token))
    }
}

/// Rules of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who has to prove a password.
    pub authentication: Authentication,
    /// Hashes offered, best first, one challenge each. Never empty, none twice.
    pub algorithms: Vec<Algorithm>,
    /// Qualities offered, best first. Never empty, none twice.
    pub qualities: Vec<Quality>,
    /// Challenge all but REGISTER by 407 in place of 401: some phones expect of a switch what a proxy does.
    pub proxy: bool,
    /// MESSAGE of those who are proven goes to control; else it is refused.
    pub messages: bool,
}

impl Default for Policy {
    /// MD5 alone: phones exist that take the first challenge, know no SHA, and fail. A domain that knows its phones says more.
    fn default() -> Self {
        let (algorithms, qualities) = (vec![Algorithm::Md5], vec![Quality::Auth]);
        Self { authentication: Authentication::default(), algorithms, qualities, proxy: false, messages: false }
    }
}

impl Policy {
    /// Whether a sender needs no password.
    pub fn trusts(&self, source: IpAddr) -> bool {
        match &self.authentication {
            Authentication::Challenge => false,
            Authentication::Trusted(networks) => networks.iter().any(|network| network.contains(source)),
            Authentication::None => true,
        }
    }
}

/// An address, or all that share its first bits: `192.0.2.7`, `198.51.100.0/24`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Not an address, with or without a prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or network")]
pub struct BadNetwork;

impl Network {
    /// Whether the address is one of it. IPv4 in IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.prefix),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| BadNetwork))?;
        if prefix > bits { Err(BadNetwork) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_shares_their_first_bits() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/24", "::ffff:192.0.2.255", "192.0.3.0"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        for text in ["", "192.0.2.0/33", "::/129", "a", "192.0.2.0/", "192.0.2.0/-1", "192.0.2"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork), "{text}");
        }
    }
}
