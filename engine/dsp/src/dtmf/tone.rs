//! The tones of a digit, made.
//! Shape:  any number of samples from any place of the tone on, so that frames of it need no state.
//! Units:  the rate in Hz; the amplitude is that of each of the two tones, of 32767.
//! Errors: none.
//! Source: ITU-T Q.23.

use super::Digit;

/// Fills `out` with the tones of a digit as they are `first` samples after their start.
pub fn tones(digit: Digit, rate_hz: u32, amplitude: f32, first: usize, out: &mut [i16]) {
    out.fill(0);
    for hz in digit.frequencies_hz() {
        for (n, sample) in out.iter_mut().enumerate() {
            // Whole turns are left out before the sine, in whole numbers, so that no digit is too long to be exact.
            let turns = (first + n) as u64 * u64::from(hz) % u64::from(rate_hz.max(1));
            let phase = turns as f32 / rate_hz.max(1) as f32 * std::f32::consts::TAU;
            *sample = sample.saturating_add((phase.sin() * amplitude).round_ties_even() as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;
    use crate::dtmf::{Detector, Event};

    #[test]
    fn every_digit_is_found_by_the_detector_and_frames_join() {
        for event in 0..16 {
            let digit = Digit::from_event(event).unwrap();
            let (mut whole, mut parts) = ([0; 8160], [0; 8160]);
            tones(digit, 8000, 5000.0, 0, &mut whole[..800]);
            for (n, part) in parts[..800].chunks_mut(160).enumerate() {
                tones(digit, 8000, 5000.0, 160 * n, part);
            }
            assert_eq!(whole, parts);
            let (mut detector, mut found) = (Detector::new(), vec![]);
            Kernels::best().dtmf.listen(&mut detector, &whole, |event| {
                if let Event::End { digit, .. } = event {
                    found.push(digit);
                }
            });
            assert_eq!(found, [digit]);
        }
    }
}
