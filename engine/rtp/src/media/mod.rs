//! The media of one shard: every channel it owns, driven in slots of one millisecond.
//!
//! ```text
//!   begin(now) ─▶ receive(key, port, from, &mut packet) … ─▶ run() ─▶ transmits() ─▶ poll_output() …
//!                  │ demux: STUN | DTLS | RTCP | RTP         │ batches: decode, rate, encode,
//!                  │ source check, statistics                │ one kernel call per codec pair
//!                  └ relay, PCMU ↔ PCMA: rewritten in        └ timers: time-outs, RTCP; a share of
//!                    place, `Verdict::Forward` at once         the channels in each slot
//! ```
//! Driver: drains `poll_output` after every command and every slot; sends what `Verdict::Forward` names from the receive
//!         buffer, untouched, before it gives that buffer back; sends `transmits()` before the next `begin`.
//! Shape:  channels in a slab, named by [`ChannelKey`] (slot and generation) on the packet path, by `ChannelId` outside.
//! Memory: all of it at construction and at `open`; none for a packet, from `receive` to `transmits`.
//! Errors: packets fail by counter; commands by `CommandError`.
//! Not here: sockets, ports, clocks (`engine`); samples (`dsp`).

mod attach;
mod batch;
mod codecs;
mod commands;
mod counters;
mod digits;
mod forward;
mod goodbye;
mod group;
mod io;
mod joint;
mod levels;
mod mixing;
mod moves;
mod overtaken;
mod refused;
mod relayed;
mod sounds;
mod speakers;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod tick;
mod tones;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use dsp::Kernels;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use self::batch::Batch;
use self::codecs::Encoders;
use self::counters::Counters;
use self::goodbye::Goodbyes;
use self::group::Groups;
use self::mixing::Mixing;
use self::overtaken::Overtaken;
use self::refused::Refusals;
use self::sweep::Reports;
use self::table::Table;
use crate::api::{DigitSource, Event, EventAction, MediaEvent, digit_of_event};
use crate::packet::rtcp::ntp_of_unix_ms;

pub(crate) use codecs::{Decoded, Decoders, Follow};
pub use io::{ChannelKey, Config, Forward, Local, Output, Port, Start, Transmit, Verdict};
pub use moves::Moved;

/// Longest payload converted in place: what a UDP datagram of the largest receive buffer holds.
const SCRATCH_LEN: usize = 2048;

/// The media of one shard.
#[derive(Debug)]
pub struct Media {
    config: Config,
    start: Start,
    kernels: Kernels,
    rng: ChaCha20Rng,
    table: Table,
    /// Time of the slot, and its number.
    now: Instant,
    turn: u64,
    batch: Batch,
    overtaken: Overtaken,
    decoders: Decoders,
    encoders: Encoders,
    follow: Box<Follow>,
    groups: Groups,
    /// Groups whose tick is in this slot, and how many ticks they missed.
    due: Vec<(u32, u32)>,
    /// Slot up to which ticks have run.
    ticked: u64,
    mixing: Box<Mixing>,
    reports: Reports,
    goodbyes: Goodbyes,
    /// Event packets of this slot, and the channels that may have some.
    digits: Reports,
    dialing: Vec<u32>,
    scratch: Box<[u8]>,
    counters: Counters,
    refusals: Refusals,
    /// Channels whose last packet was made from another codec.
    transcodes: u64,
    outputs: VecDeque<Pending>,
    /// Next channel to look at, and when the last was.
    cursor: u32,
    swept: Instant,
}

/// An output that waits. Events of the packet path are a key and a word until somebody fetches them, so that the path
/// allocates nothing.
#[derive(Debug)]
enum Pending {
    Ready(Output),
    Media(ChannelKey, MediaEvent),
    /// A source was refused.
    Refused(ChannelKey, SocketAddr),
    /// The player or the recorders of a channel have events, or are done.
    News(ChannelKey),
    /// A digit of a far end is to be told.
    Digit {
        key: ChannelKey,
        event: u8,
        duration_ms: u32,
        source: DigitSource,
    },
    /// The packets of a channel need a clock.
    Clock(ChannelKey),
    /// Others speak in the mix of a channel that wants to know.
    Speakers(ChannelKey),
    /// Whether the channel still needs its clock is to be looked at.
    Settled(ChannelKey),
}

impl Media {
    /// An empty shard. `seed` decides SSRCs, sequence beginnings and names.
    pub fn new(config: Config, start: Start, seed: [u8; 32]) -> Self {
        let channels_max = config.channels_max;
        Self {
            kernels: config.kernels,
            rng: ChaCha20Rng::from_seed(seed),
            table: Table::new(channels_max),
            now: start.now,
            turn: 0,
            batch: Batch::new(),
            overtaken: Overtaken::new(),
            decoders: Decoders::new(),
            encoders: Encoders::new(),
            follow: Box::new(Follow::new()),
            groups: Groups::new(),
            due: Vec::new(),
            ticked: 0,
            mixing: Box::new(Mixing::new()),
            reports: Reports::new(),
            goodbyes: Goodbyes::default(),
            digits: Reports::with_room(digits::DIGITS_OUT, crate::packet::HEADER_LEN + crate::telephone_event::PAYLOAD_LEN),
            dialing: Vec::with_capacity(channels_max),
            scratch: vec![0; SCRATCH_LEN].into(),
            counters: Counters::default(),
            refusals: Refusals::default(),
            transcodes: 0,
            // Each channel may start, time out, refuse a source, have news, a digit, other speakers, need a clock and settle within one slot, and each
            // command has up to four.
            outputs: VecDeque::with_capacity(8 * channels_max + 64),
            cursor: 0,
            swept: start.now,
            start,
            config,
        }
    }

    /// Begins a slot. What the last one made is gone.
    pub fn begin(&mut self, now: Instant) {
        self.now = now;
        self.turn += 1;
        self.batch.clear();
        self.decoders.clear();
        self.encoders.clear();
        self.reports.clear();
        self.goodbyes.clear();
        self.digits.clear();
    }

    /// Runs what was gathered in this slot, and what is due by time.
    pub fn run(&mut self) {
        self.run_digits();
        self.give_up_waiting();
        self.plan_ticks();
        let Self { kernels, table, decoders, encoders, batch, .. } = self;
        if encoders.len() > 0 || !self.due.is_empty() {
            decoders.run(kernels, table);
            batch.place(kernels, decoders, encoders, table);
            self.run_ticks();
            let Self { kernels, table, encoders, follow, .. } = self;
            follow.run(kernels, table);
            encoders.run(kernels, table);
            for transmit in encoders.transmits() {
                if let Some(channel) = table.by_key(transmit.via) {
                    channel.sent.sent(transmit.bytes.len(), transmit.bytes.len() - crate::packet::HEADER_LEN);
                }
            }
        }
        self.sweep();
        self.run_goodbyes();
    }

    /// Packets made in this slot, beside those forwarded from their buffers.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.encoders.transmits().chain(self.digits.transmits()).chain(self.reports.transmits()).chain(self.goodbyes.transmits())
    }

    /// The next thing to do for the driver, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            match self.outputs.pop_front()? {
                Pending::Ready(output) => return Some(output),
                Pending::Media(key, event) => {
                    let Some(channel) = self.table.by_key(key) else { continue };
                    let (expected, seen) = (channel.source.signalled(), channel.source.source());
                    if let Some(event) = channel.event(EventAction::Media { event, expected, seen }) {
                        return Some(Output::Event(event));
                    }
                }
                Pending::Refused(key, from) => {
                    let Some(channel) = self.table.by_key(key) else { continue };
                    let expected = channel.source.source().or(channel.source.signalled());
                    let action = EventAction::Media { event: MediaEvent::Refused, expected, seen: Some(from) };
                    if let Some(event) = channel.event(action) {
                        return Some(Output::Event(event));
                    }
                }
                Pending::News(key) => {
                    if let Some(event) = self.news(key) {
                        self.outputs.push_front(Pending::News(key));
                        return Some(Output::Event(event));
                    }
                }
                Pending::Digit { key, event, duration_ms, source } => {
                    let Some(digit) = digit_of_event(event) else { continue };
                    let action = EventAction::Digit { digit, duration_ms, source };
                    if let Some(event) = self.table.by_key(key).and_then(|channel| channel.event(action)) {
                        return Some(Output::Event(event));
                    }
                }
                Pending::Speakers(key) => {
                    if let Some(event) = self.speakers_event(key) {
                        return Some(Output::Event(event));
                    }
                }
                Pending::Clock(key) => self.wants_clock(key),
                Pending::Settled(key) => self.settled(key),
            }
        }
    }

    /// The next event of a channel's player or recorders; when there is none left, those that ended are taken out.
    fn news(&mut self, key: ChannelKey) -> Option<Event> {
        let channel = self.table.by_key(key)?;
        let clock = channel.clock.as_deref_mut()?;
        loop {
            let action = clock
                .player
                .as_mut()
                .and_then(|player| player.event())
                .or_else(|| clock.recorders.iter_mut().find_map(|recording| recording.recorder.event()));
            let Some(action) = action else { break };
            let identity = &mut channel.identity;
            if let Some(control) = identity.control.clone() {
                identity.event_seq += 1;
                return Some(Event { control, channel: identity.id, id: identity.name.clone(), seq: identity.event_seq, action });
            }
        }
        (clock.news_queued, clock.player_news) = (false, false);
        if std::mem::take(&mut clock.player_ended) {
            clock.player = None;
        }
        clock.recorders.retain(|recording| !recording.ended);
        self.review(key.slot);
        None
    }

    /// Queues an event of a channel.
    fn tell(&mut self, slot: u32, action: EventAction) {
        if let Some(event) = self.table.get_mut(slot).and_then(|channel| channel.event(action)) {
            self.push_output(Output::Event(event));
        }
    }

    /// Queues a media event, or leaves it for the next packet or look if there is no room.
    fn tell_media(&mut self, key: ChannelKey, event: MediaEvent) {
        if self.outputs.len() < self.outputs.capacity()
            && let Some(channel) = self.table.by_key(key)
        {
            channel.watch.told(event);
            self.outputs.push_back(Pending::Media(key, event));
        }
    }

    /// Queues what a command or a time-out caused: a few for each, and the driver fetches them after it.
    fn push_output(&mut self, output: Output) {
        self.outputs.push_back(Pending::Ready(output));
    }

    /// Wall clock of this slot as NTP has it.
    fn ntp(&self) -> u64 {
        let passed = self.now.saturating_duration_since(self.start.now).as_millis();
        ntp_of_unix_ms(self.start.unix_epoch_ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
    }
}
