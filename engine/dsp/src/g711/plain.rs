//! G.711 without CPU features: the portable lanes, and the scalar reference as slices.
//! Shape:  as `super::lanes`.
//! Why:    the scalar level is what every other is compared with in tests and benches; it is never chosen by itself.
//! Errors: none.
//! Source: `super::scalar`.

macro_rules! portable {
    ($($name:ident: $from:ty => $to:ty),* $(,)?) => {
        /// Lanes as arrays.
        pub(super) mod portable {
            use crate::g711::lanes;
            use crate::lanes::Array;
            $(pub(in crate::g711) fn $name(from: &[$from], to: &mut [$to]) {
                lanes::$name(Array, from, to);
            })*
        }
        /// One sample at a time.
        pub(super) mod scalar {
            use crate::g711::scalar;
            $(pub(in crate::g711) fn $name(from: &[$from], to: &mut [$to]) {
                for (from, to) in from.iter().zip(to) {
                    *to = scalar::$name(*from);
                }
            })*
        }
    };
}

portable!(alaw_decode: u8 => i16, ulaw_decode: u8 => i16, alaw_encode: i16 => u8, ulaw_encode: i16 => u8,
    alaw_to_ulaw: u8 => u8, ulaw_to_alaw: u8 => u8);
