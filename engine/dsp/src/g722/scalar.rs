//! G.722 one channel and one sample at a time: the reference for the lanes, block by block as the recommendation names them.
//! Shape:  an octet per two samples, higher band in bits 7 and 6, lower band in bits 5 to 0.
//! Units:  16-bit saturating arithmetic throughout; a fraction product is `(a * b) >> 15`, rounded down.
//! Errors: none; every octet decodes.
//! Source: ITU-T G.722 §3 to §6; where the text leaves the arithmetic open (limits after the QMF, saturation after each term of the
//!         zero predictor) as ITU-T G.191.

use super::Mode;
use super::column::{BANK, Column, HIGH, LOW, TAPS, row};
use super::tables::{ANTILOG, LEVEL2, LEVEL4, LEVEL48, LEVEL56, LEVEL64, NBH_MAX, NBL_MAX, Q2, Q6, QMF, STEP2, STEP4};

/// Two samples per octet.
pub(super) fn encode(column: &mut Column, samples: &[i16], octets: &mut [u8]) {
    let (mut low, mut high) = (Band::read(column, LOW), Band::read(column, HIGH));
    let mut bank = Bank::read(column);
    for (pair, octet) in samples.as_chunks::<2>().0.iter().zip(octets) {
        let (even, odd) = bank.push(pair[0], pair[1]);
        let limit = |sum: i32| (sum >> 14).clamp(-16384, 16383) as i16; // the coder's LIMIT: G.191 has it, many libraries do not
        let il = low.quantise_low(limit(even + odd));
        let ih = high.quantise_high(limit(odd - even));
        low.adapt_low(il);
        high.adapt_high(ih);
        *octet = (ih << 6) | il;
    }
    low.write(column, LOW);
    high.write(column, HIGH);
    bank.write(column);
}

/// Two samples per octet.
pub(super) fn decode(column: &mut Column, mode: Mode, octets: &[u8], samples: &mut [i16]) {
    let (mut low, mut high) = (Band::read(column, LOW), Band::read(column, HIGH));
    let mut bank = Bank::read(column);
    let levels = match mode {
        Mode::Kbit64 => &LEVEL64,
        Mode::Kbit56 => &LEVEL56,
        Mode::Kbit48 => &LEVEL48,
    };
    for (octet, pair) in octets.iter().zip(samples.as_chunks_mut::<2>().0) {
        let (ih, il) = (octet >> 6, octet & 63);
        let yl = low.output(levels[usize::from(il)]);
        let yh = high.output(LEVEL2[usize::from(ih)]);
        low.adapt_low(il);
        high.adapt_high(ih);
        let (even, odd) = bank.push(yl + yh, yl - yh);
        let saturate = |sum: i32| (sum >> 11).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        // The synthesis filter is the analysis filter with its phases exchanged in time.
        *pair = [saturate(odd), saturate(even)];
    }
    low.write(column, LOW);
    high.write(column, HIGH);
    bank.write(column);
}

/// The 24-tap quadrature mirror filter, as two phases of twelve taps.
struct Bank {
    even: [i16; TAPS],
    odd: [i16; TAPS],
}

impl Bank {
    /// Takes a pair of samples; returns the sums of both phases.
    fn push(&mut self, even: i16, odd: i16) -> (i32, i32) {
        let sum = |past: &[i16; TAPS], newest: i16, taps: &mut dyn Iterator<Item = &i16>| -> i32 {
            past.iter().chain([&newest]).zip(taps).map(|(x, tap)| i32::from(*x) * i32::from(*tap)).sum()
        };
        let sums = (sum(&self.even, even, &mut QMF.iter()), sum(&self.odd, odd, &mut QMF.iter().rev()));
        self.even.copy_within(1.., 0);
        self.even[TAPS - 1] = even;
        self.odd.copy_within(1.., 0);
        self.odd[TAPS - 1] = odd;
        sums
    }

    fn read(column: &Column) -> Self {
        let (even, odd) = column.0[BANK..].split_at(TAPS);
        Self { even: std::array::from_fn(|i| even[i]), odd: std::array::from_fn(|i| odd[i]) }
    }

    fn write(&self, column: &mut Column) {
        column.0[BANK..][..TAPS].copy_from_slice(&self.even);
        column.0[BANK + TAPS..][..TAPS].copy_from_slice(&self.odd);
    }
}

/// ADPCM coder of one band.
pub(super) struct Band {
    s: i16,
    sz: i16,
    nb: i16,
    det: i16,
    a: [i16; 2],
    b: [i16; 6],
    d: [i16; 6],
    r: [i16; 2],
    p: [i16; 2],
}

impl Band {
    /// QUANTL: the magnitude's interval among 30, then the code with its sign.
    fn quantise_low(&self, xl: i16) -> u8 {
        let el = xl.saturating_sub(self.s);
        let magnitude = if el < 0 { !el } else { el };
        let interval = 1 + Q6[1..].iter().filter(|level| magnitude >= mul15(**level, self.det)).count() as u8;
        match (el < 0, interval) {
            (false, _) => 62 - interval,
            (true, 1 | 2) => 64 - interval,
            (true, _) => 34 - interval,
        }
    }

    /// QUANTH: two magnitudes and a sign.
    fn quantise_high(&self, xh: i16) -> u8 {
        let eh = xh.saturating_sub(self.s);
        let magnitude = if eh < 0 { !eh } else { eh };
        let small = u8::from(magnitude < mul15(Q2, self.det));
        if eh < 0 { small } else { 2 + small }
    }

    /// INVQBL or INVQAH, RECONS and LIMIT: what the listener gets.
    fn output(&self, level: i16) -> i16 {
        self.s.saturating_add(mul15(self.det, level)).clamp(-16384, 16383)
    }

    /// INVQAL, LOGSCL, SCALEL, and the predictor.
    fn adapt_low(&mut self, il: u8) {
        let code = usize::from(il >> 2);
        let d = mul15(self.det, LEVEL4[code]);
        self.nb = (mul15(self.nb, 32512) + STEP4[code]).clamp(0, NBL_MAX);
        self.det = antilog(self.nb, 8);
        self.predict(d);
    }

    /// INVQAH, LOGSCH, SCALEH, and the predictor.
    fn adapt_high(&mut self, ih: u8) {
        let code = usize::from(ih);
        let d = mul15(self.det, LEVEL2[code]);
        self.nb = (mul15(self.nb, 32512) + STEP2[code]).clamp(0, NBH_MAX);
        self.det = antilog(self.nb, 10);
        self.predict(d);
    }

    /// PARREC, RECONS, UPZERO, UPPOL2, UPPOL1, FILTEZ, FILTEP, PREDIC.
    fn predict(&mut self, d: i16) {
        let p = d.saturating_add(self.sz) >> 15;
        let r = self.s.saturating_add(d);

        let step = if d == 0 { 0 } else { 128 };
        for (b, before) in self.b.iter_mut().zip(self.d) {
            *b = mul15(*b, 32640) + if d >> 15 == before >> 15 { step } else { -step };
        }
        self.d.copy_within(..5, 1);
        self.d[0] = d;

        let four = self.a[0].saturating_add(self.a[0]);
        let four = four.saturating_add(four);
        let first = if p == self.p[0] { 0_i16.saturating_sub(four) } else { four } >> 7;
        let second = if p == self.p[1] { 128 } else { -128 };
        let a2 = (first + second + mul15(self.a[1], 32512)).clamp(-12288, 12288);
        let step = if p == self.p[0] { 192 } else { -192 };
        let limit = 15360 - a2;
        let a1 = (step + mul15(self.a[0], 32640)).clamp(-limit, limit);
        (self.a, self.p) = ([a1, a2], [p, self.p[0]]);

        self.sz = 0;
        for (b, d) in self.b.iter().zip(self.d).rev() {
            self.sz = self.sz.saturating_add(mul15(d.saturating_add(d), *b));
        }
        self.r = [r, self.r[0]];
        let pole = |a: i16, r: i16| mul15(a, r.saturating_add(r));
        let sp = pole(a1, self.r[0]).saturating_add(pole(a2, self.r[1]));
        self.s = sp.saturating_add(self.sz);
    }

    fn read(column: &Column, at: usize) -> Self {
        let word = |row: usize| column.0[at + row];
        Self {
            s: word(row::S),
            sz: word(row::SZ),
            nb: word(row::NB),
            det: word(row::DET),
            a: std::array::from_fn(|i| word(row::A + i)),
            b: std::array::from_fn(|i| word(row::B + i)),
            d: std::array::from_fn(|i| word(row::D + i)),
            r: std::array::from_fn(|i| word(row::R + i)),
            p: std::array::from_fn(|i| word(row::P + i)),
        }
    }

    fn write(&self, column: &mut Column, at: usize) {
        let words = &mut column.0[at..];
        (words[row::S], words[row::SZ], words[row::NB], words[row::DET]) = (self.s, self.sz, self.nb, self.det);
        words[row::A..][..2].copy_from_slice(&self.a);
        words[row::B..][..6].copy_from_slice(&self.b);
        words[row::D..][..6].copy_from_slice(&self.d);
        words[row::R..][..2].copy_from_slice(&self.r);
        words[row::P..][..2].copy_from_slice(&self.p);
    }
}

#[cfg(test)]
impl Band {
    /// A band at rest but for its step size.
    pub(super) fn with_step(det: i16) -> Self {
        Self { det, ..Self::read(&Column([0; super::column::WORDS]), LOW) }
    }

    /// Code, quantised difference and step of the log scale factor of the lower band.
    pub(super) fn low(&self, x: i16) -> (u8, i16, i16) {
        let code = self.quantise_low(x);
        (code, mul15(self.det, LEVEL4[usize::from(code >> 2)]), STEP4[usize::from(code >> 2)])
    }

    /// The same of the higher band.
    pub(super) fn high(&self, x: i16) -> (u8, i16, i16) {
        let code = self.quantise_high(x);
        (code, mul15(self.det, LEVEL2[usize::from(code)]), STEP2[usize::from(code)])
    }
}

/// Step size from the log scale factor: 2 to the power of `nb / 2048`, times four, by the 32 steps of an octave.
pub(super) fn antilog(nb: i16, octaves: u32) -> i16 {
    let mantissa = i32::from(ANTILOG[(nb >> 6 & 31) as usize]);
    (((2 * mantissa) >> (octaves + 1 - (nb >> 11) as u32)) << 2) as i16
}

/// Fraction product, rounded down. No caller multiplies -32768 by itself: one factor is a step size, a constant or at most 27 648.
fn mul15(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 15) as i16
}
