//! Gain, mute and speakers, sample by sample.

use super::*;
use crate::api::{LevelChange, Levels};

const LOUD: i16 = 8000;
const C: &str = "127.0.0.4:6000";

/// L16 at 8 kHz: what is heard is what was mixed.
fn linear() -> Payload {
    named(96, "L16", 8000)
}

/// Channels whose phones all say the same value for ever, each its own.
struct Voices {
    bed: Bed,
    members: Vec<(ChannelKey, ChannelId, Phone, i16)>,
}

impl Voices {
    fn new(levels: &[i16]) -> Self {
        let mut bed = Bed::new();
        let members = levels.iter().zip([A, B, C]).map(|(level, from)| {
            let (key, id) = bed.call(from, &[linear(), plain(101)]);
            (key, id, Phone::new(from, 96), *level)
        });
        let members = members.collect();
        Self { bed, members }
    }

    fn id(&self, n: usize) -> ChannelId {
        self.members[n].1
    }

    fn mix(&mut self, a: usize, b: usize) {
        assert_eq!(self.bed.command(Command::Mix { a: self.id(a), b: self.id(b) }), Ok(Reply::Done));
    }

    fn change(&mut self, n: usize, change: LevelChange) -> Result<Reply, CommandError> {
        let channel = self.id(n);
        self.bed.command(Command::Level { channel, change })
    }

    /// All say 20 ms; what comes of it is the caller's to fetch.
    fn tick(&mut self) {
        let say = |(key, _, phone, level): &mut (ChannelKey, ChannelId, Phone, i16)| {
            (*key, phone.from, phone.packet(&level.to_be_bytes().repeat(160)))
        };
        let packets: Vec<_> = self.members.iter_mut().map(say).collect();
        self.bed.slot(&packets);
    }

    /// What each hears in so many ticks.
    fn run(&mut self, ticks: usize) -> Vec<Vec<i16>> {
        let mut heard = vec![Vec::new(); self.members.len()];
        for _ in 0..ticks {
            let packets: Vec<_> = self
                .members
                .iter_mut()
                .map(|(key, _, phone, level)| (*key, phone.from, phone.packet(&level.to_be_bytes().repeat(160))))
                .collect();
            for sent in self.bed.slot(&packets).into_iter().filter(|sent| sent.port == Port::Rtp) {
                let n = self.members.iter().position(|(key, ..)| *key == sent.via).unwrap();
                heard[n].extend(sent.payload().as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)));
            }
            // As the driver does after each slot.
            while self.bed.media.poll_output().is_some() {}
        }
        heard
    }

    /// What each hears in the end, after a change has glided there without a step.
    fn settled(&mut self) -> Vec<i16> {
        let heard = self.run(25);
        for heard in &heard {
            let step = heard.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap_or(0);
            // The whole way within a frame of 160 samples, three voices at a time.
            assert!(step <= 3 * 2 * i32::from(LOUD) / 160 + 2, "a step of {step}");
        }
        heard.iter().map(|heard| heard.last().copied().unwrap_or(0)).collect()
    }

    fn group(&mut self, n: usize) -> Option<crate::api::GroupView> {
        let channel = self.id(n);
        match self.bed.command(Command::Get { channel }) {
            Ok(Reply::Channel(view)) => view.group,
            other => panic!("{other:?}"),
        }
    }
}

fn near(heard: i16, wanted: f64) -> bool {
    (f64::from(heard) - wanted).abs() <= 3.0 + wanted / 100.0
}

#[test]
fn a_member_is_made_softer_and_louder_without_a_step() {
    let mut v = Voices::new(&[LOUD, 1000, 0]);
    v.mix(0, 1);
    v.mix(2, 0);
    v.run(25);
    let plain = v.settled();
    assert!(near(plain[2], 9000.0), "{plain:?}");
    v.change(0, LevelChange { in_db: Some(-20.0), ..LevelChange::default() }).unwrap();
    let softer = v.settled();
    assert!(near(softer[2], 1800.0) && near(softer[1], 800.0) && near(softer[0], 1000.0), "{softer:?}");
    v.change(2, LevelChange { out_db: Some(6.0), ..LevelChange::default() }).unwrap();
    let louder = v.settled();
    assert!(near(louder[2], 1800.0 * 1.995) && near(louder[1], 800.0), "{louder:?}");
    v.change(1, LevelChange { in_db: Some(-900.0), ..LevelChange::default() }).unwrap();
    let Ok(Reply::Channel(view)) = v.bed.command(Command::Get { channel: v.id(1) }) else { panic!() };
    assert_eq!(view.levels, Levels { in_db: -60.0, ..Levels::default() }, "bounded");
}

#[test]
fn mute_works_each_way_and_both_and_ends_as_softly_as_it_begins() {
    let mut v = Voices::new(&[LOUD, 1000, 500]);
    v.mix(0, 1);
    v.mix(2, 0);
    v.run(25);
    let mute = |mute_in, mute_out| LevelChange { mute_in: Some(mute_in), mute_out: Some(mute_out), ..LevelChange::default() };
    v.change(0, mute(true, false)).unwrap();
    assert_eq!(v.settled(), [1500, 500, 1000]);
    v.change(0, mute(false, true)).unwrap();
    assert_eq!(v.settled(), [0, 8500, 9000], "the stream to who hears nothing goes on");
    v.change(0, mute(true, true)).unwrap();
    assert_eq!(v.settled(), [0, 500, 1000]);
    v.change(0, mute(false, false)).unwrap();
    assert_eq!(v.settled(), [1500, 8500, 9000]);
}

#[test]
fn joining_and_leaving_make_no_step() {
    let mut v = Voices::new(&[LOUD, 1000, 6000]);
    // By the clock from the beginning, so that all goes through one path.
    v.change(1, LevelChange { out_db: Some(-0.1), ..LevelChange::default() }).unwrap();
    v.mix(0, 1);
    v.run(25);
    for joins in [true, false, true, false] {
        if joins {
            v.mix(2, 0);
        } else {
            v.bed.command(Command::Unmix { channel: v.id(2) }).unwrap();
        }
        let heard = v.run(25);
        for heard in &heard[..2] {
            let step = heard.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
            // 6000 within a frame; who leaves fades with what concealment makes of it.
            assert!(step <= 60, "a step of {step}, joins: {joins}");
        }
        let with = if joins { 6000.0 } else { 0.0 };
        let last = [heard[0].last().copied().unwrap(), heard[1].last().copied().unwrap()];
        assert!(near(last[0], 1000.0 + with) && near(last[1], (8000.0 + with) * 0.9886), "{last:?}");
    }
}

#[test]
fn the_gain_of_a_group_is_that_of_all_its_voices() {
    let mut v = Voices::new(&[2000, 1000, 500]);
    assert_eq!(v.change(0, LevelChange { group_db: Some(6.0), ..LevelChange::default() }).unwrap_err().status(), 409);
    v.mix(0, 1);
    assert_eq!((v.settled(), v.bed.media.transcodes()), (vec![1000, 2000, 0], 0));
    v.change(1, LevelChange { group_db: Some(6.0), ..LevelChange::default() }).unwrap();
    let pair = v.run(30).iter().map(|heard| heard.last().copied().unwrap_or(0)).collect::<Vec<_>>();
    assert!(near(pair[0], 1995.0) && near(pair[1], 3990.0), "{pair:?}");
    v.mix(2, 0);
    let three = v.settled();
    assert!(near(three[0], 2992.0) && near(three[2], 5985.0), "who joins has it too: {three:?}");
    assert_eq!(v.group(2).map(|group| (group.members, group.gain_db)), Some((3, 6.0)));
}

#[test]
fn a_pair_runs_by_the_clock_only_while_its_sound_is_changed() {
    let mut v = Voices::new(&[2000, 1000]);
    v.change(0, LevelChange { mute_in: Some(true), ..LevelChange::default() }).unwrap();
    v.mix(0, 1);
    assert_eq!((v.run(30)[1].last(), v.bed.media.transcodes()), (Some(&0), 2), "it was muted before");
    v.change(0, LevelChange { mute_in: Some(false), ..LevelChange::default() }).unwrap();
    assert_eq!((v.settled(), v.bed.media.transcodes()), (vec![1000, 2000], 0));
    v.change(1, LevelChange { out_db: Some(-6.0), ..LevelChange::default() }).unwrap();
    assert_eq!(v.bed.media.transcodes(), 2);
    assert!(near(v.run(30)[1].last().copied().unwrap(), 1002.4));
}

#[test]
fn speakers_are_named_loudest_first_and_who_is_muted_is_none() {
    let mut v = Voices::new(&[1000, LOUD, 20]);
    v.mix(0, 1);
    assert_eq!(v.group(0), None, "nobody listens to what is only passed on");
    v.mix(2, 0);
    v.run(20);
    let (a, b) = (v.id(0), v.id(1));
    assert_eq!(v.group(2).unwrap().speakers, [b, a]);
    v.change(1, LevelChange { mute_in: Some(true), ..LevelChange::default() }).unwrap();
    v.run(40);
    assert_eq!(v.group(2).unwrap().speakers, [a]);
}

/// Runs so many ticks, and gives the lists of speakers that were told meanwhile.
fn told(v: &mut Voices, ticks: usize) -> Vec<Vec<ChannelId>> {
    let mut all = Vec::new();
    for _ in 0..ticks {
        v.tick();
        all.extend(v.bed.events().into_iter().filter_map(|event| match event.action {
            EventAction::Speakers(speakers) => Some(speakers),
            _ => None,
        }));
    }
    all
}

#[test]
fn speakers_are_told_when_they_change_and_not_too_often() {
    let mut v = Voices::new(&[1000, LOUD, 0]);
    let [a, b, c] = [0, 1, 2].map(|n| v.id(n));
    v.mix(0, 1);
    v.mix(2, 0);
    assert_eq!(told(&mut v, 50), [[]; 0], "nobody asked");
    v.bed.command(Command::Speakers { channel: c, interval_ms: Some(1000) }).unwrap();
    assert_eq!(told(&mut v, 200), [[b, a]]);
    // Silent for a moment: a pause between words.
    v.members[0].3 = 0;
    assert_eq!(told(&mut v, 20), [[]; 0]);
    v.members[0].3 = 1000;
    assert_eq!(told(&mut v, 100), [[]; 0]);
    // One falls silent and the other too within the interval: told once the interval is over.
    v.members[0].3 = 0;
    assert_eq!(told(&mut v, 35), [[b]]);
    v.members[1].3 = 0;
    assert_eq!(told(&mut v, 40), [[]; 0]);
    assert_eq!(told(&mut v, 40), [[]]);
    v.bed.command(Command::Speakers { channel: c, interval_ms: None }).unwrap();
    v.members[1].3 = LOUD;
    assert_eq!(told(&mut v, 100), [[]; 0]);
}

#[test]
fn a_pair_is_listened_to_while_one_of_it_wants_to_know_who_speaks() {
    let mut v = Voices::new(&[1000, 0]);
    let [a, b] = [0, 1].map(|n| v.id(n));
    v.mix(0, 1);
    v.bed.command(Command::Speakers { channel: b, interval_ms: Some(100) }).unwrap();
    assert_eq!((told(&mut v, 20), v.bed.media.transcodes()), (vec![vec![a]], 2));
    v.bed.command(Command::Speakers { channel: b, interval_ms: None }).unwrap();
    v.members[0].3 = 0;
    assert_eq!((told(&mut v, 100), v.bed.media.transcodes()), (vec![], 0));
    v.bed.command(Command::Speakers { channel: b, interval_ms: Some(100) }).unwrap();
    v.bed.command(Command::Unmix { channel: a }).unwrap();
    assert_eq!(v.bed.media.transcodes(), 0, "alone nobody needs to be listened to");
}

#[test]
fn digits_of_who_is_muted_are_told_and_not_passed_on() {
    for (muted, passed) in [(None, true), (Some(0), false), (Some(1), false)] {
        let mut v = Voices::new(&[0, 0]);
        v.mix(0, 1);
        if let Some(n) = muted {
            v.change(n, LevelChange { mute_in: Some(n == 0), mute_out: Some(n == 1), ..LevelChange::default() }).unwrap();
        }
        v.bed.outputs();
        let (key, _, mut phone, _) = v.members[0].clone();
        phone.payload_type = 101;
        let mut digits = 0;
        for n in 1..20u16 {
            let end = if n > 10 { 0x80 } else { 0 };
            let mut packet = phone.packet(&[&[5, end | 10][..], &(n.min(10) * 160).to_be_bytes()].concat());
            packet[4..8].copy_from_slice(&9000u32.to_be_bytes());
            digits += v.bed.slot(&[(key, phone.from, packet)]).iter().filter(|sent| sent.bytes[1] & 0x7f == 101).count();
        }
        assert_eq!(digits > 0, passed, "{muted:?}");
        assert!(v.bed.events().iter().any(|event| matches!(event.action, EventAction::Digit { digit: '5', .. })));
    }
}

#[test]
fn no_more_is_transcoded_than_is_allowed() {
    let mut bed = Bed::with(Config { channels_max: 8, transcodes_max: Some(3), ..Config::default() });
    let calls: Vec<_> = [(A, 0), (B, 8), (C, 9), ("127.0.0.5:1", 9)].map(|(to, number)| bed.call(to, &[plain(number)])).to_vec();
    assert_eq!(bed.command(Command::Mix { a: calls[2].1, b: calls[3].1 }), Ok(Reply::Done), "relayed");
    bed.command(Command::Unmix { channel: calls[3].1 }).unwrap();
    assert_eq!(bed.command(Command::Mix { a: calls[0].1, b: calls[1].1 }), Ok(Reply::Done));
    let full = CommandError::Full { what: "transcoded directions", max: 3 };
    let (mut one, mut other) = (Phone::new(A, 0), Phone::new(B, 8));
    bed.say(calls[0].0, &mut one, &[1; 160]);
    bed.say(calls[1].0, &mut other, &[1; 160]);
    assert_eq!(bed.media.transcodes(), 2);
    assert_eq!(bed.command(Command::Mix { a: calls[1].1, b: calls[2].1 }), Ok(Reply::Done), "a third is one more");
    assert_eq!(bed.command(Command::Mix { a: calls[3].1, b: calls[2].1 }), Err(full.clone()));
    assert!(bed.try_open().is_ok(), "it may be relayed only");
    bed.command(Command::Unmix { channel: calls[2].1 }).unwrap();
    assert_eq!(bed.command(Command::Mix { a: calls[3].1, b: calls[2].1 }), Ok(Reply::Done));
}

#[test]
fn what_will_be_transcoded_counts_before_a_packet_came() {
    let mut bed = Bed::with(Config { channels_max: 12, transcodes_max: Some(2), ..Config::default() });
    let full = CommandError::Full { what: "transcoded directions", max: 2 };
    let [one, other, two, more]: [_; 4] = [(A, 0), (B, 8), (C, 0), ("127.0.0.5:1", 8)].map(|(to, number)| bed.call(to, &[plain(number)]).1);
    assert_eq!(bed.command(Command::Mix { a: one, b: other }), Ok(Reply::Done));
    assert_eq!(bed.media.transcodes(), 2, "no packet yet");
    assert_eq!(bed.command(Command::Mix { a: two, b: more }), Err(full.clone()));

    // What is only relayed opens and talks on.
    let [(ka, _), (kb, b)] = bed.bridge(("127.0.0.6:1", &[plain(0), plain(8)]), ("127.0.0.7:1", &[plain(8), plain(0)]));
    assert!(bed.say(ka, &mut Phone::new("127.0.0.6:1", 0), &[1; 160]).is_some());
    assert_eq!(bed.media.transcodes(), 2, "each takes what the other likes best");

    // Mixed before its far end is known: then that is refused, as the mix would have been.
    let (late, (_, early)) = (bed.open().1, bed.call("127.0.0.8:1", &[plain(8)]));
    assert_eq!(bed.command(Command::Mix { a: late, b: early }), Ok(Reply::Done));
    let target =
        |number: u8| Target { ip: addr(A).ip(), port: 7, payloads: vec![plain(number)], ptime_ms: None, direction: None, rtcp_mux: false };
    assert_eq!(bed.command(Command::Target { channel: late, target: target(0) }), Err(full.clone()));
    assert!(!bed.media.is_targeted(late), "a refused command changes nothing");
    let unlike = Target { ptime_ms: Some(60), ..target(8) };
    assert_eq!(bed.command(Command::Target { channel: late, target: unlike }), Err(full));
    assert_eq!(bed.command(Command::Target { channel: late, target: target(8) }), Ok(Reply::Done));

    // Who talks is not cut by what its far end changes to.
    bed.target(b, "127.0.0.7:1", &[plain(9)]);
    assert!(bed.say(kb, &mut Phone::new("127.0.0.7:1", 9), &[1; 160]).is_some());
    assert_eq!(bed.media.transcodes(), 4);
    bed.command(Command::Unmix { channel: b }).unwrap();
    bed.command(Command::Unmix { channel: one }).unwrap();
    assert_eq!(bed.media.transcodes(), 0);
    assert_eq!(bed.command(Command::Mix { a: two, b: more }), Ok(Reply::Done));
}

#[test]
fn what_is_made_anew_until_a_pause_counts_as_transcoded_and_needs_room() {
    let mut bed = Bed::with(Config { channels_max: 8, transcodes_max: Some(4), ..Config::default() });
    let [a, b, c, d, e] =
        [(A, 9), (B, 9), (C, 9), ("127.0.0.5:1", 0), ("127.0.0.6:1", 8)].map(|(to, number)| bed.call(to, &[plain(number)]).1);
    let full = CommandError::Full { what: "transcoded directions", max: 4 };
    assert_eq!(bed.command(Command::Mix { a, b }), Ok(Reply::Done));
    assert_eq!(bed.command(Command::Mix { a: c, b: a }), Ok(Reply::Done));
    assert_eq!((bed.media.transcodes(), bed.command(Command::Mix { a: d, b: e })), (3, Err(full)));
    // Both speak, without a pause.
    let keys = [a, b].map(|id| bed.media.key(id).unwrap());
    let mut phones = [Phone::new(A, 9), Phone::new(B, 9)];
    let mut talk = |bed: &mut Bed| {
        let packets = [0, 1].map(|n: usize| {
            let octets: Vec<u8> = (0..160u8).map(|k| k.wrapping_mul(37) ^ 0x5a).collect();
            (keys[n], phones[n].from, phones[n].packet(&octets))
        });
        bed.slot(&packets);
    };
    (0..40).for_each(|_| talk(&mut bed));
    bed.command(Command::Unmix { channel: c }).unwrap();
    let by_clock = |bed: &Bed| bed.media.table.iter().any(|(_, channel)| channel.clock.is_some());
    for _ in 0..100 {
        if by_clock(&bed) {
            talk(&mut bed);
            bed.outputs();
        }
    }
    // The pair goes by its packets, and none came since.
    assert!(!by_clock(&bed));
    assert_eq!((bed.media.transcodes(), bed.command(Command::Mix { a: d, b: e })), (2, Ok(Reply::Done)));
    let (mut one, mut other) = (Phone::new("127.0.0.5:1", 0), Phone::new("127.0.0.6:1", 8));
    for (id, phone) in [(d, &mut one), (e, &mut other)] {
        let key = bed.media.key(id).unwrap();
        bed.say(key, phone, &[1; 160]);
    }
    assert_eq!(bed.media.transcodes(), 4);
    // No room: what the far end's decoder followed is left at once.
    assert_eq!(bed.command(Command::Echo { channel: c }), Ok(Reply::Done));
    let key = bed.media.key(c).unwrap();
    assert_eq!(bed.say(key, &mut Phone::new(C, 9), &[0x55; 160]).unwrap().payload(), &[0x55; 160]);
    assert_eq!(bed.media.transcodes(), 4);
}
