//! How long something took: counts by size, exact enough for quantiles and plots.
//!
//! Shape:  values below 16 have a place each, above that 16 places for each doubling, up to 2^32: 464 places, 3.7 KiB.
//! Units:  whole numbers, here microseconds; a quantile is at most a sixteenth too high, mean and maximum are exact.
//! Errors: none; a value beyond the table counts in its last place.

/// Counts by size.
#[derive(Debug, Clone)]
pub struct Histogram {
    places: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

/// 16 + 28 doublings × 16.
const PLACES: usize = 464;

impl Default for Histogram {
    fn default() -> Self {
        Self { places: vec![0; PLACES], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        if let Some(place) = self.places.get_mut(place_of(value)) {
            *place += 1;
        }
        self.count += 1;
        self.sum += value;
        self.max = self.max.max(value);
    }

    /// Values counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Largest value, 0 without any.
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// Mean, 0 without any.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The value that `part` (0 to 1) of all do not exceed, rounded up to its place; 0 without any.
    pub fn quantile(&self, part: f64) -> u64 {
        let wanted = (self.count as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (place, count) in self.places.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return last_of(place).min(self.max);
            }
        }
        self.max
    }

    /// The places that hold something: their last value and how many.
    pub fn places(&self) -> impl Iterator<Item = (u64, u64)> {
        self.places.iter().enumerate().filter(|(_, count)| **count > 0).map(|(place, count)| (last_of(place), *count))
    }
}

fn place_of(value: u64) -> usize {
    if value < 16 {
        return value as usize;
    }
    let doubling = 59 - value.leading_zeros() as usize;
    (16 + doubling * 16 + (value >> doubling) as usize - 16).min(PLACES - 1)
}

fn last_of(place: usize) -> u64 {
    if place < 16 {
        return place as u64;
    }
    let doubling = place / 16 - 1;
    ((16 + place as u64 % 16 + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_a_sixteenth_too_high() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|value| histogram.record(value));
        for part in [0.01, 0.5, 0.99, 0.999] {
            let (exact, told) = (100_000.0 * part, histogram.quantile(part) as f64);
            assert!(told >= exact && told <= exact * 17.0 / 16.0, "{part}: {told}");
        }
        assert_eq!((histogram.count(), histogram.max(), histogram.quantile(1.0)), (100_000, 100_000, 100_000));
        assert!((histogram.mean() - 50_000.5).abs() < 0.01);
    }

    #[test]
    fn nothing_is_zero_and_too_much_is_kept() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.99), histogram.max()), (0, 0));
        histogram.record(u64::MAX >> 1);
        assert_eq!((histogram.count(), histogram.places().count()), (1, 1));
    }
}
