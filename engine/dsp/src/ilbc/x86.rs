//! iLBC compiled for the AVX levels.
//! Shape:  as `super::Encoder::encode` and `super::Decoder::decode`.
//! Errors: none.
//! Safety: a shell may run only where the CPU has the features it names; `super::Ilbc` holds them behind that check.

#![allow(unsafe_code)]

use super::decoder::Voices;
use super::search::Scratch;
use super::{Decoder, Encoder, Mode};
use crate::lanes::{Avx2, Avx512};

macro_rules! shells {
    ($level:ident, $token:ident, $features:literal) => {
        pub(super) mod $level {
            use super::{Decoder, Encoder, Mode, Scratch, Voices, $token};
            #[target_feature(enable = $features)]
            pub(in crate::ilbc) fn encode(encoder: &mut Encoder, samples: &[i16], octets: &mut [u8], scratch: &mut Scratch) {
                // SAFETY: this function runs only where the CPU has the features of the level.
                encoder.encode(unsafe { $token::new() }, samples, octets, scratch);
            }
            #[target_feature(enable = $features)]
            pub(in crate::ilbc) fn excite(decoder: &mut Decoder, octets: &[u8], lane: usize, voices: &mut Voices) {
                // SAFETY: as above.
                decoder.excite(unsafe { $token::new() }, octets, lane, voices);
            }
            #[target_feature(enable = $features)]
            pub(in crate::ilbc) fn speak(voices: &mut Voices, mode: Mode, live: u16, samples: &mut [i16]) {
                // SAFETY: as above.
                voices.speak(unsafe { $token::new() }, mode, live, samples);
            }
        }
    };
}

shells!(avx2, Avx2, "avx2,fma");
shells!(avx512, Avx512, "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni");
