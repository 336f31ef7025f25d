//! Dialogs of both roles: how they are made, what they let through, which messages they begin.

mod calls;
mod forks;
mod routes;
mod tables;

use std::net::SocketAddr;

use super::*;
use crate::flow::Transport;
use crate::message::{Message, Request, Response, StatusCode, WriteError, Writer, parse};
use crate::token::{Branch, Tokens};

fn bytes(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn request(bytes: &[u8]) -> Request<'_> {
    match parse(bytes).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("not a request"),
    }
}

fn response(bytes: &[u8]) -> Response<'_> {
    match parse(bytes).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("not a response"),
    }
}

fn code(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

fn source() -> SocketAddr {
    "192.0.2.50:5060".parse().unwrap()
}

fn branch() -> Branch {
    Tokens::new([1; 32]).branch()
}

fn hop(branch: &Branch) -> Hop<'_> {
    Hop { transport: Transport::Udp, sent_by: "192.0.2.1:5060".parse().unwrap(), branch }
}

/// What `begin` writes, ended without a body, as text.
fn written(begin: impl FnOnce(&mut Vec<u8>) -> Result<usize, WriteError>) -> String {
    let mut out = vec![];
    begin(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The value of a header of a written message.
fn value<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// INVITE of a phone to us, with these lines more.
fn incoming(more: &str) -> Vec<u8> {
    bytes(&format!(
        "INVITE sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKi1;rport\nMax-Forwards: 70\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a1\nTo: <sip:bob@example.com>\nCall-ID: call-1\nCSeq: 10 INVITE\n\
         Contact: <sip:alice@192.0.2.50:5062>\n{more}Content-Length: 0\n\n"
    ))
}

/// A request of that phone inside the dialog.
fn inside(method: &str, cseq: u32) -> Vec<u8> {
    bytes(&format!(
        "{method} sip:192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKi{cseq}{method}\nMax-Forwards: 70\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a1\nTo: <sip:bob@example.com>;tag=b1\nCall-ID: call-1\nCSeq: {cseq} {method}\n\
         Contact: <sip:alice@192.0.2.60:5062>\nContent-Length: 0\n\n"
    ))
}

fn uas(invite: &[u8]) -> Dialog {
    Dialog::uas(&request(invite), "b1", "<sip:192.0.2.1:5060>").unwrap()
}

fn invitation() -> Invitation {
    Invitation::new(
        "call-2".into(),
        "c1".into(),
        "\"Carol\" <sip:carol@example.com>",
        "<sip:dave@example.com>",
        "sip:dave@192.0.2.50:5062",
        "<sip:192.0.2.1:5060>",
    )
}

/// A response to the invitation's INVITE number `cseq`.
fn reply(status: u16, cseq: u32, tag: &str, more: &str) -> Vec<u8> {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    bytes(&format!(
        "SIP/2.0 {status} X\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\nFrom: \"Carol\" <sip:carol@example.com>;tag=c1\n\
         To: <sip:dave@example.com>{tag}\nCall-ID: call-2\nCSeq: {cseq} INVITE\n{more}Content-Length: 0\n\n"
    ))
}

/// A response to a request that we wrote.
fn reply_to(message: &str, status: u16) -> Vec<u8> {
    let mut out = vec![];
    Writer::response(&mut out, code(status), "X").answer(request(message.as_bytes()).headers(), None, Some("t")).end().unwrap();
    out
}
