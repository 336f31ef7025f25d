//! From relayed packets of G.722 to packets of our own, without noise between: our coders take over from those of the far ends.
//!
//! ```text
//!   what was relayed to an ear ─▶ decoder (as the ear's own) ─┬─▶ shadow: the encoder towards that ear
//!                                                             └─▶ the decoder of the voice it came from
//! ```
//! Shape:  commands do it, before they give a channel a clock, another link or another codec; it decodes 100 ms at most.
//! Left:   the filters of an encoder are 22 samples long, so the sound is 1.4 ms later from there on (ITU-T G.722 §3.1).
//! Errors: none; what was not relayed in G.722 stays as it is.

use dsp::{Batch, g722};

use super::Media;
use crate::channel::Link;

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
        let Some(octets) = channel.relayed.as_deref_mut().and_then(|relayed| relayed.take()) else { return };
        let mut batch = Batch::new(1, octets.len());
        let Ok(ticket) = batch.push(&g722::Decoder::default(), octets) else { return };
        self.kernels.g722.decode(&mut batch, &mut g722::Scratch::new());
        let Some(decoder) = batch.state(ticket).copied() else { return };
        channel.coders.set_g722_encoder(&decoder.shadow(batch.output(ticket)));
        if let Some(voice) = voice.and_then(|voice| self.table.get_mut(voice)) {
            voice.coders.set_g722_decoder(&decoder);
        }
    }
}
