//! Packets that the kernel dropped since a socket's buffer was full.
//!
//! Shape:  the kernel counts per socket. One socket is asked in every fourth slot, 5 µs when nothing of it is in the cache, and each one
//!         before it is closed; so a packet that is not dropped pays nothing, as it would for the count in its control data (`SO_RXQ_OVFL`,
//!         the same number).
//! Units:  packets.
//! Errors: none; a kernel that does not tell (before 4.12) counts nothing.
//! Source: socket(7); `SO_MEMINFO` and `SK_MEMINFO_DROPS` of linux/sock_diag.h.

use super::{
    media::MediaRing,
    sockets::{Open, SocketId},
};
use std::os::fd::{AsRawFd, BorrowedFd};

/// A socket is asked in one of so many slots.
const SLOTS: u32 = 4;
/// Places looked at in such a slot for one with a socket: 10 000 within 40 s if all have one, within 0.7 s if none has.
const PLACES_PER_SLOT: usize = 64;
/// Numbers that the kernel gives; the last one is that of the drops.
const NUMBERS: usize = 9;

impl MediaRing {
    /// Asks the next socket when it is time.
    pub(super) fn look_for_overflow(&mut self) {
        self.overflow_slot = (self.overflow_slot + 1) % SLOTS;
        if self.overflow_slot > 0 {
            return;
        }
        for _ in 0..PLACES_PER_SLOT {
            let id = self.sockets.at(self.overflow_cursor);
            self.overflow_cursor = if self.overflow_cursor + 1 < self.sockets.places() { self.overflow_cursor + 1 } else { 0 };
            if let Some(id) = id {
                self.count_overflow(id);
                return;
            }
        }
    }

    /// Counts what a socket has dropped since it was asked last.
    pub(super) fn count_overflow(&mut self, id: SocketId) {
        let more = self.sockets.change(id, Open::overflowed);
        self.counters.overflowed += u64::from(more.unwrap_or(0));
    }
}

impl Open {
    /// Packets dropped since the last call.
    fn overflowed(&mut self) -> u32 {
        let now = drops(std::os::fd::AsFd::as_fd(&self.fd)).unwrap_or(self.dropped);
        let more = now.wrapping_sub(self.dropped);
        self.dropped = now;
        more
    }
}

/// Packets that a socket has dropped in its life.
fn drops(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut numbers = [0u32; NUMBERS];
    let mut len = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: `numbers` has room for `len` bytes, and both live until the call returns.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, numbers.as_mut_ptr().cast(), &raw mut len) };
    (result == 0 && len as usize == size_of_val(&numbers)).then(|| numbers[NUMBERS - 1])
}

const SO_MEMINFO: libc::c_int = 55;
