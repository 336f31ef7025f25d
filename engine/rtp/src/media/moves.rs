//! A channel goes to another shard, with all that it is.
//!
//! ```text
//!   one shard: part (out of its mix) ─▶ release ─▶ Moved ──── mesh ────▶ adopt :other shard ─▶ mix there
//!                 stream out, source check, jitter buffer, codecs, digits, player, recorders, figures
//! ```
//! Shape:  nothing is copied or made anew: the channel itself goes. Its packets meanwhile wait in its sockets, which are the
//!         driver's to hand over. Times in a channel count from [`Start`](super::Start), which all shards of a program share.
//! Rhythm: ticks of a clocked channel stay 20 ms apart. One that came due on the way runs in the next slot, and the later
//!         ones follow it: no frame is left out, none is doubled. Only whole frames of a stall are missed, as in any shard.
//! Errors: a shard that cannot take the channel gives it back.

use std::time::Instant;

use super::group::{PHASES, Rhythm};
use super::{ChannelKey, Media, Pending};
use crate::api::{ChannelId, CommandError};
use crate::channel::{Channel, Link, Turns};

/// A channel between two shards. Dropping it ends the channel without a word.
#[derive(Debug)]
pub struct Moved {
    channel: Box<Channel>,
    rhythm: Option<Rhythm>,
    /// Beginning of the time that its state counts in.
    origin: Instant,
}

impl Moved {
    /// Whose it is.
    pub const fn id(&self) -> ChannelId {
        self.channel.identity.id
    }
}

impl Media {
    /// Takes a channel out of its mix, so that it may leave; an echo goes on. What it causes is told as usual.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn part(&mut self, channel: ChannelId, now: Instant) -> Result<ChannelKey, CommandError> {
        let slot = self.touch(channel, now)?;
        if self.is_mixed(slot) {
            self.unlink(slot);
        }
        self.table.key(slot).ok_or(CommandError::NotFound(channel))
    }

    /// Takes a channel out of this shard; its key is stale from now on, and no `Closed` is told. `None` for a stale key.
    pub fn release(&mut self, key: ChannelKey) -> Option<Moved> {
        let slot = key.slot;
        self.table.by_key(key)?;
        if self.is_mixed(slot) {
            self.unlink(slot);
        }
        // What waits to be told names the key: told while it is known.
        let told: Vec<_> = std::iter::from_fn(|| self.poll_output()).collect();
        self.outputs.extend(told.into_iter().map(Pending::Ready));
        let rhythm = self.group_of(slot).and_then(|group| self.groups.rhythm(group));
        if let Some(group) = self.group_of(slot) {
            self.groups.leave(group, slot);
        }
        self.dialing.retain(|dialing| *dialing != slot);
        let (_, channel) = self.table.remove(slot)?;
        self.table.release(slot);
        self.transcodes -= u64::from(channel.transcodes);
        Some(Moved { channel: Box::new(channel), rhythm, origin: self.start.now })
    }

    /// Takes a channel over from another shard, in no mix.
    ///
    /// # Errors
    /// Gives it back if this shard is full, or counts its time otherwise.
    pub fn adopt(&mut self, moved: Moved, now: Instant) -> Result<ChannelKey, Box<Moved>> {
        let Moved { mut channel, rhythm, origin } = moved;
        if origin != self.start.now {
            return Err(Box::new(Moved { channel, rhythm, origin }));
        }
        // Slots are counted by each shard for itself.
        (channel.turns, channel.held) = (Turns::default(), 0);
        channel.coders.settle();
        if !matches!(channel.link, Link::Echo) {
            channel.set_link(Link::None);
        }
        let dials = std::mem::take(&mut channel.dials);
        let transcodes = channel.transcodes;
        let key = match self.table.insert(*channel) {
            Ok(key) => key,
            Err(mut channel) => {
                channel.dials = dials;
                return Err(Box::new(Moved { channel, rhythm, origin }));
            }
        };
        self.transcodes += u64::from(transcodes);
        if dials {
            self.attend(key.slot);
        }
        self.go_on_ticking(key, rhythm, now);
        Ok(key)
    }

    /// Gives a clocked channel a group of its own again, in the rhythm that it had.
    fn go_on_ticking(&mut self, key: ChannelKey, rhythm: Option<Rhythm>, now: Instant) {
        let next = self.slot_at(now).max(self.ticked + 1);
        let Some(clock) = self.table.by_key(key).and_then(|channel| channel.clock.as_mut()) else { return };
        clock.news_queued = true;
        let rhythm = rhythm.map_or_else(|| Rhythm::due(next, 1), |rhythm| rhythm.on_time(next));
        let group = self.groups.create_in(key.slot, rhythm);
        clock.group = group;
        self.prepare(group);
        self.make_room_for_ticks();
        self.outputs.push_back(Pending::News(key));
    }
}

impl Rhythm {
    /// A tick is due in the slot `next`, so many ticks after the last one.
    const fn due(next: u64, ticks: u64) -> Self {
        Self { phase: (next % PHASES as u64) as usize, last: next.saturating_sub(ticks * PHASES as u64) }
    }

    /// The same, unless a tick came due before the slot `next`.
    const fn on_time(self, next: u64) -> Self {
        let passed = next.saturating_sub(self.last);
        if passed <= PHASES as u64 { self } else { Self::due(next, passed / PHASES as u64) }
    }
}
