//! Hosts and ports, as they stand in URIs and Via.
//!
//! Shape:  [`Host`] is an address or a name; a name borrows from the message.
//! Units:  ports are bare numbers, 0 to 65535.
//! Errors: `None` where the text is no host; an address in brackets has to be IPv6.
//! Not here: resolving names.
//! Source: RFC 3261 §25.1 (`host`, `hostport`), RFC 5954 (IPv6 in SIP), RFC 5118 §4.5 (brackets in `received`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::class::Class;
use super::cursor::Cursor;

/// A host: an address, or a name that has to be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// A name, never empty.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads a whole text as a host; IPv6 in brackets.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (mut cursor, mut host) = (Cursor::new(text), Self::EMPTY);
        host.read(&mut cursor)?;
        cursor.is_at_end().then_some(host)
    }

    /// What stands where a host has yet to be read.
    pub(super) const EMPTY: Self = Self::Name("");

    /// Reads a host at the cursor, in its place: of odd size and alignment, it would be slow to move.
    #[inline(always)]
    pub(super) fn read(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        // Names such as `1.2.3.4.5` or `300.1.1.1` are no hosts of the grammar; they stay names, and fail to resolve.
        if let Some((address, length)) = ipv4(cursor.rest().as_bytes())
            && !cursor.rest().as_bytes().get(length).is_some_and(|&byte| Class::HOST.holds(byte))
        {
            cursor.advance(length);
            *self = Self::Ip(IpAddr::V4(address));
            return Some(());
        }
        let name = cursor.take(Class::HOST);
        *self = if name.is_empty() { Self::read_bracketed(cursor)? } else { Self::Name(name) };
        Some(())
    }

    /// Reads an IPv6 address at the cursor.
    #[inline(never)]
    fn read_bracketed(cursor: &mut Cursor<'a>) -> Option<Self> {
        if !cursor.eat(b'[') {
            return None;
        }
        let address: Ipv6Addr = cursor.until(b']')?.parse().ok()?;
        Some(Self::Ip(IpAddr::V6(address)))
    }

    /// Reads `:port` at the cursor, if there is one. Outer `None`: there is, and it is no port.
    #[inline(always)]
    pub(super) fn read_port(cursor: &mut Cursor<'a>) -> Option<Option<u16>> {
        if !cursor.eat(b':') {
            return Some(None);
        }
        Self::port_digits(cursor).map(Some)
    }

    /// Reads the digits of a port.
    #[inline(always)]
    pub(super) fn port_digits(cursor: &mut Cursor<'a>) -> Option<u16> {
        cursor.digits().and_then(|port| u16::try_from(port).ok())
    }

    /// The address, unless this is a name.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(_) => None,
        }
    }

    /// Same host: addresses by value, names without regard to case (RFC 3261 §19.1.4).
    pub fn matches(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Ip(a), Host::Ip(b)) => a == b,
            (Self::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Ip(_), Host::Name(_)) | (Self::Name(_), Host::Ip(_)) => false,
        }
    }
}

impl From<IpAddr> for Host<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

/// The dotted quad of numbers without leading zeros that stands first, as the standard library takes it, and its length; a
/// fraction of its time. What is behind it is for the caller to look at.
#[inline(always)]
fn ipv4(bytes: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let digit = |at: usize| bytes.get(at).map(|byte| u32::from(byte.wrapping_sub(b'0'))).filter(|&digit| digit <= 9);
    // The octets stay in a register: four stores that one load has to wait for would be slower than all the rest.
    let (mut octets, mut at) = (0, 0);
    for place in 0..4 {
        if place > 0 {
            bytes.get(at).filter(|&&byte| byte == b'.')?;
            at += 1;
        }
        let mut octet = digit(at)?;
        at += 1;
        if octet != 0
            && let Some(next) = digit(at)
        {
            (octet, at) = (octet * 10 + next, at + 1);
            if let Some(next) = digit(at) {
                (octet, at) = (octet * 10 + next, at + 1);
            }
        }
        if octet > 255 {
            return None;
        }
        octets = octets << 8 | octet;
    }
    Some((octets.into(), at))
}

/// An address with or without brackets, as `received` and `maddr` carry it (RFC 5118 §4.5).
pub(super) fn ip_with_or_without_brackets(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        assert_eq!(Host::parse("192.0.2.1"), Some(Host::Ip(Ipv4Addr::new(192, 0, 2, 1).into())));
        assert_eq!(Host::parse("[2001:db8::9:1]").and_then(|host| host.ip()), "2001:db8::9:1".parse().ok());
        assert_eq!(Host::parse("1.example.com"), Some(Host::Name("1.example.com")));
        assert_eq!(Host::parse("300.1.1.1"), Some(Host::Name("300.1.1.1")));
    }

    proptest! {
        #[test]
        fn dotted_quads_are_those_of_the_standard_library(text in "[0-9.]{0,4}[0-9]{0,4}\\.?[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{0,3}") {
            prop_assert_eq!(Host::parse(&text).and_then(|host| host.ip()), text.parse().ok().map(IpAddr::V4));
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "[", "[]", "[192.0.2.1]", "[::1", "a b", "a:1", "2001:db8::1", "é"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_match_without_case_and_v6_by_value() {
        assert!(Host::Name("Example.COM").matches(&Host::Name("example.com")));
        assert!(Host::parse("[2001:DB8:0::1]").zip(Host::parse("[2001:db8::1]")).is_some_and(|(a, b)| a.matches(&b)));
        assert!(!Host::Name("example.com").matches(&Host::Name("example.org")));
    }
}
