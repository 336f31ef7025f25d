//! From relayed packets of G.722 or iLBC to packets of our own, without noise between: our coders take over from those of the far ends.
//!
//! ```text
//!   what was relayed to an ear ─▶ decoder (as the ear's own) ─┬─▶ shadow, or what says it once more: the encoder towards that ear
//!                                                             └─▶ the decoder of the voice it came from
//! ```
//! Shape:  commands do it, before they give a channel a clock, another link or another codec; it decodes 120 ms at most.
//! Left:   the filters of an encoder are 22 samples long, so the sound is 1.4 ms later from there on (ITU-T G.722 §3.1); that of iLBC
//!         by the delay of its decoder, 5 or 10 ms (RFC 3951 §4.6).
//! Errors: none; what was not relayed in these stays as it is.

use dsp::ilbc::{self, Mode};
use dsp::{Batch, Kernels, g722};

use super::Media;
use crate::channel::Link;
use crate::format::Codec;

impl Media {
    /// Lets the coders of both of a pair go on where its packets are.
    pub(super) fn catch_up_pair(&mut self, slot: u32) {
        if let Some(Link::Peer(peer)) = self.table.get(slot).map(|channel| channel.link) {
            self.catch_up(slot, Some(peer));
            self.catch_up(peer, Some(slot));
        }
    }

    /// Lets the encoder towards `ear`, and the decoder of the voice that it heard, go on after what was relayed.
    pub(super) fn catch_up(&mut self, ear: u32, voice: Option<u32>) {
        let Some(channel) = self.table.get_mut(ear) else { return };
        let Some((codec, octets)) = channel.relayed.as_deref_mut().and_then(|relayed| relayed.take()) else { return };
        match codec {
            Codec::G722 => {
                let mut batch = Batch::new(1, octets.len());
                let Ok(ticket) = batch.push(&g722::Decoder::default(), octets) else { return };
                self.kernels.g722.decode(&mut batch, &mut g722::Scratch::new());
                let Some(decoder) = batch.state(ticket).copied() else { return };
                channel.coders.set_g722_encoder(&decoder.shadow(batch.output(ticket)));
                if let Some(voice) = voice.and_then(|voice| self.table.get_mut(voice)) {
                    voice.coders.set_g722_decoder(&decoder);
                }
            }
            Codec::Ilbc(mode) => {
                let (decoder, encoder) = heard_in_ilbc(&self.kernels, mode, octets);
                channel.coders.set_ilbc_encoder(&encoder);
                if let Some(voice) = voice.and_then(|voice| self.table.get_mut(voice)) {
                    voice.coders.set_ilbc_decoder(&decoder);
                }
            }
            Codec::Pcmu | Codec::Pcma | Codec::L16At8k | Codec::L16At16k | Codec::Opaque { .. } => {}
        }
    }
}

/// A decoder that heard some frames, and an encoder that said what it heard.
fn heard_in_ilbc(kernels: &Kernels, mode: Mode, octets: &[u8]) -> (ilbc::Decoder, ilbc::Encoder) {
    let (mut decoder, mut encoder) = (ilbc::Decoder::new(mode), ilbc::Encoder::new(mode));
    let mut hears = Batch::new(1, mode.samples());
    let mut says = Batch::new(1, mode.samples());
    for frame in octets.chunks_exact(mode.octets()) {
        hears.clear();
        says.clear();
        let Ok(heard) = hears.push(&decoder, frame) else { break };
        kernels.ilbc.decode(&mut hears);
        let Ok(said) = says.push(&encoder, hears.output(heard)) else { break };
        kernels.ilbc.encode(&mut says);
        if let (Some(after), Some(said)) = (hears.state(heard), says.state(said)) {
            (decoder, encoder) = (*after, *said);
        }
    }
    (decoder, encoder)
}
