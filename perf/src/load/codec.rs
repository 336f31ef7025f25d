//! What a stream speaks, and sound in it: encoded before a run, decoded after it.
//!
//! ```text
//!   speech or tone at 8 kHz ─▶ [Codec::sound] ─▶ packets told in a circle          packets heard ─▶ [Listener] ─▶ 8 kHz
//! ```
//! Shape:  packets of one ptime; G.722 goes through 16 kHz and back. Sound repeats after [`SECONDS`].
//! Units:  samples at 8 kHz, octets of RTP payload, milliseconds.
//! Errors: none; an iLBC ptime that is no multiple of 20 ms is the caller's mistake and has no packets.
//! Source: RFC 3551 §4.5 and §6 for types and clocks, RFC 3952 for iLBC.

use std::f64::consts::TAU;

use dsp::resample::{Downsampler, Upsampler};
use dsp::{Batch, Kernels, g722, ilbc, l16};

/// Length of the sound that is repeated.
pub const SECONDS: usize = 4;
/// Sound before the part that is repeated, told once, so that encoders with a memory end as they began.
const LEAD_SECONDS: usize = 1;
/// Speech made for this project, 8 kHz mu-law.
static SPEECH: &[u8] = include_bytes!("../../../testfiles/vectors/plc/speech.ulaw");

/// Codec of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// iLBC, 20 ms frames.
    Ilbc,
    /// 16-bit samples at 8 kHz.
    L16,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Ilbc, Self::L16];

    /// As the command line says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::G722 => "g722",
            Self::Ilbc => "ilbc",
            Self::L16 => "l16",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Payload type that we use for it; the dynamic ones are those that project-rtp uses too.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::L16 => 96,
            Self::Ilbc => 97,
        }
    }

    /// `audio` of a channel's target.
    pub fn audio(self, ptime_ms: u16) -> serde_json::Value {
        let number = self.payload_type().to_string();
        let mut audio = serde_json::json!({ "payloads": [self.payload_type()], "ptime": ptime_ms });
        match self {
            Self::Ilbc => {
                audio["rtpmap"] = serde_json::json!({ &number: "iLBC/8000" });
                audio["fmtp"] = serde_json::json!({ number: "mode=20" });
            }
            Self::L16 => audio["rtpmap"] = serde_json::json!({ number: "L16/8000" }),
            Self::Pcmu | Self::Pcma | Self::G722 => {}
        }
        audio
    }

    /// Octets of a packet.
    pub const fn octets(self, ptime_ms: u16) -> usize {
        let ptime = ptime_ms as usize;
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8 * ptime,
            Self::L16 => 16 * ptime,
            Self::Ilbc => ptime / 20 * 38,
        }
    }

    /// Least signal-to-noise ratio that a tone in this codec must keep, once encoded and decoded; two codecs in a row lose 3 dB more.
    pub const fn snr_least_db(self) -> f64 {
        match self {
            Self::L16 => 40.0,
            Self::Pcmu | Self::Pcma => 30.0,
            Self::G722 => 25.0,
            Self::Ilbc => 8.0,
        }
    }

    /// Packets of this sound, to be told in a circle.
    pub fn sound(self, what: What, ptime_ms: u16) -> Sound {
        let samples = what.samples((SECONDS + LEAD_SECONDS) * 8000);
        let octets = self.encode(&samples);
        let size = self.octets(ptime_ms).max(1);
        let count = octets.len() / size;
        Sound { octets, size, count, lead: count * LEAD_SECONDS / (SECONDS + LEAD_SECONDS), spread: what == What::Speech }
    }

    /// All samples as octets, one after the other; what does not fill a frame is left out.
    pub fn encode(self, samples: &[i16]) -> Vec<u8> {
        let kernels = Kernels::best();
        let mut out = vec![0; samples.len() * 2];
        match self {
            Self::Pcmu | Self::Pcma => {
                out.truncate(samples.len());
                if self == Self::Pcmu { kernels.g711.ulaw_encode(samples, &mut out) } else { kernels.g711.alaw_encode(samples, &mut out) }
            }
            Self::L16 => {
                l16::encode(samples, &mut out);
            }
            Self::G722 => {
                let mut wide = vec![0; samples.len() * 2];
                let mut upsampler = Upsampler::default();
                for (from, to) in samples.chunks(160).zip(wide.chunks_mut(320)) {
                    kernels.resample.up(&mut upsampler, from, to);
                }
                let mut batch = Batch::new(1, wide.len());
                let ticket = batch.push(&g722::Encoder::new(), &wide);
                kernels.g722.encode(&mut batch, &mut g722::Scratch::new());
                out = ticket.map(|ticket| batch.output(ticket).to_vec()).unwrap_or_default();
            }
            Self::Ilbc => {
                out.clear();
                let mut encoder = ilbc::Encoder::new(ilbc::Mode::Ms20);
                let mut batch = Batch::new(1, 160);
                for frame in samples.chunks_exact(160) {
                    batch.clear();
                    let Ok(ticket) = batch.push(&encoder, frame) else { continue };
                    kernels.ilbc.encode(&mut batch);
                    out.extend_from_slice(batch.output(ticket));
                    if let Some(state) = batch.state(ticket) {
                        encoder = *state;
                    }
                }
            }
        }
        out
    }

    /// Ear for a stream in this codec.
    pub fn listener(self) -> Listener {
        Listener {
            codec: self,
            kernels: Kernels::best(),
            g722: g722::Decoder::default(),
            down: Downsampler::default(),
            ilbc: ilbc::Decoder::new(ilbc::Mode::Ms20),
        }
    }
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// Four seconds of speech.
    Speech,
    /// A sine of this frequency, a quarter of full scale: −15.05 dBov.
    Tone(f64),
    /// Nothing.
    Silence,
}

impl What {
    fn samples(self, count: usize) -> Vec<i16> {
        match self {
            Self::Silence => vec![0; count],
            Self::Tone(hz) => (0..count).map(|n| ((TAU * hz * n as f64 / 8000.0).sin() * 8192.0) as i16).collect(),
            Self::Speech => {
                let mut samples = vec![0; SPEECH.len()];
                Kernels::best().g711.ulaw_decode(SPEECH, &mut samples);
                samples.into_iter().cycle().take(count).collect()
            }
        }
    }
}

/// Encoded packets of one size: the lead once, then the rest in a circle.
#[derive(Debug, Clone, Default)]
pub struct Sound {
    octets: Vec<u8>,
    size: usize,
    count: usize,
    lead: usize,
    spread: bool,
}

impl Sound {
    /// The packet that `stream` tells as its `n`-th. In speech each stream begins elsewhere; a tone begins where its encoder began.
    pub fn packet(&self, stream: usize, n: u64) -> &[u8] {
        let n = if self.spread { n + stream as u64 } else { n } as usize;
        let circle = self.count.saturating_sub(self.lead).max(1);
        let at = if n < self.count { n } else { self.lead + (n - self.lead) % circle } * self.size;
        self.octets.get(at..at + self.size).unwrap_or_default()
    }
}

/// Decoder of one stream.
#[derive(Debug, Clone)]
pub struct Listener {
    codec: Codec,
    kernels: Kernels,
    g722: g722::Decoder,
    down: Downsampler,
    ilbc: ilbc::Decoder,
}

impl Listener {
    /// Samples of a packet's payload, at 8 kHz.
    pub fn decode(&mut self, payload: &[u8]) -> Vec<i16> {
        match self.codec {
            Codec::Pcmu | Codec::Pcma => {
                let mut samples = vec![0; payload.len()];
                let g711 = self.kernels.g711;
                if self.codec == Codec::Pcmu {
                    g711.ulaw_decode(payload, &mut samples);
                } else {
                    g711.alaw_decode(payload, &mut samples);
                }
                samples
            }
            Codec::L16 => {
                let mut samples = vec![0; payload.len() / 2];
                l16::decode(payload, &mut samples);
                samples
            }
            Codec::G722 => {
                let mut batch = Batch::new(1, payload.len());
                let Ok(ticket) = batch.push(&self.g722, payload) else { return Vec::new() };
                self.kernels.g722.decode(&mut batch, &mut g722::Scratch::new());
                self.g722 = batch.state(ticket).copied().unwrap_or_default();
                let mut samples = vec![0; payload.len()];
                self.kernels.resample.down(&mut self.down, batch.output(ticket), &mut samples);
                samples
            }
            Codec::Ilbc => {
                let mut samples = Vec::new();
                for frame in payload.chunks(38) {
                    let mut batch = Batch::new(1, 38);
                    let Ok(ticket) = batch.push(&self.ilbc, frame) else { continue };
                    self.kernels.ilbc.decode(&mut batch);
                    samples.extend_from_slice(batch.output(ticket));
                    if let Some(state) = batch.state(ticket) {
                        self.ilbc = *state;
                    }
                }
                samples
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ear::Ear;

    #[test]
    fn a_tone_in_every_codec_is_heard_clean_across_the_seam() {
        for codec in Codec::ALL {
            let sound = codec.sound(What::Tone(1000.0), 20);
            let (mut listener, mut ear) = (codec.listener(), Ear::default());
            // Five seconds and a half: the newest second holds the seam.
            for n in 0..275 {
                let payload = sound.packet(3, n);
                assert_eq!(payload.len(), codec.octets(20), "{codec:?}");
                ear.hear(&listener.decode(payload));
            }
            let heard = ear.tone().unwrap();
            assert!((heard.tone_hz - 1000.0).abs() < 1.0 && (heard.level_dbov + 15.05).abs() < 1.0, "{codec:?}: {heard:?}");
            assert!(heard.snr_db > codec.snr_least_db(), "{codec:?}: {heard:?}");
        }
    }

    #[test]
    fn a_longer_ptime_holds_more() {
        let sound = Codec::Ilbc.sound(What::Speech, 40);
        assert_eq!((sound.packet(0, 0).len(), sound.packet(0, 99) == sound.packet(0, 199)), (76, true));
        assert_ne!(Codec::L16.sound(What::Speech, 10).packet(7, 50), Codec::L16.sound(What::Speech, 10).packet(8, 50));
    }
}
