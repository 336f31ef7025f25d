//! The phones: what they tell, what they hear, and how long it took.
//!
//! Shape:  [`Traffic::run`] keeps the pace of a millisecond; 20 sockets, each sending for every 20th channel.
//! Units:  packets; microseconds for delays.

use std::{
    net::UdpSocket,
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use engine::os::datagrams::{ReceiveBatch, SendBatch};

use super::{FRAMES, Other, PHONES, SLOT, own_loopback};

/// Speech as PCMU, and as what the other side speaks.
struct Speech {
    ulaw: Vec<u8>,
    other: Vec<u8>,
}

impl Speech {
    fn new(other: Other) -> Self {
        const ULAW: &[u8] = include_bytes!("../../../testfiles/vectors/plc/speech.ulaw");
        const G722: &[u8] = include_bytes!("../../../testfiles/vectors/g722/wb_speech.g722");
        const ILBC: &[u8] = include_bytes!("../../../testfiles/vectors/ilbc/speech.20.rfc.ilbc");
        let ulaw = ULAW[..FRAMES * 160].to_vec();
        let kernels = dsp::Kernels::best();
        let mut samples = vec![0_i16; ulaw.len()];
        kernels.g711.ulaw_decode(&ulaw, &mut samples);
        let other = match other.name {
            "pcma" => {
                let mut octets = vec![0; samples.len()];
                kernels.g711.alaw_encode(&samples, &mut octets);
                octets
            }
            "l16" => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
            "g722" => G722[..FRAMES * 160].to_vec(),
            "ilbc" => ILBC[..FRAMES * 38].to_vec(),
            _ => ulaw.clone(),
        };
        Self { ulaw, other }
    }
}

/// All phones: what they send and hear.
pub struct Traffic<'a> {
    phones: &'a [UdpSocket],
    ports: Vec<u16>,
    other: Other,
    speech: Speech,
    outgoing: SendBatch,
    incoming: ReceiveBatch,
    /// Packets that each channel was sent, and when the last 256 of them went, in microseconds.
    told: Vec<(u16, [u32; 256])>,
    /// Packets that each channel sent.
    heard_of: Vec<u16>,
    channel_of: Vec<Option<usize>>,
    base: Instant,
    slot: usize,
    sent: u64,
    heard: u64,
    pub delays: Vec<u32>,
}

impl<'a> Traffic<'a> {
    pub fn new(phones: &'a [UdpSocket], ports: Vec<u16>, other: Other) -> Self {
        let mut channel_of = vec![None; usize::from(u16::MAX) + 1];
        for (channel, port) in ports.iter().enumerate() {
            channel_of[usize::from(*port)] = Some(channel);
        }
        Self {
            phones,
            other,
            speech: Speech::new(other),
            outgoing: SendBatch::new(),
            incoming: ReceiveBatch::new(),
            told: vec![(0, [0; 256]); ports.len()],
            heard_of: vec![0; ports.len()],
            channel_of,
            ports,
            base: Instant::now(),
            slot: 0,
            sent: 0,
            heard: 0,
            delays: Vec::with_capacity(1 << 20),
        }
    }

    pub fn counts(&self) -> (u64, u64) {
        (self.sent, self.heard)
    }

    pub fn run(&mut self, time: Duration) {
        let start = Instant::now();
        let slots = time.as_millis() as u32;
        for n in 0..slots {
            self.send();
            self.hear();
            thread::sleep((start + (n + 1) * SLOT).saturating_duration_since(Instant::now()));
        }
        self.hear();
    }

    fn send(&mut self) {
        let turn = self.slot % PHONES;
        self.slot += 1;
        let now = self.base.elapsed().as_micros() as u32;
        let mut packet = [0; 12 + 320];
        for channel in (turn..self.ports.len()).step_by(PHONES) {
            let (number, payload, speech) =
                if channel % 2 == 0 { (0, 160, &self.speech.ulaw) } else { (self.other.number, self.other.octets, &self.speech.other) };
            let (sequence, times) = &mut self.told[channel];
            let frame = (channel + usize::from(*sequence)) % FRAMES * payload;
            packet[0..2].copy_from_slice(&[0x80, number]);
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(*sequence) * 160).to_be_bytes());
            packet[8..12].copy_from_slice(&(channel as u32).to_be_bytes());
            packet[12..12 + payload].copy_from_slice(&speech[frame..frame + payload]);
            times[usize::from(*sequence % 256)] = now;
            *sequence = sequence.wrapping_add(1);
            if self.outgoing.push((own_loopback(), self.ports[channel]).into(), &packet[..12 + payload]) {
                self.sent += self.outgoing.flush(self.phones[turn].as_fd()).sent;
            }
        }
        self.sent += self.outgoing.flush(self.phones[turn].as_fd()).sent;
    }

    fn hear(&mut self) {
        let now = self.base.elapsed().as_micros() as u32;
        for phone in self.phones {
            while self.incoming.receive(phone.as_fd()).unwrap() > 0 {
                // RTCP comes from ports that are no channel's.
                for channel in self.incoming.iter().filter_map(|(from, _)| self.channel_of[usize::from(from.port())]) {
                    self.heard += 1;
                    let n = &mut self.heard_of[channel];
                    self.delays.push(now.saturating_sub(self.told[channel ^ 1].1[usize::from(*n % 256)]));
                    *n = n.wrapping_add(1);
                }
            }
        }
    }
}
