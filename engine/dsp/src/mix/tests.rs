//! Mixing at every level against arithmetic in 64 bits.

use super::*;
use crate::testing::Random;

fn levels() -> impl Iterator<Item = (&'static str, Mix)> {
    Level::available().map(|level| (level.name(), Mix::new(level)))
}

#[test]
fn each_party_hears_all_others_at_every_length() {
    let mut random = Random(21);
    for len in (0..70).chain([80, 160, 320, 333]) {
        let parties: Vec<Vec<i16>> = (0..5).map(|p| (0..len).map(|_| random.sample() >> (p % 3)).collect()).collect();
        for (name, mix) in levels() {
            let mut sum = vec![0; len];
            parties.iter().for_each(|frame| mix.add(&mut sum, frame));
            for own in &parties {
                let mut out = vec![0x5A; len + 1];
                mix.without(Limit::Saturate, &sum, own, &mut out[..len]);
                for (i, out) in out[..len].iter().enumerate() {
                    let all: i64 = parties.iter().map(|frame| i64::from(frame[i])).sum();
                    assert_eq!(i64::from(*out), (all - i64::from(own[i])).clamp(-32768, 32767), "{name} {len} {i}");
                }
                assert_eq!(out[len], 0x5A);
            }
            let mut out = vec![0; len];
            mix.only(Limit::Saturate, &sum, &mut out);
            let expected: Vec<_> = sum.iter().map(|sum: &i32| (*sum).clamp(-32768, 32767) as i16).collect();
            assert_eq!(out, expected, "{name} {len}");
        }
    }
}

#[test]
fn soft_limiting_leaves_what_fits_alone_and_never_turns_over() {
    for (name, mix) in levels() {
        let sum: Vec<i32> = (-400_000..400_000).step_by(7).collect();
        let mut out = vec![0; sum.len()];
        mix.only(Limit::Soft, &sum, &mut out);
        for ((sum, out), (_, next)) in sum.iter().zip(&out).zip(sum.iter().zip(&out).skip(1)) {
            assert!(sum.abs() > 24576 || i32::from(*out) == *sum, "{name} {sum}: {out}");
            assert!(next >= out, "{name} {sum}");
        }
        assert!(out.iter().all(|out| (-32767..=32767).contains(out)), "{name}");
        let mut expected = vec![0; sum.len()];
        Mix::new(Level::named("scalar").unwrap()).only(Limit::Soft, &sum, &mut expected);
        assert_eq!(out, expected, "{name}");
    }
}

#[test]
fn a_thousand_parties_at_full_scale_do_not_overflow() {
    for (_, mix) in levels() {
        let mut sum = vec![0; 160];
        (0..1000).for_each(|_| mix.add(&mut sum, &[i16::MIN; 160]));
        let mut out = vec![0; 160];
        mix.without(Limit::Saturate, &sum, &[i16::MIN; 160], &mut out);
        assert_eq!(out, [i16::MIN; 160]);
        mix.without(Limit::Soft, &sum, &[i16::MIN; 160], &mut out);
        assert!(out.iter().all(|x| *x < -32000));
    }
}

#[test]
fn adding_all_at_once_is_adding_one_by_one_for_any_number() {
    let mut random = crate::testing::Random(61);
    for (name, mix) in levels() {
        for len in [0, 1, 7, 31, 80, 160, 161] {
            let frames: Vec<Vec<i16>> = (0..11).map(|_| (0..len).map(|_| random.sample()).collect()).collect();
            for count in 0..frames.len() {
                let (mut one_by_one, mut at_once) = (vec![5; len], vec![5; len]);
                frames[..count].iter().for_each(|frame| mix.add(&mut one_by_one, frame));
                mix.add_all(&mut at_once, frames[..count].iter().map(Vec::as_slice));
                assert_eq!(one_by_one, at_once, "{name} {len} {count}");
            }
        }
    }
}
