//! Faults put into the told packets on purpose: to see what the switch makes of them, and that what checks them finds them.
//!
//! ```text
//!   packet ─▶ [Judge::judge] ─▶ Fate: lost? twice? corrupt? so many slots later ─▶ sent ─▶ PutIn, counted as it leaves
//! ```
//! Shape:  each fault in parts of a million, drawn from a seeded generator: the same seed does the same.
//! Units:  parts of a million; delay in slots of 1 ms.
//! Errors: none.
//! Note:   a packet held back by more than its ptime is overtaken: that is how reorder is made. Whether it was is seen as it leaves.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// How often what happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Packets that are not sent.
    pub loss_ppm: u32,
    /// Packets that are sent twice.
    pub duplicate_ppm: u32,
    /// Packets of which one octet is changed.
    pub corrupt_ppm: u32,
    /// Packets sent 45 ms late: behind the next two of a ptime of 20 ms.
    pub reorder_ppm: u32,
    /// All others are sent up to so many slots late.
    pub jitter_slots: u32,
}

impl Faults {
    /// Whether there are any.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// How long a packet is held that is to be overtaken.
pub const REORDER_SLOTS: u32 = 45;

/// What becomes of one packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// Not sent.
    pub lost: bool,
    /// Sent once more.
    pub twice: bool,
    /// One octet changed.
    pub corrupt: bool,
    /// Slots it is held.
    pub delay_slots: u32,
}

/// Draws fates.
#[derive(Debug)]
pub struct Judge {
    faults: Faults,
    rng: ChaCha12Rng,
}

/// What was done to the packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutIn {
    /// Not sent.
    pub lost: u64,
    /// Sent twice.
    pub twice: u64,
    /// Changed.
    pub corrupt: u64,
    /// Sent after a later one.
    pub overtaken: u64,
    /// Held back, those included.
    pub held: u64,
}

impl PutIn {
    /// Whether anything was.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl Judge {
    /// The same seed gives the same fates.
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: ChaCha12Rng::seed_from_u64(seed) }
    }

    /// Fate of the next packet.
    pub fn judge(&mut self) -> Fate {
        let faults = self.faults;
        if !faults.any() {
            return Fate::default();
        }
        let mut draw = |ppm: u32| self.rng.next_u32() % 1_000_000 < ppm;
        if draw(faults.loss_ppm) {
            return Fate { lost: true, ..Fate::default() };
        }
        let (twice, corrupt, overtaken) = (draw(faults.duplicate_ppm), draw(faults.corrupt_ppm), draw(faults.reorder_ppm));
        let jitter = if faults.jitter_slots == 0 { 0 } else { self.rng.next_u32() % (faults.jitter_slots + 1) };
        Fate { lost: false, twice, corrupt, delay_slots: if overtaken { REORDER_SLOTS } else { jitter } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_asked_and_again_with_the_same_seed() {
        let faults = Faults { loss_ppm: 100_000, duplicate_ppm: 50_000, jitter_slots: 3, ..Faults::default() };
        let mut judge = Judge::new(faults, 7);
        let fates: Vec<Fate> = (0..10_000).map(|_| judge.judge()).collect();
        let count = |which: fn(&Fate) -> bool| fates.iter().filter(|fate| which(fate)).count();
        assert!(count(|fate| fate.lost).abs_diff(1000) < 100 && count(|fate| fate.twice).abs_diff(450) < 80);
        assert!(fates.iter().all(|fate| fate.delay_slots <= 3 && !fate.corrupt));
        let mut again = Judge::new(faults, 7);
        assert!(fates.iter().all(|fate| again.judge() == *fate));
        assert_eq!(Judge::new(Faults::default(), 7).judge(), Fate::default());
    }
}
