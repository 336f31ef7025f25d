//! Energy at every level against plain sums, and levels against their definitions.

use super::*;
use crate::testing::Random;

fn levels() -> impl Iterator<Item = (&'static str, Meter)> {
    Level::available().map(|level| (level.name(), Meter::new(level)))
}

#[test]
fn energy_is_exact_at_every_length_and_at_full_scale() {
    let mut random = Random(31);
    for len in (0..100).chain([160, 320, 100_000]) {
        for frame in [(0..len).map(|_| random.sample()).collect::<Vec<_>>(), vec![i16::MIN; len], vec![i16::MAX; len], vec![-1; len]] {
            let expected: u64 = frame.iter().map(|x| u64::from(x.unsigned_abs().min(32767)).pow(2)).sum();
            for (name, meter) in levels() {
                assert_eq!(meter.energy(&frame), Energy { squares: expected, samples: len as u64 }, "{name} {len}");
            }
        }
    }
}

#[test]
fn levels_follow_their_definitions() {
    let sine = |peak: f64| -> Vec<i16> { (0..8000).map(|n| (peak * (f64::from(n) * 0.7).sin()).round() as i16).collect() };
    let (_, meter) = levels().next().unwrap();
    let close = |a: f32, b: f32| (a - b).abs() < 0.02;
    assert!(close(meter.energy(&[32767; 80]).dbov(), 0.0));
    assert!(close(meter.energy(&sine(32767.0)).dbov(), -3.01));
    // 0 dBm0 is 3.17 dB below a full-scale sine.
    assert!(close(meter.energy(&sine(32767.0)).dbm0(), 3.17));
    assert_eq!(meter.energy(&sine(32767.0)).minus_dbov(), 3);
    let silence = meter.energy(&[0; 160]);
    assert_eq!((silence.minus_dbov(), silence.dbov()), (127, f32::NEG_INFINITY));
    assert_eq!(Energy::default().minus_dbov(), 127);
}
