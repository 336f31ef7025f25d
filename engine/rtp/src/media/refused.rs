//! Sources that the check refused, told to control: once for a burst, not for each packet.
//!
//! Shape:  who was told of lately, one place each; at most one event in [`QUIET`] for a channel, and [`TOLD_MAX`] for a shard.
//! Memory: fixed; a refused packet is compared with the places.
//! Errors: none; what finds no place is in the figures only.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use heapless::Vec;

use super::{ChannelKey, Media, Pending};

/// Between two events of a channel.
const QUIET: Duration = Duration::from_secs(5);
/// Channels under attack at a time of which control hears: 13 events a second, which it bears beside its calls.
const TOLD_MAX: usize = 64;

/// Who was told of lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(ChannelKey, Instant), TOLD_MAX>);

impl Refusals {
    /// Whether a refusal is to be told.
    fn is_news(&mut self, key: ChannelKey, now: Instant) -> bool {
        self.0.retain(|(_, told)| now.saturating_duration_since(*told) < QUIET);
        self.0.iter().all(|(known, _)| *known != key) && self.0.push((key, now)).is_ok()
    }
}

impl Media {
    /// Counts a packet that the source check refused.
    pub(super) fn refuse(&mut self, key: ChannelKey, from: SocketAddr) {
        self.counters.badsource += 1;
        let Some(channel) = self.table.by_key(key) else { return };
        channel.counts.badsource += 1;
        if self.outputs.len() < self.outputs.capacity() && self.refusals.is_news(key, self.now) {
            self.outputs.push_back(Pending::Refused(key, from));
        }
    }
}
