//! project-rtp as it was told to be: addresses of both families, limits, gain and mute, drain. The real binary over HTTP and UDP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::sockopt::{IpRecvTos, Ipv6RecvTClass};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use perf::process::{Process, http};
use perf::rtp_socket::rtp_socket;
use serde_json::{Value, json};
use support::{Ports, start_rtp};

struct Server {
    _process: Process,
    port: u16,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let ports = Ports::free();
        Self { _process: start_rtp(&ports, args), port: ports.rtp_http }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = http(self.port, method, path, &if body.is_null() { String::new() } else { body.to_string() }).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }

    /// A channel to a phone on `ip`: its path, the phone, where the phone sends.
    fn call(&self, ip: &str, number: u8) -> (String, UdpSocket, SocketAddr) {
        let phone = rtp_socket(ip.parse().unwrap()).unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let family = if ip.contains(':') { "ipv6" } else { "ipv4" };
        let opened = self.ok("POST", "/channel", &json!({"ip": family, "jitter": {"max": 60}}));
        assert_eq!(opened["ip"], ip);
        let path = format!("/channel/{}", opened["uuid"].as_str().unwrap());
        self.ok("PUT", &path, &json!({"ip": ip, "port": phone.local_addr().unwrap().port(), "audio": {"payloads": [number]}}));
        let there = SocketAddr::new(ip.parse().unwrap(), u16::try_from(opened["port"].as_u64().unwrap()).unwrap());
        (path, phone, there)
    }
}

fn packet(number: u16) -> Vec<u8> {
    let mut packet = vec![0x55; 172];
    packet[..12].fill(0);
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&number.to_be_bytes());
    packet[4..8].copy_from_slice(&(u32::from(number) * 160).to_be_bytes());
    packet[11] = 1;
    packet
}

#[test]
fn phones_of_both_families_are_served_at_once_and_speak_to_each_other() {
    if UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this host has no IPv6");
        return;
    }
    let server = Server::start(&["--rtp-address", "127.0.0.1,::1", "--dscp", "0", "--rtp-buffer", "64", "--jitter-min", "20"]);
    let (one, phone_4, there_4) = server.call("127.0.0.1", 0);
    let (other, phone_6, there_6) = server.call("::1", 0);
    server.ok("PUT", &format!("{one}/mix/{}", &other["/channel/".len()..]), &json!({}));
    let mut bytes = [0; 500];
    for number in 0..20 {
        phone_4.send_to(&packet(number), there_4).unwrap();
        let (len, from) = phone_6.recv_from(&mut bytes).unwrap();
        assert_eq!((len, from), (172, there_6));
        phone_6.send_to(&packet(number), there_6).unwrap();
        let (len, from) = phone_4.recv_from(&mut bytes).unwrap();
        assert_eq!((len, from), (172, there_4));
    }
    let (status, refused) = server.ask("POST", "/channel", &json!({"ip": "192.0.2.1"}));
    assert_eq!((status, &refused["error"]), (422, &json!("impossible")));
}

/// The next packet of a channel at a phone: how long it is, and the traffic class with which it came.
fn received(phone: &UdpSocket) -> (usize, i32) {
    let (mut bytes, mut control) = ([0; 500], nix::cmsg_space!(i32));
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<SockaddrStorage>(phone.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty()).unwrap();
    let class = message.cmsgs().unwrap().find_map(|control| match control {
        ControlMessageOwned::Ipv4Tos(class) => Some(i32::from(class)),
        ControlMessageOwned::Ipv6TClass(class) => Some(class),
        _ => None,
    });
    (message.bytes, class.unwrap())
}

#[test]
fn packets_carry_the_code_point_that_was_set_and_that_of_voice_if_none_was() {
    let v6 = UdpSocket::bind("[::1]:0").is_ok();
    let (addresses, ips) = if v6 { ("127.0.0.1,::1", &["127.0.0.1", "::1"][..]) } else { ("127.0.0.1", &["127.0.0.1"][..]) };
    for (args, class) in [(&[][..], 46 << 2), (&["--dscp", "10"], 10 << 2), (&["--dscp", "0"], 0)] {
        let server = Server::start(&[&["--rtp-address", addresses][..], args].concat());
        for ip in ips {
            let (path, phone, there) = server.call(ip, 0);
            let asked = if ip.contains(':') { setsockopt(&phone, Ipv6RecvTClass, &true) } else { setsockopt(&phone, IpRecvTos, &true) };
            asked.unwrap();
            server.ok("PUT", &format!("{path}/echo"), &json!({}));
            for number in 0..3 {
                phone.send_to(&packet(number), there).unwrap();
                assert_eq!(received(&phone), (172, class), "{ip} {args:?}");
            }
        }
    }
}

#[test]
fn two_addresses_have_twice_the_channels_and_the_empty_one_is_named() {
    let server = Server::start(&["--rtp-address", "127.0.0.1,127.0.0.2", "--cores", "0,0,0"]);
    let mut opened = Vec::new();
    let mut open_all = |ip: &str| {
        let before = opened.len();
        loop {
            let (status, answer) = server.ask("POST", "/channel", &json!({"ip": ip}));
            if status != 200 {
                assert_eq!((status, &answer["error"]), (503, &json!("pool_empty")));
                return (opened.len() - before, answer["detail"].as_str().unwrap().to_owned());
            }
            assert_eq!(answer["ip"], ip);
            let all = answer["channels"]["active"].as_u64().unwrap() + answer["channels"]["available"].as_u64().unwrap();
            opened.push((answer["uuid"].as_str().unwrap().to_owned(), all));
        }
    };
    let (one, detail) = open_all("127.0.0.1");
    assert!(detail.starts_with("RTP port pairs of 127.0.0.1: all "), "{detail}");
    let (other, detail) = open_all("127.0.0.2");
    assert!(detail.starts_with("RTP port pairs of 127.0.0.2: all "), "{detail}");
    assert_eq!(one, other);
    assert!(opened.iter().skip(1).all(|(_, all)| *all == (one + other) as u64), "the books are wrong: {opened:?}");
    // Two of unlike cores and unlike addresses: one of them moves, and takes its pair along.
    for (channel, _) in &opened[1..] {
        let to = json!({"ip": "127.0.0.1", "port": 9, "audio": {"payloads": [0]}});
        server.ok("PUT", &format!("/channel/{channel}"), &to);
        server.ok("PUT", &format!("/channel/{channel}/mix/{}", opened[0].0), &json!({}));
        server.ok("PUT", &format!("/channel/{channel}/unmix"), &json!({}));
    }
    assert!(server.ok("GET", "/status", &Value::Null)["rtp"]["channels_moved"].as_u64().unwrap() > 0);
    for (channel, _) in &opened {
        server.ok("DELETE", &format!("/channel/{channel}"), &Value::Null);
    }
    // They come back to the pools a slot later, and rest for 2 s.
    let end = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (status, answer) = server.ask("POST", "/channel", &json!({"ip": "127.0.0.2"}));
        let counts = &answer["channels"];
        if status == 200 && counts["active"].as_u64().unwrap() + counts["available"].as_u64().unwrap() == (one + other) as u64 {
            break;
        }
        assert!(std::time::Instant::now() < end, "{answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn limits_are_told_and_kept_and_a_drain_lets_calls_go_on() {
    let server = Server::start(&["--max-transcodes", "4", "--cores", "1"]);
    let calls: Vec<_> = [0, 0, 8].map(|number| server.call("127.0.0.1", number)).into();
    let join = |a: usize, b: usize| format!("{}/mix/{}", calls[a].0, &calls[b].0["/channel/".len()..]);
    server.ok("PUT", &join(1, 0), &json!({}));
    server.ok("PUT", &format!("{}/gain", calls[0].0), &json!({"in": -3.5, "group": 2}));
    server.ok("PUT", &join(2, 0), &json!({}));
    server.ok("PUT", &format!("{}/mute", calls[1].0), &json!({"in": true}));
    let view = server.ok("GET", &calls[0].0, &Value::Null);
    assert_eq!((&view["gain"], &view["mute"]), (&json!({"in": -3.5, "out": 0.0}), &json!({"in": false, "out": false})));
    assert_eq!(view["group"], json!({"members": 3, "gain": 2.0, "speakers": []}));
    let load = server.ok("POST", "/channel", &json!({}))["load"].clone();
    assert_eq!((&load["transcodes"], &load["maxtranscodes"]), (&json!(3), &json!(4)));
    let fourth = server.ok("GET", "/channel", &Value::Null)["channels"].as_array().unwrap().clone();
    let fourth =
        fourth.iter().map(|view| format!("/channel/{}", view["uuid"].as_str().unwrap())).find(|path| calls.iter().all(|c| c.0 != *path));
    let to = calls[0].1.local_addr().unwrap();
    server.ok("PUT", fourth.as_ref().unwrap(), &json!({"ip": "127.0.0.1", "port": to.port() ^ 1, "audio": {"payloads": [9]}}));
    server.ok("PUT", &format!("{}/mix/{}", fourth.unwrap(), &calls[0].0["/channel/".len()..]), &json!({}));
    // What is opened may be relayed only, so it is; what needs more is refused.
    let (fifth, ..) = server.call("127.0.0.1", 0);
    let (status, full) = server.ask("PUT", &format!("{fifth}/mix/{}", &calls[0].0["/channel/".len()..]), &json!({}));
    assert_eq!((status, &full["error"], &full["detail"]), (503, &json!("pool_empty"), &json!("transcoded directions: all 4 are in use")));
    server.ok("DELETE", &calls[2].0, &Value::Null);

    // Drain: no new ones, those that are there go on, with everything that they need.
    assert_eq!(server.ask("GET", "/ready", &Value::Null).0, 200);
    server.ok("POST", "/drain", &Value::Null);
    assert_eq!(server.ask("GET", "/ready", &Value::Null).0, 503);
    let (status, refused) = server.ask("POST", "/channel", &json!({}));
    assert_eq!((status, &refused["error"], &refused["detail"]), (503, &json!("unavailable"), &json!("draining: no new channels")));
    let (path, phone, there) = &calls[0];
    server.ok("PUT", &format!("{path}/echo"), &json!({}));
    phone.send_to(&packet(1), there).unwrap();
    let mut bytes = [0; 500];
    assert!(phone.recv(&mut bytes).unwrap() > 0);
    let status = server.ok("GET", "/status", &Value::Null);
    assert_eq!((&status["draining"], &status["load"]["accepting"]), (&json!(true), &json!(false)), "{status}");
    assert!(status["load"]["cores"][0]["tick"]["latep99us"].is_number() && status["rtp"]["ring_overflowed"].is_number());
    let counts = status["load"]["cores"][0]["tick"]["lateness"]["counts"].as_array().into_iter().flatten();
    let slots: u64 = counts.filter_map(Value::as_u64).sum();
    let now = status["rtp"]["slots"].as_u64().unwrap();
    assert!(slots > 0 && slots.abs_diff(now) <= 2, "{slots} of {now} slots are in the histogram: the load is told as it is now");
    server.ok("DELETE", path, &Value::Null);
}
