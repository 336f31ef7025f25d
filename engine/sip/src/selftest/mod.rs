//! The built-in self-test: the whole message corpus through parser, writer and a server of its own.
//!
//! ```text
//!   message ─► parse: valid read, broken refused ─► write ─► parse: the same again ─► Endpoint: an answer that its verdict allows
//! ```
//! Shape:  one [`Case`] per message; nothing outside is touched, no socket and no file.
//! Units:  SIP status codes as numbers.
//! Errors: in the case: what was expected, what was.
//! Not here: printing (`engine::program`).
//! Source: RFC 4475; `testfiles/torture/verdicts.tsv` says what is allowed of each message.

mod corpus;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use crate::api::{Command, ControlUrl, Secret, UserEntry};
use crate::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use crate::flow::{ListenerId, Transport};
use crate::message::{Message, ParseError, Request, Response, parse, write};

/// Where the messages come from.
const SENDER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), 5060);
/// Where the server is.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

/// One message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// File in `testfiles/`.
    pub name: &'static str,
    /// What the message is about.
    pub title: String,
    /// What was seen, or what is wrong with it.
    pub outcome: Result<String, String>,
}

/// Runs all cases, one for each step of the iterator.
pub fn run(now: Instant) -> impl Iterator<Item = Case> {
    let table = corpus::VERDICTS.lines().filter(|line| !line.starts_with('#') && !line.starts_with("file\t"));
    let torture = table.filter_map(Verdict::read).map(move |verdict| {
        let bytes = corpus::TORTURE.iter().find(|(name, _)| *name == verdict.file).map(|(_, bytes)| *bytes);
        let outcome = bytes.ok_or_else(|| "the message is not in the program".to_owned()).and_then(|bytes| verdict.judge(bytes, now));
        Case { name: verdict.file, title: format!("{} {}", verdict.section, verdict.title), outcome }
    });
    let phones = corpus::PHONES.iter().map(|(name, bytes)| Case { name, title: "valid message".into(), outcome: valid(bytes) });
    torture.chain(phones)
}

/// One line of the table.
struct Verdict {
    file: &'static str,
    section: &'static str,
    title: &'static str,
    verdict: &'static str,
    expect: &'static str,
    tolerate: &'static str,
}

impl Verdict {
    fn read(line: &'static str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let (file, section, title, _method) = (next()?, next()?, next()?, next()?);
        Some(Self { file, section, title, verdict: next()?, expect: next()?, tolerate: next().unwrap_or_default() })
    }

    fn judge(&self, bytes: &[u8], now: Instant) -> Result<String, String> {
        let read = match (parse(bytes), self.verdict) {
            (Ok(message), "must-reject") => return Err(format!("read as {}, and has to be refused", kind(&message))),
            (Ok(message), _) => {
                round_trip(&message)?;
                kind(&message)
            }
            (Err(error), "valid") => return Err(format!("{error:?}, and is valid")),
            (Err(ParseError::Rejected(rejected)), _) => format!("refused: {}", rejected.fault()),
            (Err(ParseError::Garbage(fault)), _) => format!("dropped: {fault}"),
        };
        let status = answer(bytes, now)?;
        if !allows(self.expect, status) && !allows(self.tolerate, status) {
            return Err(format!("{read}; answered {}, allowed are {} {}", shown(status), self.expect, self.tolerate));
        }
        Ok(format!("{read}; answered {}", shown(status)))
    }
}

fn valid(bytes: &[u8]) -> Result<String, String> {
    let message = parse(bytes).map_err(|error| format!("{error:?}"))?;
    round_trip(&message)?;
    Ok(kind(&message))
}

/// `write(parse(m))` reads as `m` did.
fn round_trip(message: &Message<'_>) -> Result<(), String> {
    let mut out = Vec::new();
    write(message, &mut out).map_err(|error| format!("cannot be written again: {error}"))?;
    let again = parse(&out).map_err(|error| format!("what was written cannot be read: {error:?}"))?;
    let same = match (message, &again) {
        (Message::Request(a), Message::Request(b)) => same_request(a, b),
        (Message::Response(a), Message::Response(b)) => same_response(a, b),
        (Message::Request(_), Message::Response(_)) | (Message::Response(_), Message::Request(_)) => false,
    };
    let lines = |message: &Message<'_>| -> Vec<(String, String)> {
        message.headers().iter().map(|header| (header.long_name().to_owned(), header.text().into_owned())).collect()
    };
    if same && lines(message) == lines(&again) && message.body() == again.body() {
        Ok(())
    } else {
        Err("reads differently after it was written".to_owned())
    }
}

fn same_request(a: &Request<'_>, b: &Request<'_>) -> bool {
    a.method() == b.method() && a.uri().as_str() == b.uri().as_str() && a.cseq() == b.cseq() && a.call_id() == b.call_id()
}

fn same_response(a: &Response<'_>, b: &Response<'_>) -> bool {
    a.status() == b.status() && a.reason() == b.reason() && a.cseq() == b.cseq() && a.call_id() == b.call_id()
}

/// Final answer of a fresh server; `None` is silence.
fn answer(bytes: &[u8], now: Instant) -> Result<Option<u16>, String> {
    let listeners = vec![Listener { advertised: SERVER, transport: Transport::Udp }];
    let mut endpoint = Endpoint::new(EndpointConfig { listeners, ..EndpointConfig::default() }, [1; 32], now, 0);
    let users = vec![UserEntry { username: "user".into(), secret: Secret::Clear("secret".into()) }];
    let control = Some(ControlUrl("http://127.0.0.1:9001".into()));
    let directory = Command::DirReplace { domain: "example.com".into(), control, users, policy: None };
    endpoint.command(directory, now).map_err(|error| error.to_string())?;
    endpoint.handle_datagram(Datagram { listener: ListenerId(0), from: SENDER, bytes }, now);
    let mut status = None;
    loop {
        match endpoint.poll_output() {
            Output::Wait(_) => return Ok(status),
            Output::Transmit { to, bytes, .. } => {
                if to.ip() != SENDER.ip() {
                    return Err(format!("an answer went to {to}, which only the message names"));
                }
                // The answer to a message without To, Call-ID or CSeq lacks them as well: its first line is enough.
                let line = bytes.get(8..11).and_then(|code| std::str::from_utf8(code).ok());
                let code = line.and_then(|code| code.parse().ok()).ok_or("something else than a response was sent")?;
                if status.replace(code).is_some() {
                    return Err("two answers were sent".to_owned());
                }
            }
            _ => {}
        }
    }
}

/// Whether a list such as `2xx,404,none` has this answer.
fn allows(list: &str, status: Option<u16>) -> bool {
    list.split(',').map(str::trim).any(|word| match (word, status) {
        ("any", _) | ("none", None) => true,
        (word, Some(status)) => word.strip_suffix("xx").map_or(word.parse() == Ok(status), |class| class.parse() == Ok(status / 100)),
        (_, None) => false,
    })
}

fn kind(message: &Message<'_>) -> String {
    match message {
        Message::Request(request) => format!("request {}", request.method()),
        Message::Response(response) => format!("response {}", response.status().code()),
    }
}

fn shown(status: Option<u16>) -> String {
    status.map_or_else(|| "with silence".to_owned(), |status| status.to_string())
}
