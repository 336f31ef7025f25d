//! The ADPCM coders of both bands in lanes.
//! Shape:  one step per octet; what a band remembers is in local variables, but the differences, which are in scratch rows.
//! Speed:  what a sample waits for is short: the inverse quantiser needs seven comparisons, the code three more beside it; the step size
//!         of the next sample is ready before the predictor is. In the zero predictor a product of four times the difference and the
//!         coefficient has the fraction product as its high half. The difference of the lower band leaves 14 bits only where the signal is
//!         overloaded; then, and for the six samples after it, the sum is made the long way.
//! Errors: none.
//! Source: ITU-T G.722 §3.2 to §3.6; `super::super::scalar`.

use super::Block;
use crate::g722::Mode;
use crate::g722::column::{HIGH, LOW, row};
use crate::g722::rows::{Past, Rows, Scratch, ZEROS};
use crate::g722::tables::{ANTILOG, LEVEL2, LEVEL4, LEVEL48, LEVEL56, LEVEL64, NBH_MAX, NBL_MAX, OQ2, OQ4, Q2, Q6, STEP2, STEP4, WH, WL};
use crate::lanes::Lanes;

/// `low` and `high` to `codes`. Both bands go together: two chains that do not wait for each other.
#[inline(always)]
pub(super) fn encode<L: Lanes>(l: L, block: &Block<L>, rows: &mut Rows, scratch: &mut Scratch, count: usize) {
    let mut low = Band::enter(l, block, rows, LOW, &mut scratch.low_past);
    let mut high = Band::enter(l, block, rows, HIGH, &mut scratch.high_past);
    let (xl, xh) = (l.rows(scratch.low.flat()).0, l.rows(scratch.high.flat()).0);
    let (codes, _) = l.rows_mut(scratch.codes.flat());
    for (at, ((xl, xh), code)) in xl.iter().zip(xh).zip(codes).enumerate().take(count) {
        let (il, d, step) = low.quantise_low(l, l.load(xl));
        low.adapt::<10>(l, step, NBL_MAX);
        low.predict::<true>(l, &mut scratch.low_past, at, d);
        let (ih, d, step) = high.quantise_high(l, l.load(xh));
        high.adapt::<12>(l, step, NBH_MAX);
        high.predict::<false>(l, &mut scratch.high_past, at, d);
        l.store(l.or(l.shl::<6>(ih), il), code);
    }
    low.leave(l, block, rows, LOW, &mut scratch.low_past, count);
    high.leave(l, block, rows, HIGH, &mut scratch.high_past, count);
}

/// `codes` to `low` and `high`. One band after the other: fewer live registers.
#[inline(always)]
pub(super) fn decode<L: Lanes>(l: L, mode: Mode, block: &Block<L>, rows: &mut Rows, scratch: &mut Scratch, count: usize) {
    match mode {
        Mode::Kbit64 => decode_low(l, &LEVEL64, block, rows, scratch, count),
        Mode::Kbit56 => decode_low(l, &LEVEL56, block, rows, scratch, count),
        Mode::Kbit48 => decode_low(l, &LEVEL48, block, rows, scratch, count),
    }
    const LEVEL: [i16; 8] = twice(LEVEL2);
    const STEP: [i16; 8] = [STEP2[0], STEP2[1], STEP2[2], STEP2[3], 0, 0, 0, 0];
    let mut band = Band::enter(l, block, rows, HIGH, &mut scratch.high_past);
    let (codes, out) = (l.rows(scratch.codes.flat()).0, l.rows_mut(scratch.high.flat()).0);
    for (at, (code, out)) in codes.iter().zip(out).enumerate().take(count) {
        let index = l.index(l.shr_logical::<6>(l.load(code)));
        let d = l.mul_high(band.det, l.lookup8(&LEVEL, index));
        l.store(limit(l, l.add_sat(band.s, d)), out);
        band.adapt::<12>(l, l.lookup8(&STEP, index), NBH_MAX);
        band.predict::<false>(l, &mut scratch.high_past, at, d);
    }
    band.leave(l, block, rows, HIGH, &mut scratch.high_past, count);
}

#[inline(always)]
fn decode_low<L: Lanes>(l: L, levels: &[i16; 64], block: &Block<L>, rows: &mut Rows, scratch: &mut Scratch, count: usize) {
    let mut band = Band::enter(l, block, rows, LOW, &mut scratch.low_past);
    let (codes, out) = (l.rows(scratch.codes.flat()).0, l.rows_mut(scratch.low.flat()).0);
    for (at, (code, out)) in codes.iter().zip(out).enumerate().take(count) {
        let il = l.and(l.load(code), l.splat(63));
        let heard = l.mul15_step(band.det, l.lookup64(levels, l.index(il)));
        l.store(limit(l, l.add_sat(band.s, heard)), out);
        let index = l.index(l.shr_logical::<2>(il));
        let d = l.mul15_step(band.det, l.lookup16(&LEVEL4, index));
        band.adapt::<10>(l, l.lookup16(&STEP4, index), NBL_MAX);
        band.predict::<true>(l, &mut scratch.low_past, at, d);
    }
    band.leave(l, block, rows, LOW, &mut scratch.low_past, count);
}

#[inline(always)]
fn limit<L: Lanes>(l: L, value: L::I16) -> L::I16 {
    l.max(l.min(value, l.splat(16383)), l.splat(-16384))
}

/// One band of a block of channels.
pub(in crate::g722) struct Band<L: Lanes> {
    s: L::I16,
    sz: L::I16,
    nb: L::I16,
    det: L::I16,
    a: [L::I16; 2],
    b: [L::I16; ZEROS],
    r: [L::I16; 2],
    p: [L::I16; 2],
    /// For how many samples the zero predictor has to go the long way.
    overload: usize,
}

impl<L: Lanes> Band<L> {
    /// The code, the quantised difference, and the step of the log scale factor. QUANTL, INVQAL.
    #[inline(always)]
    pub(in crate::g722) fn quantise_low(&self, l: L, xl: L::I16) -> (L::I16, L::I16, L::I16) {
        let el = l.sub_sat(xl, self.s);
        let sign = l.shr::<15>(el);
        let magnitude = l.xor(el, sign);
        let twice = l.add(self.det, self.det); // up to 32768, as unsigned
        let threshold = |level| l.mul_high_unsigned(twice, level);
        // The 4-bit magnitude: levels 2, 6, 10 ... 26 bound its intervals.
        let count = |count, level: usize| l.less_if_greater(count, threshold(l.splat(Q6[level])), magnitude);
        let upper = count(count(count(count(l.splat(7), 2), 6), 10), 14);
        let lower = count(count(count(l.splat(0), 18), 22), 26);
        let coarse = l.add(upper, lower);
        let index = l.index(coarse);
        let level = l.lookup8(&OQ4, index);
        let d = l.mul15_step(self.det, l.sub(l.xor(level, sign), sign));
        // Inside of it up to three more levels; below the first interval they are 0, which no magnitude is under.
        const FINE: [[i16; 8]; 3] = fine_levels();
        let fine = |count, table: &[i16; 8]| l.less_if_greater(count, threshold(l.lookup8(table, index)), magnitude);
        let interval = l.add(l.shl::<2>(coarse), l.splat(2));
        let interval = fine(fine(fine(interval, &FINE[0]), &FINE[1]), &FINE[2]);
        // Negative codes count down from 34, but for the two of the smallest interval.
        let negative = l.lookup8(&[64, 34, 34, 34, 34, 34, 34, 34], index);
        let code = l.sub(l.select(sign, negative, l.splat(62)), interval);
        (code, d, l.lookup8(&WL, index))
    }

    /// The same of the higher band. QUANTH, INVQAH.
    #[inline(always)]
    pub(in crate::g722) fn quantise_high(&self, l: L, xh: L::I16) -> (L::I16, L::I16, L::I16) {
        let eh = l.sub_sat(xh, self.s);
        let sign = l.shr::<15>(eh);
        let threshold = l.mul_high_unsigned(l.add(self.det, self.det), l.splat(Q2));
        let small = l.less_if_greater(l.splat(0), threshold, l.xor(eh, sign));
        // 2 x 926 x 8 = 14816 fits, so the plain high half is the fraction product.
        let level = l.select(small, l.splat(2 * OQ2[0]), l.splat(2 * OQ2[1]));
        let d = l.mul_high(self.det, l.sub(l.xor(level, sign), sign));
        let code = l.sub(l.add(l.splat(2), l.shl::<1>(sign)), small);
        (code, d, l.select(small, l.splat(WH[0]), l.splat(WH[1])))
    }

    /// The next step size. LOGSCL and SCALEL with `OCTAVES` 10, LOGSCH and SCALEH with 12.
    #[inline(always)]
    fn adapt<const OCTAVES: i16>(&mut self, l: L, step: L::I16, max: i16) {
        // nb * 32512 >> 15 is nb - nb / 128, rounded down.
        let nb = l.add(l.add(self.nb, l.mul_high(self.nb, l.splat(-512))), step);
        self.nb = l.max(l.min(nb, l.splat(max)), l.splat(0));
        const MANTISSA: [i16; 32] = times4(ANTILOG);
        let mantissa = l.lookup32(&MANTISSA, l.index(l.and(l.shr_logical::<6>(self.nb), l.splat(31))));
        let octaves = l.sub(l.splat(OCTAVES), l.shr_logical::<11>(self.nb));
        self.det = l.shl::<2>(l.shr_by(mantissa, octaves));
    }

    /// The predictor after the difference `d` of sample `at`. `WIDE`: `d` can leave 14 bits. In the higher band it cannot:
    /// 16384 x 7408 / 32768 = 3704.
    #[inline(always)]
    fn predict<const WIDE: bool>(&mut self, l: L, past: &mut Past, at: usize, d: L::I16) {
        let p = l.shr::<15>(l.add_sat(d, self.sz)); // PARREC
        let r = l.add_sat(self.s, d); // RECONS

        // UPZERO: the sign of `d` against the sign of each difference before it. No sum leaves 16 bits, as the leak is 128 at the ends.
        let plus = l.shl::<7>(l.signum(d));
        let minus = l.sub(l.splat(0), plus);
        let signs = l.rows_mut(past.sign.flat()).0;
        for (i, b) in self.b.iter_mut().enumerate() {
            let sign = l.load(&signs[at + ZEROS - 1 - i]);
            let leak = l.mul_high(*b, l.splat(-256)); // b * 32640 >> 15 is b - b / 256, rounded down
            *b = l.add(l.add(*b, leak), l.select(sign, minus, plus));
        }
        l.store(l.shr::<15>(d), &mut signs[at + ZEROS]);
        let d4 = l.shl::<2>(d);
        l.store(d4, &mut l.rows_mut(past.d4.flat()).0[at + ZEROS]);
        l.store(d, &mut l.rows_mut(past.d.flat()).0[at + ZEROS]);

        // UPPOL2
        let two = l.add_sat(self.a[0], self.a[0]);
        let four = l.add_sat(two, two);
        let differs = l.xor(p, self.p[0]);
        let first = l.shr::<7>(l.select(differs, four, l.sub_sat(l.splat(0), four)));
        let second = l.add(l.and(l.xor(p, self.p[1]), l.splat(-256)), l.splat(128));
        let leak = l.add(self.a[1], l.mul_high(self.a[1], l.splat(-512)));
        let a2 = l.add(l.add(first, second), leak);
        let a2 = l.max(l.min(a2, l.splat(12288)), l.splat(-12288));
        // UPPOL1
        let step = l.select(differs, l.splat(-192), l.splat(192));
        let leak = l.add(self.a[0], l.mul_high(self.a[0], l.splat(-256)));
        let most = l.sub(l.splat(15360), a2);
        let a1 = l.max(l.min(l.add(leak, step), most), l.sub(l.splat(0), most));

        // FILTEZ: saturating after each term, from the oldest on.
        if WIDE {
            // d + 8192 is 0..=16383 where four times `d` fits.
            if l.any(l.add(d, l.splat(8192)), !16383) {
                self.overload = ZEROS;
            }
        }
        if WIDE && self.overload > 0 {
            self.overload -= 1;
            self.sz = self.zeros_long(l, past, at);
        } else {
            let d4s = l.rows(past.d4.flat()).0;
            let mut sz = l.mul_high(l.load(&d4s[at + 1]), self.b[5]);
            for i in (1..5).rev() {
                sz = l.add_sat(sz, l.mul_high(l.load(&d4s[at + ZEROS - i]), self.b[i]));
            }
            self.sz = l.add_sat(sz, l.mul_high(d4, self.b[0]));
        }
        // FILTEP: |a2| is at most 12288, so twice of it fits; a1 may be more.
        let pole1 = l.mul15(l.add_sat(r, r), a1);
        let pole2 = l.mul_high(l.add_sat(self.r[0], self.r[0]), l.add(a2, a2));
        self.s = l.add_sat(l.add_sat(pole1, pole2), self.sz); // PREDIC
        (self.a, self.r, self.p) = ([a1, a2], [r, self.r[0]], [p, self.p[0]]);
    }

    /// The zero predictor by full fraction products.
    #[inline(always)]
    fn zeros_long(&self, l: L, past: &mut Past, at: usize) -> L::I16 {
        let (ds, _) = l.rows(past.d.flat());
        let mut sz = l.splat(0);
        for i in (0..ZEROS).rev() {
            let d = l.load(&ds[at + ZEROS - i]);
            sz = l.add_sat(sz, l.mul15(l.add(d, d), self.b[i]));
        }
        sz
    }

    #[inline(always)]
    fn enter(l: L, block: &Block<L>, rows: &Rows, first: usize, past: &mut Past) -> Self {
        let load = |row| block.load(l, rows, first + row);
        let mut overload = 0;
        for i in 0..ZEROS {
            let d = load(row::D + ZEROS - 1 - i);
            l.store(d, &mut l.rows_mut(past.d.flat()).0[i]);
            l.store(l.shl::<2>(d), &mut l.rows_mut(past.d4.flat()).0[i]);
            l.store(l.shr::<15>(d), &mut l.rows_mut(past.sign.flat()).0[i]);
            if l.any(l.add(d, l.splat(8192)), !16383) {
                overload = ZEROS;
            }
        }
        Self {
            s: load(row::S),
            sz: load(row::SZ),
            nb: load(row::NB),
            det: load(row::DET),
            a: std::array::from_fn(|i| load(row::A + i)),
            b: std::array::from_fn(|i| load(row::B + i)),
            r: std::array::from_fn(|i| load(row::R + i)),
            p: std::array::from_fn(|i| load(row::P + i)),
            overload,
        }
    }

    #[inline(always)]
    fn leave(&self, l: L, block: &Block<L>, rows: &mut Rows, first: usize, past: &mut Past, count: usize) {
        let mut store = |row, value| block.store(l, rows, first + row, value);
        store(row::S, self.s);
        store(row::SZ, self.sz);
        store(row::NB, self.nb);
        store(row::DET, self.det);
        for i in 0..2 {
            store(row::A + i, self.a[i]);
            store(row::R + i, self.r[i]);
            store(row::P + i, self.p[i]);
        }
        let (ds, _) = l.rows(past.d.flat());
        for i in 0..ZEROS {
            store(row::B + i, self.b[i]);
            store(row::D + i, l.load(&ds[count + ZEROS - 1 - i]));
        }
    }
}

#[cfg(test)]
impl<L: Lanes> Band<L> {
    /// A band at rest, with a step size of 0.
    pub(in crate::g722) fn at_rest(l: L) -> Self {
        let zero = l.splat(0);
        Self { s: zero, sz: zero, nb: zero, det: zero, a: [zero; 2], b: [zero; ZEROS], r: [zero; 2], p: [zero; 2], overload: 0 }
    }

    /// The same log scale factor and the step size for it in all lanes, by the rule of the higher band.
    pub(in crate::g722) fn set_scale(&mut self, l: L, nb: i16) {
        self.nb = l.splat(0);
        self.adapt::<12>(l, l.splat(nb), NBH_MAX);
    }

    pub(in crate::g722) const fn det(&self) -> L::I16 {
        self.det
    }
}

/// For each 4-bit magnitude the up to three levels inside of its interval, in ascending order.
const fn fine_levels() -> [[i16; 8]; 3] {
    let mut tables = [[0; 8]; 3];
    let mut coarse = 0;
    while coarse < 8 {
        let mut i = 0;
        while i < 3 {
            if 4 * coarse + i > 0 {
                tables[i][coarse] = Q6[4 * coarse + i - 1];
            }
            i += 1;
        }
        coarse += 1;
    }
    tables
}

const fn times4(values: [i16; 32]) -> [i16; 32] {
    let mut scaled = values;
    let mut i = 0;
    while i < 32 {
        scaled[i] *= 4;
        i += 1;
    }
    scaled
}

const fn twice(values: [i16; 4]) -> [i16; 8] {
    [2 * values[0], 2 * values[1], 2 * values[2], 2 * values[3], 0, 0, 0, 0]
}
