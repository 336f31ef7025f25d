//! The portable level of any CPU: eight lanes in a plain array, one short loop per operation. On x86-64 `Sse2` stands in for it.
//! Shape:  `[i16; 8]`, wide `[i32; 4]`. The compiler turns each loop into one or two instructions of the baseline (NEON on aarch64).
//!         A loop over lanes around a whole codec step would stay scalar.
//! Errors: none.
//! Source: the operations are those of `super::Lanes`.

use super::Lanes;

/// Token of the portable level; every CPU runs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array;

const N: usize = 8;

#[inline(always)]
fn map(a: [i16; N], f: impl Fn(i16) -> i16) -> [i16; N] {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip(a: [i16; N], b: [i16; N], f: impl Fn(i16, i16) -> i16) -> [i16; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// `a` where `bit` of `count` is clear, else `b`.
#[inline(always)]
fn by_bit(count: [i16; N], bit: u32, a: [i16; N], b: [i16; N]) -> [i16; N] {
    std::array::from_fn(|i| {
        let mask = (count[i] << (15 - bit)) >> 15;
        a[i] ^ (mask & (a[i] ^ b[i]))
    })
}

impl Lanes for Array {
    type I16 = [i16; N];
    type I32 = [i32; N / 2];
    type Row = [i16; N];
    type Sums = [i32; N];
    type Octets = [u8; N];
    type Codes = [u8; 2 * N];
    type Columns = [[i16; 8]; N];
    const LANES: usize = N;

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
    fn splat(self, value: i16) -> Self::I16 {
        [value; N]
    }
    #[inline(always)]
    fn load(self, row: &Self::Row) -> Self::I16 {
        *row
    }
    #[inline(always)]
    fn store(self, value: Self::I16, row: &mut Self::Row) {
        *row = value;
    }
    #[inline(always)]
    fn load_octets(self, octets: &Self::Octets) -> Self::I16 {
        octets.map(i16::from)
    }
    #[inline(always)]
    fn store_octets(self, value: Self::I16, octets: &mut Self::Octets) {
        *octets = value.map(|v| v as u8);
    }

    #[inline(always)]
    fn add(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::wrapping_add)
    }
    #[inline(always)]
    fn sub(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::wrapping_sub)
    }
    #[inline(always)]
    fn min(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::min)
    }
    #[inline(always)]
    fn max(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::max)
    }
    #[inline(always)]
    fn and(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn shl<const K: u32>(self, a: Self::I16) -> Self::I16 {
        map(a, |a| a << K)
    }
    #[inline(always)]
    fn shr<const K: u32>(self, a: Self::I16) -> Self::I16 {
        map(a, |a| a >> K)
    }
    #[inline(always)]
    fn shr_logical<const K: u32>(self, a: Self::I16) -> Self::I16 {
        map(a, |a| (a as u16 >> K) as i16)
    }
    // The baseline has no shift by a vector of counts: three constant shifts, each taken where its bit is set.
    #[inline(always)]
    fn shl_by(self, a: Self::I16, count: Self::I16) -> Self::I16 {
        let a = by_bit(count, 0, a, self.shl::<1>(a));
        let a = by_bit(count, 1, a, self.shl::<2>(a));
        by_bit(count, 2, a, self.shl::<4>(a))
    }
    #[inline(always)]
    fn shr_by(self, a: Self::I16, count: Self::I16) -> Self::I16 {
        let a = by_bit(count, 0, a, self.shr_logical::<1>(a));
        let a = by_bit(count, 1, a, self.shr_logical::<2>(a));
        let a = by_bit(count, 2, a, self.shr_logical::<4>(a));
        by_bit(count, 3, a, self.shr_logical::<8>(a))
    }
    #[inline(always)]
    fn bit_length(self, a: Self::I16) -> Self::I16 {
        // A comparison is 0 or -1 in a vector register: seven of them count the bits.
        let mut bits = [0; N];
        for limit in [0, 1, 3, 7, 15, 31, 63] {
            bits = zip(bits, a, |bits, a| bits + i16::from(a > limit));
        }
        bits
    }

    #[inline(always)]
    fn add_sat(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::saturating_add)
    }
    #[inline(always)]
    fn sub_sat(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::saturating_sub)
    }
    #[inline(always)]
    fn mul_low(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, i16::wrapping_mul)
    }
    #[inline(always)]
    fn mul_high(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16)
    }
    #[inline(always)]
    fn mul_high_unsigned(self, a: Self::I16, b: Self::I16) -> Self::I16 {
        zip(a, b, |a, b| ((u32::from(a as u16) * u32::from(b as u16)) >> 16) as i16)
    }
    #[inline(always)]
    fn select(self, mask: Self::I16, then: Self::I16, otherwise: Self::I16) -> Self::I16 {
        std::array::from_fn(|i| otherwise[i] ^ (mask[i] & (then[i] ^ otherwise[i])))
    }
    #[inline(always)]
    fn less_if_greater(self, count: Self::I16, a: Self::I16, b: Self::I16) -> Self::I16 {
        std::array::from_fn(|i| count[i].wrapping_sub(i16::from(a[i] > b[i])))
    }
    #[inline(always)]
    fn any(self, a: Self::I16, bits: i16) -> bool {
        a.iter().fold(0, |all, a| all | a) & bits != 0
    }

    #[inline(always)]
    fn index(self, index: Self::I16) -> Self::I16 {
        index
    }
    #[inline(always)]
    fn lookup8(self, table: &[i16; 8], index: Self::I16) -> Self::I16 {
        index.map(|i| table[i as usize & 7])
    }
    #[inline(always)]
    fn lookup16(self, table: &[i16; 16], index: Self::I16) -> Self::I16 {
        index.map(|i| table[i as usize & 15])
    }
    #[inline(always)]
    fn lookup32(self, table: &[i16; 32], index: Self::I16) -> Self::I16 {
        index.map(|i| table[i as usize & 31])
    }
    #[inline(always)]
    fn lookup64(self, table: &[i16; 64], index: Self::I16) -> Self::I16 {
        index.map(|i| table[i as usize & 63])
    }

    #[inline(always)]
    fn columns(self) -> Self::Columns {
        [[0; 8]; N]
    }
    #[inline(always)]
    fn gather(self, columns: &Self::Columns) -> [Self::I16; 8] {
        transpose(*columns)
    }
    #[inline(always)]
    fn scatter(self, rows: [Self::I16; 8]) -> Self::Columns {
        transpose(rows)
    }

    #[inline(always)]
    fn translate(self, table: &[u8; 128], from: &Self::Codes, to: &mut Self::Codes) {
        *to = from.map(|code| (code & 0x80) | table[usize::from(code & 0x7F)]);
    }

    #[inline(always)]
    fn load_wide(self, pairs: &Self::Row) -> Self::I32 {
        std::array::from_fn(|i| pair(pairs[2 * i], pairs[2 * i + 1]))
    }
    #[inline(always)]
    fn load_wider(self, row: &Self::Row) -> (Self::I32, Self::I32) {
        (std::array::from_fn(|i| row[i].into()), std::array::from_fn(|i| row[i + N / 2].into()))
    }
    #[inline(always)]
    fn load_sums(self, sums: &Self::Sums) -> (Self::I32, Self::I32) {
        (std::array::from_fn(|i| sums[i]), std::array::from_fn(|i| sums[i + N / 2]))
    }
    #[inline(always)]
    fn store_sums(self, value: (Self::I32, Self::I32), sums: &mut Self::Sums) {
        *sums = std::array::from_fn(|i| if i < N / 2 { value.0[i] } else { value.1[i - N / 2] });
    }
    #[inline(always)]
    fn wide(self, a: Self::I16) -> Self::I32 {
        self.load_wide(&a)
    }
    #[inline(always)]
    fn splat_wide(self, value: i32) -> Self::I32 {
        [value; N / 2]
    }
    #[inline(always)]
    fn dot(self, acc: Self::I32, a: Self::I32, b: Self::I32) -> Self::I32 {
        std::array::from_fn(|i| {
            let low = i32::from(a[i] as i16) * i32::from(b[i] as i16);
            let high = (a[i] >> 16) * (b[i] >> 16);
            acc[i].wrapping_add(low).wrapping_add(high)
        })
    }
    #[inline(always)]
    fn interleave(self, a: Self::I16, b: Self::I16) -> (Self::I32, Self::I32) {
        self.pairs(a, b)
    }
    #[inline(always)]
    fn narrow(self, low: Self::I32, high: Self::I32) -> Self::I16 {
        self.pack(low, high)
    }
    #[inline(always)]
    fn and_wide(self, a: Self::I32, bits: i32) -> Self::I32 {
        a.map(|a| a & bits)
    }
    #[inline(always)]
    fn sums(self, a: [Self::I32; 8]) -> [i32; 8] {
        a.map(|a| a.into_iter().fold(0, i32::wrapping_add))
    }
    #[inline(always)]
    fn add_wide(self, a: Self::I32, b: Self::I32) -> Self::I32 {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn sub_wide(self, a: Self::I32, b: Self::I32) -> Self::I32 {
        std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
    }
    #[inline(always)]
    fn pairs(self, a: Self::I16, b: Self::I16) -> (Self::I32, Self::I32) {
        (std::array::from_fn(|i| pair(a[i], b[i])), std::array::from_fn(|i| pair(a[i + N / 2], b[i + N / 2])))
    }
    #[inline(always)]
    fn store_wide(self, value: Self::I32, pairs: &mut Self::Row) {
        *pairs = std::array::from_fn(|i| (value[i / 2] >> (16 * (i % 2))) as i16);
    }
    #[inline(always)]
    fn shr_wide<const K: u32>(self, a: Self::I32) -> Self::I32 {
        a.map(|a| a >> K)
    }
    #[inline(always)]
    fn pack(self, first: Self::I32, second: Self::I32) -> Self::I16 {
        let clamp = |v: i32| v.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        std::array::from_fn(|i| clamp(if i < N / 2 { first[i] } else { second[i - N / 2] }))
    }
    #[inline(always)]
    fn braid(self, even: Self::I32, odd: Self::I32) -> Self::I16 {
        let clamp = |v: i32| v.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        std::array::from_fn(|i| clamp(if i % 2 == 0 { even[i / 2] } else { odd[i / 2] }))
    }
}

/// Columns become rows, in three rounds of exchanges that the compiler knows as unpack instructions.
#[inline(always)]
fn transpose(a: [[i16; N]; N]) -> [[i16; N]; N] {
    let round = |a: [[i16; N]; N]| -> [[i16; N]; N] {
        std::array::from_fn(|r| std::array::from_fn(|i| a[r / 2 + (i % 2) * N / 2][i / 2 + (r % 2) * N / 2]))
    };
    round(round(round(a)))
}

#[inline(always)]
fn pair(low: i16, high: i16) -> i32 {
    i32::from(low as u16) | (i32::from(high) << 16)
}
