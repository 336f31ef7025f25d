//! Runs one of the programs, or another real program, beside a test: free ports, readiness, log, clean end.
//!
//! Shape:  one [`Process`] per child; its output is kept whole, standard error after standard output lines as they come.
//! Units:  deadlines are absolute in the caller's `Duration`s.
//! Errors: text that holds the child's output, for an assertion to print.
//! Limits: every wait has a deadline; a dropped process is killed.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A child and what it said.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command` with its output collected.
    ///
    /// # Errors
    /// The spawn's: the program is missing, mostly.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = Arc::new(Mutex::new(String::new()));
        if let Some(pipe) = child.stdout.take() {
            collect(pipe, &output);
        }
        if let Some(pipe) = child.stderr.take() {
            collect(pipe, &output);
        }
        Ok(Self { child, name, output })
    }

    /// What it said so far.
    pub fn output(&self) -> String {
        self.text().clone()
    }

    /// Waits until `GET http://127.0.0.1:port/ready` is answered 200.
    ///
    /// # Errors
    /// The child ended, or the time is over; with its output.
    pub fn wait_ready(&mut self, port: u16, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        loop {
            if http_get(port, "/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended with {status} before it was ready:\n{}", self.name, self.text()));
            }
            if Instant::now() > deadline {
                return Err(format!("{} is not ready on port {port} after {within:?}:\n{}", self.name, self.text()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a line of its output holds `text`.
    ///
    /// # Errors
    /// The time is over; with its output.
    pub fn wait_output(&mut self, text: &str, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        while !self.text().contains(text) {
            if Instant::now() > deadline {
                return Err(format!("{} did not say `{text}` within {within:?}:\n{}", self.name, self.text()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Process id, for signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name (`TERM`, `INT`).
    ///
    /// # Errors
    /// There is no `kill` program.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().map(drop)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It still runs when the time is over; with its output.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(format!("{} still runs after {within:?}:\n{}", self.name, self.text())),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
    }

    /// `SIGTERM`, and waits for its end.
    ///
    /// # Errors
    /// As [`Process::wait`].
    pub fn stop(&mut self, within: Duration) -> Result<ExitStatus, String> {
        self.signal("TERM").map_err(|error| error.to_string())?;
        self.wait(within)
    }

    fn text(&self) -> MutexGuard<'_, String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    });
}

/// A program that stands beside the one that runs.
///
/// # Errors
/// It is not there; with how to build it.
pub fn sibling(name: &str) -> Result<Command, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    // Tests run one directory deeper.
    let places = [here.with_file_name(name), here.parent().map(|parent| parent.with_file_name(name)).unwrap_or_default()];
    let found = places.into_iter().find(|path| path.is_file());
    found.map(Command::new).ok_or_else(|| format!("{name} is not beside {}: cargo build --release", here.display()))
}

/// One GET on loopback: the whole answer as text.
///
/// # Errors
/// The connection's.
pub fn http_get(port: u16, path: &str) -> io::Result<String> {
    http(port, "GET", path, "")
}

/// One request on loopback with a JSON body: the whole answer as text.
///
/// # Errors
/// The connection's.
pub fn http(port: u16, method: &str, path: &str, body: &str) -> io::Result<String> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A port that is free now for TCP and UDP on loopback, and that this process gives to nobody else. Not one of the kernel's
/// own choice: those it may give to any connection before it is bound here.
///
/// # Errors
/// None is free.
pub fn free_port() -> io::Result<u16> {
    free_port_range(1).map(|(port, _)| port)
}

/// First and last of `count` ports in a row, beginning even, that are free now for TCP and UDP on loopback; see [`free_port`].
///
/// # Errors
/// There is no such row.
pub fn free_port_range(count: u16) -> io::Result<(u16, u16)> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free =
        |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..1000 {
        let Some(room) = PORTS.len().checked_sub(usize::from(count)) else { break };
        // Random, so that programs that run beside each other do not try the same ones.
        let first = (PORTS.start + (RandomState::new().build_hasher().finish() % (room as u64 + 1)) as u16) & !1;
        let row = first..first + count;
        if given.range(row.clone()).next().is_none() && row.clone().all(is_free) {
            given.extend(row);
            return Ok((first, first + count - 1));
        }
    }
    Err(io::Error::other("no row of ports is free"))
}

/// Below those that Linux gives to connections (`net.ipv4.ip_local_port_range`), above those of our programs' own defaults.
const PORTS: Range<u16> = 20_002..32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_end_of_a_child_are_seen() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exec sleep 30"]);
        let mut process = Process::start(command).unwrap();
        process.wait_output("one", Duration::from_secs(5)).unwrap();
        process.wait_output("two", Duration::from_secs(5)).unwrap();
        let status = process.stop(Duration::from_secs(5)).unwrap();
        assert!(!status.success());
    }

    #[test]
    fn a_child_that_ends_is_not_waited_for() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo gone; exit 3"]);
        let mut process = Process::start(command).unwrap();
        let error = process.wait_ready(free_port().unwrap(), Duration::from_secs(5)).unwrap_err();
        assert!(error.contains("ended with exit status: 3"), "{error}");
    }

    #[test]
    fn a_row_of_ports_is_even_and_free() {
        let (first, last) = free_port_range(20).unwrap();
        assert_eq!((first % 2, last - first), (0, 19));
    }
}
