//! How a load went: whether the switch, the load generator or the host under both decided it.
//!
//! ```text
//!   the generator was full or overrun ─▶ Limited        it was late by its own work ─▶ Limited
//!   the host made it late (its core half idle, or taken away) ─▶ Held, if all limits held all the same: bursts are harder; else Disturbed
//!   a limit did not hold ─▶ Failed; but Disturbed, where it is one of time alone, the host took the CPU away and half of it was idle
//! ```
//! Shape:  a function of what was seen; nothing is measured here.
//! Units:  parts of a core; `Duration` for what the hypervisor took (steal of /proc/stat, in ticks of 10 ms).
//! Errors: none.
//! Rule:   a load without a verdict has not held: no capacity is ever told from it.

use std::fmt;
use std::time::Duration;

/// How a load went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All limits held.
    Held,
    /// A limit did not hold: which.
    Failed(String),
    /// The generator was the limit: why.
    Limited(String),
    /// The host stalled the generator or the switch, not the work: how that showed.
    Disturbed(String),
}

impl Verdict {
    /// Stable word of the report.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed(_) => "failed",
            Self::Limited(_) => "generator",
            Self::Disturbed(_) => "host",
        }
    }

    /// What did not hold.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Held => None,
            Self::Failed(why) | Self::Limited(why) | Self::Disturbed(why) => Some(why),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
            Self::Limited(why) => write!(f, "no verdict, the load generator was the limit: {why}"),
            Self::Disturbed(why) => write!(f, "no verdict, the host stalled it: {why}"),
        }
    }
}

/// What was seen of a load.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signs {
    /// Why the generator could load no more: its core was full, its packets were refused or overran it.
    pub busy: Option<String>,
    /// How late the generator was, if too late.
    pub late: Option<String>,
    /// So late that it was another load than the one asked for.
    pub far_too_late: bool,
    /// Part of its core that the generator used.
    pub load_core: f64,
    /// What the hypervisor took of the generator's CPU.
    pub load_stolen: Duration,
    /// The limit of the switch that did not hold.
    pub fault: Option<String>,
    /// Whether that limit is one of time alone (slots late or missed, delay), as a stall of the host breaks it.
    pub is_of_time: bool,
    /// Part of its core that the switch used.
    pub switch_core: f64,
    /// What the hypervisor took of the switch's CPU.
    pub switch_stolen: Duration,
}

/// Below this a core has so much left that its work alone makes nobody late.
const HALF: f64 = 0.5;

impl Signs {
    /// The verdict.
    pub fn verdict(self) -> Verdict {
        if let Some(why) = self.busy {
            return Verdict::Limited(why);
        }
        if let Some(why) = self.late {
            if self.load_core >= HALF && self.load_stolen.is_zero() {
                return Verdict::Limited(format!("its {why}"));
            }
            // What comes late comes at once: a switch that bears that bears the even load too.
            if self.far_too_late || self.fault.is_some() {
                return Verdict::Disturbed(with_steal(&format!("the load's {why}"), self.load_core, self.load_stolen));
            }
            return Verdict::Held;
        }
        match self.fault {
            None => Verdict::Held,
            Some(why) if self.is_of_time && self.switch_core < HALF && !self.switch_stolen.is_zero() => {
                Verdict::Disturbed(with_steal(&why, self.switch_core, self.switch_stolen))
            }
            Some(why) => Verdict::Failed(why),
        }
    }
}

fn with_steal(why: &str, core: f64, stolen: Duration) -> String {
    let stolen = if stolen.is_zero() { String::new() } else { format!(", the hypervisor took {} ms of it", stolen.as_millis()) };
    format!("{why}, with {:.0} % of its core used{stolen}", core * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOLEN: Duration = Duration::from_millis(30);

    fn late(core: f64, stolen: Duration) -> Verdict {
        let late = Some("slots began 29.0 ms late".into());
        Signs { late, far_too_late: true, load_core: core, load_stolen: stolen, ..Signs::default() }.verdict()
    }

    fn failed(is_of_time: bool, core: f64, stolen: Duration) -> Verdict {
        Signs { fault: Some("why".into()), is_of_time, switch_core: core, switch_stolen: stolen, ..Signs::default() }.verdict()
    }

    #[test]
    fn a_generator_late_on_an_idle_core_or_on_a_stolen_one_was_stalled() {
        assert!(matches!(late(0.12, Duration::ZERO), Verdict::Disturbed(why) if why.contains("12 % of its core")));
        assert!(matches!(late(0.7, STOLEN), Verdict::Disturbed(why) if why.contains("took 30 ms")));
        assert_eq!(late(0.7, Duration::ZERO), Verdict::Limited("its slots began 29.0 ms late".into()));
    }

    #[test]
    fn a_load_that_the_host_made_uneven_holds_if_the_switch_bears_it() {
        let uneven = Signs { late: Some("slots began 9.0 ms late".into()), load_core: 0.3, load_stolen: STOLEN, ..Signs::default() };
        assert_eq!(uneven.clone().verdict(), Verdict::Held);
        assert!(matches!(Signs { fault: Some("1 packets lost".into()), ..uneven.clone() }.verdict(), Verdict::Disturbed(_)));
        assert!(matches!(Signs { load_core: 0.7, load_stolen: Duration::ZERO, ..uneven }.verdict(), Verdict::Limited(_)));
    }

    #[test]
    fn a_full_generator_is_the_limit_whatever_the_host_took() {
        let signs = Signs { busy: Some("it used 92 %".into()), late: Some("late".into()), load_stolen: STOLEN, ..Signs::default() };
        assert_eq!(signs.verdict(), Verdict::Limited("it used 92 %".into()));
    }

    #[test]
    fn a_fault_is_the_hosts_only_with_proof_and_where_time_alone_is_wrong() {
        assert!(matches!(failed(true, 0.2, STOLEN), Verdict::Disturbed(_)));
        assert!(matches!(failed(true, 0.2, Duration::ZERO), Verdict::Failed(_)), "nothing was taken");
        assert!(matches!(failed(true, 0.8, STOLEN), Verdict::Failed(_)), "the work fills the core");
        assert!(matches!(failed(false, 0.2, STOLEN), Verdict::Failed(_)), "packets were lost");
        assert_eq!(Signs { load_stolen: STOLEN, switch_stolen: STOLEN, ..Signs::default() }.verdict(), Verdict::Held);
    }

    #[test]
    fn words_and_sentences_say_who_it_was() {
        assert_eq!((Verdict::Held.word(), Verdict::Held.why()), ("held", None));
        assert_eq!(Verdict::Disturbed("x".into()).to_string(), "no verdict, the host stalled it: x");
        assert_eq!((Verdict::Limited("x".into()).word(), Verdict::Failed("x".into()).why()), ("generator", Some("x")));
    }
}
