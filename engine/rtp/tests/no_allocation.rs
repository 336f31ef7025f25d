//! Between the receipt of a packet and its sending nothing is allocated, counted by the allocator itself; and an idle
//! channel costs what its budget allows.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, Mutex};

use common::{SLOT, call, media, mix, packet, payload, phone};
use rtp::api::{Command, Direction, Dtmf, Entry, Record, RecordChannels, Repeat, Soup, Ticket};
use rtp::clock::Rate;
use rtp::media::{ChannelKey, Port, Verdict};
use rtp::packet::RtpHeader;
use rtp::record::{RecordFile, Sink, block_bytes, header};
use rtp::sound::Sound;
use rtp::stream::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use rtp::wav::Header;

/// The system's allocator, counting calls and bytes of this thread.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    CALLS.with(|c| c.set(c.get() + 1));
    LIVE_BYTES.with(|b| b.set(b.get() + bytes));
}

// SAFETY: every call goes to `System` unchanged; the counters are thread-local cells without destructor or allocation.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated_between_receive_and_send() {
    let mut clock = sim::Clock::new();
    let mut media = media(70, clock.now());
    // Every pair of codecs, relayed, converted in place, and in batches; every fourth pair has a third codec.
    let ilbc = rtp::api::Payload { fmtp: Some("mode=20".into()), ..payload(98, Some(("iLBC", 8000))) };
    let kinds =
        [payload(0, None), payload(8, None), payload(96, Some(("L16", 8000))), payload(97, Some(("L16", 16000))), payload(9, None), ilbc];
    let mut keys = Vec::new();
    for n in 0..32 {
        let (a, b) = (&kinds[n % 6], &kinds[(n + n / 6) % 6]);
        let one = call(&mut media, 2 * n, std::slice::from_ref(a), clock.now());
        let other = call(&mut media, 2 * n + 1, std::slice::from_ref(b), clock.now());
        mix(&mut media, one.1, other.1, clock.now());
        keys.extend([(one, a.number), (other, b.number)]);
    }
    // Six more meet in two conferences, of one codec and of several.
    for group in [[0, 0, 0], [1, 4, 5]] {
        let members = group.map(|kind| {
            let n = keys.len();
            let member = call(&mut media, n, std::slice::from_ref(&kinds[kind]), clock.now());
            keys.push((member, kinds[kind].number));
            member.1
        });
        mix(&mut media, members[1], members[0], clock.now());
        mix(&mut media, members[2], members[0], clock.now());
    }
    while media.poll_output().is_some() {}
    let (mut sent, mut reports, mut allocations) = (0u64, 0u64, 0u64);
    let mut late = Vec::new();
    for n in 0..600u32 {
        let now = clock.advance(20 * SLOT);
        let mut packets: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(k, ((key, _), number))| {
                let (rate, len) = match number {
                    96 => (8000, 320),
                    97 => (16000, 640),
                    98 => (8000, 38),
                    _ => (8000, 160),
                };
                (*key, phone(k), packet(*number, k as u32, n, rate, &vec![0x55; len]))
            })
            .collect();
        // Now and then a packet of each comes after the next one, as far as the codecs of bridges wait for it.
        if n % 7 == 3 {
            late = std::mem::take(&mut packets);
        } else if n % 7 == 4 {
            packets.append(&mut late);
        }
        // Every third slot an injector, and something that is no RTP at all.
        packets.push((keys[0].0.0, phone(999), packet(0, 1, n, 8000, &[0; 160])));
        packets.push((keys[0].0.0, phone(0), vec![0, 1, 2]));
        if n == 300 {
            let direction = Direction { send: false, recv: true };
            media.command(Command::Direction { channel: keys[5].0.1, direction }, now).unwrap();
        }
        let before = CALLS.with(Cell::get);
        media.begin(now);
        for (key, from, packet) in &mut packets {
            sent += u64::from(matches!(media.receive(*key, Port::Rtp, *from, packet), Verdict::Forward(_)));
        }
        media.run();
        for t in media.transmits() {
            sent += u64::from(t.port == Port::Rtp);
            reports += u64::from(t.port == Port::Rtcp);
        }
        allocations += CALLS.with(Cell::get) - before;
        // Events of the first packets are made here, where allocating is allowed.
        while media.poll_output().is_some() {}
    }
    assert_eq!(allocations, 0);
    // The first that is overtaken is lost where a codec of its bridge remembers; from then on it is waited for.
    let remembers = |kind: u8| matches!(kind, 9 | 98);
    let bridges = keys[..64].chunks_exact(2).map(|pair| (pair[0].1, pair[1].1));
    let learning = 2 * bridges.filter(|(a, b)| a != b && (remembers(*a) || remembers(*b))).count() as u64;
    assert!(learning > 20);
    assert_eq!(sent, 600 * 70 - 300 - learning, "all but those to the channel on hold");
    assert!(reports > 64, "{reports}");
}

/// A file that takes blocks as one on a disk does: they wait in a bounded queue, and go round.
#[derive(Debug)]
struct File {
    ticket: u64,
    /// Blocks written, and how many each: what is full is not moved to the disk but emptied.
    round: Mutex<(heapless::Deque<Vec<u8>, 3>, usize)>,
}

impl File {
    fn new(ticket: u64, header: &Header) -> Arc<Self> {
        let mut empty = heapless::Deque::new();
        for _ in 0..2 {
            empty.push_back(Vec::with_capacity(block_bytes(header))).unwrap();
        }
        Arc::new(Self { ticket, round: Mutex::new((empty, 0)) })
    }
}

impl RecordFile for File {
    fn ticket(&self) -> Ticket {
        Ticket(self.ticket)
    }

    fn write(&self, _: u64, block: &mut Vec<u8>) -> bool {
        let mut round = self.round.lock().unwrap();
        let mut full = std::mem::replace(block, round.0.pop_front().unwrap());
        full.clear();
        round.0.push_back(full).unwrap();
        round.1 += 1;
        true
    }

    fn finish(&self, _: u64) {}

    fn is_broken(&self) -> bool {
        false
    }
}

/// A phone that sends packets of its own length.
struct Speaker {
    key: ChannelKey,
    number: u8,
    rate: u32,
    ptime_ms: u32,
    octets: usize,
}

#[test]
fn nothing_is_allocated_by_players_recorders_digits_and_packets_of_odd_length() {
    let mut clock = sim::Clock::new();
    let mut media = media(32, clock.now());
    let events = payload(101, Some(("telephone-event", 8000)));
    let ilbc_30 = payload(98, Some(("iLBC", 8000)));
    // Payload, clock, length of packets, octets of each.
    let pcmu = |ptime_ms: u32| (payload(0, None), 8000, ptime_ms, 8 * ptime_ms as usize);
    let g722 = |ptime_ms: u32| (payload(9, None), 8000, ptime_ms, 8 * ptime_ms as usize);
    let ilbc = (ilbc_30, 8000, 30, 50);
    let pairs = [
        [pcmu(20), pcmu(20)],
        [pcmu(10), g722(20)],
        [pcmu(30), ilbc.clone()],
        [ilbc, g722(20)],
        [pcmu(60), g722(30)],
        [g722(10), pcmu(50)],
    ];
    let mut speakers = Vec::new();
    let mut ids = Vec::new();
    // Each pair bridged; then each kind alone, to be played to and recorded.
    for (n, (payload, rate, ptime_ms, octets)) in pairs.iter().chain(&pairs).flatten().enumerate() {
        let (key, id) = call(&mut media, n, &[payload.clone(), events.clone()], clock.now());
        speakers.push(Speaker { key, number: payload.number, rate: *rate, ptime_ms: *ptime_ms, octets: *octets });
        ids.push(id);
    }
    for pair in ids[..12].chunks_exact(2) {
        mix(&mut media, pair[0], pair[1], clock.now());
    }
    let mut files = Vec::new();
    let sound = Arc::new(Sound::new(8000, vec![1000; 800]));
    for (n, &channel) in ids.iter().enumerate() {
        if n >= 12 {
            let entry = Entry { sound: Some(Arc::clone(&sound)), ..Entry::wav("a.wav") };
            let soup = Soup { entries: vec![entry.clone(), entry], repeat: Repeat::Forever, ..Soup::default() };
            assert!(media.command(Command::Play { channel, soup }, clock.now()).is_ok());
        }
        // Players, and every second bridge, are recorded: mono and stereo, with and without gates.
        if n >= 12 || n % 4 < 2 {
            let channels = if n % 2 == 0 { RecordChannels::Mono } else { RecordChannels::Stereo };
            let mut record = Record { channels, ..Record::new("a.wav") };
            record.start_above_power = (n % 3 == 0).then_some(10);
            let header = header(&record, if n % 5 == 0 { "PCMA" } else { "L16/8000" }, Rate::Narrow);
            let file = File::new(n as u64, &header);
            record.sink = Some(Sink { file: Arc::clone(&file) as _, header, rate: Rate::Narrow });
            assert!(media.command(Command::Record { channel, record: Box::new(record) }, clock.now()).is_ok());
            files.push(file);
        }
    }
    while media.poll_output().is_some() {}
    let (mut sent, mut allocations, mut digits) = (0u64, Vec::new(), 0u64);
    for ms in (0..10_000u32).step_by(10) {
        let now = clock.advance(10 * SLOT);
        let mut packets = Vec::new();
        for (k, speaker) in speakers.iter().enumerate() {
            if !ms.is_multiple_of(speaker.ptime_ms) || (ms / speaker.ptime_ms) % 50 == 17 {
                // One in fifty is lost.
                continue;
            }
            let packet = |number: u8, timestamp: u32, payload: &[u8]| {
                let header = RtpHeader {
                    marker: false,
                    payload_type: PayloadType::new(number).unwrap(),
                    sequence: SequenceNumber((ms / speaker.ptime_ms) as u16),
                    timestamp: RtpTimestamp(timestamp),
                    ssrc: Ssrc(k as u32),
                };
                [&header.to_bytes()[..], payload].concat()
            };
            // A digit of 200 ms each second, in place of speech (RFC 4733 §2.3).
            let (second, within) = (ms / 1000, ms % 1000);
            let end = if within >= 200 - speaker.ptime_ms { 0x80 } else { 0 };
            let duration = (8 * (within + speaker.ptime_ms)) as u16;
            packets.push((
                speaker.key,
                phone(k),
                if within < 200 && second % 2 == 1 {
                    let event = [(second % 10) as u8, end | 10, (duration >> 8) as u8, duration as u8];
                    packet(101, second * 8000, &event)
                } else {
                    packet(speaker.number, ms * (speaker.rate / 1000), &vec![0x55 ^ (ms / 10) as u8; speaker.octets])
                },
            ));
        }
        if ms == 3000 {
            for &channel in &ids {
                let dtmf = Dtmf { digits: vec![1, 2, 16], duration_ms: 100, gap_ms: 100, inband: None };
                media.command(Command::Dtmf { channel, dtmf }, now).unwrap();
            }
        }
        let before = CALLS.with(Cell::get);
        media.begin(now);
        for (key, from, packet) in &mut packets {
            sent += u64::from(matches!(media.receive(*key, Port::Rtp, *from, packet), Verdict::Forward(_)));
        }
        media.run();
        for t in media.transmits().filter(|t| t.port == Port::Rtp) {
            sent += 1;
            digits += u64::from(t.bytes[1] & 0x7f == 101);
        }
        let made = CALLS.with(Cell::get) - before;
        if made > 0 {
            allocations.push((ms, made));
        }
        // Events are made here, where allocating is allowed.
        while media.poll_output().is_some() {}
    }
    assert_eq!(allocations, []);
    assert!(sent > 24 * 160 && digits > 24 * 3 * 5 + 12 * 5 * 8, "{sent} {digits}");
    for file in files {
        let blocks = file.round.lock().unwrap().1;
        assert!((17..=20).contains(&blocks), "{}: {blocks}", file.ticket);
    }
}

#[test]
fn an_idle_channel_costs_less_than_its_budget() {
    let clock = sim::Clock::new();
    let mut media = media(1000, clock.now());
    let before = LIVE_BYTES.with(Cell::get);
    for n in 0..1000 {
        call(&mut media, n, &[payload(0, None), payload(8, None), payload(101, None)], clock.now());
    }
    while media.poll_output().is_some() {}
    let boxed = (LIVE_BYTES.with(Cell::get) - before) / 1000;
    // The table's own part was taken at the start: one entry per channel.
    let table = {
        let before = LIVE_BYTES.with(Cell::get);
        let small = common::media(1, clock.now());
        let one = LIVE_BYTES.with(Cell::get) - before;
        let large = common::media(1001, clock.now());
        let both = LIVE_BYTES.with(Cell::get) - before;
        drop((small, large));
        (both - 2 * one) / 1000
    };
    println!("idle channel: {boxed} bytes of its own + {table} bytes in tables");
    assert!(table < 4 << 10 && boxed + table < 8 << 10);
}

#[test]
fn a_channel_with_g722_both_ways_and_a_jitter_buffer_costs_less_than_its_budget() {
    let clock = sim::Clock::new();
    let mut media = media(300, clock.now());
    let before = LIVE_BYTES.with(Cell::get);
    let calls: Vec<_> = (0..300).map(|n| call(&mut media, n, &[payload(9, None), payload(101, None)], clock.now())).collect();
    for three in calls.chunks_exact(3) {
        mix(&mut media, three[1].1, three[0].1, clock.now());
        mix(&mut media, three[2].1, three[0].1, clock.now());
    }
    while media.poll_output().is_some() {}
    let bytes = (LIVE_BYTES.with(Cell::get) - before) / 300;
    println!("channel in a conference of three, G.722: {bytes} bytes of its own");
    // Its part of the tables, measured above, is under 4 KiB.
    assert!(bytes + (4 << 10) < 24 << 10, "{bytes}");
}
