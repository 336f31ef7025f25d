//! What the ends of calls say and hear: PCMU both ways, counted for all, listened to for a few.
//!
//! ```text
//!   start(side, where) ─▶ a packet each 20 ms in the slot of its phase ─▶ switch ─▶ counted by the switch's port ─▶ stop(side)
//! ```
//! Shape:  side `2n` is the caller of call `n`, `2n + 1` its callee; 20 sockets, one per phase. Callers say 600 Hz, callees 900 Hz.
//! Units:  packets; microseconds nowhere: order and delay to the packet are measured by `bench relay`.
//! Errors: `io::Error` of the binds; a send that the kernel refuses is a packet that nobody hears.
//! Note:   the ends of a call begin to talk at different moments, so packets that were told are not those that must be heard: an end
//!         that heard nothing at all, or a wrong tone, is the fault that is looked for.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, UdpSocket};

use crate::ear::Ear;
use crate::load::codec::{Codec, Listener, Sound, What};
use crate::load::outcome::Audio;

/// What was told and heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packets {
    /// Told.
    pub told: u64,
    /// Heard.
    pub heard: u64,
    /// Heard, and no RTP of the codec.
    pub foreign: u64,
    /// Ends of calls that spoke.
    pub ends: u64,
    /// Of them, those that heard nothing.
    pub mute: u64,
}

struct Voice {
    to: SocketAddrV4,
    told: u32,
    heard: u64,
    counts: bool,
    talks: bool,
    ear: Option<Box<(Listener, Ear)>>,
}

/// All ends of all calls.
pub(super) struct Voices {
    sockets: Vec<UdpSocket>,
    addresses: Vec<SocketAddrV4>,
    sounds: [Sound; 2],
    voices: Vec<Option<Voice>>,
    /// Those that talk, by phase.
    talking: Vec<Vec<usize>>,
    side_of_port: Vec<u32>,
    listened: usize,
    packets: Packets,
}

const PHASES: usize = 20;
const TONES_HZ: [f64; 2] = [600.0, 900.0];
/// Ends that are listened to.
const LISTENED: usize = 8;
const HEADER: usize = 12;
const NOBODY: u32 = u32::MAX;

impl Voices {
    pub fn bind(ip: IpAddr) -> io::Result<Self> {
        let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..PHASES {
            let socket = crate::rtp_socket::rtp_socket(ip)?;
            socket.set_nonblocking(true)?;
            socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
            if let SocketAddr::V4(at) = socket.local_addr()? {
                addresses.push(at);
            }
            sockets.push(socket);
        }
        Ok(Self {
            sockets,
            addresses,
            sounds: TONES_HZ.map(|hz| Codec::Pcmu.sound(What::Tone(hz), 20)),
            voices: Vec::new(),
            talking: vec![Vec::new(); PHASES],
            side_of_port: vec![NOBODY; 65_536],
            listened: 0,
            packets: Packets::default(),
        })
    }

    /// Where a side hears.
    pub fn address(&self, side: usize) -> SocketAddrV4 {
        self.addresses.get(side % PHASES).copied().unwrap_or(SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9))
    }

    /// A side begins to talk to where the switch takes its media.
    pub fn start(&mut self, side: usize, to: SocketAddrV4, counts: bool) {
        if self.voices.len() <= side {
            self.voices.resize_with(side + 1, || None);
        }
        let Some(place) = self.voices.get_mut(side).filter(|place| place.is_none()) else { return };
        let listens = counts && self.listened < LISTENED;
        self.listened += usize::from(listens);
        let ear = listens.then(|| Box::new((Codec::Pcmu.listener(), Ear::default())));
        *place = Some(Voice { to, told: 0, heard: 0, counts, talks: true, ear });
        if let Some(known) = self.side_of_port.get_mut(usize::from(to.port())) {
            *known = u32::try_from(side).unwrap_or(NOBODY);
        }
        if let Some(talking) = self.talking.get_mut(side % PHASES) {
            talking.push(side);
        }
    }

    /// A side falls silent.
    pub fn stop(&mut self, side: usize) {
        if let Some(voice) = self.voices.get_mut(side).and_then(Option::as_mut) {
            voice.talks = false;
        }
    }

    /// One slot: those of its phase talk, all hear.
    pub fn step(&mut self, slot: usize) {
        let phase = slot % PHASES;
        let Self { sockets, sounds, voices, talking, packets, .. } = self;
        let mut packet = [0; HEADER + 160];
        if let (Some(socket), Some(talking)) = (sockets.get(phase), talking.get_mut(phase)) {
            talking.retain(|side| {
                let Some(voice) = voices.get_mut(*side).and_then(Option::as_mut).filter(|voice| voice.talks) else { return false };
                let [caller, callee] = &*sounds;
                let sound = if side.is_multiple_of(2) { caller } else { callee };
                let (header, body) = packet.split_at_mut(HEADER);
                let told = voice.told;
                header[0] = 0x80;
                header[1] = if told == 0 { 0x80 } else { 0 };
                header[2..4].copy_from_slice(&(told as u16).to_be_bytes());
                header[4..8].copy_from_slice(&told.wrapping_mul(160).to_be_bytes());
                header[8..12].copy_from_slice(&(*side as u32 + 1).to_be_bytes());
                body.copy_from_slice(sound.packet(0, u64::from(told)));
                voice.told += 1;
                packets.told += u64::from(voice.counts);
                // A packet that our kernel refuses is one that nobody hears.
                let _ = socket.send_to(&packet, voice.to);
                true
            });
        }
        self.hear();
    }

    fn hear(&mut self) {
        let mut packet = [0; 2048];
        for socket in &self.sockets {
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let side = self.side_of_port.get(usize::from(from.port())).copied().unwrap_or(NOBODY);
                let Some(voice) = self.voices.get_mut(side as usize).and_then(Option::as_mut) else { continue };
                if !voice.counts {
                    continue;
                }
                // Version 2 and payload type 0.
                let Some([0x80, 0 | 0x80, _, _, _, _, _, _, _, _, _, _, payload @ ..]) = packet.get(..length) else {
                    self.packets.foreign += 1;
                    continue;
                };
                voice.heard += 1;
                self.packets.heard += 1;
                if let Some(listening) = &mut voice.ear
                    && voice.talks
                {
                    let (listener, ear) = &mut **listening;
                    ear.hear(&listener.decode(payload));
                }
            }
        }
    }

    /// What there was.
    pub fn finish(&mut self) -> (Option<Packets>, Vec<Audio>) {
        let mut audio = Vec::new();
        for (side, voice) in self.voices.iter().enumerate() {
            let Some(voice) = voice.as_ref().filter(|voice| voice.counts) else { continue };
            self.packets.ends += 1;
            self.packets.mute += u64::from(voice.heard == 0);
            if let Some(listening) = &voice.ear {
                let [caller_hz, callee_hz] = TONES_HZ;
                let told_hz = if side.is_multiple_of(2) { callee_hz } else { caller_hz };
                audio.push(Audio { stream: side, told_hz, snr_least_db: Codec::Pcmu.snr_least_db(), heard: listening.1.tone() });
            }
        }
        (Some(self.packets), audio)
    }
}
