//! What went over loopback, as Wireshark reads it.
//!
//! ```text
//!   dumpcap -i lo ─▶ file ─▶ tshark -Y malformed, warnings ─▶ none            tshark -Y sip, sdp, rtp, rtcp ─▶ how many
//! ```
//! Shape:  one capture per switch, of its ports alone; others on this host have no part in it.
//! Errors: a panic with the frames that Wireshark objects to.
//! Not here: a host that lets us capture. As root it does; else `sudo` without a password; else the test says so.

use std::path::PathBuf;
use std::process::Command;

use perf::process::Process;

use super::{PATIENCE, Switch};

/// A capture under way.
pub struct Capture {
    process: Process,
    file: PathBuf,
    sip: u16,
}

impl Capture {
    /// Begins; `None` (said aloud) where it cannot be.
    pub fn start(switch: &Switch) -> Option<Self> {
        let file = std::env::temp_dir().join(format!("mediaswitch-{}-{}.pcapng", std::process::id(), switch.sip));
        let filter = format!("port {} or udp portrange {}-{}", switch.sip, switch.rtp.0, switch.rtp.1);
        for sudo in [false, true] {
            let mut command = if sudo { Command::new("sudo") } else { Command::new("dumpcap") };
            if sudo {
                command.args(["-n", "dumpcap"]);
            }
            command.args(["-q", "-i", "lo", "-B", "16", "-f", &filter, "-w"]).arg(&file);
            let Ok(mut process) = Process::start(command) else { continue };
            // It names its file once it has begun.
            if process.wait_output("File:", PATIENCE / 4).is_ok() && process.wait(std::time::Duration::ZERO).is_err() {
                return Some(Self { process, file, sip: switch.sip });
            }
        }
        println!("skipped: this host does not let us capture (dumpcap as root, or `sudo -n dumpcap`)");
        None
    }

    /// Ends it and reads it: nothing malformed, no warning, and each protocol is there.
    pub fn check(mut self, protocols: &[&str]) {
        self.process.signal("INT").unwrap();
        self.process.wait(PATIENCE).unwrap();
        let bad = self.read("_ws.malformed || _ws.expert.severity >= \"Warning\"");
        assert!(bad.is_empty(), "Wireshark objects to:\n{bad}");
        for protocol in protocols {
            let seen = self.read(protocol).lines().count();
            assert!(seen > 0, "no {protocol} was captured");
        }
    }

    fn read(&self, filter: &str) -> String {
        let mut command = Command::new("tshark");
        for transport in ["udp", "tcp"] {
            command.arg("-d").arg(format!("{transport}.port=={},sip", self.sip));
        }
        let output = command.arg("-r").arg(&self.file).args(["-Y", filter]).output().expect("tshark reads");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
