use super::*;

#[test]
fn what_cannot_be_mixed_is_refused_in_words() {
    let mut bed = Bed::new();
    let [(_, a), (_, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let (_, c) = bed.call("127.0.0.4:1", &[named(96, "opus", 48000)]);
    assert_eq!(bed.command(Command::Mix { a: b, b: a }), Ok(Reply::Done), "once is enough");
    assert!(bed.events().is_empty());
    let refused = bed.command(Command::Mix { a: c, b }).unwrap_err();
    assert_eq!((refused.status(), refused.code()), (422, "impossible"));
    assert_eq!(bed.command(Command::Mix { a: c, b: c }).unwrap_err().status(), 422);
}

#[test]
fn media_events_come_once_and_hold_suspends_the_time_out() {
    let mut bed = Bed::new();
    let (ka, a) = bed.call(A, &[plain(0)]);
    let mut phone = Phone::new(A, 0);
    let media = |bed: &mut Bed| -> Vec<(u64, MediaEvent)> {
        let events = bed.events().into_iter().filter_map(|e| match e.action {
            EventAction::Media(m) => Some((e.seq, m)),
            _ => None,
        });
        events.collect()
    };
    let pause = |bed: &mut Bed, seconds: u32| {
        for _ in 0..seconds * 10 {
            bed.slot_after(Duration::from_millis(100), &[]);
        }
    };
    bed.say(ka, &mut phone, &[1; 160]);
    bed.say(ka, &mut phone, &[1; 160]);
    assert_eq!(media(&mut bed), [(1, MediaEvent::Started)]);
    pause(&mut bed, 18);
    assert_eq!(media(&mut bed), []);
    pause(&mut bed, 4);
    assert_eq!(media(&mut bed), [(2, MediaEvent::Timeout)]);
    bed.say(ka, &mut phone, &[1; 160]);
    assert_eq!(media(&mut bed), [(3, MediaEvent::Resumed)]);
    bed.command(Command::Direction { channel: a, direction: Direction { send: true, recv: false } }).unwrap();
    pause(&mut bed, 60);
    bed.command(Command::Direction { channel: a, direction: Direction::default() }).unwrap();
    pause(&mut bed, 15);
    assert_eq!(media(&mut bed), []);
}

#[test]
fn a_forgotten_channel_closes_by_itself() {
    let mut bed = Bed::with(Config { channels_max: 2, idle_timeout: Duration::from_secs(60), ..Config::default() });
    let (key, _) = bed.call(A, &[plain(0)]);
    for _ in 0..61 {
        bed.slot_after(Duration::from_secs(1), &[]);
    }
    let outputs = bed.outputs();
    let reason = outputs.iter().find_map(|o| match o {
        Output::Event(Event { action: EventAction::Close { reason, .. }, .. }) => Some(*reason),
        Output::Event(_) | Output::Closed(_) => None,
    });
    assert_eq!((reason, outputs.last()), (Some(CloseReason::Idle), Some(&Output::Closed(key))));
    assert_eq!(bed.media.counts().active, 0);
}

#[test]
fn a_channel_that_was_never_told_its_far_end_closes_sooner_and_a_ringing_one_does_not() {
    let mut bed = Bed::new();
    let (orphan, _) = bed.try_open().unwrap();
    let (ringing, there) = bed.try_open().unwrap();
    for minute in 1..=11 {
        if minute == 9 {
            bed.command(Command::Direction { channel: there, direction: Direction::default() }).unwrap();
        }
        for _ in 0..60 {
            bed.slot_after(Duration::from_secs(1), &[]);
        }
        assert_eq!(bed.media.id(orphan).is_some(), minute < 10, "minute {minute}");
    }
    assert!(bed.media.id(ringing).is_some(), "something was asked of it");
}

#[test]
fn close_ends_the_mix_and_makes_the_key_stale() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    let Ok(Reply::Closed { channels, .. }) = bed.command(Command::Close { channel: a }) else { panic!() };
    assert_eq!((channels.active, channels.available), (1, 7));
    let outputs = bed.outputs();
    let words: Vec<_> = outputs
        .iter()
        .map(|o| match o {
            Output::Event(e) => match &e.action {
                EventAction::Mix(m) => (e.channel, m.word()),
                EventAction::Close { reason, .. } => (e.channel, reason.word()),
                EventAction::Media(m) => (e.channel, m.word()),
                other => panic!("{other:?}"),
            },
            Output::Closed(key) => {
                assert_eq!(*key, ka);
                (a, "gone")
            }
        })
        .collect();
    let finished = MixEvent::Finished.word();
    assert_eq!(words, [(a, finished), (b, finished), (a, "requested"), (a, "gone")]);
    assert_eq!(bed.say(ka, &mut Phone::new(A, 0), &[1; 160]), None);
    assert_eq!(bed.status("packets_stale"), 1);
    assert_eq!(bed.say(kb, &mut Phone::new(B, 0), &[1; 160]), None, "nobody to speak to");
    assert_eq!(bed.command(Command::Close { channel: a }).unwrap_err(), CommandError::NotFound(a));
    let (kc, _) = bed.open();
    assert_eq!((kc.slot, kc.generation), (ka.slot, ka.generation + 1));
    bed.media.shutdown();
    assert_eq!(bed.media.counts().active, 0);
}

#[test]
fn a_full_table_says_so_and_a_close_makes_room() {
    let mut bed = Bed::with(Config { channels_max: 2, ..Config::default() });
    let (_, a) = bed.open();
    bed.open();
    assert_eq!(bed.try_open().unwrap_err(), CommandError::Full { what: "channels", max: 2 });
    bed.command(Command::Close { channel: a }).unwrap();
    assert!(bed.try_open().is_ok());
}

#[test]
fn impossible_targets_are_refused_and_change_nothing() {
    let mut bed = Bed::new();
    let (ka, a) = bed.call(A, &[plain(0)]);
    let target = |ip: &str, port, payloads: &[Payload]| Command::Target {
        channel: a,
        target: Target {
            ip: ip.parse().unwrap(),
            port,
            payloads: payloads.to_vec(),
            ptime_ms: None,
            direction: Some(Direction { send: false, recv: false }),
            rtcp_mux: false,
        },
    };
    let status = |bed: &mut Bed, command| bed.command(command).unwrap_err().status();
    assert_eq!(status(&mut bed, target("127.0.0.2", 4000, &[plain(101)])), 422);
    assert_eq!(status(&mut bed, target("127.0.0.2", 4000, &[plain(200)])), 400);
    assert_eq!(status(&mut bed, target("2001:db8::1", 4000, &[plain(0)])), 422);
    assert_eq!(status(&mut bed, target("127.0.0.1", 10_002, &[plain(0)])), 422, "itself");
    bed.command(Command::Echo { channel: a }).unwrap();
    assert!(bed.say(ka, &mut Phone::new(A, 0), &[1; 160]).is_some());
}
