//! iLBC in frames of 20 and of 30 ms in one call: the far end changes them, is told to, or never did as it was told; and a relayed
//! pair becomes a conference. A tone goes on through all of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![allow(dead_code, reason = "the sounds are those of the mixed simulation")]

mod common;
#[path = "mixed/sound.rs"]
mod sound;

use common::{SLOT, call, media, mix, phone, slot};
use rtp::api::{ChannelId, Command, Reply, Target};
use rtp::media::{ChannelKey, Media, Port};
use rtp::packet::{RtpHeader, RtpView};
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use sim::Clock;
use sound::{Tone, Voice};

/// A period of 20 samples, so that the delays of iLBC do not move it.
const TONE: Tone = Tone { hz: 400, level: 8000 };

/// A far end.
struct Party {
    key: ChannelKey,
    id: ChannelId,
    /// What it says: when, in what, and which octets.
    packets: Vec<(u32, Voice, Vec<u8>)>,
    said: usize,
    /// What came to it: number, time, payload.
    heard: Vec<(u16, u32, Vec<u8>)>,
}

struct Call {
    media: Media,
    clock: Clock,
    ms: u32,
    parties: Vec<Party>,
}

impl Call {
    /// Everybody speaks some codecs, each until some ms, and is told the first.
    fn new(speaks: &[&[(Voice, u32)]]) -> Self {
        Self::with_pause(speaks, 0..0)
    }

    /// They say nothing from some ms to others.
    fn with_pause(speaks: &[&[(Voice, u32)]], pause_ms: std::ops::Range<u32>) -> Self {
        let clock = Clock::new();
        let mut media = media(speaks.len(), clock.now());
        let party = |(n, speaks): (usize, &&[(Voice, u32)])| {
            let (key, id) = call(&mut media, n, &[speaks[0].0.payload()], clock.now());
            let mut packets = Vec::new();
            let mut from_ms = 0;
            for &(voice, until_ms) in *speaks {
                // The tone goes on; the encoder begins anew, as one does that is told another size of frames.
                let rate = voice.rate();
                let mut all = TONE.samples(rate, until_ms * rate / 1000);
                let place = |ms: u32| ((ms * rate / 1000) as usize).min(all.len());
                let pause = place(pause_ms.start)..place(pause_ms.end);
                all[pause].fill(0);
                for (k, octets) in voice.encode(&all[(from_ms * rate / 1000) as usize..]).into_iter().enumerate() {
                    packets.push((from_ms + k as u32 * voice.ptime_ms(), voice, octets));
                }
                from_ms = until_ms;
            }
            Party { key, id, packets, said: 0, heard: Vec::new() }
        };
        let parties = speaks.iter().enumerate().map(party).collect();
        Self { media, clock, ms: 0, parties }
    }

    fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            let now = self.clock.advance(SLOT);
            let mut arrived = Vec::new();
            for (n, party) in self.parties.iter_mut().enumerate() {
                if let Some((at, voice, octets)) = party.packets.get(party.said).filter(|(at, ..)| *at <= self.ms) {
                    let header = RtpHeader {
                        marker: party.said == 0,
                        payload_type: PayloadType::new(voice.payload().number).unwrap(),
                        sequence: SequenceNumber(party.said as u16),
                        timestamp: RtpTimestamp(at * voice.clock() / 1000),
                        ssrc: Ssrc(n as u32 + 1),
                    };
                    arrived.push((party.key, phone(n), [&header.to_bytes()[..], octets].concat()));
                    party.said += 1;
                }
            }
            let parties = &mut self.parties;
            slot(&mut self.media, now, arrived, |port, to, bytes| {
                if port == Port::Rtp {
                    let view = RtpView::parse(bytes).unwrap();
                    let party = parties.iter_mut().find(|p| phone(p.key.slot as usize) == to).unwrap();
                    party.heard.push((view.header.sequence.0, view.header.timestamp.0, bytes[view.payload].to_vec()));
                }
            });
            self.ms += 1;
        }
    }

    fn mix(&mut self, a: usize, b: usize) {
        mix(&mut self.media, self.parties[a].id, self.parties[b].id, self.clock.now());
    }

    fn tell(&mut self, n: usize, voice: Voice) {
        let to = phone(n);
        let payloads = vec![voice.payload()];
        let target = Target { ip: to.ip(), port: to.port(), payloads, ptime_ms: Some(20), direction: None, rtcp_mux: false };
        let channel = self.parties[n].id;
        assert_eq!(self.media.command(Command::Target { channel, target }, self.clock.now()), Ok(Reply::Done));
    }
}

impl Party {
    /// What it hears in a codec, from some ms on: payloads whose numbers follow each other.
    fn sound(&self, voice: Voice, from: usize, to: usize) -> Vec<i16> {
        let all = voice.decode(self.heard.iter().map(|(.., payload)| &payload[..]));
        let rate = voice.rate() as usize / 1000;
        all[from * rate..(to * rate).min(all.len())].to_vec()
    }

    /// Level of the tone and signal to noise of the worst of some 100 ms.
    fn worst(&self, voice: Voice, from: usize, to: usize) -> (f64, f64) {
        let sound = self.sound(voice, from, to);
        let part = voice.rate() as usize / 10;
        let found = sound.windows(part).step_by(part / 10).map(|part| TONE.find(part, voice.rate()));
        found.fold((f64::INFINITY, f64::INFINITY), |worst, found| (worst.0.min(found.0), worst.1.min(found.1)))
    }
}

use Voice::{Ilbc20, Ilbc30, Linear8k, Ulaw};

#[test]
fn a_far_end_is_told_other_frames_in_mid_call() {
    for (before, after) in [(Ilbc20, Ilbc30), (Ilbc30, Ilbc20)] {
        for third in [false, true] {
            // It goes on with the old ones for 180 ms after it was told.
            let mut call = Call::new(&[&[(before, 3180), (after, 6180)], &[(Linear8k, 6000)], &[(Ulaw, 0)]]);
            call.mix(0, 1);
            if third {
                call.mix(2, 0);
            }
            call.run(3000);
            let told = call.parties[0].heard.len();
            call.tell(0, after);
            call.run(3000);
            let (level, db) = call.parties[1].worst(Linear8k, 300, 5700);
            assert!(level > 0.8 && db > 7.0, "{before:?} to {after:?}, conference {third}: heard at {level:.2}, {db:.1} dB");
            // Where nothing changes it is as good as ever.
            for (from, to) in [(300, 2900), (3500, 5700)] {
                let (level, db) = call.parties[1].worst(Linear8k, from, to);
                assert!(level > 0.9 && db > 15.0, "{before:?} to {after:?}, conference {third}, {from} ms: {level:.2}, {db:.1} dB");
            }
            // What it is sent is in the frames that it was told, from then on, one stream.
            let heard = &call.parties[0].heard;
            let octets = |voice| if voice == Ilbc20 { 38 } else { 50 };
            assert!(heard[..told].iter().all(|(.., payload)| payload.len() == octets(before)));
            assert!(heard[told..].iter().all(|(.., payload)| payload.len() == octets(after)));
            // A packet of 20 ms that makes none of 30 shows that a clock is needed, and is lost.
            let lost: u16 = heard.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0) - 1).sum();
            assert!(lost <= 1, "{before:?} to {after:?}, conference {third}: {lost} numbers left out");
            let late = heard[told..].iter().map(|(.., payload)| &payload[..]);
            let sound = after.decode(late);
            let (level, db) = TONE.find(&sound[4000..20_000], 8000);
            assert!(level > 0.9 && db > 15.0, "{before:?} to {after:?}, conference {third}: says {level:.2}, {db:.1} dB");
        }
    }
}

#[test]
fn a_far_end_that_sends_other_frames_than_it_was_told_is_understood() {
    for (told, sends) in [(Ilbc20, Ilbc30), (Ilbc30, Ilbc20)] {
        for third in [false, true] {
            // It began as it was told, or never did.
            for began in [0, 1200] {
                let speaks = [(told, began), (sends, 4800)];
                let mut call = Call::new(&[&speaks, &[(Linear8k, 4800)], &[(Ulaw, 0)]]);
                call.mix(0, 1);
                if third {
                    call.mix(2, 0);
                }
                call.run(4700);
                let (level, db) = call.parties[1].worst(Linear8k, began as usize + 300, 4400);
                assert!(level > 0.9 && db > 15.0, "{told:?}, sends {sends:?}, conference {third}: {level:.2}, {db:.1} dB");
                let octets = if told == Ilbc20 { 38 } else { 50 };
                assert!(call.parties[0].heard.iter().all(|(.., payload)| payload.len() == octets), "it is sent what it was told to take");
            }
        }
    }
}

#[test]
fn other_frames_than_told_go_to_another_far_end_of_ilbc_as_it_was_told() {
    for (told, sends) in [(Ilbc20, Ilbc30), (Ilbc30, Ilbc20)] {
        // Both were told the same; or the other was told what this one sends, and that is relayed.
        for other in [told, sends] {
            let mut call = Call::new(&[&[(told, 0), (sends, 4800)], &[(other, 4800)]]);
            call.mix(0, 1);
            call.run(4700);
            let (level, db) = call.parties[1].worst(other, 400, 4400);
            assert!(level > 0.9 && db > 12.0, "told {told:?}, sends {sends:?}, to {other:?}: {level:.2}, {db:.1} dB");
        }
        let mut call = Call::new(&[&[(told, 0), (sends, 2400)]]);
        call.media.command(Command::Echo { channel: call.parties[0].id }, call.clock.now()).unwrap();
        call.run(2300);
        let party = &call.parties[0];
        assert!(party.heard.len() > 70 && party.heard.iter().zip(&party.packets).all(|(heard, said)| heard.2 == said.2), "an echo");
    }
}

#[test]
fn a_relayed_pair_of_ilbc_becomes_a_conference_without_noise() {
    for voice in [Ilbc20, Ilbc30] {
        for joins_ms in [1500, 1507, 1513] {
            let mut call = Call::new(&[&[(voice, 3600)], &[(voice, 3600)], &[(Ulaw, 0)]]);
            call.mix(0, 1);
            call.run(joins_ms);
            call.mix(2, 0);
            call.run(3500 - joins_ms);
            for (ear, mouth) in [(0, 1), (1, 0)] {
                let said: Vec<_> = call.parties[mouth].packets.iter().map(|(.., octets)| octets.clone()).collect();
                // What would come of it if it had been decoded and encoded all the time.
                let all = voice.encode(&voice.decode(said.iter().map(Vec::as_slice)));
                let party = &call.parties[ear];
                let joint = party.heard.iter().zip(&said).position(|(heard, said)| heard.2 != *said).unwrap();
                let after = party.heard.iter().zip(&all).skip(joint);
                let as_ever = after.clone().filter(|(heard, ideal)| heard.2 == **ideal).count();
                assert!(joint > 40 && as_ever * 20 > after.len() * 19, "{voice:?}, {joins_ms}: {as_ever} of {}", after.len());
                let (level, db) = party.worst(voice, 1300, 2000);
                assert!(level > 0.9 && db > 9.5, "{voice:?}, {joins_ms}: {level:.2}, {db:.1} dB");
            }
        }
    }
}

#[test]
fn a_conference_of_ilbc_becomes_a_pair_that_is_relayed_after_a_pause_and_no_sooner() {
    for voice in [Ilbc20, Ilbc30] {
        let mut call = Call::with_pause(&[&[(voice, 6000)], &[(voice, 6000)], &[(Ulaw, 0)]], 4500..4900);
        call.mix(0, 1);
        call.run(1000);
        assert_eq!(call.media.transcodes(), 0);
        call.mix(2, 0);
        call.run(2000);
        call.media.command(Command::Unmix { channel: call.parties[2].id }, call.clock.now()).unwrap();
        call.run(1450);
        assert_eq!(call.media.transcodes(), 2, "{voice:?}: the tone goes on");
        call.run(450);
        assert_eq!(call.media.transcodes(), 0, "{voice:?}: relayed since the pause");
        call.run(1000);
        for (ear, mouth) in [(0, 1), (1, 0)] {
            let (level, db) = call.parties[ear].worst(voice, 3100, 4400);
            assert!(level > 0.9 && db > 12.0, "{voice:?}: {level:.2}, {db:.1} dB");
            let (heard, said) = (&call.parties[ear].heard, &call.parties[mouth].packets);
            let same = heard.iter().rev().zip(said[..call.parties[mouth].said].iter().rev()).take_while(|(heard, said)| heard.2 == said.2);
            assert!(same.count() as u32 * voice.ptime_ms() > 900, "{voice:?}: the speaker's own frames");
        }
    }
}
