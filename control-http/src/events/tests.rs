//! The queue in virtual time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rtp::api::{ChannelId, CloseReason, EventAction, MediaEvent};
use serde_json::Value;
use sip::api::{CallerId, ControlUrl, Epochs, EventKind, ReferView, Snapshot};

use super::*;

pub(super) const A: &str = "http://127.0.0.1:9001";
pub(super) const B: &str = "http://127.0.0.1:9002/b";

pub(super) fn call(callid: &str, seq: u64, event: EventKind) -> Snapshot {
    Snapshot {
        seq,
        event,
        callid: callid.into(),
        uuid: String::new(),
        domain: "d".into(),
        to: None,
        from: None,
        contact: None,
        maxforwards: None,
        authenticated: true,
        ring: false,
        answered: false,
        hold: false,
        originator: false,
        hangup: event == EventKind::Hangup,
        error: (0, String::new()),
        remote: None,
        sdp_them: None,
        sdp_us: None,
        epochs: Epochs::default(),
        refer: None,
        transfer: None,
        replaces: None,
        contacts: Vec::new(),
        digits: None,
        agent: None,
        callerid: CallerId::default(),
        headers: vec![],
        transport: "udp",
    }
}

pub(super) fn to(control: &str, snapshot: Snapshot) -> Event {
    sip::api::Event::Dialog { control: ControlUrl(control.into()), snapshot: Box::new(snapshot) }.into()
}

fn registration(user: &str, registered: bool, expires: u32) -> Event {
    sip::api::Event::Registration {
        control: ControlUrl(A.into()),
        registered,
        domain: "d".into(),
        user: user.into(),
        remote: "127.0.0.1:5060".parse().unwrap(),
        agent: None,
        transport: "udp",
        expires,
    }
    .into()
}

fn channel(seq: u64, action: EventAction) -> Event {
    let control = rtp::api::ControlUrl(A.into());
    rtp::api::Event { control, channel: ChannelId::from_random(7), id: None, seq, action }.into()
}

/// The queue with a clock, and what it wants sent.
pub(super) struct Bench {
    pub(super) queue: EventQueue,
    start: Instant,
    now: Instant,
    pub(super) sent: Vec<Delivery>,
    pub(super) failed: Vec<String>,
    /// How far each control server was told to be behind.
    behind: HashMap<std::sync::Arc<str>, Vec<Duration>>,
}

impl Bench {
    pub(super) fn new(config: EventConfig) -> Self {
        let start = Instant::now();
        Self { queue: EventQueue::new(config, start), start, now: start, sent: vec![], failed: vec![], behind: HashMap::new() }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.queue.handle_event(event, self.now);
        self.drain();
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.queue.poll_output() {
                Output::Send(delivery) => self.sent.push(delivery),
                Output::Failed(callid) => self.failed.push(callid),
                Output::Behind(control, waited) => {
                    let told = self.behind.entry(control).or_default();
                    assert!(!waited.is_zero() || told.last().is_some_and(|last| !last.is_zero()), "an end is told once");
                    told.push(waited);
                }
                Output::Wait(next) => return next,
            }
        }
    }

    /// The oldest delivery ends so; gives its seq (0 for a registration).
    pub(super) fn end(&mut self, outcome: Outcome) -> u64 {
        let delivery = self.sent.remove(0);
        self.queue.handle_outcome(delivery.id, outcome, self.now);
        self.drain();
        body(&delivery)["seq"].as_u64().unwrap_or(0)
    }

    /// Time passes to the next thing the queue waits for; false if it waits for nothing.
    pub(super) fn pass(&mut self) -> bool {
        let Some(next) = self.drain() else { return false };
        assert!(next >= self.now, "it asks to be called in the past for ever");
        self.now = next;
        self.queue.handle_timeout(self.now);
        self.drain();
        true
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn assert_empty(&mut self) {
        assert_eq!((self.queue.pending(), self.queue.lanes()), (0, 0));
        assert_eq!(self.drain(), None);
        assert!(self.sent.is_empty());
        assert!(self.behind.values().all(|told| told.last() == Some(&Duration::ZERO)), "nothing waits any more");
    }
}

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap()
}

pub(super) const OK: Outcome = Outcome::Answered(204);

#[test]
fn events_of_a_call_go_one_by_one_in_order() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, call("c/1@h", 1, EventKind::New)));
    assert_eq!(bench.sent[0].url, "http://127.0.0.1:9001/dialog/c%2F1@h");
    assert_eq!(bench.sent[0].method, crate::wire::Method::Put);
    bench.event(to(A, call("c/1@h", 2, EventKind::Ringing)));
    assert_eq!(bench.sent.len(), 1, "one in flight");
    assert_eq!(bench.end(OK), 1);
    assert_eq!(bench.end(Outcome::Answered(200)), 2);
    bench.assert_empty();
    assert_eq!(bench.queue.stats().delivered, 2);
}

#[test]
fn a_newer_snapshot_replaces_an_unsent_older_one() {
    let mut bench = Bench::new(EventConfig::default());
    for (seq, event) in [(1, EventKind::New), (2, EventKind::Ringing), (3, EventKind::Progress), (4, EventKind::Answered)] {
        bench.event(to(A, call("c", seq, event)));
    }
    assert_eq!((bench.end(OK), bench.end(OK)), (1, 4));
    bench.assert_empty();
    assert_eq!(bench.queue.stats().replaced, 2);
}

#[test]
fn transfers_and_digits_are_not_replaced_but_by_the_end() {
    let refer = Snapshot {
        refer: Some(ReferView { to: "1".into(), replaces: None, uri: "sip:1".into(), referredby: None }),
        ..call("c", 3, EventKind::Refer)
    };
    let digits = |seq| Snapshot { digits: Some("5".into()), ..call("c", seq, EventKind::Dtmf) };
    let mut bench = Bench::new(EventConfig::default());
    for snapshot in
        [call("c", 1, EventKind::New), call("c", 2, EventKind::Answered), refer, digits(4), digits(5), call("c", 6, EventKind::Hold)]
    {
        bench.event(to(A, snapshot));
    }
    assert_eq!([bench.end(OK), bench.end(OK), bench.end(OK)], [1, 3, 4]);
    bench.event(to(A, call("c", 7, EventKind::Hangup)));
    assert_eq!([bench.end(OK), bench.end(OK)], [5, 7]);
    bench.assert_empty();
}

#[test]
fn a_new_call_fails_in_its_time_when_control_is_away() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, call("c", 1, EventKind::New)));
    let mut attempts = 0;
    while bench.failed.is_empty() {
        bench.end(Outcome::Unreachable);
        attempts += 1;
        bench.pass();
    }
    assert_eq!(bench.failed, ["c"]);
    assert!(bench.elapsed() <= Duration::from_secs(8), "{:?}", bench.elapsed());
    assert!((5..8).contains(&attempts), "{attempts}");
    bench.assert_empty();
    // The end that follows is still told.
    bench.event(to(A, call("c", 2, EventKind::Hangup)));
    assert_eq!(bench.end(OK), 2);
    bench.assert_empty();
}

#[test]
fn a_new_call_that_is_heard_at_last_does_not_fail() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, call("c", 1, EventKind::New)));
    for outcome in [Outcome::Unreachable, Outcome::Answered(500), Outcome::Answered(302), Outcome::Answered(429)] {
        bench.end(outcome);
        bench.pass();
    }
    bench.end(Outcome::Answered(299));
    bench.assert_empty();
    assert!(bench.failed.is_empty());
}

#[test]
fn a_refusal_is_believed_the_third_time() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, call("c", 1, EventKind::New)));
    for _ in 0..2 {
        bench.end(Outcome::Answered(404));
        assert!(bench.failed.is_empty());
        bench.pass();
    }
    bench.end(Outcome::Answered(404));
    assert_eq!(bench.failed, ["c"]);
    assert!(bench.elapsed() < Duration::from_secs(2));
    bench.assert_empty();
}

#[test]
fn a_call_that_ends_before_control_heard_of_it_does_not_fail_but_its_end_is_told() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, call("c", 1, EventKind::New)));
    bench.event(to(A, call("c", 2, EventKind::Hangup)));
    bench.end(Outcome::Unreachable);
    assert!(bench.pass());
    assert_eq!(bench.end(OK), 2, "the end replaces what failed");
    assert!(bench.failed.is_empty());
    bench.assert_empty();
}

#[test]
fn calls_that_we_made_do_not_fail_for_want_of_control() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, Snapshot { originator: true, ..call("c", 1, EventKind::New) }));
    while bench.queue.pending() > 0 {
        bench.end(Outcome::Unreachable);
        bench.pass();
    }
    assert!(bench.failed.is_empty());
    assert!(bench.elapsed() <= Duration::from_secs(30));
    bench.assert_empty();
}

#[test]
fn an_end_is_tried_longer_and_pauses_grow_to_their_limit() {
    let mut bench = Bench::new(EventConfig::default());
    bench.event(to(A, call("c", 9, EventKind::Hangup)));
    let mut pauses = vec![];
    while bench.queue.pending() > 0 {
        let before = bench.now;
        bench.end(Outcome::Unreachable);
        bench.pass();
        pauses.push(bench.now - before);
    }
    assert!((60..=120).contains(&bench.elapsed().as_secs()), "{:?}", bench.elapsed());
    pauses.pop();
    assert!(pauses.is_sorted());
    assert!(pauses[0] < Duration::from_millis(320) && *pauses.last().unwrap() < Duration::from_millis(8100));
    assert_eq!(bench.queue.stats().dropped, 1);
    bench.assert_empty();
}

#[test]
fn a_slow_control_delays_only_its_own_calls() {
    let mut bench = Bench::new(EventConfig::default());
    for n in 0..1000 {
        bench.event(to(A, call(&format!("a{n}"), 1, EventKind::New)));
    }
    assert_eq!(bench.sent.len(), 32, "as many as may be at once");
    bench.sent.clear();
    for n in 0..10 {
        bench.event(to(B, call(&format!("b{n}"), 1, EventKind::New)));
    }
    assert_eq!(bench.sent.len(), 10);
    assert!(bench.sent.iter().all(|delivery| delivery.url.starts_with(B)));
    for _ in 0..10 {
        bench.end(OK);
    }
    // Those of the slow one fail in their time though none of its requests has ended.
    while bench.failed.len() < 968 {
        assert!(bench.pass());
    }
    assert!(bench.elapsed() <= Duration::from_secs(8));
}

/// Events of new calls at one rate, each answered 10 ms after it was sent, 32 at once: 3200 a second.
fn load(bench: &mut Bench, per_second: u32, time: Duration, calls: &mut u32) {
    let end = bench.now + time;
    let mut under_way = VecDeque::new();
    while bench.now < end {
        bench.now += Duration::from_millis(1);
        for _ in 0..per_second / 1000 {
            *calls += 1;
            bench.event(to(A, call(&format!("c{calls}"), 1, EventKind::New)));
        }
        while under_way.front().is_some_and(|(at, _)| *at <= bench.now) {
            let (_, delivery): (_, Delivery) = under_way.pop_front().unwrap();
            bench.queue.handle_outcome(delivery.id, OK, bench.now);
            bench.drain();
        }
        under_way.extend(bench.sent.drain(..).map(|delivery| (bench.now + Duration::from_millis(10), delivery)));
    }
    bench.sent = under_way.into_iter().map(|(_, delivery)| delivery).collect();
}

#[test]
fn a_control_before_which_events_stand_is_behind_until_they_are_told() {
    let mut bench = Bench::new(EventConfig::default());
    let mut calls = 0;
    load(&mut bench, 3000, Duration::from_secs(3), &mut calls);
    assert!(bench.behind.is_empty(), "what it can take");
    load(&mut bench, 5000, Duration::from_millis(300), &mut calls);
    assert!(bench.behind.is_empty(), "a burst");
    load(&mut bench, 5000, Duration::from_millis(1000), &mut calls);
    let told = bench.behind[A].clone();
    assert!((3..=4).contains(&told.len()), "a queue that stands, each 200 ms: {told:?}");
    assert!(told[0] >= Duration::from_millis(100) && told.windows(2).all(|w| w[0] < w[1]), "and grows: {told:?}");
    assert_eq!(bench.queue.behind(), 1);
    load(&mut bench, 0, Duration::from_secs(1), &mut calls);
    assert_eq!(bench.behind[A].last(), Some(&Duration::ZERO), "it has caught up");
    assert_eq!(bench.queue.behind(), 0);
    while !bench.sent.is_empty() {
        bench.end(OK);
    }
    bench.assert_empty();
}

#[test]
fn a_control_that_goes_away_is_not_behind_but_waited_for() {
    let mut bench = Bench::new(EventConfig::default());
    let mut calls = 0;
    load(&mut bench, 5000, Duration::from_secs(1), &mut calls);
    assert!(bench.behind[A].iter().all(|waited| !waited.is_zero()));
    for _ in 0..200 {
        bench.end(Outcome::Unreachable);
    }
    bench.now += Duration::from_millis(500);
    bench.queue.handle_timeout(bench.now);
    while !bench.sent.is_empty() {
        bench.end(Outcome::Unreachable);
    }
    while bench.pass() {
        while !bench.sent.is_empty() {
            bench.end(Outcome::Unreachable);
        }
    }
    assert_eq!(bench.behind[A].iter().filter(|waited| waited.is_zero()).count(), 1);
    bench.assert_empty();
}

#[test]
fn of_registrations_the_newest_wins_and_calls_pass_them() {
    let mut bench = Bench::new(EventConfig::default());
    for n in 0..100 {
        bench.event(registration(&format!("u{n}"), true, 60));
    }
    assert_eq!(bench.sent.len(), 16, "half of what may be at once");
    for (registered, expires) in [(true, 61), (false, 0), (true, 62), (false, 0)] {
        bench.event(registration("u0", registered, expires));
    }
    bench.event(to(A, call("c", 1, EventKind::New)));
    assert!(bench.sent[16].url.ends_with("/dialog/c"), "a call does not wait behind registrations");
    let mut of_u0 = vec![];
    while let Some(delivery) = bench.sent.first() {
        if delivery.url == format!("{A}/reg/d/u0") {
            of_u0.push((delivery.method.word(), body(delivery)["expires"].clone()));
        }
        bench.end(OK);
    }
    assert_eq!(of_u0, [("PUT", 60.into()), ("DELETE", 0.into())]);
    bench.assert_empty();
}

fn media(event: MediaEvent) -> EventAction {
    EventAction::Media { event, expected: None, seen: None }
}

#[test]
fn events_of_a_channel_are_all_told_in_order() {
    let mut bench = Bench::new(EventConfig::default());
    let actions = [MediaEvent::Started, MediaEvent::Timeout, MediaEvent::Resumed].map(media);
    for (seq, action) in (1..).zip(actions) {
        bench.event(channel(seq, action));
    }
    bench.event(channel(4, EventAction::Close { reason: CloseReason::Requested, stats: Box::default() }));
    bench.end(Outcome::Unreachable);
    bench.pass();
    assert_eq!(bench.sent[0].url, format!("{A}/channel/{}", ChannelId::from_random(7)));
    assert_eq!([bench.end(OK), bench.end(OK), bench.end(OK), bench.end(OK)], [1, 2, 3, 4]);
    bench.assert_empty();
}

#[test]
fn bounds_hold_and_a_new_call_beyond_them_fails_at_once() {
    let mut bench = Bench::new(EventConfig { lanes_max: 8, ..EventConfig::default() });
    for n in 0..8 {
        bench.event(to(A, call(&format!("c{n}"), 1, EventKind::New)));
    }
    assert_eq!((bench.queue.lanes(), bench.failed.as_slice()), (7, &["c7".to_owned()][..]));
    bench.event(to(A, call("old", 9, EventKind::Hangup)));
    bench.event(to(A, call("older", 9, EventKind::Hangup)));
    assert_eq!(bench.queue.lanes(), 8, "the last places are for ends");

    let mut bench = Bench::new(EventConfig { items_max: 2, ..EventConfig::default() });
    bench.event(to(A, call("c", 1, EventKind::New)));
    for seq in 2..50 {
        bench.event(to(A, call("c", seq, EventKind::Hold)));
    }
    assert_eq!(bench.queue.pending(), 2);
    bench.event(to(A, call("d", 1, EventKind::New)));
    assert_eq!(bench.failed, ["d"]);
    assert_eq!((bench.end(OK), bench.end(OK)), (1, 49), "the newest is the one that is kept");

    let mut bench = Bench::new(EventConfig::default());
    for seq in 1..200 {
        bench.event(channel(seq, media(MediaEvent::Resumed)));
    }
    assert_eq!(bench.queue.pending(), 1 + 32);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_course_keeps_order_loses_no_end_and_leaves_nothing(steps in prop::collection::vec((0u8..8, 0usize..6, any::<u8>()), 1..300)) {
        let config = EventConfig { in_flight_per_control: 2, in_flight_max: 3, ..EventConfig::default() };
        let mut bench = Bench::new(config);
        let mut seqs: HashMap<usize, u64> = HashMap::new();
        let mut ended: BTreeSet<usize> = BTreeSet::new();
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        let mut ends = 0;
        let mut deliver = |bench: &mut Bench, place: usize, outcome: Outcome, ends: &mut u64| {
            let delivery = bench.sent.remove(place);
            if outcome == OK {
                let body = body(&delivery);
                let before = told.insert(delivery.url.clone(), body["seq"].as_u64().unwrap());
                assert!(before.is_none_or(|before| before < body["seq"].as_u64().unwrap()), "order of {}", delivery.url);
                *ends += u64::from(body["hangup"] == true);
            }
            bench.queue.handle_outcome(delivery.id, outcome, bench.now);
            bench.drain();
        };
        for (kind, which, byte) in steps {
            let control = if which % 2 == 0 { A } else { B };
            match kind {
                0..=3 if !ended.contains(&which) => {
                    let seq = seqs.entry(which).and_modify(|seq| *seq += 1).or_insert(1);
                    let kinds = [EventKind::Ringing, EventKind::Answered, EventKind::Dtmf, EventKind::Hangup];
                    let event = if *seq == 1 { EventKind::New } else { kinds[usize::from(byte) % 4] };
                    let digits = (event == EventKind::Dtmf).then(|| "1".to_owned());
                    if event == EventKind::Hangup { ended.insert(which); }
                    bench.event(to(control, Snapshot { digits, ..call(&format!("c{which}"), *seq, event) }));
                }
                4..=6 if !bench.sent.is_empty() => {
                    let outcome = [OK, OK, Outcome::Unreachable, Outcome::Answered(503)][usize::from(byte) % 4];
                    let place = usize::from(byte) % bench.sent.len();
                    deliver(&mut bench, place, outcome, &mut ends);
                }
                7 => {
                    bench.now += Duration::from_millis(u64::from(byte));
                    bench.queue.handle_timeout(bench.now);
                    bench.drain();
                }
                _ => {}
            }
            let lanes: BTreeSet<&str> = bench.sent.iter().map(|delivery| delivery.url.as_str()).collect();
            prop_assert_eq!(lanes.len(), bench.sent.len(), "one in flight a lane");
            prop_assert!(bench.sent.len() <= 3);
        }
        for _ in 0..2000 {
            while !bench.sent.is_empty() {
                deliver(&mut bench, 0, OK, &mut ends);
            }
            if !bench.pass() { break; }
        }
        bench.assert_empty();
        prop_assert_eq!(ends, ended.len() as u64, "every end was told");
    }
}
