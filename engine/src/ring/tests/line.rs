//! Connected sockets: who is heard, where packets leave from, and what is left when they go.

use super::*;
use socket2::{Domain, Protocol, Socket, Type};

fn phone(ip: IpAddr) -> (UdpSocket, SocketAddr) {
    let phone = UdpSocket::bind((ip, 0)).unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let at = phone.local_addr().unwrap();
    (phone, at)
}

/// Sends from the RTP socket to `to`, one packet a slot.
fn send(ring: &mut MediaRing, pair: Pair, to: SocketAddr, times: usize) {
    for _ in 0..times {
        let mut slot = ring.slot(Instant::now());
        while slot.next_packet().is_some() {}
        slot.send(pair.rtp, to, b"voice");
    }
}

/// Sends until the socket is connected and has its second one.
fn settle(ring: &mut MediaRing, pair: Pair, phone: &UdpSocket) {
    let to = phone.local_addr().unwrap();
    send(ring, pair, to, 30);
    let mut bytes = [0; 64];
    for _ in 0..30 {
        let (len, from) = phone.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..len], from.port()), (&b"voice"[..], pair.port));
    }
    assert!(ring.is_connected(pair.rtp, to));
}

fn heard(ring: &mut MediaRing) -> (SocketId, SocketAddr) {
    let mut got = Vec::new();
    assert!(slots_until(ring, |ring| {
        got.extend(slot(ring));
        !got.is_empty()
    }));
    assert_eq!(got.len(), 1);
    (got[0].0, got[0].1)
}

#[test]
fn a_connected_socket_hears_everybody_and_answers_from_its_port() {
    for ip in ips() {
        let mut ring = ring(4);
        let pair = ring.open(ip, PacketSize::Small, Instant::now()).unwrap();
        let ((far, far_at), (stranger, stranger_at)) = (phone(ip), phone(ip));
        settle(&mut ring, pair, &far);
        assert_eq!(ring.sockets(), 3);
        for (who, at) in [(&far, far_at), (&stranger, stranger_at), (&far, far_at)] {
            who.send_to(b"hallo", (ip, pair.port)).unwrap();
            assert_eq!(heard(&mut ring), (pair.rtp, at));
            send(&mut ring, pair, at, 1);
            assert_eq!(who.recv_from(&mut [0; 64]).unwrap().1, SocketAddr::new(ip, pair.port));
        }
        // Another far end, once that is steady.
        settle(&mut ring, pair, &stranger);
        assert_eq!(ring.sockets(), 3);
        far.send_to(b"hallo", (ip, pair.port)).unwrap();
        assert_eq!(heard(&mut ring), (pair.rtp, far_at));
    }
}

#[test]
fn nobody_else_gets_the_port_of_two_sockets_and_it_is_free_after_them() {
    let mut ring = ring(4);
    let pair = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    settle(&mut ring, pair, &phone(ips()[0]).0);
    let bind = || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::new(ips()[0], pair.port).into())
    };
    assert!(bind().is_err());
    ring.close(pair);
    assert!(slots_until(&mut ring, |ring| {
        slot(ring);
        ring.sockets() == 0
    }));
    bind().unwrap();
}

#[test]
fn a_far_end_that_refuses_is_sent_to_without_a_connection() {
    let mut ring = ring(4);
    let pair = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    let (far, at) = phone(ips()[0]);
    settle(&mut ring, pair, &far);
    drop(far);
    send(&mut ring, pair, at, 100);
    assert!(!ring.is_connected(pair.rtp, at));
    let refused = |ring: &MediaRing| ring.counters().receive_errors + ring.counters().tx_refused;
    assert!((1..=2).contains(&refused(&ring)), "{:?}", ring.counters());
    let (other, to) = phone(ips()[0]);
    send(&mut ring, pair, to, 1);
    assert_eq!(other.recv_from(&mut [0; 64]).unwrap().1.port(), pair.port);
    other.send_to(b"hallo", (ips()[0], pair.port)).unwrap();
    assert_eq!(heard(&mut ring), (pair.rtp, to));
}

#[test]
fn no_more_are_connected_than_descriptors_are_there_for() {
    let mut ring = ring_with(4, |config| config.lines = 1);
    let pairs = [0; 2].map(|_| ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap());
    let (far, at) = phone(ips()[0]);
    settle(&mut ring, pairs[0], &far);
    send(&mut ring, pairs[1], at, 30);
    assert!(!ring.is_connected(pairs[1].rtp, at));
    ring.close(pairs[0]);
    assert!(slots_until(&mut ring, |ring| {
        slot(ring);
        ring.sockets() == 2
    }));
    let again = ring.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    settle(&mut ring, again, &phone(ips()[0]).0);
}

#[test]
fn a_connected_socket_moves_to_another_ring_and_hears_everybody_there() {
    let (mut a, mut b) = (ring(4), ring(4));
    let pair = a.open(ips()[0], PacketSize::Small, Instant::now()).unwrap();
    let ((far, far_at), (stranger, stranger_at)) = (phone(ips()[0]), phone(ips()[0]));
    settle(&mut a, pair, &far);
    a.part(pair);
    let mut loose = None;
    assert!(slots_until(&mut a, |ring| {
        slot(ring);
        loose = ring.take(pair);
        loose.is_some()
    }));
    assert_eq!(a.sockets(), 0);
    far.send_to(b"on the way", (ips()[0], pair.port)).unwrap();
    let moved = b.adopt(loose.unwrap()).unwrap();
    assert_eq!(heard(&mut b), (moved.rtp, far_at));
    stranger.send_to(b"hallo", (ips()[0], pair.port)).unwrap();
    assert_eq!(heard(&mut b), (moved.rtp, stranger_at));
    settle(&mut b, moved, &far);
}
