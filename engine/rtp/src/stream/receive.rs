//! One received stream: which packets came, which did not, and how unevenly.
//!
//! ```text
//!   take(header, clock, now) ──► Arrival::{InOrder, Reordered, Duplicate, Late, Suspect}
//!                                 window of the last 64 sequence numbers, one bit each
//! ```
//! Shape:  one value per channel; another SSRC starts a new epoch in the same value, totals go on.
//! Units:  jitter in ticks of the clock, times 16; arrival in the driver's time.
//! Errors: none.
//! Departs from RFC 3550 A.1: a stream is valid from its first packet, since the source check vouches for it.
//! Source: RFC 3550 A.1 (sequence), A.3 (loss), A.8 (jitter).

use std::time::{Duration, Instant};

use super::{ExtendedSequence, Overtaking, Ssrc};
use crate::packet::RtpHeader;

/// A jump of more packets than this is a restart (RFC 3550 A.1): 60 s of 50 packets.
const MAX_DROPOUT: u16 = 3000;
/// Packets that are this much older than the newest still belong to the stream (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;
/// Sequence numbers remembered: 64 packets of 20 ms are 1.3 s, more than any playout buffer.
const WINDOW_PACKETS: u64 = 64;
/// First cycle of an extended sequence number, so that packets before the first one seen have room below.
const FIRST_CYCLE: u64 = 1 << 16;

/// What a packet is to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before it; the stream may have begun anew with it (see [`ReceiveStream::epoch`]).
    InOrder(ExtendedSequence),
    /// Older than the newest, and not seen before.
    Reordered(ExtendedSequence),
    /// Seen before.
    Duplicate,
    /// Too old to tell.
    Late,
    /// A wild jump. If the next packet follows this one, the stream has begun anew.
    Suspect,
}

/// Loss since the last report, and in all (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Of the packets since the last report, in 1/256.
    pub fraction: u8,
    /// Of this source since it began; negative if duplicates outnumber losses, which we do not count, so never.
    pub cumulative: u32,
}

/// State of a received stream.
#[derive(Debug, Clone)]
pub struct ReceiveStream {
    ssrc: Option<Ssrc>,
    /// Grows with every new source and restart.
    epoch: u32,
    base: u64,
    highest: u64,
    /// Bit n: `highest - n` was seen.
    window: u64,
    /// What follows the suspect packet.
    suspect_next: Option<u16>,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    clock_rate_hz: u32,
    last_transit: Option<u32>,
    jitter_16: u32,
    jitter_known: bool,
    /// Origin of arrival times.
    origin: Instant,
    /// Whether packets overtake each other.
    overtaking: Overtaking,
    /// Counts of former sources.
    lost_before: u64,
    /// Seen twice.
    pub duplicate: u64,
    /// Seen after a newer one.
    pub reordered: u64,
    /// Too old to tell, or part of a jump.
    pub late: u64,
}

impl ReceiveStream {
    /// Nothing received. `origin` is any moment not after the first packet.
    pub const fn new(origin: Instant) -> Self {
        Self {
            ssrc: None,
            epoch: 0,
            base: 0,
            highest: 0,
            window: 0,
            suspect_next: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            clock_rate_hz: 0,
            last_transit: None,
            jitter_16: 0,
            jitter_known: false,
            origin,
            overtaking: Overtaking::NONE,
            lost_before: 0,
            duplicate: 0,
            reordered: 0,
            late: 0,
        }
    }

    /// Takes a packet. `clock_rate_hz` is that of its payload, `None` for payloads whose timestamp stands still (events).
    pub fn take(&mut self, header: &RtpHeader, clock_rate_hz: Option<u32>, now: Instant) -> Arrival {
        let newest = ExtendedSequence(self.highest);
        let arrival = if self.ssrc == Some(header.ssrc) { self.sequence(header.sequence.0) } else { self.begin(header) };
        match arrival {
            Arrival::InOrder(sequence) => {
                if sequence > newest.offset(1) {
                    let now_ms = self.ms(now);
                    self.overtaking.gap(newest, now_ms);
                }
                self.jitter(header, clock_rate_hz, now);
            }
            Arrival::Reordered(sequence) => {
                self.reordered += 1;
                let now_ms = self.ms(now);
                self.overtaking.fill(sequence, now_ms);
            }
            Arrival::Duplicate => self.duplicate += 1,
            Arrival::Late | Arrival::Suspect => self.late += 1,
        }
        arrival
    }

    fn begin(&mut self, header: &RtpHeader) -> Arrival {
        self.lost_before += self.lost_now();
        self.ssrc = Some(header.ssrc);
        self.restart(header.sequence.0)
    }

    fn restart(&mut self, sequence: u16) -> Arrival {
        let first = FIRST_CYCLE + u64::from(sequence);
        self.epoch = self.epoch.wrapping_add(1);
        (self.base, self.highest, self.window) = (first, first, 1);
        (self.received, self.expected_prior, self.received_prior) = (1, 0, 0);
        self.suspect_next = None;
        self.last_transit = None;
        Arrival::InOrder(ExtendedSequence(first))
    }

    /// RFC 3550 A.1, with a window to tell duplicates from late packets.
    fn sequence(&mut self, sequence: u16) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.received += 1;
            self.suspect_next = None;
            return Arrival::InOrder(ExtendedSequence(self.highest));
        }
        let behind = u64::from(ahead.wrapping_neg());
        if behind > u64::from(MAX_MISORDER) {
            if self.suspect_next == Some(sequence) {
                self.lost_before += self.lost_now();
                return self.restart(sequence);
            }
            self.suspect_next = Some(sequence.wrapping_add(1));
            return Arrival::Suspect;
        }
        if behind >= WINDOW_PACKETS {
            return Arrival::Late;
        }
        let bit = 1 << behind;
        if self.window & bit != 0 {
            return Arrival::Duplicate;
        }
        self.window |= bit;
        self.received += 1;
        // A packet from before the first one seen: it was expected after all.
        self.base = self.base.min(self.highest - behind);
        Arrival::Reordered(ExtendedSequence(self.highest - behind))
    }

    /// RFC 3550 A.8: the mean deviation of transit times, smoothed by 1/16.
    fn jitter(&mut self, header: &RtpHeader, clock_rate_hz: Option<u32>, now: Instant) {
        let Some(rate) = clock_rate_hz else { return };
        if rate != self.clock_rate_hz {
            self.clock_rate_hz = rate;
            (self.last_transit, self.jitter_16) = (None, 0);
        }
        let transit = ticks(now.saturating_duration_since(self.origin), rate).wrapping_sub(header.timestamp.0);
        if let Some(last) = self.last_transit {
            let deviation = (transit.wrapping_sub(last) as i32).unsigned_abs();
            // A timestamp that jumps (hold, another encoder) is no jitter: more than 10 s would poison the mean.
            if deviation < 10 * rate {
                self.jitter_16 = self.jitter_16 + deviation - ((self.jitter_16 + 8) >> 4);
                self.jitter_known = true;
            }
        }
        self.last_transit = Some(transit);
    }

    /// Current source.
    pub const fn ssrc(&self) -> Option<Ssrc> {
        self.ssrc
    }

    /// Which source this is: differs from that of any packet before the stream began anew.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Says that what comes next is another source, whatever its SSRC.
    pub fn source_changed(&mut self) {
        self.lost_before += self.lost_now();
        self.ssrc = None;
        (self.base, self.highest, self.received) = (0, 0, 0);
    }

    /// Packets expected and not seen, of all sources.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.lost_now()
    }

    fn lost_now(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn expected(&self) -> u64 {
        if self.ssrc.is_none() { 0 } else { self.highest - self.base + 1 }
    }

    /// Highest sequence number with its cycles, as reports carry it.
    pub const fn highest(&self) -> u32 {
        // The first cycle is ours, so that numbers below the first packet exist.
        self.highest.wrapping_sub(FIRST_CYCLE) as u32
    }

    /// Whether a packet not newer than the newest came, or was before all that came; what is older than can be told counts as here.
    pub const fn has(&self, sequence: ExtendedSequence) -> bool {
        let behind = self.highest.saturating_sub(sequence.0);
        sequence.0 < self.base || behind >= WINDOW_PACKETS || self.window >> behind & 1 != 0
    }

    /// Whether packets overtook each other lately, so that a missing one is worth waiting for.
    pub fn overtakes(&self, now: Instant) -> bool {
        self.overtaking.is_seen(self.ms(now))
    }

    /// Time since it was made.
    fn ms(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u32::MAX)
    }

    /// Interarrival jitter in ticks, for reports.
    pub const fn jitter_ticks(&self) -> u32 {
        self.jitter_16 >> 4
    }

    /// Interarrival jitter; `None` before two packets.
    pub fn jitter_ms(&self) -> Option<f64> {
        self.jitter_known.then(|| f64::from(self.jitter_16) / 16.0 * 1000.0 / f64::from(self.clock_rate_hz.max(1)))
    }

    /// Loss for a report; starts the next interval (RFC 3550 A.3).
    pub fn report(&mut self) -> Loss {
        let expected = self.expected() - self.expected_prior.min(self.expected());
        let received = self.received - self.received_prior.min(self.received);
        (self.expected_prior, self.received_prior) = (self.expected(), self.received);
        let lost = expected.saturating_sub(received);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255);
        Loss {
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            // 24 bits signed: no more than 2^23 - 1.
            cumulative: u32::try_from(self.lost_now().min(0x7f_ffff)).unwrap_or(0x7f_ffff),
        }
    }
}

/// A duration in ticks of a clock, wrapped as timestamps are.
pub fn ticks(duration: Duration, clock_rate_hz: u32) -> u32 {
    let rate = u64::from(clock_rate_hz);
    let whole = duration.as_secs().wrapping_mul(rate);
    whole.wrapping_add(u64::from(duration.subsec_micros()) * rate / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{PayloadType, RtpTimestamp, SequenceNumber};

    fn header(sequence: u16, timestamp: u32, ssrc: u32) -> RtpHeader {
        RtpHeader {
            marker: false,
            payload_type: PayloadType::from_wire(0),
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(ssrc),
        }
    }

    fn stream() -> (ReceiveStream, Instant) {
        let origin = sim::Clock::new().now();
        (ReceiveStream::new(origin), origin)
    }

    fn feed(stream: &mut ReceiveStream, origin: Instant, sequences: &[u16]) -> Vec<Arrival> {
        sequences.iter().map(|&s| stream.take(&header(s, 0, 1), None, origin)).collect()
    }

    fn at(sequence: u64) -> ExtendedSequence {
        ExtendedSequence(FIRST_CYCLE + sequence)
    }

    #[test]
    fn sequence_numbers_wrap_into_the_next_cycle() {
        let (mut s, t) = stream();
        let arrivals = feed(&mut s, t, &[65534, 65535, 0, 1]);
        assert_eq!(arrivals, [65534, 65535, 65536, 65537].map(|n| Arrival::InOrder(at(n))));
        assert_eq!((s.lost(), s.highest()), (0, 65537));
    }

    #[test]
    fn loss_reorder_and_duplicates_are_told_apart() {
        let (mut s, t) = stream();
        let arrivals = feed(&mut s, t, &[10, 12, 11, 11, 12, 15, 9]);
        use Arrival::{Duplicate, InOrder, Reordered};
        assert_eq!(
            arrivals,
            [InOrder(at(10)), InOrder(at(12)), Reordered(at(11)), Duplicate, Duplicate, InOrder(at(15)), Reordered(at(9))]
        );
        assert_eq!((s.lost(), s.reordered, s.duplicate, s.late), (2, 2, 2, 0));
    }

    #[test]
    fn what_is_missing_is_known_and_what_was_before_the_first_is_not_missed() {
        let (mut s, t) = stream();
        feed(&mut s, t, &[10, 12, 15]);
        let here: Vec<_> = (8..=15).filter(|n| s.has(at(*n))).collect();
        assert_eq!(here, [8, 9, 10, 12, 15]);
        feed(&mut s, t, &[13, 90]);
        assert!(s.has(at(13)) && !s.has(at(89)) && s.has(at(14)), "14 is too old to be told");
    }

    #[test]
    fn a_packet_older_than_the_window_is_late() {
        let (mut s, t) = stream();
        feed(&mut s, t, &[100, 200]);
        assert_eq!(feed(&mut s, t, &[136, 137]), [Arrival::Late, Arrival::Reordered(at(137))]);
    }

    #[test]
    fn a_wild_jump_restarts_only_when_a_second_packet_agrees() {
        let (mut s, t) = stream();
        feed(&mut s, t, &[10, 11]);
        let epoch = s.epoch();
        assert_eq!(feed(&mut s, t, &[30000, 12]), [Arrival::Suspect, Arrival::InOrder(at(12))]);
        assert_eq!(s.epoch(), epoch);
        assert_eq!(feed(&mut s, t, &[30000, 30001]), [Arrival::Suspect, Arrival::InOrder(at(30001))]);
        assert_ne!(s.epoch(), epoch);
        assert_eq!(s.lost(), 0);
    }

    #[test]
    fn another_ssrc_is_another_epoch_and_keeps_the_totals() {
        let (mut s, t) = stream();
        feed(&mut s, t, &[1, 3]);
        let epoch = s.epoch();
        assert_eq!(s.take(&header(500, 0, 2), None, t), Arrival::InOrder(at(500)));
        assert_ne!(s.epoch(), epoch);
        assert_eq!((s.lost(), s.ssrc()), (1, Some(Ssrc(2))));
    }

    #[test]
    fn even_arrivals_have_no_jitter_and_uneven_ones_converge() {
        let (mut s, t) = stream();
        assert_eq!(s.jitter_ms(), None);
        for n in 0..100u32 {
            s.take(&header(n as u16, n * 160, 1), Some(8000), t + Duration::from_millis(20) * n);
        }
        assert_eq!(s.jitter_ms(), Some(0.0));
        // Alternately 4 ms late: every transit differs by 32 ticks from the last, so the mean goes to 4 ms.
        for n in 100..400u32 {
            let late = Duration::from_millis(4) * (n % 2);
            s.take(&header(n as u16, n * 160, 1), Some(8000), t + Duration::from_millis(20) * n + late);
        }
        let jitter = s.jitter_ms().unwrap();
        assert!((3.5..4.1).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_report_counts_its_own_interval() {
        let (mut s, t) = stream();
        feed(&mut s, t, &[0, 1, 2, 3]);
        assert_eq!(s.report(), Loss { fraction: 0, cumulative: 0 });
        feed(&mut s, t, &[5, 7]);
        assert_eq!(s.report(), Loss { fraction: 128, cumulative: 2 });
        assert_eq!(s.report(), Loss { fraction: 0, cumulative: 2 });
    }
}
