//! Registrations refreshed again and again: the resident memory of this process goes back to where it was, and stays there.
//!
//! The long one: `cargo test --release -p sip --test soak -- --ignored --nocapture`, 1 000 000 refreshes of 10 000 phones; it
//! prints the curve. Each of the two has the process to itself, so that nothing else allocates meanwhile. Linux only.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and tell; clippy only exempts functions marked #[test]")]

mod resident;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use sip::api::{Command, ControlUrl, Reply, Secret, UserEntry};
use sip::auth::{ClientAuth, Identity};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::message::{HeaderName, Message, parse};
use sip::registrar::RegistrarConfig;

/// Time between two refreshes of a phone: longer than the 32 s of a transaction over UDP.
const REFRESH: Duration = Duration::from_secs(120);

struct Soak {
    endpoint: Endpoint,
    rng: ChaCha12Rng,
    now: Instant,
    phones: Vec<(ClientAuth, u32)>,
}

impl Soak {
    fn new(phones: u32) -> Self {
        let now = sim::Clock::new().now();
        let config = EndpointConfig {
            listeners: vec![Listener { advertised: "192.0.2.1:5060".parse().unwrap(), transport: Transport::Udp }],
            registrar: RegistrarConfig { ping_every: None, ..RegistrarConfig::default() },
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, [5; 32], now, 1_700_000_000_000);
        let user = |number: u32| UserEntry { username: number.to_string(), secret: Secret::Clear("pw".into()) };
        let control = Some(ControlUrl("http://c".into()));
        let users = (0..phones).map(user).collect();
        endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now).unwrap();
        let identity = |number: u32| Identity { username: number.to_string(), secret: "pw".into() };
        let nothing = "Digest realm=\"example.com\", nonce=\"0\", qop=\"auth\"";
        let client = |number| ClientAuth::new(identity(number), false, std::iter::once(nothing)).unwrap();
        let phones = (0..phones).map(|number| (client(number), 0)).collect();
        Self { endpoint, rng: ChaCha12Rng::from_seed([6; 32]), now, phones }
    }

    fn ask(&mut self, number: u32) -> Vec<u8> {
        let from = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 5060));
        let (auth, cseq) = &mut self.phones[number as usize];
        *cseq += 1;
        let proof = auth.answer("REGISTER", "sip:example.com", &mut self.rng);
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{number}x{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@example.com>;tag=f\r\nTo: <sip:{number}@example.com>\r\nCall-ID: reg-{number}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{number}@{from}>;expires=600\r\nUser-Agent: phone\r\nAuthorization: {proof}\r\nContent-Length: 0\r\n\r\n"
        );
        self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from, bytes: text.as_bytes() }, self.now);
        self.drain().expect("an answer")
    }

    fn drain(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit { bytes, .. } => last = Some(bytes),
                Output::Wait(_) => return last,
                _ => {}
            }
        }
    }

    /// Every phone refreshes once; a stale nonce is renewed.
    fn round(&mut self) {
        let phones = u32::try_from(self.phones.len()).unwrap();
        for number in 0..phones {
            let mut answer = self.ask(number);
            if answer.starts_with(b"SIP/2.0 401") {
                let Ok(Message::Response(response)) = parse(&answer) else { panic!() };
                let identity = Identity { username: number.to_string(), secret: "pw".into() };
                let values = response.headers().headers(HeaderName::WwwAuthenticate);
                self.phones[number as usize].0 = ClientAuth::new(identity, false, values).unwrap();
                answer = self.ask(number);
            }
            assert!(answer.starts_with(b"SIP/2.0 200"));
            // Spread, so that the transactions of a whole round do not live at once.
            self.pass(REFRESH / phones);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    fn status(&mut self, name: &str) -> u64 {
        let Ok(Reply::Status(status)) = self.endpoint.command(Command::Status, self.now) else { panic!() };
        status.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn soak(phones: u32, rounds: u32) {
    let mut soak = Soak::new(phones);
    // Tables grow to their size in the first rounds, a tenth of all.
    let warm = (rounds / 10).max(2);
    (0..warm).for_each(|_| soak.round());
    let before = resident::bytes();
    println!("{} refreshes: {} KiB", phones * warm, before >> 10);
    for round in warm..rounds {
        soak.round();
        if (round + 1) % warm == 0 {
            println!("{} refreshes: {} KiB", phones * (round + 1), resident::bytes() >> 10);
        }
    }
    let after = resident::bytes();
    assert!(after <= before + before / 20 + (1 << 20), "{before} bytes before, {after} after");
    assert_eq!(soak.status("registrations"), u64::from(phones));
    soak.pass(Duration::from_secs(601));
    soak.pass(Duration::from_secs(40));
    for name in ["registrations", "registeredusers", "transactions", "transactionbytes"] {
        assert_eq!(soak.status(name), 0, "{name}");
    }
}

#[test]
fn refreshes_leave_nothing_behind() {
    soak(100, 50);
}

#[test]
#[ignore = "a minute in release; see the head of the file"]
fn a_million_refreshes_leave_nothing_behind() {
    soak(10_000, 100);
}
