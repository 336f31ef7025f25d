//! Sizes of a ring, and making one.
//!
//! | what | size | sum |
//! |---|---|---|
//! | submissions | 2048 | one slot's sends; more are submitted on the way |
//! | small buffers | 5 per channel, a power of two | 50 packets/s x 100 ms stall |
//! | of them ready | 5 for 4 channels | 50 packets/s x 25 ms stall; 2.5 MiB at 4000 channels instead of 16 |
//! | completions | as the small buffers, at least 4096 | each may complete one |
//! | large buffers | a sixteenth of the small ones | few channels have long packets |
//! | files | 2 per channel + 64 | RTP and RTCP, and those being closed |
//! | lines | 1 per channel | sockets beside those that are connected (`line`) |
//!
//! Errors: [`SetupError`], one variant per step, with the kernel's number.

use super::{buffers::BufferGroup, token::PLACES_MAX};
use io_uring::IoUring;
use std::io;

/// Sizes of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingConfig {
    /// Submission queue entries.
    pub submissions: u32,
    /// Completion queue entries.
    pub completions: u32,
    /// Buffers of 512 bytes; a power of two.
    pub small_buffers: u16,
    /// How many of them the kernel has as a rule; after a longer stall the rest follow a slot later.
    pub small_ready: u16,
    /// Buffers of 2048 bytes; a power of two.
    pub large_buffers: u16,
    /// Registered files, without those of `lines`.
    pub files: u32,
    /// RTP sockets that may be connected to their far end at a time; each takes one descriptor and one file more.
    pub lines: u32,
    /// `SO_RCVBUF` of an RTP socket, in bytes; the kernel doubles it. 32 KiB hold 78 packets of G.711, what more would a flood take.
    pub receive_buffer: usize,
    /// `SO_SNDBUF`, or the system's default.
    pub send_buffer: Option<usize>,
    /// Type of service (IPv4) or traffic class (IPv6) of what is sent. Expedited forwarding is 0xb8 (RFC 3246, RFC 4594 §4.1).
    pub traffic_class: u8,
}

impl RingConfig {
    /// Sizes for `channels` channels on one shard.
    pub fn for_channels(channels: u32) -> Self {
        // 50 packets/s x 0.1 s = 5 per channel. A provided buffer ring has 32768 entries at most.
        let small = channels.saturating_mul(5).clamp(256, 32_768).next_power_of_two();
        Self {
            submissions: 2048,
            completions: small.max(4096),
            small_buffers: u16::try_from(small).unwrap_or(32_768),
            // 50 packets/s x 20 ms = 1 per channel, and a quarter more: a receive that looks for a second packet holds one meanwhile.
            small_ready: u16::try_from(channels.saturating_add(channels / 4).clamp(256, small)).unwrap_or(32_768),
            large_buffers: u16::try_from((small / 16).max(64)).unwrap_or(2048),
            files: channels.saturating_mul(2).saturating_add(64).min(PLACES_MAX / 2),
            lines: channels.min(PLACES_MAX / 2),
            receive_buffer: 32 << 10,
            send_buffer: None,
            traffic_class: 0xb8,
        }
    }

    /// Sockets at most: places in the kernel's table and in ours.
    pub(super) const fn places(&self) -> u32 {
        self.files.saturating_add(self.lines)
    }
}

/// Why there is no ring.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `io_uring_setup` refused.
    #[error("io_uring_setup: {0}")]
    Ring(#[source] io::Error),
    /// Memory for buffers, or their registration, was refused.
    #[error("buffer ring: {0}")]
    Buffers(#[source] io::Error),
    /// The table of files was refused.
    #[error("{files} registered files: {source}")]
    Files {
        /// How many.
        files: u32,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl SetupError {
    /// The kernel's number.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Ring(error) | Self::Buffers(error) | Self::Files { source: error, .. } => error.raw_os_error(),
        }
    }
}

/// A ring with its buffer groups registered and filled, and an empty table of files.
pub(super) fn build(config: &RingConfig) -> Result<(IoUring, [BufferGroup; 2]), SetupError> {
    let ring = build_ring(config, true).or_else(|error| match error.raw_os_error() {
        // Kernels before 6.6 do not know NO_SQARRAY.
        Some(libc::EINVAL) => build_ring(config, false),
        _ => Err(error),
    });
    let ring = ring.map_err(SetupError::Ring)?;
    let mut groups = [
        BufferGroup::new(0, config.small_buffers, SMALL_BUFFER, config.small_ready).map_err(SetupError::Buffers)?,
        BufferGroup::new(1, config.large_buffers, LARGE_BUFFER, config.large_buffers).map_err(SetupError::Buffers)?,
    ];
    for group in &mut groups {
        group.register(&ring.submitter()).map_err(SetupError::Buffers)?;
    }
    let files = config.places();
    ring.submitter().register_files_sparse(files).map_err(|source| SetupError::Files { files, source })?;
    Ok((ring, groups))
}

fn build_ring(config: &RingConfig, no_sqarray: bool) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all().setup_cqsize(config.completions).dontfork();
    if no_sqarray {
        builder.setup_no_sqarray();
    }
    builder.build(config.submissions)
}

/// 16 of the kernel's header, 28 of the peer's address, 468 of packet.
pub(super) const SMALL_BUFFER: u32 = 512;
/// The same with 2004 of packet: more than an Ethernet frame carries.
pub(super) const LARGE_BUFFER: u32 = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_channels() {
        let sizes = |channels| {
            let config = RingConfig::for_channels(channels);
            (config.small_buffers, config.completions, config.large_buffers, config.files)
        };
        assert_eq!(sizes(10), (256, 4096, 64, 84));
        assert_eq!(sizes(3000), (16_384, 16_384, 1024, 6064));
        assert_eq!(sizes(20_000), (32_768, 32_768, 2048, 40_064));
        assert_eq!(sizes(u32::MAX).3, PLACES_MAX / 2);
    }
}
