//! Who hears whom, and which channels run by the clock for it.
//!
//! ```text
//!   two, nothing else ─▶ packet-driven peers          three and more, a player, a recorder, two of unlike ptimes ─▶ a group by the clock
//! ```
//! Shape:  a change makes or frees what the clocked path needs, so that no packet does; the stream out goes on through it.
//! Errors: [`CommandError`]; a refused command changes nothing.

use std::time::Instant;

use rand_core::Rng;

use super::group::{MEMBERS_MAX, Parting};
use super::mixing::Crossing;
use super::tick::rate_of;
use super::{ChannelKey, Media};
use crate::api::{ChannelId, CommandError, EventAction, MixEvent};
use crate::channel::{Clocked, Gain, Link, Recording, Renewal, Waiting};
use crate::clock::{Play, Rate, Record};
use crate::format::FormatKind;

impl Media {
    /// Puts a player into a channel, and gives back the one that was there.
    ///
    /// # Errors
    /// `NotFound`; `Impossible` if the far end takes no codec that we can encode; `Full` if no more may be transcoded.
    pub fn play(&mut self, channel: ChannelId, player: Box<dyn Play>, now: Instant) -> Result<Option<Box<dyn Play>>, CommandError> {
        let slot = self.clocked(channel, now)?;
        let clock = self.table.get_mut(slot).and_then(|c| c.clock.as_mut()).ok_or(CommandError::NotFound(channel))?;
        clock.player_rate = crate::channel::RateState::Idle;
        (clock.player_ended, clock.player_news) = (false, false);
        Ok(clock.player.replace(player))
    }

    /// Takes the player out of a channel.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn stop_play(&mut self, channel: ChannelId, now: Instant) -> Result<Option<Box<dyn Play>>, CommandError> {
        let slot = self.touch(channel, now)?;
        let player = self.table.get_mut(slot).and_then(|c| c.clock.as_mut()).and_then(|clock| clock.player.take());
        self.review(slot);
        Ok(player)
    }

    /// Puts a recorder into a channel, beside those that are there.
    ///
    /// # Errors
    /// As [`Media::play`].
    pub fn record(&mut self, channel: ChannelId, recorder: Box<dyn Record>, now: Instant) -> Result<(), CommandError> {
        let slot = self.clocked(channel, now)?;
        let clock = self.table.get_mut(slot).and_then(|c| c.clock.as_mut()).ok_or(CommandError::NotFound(channel))?;
        clock.recorders.push(Recording::new(recorder));
        Ok(())
    }

    /// Takes those recorders out of a channel that `which` picks.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn stop_record(
        &mut self,
        channel: ChannelId,
        mut which: impl FnMut(&dyn Record) -> bool,
        now: Instant,
    ) -> Result<Vec<Box<dyn Record>>, CommandError> {
        let slot = self.touch(channel, now)?;
        let Some(clock) = self.table.get_mut(slot).and_then(|c| c.clock.as_mut()) else { return Ok(Vec::new()) };
        let (out, stay) = std::mem::take(&mut clock.recorders).into_iter().partition(|r: &Recording| which(r.recorder.as_ref()));
        clock.recorders = stay;
        self.review(slot);
        Ok(out.into_iter().map(|recording: Recording| recording.recorder).collect())
    }

    /// Slot of a channel that is to run by the clock from now on.
    pub(super) fn clocked(&mut self, id: ChannelId, now: Instant) -> Result<u32, CommandError> {
        let slot = self.touch(id, now)?;
        self.can_be_clocked(id)?;
        self.has_room_to_mix(std::iter::once(slot))?;
        self.start_clock(slot);
        Ok(slot)
    }

    /// Whether a channel can be played to and recorded.
    pub(super) fn can_be_clocked(&self, id: ChannelId) -> Result<(), CommandError> {
        let channel = self.table.slot(id).and_then(|slot| self.table.get(slot)).ok_or(CommandError::NotFound(id))?;
        if channel.formats.preferred_of_ours().is_none() {
            return Err(CommandError::Impossible(
                "the far end has no codec here that can be played or recorded; give it a target first".into(),
            ));
        }
        Ok(())
    }

    /// Mixes two channels: `a` joins the group of `b`.
    pub(super) fn mix(&mut self, a: ChannelId, b: ChannelId, now: Instant) -> Result<(), CommandError> {
        let (one, other) = (self.touch(a, now)?, self.touch(b, now)?);
        if one == other {
            return Err(CommandError::Impossible("a channel is not mixed with itself; echo does that".into()));
        }
        if self.others(one).any(|slot| slot == other) {
            return Ok(());
        }
        // Who is in a mix stays there if the other is in none.
        let (joins, host) = if self.is_mixed(one) && !self.is_mixed(other) { (other, one) } else { (one, other) };
        if !self.is_mixed(host) {
            let anew: Vec<u32> = self.made_anew(joins, host).collect();
            self.has_room_to_mix(anew.iter().copied())?;
            self.limit_renewal(&[joins, host], &anew);
            self.pair(joins, host);
            return Ok(());
        }
        for (slot, id) in [(joins, a), (host, b)] {
            if self.table.get(slot).is_some_and(|c| c.formats.preferred_of_ours().is_none()) {
                return Err(CommandError::Impossible(format!("channel {id} has no codec that can be mixed; give it a target first")));
            }
        }
        if self.others(host).count() + 2 > MEMBERS_MAX {
            return Err(CommandError::Full { what: "members of the mix", max: MEMBERS_MAX });
        }
        self.has_room_to_mix([joins, host].into_iter().chain(self.others(host)))?;
        if self.is_mixed(joins) {
            self.unlink(joins);
        }
        self.start_clock(host);
        self.join(joins, host);
        self.tell(joins, EventAction::Mix(MixEvent::Start));
        Ok(())
    }

    /// Whether a pair has to go by the clock, whatever comes.
    fn pair_wants_clock(&self, one: u32, other: u32) -> bool {
        [one, other].iter().any(|slot| self.needs_clock(*slot) || self.has_levels(*slot) || self.has_watch(*slot))
            || self.have_unlike_packets(one, other)
    }

    /// Whether two far ends want packets of unlike length, by what signalling said: what they send may be of any length, and change,
    /// and is no reason to go to the clock or back. A pair that may speak what we do not decode stays with its packets, and one of
    /// which neither said a length, until a packet does not fit the frames of the other (`odd_frames`).
    fn have_unlike_packets(&self, one: u32, other: u32) -> bool {
        let (Some(one), Some(other)) = (self.table.get(one), self.table.get(other)) else { return false };
        (one.ptime_ms.is_some() || other.ptime_ms.is_some())
            && one.packet_us().zip(other.packet_us()).is_some_and(|(one, other)| one != other)
            && !one.formats.shares_opaque(&other.formats)
    }

    /// After a new target: a pair whose packets can no longer pass as they come gets its clock.
    pub(super) fn review_pair(&mut self, slot: u32) {
        let Some(Link::Peer(peer)) = self.table.get(slot).map(|channel| channel.link) else { return };
        if self.pair_wants_clock(slot, peer) {
            self.start_clock(slot);
        } else {
            self.expect_transcodes(slot, peer);
        }
    }

    /// Whose packets will be made anew in a pair, as far as its far ends have said what they take.
    fn made_anew(&self, one: u32, other: u32) -> impl Iterator<Item = u32> + use<> {
        let by_clock = self.pair_wants_clock(one, other);
        let is_new = |from: u32, to: u32| {
            let (Some(from), Some(to)) = (self.table.get(from), self.table.get(to)) else { return false };
            by_clock || from.formats.preferred().is_some_and(|said| to.formats.outgoing(&said).is_some_and(|heard| heard.kind != said.kind))
        };
        [is_new(other, one).then_some(one), is_new(one, other).then_some(other)].into_iter().flatten()
    }

    /// Whether what the packets of a channel's pair need may be had.
    pub(super) fn has_room_for_pair(&self, slot: u32) -> Result<(), CommandError> {
        match self.table.get(slot).map(|channel| channel.link) {
            Some(Link::Peer(peer)) => self.has_room_to_mix(self.made_anew(slot, peer)),
            _ => Ok(()),
        }
    }

    /// Counts what the packets of a pair will need, before they come; they tell what it is in truth.
    fn expect_transcodes(&mut self, one: u32, other: u32) {
        let anew: Vec<u32> = self.made_anew(one, other).collect();
        for slot in [one, other] {
            let is_renewed = self.table.get(slot).is_some_and(|channel| channel.renewal.is_on());
            self.count_transcode(slot, is_renewed || anew.contains(&slot));
        }
    }

    /// Leaves far ends to what will be relayed to them at once, if there is no room to do it in a pause.
    fn limit_renewal(&mut self, ears: &[u32], anew: &[u32]) {
        let is_renewed = |slot: &u32| self.table.get(*slot).is_some_and(|channel| channel.renewal.is_on());
        if self.has_room_to_mix(ears.iter().copied().filter(|slot| anew.contains(slot) || is_renewed(slot))).is_err() {
            for &slot in ears {
                if let Some(channel) = self.table.get_mut(slot) {
                    channel.renewal = Renewal::Off;
                }
            }
        }
    }

    /// Joins two that are in no mix.
    fn pair(&mut self, one: u32, other: u32) {
        let by_clock = self.pair_wants_clock(one, other);
        for (slot, peer) in [(one, other), (other, one)] {
            if let Some(channel) = self.table.get_mut(slot) {
                // What did not fit the frames of the last partner may fit those of this one, and is found out anew if not.
                channel.odd_frames = false;
            }
            self.set_link(slot, Link::Peer(peer));
        }
        if by_clock {
            self.start_clock(one);
        } else {
            self.expect_transcodes(one, other);
        }
        for slot in [one, other] {
            self.tell(slot, EventAction::Mix(MixEvent::Start));
        }
    }

    /// Ends echo or mix of a channel; of a mix of two both ends.
    pub(super) fn unlink(&mut self, slot: u32) {
        self.part_digits(slot);
        match self.table.get(slot).map(|c| c.link) {
            Some(Link::Peer(peer)) => {
                for slot in [slot, peer] {
                    self.set_link(slot, Link::None);
                    self.tell(slot, EventAction::Mix(MixEvent::Finished));
                }
            }
            Some(Link::Mix) => {
                let stays = self.group_of(slot);
                self.leave(slot);
                self.tell(slot, EventAction::Mix(MixEvent::Finished));
                let last = stays.and_then(|group| self.groups.get(group)).and_then(|group| match group.members[..] {
                    [last] => Some(last),
                    _ => None,
                });
                if let Some(last) = last {
                    self.set_link(last, Link::None);
                    self.tell(last, EventAction::Mix(MixEvent::Finished));
                    self.review(last);
                } else if let Some(other) = stays.and_then(|group| self.groups.get(group)).and_then(|g| g.members.first().copied()) {
                    self.review(other);
                }
                self.review(slot);
            }
            Some(Link::None | Link::Echo) => {
                self.set_link(slot, Link::None);
                self.review(slot);
            }
            None => {}
        }
    }

    /// Makes a channel echo, once it is in no mix.
    pub(super) fn echo(&mut self, slot: u32) {
        self.unlink(slot);
        self.limit_renewal(&[slot], &[]);
        self.set_link(slot, Link::Echo);
    }

    pub(super) fn set_link(&mut self, slot: u32, link: Link) {
        self.catch_up(slot, None);
        if let Some(channel) = self.table.get_mut(slot) {
            channel.set_link(link);
            // As far as can be known before its first packet.
            let is_made = channel.clock.is_some() || (channel.renewal.is_on() && matches!(link, Link::Peer(_) | Link::Echo));
            self.count_transcode(slot, is_made);
        }
    }

    fn count_transcode(&mut self, slot: u32, transcodes: bool) {
        if let Some(channel) = self.table.get_mut(slot).filter(|channel| channel.transcodes != transcodes) {
            channel.transcodes = transcodes;
            self.transcodes = if transcodes { self.transcodes + 1 } else { self.transcodes - 1 };
        }
    }

    /// A channel of a pair got something that its packets cannot do: the pair runs by the clock from now on.
    pub(super) fn wants_clock(&mut self, key: ChannelKey) {
        if self.table.key(key.slot) == Some(key) && self.table.get(key.slot).is_some_and(|c| matches!(c.link, Link::Peer(_))) {
            self.start_clock(key.slot);
        }
    }

    /// After a new target or the end of what needed it: whether the clock is still needed, and what for.
    pub(super) fn review(&mut self, slot: u32) {
        let Some(channel) = self.table.get(slot) else { return };
        let Some(clock) = &channel.clock else { return };
        let index = clock.group;
        let Some(group) = self.groups.get(index) else { return };
        match group.members[..] {
            [_] if !self.needs_clock(slot) => self.free_clock(slot),
            // Who left is heard to fade before the pair goes back to its packets.
            [_, _] if group.farewell.as_ref().is_some_and(|farewell| farewell.is_due()) => {
                if let Some(group) = self.groups.get_mut(index) {
                    group.settles = true;
                }
                self.prepare(index);
            }
            [one, other]
                if group.gain_db == 0.0 && !self.pair_wants_clock(one, other) && ![one, other].iter().any(|slot| self.is_odd(*slot)) =>
            {
                self.part_to_packets(index, [one, other]);
            }
            _ => self.prepare(index),
        }
    }

    /// Gives a channel a clock: alone, or with its peer, which may have one already.
    pub(super) fn start_clock(&mut self, slot: u32) {
        self.catch_up_pair(slot);
        let Some(channel) = self.table.get(slot) else { return };
        let link = channel.link;
        let seam = match link {
            Link::Peer(peer) => self.seam(slot, peer),
            Link::None | Link::Echo | Link::Mix => None,
        };
        let group = match self.group_of(slot) {
            Some(group) => group,
            None => {
                let group = match &seam {
                    Some(seam) => self.groups.create_where(slot, self.slot_number(), |phase| seam.waits_ms(phase)),
                    None => self.groups.create(slot, self.slot_number()),
                };
                self.make_clock(slot, group);
                self.set_link(slot, link);
                group
            }
        };
        if let Link::Peer(peer) = link {
            self.join(peer, slot);
            self.set_link(slot, Link::Mix);
        }
        self.prepare(group);
        if let Some(seam) = seam {
            self.go_on(seam);
        }
        // The jitter buffer waits for what is missing from now on.
        self.wait_no_more(slot);
        if let Link::Peer(peer) = link {
            self.wait_no_more(peer);
        }
        self.make_room_for_ticks();
    }

    /// Room for all groups to be due in one slot.
    pub(super) fn make_room_for_ticks(&mut self) {
        let (groups, _) = self.groups.counts();
        self.due.reserve(groups);
    }

    fn make_clock(&mut self, slot: u32, group: u32) {
        let seed = self.rng.next_u32();
        if let Some(channel) = self.table.get_mut(slot) {
            channel.sent.release();
            channel.clock = Some(Clocked::new(group, channel.jitter, seed));
        }
    }

    /// Puts a channel into the group of another one, which has a clock.
    fn join(&mut self, slot: u32, host: u32) {
        let Some(group) = self.group_of(host) else { return };
        if let Some(own) = self.group_of(slot) {
            self.groups.leave(own, slot);
        }
        if !self.groups.join(group, slot) {
            return;
        }
        match self.table.get_mut(slot).and_then(|c| c.clock.as_mut()) {
            Some(clock) => clock.enter(group),
            None => self.make_clock(slot, group),
        }
        self.set_link(slot, Link::Mix);
        self.prepare(group);
    }

    /// Takes a channel out of its mix; it keeps its clock, in a group of its own.
    fn leave(&mut self, slot: u32) {
        let now = self.slot_number();
        let Some(old) = self.group_of(slot) else { return };
        self.groups.leave(old, slot);
        let alone = self.groups.create(slot, now);
        if let Some(clock) = self.table.get_mut(slot).and_then(|c| c.clock.as_mut()) {
            let last = clock.farewell(&self.kernels);
            clock.enter(alone);
            if let Some(group) = self.groups.get_mut(old) {
                group.part_with(&last);
            }
        }
        self.set_link(slot, Link::None);
        self.prepare(old);
        self.prepare(alone);
        self.make_room_for_ticks();
    }

    pub(super) fn free_clock(&mut self, slot: u32) {
        if let Some(group) = self.group_of(slot) {
            self.groups.leave(group, slot);
        }
        if let Some(channel) = self.table.get_mut(slot) {
            channel.keep_figures();
            channel.clock = None;
            if channel.relayed.is_some() {
                channel.renewal.begin();
            }
            if channel.link == Link::None {
                // What comes next to be decoded follows on nothing that was.
                channel.coders.forget();
            }
            channel.sent.release();
            let link = channel.link;
            self.set_link(slot, link);
        }
    }

    /// Frees what a channel that is closed had by the clock.
    pub(super) fn close_clock(&mut self, slot: u32) {
        self.free_clock(slot);
    }

    /// Sees at which rates a group hears, and makes what its members need to send at their packet times.
    pub(super) fn prepare(&mut self, index: u32) {
        let Some(group) = self.groups.get_mut(index) else { return };
        (group.parting, group.is_watched) = (Parting::No, false);
        let (mut narrow, mut wide) = (false, false);
        for &member in &group.members {
            let Some(channel) = self.table.get_mut(member) else { continue };
            group.is_watched |= channel.identity.speakers.is_some();
            let codec = channel.formats.preferred_of_ours().and_then(|f| match f.kind {
                FormatKind::Audio(codec) => Some(codec),
                FormatKind::Event | FormatKind::ComfortNoise => None,
            });
            match rate_of(codec) {
                Rate::Narrow => narrow = true,
                Rate::Wide => wide = true,
            }
            let odd = codec.is_some_and(|codec| channel.packet_samples(codec) != rate_of(Some(codec)).samples());
            if let Some(clock) = &mut channel.clock {
                match (&clock.waiting, odd) {
                    (None, true) => clock.waiting = Some(Box::new(Waiting::new())),
                    (Some(_), false) => clock.waiting = None,
                    _ => {}
                }
            }
        }
        group.crosses = narrow && wide;
        if !group.crosses {
            group.crossing = Crossing::default();
        }
        self.set_factors(index);
    }

    /// Whether something of the channel itself needs a clock.
    fn needs_clock(&self, slot: u32) -> bool {
        self.table
            .get(slot)
            .and_then(|c| c.clock.as_ref())
            .is_some_and(|clock| clock.player.is_some() || !clock.recorders.is_empty() || clock.listener.is_some())
    }

    /// Whether packets came that are no whole frames of its codec.
    fn is_odd(&self, slot: u32) -> bool {
        self.table.get(slot).is_some_and(|c| c.odd_frames)
    }

    pub(super) fn is_mixed(&self, slot: u32) -> bool {
        self.table.get(slot).is_some_and(|c| matches!(c.link, Link::Peer(_) | Link::Mix))
    }

    pub(super) fn group_of(&self, slot: u32) -> Option<u32> {
        self.table.get(slot)?.clock.as_ref().map(|clock| clock.group)
    }

    /// Who is in a mix with a channel.
    pub(super) fn others(&self, slot: u32) -> impl Iterator<Item = u32> {
        let link = self.table.get(slot).map(|c| c.link);
        let peer = if let Some(Link::Peer(peer)) = link { Some(peer) } else { None };
        let group = self.group_of(slot).filter(|_| link == Some(Link::Mix)).and_then(|group| self.groups.get(group));
        peer.into_iter().chain(group.map(|g| g.members.as_slice()).unwrap_or_default().iter().copied()).filter(move |other| *other != slot)
    }
}

impl Recording {
    /// A recorder that has seen nothing.
    fn new(recorder: Box<dyn Record>) -> Self {
        Self { recorder, heard: Default::default(), said: Default::default(), ended: false }
    }
}

impl Clocked {
    /// It ticks in another group from now on, and comes in and hears softly.
    fn enter(&mut self, group: u32) {
        self.group = group;
        self.gain = Gain::rising_to(1.0);
        self.hearing = Gain::rising_to(1.0);
    }
}
