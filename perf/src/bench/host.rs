//! Facts of the host and the build, without which a figure means nothing.
//!
//! Shape:  one JSON object; a fact that cannot be had is `null`.
//! Units:  as the kernel says them.
//! Errors: none.
//! Not here: what costs calls and how to mend it (`mediaswitch doctor`).
//! Source: /proc and /sys of Linux.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// Version of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All facts.
pub fn facts() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of_cpu =
        |key: &str| cpuinfo.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':')).map(|(_, v)| v.trim());
    let flags = of_cpu("flags").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    json!({
        "version": VERSION,
        "commit": commit(),
        "debug_build": cfg!(debug_assertions),
        "cpu": of_cpu("model name"),
        "cpu_family_model": of_cpu("cpu family").zip(of_cpu("model\t")).map(|(family, model)| format!("{family}/{model}")),
        "cpu_mhz": of_cpu("cpu MHz").and_then(|mhz| mhz.parse::<f64>().ok()),
        "cpus": core_affinity::get_core_ids().map(|ids| ids.iter().map(|core| core.id).collect::<Vec<_>>()),
        "virtual": flags.split(' ').any(|flag| flag == "hypervisor"),
        "simd": dsp::Level::available().map(dsp::Level::name).collect::<Vec<_>>(),
        "kernel": line("/proc/sys/kernel/osrelease"),
        "mitigations": mitigations(),
        "governor": line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clocksource": line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load_average": line("/proc/loadavg"),
        "memory_kib": fs::read_to_string("/proc/meminfo").ok().and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok()),
        "rmem_max": line("/proc/sys/net/core/rmem_max"),
        "limits": { "nofile": limit("Max open files"), "memlock": limit("Max locked memory"), "rtprio": limit("Max realtime priority") },
    })
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// What the kernel does against the CPU's faults, by fault; those that do not concern this CPU are left out.
fn mitigations() -> Value {
    let entries = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let mut found: Vec<(String, String)> = entries
        .filter_map(|entry| {
            Some((entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).ok()?.trim().to_owned()))
        })
        .filter(|(_, state)| state != "Not affected")
        .collect();
    found.sort();
    Value::Object(found.into_iter().map(|(name, state)| (name, Value::String(state))).collect())
}

/// Commit of the source tree that the program lies in, with a `+` if that was changed; `null` outside one.
fn commit() -> Option<String> {
    let directory = std::env::current_exe().ok()?.parent()?.to_owned();
    let git = |words: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&directory).args(words).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Some other repository says nothing of us.
    let top = std::path::PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    top.join(file!()).is_file().then_some(())?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(format!("{commit}{}", if changed { "+" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_name_kernel_and_simd_levels() {
        let facts = facts();
        assert!(facts["kernel"].is_string() && facts["simd"].as_array().is_some_and(|levels| levels.len() >= 2), "{facts:#}");
        assert_eq!(facts["version"], VERSION);
    }
}
