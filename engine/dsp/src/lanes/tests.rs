//! Every lane operation of every level against plain arithmetic, on random and extreme values.

use super::*;
use crate::testing::Random;

/// What to run with the token of a level.
pub(crate) trait Check {
    fn check<L: Lanes>(&self, l: L, name: &str);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod shells {
    use super::*;
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(check: &impl Check) {
        // SAFETY: called only where the CPU has the features.
        check.check(unsafe { Avx2::new() }, "avx2");
    }
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
    pub(super) fn avx512(check: &impl Check) {
        // SAFETY: called only where the CPU has the features.
        check.check(unsafe { Avx512::new() }, "avx512");
        // SAFETY: as above.
        check.check(unsafe { Half512::new() }, "half of avx512");
    }
}

/// Runs `check` at every level that this CPU has, compiled for its features.
#[allow(unsafe_code)]
pub(crate) fn on_every_level(check: &impl Check) {
    for level in crate::Level::available() {
        match level.name() {
            // SAFETY: the level is available.
            #[cfg(target_arch = "x86_64")]
            "avx2" => unsafe { shells::avx2(check) },
            // SAFETY: the level is available.
            #[cfg(target_arch = "x86_64")]
            "avx512" => unsafe { shells::avx512(check) },
            "portable" => {
                check.check(PORTABLE, "portable");
                check.check(Array, "arrays");
            }
            _ => {}
        }
    }
}

fn values<L: Lanes>(l: L, random: &mut Random) -> L::Row {
    let extremes = [i16::MIN, i16::MAX, 0, -1, 1, 255, 256, 16384, -16384];
    let mut samples: Vec<i16> = (0..L::LANES).map(|_| random.sample()).collect();
    for extreme in extremes {
        samples[random.next() as usize % L::LANES] = extreme;
    }
    l.rows(&samples).0[0]
}

fn row<L: Lanes>(l: L, value: L::I16) -> Vec<i16> {
    let mut samples = vec![0; L::LANES];
    l.store(value, &mut l.rows_mut(&mut samples).0[0]);
    samples
}

struct Arithmetic;
impl Check for Arithmetic {
    fn check<L: Lanes>(&self, l: L, name: &str) {
        let mut random = Random(11);
        for _ in 0..500 {
            let (x, y) = (values(l, &mut random), values(l, &mut random));
            let (a, b) = (l.load(&x), l.load(&y));
            let same = |what: &str, got: L::I16, expected: &dyn Fn(i16, i16) -> i16| {
                let expected: Vec<_> = x.as_ref().iter().zip(y.as_ref()).map(|(x, y)| expected(*x, *y)).collect();
                assert_eq!(row(l, got), expected, "{name} {what}");
            };
            same("add", l.add(a, b), &i16::wrapping_add);
            same("sub", l.sub(a, b), &i16::wrapping_sub);
            same("add_sat", l.add_sat(a, b), &i16::saturating_add);
            same("sub_sat", l.sub_sat(a, b), &i16::saturating_sub);
            same("min", l.min(a, b), &i16::min);
            same("max", l.max(a, b), &i16::max);
            same("and", l.and(a, b), &|x, y| x & y);
            same("or", l.or(a, b), &|x, y| x | y);
            same("xor", l.xor(a, b), &|x, y| x ^ y);
            same("shl", l.shl::<3>(a), &|x, _| x << 3);
            same("shr", l.shr::<7>(a), &|x, _| x >> 7);
            same("shr_logical", l.shr_logical::<7>(a), &|x, _| (x as u16 >> 7) as i16);
            same("mul_low", l.mul_low(a, b), &i16::wrapping_mul);
            same("mul_high", l.mul_high(a, b), &|x, y| ((i32::from(x) * i32::from(y)) >> 16) as i16);
            same("mul_high_unsigned", l.mul_high_unsigned(a, b), &|x, y| ((u32::from(x as u16) * u32::from(y as u16)) >> 16) as i16);
            let not_lowest = l.max(a, l.splat(-32767));
            same("mul15", l.mul15(not_lowest, b), &|x, y| ((i32::from(x.max(-32767)) * i32::from(y)) >> 15) as i16);
            let step = l.max(l.min(l.add_sat(a, l.splat(0)), l.splat(16384)), l.splat(1));
            let level = l.and(b, l.splat(!7));
            same("mul15_step", l.mul15_step(step, level), &|x, y| ((i32::from(x.clamp(1, 16384)) * i32::from(y & !7)) >> 15) as i16);
            same("signum", l.signum(a), &|x, _| x.signum());
            let mask = l.shr::<15>(a);
            same("select", l.select(mask, b, a), &|x, y| if x < 0 { y } else { x });
            same("less_if_greater", l.less_if_greater(a, a, b), &|x, y| x.wrapping_sub(i16::from(x > y)));
            let by = l.and(b, l.splat(7));
            same("shl_by", l.shl_by(a, by), &|x, y| x << (y & 7));
            let by = l.max(l.and(b, l.splat(15)), l.splat(1));
            same("shr_by", l.shr_by(a, by), &|x, y| (x as u16 >> (y & 15).max(1)) as i16);
            same("bit_length", l.bit_length(l.and(a, l.splat(127))), &|x, _| 16 - (x & 127).leading_zeros() as i16);
            assert_eq!(l.any(a, 0x0400), x.as_ref().iter().any(|x| x & 0x0400 != 0), "{name} any");
            assert!(!l.any(l.and(a, l.splat(!0x0C00)), 0x0C00), "{name} any");
        }
    }
}

#[test]
fn arithmetic_is_plain_arithmetic_in_every_lane() {
    on_every_level(&Arithmetic);
}

struct Tables;
impl Check for Tables {
    fn check<L: Lanes>(&self, l: L, name: &str) {
        let mut random = Random(12);
        let table: [i16; 64] = std::array::from_fn(|_| random.sample());
        for first in 0..64 {
            let index: Vec<i16> = (0..L::LANES).map(|i| ((first + 11 * i) % 64) as i16).collect();
            let index = l.load(&l.rows(&index).0[0]);
            let check = |what, size: i16, got: L::I16| {
                let expected: Vec<_> = row(l, index).iter().map(|i| table[(i & (size - 1)) as usize]).collect();
                assert_eq!(row(l, got), expected, "{name} {what}");
            };
            let at = |size: i16| l.index(l.and(index, l.splat(size - 1)));
            check("lookup8", 8, l.lookup8(table.first_chunk().unwrap(), at(8)));
            check("lookup16", 16, l.lookup16(table.first_chunk().unwrap(), at(16)));
            check("lookup32", 32, l.lookup32(table.first_chunk().unwrap(), at(32)));
            check("lookup64", 64, l.lookup64(&table, at(64)));
        }
    }
}

#[test]
fn look_ups_find_every_entry_from_every_lane() {
    on_every_level(&Tables);
}

struct Moves;
impl Check for Moves {
    fn check<L: Lanes>(&self, l: L, name: &str) {
        let of = |lane: usize, row: usize| (lane * 100 + row) as i16;
        let mut columns = l.columns();
        for (lane, column) in columns.as_mut().iter_mut().enumerate() {
            *column = std::array::from_fn(|row| of(lane, row));
        }
        let rows = l.gather(&columns);
        for (i, got) in rows.iter().enumerate() {
            assert_eq!(row(l, *got), (0..L::LANES).map(|lane| of(lane, i)).collect::<Vec<_>>(), "{name} gather {i}");
        }
        assert_eq!(l.scatter(rows).as_ref(), columns.as_ref(), "{name} scatter");

        let mut random = Random(13);
        let (x, y) = (values(l, &mut random), values(l, &mut random));
        let (a, b) = (l.load(&x), l.load(&y));
        let (low, high) = l.interleave(a, b);
        let one = l.splat_wide(1);
        let zero = l.splat_wide(0);
        assert_eq!(row(l, l.narrow(l.dot(zero, low, one), l.dot(zero, high, one))), x.as_ref(), "{name} interleave");
        let wide = l.narrow(l.shr_wide::<16>(low), l.shr_wide::<16>(high));
        assert_eq!(row(l, wide), y.as_ref(), "{name} interleave");
        let (first, second) = l.pairs(a, b);
        assert_eq!(row(l, l.pack(l.dot(zero, first, one), l.dot(zero, second, one))), x.as_ref(), "{name} pairs");
        let (first, second) = l.pairs(a, b);
        let (even, odd) = (l.add_wide(first, first), l.shr_wide::<16>(second));
        let got = row(l, l.braid(even, odd));
        let double = |i: usize| (i32::from(x.as_ref()[i] as u16) | i32::from(y.as_ref()[i]) << 16).wrapping_mul(2);
        let half = L::LANES / 2;
        let expected = (0..L::LANES).map(|i| if i % 2 == 0 { double(i / 2) } else { i32::from(y.as_ref()[half + i / 2]) });
        assert_eq!(got, expected.map(|v| v.clamp(-32768, 32767) as i16).collect::<Vec<_>>(), "{name} braid");
        let mut sums = vec![0; L::LANES];
        let widened = l.load_wider(&x);
        l.store_sums(widened, &mut l.sums_of_mut(&mut sums).0[0]);
        assert_eq!(sums, x.as_ref().iter().map(|x| i32::from(*x)).collect::<Vec<_>>(), "{name} load_wider");
        let (first, second) = l.load_sums(&l.sums_of(&sums).0[0]);
        assert_eq!(row(l, l.pack(first, second)), x.as_ref(), "{name} load_sums");
        let (first, second) = l.pairs(a, b);
        let mut memory = vec![0; 2 * L::LANES];
        let (stored, _) = l.rows_mut(&mut memory);
        l.store_wide(first, &mut stored[0]);
        l.store_wide(second, &mut stored[1]);
        let expected: Vec<_> = x.as_ref().iter().zip(y.as_ref()).flat_map(|(x, y)| [*x, *y]).collect();
        assert_eq!(memory, expected, "{name} store_wide");
        let dot = l.dot(l.splat_wide(5 << 16), l.load_wide(&x), l.load_wide(&y));
        let sum = l.sub_wide(l.add_wide(dot, l.splat_wide(7 << 16)), l.splat_wide(5 << 16));
        let got = row(l, l.pack(l.shr_wide::<16>(sum), l.shr_wide::<16>(sum)));
        let expected = x.as_ref().as_chunks().0.iter().zip(y.as_ref().as_chunks().0).map(|([a, b], [c, d])| {
            let dot = (i32::from(*a) * i32::from(*c)).wrapping_add(i32::from(*b) * i32::from(*d));
            (dot.wrapping_add(7 << 16) >> 16) as i16
        });
        assert_eq!(got[..L::LANES / 2], expected.collect::<Vec<_>>(), "{name} dot");
        let sums = l.sums(std::array::from_fn(|i| l.and_wide(l.dot(l.splat_wide(i as i32), l.load_wide(&x), one), 0xFF)));
        let lows = x.as_ref().as_chunks::<2>().0.iter().map(|[low, _]| i32::from(*low));
        let expected = std::array::from_fn(|i| lows.clone().map(|low| (low + i as i32) & 0xFF).sum());
        assert_eq!(sums, expected, "{name} sums");
    }
}

#[test]
fn rows_and_columns_and_pairs_keep_their_places() {
    on_every_level(&Moves);
}
