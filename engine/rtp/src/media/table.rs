//! The channels of a shard: by slot and generation on the packet path, by name in commands.
//!
//! ```text
//!   ChannelKey { slot, generation } ──► Vec<Entry>          ChannelId ──► map ──► slot
//! ```
//! Shape:  memory for all slots and names at construction; a slot is used again with the next generation.
//! Errors: a stale key and an unknown name are `None`; a full table gives the channel back.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::ChannelKey;
use crate::api::ChannelId;
use crate::channel::Channel;

/// Hasher for names that are random bits already: it folds them. A seeded hasher would bring randomness into the core.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, bits: u128) {
        self.0 = (bits >> 64) as u64 ^ bits as u64;
    }
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    channel: Option<Channel>,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    names: HashMap<ChannelId, u32, BuildHasherDefault<Fold>>,
    max: usize,
}

impl Table {
    /// Room for `max` channels.
    pub fn new(max: usize) -> Self {
        let max = max.min(u32::MAX as usize);
        let names = HashMap::with_capacity_and_hasher(max, BuildHasherDefault::default());
        Self { entries: Vec::with_capacity(max), free: Vec::with_capacity(max), names, max }
    }

    /// Channels in it.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Most channels it takes.
    pub const fn max(&self) -> usize {
        self.max
    }

    /// Slots that were ever used; all that a scan has to visit.
    pub const fn slots(&self) -> usize {
        self.entries.len()
    }

    /// Puts a channel in. A full table gives it back.
    pub fn insert(&mut self, channel: Channel) -> Result<ChannelKey, Box<Channel>> {
        let id = channel.identity.id;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.entries.len() < self.max => {
                self.entries.push(Entry { generation: 0, channel: None });
                (self.entries.len() - 1) as u32
            }
            None => return Err(Box::new(channel)),
        };
        let Some(entry) = self.entries.get_mut(slot as usize) else { return Err(Box::new(channel)) };
        entry.channel = Some(channel);
        self.names.insert(id, slot);
        Ok(ChannelKey { slot, generation: entry.generation })
    }

    /// Takes a channel out; its key is stale from now on. Its place is used again after [`Table::release`].
    pub fn remove(&mut self, slot: u32) -> Option<(ChannelKey, Channel)> {
        let entry = self.entries.get_mut(slot as usize)?;
        let channel = entry.channel.take()?;
        let key = ChannelKey { slot, generation: entry.generation };
        entry.generation = entry.generation.wrapping_add(1);
        self.names.remove(&channel.identity.id);
        Some((key, channel))
    }

    /// The place of a channel that was taken out may be used again.
    pub fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Slot of a name.
    pub fn slot(&self, id: ChannelId) -> Option<u32> {
        self.names.get(&id).copied()
    }

    /// The channel in a slot.
    pub fn get(&self, slot: u32) -> Option<&Channel> {
        self.entries.get(slot as usize)?.channel.as_ref()
    }

    /// The channel in a slot.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Channel> {
        self.entries.get_mut(slot as usize)?.channel.as_mut()
    }

    /// The channel of a key that is not stale.
    pub fn by_key(&mut self, key: ChannelKey) -> Option<&mut Channel> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.channel.as_mut() } else { None }
    }

    /// Key of the channel in a slot.
    pub fn key(&self, slot: u32) -> Option<ChannelKey> {
        let entry = self.entries.get(slot as usize)?;
        entry.channel.as_ref().map(|_| ChannelKey { slot, generation: entry.generation })
    }

    /// All channels.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Channel)> {
        (0u32..).zip(&self.entries).filter_map(|(slot, entry)| Some((slot, entry.channel.as_ref()?)))
    }
}
