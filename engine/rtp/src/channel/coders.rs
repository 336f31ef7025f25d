//! What the codecs of a channel remember between frames.
//!
//! Shape:  plain values, copied into lanes and back by `media::codecs`; no memory of their own.
//! Life:   a decoder starts anew with each source, since a new source is a new encoder. The encoder never does: the far
//!         end's decoder goes on from what it heard.
//! Errors: none.

use dsp::g722;

use super::Channel;

/// States of one channel.
#[derive(Debug, Clone, Default)]
pub struct Coders {
    g722_decoder: g722::Decoder,
    g722_encoder: g722::Encoder,
    /// Stream that the decoders are of.
    epoch: u32,
    decoding: Turns,
    encoding: Turns,
}

/// Frames of a channel in the batch of a slot.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    slot: u64,
    count: u16,
}

impl Turns {
    const fn next(&mut self, slot: u64) -> u16 {
        if self.slot != slot {
            *self = Self { slot, count: 0 };
        }
        let earlier = self.count;
        self.count = earlier.saturating_add(1);
        earlier
    }
}

impl Coders {
    /// Says which stream comes next; another one than before resets the decoders.
    pub fn listen(&mut self, epoch: u32) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.g722_decoder = g722::Decoder::default();
        }
    }

    /// Frames to decode that were pushed before in this slot; counts one more.
    pub const fn decodes(&mut self, slot: u64) -> u16 {
        self.decoding.next(slot)
    }

    /// Frames to encode that were pushed before in this slot; counts one more.
    pub const fn encodes(&mut self, slot: u64) -> u16 {
        self.encoding.next(slot)
    }

    /// The decoder of a channel.
    pub const fn g722_decoder(channel: &mut Channel) -> &mut g722::Decoder {
        &mut channel.coders.g722_decoder
    }

    /// The encoder of a channel.
    pub const fn g722_encoder(channel: &mut Channel) -> &mut g722::Encoder {
        &mut channel.coders.g722_encoder
    }
}
