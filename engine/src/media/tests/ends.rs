//! All channels of a shard closed at once, by commands and by the end of the program: each end is told, every port comes back and
//! rests, and no slot closes more than its share.

use super::*;
use crate::{mesh::CALLS_MAX, os::limits, ring::RELEASES_MAX};
use rtp::{
    api::{ControlUrl, EventAction, Target},
    media::{Config, Media, Start},
};
use std::collections::HashMap;

/// As many as one shard is made for.
const CHANNELS: usize = 5000;
/// How long ports rest: longer than the test.
const HOLD: Duration = Duration::from_secs(600);
/// Every loop of the test ends by then.
const PATIENCE: Duration = Duration::from_secs(120);

/// A shard of the real machine that carries calls.
pub(super) struct House {
    pub shard: Box<MediaShard<Media>>,
    pub front: Caller<Request, Answer, News>,
    news: Rc<RefCell<Vec<News>>>,
    channels: Vec<ChannelId>,
    ip: IpAddr,
}

impl House {
    /// Room for so many channels on a network of its own, and some that hear each other in pairs; one of each has spoken.
    pub async fn new(channels: usize, net: u8, open: usize, stop: &Latch) -> Self {
        let [_, a, b, c] = std::process::id().to_be_bytes();
        // Not the address of the other tests: it takes all ports of a range, which is below the ephemeral ones.
        let ip = IpAddr::from([127, a + net, b, c]);
        let first = 20_000;
        let interface = Interface { bind: ip, advertised: ip };
        // Each would be a third descriptor of a channel.
        let ring = RingConfig { lines: 0, ..RingConfig::for_channels(channels as u32) };
        let setup = Setup { cpu: 0, alone: false, interfaces: vec![interface], ring, transcodes_max: None };
        let ports = PortPool::new(first..=first + 2 * channels as u16 - 1, 0, 1, HOLD);
        let (wake, signal) = rt::signal();
        let (end, server) = pair(wake);
        let now = Instant::now();
        let machine = Media::new(Config { channels_max: channels, ..Config::default() }, Start { now, unix_epoch_ms: 0 }, [1; 32]);
        let shard = Box::new(MediaShard::new(setup, &ports, machine, server, signal).unwrap());
        let (front, news) = (Caller::new(end), Rc::new(RefCell::new(Vec::new())));
        rt::spawn_local({
            let (front, stop, news) = (front.clone(), stop.clone(), Rc::clone(&news));
            async move { front.run(&stop, |item| news.borrow_mut().push(item)).await }
        });
        let mut house = Self { shard, front, news, channels: Vec::new(), ip };
        let phone = UdpSocket::bind((ip, 0)).unwrap();
        for _ in 0..open {
            house.open(phone.local_addr().unwrap(), now);
        }
        for both in house.channels.clone().chunks_exact(2) {
            Machine::command(&mut house.shard.machine, Command::Mix { a: both[0], b: both[1] }, now).unwrap();
            // Its events are on their way before the next ones come.
            house.shard.slot();
            rt::yield_now().await;
        }
        house.speak(&phone).await;
        house
    }

    fn open(&mut self, to: SocketAddr, now: Instant) {
        let Self { shard, ip, .. } = self;
        let pair = shard.ring.open(*ip, PacketSize::Small, now).unwrap();
        let open = Open { control: Some(ControlUrl("http://c".into())), ..Open::default() };
        let local = Local { rtp: SocketAddr::new(*ip, pair.port), advertised: *ip };
        let (key, id) = Machine::open(&mut shard.machine, open, local, now).unwrap();
        shard.own(Owned { key, id, pair });
        let payloads = vec![rtp::api::Payload { number: 0, encoding: None, fmtp: None }];
        let target = Target { ip: to.ip(), port: to.port(), payloads, ptime_ms: None, direction: None, rtcp_mux: false };
        Machine::command(&mut shard.machine, Command::Target { channel: id, target }, now).unwrap();
        self.channels.push(id);
    }

    /// A packet to the first of each pair, which goes out of the other.
    async fn speak(&mut self, phone: &UdpSocket) {
        let firsts: Vec<u16> = self.shard.channels.iter().flatten().step_by(2).map(|owned| owned.pair.port).collect();
        let end = Instant::now() + PATIENCE;
        for ports in firsts.chunks(64) {
            let sent = self.shard.counters().sent + ports.len() as u64;
            for port in ports {
                let mut packet = [0x55; 172];
                packet[0] = 0x80;
                packet[1] = 0;
                phone.send_to(&packet, (self.ip, *port)).unwrap();
            }
            while self.shard.counters().sent < sent {
                assert!(Instant::now() < end, "{:?}", self.shard.counters());
                self.shard.slot();
                rt::yield_now().await;
            }
        }
    }

    /// Runs slots until all is closed; the most sockets that one has closed.
    async fn run_out(&mut self) -> usize {
        let (end, mut most) = (Instant::now() + PATIENCE, 0);
        while self.shard.ring.sockets() > 0 || self.shard.server.backlog() > 0 {
            assert!(Instant::now() < end, "{} sockets, {} events are left", self.shard.ring.sockets(), self.shard.server.backlog());
            rt::yield_now().await;
            let before = self.shard.ring.sockets();
            self.shard.slot();
            most = most.max(before - self.shard.ring.sockets());
        }
        // The last of the news.
        for _ in 0..10 {
            rt::yield_now().await;
        }
        most
    }

    fn assert_empty(&mut self) {
        assert_eq!((self.shard.machine.channels(), self.shard.machine.transcodes()), (0, 0));
        assert!(self.shard.channels.iter().all(Option::is_none));
        // Each channel's events have come whole and in order, and its end is the last of them.
        assert_eq!(self.shard.server.lost_events(), 0);
        let (mut events, mut closed) = (HashMap::new(), HashMap::new());
        for news in self.news.take() {
            match news {
                News::Event(event) => {
                    let (seq, ended) = events.entry(event.channel).or_insert((0, false));
                    assert_eq!((event.seq, *ended), (*seq + 1, false), "{event:?}");
                    (*seq, *ended) = (event.seq, matches!(event.action, EventAction::Close { .. }));
                }
                News::Closed(channel) => *closed.entry(channel).or_insert(0) += 1,
                News::Load { .. } => {}
            }
        }
        for channel in &self.channels {
            assert!(events[channel].1 && closed[channel] == 1, "{channel}: {:?} {:?}", events[channel], closed.get(channel));
        }
        // Every port is there, and rests.
        let channels = self.channels.len();
        assert_eq!(self.shard.ring.ports(), (channels, channels));
        let now = Instant::now();
        assert!(matches!(self.shard.ring.open(self.ip, PacketSize::Small, now), Err(OpenError::Ports { .. })));
        assert!(self.shard.ring.open(self.ip, PacketSize::Small, now + HOLD).is_ok());
    }
}

/// As many channels as the descriptors of this host allow to both tests at a time, with half as many in the second, and 1000 for others.
fn channels() -> usize {
    let limit = usize::try_from(limits::raise_nofile()).unwrap_or(usize::MAX);
    let channels = (limit.saturating_sub(1000) / 3).clamp(8, CHANNELS) / 2 * 2;
    if channels < CHANNELS {
        println!("only {channels} channels: the host allows {limit} descriptors");
    }
    channels
}

#[test]
fn all_channels_closed_at_once_are_told_and_leave_nothing() {
    rt::run_test(async {
        let stop = Latch::new();
        let mut house = Box::pin(House::new(channels(), 80, channels(), &stop)).await;
        // As many at a time as find room.
        let lists = house.channels.chunks(house.channels.len().div_ceil(CALLS_MAX)).map(<[ChannelId]>::to_vec);
        let closing: Vec<_> = lists
            .map(|list| {
                let front = house.front.clone();
                rt::spawn_local(async move {
                    for channel in list {
                        let closed = front.ask(Request::Command(Command::Close { channel })).await;
                        assert!(matches!(closed, Ok(Ok(Served::Reply(Reply::Closed { .. })))), "{closed:?}");
                    }
                })
            })
            .collect();
        let most = house.run_out().await;
        println!("at most {most} sockets closed in a slot");
        assert!(most <= RELEASES_MAX, "{most}");
        for task in closing {
            task.await;
        }
        house.assert_empty();
        stop.open();
    });
}

#[test]
fn all_channels_of_a_program_that_ends_are_told_and_leave_nothing() {
    rt::run_test(async {
        let stop = Latch::new();
        let half = channels() / 4 * 2;
        let mut house = Box::pin(House::new(half, 160, half, &stop)).await;
        let farewell = rt::spawn_local({
            let front = house.front.clone();
            async move { front.ask(Request::Farewell).await }
        });
        let most = house.run_out().await;
        println!("at most {most} sockets closed in a slot");
        assert!(most <= RELEASES_MAX, "{most}");
        assert!(matches!(farewell.await, Ok(Ok(Served::Reply(Reply::Done)))));
        house.assert_empty();
        stop.open();
    });
}
