//! baresip, a real softphone, driven over its control socket: `ctrl_tcp`, JSON in netstrings.
//!
//! ```text
//!   test ── 33:{"command":"dial",…}, ──▶ baresip ── SIP, RTP ──▶ switch        its ear: sndfile writes what it decodes
//!        ◀─ 120:{"event":true,…}, ─────
//! ```
//! Shape:  each has a directory and ports of its own; it sends a tone (ausine) and plays into the void (aubridge).
//! Errors: a panic with what baresip said, since this is a test.
//! Limits: every wait ends after [`PATIENCE`].

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use perf::ear::Ear;
use perf::process::{Process, free_port, free_port_range};
use serde_json::{Value, json};

use super::PATIENCE;

/// Where systems keep its modules.
const MODULES: [&str; 3] = ["/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules"];

/// A softphone.
pub struct Baresip {
    name: String,
    process: Process,
    control: TcpStream,
    unread: Vec<u8>,
    /// What it has told, oldest first, until somebody waited for it.
    events: Vec<Value>,
    directory: PathBuf,
}

/// Whose account it has, and how it reaches the switch.
pub struct Account<'a> {
    pub user: &'a str,
    pub secret: &'a str,
    pub domain: &'a str,
    /// Port of the switch on loopback.
    pub sip: u16,
    pub transport: &'a str,
    /// Codec names, best first.
    pub codecs: &'a str,
    /// What it sends.
    pub tone_hz: u16,
}

impl Baresip {
    /// Starts it and waits until it is registered; `None` (said aloud) where it is not installed.
    pub fn start(account: &Account<'_>) -> Option<Self> {
        let Account { user, secret, domain, sip, transport, codecs, tone_hz } = *account;
        let (listen, control) = (free_port().unwrap(), free_port().unwrap());
        let (first, last) = free_port_range(16).unwrap();
        let directory = std::env::temp_dir().join(format!("mediaswitch-baresip-{}-{listen}", std::process::id()));
        std::fs::create_dir_all(directory.join("heard")).unwrap();
        let heard = directory.join("heard").display().to_string();
        let config = format!(
            "poll_method epoll\nnet_interface 127.0.0.1\nsip_listen 127.0.0.1:{listen}\nrtp_ports {first}-{last}\nrtcp_mux no\n\
             jitter_buffer_delay 1-5\ncall_max_calls 4\nringback_disabled yes\nstatmode_default off\n\
             audio_source ausine,{tone_hz}\nausrc_srate 48000\nausrc_channels 2\n\
             audio_player aubridge,sink{user}\nauplay_srate 8000\nauplay_channels 1\naudio_alert aubridge,alert{user}\n\
             snd_path {heard}\nmodule_path {}\n\
             module g711.so\nmodule sndfile.so\nmodule ausine.so\nmodule aubridge.so\n\
             module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n",
            MODULES.iter().find(|path| Path::new(path).exists()).unwrap_or(&".")
        );
        let account = format!(
            "<sip:{user}@{domain};transport={transport}>;auth_pass={secret};outbound=\"sip:127.0.0.1:{sip};transport={transport}\";\
             audio_codecs={codecs};regint=600\n"
        );
        std::fs::write(directory.join("config"), config).unwrap();
        std::fs::write(directory.join("accounts"), account).unwrap();
        let mut command = Command::new("baresip");
        // With a trace of its messages, for the tags of its calls.
        command.arg("-s").arg("-f").arg(&directory);
        let process = match Process::start(command) {
            Ok(process) => process,
            Err(error) => {
                println!("skipped: baresip cannot be started ({error}); `./check tools` installs it");
                return None;
            }
        };
        let control = connect(control, &process);
        control.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (unread, events) = (Vec::new(), Vec::new());
        let mut phone = Self { name: user.to_owned(), process, control, unread, events, directory };
        // It may have registered before anybody listened to its events.
        let end = Instant::now() + PATIENCE;
        while !phone.process.output().contains("200 OK") {
            assert!(Instant::now() < end, "{user} does not register:\n{}", phone.process.output());
            phone.read();
        }
        Some(phone)
    }

    /// Has a command done and gives what it says to it.
    pub fn command(&mut self, command: &str, params: &str) -> Value {
        let text = json!({"command": command, "params": params, "token": command}).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).unwrap();
        let answer = self.wait(command, |told| told["response"] == true && told["token"] == command);
        assert_eq!(answer["ok"], true, "{}: {command} {params}: {answer}", self.name);
        answer
    }

    /// Waits for an event of this type.
    pub fn event(&mut self, kind: &str) -> Value {
        self.wait(kind, |told| told["type"] == kind)
    }

    /// Forgets what it has told so far.
    pub fn forget(&mut self) {
        self.read();
        self.events.clear();
    }

    /// Whether it has told of such an event, or does within a blink.
    pub fn has_told(&mut self, kind: &str) -> bool {
        self.read();
        self.events.iter().any(|told| told["type"] == kind)
    }

    fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(&wanted) {
                return self.events.remove(at);
            }
            assert!(Instant::now() < end, "{} does not say {what}: {:#?}\n{}", self.name, self.events, self.process.output());
            self.read();
        }
    }

    /// Takes what it has to say now.
    fn read(&mut self) {
        let mut bytes = [0; 4096];
        match self.control.read(&mut bytes) {
            Ok(0) => panic!("{} is gone:\n{}", self.name, self.process.output()),
            Ok(read) => self.unread.extend(&bytes[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            Err(error) => panic!("{}: {error}", self.name),
        }
        while let Some(colon) = self.unread.iter().position(|byte| *byte == b':') {
            let length: usize = std::str::from_utf8(&self.unread[..colon]).unwrap().parse().unwrap();
            let end = colon + 1 + length;
            if self.unread.len() <= end {
                break;
            }
            self.events.push(serde_json::from_slice(&self.unread[colon + 1..end]).unwrap());
            self.unread.drain(..=end);
        }
    }

    /// Value of a Replaces header for one of its calls that was answered, ready for a URI (RFC 3891 §3): the tags that its own
    /// trace tells.
    pub fn replaces(&self, call_id: &str) -> String {
        let said = self.process.output();
        let line = format!("Call-ID: {call_id}");
        // Its last ACK, as the first was to a challenge: From is this phone, To the far end.
        let ack = said.split("\nACK ").skip(1).filter(|message| message.lines().take(20).any(|found| found.trim_end() == line)).last();
        let ack = ack.unwrap_or_else(|| panic!("{}: no ACK of {call_id} in\n{said}", self.name));
        let tag = |name: &str| {
            let value = ack.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            value.split(";tag=").nth(1).unwrap().trim_end().to_owned()
        };
        format!("{}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", call_id.replace('@', "%40"), tag("To: "), tag("From: "))
    }

    /// Waits until it hears this tone: half a second of it, from now on.
    pub fn hears(&mut self, tone_hz: f64) {
        let end = Instant::now() + PATIENCE;
        let before = newest(&self.directory.join("heard"));
        let mut last = None;
        while Instant::now() < end {
            let (file, samples) = newest(&self.directory.join("heard"));
            let start = if file == before.0 { before.1.len() } else { 0 };
            let mut ear = Ear::default();
            ear.hear(samples.get(start.max(samples.len().saturating_sub(4000))..).unwrap_or_default());
            last = ear.tone();
            if samples.len() >= start + 4000 && last.is_some_and(|heard| (heard.tone_hz - tone_hz).abs() < 2.0 && heard.snr_db > 10.0) {
                return;
            }
            self.read();
        }
        panic!("{} does not hear {tone_hz} Hz but {last:?}:\n{}", self.name, self.process.output());
    }

    /// Takes its registration back and ends.
    pub fn quit(mut self) {
        self.process.stop(PATIENCE).unwrap();
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- baresip {}\n{}", self.name, self.process.output());
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn connect(port: u16, process: &Process) -> TcpStream {
    let end = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < end, "baresip does not listen: {error}\n{}", process.output()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Samples of the newest file of what was decoded. Its header is written last, so it is taken as what baresip always writes:
/// 44 bytes, then 16 bits at 8 kHz.
fn newest(directory: &Path) -> (Option<PathBuf>, Vec<i16>) {
    let files = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let mut decoded: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
    decoded.sort();
    let bytes = decoded.last().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let (samples, _) = bytes.get(44..).unwrap_or_default().as_chunks::<2>();
    (decoded.pop(), samples.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}
