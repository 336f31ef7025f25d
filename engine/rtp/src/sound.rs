//! A decoded sound that any number of channels play at the same time.
//!
//! Shape:  mono samples behind an `Arc`: read and decoded once, copied by nobody.
//! Units:  8 or 16 kHz, 16 bits.
//! Errors: none.
//! Not here: reading files (`wav`), keeping sounds (`engine::files`).

/// Samples and their rate.
#[derive(PartialEq, Eq)]
pub struct Sound {
    rate_hz: u32,
    samples: Box<[i16]>,
}

impl Sound {
    /// A sound of mono samples at 8 or 16 kHz.
    pub fn new(rate_hz: u32, samples: Vec<i16>) -> Self {
        Self { rate_hz, samples: samples.into() }
    }

    /// Samples a second.
    pub const fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// All of them.
    pub const fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Memory it takes.
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + 2 * self.samples.len()
    }

    /// How long it lasts.
    pub const fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1000 / self.rate_hz as u64
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sound({} Hz, {} samples)", self.rate_hz, self.samples.len())
    }
}
