//! What slows the cores down, or stops them.
//!
//! Source: the kernel's admin-guide/pm/cpufreq, admin-guide/hw-vuln, timekeeping, mm/transhuge; `/sys/devices/system/cpu`.

use super::super::{Finding, Host, Severity, Subject};

/// A governor that waits for load wakes too late for a slot of one millisecond.
pub(super) fn governor(host: &Host, subject: &Subject) -> Vec<Finding> {
    let of = |cpu: &usize| host.text(&format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"));
    let mut governors: Vec<String> = subject.cpus.iter().filter_map(of).collect();
    governors.sort();
    governors.dedup();
    match governors.as_slice() {
        [] => vec![Finding::good("governor", "the frequency is not ours to set (a virtual machine, or fixed)")],
        [only] if only == "performance" => vec![Finding::good("governor", "performance")],
        found => vec![Finding::bad(
            "governor",
            Severity::Warning,
            found.join(", "),
            "cores that are idle between slots run slow: slots are late at low load, and figures are not comparable",
            "cpupower frequency-set -g performance",
        )],
    }
}

/// Each system call pays for them.
pub(super) fn mitigations(host: &Host, _subject: &Subject) -> Vec<Finding> {
    const DIR: &str = "sys/devices/system/cpu/vulnerabilities";
    let state = |name: &String| Some((name.clone(), host.text(&format!("{DIR}/{name}"))?));
    let costly: Vec<String> = host
        .names(DIR)
        .iter()
        .filter_map(state)
        .filter(|(_, state)| {
            ["Retpolines", "PTI", "IBRS", "Clear CPU buffers", "Safe RET", "untrained return thunk"]
                .iter()
                .any(|costly| state.contains(costly))
        })
        .filter(|(_, state)| state.starts_with("Mitigation"))
        .map(|(name, _)| name)
        .collect();
    if costly.is_empty() {
        return vec![Finding::good("mitigations", "none that slows system calls")];
    }
    vec![Finding::bad(
        "mitigations",
        Severity::Note,
        format!("in force: {}", costly.join(", ")),
        "each entry into the kernel costs more; the ring enters once a slot, not once a packet",
        "keep them on a host that others use too; on a host of its own, mitigations=off on the kernel's command line is yours to weigh",
    )]
}

/// Clocks that are not read in user space.
pub(super) fn clock(host: &Host, _subject: &Subject) -> Vec<Finding> {
    match host.text("sys/devices/system/clocksource/clocksource0/current_clocksource") {
        None => Vec::new(),
        Some(fast) if ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"].contains(&fast.as_str()) => {
            vec![Finding::good("clock", fast)]
        }
        Some(slow) => vec![Finding::bad(
            "clock",
            Severity::Warning,
            slow,
            "reading the time is a system call or a read of a device: microseconds, several times a slot",
            "clocksource=tsc on the kernel's command line, if the CPU's counter is invariant (constant_tsc, nonstop_tsc in /proc/cpuinfo)",
        )],
    }
}

/// Two shards on one core get little more than one.
pub(super) fn siblings(host: &Host, subject: &Subject) -> Vec<Finding> {
    let of = |cpu: &usize| host.text(&format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"));
    let mut cores: Vec<String> = subject.cpus.iter().filter_map(of).collect();
    let threads = cores.len();
    cores.sort();
    cores.dedup();
    if cores.len() == threads {
        return vec![Finding::good("cores", format!("{} shards, each on a core of its own", subject.cpus.len()))];
    }
    vec![Finding::bad(
        "cores",
        Severity::Note,
        format!("{threads} shards on {} cores: some are two threads of one core", cores.len()),
        "a second thread adds a part of a core, not a whole one; plan capacity by cores",
        "--cores with one CPU of each core (lscpu -e shows which belong together)",
    )]
}

/// Joining small pages into huge ones stops the threads that use them.
pub(super) fn huge_pages(host: &Host, _subject: &Subject) -> Vec<Finding> {
    let text = host.text("sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let chosen = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    match chosen {
        Some("always") => vec![Finding::bad(
            "huge-pages",
            Severity::Note,
            "transparent huge pages: always",
            "memory grows in steps of 2 MiB, and a page fault can take a millisecond while one is put together",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )],
        Some(other) => vec![Finding::good("huge-pages", format!("transparent huge pages: {other}"))],
        None => Vec::new(),
    }
}
