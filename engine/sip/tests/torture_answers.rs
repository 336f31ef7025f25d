//! The messages of RFC 4475 sent to a whole endpoint: what it answers has to be what `testfiles/torture/verdicts.tsv`
//! allows, by status class or code, or silence where that is right. After each of them the endpoint still serves.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy only exempts functions marked #[test]")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip::api::{Command, ControlUrl, Reply, Secret, UserEntry};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::message::{Message, parse};

const SENDER: &str = "192.0.2.9:5060";

fn endpoint(now: Instant) -> Endpoint {
    let listeners = vec![Listener { advertised: "192.0.2.1:5060".parse().unwrap(), transport: Transport::Udp }];
    let mut endpoint = Endpoint::new(EndpointConfig { listeners, ..EndpointConfig::default() }, [1; 32], now, 1_700_000_000_000);
    let users = vec![UserEntry { username: "user".into(), secret: Secret::Clear("pw".into()) }];
    let control = Some(ControlUrl("http://c".into()));
    endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now).unwrap();
    endpoint
}

/// What the endpoint sends for these bytes: statuses of responses.
fn answers(endpoint: &mut Endpoint, bytes: &[u8], now: Instant) -> Vec<u16> {
    let from: SocketAddr = SENDER.parse().unwrap();
    endpoint.handle_datagram(Datagram { listener: ListenerId(0), from, bytes }, now);
    let mut statuses = Vec::new();
    loop {
        match endpoint.poll_output() {
            Output::Transmit { to, bytes, .. } => {
                assert_eq!(to.ip(), from.ip(), "nothing goes to an address that a message names");
                match parse(&bytes) {
                    Ok(Message::Response(response)) => statuses.push(response.status().code()),
                    // The answer to a message without To, Call-ID or CSeq lacks them as well.
                    Err(_) => statuses.push(std::str::from_utf8(&bytes[8..11]).unwrap().parse().unwrap()),
                    Ok(Message::Request(request)) => panic!("a request: {request:?}"),
                }
            }
            Output::Event(_) | Output::Resolve { .. } => {}
            Output::Wait(_) => return statuses,
        }
    }
}

fn allows(verdict: &str, status: Option<u16>) -> bool {
    verdict.split(',').map(str::trim).any(|word| match (word, status) {
        ("any", _) | ("none", None) => true,
        (word, Some(status)) => word.strip_suffix("xx").map_or(word.parse() == Ok(status), |class| class.parse() == Ok(status / 100)),
        (_, None) => false,
    })
}

#[test]
fn every_torture_message_gets_an_answer_that_its_verdict_allows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testfiles/torture");
    let table = std::fs::read_to_string(folder.join("verdicts.tsv")).unwrap();
    let now = sim::Clock::new().now();
    let mut judged = 0;
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.starts_with("file\t")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (file, expect, tolerate) = (fields[0], fields[5], fields.get(6).copied().unwrap_or_default());
        let bytes = std::fs::read(folder.join("rfc4475").join(file)).unwrap();
        let mut endpoint = endpoint(now);
        let statuses = answers(&mut endpoint, &bytes, now);
        assert!(statuses.len() <= 1, "{file}: {statuses:?}");
        let status = statuses.first().copied();
        assert!(allows(expect, status) || allows(tolerate, status), "{file}: {status:?}, allowed are {expect} and {tolerate}");
        println!("{file}: {status:?}");
        still_serves(&mut endpoint, now);
        judged += 1;
    }
    assert_eq!(judged, 49);
}

fn still_serves(endpoint: &mut Endpoint, now: Instant) {
    let options = format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {SENDER};branch=z9hG4bKalive\r\nMax-Forwards: 70\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(answers(endpoint, options.as_bytes(), now), [200]);
}

/// A message of each kind, from a stranger and from inside a dialog that is not there.
const VALID: [&str; 4] = [
    "INVITE sip:user@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
     From: \"A\" <sip:user@example.com>;tag=1\r\nTo: <sip:user@example.com>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
     Contact: <sip:user@192.0.2.9>\r\nAuthorization: Digest username=\"user\", realm=\"example.com\", nonce=\"0\", uri=\"sip:x\", \
     response=\"0\", qop=auth, nc=00000001, cnonce=\"1\"\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK2\r\nFrom: <sip:user@example.com>;tag=1\r\n\
     To: <sip:user@example.com>\r\nCall-ID: c2\r\nCSeq: 1 REGISTER\r\nContact: <sip:user@192.0.2.9>;expires=60, *\r\n\
     Authorization: Digest username=\"u\\\"ser\", realm=\"example.com\", nonce=\"x\", uri=\"y\", response=\"z\"\r\n\r\n",
    "BYE sip:user@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK3\r\nFrom: <sip:user@example.com>;tag=1\r\n\
     To: <sip:user@example.com>;tag=2\r\nCall-ID: c3\r\nCSeq: 2 BYE\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKping.0.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
     Call-ID: c4\r\nCSeq: 1 OPTIONS\r\n\r\n",
];

#[test]
fn every_truncation_of_a_valid_message_is_survived() {
    let now = sim::Clock::new().now();
    let mut endpoint = endpoint(now);
    for message in VALID {
        for end in 0..=message.len() {
            answers(&mut endpoint, &message.as_bytes()[..end], now);
        }
    }
    // Whoever sent all that is in debt, and out of it in 100 s.
    let later = now + Duration::from_secs(100);
    still_serves(&mut endpoint, later);
    assert_nothing_is_kept(&mut endpoint, later);
}

/// Strangers cost no state, whatever they send.
fn assert_nothing_is_kept(endpoint: &mut Endpoint, now: Instant) {
    let Ok(Reply::Status(status)) = endpoint.command(Command::Status, now) else { panic!() };
    for (name, value) in status {
        let state = matches!(name, "calls" | "transactions" | "registrations" | "nonces");
        assert!(!state || value == 0, "{name} is {value}");
    }
    endpoint.handle_timeout(now + Duration::from_secs(100));
    assert!(endpoint.is_idle());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let now = sim::Clock::new().now();
        let mut endpoint = endpoint(now);
        answers(&mut endpoint, &bytes, now);
        assert_nothing_is_kept(&mut endpoint, now);
    }

    #[test]
    fn messages_with_damage_are_survived(which in 0..VALID.len(), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let now = sim::Clock::new().now();
        let mut endpoint = endpoint(now);
        let mut bytes = VALID[which].as_bytes().to_vec();
        for (at, byte) in hits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        answers(&mut endpoint, &bytes, now);
        assert_nothing_is_kept(&mut endpoint, now);
    }
}
