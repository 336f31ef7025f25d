//! Lane operations: the small vocabulary that every vectorised kernel of this crate is written in, once.
//!   kernel body, generic over `Lanes` ──► `Array` (any CPU) · `Sse2` (in its place on x86-64) · `Avx2` · `Avx512`
//! Shape:  a vector is `LANES` values of `i16`; a wide one is half as many `i32`. A *row* is that many `i16` in memory.
//! Rule:   a value of an implementing type is the proof that the CPU can run it, so every method is safe to call.
//!         Bodies are `#[inline(always)]` and end up in one `#[target_feature]` shell per kernel and level (`x86.rs`). A closure that is
//!         not inlined is compiled without the features, so no operation takes one and kernels use them for small things only.
//! Errors: none. Ranges of arguments are stated per method; outside of them the result is unspecified, never undefined.
//! Not here: any algorithm.

mod array;
mod floats;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use array::Array;
pub(crate) use floats::{Floats, One};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Half512, Sse2};

/// The portable level of 16-bit lanes here.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const PORTABLE: Array = Array;
/// The portable level of 16-bit lanes here.
#[cfg(target_arch = "x86_64")]
pub(crate) const PORTABLE: Sse2 = Sse2;

/// One SIMD level. Implementors are zero-sized tokens.
pub(crate) trait Lanes: Copy {
    /// `LANES` x `i16`.
    type I16: Copy;
    /// `LANES / 2` x `i32`.
    type I32: Copy;
    /// `[i16; LANES]`.
    type Row: Copy + AsRef<[i16]> + AsMut<[i16]>;
    /// `[i32; LANES]`.
    type Sums: Copy;
    /// `[u8; LANES]`.
    type Octets: Copy;
    /// `[u8; 2 * LANES]`: as many octets as a register holds.
    type Codes: Copy;

    /// `[[i16; 8]; LANES]`: eight values of each lane.
    type Columns: Copy + AsRef<[[i16; 8]]> + AsMut<[[i16; 8]]>;

    /// Number of 16-bit lanes.
    const LANES: usize;

    /// A slice as whole rows and the rest.
    fn rows(self, samples: &[i16]) -> (&[Self::Row], &[i16]);
    /// A mutable slice as whole rows and the rest.
    fn rows_mut(self, samples: &mut [i16]) -> (&mut [Self::Row], &mut [i16]);
    /// Sums, `LANES` at a time, and the rest.
    fn sums_of(self, sums: &[i32]) -> (&[Self::Sums], &[i32]);
    /// Mutable sums, `LANES` at a time, and the rest.
    fn sums_of_mut(self, sums: &mut [i32]) -> (&mut [Self::Sums], &mut [i32]);
    /// Octets, `LANES` at a time, and the rest.
    fn octets(self, octets: &[u8]) -> (&[Self::Octets], &[u8]);
    /// Mutable octets, `LANES` at a time, and the rest.
    fn octets_mut(self, octets: &mut [u8]) -> (&mut [Self::Octets], &mut [u8]);
    /// Octets, `2 * LANES` at a time, and the rest.
    fn codes(self, octets: &[u8]) -> (&[Self::Codes], &[u8]);
    /// Mutable octets, `2 * LANES` at a time, and the rest.
    fn codes_mut(self, octets: &mut [u8]) -> (&mut [Self::Codes], &mut [u8]);

    /// The same value in every lane.
    fn splat(self, value: i16) -> Self::I16;
    /// Reads a row.
    fn load(self, row: &Self::Row) -> Self::I16;
    /// Writes a row.
    fn store(self, value: Self::I16, row: &mut Self::Row);
    /// Reads octets, each widened to 0..=255.
    fn load_octets(self, octets: &Self::Octets) -> Self::I16;
    /// Writes lanes of 0..=255 as octets.
    fn store_octets(self, value: Self::I16, octets: &mut Self::Octets);

    /// Wrapping sum.
    fn add(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Wrapping difference.
    fn sub(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Smaller of two.
    fn min(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Greater of two.
    fn max(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Bitwise and.
    fn and(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Bitwise or.
    fn or(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Bitwise exclusive or.
    fn xor(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Shift left by a constant, 0..=15.
    fn shl<const K: u32>(self, a: Self::I16) -> Self::I16;
    /// Arithmetic shift right by a constant, 0..=15.
    fn shr<const K: u32>(self, a: Self::I16) -> Self::I16;
    /// Logical shift right by a constant, 0..=15.
    fn shr_logical<const K: u32>(self, a: Self::I16) -> Self::I16;
    /// Shift left by a lane's own count, 0..=7.
    fn shl_by(self, a: Self::I16, count: Self::I16) -> Self::I16;
    /// Logical shift right by a lane's own count, 1..=15.
    fn shr_by(self, a: Self::I16, count: Self::I16) -> Self::I16;
    /// Number of significant bits of 0..=127: 0 for 0, 7 for 64..=127.
    fn bit_length(self, a: Self::I16) -> Self::I16;

    /// Saturating sum.
    fn add_sat(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Saturating difference.
    fn sub_sat(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Low half of the product.
    fn mul_low(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// High half of the product: `(a * b) >> 16`.
    fn mul_high(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// High half of the product of two unsigned values.
    fn mul_high_unsigned(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Fraction product `(a * b) >> 15`, rounded down; not for -32768 x -32768.
    #[inline(always)]
    fn mul15(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        self.or(self.shl::<1>(self.mul_high(a, b)), self.shr_logical::<15>(self.mul_low(a, b)))
    }
    /// `mul15` for `step` in 1..=16384 and a multiple of 8 for `level`.
    #[inline(always)]
    fn mul15_step(self, step: Self::I16, level: Self::I16) -> Self::I16 {
        self.mul15(step, level)
    }
    /// -1, 0 or 1.
    #[inline(always)]
    fn signum(self, a: Self::I16) -> Self::I16 {
        self.max(self.min(a, self.splat(1)), self.splat(-1))
    }
    /// `then` where `mask` is -1, `otherwise` where it is 0.
    fn select(self, mask: Self::I16, then: Self::I16, otherwise: Self::I16) -> Self::I16;
    /// `count`, less one where `a > b`.
    fn less_if_greater(self, count: Self::I16, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Whether any lane has any of these bits.
    fn any(self, a: Self::I16, bits: i16) -> bool;

    /// Prepares an index of 0..=63 for the look-ups below.
    fn index(self, index: Self::I16) -> Self::I16;
    /// `table[index]`, by a prepared index of 0..=7.
    fn lookup8(self, table: &[i16; 8], index: Self::I16) -> Self::I16;
    /// `table[index]`, by a prepared index of 0..=15.
    fn lookup16(self, table: &[i16; 16], index: Self::I16) -> Self::I16;
    /// `table[index]`, by a prepared index of 0..=31.
    fn lookup32(self, table: &[i16; 32], index: Self::I16) -> Self::I16;
    /// `table[index]`, by a prepared index of 0..=63.
    fn lookup64(self, table: &[i16; 64], index: Self::I16) -> Self::I16;

    /// Zeros for every lane.
    fn columns(self) -> Self::Columns;
    /// Eight rows from eight values of each lane.
    fn gather(self, columns: &Self::Columns) -> [Self::I16; 8];
    /// Eight values of each lane from eight rows.
    fn scatter(self, rows: [Self::I16; 8]) -> Self::Columns;

    /// Replaces the low seven bits of each octet by `table` of them; the top bit stays.
    fn translate(self, table: &[u8; 128], from: &Self::Codes, to: &mut Self::Codes);

    /// Reads `LANES / 2` wide values, as pairs of `i16`.
    fn load_wide(self, pairs: &Self::Row) -> Self::I32;
    /// Reads a row, each lane widened, in order.
    fn load_wider(self, row: &Self::Row) -> (Self::I32, Self::I32);
    /// Reads sums in order.
    fn load_sums(self, sums: &Self::Sums) -> (Self::I32, Self::I32);
    /// Writes sums in order.
    fn store_sums(self, value: (Self::I32, Self::I32), sums: &mut Self::Sums);
    /// Neighbouring lanes as the halves of wide ones.
    fn wide(self, a: Self::I16) -> Self::I32;
    /// The same value in every wide lane.
    fn splat_wide(self, value: i32) -> Self::I32;
    /// `acc + a.0 * b.0 + a.1 * b.1` of the two 16-bit halves of each wide lane, wrapping.
    fn dot(self, acc: Self::I32, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Pairs `(a[i], b[i])` in the order that costs least and that `narrow` undoes.
    fn interleave(self, a: Self::I16, b: Self::I16) -> (Self::I32, Self::I32);
    /// Wide lanes saturated to 16 bits, from the order of `interleave`.
    fn narrow(self, low: Self::I32, high: Self::I32) -> Self::I16;
    /// Bitwise and of wide lanes with a constant.
    fn and_wide(self, a: Self::I32, bits: i32) -> Self::I32;
    /// Sums over all wide lanes of eight vectors.
    fn sums(self, a: [Self::I32; 8]) -> [i32; 8];
    /// Wrapping sum of wide lanes.
    fn add_wide(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Wrapping difference of wide lanes.
    fn sub_wide(self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Pairs `(a[i], b[i])` in order: the first half of the lanes, then the second.
    fn pairs(self, a: Self::I16, b: Self::I16) -> (Self::I32, Self::I32);
    /// Writes wide values as pairs of `i16`.
    fn store_wide(self, value: Self::I32, pairs: &mut Self::Row);
    /// Arithmetic shift right of wide lanes.
    fn shr_wide<const K: u32>(self, a: Self::I32) -> Self::I32;
    /// Wide lanes saturated to 16 bits, in order.
    fn pack(self, first: Self::I32, second: Self::I32) -> Self::I16;
    /// Wide lanes saturated to 16 bits, those of `even` and `odd` in turn.
    fn braid(self, even: Self::I32, odd: Self::I32) -> Self::I16;
}
