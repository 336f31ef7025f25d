//! What a REGISTER with digest costs, and a binding takes, where ten thousand are registered, a hundred thousand and a million.
//!
//! `cargo test --release -p sip --test flat -- --ignored --nocapture`; the million takes some 1 GiB. It prints a line for each.
//! It has the process to itself, so that nothing else allocates in the meantime. Linux only: processor time is that of the scheduler for this thread.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and tell; clippy only exempts functions marked #[test]")]

mod resident;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use sip::api::{Command, ControlUrl, Reply, Secret, UserEntry};
use sip::auth::{AuthConfig, ClientAuth, Identity};
use sip::directory::DirectoryConfig;
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::message::{HeaderName, Message, parse};
use sip::registrar::RegistrarConfig;

/// Requests between two looks at the clock.
const BATCH: usize = 1000;
/// Between two batches, so that no more than four have a transaction.
const PAUSE: Duration = Duration::from_secs(10);
/// Longer than a round over all of them takes.
const EXPIRES_S: u32 = 86_400;
/// Refreshes that are measured.
const REFRESHES: usize = 100_000;
/// Neighbours in time are no neighbours in memory: prime, and no factor of the counts.
const STRIDE: usize = 7919;

/// Processor time of this thread, nanoseconds.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

struct Bench {
    endpoint: Endpoint,
    rng: ChaCha12Rng,
    now: Instant,
    cseq: u32,
    spent_ns: u64,
}

fn address(number: usize) -> SocketAddr {
    let [a, b, c, d] = (0x0a00_0000 + number as u32).to_be_bytes();
    SocketAddr::from(([a, b, c, d], 5060))
}

impl Bench {
    fn new(phones: usize) -> Self {
        let now = sim::Clock::new().now();
        let config = EndpointConfig {
            listeners: vec![Listener { advertised: "192.0.2.1:5060".parse().unwrap(), transport: Transport::Udp }],
            registrar: RegistrarConfig { ping_every: None, bindings_max: phones, expires_s_max: EXPIRES_S, ..RegistrarConfig::default() },
            directory: DirectoryConfig { users_max: phones, ..DirectoryConfig::default() },
            auth: AuthConfig { nonces_max: phones, ..AuthConfig::default() },
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, [5; 32], now, 1_700_000_000_000);
        let user = |number: usize| UserEntry { username: number.to_string(), secret: Secret::Clear("pw".into()) };
        let control = Some(ControlUrl("http://c".into()));
        let users = (0..phones).map(user).collect();
        endpoint.command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now).unwrap();
        Self { endpoint, rng: ChaCha12Rng::from_seed([6; 32]), now, cseq: 0, spent_ns: 0 }
    }

    fn request(&self, number: usize, proof: &str) -> Vec<u8> {
        let (from, cseq) = (address(number), self.cseq);
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{number}x{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@example.com>;tag=f\r\nTo: <sip:{number}@example.com>\r\nCall-ID: reg-{number}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{number}@{from}>;expires={EXPIRES_S}\r\nUser-Agent: phone\r\n{proof}Content-Length: 0\r\n\r\n"
        );
        text.into_bytes()
    }

    /// Serves these requests on end, and gives the answer to each. The time that takes is counted.
    fn serve(&mut self, requests: &[(usize, Vec<u8>)]) -> Vec<Vec<u8>> {
        let mut answers = Vec::with_capacity(requests.len());
        let start = processor_ns();
        for (number, bytes) in requests {
            self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from: address(*number), bytes }, self.now);
            loop {
                match self.endpoint.poll_output() {
                    Output::Transmit { bytes, .. } => answers.push(bytes),
                    Output::Wait(_) => break,
                    _ => {}
                }
            }
        }
        self.spent_ns += processor_ns() - start;
        assert_eq!(answers.len(), requests.len());
        answers
    }

    /// REGISTER, 401, REGISTER, 200 of each.
    fn register(&mut self, numbers: impl Iterator<Item = usize>) {
        let numbers: Vec<usize> = numbers.collect();
        for batch in numbers.chunks(BATCH) {
            self.cseq += 1;
            let asked: Vec<_> = batch.iter().map(|&number| (number, self.request(number, ""))).collect();
            let challenges = self.serve(&asked);
            self.cseq += 1;
            let mut proven = Vec::with_capacity(batch.len());
            for (&number, challenge) in batch.iter().zip(&challenges) {
                let Ok(Message::Response(response)) = parse(challenge) else { panic!() };
                let identity = Identity { username: number.to_string(), secret: "pw".into() };
                let values = response.headers().headers(HeaderName::WwwAuthenticate);
                let mut auth = ClientAuth::new(identity, false, values).unwrap();
                let answer = auth.answer("REGISTER", "sip:example.com", &mut self.rng);
                proven.push((number, self.request(number, &format!("Authorization: {answer}\r\n"))));
            }
            assert!(self.serve(&proven).iter().all(|answer| answer.starts_with(b"SIP/2.0 200")));
            self.pass(PAUSE);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        while !matches!(self.endpoint.poll_output(), Output::Wait(_)) {}
    }
}

/// Nanoseconds of a refresh, and bytes of a binding.
fn measure(phones: usize, refreshes: usize) -> (u64, usize) {
    let mut bench = Bench::new(phones);
    // What the first transactions need stays.
    bench.register(0..1000);
    let before = resident::bytes();
    bench.register(1000..phones);
    bench.pass(Duration::from_secs(40));
    let bytes = resident::bytes().saturating_sub(before) / (phones - 1000);
    bench.spent_ns = 0;
    bench.register((0..refreshes).map(|n| n * STRIDE % phones));
    let Ok(Reply::RegCount(count)) = bench.endpoint.command(Command::RegGet { domain: None, user: None }, bench.now) else { panic!() };
    assert_eq!(count, phones as u64);
    (bench.spent_ns / refreshes as u64, bytes)
}

#[test]
#[ignore = "a minute in release; see the head of the file"]
fn a_refresh_costs_the_same_whatever_is_registered() {
    let costs = [10_000, 100_000, 1_000_000].map(|phones| {
        let (ns, bytes) = measure(phones, REFRESHES);
        println!("{phones} bindings: {ns} ns for REGISTER, 401, REGISTER, 200; {bytes} bytes a binding");
        ns
    });
    // What is looked up by hash misses more caches, and no more than that.
    assert!(costs[2] < 2 * costs[0], "{costs:?}");
}

#[test]
fn four_thousand_refresh_in_any_order() {
    let (_, bytes) = measure(4000, 4000);
    // docs/architecture.md: 1 KiB, here beside the room of tables that have just doubled.
    assert!(bytes < 2048, "{bytes}");
}
