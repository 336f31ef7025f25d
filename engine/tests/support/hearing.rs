//! A control server that hears and agrees, and what asks the programs over HTTP.
//!
//! Shape:  a thread for each connection; the snapshots of calls go into a channel.
//! Errors: a panic says what did not come.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use perf::process::{http, http_get};
use serde_json::Value;

use super::PATIENCE;

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or(Value::Null)
}

/// Asks for something that must succeed; gives the body.
pub fn send(port: u16, method: &str, path: &str, json: &str) -> Value {
    let answer = http(port, method, path, json).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    body(&answer)
}

/// The JSON that is served there.
pub fn get(port: u16, path: &str) -> Value {
    body(&http_get(port, path).unwrap())
}

/// Waits for a condition.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A control server that says 200 to everything and hands on the bodies of calls.
pub fn control() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || -> Option<()> {
                let mut stream = stream.ok()?;
                let mut text = String::new();
                loop {
                    let mut bytes = [0; 8192];
                    let len = stream.read(&mut bytes).ok().filter(|len| *len > 0)?;
                    text.push_str(std::str::from_utf8(bytes.get(..len)?).ok()?);
                    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
                        let length = head
                            .to_ascii_lowercase()
                            .split("content-length:")
                            .nth(1)
                            .map_or(0, |rest| rest.lines().next().unwrap_or_default().trim().parse().unwrap_or(0));
                        if rest.len() < length {
                            break;
                        }
                        let (json, rest) = rest.split_at(length);
                        if head.contains(" /dialog/") {
                            sender.send(serde_json::from_str(json).ok()?).ok()?;
                        }
                        text = rest.to_owned();
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok()?;
                    }
                }
            });
        }
    });
    (url, receiver)
}

/// The next event of this kind; those before it are dropped.
pub fn hears(events: &Receiver<Value>, event: &str) -> Value {
    loop {
        let snapshot = events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no event {event}"));
        if snapshot["event"] == event {
            return snapshot;
        }
    }
}
