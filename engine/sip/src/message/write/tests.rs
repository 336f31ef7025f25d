//! Tests of the writer.

use proptest::prelude::*;

use super::*;
use crate::message::{NameAddr, ParseError, Request, parse};

const INVITE: &str = "INVITE sip:c@d SIP/2.0\r\n\
    Via: SIP/2.0/UDP a.example.com:5062 ;branch=z9hG4bK1;rport;x=\"y,\r\n z\", SIP/2.0/TCP b;branch=z9hG4bK2\r\n\
    v: SIP/2.0/UDP c;branch=z9hG4bK3\r\n\
    Record-Route: <sip:p1;lr>\r\n\
    f: \"A\"\r\n <sip:a@b>;tag=1\r\n\
    To: <sip:c@d>\r\n\
    i: x@y\r\n\
    CSeq: 7 INVITE\r\n\
    Timestamp: 54\r\n\
    Record-Route: <sip:p2;lr>\r\n\
    l: 0\r\n\r\n";

fn with_invite(look: impl FnOnce(&Request<'_>)) {
    match parse(INVITE.as_bytes()) {
        Ok(Message::Request(request)) => look(&request),
        other => panic!("{other:?}"),
    }
}

fn answered(source: Option<&str>, status: StatusCode, tag: Option<&str>) -> String {
    let mut out = Vec::new();
    with_invite(|request| {
        let source = source.map(|source| source.parse().unwrap());
        let written = Writer::response(&mut out, status, status.phrase()).answer(request.headers(), source, tag).end();
        assert_eq!(written, Ok(out.len()));
    });
    String::from_utf8(out).unwrap()
}

#[test]
fn an_answer_takes_what_rfc_3261_8_2_6_2_says() {
    assert_eq!(
        answered(Some("198.51.100.7:4000"), StatusCode::RINGING, Some("t")),
        "SIP/2.0 180 Ringing\r\n\
         Via: SIP/2.0/UDP a.example.com:5062;branch=z9hG4bK1;x=\"y, z\";received=198.51.100.7;rport=4000, SIP/2.0/TCP b;branch=z9hG4bK2\r\n\
         Via: SIP/2.0/UDP c;branch=z9hG4bK3\r\n\
         From: \"A\" <sip:a@b>;tag=1\r\n\
         To: <sip:c@d>;tag=t\r\n\
         Call-ID: x@y\r\n\
         CSeq: 7 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn only_100_takes_the_timestamp() {
    assert!(answered(None, StatusCode::TRYING, None).contains("\r\nTimestamp: 54\r\n"));
    assert!(!answered(None, StatusCode::OK, Some("t")).contains("Timestamp"));
}

#[test]
fn a_via_without_source_is_copied_as_it_is() {
    assert!(
        answered(None, StatusCode::OK, Some("t")).contains("Via: SIP/2.0/UDP a.example.com:5062 ;branch=z9hG4bK1;rport;x=\"y, z\", SIP")
    );
}

/// The top Via that an answer carries, for a request with `via` that came from `source`.
fn top_via(via: &str, source: &str) -> String {
    let text = format!("OPTIONS sip:a SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a>\r\nTo: <sip:a>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\n\r\n");
    let mut out = Vec::new();
    let mut answer = |headers: &Headers<'_>| {
        Writer::response(&mut out, StatusCode::OK, "").answer(headers, Some(source.parse().unwrap()), None).end().unwrap();
    };
    match parse(text.as_bytes()) {
        Ok(message) => answer(message.headers()),
        Err(ParseError::Rejected(rejected)) => answer(&rejected.headers()),
        Err(error) => panic!("{error}"),
    }
    let text = String::from_utf8(out).unwrap();
    text.lines().find_map(|line| line.strip_prefix("Via: ")).unwrap().to_owned()
}

#[test]
fn received_and_rport_say_where_the_request_came_from() {
    for (via, source, expected) in [
        // RFC 3261 §18.2.1: nothing to say when sent-by is the source.
        ("SIP/2.0/UDP 192.0.2.1;branch=1", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;branch=1"),
        ("SIP/2.0/UDP 192.0.2.1", "198.51.100.7:9", "SIP/2.0/UDP 192.0.2.1;received=198.51.100.7"),
        ("SIP/2.0/UDP host", "192.0.2.1:9", "SIP/2.0/UDP host;received=192.0.2.1"),
        // RFC 3581 §4: `received` too, although sent-by is the source.
        ("SIP/2.0/UDP 192.0.2.1;rport", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=9"),
        ("SIP/2.0/UDP 192.0.2.1;RPORT=1;Received=203.0.113.1", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=9"),
        ("SIP/2.0/UDP [2001:db8::1]", "[2001:DB8:0::1]:9", "SIP/2.0/UDP [2001:db8::1]"),
        ("SIP/2.0/UDP 192.0.2.1", "[::ffff:192.0.2.1]:9", "SIP/2.0/UDP 192.0.2.1"),
        // A Via that is wrong: what can be read of it.
        ("SIP/2.0/UDP 192.0.2.1:7;branch=1;;,;,,", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1:7;branch=1,;,,"),
        ("SIP/7.0/UDP 192.0.2.1;branch=1;rport", "192.0.2.1:9", "SIP/7.0/UDP 192.0.2.1;branch=1;received=192.0.2.1;rport=9"),
    ] {
        assert_eq!(top_via(via, source), expected, "{via} from {source}");
    }
}

#[test]
fn all_lines_of_a_name_are_copied_in_order() {
    let mut out = Vec::new();
    with_invite(|request| {
        Writer::response(&mut out, StatusCode::OK, "OK").copy(request.headers(), HeaderName::RecordRoute).end().unwrap();
    });
    assert_eq!(out, b"SIP/2.0 200 OK\r\nRecord-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn a_request_with_a_body_is_whole() {
    let mut out = b"before".to_vec();
    let written = Writer::request(&mut out, Method::Message, "sip:a@b")
        .header(HeaderName::MaxForwards, 70)
        .optional(HeaderName::Subject, Some("hi"))
        .optional(HeaderName::Priority, None::<&str>)
        .extension("X-Count", format_args!("{}", 3))
        .body("text/plain", b"a\0b\r\n");
    let text: &[u8] = b"beforeMESSAGE sip:a@b SIP/2.0\r\nMax-Forwards: 70\r\nSubject: hi\r\nX-Count: 3\r\n\
        Content-Type: text/plain\r\nContent-Length: 5\r\n\r\na\0b\r\n";
    assert_eq!((written, out.as_slice()), (Ok(text.len() - 6), text));
}

#[test]
fn no_value_becomes_a_header_of_its_own() {
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"] {
        fn start(out: &mut Vec<u8>) -> Writer<'_> {
            Writer::request(out, Method::Options, "sip:a")
        }
        let mut out = b"kept".to_vec();
        for result in [
            Writer::request(&mut out, Method::Options, value).end(),
            start(&mut out).header(HeaderName::Subject, value).end(),
            start(&mut out).extension("X-A", format_args!("{value}")).end(),
            start(&mut out).body(value, b""),
            Writer::response(&mut out, StatusCode::OK, value).end(),
        ] {
            assert_eq!(result, Err(WriteError::LineBreak), "{value:?}");
        }
        assert_eq!(out, b"kept");
    }
    for value in ["a\r\nX-Evil: 1", "a\nb", "\\\n"] {
        let mut out = Vec::new();
        let written = Writer::request(&mut out, Method::Options, "sip:a").header(HeaderName::From, Quoted(value)).end();
        assert_eq!(written, Err(WriteError::LineBreak), "{value:?}");
    }
}

#[test]
fn an_escaped_nul_is_part_of_a_name() {
    let mut out = Vec::new();
    let name = NameAddr::parse("\"a\\\0b\" <sip:a@b>;x=\"\\\0\"").unwrap();
    assert_eq!(name.display.text(), "a\0b");
    Writer::request(&mut out, Method::Options, "sip:a").header(HeaderName::From, name).end().unwrap();
    let expected = b"From: \"a\\\0b\" <sip:a@b>;x=\"\\\0\"\r\n";
    assert!(out.windows(expected.len()).any(|part| part == expected), "{}", out.escape_ascii());
}

#[test]
fn names_methods_and_uris_are_checked() {
    let mut out = Vec::new();
    assert_eq!(Writer::request(&mut out, Method::Other("A B"), "sip:a").end(), Err(WriteError::Name));
    assert_eq!(Writer::request(&mut out, Method::Options, "sip:a b").end(), Err(WriteError::Uri));
    assert_eq!(Writer::request(&mut out, Method::Options, "").end(), Err(WriteError::Uri));
    for name in ["", "X Y", "X:", "é"] {
        assert_eq!(Writer::request(&mut out, Method::Options, "sip:a").extension(name, "x").end(), Err(WriteError::Name), "{name}");
    }
    assert_eq!(Writer::request(&mut out, Method::Options, "sip:a").header(HeaderName::Other, "x").end(), Err(WriteError::Name));
}

#[test]
fn too_much_is_refused_whole() {
    let mut out = Vec::new();
    let body = vec![b'x'; MESSAGE_BYTES_MAX];
    assert_eq!(Writer::request(&mut out, Method::Options, "sip:a").body("a/b", &body), Err(WriteError::TooLarge));
    assert_eq!(
        Writer::request(&mut out, Method::Options, "sip:a").header(HeaderName::Subject, "x".repeat(70_000)).end(),
        Err(WriteError::TooLarge)
    );
    assert!(out.is_empty());
}

#[test]
fn a_value_that_fails_to_format_fails_the_message() {
    struct Broken;
    impl Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let mut out = Vec::new();
    assert_eq!(Writer::request(&mut out, Method::Options, "sip:a").header(HeaderName::Subject, Broken).end(), Err(WriteError::Format));
}

proptest! {
    #[test]
    fn any_display_name_survives(name in "[^\r\n]{0,40}") {
        let text = format!("{} <sip:a@b>", Quoted(&name));
        prop_assert_eq!(NameAddr::parse(&text).map(|address| address.display.text().into_owned()), Ok(name));
    }
}
