//! What tests share: the conformance vectors, and a small seeded generator.
//! Shape:  vectors live in `testfiles/vectors/`, PCM is 16-bit little endian; the generator is xorshift.
//! Errors: a missing file panics, naming itself.
//! Not here: anything that ships.

use std::path::PathBuf;

/// Whether to test this level: all, or those that `DSP_LEVELS` names. So the few that a slow emulator is asked about need not wait for others.
pub(crate) fn wants(level: &str) -> bool {
    let levels = std::env::var("DSP_LEVELS").unwrap_or_else(|_| level.to_owned());
    levels.split(',').any(|wanted| wanted == level)
}

/// Octets of a vector file.
pub(crate) fn octets(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testfiles/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Samples of a raw vector file.
pub(crate) fn samples(name: &str) -> Vec<i16> {
    octets(name).as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Samples of a PCM16 mono WAV file with the usual 44-octet head.
pub(crate) fn wav(name: &str) -> Vec<i16> {
    octets(name)[44..].as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Seeded numbers for tests.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
    pub(crate) fn sample(&mut self) -> i16 {
        self.next() as i16
    }
}
