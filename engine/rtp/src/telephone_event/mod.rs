//! Telephone events in RTP: digits as they come, and digits to be sent.
//!
//! ```text
//!   payload: event | E R volume | duration (4 octets)
//!   packets ──► EventReceiver ──► Start, End, once per digit          digits ──► EventSender ──► packets, by time
//! ```
//! Shape:  small plain values, one of each per channel.
//! Units:  durations in ticks of the event's clock on the wire, ms outside.
//! Errors: a payload of less than four octets is none.
//! Source: RFC 4733 §2.3 (payload), §2.5 (sending and receiving), §3.2 (digits).

mod receive;
mod send;

pub use receive::{EventReceiver, Heard};
pub use send::{Digits, EventSender};

/// Length of a payload.
pub const PAYLOAD_LEN: usize = 4;
/// Digits, `*`, `#`, `A`–`D` and flash: what control is told and may send.
pub const EVENT_MAX: u8 = 16;

/// One payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPayload {
    /// Which event.
    pub event: u8,
    /// It is over, and this is its whole duration.
    pub end: bool,
    /// Power of the tone, -dBm0, 0 to 63.
    pub volume: u8,
    /// Since its beginning, ticks.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the first event of a payload; the R bit is to be ignored.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, d0, d1] = payload.first_chunk::<PAYLOAD_LEN>()?;
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([d0, d1]) })
    }

    /// The payload.
    pub const fn to_bytes(self) -> [u8; PAYLOAD_LEN] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, (self.end as u8) << 7 | self.volume & 0x3f, d0, d1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_go_both_ways() {
        let digit = EventPayload { event: 5, end: true, volume: 13, duration: 1600 };
        assert_eq!(digit.to_bytes(), [5, 0x8d, 6, 0x40]);
        assert_eq!(EventPayload::parse(&[5, 0xcd, 6, 0x40, 9]), Some(digit), "the reserved bit is ignored");
        assert_eq!(EventPayload::parse(&[5, 0, 0]), None);
    }
}
