//! What the codecs of a channel remember between frames.
//!
//! Shape:  plain values, copied into lanes and back by `media::codecs`; G.722's are here, iLBC's in a box made by commands.
//! Sizes:  a decoder of iLBC begins anew with a frame of the other size, when it is that frame's turn.
//! Life:   a decoder starts anew with each source, since a new source is a new encoder. The encoder never does: the far
//!         end's decoder goes on from what it heard, and where that was relayed, the encoder is made to (`media::relayed`).
//! Errors: none.

use dsp::ilbc::Mode;
use dsp::{g722, ilbc};

use super::Channel;

/// States of one channel.
#[derive(Debug, Clone, Default)]
pub struct Coders {
    g722_decoder: g722::Decoder,
    g722_encoder: g722::Encoder,
    ilbc: Option<Box<Ilbc>>,
    /// Stream that the decoders are of.
    epoch: u32,
    decoding: Turns,
    encoding: Turns,
}

/// States of iLBC, 5.4 KiB: only channels have them whose far end takes it.
#[derive(Debug, Clone)]
struct Ilbc {
    decoder: ilbc::Decoder,
    encoder: ilbc::Encoder,
}

/// How often something of a channel happened in a slot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turns {
    slot: u64,
    count: u16,
}

impl Turns {
    /// How often it did before; counts one more. Slots are told apart by their number, which is never 0.
    pub const fn next(&mut self, slot: u64) -> u16 {
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
            self.forget();
        }
    }

    /// Resets the decoders: what they decode next follows on nothing that they know.
    pub fn forget(&mut self) {
        self.g722_decoder = g722::Decoder::default();
        if let Some(ilbc) = &mut self.ilbc {
            ilbc.decoder = ilbc::Decoder::new(ilbc.decoder.mode());
        }
    }

    /// Another shard goes on with it, and counts slots of its own.
    pub fn settle(&mut self) {
        (self.decoding, self.encoding) = (Turns::default(), Turns::default());
    }

    /// Makes room for iLBC that is sent in this mode, or gives it back. For commands: it allocates.
    pub fn provide_ilbc(&mut self, mode: Option<Mode>) {
        match (mode, &mut self.ilbc) {
            (None, _) => self.ilbc = None,
            (Some(mode), Some(ilbc)) if ilbc.encoder.mode() == mode => {}
            // What comes goes on in the old mode until the far end has heard of it.
            (Some(mode), Some(ilbc)) => ilbc.encoder = ilbc::Encoder::new(mode),
            (Some(mode), None) => {
                self.ilbc = Some(Box::new(Ilbc { decoder: ilbc::Decoder::new(mode), encoder: ilbc::Encoder::new(mode) }));
            }
        }
    }

    /// Whether frames of this mode can be encoded.
    pub fn encodes_ilbc(&self, mode: Mode) -> bool {
        self.ilbc.as_ref().is_some_and(|ilbc| ilbc.encoder.mode() == mode)
    }

    /// Whether frames of either mode can be decoded.
    pub const fn decodes_ilbc(&self) -> bool {
        self.ilbc.is_some()
    }

    /// Frames to decode that were pushed before in this slot; counts one more.
    pub const fn decodes(&mut self, slot: u64) -> u16 {
        self.decoding.next(slot)
    }

    /// Frames to encode that were pushed before in this slot; counts one more.
    pub const fn encodes(&mut self, slot: u64) -> u16 {
        self.encoding.next(slot)
    }

    /// The decoder of G.722.
    pub const fn g722(&self) -> &g722::Decoder {
        &self.g722_decoder
    }

    /// Takes the decoder of G.722 back to where it was.
    pub const fn set_g722_decoder(&mut self, decoder: &g722::Decoder) {
        self.g722_decoder = *decoder;
    }

    /// Lets the encoder of G.722 go on elsewhere.
    pub const fn set_g722_encoder(&mut self, encoder: &g722::Encoder) {
        self.g722_encoder = *encoder;
    }

    /// Lets the encoder of iLBC go on elsewhere, if there is one of this mode.
    pub fn set_ilbc_encoder(&mut self, encoder: &ilbc::Encoder) {
        if let Some(ilbc) = self.ilbc.as_mut().filter(|ilbc| ilbc.encoder.mode() == encoder.mode()) {
            ilbc.encoder = *encoder;
        }
    }

    /// Lets the decoder of iLBC go on elsewhere, if there is one.
    pub fn set_ilbc_decoder(&mut self, decoder: &ilbc::Decoder) {
        if let Some(ilbc) = &mut self.ilbc {
            ilbc.decoder = *decoder;
        }
    }

    /// The decoder of a channel.
    pub const fn g722_decoder(channel: &mut Channel) -> Option<&mut g722::Decoder> {
        Some(&mut channel.coders.g722_decoder)
    }

    /// The encoder of a channel.
    pub const fn g722_encoder(channel: &mut Channel) -> Option<&mut g722::Encoder> {
        Some(&mut channel.coders.g722_encoder)
    }

    /// The decoder of a channel that has one, as it is for this frame.
    pub fn ilbc_decoder<'a>(channel: &'a mut Channel, frame: &[u8]) -> Option<&'a mut ilbc::Decoder> {
        let decoder = &mut channel.coders.ilbc.as_mut()?.decoder;
        let mode = [Mode::Ms20, Mode::Ms30].into_iter().find(|mode| mode.octets() == frame.len());
        if let Some(other) = mode.filter(|mode| *mode != decoder.mode()) {
            *decoder = ilbc::Decoder::new(other);
        }
        Some(decoder)
    }

    /// The encoder of a channel that has one.
    pub fn ilbc_encoder(channel: &mut Channel) -> Option<&mut ilbc::Encoder> {
        channel.coders.ilbc.as_mut().map(|ilbc| &mut ilbc.encoder)
    }
}
