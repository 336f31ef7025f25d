//! Sockets bound on one thread and used on another; several that share one port.
//!
//! ```text
//!   bind_udp, bind_tcp(address, count) ─► Vec<Bound…> ─► other thread ─► UdpSocket::from, TcpListener::from
//! ```
//! Shape:  of a group of several each has `SO_REUSEPORT`: the kernel deals peers out among them. A single one has not.
//! Units:  a bind is tried again for 2 s, because the kernel gives a killed engine's sockets back up to 110 ms late.
//! Errors: [`BindError`]. A group asks first without `SO_REUSEPORT`, so that a second engine on the port is refused and does not
//!         take a part of the traffic in silence.

use crate::tcp::{BACKLOG, BIND_PATIENCE, BIND_PAUSE, BindError};
use socket2::{Domain, Protocol, Socket, Type};
use std::{io, net::SocketAddr, time::Instant};

/// A UDP socket that no executor knows yet.
#[derive(Debug)]
pub struct BoundUdp {
    pub(crate) socket: Socket,
    pub(crate) address: SocketAddr,
}

/// A listening TCP socket that no executor knows yet.
#[derive(Debug)]
pub struct BoundTcp {
    pub(crate) socket: Socket,
    pub(crate) address: SocketAddr,
}

impl BoundUdp {
    /// The address it is bound to, with the port the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl BoundTcp {
    /// The address it listens on, with the port the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// Binds `count` UDP sockets to one address, each with a receive buffer of `receive_bytes`. An IPv6 address takes IPv6 only. A
/// host that allows less buffer gives what it allows.
///
/// # Errors
/// [`BindError`] with the kernel's last answer.
pub async fn bind_udp(address: SocketAddr, receive_bytes: usize, count: usize) -> Result<Vec<BoundUdp>, BindError> {
    let one = |address: SocketAddr, shared: bool| {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        prepare(&socket, address, shared)?;
        socket.set_recv_buffer_size(receive_bytes)?;
        socket.bind(&address.into())?;
        let address = std::net::UdpSocket::from(socket.try_clone()?).local_addr()?;
        Ok(BoundUdp { socket, address })
    };
    let first = patiently("udp", address, || one(address, false)).await?;
    if count < 2 {
        return Ok(vec![first]);
    }
    let address = first.address;
    drop(first);
    group("udp", address, count, || one(address, true)).await
}

/// Listens `count` times on one address. An IPv6 address takes IPv6 only.
///
/// # Errors
/// [`BindError`] with the kernel's last answer.
pub async fn bind_tcp(address: SocketAddr, count: usize) -> Result<Vec<BoundTcp>, BindError> {
    let one = |address: SocketAddr, shared: bool| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        prepare(&socket, address, shared)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let address = std::net::TcpListener::from(socket.try_clone()?).local_addr()?;
        Ok(BoundTcp { socket, address })
    };
    let first = patiently("tcp", address, || one(address, false)).await?;
    if count < 2 {
        return Ok(vec![first]);
    }
    let address = first.address;
    drop(first);
    group("tcp", address, count, || one(address, true)).await
}

async fn group<T>(protocol: &'static str, address: SocketAddr, count: usize, one: impl Fn() -> io::Result<T>) -> Result<Vec<T>, BindError> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(patiently(protocol, address, &one).await?);
    }
    Ok(all)
}

async fn patiently<T>(protocol: &'static str, address: SocketAddr, bind: impl Fn() -> io::Result<T>) -> Result<T, BindError> {
    let give_up = Instant::now() + BIND_PATIENCE;
    loop {
        match bind() {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < give_up => crate::sleep(BIND_PAUSE).await,
            Err(source) => return Err(BindError { protocol, address, source }),
        }
    }
}

fn prepare(socket: &Socket, address: SocketAddr, shared: bool) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared { socket.set_reuse_port(true) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TcpListener, UdpSocket, run_test};

    #[test]
    fn a_group_shares_its_port_and_lets_no_stranger_in() {
        run_test(async {
            let any = "127.0.0.1:0".parse().unwrap();
            let udp = bind_udp(any, 4096, 2).await.unwrap();
            assert_eq!(udp[0].local_addr(), udp[1].local_addr());
            let error = bind_udp(udp[0].local_addr(), 4096, 2).await.unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
            let tcp = bind_tcp(any, 2).await.unwrap();
            assert_eq!(tcp[0].local_addr(), tcp[1].local_addr());
            let error = bind_tcp(tcp[0].local_addr(), 1).await.unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        });
    }

    #[test]
    fn bound_here_and_used_there() {
        let (udp, tcp) = run_test(async {
            let any = "[::1]:0".parse().unwrap();
            (bind_udp(any, 4096, 1).await.unwrap().remove(0), bind_tcp(any, 1).await.unwrap().remove(0))
        });
        let addresses = (udp.local_addr(), tcp.local_addr());
        std::thread::spawn(move || {
            run_test(async move {
                let (udp, tcp) = (UdpSocket::from(udp), TcpListener::from(tcp));
                assert_eq!((udp.local_addr(), tcp.local_addr()), addresses);
                std::net::UdpSocket::bind("[::1]:0").unwrap().send_to(b"x", udp.local_addr()).unwrap();
                udp.readable().await.unwrap();
            });
        })
        .join()
        .unwrap();
    }
}
