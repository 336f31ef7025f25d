//! Gain and mute in a mix, and who speaks.
//!
//! ```text
//!   change ─▶ channel.levels, group.gain_db ─▶ factors of voice and hearing, which glide within a frame of 20 ms
//! ```
//! Shape:  a pair whose packets pass as they come runs by the clock while something is to be changed in its sound, and by its
//!         packets again once nothing is and all has glided there.
//! Errors: [`CommandError`]; a refused command changes nothing.

use std::cmp::Reverse;
use std::time::Instant;

use super::{ChannelKey, Media};
use crate::api::{ChannelId, CommandError, GroupView, LevelChange, Levels, SPEAKERS_MAX};
use crate::channel::Link;

impl Media {
    /// Changes how loud a channel, or all of its mix, is.
    pub(super) fn change_levels(&mut self, id: ChannelId, change: &LevelChange, now: Instant) -> Result<(), CommandError> {
        let slot = self.touch(id, now)?;
        let channel = self.table.get(slot).ok_or(CommandError::NotFound(id))?;
        let (levels, link) = (change.apply(channel.levels), channel.link);
        let of_group = change.group_db.is_some_and(|db| db != 0.0);
        if change.group_db.is_some() && !self.is_mixed(slot) {
            return Err(CommandError::WrongState("the channel is in no mix"));
        }
        if let (Link::Peer(peer), true) = (link, of_group || !levels.are_plain()) {
            let peer = self.table.get(peer).map(|channel| channel.identity.id);
            for id in [Some(id), peer].into_iter().flatten() {
                self.can_be_clocked(id)?;
            }
            self.has_room_for_transcodes(2)?;
            self.start_clock(slot);
        }
        let muted = |levels: Levels| (levels.mute_in, levels.mute_out);
        if self.table.get(slot).is_some_and(|channel| muted(channel.levels) != muted(levels)) {
            self.part_digits(slot);
        }
        if let Some(channel) = self.table.get_mut(slot) {
            channel.levels = levels;
        }
        let Some(index) = self.group_of(slot) else { return Ok(()) };
        let change_of_group = LevelChange { in_db: change.group_db, ..LevelChange::default() };
        if let Some(group) = self.groups.get_mut(index) {
            group.gain_db = change_of_group.apply(Levels { in_db: group.gain_db, ..Default::default() }).in_db;
            // Whether the clock is still needed is looked at when all has glided there.
            group.settles = true;
        }
        self.set_factors(index);
        Ok(())
    }

    /// Sets what the voices and ears of a group glide to.
    pub(super) fn set_factors(&mut self, index: u32) {
        let Some(group) = self.groups.get(index) else { return };
        for &member in &group.members {
            let Some(channel) = self.table.get_mut(member) else { continue };
            if let Some(clock) = channel.clock.as_deref_mut() {
                clock.gain.set(channel.levels.voice(group.gain_db));
                clock.hearing.set(channel.levels.hearing());
            }
        }
    }

    /// Whether its levels want a channel to be mixed by the clock.
    pub(super) fn has_levels(&self, slot: u32) -> bool {
        self.table.get(slot).is_some_and(|channel| !channel.levels.are_plain())
    }

    /// After a tick: a group that was waited for has glided to where it goes.
    pub(super) fn settled(&mut self, key: ChannelKey) {
        if self.table.key(key.slot) == Some(key) {
            self.review(key.slot);
        }
    }

    /// The mix of a channel that runs by the clock.
    pub(super) fn group_view(&self, slot: u32) -> Option<GroupView> {
        self.table.get(slot).filter(|channel| channel.link == Link::Mix)?;
        let group = self.groups.get(self.group_of(slot)?)?;
        let mut speakers: Vec<(u64, ChannelId)> = group
            .members
            .iter()
            .filter_map(|member| self.table.get(*member))
            .filter_map(|channel| Some((channel.clock.as_ref()?.activity.speaks()?, channel.identity.id)))
            .collect();
        speakers.sort_by_key(|(level, id)| (Reverse(*level), *id));
        speakers.truncate(SPEAKERS_MAX);
        let speakers = speakers.into_iter().map(|(_, id)| id).collect();
        Some(GroupView { members: group.members.len(), gain_db: group.gain_db, speakers })
    }

    /// Whether there is room for those that are not transcoded yet to be.
    pub(super) fn has_room_to_mix(&self, slots: impl Iterator<Item = u32>) -> Result<(), CommandError> {
        let more = slots.filter(|slot| self.table.get(*slot).is_some_and(|channel| !channel.transcodes)).count();
        if more == 0 { Ok(()) } else { self.has_room_for_transcodes(more as u64) }
    }

    /// Whether so many more directions may be transcoded.
    pub(super) fn has_room_for_transcodes(&self, more: u64) -> Result<(), CommandError> {
        match self.config.transcodes_max {
            Some(max) if self.transcodes + more > max => {
                Err(CommandError::Full { what: "transcoded directions", max: usize::try_from(max).unwrap_or(usize::MAX) })
            }
            _ => Ok(()),
        }
    }
}
