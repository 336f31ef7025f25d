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
/// How much stronger the tone is than the others of its group: 8 dB.
const DISTINCT: f32 = 6.310;

impl Spectrum {
    fn new(sums: &[i32; 16], all: u64) -> Self {
        const TO_ENERGY: f32 = (2.0 / (BLOCK as f64 * SCALE * SCALE)) as f32;
        let energy = |i: usize| {
            let (sine, cosine) = (sums[2 * i] as f32, sums[2 * i + 1] as f32);
            (sine * sine + cosine * cosine) * TO_ENERGY
        };
        Self { low: std::array::from_fn(energy), high: std::array::from_fn(|i| energy(4 + i)), all: all as f32 }
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

/// The spectrum by rows, generic over the lane type.
#[inline(always)]
pub(super) fn spectrum<L: Lanes>(l: L, block: &Block) -> Spectrum {
    let used = BLOCK.next_multiple_of(L::LANES);
    let energy = meter::lanes::squares(l, &block.0[..used]);
    if energy < QUIET {
        return Spectrum::new(&[0; 16], energy);
    }
    let (waves, _) = WAVES.0.as_chunks::<8>();
    let (low, high) = (sums(l, block, &waves[0]), sums(l, block, &waves[1]));
    let mut all = [0; 16];
    all[..8].copy_from_slice(&low);
    all[8..].copy_from_slice(&high);
    Spectrum::new(&all, energy)
}

/// Sums of products with eight waves.
#[inline(always)]
fn sums<L: Lanes>(l: L, block: &Block, waves: &[[i16; ROOM]; 8]) -> [i32; 8] {
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
pub(super) fn scalar(block: &Block) -> Spectrum {
    let all = block.0.iter().map(|x| meter::lanes::square(*x)).sum();
    if all < QUIET {
        return Spectrum::new(&[0; 16], all);
    }
    let sum = |wave: &[i16; ROOM]| block.0.iter().zip(wave).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum();
    let sums = std::array::from_fn(|i| sum(&WAVES.0[i]));
    Spectrum::new(&sums, all)
}

/// Sine and cosine of each frequency, zero behind the block.
static WAVES: Waves = Waves(waves());

#[repr(C, align(64))]
struct Waves([[i16; ROOM]; 16]);

const fn waves() -> [[i16; ROOM]; 16] {
    let mut waves = [[0; ROOM]; 16];
    let mut i = 0;
    while i < 8 {
        let hz = if i < 4 { LOW_HZ[i] } else { HIGH_HZ[i - 4] } as i32;
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
