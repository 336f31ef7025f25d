//! spandsp's codecs beside ours, as `perf/peers/spandsp.sh` measures them: a program of C that it builds, whose lines are read.
//!
//! Shape:  nine turns of each codec and direction; the same speech, the same order of frames as `bench codecs`.
//! Units:  nanoseconds per frame of 20 ms of one channel.
//! Errors: [`Missing`].

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::Missing;

const SCRIPT: &str = include_str!("../../../peers/spandsp.sh");

/// Nanoseconds of each turn, by codec and direction (`encode`, `decode`).
pub type Turns = BTreeMap<(String, String), Vec<f64>>;

/// Measures it on one CPU.
///
/// # Errors
/// It is not installed, or cannot be built.
pub fn measure(narrow: &[i16], wide: &[i16], cpu: usize, turn: Duration) -> Result<Turns, Missing> {
    let broken = |error: std::io::Error| Missing::Broken(error.to_string());
    let directory = std::env::temp_dir().join(format!("bench-spandsp-{}", std::process::id()));
    fs::create_dir_all(&directory).map_err(broken)?;
    let octets = |samples: &[i16]| samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect::<Vec<u8>>();
    fs::write(directory.join("narrow.raw"), octets(narrow)).map_err(broken)?;
    fs::write(directory.join("wide.raw"), octets(wide)).map_err(broken)?;
    let mut command = Command::new("bash");
    command.args(["-c", SCRIPT, "peer"]).arg(&directory).args([cpu.to_string(), turn.as_millis().to_string()]);
    let output = command.output().map_err(broken)?;
    // What is left in a directory of temporary files harms nobody.
    let _ = fs::remove_dir_all(&directory);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok(turns(&String::from_utf8_lossy(&output.stdout))),
        Some(super::ABSENT) => Err(Missing::Absent(said.lines().last().unwrap_or_default().to_owned())),
        _ => Err(Missing::Broken(format!("{}: {said}", output.status))),
    }
}

fn turns(text: &str) -> Turns {
    let mut turns = Turns::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        if let (Some(codec), Some(direction), Some(Ok(ns))) = (words.next(), words.next(), words.next().map(str::parse)) {
            turns.entry((codec.to_owned(), direction.to_owned())).or_default().push(ns);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_turns() {
        let turns = turns("pcmu encode 10.5\npcmu encode 11\ng722 decode x\ng722 decode 9\n");
        assert_eq!(turns.get(&("pcmu".to_owned(), "encode".to_owned())), Some(&vec![10.5, 11.0]));
        assert_eq!(turns.len(), 2);
    }
}
