//! The shard of the simulation and what lives in it: cells of phones that are joined somehow, for a minute or so each.
//!
//! ```text
//!   spawn ─▶ live (digits, checks of the sound) ─▶ fall silent ─▶ nothing in flight ─▶ audit, close ─▶ spawn another
//! ```
//! Shape:  a slot of 1 ms at a time; phones by place, which is their address.
//! Errors: panics, with the seed printed by `sim::seeds`.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use rtp::api::{
    ChannelId, Command, ControlUrl, Entry, EventAction, Open, RecordEnd, Repeat, Reply, Soup, Stats, Target, digit_of_event, event_of_digit,
};
use rtp::clock::{Next, Rate, Record, Tick};
use rtp::media::{Config, Local, Media, Output, Port, Start, Verdict};
use rtp::sound::Sound;
use sim::{Clock, SimRng};

use crate::common;
use crate::phone::{Hears, Phone, Window};
use crate::sound::{Grade, Loops, Tone, Voice};
use crate::tally::{Tally, Way};

/// A phone's sound is looked at this often.
const CHECK_MS: u64 = 2000;
/// What a phone says alone, and in a conference.
const ALONE: u32 = 8000;
const AMONG: u32 = 3000;
/// What players play.
const PLAYED: Tone = Tone { hz: 700, level: ALONE };
/// After a change the sound has so long to settle.
const SETTLE_MS: u64 = 2500;

/// How the phones of a cell are joined.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bridge,
    /// A pair, one of whom is recorded.
    Recorded,
    Echo,
    Conference,
    Player,
    Restless,
}

/// A recorder that keeps the last 200 ms and counts.
#[derive(Debug, Default)]
struct Heard {
    ticks: u64,
    last: Vec<i16>,
}

#[derive(Debug)]
struct Tape(Arc<Mutex<Heard>>, Arc<str>);

impl Record for Tape {
    fn rate(&self) -> Rate {
        Rate::Narrow
    }

    fn tick(&mut self, tick: &Tick<'_>) -> Next {
        let mut heard = self.0.lock().unwrap();
        heard.ticks += 1 + u64::from(tick.missed);
        heard.last.extend_from_slice(tick.heard);
        let over = heard.last.len().saturating_sub(1600);
        heard.last.drain(..over);
        Next::Goes
    }

    fn file(&self) -> &Arc<str> {
        &self.1
    }

    fn pause(&mut self, _: bool) {}

    fn end(&mut self, _: RecordEnd) {}

    fn event(&mut self) -> Option<EventAction> {
        None
    }
}

struct Cell {
    kind: Kind,
    places: Vec<usize>,
    born_ms: u64,
    ends_ms: u64,
    tape: Option<Arc<Mutex<Heard>>>,
}

pub struct House {
    media: Media,
    clock: Clock,
    ms: u64,
    rng: SimRng,
    loops: Loops,
    phones: Vec<Option<Phone>>,
    free: Vec<usize>,
    cells: Vec<Cell>,
    spawned: usize,
    told: HashMap<ChannelId, Vec<u8>>,
    played: Arc<Sound>,
    /// Packets sent to the shard, by our count.
    thrown: u64,
    /// Channels that sent something and were closed, and goodbyes heard.
    closed: u64,
    byes: u64,
    pub tally: Tally,
}

impl House {
    pub fn new(channels: usize, seed: u64) -> Self {
        let clock = Clock::new();
        let start = Start { now: clock.now(), unix_epoch_ms: 1_700_000_000_000 };
        let media = Media::new(Config { channels_max: channels, ..Config::default() }, start, [seed as u8; 32]);
        Self {
            media,
            clock,
            ms: 0,
            rng: SimRng::new(seed),
            loops: Loops::default(),
            phones: (0..channels).map(|_| None).collect(),
            free: (0..channels).rev().collect(),
            cells: Vec::new(),
            spawned: 0,
            told: HashMap::new(),
            played: Arc::new(Sound::new(8000, PLAYED.samples(8000, 8000))),
            thrown: 0,
            closed: 0,
            byes: 0,
            tally: Tally::default(),
        }
    }

    pub fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.step();
            if self.ms.is_multiple_of(10) {
                self.spawn();
            }
            self.look_after_cells(false);
        }
    }

    /// Closes everything and checks that nothing is left.
    pub fn empty(&mut self) {
        for cell in &mut self.cells {
            cell.ends_ms = cell.ends_ms.min(self.ms);
        }
        for _ in 0..10_000 {
            self.step();
            self.look_after_cells(true);
        }
        assert!(self.cells.is_empty() && self.told.is_empty(), "{} cells do not end", self.cells.len());
        let Ok(Reply::Status(status)) = self.media.command(Command::Status, self.clock.now()) else { panic!() };
        let of = |name: &str| status.iter().find(|(n, _)| *n == name).unwrap().1;
        assert_eq!((of("channels_active"), self.media.transcodes()), (0, 0), "{status:?}");
        assert_eq!((of("packets_received"), self.byes), (self.thrown, self.closed), "packets in; goodbyes");
        for name in ["packets_stale", "packets_malformed", "packets_badsource", "packets_flood", "packets_stun", "packets_dtls"] {
            assert_eq!(of(name), 0, "{name}: {status:?}");
        }
        // The packet that shows that its frames do not fit those of the other side is lost for that.
        assert!(of("packets_overrun") <= self.tally.channels, "{status:?}");
        // What is forgotten here is the test's own.
        self.loops = Loops::default();
        (self.cells, self.told) = (Vec::new(), HashMap::new());
    }

    fn step(&mut self) {
        let now = self.clock.advance(common::SLOT);
        self.ms += 1;
        let mut arrived = Vec::new();
        for phone in self.phones.iter_mut().flatten() {
            phone.pass(self.ms, now, &mut arrived);
        }
        self.media.begin(now);
        for (key, port, place, mut bytes) in arrived {
            self.thrown += 1;
            let mut from = common::phone(place);
            from.set_port(from.port() + u16::from(port == Port::Rtcp));
            if let Verdict::Forward(forward) = self.media.receive(key, port, from, &mut bytes) {
                self.byes += hear(&mut self.phones, Port::Rtp, forward.to, &bytes[forward.bytes], self.ms, now);
            }
        }
        self.media.run();
        for t in self.media.transmits() {
            self.byes += hear(&mut self.phones, t.port, t.to, t.bytes, self.ms, now);
        }
        self.events();
    }

    fn events(&mut self) {
        while let Some(output) = self.media.poll_output() {
            if let Output::Event(event) = output
                && let EventAction::Digit { digit, .. } = event.action
            {
                self.told.entry(event.channel).or_default().push(event_of_digit(digit).unwrap());
            }
        }
    }

    fn open(&mut self, voice: Voice, tone: Tone) -> usize {
        let (now, place) = (self.clock.now(), self.free.pop().unwrap());
        let local = Local { rtp: SocketAddr::new([127, 0, 0, 1].into(), 10_000 + 2 * place as u16), advertised: [127, 0, 0, 1].into() };
        let open = Open { control: Some(ControlUrl("http://c".into())), ..Open::default() };
        let key = self.media.open(open, local, now).unwrap();
        let channel = self.media.id(key).unwrap();
        let to = common::phone(place);
        let events = common::payload(101, Some(("telephone-event", voice.clock())));
        let ptime_ms = Some(voice.ptime_ms() as u16);
        let payloads = vec![voice.payload(), events];
        let target = Target { ip: to.ip(), port: to.port(), payloads, ptime_ms, direction: None, rtcp_mux: false };
        self.command(Command::Target { channel, target });
        let sound = self.loops.of(voice, tone);
        self.phones[place] = Some(Phone::new((key, channel), place, (voice, tone), sound, &mut self.rng, self.ms));
        self.tally.channels += 1;
        place
    }

    fn command(&mut self, command: Command) -> Reply {
        let reply = self.media.command(command, self.clock.now()).unwrap();
        self.events();
        reply
    }

    /// Any codec; those of iLBC half as often as others, since a frame of them costs as much time as twenty of the rest.
    fn any_voice(&mut self) -> Voice {
        let one = self.rng.below(12) as usize;
        Voice::ALL[if one < 10 { one / 2 } else { one - 5 }]
    }

    fn phone(&mut self, place: usize) -> &mut Phone {
        self.phones[place].as_mut().unwrap()
    }

    fn spawn(&mut self) {
        if self.free.len() < 6 {
            return;
        }
        self.spawned += 1;
        let kind = match self.spawned % 8 {
            0..=2 => Kind::Bridge,
            3 => Kind::Conference,
            4 => Kind::Player,
            5 => Kind::Recorded,
            6 => Kind::Echo,
            _ => Kind::Restless,
        };
        let count = match kind {
            Kind::Bridge | Kind::Recorded => 2,
            Kind::Conference => 3 + self.rng.below(4) as usize,
            Kind::Restless => 4,
            Kind::Echo | Kind::Player => 1,
        };
        // Every pair of codecs in turn.
        let pair = self.spawned / 8 * 3 + self.spawned % 8;
        let level = if matches!(kind, Kind::Conference) { AMONG } else { ALONE };
        let places: Vec<_> = (0..count)
            .map(|n| {
                let voice = match (kind, n) {
                    (Kind::Bridge, 0) => Voice::ALL[pair % 7],
                    (Kind::Bridge, _) => Voice::ALL[pair / 7 % 7],
                    _ => self.any_voice(),
                };
                let hz = [400, 550, 850, 1000, 1300, 1600][n];
                self.open(voice, Tone { hz, level })
            })
            .collect();
        let ends_ms = self.ms + 20_000 + self.rng.below(60_000);
        let mut cell = Cell { kind, places, born_ms: self.ms, ends_ms, tape: None };
        self.join(&mut cell);
        self.cells.push(cell);
    }

    fn join(&mut self, cell: &mut Cell) {
        let all: Vec<_> = cell.places.iter().map(|&place| self.phones[place].as_ref().map(|p| (p.id, p.tone, p.voice)).unwrap()).collect();
        match cell.kind {
            Kind::Bridge | Kind::Recorded => {
                self.command(Command::Mix { a: all[0].0, b: all[1].0 });
                for (n, place) in cell.places.clone().into_iter().enumerate() {
                    self.phone(place).hears = Hears::One(all[1 - n].1, all[1 - n].2);
                }
                if cell.kind == Kind::Recorded {
                    let heard = Arc::new(Mutex::new(Heard::default()));
                    self.media.record(all[0].0, Box::new(Tape(Arc::clone(&heard), "tape".into())), self.clock.now()).unwrap();
                    cell.tape = Some(heard);
                }
            }
            Kind::Conference => {
                let worst = all.iter().map(|one| one.2).max_by_key(|voice| voice.grade()).unwrap();
                for (n, place) in cell.places.clone().into_iter().enumerate() {
                    if n > 0 {
                        self.command(Command::Mix { a: all[n].0, b: all[0].0 });
                    }
                    let others = all.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, one)| one.1).collect();
                    self.phone(place).hears = Hears::Many(others, worst);
                }
            }
            Kind::Player => {
                let entry = Entry { sound: Some(Arc::clone(&self.played)), ..Entry::wav("tone.wav") };
                let soup = Soup { repeat: Repeat::Forever, entries: vec![entry], ..Soup::default() };
                self.command(Command::Play { channel: all[0].0, soup });
                self.phone(cell.places[0]).hears = Hears::One(PLAYED, Voice::Linear8k);
            }
            Kind::Echo => {
                self.command(Command::Echo { channel: all[0].0 });
                self.phone(cell.places[0]).hears = Hears::One(all[0].1, all[0].2);
            }
            Kind::Restless => {}
        }
    }

    /// Joins and parts what it finds, whatever comes of it.
    fn fidget(&mut self, places: &[usize]) {
        let ids: Vec<_> = places.iter().map(|&place| self.phones[place].as_ref().unwrap().id).collect();
        let (a, b) = (ids[self.rng.below(4) as usize], ids[self.rng.below(4) as usize]);
        let command = match self.rng.below(8) {
            0..=3 if a != b => Command::Mix { a, b },
            4 => Command::Unmix { channel: a },
            5 => Command::Echo { channel: a },
            6 => {
                let entry = Entry { sound: Some(Arc::clone(&self.played)), ..Entry::wav("tone.wav") };
                Command::Play { channel: a, soup: Soup { entries: vec![entry], ..Soup::default() } }
            }
            _ => Command::StopPlay { channel: a },
        };
        self.command(command);
    }

    fn look_after_cells(&mut self, closing: bool) {
        let mut index = 0;
        while index < self.cells.len() {
            // Each in a slot of its own.
            if (self.ms + index as u64).is_multiple_of(10) {
                self.look_after(index, closing);
                if self.is_over(index) {
                    let cell = self.cells.swap_remove(index);
                    self.bury(&cell);
                    continue;
                }
            }
            index += 1;
        }
    }

    fn look_after(&mut self, index: usize, closing: bool) {
        let (kind, places) = (self.cells[index].kind, self.cells[index].places.clone());
        let (born, ends) = (self.cells[index].born_ms, self.cells[index].ends_ms);
        if self.ms + 1500 >= ends || closing {
            if self.ms >= ends {
                for place in places {
                    let phone = self.phone(place);
                    phone.still |= !phone.is_pressing();
                }
            }
            return;
        }
        let place = places[self.rng.below(places.len() as u64) as usize];
        // One digit in six seconds.
        if self.rng.below(600) == 0 {
            let event = self.rng.below(16) as u8;
            self.phone(place).press(event);
        }
        if kind == Kind::Restless && self.rng.below(100) == 0 {
            self.fidget(&places);
        }
        let ms = self.ms;
        for place in places {
            let phone = self.phone(place);
            phone.listen(ms);
            if (ms - phone.since_ms) % CHECK_MS < 10 && ms > born + SETTLE_MS {
                self.check(kind, place);
            }
        }
        if let Some(tape) = &self.cells[index].tape
            && (ms - born) % CHECK_MS < 10
            && ms > born + SETTLE_MS
        {
            let heard = tape.lock().unwrap();
            let ticks = (ms - born) / 20;
            assert!(heard.ticks.abs_diff(ticks) <= 1, "{} ticks on tape, not {ticks}", heard.ticks);
            let phone = self.phones[self.cells[index].places[0]].as_ref().unwrap();
            if !phone.is_pressing() {
                let (level, snr) = phone.tone.find(&heard.last, 8000);
                // A decoder that lost its way after a loss is loud.
                let peak = heard.last.iter().map(|sample| u32::from(sample.unsigned_abs())).max().unwrap_or(0);
                assert!(phone.voice.grade() == Grade::Ilbc || peak < 2 * ALONE, "a tone of {ALONE} is recorded at {peak}");
                self.tally.hear(Way::Tape, phone.voice.grade(), level, snr);
            }
        }
    }

    fn check(&mut self, kind: Kind, place: usize) {
        if kind == Kind::Restless {
            return;
        }
        let phone = self.phone(place);
        let (voice, own, hears) = (phone.voice, phone.tone, phone.hears.clone());
        let Some(Window { samples, shuffled }) = phone.window() else { return };
        self.tally.windows += 1;
        match hears {
            Hears::One(tone, from) => {
                let (level, snr) = tone.find(&samples, voice.rate());
                let way = match kind {
                    Kind::Player => Way::Player,
                    Kind::Recorded => Way::Clock,
                    // Frames of 30 ms do not fit into packets of 20.
                    Kind::Bridge if (voice == Voice::Ilbc30) != (from == Voice::Ilbc30) => Way::Clock,
                    Kind::Bridge | Kind::Echo | Kind::Conference | Kind::Restless if shuffled => Way::Shuffled,
                    Kind::Bridge | Kind::Echo | Kind::Conference | Kind::Restless => Way::Packets,
                };
                self.tally.hear(way, voice.grade().max(from.grade()), level, snr);
            }
            Hears::Many(tones, worst) => {
                for tone in tones {
                    let (level, snr) = tone.find(&samples, voice.rate());
                    self.tally.hear(Way::Conference, worst.grade(), level, snr);
                }
                if worst.grade() != Grade::Ilbc {
                    self.tally.hear_own(own.find(&samples, voice.rate()).0);
                }
            }
            Hears::Any => {}
        }
    }

    /// All has been said and has arrived.
    fn is_over(&self, index: usize) -> bool {
        let cell = &self.cells[index];
        let quiet = |place: &usize| self.phones[*place].as_ref().is_some_and(Phone::is_done);
        self.ms > cell.ends_ms + 3000 && cell.places.iter().all(quiet)
    }

    fn bury(&mut self, cell: &Cell) {
        let phones: Vec<_> = cell.places.iter().filter_map(|&place| self.phones[place].take()).collect();
        for phone in &phones {
            let Reply::Closed { stats, .. } = self.command(Command::Close { channel: phone.id }) else { panic!() };
            let stats: Stats = *stats;
            phone.audit(&stats, cell.ends_ms - cell.born_ms);
            self.tally.packets += stats.input.count;
            self.closed += u64::from(phone.has_heard());
            let told = self.told.remove(&phone.id).unwrap_or_default();
            assert_eq!(words(&told), words(&phone.pressed), "what control is told of phone {}", phone.place);
            self.tally.digits += told.len() as u64;
        }
        for (n, phone) in phones.iter().enumerate() {
            let mut expected: Vec<u8> = match cell.kind {
                Kind::Bridge | Kind::Recorded | Kind::Conference => {
                    phones.iter().enumerate().filter(|(m, _)| *m != n).flat_map(|(_, other)| other.pressed.clone()).collect()
                }
                Kind::Echo => phone.pressed.clone(),
                Kind::Player => Vec::new(),
                Kind::Restless => continue,
            };
            let mut heard = phone.digits().to_vec();
            expected.sort_unstable();
            heard.sort_unstable();
            assert_eq!(words(&heard), words(&expected), "what phone {} hears of the others' digits", phone.place);
        }
        self.free.extend(&cell.places);
    }
}

fn words(events: &[u8]) -> String {
    events.iter().filter_map(|event| digit_of_event(*event)).collect()
}

/// Gives a packet to its phone. After a channel is closed its phone gets the goodbye, which is counted, and nothing else.
fn hear(phones: &mut [Option<Phone>], port: Port, to: SocketAddr, bytes: &[u8], ms: u64, now: std::time::Instant) -> u64 {
    let IpAddr::V4(ip) = to.ip() else { panic!("{to}") };
    let [_, _, high, low] = ip.octets();
    match &mut phones[usize::from(high) << 8 | usize::from(low)] {
        Some(phone) => {
            phone.hear(port, bytes, ms, now);
            0
        }
        None => {
            // The last packet of a compound of its own length: BYE with one source.
            assert!(port == Port::Rtcp && bytes[bytes.len() - 8..][..4] == [0x81, 203, 0, 1], "nobody is at {to}");
            1
        }
    }
}
