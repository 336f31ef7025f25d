//! Raw files through one codec, frame by frame, with the losses of a mask concealed.
//! Shape:  frames of 20 ms: 160 octets of G.711 or G.722, 38 of iLBC; of 30 ms: 50 of iLBC.
//! Errors: a codec that is not known, a file that cannot be read or written.

use dsp::g722::{Decoder, Encoder, Scratch};
use dsp::plc::{Narrow, Wide};
use dsp::{Batch, Kernels, ilbc};

use crate::{Options, octets_of, read, samples_of, write};

/// Octets of a frame.
const FRAME: usize = 160;

pub(crate) fn encode(codec: &str, from: &str, to: &str, options: &Options) -> Result<(), String> {
    let samples = samples_of(&read(from)?);
    write(to, &encoded(codec, &samples, &options.kernels)?)
}

pub(crate) fn decode(codec: &str, from: &str, to: &str, options: &Options) -> Result<(), String> {
    let octets = read(from)?;
    let lost = |frame: usize| options.mask.as_ref().is_some_and(|mask| mask.get(frame) == Some(&b'0'));
    let samples = match codec {
        "g711a" | "g711u" => decode_g711(codec == "g711a", &octets, &options.kernels, lost),
        "g722" => decode_g722(Decoder::new(options.mode), &octets, &options.kernels, lost)?,
        "ilbc20" => decode_ilbc(ilbc::Mode::Ms20, &octets, &options.kernels, lost)?,
        "ilbc30" => decode_ilbc(ilbc::Mode::Ms30, &octets, &options.kernels, lost)?,
        _ => return Err(format!("no codec {codec}")),
    };
    write(to, &octets_of(&samples))
}

/// A whole stream encoded.
pub(crate) fn encoded(codec: &str, samples: &[i16], kernels: &Kernels) -> Result<Vec<u8>, String> {
    let mut octets = vec![0; samples.len()];
    match codec {
        "g711a" => kernels.g711.alaw_encode(samples, &mut octets),
        "g711u" => kernels.g711.ulaw_encode(samples, &mut octets),
        "g722" => {
            octets.clear();
            let mut coder = G722Coder::new(kernels);
            let mut encoder = Encoder::new();
            for frame in samples.chunks(2 * FRAME) {
                octets.extend(coder.encode(&mut encoder, frame)?);
            }
        }
        "ilbc20" => octets = encode_ilbc(ilbc::Mode::Ms20, samples, kernels)?,
        "ilbc30" => octets = encode_ilbc(ilbc::Mode::Ms30, samples, kernels)?,
        _ => return Err(format!("no codec {codec}")),
    }
    Ok(octets)
}

fn decode_g711(alaw: bool, octets: &[u8], kernels: &Kernels, lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut samples = vec![0; octets.len()];
    if alaw {
        kernels.g711.alaw_decode(octets, &mut samples);
    } else {
        kernels.g711.ulaw_decode(octets, &mut samples);
    }
    let mut plc = Narrow::new();
    for (n, frame) in samples.chunks_mut(FRAME).enumerate() {
        if lost(n) { plc.lost(frame) } else { plc.received(frame) }
    }
    samples
}

fn decode_g722(mut decoder: Decoder, octets: &[u8], kernels: &Kernels, lost: impl Fn(usize) -> bool) -> Result<Vec<i16>, String> {
    let (mut coder, mut plc, mut samples) = (G722Coder::new(kernels), Wide::new(), vec![]);
    for (n, frame) in octets.chunks(FRAME).enumerate() {
        if lost(n) {
            // The decoder follows what is made up, so that the next frame finds it near the sender.
            let mut shadow = decoder.shadow(plc.heard());
            let mut made = vec![0; 2 * frame.len()];
            plc.lost(&mut made);
            let codes = coder.encode(&mut shadow, &made)?;
            coder.decode(&mut decoder, &codes)?;
            samples.extend(made);
        } else {
            let mut heard = coder.decode(&mut decoder, frame)?;
            plc.received(&mut heard);
            samples.extend(heard);
        }
    }
    Ok(samples)
}

fn encode_ilbc(mode: ilbc::Mode, samples: &[i16], kernels: &Kernels) -> Result<Vec<u8>, String> {
    let (mut batch, mut encoder, mut octets) = (Batch::new(1, mode.samples()), ilbc::Encoder::new(mode), vec![]);
    for frame in samples.chunks_exact(mode.samples()) {
        batch.clear();
        let ticket = batch.push(&encoder, frame).map_err(|error| error.to_string())?;
        kernels.ilbc.encode(&mut batch);
        octets.extend(batch.output(ticket));
        encoder = *batch.state(ticket).ok_or("the frame is gone")?;
    }
    Ok(octets)
}

/// A lost frame goes to the decoder as no octets, and is concealed there.
fn decode_ilbc(mode: ilbc::Mode, octets: &[u8], kernels: &Kernels, lost: impl Fn(usize) -> bool) -> Result<Vec<i16>, String> {
    let (mut batch, mut decoder, mut samples) = (Batch::new(1, mode.octets()), ilbc::Decoder::new(mode), vec![]);
    for (n, frame) in octets.chunks_exact(mode.octets()).enumerate() {
        batch.clear();
        let ticket = batch.push(&decoder, if lost(n) { &[] } else { frame }).map_err(|error| error.to_string())?;
        kernels.ilbc.decode(&mut batch);
        samples.extend(batch.output(ticket));
        decoder = *batch.state(ticket).ok_or("the frame is gone")?;
    }
    Ok(samples)
}

/// G.722 with one channel: a batch of one frame.
struct G722Coder<'a> {
    kernels: &'a Kernels,
    encode: Batch<Encoder, i16, u8>,
    decode: Batch<Decoder, u8, i16>,
    scratch: Box<Scratch>,
}

impl<'a> G722Coder<'a> {
    fn new(kernels: &'a Kernels) -> Self {
        Self { kernels, encode: Batch::new(1, 2 * FRAME), decode: Batch::new(1, FRAME), scratch: Scratch::new() }
    }

    fn encode(&mut self, encoder: &mut Encoder, samples: &[i16]) -> Result<Vec<u8>, String> {
        self.encode.clear();
        let ticket = self.encode.push(encoder, samples).map_err(|error| error.to_string())?;
        self.kernels.g722.encode(&mut self.encode, &mut self.scratch);
        *encoder = self.encode.state(ticket).copied().unwrap_or_default();
        Ok(self.encode.output(ticket).to_vec())
    }

    fn decode(&mut self, decoder: &mut Decoder, octets: &[u8]) -> Result<Vec<i16>, String> {
        self.decode.clear();
        let ticket = self.decode.push(decoder, octets).map_err(|error| error.to_string())?;
        self.kernels.g722.decode(&mut self.decode, &mut self.scratch);
        *decoder = self.decode.state(ticket).copied().unwrap_or_default();
        Ok(self.decode.output(ticket).to_vec())
    }
}
