//! The levels of x86-64: `Sse2` (8 lanes, any such CPU), `Avx2` (16) and `Avx512` (32).
//! Shape:  a method is one to four intrinsics. A value of the token type exists only where the CPU has the features.
//! Rule:   all `unsafe` is one intrinsic per `op!`, whose only demand is that CPU feature; the pointers of loads and stores
//!         come from references of exactly the length read or written.
//! Cost:   nothing: every method disappears into its caller, which is compiled for the features.
//! Errors: none.
//! Source: Intel Intrinsics Guide, names as there.

#![allow(unsafe_code)]

mod avx2;
mod avx512;
mod floats;
mod sse2;

pub(crate) use avx2::{Avx2, Half512};
pub(crate) use avx512::Avx512;
pub(crate) use sse2::Sse2;

/// One intrinsic call; its arguments are values, so nothing else is unsafe in it.
macro_rules! op {
    ($name:ident $(::<$c:literal>)? ($($arg:expr),* $(,)?)) => {
        // SAFETY: `self` exists, so the CPU has the features; a pointer comes from a reference of the full length.
        unsafe { $name $(::<$c>)? ($($arg),*) }
    };
}
use op;
