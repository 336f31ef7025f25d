//! Transcoding of a slot: payloads gathered as rows, each stage one call of one kernel.
//!
//! ```text
//!   push ─▶ [octets by codec] ─decode─▶ [samples by codec] ─place, change rate─▶ [samples by target] ─encode─▶ [octets by target]
//!                                                                                 └ 12 octets before each row: the RTP header
//! ```
//! Shape:  rows end to end, so that a stage sees one long slice whatever the number of calls. A target row is preceded by
//!         as many samples as become [`HEADER_LEN`] octets; they are encoded with the rest and then overwritten by the
//!         header, so a packet is ready where its payload was encoded.
//! Memory: rows of [`ROW_SAMPLES`] per codec at construction, touched only as far as they are filled.
//! Order:  packets of one channel go through its rate converter as they arrived; one that comes late costs the filter a
//!         millisecond of its memory, not a packet.
//! Errors: `push` refuses what does not fit; the caller counts it.
//! Not here: PCMU ↔ PCMA, which is done in place (`forward`): one table over 160 octets costs less than moving them.

use std::net::SocketAddr;

use dsp::Kernels;
use dsp::resample::{Downsampler, Upsampler};

use super::table::Table;
use super::{ChannelKey, Port, Transmit};
use crate::channel::RateState;
use crate::format::Codec;
use crate::packet::{HEADER_LEN, RtpHeader};

/// Samples per codec and slot: 1000 transcoded calls × 2 streams × 50 packets/s × 1 ms × 160 samples = 16 000; sixteen
/// times that, for the slot after a stall of 16 ms.
const ROW_SAMPLES: usize = 1 << 18;
/// Packets of a slot: as many as fill the rows with the least ptime in use, 10 ms of 8 kHz.
const JOBS_MAX: usize = ROW_SAMPLES / 80;
/// Longest packet made: an Ethernet frame less IPv6 and UDP, rounded down.
const PACKET_MAX: usize = 1400;

/// Encodings with rows of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Ulaw,
    Alaw,
    L16,
}

impl Rows {
    const ALL: [Self; 3] = [Self::Ulaw, Self::Alaw, Self::L16];

    /// Rows and sample rate of a codec that we have.
    const fn of(codec: Codec) -> Option<(Self, u32)> {
        match codec {
            Codec::Pcmu => Some((Self::Ulaw, 8000)),
            Codec::Pcma => Some((Self::Alaw, 8000)),
            Codec::L16At8k => Some((Self::L16, 8000)),
            Codec::L16At16k => Some((Self::L16, 16000)),
            Codec::Opaque { .. } => None,
        }
    }

    const fn octets_per_sample(self) -> usize {
        match self {
            Self::Ulaw | Self::Alaw => 1,
            Self::L16 => 2,
        }
    }
}

/// One packet to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    /// Whose socket sends it, and whose rate converter it goes through.
    pub via: ChannelKey,
    /// To whom.
    pub to: SocketAddr,
    /// Its header.
    pub header: RtpHeader,
    /// From what.
    pub from: Codec,
    /// To what.
    pub into: Codec,
}

/// A job with its rows.
#[derive(Debug, Clone, Copy)]
struct Placed {
    job: Job,
    from: Rows,
    into: Rows,
    /// Where its samples lie after decoding, and how many.
    decoded: (usize, usize),
    rate: RateChange,
    /// Where its packet lies in the octets of its target.
    packet: (usize, usize),
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

/// Rows of one encoding, in and out.
#[derive(Debug)]
struct Lane {
    octets_in: Vec<u8>,
    decoded: Vec<i16>,
    to_encode: Vec<i16>,
    octets_out: Vec<u8>,
    /// Samples filled of `to_encode`.
    filled: usize,
}

impl Lane {
    fn new(rows: Rows) -> Self {
        let octets = ROW_SAMPLES * rows.octets_per_sample();
        Self {
            octets_in: Vec::with_capacity(octets),
            decoded: vec![0; ROW_SAMPLES],
            to_encode: vec![0; ROW_SAMPLES],
            octets_out: vec![0; octets],
            filled: 0,
        }
    }
}

/// The transcoding of a slot.
#[derive(Debug)]
pub(super) struct Batch {
    jobs: Vec<Placed>,
    lanes: [Lane; 3],
}

impl Batch {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        Self { jobs: Vec::with_capacity(JOBS_MAX), lanes: Rows::ALL.map(Lane::new) }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        self.jobs.clear();
        for lane in &mut self.lanes {
            lane.octets_in.clear();
            lane.filled = 0;
        }
    }

    /// Takes a payload. False if there is no room for it, or the packet would be too long for the network.
    pub fn push(&mut self, job: Job, payload: &[u8]) -> bool {
        let (Some((from, from_hz)), Some((into, into_hz))) = (Rows::of(job.from), Rows::of(job.into)) else { return false };
        let rate = RateChange::between(from_hz, into_hz);
        let whole = payload.len() / from.octets_per_sample();
        let (samples, made) = match rate {
            RateChange::None => (whole, whole),
            RateChange::Up => (whole, 2 * whole),
            RateChange::Down => (whole & !1, whole / 2),
        };
        let header_samples = HEADER_LEN / into.octets_per_sample();
        let packet_len = (header_samples + made) * into.octets_per_sample();
        let start = self.lanes[into as usize].filled;
        let input = &mut self.lanes[from as usize].octets_in;
        let octets = samples * from.octets_per_sample();
        let fits = input.len() + octets <= input.capacity() && start + header_samples + made <= ROW_SAMPLES;
        let (true, Some(payload)) = (fits && made > 0 && packet_len <= PACKET_MAX && self.jobs.len() < JOBS_MAX, payload.get(..octets))
        else {
            return false;
        };
        let decoded = (input.len() / from.octets_per_sample(), samples);
        input.extend_from_slice(payload);
        self.lanes[into as usize].filled += header_samples + made;
        let packet = (start * into.octets_per_sample(), packet_len);
        self.jobs.push(Placed { job, from, into, decoded, rate, packet });
        true
    }

    /// Runs all stages. The rate converters are those of the channels in `table`.
    pub fn run(&mut self, kernels: &Kernels, table: &mut Table) {
        for rows in Rows::ALL {
            self.lanes[rows as usize].decode(rows, kernels);
        }
        for placed in &self.jobs {
            let state = table.by_key(placed.job.via).map(|channel| &mut channel.rate);
            place(&mut self.lanes, placed, kernels, state);
        }
        for rows in Rows::ALL {
            self.lanes[rows as usize].encode(rows, kernels);
        }
        for placed in &self.jobs {
            let (start, _) = placed.packet;
            if let Some(front) = self.lanes[placed.into as usize].octets_out.get_mut(start..start + HEADER_LEN) {
                front.copy_from_slice(&placed.job.header.to_bytes());
            }
        }
    }

    /// The packets made.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.jobs.iter().filter_map(|placed| {
            let (start, len) = placed.packet;
            let bytes = self.lanes[placed.into as usize].octets_out.get(start..start + len)?;
            Some(Transmit { via: placed.job.via, port: Port::Rtp, to: placed.job.to, bytes })
        })
    }

    /// Packets gathered.
    pub const fn len(&self) -> usize {
        self.jobs.len()
    }
}

impl Lane {
    fn decode(&mut self, rows: Rows, kernels: &Kernels) {
        let samples = self.octets_in.len() / rows.octets_per_sample();
        let Some(out) = self.decoded.get_mut(..samples).filter(|out| !out.is_empty()) else { return };
        match rows {
            Rows::Ulaw => kernels.g711.ulaw_decode(&self.octets_in, out),
            Rows::Alaw => kernels.g711.alaw_decode(&self.octets_in, out),
            Rows::L16 => {
                dsp::l16::decode(&self.octets_in, out);
            }
        }
    }

    fn encode(&mut self, rows: Rows, kernels: &Kernels) {
        let octets = self.filled * rows.octets_per_sample();
        let (Some(samples), Some(out)) = (self.to_encode.get(..self.filled), self.octets_out.get_mut(..octets)) else { return };
        match rows {
            _ if samples.is_empty() => {}
            Rows::Ulaw => kernels.g711.ulaw_encode(samples, out),
            Rows::Alaw => kernels.g711.alaw_encode(samples, out),
            Rows::L16 => {
                dsp::l16::encode(samples, out);
            }
        }
    }
}

/// Moves a job's samples from the rows of its source to those of its target, through the rate converter if need be.
fn place(lanes: &mut [Lane; 3], placed: &Placed, kernels: &Kernels, state: Option<&mut RateState>) {
    let header_samples = HEADER_LEN / placed.into.octets_per_sample();
    let to = placed.packet.0 / placed.into.octets_per_sample() + header_samples;
    let (from, samples) = placed.decoded;
    let made = match placed.rate {
        RateChange::None => samples,
        RateChange::Up => 2 * samples,
        RateChange::Down => samples / 2,
    };
    let Some((source, target)) = source_and_target(lanes, placed.from, placed.into) else { return };
    let (Some(source), Some(target)) = (source.get(from..from + samples), target.get_mut(to..to + made)) else { return };
    match (placed.rate, state) {
        (RateChange::None, _) => target.copy_from_slice(source),
        (RateChange::Up, Some(state)) => kernels.resample.up(state.up(), source, target),
        (RateChange::Down, Some(state)) => kernels.resample.down(state.down(), source, target),
        (RateChange::Up | RateChange::Down, None) => target.fill(0),
    }
}

fn source_and_target(lanes: &mut [Lane; 3], from: Rows, into: Rows) -> Option<(&[i16], &mut [i16])> {
    if from == into {
        let lane = lanes.get_mut(from as usize)?;
        return Some((&lane.decoded, &mut lane.to_encode));
    }
    let [source, target] = lanes.get_disjoint_mut([from as usize, into as usize]).ok()?;
    Some((&source.decoded, &mut target.to_encode))
}

impl RateState {
    /// The converter to 16 kHz; a fresh one if the other was in use.
    fn up(&mut self) -> &mut Upsampler {
        if !matches!(self, Self::Up(_)) {
            *self = Self::Up(Upsampler::default());
        }
        match self {
            Self::Up(up) => up,
            Self::Idle | Self::Down(_) => unreachable!("set above"),
        }
    }

    /// The converter to 8 kHz; a fresh one if the other was in use.
    fn down(&mut self) -> &mut Downsampler {
        if !matches!(self, Self::Down(_)) {
            *self = Self::Down(Downsampler::default());
        }
        match self {
            Self::Down(down) => down,
            Self::Idle | Self::Up(_) => unreachable!("set above"),
        }
    }
}
