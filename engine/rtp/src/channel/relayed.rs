//! What a far end heard lately of a codec that remembers, as it was relayed to it: so that our encoder can go on from there.
//!
//! ```text
//!   packets relayed ─▶ the last 100 ms of them ─ a clock begins, or the relay ends ─▶ decoder ─▶ its shadow is our encoder
//! ```
//! Why:    a relay decodes nothing, so our encoder knows nothing of where the far end's decoder is, and its first frames would be
//!         heard as noise. What lies longer ago than 100 ms has faded from either by then.
//! Shape:  octets of G.722, 64 kbit/s, in a box of channels whose far end takes it; kept at the cost of a copy of 160 octets a packet.
//! Source: ITU-T G.722 §3.5, §3.6: the leakage of step sizes (127/128 a sample) and predictors (255/256) of a band at 8 kHz.
//! Errors: none.

/// 100 ms.
const KEPT: usize = 800;
/// With room for two packets of 20 ms, so that only every second one moves the rest.
const ROOM: usize = KEPT + 320;

/// The octets.
#[derive(Debug, Clone)]
pub struct Relayed {
    octets: [u8; ROOM],
    len: usize,
}

impl Relayed {
    /// Nothing was relayed.
    pub const fn new() -> Self {
        Self { octets: [0; ROOM], len: 0 }
    }

    /// A payload was relayed.
    pub fn push(&mut self, payload: &[u8]) {
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

    /// The last of what was relayed, and forgets it; none if nothing was.
    pub fn take(&mut self) -> Option<&[u8]> {
        let len = std::mem::take(&mut self.len);
        self.octets.get(len.saturating_sub(KEPT)..len).filter(|octets| !octets.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_any_payloads_is_kept() {
        for len in [1, 80, 160, 161, 480, 799, 800, 801, 1400] {
            let mut relayed = Relayed::new();
            let mut all = Vec::new();
            for n in 0..30 {
                let payload: Vec<u8> = (0..len).map(|k| (n * 7 + k) as u8).collect();
                relayed.push(&payload);
                all.extend(payload);
                let mut copy = relayed.clone();
                assert_eq!(copy.take(), Some(&all[all.len().saturating_sub(KEPT)..]), "{len}, {n}");
                assert_eq!(copy.take(), None);
            }
        }
    }
}
