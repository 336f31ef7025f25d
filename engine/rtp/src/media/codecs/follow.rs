//! Decoders of G.722 that follow what was made up for a loss, so that the next frame finds them near the sender's encoder.
//!
//! ```text
//!   frame made up ─▶ encoder in the decoder's place (its shadow) ─▶ octets ─▶ decoder ─▶ its state; the samples are not played
//! ```
//! Shape:  a slot pushes frames, runs them all in lanes, and is done; a channel has at most one in a slot.
//! Memory: at construction, for [`FRAMES_MAX`] frames; what is more does not follow, and has half a decibel more error after it.
//! Errors: none; a channel that is gone is passed over.
//! Source: ITU-T G.722 appendix IV keeps its decoder going in a like way; the gain is measured in `dsp::g722`.

use dsp::{Batch, Kernels, Ticket, g722};

use crate::channel::Coders;
use crate::media::ChannelKey;
use crate::media::table::Table;

/// Losses of a slot: 5 % of 5000 channels with a frame each 20 ms are 12 a slot, twenty times that after a stall.
const FRAMES_MAX: usize = 256;
/// Samples of a frame.
const FRAME: usize = 320;

/// The losses of a slot.
#[derive(Debug)]
pub struct Follow {
    encoders: Batch<g722::Encoder, i16, u8>,
    decoders: Batch<g722::Decoder, u8, i16>,
    frames: Vec<(ChannelKey, Ticket)>,
    after: Vec<(ChannelKey, Ticket)>,
    scratch: Box<g722::Scratch>,
}

impl Follow {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        Self {
            encoders: Batch::new(FRAMES_MAX, FRAMES_MAX * FRAME),
            decoders: Batch::new(FRAMES_MAX, FRAMES_MAX * FRAME),
            frames: Vec::with_capacity(FRAMES_MAX),
            after: Vec::with_capacity(FRAMES_MAX),
            scratch: g722::Scratch::new(),
        }
    }

    /// Takes what was made up for a channel, whose decoder has the shadow `encoder`.
    pub fn push(&mut self, key: ChannelKey, encoder: &g722::Encoder, made: &[i16]) {
        if self.frames.len() < FRAMES_MAX
            && let Ok(ticket) = self.encoders.push(encoder, made)
        {
            self.frames.push((key, ticket));
        }
    }

    /// Lets the decoders in `table` follow.
    pub fn run(&mut self, kernels: &Kernels, table: &mut Table) {
        if self.frames.is_empty() {
            return;
        }
        kernels.g722.encode(&mut self.encoders, &mut self.scratch);
        for (key, ticket) in self.frames.drain(..) {
            let decoder = table.by_key(key).and_then(Coders::g722_decoder);
            if let Some(Ok(ticket)) = decoder.map(|decoder| self.decoders.push(decoder, self.encoders.output(ticket))) {
                self.after.push((key, ticket));
            }
        }
        kernels.g722.decode(&mut self.decoders, &mut self.scratch);
        for (key, ticket) in self.after.drain(..) {
            if let (Some(decoder), Some(after)) = (table.by_key(key).and_then(Coders::g722_decoder), self.decoders.state(ticket)) {
                *decoder = *after;
            }
        }
        self.encoders.clear();
        self.decoders.clear();
    }
}
