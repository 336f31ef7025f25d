//! Codecs of this crate on files.
//! ```text
//!   codec encode|decode g711a|g711u|g722|ilbc20|ilbc30 IN OUT [--mode 64|56|48] [--mask FILE] [--variant NAME]
//!   codec convert IN.wav OUT.wav --to pcma|pcmu|g722|ilbc|l16@8000|l16@16000 [--variant NAME]
//! ```
//! Shape:  raw files: samples are 16-bit little endian (8 kHz, G.722 16 kHz), codes are octets as on RTP, frames are 20 ms (`ilbc30` 30 ms). The
//!         rest of an iLBC stream that is no whole frame is left out. A mask has one character per frame, `0` for a lost one, which is then
//!         concealed. Sound files: PCM16 in, any rate, any channels; iLBC with frames of 20 ms.
//! Errors: one line on standard error, exit code 1 (2 for a wrong command line).

mod convert;
mod raw;
mod wav;

use std::process::ExitCode;

use dsp::Kernels;
use dsp::g722::Mode;

/// What the options say.
struct Options {
    kernels: Kernels,
    mode: Mode,
    mask: Option<Vec<u8>>,
    to: Option<String>,
}

const USAGE: &str = "usage: codec encode|decode g711a|g711u|g722|ilbc20|ilbc30 IN OUT [--mode 64|56|48] [--mask FILE] [--variant NAME]
       codec convert IN.wav OUT.wav --to pcma|pcmu|g722|ilbc|l16@8000|l16@16000 [--variant NAME]";

fn main() -> ExitCode {
    let (words, options) = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("codec: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["encode", codec, from, to] => raw::encode(codec, from, to, &options),
        ["decode", codec, from, to] => raw::decode(codec, from, to, &options),
        ["convert", from, to] => convert::run(from, to, &options),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codec: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut arguments: impl Iterator<Item = String>) -> Result<(Vec<String>, Options), String> {
    let mut words = vec![];
    let mut options = Options { kernels: Kernels::best(), mode: Mode::Kbit64, mask: None, to: None };
    while let Some(word) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--mode" => {
                options.mode = match value()?.as_str() {
                    "64" => Mode::Kbit64,
                    "56" => Mode::Kbit56,
                    "48" => Mode::Kbit48,
                    other => return Err(format!("no mode {other}")),
                }
            }
            "--mask" => {
                let file = value()?;
                options.mask = Some(read(&file)?);
            }
            "--variant" => options.kernels = Kernels::named(&value()?).map_err(|error| error.to_string())?,
            "--to" => options.to = Some(value()?),
            _ => words.push(word),
        }
    }
    Ok((words, options))
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{file}: {error}"))
}

fn write(file: &str, octets: &[u8]) -> Result<(), String> {
    std::fs::write(file, octets).map_err(|error| format!("{file}: {error}"))
}

fn samples_of(octets: &[u8]) -> Vec<i16> {
    octets.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

fn octets_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}
