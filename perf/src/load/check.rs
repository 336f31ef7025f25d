//! One stream as it is heard: which of the told packets came, in what order, how late, how evenly.
//!
//! ```text
//!   warm-up ─▶ pause until nothing is under way ─▶ anchor(n): what comes next is the n-th told ─▶ hear … ─▶ counts
//! ```
//! Shape:  the last 1024 packets are remembered (20 s at 20 ms): what comes from before them is `late`.
//! Units:  arrival in microseconds of the run; jitter in microseconds; sequence numbers of RFC 3550 §5.1, extended as in A.1.
//! Errors: none: what is wrong is counted.
//! Note:   a clocked stream (a mix) has no n-th told: gaps in its own sequence are its loss.
//! Source: RFC 3550 §6.4.1 and A.8 for the inter-arrival jitter.

/// Packets that are remembered.
const WINDOW: usize = 1024;

/// Counts of what one stream heard since its anchor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Different packets.
    pub distinct: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets too old to know.
    pub late: u64,
    /// Packets told after the anchor that a later one shows to exist: the highest, plus one.
    pub reach: u64,
    /// Changes of SSRC since the first packet ever.
    pub ssrc_changes: u64,
    /// Timestamps that do not follow the sequence numbers.
    pub timestamp_jumps: u64,
}

/// What a packet turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The n-th packet since the anchor, for the first time.
    New(u64),
    /// Heard before the anchor: warm-up.
    Early,
    /// Heard already, or too old.
    Known,
}

/// Header fields that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
}

impl Header {
    /// Reads the fixed header; `None` if it is not version 2, or has what the switch never sends: CSRC, extension, padding.
    pub fn read(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (header, payload) = packet.split_first_chunk::<12>()?;
        let [first, second, s1, s0, t3, t2, t1, t0, c3, c2, c1, c0] = *header;
        (first == 0x80).then_some((
            Self {
                sequence: u16::from_be_bytes([s1, s0]),
                timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
                ssrc: u32::from_be_bytes([c3, c2, c1, c0]),
                payload_type: second & 0x7F,
            },
            payload,
        ))
    }
}

#[derive(Debug, Clone, Copy)]
struct Last {
    extended: u64,
    /// Sequence number that `extended` was made from, in 64 bits.
    raw: u64,
    timestamp: u32,
    ssrc: u32,
    /// Arrival minus timestamp, microseconds, of the last packet in order.
    transit_us: i64,
}

/// Checks one stream.
#[derive(Debug, Clone)]
pub struct StreamCheck {
    ticks_per_packet: u32,
    last: Option<Last>,
    /// Extended sequence number of the packet that is the 0-th; none before the anchor.
    anchor: Option<u64>,
    seen: [u64; WINDOW / 64],
    jitter_us: f64,
    jitter_us_max: f64,
    heard: Heard,
}

impl StreamCheck {
    /// A stream whose timestamp grows by `ticks_per_packet`.
    pub const fn new(ticks_per_packet: u32) -> Self {
        Self {
            ticks_per_packet,
            last: None,
            anchor: None,
            seen: [0; WINDOW / 64],
            jitter_us: 0.0,
            jitter_us_max: 0.0,
            heard: Heard { distinct: 0, duplicates: 0, reordered: 0, late: 0, reach: 0, ssrc_changes: 0, timestamp_jumps: 0 },
        }
    }

    /// What comes next is the 0-th. False if nothing was ever heard: then there is nothing to count from.
    pub fn anchor(&mut self) -> bool {
        self.anchor = self.last.map(|last| last.extended + 1);
        self.seen = [0; WINDOW / 64];
        self.heard = Heard { ssrc_changes: self.heard.ssrc_changes, ..Heard::default() };
        (self.jitter_us, self.jitter_us_max) = (0.0, 0.0);
        self.anchor.is_some()
    }

    /// A packet has come.
    pub fn hear(&mut self, header: Header, arrival_us: u64) -> Kind {
        let begins = FIRST | u64::from(header.sequence);
        let (raw, extended) = match self.last {
            Some(last) if last.ssrc == header.ssrc => {
                let step = i64::from(header.sequence.wrapping_sub(last.raw as u16) as i16);
                (last.raw.saturating_add_signed(step), last.extended.saturating_add_signed(step))
            }
            Some(last) => {
                self.heard.ssrc_changes += 1;
                // Whatever it counts from, it goes on from here.
                (begins, last.extended + 1)
            }
            None => (begins, begins),
        };
        self.follow(header, raw, extended, arrival_us);
        let Some(anchor) = self.anchor else { return Kind::Early };
        let Some(n) = extended.checked_sub(anchor) else { return Kind::Early };
        if n + (WINDOW as u64) < self.heard.reach {
            self.heard.late += 1;
            return Kind::Known;
        }
        if n >= self.heard.reach {
            // What the window moves over is forgotten.
            for passed in self.heard.reach..=n.min(self.heard.reach + WINDOW as u64) {
                self.mark(passed, false);
            }
            self.heard.reach = n + 1;
        } else if self.is_seen(n) {
            self.heard.duplicates += 1;
            return Kind::Known;
        } else {
            self.heard.reordered += 1;
        }
        self.mark(n, true);
        self.heard.distinct += 1;
        Kind::New(n)
    }

    /// Counts since the anchor.
    pub const fn heard(&self) -> Heard {
        self.heard
    }

    /// Inter-arrival jitter: now, and the most it was since the anchor.
    pub const fn jitter_us(&self) -> (f64, f64) {
        (self.jitter_us, self.jitter_us_max)
    }

    /// Timestamp and jitter, of packets that come in order.
    fn follow(&mut self, header: Header, raw: u64, extended: u64, arrival_us: u64) {
        // 8 kHz: a tick is 125 us.
        let transit_us = arrival_us as i64 - i64::from(header.timestamp) * 125;
        let now = Last { extended, raw, timestamp: header.timestamp, ssrc: header.ssrc, transit_us };
        if let Some(last) = self.last {
            if extended <= last.extended {
                return;
            }
            if last.ssrc == header.ssrc {
                let steps = (extended - last.extended) as u32;
                let ticks = header.timestamp.wrapping_sub(last.timestamp);
                if ticks == self.ticks_per_packet.wrapping_mul(steps) {
                    // RFC 3550 A.8: J += (|D| − J) / 16.
                    self.jitter_us += ((transit_us - last.transit_us).abs() as f64 - self.jitter_us) / 16.0;
                    self.jitter_us_max = self.jitter_us_max.max(self.jitter_us);
                } else {
                    self.heard.timestamp_jumps += 1;
                }
            }
        }
        self.last = Some(now);
    }

    fn is_seen(&self, n: u64) -> bool {
        let (word, bit) = place(n);
        self.seen.get(word).is_some_and(|seen| seen & bit != 0)
    }

    fn mark(&mut self, n: u64, seen: bool) {
        let (word, bit) = place(n);
        if let Some(place) = self.seen.get_mut(word) {
            *place = if seen { *place | bit } else { *place & !bit };
        }
    }
}

const fn place(n: u64) -> (usize, u64) {
    let n = n as usize % WINDOW;
    (n / 64, 1 << (n % 64))
}

/// Room below for one that is overtaken at the very start.
const FIRST: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16) -> Header {
        Header { sequence, timestamp: u32::from(sequence) * 160, ssrc: 1, payload_type: 0 }
    }

    fn anchored(first: u16) -> StreamCheck {
        let mut check = StreamCheck::new(160);
        assert!(!check.anchor());
        check.hear(header(first.wrapping_sub(1)), 0);
        assert!(check.anchor());
        check
    }

    #[test]
    fn loss_duplicates_and_reorder_are_found_to_the_packet() {
        let mut check = anchored(10);
        for sequence in [10, 11, 13, 12, 12, 16, 15, 16] {
            check.hear(header(sequence), 0);
        }
        let heard = check.heard();
        // Told are 10 to 16, and 14 is not there.
        assert_eq!((heard.reach, heard.distinct, heard.duplicates, heard.reordered), (7, 6, 2, 2));
        assert_eq!(check.hear(header(17), 0), Kind::New(7));
    }

    #[test]
    fn counting_goes_on_past_65535_and_past_the_window() {
        let mut check = anchored(65_000);
        for n in 0..5000_u32 {
            let mut header = header(65_000_u16.wrapping_add(n as u16));
            header.timestamp = (65_000 + n) * 160;
            assert_eq!(check.hear(header, u64::from(n) * 20_000), Kind::New(u64::from(n)));
        }
        assert_eq!(check.heard(), Heard { distinct: 5000, reach: 5000, ..Heard::default() });
        let mut old = header(65_000);
        old.timestamp = 65_000 * 160;
        assert_eq!((check.hear(old, 0), check.heard().late), (Kind::Known, 1));
    }

    #[test]
    fn another_ssrc_and_a_jump_in_time_are_counted() {
        let mut check = anchored(10);
        check.hear(Header { timestamp: 5, ..header(10) }, 0);
        check.hear(Header { ssrc: 2, ..header(400) }, 0);
        check.hear(Header { ssrc: 2, ..header(401) }, 0);
        let heard = check.heard();
        assert_eq!((heard.timestamp_jumps, heard.ssrc_changes, heard.distinct, heard.reach), (1, 1, 3, 3));
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        let mut check = anchored(1);
        // Each second packet 4 ms late: |D| is 4 ms each time, and the mean comes near it.
        for sequence in 1..200 {
            check.hear(header(sequence), u64::from(sequence) * 20_000 + u64::from(sequence % 2) * 4000);
        }
        let (now, most) = check.jitter_us();
        assert!((now - 4000.0).abs() < 10.0 && most <= 4000.0, "{now}");
    }

    #[test]
    fn a_header_with_more_than_the_fixed_part_is_none() {
        let mut packet = [0; 172];
        packet[0] = 0x80;
        packet[1] = 0x80;
        assert_eq!(Header::read(&packet).map(|(header, payload)| (header.payload_type, payload.len())), Some((0, 160)));
        for first in [0x90, 0xA0, 0x81, 0x40] {
            packet[0] = first;
            assert_eq!(Header::read(&packet), None);
        }
        assert_eq!(Header::read(&packet[..11]), None);
    }
}
