//! Searching short text by words.
//!
//! ```text
//!   "Via: SIP/2.0/UDP" as u128 ─► one subtraction and two ANDs ─► 0x80 in the first byte that fits ─► its position
//! ```
//! Shape:  plain functions on slices and words; sixteen bytes at a time, a shorter tail byte by byte.
//! Units:  positions in bytes.
//! Errors: `None` when nothing fits.
//! Why not `memchr` here: what we look for is 5 to 60 bytes away, a few words, and its call and set-up cost more than that.
//! Long searches still use it.
//! The lowest byte found is exact: a borrow of the subtraction can only spoil bytes behind a true hit.

/// Bytes that are looked at together, the first one lowest.
pub(super) type Word = u128;
/// How many they are.
pub(super) const WORD_BYTES: usize = size_of::<Word>();

const ONES: Word = Word::from_ne_bytes([1; WORD_BYTES]);
const HIGHS: Word = ONES << 7;
/// First byte that is no control character.
const SPACE: u8 = 0x20;

/// Position of the first `needle`.
#[inline]
pub(super) fn find(bytes: &[u8], needle: u8) -> Option<usize> {
    // A byte equal to the needle becomes zero, and zero is the only byte below one.
    search(bytes, ONES * Word::from(needle), 1, |byte| byte == needle)
}

/// Position of the first control character (below SP).
#[inline(always)]
pub(super) fn find_control(bytes: &[u8]) -> Option<usize> {
    search(bytes, 0, SPACE, |byte| byte < SPACE)
}

/// The bytes up to and with the first `needle`, zeros behind it; all of them if there is none.
#[inline(always)]
pub(super) const fn up_to(word: Word, needle: u8) -> Word {
    let zeroed = word ^ (ONES * needle as Word);
    let hits = zeroed.wrapping_sub(ONES) & !zeroed & HIGHS;
    word & (hits ^ hits.wrapping_sub(1))
}

/// Letters in lower case. Of other bytes only those from 0x40 on change, and none of them becomes a letter of ASCII.
#[inline(always)]
pub(super) const fn lower(word: Word) -> Word {
    word | (word & (HIGHS >> 1)) >> 1
}

/// Position of the first byte that is below `limit` once `flip` is applied to it; `limit` is at most 0x80.
#[inline(always)]
fn search(bytes: &[u8], flip: Word, limit: u8, hit: impl Fn(u8) -> bool) -> Option<usize> {
    let limits = ONES * Word::from(limit);
    let (words, tail) = bytes.as_chunks::<WORD_BYTES>();
    for (at, word) in words.iter().enumerate() {
        let word = Word::from_le_bytes(*word) ^ flip;
        let less = word.wrapping_sub(limits);
        // One branch for sixteen bytes; it is taken for some bytes above 0x80 too, which the exact mask then leaves out.
        if less & HIGHS != 0 {
            let hits = less & !word & HIGHS;
            if hits != 0 {
                return Some(at * WORD_BYTES + hits.trailing_zeros() as usize / 8);
            }
        }
    }
    tail.iter().position(|&byte| hit(byte)).map(|at| words.len() * WORD_BYTES + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn found_is_what_a_loop_finds(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x1e..0x24_u8, Just(0x80)], 0..40), needle in any::<u8>()) {
            prop_assert_eq!(find(&bytes, needle), bytes.iter().position(|&byte| byte == needle));
            prop_assert_eq!(find_control(&bytes), bytes.iter().position(|&byte| byte < 0x20));
        }
    }

    #[test]
    fn neighbours_of_a_hit_do_not_hide_it() {
        for needle in [0, 1, b':', 0x7f, 0x80, 0xff] {
            for other in [needle.wrapping_add(1), needle.wrapping_sub(1), needle ^ 0x80] {
                for at in 0..24 {
                    let mut bytes = [other; 24];
                    bytes[at] = needle;
                    assert_eq!(find(&bytes, needle), Some(at), "{needle} among {other}");
                }
            }
        }
    }
}
