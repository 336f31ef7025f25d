//! What the system lets this process have.
//!
//! Source: getrlimit(2), capabilities(7), cgroups(7) and the kernel's cgroup-v2 `cpu.max`.

use super::super::{Finding, Host, Severity, Subject};
use crate::os::limits;

/// Two sockets a channel.
pub(super) fn descriptors(host: &Host, subject: &Subject) -> Vec<Finding> {
    let Some(hard) = limit(host, "Max open files") else { return Vec::new() };
    let needed = subject.needs.descriptors();
    if hard >= needed {
        return vec![Finding::good("nofile", format!("{hard} open files, {needed} needed"))];
    }
    let channels = hard.saturating_sub(subject.needs.descriptors() - 2 * u64::from(subject.needs.channels)) / 2;
    vec![Finding::bad(
        "nofile",
        Severity::Failure,
        format!("{hard} open files, {} channels need {needed}", subject.needs.channels),
        format!("the program refuses to start; a port range for {channels} channels would fit"),
        format!("systemd: LimitNOFILE={needed}; docker: --ulimit nofile={needed}; shell: ulimit -n {needed}"),
    )]
}

/// Rings lock their memory.
pub(super) fn locked_memory(host: &Host, subject: &Subject) -> Vec<Finding> {
    let Some(limit) = limit(host, "Max locked memory") else { return Vec::new() };
    let (have, needed) = (limit / 1024, subject.needs.memlock_kib());
    if have >= needed || (host.is_this() && limits::may_lock_any()) {
        return vec![Finding::good(
            "memlock",
            format!("{} KiB, {needed} KiB needed", if limit == u64::MAX { "unlimited".to_owned() } else { have.to_string() }),
        )];
    }
    vec![Finding::bad(
        "memlock",
        Severity::Failure,
        format!("{have} KiB, {needed} KiB needed"),
        "the program refuses to start",
        "systemd: LimitMEMLOCK=64M; docker: --ulimit memlock=67108864; shell: ulimit -l 65536",
    )]
}

/// A quota stops the process in the middle of a millisecond.
pub(super) fn cpu_quota(host: &Host, _subject: &Subject) -> Vec<Finding> {
    let Some(text) = own_cgroup(host).and_then(|group| host.text(&format!("sys/fs/cgroup{group}/cpu.max"))) else { return Vec::new() };
    let mut words = text.split_whitespace();
    match (words.next(), words.next().and_then(|period| period.parse::<f64>().ok())) {
        (Some(quota), Some(period)) if quota != "max" => {
            let cpus = quota.parse::<f64>().unwrap_or_default() / period;
            vec![Finding::bad(
                "cpu-quota",
                Severity::Warning,
                format!("{cpus:.2} CPUs' worth of every {:.0} ms", period / 1000.0),
                "when it is used up all threads stop for the rest of the period: media slots are missed in bursts",
                "give whole CPUs instead of a quota: docker --cpuset-cpus, Kubernetes static CPU manager, systemd AllowedCPUs=",
            )]
        }
        _ => vec![Finding::good("cpu-quota", "none")],
    }
}

/// The hard limit of that name.
fn limit(host: &Host, name: &str) -> Option<u64> {
    let text = host.text("proc/self/limits")?;
    let hard = text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().nth(1)?.to_owned();
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

/// Path of our group in the one hierarchy of version 2.
fn own_cgroup(host: &Host) -> Option<String> {
    let text = host.text("proc/self/cgroup")?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_end_matches('/').to_owned();
    Some(group)
}
