//! Lane operations on `f32`: the vocabulary of iLBC's loops.
//!   loop body, generic over `Floats` ──► `One` (scalar) · `Array` (4) · `Avx2` (8) · `Avx512` (16)
//! Shape:  a vector is `WIDTH` values; it is read from and written to the front of a slice.
//! Rule:   a value of an implementing type is the proof that the CPU can run it, as for `super::Lanes`.
//! Errors: a slice shorter than a vector is a bug of the caller and panics.
//! Sums:   `mul_add` is one rounding with FMA and two without, so levels differ in the last bit.

use super::Array;

/// One SIMD level for `f32`.
pub(crate) trait Floats: Copy {
    /// `WIDTH` values.
    type V: Copy;
    /// Values in a vector.
    const WIDTH: usize;

    /// The same value everywhere.
    fn splat(self, value: f32) -> Self::V;
    /// The first values of a slice.
    fn load(self, from: &[f32]) -> Self::V;
    /// Writes the first values of a slice.
    fn store(self, value: Self::V, to: &mut [f32]);
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `then` where `a > b`, else `otherwise`; where one is not a number, `otherwise`.
    fn if_greater(self, a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;
    /// `a * b + c` of single values, for recursions.
    fn fma(self, a: f32, b: f32, c: f32) -> f32;
    /// Sum over the vector.
    fn sum(self, value: Self::V) -> f32;
    /// The greatest of the vector; none may be not a number.
    fn greatest(self, value: Self::V) -> f32;
}

/// Token of the scalar level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct One;

#[cold]
#[inline(never)]
pub(crate) fn short() -> ! {
    panic!("a slice is shorter than a vector")
}

impl Floats for One {
    type V = f32;
    const WIDTH: usize = 1;

    #[inline(always)]
    fn splat(self, value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> f32 {
        from.first().copied().unwrap_or_else(|| short())
    }
    #[inline(always)]
    fn store(self, value: f32, to: &mut [f32]) {
        *to.first_mut().unwrap_or_else(|| short()) = value;
    }
    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    fn if_greater(self, a: f32, b: f32, then: f32, otherwise: f32) -> f32 {
        if a > b { then } else { otherwise }
    }
    #[inline(always)]
    fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    fn sum(self, value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn greatest(self, value: f32) -> f32 {
        value
    }
}

const N: usize = 4;

#[inline(always)]
fn zip(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> f32) -> [f32; N] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Floats for Array {
    type V = [f32; N];
    const WIDTH: usize = N;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; N]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        *from.first_chunk().unwrap_or_else(|| short())
    }
    #[inline(always)]
    fn store(self, value: Self::V, to: &mut [f32]) {
        *to.first_chunk_mut().unwrap_or_else(|| short()) = value;
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        zip(zip(a, b, |a, b| a * b), c, |a, b| a + b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn if_greater(self, a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V {
        let pick = |i: usize| if a[i] > b[i] { then[i] } else { otherwise[i] };
        [pick(0), pick(1), pick(2), pick(3)]
    }
    #[inline(always)]
    fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    fn sum(self, value: Self::V) -> f32 {
        (value[0] + value[2]) + (value[1] + value[3])
    }
    #[inline(always)]
    fn greatest(self, value: Self::V) -> f32 {
        let greater = |a: f32, b: f32| if a > b { a } else { b };
        greater(greater(value[0], value[2]), greater(value[1], value[3]))
    }
}
