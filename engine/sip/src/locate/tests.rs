//! Searches with the records of RFC 3263 and of failures that others have had.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;

#[derive(Default)]
struct Zone {
    records: HashMap<Question, Answer>,
    asked: Vec<Question>,
}

impl Zone {
    fn naptr(mut self, domain: &str, records: &[(u16, u16, &str, &str)]) -> Self {
        let records = records.iter().map(|(order, preference, service, replacement)| Naptr {
            order: *order,
            preference: *preference,
            flags: "s".into(),
            service: (*service).into(),
            replacement: (*replacement).into(),
        });
        self.records.insert(Question::Naptr(domain.into()), Answer::Naptr(records.collect()));
        self
    }

    fn srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let records = records.iter().map(|(priority, weight, port, target)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).into(),
        });
        self.records.insert(Question::Srv(name.into()), Answer::Srv(records.collect()));
        self
    }

    fn host(mut self, name: &str, ips: &[&str]) -> Self {
        let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        self.records.insert(Question::Addresses(name.into()), Answer::Addresses(ips));
        self
    }

    fn dead(mut self, question: Question) -> Self {
        self.records.insert(question, Answer::Failed);
        self
    }

    fn search(&mut self, host: &str, port: Option<u16>, transport: Option<Transport>, seed: u8) -> Result<Vec<String>, LocateError> {
        let mut rng = ChaCha12Rng::from_seed([seed; 32]);
        let mut search = Search::new(Wish { host: host.into(), port, transport }, true, true, true);
        while let Some(question) = search.question() {
            let nothing = match &question {
                Question::Naptr(_) => Answer::Naptr(vec![]),
                Question::Srv(_) => Answer::Srv(vec![]),
                Question::Addresses(_) => Answer::Addresses(vec![]),
            };
            let answer = self.records.get(&question).cloned().unwrap_or(nothing);
            self.asked.push(question);
            search.handle_answer(answer, &mut rng);
        }
        Ok(search.finish()?.iter().map(|target| format!("{}/{}", target.peer, target.transport.word())).collect())
    }
}

#[test]
fn naptr_leads_to_srv_and_on_to_addresses_in_the_order_of_the_domain() {
    // RFC 3263 §4.1, its example; TLS is passed over.
    let mut zone = Zone::default()
        .naptr(
            "example.com",
            &[
                (90, 50, "SIP+D2T", "_sip._tcp.example.com"),
                (100, 50, "SIP+D2U", "_sip._udp.example.com"),
                (50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
            ],
        )
        .srv("_sip._tcp.example.com", &[(0, 1, 5060, "server1.example.com"), (1, 2, 5070, "server2.example.com")])
        .srv("_sip._udp.example.com", &[(0, 1, 5060, "server1.example.com")])
        .host("server1.example.com", &["192.0.2.1"])
        .host("server2.example.com", &["192.0.2.2", "2001:db8::2"]);
    let found = zone.search("example.com", None, None, 1).unwrap();
    assert_eq!(found, ["192.0.2.1:5060/tcp", "192.0.2.2:5070/tcp", "[2001:db8::2]:5070/tcp", "192.0.2.1:5060/udp"]);
}

#[test]
fn srv_comes_before_the_address_of_the_domain_and_a_port_before_both() {
    let zone = || {
        Zone::default()
            .srv("_sip._udp.example.com", &[(10, 0, 5080, "sip.example.com")])
            .host("example.com", &["192.0.2.99"])
            .host("sip.example.com", &["192.0.2.1"])
    };
    assert_eq!(zone().search("example.com", None, None, 1).unwrap(), ["192.0.2.1:5080/udp"]);
    let mut with_port = zone();
    assert_eq!(with_port.search("example.com", Some(5062), None, 1).unwrap(), ["192.0.2.99:5062/udp"]);
    assert_eq!(with_port.asked, [Question::Addresses("example.com".into())]);
    assert_eq!(zone().search("example.com", None, Some(Transport::Udp), 1).unwrap(), ["192.0.2.1:5080/udp"]);
    // No SRV for TCP: the domain itself, at the default port.
    assert_eq!(zone().search("example.com", None, Some(Transport::Tcp), 1).unwrap(), ["192.0.2.99:5060/tcp"]);
}

#[test]
fn a_domain_that_is_only_a_host_is_found_over_udp() {
    let mut zone = Zone::default().host("pbx.example.com", &["192.0.2.5"]);
    assert_eq!(zone.search("pbx.example.com", None, None, 1).unwrap(), ["192.0.2.5:5060/udp"]);
    assert_eq!(zone.asked.len(), 4, "{:?}", zone.asked);
    assert_eq!(zone.search("nowhere.example.com", None, None, 1), Err(LocateError::NotFound));
}

#[test]
fn a_dead_server_of_one_record_does_not_lose_the_others() {
    let mut zone = Zone::default()
        .dead(Question::Naptr("example.com".into()))
        .srv("_sip._udp.example.com", &[(1, 0, 5060, "a.example.com"), (2, 0, 5060, "b.example.com")])
        .dead(Question::Addresses("a.example.com".into()))
        .host("b.example.com", &["192.0.2.2"]);
    assert_eq!(zone.search("example.com", None, None, 1).unwrap(), ["192.0.2.2:5060/udp"]);
    let mut zone = Zone::default().dead(Question::Addresses("example.com".into()));
    assert_eq!(zone.search("example.com", None, None, 1), Err(LocateError::Failed));
}

#[test]
fn a_service_that_is_decidedly_not_there_is_not_looked_for_at_the_domain() {
    let mut zone = Zone::default().srv("_sip._udp.example.com", &[(0, 0, 0, ".")]).host("example.com", &["192.0.2.9"]);
    assert_eq!(zone.search("example.com", None, Some(Transport::Udp), 1), Err(LocateError::NotFound));
}

#[test]
fn weights_share_the_first_place_and_every_target_keeps_a_place() {
    let mut first = [0_u32; 3];
    for seed in 0..200 {
        let mut zone = Zone::default()
            .srv("_sip._udp.e.com", &[(0, 60, 1, "a"), (0, 30, 2, "b"), (0, 10, 3, "c"), (5, 0, 4, "d")])
            .host("a", &["192.0.2.1"])
            .host("b", &["192.0.2.2"])
            .host("c", &["192.0.2.3"])
            .host("d", &["192.0.2.4"]);
        let found = zone.search("e.com", None, Some(Transport::Udp), seed).unwrap();
        assert_eq!((found.len(), found[3].as_str()), (4, "192.0.2.4:4/udp"));
        let index = ["192.0.2.1:1/udp", "192.0.2.2:2/udp", "192.0.2.3:3/udp"].iter().position(|name| *name == found[0]);
        first[index.unwrap()] += 1;
    }
    assert!((90..150).contains(&first[0]) && (35..85).contains(&first[1]) && (5..40).contains(&first[2]), "{first:?}");
}

#[test]
fn endless_records_end_in_a_bounded_search() {
    let many: Vec<(u16, u16, u16, String)> = (0..500).map(|n| (n, 0, 5060, format!("h{n}"))).collect();
    let records: Vec<_> = many.iter().map(|(a, b, c, d)| (*a, *b, *c, d.as_str())).collect();
    let mut zone = Zone::default().srv("_sip._udp.e.com", &records);
    assert_eq!(zone.search("e.com", None, Some(Transport::Udp), 1), Err(LocateError::NotFound));
    assert!(zone.asked.len() <= 12, "{}", zone.asked.len());
}

#[test]
fn an_ill_target_is_tried_last_and_recovers_by_time_or_by_an_answer() {
    let mut now = sim::Clock::new().now();
    let target = |n: u8| Target::udp(SocketAddr::from(([192, 0, 2, n], 5060)));
    let mut health = Health::default();
    let order = |health: &Health, now| {
        let mut all = [target(1), target(2), target(3)];
        health.order(&mut all, now);
        all
    };
    health.failed(target(1), now);
    assert_eq!(order(&health, now), [target(2), target(3), target(1)]);
    health.failed(target(2), now);
    health.failed(target(3), now);
    assert_eq!(order(&health, now), [target(1), target(2), target(3)], "all ill: as DNS has it, and still tried");
    health.answered(target(2));
    assert_eq!(order(&health, now), [target(2), target(1), target(3)]);
    now += Duration::from_secs(5);
    assert_eq!(order(&health, now), [target(1), target(2), target(3)], "one failure is soon forgiven");
    for _ in 0..20 {
        health.failed(target(1), now);
    }
    assert!(health.is_ill(target(1), now + Duration::from_secs(299)) && !health.is_ill(target(1), now + Duration::from_secs(300)));
    now += Duration::from_secs(600);
    health.failed(target(1), now);
    assert!(!health.is_ill(target(1), now + Duration::from_secs(5)), "what is long past does not count");
    for n in 0..10_000_u32 {
        health.failed(Target::udp(SocketAddr::from((n.to_be_bytes(), 1))), now);
    }
    assert_eq!(health.len(), 4096);
}
