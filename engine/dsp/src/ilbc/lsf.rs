//! Line spectral frequencies: from a predictor, checked, interpolated, and back to a predictor.
//! Shape:  ten frequencies in rising order.
//! Units:  radians per sample; inside of the search, turns per sample.
//! Speed:  the coarse search looks at 80 points at once, in lanes; the cosines of its grid are a table.
//! Errors: none. A set that is out of order is pushed into order.
//! Source: RFC 3951 §3.2.3 to §3.2.7, appendix A.36 (search steps) and A.28 (check).

use std::f32::consts::TAU;

use super::filter::{LANES, ORDER, Predictor};
use crate::lanes::Floats;

/// A set of frequencies.
pub(super) type Lsf = [f32; ORDER];

const HALF: usize = ORDER / 2;
/// Steps of the search in turns: coarse, and after it is halved three times.
const STEP: f32 = 0.00635;
const FINEST: f32 = 0.000_793_75;
/// Fine steps in a coarse one.
const FINE: usize = 8;
/// What each fine step back adds to a quarter turn less the frequency.
static BACK: [f32; LANES] = {
    let mut back = [0.0; LANES];
    let mut i = 0;
    while i < LANES {
        back[i] = i as f32 * FINEST;
        i += 1;
    }
    back
};
/// Points of the coarse grid up to half a turn, and up to a whole number of vectors.
const GRID: usize = 80;

/// Frequencies of the coarse grid, each the sum of the one before and a step.
const OMEGAS: [f32; GRID] = {
    let mut omegas = [0.0; GRID];
    let mut i = 1;
    while i < GRID {
        omegas[i] = omegas[i - 1] + STEP;
        i += 1;
    }
    omegas
};
static COSINES: [f32; GRID] = {
    let mut cosines = [0.0; GRID];
    let mut i = 0;
    while i < GRID {
        cosines[i] = cosine(OMEGAS[i]);
        i += 1;
    }
    cosines
};

/// The sine's series by odd powers of turns.
const SINE: [f32; 7] = [6.283_185_5, -41.341_7, 81.605_25, -76.705_86, 42.058_693, -15.094_643, 3.819_952_6];

/// Cosine of 0 to half a turn and a little on both sides: the sine's series from a quarter turn.
const fn cosine(turns: f32) -> f32 {
    let x = 0.25 - turns;
    let y = x * x;
    let s = &SINE;
    x * (s[0] + y * (s[1] + y * (s[2] + y * (s[3] + y * (s[4] + y * (s[5] + y * s[6]))))))
}

/// The same in lanes, of a quarter turn less each angle.
#[inline(always)]
fn cosine_lanes<F: Floats>(f: F, x: F::V) -> F::V {
    let y = f.mul(x, x);
    let mut sine = f.splat(SINE[SINE.len() - 1]);
    for c in SINE.iter().rev().skip(1) {
        sine = f.mul_add(y, sine, f.splat(*c));
    }
    f.mul(x, sine)
}

/// The polynomial of one half of the frequencies, by its coefficients, at a cosine.
#[inline(always)]
fn half_polynomial<F: Floats>(f: F, c: &[f32; HALF], cosine: F::V) -> F::V {
    let (two, one) = (f.add(cosine, cosine), f.splat(1.0));
    let b1 = f.add(two, f.splat(c[0]));
    let b2 = f.add(f.sub(f.mul(two, b1), one), f.splat(c[1]));
    let b3 = f.add(f.sub(f.mul(two, b2), b1), f.splat(c[2]));
    let b4 = f.add(f.sub(f.mul(two, b3), b2), f.splat(c[3]));
    f.add(f.sub(f.mul(cosine, b4), b3), f.splat(c[4]))
}

/// The frequencies of a predictor.
#[inline(always)]
pub(super) fn from_predictor<F: Floats>(f: F, a: &Predictor) -> Lsf {
    let (mut p, mut q) = ([0.0; HALF], [0.0; HALF]);
    let (mut p_last, mut q_last) = (1.0, 1.0);
    for i in 0..HALF {
        // Sums and differences of mirrored coefficients, divided by 1 + 1/z and 1 - 1/z.
        p[i] = -p_last + a[i + 1] + a[ORDER - i];
        q[i] = q_last + a[i + 1] - a[ORDER - i];
        (p_last, q_last) = (p[i], q[i]);
    }
    p[HALF - 1] /= 2.0;
    q[HALF - 1] /= 2.0;
    let (mut at_p, mut at_q) = ([0.0; GRID], [0.0; GRID]);
    for i in (0..GRID).step_by(F::WIDTH) {
        let cosine = f.load(&COSINES[i..]);
        f.store(half_polynomial(f, &p, cosine), &mut at_p[i..]);
        f.store(half_polynomial(f, &q, cosine), &mut at_q[i..]);
    }
    search(f, &p, &q, &at_p, &at_q)
}

/// Zeros of the two polynomials in turn, each from where the one before was found.
#[inline(always)]
fn search<F: Floats>(f: F, p: &[f32; HALF], q: &[f32; HALF], at_p: &[f32; GRID], at_q: &[f32; GRID]) -> Lsf {
    const BEYOND: f32 = 1e37;
    let mut before = [BEYOND, BEYOND];
    let mut frequencies = [0.0; ORDER];
    let mut point = 0;
    for (index, frequency) in frequencies.iter_mut().enumerate() {
        let (c, grid) = if index % 2 == 0 { (p, at_p) } else { (q, at_q) };
        let old = &mut before[index % 2];
        while point < GRID - 1 && OMEGAS[point] < 0.5 && grid[point] * *old > 0.0 {
            *old = grid[point];
            point += 1;
        }
        // The sign changes in the step before this point: halved three times.
        let (omega, fine) = (OMEGAS[point], fine(f, c, OMEGAS[point]));
        let (mut back, mut value) = (0, grid[point]);
        for half in [FINE / 2, FINE / 4, FINE / 8] {
            if fine[back + half] * *old > 0.0 {
                *old = fine[back + half];
            } else {
                back += half;
                value = fine[back];
            }
        }
        let back = if value.abs() >= old.abs() { back + 1 } else { back };
        *frequency = TAU * (omega - back as f32 * FINEST);
        *old = if *old >= 0.0 { -BEYOND } else { BEYOND };
    }
    frequencies
}

/// The polynomial of one half of the frequencies at each fine step back from a point.
#[inline(always)]
fn fine<F: Floats>(f: F, c: &[f32; HALF], omega: f32) -> [f32; LANES] {
    let mut values = [0.0; LANES];
    for at in (0..FINE).step_by(F::WIDTH) {
        let x = f.add(f.splat(0.25 - omega), f.load(&BACK[at..]));
        f.store(half_polynomial(f, c, cosine_lanes(f, x)), &mut values[at..]);
    }
    values
}

/// Halves of the polynomials of all sub-frames, and up to a whole number of vectors of every level.
const HALVES: usize = 16;

/// The predictors of sets of frequencies, at most eight. Both halves of all sets side by side.
#[inline(always)]
pub(super) fn to_predictors<F: Floats>(f: F, sets: &[Lsf], predictors: &mut [Predictor]) {
    // -2 cos(w) of the frequencies of each half, one half per lane.
    let mut turns = [[0.0; HALVES]; HALF];
    for (n, set) in sets.iter().enumerate().take(HALVES / 2) {
        let set = in_range(set);
        for (i, row) in turns.iter_mut().enumerate() {
            (row[2 * n], row[2 * n + 1]) = (set[2 * i], set[2 * i + 1]);
        }
    }
    let mut products = [[0.0; HALVES]; HALF + 1];
    for at in (0..2 * sets.len().min(HALVES / 2)).step_by(F::WIDTH) {
        half_products(f, &turns, &mut products, at);
    }
    for (n, a) in predictors.iter_mut().enumerate().take(sets.len().min(HALVES / 2)) {
        a[0] = 1.0;
        for j in 1..=HALF {
            let (p, q) = (2 * n, 2 * n + 1);
            let (sum, difference) = (products[j][p] + products[j - 1][p], products[j][q] - products[j - 1][q]);
            a[j] = 0.5 * (sum + difference);
            a[ORDER + 1 - j] = 0.5 * (sum - difference);
        }
    }
}

/// A set in turns per sample; one that leaves the range is spread evenly.
fn in_range(lsf: &Lsf) -> Lsf {
    let mut turns = lsf.map(|frequency| frequency / TAU);
    if turns[0] <= 0.0 || turns[ORDER - 1] >= 0.5 {
        let first = if turns[0] <= 0.0 { 0.022 } else { turns[0] };
        let last = if turns[ORDER - 1] >= 0.5 { 0.499 } else { turns[ORDER - 1] };
        let step = (last - first) / (ORDER - 1) as f32;
        turns[0] = first;
        for i in 1..ORDER {
            turns[i] = turns[i - 1] + step;
        }
    }
    turns
}

/// The products of the factors 1 - 2 cos(w) / z + 1 / z^2 of each lane from `at` on. They are symmetric: the first half of each is kept.
#[inline(always)]
fn half_products<F: Floats>(f: F, turns: &[[f32; HALVES]; HALF], products: &mut [[f32; HALVES]; HALF + 1], at: usize) {
    assert!(at + F::WIDTH <= HALVES);
    let (zero, half, quarter, minus_two) = (f.splat(0.0), f.splat(0.5), f.splat(0.25), f.splat(-2.0));
    let mut product = [zero; HALF + 1];
    product[0] = f.splat(1.0);
    for i in 0..HALF {
        let turns = f.load(&turns[i][at..]);
        let turns = f.if_greater(turns, zero, turns, zero);
        let turns = f.if_greater(turns, half, half, turns);
        let x = f.sub(quarter, turns);
        let minus_two_cosines = f.mul(minus_two, cosine_lanes(f, x));
        // Degree 2i becomes 2i + 2; only the first half of it is kept, and its middle is mirrored.
        for j in (0..=(i + 1).min(HALF)).rev() {
            let one = if j == 0 { zero } else { product[j - 1] };
            let two = if j < 2 { zero } else { product[j - 2] };
            let own = if j <= i { product[j] } else { two };
            product[j] = f.add(f.mul_add(minus_two_cosines, one, own), two);
        }
    }
    for (value, row) in product.into_iter().zip(products) {
        f.store(value, &mut row[at..]);
    }
}

/// Pushes frequencies apart that are closer than 50 Hz, twice over; keeps them between 13 and 3998 Hz.
pub(super) fn check(lsf: &mut Lsf) {
    const APART: f32 = 0.039;
    const HALF_APART: f32 = 0.0195;
    /// 3998 Hz.
    const HIGHEST: f32 = 314.0 / 100.0;
    for k in (0..ORDER - 1).chain(0..ORDER - 1) {
        if lsf[k + 1] - lsf[k] < APART {
            if lsf[k + 1] < lsf[k] {
                lsf[k + 1] = lsf[k] + HALF_APART;
                lsf[k] = lsf[k + 1] - HALF_APART;
            } else {
                lsf[k] -= HALF_APART;
                lsf[k + 1] += HALF_APART;
            }
        }
        lsf[k] = lsf[k].clamp(0.01, HIGHEST);
    }
}

/// `weight` of the first and the rest of the second.
pub(super) fn between(first: &Lsf, second: &Lsf, weight: f32) -> Lsf {
    let rest = 1.0 - weight;
    std::array::from_fn(|i| weight * first[i] + rest * second[i])
}
