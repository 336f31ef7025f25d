//! Frames of 20 ms, and the way from one rate to the other.
//!
//! Shape:  a frame is 160 samples at 8 kHz or 320 at 16 kHz, in room for 320.
//! State:  a converter goes on from frame to frame; another direction than before starts it anew.
//! Errors: none; lengths that do not fit each other give silence.

use dsp::Kernels;
use dsp::resample::{Downsampler, Upsampler};

use crate::clock::Rate;

/// Samples of the longer frame.
pub const FRAME_MAX: usize = Rate::Wide.samples();

/// 20 ms of sound.
#[derive(Debug, Clone)]
pub struct Frame {
    rate: Rate,
    samples: [i16; FRAME_MAX],
}

impl Frame {
    /// Silence.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, samples: [0; FRAME_MAX] }
    }

    /// Its rate.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Changes the rate; what is in it is noise until it is filled.
    pub const fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        self.samples.get(..self.rate.samples()).unwrap_or_default()
    }

    /// Its samples, to be filled.
    pub fn samples_mut(&mut self) -> &mut [i16] {
        self.samples.get_mut(..self.rate.samples()).unwrap_or_default()
    }
}

/// Rate converter of a stream of samples.
#[derive(Debug, Clone, Copy, Default)]
pub enum RateState {
    /// None was needed yet.
    #[default]
    Idle,
    /// 8 to 16 kHz.
    Up(Upsampler),
    /// 16 to 8 kHz.
    Down(Downsampler),
}

impl RateState {
    /// Fills `to` with what `from` is at the rate that the lengths say: equal, twice or half.
    pub fn convert(&mut self, kernels: &Kernels, from: &[i16], to: &mut [i16]) {
        if to.len() == from.len() {
            to.copy_from_slice(from);
        } else if to.len() == 2 * from.len() {
            kernels.resample.up(self.up(), from, to);
        } else if from.len() == 2 * to.len() {
            kernels.resample.down(self.down(), from, to);
        } else {
            to.fill(0);
        }
    }

    /// The converter to 16 kHz; a fresh one if the other was in use.
    pub fn up(&mut self) -> &mut Upsampler {
        if !matches!(self, Self::Up(_)) {
            *self = Self::Up(Upsampler::default());
        }
        match self {
            Self::Up(up) => up,
            Self::Idle | Self::Down(_) => unreachable!("set above"),
        }
    }

    /// The converter to 8 kHz; a fresh one if the other was in use.
    pub fn down(&mut self) -> &mut Downsampler {
        if !matches!(self, Self::Down(_)) {
            *self = Self::Down(Downsampler::default());
        }
        match self {
            Self::Down(down) => down,
            Self::Idle | Self::Up(_) => unreachable!("set above"),
        }
    }
}

/// A factor that glides, so that nothing begins or ends with a click.
#[derive(Debug, Clone, Copy)]
pub struct Gain {
    now: f32,
    target: f32,
}

impl Gain {
    /// From silence to `target` within the first frame.
    pub const fn rising_to(target: f32) -> Self {
        Self { now: 0.0, target }
    }

    /// `factor` from the first sample on.
    pub const fn steady(factor: f32) -> Self {
        Self { now: factor, target: factor }
    }

    /// Glides to another factor within the next frame.
    pub const fn set(&mut self, target: f32) {
        self.target = target;
    }

    /// It is where it goes.
    pub fn has_arrived(&self) -> bool {
        self.now == self.target
    }

    /// It is 1 and stays so.
    pub fn is_still(&self) -> bool {
        self.now == 1.0 && self.target == 1.0
    }

    /// Applies it to a frame.
    pub fn apply(&mut self, samples: &mut [i16]) {
        if self.is_still() {
            return;
        }
        let step = (self.target - self.now) / samples.len().max(1) as f32;
        for sample in samples {
            self.now += step;
            *sample = (f32::from(*sample) * self.now).round_ties_even() as i16; // saturates
        }
        self.now = self.target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_glides_within_one_frame_and_then_costs_nothing() {
        let mut gain = Gain::rising_to(1.0);
        let mut frame = [1000; 160];
        gain.apply(&mut frame);
        assert!(frame.windows(2).all(|w| (0..10).contains(&(w[1] - w[0]))) && frame[0] < 10 && frame[159] == 1000);
        frame = [-7; 160];
        gain.apply(&mut frame);
        assert_eq!(frame, [-7; 160]);
        gain.set(0.0);
        gain.apply(&mut frame);
        gain.apply(&mut frame);
        assert_eq!(frame, [0; 160]);
    }
}
