//! Which nonce counts of which nonces were used, so that a captured request cannot be played again.
//!
//! ```text
//!   nonce id ──► { highest nc, bitmap of the 64 below }      oldest nonce leaves first; what it leaves behind is a floor
//! ```
//! Shape:  at most `nonces_max` entries of 32 bytes (id 16, window 16), 56 with the tree; an entry is made only by a right password.
//! Errors: none; `false` means "used before, or too old to know".
//! Why a floor: a nonce pushed out could be played again. Everything issued before the youngest one pushed out and not in
//! the table is refused as stale instead, which costs an honest phone one more round trip.
//! Source: RFC 7616 §3.4 (`nc`), §5.5 and §5.12 (replay).

use std::collections::BTreeMap;

use super::nonce::Opened;

/// How many counts below the highest may still come: requests of one phone may overtake each other.
const WINDOW: u32 = 64;

#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    /// Bit n: `highest - n` was used.
    used: u64,
}

/// The table.
pub(super) struct ReplayTable {
    /// An id starts with its time of issue, so they are in order of age.
    windows: BTreeMap<u128, Window>,
    nonces_max: usize,
    floor_ms: Option<u64>,
}

impl ReplayTable {
    pub fn new(nonces_max: usize) -> Self {
        Self { windows: BTreeMap::new(), nonces_max: nonces_max.max(1), floor_ms: None }
    }

    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Takes a count if it is new. Call it only when the digest is right.
    pub fn take(&mut self, nonce: Opened, nc: u32) -> bool {
        if let Some(window) = self.windows.get_mut(&nonce.id) {
            return window.take(nc);
        }
        if self.floor_ms.is_some_and(|floor| nonce.issued_ms <= floor) {
            return false;
        }
        if self.windows.len() >= self.nonces_max
            && let Some((&oldest, _)) = self.windows.first_key_value()
        {
            if issued_ms(oldest) >= nonce.issued_ms {
                return false;
            }
            self.windows.pop_first();
            self.floor_ms = Some(issued_ms(oldest));
        }
        self.windows.insert(nonce.id, Window { highest: nc, used: 1 });
        true
    }

    /// Forgets nonces issued before `limit_ms`; their age alone refuses them from now on.
    pub fn forget_before(&mut self, limit_ms: u64) {
        while let Some(oldest) = self.windows.first_entry()
            && issued_ms(*oldest.key()) < limit_ms
        {
            oldest.remove();
        }
    }
}

impl Window {
    fn take(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            self.used = self.used.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let back = self.highest - nc;
        if back >= WINDOW || self.used & (1 << back) != 0 {
            return false;
        }
        self.used |= 1 << back;
        true
    }
}

fn issued_ms(id: u128) -> u64 {
    u64::try_from(id >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(issued_ms: u64, random: u64) -> Opened {
        Opened { id: u128::from(issued_ms) << 64 | u128::from(random), issued_ms }
    }

    #[test]
    fn a_count_is_good_once_in_any_order() {
        let mut table = ReplayTable::new(4);
        let n = nonce(5, 1);
        for nc in [1, 3, 2, 70, 7, 69] {
            assert!(table.take(n, nc), "{nc}");
        }
        for nc in [1, 2, 3, 7, 69, 70, 5] {
            assert!(!table.take(n, nc), "{nc}");
        }
        assert!(table.take(n, u32::MAX));
        assert!(!table.take(n, 71));
    }

    #[test]
    fn a_nonce_pushed_out_cannot_come_back() {
        let mut table = ReplayTable::new(2);
        for (time, random) in [(1, 1), (2, 2), (3, 3)] {
            assert!(table.take(nonce(time, random), 1));
        }
        assert_eq!(table.len(), 2);
        assert!(!table.take(nonce(1, 1), 2));
        // One that was issued as early but never used cannot be told from one that was: refused, and asked again.
        assert!(!table.take(nonce(1, 9), 1));
        assert!(table.take(nonce(3, 4), 1));
    }

    #[test]
    fn a_full_table_refuses_what_is_older_than_all_it_holds() {
        let mut table = ReplayTable::new(1);
        assert!(table.take(nonce(10, 1), 1));
        assert!(!table.take(nonce(9, 1), 1));
    }

    #[test]
    fn old_nonces_are_forgotten() {
        let mut table = ReplayTable::new(8);
        assert!(table.take(nonce(1, 1), 1));
        assert!(table.take(nonce(9, 1), 1));
        table.forget_before(9);
        assert_eq!(table.len(), 1);
    }
}
