//! The ring on real sockets of both loopbacks: what it must not lose, leak or mix up.

mod line;
mod slow_link;

use super::*;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// Loopback of both families; that of IPv4 belongs to this process, so that several can run this at a time.
fn ips() -> [IpAddr; 2] {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    [IpAddr::V4(Ipv4Addr::new(127, a + 1, b, c)), IpAddr::V6(Ipv6Addr::LOCALHOST)]
}

/// A range of ports that no other test of this process uses, below the ephemeral ones, and free where it begins.
fn range(pairs: u16) -> std::ops::RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    // Where an address is missing altogether, as in a new network namespace, nobody else uses its ports.
    let taken = |ip, port| UdpSocket::bind((ip, port)).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    let free = |port: &u16| !ips().iter().any(|ip| taken(*ip, *port) || taken(*ip, *port + 1));
    let first = std::iter::repeat_with(|| NEXT.fetch_add(2 * pairs, Ordering::Relaxed)).take(500).find(free).unwrap();
    first..=first + 2 * pairs - 1
}

fn pools(ips: impl IntoIterator<Item = IpAddr>, ports: std::ops::RangeInclusive<u16>) -> Pools {
    Pools::new(ips, &PortPool::new(ports, 0, 1, Duration::ZERO))
}

fn ring_with(channels: u16, change: impl FnOnce(&mut RingConfig)) -> MediaRing {
    let mut config = RingConfig::for_channels(channels.into());
    change(&mut config);
    MediaRing::new(config, pools(ips().into_iter().chain([slow_link::US.into()]), range(channels + 20))).unwrap()
}

fn ring(channels: u16) -> MediaRing {
    ring_with(channels, |_| {})
}

/// Runs one slot and returns what came.
fn slot(ring: &mut MediaRing) -> Vec<(SocketId, SocketAddr, Vec<u8>)> {
    let mut slot = ring.slot(Instant::now());
    let mut packets = Vec::new();
    while let Some(mut packet) = slot.next_packet() {
        packets.push((packet.socket(), packet.from(), packet.bytes().to_vec()));
    }
    packets
}

/// Runs slots, 1 ms apart, until `done` or 2 s are over.
fn slots_until(ring: &mut MediaRing, mut done: impl FnMut(&mut MediaRing) -> bool) -> bool {
    let give_up = Instant::now() + Duration::from_secs(2);
    while !done(ring) {
        if Instant::now() > give_up {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

fn echo(ring: &mut MediaRing) -> usize {
    let mut slot = ring.slot(Instant::now());
    let mut count = 0;
    while let Some(mut packet) = slot.next_packet() {
        let (socket, from, len) = (packet.socket(), packet.from(), packet.bytes().len());
        assert!(packet.forward(socket, from, 0..len));
        count += 1;
    }
    count
}

#[test]
fn the_peer_is_known_and_answered_on_both_families() {
    for ip in ips() {
        let mut ring = ring(4);
        let pair = ring.open(ip, PacketSize::Small, Instant::now()).unwrap();
        assert_eq!(pair.port % 2, 0);
        let phone = UdpSocket::bind((ip, 0)).unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        for (port, socket, text) in
            [(pair.port, pair.rtp, &b"voice"[..]), (pair.port + 1, pair.rtcp, b"report"), (pair.port, pair.rtp, b"")]
        {
            phone.send_to(text, (ip, port)).unwrap();
            let mut got = Vec::new();
            assert!(slots_until(&mut ring, |ring| {
                got.extend(slot(ring));
                !got.is_empty()
            }));
            assert_eq!(got, [(socket, phone.local_addr().unwrap(), text.to_vec())]);
        }
        phone.send_to(b"say it again", (ip, pair.port)).unwrap();
        assert!(slots_until(&mut ring, |ring| echo(ring) == 1));
        let mut bytes = [0; 64];
        let (len, from) = phone.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..len], from), (&b"say it again"[..], SocketAddr::new(ip, pair.port)));
        let mut now = ring.slot(Instant::now());
        assert!(now.send(pair.rtcp, phone.local_addr().unwrap(), b"from a copy"));
        now.finish();
        let (len, from) = phone.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..len], from), (&b"from a copy"[..], SocketAddr::new(ip, pair.port + 1)));
    }
}

#[test]
fn one_slot_takes_all_that_500_sockets_have() {
    takes_all(1, 1);
}

#[test]
fn what_a_stall_of_100_ms_has_left_is_taken_in_two_slots() {
    takes_all(5, 2);
}

fn takes_all(each: usize, slots: usize) {
    const SOCKETS: usize = 500;
    let mut ring = ring(SOCKETS as u16);
    let pairs: Vec<_> = (0..SOCKETS).map(|_| ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap()).collect();
    slot(&mut ring);
    let phone = UdpSocket::bind((ips()[0], 0)).unwrap();
    for n in 0..each {
        for pair in &pairs {
            phone.send_to(&[n as u8; 172], (ips()[0], pair.port)).unwrap();
        }
    }
    let packets: Vec<_> = (0..slots).flat_map(|_| slot(&mut ring)).collect();
    assert_eq!(packets.len(), SOCKETS * each);
    for pair in &pairs {
        let order: Vec<_> = packets.iter().filter(|packet| packet.0 == pair.rtp).map(|packet| packet.2[0]).collect();
        assert_eq!(order, (0..each as u8).collect::<Vec<_>>());
    }
    assert_eq!(ring.counters().received, (SOCKETS * each) as u64);
}

#[test]
fn too_few_buffers_delay_but_neither_lose_nor_storm() {
    let mut ring = ring_with(50, |config| config.small_buffers = 16);
    let pairs: Vec<_> = (0..50).map(|_| ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap()).collect();
    slot(&mut ring);
    let phone = UdpSocket::bind((ips()[0], 0)).unwrap();
    for n in 0..4 {
        for pair in &pairs {
            phone.send_to(&[n; 160], (ips()[0], pair.port)).unwrap();
        }
    }
    let mut got = 0;
    let mut slots = 0;
    assert!(slots_until(&mut ring, |ring| {
        slots += 1;
        got += slot(ring).len();
        got == 200
    }));
    let counters = ring.counters();
    assert!(counters.no_buffers > 0, "{counters:?}");
    // Each of 50 receives may end once a slot, no more.
    assert!(counters.no_buffers <= 50 * slots, "{counters:?} in {slots} slots");
    assert!(slots <= 30, "{slots} slots for 200 packets by 16");
    assert_eq!(counters.rearmed, counters.no_buffers);
}

#[test]
fn a_port_can_be_opened_and_closed_1000_times() {
    for ip in ips() {
        let first = *range(1).start();
        let mut ring = MediaRing::new(RingConfig::for_channels(4), pools([ip], first..=first + 1)).unwrap();
        for _ in 0..1000 {
            let pair = ring.open(ip, PacketSize::Small, Instant::now()).unwrap();
            assert_eq!(pair.port, first);
            slot(&mut ring);
            ring.close(pair);
            ring.close(pair);
            slot(&mut ring);
            slot(&mut ring);
            assert_eq!((ring.sockets(), ring.ports()), (0, (1, 1)));
        }
        assert_eq!(ring.counters(), Counters::default());
        UdpSocket::bind((ip, first)).unwrap();
    }
}

#[test]
fn packets_of_a_closed_channel_do_not_reach_the_next_one() {
    let first = *range(1).start();
    let mut ring = MediaRing::new(RingConfig::for_channels(4), pools(ips(), first..=first + 1)).unwrap();
    let phone = UdpSocket::bind((ips()[0], 0)).unwrap();
    let old = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    slot(&mut ring);
    for _ in 0..5 {
        phone.send_to(b"old", (ips()[0], first)).unwrap();
    }
    ring.close(old);
    assert_eq!(slot(&mut ring), []);
    slot(&mut ring);
    let new = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    assert_ne!(old.rtp, new.rtp);
    phone.send_to(b"new", (ips()[0], first)).unwrap();
    let mut got = Vec::new();
    assert!(slots_until(&mut ring, |ring| {
        got.extend(slot(ring));
        !got.is_empty()
    }));
    assert_eq!(got, [(new.rtp, phone.local_addr().unwrap(), b"new".to_vec())]);
    let mut now = ring.slot(Instant::now());
    assert!(!now.send(old.rtp, phone.local_addr().unwrap(), b"too late"));
    assert!(!now.send(new.rtp, "[::1]:9".parse().unwrap(), b"wrong family"));
}

#[test]
fn a_long_packet_is_counted_and_the_next_ones_find_room() {
    let mut ring = ring(2);
    let pair = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    let phone = UdpSocket::bind((ips()[0], 0)).unwrap();
    slot(&mut ring);
    let mut send_and_take = |lens: &[usize], truncated| {
        let already = ring.counters().truncated;
        for len in lens {
            phone.send_to(&vec![1; *len], (ips()[0], pair.port)).unwrap();
        }
        let mut got = Vec::new();
        assert!(slots_until(&mut ring, |ring| {
            got.extend(slot(ring).iter().map(|packet| packet.2.len()));
            got.len() as u64 + ring.counters().truncated - already == lens.len() as u64
        }));
        // Lets the change of buffers settle.
        slot(&mut ring);
        slot(&mut ring);
        assert_eq!(ring.counters().truncated, truncated);
        got
    };
    assert_eq!(send_and_take(&[468, 172], 0), [468, 172]);
    assert_eq!(send_and_take(&[172, 469], 1), [172]);
    assert_eq!(send_and_take(&[469, 2004, 172, 1400, 2004], 1), [469, 2004, 172, 1400, 2004]);
}

#[test]
fn a_socket_told_in_time_takes_long_packets_at_once() {
    let mut ring = ring(2);
    let pair = ring.open(ips()[1], PacketSize::Small, Instant::now()).unwrap();
    slot(&mut ring);
    ring.set_packet_size(pair.rtp, PacketSize::Large);
    slot(&mut ring);
    let phone = UdpSocket::bind((ips()[1], 0)).unwrap();
    for len in [2004, 2005] {
        phone.send_to(&vec![1; len], (ips()[1], pair.port)).unwrap();
    }
    let mut got = Vec::new();
    assert!(slots_until(&mut ring, |ring| {
        got.extend(slot(ring).iter().map(|packet| packet.2.len()));
        ring.counters().truncated == 1
    }));
    assert_eq!(got, [2004]);
}

#[test]
fn a_taken_port_is_skipped_and_a_foreign_address_refused() {
    let ports = range(3);
    let first = *ports.start();
    let foreign = "192.0.2.1".parse().unwrap();
    let _others = [UdpSocket::bind((ips()[0], first)).unwrap(), UdpSocket::bind((ips()[0], first + 3)).unwrap()];
    let mut ring = MediaRing::new(RingConfig::for_channels(4), pools([ips()[0], foreign], ports)).unwrap();
    let pair = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    assert_eq!(pair.port, first + 4);
    assert!(matches!(ring.open(ips()[0], PacketSize::Small, Instant::now()), Err(OpenError::PortsTaken { .. })));
    assert_eq!(ring.ports(), (5, 6));
    assert!(matches!(ring.open(foreign, PacketSize::Small, Instant::now()), Err(OpenError::Socket { .. })));
    assert!(matches!(ring.open("192.0.2.2".parse().unwrap(), PacketSize::Small, Instant::now()), Err(OpenError::NoPool(_))));
    assert!(matches!(ring.open("0.0.0.0".parse().unwrap(), PacketSize::Small, Instant::now()), Err(OpenError::Wildcard(_))));
    assert_eq!((ring.ports(), ring.sockets()), ((5, 6), 2));
}

#[test]
fn a_ring_without_place_refuses_and_gives_the_port_back() {
    let mut ring = ring_with(4, |config| (config.files, config.lines) = (3, 0));
    let pair = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    let free = ring.ports().0;
    assert!(matches!(ring.open(ips()[0], PacketSize::Small, Instant::now()), Err(OpenError::NoPlace)));
    for _ in 0..3 {
        slot(&mut ring);
    }
    assert_eq!((ring.ports().0, ring.sockets()), (free, 2));
    ring.close(pair);
}

#[test]
fn shutdown_frees_every_port_at_once() {
    let mut ring = ring(300);
    let pairs: Vec<_> = (0..300).map(|n| ring.open(ips()[n % 2], PacketSize::Small, Instant::now()).unwrap()).collect();
    slot(&mut ring);
    assert!(ring.shutdown());
    for (n, pair) in pairs.iter().enumerate() {
        UdpSocket::bind((ips()[n % 2], pair.port)).unwrap();
        UdpSocket::bind((ips()[n % 2], pair.port + 1)).unwrap();
    }
}

#[test]
fn a_stall_ends_without_loss_or_storm() {
    let mut ring = ring_with(40, |config| config.small_buffers = 256);
    let pairs: Vec<_> = (0..40).map(|_| ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap()).collect();
    slot(&mut ring);
    let phone = UdpSocket::bind((ips()[0], 0)).unwrap();
    // 300 ms of 40 channels, more than there are buffers.
    for n in 0..15 {
        for pair in &pairs {
            phone.send_to(&[n; 172], (ips()[0], pair.port)).unwrap();
        }
    }
    let mut got = 0;
    assert!(slots_until(&mut ring, |ring| {
        got += echo(ring);
        got == 600
    }));
    assert!(ring.counters().no_buffers <= 3 * 40, "{:?}", ring.counters());
}

#[test]
fn sockets_go_from_ring_to_ring_with_what_waits_in_them() {
    for ip in ips() {
        let mut rings = [ring(4), ring(4)];
        let mut pair = rings[0].open(ip, PacketSize::Small, Instant::now()).unwrap();
        let phone = UdpSocket::bind((ip, 0)).unwrap();
        let (mut got, mut sent) = (Vec::new(), 0u32);
        let say = |sent: &mut u32| {
            phone.send_to(&sent.to_be_bytes(), (ip, pair.port)).unwrap();
            *sent += 1;
        };
        for round in 0..20 {
            let (from, to) = (round % 2, 1 - round % 2);
            let before = rings.each_ref().map(MediaRing::ports);
            say(&mut sent);
            say(&mut sent);
            rings[from].part(pair);
            say(&mut sent);
            let mut loose = None;
            assert!(slots_until(&mut rings[from], |ring| {
                say(&mut sent);
                got.extend(slot(ring).into_iter().map(|(socket, peer, bytes)| {
                    assert_eq!((socket, peer), (pair.rtp, phone.local_addr().unwrap()));
                    u32::from_be_bytes(bytes.try_into().unwrap())
                }));
                loose = ring.take(pair);
                loose.is_some()
            }));
            assert_eq!(rings[from].sockets(), 0);
            say(&mut sent);
            say(&mut sent);
            let there = rings[to].adopt(loose.unwrap()).unwrap();
            assert_eq!((there.port, there.ip), (pair.port, ip));
            assert_eq!(rings[from].ports(), (before[from].0, before[from].1 - 1));
            assert_eq!(rings[to].ports(), (before[to].0, before[to].1 + 1));
            assert!(rings[from].take(pair).is_none(), "it is gone");
            pair.rtp = there.rtp;
            pair.rtcp = there.rtcp;
            let all = sent as usize;
            assert!(slots_until(&mut rings[to], |ring| {
                got.extend(slot(ring).into_iter().map(|(_, _, bytes)| u32::from_be_bytes(bytes.try_into().unwrap())));
                got.len() >= all
            }));
        }
        assert_eq!(got, (0..sent).collect::<Vec<_>>(), "all of them, once, in order");
        // Closed while it parts, it is closed.
        rings[0].part(pair);
        rings[0].close(pair);
        assert!(slots_until(&mut rings[0], |ring| {
            slot(ring);
            ring.sockets() == 0
        }));
        assert!(rings[0].take(pair).is_none());
        UdpSocket::bind((ip, pair.port)).unwrap();
    }
}

#[test]
fn what_the_kernel_dropped_is_counted_once_wherever_the_socket_goes() {
    let ip = ips()[0];
    let mut rings = [ring(4), ring(4)];
    let mut pair = rings[0].open(ip, PacketSize::Small, Instant::now()).unwrap();
    let phone = UdpSocket::bind((ip, 0)).unwrap();
    slot(&mut rings[0]);
    rings[0].part(pair);
    let mut loose = None;
    assert!(slots_until(&mut rings[0], |ring| {
        slot(ring);
        loose = ring.take(pair);
        loose.is_some()
    }));
    // Nobody receives: what is more than the buffer holds is dropped.
    for _ in 0..400 {
        phone.send_to(&[0; 172], (ip, pair.port)).unwrap();
    }
    pair = rings[1].adopt(loose.unwrap()).unwrap();
    let mut got = 0;
    assert!(slots_until(&mut rings[1], |ring| {
        got += slot(ring).len();
        ring.counters().overflowed > 0 && got as u64 + ring.counters().overflowed == 400
    }));
    rings[1].close(pair);
    assert!(slots_until(&mut rings[1], |ring| {
        slot(ring);
        ring.sockets() == 0
    }));
    assert_eq!((got as u64 + rings[1].counters().overflowed, rings[0].counters().overflowed), (400, 0));
}
