//! The highest load that holds: doubling until one fails, then bisection to 5 %.
//!
//! ```text
//!   start ─▶ ×2 ─▶ ×2 … first that fails ─▶ halve the gap until it is 5 % ─▶ capacity = highest that held
//!             │            └ the generator was the limit, or the host ─▶ no capacity, "at least" the highest that held
//!             └ the host stalled it, four times ─▶ ×2 all the same: a stall at a low load says nothing of a higher one
//! ```
//! Shape:  loads are whole numbers of `step`. A load fails when it did twice; one that the host stalled is tried three times more, as long
//!         as the search has repeats left, and three such loads in a row end the doubling.
//! Units:  whatever the trial counts in: channels, requests a second.
//! Errors: those of the trial end the search, which keeps what it found until then.
//! Bound:  at most 2 × (log2(most / start) + 1 + log2(1 / 5 %) + 1) trials, and 12 repeats after stalls.

pub use super::verdict::Verdict;

/// Why a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A load failed: which, and why. The capacity is known.
    Failed(usize, String),
    /// The generator could not load more: at which load, and why. The capacity is unknown.
    Limited(usize, String),
    /// The host stalled this load each time: the capacity is unknown.
    Disturbed(usize, String),
    /// The load could not be set up or measured. The capacity is unknown.
    Unmeasured(usize, String),
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
            Verdict::Disturbed(why) => Self::Disturbed(load, why),
        }
    }

    /// For the report.
    pub fn text(&self, unit: &str, was_given: bool) -> String {
        match self {
            Self::Failed(at, why) => format!("{at} {unit}: {why}"),
            Self::Limited(at, why) => format!("{at} {unit}: the load generator was the limit: {why}"),
            Self::Disturbed(at, why) => format!("{at} {unit}: the host stalled it at each try: {why}"),
            Self::Unmeasured(at, why) => format!("{at} {unit}: could not be measured: {why}"),
            Self::Most if was_given => "the load was given".to_owned(),
            Self::Most => "the highest load of this program held".to_owned(),
        }
    }
}

impl Found {
    /// What loads that were given came to, in their order.
    pub fn of_given(loads: impl Iterator<Item = (usize, Result<Verdict, String>)>) -> Self {
        let mut found = Self { held: 0, end: End::Most };
        for (load, played) in loads {
            match played {
                Ok(Verdict::Held) => found.held = found.held.max(load),
                Ok(verdict) => found.end = End::of(load, verdict),
                Err(why) => found.end = End::Unmeasured(load, why),
            }
        }
        found
    }

    /// The capacity, if the search may say one.
    pub const fn capacity(&self) -> Option<usize> {
        match self.end {
            End::Failed(..) => Some(self.held),
            End::Limited(..) | End::Disturbed(..) | End::Unmeasured(..) | End::Most => None,
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
/// Repeats of one load that the host stalled, and of all loads of a search.
const REPEATS: usize = 3;
const REPEATS_OF_ALL: usize = 12;
/// Loads in a row that the host stalled, after which the doubling ends.
const STALLED_IN_A_ROW: usize = 3;

/// Searches.
pub fn highest(range: Range, trial: impl FnMut(usize) -> Result<Verdict, String>) -> Found {
    let Range { start, most, step } = range;
    let whole = |load: usize| (load / step.max(1)).max(1) * step.max(1);
    let mut tries = Tries { trial, repeats: REPEATS_OF_ALL };
    let (mut held, mut load) = (0, whole(start.min(most)));
    // Loads above the highest that held, which the host stalled.
    let mut stalled: Vec<(usize, String)> = Vec::new();
    let mut end = loop {
        match tries.load(load) {
            Ok(Verdict::Held) => {
                held = load;
                stalled.clear();
            }
            Ok(Verdict::Disturbed(why)) => stalled.push((load, why)),
            Ok(verdict) => break End::of(load, verdict),
            Err(why) => break End::Unmeasured(load, why),
        }
        if load >= whole(most) || stalled.len() == STALLED_IN_A_ROW {
            match stalled.into_iter().next() {
                None => return Found { held, end: End::Most },
                // Lower ones would be stalled too.
                Some((at, why)) if held == 0 => return Found { held, end: End::Disturbed(at, why) },
                Some((at, why)) => break End::Disturbed(at, why),
            }
        }
        load = whole((load * 2).min(most));
    };
    while let End::Failed(above, _) | End::Limited(above, _) | End::Disturbed(above, _) = &end {
        let middle = whole(held.midpoint(*above));
        if middle <= held || middle >= *above || (*above - held) as f64 <= *above as f64 * TOLERANCE {
            break;
        }
        match tries.load(middle) {
            Ok(Verdict::Held) => held = middle,
            Ok(verdict) => end = End::of(middle, verdict),
            Err(why) => end = End::Unmeasured(middle, why),
        }
    }
    Found { held, end }
}

/// Trials of a load until it is decided.
struct Tries<F> {
    trial: F,
    repeats: usize,
}

impl<F: FnMut(usize) -> Result<Verdict, String>> Tries<F> {
    fn load(&mut self, load: usize) -> Result<Verdict, String> {
        let (mut firm, mut stalls) = (0, 0);
        loop {
            let verdict = (self.trial)(load)?;
            match verdict {
                Verdict::Held => return Ok(verdict),
                Verdict::Failed(_) | Verdict::Limited(_) => {
                    firm += 1;
                    if firm == 2 {
                        return Ok(verdict);
                    }
                }
                Verdict::Disturbed(_) if stalls == REPEATS || self.repeats == 0 => return Ok(verdict),
                Verdict::Disturbed(_) => {
                    stalls += 1;
                    self.repeats -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { start: 40, most: 20_000, step: 20 };

    /// The trials, too: load and word.
    fn all_of(range: Range, mut trial: impl FnMut(usize) -> Verdict) -> (Found, Vec<(usize, &'static str)>) {
        let mut trials = Vec::new();
        let found = highest(range, |load| {
            assert!(load % range.step == 0 && trials.len() < 50, "{load}");
            let verdict = trial(load);
            trials.push((load, verdict.word()));
            Ok(verdict)
        });
        assert!(found.held == 0 || trials.contains(&(found.held, "held")), "{found:?}");
        (found, trials)
    }

    fn search(range: Range, trial: impl FnMut(usize) -> Verdict) -> Found {
        all_of(range, trial).0
    }

    fn stalled() -> Verdict {
        Verdict::Disturbed("stalled".into())
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

    #[test]
    fn a_stalled_load_is_tried_four_times_and_then_passed_by() {
        let (found, trials) = all_of(RANGE, |load| match load {
            40 | 80 => stalled(),
            41..=960 => Verdict::Held,
            _ => Verdict::Failed("loss".into()),
        });
        let tries = |load: usize| trials.iter().filter(|(at, _)| *at == load).count();
        assert_eq!((tries(40), tries(80), tries(160)), (4, 4, 1));
        assert!(matches!(found.capacity(), Some(920..=960)), "{found:?}");
    }

    #[test]
    fn a_load_that_was_stalled_and_then_held_has_held() {
        let mut tries = 0;
        let found = search(RANGE, |load| {
            tries += usize::from(load == 80);
            if load == 80 && tries < 4 { stalled() } else { Verdict::Held }
        });
        assert_eq!((found.held, tries), (20_000, 4));
    }

    #[test]
    fn a_host_that_stalls_everything_ends_the_search_with_nothing_held() {
        let (found, trials) = all_of(RANGE, |_| stalled());
        assert_eq!((found.held, found.capacity()), (0, None));
        assert!(matches!(&found.end, End::Disturbed(40, _)) && trials.len() <= 15, "{found:?} after {}", trials.len());
        assert!(found.end.text("channels", false).contains("40 channels: the host stalled it"));
    }

    #[test]
    fn a_host_that_stalls_above_a_load_gives_at_least_that_load() {
        let (found, trials) = all_of(RANGE, |load| if load <= 640 { Verdict::Held } else { stalled() });
        assert_eq!((found.held, found.capacity()), (640, None));
        assert!(trials.iter().filter(|(_, word)| *word == "host").count() <= 12 + 9, "{}", trials.len());
    }

    #[test]
    fn a_load_that_could_not_be_measured_loses_none_before_it() {
        let mut last = 0;
        let found = highest(RANGE, |load| {
            last = load;
            if load > 640 { Err("503".to_owned()) } else { Ok(Verdict::Held) }
        });
        assert_eq!((found.held, last, found.capacity()), (640, 1280, None));
        assert_eq!(found.end.text("channels", false), "1280 channels: could not be measured: 503");
        let given = Found::of_given([(500, Ok(Verdict::Held)), (1000, Ok(stalled())), (4000, Err("503".to_owned()))].into_iter());
        assert_eq!(given, Found { held: 500, end: End::Unmeasured(4000, "503".into()) });
    }
}
