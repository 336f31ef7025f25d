//! Where a soup is: entry, sample, and how many repeats are left.
//!
//! Shape:  a small value; [`Cursor::run`] gives the next stretch of samples and moves behind it.
//! Rule:   an entry is played once and then its repeats; the list likewise. Parts without a sample are passed over, and a
//!         whole list without one ends, however often it should repeat.
//! Errors: none.

use super::{Repeat, Soup};

/// A place in a soup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Entry.
    index: usize,
    /// Samples of the entry's part that are over.
    at: usize,
    /// Plays of the entry that are over.
    entry_plays: u32,
    /// Plays of the list that are over.
    list_plays: u32,
    /// A sample was played since the list began.
    sounded: bool,
}

impl Cursor {
    /// The beginning.
    pub const START: Self = Self { index: 0, at: 0, entry_plays: 0, list_plays: 0, sounded: false };

    /// The entry it is in.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The next samples, at most `max`: entry, first sample in its sound, how many. `None` at the end.
    pub fn run(&mut self, soup: &Soup, max: usize) -> Option<(usize, usize, usize)> {
        loop {
            let Some(entry) = soup.entries.get(self.index) else {
                if !self.sounded || !again(soup.repeat, self.list_plays) {
                    return None;
                }
                *self = Self { list_plays: self.list_plays.saturating_add(1), ..Self::START };
                continue;
            };
            let (start, stop) = entry.sound.as_ref().map_or((0, 0), |sound| entry.part(sound));
            let left = (stop - start).saturating_sub(self.at);
            if left > 0 {
                let (from, count) = (start + self.at, left.min(max));
                self.at += count;
                self.sounded = true;
                return Some((self.index, from, count));
            }
            if stop > start && again(entry.repeat, self.entry_plays) {
                (self.at, self.entry_plays) = (0, self.entry_plays.saturating_add(1));
            } else {
                (self.index, self.at, self.entry_plays) = (self.index + 1, 0, 0);
            }
        }
    }

    /// The same place for a sound that has `to_hz` samples a second where the old one had `from_hz`.
    pub fn rescaled(self, from_hz: u32, to_hz: u32) -> Self {
        Self { at: (self.at as u64 * u64::from(to_hz) / u64::from(from_hz.max(1))) as usize, ..self }
    }
}

const fn again(repeat: Repeat, plays: u32) -> bool {
    match repeat {
        Repeat::Forever => true,
        Repeat::Times(times) => plays < times,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{Entry, Soup};
    use super::*;
    use crate::sound::Sound;

    fn entry(samples: usize, repeat: Repeat) -> Entry {
        Entry { repeat, sound: Some(Arc::new(Sound::new(8000, vec![0; samples]))), ..Entry::default() }
    }

    /// Entries in the order played, as (index, samples), up to `most` stretches.
    fn played(soup: &Soup, most: usize) -> Vec<(usize, usize)> {
        let mut cursor = Cursor::START;
        std::iter::from_fn(|| cursor.run(soup, usize::MAX)).map(|(index, _, count)| (index, count)).take(most).collect()
    }

    #[test]
    fn repeats_count_plays_beside_the_first() {
        let entries = vec![entry(10, Repeat::Times(0)), entry(20, Repeat::Times(2))];
        let soup = Soup { repeat: Repeat::Times(1), entries, ..Soup::default() };
        assert_eq!(played(&soup, 99), [(0, 10), (1, 20), (1, 20), (1, 20), (0, 10), (1, 20), (1, 20), (1, 20)]);
    }

    #[test]
    fn forever_does_not_end_and_what_is_empty_does() {
        let soup = |entries, repeat| Soup { repeat, entries, ..Soup::default() };
        assert_eq!(played(&soup(vec![entry(5, Repeat::Times(0))], Repeat::Forever), 1000).len(), 1000);
        assert_eq!(played(&soup(vec![entry(5, Repeat::Forever), entry(6, Repeat::Times(0))], Repeat::default()), 9), [(0, 5); 9]);
        assert_eq!(played(&soup(vec![entry(0, Repeat::Forever)], Repeat::Forever), 9), []);
        assert_eq!(played(&soup(vec![], Repeat::Forever), 9), []);
        assert_eq!(played(&soup(vec![Entry::wav("not loaded")], Repeat::Forever), 9), []);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            lengths in prop::collection::vec((0_usize..50, 0_u32..3), 0..6), repeat in 0_u32..3, cuts in prop::collection::vec(1_usize..40, 1..200)
        ) {
            let entries: Vec<_> = lengths.iter().map(|(n, times)| entry(*n, Repeat::Times(*times))).collect();
            let soup = Soup { repeat: Repeat::Times(repeat), entries, ..Soup::default() };
            let once: usize = lengths.iter().map(|(n, times)| n * (*times as usize + 1)).sum();
            let mut cursor = Cursor::START;
            let mut cuts = cuts.iter().cycle();
            let mut total = 0;
            while let Some((_, _, count)) = cursor.run(&soup, *cuts.next().unwrap()) {
                total += count;
                prop_assert!(total <= once * (repeat as usize + 1));
            }
            prop_assert_eq!(total, once * (repeat as usize + 1));
        }
    }
}
