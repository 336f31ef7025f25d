//! Payloads to samples.
//!
//! Shape:  `push` copies a payload to the rows of its codec; after `run` its samples lie there until `clear`.
//! Units:  samples at the codec's own rate ([`Codec::rate_hz`]).
//! Errors: `None` for a codec that we do not have, a payload without a whole sample or frame, or no room.

use std::ops::Range;

use dsp::{Kernels, g722, ilbc};

use super::rounds::Rounds;
use super::{JOBS_MAX, ROW_SAMPLES, ROWS, Rows};
use crate::channel::Coders;
use crate::format::Codec;
use crate::media::ChannelKey;
use crate::media::table::Table;

/// Where the samples of a payload are.
#[derive(Debug, Clone, Copy)]
pub struct Decoded {
    rows: Rows,
    start: usize,
    samples: usize,
}

/// Rows of one encoding.
#[derive(Debug)]
struct Lane {
    octets: Vec<u8>,
    samples: Vec<i16>,
    filled: usize,
}

/// The decoding of a slot.
#[derive(Debug)]
pub struct Decoders {
    lanes: [Lane; ROWS],
    g722: Rounds<g722::Decoder, u8, i16>,
    scratch: Box<g722::Scratch>,
    ilbc: Rounds<ilbc::Decoder, u8, i16>,
    /// Grows with each slot.
    slot: u64,
}

impl Decoders {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        let lane = |rows: Rows| Lane { octets: Vec::with_capacity(rows.octets_max()), samples: vec![0; ROW_SAMPLES], filled: 0 };
        Self {
            lanes: Rows::ALL.map(lane),
            g722: Rounds::new(JOBS_MAX, 2),
            scratch: g722::Scratch::new(),
            ilbc: Rounds::new(JOBS_MAX, 5),
            slot: 1,
        }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.octets.clear();
            lane.filled = 0;
        }
        self.g722.clear();
        self.ilbc.clear();
        self.slot += 1;
    }

    /// Takes a payload that came on `owner`, whose decoders are those in `coders`.
    pub fn push(&mut self, owner: ChannelKey, coders: &mut Coders, codec: Codec, payload: &[u8]) -> Option<Decoded> {
        let rows = Rows::of(codec)?;
        let samples = codec.samples(payload.len())?;
        // An odd octet at the end would shift all that follows.
        let payload = payload.get(..super::octets(codec, samples)?.0)?;
        let (start, from) = self.room(rows, samples, payload.len())?;
        match codec {
            Codec::G722 => self.g722.push(owner, coders.decodes(self.slot), from..from + payload.len(), start),
            Codec::Ilbc(mode) if coders.decodes_ilbc() => {
                for n in 0..payload.len() / mode.octets() {
                    let input = from + n * mode.octets()..from + (n + 1) * mode.octets();
                    self.ilbc.push(owner, coders.decodes(self.slot), input, start + n * mode.samples());
                }
            }
            Codec::Ilbc(_) => return None,
            Codec::Pcmu | Codec::Pcma | Codec::L16At8k | Codec::L16At16k | Codec::Opaque { .. } => {}
        }
        let lane = self.lanes.get_mut(rows as usize)?;
        lane.octets.extend_from_slice(payload);
        lane.filled += samples;
        Some(Decoded { rows, start, samples })
    }

    /// Where the next samples and octets of some rows come, if so many fit.
    fn room(&self, rows: Rows, samples: usize, octets: usize) -> Option<(usize, usize)> {
        let lane = self.lanes.get(rows as usize)?;
        let (start, from) = (lane.filled, lane.octets.len());
        let frames = match rows {
            Rows::Ulaw | Rows::Alaw | Rows::L16 => true,
            Rows::G722 => self.g722.has_room(1),
            Rows::Ilbc => self.ilbc.has_room(samples / ilbc::Mode::Ms20.samples()),
        };
        let fits = samples > 0 && start + samples <= ROW_SAMPLES && from + octets <= lane.octets.capacity();
        (fits && frames).then_some((start, from))
    }

    /// Decodes all that was pushed. The decoders of codecs that remember are those of the channels in `table`.
    pub fn run(&mut self, kernels: &Kernels, table: &mut Table) {
        for (rows, lane) in Rows::ALL.into_iter().zip(&mut self.lanes) {
            let Some(out) = lane.samples.get_mut(..lane.filled).filter(|out| !out.is_empty()) else { continue };
            if rows.remembers() {
                // What is not decoded, since its channel is gone, is silence.
                out.fill(0);
            }
            match rows {
                Rows::Ulaw => kernels.g711.ulaw_decode(&lane.octets, out),
                Rows::Alaw => kernels.g711.alaw_decode(&lane.octets, out),
                Rows::L16 => {
                    dsp::l16::decode(&lane.octets, out);
                }
                Rows::G722 => {
                    let scratch = &mut self.scratch;
                    self.g722.run(
                        table,
                        &lane.octets,
                        out,
                        |channel, _| Coders::g722_decoder(channel),
                        |batch| kernels.g722.decode(batch, scratch),
                    );
                }
                Rows::Ilbc => self.ilbc.run(table, &lane.octets, out, Coders::ilbc_decoder, |batch| kernels.ilbc.decode(batch)),
            }
        }
    }

    /// What a payload became.
    pub fn samples(&self, decoded: Decoded) -> &[i16] {
        let Decoded { rows, start, samples }: Decoded = decoded;
        let range: Range<usize> = start..start + samples;
        self.lanes.get(rows as usize).and_then(|lane| lane.samples.get(range)).unwrap_or_default()
    }
}
