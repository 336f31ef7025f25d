//! Line spectral frequencies: from a predictor, checked, interpolated, and back to a predictor.
//! Shape:  ten frequencies in rising order.
//! Units:  radians per sample; inside of the search, turns per sample.
//! Speed:  the coarse search looks at 80 points at once, in lanes; the cosines of its grid are a table.
//! Errors: none. A set that is out of order is pushed into order.
//! Source: RFC 3951 §3.2.3 to §3.2.7, appendix A.36 (search steps) and A.28 (check).

use std::f32::consts::TAU;

use super::filter::{ORDER, Predictor};
use crate::lanes::Floats;

/// A set of frequencies.
pub(super) type Lsf = [f32; ORDER];

const HALF: usize = ORDER / 2;
/// Steps of the search in turns: coarse, then ever finer.
const STEPS: [f32; 4] = [0.00635, 0.003175, 0.001_587_5, 0.000_793_75];
/// Points of the coarse grid up to half a turn, and up to a whole number of vectors.
const GRID: usize = 80;

/// Frequencies of the coarse grid, each the sum of the one before and a step.
const OMEGAS: [f32; GRID] = {
    let mut omegas = [0.0; GRID];
    let mut i = 1;
    while i < GRID {
        omegas[i] = omegas[i - 1] + STEPS[0];
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

/// Cosine of 0 to half a turn and a little on both sides: the sine's series from a quarter turn.
const fn cosine(turns: f32) -> f32 {
    let x = 0.25 - turns;
    let y = x * x;
    x * (6.283_185_5 + y * (-41.341_7 + y * (81.605_25 + y * (-76.705_86 + y * (42.058_693 + y * (-15.094_643 + y * 3.819_952_6))))))
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
    search(&p, &q, &at_p, &at_q)
}

/// Zeros of the two polynomials in turn, each from where the one before was found.
fn search(p: &[f32; HALF], q: &[f32; HALF], at_p: &[f32; GRID], at_q: &[f32; GRID]) -> Lsf {
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
        // The sign changes before this point: three finer steps back and forth.
        let mut omega = OMEGAS[point];
        for (fineness, step) in STEPS.iter().enumerate().skip(1) {
            omega -= step;
            let mut value = half_polynomial(crate::lanes::One, c, cosine(omega));
            while value * *old > 0.0 && omega < 0.5 {
                *old = value;
                omega += step;
                value = half_polynomial(crate::lanes::One, c, cosine(omega));
            }
            if fineness == STEPS.len() - 1 {
                *frequency = TAU * if value.abs() >= old.abs() { omega - step } else { omega };
            }
        }
        *old = if *old >= 0.0 { -BEYOND } else { BEYOND };
    }
    frequencies
}

/// The predictor of a set of frequencies.
pub(super) fn to_predictor(lsf: &Lsf) -> Predictor {
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
    // Both halves as products of their factors 1 - 2 cos(w) / z + 1 / z^2; they are symmetric.
    let half = |first: usize| {
        let mut product = [0.0; HALF + 1];
        product[0] = 1.0;
        for i in 0..HALF {
            let minus_two_cosines = -2.0 * cosine(turns[2 * i + first].clamp(0.0, 0.5));
            // Degree 2i becomes 2i + 2; only the first half of it is kept, and its middle is mirrored.
            for j in (0..=(i + 1).min(HALF)).rev() {
                let one = if j == 0 { 0.0 } else { product[j - 1] };
                let two = match j {
                    0 | 1 => 0.0,
                    _ => product[j - 2],
                };
                let own = if j <= i { product[j] } else { two };
                product[j] = own + minus_two_cosines * one + two;
            }
        }
        product
    };
    let (p, q) = (half(0), half(1));
    let mut a = [1.0; ORDER + 1];
    for j in 1..=HALF {
        let (sum, difference) = (p[j] + p[j - 1], q[j] - q[j - 1]);
        a[j] = 0.5 * (sum + difference);
        a[ORDER + 1 - j] = 0.5 * (sum - difference);
    }
    a
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
