//! G.711 one sample at a time: the reference, step by step as the recommendation puts it.
//! Shape:  a code octet as sent on RTP (A-law even bits toggled, mu-law complemented), a sample as 16-bit linear.
//! Units:  13-bit A-law magnitudes and 14-bit mu-law magnitudes stand in the top bits of 16.
//! Errors: none; every octet and every sample is legal.
//! Source: ITU-T G.711 tables 1a to 2b; rounding of encoders as ITU-T G.191 (magnitude in one's complement).

use super::tables::{ALAW_TO_ULAW, ULAW_TO_ALAW};

/// A-law octet to linear.
pub(super) const fn alaw_decode(code: u8) -> i16 {
    let plain = code ^ 0x55;
    let exponent = (plain >> 4) & 7;
    let mantissa = (plain & 15) as i16;
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if plain & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Linear to A-law octet.
pub(super) const fn alaw_encode(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 4;
    let exponent = bit_length(magnitude >> 4);
    let shift = exponent.saturating_sub(1);
    let mantissa = ((magnitude >> shift) & 15) as u8;
    let sign = if sample < 0 { 0 } else { 0x80 };
    ((exponent << 4) | mantissa | sign) ^ 0x55
}

/// Mu-law octet to linear.
pub(super) const fn ulaw_decode(code: u8) -> i16 {
    let plain = !code;
    let exponent = (plain >> 4) & 7;
    let mantissa = (plain & 15) as i16;
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if plain & 0x80 == 0 { magnitude } else { -magnitude }
}

/// Linear to mu-law octet.
pub(super) const fn ulaw_encode(sample: i16) -> u8 {
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 2) + 33;
    let magnitude = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    let segment = 1 + bit_length(magnitude >> 6);
    let mantissa = ((magnitude >> segment) & 15) as u8;
    let sign = if sample < 0 { 0 } else { 0x80 };
    ((8 - segment) << 4) | (15 - mantissa) | sign
}

/// A-law octet to mu-law octet.
pub(super) const fn alaw_to_ulaw(code: u8) -> u8 {
    (code & 0x80) | ALAW_TO_ULAW[(code & 0x7F) as usize]
}

/// Mu-law octet to A-law octet.
pub(super) const fn ulaw_to_alaw(code: u8) -> u8 {
    (code & 0x80) | ULAW_TO_ALAW[(code & 0x7F) as usize]
}

const fn bit_length(value: i16) -> u8 {
    (16 - value.leading_zeros()) as u8
}
