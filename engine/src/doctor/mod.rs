//! `mediaswitch doctor`: what of this host costs calls, and how to mend it.
//!
//! ```text
//!   Subject (what is to run) ┐
//!   Host (/proc, /sys)       ┴─▶ CHECKS, each a function ─▶ Finding … ─▶ text or JSON ─▶ exit code
//! ```
//! Shape:  a check looks at one thing and gives findings; it changes nothing but what it opens and closes again.
//! Units:  said in each finding.
//! Errors: none: what cannot be read is left out, since a kernel without the file has not the trouble either.
//! Exit:   0 nothing above a note, 1 a warning, 78 this host cannot run us (sysexits.h `EX_CONFIG`).
//! Source: `docs/runtime.md`; proc(5), the kernel's admin-guide.

mod checks;
mod host;
mod report;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::ops::RangeInclusive;

pub use host::Host;
pub use report::{json, text};

use crate::ring::Needs;

/// How bad a finding is, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Worth knowing; costs little or cannot be changed here.
    Note,
    /// Costs calls, or will under load.
    Warning,
    /// Does not run like this.
    Failure,
}

impl Severity {
    /// Stable word of the JSON form.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }

    /// Exit code of a report whose worst finding is this.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Good | Self::Note => 0,
            Self::Warning => 1,
            Self::Failure => 78,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of what was looked at, such as `nofile`.
    pub check: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is so, with its unit.
    pub found: String,
    /// What it costs; empty when nothing.
    pub cost: String,
    /// What mends it, a command where there is one; empty when nothing has to be done.
    pub remedy: String,
}

impl Finding {
    fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, severity: Severity::Good, found: found.into(), cost: String::new(), remedy: String::new() }
    }

    fn bad(check: &'static str, severity: Severity, found: impl Into<String>, cost: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, severity, found: found.into(), cost: cost.into(), remedy: remedy.into() }
    }
}

/// What is to run here.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What the shards need.
    pub needs: Needs,
    /// CPUs they will be pinned to.
    pub cpus: Vec<usize>,
    /// RTP ports, none without project-rtp.
    pub rtp_ports: Option<RangeInclusive<u16>>,
    /// Addresses of SIP.
    pub sip: Vec<SocketAddr>,
    /// Addresses of HTTP.
    pub http: Vec<SocketAddr>,
}

/// Looks at everything, in the order of the report.
pub fn examine(host: &Host, subject: &Subject) -> Vec<Finding> {
    checks::ALL.iter().flat_map(|check| check(host, subject)).collect()
}

/// The worst of them.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Good)
}
