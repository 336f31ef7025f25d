//! G.722 compiled for the AVX levels.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::G722` holds them behind that check.

#![allow(unsafe_code)]

use super::Mode;
use super::column::Column;
use super::lanes::{self, Tick};
use super::rows::Rows;
use crate::lanes::{Avx2, Avx512, Half512};

macro_rules! shells {
    ($level:ident, $token:ident, $features:literal) => {
        pub(super) mod $level {
            use super::{Column, Mode, Rows, Tick, lanes, $token};
            #[target_feature(enable = $features)]
            pub(in crate::g722) fn encode(tick: &mut Tick<'_>, samples: &[&[i16]], octets: &mut [u8]) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                lanes::encode(unsafe { $token::new() }, tick, samples, octets);
            }
            #[target_feature(enable = $features)]
            pub(in crate::g722) fn decode(mode: Mode, tick: &mut Tick<'_>, octets: &[&[u8]], samples: &mut [i16]) {
                // SAFETY: as above.
                lanes::decode(unsafe { $token::new() }, mode, tick, octets, samples);
            }
            #[target_feature(enable = $features)]
            pub(in crate::g722) fn insert(columns: &[Column], rows: &mut Rows) {
                // SAFETY: as above.
                lanes::insert(unsafe { $token::new() }, columns, rows);
            }
            #[target_feature(enable = $features)]
            pub(in crate::g722) fn extract(rows: &Rows, columns: &mut [Column]) {
                // SAFETY: as above.
                lanes::extract(unsafe { $token::new() }, rows, columns);
            }
        }
    };
}

shells!(avx2, Avx2, "avx2,fma");
shells!(half512, Half512, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni");
shells!(full512, Avx512, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni");

/// Whole registers, but where half of them hold all channels: a slot of a media shard seldom has more frames, and they take half the time.
pub(super) mod avx512 {
    use super::{Column, Mode, Rows, Tick, full512, half512};

    /// Lanes of half a register.
    const HALF: usize = 16;

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
    pub(in crate::g722) fn encode(tick: &mut Tick<'_>, samples: &[&[i16]], octets: &mut [u8]) {
        if tick.live >> HALF == 0 { half512::encode(tick, samples, octets) } else { full512::encode(tick, samples, octets) }
    }
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
    pub(in crate::g722) fn decode(mode: Mode, tick: &mut Tick<'_>, octets: &[&[u8]], samples: &mut [i16]) {
        if tick.live >> HALF == 0 { half512::decode(mode, tick, octets, samples) } else { full512::decode(mode, tick, octets, samples) }
    }
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
    pub(in crate::g722) fn insert(columns: &[Column], rows: &mut Rows) {
        if columns.len() <= HALF { half512::insert(columns, rows) } else { full512::insert(columns, rows) }
    }
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni")]
    pub(in crate::g722) fn extract(rows: &Rows, columns: &mut [Column]) {
        if columns.len() <= HALF { half512::extract(rows, columns) } else { full512::extract(rows, columns) }
    }
}
