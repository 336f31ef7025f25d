//! A stage for call flows: project-sip, one or more project-rtp with sounds, and a script of `control/examples` on either host.
//!
//! ```text
//!   Handset ◀── SIP ──▶ project-sip ◀── HTTP ──▶ script, on Node or in project-control ◀── HTTP ──▶ project-rtp ◀── RTP ──▶ Handset
//! ```
//! Shape:  everything on free ports of 127.0.0.1, ended with the stage.
//! Errors: a panic with the script's output.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use perf::phone::Account;
use perf::process::{Process, http, http_get};
use perf::rtp_peer::Codec;
use serde_json::Value;

use crate::handset::{Called, Handset};
use crate::support::{PATIENCE, Ports, program, start_rtp, start_sip};

/// What the script runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Node,
    Embedded,
}

/// Users of the stage and their tones: none is a multiple or the sum of others.
pub const USERS: [(&str, f64); 6] =
    [("1000", 440.0), ("1001", 1010.0), ("1002", 1530.0), ("1003", 2070.0), ("1004", 2690.0), ("1005", 3110.0)];
pub const MUSIC_HZ: f64 = 700.0;
pub const RINGING_HZ: f64 = 520.0;
pub const PROMPT_HZ: f64 = 610.0;
pub const BEEP_HZ: f64 = 850.0;
pub const DOMAIN: &str = "flows.test";
const SECRET: &str = "1123654789";

static STAGES: AtomicU32 = AtomicU32::new(0);

/// See the module.
pub struct Stage {
    pub ports: Ports,
    /// Ports of the RTP servers; the first are those of `ports`.
    pub rtp_ports: Vec<Ports>,
    /// The same of the SIP servers.
    pub sip_ports: Vec<Ports>,
    pub sips: Vec<Process>,
    pub rtps: Vec<Process>,
    pub control: Process,
    folder: PathBuf,
    host: Host,
    script: String,
    environment: Vec<(String, String)>,
    names: Option<Names>,
}

/// RTP servers are known to control by a name, which it asks this name server for.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub rtp: &'static str,
    pub server: Ipv4Addr,
}

impl Stage {
    /// A stage with one RTP server; `None`, said aloud, where there is no Node.
    pub fn new(host: Host, script: &str, environment: &[(&str, &str)]) -> Option<Self> {
        Self::build(host, script, environment, (1, 1), None)
    }

    /// A stage with several SIP and RTP servers.
    pub fn with_servers(host: Host, script: &str, environment: &[(&str, &str)], sips: usize, rtps: usize) -> Option<Self> {
        Self::build(host, script, environment, (sips, rtps), None)
    }

    /// A stage whose RTP servers have a name.
    pub fn with_names(host: Host, script: &str, names: Names) -> Option<Self> {
        Self::build(host, script, &[], (1, 1), Some(names))
    }

    fn build(host: Host, script: &str, environment: &[(&str, &str)], (sips, rtps): (usize, usize), names: Option<Names>) -> Option<Self> {
        if host == Host::Node && Command::new("node").arg("--version").output().is_err() {
            println!("skipped: node is not installed; `./check tools` installs it");
            return None;
        }
        let number = STAGES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("mediaswitch-stage-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("node_modules")).unwrap();
        sounds(&folder);
        let ports = Ports::free();
        let several = |count| std::iter::once(ports.clone()).chain(std::iter::repeat_with(Ports::free)).take(count).collect::<Vec<_>>();
        let (sip_ports, rtp_ports) = (several(sips), several(rtps));
        let sips = sip_ports.iter().map(sip).collect();
        let rtps = rtp_ports.iter().map(|one| rtp(one, &folder)).collect();
        let environment: Vec<(String, String)> = environment.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let control = control(host, script, &environment, &folder, &sip_ports, &rtp_ports, names);
        let mut stage = Self { ports, rtp_ports, sip_ports, sips, rtps, control, folder, host, script: script.into(), environment, names };
        stage.control_is_ready();
        Some(stage)
    }

    fn control_is_ready(&mut self) {
        self.control.wait_ready(self.ports.control_http, PATIENCE).unwrap();
        let end = Instant::now() + PATIENCE;
        let domain = if self.script == "documentation.js" { "bling.babblevoice.com" } else { DOMAIN };
        let told =
            |ports: &Ports| http_get(ports.sip_http, &format!("/dir/{domain}/1003")).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"));
        while !self.sip_ports.iter().all(told) {
            assert!(Instant::now() < end, "the script did not tell its users\n{}", self.control.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Control dies without a word, and is started again.
    pub fn restart_control(&mut self) {
        self.control.signal("KILL").unwrap();
        let _ = self.control.wait(PATIENCE);
        self.control = control(self.host, &self.script, &self.environment, &self.folder, &self.sip_ports, &self.rtp_ports, self.names);
        self.control_is_ready();
    }

    /// An RTP server dies without a word.
    pub fn kill_rtp(&mut self, at: usize) {
        self.rtps[at].signal("KILL").unwrap();
        self.rtps[at].wait(PATIENCE).unwrap();
    }

    /// It is there again, and knows nothing.
    pub fn start_rtp_again(&mut self, at: usize) {
        self.rtps[at] = rtp(&self.rtp_ports[at], &self.folder);
    }

    /// A SIP server dies without a word.
    pub fn kill_sip(&mut self, at: usize) {
        self.sips[at].signal("KILL").unwrap();
        self.sips[at].wait(PATIENCE).unwrap();
    }

    /// It is there again, and has been told its users.
    pub fn start_sip_again(&mut self, at: usize) {
        self.sips[at] = sip(&self.sip_ports[at]);
        self.control_is_ready();
    }

    /// How many channels an RTP server has.
    pub fn channels(&self, at: usize) -> u64 {
        json(self.rtp_ports[at].rtp_http, "/channel")["channels"].as_array().map_or(0, |list| list.len() as u64)
    }

    /// What control knows of an RTP server, once `done`.
    pub fn rtp_is(&self, at: usize, what: &str, done: impl Fn(&Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            let all = status["servers"]["rtp"].as_array().unwrap();
            let known = all.iter().find(|one| one["port"] == self.rtp_ports[at].rtp_http).unwrap();
            if done(known) {
                return;
            }
            assert!(Instant::now() < end, "not {what}: {known}\n{}", self.control.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A registered phone, with the tone of its user.
    pub fn phone(&self, user: &str, codec: Codec, called: Called) -> Handset {
        self.phone_of(DOMAIN, user, codec, called)
    }

    /// The same, of another domain.
    pub fn phone_of(&self, domain: &str, user: &str, codec: Codec, called: Called) -> Handset {
        let tone_hz = USERS.iter().find(|(name, _)| *name == user).expect("a user of the stage").1;
        let account = Account { user: user.into(), domain: domain.into(), secret: SECRET.into(), server: self.server() };
        Handset::new(account, codec, tone_hz, called)
    }

    /// A phone that answers at once.
    pub fn answers(&self, user: &str) -> Handset {
        self.phone(user, Codec::Pcma, Called::Answers(Duration::ZERO))
    }

    /// A phone that is registered with another SIP server, and answers at once.
    pub fn answers_at(&self, server: usize, user: &str) -> Handset {
        let tone_hz = USERS.iter().find(|(name, _)| *name == user).expect("a user of the stage").1;
        let server = ([127, 0, 0, 1], self.sip_ports[server].sip).into();
        let account = Account { user: user.into(), domain: DOMAIN.into(), secret: SECRET.into(), server };
        Handset::new(account, Codec::Pcma, tone_hz, Called::Answers(Duration::ZERO))
    }

    /// Somebody outside at this address, who is not registered.
    pub fn stranger_at(&self, at: SocketAddr, tone_hz: f64, called: Called) -> Handset {
        let account = Account { user: "stranger".into(), domain: "elsewhere.test".into(), secret: String::new(), server: self.server() };
        Handset::at(at, account, Codec::Pcmu, tone_hz, called)
    }

    fn server(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports.sip).into()
    }

    /// A file that an RTP server has written.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Control's `/status`.
    pub fn status(&self) -> Value {
        json(self.ports.control_http, "/status")
    }

    /// Asks control.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        http(self.ports.control_http, method, path, body).unwrap()
    }

    /// Waits for a line of the script.
    pub fn says(&mut self, text: &str) {
        self.control.wait_output(text, PATIENCE).unwrap();
    }

    /// No dialog, no channel and no call is left anywhere, and the script has met no error.
    pub fn is_empty(&self, rtps: &[usize]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let dialogs: Vec<String> = self.sip_ports.iter().map(|one| http_get(one.sip_http, "/dialog").unwrap()).collect();
            let channels: Vec<String> = rtps.iter().map(|&at| http_get(self.rtp_ports[at].rtp_http, "/channel").unwrap()).collect();
            let calls = json(self.ports.control_http, "/calls");
            if dialogs.iter().all(|one| one.contains("\"count\":0"))
                && channels.iter().all(|one| one.contains("\"count\":0"))
                && calls == Value::Array(vec![])
            {
                break;
            }
            assert!(Instant::now() < end, "left over:\n{dialogs:?}\n{channels:?}\n{calls}\n{}", self.control.output());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.status()["errors"], 0, "{}", self.control.output());
    }

    /// The usual end.
    pub fn nothing_is_left(&self) {
        self.is_empty(&[0]);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- control\n{}\n--- sip\n{}", self.control.output(), self.sips[0].output());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn sip(ports: &Ports) -> Process {
    start_sip(ports, &["--pa", "127.0.0.1"])
}

fn rtp(ports: &Ports, folder: &Path) -> Process {
    start_rtp(ports, &["--chroot", folder.to_str().unwrap(), "--cores", "1"])
}

fn json(port: u16, path: &str) -> Value {
    let answer = http_get(port, path).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../control").canonicalize().unwrap()
}

/// A script of `examples` that finds its users told, on either host.
fn control(
    host: Host,
    script: &str,
    environment: &[(String, String)],
    folder: &Path,
    sips: &[Ports],
    rtps: &[Ports],
    names: Option<Names>,
) -> Process {
    let library = examples();
    let path = library.join("examples").join(script);
    let users: Vec<String> = USERS.iter().map(|(user, _)| format!("{{ username: '{user}', secret: '{SECRET}' }}")).collect();
    let text = format!(
        "const projectcontrol = require('projectcontrol');\nprojectcontrol.times.health = projectcontrol.times.resolve = 300;\nrequire({:?});\n\
         if (!projectcontrol.domains.size) projectcontrol.directory('{DOMAIN}', [{}]);\n",
        path.to_str().unwrap(),
        users.join(", ")
    );
    let main = folder.join("main.js");
    fs::write(&main, text).unwrap();
    let local = |port: u16| format!("127.0.0.1:{port}");
    let us = local(sips[0].control_http);
    let sip: Vec<String> = sips.iter().map(|one| local(one.sip_http)).collect();
    let rtp: Vec<String> = match names {
        Some(Names { rtp, .. }) => vec![format!("{rtp}:{}", sips[0].rtp_http)],
        None => rtps.iter().map(|one| local(one.rtp_http)).collect(),
    };
    let users: Vec<String> = USERS.iter().map(|(user, _)| format!("{user}:{SECRET}")).collect();
    let mut command = match host {
        Host::Node => {
            for (name, target) in [("projectcontrol", library.clone()), ("projectqueue", library.join("queue"))] {
                // There already after a restart.
                let _ = std::os::unix::fs::symlink(target, folder.join("node_modules").join(name));
            }
            let mut command = Command::new("node");
            command
                .env("NODE_PATH", folder.join("node_modules"))
                .env("PROJECTCONTROL_US", us)
                .env("PROJECTCONTROL_SIP", sip.join(","))
                .env("PROJECTCONTROL_RTP", rtp.join(","))
                .env("MEDIASWITCH_DOMAIN", DOMAIN)
                .env("MEDIASWITCH_USERS", users.join(","))
                .arg(&main);
            command
        }
        Host::Embedded => {
            let mut command = program("project-control");
            command
                .args(["--port", &sips[0].control_http.to_string(), "--sip", &sip.join(","), "--rtp", &rtp.join(",")])
                .args(["--domain", DOMAIN, "--users", &users.join(",")])
                .arg(&main);
            command
        }
    };
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    if let Some(names) = names {
        command = asking(names.server, folder, &command);
    }
    Process::start(command).unwrap()
}

/// The same program where the system's resolver asks this name server.
fn asking(server: Ipv4Addr, folder: &Path, command: &Command) -> Command {
    let (resolver, order) = (folder.join("resolv.conf"), folder.join("nsswitch.conf"));
    fs::write(&resolver, format!("nameserver {server}\n")).unwrap();
    fs::write(&order, "hosts: files dns\n").unwrap();
    let mut apart = Command::new("unshare");
    apart.args(["--mount", "sh", "-c"]);
    apart.arg("mount --bind \"$1\" /etc/resolv.conf && mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"").arg("sh");
    apart.arg(resolver).arg(order).arg(command.get_program()).args(command.get_args());
    apart.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    apart.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    apart
}

/// Tones in place of voices and music.
fn sounds(folder: &Path) {
    let long = [("music", MUSIC_HZ, 20_000), ("ringing", RINGING_HZ, 20_000)];
    let short = ["welcome", "sorry", "dial", "pin", "leaveamessage", "youare"].map(|name| (name, PROMPT_HZ, 400));
    for (name, hz, ms) in long.into_iter().chain(short).chain([("beep", BEEP_HZ, 300)]) {
        wave(&folder.join(format!("{name}.wav")), hz, ms);
    }
    fs::create_dir_all(folder.join("en")).unwrap();
    for number in 1..=3 {
        wave(&folder.join(format!("en/{number}.wav")), PROMPT_HZ, 200);
    }
}

/// A WAV file of one tone: 8 kHz, 16 bits, mono.
fn wave(path: &Path, hz: f64, ms: u32) {
    let samples = ms * 8;
    let mut bytes = Vec::with_capacity(44 + samples as usize * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + samples * 2).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend_from_slice(&8000_u32.to_le_bytes());
    bytes.extend_from_slice(&16_000_u32.to_le_bytes());
    bytes.extend_from_slice(b"\x02\0\x10\0data");
    bytes.extend_from_slice(&(samples * 2).to_le_bytes());
    for n in 0..samples {
        let sample = (std::f64::consts::TAU * hz * f64::from(n) / 8000.0).sin() * 9000.0;
        bytes.extend_from_slice(&(sample as i16).to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}
