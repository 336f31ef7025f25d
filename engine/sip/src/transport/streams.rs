//! The connections of a shard, found by listener and peer.
//!
//! ```text
//!   (listener, peer) ─► slot ─► Stream          source address ─► how many
//! ```
//! Shape:  slab, one map entry per connection, one per source; all bounded by [`StreamLimits`].
//! Units:  bytes, `Instant`.
//! Errors: [`Refused`]; a connection that must end is gone from the table when [`Streams::poll_closed`] names it, so that
//!         nothing more is given to it; the driver then closes the socket.
//! Source: RFC 3261 §18 (a connection is kept and used both ways).

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use slab::Slab;

use super::limits::{CloseReason, Refused, StreamLimits, StreamStats};
use super::stream::{Origin, Stream};
use crate::flow::ListenerId;

/// Names a connection; that of one that is gone names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId {
    index: u32,
    stamp: u32,
}

/// The connections.
#[derive(Debug)]
pub struct Streams {
    limits: StreamLimits,
    slots: Slab<Slot>,
    index: HashMap<(ListenerId, SocketAddr), StreamId>,
    sources: HashMap<IpAddr, u32>,
    closed: VecDeque<(StreamId, ListenerId, SocketAddr, CloseReason)>,
    stamp: u32,
    bytes: usize,
    stats: StreamStats,
}

#[derive(Debug)]
struct Slot {
    stream: Stream,
    stamp: u32,
    listener: ListenerId,
    peer: SocketAddr,
    /// Bytes as last counted.
    bytes: usize,
}

impl Streams {
    /// An empty table.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            slots: Slab::new(),
            index: HashMap::new(),
            sources: HashMap::new(),
            closed: VecDeque::new(),
            stamp: 0,
            bytes: 0,
            stats: StreamStats::default(),
        }
    }

    /// Takes a connection that came, or one that is to be opened.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open(&mut self, listener: ListenerId, peer: SocketAddr, origin: Origin, now: Instant) -> Result<StreamId, Refused> {
        let source = peer.ip().to_canonical();
        let refused = if self.index.contains_key(&(listener, peer)) {
            Some(Refused::Exists)
        } else if self.slots.len() >= self.limits.connections {
            Some(Refused::Full)
        } else if self.sources.get(&source).is_some_and(|count| *count as usize >= self.limits.per_source) {
            Some(Refused::Source)
        } else {
            None
        };
        if let Some(refused) = refused {
            self.stats.refused += 1;
            return Err(refused);
        }
        match origin {
            Origin::Accepted => self.stats.accepted += 1,
            Origin::Dialled => self.stats.dialled += 1,
        }
        *self.sources.entry(source).or_default() += 1;
        self.stamp = self.stamp.wrapping_add(1);
        let slot = Slot { stream: Stream::new(origin, now), stamp: self.stamp, listener, peer, bytes: 0 };
        // At most `connections` slots: the index fits.
        let id = StreamId { index: u32::try_from(self.slots.insert(slot)).unwrap_or(u32::MAX), stamp: self.stamp };
        self.index.insert((listener, peer), id);
        Ok(id)
    }

    /// The live connection between a listener and a peer.
    #[must_use]
    pub fn find(&self, listener: ListenerId, peer: SocketAddr) -> Option<StreamId> {
        self.index.get(&(listener, peer)).copied()
    }

    /// Whether the connection lives.
    #[must_use]
    pub fn is_live(&self, id: StreamId) -> bool {
        self.slots.get(id.index as usize).is_some_and(|slot| slot.stamp == id.stamp)
    }

    /// A connection of ours is there.
    pub fn connected(&mut self, id: StreamId, now: Instant) {
        self.with(id, |stream, _| {
            stream.connected(now);
            Ok(())
        });
    }

    /// Bytes of the network.
    pub fn handle_bytes(&mut self, id: StreamId, bytes: &[u8], now: Instant) {
        self.with(id, |stream, _| {
            stream.handle_bytes(bytes, now);
            Ok(())
        });
    }

    /// The next whole message of a connection.
    pub fn poll_message(&mut self, id: StreamId, now: Instant) -> Option<&[u8]> {
        let slot = self.slots.get_mut(id.index as usize).filter(|slot| slot.stamp == id.stamp)?;
        // Told apart first: what is given out is borrowed from the slot that an error would remove.
        let failed = match slot.stream.poll_message(&self.limits, now) {
            Ok(Some(message)) => Ok(message.len()),
            Ok(None) => Err(None),
            Err(reason) => Err(Some(reason)),
        };
        self.stats.pongs += u64::from(slot.stream.take_pongs());
        match failed {
            Ok(len) => self.slots.get(id.index as usize)?.stream.given(len),
            Err(Some(reason)) => {
                self.close(id, reason);
                None
            }
            Err(None) => {
                self.recount(id);
                None
            }
        }
    }

    /// Gives bytes to a connection. True: nothing waited there, so the driver has to begin to write; `None`: it is gone.
    pub fn queue(&mut self, id: StreamId, bytes: Vec<u8>, now: Instant) -> Option<bool> {
        self.with(id, |stream, limits| stream.queue(bytes, limits, now))
    }

    /// What to write next on a connection.
    #[must_use]
    pub fn front(&self, id: StreamId) -> Option<&[u8]> {
        self.slots.get(id.index as usize).filter(|slot| slot.stamp == id.stamp)?.stream.front()
    }

    /// So many bytes of `front` were written.
    pub fn wrote(&mut self, id: StreamId, bytes: usize, now: Instant) {
        self.with(id, |stream, _| {
            stream.wrote(bytes, now);
            Ok(())
        });
    }

    /// Looks at the clock for every connection, once a second. Those with something new to write are named.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<StreamId> {
        let ids: Vec<StreamId> = self.slots.iter().map(|(index, slot)| StreamId { index: index as u32, stamp: slot.stamp }).collect();
        let limits = self.limits;
        ids.into_iter().filter(|id| self.with(*id, |stream, _| stream.handle_timeout(&limits, now)) == Some(true)).collect()
    }

    /// Ends a connection; [`Streams::poll_closed`] names it.
    pub fn close(&mut self, id: StreamId, reason: CloseReason) {
        if !self.is_live(id) {
            return;
        }
        let slot = self.slots.remove(id.index as usize);
        self.bytes -= slot.bytes;
        self.index.remove(&(slot.listener, slot.peer));
        let source = slot.peer.ip().to_canonical();
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        self.stats.count(reason);
        self.closed.push_back((id, slot.listener, slot.peer, reason));
    }

    /// Ends all.
    pub fn close_all(&mut self, reason: CloseReason) {
        let ids: Vec<StreamId> = self.index.values().copied().collect();
        for id in ids {
            self.close(id, reason);
        }
    }

    /// A connection that has ended: its socket is to be closed, its flow is dead.
    pub fn poll_closed(&mut self) -> Option<(StreamId, ListenerId, SocketAddr, CloseReason)> {
        self.closed.pop_front()
    }

    /// Live connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        StreamStats { live: self.slots.len() as u64, bytes: self.bytes as u64, ..self.stats }
    }

    fn with<T>(&mut self, id: StreamId, act: impl FnOnce(&mut Stream, &StreamLimits) -> Result<T, CloseReason>) -> Option<T> {
        let slot = self.slots.get_mut(id.index as usize).filter(|slot| slot.stamp == id.stamp)?;
        let done = act(&mut slot.stream, &self.limits);
        self.recount(id);
        match done {
            Ok(done) if self.is_live(id) => Some(done),
            Ok(_) => None,
            Err(reason) => {
                self.close(id, reason);
                None
            }
        }
    }

    /// Brings the sum of bytes up to date. Who goes over it pays with the connection.
    fn recount(&mut self, id: StreamId) {
        let Some(slot) = self.slots.get_mut(id.index as usize) else { return };
        let (before, after) = (slot.bytes, slot.stream.bytes());
        slot.bytes = after;
        self.bytes = self.bytes - before + after;
        if self.bytes > self.limits.bytes && after > before {
            self.close(id, CloseReason::Memory);
        }
    }
}
