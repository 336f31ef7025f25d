//! AVX-512 (F, BW, VL, DQ, VBMI, VBMI2, VNNI): 32 x `i16` in a 512-bit register.
//! Shape:  `__m512i` for both widths; `Row` 64 octets, `Codes` 64 octets.
//! Look-ups: `vpermi2b` finds any of 128 octets in one instruction.
//! Errors: none.
//! Source: Intel Intrinsics Guide.

use std::arch::x86_64::*;

use super::op;
use crate::lanes::Lanes;

/// Token of the AVX-512 level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU must have AVX-512 F, BW, VL, DQ, VBMI, VBMI2 and VNNI, and what `Avx2` asks for.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }

    /// `table[index]` of 128 octets, by the low seven bits of each octet of `index`.
    #[inline(always)]
    fn find(self, table: &[u8; 128], index: __m512i) -> __m512i {
        let (halves, _) = table.as_chunks::<64>();
        let (low, high) = (&halves[0], &halves[1]);
        let low = op!(_mm512_loadu_si512(low.as_ptr().cast()));
        let high = op!(_mm512_loadu_si512(high.as_ptr().cast()));
        op!(_mm512_permutex2var_epi8(low, index, high))
    }

    /// Rows and columns exchanged, in each quarter by itself.
    #[inline(always)]
    fn transpose(self, a: [__m512i; 8]) -> [__m512i; 8] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
        let (b0, b1) = (op!(_mm512_unpacklo_epi16(a0, a1)), op!(_mm512_unpackhi_epi16(a0, a1)));
        let (b2, b3) = (op!(_mm512_unpacklo_epi16(a2, a3)), op!(_mm512_unpackhi_epi16(a2, a3)));
        let (b4, b5) = (op!(_mm512_unpacklo_epi16(a4, a5)), op!(_mm512_unpackhi_epi16(a4, a5)));
        let (b6, b7) = (op!(_mm512_unpacklo_epi16(a6, a7)), op!(_mm512_unpackhi_epi16(a6, a7)));
        let (c0, c1) = (op!(_mm512_unpacklo_epi32(b0, b2)), op!(_mm512_unpackhi_epi32(b0, b2)));
        let (c2, c3) = (op!(_mm512_unpacklo_epi32(b1, b3)), op!(_mm512_unpackhi_epi32(b1, b3)));
        let (c4, c5) = (op!(_mm512_unpacklo_epi32(b4, b6)), op!(_mm512_unpackhi_epi32(b4, b6)));
        let (c6, c7) = (op!(_mm512_unpacklo_epi32(b5, b7)), op!(_mm512_unpackhi_epi32(b5, b7)));
        [
            op!(_mm512_unpacklo_epi64(c0, c4)),
            op!(_mm512_unpackhi_epi64(c0, c4)),
            op!(_mm512_unpacklo_epi64(c1, c5)),
            op!(_mm512_unpackhi_epi64(c1, c5)),
            op!(_mm512_unpacklo_epi64(c2, c6)),
            op!(_mm512_unpackhi_epi64(c2, c6)),
            op!(_mm512_unpacklo_epi64(c3, c7)),
            op!(_mm512_unpackhi_epi64(c3, c7)),
        ]
    }
}

/// Significant bits of 0..=127.
const BIT_LENGTH: [u8; 128] = {
    let mut table = [0; 128];
    let mut i = 0;
    while i < 128 {
        table[i as usize] = (8 - (i as u8).leading_zeros()) as u8;
        i += 1;
    }
    table
};

impl Lanes for Avx512 {
    type I16 = __m512i;
    type I32 = __m512i;
    type Row = [i16; 32];
    type Sums = [i32; 32];
    type Octets = [u8; 32];
    type Codes = [u8; 64];
    type Columns = [[i16; 8]; 32];
    const LANES: usize = 32;

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
    fn splat(self, value: i16) -> __m512i {
        op!(_mm512_set1_epi16(value))
    }
    #[inline(always)]
    fn load(self, row: &Self::Row) -> __m512i {
        op!(_mm512_loadu_si512(row.as_ptr().cast()))
    }
    #[inline(always)]
    fn store(self, value: __m512i, row: &mut Self::Row) {
        op!(_mm512_storeu_si512(row.as_mut_ptr().cast(), value));
    }
    #[inline(always)]
    fn load_octets(self, octets: &Self::Octets) -> __m512i {
        let octets = op!(_mm256_loadu_si256(octets.as_ptr().cast()));
        op!(_mm512_cvtepu8_epi16(octets))
    }
    #[inline(always)]
    fn store_octets(self, value: __m512i, octets: &mut Self::Octets) {
        let octets_of = op!(_mm512_cvtepi16_epi8(value));
        op!(_mm256_storeu_si256(octets.as_mut_ptr().cast(), octets_of));
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_sub_epi16(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_min_epi16(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_max_epi16(a, b))
    }
    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_and_si512(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_xor_si512(a, b))
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: __m512i) -> __m512i {
        let count = op!(_mm_cvtsi32_si128(K as i32)); // a constant: folds into the immediate form
        op!(_mm512_sll_epi16(a, count))
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: __m512i) -> __m512i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm512_sra_epi16(a, count))
    }
    #[inline(always)]
    fn shr_logical<const K: u32>(self, a: __m512i) -> __m512i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm512_srl_epi16(a, count))
    }
    #[inline(always)]
    fn shl_by(self, a: __m512i, count: __m512i) -> __m512i {
        op!(_mm512_sllv_epi16(a, count))
    }
    #[inline(always)]
    fn shr_by(self, a: __m512i, count: __m512i) -> __m512i {
        op!(_mm512_srlv_epi16(a, count))
    }
    #[inline(always)]
    fn bit_length(self, a: __m512i) -> __m512i {
        self.find(&BIT_LENGTH, a) // the high octet is 0 and finds 0
    }

    #[inline(always)]
    fn add_sat(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_adds_epi16(a, b))
    }
    #[inline(always)]
    fn sub_sat(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_subs_epi16(a, b))
    }
    #[inline(always)]
    fn mul_low(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_mullo_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_mulhi_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high_unsigned(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_mulhi_epu16(a, b))
    }
    #[inline(always)]
    fn mul15(self, a: __m512i, b: __m512i) -> __m512i {
        // The upper 16 bits of the 32-bit product shifted left by one.
        op!(_mm512_shldi_epi16::<1>(self.mul_high(a, b), self.mul_low(a, b)))
    }
    #[inline(always)]
    fn select(self, mask: __m512i, then: __m512i, otherwise: __m512i) -> __m512i {
        op!(_mm512_ternarylogic_epi32::<0xCA>(mask, then, otherwise))
    }
    #[inline(always)]
    fn less_if_greater(self, count: __m512i, a: __m512i, b: __m512i) -> __m512i {
        let greater = op!(_mm512_cmpgt_epi16_mask(a, b));
        op!(_mm512_mask_sub_epi16(count, greater, count, self.splat(1)))
    }
    #[inline(always)]
    fn any(self, a: __m512i, bits: i16) -> bool {
        op!(_mm512_test_epi16_mask(a, self.splat(bits))) != 0
    }

    #[inline(always)]
    fn index(self, index: __m512i) -> __m512i {
        index
    }
    #[inline(always)]
    fn lookup8(self, table: &[i16; 8], index: __m512i) -> __m512i {
        let table = op!(_mm_loadu_si128(table.as_ptr().cast()));
        let table = op!(_mm512_broadcast_i32x4(table));
        op!(_mm512_permutexvar_epi16(index, table))
    }
    #[inline(always)]
    fn lookup16(self, table: &[i16; 16], index: __m512i) -> __m512i {
        let table = op!(_mm256_loadu_si256(table.as_ptr().cast()));
        let table = op!(_mm512_broadcast_i64x4(table));
        op!(_mm512_permutexvar_epi16(index, table))
    }
    #[inline(always)]
    fn lookup32(self, table: &[i16; 32], index: __m512i) -> __m512i {
        op!(_mm512_permutexvar_epi16(index, self.load(table)))
    }
    #[inline(always)]
    fn lookup64(self, table: &[i16; 64], index: __m512i) -> __m512i {
        let (halves, _) = table.as_chunks::<32>();
        op!(_mm512_permutex2var_epi16(self.load(&halves[0]), index, self.load(&halves[1])))
    }

    #[inline(always)]
    fn columns(self) -> Self::Columns {
        [[0; 8]; 32]
    }
    #[inline(always)]
    fn gather(self, columns: &Self::Columns) -> [__m512i; 8] {
        let mut quads = [self.splat(0); 8];
        for (i, quad) in quads.iter_mut().enumerate() {
            let (a, b) = (columns[i].as_ptr().cast(), columns[i + 8].as_ptr().cast());
            let (c, d) = (columns[i + 16].as_ptr().cast(), columns[i + 24].as_ptr().cast());
            let low = op!(_mm256_loadu2_m128i(b, a));
            let high = op!(_mm256_loadu2_m128i(d, c));
            let low = op!(_mm512_castsi256_si512(low));
            *quad = op!(_mm512_inserti64x4::<1>(low, high));
        }
        self.transpose(quads)
    }
    #[inline(always)]
    fn scatter(self, rows: [__m512i; 8]) -> Self::Columns {
        let mut columns = self.columns();
        for (i, all) in self.transpose(rows).into_iter().enumerate() {
            let (low, high) = (op!(_mm512_castsi512_si256(all)), op!(_mm512_extracti64x4_epi64::<1>(all)));
            let (a, b) = (columns[i].as_mut_ptr().cast(), columns[i + 8].as_mut_ptr().cast());
            op!(_mm256_storeu2_m128i(b, a, low));
            let (c, d) = (columns[i + 16].as_mut_ptr().cast(), columns[i + 24].as_mut_ptr().cast());
            op!(_mm256_storeu2_m128i(d, c, high));
        }
        columns
    }

    #[inline(always)]
    fn translate(self, table: &[u8; 128], from: &Self::Codes, to: &mut Self::Codes) {
        let codes = op!(_mm512_loadu_si512(from.as_ptr().cast()));
        let found = self.find(table, codes);
        let sign = self.and(codes, op!(_mm512_set1_epi8(i8::MIN)));
        op!(_mm512_storeu_si512(to.as_mut_ptr().cast(), self.or(found, sign)));
    }

    #[inline(always)]
    fn load_wide(self, pairs: &Self::Row) -> __m512i {
        self.load(pairs)
    }
    #[inline(always)]
    fn load_wider(self, row: &Self::Row) -> (__m512i, __m512i) {
        let (first, second) = row.split_at(16);
        let first = op!(_mm256_loadu_si256(first.as_ptr().cast()));
        let second = op!(_mm256_loadu_si256(second.as_ptr().cast()));
        (op!(_mm512_cvtepi16_epi32(first)), op!(_mm512_cvtepi16_epi32(second)))
    }
    #[inline(always)]
    fn load_sums(self, sums: &Self::Sums) -> (__m512i, __m512i) {
        let (first, second) = sums.split_at(16);
        (op!(_mm512_loadu_si512(first.as_ptr().cast())), op!(_mm512_loadu_si512(second.as_ptr().cast())))
    }
    #[inline(always)]
    fn store_sums(self, value: (__m512i, __m512i), sums: &mut Self::Sums) {
        let (first, second) = sums.split_at_mut(16);
        op!(_mm512_storeu_si512(first.as_mut_ptr().cast(), value.0));
        op!(_mm512_storeu_si512(second.as_mut_ptr().cast(), value.1));
    }
    #[inline(always)]
    fn wide(self, a: __m512i) -> __m512i {
        a
    }
    #[inline(always)]
    fn splat_wide(self, value: i32) -> __m512i {
        op!(_mm512_set1_epi32(value))
    }
    #[inline(always)]
    fn dot(self, acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_dpwssd_epi32(acc, a, b))
    }
    #[inline(always)]
    fn interleave(self, a: __m512i, b: __m512i) -> (__m512i, __m512i) {
        (op!(_mm512_unpacklo_epi16(a, b)), op!(_mm512_unpackhi_epi16(a, b)))
    }
    #[inline(always)]
    fn narrow(self, low: __m512i, high: __m512i) -> __m512i {
        op!(_mm512_packs_epi32(low, high))
    }
    #[inline(always)]
    fn and_wide(self, a: __m512i, bits: i32) -> __m512i {
        self.and(a, self.splat_wide(bits))
    }
    #[inline(always)]
    fn sums(self, a: [__m512i; 8]) -> [i32; 8] {
        let mut halves = [op!(_mm256_setzero_si256()); 8];
        for (half, a) in halves.iter_mut().zip(a) {
            let (low, high) = (op!(_mm512_castsi512_si256(a)), op!(_mm512_extracti64x4_epi64::<1>(a)));
            *half = op!(_mm256_add_epi32(low, high));
        }
        let [a0, a1, a2, a3, a4, a5, a6, a7] = halves;
        let (b0, b1) = (op!(_mm256_hadd_epi32(a0, a1)), op!(_mm256_hadd_epi32(a2, a3)));
        let (b2, b3) = (op!(_mm256_hadd_epi32(a4, a5)), op!(_mm256_hadd_epi32(a6, a7)));
        let (c0, c1) = (op!(_mm256_hadd_epi32(b0, b1)), op!(_mm256_hadd_epi32(b2, b3)));
        let low = op!(_mm256_permute2x128_si256::<0x20>(c0, c1));
        let high = op!(_mm256_permute2x128_si256::<0x31>(c0, c1));
        let mut sums = [0; 8];
        let all = op!(_mm256_add_epi32(low, high));
        op!(_mm256_storeu_si256(sums.as_mut_ptr().cast(), all));
        sums
    }
    #[inline(always)]
    fn add_wide(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_add_epi32(a, b))
    }
    #[inline(always)]
    fn sub_wide(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_sub_epi32(a, b))
    }
    #[inline(always)]
    fn pairs(self, a: __m512i, b: __m512i) -> (__m512i, __m512i) {
        let first = self.load(&std::array::from_fn(|i| (i / 2 + 32 * (i % 2)) as i16));
        let second = self.load(&std::array::from_fn(|i| (16 + i / 2 + 32 * (i % 2)) as i16));
        (op!(_mm512_permutex2var_epi16(a, first, b)), op!(_mm512_permutex2var_epi16(a, second, b)))
    }
    #[inline(always)]
    fn store_wide(self, value: __m512i, pairs: &mut Self::Row) {
        self.store(value, pairs);
    }
    #[inline(always)]
    fn shr_wide<const K: u32>(self, a: __m512i) -> __m512i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm512_sra_epi32(a, count))
    }
    #[inline(always)]
    fn pack(self, first: __m512i, second: __m512i) -> __m512i {
        let packed = op!(_mm512_packs_epi32(first, second)); // 64-bit parts: f0 s0 f1 s1 f2 s2 f3 s3 (each two wide)
        let order = op!(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7));
        op!(_mm512_permutexvar_epi64(order, packed))
    }
    #[inline(always)]
    fn braid(self, even: __m512i, odd: __m512i) -> __m512i {
        // The low halves of the even lanes below those of the odd ones, shifted up; both saturated before.
        let (least, most) = (op!(_mm512_set1_epi32(-32768)), op!(_mm512_set1_epi32(32767)));
        let (even, odd) = (op!(_mm512_min_epi32(even, most)), op!(_mm512_min_epi32(odd, most)));
        let (even, odd) = (op!(_mm512_max_epi32(even, least)), op!(_mm512_max_epi32(odd, least)));
        let odd = op!(_mm512_slli_epi32::<16>(odd));
        op!(_mm512_mask_blend_epi16(0xAAAA_AAAA, even, odd))
    }
}
