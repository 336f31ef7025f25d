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
const SPACES: Word = ONES * SPACE as Word;

/// Position of the first `needle`.
#[inline]
pub(super) fn find(bytes: &[u8], needle: u8) -> Option<usize> {
    search(bytes, |word| equal(word, needle), |byte| byte == needle)
}

/// Position of the first `this` or `that`.
#[inline]
pub(super) fn find_either(bytes: &[u8], this: u8, that: u8) -> Option<usize> {
    search(bytes, |word| equal(word, this) | equal(word, that), |byte| byte == this || byte == that)
}

/// Position of the first control character (below SP).
#[inline(always)]
pub(super) fn find_control(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<WORD_BYTES>() {
        let word = Word::from_le_bytes(*word);
        let (low, high) = (word as u64, (word >> 64) as u64);
        // Two subtractions for sixteen bytes; what they find above 0x80 too, the exact mask then leaves out.
        if (low.wrapping_sub(SPACES as u64) | high.wrapping_sub(SPACES as u64)) & HIGHS as u64 != 0 {
            let hits = word.wrapping_sub(SPACES) & !word & HIGHS;
            if hits != 0 {
                return Some(bytes.len() - rest.len() + hits.trailing_zeros() as usize / 8);
            }
        }
        rest = after;
    }
    rest.iter().position(|&byte| byte < SPACE).map(|at| bytes.len() - rest.len() + at)
}

/// 0x80 in the first byte that is the needle; perhaps in others behind it.
#[inline(always)]
const fn equal(word: Word, needle: u8) -> Word {
    // Zero is the only byte below one.
    let zeroed = word ^ (ONES * needle as Word);
    zeroed.wrapping_sub(ONES) & !zeroed & HIGHS
}

/// The bytes up to and with the first `needle`, zeros behind it; all of them if there is none.
#[inline(always)]
pub(super) fn up_to(word: Word, needle: u8) -> Word {
    // Most names end within eight bytes, and half a word is half the work.
    let low = u64::from_le(word as u64);
    match equal(Word::from(low), needle) as u64 {
        0 => {
            let hits = equal(word, needle);
            word & (hits ^ hits.wrapping_sub(1))
        }
        hits => Word::from(low & (hits ^ hits.wrapping_sub(1))),
    }
}

/// Letters in lower case. Of other bytes only those from 0x40 on change, and none of them becomes a letter of ASCII.
#[inline(always)]
pub(super) const fn lower(word: Word) -> Word {
    word | (word & (HIGHS >> 1)) >> 1
}

/// Position of the first byte that `hit` takes; `hits` marks it by 0x80 in a word, and none before it.
#[inline(always)]
fn search(bytes: &[u8], hits: impl Fn(Word) -> Word, hit: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<WORD_BYTES>();
    for (at, word) in words.iter().enumerate() {
        let hits = hits(Word::from_le_bytes(*word));
        if hits != 0 {
            return Some(at * WORD_BYTES + hits.trailing_zeros() as usize / 8);
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
            prop_assert_eq!(find_either(&bytes, needle, 0x20), bytes.iter().position(|&byte| byte == needle || byte == 0x20));
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
