//! The SIP endpoint from datagram to datagram, our code alone: no socket, no control server.
//!
//! register: REGISTER without credentials ─► 401, REGISTER with digest ─► 200, event      one element = both requests
//! refresh:  REGISTER with the next nonce count ─► 200, event
//! call:     INVITE ─► 401, INVITE ─► 100, answer ─► 200, ACK, BYE ─► 200, four events    one element = the whole call
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::api::{Action, Command, ControlUrl, Secret, UserEntry};
use sip::auth::{Algorithm, ProtectedBy, ha1, response};
use sip::endpoint::{Datagram, Endpoint, EndpointConfig, Listener, Output};
use sip::flow::{ListenerId, Transport};
use sip::sdp::Sdp;

const USERS: u32 = 1000;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

struct Bench {
    endpoint: Endpoint,
    now: Instant,
    from: SocketAddr,
    count: u32,
    nonce: String,
    nc: u32,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let listeners = vec![Listener { advertised: ([192, 0, 2, 1], 5060).into(), transport: Transport::Udp }];
        let mut endpoint = Endpoint::new(EndpointConfig { listeners, ..EndpointConfig::default() }, [5; 32], now, 1_700_000_000_000);
        let user = |number: u32| UserEntry { username: number.to_string(), secret: Secret::Clear("pw".into()) };
        let control = Some(ControlUrl("http://127.0.0.1:9001".into()));
        let users = (0..USERS).map(user).collect();
        endpoint
            .command(Command::DirReplace { domain: "example.com".into(), control, users, policy: None }, now)
            .expect("a small directory");
        Self { endpoint, now, from: ([192, 0, 2, 7], 5060).into(), count: 0, nonce: String::new(), nc: 0 }
    }

    /// Sends, and gives the last datagram that comes back. Time passes so that transactions of 32 s come and go.
    fn ask(&mut self, text: &str) -> Vec<u8> {
        self.now += Duration::from_millis(2);
        self.endpoint.handle_datagram(Datagram { listener: ListenerId(0), from: self.from, bytes: text.as_bytes() }, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<u8> {
        let mut last = Vec::new();
        loop {
            match self.endpoint.poll_output() {
                // An OPTIONS to a phone is nobody's answer.
                Output::Transmit { bytes, .. } if bytes.starts_with(b"SIP/2.0") => last = bytes,
                Output::Transmit { bytes, .. } => drop(black_box(bytes)),
                Output::Event(event) => drop(black_box(event)),
                Output::Resolve { .. } => {}
                Output::Wait(deadline) => {
                    if deadline.is_some_and(|deadline| deadline <= self.now) {
                        self.endpoint.handle_timeout(self.now);
                        continue;
                    }
                    return last;
                }
            }
        }
    }

    fn proof(&mut self, method: &str, user: &str) -> String {
        self.nc += 1;
        let nc = format!("{:08x}", self.nc);
        let key = ha1(Algorithm::Md5, user, "example.com", "pw");
        let qop = ProtectedBy { nc: &nc, cnonce: "0a4f113b", body: None };
        let digest = response(Algorithm::Md5, &key, &self.nonce, Some(qop), method, "sip:example.com");
        let nonce = &self.nonce;
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"sip:example.com\", \
             response=\"{digest}\", algorithm=MD5, qop=auth, nc={nc}, cnonce=\"0a4f113b\"\r\n"
        )
    }

    fn learn(&mut self, challenge: &[u8]) {
        let text = std::str::from_utf8(challenge).expect("our own text");
        let nonce = text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a challenge");
        self.nonce = nonce.to_owned();
        self.nc = 0;
    }

    fn register(&mut self, cseq: u32, proof: &str) -> Vec<u8> {
        self.count += 1;
        let (count, from, user) = (self.count, self.from, self.count % USERS);
        self.ask(&format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{count};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@example.com>;tag=f\r\nTo: <sip:{user}@example.com>\r\nCall-ID: reg-{count}@192.0.2.7\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@192.0.2.7:5060;transport=UDP>;expires=3600\r\n\
             User-Agent: Yealink SIP-T46S 66.86.0.15\r\n{proof}Content-Length: 0\r\n\r\n"
        ))
    }

    fn register_whole(&mut self) {
        let challenge = self.register(1, "");
        self.learn(&challenge);
        self.refresh();
    }

    fn refresh(&mut self) {
        let user = ((self.count + 1) % USERS).to_string();
        let proof = self.proof("REGISTER", &user);
        let ok = self.register(2, &proof);
        assert!(ok.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&ok));
    }

    fn call(&mut self, sdp: &Sdp) {
        self.count += 1;
        let (count, from) = (self.count, self.from);
        let write = |method: &str, cseq: u32, tag: &str, extra: &str, body: &str| {
            format!(
                "{method} sip:2@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{count}x{cseq};rport\r\n\
                 Max-Forwards: 70\r\nFrom: \"Someone\" <sip:1@example.com>;tag=f\r\nTo: <sip:2@example.com>{tag}\r\n\
                 Call-ID: call-{count}@192.0.2.7\r\nCSeq: {cseq} {method}\r\nContact: <sip:1@192.0.2.7:5060;transport=UDP>\r\n\
                 User-Agent: Yealink SIP-T46S 66.86.0.15\r\n{extra}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let challenge = self.ask(&write("INVITE", 1, "", "", SDP));
        self.learn(&challenge);
        let proof = self.proof("INVITE", "1");
        self.ask(&write("INVITE", 2, "", &proof, SDP));
        let answer = Box::new(Action::Answer { sdp: Some(sdp.clone()) });
        self.endpoint
            .command(Command::Act { callid: format!("call-{count}@192.0.2.7"), action: answer }, self.now)
            .expect("a call to answer");
        let ok = self.drain();
        let text = std::str::from_utf8(&ok).expect("our own text");
        let tag = text.split(";tag=").nth(2).and_then(|rest| rest.split("\r\n").next()).expect("a To tag");
        let tag = format!(";tag={tag}");
        self.ask(&write("ACK", 2, &tag, "", ""));
        let ok = self.ask(&write("BYE", 3, &tag, "", ""));
        assert!(ok.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&ok));
    }
}

fn endpoint(c: &mut Criterion) {
    let mut group = c.benchmark_group("endpoint");
    group.throughput(Throughput::Elements(1));
    let mut bench = Bench::new();
    group.bench_function("register", |b| b.iter(|| bench.register_whole()));
    let mut bench = Bench::new();
    bench.register_whole();
    group.bench_function("refresh", |b| b.iter(|| bench.refresh()));
    let mut bench = Bench::new();
    let sdp = Sdp::parse(SDP).expect("a description");
    group.bench_function("call", |b| b.iter(|| bench.call(&sdp)));
    group.finish();
}

criterion_group!(benches, endpoint);
criterion_main!(benches);
