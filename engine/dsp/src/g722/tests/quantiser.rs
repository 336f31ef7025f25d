//! The quantisers and the step sizes, exhaustively: every step size with every difference.

use crate::g722::lanes::band::Band;
use crate::g722::scalar;
use crate::lanes::Lanes;
use crate::lanes::tests::{Check, on_every_level};

struct Quantisers;
impl Check for Quantisers {
    fn check<L: Lanes>(&self, l: L, name: &str) {
        let store = |value| {
            let mut row = vec![0; L::LANES];
            l.store(value, &mut l.rows_mut(&mut row).0[0]);
            row
        };
        let mut steps: Vec<_> = (0..=22528_i16).map(|nb| (scalar::antilog(nb, 10), nb)).collect();
        steps.dedup_by_key(|(det, _)| *det);
        for (det, nb) in steps {
            let mut band = Band::at_rest(l);
            band.set_scale(l, nb);
            assert_eq!(store(band.det())[0], det, "{name} {nb}");
            let reference = scalar::Band::with_step(det);
            for first in (i16::MIN..=i16::MAX).step_by(L::LANES) {
                let row: Vec<i16> = (0..L::LANES).map(|i| first.wrapping_add(i as i16)).collect();
                let x = l.load(&l.rows(&row).0[0]);
                let (code, d, step) = band.quantise_low(l, x);
                let (low, d, step) = (store(code), store(d), store(step));
                let (code, dh, steph) = band.quantise_high(l, x);
                let (high, dh, steph) = (store(code), store(dh), store(steph));
                for (i, x) in row.iter().enumerate() {
                    let expected = reference.low(*x);
                    assert_eq!((low[i] as u8, d[i], step[i]), expected, "{name} step {det} difference {x}");
                    let expected = reference.high(*x);
                    assert_eq!((high[i] as u8, dh[i], steph[i]), expected, "{name} step {det} difference {x}");
                }
            }
        }
    }
}

#[test]
fn every_step_size_with_every_difference_quantises_as_scalar() {
    on_every_level(&Quantisers);
}
