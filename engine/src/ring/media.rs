//! The ring itself: sockets armed and closed, requests submitted. The work of a slot is in `slot`.
//!
//! Shape:  everything is sized at the start; `open` and `close` are the only calls that talk to the kernel outside a slot.
//! Units:  see `setup`.
//! Errors: none here; a closed socket's id is refused in silence (`false`), for calls cross on their way.
//! Owns:   fields are dropped in order: the ring before the memory it was told about. If the kernel still holds a receive
//!         then, the memory is leaked instead of freed.

use super::{
    buffers::{BufferGroup, Held},
    counters::Counters,
    line::Way,
    open::Pair,
    pools::Pools,
    setup::{self, RingConfig, SetupError},
    sockets::{PacketSize, SocketId, Sockets},
    token::{Kind, Token},
};
use crate::os::address::{NAME_LEN, RawAddress};
use io_uring::{IoUring, opcode, squeue, types};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// One completion, copied out of the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion {
    pub user_data: u64,
    pub result: i32,
    pub flags: u32,
}

/// All RTP and RTCP sockets of a shard.
pub struct MediaRing {
    pub(super) ring: IoUring,
    pub(super) groups: [BufferGroup; 2],
    /// What every receive asks for: the peer's address, no control data. Read by the kernel when a receive is submitted.
    header: Box<libc::msghdr>,
    /// Destinations of the sends that are not submitted yet: as many as submissions, so it cannot run out before them.
    names: Box<[RawAddress]>,
    names_used: usize,
    /// Bytes of copied sends that are not submitted yet.
    arena: Box<[u8]>,
    arena_used: usize,
    pub(super) sockets: Sockets,
    pub(super) ports: Pools,
    pub(super) arrivals: Vec<Completion>,
    pub(super) cursor: usize,
    pub(super) held: [Vec<Held>; 2],
    /// A receive found no buffer in this slot.
    pub(super) ran_out: bool,
    pub(super) rearm: Vec<SocketId>,
    /// The other half of `rearm`, so that neither is allocated anew.
    pub(super) rearming: Vec<SocketId>,
    pub(super) release: Vec<SocketId>,
    /// Sockets that may be connected now: at most each once.
    pub(super) settling: VecDeque<SocketId>,
    /// Sockets beside those that are connected.
    pub(super) lines: u32,
    pub(super) counters: Counters,
    /// Step 1 of the next slot is done.
    entered: bool,
    /// Place of the socket that is asked next for packets dropped.
    pub(super) overflow_cursor: usize,
    /// Slots since one was asked.
    pub(super) overflow_slot: u32,
    pub(super) config: RingConfig,
}

impl MediaRing {
    /// Makes the ring on the calling thread, which is the only one that may use it.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(config: RingConfig, ports: Pools) -> Result<Self, SetupError> {
        let (ring, groups) = setup::build(&config)?;
        // SAFETY: all zero is a valid msghdr: no name, no buffers, no control data.
        let mut header: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        header.msg_namelen = NAME_LEN as libc::socklen_t;
        let submissions = ring.params().sq_entries() as usize;
        let completions = ring.params().cq_entries() as usize;
        Ok(Self {
            ring,
            groups,
            header,
            names: vec![RawAddress::EMPTY; submissions].into(),
            names_used: 0,
            arena: vec![0; ARENA].into(),
            arena_used: 0,
            sockets: Sockets::new(config.places()),
            ports,
            arrivals: Vec::with_capacity(completions),
            cursor: 0,
            held: [Vec::with_capacity(config.small_buffers.into()), Vec::with_capacity(config.large_buffers.into())],
            ran_out: false,
            rearm: Vec::with_capacity(config.places() as usize),
            rearming: Vec::with_capacity(config.places() as usize),
            release: Vec::with_capacity(config.places() as usize),
            settling: VecDeque::with_capacity(config.places() as usize),
            lines: 0,
            counters: Counters::default(),
            entered: false,
            overflow_cursor: 0,
            overflow_slot: 0,
            config,
        })
    }
    /// Closes both sockets of a channel. They are gone, and the port rests, one slot later.
    pub fn close(&mut self, pair: Pair) {
        self.close_socket(pair.rtp);
        self.close_socket(pair.rtcp);
    }

    pub(super) fn close_socket(&mut self, id: SocketId) -> bool {
        self.close_beside(id);
        let was_armed = self.sockets.change(id, |open| {
            let first = !open.closing;
            open.closing = true;
            (first, open.armed.is_some())
        });
        match was_armed {
            Some((true, armed)) => {
                // Released once its receive has ended; asked again then if the ring could not take the cancel.
                if !armed || !self.cancel(id) {
                    self.release.push(id);
                }
                true
            }
            Some((false, _)) | None => false,
        }
    }

    /// Changes how long a socket's packets may be. Packets meanwhile wait in the socket.
    pub fn set_packet_size(&mut self, id: SocketId, size: PacketSize) {
        self.size_beside(id, size);
        let changed = self.sockets.change(id, |open| {
            let old = std::mem::replace(&mut open.size, size);
            old != size && open.receives()
        });
        if changed == Some(true) {
            self.cancel(id);
        }
    }

    /// Packets and losses so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sockets, those that are closing included.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Free and configured port pairs, of all addresses.
    pub fn ports(&self) -> (usize, usize) {
        (self.ports.free(), self.ports.pairs())
    }

    /// Queues the receive of a socket. Left for the next slot if the ring cannot take it.
    pub(super) fn arm(&mut self, id: SocketId) {
        let Some(size) = self.sockets.get(id).filter(|open| open.armed.is_none() && open.receives()).map(|open| open.size) else { return };
        let header = &raw const *self.header;
        let entry = opcode::RecvMsgMulti::new(types::Fixed(id.place), header, u16::from(size.group())).build().user_data(token(
            Kind::Receive,
            size.group(),
            id,
        ));
        if self.push(&entry) {
            self.sockets.change(id, |open| open.armed = Some(size));
        } else {
            self.rearm.push(id);
        }
    }

    /// Asks for the end of the receive that is armed, if one is. False if the ring cannot take the request.
    pub(super) fn cancel(&mut self, id: SocketId) -> bool {
        let Some(armed) = self.sockets.get(id).and_then(|open| open.armed) else { return true };
        let entry = opcode::AsyncCancel::new(token(Kind::Receive, armed.group(), id))
            .build()
            .user_data(token(Kind::Cancel, 0, id))
            .flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&entry)
    }

    /// Queues a send of `len` bytes at `bytes`. False if it could not be queued; that is counted.
    ///
    /// # Safety
    /// The bytes stay where they are, allocated, until [`MediaRing::submit`] or the next enter has returned.
    pub(super) unsafe fn send_at(&mut self, id: SocketId, to: SocketAddr, bytes: *const u8, len: usize) -> bool {
        let Some(open) = self.sockets.get_mut(id).filter(|open| !open.closing) else {
            self.counters.stale += 1;
            return false;
        };
        if open.ip.is_ipv4() != to.is_ipv4() {
            self.counters.tx_refused += 1;
            return false;
        }
        let mut entry = opcode::Send::new(types::Fixed(id.place), bytes, len as u32).flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        match open.line.sends(to) {
            Way::Connected => {}
            Way::Addressed { settles } => {
                if settles && self.settling.len() < self.settling.capacity() {
                    self.settling.push_back(id);
                }
                if self.names_used >= self.names.len() {
                    self.submit();
                }
                let Some(name) = self.names.get_mut(self.names_used) else {
                    self.counters.tx_dropped += 1;
                    return false;
                };
                *name = to.into();
                entry = entry.dest_addr(name.as_ptr()).dest_addr_len(name.len());
                self.names_used += 1;
            }
        }
        let entry = entry.build().user_data(token(Kind::Send, 0, id)).flags(squeue::Flags::SKIP_SUCCESS);
        if self.push(&entry) {
            self.counters.sent += 1;
            true
        } else {
            self.counters.tx_dropped += 1;
            false
        }
    }

    /// Queues a send of a copy of `bytes`.
    pub(super) fn send_copy(&mut self, id: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        if self.arena_used + bytes.len() > self.arena.len() {
            self.submit();
        }
        let Some(place) = self.arena.get_mut(self.arena_used..self.arena_used + bytes.len()) else {
            self.counters.tx_dropped += 1;
            return false;
        };
        place.copy_from_slice(bytes);
        let copy = place.as_ptr();
        self.arena_used += bytes.len();
        // SAFETY: the arena lives as long as the ring, and its used part is not written again before a submit.
        unsafe { self.send_at(id, to, copy, bytes.len()) }
    }

    /// Puts a request into the submission queue, submitting what is there if it is full.
    fn push(&mut self, entry: &squeue::Entry) -> bool {
        if self.ring.submission().is_full() {
            self.submit();
        }
        // SAFETY: `header` lives as long as the ring; a destination is not written again, and the bytes of a send stay
        // (see `send_at`), until `submit` has passed them on. `MSG_DONTWAIT` ends a send inside that call.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    /// Hands all queued requests to the kernel. Sends are over when it returns.
    pub(super) fn submit(&mut self) {
        for _ in 0..SUBMIT_TRIES {
            if self.ring.submission().is_empty() {
                break;
            }
            if self.ring.submit().is_err() {
                self.counters.submit_errors += 1;
                // EBUSY: completions wait for room. They are kept for the next slot.
                self.collect();
            }
        }
        if self.ring.submission().is_empty() {
            self.names_used = 0;
            self.arena_used = 0;
        }
    }

    /// Sleeps for `time` in the kernel, blocking the thread, and then runs what has been put off: step 1 of the next slot.
    ///
    /// For a thread that has nothing else to do: one call instead of a turn of the executor (45 to 60 µs) and an enter.
    pub fn wait(&mut self, time: Duration) {
        self.enter(time);
        self.entered = true;
    }

    /// Step 1: runs what the kernel has put off for this thread, unless [`MediaRing::wait`] has just done it.
    pub(super) fn enter_now(&mut self) {
        if !std::mem::take(&mut self.entered) {
            self.enter(Duration::ZERO);
        }
    }

    fn enter(&mut self, time: Duration) {
        // `want` is the whole queue, not 0: since Linux 6.13 an enter runs at most max(20, want) deferred completions.
        // It is also more than will come, so that packets do not end the wait.
        let want = self.ring.params().cq_entries() as usize;
        let time = types::Timespec::from(time);
        let args = types::SubmitArgs::new().timespec(&time);
        match self.ring.submitter().submit_with_args(want, &args) {
            Ok(_) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR)) => {}
            Err(_) => self.counters.submit_errors += 1,
        }
        if self.ring.submission().is_empty() {
            self.names_used = 0;
            self.arena_used = 0;
        }
    }

    /// Step 2: copies the completions out and gives their places back. At most one queue full, by the capacity of the list.
    pub(super) fn collect(&mut self) {
        let room = self.arrivals.capacity() - self.arrivals.len();
        for entry in self.ring.completion().take(room) {
            self.arrivals.push(Completion { user_data: entry.user_data(), result: entry.result(), flags: entry.flags() });
        }
    }

    /// Closes sockets whose receives have ended, so many at most; the others wait.
    pub(super) fn release_closed(&mut self, now: Instant, most: usize) {
        for _ in 0..self.release.len().min(most) {
            let Some(id) = self.release.pop() else { break };
            if self.sockets.get(id).is_some_and(|open| open.armed.is_some()) {
                if !self.cancel(id) {
                    self.release.insert(0, id);
                }
                continue;
            }
            // Only the table's reference keeps the socket alive beside its descriptor.
            let Some(open) = self.let_go(id) else { continue };
            let (ip, pair) = (open.ip, open.pair);
            drop(open);
            if let Some(pool) = self.ports.of(ip) {
                pool.socket_closes(pair, now);
            }
        }
    }

    /// Cancels every receive and drains until all have ended, then closes all sockets. True when nothing is left.
    ///
    /// Takes 7 ms for 1000 sockets; at most 1 s. Nobody waits for packets here, so a slot closes all that it can.
    pub fn shutdown(&mut self) -> bool {
        let all: Vec<SocketId> = self.sockets.ids().collect();
        for id in all {
            self.close_socket(id);
        }
        for round in 0..SHUTDOWN_ROUNDS {
            let mut slot = self.slot(Instant::now());
            while slot.next_packet().is_some() {}
            slot.finish();
            self.release_closed(Instant::now(), usize::MAX);
            if self.sockets.len() == 0 {
                break;
            }
            if round > 0 {
                std::thread::sleep(SHUTDOWN_PAUSE);
            }
        }
        if self.sockets.len() == 0 {
            // Nothing is registered any more; the kernel would also free the table by itself, only later.
            let _ = self.ring.submitter().unregister_files();
        }
        self.sockets.len() == 0
    }
}

impl Drop for MediaRing {
    fn drop(&mut self) {
        self.shutdown();
        if self.sockets.armed() > 0 {
            for group in &mut self.groups {
                group.leak();
            }
        }
    }
}

impl std::fmt::Debug for MediaRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaRing").field("sockets", &self.sockets.len()).field("counters", &self.counters).finish_non_exhaustive()
    }
}

const fn token(kind: Kind, group: u8, id: SocketId) -> u64 {
    Token { kind, group, place: id.place, generation: id.generation }.encode()
}

/// Copied sends between two submits: 1000 packets of 256 bytes, and four of the longest.
const ARENA: usize = 256 << 10;
/// The kernel takes a whole queue at once unless completions overflow; each try drains them.
const SUBMIT_TRIES: usize = 4;
/// Sockets closed in a slot: 7 us each, so half of it. 32 000 channels a second end at that rate.
pub const RELEASES_MAX: usize = 64;
const SHUTDOWN_ROUNDS: usize = 1000;
const SHUTDOWN_PAUSE: Duration = Duration::from_millis(1);
