//! Whether this host lets us work, asked before the first executor is made: that answers a missing io_uring with a panic.
//!
//! Shape:  [`probe`] makes a ring as the shards will, receives one datagram with it on loopback and sends it on, and looks at the limits.
//! Units:  memory in KiB where people read it.
//! Errors: [`ProbeError`]: what is wrong, and the remedy for host and container. Programs exit with [`ProbeError::STATUS`].
//! Source: `docs/runtime.md`, "Start-up"; io_uring_setup(2).

use super::{MediaRing, PacketSize, Pools, PortPool, RingConfig, SetupError};
use crate::os::limits;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    time::{Duration, Instant},
};

/// What the program is about to ask of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Executors.
    pub shards: usize,
    /// Shards with a media ring among them.
    pub media_shards: usize,
    /// Channels in all.
    pub channels: u32,
}

impl Needs {
    /// Locked memory: 0.7 MiB a ring and 0.2 an executor, in KiB, and never less than the 512 KiB that an executor insists on.
    pub const fn memlock_kib(&self) -> u64 {
        let sum = 717 * self.media_shards as u64 + 205 * self.shards as u64;
        if sum < 512 { 512 } else { sum }
    }

    /// Descriptors: 2 a channel, the spare places of each ring, and 1024 for HTTP, files and executors.
    pub const fn descriptors(&self) -> u64 {
        2 * self.channels as u64 + 64 * self.media_shards as u64 + 1024
    }
}

/// What keeps the program from working on this host.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Refused by a setting or a sandbox.
    #[error(
        "io_uring is not permitted here. Host: sysctl kernel.io_uring_disabled must be 0 (is {disabled}). Container: its seccomp profile must allow io_uring_setup, io_uring_enter and io_uring_register."
    )]
    NotPermitted {
        /// Value of the sysctl.
        disabled: String,
    },
    /// Not built in.
    #[error("this kernel has no io_uring; Linux 6.1 or newer is needed (is {release}).")]
    Missing {
        /// Kernel release.
        release: String,
    },
    /// Built in, but without what we use.
    #[error("io_uring is too old for us: Linux 6.1 or newer is needed (is {release}).")]
    TooOld {
        /// Kernel release.
        release: String,
    },
    /// Too little locked memory.
    #[error(
        "cannot lock memory: RLIMIT_MEMLOCK is {limit_kib} KiB, {shards} shards need {needed_kib} KiB (systemd: LimitMEMLOCK=64M; docker: --ulimit memlock=67108864)."
    )]
    Memlock {
        /// Soft limit in force.
        limit_kib: u64,
        /// How many executors.
        shards: usize,
        /// What they need.
        needed_kib: u64,
    },
    /// Too few descriptors.
    #[error("RLIMIT_NOFILE is {limit}; {channels} channels need {needed}.")]
    Descriptors {
        /// Limit in force, the hard one.
        limit: u64,
        /// Channels asked for.
        channels: u32,
        /// Descriptors they need.
        needed: u64,
    },
    /// A ring can be made, but a packet sent to it does not arrive.
    #[error("io_uring does not deliver packets here: none came over loopback within {} s.", ANSWER_LIMIT.as_secs())]
    Silent,
    /// Something else; the kernel's words.
    #[error("io_uring does not work here: {0}")]
    Other(String),
}

impl ProbeError {
    /// Exit status: `EX_CONFIG` of sysexits.
    pub const STATUS: u8 = 78;
}

/// Raises the limit of descriptors as far as it goes, and tries a ring.
///
/// # Errors
/// [`ProbeError`], ready to be printed.
pub fn probe(needs: Needs) -> Result<(), ProbeError> {
    let descriptors = limits::raise_nofile();
    let give_up = Instant::now() + MEMORY_PATIENCE;
    loop {
        match try_ring() {
            Ok(true) => break,
            Ok(false) => return Err(ProbeError::Silent),
            // Rings of a process that ended a moment ago still count.
            Err(SetupError::Ring(error)) if error.raw_os_error() == Some(libc::ENOMEM) && Instant::now() < give_up => {
                std::thread::sleep(MEMORY_PAUSE);
            }
            Err(error) => return Err(told(&error, needs, descriptors)),
        }
    }
    let locked = limits::memlock();
    if locked < EXECUTOR_MEMLOCK || (locked / 1024 < needs.memlock_kib() && !limits::may_lock_any()) {
        return Err(memlock(needs));
    }
    if descriptors < needs.descriptors() {
        return Err(ProbeError::Descriptors { limit: descriptors, channels: needs.channels, needed: needs.descriptors() });
    }
    Ok(())
}

fn told(error: &SetupError, needs: Needs, descriptors: u64) -> ProbeError {
    match error.errno() {
        Some(libc::EPERM | libc::EACCES) => ProbeError::NotPermitted { disabled: disabled() },
        Some(libc::ENOSYS) => ProbeError::Missing { release: limits::kernel_release() },
        Some(libc::EINVAL | libc::EOPNOTSUPP) => ProbeError::TooOld { release: limits::kernel_release() },
        Some(libc::ENOMEM) => memlock(needs),
        Some(libc::EMFILE) => ProbeError::Descriptors { limit: descriptors, channels: needs.channels, needed: needs.descriptors() },
        _ => ProbeError::Other(error.to_string()),
    }
}

fn memlock(needs: Needs) -> ProbeError {
    ProbeError::Memlock { limit_kib: limits::memlock() / 1024, shards: needs.shards, needed_kib: needs.memlock_kib() }
}

fn disabled() -> String {
    // Kernels before 6.6 have no such setting, and always allow.
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").map_or_else(|_| "0".to_owned(), |text| text.trim().to_owned())
}

/// A ring as the shards make it, only smaller, that receives a packet and sends it back. False if none came.
fn try_ring() -> Result<bool, SetupError> {
    let config = RingConfig { submissions: 64, completions: 256, small_buffers: 16, large_buffers: 16, ..RingConfig::for_channels(1) };
    // Any free ports do, but they must be a pair: where none is found, receiving is tried by the first call instead.
    let ips = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut ring = MediaRing::new(config, Pools::new(ips, &PortPool::new(PROBE_PORTS, 0, 1, Duration::ZERO)))?;
    let now = Instant::now();
    for ip in ips {
        let (Ok(pair), Ok(peer)) = (ring.open(ip, PacketSize::Small, now), UdpSocket::bind((ip, 0))) else { continue };
        if peer.send_to(b"probe", (ip, pair.port)).is_err() {
            continue;
        }
        let give_up = Instant::now() + ANSWER_LIMIT;
        while Instant::now() < give_up {
            let mut slot = ring.slot(Instant::now());
            if let Some(mut packet) = slot.next_packet() {
                let (from, len) = (packet.from(), packet.bytes().len());
                packet.forward(pair.rtp, from, 0..len);
                slot.finish();
                return Ok(true);
            }
            slot.finish();
            if ring.counters().receive_errors > 0 {
                // Multishot receive is refused in its completion by kernels that do not know it.
                return Err(SetupError::Buffers(io::Error::from_raw_os_error(libc::EINVAL)));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        return Ok(false);
    }
    // No loopback to try it on: the ring was made, which is what can be known.
    Ok(true)
}

/// Below the usual ephemeral range and above the registered services most hosts run.
const PROBE_PORTS: std::ops::RangeInclusive<u16> = 21_000..=21_999;
/// glommio refuses to start below it.
const EXECUTOR_MEMLOCK: u64 = 512 << 10;
const MEMORY_PATIENCE: Duration = Duration::from_secs(1);
const MEMORY_PAUSE: Duration = Duration::from_millis(50);
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
