//! Readiness of a UDP socket; the datagrams themselves are taken in batches by `engine::net`.
//!
//! Shape:  [`UdpSocket::bind`] makes the socket with socket2 and no reuse option, so a second engine on the port is refused.
//!         [`UdpSocket::readable`] looks at one byte of the next datagram and leaves it in the socket.
//! Units:  receive buffer in bytes, as asked (the kernel doubles it for its own use).
//! Errors: [`BindError`]; `io::Error` of the wait.
//! Relies on: the descriptor stays in blocking mode, else the ring answers `EAGAIN` instead of waiting.

use crate::{bound::BoundUdp, tcp::BindError};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd},
};

/// A bound UDP socket that a task can wait on.
#[derive(Debug)]
pub struct UdpSocket {
    inner: glommio::net::UdpSocket,
    address: SocketAddr,
}

impl UdpSocket {
    /// Binds `address` with a receive buffer of `receive_bytes`, trying again for 2 s while it is in use.
    /// An IPv6 address takes IPv6 only. A host that allows less buffer gives what it allows.
    ///
    /// # Errors
    /// [`BindError`] with the kernel's last answer.
    pub async fn bind(address: SocketAddr, receive_bytes: usize) -> Result<Self, BindError> {
        // Of a group of one there is always one.
        let bound = crate::bind_udp(address, receive_bytes, 1).await?.pop();
        bound.map(Self::from).ok_or(BindError { protocol: "udp", address, source: io::ErrorKind::AddrNotAvailable.into() })
    }

    /// The address it is bound to, with the port the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a datagram is there, and leaves it there.
    ///
    /// # Errors
    /// The kernel's answer; the socket stays usable.
    pub async fn readable(&self) -> io::Result<()> {
        self.inner.peek_from(&mut [0]).await.map(|_| ()).map_err(io::Error::from)
    }
}

impl From<BoundUdp> for UdpSocket {
    /// Takes the socket to the executor of the calling thread.
    fn from(BoundUdp { socket, address }: BoundUdp) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: `into_raw_fd` gives up the descriptor, so the new socket is its only owner.
        let inner = unsafe { glommio::net::UdpSocket::from_raw_fd(socket.into_raw_fd()) };
        Self { inner, address }
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        #[allow(unsafe_code)]
        // SAFETY: `inner` owns the descriptor and lives as long as the borrow of `self`.
        unsafe {
            BorrowedFd::borrow_raw(self.inner.as_raw_fd())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run_test, spawn_local};
    use std::time::Duration;

    #[test]
    fn readable_waits_for_a_datagram_and_leaves_it() {
        run_test(async {
            for address in ["127.0.0.1:0", "[::1]:0"] {
                let socket = UdpSocket::bind(address.parse().unwrap(), 64 << 10).await.unwrap();
                let target = socket.local_addr();
                assert!(crate::timeout(Duration::from_millis(20), socket.readable()).await.is_err());
                spawn_local(async move {
                    crate::sleep(Duration::from_millis(10)).await;
                    std::net::UdpSocket::bind(address).unwrap().send_to(b"INVITE", target).unwrap();
                });
                socket.readable().await.unwrap();
                socket.readable().await.unwrap();
                let mut bytes = [0; 16];
                let duplicate = std::net::UdpSocket::from(socket.as_fd().try_clone_to_owned().unwrap());
                assert_eq!(duplicate.recv(&mut bytes).unwrap(), 6);
            }
        });
    }

    #[test]
    fn a_port_in_use_is_refused() {
        run_test(async {
            let first = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), 4096).await.unwrap();
            let error = UdpSocket::bind(first.local_addr(), 4096).await.unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        });
    }
}
