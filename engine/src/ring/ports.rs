//! The RTP ports of a shard on one address: even for RTP, the next odd one for RTCP (RFC 3550 §11).
//!
//! Shape:  first in, first out, so that a port rests as long as possible; a freed port is also held for a fixed time, or
//!         late packets of the call before would reach the next one. With n pairs and a hold of 2 s, n / 2 channels a
//!         second can be opened and closed for good.
//! Units:  ports; the hold as `Duration`.
//! Errors: [`PortError`]. A pair that cannot be bound goes to the end of the line and the next is tried.

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

/// Why no port is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// All pairs are in use.
    #[error("all {pairs} RTP port pairs are in use")]
    AllUsed {
        /// How many there are.
        pairs: usize,
    },
    /// The free ones were in use a moment ago.
    #[error("the free RTP ports were in use less than {} ms ago", .hold.as_millis())]
    AllHeld {
        /// How long a port rests.
        hold: Duration,
    },
}

/// Pairs of one shard on one address.
#[derive(Debug, Clone)]
pub struct PortPool {
    /// Even port of each free pair, with the time from which it may be used.
    free: VecDeque<(u16, Option<Instant>)>,
    pairs: usize,
    hold: Duration,
    /// Sockets per pair, by half the even port: 32 KiB.
    sockets: Box<[u8]>,
}

impl PortPool {
    /// The pairs of `ports` that shard `index` of `shards` owns: every `shards`-th one. Freed ports rest for `hold`.
    pub fn new(ports: RangeInclusive<u16>, index: usize, shards: usize, hold: Duration) -> Self {
        let pairs = (*ports.start()..*ports.end()).filter(|port| port.is_multiple_of(2));
        let free: VecDeque<_> = pairs.skip(index).step_by(shards.max(1)).map(|port| (port, None)).collect();
        Self { pairs: free.len(), free, hold, sockets: vec![0; 1 << 15].into() }
    }

    /// The same with another pair first: a random `start` keeps what still arrives for the program that had the ports before
    /// away from the first channels.
    #[must_use]
    pub fn starting_at(mut self, start: u64) -> Self {
        let pairs = self.free.len();
        self.free.rotate_left((start % pairs.max(1) as u64) as usize);
        self
    }

    /// How many pairs there are, used or free.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// How many pairs are not in use, those that rest included.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Takes the pair that has rested longest; its even port.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn take(&mut self, now: Instant) -> Result<u16, PortError> {
        match self.free.front() {
            None => Err(PortError::AllUsed { pairs: self.pairs }),
            Some((_, Some(from))) if *from > now => Err(PortError::AllHeld { hold: self.hold }),
            Some(&(port, _)) => {
                self.free.pop_front();
                Ok(port)
            }
        }
    }

    /// A socket was opened on a pair in use.
    pub fn socket_opens(&mut self, pair: u16) {
        self.count(pair, |sockets| sockets.saturating_add(1));
    }

    /// A socket of a pair in use is closed; with the last one the pair comes back.
    pub fn socket_closes(&mut self, pair: u16, now: Instant) {
        if self.count(pair, |sockets| sockets.saturating_sub(1)) == Some(0) {
            self.give_back(pair, now);
        }
    }

    /// A pair in use leaves this pool for that of another shard, with its sockets.
    pub fn give_away(&mut self, pair: u16) {
        self.count(pair, |_| 0);
        self.pairs = self.pairs.saturating_sub(1);
    }

    /// A pair in use comes from another shard, with both sockets.
    pub fn take_over(&mut self, pair: u16) {
        self.count(pair, |_| 2);
        self.pairs += 1;
    }

    fn count(&mut self, pair: u16, change: impl FnOnce(u8) -> u8) -> Option<u8> {
        let sockets = self.sockets.get_mut(usize::from(pair / 2))?;
        *sockets = change(*sockets);
        Some(*sockets)
    }

    /// Puts a pair back that has no socket.
    pub fn give_back(&mut self, port: u16, now: Instant) {
        debug_assert!(!self.free.iter().any(|(free, _)| *free == port));
        self.free.push_back((port, Some(now + self.hold)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(2);

    fn all(pool: &mut PortPool, now: Instant) -> Vec<u16> {
        std::iter::from_fn(|| pool.take(now).ok()).collect()
    }

    #[test]
    fn pairs_are_even_and_complete() {
        let now = Instant::now();
        assert_eq!(all(&mut PortPool::new(10_001..=10_008, 0, 1, HOLD), now), [10_002, 10_004, 10_006]);
        assert_eq!(all(&mut PortPool::new(65_530..=65_535, 0, 1, HOLD), now), [65_530, 65_532, 65_534]);
        assert_eq!(PortPool::new(10_000..=10_000, 0, 1, HOLD).pairs(), 0);
        assert_eq!(PortPool::new(65_535..=65_535, 0, 1, HOLD).pairs(), 0);
    }

    #[test]
    fn shards_share_the_range_without_overlap() {
        let now = Instant::now();
        let mut ports: Vec<_> = (0..3).flat_map(|index| all(&mut PortPool::new(10_000..=10_019, index, 3, HOLD), now)).collect();
        ports.sort_unstable();
        assert_eq!(ports, (10_000..10_020).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn any_pair_can_be_the_first_and_none_is_missed() {
        let now = Instant::now();
        for (start, ports) in [(0, [10_000, 10_002, 10_004]), (u64::MAX, [10_000, 10_002, 10_004]), (5, [10_004, 10_000, 10_002])] {
            assert_eq!(all(&mut PortPool::new(10_000..=10_005, 0, 1, HOLD).starting_at(start), now), ports, "{start}");
        }
        assert_eq!(PortPool::new(10_000..=10_000, 0, 1, HOLD).starting_at(7).take(now), Err(PortError::AllUsed { pairs: 0 }));
    }

    #[test]
    fn a_freed_port_rests() {
        let now = Instant::now();
        let mut pool = PortPool::new(10_000..=10_003, 0, 1, HOLD);
        assert_eq!((pool.take(now), pool.take(now)), (Ok(10_000), Ok(10_002)));
        assert_eq!(pool.take(now), Err(PortError::AllUsed { pairs: 2 }));
        pool.give_back(10_002, now);
        assert_eq!(pool.take(now), Err(PortError::AllHeld { hold: HOLD }));
        assert_eq!(pool.take(now + HOLD), Ok(10_002));
    }
}
