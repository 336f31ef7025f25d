//! Every signalling shard to every other: one queue for each ordered pair.
//!
//! ```text
//!   Peers::send ─► [ 8192, datagrams only while fewer than 2048 wait ] ─► pop of the other shard
//!        └► full: what may be lost is dropped and counted, the rest waits here, at most 65 536, and goes first
//! ```
//! Shape:  order is kept between each two shards. Nobody is woken before [`Peers::flush`], and then once.
//! Units:  items of some 100 bytes: 0.8 MiB a queue, beside what they point to. A SIP message is 1 KiB, so 2 MiB of datagrams; at
//!         the very worst, of 64 KiB each, 128 MiB.
//! Errors: none. [`PeerCounters`] says what was not carried; a shard that does not read 74 000 items is beyond help.

use super::queue::{Full, Receiver, Sender, link};
use rt::Signal;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

/// Places in a queue.
pub const PEER_ITEMS_MAX: usize = 8192;
/// Datagrams are taken while fewer items than that wait: 100 ms of 20 000 messages a second, after which they are repeated anyway.
pub const PEER_DATAGRAMS_MAX: usize = 2048;
/// What waits for a place, at most.
pub const PEER_BACKLOG_MAX: usize = 1 << 16;

/// The ends of one shard before they have arrived on its thread.
pub struct PeerEnds<T> {
    outgoing: Vec<Option<Sender<T>>>,
    incoming: Vec<(usize, Receiver<T>)>,
    signal: Signal,
}

/// The ends of one shard.
pub struct Peers<T> {
    ends: PeerEnds<T>,
    backlogs: RefCell<Vec<VecDeque<T>>>,
    touched: RefCell<Vec<bool>>,
    /// Whose turn it is, so that no shard keeps another from being heard.
    next: Cell<usize>,
    counters: Cell<PeerCounters>,
}

/// What was carried, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Items given to other shards.
    pub sent: u64,
    /// Datagrams that found no place.
    pub dropped: u64,
    /// Other items that found no place.
    pub lost: u64,
}

/// The ends of `count` shards, in order.
pub fn peers<T>(count: usize) -> Vec<PeerEnds<T>> {
    let (wakes, signals): (Vec<_>, Vec<_>) = (0..count).map(|_| rt::signal()).unzip();
    let mut all: Vec<PeerEnds<T>> =
        signals.into_iter().map(|signal| PeerEnds { outgoing: (0..count).map(|_| None).collect(), incoming: Vec::new(), signal }).collect();
    for from in 0..count {
        for (to, wake) in wakes.iter().enumerate().filter(|(to, _)| *to != from) {
            let (sender, receiver) = link(PEER_ITEMS_MAX, wake.clone());
            if let Some(place) = all.get_mut(from).and_then(|ends| ends.outgoing.get_mut(to)) {
                *place = Some(sender);
            }
            if let Some(ends) = all.get_mut(to) {
                ends.incoming.push((from, receiver));
            }
        }
    }
    all
}

impl<T> Peers<T> {
    /// Settles on the calling thread.
    pub fn new(ends: PeerEnds<T>) -> Self {
        let count = ends.outgoing.len();
        Self {
            ends,
            backlogs: RefCell::new((0..count).map(|_| VecDeque::new()).collect()),
            touched: RefCell::new(vec![false; count]),
            next: Cell::new(0),
            counters: Cell::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> PeerCounters {
        self.counters.get()
    }

    /// Queues an item for a shard; [`Peers::flush`] lets it know.
    pub fn send(&self, to: usize, item: T, may_be_lost: bool) {
        let mut backlogs = self.backlogs.borrow_mut();
        let (Some(Some(sender)), Some(backlog)) = (self.ends.outgoing.get(to), backlogs.get_mut(to)) else { return };
        if may_be_lost && (!backlog.is_empty() || sender.len() >= PEER_DATAGRAMS_MAX) {
            return self.count(|counters| counters.dropped += 1);
        }
        let left = if backlog.is_empty() { sender.push(item).err() } else { Some(Full(item)) };
        match left {
            None => self.count(|counters| counters.sent += 1),
            Some(Full(_)) if may_be_lost => return self.count(|counters| counters.dropped += 1),
            Some(Full(_)) if backlog.len() >= PEER_BACKLOG_MAX => return self.count(|counters| counters.lost += 1),
            Some(Full(item)) => backlog.push_back(item),
        }
        if let Some(touched) = self.touched.borrow_mut().get_mut(to) {
            *touched = true;
        }
    }

    /// Moves on what waits, and wakes the shards that were given something. True: something still waits.
    pub fn flush(&self) -> bool {
        let mut waits = false;
        let mut touched = self.touched.borrow_mut();
        let mut backlogs = self.backlogs.borrow_mut();
        for ((sender, backlog), touched) in self.ends.outgoing.iter().zip(backlogs.iter_mut()).zip(touched.iter_mut()) {
            let Some(sender) = sender else { continue };
            while let Some(item) = backlog.pop_front() {
                if let Err(Full(item)) = sender.push(item) {
                    backlog.push_front(item);
                    break;
                }
                *touched = true;
                self.count(|counters| counters.sent += 1);
            }
            waits |= !backlog.is_empty();
            if std::mem::take(touched) {
                sender.wake();
            }
        }
        waits
    }

    /// The oldest item of the next shard that has one, and which that is.
    pub fn pop(&self) -> Option<(usize, T)> {
        let count = self.ends.incoming.len();
        for step in 0..count {
            let at = (self.next.get() + step) % count;
            if let Some((from, receiver)) = self.ends.incoming.get(at)
                && let Some(item) = receiver.pop()
            {
                self.next.set(at + 1);
                return Some((*from, item));
            }
        }
        None
    }

    /// Waits until another shard has flushed.
    pub async fn wait(&self) {
        self.ends.signal.wait().await;
    }

    fn count(&self, change: impl FnOnce(&mut PeerCounters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<Peers<usize>> {
        peers(3).into_iter().map(Peers::new).collect()
    }

    #[test]
    fn each_hears_all_others_in_order_and_in_turn() {
        let all = three();
        for n in 0..3 {
            all[0].send(2, n, true);
            all[1].send(2, 10 + n, false);
        }
        let heard: Vec<_> = std::iter::from_fn(|| all[2].pop()).collect();
        assert_eq!(heard, [(0, 0), (1, 10), (0, 1), (1, 11), (0, 2), (1, 12)]);
        assert_eq!(all[0].pop(), None);
        all[0].send(0, 1, false);
        assert_eq!(all[0].counters(), PeerCounters { sent: 3, ..PeerCounters::default() });
    }

    #[test]
    fn datagrams_are_dropped_first_and_nothing_overtakes() {
        let all = three();
        for n in 0..PEER_DATAGRAMS_MAX + 5 {
            all[0].send(1, n, true);
        }
        assert_eq!(all[0].counters().dropped, 5);
        let kept = PEER_ITEMS_MAX - PEER_DATAGRAMS_MAX;
        for n in 0..kept + 3 {
            all[0].send(1, 100_000 + n, false);
        }
        assert!(all[0].flush());
        let mut heard: Vec<usize> = std::iter::from_fn(|| all[1].pop()).map(|(_, item)| item).collect();
        all[0].send(1, 7, true);
        assert!(!all[0].flush());
        heard.extend(std::iter::from_fn(|| all[1].pop()).map(|(_, item)| item));
        let expected: Vec<usize> = (0..PEER_DATAGRAMS_MAX).chain((0..kept + 3).map(|n| 100_000 + n)).collect();
        assert_eq!(heard, expected);
        // The last one came while others waited: order before completeness.
        assert_eq!(all[0].counters(), PeerCounters { sent: expected.len() as u64, dropped: 6, lost: 0 });
    }

    #[test]
    fn the_backlog_has_an_end() {
        let all = three();
        for n in 0..PEER_ITEMS_MAX + PEER_BACKLOG_MAX + 2 {
            all[0].send(1, n, false);
        }
        assert_eq!(all[0].counters().lost, 2);
    }

    #[test]
    fn a_flush_wakes_the_other_thread() {
        let mut ends = peers::<u32>(2);
        let (there, here) = (ends.pop().unwrap(), ends.pop().unwrap());
        let thread = std::thread::spawn(move || {
            rt::run_test(async move {
                let peers = Peers::new(there);
                loop {
                    if let Some((0, n)) = peers.pop() {
                        peers.send(0, n + 1, false);
                        peers.flush();
                        return;
                    }
                    peers.wait().await;
                }
            });
        });
        rt::run_test(async move {
            let peers = Peers::new(here);
            peers.send(1, 41, false);
            peers.flush();
            loop {
                if let Some(item) = peers.pop() {
                    assert_eq!(item, (1, 42));
                    return;
                }
                peers.wait().await;
            }
        });
        thread.join().unwrap();
    }
}
