//! Several endpoints with a mesh between them: whatever a phone sends, and whichever shard receives it, comes to the right one.
//!
//! Shape:  [`Shards`] is two or three endpoints with one clock; every datagram goes in at the shard that the test names, and the
//!         words between the shards are carried at once.

use super::calls::{AT_PHONE, Caller, SDP, answer, as_request, sdp, wish};
use super::*;
use crate::api::{Action, EventKind, Originate, Party, Snapshot, TrunkConfig};
use crate::message::{Method, StatusCode};
use crate::shard::{Destination, Gathered, PeerMessage, ShardId, Sharding, destination};

const TCP: [u16; 2] = [1, 2];
const USER: &str = "example.com";

struct Shards {
    all: Vec<Bench>,
    /// Words carried so far.
    words: Vec<PeerMessage>,
}

impl Shards {
    fn new(count: u8) -> Self {
        let udp = Listener { advertised: OURS.parse().unwrap(), transport: Transport::Udp };
        let tcp = Listener { transport: Transport::Tcp, ..udp.clone() };
        let listeners: Vec<Listener> = std::iter::once(udp).chain((0..count).map(|_| tcp.clone())).collect();
        let one = |me| {
            let shard = Sharding::new(ShardId(me), count, [3, 4]);
            Bench::seeded(EndpointConfig { listeners: listeners.clone(), shard, ..EndpointConfig::default() }, [me + 1; 32])
        };
        Self { all: (0..count).map(one).collect(), words: Vec::new() }
    }

    fn sharding(&self) -> Sharding {
        self.all[0].endpoint.config.shard
    }

    /// A Call-ID of this shard.
    fn call_id(&self, shard: u8, name: &str) -> String {
        (0..).map(|n| format!("{name}{n}")).find(|id| self.sharding().of_call(id) == ShardId(shard)).unwrap()
    }

    /// Where a user's bindings are.
    fn home(&self, user: &str) -> usize {
        self.sharding().of_user(user, USER).0.into()
    }

    /// Any other.
    fn away(&self, shard: usize) -> usize {
        (shard + 1) % self.all.len()
    }

    fn carry(&mut self) {
        loop {
            let mut carried = false;
            for from in 0..self.all.len() {
                while let Some((to, word)) = self.all[from].endpoint.poll_peer() {
                    assert_ne!(usize::from(to.0), from);
                    self.words.push(word.clone());
                    let bench = &mut self.all[usize::from(to.0)];
                    bench.endpoint.handle_peer(ShardId(from as u8), word, bench.now);
                    bench.drain();
                    carried = true;
                }
            }
            if !carried {
                return;
            }
        }
    }

    /// A datagram at a shard; what all shards send because of it.
    fn receive(&mut self, at: usize, from: &str, text: &str) -> Vec<String> {
        self.receive_on(at, 0, from, text)
    }

    fn receive_on(&mut self, at: usize, listener: u16, from: &str, text: &str) -> Vec<String> {
        self.all[at].receive_on(listener, from, text);
        self.carry();
        self.sent()
    }

    fn sent(&mut self) -> Vec<String> {
        self.all.iter_mut().flat_map(|bench| std::mem::take(&mut bench.sent)).map(|(_, text)| text).collect()
    }

    fn ask(&mut self, at: usize, text: &str) -> String {
        let mut sent = self.receive(at, PHONE, text);
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }

    fn command(&mut self, command: &Command) -> Result<Reply, CommandError> {
        let (sharding, now) = (self.sharding(), self.all[0].now);
        let to = destination(command, &sharding, |wish| self.all[0].endpoint.goes_by_trunk(wish, now));
        let mut gathered = Gathered::default();
        for (at, bench) in self.all.iter_mut().enumerate() {
            if to == Destination::All || to == Destination::One(ShardId(at as u8)) {
                gathered.add(bench.endpoint.command(command.clone(), bench.now));
                bench.drain();
            }
        }
        self.carry();
        gathered.finish().unwrap()
    }

    fn act(&mut self, callid: &str, action: Action) {
        self.command(&Command::Act { callid: callid.into(), action: Box::new(action) }).unwrap();
    }

    fn snapshots(&mut self) -> Vec<Snapshot> {
        self.all.iter_mut().flat_map(Bench::snapshots).collect()
    }

    /// A request that is sent again with the proof it is asked for, each at the next shard.
    fn proven(&mut self, at: usize, user: &str, method: &str, make: impl Fn(u32, &str) -> String) -> Vec<String> {
        let challenge = self.ask(at, &make(1, ""));
        assert_eq!(status(&challenge), 401, "{challenge}");
        let proof = self.all[0].authorization(&challenge, user, "1234", method);
        self.receive(self.away(at), PHONE, &make(2, &proof))
    }

    fn register(&mut self, at: usize, user: &str) -> String {
        let call_id = format!("reg-{user}-{at}");
        let make = |cseq: u32, lines: &str| {
            let lines = format!("Contact: <sip:{user}@10.0.0.8:5060>\r\n{lines}");
            request("REGISTER", "sip:example.com", &format!("{call_id}{cseq}"), cseq, &lines)
                .replace("sip:1000@", &format!("sip:{user}@"))
                .replace("call-1@phone", &call_id)
        };
        self.proven(at, user, "REGISTER", make).remove(0)
    }

    /// A call of 1000 that comes in at any shard; gives what answers its INVITE.
    fn invite(&mut self, at: usize, call_id: &str, lines: &str) -> (Caller, String) {
        let mut caller = Caller::new(call_id);
        let challenge = self.ask(at, &caller.next("INVITE", "sip:1001@example.com", lines, SDP));
        assert_eq!(status(&challenge), 401);
        self.receive(at, PHONE, &caller.write("ACK", "sip:1001@example.com", 1, "1", "", ""));
        let proof = self.all[0].authorization(&challenge, "1000", "1234", "INVITE");
        let lines = format!("{lines}{proof}");
        let again = caller.next("INVITE", "sip:1001@example.com", &lines, SDP);
        let trying = self.ask(self.away(at), &again);
        (caller, trying)
    }

    /// The same, answered and acknowledged.
    fn talk(&mut self, at: usize, call_id: &str) -> Caller {
        let (mut caller, trying) = self.invite(at, call_id, "");
        assert_eq!(status(&trying), 100);
        self.act(call_id, Action::Answer { sdp: Some(sdp()) });
        let ok = self.sent().remove(0);
        caller.to = response(&ok).to().to_string();
        self.receive(self.away(at), PHONE, &caller.write("ACK", "sip:1001@192.0.2.100:5060", caller.cseq, "ack", "", ""));
        let kinds: Vec<EventKind> = self.snapshots().into_iter().map(|shot| shot.event).collect();
        assert_eq!(kinds, [EventKind::New, EventKind::Answered]);
        caller
    }

    fn calls(&self) -> Vec<usize> {
        self.all.iter().map(|bench| bench.endpoint.calls.len()).collect()
    }
}

#[test]
fn a_registration_comes_to_the_shard_of_its_user_wherever_it_is_received() {
    let mut shards = Shards::new(2);
    for (user, at) in [("1000", 0), ("1001", 1), ("1000", 1), ("1001", 0)] {
        assert_eq!(status(&shards.register(at, user)), 200);
        let home = shards.home(user);
        assert_eq!(shards.all[home].endpoint.registrar.bindings(user, USER).count(), 1, "{user}");
        assert_eq!(shards.all[shards.away(home)].endpoint.registrar.bindings(user, USER).count(), 0, "{user}");
    }
    assert_eq!(shards.command(&Command::RegGet { domain: None, user: None }), Ok(Reply::RegCount(2)));
    let Ok(Reply::Registrations(view)) = shards.command(&Command::RegGet { domain: Some(USER.into()), user: None }) else { panic!() };
    assert_eq!((view.count, view.registered), (2, 2));
    let user = Some("1001".to_owned());
    let Ok(Reply::Registrations(view)) = shards.command(&Command::RegGet { domain: Some(USER.into()), user }) else { panic!() };
    assert_eq!(view.users[0].contacts[0].contact, "sip:1001@10.0.0.8:5060");
}

#[test]
fn all_of_a_call_comes_to_one_shard_in_whatever_pieces_it_is_received() {
    for owner in 0..3 {
        for at in 0..3 {
            let mut shards = Shards::new(3);
            let call_id = shards.call_id(owner, "in");
            let mut caller = shards.talk(at, &call_id);
            let mut expected = vec![0; 3];
            expected[usize::from(owner)] = 1;
            assert_eq!(shards.calls(), expected);
            let Ok(Reply::Dialog(shot)) = shards.command(&Command::DialogGet { callid: Some(call_id.clone()) }) else { panic!() };
            assert!(shot.answered);
            let bye = caller.next("BYE", "sip:1001@192.0.2.100:5060", "", "");
            assert_eq!(status(&shards.ask(at, &bye)), 200);
            assert_eq!(status(&shards.ask(shards.away(at), &bye)), 200, "a copy at another shard meets its transaction");
            assert_eq!(shards.command(&Command::DialogGet { callid: None }), Ok(Reply::DialogCount { count: 0, counter: 1 }));
        }
    }
}

#[test]
fn a_cancel_finds_its_invite() {
    let mut shards = Shards::new(2);
    let call_id = shards.call_id(1, "c");
    let (caller, trying) = shards.invite(0, &call_id, "");
    assert_eq!(status(&trying), 100);
    let branch = caller.branch.to_string();
    let cancel = caller.write("CANCEL", "sip:1001@example.com", caller.cseq, &branch, "", "");
    let mut statuses: Vec<u16> = shards.receive(0, PHONE, &cancel).iter().map(|text| status(text)).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 487]);
}

#[test]
fn a_call_to_a_user_is_made_where_its_bindings_are_and_its_answers_come_back_by_their_branch() {
    let mut shards = Shards::new(2);
    for user in ["1000", "1001"] {
        shards.register(0, user);
        let home = shards.home(user);
        let to = Party { user: user.into(), ..Party::default() };
        let Ok(Reply::Originated(callid)) = shards.command(&Command::Originate(Box::new(Originate { to, ..wish() }))) else { panic!() };
        assert_eq!(usize::from(shards.sharding().of_call(&callid).0), home);
        let invite = shards.sent().remove(0);
        let ringing = answer(&invite, StatusCode::RINGING, &[AT_PHONE], "");
        let away = shards.away(home);
        assert!(shards.receive(away, PHONE, &ringing).is_empty());
        let ack = shards.receive(away, PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP)).remove(0);
        assert!(ack.starts_with("ACK "), "{ack}");
        let kinds: Vec<EventKind> = shards.snapshots().into_iter().map(|shot| shot.event).collect();
        assert_eq!(kinds, [EventKind::New, EventKind::Ringing, EventKind::Answered]);
        shards.act(&callid, Action::Hangup { reason: None, code: None, headers: vec![] });
        let bye = shards.sent().remove(0);
        shards.receive(away, PHONE, &answer(&bye, StatusCode::OK, &[], ""));
        assert_eq!(shards.calls(), [0, 0]);
        shards.snapshots();
    }
    assert_eq!(shards.all.iter().map(|bench| bench.endpoint.stats.strays).sum::<u64>(), 0);
}

#[test]
fn a_call_of_another_shard_is_taken_over_by_the_tags() {
    let mut shards = Shards::new(2);
    let (old, new) = (shards.call_id(0, "old"), shards.call_id(1, "new"));
    let caller = shards.talk(0, &old);
    let tag = as_request(&caller.write("BYE", "sip:x@y", 9, "x", "", "")).to().tag.unwrap().to_owned();
    for (lines, expected) in [
        (format!("Replaces: {old};to-tag={tag};from-tag=x\r\n"), 481),
        (format!("Replaces: {old};to-tag={tag};from-tag=f1;early-only\r\n"), 486),
        (format!("Replaces: {old};to-tag={tag};from-tag=f1\r\n"), 100),
    ] {
        let call_id = if expected == 100 { new.clone() } else { shards.call_id(1, &format!("n{expected}")) };
        assert_eq!(status(&shards.invite(0, &call_id, &lines).1), expected, "{lines}");
    }
    let shot = shards.snapshots().pop().unwrap();
    assert_eq!((shot.callid.as_str(), shot.replaces.as_deref()), (new.as_str(), Some(old.as_str())));
    shards.act(&new, Action::Answer { sdp: Some(sdp()) });
    let sent = shards.sent();
    let bye = sent.iter().find(|text| text.starts_with("BYE ")).unwrap();
    assert!(bye.contains(&format!("Call-ID: {old}\r\n")) && bye.contains("Reason: SIP;cause=200"), "{bye}");
    assert!(shards.snapshots().iter().any(|shot| shot.callid == old && shot.event == EventKind::Hangup));
}

#[test]
fn a_refer_may_name_a_call_of_another_shard() {
    let mut shards = Shards::new(2);
    let (first, second) = (shards.call_id(0, "first"), shards.call_id(1, "second"));
    shards.talk(1, &first);
    shards.talk(0, &second);
    let value = shards.all[1].endpoint.replaces_value(&second).unwrap();
    assert_eq!(shards.all[0].endpoint.replaces_value(&second), None);
    shards.act(&first, Action::Refer { to: "1001".into(), replaces: Some(value.clone()) });
    let refer = shards.sent().remove(0);
    assert!(refer.starts_with("REFER ") && refer.contains(&format!("Replaces={}", crate::message::escape_header(&value))), "{refer}");
    let unknown = Action::Refer { to: "1001".into(), replaces: Some(second.clone()) };
    let refused = shards.command(&Command::Act { callid: first, action: Box::new(unknown) });
    assert!(refused.is_err(), "a Call-ID alone says nothing here");
}

#[test]
fn a_busy_lamp_shows_calls_of_all_shards() {
    let mut shards = Shards::new(2);
    let home = shards.home("1000");
    let call_id = shards.call_id(shards.away(home) as u8, "call");
    let make = |cseq: u32, lines: &str| {
        let lines = format!("Contact: <sip:1000@192.0.2.7:5060>\r\nEvent: dialog\r\nExpires: 600\r\n{lines}");
        request("SUBSCRIBE", "sip:1000@example.com", &format!("s{cseq}"), cseq, &lines)
    };
    let sent = shards.proven(shards.away(home), "1000", "SUBSCRIBE", make);
    assert_eq!((sent.len(), status(&sent[0])), (2, 200), "{sent:#?}");
    let ok = sent[0].clone();
    shards.receive(shards.away(home), PHONE, &answer(&sent[1], StatusCode::OK, &[], ""));
    let mut caller = Caller::new(&call_id);
    let challenge = shards.ask(home, &caller.next("INVITE", "sip:1001@example.com", "", SDP));
    let proof = shards.all[0].authorization(&challenge, "1000", "1234", "INVITE");
    let sent = shards.receive(home, PHONE, &caller.next("INVITE", "sip:1001@example.com", &proof, SDP));
    let notify = sent.into_iter().find(|text| text.starts_with("NOTIFY ")).expect("the watcher hears of the call");
    assert!(notify.contains("<state>trying</state>"), "{notify}");
    shards.receive(shards.away(home), PHONE, &answer(&notify, StatusCode::OK, &[], ""));
    // The refresh goes to our Contact, which names no shard; the tag does.
    let refresh = request("SUBSCRIBE", "sip:1000@192.0.2.100:5060", "again", 9, "Event: dialog\r\nExpires: 0\r\n")
        .replace("To: <sip:1000@example.com>", &format!("To: {}", response(&ok).to()));
    let sent = shards.receive(shards.away(home), PHONE, &refresh);
    assert_eq!(status(&sent[0]), 200, "{sent:#?}");
    assert!(sent.iter().any(|text| text.contains("Subscription-State: terminated")));
}

#[test]
fn a_contact_of_a_redirect_may_be_a_user_of_another_shard() {
    for registered in [true, false] {
        let mut shards = Shards::new(2);
        let home = shards.home("1001");
        if registered {
            shards.register(0, "1001");
        }
        // To an address, from the other shard.
        let user = (0..).map(|n| format!("u{n}")).find(|user| shards.sharding().of_user(user, "192.0.2.9").0 as usize != home).unwrap();
        let to = Party { user, domain: Some("192.0.2.9".into()), ..Party::default() };
        shards.command(&Command::Originate(Box::new(Originate { to, follow: true, ..wish() }))).unwrap();
        let invite = shards.sent().remove(0);
        let moved = [("Contact", "<sip:1001@example.com>")];
        let sent = shards.receive(home, "192.0.2.9:5060", &answer(&invite, StatusCode::MOVED_TEMPORARILY, &moved, ""));
        let next = sent.iter().find(|text| text.starts_with("INVITE "));
        assert_eq!(next.map(|text| text.lines().next().unwrap()), registered.then_some("INVITE sip:1001@10.0.0.8:5060 SIP/2.0"));
        let kinds: Vec<EventKind> = shards.snapshots().into_iter().map(|shot| shot.event).collect();
        assert_eq!(kinds.contains(&EventKind::Hangup), !registered, "{kinds:?}");
    }
}

#[test]
fn calls_from_a_trunk_are_known_on_every_shard() {
    let mut shards = Shards::new(2);
    let trunk = TrunkConfig {
        name: "t".into(),
        domain: "provider.example".into(),
        user: "acc".into(),
        secret: "pw".into(),
        proxy: Some("192.0.2.50".into()),
        expires_s: 600,
        control: Some(ControlUrl("http://127.0.0.1:9009".into())),
        priority: 0,
    };
    shards.command(&Command::TrunkPut(Box::new(trunk))).unwrap();
    let register = shards.sent().remove(0);
    shards.receive(1, "192.0.2.50:5060", &answer(&register, StatusCode::OK, &[("Expires", "600")], ""));
    let Ok(Reply::Trunks(views)) = shards.command(&Command::TrunkGet { name: None }) else { panic!() };
    assert!(views[0].up, "its answer came to the other shard and found it");
    let call_id = shards.call_id(1, "t");
    let text = Caller::new(&call_id)
        .next("INVITE", "sip:1001@provider.example", "", SDP)
        .replace("sip:1000@example.com", "sip:44@elsewhere.example");
    let sent = shards.receive(0, "192.0.2.50:5060", &text);
    assert_eq!(status(&sent[0]), 100, "{sent:#?}");
    assert_eq!(shards.calls(), [0, 1]);
    // Out: from where the trunks are.
    let to = Party { user: "44".into(), domain: Some("provider.example".into()), ..Party::default() };
    let Ok(Reply::Originated(callid)) = shards.command(&Command::Originate(Box::new(Originate { to, ..wish() }))) else { panic!() };
    assert_eq!(shards.sharding().of_call(&callid), ShardId(0));
    shards.command(&Command::TrunkDelete { name: "t".into() }).unwrap();
    let text = text.replace("z9hG4bK", "z9hG4bKx").replace(&call_id, &shards.call_id(1, "u"));
    shards.sent();
    assert_eq!(status(&shards.receive(0, "192.0.2.50:5060", &text)[0]), 403);
}

#[test]
fn a_phone_that_comes_back_over_another_connection_is_found_by_calls_of_all_shards() {
    let (first, second) = ("198.51.100.7:40001", "198.51.100.7:40002");
    for owner in 0..2 {
        let mut shards = Shards::new(2);
        let call_id = shards.call_id(owner, "tcp");
        let enrol = |shards: &mut Shards, listener: u16, peer: &str, cseq: u32| {
            for bench in &mut shards.all {
                bench.endpoint.handle_stream_opened(ListenerId(listener), peer.parse().unwrap());
            }
            let make = |cseq: u32, lines: &str| {
                let lines = format!("Contact: <sip:1000@10.0.0.8:50000;transport=tcp>\r\n{lines}");
                request("REGISTER", "sip:example.com", &format!("t{cseq}"), cseq, &lines).replace("/UDP ", "/TCP ")
            };
            let challenge = shards.receive_on(usize::from(listener) - 1, listener, peer, &make(cseq, "")).remove(0);
            let proof = shards.all[0].authorization(&challenge, "1000", "1234", "REGISTER");
            let ok = shards.receive_on(usize::from(listener) - 1, listener, peer, &make(cseq + 1, &proof)).remove(0);
            assert_eq!(status(&ok), 200);
        };
        enrol(&mut shards, TCP[0], first, 1);
        let mut caller = Caller::new(&call_id);
        let tcp = |text: String| text.replace("/UDP ", "/TCP ");
        let challenge = shards.receive_on(0, TCP[0], first, &tcp(caller.next("INVITE", "sip:1001@example.com", "", SDP))).remove(0);
        let proof = shards.all[0].authorization(&challenge, "1000", "1234", "INVITE");
        shards.receive_on(0, TCP[0], first, &tcp(caller.next("INVITE", "sip:1001@example.com", &proof, SDP)));
        shards.act(&call_id, Action::Answer { sdp: Some(sdp()) });
        let ok = shards.sent().remove(0);
        caller.to = response(&ok).to().to_string();
        shards.receive_on(0, TCP[0], first, &tcp(caller.write("ACK", "sip:1001@192.0.2.100:5060", caller.cseq, "ack", "", "")));
        for bench in &mut shards.all {
            bench.endpoint.handle_transport_failed(ListenerId(TCP[0]), first.parse().unwrap(), bench.now);
            bench.drain();
        }
        enrol(&mut shards, TCP[1], second, 3);
        shards.sent();
        shards.act(&call_id, Action::Hangup { reason: None, code: None, headers: vec![] });
        let bench = &mut shards.all[usize::from(owner)];
        let (to, bye) = bench.sent.pop().unwrap();
        assert_eq!((to, bench.over), (second.parse().unwrap(), ListenerId(TCP[1])), "{bye}");
        assert!(bye.starts_with("BYE "), "{bye}");
    }
}

#[test]
fn pings_are_answered_to_any_shard() {
    let mut shards = Shards::new(2);
    for user in ["1000", "1001"] {
        shards.register(0, user);
    }
    let mut pinged = 0;
    for _ in 0..10 {
        for at in 0..2 {
            shards.all[at].run(Duration::from_secs(20));
            for (_, ping) in std::mem::take(&mut shards.all[at].sent) {
                assert_eq!(as_request(&ping).method(), Method::Options);
                shards.receive(shards.away(at), PHONE, &answer(&ping, StatusCode::OK, &[], ""));
                pinged += 1;
            }
        }
    }
    assert!(pinged >= 4, "{pinged}");
    let Ok(Reply::Registrations(view)) = shards.command(&Command::RegGet { domain: Some(USER.into()), user: None }) else { panic!() };
    assert!(view.users.iter().all(|user| user.contacts[0].outstandingping == 0), "{view:?}");
}

#[test]
fn one_shard_says_nothing_to_nobody() {
    let mut bench = Bench::new();
    bench.enrol_1001();
    bench.talk_in("c1");
    assert!(bench.endpoint.poll_peer().is_none());
    assert_eq!((bench.endpoint.stats.handed_over, bench.endpoint.moved.len()), (0, 0));
}
