//! From packets to the clock and back, without a seam: a pair that becomes a conference or is recorded, and is a pair again.
//!
//! ```text
//!   packets ─▶ seam (numbers, converters, phase) ─▶ clocks ─▶ first tick with the other's next packet: stream handed over
//!   clocks  ─▶ what waits, at once    ─▶ nothing waits: stream handed over ─▶ packets
//! ```
//! Heard:  each sample once. On the way in a stream stands still until the packet that follows has had its delay, and goes on with
//!         its number and its time; on the way back what had that delay is sent at once.
//! Shape:  commands prepare it, ticks meet it; nothing is allocated on the packet path.
//! Codecs: one that remembers is not relayed at once, but made anew until a pause (`channel::Renewal`).
//! Bounds: [`WAIT_TICKS`], [`SLOTS_MAX`]; a far end that has fallen silent is not waited for.
//! Errors: none; where the other is silent a stream goes on by the time that passed, as after any change of source.

use std::time::{Duration, Instant};

use dsp::Kernels;

use super::codecs::{Encoders, Leaves};
use super::group::{PHASES, Parting};
use super::mixing::Crossing;
use super::table::Table;
use super::tick::{codec_of, header, own_place, rate_of};
use super::{ChannelKey, Media, Pending};
use crate::channel::{Channel, Clocked, FRAME_MAX, Gain, Link, RateState};
use crate::clock::Rate;
use crate::format::{Codec, Format};
use crate::jitter::{Joint, Place};
use crate::stream::{Anchor, RtpTimestamp, SourcePacket};

/// Ticks that a stream waits for the packet that follows: one of 60 ms, and its delay.
const WAIT_TICKS: u8 = 5;
/// Who has said nothing for so long is not waited for.
const SILENT: Duration = Duration::from_millis(80);
/// Slots that what waits may take: the longest delay of 500 ms in parts of 40, and as much again that comes meanwhile.
const SLOTS_MAX: u16 = 25;

/// How one of a pair hears the other.
struct Side {
    ear: u32,
    voice: u32,
    anchor: Option<Anchor>,
    rate: RateState,
    /// Slot in which the last packet came, and the least delay of the next.
    last: Option<(u64, u32)>,
}

/// What goes on of a pair that gets clocks.
pub(super) struct Seam([Side; 2]);

impl Seam {
    /// The longer of the delays that the next packets would have in this phase.
    pub fn waits_ms(&self, phase: usize) -> u32 {
        let wait = |(last, least): (u64, u32)| {
            let phases = PHASES as u64;
            let next = ((phase as u64 + phases - last % phases) % phases) as u32;
            next + least.saturating_sub(next).next_multiple_of(PHASES as u32)
        };
        self.0.iter().filter_map(|side| side.last.map(wait)).max().unwrap_or(0)
    }
}

/// Whether a stream waits in this tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Yes,
    No,
}

impl Media {
    /// What a pair is about to lose by getting clocks.
    pub(super) fn seam(&self, one: u32, other: u32) -> Option<Seam> {
        let side = |ear: u32, voice: u32| {
            let (listener, speaker) = (self.table.get(ear)?, self.table.get(voice)?);
            let last = speaker.watch.last_packet();
            // Frames that do not fit into packets of the other were not passed on: there is nothing to go on from.
            let goes_on = !listener.odd_frames && listener.sent.follows(voice) && self.now.saturating_duration_since(last) < SILENT;
            Some(Side {
                ear,
                voice,
                anchor: listener.sent.anchor().filter(|_| goes_on),
                rate: listener.rate,
                last: goes_on.then(|| (self.slot_at(last), speaker.jitter.min_ms)),
            })
        };
        Some(Seam([side(one, other)?, side(other, one)?]))
    }

    /// Lets a pair that has got clocks go on where its packets were.
    pub(super) fn go_on(&mut self, Seam(sides): Seam) {
        let group = sides.first().and_then(|side| self.group_of(side.ear));
        for side in sides.into_iter().filter(|side| side.anchor.is_some()) {
            let Some(voice) = self.table.key(side.voice) else { continue };
            if let Some(Channel { sent, clock: Some(clock), .. }) = self.table.get_mut(side.ear) {
                sent.resume(side.anchor);
                clock.follows = Some((voice, WAIT_TICKS));
                clock.hearing = Gain::steady(1.0);
            }
            if let Some(clock) = self.table.get_mut(side.voice).and_then(|channel| channel.clock.as_deref_mut()) {
                clock.go_on();
            }
            if let Some(group) = group.and_then(|group| self.groups.get_mut(group)) {
                group.crossing.set(side.rate);
            }
        }
        if let Some(group) = group {
            self.set_factors(group);
        }
    }

    /// A pair needs no clock any more: what waits is sent, and when nothing does, its packets go as they come.
    pub(super) fn part_to_packets(&mut self, index: u32, pair: [u32; 2]) {
        let nothing_waits = pair.iter().all(|slot| {
            let clock = self.table.get_mut(*slot).and_then(|channel| channel.clock.as_deref_mut());
            clock.is_none_or(|clock| clock.is_empty() && clock.waiting.as_ref().is_none_or(|waiting| waiting.is_empty()))
        });
        let Some(group) = self.groups.get_mut(index) else { return };
        match group.parting {
            Parting::No | Parting::Sends(_) if nothing_waits => self.give_back(pair),
            Parting::No => {
                group.parting = Parting::Sends(0);
                self.groups.part(index);
            }
            Parting::Sends(_) => {}
            Parting::Done => self.give_back(pair),
        }
    }

    fn give_back(&mut self, [one, other]: [u32; 2]) {
        let now = self.now;
        let group = self.group_of(one).and_then(|group| self.groups.get(group)).filter(|group| group.crosses);
        let crossing = group.map_or_else(Crossing::default, |group| group.crossing);
        let sides = [(one, other), (other, one)].map(|(ear, voice)| {
            let clock = self.table.get(voice).and_then(|channel| channel.clock.as_deref());
            let place = clock.and_then(|clock| clock.jitter.following());
            let channel = self.table.get_mut(ear)?;
            let (clock, format) = (channel.clock.as_deref()?, channel.formats.preferred_of_ours()?);
            let rate = crossing.towards(rate_of(codec_of(format)));
            let place = place.filter(|_| !clock.marker)?;
            channel.sent.hand_over(&own_place(clock, format), &of_voice(voice, &place, format), now);
            Some((ear, channel.sent.anchor(), rate))
        });
        for (slot, peer) in [(one, other), (other, one)] {
            self.free_clock(slot);
            self.set_link(slot, Link::Peer(peer));
        }
        for (ear, anchor, rate) in sides.into_iter().flatten() {
            if let Some(channel) = self.table.get_mut(ear) {
                channel.sent.resume(anchor);
                channel.rate = rate;
            }
        }
    }

    /// Plans the slot of pairs that go back to packets.
    pub(super) fn plan_parting(&mut self, slot: u64) {
        let Self { groups, table, decoders, due, .. } = self;
        for place in 0..groups.parting().len() {
            let Some(&index) = groups.parting().get(place) else { break };
            let Some(group) = groups.get(index).filter(|group| group.parting != Parting::Done) else { continue };
            for &member in &group.members {
                let Some(key) = table.key(member) else { continue };
                if let Some(Channel { coders, clock: Some(clock), .. }) = table.get_mut(member) {
                    clock.plan_rest(key, coders, decoders, slot);
                }
            }
            if due.len() < due.capacity() {
                due.push((index, 0));
            }
        }
    }

    /// Sends what waits in a pair that goes back to packets.
    pub(super) fn run_parting(&mut self, index: u32) {
        let Self { groups, table, decoders, encoders, follow, kernels, counters, outputs, now, .. } = self;
        let Some(group) = groups.get_mut(index) else { return };
        let (Parting::Sends(slots), [one, other]) = (group.parting, &group.members[..]) else { return };
        let mut is_done = true;
        for (voice, ear) in [(*one, *other), (*other, *one)] {
            let Some(key) = table.key(voice) else { continue };
            let Some(Channel { coders, clock: Some(clock), .. }) = table.get_mut(voice) else { continue };
            clock.assemble_rest(key, coders, decoders, follow);
            while let Some(clock) = table.get_mut(voice).and_then(|channel| channel.clock.as_deref_mut()) {
                let samples = clock.hear_rest();
                let is_last = clock.is_empty();
                if samples == 0 {
                    is_done &= is_last;
                    break;
                }
                let way = Way { voice, ear, samples, is_last };
                counters.transcoded += pass_on(way, table, &mut group.crossing, encoders, kernels, *now);
            }
        }
        group.parting = Parting::Sends(slots + 1);
        if (is_done || slots >= SLOTS_MAX)
            && outputs.len() < outputs.capacity()
            && let Some(key) = table.key(*one)
        {
            group.parting = Parting::Done;
            outputs.push_back(Pending::Settled(key));
        }
    }
}

/// The stream of a channel that follows another's sound: whether it waits yet, or goes on from here.
pub(super) fn meet(table: &mut Table, slot: u32, now: Instant) -> Waits {
    let follows = table.get(slot).and_then(|channel| channel.clock.as_deref()).and_then(|clock| clock.follows);
    let Some((voice, ticks)) = follows else { return Waits::No };
    let joint = table.by_key(voice).and_then(|channel| channel.clock.as_deref()).map(|clock| clock.jitter.joint());
    let Some(Channel { sent, formats, clock: Some(clock), .. }) = table.get_mut(slot) else { return Waits::No };
    // A player does not wait.
    let joint = joint.filter(|_| clock.player.is_none());
    if let (Some(Joint::Awaited), Some(left)) = (joint, ticks.checked_sub(1)) {
        clock.follows = Some((voice, left));
        return Waits::Yes;
    }
    clock.follows = None;
    clock.marker = match (joint, formats.preferred_of_ours()) {
        (Some(Joint::Met(place)), Some(format)) => {
            let mut own = own_place(clock, format);
            own.marker = false;
            !sent.hand_over(&of_voice(voice.slot, &place, format), &own, now)
        }
        _ => {
            sent.release();
            true
        }
    };
    Waits::No
}

/// A packet of a voice, as it would go out in this format.
const fn of_voice(voice: u32, place: &Place, format: Format) -> SourcePacket {
    SourcePacket {
        source: voice,
        epoch: place.epoch,
        sequence: place.sequence,
        timestamp: RtpTimestamp(place.timestamp),
        marker: false,
        in_clock_hz: place.clock_hz,
        out_clock_hz: format.clock_rate_hz,
    }
}

/// Samples at the front of what is heard of a voice, on their way to an ear.
#[derive(Clone, Copy)]
struct Way {
    voice: u32,
    ear: u32,
    samples: usize,
    is_last: bool,
}

/// Sends them; the packets made. The last one may be short, or is filled up where there are frames.
fn pass_on(way: Way, table: &mut Table, crossing: &mut Crossing, encoders: &mut Encoders, kernels: &Kernels, now: Instant) -> u64 {
    let format = table.get(way.ear).and_then(|channel| channel.formats.preferred_of_ours());
    let (Some(key), Some((format, codec))) = (table.key(way.ear), format.and_then(|format| Some((format, codec_of(format)?)))) else {
        return 0;
    };
    let Some(voice) = table.get_mut(way.voice).and_then(|channel| channel.clock.as_deref_mut()) else { return 0 };
    let (from, into) = (voice.heard.rate(), rate_of(Some(codec)));
    let mut samples = way.samples;
    if codec.frame().is_some() {
        voice.pad(samples);
        samples = from.samples();
    }
    let mut heard = [0; FRAME_MAX];
    let (Some(heard), Some(source)) = (heard.get_mut(..samples), voice.heard.samples().get(..samples)) else { return 0 };
    heard.copy_from_slice(source);
    let mut wide = [0; FRAME_MAX];
    let mut said: &[i16] = heard;
    if let ((Rate::Narrow, Rate::Wide), Some(wide)) = ((from, into), wide.get_mut(..2 * samples)) {
        crossing.up.convert(kernels, heard, wide);
        said = wide;
    }
    let Some(channel) = table.get_mut(way.ear) else { return 0 };
    let Some(mut clock) = channel.clock.take() else { return 0 };
    let mut narrow = [0; FRAME_MAX];
    if let ((Rate::Wide, Rate::Narrow), Some(narrow), Some(heard)) =
        ((from, into), narrow.get_mut(..samples / 2), heard.get(..samples / 2 * 2))
    {
        crossing.down.convert(kernels, heard, narrow);
        said = narrow;
    }
    let sent = say(&mut Speech { channel, clock: &mut clock, key, format, codec, encoders, now }, said, way.is_last);
    channel.clock = Some(clock);
    sent
}

/// What makes packets of a channel's own stream.
struct Speech<'a> {
    channel: &'a mut Channel,
    clock: &'a mut Clocked,
    key: ChannelKey,
    format: Format,
    codec: Codec,
    encoders: &'a mut Encoders,
    now: Instant,
}

/// Sends samples in packets of the length that the far end has.
fn say(speech: &mut Speech<'_>, said: &[i16], is_last: bool) -> u64 {
    let Some(mut waiting) = speech.clock.waiting.take() else { return speech.packet(said) };
    let packet = speech.channel.packet_samples(speech.codec);
    let mut sent = 0;
    waiting.push(said);
    while let Some(front) = waiting.front(packet) {
        sent += speech.packet(front);
        waiting.remove(packet);
    }
    if is_last {
        if speech.codec.frame().is_some() && !waiting.is_empty() {
            waiting.fill_up(packet);
        }
        sent += speech.packet(waiting.all());
        waiting.clear();
    }
    speech.clock.waiting = Some(waiting);
    sent
}

impl Speech<'_> {
    /// One packet; 0 if it is not sent, and then its time passes.
    fn packet(&mut self, samples: &[i16]) -> u64 {
        let ticks = samples.len() as u64 * u64::from(self.format.clock_rate_hz) / u64::from(rate_of(Some(self.codec)).hz());
        let to = self.channel.destination().filter(|_| !self.channel.events_out.is_sending() && !samples.is_empty());
        let made = to.and_then(|to| {
            let header = header(self.channel, self.clock, self.format, self.now)?;
            let leaves = Leaves { via: self.key, to, header };
            self.encoders.reserve(leaves, &mut self.channel.coders, self.codec, samples.len())
        });
        self.clock.timestamp = self.clock.timestamp.wrapping_add(ticks as u32);
        let Some(made) = made else {
            self.clock.marker |= !samples.is_empty();
            return 0;
        };
        let frame = self.encoders.frame(made);
        let len = frame.len().min(samples.len());
        if let (Some(frame), Some(samples)) = (frame.get_mut(..len), samples.get(..len)) {
            frame.copy_from_slice(samples);
        }
        self.channel.codec_out = Some(self.codec);
        1
    }
}
