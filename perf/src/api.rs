//! One keep-alive connection to a program's HTTP API, for set-up work: one request at a time, answers awaited.
//!
//! ```text
//!   Api::connect(port) ─▶ tell("PUT", "/channel/…", body) ─▶ JSON of a 2xx answer
//! ```
//! Shape:  HTTP/1.1 with `Content-Length` only, which is what our programs send.
//! Units:  ten seconds of patience a request.
//! Errors: text with method, path and what was answered.
//! Not here: the client of the product (`control-http`): what measures it must not share its mistakes.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A connection.
#[derive(Debug)]
pub struct Api {
    stream: BufReader<TcpStream>,
}

const PATIENCE: Duration = Duration::from_secs(10);
/// How long there may be no room, and when it is asked again.
const NO_ROOM: Duration = Duration::from_secs(3);
const ONCE_MORE: Duration = Duration::from_millis(50);
/// The longest body that is read: 25 000 channels of a little more than 1 KiB each.
const BODY_MAX: usize = 32 << 20;

impl Api {
    /// Connects to a port of this host.
    ///
    /// # Errors
    /// The connection's.
    pub fn connect(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// JSON of the answer.
    ///
    /// # Errors
    /// No answer, another status than 2xx, or no JSON.
    pub fn tell(&mut self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        self.send(method, path, body).map_err(|error| format!("{method} {path}: {error}"))?;
        let (status, body) = self.receive().map_err(|error| format!("{method} {path}: {error}"))?;
        if !(200..300).contains(&status) {
            return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&body)));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| format!("{method} {path}: {error}"))
    }

    /// As [`Api::tell`], again while it is answered that there is no room just now: a media core that its host kept from its work
    /// opens no channel until it is in time again.
    ///
    /// # Errors
    /// As [`Api::tell`]; it is still refused after three seconds.
    pub fn insist(&mut self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let end = Instant::now() + NO_ROOM;
        loop {
            let answer = self.tell(method, path, body);
            let no_room = matches!(&answer, Err(why) if why.contains(": 503 ") && why.contains("\"unavailable\""));
            if !no_room || Instant::now() >= end {
                return answer;
            }
            std::thread::sleep(ONCE_MORE);
        }
    }

    /// Sends a request and does not wait.
    ///
    /// # Errors
    /// The connection's.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Status and body of the next answer.
    ///
    /// # Errors
    /// The connection's; an answer that is no HTTP, or too long.
    pub fn receive(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status.is_none() {
                status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        if length > BODY_MAX {
            return Err(io::Error::other("the answer is too long"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        status.map(|status| (status, body)).ok_or_else(|| io::Error::other("no HTTP"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answers<const N: usize>(texts: [&'static str; N]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for text in texts {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(text.as_bytes()).unwrap();
            }
        });
        port
    }

    #[test]
    fn json_of_a_good_answer_and_text_of_a_bad_one() {
        let mut api = Api::connect(answers(["HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}"])).unwrap();
        assert_eq!(api.tell("GET", "/x", "").unwrap()["a"], 1);
        let mut api = Api::connect(answers(["HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfull"])).unwrap();
        assert_eq!(api.tell("POST", "/channel", "{}").unwrap_err(), "POST /channel: 503 full");
    }
    #[test]
    fn no_room_is_asked_again_and_another_refusal_is_not() {
        let busy = "HTTP/1.1 503 No\r\nContent-Length: 23\r\n\r\n{\"error\":\"unavailable\"}";
        let room = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        let mut api = Api::connect(answers([busy, busy, room])).unwrap();
        assert_eq!(api.insist("POST", "/channel", "{}").unwrap()["a"], 1);
        let full = "HTTP/1.1 503 No\r\nContent-Length: 22\r\n\r\n{\"error\":\"pool_empty\"}";
        let mut api = Api::connect(answers([full, room])).unwrap();
        assert!(api.insist("POST", "/channel", "{}").unwrap_err().contains("pool_empty"));
    }
}
