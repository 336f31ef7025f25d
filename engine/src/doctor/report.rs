//! The report of the doctor, for people and for programs.
//!
//! ```text
//!   ok    clock            tsc
//!   WARN  receive-buffer   at most 212992 bytes a socket
//!           costs   …
//!           mend    …
//! ```
//! Shape:  one line a finding, two more where something is to be done; JSON: `{"severity","findings":[…]}`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Finding, Severity, worst};

/// For people; with colours if they look at a terminal.
pub fn text(findings: &[Finding], colour: bool) -> String {
    let mut out = String::new();
    for finding in findings {
        let (word, code) = match finding.severity {
            Severity::Good => ("ok", "32"),
            Severity::Note => ("note", "36"),
            Severity::Warning => ("WARN", "33"),
            Severity::Failure => ("FAIL", "31"),
        };
        let word = if colour { format!("\x1b[{code}m{word:<5}\x1b[0m") } else { format!("{word:<5}") };
        let _ = writeln!(out, "{word} {:<17} {}", finding.check, finding.found);
        for (label, said) in [("costs", &finding.cost), ("mend", &finding.remedy)] {
            if !said.is_empty() {
                let _ = writeln!(out, "        {label:<6} {said}");
            }
        }
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let _ = writeln!(
        out,
        "\n{} checks: {} failed, {} warnings, {} notes.",
        findings.len(),
        count(Severity::Failure),
        count(Severity::Warning),
        count(Severity::Note)
    );
    out
}

/// For programs.
pub fn json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "check": finding.check,
            "severity": finding.severity.word(),
            "found": finding.found,
            "cost": finding.cost,
            "remedy": finding.remedy,
        })
    };
    json!({ "severity": worst(findings).word(), "findings": findings.iter().map(one).collect::<Vec<_>>() })
}
