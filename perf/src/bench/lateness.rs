//! How late the switch's slots began: the histogram of its `/status`, and what of it belongs to one load.
//!
//! ```text
//!   load.cores[].tick.lateness of two looks ─▶ [Lateness::since] ─▶ p50, p99, p99.9, plot
//! ```
//! Shape:  up to 24 places of rising bounds, summed over the media cores.
//! Units:  microseconds; a quantile is the bound of its place, so at most that.
//! Errors: none; a place without a bound (the last) is `None`, and so is a quantile that stands there.

use serde_json::{Value, json};

/// Counts by bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lateness {
    places: [Place; PLACES],
    used: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// Largest value; `None` beyond the last bound.
    le_us: Option<u64>,
    count: u64,
}

/// More than a switch has: 20 bounds and one beyond.
const PLACES: usize = 24;

impl Lateness {
    /// All media cores of a `/status` together.
    pub fn of_status(status: &Value) -> Self {
        let mut all = Self::default();
        for core in status["load"]["cores"].as_array().into_iter().flatten() {
            let told = &core["tick"]["lateness"];
            let bounds = told["leus"].as_array().into_iter().flatten().map(Value::as_u64).chain([None]);
            let counts = told["counts"].as_array().into_iter().flatten().map(|count| count.as_u64().unwrap_or(0));
            all.used = 0;
            for (place, (le_us, count)) in all.places.iter_mut().zip(bounds.zip(counts)) {
                *place = Place { le_us, count: place.count + count };
                all.used += 1;
            }
        }
        all
    }

    /// What came after `before`.
    pub fn since(mut self, before: Self) -> Self {
        for (place, before) in self.places.iter_mut().zip(before.places) {
            place.count = place.count.saturating_sub(before.count);
        }
        self
    }

    /// The bound that `part` (0 to 1) of the slots do not exceed; `None` without any, or beyond the last bound.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let all: u64 = self.places.iter().map(|place| place.count).sum();
        let wanted = (all as f64 * part).ceil() as u64;
        let mut seen = 0;
        let reached = self.places.iter().find(|place| {
            seen += place.count;
            place.count > 0 && seen >= wanted
        });
        reached.and_then(|place| place.le_us)
    }

    /// Pairs of bound and count, the last bound `null`.
    pub fn json(&self) -> Value {
        self.places.iter().take(self.used).map(|place| json!([place.le_us, place.count])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(counts: [[u64; 3]; 2]) -> Value {
        let cores = counts.map(|counts| json!({ "tick": { "lateness": { "leus": [20, 1000], "counts": counts, "sumus": 9 } } }));
        json!({ "load": { "cores": cores } })
    }

    #[test]
    fn a_load_has_what_came_between_two_looks_on_all_cores() {
        let before = Lateness::of_status(&status([[5, 0, 0], [1, 1, 1]]));
        let after = Lateness::of_status(&status([[90, 5, 0], [14, 1, 2]]));
        let load = after.since(before);
        assert_eq!(load.json(), json!([[20, 98], [1000, 5], [null, 1]]));
        assert_eq!((load.quantile(0.5), load.quantile(0.99), load.quantile(0.999)), (Some(20), Some(1000), None));
    }

    #[test]
    fn a_switch_that_tells_none_has_none() {
        let none = Lateness::of_status(&json!({ "load": { "cores": [{ "tick": {} }] } }));
        assert_eq!((none.quantile(0.99), none.json()), (None, json!([])));
    }
}
