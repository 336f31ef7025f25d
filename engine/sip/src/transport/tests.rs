//! Connections as their driver sees them, and at random: no table grows, no byte is lost.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::flow::ListenerId;
use crate::message::FrameError;

const TCP: ListenerId = ListenerId(1);

struct Bench {
    streams: Streams,
    now: Instant,
}

fn peer(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, (n >> 8) as u8], 40_000 + (n & 0xff)))
}

fn options(n: usize) -> String {
    let body = "x".repeat(n % 300);
    format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK{n}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
         Call-ID: c{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Bench {
    fn new(limits: StreamLimits) -> Self {
        Self { streams: Streams::new(limits), now: sim::Clock::new().now() }
    }

    fn accept(&mut self, n: u16) -> StreamId {
        self.streams.open(TCP, peer(n), Origin::Accepted, self.now).unwrap()
    }

    fn messages(&mut self, id: StreamId, bytes: &[u8]) -> Vec<String> {
        self.streams.handle_bytes(id, bytes, self.now);
        let mut all = Vec::new();
        while let Some(message) = self.streams.poll_message(id, self.now) {
            all.push(String::from_utf8(message.to_vec()).unwrap());
        }
        all
    }

    fn pass(&mut self, seconds: u64) -> Vec<StreamId> {
        self.now += Duration::from_secs(seconds);
        self.streams.handle_timeout(self.now)
    }

    fn end(&mut self) -> Option<CloseReason> {
        self.streams.poll_closed().map(|(.., reason)| reason)
    }
}

#[test]
fn pipelined_messages_come_out_one_by_one_however_they_are_cut() {
    let whole: String = (0..5).map(options).collect();
    for step in [1, 7, 100, whole.len()] {
        let mut bench = Bench::new(StreamLimits::default());
        let id = bench.accept(1);
        let found: Vec<String> = whole.as_bytes().chunks(step).flat_map(|part| bench.messages(id, part)).collect();
        assert_eq!(found, (0..5).map(options).collect::<Vec<_>>(), "in steps of {step}");
        assert_eq!(bench.streams.stats().bytes, 0, "nothing is kept of what was given out");
    }
}

#[test]
fn a_ping_gets_its_pong_and_a_lone_line_end_nothing() {
    let mut bench = Bench::new(StreamLimits::default());
    let id = bench.accept(1);
    assert!(bench.messages(id, b"\r\n").is_empty() && bench.streams.front(id).is_none());
    assert!(bench.messages(id, b"\r\n").is_empty());
    assert_eq!(bench.streams.front(id), Some(&b"\r\n"[..]));
    bench.streams.wrote(id, 2, bench.now);
    assert_eq!(bench.messages(id, format!("\r\n\r\n{}", options(1)).as_bytes()), [options(1)]);
    assert_eq!(bench.streams.stats().pongs, 2);
}

#[test]
fn what_is_no_sip_ends_the_connection() {
    for (bytes, reason) in [
        (&b"\x16\x03\x01\x02\x00"[..], CloseReason::Garbage),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", CloseReason::Frame(FrameError::NoContentLength)),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", CloseReason::Garbage),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 70000\r\n\r\n", CloseReason::Frame(FrameError::TooLarge)),
        (&[b'a'; 70_000], CloseReason::Frame(FrameError::TooLarge)),
    ] {
        let mut bench = Bench::new(StreamLimits::default());
        let id = bench.accept(1);
        assert!(bench.messages(id, bytes).is_empty());
        assert_eq!((bench.end(), bench.streams.len()), (Some(reason), 0));
        assert_eq!(bench.streams.queue(id, vec![1], bench.now), None, "nothing goes to a connection that is gone");
    }
}

#[test]
fn silence_a_slow_sender_and_a_peer_that_does_not_read_are_ended_in_time() {
    let mut bench = Bench::new(StreamLimits::default());
    let silent = bench.accept(1);
    bench.pass(9);
    assert!(bench.streams.is_live(silent));
    bench.pass(1);
    assert_eq!(bench.end(), Some(CloseReason::Slow));
    let id = bench.accept(2);
    bench.messages(id, options(1).as_bytes());
    // A byte each second does not keep a half message alive.
    for byte in options(2).as_bytes().iter().take(10) {
        bench.messages(id, &[*byte]);
        bench.pass(1);
    }
    assert_eq!(bench.end(), Some(CloseReason::Slow));
    let id = bench.accept(3);
    bench.messages(id, options(1).as_bytes());
    assert_eq!(bench.streams.queue(id, vec![0; 1000], bench.now), Some(true));
    bench.pass(9);
    bench.streams.wrote(id, 1, bench.now);
    bench.pass(9);
    assert!(bench.streams.is_live(id), "it moves");
    bench.pass(1);
    assert_eq!(bench.end(), Some(CloseReason::Stuck));
    let id = bench.accept(4);
    bench.messages(id, options(1).as_bytes());
    let queued = (0..1000).take_while(|_| bench.streams.queue(id, vec![0; 4096], bench.now).is_some()).count();
    assert_eq!((queued, bench.end()), (64, Some(CloseReason::QueueFull)));
}

#[test]
fn a_connection_of_ours_is_pinged_and_ends_without_pong_only_if_the_peer_knows_pings() {
    for knows in [true, false] {
        let mut bench = Bench::new(StreamLimits::default());
        let id = bench.streams.open(TCP, peer(1), Origin::Dialled, bench.now).unwrap();
        assert_eq!(bench.streams.queue(id, b"x".to_vec(), bench.now), Some(true));
        assert_eq!(bench.streams.front(id), None, "not before it is there");
        bench.streams.connected(id, bench.now);
        bench.streams.wrote(id, 1, bench.now);
        for round in 0..3 {
            assert_eq!(bench.pass(95), [id], "round {round}");
            assert_eq!(bench.streams.front(id), Some(&b"\r\n\r\n"[..]));
            bench.streams.wrote(id, 4, bench.now);
            if knows && round < 2 {
                bench.messages(id, b"\r\n");
            }
        }
        bench.pass(10);
        assert_eq!(bench.end(), knows.then_some(CloseReason::NoPong));
    }
    let mut bench = Bench::new(StreamLimits::default());
    let id = bench.streams.open(TCP, peer(1), Origin::Dialled, bench.now).unwrap();
    bench.streams.queue(id, b"x".to_vec(), bench.now);
    bench.pass(10);
    assert_eq!(bench.end(), Some(CloseReason::Unreachable));
}

#[test]
fn one_source_cannot_take_all_places() {
    let mut bench = Bench::new(StreamLimits { connections: 10, per_source: 4, ..StreamLimits::default() });
    let ids: Vec<_> = (0..4).map(|n| bench.accept(n)).collect();
    assert_eq!(bench.streams.open(TCP, peer(4), Origin::Accepted, bench.now), Err(Refused::Source));
    assert_eq!(bench.streams.open(TCP, peer(0), Origin::Accepted, bench.now), Err(Refused::Exists));
    for n in 0..6 {
        bench.accept(256 + 256 * (n / 4) + n);
    }
    assert_eq!(bench.streams.open(TCP, peer(1024), Origin::Accepted, bench.now), Err(Refused::Full));
    bench.streams.close(ids[0], CloseReason::Peer);
    bench.accept(4);
    assert_eq!(bench.streams.find(TCP, peer(0)), None);
}

#[test]
fn a_random_course_of_connections_stays_in_its_bounds_and_leaves_nothing() {
    for seed in 0..40_u8 {
        let limits = StreamLimits { connections: 24, per_source: 8, bytes: 100_000, queue: 8_000, ..StreamLimits::default() };
        let mut bench = Bench::new(limits);
        let mut rng = ChaCha12Rng::from_seed([seed; 32]);
        let mut live: Vec<StreamId> = Vec::new();
        let mut gone = 0;
        for step in 0..600 {
            let word = rng.next_u64() as usize;
            let any = live.get(word % live.len().max(1)).copied();
            match (word >> 32) % 9 {
                0 | 1 => {
                    let origin = if word & 1 == 0 { Origin::Accepted } else { Origin::Dialled };
                    live.extend(bench.streams.open(TCP, peer((word >> 8) as u16 & 0x7ff), origin, bench.now));
                }
                2 => any.into_iter().for_each(|id| bench.streams.connected(id, bench.now)),
                3 | 4 => {
                    if let Some(id) = any {
                        let text = options(word % 997);
                        let cut = if word & 64 == 0 { text.len() } else { word % text.len() };
                        bench.messages(id, &text.as_bytes()[..cut]);
                    }
                }
                5 | 6 => drop(any.and_then(|id| bench.streams.queue(id, vec![0; word % 3000], bench.now))),
                7 => {
                    if let Some(id) = any
                        && let Some(len) = bench.streams.front(id).map(<[u8]>::len)
                    {
                        bench.streams.wrote(id, word % (len + 1), bench.now);
                    }
                }
                _ => drop(bench.pass((word & 3) as u64)),
            }
            while let Some((id, ..)) = bench.streams.poll_closed() {
                live.retain(|other| *other != id);
                gone += 1;
            }
            let stats = bench.streams.stats();
            assert_eq!(stats.live, live.len() as u64, "seed {seed}, step {step}");
            assert!(stats.live <= 24 && stats.bytes <= 100_000, "seed {seed}, step {step}: {stats:?}");
        }
        bench.streams.close_all(CloseReason::Shutdown);
        gone += std::iter::from_fn(|| bench.streams.poll_closed()).count();
        let stats = bench.streams.stats();
        assert_eq!((stats.live, stats.bytes, stats.accepted + stats.dialled), (0, 0, gone as u64), "seed {seed}");
    }
}
