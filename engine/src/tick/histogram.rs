//! How long something took, recently: a fixed table of counts.
//!
//! Shape:  values below 16 have a place each, above that 16 places for each doubling, up to a second: 272 places, 1 KiB.
//! Units:  whole numbers, here microseconds; a quantile is at most a sixteenth too high, mean and maximum are exact.
//! Errors: none; a value beyond the table counts in its last place.

/// Counts by size.
#[derive(Debug, Clone)]
pub struct Histogram {
    places: [u32; PLACES],
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { places: [0; PLACES], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        if let Some(place) = self.places.get_mut(place_of(value)) {
            *place = place.saturating_add(1);
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
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

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The last one to two windows of values.
#[derive(Debug, Clone)]
pub struct Recent {
    now: Histogram,
    before: Histogram,
    window: u64,
}

impl Recent {
    /// Windows of `window` values.
    pub fn new(window: u64) -> Self {
        Self { now: Histogram::default(), before: Histogram::default(), window }
    }

    /// Counts one value; the oldest window is forgotten when this one is full.
    pub fn record(&mut self, value: u64) {
        if self.now.count >= self.window {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.clear();
        }
        self.now.record(value);
    }

    /// Values that the figures cover.
    pub const fn count(&self) -> u64 {
        self.now.count + self.before.count
    }

    /// Mean, rounded down; 0 without values.
    pub fn mean(&self) -> u64 {
        self.now.sum.saturating_add(self.before.sum).checked_div(self.count()).unwrap_or(0)
    }

    /// Largest value, 0 without any.
    pub fn max(&self) -> u64 {
        self.now.max.max(self.before.max)
    }

    /// The value that the part `quantile` of all does not exceed, at most a sixteenth too high; 0 without values.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let mut left = (self.count() as f64 * quantile).ceil() as u64;
        for (place, (now, before)) in self.now.places.iter().zip(&self.before.places).enumerate() {
            left = left.saturating_sub(u64::from(*now) + u64::from(*before));
            if left == 0 {
                return largest_of(place).min(self.max());
            }
        }
        self.max()
    }
}

const fn place_of(value: u64) -> usize {
    if value < 16 {
        return value as usize;
    }
    let doublings = value.ilog2() - 4;
    let place = 16 * (doublings as usize + 1) + ((value >> doublings) as usize - 16);
    if place < PLACES { place } else { PLACES - 1 }
}

const fn largest_of(place: usize) -> u64 {
    if place < 16 {
        return place as u64;
    }
    let doublings = place / 16 - 1;
    ((16 + place as u64 % 16 + 1) << doublings) - 1
}

/// 16 of one each, then 16 for each of the 16 doublings from 16 to 2^20.
const PLACES: usize = 16 * 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_the_place_that_ends_above_it() {
        let mut last = 0;
        for value in (0..100_000).chain((100_000..1 << 20).step_by(997)) {
            let place = place_of(value);
            assert!(place >= last && largest_of(place) >= value, "{value}");
            assert!(largest_of(place) <= value + value / 16, "{value} {}", largest_of(place));
            last = place;
        }
        assert_eq!(place_of(u64::MAX), PLACES - 1);
    }

    #[test]
    fn figures_cover_the_last_two_windows() {
        let mut recent = Recent::new(100);
        (0..1000).for_each(|_| recent.record(5000));
        for value in 1..=100 {
            recent.record(value);
        }
        assert_eq!((recent.max(), recent.count()), (5000, 200));
        for value in 1..=100 {
            recent.record(value);
        }
        assert_eq!((recent.max(), recent.mean(), recent.count()), (100, 50, 200));
        assert_eq!(recent.quantile(0.5), 51);
        assert_eq!(recent.quantile(0.99), 99);
        assert_eq!(recent.quantile(1.0), 100);
        let empty = Recent::new(10);
        assert_eq!((empty.quantile(0.99), empty.mean(), empty.max()), (0, 0, 0));
    }
}
