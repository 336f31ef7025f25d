//! `f32` at the AVX levels: 8 in a 256-bit register, 16 in a 512-bit one, both with FMA.
//! Shape:  as `crate::lanes::Floats`.
//! Errors: a slice shorter than a vector panics.
//! Source: Intel Intrinsics Guide.

use std::arch::x86_64::*;

use super::{Avx2, Avx512, op};
use crate::lanes::floats::{Floats, short};

impl Floats for Avx2 {
    type V = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        op!(_mm256_set1_ps(value))
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        match from.first_chunk::<8>() {
            Some(from) => op!(_mm256_loadu_ps(from.as_ptr())),
            None => short(),
        }
    }
    #[inline(always)]
    fn store(self, value: __m256, to: &mut [f32]) {
        match to.first_chunk_mut::<8>() {
            Some(to) => op!(_mm256_storeu_ps(to.as_mut_ptr(), value)),
            None => short(),
        }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        op!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn if_greater(self, a: __m256, b: __m256, then: __m256, otherwise: __m256) -> __m256 {
        let greater = op!(_mm256_cmp_ps::<30>(a, b)); // greater than, ordered, quiet
        op!(_mm256_blendv_ps(otherwise, then, greater))
    }
    #[inline(always)]
    fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn sum(self, value: __m256) -> f32 {
        let high = op!(_mm256_extractf128_ps::<1>(value));
        let low = op!(_mm256_castps256_ps128(value));
        let four = op!(_mm_add_ps(low, high));
        let upper = op!(_mm_movehl_ps(four, four));
        let two = op!(_mm_add_ps(four, upper));
        let second = op!(_mm_shuffle_ps::<1>(two, two));
        let one = op!(_mm_add_ss(two, second));
        op!(_mm_cvtss_f32(one))
    }
    #[inline(always)]
    fn greatest(self, value: __m256) -> f32 {
        let high = op!(_mm256_extractf128_ps::<1>(value));
        let low = op!(_mm256_castps256_ps128(value));
        let four = op!(_mm_max_ps(low, high));
        let upper = op!(_mm_movehl_ps(four, four));
        let two = op!(_mm_max_ps(four, upper));
        let second = op!(_mm_shuffle_ps::<1>(two, two));
        let one = op!(_mm_max_ss(two, second));
        op!(_mm_cvtss_f32(one))
    }
}

impl Floats for Avx512 {
    type V = __m512;
    const WIDTH: usize = 16;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        op!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        match from.first_chunk::<16>() {
            Some(from) => op!(_mm512_loadu_ps(from.as_ptr())),
            None => short(),
        }
    }
    #[inline(always)]
    fn store(self, value: __m512, to: &mut [f32]) {
        match to.first_chunk_mut::<16>() {
            Some(to) => op!(_mm512_storeu_ps(to.as_mut_ptr(), value)),
            None => short(),
        }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        op!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn if_greater(self, a: __m512, b: __m512, then: __m512, otherwise: __m512) -> __m512 {
        let greater = op!(_mm512_cmp_ps_mask::<30>(a, b));
        op!(_mm512_mask_blend_ps(greater, otherwise, then))
    }
    #[inline(always)]
    fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn sum(self, value: __m512) -> f32 {
        op!(_mm512_reduce_add_ps(value))
    }
    #[inline(always)]
    fn greatest(self, value: __m512) -> f32 {
        op!(_mm512_reduce_max_ps(value))
    }
}
