//! iLBC without CPU features: four values side by side, and one.
//! Shape:  as `super::Encoder::encode` and `super::Decoder::decode`.
//! Errors: none.
//! Source: the same code as every level, with arrays, or single values, for vectors.

macro_rules! level {
    ($(#[$doc:meta])* $level:ident, $token:ident) => {
        $(#[$doc])*
        pub(super) mod $level {
            use crate::ilbc::decoder::Voices;
            use crate::ilbc::search::Scratch;
            use crate::ilbc::{Decoder, Encoder, Mode};
            use crate::lanes::$token;

            pub(in crate::ilbc) fn encode(encoder: &mut Encoder, samples: &[i16], octets: &mut [u8], scratch: &mut Scratch) {
                encoder.encode($token, samples, octets, scratch);
            }
            pub(in crate::ilbc) fn excite(decoder: &mut Decoder, octets: &[u8], lane: usize, voices: &mut Voices) {
                decoder.excite($token, octets, lane, voices);
            }
            pub(in crate::ilbc) fn speak(voices: &mut Voices, mode: Mode, live: u16, samples: &mut [i16]) {
                voices.speak($token, mode, live, samples);
            }
        }
    };
}

level!(
    /// Vectors as arrays.
    portable,
    Array
);
level!(
    /// One value at a time.
    scalar,
    One
);
