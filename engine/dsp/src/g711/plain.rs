//! G.711 without CPU features, one sample at a time: the scalar reference, and the portable level by tables.
//! Shape:  as `super::lanes`.
//! Why:    the scalar level is what every other is compared with in tests and benches; it is never chosen by itself. The portable one
//!         looks everything up (about 2.5 KiB for decoding and recoding); lanes as arrays were slower than that, two to four times.
//! Errors: none.
//! Source: `super::scalar`.

/// Look-ups where a table is small, arithmetic where it is not.
pub(super) mod portable {
    use crate::g711::scalar;

    const ALAW: [i16; 256] = decoded(true);
    const ULAW: [i16; 256] = decoded(false);
    const TO_ALAW: [u8; 256] = recoded(true);
    const TO_ULAW: [u8; 256] = recoded(false);

    pub(in crate::g711) fn alaw_decode(from: &[u8], to: &mut [i16]) {
        look_up(from, to, &ALAW);
    }
    pub(in crate::g711) fn ulaw_decode(from: &[u8], to: &mut [i16]) {
        look_up(from, to, &ULAW);
    }
    pub(in crate::g711) use super::one_by_one::{alaw_encode, ulaw_encode};
    pub(in crate::g711) fn alaw_to_ulaw(from: &[u8], to: &mut [u8]) {
        look_up(from, to, &TO_ULAW);
    }
    pub(in crate::g711) fn ulaw_to_alaw(from: &[u8], to: &mut [u8]) {
        look_up(from, to, &TO_ALAW);
    }

    #[inline(always)]
    fn look_up<T: Copy>(from: &[u8], to: &mut [T], table: &[T; 256]) {
        for (from, to) in from.iter().zip(to) {
            *to = table[usize::from(*from)];
        }
    }

    const fn decoded(alaw: bool) -> [i16; 256] {
        let mut table = [0; 256];
        let mut code = 0;
        while code < 256 {
            table[code] = if alaw { scalar::alaw_decode(code as u8) } else { scalar::ulaw_decode(code as u8) };
            code += 1;
        }
        table
    }

    const fn recoded(to_alaw: bool) -> [u8; 256] {
        let mut table = [0; 256];
        let mut code = 0;
        while code < 256 {
            table[code] = if to_alaw { scalar::ulaw_to_alaw(code as u8) } else { scalar::alaw_to_ulaw(code as u8) };
            code += 1;
        }
        table
    }
}

macro_rules! one_by_one {
    ($($name:ident: $from:ty => $to:ty),* $(,)?) => {
        /// One sample at a time.
        pub(super) mod one_by_one {
            use crate::g711::scalar;
            $(pub(in crate::g711) fn $name(from: &[$from], to: &mut [$to]) {
                for (from, to) in from.iter().zip(to) {
                    *to = scalar::$name(*from);
                }
            })*
        }
    };
}

one_by_one!(alaw_decode: u8 => i16, ulaw_decode: u8 => i16, alaw_encode: i16 => u8, ulaw_encode: i16 => u8,
    alaw_to_ulaw: u8 => u8, ulaw_to_alaw: u8 => u8);
