//! Packets of any length in time, and silence that is described.

use std::sync::Arc;

use super::*;
use crate::api::{Entry, Soup};
use crate::sound::Sound;

const C: &str = "127.0.0.4:6000";

/// L16 at 8 kHz: what is sent is what was played, bit by bit.
fn linear() -> Payload {
    named(96, "L16", 8000)
}

fn samples(payload: &[u8]) -> Vec<i16> {
    payload.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect()
}

impl Bed {
    /// A call whose far end wants packets of so many ms.
    fn call_of(&mut self, phone: &str, payloads: &[Payload], ptime_ms: u16) -> (ChannelKey, ChannelId) {
        let ((key, channel), to) = (self.open(), addr(phone));
        let payloads = payloads.to_vec();
        let target = Target { ip: to.ip(), port: to.port(), payloads, ptime_ms: Some(ptime_ms), direction: None, rtcp_mux: false };
        assert_eq!(self.command(Command::Target { channel, target }), Ok(Reply::Done));
        (key, channel)
    }
}

#[test]
fn a_sound_comes_whole_in_packets_of_the_time_that_the_far_end_wants() {
    for ptime in [10u16, 20, 30, 40, 50, 60] {
        let mut bed = Bed::new();
        let (key, channel) = bed.call_of(A, &[linear()], ptime);
        // 50 frames of 20 ms, which is no whole number of packets of 30, 40 or 60.
        let played: Vec<i16> = (1..=8000).collect();
        let entry = Entry { sound: Some(Arc::new(Sound::new(8000, played.clone()))), ..Entry::wav("a.wav") };
        bed.command(Command::Play { channel, soup: Soup { entries: vec![entry], ..Soup::default() } }).unwrap();
        let mut sent = Vec::new();
        for _ in 0..60 {
            sent.extend(bed.slot(&[]).into_iter().filter(|s| s.via == key && s.port == Port::Rtp));
            bed.events();
        }
        assert_eq!(sent.len(), 8000usize.div_ceil(8 * usize::from(ptime)), "{ptime} ms");
        for (n, pair) in sent.windows(2).enumerate() {
            let (a, b) = (pair[0].header(), pair[1].header());
            let next = (a.sequence.0.wrapping_add(1), a.timestamp.0.wrapping_add(8 * u32::from(ptime)), false);
            assert_eq!((b.sequence.0, b.timestamp.0, b.marker), next, "{ptime} ms, {n}");
        }
        let heard: Vec<i16> = sent.iter().flat_map(|s| samples(s.payload())).collect();
        assert_eq!(heard[..8000], played, "{ptime} ms");
        assert!(heard[8000..].iter().all(|sample| *sample == 0));
        assert_eq!(bed.stats(channel).output.skipped, 0);
    }
}

#[test]
fn members_of_a_conference_speak_and_hear_in_packets_of_unlike_times() {
    let mut bed = Bed::new();
    let members = [(A, 10u16), (B, 30), (C, 60)].map(|(phone, ptime)| (bed.call_of(phone, &[linear()], ptime), addr(phone), ptime));
    for ((_, a), ..) in &members[1..] {
        bed.command(Command::Mix { a: *a, b: members[0].0.1 }).unwrap();
    }
    bed.events();
    let mut heard = vec![Vec::new(); 3];
    for ms in 0..3000u64 {
        let due = members.iter().enumerate().filter(|(_, (.., ptime))| ms % u64::from(*ptime) == 0);
        let packets = due.map(|(n, ((key, _), from, ptime))| {
            let k = ms / u64::from(*ptime);
            let header = RtpHeader {
                marker: k == 0,
                payload_type: PayloadType::new(96).unwrap(),
                sequence: SequenceNumber(k as u16),
                timestamp: RtpTimestamp(ms as u32 * 8),
                ssrc: Ssrc(n as u32),
            };
            (*key, *from, [&header.to_bytes()[..], &[1000i16, 2000, 4000][n].to_be_bytes().repeat(8 * usize::from(*ptime))].concat())
        });
        let packets: Vec<_> = packets.collect();
        for sent in bed.slot_after(Duration::from_millis(1), &packets).into_iter().filter(|s| s.port == Port::Rtp) {
            let n = members.iter().position(|((key, _), ..)| *key == sent.via).unwrap();
            assert_eq!(sent.payload().len(), 16 * usize::from(members[n].2), "{n}");
            heard[n].extend(samples(sent.payload()));
        }
        bed.events();
    }
    for (n, others) in [6000, 5000, 3000].into_iter().enumerate() {
        // From a second in, when the buffers have grown to the longest packets: every sample.
        assert!(heard[n].len() > 8 * 2850, "{n}: {}", heard[n].len());
        assert_eq!(heard[n][8000..].iter().position(|sample| *sample != others), None, "{n}");
    }
}

#[test]
fn silence_that_is_described_is_heard_as_noise_of_its_level_until_somebody_speaks() {
    let mut bed = Bed::new();
    let ((ka, a), (kb, b)) = (bed.call(A, &[linear(), plain(13)]), bed.call(B, &[linear()]));
    let (_, c) = bed.call(C, &[linear()]);
    for id in [b, c] {
        bed.command(Command::Mix { a: id, b: a }).unwrap();
    }
    let mut phone = Phone::new(A, 96);
    let power = |heard: &[i16]| heard.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / heard.len().max(1) as f64;
    let run = |bed: &mut Bed, packets: &mut dyn FnMut(u32) -> Option<Vec<u8>>, ticks: u32| {
        let mut heard = Vec::new();
        for n in 0..ticks {
            let packets: Vec<_> = packets(n).map(|packet| (ka, addr(A), packet)).into_iter().collect();
            heard.extend(bed.slot(&packets).into_iter().filter(|s| s.via == kb && s.port == Port::Rtp).flat_map(|s| samples(s.payload())));
            bed.events();
        }
        heard
    };
    let speech = 3000i16.to_be_bytes().repeat(160);
    let heard = run(&mut bed, &mut |_| Some(phone.packet(&speech)), 25);
    assert_eq!(heard.last(), Some(&3000));
    // RFC 3389 §3: 40 dB below overload. One packet, then nothing for a second.
    let mut quiet = Phone { payload_type: 13, ..phone.clone() };
    let heard = run(&mut bed, &mut |n| (n == 0).then(|| quiet.packet(&[40])), 50);
    let db = 10.0 * (power(&heard[4800..]) / 32768.0f64.powi(2)).log10();
    assert!((-44.0..-36.0).contains(&db), "noise of {db:.1} dBov");
    assert_eq!(bed.stats(a).input.concealed, Some(0), "nothing was lost");
    phone.sequence = quiet.sequence;
    phone.timestamp += 160 * 50;
    let heard = run(&mut bed, &mut |_| Some(phone.packet(&speech)), 25);
    assert_eq!(heard.last(), Some(&3000));
}
