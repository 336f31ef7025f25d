//! `project-rtp --tone SPEC FILE` and `project-rtp --wavinfo FILE`: sound files from the command line.
//!
//! Shape:  both do their work and end; what they say goes to standard output.
//! Tone:   8 kHz, mono, PCM16. A file that is there is appended to if it is of that kind, else it is left as it is.
//!         `--tone uk DIR` (or `us`, `eu`) writes the call progress tones that are not there yet.
//! Errors: exit code 2, with the place in the spec or what is wrong with the file.
//! Source: `dsp::tone` for the language; the append rule is project-rtp's.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dsp::tone::progress::{self, Tones};
use dsp::tone::{Generator, Repeat, Spec};
use rtp::wav::{Encoding, Header, Layout, WriteFormat};

use super::Failure;
use crate::settings::Settings;

const TONE: Header = Header { format: WriteFormat::Pcm16, rate_hz: 8000, channels: 1 };
/// Longest file made: an hour.
const SAMPLES_MAX: u64 = 3600 * 8000;

/// Does what the flags ask; what to say, or nothing if they ask for nothing.
///
/// # Errors
/// The spec, the file, or the words beside them.
pub fn run(settings: &Settings) -> Result<Option<String>, Failure> {
    if let Some(spec) = settings.text("tone") {
        let [file] = settings.words.as_slice() else {
            return Err(Failure::usage("--tone takes a spec and one file: --tone 350+440*0.3:1000 dial.wav"));
        };
        let path = Path::new(file);
        let set = SETS.iter().find(|(name, _)| *name == spec).filter(|_| path.is_dir());
        let said = set.map_or_else(|| tone(&spec, path), |(_, tones)| all(tones, path));
        return said.map(Some).map_err(Failure::usage);
    }
    let Some(file) = settings.get::<PathBuf>("wavinfo").map_err(Failure::usage)? else { return Ok(None) };
    if !settings.words.is_empty() {
        return Err(Failure::usage("--wavinfo takes one file"));
    }
    wavinfo(&file).map(Some).map_err(Failure::usage)
}

/// Sets of tones by name.
const SETS: [(&str, Tones); 3] = [("uk", progress::UK), ("us", progress::US), ("eu", progress::EU)];

/// Writes the tones of a set that are not in the directory yet, each one period of its cadence, to be looped.
fn all(tones: &Tones, directory: &Path) -> Result<String, String> {
    let Tones { dial, ringing, busy, congestion, unobtainable, special_information, call_waiting, pay } = *tones;
    let files = [
        ("dial.wav", dial),
        ("ringing.wav", ringing),
        ("busy.wav", busy),
        ("congestion.wav", congestion),
        ("unobtainable.wav", unobtainable),
        ("special-information.wav", special_information),
        ("call-waiting.wav", call_waiting),
        ("pay.wav", pay),
    ];
    let missing = files.into_iter().map(|(name, spec)| (directory.join(name), spec)).filter(|(path, _)| !path.exists());
    let said: Result<Vec<String>, String> = missing.map(|(path, spec)| tone(spec, &path)).collect();
    said.map(|said| said.concat())
}

/// Writes a tone behind what is in the file.
fn tone(text: &str, path: &Path) -> Result<String, String> {
    let spec = Spec::parse(text).map_err(|error| format!("--tone `{text}`: {error}"))?;
    let shown = path.display();
    let mut file = match fs::read(path) {
        Ok(file) => existing(&file).map_err(|error| format!("{shown}: {error}; it is left as it is"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("{shown}: {error}")),
    };
    let before = file.len() / 2;
    let samples = spec.ms() * u64::from(TONE.rate_hz) / 1000;
    if before as u64 + samples > SAMPLES_MAX {
        return Err(format!("{shown}: it would be longer than an hour"));
    }
    let mut made = vec![0; samples as usize];
    Generator::new(spec, TONE.rate_hz, Repeat::Once).fill(&mut made);
    file.extend(made.iter().flat_map(|sample| sample.to_le_bytes()));
    let mut whole = TONE.bytes(file.len() as u64);
    whole.extend(file);
    // Beside it and then in its place, so that nobody plays half a file.
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&temporary, whole).and_then(|()| fs::rename(&temporary, path)).map_err(|error| format!("{shown}: {error}"))?;
    let verb = if before > 0 { "appended to" } else { "written to" };
    Ok(format!("{} ms {verb} {shown}\n", made.len() as u64 * 1000 / u64::from(TONE.rate_hz)))
}

/// Samples of a file that a tone may be appended to.
fn existing(file: &[u8]) -> Result<Vec<u8>, String> {
    let layout = Layout::read(file).map_err(|error| error.to_string())?;
    if (layout.encoding, layout.rate_hz, layout.channels) != (Encoding::Pcm16, TONE.rate_hz, TONE.channels) {
        return Err("is not PCM with 16 bits, mono, 8000 Hz".to_owned());
    }
    Ok(file.get(layout.data).unwrap_or_default().to_vec())
}

fn wavinfo(path: &Path) -> Result<String, String> {
    let file = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let layout = Layout::read(&file).map_err(|error| format!("{}: {error}", path.display()))?;
    let ms = layout.duration_ms();
    let mut out = String::new();
    let _ = writeln!(out, "file         {}", path.display());
    let _ = writeln!(out, "format       {:#06x}, {}", layout.tag, layout.encoding.name());
    let _ = writeln!(out, "channels     {}", layout.channels);
    let _ = writeln!(out, "sample rate  {} Hz", layout.rate_hz);
    let _ = writeln!(out, "samples      {}", layout.samples());
    let _ = writeln!(out, "data         {} bytes from byte {}", layout.data.len(), layout.data.start);
    let _ = writeln!(out, "duration     {}.{:03} s", ms / 1000, ms % 1000);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mediaswitch-tone-{name}-{}.wav", std::process::id()));
            let _ = fs::remove_file(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_tone_is_written_and_the_next_appended() {
        let scratch = Scratch::new("append");
        assert!(tone("400+450*0.5/0/400+450*0.5/0:400/200/400/2000", &scratch.0).unwrap().starts_with("3000 ms written"));
        assert!(tone("440:250", &scratch.0).unwrap().starts_with("250 ms appended"));
        let info = wavinfo(&scratch.0).unwrap();
        for line in ["format       0x0001, PCM, 16 bits", "sample rate  8000 Hz", "samples      26000", "duration     3.250 s"] {
            assert!(info.contains(line), "{info}");
        }
        let file = fs::read(&scratch.0).unwrap();
        let layout = Layout::read(&file).unwrap();
        let samples: Vec<i16> = file[layout.data].as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        assert!(samples[..3200].iter().any(|sample| sample.abs() > 10_000));
        assert!(samples[3200..4800].iter().all(|sample| *sample == 0));
        assert!(samples[24_000..].iter().any(|sample| sample.abs() > 30_000));
    }

    #[test]
    fn the_tones_of_a_country_are_written_once() {
        let scratch = Scratch::new("set");
        fs::create_dir(&scratch.0).unwrap();
        assert_eq!(all(&SETS[0].1, &scratch.0).unwrap().lines().count(), 8);
        assert_eq!(all(&SETS[0].1, &scratch.0), Ok(String::new()));
        assert!(wavinfo(&scratch.0.join("busy.wav")).unwrap().contains("duration     0.750 s"));
        fs::remove_dir_all(&scratch.0).unwrap();
    }

    #[test]
    fn another_kind_of_file_is_left_as_it_is() {
        let scratch = Scratch::new("other");
        let other = Header { rate_hz: 16_000, ..TONE }.bytes(0);
        fs::write(&scratch.0, &other).unwrap();
        assert!(tone("440:100", &scratch.0).unwrap_err().contains("is not PCM with 16 bits, mono, 8000 Hz"));
        assert_eq!(fs::read(&scratch.0).unwrap(), other);
        assert!(tone("440", &scratch.0).unwrap_err().contains("--tone `440`"));
        assert!(wavinfo(Path::new("/nowhere.wav")).is_err());
    }
}
