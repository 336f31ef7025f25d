//! `/dialog` and `/invite`.

use sip::api::{Action, CallerId, Epochs, EventKind, Originate, Party, ReferView, Snapshot};

use super::*;

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
        (r#""sip:1003@192.0.2.1:5070;lr;transport=TCP?X=1""#, "1003", Some("192.0.2.1:5070;transport=tcp")),
        (r#""SIP:1003:pw@bling.com:5070;transport=udp?X=y""#, "1003", Some("bling.com:5070;transport=udp")),
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
        follow: false,
        trunks: Vec::new(),
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
    let sdp = crate::json::sdp::from_json(&(&value!({"o":{"address":"1.2.3.4"}})).into()).ok();
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
        refer: Some(ReferView { to: "1003".into(), replaces: None, uri: "sip:1003@d".into(), referredby: None }),
        transfer: None,
        replaces: None,
        contacts: Vec::new(),
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
            r#"{"callid":"c","domain":"d","to":"6","from":"1000","contact":"<sip:x>","maxforwards":70,"refer":{"to":"1003","uri":"sip:1003@d"},"#,
            r#""authenticated":true,"ring":false,"answered":true,"hold":false,"originator":false,"hangup":false,"#,
            r#""error":{"code":0,"status":""},"remote":{"host":"192.168.0.114","port":62001},"#,
            r#""epochs":{"start":1570015248,"ring":0,"answer":1570015249,"end":0},"#,
            r#""seq":4,"event":"refer","uuid":"u","digits":"12","callerid":{"number":"1000","name":"N","private":false},"#,
            r#""headers":{"X-A":["1","2","3"],"X-B":"4"},"transport":"udp","#,
            r#""epochsms":{"start":1570015248123,"ring":0,"answer":1570015249999,"end":0},"sdp":{"them":{},"us":{}}}"#,
        )
    );
    assert_eq!(
        answered(Method::Get, "/dialog", "", Ok(Reply::DialogCount { count: 2, counter: 9 })),
        (200, value!({"count":2,"counter":9}))
    );
    let calls = Reply::Dialogs { count: 2, counter: 9, callids: vec!["a".into()] };
    assert_eq!(
        answered(Method::Get, "/dialog?control=http%3A%2F%2F127.0.0.1%3A9001", "", Ok(calls)),
        (200, value!({"count":2,"counter":9,"calls":["a"]}))
    );
    assert_eq!(answered(Method::Get, "/dialog?control=nowhere", "", Ok(Reply::Done)).0, 400);
}
