//! Memory per registration and per idle channel: resident size of the real programs before and after.
//!
//! ```text
//!   cargo build --release && cargo run --release -p perf --bin memory -- [registrations] [channels]
//! ```
//! Shape:  project-sip takes `registrations` users (20 000), each registered once with digest; the second half is measured, so that
//!         it reuses the memory of the first half's transactions (RFC 3261 timer J); project-rtp opens `channels` (2000).
//! Units:  bytes of VmRSS per item; what the kernel holds for sockets is not in it.
//! Errors: exit 1 with the reason; a figure is printed only when every item was taken.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use perf::api::Api;
use perf::process::{Process, free_port, free_port_range, sibling};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use sip::auth::{ClientAuth, Identity};

const DOMAIN: &str = "memory.invalid";
/// Requests under way at once: well under the socket buffers of both sides.
const WINDOW: usize = 64;
/// 64 × T1, and a little.
const TIMER_J: Duration = Duration::from_secs(34);
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let (registrations, channels) = match (numbers.next().unwrap_or(Ok(20_000)), numbers.next().unwrap_or(Ok(2_000))) {
        (Ok(registrations), Ok(channels)) => (registrations, channels),
        _ => {
            eprintln!("usage: memory [registrations] [channels]");
            return ExitCode::from(2);
        }
    };
    match registered(registrations).and_then(|()| opened(channels)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn registered(count: usize) -> Result<(), String> {
    let (sip, http) = (port()?, port()?);
    let mut command = sibling("project-sip")?;
    command.args(["--sip-address", "127.0.0.1", "--log", "warn", "--sp", &sip.to_string(), "--cp", &http.to_string()]);
    let mut server = Process::start(command).map_err(|error| error.to_string())?;
    server.wait_ready(http, PATIENCE)?;
    let mut api = Api::connect(http)?;
    api.tell("PUT", &format!("/dir/{DOMAIN}"), r#"{"control":"http://127.0.0.1:9","users":[]}"#)?;
    for first in (0..count).step_by(1000) {
        let users: Vec<String> =
            (first..count.min(first + 1000)).map(|user| format!(r#"{{"username":"{user}","secret":"secret-{user}"}}"#)).collect();
        api.tell("PATCH", &format!("/dir/{DOMAIN}"), &format!(r#"{{"users":[{}]}}"#, users.join(",")))?;
    }
    let mut phones = Registrations::new(SocketAddr::from((Ipv4Addr::LOCALHOST, sip)))?;
    let half = count / 2;
    phones.run(0..half)?;
    print_line(&format!("waiting {} s for the transactions of the first {half} registrations to end", TIMER_J.as_secs()));
    phones.rest(TIMER_J)?;
    let before = resident(&server)?;
    let start = Instant::now();
    phones.run(half..count)?;
    let took = start.elapsed();
    let live = api.tell("GET", "/reg", "")?;
    if live["count"].as_u64() != u64::try_from(count).ok() {
        return Err(format!("not all {count} are registered: {live}"));
    }
    let after = resident(&server)?;
    print("registration", count - half, before, after);
    print_line(&format!(
        "  (all with digest, {:.0} a second, one after the other in windows of {WINDOW})",
        (count - half) as f64 / took.as_secs_f64()
    ));
    server.stop(PATIENCE).map(drop)
}

fn opened(count: usize) -> Result<(), String> {
    let http = port()?;
    let (first, last) =
        free_port_range(u16::try_from(2 * count).map_err(|_| "more channels than ports")?).map_err(|error| error.to_string())?;
    let mut command = sibling("project-rtp")?;
    command.args(["--pa", "127.0.0.1", "--log", "warn", "--port", &http.to_string(), "--rtp-ports", &format!("{first}-{last}")]);
    let mut server = Process::start(command).map_err(|error| error.to_string())?;
    server.wait_ready(http, PATIENCE)?;
    let mut api = Api::connect(http)?;
    let before = resident(&server)?;
    for _ in 0..count {
        api.tell("POST", "/channel", "{}")?;
    }
    let after = resident(&server)?;
    print("idle channel", count, before, after);
    server.stop(PATIENCE).map(drop)
}

fn print(what: &str, count: usize, before: u64, after: u64) {
    let each = after.saturating_sub(before) as f64 / count as f64;
    print_line(&format!("{what}: {each:.0} bytes each ({count}; resident {} KiB before, {} KiB after)", before / 1024, after / 1024));
}

fn print_line(line: &str) {
    // Nobody reads a closed pipe.
    let _ = writeln!(io::stdout(), "{line}");
}

fn port() -> Result<u16, String> {
    free_port().map_err(|error| error.to_string())
}

fn resident(process: &Process) -> Result<u64, String> {
    perf::bench::usage::resident(process.id()).ok_or_else(|| "no VmRSS".to_owned())
}

/// Phones that register, from one socket.
struct Registrations {
    socket: UdpSocket,
    server: SocketAddr,
    rng: ChaCha12Rng,
}

impl Registrations {
    fn new(server: SocketAddr) -> Result<Self, String> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        Ok(Self { socket, server, rng: ChaCha12Rng::seed_from_u64(1) })
    }

    fn run(&mut self, range: Range<usize>) -> Result<(), String> {
        for first in range.clone().step_by(WINDOW) {
            let users: Vec<usize> = (first..range.end.min(first + WINDOW)).collect();
            for &user in &users {
                self.send(user, 1, "")?;
            }
            let mut challenges = Vec::with_capacity(users.len());
            for _ in &users {
                let text = self.receive("401")?;
                let user: usize =
                    between(&text, "\r\nCall-ID: ", "@").and_then(|user| user.parse().ok()).ok_or("a 401 without our Call-ID")?;
                challenges.push((user, between(&text, "\r\nWWW-Authenticate: ", "\r\n").ok_or("a 401 without a challenge")?.to_owned()));
            }
            for (user, challenge) in challenges {
                let identity = Identity { username: user.to_string(), secret: format!("secret-{user}") };
                let mut auth = ClientAuth::new(identity, false, std::iter::once(challenge.as_str())).map_err(|error| error.to_string())?;
                let answer = auth.answer("REGISTER", &format!("sip:{DOMAIN}"), &mut self.rng);
                self.send(user, 2, &format!("{}: {answer}\r\n", auth.header()))?;
            }
            for _ in &users {
                self.receive("200")?;
            }
        }
        Ok(())
    }

    /// Lets time pass, and takes what comes meanwhile: the switch pings each phone, and a socket that nobody reads would be full
    /// of that when the next answers come.
    fn rest(&self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        let mut octets = [0; 4096];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.socket.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string());
            }
            self.socket.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            match self.socket.recv(&mut octets) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn send(&self, user: usize, cseq: u32, more: &str) -> Result<(), String> {
        let local = self.socket.local_addr().map_err(|error| error.to_string())?;
        let text = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{user}-{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag={user}\r\nTo: <sip:{user}@{DOMAIN}>\r\nCall-ID: {user}@{local}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{local}>\r\nExpires: 3600\r\nUser-Agent: memory\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.socket.send_to(text.as_bytes(), self.server).map(drop).map_err(|error| error.to_string())
    }

    fn receive(&self, status: &str) -> Result<String, String> {
        let mut octets = [0; 4096];
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let length = self.socket.recv(&mut octets).map_err(|error| format!("waiting for {status}: {error}"))?;
            let text = String::from_utf8_lossy(octets.get(..length).unwrap_or_default()).into_owned();
            if text.starts_with(&format!("SIP/2.0 {status} ")) {
                return Ok(text);
            }
            if text.starts_with("SIP/2.0 ") {
                return Err(format!("instead of {status}: {}", text.lines().next().unwrap_or_default()));
            }
            // An OPTIONS ping: not answered, a few do not end a binding.
        }
        Err(format!("waiting for {status}: nothing but pings in {PATIENCE:?}"))
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
