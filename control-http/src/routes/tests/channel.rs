//! `/channel`.

use rtp::api::{
    AddressWish, ChannelCounts, ChannelId, ChannelView, CloseReason, Command, CommandError, ControlUrl, CoreLoad, Direction, Encoding,
    Event, EventAction, GroupView, InStats, Lateness, LevelChange, Levels, Load, Open, Opened, Payload, RemoteStats, Reply, Stats, Target,
    TickStats,
};

use super::*;

/// Notes what it is asked, answers what the test laid down, `Done` when there is nothing.
#[derive(Default)]
pub(super) struct MediaCore {
    asked: RefCell<Vec<Command>>,
    answers: RefCell<VecDeque<Result<Reply, CommandError>>>,
}

impl RtpBackend for MediaCore {
    async fn call(&self, command: Command) -> Result<Reply, CommandError> {
        self.asked.borrow_mut().push(command);
        self.answers.borrow_mut().pop_front().unwrap_or(Ok(Reply::Done))
    }
}

pub(super) fn media() -> RtpApi<MediaCore, Steady> {
    RtpApi { backend: MediaCore::default(), program: Steady(Ok(())), server: Rc::default(), resolver: Rc::default() }
}

fn asked(method: Method, target: &str, body: &str) -> Command {
    let api = media();
    let (status, answer, _) = ask(&api, method, target, body);
    let asked = api.backend.asked.take();
    assert_eq!(asked.len(), 1, "{target} {body}: {status} {answer}");
    asked.into_iter().next().unwrap()
}

fn answer(method: Method, target: &str, body: &str, reply: Result<Reply, CommandError>) -> (u16, Value) {
    let api = media();
    api.backend.answers.borrow_mut().push_back(reply);
    let (status, body, _) = ask(&api, method, target, body);
    (status, body)
}

fn refused(target: &str, body: &str) -> (u16, String) {
    let api = media();
    let (status, answer, _) = ask(&api, Method::Put, target, body);
    assert!(api.backend.asked.borrow().is_empty(), "{body}");
    (status, answer["detail"].as_str().unwrap().to_owned())
}

fn id(bits: u128) -> ChannelId {
    ChannelId::from_random(bits)
}

fn plain(number: u8) -> Payload {
    Payload { number, encoding: None, fmtp: None }
}

#[test]
fn a_channel_is_opened_by_every_documented_path() {
    for path in ["/", "/channel", "/channel/"] {
        for body in ["", "{}"] {
            assert_eq!(asked(Method::Post, path, body), Command::Open(Open::default()));
        }
    }
    let body = format!(r#"{{"control":{{"host":"127.0.0.1","port":9001}},"id":"c","near":"{}","codec":"pcma"}}"#, id(9));
    let control = Some(ControlUrl("http://127.0.0.1:9001".into()));
    assert_eq!(
        asked(Method::Post, "/", &body),
        Command::Open(Open { control, id: Some("c".into()), near: Some(id(9)), ..Open::default() })
    );
    assert_eq!(ask(&media(), Method::Post, "/channel", r#"{"near":"x"}"#).1["detail"], "near must be the uuid of a channel");
}

#[test]
fn an_open_channel_has_the_documented_shape() {
    let core = CoreLoad {
        core: 1,
        channels: 1,
        budget_us: 1000,
        mean_us: 5,
        p99_us: 9,
        max_us: 11,
        late_p99_us: 7,
        late: 0,
        lateness: Lateness::default(),
        missed: 0,
        headroom: 0.75,
    };
    let opened = Opened {
        channel: id(1),
        ip: "192.0.2.1".parse().unwrap(),
        port: 10_000,
        channels: ChannelCounts { active: 1, available: 4999 },
        load: Load { cores: vec![core], headroom: 0.75, transcodes: 0, transcodes_max: Some(9), accepting: true },
    };
    let uuid = id(1).to_string();
    assert_eq!(
        answer(Method::Post, "/channel", "", Ok(Reply::Opened(Box::new(opened)))),
        (
            200,
            value!({
                "uuid": uuid, "channel": uuid, "ip": "192.0.2.1", "port": 10_000, "channels": {"active": 1, "available": 4999},
                "load": {"cores": [{"core": 1, "channels": 1, "tick": {"budgetus": 1000, "meanus": 5, "p99us": 9, "maxus": 11, "latep99us": 7, "late": 0, "missed": 0}, "headroom": 0.75}],
                    "headroom": 0.75, "transcodes": 0, "maxtranscodes": 9, "accepting": true},
            })
        )
    );
    let (status, body, response) = {
        let api = media();
        api.backend.answers.borrow_mut().push_back(Err(CommandError::Full { what: "channels", max: 5000 }));
        ask(&api, Method::Post, "/channel", "")
    };
    assert_eq!((status, &body["error"]), (503, &value!("pool_empty")));
    assert!(response.headers.iter().any(|(name, _)| *name == "Retry-After"));
}

#[test]
fn gain_and_mute_are_read_each_way() {
    let uuid = id(1);
    let change = |method, path: &str, body: &str| match asked(method, &format!("/channel/{uuid}/{path}"), body) {
        Command::Level { channel, change } if channel == uuid => change,
        other => panic!("{other:?}"),
    };
    let none = LevelChange::default();
    let set = LevelChange { in_db: Some(-6.5), out_db: Some(3.0), group_db: Some(0.0), ..none };
    assert_eq!(change(Method::Put, "gain", r#"{"in":-6.5,"out":3,"group":0}"#), set);
    assert_eq!(change(Method::Put, "mute", ""), LevelChange { mute_in: Some(true), mute_out: Some(true), ..none });
    assert_eq!(change(Method::Put, "mute", r#"{"in":true}"#), LevelChange { mute_in: Some(true), ..none });
    assert_eq!(change(Method::Delete, "mute", ""), LevelChange { mute_in: Some(false), mute_out: Some(false), ..none });
    for body in [r#"{"in":21}"#, r#"{"in":"loud"}"#, r#"{"in":-61}"#] {
        let (status, answer) = answer(Method::Put, &format!("/channel/{uuid}/gain"), body, Ok(Reply::Done));
        assert_eq!((status, &answer["detail"]), (400, &value!("in must be a number of dB from -60 to 20")), "{body}");
    }
}

#[test]
fn a_channel_may_ask_for_an_address_and_for_bounds_of_its_jitter_buffer() {
    let open = Open { jitter_min_ms: Some(20), jitter_max_ms: Some(80), ..Open::default() };
    assert_eq!(asked(Method::Post, "/channel", r#"{"jitter":{"min":20,"max":80}}"#), Command::Open(open));
    for (text, wish) in [("ipv4", AddressWish::V4), ("ipv6", AddressWish::V6), ("[::1]", AddressWish::Is("::1".parse().unwrap()))] {
        let open = Open { address: Some(wish), ..Open::default() };
        assert_eq!(asked(Method::Post, "/channel", &format!(r#"{{"ip":"{text}"}}"#)), Command::Open(open));
    }
    for (body, detail) in [
        (r#"{"ip":"here"}"#, "ip must be ipv4, ipv6 or an address"),
        (r#"{"jitter":{"min":80,"max":60}}"#, "jitter.max must not be below min"),
        (r#"{"jitter":{"max":501}}"#, "jitter.max must be a whole number from 20 to 500"),
    ] {
        assert_eq!(ask(&media(), Method::Post, "/channel", body).1["detail"], detail);
    }
}

#[test]
fn a_far_end_is_set_by_every_generation_of_paths_and_bodies() {
    let target =
        |payloads| Target { ip: "8.8.4.4".parse().unwrap(), port: 12_000, payloads, ptime_ms: None, direction: None, rtcp_mux: false };
    let body = r#"{"ip":"8.8.4.4","port":12000,"audio":{"payloads":[9,"8",101]}}"#;
    let expected = Command::Target { channel: id(1), target: target(vec![plain(9), plain(8), plain(101)]) };
    for path in [format!("/channel/{}", id(1)), format!("/channel/target/{}", id(1)), format!("/channel/{}/target", id(1))] {
        assert_eq!(asked(Method::Put, &path, body), expected);
    }
    let path = format!("/channel/{}", id(1));
    let mapped = r#"{"ip":"8.8.4.4","port":12000,"direction":"sendonly","rtcpmux":true,
        "audio":{"ptime":30,"payloads":[96,97,101],"fmtp":{"101":"0-16"},
            "rtpmap":{"96":"opus/48000/2","97":{"encoding":"iLBC","clock":8000},"101":{"encoding":"telephone-event","clock":"8000","params":""}}}}"#;
    let encoding = |name: &str, clock_rate_hz, channels| Some(Encoding { name: name.into(), clock_rate_hz, channels });
    let payloads = vec![
        Payload { number: 96, encoding: encoding("opus", 48_000, 2), fmtp: None },
        Payload { number: 97, encoding: encoding("iLBC", 8000, 1), fmtp: None },
        Payload { number: 101, encoding: encoding("telephone-event", 8000, 1), fmtp: Some("0-16".into()) },
    ];
    let direction = Some(Direction { send: true, recv: false });
    let target = Target { ptime_ms: Some(30), direction, rtcp_mux: true, ..target(payloads) };
    assert_eq!(asked(Method::Put, &path, mapped), Command::Target { channel: id(1), target: target.clone() });
    let successor = r#"{"remote":{"address":"8.8.4.4","port":12000,"codec":0}}"#;
    let target = Target { payloads: vec![plain(0)], ptime_ms: None, direction: None, rtcp_mux: false, ..target };
    assert_eq!(asked(Method::Put, &path, successor), Command::Target { channel: id(1), target });
}

#[test]
fn a_bad_far_end_is_refused_by_name() {
    let path = format!("/channel/{}", id(1));
    let audio = r#""audio":{"payloads":[0]}"#;
    for (body, status, detail) in [
        ("{}".to_owned(), 400, "ip is missing"),
        (format!(r#"{{"ip":"1.2.3.4",{audio}}}"#), 400, "port is missing"),
        (format!(r#"{{"ip":"1.2.3.4","port":70000,{audio}}}"#), 400, "port must be a whole number from 0 to 65535"),
        (r#"{"ip":"1.2.3.4","port":1}"#.to_owned(), 400, "audio.payloads must name at least one payload type"),
        (r#"{"ip":"1.2.3.4","port":1,"audio":{"payloads":[0,128]}}"#.to_owned(), 400, "audio.payloads[1] must be 0 to 127"),
        (
            r#"{"ip":"1.2.3.4","port":1,"audio":{"payloads":[96],"rtpmap":{"96":{"clock":8000}}}}"#.to_owned(),
            400,
            "audio.rtpmap.96.encoding is missing",
        ),
        (r#"{"ip":"1.2.3.4","port":1,"audio":{"payloads":[96],"rtpmap":{"96":"x/0"}}}"#.to_owned(), 400, "audio.rtpmap.96 has a bad clock"),
        (
            format!(r#"{{"ip":"1.2.3.4","port":1,"direction":"up",{audio}}}"#),
            400,
            "direction must be sendrecv, sendonly, recvonly or inactive",
        ),
        (format!(r#"{{"ip":"1.2.3.4","port":1,"crypto":{{}},{audio}}}"#), 422, "encrypted media (dtls, crypto) are not spoken here"),
    ] {
        assert_eq!(refused(&path, &body), (status, detail.to_owned()), "{body}");
    }
}

#[test]
fn a_far_end_given_by_name_is_resolved() {
    rt::run_test(async {
        let api = media();
        let put = |host: &str| {
            let body = format!(r#"{{"ip":"{host}","port":4000,"audio":{{"payloads":[0]}}}}"#);
            api.handle(Request::new(Method::Put, &format!("/channel/{}", id(1)), body).unwrap())
        };
        assert_eq!(put("localhost").await.status, 200);
        assert!(matches!(&api.backend.asked.borrow()[0], Command::Target { target, .. } if target.ip.is_loopback()));
        let response = put("no such host").await;
        assert_eq!(response.status, 422);
        assert!(String::from_utf8(response.body).unwrap().contains("\"error\":\"unresolved\",\"detail\":\"ip names a host"));
    });
}

#[test]
fn verbs_become_commands() {
    let (a, b) = (id(1), id(2));
    for (target, body, command) in [
        (format!("/channel/{a}/mix/{b}"), "", Command::Mix { a, b }),
        (format!("/channel/{a}/unmix"), "", Command::Unmix { channel: a }),
        (format!("/channel/{a}/echo"), "", Command::Echo { channel: a }),
        (
            format!("/channel/{a}/direction"),
            r#"{"send":false}"#,
            Command::Direction { channel: a, direction: Direction { send: false, recv: true } },
        ),
    ] {
        assert_eq!(asked(Method::Put, &target, body), command);
        assert_eq!(ask(&media(), Method::Post, &target, body).0, 405);
    }
    assert_eq!(asked(Method::Get, "/channel", ""), Command::List);
    for target in ["/channel/x", "/channel/x/mix/y", "/channel/x/unmix", "/channel/x/target"] {
        let (status, detail) = refused(target, r#"{"ip":"1.2.3.4","port":1,"audio":{"payloads":[0]}}"#);
        assert_eq!((status, detail.as_str()), (404, "x is not a channel"));
    }
    for (method, target, allow) in [
        (Method::Put, "/", "POST"),
        (Method::Put, "/channel", "GET, POST"),
        (Method::Post, "/channel/x", "GET, PUT, DELETE"),
        (Method::Get, "/channel/x/target", "PUT"),
    ] {
        let (status, _, response) = ask(&media(), method, target, "");
        assert_eq!(status, 405);
        assert!(response.headers.contains(&("Allow", allow.to_owned())), "{target}");
    }
    assert_eq!(ask(&media(), Method::Get, "/channel/x/y/z/w", "").0, 404);
    assert_eq!(ask(&media(), Method::Get, "/status", "").0, 200);
}

#[test]
fn media_verbs_become_commands() {
    use rtp::api::{Dtmf, Entry, Record, Soup};
    let a = id(1);
    let path = |rest: &str| format!("/channel/{a}/{rest}");
    let soup = Soup { entries: vec![Entry::wav("a.wav")], ..Soup::default() };
    let (status, body) = answer(Method::Put, &path("play"), r#"{"files":[{"wav":"a.wav"}]}"#, Ok(Reply::Playing { play: 7 }));
    assert_eq!((status, body), (200, value!({"play": 7})));
    assert_eq!(refused(&path("play"), "{}"), (400, "files is missing".into()));
    assert_eq!(refused(&path("record"), "{}"), (400, "file is missing".into()));
    assert_eq!(refused(&path("dtmf"), "{}"), (400, "digits is missing".into()));
    let stop = |file: Option<&str>| Command::StopRecord { channel: a, file: file.map(Into::into) };
    for (method, rest, body, command) in [
        (Method::Delete, "play", "", Command::StopPlay { channel: a }),
        (Method::Put, "record", r#"{"file":"b.wav"}"#, Command::Record { channel: a, record: Box::new(Record::new("b.wav")) }),
        (Method::Delete, "record", "", stop(None)),
        (Method::Delete, "record/b.wav", "", stop(Some("b.wav"))),
        (Method::Delete, "record/x/b%20c.wav", "", stop(Some("x/b c.wav"))),
        (
            Method::Put,
            "dtmf",
            r#"{"digits":"5#"}"#,
            Command::Dtmf { channel: a, dtmf: Dtmf { digits: vec![5, 11], duration_ms: 200, gap_ms: 200, inband: None } },
        ),
    ] {
        assert_eq!(asked(method, &path(rest), body), command);
    }
    let api = media();
    api.backend.answers.borrow_mut().push_back(Ok(Reply::Playing { play: 1 }));
    ask(&api, Method::Put, &path("play"), r#"{"files":[{"wav":"a.wav"}]}"#);
    assert_eq!(api.backend.asked.take(), [Command::Play { channel: a, soup }]);
    for (method, rest, allow) in [
        (Method::Post, "play", "PUT, DELETE"),
        (Method::Get, "record", "PUT, DELETE"),
        (Method::Put, "record/a", "DELETE"),
        (Method::Get, "dtmf", "PUT"),
    ] {
        let (status, _, response) = ask(&media(), method, &path(rest), "");
        assert_eq!(status, 405);
        assert!(response.headers.contains(&("Allow", allow.to_owned())), "{rest}");
    }
    for rest in ["play", "record", "dtmf"] {
        let (status, detail) = refused(&format!("/channel/x/{rest}"), "{}");
        assert_eq!((status, detail.as_str()), (404, "x is not a channel"), "the path is judged before the body");
    }
}

fn told_of(event: &Event) -> Value {
    serde_json::from_slice(&crate::json::channel_event(event)).unwrap()
}

#[test]
fn speakers_are_asked_for_with_an_interval_and_told_as_names() {
    let uuid = id(1);
    let path = format!("/channel/{uuid}/speakers");
    let ask = |method, body: &str| match asked(method, &path, body) {
        Command::Speakers { channel, interval_ms } if channel == uuid => interval_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!((ask(Method::Put, ""), ask(Method::Put, r#"{"interval":100}"#), ask(Method::Delete, "")), (Some(500), Some(100), None));
    for body in [r#"{"interval":99}"#, r#"{"interval":"often"}"#, r#"{"interval":4294967396}"#] {
        let (status, answer) = answer(Method::Put, &path, body, Ok(Reply::Done));
        assert_eq!((status, &answer["detail"]), (400, &value!("interval must be a number of ms from 100 to 60000")), "{body}");
    }
    let action = EventAction::Speakers(vec![id(3), id(2)]);
    let event = Event { control: ControlUrl("http://h:1".into()), channel: id(1), id: None, seq: 4, action };
    let expected = value!({
        "action": "mix", "event": "speakers", "speakers": [id(3).to_string(), id(2).to_string()], "uuid": id(1).to_string(), "seq": 4
    });
    assert_eq!(told_of(&event), expected);
}

#[test]
fn media_events_have_both_addresses() {
    use rtp::api::MediaEvent;
    let told = |event, expected: Option<&str>, seen: Option<&str>| {
        let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let action = EventAction::Media { event, expected: address(expected), seen: address(seen) };
        told_of(&Event { control: ControlUrl("http://h:1".into()), channel: id(1), id: None, seq: 4, action })
    };
    assert_eq!(
        told(MediaEvent::Timeout, Some("10.0.0.1:4000"), None),
        value!({"action": "media", "event": "timeout", "expected": {"ip": "10.0.0.1", "port": 4000}, "seen": null, "uuid": id(1).to_string(), "seq": 4})
    );
    let refused = told(MediaEvent::Refused, None, Some("[::ffff:192.0.2.1]:9"));
    assert_eq!((&refused["event"], &refused["expected"]), (&value!("refused"), &value!(null)));
    assert_eq!(refused["seen"], value!({"ip": "192.0.2.1", "port": 9}), "as it is written in SDP");
}

#[test]
fn events_of_plays_and_recordings_have_the_documented_keys() {
    use rtp::api::{PlayEvent, PlayReason, RecordEnd, RecordEvent, RecordEventKind, Ticket};
    let told = |action| {
        let event = Event { control: ControlUrl("http://h:1".into()), channel: id(1), id: Some("c".into()), seq: 4, action };
        let mut told = told_of(&event);
        for (key, expected) in [("uuid", value!(id(1).to_string())), ("id", value!("c")), ("seq", value!(4))] {
            assert_eq!(told.as_object_mut().unwrap().shift_remove(key), Some(expected));
        }
        told
    };
    assert_eq!(
        told(EventAction::Play(PlayEvent::Start { play: 2, reason: PlayReason::New })),
        value!({"action": "play", "event": "start", "reason": "new", "play": 2})
    );
    assert_eq!(
        told(EventAction::Play(PlayEvent::End { play: 2, reason: PlayReason::TelephoneEvent })),
        value!({"action": "play", "event": "end", "reason": "telephone-event", "play": 2})
    );
    assert_eq!(
        told(EventAction::Play(PlayEvent::Error { detail: "a.wav: not there".into() })),
        value!({"action": "play", "event": "error", "detail": "a.wav: not there"})
    );
    let record = RecordEvent {
        file: "a.wav".into(),
        kind: RecordEventKind::Finished(RecordEnd::BelowPower),
        filesize: Some(44),
        lost_ms: 0,
        ticket: Ticket(1),
        detail: None,
    };
    assert_eq!(
        told(EventAction::Record(Box::new(record))),
        value!({"action": "record", "event": "finished.belowpower", "file": "a.wav", "filesize": 44})
    );
}

#[test]
fn statistics_have_the_documented_keys_and_null_for_what_is_not_known() {
    let stats = Stats {
        input: InStats { count: 3, bytes: 516, jitter_ms: Some(1.5), ..InStats::default() },
        codec_out: Some("PCMA"),
        tick: Some(TickStats { mean_us: 2, max_us: 9, count: 3 }),
        remote: RemoteStats { address: Some("192.0.2.9:4000".parse().unwrap()), latched: true },
        ..Stats::default()
    };
    let uuid = id(1).to_string();
    let figures = value!({
        "in": {"count": 3, "bytes": 516, "lost": 0, "late": 0, "duplicate": 0, "reordered": 0, "badsource": 0, "jitterms": 1.5,
            "bufferms": null, "concealed": null, "mos": null},
        "out": {"count": 0, "bytes": 0, "skipped": 0},
        "rtcp": {
            "rttms": null, "remotelost": null, "remotejitterms": null, "remotelosspercent": null, "remotediscardpercent": null,
            "remoteburstms": null, "remotemos": null, "goodbye": false,
        },
        "codec": {"in": null, "out": "PCMA"},
        "tick": {"meanus": 2, "maxus": 9, "count": 3},
        "remote": {"ip": "192.0.2.9", "port": 4000, "latched": true},
    });
    let with = |mut first: Value| {
        first.as_object_mut().unwrap().extend(figures.as_object().unwrap().clone());
        first
    };
    let closed = Reply::Closed { stats: Box::new(stats.clone()), channels: ChannelCounts { active: 0, available: 5000 } };
    assert_eq!(
        answer(Method::Delete, &format!("/channel/{uuid}"), "", Ok(closed)),
        (200, with(value!({"uuid": uuid, "channels": {"active": 0, "available": 5000}})))
    );
    let view = ChannelView {
        channel: id(1),
        id: Some("c".into()),
        local: "192.0.2.1:10000".parse().unwrap(),
        mix: Some(id(2)),
        echo: false,
        direction: Direction::default(),
        levels: Levels { in_db: -0.1, mute_out: true, ..Levels::default() },
        group: Some(GroupView { members: 3, gain_db: 6.0, speakers: vec![id(2)] }),
        codec: Some("PCMA"),
        play: Some(3),
        records: vec!["a.wav".into()],
        stats: stats.clone(),
    };
    let shown = with(value!({
        "uuid": uuid, "channel": uuid, "id": "c", "ip": "192.0.2.1", "port": 10_000, "mix": id(2).to_string(), "echo": false,
        "direction": {"send": true, "recv": true}, "play": 3, "gain": {"in": -0.1, "out": 0.0}, "mute": {"in": false, "out": true},
        "group": {"members": 3, "gain": 6.0, "speakers": [id(2).to_string()]}, "record": ["a.wav"],
    }));
    assert_eq!(answer(Method::Get, &format!("/channel/{uuid}"), "", Ok(Reply::Channel(Box::new(view.clone())))), (200, shown.clone()));
    assert_eq!(
        answer(Method::Get, "/channel", "", Ok(Reply::Channels(vec![view.clone()]))),
        (200, value!({"count": 1, "channels": [shown]}))
    );
    // By the name that its opener gave it.
    let mine = ChannelView { id: Some("http://c:9001/7".into()), ..view.clone() };
    let both = || Ok(Reply::Channels(vec![view.clone(), mine.clone()]));
    let (_, found) = answer(Method::Get, "/channel?id=http%3A%2F%2Fc%3A9001%2F7", "", both());
    assert_eq!((&found["count"], &found["channels"][0]["id"]), (&value!(1), &value!("http://c:9001/7")));
    assert_eq!(answer(Method::Get, "/channel?id=x", "", both()), (200, value!({"count": 0, "channels": []})));
    let event = Event {
        control: ControlUrl("http://h:1".into()),
        channel: id(1),
        id: None,
        seq: 2,
        action: EventAction::Close { reason: CloseReason::Idle, stats: Box::new(stats) },
    };
    assert_eq!(told_of(&event), value!({"action": "close", "reason": "idle", "stats": figures, "uuid": uuid, "seq": 2}));
}

#[test]
fn what_the_media_core_refuses_has_its_status() {
    for (error, status, code) in [
        (CommandError::NotFound(id(1)), 404, "channel_not_open"),
        (CommandError::WrongState("x"), 409, "wrong_state"),
        (CommandError::Impossible("x".into()), 422, "impossible"),
        (CommandError::Bad("x".into()), 400, "bad_value"),
        (CommandError::Unavailable("draining"), 503, "unavailable"),
    ] {
        let (have, body) = answer(Method::Put, &format!("/channel/{}/unmix", id(1)), "", Err(error));
        assert_eq!((have, body["error"].as_str()), (status, Some(code)));
    }
}
