//! Takes the mean out of a signal: analogue gateways and sound cards leave one, and it eats the head room of a mix.
//! Shape:  in place, frames of any length.
//! Units:  the mean in 2^-16 of a sample; it follows with a corner at 5 Hz, an octave and more below any voice.
//! Errors: none.
//! Source: y = x - m, m += (x - m) / 2^k; k 8 at 8 kHz and 9 at 16 kHz.

/// Follows the mean of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DcFilter {
    mean: i64,
    shift: u32,
}

impl DcFilter {
    /// For a stream at this sample rate.
    pub const fn new(rate_hz: u32) -> Self {
        // 8 at 8 kHz, and one more per octave: the nearest power of two to a 32nd of the rate.
        Self { mean: 0, shift: if rate_hz < 64 { 1 } else { (rate_hz / 22).ilog2() } }
    }

    /// Takes the mean out of a frame.
    pub fn apply(&mut self, frame: &mut [i16]) {
        for sample in frame {
            let x = i64::from(*sample) << 16;
            let rest = x - self.mean;
            self.mean += rest >> self.shift;
            *sample = ((rest + (1 << 15)) >> 16).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_goes_and_the_voice_stays() {
        for (rate, shift) in [(8000, 8), (16000, 9)] {
            let mut filter = DcFilter::new(rate);
            assert_eq!(filter.shift, shift);
            let wave = |n: u32| (10_000.0 * (std::f64::consts::TAU * 100.0 * f64::from(n) / f64::from(rate)).sin()) as i16;
            let mut signal: Vec<i16> = (0..rate).map(|n| wave(n) + 3000).collect();
            signal.chunks_mut(160).for_each(|frame| filter.apply(frame));
            let tail = &signal[rate as usize / 2..];
            let mean = tail.iter().map(|x| f64::from(*x)).sum::<f64>() / tail.len() as f64;
            let peak = tail.iter().max().copied().unwrap();
            assert!(mean.abs() < 10.0, "{mean}");
            assert!((9900..10_100).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn full_scale_steps_saturate() {
        let mut filter = DcFilter::new(8000);
        filter.apply(&mut [i16::MIN; 8000]);
        let mut frame = [i16::MAX; 10];
        filter.apply(&mut frame);
        assert_eq!(frame[0], i16::MAX);
    }
}
