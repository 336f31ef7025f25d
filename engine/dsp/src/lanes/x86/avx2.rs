//! AVX2 with FMA: 16 x `i16` in a 256-bit register; and the same with what AVX-512 has for such registers, `Half512`.
//! Shape:  `__m256i` for both widths; `Row` 32 octets, `Codes` 32 octets.
//! Look-ups: `vpshufb`, which works inside halves of 16 octets; tables are put in both halves. `Half512` permutes words.
//! Shifts: there is no 16-bit shift by a vector, so counts become powers of two and shifts become products; but for `Half512`.
//! Errors: none.
//! Source: Intel Intrinsics Guide.

use std::arch::x86_64::*;

use super::op;
use crate::lanes::Lanes;

/// Token of the AVX2 level.
pub(crate) type Avx2 = Ymm<false>;
/// Token of half a register of the AVX-512 level, for as few channels: its instructions take half as long, and need not be as many.
pub(crate) type Half512 = Ymm<true>;

/// Token of 256-bit registers, `MORE` with the instructions of AVX-512.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ymm<const MORE: bool>(());

impl<const MORE: bool> Ymm<MORE> {
    /// # Safety
    /// The CPU must have AVX2 and FMA; with `MORE` what `Avx512` asks for too.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }

    /// Sixteen octets in each half, for `vpshufb`.
    #[inline(always)]
    fn table(self, table: &[u8; 16]) -> __m256i {
        let half = op!(_mm_loadu_si128(table.as_ptr().cast()));
        op!(_mm256_broadcastsi128_si256(half))
    }

    /// Eight words in each half.
    #[inline(always)]
    fn words(self, table: &[i16; 8]) -> __m256i {
        let half = op!(_mm_loadu_si128(table.as_ptr().cast()));
        op!(_mm256_broadcastsi128_si256(half))
    }

    /// Look-up in a table of several times eight words. An octet index below zero finds nothing; one of 16 and above finds the entry
    /// at its low four bits. So every part from the first to the wanted one contributes, and each holds the difference to the one before.
    #[inline(always)]
    fn lookup_by_parts<const N: usize>(self, table: &[i16; N], index: __m256i) -> __m256i {
        let mut index = index;
        let mut found = self.splat(0);
        let mut before = [0; 8];
        for part in table.as_chunks::<8>().0 {
            let step = self.words(&std::array::from_fn(|i| part[i] ^ before[i]));
            found = self.xor(found, op!(_mm256_shuffle_epi8(step, index)));
            index = op!(_mm256_sub_epi8(index, self.splat_octet(16)));
            before = *part;
        }
        found
    }

    /// Rows and columns exchanged, in each half by itself.
    #[inline(always)]
    fn transpose(self, a: [__m256i; 8]) -> [__m256i; 8] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
        let (b0, b1) = (op!(_mm256_unpacklo_epi16(a0, a1)), op!(_mm256_unpackhi_epi16(a0, a1)));
        let (b2, b3) = (op!(_mm256_unpacklo_epi16(a2, a3)), op!(_mm256_unpackhi_epi16(a2, a3)));
        let (b4, b5) = (op!(_mm256_unpacklo_epi16(a4, a5)), op!(_mm256_unpackhi_epi16(a4, a5)));
        let (b6, b7) = (op!(_mm256_unpacklo_epi16(a6, a7)), op!(_mm256_unpackhi_epi16(a6, a7)));
        let (c0, c1) = (op!(_mm256_unpacklo_epi32(b0, b2)), op!(_mm256_unpackhi_epi32(b0, b2)));
        let (c2, c3) = (op!(_mm256_unpacklo_epi32(b1, b3)), op!(_mm256_unpackhi_epi32(b1, b3)));
        let (c4, c5) = (op!(_mm256_unpacklo_epi32(b4, b6)), op!(_mm256_unpackhi_epi32(b4, b6)));
        let (c6, c7) = (op!(_mm256_unpacklo_epi32(b5, b7)), op!(_mm256_unpackhi_epi32(b5, b7)));
        [
            op!(_mm256_unpacklo_epi64(c0, c4)),
            op!(_mm256_unpackhi_epi64(c0, c4)),
            op!(_mm256_unpacklo_epi64(c1, c5)),
            op!(_mm256_unpackhi_epi64(c1, c5)),
            op!(_mm256_unpacklo_epi64(c2, c6)),
            op!(_mm256_unpackhi_epi64(c2, c6)),
            op!(_mm256_unpacklo_epi64(c3, c7)),
            op!(_mm256_unpackhi_epi64(c3, c7)),
        ]
    }

    #[inline(always)]
    fn splat_octet(self, value: u8) -> __m256i {
        op!(_mm256_set1_epi8(value as i8))
    }
}

impl<const MORE: bool> Lanes for Ymm<MORE> {
    type I16 = __m256i;
    type I32 = __m256i;
    type Row = [i16; 16];
    type Sums = [i32; 16];
    type Octets = [u8; 16];
    type Codes = [u8; 32];
    type Columns = [[i16; 8]; 16];
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
        if MORE {
            return op!(_mm256_srlv_epi16(a, count));
        }
        // The shift is the high half of the product with 2^(16 - count). Bit 16 - count is in the high octet from 8 on, else in the
        // low one: one table serves both, with the low octet's index moved by eight.
        let powers = self.table(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128]);
        let index = self.sub(self.splat(16 * 0x0101 + 8), self.mul_low(count, self.splat(0x0101)));
        let power = op!(_mm256_shuffle_epi8(powers, index));
        self.mul_high_unsigned(a, power)
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
    fn add_sat(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_adds_epi16(a, b))
    }
    #[inline(always)]
    fn sub_sat(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_subs_epi16(a, b))
    }
    #[inline(always)]
    fn mul_low(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_mullo_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_mulhi_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high_unsigned(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_mulhi_epu16(a, b))
    }
    #[inline(always)]
    fn mul15(self, a: __m256i, b: __m256i) -> __m256i {
        let (high, low) = (self.mul_high(a, b), self.mul_low(a, b));
        if MORE { op!(_mm256_shldi_epi16::<1>(high, low)) } else { self.or(self.shl::<1>(high), self.shr_logical::<15>(low)) }
    }
    #[inline(always)]
    fn mul15_step(self, step: __m256i, level: __m256i) -> __m256i {
        // Twice 16384 is -32768 here. Its product is exact, as `level` is even, and only its sign is wrong.
        let twice = self.add(step, step);
        op!(_mm256_sign_epi16(self.mul_high(twice, level), twice))
    }
    #[inline(always)]
    fn signum(self, a: __m256i) -> __m256i {
        op!(_mm256_sign_epi16(self.splat(1), a))
    }
    #[inline(always)]
    fn select(self, mask: __m256i, then: __m256i, otherwise: __m256i) -> __m256i {
        op!(_mm256_blendv_epi8(otherwise, then, mask))
    }
    #[inline(always)]
    fn less_if_greater(self, count: __m256i, a: __m256i, b: __m256i) -> __m256i {
        self.add(count, op!(_mm256_cmpgt_epi16(a, b)))
    }
    #[inline(always)]
    fn any(self, a: __m256i, bits: i16) -> bool {
        op!(_mm256_testz_si256(a, self.splat(bits))) == 0
    }

    #[inline(always)]
    fn index(self, index: __m256i) -> __m256i {
        if MORE {
            return index;
        }
        // Octets 2i and 2i + 1 of the table.
        self.add(self.mul_low(index, self.splat(0x0202)), self.splat(0x0100))
    }
    #[inline(always)]
    fn lookup8(self, table: &[i16; 8], index: __m256i) -> __m256i {
        let table = self.words(table);
        if MORE { op!(_mm256_permutexvar_epi16(index, table)) } else { op!(_mm256_shuffle_epi8(table, index)) }
    }
    #[inline(always)]
    fn lookup16(self, table: &[i16; 16], index: __m256i) -> __m256i {
        if MORE { op!(_mm256_permutexvar_epi16(index, self.load(table))) } else { self.lookup_by_parts(table, index) }
    }
    #[inline(always)]
    fn lookup32(self, table: &[i16; 32], index: __m256i) -> __m256i {
        if !MORE {
            return self.lookup_by_parts(table, index);
        }
        let (halves, _) = table.as_chunks::<16>();
        op!(_mm256_permutex2var_epi16(self.load(&halves[0]), index, self.load(&halves[1])))
    }
    #[inline(always)]
    fn lookup64(self, table: &[i16; 64], index: __m256i) -> __m256i {
        if !MORE {
            return self.lookup_by_parts(table, index);
        }
        let (halves, _) = table.as_chunks::<32>();
        let upper = op!(_mm256_test_epi16_mask(index, self.splat(32)));
        op!(_mm256_mask_blend_epi16(upper, self.lookup32(&halves[0], index), self.lookup32(&halves[1], index)))
    }

    #[inline(always)]
    fn columns(self) -> Self::Columns {
        [[0; 8]; 16]
    }
    #[inline(always)]
    fn gather(self, columns: &Self::Columns) -> [__m256i; 8] {
        let mut pairs = [self.splat(0); 8];
        for (i, pair) in pairs.iter_mut().enumerate() {
            let (low, high) = (columns[i].as_ptr().cast(), columns[i + 8].as_ptr().cast());
            *pair = op!(_mm256_loadu2_m128i(high, low));
        }
        self.transpose(pairs)
    }
    #[inline(always)]
    fn scatter(self, rows: [__m256i; 8]) -> Self::Columns {
        let mut columns = self.columns();
        let (low, high) = columns.split_at_mut(8);
        for ((both, low), high) in self.transpose(rows).into_iter().zip(low).zip(high) {
            let (low, high) = (low.as_mut_ptr().cast(), high.as_mut_ptr().cast());
            op!(_mm256_storeu2_m128i(high, low, both));
        }
        columns
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
    fn load_wider(self, row: &Self::Row) -> (__m256i, __m256i) {
        let (first, second) = row.split_at(8);
        let first = op!(_mm_loadu_si128(first.as_ptr().cast()));
        let second = op!(_mm_loadu_si128(second.as_ptr().cast()));
        (op!(_mm256_cvtepi16_epi32(first)), op!(_mm256_cvtepi16_epi32(second)))
    }
    #[inline(always)]
    fn load_sums(self, sums: &Self::Sums) -> (__m256i, __m256i) {
        let (first, second) = sums.split_at(8);
        (op!(_mm256_loadu_si256(first.as_ptr().cast())), op!(_mm256_loadu_si256(second.as_ptr().cast())))
    }
    #[inline(always)]
    fn store_sums(self, value: (__m256i, __m256i), sums: &mut Self::Sums) {
        let (first, second) = sums.split_at_mut(8);
        op!(_mm256_storeu_si256(first.as_mut_ptr().cast(), value.0));
        op!(_mm256_storeu_si256(second.as_mut_ptr().cast(), value.1));
    }
    #[inline(always)]
    fn wide(self, a: __m256i) -> __m256i {
        a
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
    fn interleave(self, a: __m256i, b: __m256i) -> (__m256i, __m256i) {
        (op!(_mm256_unpacklo_epi16(a, b)), op!(_mm256_unpackhi_epi16(a, b)))
    }
    #[inline(always)]
    fn narrow(self, low: __m256i, high: __m256i) -> __m256i {
        op!(_mm256_packs_epi32(low, high))
    }
    #[inline(always)]
    fn and_wide(self, a: __m256i, bits: i32) -> __m256i {
        self.and(a, self.splat_wide(bits))
    }
    #[inline(always)]
    fn sums(self, a: [__m256i; 8]) -> [i32; 8] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
        let (b0, b1) = (op!(_mm256_hadd_epi32(a0, a1)), op!(_mm256_hadd_epi32(a2, a3)));
        let (b2, b3) = (op!(_mm256_hadd_epi32(a4, a5)), op!(_mm256_hadd_epi32(a6, a7)));
        let (c0, c1) = (op!(_mm256_hadd_epi32(b0, b1)), op!(_mm256_hadd_epi32(b2, b3)));
        let low = op!(_mm256_permute2x128_si256::<0x20>(c0, c1));
        let high = op!(_mm256_permute2x128_si256::<0x31>(c0, c1));
        let mut sums = [0; 8];
        op!(_mm256_storeu_si256(sums.as_mut_ptr().cast(), self.add_wide(low, high)));
        sums
    }
    #[inline(always)]
    fn add_wide(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_add_epi32(a, b))
    }
    #[inline(always)]
    fn sub_wide(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_sub_epi32(a, b))
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
    #[inline(always)]
    fn braid(self, even: __m256i, odd: __m256i) -> __m256i {
        let packed = op!(_mm256_packs_epi32(even, odd)); // of each half: e0 e1 e2 e3 o0 o1 o2 o3
        let turns = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15];
        op!(_mm256_shuffle_epi8(packed, self.table(&turns)))
    }
}
