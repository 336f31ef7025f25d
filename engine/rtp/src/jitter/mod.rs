//! Jitter buffer of one received stream: packets in any order, sound in order and in time.
//!
//! ```text
//!   push ──► [ store by timestamp ] ──► begin, next … (each tick): Sound │ Lost │ Dry │ Quiet
//!              late, no room ─► counted, dropped
//! ```
//! Play:   a cursor of media time moves by a tick each tick. What should be there and is not is `Lost`; when nothing waits
//!         at all the cursor stands (`Dry`), so that a packet that is merely late is played after all and the delay has
//!         grown by what was made up; if it never comes, the time made up counts as its own.
//! Delay:  `delay` is kept from arrival to play at the start of a talkspurt. It grows by what was late, and shrinks by 10 ms
//!         when for two seconds more than that was always to spare, which also follows a sender whose clock is faster.
//! Shape:  one value of about 9 KiB per clocked channel.
//! Units:  ticks of the RTP clock; times in ms of the channel's clock.
//! Errors: none; what is dropped is counted.
//! Not here: decoding, concealment and noise (`channel::clocked`), duplicates (`stream::receive`).

mod joint;
mod store;
#[cfg(test)]
mod tests;

pub use joint::{Joint, Place};
pub use store::{Arrived, Content, PACKETS_MAX};

use self::store::Store;
use crate::format::Codec;
use crate::stream::ExtendedSequence;

/// Bounds of the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Least delay between arrival and play, ms.
    pub min_ms: u32,
    /// Most, ms; what is later than that is lost.
    pub max_ms: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { min_ms: 10, max_ms: 120 }
    }
}

/// Least of the most: below it every packet would be late.
const MAX_MS_LEAST: u32 = 20;
/// The buffer holds some 32 packets: of 20 ms, 640 ms.
const MAX_MS_MOST: u32 = 500;

impl Bounds {
    /// These, but for what is said; brought to what can be: `min_ms` up to `max_ms`, that from 20 to 500.
    #[must_use]
    pub fn within(self, min_ms: Option<u32>, max_ms: Option<u32>) -> Self {
        let max_ms = max_ms.unwrap_or(self.max_ms.max(min_ms.unwrap_or(0))).clamp(MAX_MS_LEAST, MAX_MS_MOST);
        Self { min_ms: min_ms.unwrap_or(self.min_ms).min(max_ms), max_ms }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// So many octets of sound, copied to the caller.
    Sound {
        /// Of this codec.
        codec: Codec,
        /// How many.
        octets: usize,
        /// Time they stand for.
        ticks: u32,
        /// They do not follow from what was played last: the joint is to be smoothed.
        splice: bool,
    },
    /// So many octets of sound, copied to the caller, that are left out to catch up: decoders hear them, nobody else. Takes no time.
    LeftOut {
        /// Of this codec.
        codec: Codec,
        /// How many.
        octets: usize,
    },
    /// So much sound was lost: it is made up for.
    Lost(u32),
    /// Nothing is there: made up for, and if it comes it is played. As `Lost`, it may be more than was asked for, up to a frame.
    Dry(u32),
    /// Nobody speaks; noise if it was described.
    Quiet(u32),
    /// A description of noise, copied to the caller; takes no time.
    Noise(usize),
}

/// What was not played, and what was made up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterCounts {
    /// Came after its time.
    pub late: u64,
    /// Had no room, or was left out to catch up.
    pub dropped: u64,
}

/// The buffer.
#[derive(Debug, Clone)]
pub struct JitterBuffer {
    store: Store,
    bounds: Bounds,
    clock_hz: u32,
    epoch: u32,
    /// Media time of what is played next; `None` while nobody speaks.
    cursor: Option<u32>,
    /// Number of what was played last.
    played: Option<ExtendedSequence>,
    /// Ticks made up without moving the cursor.
    credit: u32,
    /// Delay at the start of a talkspurt, ms.
    delay_ms: u32,
    /// Ticks to be made up because packets come too late.
    stretch: u32,
    /// Some were, since sound was given out last.
    stretched: bool,
    /// Ticks to be left out.
    shrink: u32,
    /// Something was.
    splice: bool,
    /// The sender said that nothing more comes.
    ended: bool,
    /// Ticks in which losses of the codec that was played last are made up; 1 where any part can be.
    frame: u32,
    /// Ticks of the packet that came last.
    packet: u32,
    /// What was made up before the last sound had only been late, or nothing was missing.
    after_all: bool,
    /// Least that was to spare in this window, ticks, and how many channel ticks it lasts yet.
    spare: u32,
    window: u32,
    /// Channel ticks in which nothing is left out.
    hold: u32,
    /// Late packets lately: 8 per packet, fading by 1 a tick.
    lateness: u32,
    /// Smoothed time that waits, in 1/16 ms.
    waiting_16: u32,
    counts: JitterCounts,
    joint: Joint,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            store: Store::new(),
            bounds,
            clock_hz: 8000,
            epoch: 0,
            cursor: None,
            played: None,
            credit: 0,
            delay_ms: bounds.min_ms,
            stretch: 0,
            stretched: false,
            shrink: 0,
            splice: false,
            ended: false,
            frame: 1,
            packet: 0,
            after_all: false,
            spare: u32::MAX,
            window: WINDOW,
            hold: 0,
            lateness: 0,
            waiting_16: 0,
            counts: JitterCounts::default(),
            joint: Joint::None,
        }
    }

    /// Takes a packet of the stream `epoch`, whose clock is `clock_hz`.
    pub fn push(&mut self, packet: &Arrived<'_>, epoch: u32, clock_hz: u32, now_ms: u64) {
        self.ended = false;
        if packet.ticks > 0 {
            self.packet = packet.ticks;
        }
        if epoch != self.epoch || clock_hz != self.clock_hz {
            (self.epoch, self.clock_hz) = (epoch, clock_hz.max(1000));
            self.store.clear();
            (self.cursor, self.played, self.credit, self.stretch, self.shrink) = (None, None, 0, 0, 0);
        }
        if let Some(cursor) = self.cursor {
            let end = packet.timestamp.wrapping_add(packet.ticks);
            let late = cursor.wrapping_sub(end) as i32;
            let apart = self.ticks(JUMP_MS) as i32;
            if !(-apart..=apart).contains(&late) {
                // The sender's clock jumped: what waits is of another time.
                self.store.clear();
                self.stop();
            } else if late > 0 || late == 0 && packet.ticks > 0 {
                self.counts.late += 1;
                self.note_late(late as u32 + packet.ticks);
                return;
            } else if packet.ticks > 0 {
                // How much later it might have come; that of the latest counts, not that of the newest.
                self.spare = self.spare.min((packet.timestamp.wrapping_sub(cursor) as i32).max(0).unsigned_abs());
            }
        }
        while !self.store.insert(packet, now_ms) {
            self.counts.dropped += 1;
            if !self.store.drop_first() {
                return;
            }
            // What was first is gone; the time up to the next is not made up.
            if let (Some(_), Some(first)) = (self.cursor, self.store.first()) {
                self.cursor = Some(first.timestamp);
            }
        }
    }

    /// Packets that come too late more than once in a while make the delay grow.
    fn note_late(&mut self, ticks: u32) {
        self.lateness = (self.lateness + LATE_WEIGHT).min(LATE_WEIGHT * 8);
        let grown = self.delay_ms + self.ms(self.stretch) + self.ms(ticks);
        if self.lateness > LATE_WEIGHT && grown <= self.bounds.max_ms {
            self.stretch = self.stretch.max(ticks);
            self.hold = HOLD;
        }
    }

    /// Begins a channel tick of `frame` ticks of media.
    pub fn begin(&mut self, frame: u32) {
        self.lateness = self.lateness.saturating_sub(1);
        self.hold = self.hold.saturating_sub(1);
        let waiting = self.waiting();
        self.waiting_16 = self.waiting_16 + self.ms(waiting) - self.waiting_16 / 16;
        if self.cursor.is_none() {
            return;
        }
        let spare = waiting.saturating_sub(frame);
        if spare > self.ticks(self.bounds.max_ms) {
            // A burst after a stall: no use in hearing all of it.
            self.shrink = spare - self.ticks(self.delay_ms.min(self.bounds.max_ms));
            (self.spare, self.window) = (u32::MAX, WINDOW);
            return;
        }
        self.window = self.window.saturating_sub(1);
        if self.window == 0 {
            let step = self.step();
            // A tick and the step, since where packets lie to the ticks is a matter of chance.
            if self.hold == 0 && self.spare != u32::MAX && self.spare > step + self.ticks(self.bounds.min_ms.max(STEP_MS)) {
                self.shrink = step;
                self.delay_ms = self.delay_ms.saturating_sub(self.ms(step)).max(self.bounds.min_ms);
            }
            (self.spare, self.window) = (u32::MAX, WINDOW);
        }
    }

    /// The next at most `need` ticks; a frame of iLBC may be more. `out` takes octets.
    pub fn next(&mut self, need: u32, now_ms: u64, out: &mut [u8]) -> Next {
        if self.stretch > 0 && self.cursor.is_some() {
            let ticks = self.stretch.min(need);
            self.stretch -= ticks;
            self.delay_ms = (self.delay_ms + self.ms(ticks)).min(self.bounds.max_ms);
            self.stretched = true;
            return Next::Dry(ticks);
        }
        loop {
            let Some(first) = self.store.first().copied() else { return self.dry(need) };
            let Some(cursor) = self.cursor else {
                // RFC 3551 §4.1: between talkspurts the delay may change, and it is what we want it to be.
                let left = u64::from(self.delay_ms).saturating_sub(now_ms.saturating_sub(first.arrived_ms));
                let left = self.ticks(left as u32);
                if left > need || left > 0 && self.joint == Joint::Awaited {
                    return Next::Quiet(need);
                }
                self.begin_at(&first);
                if left > 0 {
                    return Next::Quiet(left);
                }
                continue;
            };
            let mut gap = first.timestamp.wrapping_sub(cursor) as i32;
            if gap > 0 {
                // What was made up while nothing came is the time of what was lost.
                let covered = self.credit.min(gap as u32);
                self.credit -= covered;
                self.cursor = Some(cursor.wrapping_add(covered));
                gap -= covered as i32;
            }
            match gap {
                0 => {}
                1.. => {
                    let follows = self.played.is_some_and(|played| first.sequence.since(played) <= 1);
                    if follows || gap as u32 > self.ticks(PAUSE_MS) {
                        // Nothing is missing: nobody spoke. Or too much to make it up.
                        self.stop();
                        continue;
                    }
                    let ticks = self.whole(need).min(gap as u32);
                    self.cursor = self.cursor.map(|c| c.wrapping_add(ticks));
                    self.stretched = false;
                    return Next::Lost(ticks);
                }
                _ => {
                    let over = gap.unsigned_abs();
                    if over >= first.ticks && first.ticks > 0 {
                        self.counts.late += 1;
                        self.store.drop_first();
                    } else if first.ticks == 0 {
                        // Noise that was described for a time that is over still holds.
                        return self.noise(out);
                    } else if let Content::Audio(codec) = first.content {
                        self.leave_out(codec, over);
                        self.cursor = self.store.first().map(|first| first.timestamp).or(self.cursor);
                        self.splice = true;
                    }
                    continue;
                }
            }
            let Content::Audio(codec) = first.content else { return self.noise(out) };
            self.after_all = std::mem::take(&mut self.stretched) || self.credit > 0;
            // A decoder of G.722 follows what is made up before the next packet comes to it, so that is made up to there at once.
            let whole = if codec == Codec::G722 { self.packet.clamp(1, self.ticks(WHOLE_MS)) } else { 1 };
            self.frame = codec.frame().map_or(whole, |(samples, _)| samples as u32);
            if self.credit > 0 {
                // It came after all: from now on everything is that much later.
                self.delay_ms = (self.delay_ms + self.ms(self.credit)).min(self.bounds.max_ms);
                (self.credit, self.hold) = (0, HOLD);
            }
            if self.shrink > 0 {
                let (octets, ticks) = cut(codec, self.store.octets(), first.ticks, self.shrink);
                self.shrink = self.shrink.saturating_sub(ticks);
                self.counts.dropped += u64::from(ticks >= first.ticks);
                (self.splice, self.played) = (true, Some(first.sequence));
                self.cursor = self.cursor.map(|c| c.wrapping_add(ticks));
                return Next::LeftOut { codec, octets: self.store.take(octets, ticks, out) };
            }
            let (octets, ticks) = cut(codec, self.store.octets(), first.ticks, need);
            self.played = Some(first.sequence);
            self.cursor = self.cursor.map(|c| c.wrapping_add(ticks));
            let octets = self.store.take(octets, ticks, out);
            let splice = std::mem::take(&mut self.splice);
            return Next::Sound { codec, octets, ticks, splice };
        }
    }

    /// Leaves out `ticks` of the first packet, rounded up to whole frames; returns how many that was.
    fn leave_out(&mut self, codec: Codec, ticks: u32) -> u32 {
        let Some(first) = self.store.first().copied() else { return 0 };
        let (_, ticks) = cut(codec, self.store.octets(), first.ticks, ticks);
        self.cursor = self.cursor.map(|cursor| cursor.wrapping_add(ticks));
        if ticks >= first.ticks {
            self.counts.dropped += 1;
            self.store.drop_first();
        } else {
            self.store.skip(ticks);
        }
        ticks
    }

    /// What is left out at once: 10 ms, or a frame where there are frames.
    fn step(&self) -> u32 {
        let frame = match self.store.first().map(|first| first.content) {
            Some(Content::Audio(codec)) => codec.frame().map(|(samples, _)| samples as u32),
            _ => None,
        };
        frame.unwrap_or(self.ticks(STEP_MS))
    }

    /// Nothing waits.
    fn dry(&mut self, need: u32) -> Next {
        if self.ended {
            self.stop();
        }
        if self.cursor.is_none() {
            return Next::Quiet(need);
        }
        let need = self.whole(need);
        self.credit += need;
        if self.credit > self.ticks(PAUSE_MS.min(self.bounds.max_ms)) {
            self.stop();
        }
        Next::Dry(need)
    }

    /// So many ticks in whole frames of what is lost: its decoder makes up no less.
    const fn whole(&self, need: u32) -> u32 {
        if self.frame > 1 { need.div_ceil(self.frame) * self.frame } else { need }
    }

    fn noise(&mut self, out: &mut [u8]) -> Next {
        let sequence = self.store.first().map(|first| first.sequence);
        let octets = self.store.octets();
        let octets = self.store.take(octets, 0, out);
        self.played = sequence.or(self.played);
        self.stop();
        Next::Noise(octets)
    }

    /// Nobody speaks from here on.
    fn stop(&mut self) {
        (self.cursor, self.credit, self.stretch, self.shrink) = (None, 0, 0, 0);
        self.splice = false;
        (self.spare, self.window) = (u32::MAX, WINDOW);
    }

    /// The sender says that nothing more comes: what waits is played, and then nobody speaks.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Forgets all that waits; for the end of a time in which nobody listened.
    pub fn clear(&mut self) {
        self.store.clear();
        self.stop();
        self.played = None;
    }

    /// Leaves out what would have been played in `ticks` that were missed.
    pub fn skip(&mut self, ticks: u32) {
        if let Some(cursor) = &mut self.cursor {
            *cursor = cursor.wrapping_add(ticks);
        }
    }

    /// Time that waits, ticks, gaps included.
    fn waiting(&self) -> u32 {
        match (self.cursor, self.store.end()) {
            (Some(cursor), Some(end)) => end.wrapping_sub(cursor).min(self.ticks(JUMP_MS)),
            _ => self.store.ticks(),
        }
    }

    /// What was made up before the sound that was last given out was not lost: that sound is it.
    pub const fn came_after_all(&self) -> bool {
        self.after_all
    }

    /// Clock of the stream.
    pub const fn clock_hz(&self) -> u32 {
        self.clock_hz
    }

    /// Mean time that waits, ms.
    pub fn waiting_ms(&self) -> f64 {
        f64::from(self.waiting_16) / 16.0
    }

    /// Delay from arrival to play that it keeps at the start of a talkspurt, ms.
    pub const fn delay_ms(&self) -> u32 {
        self.delay_ms
    }

    /// What was not played.
    pub const fn counts(&self) -> JitterCounts {
        self.counts
    }

    fn ticks(&self, ms: u32) -> u32 {
        (u64::from(ms) * u64::from(self.clock_hz) / 1000) as u32
    }

    fn ms(&self, ticks: u32) -> u32 {
        (u64::from(ticks) * 1000 / u64::from(self.clock_hz.max(1))) as u32
    }
}

/// Octets and ticks of a payload to take for `need` ticks: all of it, or whole frames.
fn cut(codec: Codec, octets: usize, ticks: u32, need: u32) -> (usize, u32) {
    if need >= ticks {
        return (octets, ticks);
    }
    match codec.frame() {
        Some((samples, each)) if samples > 0 => {
            let frames = need.div_ceil(samples as u32);
            let taken = frames * samples as u32;
            if taken >= ticks { (octets, ticks) } else { (frames as usize * each, taken) }
        }
        _ => {
            let part = (octets as u64 * u64::from(need) / u64::from(ticks.max(1))) as usize;
            // Samples of 16 bits are not cut in two.
            let linear = matches!(codec, Codec::L16At8k | Codec::L16At16k);
            (if linear { part & !1 } else { part }, need)
        }
    }
}

/// Two seconds, after which what was to spare is judged.
const WINDOW: u32 = 100;
/// Ten seconds without leaving out anything, after something was late.
const HOLD: u32 = 500;
/// Most that is made up at once, where any part could be: with the tick that is due it has room in the queue of a channel.
const WHOLE_MS: u32 = 40;
/// What is left out at once.
const STEP_MS: u32 = 10;
/// Longer gaps are pauses, whether packets are missing or not: by then concealment is silent.
const PAUSE_MS: u32 = 100;
/// A packet that is this far from the cursor is of another time.
const JUMP_MS: u32 = 2000;
/// A late packet counts for five seconds.
const LATE_WEIGHT: u32 = 250;
