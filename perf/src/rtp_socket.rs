//! Sockets of phones, for RTP.
//!
//! ```text
//!   even port: RTP, bound      odd port beside it: RTCP, which nobody listens to, and no other phone of ours has
//! ```
//! Shape:  one function. Errors: `io::Error` of the bind, `AddrInUse` if the kernel gave odd ports only.
//! Why so: with ports as the kernel deals them out, RTCP for one phone comes to the phone whose port is the next, as a stranger.
//! Source: RFC 3550 §11.

use std::io;
use std::net::{IpAddr, UdpSocket};

/// A UDP socket on an even port of the kernel's choice.
///
/// # Errors
/// That of the bind; `AddrInUse` if 64 ports in a row were odd.
pub fn rtp_socket(ip: IpAddr) -> io::Result<UdpSocket> {
    // Held meanwhile, or it might be given again.
    let mut odd = Vec::new();
    for _ in 0..TRIES {
        let socket = UdpSocket::bind((ip, 0))?;
        if socket.local_addr()?.port() % 2 == 0 {
            return Ok(socket);
        }
        odd.push(socket);
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no even UDP port in {TRIES} tries")))
}

/// Half of the ports are even: all of these are odd once in 2^64.
const TRIES: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by ending")]

    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn phones_have_even_ports_of_their_own() {
        let sockets: Vec<UdpSocket> = (0..50).map(|_| rtp_socket(Ipv4Addr::LOCALHOST.into()).unwrap()).collect();
        let mut ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| port % 2 == 0));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
    }
}
