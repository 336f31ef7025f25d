//! Debian's `rtpengine` in user space, as a peer to measure beside: started, told of bridges, stopped.
//!
//! ```text
//!   RtpEngine::start(cpu) ─▶ bridge(a, b) … ─▶ ports ─▶ cpu() before and after ─▶ drop
//!                             └ offer and answer of the NG protocol: "cookie bencoded-dictionary" over UDP
//! ```
//! Shape:  one process with one worker thread, kernel module off (`--table=-1`), pinned to one CPU, `SCHED_FIFO` as ours has.
//! Units:  CPU time of all its threads, kernel included.
//! Errors: `None` from [`RtpEngine::start`] where it is not installed (`apt-get install rtpengine-daemon`); anything else panics.
//! Source: rtpengine's README, "The NG control protocol".

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One running rtpengine.
#[derive(Debug)]
pub struct RtpEngine {
    child: Child,
    control: UdpSocket,
    requests: u32,
}

/// What one side of a bridge speaks.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Where it receives.
    pub at: SocketAddr,
    /// Payload type.
    pub number: u8,
    /// Value of the rtpmap.
    pub rtpmap: &'a str,
    /// Value of the fmtp.
    pub fmtp: Option<&'a str>,
}

/// Ports that rtpengine takes channels from.
const PORTS: (u16, u16) = (30_000, 39_999);
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether there is one to start.
pub fn is_installed() -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("rtpengine").is_file()))
}

impl RtpEngine {
    /// Starts it, if it is installed.
    ///
    /// # Panics
    /// It is installed and does not answer within ten seconds.
    pub fn start(on: IpAddr, cpu: usize) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let control = UdpSocket::bind((on, 0)).expect("a loopback port");
        control.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
        let ng = SocketAddr::new(on, UdpSocket::bind((on, 0)).and_then(|socket| socket.local_addr()).expect("a free port").port());
        let child = Command::new("chrt")
            .args(["-f", "10", "taskset", "-c", &cpu.to_string(), "rtpengine", "--foreground", "--log-stderr", "--log-level=2"])
            .args(["--table=-1", "--num-threads=1", "--delete-delay=0", &format!("--interface={on}"), &format!("--listen-ng={ng}")])
            .args([format!("--port-min={}", PORTS.0), format!("--port-max={}", PORTS.1)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        control.connect(ng).expect("a loopback address");
        let mut engine = Self { child, control, requests: 0 };
        let deadline = Instant::now() + PATIENCE;
        while engine.try_ask("d7:command4:pinge").is_none() {
            assert!(Instant::now() < deadline, "rtpengine does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(engine)
    }

    /// Bridges two sides; the ports each has to send to.
    ///
    /// # Panics
    /// It refuses.
    pub fn bridge(&mut self, number: usize, a: Side<'_>, b: Side<'_>) -> [u16; 2] {
        let call = format!("7:call-id{}8:from-tag1:a", text(&format!("bridge-{number}")));
        // Where both speak the same nothing is said of codecs: it relays then.
        let codec = if a.number == b.number {
            String::new()
        } else {
            let name = b.rtpmap.split('/').next().unwrap_or_default();
            let name = b.fmtp.map_or_else(|| name.to_owned(), |fmtp| format!("{name}/8000/1//{fmtp}"));
            format!("5:codecd4:maskl3:alle9:transcodel{}ee", text(&name))
        };
        let offer = format!("d{}{codec}7:command5:offer3:sdp{}e", call, text(&sdp(a)));
        let towards_b = port(&self.ask(&offer));
        let answer = format!("d{}7:command6:answer3:sdp{}6:to-tag1:be", call, text(&sdp(b)));
        let towards_a = port(&self.ask(&answer));
        // The port in the offer that b sees is where b sends; a learns its own from the answer.
        [towards_a, towards_b]
    }

    /// CPU time of its threads so far.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let spent = tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse::<u64>().ok());
        Duration::from_nanos(spent.sum())
    }

    fn ask(&mut self, dictionary: &str) -> String {
        (0..5).find_map(|_| self.try_ask(dictionary)).expect("rtpengine answers")
    }

    fn try_ask(&mut self, dictionary: &str) -> Option<String> {
        self.requests += 1;
        let cookie = format!("c{} ", self.requests);
        self.control.send(format!("{cookie}{dictionary}").as_bytes()).ok()?;
        let mut answer = vec![0; 65_536];
        let length = self.control.recv(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(answer.get(..length)?).into_owned();
        let answer = answer.strip_prefix(&cookie)?.to_owned();
        assert!(!answer.contains("6:result5:error"), "rtpengine refuses: {answer}");
        Some(answer)
    }
}

impl Drop for RtpEngine {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A string of bencode.
fn text(text: &str) -> String {
    format!("{}:{text}", text.len())
}

fn sdp(side: Side<'_>) -> String {
    let (ip, port, number) = (side.at.ip(), side.at.port(), side.number);
    let fmtp = side.fmtp.map_or_else(String::new, |fmtp| format!("a=fmtp:{number} {fmtp}\r\n"));
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number}\r\na=rtpmap:{number} {}\r\n{fmtp}a=ptime:20\r\na=sendrecv\r\n",
        side.rtpmap
    )
}

/// Port of the `m=` line in an answer.
fn port(answer: &str) -> u16 {
    let line = answer.split("m=audio ").nth(1).unwrap_or_else(|| panic!("an SDP: {answer}"));
    line.split(' ').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("a port: {line}"))
}
