//! Packets that no phone sends: nothing panics, nothing passes that is not RTP, and the call beside goes on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{call, media, mix, packet, payload, phone, slot};
use proptest::prelude::*;
use rtp::media::{Media, Port, Verdict};
use rtp::packet::RtpView;
use rtp::packet::rtcp::{Block, REPORT_MAX, Report, SenderInfo};
use rtp::stream::{RtpTimestamp, Ssrc};

struct Bed {
    media: Media,
    clock: sim::Clock,
    key: rtp::media::ChannelKey,
}

/// A bridge from mu-law to the given payload.
fn bed(other: rtp::api::Payload) -> Bed {
    let clock = sim::Clock::new();
    let mut media = media(4, clock.now());
    let (key, a) = call(&mut media, 0, &[payload(0, None), payload(101, None)], clock.now());
    let (_, b) = call(&mut media, 1, &[other], clock.now());
    mix(&mut media, a, b, clock.now());
    Bed { media, clock, key }
}

impl Bed {
    /// One packet in a slot of its own, on either port; what goes out must be RTP or RTCP.
    fn throw(&mut self, port: Port, bytes: &[u8]) {
        let now = self.clock.advance(common::SLOT);
        self.media.begin(now);
        let mut packet = bytes.to_vec();
        if let Verdict::Forward(forward) = self.media.receive(self.key, port, phone(0), &mut packet) {
            assert!(RtpView::parse(&packet[forward.bytes]).is_ok());
        }
        self.media.run();
        for t in self.media.transmits() {
            assert!(t.port == Port::Rtcp || RtpView::parse(t.bytes).is_ok());
        }
        while self.media.poll_output().is_some() {}
    }
}

fn targets() -> [rtp::api::Payload; 4] {
    [payload(0, None), payload(8, None), payload(96, Some(("L16", 16000))), payload(9, None)]
}

#[test]
fn every_truncation_of_rtp_and_rtcp_is_survived() {
    let mut rtp = packet(0, 7, 0, 8000, &[0; 160]);
    rtp[0] |= 0x32;
    rtp.splice(12..12, [0; 8].into_iter().chain([0xbe, 0xde, 0, 1, 0, 0, 0, 0]));
    rtp.extend([0, 0, 0, 4]);
    let block = Block {
        ssrc: Ssrc(1),
        fraction_lost: 0,
        cumulative_lost: -1,
        highest_sequence: u32::MAX,
        jitter_ticks: u32::MAX,
        last_sr: 1,
        delay_since_last_sr: u32::MAX,
    };
    let sender = SenderInfo { ntp: u64::MAX, timestamp: RtpTimestamp(0), packets: 0, octets: 0 };
    let mut rtcp = [0; REPORT_MAX];
    let len = Report { ssrc: Ssrc(7), sender: Some(sender), block: Some(block) }.write("x", &mut rtcp).unwrap();
    for target in targets() {
        let mut bed = bed(target);
        for bytes in [&rtp[..], &rtcp[..len]] {
            for end in 0..=bytes.len() {
                bed.throw(Port::Rtp, &bytes[..end]);
                bed.throw(Port::Rtcp, &bytes[..end]);
            }
        }
    }
}

#[test]
fn the_largest_datagram_is_survived() {
    for target in targets() {
        let mut bed = bed(target);
        for len in [1400, 1500, 2048, 2060, 9000, 65_507] {
            bed.throw(Port::Rtp, &packet(0, 7, len as u32, 8000, &vec![0; len - 12]));
        }
    }
}

#[test]
fn a_flood_of_wild_numbers_does_not_disturb_the_neighbours() {
    let clock = sim::Clock::new();
    let mut media = media(4, clock.now());
    let ids: Vec<_> = (0..4).map(|n| call(&mut media, n, &[payload(0, None)], clock.now())).collect();
    mix(&mut media, ids[0].1, ids[1].1, clock.now());
    mix(&mut media, ids[2].1, ids[3].1, clock.now());
    let mut rng = sim::SimRng::new(1);
    let mut heard = 0;
    for n in 0..500u32 {
        let mut packets: Vec<_> = (0..40)
            .map(|_| {
                let mut wild = packet(rng.below(128) as u8, rng.below(4) as u32, rng.below(1 << 32) as u32, 8000, &[1; 160]);
                wild[4..8].copy_from_slice(&(rng.below(1 << 32) as u32).to_be_bytes());
                (ids[0].0, phone(0), wild)
            })
            .collect();
        packets.push((ids[2].0, phone(2), packet(0, 9, n, 8000, &[7; 160])));
        slot(&mut media, clock.now() + common::SLOT * 20 * n, packets, |port, to, _| {
            heard += u32::from(port == Port::Rtp && to == phone(3));
        });
    }
    assert_eq!(heard, 500);
}

proptest! {
    #[test]
    fn any_bytes_on_any_port_are_survived(
        packets in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300)), 1..40),
        target in 0usize..4,
    ) {
        let mut bed = bed(targets()[target].clone());
        for (rtcp, mut bytes) in packets {
            // Half of them get past the demux, else nothing else would be tried.
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            bed.throw(if rtcp { Port::Rtcp } else { Port::Rtp }, &bytes);
        }
    }
}
