//! State of one G.722 channel as a column: one 16-bit value per row of a lane group.
//!   [ lower band 22 | higher band 22 | filter bank 22 | zeros 6 ]
//! Shape:  72 words, 144 octets, plain data; encoder and decoder have the same rows.
//! Why:    a channel enters or leaves lanes by being transposed, eight words of all channels at a time, and moves by being copied.
//! Errors: none.

/// Words of a column: 66 of state, and zeros up to a multiple of eight.
pub(super) const WORDS: usize = 72;
/// First row of the lower band.
pub(super) const LOW: usize = 0;
/// First row of the higher band.
pub(super) const HIGH: usize = 22;
/// First row of the filter bank: eleven samples of each phase, oldest first.
pub(super) const BANK: usize = 44;
/// Samples of one phase that the filter bank remembers.
pub(super) const TAPS: usize = 11;

/// Rows of a band, from its first.
pub(super) mod row {
    /// Predicted signal.
    pub const S: usize = 0;
    /// Part of it from the zeros.
    pub const SZ: usize = 1;
    /// Log scale factor.
    pub const NB: usize = 2;
    /// Step size.
    pub const DET: usize = 3;
    /// Poles, two.
    pub const A: usize = 4;
    /// Zeros, six.
    pub const B: usize = 6;
    /// Latest differences, newest first, six.
    pub const D: usize = 12;
    /// Latest reconstructed signals, newest first, two.
    pub const R: usize = 18;
    /// Signs of the latest partial reconstructions, 0 or -1, newest first, two.
    pub const P: usize = 20;
}

/// State of one channel in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Column(pub(super) [i16; WORDS]);

impl Column {
    /// State after a reset.
    pub(super) const fn new() -> Self {
        let mut words = [0; WORDS];
        words[LOW + row::DET] = super::tables::DETL_RESET;
        words[HIGH + row::DET] = super::tables::DETH_RESET;
        Self(words)
    }
}
