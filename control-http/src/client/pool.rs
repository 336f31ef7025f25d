//! Connections kept for the next request to the same origin.
//!
//! ```text
//!   put ──► [ oldest … newest ] ──► take: the newest of that origin
//! ```
//! Shape:  one queue for all origins, at most `max`; the oldest goes when it is full, or too old.
//! Units:  age since the last use.
//! Errors: none; a connection that the server closed is found out when it is used.
//! Not here: connecting.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rt::TcpStream;

use super::Url;

/// The kept connections of one client.
#[derive(Debug)]
pub(super) struct Pool {
    kept: RefCell<VecDeque<Kept>>,
    age_max: Duration,
    max: usize,
    per_origin_max: usize,
}

#[derive(Debug)]
struct Kept {
    authority: String,
    stream: TcpStream,
    since: Instant,
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(age_max: Duration, max: usize, per_origin_max: usize) -> Self {
        Self { kept: RefCell::default(), age_max, max, per_origin_max }
    }

    /// A connection to the origin of `url`, if one is kept.
    pub(super) fn take(&self, url: &Url, now: Instant) -> Option<TcpStream> {
        let mut kept = self.kept.borrow_mut();
        self.purge(&mut kept, now);
        // The newest is the likeliest to be alive, and lets the others grow old. At most `max` to look through.
        let place = kept.iter().rposition(|kept| kept.authority == url.authority())?;
        kept.remove(place).map(|kept| kept.stream)
    }

    /// Keeps a connection, unless there are enough.
    pub(super) fn put(&self, url: &Url, stream: TcpStream, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        self.purge(&mut kept, now);
        let of_origin = kept.iter().filter(|kept| kept.authority == url.authority()).count();
        if of_origin >= self.per_origin_max || self.max == 0 {
            return;
        }
        if kept.len() >= self.max {
            kept.pop_front();
        }
        kept.push_back(Kept { authority: url.authority().to_owned(), stream, since: now });
    }

    fn purge(&self, kept: &mut VecDeque<Kept>, now: Instant) {
        while kept.front().is_some_and(|oldest| now.saturating_duration_since(oldest.since) > self.age_max) {
            kept.pop_front();
        }
    }
}
