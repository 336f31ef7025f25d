//! The least that control can be: every event is taken, every new call is rung and answered.
//!
//! ```text
//!   switch ─ PUT /dialog/ID {"event":"new"} ─▶ 200            answerer ─ PUT /dialog/ID/ring, PUT /dialog/ID/answer {sdp} ─▶ switch
//! ```
//! Shape:  HTTP/1.1 of a thread that never waits: what has come is read, what is to be said is written, once a slot. Commands are
//!         pipelined on four connections, a call's on the same one.
//! Units:  none.
//! Errors: an answer but 2xx to a command is counted; a connection that breaks is dropped.
//! Bound:  64 connections of the switch, 256 KiB of unread text each.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Takes events and answers calls.
#[derive(Debug)]
pub struct Answerer {
    listener: TcpListener,
    events: Vec<Connection>,
    commands: Vec<Connection>,
    answer: String,
    heard: Vec<String>,
    count: usize,
    refusals: usize,
    next: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    out: Vec<u8>,
    is_open: bool,
}

const COMMANDS: usize = 4;
const CONNECTIONS_MAX: usize = 64;
const UNREAD_MAX: usize = 256 << 10;

impl Answerer {
    /// Listens on a port of loopback.
    ///
    /// # Errors
    /// The bind's.
    pub fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let (answer, heard) = (String::new(), Vec::new());
        Ok(Self { listener, events: Vec::new(), commands: Vec::new(), answer, heard, count: 0, refusals: 0, next: 0 })
    }

    /// What the switch is to be told as the address of control.
    ///
    /// # Errors
    /// The socket's.
    pub fn url(&self) -> io::Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.listener.local_addr()?.port()))
    }

    /// Answers calls through this port of the SIP API, with this session as JSON.
    ///
    /// # Errors
    /// The connection's.
    pub fn answer_with(&mut self, sip_http: u16, sdp: &serde_json::Value) -> io::Result<()> {
        self.answer = serde_json::json!({ "sdp": sdp }).to_string();
        for _ in 0..COMMANDS {
            self.commands.push(Connection::new(TcpStream::connect((Ipv4Addr::LOCALHOST, sip_http))?)?);
        }
        Ok(())
    }

    /// Events taken.
    pub const fn events(&self) -> usize {
        self.count
    }

    /// Commands that were refused.
    pub const fn refusals(&self) -> usize {
        self.refusals
    }

    /// Call-IDs whose first event came since the last look.
    pub fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    /// Reads what came, writes what is to be said.
    pub fn step(&mut self) {
        while self.events.len() < CONNECTIONS_MAX
            && let Ok((stream, _)) = self.listener.accept()
        {
            self.events.extend(Connection::new(stream));
        }
        let mut events = std::mem::take(&mut self.events);
        for connection in &mut events {
            connection.read();
            let mut used = 0;
            while let Some((head, body, length)) = connection.received.get(used..).and_then(message) {
                self.take(head, body);
                connection.out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                used += length;
            }
            connection.received.drain(..used);
            connection.write();
        }
        events.retain(|connection| connection.is_open);
        self.events = events;
        for connection in &mut self.commands {
            connection.write();
            connection.read();
            let mut used = 0;
            while let Some((head, _, length)) = connection.received.get(used..).and_then(message) {
                self.refusals += usize::from(!head.starts_with("HTTP/1.1 2"));
                used += length;
            }
            connection.received.drain(..used);
        }
    }

    fn take(&mut self, head: &str, body: &str) {
        self.count += 1;
        let Some(path) = head.split(' ').nth(1).filter(|_| body.contains(r#""event":"new""#)) else { return };
        let Some(id) = path.strip_prefix("/dialog/") else { return };
        self.heard.push(id.to_owned());
        let answer = &self.answer;
        let text = format!(
            "PUT {path}/ring HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}\
             PUT {path}/answer HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        self.next += 1;
        let place = self.next % self.commands.len().max(1);
        if let Some(connection) = self.commands.get_mut(place) {
            connection.out.extend_from_slice(text.as_bytes());
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), out: Vec::new(), is_open: true })
    }

    fn read(&mut self) {
        let mut room = [0; 65_536];
        while self.is_open && self.received.len() < UNREAD_MAX {
            match self.stream.read(&mut room) {
                Ok(0) => self.is_open = false,
                Ok(length) => {
                    self.received.extend_from_slice(room.get(..length).unwrap_or_default());
                    if length < room.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_open = false,
            }
        }
        // Nothing of ours or of the switch is that long.
        self.is_open &= self.received.len() < UNREAD_MAX;
    }

    fn write(&mut self) {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(length) => drop(self.out.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.is_open = false;
                    return;
                }
            }
        }
    }
}

/// Head, body and whole length of the first message, once it is whole.
fn message(octets: &[u8]) -> Option<(&str, &str, usize)> {
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(octets.get(..end)?).ok()?;
    let length = head.split("\r\n").skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = octets.get(end + 4..end + 4 + length.unwrap_or(0))?;
    Some((head, str::from_utf8(body).ok()?, end + 4 + body.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_come_in_pieces_and_in_rows_are_read_one_by_one() {
        let text = b"PUT /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcPUT /b HTTP/1.1\r\n\r\nPUT";
        for cut in 0..40 {
            assert!(message(&text[..cut]).is_none(), "{cut}");
        }
        let (head, body, length) = message(text).unwrap();
        assert_eq!((head.split(' ').nth(1), body), (Some("/a"), "abc"));
        let (head, body, more) = message(&text[length..]).unwrap();
        assert_eq!((head, body, length + more), ("PUT /b HTTP/1.1", "", text.len() - 3));
    }

    #[test]
    fn a_new_call_is_rung_and_answered_and_other_events_are_only_taken() {
        let switch = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut answerer = Answerer::listen().unwrap();
        answerer.answer_with(switch.local_addr().unwrap().port(), &serde_json::json!({ "v": 0 })).unwrap();
        let port = answerer.listener.local_addr().unwrap().port();
        let mut event = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        for body in [r#"{"event":"new"}"#, r#"{"event":"hangup"}"#] {
            write!(event, "PUT /dialog/c7@x HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while answerer.events() < 2 && std::time::Instant::now() < end {
            answerer.step();
        }
        assert_eq!((answerer.events(), answerer.heard()), (2, vec!["c7@x".to_owned()]));
        let mut commands: Vec<_> = (0..COMMANDS).map(|_| switch.accept().unwrap().0).collect();
        let mut text = [0; 4096];
        let length = commands[1].read(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        assert!(text.starts_with("PUT /dialog/c7@x/ring ") && text.contains("PUT /dialog/c7@x/answer "), "{text}");
        commands[1].write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        while answerer.refusals() == 0 && std::time::Instant::now() < end {
            answerer.step();
        }
        assert_eq!(answerer.refusals(), 1);
    }
}
