//! A media shard as a part of project-rtp: its share of the ports, its ring, its machine.
//!
//! Shape:  [`MediaPlan`] crosses to the shard's thread, which makes the rest there.
//! Units:  a freed port rests 2 s before it is used again, so that a late packet of the old call meets nobody.
//! Errors: [`NodeError::Ring`] when the kernel gives no ring.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rt::{Queue, Signal};
use rtp::media::{Config, Media, Start};

use super::NodeError;
use crate::media::{MediaServer, MediaShard, Setup};
use crate::os::limits;
use crate::ring::{Needs, PortPool, RingConfig};
use crate::settings::config::RtpConfig;
use crate::shard::ShardPlan;

const PORT_REST: Duration = Duration::from_secs(2);
/// Shares of media and of everything else where they share a CPU: media get four fifths when both want it.
const SHARES: usize = 1000;
const FRONT_SHARES: usize = 250;

/// A media shard to be.
pub struct MediaPlan {
    /// Settings of project-rtp.
    pub config: RtpConfig,
    /// Which media shard it is.
    pub number: usize,
    /// Out of how many.
    pub shards: usize,
    /// The clocks of all media shards, so that a channel that moves keeps its times.
    pub start: Start,
    /// Its end of the mesh.
    pub server: MediaServer,
    /// Fires when a command comes.
    pub commands: Signal,
}

impl MediaPlan {
    /// The clocks of all media shards of a program.
    pub fn clocks() -> Start {
        Start { now: Instant::now(), unix_epoch_ms: super::epoch_ms() }
    }

    /// Makes the shard on the calling thread.
    ///
    /// # Errors
    /// [`NodeError::Ring`], [`NodeError::Random`].
    pub fn start(self, plan: &ShardPlan) -> Result<MediaShard<Media>, NodeError> {
        let Self { config, number, shards, start, server, commands } = self;
        let all = channels(&config);
        let [a, b, c, d, e, f, g, h, ..] = super::seed()?;
        let ports = PortPool::new(config.ports, number, shards, PORT_REST).starting_at(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
        let share = all.div_ceil(u32::try_from(shards.max(1)).unwrap_or(u32::MAX));
        let transcodes_max = config.transcodes_max.map(|max| transcodes_of(max, number, shards));
        let setup = Setup {
            cpu: plan.cpu,
            alone: plan.media_only(),
            interfaces: config.interfaces,
            // Channels of other shards may move here, each with its ports: at most all that there are.
            ring: RingConfig {
                files: RingConfig::for_channels(all).files,
                lines: share.min(lines(all, shards)),
                receive_buffer: config.receive_buffer,
                traffic_class: config.traffic_class,
                ..RingConfig::for_channels(share)
            },
            transcodes_max,
        };
        let machine = Config {
            channels_max: all as usize,
            media_timeout: config.timeout,
            jitter: config.jitter,
            transcodes_max,
            ..Config::default()
        };
        let machine = Media::new(machine, start, super::seed()?);
        Ok(MediaShard::new(setup, &ports, machine, server, commands)?)
    }
}

/// A shard's part of the directions that may be transcoded: all parts together are the whole. They go in pairs, since a call needs two.
fn transcodes_of(max: u64, number: usize, shards: usize) -> u64 {
    let (number, shards) = (number as u64, shards.max(1) as u64);
    let (calls, odd) = (max / 2, max % 2);
    let rest = u64::from(number < calls % shards) * 2;
    calls / shards * 2 + rest + u64::from(number + 1 == shards) * odd
}

/// Sockets that each shard may connect: what the limit of descriptors leaves when every channel is open.
fn lines(channels: u32, shards: usize) -> u32 {
    let needs = Needs { shards, media_shards: shards, channels };
    let spare = limits::nofile().saturating_sub(needs.descriptors()) / shards.max(1) as u64;
    u32::try_from(spare).unwrap_or(u32::MAX)
}

/// Most channels of project-rtp: each address has all pairs of the range.
pub fn channels(config: &RtpConfig) -> u32 {
    let mut addresses: Vec<_> = config.interfaces.iter().map(|interface| interface.bind).collect();
    addresses.sort_unstable();
    addresses.dedup();
    pairs(&config.ports).saturating_mul(u32::try_from(addresses.len()).unwrap_or(u32::MAX))
}

/// RTP ports go in pairs: even and odd.
fn pairs(ports: &RangeInclusive<u16>) -> u32 {
    let first = u32::from(ports.start().next_multiple_of(2));
    (u32::from(*ports.end()) + 1).saturating_sub(first) / 2
}

/// The queue that media tasks run in.
pub fn queue() -> Queue {
    Queue::new("media", SHARES)
}

/// The queue that everything else runs in beside media; what is spawned from there stays there.
pub fn queue_beside() -> Queue {
    Queue::new("front", FRONT_SHARES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_transcodes_are_the_whole_and_hold_whole_calls() {
        for shards in 1..9 {
            for max in 0..40 {
                let parts: Vec<u64> = (0..shards).map(|number| transcodes_of(max, number, shards)).collect();
                assert_eq!(parts.iter().sum::<u64>(), max, "{parts:?}");
                assert!(parts[..shards - 1].iter().all(|part| part % 2 == 0), "{parts:?}");
                assert!(parts.iter().all(|part| part.abs_diff(parts[0]) <= 2), "{parts:?}");
            }
        }
    }
}
