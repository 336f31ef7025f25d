//! Who speaks in a mix, told when it changes.
//!
//! ```text
//!   each tick: who speaks (`channel::activity`) ─▶ folded ─▶ other than told, and the interval is over ─▶ event
//! ```
//! Rate:   one event an interval for each channel that asked; what changes and changes back within it is not told.
//! Steady: a voice speaks after 60 ms of sound and is silent after 500 without.
//! Shape:  three numbers in a box per channel that asked; a mix that nobody asked about costs a look at a flag.
//! Errors: [`CommandError`].

use super::{ChannelKey, Media, Pending};
use crate::api::{ChannelId, CommandError, Event, EventAction, SPEAKERS_INTERVAL_MS_MAX, SPEAKERS_INTERVAL_MS_MIN};
use crate::channel::{Link, SpeakersWatch};

impl Media {
    /// Begins or ends to tell a channel who speaks in its mix. A pair whose packets pass as they come is listened to from now on.
    pub(super) fn watch_speakers(&mut self, id: ChannelId, interval_ms: Option<u32>, now: std::time::Instant) -> Result<(), CommandError> {
        let slot = self.touch(id, now)?;
        let Some(link) = self.table.get(slot).map(|channel| channel.link) else { return Err(CommandError::NotFound(id)) };
        if let (Link::Peer(peer), Some(_)) = (link, interval_ms) {
            let peer = self.table.get(peer).map(|channel| channel.identity.id);
            for id in [Some(id), peer].into_iter().flatten() {
                self.can_be_clocked(id)?;
            }
            self.has_room_to_mix(std::iter::once(slot).chain(self.others(slot)))?;
        }
        if let Some(channel) = self.table.get_mut(slot) {
            // Asked again, it is told again.
            channel.identity.speakers = interval_ms.map(|interval_ms| {
                let interval_ms = interval_ms.clamp(SPEAKERS_INTERVAL_MS_MIN, SPEAKERS_INTERVAL_MS_MAX);
                Box::new(SpeakersWatch { interval_ms, told: 0, due: 0 })
            });
        }
        match (link, interval_ms) {
            (Link::Peer(_), Some(_)) => self.start_clock(slot),
            (Link::Mix, _) => {
                if let Some(group) = self.group_of(slot) {
                    self.prepare(group);
                }
                self.review(slot);
            }
            (Link::None | Link::Echo | Link::Peer(_), _) => {}
        }
        Ok(())
    }

    /// A channel wants to know who speaks.
    pub(super) fn has_watch(&self, slot: u32) -> bool {
        self.table.get(slot).is_some_and(|channel| channel.identity.speakers.is_some())
    }

    /// After a tick: queues an event for those who are to be told that others speak.
    pub(super) fn tell_speakers(&mut self, index: u32) {
        let slot = self.slot_number();
        let Some(group) = self.groups.get(index).filter(|group| group.is_watched) else { return };
        let speaks = |member: &u32| {
            let channel = self.table.get(*member)?;
            channel.clock.as_ref()?.activity.speaks().map(|_| channel.identity.id.bits() as u64)
        };
        // Of a random name half is enough to tell a set of them from another, in any order.
        let now = group.members.iter().filter_map(speaks).fold(0, |all, one| all ^ one);
        for member in &group.members {
            let Some(key) = self.table.key(*member) else { continue };
            let Some(watch) = self.table.get_mut(*member).and_then(|channel| channel.identity.speakers.as_mut()) else { continue };
            if watch.told != now && slot >= watch.due && self.outputs.len() < self.outputs.capacity() {
                (watch.told, watch.due) = (now, slot + u64::from(watch.interval_ms));
                self.outputs.push_back(Pending::Speakers(key));
            }
        }
    }

    /// The event, unless the channel has left its mix since.
    pub(super) fn speakers_event(&mut self, key: ChannelKey) -> Option<Event> {
        self.table.by_key(key)?;
        let speakers = self.group_view(key.slot)?.speakers;
        self.table.by_key(key)?.event(EventAction::Speakers(speakers))
    }
}
