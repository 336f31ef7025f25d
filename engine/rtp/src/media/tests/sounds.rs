//! Players and recorders in channels: what goes out sample by sample, what is written, and what control is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::api::{Entry, PlayEvent, Record, RecordChannels, Soup, Ticket};
use crate::clock::Rate;
use crate::record::{RecordFile, Sink, header};
use crate::sound::Sound;

/// L16 at 8 kHz: what is sent is what was played, bit by bit.
fn linear() -> Payload {
    named(96, "L16", 8000)
}

fn ramp(first: i16, samples: i16) -> Vec<i16> {
    (first..first + samples).collect()
}

fn soup(samples: Vec<i16>) -> Soup {
    let sound = Some(Arc::new(Sound::new(8000, samples)));
    Soup { entries: vec![Entry { sound, ..Entry::wav("a.wav") }], ..Soup::default() }
}

fn samples(payload: &[u8]) -> Vec<i16> {
    payload.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect()
}

fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_be_bytes()).collect()
}

impl Bed {
    fn play(&mut self, channel: ChannelId, soup: Soup) -> u64 {
        match self.command(Command::Play { channel, soup }) {
            Ok(Reply::Playing { play }) => play,
            other => panic!("{other:?}"),
        }
    }

    /// The audio that leaves a channel in so many ticks.
    fn heard(&mut self, key: ChannelKey, ticks: usize) -> Vec<Sent> {
        let sent = (0..ticks).flat_map(|_| self.slot(&[])).filter(|s| s.port == Port::Rtp && s.via == key);
        sent.collect()
    }

    /// Events as short words.
    fn words(&mut self) -> Vec<String> {
        let events = self.events().into_iter().filter_map(|event| match event.action {
            EventAction::Play(PlayEvent::Start { play, reason }) => Some(format!("start {play} {}", reason.word())),
            EventAction::Play(PlayEvent::End { play, reason }) => Some(format!("end {play} {}", reason.word())),
            EventAction::Play(PlayEvent::Error { detail }) => Some(format!("error {detail}")),
            EventAction::Record(record) => Some(format!("{} {}", record.kind.word(), record.file)),
            EventAction::Mix(mix) => Some(format!("mix {}", mix.word())),
            EventAction::Close { reason, .. } => Some(format!("close {}", reason.word())),
            _ => None,
        });
        events.collect()
    }
}

#[test]
fn what_is_played_is_sent_sample_by_sample_in_one_stream() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[linear()]);
    assert_eq!(bed.play(id, soup(ramp(1, 400))), 1);
    let sent = bed.heard(key, 6);
    let heard: Vec<i16> = sent.iter().flat_map(|s| samples(s.payload())).collect();
    assert_eq!(heard[..400], ramp(1, 400));
    assert!(heard[400..].iter().all(|sample| *sample == 0));
    for (n, pair) in sent.windows(2).enumerate() {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!((b.ssrc, b.sequence.0, b.timestamp.0), (a.ssrc, a.sequence.0.wrapping_add(1), a.timestamp.0.wrapping_add(160)), "{n}");
    }
    assert!(sent[0].header().marker);
    assert_eq!(bed.words(), ["start 1 new", "end 1 completed"]);
    assert_eq!(bed.heard(key, 5), [], "nothing to say, no clock");
    assert_eq!(bed.play(id, soup(ramp(7, 160))), 2);
    assert_eq!(samples(bed.heard(key, 1)[0].payload()), ramp(7, 160));
}

#[test]
fn a_new_soup_replaces_the_old_and_stop_ends_it() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[linear()]);
    bed.play(id, soup(ramp(1, 8000)));
    bed.heard(key, 3);
    bed.play(id, soup(ramp(1, 9000)));
    assert_eq!(samples(bed.heard(key, 1)[0].payload())[0], 481, "the same file goes on");
    assert_eq!(bed.command(Command::StopPlay { channel: id }), Ok(Reply::Done));
    assert_eq!(bed.heard(key, 3), []);
    assert_eq!(bed.words(), ["start 1 new", "end 1 replaced", "start 2 replaced", "end 2 interrupted"]);
    assert_eq!(bed.command(Command::StopPlay { channel: id }), Ok(Reply::Done), "nothing to stop is no mistake");
}

#[test]
fn a_soup_that_cannot_be_played_changes_nothing_and_is_told() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[linear()]);
    bed.play(id, soup(ramp(1, 8000)));
    bed.heard(key, 1);
    let bad = Soup { failure: Some("a.wav: not there".into()), ..Soup::default() };
    assert_eq!(bed.command(Command::Play { channel: id, soup: bad }), Err(CommandError::Bad("a.wav: not there".into())));
    assert_eq!(samples(bed.heard(key, 1)[0].payload())[0], 161);
    assert_eq!(bed.words(), ["start 1 new", "error a.wav: not there"]);
    let (_, silent) = bed.open();
    assert_eq!(bed.command(Command::Play { channel: silent, soup: soup(ramp(1, 100)) }).unwrap_err().status(), 422);
}

#[test]
fn mixing_and_echo_end_a_play_but_a_member_hears_its_own_alone() {
    let mut bed = Bed::new();
    let ((ka, a), (kb, b)) = (bed.call(A, &[linear()]), bed.call(B, &[linear()]));
    bed.play(a, soup(ramp(1, 8000)));
    bed.heard(ka, 1);
    assert_eq!(bed.words(), ["start 1 new"]);
    bed.command(Command::Mix { a, b }).unwrap();
    assert_eq!(bed.words(), ["mix start", "mix start", "end 1 channelmixing"]);
    assert_eq!(bed.play(a, soup(vec![500; 320])), 2);
    let mut phone = Phone::new(B, 96);
    let mut heard = Vec::new();
    for _ in 0..20 {
        let packet = phone.packet(&octets(&[9000; 160]));
        heard.extend(bed.slot(&[(kb, phone.from, packet)]).into_iter().filter(|s| s.via == ka && s.port == Port::Rtp));
    }
    let first = |s: &Sent| samples(s.payload())[159];
    assert_eq!(heard[..2].iter().map(first).collect::<Vec<_>>(), [500, 500], "the soup alone");
    assert!(first(heard.last().unwrap()) > 8000, "then the other member again");
    assert_eq!(bed.words(), ["start 2 new", "end 2 completed"]);
    bed.play(a, soup(ramp(1, 8000)));
    bed.command(Command::Echo { channel: a }).unwrap();
    let words = bed.words();
    assert!(words.contains(&"end 3 doecho".to_owned()), "{words:?}");
}

#[test]
fn a_digit_ends_a_soup_that_may_be_interrupted_and_no_other() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[linear(), named(101, "telephone-event", 8000)]);
    let mut phone = Phone::new(A, 101);
    // RFC 4733 §2.3: event 5, volume 10, duration; the end flag in the last.
    let press = |bed: &mut Bed, phone: &mut Phone| {
        for payload in [[5, 10, 0, 160], [5, 10, 1, 64], [5, 0x8a, 1, 224]] {
            let mut packet = phone.packet(&payload);
            // One event, one timestamp.
            packet[4..8].copy_from_slice(&phone.timestamp.next_multiple_of(1 << 20).to_be_bytes());
            bed.slot(&[(key, phone.from, packet)]);
        }
    };
    bed.play(id, Soup { interrupt: false, ..soup(ramp(1, 16_000)) });
    press(&mut bed, &mut phone);
    assert_eq!(bed.words(), ["start 1 new"]);
    bed.play(id, Soup { interrupt: true, ..soup(ramp(1, 16_000)) });
    phone.timestamp += 1 << 20;
    press(&mut bed, &mut phone);
    assert_eq!(bed.words(), ["end 1 replaced", "start 2 replaced", "end 2 telephone-event"]);
    assert_eq!(bed.heard(key, 3), []);
}

/// A file in memory: blocks by place.
#[derive(Debug, Default)]
struct Memory {
    blocks: Mutex<BTreeMap<u64, Vec<u8>>>,
    end: Mutex<Option<u64>>,
}

impl RecordFile for Memory {
    fn ticket(&self) -> Ticket {
        Ticket(1)
    }

    fn write(&self, place: u64, block: &mut Vec<u8>) -> bool {
        self.blocks.lock().unwrap().insert(place, std::mem::take(block));
        true
    }

    fn finish(&self, data: u64) {
        *self.end.lock().unwrap() = Some(data);
    }

    fn is_broken(&self) -> bool {
        false
    }
}

impl Memory {
    /// Samples of all channels, beside each other.
    fn samples(&self) -> Vec<i16> {
        let mut bytes = vec![0; self.end.lock().unwrap().unwrap() as usize];
        for (place, block) in &*self.blocks.lock().unwrap() {
            bytes[*place as usize..][..block.len()].copy_from_slice(block);
        }
        bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    }
}

fn record(name: &str, channels: RecordChannels) -> (Box<Record>, Arc<Memory>) {
    let mut record = Record { channels, ..Record::new(name) };
    let file = Arc::new(Memory::default());
    let header = header(&record, "L16/8000", Rate::Narrow);
    record.sink = Some(Sink { file: Arc::clone(&file) as _, header, rate: Rate::Narrow });
    (Box::new(record), file)
}

#[test]
fn both_directions_are_recorded_sample_by_sample_on_the_channels_clock() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[linear()]);
    let (record, file) = record("a.wav", RecordChannels::Stereo);
    assert_eq!(bed.command(Command::Record { channel: id, record }), Ok(Reply::Done));
    bed.play(id, soup(ramp(1, 1600)));
    let mut phone = Phone::new(A, 96);
    for n in 0..40_i16 {
        // The far end speaks for 20 ticks and is silent, without packets, for the rest.
        let packet = phone.packet(&octets(&ramp(20_000 + n * 160, 160)));
        let packets = if n < 20 { vec![(key, phone.from, packet)] } else { vec![] };
        bed.slot(&packets);
    }
    bed.command(Command::StopRecord { channel: id, file: Some("a.wav".into()) }).unwrap();
    let both = file.samples();
    let (left, right): (Vec<i16>, Vec<i16>) = both.as_chunks::<2>().0.iter().map(|[l, r]| (*l, *r)).unzip();
    assert_eq!(left.len(), 40 * 160, "one frame for each tick, spoken or not");
    assert_eq!(right[..1600], ramp(1, 1600));
    assert!(right[1600..].iter().all(|sample| *sample == 0));
    // After the delay of the jitter buffer, in one piece.
    let start = left.iter().position(|sample| *sample == 20_320).expect("the third frame at the latest");
    let spoken = 20 * 160 - 320;
    assert_eq!(left[start..start + spoken], ramp(20_320, spoken as i16));
    assert!(start <= 160 * 8, "{start}");
    assert!(left[left.len() - 160..].iter().all(|sample| sample.abs() < 100), "silence, not the last sound for ever");
    assert_eq!(bed.words(), ["start 1 new", "end 1 completed", "recording a.wav", "finished.requested a.wav"]);
}

#[test]
fn a_recording_is_told_to_pause_finished_and_ended_with_its_channel() {
    let mut bed = Bed::new();
    let (key, id) = bed.call(A, &[linear()]);
    let begin = |bed: &mut Bed, name: &str| {
        let (record, file) = record(name, RecordChannels::Mono);
        bed.command(Command::Record { channel: id, record }).map(|_| file)
    };
    let tell = |bed: &mut Bed, record: Record| bed.command(Command::Record { channel: id, record: Box::new(record) });
    let file = begin(&mut bed, "a.wav").unwrap();
    assert_eq!(begin(&mut bed, "a.wav").unwrap_err().status(), 409);
    bed.heard(key, 10);
    assert_eq!(tell(&mut bed, Record { pause: Some(true), ..Record::new("a.wav") }), Ok(Reply::Done));
    bed.heard(key, 10);
    assert_eq!(tell(&mut bed, Record { pause: Some(false), ..Record::new("a.wav") }), Ok(Reply::Done));
    bed.heard(key, 5);
    assert_eq!(tell(&mut bed, Record { finish: true, ..Record::new("a.wav") }), Ok(Reply::Done));
    assert_eq!(file.samples().len(), 15 * 160);
    for refused in [Record { finish: true, ..Record::new("a.wav") }, Record { pause: Some(true), ..Record::new("b.wav") }] {
        assert_eq!(tell(&mut bed, refused).unwrap_err().status(), 409);
    }
    assert_eq!(bed.command(Command::StopRecord { channel: id, file: Some("a.wav".into()) }).unwrap_err().status(), 409);
    for name in ["1.wav", "2.wav", "3.wav", "4.wav"] {
        begin(&mut bed, name).unwrap();
    }
    assert_eq!(begin(&mut bed, "5.wav").unwrap_err().status(), 503);
    let Ok(Reply::Channel(view)) = bed.command(Command::Get { channel: id }) else { panic!() };
    assert_eq!(view.records.iter().map(|name| &**name).collect::<Vec<_>>(), ["1.wav", "2.wav", "3.wav", "4.wav"]);
    bed.heard(key, 1);
    bed.words();
    bed.play(id, soup(ramp(1, 8000)));
    bed.command(Command::Close { channel: id }).unwrap();
    let words = bed.words();
    assert_eq!(words[..2], ["start 1 new", "end 1 channelclosed"]);
    assert_eq!(words[2..6].iter().filter(|word| word.starts_with("finished.channelclosed")).count(), 4, "{words:?}");
    assert_eq!(words[6..], ["close requested"]);
}

#[test]
fn a_thousand_listeners_share_one_sound() {
    let mut bed = Bed::with(Config { channels_max: 1000, ..Config::default() });
    let sound = Arc::new(Sound::new(8000, ramp(1, 160)));
    let channels: Vec<_> = (0..1000).map(|n| bed.call(&format!("127.0.1.{}:{}", n / 250, 4000 + 2 * (n % 250)), &[linear()])).collect();
    for (_, id) in &channels {
        let entries = vec![Entry { sound: Some(Arc::clone(&sound)), ..Entry::wav("a.wav") }];
        bed.play(*id, Soup { entries, ..Soup::default() });
    }
    assert_eq!(Arc::strong_count(&sound), 1001);
    let sent: Vec<Sent> = (0..21).flat_map(|_| bed.slot_after(Duration::from_millis(1), &[])).filter(|s| s.port == Port::Rtp).collect();
    let first = sent.iter().filter(|s| samples(s.payload()) == ramp(1, 160)).count();
    assert_eq!(first, 1000);
    bed.heard(channels[0].0, 2);
    bed.outputs();
    assert_eq!(Arc::strong_count(&sound), 1, "players that ended are gone");
}

#[test]
fn who_is_played_to_and_is_mixed_keeps_no_second_clock_and_is_told_the_end() {
    for player_joins in [false, true] {
        let mut bed = Bed::new();
        let [(_, a), (_, b)] = [bed.call(A, &[linear()]), bed.call(B, &[linear()])];
        bed.play(b, soup(ramp(0, 16_000)));
        bed.heard(ChannelKey { slot: 9, generation: 0 }, 5);
        bed.events();
        let mix = if player_joins { Command::Mix { a: b, b: a } } else { Command::Mix { a, b } };
        bed.command(mix).unwrap();
        let words = bed.words();
        assert!(words.iter().any(|word| word.contains("channelmixing")), "{words:?}");
        assert_eq!(bed.media.groups.counts(), (0, 0), "a plain pair again");
        bed.play(b, soup(ramp(0, 16_000)));
        assert_eq!(bed.media.groups.counts(), (1, 2));
        for channel in [a, b] {
            bed.command(Command::Close { channel }).unwrap();
        }
        assert_eq!(bed.media.groups.counts(), (0, 0));
    }
}
