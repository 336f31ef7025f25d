//! One end of an RTP stream: sends a tone, hears what comes back.
//!
//! Shape:  20 ms packets of G.711, 160 octets; one SSRC for life.
//! Units:  frequencies in Hz, amplitude of 32768.
//! Errors: socket errors of the bind only; a failed send is counted.
//! Source: RFC 3550 §5.1 for the header, RFC 3551 §4.5.14 for the payload types.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::ear::{Ear, SAMPLE_RATE_HZ};

/// Codec of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// RFC 3551 §6.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// Encoding name of rtpmap.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// Counts of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets sent.
    pub sent: u64,
    /// Packets received that are of the stream.
    pub received: u64,
    /// Gaps in their sequence numbers, in packets.
    pub lost: u64,
    /// Datagrams that are no RTP of our payload type.
    pub foreign: u64,
    /// Changes of their SSRC after the first packet.
    pub ssrc_changes: u64,
    /// Packets whose timestamp does not follow the sequence number by 160 each.
    pub timestamp_jumps: u64,
}

/// A socket that talks and listens.
#[derive(Debug)]
pub struct RtpPeer {
    socket: UdpSocket,
    codec: Codec,
    remote: Option<SocketAddr>,
    tone_hz: f64,
    amplitude: f64,
    phase: f64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    due: Option<Instant>,
    digits: VecDeque<u8>,
    /// Packet of the digit being pressed, and the timestamp it began at.
    pressing: (u16, u32),
    last: Option<(u32, u16, u32)>,
    /// What came in.
    pub ear: Ear,
    /// Packets so far.
    pub counts: Counts,
}

const FRAME_SAMPLES: usize = 160;
const PTIME: Duration = Duration::from_millis(20);
const HEADER_OCTETS: usize = 12;
const TELEPHONE_EVENT: u8 = 101;
/// 100 ms, the last of them sent three times.
const PRESS_PACKETS: u16 = 5 + 2;
/// 100 ms.
const PAUSE_PACKETS: u16 = 5;

impl RtpPeer {
    /// Binds any port of `ip`. The tone has a quarter of the full amplitude: −15 dBov.
    ///
    /// # Errors
    /// The bind's.
    pub fn bind(ip: IpAddr, codec: Codec, tone_hz: f64) -> io::Result<Self> {
        let socket = crate::rtp_socket::rtp_socket(ip)?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok(Self {
            socket,
            codec,
            remote: None,
            tone_hz,
            amplitude: 8192.0,
            phase: 0.0,
            sequence: port,
            timestamp: u32::from(port) << 8,
            ssrc: 0x5EED_0000 | u32::from(port),
            due: None,
            digits: VecDeque::new(),
            pressing: (0, 0),
            last: None,
            ear: Ear::default(),
            counts: Counts::default(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The socket's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Codec of both directions.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Where it sends to.
    pub const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Sends there from now on; `None` is silence.
    pub fn set_remote(&mut self, remote: Option<SocketAddr>) {
        self.remote = remote;
        self.due = None;
    }

    /// Presses keys `0-9 * # A-D`, each 100 ms with a pause of 100 ms, as payload type 101 (RFC 4733 §2.5) in place of the tone.
    pub fn press(&mut self, keys: &str) {
        self.digits.extend(keys.bytes().filter_map(|key| b"0123456789*#ABCD".iter().position(|&one| one == key)).map(|event| event as u8));
    }

    /// Takes what has arrived and sends what is due. Call it at least every few milliseconds.
    pub fn step(&mut self, now: Instant) {
        self.receive();
        let Some(remote) = self.remote else { return };
        let due = *self.due.get_or_insert(now);
        if now >= due {
            self.due = Some(if now > due + PTIME * 10 { now + PTIME } else { due + PTIME });
            self.send(remote);
        }
    }

    /// Steps for so long.
    pub fn run_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.step(Instant::now());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn send(&mut self, remote: SocketAddr) {
        match self.digits.front().copied() {
            Some(event) if self.pressing.0 < PRESS_PACKETS => return self.send_digit(remote, event),
            Some(_) if self.pressing.0 < PRESS_PACKETS + PAUSE_PACKETS => self.pressing.0 += 1,
            Some(_) => {
                self.digits.pop_front();
                self.pressing.0 = 0;
            }
            None => {}
        }
        let mut samples = [0_i16; FRAME_SAMPLES];
        for sample in &mut samples {
            *sample = (self.phase.sin() * self.amplitude) as i16;
            self.phase = (self.phase + TAU * self.tone_hz / SAMPLE_RATE_HZ) % TAU;
        }
        let mut packet = [0_u8; HEADER_OCTETS + FRAME_SAMPLES];
        let (header, payload) = packet.split_at_mut(HEADER_OCTETS);
        let marker = if self.counts.sent == 0 { 0x80 } else { 0 };
        header[0] = 0x80;
        header[1] = marker | self.codec.payload_type();
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        for (octet, sample) in payload.iter_mut().zip(samples) {
            *octet = match self.codec {
                Codec::Pcmu => ulaw(sample),
                Codec::Pcma => alaw(sample),
            };
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        if self.socket.send_to(&packet, remote).is_ok() {
            self.counts.sent += 1;
        }
    }

    /// One packet of a digit: the timestamp stays at its begin, the last three packets are its end (RFC 4733 §2.5.1.4).
    fn send_digit(&mut self, remote: SocketAddr, event: u8) {
        let (number, begun) = if self.pressing.0 == 0 { (1, self.timestamp) } else { (self.pressing.0 + 1, self.pressing.1) };
        self.pressing = (number, begun);
        let end = if number > PRESS_PACKETS - 3 { 0x80 } else { 0 };
        let duration = number.min(PRESS_PACKETS - 2) * FRAME_SAMPLES as u16;
        let mut packet = [0_u8; HEADER_OCTETS + 4];
        packet[0] = 0x80;
        packet[1] = if number == 1 { 0x80 } else { 0 } | TELEPHONE_EVENT;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&begun.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        packet[12..14].copy_from_slice(&[event, end | 10]);
        packet[14..16].copy_from_slice(&duration.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        if self.socket.send_to(&packet, remote).is_ok() {
            self.counts.sent += 1;
        }
    }

    fn receive(&mut self) {
        let mut packet = [0_u8; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut packet) {
            let Some(packet) = packet.get(..length) else { return };
            self.take(packet);
        }
    }

    fn take(&mut self, packet: &[u8]) {
        let Some((header, payload)) = packet.split_at_checked(HEADER_OCTETS) else {
            self.counts.foreign += 1;
            return;
        };
        // The switch sends neither CSRC, extension nor padding.
        if header[0] != 0x80 || header[1] & 0x7F != self.codec.payload_type() {
            self.counts.foreign += 1;
            return;
        }
        let sequence = u16::from_be_bytes([header[2], header[3]]);
        let timestamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        self.counts.received += 1;
        if let Some((last_ssrc, last_sequence, last_timestamp)) = self.last {
            let step = sequence.wrapping_sub(last_sequence);
            if last_ssrc != ssrc {
                self.counts.ssrc_changes += 1;
            } else {
                self.counts.lost += u64::from(step.wrapping_sub(1));
                if timestamp.wrapping_sub(last_timestamp) != u32::from(step) * FRAME_SAMPLES as u32 {
                    self.counts.timestamp_jumps += 1;
                }
            }
        }
        self.last = Some((ssrc, sequence, timestamp));
        let samples: Vec<i16> = payload
            .iter()
            .map(|&octet| match self.codec {
                Codec::Pcmu => from_ulaw(octet),
                Codec::Pcma => from_alaw(octet),
            })
            .collect();
        self.ear.hear(&samples);
    }
}

/// G.711 mu-law by its segments (Table 2a/G.711).
fn from_ulaw(octet: u8) -> i16 {
    let code = !octet;
    let magnitude = (((i32::from(code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

/// G.711 A-law by its segments (Table 1a/G.711).
fn from_alaw(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = (i32::from(code & 0x0F) << 4) + 8;
    let magnitude = if segment == 0 { step } else { (step + 0x100) << (segment - 1) };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

fn ulaw(sample: i16) -> u8 {
    nearest(sample, from_ulaw)
}

fn alaw(sample: i16) -> u8 {
    nearest(sample, from_alaw)
}

/// The code whose value is nearest: slow, and plainly right.
fn nearest(sample: i16, decode: fn(u8) -> i16) -> u8 {
    (0..=255).min_by_key(|&code| (i32::from(decode(code)) - i32::from(sample)).abs()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn two_peers_hear_each_other() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut a = RtpPeer::bind(ip, Codec::Pcma, 440.0).unwrap();
        let mut b = RtpPeer::bind(ip, Codec::Pcma, 1000.0).unwrap();
        a.set_remote(Some(b.local_addr().unwrap()));
        b.set_remote(Some(a.local_addr().unwrap()));
        let start = Instant::now();
        for step in 0..30 {
            let now = start + PTIME * step;
            a.step(now);
            b.step(now);
        }
        let (from_b, from_a) = (a.ear.tone().unwrap(), b.ear.tone().unwrap());
        assert!((from_b.tone_hz - 1000.0).abs() < 1.0 && (from_a.tone_hz - 440.0).abs() < 1.0, "{from_b:?} {from_a:?}");
        assert!((from_a.level_dbov + 15.05).abs() < 0.2 && from_a.snr_db > 30.0, "{from_a:?}");
        assert_eq!((a.counts.sent, a.counts.lost, b.counts.timestamp_jumps), (30, 0, 0));
    }

    #[test]
    fn a_lost_packet_and_a_new_ssrc_are_counted() {
        let mut peer = RtpPeer::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), Codec::Pcmu, 440.0).unwrap();
        let packet = |sequence: u8, ssrc: u8| {
            let mut packet = [0_u8; 172];
            packet[0] = 0x80;
            packet[3] = sequence;
            packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
            packet[11] = ssrc;
            packet
        };
        for (sequence, ssrc) in [(1, 1), (2, 1), (4, 1), (5, 2)] {
            peer.take(&packet(sequence, ssrc));
        }
        peer.take(&[0x80; 11]);
        assert_eq!(peer.counts, Counts { sent: 0, received: 4, lost: 1, foreign: 1, ssrc_changes: 1, timestamp_jumps: 0 });
    }

    #[test]
    fn g711_has_its_known_values() {
        assert_eq!((from_ulaw(0x00), from_ulaw(0x80), from_ulaw(0xFF)), (-32124, 32124, 0));
        assert_eq!((from_alaw(0xAA), from_alaw(0x2A), from_alaw(0xD5)), (32256, -32256, 8));
    }
}
