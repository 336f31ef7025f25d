//! RTP sockets that are connected to their far end, so that a packet to it looks for no route and copies no address.
//!
//! ```text
//!   sends to one address, STEADY in a row ─▶ second socket on the same port (hears everybody else) ─▶ connect(first, address)
//!   sends to another one  ─▶ with its address, as before, until they are steady       refused (ICMP) ─▶ as before, for good
//! ```
//! Shape:  the kernel gives a packet of the far end to the connected socket, whose match is the better one, and any other to the
//!         second, so the source check sees and counts all of them. Packets of the second carry the first one's id. Whatever
//!         address a packet goes to, it leaves from the same port: being connected is never needed to be right.
//! Bounds: one socket is connected in a slot, 15 to 20 µs; `RingConfig::lines` at a time.
//! Port:   nobody else may bind it: both sockets allow it (`SO_REUSEADDR`) only while the second is bound.
//! Errors: none; a socket that cannot be connected goes on without.
//! Source: udp(7), connect(2); a tenth of the CPU of a relayed packet here (`docs/runtime.md`, "Send").

use super::media::MediaRing;
use super::sockets::{PacketSize, SocketId};
use crate::os::address::RawAddress;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Packets in a row to one address: half a second of 20 ms, longer than a source is on probation.
const STEADY: u16 = 25;

/// How a packet is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To what the socket is connected to.
    Connected,
    /// With its address.
    Addressed {
        /// The socket has become steady with it.
        settles: bool,
    },
}

/// What a socket is connected to, or may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    peer: Option<SocketAddr>,
    /// Where it sends with an address, and how often in a row.
    next: Option<SocketAddr>,
    count: u16,
    may_connect: bool,
    /// The socket that hears everybody else.
    beside: Option<SocketId>,
    /// The socket that it hears for.
    owner: Option<SocketId>,
}

impl Line {
    /// Of a socket that is never connected.
    pub const NEVER: Self = Self { peer: None, next: None, count: 0, may_connect: false, beside: None, owner: None };

    /// Of a socket that may be connected.
    pub const fn new() -> Self {
        Self { may_connect: true, ..Self::NEVER }
    }

    /// How a packet is sent to an address.
    pub fn sends(&mut self, to: SocketAddr) -> Way {
        if self.peer == Some(to) {
            return Way::Connected;
        }
        if !self.may_connect {
            return Way::Addressed { settles: false };
        }
        self.count = if self.next == Some(to) { self.count.saturating_add(1) } else { 1 };
        self.next = Some(to);
        Way::Addressed { settles: self.count == STEADY }
    }

    /// The socket that this one hears for.
    pub const fn owner(&self) -> Option<SocketId> {
        self.owner
    }

    const fn wishes(&self) -> Option<SocketAddr> {
        if self.may_connect && self.count >= STEADY { self.next } else { None }
    }
}

impl MediaRing {
    /// Connects the next socket that has become steady.
    pub(super) fn settle_next(&mut self) {
        let Some(id) = self.settling.pop_front() else { return };
        let Some(open) = self.sockets.get(id).filter(|open| open.receives()) else { return };
        let Some(to) = open.line.wishes() else { return };
        let connected = (open.line.beside.is_some() || self.open_beside(id)) && self.connect(id, Some(to)).is_ok();
        if let Some(open) = self.sockets.get_mut(id) {
            open.line.peer = connected.then_some(to);
            open.line.may_connect = connected;
            open.line.count = 0;
        }
    }

    /// Whether a socket is connected to an address.
    #[cfg(test)]
    pub(super) fn is_connected(&self, id: SocketId, to: SocketAddr) -> bool {
        self.sockets.get(id).is_some_and(|open| open.line.peer == Some(to))
    }

    /// Opens the second socket of a port, and arms it. False if there is none to be had.
    fn open_beside(&mut self, id: SocketId) -> bool {
        if self.lines >= self.config.lines {
            return false;
        }
        let Some((ip, port, size)) = self.sockets.get(id).map(|open| (open.ip, open.pair, open.size)) else { return false };
        let bound = self.allow_beside(id, true).and_then(|()| {
            let fd = self.bind(ip, port, true)?;
            SockRef::from(&fd).set_reuse_address(false)?;
            Ok(fd)
        });
        let _ = self.allow_beside(id, false);
        let Ok(Ok(beside)) = bound.map(|fd| self.install_one(ip, port, fd, size)) else { return false };
        self.lines += 1;
        if let Some(second) = self.sockets.get_mut(beside) {
            second.line.owner = Some(id);
        }
        if let Some(open) = self.sockets.get_mut(id) {
            open.line.beside = Some(beside);
        }
        true
    }

    fn allow_beside(&self, id: SocketId, allow: bool) -> io::Result<()> {
        self.sockets.get(id).map_or(Ok(()), |open| SockRef::from(&open.fd).set_reuse_address(allow))
    }

    fn connect(&self, id: SocketId, to: Option<SocketAddr>) -> io::Result<()> {
        self.sockets.get(id).map_or(Ok(()), |open| connect(open.fd.as_fd(), to))
    }

    /// A receive or a send of a socket ended so. What its far end refused would be told again and again, in place of packets.
    pub(super) fn hear_refusal(&mut self, id: SocketId, result: i32) {
        let refused = !matches!(-result, libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::ECANCELED) && result < 0;
        if !refused || self.sockets.get(id).is_none_or(|open| open.line.peer.is_none()) {
            return;
        }
        let _ = self.connect(id, None);
        if let Some(open) = self.sockets.get_mut(id) {
            open.line = Line { beside: open.line.beside, ..Line::NEVER };
        }
    }

    /// Begins to take the second socket away from one that leaves.
    pub(super) fn close_beside(&mut self, id: SocketId) {
        if let Some(beside) = self.sockets.get(id).and_then(|open| open.line.beside) {
            self.close_socket(beside);
        }
    }

    /// The second socket of a port is still there.
    pub(super) fn has_beside(&self, id: SocketId) -> bool {
        self.sockets.get(id).and_then(|open| open.line.beside).is_some_and(|beside| self.sockets.get(beside).is_some())
    }

    /// The second socket has long packets where the first one has.
    pub(super) fn size_beside(&mut self, id: SocketId, size: PacketSize) {
        if let Some(beside) = self.sockets.get(id).and_then(|open| open.line.beside) {
            self.set_packet_size(beside, size);
        }
    }
}

/// Connects a socket, or dissolves that with `None`. Its own address and port stay, since it was bound to them.
pub(super) fn connect(socket: BorrowedFd<'_>, to: Option<SocketAddr>) -> io::Result<()> {
    let name = to.map_or(RawAddress::UNSPECIFIED, RawAddress::from);
    // SAFETY: the name lives on this stack, as long as it says, and is only read.
    let result = unsafe { libc::connect(socket.as_raw_fd(), name.as_ptr(), name.len()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_settles_once_and_only_with_what_is_steady() {
        let [a, b]: [SocketAddr; 2] = ["192.0.2.1:4000".parse().unwrap(), "192.0.2.2:4000".parse().unwrap()];
        let mut line = Line::new();
        let settles = |line: &mut Line, to, times: u16| (0..times).filter(|_| line.sends(to) == Way::Addressed { settles: true }).count();
        assert_eq!(settles(&mut line, a, STEADY - 1), 0);
        assert_eq!(settles(&mut line, b, STEADY - 1), 0, "another address begins anew");
        assert_eq!((line.wishes(), settles(&mut line, a, 3 * STEADY), line.wishes()), (None, 1, Some(a)));
        line.peer = Some(a);
        assert_eq!(line.sends(a), Way::Connected);
        assert_eq!(settles(&mut Line::NEVER.clone(), a, 3 * STEADY), 0);
    }
}
