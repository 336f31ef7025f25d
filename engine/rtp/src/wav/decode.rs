//! From the bytes of a file to a [`Sound`] at 8 or 16 kHz.
//!
//! Shape:  everything at once, on a thread that may take its time; memory is bounded by `max_samples`.
//! Rate:   through `dsp::resample`, whose delay is cut off, so that a sound begins where its file does.
//! Errors: [`WavError`].

use dsp::Kernels;
use dsp::g722::{self, Decoder, Scratch};
use dsp::ilbc::Mode;
use dsp::resample::Rational;

use super::{Encoding, Layout, WavError};
use crate::sound::Sound;
use crate::soup::FileKey;

/// Samples decoded at a time where a codec works in batches: one second.
const BLOCK: usize = 16_000;

/// Decodes a file by the key that named it.
///
/// # Errors
/// [`WavError`].
pub fn decode_file(key: FileKey, file: &[u8], to_hz: u32, max_samples: u64, kernels: &Kernels) -> Result<Sound, WavError> {
    let (encoding, rate_hz) = match key {
        FileKey::Wav => return sound(file, to_hz, max_samples, kernels),
        FileKey::Pcma => (Encoding::Alaw, 8000),
        FileKey::Pcmu => (Encoding::Ulaw, 8000),
        FileKey::L168k => (Encoding::Pcm16, 8000),
        FileKey::L1616k => (Encoding::Pcm16, 16_000),
        FileKey::G722 => (Encoding::G722, 16_000),
        FileKey::Ilbc => {
            let (mode, file) = ilbc_file(file);
            return raw(Encoding::Ilbc(mode), 1, 8000, file, to_hz, max_samples, kernels);
        }
    };
    raw(encoding, 1, rate_hz, file, to_hz, max_samples, kernels)
}

/// Decodes a WAV file.
///
/// # Errors
/// [`WavError`].
pub fn sound(file: &[u8], to_hz: u32, max_samples: u64, kernels: &Kernels) -> Result<Sound, WavError> {
    let layout = Layout::read(file)?;
    let data = file.get(layout.data.clone()).unwrap_or_default();
    raw(layout.encoding, layout.channels, layout.rate_hz, data, to_hz, max_samples, kernels)
}

/// Decodes samples that stand without a header.
///
/// # Errors
/// [`WavError::TooLong`], [`WavError::Rate`].
pub fn raw(
    encoding: Encoding,
    channels: u16,
    rate_hz: u32,
    data: &[u8],
    to_hz: u32,
    max_samples: u64,
    kernels: &Kernels,
) -> Result<Sound, WavError> {
    let frames = encoding.samples(data.len(), channels);
    let channels = usize::from(channels.max(1));
    let samples = frames * u64::from(to_hz) / u64::from(rate_hz.max(1));
    // Before the rate is changed the sound is there as well.
    if samples.max(frames / RATE_MAX) > max_samples {
        return Err(WavError::TooLong { samples, max: max_samples });
    }
    let mut converter = if rate_hz == to_hz { None } else { Some(Rational::new(rate_hz, to_hz).map_err(WavError::Rate)?) };
    let samples = linear(encoding, data, kernels);
    let samples = if channels == 1 { samples } else { mono(&samples, channels) };
    Ok(Sound::new(
        to_hz,
        match &mut converter {
            Some(rational) => change_rate(rational, &samples, rate_hz, to_hz),
            None => samples,
        },
    ))
}

/// How much larger than the result what is decoded may be: 192 to 16 kHz, rounded.
const RATE_MAX: u64 = 12;

fn linear(encoding: Encoding, data: &[u8], kernels: &Kernels) -> Vec<i16> {
    match encoding {
        Encoding::Pcm8 => data.iter().map(|byte| (i16::from(*byte) - 128) << 8).collect(),
        Encoding::Pcm16 => data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect(),
        // The lowest byte is below what a telephone hears.
        Encoding::Pcm24 => data.as_chunks::<3>().0.iter().map(|[_, low, high]| i16::from_le_bytes([*low, *high])).collect(),
        Encoding::Alaw => {
            let mut out = vec![0; data.len()];
            kernels.g711.alaw_decode(data, &mut out);
            out
        }
        Encoding::Ulaw => {
            let mut out = vec![0; data.len()];
            kernels.g711.ulaw_decode(data, &mut out);
            out
        }
        Encoding::G722 => g722(data, kernels),
        Encoding::Ilbc(mode) => ilbc(mode, data, kernels),
    }
}

/// A raw file says its mode, or is of 20 ms as the predecessor's were (RFC 3952 §6).
fn ilbc_file(file: &[u8]) -> (Mode, &[u8]) {
    let of = |magic: &[u8], mode| file.strip_prefix(magic).map(|rest| (mode, rest));
    of(b"#!iLBC30\n", Mode::Ms30).or_else(|| of(b"#!iLBC20\n", Mode::Ms20)).unwrap_or((Mode::Ms20, file))
}

fn ilbc(mode: Mode, data: &[u8], kernels: &Kernels) -> Vec<i16> {
    let mut batch = dsp::Batch::<dsp::ilbc::Decoder, u8, i16>::new(1, mode.samples());
    let mut decoder = dsp::ilbc::Decoder::new(mode);
    let mut out = Vec::with_capacity(data.len() / mode.octets() * mode.samples());
    for frame in data.chunks_exact(mode.octets()) {
        batch.clear();
        // One frame always fits.
        let Ok(ticket) = batch.push(&decoder, frame) else { continue };
        kernels.ilbc.decode(&mut batch);
        out.extend_from_slice(batch.output(ticket));
        if let Some(state) = batch.state(ticket) {
            decoder.clone_from(state);
        }
    }
    out
}

fn g722(data: &[u8], kernels: &Kernels) -> Vec<i16> {
    let mut batch = dsp::Batch::<Decoder, u8, i16>::new(1, BLOCK / 2);
    let (mut scratch, mut decoder) = (Scratch::new(), Decoder::new(g722::Mode::Kbit64));
    let mut out = Vec::with_capacity(2 * data.len());
    for block in data.chunks(BLOCK / 2) {
        batch.clear();
        // One frame of at most its size always fits.
        let Ok(ticket) = batch.push(&decoder, block) else { continue };
        kernels.g722.decode(&mut batch, &mut scratch);
        out.extend_from_slice(batch.output(ticket));
        decoder = batch.state(ticket).copied().unwrap_or(decoder);
    }
    out
}

fn mono(samples: &[i16], channels: usize) -> Vec<i16> {
    let average = |frame: &[i16]| (frame.iter().map(|sample| i32::from(*sample)).sum::<i32>() / channels as i32) as i16;
    samples.chunks_exact(channels).map(average).collect()
}

fn change_rate(rational: &mut Rational, samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    let wanted = (samples.len() as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz)) as usize;
    let delay = rational.delay_samples();
    let mut out = Vec::with_capacity(wanted + delay + 1);
    rational.feed(samples, |sample| out.push(sample));
    // Silence behind the end pushes out what the filter still holds.
    while out.len() < wanted + delay {
        rational.feed(&[0], |sample| out.push(sample));
    }
    out.drain(..delay);
    out.truncate(wanted);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: u64 = 1 << 20;

    fn sine(hz: f64, rate_hz: u32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (12_000.0 * (std::f64::consts::TAU * hz * n as f64 / f64::from(rate_hz)).sin()).round() as i16).collect()
    }

    fn pcm16(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    /// Signal to noise in dB of `have` against `wanted`, without the edges.
    fn snr(have: &[i16], wanted: &[i16]) -> f64 {
        assert_eq!(have.len(), wanted.len());
        let middle = have.len() / 10..have.len() * 9 / 10;
        let (mut signal, mut noise) = (0.0, 1e-9);
        for (have, wanted) in have[middle.clone()].iter().zip(&wanted[middle]) {
            signal += f64::from(*wanted).powi(2);
            noise += (f64::from(*have) - f64::from(*wanted)).powi(2);
        }
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn every_rate_arrives_in_time_and_shape() {
        let kernels = Kernels::best();
        for rate_hz in [8000, 11_025, 16_000, 22_050, 44_100, 48_000] {
            for to_hz in [8000, 16_000] {
                let data = pcm16(&sine(250.0, rate_hz, rate_hz as usize));
                let sound = raw(Encoding::Pcm16, 1, rate_hz, &data, to_hz, MAX, &kernels).unwrap();
                let snr = snr(sound.samples(), &sine(250.0, to_hz, to_hz as usize));
                // The delay that is cut off is rounded to a sample: at 250 Hz of 8 kHz a whole sample is -14 dB.
                assert!(snr > 12.0, "{rate_hz} to {to_hz}: {snr:.1} dB");
                assert!(rate_hz != to_hz || snr > 90.0);
            }
        }
    }

    #[test]
    fn stereo_is_averaged_and_every_depth_has_its_scale() {
        let kernels = Kernels::best();
        let of = |encoding, channels, data: &[u8]| raw(encoding, channels, 8000, data, 8000, MAX, &kernels).unwrap().samples().to_vec();
        assert_eq!(of(Encoding::Pcm16, 2, &pcm16(&[100, 300, -100, -300, 7])), [200, -200]);
        assert_eq!(of(Encoding::Pcm8, 1, &[128, 255, 0]), [0, 127 << 8, i16::MIN]);
        assert_eq!(of(Encoding::Pcm24, 1, &[0xff, 0x34, 0x12, 0, 0, 0x80]), [0x1234, i16::MIN]);
        assert_eq!(of(Encoding::Ulaw, 1, &[0xff, 0x00]), [0, -32_124]);
        assert_eq!(of(Encoding::Alaw, 1, &[0xd5, 0x2a]), [8, -32_256]);
    }

    #[test]
    fn g722_is_decoded_as_one_stream() {
        let kernels = Kernels::best();
        let speech = sine(700.0, 16_000, 40_000);
        let mut batch = dsp::Batch::<g722::Encoder, i16, u8>::new(1, speech.len());
        let ticket = batch.push(&g722::Encoder::new(), &speech).unwrap();
        kernels.g722.encode(&mut batch, &mut Scratch::new());
        let octets = batch.output(ticket).to_vec();
        let sound = decode_file(FileKey::G722, &octets, 16_000, MAX, &kernels).unwrap();
        // Coder and decoder together delay 22 samples.
        assert_eq!(sound.samples().len(), speech.len());
        assert!(snr(&sound.samples()[22..], &speech[..speech.len() - 22]) > 25.0);
        assert_eq!(decode_file(FileKey::G722, &octets, 8000, MAX, &kernels).unwrap().samples().len(), 20_000);
    }

    #[test]
    fn ilbc_is_decoded_in_the_mode_that_its_file_says() {
        let kernels = Kernels::best();
        let speech = sine(500.0, 8000, 4800);
        for (mode, magic) in [(Mode::Ms20, &b""[..]), (Mode::Ms20, b"#!iLBC20\n"), (Mode::Ms30, b"#!iLBC30\n")] {
            let mut batch = dsp::Batch::<dsp::ilbc::Encoder, i16, u8>::new(1, mode.samples());
            let (mut encoder, mut file) = (dsp::ilbc::Encoder::new(mode), magic.to_vec());
            for frame in speech.chunks(mode.samples()) {
                batch.clear();
                let ticket = batch.push(&encoder, frame).unwrap();
                kernels.ilbc.encode(&mut batch);
                file.extend(batch.output(ticket));
                encoder = *batch.state(ticket).unwrap();
            }
            let sound = decode_file(FileKey::Ilbc, &file, 8000, MAX, &kernels).unwrap();
            assert_eq!(sound.samples().len(), 4800);
            // The enhancer is late by 40 or 80 samples.
            let late = if mode == Mode::Ms20 { 40 } else { 80 };
            let snr = snr(&sound.samples()[late..], &speech[..4800 - late]);
            // Its high-pass filters turn the phase, which a comparison of waves takes for noise.
            assert!(snr > 5.0, "{mode:?}: {snr:.1} dB");
        }
    }

    proptest! {
        #[test]
        fn no_file_panics_and_none_is_longer_than_it_may(
            tag in prop::sample::select(vec![1_u16, 6, 7, 0xA112, 0xA116, 0xFFFE, 3]),
            channels in 0_u16..10,
            rate_hz in prop_oneof![prop::sample::select(vec![8000_u32, 16_000, 22_050, 44_100, 48_000]), any::<u32>()],
            block in prop::sample::select(vec![0_u16, 2, 38, 50]),
            bits in prop::sample::select(vec![0_u16, 8, 16, 24, 32]),
            data in prop::collection::vec(any::<u8>(), 0..500),
            wide in any::<bool>(),
        ) {
            let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
            file.extend(tag.to_le_bytes());
            file.extend(channels.to_le_bytes());
            file.extend(rate_hz.to_le_bytes());
            file.extend([0; 4]);
            file.extend(block.to_le_bytes());
            file.extend(bits.to_le_bytes());
            file.extend(b"data");
            file.extend((data.len() as u32).to_le_bytes());
            file.extend(data);
            let to_hz = if wide { 16_000 } else { 8000 };
            if let Ok(sound) = sound(&file, to_hz, 300, &Kernels::best()) {
                prop_assert!(sound.samples().len() <= 301 && sound.rate_hz() == to_hz);
            }
        }
    }

    #[test]
    fn what_is_too_long_or_too_odd_is_refused() {
        let kernels = Kernels::best();
        assert_eq!(raw(Encoding::Ulaw, 1, 8000, &[0; 101], 8000, 100, &kernels), Err(WavError::TooLong { samples: 101, max: 100 }));
        assert!(matches!(raw(Encoding::Ulaw, 1, 44_101, &[0; 100], 8000, 100, &kernels), Err(WavError::Rate(_))));
    }
}
