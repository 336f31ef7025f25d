//! Filters of iLBC: two high-passes and the short-term predictor as analysis and synthesis.
//! Shape:  a predictor is eleven coefficients, the first of them 1; a filter's memory is a small array, newest value first.
//! Speed:  `all_pole` makes as many samples at a time as a vector holds, from the answers of the filter to each sample before them. Other recursions
//!         sum the oldest products first, so that only one product waits for the sample before.
//! Errors: none.
//! Source: RFC 3951 §3.1, §3.2.7, §4.7, §4.8; appendices A.10, A.26, A.32, A.42.

use super::sums::correlate;
use crate::lanes::Floats;

/// Order of the predictor.
pub(super) const ORDER: usize = 10;
/// A predictor, from the coefficient 1 on.
pub(super) type Predictor = [f32; ORDER + 1];

/// High-pass of second order; its memory is two inputs and two outputs, newest first.
#[inline(always)]
pub(super) fn high_pass<F: Floats>(f: F, zeros: &[f32; 3], poles: &[f32; 3], memory: &mut [f32; 4], io: &mut [f32]) {
    let [mut x1, mut x2, mut y1, mut y2] = *memory;
    for io in io {
        let x = *io;
        let forward = f.fma(zeros[2], x2, f.fma(zeros[1], x1, zeros[0] * x));
        let y = f.fma(-poles[1], y1, f.fma(-poles[2], y2, forward));
        (x1, x2, y1, y2) = (x, x1, y, y1);
        *io = y;
    }
    *memory = [x1, x2, y1, y2];
}

/// What one sample before, or in, a run of `F::WIDTH` samples adds to the run when it goes through `1 / predictor`.
struct Answers {
    /// To an input, with zeros before it.
    input: [f32; 2 * LANES],
    /// To each output before the run, the newest first.
    past: [Row; ORDER],
}

impl Answers {
    #[inline(always)]
    fn of<F: Floats>(f: F, predictor: &Predictor) -> Self {
        let mut input = [0.0; 2 * LANES];
        input[LANES] = 1.0;
        for n in LANES + 1..LANES + F::WIDTH {
            let mut sum = 0.0;
            for (back, a) in predictor.iter().enumerate().skip(1).rev() {
                sum = f.fma(-a, input[n - back], sum);
            }
            input[n] = sum;
        }
        let mut past = [[0.0; LANES]; ORDER];
        for (back, row) in past.iter_mut().enumerate() {
            // Within the run, as many samples as the predictor reaches that far back.
            let mut sum = f.splat(0.0);
            for (at, a) in predictor[back + 1..].iter().enumerate().take(F::WIDTH) {
                sum = f.mul_add(f.splat(-a), f.load(&input[LANES - at..]), sum);
            }
            f.store(sum, row);
        }
        Self { input, past }
    }

    /// Turns the inputs of a run, which follow the outputs before, into outputs.
    #[inline(always)]
    fn run<F: Floats>(&self, f: F, line: &mut [f32]) {
        let (past, run) = line.split_at_mut(ORDER);
        let (mut inputs, mut even, mut odd) = (f.splat(0.0), f.splat(0.0), f.splat(0.0));
        for (at, x) in run.iter().enumerate().take(F::WIDTH) {
            inputs = f.mul_add(f.splat(*x), f.load(&self.input[LANES - at..]), inputs);
        }
        // The oldest first: the newest is what is waited for.
        for ((answers, y), n) in self.past.iter().rev().zip(past).zip(0..) {
            let sum = if n % 2 == 0 { &mut even } else { &mut odd };
            *sum = f.mul_add(f.splat(*y), f.load(answers), *sum);
        }
        f.store(f.add(inputs, f.add(even, odd)), run);
    }
}

/// `1 / predictor` in place. `line` begins with the `ORDER` outputs before, oldest first.
#[inline(always)]
pub(super) fn all_pole<F: Floats>(f: F, predictor: &Predictor, line: &mut [f32]) {
    let answers = Answers::of(f, predictor);
    let mut at = 0;
    while at + ORDER + F::WIDTH <= line.len() {
        answers.run(f, &mut line[at..at + ORDER + F::WIDTH]);
        at += F::WIDTH;
    }
    let end = &mut line[at..];
    if end.len() > ORDER {
        // A last run that is not full.
        let mut last = [0.0; ORDER + LANES];
        last[..end.len()].copy_from_slice(end);
        answers.run(f, &mut last[..ORDER + F::WIDTH]);
        end.copy_from_slice(&last[..end.len()]);
    }
}

/// Most lanes of a level, and so the channels that go through `all_pole_lanes` and `high_pass_lanes` together.
pub(super) const LANES: usize = 16;
/// One value of every channel.
pub(super) type Row = [f32; LANES];

/// The numbers of the lanes.
pub(super) static COUNT: Row = {
    let mut count = [0.0; LANES];
    let mut i = 0;
    while i < LANES {
        count[i] = i as f32;
        i += 1;
    }
    count
};

/// `all_pole` of one channel per lane, `F::WIDTH` of them from `lane` on. `rows` begins with the outputs before, oldest first; `negative` are the
/// predictors' coefficients but for the first, each times -1.
#[inline(always)]
pub(super) fn all_pole_lanes<F: Floats>(f: F, negative: &[Row; ORDER], rows: &mut [Row], lane: usize) {
    assert!(lane + F::WIDTH <= LANES);
    let c = negative;
    let [c1, c2, c3, c4, c5] =
        [f.load(&c[0][lane..]), f.load(&c[1][lane..]), f.load(&c[2][lane..]), f.load(&c[3][lane..]), f.load(&c[4][lane..])];
    let [c6, c7, c8, c9, c10] =
        [f.load(&c[5][lane..]), f.load(&c[6][lane..]), f.load(&c[7][lane..]), f.load(&c[8][lane..]), f.load(&c[9][lane..])];
    for n in ORDER..rows.len() {
        let Some(past) = rows[n - ORDER..].first_chunk_mut::<{ ORDER + 1 }>() else { return };
        let y = |back: usize| f.load(&past[ORDER - back][lane..]);
        let even = f.mul_add(c6, y(6), f.mul_add(c8, y(8), f.mul_add(c10, y(10), f.load(&past[ORDER][lane..]))));
        let odd = f.mul_add(c5, y(5), f.mul_add(c7, y(7), f.mul(c9, y(9))));
        let new = f.mul_add(c2, y(2), f.mul_add(c3, y(3), f.mul_add(c4, y(4), f.add(even, odd))));
        let out = f.mul_add(c1, y(1), new);
        f.store(out, &mut past[ORDER][lane..]);
    }
}

/// `high_pass` of one channel per lane, `F::WIDTH` of them from `lane` on.
#[inline(always)]
pub(super) fn high_pass_lanes<F: Floats>(f: F, zeros: &[f32; 3], poles: &[f32; 3], memory: &mut [Row; 4], rows: &mut [Row], lane: usize) {
    assert!(lane + F::WIDTH <= LANES);
    let [mut x1, mut x2, mut y1, mut y2] =
        [f.load(&memory[0][lane..]), f.load(&memory[1][lane..]), f.load(&memory[2][lane..]), f.load(&memory[3][lane..])];
    let [z0, z1, z2, p1, p2] = [f.splat(zeros[0]), f.splat(zeros[1]), f.splat(zeros[2]), f.splat(-poles[1]), f.splat(-poles[2])];
    for row in rows {
        let x = f.load(&row[lane..]);
        let forward = f.mul_add(z2, x2, f.mul_add(z1, x1, f.mul(z0, x)));
        let y = f.mul_add(p1, y1, f.mul_add(p2, y2, forward));
        (x1, x2, y1, y2) = (x, x1, y, y1);
        f.store(y, &mut row[lane..]);
    }
    for (value, row) in [x1, x2, y1, y2].into_iter().zip(memory) {
        f.store(value, &mut row[lane..]);
    }
}

/// What `all_pole` would add to an input of 0.
#[inline(always)]
pub(super) fn prediction<F: Floats>(f: F, predictor: &Predictor, past: &[f32; ORDER]) -> f32 {
    let a = predictor;
    let old = f.fma(-a[6], past[5], f.fma(-a[8], past[7], -a[10] * past[9]));
    let odd = f.fma(-a[5], past[4], f.fma(-a[7], past[6], -a[9] * past[8]));
    f.fma(-a[1], past[0], f.fma(-a[2], past[1], f.fma(-a[3], past[2], f.fma(-a[4], past[3], old + odd))))
}

/// FIR: `input` begins as many values before the first output as there are taps less one; the first tap meets the newest value.
#[inline(always)]
pub(super) fn all_zero<F: Floats, const TAPS: usize>(f: F, taps: &[f32; TAPS], input: &[f32], out: &mut [f32]) {
    let mut oldest_first = *taps;
    oldest_first.reverse();
    correlate(f, &oldest_first, input, out);
}
