//! Sums of products, the hot loops of iLBC, generic over the lane type.
//!   correlate: out(i) = sum of a(j) b(i + j)     lags, and taps of a filter, go into lanes
//!   dot:       sum of a(j) b(j)
//! Shape:  `b` holds `out` plus `a` less one values; any lengths.
//! Why:    vectorised inside one channel, not across channels: every lag sums in the order of the scalar code, a lone channel is as fast
//!         per frame as thirty, and nothing has to be transposed. The recursions left over are short.
//! Errors: slices that do not fit are the caller's bug and panic.

use crate::lanes::Floats;

/// `out[i]` = sum over `j` of `a[j] * b[i + j]`.
#[inline(always)]
pub(super) fn correlate<F: Floats>(f: F, a: &[f32], b: &[f32], out: &mut [f32]) {
    let len = out.len();
    let b = &b[..len + a.len() - 1];
    let mut at = 0;
    while at < len {
        // The last outputs of many are made with some before them once more.
        let left = (len - at).div_ceil(F::WIDTH);
        at = match left {
            5.. if len >= 7 * F::WIDTH => block::<F, 7>(f, a, b, at, out),
            2.. if len >= 4 * F::WIDTH => block::<F, 4>(f, a, b, at, out),
            _ if len >= F::WIDTH => one(f, a, b, at, out),
            _ => {
                for (out, b) in out.iter_mut().zip(b.windows(a.len())) {
                    *out = a.iter().zip(b).fold(0.0, |sum, (a, b)| f.fma(*a, *b, sum));
                }
                len
            }
        };
    }
}

/// `N` vectors of outputs from `at`, or from where as many are left. Where the next ones begin.
#[inline(always)]
fn block<F: Floats, const N: usize>(f: F, a: &[f32], b: &[f32], at: usize, out: &mut [f32]) -> usize {
    let at = at.min(out.len() - N * F::WIDTH);
    let mut sums = [f.splat(0.0); N];
    for (a, b) in a.iter().zip(b[at..].windows(N * F::WIDTH)) {
        let a = f.splat(*a);
        for (sum, b) in sums.iter_mut().zip(b.chunks_exact(F::WIDTH)) {
            *sum = f.mul_add(a, f.load(b), *sum);
        }
    }
    for (sum, out) in sums.into_iter().zip(out[at..].chunks_exact_mut(F::WIDTH)) {
        f.store(sum, out);
    }
    at + N * F::WIDTH
}

/// A vector of outputs from `at`, or the last. Where the next one begins.
#[inline(always)]
fn one<F: Floats>(f: F, a: &[f32], b: &[f32], at: usize, out: &mut [f32]) -> usize {
    let at = at.min(out.len() - F::WIDTH);
    // Four sums: the chain of one would be as long as `a`.
    let zero = f.splat(0.0);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    let (fours, rest) = a.as_chunks::<4>();
    let b = &b[at..at + a.len() - 1 + F::WIDTH];
    for (a, b) in fours.iter().zip(b.windows(F::WIDTH + 3).step_by(4)) {
        s0 = f.mul_add(f.splat(a[0]), f.load(b), s0);
        s1 = f.mul_add(f.splat(a[1]), f.load(&b[1..]), s1);
        s2 = f.mul_add(f.splat(a[2]), f.load(&b[2..]), s2);
        s3 = f.mul_add(f.splat(a[3]), f.load(&b[3..]), s3);
    }
    for (a, b) in rest.iter().zip(b[4 * fours.len()..].windows(F::WIDTH)) {
        s0 = f.mul_add(f.splat(*a), f.load(b), s0);
    }
    f.store(f.add(f.add(s0, s1), f.add(s2, s3)), &mut out[at..]);
    at + F::WIDTH
}

/// Sum of `a[j] * b[j]` over the shorter of the two.
#[inline(always)]
pub(super) fn dot<F: Floats>(f: F, a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let (mut s0, mut s1) = (f.splat(0.0), f.splat(0.0));
    let mut at = 0;
    while at + 2 * F::WIDTH <= len {
        s0 = f.mul_add(f.load(&a[at..]), f.load(&b[at..]), s0);
        s1 = f.mul_add(f.load(&a[at + F::WIDTH..]), f.load(&b[at + F::WIDTH..]), s1);
        at += 2 * F::WIDTH;
    }
    if at + F::WIDTH <= len {
        s0 = f.mul_add(f.load(&a[at..]), f.load(&b[at..]), s0);
        at += F::WIDTH;
    }
    a[at..].iter().zip(&b[at..]).fold(f.sum(f.add(s0, s1)), |sum, (a, b)| f.fma(*a, *b, sum))
}

/// Windows that `energies` can take, and what its vectors touch after the first of the last.
const ENERGIES: usize = 128;
const ROOM: usize = ENERGIES + 32;
/// What `energies` reads behind the last window, and does not count.
pub(super) const BEHIND: usize = 24;
/// Squares of a window that stand this far apart are summed first, in whole vectors of most levels.
const STRIDE: usize = 8;

/// `out[i]` = energy of the `window` values of `b` from `i` on, at least `STRIDE` of them. `b` goes on for `BEHIND` values.
#[inline(always)]
pub(super) fn energies<F: Floats>(f: F, b: &[f32], window: usize, out: &mut [f32]) {
    let (strides, rest) = (window / STRIDE, window % STRIDE);
    out.fill(0.0);
    if rest > 0 {
        windows(f, strided(f, b, strides + 1, out.len()), 0..rest, out);
    }
    windows(f, strided(f, b, strides, out.len()), rest..STRIDE, out);
}

/// Sums of `count` squares, one or more, each `STRIDE` after the one before, for `len` windows.
#[inline(always)]
fn strided<F: Floats>(f: F, b: &[f32], count: usize, len: usize) -> [f32; ROOM] {
    let mut sums = [0.0; ROOM];
    for at in (0..len + STRIDE).step_by(F::WIDTH) {
        let mut sum = f.splat(0.0);
        for x in b[at..at + (count - 1) * STRIDE + F::WIDTH].windows(F::WIDTH).step_by(STRIDE) {
            let x = f.load(x);
            sum = f.mul_add(x, x, sum);
        }
        f.store(sum, &mut sums[at..]);
    }
    sums
}

/// Adds to `out[i]` the values from `i + part.start` up to `i + part.end`: of sums of 1, 2, 4 and 8 of them those that the part is made of.
#[inline(always)]
fn windows<F: Floats>(f: F, mut sums: [f32; ROOM], part: std::ops::Range<usize>, out: &mut [f32]) {
    let (count, mut from, mut width) = (part.len(), part.start, 1);
    while width <= count {
        if count & width != 0 {
            let sums = &sums[from..][..out.len()];
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += sum;
            }
            from += width;
        }
        if 2 * width <= count {
            for at in (0..out.len() + STRIDE).step_by(F::WIDTH) {
                f.store(f.add(f.load(&sums[at..]), f.load(&sums[at + width..])), &mut sums[at..]);
            }
        }
        width *= 2;
    }
}

/// The greatest value.
#[inline(always)]
pub(super) fn greatest<F: Floats>(f: F, values: &[f32]) -> f32 {
    let mut most = f.splat(f32::NEG_INFINITY);
    let mut at = 0;
    while at + F::WIDTH <= values.len() {
        let value = f.load(&values[at..]);
        most = f.if_greater(value, most, value, most);
        at += F::WIDTH;
    }
    values[at..].iter().fold(f.greatest(most), |most, value| if *value > most { *value } else { most })
}
