//! AVX2 with FMA: 16 x `i16` in a 256-bit register.
//! Shape:  `__m256i` for both widths; `Row` 32 octets, `Codes` 32 octets.
//! Look-ups: `vpshufb`, which works inside halves of 16 octets; tables are put in both halves.
//! Shifts: there is no 16-bit shift by a vector, so counts become powers of two and shifts become products.
//! Errors: none.
//! Source: Intel Intrinsics Guide.

use std::arch::x86_64::*;

use super::op;
use crate::lanes::Lanes;

/// Token of the AVX2 level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2 and FMA.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }

    /// Sixteen octets in each half, for `vpshufb`.
    #[inline(always)]
    fn table(self, table: &[u8; 16]) -> __m256i {
        let half = op!(_mm_loadu_si128(table.as_ptr().cast()));
        op!(_mm256_broadcastsi128_si256(half))
    }

    #[inline(always)]
    fn splat_octet(self, value: u8) -> __m256i {
        op!(_mm256_set1_epi8(value as i8))
    }
}

impl Lanes for Avx2 {
    type I16 = __m256i;
    type I32 = __m256i;
    type Row = [i16; 16];
    type Octets = [u8; 16];
    type Codes = [u8; 32];
    const LANES: usize = 16;

    #[inline(always)]
    fn rows(self, samples: &[i16]) -> (&[Self::Row], &[i16]) {
        samples.as_chunks()
    }
    #[inline(always)]
    fn rows_mut(self, samples: &mut [i16]) -> (&mut [Self::Row], &mut [i16]) {
        samples.as_chunks_mut()
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
    fn splat(self, value: i16) -> __m256i {
        op!(_mm256_set1_epi16(value))
    }
    #[inline(always)]
    fn load(self, row: &Self::Row) -> __m256i {
        op!(_mm256_loadu_si256(row.as_ptr().cast()))
    }
    #[inline(always)]
    fn store(self, value: __m256i, row: &mut Self::Row) {
        op!(_mm256_storeu_si256(row.as_mut_ptr().cast(), value));
    }
    #[inline(always)]
    fn load_octets(self, octets: &Self::Octets) -> __m256i {
        let octets = op!(_mm_loadu_si128(octets.as_ptr().cast()));
        op!(_mm256_cvtepu8_epi16(octets))
    }
    #[inline(always)]
    fn store_octets(self, value: __m256i, octets: &mut Self::Octets) {
        let packed = op!(_mm256_packus_epi16(value, value)); // low half twice, high half twice
        let packed = op!(_mm256_permute4x64_epi64::<0b10_00>(packed));
        let packed = op!(_mm256_castsi256_si128(packed));
        op!(_mm_storeu_si128(octets.as_mut_ptr().cast(), packed));
    }

    #[inline(always)]
    fn add(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_sub_epi16(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_min_epi16(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_max_epi16(a, b))
    }
    #[inline(always)]
    fn and(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_or_si256(a, b))
    }
    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: __m256i) -> __m256i {
        let count = op!(_mm_cvtsi32_si128(K as i32)); // a constant: folds into the immediate form
        op!(_mm256_sll_epi16(a, count))
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: __m256i) -> __m256i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm256_sra_epi16(a, count))
    }
    #[inline(always)]
    fn shr_logical<const K: u32>(self, a: __m256i) -> __m256i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm256_srl_epi16(a, count))
    }
    #[inline(always)]
    fn shl_by(self, a: __m256i, count: __m256i) -> __m256i {
        // Low octet 2^count; the high octet of each lane is index 0x80, which gives 0.
        let powers = self.table(&[1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0]);
        let index = self.or(count, self.splat(0x8000_u16 as i16));
        let power = op!(_mm256_shuffle_epi8(powers, index));
        op!(_mm256_mullo_epi16(a, power))
    }
    #[inline(always)]
    fn shr_by(self, a: __m256i, count: __m256i) -> __m256i {
        // High octet 2^(8 - count), so the lane is 2^(16 - count), and the high half of the product is the shift.
        let powers = self.table(&[0, 128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0]);
        let power = op!(_mm256_shuffle_epi8(powers, count));
        op!(_mm256_mulhi_epu16(a, self.shl::<8>(power)))
    }
    #[inline(always)]
    fn bit_length(self, a: __m256i) -> __m256i {
        // Index 0 gives 0 in both tables, so the empty high octets stay empty.
        let low = self.table(&[0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
        let high = self.table(&[0, 5, 6, 6, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let low = op!(_mm256_shuffle_epi8(low, self.and(a, self.splat(15))));
        let high = op!(_mm256_shuffle_epi8(high, self.shr_logical::<4>(a)));
        self.max(low, high)
    }

    #[inline(always)]
    fn translate(self, table: &[u8; 128], from: &Self::Codes, to: &mut Self::Codes) {
        let codes = op!(_mm256_loadu_si256(from.as_ptr().cast()));
        let mut index = self.and(codes, self.splat_octet(0x7F));
        let mut found = self.and(codes, self.splat_octet(0x80));
        // An index below zero finds nothing; one of 16 and above finds the entry at its low four bits. So every table from the
        // first to the wanted one contributes, and each holds the difference to the one before.
        let (parts, _) = table.as_chunks::<16>();
        let mut before = [0; 16];
        for part in parts {
            let step = self.table(&std::array::from_fn(|i| part[i] ^ before[i]));
            let value = op!(_mm256_shuffle_epi8(step, index));
            found = self.xor(found, value);
            index = op!(_mm256_sub_epi8(index, self.splat_octet(16)));
            before = *part;
        }
        op!(_mm256_storeu_si256(to.as_mut_ptr().cast(), found));
    }

    #[inline(always)]
    fn load_wide(self, pairs: &Self::Row) -> __m256i {
        self.load(pairs)
    }
    #[inline(always)]
    fn splat_wide(self, value: i32) -> __m256i {
        op!(_mm256_set1_epi32(value))
    }
    #[inline(always)]
    fn dot(self, acc: __m256i, a: __m256i, b: __m256i) -> __m256i {
        let products = op!(_mm256_madd_epi16(a, b));
        op!(_mm256_add_epi32(acc, products))
    }
    #[inline(always)]
    fn pairs(self, a: __m256i, b: __m256i) -> (__m256i, __m256i) {
        let low = op!(_mm256_unpacklo_epi16(a, b)); // lanes 0..4 and 8..12
        let high = op!(_mm256_unpackhi_epi16(a, b)); // lanes 4..8 and 12..16
        (op!(_mm256_permute2x128_si256::<0x20>(low, high)), op!(_mm256_permute2x128_si256::<0x31>(low, high)))
    }
    #[inline(always)]
    fn store_wide(self, value: __m256i, pairs: &mut Self::Row) {
        self.store(value, pairs);
    }
    #[inline(always)]
    fn shr_wide<const K: u32>(self, a: __m256i) -> __m256i {
        let count = op!(_mm_cvtsi32_si128(K as i32));
        op!(_mm256_sra_epi32(a, count))
    }
    #[inline(always)]
    fn pack(self, first: __m256i, second: __m256i) -> __m256i {
        let packed = op!(_mm256_packs_epi32(first, second));
        op!(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed))
    }
}
