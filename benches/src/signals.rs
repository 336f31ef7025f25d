//! Signals to measure with: the speech of the conformance vectors.
//! Shape:  16-bit samples at the rate in the name; octets of a codec.
//! Why:    codecs with branches in them (the peers') take their time by what they hear, so noise or silence would not be fair.
//! Errors: a missing file panics, naming itself.

use std::path::PathBuf;

/// Octets of a file in `testfiles/vectors`.
pub fn octets(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testfiles/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Samples of a raw file.
pub fn samples(name: &str) -> Vec<i16> {
    octets(name).as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// 14.6 s of speech at 16 kHz.
pub fn speech_16k() -> Vec<i16> {
    samples("g722/wb_speech.s16")
}

/// The same as G.722 octets.
pub fn speech_g722() -> Vec<u8> {
    octets("g722/wb_speech.g722")
}

/// The same at 8 kHz as iLBC frames, by the float code of RFC 3951.
pub fn speech_ilbc(mode: dsp::ilbc::Mode) -> Vec<u8> {
    octets(match mode {
        dsp::ilbc::Mode::Ms20 => "ilbc/speech.20.rfc.ilbc",
        dsp::ilbc::Mode::Ms30 => "ilbc/speech.30.rfc.ilbc",
    })
}

/// 14.6 s of speech at 8 kHz, by way of mu-law.
pub fn speech_8k() -> Vec<i16> {
    let codes = octets("plc/speech.ulaw");
    let mut speech = vec![0; codes.len()];
    dsp::Kernels::best().g711.ulaw_decode(&codes, &mut speech);
    speech
}
