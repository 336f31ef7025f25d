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

/// Number, kind, and the expected and the seen address.
fn media_events(bed: &mut Bed) -> Vec<(u64, MediaEvent, [Option<SocketAddr>; 2])> {
    let told = |e: Event| match e.action {
        EventAction::Media { event, expected, seen } => Some((e.seq, event, [expected, seen])),
        _ => None,
    };
    bed.events().into_iter().filter_map(told).collect()
}

#[test]
fn a_time_out_says_who_was_expected_and_who_was_heard() {
    let mut bed = Bed::new();
    let ((_, silent), (key, _)) = (bed.call("192.168.7.7:4000", &[plain(0)]), bed.call("192.168.7.8:4000", &[plain(0)]));
    let nat = addr("127.0.0.9:33333");
    bed.say(key, &mut Phone::new("127.0.0.9:33333", 0), &[1; 160]);
    let expected = ["192.168.7.7:4000", "192.168.7.8:4000"].map(addr).map(Some);
    assert_eq!(media_events(&mut bed), [(1, MediaEvent::Started, [expected[1], Some(nat)])]);
    for _ in 0..220 {
        bed.slot_after(Duration::from_millis(100), &[]);
    }
    let mut told = media_events(&mut bed);
    told.sort_by_key(|(seq, ..)| *seq);
    assert_eq!(told, [(1, MediaEvent::Timeout, [expected[0], None]), (2, MediaEvent::Timeout, [expected[1], Some(nat)])]);
    assert_eq!(bed.stats(silent).input.count, 0);
}

#[test]
fn a_refused_source_is_told_once_for_a_burst_and_not_more_often_than_control_bears() {
    let mut bed = Bed::with(Config { channels_max: 100, ..Config::default() });
    let calls: Vec<_> = (0..100).map(|n| bed.call(&format!("127.0.1.{n}:4000"), &[plain(0)]).0).collect();
    let evil = addr("127.6.6.6:666");
    let mut told = 0;
    for round in 0..600u32 {
        // One of them alone from the second minute on.
        let attacked = if round < 300 { 100 } else { 1 };
        let packets: Vec<_> = (0..attacked)
            .flat_map(|n| {
                let from = addr(&format!("127.0.1.{n}:4000"));
                let mut phone = Phone { sequence: round as u16, ..Phone::new(&format!("127.0.1.{n}:4000"), 0) };
                let mut stranger = Phone { sequence: round as u16 * 3, ..Phone::new("127.6.6.6:666", 0) };
                [
                    (calls[n], from, phone.packet(&[1; 160])),
                    (calls[n], evil, stranger.packet(&[2; 160])),
                    (calls[n], evil, stranger.packet(&[2; 160])),
                ]
            })
            .collect();
        bed.slot_after(Duration::from_millis(20), &packets);
        for (_, event, addresses) in media_events(&mut bed) {
            if event == MediaEvent::Refused {
                assert!(addresses[0].is_some_and(|expected| expected.port() == 4000) && addresses[1] == Some(evil), "{addresses:?}");
                told += 1;
            }
        }
        if round == 200 || round == 299 {
            assert_eq!(told, if round == 200 { 64 } else { 128 }, "as many as have a place, each once in 5 s");
        }
    }
    assert_eq!(told, 129, "in 6 s more of one");
    assert!(bed.status("packets_badsource") > 60_000);
}

#[test]
fn what_the_clock_counted_stays_when_it_is_gone() {
    let mut bed = Bed::new();
    let [(ka, a), (kb, b)] = bed.bridge((A, &[plain(0)]), (B, &[plain(0)]));
    assert_eq!(bed.stats(a).input.concealed, None);
    bed.command(Command::Speakers { channel: b, interval_ms: Some(100) }).unwrap();
    let (mut phone, mut other) = (Phone::new(A, 0), Phone::new(B, 0));
    for n in 0..100 {
        let packet = phone.packet(&[1; 160]);
        let late = n % 10 == 9;
        let mut slot = vec![(kb, other.from, other.packet(&[1; 160]))];
        if !late {
            slot.push((ka, phone.from, packet.clone()));
        }
        bed.slot(&slot);
        if late {
            // Long after its time.
            for _ in 0..10 {
                let (one, two) = (phone.packet(&[1; 160]), other.packet(&[1; 160]));
                bed.slot(&[(ka, phone.from, one), (kb, other.from, two)]);
            }
            bed.slot(&[(ka, phone.from, packet)]);
        }
        while bed.media.poll_output().is_some() {}
    }
    let before = bed.stats(a);
    assert!(before.input.concealed > Some(0) && before.input.late > 0, "{before:?}");
    bed.command(Command::Speakers { channel: b, interval_ms: None }).unwrap();
    for _ in 0..100 {
        let (one, two) = (phone.packet(&[1; 160]), other.packet(&[1; 160]));
        bed.slot(&[(ka, phone.from, one), (kb, other.from, two)]);
        while bed.media.poll_output().is_some() {}
    }
    let after = bed.stats(a);
    assert_eq!((bed.media.transcodes(), after.input.buffer_ms), (0, None), "by packets again");
    assert!(after.input.late >= before.input.late && after.input.concealed >= before.input.concealed, "{before:?} {after:?}");
}

#[test]
fn media_events_come_once_and_hold_suspends_the_time_out() {
    let mut bed = Bed::new();
    let (ka, a) = bed.call(A, &[plain(0)]);
    let mut phone = Phone::new(A, 0);
    let media = |bed: &mut Bed| -> Vec<(u64, MediaEvent)> { media_events(bed).into_iter().map(|(seq, m, _)| (seq, m)).collect() };
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
                EventAction::Media { event, .. } => (e.channel, event.word()),
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
