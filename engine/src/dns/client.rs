//! One question to the name servers and back: UDP first, TCP where the answer does not fit.
//!
//! ```text
//!   server 1 ─► 1.2 s ─► server 2 ─► 1.2 s ─► server 1 …    two rounds, 4.8 s at most with two servers
//! ```
//! Shape:  blocking, for the threads of [`super::Dns`]; a fresh connected socket for each try, so that port and number are both
//!         to be guessed by whoever would forge an answer (RFC 5452 §9).
//! Errors: [`Answer::Failed`] when no server gave a usable answer.
//! Source: RFC 1035 §4.2; RFC 7766 §5 (TCP after truncation).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rand_core::Rng;
use sip::locate::{Answer, Question};

use super::Reach;
use super::wire::{Kind, Parsed, parse, write};

const TRY_WITHIN: Duration = Duration::from_millis(1200);
const ROUNDS: usize = 2;
/// Datagrams that are no answer of ours, on one socket.
const STRAYS_MAX: usize = 8;

/// Asks servers.
pub(super) struct Client {
    servers: Vec<SocketAddr>,
}

impl Client {
    /// Of these servers.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// The answer and how long it is good.
    pub fn ask(&self, question: &Question, reach: Reach, rng: &mut impl Rng) -> (Answer, Duration) {
        let parsed = match question {
            Question::Naptr(name) => self.exchange(name, Kind::Naptr, rng).map(|p| (Answer::Naptr(p.naptr), p.ttl)),
            Question::Srv(name) => self.exchange(name, Kind::Srv, rng).map(|p| (Answer::Srv(p.srv), p.ttl)),
            Question::Addresses(name) => self.addresses(name, reach, rng),
        };
        parsed.unwrap_or((Answer::Failed, Duration::ZERO))
    }

    fn addresses(&self, name: &str, reach: Reach, rng: &mut impl Rng) -> Option<(Answer, Duration)> {
        let v4 = reach.ipv4.then(|| self.exchange(name, Kind::A, rng));
        let v6 = reach.ipv6.then(|| self.exchange(name, Kind::Aaaa, rng));
        let answers: Vec<Parsed> = [v4, v6].into_iter().flatten().flatten().collect();
        let ttl = answers.iter().filter(|answer| !answer.ips.is_empty()).map(|answer| answer.ttl).min();
        let ttl = ttl.or_else(|| answers.iter().map(|answer| answer.ttl).min())?;
        let ips: Vec<IpAddr> = answers.into_iter().flat_map(|answer| answer.ips).collect();
        Some((Answer::Addresses(ips), ttl))
    }

    fn exchange(&self, name: &str, kind: Kind, rng: &mut impl Rng) -> Option<Parsed> {
        for server in self.servers.iter().cycle().take(ROUNDS * self.servers.len()) {
            let id = (rng.next_u32() & 0xffff) as u16;
            // A name that cannot be written is one that is not there.
            let Some(query) = write(id, name, kind) else { return Some(Parsed::default()) };
            let Ok(answer) = over_udp(*server, &query, kind) else { continue };
            if !answer.truncated {
                return Some(answer);
            }
            if let Ok(whole) = over_tcp(*server, &query, kind) {
                return Some(whole);
            }
        }
        None
    }
}

fn over_udp(server: SocketAddr, query: &[u8], kind: Kind) -> io::Result<Parsed> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.send(query)?;
    let give_up = Instant::now() + TRY_WITHIN;
    let mut bytes = [0; 4096];
    for _ in 0..STRAYS_MAX {
        let left = give_up.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let len = socket.recv(&mut bytes)?;
        match parse(bytes.get(..len).unwrap_or_default(), query, kind) {
            Ok(Some(parsed)) => return Ok(parsed),
            // Not an answer to this question: the right one may still come.
            Ok(None) => {}
            Err(()) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn over_tcp(server: SocketAddr, query: &[u8], kind: Kind) -> io::Result<Parsed> {
    let mut stream = TcpStream::connect_timeout(&server, TRY_WITHIN)?;
    stream.set_read_timeout(Some(TRY_WITHIN))?;
    stream.set_write_timeout(Some(TRY_WITHIN))?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    parse(&bytes, query, kind).ok().flatten().ok_or_else(|| io::ErrorKind::InvalidData.into())
}
