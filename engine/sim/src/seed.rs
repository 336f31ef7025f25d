//! Randomness of a run: one seed, printed when the run fails.
//! Shape:  [`seeds`] calls a closure with `first, first + 1, …`; [`SimRng`] is ChaCha8, equal on every machine.
//! Units:  chances in parts per thousand.
//! Errors: none of its own; the panic of the closure goes through after the seed was printed.
//! Environment: `SIM_SEED=n` runs that seed alone, `SIM_FIRST=n` starts the series at `n`.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Repeatable random numbers for links and scripts of a test.
#[derive(Debug, Clone)]
pub struct SimRng(ChaCha8Rng);

impl SimRng {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A uniform number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift: the bias is under bound / 2^64, nothing a test could see.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `permille` of 1000 cases.
    pub fn chance(&mut self, permille: u16) -> bool {
        self.below(1000) < u64::from(permille)
    }

    /// A uniform duration in `0..=most`, to the microsecond.
    pub fn duration(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1) + 1))
    }
}

/// Prints the seed of a run if the run panics while this lives.
#[derive(Debug)]
pub struct SeedGuard {
    name: &'static str,
    seed: u64,
}

impl SeedGuard {
    /// Watches the run `name` with `seed`.
    #[must_use]
    pub fn new(name: &'static str, seed: u64) -> Self {
        Self { name, seed }
    }
}

impl Drop for SeedGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: failed with seed {seed}; repeat it with SIM_SEED={seed}", self.name, seed = self.seed);
        }
    }
}

/// Runs `body` for `count` seeds, or for the one in `SIM_SEED`; `SIM_FIRST` and `SIM_COUNT` choose others, for long runs.
pub fn seeds(name: &'static str, count: u64, mut body: impl FnMut(u64)) {
    let range = match number("SIM_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => {
            let first = number("SIM_FIRST").unwrap_or(1);
            first..first.saturating_add(number("SIM_COUNT").unwrap_or(count))
        }
    };
    for seed in range {
        let _guard = SeedGuard::new(name, seed);
        body(seed);
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_numbers() {
        let (mut a, mut b, mut c) = (SimRng::new(7), SimRng::new(7), SimRng::new(8));
        let take = |rng: &mut SimRng| (0..64).map(|_| rng.below(1 << 40)).collect::<Vec<_>>();
        let first = take(&mut a);
        assert_eq!(first, take(&mut b));
        assert_ne!(first, take(&mut c));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_it() {
        let mut rng = SimRng::new(1);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[rng.below(10) as usize] = true;
        }
        assert!(seen.iter().all(|&hit| hit));
        assert_eq!(rng.below(0), 0);
        assert!(!rng.chance(0));
        assert!(rng.chance(1000));
        assert_eq!(rng.duration(Duration::ZERO), Duration::ZERO);
    }
}
