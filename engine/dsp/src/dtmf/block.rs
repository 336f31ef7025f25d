//! One block: its spectrum at the eight frequencies, and whether that is a digit.
//! Shape:  102 samples, zeros behind them up to a whole number of rows of every level.
//! Units:  sines and cosines in 2^-9, so that no sum leaves 32 bits: 102 x 32 768 x 512 < 2^31. Energies in squares of a sample.
//! Errors: none.
//! Source: ITU-T Q.24 for the limits; they are those of most detectors in the field.

use super::{BLOCK, Digit, HIGH_HZ, LOW_HZ};
use crate::lanes::Lanes;
use crate::meter;

/// A block with room for the widest row.
const ROOM: usize = 128;
/// One, in sines and cosines.
const SCALE: f64 = 512.0;

/// Samples of a block.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct Block([i16; ROOM]);

impl Block {
    pub(super) const SILENCE: Self = Self([0; ROOM]);

    /// Writes samples from `at`, if the block has room for them.
    pub(super) fn put(&mut self, at: usize, samples: &[i16]) {
        if let Some(to) = self.0[..BLOCK].get_mut(at..at + samples.len()) {
            to.copy_from_slice(samples);
        }
    }
}

/// A block seen at the eight frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spectrum {
    /// Energy at each frequency of the low group: what a sine there of the same amplitude would have over the block.
    low: [f32; 4],
    /// The same of the high group.
    high: [f32; 4],
    /// Energy of everything.
    all: f32,
}

/// Energy over a block of a sine of -42 dBm0: peak 22 749 at 0 dBm0, 180.7 at -42.
const LEAST: f32 = BLOCK as f32 * 180.7 * 180.7 / 2.0;
/// A block with less energy has no tone that counts, so nobody need look for it: what a frequency takes is at most what there is, and a tenth more
/// where sine and cosine are not quite at right angles over the block.
const QUIET: u64 = (LEAST / 1.2) as u64;
/// Part of the energy that the two tones have: -0.85 dB.
const PURITY: f32 = 0.822;
/// The same for a digit that is held already: a drop-out of 8 ms leaves 0.37 of a block.
const PURITY_HELD: f32 = 0.3;
/// How much stronger the high tone may be: 4 dB.
const TWIST_HIGH: f32 = 2.512;
/// How much stronger the low tone may be: 8 dB.
const TWIST_LOW: f32 = 6.310;
/// Part of the energy that the high tone has at least, by `PURITY` and `TWIST_LOW`, less what rounding may take.
const HIGH_PART: f32 = 0.99 * PURITY / (1.0 + TWIST_LOW);
/// How much stronger the tone is than the others of its group: 8 dB.
const DISTINCT: f32 = 6.310;

impl Spectrum {
    /// Only what can matter is measured. A quiet block has no tone that counts. Of one whose high tones are too weak beside all else for a
    /// digit, which is most of speech, the low ones need not be known, unless a digit is `held`, which needs less to go on.
    #[inline(always)]
    fn new(all: u64, held: bool, mut group: impl FnMut(&Group) -> [i32; 8]) -> Self {
        let mut spectrum = Self { low: [0.0; 4], high: [0.0; 4], all: all as f32 };
        if all >= QUIET {
            spectrum.high = energies(&group(&WAVES.high));
            if held || spectrum.high.iter().any(|high| *high >= spectrum.all * HIGH_PART) {
                spectrum.low = energies(&group(&WAVES.low));
            }
        }
        spectrum
    }

    /// The digit that this block is, while `pressed` is held: a block that is mostly that digit is no sign of its end.
    pub(super) fn digit(&self, pressed: Option<Digit>) -> Option<Digit> {
        self.pure_digit().or_else(|| pressed.filter(|digit| self.goes_on(*digit)))
    }

    fn pure_digit(&self) -> Option<Digit> {
        let (row, low) = strongest(&self.low)?;
        let (column, high) = strongest(&self.high)?;
        let loud = low >= LEAST && high >= LEAST;
        let level = high <= low * TWIST_HIGH && low <= high * TWIST_LOW;
        let pure = low + high >= self.all * PURITY;
        if loud && level && pure { Digit::at(row, column) } else { None }
    }

    fn goes_on(&self, digit: Digit) -> bool {
        let (row, column) = digit.place();
        let (low, high) = (self.low[row & 3], self.high[column & 3]);
        low >= LEAST && high >= LEAST && low + high >= self.all * PURITY_HELD
    }
}

/// The strongest of a group, if it is well above the rest.
fn strongest(group: &[f32; 4]) -> Option<(usize, f32)> {
    let mut place = 0;
    for (i, energy) in group.iter().enumerate() {
        place = if *energy >= group[place & 3] { i } else { place };
    }
    let most = group[place & 3];
    let rivals = group.iter().filter(|energy| **energy * DISTINCT > most).count();
    (rivals == 1).then_some((place, most))
}

/// Energies of the tones of a group, from sums of products with its waves.
#[inline(always)]
fn energies(sums: &[i32; 8]) -> [f32; 4] {
    const TO_ENERGY: f32 = (2.0 / (BLOCK as f64 * SCALE * SCALE)) as f32;
    let mut energies = [0.0; 4];
    for (energy, [sine, cosine]) in energies.iter_mut().zip(sums.as_chunks().0) {
        let (sine, cosine) = (*sine as f32, *cosine as f32);
        *energy = (sine * sine + cosine * cosine) * TO_ENERGY;
    }
    energies
}

/// The spectrum by rows, generic over the lane type. `held`: a digit is pressed.
#[inline(always)]
pub(super) fn spectrum<L: Lanes>(l: L, block: &Block, held: bool) -> Spectrum {
    let used = BLOCK.next_multiple_of(L::LANES);
    let all = meter::lanes::squares(l, &block.0[..used]);
    Spectrum::new(
        all,
        held,
        #[inline(always)]
        |waves| sums(l, block, waves),
    )
}

/// Sums of products with eight waves.
#[inline(always)]
fn sums<L: Lanes>(l: L, block: &Block, waves: &Group) -> [i32; 8] {
    let mut sums = [l.splat_wide(0); 8];
    let (samples, _) = l.rows(&block.0);
    for (i, samples) in samples.iter().enumerate().take(BLOCK.div_ceil(L::LANES)) {
        let x = l.load_wide(samples);
        for (sum, wave) in sums.iter_mut().zip(waves) {
            *sum = l.dot(*sum, x, l.load_wide(&l.rows(wave).0[i]));
        }
    }
    l.sums(sums)
}

/// The spectrum one sample at a time.
pub(super) fn scalar(block: &Block, held: bool) -> Spectrum {
    let all = block.0.iter().map(|x| meter::lanes::square(*x)).sum();
    let sum = |wave: &[i16; ROOM]| block.0.iter().zip(wave).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum();
    Spectrum::new(all, held, |waves| waves.each_ref().map(sum))
}

/// Sine and cosine of each frequency of a group, zero behind the block.
type Group = [[i16; ROOM]; 8];

static WAVES: Waves = Waves { low: waves(LOW_HZ), high: waves(HIGH_HZ) };

#[repr(C, align(64))]
struct Waves {
    low: Group,
    high: Group,
}

const fn waves(group_hz: [u16; 4]) -> Group {
    let mut waves = [[0; ROOM]; 8];
    let mut i = 0;
    while i < 4 {
        let hz = group_hz[i] as i32;
        let mut n = 0;
        while n < BLOCK {
            // Phase in 8000ths of a turn; a quarter turn ahead for the cosine.
            let phase = hz * n as i32 % 8000;
            waves[2 * i][n] = wave(phase);
            waves[2 * i + 1][n] = wave((phase + 2000) % 8000);
            n += 1;
        }
        i += 1;
    }
    waves
}

/// Rounded sine of a phase in 8000ths of a turn, by its series around 0 after folding to a quarter turn.
const fn wave(phase: i32) -> i16 {
    let (sign, phase) = if phase >= 4000 { (-1.0, phase - 4000) } else { (1.0, phase) };
    let phase = if phase > 2000 { 4000 - phase } else { phase };
    let x = phase as f64 * std::f64::consts::TAU / 8000.0;
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while k < 8.0 {
        term *= -x * x / ((2.0 * k) * (2.0 * k + 1.0));
        sum += term;
        k += 1.0;
    }
    let scaled = sign * sum * SCALE;
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i16
}
