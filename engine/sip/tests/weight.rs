//! What a registration and an answered call weigh, by the resident memory of this process.
//!
//! One test, so that nothing else allocates in the meantime. The figures are printed: `cargo test -p sip --test weight --
//! --nocapture`. Linux only, as the switch is.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy only exempts functions marked #[test]")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use sip::api::{Action, Command, ControlUrl, Reply, Secret, UserEntry};
use sip::auth::{ClientAuth, Identity};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::message::{HeaderName, Message, parse};
use sip::registrar::RegistrarConfig;
use sip::sdp::Sdp;

const PHONES: u32 = 8000;
const CALLS: u32 = 2000;
/// Requests between two steps of the clock, so that transactions of 32 s do not pile up and distort the figure.
const BATCH: u32 = 200;
/// docs/architecture.md: registration 1 KiB, answered dialog 8 KiB.
const REGISTRATION_MAX: usize = 1024;
const CALL_MAX: usize = 8 * 1024;

/// A description as phones send it, eight codecs.
const SDP: &str = "v=0\r\no=- 3868331676 3868331676 IN IP4 192.0.2.7\r\ns=phone\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
     m=audio 4000 RTP/AVP 9 8 0 18 97 3 111 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
     a=rtpmap:18 G729/8000\r\na=rtpmap:97 iLBC/8000\r\na=fmtp:97 mode=20\r\na=rtpmap:3 GSM/8000\r\na=rtpmap:111 opus/48000/2\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

struct Bench {
    endpoint: Endpoint,
    rng: ChaCha12Rng,
    now: Instant,
    from: SocketAddr,
}

impl Bench {
    /// Sends a request and gives the last response to it.
    fn ask(&mut self, text: &str) -> Option<String> {
        self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from: self.from, bytes: text.as_bytes() }, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Option<String> {
        let mut last = None;
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { bytes, .. } => last = String::from_utf8(bytes).ok(),
                Output::Event(_) | Output::Resolve { .. } => {}
                Output::Wait(_) => return last,
            }
        }
    }

    /// Asks once without and once with credentials.
    fn ask_proven(&mut self, method: &str, user: &str, write: impl Fn(u32, &str) -> String) -> String {
        let challenge = self.ask(&write(1, "")).unwrap();
        let Ok(Message::Response(response)) = parse(challenge.as_bytes()) else { panic!("{challenge}") };
        let identity = Identity { username: user.into(), secret: "pw".into() };
        let mut auth = ClientAuth::new(identity, false, response.headers().headers(HeaderName::WwwAuthenticate)).unwrap();
        let proof = format!("Authorization: {}\r\n", auth.answer(method, "sip:example.com", &mut self.rng));
        self.ask(&write(2, &proof)).unwrap()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    fn register(&mut self, number: u32) {
        let user = number.to_string();
        let from = self.from;
        let answer = self.ask_proven("REGISTER", &user, |cseq, proof| {
            format!(
                "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{number}x{cseq};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:{user}@example.com>;tag=f\r\nTo: <sip:{user}@example.com>\r\nCall-ID: reg-{number}-0123456789abcdef@192.0.2.7\r\n\
                 CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@192.0.2.7:5060;transport=UDP;rinstance=0123456789abcdef>;expires=7200\r\n\
                 User-Agent: Yealink SIP-T46S 66.86.0.15\r\n{proof}Content-Length: 0\r\n\r\n"
            )
        });
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    fn call(&mut self, number: u32) {
        let from = self.from;
        let id = format!("call-{number}-0123456789abcdef@192.0.2.7");
        let write = |method: &str, cseq: u32, to_tag: &str, extra: &str, body: &str| {
            format!(
                "{method} sip:2@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{number}x{cseq};rport\r\n\
                 Max-Forwards: 70\r\nFrom: \"Someone\" <sip:1@example.com>;tag=f\r\nTo: <sip:2@example.com>{to_tag}\r\nCall-ID: {id}\r\n\
                 CSeq: {cseq} {method}\r\nContact: <sip:1@192.0.2.7:5060;transport=UDP>\r\nUser-Agent: Yealink SIP-T46S 66.86.0.15\r\n\
                 {extra}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let trying = self.ask_proven("INVITE", "1", |cseq, proof| write("INVITE", cseq, "", proof, SDP));
        assert!(trying.starts_with("SIP/2.0 100"), "{trying}");
        let answer = Action::Answer { sdp: Some(Sdp::parse(SDP).unwrap()) };
        self.endpoint.command(Command::Act { callid: id.clone(), action: Box::new(answer) }, self.now).unwrap();
        let ok = self.drain().unwrap();
        let Ok(Message::Response(response)) = parse(ok.as_bytes()) else { panic!("{ok}") };
        let tag = format!(";tag={}", response.to().tag.unwrap());
        assert!(self.ask(&write("ACK", 2, &tag, "", "")).is_none());
    }
}

#[test]
fn a_registration_and_a_call_keep_to_their_budgets() {
    let now = sim::Clock::new().now();
    let config = EndpointConfig {
        listeners: vec![Listener { advertised: "192.0.2.1:5060".parse().unwrap(), transport: Transport::Udp }],
        // Nobody answers OPTIONS here. The entry of the nonce in the replay table is part of what is measured.
        registrar: RegistrarConfig { ping_every: None, ..RegistrarConfig::default() },
        ..EndpointConfig::default()
    };
    let mut endpoint = Endpoint::new(config, [5; 32], now, 1_700_000_000_000);
    let user = |number: u32| UserEntry { username: number.to_string(), secret: Secret::Clear("pw".into()) };
    let users = (0..=PHONES).map(user).collect();
    let control = Some(ControlUrl("http://127.0.0.1:9001".into()));
    endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now).unwrap();
    let mut bench = Bench { endpoint, rng: ChaCha12Rng::from_seed([6; 32]), now, from: "192.0.2.7:5060".parse().unwrap() };

    // The first batch makes what every transaction needs and keeps.
    (0..BATCH).for_each(|number| bench.register(number));
    bench.pass(Duration::from_secs(40));
    let before = resident_bytes();
    for number in BATCH..PHONES {
        bench.register(number);
        if number % BATCH == 0 {
            bench.pass(Duration::from_secs(40));
        }
    }
    bench.pass(Duration::from_secs(40));
    let registration = (resident_bytes() - before) / (PHONES - BATCH) as usize;
    println!("registration: {registration} bytes");

    (0..BATCH).for_each(|number| bench.call(number));
    bench.pass(Duration::from_secs(40));
    let before = resident_bytes();
    for number in BATCH..CALLS {
        bench.call(number);
        if number % BATCH == 0 {
            bench.pass(Duration::from_secs(40));
        }
    }
    bench.pass(Duration::from_secs(40));
    let call = (resident_bytes() - before) / (CALLS - BATCH) as usize;
    println!("answered call: {call} bytes");

    let Ok(Reply::DialogCount { count, .. }) = bench.endpoint.command(Command::DialogGet { callid: None }, bench.now) else { panic!() };
    assert_eq!(count, u64::from(CALLS));
    assert!(registration <= REGISTRATION_MAX && call <= CALL_MAX, "registration {registration}, call {call} bytes");
}
