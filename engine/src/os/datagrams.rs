//! Many datagrams per system call: `recvmmsg` and `sendmmsg`, never waiting.
//!
//! Shape:  64 datagrams a call, each up to 64 KiB. The receive memory is 4 MiB of address space per socket, but only
//!         pages that datagrams have reached are resident: 256 KiB as long as they stay under 4 KiB.
//! Units:  bytes.
//! Errors: `io::Error`; "nothing there" is `Ok(0)`. A send that the kernel refuses is skipped and counted, UDP may lose.

use super::address::{self, NAME_LEN, RawAddress};
use std::{
    io,
    net::SocketAddr,
    ops::Range,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Datagrams per system call.
pub const BATCH: usize = 64;
/// Longest datagram, more than UDP over IPv4 or IPv6 can carry.
pub const DATAGRAM_MAX: usize = 65_535;
/// Distance between two receive places: not a power of two, so that the heads do not share cache sets.
const STRIDE: usize = 65_536 + 17 * 64;

/// Receives up to [`BATCH`] datagrams at a time.
#[derive(Debug)]
pub struct ReceiveBatch {
    memory: Vec<u8>,
    arrived: Vec<(SocketAddr, Range<usize>)>,
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl ReceiveBatch {
    /// Reserves the address space.
    pub fn new() -> Self {
        Self { memory: vec![0; BATCH * STRIDE], arrived: Vec::with_capacity(BATCH) }
    }

    /// Takes what is there, at most [`BATCH`], in place of what was taken before. Returns how many the kernel gave.
    ///
    /// # Errors
    /// The kernel's answer, other than "nothing there" or "interrupted".
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.arrived.clear();
        let mut names = [[0_u8; NAME_LEN]; BATCH];
        // SAFETY: all zero is a valid iovec.
        let mut places: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
        // SAFETY: all zero is a valid mmsghdr.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        let memory = self.memory.chunks_exact_mut(STRIDE);
        for (((header, place), name), bytes) in headers.iter_mut().zip(&mut places).zip(&mut names).zip(memory) {
            *place = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: DATAGRAM_MAX };
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = NAME_LEN as u32;
            header.msg_hdr.msg_iov = place;
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every header points at a name and a place on this stack, and every place at its own part of `memory`.
        let answer =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
        let taken = answered(answer)?;
        for (index, (header, name)) in headers.iter().zip(&names).take(taken).enumerate() {
            let len = (header.msg_len as usize).min(DATAGRAM_MAX);
            let start = index * STRIDE;
            // Only IPv4 and IPv6 sockets are bound, so a name of another kind does not come.
            if let Some(from) = address::read(name) {
                self.arrived.push((from, start..start + len));
            }
        }
        Ok(taken)
    }

    /// The datagrams of the last [`ReceiveBatch::receive`], in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.arrived.iter().map(|(from, range)| (*from, self.memory.get(range.clone()).unwrap_or_default()))
    }
}

/// Collects datagrams and sends them together.
#[derive(Debug, Default)]
pub struct SendBatch {
    bytes: Vec<u8>,
    queued: Vec<(RawAddress, Range<usize>)>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Datagrams that it refused: full send buffer, no route, too long.
    pub refused: u64,
}

impl SendBatch {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a datagram. True when the batch is full and must be flushed before the next.
    #[must_use = "a full batch must be flushed"]
    pub fn push(&mut self, to: SocketAddr, bytes: &[u8]) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.queued.push((to.into(), start..self.bytes.len()));
        self.queued.len() >= BATCH
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Sends all that waits and empties the batch.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let mut result = Sent::default();
        let mut done = 0;
        // Each turn takes at least one datagram off, so it ends.
        while let Some(waiting) = self.queued.get(done..).filter(|waiting| !waiting.is_empty()) {
            match send(socket, &self.bytes, waiting) {
                Ok(0) | Err(_) => {
                    result.refused += 1;
                    done += 1;
                }
                Ok(sent) => {
                    result.sent += sent as u64;
                    done += sent;
                }
            }
        }
        self.queued.clear();
        self.bytes.clear();
        result
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], waiting: &[(RawAddress, Range<usize>)]) -> io::Result<usize> {
    // SAFETY: all zero is a valid iovec.
    let mut places: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: all zero is a valid mmsghdr.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for ((header, place), (to, range)) in headers.iter_mut().zip(&mut places).zip(waiting) {
        let datagram = bytes.get(range.clone()).unwrap_or_default();
        *place = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
        header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_hdr.msg_namelen = to.len();
        header.msg_hdr.msg_iov = place;
        header.msg_hdr.msg_iovlen = 1;
    }
    let count = waiting.len().min(BATCH) as u32;
    // SAFETY: the first `count` headers point at `waiting`, `bytes` and this stack, and the call only reads them.
    answered(unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) })
}

fn answered(answer: i32) -> io::Result<usize> {
    match usize::try_from(answer) {
        Ok(count) => Ok(count),
        Err(_) => match io::Error::last_os_error() {
            error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            error => Err(error),
        },
    }
}

/// Asks for a receive buffer of `bytes`, beyond `net.core.rmem_max` where the process may, and returns what is in force.
pub fn set_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) -> usize {
    let wanted = i32::try_from(bytes).unwrap_or(i32::MAX);
    // SAFETY: `wanted` lives on this stack and its size is told.
    let forced = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const wanted).cast(),
            size_of_val(&wanted) as libc::socklen_t,
        )
    };
    let socket = socket2::SockRef::from(&socket);
    if forced != 0 {
        // What is allowed is better than the default.
        let _ = socket.set_recv_buffer_size(bytes);
    }
    socket.recv_buffer_size().unwrap_or(0)
}

/// Bytes that wait in the receive queue of a socket, as Linux counts them; 0 where it does not say.
pub fn waiting_bytes(socket: BorrowedFd<'_>) -> usize {
    let mut memory = [0_u32; 9];
    let mut size = size_of_val(&memory) as libc::socklen_t;
    // SAFETY: `memory` and `size` live on this stack, and `size` is that of `memory`.
    let asked = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, memory.as_mut_ptr().cast(), &raw mut size) };
    let [received, ..] = memory;
    if asked == 0 { received as usize } else { 0 }
}

/// `SO_MEMINFO` of `asm-generic/socket.h`, since Linux 4.12; its first word is the receive queue.
const SO_MEMINFO: libc::c_int = 55;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::UdpSocket, os::fd::AsFd};

    #[test]
    fn what_waits_is_seen() {
        let (here, there) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        assert_eq!(waiting_bytes(here.as_fd()), 0);
        for _ in 0..10 {
            there.send_to(&[0; 500], here.local_addr().unwrap()).unwrap();
        }
        assert!((5_000..50_000).contains(&waiting_bytes(here.as_fd())), "{}", waiting_bytes(here.as_fd()));
    }

    #[test]
    fn what_is_sent_in_one_batch_arrives_in_one_batch() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let (a, b) = (UdpSocket::bind(ip).unwrap(), UdpSocket::bind(ip).unwrap());
            let mut out = SendBatch::new();
            let big = vec![7; 9000];
            for n in 0..BATCH - 1 {
                assert!(!out.push(b.local_addr().unwrap(), format!("message {n}").as_bytes()));
            }
            assert!(out.push(b.local_addr().unwrap(), &big));
            assert_eq!(out.flush(a.as_fd()), Sent { sent: BATCH as u64, refused: 0 });
            assert!(out.is_empty());
            let mut batch = ReceiveBatch::new();
            assert_eq!(batch.receive(b.as_fd()).unwrap(), BATCH);
            let got: Vec<_> = batch.iter().collect();
            assert_eq!(got[3], (a.local_addr().unwrap(), &b"message 3"[..]));
            assert_eq!(got[BATCH - 1].1, &big[..]);
            assert_eq!(batch.receive(b.as_fd()).unwrap(), 0);
            assert_eq!(batch.iter().count(), 0);
        }
    }

    #[test]
    fn a_refused_datagram_does_not_stop_the_others() {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut out = SendBatch::new();
        let to = b.local_addr().unwrap();
        for bytes in [&b"one"[..], &vec![0; 70_000], b"two"] {
            assert!(!out.push(to, bytes));
        }
        assert!(!out.push("[::1]:9".parse().unwrap(), b"wrong family"));
        assert!(!out.push(to, b"three"));
        assert_eq!(out.flush(a.as_fd()), Sent { sent: 3, refused: 2 });
        let mut batch = ReceiveBatch::new();
        batch.receive(b.as_fd()).unwrap();
        let got: Vec<_> = batch.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(got, [&b"one"[..], b"two", b"three"]);
    }
}
