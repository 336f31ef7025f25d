//! Searching text by many bytes at once.
//!
//! ```text
//!   "Via: SIP/2.0/UDP" ─► compare all sixteen with ':' ─► 0b0000_0000_0000_1000, a bit per byte ─► its lowest bit
//! ```
//! Shape:  masks of a block, the first byte its lowest bit, and searches in slices; a tail shorter than a block goes byte
//!         by byte.
//! Units:  positions in bytes.
//! Errors: `None` when nothing fits.
//! Why not `memchr` here: what we look for is 5 to 60 bytes away, and its call and set-up cost more than that. Long
//! searches still use it.
//! `wide` does a block by SSE2 or NEON, which every x86-64 and AArch64 has, and by plain Rust elsewhere.

use wide::u8x16;

/// Bytes that are compared together.
pub(super) const BLOCK: usize = 16;
/// First byte that is no control character.
const SPACE: u8 = 0x20;

/// Which bytes of a block are `needle`.
#[inline(always)]
pub(super) fn equal(block: &[u8; BLOCK], needle: u8) -> u32 {
    u8x16::new(*block).simd_eq(u8x16::splat(needle)).to_bitmask()
}

/// Which bytes of a block are control characters (below SP).
#[inline(always)]
pub(super) fn controls(block: &[u8; BLOCK]) -> u32 {
    let bytes = u8x16::new(*block);
    // SSE2 compares with sign only: what the minimum leaves as it was is not above.
    bytes.min(u8x16::splat(SPACE - 1)).simd_eq(bytes).to_bitmask()
}

/// Which bytes of a block are letters, digits, `-` or `.`.
#[inline(always)]
pub(super) fn plain(block: &[u8; BLOCK]) -> u32 {
    let bytes = u8x16::new(*block);
    let within = |bytes: u8x16, first: u8, last: u8| {
        let above = bytes - u8x16::splat(first);
        above.min(u8x16::splat(last - first)).simd_eq(above)
    };
    let letters = within(bytes | u8x16::splat(0x20), b'a', b'z');
    // `-`, `.`, `/` and the digits are neighbours.
    let digits = within(bytes, b'-', b'9') & !bytes.simd_eq(u8x16::splat(b'/'));
    (letters | digits).to_bitmask()
}

/// Position of the first `needle`.
#[inline]
pub(super) fn find(bytes: &[u8], needle: u8) -> Option<usize> {
    search(bytes, |block| equal(block, needle), |byte| byte == needle)
}

/// Position of the first `this` or `that`.
#[inline]
pub(super) fn find_either(bytes: &[u8], this: u8, that: u8) -> Option<usize> {
    search(bytes, |block| equal(block, this) | equal(block, that), |byte| byte == this || byte == that)
}

/// Position of the first control character.
#[inline]
pub(super) fn find_control(bytes: &[u8]) -> Option<usize> {
    search(bytes, controls, |byte| byte < SPACE)
}

/// Position of the first byte that `hit` takes; `hits` marks all of a block.
#[inline(always)]
fn search(bytes: &[u8], hits: impl Fn(&[u8; BLOCK]) -> u32, hit: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    for (at, block) in blocks.iter().enumerate() {
        let hits = hits(block);
        if hits != 0 {
            return Some(at * BLOCK + hits.trailing_zeros() as usize);
        }
    }
    tail.iter().position(|&byte| hit(byte)).map(|at| blocks.len() * BLOCK + at)
}

/// Both halves of a block, the first byte of each lowest.
#[inline(always)]
pub(super) const fn halves(block: &[u8; BLOCK]) -> [u64; 2] {
    let word = u128::from_le_bytes(*block);
    [word as u64, (word >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(block: &[u8], hit: impl Fn(u8) -> bool) -> u32 {
        block.iter().rev().fold(0, |mask, &byte| mask << 1 | u32::from(hit(byte)))
    }

    proptest! {
        #[test]
        fn found_is_what_a_loop_finds(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x1e..0x24_u8, Just(0x80)], 0..40), needle in any::<u8>()) {
            prop_assert_eq!(find(&bytes, needle), bytes.iter().position(|&byte| byte == needle));
            prop_assert_eq!(find_either(&bytes, needle, 0x20), bytes.iter().position(|&byte| byte == needle || byte == 0x20));
            prop_assert_eq!(find_control(&bytes), bytes.iter().position(|&byte| byte < 0x20));
        }
    }

    #[test]
    fn every_byte_is_marked_alike_wherever_it_stands_and_whatever_is_beside_it() {
        for byte in 0..=u8::MAX {
            for other in [0, byte.wrapping_add(1), byte.wrapping_sub(1), byte ^ 0x80, u8::MAX] {
                for at in 0..BLOCK {
                    let mut block = [other; BLOCK];
                    block[at] = byte;
                    let low = mask(&block, |byte| byte < SPACE);
                    assert_eq!(controls(&block), low, "{byte} among {other}");
                    let letters = mask(&block, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
                    assert_eq!(plain(&block), letters, "{byte} among {other}");
                    for needle in [byte, b':', 0x80] {
                        let same = mask(&block, |byte| byte == needle);
                        assert_eq!(equal(&block, needle), same, "{needle} by {byte} among {other}");
                    }
                }
            }
        }
    }
}
