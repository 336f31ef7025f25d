//! The phones: one thread that tells and hears the RTP of them all.
//!
//! ```text
//!   slot of 1 ms:  streams of this phase: packet ─▶ [fate] ─▶ socket of the phase        all sockets: receive ─▶ check
//!   run:  warm-up (telling) ─▶ pause (nothing under way) ─▶ anchor ─▶ measured (telling) ─▶ 300 ms for stragglers
//!         faults: in the measured time but its last 300 ms, so that what was put in shows before the end
//! ```
//! Shape:  as many sockets as a ptime has slots; stream `i` speaks in slot `i % ptime` from socket `i % ptime`, and is known by the
//!         server's port. The loop is open: a slot that is missed is made up for, and its lag counted.
//! Units:  microseconds since the start; milliseconds for slots and ptime.
//! Errors: `io::Error` of the bind; later what is refused is counted.
//! Cost:   plain `send_to` and `recv_from`, about 4 µs a packet: one core of load feeds a little more than one core of switch.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::check::{Header, Kind, StreamCheck};
use super::codec::{Codec, Listener, Sound, What};
use super::faults::{Faults, Judge, PutIn};
use super::kernel;
use super::outcome::{Audio, Counts, Outcome};
use crate::ear::Ear;

/// One stream: what a phone tells, and whom it hears.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    /// Where it sends.
    pub to: SocketAddr,
    /// Codec it sends.
    pub sends: Codec,
    /// Codec it hears.
    pub hears: Codec,
    /// What it says.
    pub says: What,
    /// Stream that it hears, packet by packet; `None` for a clocked stream (a mix).
    pub partner: Option<usize>,
    /// Tone that it is to hear and how clean, if it is to be listened to.
    pub listens: Option<(f64, f64)>,
}

struct Stream {
    leg: Leg,
    sound: usize,
    told: u64,
    told_at_anchor: u64,
    /// The highest that was sent, plus one.
    sent: u64,
    times_us: Box<[u32; TIMES]>,
    check: StreamCheck,
    ear: Option<(Listener, Ear)>,
    /// Heard before the anchor: has something to count from.
    counted: bool,
    foreign: u64,
}

/// A packet that is sent later.
struct Held {
    stream: usize,
    told: u64,
    packet: Vec<u8>,
    /// Not the copy of one that was sent.
    is_first: bool,
}

/// Times of told packets that are kept: 5 s at 20 ms.
const TIMES: usize = 256;
const SLOT: Duration = Duration::from_millis(1);
/// Header and the longest payload: 60 ms of L16 at 8 kHz.
const PACKET_MAX: usize = 12 + 960;
const STRAGGLERS: Duration = Duration::from_millis(300);
/// Without faults at the end, or half of the time if that is less: longer than a packet is held, and than a jitter buffer holds it.
const CALM: Duration = Duration::from_millis(300);
/// Long enough for all that is under way in a switch that is well, twice over.
const PAUSE: Duration = Duration::from_millis(120);
/// Nothing has come for so long: nothing is under way.
const QUIET: Duration = Duration::from_millis(30);
/// So many times as long as usual the load waits for that.
const WAITS_MOST: u32 = 5;

/// The load of a run.
pub struct Generator {
    sockets: Vec<UdpSocket>,
    addresses: Vec<SocketAddr>,
    ptime_ms: u16,
    streams: Vec<Stream>,
    sounds: Vec<(Codec, What, Sound)>,
    stream_of_port: Vec<Option<u32>>,
    judge: Judge,
    put_in: PutIn,
    held: BTreeMap<u64, Vec<Held>>,
    stall: Option<Duration>,
    base: Instant,
    slot: u64,
    refused: u64,
    /// Not while waiting for stragglers: a clocked stream goes on, with silence.
    listening: bool,
    /// All that came from a port of the switch.
    packets: u64,
    measured: Outcome,
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("streams", &self.streams.len()).field("ptime_ms", &self.ptime_ms).finish_non_exhaustive()
    }
}

impl Generator {
    /// Binds the phones' sockets on any ports of `ip`.
    ///
    /// # Errors
    /// The bind's.
    pub fn bind(ip: IpAddr, ptime_ms: u16) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for _ in 0..ptime_ms.max(1) {
            let socket = crate::rtp_socket::rtp_socket(ip)?;
            socket.set_nonblocking(true)?;
            // As much as net.core.rmem_max allows; what is dropped for want of it is seen.
            SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
            sockets.push(socket);
        }
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?;
        Ok(Self {
            sockets,
            addresses,
            ptime_ms: ptime_ms.max(1),
            streams: Vec::new(),
            sounds: Vec::new(),
            stream_of_port: vec![None; 65_536],
            judge: Judge::new(Faults::default(), 0),
            put_in: PutIn::default(),
            held: BTreeMap::new(),
            stall: None,
            base: Instant::now(),
            slot: 0,
            refused: 0,
            listening: true,
            packets: 0,
            measured: Outcome::default(),
        })
    }

    /// Where stream `n` sends from and hears.
    pub fn address(&self, n: usize) -> Option<SocketAddr> {
        self.addresses.get(n % self.addresses.len().max(1)).copied()
    }

    /// Adds stream after stream, the first being 0.
    pub fn add(&mut self, leg: Leg) {
        let known = self.sounds.iter().position(|(codec, what, _)| (*codec, *what) == (leg.sends, leg.says));
        let sound = known.unwrap_or_else(|| {
            self.sounds.push((leg.sends, leg.says, leg.sends.sound(leg.says, self.ptime_ms)));
            self.sounds.len() - 1
        });
        if let Some(place) = self.stream_of_port.get_mut(usize::from(leg.to.port())) {
            *place = u32::try_from(self.streams.len()).ok();
        }
        self.streams.push(Stream {
            leg,
            sound,
            told: 0,
            told_at_anchor: 0,
            sent: 0,
            times_us: Box::new([0; TIMES]),
            // Every codec here has an RTP clock of 8 kHz.
            check: StreamCheck::new(u32::from(self.ptime_ms) * 8),
            ear: leg.listens.map(|_| (leg.hears.listener(), Ear::default())),
            counted: false,
            foreign: 0,
        });
    }

    /// Spoils what is told in the measured time.
    pub fn set_faults(&mut self, faults: Faults, seed: u64) {
        self.judge = Judge::new(faults, seed);
    }

    /// Sleeps so long in the middle of the next run, to see that it is noticed.
    pub const fn stall_once(&mut self, time: Duration) {
        self.stall = Some(time);
    }

    /// A whole run, on the calling thread; `began` is called when the measured part begins and `ended` when telling ends.
    pub fn run(&mut self, warm_up: Duration, time: Duration, began: impl FnOnce() + Send, ended: impl FnOnce() + Send) -> Outcome {
        let faults = std::mem::replace(&mut self.judge, no_faults());
        self.slots(warm_up, true);
        if self.streams.iter().any(|stream| stream.leg.partner.is_some()) {
            self.wait(PAUSE);
        }
        self.judge = faults;
        self.anchor();
        let own = |this: &Self| kernel::udp_drops(|at| this.addresses.contains(&SocketAddr::V4(at)));
        let (task, drops) = (kernel::this_thread(), own(self));
        began();
        // To look at the sockets of thousands of channels takes tens of milliseconds: without this they would be made up for in one burst.
        self.begin_grid();
        let (cpu, start) = (kernel::cpu_time(&task), Instant::now());
        if let Some(stall) = self.stall.take() {
            self.slots(time / 2, true);
            thread::sleep(stall);
            self.slots(time / 2, true);
        } else {
            let calm = CALM.min(time / 2);
            self.slots(time.saturating_sub(calm), true);
            let faults = std::mem::replace(&mut self.judge, no_faults());
            self.slots(calm, true);
            self.judge = faults;
        }
        ended();
        self.measured.seconds = start.elapsed().as_secs_f64();
        self.measured.cpu_seconds = kernel::cpu_time(&task).saturating_sub(cpu).as_secs_f64();
        // A clock goes on: what comes after the end is not counted.
        let clocked: Vec<_> = self.streams.iter().map(|stream| stream.check.heard()).collect();
        self.listening = self.streams.iter().any(|stream| stream.leg.partner.is_some());
        let lag = self.measured.lag_us.clone();
        self.wait(STRAGGLERS);
        self.measured.lag_us = lag;
        self.listening = true;
        self.measured.overrun = own(self) - drops;
        self.measured.refused = self.refused;
        self.measured.put_in = self.put_in;
        self.measured.is_clocked = self.streams.iter().any(|stream| stream.leg.partner.is_none());
        self.sum(&clocked);
        std::mem::take(&mut self.measured)
    }

    fn anchor(&mut self) {
        self.measured = Outcome::default();
        self.put_in = PutIn::default();
        self.refused = 0;
        for stream in &mut self.streams {
            stream.counted = stream.check.anchor();
            stream.told_at_anchor = stream.told;
            stream.foreign = 0;
            if let Some((_, ear)) = &mut stream.ear {
                ear.clear();
            }
        }
    }

    fn slots(&mut self, time: Duration, telling: bool) {
        let (start, end) = (self.slot, self.slot + u64::try_from(time.as_millis()).unwrap_or(0));
        if start == 0 {
            self.base = Instant::now();
        }
        while self.slot < end {
            let due = self.base + SLOT * u32::try_from(self.slot).unwrap_or(u32::MAX);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.measured.lag_us.record(micros(due.elapsed()));
            if telling {
                self.tell();
            }
            self.release();
            self.hear();
            self.slot += 1;
        }
    }

    /// Hears for so long by the clock, however late the slots are, and then until nothing has come for [`QUIET`]: what is under way must
    /// not be taken for a later packet. At most [`WAITS_MOST`] times as long; a clocked stream is never quiet, nor waited for.
    fn wait(&mut self, time: Duration) {
        let is_clocked = self.streams.iter().any(|stream| stream.leg.partner.is_none());
        let (start, mut last, mut heard) = (Instant::now(), Instant::now(), self.packets);
        let is_over = |last: Instant| {
            let passed = start.elapsed();
            passed >= time && (is_clocked || last.elapsed() >= QUIET || passed >= time * WAITS_MOST)
        };
        while !is_over(last) {
            self.slots(SLOT * 5, false);
            if self.packets != heard {
                (last, heard) = (Instant::now(), self.packets);
            }
        }
        self.begin_grid();
    }

    /// The grid of what follows begins now, and not where a stall has left it.
    fn begin_grid(&mut self) {
        let due = SLOT * u32::try_from(self.slot).unwrap_or(u32::MAX);
        self.base = self.base.max(Instant::now().checked_sub(due).unwrap_or(self.base));
    }

    fn tell(&mut self) {
        let phases = usize::from(self.ptime_ms);
        let phase = self.slot as usize % phases;
        let ticks = u32::from(self.ptime_ms) * 8;
        let Some(socket) = self.sockets.get(phase) else { return };
        let now = micros(self.base.elapsed()) as u32;
        let mut packet = [0; PACKET_MAX];
        for (n, stream) in self.streams.iter_mut().enumerate().skip(phase).step_by(phases) {
            let Some((_, _, sound)) = self.sounds.get(stream.sound) else { continue };
            let payload = sound.packet(n, stream.told);
            let length = 12 + payload.len();
            let Some(room) = packet.get_mut(..length) else { continue };
            let (header, body) = room.split_at_mut(12);
            let told = stream.told as u32;
            header[0] = 0x80;
            header[1] = stream.leg.sends.payload_type() | if told == 0 { 0x80 } else { 0 };
            header[2..4].copy_from_slice(&(told as u16).wrapping_add(n as u16).to_be_bytes());
            header[4..8].copy_from_slice(&told.wrapping_mul(ticks).to_be_bytes());
            header[8..12].copy_from_slice(&(n as u32 + 1).to_be_bytes());
            body.copy_from_slice(payload);
            let told = stream.told;
            stream.told += 1;
            let fate = self.judge.judge();
            if fate.lost {
                self.put_in.lost += 1;
                continue;
            }
            if fate.corrupt {
                body[0] ^= 0x55;
                self.put_in.corrupt += 1;
            }
            self.put_in.twice += u64::from(fate.twice);
            self.put_in.held += u64::from(fate.delay_slots > 0);
            for copy in 0..=u8::from(fate.twice) {
                let is_first = copy == 0;
                if fate.delay_slots > 0 {
                    let held = Held { stream: n, told, packet: room.to_vec(), is_first };
                    self.held.entry(self.slot + u64::from(fate.delay_slots)).or_default().push(held);
                } else {
                    self.put_in.overtaken += u64::from(is_first && stream.leaves(told, now));
                    self.refused += u64::from(socket.send_to(room, stream.leg.to).is_err());
                }
            }
        }
    }

    /// Sends what was held until this slot.
    fn release(&mut self) {
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() <= self.slot) {
            let now = micros(self.base.elapsed()) as u32;
            for Held { stream: n, told, packet, is_first } in entry.remove() {
                let Some(stream) = self.streams.get_mut(n) else { continue };
                let Some(socket) = self.sockets.get(n % usize::from(self.ptime_ms)) else { continue };
                self.put_in.overtaken += u64::from(is_first && stream.leaves(told, now));
                self.refused += u64::from(socket.send_to(&packet, stream.leg.to).is_err());
            }
        }
    }

    fn hear(&mut self) {
        let mut packet = [0; 2048];
        for socket in 0..self.sockets.len() {
            while let Some(Ok((length, from))) = self.sockets.get(socket).map(|socket| socket.recv_from(&mut packet)) {
                // RTCP comes from ports that are no channel's.
                let stream = self.stream_of_port.get(usize::from(from.port())).copied().flatten();
                if let (Some(stream), Some(packet)) = (stream, packet.get(..length)) {
                    self.take(stream as usize, packet);
                }
            }
        }
    }

    fn take(&mut self, n: usize, packet: &[u8]) {
        self.packets += 1;
        let now = micros(self.base.elapsed());
        let Some(stream) = self.streams.get_mut(n) else { return };
        let hears = stream.leg.hears;
        let Some((header, payload)) = Header::read(packet).filter(|(header, _)| header.payload_type == hears.payload_type()) else {
            stream.foreign += 1;
            return;
        };
        let kind = stream.check.hear(header, now);
        if kind != Kind::Known
            && self.listening
            && let Some((listener, ear)) = &mut stream.ear
        {
            ear.hear(&listener.decode(payload));
        }
        let (Kind::New(index), Some(partner)) = (kind, stream.leg.partner) else { return };
        let Some(teller) = self.streams.get(partner) else { return };
        let told = teller.told_at_anchor + index;
        let spoiled = self.sounds.get(teller.sound).is_some_and(|(codec, _, sound)| {
            // Where nothing transcodes the payload is the one that was told.
            *codec == hears && sound.packet(partner, told) != payload
        });
        if told >= teller.told {
            // More than was told.
            self.measured.counts.foreign += 1;
        } else if told + (TIMES as u64) > teller.told {
            let then = teller.times_us.get(told as usize % TIMES).copied().unwrap_or(0);
            self.measured.delay_us.record(u64::from((now as u32).wrapping_sub(then)));
        }
        self.measured.counts.corrupt += u64::from(spoiled);
    }

    fn sum(&mut self, clocked: &[super::check::Heard]) {
        let counts = &mut self.measured.counts;
        let ptime = f64::from(self.ptime_ms) / 1e3;
        let mut jitter = (0.0, 0.0_f64);
        for (n, (stream, at_end)) in self.streams.iter().zip(clocked).enumerate() {
            let told = stream.told - stream.told_at_anchor;
            let heard = if stream.leg.partner.is_some() { stream.check.heard() } else { *at_end };
            let due = match stream.leg.partner.and_then(|partner| self.streams.get(partner)) {
                Some(teller) => teller.told - teller.told_at_anchor,
                // One a ptime, give or take one at each end.
                None => heard.reach.max(((self.measured.seconds / ptime) as u64).saturating_sub(2)),
            };
            *counts = Counts {
                told: counts.told + told,
                due: counts.due + due,
                heard: counts.heard + heard.distinct,
                lost: counts.lost + due.saturating_sub(heard.distinct),
                duplicates: counts.duplicates + heard.duplicates,
                reordered: counts.reordered + heard.reordered,
                late: counts.late + heard.late,
                corrupt: counts.corrupt,
                foreign: counts.foreign + stream.foreign,
                ssrc_changes: counts.ssrc_changes + heard.ssrc_changes,
                timestamp_jumps: counts.timestamp_jumps + heard.timestamp_jumps,
                mute: counts.mute + u64::from(!stream.counted),
            };
            let (_, most) = stream.check.jitter_us();
            jitter = (jitter.0 + stream.check.jitter_us().0, jitter.1.max(most));
            if let (Some((_, ear)), Some((told_hz, snr_least_db))) = (&stream.ear, stream.leg.listens) {
                self.measured.audio.push(Audio { stream: n, told_hz, snr_least_db, heard: ear.tone() });
            }
        }
        self.measured.jitter_us = (jitter.0 / self.streams.len().max(1) as f64, jitter.1);
    }
}

impl Stream {
    /// Packet `told` is sent now, for the first time: its delay counts from here. True if a later one was sent before it.
    fn leaves(&mut self, told: u64, now_us: u32) -> bool {
        if let Some(time) = self.times_us.get_mut(told as usize % TIMES) {
            *time = now_us;
        }
        let is_overtaken = told < self.sent;
        self.sent = self.sent.max(told + 1);
        is_overtaken
    }
}

fn no_faults() -> Judge {
    Judge::new(Faults::default(), 0)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
