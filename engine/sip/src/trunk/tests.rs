//! A trunk in virtual time: registration, refresh, failure of one target and of all.

use std::time::Instant;

use super::*;

struct Bench {
    trunk: Trunk,
    now: Instant,
}

fn config(expires_s: u32) -> TrunkConfig {
    TrunkConfig {
        name: "t".into(),
        domain: "provider.example".into(),
        user: "acc".into(),
        secret: "pw".into(),
        proxy: None,
        expires_s,
        control: None,
        priority: 0,
    }
}

fn target(n: u8) -> Target {
    Target::udp(([192, 0, 2, n], 5060).into())
}

fn register(n: u8) -> Option<Step> {
    Some(Step::Register { target: target(n), expires_s: 600 })
}

impl Bench {
    fn new(expires_s: u32) -> Self {
        let now = sim::Clock::new().now();
        Self { trunk: Trunk::new(config(expires_s), now), now }
    }

    /// Waits until it is due, and gives the step and how long that was.
    fn next(&mut self) -> (Option<Step>, u64) {
        let waited = self.trunk.due().saturating_duration_since(self.now).as_secs();
        self.now = self.now.max(self.trunk.due());
        (self.trunk.handle_timeout(self.now), waited)
    }

    fn located(&mut self) -> Option<Step> {
        let wish = Wish { host: "provider.example".into(), port: None, transport: None };
        assert_eq!(self.next().0, Some(Step::Locate(wish)));
        self.trunk.handle_targets(Ok(vec![target(1), target(2)]), self.now)
    }
}

#[test]
fn it_registers_probes_and_refreshes_in_time() {
    let mut bench = Bench::new(600);
    assert_eq!(bench.located(), register(1));
    assert!(!bench.trunk.is_up(bench.now));
    assert_eq!(bench.trunk.handle_challenged(bench.now), register(1));
    bench.trunk.handle_registered(Some(100), bench.now);
    assert!(bench.trunk.is_up(bench.now) && bench.trunk.view(bench.now).state == "registered");
    assert_eq!(bench.next(), (Some(Step::Probe(target(1))), 30));
    assert_eq!(bench.trunk.handle_probed(true, bench.now), None);
    assert_eq!(bench.next(), (Some(Step::Probe(target(1))), 30));
    assert_eq!(bench.trunk.handle_probed(true, bench.now), None);
    assert_eq!(bench.next(), (register(1), 15), "at 75 of 100 s");
    assert!(bench.trunk.is_up(bench.now), "it is registered while it refreshes");
}

#[test]
fn a_silent_target_gives_way_to_the_next_and_all_of_them_to_a_pause() {
    let mut bench = Bench::new(600);
    assert_eq!(bench.located(), register(1));
    let timeout = StatusCode::REQUEST_TIMEOUT;
    assert_eq!(bench.trunk.handle_failure(timeout, "", bench.now), register(2));
    assert_eq!(bench.trunk.handle_failure(StatusCode::SERVICE_UNAVAILABLE, "", bench.now), None);
    for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
        assert!(!bench.trunk.is_up(bench.now) && bench.trunk.view(bench.now).state == "waiting");
        assert_eq!(bench.next(), (Some(Step::Locate(wish("provider.example"))), pause));
        assert_eq!(bench.trunk.handle_targets(Err(LocateError::Failed), bench.now), None);
    }
    bench.next();
    assert_eq!(bench.trunk.handle_targets(Ok(vec![target(1)]), bench.now), register(1));
    bench.trunk.handle_registered(None, bench.now);
    assert_eq!(bench.trunk.view(bench.now).failures, 0);
}

#[test]
fn a_refusal_is_not_carried_to_other_targets_and_a_wrong_password_not_repeated_at_once() {
    let mut bench = Bench::new(600);
    bench.located();
    assert_eq!(bench.trunk.handle_failure(StatusCode::FORBIDDEN, "Forbidden", bench.now), None);
    let view = bench.trunk.view(bench.now);
    assert_eq!((view.status, view.reason.as_str(), view.state), (403, "Forbidden", "waiting"));
    bench.located();
    for _ in 0..3 {
        assert_eq!(bench.trunk.handle_challenged(bench.now), register(1));
    }
    assert_eq!(bench.trunk.handle_challenged(bench.now), None);
}

#[test]
fn too_brief_is_asked_for_longer_once() {
    let mut bench = Bench::new(600);
    bench.located();
    assert_eq!(bench.trunk.handle_too_brief(Some(1800), bench.now), Some(Step::Register { target: target(1), expires_s: 1800 }));
    assert_eq!(bench.trunk.handle_too_brief(Some(1800), bench.now), None);
}

#[test]
fn a_gateway_without_registration_is_only_probed() {
    let mut bench = Bench::new(0);
    assert_eq!(bench.located(), Some(Step::Probe(target(1))));
    assert_eq!(bench.trunk.handle_probed(true, bench.now), None);
    assert_eq!((bench.trunk.view(bench.now).state, bench.trunk.is_up(bench.now)), ("reachable", true));
    assert_eq!(bench.next(), (Some(Step::Probe(target(1))), 30));
    assert_eq!(bench.trunk.handle_probed(false, bench.now), Some(Step::Probe(target(2))));
    assert_eq!(bench.trunk.handle_probed(false, bench.now), None);
    assert!(!bench.trunk.is_up(bench.now));
}

#[test]
fn a_lost_connection_is_registered_over_anew_and_an_untold_end_does_not_stop_it() {
    let mut bench = Bench::new(600);
    bench.located();
    bench.trunk.handle_registered(None, bench.now);
    bench.trunk.handle_flow_lost(target(2), bench.now);
    assert!(bench.trunk.due() > bench.now, "another one");
    bench.trunk.handle_flow_lost(target(1), bench.now);
    assert_eq!(bench.next(), (register(1), 0));
    assert_eq!(bench.next(), (register(2), 60));
    let place = |text| (wish(text).host, wish(text).port, wish(text).transport.map(crate::flow::Transport::word));
    assert_eq!(place("[2001:db8::1]:5070;transport=TCP"), ("2001:db8::1".into(), Some(5070), Some("tcp")));
    assert_eq!(place("a.example:5070"), ("a.example".into(), Some(5070), None));
}
