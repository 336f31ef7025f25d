//! Channels of two media shards that are mixed, on the real binary: one of them moves, and no packet knows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use perf::process::{Process, http};
use perf::rtp_socket::rtp_socket;
use serde_json::{Value, json};
use support::{Ports, start_rtp};

/// project-rtp with a front and two media shards, on as few CPUs as there may be.
struct Server {
    _process: Process,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let cpus = engine::shard::allowed_cpus();
        let cores = format!("{},{last},{last}", cpus[0], last = cpus.last().unwrap());
        let ports = Ports::free();
        Self { _process: start_rtp(&ports, &["--cores", &cores]), port: ports.rtp_http }
    }

    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        ask(self.port, method, path, body)
    }

    fn figure(&self, name: &str) -> u64 {
        self.ok("GET", "/status", &Value::Null)["rtp"][name].as_u64().unwrap()
    }
}

fn ask(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let answer = http(port, method, path, &if body.is_null() { String::new() } else { body.to_string() }).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{method} {path} {body}: {answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A far end: PCMU whose payload is a number.
struct Phone {
    socket: UdpSocket,
    path: String,
    uuid: String,
    there: SocketAddr,
}

impl Phone {
    fn call(server: &Server) -> Self {
        let socket = rtp_socket(Ipv4Addr::LOCALHOST.into()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let opened = server.ok("POST", "/channel", &json!({}));
        let uuid = opened["uuid"].as_str().unwrap().to_owned();
        let path = format!("/channel/{uuid}");
        let port = socket.local_addr().unwrap().port();
        server.ok("PUT", &path, &json!({"ip": "127.0.0.1", "port": port, "audio": {"payloads": [0]}}));
        let there = SocketAddr::new([127, 0, 0, 1].into(), u16::try_from(opened["port"].as_u64().unwrap()).unwrap());
        Self { socket, path, uuid, there }
    }

    fn send(&self, number: u16) {
        let mut packet = [0; 172];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(number) * 160).to_be_bytes());
        packet[11] = 1;
        packet[12..14].copy_from_slice(&number.to_be_bytes());
        self.socket.send_to(&packet, self.there).unwrap();
    }

    /// Everything that comes until nothing comes after the talk: RTP sequence number, and the number in the payload.
    fn hear(&self, talks: &AtomicBool) -> Vec<(u16, u16)> {
        let mut bytes = [0; 500];
        let mut got = Vec::new();
        loop {
            let talked = !talks.load(Ordering::Relaxed);
            let Ok((len, from)) = self.socket.recv_from(&mut bytes) else {
                if talked {
                    break;
                }
                continue;
            };
            assert_eq!((len, from), (172, self.there));
            let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            got.push((number(2), number(12)));
        }
        got
    }
}

#[test]
fn a_stream_is_bridged_over_shards_without_a_packet_lost_or_doubled() {
    const PACKETS: u16 = 300;
    let server = Server::start();
    let phones: Vec<Phone> = (0..6).map(|_| Phone::call(&server)).collect();
    for phone in &phones {
        server.ok("PUT", &format!("{}/echo", phone.path), &json!({}));
    }
    for pair in phones.chunks_exact(2) {
        let [one, other] = [&pair[0], &pair[1]];
        let floods = server.figure("packets_flood");
        let (at_half, half) = mpsc::channel();
        let asking = Arc::new(AtomicBool::new(true));
        let talks = AtomicBool::new(true);
        let (answers, echoed, bridged) = std::thread::scope(|scope| {
            let talks = &talks;
            let ears = [one, other].map(|phone| scope.spawn(move || phone.hear(talks)));
            // A packet each 4 ms, so that some come in the middle of the move, and none to make up for a stall of ours.
            scope.spawn(move || {
                for number in 0..PACKETS {
                    one.send(number);
                    if number == PACKETS / 2 {
                        at_half.send(()).unwrap();
                    }
                    std::thread::sleep(Duration::from_millis(4));
                }
                talks.store(false, Ordering::Relaxed);
            });
            let (asked, port, path) = (Arc::clone(&asking), server.port, one.path.clone());
            let asker = scope.spawn(move || {
                let mut answers = 0;
                while asked.load(Ordering::Relaxed) {
                    assert_eq!(ask(port, "GET", &path, &Value::Null)["uuid"], path["/channel/".len()..]);
                    answers += 1;
                }
                answers
            });
            half.recv().unwrap();
            server.ok("PUT", &format!("{}/mix/{}", one.path, other.uuid), &json!({}));
            asking.store(false, Ordering::Relaxed);
            let answers = asker.join().unwrap();
            let [echoed, bridged] = ears.map(|ear| ear.join().unwrap());
            (answers, echoed, bridged)
        });
        assert!(answers > 0);
        let numbers: Vec<u16> = echoed.iter().chain(&bridged).map(|(_, number)| *number).collect();
        let missing: Vec<u16> = (0..PACKETS).filter(|number| !numbers.contains(number)).collect();
        println!("{} came back, {} went over", echoed.len(), bridged.len());
        // A server that was stalled takes so many at once for a flood, and counts what it leaves out.
        assert_eq!(
            missing.len() as u64,
            server.figure("packets_flood") - floods,
            "{missing:?} {} {}",
            server.ok("GET", "/status", &Value::Null),
            server.ok("GET", &one.path, &Value::Null)
        );
        assert!(numbers.windows(2).all(|w| w[0] < w[1]), "in order, once each: {numbers:?}");
        assert!(echoed.len() > 100 && bridged.len() > 10);
        for stream in [&echoed, &bridged] {
            let steps = |w: &[(u16, u16)]| (w[1].0.wrapping_sub(w[0].0), w[1].1.wrapping_sub(w[0].1));
            assert!(stream.windows(2).map(steps).all(|(sequence, number)| sequence == number), "one stream each: {stream:?}");
        }
        assert_eq!(server.ok("GET", &one.path, &Value::Null)["mix"], other.uuid.as_str());
        assert_eq!(server.ok("GET", &other.path, &Value::Null)["in"]["lost"], 0);
    }
    assert!(server.figure("channels_moved") >= 1, "{}", server.ok("GET", "/status", &Value::Null));
    println!("{} of 3 mixes moved a channel", server.figure("channels_moved"));
    assert_eq!(server.ok("GET", "/channel", &Value::Null)["count"], 6);
    // A conference of all, wherever they are; and every channel is found where it went.
    for phone in &phones[1..] {
        server.ok("PUT", &format!("{}/mix/{}", phone.path, phones[0].uuid), &json!({}));
    }
    let view = server.ok("GET", "/status", &Value::Null);
    let cores = view["load"]["cores"].as_array().unwrap();
    assert_eq!(cores.iter().map(|core| core["channels"].as_u64().unwrap()).max(), Some(6), "{view}");
    for phone in &phones {
        server.ok("DELETE", &phone.path, &Value::Null);
    }
    assert_eq!(server.ok("GET", "/channel", &Value::Null)["count"], 0);
}
