//! The media shard with a machine that only echoes, on real sockets and over the mesh.

mod ends;
mod full;

use super::{shard::Owned, *};
use crate::{
    media::request::{Answer, Request, Served},
    mesh::{Caller, pair},
    node::rtp::{MediaEnd, News},
    ring::{OpenError, PacketSize, PortPool, RingConfig},
};
use rt::Latch;
use rtp::{
    api::{ChannelId, Command, CommandError, Open, Reply},
    media::{ChannelKey, Forward, Local, Moved, Output, Port, Transmit, Verdict},
};
use std::{
    cell::RefCell,
    collections::VecDeque,
    net::{IpAddr, SocketAddr, UdpSocket},
    rc::Rc,
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// Sends RTP back in place and answers RTCP with a packet of its own.
#[derive(Default)]
struct Echo {
    open: Vec<Option<(ChannelKey, ChannelId)>>,
    generation: u32,
    reports: Vec<(ChannelKey, SocketAddr)>,
    outputs: VecDeque<Output>,
}

impl Machine for Echo {
    fn open(&mut self, _: Open, _: Local, _: Instant) -> Result<(ChannelKey, ChannelId), CommandError> {
        let slot = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        self.generation += 1;
        let key = ChannelKey { slot: slot as u32, generation: self.generation };
        let id = ChannelId::from_random(self.generation.into());
        self.open.resize(self.open.len().max(slot + 1), None);
        self.open[slot] = Some((key, id));
        Ok((key, id))
    }

    fn command(&mut self, command: Command, _: Instant) -> Result<Reply, CommandError> {
        match command {
            Command::Close { channel } => {
                let key = self.key_of(channel).ok_or(CommandError::NotFound(channel))?;
                self.open[key.slot as usize] = None;
                self.outputs.push_back(Output::Closed(key));
                Ok(Reply::Closed { stats: Box::default(), channels: Default::default() })
            }
            _ => Ok(Reply::Status(Vec::new())),
        }
    }

    fn key_of(&self, channel: ChannelId) -> Option<ChannelKey> {
        self.open.iter().flatten().find(|(_, id)| *id == channel).map(|(key, _)| *key)
    }

    fn part(&mut self, channel: ChannelId, _: Instant) -> Result<ChannelKey, CommandError> {
        Err(CommandError::NotFound(channel))
    }

    fn release(&mut self, _: ChannelKey) -> Option<Moved> {
        None
    }

    fn adopt(&mut self, moved: Moved, _: Instant) -> Result<ChannelKey, Box<Moved>> {
        Err(Box::new(moved))
    }

    fn channels(&self) -> usize {
        self.open.iter().flatten().count()
    }

    fn is_targeted(&self, _: ChannelId) -> bool {
        true
    }

    fn transcodes(&self) -> u64 {
        0
    }

    fn shutdown(&mut self, most: usize) {
        let open = self.open.iter_mut().filter_map(Option::take).take(most);
        self.outputs.extend(open.map(|(key, _)| Output::Closed(key)));
    }

    fn begin(&mut self, _: Instant) {
        self.reports.clear();
    }

    fn receive(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &mut [u8]) -> Verdict {
        match port {
            Port::Rtp => Verdict::Forward(Forward { via: key, to: from, bytes: 0..packet.len() }),
            Port::Rtcp => {
                self.reports.push((key, from));
                Verdict::Done
            }
        }
    }

    fn run(&mut self) {}

    fn transmits(&self, send: &mut dyn FnMut(Transmit<'_>)) {
        for (key, from) in &self.reports {
            send(Transmit { via: *key, port: Port::Rtcp, to: *from, bytes: b"report" });
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// A loopback address that no other process uses, so that several can run this at a time.
fn own_loopback() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    IpAddr::from([127, a + 1, b, c])
}

/// A shard with an echo, made but not running, and the front's end of it.
fn shard(ip: IpAddr, pairs: u16) -> (MediaEnd, MediaShard<Echo>) {
    static NEXT: AtomicU16 = AtomicU16::new(28_000);
    let first = NEXT.fetch_add(2 * pairs, Ordering::Relaxed);
    let ports = PortPool::new(first..=first + 2 * pairs - 1, 0, 1, Duration::ZERO);
    let setup = Setup {
        cpu: 0,
        alone: false,
        interfaces: vec![Interface { bind: ip, advertised: ip }],
        ring: RingConfig::for_channels(pairs.into()),
        transcodes_max: None,
    };
    let (wake, signal) = rt::signal();
    let (end, server) = pair(wake);
    (end, MediaShard::new(setup, &ports, Echo::default(), server, signal).unwrap())
}

async fn open(front: &Caller<Request, Answer, News>) -> (ChannelId, u16) {
    match front.ask(Request::Command(Command::Open(Open::default()))).await {
        Ok(Ok(Served::Reply(Reply::Opened(opened)))) => (opened.channel, opened.port),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_channel_opens_echoes_and_closes_on_both_families() {
    for ip in [own_loopback(), "::1".parse().unwrap()] {
        rt::run_test(async move {
            let stop = Latch::new();
            let (end, shard) = shard(ip, 4);
            let media = rt::spawn_local({
                let stop = stop.clone();
                async move { shard.run(&stop).await }
            });
            let front = Caller::new(end);
            let news = Rc::new(RefCell::new(Vec::new()));
            rt::spawn_local({
                let (front, stop, news) = (front.clone(), stop.clone(), Rc::clone(&news));
                async move { front.run(&stop, |item| news.borrow_mut().push(item)).await }
            });
            for _ in 0..3 {
                let (channel, port) = open(&front).await;
                let phone = UdpSocket::bind((ip, 0)).unwrap();
                rt::spawn_blocking(move || {
                    phone.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                    let mut bytes = [0; 200];
                    for n in 0..20 {
                        phone.send_to(&[n; 172], (ip, port)).unwrap();
                        let (len, from) = phone.recv_from(&mut bytes).unwrap();
                        assert_eq!((&bytes[..len], from), (&[n; 172][..], SocketAddr::new(ip, port)));
                    }
                    phone.send_to(b"sr", (ip, port + 1)).unwrap();
                    let (len, from) = phone.recv_from(&mut bytes).unwrap();
                    assert_eq!((&bytes[..len], from.port()), (&b"report"[..], port + 1));
                })
                .await;
                let closed = front.ask(Request::Command(Command::Close { channel })).await.unwrap().unwrap();
                let Served::Reply(Reply::Closed { stats, channels }) = closed else { panic!("{closed:?}") };
                assert!(stats.tick.unwrap().count > 20);
                assert_eq!(channels.active, 0);
                rt::sleep(Duration::from_millis(20)).await;
                let news = news.take();
                assert!(news.iter().any(|item| matches!(item, News::Closed(closed) if *closed == channel)), "{news:?}");
                assert!(matches!(news.last(), Some(News::Load { channels, .. }) if channels.available == 4), "{news:?}");
            }
            stop.open();
            media.await;
        });
    }
}

#[test]
fn a_shard_on_a_thread_of_its_own_sleeps_in_its_ring_and_still_stops() {
    let (wake, stop_signal) = rt::signal();
    let (ends, end) = std::sync::mpsc::channel();
    let media = std::thread::spawn(move || {
        rt::run(&rt::Config::default(), async move {
            let (end, mut shard) = shard(own_loopback(), 4);
            shard.be_alone();
            ends.send(end).unwrap();
            let stop = Latch::new();
            rt::spawn_local({
                let stop = stop.clone();
                async move {
                    stop_signal.wait().await;
                    stop.open();
                }
            });
            shard.run(&stop).await;
        })
        .unwrap();
    });
    rt::run_test(async move {
        let front = Caller::new(end.recv().unwrap());
        let stop = Latch::new();
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, |_| {}).await }
        });
        for _ in 0..3 {
            let (channel, port) = open(&front).await;
            let phone = UdpSocket::bind((own_loopback(), 0)).unwrap();
            phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut bytes = [0; 200];
            for n in 0..50 {
                phone.send_to(&[n; 172], (own_loopback(), port)).unwrap();
                // The timer of this executor interrupts a call that blocks its thread.
                let received = std::iter::repeat_with(|| phone.recv(&mut bytes))
                    .take(1000)
                    .find(|received| !received.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted));
                assert_eq!(received.unwrap().unwrap(), 172);
            }
            front.ask(Request::Command(Command::Close { channel })).await.unwrap().unwrap();
        }
        open(&front).await;
        wake.fire();
        stop.open();
    });
    media.join().unwrap();
}

#[test]
fn an_empty_shard_does_not_tick_and_frees_its_ports_when_it_ends() {
    rt::run_test(async {
        let ip = own_loopback();
        let stop = Latch::new();
        let (end, shard) = shard(ip, 4);
        let media = rt::spawn_local({
            let stop = stop.clone();
            async move { shard.run(&stop).await }
        });
        let front = Caller::new(end);
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, |_| {}).await }
        });
        let slots = async || {
            let status = front.ask(Request::Command(Command::Status)).await.unwrap().unwrap();
            let Served::Reply(Reply::Status(figures)) = status else { panic!("{status:?}") };
            figures.iter().find(|(name, _)| *name == "slots").unwrap().1
        };
        let before = slots().await;
        rt::sleep(Duration::from_millis(50)).await;
        assert!(slots().await <= before + 2);
        let (_, port) = open(&front).await;
        rt::sleep(Duration::from_millis(50)).await;
        assert!(slots().await >= before + 20);
        stop.open();
        media.await;
        UdpSocket::bind((ip, port)).unwrap();
    });
}

#[test]
fn all_pairs_in_use_is_an_answer() {
    rt::run_test(async {
        let stop = Latch::new();
        let (end, shard) = shard(own_loopback(), 3);
        rt::spawn_local({
            let stop = stop.clone();
            async move { shard.run(&stop).await }
        });
        let front = Caller::new(end);
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, |_| {}).await }
        });
        for _ in 0..3 {
            open(&front).await;
        }
        let full = front.ask(Request::Command(Command::Open(Open::default()))).await;
        assert!(matches!(full, Ok(Err(CommandError::NoPorts { pairs: 3, .. }))), "{full:?}");
        stop.open();
    });
}

#[test]
fn a_stall_of_300_ms_is_left_out_and_its_packets_are_not() {
    let ip = own_loopback();
    let (end, mut shard) = shard(ip, 4);
    rt::run_test(async move {
        let front = Caller::new(end);
        let stop = Latch::new();
        rt::spawn_local({
            let (front, stop) = (front.clone(), stop.clone());
            async move { front.run(&stop, |_| {}).await }
        });
        let opened = rt::spawn_local({
            let front = front.clone();
            async move { open(&front).await.1 }
        });
        while !opened.is_finished() {
            rt::yield_now().await;
            shard.slot();
        }
        let port = opened.await;
        let phone = UdpSocket::bind((ip, 0)).unwrap();
        for n in 0..15 {
            phone.send_to(&[n; 172], (ip, port)).unwrap();
        }
        let before = shard.ticker().core_load(0, 0);
        std::thread::sleep(Duration::from_millis(300));
        shard.slot();
        let after = shard.ticker().core_load(0, 0);
        // The slots above ran ahead of their time, a little.
        assert!(after.missed >= before.missed + 250, "{after:?}");
        assert!(shard.ticker().due() > Instant::now() - Duration::from_millis(50));
        assert_eq!(shard.counters().sent, 15);
        stop.open();
    });
}
