//! Samples to packets.
//!
//! ```text
//!   reserve(leaves, samples) ─▶ frame (to be filled) ─▶ run ─▶ [ header 12 | payload ] in the octets of its codec
//!   reserve_copy(leaves, of)  ─▶ the payload of another packet under a header of its own: encoded once, sent to many
//! ```
//! Shape:  a packet is ready where its payload was encoded. In G.711 and L16 its samples are preceded by as many as become
//!         [`HEADER_LEN`] octets, which are encoded with the rest and then overwritten by the header.
//! Errors: `None` for a codec that we do not have, an empty or too long packet, or no room.

use std::net::SocketAddr;

use dsp::{Kernels, g722, ilbc};

use super::rounds::Rounds;
use super::{JOBS_MAX, PACKET_MAX, ROW_SAMPLES, ROWS, Rows};
use crate::channel::Coders;
use crate::format::Codec;
use crate::media::table::Table;
use crate::media::{ChannelKey, Port, Transmit};
use crate::packet::{HEADER_LEN, RtpHeader};

/// Octets of copied packets: a conference of 1000 listeners, 172 each.
const COPIES_MAX: usize = 1 << 18;

/// How a packet leaves.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Leaves {
    /// Whose socket sends it, and whose encoder makes it.
    pub via: ChannelKey,
    /// To whom.
    pub to: SocketAddr,
    /// Its header.
    pub header: RtpHeader,
}

/// A packet that is being made.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Made(usize);

/// Where its bytes are.
#[derive(Debug, Clone, Copy)]
enum Place {
    Row { rows: Rows, frame: usize, samples: usize, packet: usize },
    Copy { of: usize, packet: usize },
}

#[derive(Debug)]
struct Packet {
    leaves: Leaves,
    place: Place,
    len: usize,
}

/// Rows of one encoding.
#[derive(Debug)]
struct Lane {
    samples: Vec<i16>,
    octets: Vec<u8>,
    /// Samples taken.
    filled: usize,
    /// Octets taken.
    packed: usize,
}

/// The encoding of a slot.
#[derive(Debug)]
pub(in crate::media) struct Encoders {
    packets: Vec<Packet>,
    lanes: [Lane; ROWS],
    copies: Vec<u8>,
    g722: Rounds<g722::Encoder, i16, u8>,
    scratch: Box<g722::Scratch>,
    ilbc: Rounds<ilbc::Encoder, i16, u8>,
    /// Grows with each slot.
    slot: u64,
}

impl Encoders {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        let lane = |rows: Rows| Lane {
            samples: vec![0; ROW_SAMPLES],
            octets: vec![0; rows.octets_max() + room_for_headers(rows)],
            filled: 0,
            packed: 0,
        };
        Self {
            packets: Vec::with_capacity(2 * JOBS_MAX),
            lanes: Rows::ALL.map(lane),
            copies: Vec::with_capacity(COPIES_MAX),
            g722: Rounds::new(JOBS_MAX, 1),
            scratch: g722::Scratch::new(),
            ilbc: Rounds::new(JOBS_MAX, 1),
            slot: 1,
        }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        self.packets.clear();
        for lane in &mut self.lanes {
            (lane.filled, lane.packed) = (0, 0);
        }
        self.copies.clear();
        self.g722.clear();
        self.ilbc.clear();
        self.slot += 1;
    }

    /// Whether a packet of so many samples can be made. What makes no whole octet or frame is left out.
    pub fn fits(&self, codec: Codec, samples: usize) -> bool {
        let (Some(rows), Some((octets, samples))) = (Rows::of(codec), super::octets(codec, samples)) else { return false };
        let Some(lane) = self.lanes.get(rows as usize) else { return false };
        let len = HEADER_LEN + octets;
        let frames = match codec {
            Codec::G722 => self.g722.has_room(1),
            Codec::Ilbc(mode) => self.ilbc.has_room(samples / mode.samples()),
            Codec::Pcmu | Codec::Pcma | Codec::L16At8k | Codec::L16At16k | Codec::Opaque { .. } => true,
        };
        lane.filled + header_samples(rows) + samples <= lane.samples.len()
            && lane.packed + len <= lane.octets.len()
            && frames
            && samples > 0
            && len <= PACKET_MAX
            && self.packets.len() < self.packets.capacity()
    }

    /// Takes room for a packet of so many samples. `coders` are those of `leaves.via`.
    pub fn reserve(&mut self, leaves: Leaves, coders: &mut Coders, codec: Codec, samples: usize) -> Option<Made> {
        if !self.fits(codec, samples) {
            return None;
        }
        let (rows, (octets, samples)) = (Rows::of(codec)?, super::octets(codec, samples)?);
        let lane = self.lanes.get_mut(rows as usize)?;
        let (frame, packet, len) = (lane.filled + header_samples(rows), lane.packed, HEADER_LEN + octets);
        match codec {
            Codec::G722 => self.g722.push(leaves.via, coders.encodes(self.slot), frame..frame + samples, packet + HEADER_LEN),
            Codec::Ilbc(mode) if coders.encodes_ilbc(mode) => {
                for n in 0..samples / mode.samples() {
                    let input = frame + n * mode.samples()..frame + (n + 1) * mode.samples();
                    self.ilbc.push(leaves.via, coders.encodes(self.slot), input, packet + HEADER_LEN + n * mode.octets());
                }
            }
            Codec::Ilbc(_) => return None,
            Codec::Pcmu | Codec::Pcma | Codec::L16At8k | Codec::L16At16k | Codec::Opaque { .. } => {}
        }
        lane.filled = frame + samples;
        lane.packed += len;
        self.packets.push(Packet { leaves, place: Place::Row { rows, frame, samples, packet }, len });
        Some(Made(self.packets.len() - 1))
    }

    /// Takes room for a packet with the payload of another one of this slot.
    pub fn reserve_copy(&mut self, leaves: Leaves, of: Made) -> Option<Made> {
        let len = self.packets.get(of.0)?.len;
        let packet = self.copies.len();
        if packet + len > self.copies.capacity() || self.packets.len() >= self.packets.capacity() {
            return None;
        }
        self.copies.resize(packet + len, 0);
        self.packets.push(Packet { leaves, place: Place::Copy { of: of.0, packet }, len });
        Some(Made(self.packets.len() - 1))
    }

    /// The samples of a packet, to be filled; none for a copy.
    pub fn frame(&mut self, made: Made) -> &mut [i16] {
        let Some(Place::Row { rows, frame, samples, .. }) = self.packets.get(made.0).map(|packet| packet.place) else { return &mut [] };
        self.lanes.get_mut(rows as usize).and_then(|lane| lane.samples.get_mut(frame..frame + samples)).unwrap_or_default()
    }

    /// Makes all packets. The encoders of codecs that remember are those of the channels in `table`.
    pub fn run(&mut self, kernels: &Kernels, table: &mut Table) {
        for (rows, lane) in Rows::ALL.into_iter().zip(&mut self.lanes) {
            let (Some(samples), Some(out)) = (lane.samples.get(..lane.filled), lane.octets.get_mut(..lane.packed)) else { continue };
            match rows {
                _ if samples.is_empty() => {}
                Rows::Ulaw => kernels.g711.ulaw_encode(samples, out),
                Rows::Alaw => kernels.g711.alaw_encode(samples, out),
                Rows::L16 => {
                    dsp::l16::encode(samples, out);
                }
                Rows::G722 => {
                    let scratch = &mut self.scratch;
                    self.g722.run(
                        table,
                        samples,
                        out,
                        |channel, _| Coders::g722_encoder(channel),
                        |batch| kernels.g722.encode(batch, scratch),
                    );
                }
                Rows::Ilbc => {
                    self.ilbc.run(table, samples, out, |channel, _| Coders::ilbc_encoder(channel), |batch| kernels.ilbc.encode(batch));
                }
            }
        }
        let Self { packets, lanes, copies, .. } = self;
        for packet in packets.iter() {
            let bytes = match packet.place {
                Place::Row { rows, packet: start, .. } => {
                    lanes.get_mut(rows as usize).and_then(|lane| lane.octets.get_mut(start..start + packet.len))
                }
                Place::Copy { of, packet: start } => {
                    let from = packets.get(of).and_then(|of| payload(lanes, of));
                    let to = copies.get_mut(start..start + packet.len);
                    from.zip(to).map(|(from, to)| {
                        if let Some(room) = to.get_mut(HEADER_LEN..HEADER_LEN + from.len()) {
                            room.copy_from_slice(from);
                        }
                        to
                    })
                }
            };
            if let Some(front) = bytes.and_then(|bytes| bytes.get_mut(..HEADER_LEN)) {
                front.copy_from_slice(&packet.leaves.header.to_bytes());
            }
        }
    }

    /// The packets made.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.packets.iter().filter_map(|packet| {
            let bytes = match packet.place {
                Place::Row { rows, packet: start, .. } => self.lanes.get(rows as usize)?.octets.get(start..start + packet.len)?,
                Place::Copy { packet: start, .. } => self.copies.get(start..start + packet.len)?,
            };
            Some(Transmit { via: packet.leaves.via, port: Port::Rtp, to: packet.leaves.to, bytes })
        })
    }

    /// Packets to make.
    pub const fn len(&self) -> usize {
        self.packets.len()
    }
}

/// Payload of a packet that lies in rows.
fn payload<'a>(lanes: &'a [Lane; ROWS], packet: &Packet) -> Option<&'a [u8]> {
    let Place::Row { rows, packet: start, .. } = packet.place else { return None };
    lanes.get(rows as usize)?.octets.get(start + HEADER_LEN..start + packet.len)
}

/// Samples before a frame that become the room of its header.
const fn header_samples(rows: Rows) -> usize {
    match rows {
        Rows::Ulaw | Rows::Alaw => HEADER_LEN,
        Rows::L16 => HEADER_LEN / 2,
        Rows::G722 | Rows::Ilbc => 0,
    }
}

/// Octets for headers that take no samples: of as many packets as there are jobs.
const fn room_for_headers(rows: Rows) -> usize {
    if rows.remembers() { HEADER_LEN * JOBS_MAX } else { 0 }
}
