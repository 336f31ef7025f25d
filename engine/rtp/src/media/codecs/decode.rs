//! Payloads to samples.
//!
//! Shape:  `push` copies a payload to the rows of its codec; after `run` its samples lie there until `clear`.
//! Units:  samples at the codec's own rate ([`Codec::rate_hz`]).
//! Errors: `None` for a codec that we do not have, an empty payload, or no room.

use dsp::g722::Decoder;
use dsp::{Kernels, g722};

use super::rounds::Rounds;
use super::{JOBS_MAX, ROW_SAMPLES, ROWS, Rows};
use crate::channel::Coders;
use crate::format::Codec;
use crate::media::ChannelKey;
use crate::media::table::Table;

/// Where the samples of a payload are.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Decoded {
    rows: Rows,
    start: usize,
    samples: usize,
}

/// Rows of one encoding.
#[derive(Debug)]
struct Lane {
    octets: Vec<u8>,
    samples: Vec<i16>,
}

impl Lane {
    /// Samples taken so far.
    const fn filled(&self, rows: Rows) -> usize {
        rows.samples(self.octets.len())
    }
}

/// The decoding of a slot.
#[derive(Debug)]
pub(in crate::media) struct Decoders {
    lanes: [Lane; ROWS],
    g722: Rounds<Decoder, u8, i16>,
    scratch: Box<g722::Scratch>,
    /// Grows with each slot.
    slot: u64,
}

impl Decoders {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        let lane = |rows: Rows| Lane { octets: Vec::with_capacity(rows.octets(ROW_SAMPLES)), samples: vec![0; ROW_SAMPLES] };
        Self { lanes: Rows::ALL.map(lane), g722: Rounds::new(JOBS_MAX, 2), scratch: g722::Scratch::new(), slot: 1 }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.octets.clear();
        }
        self.g722.clear();
        self.slot += 1;
    }

    /// Samples that a payload of so many octets stands for; `None` for a codec that we do not have.
    pub fn samples_of(codec: Codec, octets: usize) -> Option<usize> {
        Rows::of(codec).map(|rows| rows.samples(octets))
    }

    /// Takes a payload that came on `owner`, whose decoders are those in `coders`.
    pub fn push(&mut self, owner: ChannelKey, coders: &mut Coders, codec: Codec, payload: &[u8]) -> Option<Decoded> {
        let rows = Rows::of(codec)?;
        let lane = self.lanes.get_mut(rows as usize)?;
        let (start, samples) = (lane.filled(rows), rows.samples(payload.len()));
        // An odd octet at the end of L16 would shift all that follows.
        let payload = payload.get(..rows.octets(samples))?;
        let from = lane.octets.len();
        if samples == 0 || start + samples > ROW_SAMPLES || from + payload.len() > lane.octets.capacity() {
            return None;
        }
        if rows == Rows::G722 {
            if !self.g722.has_room() {
                return None;
            }
            self.g722.push(owner, coders.decodes(self.slot), from..from + payload.len(), start);
        }
        lane.octets.extend_from_slice(payload);
        Some(Decoded { rows, start, samples })
    }

    /// Decodes all that was pushed. The decoders of codecs that remember are those of the channels in `table`.
    pub fn run(&mut self, kernels: &Kernels, table: &mut Table) {
        for (rows, lane) in Rows::ALL.into_iter().zip(&mut self.lanes) {
            let filled = lane.filled(rows);
            let Some(out) = lane.samples.get_mut(..filled).filter(|out| !out.is_empty()) else { continue };
            match rows {
                Rows::Ulaw => kernels.g711.ulaw_decode(&lane.octets, out),
                Rows::Alaw => kernels.g711.alaw_decode(&lane.octets, out),
                Rows::L16 => {
                    dsp::l16::decode(&lane.octets, out);
                }
                Rows::G722 => {
                    out.fill(0);
                    let scratch = &mut self.scratch;
                    self.g722.run(table, &lane.octets, out, Coders::g722_decoder, |batch| kernels.g722.decode(batch, scratch));
                }
            }
        }
    }

    /// What a payload became.
    pub fn samples(&self, decoded: Decoded) -> &[i16] {
        self.lanes
            .get(decoded.rows as usize)
            .and_then(|lane| lane.samples.get(decoded.start..decoded.start + decoded.samples))
            .unwrap_or_default()
    }
}
