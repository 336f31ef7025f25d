//! Connections that never leave their executor: where client and server are tasks of one thread, as SIP and the call script
//! of `mediaswitch` are, they share two buffers and no socket.
//!
//! ```text
//!   serve ─► offer(address) ┐                  client End ══[ Way ]══► server End
//!   client ─► connect(address) ─► a new pair          ◄══[ Way ]══
//! ```
//! Shape:  [`Stream`] is such an end or a socket; what goes over either is the same HTTP, byte for byte. A way holds at most
//!         [`WAY_BYTES`]; who writes more waits.
//! Errors: as of a socket: 0 read behind the last byte, `BrokenPipe` where nobody reads.
//! Why:    a request over loopback costs two writes and two reads, each a system call or two and a turn of the ring.
//! Not here: other threads and other processes, which are reached over sockets.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rt::{AsyncRead, AsyncWrite, TcpStream};

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// To another thread, process or host.
    Tcp(TcpStream),
    /// To a task of this thread.
    Local(End),
}

/// One end of a connection within the thread.
#[derive(Debug)]
pub(crate) struct End {
    from: Rc<RefCell<Way>>,
    to: Rc<RefCell<Way>>,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    bytes: Vec<u8>,
    read: usize,
    /// Nothing more will be written.
    ended: bool,
    /// Nobody will read.
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Takes the server's end of a new connection, unless the server is full.
type Take = Rc<dyn Fn(End) -> bool>;

thread_local! {
    /// The servers of this thread. One or two of each program: at most a dozen.
    static SERVERS: RefCell<HashMap<SocketAddr, Take>> = RefCell::default();
}

/// A server that can be reached within the thread until this is dropped.
#[derive(Debug)]
pub(crate) struct Offer(SocketAddr);

/// Lets tasks of this thread reach the server that listens on `address`.
pub(crate) fn offer(address: SocketAddr, take: impl Fn(End) -> bool + 'static) -> Offer {
    SERVERS.with_borrow_mut(|servers| servers.insert(address, Rc::new(take)));
    Offer(address)
}

impl Drop for Offer {
    fn drop(&mut self) {
        // The thread's own end may have taken the table already.
        let _ = SERVERS.try_with(|servers| servers.borrow_mut().remove(&self.0));
    }
}

/// A connection to the server at `address`, if it is one of this thread.
pub(crate) fn connect(address: SocketAddr) -> Option<End> {
    let everywhere = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback().then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(ip) => ip.is_loopback().then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let take = SERVERS.with_borrow(|servers| {
        let of_all = everywhere.and_then(|ip| servers.get(&SocketAddr::new(ip, address.port())));
        servers.get(&address).or(of_all).cloned()
    })?;
    let (ours, theirs) = pair();
    take(theirs).then_some(ours)
}

fn pair() -> (End, End) {
    let (there, back) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    (End { from: Rc::clone(&back), to: Rc::clone(&there) }, End { from: there, to: back })
}

impl Way {
    fn end(&mut self) {
        self.ended = true;
        wake(&mut self.reader);
    }
}

impl End {
    fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        let mut way = self.from.borrow_mut();
        let unread = way.bytes.get(way.read..).unwrap_or_default();
        if unread.is_empty() {
            if way.ended {
                return Poll::Ready(0);
            }
            keep(&mut way.reader, cx.waker());
            return Poll::Pending;
        }
        let count = unread.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), unread.get(..count)) {
            to.copy_from_slice(from);
        }
        way.read += count;
        if way.read == way.bytes.len() {
            way.read = 0;
            way.bytes.clear();
            // One large message must not pin its memory for the life of the connection.
            way.bytes.shrink_to(KEPT_BYTES);
        }
        wake(&mut way.writer);
        Poll::Ready(count)
    }

    fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut way = self.to.borrow_mut();
        if way.unread || way.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if way.read > way.bytes.len() / 2 {
            let read = std::mem::take(&mut way.read);
            way.bytes.drain(..read);
        }
        let count = bytes.len().min(WAY_BYTES.saturating_sub(way.bytes.len()));
        if count == 0 && !bytes.is_empty() {
            keep(&mut way.writer, cx.waker());
            return Poll::Pending;
        }
        way.bytes.extend_from_slice(bytes.get(..count).unwrap_or_default());
        wake(&mut way.reader);
        Poll::Ready(Ok(count))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.to.borrow_mut().end();
        let mut from = self.from.borrow_mut();
        from.unread = true;
        wake(&mut from.writer);
    }
}

impl Stream {
    /// As [`TcpStream::shutdown`].
    pub(crate) async fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how).await,
            Self::Local(end) => {
                if how != Shutdown::Read {
                    end.to.borrow_mut().end();
                }
                if how != Shutdown::Write {
                    end.from.borrow_mut().end();
                }
                Ok(())
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Local(end) => end.poll_read(cx, buffer).map(Ok),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Local(end) => end.poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Local(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_close(cx),
            Self::Local(end) => {
                end.to.borrow_mut().end();
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// Stores `waker`, unless the one that is there wakes the same task: glommio counts the clones of a waker in 16 bits.
fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    if !slot.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
        *slot = Some(waker.clone());
    }
}

fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

/// Bytes under way in one direction: sixteen usual snapshots, as a socket would take. 1024 connections × 2 × 64 KiB = 128 MiB
/// at worst; a way that is empty keeps 8 KiB.
const WAY_BYTES: usize = 64 << 10;
const KEPT_BYTES: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use rt::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn streams() -> (Stream, Stream) {
        let (ours, theirs) = pair();
        (Stream::Local(ours), Stream::Local(theirs))
    }

    #[test]
    fn more_than_a_way_holds_arrives_in_order_and_then_the_end() {
        rt::run_test(async {
            let (mut ours, mut theirs) = streams();
            let sent: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
            let bytes = sent.clone();
            let writer = rt::spawn_local(async move { ours.write_all(&bytes).await.map(|()| ours) });
            let mut got = vec![0; sent.len()];
            theirs.read_exact(&mut got).await.unwrap();
            assert!(got == sent);
            let ours = writer.await.unwrap();
            ours.shutdown(Shutdown::Write).await.unwrap();
            assert_eq!(theirs.read(&mut got).await.unwrap(), 0);
            theirs.write_all(b"still").await.unwrap();
        });
    }

    #[test]
    fn who_has_gone_is_noticed_by_reader_and_writer() {
        rt::run_test(async {
            let (mut ours, mut theirs) = streams();
            ours.write_all(b"last").await.unwrap();
            drop(ours);
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"last");
            assert_eq!(theirs.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn a_server_is_reached_by_its_address_while_it_offers_itself() {
        let loopback: SocketAddr = "127.0.0.1:7".parse().unwrap();
        assert!(connect(loopback).is_none());
        let all = offer("0.0.0.0:7".parse().unwrap(), |_| true);
        assert!(connect(loopback).is_some());
        assert!(connect("127.0.0.1:8".parse().unwrap()).is_none());
        assert!(connect("192.0.2.1:7".parse().unwrap()).is_none());
        assert!(connect("[::1]:7".parse().unwrap()).is_none());
        let full = offer(loopback, |_| false);
        assert!(connect(loopback).is_none());
        drop((full, all));
        assert!(connect(loopback).is_none());
    }
}
