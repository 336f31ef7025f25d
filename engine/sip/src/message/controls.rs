//! The control characters of a message, one after the other: among them all line ends.
//!
//! ```text
//!   64 bytes ─► one mask ─► its lowest bit is the next position ─► cleared ─► … ─► the next 64 bytes
//! ```
//! Shape:  [`Controls`] is an iterator; it looks no further than the block of the last position it gave.
//! Units:  positions in bytes from the start of the message.
//! Errors: none.
//! Why not a search from each line's start: masks do not wait for one another, and a line costs two bits instead of
//! three or four looks.

use super::words::{self, BLOCK};

/// Bytes whose mask is one word.
const WIDE: usize = u64::BITS as usize;

/// Positions of all bytes below SP.
pub(super) struct Controls<'b> {
    bytes: &'b [u8],
    /// Position behind the block of `mask`.
    next: usize,
    /// Positions not given yet.
    mask: u64,
}

impl<'b> Controls<'b> {
    /// Those of `bytes` from `start` on.
    #[inline(always)]
    pub(super) fn new(bytes: &'b [u8], start: usize) -> Self {
        Self { bytes, next: start, mask: 0 }
    }
}

/// Positions of bytes below SP that have none before them.
pub(super) struct RunsOfControls<'b> {
    controls: Controls<'b>,
    /// Whether the block before ended inside a run, as its lowest bit.
    inside: u64,
}

impl<'b> RunsOfControls<'b> {
    /// Those of `bytes` from `start` on.
    #[inline(always)]
    pub(super) fn new(bytes: &'b [u8], start: usize) -> Self {
        Self { controls: Controls::new(bytes, start), inside: 0 }
    }
}

/// The mask of less than a block.
#[inline(never)]
fn mask_of_tail(tail: &[u8]) -> Option<u64> {
    let mut block = [b' '; WIDE];
    block.get_mut(..tail.len()).filter(|filled| !filled.is_empty())?.copy_from_slice(tail);
    Some(mask(&block))
}

impl Iterator for Controls<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.mask = self.next_mask()?;
        }
        Some(self.take_lowest())
    }
}

impl Controls<'_> {
    /// The mask of the next block.
    #[inline(always)]
    fn next_mask(&mut self) -> Option<u64> {
        let rest = self.bytes.get(self.next..)?;
        let mask = match rest.first_chunk() {
            Some(block) => mask(block),
            None => mask_of_tail(rest)?,
        };
        self.next += WIDE;
        Some(mask)
    }

    /// Position of the lowest bit, which is cleared.
    #[inline(always)]
    fn take_lowest(&mut self) -> usize {
        let at = self.next - WIDE + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        at
    }
}

impl Iterator for RunsOfControls<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.controls.mask == 0 {
            let mask = self.controls.next_mask()?;
            self.controls.mask = mask & !(mask << 1 | self.inside);
            self.inside = mask >> (WIDE - 1);
        }
        Some(self.controls.take_lowest())
    }
}

#[inline(always)]
fn mask(block: &[u8; WIDE]) -> u64 {
    let (quarters, _) = block.as_chunks::<BLOCK>();
    quarters.iter().rev().fold(0, |mask, quarter| mask << BLOCK | u64::from(words::controls(quarter)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_a_loop_finds(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x1e..0x24_u8], 0..300), start in 0..9_usize) {
            let found: Vec<_> = Controls::new(&bytes, start).collect();
            prop_assert_eq!(&found, &(start..bytes.len()).filter(|&at| bytes[at] < 0x20).collect::<Vec<_>>());
            let runs: Vec<_> = RunsOfControls::new(&bytes, start).collect();
            prop_assert_eq!(runs, found.into_iter().filter(|&at| at == start || bytes[at - 1] >= 0x20).collect::<Vec<_>>());
        }
    }
}
