//! Every call flow end to end: the scripts of `control/examples` on Node and inside project-control, with project-sip, project-rtp
//! and phones of our own that talk by tones; what each phone hears says who is connected to whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

#[path = "support/handset.rs"]
mod handset;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::time::Duration;

use handset::{Called, Handset, State};
use perf::rtp_peer::Codec;
use stage::{BEEP_HZ, Host, MUSIC_HZ, PROMPT_HZ, RINGING_HZ, Stage};

const A_MOMENT: Duration = Duration::from_millis(150);

/// The same flow on both hosts, a test each.
macro_rules! on_both_hosts {
    ($($name:ident: $script:literal, $environment:expr, $flow:expr;)*) => {
        mod on_node { $(#[test] fn $name() { super::play(super::Host::Node, $script, $environment, $flow); })* }
        mod inside_project_control { $(#[test] fn $name() { super::play(super::Host::Embedded, $script, $environment, $flow); })* }
    };
}

fn play(host: Host, script: &str, environment: &[(&str, &str)], flow: impl FnOnce(&mut Stage)) {
    let Some(mut stage) = Stage::new(host, script, environment) else { return };
    flow(&mut stage);
    stage.nothing_is_left();
}

on_both_hosts! {
    the_documentations_script_connects_3_to_1003: "documentation.js", &[], super::documentation;
    extensions_talk_are_busy_unknown_and_hear_their_echo: "extensions.js", &[], super::extensions;
    a_group_rings_and_the_first_answer_wins: "office.js", &[], super::group;
    hunting_goes_on_to_who_answers: "office.js", &[("RING_MS", "2000")], super::hunting;
    early_media_and_ringback_are_heard_before_the_answer: "office.js", &[], super::early;
    caller_id_late_offers_and_302_work: "office.js", &[], super::ways;
    who_is_held_hears_music_and_is_talked_to_again: "office.js", &[], super::hold;
    a_blind_transfer_connects_the_two_that_remain: "office.js", &[], super::blind;
    an_attended_transfer_of_four_legs_connects_the_two_that_remain: "office.js", &[], super::attended;
    an_attended_transfer_of_three_legs_sends_the_caller_to_the_script: "office.js", &[], super::attended_to_script;
    a_phone_takes_over_the_call_of_another: "office.js", &[], super::take_over;
    a_message_is_recorded_after_the_beep: "office.js", &[("RING_MS", "300")], super::message;
    three_hear_each_other_in_a_conference: "conference.js", &[], super::conference;
    a_room_mutes_softens_and_tells_who_speaks: "conference.js", &[], super::levels;
    a_queue_gives_its_callers_to_agents: "queue.js", &[], super::queue;
    a_menu_takes_digits: "ivr.js", &[], super::menu;
    click_to_call_rings_both: "clicktocall.js", &[], super::click;
}

/// Two phones hear each other and nobody else.
fn talk(a: &Handset, b: &Handset) {
    a.hears(&[b.tone_hz], &[MUSIC_HZ, RINGING_HZ, a.tone_hz]);
    b.hears(&[a.tone_hz], &[MUSIC_HZ, RINGING_HZ, b.tone_hz]);
}

fn documentation(stage: &mut Stage) {
    // The one user there is calls itself: a phone with two lines.
    let phone = stage.phone_of("bling.babblevoice.com", "1003", Codec::Pcmu, Called::Answers(A_MOMENT));
    phone.invite("3");
    phone.state(2, State::Up);
    phone.leg_hears(0, &[phone.tone_hz], &[]);
    phone.leg_hears(1, &[phone.tone_hz], &[]);
    phone.hang_up_leg(0);
    phone.over();
    stage.says("hung up");
}

fn extensions(stage: &mut Stage) {
    let (a, b) = (stage.phone("1000", Codec::Pcmu, Called::Answers(A_MOMENT)), stage.phone("1001", Codec::Pcma, Called::Answers(A_MOMENT)));
    a.invite("1001");
    a.up();
    a.progress(180);
    talk(&a, &b);
    b.hang_up();
    a.over_with(0);
    b.set_called(Called::Refuses(486, None));
    a.invite("1001");
    a.over_with(486);
    a.invite("4444");
    a.over_with(404);
    // The caller gives up: the callee's phone stops.
    b.set_called(Called::Rings);
    a.invite("1001");
    a.progress(180);
    a.hang_up();
    b.over_with(487);
    a.over_with(487);
    a.invite("*43");
    a.up();
    a.hears(&[a.tone_hz], &[]);
    a.hang_up();
}

fn group(stage: &mut Stage) {
    let caller = stage.answers("1000");
    let (slow, quick, slower) = (
        stage.phone("1001", Codec::Pcma, Called::Rings),
        stage.phone("1002", Codec::Pcmu, Called::Answers(A_MOMENT)),
        stage.phone("1003", Codec::Pcma, Called::Rings),
    );
    caller.invite("600");
    caller.up();
    for loser in [&slow, &slower] {
        loser.state(1, State::Over(487));
    }
    talk(&caller, &quick);
    quick.hang_up();
    caller.over();
    // All are busy: so is the group.
    for phone in [&slow, &quick, &slower] {
        phone.set_called(Called::Refuses(486, None));
    }
    caller.invite("600");
    caller.over_with(486);
}

fn hunting(stage: &mut Stage) {
    let caller = stage.answers("1000");
    let (first, second, third) = (
        stage.phone("1001", Codec::Pcma, Called::Rings),
        stage.phone("1002", Codec::Pcma, Called::Refuses(486, None)),
        stage.phone("1003", Codec::Pcma, Called::Answers(Duration::ZERO)),
    );
    caller.invite("601");
    caller.up();
    first.state(1, State::Over(487));
    second.state(1, State::Over(486));
    talk(&caller, &third);
    caller.hang_up();
    third.over();
}

fn early(stage: &mut Stage) {
    let caller = stage.answers("1000");
    let callee = stage.phone("1001", Codec::Pcma, Called::Rings);
    // Our own ringing tone, in 183, until the answer.
    caller.invite("602");
    caller.progress(183);
    caller.hears(&[RINGING_HZ], &[]);
    callee.pick_up();
    caller.up();
    talk(&caller, &callee);
    caller.hang_up();
    callee.over();
    // Early media of the callee are passed on.
    callee.set_called(Called::Early(Duration::from_secs(2)));
    caller.invite("1001");
    caller.progress(183);
    caller.hears(&[callee.tone_hz], &[]);
    caller.up();
    talk(&caller, &callee);
    callee.hang_up();
    caller.over();
}

fn ways(stage: &mut Stage) {
    let caller = stage.answers("1000");
    let (callee, other) = (stage.answers("1001"), stage.answers("1002"));
    caller.invite("71001");
    caller.up();
    assert!(callee.caller().contains("The Office") && callee.caller().contains("442012345678"), "{}", callee.caller());
    talk(&caller, &callee);
    caller.hang_up();
    callee.over();
    // Late offers: of ours to the callee, then of the caller to us.
    caller.invite("81001");
    caller.up();
    talk(&caller, &callee);
    callee.hang_up();
    caller.over();
    caller.invite_late("1001");
    caller.up();
    talk(&caller, &callee);
    caller.hang_up();
    callee.over();
    // 302 is followed within the domain.
    callee.set_called(Called::Refuses(302, Some("sip:1002@flows.test".into())));
    caller.invite("71001");
    caller.up();
    talk(&caller, &other);
    caller.hang_up();
    other.over();
}

fn hold(stage: &mut Stage) {
    let (a, b) = (stage.phone("1000", Codec::Pcmu, Called::Rings), stage.answers("1001"));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    for (holder, held) in [(&a, &b), (&b, &a)] {
        holder.hold(0, true);
        held.hears(&[MUSIC_HZ], &[holder.tone_hz]);
        holder.hears_none(&[held.tone_hz, MUSIC_HZ]);
        holder.hold(0, false);
        talk(&a, &b);
    }
    stage.says("1001 is back");
    a.hang_up();
    b.over();
}

fn blind(stage: &mut Stage) {
    let (a, b, c) = (stage.answers("1000"), stage.answers("1001"), stage.phone("1002", Codec::Pcmu, Called::Answers(A_MOMENT)));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    // The callee sends the caller on.
    b.refer(0, "1002", None);
    b.notified(0, 200);
    talk(&a, &c);
    b.hang_up();
    // And the caller sends the new callee on: it is the other side that moves.
    b.set_called(Called::Answers(Duration::ZERO));
    a.refer(0, "1001", None);
    a.notified(0, 200);
    talk(&c, &b);
    a.hang_up();
    c.hang_up();
    b.over();
}

fn attended(stage: &mut Stage) {
    let (a, b, c) = (stage.answers("1000"), stage.answers("1001"), stage.answers("1002"));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    b.hold(0, true);
    a.hears(&[MUSIC_HZ], &[b.tone_hz]);
    b.invite("1002");
    b.up();
    talk(&b, &c);
    a.hears(&[MUSIC_HZ], &[b.tone_hz, c.tone_hz]);
    b.refer(0, "1002", Some(1));
    b.notified(0, 200);
    talk(&a, &c);
    b.hang_up_leg(0);
    b.hang_up_leg(1);
    talk(&a, &c);
    a.hang_up();
    c.over();
}

fn attended_to_script(stage: &mut Stage) {
    let (a, b) = (stage.answers("1000"), stage.answers("1001"));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    b.hold(0, true);
    b.invite("*98");
    b.up();
    b.hears(&[MUSIC_HZ], &[]);
    b.refer(0, "*98", Some(1));
    b.notified(0, 200);
    b.state(2, State::Over(0));
    b.hang_up_leg(0);
    a.hears(&[MUSIC_HZ], &[b.tone_hz]);
    a.hang_up();
}

fn take_over(stage: &mut Stage) {
    let (a, b, c) = (stage.answers("1000"), stage.answers("1001"), stage.answers("1002"));
    a.invite("1001");
    a.up();
    talk(&a, &b);
    c.take_over(&b, 0);
    c.up();
    b.over_with(0);
    talk(&a, &c);
    a.hang_up();
    c.over();
    // Picked up while it rings.
    b.set_called(Called::Rings);
    a.invite("71001");
    b.state(2, State::Ringing);
    c.take_over(&b, 1);
    a.up();
    b.over_with(487);
    talk(&a, &c);
    c.hang_up();
    a.over();
}

fn message(stage: &mut Stage) {
    let (caller, callee) = (stage.answers("1000"), stage.phone("1001", Codec::Pcma, Called::Rings));
    caller.invite("1001");
    callee.state(1, State::Over(487));
    caller.up();
    caller.hears(&[BEEP_HZ], &[]);
    std::thread::sleep(Duration::from_millis(1500));
    caller.press("#");
    caller.over_with(0);
    stage.says("message for 1001: message-1001.wav");
    let wave = std::fs::read(stage.file("message-1001.wav")).unwrap();
    let samples: Vec<i16> = wave[44..].as_chunks::<2>().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect();
    // By tenths of a second: a machine that is busy with other tests makes the phone stutter.
    let loudest = |hz| {
        samples.chunks(800).fold(-99.0_f64, |most, chunk| {
            let mut ear = perf::ear::Ear::default();
            ear.hear(chunk);
            most.max(ear.level_dbov(hz, 800))
        })
    };
    let (voice, beep) = (loudest(caller.tone_hz), loudest(BEEP_HZ));
    assert!(voice > -22.0 && beep < -45.0, "the voice has {voice} dBov, the beep {beep}");
}

fn conference(stage: &mut Stage) {
    let phones = ["1000", "1001", "1002"].map(|user| stage.answers(user));
    let tones: Vec<f64> = phones.iter().map(|phone| phone.tone_hz).collect();
    for (at, phone) in phones.iter().enumerate() {
        phone.invite("800");
        phone.up();
        phone.hears(&[PROMPT_HZ], &[]);
        phone.press("1234#");
        if at == 0 {
            phone.hears(&[MUSIC_HZ], &[]);
        } else {
            phone.hears(&tones[..at], &[MUSIC_HZ]);
        }
    }
    stage.says("1002 joined 800, now 3");
    for (at, phone) in phones.iter().enumerate() {
        let others: Vec<f64> = tones.iter().copied().enumerate().filter(|&(one, _)| one != at).map(|(_, hz)| hz).collect();
        phone.hears(&others, &[MUSIC_HZ, phone.tone_hz]);
    }
    phones[1].hang_up();
    talk(&phones[0], &phones[2]);
    phones[0].hang_up();
    phones[2].hears(&[MUSIC_HZ], &tones[..2]);
    phones[2].hang_up();
}

fn levels(stage: &mut Stage) {
    let phones = ["1000", "1001", "1002"].map(|user| stage.answers(user));
    for phone in &phones {
        phone.invite("800");
    }
    for phone in &phones {
        phone.up();
        phone.press("1234#");
    }
    let [a, b, c] = &phones;
    stage.says("now 3");
    a.hears(&[b.tone_hz, c.tone_hz], &[MUSIC_HZ]);
    c.press("5");
    stage.says("speaking: 100");
    // Who mutes itself is not heard, and hears.
    c.press("1");
    a.hears(&[b.tone_hz], &[c.tone_hz]);
    b.hears(&[a.tone_hz], &[c.tone_hz]);
    c.hears(&[a.tone_hz, b.tone_hz], &[]);
    // A key reaches the script although its sound reaches nobody.
    c.press("2");
    a.hears(&[b.tone_hz, c.tone_hz], &[]);
    // The tones are -15 dBov: 12 dB less of one voice, 6 dB less of all.
    a.hears_at(c.tone_hz, -15.0);
    c.press("3");
    a.hears_at(c.tone_hz, -27.0);
    a.hears_at(b.tone_hz, -15.0);
    b.press("4");
    a.hears_at(b.tone_hz, -21.0);
    a.hears_at(c.tone_hz, -33.0);
    for phone in &phones {
        phone.hang_up();
    }
}

fn queue(stage: &mut Stage) {
    let (first, second, third) = (stage.answers("1000"), stage.answers("1003"), stage.answers("1004"));
    let (one, two) =
        (stage.phone("1001", Codec::Pcmu, Called::Answers(A_MOMENT)), stage.phone("1002", Codec::Pcma, Called::Refuses(486, None)));
    first.invite("500");
    first.up();
    talk(&first, &one);
    // The only agent talks, the other is busy: who comes now waits, hears the place and then music.
    for caller in [&second, &third] {
        caller.invite("500");
        caller.up();
    }
    third.hears(&[PROMPT_HZ], &[]);
    second.hears(&[MUSIC_HZ], &[]);
    third.hears(&[MUSIC_HZ], &[]);
    stage.says("1004 is number 2");
    second.hang_up();
    stage.says("1004 is number 1");
    two.set_called(Called::Answers(Duration::ZERO));
    talk(&third, &two);
    third.hang_up();
    first.hang_up();
    one.over();
    two.over();
}

fn menu(stage: &mut Stage) {
    let (caller, sales, callee) = (
        stage.answers("1000"),
        stage.phone("1001", Codec::Pcmu, Called::Refuses(486, None)),
        stage.phone("1002", Codec::Pcmu, Called::Answers(A_MOMENT)),
    );
    caller.invite("99");
    caller.up();
    caller.hears(&[PROMPT_HZ], &[]);
    // A wrong digit, then sales: the first is busy, the second answers.
    caller.press("9");
    caller.hears(&[PROMPT_HZ], &[]);
    caller.press("1");
    talk(&caller, &callee);
    sales.over_with(486);
    callee.hang_up();
    caller.over();
    // An extension by its digits.
    caller.invite("99");
    caller.up();
    caller.press("21002");
    talk(&caller, &callee);
    caller.hang_up();
    callee.over();
}

fn click(stage: &mut Stage) {
    let (clerk, customer) = (stage.answers("1000"), stage.phone("1001", Codec::Pcmu, Called::Answers(A_MOMENT)));
    let answer = stage.ask("POST", "/invite", r#"{"domain":"flows.test","from":"1000","to":"1001"}"#);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("callid"), "{answer}");
    customer.up();
    talk(&clerk, &customer);
    stage.says("talks to 1001");
    clerk.hang_up();
    customer.over();
}

/// The carrier is a phone outside: it is called through the gateway with the gateway's identity.
fn trunk(host: Host) {
    // The carrier's place must be known before the script starts: it is bound first, and told its switch later.
    let carrier = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = carrier.local_addr().unwrap().to_string();
    drop(carrier);
    let Some(mut stage) = Stage::new(host, "trunk.js", &[("TRUNK_DOMAIN", &place), ("TRUNK_NUMBER", "442012345678")]) else { return };
    let carrier = stage.stranger_at(place.parse().unwrap(), 1234.0, Called::Answers(A_MOMENT));
    let caller = stage.answers("1000");
    caller.invite("9441234");
    caller.up();
    assert!(carrier.caller().contains("442012345678"), "{}", carrier.caller());
    talk(&caller, &carrier);
    carrier.hang_up();
    caller.over();
    stage.says("1000 to 9441234");
    // What comes in for the office: 1000 first, and if that is busy all.
    let office = stage.answers("1001");
    caller.set_called(Called::Refuses(486, None));
    let outside = stage.answers("1003");
    outside.invite("442012345678");
    outside.up();
    talk(&outside, &office);
    outside.hang_up();
    office.over();
    stage.nothing_is_left();
}

#[test]
fn calls_go_out_through_a_gateway_on_node() {
    trunk(Host::Node);
}

#[test]
fn calls_go_out_through_a_gateway_inside_project_control() {
    trunk(Host::Embedded);
}
