//! G.711 against the ITU tables, exhaustively, at every level that this CPU has.

use super::*;
use crate::testing::{octets, samples};

fn levels() -> impl Iterator<Item = (&'static str, G711)> {
    Level::available().map(|level| (level.name(), G711::new(level)))
}

/// -32768 ..= 32767.
fn every_sample() -> Vec<i16> {
    (i16::MIN..=i16::MAX).collect()
}

fn every_octet() -> Vec<u8> {
    (0..=255).collect()
}

#[test]
fn decoders_equal_the_itu_tables() {
    let (alaw, ulaw) = (samples("g711/alaw_decode.s16"), samples("g711/ulaw_decode.s16"));
    for (name, g711) in levels() {
        let mut out = [0; 256];
        g711.alaw_decode(&every_octet(), &mut out);
        assert_eq!(out[..], alaw, "{name}");
        g711.ulaw_decode(&every_octet(), &mut out);
        assert_eq!(out[..], ulaw, "{name}");
    }
}

#[test]
fn encoders_equal_the_itu_tables_on_every_sample() {
    let (alaw, ulaw) = (octets("g711/alaw_encode.u8"), octets("g711/ulaw_encode.u8"));
    for (name, g711) in levels() {
        let mut out = vec![0; 65536];
        g711.alaw_encode(&every_sample(), &mut out);
        assert!(out == alaw, "{name}");
        g711.ulaw_encode(&every_sample(), &mut out);
        assert!(out == ulaw, "{name}");
    }
}

#[test]
fn encoding_a_decoded_octet_gives_it_back() {
    for (name, g711) in levels() {
        let (mut pcm, mut back) = ([0; 256], [0; 256]);
        g711.alaw_decode(&every_octet(), &mut pcm);
        g711.alaw_encode(&pcm, &mut back);
        assert_eq!(back[..], every_octet(), "{name}");
        g711.ulaw_decode(&every_octet(), &mut pcm);
        g711.ulaw_encode(&pcm, &mut back);
        // Both mu-law zeros decode to 0, which encodes as the positive one.
        let expected: Vec<_> = every_octet().into_iter().map(|code| if code == 0x7F { 0xFF } else { code }).collect();
        assert_eq!(back[..], expected, "{name}");
    }
}

#[test]
fn silence_and_the_smallest_negative_sample_have_their_codes() {
    for (name, g711) in levels() {
        let mut out = [0; 2];
        g711.alaw_encode(&[0, -1], &mut out);
        assert_eq!(out, [ALAW_SILENCE, 0x55], "{name}");
        g711.ulaw_encode(&[0, -1], &mut out);
        assert_eq!(out, [ULAW_SILENCE, 0x7F], "{name}");
    }
}

#[test]
fn direct_conversion_is_the_recommendations_and_not_decode_and_encode() {
    for (name, g711) in levels() {
        let (mut direct, mut pcm, mut indirect) = ([0; 256], [0; 256], [0; 256]);
        g711.ulaw_to_alaw(&every_octet(), &mut direct);
        g711.ulaw_decode(&every_octet(), &mut pcm);
        g711.alaw_encode(&pcm, &mut indirect);
        let to_alaw = direct.iter().zip(&indirect).filter(|(a, b)| a != b).count();
        g711.alaw_to_ulaw(&every_octet(), &mut direct);
        g711.alaw_decode(&every_octet(), &mut pcm);
        g711.ulaw_encode(&pcm, &mut indirect);
        let to_ulaw = direct.iter().zip(&indirect).filter(|(a, b)| a != b).count();
        assert_eq!((to_alaw, to_ulaw), (44, 32), "{name}");
    }
}

#[test]
fn every_length_is_whole_and_nothing_after_the_frame_is_touched() {
    let pcm: Vec<i16> = (0..100).map(|i| (i * 653 - 32000) as i16).collect();
    let codes: Vec<u8> = (0..200).map(|i| (i * 7) as u8).collect();
    let reference = G711::new(Level::named("scalar").unwrap());
    for (name, g711) in levels() {
        for len in 0..=97 {
            let (mut out, mut expected) = ([0x5A; 98], [0x5A; 98]);
            g711.ulaw_encode(&pcm[..len], &mut out[..len]);
            reference.ulaw_encode(&pcm[..len], &mut expected[..len]);
            assert_eq!(out, expected, "{name} ulaw_encode {len}");
            g711.alaw_encode(&pcm[..len], &mut out[..len]);
            reference.alaw_encode(&pcm[..len], &mut expected[..len]);
            assert_eq!(out, expected, "{name} alaw_encode {len}");
            let (mut out, mut expected) = ([0x5A5A; 98], [0x5A5A; 98]);
            g711.ulaw_decode(&codes[..len], &mut out[..len]);
            reference.ulaw_decode(&codes[..len], &mut expected[..len]);
            assert_eq!(out, expected, "{name} ulaw_decode {len}");
            g711.alaw_decode(&codes[..len], &mut out[..len]);
            reference.alaw_decode(&codes[..len], &mut expected[..len]);
            assert_eq!(out, expected, "{name} alaw_decode {len}");
        }
        for len in 0..=193 {
            let (mut out, mut expected) = ([0x5A; 194], [0x5A; 194]);
            g711.alaw_to_ulaw(&codes[..len], &mut out[..len]);
            reference.alaw_to_ulaw(&codes[..len], &mut expected[..len]);
            assert_eq!(out, expected, "{name} alaw_to_ulaw {len}");
            g711.ulaw_to_alaw(&codes[..len], &mut out[..len]);
            reference.ulaw_to_alaw(&codes[..len], &mut expected[..len]);
            assert_eq!(out, expected, "{name} ulaw_to_alaw {len}");
        }
    }
}
