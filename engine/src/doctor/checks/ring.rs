//! Whether io_uring works, tried as the shards will use it.
//!
//! Source: io_uring_setup(2); prctl(2) `PR_SET_SECCOMP`.

use super::super::{Finding, Host, Severity, Subject};
use crate::os::limits;
use crate::ring::{ProbeError, probe};

/// A ring, a multishot receive and a send, over loopback.
pub(super) fn io_uring(host: &Host, subject: &Subject) -> Vec<Finding> {
    if !host.is_this() {
        return Vec::new();
    }
    let finding = match probe(subject.needs) {
        Ok(()) => Finding::good("io_uring", format!("works, Linux {}", limits::kernel_release())),
        // Those have checks of their own, with commands.
        Err(ProbeError::Memlock { .. } | ProbeError::Descriptors { .. }) => return Vec::new(),
        Err(error) => {
            let remedy = "sysctl -w kernel.io_uring_disabled=0; in a container: a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register";
            Finding::bad("io_uring", Severity::Failure, error.to_string(), "project-rtp and the runtime do not start without it", remedy)
        }
    };
    vec![finding]
}

/// A filter looks at every system call.
pub(super) fn seccomp(host: &Host, _subject: &Subject) -> Vec<Finding> {
    let status = host.text("proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    match mode {
        None => Vec::new(),
        Some("0") => vec![Finding::good("seccomp", "no filter")],
        Some(_) => vec![Finding::bad(
            "seccomp",
            Severity::Note,
            "a filter is in force",
            "it runs on every system call; the ring makes few of them",
            "docker run --security-opt seccomp=PROFILE with a profile of your own, or none on a host that runs only this",
        )],
    }
}
