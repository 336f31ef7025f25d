//! Programs of the field, beside which we measure in the same run, where they are installed.
//!
//! ```text
//!   perf/peers/NAME.sh (in the binary) ─▶ a process on the same CPU ─▶ the same load, by turns ─▶ CPU of all its processes ─▶ ratio
//! ```
//! Shape:  one script per peer sets it up; it ends with status 3 where the program is not installed, and the report says so.
//! Units:  microseconds of CPU; a ratio is theirs over ours, round by round.
//! Errors: text; a peer that fails is told in its place and keeps nothing else from being measured.
//! See:    perf/peers/README.md for what is fair.

pub mod kamailio;
pub mod rtpengine;
pub mod spandsp;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::media::spread;
use super::usage;
use crate::process::Process;

/// A peer that runs.
#[derive(Debug)]
pub struct Peer {
    process: Process,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// It is not installed: what its script said.
    Absent(String),
    /// It is, and does not work.
    Broken(String),
}

/// Status of a script whose program is not installed.
const ABSENT: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);
const END_PATIENCE: Duration = Duration::from_secs(3);

impl Peer {
    /// Runs a script with these words, and waits until `is_ready`.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn start(script: &str, words: &[String], mut is_ready: impl FnMut() -> bool) -> Result<Self, Missing> {
        let mut command = Command::new("bash");
        command.args(["-c", script, "peer"]).args(words);
        let mut process = Process::start(command).map_err(|error| Missing::Broken(error.to_string()))?;
        for _ in 0..100 {
            if is_ready() {
                return Ok(Self { process });
            }
            if let Ok(status) = process.wait(Duration::from_millis(100)) {
                // What it said last is read by another thread, a moment after its end.
                let mut said = process.output();
                for _ in 0..20 {
                    if !said.trim().is_empty() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                    said = process.output();
                }
                let last = said.lines().last().unwrap_or_default().to_owned();
                return Err(if status.code() == Some(ABSENT) {
                    Missing::Absent(last)
                } else {
                    Missing::Broken(format!("{status}: {said}"))
                });
            }
        }
        Err(Missing::Broken(format!("it does not answer within {PATIENCE:?}: {}", process.output())))
    }

    /// Process id of its first process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let family = usage::family(self.id());
        // Asked kindly, it ends its children; killed, it would leave them behind.
        if self.process.stop(END_PATIENCE).is_err() {
            let _ = Command::new("kill").arg("-KILL").args(family.iter().map(u32::to_string)).stderr(Stdio::null()).status();
        }
    }
}

/// Ours and theirs, one pair a round.
#[derive(Debug, Default)]
pub struct Rounds {
    pairs: Vec<(f64, f64)>,
}

impl Rounds {
    /// Adds a round: microseconds.
    pub fn push(&mut self, ours: f64, theirs: f64) {
        self.pairs.push((ours, theirs));
    }

    /// For the report.
    pub fn json(&self, name: &str, note: &str) -> Value {
        let column = |of: fn(&(f64, f64)) -> f64| spread(self.pairs.iter().map(of));
        json!({
            "name": name,
            "rounds": self.pairs.len(),
            "ours_us": column(|(ours, _)| *ours),
            "theirs_us": column(|(_, theirs)| *theirs),
            "ratio": column(|(ours, theirs)| theirs / ours.max(1e-9)),
            "note": note,
        })
    }
}

/// A peer that was not measured.
pub fn missing(name: &str, why: &Missing) -> Value {
    match why {
        Missing::Absent(said) => json!({ "name": name, "absent": said }),
        Missing::Broken(why) => json!({ "name": name, "absent": format!("could not be measured: {why}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_not_installed_and_one_that_breaks_are_told_apart() {
        let absent = Peer::start("echo no such program >&2; exit 3", &[], || false).unwrap_err();
        assert_eq!(absent, Missing::Absent("no such program".to_owned()));
        let broken = Peer::start("exit 1", &[], || false).unwrap_err();
        assert!(matches!(broken, Missing::Broken(_)));
        assert!(missing("x", &absent)["absent"].as_str().is_some_and(|why| why == "no such program"));
    }

    #[test]
    fn a_peer_that_does_not_listen_ends_with_its_children() {
        let script = "trap '' TERM; sleep 60 & echo $! >$1; while :; do sleep 0.1; done";
        let file = std::env::temp_dir().join(format!("bench-peer-{}", std::process::id()));
        let written = || std::fs::read_to_string(&file).is_ok_and(|text| !text.trim().is_empty());
        let peer = Peer::start(script, &[file.display().to_string()], written).unwrap();
        let child = std::fs::read_to_string(&file).unwrap().trim().to_owned();
        drop(peer);
        // Killed, it goes, or waits to be buried.
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let lives = || !(state().is_empty() || state().contains(") Z"));
        assert!(
            (0..200).any(|_| !lives() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }),
            "{}",
            state()
        );
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_ratio_is_theirs_over_ours_round_by_round() {
        let mut rounds = Rounds::default();
        for (ours, theirs) in [(10.0, 20.0), (20.0, 50.0), (10.0, 30.0)] {
            rounds.push(ours, theirs);
        }
        assert_eq!(rounds.json("x", "")["ratio"], json!({ "median": 2.5, "least": 2.0, "most": 3.0 }));
    }
}
