//! One slot of the ring: its six steps, in an order that the borrow checker keeps.
//!
//! Shape:  [`MediaRing::slot`] is steps 1 and 2; [`Slot::next_packet`] gives packets one at a time in order of completion;
//!         [`Packet::forward`] and [`Slot::send`] are step 3; [`Slot::finish`], or dropping the slot, is steps 4 to 6.
//! Units:  packet bytes without the kernel's header and address.
//! Errors: counted in [`super::Counters`], never returned.

use super::{
    media::{Completion, MediaRing, RELEASES_MAX},
    sockets::{PacketSize, SocketId},
    token::{Kind, Token},
};
use crate::os::address::{self, NAME_LEN};
use io_uring::cqueue;
use std::{net::SocketAddr, ops::Range, time::Instant};

/// A slot under way.
#[derive(Debug)]
pub struct Slot<'r> {
    ring: &'r mut MediaRing,
    now: Instant,
}

/// A received packet in its buffer.
#[derive(Debug)]
pub struct Packet<'s> {
    ring: &'s mut MediaRing,
    socket: SocketId,
    from: SocketAddr,
    place: HeldPlace,
    range: Range<usize>,
}

/// A held buffer: its group, and its number in that group's list.
#[derive(Debug, Clone, Copy)]
struct HeldPlace {
    group: u8,
    index: usize,
}

struct Arrival {
    socket: SocketId,
    from: SocketAddr,
    place: HeldPlace,
    range: Range<usize>,
}

impl MediaRing {
    /// Starts a slot: takes all that has arrived.
    pub fn slot(&mut self, now: Instant) -> Slot<'_> {
        self.enter_now();
        self.collect();
        Slot { ring: self, now }
    }

    /// Reads one completion. `Some` if it is a packet for an open socket.
    fn accept(&mut self, completion: Completion) -> Option<Arrival> {
        let token = Token::decode(completion.user_data)?;
        let id = SocketId { place: token.place, generation: token.generation };
        match token.kind {
            Kind::Send => {
                self.count_failed_send(completion.result);
                self.hear_refusal(id, completion.result);
                None
            }
            Kind::Cancel => None,
            Kind::Receive => {
                let held = self.hold(token.group, completion.flags);
                if !cqueue::more(completion.flags) {
                    self.receive_ended(id, completion.result);
                }
                let place = held?;
                let Some(open) = self.sockets.get(id).filter(|open| !open.closing) else {
                    self.counters.stale += 1;
                    return None;
                };
                let owner = open.line.owner().unwrap_or(id);
                let arrival = self.read(id, place, completion.result)?;
                Some(Arrival { socket: owner, ..arrival })
            }
        }
    }

    /// Takes the buffer that a completion names and keeps it for step 5.
    fn hold(&mut self, group: u8, flags: u32) -> Option<HeldPlace> {
        let number = cqueue::buffer_select(flags)?;
        let held = self.groups.get_mut(usize::from(group))?.take(number)?;
        let list = self.held.get_mut(usize::from(group))?;
        let index = list.len();
        list.push(held);
        Some(HeldPlace { group, index })
    }

    fn read(&mut self, socket: SocketId, place: HeldPlace, result: i32) -> Option<Arrival> {
        let len = usize::try_from(result).ok()?;
        let bytes = self.held_bytes(place)?.get(..len)?;
        // struct io_uring_recvmsg_out: namelen, controllen, payloadlen, flags.
        let flags = u32::from_ne_bytes(*bytes.get(12..)?.first_chunk()?);
        let from = address::read(bytes.get(HEADER..PAYLOAD)?);
        if flags & libc::MSG_TRUNC as u32 != 0 {
            self.counters.truncated += 1;
            // Where one long packet comes from, more will: the next ones find room.
            self.set_packet_size(socket, PacketSize::Large);
            return None;
        }
        let Some(from) = from else {
            self.counters.stale += 1;
            return None;
        };
        self.counters.received += 1;
        Some(Arrival { socket, from, place, range: PAYLOAD..len })
    }

    fn receive_ended(&mut self, id: SocketId, result: i32) {
        match -result {
            libc::ENOBUFS => {
                self.counters.no_buffers += 1;
                self.ran_out = true;
            }
            libc::ECANCELED => {}
            error if error > 0 => self.counters.receive_errors += 1,
            _ => {}
        }
        self.hear_refusal(id, result);
        match self.sockets.change(id, |open| {
            open.armed = None;
            (open.closing, open.parting)
        }) {
            Some((true, _)) => self.release.push(id),
            Some((false, false)) => self.rearm.push(id),
            Some((false, true)) | None => {}
        }
    }

    fn count_failed_send(&mut self, result: i32) {
        match -result {
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => self.counters.tx_dropped += 1,
            error if error > 0 => self.counters.tx_refused += 1,
            _ => {}
        }
    }

    fn finish_slot(&mut self, now: Instant) {
        // Step 4.
        self.submit();
        // What nobody asked for, or came meanwhile, is for the next slot.
        self.arrivals.drain(..self.cursor);
        self.cursor = 0;
        // Step 5.
        let ran_out = std::mem::take(&mut self.ran_out);
        for (group, held) in self.groups.iter_mut().zip(&mut self.held) {
            if !held.is_empty() || ran_out {
                // The first one ends on top.
                held.drain(..).rev().for_each(|held| group.give_back(held));
                group.publish(ran_out);
            }
        }
        self.release_closed(now, RELEASES_MAX);
        self.look_for_overflow();
        self.settle_next();
        // Step 6, after 5: re-arming first meets the empty buffer ring again.
        std::mem::swap(&mut self.rearm, &mut self.rearming);
        while let Some(id) = self.rearming.pop() {
            self.counters.rearmed += 1;
            self.arm(id);
        }
        self.submit();
    }

    fn held_bytes(&mut self, place: HeldPlace) -> Option<&mut [u8]> {
        let held = self.held.get(usize::from(place.group))?.get(place.index)?;
        Some(self.groups.get_mut(usize::from(place.group))?.bytes(held))
    }
}

impl Slot<'_> {
    /// The next packet, in order of completion.
    pub fn next_packet(&mut self) -> Option<Packet<'_>> {
        loop {
            let completion = *self.ring.arrivals.get(self.ring.cursor)?;
            self.ring.cursor += 1;
            if let Some(Arrival { socket, from, place, range }) = self.ring.accept(completion) {
                return Some(Packet { ring: self.ring, socket, from, place, range });
            }
        }
    }

    /// Sends a copy of `bytes`. False if it could not be queued; that is counted.
    pub fn send(&mut self, socket: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        self.ring.send_copy(socket, to, bytes)
    }

    /// Sends, returns the buffers, closes and re-arms sockets. Dropping the slot does the same.
    pub fn finish(self) {}
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.ring.finish_slot(self.now);
    }
}

impl Packet<'_> {
    /// The socket it came to.
    pub fn socket(&self) -> SocketId {
        self.socket
    }

    /// Who sent it, as the kernel says.
    pub fn from(&self) -> SocketAddr {
        self.from
    }

    /// Its bytes, which may be changed before [`Packet::forward`].
    pub fn bytes(&mut self) -> &mut [u8] {
        let range = self.range.clone();
        self.ring.held_bytes(self.place).and_then(|bytes| bytes.get_mut(range)).unwrap_or_default()
    }

    /// Sends the part `range` of it, from where it lies, through `socket`. False if it could not be queued; that is counted.
    ///
    /// # Panics
    /// If `range` is not inside the packet.
    pub fn forward(mut self, socket: SocketId, to: SocketAddr, range: Range<usize>) -> bool {
        let bytes = self.bytes();
        assert!(range.start <= range.end && range.end <= bytes.len(), "{range:?} of a packet of {} bytes", bytes.len());
        let bytes = bytes.get(range).unwrap_or_default();
        let (start, len) = (bytes.as_ptr(), bytes.len());
        // SAFETY: the buffer is held: it goes back to the kernel in step 5, after the submit of step 4. Its memory lives as long as the ring.
        unsafe { self.ring.send_at(socket, to, start, len) }
    }
}

/// `struct io_uring_recvmsg_out`.
const HEADER: usize = 16;
const PAYLOAD: usize = HEADER + NAME_LEN;
