//! Packets of a bridge that overtook others, where a codec remembers: they wait a little for what is missing.
//!
//! ```text
//!   1 2 4 3 5 ─▶ 1 2 ─▶ sent at once      4 ─▶ waits ─▶ 3 comes: 3 4 are sent, in this order      or: 10 ms are over, 4 is sent
//! ```
//! Why:    G.722 and iLBC decode and encode a frame by those before it; in the wrong order the sound of both frames and of some
//!         after them is wrong. What needs no memory, and what is relayed, passes in the order in which it comes.
//! Delay:  none where nothing is missing, and none where what is missing never comes: a channel waits only while its packets were
//!         seen to overtake each other (`stream::Overtaking`, where the rule is). Then a loss costs 10 ms of the packet after it, which
//!         the far end, that waits for the lost one as well, does not hear.
//! Late:   what comes after its time is lost: decoded now, it would spoil what follows it. So is the first that is overtaken.
//! Memory: at construction, for [`PACKETS_MAX`] packets of [`OCTETS_MAX`]; what finds no room passes as it comes.
//! Errors: none.

use std::time::{Duration, Instant};

use super::forward::{Taken, Turn};
use super::{ChannelKey, Media};
use crate::stream::{ExtendedSequence, Overtaking};

/// How long a packet waits for those before it.
const WAIT: Duration = Duration::from_millis(Overtaking::WAIT_MS as u64);
/// Packets of a channel that wait: 10 ms of 10 ms each, and what comes in a burst after a stall.
const CHANNEL_MAX: u8 = 8;
/// Packets that wait: 5 % of 5000 channels x 50 packets/s x 10 ms are 125, four times that for a burst.
const PACKETS_MAX: usize = 512;
/// Octets of a packet that waits: 20 ms of L16 at 16 kHz.
const OCTETS_MAX: usize = 640;

/// A packet that waits.
#[derive(Debug)]
struct Held {
    key: ChannelKey,
    taken: Taken,
    until: Instant,
    place: usize,
}

/// What waits in a shard.
#[derive(Debug)]
pub(super) struct Overtaken {
    /// In the order in which they came, which is that in which their time is over.
    held: Vec<Held>,
    octets: Box<[u8]>,
    free: Vec<usize>,
}

impl Overtaken {
    /// Nothing waits.
    pub fn new() -> Self {
        Self { held: Vec::with_capacity(PACKETS_MAX), octets: vec![0; PACKETS_MAX * OCTETS_MAX].into(), free: (0..PACKETS_MAX).collect() }
    }

    /// Takes a packet. False if there is no room for it.
    fn hold(&mut self, key: ChannelKey, taken: &Taken, payload: &[u8], until: Instant) -> bool {
        let Some(&place) = self.free.last() else { return false };
        let from = place * OCTETS_MAX;
        let Some(room) = self.octets.get_mut(from..from + OCTETS_MAX).and_then(|room| room.get_mut(..payload.len())) else { return false };
        room.copy_from_slice(payload);
        self.free.pop();
        self.held.push(Held { key, taken: Taken { payload: 0..payload.len(), ..taken.clone() }, until, place });
        true
    }

    /// The first in its stream of those of a channel: where it is, and its number.
    fn first(&self, key: ChannelKey) -> Option<(usize, ExtendedSequence)> {
        let of_channel = self.held.iter().enumerate().filter(|(_, held)| held.key == key);
        of_channel.map(|(index, held)| (index, held.taken.place.sequence)).min_by_key(|(_, sequence)| *sequence)
    }

    /// Takes a packet out; its payload lies at the beginning of `octets`.
    fn take(&mut self, index: usize, octets: &mut [u8; OCTETS_MAX]) -> Taken {
        let Held { taken, place, .. } = self.held.remove(index);
        let from = place * OCTETS_MAX;
        let len = taken.payload.len();
        if let (Some(to), Some(from)) = (octets.get_mut(..len), self.octets.get(from..from + len)) {
            to.copy_from_slice(from);
        }
        self.free.push(place);
        taken
    }

    /// Forgets what waits of a channel and is of another stream; how many are left.
    fn forget_others(&mut self, key: ChannelKey, epoch: u32) -> u8 {
        let Self { held, free, .. } = self;
        let mut left = 0;
        held.retain(|held| {
            let stays = held.key != key || held.taken.place.epoch == epoch;
            if !stays {
                free.push(held.place);
            }
            left += u8::from(stays && held.key == key);
            stays
        });
        left
    }
}

impl Media {
    /// Whether a packet that did not come in its turn may pass. If it may not, it waits, or is too late.
    pub(super) fn has_turn(&mut self, key: ChannelKey, taken: &Taken, packet: &[u8]) -> bool {
        let Some(channel) = self.table.by_key(key) else { return false };
        let sequence = taken.place.sequence;
        if channel.held > 0 {
            channel.held = self.overtaken.forget_others(key, taken.place.epoch);
        }
        let first = self.overtaken.first(key).filter(|_| channel.held > 0).map(|(_, first)| first);
        let received = &channel.received;
        let is_missing = |by: i64| !received.has(sequence.offset(by));
        match (taken.turn, first) {
            (Turn::Next, _) => return true,
            (Turn::Ahead, None) if !is_missing(-1) || !received.overtakes(self.now) => return true,
            (Turn::Overtaken, None) => {
                channel.received.late += 1;
                return false;
            }
            // What came of those between this and the first that waits was sent already.
            (Turn::Overtaken, Some(first)) if (1..first.since(sequence)).any(|by| !is_missing(by)) => {
                channel.received.late += 1;
                return false;
            }
            (Turn::Overtaken, Some(first)) if sequence < first && !is_missing(-1) => return true,
            (Turn::Ahead | Turn::Overtaken, _) => {}
        }
        let payload = packet.get(taken.payload.clone()).unwrap_or_default();
        if channel.held < CHANNEL_MAX && self.overtaken.hold(key, taken, payload, self.now + WAIT) {
            channel.held += 1;
            return false;
        }
        self.send_held(key, ExtendedSequence(u64::MAX));
        true
    }

    /// A packet was sent: those follow that waited for it.
    pub(super) fn follow_on(&mut self, key: ChannelKey) {
        self.send_held(key, ExtendedSequence(0));
    }

    /// What waits of the packets of a channel is sent now.
    pub(super) fn wait_no_more(&mut self, slot: u32) {
        if let Some(key) = self.table.key(slot) {
            self.send_held(key, ExtendedSequence(u64::MAX));
        }
    }

    /// Sends what has waited for long enough.
    pub(super) fn give_up_waiting(&mut self) {
        while let Some(held) = self.overtaken.held.first().filter(|held| held.until <= self.now) {
            let (key, sequence) = (held.key, held.taken.place.sequence);
            if self.table.by_key(key).is_none_or(|channel| channel.held == 0) {
                // Its channel is gone.
                self.overtaken.take(0, &mut [0; OCTETS_MAX]);
                continue;
            }
            self.send_held(key, sequence);
        }
    }

    /// Sends what waits of a channel, in order: as far as `until`, and what follows it without a gap.
    fn send_held(&mut self, key: ChannelKey, until: ExtendedSequence) {
        let mut octets = [0; OCTETS_MAX];
        while let Some(channel) = self.table.by_key(key).filter(|channel| channel.held > 0)
            && let Some((index, sequence)) = self.overtaken.first(key)
            && (sequence <= until || channel.received.has(sequence.offset(-1)))
        {
            channel.held -= 1;
            let taken = self.overtaken.take(index, &mut octets);
            self.send_on(key, &taken, octets.get(..taken.payload.len()).unwrap_or_default());
        }
    }
}
