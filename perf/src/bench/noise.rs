//! How late this host wakes a thread that has nothing else to do: what no load can be blamed for.
//!
//! ```text
//!   one thread on the media CPU, SCHED_FIFO where allowed ─▶ sleeps to an absolute grid of 1 ms, as a media shard does ─▶ lateness
//!   a level's late slots ≤ the larger of 1 in 1000 and what an idle thread had in the same run, by chance a little more ─▶ it holds
//! ```
//! Shape:  pooled: a stretch before the first load and one before each, since a host's noise comes and goes.
//! Units:  microseconds; slots of 1 ms.
//! Errors: none; without SCHED_FIFO the other work of the host is in it, and the report says so.
//! Rule:   counts of rare, independent events scatter by their root (Poisson): three times that is allowed before "worse" is said.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::media::round;
use super::options::Options;
use super::pinned;
use crate::load::{Histogram, kernel};

const SLOT: Duration = Duration::from_millis(1);
/// A slot is late from here on, as the switch counts it.
const LATE: Duration = Duration::from_millis(1);
/// From here on a media shard leaves slots out.
const STALL: Duration = Duration::from_millis(20);
/// Part of the slots that may be late on any host: p99.9 under 1 ms.
const LATE_PART: f64 = 0.001;
/// Before the first load, and before each.
const FIRST: Duration = Duration::from_secs(4);
const EACH: Duration = Duration::from_secs(1);

/// What an idle thread saw.
#[derive(Debug, Clone, Default)]
pub struct Noise {
    lateness: Histogram,
    late: u64,
    missed: u64,
    is_fifo: bool,
}

impl Noise {
    /// The stretch before the first load.
    pub fn first(options: &Options) -> Self {
        let mut noise = Self::default();
        noise.watch(options.media_cpu, if options.quick { EACH / 4 } else { FIRST });
        noise
    }

    /// The stretch before a load.
    pub fn again(&mut self, options: &Options) {
        self.watch(options.media_cpu, if options.quick { EACH / 10 } else { EACH });
    }

    fn watch(&mut self, cpu: usize, time: Duration) {
        pinned(cpu, || {
            self.is_fifo = is_fifo();
            let mut due = Instant::now();
            let end = due + time;
            while due < end {
                due += SLOT;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                self.woke(due.elapsed());
                if due.elapsed() > STALL {
                    due = Instant::now();
                }
            }
        });
    }

    fn woke(&mut self, lateness: Duration) {
        self.lateness.record(u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX));
        self.late += u64::from(lateness >= LATE);
        if lateness > STALL {
            self.missed += u64::try_from(lateness.as_millis()).unwrap_or(u64::MAX);
        }
    }

    /// Late slots that a load of so many slots may have.
    pub fn late_allowed(&self, slots: u64) -> u64 {
        let at_any_host = (slots as f64 * LATE_PART) as u64;
        at_any_host.max(scaled(self.late, self.lateness.count(), slots))
    }

    /// Missed slots that it may have: none, on a host that never stalls.
    pub fn missed_allowed(&self, slots: u64) -> u64 {
        scaled(self.missed, self.lateness.count(), slots)
    }

    /// For the report.
    pub fn json(&self) -> Value {
        let Self { lateness, late, missed, is_fifo } = self;
        json!({
            "slots": lateness.count(),
            "sched_fifo": is_fifo,
            "late": late,
            "late_part": round(*late as f64 / lateness.count().max(1) as f64, 5),
            "missed": missed,
            "p50_us": lateness.quantile(0.5),
            "p99_us": lateness.quantile(0.99),
            "p999_us": lateness.quantile(0.999),
            "max_us": lateness.max(),
            "histogram": lateness.places().collect::<Vec<_>>(),
        })
    }
}

/// What the hypervisor has taken of a CPU since the start, in clock ticks of 10 ms: column 8 of its line in /proc/stat (proc_stat(5)).
pub fn stolen(cpu: usize) -> Duration {
    stolen_of(&fs::read_to_string("/proc/stat").unwrap_or_default(), cpu)
}

fn stolen_of(stat: &str, cpu: usize) -> Duration {
    let name = format!("cpu{cpu}");
    let line = stat.lines().map(str::split_whitespace).find_map(|mut words| (words.next() == Some(&name)).then_some(words));
    let ticks = line.and_then(|mut words| words.nth(7)).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(ticks * 10)
}

/// What the hypervisor takes of two CPUs while a load runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stolen {
    /// Of the switch's CPU under measurement.
    pub switch: Duration,
    /// Of the load's.
    pub load: Duration,
}

impl Stolen {
    /// Until now.
    pub fn now(switch_cpu: usize, load_cpu: usize) -> Self {
        Self { switch: stolen(switch_cpu), load: stolen(load_cpu) }
    }

    /// After `before`.
    pub const fn since(self, before: Self) -> Self {
        Self { switch: self.switch.saturating_sub(before.switch), load: self.load.saturating_sub(before.load) }
    }

    /// For the report.
    pub fn json(self) -> Value {
        json!({ "switch_ms": self.switch.as_millis() as u64, "load_ms": self.load.as_millis() as u64 })
    }
}

/// What `seen` in `of` slots makes in `slots`, and three times its scatter; nothing, if nothing was seen.
fn scaled(seen: u64, of: u64, slots: u64) -> u64 {
    let expected = seen as f64 / of.max(1) as f64 * slots as f64;
    if seen == 0 { 0 } else { (expected + 3.0 * expected.sqrt()) as u64 }
}

/// Whether the calling thread is in `SCHED_FIFO`: field 41 of its stat is 1 (proc_pid_stat(5)).
fn is_fifo() -> bool {
    let stat = fs::read_to_string(kernel::this_thread().join("stat")).unwrap_or_default();
    stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(38)) == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(late: u64, missed: u64, slots: u64) -> Noise {
        let mut noise = Noise { late, missed, ..Noise::default() };
        (0..slots).for_each(|_| noise.lateness.record(50));
        noise
    }

    #[test]
    fn a_quiet_host_allows_one_in_a_thousand_and_no_missed_slot() {
        let quiet = seen(0, 0, 4000);
        assert_eq!((quiet.late_allowed(4000), quiet.missed_allowed(4000)), (4, 0));
    }

    #[test]
    fn a_noisy_host_allows_what_it_does_itself_and_its_scatter() {
        // 1 in 100: 40 of 4000, and three times their root.
        let noisy = seen(80, 40, 8000);
        assert_eq!((noisy.late_allowed(4000), noisy.missed_allowed(4000)), (58, 33));
        assert!(noisy.late_allowed(4000) < 80, "twice as many would be ours");
    }

    #[test]
    fn what_the_hypervisor_took_is_column_eight_of_its_cpu() {
        let stat = "cpu  9 9 9 9 9 9 9 99 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu10 1 2 3 4 5 6 7 12 0 0\nintr 1\n";
        assert_eq!((stolen_of(stat, 0), stolen_of(stat, 10)), (Duration::from_millis(80), Duration::from_millis(120)));
        assert_eq!((stolen_of(stat, 1), stolen_of("", 0)), (Duration::ZERO, Duration::ZERO));
        let (before, after) = (Stolen { switch: SLOT, load: SLOT }, Stolen { switch: 3 * SLOT, load: SLOT });
        assert_eq!(after.since(before), Stolen { switch: 2 * SLOT, load: Duration::ZERO });
    }

    #[test]
    fn lateness_and_stalls_are_counted_as_the_switch_counts_them() {
        let mut noise = Noise::default();
        for ms in [0, 1, 5, 30] {
            noise.woke(Duration::from_millis(ms));
        }
        assert_eq!((noise.late, noise.missed, noise.lateness.count()), (3, 30, 4));
    }
}
