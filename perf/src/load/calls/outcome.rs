//! What became of the calls of a run.
//!
//! Shape:  counts of the calls that count, times by histogram, what the load itself did.
//! Units:  microseconds; those of `Times` from the slot in which the call was due, but `to_100` from the INVITE that it answers.
//! Errors: [`Outcome::generator_limit`] says why the run tells nothing of the switch; [`Outcome::fault`] what of it did not hold.

use std::collections::BTreeMap;

use super::T1_US;
use super::voice::Packets;
use crate::load::histogram::Histogram;
use crate::load::outcome::Audio;

/// How long things took.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// INVITE to its 100.
    pub to_100: Histogram,
    /// Due to the callee's INVITE, or to the first event where control is ours.
    pub reached: Histogram,
    /// Due to the caller's 200, the ring included.
    pub answered: Histogram,
}

/// Result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Calls that count.
    pub asked: usize,
    /// Of them, those that were answered.
    pub answered: usize,
    /// Those whose BYE was answered at both ends.
    pub completed: usize,
    /// Those that have ended, well or not.
    pub ended: usize,
    /// Those that did not go their way, by reason.
    pub failures: BTreeMap<String, usize>,
    /// Requests and answers that came again.
    pub repeats: usize,
    /// Events that control got, where it is ours.
    pub events: usize,
    /// Commands of our control that were refused.
    pub refusals: usize,
    /// How long things took.
    pub times: Times,
    /// How late the load's slots began.
    pub lag: Histogram,
    /// CPU seconds of the load's thread.
    pub cpu_seconds: f64,
    /// Length of the part that counts.
    pub seconds: f64,
    /// Datagrams that our kernel did not send.
    pub refused: u64,
    /// Datagrams that our kernel dropped at our own sockets.
    pub overrun: u64,
    /// RTP, if there was any.
    pub packets: Option<Packets>,
    /// Calls that were listened to.
    pub audio: Vec<Audio>,
}

/// More than this of its core, and the load was the limit.
pub const LOAD_CORE_MOST: f64 = 0.9;
/// A slot may begin so late, for 99 of 100.
pub const LOAD_LAG_P99_US: u64 = 3000;
/// From here on a load is not that of its rate, whatever became of it.
pub const LOAD_LAG_FAR_US: u64 = 20_000;
/// 99 of 100 calls must have reached the callee, or control, within so long.
pub const REACHED_P99_US: u64 = 500_000;

impl Outcome {
    /// Part of one core that the load used.
    pub fn core(&self) -> f64 {
        if self.seconds > 0.0 { self.cpu_seconds / self.seconds } else { 0.0 }
    }

    /// Why the load, and not what it loaded, was the limit.
    pub fn generator_limit(&self) -> Option<String> {
        self.generator_busy().or_else(|| self.generator_late().map(|why| format!("its {why}")))
    }

    /// Why the load could not be higher.
    pub fn generator_busy(&self) -> Option<String> {
        if self.refused > 0 {
            return Some(format!("its kernel refused {} of its messages", self.refused));
        }
        if self.overrun > 0 {
            return Some(format!("{} messages were dropped at its own sockets", self.overrun));
        }
        if self.core() > LOAD_CORE_MOST {
            return Some(format!("it used {:.0} % of its core", self.core() * 100.0));
        }
        None
    }

    /// How late the load was, if so late that it was not the one asked for.
    pub fn generator_late(&self) -> Option<String> {
        let lag = self.lag.quantile(0.99);
        (lag > LOAD_LAG_P99_US).then(|| format!("slots began {:.1} ms late for 1 in 100", lag as f64 / 1e3))
    }

    /// Whether the load was so late that it was another one than that asked for.
    pub fn generator_far_too_late(&self) -> bool {
        self.lag.quantile(0.99) > LOAD_LAG_FAR_US
    }

    /// Whether the limit that did not hold is one of time alone, which a stall of the host breaks too.
    pub fn is_fault_of_time(&self) -> bool {
        self.failures.is_empty()
            && self.refusals == 0
            && (self.times.to_100.max() > T1_US || self.times.reached.quantile(0.99) > REACHED_P99_US)
    }

    /// The first limit that did not hold.
    pub fn fault(&self) -> Option<String> {
        let failed: usize = self.failures.values().sum();
        if let Some((reason, _)) = self.failures.iter().max_by_key(|(_, count)| **count) {
            return Some(format!("{failed} of {} calls failed, most with: {reason}", self.asked));
        }
        if self.refusals > 0 {
            return Some(format!("{} commands of control were refused", self.refusals));
        }
        if self.times.to_100.max() > T1_US {
            return Some(format!("the slowest 100 took {:.0} ms: its phone would have asked again", self.times.to_100.max() as f64 / 1e3));
        }
        let reached = self.times.reached.quantile(0.99);
        if reached > REACHED_P99_US {
            return Some(format!("1 in 100 calls took {:.0} ms to the callee", reached as f64 / 1e3));
        }
        if let Some(mute) = self.packets.map(|packets| packets.mute).filter(|mute| *mute > 0) {
            return Some(format!("{mute} ends of calls heard nothing"));
        }
        self.audio.iter().find_map(Audio::fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_failed_fails_the_run_and_a_busy_load_gives_no_verdict() {
        let mut outcome = Outcome { asked: 10, seconds: 1.0, cpu_seconds: 0.5, ..Outcome::default() };
        outcome.times.to_100.record(900);
        assert_eq!((outcome.fault(), outcome.generator_limit()), (None, None));
        outcome.failures.insert("503".to_owned(), 2);
        assert!(outcome.fault().is_some_and(|why| why.contains("2 of 10") && why.contains("503")));
        outcome.cpu_seconds = 0.95;
        assert!(outcome.generator_limit().is_some_and(|why| why.contains("95 %")));
        outcome.failures.clear();
        outcome.times.to_100.record(700_000);
        assert!(outcome.fault().is_some_and(|why| why.contains("700 ms")));
    }
}
