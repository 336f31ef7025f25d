//! Every route against a backend that says what it was asked.

use std::cell::RefCell;
use std::collections::VecDeque;

use futures_lite::future::block_on;
use serde_json::json as value;
use sip::api::{
    Action, BindingView, CallerId, Command, CommandError, ControlUrl, DomainView, Epochs, EventKind, Originate, Party, ReferView,
    RegisteredUser, RegistrationsView, Reply, Secret, Snapshot, UserEntry,
};

use super::*;

/// Notes what it is asked, answers what the test laid down, `Done` when there is nothing.
#[derive(Default)]
struct Core {
    asked: RefCell<Vec<Command>>,
    answers: RefCell<VecDeque<Result<Reply, CommandError>>>,
}

impl SipBackend for Core {
    async fn call(&self, command: Command) -> Result<Reply, CommandError> {
        self.asked.borrow_mut().push(command);
        self.answers.borrow_mut().pop_front().unwrap_or(Ok(Reply::Done))
    }
}

struct Steady(Result<(), String>);

impl Program for Steady {
    fn status(&self) -> Map<String, Value> {
        let Value::Object(map) = value!({
            "version": "1.2.3",
            "program": "a\"b",
            "uptime_s": 5,
            "accepting": true,
            "load": {"cores": [{"core": 0, "channels": 5, "tick": {"meanus": 1.5}}, {"core": 2, "channels": 0}], "note": "x"},
        }) else {
            unreachable!()
        };
        map
    }

    fn health(&self) -> Result<(), String> {
        self.0.clone()
    }

    fn ready(&self) -> Result<(), String> {
        self.0.clone()
    }

    fn drain(&self) {}
}

fn api() -> SipApi<Core, Steady> {
    SipApi { backend: Core::default(), program: Steady(Ok(())), server: Rc::default() }
}

fn ask<H: Handler>(api: &H, method: Method, target: &str, body: &str) -> (u16, Value, Response) {
    let response = block_on(api.handle(Request::new(method, target, body).unwrap()));
    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    (response.status, body, response)
}

/// The command that a request becomes.
fn command(method: Method, target: &str, body: &str) -> Command {
    let api = api();
    let (status, answer, _) = ask(&api, method, target, body);
    let asked = api.backend.asked.take();
    assert_eq!(asked.len(), 1, "{target} {body}: {status} {answer}");
    asked.into_iter().next().unwrap()
}

/// Status and body of a request that the core answers so.
fn answered(method: Method, target: &str, body: &str, answer: Result<Reply, CommandError>) -> (u16, Value) {
    let api = api();
    api.backend.answers.borrow_mut().push_back(answer);
    let (status, body, _) = ask(&api, method, target, body);
    (status, body)
}

/// Detail of a request that must be refused without asking the core.
fn bad(method: Method, target: &str, body: &str) -> String {
    let api = api();
    let (status, answer, _) = ask(&api, method, target, body);
    assert_eq!(status, 400, "{target} {body}: {answer}");
    assert!(api.backend.asked.borrow().is_empty());
    assert!(["bad_field", "bad_json"].contains(&answer["error"].as_str().unwrap()));
    answer["detail"].as_str().unwrap().to_owned()
}

fn control() -> ControlUrl {
    ControlUrl("http://127.0.0.1:9001".into())
}

fn user(username: &str, secret: &str) -> UserEntry {
    UserEntry { username: username.into(), secret: Secret::Clear(secret.into()) }
}

#[test]
fn the_documented_directory_lines_become_commands() {
    let body = r#"{"control":"http://127.0.0.1:9001","users":[{"username":"1003","secret":"s"},{"username":"1000","ha1":"0123456789ABCDEF0123456789abcdef"}]}"#;
    let users =
        vec![user("1003", "s"), UserEntry { username: "1000".into(), secret: Secret::Ha1("0123456789abcdef0123456789abcdef".into()) }];
    assert_eq!(
        command(Method::Put, "/dir/Bling.Babblevoice.com", body),
        Command::DirReplace { domain: "bling.babblevoice.com".into(), control: Some(control()), users: users.clone() }
    );
    assert_eq!(
        command(Method::Patch, "/dir/a.b", r#"{"users":[{"username":"1","secret":""}],"x":1}"#),
        Command::DirUpdate { domain: "a.b".into(), control: None, users: vec![user("1", "")] }
    );
    assert_eq!(command(Method::Patch, "/dir/a.b", ""), Command::DirUpdate { domain: "a.b".into(), control: None, users: vec![] });
    for method in [Method::Put, Method::Patch] {
        assert_eq!(
            command(method, "/dir/a.b/1003", r#"{"secret":"s"}"#),
            Command::DirUser { domain: "a.b".into(), user: user("1003", "s") }
        );
    }
    assert_eq!(command(Method::Get, "/dir/", ""), Command::DirGet { domain: None, user: None });
    assert_eq!(command(Method::Delete, "/dir/A.b", ""), Command::DirDelete { domain: "a.b".into(), user: None });
    assert_eq!(command(Method::Delete, "/dir/a.b/10%2F03", ""), Command::DirDelete { domain: "a.b".into(), user: Some("10/03".into()) });
}

#[test]
fn directory_answers_have_the_documented_shape_and_status() {
    assert_eq!(answered(Method::Put, "/dir/a", r#"{"control":"http://h:1","users":[]}"#, Ok(Reply::Done)), (201, value!({})));
    assert_eq!(answered(Method::Put, "/dir/a/1", r#"{"secret":"s"}"#, Ok(Reply::Created)).0, 201);
    assert_eq!(answered(Method::Patch, "/dir/a/1", r#"{"secret":"s"}"#, Ok(Reply::Done)).0, 200);
    assert_eq!(answered(Method::Get, "/dir", "", Ok(Reply::Domains(vec!["a.b".into()]))), (200, value!({"domains":["a.b"]})));
    let view = DomainView { domain: "a".into(), control: Some(control()), users: vec!["1".into()], domains: vec!["b.a".into()] };
    assert_eq!(
        answered(Method::Get, "/dir/a", "", Ok(Reply::Domain(view))),
        (200, value!({"domain":"a","control":"http://127.0.0.1:9001","users":["1"],"domains":["b.a"]}))
    );
    assert_eq!(
        answered(Method::Get, "/dir/a/1", "", Ok(Reply::User { domain: "a".into(), username: "1".into() })),
        (200, value!({"domain":"a","username":"1"}))
    );
    assert_eq!(
        answered(Method::Get, "/dir/x", "", Err(CommandError::NotFound("domain x".into()))),
        (404, value!({"error":"not_found","detail":"domain x is not known here"}))
    );
}

#[test]
fn a_bad_field_is_named() {
    for (body, detail) in [
        ("", "control is missing"),
        ("[]", "the body must be an object"),
        (r#"{"control":"http://h:1"}"#, "users is missing"),
        (r#"{"control":"http://h:1","users":{}}"#, "users must be an array"),
        (r#"{"control":"http://h:1","users":[1]}"#, "users[0] must be an object"),
        (r#"{"control":"http://h:1","users":[{"secret":"s"}]}"#, "users[0].username is missing"),
        (r#"{"control":"http://h:1","users":[{"username":"","secret":"s"}]}"#, "users[0].username must not be empty"),
        (
            r#"{"control":"http://h:1","users":[{"username":"a b","secret":"s"}]}"#,
            "users[0].username must be 1 to 255 bytes without white space or @",
        ),
        (
            r#"{"control":"http://h:1","users":[{"username":"1","secret":"s"},{"username":"2","secret":"s"},{"username":"3","secret":3}]}"#,
            "users[2].secret must be a string",
        ),
        (r#"{"control":"http://h:1","users":[{"username":"1"}]}"#, "users[0].secret is missing"),
        (r#"{"control":"http://h:1","users":[{"username":"1","ha1":"x"}]}"#, "users[0].ha1 must be 32 hex digits"),
        (r#"{"control":"http://h:1","users":[{"username":"1","secret":"s","ha1":"x"}]}"#, "users[0].ha1 and secret exclude each other"),
        (r#"{"control":7,"users":[]}"#, "control must be a URL or an object of host and port"),
    ] {
        assert_eq!(bad(Method::Put, "/dir/a", body), detail, "{body}");
    }
    assert!(bad(Method::Put, "/dir/a", "{").starts_with("the body is not JSON: "));
    assert!(bad(Method::Put, "/dir/a", &"[".repeat(1000)).starts_with("the body is not JSON: "));
    assert_eq!(bad(Method::Put, "/dir/a", "\u{feff}{}"), "control is missing");
    assert_eq!(bad(Method::Put, "/dir/a%20b", "{}"), "the domain in the path must be a host name or an address");
    assert_eq!(bad(Method::Patch, "/dir/a/b", "{}"), "secret is missing");
}

#[test]
fn registrations_have_the_documented_shape() {
    assert_eq!(answered(Method::Get, "/reg/", "", Ok(Reply::RegCount(1255))), (200, value!({"count":1255})));
    assert_eq!(command(Method::Get, "/reg/A/1", ""), Command::RegGet { domain: Some("a".into()), user: Some("1".into()) });
    let binding = BindingView {
        contact: "sip:1003@127.0.0.1:42068".into(),
        remote: "127.0.0.1:42068".parse().unwrap(),
        agent: Some("Z 5.2".into()),
        transport: "udp",
        expires: 3600,
        expiresin: 3000,
        outstandingping: 0,
        registered: 1_552_507_958,
    };
    let users = vec![
        RegisteredUser { username: "1000".into(), contacts: vec![] },
        RegisteredUser { username: "1003".into(), contacts: vec![binding] },
    ];
    let view = RegistrationsView { domain: "bling.babblevoice.com".into(), count: 3, registered: 1, users };
    let remote = value!({"host":"127.0.0.1","port":42068,"agent":"Z 5.2"});
    let epochs = value!({"registered":1_552_507_958});
    assert_eq!(
        answered(Method::Get, "/reg/bling.babblevoice.com", "", Ok(Reply::Registrations(view))),
        (
            200,
            value!({
            "domain":"bling.babblevoice.com","count":3,"registered":1,
            "users":{
                "1000":{"registered":false},
                "1003":{"registered":true,"outstandingping":0,"remote":remote,"epochs":epochs,"expires":3600,"expiresin":3000,"transport":"udp",
                    "contacts":[{"contact":"sip:1003@127.0.0.1:42068","remote":remote,"transport":"udp","expires":3600,"expiresin":3000,"outstandingping":0,"epochs":epochs}]},
            }})
        )
    );
}

fn originated(body: &str) -> Originate {
    match command(Method::Post, "/dialog/invite", body) {
        Command::Originate(call) => *call,
        other => panic!("{other:?}"),
    }
}

fn party(user: &str, domain: Option<&str>) -> Party {
    Party { user: user.into(), domain: domain.map(str::to_owned), ..Party::default() }
}

#[test]
fn every_dialect_of_a_party_is_read() {
    for (text, user, domain) in [
        (r#""1003""#, "1003", None),
        (r#""1003@Bling.com""#, "1003", Some("bling.com")),
        (r#""sip:1003@bling.com""#, "1003", Some("bling.com")),
        (r#""SIP:1003:pw@bling.com:5070;transport=udp?X=y""#, "1003", Some("bling.com:5070")),
        (r#""\"Bob, B\" <sip:1003@[::1]:5060;lr>;tag=1""#, "1003", Some("[::1]:5060")),
        (r#""sip:%31003@h""#, "1003", Some("h")),
        (r#""tel:+441234;phone-context=x""#, "+441234", None),
        (r#"{"user":"1003"}"#, "1003", None),
        (r#"{"user":"1003","domain":"H"}"#, "1003", Some("h")),
    ] {
        let call = originated(&format!(r#"{{"from":"1","to":{text}}}"#));
        assert_eq!(call.to, party(user, domain), "{text}");
    }
    for text in
        [r#""""#, r#""sip:""#, r#""@h""#, r#""a b""#, r#""1003@a b""#, r#""<sip:1""#, "7", r#"{"user":""}"#, r#"{"domain":"h"}"#, "[]"]
    {
        assert!(bad(Method::Post, "/invite", &format!(r#"{{"from":"1","to":{text}}}"#)).starts_with("to"), "{text}");
    }
}

#[test]
fn both_generations_of_originate_are_read() {
    let seed = r#"[{"domain":"bling.com","to":"1003","from":"1000","maxforwards":5,"callerid":{"number":"1","name":"N","private":true},"control":{"host":"127.0.0.1","port":9001}}]"#;
    let expected = Originate {
        from: party("1000", None),
        to: party("1003", None),
        domain: Some("bling.com".into()),
        callerid: Some(CallerId { number: "1".into(), name: "N".into(), private: true }),
        maxforwards: 5,
        control: Some(control()),
        sdp: None,
        headers: vec![],
        autoanswer: false,
        idempotency: None,
    };
    for path in ["/invite", "/dialog/invite"] {
        assert_eq!(command(Method::Post, path, seed), Command::Originate(Box::new(expected.clone())));
    }
    let coded = r#"{"from":{"user":"1000","domain":"bling.com","authsecret":"s","authuser":"u"},"to":{"user":"1003"},"cid":{"number":"1"},
        "control":"http://127.0.0.1:9001","sdp":{"v":0,"o":{"address":"1.2.3.4"},"m":[]},"headers":{"X-A":"1","X-B":["2","3"]},"autoanswer":true,"idempotency":"k"}"#;
    let call = originated(coded);
    assert_eq!(call.from.authsecret.as_deref(), Some("s"));
    assert_eq!(call.callerid.map(|id| (id.number, id.private)), Some(("1".into(), false)));
    assert_eq!((call.maxforwards, call.autoanswer, call.idempotency.as_deref()), (70, true, Some("k")));
    assert!(call.sdp.is_some());
    assert_eq!(call.headers, [("X-A".into(), "1".into()), ("X-B".into(), "2".into()), ("X-B".into(), "3".to_owned())]);
}

#[test]
fn originate_says_which_field_is_wrong() {
    for (body, detail) in [
        ("{}", "from is missing"),
        (r#"{"from":"1"}"#, "to is missing"),
        (r#"{"from":"1","to":"2","maxforwards":"70"}"#, "maxforwards must be a whole number from 0 to 255"),
        (r#"{"from":"1","to":"2","cid":{"private":1}}"#, "cid.private must be true or false"),
        (r#"{"from":"1","to":"2","headers":{"X-A":"1\r\nVia: x"}}"#, "headers.X-A must not hold control characters"),
        (r#"{"from":"1","to":"2","headers":{"X A":"1"}}"#, "headers.X A is not a header name"),
        (r#"[{"from":"1","to":"2"},{"from":"1"}]"#, "[1].to is missing"),
        ("[]", "the array must hold 1 to 64 calls"),
        (r#"{"from":"1","to":"2","control":"ftp://h"}"#, "control must start with http://"),
    ] {
        assert_eq!(bad(Method::Post, "/dialog/invite", body), detail, "{body}");
    }
    assert!(bad(Method::Post, "/invite", r#"[{"from":"1","to":"2","sdp":{"o":{"address":"1.2.3.4"},"m":7}}]"#).starts_with("[0].sdp.m"));
}

#[test]
fn originate_answers_one_or_an_array() {
    let one = r#"{"from":"1","to":"2"}"#;
    assert_eq!(answered(Method::Post, "/invite", one, Ok(Reply::Originated("c".into()))), (200, value!({"callid":"c"})));
    for code in [404, 480] {
        let (status, body) = answered(Method::Post, "/invite", one, Err(CommandError::Unroutable(code)));
        assert_eq!((status, &body["error"]), (code, &value!("unroutable")));
    }
    let two = format!("[{one},{one}]");
    let api = api();
    *api.backend.answers.borrow_mut() = [Ok(Reply::Originated("c".into())), Err(CommandError::Unroutable(480))].into();
    let (status, body, _) = ask(&api, Method::Post, "/dialog/invite", &two);
    assert_eq!((status, &body[0], &body[1]["status"]), (200, &value!({"callid":"c"}), &value!(480)));
    *api.backend.answers.borrow_mut() = [Err(CommandError::Unroutable(404)), Err(CommandError::Unroutable(480))].into();
    assert_eq!(ask(&api, Method::Post, "/dialog/invite", &two).0, 404, "none placed: the first reason");
}

#[test]
fn every_action_is_read_by_both_paths_and_verbs() {
    let sdp = crate::json::sdp::from_json(&value!({"o":{"address":"1.2.3.4"}})).ok();
    assert!(sdp.is_some());
    let hangup = |reason: Option<&str>, code| Action::Hangup { reason: reason.map(str::to_owned), code, headers: vec![] };
    for (word, fields, action) in [
        ("ring", r#""alertinfo":"x""#, Action::Ring { alertinfo: Some("x".into()), sdp: None }),
        ("progress", r#""sdp":{"o":{"address":"1.2.3.4"}}"#, Action::Progress { sdp: sdp.clone().unwrap() }),
        ("answer", r#""sdp":{"o":{"address":"1.2.3.4"}}"#, Action::Answer { sdp: sdp.clone() }),
        ("answer", r#""sdp":{}"#, Action::Answer { sdp: None }),
        ("ok", r#""sdp":null"#, Action::Ok { sdp: None }),
        ("ack", r#""sdp":{"o":{"address":"1.2.3.4"}}"#, Action::Ack { sdp: sdp.clone().unwrap() }),
        ("invite", r#""sdp":{"o":{"address":"1.2.3.4"}}"#, Action::Invite { sdp }),
        ("update", r#""x":1"#, Action::Update { sdp: None }),
        ("refer", r#""to":"1003","replaces":"c2""#, Action::Refer { to: "1003".into(), replaces: Some("c2".into()) }),
        ("notify", r#""x":1"#, Action::Notify { status: 200 }),
        ("notify", r#""status":486"#, Action::Notify { status: 486 }),
        ("info", r#""contenttype":"a/b","body":"1\r\n2""#, Action::Info { contenttype: "a/b".into(), body: "1\r\n2".into() }),
        ("redirect", r#""contacts":["sip:a","sip:b"]"#, Action::Redirect { contacts: vec!["sip:a".into(), "sip:b".into()] }),
        ("redirect", r#""contacts":"sip:a""#, Action::Redirect { contacts: vec!["sip:a".into()] }),
        ("hangup", r#""x":1"#, hangup(None, None)),
        ("hangup", r#""reason":"busy""#, hangup(Some("busy"), None)),
        ("hangup", r#""reason":"","code":486.0"#, hangup(None, Some(486))),
    ] {
        for method in [Method::Put, Method::Post] {
            let expected = Command::Act { callid: "c 1".into(), action: Box::new(action.clone()) };
            assert_eq!(command(method, &format!("/dialog/{word}"), &format!(r#"{{"callid":"c 1",{fields}}}"#)), expected);
            assert_eq!(command(method, &format!("/dialog/c%201/{word}"), &format!(r#"{{"callid":"other",{fields}}}"#)), expected);
        }
    }
    let expected = Command::Act { callid: "c".into(), action: Box::new(hangup(None, None)) };
    assert_eq!(command(Method::Delete, "/dialog/c", ""), expected);
}

#[test]
fn a_bad_action_is_refused() {
    for (word, fields, detail) in [
        ("progress", "", "sdp is missing"),
        ("answer", r#","sdp":"v=0""#, "sdp: an object expected"),
        ("refer", "", "to is missing"),
        ("refer", r#","to":"a\r\nb""#, "to must not hold control characters"),
        ("notify", r#","status":99"#, "status must be a whole number from 100 to 699"),
        ("hangup", r#","code":200"#, "code must be a whole number from 300 to 699"),
        ("hangup", r#","reason":7"#, "reason must be a string"),
        ("info", "", "contenttype is missing"),
        ("redirect", r#","contacts":[]"#, "contacts must be 1 to 16"),
        ("redirect", r#","contacts":["sip:a",7]"#, "contacts[1] must be a URI"),
    ] {
        let found = bad(Method::Put, &format!("/dialog/{word}"), &format!(r#"{{"callid":"c"{fields}}}"#));
        if word == "answer" { assert!(found.starts_with("sdp"), "{found}") } else { assert_eq!(found, detail) }
    }
    let api = api();
    for (method, target, body, status) in [
        (Method::Put, "/dialog/ring", "{}", 404),
        (Method::Put, "/dialog/invite", "{}", 404),
        (Method::Put, "/dialog/dance", r#"{"callid":"c"}"#, 404),
        (Method::Put, "/dialog/c/dance", "", 404),
        (Method::Get, "/dialog/c/dance", "", 404),
        (Method::Get, "/dialog/c/ring", "", 405),
    ] {
        assert_eq!(ask(&api, method, target, body).0, status, "{target}");
    }
    assert!(api.backend.asked.borrow().is_empty());
}

#[test]
fn what_the_core_refuses_has_its_status() {
    for (error, status, code) in [
        (CommandError::NotFound("c".into()), 404, "not_found"),
        (CommandError::WrongState("already answered"), 409, "wrong_state"),
        (CommandError::Impossible("x".into()), 422, "impossible"),
        (CommandError::Bad("x".into()), 400, "bad_field"),
        (CommandError::Unroutable(603), 480, "unroutable"),
        (CommandError::Full { what: "calls", max: 5 }, 503, "full"),
    ] {
        let api = api();
        api.backend.answers.borrow_mut().push_back(Err(error));
        let (have, body, response) = ask(&api, Method::Put, "/dialog/c/ring", "");
        assert_eq!((have, body["error"].as_str()), (status, Some(code)));
        assert_eq!(response.headers.iter().any(|(name, _)| *name == "Retry-After"), status == 503);
    }
}

#[test]
fn a_snapshot_has_the_documented_keys_in_order() {
    let call = Snapshot {
        seq: 4,
        event: EventKind::Refer,
        callid: "c".into(),
        uuid: "u".into(),
        domain: "d".into(),
        to: Some("6".into()),
        from: Some("1000".into()),
        contact: Some("<sip:x>".into()),
        maxforwards: Some(70),
        authenticated: true,
        ring: false,
        answered: true,
        hold: false,
        originator: false,
        hangup: false,
        error: (0, String::new()),
        remote: Some("[::ffff:192.168.0.114]:62001".parse().unwrap()),
        sdp_them: None,
        sdp_us: None,
        epochs: Epochs { start: 1_570_015_248_123, ring: 0, answer: 1_570_015_249_999, end: 0 },
        refer: Some(ReferView { to: "1003".into(), replaces: None }),
        digits: Some("12".into()),
        agent: None,
        callerid: CallerId { number: "1000".into(), name: "N".into(), private: false },
        headers: vec![("X-A".into(), "1".into()), ("X-A".into(), "2".into()), ("X-A".into(), "3".into()), ("X-B".into(), "4".into())],
        transport: "udp",
    };
    let api = api();
    api.backend.answers.borrow_mut().push_back(Ok(Reply::Dialog(Box::new(call))));
    let (status, _, response) = ask(&api, Method::Get, "/dialog/c", "");
    assert_eq!(status, 200);
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        concat!(
            r#"{"callid":"c","domain":"d","to":"6","from":"1000","contact":"<sip:x>","maxforwards":70,"refer":{"to":"1003"},"#,
            r#""authenticated":true,"ring":false,"answered":true,"hold":false,"originator":false,"hangup":false,"#,
            r#""error":{"code":0,"status":""},"remote":{"host":"192.168.0.114","port":62001},"sdp":{"them":{},"us":{}},"#,
            r#""epochs":{"start":1570015248,"ring":0,"answer":1570015249,"end":0},"#,
            r#""seq":4,"event":"refer","uuid":"u","digits":"12","callerid":{"number":"1000","name":"N","private":false},"#,
            r#""headers":{"X-A":["1","2","3"],"X-B":"4"},"transport":"udp","#,
            r#""epochsms":{"start":1570015248123,"ring":0,"answer":1570015249999,"end":0}}"#,
        )
    );
    assert_eq!(
        answered(Method::Get, "/dialog", "", Ok(Reply::DialogCount { count: 2, counter: 9 })),
        (200, value!({"count":2,"counter":9}))
    );
}

#[test]
fn wrong_methods_name_the_right_ones_and_wrong_paths_are_404() {
    for (method, target, allow) in [
        (Method::Post, "/dir", "GET"),
        (Method::Post, "/dir/a", "GET, PUT, PATCH, DELETE"),
        (Method::Other, "/dir/a/1", "GET, PUT, PATCH, DELETE"),
        (Method::Put, "/reg", "GET"),
        (Method::Delete, "/reg/a/1", "GET"),
        (Method::Put, "/invite", "POST"),
        (Method::Patch, "/dialog", "GET"),
        (Method::Patch, "/dialog/c", "GET, PUT, POST, DELETE"),
        (Method::Delete, "/dialog/c/ring", "PUT, POST"),
        (Method::Post, "/status", "GET"),
        (Method::Get, "/drain", "POST"),
        (Method::Options, "/health", "GET"),
    ] {
        let (status, body, response) = ask(&api(), method, target, "");
        assert_eq!((status, body["error"].as_str()), (405, Some("method_not_allowed")), "{target}");
        assert!(response.headers.contains(&("Allow", allow.to_owned())), "{target}: {:?}", response.headers);
    }
    for target in ["/", "/x", "/dir/a/b/c", "/reg/a/b/c", "/dialog/a/ring/c", "/status/x", "/invite/x", "//dir"] {
        let (status, body, _) = ask(&api(), Method::Get, target, "");
        assert_eq!((status, body["error"].as_str().unwrap()), (404, "no_route"), "{target}");
    }
}

#[test]
fn head_is_routed_as_get() {
    assert_eq!(command(Method::Head, "/dir", ""), Command::DirGet { domain: None, user: None });
}

#[test]
fn status_and_metrics_show_the_same_numbers() {
    let api = api();
    let numbers = || Ok(Reply::Status(vec![("dialogs", 3), ("requests_total", 9)]));
    *api.backend.answers.borrow_mut() = [numbers(), numbers(), Err(CommandError::Full { what: "queue", max: 1 })].into();
    api.server.requests_total.set(7);
    let (_, status, _) = ask(&api, Method::Get, "/status", "");
    assert_eq!(status["sip"], value!({"dialogs":3,"requests_total":9}));
    assert_eq!((&status["version"], &status["http"]["requests_total"]), (&value!("1.2.3"), &value!(7)));
    let (_, _, response) = ask(&api, Method::Get, "/metrics", "");
    let text = String::from_utf8(response.body).unwrap();
    for line in [
        "mediaswitch_info{version=\"1.2.3\",program=\"a\\\"b\"} 1",
        "mediaswitch_uptime_s 5",
        "mediaswitch_accepting 1",
        "mediaswitch_load_cores_channels{core=\"0\"} 5",
        "mediaswitch_load_cores_channels{core=\"2\"} 0",
        "mediaswitch_load_cores_tick_meanus{core=\"0\"} 1.5",
        "mediaswitch_sip_dialogs 3",
        "# TYPE mediaswitch_sip_requests_total counter",
        "mediaswitch_http_requests_total 7",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} in:\n{text}");
    }
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut unique = families.clone();
    unique.dedup();
    assert_eq!(families, unique, "a family stands in one place");
    assert_eq!(ask(&api, Method::Get, "/status", "").0, 200, "a busy core does not hide the rest");
}

#[test]
fn health_ready_and_drain_answer() {
    let api = api();
    for target in ["/health", "/ready"] {
        assert_eq!(ask(&api, Method::Get, target, "").0, 200);
    }
    assert_eq!(ask(&api, Method::Post, "/drain", "").0, 200);
    let broken = SipApi { backend: Core::default(), program: Steady(Err("draining".into())), server: Rc::default() };
    let (status, body, response) = ask(&broken, Method::Get, "/ready", "");
    assert_eq!((status, body), (503, value!({"error":"not_ready","detail":"draining"})));
    assert!(response.headers.iter().any(|(name, _)| *name == "Retry-After"));
    assert_eq!(ask(&broken, Method::Get, "/health", "").0, 503);
}
