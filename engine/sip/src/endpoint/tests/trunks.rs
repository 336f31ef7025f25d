//! Trunks: what goes to a provider, calls through several of them, calls that come from one.

use super::calls::{answer, sdp, wish};
use super::*;
use crate::api::{EventKind, Originate, Party, TrunkConfig, TrunkView};
use crate::locate::Target;
use crate::message::StatusCode;

const CHALLENGE: &[(&str, &str)] = &[("WWW-Authenticate", "Digest realm=\"p\", nonce=\"n\", algorithm=MD5, qop=\"auth\"")];

fn config(name: &str, proxy: &str, priority: u16) -> TrunkConfig {
    TrunkConfig {
        name: name.into(),
        domain: "provider.example".into(),
        user: "acc".into(),
        secret: "pw".into(),
        proxy: Some(proxy.into()),
        expires_s: 600,
        control: Some(ControlUrl("http://127.0.0.1:9009".into())),
        priority,
    }
}

impl Bench {
    fn put(&mut self, config: TrunkConfig) -> String {
        self.sent.clear();
        self.endpoint.command(Command::TrunkPut(Box::new(config)), self.now).unwrap();
        self.drain();
        self.sent.pop().map(|(_, text)| text).unwrap_or_default()
    }

    fn view(&mut self, name: &str) -> TrunkView {
        match self.endpoint.command(Command::TrunkGet { name: Some(name.into()) }, self.now).unwrap() {
            Reply::Trunks(mut found) => found.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn up(&mut self, name: &str, proxy: &str, priority: u16) {
        let register = self.put(config(name, proxy, priority));
        self.receive(&format!("{proxy}:5060"), &answer(&register, StatusCode::OK, &[("Expires", "600")], ""));
        assert!(self.view(name).up);
    }

    fn call_provider(&mut self, trunks: &[&str]) -> (SocketAddr, String) {
        self.sent.clear();
        let to = Party { user: "+44".into(), domain: Some("provider.example".into()), ..Party::default() };
        let trunks = trunks.iter().map(|name| (*name).to_owned()).collect();
        self.endpoint.command(Command::Originate(Box::new(Originate { to, trunks, sdp: Some(sdp()), ..wish() })), self.now).unwrap();
        self.drain();
        self.sent.pop().unwrap()
    }
}

#[test]
fn a_trunk_registers_with_its_password_and_takes_it_back_when_it_is_deleted() {
    let mut bench = Bench::new();
    let register = bench.put(config("t", "192.0.2.50", 0));
    assert!(register.starts_with("REGISTER sip:provider.example SIP/2.0") && register.contains("Expires: 600"), "{register}");
    assert!(register.contains("To: <sip:acc@provider.example>") && register.contains("Contact: <sip:acc@192.0.2.100:5060>"), "{register}");
    bench.receive("192.0.2.50:5060", &answer(&register, StatusCode::UNAUTHORIZED, CHALLENGE, ""));
    let (_, proven) = bench.sent.pop().unwrap();
    assert!(proven.contains("CSeq: 2 REGISTER") && proven.contains("Authorization: Digest username=\"acc\""), "{proven}");
    let granted = [("Contact", "<sip:acc@192.0.2.9>;expires=3000"), ("Contact", "<sip:other@192.0.2.9>;expires=7")];
    bench.receive("192.0.2.50:5060", &answer(&proven, StatusCode::OK, &granted, ""));
    let view = bench.view("t");
    assert_eq!((view.state, view.up, view.expires_in_s, view.status), ("registered", true, 3000, 200));
    bench.sent.clear();
    bench.run(Duration::from_secs(31));
    let (_, options) = bench.sent.pop().unwrap();
    assert!(options.starts_with("OPTIONS sip:provider.example"), "{options}");
    bench.receive("192.0.2.50:5060", &answer(&options, StatusCode::METHOD_NOT_ALLOWED, &[], ""));
    bench.endpoint.command(Command::TrunkDelete { name: "t".into() }, bench.now).unwrap();
    bench.drain();
    let (_, last) = bench.sent.pop().unwrap();
    assert!(last.contains("Expires: 0") && last.contains("Authorization: "), "{last}");
    assert!(bench.endpoint.command(Command::TrunkGet { name: Some("t".into()) }, bench.now).is_err());
    bench.receive("192.0.2.50:5060", &answer(&last, StatusCode::OK, &[], ""));
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.layer.is_empty() && bench.deadline.is_none(), "{:?}", bench.deadline);
}

#[test]
fn a_refused_password_and_a_dead_provider_are_told_and_tried_again_later() {
    let mut bench = Bench::new();
    let register = bench.put(config("t", "192.0.2.50", 0));
    bench.receive("192.0.2.50:5060", &answer(&register, StatusCode::UNAUTHORIZED, CHALLENGE, ""));
    let (_, proven) = bench.sent.pop().unwrap();
    bench.receive("192.0.2.50:5060", &answer(&proven, StatusCode::UNAUTHORIZED, CHALLENGE, ""));
    let view = bench.view("t");
    assert_eq!((view.state, view.up, view.status, view.failures), ("waiting", false, 401, 1));
    bench.sent.clear();
    bench.run(Duration::from_secs(60));
    assert!(bench.sent.iter().any(|(_, text)| text.starts_with("REGISTER ")));
    assert_eq!(bench.view("t").status, 408, "and nobody answered");
}

#[test]
fn a_call_goes_through_the_trunk_of_its_domain_and_to_the_next_when_that_fails() {
    let mut bench = Bench::new();
    bench.up("second", "192.0.2.51", 2);
    bench.up("first", "192.0.2.50", 1);
    let (peer, invite) = bench.call_provider(&[]);
    assert_eq!(peer, "192.0.2.50:5060".parse().unwrap());
    assert!(invite.starts_with("INVITE sip:+44@provider.example SIP/2.0"), "{invite}");
    bench.receive("192.0.2.50:5060", &answer(&invite, StatusCode::UNAUTHORIZED, CHALLENGE, ""));
    let (_, proven) = bench.sent.pop().unwrap();
    assert!(proven.contains("Authorization: Digest username=\"acc\""), "{proven}");
    bench.receive("192.0.2.50:5060", &answer(&proven, StatusCode::SERVER_INTERNAL_ERROR, &[], ""));
    let (peer, again) = bench.sent.pop().unwrap();
    assert_eq!(peer, "192.0.2.51:5060".parse().unwrap());
    assert!(again.starts_with("INVITE ") && again.contains("CSeq: 3 INVITE") && !again.contains("Authorization"), "{again}");
    bench.receive("192.0.2.51:5060", &answer(&again, StatusCode::BUSY_HERE, &[], ""));
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 486), "busy is the called party's word, and the end");
    // By name, against the priority; and one that is down comes last.
    assert_eq!(bench.call_provider(&["second", "first"]).0, "192.0.2.51:5060".parse().unwrap());
    bench.put(config("second", "192.0.2.51", 2));
    assert_eq!(bench.call_provider(&["second", "first"]).0, "192.0.2.50:5060".parse().unwrap());
    let unknown = Originate { trunks: vec!["none".into()], ..wish() };
    assert_eq!(bench.endpoint.command(Command::Originate(Box::new(unknown)), bench.now), Err(CommandError::NotFound("trunk none".into())));
}

#[test]
fn a_provider_found_by_name_changes_its_target_when_the_first_is_silent() {
    let mut bench = Bench::new();
    bench.put(TrunkConfig { proxy: None, ..config("t", "", 0) });
    let (id, wish) = bench.resolves.remove(0);
    assert_eq!(wish.host, "provider.example");
    let targets = ["192.0.2.50:5060", "192.0.2.51:5060"].map(|peer| Target::udp(peer.parse().unwrap()));
    bench.endpoint.handle_resolved(id, Ok(targets.to_vec()), bench.now);
    bench.drain();
    bench.sent.clear();
    bench.run(Duration::from_secs(33));
    let (peer, register) = bench.sent.pop().unwrap();
    assert_eq!(peer, "192.0.2.51:5060".parse().unwrap());
    bench.receive("192.0.2.51:5060", &answer(&register, StatusCode::OK, &[("Expires", "60")], ""));
    assert_eq!((bench.view("t").remote, bench.view("t").up), (Some("192.0.2.51:5060".parse().unwrap()), true));
}

#[test]
fn a_call_from_a_trunk_is_told_to_its_control_and_strangers_are_refused() {
    let mut bench = Bench::new();
    bench.up("t", "192.0.2.50", 0);
    let invite = |branch: &str| {
        request("INVITE", "sip:acc@192.0.2.100", branch, 1, "Contact: <sip:gw@192.0.2.50>\r\n")
            .replace("From: <sip:1000@example.com>", "From: <sip:+4930@elsewhere.example>")
    };
    bench.sent.clear();
    assert_eq!(status(&bench.ask("192.0.2.66:5060", &invite("a"))), 403);
    bench.receive("192.0.2.50:5060", &invite("b"));
    let Some(Event::Dialog { control, snapshot }) = bench.events.pop() else { panic!("{:?}", bench.events) };
    assert_eq!(
        (&*control.0, snapshot.domain.as_str(), snapshot.from.as_deref()),
        ("http://127.0.0.1:9009", "provider.example", Some("+4930"))
    );
}

/// Two accounts at one address, as at one provider; whom an INVITE from there is told to.
fn told(bench: &mut Bench, port: u16, branch: &str, uri: &str, to: &str) -> (String, String) {
    let invite = request("INVITE", uri, branch, 1, "Contact: <sip:gw@192.0.2.50>\r\n")
        .replace("From: <sip:1000@example.com>", "From: <sip:+4930@elsewhere.example>")
        .replace("To: <sip:1000@example.com>", &format!("To: <{to}>"))
        .replace("Call-ID: ", &format!("Call-ID: {branch}"));
    bench.receive(&format!("192.0.2.50:{port}"), &invite);
    match bench.events.pop() {
        Some(Event::Dialog { control, snapshot }) => (control.0.to_string(), snapshot.domain),
        other => panic!("{uri}: {other:?}"),
    }
}

#[test]
fn calls_of_accounts_at_one_provider_are_told_apart() {
    let account = |name: &str, user: &str, domain: &str, proxy: &str, priority: u16| TrunkConfig {
        user: user.into(),
        domain: domain.into(),
        control: Some(ControlUrl(format!("http://{name}").into())),
        ..config(name, proxy, priority)
    };
    // Whatever the order in which they came, and however the tables are seeded.
    for turn in 0..16 {
        let mut bench = Bench::new();
        let mut accounts = [
            account("one", "acc1", "provider.example", "192.0.2.50", 2),
            account("two", "acc2", "provider.example", "192.0.2.50", 1),
            account("three", "acc1", "other.example", "192.0.2.50:5070", 3),
        ];
        accounts.rotate_left(turn % 3);
        for account in accounts {
            bench.put(account);
        }
        for (at, (port, uri, to, expected)) in [
            (5060, "sip:acc1@192.0.2.100:5060", "sip:+44@provider.example", "one"),
            (5060, "sip:acc2@192.0.2.100:5060", "sip:+44@provider.example", "two"),
            (5060, "sip:acc1@192.0.2.100:5060", "sip:acc1@other.example", "three"),
            // The number called is in the Request-URI, the account in To.
            (5060, "sip:+44@192.0.2.100", "sip:acc2@192.0.2.100", "two"),
            (5060, "sip:+44@192.0.2.100", "sip:acc1@provider.example", "one"),
            // No account at all: the domain, the port, the priority.
            (5060, "sip:+44@192.0.2.100", "sip:+44@other.example", "three"),
            (5070, "sip:+44@192.0.2.100", "sip:+44@192.0.2.100", "three"),
            (5060, "sip:+44@192.0.2.100", "sip:+44@192.0.2.100", "two"),
            (40000, "sip:+44@192.0.2.100", "sip:+44@192.0.2.100", "two"),
        ]
        .into_iter()
        .enumerate()
        {
            let domain = if expected == "three" { "other.example" } else { "provider.example" };
            assert_eq!(
                told(&mut bench, port, &format!("c{at}"), uri, to),
                (format!("http://{expected}"), domain.to_owned()),
                "turn {turn}: {uri}, {to}"
            );
        }
        // Without those two, what is left takes all of them.
        for name in ["two", "three"] {
            bench.endpoint.command(Command::TrunkDelete { name: name.into() }, bench.now).unwrap();
        }
        assert_eq!(told(&mut bench, 5060, "last", "sip:acc2@192.0.2.100", "sip:+44@other.example").0, "http://one");
    }
}
