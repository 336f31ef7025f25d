//! The clock of a media shard: slots of 1 ms at absolute times, and what they cost.
//!
//! ```text
//! due = t0 + n ms   begin(now): lateness, resync ──► the slot's work ──► end(now): work, load
//! ```
//! Shape:  one [`Ticker`] per shard, told the time. A late slot is followed at once by the next until the clock is caught
//!         up; past 20 ms the slots in between are left out, for running them would send a burst.
//! Units:  microseconds in the figures; load as a part of one core, 0 to 1.
//! Errors: none.
//! Why:    new channels are refused at 80 % of a core (70 % where signalling shares it), before old ones lose quality; and
//!         the kernel stops a real-time thread near 100 % for 50 ms in each second.
//! Source: `docs/runtime.md`, "The tick".

mod histogram;

pub use histogram::{Histogram, Recent};

use rtp::api::{CoreLoad, Lateness};
use std::time::{Duration, Instant};

/// Length of a slot.
pub const SLOT: Duration = Duration::from_millis(1);

/// Slot times of one shard and their costs.
#[derive(Debug)]
pub struct Ticker {
    due: Instant,
    began: Instant,
    lateness: Recent,
    all: Lateness,
    work: Recent,
    slots: u64,
    late: u64,
    skipped: u64,
    /// Smoothed work per slot, as a part of the slot.
    busy: f64,
    cpu: CpuShare,
    /// Smoothed lateness, in slots.
    behind: f64,
    limit: f64,
}

/// How a slot began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// After its time.
    pub lateness: Duration,
    /// Slots left out before it; 0 unless the shard was stalled for more than 20 ms.
    pub skipped: u64,
}

/// CPU time of the thread as a part of the time that passed.
#[derive(Debug, Clone, Copy)]
struct CpuShare {
    at: Instant,
    cpu: Duration,
    share: f64,
}

impl Ticker {
    /// Due at once. New channels are refused above `limit`, a part of the core.
    pub fn new(limit: f64, now: Instant) -> Self {
        Self {
            due: now,
            began: now,
            lateness: Recent::new(WINDOW_SLOTS),
            all: Lateness::default(),
            work: Recent::new(WINDOW_SLOTS),
            slots: 0,
            late: 0,
            skipped: 0,
            busy: 0.0,
            cpu: CpuShare { at: now, cpu: Duration::ZERO, share: 0.0 },
            behind: 0.0,
            limit,
        }
    }

    /// Starts again after a pause without channels: due at once, not late, not busy.
    pub fn restart(&mut self, now: Instant, cpu: Duration) {
        self.due = now;
        self.busy = 0.0;
        self.behind = 0.0;
        self.cpu = CpuShare { at: now, cpu, share: 0.0 };
    }

    /// When the next slot is to begin.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// Begins the slot that is due.
    pub fn begin(&mut self, now: Instant) -> Begin {
        let lateness = now.saturating_duration_since(self.due);
        let skipped = if lateness > STALL {
            // Whole slots that are over, this one excepted.
            u64::try_from(lateness.as_micros() / SLOT.as_micros()).unwrap_or(u64::MAX)
        } else {
            0
        };
        self.due = if skipped > 0 { now + SLOT } else { self.due + SLOT };
        self.began = now;
        self.slots += 1;
        self.late += u64::from(lateness >= SLOT);
        self.skipped += skipped;
        self.lateness.record(micros(lateness));
        self.all.record(lateness);
        self.behind += (counted(lateness) - self.behind) / SMOOTHING;
        Begin { lateness, skipped }
    }

    /// Ends the slot. True each 256 slots: then [`Ticker::heed_cpu`] wants to know the thread's CPU time.
    pub fn end(&mut self, now: Instant) -> bool {
        let work = now.saturating_duration_since(self.began);
        self.work.record(micros(work));
        self.busy += (counted(work) - self.busy) / SMOOTHING;
        self.slots.is_multiple_of(CPU_SLOTS)
    }

    /// Takes the thread's CPU time so far into account: what the executor and other tasks of the core use is no room for media.
    pub fn heed_cpu(&mut self, now: Instant, cpu: Duration) {
        let passed = now.saturating_duration_since(self.cpu.at).as_secs_f64();
        if passed > 0.0 {
            let share = cpu.saturating_sub(self.cpu.cpu).as_secs_f64() / passed;
            self.cpu = CpuShare { at: now, cpu, share };
        }
    }

    /// Part of the core in use.
    pub const fn load(&self) -> f64 {
        self.busy.max(self.cpu.share)
    }

    /// 0 at the limit, 1 when idle.
    pub const fn headroom(&self) -> f64 {
        (1.0 - self.load() / self.limit).clamp(0.0, 1.0)
    }

    /// There is room for another call.
    pub fn is_accepting(&self) -> bool {
        self.load() < self.limit && self.behind < BEHIND_MAX
    }

    /// There is no room for the other end of a call that was let in: quality is about to fall.
    pub fn is_saturated(&self) -> bool {
        self.load() >= SATURATED || self.behind >= 2.0 * BEHIND_MAX
    }

    /// Slots so far.
    pub const fn slots(&self) -> u64 {
        self.slots
    }

    /// Work per slot, recently.
    pub const fn work(&self) -> &Recent {
        &self.work
    }

    /// Lateness per slot, recently.
    pub const fn lateness(&self) -> &Recent {
        &self.lateness
    }

    /// As the API shows it.
    pub fn core_load(&self, core: u32, channels: u64) -> CoreLoad {
        CoreLoad {
            core,
            channels,
            budget_us: micros(SLOT),
            mean_us: self.work.mean(),
            p99_us: self.work.quantile(0.99),
            max_us: self.work.max(),
            late_p99_us: self.lateness.quantile(0.99),
            late: self.late,
            lateness: self.all,
            missed: self.skipped,
            headroom: self.headroom(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Slots of a time that counts for admission: no more than a frame of it, for in what is longer the host had the core, not we.
fn counted(time: Duration) -> f64 {
    time.min(STALL).as_secs_f64() / SLOT.as_secs_f64()
}

/// One frame: an interruption that short is caught up slot by slot.
const STALL: Duration = Duration::from_millis(20);
/// 5 s; figures cover the last one to two of these.
const WINDOW_SLOTS: u64 = 5000;
/// Slots over which the load is smoothed: about a quarter of a second.
const SMOOTHING: f64 = 256.0;
const CPU_SLOTS: u64 = 256;
/// Slots that are late by half a frame, a quarter of a second long, are heard soon, whoever keeps the core busy.
const BEHIND_MAX: f64 = 10.0;
/// Of a core. Between the limit of new calls and this, those that were let in get the channel of their other end.
const SATURATED: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn slots_are_due_on_an_absolute_grid() {
        let t0 = Instant::now();
        let mut ticker = Ticker::new(0.8, t0);
        for n in 0..1000 {
            let due = t0 + n * SLOT;
            assert_eq!(ticker.due(), due);
            // Each begins late by another amount; the grid does not drift.
            let lateness = 90 * US * (n % 7);
            assert_eq!(ticker.begin(due + lateness), Begin { lateness, skipped: 0 });
            ticker.end(due + lateness + 100 * US);
        }
        assert_eq!((ticker.late, ticker.skipped), (0, 0));
        // 0, 90 and 180 to 540 µs, 1000 in all.
        let lateness = ticker.core_load(0, 0).lateness;
        assert_eq!(lateness.counts().get(..9), Some(&[143, 0, 143, 0, 143, 143, 143, 143, 142][..]));
        assert!((ticker.load() - 0.1).abs() < 0.01, "{}", ticker.load());
    }

    #[test]
    fn a_short_stall_is_caught_up_and_a_long_one_left_out() {
        let t0 = Instant::now();
        let mut ticker = Ticker::new(0.8, t0);
        let now = t0 + 15 * SLOT;
        let mut caught_up = 0;
        while ticker.due() <= now {
            assert_eq!(ticker.begin(now).skipped, 0);
            caught_up += 1;
        }
        assert_eq!((caught_up, ticker.late), (16, 15));
        let now = ticker.due() + 300 * SLOT + 400 * US;
        assert_eq!(ticker.begin(now), Begin { lateness: 300 * SLOT + 400 * US, skipped: 300 });
        assert_eq!(ticker.due(), now + SLOT);
        assert_eq!(ticker.core_load(1, 0).missed, 300);
    }

    #[test]
    fn a_core_that_the_host_took_for_a_while_is_not_full() {
        let mut ticker = Ticker::new(0.8, Instant::now());
        for _ in 0..3 {
            let due = ticker.due();
            ticker.begin(due + 500 * SLOT);
            ticker.end(due + 1000 * SLOT);
        }
        assert!(ticker.is_accepting() && !ticker.is_saturated() && ticker.headroom() > 0.5, "{}", ticker.headroom());
        // Work that takes 25 slots each time is ours.
        for _ in 0..20 {
            let due = ticker.due();
            ticker.begin(due);
            ticker.end(due + 25 * SLOT);
        }
        assert!(!ticker.is_accepting() && ticker.is_saturated());
    }

    #[test]
    fn admission_stops_at_the_limit_by_work_or_by_cpu() {
        let t0 = Instant::now();
        let mut ticker = Ticker::new(0.8, t0);
        let slots = |ticker: &mut Ticker, count, work| {
            for _ in 0..count {
                let due = ticker.due();
                ticker.begin(due);
                ticker.end(due + work);
            }
        };
        slots(&mut ticker, 3000, 400 * US);
        assert!(ticker.is_accepting() && (ticker.headroom() - 0.5).abs() < 0.01);
        slots(&mut ticker, 3000, 810 * US);
        assert!(!ticker.is_accepting() && ticker.headroom() < 0.001);
        slots(&mut ticker, 3000, 100 * US);
        assert!(ticker.is_accepting());
        ticker.heed_cpu(t0 + Duration::from_secs(1), Duration::from_millis(850));
        assert!(!ticker.is_accepting());
        assert!(!ticker.is_saturated(), "what is open is set up");
        ticker.heed_cpu(t0 + Duration::from_secs(2), Duration::from_millis(1820));
        assert!(ticker.is_saturated());
        ticker.restart(t0 + Duration::from_secs(2), Duration::from_millis(900));
        assert!(ticker.is_accepting() && !ticker.is_saturated() && ticker.headroom() > 0.99);
        // Idle, but always late: somebody else has the core.
        for _ in 0..1000 {
            let due = ticker.due();
            ticker.begin(due + 12 * SLOT);
        }
        assert!(!ticker.is_accepting() && !ticker.is_saturated());
    }
}
