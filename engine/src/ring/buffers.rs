//! A group of receive buffers that the kernel takes from and hands back by number.
//!
//! ```text
//! entries: [addr len bid tail?] × n, shared with the kernel       slab: n × size bytes
//! publish: write entries, then store the tail with Release ──► kernel takes from the head       give_back: on the spare ones
//! ```
//! Shape:  n is a power of two up to 32768, as a provided buffer ring wants it. The kernel has as few of them at a time as `ready` says, and
//!         those given back last come first: it takes them in turn, and what it writes to is in the cache then, not in all of the slab
//!         one after the other. Once it has run out it gets all that there are, for [`PLENTY`] slots.
//! Units:  bytes.
//! Errors: `io::Error` of mapping or registering.
//! Owns:   a buffer is ours from the completion that names it ([`BufferGroup::take`] makes a [`Held`]) until [`BufferGroup::give_back`]
//!         consumes the `Held`. Only a `Held` opens bytes, it is not `Clone`, and the group is borrowed meanwhile.

use super::memory::Mapping;
use io_uring::{Submitter, types::BufRingEntry};
use std::{
    io,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

/// A buffer that the kernel handed over.
#[derive(Debug)]
pub(super) struct Held(u16);

#[derive(Debug)]
pub(super) struct BufferGroup {
    id: u8,
    count: u16,
    size: u32,
    entries: Mapping,
    slab: Mapping,
    /// Next entry to write; the kernel's tail is behind it until the end of [`BufferGroup::publish`].
    tail: u16,
    /// Buffers that neither the kernel nor anybody else has.
    spare: Vec<u16>,
    /// Buffers that the kernel has, or is about to have.
    given: u16,
    /// How many it has as a rule.
    ready: u16,
    /// Slots for which it still gets all.
    plenty: u16,
}

/// After it ran out, so that a core that is overloaded does not pay for receives that end as well: a second, and more where slots take longer.
const PLENTY: u16 = 1000;

impl BufferGroup {
    /// `count` buffers of `size` bytes, of which the kernel has `ready` as a rule.
    pub fn new(id: u8, count: u16, size: u32, ready: u16) -> io::Result<Self> {
        if !count.is_power_of_two() {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let slab = Mapping::new(usize::from(count) * size as usize)?;
        // The first ones on top.
        let spare = (0..count).rev().collect();
        Ok(Self { id, count, size, entries, slab, tail: 0, spare, given: 0, ready: ready.min(count), plenty: 0 })
    }

    /// Tells the kernel about the group and fills it.
    pub fn register(&mut self, submitter: &Submitter<'_>) -> io::Result<()> {
        let address = self.entries.start().as_ptr() as u64;
        // SAFETY: the entries are mapped, page-aligned, `count` long, and outlive the ring (see the fields of `MediaRing`).
        unsafe { submitter.register_buf_ring_with_flags(address, self.count, u16::from(self.id), 0) }?;
        self.publish(false);
        Ok(())
    }

    /// Notes that a completion named this buffer. `None` if there is no such buffer, which the kernel never does.
    pub const fn take(&mut self, number: u16) -> Option<Held> {
        if number >= self.count {
            return None;
        }
        self.given = self.given.saturating_sub(1);
        Some(Held(number))
    }

    /// The buffer's bytes.
    pub const fn bytes(&mut self, held: &Held) -> &mut [u8] {
        let start = self.place(held.0);
        // SAFETY: the range is inside the slab. The kernel does not write to a buffer between its completion and its
        // return, and only this group's borrow and the one `Held` lead to it.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.size as usize) }
    }

    /// Takes a buffer back; the kernel may have it again after [`BufferGroup::publish`].
    #[expect(clippy::needless_pass_by_value, reason = "whoever gives a buffer back has it no more")]
    pub fn give_back(&mut self, held: Held) {
        self.spare.push(held.0);
    }

    /// Shows the kernel as many buffers as it has as a rule, or all if it ran out of them lately.
    pub fn publish(&mut self, ran_out: bool) {
        self.plenty = if ran_out { PLENTY } else { self.plenty.saturating_sub(1) };
        let wanted = if self.plenty > 0 { self.count } else { self.ready };
        while self.given < wanted
            && let Some(number) = self.spare.pop()
        {
            self.enter(number);
            self.given += 1;
        }
        self.store_tail();
    }

    fn enter(&mut self, number: u16) {
        let address = self.place(number).as_ptr() as u64;
        let index = (self.tail & (self.count - 1)) as usize;
        // SAFETY: `index` is below `count`, so the entry is inside the mapping.
        let entry = unsafe { self.entries.start().cast::<BufRingEntry>().add(index) };
        // SAFETY: the entry is ours: the kernel reads entries between its head and the published tail only, and there are
        // no more buffers than entries. It is aligned, and all zero is a valid entry. The tail (in the first entry's
        // reserved bytes) is not touched.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address);
        entry.set_len(self.size);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
    }

    fn store_tail(&mut self) {
        let first = self.entries.start().cast::<BufRingEntry>().as_ptr();
        // SAFETY: the first entry is mapped and valid.
        let tail = unsafe { BufRingEntry::tail(first) }.cast_mut();
        // SAFETY: the tail is two aligned bytes inside the mapping that we write and the kernel reads, both atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Gives the memory up because the kernel may still write to it.
    pub const fn leak(&mut self) {
        self.entries.leak();
        self.slab.leak();
    }

    const fn place(&self, number: u16) -> NonNull<u8> {
        let offset = number as usize * self.size as usize;
        debug_assert!(offset + self.size as usize <= self.slab.len());
        // SAFETY: `number` is below `count`: numbers come from `take` and `register`, which keep to it.
        unsafe { self.slab.start().add(offset) }
    }
}
