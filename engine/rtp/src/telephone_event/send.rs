//! Events to be sent: digits of a command one after the other, and those of another channel as they are pressed there.
//!
//! ```text
//!   idle ──► sending: a packet each 20 ms ──► its end, three times ──► gap ──► next
//! ```
//! Shape:  at most [`DIGITS_MAX`] wait; one is sent at a time. No packet of sound goes out meanwhile.
//! Parts:  who hears a digit and parts from who presses it has it ended then, and is not sent it again when it is let go: once each, as
//!         long as both heard each other.
//! Units:  ms since the shard began; ticks of the event's clock on the wire.
//! Errors: what does not fit the queue is given back.
//! Source: RFC 4733 §2.5.1.2 (updates), §2.5.1.4 (three ends); a duration fills 16 bits at most (§2.3.5).

use heapless::Deque;

use super::EventPayload;
use crate::api::DIGITS_MAX;

/// Between packets of an event.
const UPDATE_MS: u64 = 20;
/// How often the end is sent.
const ENDS: u8 = 3;
/// Power of what we send, -dBm0: as telephones do.
const VOLUME: u8 = 10;
/// Shortest press that others take for one (ITU-T Q.24).
const LEAST_MS: u32 = 40;
/// Between two digits that are sent on as they were pressed.
const LIVE_GAP_MS: u32 = 40;
/// How much earlier than its first packet a press may seem to have begun, by its duration and the time it was let go: jitter, and
/// six packets of silence where no end came.
const SAME_PRESS_MS: u32 = 200;

/// Digits to send in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits<'a> {
    /// Events.
    pub events: &'a [u8],
    /// How long each lasts.
    pub duration_ms: u32,
    /// Silence after each.
    pub gap_ms: u32,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    event: u8,
    duration_ms: u16,
    gap_ms: u16,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Idle,
    Sending {
        event: u8,
        began_ms: u64,
        /// How long it lasts; `None` while it is pressed elsewhere.
        duration_ms: Option<u32>,
        gap_ms: u32,
        next_ms: u64,
        ends: u8,
    },
    Gap {
        until_ms: u64,
    },
}

/// The sender of one channel.
#[derive(Debug, Clone, Default)]
pub struct EventSender {
    waiting: Deque<Waiting, DIGITS_MAX>,
    state: State,
    /// An event that was ended before it was let go, and when it began here.
    parted: Option<(u8, u64)>,
}

impl EventSender {
    /// Takes digits to send after those that wait. False if there is no room for all, and then none is taken.
    pub fn push(&mut self, digits: Digits<'_>) -> bool {
        if self.waiting.len() + digits.events.len() > DIGITS_MAX {
            return false;
        }
        let short = |ms: u32| u16::try_from(ms).unwrap_or(u16::MAX);
        for &event in digits.events {
            let digit = Waiting { event, duration_ms: short(digits.duration_ms.max(LEAST_MS)), gap_ms: short(digits.gap_ms) };
            // There is room, checked above.
            let _ = self.waiting.push_back(digit);
        }
        true
    }

    /// An event is pressed elsewhere: sent from now on, unless another one is being sent.
    pub fn press(&mut self, event: u8, now_ms: u64) {
        if matches!(self.state, State::Idle) && self.waiting.is_empty() {
            self.state = State::Sending { event, began_ms: now_ms, duration_ms: None, gap_ms: LIVE_GAP_MS, next_ms: now_ms, ends: ENDS };
        }
    }

    /// Who presses an event is heard here no longer: it ends now.
    pub fn part(&mut self, now_ms: u64) {
        if let State::Sending { event, began_ms, duration_ms: duration_ms @ None, .. } = &mut self.state {
            let so_far = u32::try_from(now_ms.saturating_sub(*began_ms)).unwrap_or(u32::MAX);
            *duration_ms = Some(so_far.max(LEAST_MS));
            self.parted = Some((*event, *began_ms));
        }
    }

    /// It was let go after so long.
    pub fn release(&mut self, event: u8, lasted_ms: u32, now_ms: u64) {
        let pressed_ms = now_ms.saturating_sub(u64::from(lasted_ms) + u64::from(SAME_PRESS_MS));
        match &mut self.state {
            State::Sending { event: sending, duration_ms: duration_ms @ None, .. } if *sending == event => {
                *duration_ms = Some(lasted_ms.max(LEAST_MS));
            }
            _ if self.parted.take_if(|(parted, began_ms)| *parted == event && *began_ms >= pressed_ms).is_some() => {}
            // It was not sent as it was pressed: another was in the way.
            _ => {
                self.push(Digits { events: &[event], duration_ms: lasted_ms, gap_ms: LIVE_GAP_MS });
            }
        }
    }

    /// The packet that is due: its payload, and whether it is the first of its event. `clock_hz` is that of events there.
    pub fn poll(&mut self, clock_hz: u32, now_ms: u64) -> Option<(EventPayload, bool)> {
        loop {
            match &mut self.state {
                State::Idle => {
                    let Waiting { event, duration_ms, gap_ms } = self.waiting.pop_front()?;
                    let (duration_ms, gap_ms) = (Some(duration_ms.into()), gap_ms.into());
                    self.state = State::Sending { event, began_ms: now_ms, duration_ms, gap_ms, next_ms: now_ms, ends: ENDS };
                }
                State::Gap { until_ms } if now_ms >= *until_ms => self.state = State::Idle,
                State::Gap { .. } => return None,
                State::Sending { event, began_ms, duration_ms, gap_ms, next_ms, ends } => {
                    if now_ms < *next_ms {
                        return None;
                    }
                    let first = *next_ms == *began_ms;
                    *next_ms = (*next_ms + UPDATE_MS).max(now_ms.saturating_sub(UPDATE_MS));
                    let ticks = |ms: u64| ms * u64::from(clock_hz) / 1000;
                    let so_far = now_ms - *began_ms + UPDATE_MS;
                    // What is longer than 16 bits of ticks ends there.
                    let longest = u64::from(u16::MAX) * 1000 / u64::from(clock_hz.max(1));
                    let whole = duration_ms.map_or(longest, |ms| u64::from(ms).min(longest));
                    let end = so_far >= whole;
                    let duration = u16::try_from(ticks(so_far.min(whole))).unwrap_or(u16::MAX);
                    let payload = EventPayload { event: *event, end, volume: VOLUME, duration };
                    if end {
                        *duration_ms = duration_ms.or(Some(u32::try_from(whole).unwrap_or(u32::MAX)));
                        *ends -= 1;
                        if *ends == 0 {
                            self.state = State::Gap { until_ms: (*began_ms + whole + u64::from(*gap_ms)).max(now_ms + UPDATE_MS) };
                        }
                    }
                    return Some((payload, first));
                }
            }
        }
    }

    /// An event is going out: sound waits.
    pub const fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending { .. })
    }

    /// Nothing to send, now or later.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && self.waiting.is_empty()
    }

    /// Forgets all that waits and is being sent.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EventReceiver, Heard};
    use super::*;

    /// Sends for some time and gives what a receiver hears, with the times of the packets.
    fn run(sender: &mut EventSender, from_ms: u64, to_ms: u64) -> (Vec<Heard>, Vec<u64>) {
        let (mut receiver, mut heard, mut times) = (EventReceiver::default(), Vec::new(), Vec::new());
        let mut began = 0;
        for ms in from_ms..to_ms {
            if let Some((payload, first)) = sender.poll(8000, ms) {
                began = if first { ms as u32 * 8 } else { began };
                heard.extend(receiver.take(payload, began, 1, 8000, ms).into_iter().flatten());
                times.push(ms);
            }
            heard.extend(receiver.check(ms));
        }
        (heard, times)
    }

    #[test]
    fn digits_go_out_in_turn_with_their_duration_and_gap() {
        let mut sender = EventSender::default();
        assert!(sender.push(Digits { events: &[1, 1, 11], duration_ms: 100, gap_ms: 200 }));
        let (heard, times) = run(&mut sender, 1000, 3000);
        let expected = [1, 1, 11].map(|event| [Heard::Start(event), Heard::End { event, duration_ms: 100 }]).concat();
        assert_eq!(heard, expected);
        let one = [0, 20, 40, 60, 80, 100, 120];
        assert_eq!(times, [0, 300, 600].map(|at| one.map(|ms| 1000 + at + ms)).concat());
        assert!(sender.is_idle());
    }

    #[test]
    fn a_digit_that_is_pressed_elsewhere_lasts_as_long_there() {
        let mut sender = EventSender::default();
        sender.press(5, 0);
        let mut payloads: Vec<_> = (0..250).filter_map(|ms| sender.poll(8000, ms)).collect();
        sender.release(5, 240, 250);
        payloads.extend((250..600).filter_map(|ms| sender.poll(8000, ms)));
        let last = payloads[payloads.len() - 1].0;
        assert_eq!((last.end, last.duration), (true, 240 * 8));
        assert_eq!(payloads.iter().filter(|(p, _)| p.end).count(), 3);
        assert!(sender.is_idle());
    }

    #[test]
    fn who_parts_from_who_presses_hears_the_digit_until_then_and_not_again() {
        for (parts_ms, lasts) in [(10, 40), (130, 130)] {
            let mut sender = EventSender::default();
            sender.press(5, 0);
            let (mut heard, _) = run(&mut sender, 0, parts_ms);
            sender.part(parts_ms);
            let (after, _) = run(&mut sender, parts_ms, 500);
            heard.extend(after);
            assert!(heard.ends_with(&[Heard::End { event: 5, duration_ms: lasts }]), "{heard:?}");
            sender.part(500);
            // They hear each other again when it is let go.
            sender.release(5, 480, 500);
            assert!(sender.is_idle());
            // The next one is another.
            sender.release(5, 100, 1000);
            assert!(!sender.is_idle());
        }
    }

    #[test]
    fn a_digit_pressed_while_another_goes_out_follows_it() {
        let mut sender = EventSender::default();
        sender.push(Digits { events: &[1], duration_ms: 100, gap_ms: 50 });
        sender.poll(8000, 0);
        sender.press(2, 10);
        sender.release(2, 80, 90);
        let (heard, _) = run(&mut sender, 11, 1000);
        assert!(heard.contains(&Heard::End { event: 2, duration_ms: 80 }), "{heard:?}");
    }

    #[test]
    fn a_press_without_end_stops_at_the_longest_duration_and_a_full_queue_takes_nothing() {
        let mut sender = EventSender::default();
        sender.press(9, 0);
        let ends: Vec<_> = (0..20_000).filter_map(|ms| sender.poll(8000, ms)).filter(|(p, _)| p.end).collect();
        assert_eq!((ends.len(), ends[0].0.duration), (3, 65_528));
        assert!(sender.push(Digits { events: &[1; DIGITS_MAX], duration_ms: 1, gap_ms: 1 }));
        assert!(!sender.push(Digits { events: &[1], duration_ms: 1, gap_ms: 1 }));
    }
}
