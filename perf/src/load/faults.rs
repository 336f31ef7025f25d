//! Faults put into the told packets on purpose, so that what checks them can itself be checked.
//!
//! ```text
//!   packet ─▶ [Faults::judge] ─▶ Fate: lost? twice? corrupt? so many slots later
//! ```
//! Shape:  each fault in parts of a thousand, drawn from a seeded generator: the same seed does the same.
//! Units:  per mille; delay in slots of 1 ms.
//! Errors: none.
//! Note:   a packet held back by more than its ptime is overtaken: that is how reorder is made.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// How often what happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Packets that are not sent.
    pub loss_permille: u32,
    /// Packets that are sent twice.
    pub duplicate_permille: u32,
    /// Packets of which one octet is changed.
    pub corrupt_permille: u32,
    /// Packets sent 45 ms late: behind the next two of a ptime of 20 ms.
    pub reorder_permille: u32,
    /// All others are sent up to so many slots late.
    pub jitter_slots: u32,
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
    /// Overtaken.
    pub overtaken: bool,
    /// Slots it is held.
    pub delay_slots: u32,
}

/// Draws fates.
#[derive(Debug)]
pub struct Judge {
    faults: Faults,
    rng: ChaCha12Rng,
    /// Told how often each was drawn.
    pub drawn: Drawn,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Not sent.
    pub lost: u64,
    /// Sent twice.
    pub twice: u64,
    /// Changed.
    pub corrupt: u64,
    /// Overtaken.
    pub overtaken: u64,
}

impl Judge {
    /// The same seed gives the same fates.
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: ChaCha12Rng::seed_from_u64(seed), drawn: Drawn::default() }
    }

    /// Fate of the next packet.
    pub fn judge(&mut self) -> Fate {
        if self.faults == Faults::default() {
            return Fate::default();
        }
        let mut draw = |permille: u32| self.rng.next_u32() % 1000 < permille;
        let faults = self.faults;
        if draw(faults.loss_permille) {
            self.drawn.lost += 1;
            return Fate { lost: true, ..Fate::default() };
        }
        let (twice, corrupt, overtaken) = (draw(faults.duplicate_permille), draw(faults.corrupt_permille), draw(faults.reorder_permille));
        let jitter = if faults.jitter_slots == 0 { 0 } else { self.rng.next_u32() % (faults.jitter_slots + 1) };
        self.drawn.twice += u64::from(twice);
        self.drawn.corrupt += u64::from(corrupt);
        self.drawn.overtaken += u64::from(overtaken);
        Fate { lost: false, twice, corrupt, overtaken, delay_slots: if overtaken { REORDER_SLOTS } else { jitter } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_asked_and_again_with_the_same_seed() {
        let faults = Faults { loss_permille: 100, duplicate_permille: 50, jitter_slots: 3, ..Faults::default() };
        let mut judge = Judge::new(faults, 7);
        let fates: Vec<Fate> = (0..10_000).map(|_| judge.judge()).collect();
        assert!(judge.drawn.lost.abs_diff(1000) < 100 && judge.drawn.twice.abs_diff(450) < 80, "{:?}", judge.drawn);
        assert!(fates.iter().all(|fate| fate.delay_slots <= 3 && !fate.corrupt));
        let mut again = Judge::new(faults, 7);
        assert!(fates.iter().all(|fate| again.judge() == *fate));
        assert_eq!(Judge::new(Faults::default(), 7).judge(), Fate::default());
    }
}
