//! The sockets of a channel: a pair of ports, bound and armed.
//!
//! Shape:  [`MediaRing::open`] takes a pair of the address's pool, the next one where another program has it, and installs both sockets.
//! Units:  a pair is an even port and the one above it.
//! Errors: [`OpenError`] by variant; nothing stays behind then.
//! Not here: closing (`media`), connecting (`line`), taking over from another ring (`handover`).

use super::{
    line::Line,
    media::MediaRing,
    ports::PortError,
    sockets::{Open, PacketSize, SocketId},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
    time::Instant,
};

/// RTP and RTCP of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Socket of the even port.
    pub rtp: SocketId,
    /// Socket of the odd port above it.
    pub rtcp: SocketId,
    /// Address they are bound to.
    pub ip: IpAddr,
    /// The even port.
    pub port: u16,
}

/// Why a channel has no sockets.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No port is free on the address.
    #[error("{ip}: {source}")]
    Ports {
        /// Where.
        ip: IpAddr,
        /// Pairs of its pool.
        pairs: usize,
        /// Why.
        source: PortError,
    },
    /// An address without a pool.
    #[error("no RTP ports belong to {0}")]
    NoPool(IpAddr),
    /// Many ports in a row are in use by others.
    #[error("{tried} RTP ports in a row are in use by another program; keep the range out of net.ipv4.ip_local_port_range")]
    PortsTaken {
        /// How many.
        tried: usize,
    },
    /// More channels than the ring was made for.
    #[error("the ring has no place for another channel")]
    NoPlace,
    /// A wildcard address: replies would leave from whatever address the route has.
    #[error("{0} is not the address of an interface")]
    Wildcard(IpAddr),
    /// The kernel refused a socket.
    #[error("RTP socket on {ip}: {source}")]
    Socket {
        /// Where.
        ip: IpAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl MediaRing {
    /// Opens the sockets of a channel on `ip`, which must be the address of an interface, and arms them.
    ///
    /// # Errors
    /// [`OpenError`]; nothing stays behind then.
    pub fn open(&mut self, ip: IpAddr, size: PacketSize, now: Instant) -> Result<Pair, OpenError> {
        if ip.is_unspecified() {
            return Err(OpenError::Wildcard(ip));
        }
        for _ in 0..PORTS_TRIED {
            let pool = self.ports.of(ip).ok_or(OpenError::NoPool(ip))?;
            let port = pool.take(now).map_err(|source| OpenError::Ports { ip, pairs: pool.pairs(), source })?;
            match self.bind_pair(ip, port) {
                Ok((rtp, rtcp)) => return self.install(ip, port, rtp, rtcp, size, now),
                Err(error) => {
                    self.ports.give_back(ip, port, now);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        return Err(OpenError::Socket { ip, source: error });
                    }
                }
            }
        }
        Err(OpenError::PortsTaken { tried: PORTS_TRIED })
    }

    fn install(&mut self, ip: IpAddr, port: u16, rtp: OwnedFd, rtcp: OwnedFd, size: PacketSize, now: Instant) -> Result<Pair, OpenError> {
        let rtp = match self.install_one(ip, port, rtp, size) {
            Ok(id) => {
                self.sockets.change(id, |open| open.line = Line::new());
                id
            }
            Err(error) => {
                self.ports.give_back(ip, port, now);
                return Err(error);
            }
        };
        match self.install_one(ip, port, rtcp, PacketSize::Small) {
            Ok(rtcp) => Ok(Pair { rtp, rtcp, ip, port }),
            Err(error) => {
                // The port comes back when this one has been released.
                self.close_socket(rtp);
                Err(error)
            }
        }
    }

    pub(super) fn install_one(&mut self, ip: IpAddr, pair: u16, fd: OwnedFd, size: PacketSize) -> Result<SocketId, OpenError> {
        let place = self.sockets.next_place().ok_or(OpenError::NoPlace)?;
        self.ring.submitter().register_files_update(place, &[fd.as_raw_fd()]).map_err(|source| OpenError::Socket { ip, source })?;
        let open = Open::new(fd, ip, pair, size);
        let id = self.sockets.insert(open).map_err(|_| OpenError::NoPlace)?;
        if let Some(pool) = self.ports.of(ip) {
            pool.socket_opens(pair);
        }
        self.arm(id);
        Ok(id)
    }

    fn bind_pair(&self, ip: IpAddr, port: u16) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.bind(ip, port, false)?, self.bind(ip, port + 1, false)?))
    }

    /// A socket on an address; with `beside` it does not mind others that do not mind it.
    pub(super) fn bind(&self, ip: IpAddr, port: u16, beside: bool) -> io::Result<OwnedFd> {
        let address = SocketAddr::new(ip, port);
        // In blocking mode: the ring would answer EAGAIN instead of waiting.
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(self.config.receive_buffer)?;
        if let Some(bytes) = self.config.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        // A host that forbids marking still carries calls.
        let class = u32::from(self.config.traffic_class);
        let _ = if ip.is_ipv4() { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) };
        if ip.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if beside {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&address.into())?;
        Ok(socket.into())
    }
}

/// Ports tried for one channel before giving up.
const PORTS_TRIED: usize = 32;
