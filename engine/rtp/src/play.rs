//! Plays a sound soup into a channel, 20 ms at a time.
//!
//! ```text
//!   Soup (loaded) ─▶ Cursor ─▶ runs of samples of shared sounds ─▶ frame
//! ```
//! Shape:  [`Player`] is a [`Play`]: a copy from shared memory per tick, nothing decoded, nothing allocated.
//! Rule:   a new soup goes on where the old one is if the entry there is of the same file; else it begins anew.
//! Units:  the rate of its sounds, the same for all of them.
//! Errors: [`PlayError`] where a soup is not loaded as it should be.
//! Events: `start` with `new` or `replaced`, then `end` with the reason.

use dsp::dtmf::Digit;

use crate::api::{EventAction, PlayEvent, PlayReason};
use crate::clock::{Next, Play, Rate};
use crate::soup::{Cursor, Soup};

/// Why a soup cannot be played: a bug of the driver, which loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// An entry has no sound.
    #[error("entry {0} of the soup is not loaded")]
    NotLoaded(usize),
    /// A sound has another rate than the player.
    #[error("entry {0} of the soup has another sample rate")]
    OtherRate(usize),
    /// There is nothing in it that could be heard.
    #[error("there is nothing to play")]
    Empty,
}

/// A soup being played.
#[derive(Debug)]
pub struct Player {
    soup: Soup,
    cursor: Cursor,
    rate: Rate,
    number: u64,
    started: Option<PlayReason>,
    ended: Option<PlayReason>,
    told: bool,
}

impl Player {
    /// Plays `soup`, after `old` if that is what the channel plays now. `number` counts the plays of a channel.
    ///
    /// # Errors
    /// [`PlayError`].
    pub fn new(soup: Soup, number: u64, rate: Rate, old: Option<&dyn Play>) -> Result<Self, PlayError> {
        for (index, entry) in soup.entries.iter().enumerate() {
            match &entry.sound {
                None => return Err(PlayError::NotLoaded(index)),
                Some(sound) if sound.rate_hz() != rate.hz() => return Err(PlayError::OtherRate(index)),
                Some(_) => {}
            }
        }
        let mut start = Cursor::START;
        if start.run(&soup, 1).is_none() {
            return Err(PlayError::Empty);
        }
        let place = old.and_then(|old| old.place().map(|(soup, cursor)| (soup, cursor.rescaled(old.rate().hz(), rate.hz()))));
        let cursor = place.filter(|(old, cursor)| soup.continues(old, cursor.index())).map_or(Cursor::START, |(_, cursor)| cursor);
        let started = Some(if old.is_some() { PlayReason::Replaced } else { PlayReason::New });
        Ok(Self { soup, cursor, rate, number, started, ended: None, told: false })
    }
}

impl Play for Player {
    fn rate(&self) -> Rate {
        self.rate
    }

    fn fill(&mut self, frame: &mut [i16]) -> Next {
        let mut rest = frame;
        while !rest.is_empty() && self.ended.is_none() {
            let Some((index, from, count)) = self.cursor.run(&self.soup, rest.len()) else {
                self.ended = Some(PlayReason::Completed);
                break;
            };
            // A run is at most as long as what it was asked for.
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            let sound = self.soup.entries.get(index).and_then(|entry| entry.sound.as_ref());
            match sound.and_then(|sound| sound.samples().get(from..from + count)) {
                Some(samples) => now.copy_from_slice(samples),
                None => now.fill(0),
            }
            rest = later;
        }
        rest.fill(0);
        let mut next = self.cursor;
        if self.ended.is_none() && next.run(&self.soup, 1).is_none() {
            // Known with its last sample, so that no frame of silence follows.
            self.ended = Some(PlayReason::Completed);
        }
        match (self.ended, self.started) {
            (Some(_), _) => Next::Ended,
            (None, Some(_)) => Next::GoesWithNews,
            (None, None) => Next::Goes,
        }
    }

    fn digit(&mut self, _: Digit) -> Next {
        if self.soup.interrupt {
            self.end(PlayReason::TelephoneEvent);
            Next::Ended
        } else {
            Next::Goes
        }
    }

    fn end(&mut self, reason: PlayReason) {
        self.ended.get_or_insert(reason);
    }

    fn place(&self) -> Option<(&Soup, Cursor)> {
        Some((&self.soup, self.cursor))
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn event(&mut self) -> Option<EventAction> {
        let play = self.number;
        if let Some(reason) = self.started.take() {
            return Some(EventAction::Play(PlayEvent::Start { play, reason }));
        }
        let reason = self.ended.filter(|_| !std::mem::replace(&mut self.told, self.ended.is_some()))?;
        Some(EventAction::Play(PlayEvent::End { play, reason }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::{Entry, Repeat};
    use crate::sound::Sound;

    /// An entry whose samples count up from `first`.
    fn entry(name: &str, first: i16, samples: i16) -> Entry {
        let sound = Sound::new(8000, (first..first + samples).collect());
        Entry { sound: Some(Arc::new(sound)), ..Entry::wav(name) }
    }

    fn soup(entries: Vec<Entry>) -> Soup {
        Soup { entries, ..Soup::default() }
    }

    fn player(soup: Soup) -> Player {
        Player::new(soup, 1, Rate::Narrow, None).unwrap()
    }

    /// All samples until the end, in frames, and the events.
    fn all(player: &mut Player) -> (Vec<i16>, Vec<EventAction>) {
        let (mut out, mut events) = (vec![], vec![]);
        loop {
            let mut frame = [7; 160];
            let next = player.fill(&mut frame);
            out.extend(frame);
            events.extend(std::iter::from_fn(|| player.event()));
            if next == Next::Ended {
                return (out, events);
            }
        }
    }

    fn start(reason: PlayReason) -> EventAction {
        EventAction::Play(PlayEvent::Start { play: 1, reason })
    }

    fn end(reason: PlayReason) -> EventAction {
        EventAction::Play(PlayEvent::End { play: 1, reason })
    }

    #[test]
    fn files_follow_each_other_without_a_gap_and_silence_fills_the_last_frame() {
        let mut player = player(soup(vec![
            entry("a", 1000, 100),
            Entry { start_ms: Some(1), stop_ms: Some(2), repeat: Repeat::Times(1), ..entry("b", 2000, 100) },
        ]));
        let (heard, events) = all(&mut player);
        let expected: Vec<i16> = (1000..1100).chain(2008..2016).chain(2008..2016).chain(std::iter::repeat_n(0, 44)).collect();
        assert_eq!(heard[..160], expected);
        assert!(heard[160..].iter().all(|sample| *sample == 0));
        assert_eq!(events, [start(PlayReason::New), end(PlayReason::Completed)]);
        assert_eq!(player.event(), None);
    }

    #[test]
    fn a_soup_of_whole_frames_ends_with_its_last_one() {
        for (samples, repeat, frames) in [(160, 0, 1), (320, 0, 2), (160, 4, 5), (161, 0, 2), (80, 1, 1), (1, 0, 1)] {
            let mut player = player(Soup { repeat: Repeat::Times(repeat), ..soup(vec![entry("a", 1, samples)]) });
            let (heard, events) = all(&mut player);
            assert_eq!(heard.len(), frames * 160, "{samples} samples, {repeat} repeats");
            assert_eq!(heard.iter().filter(|sample| **sample != 0).count(), samples as usize * (repeat as usize + 1));
            assert_eq!(events, [start(PlayReason::New), end(PlayReason::Completed)]);
        }
    }

    #[test]
    fn a_digit_ends_what_may_be_interrupted() {
        let digit = Digit::from_event(5).unwrap();
        let mut deaf = player(soup(vec![entry("a", 0, 1000)]));
        assert_eq!(deaf.digit(digit), Next::Goes);
        let mut player = player(Soup { interrupt: true, ..soup(vec![entry("a", 1, 1000)]) });
        player.fill(&mut [0; 160]);
        assert_eq!(player.digit(digit), Next::Ended);
        let mut frame = [9; 160];
        assert_eq!((player.fill(&mut frame), frame), (Next::Ended, [0; 160]));
        let events: Vec<_> = std::iter::from_fn(|| player.event()).collect();
        assert_eq!(events, [start(PlayReason::New), end(PlayReason::TelephoneEvent)]);
    }

    #[test]
    fn an_update_goes_on_where_the_file_is_the_same() {
        let mut old = player(soup(vec![entry("a", 0, 160), entry("b", 1000, 500)]));
        let mut frame = [0; 160];
        old.fill(&mut frame);
        old.fill(&mut frame);
        let heard = |soup: Soup| {
            let mut player = Player::new(soup, 2, Rate::Narrow, Some(&old)).unwrap();
            let mut frame = [0; 160];
            player.fill(&mut frame);
            assert_eq!(player.event(), Some(EventAction::Play(PlayEvent::Start { play: 2, reason: PlayReason::Replaced })));
            frame[0]
        };
        assert_eq!(heard(soup(vec![entry("x", 5000, 160), entry("b", 1000, 500)])), 1160, "where the old one was");
        assert_eq!(heard(soup(vec![entry("x", 5000, 160), entry("c", 1000, 500)])), 5000, "from the beginning");
    }

    #[test]
    fn what_is_not_loaded_is_refused() {
        let new = |entries| Player::new(soup(entries), 1, Rate::Narrow, None).map(drop);
        assert_eq!(new(vec![Entry::wav("a")]), Err(PlayError::NotLoaded(0)));
        let wide = Entry { sound: Some(Arc::new(Sound::new(16_000, vec![0; 10]))), ..Entry::wav("a") };
        assert_eq!(new(vec![entry("b", 0, 9), wide]), Err(PlayError::OtherRate(1)));
        assert_eq!(new(vec![entry("b", 0, 0)]), Err(PlayError::Empty));
    }
}
