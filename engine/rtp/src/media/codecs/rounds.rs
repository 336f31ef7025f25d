//! Frames of codecs that remember: in lanes side by side, but those of one channel one after the other.
//!
//! ```text
//!   round 0: the first frame of each channel ─▶ lanes ─▶ states back      round 1: the second frames ─▶ …
//! ```
//! Shape:  nearly always one round; a channel has two frames in a slot when packets come together.
//! State:  the channel owns it; it is copied into the lanes and back, so a channel closes or changes codec as it likes.
//! Memory: at construction; when more frames come than fit, the lanes run and the rest follows.
//! Errors: none; the frame of a channel that is gone, or has no state of this codec, is left as it is, which is zeros.

use std::ops::Range;

use dsp::{Batch, Ticket};

use crate::channel::Channel;
use crate::media::ChannelKey;
use crate::media::table::Table;

/// Frames run at once; 32 lanes 16 times, by when the cost of a run no longer counts.
const FRAMES_MAX: usize = 512;
/// Values of the longer side of such a frame: 20 ms at 16 kHz.
const FRAME_VALUES: usize = 320;

/// One frame.
#[derive(Debug, Clone)]
struct Frame {
    owner: ChannelKey,
    /// Frames of the same channel before it in this slot.
    round: u16,
    input: Range<usize>,
    output: usize,
}

/// The frames of one codec and direction in a slot.
#[derive(Debug)]
pub(super) struct Rounds<S, I, O> {
    frames: Vec<Frame>,
    rounds: u16,
    batch: Batch<S, I, O>,
    tickets: Vec<(Ticket, usize)>,
    input_max: usize,
}

impl<S: Clone, I: Copy, O: Copy + Default> Rounds<S, I, O> {
    /// Room for `frames_max` frames in a slot. `grows` is how many values come out of one that goes in, at most.
    pub fn new(frames_max: usize, grows: usize) -> Self {
        Self {
            frames: Vec::with_capacity(frames_max),
            rounds: 0,
            batch: Batch::new(FRAMES_MAX, FRAMES_MAX * FRAME_VALUES),
            tickets: Vec::with_capacity(FRAMES_MAX),
            input_max: FRAMES_MAX * FRAME_VALUES / grows.max(1),
        }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.rounds = 0;
    }

    /// Whether so many more frames fit.
    pub fn has_room(&self, frames: usize) -> bool {
        self.frames.len() + frames <= self.frames.capacity()
    }

    /// Adds a frame of `owner`, of which `earlier` came before it in this slot.
    pub fn push(&mut self, owner: ChannelKey, earlier: u16, input: Range<usize>, output: usize) {
        self.rounds = self.rounds.max(earlier + 1);
        self.frames.push(Frame { owner, round: earlier, input, output });
    }

    /// Runs all frames: `state` finds what a channel remembers for a frame, `kernel` runs a batch.
    pub fn run(
        &mut self,
        table: &mut Table,
        input: &[I],
        output: &mut [O],
        state: impl for<'a> Fn(&'a mut Channel, &[I]) -> Option<&'a mut S>,
        mut kernel: impl FnMut(&mut Batch<S, I, O>),
    ) {
        for round in 0..self.rounds {
            let mut taken = 0;
            for (index, frame) in self.frames.iter().enumerate().filter(|(_, frame)| frame.round == round) {
                let Some(values) = input.get(frame.input.clone()) else { continue };
                if self.tickets.len() == FRAMES_MAX || taken + values.len() > self.input_max {
                    flush(&mut self.batch, &mut self.tickets, &self.frames, table, (input, output), &state, &mut kernel);
                    taken = 0;
                }
                let Some(state) = table.by_key(frame.owner).and_then(|channel| state(channel, values)) else { continue };
                if let Ok(ticket) = self.batch.push(state, values) {
                    self.tickets.push((ticket, index));
                    taken += values.len();
                }
            }
            flush(&mut self.batch, &mut self.tickets, &self.frames, table, (input, output), &state, &mut kernel);
        }
    }
}

/// Runs what is in the batch, and hands out what came of it.
fn flush<S: Clone, I: Copy, O: Copy + Default>(
    batch: &mut Batch<S, I, O>,
    tickets: &mut Vec<(Ticket, usize)>,
    frames: &[Frame],
    table: &mut Table,
    (input, output): (&[I], &mut [O]),
    state: &impl for<'a> Fn(&'a mut Channel, &[I]) -> Option<&'a mut S>,
    kernel: &mut impl FnMut(&mut Batch<S, I, O>),
) {
    if batch.is_empty() {
        return;
    }
    kernel(batch);
    for (ticket, index) in tickets.drain(..) {
        let (Some(frame), Some(after)) = (frames.get(index), batch.state(ticket)) else { continue };
        let made = batch.output(ticket);
        if let Some(to) = output.get_mut(frame.output..frame.output + made.len()) {
            to.copy_from_slice(made);
        }
        let values = input.get(frame.input.clone()).unwrap_or_default();
        if let Some(state) = table.by_key(frame.owner).and_then(|channel| state(channel, values)) {
            state.clone_from(after);
        }
    }
    batch.clear();
}
