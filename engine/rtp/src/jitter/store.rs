//! Packets that wait, in the order of their timestamps, and the octets of them.
//!
//! ```text
//!   entries, sorted by timestamp ──► chains of blocks of 160 octets ──► free list
//! ```
//! Shape:  at most [`PACKETS_MAX`] packets and [`BLOCKS`] × 160 octets: a 20 ms packet of G.711 is one block, of L16 at
//!         16 kHz four, so that at least 240 ms of any codec fit.
//! Memory: one value of about 9 KiB; nothing is allocated later.
//! Errors: a packet that does not fit is refused.

use heapless::Vec;

use crate::format::Codec;
use crate::stream::ExtendedSequence;

/// Packets kept: 320 ms of 10 ms each.
pub const PACKETS_MAX: usize = 32;
/// Octets of a block: 20 ms of G.711.
const BLOCK: usize = 160;
/// Blocks in all: 7.5 KiB.
const BLOCKS: usize = 48;
/// No block.
const NONE: u8 = u8::MAX;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Sound.
    Audio(Codec),
    /// The description of noise (RFC 3389).
    Noise,
}

/// A packet that waits.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its number.
    pub sequence: ExtendedSequence,
    /// Timestamp of what is left of it.
    pub timestamp: u32,
    /// Ticks that are left of it; 0 for noise.
    pub ticks: u32,
    /// What it carries.
    pub content: Content,
    /// When it came, ms on the channel's clock.
    pub arrived_ms: u64,
    /// Octets taken from its front, and all of them.
    taken: u16,
    len: u16,
    block: u8,
}

/// The packets.
#[derive(Debug, Clone)]
pub struct Store {
    entries: Vec<Entry, PACKETS_MAX>,
    blocks: [[u8; BLOCK]; BLOCKS],
    next: [u8; BLOCKS],
    free: u8,
}

/// A packet to keep.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// Its number.
    pub sequence: ExtendedSequence,
    /// Its timestamp.
    pub timestamp: u32,
    /// Ticks that it stands for.
    pub ticks: u32,
    /// What it carries.
    pub content: Content,
    /// Payload.
    pub payload: &'a [u8],
}

impl Store {
    /// Empty.
    pub fn new() -> Self {
        let next = std::array::from_fn(|n| if n + 1 < BLOCKS { n as u8 + 1 } else { NONE });
        Self { entries: Vec::new(), blocks: [[0; BLOCK]; BLOCKS], next, free: 0 }
    }

    /// Forgets all packets.
    pub fn clear(&mut self) {
        while self.drop_first() {}
    }

    /// Keeps a packet at its place in time. False if there is no room.
    pub fn insert(&mut self, packet: &Arrived<'_>, now_ms: u64) -> bool {
        let Ok(len) = u16::try_from(packet.payload.len()) else { return false };
        if self.entries.is_full() || self.free_blocks() < packet.payload.len().div_ceil(BLOCK) {
            return false;
        }
        let block = self.write(packet.payload);
        let Arrived { sequence, timestamp, ticks, content, .. } = *packet;
        let entry = Entry { sequence, timestamp, ticks, content, arrived_ms: now_ms, taken: 0, len, block };
        // From the back: nearly all packets are the newest.
        let later = self.entries.iter().rev().take_while(|e| before(timestamp, e.timestamp)).count();
        self.entries.insert(self.entries.len() - later, entry).is_ok()
    }

    /// The packet to play first.
    pub fn first(&self) -> Option<&Entry> {
        self.entries.first()
    }

    /// Where the last packet ends.
    pub fn end(&self) -> Option<u32> {
        self.entries.last().map(|e| e.timestamp.wrapping_add(e.ticks))
    }

    /// Ticks that wait, gaps not counted.
    pub fn ticks(&self) -> u32 {
        self.entries.iter().map(|e| e.ticks).sum()
    }

    /// Leaves `ticks` of the first packet out: they came too late. It must have more than that.
    pub fn skip(&mut self, ticks: u32) {
        if let Some(entry) = self.entries.first_mut()
            && let Some(octets) = (u64::from(entry.len - entry.taken) * u64::from(ticks)).checked_div(u64::from(entry.ticks))
        {
            entry.taken = entry.taken.saturating_add(octets as u16).min(entry.len);
            entry.timestamp = entry.timestamp.wrapping_add(ticks);
            entry.ticks -= ticks.min(entry.ticks);
        }
    }

    /// Copies `octets` of the first packet, standing for `ticks`, to the front of `out`, and takes them away.
    pub fn take(&mut self, octets: usize, ticks: u32, out: &mut [u8]) -> usize {
        let Some(entry) = self.entries.first_mut() else { return 0 };
        let octets = octets.min(usize::from(entry.len - entry.taken)).min(out.len());
        let (mut block, mut at, mut copied) = (entry.block, usize::from(entry.taken), 0);
        while copied < octets && block != NONE {
            if at < BLOCK {
                let part = (BLOCK - at).min(octets - copied);
                if let (Some(from), Some(to)) =
                    (self.blocks.get(usize::from(block)).and_then(|b| b.get(at..at + part)), out.get_mut(copied..copied + part))
                {
                    to.copy_from_slice(from);
                }
                copied += part;
                at += part;
            } else {
                at -= BLOCK;
                block = self.next.get(usize::from(block)).copied().unwrap_or(NONE);
            }
        }
        entry.taken += octets as u16;
        entry.timestamp = entry.timestamp.wrapping_add(ticks);
        entry.ticks -= ticks.min(entry.ticks);
        if entry.taken == entry.len || entry.ticks == 0 {
            self.drop_first();
        }
        octets
    }

    /// Octets that are left of the first packet.
    pub fn octets(&self) -> usize {
        self.entries.first().map_or(0, |e| usize::from(e.len - e.taken))
    }

    /// Forgets the first packet. False if there is none.
    pub fn drop_first(&mut self) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let entry = self.entries.remove(0);
        let mut block = entry.block;
        while let Some(next) = self.next.get_mut(usize::from(block)) {
            let after = *next;
            *next = self.free;
            self.free = block;
            block = after;
        }
        true
    }

    fn free_blocks(&self) -> usize {
        std::iter::successors(Some(self.free), |block| self.next.get(usize::from(*block)).copied())
            .take_while(|block| *block != NONE)
            .count()
    }

    /// Copies a payload to blocks from the free list, which has enough of them.
    fn write(&mut self, payload: &[u8]) -> u8 {
        let (mut first, mut last) = (NONE, NONE);
        for part in payload.chunks(BLOCK) {
            let block = self.free;
            let (Some(to), Some(next)) = (self.blocks.get_mut(usize::from(block)), self.next.get_mut(usize::from(block))) else { break };
            self.free = *next;
            *next = NONE;
            for (to, from) in to.iter_mut().zip(part) {
                *to = *from;
            }
            match self.next.get_mut(usize::from(last)) {
                Some(link) => *link = block,
                None => first = block,
            }
            last = block;
        }
        first
    }
}

/// Whether a timestamp is before another, within half a cycle.
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: u32, payload: &[u8]) -> Arrived<'_> {
        let ticks = payload.len() as u32;
        let content = Content::Audio(Codec::Pcmu);
        Arrived { sequence: ExtendedSequence(n.into()), timestamp: n.wrapping_mul(160), ticks, content, payload }
    }

    #[test]
    fn packets_come_out_in_the_order_of_time_and_in_parts() {
        let mut store = Store::new();
        for n in [u32::MAX / 160, 0, 2, 1] {
            assert!(store.insert(&packet(n, &[n as u8; 160]), 0));
        }
        let mut out = [0; 400];
        let mut heard = Vec::<u8, 8>::new();
        while let Some(entry) = store.first() {
            let (ticks, octets) = (entry.ticks, store.octets());
            assert_eq!(store.take(octets / 2, ticks / 2, &mut out), 80);
            assert_eq!(store.take(octets / 2, ticks / 2, &mut out[80..]), 80);
            assert!(out[..160].iter().all(|o| *o == out[0]));
            heard.push(out[0]).unwrap();
        }
        assert_eq!(heard, [(u32::MAX / 160) as u8, 0, 1, 2]);
    }

    #[test]
    fn long_payloads_chain_blocks_and_give_them_back() {
        let mut store = Store::new();
        let long: std::vec::Vec<u8> = (0..1400u32).map(|n| n as u8).collect();
        for round in 0..100 {
            let mut kept = 0;
            while store.insert(&packet(kept * 9, &long), 0) {
                kept += 1;
            }
            assert_eq!(kept as usize, BLOCKS / 1400usize.div_ceil(BLOCK), "round {round}");
            assert!(store.insert(&packet(100, &[1; 160]), 0), "what is left serves small ones");
            let mut out = [0; 1400];
            assert_eq!(store.take(1400, 1400, &mut out), 1400);
            assert_eq!(out[..], long[..]);
            store.clear();
            assert_eq!(store.free_blocks(), BLOCKS);
        }
    }

    #[test]
    fn a_full_store_refuses() {
        let mut store = Store::new();
        for n in 0..PACKETS_MAX as u32 {
            assert!(store.insert(&packet(n, &[0; 10]), 0));
        }
        assert!(!store.insert(&packet(99, &[0; 10]), 0));
        assert!(!Store::new().insert(&packet(0, &[0; 9000]), 0));
    }
}
