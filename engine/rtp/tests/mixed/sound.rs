//! What the phones of the simulation say and hear: tones, encoded once and told in a circle.
//!
//! Shape:  a loop is whole frames of a tone whose period divides it; decoders begin fresh and are given time to settle.
//! Units:  amplitudes of 32768; signal to noise in dB.
//! Errors: none; a window that holds nothing is no window.

use std::collections::HashMap;
use std::rc::Rc;

use dsp::{Batch, Kernels, g722, ilbc};
use rtp::api::Payload;

use crate::common::{payload, voice::amplitude};

/// Frames that a decoder has to settle before it is judged.
const SETTLE: usize = 3;
/// Samples at 8 kHz of a window: 200 ms, in which multiples of 5 Hz do not see each other.
const WINDOW: usize = 1600;

/// A codec of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Voice {
    Ulaw,
    Alaw,
    Linear8k,
    Linear16k,
    G722,
    Ilbc20,
    Ilbc30,
}

impl Voice {
    pub const ALL: [Self; 7] = [Self::Ulaw, Self::Alaw, Self::Linear8k, Self::Linear16k, Self::G722, Self::Ilbc20, Self::Ilbc30];

    pub fn payload(self) -> Payload {
        let ilbc = |mode: &str| Payload { fmtp: Some(mode.into()), ..payload(98, Some(("iLBC", 8000))) };
        match self {
            Self::Ulaw => payload(0, None),
            Self::Alaw => payload(8, None),
            Self::Linear8k => payload(96, Some(("L16", 8000))),
            Self::Linear16k => payload(97, Some(("L16", 16000))),
            Self::G722 => payload(9, None),
            Self::Ilbc20 => ilbc("mode=20"),
            Self::Ilbc30 => ilbc("mode=30"),
        }
    }

    pub fn rate(self) -> u32 {
        if matches!(self, Self::Linear16k | Self::G722) { 16_000 } else { 8000 }
    }

    /// Ticks of the RTP clock a second.
    pub fn clock(self) -> u32 {
        if self == Self::Linear16k { 16_000 } else { 8000 }
    }

    pub fn ptime_ms(self) -> u32 {
        if self == Self::Ilbc30 { 30 } else { 20 }
    }

    fn mode(self) -> ilbc::Mode {
        if self == Self::Ilbc30 { ilbc::Mode::Ms30 } else { ilbc::Mode::Ms20 }
    }

    /// How much of the sound it keeps: 0 most.
    pub fn grade(self) -> Grade {
        match self {
            Self::Ulaw | Self::Alaw | Self::Linear8k | Self::Linear16k => Grade::Plain,
            Self::G722 => Grade::G722,
            Self::Ilbc20 | Self::Ilbc30 => Grade::Ilbc,
        }
    }

    pub fn encode(self, samples: &[i16]) -> Vec<Vec<u8>> {
        let kernels = Kernels::best();
        let frame = (self.rate() * self.ptime_ms() / 1000) as usize;
        let (mut wide, mut narrow) = (g722::Encoder::default(), ilbc::Encoder::new(self.mode()));
        let mut scratch = g722::Scratch::new();
        let packet = |samples: &[i16]| {
            let mut octets = vec![0; samples.len()];
            match self {
                Self::Ulaw => kernels.g711.ulaw_encode(samples, &mut octets),
                Self::Alaw => kernels.g711.alaw_encode(samples, &mut octets),
                Self::Linear8k | Self::Linear16k => {
                    octets.resize(2 * samples.len(), 0);
                    dsp::l16::encode(samples, &mut octets);
                }
                Self::G722 => {
                    let mut batch = Batch::new(1, samples.len());
                    let ticket = batch.push(&wide, samples).unwrap();
                    kernels.g722.encode(&mut batch, &mut scratch);
                    (wide, octets) = (*batch.state(ticket).unwrap(), batch.output(ticket).to_vec());
                }
                Self::Ilbc20 | Self::Ilbc30 => {
                    let mut batch = Batch::new(1, samples.len());
                    let ticket = batch.push(&narrow, samples).unwrap();
                    kernels.ilbc.encode(&mut batch);
                    (narrow, octets) = (*batch.state(ticket).unwrap(), batch.output(ticket).to_vec());
                }
            }
            octets
        };
        samples.chunks_exact(frame).map(packet).collect()
    }

    pub fn decode<'a>(self, packets: impl Iterator<Item = &'a [u8]>) -> Vec<i16> {
        let kernels = Kernels::best();
        let (mut wide, mut narrow) = (g722::Decoder::default(), ilbc::Decoder::new(self.mode()));
        let mut scratch = g722::Scratch::new();
        let mut all = Vec::new();
        for octets in packets {
            let mut samples = vec![0; octets.len()];
            match self {
                Self::Ulaw => kernels.g711.ulaw_decode(octets, &mut samples),
                Self::Alaw => kernels.g711.alaw_decode(octets, &mut samples),
                Self::Linear8k | Self::Linear16k => {
                    samples.truncate(octets.len() / 2);
                    dsp::l16::decode(octets, &mut samples);
                }
                Self::G722 => {
                    let mut batch = Batch::new(1, octets.len());
                    let ticket = batch.push(&wide, octets).unwrap();
                    kernels.g722.decode(&mut batch, &mut scratch);
                    (wide, samples) = (*batch.state(ticket).unwrap(), batch.output(ticket).to_vec());
                }
                Self::Ilbc20 | Self::Ilbc30 => {
                    samples.clear();
                    for frame in octets.chunks_exact(self.mode().octets()) {
                        let mut batch = Batch::new(1, frame.len());
                        let ticket = batch.push(&narrow, frame).unwrap();
                        kernels.ilbc.decode(&mut batch);
                        narrow = *batch.state(ticket).unwrap();
                        samples.extend_from_slice(batch.output(ticket));
                    }
                }
            }
            all.extend(samples);
        }
        all
    }

    /// Packets that make a window, with what the decoder needs before it.
    pub fn packets_of_window(self) -> usize {
        WINDOW.div_ceil(8 * self.ptime_ms() as usize) + SETTLE
    }

    /// The newest window of what some packets in a row say.
    pub fn window<'a>(self, packets: impl Iterator<Item = &'a [u8]>) -> Option<Vec<i16>> {
        let samples = self.decode(packets);
        let len = WINDOW * self.rate() as usize / 8000;
        (samples.len() >= len).then(|| samples[samples.len() - len..].to_vec())
    }
}

/// How well a codec keeps a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    Plain,
    G722,
    Ilbc,
}

/// Tone of a phone. Multiples of 50 Hz: a frame holds whole periods, or two frames do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tone {
    pub hz: u32,
    pub level: u32,
}

impl Tone {
    pub fn samples(self, rate: u32, count: u32) -> Vec<i16> {
        let turn = std::f64::consts::TAU * f64::from(self.hz) / f64::from(rate);
        (0..count).map(|n| (f64::from(self.level) * (turn * f64::from(n)).sin()) as i16).collect()
    }

    /// Its level of 1 as it was said, and what else there is beside it, in dB below.
    pub fn find(self, samples: &[i16], rate: u32) -> (f64, f64) {
        let (level, rest) = amplitude(samples, f64::from(self.hz), rate);
        (level / f64::from(self.level), 20.0 * (level / std::f64::consts::SQRT_2 / rest.max(1e-3)).log10())
    }
}

/// Encoded tones, each made once.
#[derive(Default)]
pub struct Loops(HashMap<(Voice, Tone), Rc<Vec<Vec<u8>>>>);

impl Loops {
    pub fn of(&mut self, voice: Voice, tone: Tone) -> Rc<Vec<Vec<u8>>> {
        let make = || {
            // The encoder settles in the first second; the rest is an even number of frames.
            let packets = voice.encode(&tone.samples(voice.rate(), voice.rate() * 3));
            let lead = (packets.len() / 3) & !1;
            let all = (packets.len() - lead) & !1;
            Rc::new(packets[lead..lead + all].to_vec())
        };
        Rc::clone(self.0.entry((voice, tone)).or_insert_with(make))
    }
}
