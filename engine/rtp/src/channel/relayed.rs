//! What a far end heard lately of a codec that remembers, as it was relayed to it: so that our encoder can go on from there.
//!
//! ```text
//!   packets relayed ─▶ the last 100 ms of them ─ a clock begins, or the relay ends ─▶ decoder ─▶ its shadow is our encoder
//! ```
//! Why:    a relay decodes nothing, so our encoder knows nothing of where the far end's decoder is, and its first frames would be
//!         heard as noise. What lies longer ago than 100 ms has faded from either by then.
//! Shape:  octets of G.722, 64 kbit/s, or frames of iLBC, in a box of channels whose far end takes one of them; kept at the cost of a
//!         copy of 160 octets a packet at most.
//! Source: ITU-T G.722 §3.5, §3.6: the leakage of step sizes (127/128 a sample) and predictors (255/256) of a band at 8 kHz;
//!         RFC 3951 §4.6: the enhancer looks 80 ms back.
//! Errors: none.

use crate::format::Codec;

/// 100 ms of G.722.
const KEPT: usize = 800;
/// With room for two packets of 20 ms, so that only every second one moves the rest.
const ROOM: usize = KEPT + 320;
/// 120 ms of iLBC.
const ILBC_MS: usize = 120;

/// The octets.
#[derive(Debug, Clone)]
pub struct Relayed {
    codec: Codec,
    octets: [u8; ROOM],
    len: usize,
}

impl Relayed {
    /// Nothing was relayed.
    pub const fn new() -> Self {
        Self { codec: Codec::G722, octets: [0; ROOM], len: 0 }
    }

    /// A payload was relayed; what was of another codec is forgotten, and so is what makes no whole frame.
    pub fn push(&mut self, codec: Codec, payload: &[u8]) {
        if self.codec != codec {
            (self.codec, self.len) = (codec, 0);
        }
        let payload = payload.get(..payload.len() / frame(codec) * frame(codec)).unwrap_or_default();
        let payload = payload.get(payload.len().saturating_sub(KEPT)..).unwrap_or_default();
        if self.len + payload.len() > self.octets.len() {
            let from = (self.len + payload.len()).saturating_sub(KEPT).min(self.len);
            self.octets.copy_within(from..self.len, 0);
            self.len -= from;
        }
        if let Some(room) = self.octets.get_mut(self.len..self.len + payload.len()) {
            room.copy_from_slice(payload);
            self.len += payload.len();
        }
    }

    /// The last of what was relayed, in whole frames, and forgets it; none if nothing was.
    pub fn take(&mut self) -> Option<(Codec, &[u8])> {
        let len = std::mem::take(&mut self.len);
        let kept = match self.codec {
            Codec::Ilbc(mode) => ILBC_MS * 8 / mode.samples() * mode.octets(),
            _ => KEPT,
        };
        let kept = kept.min(len) / frame(self.codec) * frame(self.codec);
        self.octets.get(len - kept..len).filter(|octets| !octets.is_empty()).map(|octets| (self.codec, octets))
    }
}

/// Octets that belong together.
fn frame(codec: Codec) -> usize {
    codec.frame().map_or(1, |(_, octets)| octets)
}

#[cfg(test)]
mod tests {
    use dsp::ilbc::Mode;

    use super::*;

    #[test]
    fn the_last_of_any_payloads_is_kept() {
        for len in [1, 80, 160, 161, 480, 799, 800, 801, 1400] {
            let mut relayed = Relayed::new();
            let mut all = Vec::new();
            for n in 0..30 {
                let payload: Vec<u8> = (0..len).map(|k| (n * 7 + k) as u8).collect();
                relayed.push(Codec::G722, &payload);
                all.extend(payload);
                let mut copy = relayed.clone();
                assert_eq!(copy.take(), Some((Codec::G722, &all[all.len().saturating_sub(KEPT)..])), "{len}, {n}");
                assert_eq!(copy.take(), None);
            }
        }
    }

    #[test]
    fn frames_of_ilbc_are_kept_whole_and_those_of_another_codec_are_forgotten() {
        for mode in [Mode::Ms20, Mode::Ms30] {
            let (mut relayed, mut all) = (Relayed::new(), Vec::new());
            relayed.push(Codec::G722, &[7; 160]);
            for n in 0..100u8 {
                let payload: Vec<u8> = (0..mode.octets() as u8 * (1 + n % 3)).map(|k| n ^ k).collect();
                // Something that is no frame comes with some.
                relayed.push(Codec::Ilbc(mode), &[&payload[..], &[0; 30][..usize::from(n % 2) * 30]].concat());
                all.extend(payload);
                let (codec, kept) = relayed.clone().take().map(|(codec, octets)| (codec, octets.to_vec())).unwrap();
                assert_eq!(codec, Codec::Ilbc(mode));
                assert!(all.ends_with(&kept) && kept.len() % mode.octets() == 0);
                assert_eq!(kept.len() / mode.octets() * mode.samples(), (all.len() / mode.octets() * mode.samples()).min(960), "{n}");
            }
        }
    }
}
