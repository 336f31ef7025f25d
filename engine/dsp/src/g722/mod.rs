//! G.722: speech at 16 kHz in 64, 56 or 48 kbit/s, one channel per lane.
//!   Batch<Encoder, i16, u8> ─► encode          Batch<Decoder, u8, i16> ─► decode
//!   Group (channels that stay in their lanes from tick to tick) ─► encode_group, decode_group
//! Shape:  an octet per two samples; a frame is any whole number of octets. A level works on 32, 16 or 8 channels at a time, that of 32 on up to 16 in half the time.
//! Units:  samples at 16 kHz; the RTP clock is 8000 all the same (RFC 3551 §4.5.2). Coder and decoder together delay 22 samples.
//! Errors: none; every octet decodes to something.
//! Cost:   a full set of lanes costs about what one channel costs in scalar code, however many of them are in use.
//! Source: ITU-T G.722 (2012), bit-exact with ITU-T G.191; bit 7 and 6 of an octet are the higher band.

#![allow(unsafe_code)]

mod column;
mod group;
mod lanes;
mod plain;
mod rows;
mod scalar;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::batch::{Batch, Lot};
use crate::kernels::{Isa, Level};
use column::Column;
pub use group::Group;
use lanes::Tick;
use rows::Rows;
pub use rows::{LANES, Scratch};

/// Bit rate of a decoder: how many low bits of the lower band carry data instead of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// All eight bits are speech.
    #[default]
    Kbit64,
    /// The lowest bit is ignored.
    Kbit56,
    /// The two lowest bits are ignored.
    Kbit48,
}

/// State of an encoder, 144 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoder {
    column: Column,
}

/// State of a decoder, 160 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoder {
    column: Column,
    mode: Mode,
}

impl Encoder {
    /// State at the start of a stream.
    pub const fn new() -> Self {
        Self { column: Column::new() }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// State at the start of a stream.
    pub const fn new(mode: Mode) -> Self {
        Self { column: Column::new(), mode }
    }

    /// An encoder that goes on where this decoder is, given the last samples that were heard, oldest first.
    ///
    /// Concealment uses it: what was made up for a lost frame is encoded by the shadow, and the octets are decoded by this decoder, so
    /// that its step sizes and predictors follow what the listener heard and the next frame finds them near the sender's. The samples
    /// that come out are not played: they are the same again, 22 samples late.
    pub fn shadow(&self, heard: &[i16]) -> Encoder {
        let mut column = self.column;
        column.0[column::BANK..].fill(0);
        for (i, pair) in heard.rchunks_exact(2).take(column::TAPS).enumerate() {
            column.0[column::BANK + column::TAPS - 1 - i] = pair[0];
            column.0[column::BANK + 2 * column::TAPS - 1 - i] = pair[1];
        }
        Encoder { column }
    }

    /// The bit rate it decodes.
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Mode::Kbit64)
    }
}

/// `Encoder` or `Decoder`.
pub trait Channel: Copy + sealed::State {}
impl Channel for Encoder {}
impl Channel for Decoder {}

mod sealed {
    use super::{Column, Decoder, Encoder, Mode};

    /// A state as its words and its bit rate.
    pub trait State {
        #[doc(hidden)]
        fn of(column: Column, mode: Mode) -> Self;
        #[doc(hidden)]
        fn column(&self) -> &Column;
        #[doc(hidden)]
        fn mode(&self) -> Mode;
    }
    impl State for Encoder {
        fn of(column: Column, _: Mode) -> Self {
            Self { column }
        }
        fn column(&self) -> &Column {
            &self.column
        }
        fn mode(&self) -> Mode {
            Mode::Kbit64
        }
    }
    impl State for Decoder {
        fn of(column: Column, mode: Mode) -> Self {
            Self { column, mode }
        }
        fn column(&self) -> &Column {
            &self.column
        }
        fn mode(&self) -> Mode {
            self.mode
        }
    }
}

type EncodeFn = unsafe fn(&mut Tick<'_>, &[&[i16]], &mut [u8]);
type DecodeFn = unsafe fn(Mode, &mut Tick<'_>, &[&[u8]], &mut [i16]);

/// The G.722 kernels of one level.
#[derive(Debug, Clone, Copy)]
pub struct G722 {
    encode: EncodeFn,
    decode: DecodeFn,
    insert: unsafe fn(&[Column], &mut Rows),
    extract: unsafe fn(&Rows, &mut [Column]),
}

impl G722 {
    /// The kernels of a level. A `Level` exists only where the CPU can run it.
    pub(crate) fn new(level: Level) -> Self {
        macro_rules! of {
            ($path:path) => {{
                use $path as level;
                Self { encode: level::encode, decode: level::decode, insert: level::insert, extract: level::extract }
            }};
        }
        match level.isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => of!(x86::avx512),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => of!(x86::avx2),
            Isa::Portable => of!(plain::portable),
            Isa::Scalar => of!(plain::one_by_one),
        }
    }

    /// Encodes all frames of a batch. A sample without its pair at the end of a frame is left out.
    pub fn encode(&self, batch: &mut Batch<Encoder, i16, u8>, scratch: &mut Scratch) {
        batch.run::<_, LANES>(
            |_, samples| samples / 2,
            |octets, _| octets,
            |octets, lot, out| {
                self.in_lanes(lot, |inputs, live, rows| {
                    let mut tick = Tick { rows, live, octets, scratch };
                    // SAFETY: `new` took a level that the CPU has.
                    unsafe { (self.encode)(&mut tick, inputs, out) }
                });
            },
        );
    }

    /// Decodes all frames of a batch.
    pub fn decode(&self, batch: &mut Batch<Decoder, u8, i16>, scratch: &mut Scratch) {
        batch.run::<_, LANES>(
            |decoder, octets| (decoder.mode, octets),
            |_, octets| 2 * octets,
            |(mode, octets), lot, out| {
                self.in_lanes(lot, |inputs, live, rows| {
                    let mut tick = Tick { rows, live, octets, scratch };
                    // SAFETY: as above.
                    unsafe { (self.decode)(mode, &mut tick, inputs, out) }
                });
            },
        );
    }

    /// Encodes the frames of the lanes whose bits are set in `ticking`; the others keep their state.
    /// `samples[lane]` holds two samples per octet; `out` takes `LANES` frames of `octets` end to end, written where a lane ticks.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    pub fn encode_group(
        &self,
        group: &mut Group<Encoder>,
        ticking: u32,
        octets: usize,
        samples: &[&[i16]; LANES],
        out: &mut [u8],
        scratch: &mut Scratch,
    ) {
        assert!(out.len() >= LANES * octets);
        let mut tick = Tick { live: ticking & group.joined(), rows: &mut group.rows, octets, scratch };
        // SAFETY: as above.
        unsafe { (self.encode)(&mut tick, samples, out) }
    }

    /// Decodes the frames of the lanes whose bits are set in `ticking`; the others keep their state.
    /// `octets_of[lane]` is a frame of `octets`; `out` takes `LANES` frames of twice as many samples end to end.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    pub fn decode_group(
        &self,
        group: &mut Group<Decoder>,
        ticking: u32,
        octets: usize,
        frames: &[&[u8]; LANES],
        out: &mut [i16],
        scratch: &mut Scratch,
    ) {
        assert!(out.len() >= 2 * LANES * octets);
        let mode = group.mode();
        let mut tick = Tick { live: ticking & group.joined(), rows: &mut group.rows, octets, scratch };
        // SAFETY: as above.
        unsafe { (self.decode)(mode, &mut tick, frames, out) }
    }

    /// Puts the channels of a lot into lanes, runs them, and takes them out.
    fn in_lanes<C: Channel, I>(&self, lot: &mut Lot<'_, C, I, LANES>, run: impl FnOnce(&[&[I]; LANES], u32, &mut Rows)) {
        let mut columns = [Column::new(); LANES];
        for (column, state) in columns.iter_mut().zip(lot.states()) {
            *column = *state.column();
        }
        let columns = &mut columns[..lot.len()];
        let live = u32::MAX >> (LANES - columns.len());
        let mut rows = Rows::new();
        // SAFETY: `new` took a level that the CPU has.
        unsafe { (self.insert)(columns, &mut rows) };
        run(&lot.inputs(), live, &mut rows);
        // SAFETY: as above.
        unsafe { (self.extract)(&rows, columns) };
        lot.update(|lane, state| *state = C::of(columns[lane], state.mode()));
    }
}
