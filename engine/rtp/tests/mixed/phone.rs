//! A phone of the simulation: says its tone over a bad link on a clock of its own, presses digits, reports, and checks the
//! stream that it hears packet by packet.
//!
//! Shape:  driven each millisecond; what it told and what arrived is kept by packet number, so that the counters of the channel
//!         can be held against the truth.
//! Errors: whatever a stream must not do is a panic that names the phone.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rtp::api::{ChannelId, Stats};
use rtp::media::{ChannelKey, Port};
use rtp::packet::rtcp::{Block, REPORT_MAX, Report, Reports, SenderInfo};
use rtp::packet::{RtpHeader, RtpView};
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use rtp::telephone_event::{Digits, EventPayload, EventReceiver, EventSender, Heard};
use sim::{Link, LinkProfile, SimRng};

use crate::sound::{Tone, Voice};

/// Number of events, the same everywhere.
const EVENT: u8 = 101;
/// Packets heard that are kept.
const KEPT: usize = 48;
/// Between reports.
const REPORT_MS: u64 = 5000;

/// What a phone is to hear.
#[derive(Clone, Debug, PartialEq)]
pub enum Hears {
    /// One tone, said in this codec.
    One(Tone, Voice),
    /// Several, and not its own; the worst codec of them.
    Many(Vec<Tone>, Voice),
    /// Whatever comes.
    Any,
}

/// A packet heard: its number, its timestamp, and its payload if it is sound.
struct Kept {
    place: i64,
    timestamp: u32,
    /// Later ones came before it.
    late: bool,
    sound: Option<Vec<u8>>,
}

/// Packets in a row that it heard.
pub struct Window {
    pub samples: Vec<i16>,
    /// They came in another order than they were said: where a codec or a converter remembers, that is heard.
    pub shuffled: bool,
}

/// The stream that a phone hears.
#[derive(Default)]
struct Ear {
    ssrc: Option<u32>,
    highest: Option<(i64, u32)>,
    /// Numbers seen among the last 64.
    seen: u64,
    kept: VecDeque<Kept>,
    count: u64,
    events: EventReceiver,
    digits: Vec<u8>,
    last_sr: Option<(u32, Instant)>,
    reports: u64,
}

/// What is on its way to the switch: the port it goes to, and its number if it is of the stream.
type Flight = (Port, Option<usize>, Vec<u8>);

pub struct Phone {
    pub key: ChannelKey,
    pub id: ChannelId,
    pub place: usize,
    pub voice: Voice,
    pub tone: Tone,
    pub hears: Hears,
    /// Since when it is to hear that, ms.
    pub since_ms: u64,
    /// Digits that it pressed, in order.
    pub pressed: Vec<u8>,
    /// It says nothing any more.
    pub still: bool,
    sound: Rc<Vec<Vec<u8>>>,
    profile: LinkProfile,
    link: Link<Flight>,
    ear: Ear,
    ppm: i64,
    began_ms: u64,
    said: u64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    presser: EventSender,
    press_ticks: u32,
    arrived: Vec<u8>,
    report_ms: u64,
}

impl Phone {
    pub fn new(
        (key, id): (ChannelKey, ChannelId),
        place: usize,
        (voice, tone): (Voice, Tone),
        sound: Rc<Vec<Vec<u8>>>,
        rng: &mut SimRng,
        ms: u64,
    ) -> Self {
        let profile = LinkProfile {
            loss_permille: 50,
            duplicate_permille: 20,
            reorder_permille: 20,
            delay: rng.duration(Duration::from_millis(60)),
            jitter: rng.duration(Duration::from_millis(12)),
            hold_back: Duration::from_millis(40),
        };
        Self {
            key,
            id,
            place,
            voice,
            tone,
            hears: Hears::Any,
            since_ms: ms,
            pressed: Vec::new(),
            still: false,
            sound,
            link: Link::new(profile.clone(), rng.below(1 << 60)),
            profile,
            ear: Ear::default(),
            ppm: rng.below(401) as i64 - 200,
            began_ms: ms + rng.below(20),
            said: 0,
            sequence: rng.below(1 << 16) as u16,
            timestamp: rng.below(1 << 32) as u32,
            ssrc: rng.below(1 << 32) as u32,
            presser: EventSender::default(),
            press_ticks: 0,
            arrived: Vec::new(),
            report_ms: ms + rng.below(REPORT_MS),
        }
    }

    /// Presses a digit for a fifth of a second.
    pub fn press(&mut self, event: u8) {
        if self.presser.is_idle() && !self.still && self.presser.push(Digits { events: &[event], duration_ms: 200, gap_ms: 200 }) {
            self.pressed.push(event);
        }
    }

    pub fn is_pressing(&self) -> bool {
        !self.presser.is_idle()
    }

    /// One millisecond: what it says goes on its link, what has arrived comes back.
    pub fn pass(&mut self, ms: u64, now: Instant, arrived: &mut Vec<(ChannelKey, Port, usize, Vec<u8>)>) {
        let own = (ms.saturating_sub(self.began_ms)) as i64;
        let own = own + own * self.ppm / 1_000_000;
        let due = self.said * u64::from(self.voice.ptime_ms());
        if ms >= self.began_ms && own as u64 >= due && !self.still {
            self.say(due, now);
        }
        if ms >= self.report_ms && !self.still {
            self.report_ms += REPORT_MS;
            self.report(now);
        }
        while let Some((port, number, bytes)) = self.link.receive(now) {
            if let Some(number) = number {
                self.arrived[number] = self.arrived[number].saturating_add(1);
            }
            arrived.push((self.key, port, self.place, bytes));
        }
    }

    fn say(&mut self, own_ms: u64, now: Instant) {
        let clock = self.voice.clock();
        let ptime = self.voice.ptime_ms();
        let (number, payload, timestamp, marker) = match self.presser.poll(clock, own_ms) {
            Some((payload, first)) => {
                if first {
                    self.press_ticks = self.timestamp;
                }
                (EVENT, payload.to_bytes().to_vec(), self.press_ticks, first)
            }
            None => {
                let sound = &self.sound[(self.said % self.sound.len() as u64) as usize];
                (self.voice.payload().number, sound.clone(), self.timestamp, self.said == 0)
            }
        };
        let header = RtpHeader {
            marker,
            payload_type: PayloadType::new(number).unwrap(),
            sequence: SequenceNumber(self.sequence),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(self.ssrc),
        };
        self.link.send((Port::Rtp, Some(self.said as usize), [&header.to_bytes()[..], &payload].concat()), now);
        self.arrived.push(0);
        self.said += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(clock * ptime / 1000);
    }

    fn report(&mut self, now: Instant) {
        let Some(ours) = self.ear.ssrc else { return };
        let (last_sr, delay) = self.ear.last_sr.map_or((0, 0), |(sr, at)| (sr, (now.duration_since(at).as_micros() << 16) / 1_000_000));
        let report = Report {
            ssrc: Ssrc(self.ssrc),
            sender: Some(SenderInfo { ntp: self.said, timestamp: RtpTimestamp(self.timestamp), packets: self.said as u32, octets: 0 }),
            block: Some(Block {
                ssrc: Ssrc(ours),
                fraction_lost: 0,
                cumulative_lost: 0,
                highest_sequence: 0,
                jitter_ticks: 16,
                last_sr,
                delay_since_last_sr: delay as u32,
            }),
        };
        let mut bytes = [0; REPORT_MAX];
        let len = report.write("phone", &mut bytes).unwrap();
        self.link.send((Port::Rtcp, None, bytes[..len].to_vec()), now);
    }

    /// Takes a packet of the switch.
    pub fn hear(&mut self, port: Port, bytes: &[u8], ms: u64, now: Instant) {
        if port == Port::Rtcp {
            let reports = Reports::parse(bytes, Ssrc(self.ssrc), None).unwrap();
            self.ear.last_sr = reports.sender_ntp.map(|sr| (sr, now)).or(self.ear.last_sr);
            assert!(!reports.bye, "phone {}: goodbye before the end", self.place);
            self.ear.reports += 1;
            return;
        }
        let view = RtpView::parse(bytes).unwrap();
        let h = view.header;
        let ear = &mut self.ear;
        assert_eq!(*ear.ssrc.get_or_insert(h.ssrc.0), h.ssrc.0, "phone {}: one stream for life", self.place);
        ear.count += 1;
        let (highest, wire) = *ear.highest.get_or_insert((i64::from(h.sequence.0) - 1, u32::from(h.sequence.0).wrapping_sub(1) & 0xffff));
        let place = highest + i64::from(h.sequence.0.wrapping_sub(wire as u16) as i16);
        let late = place < highest;
        if place > highest {
            ear.seen = ear.seen.checked_shl((place - highest) as u32).unwrap_or(0) | 1;
            ear.highest = Some((place, u32::from(h.sequence.0)));
        } else {
            let bit = 1u64.checked_shl((highest - place) as u32).unwrap_or(0);
            assert!(bit != 0 && ear.seen & bit == 0, "phone {}: number {place} twice, or {} late", self.place, highest - place);
            ear.seen |= bit;
        }
        let payload = &bytes[view.payload];
        let is_event = h.payload_type.number() == EVENT;
        if is_event {
            let event = EventPayload::parse(payload).unwrap();
            let heard = ear.events.take(event, h.timestamp.0, 1, self.voice.clock(), ms);
            ear.digits.extend(heard.into_iter().flatten().filter_map(end));
        }
        let oldest = (ear.kept.len() == KEPT).then(|| ear.kept.pop_front()).flatten();
        let mut sound = oldest.and_then(|oldest| oldest.sound).unwrap_or_default();
        sound.clear();
        sound.extend_from_slice(payload);
        ear.kept.push_back(Kept { place, timestamp: h.timestamp.0, late, sound: (!is_event).then_some(sound) });
    }

    /// Lets its ear notice that a digit fell silent.
    pub fn listen(&mut self, ms: u64) {
        let heard = self.ear.events.check(ms);
        self.ear.digits.extend(heard.and_then(end));
    }

    /// The newest window of sound without a gap, if there is one. What is kept is forgotten.
    pub fn window(&mut self) -> Option<Window> {
        let mut kept: Vec<_> = std::mem::take(&mut self.ear.kept).into();
        kept.sort_by_key(|kept| kept.place);
        let count = self.voice.packets_of_window();
        let step = self.voice.clock() * self.voice.ptime_ms() / 1000;
        let whole = |run: &&[Kept]| {
            let joined = run.windows(2).all(|w| w[1].place == w[0].place + 1 && w[1].timestamp.wrapping_sub(w[0].timestamp) == step);
            joined && run.iter().all(|kept| kept.sound.is_some())
        };
        let run = kept.windows(count).rev().find(whole)?;
        let samples = self.voice.window(run.iter().filter_map(|kept| kept.sound.as_deref()))?;
        Some(Window { samples, shuffled: run.iter().any(|kept| kept.late) })
    }

    /// Digits heard.
    pub fn digits(&self) -> &[u8] {
        &self.ear.digits
    }

    /// Packets that arrived at the switch, in all.
    pub fn delivered(&self) -> u64 {
        self.arrived.iter().map(|n| u64::from(*n)).sum()
    }

    /// The switch sent it anything.
    pub fn has_heard(&self) -> bool {
        self.ear.count + self.ear.reports > 0
    }

    /// Nothing of it is in flight.
    pub fn is_done(&self) -> bool {
        self.still && self.link.next_arrival().is_none()
    }

    /// Holds the figures of its channel against what happened.
    pub fn audit(&self, stats: &Stats, since_ms: u64) {
        let who = self.place;
        let distinct = self.arrived.iter().filter(|n| **n > 0).count() as u64;
        let first = self.arrived.iter().position(|n| *n > 0).unwrap_or(0);
        let last = self.arrived.iter().rposition(|n| *n > 0).map_or(first, |n| n + 1);
        let input = &stats.input;
        assert_eq!((input.count, input.duplicate), (distinct, self.delivered() - distinct), "phone {who}: taken, duplicates");
        assert_eq!(input.lost, (last - first) as u64 - distinct, "phone {who}: lost");
        assert_eq!(stats.output.count, self.ear.count, "phone {who}: packets out");
        assert!(input.late <= input.count, "phone {who}: {input:?}");
        assert!(input.badsource == 0 && stats.remote.latched == (distinct > 0), "phone {who}: {stats:?}");
        if let Some(rtt) = stats.rtcp.rtt_ms {
            let most = self.profile.delay + self.profile.jitter + self.profile.hold_back;
            let bounds = self.profile.delay.as_millis() as f64 - 1.0..=most.as_millis() as f64 + 3.0;
            assert!(bounds.contains(&rtt), "phone {who}: round trip of {rtt}, {:?}", self.profile);
        }
        if since_ms > 30_000 && matches!(self.hears, Hears::One(..) | Hears::Many(..)) {
            assert!(stats.rtcp.remote_jitter_ms.is_some() && stats.rtcp.rtt_ms.is_some(), "phone {who}: {:?}", stats.rtcp);
        }
        let mos = stats.input.mos;
        assert!(mos.is_none_or(|mos| (1.0..=4.5).contains(&mos)), "phone {who}: {mos:?}");
    }
}

fn end(heard: Heard) -> Option<u8> {
    match heard {
        Heard::End { event, .. } => Some(event),
        Heard::Start(_) => None,
    }
}
