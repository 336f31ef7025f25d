//! Transcoding of packet-driven bridges: what joins a payload that came to the packet it becomes.
//!
//! ```text
//!   push ─▶ Decoders ─▶ samples ─▶ place: change rate ─▶ frame ─▶ Encoders ─▶ packet
//! ```
//! Shape:  a job per packet; the codecs of a slot run all jobs, and the frames of clocked channels with them (`codecs`).
//! Order:  packets of one channel go through its rate converter as they arrived; one that comes late costs the filter a
//!         millisecond of its memory, not a packet.
//! Errors: `push` refuses what does not fit; the caller counts it.
//! Not here: PCMU ↔ PCMA, which is done in place (`forward`): one table over 160 octets costs less than moving them.

use dsp::Kernels;

use super::ChannelKey;
use super::codecs::{Decoded, Decoders, Encoders, JOBS_MAX, Leaves, Made};
use super::table::Table;
use crate::channel::RateState;
use crate::format::Codec;

/// One packet to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    /// Where it came.
    pub source: ChannelKey,
    /// How it leaves; its rate converter is that of the channel it leaves by.
    pub leaves: Leaves,
    /// From what.
    pub from: Codec,
    /// To what.
    pub into: Codec,
}

/// A job with its place in the batches.
#[derive(Debug, Clone, Copy)]
struct Placed {
    via: ChannelKey,
    decoded: Decoded,
    made: Made,
    from_hz: u32,
    rate: RateChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RateChange {
    None,
    Up,
    Down,
}

impl RateChange {
    const fn between(from_hz: u32, into_hz: u32) -> Self {
        if from_hz < into_hz {
            Self::Up
        } else if from_hz > into_hz {
            Self::Down
        } else {
            Self::None
        }
    }
}

/// The jobs of a slot.
#[derive(Debug)]
pub(super) struct Batch {
    jobs: Vec<Placed>,
}

impl Batch {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        Self { jobs: Vec::with_capacity(JOBS_MAX) }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        self.jobs.clear();
    }

    /// Takes a payload. False if there is no room for it, or the packet would be too long for the network.
    pub fn push(&mut self, job: Job, payload: &[u8], codecs: (&mut Decoders, &mut Encoders), table: &mut Table) -> bool {
        self.try_push(job, payload, codecs, table).is_some()
    }

    fn try_push(
        &mut self,
        job: Job,
        payload: &[u8],
        (decoders, encoders): (&mut Decoders, &mut Encoders),
        table: &mut Table,
    ) -> Option<()> {
        let from_hz = job.from.rate_hz()?;
        let rate = RateChange::between(from_hz, job.into.rate_hz()?);
        if self.jobs.len() >= JOBS_MAX {
            return None;
        }
        let samples = job.from.samples(payload.len())?;
        let becomes = match rate {
            RateChange::None => samples,
            RateChange::Up => 2 * samples,
            RateChange::Down => samples / 2,
        };
        // A payload whose packet cannot be made would move its decoder on for nothing.
        if !encoders.fits(job.into, becomes) {
            return None;
        }
        let decoded = decoders.push(job.source, &mut table.by_key(job.source)?.coders, job.from, payload)?;
        let made = encoders.reserve(job.leaves, &mut table.by_key(job.leaves.via)?.coders, job.into, becomes)?;
        self.jobs.push(Placed { via: job.leaves.via, decoded, made, from_hz, rate });
        Some(())
    }

    /// Moves what was decoded to where it is encoded, through the rate converters of the channels in `table`.
    pub fn place(&mut self, kernels: &Kernels, decoders: &Decoders, encoders: &mut Encoders, table: &mut Table) {
        for placed in &self.jobs {
            let (source, target) = (decoders.samples(placed.decoded), encoders.frame(placed.made));
            let state = table.by_key(placed.via).map(|channel| {
                channel.renewal.hear(source, placed.from_hz);
                &mut channel.rate
            });
            convert(kernels, placed.rate, state, source, target);
        }
    }
}

fn convert(kernels: &Kernels, rate: RateChange, state: Option<&mut RateState>, source: &[i16], target: &mut [i16]) {
    match (rate, state) {
        (RateChange::None, _) => {
            // What makes no whole octet was left out.
            let whole = source.len().min(target.len());
            if let (Some(source), Some(target)) = (source.get(..whole), target.get_mut(..whole)) {
                target.copy_from_slice(source);
            }
        }
        (RateChange::Up, Some(state)) if target.len() == 2 * source.len() => kernels.resample.up(state.up(), source, target),
        (RateChange::Down, Some(state)) if source.len() >= 2 * target.len() => {
            if let Some(source) = source.get(..2 * target.len()) {
                kernels.resample.down(state.down(), source, target);
            }
        }
        (RateChange::Up | RateChange::Down, _) => target.fill(0),
    }
}
