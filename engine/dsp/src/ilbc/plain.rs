//! iLBC without CPU features: four values side by side, and one.
//! Shape:  as `super::Encoder::encode` and `super::Decoder::decode`.
//! Errors: none.
//! Source: the same code as every level, with arrays, or single values, for vectors.

macro_rules! level {
    ($(#[$doc:meta])* $level:ident, $token:ident) => {
        $(#[$doc])*
        pub(super) mod $level {
            use crate::ilbc::{Decoder, Encoder};
            use crate::lanes::$token;

            pub(in crate::ilbc) fn encode(encoder: &mut Encoder, samples: &[i16], octets: &mut [u8]) {
                encoder.encode($token, samples, octets);
            }
            pub(in crate::ilbc) fn decode(decoder: &mut Decoder, octets: &[u8], samples: &mut [i16]) {
                decoder.decode($token, octets, samples);
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
