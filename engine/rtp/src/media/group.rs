//! Channels that tick together: a conference, two parties one of whom is recorded, or one that plays.
//!
//! ```text
//!   phases[0 … 19] ─▶ groups ─▶ members          a slot of 1 ms runs the groups of its phase
//! ```
//! Shape:  a slab of groups; each has a phase, dealt so that the phases carry equal numbers of channels.
//! Bounds: at most [`MEMBERS_MAX`] members; as many groups as channels. Memory grows by commands only.
//! Errors: a group that is full says so; stale numbers are `None`.

use super::mixing::{Crossing, Farewell};
use crate::channel::Frame;
use crate::clock::TICK_MS;

/// Members of a conference: what it costs is linear, 60 µs for 100; 1000 of them fill most of a slot.
pub(super) const MEMBERS_MAX: usize = 1000;
/// Slots of a tick.
pub(super) const PHASES: usize = TICK_MS as usize;

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Slots of its channels.
    pub members: Vec<u32>,
    /// Its members do not all hear at one rate.
    pub crosses: bool,
    /// Between those rates.
    pub crossing: Crossing,
    /// Slot of its last tick.
    pub last: u64,
    /// Ticks missed before this one.
    pub missed: u32,
    /// Of all voices.
    pub gain_db: f32,
    /// Levels were changed; once all have glided there, it is looked at whether the clock is still needed.
    pub settles: bool,
    /// The last frames of those who left, fading out.
    pub farewell: Option<Box<Farewell>>,
    /// A member is told who speaks.
    pub is_watched: bool,
    /// It is a pair that goes back to packets.
    pub parting: Parting,
    phase: usize,
}

/// How far a pair is on its way back to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// It is not.
    No,
    /// What waits is sent, a frame in each slot; slots that this took.
    Sends(u16),
    /// Nothing waits.
    Done,
}

/// When a group ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// Its slots, modulo [`PHASES`].
    pub phase: usize,
    /// Slot of its last tick.
    pub last: u64,
}

/// All groups.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Vec<Option<Group>>,
    free: Vec<u32>,
    phases: [Vec<u32>; PHASES],
    /// Channels per phase.
    load: [u32; PHASES],
    /// Pairs that go back to packets.
    parting: Vec<u32>,
}

impl Groups {
    /// None.
    pub fn new() -> Self {
        Self { groups: Vec::new(), free: Vec::new(), phases: std::array::from_fn(|_| Vec::new()), load: [0; PHASES], parting: Vec::new() }
    }

    /// A new group of one, on the phase with the fewest channels.
    pub fn create(&mut self, member: u32, slot: u64) -> u32 {
        self.create_where(member, slot, |_| 0)
    }

    /// A new group of one, on the phase that costs least; of those the one with the fewest channels.
    pub fn create_where(&mut self, member: u32, slot: u64, cost: impl Fn(usize) -> u32) -> u32 {
        let load = |phase: usize| self.load.get(phase).copied().unwrap_or(0);
        let phase = (0..PHASES).min_by_key(|phase| (cost(*phase), load(*phase))).unwrap_or(0);
        self.create_in(member, Rhythm { phase, last: latest(phase, slot) })
    }

    /// A new group of one, that goes on in a rhythm.
    pub fn create_in(&mut self, member: u32, Rhythm { phase, last }: Rhythm) -> u32 {
        let group = Group {
            members: vec![member],
            crosses: false,
            crossing: Crossing::default(),
            last,
            missed: 0,
            gain_db: 0.0,
            settles: false,
            farewell: None,
            is_watched: false,
            parting: Parting::No,
            phase,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            (self.groups.len() - 1) as u32
        });
        if let Some(place) = self.groups.get_mut(index as usize) {
            *place = Some(group);
        }
        if let (Some(phase), Some(load)) = (self.phases.get_mut(phase), self.load.get_mut(phase)) {
            phase.push(index);
            *load += 1;
        }
        index
    }

    /// Adds a member. False if the group is full.
    pub fn join(&mut self, index: u32, member: u32) -> bool {
        let Some(group) = self.groups.get_mut(index as usize).and_then(Option::as_mut) else { return false };
        if group.members.len() >= MEMBERS_MAX {
            return false;
        }
        group.members.push(member);
        if let Some(load) = self.load.get_mut(group.phase) {
            *load += 1;
        }
        true
    }

    /// Takes a member out; an empty group is gone.
    pub fn leave(&mut self, index: u32, member: u32) {
        let Some(group) = self.groups.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let before = group.members.len();
        group.members.retain(|m| *m != member);
        let (gone, phase, is_empty) = (before - group.members.len(), group.phase, group.members.is_empty());
        if let Some(load) = self.load.get_mut(phase) {
            *load -= gone as u32;
        }
        if is_empty && gone > 0 {
            if let Some(place) = self.groups.get_mut(index as usize) {
                *place = None;
            }
            if let Some(phase) = self.phases.get_mut(phase) {
                phase.retain(|g| *g != index);
            }
            self.free.push(index);
        }
    }

    /// A group.
    pub fn get(&self, index: u32) -> Option<&Group> {
        self.groups.get(index as usize)?.as_ref()
    }

    /// When a group ticks.
    pub fn rhythm(&self, index: u32) -> Option<Rhythm> {
        self.get(index).map(|group| Rhythm { phase: group.phase, last: group.last })
    }

    /// A group.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Group> {
        self.groups.get_mut(index as usize)?.as_mut()
    }

    /// Groups of the phase that a slot runs.
    pub fn of_slot(&self, slot: u64) -> &[u32] {
        self.phases.get((slot % PHASES as u64) as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// Groups that go back to packets: they run in every slot.
    pub fn part(&mut self, index: u32) {
        if !self.parting.contains(&index) {
            self.parting.push(index);
        }
    }

    /// Those that do, as far as they still do.
    pub fn parting(&mut self) -> &[u32] {
        let groups = &self.groups;
        let parts = |index: &u32| {
            let group = groups.get(*index as usize).and_then(Option::as_ref);
            group.is_some_and(|group| group.parting != Parting::No)
        };
        self.parting.retain(parts);
        &self.parting
    }

    /// Groups, and channels in them.
    pub fn counts(&self) -> (usize, u32) {
        (self.groups.len() - self.free.len(), self.load.iter().sum())
    }
}

/// The last slot of a phase, up to `slot`.
const fn latest(phase: usize, slot: u64) -> u64 {
    let phases = PHASES as u64;
    slot.saturating_sub((slot + phases - phase as u64) % phases)
}

impl Group {
    /// The last slot of its phase, up to `slot`.
    pub const fn latest(&self, slot: u64) -> u64 {
        latest(self.phase, slot)
    }

    /// Keeps the last frame of one who leaves, for those who stay.
    pub fn part_with(&mut self, frame: &Frame) {
        self.farewell.get_or_insert_with(|| Box::new(Farewell::new())).add(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_dealt_evenly_and_empty_groups_go() {
        let mut groups = Groups::new();
        let all: Vec<_> = (0..100).map(|n| groups.create(n, 0)).collect();
        assert!(groups.load.iter().all(|load| *load == 5), "{:?}", groups.load);
        for n in 0..50 {
            assert!(groups.join(all[0], 100 + n));
        }
        assert_eq!(groups.counts(), (100, 150));
        let next = groups.create(999, 0);
        assert_ne!(groups.get(next).unwrap().phase, groups.get(all[0]).unwrap().phase);
        for n in 0..100u32 {
            groups.leave(all[n as usize], n);
            groups.leave(all[n as usize], n);
        }
        for n in 0..50 {
            groups.leave(all[0], 100 + n);
        }
        groups.leave(next, 999);
        assert_eq!(groups.counts(), (0, 0));
        assert!((0..20).all(|slot| groups.of_slot(slot).is_empty()));
    }

    #[test]
    fn a_full_group_refuses() {
        let mut groups = Groups::new();
        let group = groups.create(0, 0);
        assert!((1..MEMBERS_MAX as u32).all(|n| groups.join(group, n)));
        assert!(!groups.join(group, 9999));
    }
}
