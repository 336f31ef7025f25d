//! RTP servers behind a name, as a headless service has them: the name gets another server, loses the first, and calls go on.
//!
//! ```text
//!   control ─▶ getaddrinfo ─▶ dnsmasq: rtp.test = 127.0.0.1 │ 127.0.0.1, 127.0.9.n │ 127.0.9.n │ 127.0.0.1
//! ```
//! On Node and inside project-control. The control program alone gets a `resolv.conf` of its own, in a mount namespace.
//! Where there is no dnsmasq, or no right to make a namespace or to listen on port 53, they say so and prove nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

#[path = "support/handset.rs"]
mod handset;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use handset::Handset;
use perf::process::Process;
use serde_json::Value;
use stage::{Host, MUSIC_HZ, Names, Stage};
use support::{PATIENCE, Ports, program};

const NAME: &str = "rtp.test";
const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A name server for [`NAME`], whose addresses change.
struct NameServer {
    process: Process,
    address: Ipv4Addr,
    hosts: PathBuf,
}

impl NameServer {
    /// On port 53 of an address of its own; `None`, said aloud, where that cannot be.
    fn start(number: u8) -> Option<Self> {
        let namespaces = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
        if !namespaces {
            println!("skipped: mount namespaces cannot be made here; run as root");
            return None;
        }
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 64 + number, high, low.clamp(1, 254));
        let hosts = std::env::temp_dir().join(format!("mediaswitch-names-{}-{number}", std::process::id()));
        fs::write(&hosts, format!("{FIRST} {NAME}\n")).unwrap();
        let mut command = Command::new("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file="]);
        command.args(["--user=root", "--local=/test/", "--port=53"]);
        command.arg(format!("--listen-address={address}")).arg(format!("--addn-hosts={}", hosts.display()));
        let process = match Process::start(command) {
            Ok(process) => process,
            Err(error) => {
                println!("skipped: dnsmasq cannot be started ({error}); `./check tools` installs it");
                return None;
            }
        };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect((address, 53)).is_err() {
            if process.output().contains("ermission denied") {
                println!("skipped: no right to listen on port 53");
                return None;
            }
            assert!(Instant::now() < end, "dnsmasq does not listen: {}", process.output());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { process, address, hosts })
    }

    /// The name stands for these from now on.
    fn say(&self, addresses: &[Ipv4Addr]) {
        let lines: Vec<String> = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
        fs::write(&self.hosts, lines.concat()).unwrap();
        self.process.signal("HUP").unwrap();
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.hosts);
    }
}

/// Another project-rtp, on the port of the first and an address of its own.
fn another(stage: &Stage, address: Ipv4Addr) -> Process {
    let range = Ports::free().rtp;
    let mut command = program("project-rtp");
    command.args(["--pa", "127.0.0.1", "--cores", "1", "--rtp-ports", &format!("{}-{}", range.0, range.1)]);
    command.args(["--api-address", &address.to_string(), "--port", &stage.ports.rtp_http.to_string()]);
    Process::start(command).unwrap()
}

/// Control knows exactly these RTP servers: their states and how many channels they hold.
fn known(stage: &Stage, wanted: &[(Ipv4Addr, &str, u64)]) {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = stage.status();
        let servers = status["servers"]["rtp"].as_array().unwrap();
        let is = |&(address, state, channels): &(Ipv4Addr, &str, u64)| {
            servers.iter().any(|one: &Value| one["host"] == address.to_string() && one["state"] == state && one["channels"] == channels)
        };
        if servers.len() == wanted.len() && wanted.iter().all(is) {
            return;
        }
        assert!(Instant::now() < end, "not {wanted:?}: {servers:?}\n{}", stage.control.output());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn talk(a: &Handset, b: &Handset) {
    a.hears(&[b.tone_hz], &[MUSIC_HZ]);
    b.hears(&[a.tone_hz], &[MUSIC_HZ]);
}

fn a_name(host: Host, number: u8) {
    let Some(names) = NameServer::start(number) else { return };
    let Some(stage) = Stage::with_names(host, "office.js", Names { rtp: NAME, server: names.address }) else { return };
    let (a, b, c, d) = (stage.answers("1000"), stage.answers("1001"), stage.answers("1002"), stage.answers("1003"));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    known(&stage, &[(FIRST, "up", 2)]);
    // A second server comes, and then the first is taken out of the name: its call stays, the next one goes to the second.
    let second = Ipv4Addr::new(127, 0, 9, number + 1);
    let mut other = another(&stage, second);
    names.say(&[FIRST, second]);
    known(&stage, &[(FIRST, "up", 2), (second, "up", 0)]);
    names.say(&[second]);
    known(&stage, &[(FIRST, "leaving", 2), (second, "up", 0)]);
    c.invite("1003");
    c.up();
    talk(&c, &d);
    talk(&a, &b);
    known(&stage, &[(FIRST, "leaving", 2), (second, "up", 2)]);
    a.hang_up();
    b.over();
    known(&stage, &[(second, "up", 2)]);
    // The first is back, the second is taken out and dies with its call, which is moved.
    names.say(&[FIRST]);
    known(&stage, &[(FIRST, "up", 0), (second, "leaving", 2)]);
    other.signal("KILL").unwrap();
    other.wait(PATIENCE).unwrap();
    for phone in [&c, &d] {
        phone.moved(2);
    }
    talk(&c, &d);
    known(&stage, &[(FIRST, "up", 2)]);
    c.hang_up();
    d.over();
    stage.nothing_is_left();
}

#[test]
fn servers_behind_a_name_come_and_go_while_calls_run_on_node() {
    a_name(Host::Node, 1);
}

#[test]
fn servers_behind_a_name_come_and_go_while_calls_run_inside_project_control() {
    a_name(Host::Embedded, 2);
}
