//! Mixing: one sum of all who speak, and for each party that sum without its own voice.
//!   frames ─► add … ─► sum ─► without (each speaker), only (each who is silent: one frame for all of them)
//! Shape:  the sum is a frame of 32-bit values that the caller owns and clears; up to 65 536 parties cannot overflow it.
//! Units:  16-bit samples; the way out saturates, or bends softly above three quarters of full scale.
//! Cost:   two passes over a frame per party, whatever the size of the conference.
//! Errors: none; frames of another length than the sum are the caller's bug and panic.
//! Source: the knee of the soft limiter is T + R d / (d + R), with slope 1 where it begins and full scale as its limit.

#![allow(unsafe_code)]

mod lanes;
mod plain;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::kernels::{Isa, Level};

/// What happens to sums that leave 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limit {
    /// Cut off.
    #[default]
    Saturate,
    /// Bent from 24 576 on, so that nothing is cut.
    Soft,
}

type Narrow = unsafe fn(&[i32], &[i16], &mut [i16]);

/// The mixing kernels of one level.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    add: unsafe fn(&mut [i32], &[i16]),
    add_four: unsafe fn(&mut [i32], [&[i16]; 4]),
    without: Narrow,
    without_soft: Narrow,
}

impl Mix {
    /// The kernels of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        macro_rules! of {
            ($path:path) => {{
                use $path as level;
                Self { add: level::add, add_four: level::add_four, without: level::without, without_soft: level::without_soft }
            }};
        }
        match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => of!(x86::avx512),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => of!(x86::avx2),
            Isa::Portable => of!(plain::portable),
            Isa::Scalar => of!(plain::scalar),
        }
    }

    /// Adds a speaker: `sum[i] += frame[i]`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add(&self, sum: &mut [i32], frame: &[i16]) {
        assert_eq!(sum.len(), frame.len());
        // SAFETY: `new` took a level that the CPU has.
        unsafe { (self.add)(sum, frame) }
    }

    /// Adds speakers, the sum read and written once for four of them.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_all<'a>(&self, sum: &mut [i32], frames: impl IntoIterator<Item = &'a [i16]>) {
        let mut frames = frames.into_iter();
        while let Some(a) = frames.next() {
            let rest = (frames.next(), frames.next(), frames.next());
            if let (Some(b), Some(c), Some(d)) = rest {
                let four = [a, b, c, d];
                assert!(four.iter().all(|frame| frame.len() == sum.len()));
                // SAFETY: `new` took a level that the CPU has.
                unsafe { (self.add_four)(sum, four) }
            } else {
                self.add(sum, a);
                [rest.0, rest.1, rest.2].into_iter().flatten().for_each(|frame| self.add(sum, frame));
            }
        }
    }

    /// What a speaker hears: `out[i] = limit(sum[i] - own[i])`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn without(&self, limit: Limit, sum: &[i32], own: &[i16], out: &mut [i16]) {
        assert!(sum.len() == own.len() && sum.len() == out.len());
        let narrow = match limit {
            Limit::Saturate => self.without,
            Limit::Soft => self.without_soft,
        };
        // SAFETY: as above.
        unsafe { narrow(sum, own, out) }
    }

    /// What everybody hears who does not speak: `out[i] = limit(sum[i])`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn only(&self, limit: Limit, sum: &[i32], out: &mut [i16]) {
        const SILENCE: [i16; 160] = [0; 160];
        assert_eq!(sum.len(), out.len());
        for (sum, out) in sum.chunks(SILENCE.len()).zip(out.chunks_mut(SILENCE.len())) {
            self.without(limit, sum, &SILENCE[..sum.len()], out);
        }
    }
}
