//! Comfort noise: what a listener hears while the other side sends nothing.
//! Shape:  frames of any length; the noise goes on from call to call, and glides to a new description within a frame or two.
//! Units:  the level of the description is that of the output; the filter is a lattice of reflection coefficients.
//! Errors: none.
//! Source: RFC 3389 §5. A lattice with coefficients k makes noise of power P from white noise of power P times the product of 1 - k^2.

use super::sid::{ORDER_MAX, Sid};

/// Comfort noise of one channel.
#[derive(Debug, Clone, Copy)]
pub struct Comfort {
    seed: u32,
    /// Root mean square of the white noise that goes into the filter.
    drive: f32,
    target: f32,
    reflections: [f32; ORDER_MAX],
    order: usize,
    backward: [f32; ORDER_MAX + 1],
}

impl Comfort {
    /// Silence until described; `seed` makes channels differ from each other.
    pub const fn new(seed: u32) -> Self {
        Self { seed, drive: 0.0, target: 0.0, reflections: [0.0; ORDER_MAX], order: 0, backward: [0.0; ORDER_MAX + 1] }
    }

    /// Takes a description.
    pub fn describe(&mut self, sid: &Sid) {
        self.reflections = [0.0; ORDER_MAX];
        self.order = 0;
        let mut power = 1.0;
        for (to, k) in self.reflections.iter_mut().zip(sid.reflections()) {
            *to = k;
            power *= 1.0 - k * k;
            self.order += 1;
        }
        let rms = if sid.level() >= 127 { 0.0 } else { 32768.0 * 10.0_f32.powf(-f32::from(sid.level()) / 20.0) };
        self.target = rms * power.sqrt();
    }

    /// Fills a frame.
    pub fn fill(&mut self, frame: &mut [i16]) {
        for sample in frame {
            self.drive += (self.target - self.drive) / 64.0;
            let mut forward = self.white() * self.drive;
            // All-pole lattice, from the last coefficient to the first.
            for i in (0..self.order).rev() {
                forward += self.reflections[i] * self.backward[i];
                self.backward[i + 1] = self.backward[i] - self.reflections[i] * forward;
            }
            self.backward[0] = forward;
            *sample = forward.round_ties_even() as i16; // saturates
        }
    }

    /// White noise of power 1: the sum of three even distributions is round enough for the ear.
    fn white(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..3 {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.seed >> 8) as f32 / 16_777_216.0 - 0.5;
        }
        2.0 * sum // three times 1/12, by four
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;
    use crate::silence::Background;

    #[test]
    fn noise_has_the_level_and_the_shape_of_its_description() {
        for payload in [&[40][..], &[50, 200], &[60, 20, 160], &[35, 220, 60, 140, 120]] {
            let sid = Sid::parse(payload).unwrap();
            let mut comfort = Comfort::new(7);
            comfort.describe(&sid);
            let mut noise = vec![0; 80_000];
            noise.chunks_mut(160).for_each(|frame| comfort.fill(frame));
            let level = Kernels::best().meter.energy(&noise[8000..]).dbov();
            assert!((level + f32::from(payload[0])).abs() < 1.0, "{payload:?}: {level} dBov");
            let mut background = Background::new();
            background.listen(&noise[8000..]);
            for (found, told) in background.describe(payload.len() - 1).reflections().zip(sid.reflections()) {
                assert!((found - told).abs() < 0.05, "{payload:?}: {found} for {told}");
            }
        }
    }

    #[test]
    fn level_127_is_silence_and_any_payload_stays_finite() {
        let mut comfort = Comfort::new(1);
        comfort.describe(&Sid::white(127));
        let mut frame = [1; 160];
        comfort.fill(&mut frame);
        assert_eq!(frame, [0; 160]);
        for octet in 0..=255 {
            comfort.describe(&Sid::parse(&[octet; 13]).unwrap());
            comfort.fill(&mut frame);
            assert!(comfort.backward.iter().all(|x| x.is_finite()), "{octet}");
        }
    }
}
