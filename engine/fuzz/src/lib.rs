//! What must hold for any bytes, per parser; [`machines`] has the same for machines. Each function panics if it does not.
//!
//! ```text
//!   fuzz_targets/*.rs (libFuzzer) ─┐
//!   corpus/* replayed by a test ───┼─► message(bytes) uri(bytes) auth(bytes) sdp(bytes)
//!   hostile tests of `sip` ────────┘
//! ```
//! Shape:  plain functions of bytes; `engine/sip/tests` includes this file, so that tests and fuzzer ask the same.
//! Units:  none.
//! Errors: none; a panic is the finding.
//! Run:    `RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir engine/fuzz message`.

// Tests include that file by itself, those that need it.
#[cfg(not(test))]
pub mod calls;
#[cfg(not(test))]
pub mod machines;

use std::net::SocketAddr;

use sip::message::{
    self, Challenge, Contact, Credentials, Frame, Framer, HeaderName, Headers, Message, NameAddr, ParseError, Rejected, StatusCode, Uri,
    Via, WriteError, Writer,
};
use sip::sdp::Sdp;

/// A whole message: read, looked at from all sides, written, read again, answered; and cut out of a stream.
pub fn message(bytes: &[u8]) {
    match message::parse(bytes) {
        Ok(parsed) => {
            look(parsed.headers(), true);
            written_reads_the_same(&parsed);
            if parsed.as_request().is_some() {
                answer_belongs_to(&parsed);
            }
        }
        Err(ParseError::Rejected(rejected)) => refusal_can_be_sent(&rejected),
        Err(ParseError::Garbage(_)) => {}
    }
    if let Ok(Frame::Message { bytes: whole }) = Framer::new().next(bytes) {
        let cut = bytes.get(..whole).expect("a frame ends inside the buffer");
        if let Err(error) = message::parse(cut) {
            assert_ne!(error.fault(), message::Fault::BodyTooShort, "a whole frame has its body");
            assert_ne!(error.fault(), message::Fault::Unfinished, "a whole frame has its head");
        }
    }
}

/// Every typed reader on every header, right or not. Only what was accepted makes dialogs.
fn look(headers: &Headers<'_>, accepted: bool) {
    for header in headers.iter() {
        let text = header.text();
        assert!(!text.contains(['\r', '\n']), "unfolded text is one line");
        assert!(headers.named(header.written).is_some(), "a header is found by its own name");
    }
    let _seen =
        (headers.max_forwards(), headers.expires(), headers.min_expires(), headers.content_type(), headers.replaces(), headers.contact());
    for via in headers.vias().flatten() {
        assert!(via.rfc3261_branch().is_none_or(|branch| via.branch == Some(branch)));
    }
    for contact in headers.contacts().flatten() {
        if let Contact::Address(contact) = contact {
            assert!(contact.q.is_none_or(|q| q <= 1000));
            address(&contact.address);
            if accepted {
                address_in_message(&contact.address);
            }
        }
    }
    for name in [HeaderName::From, HeaderName::To, HeaderName::Route, HeaderName::RecordRoute, HeaderName::ReferTo] {
        for found in headers.addresses(name).flatten() {
            address(&found);
            if accepted {
                address_in_message(&found);
            }
        }
    }
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        for found in headers.credentials(name).flatten() {
            assert_eq!(found.digest().is_some(), found.is_digest());
        }
    }
    for name in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
        for found in headers.challenges(name).flatten() {
            let _seen = (found.realm(), found.nonce(), found.offers_qop("auth"), found.stale());
        }
    }
    assert!(headers.tokens(HeaderName::Supported).all(|token| !token.is_empty()));
}

/// A dialog can send what it was given as an address.
fn address_in_message(found: &NameAddr<'_>) {
    let mut out = Vec::new();
    let written = Writer::response(&mut out, StatusCode::OK, "OK").header(HeaderName::To, found).end();
    assert!(matches!(written, Ok(_) | Err(WriteError::TooLarge)), "{written:?}");
}

/// An address says the same after writing.
fn address(found: &NameAddr<'_>) {
    let text = found.to_string();
    let again = NameAddr::parse(&text).expect("what was read can be written");
    assert_eq!((again.display.text(), again.uri.as_str(), again.tag), (found.display.text(), found.uri.as_str(), found.tag));
}

fn written_reads_the_same(parsed: &Message<'_>) {
    let mut out = Vec::new();
    if message::write(parsed, &mut out).is_ok() {
        let again = message::parse(&out).expect("what was read can be written and read");
        assert_eq!(&again, parsed);
    } else {
        assert!(out.is_empty(), "a failed write leaves nothing");
    }
}

fn answer_belongs_to(request: &Message<'_>) {
    let source: SocketAddr = "[2001:db8::7]:4000".parse().expect("an address");
    let mut out = Vec::new();
    let written = Writer::response(&mut out, StatusCode::OK, "OK").answer(request.headers(), Some(source), Some("ours")).end();
    if written == Err(WriteError::TooLarge) {
        return;
    }
    written.expect("what was read can be answered");
    let answer = message::parse(&out).expect("an answer can be read");
    let (ours, theirs) = (answer.essential(), request.essential());
    assert_eq!((ours.call_id, ours.cseq, ours.via.branch), (theirs.call_id, theirs.cseq, theirs.via.branch));
    assert_eq!((ours.via.host, ours.via.port, ours.via.transport), (theirs.via.host, theirs.via.port, theirs.via.transport));
    assert_eq!(ours.via.received, (ours.via.host.ip() != Some(source.ip())).then_some(source.ip()).or(ours.via.received));
    assert_eq!(ours.from.tag, theirs.from.tag);
    assert_eq!(ours.to.tag, theirs.to.tag.or(Some("ours")));
    assert_eq!(answer.headers().vias().count(), request.headers().vias().count());
}

fn refusal_can_be_sent(rejected: &Rejected<'_>) {
    let headers = rejected.headers();
    look(&headers, false);
    assert!(rejected.via().is_some(), "a refusal has a way back");
    assert_ne!(rejected.method(), message::Method::Ack);
    let mut out = Vec::new();
    let source: SocketAddr = "198.51.100.7:4000".parse().expect("an address");
    let status = rejected.status();
    let written = Writer::response(&mut out, status, rejected.fault()).answer(&headers, Some(source), Some("ours")).end();
    if written != Err(WriteError::TooLarge) {
        written.expect("what was refused can be answered");
        let text = String::from_utf8(out).expect("an answer is text");
        assert!(text.starts_with("SIP/2.0 ") && text.ends_with("\r\n\r\n"));
        assert_eq!(text.matches("\r\n\r\n").count(), 1, "an answer has one end");
    }
}

/// One URI, one Via, one address.
pub fn uri(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.to_string(), text);
        assert!(uri.matches(&uri), "a URI equals itself");
        if let Uri::Sip(sip) = uri {
            let user = sip.user().map(|user| format!("{}@", message::escape_user(&user))).unwrap_or_default();
            let escaped = format!("sip:{user}{}", sip.host());
            let again = message::SipUri::parse(&escaped).expect("an escaped user can be read");
            assert!(again.host().matches(&sip.host()));
            let _seen = (sip.password(), sip.params().maddr(), sip.params().ttl(), sip.headers().iter().count());
        }
    }
    if let Ok(found) = NameAddr::parse(text) {
        address(&found);
    }
    let _seen = Via::parse(text);
}

/// One challenge, one set of credentials.
pub fn auth(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(found) = Credentials::parse(text) {
        for param in found.params.iter() {
            assert_eq!(found.params.value(param.name), Some(param.value), "each name stands once");
        }
        if let Some(digest) = found.digest() {
            assert_eq!(
                digest.nonce_count().is_some(),
                digest.nc.as_deref().is_some_and(|nc| nc.len() == 8 && u32::from_str_radix(nc, 16).is_ok() && !nc.starts_with('+'))
            );
        }
    }
    assert_eq!(Challenge::parse(text).is_ok(), Credentials::parse(text).is_ok());
}

/// One session description.
pub fn sdp(bytes: &[u8]) {
    if let Ok(parsed) = Sdp::from_bytes(bytes) {
        let text = parsed.to_string();
        assert_eq!(Sdp::parse(&text).as_ref(), Ok(&parsed), "what was read can be written and read");
    }
}
