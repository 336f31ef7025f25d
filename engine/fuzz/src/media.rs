//! What must hold for any sequence of commands, packets and times on a media shard.
//!
//! ```text
//!   bytes ──► open │ target │ mix │ unmix │ echo │ direction │ levels │ play │ record │ dtmf │ move │ close │ packet │ junk │ time ──► Media
//! ```
//! Shape:  each operation takes a byte for its kind and a few for its arguments; what is missing is 0.
//! Holds:  no panic; every packet out is RTP or RTCP; a channel has one SSRC and gives no sequence number twice in a
//!         row of 64; each channel that was opened is closed once; counters of channels agree.
//! Used by: the fuzz target `media`, and a test of `rtp` on random bytes and on the corpus.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtp::api::{
    ChannelId, Command, Direction, Dtmf, Encoding, Entry, EventAction, LevelChange, Open, Payload, RecordEnd, Repeat, Soup, Target,
};
use rtp::clock::{Next, Rate, Record, Tick};
use rtp::media::{ChannelKey, Config, Forward, Local, Media, Output, Port, Start, Verdict};
use rtp::packet::{RtpHeader, RtpView};
use rtp::sound::Sound;
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

const CHANNELS_MAX: usize = 5;

struct Bed {
    media: Media,
    now: Instant,
    open: Vec<(ChannelKey, ChannelId)>,
    opened: usize,
    closed: usize,
    sent: HashMap<ChannelKey, (u32, VecDeque<u16>)>,
}

/// Runs the operations that `bytes` spell, starting at `now`.
pub fn media(bytes: &[u8], now: Instant) {
    let config = Config { channels_max: CHANNELS_MAX, idle_timeout: Duration::from_secs(30), ..Config::default() };
    let media = Media::new(config, Start { now, unix_epoch_ms: 1 << 40 }, [5; 32]);
    let mut bed = Bed { media, now, open: Vec::new(), opened: 0, closed: 0, sent: HashMap::new() };
    let mut script = bytes.iter().copied();
    while let Some(operation) = script.next() {
        bed.step(operation, &mut script);
        bed.fetch();
    }
    bed.media.shutdown();
    bed.fetch();
    assert_eq!((bed.opened, bed.media.counts().active, bed.media.transcodes()), (bed.closed, 0, 0));
}

impl Bed {
    fn step(&mut self, operation: u8, script: &mut impl Iterator<Item = u8>) {
        let mut byte = || script.next().unwrap_or(0);
        match operation % 16 {
            0 => self.open(),
            1 => {
                let (channel, address, kind, port) = (self.channel(byte()), address(byte()), byte(), byte());
                let payloads = (0..3).map(|shift| payload(kind >> (2 * shift))).collect();
                // Address 0 is hold.
                let ip = if port == 0 { [0, 0, 0, 0].into() } else { address.ip() };
                let direction = (port & 1 == 0).then_some(Direction { send: kind & 0x80 == 0, recv: kind & 0x40 == 0 });
                let ptime_ms = (port & 4 != 0).then_some(10 + 10 * u16::from(kind & 7));
                let target = Target { ip, port: address.port(), payloads, ptime_ms, direction, rtcp_mux: port & 2 != 0 };
                self.command(Command::Target { channel, target });
            }
            2 => {
                let (a, b) = (self.channel(byte()), self.channel(byte()));
                self.command(Command::Mix { a, b });
            }
            3 => {
                let channel = self.channel(byte());
                self.command(match operation / 16 {
                    0..=5 => Command::Unmix { channel },
                    6..=9 => Command::Echo { channel },
                    10..=12 => Command::Close { channel },
                    13 => Command::Get { channel },
                    14 => Command::List,
                    _ => Command::Status,
                });
            }
            4 => self.now += Duration::from_millis(u64::from(byte()) * u64::from(operation / 16 + 1)),
            5 => {
                let (key, from, len) = (self.key(byte()), address(byte()), usize::from(byte()));
                let mut junk: Vec<u8> = (0..len).map(|_| byte()).collect();
                self.slot(key, if operation & 16 == 0 { Port::Rtp } else { Port::Rtcp }, from, &mut junk);
            }
            15 => {
                let (n, what) = (byte(), byte());
                self.sound(n, operation / 16, what);
            }
            _ => {
                let (key, from, kind, step) = (self.key(byte()), address(byte()), byte(), byte());
                let header = RtpHeader {
                    marker: kind & 0x80 != 0,
                    payload_type: PayloadType::from_wire(payload(kind).number),
                    sequence: SequenceNumber(u16::from(step).wrapping_mul(if kind & 0x40 == 0 { 1 } else { 257 })),
                    timestamp: RtpTimestamp(u32::from(step) * 160 + u32::from(byte())),
                    ssrc: Ssrc(u32::from(kind & 0x20)),
                };
                let mut packet = [&header.to_bytes()[..], &[step; 160]].concat();
                self.now += Duration::from_millis(20);
                self.slot(key, Port::Rtp, from, &mut packet);
            }
        }
    }

    /// What plays, records, changes levels, dials or moves.
    fn sound(&mut self, n: u8, kind: u8, what: u8) {
        let channel = self.channel(n);
        let db = f32::from(what) - 100.0;
        match kind {
            0..=2 => {
                let sound = Some(Arc::new(Sound::new(if what & 1 == 0 { 8000 } else { 16_000 }, vec![9; usize::from(what)])));
                let entry = Entry { sound, start_ms: (what & 2 != 0).then_some(u32::from(n)), ..Entry::wav("a.wav") };
                let repeat = if what & 4 == 0 { Repeat::Times(u32::from(n)) } else { Repeat::Forever };
                let soup = Soup { repeat, entries: vec![entry.clone(), entry], interrupt: what & 8 != 0, failure: None };
                self.command(Command::Play { channel, soup });
            }
            3 => self.command(Command::StopPlay { channel }),
            4 | 5 => drop(self.media.record(channel, Box::new(Tape { left: u32::from(what), file: "a".into() }), self.now)),
            6 => drop(self.media.stop_record(channel, |_| what & 1 == 0, self.now)),
            7 | 8 => {
                let (digits, inband) = (vec![what & 15; usize::from(what >> 5)], (what & 16 != 0).then_some(what & 1 == 0));
                let dtmf = Dtmf { digits, duration_ms: u16::from(what), gap_ms: u16::from(n), inband };
                self.command(Command::Dtmf { channel, dtmf });
            }
            9 => self.command(Command::Level { channel, change: LevelChange { in_db: Some(db), ..LevelChange::default() } }),
            10 => self.command(Command::Level { channel, change: LevelChange { group_db: Some(db), ..LevelChange::default() } }),
            11 => {
                let change = LevelChange { mute_in: Some(what & 1 == 0), mute_out: Some(what & 2 == 0), ..LevelChange::default() };
                self.command(Command::Level { channel, change });
            }
            12 => self.command(Command::Speakers { channel, interval_ms: (what & 1 == 0).then_some(u32::from(what)) }),
            _ => self.travel(n),
        }
    }

    /// A channel leaves the shard and comes back, and has another key.
    fn travel(&mut self, n: u8) {
        let key = self.key(n);
        let Some(moved) = self.media.release(key) else { return };
        let Ok(after) = self.media.adopt(moved, self.now) else { panic!("there was room for it") };
        if let Some((known, _)) = self.open.iter_mut().find(|(known, _)| *known == key) {
            *known = after;
        }
        if let Some(sent) = self.sent.remove(&key) {
            self.sent.insert(after, sent);
        }
    }

    fn open(&mut self) {
        let local = Local { rtp: SocketAddr::new([10, 0, 0, 1].into(), 10_000), advertised: [10, 0, 0, 1].into() };
        match self.media.open(Open::default(), local, self.now) {
            Ok(key) => {
                self.opened += 1;
                self.open.push((key, self.media.id(key).expect("open")));
            }
            Err(error) => assert_eq!((self.open.len(), error.status()), (CHANNELS_MAX, 503)),
        }
    }

    fn command(&mut self, command: Command) {
        if let Err(error) = self.media.command(command, self.now) {
            assert!(matches!(error.status(), 400 | 404 | 409 | 422), "{error}");
        }
    }

    fn slot(&mut self, key: ChannelKey, port: Port, from: SocketAddr, packet: &mut [u8]) {
        self.media.begin(self.now);
        let mut out = Vec::new();
        if let Verdict::Forward(Forward { via, bytes, .. }) = self.media.receive(key, port, from, packet) {
            out.push((via, packet[bytes].to_vec()));
        }
        self.media.run();
        let made = self.media.transmits().filter(|t| t.port == Port::Rtp && t.bytes.get(1).is_some_and(|b| !(192..224).contains(b)));
        out.extend(made.map(|t| (t.via, t.bytes.to_vec())));
        for (via, bytes) in out {
            let header = RtpView::parse(&bytes).expect("what goes out is RTP").header;
            let (ssrc, recent) = self.sent.entry(via).or_insert_with(|| (header.ssrc.0, VecDeque::new()));
            assert_eq!(*ssrc, header.ssrc.0, "one stream for life");
            assert!(!recent.contains(&header.sequence.0), "a sequence number is given once");
            recent.push_back(header.sequence.0);
            if recent.len() > 64 {
                recent.pop_front();
            }
        }
    }

    fn fetch(&mut self) {
        // A slot for the goodbyes of channels that are closed: only then are they gone.
        self.media.begin(self.now);
        self.media.run();
        while let Some(output) = self.media.poll_output() {
            if let Output::Closed(key) = output {
                let before = self.open.len();
                self.open.retain(|(open, _)| *open != key);
                assert_eq!(self.open.len() + 1, before, "closed once");
                self.closed += 1;
            }
        }
        assert_eq!(self.media.counts().active, self.open.len() as u64);
        assert!(self.media.transcodes() <= self.open.len() as u64);
    }

    fn channel(&self, n: u8) -> ChannelId {
        self.open.get(usize::from(n) % (self.open.len() + 1)).map_or(ChannelId::from_random(n.into()), |(_, id)| *id)
    }

    fn key(&self, n: u8) -> ChannelKey {
        let none = ChannelKey { slot: u32::from(n), generation: 77 };
        self.open.get(usize::from(n) % (self.open.len() + 1)).map_or(none, |(key, _)| *key)
    }
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::new([10, 0, 1, n & 3].into(), 4000 + u16::from(n >> 2 & 1))
}

fn payload(kind: u8) -> Payload {
    let named = |name: &str, clock_rate_hz| Some(Encoding { name: name.into(), clock_rate_hz, channels: 1 });
    let (number, encoding) = match kind % 8 {
        0 => (0, None),
        1 => (8, None),
        2 => (96, named("L16", 16000)),
        3 => (97, named("L16", 8000)),
        4 => (101, None),
        5 => (13, None),
        6 => (111, named("opus", 48000)),
        7 if kind & 8 != 0 => (98, named("iLBC", 8000)),
        _ => (9, None),
    };
    Payload { number, encoding, fmtp: None }
}

/// A recorder that ends by itself.
#[derive(Debug)]
struct Tape {
    left: u32,
    file: Arc<str>,
}

impl Record for Tape {
    fn rate(&self) -> Rate {
        if self.left & 1 == 0 { Rate::Narrow } else { Rate::Wide }
    }

    fn tick(&mut self, tick: &Tick<'_>) -> Next {
        // Asked first: the last odd one would have no rate left.
        assert_eq!((tick.heard.len(), tick.said.len()), (self.rate().samples(), self.rate().samples()));
        self.left = self.left.saturating_sub(2);
        if self.left < 2 { Next::Ended } else { Next::Goes }
    }

    fn file(&self) -> &Arc<str> {
        &self.file
    }

    fn pause(&mut self, _: bool) {}

    fn end(&mut self, _: RecordEnd) {}

    fn event(&mut self) -> Option<EventAction> {
        None
    }
}
