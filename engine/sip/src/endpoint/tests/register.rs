//! REGISTER and OPTIONS through the whole endpoint.

use super::*;
use crate::api::{Originate, Party};

const CONTACT: &str = "Contact: <sip:1000@10.0.0.7:5060>\r\nExpires: 600\r\nUser-Agent: Z 5.2\r\n";

fn register(branch: &str, cseq: u32, lines: &str) -> String {
    request("REGISTER", "sip:example.com", branch, cseq, lines)
}

impl Bench {
    /// Registers 1000 with these lines; gives the answer to the authorised request.
    fn enrol(&mut self, cseq: u32, lines: &str) -> String {
        let challenge = self.ask(PHONE, &register(&format!("a{cseq}"), cseq, lines));
        assert_eq!(status(&challenge), 401);
        let proof = self.authorization(&challenge, "1000", "1234", "REGISTER");
        self.ask(PHONE, &register(&format!("b{cseq}"), cseq + 1, &format!("{lines}{proof}")))
    }

    fn registered(&mut self) -> u64 {
        match self.endpoint.command(Command::RegGet { domain: None, user: None }, self.now).unwrap() {
            Reply::RegCount(count) => count,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_phone_registers_and_control_hears_of_it() {
    let mut bench = Bench::new();
    let challenge = bench.ask(PHONE, &register("a", 1, CONTACT));
    assert_eq!(status(&challenge), 401);
    assert_eq!(bench.endpoint.layer.len(), 0, "a challenge costs no state");
    let again = bench.ask(PHONE, &register("a", 1, CONTACT));
    assert_eq!(response(&again).to().tag, response(&challenge).to().tag, "RFC 3261 §8.2.7");

    let ok = bench.enrol(1, CONTACT);
    assert_eq!(status(&ok), 200);
    assert_eq!(header_values(&ok, HeaderName::Contact), ["<sip:1000@10.0.0.7:5060>;expires=600"]);
    assert_eq!(bench.registered(), 1);
    let Some(Event::Registration { registered: true, user, remote, agent, expires: 600, .. }) = bench.events.pop() else {
        panic!("{:?}", bench.events)
    };
    assert_eq!((user.as_str(), remote, agent.as_deref()), ("1000", PHONE.parse().unwrap(), Some("Z 5.2")));
}

#[test]
fn a_copy_gets_the_same_answer_and_changes_nothing() {
    let mut bench = Bench::new();
    let challenge = bench.ask(PHONE, &register("a", 1, CONTACT));
    let proof = bench.authorization(&challenge, "1000", "1234", "REGISTER");
    let request = register("b", 2, &format!("{CONTACT}{proof}"));
    let ok = bench.ask(PHONE, &request);
    assert_eq!(bench.ask(PHONE, &request), ok);
    assert_eq!(bench.events.len(), 1);
    let replayed = request.replace("z9hG4bKb", "z9hG4bKc");
    let refused = bench.ask(PHONE, &replayed);
    assert_eq!(status(&refused), 401);
    assert!(refused.contains("stale=true"), "{refused}");
}

#[test]
fn wrong_passwords_and_other_peoples_addresses_are_refused() {
    let mut bench = Bench::new();
    let challenge = bench.ask(PHONE, &register("a", 1, CONTACT));
    let wrong = bench.authorization(&challenge, "1000", "4321", "REGISTER");
    assert_eq!(status(&bench.ask(PHONE, &register("b", 2, &format!("{CONTACT}{wrong}")))), 401);
    let other = bench.authorization(&challenge, "1001", "1234", "REGISTER");
    assert_eq!(status(&bench.ask(PHONE, &register("c", 3, &format!("{CONTACT}{other}")))), 403);
    let foreign = register("d", 4, CONTACT).replace("To: <sip:1000@example.com>", "To: <sip:1000@example.org>");
    assert_eq!(status(&bench.ask(PHONE, &foreign)), 404);
    assert_eq!(bench.registered(), 0);
}

#[test]
fn de_registration_needs_the_password_too() {
    let mut bench = Bench::new();
    bench.enrol(1, CONTACT);
    let all = "Contact: *\r\nExpires: 0\r\n";
    assert_eq!(status(&bench.ask(PHONE, &register("x", 5, all))), 401);
    assert_eq!(bench.registered(), 1);
    let ok = bench.enrol(6, all);
    assert_eq!((status(&ok), header_values(&ok, HeaderName::Contact).len()), (200, 0));
    assert_eq!(bench.registered(), 0);
    assert!(matches!(bench.events.last(), Some(Event::Registration { registered: false, expires: 0, .. })));
}

#[test]
fn refusals_of_the_registrar_become_answers() {
    let mut bench = Bench::new();
    let brief = bench.enrol(1, "Contact: <sip:a@b>;expires=10\r\n");
    assert_eq!((status(&brief), header_values(&brief, HeaderName::MinExpires)), (423, vec!["60".to_owned()]));
    assert_eq!(status(&bench.enrol(3, "Contact: *\r\n")), 400);
    assert_eq!(status(&bench.enrol(5, "Contact: *, <sip:a@b>\r\nExpires: 0\r\n")), 400);
    assert_eq!(status(&bench.enrol(7, "")), 200);
    assert_eq!(bench.registered(), 0);
}

#[test]
fn pings_keep_a_phone_and_their_loss_ends_it() {
    let mut bench = Bench::new();
    bench.enrol(1, &CONTACT.replace("600", "7200"));
    bench.sent.clear();
    bench.run(Duration::from_secs(30));
    let (to, ping) = bench.sent.remove(0);
    assert_eq!(to, PHONE.parse().unwrap(), "to the source, not to the contact behind the NAT");
    assert!(ping.starts_with("OPTIONS sip:1000@10.0.0.7:5060 SIP/2.0\r\n"), "{ping}");
    let Ok(Message::Request(options)) = parse(ping.as_bytes()) else { panic!("{ping}") };
    let mut answer = Vec::new();
    crate::message::Writer::response(&mut answer, crate::message::StatusCode::NOT_FOUND, "Not Found")
        .answer(options.headers(), None, Some("t"))
        .end()
        .unwrap();
    bench.receive(PHONE, std::str::from_utf8(&answer).unwrap());
    bench.run(Duration::from_secs(29));
    assert_eq!(bench.registered(), 1);
    bench.run(Duration::from_secs(8 * 30));
    assert_eq!(bench.registered(), 0);
    assert!(matches!(bench.events.last(), Some(Event::Registration { registered: false, .. })));
}

#[test]
fn registrations_are_shown_and_end_in_silence_with_their_user() {
    let mut bench = Bench::new();
    bench.enrol(1, CONTACT);
    bench.now += Duration::from_secs(100);
    let get = Command::RegGet { domain: Some("Example.com:5060".into()), user: None };
    let Ok(Reply::Registrations(view)) = bench.endpoint.command(get, bench.now) else { panic!() };
    assert_eq!((view.count, view.registered, view.users.len()), (2, 1, 2));
    let contact = &view.users[0].contacts[0];
    assert_eq!((contact.expires, contact.expiresin, contact.registered), (600, 500, 1_700_000_000));
    bench.events.clear();
    let delete = Command::DirDelete { domain: "example.com".into(), user: Some("1000".into()) };
    bench.endpoint.command(delete, bench.now).unwrap();
    bench.drain();
    assert_eq!((bench.registered(), bench.events.len()), (0, 0));
}

#[test]
fn what_we_do_not_serve_is_said_truthfully() {
    let mut bench = Bench::new();
    let ok = bench.ask(PHONE, &request("OPTIONS", "sip:example.com", "o", 1, ""));
    assert_eq!(status(&ok), 200);
    assert!(ok.contains("Allow: INVITE, ") && ok.contains("Accept: application/sdp"), "{ok}");
    for (method, uri, lines, expected) in [
        ("SUBSCRIBE", "sip:a@example.com", "", 400),
        ("SUBSCRIBE", "sip:a@example.com", "Event: refer\r\n", 489),
        ("MESSAGE", "sip:a@example.com", "", 405),
        ("FOO", "sip:a@example.com", "", 501),
        ("OPTIONS", "foo:bar", "", 416),
        ("OPTIONS", "sips:a@example.com", "", 416),
        ("OPTIONS", "sip:a@example.com", "Require: gruu, x\r\n", 420),
        ("INVITE", "sip:a@example.com", "Accept: text/plain\r\n", 406),
        ("BYE", "sip:a@example.com", "", 481),
        ("CANCEL", "sip:a@example.com", "", 481),
    ] {
        let answer = bench.ask(PHONE, &request(method, uri, &format!("{method}{expected}"), 1, lines));
        assert_eq!(status(&answer), expected, "{method} {uri} {lines}");
    }
    assert_eq!(bench.endpoint.layer.len(), 0);
}

#[test]
fn garbage_is_dropped_and_counted() {
    let mut bench = Bench::new();
    for text in ["", "\r\n\r\n", "hello\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "ACK sip:a@b SIP/2.0\r\n\r\n"] {
        bench.receive(PHONE, text);
    }
    assert!(bench.sent.is_empty());
    assert_eq!((bench.endpoint.stats.keepalives, bench.endpoint.stats.garbage), (2, 3));
}

#[test]
fn a_path_is_answered_and_becomes_the_route_of_what_is_sent() {
    let mut bench = Bench::new();
    let ok = bench.enrol(1, &format!("{CONTACT}Supported: path\r\nRequire: path\r\nPath: <sip:edge.example.com;lr>\r\n"));
    assert_eq!((status(&ok), header_values(&ok, HeaderName::Path)), (200, vec!["<sip:edge.example.com;lr>".to_owned()]));
    let originate = Originate {
        from: Party { user: "1001".into(), ..Party::default() },
        to: Party { user: "1000".into(), ..Party::default() },
        domain: Some("example.com".into()),
        callerid: None,
        maxforwards: 70,
        control: None,
        sdp: None,
        headers: vec![],
        autoanswer: false,
        follow: false,
        trunks: Vec::new(),
        idempotency: None,
    };
    bench.endpoint.command(Command::Originate(Box::new(originate)), bench.now).unwrap();
    bench.sent.clear();
    bench.drain();
    let (to, invite) = bench.sent.remove(0);
    assert!(to == PHONE.parse().unwrap() && invite.contains("\r\nRoute: <sip:edge.example.com;lr>\r\n"), "{to} {invite}");
    bench.sent.clear();
    bench.run(Duration::from_secs(30));
    let ping = bench.sent.iter().find(|(_, text)| text.starts_with("OPTIONS ")).unwrap();
    assert!(ping.1.contains("\r\nRoute: <sip:edge.example.com;lr>\r\n"), "{}", ping.1);
}

#[test]
fn bindings_survive_a_push_of_the_same_directory() {
    let mut bench = Bench::new();
    bench.enrol(1, CONTACT);
    bench.events.clear();
    let user = |name: &str, secret: &str| UserEntry { username: name.into(), secret: Secret::Clear(secret.into()) };
    let replace = |users| Command::DirReplace { domain: "example.com".into(), control: None, users, policy: None };
    bench.endpoint.command(replace(vec![user("1000", "new secret")]), bench.now).unwrap();
    bench.drain();
    assert_eq!((bench.registered(), bench.events.len()), (1, 0));
    bench.endpoint.command(replace(vec![user("1001", "1234")]), bench.now).unwrap();
    assert_eq!(bench.registered(), 0);
}
