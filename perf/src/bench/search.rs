//! The highest load that holds: doubling until one fails, then bisection to 5 %.
//!
//! ```text
//!   start ─▶ ×2 ─▶ ×2 … first that fails ─▶ halve the gap until it is 5 % ─▶ capacity = highest that held
//!                          └ the generator was the limit ─▶ no capacity, "at least" the highest that held
//! ```
//! Shape:  loads are whole numbers of `step`; a load that fails is tried once more, so that one disturbance does not decide.
//! Units:  whatever the trial counts in: channels, requests a second.
//! Errors: those of the trial end the search.
//! Bound:  at most 2 × (log2(most / start) + 1 + log2(1 / 5 %) + 1) trials.

/// How a load went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All limits held.
    Held,
    /// A limit did not hold: which.
    Failed(String),
    /// The generator was the limit: why.
    Limited(String),
}

/// Why a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A load failed: which, and why. The capacity is known.
    Failed(usize, String),
    /// The generator could not load more: at which load, and why. The capacity is unknown.
    Limited(usize, String),
    /// The highest load allowed held.
    Most,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Highest load that held; 0 if none did.
    pub held: usize,
    /// Why not more.
    pub end: End,
}

impl End {
    /// Of one load that was given, and how it went.
    pub fn of(load: usize, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Held => Self::Most,
            Verdict::Failed(why) => Self::Failed(load, why),
            Verdict::Limited(why) => Self::Limited(load, why),
        }
    }

    /// For the report.
    pub fn text(&self, unit: &str, was_given: bool) -> String {
        match self {
            Self::Failed(at, why) => format!("{at} {unit}: {why}"),
            Self::Limited(at, why) => format!("{at} {unit}: the load generator was the limit: {why}"),
            Self::Most if was_given => "the load was given".to_owned(),
            Self::Most => "the highest load of this program held".to_owned(),
        }
    }
}

impl Found {
    /// The capacity, if the search may say one.
    pub const fn capacity(&self) -> Option<usize> {
        match self.end {
            End::Failed(..) => Some(self.held),
            End::Limited(..) | End::Most => None,
        }
    }
}

/// Loads to search.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// First.
    pub start: usize,
    /// Highest.
    pub most: usize,
    /// All are multiples of it.
    pub step: usize,
}

/// Part of the capacity by which it may be told too low.
const TOLERANCE: f64 = 0.05;

/// Searches.
///
/// # Errors
/// The trial's.
pub fn highest<E>(range: Range, mut trial: impl FnMut(usize) -> Result<Verdict, E>) -> Result<Found, E> {
    let Range { start, most, step } = range;
    let whole = |load: usize| (load / step.max(1)).max(1) * step.max(1);
    let mut twice = |load: usize| match trial(load)? {
        Verdict::Held => Ok(Verdict::Held),
        Verdict::Failed(_) | Verdict::Limited(_) => trial(load),
    };
    let (mut held, mut load) = (0, whole(start.min(most)));
    let mut end = loop {
        match twice(load)? {
            Verdict::Held if load >= whole(most) => return Ok(Found { held: load, end: End::Most }),
            Verdict::Held => {
                held = load;
                load = whole((load * 2).min(most));
            }
            Verdict::Failed(why) => break End::Failed(load, why),
            Verdict::Limited(why) => break End::Limited(load, why),
        }
    };
    while let End::Failed(above, _) | End::Limited(above, _) = &end {
        let middle = whole(held.midpoint(*above));
        if middle <= held || middle >= *above || (*above - held) as f64 <= *above as f64 * TOLERANCE {
            break;
        }
        match twice(middle)? {
            Verdict::Held => held = middle,
            Verdict::Failed(why) => end = End::Failed(middle, why),
            Verdict::Limited(why) => end = End::Limited(middle, why),
        }
    }
    Ok(Found { held, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const RANGE: Range = Range { start: 40, most: 20_000, step: 20 };

    fn search(range: Range, mut trial: impl FnMut(usize) -> Verdict) -> Found {
        let mut trials = 0;
        let found = highest(range, |load| {
            trials += 1;
            assert!(load % range.step == 0 && trials < 40, "{load}");
            Ok::<_, Infallible>(trial(load))
        });
        found.unwrap()
    }

    #[test]
    fn the_capacity_is_found_to_five_percent_and_never_too_high() {
        for capacity in [40, 60, 100, 777, 2341, 9999, 19_999] {
            let found = search(RANGE, |load| if load <= capacity { Verdict::Held } else { Verdict::Failed("loss".into()) });
            let told = found.capacity().unwrap();
            assert!(told <= capacity && capacity - told <= (capacity as f64 * 0.053) as usize + RANGE.step, "{told} for {capacity}");
        }
    }

    #[test]
    fn a_generator_that_was_the_limit_gives_no_capacity() {
        let found = search(RANGE, |load| if load <= 1000 { Verdict::Held } else { Verdict::Limited("late".into()) });
        assert_eq!(found.capacity(), None);
        assert!(found.held > 900 && matches!(found.end, End::Limited(..)), "{found:?}");
    }

    #[test]
    fn all_or_nothing_is_said_as_it_is() {
        let all = search(RANGE, |_| Verdict::Held);
        assert_eq!((all.held, all.capacity(), all.end), (20_000, None, End::Most));
        let none = search(RANGE, |_| Verdict::Failed("mute".into()));
        assert_eq!((none.held, none.capacity()), (0, Some(0)));
    }

    #[test]
    fn one_disturbance_does_not_decide() {
        let mut disturbed = false;
        let found = search(RANGE, |load| {
            if load > 500 {
                return Verdict::Failed("loss".into());
            }
            if load == 160 && !std::mem::replace(&mut disturbed, true) { Verdict::Failed("noise".into()) } else { Verdict::Held }
        });
        assert!(found.held > 460, "{found:?}");
    }
}
