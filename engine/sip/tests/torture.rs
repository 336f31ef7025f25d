//! The messages of RFC 4475, as far as the parser decides about them.
//!
//! `testfiles/torture/verdicts.tsv` says what is allowed, the table here what we do, and the tests below it what has to
//! be read out of the valid ones.

use std::path::{Path, PathBuf};

use sip::message::{
    self, Contact, Fault, HeaderError, HeaderName, Message, Method, ParamValue, ParseError, Problem, Request, StatusCode, Transport, Uri,
    UriError, Writer,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testfiles/torture")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join("rfc4475").join(name).with_extension("dat")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn with_request(name: &str, look: impl FnOnce(&Request<'_>)) {
    let bytes = bytes(name);
    match message::parse(&bytes) {
        Ok(Message::Request(request)) => look(&request),
        other => panic!("{name}: {other:?}"),
    }
}

/// What the parser does with each message.
enum Outcome {
    Request,
    Response,
    Rejected(u16, Fault),
    Garbage,
}

use Outcome::{Garbage, Rejected, Response};
const REQUEST: Outcome = Outcome::Request;

/// Every message of the RFC, in its order.
const OUTCOMES: [(&str, Outcome); 49] = [
    ("wsinv", REQUEST),
    ("intmeth", REQUEST),
    ("esc01", REQUEST),
    ("escnull", REQUEST),
    ("esc02", REQUEST),
    ("lwsdisp", REQUEST),
    ("longreq", REQUEST),
    ("dblreq", REQUEST),
    ("semiuri", REQUEST),
    ("transports", REQUEST),
    ("mpart01", REQUEST),
    ("unreason", Response),
    ("noreason", Response),
    ("badinv01", Rejected(400, header(HeaderName::Via, Problem::Syntax))),
    ("clerr", Rejected(400, Fault::BodyTooShort)),
    ("ncl", Rejected(400, header(HeaderName::ContentLength, Problem::Syntax))),
    ("scalar02", Rejected(400, header(HeaderName::CSeq, Problem::Range))),
    ("scalarlg", Garbage),
    ("quotbal", Rejected(400, header(HeaderName::To, Problem::Quote))),
    ("ltgtruri", Rejected(400, Fault::RequestUri(UriError::Scheme))),
    ("lwsruri", Rejected(400, Fault::RequestUri(UriError::Character))),
    ("lwsstart", Rejected(400, Fault::RequestUri(UriError::Character))),
    // White space at the end of the line is read over.
    ("trws", REQUEST),
    ("escruri", Rejected(400, Fault::RequestUri(UriError::Header))),
    // Nobody here reads Date.
    ("baddate", REQUEST),
    // Contact is read by those who need it: see `a_contact_with_bare_headers_is_refused`.
    ("regbadct", REQUEST),
    ("badaspec", REQUEST),
    // Its head does not end; what it is about is in `a_display_name_with_a_bare_comma_is_taken`.
    ("baddn", Rejected(400, Fault::Unfinished)),
    ("badvers", Rejected(505, Fault::Version)),
    ("mismatch01", Rejected(400, Fault::MethodMismatch)),
    ("mismatch02", Rejected(400, Fault::MethodMismatch)),
    ("bigcode", Garbage),
    ("badbranch", REQUEST),
    ("insuf", Rejected(400, Fault::Missing(HeaderName::From))),
    ("unkscm", REQUEST),
    ("novelsc", REQUEST),
    ("unksm2", REQUEST),
    ("bext01", REQUEST),
    ("invut", REQUEST),
    ("regaut01", REQUEST),
    ("multi01", Rejected(400, Fault::Repeated(HeaderName::MaxForwards))),
    ("mcl01", Rejected(400, Fault::Repeated(HeaderName::ContentLength))),
    ("bcast", Response),
    ("zeromf", REQUEST),
    ("cparam01", REQUEST),
    ("cparam02", REQUEST),
    ("regescrt", REQUEST),
    ("sdp01", REQUEST),
    ("inv2543", REQUEST),
];

const fn header(name: HeaderName, problem: Problem) -> Fault {
    Fault::Header(HeaderError { name, problem })
}

#[test]
fn each_message_has_its_outcome() {
    for (name, outcome) in &OUTCOMES {
        let bytes = bytes(name);
        match (outcome, message::parse(&bytes)) {
            (Outcome::Request, Ok(Message::Request(_))) | (Response, Ok(Message::Response(_))) | (Garbage, Err(ParseError::Garbage(_))) => {
            }
            (Rejected(status, fault), Err(ParseError::Rejected(rejected))) => {
                assert_eq!((rejected.status().code(), rejected.fault()), (*status, *fault), "{name}");
            }
            (_, got) => panic!("{name}: {got:?}"),
        }
    }
}

#[test]
fn no_outcome_is_against_the_verdicts() {
    let verdicts = std::fs::read_to_string(folder().join("verdicts.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = verdicts.lines().filter(|line| line.contains(".dat\t")).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), OUTCOMES.len());
    for row in rows {
        let &[file, _, _, _, verdict, expect, tolerate, ..] = row.as_slice() else { panic!("{row:?}") };
        let bytes = bytes(file);
        let parsed = message::parse(&bytes);
        let allowed = |status: StatusCode| expect.split(',').chain(tolerate.split(',')).any(|code| code == status.code().to_string());
        match (verdict, &parsed) {
            ("valid" | "app" | "reject-or-liberal", Ok(_)) => {}
            ("must-reject" | "app" | "reject-or-liberal", Err(ParseError::Rejected(rejected))) => {
                assert!(allowed(rejected.status()), "{file}: {}", rejected.status());
            }
            // Whether a response belongs to a request of ours is not for the parser to say.
            ("discard", Ok(Message::Response(_)) | Err(ParseError::Garbage(_))) => {}
            _ => panic!("{file} is {verdict}, but {parsed:?}"),
        }
    }
}

#[test]
fn every_refusal_can_be_answered() {
    for (name, outcome) in &OUTCOMES {
        let Rejected(status, _) = outcome else { continue };
        let bytes = bytes(name);
        let Err(ParseError::Rejected(rejected)) = message::parse(&bytes) else { panic!("{name}") };
        let headers = rejected.headers();
        let mut out = Vec::new();
        let source = "198.51.100.7:4000".parse().unwrap();
        let written = Writer::response(&mut out, rejected.status(), rejected.fault()).answer(&headers, Some(source), Some("ours")).end();
        assert_eq!(written, Ok(out.len()), "{name}");
        let text = std::str::from_utf8(&out).unwrap();
        assert!(text.starts_with(&format!("SIP/2.0 {status} ")), "{text}");
        // The answer can be read again, but where the request had not what that takes.
        let unreadable = ["badvers", "scalar02", "quotbal", "insuf"].contains(name);
        assert_eq!(message::parse(&out).is_ok(), !unreadable, "{text}");
    }
}

#[test]
fn what_is_read_can_be_written_and_read_again() {
    for (name, _) in &OUTCOMES {
        let bytes = bytes(name);
        let Ok(first) = message::parse(&bytes) else { continue };
        let mut out = Vec::new();
        message::write(&first, &mut out).unwrap();
        assert_eq!(message::parse(&out).ok().as_ref(), Some(&first), "{name}");
    }
}

#[test]
fn short_tortuous_invite_gives_its_values() {
    with_request("wsinv", |request| {
        assert_eq!(request.to().uri.as_str(), "sip:vivekg@chair-dnrc.example.com");
        assert_eq!(request.to().tag, Some("1918181833n"));
        assert_eq!(request.from().display.text(), "J Rosenberg \\\"");
        assert_eq!(request.from().tag, Some("98asjd8"));
        assert_eq!(request.headers().max_forwards(), Ok(Some(68)));
        assert_eq!(request.headers().content_length(), Ok(Some(150)));
        assert_eq!(request.body().len(), 150);
        assert_eq!((request.cseq().number, request.cseq().method), (9, Method::Invite));
        assert_eq!(request.headers().header(HeaderName::Subject), Some(""));
        let unfolded = request.headers().named("newfangledheader").map(|header| header.text().into_owned());
        assert_eq!(unfolded.as_deref(), Some("newfangled value continued newfangled value"));
        let branches: Vec<_> = request.headers().vias().map(|via| via.unwrap().branch).collect();
        assert_eq!(branches, [Some("390skdjuw"), Some("z9hG4bK9ikj8"), Some("z9hG4bK30239")]);
        let route = request.headers().addresses(HeaderName::Route).next().unwrap().unwrap();
        assert!(route.uri.as_sip().unwrap().params().is_loose_router());
        let contact = request.headers().contacts().next().unwrap().unwrap();
        let contact = contact.address().unwrap();
        assert_eq!((contact.address.display.text().as_ref(), contact.q), ("Quoted string \"\"", Some(330)));
        assert!(contact.address.params.contains("secondparam"));
    });
}

#[test]
fn wide_range_of_characters_is_read() {
    with_request("intmeth", |request| {
        assert!(matches!(request.method(), Method::Other("!interesting-Method0123456789_*+`.%indeed'~")));
        assert_eq!(request.uri().as_sip().unwrap().password().as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
        assert_eq!(request.to().display.text(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
        assert_eq!(request.from().display.text(), "token1~` token2'+_ token3*%!.-");
        assert_eq!(request.from().tag, Some("_token~1'+`*%!-."));
        assert_eq!(request.from().params.get("fromParam''~+*_!.-%").map(ParamValue::text).as_deref(), Some("работающий"));
        assert_eq!(request.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
        assert_eq!(request.headers().named("extensionHeader-!.%*+_`'~").map(|header| header.raw), Some("\u{feff}大停電"));
    });
}

#[test]
fn escapes_are_resolved_in_users_only() {
    with_request("esc01", |request| {
        assert_eq!(request.uri().user().as_deref(), Some("sips:user@example.com"));
        assert_eq!(request.uri().host(), message::Host::parse("example.net"));
    });
    with_request("escnull", |request| {
        assert_eq!(request.to().uri.user().as_deref(), Some("null-\0-null"));
        let contacts: Vec<_> =
            request.headers().contacts().map(|contact| contact.unwrap().address().unwrap().address.uri.user().unwrap()).collect();
        assert_eq!(contacts, ["\0", "\0\0"]);
    });
    with_request("esc02", |request| {
        assert_eq!(request.method(), Method::Other("RE%47IST%45R"));
        assert_eq!(request.to().display.text(), "%Z%45");
        // `C%6Fntact` is another header.
        assert_eq!(request.headers().contacts().count(), 2);
    });
}

#[test]
fn long_values_are_kept_whole() {
    with_request("longreq", |request| {
        assert_eq!(request.headers().vias().filter(Result::is_ok).count(), 34);
        assert!(request.from().uri.user().unwrap().len() > 100);
        assert_eq!(request.headers().content_length(), Ok(Some(150)));
    });
}

#[test]
fn octets_behind_the_body_are_dropped() {
    with_request("dblreq", |request| {
        assert_eq!(request.method(), Method::Register);
        assert!(request.body().is_empty());
    });
}

#[test]
fn semicolons_and_transports_and_binary_bodies_are_read() {
    with_request("semiuri", |request| assert_eq!(request.uri().user().as_deref(), Some("user;par=u@example.net")));
    with_request("transports", |request| {
        let transports: Vec<_> = request.headers().vias().map(|via| via.unwrap().transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Sctp, Transport::Tls, Transport::Other("UNKNOWN"), Transport::Tcp]);
    });
    with_request("mpart01", |request| {
        let media = request.headers().content_type().unwrap().unwrap();
        assert!(media.is("multipart", "mixed") && media.params.contains("boundary"));
        assert!(request.body().contains(&0) && std::str::from_utf8(request.body()).is_err());
    });
}

#[test]
fn reason_phrases_are_any_text() {
    let bytes = bytes("unreason");
    let parsed = message::parse(&bytes).unwrap();
    let response = parsed.as_response().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое");
}

#[test]
fn a_contact_with_bare_headers_is_refused() {
    with_request("regbadct", |request| assert!(matches!(request.headers().contacts().next(), Some(Err(_)))));
    with_request("regescrt", |request| {
        let contact = request.headers().contacts().next().unwrap().unwrap();
        let uri = contact.address().unwrap().address.uri;
        assert_eq!(uri.as_sip().unwrap().headers().get("Route").as_deref(), Some("<sip:sip.example.com>"));
    });
}

#[test]
fn a_display_name_with_a_bare_comma_is_taken() {
    let mut bytes = bytes("baddn");
    bytes.extend_from_slice(b"\r\n");
    let parsed = message::parse(&bytes).unwrap();
    assert_eq!(parsed.essential().from.display.text(), "Bell, Alexander");
    assert_eq!(parsed.essential().from.uri.as_str(), "sip:a.g.bell@example.com");
}

#[test]
fn parameters_go_to_header_or_uri_by_the_brackets() {
    let first = |name: &str, look: &dyn Fn(&Contact<'_>)| {
        with_request(name, |request| look(&request.headers().contacts().next().unwrap().unwrap()));
    };
    first("cparam01", &|contact| assert!(contact.address().unwrap().address.params.contains("unknownparam")));
    first("cparam02", &|contact| {
        let address = contact.address().unwrap().address;
        assert!(address.params.is_empty() && address.uri.as_sip().unwrap().params().contains("unknownparam"));
    });
}

#[test]
fn schemes_branches_and_old_syntax_are_left_to_the_core() {
    with_request("unkscm", |request| assert!(matches!(request.uri(), Uri::Other(uri) if uri.scheme() == "nobodyKnowsThisScheme")));
    with_request("novelsc", |request| assert!(request.uri().as_sip().is_none()));
    with_request("unksm2", |request| assert_eq!(request.to().uri.scheme(), "isbn"));
    with_request("badbranch", |request| assert_eq!(request.via().rfc3261_branch(), None));
    with_request("inv2543", |request| assert_eq!(request.headers().max_forwards(), Ok(None)));
    with_request("bext01", |request| {
        assert!(request.headers().has_token(HeaderName::Require, "NothingSupportsThis"));
        assert_eq!(request.headers().tokens(HeaderName::ProxyRequire).count(), 2);
    });
}
