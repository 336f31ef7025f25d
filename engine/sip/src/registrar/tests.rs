//! Registrar: the rules of RFC 3261 §10.3, pings, limits, and what a binding weighs.

use std::net::SocketAddr;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;
use crate::flow::{Flow, ListenerId, Transport};

const URI: &str = "sip:1000@192.0.2.7:5060";

struct Bench {
    registrar: Registrar,
    rng: ChaCha12Rng,
    now: Instant,
    cseq: u32,
}

fn flow(port: u16) -> Flow {
    Flow { listener: ListenerId(0), peer: SocketAddr::from(([192, 0, 2, 7], port)), transport: Transport::Udp }
}

fn contact(uri: &str, expires_s: Option<u32>) -> ContactUpdate<'_> {
    ContactUpdate { uri, expires_s, q: 1000, instance: None }
}

impl Bench {
    fn new(config: RegistrarConfig) -> Self {
        let now = sim::Clock::new().now();
        Self { registrar: Registrar::new(config, now), rng: ChaCha12Rng::seed_from_u64(3), now, cseq: 0 }
    }

    fn request<'a>(&mut self, contacts: Contacts<'a>, expires_s: Option<u32>) -> Register<'a> {
        self.cseq += 1;
        let (call_id, cseq) = ("a@phone", self.cseq);
        Register {
            user: "1000",
            domain: "example.com",
            call_id,
            cseq,
            contacts,
            expires_s,
            agent: Some("Z 5.2"),
            flow: flow(5060),
            path: None,
        }
    }

    fn register(&mut self, uri: &str, expires_s: Option<u32>) -> Result<(), RegisterError> {
        let contacts = [contact(uri, expires_s)];
        let request = self.request(Contacts::List(&contacts), None);
        self.send(&request)
    }

    fn send(&mut self, request: &Register<'_>) -> Result<(), RegisterError> {
        self.registrar.register(request, &mut self.rng, self.now)
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar.bindings("1000", "example.com").map(|binding| binding.contact().to_owned()).collect()
    }

    fn events(&mut self) -> Vec<bool> {
        std::iter::from_fn(|| self.registrar.poll_event()).map(|event| event.registered).collect()
    }

    /// Runs the timers until `end`, answering pings if told so; gives the times of the pings since the start of the run.
    fn run(&mut self, length: Duration, answer: bool) -> Vec<Duration> {
        let (start, end) = (self.now, self.now + length);
        let mut pings = Vec::new();
        while let Some(next) = self.registrar.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.registrar.handle_timeout(self.now);
            while let Some(ping) = self.registrar.poll_ping() {
                pings.push(self.now - start);
                if answer {
                    self.registrar.handle_pong(ping.id);
                }
            }
        }
        self.now = end;
        pings
    }
}

#[test]
fn a_lifetime_comes_from_the_contact_then_the_header_then_the_default() {
    let mut bench = Bench::new(RegistrarConfig::default());
    for (parameter, header, granted) in
        [(Some(100), Some(200), 100), (None, Some(200), 200), (None, None, 3600), (Some(9_999_999), None, 7200)]
    {
        let contacts = [contact(URI, parameter)];
        let request = bench.request(Contacts::List(&contacts), header);
        bench.send(&request).unwrap();
        let binding = bench.registrar.bindings("1000", "example.com").next().unwrap();
        assert_eq!((binding.expires_s(), binding.expires_in_s(bench.now)), (granted, granted));
    }
    assert_eq!(bench.registrar.len(), 1);
}

#[test]
fn a_brief_lifetime_is_refused_and_changes_nothing() {
    let mut bench = Bench::new(RegistrarConfig::default());
    let contacts = [contact(URI, Some(600)), contact("sip:b@c", Some(59))];
    let request = bench.request(Contacts::List(&contacts), None);
    assert_eq!(bench.send(&request), Err(RegisterError::TooBrief { min_s: 60 }));
    assert!(bench.registrar.is_empty());
}

#[test]
fn zero_ends_one_binding_and_star_ends_all() {
    let mut bench = Bench::new(RegistrarConfig::default());
    for uri in ["sip:a@h", "sip:b@h", "sip:c@h"] {
        bench.register(uri, None).unwrap();
    }
    bench.register("sip:b@h", Some(0)).unwrap();
    bench.register("sip:unknown@h", Some(0)).unwrap();
    assert_eq!(bench.contacts(), ["sip:c@h", "sip:a@h"]);
    assert_eq!(bench.events(), [true, true, true, false]);
    for wrong in [None, Some(60)] {
        let request = bench.request(Contacts::Star, wrong);
        assert_eq!(bench.send(&request), Err(RegisterError::StarNeedsZero));
    }
    let request = bench.request(Contacts::Star, Some(0));
    bench.send(&request).unwrap();
    assert!(bench.registrar.is_empty());
    assert_eq!(bench.events(), [false, false]);
}

#[test]
fn an_older_request_of_the_same_call_id_is_refused() {
    let mut bench = Bench::new(RegistrarConfig::default());
    bench.register(URI, None).unwrap();
    let contacts = [contact(URI, Some(0))];
    let mut late = bench.request(Contacts::List(&contacts), None);
    late.cseq = 1;
    assert_eq!(bench.send(&late), Err(RegisterError::OutOfOrder));
    let star = Register { contacts: Contacts::Star, expires_s: Some(0), ..late };
    assert_eq!(bench.send(&star), Err(RegisterError::OutOfOrder));
    // A phone that restarted has a new Call-ID and begins at 1.
    let restarted = Register { call_id: "b@phone", ..late };
    assert_eq!(bench.send(&restarted), Ok(()));
    assert!(bench.registrar.is_empty());
}

#[test]
fn a_refresh_keeps_the_binding_and_moves_the_source() {
    let mut bench = Bench::new(RegistrarConfig::default());
    bench.register(URI, None).unwrap();
    let first = bench.now;
    bench.now += Duration::from_secs(10);
    let contacts = [contact("sip:1000@192.0.2.7:5060;ob", None)];
    let contacts_same = [contact("SIP:1000@192.0.2.7:5060", None)];
    let mut request = bench.request(Contacts::List(&contacts_same), None);
    request.flow = flow(40_000);
    bench.send(&request).unwrap();
    let binding = bench.registrar.bindings("1000", "example.com").next().unwrap();
    assert_eq!((binding.flow().peer.port(), binding.registered_at()), (40_000, first));
    assert_eq!(bench.registrar.len(), 1);
    let request = bench.request(Contacts::List(&contacts), None);
    bench.send(&request).unwrap();
    assert_eq!(bench.registrar.len(), 1, "a parameter that only one of the two has is not compared (RFC 3261 §19.1.4)");
}

#[test]
fn the_binding_longest_not_refreshed_gives_way() {
    let mut bench = Bench::new(RegistrarConfig { bindings_per_aor_max: 2, bindings_max: 2, ..RegistrarConfig::default() });
    for uri in ["sip:a@h", "sip:b@h", "sip:a@h", "sip:c@h"] {
        bench.register(uri, None).unwrap();
    }
    assert_eq!(bench.contacts(), ["sip:c@h", "sip:a@h"]);
    let contacts = [contact("sip:d@h", None)];
    let other = Register { user: "1001", ..bench.request(Contacts::List(&contacts), None) };
    assert_eq!(bench.send(&other), Err(RegisterError::Full { max: 2 }));
    let long = format!("sip:{}@h", "x".repeat(300));
    assert!(matches!(bench.register(&long, None), Err(RegisterError::ContactTooLong { .. })));
}

#[test]
fn a_binding_expires_and_says_so() {
    let mut bench = Bench::new(RegistrarConfig::default());
    bench.register(URI, Some(60)).unwrap();
    bench.run(Duration::from_millis(59_900), true);
    assert_eq!(bench.registrar.len(), 1);
    bench.run(Duration::from_millis(200), true);
    assert!(bench.registrar.is_empty());
    assert_eq!(bench.events(), [true, false]);
    assert_eq!(bench.registrar.next_deadline(), None, "no timer is left");
}

#[test]
fn seven_lost_pings_end_a_binding() {
    let mut bench = Bench::new(RegistrarConfig::default());
    bench.register(URI, None).unwrap();
    let pings = bench.run(Duration::from_secs(3000), false);
    assert_eq!(pings.len(), 7);
    assert!(pings[0] <= Duration::from_secs(30) && pings[6] - pings[0] < Duration::from_secs(181));
    assert!(bench.registrar.is_empty());
    assert_eq!((bench.events(), bench.registrar.stats().lost), (vec![true, false], 1));
}

#[test]
fn one_answer_or_refresh_starts_the_count_again() {
    let mut bench = Bench::new(RegistrarConfig::default());
    bench.register(URI, None).unwrap();
    assert_eq!(bench.run(Duration::from_secs(205), false).len(), 7);
    bench.register(URI, None).unwrap();
    assert_eq!(bench.run(Duration::from_secs(1800), true).len(), 60);
    assert_eq!(bench.registrar.len(), 1);
    bench.registrar.handle_pong(BindingId { slot: 0, stamp: 0 });
    bench.registrar.handle_pong(BindingId { slot: 99, stamp: 0 });
}

#[test]
fn without_a_period_nobody_is_pinged_and_bindings_last_their_time() {
    let mut bench = Bench::new(RegistrarConfig { ping_every: None, ..RegistrarConfig::default() });
    bench.register(URI, None).unwrap();
    assert!(bench.run(Duration::from_secs(3590), false).is_empty());
    assert_eq!(bench.contacts().len(), 1);
    bench.run(Duration::from_secs(20), false);
    assert_eq!(bench.contacts().len(), 0);
}

#[test]
fn pings_of_phones_that_came_together_are_spread() {
    let mut bench = Bench::new(RegistrarConfig::default());
    for n in 0..300 {
        let user = n.to_string();
        let contacts = [contact(URI, None)];
        let request = Register { user: &user, ..bench.request(Contacts::List(&contacts), None) };
        bench.send(&request).unwrap();
    }
    let pings = bench.run(Duration::from_secs(30), true);
    let busiest = (0..30).map(|second| pings.iter().filter(|at| at.as_secs() == second).count()).max().unwrap();
    assert!(busiest < 30, "{busiest} of 300 in one second");
}

#[test]
fn users_removed_end_in_silence() {
    let mut bench = Bench::new(RegistrarConfig::default());
    bench.register("sip:a@h", None).unwrap();
    bench.register("sip:b@h", None).unwrap();
    bench.events();
    bench.registrar.remove_user("1000", "example.com");
    assert!(bench.registrar.is_empty() && bench.events().is_empty());
    assert_eq!(bench.registrar.next_deadline(), None);
}

/// 1 KiB: what the longest contact, agent and a usual long AOR come to. Indices are counted at their worst load factor.
#[test]
fn a_binding_weighs_at_most_one_kib() {
    let aor = 128 + 1 + 100;
    let record = size_of::<Binding>() + size_of::<usize>();
    let strings = 300 + 64 + aor + 2 * size_of::<usize>();
    let index = 2 * (size_of::<(Arc<str>, Vec<u32>)>() + 1) + 4 * size_of::<u32>();
    // The wheel keeps 40 bytes and the token; a growing slab may be half empty.
    let timer = 2 * (40 + size_of::<u32>());
    let total = record + strings + index + timer;
    println!("binding: record {record}, strings {strings}, index {index}, timer {timer}, total {total}");
    assert!(total <= 1024, "{total}");
}

#[test]
fn contacts_are_called_by_preference_and_shown_by_age() {
    let mut bench = Bench::new(RegistrarConfig::default());
    for (uri, q) in [("sip:a@h", 200), ("sip:b@h", 1000), ("sip:c@h", 500), ("sip:d@h", 1000)] {
        let contacts = [ContactUpdate { q, ..contact(uri, None) }];
        let request = bench.request(Contacts::List(&contacts), None);
        bench.send(&request).unwrap();
    }
    assert_eq!(bench.contacts(), ["sip:d@h", "sip:b@h", "sip:c@h", "sip:a@h"]);
    let newest: Vec<&str> = bench.registrar.newest("1000", "example.com").map(Binding::contact).collect();
    assert_eq!(newest, ["sip:d@h", "sip:c@h", "sip:b@h", "sip:a@h"]);
}

#[test]
fn a_phone_that_comes_back_at_another_address_leaves_no_ghost() {
    let mut bench = Bench::new(RegistrarConfig::default());
    for (uri, instance) in [("sip:a@h:1", Some("<urn:uuid:1>")), ("sip:b@h", Some("<urn:uuid:2>")), ("sip:a@h:2", Some("<urn:uuid:1>"))] {
        let contacts = [ContactUpdate { instance, ..contact(uri, None) }];
        let request = bench.request(Contacts::List(&contacts), None);
        bench.send(&request).unwrap();
    }
    assert_eq!(bench.contacts(), ["sip:a@h:2", "sip:b@h"]);
    assert_eq!(bench.events(), [true, true, true], "the user was registered all the time");
}

#[test]
fn the_way_of_a_phone_is_kept_with_its_binding() {
    let mut bench = Bench::new(RegistrarConfig::default());
    let contacts = [contact(URI, None)];
    let path = Some("<sip:edge@p1.example.com;lr>, <sip:p2.example.com;lr>");
    let request = Register { path, ..bench.request(Contacts::List(&contacts), None) };
    bench.send(&request).unwrap();
    assert_eq!(bench.registrar.bindings("1000", "example.com").next().unwrap().path(), path);
    let long = "<sip:p.example.com;lr>,".repeat(20);
    let request = Register { path: Some(&long), ..bench.request(Contacts::List(&contacts), None) };
    assert_eq!(bench.send(&request), Err(RegisterError::PathTooLong { max: 256 }));
    bench.register(URI, None).unwrap();
    assert_eq!(bench.registrar.bindings("1000", "example.com").next().unwrap().path(), None, "the last REGISTER counts");
}
