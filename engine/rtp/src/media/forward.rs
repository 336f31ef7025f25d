//! The way of one packet: from the socket it came on to the packet it becomes.
//!
//! ```text
//!   demux ─▶ check ─▶ source ─▶ statistics ─▶ link ─▶ format ─▶ number ─▶ relay            in place ─▶ Forward
//!                                                                        └ PCMU ↔ PCMA     in place ─▶ Forward
//!                                                                        └ anything else   Batch
//! ```
//! Shape:  touches the channel it came on, then the one it leaves by; nothing is copied unless it is transcoded.
//! Order:  as packets come, but where a codec remembers those that overtook one wait for it (`overtaken`).
//! Errors: by counter, of the channel or of the shard.
//! Source: RFC 3550, RFC 3551, RFC 7983.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::batch::Job;
use super::codecs::Leaves;
use super::{ChannelKey, Forward, Media, Pending, Port, Verdict};
use crate::channel::{Channel, Link, Renewal};
use crate::format::{Codec, Format, FormatKind};
use crate::jitter::{Arrived, Content};
use crate::packet::rtcp::Reports;
use crate::packet::{Kind, RtpHeader, RtpView, demux};
use crate::source::Decision;
use crate::stream::{Arrival, SourcePacket};

/// Packets that a channel takes in a slot, so that a flood of its own source takes nobody else's time: 100 ms of 10 ms each
/// after the longest stall that the ring bridges, and twice that again for duplicates and what was held back.
const PACKETS_PER_SLOT: u16 = 32;

/// What is known of a packet once its channel has taken it.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub format: Format,
    pub place: SourcePacket,
    pub payload: Range<usize>,
    pub turn: Turn,
}

/// Where a packet came in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// After the one before it, and nothing waits.
    Next,
    /// Newer than all that came, and others are missing or wait.
    Ahead,
    /// After a newer one.
    Overtaken,
}

impl Media {
    /// Takes a packet that came on a channel's socket. Between `begin` and `run`.
    pub fn receive(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &mut [u8]) -> Verdict {
        self.counters.received += 1;
        if self.table.by_key(key).is_none() {
            self.counters.stale += 1;
            return Verdict::Done;
        }
        match (port, demux(packet)) {
            (Port::Rtp, Kind::Rtp) => return self.receive_rtp(key, from, packet).map_or(Verdict::Done, Verdict::Forward),
            (Port::Rtp | Port::Rtcp, Kind::Rtcp) => self.receive_rtcp(key, port, from, packet),
            (_, Kind::Stun) => self.counters.stun += 1,
            (_, Kind::Dtls) => self.counters.dtls += 1,
            (Port::Rtcp, Kind::Rtp) | (_, Kind::Other) => self.counters.malformed += 1,
        }
        Verdict::Done
    }

    fn receive_rtp(&mut self, key: ChannelKey, from: SocketAddr, packet: &mut [u8]) -> Option<Forward> {
        let Ok(view) = RtpView::parse(packet) else {
            self.counters.malformed += 1;
            return None;
        };
        let (taken, link) = self.take(key, from, view, packet.len())?;
        if taken.format.kind == FormatKind::Event {
            // RFC 4733 §2.6.3: events are received here, and made anew for whoever hears them.
            self.digit_packet(key, &taken.place, packet.get(taken.payload)?);
            return None;
        }
        if self.keep(key, &taken, packet) {
            return None;
        }
        let out = destination(key, link)?;
        let via = self.table.key(out)?;
        let mut channel = self.table.get_mut(out)?;
        let (to, format) = outgoing(channel, &taken, link)?;
        let is_new = is_renewed(channel, &taken, format) || taken.format.kind != format.kind;
        if taken.turn != Turn::Next && is_new && remembers(taken.format.kind, format.kind) {
            if !self.has_turn(key, &taken, packet) {
                return None;
            }
            channel = self.table.get_mut(out)?;
        }
        let header = number(channel, &taken, format, (is_new, &mut self.transcodes), self.now)?;
        match (taken.format.kind, format.kind) {
            (FormatKind::Audio(Codec::Pcmu), FormatKind::Audio(Codec::Pcma)) => {
                in_place(&mut self.scratch, packet.get_mut(taken.payload.clone())?, |from, to| self.kernels.g711.ulaw_to_alaw(from, to));
            }
            (FormatKind::Audio(Codec::Pcma), FormatKind::Audio(Codec::Pcmu)) => {
                in_place(&mut self.scratch, packet.get_mut(taken.payload.clone())?, |from, to| self.kernels.g711.alaw_to_ulaw(from, to));
            }
            (FormatKind::Audio(from), FormatKind::Audio(into)) if is_new => {
                let job = Job { source: key, leaves: Leaves { via, to, header }, from, into };
                self.transcode(job, packet.get(taken.payload)?);
                if taken.turn != Turn::Next {
                    self.follow_on(key);
                }
                return None;
            }
            (FormatKind::Audio(codec @ (Codec::G722 | Codec::Ilbc(_))), _) => {
                if let (Some(relayed), Some(payload)) = (channel.relayed.as_deref_mut(), packet.get(taken.payload.clone())) {
                    relayed.push(codec, payload);
                }
            }
            (FormatKind::Audio(_) | FormatKind::Event | FormatKind::ComfortNoise, _) => {}
        }
        let payload_len = taken.payload.len();
        let bytes = header.write_before(taken.payload, packet)?;
        channel.sent.sent(bytes.len(), payload_len);
        self.counters.forwarded += 1;
        Some(Forward { via, to, bytes })
    }

    /// Sends a packet on that has waited; `payload` is where `taken` says.
    pub(super) fn send_on(&mut self, key: ChannelKey, taken: &Taken, payload: &[u8]) {
        let Some(channel) = self.table.by_key(key) else { return };
        if channel.received.epoch() != taken.place.epoch || !channel.direction.recv {
            return;
        }
        let link = channel.link;
        if self.keep(key, taken, payload) {
            return;
        }
        let Some(via) = destination(key, link).and_then(|out| self.table.key(out)) else { return };
        let Some(channel) = self.table.get_mut(via.slot) else { return };
        // What needs no decoder any more, since a command came in between, is let go.
        if let Some((to, format)) = outgoing(channel, taken, link)
            && let (FormatKind::Audio(from), FormatKind::Audio(into)) = (taken.format.kind, format.kind)
            && (from != into || is_renewed(channel, taken, format))
            && remembers(taken.format.kind, format.kind)
            && let Some(header) = number(channel, taken, format, (true, &mut self.transcodes), self.now)
        {
            self.transcode(Job { source: key, leaves: Leaves { via, to, header }, from, into }, payload);
        }
    }

    /// Puts a packet of a clocked channel into its jitter buffer. False if the channel has no clock.
    fn keep(&mut self, key: ChannelKey, taken: &Taken, packet: &[u8]) -> bool {
        let Some(channel) = self.table.by_key(key).filter(|channel| channel.clock.is_some()) else { return false };
        // Asked only now: most packets have no clock to tell it.
        let now_ms = super::tick::slots_between(self.start.now, self.now);
        let Some(clock) = channel.clock.as_mut() else { return false };
        let payload = packet.get(taken.payload.clone()).unwrap_or_default();
        let clock_hz = taken.format.clock_rate_hz;
        let (content, ticks) = match taken.format.kind {
            FormatKind::Audio(codec) => match (codec.samples(payload.len()), codec.rate_hz()) {
                (Some(samples), Some(rate)) if samples > 0 => {
                    (Content::Audio(codec), (samples as u64 * u64::from(clock_hz) / u64::from(rate)) as u32)
                }
                // Another's codec, or less than a frame.
                _ => return true,
            },
            FormatKind::ComfortNoise => (Content::Noise, 0),
            FormatKind::Event => return true,
        };
        let arrived = Arrived { sequence: taken.place.sequence, timestamp: taken.place.timestamp.0, ticks, content, payload };
        // RFC 3389 §4: noise is described on the clock of the speech around it, and its own clock is 8000.
        let clock_hz = if content == Content::Noise { clock.jitter.clock_hz() } else { clock_hz };
        clock.jitter.push(&arrived, taken.place.epoch, clock_hz, now_ms);
        true
    }

    /// Hands a payload to the batches.
    fn transcode(&mut self, job: Job, payload: &[u8]) {
        let Self { batch, decoders, encoders, table, .. } = self;
        if batch.push(job, payload, (decoders, encoders), table) {
            self.counters.transcoded += 1;
            return;
        }
        self.counters.overrun += 1;
        let Some(channel) = table.by_key(job.leaves.via) else { return };
        channel.counts.skipped += 1;
        // Packets that are no whole frames of the other codec: the clocked path cuts them anew.
        let whole = |samples: usize| job.into.frame().is_none_or(|(frame, _)| samples.is_multiple_of(frame));
        if !job.from.samples(payload.len()).is_none_or(whole) && !channel.odd_frames && self.outputs.len() < self.outputs.capacity() {
            channel.odd_frames = true;
            self.outputs.push_back(Pending::Clock(job.leaves.via));
        }
    }

    /// Lets the channel judge and count a packet. `None` if it goes no further.
    fn take(&mut self, key: ChannelKey, from: SocketAddr, view: RtpView, packet_len: usize) -> Option<(Taken, Link)> {
        let now = self.now;
        let channel = self.table.by_key(key)?;
        match channel.source.judge(from, now) {
            Decision::Known => {}
            Decision::Changed => channel.received.source_changed(),
            Decision::Refused => {
                self.refuse(key, from);
                return None;
            }
        }
        if channel.turns.next(self.turn) >= PACKETS_PER_SLOT {
            self.counters.flood += 1;
            return None;
        }
        let format = channel.formats.incoming(view.header.payload_type).map(|format| format.of_length(view.payload.len()));
        let audio_clock = format.and_then(|f| matches!(f.kind, FormatKind::Audio(_)).then_some(f.clock_rate_hz));
        let arrival = channel.received.take(&view.header, audio_clock, now);
        let (turn, sequence) = match arrival {
            Arrival::InOrder(sequence) if channel.held == 0 && channel.received.has(sequence.offset(-1)) => (Turn::Next, sequence),
            Arrival::InOrder(sequence) => (Turn::Ahead, sequence),
            Arrival::Reordered(sequence) => (Turn::Overtaken, sequence),
            Arrival::Duplicate | Arrival::Late | Arrival::Suspect => return None,
        };
        channel.counts.packets += 1;
        channel.counts.bytes += packet_len as u64;
        channel.rtcp.hear_media();
        channel.coders.listen(channel.received.epoch());
        let (epoch, link, receives) = (channel.received.epoch(), channel.link, channel.direction.recv);
        if let Some(FormatKind::Audio(codec)) = format.map(|f| f.kind) {
            channel.codec_in = Some(codec);
        }
        if let Some(event) = channel.watch.hear(now) {
            self.tell_media(key, event);
        }
        let format = format.filter(|_| receives)?;
        let place = SourcePacket {
            source: key.slot,
            epoch,
            sequence,
            timestamp: view.header.timestamp,
            marker: view.header.marker,
            in_clock_hz: format.clock_rate_hz,
            out_clock_hz: format.clock_rate_hz,
        };
        Some((Taken { format, place, payload: view.payload, turn }, link))
    }

    fn receive_rtcp(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &[u8]) {
        let (now, ntp) = (self.now, self.ntp());
        let Some(channel) = self.table.by_key(key) else { return };
        // The reports of a call come from where its media come; before any came, from where they are expected.
        let expected = channel.source.source().or(channel.source.signalled());
        if expected.map(|e| e.ip()) != Some(from.ip()) {
            self.refuse(key, from);
            return;
        }
        let Ok(reports) = Reports::parse(packet, channel.sent.ssrc(), channel.received.ssrc()) else {
            self.counters.malformed += 1;
            return;
        };
        if !reports.is_theirs {
            // From the right host, but it knows neither stream.
            self.refuse(key, from);
            return;
        }
        if port == Port::Rtcp {
            channel.rtcp.remote = Some(from);
        }
        channel.rtcp.hear(&reports, &channel.sent, ntp, now);
        if let Some(clock) = channel.clock.as_mut().filter(|_| reports.bye) {
            // Nothing more will come: what is missing now is not made up.
            clock.jitter.end();
        }
        self.counters.rtcp += 1;
    }
}

/// Whether one of the codecs knows what came before, so that packets have to pass in their order.
fn remembers(from: FormatKind, into: FormatKind) -> bool {
    let remembers = |kind| matches!(kind, FormatKind::Audio(Codec::G722 | Codec::Ilbc(_)));
    remembers(from) || remembers(into)
}

/// Whether a packet that could be relayed is made anew: until a pause the far end's decoder is left to our encoder. It ends with a
/// packet that comes in its turn, so that none waits that would be decoded after it.
fn is_renewed(channel: &mut Channel, taken: &Taken, format: Format) -> bool {
    if !channel.renewal.is_on() || taken.format.kind != format.kind {
        return false;
    }
    let encodes = match format.kind {
        FormatKind::Audio(Codec::G722) => true,
        FormatKind::Audio(Codec::Ilbc(mode)) => channel.coders.encodes_ilbc(mode),
        FormatKind::Audio(_) => false,
        // It says nothing of what follows.
        FormatKind::Event | FormatKind::ComfortNoise => return false,
    };
    if !encodes || (channel.renewal.may_end() && taken.turn == Turn::Next) {
        channel.renewal = Renewal::Off;
    }
    channel.renewal.is_on()
}

/// Slot of the channel by which a packet leaves.
const fn destination(key: ChannelKey, link: Link) -> Option<u32> {
    match link {
        Link::None | Link::Mix => None,
        Link::Echo => Some(key.slot),
        Link::Peer(slot) => Some(slot),
    }
}

/// Where a packet leaves to, and as what; `None` if the channel cannot send it, and then its stream is told.
fn outgoing(channel: &mut Channel, taken: &Taken, link: Link) -> Option<(SocketAddr, Format)> {
    // `dials` is asked first: it is here, and the sender is not.
    if channel.dials && channel.events_out.is_sending() {
        // A digit takes the place of the sound.
        channel.sent.leave_out(&taken.place);
        return None;
    }
    let Some(to) = channel.destination() else {
        // Nothing goes out for a while: what comes after is a new talkspurt.
        channel.sent.release();
        channel.counts.skipped += 1;
        return None;
    };
    // An echo of what the far end sent needs no permission of its list, nor other frames of iLBC than it had.
    let format = match (link, taken.format.kind) {
        (Link::Echo, FormatKind::Audio(Codec::Ilbc(_))) => Some(taken.format),
        (Link::Echo, _) => channel.formats.outgoing(&taken.format).or(Some(taken.format)),
        _ => channel.formats.outgoing(&taken.format),
    };
    if format.is_none() {
        channel.sent.leave_out(&taken.place);
        channel.counts.skipped += 1;
    }
    Some((to, format?))
}

/// The header with which a packet goes into the stream of a channel; `transcodes` counts those that are made anew.
fn number(channel: &mut Channel, taken: &Taken, format: Format, (is_new, transcodes): (bool, &mut u64), now: Instant) -> Option<RtpHeader> {
    let place = SourcePacket { out_clock_hz: format.clock_rate_hz, ..taken.place };
    let Some(header) = channel.sent.map(&place, format.number, now) else {
        channel.counts.skipped += 1;
        return None;
    };
    if let FormatKind::Audio(codec) = format.kind {
        channel.codec_out = Some(codec);
    }
    if is_new != channel.transcodes {
        channel.transcodes = is_new;
        *transcodes = if is_new { *transcodes + 1 } else { *transcodes - 1 };
    }
    Some(header)
}

/// Converts octet by octet where they lie. The kernels take two slices, so they go through a scratch that stays in the
/// first-level cache.
fn in_place(scratch: &mut [u8], octets: &mut [u8], convert: impl FnOnce(&[u8], &mut [u8])) {
    if let Some(scratch) = scratch.get_mut(..octets.len()) {
        scratch.copy_from_slice(octets);
        convert(scratch, octets);
    }
}
