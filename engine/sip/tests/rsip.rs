//! rsip 0.4 as second opinion: what it accepts, we read to the same values.
//!
//! Each field of [`Reading`] is `None` where rsip refuses or gives no answer; where it gives one, ours has to be equal.
//! What rsip is known to read wrong is left out of the comparison, with the reason beside it.
#![expect(clippy::unwrap_used, reason = "also in helpers, a failure here is a failed test")]

use std::path::Path;

use proptest::prelude::*;
use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;
use rsip::prelude::{HasHeaders, UntypedHeader};
use sip::message::{self, HeaderName, Message, NameAddr, SipUri};

/// What both read, in words that do not depend on the parser.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    start_line: String,
    /// Names as written, in lower case, with their values.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    via: Option<[String; 4]>,
    from: Option<[String; 5]>,
    to: Option<[String; 5]>,
    contact: Option<[String; 5]>,
    cseq: Option<(u32, String)>,
    max_forwards: Option<u32>,
    expires: Option<u32>,
    credentials: Option<[String; 5]>,
}

fn ours(message: &Message<'_>) -> Reading {
    let essential = message.essential();
    let headers = message.headers();
    let contact = headers.contact().ok().flatten();
    let credentials = headers.credentials(HeaderName::Authorization).next().and_then(Result::ok).and_then(|found| found.digest());
    Reading {
        start_line: match message {
            Message::Request(request) => format!("{} {}", request.method(), request.uri()),
            Message::Response(response) => response.status().to_string(),
        },
        headers: headers.iter().map(|header| (header.written.to_lowercase(), header.text().into_owned())).collect(),
        body: message.body().to_vec(),
        via: Some([
            essential.via.transport.to_string(),
            essential.via.host.to_string().to_lowercase(),
            port(essential.via.port),
            essential.via.branch.unwrap_or_default().to_owned(),
        ]),
        from: Some(address(&essential.from)),
        to: Some(address(&essential.to)),
        contact: contact.as_ref().map(address),
        cseq: Some((essential.cseq.number, essential.cseq.method.to_string())),
        max_forwards: headers.max_forwards().ok().flatten().map(u32::from),
        expires: headers.expires(),
        credentials: credentials.map(|digest| {
            [digest.username, digest.realm, digest.nonce, digest.uri, digest.response].map(|field| field.unwrap_or_default().into_owned())
        }),
    }
}

fn port(port: Option<u16>) -> String {
    port.map(|port| port.to_string()).unwrap_or_default()
}

/// Display name, user as written, host, port, tag.
fn address(address: &NameAddr<'_>) -> [String; 5] {
    let sip = address.uri.as_sip();
    [
        address.display.text().into_owned(),
        sip.and_then(SipUri::user_raw).unwrap_or_default().to_owned(),
        sip.map(|uri| uri.host().to_string().to_lowercase()).unwrap_or_default(),
        port(sip.and_then(SipUri::port)),
        address.tag.unwrap_or_default().to_owned(),
    ]
}

fn theirs(bytes: &[u8]) -> Option<Reading> {
    let message = rsip::SipMessage::try_from(bytes).ok()?;
    let headers: Vec<(String, String)> = message
        .headers()
        .iter()
        .map(|header| {
            let line = header.to_string();
            let (name, value) = line.split_once(':').unwrap();
            (name.to_lowercase(), value.trim().to_owned())
        })
        .collect();
    let words = |display: Option<String>, uri: &rsip::Uri, tag: Option<String>| {
        // Some characters of a user, such as a dot, make rsip read `user@host` as the host; it reads `*` as a host, and
        // looks for a host in URIs of other schemes.
        let is_sip = matches!(uri.scheme, Some(rsip::Scheme::Sip | rsip::Scheme::Sips));
        if !is_sip || host(uri).contains('@') {
            return None;
        }
        Some([
            display.map(|name| unquoted(&name)).unwrap_or_default(),
            uri.auth.as_ref().map(|auth| auth.user.clone()).unwrap_or_default(),
            host(uri),
            uri.port().map(ToString::to_string).unwrap_or_default(),
            tag.unwrap_or_default(),
        ])
    };
    let contact_tag = |params: &[rsip::Param]| {
        params.iter().find_map(|param| if let rsip::Param::Tag(tag) = param { Some(tag.value().to_owned()) } else { None })
    };
    // A number it cannot read is an error to rsip; to us an expiry is then an hour (RFC 3261 §20.19).
    Some(Reading {
        start_line: match &message {
            rsip::SipMessage::Request(request) => format!("{} {}", request.method, request.uri),
            rsip::SipMessage::Response(response) => response.status_code.code().to_string(),
        },
        via: message.via_header().ok().and_then(|via| via.typed().ok()).map(|via| {
            let branch = via.branch().map(|branch| branch.value().to_owned()).unwrap_or_default();
            [via.transport.to_string(), host(&via.uri), via.uri.port().map(ToString::to_string).unwrap_or_default(), branch]
        }),
        from: message
            .from_header()
            .ok()
            .and_then(|from| from.typed().ok())
            .and_then(|from| words(from.display_name.clone(), &from.uri, from.tag().map(|tag| tag.value().to_owned()))),
        to: message
            .to_header()
            .ok()
            .and_then(|to| to.typed().ok())
            .and_then(|to| words(to.display_name.clone(), &to.uri, to.tag().map(|tag| tag.value().to_owned()))),
        // rsip reads the first of a comma list only if the list is one value.
        contact: message
            .contact_header()
            .ok()
            .filter(|contact| !contact.value().contains(','))
            .and_then(|contact| contact.typed().ok())
            .and_then(|contact| words(contact.display_name.clone(), &contact.uri, contact_tag(&contact.params))),
        cseq: message.cseq_header().ok().and_then(|cseq| cseq.typed().ok()).map(|cseq| (cseq.seq, cseq.method.to_string())),
        max_forwards: message.max_forwards_header().ok().and_then(|hops| hops.num().ok()).filter(|&hops| hops <= 255),
        expires: message.expires_header().and_then(|expires| expires.seconds().ok()),
        credentials: message
            .authorization_header()
            .and_then(|found| found.typed().ok())
            .map(|found| [found.username, found.realm, found.nonce, found.uri.to_string(), found.response]),
        body: match &message {
            rsip::SipMessage::Request(request) => request.body.clone(),
            rsip::SipMessage::Response(response) => response.body.clone(),
        },
        headers,
    })
}

fn host(uri: &rsip::Uri) -> String {
    uri.host_with_port.host.to_string().to_lowercase()
}

/// rsip leaves quotes and escapes in a display name.
fn unquoted(name: &str) -> String {
    let Some(inside) = name.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return name.trim().to_owned() };
    let mut out = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// Compares what rsip gives with what we give; says how many values were compared.
fn compare(name: &str, bytes: &[u8]) -> usize {
    let Some(theirs) = theirs(bytes) else { return 0 };
    let parsed = match message::parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => panic!("{name}: rsip takes what we refuse: {error}"),
    };
    let ours = ours(&parsed);
    assert_eq!(ours.start_line, theirs.start_line, "{name}");
    assert_eq!(ours.headers, theirs.headers, "{name}");
    // rsip takes all that is there as the body, whatever Content-Length says.
    assert!(theirs.body.starts_with(&ours.body), "{name}");
    let mut compared = ours.headers.len() + 2;
    macro_rules! fields {
        ($($field:ident)*) => {$(
            if theirs.$field.is_some() {
                assert_eq!(ours.$field, theirs.$field, "{name}: {}", stringify!($field));
                compared += 1;
            }
        )*};
    }
    fields!(via from to contact cseq max_forwards expires credentials);
    compared
}

fn folder(path: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let read = |path: std::path::PathBuf| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect();
    files.sort();
    files
}

#[test]
fn phone_messages_read_the_same() {
    let compared: usize = folder("testfiles/messages").iter().map(|(name, bytes)| compare(name, bytes)).sum();
    assert!(compared > 100, "only {compared} values were compared");
}

#[test]
fn torture_messages_that_rsip_takes_read_the_same() {
    // rsip takes most of what a server has to refuse; `torture` holds those.
    let taken = folder("testfiles/torture/rfc4475").into_iter().filter(|(_, bytes)| message::parse(bytes).is_ok());
    let compared: usize = taken.map(|(name, bytes)| compare(&name, &bytes)).sum();
    assert!(compared > 100, "only {compared} values were compared");
}

prop_compose! {
    /// A request as phones send it, every part drawn.
    fn request()(
        method in prop::sample::select(vec!["INVITE", "REGISTER", "OPTIONS", "BYE", "SUBSCRIBE", "MESSAGE"]),
        users in prop::array::uniform3("[a-zA-Z0-9][a-zA-Z0-9+._-]{0,12}"),
        hosts in prop::array::uniform4(prop_oneof!["[a-z][a-z0-9-]{0,8}[a-z0-9]\\.(com|net|example)", any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string())]),
        ports in prop::array::uniform3(prop::option::of(1..65535_u16)),
        names in prop::array::uniform2(prop::option::of("[A-Za-z][A-Za-z0-9 .'-]{0,14}[A-Za-z]")),
        tags in ("[a-zA-Z0-9]{1,12}", prop::option::of("[a-zA-Z0-9]{1,12}")),
        branch in "z9hG4bK[a-zA-Z0-9.-]{1,20}",
        transport in prop::sample::select(vec!["UDP", "TCP", "TLS"]),
        call_id in "[a-zA-Z0-9-]{1,30}(@[a-z0-9.]{1,12})?",
        cseq in any::<u32>(),
        hops in any::<u8>(),
        expires in any::<u32>(),
        digest in prop::array::uniform3("[a-zA-Z0-9+/=]{1,32}"),
        body in "[ -~]{0,100}",
    ) -> String {
        let hostport = |at: usize| format!("{}{}", hosts[at], ports[at].map(|port| format!(":{port}")).unwrap_or_default());
        let name = |at: usize| names[at].as_ref().map(|name| format!("\"{name}\" ")).unwrap_or_default();
        let to_tag = tags.1.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        format!(
            "{method} sip:{target} SIP/2.0\r\nVia: SIP/2.0/{transport} {via};branch={branch}\r\nMax-Forwards: {hops}\r\n\
             From: {from_name}<sip:{a}@{home}>;tag={from_tag}\r\nTo: {to_name}<sip:{b}@{home}>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{c}@{contact}>\r\nExpires: {expires}\r\n\
             Authorization: Digest username=\"{a}\", realm=\"{home}\", nonce=\"{nonce}\", uri=\"sip:{home}\", response=\"{response}\", opaque=\"{opaque}\", algorithm=MD5\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            target = hostport(0), via = hostport(1), contact = hostport(2), home = hosts[3],
            a = users[0], b = users[1], c = users[2], from_name = name(0), to_name = name(1), from_tag = tags.0,
            nonce = digest[0], response = digest[1], opaque = digest[2], length = body.len(),
        )
    }
}

proptest! {
    #[test]
    fn drawn_requests_read_the_same(text in request()) {
        prop_assert!(message::parse(text.as_bytes()).is_ok(), "{text}");
        prop_assert!(compare("drawn", text.as_bytes()) > 12, "rsip refuses {text}");
    }
}
