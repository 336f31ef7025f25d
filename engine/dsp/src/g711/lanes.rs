//! G.711 over whole rows, generic over the lane type; the rest of a frame goes through `scalar`.
//! Shape:  input and output of equal length, any length.
//! Errors: none.
//! Source: the arithmetic of `super::scalar`, each branch turned into masks.

use super::scalar;
use super::tables::{ALAW_TO_ULAW, ULAW_TO_ALAW};
use crate::lanes::Lanes;

#[inline(always)]
pub(super) fn alaw_decode<L: Lanes>(l: L, codes: &[u8], samples: &mut [i16]) {
    decode(l, codes, samples, scalar::alaw_decode, |code| {
        let plain = l.xor(code, l.splat(0xD5)); // bit 7 is now set for negative
        let exponent = l.and(l.shr::<4>(plain), l.splat(7));
        let mantissa = l.shl::<4>(l.and(plain, l.splat(15)));
        let normal = l.min(exponent, l.splat(1)); // 0 in the lowest segment, which has no implied bit
        let base = l.add(l.add(mantissa, l.splat(8)), l.shl::<8>(normal));
        let magnitude = l.shl_by(base, l.sub(exponent, normal));
        negate_by_bit7(l, magnitude, plain)
    });
}

#[inline(always)]
pub(super) fn ulaw_decode<L: Lanes>(l: L, codes: &[u8], samples: &mut [i16]) {
    decode(l, codes, samples, scalar::ulaw_decode, |code| {
        let plain = l.xor(code, l.splat(0xFF));
        let exponent = l.and(l.shr::<4>(plain), l.splat(7));
        let mantissa = l.shl::<3>(l.and(plain, l.splat(15)));
        let magnitude = l.sub(l.shl_by(l.add(mantissa, l.splat(0x84)), exponent), l.splat(0x84));
        negate_by_bit7(l, magnitude, plain)
    });
}

#[inline(always)]
pub(super) fn alaw_encode<L: Lanes>(l: L, samples: &[i16], codes: &mut [u8]) {
    encode(l, samples, codes, scalar::alaw_encode, |sample| {
        let sign = l.shr::<15>(sample);
        let magnitude = l.shr_logical::<4>(l.xor(sample, sign));
        let exponent = l.bit_length(l.shr_logical::<4>(magnitude));
        // `shr_by` starts at 1, so the value goes in doubled.
        let shift = l.max(exponent, l.splat(1));
        let mantissa = l.and(l.shr_by(l.shl::<1>(magnitude), shift), l.splat(15));
        let code = l.or(l.shl::<4>(exponent), mantissa);
        l.xor(code, l.xor(l.and(sign, l.splat(0x80)), l.splat(0xD5)))
    });
}

#[inline(always)]
pub(super) fn ulaw_encode<L: Lanes>(l: L, samples: &[i16], codes: &mut [u8]) {
    encode(l, samples, codes, scalar::ulaw_encode, |sample| {
        let sign = l.shr::<15>(sample);
        let magnitude = l.add(l.shr_logical::<2>(l.xor(sample, sign)), l.splat(33));
        let magnitude = l.min(magnitude, l.splat(0x1FFF));
        let exponent = l.bit_length(l.shr_logical::<6>(magnitude));
        let mantissa = l.and(l.shr_by(magnitude, l.add(exponent, l.splat(1))), l.splat(15));
        let code = l.or(l.shl::<4>(exponent), mantissa);
        l.xor(code, l.xor(l.and(sign, l.splat(0x80)), l.splat(0xFF)))
    });
}

#[inline(always)]
pub(super) fn alaw_to_ulaw<L: Lanes>(l: L, from: &[u8], to: &mut [u8]) {
    translate(l, from, to, &ALAW_TO_ULAW, scalar::alaw_to_ulaw);
}

#[inline(always)]
pub(super) fn ulaw_to_alaw<L: Lanes>(l: L, from: &[u8], to: &mut [u8]) {
    translate(l, from, to, &ULAW_TO_ALAW, scalar::ulaw_to_alaw);
}

/// `-value` where bit 7 of `sign` is set.
#[inline(always)]
fn negate_by_bit7<L: Lanes>(l: L, value: L::I16, sign: L::I16) -> L::I16 {
    let mask = l.shr::<15>(l.shl::<8>(sign));
    l.sub(l.xor(value, mask), mask)
}

#[inline(always)]
fn decode<L: Lanes>(l: L, codes: &[u8], samples: &mut [i16], one: impl Fn(u8) -> i16, row: impl Fn(L::I16) -> L::I16) {
    let (code_rows, code_rest) = l.octets(codes);
    let (sample_rows, sample_rest) = l.rows_mut(samples);
    for (from, to) in code_rows.iter().zip(sample_rows) {
        l.store(row(l.load_octets(from)), to);
    }
    for (from, to) in code_rest.iter().zip(sample_rest) {
        *to = one(*from);
    }
}

#[inline(always)]
fn encode<L: Lanes>(l: L, samples: &[i16], codes: &mut [u8], one: impl Fn(i16) -> u8, row: impl Fn(L::I16) -> L::I16) {
    let (sample_rows, sample_rest) = l.rows(samples);
    let (code_rows, code_rest) = l.octets_mut(codes);
    for (from, to) in sample_rows.iter().zip(code_rows) {
        l.store_octets(row(l.load(from)), to);
    }
    for (from, to) in sample_rest.iter().zip(code_rest) {
        *to = one(*from);
    }
}

#[inline(always)]
fn translate<L: Lanes>(l: L, from: &[u8], to: &mut [u8], table: &[u8; 128], one: impl Fn(u8) -> u8) {
    let (from_rows, from_rest) = l.codes(from);
    let (to_rows, to_rest) = l.codes_mut(to);
    for (from, to) in from_rows.iter().zip(to_rows) {
        l.translate(table, from, to);
    }
    for (from, to) in from_rest.iter().zip(to_rest) {
        *to = one(*from);
    }
}
