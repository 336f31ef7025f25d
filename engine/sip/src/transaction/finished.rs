//! Answered requests other than INVITE: their responses, kept for repeats of the request for as long as one may come.
//!
//! ```text
//!   push ─► [ oldest … newest ] ─► expire, at timer J        pop: the oldest gives way before its time
//! ```
//! Shape:  a queue, since timer J is one time for all: no slot, no place in the wheel, no owner. 96 bytes and the response each.
//! Units:  `Instant`; bytes of responses.
//! Errors: none. A name that is over, or was given away early, finds nothing.
//! Not here: over TCP nothing is kept, timer J being zero there.
//! Source: RFC 3261 §17.2.2, state Completed.

use std::collections::VecDeque;
use std::time::Instant;

use super::key::Key;
use crate::flow::Flow;

/// Set in the name of every entry, and in no index of a slot.
pub(super) const FINISHED: u32 = 1 << 31;

/// One request that had its answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) key: Key,
    pub(super) flow: Flow,
    /// When no repeat can come any more.
    pub(super) until: Instant,
    pub(super) response: Box<[u8]>,
}

/// The queue. A name counts on from that of the entry before it, and wraps below [`FINISHED`].
#[derive(Debug, Default)]
pub(super) struct Finished {
    queue: VecDeque<Answered>,
    /// Name of the oldest, without its mark.
    first: u32,
}

impl Finished {
    /// Keeps an answer, and names it.
    pub(super) fn push(&mut self, answered: Answered) -> u32 {
        let name = self.first.wrapping_add(self.queue.len() as u32) | FINISHED;
        self.queue.push_back(answered);
        name
    }

    /// The oldest, with its name.
    pub(super) fn pop(&mut self) -> Option<(u32, Answered)> {
        let answered = self.queue.pop_front()?;
        let name = self.first | FINISHED;
        self.first = self.first.wrapping_add(1) & !FINISHED;
        Some((name, answered))
    }

    /// The oldest, if its time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(u32, Answered)> {
        if self.deadline()? <= now { self.pop() } else { None }
    }

    /// Where an entry stands in the queue now.
    pub(super) fn place(&self, name: u32) -> Option<usize> {
        let place = (name.wrapping_sub(self.first) & !FINISHED) as usize;
        (place < self.queue.len()).then_some(place)
    }

    pub(super) fn at(&self, place: usize) -> &Answered {
        &self.queue[place]
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queue.front().map(|oldest| oldest.until)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{ListenerId, Transport};
    use crate::transaction::KeyMaker;

    fn answered(word: u8, until: Instant) -> Answered {
        let flow = Flow { listener: ListenerId(0), peer: "192.0.2.9:5060".parse().unwrap(), transport: Transport::Udp };
        let key = KeyMaker::new([1, 2]).client("z9hG4bK", crate::message::Method::Bye);
        Answered { key, flow, until, response: Box::new([word]) }
    }

    #[test]
    fn names_find_their_entries_over_the_turn_of_the_count() {
        let now = sim::Clock::new().now();
        let mut finished = Finished { first: FINISHED - 2, ..Finished::default() };
        let names: Vec<u32> = (0..4).map(|word| finished.push(answered(word, now))).collect();
        assert_eq!(names, [u32::MAX - 1, u32::MAX, FINISHED, FINISHED | 1]);
        for gone in 0..4 {
            let found = |name: &u32| finished.place(*name).map(|place| finished.at(place).response[0]);
            assert_eq!(names.iter().filter_map(found).collect::<Vec<_>>(), (gone..4).collect::<Vec<_>>());
            assert_eq!(finished.pop().map(|(name, entry)| (name, entry.response[0])), Some((names[usize::from(gone)], gone)));
        }
        assert!(finished.pop().is_none());
    }

    #[test]
    fn an_entry_is_as_small_as_its_file_says() {
        assert!(size_of::<Answered>() <= 96, "{}", size_of::<Answered>());
    }
}
