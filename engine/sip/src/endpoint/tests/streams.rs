//! Connections: phones that register and call over TCP, connections that die, requests too large for UDP.

use super::calls::{answer, as_request, sdp, wish};
use super::*;
use crate::api::{Action, EventKind, Originate, Party};
use crate::locate::Target;
use crate::message::StatusCode;

const TCP: u16 = 2;
const FIRST: &str = "198.51.100.7:40001";
const SECOND: &str = "198.51.100.7:40002";

impl Bench {
    fn connect(&mut self, peer: &str) {
        self.endpoint.handle_stream_opened(ListenerId(TCP), peer.parse().unwrap());
    }

    fn lose(&mut self, peer: &str) {
        self.endpoint.handle_transport_failed(ListenerId(TCP), peer.parse().unwrap(), self.now);
        self.drain();
    }

    /// Registers 1001 over a connection.
    fn enrol_over(&mut self, peer: &str, contact: &str, cseq: u32) {
        let register = |branch: &str, cseq: u32, lines: &str| {
            request("REGISTER", "sip:example.com", branch, cseq, lines).replace("sip:1000@", "sip:1001@").replace("/UDP ", "/TCP ")
        };
        let contact = format!("Contact: <{contact}>\r\n");
        self.sent.clear();
        self.receive_on(TCP, peer, &register(&format!("c{cseq}"), cseq, &contact));
        let (to, challenge) = self.sent.pop().unwrap();
        assert_eq!((to, self.over), (peer.parse().unwrap(), ListenerId(TCP)));
        let proof = self.authorization(&challenge, "1001", "1234", "REGISTER");
        self.receive_on(TCP, peer, &register(&format!("d{cseq}"), cseq + 1, &format!("{contact}{proof}")));
        assert_eq!(status(&self.sent.pop().unwrap().1), 200);
    }

    fn bindings(&mut self) -> Vec<(SocketAddr, &'static str)> {
        self.endpoint.registrar.bindings("1001", "example.com").map(|b| (b.flow().peer, b.flow().transport.word())).collect()
    }
}

#[test]
fn a_phone_on_tcp_is_called_over_its_connection() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    bench.enrol_over(FIRST, "sip:1001@10.0.0.8:50000;transport=tcp", 1);
    assert!(matches!(bench.events.last(), Some(Event::Registration { registered: true, transport: "tcp", .. })));
    let (callid, invite) = bench.call_out(wish());
    assert!(invite.contains("Via: SIP/2.0/TCP 192.0.2.100:5060;") && invite.contains(";transport=tcp>"), "{invite}");
    assert_eq!((bench.over, bench.snapshots().pop().unwrap().transport), (ListenerId(TCP), "tcp"));
    // Nothing is repeated over TCP: the transport does that.
    bench.run(Duration::from_secs(20));
    assert!(!bench.sent.iter().any(|(_, text)| text.starts_with("INVITE")), "{:?}", bench.sent);
    bench.sent.clear();
    bench.receive_on(
        TCP,
        FIRST,
        &answer(&invite, StatusCode::OK, &[("Contact", "<sip:1001@10.0.0.8:50000;transport=tcp>")], super::calls::SDP),
    );
    let ack = bench.only();
    assert!(ack.starts_with("ACK sip:1001@10.0.0.8:50000;transport=tcp") && ack.contains("/TCP "), "{ack}");
    bench
        .endpoint
        .command(Command::Act { callid, action: Box::new(Action::Hangup { reason: None, code: None, headers: vec![] }) }, bench.now)
        .unwrap();
    bench.drain();
    let (to, bye) = bench.sent.pop().unwrap();
    assert!(bye.starts_with("BYE ") && to == FIRST.parse().unwrap() && bench.over == ListenerId(TCP), "{bye}");
    bench.receive_on(TCP, FIRST, &answer(&bye, StatusCode::OK, &[], ""));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_registration_ends_with_its_connection_unless_its_contact_can_be_reached() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    bench.enrol_over(FIRST, "sip:1001@10.0.0.8:50000;transport=tcp", 1);
    bench.lose(FIRST);
    assert!(matches!(bench.events.last(), Some(Event::Registration { registered: false, transport: "tcp", .. })), "{:?}", bench.events);
    assert!(bench.bindings().is_empty());
    bench.connect(SECOND);
    bench.enrol_over(SECOND, "sip:1001@198.51.100.7:5060;transport=tcp", 3);
    bench.lose(SECOND);
    assert_eq!(bench.bindings(), [("198.51.100.7:5060".parse().unwrap(), "tcp")]);
    // That cannot be had either.
    bench.lose("198.51.100.7:5060");
    assert!(bench.bindings().is_empty());
    assert!(bench.endpoint.registrar.is_empty());
}

#[test]
fn the_bye_finds_a_phone_that_came_back_over_another_connection() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    bench.enrol_over(FIRST, "sip:1001@10.0.0.8:50000;transport=tcp", 1);
    let (callid, invite) = bench.call_out(wish());
    bench.receive_on(
        TCP,
        FIRST,
        &answer(&invite, StatusCode::OK, &[("Contact", "<sip:1001@10.0.0.8:50000;transport=tcp>")], super::calls::SDP),
    );
    bench.sent.clear();
    bench.lose(FIRST);
    bench.connect(SECOND);
    bench.enrol_over(SECOND, "sip:1001@10.0.0.8:50001;transport=tcp", 3);
    bench
        .endpoint
        .command(Command::Act { callid, action: Box::new(Action::Hangup { reason: None, code: None, headers: vec![] }) }, bench.now)
        .unwrap();
    bench.drain();
    let (to, bye) = bench.sent.pop().unwrap();
    assert_eq!((to, as_request(&bye).method().as_str()), (SECOND.parse().unwrap(), "BYE"));
}

#[test]
fn a_call_over_a_connection_that_dies_ends_at_once_and_not_after_32_seconds() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    bench.enrol_over(FIRST, "sip:1001@10.0.0.8:50000;transport=tcp", 1);
    let (_, _invite) = bench.call_out(wish());
    bench.events.clear();
    bench.lose(FIRST);
    let end = bench.snapshots().pop().unwrap();
    assert_eq!((end.event, end.error.0), (EventKind::Hangup, 503));
    bench.run(Duration::from_secs(40));
    assert!(bench.endpoint.is_idle() && bench.endpoint.layer.is_empty());
}

#[test]
fn an_answer_whose_connection_is_gone_goes_where_the_via_says() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    bench.lose(FIRST);
    let options = request("OPTIONS", "sip:example.com", "o", 1, "").replace("/UDP 192.0.2.7:5060", "/TCP 198.51.100.7:5066");
    bench.receive_on(TCP, FIRST, &options);
    assert_eq!((bench.sent.pop().unwrap().0, bench.over), ("198.51.100.7:5066".parse().unwrap(), ListenerId(TCP)));
}

#[test]
fn a_request_above_1300_bytes_goes_over_tcp_and_back_where_there_is_none() {
    let mut bench = Bench::new();
    let to = |domain: &str| Party { user: "+44".into(), domain: Some(domain.into()), ..Party::default() };
    let large = |domain: &str| Originate { to: to(domain), headers: vec![("X-Long".into(), "x".repeat(900))], sdp: Some(sdp()), ..wish() };
    let call = |bench: &mut Bench, domain: &str| {
        bench.sent.clear();
        bench.endpoint.command(Command::Originate(Box::new(large(domain))), bench.now).unwrap();
        bench.drain();
        bench.sent.pop().unwrap()
    };
    let (peer, invite) = call(&mut bench, "192.0.2.50");
    assert!(invite.len() > 1300 && invite.contains("SIP/2.0/TCP") && bench.over == ListenerId(TCP), "{invite}");
    bench.lose(&peer.to_string());
    let (_, again) = bench.sent.pop().unwrap();
    assert!(again.contains("SIP/2.0/UDP") && !again.contains("transport=tcp") && bench.over == ListenerId(0), "{again}");
    bench.receive("192.0.2.50:5060", &answer(&again, StatusCode::BUSY_HERE, &[], ""));
    // It is remembered for a while.
    assert!(call(&mut bench, "192.0.2.50").1.contains("SIP/2.0/UDP"));
    bench.now += Duration::from_secs(6);
    assert!(call(&mut bench, "192.0.2.50").1.contains("SIP/2.0/TCP"));
    assert!(call(&mut bench, "192.0.2.51;transport=udp").1.contains("SIP/2.0/UDP"), "told so");
    let (_, small) = call(&mut bench, "192.0.2.51;transport=tcp");
    assert!(small.contains("INVITE sip:+44@192.0.2.51;transport=tcp SIP/2.0") && small.contains("To: <sip:+44@192.0.2.51>"), "{small}");
}

#[test]
fn a_request_inside_a_dialog_above_1300_bytes_goes_over_tcp_and_back_where_there_is_none() {
    let far = "192.0.2.50:5060";
    for refused in [false, true] {
        let mut bench = Bench::new();
        let to = Party { user: "+44".into(), domain: Some("192.0.2.50".into()), ..Party::default() };
        let (callid, invite) = bench.call_out(Originate { to, ..wish() });
        bench.receive(far, &answer(&invite, StatusCode::OK, &[("Contact", "<sip:+44@192.0.2.50>")], super::calls::SDP));
        assert!(bench.sent.pop().unwrap().1.starts_with("ACK "));
        let headers = ["X-A", "X-B"].map(|name| (name.to_owned(), "x".repeat(700))).to_vec();
        bench.act(&callid, Action::Hangup { reason: None, code: None, headers }).unwrap();
        let (_, bye) = bench.sent.pop().unwrap();
        assert!(bye.starts_with("BYE ") && bye.contains("Via: SIP/2.0/TCP 192.0.2.100:5060;") && bench.over == ListenerId(TCP), "{bye}");
        if refused {
            bench.lose(far);
            let (to, again) = bench.sent.pop().unwrap();
            assert_eq!((again.replace("SIP/2.0/UDP", "SIP/2.0/TCP"), to, bench.over), (bye, far.parse().unwrap(), ListenerId(0)));
            bench.receive(far, &answer(&again, StatusCode::OK, &[], ""));
        } else {
            bench.connect(far);
            bench.receive_on(TCP, far, &answer(&bye, StatusCode::OK, &[], ""));
        }
        assert!(bench.endpoint.is_idle());
    }
}

#[test]
fn a_target_that_answered_503_is_the_last_choice_of_the_next_call() {
    let mut bench = Bench::new();
    let targets = ["192.0.2.50:5060", "192.0.2.51:5060"].map(|peer| Target::udp(peer.parse().unwrap()));
    let to = Party { user: "+44".into(), domain: Some("trunk.example".into()), ..Party::default() };
    for first in ["192.0.2.50:5060", "192.0.2.51:5060"] {
        bench.sent.clear();
        bench.endpoint.command(Command::Originate(Box::new(Originate { to: to.clone(), ..wish() })), bench.now).unwrap();
        bench.drain();
        let (id, _) = bench.resolves.remove(0);
        bench.endpoint.handle_resolved(id, Ok(targets.to_vec()), bench.now);
        bench.drain();
        let (peer, invite) = bench.sent.pop().unwrap();
        assert_eq!(peer, first.parse().unwrap());
        bench.receive(first, &answer(&invite, StatusCode::SERVICE_UNAVAILABLE, &[], ""));
    }
}
