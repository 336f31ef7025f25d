//! `mediaswitch doctor`: looks at the host for the settings given, prints what it found, exits by the worst.
//!
//! Shape:  the same flags as the switch itself, so that what is examined is what would run; `--json` for programs.
//! Not here: the checks (`doctor`).

use std::io::IsTerminal as _;
use std::process::ExitCode;

use super::switch::Config;
use super::{Failure, say};
use crate::doctor::{Host, Subject, examine, json, text, worst};
use crate::node::media;
use crate::ring::Needs;
use crate::settings::Settings;
use crate::shard::{Layout, allowed_cpus};

/// Runs it.
///
/// # Errors
/// Wrong settings.
pub fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let config = Config::read(settings)?;
    let layout = Layout::new(settings.program, &config.cores, &allowed_cpus()).map_err(Failure::usage)?;
    let channels = config.rtp.as_ref().map_or(0, media::channels);
    let http = [
        config.sip.as_ref().map(|sip| sip.http),
        config.rtp.as_ref().map(|rtp| rtp.http),
        config.control.as_ref().map(|control| control.http),
    ];
    let subject = Subject {
        needs: Needs { shards: layout.shards.len(), media_shards: layout.media_shards(), channels },
        cpus: layout.shards.iter().map(|plan| plan.cpu).collect(),
        rtp_ports: config.rtp.as_ref().map(|rtp| rtp.ports.clone()),
        sip: config.sip.iter().flat_map(|sip| sip.listeners.iter().map(|(at, _)| *at)).collect(),
        http: http.into_iter().flatten().collect(),
    };
    let findings = examine(&Host::this(), &subject);
    if settings.is_set("json") {
        say(&format!("{:#}\n", json(&findings)))?;
    } else {
        say(&text(&findings, std::io::stdout().is_terminal()))?;
    }
    Ok(ExitCode::from(worst(&findings).exit_code()))
}
