//! Channels that come and go leave no memory behind. Alone in its process, so that nobody else's memory is counted.

#![allow(clippy::unwrap_used)]

use engine::{
    media::{Answer, Interface, MediaShard, Request, Served, Setup},
    mesh::{Caller, pair},
    node::rtp::News,
    ring::{MediaRing, PacketSize, Pools, PortPool, RingConfig},
};
use rt::Latch;
use rtp::{
    api::{Command, CommandError, Open, Reply},
    media::{Config, Media, Start},
};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// A loopback address that no other process uses.
fn own_loopback() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    IpAddr::from([127, a + 1, b, c])
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
}

/// 100 bytes lost per channel would be 4 MiB.
const ALLOWED_KIB: usize = 512;

fn sockets_come_and_go() {
    let ports = PortPool::new(20_000..=20_999, 0, 1, Duration::ZERO);
    let mut ring = MediaRing::new(RingConfig::for_channels(200), Pools::new([own_loopback()], &ports)).unwrap();
    let mut cycle = |count: usize| {
        for _ in 0..count / 100 {
            let pairs: Vec<_> = (0..100).map(|_| ring.open(own_loopback(), PacketSize::Small, Instant::now()).unwrap()).collect();
            ring.slot(Instant::now()).finish();
            pairs.into_iter().for_each(|pair| ring.close(pair));
            // Each slot closes some of them.
            for _ in 0..10 {
                let mut slot = ring.slot(Instant::now());
                while slot.next_packet().is_some() {}
            }
            assert_eq!(ring.sockets(), 0);
        }
    };
    cycle(2000);
    let before = resident_kib();
    cycle(40_000);
    let after = resident_kib();
    assert!(after < before + ALLOWED_KIB, "40 000 pairs of sockets: {before} KiB before, {after} after");
}

fn channels_come_and_go() {
    rt::run_test(async {
        let ip = own_loopback();
        let ports = PortPool::new(22_000..=22_999, 0, 1, Duration::ZERO);
        let setup = Setup {
            cpu: 0,
            alone: false,
            interfaces: vec![Interface { bind: ip, advertised: ip }],
            ring: RingConfig::for_channels(500),
            transcodes_max: None,
        };
        let machine =
            Media::new(Config { channels_max: 500, ..Config::default() }, Start { now: Instant::now(), unix_epoch_ms: 0 }, [1; 32]);
        let (wake, commands) = rt::signal();
        let (end, server) = pair(wake);
        let stop = Latch::new();
        let shard = MediaShard::new(setup, &ports, machine, server, commands).unwrap();
        let running = rt::spawn_local({
            let stop = stop.clone();
            async move { shard.run(&stop).await }
        });
        let front: Caller<Request, Answer, News> = Caller::new(end);
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, drop).await }
        });
        let cycle = async |count: usize| {
            for _ in 0..count / 100 {
                let calls: Vec<_> = (0..100)
                    .map(|_| {
                        let front = front.clone();
                        rt::spawn_local(async move {
                            let opened = loop {
                                match front.ask(Request::Command(Command::Open(Open::default()))).await.unwrap() {
                                    Ok(Served::Reply(Reply::Opened(opened))) => break opened,
                                    // Opening and closing alone can fill a core: then the shard refuses, and is asked again.
                                    Err(CommandError::Unavailable(_)) => rt::sleep(Duration::from_millis(20)).await,
                                    other => panic!("{other:?}"),
                                }
                            };
                            front.ask(Request::Command(Command::Close { channel: opened.channel })).await.unwrap().unwrap();
                        })
                    })
                    .collect();
                for call in calls {
                    call.await;
                }
            }
        };
        cycle(1000).await;
        let before = resident_kib();
        cycle(10_000).await;
        let after = resident_kib();
        assert!(after < before + ALLOWED_KIB, "10 000 channels: {before} KiB before, {after} after");
        stop.open();
        running.await;
    });
}

#[test]
fn channels_leave_no_memory_behind() {
    sockets_come_and_go();
    channels_come_and_go();
}
