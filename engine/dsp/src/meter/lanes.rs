//! Sum of squares over rows, generic over the lane type.
//! Shape:  any length.
//! Units:  a pair of squares stays below 2^31; its halves of 16 bits are summed apart, so 32 767 rows cannot overflow.
//! Errors: none.

use crate::lanes::Lanes;

/// Rows between two visits to 64 bits.
const ROWS: usize = 1024;

/// Sum of the squares of all samples.
#[inline(always)]
pub(crate) fn squares<L: Lanes>(l: L, frame: &[i16]) -> u64 {
    let (rows, rest) = l.rows(frame);
    let mut sum: u64 = rest.iter().map(|x| square(*x)).sum();
    for rows in rows.chunks(ROWS) {
        let zero = l.splat_wide(0);
        let (mut low, mut high) = (zero, zero);
        for row in rows {
            let x = l.max(l.load(row), l.splat(-32767));
            let pair = l.dot(zero, l.wide(x), l.wide(x));
            low = l.add_wide(low, l.and_wide(pair, 0xFFFF));
            high = l.add_wide(high, l.shr_wide::<16>(pair));
        }
        let [low, high, ..] = l.sums([low, high, zero, zero, zero, zero, zero, zero]);
        sum += (u64::from(high as u32) << 16) + u64::from(low as u32);
    }
    sum
}

/// The square of a sample; -32768 counts as -32767.
pub(crate) fn square(x: i16) -> u64 {
    u64::from(u32::from(x.unsigned_abs().min(32767)).pow(2))
}
