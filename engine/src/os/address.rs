//! Socket addresses as the kernel lays them out.
//!
//! Shape:  28 bytes hold `sockaddr_in` (16) or `sockaddr_in6` (28); the family comes first, in the machine's order.
//! Units:  ports and IPv4 addresses in network order inside the bytes.
//! Errors: `None` for any other family and for a short name.
//! Source: ip(7), ipv6(7). Safe code only, so nothing here depends on a pointer cast.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for the longer of the two: `sizeof(struct sockaddr_in6)`.
pub const NAME_LEN: usize = 28;

/// A socket address as bytes that a system call can point at.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(4))]
pub struct RawAddress {
    bytes: [u8; NAME_LEN],
    len: u8,
}

impl RawAddress {
    /// No address; for preallocated places.
    pub const EMPTY: Self = Self { bytes: [0; NAME_LEN], len: 0 };

    /// No address but its family, `AF_UNSPEC`: connecting to it dissolves a connection.
    pub const UNSPECIFIED: Self = Self { bytes: [0; NAME_LEN], len: 16 };

    /// Length of the part in use, in bytes.
    pub const fn len(&self) -> u32 {
        self.len as u32
    }

    /// True for [`RawAddress::EMPTY`].
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the bytes are. Valid as long as this value is neither moved nor dropped.
    pub const fn as_ptr(&self) -> *const libc::sockaddr {
        self.bytes.as_ptr().cast()
    }
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        let mut bytes = [0; NAME_LEN];
        let len = match address {
            SocketAddr::V4(v4) => {
                bytes[0..2].copy_from_slice(&AF_INET.to_ne_bytes());
                bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                16
            }
            SocketAddr::V6(v6) => {
                bytes[0..2].copy_from_slice(&AF_INET6.to_ne_bytes());
                bytes[2..4].copy_from_slice(&v6.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                28
            }
        };
        Self { bytes, len }
    }
}

/// Reads a name that the kernel wrote.
pub fn read(name: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(name.first_chunk().copied()?);
    let port = u16::from_be_bytes(name.get(2..4)?.try_into().ok()?);
    match family {
        AF_INET => {
            let ip: [u8; 4] = name.get(4..8)?.try_into().ok()?;
            Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(ip), port)))
        }
        AF_INET6 => {
            let flow = u32::from_be_bytes(name.get(4..8)?.try_into().ok()?);
            let ip: [u8; 16] = name.get(8..24)?.try_into().ok()?;
            let scope = u32::from_ne_bytes(name.get(24..28)?.try_into().ok()?);
            Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope)))
        }
        _ => None,
    }
}

/// True when datagrams can be sent to it from a socket bound to `local`: same family, a port, and no wildcard.
pub fn is_reachable(local: IpAddr, to: SocketAddr) -> bool {
    local.is_ipv4() == to.is_ipv4() && to.port() != 0 && !to.ip().is_unspecified()
}

const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_written() {
        for text in ["127.0.0.1:5060", "255.254.253.252:65535", "[2001:db8::7]:10000", "[fe80::1%3]:9"] {
            let address: SocketAddr = text.parse().unwrap();
            let raw = RawAddress::from(address);
            assert_eq!(read(&raw.bytes[..raw.len() as usize]), Some(address), "{text}");
        }
    }

    #[test]
    fn every_short_name_is_refused() {
        for text in ["127.0.0.1:5060", "[::1]:5060"] {
            let raw = RawAddress::from(text.parse::<SocketAddr>().unwrap());
            let needed = if text.starts_with('[') { 28 } else { 8 };
            for len in 0..needed {
                assert_eq!(read(&raw.bytes[..len]), None);
            }
        }
        assert_eq!(read(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
