//! Records a channel to a file that somebody else writes.
//!
//! ```text
//!   Tick { heard, said } ─▶ gate (power, length, pause) ─▶ mix or interleave ─▶ encode ─▶ block ─▶ RecordFile::write
//! ```
//! Shape:  [`Recorder`] is a [`Record`]: a block of half a second is filled in place and handed over whole.
//! Place:  a block carries its place in the file, so what a slow disk refuses, and what a stall of the shard left out, becomes
//!         silence of the same length, and all that follows stays where it belongs.
//! Units:  bytes of samples after the header; power is the root of the mean square of what the far end says.
//! Memory: one block per recording, 32 000 bytes at most (0.5 s × 16 kHz × 2 channels × 2 bytes); 8 KiB of powers at most.
//! Errors: none here; a broken file ends the recording with `finished.error`.

mod power;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use dsp::mix::Limit;

use self::power::Power;
use crate::api::{self, EventAction, RecordChannels, RecordEnd, RecordEvent, RecordEventKind, RecordFormat, Ticket};
use crate::clock::{Next, Rate, Record, TICK_MS, Tick};
use crate::wav::{Header, WriteFormat};

/// Frames of a block: half a second.
const BLOCK_FRAMES: usize = 25;
/// Most samples of a frame.
const FRAME_MAX: usize = Rate::Wide.samples();

/// Where a recording goes: a file that others write. Nothing here waits.
pub trait RecordFile: Debug + Send + Sync {
    /// Its name between the machine and the driver.
    fn ticket(&self) -> Ticket;

    /// Takes the bytes of a block for a place behind the header, and leaves another buffer for the next, with room for
    /// [`block_bytes`] unless the file is behind. False if there is no room for them now: they are lost.
    fn write(&self, place: u64, block: &mut Vec<u8>) -> bool;

    /// The recording is over, with so many bytes of samples. Always taken.
    fn finish(&self, data: u64);

    /// It can no longer be written.
    fn is_broken(&self) -> bool;
}

/// An open file, and what goes into it.
#[derive(Debug, Clone)]
pub struct Sink {
    /// The file.
    pub file: Arc<dyn RecordFile>,
    /// What is written.
    pub header: Header,
    /// Rate of the recording.
    pub rate: Rate,
}

impl PartialEq for Sink {
    fn eq(&self, other: &Self) -> bool {
        self.file.ticket() == other.file.ticket()
    }
}

/// What is kept of the channel now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet: it waits for power.
    Waiting,
    /// All.
    Keeping,
    /// Nothing any more.
    Ended(RecordEnd),
}

/// A recording.
#[derive(Debug)]
pub struct Recorder {
    file: Arc<dyn RecordFile>,
    name: Arc<str>,
    header: Header,
    rate: Rate,
    start_above: Option<u16>,
    finish_below: Option<u16>,
    min_ticks: u64,
    max_ticks: Option<u64>,
    state: State,
    paused: bool,
    power: Power,
    /// Ticks kept.
    ticks: u64,
    /// The block being filled, and where it belongs.
    block: Vec<u8>,
    place: u64,
    lost_ms: u64,
    /// Events to be told, oldest first.
    news: heapless::Deque<RecordEventKind, 4>,
}

/// The header of a recording of a channel that sends `codec` (its name in the statistics).
pub fn header(record: &api::Record, codec: &str, rate: Rate) -> Header {
    let format = match (record.format, codec) {
        (RecordFormat::Pcma, _) | (RecordFormat::Wire, "PCMA") => WriteFormat::Alaw,
        (RecordFormat::Pcmu, _) | (RecordFormat::Wire, "PCMU") => WriteFormat::Ulaw,
        (RecordFormat::Pcm16 | RecordFormat::Wire, _) => WriteFormat::Pcm16,
    };
    Header { format, rate_hz: rate.hz(), channels: record.channels.count() }
}

/// Bytes of a whole block.
pub const fn block_bytes(header: &Header) -> usize {
    BLOCK_FRAMES * (header.rate_hz / 50) as usize * header.frame_bytes()
}

impl Recorder {
    /// Records what `record` asks for.
    pub fn new(record: &api::Record, Sink { file, header, rate }: Sink) -> Self {
        let ticks = |ms: u32| u64::from(ms.div_ceil(TICK_MS));
        let mut recorder = Self {
            name: Arc::clone(&record.file),
            block: Vec::with_capacity(block_bytes(&header)),
            file,
            header,
            rate,
            start_above: record.start_above_power,
            finish_below: record.finish_below_power,
            min_ticks: ticks(record.min_ms),
            max_ticks: record.max_ms.map(ticks),
            state: State::Waiting,
            paused: record.pause == Some(true),
            power: Power::new(record.average_frames),
            ticks: 0,
            place: 0,
            lost_ms: 0,
            news: heapless::Deque::new(),
        };
        if recorder.start_above.is_none() {
            recorder.begin(RecordEventKind::Recording);
        }
        recorder
    }

    fn begin(&mut self, kind: RecordEventKind) {
        self.state = State::Keeping;
        self.tell(kind);
    }

    /// Room for four: a recording begins once and ends once.
    fn tell(&mut self, kind: RecordEventKind) {
        let _ = self.news.push_back(kind);
    }

    /// Hands the block over, full or not.
    fn hand_over(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let len = self.block.len() as u64;
        if !self.file.write(self.place, &mut self.block) {
            self.lost_ms += len / self.header.frame_bytes() as u64 * 1000 / u64::from(self.rate.hz());
        }
        self.place += len;
        self.block.clear();
        // There already, but where the file is behind.
        self.block.reserve(block_bytes(&self.header));
    }

    /// Silence for ticks that were left out: the file has it where nothing is written.
    fn leave_out(&mut self, ticks: u32) {
        if ticks > 0 {
            self.hand_over();
            self.place += u64::from(ticks) * (self.rate.samples() * self.header.frame_bytes()) as u64;
            self.ticks += u64::from(ticks);
        }
    }

    fn keep(&mut self, tick: &Tick<'_>) {
        let count = tick.heard.len().min(tick.said.len()).min(FRAME_MAX);
        let (Some(heard), Some(said)) = (tick.heard.get(..count), tick.said.get(..count)) else { return };
        let mut samples = [0; 2 * FRAME_MAX];
        if self.header.channels == RecordChannels::Stereo.count() {
            for (pair, (left, right)) in samples.as_chunks_mut::<2>().0.iter_mut().zip(heard.iter().zip(said)) {
                *pair = [*left, *right];
            }
            self.append(samples.get(..2 * count).unwrap_or_default(), tick);
        } else {
            let mut sum = [0; FRAME_MAX];
            if let (Some(sum), Some(out)) = (sum.get_mut(..count), samples.get_mut(..count)) {
                tick.kernels.mix.add(sum, heard);
                tick.kernels.mix.add(sum, said);
                tick.kernels.mix.only(Limit::Saturate, sum, out);
            }
            self.append(samples.get(..count).unwrap_or_default(), tick);
        }
        self.ticks += 1;
        if self.block.len() >= block_bytes(&self.header) {
            self.hand_over();
        }
    }

    fn append(&mut self, samples: &[i16], tick: &Tick<'_>) {
        let start = self.block.len();
        self.block.resize(start + samples.len() * self.header.format.encoding().unit().0, 0);
        let Some(out) = self.block.get_mut(start..) else { return };
        match self.header.format {
            WriteFormat::Pcm16 => {
                for (pair, sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(samples) {
                    *pair = sample.to_le_bytes();
                }
            }
            WriteFormat::Alaw => tick.kernels.g711.alaw_encode(samples, out),
            WriteFormat::Ulaw => tick.kernels.g711.ulaw_encode(samples, out),
        }
    }

    /// Why it is over after this tick, if it is.
    fn over(&self) -> Option<RecordEnd> {
        let next_end = self.place + (self.block.len() + 2 * block_bytes(&self.header)) as u64;
        if self.file.is_broken() {
            Some(RecordEnd::Error)
        } else if self.max_ticks.is_some_and(|max| self.ticks >= max) || next_end > Header::MAX_DATA {
            Some(RecordEnd::Timeout)
        } else if self.finish_below.is_some_and(|mark| self.ticks >= self.min_ticks && self.power.is_below(mark)) {
            Some(RecordEnd::BelowPower)
        } else {
            None
        }
    }
}

impl Record for Recorder {
    fn rate(&self) -> Rate {
        self.rate
    }

    fn tick(&mut self, tick: &Tick<'_>) -> Next {
        if let State::Ended(_) = self.state {
            return Next::Ended;
        }
        if !self.paused {
            self.power.add(tick.kernels.meter.energy(tick.heard));
            if let (State::Waiting, Some(mark)) = (self.state, self.start_above)
                && self.power.is_above(mark)
            {
                // Power from now on decides about the end, not what was loud enough to begin.
                self.power.forget();
                self.begin(RecordEventKind::AbovePower);
            } else if self.state == State::Keeping {
                self.leave_out(tick.missed);
            }
            if self.state == State::Keeping {
                self.keep(tick);
            }
            if let Some(end) = self.over() {
                self.end(end);
                return Next::Ended;
            }
        }
        if self.news.is_empty() { Next::Goes } else { Next::GoesWithNews }
    }

    fn file(&self) -> &Arc<str> {
        &self.name
    }

    fn pause(&mut self, pause: bool) {
        self.paused = pause;
    }

    fn end(&mut self, reason: RecordEnd) {
        if let State::Ended(_) = self.state {
            return;
        }
        self.hand_over();
        self.state = State::Ended(reason);
        self.file.finish(self.place);
        self.tell(RecordEventKind::Finished(reason));
    }

    fn event(&mut self) -> Option<EventAction> {
        let kind = self.news.pop_front()?;
        let filesize = matches!(kind, RecordEventKind::Finished(_)).then(|| self.header.len() as u64 + self.place);
        let event = RecordEvent {
            file: Arc::clone(&self.name),
            kind,
            filesize,
            lost_ms: if filesize.is_some() { self.lost_ms } else { 0 },
            ticket: self.file.ticket(),
            detail: None,
        };
        Some(EventAction::Record(Box::new(event)))
    }
}

impl Drop for Recorder {
    /// A channel that goes in silence leaves no file open.
    fn drop(&mut self) {
        self.end(RecordEnd::ChannelClosed);
    }
}
