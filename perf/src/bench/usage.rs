//! What a process or a thread has used: CPU time, split, time it waited for a CPU, memory.
//!
//! ```text
//!   /proc/PID/task/*/schedstat ─▶ run, wait (ns)        …/stat ─▶ user : kernel        /proc/PID/status ─▶ VmRSS
//! ```
//! Units:  `Duration`; bytes.
//! Errors: `None` for a process that is gone.
//! Note:   run time is exact. The split is by the kernel's own accounting, on most kernels a sample per timer tick, so of few
//!         seconds it is good to some percent only. Wait time is what other processes on its CPU cost it.
//! Source: Linux Documentation/scheduler/sched-stats.rst and proc_pid_stat(5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Since the start, or between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// On a CPU.
    pub run: Duration,
    /// Ready, and another had the CPU.
    pub wait: Duration,
    /// Clock ticks in our own code.
    pub user_ticks: u64,
    /// Clock ticks in the kernel.
    pub kernel_ticks: u64,
}

impl Usage {
    /// All threads of a process.
    pub fn of_process(pid: u32) -> Option<Self> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let mut sum = Self::default();
        for usage in tasks.flatten().filter_map(|task| Self::of_task(&task.path())) {
            sum = sum.and(usage);
        }
        Some(sum)
    }

    /// All threads of some processes: of a program that forks.
    pub fn of_processes(pids: &[u32]) -> Self {
        pids.iter().filter_map(|pid| Self::of_process(*pid)).fold(Self::default(), Self::and)
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self {
            run: self.run + other.run,
            wait: self.wait + other.wait,
            user_ticks: self.user_ticks + other.user_ticks,
            kernel_ticks: self.kernel_ticks + other.kernel_ticks,
        }
    }

    /// One thread, by its directory in /proc.
    pub fn of_task(task: &Path) -> Option<Self> {
        let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
        let mut fields = schedstat.split_whitespace().map_while(|field| field.parse().ok());
        let (run, wait) = (Duration::from_nanos(fields.next()?), Duration::from_nanos(fields.next()?));
        let stat = fs::read_to_string(task.join("stat")).ok()?;
        // The name, in brackets, may hold spaces and brackets.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user_ticks, kernel_ticks) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { run, wait, user_ticks, kernel_ticks })
    }

    /// What was used after `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            run: self.run.saturating_sub(before.run),
            wait: self.wait.saturating_sub(before.wait),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            kernel_ticks: self.kernel_ticks.saturating_sub(before.kernel_ticks),
        }
    }

    /// Part of the run time spent in the kernel; `None` before the first tick.
    pub fn kernel_part(self) -> Option<f64> {
        let ticks = self.user_ticks + self.kernel_ticks;
        (ticks > 0).then(|| self.kernel_ticks as f64 / ticks as f64)
    }
}

/// Usage of the threads of some processes, those of one name together.
pub fn by_thread(pids: &[u32]) -> BTreeMap<String, Usage> {
    let mut threads = BTreeMap::new();
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if let Some(usage) = Usage::of_task(&task.path()) {
                let sum: &mut Usage = threads.entry(name.trim().to_owned()).or_default();
                *sum = sum.and(usage);
            }
        }
    }
    threads
}

/// A process, and all that it started.
pub fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    all
}

/// VmRSS of a process, in bytes.
pub fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen_and_memory_too() {
        let before = Usage::of_process(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while Usage::of_process(std::process::id()).unwrap().since(before).run < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
        assert_eq!(Usage::of_process(u32::MAX), None);
    }

    #[test]
    fn threads_are_told_by_name_and_children_are_found() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (start, started) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("usage-test".into());
        // It has its name once it runs.
        let thread = thread.spawn(move || start.send(()).map(|()| stopped.recv())).unwrap();
        started.recv().unwrap();
        let mut child = std::process::Command::new("sleep").arg("10").spawn().unwrap();
        let here = std::process::id();
        assert!(by_thread(&[here]).contains_key("usage-test"));
        assert!(family(here).contains(&child.id()) && family(here).first() == Some(&here));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(stop);
        assert!(thread.join().unwrap().is_ok_and(|stop| stop.is_err()));
    }

    #[test]
    fn the_split_is_of_ticks() {
        let usage = Usage { user_ticks: 30, kernel_ticks: 10, ..Usage::default() };
        assert_eq!(usage.kernel_part(), Some(0.25));
        assert_eq!(Usage::default().kernel_part(), None);
    }
}
