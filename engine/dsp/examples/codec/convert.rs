//! A sound file into the encoding and rate that a channel takes without transcoding.
//! Shape:  PCM16 of any rate in; one of our formats out.
//! Errors: a file that cannot be read, or a format that is not known.

use dsp::Kernels;
use dsp::ilbc::Mode;
use dsp::resample::{Rational, Upsampler};

use crate::{Options, octets_of, raw, read, wav, write};

pub(crate) fn run(from: &str, to: &str, options: &Options) -> Result<(), String> {
    let format = options.to.as_deref().ok_or("--to is missing")?;
    let sound = wav::read(&read(from)?).map_err(|error| format!("{from}: {error}"))?;
    let kernels = &options.kernels;
    let file = match format {
        "pcma" => wav::write(wav::ALAW, 8000, 8000, 8, &raw::encoded("g711a", &at_rate(&sound, 8000, kernels)?, kernels)?),
        "pcmu" => wav::write(wav::ULAW, 8000, 8000, 8, &raw::encoded("g711u", &at_rate(&sound, 8000, kernels)?, kernels)?),
        "g722" => wav::write(wav::G722, 16000, 8000, 8, &raw::encoded("g722", &at_rate(&sound, 16000, kernels)?, kernels)?),
        "ilbc" => {
            let mut samples = at_rate(&sound, 8000, kernels)?;
            samples.resize(samples.len().next_multiple_of(Mode::Ms20.samples()), 0);
            wav::write(wav::ILBC, 8000, 1900, 0, &raw::encoded("ilbc20", &samples, kernels)?)
        }
        "l16@8000" => wav::write(wav::PCM, 8000, 16000, 16, &octets_of(&at_rate(&sound, 8000, kernels)?)),
        "l16@16000" => wav::write(wav::PCM, 16000, 32000, 16, &octets_of(&at_rate(&sound, 16000, kernels)?)),
        _ => return Err(format!("no format {format}")),
    };
    write(to, &file)
}

fn at_rate(sound: &wav::Sound, rate_hz: u32, kernels: &Kernels) -> Result<Vec<i16>, String> {
    if sound.rate_hz == rate_hz {
        return Ok(sound.samples.clone());
    }
    if (sound.rate_hz, rate_hz) == (8000, 16000) {
        let mut samples = vec![0; 2 * sound.samples.len()];
        kernels.resample.up(&mut Upsampler::default(), &sound.samples, &mut samples);
        return Ok(samples);
    }
    let mut samples = vec![];
    Rational::new(sound.rate_hz, rate_hz).map_err(|error| error.to_string())?.feed(&sound.samples, |sample| samples.push(sample));
    Ok(samples)
}
