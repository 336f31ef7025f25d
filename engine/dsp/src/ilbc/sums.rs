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
    let b = &b[..out.len() + a.len() - 1];
    let mut at = 0;
    while at + 4 * F::WIDTH <= out.len() {
        let zero = f.splat(0.0);
        let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
        for (j, a) in a.iter().enumerate() {
            let b = &b[at + j..];
            let a = f.splat(*a);
            s0 = f.mul_add(a, f.load(b), s0);
            s1 = f.mul_add(a, f.load(&b[F::WIDTH..]), s1);
            s2 = f.mul_add(a, f.load(&b[2 * F::WIDTH..]), s2);
            s3 = f.mul_add(a, f.load(&b[3 * F::WIDTH..]), s3);
        }
        f.store(s0, &mut out[at..]);
        f.store(s1, &mut out[at + F::WIDTH..]);
        f.store(s2, &mut out[at + 2 * F::WIDTH..]);
        f.store(s3, &mut out[at + 3 * F::WIDTH..]);
        at += 4 * F::WIDTH;
    }
    while at + F::WIDTH <= out.len() {
        one(f, a, b, at, out);
        at += F::WIDTH;
    }
    if at < out.len() {
        if out.len() >= F::WIDTH {
            one(f, a, b, out.len() - F::WIDTH, out); // some of them again
        } else {
            for (i, out) in out.iter_mut().enumerate().skip(at) {
                *out = a.iter().zip(&b[i..]).fold(0.0, |sum, (a, b)| f.fma(*a, *b, sum));
            }
        }
    }
}

/// A vector of outputs from `at`.
#[inline(always)]
fn one<F: Floats>(f: F, a: &[f32], b: &[f32], at: usize, out: &mut [f32]) {
    // Two sums: the chain of one would be as long as `a`.
    let (mut even, mut odd) = (f.splat(0.0), f.splat(0.0));
    let (pairs, last) = a.as_chunks::<2>();
    for (j, pair) in pairs.iter().enumerate() {
        even = f.mul_add(f.splat(pair[0]), f.load(&b[at + 2 * j..]), even);
        odd = f.mul_add(f.splat(pair[1]), f.load(&b[at + 2 * j + 1..]), odd);
    }
    if let [last] = last {
        even = f.mul_add(f.splat(*last), f.load(&b[at + a.len() - 1..]), even);
    }
    f.store(f.add(even, odd), &mut out[at..]);
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

/// `out[i]` = energy of the `window` values of `b` from `i` on.
#[inline(always)]
pub(super) fn energies<F: Floats, const WINDOW: usize>(f: F, b: &[f32], out: &mut [f32]) {
    let mut squares = [0.0; 256];
    let used = out.len() + WINDOW - 1;
    for (square, b) in squares[..used].iter_mut().zip(b) {
        *square = b * b;
    }
    correlate(f, &[1.0; WINDOW], &squares[..used], out);
}
