//! Events as they come, told once each.
//!
//! ```text
//!   idle ──packet──► pressed ──end, another event, or silence──► idle          what is of an event that was told: nothing
//! ```
//! Rule:   an event is its timestamp. A packet of the event that is over or of an older one says nothing new; the first
//!         packet of a new one starts it, also if it is its end, since all before may be lost. Senders that let the
//!         timestamp run on within an event are borne: the same event, straight on, before any end, is the same press.
//! Units:  ticks of the event's clock; times in ms.
//! Errors: none.
//! Source: RFC 4733 §2.5.1.3 (long events in segments), §2.5.1.4 (ends are sent thrice), §2.5.2.2 (receiving).

use super::EventPayload;

/// Nothing for this long ends an event: six packets of 20 ms.
const SILENCE_MS: u64 = 120;

/// What was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is pressed.
    Start(u8),
    /// It was let go.
    End {
        /// Which.
        event: u8,
        /// How long it was pressed.
        duration_ms: u32,
    },
}

#[derive(Debug, Clone, Copy)]
struct Pressed {
    event: u8,
    first: u32,
    /// Of the segment, or of the last packet of a sender whose timestamp runs on.
    timestamp: u32,
    /// Ticks from `first` on.
    duration: u32,
    clock_hz: u32,
    heard_ms: u64,
}

/// Events of one received stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventReceiver {
    epoch: u32,
    pressed: Option<Pressed>,
    /// Where the last event that was told lies: its beginning and its latest timestamp.
    told: Option<(u32, u32)>,
}

impl EventReceiver {
    /// Takes a payload of the stream `epoch`. Gives at most an end, a start and its end.
    pub fn take(&mut self, payload: EventPayload, timestamp: u32, epoch: u32, clock_hz: u32, now_ms: u64) -> [Option<Heard>; 3] {
        let mut heard = [None; 3];
        if epoch != self.epoch {
            heard[0] = self.end();
            (self.epoch, self.told) = (epoch, None);
        }
        if let Some((first, last)) = self.told
            && !is_after(timestamp, last)
            && (!is_after(first, timestamp) || first.wrapping_sub(timestamp) < 60 * clock_hz)
        {
            // Of the event that is over, or of an older one that comes late.
            return heard;
        }
        match &mut self.pressed {
            Some(pressed) if pressed.is_same(payload.event, timestamp) => pressed.goes_on(payload, timestamp, now_ms),
            Some(pressed) if !is_after(timestamp, pressed.timestamp) => return heard,
            _ => {
                heard[0] = heard[0].or(self.end());
                heard[1] = Some(Heard::Start(payload.event));
                let duration = payload.duration.into();
                let pressed = Pressed { event: payload.event, first: timestamp, timestamp, duration, clock_hz, heard_ms: now_ms };
                self.pressed = Some(pressed);
            }
        }
        if payload.end {
            heard[2] = self.end();
        }
        heard
    }

    /// Time has passed.
    pub fn check(&mut self, now_ms: u64) -> Option<Heard> {
        let silent = self.pressed.is_some_and(|pressed| now_ms.saturating_sub(pressed.heard_ms) >= SILENCE_MS);
        if silent { self.end() } else { None }
    }

    /// Whether an event is pressed, and [`EventReceiver::check`] is to be called.
    pub const fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    fn end(&mut self) -> Option<Heard> {
        let pressed = self.pressed.take()?;
        self.told = Some((pressed.first, pressed.timestamp));
        let duration_ms = (u64::from(pressed.duration) * 1000 / u64::from(pressed.clock_hz.max(1))) as u32;
        Some(Heard::End { event: pressed.event, duration_ms })
    }
}

impl Pressed {
    /// The same press: its own timestamp, or one that follows on what was heard of it.
    fn is_same(&self, event: u8, timestamp: u32) -> bool {
        if event != self.event {
            return false;
        }
        let apart = timestamp.wrapping_sub(self.timestamp) as i32;
        let slack = self.clock_hz / 10;
        apart == 0 || (0..=(self.segment() + slack) as i32).contains(&apart)
    }

    /// Ticks of the segment that is heard now.
    const fn segment(&self) -> u32 {
        self.duration.saturating_sub(self.timestamp.wrapping_sub(self.first))
    }

    fn goes_on(&mut self, payload: EventPayload, timestamp: u32, now_ms: u64) {
        self.timestamp = timestamp;
        self.duration = self.duration.max(timestamp.wrapping_sub(self.first).saturating_add(payload.duration.into()));
        self.heard_ms = now_ms;
    }
}

const fn is_after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packets of a digit as a phone sends them: each 20 ms, the end three times.
    fn digit(event: u8, timestamp: u32, packets: u16) -> Vec<(EventPayload, u32)> {
        let at = |n: u16, end| (EventPayload { event, end, volume: 10, duration: 160 * n }, timestamp);
        (1..packets).map(|n| at(n, false)).chain((0..3).map(|_| at(packets, true))).collect()
    }

    fn hear(receiver: &mut EventReceiver, packets: &[(EventPayload, u32)], ms: &mut u64) -> Vec<Heard> {
        let mut heard = Vec::new();
        for &(payload, timestamp) in packets {
            heard.extend(receiver.take(payload, timestamp, 1, 8000, *ms).into_iter().flatten());
            *ms += 20;
            heard.extend(receiver.check(*ms));
        }
        heard
    }

    fn ends(heard: &[Heard]) -> Vec<(u8, u32)> {
        heard.iter().filter_map(|h| if let Heard::End { event, duration_ms } = h { Some((*event, *duration_ms)) } else { None }).collect()
    }

    #[test]
    fn a_digit_is_told_once_with_its_duration() {
        let (mut receiver, mut ms) = (EventReceiver::default(), 0);
        let heard = hear(&mut receiver, &digit(5, 1000, 8), &mut ms);
        assert_eq!(heard, [Heard::Start(5), Heard::End { event: 5, duration_ms: 160 }]);
        assert_eq!(ends(&hear(&mut receiver, &digit(5, 4000, 5), &mut ms)), [(5, 100)], "the same digit again");
    }

    #[test]
    fn an_end_alone_is_a_digit_and_a_missing_end_is_silence() {
        let (mut receiver, mut ms) = (EventReceiver::default(), 0);
        let all = digit(1, 1000, 8);
        assert_eq!(ends(&hear(&mut receiver, &all[all.len() - 1..], &mut ms)), [(1, 160)]);
        assert_eq!(hear(&mut receiver, &digit(2, 4000, 8)[..5], &mut ms), [Heard::Start(2)]);
        assert_eq!(receiver.check(ms + SILENCE_MS), Some(Heard::End { event: 2, duration_ms: 100 }));
        assert_eq!(hear(&mut receiver, &digit(2, 4000, 8)[5..], &mut ms), [], "it was told");
        assert_eq!(ends(&hear(&mut receiver, &digit(3, 9000, 8), &mut ms)), [(3, 160)]);
    }

    #[test]
    fn another_digit_ends_the_one_whose_end_was_lost() {
        let (mut receiver, mut ms) = (EventReceiver::default(), 0);
        let packets = [&digit(1, 1000, 8)[..6], &digit(2, 4000, 8)].concat();
        assert_eq!(ends(&hear(&mut receiver, &packets, &mut ms)), [(1, 120), (2, 160)]);
    }

    #[test]
    fn late_packets_of_the_digit_before_change_nothing() {
        let (mut receiver, mut ms) = (EventReceiver::default(), 0);
        let (one, two) = (digit(1, 1000, 8), digit(2, 4000, 8));
        let packets = [&one[..9], &two[..3], &one[9..], &one[2..4], &two[3..]].concat();
        assert_eq!(ends(&hear(&mut receiver, &packets, &mut ms)), [(1, 160), (2, 160)]);
    }

    #[test]
    fn timestamps_that_run_on_and_segments_are_one_press() {
        let (mut receiver, mut ms) = (EventReceiver::default(), 0);
        let running: Vec<_> =
            (0..8u32).map(|n| (EventPayload { event: 7, end: n == 7, volume: 0, duration: 160 }, 1000 + 160 * n)).collect();
        assert_eq!(ends(&hear(&mut receiver, &running, &mut ms)), [(7, 160)]);
        let long: Vec<_> = (1..=500u32)
            .map(|n| {
                // RFC 4733 §2.5.1.3: when the duration is full a new segment begins where the old one ends.
                let (segment, within) = ((n - 1) / 400, (n - 1) % 400 + 1);
                (EventPayload { event: 8, end: n == 500, volume: 0, duration: (160 * within) as u16 }, 100_000 + 64_000 * segment)
            })
            .collect();
        assert_eq!(ends(&hear(&mut receiver, &long, &mut ms)), [(8, 10_000)]);
    }

    proptest! {
        #[test]
        fn any_loss_that_leaves_a_packet_and_any_delay_within_a_digit_tell_each_digit_once(
            digits in proptest::collection::vec((0u8..16, 3u16..12, any::<[bool; 16]>(), any::<[u8; 16]>()), 1..12),
            start: u32,
        ) {
            let (mut receiver, mut ms) = (EventReceiver::default(), 0);
            let (mut expected, mut heard) = (Vec::new(), Vec::new());
            let mut timestamp = start;
            for (event, packets, lost, order) in digits {
                let mut all: Vec<_> = digit(event, timestamp, packets).into_iter().enumerate().collect();
                all.retain(|(n, _)| !lost[n % 16] || *n == 4 % usize::from(packets));
                // Neighbours change places.
                all.sort_by_key(|(n, _)| n * 2 + usize::from(order[n % 16] % 4));
                let mut copies = Vec::new();
                for (n, packet) in all {
                    copies.push(packet);
                    if order[n % 16] > 200 {
                        copies.push(packet);
                    }
                }
                heard.extend(hear(&mut receiver, &copies, &mut ms));
                // The gap to the next digit.
                timestamp = timestamp.wrapping_add(160 * u32::from(packets) + 1600);
                ms += 200;
                heard.extend(receiver.check(ms));
                expected.push(event);
            }
            let told: Vec<_> = ends(&heard).into_iter().map(|(event, _)| event).collect();
            prop_assert_eq!(told, expected);
            let starts = heard.iter().filter(|h| matches!(h, Heard::Start(_))).count();
            prop_assert_eq!(starts, ends(&heard).len());
        }

        #[test]
        fn any_packets_are_survived(packets in proptest::collection::vec((any::<[u8; 4]>(), any::<u32>(), 0u32..3, 0u64..300), 0..200)) {
            let (mut receiver, mut ms) = (EventReceiver::default(), 0);
            for (payload, timestamp, epoch, pause) in packets {
                ms += pause;
                receiver.check(ms);
                receiver.take(EventPayload::parse(&payload).unwrap(), timestamp, epoch, 8000, ms);
            }
        }
    }
}
