//! Searching short text by words.
//!
//! ```text
//!   "Via: S…" as u64 ─► one subtraction and two ANDs ─► 0x80 in the first byte that fits ─► its position
//! ```
//! Shape:  plain functions on slices; sixteen bytes at a time, a shorter tail byte by byte.
//! Units:  positions in bytes.
//! Errors: `None`, or the length, when nothing fits.
//! Why not `memchr` here: what we look for is 5 to 60 bytes away, a few words, and its call and set-up cost more than that
//! (this and the class loops of `lex` took a usual INVITE from 1.25 to 0.8 µs). Long searches still use it.
//! The first byte found is exact: a borrow of the subtraction can only spoil bytes behind a true hit.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
/// First byte that is no control character.
const SPACE: u8 = 0x20;

/// Position of the first `needle`.
#[inline]
pub(super) fn find(bytes: &[u8], needle: u8) -> Option<usize> {
    // A byte equal to the needle becomes zero, and zero is the only byte below one.
    search(bytes, ONES * u64::from(needle), 1, |byte| byte == needle)
}

/// Position of the first control character (below SP), or the length.
#[inline]
pub(super) fn find_control(bytes: &[u8]) -> usize {
    search(bytes, 0, SPACE, |byte| byte < SPACE).unwrap_or(bytes.len())
}

/// Position of the first byte that is below `limit` once `flip` is applied to it; `limit` is at most 0x80.
#[inline(always)]
fn search(bytes: &[u8], flip: u64, limit: u8, hit: impl Fn(u8) -> bool) -> Option<usize> {
    let limits = ONES * u64::from(limit);
    let (pairs, tail) = bytes.as_chunks::<16>();
    for (at, pair) in pairs.iter().enumerate() {
        let both = u128::from_le_bytes(*pair);
        let (low, high) = (both as u64 ^ flip, (both >> 64) as u64 ^ flip);
        let (low_less, high_less) = (low.wrapping_sub(limits), high.wrapping_sub(limits));
        // One branch for sixteen bytes; it is taken for some bytes above 0x80 too, which the exact masks then leave out.
        if (low_less | high_less) & HIGHS != 0 {
            let (low, high) = (low_less & !low & HIGHS, high_less & !high & HIGHS);
            if low != 0 {
                return Some(at * 16 + low.trailing_zeros() as usize / 8);
            }
            if high != 0 {
                return Some(at * 16 + 8 + high.trailing_zeros() as usize / 8);
            }
        }
    }
    tail.iter().position(|&byte| hit(byte)).map(|at| pairs.len() * 16 + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn found_is_what_a_loop_finds(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x1e..0x24_u8, Just(0x80)], 0..40), needle in any::<u8>()) {
            prop_assert_eq!(find(&bytes, needle), bytes.iter().position(|&byte| byte == needle));
            prop_assert_eq!(find_control(&bytes), bytes.iter().position(|&byte| byte < 0x20).unwrap_or(bytes.len()));
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
