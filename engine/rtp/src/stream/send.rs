//! The one stream that a channel sends, for as long as it lives.
//!
//! ```text
//!   source A: seq 7000, 7001 …  ts 160000 …  ┐ Anchor: which of theirs      ┌ SSRC ours
//!   source B: seq 12, 13 …      ts 990 …     ├ is which of ours       ─────►│ seq  n, n+1, n+2 …
//!   another codec, clock, SSRC …             ┘ (a new one after a change)   └ ts   on the channel's clock
//! ```
//! Shape:  within one anchor a packet keeps its distance to its neighbours, so loss and reordering pass through and
//!         the far end's own buffer deals with them; across anchors the sequence goes on by one, the timestamp by the
//!         time that passed, and the first packet has the marker.
//! Units:  ticks of the outgoing clock.
//! Errors: none; a packet that is older than its anchor has no number left and is dropped.
//! Source: RFC 3550 §5.1, RFC 3551 §4.1 (marker).

use std::time::{Duration, Instant};

use super::receive::ticks;
use super::{ExtendedSequence, PayloadType, RtpTimestamp, Ssrc};
use crate::packet::RtpHeader;

/// A timestamp that strays from arrival by more than this is a jump of the source's clock, not a pause: no pause is
/// longer in one than in the other. Half a minute of drift at 200 ppm is 6 ms.
const JUMP: Duration = Duration::from_secs(5);

/// Which number of a source is which of ours.
#[derive(Debug, Clone, Copy)]
pub struct Anchor {
    /// Slot of the channel that is the source.
    source: u32,
    /// Its stream at that time.
    epoch: u32,
    in_clock_hz: u32,
    out_clock_hz: u32,
    in_sequence: ExtendedSequence,
    out_sequence: ExtendedSequence,
    in_timestamp: RtpTimestamp,
    out_timestamp: RtpTimestamp,
    /// Nothing older than this has a number of ours.
    oldest: ExtendedSequence,
    /// When the newest packet came.
    at: Instant,
}

/// A packet's place in its source.
#[derive(Debug, Clone, Copy)]
pub struct SourcePacket {
    /// Slot of the source.
    pub source: u32,
    /// Its stream.
    pub epoch: u32,
    /// Sequence number there.
    pub sequence: ExtendedSequence,
    /// Timestamp there.
    pub timestamp: RtpTimestamp,
    /// Marker there.
    pub marker: bool,
    /// Clock of its payload.
    pub in_clock_hz: u32,
    /// Clock of the payload that it becomes.
    pub out_clock_hz: u32,
}

/// The stream.
#[derive(Debug, Clone)]
pub struct SendStream {
    ssrc: Ssrc,
    anchor: Option<Anchor>,
    /// Highest sequence number given out, or the one before the first.
    highest: ExtendedSequence,
    /// Timestamp that goes with it.
    timestamp: RtpTimestamp,
    clock_rate_hz: u32,
    /// When it was given out.
    at: Option<Instant>,
    packets: u64,
    octets: u64,
    bytes: u64,
}

impl SendStream {
    /// A stream with random beginnings (RFC 3550 §5.1), told from `random`.
    pub const fn new(ssrc: Ssrc, random: u64) -> Self {
        Self {
            ssrc,
            anchor: None,
            highest: ExtendedSequence(1 << 16 | random & 0xffff),
            timestamp: RtpTimestamp((random >> 32) as u32),
            clock_rate_hz: 8000,
            at: None,
            packets: 0,
            octets: 0,
            bytes: 0,
        }
    }

    /// The header of a packet that came from elsewhere; `None` if it is older than all that its anchor knows.
    pub fn map(&mut self, packet: &SourcePacket, payload_type: PayloadType, now: Instant) -> Option<RtpHeader> {
        let (anchor, fresh) = match self.anchor {
            Some(anchor) if anchor.holds(packet, now) => (anchor, false),
            _ => (self.new_anchor(packet, now), true),
        };
        if packet.sequence < anchor.oldest {
            return None;
        }
        let sequence = anchor.out_sequence.offset(packet.sequence.since(anchor.in_sequence));
        let (timestamp, cut) = anchor.timestamp(packet.timestamp);
        let is_newest = fresh || packet.sequence > anchor.in_sequence;
        self.anchor = Some(if is_newest {
            // Moved along, so that distances stay short; by whole ticks of ours, so that no fraction adds up.
            let in_timestamp = RtpTimestamp(packet.timestamp.0.wrapping_sub(cut));
            let (in_sequence, out_sequence, out_timestamp) = (packet.sequence, sequence, timestamp);
            Anchor { in_sequence, out_sequence, in_timestamp, out_timestamp, at: now, ..anchor }
        } else {
            anchor
        });
        if sequence > self.highest {
            if self.at.is_none() || timestamp != self.timestamp {
                // Packets of an event share the timestamp of its beginning: time goes on from there.
                self.at = Some(now);
            }
            (self.highest, self.timestamp) = (sequence, timestamp);
            self.clock_rate_hz = packet.out_clock_hz;
        }
        let marker = packet.marker || fresh;
        Some(RtpHeader { marker, payload_type, sequence: sequence.wire(), timestamp, ssrc: self.ssrc })
    }

    /// The next packet has the time of the last one, whatever became of the anchor since: an event goes on (RFC 4733 §2.5.1.1).
    pub fn stand(&mut self, packet: &SourcePacket, now: Instant) {
        if !self.anchor.is_some_and(|anchor| anchor.holds(packet, now)) {
            self.anchor = Some(Anchor { out_timestamp: self.timestamp, ..self.new_anchor(packet, now) });
        }
    }

    /// Says that a packet of the source is not sent, so that those after it leave no hole for it.
    pub fn leave_out(&mut self, packet: &SourcePacket) {
        if let Some(anchor) = &mut self.anchor
            && anchor.source == packet.source
            && anchor.epoch == packet.epoch
            && packet.sequence > anchor.in_sequence
        {
            // What lies between stays a hole; the first number of it would now be given twice.
            anchor.in_sequence = anchor.in_sequence.offset(1);
            anchor.oldest = anchor.in_sequence.offset(1);
        }
    }

    /// The next packet starts a new anchor: the source changes, or sending was off.
    pub fn release(&mut self) {
        self.anchor = None;
    }

    /// What it goes by now, to be put back with [`SendStream::resume`] after a change that leaves the source as it is.
    pub const fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// Goes by what it went by before.
    pub const fn resume(&mut self, anchor: Option<Anchor>) {
        self.anchor = anchor;
    }

    /// Whether it goes by packets of this source.
    pub fn follows(&self, source: u32) -> bool {
        self.anchor.is_some_and(|anchor| anchor.source == source)
    }

    /// The same sound comes from another source from now on: what would be `from` is `to` there, and has its number and its
    /// time. False if it did not go by the source of `from`; then the next packet starts a new anchor.
    pub fn hand_over(&mut self, from: &SourcePacket, to: &SourcePacket, now: Instant) -> bool {
        let Some(anchor) = self.anchor.filter(|anchor| anchor.holds(from, now)) else {
            self.anchor = None;
            return false;
        };
        // Not a number that was given out: the packet of it came after others, and is told apart by its time.
        let out_sequence = anchor.out_sequence.offset(from.sequence.since(anchor.in_sequence)).max(self.highest.offset(1));
        let (out_timestamp, _) = anchor.timestamp(from.timestamp);
        self.anchor = Some(Anchor {
            source: to.source,
            epoch: to.epoch,
            in_clock_hz: to.in_clock_hz,
            out_clock_hz: to.out_clock_hz,
            in_sequence: to.sequence,
            out_sequence,
            in_timestamp: to.timestamp,
            out_timestamp,
            oldest: to.sequence,
            at: now,
        });
        true
    }

    /// Counts a packet handed to the driver.
    pub fn sent(&mut self, packet_len: usize, payload_len: usize) {
        self.packets += 1;
        self.octets += payload_len as u64;
        self.bytes += packet_len as u64;
    }

    fn new_anchor(&self, packet: &SourcePacket, now: Instant) -> Anchor {
        let passed = self.at.map_or(0, |at| ticks(now.saturating_duration_since(at), packet.out_clock_hz));
        // At least one tick, so that two anchors in one slot do not share a timestamp.
        let out_timestamp = if self.at.is_some() { self.timestamp.offset(passed.max(1)) } else { self.timestamp };
        Anchor {
            source: packet.source,
            epoch: packet.epoch,
            in_clock_hz: packet.in_clock_hz,
            out_clock_hz: packet.out_clock_hz,
            in_sequence: packet.sequence,
            out_sequence: self.highest.offset(1),
            in_timestamp: packet.timestamp,
            out_timestamp,
            oldest: packet.sequence,
            at: now,
        }
    }

    /// Our source.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Clock of what was sent last.
    pub const fn clock_rate_hz(&self) -> u32 {
        self.clock_rate_hz
    }

    /// Packets sent.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Octets of payload sent, as sender reports count them.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Bytes of packets sent.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Our timestamp at this moment, for sender reports; `None` before the first packet.
    pub fn timestamp_at(&self, now: Instant) -> Option<RtpTimestamp> {
        let passed = now.saturating_duration_since(self.at?);
        Some(self.timestamp.offset(ticks(passed, self.clock_rate_hz)))
    }
}

impl Anchor {
    fn holds(&self, packet: &SourcePacket, now: Instant) -> bool {
        self.source == packet.source
            && self.epoch == packet.epoch
            && self.in_clock_hz == packet.in_clock_hz
            && self.out_clock_hz == packet.out_clock_hz
            && !self.has_jumped(packet, now)
    }

    fn has_jumped(&self, packet: &SourcePacket, now: Instant) -> bool {
        let by_clock = packet.timestamp.since(self.in_timestamp);
        let by_arrival = ticks(now.saturating_duration_since(self.at), self.in_clock_hz) as i32;
        let apart = by_clock.wrapping_sub(by_arrival).unsigned_abs();
        apart > ticks(JUMP, self.in_clock_hz)
    }

    /// The timestamp on our clock, rounded down, and how many ticks of theirs were cut by that.
    fn timestamp(&self, timestamp: RtpTimestamp) -> (RtpTimestamp, u32) {
        let (theirs, ours) = (i64::from(self.in_clock_hz.max(1)), i64::from(self.out_clock_hz.max(1)));
        let scaled = i64::from(timestamp.since(self.in_timestamp)) * ours;
        let cut = scaled.rem_euclid(theirs) / ours;
        (self.out_timestamp.offset(scaled.div_euclid(theirs) as u32), cut as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: PayloadType = PayloadType::from_wire(8);

    struct Bed {
        stream: SendStream,
        now: Instant,
    }

    impl Bed {
        fn new() -> Self {
            Self { stream: SendStream::new(Ssrc(7), 0x1000_0000_ffff), now: sim::Clock::new().now() }
        }

        fn packet(sequence: u64, timestamp: u32) -> SourcePacket {
            SourcePacket {
                source: 1,
                epoch: 1,
                sequence: ExtendedSequence(sequence),
                timestamp: RtpTimestamp(timestamp),
                marker: false,
                in_clock_hz: 8000,
                out_clock_hz: 8000,
            }
        }

        /// Sequence, timestamp and marker of what goes out.
        fn map(&mut self, packet: SourcePacket) -> Option<(u16, u32, bool)> {
            self.stream.map(&packet, AUDIO, self.now).map(|h| (h.sequence.0, h.timestamp.0, h.marker))
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }
    }

    #[test]
    fn distances_of_the_source_are_kept_within_an_anchor() {
        let mut bed = Bed::new();
        assert_eq!(bed.map(Bed::packet(100, 8000)), Some((0, 0x1000, true)));
        bed.pass(20);
        assert_eq!(bed.map(Bed::packet(103, 8480)), Some((3, 0x1000 + 480, false)));
        assert_eq!(bed.map(Bed::packet(101, 8160)), Some((1, 0x1000 + 160, false)), "a reordered one keeps its place");
        assert_eq!(bed.map(Bed::packet(99, 7840)), None, "older than the anchor");
        bed.pass(20);
        assert_eq!(bed.map(Bed::packet(104, 8640)), Some((4, 0x1000 + 640, false)));
    }

    #[test]
    fn another_source_goes_on_by_one_and_by_the_time_that_passed() {
        let mut bed = Bed::new();
        bed.map(Bed::packet(100, 8000));
        bed.pass(500);
        let other = SourcePacket { source: 2, ..Bed::packet(9, 77) };
        assert_eq!(bed.map(other), Some((1, 0x1000 + 4000, true)));
        let restarted = SourcePacket { epoch: 2, ..other };
        assert_eq!(bed.map(restarted), Some((2, 0x1000 + 4001, true)), "no two anchors share a timestamp");
        bed.stream.release();
        bed.pass(20);
        assert_eq!(bed.map(SourcePacket { sequence: ExtendedSequence(10), ..restarted }), Some((3, 0x1000 + 4161, true)));
    }

    #[test]
    fn a_jump_of_the_source_s_clock_does_not_pass_but_a_pause_does() {
        let mut bed = Bed::new();
        bed.map(Bed::packet(1, 0));
        bed.pass(20);
        assert_eq!(bed.map(Bed::packet(2, 900_000)), Some((1, 0x1000 + 160, true)));
        bed.pass(60_000);
        assert_eq!(bed.map(Bed::packet(3, 900_000 + 480_000)), Some((2, 0x1000 + 160 + 480_000, false)));
    }

    #[test]
    fn clocks_are_converted_without_drift() {
        let mut bed = Bed::new();
        let start = bed.map(SourcePacket { in_clock_hz: 16000, ..Bed::packet(0, 1) }).map(|(_, ts, _)| ts);
        for n in 1..=1000u32 {
            bed.pass(20);
            // Odd steps: 161 and 159 two by two.
            let timestamp = 1 + 320 * n + n % 2;
            let (_, ts, marker) = bed.map(SourcePacket { in_clock_hz: 16000, ..Bed::packet(u64::from(n), timestamp) }).unwrap();
            assert_eq!((ts - start.unwrap(), marker), (160 * n, false));
        }
        bed.pass(20);
        let (_, ts, marker) = bed.map(Bed::packet(1001, 5)).unwrap();
        assert_eq!((ts - start.unwrap(), marker), (160 * 1001, true), "the outgoing clock goes on");
    }

    #[test]
    fn what_is_left_out_leaves_no_hole() {
        let mut bed = Bed::new();
        bed.map(Bed::packet(10, 0));
        bed.stream.leave_out(&Bed::packet(11, 160));
        bed.stream.leave_out(&Bed::packet(12, 160));
        assert_eq!(bed.map(Bed::packet(13, 480)).map(|m| m.0), Some(1));
        bed.stream.leave_out(&Bed::packet(16, 960));
        assert_eq!(bed.map(Bed::packet(17, 1120)).map(|m| m.0), Some(4), "14 and 15 were lost, and that shows");
        assert_eq!(bed.map(Bed::packet(12, 0)), None);
    }

    #[test]
    fn a_hand_over_goes_on_without_a_seam() {
        let mut bed = Bed::new();
        bed.map(Bed::packet(100, 8000));
        bed.pass(20);
        bed.map(Bed::packet(101, 8160));
        // 102 is not sent as it came but as the first of another source, 33 ms later.
        bed.pass(33);
        let own = SourcePacket { source: 9, epoch: 0, ..Bed::packet(5, 0) };
        assert!(bed.stream.hand_over(&Bed::packet(102, 8320), &own, bed.now) && bed.stream.follows(9));
        assert_eq!(bed.map(own), Some((2, 0x1000 + 320, false)));
        bed.pass(20);
        let next = SourcePacket { source: 9, epoch: 0, ..Bed::packet(6, 160) };
        assert_eq!(bed.map(next), Some((3, 0x1000 + 480, false)));
        // And back: what waited was sent at once.
        let next = SourcePacket { source: 9, epoch: 0, ..Bed::packet(7, 320) };
        assert!(bed.stream.hand_over(&next, &Bed::packet(104, 8640), bed.now));
        assert_eq!(bed.map(Bed::packet(103, 8480)), None, "was sent");
        assert_eq!(bed.map(Bed::packet(105, 8800)), Some((5, 0x1000 + 800, false)), "104 is lost, and that shows");
        assert_eq!(bed.map(Bed::packet(104, 8640)), Some((4, 0x1000 + 640, false)));
        assert!(!bed.stream.hand_over(&own, &next, bed.now), "it does not go by that one");
    }

    #[test]
    fn our_clock_runs_on_for_reports() {
        let mut bed = Bed::new();
        assert_eq!(bed.stream.timestamp_at(bed.now), None);
        bed.map(Bed::packet(10, 0));
        bed.pass(1000);
        assert_eq!(bed.stream.timestamp_at(bed.now), Some(RtpTimestamp(0x1000 + 8000)));
    }
}
