//! The clocked path: in each slot the groups whose phase it is, from their jitter buffers to their packets.
//!
//! ```text
//!   plan: jitter ─▶ Decoders      (all decoders of the slot run)      tick: frames ─▶ sum ─▶ minus own ─▶ Encoders
//! ```
//! Shape:  each source is decoded once, and what is said at one rate is converted once for all who hear at the other; who is silent hears what all silent ones hear, which in a codec without memory is
//!         encoded once and copied. A player takes the place of what its channel would hear; recorders see both directions.
//! Time:   a slot that comes late runs the phases that were due; after a stall of more than a tick each group runs once, its
//!         streams go on by the time that passed, and the first packet has the marker.
//! Memory: none; all that a tick needs was made by the command that made its channels clocked.
//! Errors: by counter.

use dsp::Kernels;

use super::codecs::{Decoders, Encoders, Follow, Leaves, Made};
use super::group::{Group, PHASES, Parting};
use super::joint::{Waits, meet};
use super::mixing::Mixing;
use super::table::Table;
use super::{ChannelKey, Media, Pending};
use crate::api::DigitSource;
use crate::channel::{Channel, Clocked, FRAME_MAX, Link, Waiting};
use crate::clock::{Next, Rate, Tick};
use crate::format::{Codec, Format, FormatKind};
use crate::stream::{ExtendedSequence, RtpTimestamp, SourcePacket};

/// Source of a stream that the channel makes itself: no slot of a table.
pub(super) const OWN: u32 = u32::MAX;
/// Codecs whose packets are shared.
const SHARED: usize = 4;

/// Slots from the beginning to a time.
pub(super) fn slots_between(start: std::time::Instant, time: std::time::Instant) -> u64 {
    u64::try_from(time.saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX)
}

impl Media {
    /// Slots since the shard began.
    pub(super) fn slot_number(&self) -> u64 {
        self.slot_at(self.now)
    }

    /// Number of the slot of a time.
    pub(super) fn slot_at(&self, time: std::time::Instant) -> u64 {
        slots_between(self.start.now, time)
    }

    /// First half: what is due, and the payloads of it to the decoders.
    pub(super) fn plan_ticks(&mut self) {
        let slot = self.slot_number();
        let first = (self.ticked + 1).max(slot.saturating_sub(PHASES as u64 - 1));
        self.ticked = slot;
        self.due.clear();
        for slot in first..=slot {
            for &index in self.groups.of_slot(slot) {
                let Some(group) = self.groups.get(index).filter(|group| group.parting == Parting::No) else { continue };
                let missed = (slot.saturating_sub(group.last) / PHASES as u64).saturating_sub(1);
                let missed = u32::try_from(missed).unwrap_or(u32::MAX);
                for &member in &group.members {
                    let Some(key) = self.table.key(member) else { continue };
                    if let Some(Channel { coders, clock: Some(clock), .. }) = self.table.get_mut(member) {
                        clock.plan(key, coders, &mut self.decoders, missed, slot);
                    }
                }
                if self.due.len() < self.due.capacity() {
                    self.due.push((index, missed));
                }
            }
        }
        self.plan_parting(slot);
        for &(index, missed) in &self.due {
            if let Some(group) = self.groups.get_mut(index) {
                (group.last, group.missed) = (group.latest(slot), missed);
            }
        }
    }

    /// Second half: frames, mixes and packets of what is due.
    pub(super) fn run_ticks(&mut self) {
        for index in 0..self.due.len() {
            let Some((index, _)) = self.due.get(index).copied() else { break };
            if self.groups.get(index).is_some_and(|group| group.parting != Parting::No) {
                self.run_parting(index);
                continue;
            }
            self.run_group(index);
            self.settle(index);
            self.tell_listened(index);
            self.tell_speakers(index);
        }
    }

    /// Looks whether a group whose levels were changed has arrived; told outside the packet path, since its clocks may go.
    fn settle(&mut self, index: u32) {
        let Some(group) = self.groups.get_mut(index).filter(|group| group.settles) else { return };
        let arrived = |member: &u32| {
            let clock = self.table.get(*member).and_then(|channel| channel.clock.as_ref());
            clock.is_none_or(|clock| clock.gain.has_arrived() && clock.hearing.has_arrived())
        };
        if group.members.iter().all(arrived)
            && self.outputs.len() < self.outputs.capacity()
            && let Some(key) = group.members.first().and_then(|member| self.table.key(*member))
        {
            group.settles = false;
            self.outputs.push_back(Pending::Settled(key));
        }
    }

    /// Tells the digits that were found in the sound of this tick.
    fn tell_listened(&mut self, index: u32) {
        let mut place = 0;
        while let Some(&member) = self.groups.get(index).and_then(|group| group.members.get(place)) {
            place += 1;
            let listener = self.table.get_mut(member).and_then(|c| c.clock.as_mut()).and_then(|clock| clock.listener.as_mut());
            let Some(listener) = listener.filter(|listener| !listener.heard.is_empty()) else { continue };
            let heard = std::mem::take(&mut listener.heard);
            let Some(key) = self.table.key(member) else { continue };
            for heard in heard {
                self.heard_digit(key, heard, DigitSource::Inband);
            }
        }
    }

    fn run_group(&mut self, index: u32) {
        let Self { groups, table, decoders, encoders, follow, kernels, mixing, outputs, counters, now, .. } = self;
        let Some(group) = groups.get_mut(index) else { return };
        listen(group, table, (decoders, follow), kernels, mixing, *now);
        let mut common: [Option<Made>; SHARED] = [None; SHARED];
        let is_mix = group.members.len() > 1;
        for &member in &group.members {
            let Some(key) = table.key(member) else { continue };
            let Some(channel) = table.get_mut(member) else { continue };
            let link = channel.link;
            let Some(clock) = channel.clock.as_deref_mut() else { continue };
            let format = channel.formats.preferred_of_ours();
            let codec = format.and_then(codec_of);
            let share = codec.and_then(shared_place).filter(|_| is_mix && !clock.speaks && clock.is_plain());
            if let (Some(place), Some(format)) = (share, format)
                && let Some(Some(of)) = common.get(place).copied()
            {
                let sent = send(channel, key, format, Source::Copy(of), group.missed, encoders, *now);
                counters.transcoded += sent.count;
                continue;
            }
            let mut says = false;
            clock.said.set_rate(rate_of(codec));
            match link {
                Link::Mix if clock.waits => clock.said.samples_mut().fill(0),
                Link::Mix if is_mix => {
                    says = true;
                    if clock.speaks {
                        mixing.without(kernels, &clock.voice, &mut clock.said);
                    } else {
                        mixing.only(kernels, &mut clock.said);
                    }
                    clock.hearing.apply(clock.said.samples_mut());
                }
                Link::Echo => {
                    says = true;
                    let Clocked { heard, said, echo_rate, .. } = clock;
                    echo_rate.convert(kernels, heard.samples(), said.samples_mut());
                }
                Link::Mix | Link::None | Link::Peer(_) => clock.said.samples_mut().fill(0),
            }
            let Mixing { played, recorded, .. } = mixing.as_mut();
            says |= play(clock, kernels, played);
            if record(clock, kernels, group.missed, recorded) {
                tell_news(clock, key, outputs);
            }
            let source = if says { Source::Said } else { Source::Nothing };
            let Some(format) = format.filter(|_| !clock.waits) else { continue };
            let sent = send(channel, key, format, source, group.missed, encoders, *now);
            counters.transcoded += sent.count;
            counters.overrun += sent.overrun;
            if let Some(common) = share.and_then(|place| common.get_mut(place)) {
                *common = sent.made;
            }
            if let Some(clock) = channel.clock.as_deref_mut()
                && clock.player_ended
            {
                tell_news(clock, key, outputs);
            }
        }
    }
}

/// What each member says, and the sums of it.
fn listen(
    group: &mut Group,
    table: &mut Table,
    (decoders, follow): (&Decoders, &mut Follow),
    kernels: &Kernels,
    mixing: &mut Mixing,
    now: std::time::Instant,
) {
    mixing.begin(group.farewell.as_deref_mut());
    // Converters go on where packets left them, not with the silence of those who wait for the first packet.
    let [mut up_waits, mut down_waits] = [false; 2];
    for &member in &group.members {
        let Some(key) = table.key(member) else { continue };
        let waits = meet(table, member, now) == Waits::Yes;
        let Some(Channel { clock: Some(clock), coders, formats, .. }) = table.get_mut(member) else { continue };
        clock.waits = waits;
        clock.assemble(key, coders, kernels, decoders, follow);
        if group.members.len() > 1 {
            let rate = rate_of(formats.preferred_of_ours().and_then(codec_of));
            match rate {
                Rate::Narrow => down_waits |= waits,
                Rate::Wide => up_waits |= waits,
            }
            clock.speak(kernels, rate);
            if clock.speaks {
                mixing.add(kernels, &clock.voice);
            }
        }
    }
    if group.crosses {
        mixing.cross(kernels, &mut group.crossing, [up_waits, down_waits]);
    }
}

/// Lets the player fill what is said. True if it did.
fn play(clock: &mut Clocked, kernels: &Kernels, played: &mut [i16; FRAME_MAX]) -> bool {
    let Some(player) = clock.player.as_mut().filter(|_| !clock.player_ended) else { return false };
    let Some(frame) = played.get_mut(..player.rate().samples()) else { return false };
    frame.fill(0);
    let next = player.fill(frame);
    clock.player_rate.convert(kernels, frame, clock.said.samples_mut());
    clock.player_ended = next == Next::Ended;
    clock.player_news |= next != Next::Goes;
    true
}

/// Lets the recorders see both directions. True if there is something to tell.
fn record(clock: &mut Clocked, kernels: &Kernels, missed: u32, [heard, said]: &mut [[i16; FRAME_MAX]; 2]) -> bool {
    let mut news = clock.player_news;
    for recording in clock.recorders.iter_mut().filter(|recording| !recording.ended) {
        let len = recording.recorder.rate().samples();
        let (Some(heard), Some(said)) = (heard.get_mut(..len), said.get_mut(..len)) else { continue };
        recording.heard.convert(kernels, clock.heard.samples(), heard);
        recording.said.convert(kernels, clock.said.samples(), said);
        let next = recording.recorder.tick(&Tick { heard, said, missed, kernels });
        recording.ended = next == Next::Ended;
        news |= next != Next::Goes;
    }
    news
}

/// Queues the news of a channel's player and recorders; what does not fit is told after the next tick.
fn tell_news(clock: &mut Clocked, key: ChannelKey, outputs: &mut std::collections::VecDeque<Pending>) {
    if !clock.news_queued && outputs.len() < outputs.capacity() {
        clock.news_queued = true;
        outputs.push_back(Pending::News(key));
    }
}

/// What a packet is made of.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The frame that the channel says.
    Said,
    /// The payload of another one.
    Copy(Made),
    /// Nothing is sent.
    Nothing,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    made: Option<Made>,
    count: u64,
    overrun: u64,
}

/// Makes the packets of a tick, and moves the channel's own stream on.
fn send(
    channel: &mut Channel,
    key: ChannelKey,
    format: Format,
    source: Source,
    missed: u32,
    encoders: &mut Encoders,
    now: std::time::Instant,
) -> Sent {
    let mut sent = Sent::default();
    let (Some(codec), to) = (codec_of(format), channel.destination()) else { return sent };
    let Some(mut clock) = channel.clock.take() else { return sent };
    let source = if channel.events_out.is_sending() { Source::Nothing } else { source };
    let tick = format.clock_rate_hz / 50;
    if missed > 0 {
        clock.timestamp = clock.timestamp.wrapping_add(missed.wrapping_mul(tick));
        clock.marker = true;
    }
    let rate = rate_of(Some(codec)).hz();
    let frame = clock.said.samples().len();
    let packet = channel.packet_samples(codec);
    match (source, to, clock.waiting.as_deref_mut()) {
        (Source::Nothing, _, waiting) | (_, None, waiting) => {
            // Nothing goes out for a while: what comes after is a new talkspurt.
            waiting.map(Waiting::clear);
            clock.timestamp = clock.timestamp.wrapping_add(tick);
            clock.marker = true;
            if to.is_none() {
                channel.sent.release();
                channel.counts.skipped += u32::from(!matches!(source, Source::Nothing));
            }
        }
        (Source::Said, Some(to), Some(_)) if packet != frame => {
            let Clocked { waiting, said, .. } = &mut *clock;
            if let Some(waiting) = waiting {
                waiting.push(said.samples());
            }
            // After the end of a sound nothing comes that would fill its last packet.
            let is_last = clock.player_ended && channel.link == Link::None;
            while clock.waiting.as_mut().is_some_and(|waiting| waiting.has(packet, is_last)) {
                let header = header(channel, &mut clock, format, now);
                let made = header.and_then(|header| encoders.reserve(Leaves { via: key, to, header }, &mut channel.coders, codec, packet));
                if let (Some(made), Some(waiting)) = (made, clock.waiting.as_deref_mut())
                    && let Some(samples) = waiting.front(packet)
                {
                    encoders.frame(made).copy_from_slice(samples);
                    sent.count += 1;
                } else {
                    sent.overrun += 1;
                }
                if let Some(waiting) = clock.waiting.as_deref_mut() {
                    waiting.remove(packet);
                }
                let ticks = (packet as u64 * u64::from(format.clock_rate_hz) / u64::from(rate)) as u32;
                clock.timestamp = clock.timestamp.wrapping_add(ticks);
            }
        }
        (source, Some(to), _) => {
            let leaves = header(channel, &mut clock, format, now).map(|header| Leaves { via: key, to, header });
            sent.made = leaves.and_then(|leaves| match source {
                Source::Copy(of) => encoders.reserve_copy(leaves, of),
                Source::Said | Source::Nothing => encoders.reserve(leaves, &mut channel.coders, codec, frame),
            });
            match (sent.made, source) {
                (Some(made), Source::Said) => {
                    let room = encoders.frame(made);
                    if room.len() == frame {
                        room.copy_from_slice(clock.said.samples());
                    }
                    sent.count = 1;
                }
                (Some(_), _) => sent.count = 1,
                (None, _) => sent.overrun = 1,
            }
            clock.timestamp = clock.timestamp.wrapping_add(tick);
        }
    }
    channel.counts.skipped += sent.overrun as u32;
    if sent.count > 0 {
        channel.codec_out = Some(codec);
    }
    channel.clock = Some(clock);
    sent
}

/// Place of the next packet of a channel's own stream.
pub(super) const fn own_place(clock: &Clocked, format: Format) -> SourcePacket {
    SourcePacket {
        source: OWN,
        epoch: 0,
        sequence: ExtendedSequence(clock.sequence),
        timestamp: RtpTimestamp(clock.timestamp),
        marker: clock.marker,
        in_clock_hz: format.clock_rate_hz,
        out_clock_hz: format.clock_rate_hz,
    }
}

/// Header of the next packet of a channel's own stream.
pub(super) fn header(
    channel: &mut Channel,
    clock: &mut Clocked,
    format: Format,
    now: std::time::Instant,
) -> Option<crate::packet::RtpHeader> {
    let place = own_place(clock, format);
    clock.marker = false;
    clock.sequence += 1;
    channel.sent.map(&place, format.number, now)
}

pub(super) const fn codec_of(format: Format) -> Option<Codec> {
    match format.kind {
        FormatKind::Audio(codec) => Some(codec),
        FormatKind::Event | FormatKind::ComfortNoise => None,
    }
}

/// Rate of the frames of a codec.
pub(super) const fn rate_of(codec: Option<Codec>) -> Rate {
    match codec {
        Some(codec) => match codec.rate_hz() {
            Some(16_000) => Rate::Wide,
            _ => Rate::Narrow,
        },
        None => Rate::Narrow,
    }
}

/// Place of a codec without memory among those that are shared.
const fn shared_place(codec: Codec) -> Option<usize> {
    match codec {
        Codec::Pcmu => Some(0),
        Codec::Pcma => Some(1),
        Codec::L16At8k => Some(2),
        Codec::L16At16k => Some(3),
        Codec::G722 | Codec::Ilbc(_) | Codec::Opaque { .. } => None,
    }
}
