//! TCP of this executor: listen, accept, connect, read and write.
//!
//! Shape:  listeners are made by socket2 with `SO_REUSEADDR` and without `SO_REUSEPORT`: glommio's own `bind` sets the
//!         latter, and a second engine on the port would start without an error and steal half the connections.
//! Units:  a bind is tried again for 2 s, because the kernel gives a killed engine's sockets back up to 110 ms late.
//! Errors: [`BindError`] names address and remedy; `accept` never fails, it counts, pauses 10 ms and goes on.
//! Source: `docs/runtime.md`, rules 4, 5 and 8.

use crate::bound::BoundTcp;
use futures_lite::io::{AsyncRead, AsyncWrite};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    cell::Cell,
    io,
    net::{IpAddr, Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {protocol} {address}: {source}. {}", remedy(source))]
pub struct BindError {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// What was asked for.
    pub address: SocketAddr,
    /// The last answer of the kernel.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "Another program holds this port: stop it (`ss -lnptu` shows it) or choose another port",
        io::ErrorKind::AddrNotAvailable => "No interface of this host has this address: choose one that `ip addr` shows",
        io::ErrorKind::PermissionDenied => "Ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher port or grant it",
        _ => "Check the address",
    }
}

/// Takes connections on one address.
#[derive(Debug)]
pub struct TcpListener {
    inner: glommio::net::TcpListener,
    address: SocketAddr,
    accept_errors: Cell<u64>,
}

impl TcpListener {
    /// Listens on `address`, trying again for 2 s while it is in use. An IPv6 address takes IPv6 only.
    ///
    /// # Errors
    /// [`BindError`] with the kernel's last answer.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        // Of a group of one there is always one.
        let bound = crate::bind_tcp(address, 1).await?.pop();
        bound.map(Self::from).ok_or(BindError { protocol: "tcp", address, source: io::ErrorKind::AddrNotAvailable.into() })
    }

    /// The address it listens on, with the port the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many accepts failed, most often because descriptors were short.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.get()
    }

    /// Waits for the next connection; `TCP_NODELAY` is set on it.
    pub async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok(stream) => {
                    // A peer that has already gone has no address: nobody to talk to.
                    if let Ok(peer) = stream.peer_addr() {
                        return (TcpStream::from_glommio(stream), peer);
                    }
                }
                Err(_) => {
                    self.accept_errors.set(self.accept_errors.get().saturating_add(1));
                    crate::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl From<BoundTcp> for TcpListener {
    /// Takes the socket to the executor of the calling thread.
    fn from(BoundTcp { socket, address }: BoundTcp) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: `into_raw_fd` gives up the descriptor, so the listener is its only owner.
        let inner = unsafe { glommio::net::TcpListener::from_raw_fd(socket.into_raw_fd()) };
        Self { inner, address, accept_errors: Cell::new(0) }
    }
}

/// One connection.
#[derive(Debug)]
pub struct TcpStream(glommio::net::TcpStream);

/// Connects to `address` within `limit`; `TCP_NODELAY` is set.
///
/// # Errors
/// The kernel's answer, or `TimedOut`.
pub async fn connect(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = glommio::net::TcpStream::connect_timeout(address, limit).await.map_err(io::Error::from)?;
    Ok(TcpStream::from_glommio(stream))
}

/// As [`connect`], from this address of ours: the far end sees the one that it knows, and an address that the host has not
/// is an error.
///
/// # Errors
/// The kernel's answer, or `TimedOut`.
pub async fn connect_from(local: IpAddr, address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port that another connection of ours to somebody else uses is as good.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(local, 0).into())?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // The ring waits on sockets in blocking mode only.
    socket.set_nonblocking(false)?;
    #[allow(unsafe_code)]
    // SAFETY: `into_raw_fd` gives up the descriptor, so the stream is its only owner.
    let inner = unsafe { glommio::net::TcpStream::from_raw_fd(socket.into_raw_fd()) };
    let mut stream = TcpStream::from_glommio(inner);
    // Writing nothing waits for the connection, and says why there is none (tcp_sendmsg, sk_stream_wait_connect).
    let connected = std::future::poll_fn(|cx| stream.poll_write_from(cx, &[]));
    match crate::timeout(limit, connected).await {
        Ok(result) => result.map(|_| stream),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl TcpStream {
    fn from_glommio(stream: glommio::net::TcpStream) -> Self {
        // A socket that refuses the option works without it, only slower.
        let _ = stream.set_nodelay(true);
        Self(stream)
    }

    /// The other end.
    ///
    /// # Errors
    /// `NotConnected` when it is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr().map_err(io::Error::from)
    }

    /// This end.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr().map_err(io::Error::from)
    }

    /// Says that nothing more will be written (`Write`), or ends both ways; a pending read then returns 0.
    ///
    /// # Errors
    /// `NotConnected` when the peer was faster.
    pub async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how).await.map_err(io::Error::from)
    }
}

impl TcpStream {
    /// Ends both ways at once; a pending read then returns 0, a pending write fails.
    pub fn abort(&self) {
        // `NotConnected` means that the peer was faster.
        let _ = SockRef::from(self).shutdown(Shutdown::Both);
    }

    /// Lets the kernel find out that the far end is gone: asked after `silence`, three times, each `silence / 3` apart; and
    /// bytes that stay unacknowledged for `silence` end the connection too.
    ///
    /// # Errors
    /// The kernel's answer; the connection works without.
    pub fn watch_peer(&self, silence: Duration) -> io::Result<()> {
        let socket = SockRef::from(self);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence).with_interval(silence / 3).with_retries(3))?;
        socket.set_tcp_user_timeout(Some(silence))
    }

    /// Reads what is there, else waits: for tasks that share the connection with a writer.
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    /// Writes what fits, else waits: for tasks that share the connection with a reader.
    pub fn poll_write_from(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        #[allow(unsafe_code)]
        // SAFETY: the stream owns the descriptor and lives as long as the borrow of `self`.
        unsafe {
            BorrowedFd::borrow_raw(self.0.as_raw_fd())
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

pub(crate) const BACKLOG: i32 = 1024;
/// Of Linux.
const EINPROGRESS: i32 = 115;
pub(crate) const BIND_PATIENCE: Duration = Duration::from_secs(2);
pub(crate) const BIND_PAUSE: Duration = Duration::from_millis(25);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run_test, spawn_local};
    use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
    use std::time::Instant;

    fn loopbacks() -> [SocketAddr; 2] {
        ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]
    }

    #[test]
    fn bytes_go_both_ways_on_both_families() {
        run_test(async {
            for address in loopbacks() {
                let listener = TcpListener::bind(address).await.unwrap();
                let server = listener.local_addr();
                let echo = spawn_local(async move {
                    let (mut stream, peer) = listener.accept().await;
                    let mut bytes = [0; 5];
                    stream.read_exact(&mut bytes).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                    stream.close().await.unwrap();
                    peer
                });
                let mut client = connect(server, Duration::from_secs(1)).await.unwrap();
                client.write_all(b"hello").await.unwrap();
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).await.unwrap();
                assert_eq!(answer, b"hello");
                assert_eq!(echo.await, client.local_addr().unwrap());
            }
        });
    }

    #[test]
    fn a_connection_leaves_from_the_address_that_was_asked_for() {
        run_test(async {
            let limit = Duration::from_secs(5);
            let listener = TcpListener::bind(loopbacks()[0]).await.unwrap();
            let server = listener.local_addr();
            let accepted = spawn_local(async move { listener.accept().await.1 });
            let local: IpAddr = "127.0.0.3".parse().unwrap();
            let stream = connect_from(local, server, limit).await.unwrap();
            assert_eq!((accepted.await, stream.local_addr().unwrap().ip()), (stream.local_addr().unwrap(), local));
            let closed = connect_from(local, server, limit).await.unwrap_err();
            assert_eq!(closed.kind(), io::ErrorKind::ConnectionRefused);
            let not_ours = connect_from("192.0.2.1".parse().unwrap(), server, limit).await.unwrap_err();
            assert_eq!(not_ours.kind(), io::ErrorKind::AddrNotAvailable);
            // A full queue of connections that nobody accepts: the kernel leaves the next one without an answer.
            let full = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
            full.bind(&loopbacks()[0].into()).unwrap();
            full.listen(0).unwrap();
            let address = full.local_addr().unwrap().as_socket().unwrap();
            let mut held = Vec::new();
            let late = loop {
                match connect_from(local, address, Duration::from_millis(50)).await {
                    Ok(stream) if held.len() < 8 => held.push(stream),
                    result => break result,
                }
            };
            assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_port_in_use_is_refused_after_the_patience_with_the_remedy() {
        run_test(async {
            let first = TcpListener::bind(loopbacks()[0]).await.unwrap();
            let start = Instant::now();
            let error = TcpListener::bind(first.local_addr()).await.unwrap_err();
            assert!(start.elapsed() >= BIND_PATIENCE);
            let text = error.to_string();
            assert!(text.contains(&first.local_addr().to_string()) && text.contains("choose another port"), "{text}");
        });
    }

    #[test]
    fn a_port_that_becomes_free_during_the_patience_is_taken() {
        run_test(async {
            let first = TcpListener::bind(loopbacks()[0]).await.unwrap();
            let address = first.local_addr();
            spawn_local(async move {
                crate::sleep(Duration::from_millis(100)).await;
                drop(first);
            });
            TcpListener::bind(address).await.unwrap();
        });
    }

    #[test]
    fn a_refused_connection_is_an_error() {
        run_test(async {
            let closed = TcpListener::bind(loopbacks()[0]).await.unwrap().local_addr();
            let error = connect(closed, Duration::from_secs(1)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        });
    }
}
