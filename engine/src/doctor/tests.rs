//! Checks against hosts made of files.

use std::path::PathBuf;

use super::*;

/// A directory with the given files, gone when it is dropped.
struct Fake(PathBuf);

impl Fake {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("mediaswitch-doctor-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        Self(root)
    }

    fn finding(&self, check: &str) -> Finding {
        let found = examine(&Host::under(&self.0), &subject());
        found.into_iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("no finding named {check}"))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn subject() -> Subject {
    Subject {
        needs: Needs { shards: 4, media_shards: 3, channels: 5000 },
        cpus: vec![0, 1, 2, 3],
        rtp_ports: Some(10_000..=20_000),
        sip: Vec::new(),
        http: Vec::new(),
    }
}

/// A check, files and what the kernel says in them, how bad that is, and words of the answer.
type Case = (&'static str, &'static [(&'static str, &'static str)], Severity, &'static str);

const CASES: &[Case] = &[
    ("seccomp", &[("proc/self/status", "Name: x\nSeccomp:\t2\n")], Severity::Note, "filter"),
    ("seccomp", &[("proc/self/status", "Seccomp:\t0\n")], Severity::Good, "no filter"),
    (
        "nofile",
        &[("proc/self/limits", "Max open files            1024                 4096                 files\n")],
        Severity::Failure,
        "11216",
    ),
    (
        "nofile",
        &[("proc/self/limits", "Max open files            1024                 524288               files\n")],
        Severity::Good,
        "524288",
    ),
    (
        "memlock",
        &[("proc/self/limits", "Max locked memory         65536                65536                bytes\n")],
        Severity::Failure,
        "64 KiB",
    ),
    (
        "memlock",
        &[("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n")],
        Severity::Good,
        "unlimited",
    ),
    ("cpu-quota", &[("proc/self/cgroup", "0::/app\n"), ("sys/fs/cgroup/app/cpu.max", "150000 100000\n")], Severity::Warning, "1.50 CPUs"),
    ("cpu-quota", &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "max 100000\n")], Severity::Good, "none"),
    ("receive-buffer", &[("proc/sys/net/core/rmem_max", "212992\n")], Severity::Warning, "212992"),
    ("receive-buffer", &[("proc/sys/net/core/rmem_max", "26214400\n")], Severity::Good, "26214400"),
    ("udp-losses", &[("proc/net/snmp", "Udp: InDatagrams RcvbufErrors\nUdp: 7 42\n")], Severity::Note, "42"),
    ("udp-losses", &[("proc/net/snmp", "Udp: InDatagrams RcvbufErrors\nUdp: 7 0\n")], Severity::Good, "no datagram"),
    ("backlog-losses", &[("proc/net/softnet_stat", "0001 00000010 0\n0001 00000001 0\n")], Severity::Warning, "17"),
    (
        "receive-queues",
        &[("sys/class/net/eth0/device/x", ""), ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00")],
        Severity::Warning,
        "1 receive queue, 3",
    ),
    ("receive-queues", &[("sys/class/net/eth0/device/x", ""), ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0f")], Severity::Good, "RPS"),
    ("ephemeral-ports", &[("proc/sys/net/ipv4/ip_local_port_range", "15000 60999\n")], Severity::Warning, "5001 ports"),
    ("ephemeral-ports", &[("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")], Severity::Good, "apart"),
    (
        "ephemeral-ports",
        &[("proc/sys/net/ipv4/ip_local_port_range", "15000 60999"), ("proc/sys/net/ipv4/ip_local_reserved_ports", "5060,10000-20000")],
        Severity::Good,
        "apart",
    ),
    (
        "conntrack",
        &[("proc/sys/net/netfilter/nf_conntrack_max", "262144"), ("proc/sys/net/netfilter/nf_conntrack_count", "9")],
        Severity::Note,
        "9 of 262144",
    ),
    ("conntrack", &[("proc/sys/net/netfilter/nf_conntrack_max", "8192")], Severity::Warning, "need 10000"),
    ("governor", &[("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n")], Severity::Warning, "powersave"),
    ("governor", &[("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n")], Severity::Good, "performance"),
    (
        "mitigations",
        &[("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines; STIBP: disabled")],
        Severity::Note,
        "spectre_v2",
    ),
    ("mitigations", &[("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected")], Severity::Good, "none"),
    ("clock", &[("sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm")], Severity::Warning, "acpi_pm"),
    ("clock", &[("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc")], Severity::Good, "tsc"),
    (
        "cores",
        &[
            ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2"),
        ],
        Severity::Note,
        "2 shards on 1 cores",
    ),
    ("huge-pages", &[("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never")], Severity::Note, "always"),
    ("huge-pages", &[("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never")], Severity::Good, "madvise"),
];

#[test]
fn every_trouble_is_found_and_every_remedy_is_named() {
    for (at, (check, files, severity, words)) in CASES.iter().enumerate() {
        let finding = Fake::new(&at.to_string(), files).finding(check);
        assert_eq!(finding.severity, *severity, "{check}: {finding:?}");
        assert!(finding.found.contains(words), "{check}: {finding:?}");
        let said = !finding.cost.is_empty();
        assert_eq!(said, *severity > Severity::Good, "{check} says what it costs: {finding:?}");
        assert!(*severity < Severity::Warning || !finding.remedy.is_empty(), "{check} says what mends it");
    }
}

#[test]
fn a_host_that_tells_nothing_gives_no_alarm() {
    let fake = Fake::new("empty", &[]);
    assert!(worst(&examine(&Host::under(&fake.0), &subject())) <= Severity::Good);
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let finding = |severity| Finding::bad("x", severity, "", "", "");
    assert_eq!(worst(&[]).exit_code(), 0);
    assert_eq!(worst(&[finding(Severity::Note), finding(Severity::Good)]).exit_code(), 0);
    assert_eq!(worst(&[finding(Severity::Warning), finding(Severity::Note)]).exit_code(), 1);
    assert_eq!(worst(&[finding(Severity::Warning), finding(Severity::Failure)]).exit_code(), 78);
}

#[test]
fn both_reports_hold_every_finding() {
    let findings = examine(&Host::this(), &subject());
    let (people, programs) = (text(&findings, false), json(&findings));
    assert!(findings.len() > 8, "{people}");
    assert_eq!(programs["findings"].as_array().map(Vec::len), Some(findings.len()));
    for finding in &findings {
        assert!(people.contains(&finding.found), "{}", finding.found);
    }
    assert_eq!(programs["severity"], worst(&findings).word());
}
