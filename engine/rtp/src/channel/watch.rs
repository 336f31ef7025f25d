//! Whether media come as they should.
//!
//! ```text
//!   silent ──packet──► Started      heard ──no packet for the time-out──► Timeout ──packet──► Resumed
//! ```
//! Shape:  counts only while media are expected: hold suspends it, and begins the time anew.
//! Units:  the driver's time.
//! Errors: none.

use std::time::{Duration, Instant};

use crate::api::MediaEvent;

/// The watch of one channel.
#[derive(Debug, Clone, Copy)]
pub struct MediaWatch {
    /// Last packet taken, or the moment since when one is expected.
    last: Instant,
    /// Last packet taken, or the beginning.
    packet: Instant,
    heard: bool,
    timed_out: bool,
}

impl MediaWatch {
    /// Nothing heard, nothing expected before `now`.
    pub const fn new(now: Instant) -> Self {
        Self { last: now, packet: now, heard: false, timed_out: false }
    }

    /// A packet was taken. Gives what is to be told, to be confirmed with [`MediaWatch::told`].
    pub const fn hear(&mut self, now: Instant) -> Option<MediaEvent> {
        (self.last, self.packet) = (now, now);
        if self.timed_out {
            Some(MediaEvent::Resumed)
        } else if !self.heard {
            Some(MediaEvent::Started)
        } else {
            None
        }
    }

    /// Time has passed. Gives what is to be told.
    pub fn check(&mut self, expected: bool, timeout: Duration, now: Instant) -> Option<MediaEvent> {
        if !expected {
            // Hold suspends the watch; its end starts the time anew.
            self.last = now;
            return None;
        }
        let silent = now.saturating_duration_since(self.last) >= timeout;
        (silent && !self.timed_out).then_some(MediaEvent::Timeout)
    }

    /// The event was queued. Without this it comes again, so a full queue delays an event and loses none.
    pub const fn told(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Started | MediaEvent::Resumed => (self.heard, self.timed_out) = (true, false),
            MediaEvent::Timeout => self.timed_out = true,
            // Not of those that it gives.
            MediaEvent::Refused => {}
        }
    }

    /// When the last packet came, expected or not; before the first one, when the channel was made.
    pub const fn last_packet(&self) -> Instant {
        self.packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn tell(watch: &mut MediaWatch, event: Option<MediaEvent>) -> Option<MediaEvent> {
        if let Some(event) = event {
            watch.told(event);
        }
        event
    }

    #[test]
    fn each_change_is_told_once() {
        let mut now = sim::Clock::new().now();
        let mut w = MediaWatch::new(now);
        let first = w.hear(now);
        assert_eq!(tell(&mut w, first), Some(MediaEvent::Started));
        assert_eq!(w.hear(now), None);
        now += LIMIT;
        let out = w.check(true, LIMIT, now);
        assert_eq!(tell(&mut w, out), Some(MediaEvent::Timeout));
        assert_eq!(w.check(true, LIMIT, now + LIMIT), None);
        let again = w.hear(now);
        assert_eq!(tell(&mut w, again), Some(MediaEvent::Resumed));
        assert_eq!(w.hear(now), None);
    }

    #[test]
    fn hold_suspends_the_time_and_its_end_starts_it_anew() {
        let now = sim::Clock::new().now();
        let mut w = MediaWatch::new(now);
        assert_eq!(w.check(false, LIMIT, now + 5 * LIMIT), None);
        assert_eq!(w.check(true, LIMIT, now + 5 * LIMIT + LIMIT / 2), None);
        assert_eq!(w.check(true, LIMIT, now + 6 * LIMIT), Some(MediaEvent::Timeout));
    }

    #[test]
    fn an_event_that_was_not_queued_comes_again() {
        let now = sim::Clock::new().now();
        let mut w = MediaWatch::new(now);
        assert_eq!(w.hear(now), Some(MediaEvent::Started));
        assert_eq!(w.hear(now), Some(MediaEvent::Started));
    }
}
