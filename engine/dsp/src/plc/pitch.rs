//! The pitch period at the end of what was heard.
//! Shape:  the last 20 ms against the same some samples earlier; a coarse search over every second sample at 8 kHz, then a fine one.
//! Units:  periods in samples of the stream's own rate, 5 to 15 ms.
//! Speed:  samples are scaled to 12 bits, so that sums of products fit 32 bits and compile to pair products.
//! Errors: none; noise and silence have some period too.
//! Source: normalised cross-correlation as in ITU-T G.711 appendix I.

use super::{PITCH_MAX, PITCH_MIN};

/// Samples compared, at 8 kHz.
const WINDOW: usize = 160;

/// The period in samples of a stream at `K` x 8 kHz.
pub(super) fn find<const K: usize>(heard: &[i16]) -> usize {
    let (longest, window) = (K * PITCH_MAX, K * WINDOW);
    let Some(tail) = heard.len().checked_sub(longest + window).and_then(|from| heard.get(from..)) else { return longest };
    let peak = tail.iter().map(|x| x.unsigned_abs()).max().unwrap_or_default();
    let shift = (16 - peak.leading_zeros()).saturating_sub(11);
    // Every other sample at 8 kHz, every fourth at 16 kHz.
    let mut coarse = [0; (PITCH_MAX + WINDOW) / 2];
    for (to, from) in coarse.iter_mut().zip(tail.chunks_exact(2 * K)) {
        *to = (from.iter().map(|x| i32::from(*x >> shift)).sum::<i32>() / (2 * K as i32)) as i16;
    }
    let mut fine = [0; 2 * (PITCH_MAX + WINDOW)];
    for (to, from) in fine.iter_mut().zip(tail) {
        *to = from >> shift;
    }
    let fine = &fine[..tail.len()];
    let rough = 2 * K * best(&coarse, WINDOW / 2, PITCH_MIN / 2..=PITCH_MAX / 2);
    best(fine, window, (rough - 2 * K).max(K * PITCH_MIN)..=(rough + 2 * K).min(longest))
}

/// The lag at which the last `window` samples resemble the ones before them most.
fn best(samples: &[i16], window: usize, lags: std::ops::RangeInclusive<usize>) -> usize {
    let (_, now) = samples.split_at(samples.len() - window);
    let mut found = (*lags.end(), f32::NEG_INFINITY);
    for lag in lags {
        let then = &samples[samples.len() - window - lag..][..window];
        let (product, energy) = (dot(now, then), dot(then, then));
        let likeness = product as f32 / (energy as f32).max(window as f32).sqrt();
        if likeness > found.1 {
            found = (lag, likeness);
        }
    }
    found.0
}

/// At most 320 products of 12-bit values: below 2^31.
fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_train_has_its_own_period() {
        for period in PITCH_MIN..=PITCH_MAX {
            let train =
                |k: usize| -> Vec<i16> { (0..390 * k).map(|n| if n % (period * k) < 4 { 20_000 } else { (n % 7) as i16 }).collect() };
            let (narrow, wide) = (find::<1>(&train(1)), find::<2>(&train(2)));
            assert!(narrow % period == 0 || period % narrow == 0, "{period}: {narrow}");
            assert!(wide % (2 * period) == 0, "{period}: {wide}");
        }
    }

    #[test]
    fn full_scale_silence_and_short_history_are_no_trouble() {
        assert!((PITCH_MIN..=PITCH_MAX).contains(&find::<1>(&[i16::MIN; 390])));
        assert!((PITCH_MIN..=PITCH_MAX).contains(&find::<1>(&[0; 390])));
        assert_eq!(find::<2>(&[1; 10]), 2 * PITCH_MAX);
    }
}
