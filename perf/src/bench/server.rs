//! The switch under measurement: `mediaswitch` itself on loopback, its channels, what it says of itself and the kernel of it.
//!
//! ```text
//!   Switch::start ─▶ open × n ─▶ target, mix ─▶ look() … look() ─▶ Look::since ─▶ drop
//! ```
//! Shape:  one process of the same program file that measures, so the same build; RTP and SIP on a loopback address that no other
//!         process has, so that 50 000 ports are free.
//! Units:  CPU as [`Usage`]; slots of 1 ms; bytes.
//! Errors: text, with the output of the program if it ended.
//! Source: docs/openapi.yaml.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::lateness::Lateness;
use super::options::CHANNELS_MAX;
use super::spoiled::Saw;
use super::usage::{Usage, resident};
use crate::api::Api;
use crate::load::{Codec, kernel};
use crate::process::{Process, free_port, sibling};

/// RTP ports: 25 000 channels and the spare pairs.
const FIRST_PORT: u16 = 10_000;
const LAST_PORT: u16 = 60_127;
/// Pairs more than channels: the switch's own listeners, and whatever else Linux lets lie in the range, take a few.
const SPARE_PAIRS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(20);

/// A loopback address of this process alone.
pub fn own_loopback() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    // 127.0.0.0/16 is for others; the last octet is neither network nor broadcast.
    IpAddr::from([127, a + 1, b, c.clamp(1, 254)])
}

/// Another one, of the phones of the media: no port of theirs can be one of the switch's.
pub fn phones_loopback() -> IpAddr {
    match own_loopback() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) | 0x0080_0000).into()),
        IpAddr::V6(ip) => IpAddr::V6(ip),
    }
}

/// A running switch.
#[derive(Debug)]
pub struct Switch {
    process: Process,
    /// API of its RTP part.
    pub rtp: Api,
    /// HTTP port of its RTP part.
    pub rtp_http: u16,
    /// HTTP port of its SIP part.
    pub sip_http: u16,
    /// Where it takes SIP over UDP.
    pub sip: SocketAddr,
    ip: IpAddr,
    ports: (u16, u16),
}

/// An open channel.
#[derive(Debug, Clone)]
pub struct Channel {
    uuid: String,
    /// Where phones send to.
    pub at: SocketAddr,
}

/// The server at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Look {
    /// CPU of all threads.
    pub usage: Usage,
    /// Slots since the start.
    pub slots: u64,
    /// Slots that began 1 ms late or more.
    pub late: u64,
    /// Slots that were left out.
    pub missed: u64,
    /// How late they began.
    pub lateness: Lateness,
    /// Work of a slot, the 99th percentile of the last seconds.
    pub work_p99_us: u64,
    /// Packets dropped at its sockets.
    pub dropped: u64,
    /// Packets that its ring could not send.
    pub unsent: u64,
    /// Resident memory.
    pub resident: u64,
}

impl Look {
    /// What happened after `before`; memory and work are those of now.
    pub fn since(self, before: Self) -> Self {
        Self {
            usage: self.usage.since(before.usage),
            slots: self.slots.saturating_sub(before.slots),
            late: self.late.saturating_sub(before.late),
            missed: self.missed.saturating_sub(before.missed),
            lateness: self.lateness.since(before.lateness),
            dropped: self.dropped.saturating_sub(before.dropped),
            unsent: self.unsent.saturating_sub(before.unsent),
            ..self
        }
    }
}

impl Switch {
    /// Starts it with room for so many channels.
    ///
    /// # Errors
    /// It is not there, or does not become ready.
    pub fn start(cores: &str, channels: usize) -> Result<Self, String> {
        Self::start_with(cores, channels, &[])
    }

    /// The same, with more flags.
    ///
    /// # Errors
    /// As [`Switch::start`].
    pub fn start_with(cores: &str, channels: usize, flags: &[String]) -> Result<Self, String> {
        let ip = own_loopback();
        let port = || free_port().map_err(|error| error.to_string());
        let (rtp_http, sip_http, control_http, sip) = (port()?, port()?, port()?, port()?);
        let (first, last) = ports(channels).ok_or("more channels than ports")?;
        let mut command = program()?;
        command.args(["--public-address", &ip.to_string(), "--cores", cores, "--log", "warn", "--media-timeout", "3600"]);
        // Named, since each address that it would find has all ports, and asks for as many descriptors.
        command.args(["--rtp-address", &ip.to_string()]);
        command.args(["--sip-address", &ip.to_string(), "--rtp-ports", &format!("{first}-{last}"), "--max-registrations", "2000000"]);
        for (name, port) in [("rtp-http-port", rtp_http), ("sip-http-port", sip_http), ("control-port", control_http), ("sip-port", sip)] {
            command.args([format!("--{name}"), port.to_string()]);
        }
        command.args(flags);
        let mut process = Process::start(command).map_err(|error| error.to_string())?;
        process.wait_ready(rtp_http, PATIENCE)?;
        process.wait_ready(sip_http, PATIENCE)?;
        Ok(Self { process, rtp: Api::connect(rtp_http)?, rtp_http, sip_http, sip: SocketAddr::new(ip, sip), ip, ports: (first, last) })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Opens a channel, on the core of `near` if it is to be mixed with it.
    ///
    /// # Errors
    /// It refuses.
    pub fn open(&mut self, near: Option<&Channel>) -> Result<Channel, String> {
        let body = near.map_or_else(|| json!({}), |near| json!({ "near": near.uuid }));
        let opened = self.rtp.insist("POST", "/channel", &body.to_string())?;
        let port = opened["port"].as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("a channel without a port")?;
        let uuid = opened["uuid"].as_str().ok_or("a channel without a uuid")?.to_owned();
        Ok(Channel { uuid, at: SocketAddr::new(self.ip, port) })
    }

    /// Tells a channel where its phone is and what it speaks.
    ///
    /// # Errors
    /// It refuses.
    pub fn target(&mut self, channel: &Channel, phone: SocketAddr, codec: Codec, ptime_ms: u16) -> Result<(), String> {
        let body = json!({ "ip": phone.ip().to_string(), "port": phone.port(), "audio": codec.audio(ptime_ms) });
        self.rtp.insist("PUT", &format!("/channel/{}/target", channel.uuid), &body.to_string()).map(drop)
    }

    /// Lets two hear each other, or one join the other's conference.
    ///
    /// # Errors
    /// It refuses.
    pub fn mix(&mut self, one: &Channel, other: &Channel) -> Result<(), String> {
        self.rtp.insist("PUT", &format!("/channel/{}/mix/{}", one.uuid, other.uuid), "{}").map(drop)
    }

    /// Statistics of all channels.
    ///
    /// # Errors
    /// It refuses, or is gone.
    pub fn channels(&mut self) -> Result<Saw, String> {
        self.rtp.tell("GET", "/channel", "").map(|answer| Saw::of_channels(&answer))
    }

    /// The server now.
    ///
    /// # Errors
    /// It does not answer, or is gone.
    pub fn look(&mut self) -> Result<Look, String> {
        let gone = |process: &Process| format!("the switch is gone; it said:\n{}", process.output());
        // A connection that was idle longer than the switch allows is made anew.
        let status = match self.rtp.tell("GET", "/status", "") {
            Ok(status) => status,
            Err(_) => Api::connect(self.rtp_http)
                .and_then(|api| {
                    self.rtp = api;
                    self.rtp.tell("GET", "/status", "")
                })
                .map_err(|error| format!("{error}; {}", gone(&self.process)))?,
        };
        let usage = Usage::of_process(self.id()).ok_or_else(|| gone(&self.process))?;
        let (ip, (first, last)) = (self.ip, self.ports);
        let count = |name: &str| status["rtp"][name].as_u64().unwrap_or(0);
        let cores = status["load"]["cores"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Look {
            usage,
            slots: count("slots"),
            late: count("slots_late"),
            missed: count("slots_skipped"),
            lateness: Lateness::of_status(&status),
            work_p99_us: cores.iter().filter_map(work_p99).max().unwrap_or(0),
            dropped: kernel::udp_drops(|at| IpAddr::V4(*at.ip()) == ip && (first..=last).contains(&at.port())),
            unsent: count("ring_tx_dropped") + count("ring_tx_refused") + count("ring_no_buffers"),
            resident: resident(self.id()).unwrap_or(0),
        })
    }
}

/// Channels that a switch can have here: 25 000, or what the limit of descriptors leaves.
pub fn channels_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits.lines().find_map(|line| line.strip_prefix("Max open files")).and_then(hard_limit).map_or(CHANNELS_MAX, channels_of)
}

/// The second figure of a line of /proc/self/limits; `None` if there is none.
fn hard_limit(line: &str) -> Option<usize> {
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Two sockets a channel, and some for the rest.
fn channels_of(descriptors: usize) -> usize {
    (descriptors.saturating_sub(DESCRIPTORS_ELSE) / 2).clamp(2, CHANNELS_MAX)
}

/// Listeners, rings, connections, files.
const DESCRIPTORS_ELSE: usize = 1500;

/// RTP ports for so many channels; others than last time as far as there are, since the kernel lets go of those of a process that
/// ended only a while after it.
fn ports(channels: usize) -> Option<(u16, u16)> {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    let more = u16::try_from(2 * (channels.max(1) + SPARE_PAIRS)).ok()? - 1;
    let next = NEXT.load(Ordering::Relaxed);
    let fits = |first: u16| first.checked_add(more).filter(|last| *last <= LAST_PORT).map(|last| (first, last));
    let (first, last) = fits(next).or_else(|| fits(FIRST_PORT))?;
    NEXT.store(last + 1, Ordering::Relaxed);
    Some((first, last))
}

/// This program, or one beside it that `cargo build` has put there.
fn program() -> Result<Command, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    if here.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("mediaswitch")) {
        Ok(Command::new(here))
    } else {
        sibling("mediaswitch")
    }
}

fn work_p99(core: &Value) -> Option<u64> {
    core["tick"]["p99us"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_after_a_look_is_the_difference() {
        let before = Look { slots: 10, late: 1, dropped: 2, resident: 5, ..Look::default() };
        let after = Look { slots: 30, late: 1, dropped: 3, resident: 9, work_p99_us: 7, ..Look::default() };
        assert_eq!(after.since(before), Look { slots: 20, dropped: 1, resident: 9, work_p99_us: 7, ..Look::default() });
    }

    #[test]
    fn ports_are_others_each_time_while_there_are_some() {
        let (a, b) = (ports(12).unwrap(), ports(12).unwrap());
        // Twelve channels, and the spare pairs.
        assert_eq!((a.1 - a.0, b.1 - b.0), (151, 151));
        assert!(b.0 > a.1 || b.0 == FIRST_PORT);
        assert_eq!(ports(25_000), Some((FIRST_PORT, LAST_PORT)));
        assert_eq!(ports(25_001), None);
        assert_eq!(ports(12), Some((FIRST_PORT, FIRST_PORT + 151)));
    }

    #[test]
    fn a_limit_of_descriptors_limits_the_channels() {
        assert_eq!((hard_limit("      1024      20000     files"), hard_limit(" 1024 unlimited files")), (Some(20_000), None));
        assert_eq!((channels_of(20_000), channels_of(1_000_000), channels_of(100)), (9250, CHANNELS_MAX, 2));
    }

    #[test]
    fn our_loopback_address_is_one() {
        assert!(own_loopback().is_loopback() && own_loopback() != IpAddr::from([127, 0, 0, 1]));
        assert!(phones_loopback().is_loopback() && phones_loopback() != own_loopback());
    }
}
