//! What phones speak and hear: tones in every codec.
//! Shape:  [`Voice`] encodes and decodes with states of its own; [`amplitude`] finds a tone in what was heard.

use dsp::g722::{Decoder, Encoder, Scratch};
use dsp::{Batch, Kernels};

use super::payload;

/// What a phone speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Voice {
    Ulaw,
    Alaw,
    Linear8k,
    Linear16k,
    G722,
}

impl Voice {
    pub const ALL: [Self; 5] = [Self::Ulaw, Self::Alaw, Self::Linear8k, Self::Linear16k, Self::G722];

    pub fn payload(self) -> rtp::api::Payload {
        match self {
            Self::Ulaw => payload(0, None),
            Self::Alaw => payload(8, None),
            Self::Linear8k => payload(96, Some(("L16", 8000))),
            Self::Linear16k => payload(97, Some(("L16", 16000))),
            Self::G722 => payload(9, None),
        }
    }

    /// Samples a second.
    pub fn rate(self) -> u32 {
        if matches!(self, Self::Linear16k | Self::G722) { 16000 } else { 8000 }
    }

    /// Ticks of the RTP clock a second.
    pub fn clock(self) -> u32 {
        if self == Self::Linear16k { 16000 } else { 8000 }
    }

    /// Samples per octet, times two.
    pub fn density(self) -> usize {
        match self {
            Self::Ulaw | Self::Alaw => 2,
            Self::Linear8k | Self::Linear16k => 1,
            Self::G722 => 4,
        }
    }

    pub fn encode(self, encoder: &mut Encoder, samples: &[i16]) -> Vec<u8> {
        let kernels = Kernels::best();
        let mut octets = vec![0; 2 * samples.len() / self.density()];
        match self {
            Self::Ulaw => kernels.g711.ulaw_encode(samples, &mut octets),
            Self::Alaw => kernels.g711.alaw_encode(samples, &mut octets),
            Self::Linear8k | Self::Linear16k => assert_eq!(dsp::l16::encode(samples, &mut octets), octets.len()),
            Self::G722 => {
                let mut batch = Batch::new(1, samples.len());
                let ticket = batch.push(encoder, samples).unwrap();
                kernels.g722.encode(&mut batch, &mut Scratch::new());
                octets.copy_from_slice(batch.output(ticket));
                *encoder = *batch.state(ticket).unwrap();
            }
        }
        octets
    }

    pub fn decode(self, decoder: &mut Decoder, octets: &[u8]) -> Vec<i16> {
        let kernels = Kernels::best();
        let mut samples = vec![0; octets.len() * self.density() / 2];
        match self {
            Self::Ulaw => kernels.g711.ulaw_decode(octets, &mut samples),
            Self::Alaw => kernels.g711.alaw_decode(octets, &mut samples),
            Self::Linear8k | Self::Linear16k => assert_eq!(dsp::l16::decode(octets, &mut samples), samples.len()),
            Self::G722 => {
                let mut batch = Batch::new(1, octets.len());
                let ticket = batch.push(decoder, octets).unwrap();
                kernels.g722.decode(&mut batch, &mut Scratch::new());
                samples.copy_from_slice(batch.output(ticket));
                *decoder = *batch.state(ticket).unwrap();
            }
        }
        samples
    }
}

pub const LEVEL: f64 = 8000.0;

pub fn tone(hz: f64, rate: u32, first: u32, samples: u32) -> Vec<i16> {
    let at = |n: u32| (LEVEL * (std::f64::consts::TAU * hz * f64::from(n) / f64::from(rate)).sin()) as i16;
    (first..first + samples).map(at).collect()
}

/// Amplitude of a frequency in some samples, and of all that is not it.
pub fn amplitude(samples: &[i16], hz: f64, rate: u32) -> (f64, f64) {
    let n = samples.len() as f64;
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    // The angle is turned on from sample to sample, which is exact enough for minutes and costs no sine.
    let (turn_im, turn_re) = (std::f64::consts::TAU * hz / f64::from(rate)).sin_cos();
    let (mut cos, mut sin) = (1.0, 0.0);
    for &s in samples {
        let s = f64::from(s);
        re += s * cos;
        im += s * sin;
        power += s * s;
        (cos, sin) = (cos * turn_re - sin * turn_im, sin * turn_re + cos * turn_im);
    }
    let amplitude = 2.0 * re.hypot(im) / n;
    let rest = (power / n - amplitude * amplitude / 2.0).max(0.0).sqrt();
    (amplitude, rest)
}
