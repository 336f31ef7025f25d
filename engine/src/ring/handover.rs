//! The sockets of a channel go from one ring to another, with what waits in them.
//!
//! ```text
//!   ring A: part (receives end, sends go on) ─▶ take ─▶ Loose ── another thread ──▶ adopt :ring B
//! ```
//! Shape:  a socket is taken once its receive has ended and all that it had received was handed out, so that no buffer of
//!         ring A holds a packet of it. What comes from then on waits in the socket's own buffer: 78 packets of G.711,
//!         which is 1.5 s of one stream (`setup`), for ring B. Order is kept, nothing is lost or given twice.
//! Ports:  the pair goes along. It belongs to the pool of its address in ring B from now on, and rests there after use.
//! Errors: [`OpenError`]; a ring that cannot take the sockets gives them back.

use super::{
    line::{self, Line},
    media::MediaRing,
    open::{OpenError, Pair},
    sockets::{Open, PacketSize, SocketId},
};
use std::{
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

/// The sockets of a channel between two rings. Dropping it closes them.
#[derive(Debug)]
pub struct Loose {
    rtp: OwnedFd,
    rtcp: OwnedFd,
    ip: IpAddr,
    port: u16,
    size: PacketSize,
    /// Packets dropped by each that are counted already: what is dropped on the way is counted where it arrives.
    dropped: [u32; 2],
}

impl MediaRing {
    /// Prepares the sockets of a channel for [`MediaRing::take`]: nothing new is received, what came already still comes out,
    /// sends go on.
    pub fn part(&mut self, pair: Pair) {
        // It goes alone, and connected until the second socket of its port is gone: its packets wait in it alone.
        self.close_beside(pair.rtp);
        for id in [pair.rtp, pair.rtcp] {
            self.sockets.change(id, |open| open.parting = true);
            // Asked again by `take` if the ring cannot take the request now.
            self.cancel(id);
        }
    }

    /// Takes the sockets of a channel out of the ring; `None` as long as a receive is under way, to be asked again after the
    /// next slot, and for sockets that are closed.
    pub fn take(&mut self, pair: Pair) -> Option<Loose> {
        let both = [pair.rtp, pair.rtcp];
        let mut waits = self.has_beside(pair.rtp);
        for id in both {
            let open = self.sockets.get(id).filter(|open| open.parting && !open.closing)?;
            if open.armed.is_some() {
                waits = true;
                self.cancel(id);
            }
        }
        if waits {
            return None;
        }
        let (rtp, rtcp) = (self.let_go(pair.rtp)?, self.let_go(pair.rtcp)?);
        // What others send is heard by the socket itself again.
        let _ = line::connect(rtp.fd.as_fd(), None);
        if let Some(pool) = self.ports.of(pair.ip) {
            pool.give_away(pair.port);
        }
        Some(Loose { dropped: [rtp.dropped, rtcp.dropped], rtp: rtp.fd, rtcp: rtcp.fd, ip: pair.ip, port: pair.port, size: rtp.size })
    }

    /// Takes the sockets of a channel that another ring had, and arms them.
    ///
    /// # Errors
    /// `NoPlace`, or what the kernel says; the sockets are given back with it.
    pub fn adopt(&mut self, loose: Loose) -> Result<Pair, (OpenError, Box<Loose>)> {
        let Loose { rtp, rtcp, ip, port, size, dropped } = loose;
        let open = |fd, size, dropped| Open { dropped, ..Open::new(fd, ip, port, size) };
        let rtp = match self.take_in(open(rtp, size, dropped[0]), ip) {
            Ok(id) => id,
            Err((error, open)) => return Err((error, Box::new(Loose { rtp: open.fd, rtcp, ip, port, size, dropped }))),
        };
        match self.take_in(open(rtcp, PacketSize::Small, dropped[1]), ip) {
            Ok(rtcp) => {
                if let Some(pool) = self.ports.of(ip) {
                    pool.take_over(port);
                }
                self.sockets.change(rtp, |open| open.line = Line::new());
                self.arm(rtp);
                self.arm(rtcp);
                Ok(Pair { rtp, rtcp, ip, port })
            }
            Err((error, open)) => match self.let_go(rtp) {
                Some(rtp) => Err((error, Box::new(Loose { rtp: rtp.fd, rtcp: open.fd, ip, port, size, dropped }))),
                None => unreachable!("inserted above"),
            },
        }
    }

    fn take_in(&mut self, open: Open, ip: IpAddr) -> Result<SocketId, (OpenError, Box<Open>)> {
        let Some(place) = self.sockets.next_place() else { return Err((OpenError::NoPlace, Box::new(open))) };
        match self.ring.submitter().register_files_update(place, &[open.fd.as_raw_fd()]) {
            Ok(_) => self.sockets.insert(open).map_err(|open| (OpenError::NoPlace, open)),
            Err(source) => Err((OpenError::Socket { ip, source }, Box::new(open))),
        }
    }

    /// Takes a socket that nothing is armed on out of the kernel's table and ours.
    pub(super) fn let_go(&mut self, id: SocketId) -> Option<Open> {
        self.count_overflow(id);
        // The place exists, so it is not refused.
        let _ = self.ring.submitter().register_files_update(id.place, &[-1]);
        let open = self.sockets.remove(id)?;
        self.lines -= u32::from(open.line.owner().is_some());
        Some(open)
    }
}
