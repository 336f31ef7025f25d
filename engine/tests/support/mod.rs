//! What the end-to-end tests share: the binaries on free ports, and SIPp beside them.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod baresip;
pub mod capture;
pub mod hearing;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use perf::process::{Process, free_port, free_port_range};

/// Long enough for a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A whole switch in one process.
pub struct Switch {
    pub process: Process,
    pub sip: u16,
    pub sip_http: u16,
    pub control_http: u16,
    pub rtp_http: u16,
    pub rtp: (u16, u16),
}

impl Drop for Switch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- mediaswitch\n{}", self.process.output());
        }
    }
}

/// Ports of one run, so that a test can start the same ones again.
#[derive(Clone)]
pub struct Ports {
    pub sip: u16,
    pub sip_http: u16,
    pub control_http: u16,
    pub rtp_http: u16,
    pub rtp: (u16, u16),
}

impl Ports {
    pub fn free() -> Self {
        let port = || free_port().expect("a free port");
        Self { sip: port(), sip_http: port(), control_http: port(), rtp_http: port(), rtp: free_port_range(40).expect("free RTP ports") }
    }

    fn rtp_range(&self) -> String {
        format!("{}-{}", self.rtp.0, self.rtp.1)
    }
}

/// A path below `testfiles/`.
pub fn testfile(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testfiles").join(name)
}

pub fn program(name: &str) -> Command {
    let path = match name {
        "mediaswitch" => env!("CARGO_BIN_EXE_mediaswitch"),
        "project-sip" => env!("CARGO_BIN_EXE_project-sip"),
        "project-rtp" => env!("CARGO_BIN_EXE_project-rtp"),
        "project-control" => env!("CARGO_BIN_EXE_project-control"),
        other => panic!("there is no program {other}"),
    };
    let mut command = Command::new(path);
    command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    command
}

/// `--cores` of a run with several signalling shards: `MEDIASWITCH_TEST_CORES="sip=0,1" cargo test -p engine --test calls`.
fn cores(args: &[&str]) -> Vec<String> {
    let wanted = std::env::var("MEDIASWITCH_TEST_CORES").ok().filter(|_| !args.contains(&"--cores"));
    wanted.map_or(Vec::new(), |cores| vec!["--cores".to_owned(), cores])
}

/// No OPTIONS to registered phones: one that comes before the INVITE is the one call that a SIPp callee waits for (`-m 1`).
const NO_PINGS: [&str; 2] = ["--ping-every", "0"];

impl Switch {
    /// `mediaswitch` on loopback, with more arguments.
    pub fn start(ports: &Ports, args: &[&str]) -> Self {
        let mut command = program("mediaswitch");
        command
            .args(["--sip-address", "127.0.0.1", "--pa", "127.0.0.1", "--log", "info"])
            .arg("--sp")
            .arg(ports.sip.to_string())
            .arg("--cp")
            .arg(ports.sip_http.to_string())
            .arg("--control-port")
            .arg(ports.control_http.to_string())
            .arg("--rtp-http-port")
            .arg(ports.rtp_http.to_string())
            .args(["--rtp-ports", &ports.rtp_range()])
            .args(NO_PINGS)
            .args(cores(args))
            .args(args);
        let mut process = Process::start(command).expect("the binary starts");
        for port in [ports.sip_http, ports.rtp_http, ports.control_http] {
            process.wait_ready(port, PATIENCE).unwrap();
        }
        Self {
            process,
            sip: ports.sip,
            sip_http: ports.sip_http,
            control_http: ports.control_http,
            rtp_http: ports.rtp_http,
            rtp: ports.rtp,
        }
    }
}

/// project-sip alone on loopback.
pub fn start_sip(ports: &Ports, args: &[&str]) -> Process {
    let mut command = program("project-sip");
    command.args(["--sip-address", "127.0.0.1", "--sp"]).arg(ports.sip.to_string()).arg("--cp").arg(ports.sip_http.to_string());
    command.args(NO_PINGS).args(cores(args)).args(args);
    let mut process = Process::start(command).expect("the binary starts");
    process.wait_ready(ports.sip_http, PATIENCE).unwrap();
    process
}

/// project-rtp alone on loopback.
pub fn start_rtp(ports: &Ports, args: &[&str]) -> Process {
    let mut command = program("project-rtp");
    command.args(["--pa", "127.0.0.1", "--rtp-ports", &ports.rtp_range(), "--port"]).arg(ports.rtp_http.to_string()).args(args);
    let mut process = Process::start(command).expect("the binary starts");
    process.wait_ready(ports.rtp_http, PATIENCE).unwrap();
    process
}

/// Whether a port is in state LISTEN, seen without a connection to it.
pub fn is_listening(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")))
}

/// SIPp with a scenario of `testfiles/`; `None` (said aloud) where it is not installed.
pub fn sipp(scenario: &str, args: &[&str]) -> Option<Process> {
    let mut command = Command::new("sipp");
    command
        .arg("-sf")
        .arg(testfile(scenario))
        .args(["-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error", "-trace_err", "-error_file"])
        .arg(std::env::temp_dir().join(format!("sipp-{scenario}-{}.log", std::process::id())))
        .args(["-i", "127.0.0.1"])
        .args(args);
    match Process::start(command) {
        Ok(process) => Some(process),
        Err(error) => {
            println!("skipped: sipp cannot be started ({error}); `./check tools` installs it");
            None
        }
    }
}
