//! Bytes of people who mean harm: cut, mutated, random, too much. Nothing panics, and nothing cut is taken for whole.
#![expect(clippy::unwrap_used, reason = "also in helpers, a failure here is a failed test")]

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use sip::message::{self, Fault, Frame, FrameError, Framer, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, ParseError, URI_BYTES_MAX};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// All messages of `testfiles/` that we take, by name.
static VALID: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for folder in ["testfiles/messages", "testfiles/torture/rfc4475"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if message::parse(&bytes).is_ok() {
                found.push((path.file_name().unwrap().to_string_lossy().into_owned(), bytes));
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "{}", found.len());
    found
});

fn head_bytes(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

#[test]
fn every_truncation_is_noticed() {
    for (name, bytes) in VALID.iter() {
        let head = head_bytes(bytes);
        let parsed = message::parse(bytes).unwrap();
        let whole = head + parsed.body().len();
        let has_length = parsed.headers().content_length().unwrap().is_some();
        for cut in 0..whole {
            let part = &bytes[..cut];
            targets::message(part);
            match message::parse(part) {
                Ok(_) => assert!(cut >= head && !has_length, "{name} cut at {cut} was taken for whole"),
                Err(error) if cut >= head => assert_eq!(error.fault(), Fault::BodyTooShort, "{name} cut at {cut}"),
                Err(_) => {}
            }
            if has_length {
                assert_eq!(Framer::new().next(part), Ok(Frame::Incomplete), "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_stream_is_cut_where_each_message_ends() {
    let messages: Vec<_> = VALID
        .iter()
        .map(|(_, bytes)| {
            let parsed = message::parse(bytes).unwrap();
            let mut out = Vec::new();
            message::write(&parsed, &mut out).unwrap();
            out
        })
        .filter(|bytes| message::parse(bytes).unwrap().headers().content_length().unwrap().is_some())
        .collect();
    let stream = messages.concat();
    for step in [1, 7, 1460] {
        let (mut framer, mut buffer, mut found) = (Framer::new(), Vec::new(), Vec::new());
        for chunk in stream.chunks(step) {
            buffer.extend_from_slice(chunk);
            while let Ok(Frame::Message { bytes }) = framer.next(&buffer) {
                found.push(buffer.drain(..bytes).collect::<Vec<u8>>());
            }
        }
        assert!(found == messages && buffer.is_empty(), "step {step}");
    }
}

#[test]
fn keep_alives_are_counted_and_half_ones_waited_for() {
    let mut framer = Framer::new();
    assert_eq!(framer.next(b""), Ok(Frame::Incomplete));
    assert_eq!(framer.next(b"\r\n"), Ok(Frame::Incomplete));
    assert_eq!(framer.next(b"\r\n\r\n"), Ok(Frame::KeepAlive { bytes: 4, pings: 1 }));
    assert_eq!(framer.next(b"\r\n\r\n\r\n\r\n\r\n"), Ok(Frame::KeepAlive { bytes: 8, pings: 2 }));
    assert_eq!(framer.next(b"\r\nBYE"), Ok(Frame::KeepAlive { bytes: 2, pings: 0 }));
    for keepalive in [&b"\r\n\r\n"[..], b"", b"\0\0\0\0", b" \r\n"] {
        assert!(matches!(message::parse(keepalive), Err(ParseError::Garbage(Fault::Empty))), "{keepalive:?}");
    }
    for garbage in [&b"no end of line"[..], b"\r\nx", b"\x16\x03\x01"] {
        assert!(!matches!(message::parse(garbage), Ok(_) | Err(ParseError::Garbage(Fault::Empty))), "{garbage:?}");
    }
}

#[test]
fn a_stream_without_a_usable_length_ends() {
    let next = |text: &str| Framer::new().next(text.as_bytes());
    assert_eq!(next("BYE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n"), Err(FrameError::NoContentLength));
    assert_eq!(next("BYE sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n"), Err(FrameError::Ambiguous));
    assert_eq!(next("BYE sip:a SIP/2.0\r\nl: 65535\r\n\r\n"), Err(FrameError::TooLarge));
    assert!(matches!(next("BYE sip:a SIP/2.0\r\nl: -1\r\n\r\n"), Err(FrameError::Header(_))));
    assert_eq!(next(&"x".repeat(MESSAGE_BYTES_MAX)), Err(FrameError::TooLarge));
    assert_eq!(next("BYE sip:a SIP/2.0\r\nl: 3\r\nl: 3\r\n\r\nabc"), Ok(Frame::Message { bytes: 36 }));
}

/// A request that is right, but for what is put into it.
fn request(uri: &str, more: &str) -> String {
    format!(
        "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n{more}\r\n"
    )
}

fn refused(text: &[u8]) -> (u16, Fault) {
    match message::parse(text) {
        Err(ParseError::Rejected(rejected)) => (rejected.status().code(), rejected.fault()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_are_exact_and_answered() {
    assert!(message::parse(request("sip:a@b", &"X-A: 1\r\n".repeat(HEADERS_MAX - 5)).as_bytes()).is_ok());
    assert_eq!(refused(request("sip:a@b", &"X-A: 1\r\n".repeat(HEADERS_MAX - 4)).as_bytes()), (513, Fault::TooManyHeaders));
    let uri = |length: usize| format!("sip:{}@b", "a".repeat(length - 6));
    assert!(message::parse(request(&uri(URI_BYTES_MAX), "").as_bytes()).is_ok());
    assert_eq!(refused(request(&uri(URI_BYTES_MAX + 1), "").as_bytes()), (414, Fault::UriTooLong));
    let filled = |bytes: usize| {
        let empty = request("sip:a@b", "X: \r\n").len();
        request("sip:a@b", &format!("X: {}\r\n", "x".repeat(bytes - empty)))
    };
    assert!(message::parse(filled(MESSAGE_BYTES_MAX).as_bytes()).is_ok());
    assert!(matches!(message::parse(filled(MESSAGE_BYTES_MAX + 1).as_bytes()), Err(ParseError::Garbage(Fault::MessageTooLarge))));
    let params = |count| request(&format!("sip:a@b{}", ";p".repeat(count)), "");
    assert!(message::parse(params(64).as_bytes()).is_ok());
    assert_eq!(refused(params(65).as_bytes()).0, 400);
}

#[test]
fn line_ends_are_not_guessed() {
    for more in ["X: a\rb\r\n", "X: a\0b\r\n", "X: a\r\r\n", "X\r\n", ": a\r\n", "X Y: a\r\n", "é: a\r\n"] {
        assert_eq!(refused(request("sip:a@b", more).as_bytes()), (400, Fault::HeaderLine), "{more:?}");
    }
    // A fold in front of the first header continues nothing.
    assert_eq!(refused(request("sip:a@b", "").replacen("\r\nVia", "\r\n x\r\nVia", 1).as_bytes()), (400, Fault::HeaderLine));
    let bare = request("sip:a@b", "").replace("\r\n", "\n");
    assert!(message::parse(bare.as_bytes()).is_ok(), "LF alone ends a line");
}

#[test]
fn a_head_that_is_not_utf8_is_answered() {
    let mut bytes = request("sip:a@b", "Subject: caf_\r\n").into_bytes();
    let at = bytes.iter().position(|&byte| byte == b'_').unwrap();
    bytes[at] = 0xe9;
    assert_eq!(refused(&bytes), (400, Fault::NotUtf8));
    let Err(ParseError::Rejected(rejected)) = message::parse(&bytes) else { panic!() };
    assert_eq!(rejected.method(), message::Method::Options);
    assert_eq!(rejected.headers().named("subject").map(|header| header.raw), Some("caf?"));
}

#[test]
fn what_cannot_be_answered_is_garbage() {
    let good = request("sip:a@b", "");
    for text in [
        "".to_owned(),
        "\0\0\0\0".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        good.replace("Via: SIP/2.0/UDP 192.0.2.1", "Via: nonsense"),
        good.replace("Via:", "Vya:"),
        good.replace("OPTIONS", "ACK").replace("To: <", "To: <<"),
        good.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 099 Low"),
        good.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 1000 High"),
        good.replace("OPTIONS sip:a@b SIP/2.0", "SIP/3.0 200 OK"),
        good.replace("OPTIONS sip:a@b SIP/2.0", "OPTIONS"),
        good.replace("OPTIONS sip:a@b SIP/2.0", "OPT(IONS sip:a@b SIP/2.0"),
    ] {
        assert!(matches!(message::parse(text.as_bytes()), Err(ParseError::Garbage(_))), "{text}");
    }
}

#[test]
fn each_missing_header_is_named() {
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let text: String = request("sip:a@b", "").split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{name}:"))).collect();
        let (status, fault) = refused(text.as_bytes());
        assert_eq!((status, fault.to_string()), (400, format!("Missing {name}")));
    }
}

/// Pieces that SIP is made of, to get past the first checks.
const PIECES: [&str; 28] = [
    "INVITE ",
    "sip:a@b",
    " SIP/2.0",
    "SIP/2.0 200 OK",
    "\r\n",
    "\r\n ",
    "\n",
    "Via: SIP/2.0/UDP h",
    ";branch=z9hG4bK",
    "From: ",
    "To: ",
    "Call-ID: x",
    "CSeq: 1 INVITE",
    "Content-Length: ",
    "Contact: ",
    "*",
    "\"",
    "\\",
    "<",
    ">",
    ",",
    ";",
    "=",
    "%41",
    "[::1]",
    ":",
    "?",
    "é",
];

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        targets::message(&bytes);
        targets::uri(&bytes);
        targets::auth(&bytes);
        targets::sdp(&bytes);
    }

    #[test]
    fn random_pieces_never_panic(pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..60)) {
        let text = pieces.concat();
        targets::message(text.as_bytes());
        targets::uri(text.as_bytes());
        targets::auth(text.as_bytes());
    }

    #[test]
    fn mutated_messages_never_panic(
        which in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let mut bytes = which.get(&VALID).1.clone();
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 => bytes.insert(at.min(bytes.len()), byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = *b"\r\n\t \"<>,;:=%@\\[]\0\xff".get(usize::from(byte) % 19).unwrap_or(&byte),
                3 => bytes.truncate(at),
                _ => {}
            }
        }
        targets::message(&bytes);
    }

    #[test]
    fn two_messages_in_one_datagram_are_one(which in any::<proptest::sample::Index>()) {
        let bytes = &which.get(&VALID).1;
        let first = message::parse(bytes).unwrap();
        prop_assume!(first.headers().content_length().unwrap().is_some());
        let twice = [bytes.as_slice(), bytes.as_slice()].concat();
        let read: Message<'_> = message::parse(&twice).unwrap();
        prop_assert_eq!(read.body(), first.body());
    }
}
