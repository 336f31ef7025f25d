//! The portable level on x86-64: 8 x `i16` in a 128-bit register of SSE2, which every x86-64 has.
//! Shape:  `__m128i` for both widths; `Row` 16 octets, `Codes` 16 octets.
//! Why:    of `super::super::Array` the compiler makes scalar products where sums of pair products are meant.
//! Look-ups: no octet shuffle here, so a lane at a time; tables of octets as in `Array`.
//! Shifts: by a lane's own count as constant shifts, each taken where its bit is set.
//! Errors: none.
//! Source: Intel Intrinsics Guide.

use std::arch::x86_64::*;

use super::op;
use crate::lanes::Lanes;

/// Token of the portable level on x86-64; every such CPU runs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sse2;

impl Sse2 {
    /// `b` where `BIT` of `count` is set, else `a`.
    #[inline(always)]
    fn by_bit<const UP: u32>(self, count: __m128i, a: __m128i, b: __m128i) -> __m128i {
        self.select(self.shr::<15>(self.shl::<UP>(count)), b, a)
    }

    /// Rows and columns exchanged.
    #[inline(always)]
    fn transpose(self, a: [__m128i; 8]) -> [__m128i; 8] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
        let (b0, b1) = (op!(_mm_unpacklo_epi16(a0, a1)), op!(_mm_unpackhi_epi16(a0, a1)));
        let (b2, b3) = (op!(_mm_unpacklo_epi16(a2, a3)), op!(_mm_unpackhi_epi16(a2, a3)));
        let (b4, b5) = (op!(_mm_unpacklo_epi16(a4, a5)), op!(_mm_unpackhi_epi16(a4, a5)));
        let (b6, b7) = (op!(_mm_unpacklo_epi16(a6, a7)), op!(_mm_unpackhi_epi16(a6, a7)));
        let (c0, c1) = (op!(_mm_unpacklo_epi32(b0, b2)), op!(_mm_unpackhi_epi32(b0, b2)));
        let (c2, c3) = (op!(_mm_unpacklo_epi32(b1, b3)), op!(_mm_unpackhi_epi32(b1, b3)));
        let (c4, c5) = (op!(_mm_unpacklo_epi32(b4, b6)), op!(_mm_unpackhi_epi32(b4, b6)));
        let (c6, c7) = (op!(_mm_unpacklo_epi32(b5, b7)), op!(_mm_unpackhi_epi32(b5, b7)));
        [
            op!(_mm_unpacklo_epi64(c0, c4)),
            op!(_mm_unpackhi_epi64(c0, c4)),
            op!(_mm_unpacklo_epi64(c1, c5)),
            op!(_mm_unpackhi_epi64(c1, c5)),
            op!(_mm_unpacklo_epi64(c2, c6)),
            op!(_mm_unpackhi_epi64(c2, c6)),
            op!(_mm_unpacklo_epi64(c3, c7)),
            op!(_mm_unpackhi_epi64(c3, c7)),
        ]
    }

    /// `table[index & (N - 1)]` a lane at a time; `N` is a power of two.
    #[inline(always)]
    fn lookup<const N: usize>(self, table: &[i16; N], index: __m128i) -> __m128i {
        let mut lanes = [0; 8];
        self.store(index, &mut lanes);
        self.load(&lanes.map(|i| table[i as usize & (N - 1)]))
    }
}

impl Lanes for Sse2 {
    type I16 = __m128i;
    type I32 = __m128i;
    type Row = [i16; 8];
    type Sums = [i32; 8];
    type Octets = [u8; 8];
    type Codes = [u8; 16];
    type Columns = [[i16; 8]; 8];
    const LANES: usize = 8;

    #[inline(always)]
    fn rows(self, samples: &[i16]) -> (&[Self::Row], &[i16]) {
        samples.as_chunks()
    }
    #[inline(always)]
    fn rows_mut(self, samples: &mut [i16]) -> (&mut [Self::Row], &mut [i16]) {
        samples.as_chunks_mut()
    }
    #[inline(always)]
    fn sums_of(self, sums: &[i32]) -> (&[Self::Sums], &[i32]) {
        sums.as_chunks()
    }
    #[inline(always)]
    fn sums_of_mut(self, sums: &mut [i32]) -> (&mut [Self::Sums], &mut [i32]) {
        sums.as_chunks_mut()
    }
    #[inline(always)]
    fn octets(self, octets: &[u8]) -> (&[Self::Octets], &[u8]) {
        octets.as_chunks()
    }
    #[inline(always)]
    fn octets_mut(self, octets: &mut [u8]) -> (&mut [Self::Octets], &mut [u8]) {
        octets.as_chunks_mut()
    }
    #[inline(always)]
    fn codes(self, octets: &[u8]) -> (&[Self::Codes], &[u8]) {
        octets.as_chunks()
    }
    #[inline(always)]
    fn codes_mut(self, octets: &mut [u8]) -> (&mut [Self::Codes], &mut [u8]) {
        octets.as_chunks_mut()
    }

    #[inline(always)]
    fn splat(self, value: i16) -> __m128i {
        op!(_mm_set1_epi16(value))
    }
    #[inline(always)]
    fn load(self, row: &Self::Row) -> __m128i {
        op!(_mm_loadu_si128(row.as_ptr().cast()))
    }
    #[inline(always)]
    fn store(self, value: __m128i, row: &mut Self::Row) {
        op!(_mm_storeu_si128(row.as_mut_ptr().cast(), value));
    }
    #[inline(always)]
    fn load_octets(self, octets: &Self::Octets) -> __m128i {
        let octets = op!(_mm_loadl_epi64(octets.as_ptr().cast()));
        op!(_mm_unpacklo_epi8(octets, self.splat(0)))
    }
    #[inline(always)]
    fn store_octets(self, value: __m128i, octets: &mut Self::Octets) {
        let packed = op!(_mm_packus_epi16(value, value));
        op!(_mm_storel_epi64(octets.as_mut_ptr().cast(), packed));
    }

    #[inline(always)]
    fn add(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_sub_epi16(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_min_epi16(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_max_epi16(a, b))
    }
    #[inline(always)]
    fn and(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_and_si128(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_or_si128(a, b))
    }
    #[inline(always)]
    fn xor(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_xor_si128(a, b))
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: __m128i) -> __m128i {
        let count = op!(_mm_cvtsi32_si128(K as i32)); // a constant: folds into the immediate form
        op!(_mm_sll_epi16(a, count))
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: __m128i) -> __m128i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm_sra_epi16(a, count))
    }
    #[inline(always)]
    fn shr_logical<const K: u32>(self, a: __m128i) -> __m128i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm_srl_epi16(a, count))
    }
    #[inline(always)]
    fn shl_by(self, a: __m128i, count: __m128i) -> __m128i {
        let a = self.by_bit::<15>(count, a, self.shl::<1>(a));
        let a = self.by_bit::<14>(count, a, self.shl::<2>(a));
        self.by_bit::<13>(count, a, self.shl::<4>(a))
    }
    #[inline(always)]
    fn shr_by(self, a: __m128i, count: __m128i) -> __m128i {
        let a = self.by_bit::<15>(count, a, self.shr_logical::<1>(a));
        let a = self.by_bit::<14>(count, a, self.shr_logical::<2>(a));
        let a = self.by_bit::<13>(count, a, self.shr_logical::<4>(a));
        self.by_bit::<12>(count, a, self.shr_logical::<8>(a))
    }
    #[inline(always)]
    fn bit_length(self, a: __m128i) -> __m128i {
        [0, 1, 3, 7, 15, 31, 63].into_iter().fold(self.splat(0), |bits, limit| {
            let longer = op!(_mm_cmpgt_epi16(a, self.splat(limit)));
            self.sub(bits, longer)
        })
    }

    #[inline(always)]
    fn add_sat(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_adds_epi16(a, b))
    }
    #[inline(always)]
    fn sub_sat(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_subs_epi16(a, b))
    }
    #[inline(always)]
    fn mul_low(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_mullo_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_mulhi_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high_unsigned(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_mulhi_epu16(a, b))
    }
    #[inline(always)]
    fn select(self, mask: __m128i, then: __m128i, otherwise: __m128i) -> __m128i {
        self.xor(otherwise, self.and(mask, self.xor(then, otherwise)))
    }
    #[inline(always)]
    fn less_if_greater(self, count: __m128i, a: __m128i, b: __m128i) -> __m128i {
        self.add(count, op!(_mm_cmpgt_epi16(a, b)))
    }
    #[inline(always)]
    fn any(self, a: __m128i, bits: i16) -> bool {
        let none = op!(_mm_cmpeq_epi16(self.and(a, self.splat(bits)), self.splat(0)));
        op!(_mm_movemask_epi8(none)) != 0xFFFF
    }

    #[inline(always)]
    fn index(self, index: __m128i) -> __m128i {
        index
    }
    #[inline(always)]
    fn lookup8(self, table: &[i16; 8], index: __m128i) -> __m128i {
        self.lookup(table, index)
    }
    #[inline(always)]
    fn lookup16(self, table: &[i16; 16], index: __m128i) -> __m128i {
        self.lookup(table, index)
    }
    #[inline(always)]
    fn lookup32(self, table: &[i16; 32], index: __m128i) -> __m128i {
        self.lookup(table, index)
    }
    #[inline(always)]
    fn lookup64(self, table: &[i16; 64], index: __m128i) -> __m128i {
        self.lookup(table, index)
    }

    #[inline(always)]
    fn columns(self) -> Self::Columns {
        [[0; 8]; 8]
    }
    #[inline(always)]
    fn gather(self, columns: &Self::Columns) -> [__m128i; 8] {
        self.transpose(columns.each_ref().map(|column| self.load(column)))
    }
    #[inline(always)]
    fn scatter(self, rows: [__m128i; 8]) -> Self::Columns {
        let mut columns = self.columns();
        for (row, column) in self.transpose(rows).into_iter().zip(&mut columns) {
            self.store(row, column);
        }
        columns
    }

    #[inline(always)]
    fn translate(self, table: &[u8; 128], from: &Self::Codes, to: &mut Self::Codes) {
        *to = from.map(|code| (code & 0x80) | table[usize::from(code & 0x7F)]);
    }

    #[inline(always)]
    fn load_wide(self, pairs: &Self::Row) -> __m128i {
        self.load(pairs)
    }
    #[inline(always)]
    fn load_wider(self, row: &Self::Row) -> (__m128i, __m128i) {
        // Each lane in both halves of a wide one; the upper half, shifted down, is it with its sign.
        let row = self.load(row);
        let (first, second) = self.interleave(row, row);
        (self.shr_wide::<16>(first), self.shr_wide::<16>(second))
    }
    #[inline(always)]
    fn load_sums(self, sums: &Self::Sums) -> (__m128i, __m128i) {
        let (first, second) = sums.split_at(4);
        (op!(_mm_loadu_si128(first.as_ptr().cast())), op!(_mm_loadu_si128(second.as_ptr().cast())))
    }
    #[inline(always)]
    fn store_sums(self, value: (__m128i, __m128i), sums: &mut Self::Sums) {
        let (first, second) = sums.split_at_mut(4);
        op!(_mm_storeu_si128(first.as_mut_ptr().cast(), value.0));
        op!(_mm_storeu_si128(second.as_mut_ptr().cast(), value.1));
    }
    #[inline(always)]
    fn wide(self, a: __m128i) -> __m128i {
        a
    }
    #[inline(always)]
    fn splat_wide(self, value: i32) -> __m128i {
        op!(_mm_set1_epi32(value))
    }
    #[inline(always)]
    fn dot(self, acc: __m128i, a: __m128i, b: __m128i) -> __m128i {
        let products = op!(_mm_madd_epi16(a, b));
        op!(_mm_add_epi32(acc, products))
    }
    #[inline(always)]
    fn interleave(self, a: __m128i, b: __m128i) -> (__m128i, __m128i) {
        (op!(_mm_unpacklo_epi16(a, b)), op!(_mm_unpackhi_epi16(a, b)))
    }
    #[inline(always)]
    fn narrow(self, low: __m128i, high: __m128i) -> __m128i {
        self.pack(low, high)
    }
    #[inline(always)]
    fn and_wide(self, a: __m128i, bits: i32) -> __m128i {
        self.and(a, self.splat_wide(bits))
    }
    #[inline(always)]
    fn sums(self, a: [__m128i; 8]) -> [i32; 8] {
        let mut sums = [0; 8];
        for (a, sums) in a.as_chunks::<4>().0.iter().zip(sums.as_chunks_mut::<4>().0) {
            let [a0, a1, a2, a3] = *a;
            let (b0, b1) = (op!(_mm_unpacklo_epi32(a0, a1)), op!(_mm_unpackhi_epi32(a0, a1)));
            let (b2, b3) = (op!(_mm_unpacklo_epi32(a2, a3)), op!(_mm_unpackhi_epi32(a2, a3)));
            let (c0, c1) = (self.add_wide(b0, b1), self.add_wide(b2, b3));
            let (d0, d1) = (op!(_mm_unpacklo_epi64(c0, c1)), op!(_mm_unpackhi_epi64(c0, c1)));
            op!(_mm_storeu_si128(sums.as_mut_ptr().cast(), self.add_wide(d0, d1)));
        }
        sums
    }
    #[inline(always)]
    fn add_wide(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_add_epi32(a, b))
    }
    #[inline(always)]
    fn sub_wide(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_sub_epi32(a, b))
    }
    #[inline(always)]
    fn pairs(self, a: __m128i, b: __m128i) -> (__m128i, __m128i) {
        self.interleave(a, b)
    }
    #[inline(always)]
    fn store_wide(self, value: __m128i, pairs: &mut Self::Row) {
        self.store(value, pairs);
    }
    #[inline(always)]
    fn shr_wide<const K: u32>(self, a: __m128i) -> __m128i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm_sra_epi32(a, count))
    }
    #[inline(always)]
    fn pack(self, first: __m128i, second: __m128i) -> __m128i {
        op!(_mm_packs_epi32(first, second))
    }
    #[inline(always)]
    fn braid(self, even: __m128i, odd: __m128i) -> __m128i {
        let packed = op!(_mm_packs_epi32(even, odd)); // e0 e1 e2 e3 o0 o1 o2 o3
        let odd = op!(_mm_unpackhi_epi64(packed, packed));
        op!(_mm_unpacklo_epi16(packed, odd))
    }
}
